//! `cargo xtask sim`: plays simulated worlds, and breaks the product on purpose to see that the
//! checkers of those worlds bite.

mod mutants;

use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode, Stdio};
use std::time::Instant;

use anyhow::{Context, Result, bail, ensure};
use cargo_metadata::Message;
use clap::Args;

use crate::repo::Repo;

/// What is asked for.
#[derive(Debug, Args)]
pub(crate) struct Ask {
    /// How many seeds; each mutant gets so many at most, 200 unless told otherwise.
    #[arg(long, value_name = "N")]
    seeds: Option<u64>,
    /// The first seed.
    #[arg(long, default_value_t = 0, value_name = "S")]
    from: u64,
    /// This seed and no other.
    #[arg(long, value_name = "S", conflicts_with_all = ["seeds", "from"])]
    seed: Option<u64>,
    /// Tell what happens in each world.
    #[arg(long)]
    verbose: bool,
    /// Break the product by each line of crates/tidegate-world/mutations.toml; exit 1 when one of
    /// them goes unnoticed.
    #[arg(long)]
    mutants: bool,
    /// Only the mutants whose name contains this text.
    #[arg(long, value_name = "TEXT", requires = "mutants")]
    only: Option<String>,
    /// Write the table of mutants to docs/RELIABILITY.md.
    #[arg(long, requires = "mutants", conflicts_with = "only")]
    report: bool,
}

/// Seeds when none are asked for.
const SEEDS: u64 = 1_000;

/// Seeds for each mutant when none are asked for.
const SEEDS_OF_MUTANT: u64 = 200;

/// Plays the seeds, or the mutants.
pub(crate) fn run(repo: &Repo, ask: &Ask) -> Result<ExitCode> {
    if ask.mutants {
        let seeds = ask.seeds.unwrap_or(SEEDS_OF_MUTANT);
        return mutants::run(
            repo,
            ask.only.as_deref(),
            ask.from..ask.from + seeds,
            ask.report,
        );
    }
    let program = build(repo, repo.root(), &[])?;
    let mut simulate = Command::new(program);
    if let Some(seed) = ask.seed {
        simulate.args(["--seed", &seed.to_string()]);
    } else {
        let seeds = ask.seeds.unwrap_or(SEEDS);
        simulate.args([
            "--seeds",
            &seeds.to_string(),
            "--from",
            &ask.from.to_string(),
        ]);
        // A new seed with each commit, which needs no number of its own to be repeated.
        if let Ok(seed) = commit_seed(repo) {
            simulate.args(["--and", &seed.to_string()]);
        }
    }
    if ask.verbose {
        simulate.arg("--verbose");
    }
    let begun = Instant::now();
    let status = simulate.status().context("failed to start the simulator")?;
    let seconds = begun.elapsed().as_secs_f64();
    println!("{seconds:.1} s");
    Ok(if status.success() {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    })
}

/// Builds the simulator of the workspace at `root` with further settings of cargo, and says where it
/// is.
///
/// All packages are named, so that features are those of every other build and DataFusion is not
/// compiled anew.
fn build(repo: &Repo, root: &Path, settings: &[String]) -> Result<PathBuf> {
    let target = repo.metadata()?.target_directory;
    let mut cargo = repo.cargo();
    let output = cargo
        .current_dir(root)
        .env("CARGO_TARGET_DIR", &target)
        .args(["build", "--release", "--workspace", "--locked"])
        .args(["--bin", "simulate"])
        .args(settings.iter().flat_map(|setting| ["--config", setting]))
        .arg("--message-format=json-render-diagnostics")
        .stderr(Stdio::inherit())
        .output()
        .context("failed to start cargo")?;
    ensure!(output.status.success(), "the simulator does not build");
    for message in Message::parse_stream(output.stdout.as_slice()) {
        if let Message::CompilerArtifact(artifact) = message?
            && artifact.target.name == "simulate"
            && let Some(program) = artifact.executable
        {
            return Ok(program.into());
        }
    }
    bail!("cargo names no program called simulate")
}

/// The first sixteen hexadecimal digits of the commit, as a number.
fn commit_seed(repo: &Repo) -> Result<u64> {
    let output = Command::new("git")
        .current_dir(repo.root())
        .arg("-c")
        .arg(format!("safe.directory={}", repo.root().display()))
        .args(["rev-parse", "HEAD"])
        .output()
        .context("failed to start git")?;
    let hash = String::from_utf8_lossy(&output.stdout).into_owned();
    let digits = hash.get(..16).context("there is no commit yet")?;
    u64::from_str_radix(digits, 16).context("a commit's hash is hexadecimal")
}
