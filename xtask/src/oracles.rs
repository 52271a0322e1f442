//! `cargo xtask oracles`: the methods of `tidegate-risk` against independent programs on random
//! input.
//!
//! `tests/oracles/oracle.py` (scipy, numpy) and `tests/oracles/oracle.R` draw the cases and answer
//! them; this compares. It is no part of `cargo ci`, because it needs Python packages from the
//! network and R. What is not there is skipped with a word why; a difference beyond the tolerance
//! that the case states fails. The same seed gives the same cases.

mod methods;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, bail, ensure};
use clap::Args;
use serde::de::Error;
use serde::{Deserialize, Deserializer};

use crate::repo::{Repo, find_program};

/// What is asked for.
#[derive(Debug, Args)]
pub(crate) struct Ask {
    /// Random cases of each method.
    #[arg(long, default_value_t = 200, value_name = "N",
          value_parser = clap::value_parser!(u32).range(1..=100_000))]
    cases: u32,
    /// The seed of the cases.
    #[arg(long, default_value_t = 1, value_name = "S")]
    seed: u32,
}

/// What Python needs beside itself.
const PACKAGES: [&str; 2] = ["numpy", "scipy"];

/// Cases of which the first are printed when they fail, for each method.
const SHOWN_MAX: u64 = 3;

/// A line of an oracle: numbers in, numbers out, and how near they must be met.
#[derive(Debug, Deserialize)]
struct Case {
    method: String,
    #[serde(deserialize_with = "numbers")]
    input: Vec<f64>,
    #[serde(deserialize_with = "numbers")]
    expected: Vec<f64>,
    /// Allowed difference, as a share of the expected value,
    tolerance: f64,
    /// or of this where the expected value is smaller.
    floor: f64,
}

/// Numbers written as text, which are read to the last bit.
fn numbers<'de, D: Deserializer<'de>>(reader: D) -> Result<Vec<f64>, D::Error> {
    let texts = Vec::<String>::deserialize(reader)?;
    let parse = |text: &String| text.parse().map_err(D::Error::custom);
    texts.iter().map(parse).collect()
}

impl Case {
    /// The largest difference of `actual`, as a share; infinite where numbers are missing.
    fn difference(&self, actual: &[f64]) -> f64 {
        if actual.len() != self.expected.len() {
            return f64::INFINITY;
        }
        let pairs = actual.iter().zip(&self.expected);
        pairs.fold(0.0, |worst, (actual, expected)| {
            let share = (actual - expected).abs() / expected.abs().max(self.floor);
            // A NaN is a difference too, which `max` would drop.
            if share.is_nan() {
                f64::INFINITY
            } else {
                f64::max(worst, share)
            }
        })
    }
}

/// What came out for one method.
#[derive(Debug, Default)]
struct Tally {
    cases: u64,
    tolerance: f64,
    worst: f64,
    failures: u64,
}

/// Compares all cases of the oracles that run here and prints a table.
pub(crate) fn run(repo: &Repo, ask: &Ask) -> Result<()> {
    let mut lines = String::new();
    let mut skipped = 0;
    for (name, answer) in [("Python", python(repo, ask)), ("R", r(repo, ask))] {
        match answer? {
            Answer::Cases(text) => lines.push_str(&text),
            Answer::Skipped(why) => {
                skipped += 1;
                println!("{name} is skipped: {why}");
            }
        }
    }
    ensure!(skipped < 2, "no oracle runs here, so nothing was compared");
    let tallies = compare(&lines)?;
    println!("method | cases | tolerance | worst relative difference | failures");
    println!("-|-|-|-|-");
    for (method, tally) in &tallies {
        println!(
            "{method} | {} | {:.0e} | {:.1e} | {}",
            tally.cases, tally.tolerance, tally.worst, tally.failures
        );
    }
    let failures: u64 = tallies.values().map(|tally| tally.failures).sum();
    ensure!(failures == 0, "{failures} cases differ; see above");
    Ok(())
}

/// Computes each case and counts by method.
fn compare(lines: &str) -> Result<BTreeMap<String, Tally>> {
    let mut tallies = BTreeMap::<String, Tally>::new();
    for line in lines.lines() {
        let case: Case =
            serde_json::from_str(line).with_context(|| format!("failed to read {line}"))?;
        let actual = methods::compute(&case.method, &case.input)
            .with_context(|| format!("failed to compute {line}"))?;
        let difference = case.difference(&actual);
        let tally = tallies.entry(case.method.clone()).or_default();
        tally.cases += 1;
        tally.tolerance = tally.tolerance.max(case.tolerance);
        tally.worst = tally.worst.max(difference);
        if difference > case.tolerance {
            tally.failures += 1;
            if tally.failures <= SHOWN_MAX {
                println!("{line}\n  gives {actual:?}, off by {difference:.2e}");
            }
        }
    }
    Ok(tallies)
}

