//! `cargo xtask fuzz`: coverage-guided fuzzing of the decoders with libFuzzer, on stable Rust.
//!
//! The compiler's coverage pass is switched on by its flags alone, as `cargo fuzz` does it without a
//! sanitizer; the crate `fuzz` links libFuzzer. A corpus begins with small inputs: the seeds in
//! `fuzz/seeds`, and single records that the crate cuts out of the recorded files, where they are.
//! It grows under the target folder. An input that breaks a decoder is left there and named; put it
//! into a test before mending the decoder.

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, ensure};

use crate::repo::Repo;

/// The targets: the decoders by format, and the readers of reference data.
const FORMATS: &[&str] = &[
    "json",
    "mapped_json",
    "csv",
    "csv_gbk",
    "gtfs_realtime",
    "gtfs_realtime_json",
    "siri",
    "protobuf",
    "confluent",
    "arrow",
    "schedule",
    "netex",
    "schema",
];

/// What libFuzzer needs of the compiler: counters and a table of places, and compared values.
const FLAGS: &str = "-Cpasses=sancov-module \
    -Cllvm-args=-sanitizer-coverage-level=4 \
    -Cllvm-args=-sanitizer-coverage-inline-8bit-counters \
    -Cllvm-args=-sanitizer-coverage-pc-table \
    -Cllvm-args=-sanitizer-coverage-trace-compares \
    -Ccodegen-units=1";

/// The longest input, in bytes: a few records. Whole messages take a hundred times as long each and
/// reach the same code.
const INPUT_BYTES_MAX: u64 = 8 << 10;

/// The most memory of a run, in MiB.
const MEMORY_MIB_MAX: u64 = 1_024;

/// Fuzzes each format for so many seconds; all formats when none is named.
pub(crate) fn run(repo: &Repo, format: Option<&str>, seconds: u64) -> Result<()> {
    let chosen: Vec<_> = FORMATS
        .iter()
        .filter(|name| format.is_none_or(|format| format == **name))
        .collect();
    ensure!(!chosen.is_empty(), "the formats are {}", FORMATS.join(", "));
    let folder = repo
        .metadata()?
        .target_directory
        .join("fuzz")
        .into_std_path_buf();
    let binary = build(repo, &folder)?;
    for name in chosen {
        let corpus = folder.join("corpus").join(name);
        begin(repo, &binary, name, &corpus)?;
        let log = folder.join(format!("{name}.log"));
        println!("==> {name}, {seconds} s, {}", log.display());
        let status = Command::new(&binary)
            .env("TIDEGATE_FUZZ_FORMAT", name)
            .arg(&corpus)
            .arg(format!("-max_total_time={seconds}"))
            .arg(format!("-max_len={INPUT_BYTES_MAX}"))
            .arg(format!("-rss_limit_mb={MEMORY_MIB_MAX}"))
            .arg(format!("-artifact_prefix={}/{name}-", folder.display()))
            .args(["-timeout=10", "-print_final_stats=1"])
            .stderr(File::create(&log)?)
            .status()
            .with_context(|| format!("failed to start {}", binary.display()))?;
        let text = fs::read_to_string(&log)?;
        let told = |line: &&str| line.contains("DONE") || line.starts_with("stat::");
        for line in text.lines().filter(told) {
            println!("{line}");
        }
        ensure!(
            status.success(),
            "{name}: an input breaks the decoder, see the end of {}",
            log.display()
        );
    }
    Ok(())
}

/// Builds the crate `fuzz` with counters of coverage and gives its program.
fn build(repo: &Repo, folder: &Path) -> Result<PathBuf> {
    let triple = "x86_64-unknown-linux-gnu";
    let mut build = repo.cargo();
    build
        .args(["build", "--release", "--manifest-path", "fuzz/Cargo.toml"])
        .args(["--target", triple])
        .env("CARGO_TARGET_DIR", folder)
        .env("RUSTFLAGS", FLAGS);
    ensure!(build.status()?.success(), "the crate fuzz does not build");
    Ok(folder.join(triple).join("release/decode"))
}

/// Puts the small inputs into the corpus with which the target begins.
fn begin(repo: &Repo, binary: &Path, format: &str, corpus: &Path) -> Result<()> {
    fs::create_dir_all(corpus)?;
    let status = Command::new(binary)
        .env("TIDEGATE_FUZZ_FORMAT", format)
        .env("TIDEGATE_FUZZ_SEEDS", corpus)
        .env("TIDEGATE_FUZZ_DATA", repo.recorded_data())
        .status()
        .with_context(|| format!("failed to start {}", binary.display()))?;
    ensure!(
        status.success(),
        "{format}: the recorded files cannot be cut"
    );
    let examples = repo.root().join("fuzz/seeds").join(format);
    if let Ok(entries) = fs::read_dir(examples) {
        for entry in entries {
            let path = entry?.path();
            let name = path.file_name().unwrap_or_default();
            fs::write(corpus.join(name), fs::read(&path)?)?;
        }
    }
    Ok(())
}