/// What an oracle gave.
enum Answer {
    Cases(String),
    Skipped(String),
}

/// The cases of Python, in an environment of its own under the target folder.
fn python(repo: &Repo, ask: &Ask) -> Result<Answer> {
    let Some(system) = find_program("python3") else {
        return Ok(Answer::Skipped("there is no python3".to_owned()));
    };
    let target = repo.metadata()?.target_directory;
    let folder = target.join("oracle-venv").into_std_path_buf();
    let python = folder.join("bin/python");
    if !imports(&python)
        && let Err(why) = install(&system, &folder)
    {
        return Ok(Answer::Skipped(format!("{why:#}")));
    }
    cases(&python, &repo.root().join("tests/oracles/oracle.py"), ask).map(Answer::Cases)
}

/// Whether this Python is there and has the packages.
fn imports(python: &Path) -> bool {
    Command::new(python)
        .args(["-c", &format!("import {}", PACKAGES.join(", "))])
        .output()
        .is_ok_and(|output| output.status.success())
}

/// Makes the environment and puts the packages into it, which needs the network once.
fn install(system: &Path, folder: &PathBuf) -> Result<()> {
    println!("==> {} into {}", PACKAGES.join(", "), folder.display());
    let mut environment = Command::new(system);
    environment.args(["-m", "venv"]).arg(folder);
    output_of(environment)?;
    let mut pip = Command::new(folder.join("bin/python"));
    pip.args(["-m", "pip", "install", "--quiet"]).args(PACKAGES);
    output_of(pip).context("the packages cannot be installed; is there a network?")?;
    Ok(())
}

/// The cases of R.
fn r(repo: &Repo, ask: &Ask) -> Result<Answer> {
    match find_program("Rscript") {
        None => Ok(Answer::Skipped("there is no Rscript".to_owned())),
        Some(r) => cases(&r, &repo.root().join("tests/oracles/oracle.R"), ask).map(Answer::Cases),
    }
}

fn cases(program: &Path, script: &Path, ask: &Ask) -> Result<String> {
    let mut command = Command::new(program);
    command.arg(script);
    command.args([ask.seed.to_string(), ask.cases.to_string()]);
    output_of(command)
}

/// The standard output of a command that must succeed; what it complains of is passed on.
fn output_of(mut command: Command) -> Result<String> {
    let output = command
        .output()
        .with_context(|| format!("failed to start {}", command.get_program().display()))?;
    let complaint = String::from_utf8_lossy(&output.stderr);
    if !output.status.success() {
        bail!("{command:?} failed: {}", complaint.trim());
    }
    eprint!("{complaint}");
    Ok(String::from_utf8(output.stdout)?)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(line: &str, failures: u64) {
        let tallies = compare(line).unwrap();
        let found: u64 = tallies.values().map(|tally| tally.failures).sum();
        assert_eq!(found, failures, "{line}");
    }

    fn case(expected: &str, tolerance: &str) -> String {
        format!(
            r#"{{"method":"Skellam z","input":["480","360"],"expected":{expected},"tolerance":{tolerance},"floor":1}}"#
        )
    }

    /// A right answer passes; a wrong one, a missing one and one too many do not.
    #[test]
    fn differences_are_failures() {
        check(&case(r#"["4.140393356054125"]"#, "1e-14"), 0);
        check(&case(r#"["4.1403934"]"#, "1e-14"), 1);
        check(&case(r#"["4.1403934"]"#, "1e-7"), 0);
        check(&case(r"[]", "1"), 1);
        check(&case(r#"["4.140393356054125", "1"]"#, "1"), 1);
        assert!(compare(r#"{"method":"none"}"#).is_err());
        assert!(compare(&case(r#"["1"]"#, "1").replace("Skellam z", "none")).is_err());
    }

    #[test]
    fn no_number_is_a_difference() {
        let case: Case = serde_json::from_str(&case(r#"["1"]"#, "1")).unwrap();
        assert!(case.difference(&[f64::NAN]).is_infinite());
        assert!(case.difference(&[2.0]) <= 1.0);
    }
}
