//! The whole check that decides green. Everything is built in the release profile, so that the
//! large dependencies are compiled once for the product and its tests.

mod tally;

use std::env;
use std::io::{BufRead, BufReader, Write};
use std::process::{Command, ExitCode, Stdio};
use std::time::Instant;

use anyhow::{Context, Result, ensure};

use crate::kafka::{self, TestCluster, Toolchain, is_ci};
use crate::repo::{Repo, find_program};
use crate::{codegen, real, tidy};
use tally::Tally;

/// Tells tests where a real broker is; without it, tests that need one skip themselves.
const TEST_KAFKA: &str = "TIDEGATE_TEST_KAFKA";

/// How many tests of one program run at a time.
const TEST_THREADS: &str = "RUST_TEST_THREADS";

/// Runs the steps in order until one fails. The last line printed is the count of tests, which is
/// `0 passed, 0 failed` when an earlier step failed.
pub(crate) fn run(repo: &Repo) -> Result<ExitCode> {
    let start = Instant::now();
    let mut tally = Tally::default();
    let mut failed = checks(repo)?;
    if failed.is_none() {
        failed = tests(repo, &mut tally)?;
    }
    let took = start.elapsed().as_secs_f64();
    let code = if let Some(step) = failed {
        println!("\nci: FAILED at `{step}` after {took:.0} s");
        ExitCode::FAILURE
    } else {
        println!("\nci: all steps passed in {took:.0} s");
        ExitCode::SUCCESS
    };
    println!("{tally}");
    Ok(code)
}

/// The steps before the tests; gives the name of the one that failed.
fn checks(repo: &Repo) -> Result<Option<&'static str>> {
    let cargo = |arguments: &str| {
        let mut cargo = repo.cargo();
        cargo.args(arguments.split(' '));
        cargo
    };
    if !step("fmt", || succeeds(&mut cargo("fmt --all --check")))? {
        return Ok(Some("fmt"));
    }
    if !step("tidy", || tidy::run(repo))? {
        return Ok(Some("tidy"));
    }
    if !step("codegen", || codegen::check(repo))? {
        return Ok(Some("codegen"));
    }
    if find_program("cargo-deny").is_some() {
        let mut deny = cargo("deny --workspace check licenses bans sources");
        if !step("deny", || succeeds(&mut deny))? {
            return Ok(Some("deny"));
        }
    } else {
        println!("\n==> deny: skipped, because cargo-deny is not installed");
    }
    let mut clippy = cargo("clippy --release --workspace --all-targets -- -D warnings");
    if !step("clippy", || succeeds(&mut clippy))? {
        return Ok(Some("clippy"));
    }
    let mut doc = cargo("doc --release --workspace --no-deps --document-private-items");
    doc.env("RUSTDOCFLAGS", "-D warnings");
    if !step("doc", || succeeds(&mut doc))? {
        return Ok(Some("doc"));
    }
    Ok(None)
}

/// Builds all tests, starts a real broker, runs them, then those that break real brokers; gives the
/// name of the step that failed.
fn tests(repo: &Repo, tally: &mut Tally) -> Result<Option<&'static str>> {
    let mut build = repo.cargo();
    // The product too, which tests of the command line would build else, alone.
    build.args(["build", "--release", "--workspace", "--bins", "--tests"]);
    if !step("build tests", || succeeds(&mut build))? {
        return Ok(Some("build tests"));
    }
    kafka::stop_on_interrupt()?;
    let mut broker = None;
    let mut address = env::var(TEST_KAFKA).ok();
    if address.is_none() {
        if !step("kafka", || {
            broker = broker_for_tests()?;
            Ok(())
        })? {
            return Ok(Some("kafka"));
        }
        address = broker.as_ref().map(TestCluster::bootstrap);
    }
    let mut test = repo.cargo();
    test.args(["test", "--release", "--workspace", "--no-fail-fast"]);
    // Tests of brokers and of processes wait more than they compute.
    if env::var_os(TEST_THREADS).is_none() {
        test.env(TEST_THREADS, "6");
    }
    match &address {
        Some(address) => {
            println!("tests use the Kafka at {address}");
            test.env(TEST_KAFKA, address);
        }
        None => println!("tests against a real Kafka skip themselves"),
    }
    let passed = step("test", || {
        count_tests(&mut test, tally, &mut std::io::stdout())
    })?;
    drop(broker);
    if !passed {
        return Ok(Some("test"));
    }
    let passed = step("real brokers", || match Toolchain::find() {
        Err(error) if !is_ci() => {
            println!("skipped: {error:#}");
            Ok(())
        }
        toolchain => real_tests(repo, &toolchain?, tally),
    })?;
    Ok((!passed).then_some("real brokers"))
}

/// The tests that break real brokers, with few enough random kills for a build server.
fn real_tests(repo: &Repo, toolchain: &Toolchain, tally: &mut Tally) -> Result<()> {
    let options = real::Options {
        filter: None,
        random_kills: real::RANDOM_KILLS_CI,
        report: None,
    };
    let bench = real::Bench::start(toolchain)?;
    let mut tests = bench.tests(repo, &options);
    let passed = count_tests(&mut tests, tally, &mut std::io::stdout());
    let matrix = bench.matrix()?;
    print!("{matrix}");
    passed?;
    matrix.check()
}

/// A broker of our own; `None` where Java or Maven is missing, which a build server may not have.
fn broker_for_tests() -> Result<Option<TestCluster>> {
    let toolchain = match Toolchain::find() {
        Err(error) if !is_ci() => {
            println!("no real Kafka: {error:#}");
            return Ok(None);
        }
        toolchain => toolchain?,
    };
    Ok(Some(TestCluster::start(&toolchain, 1)?))
}

/// Runs one step between a heading and its time; whether it passed. Its error is printed here, so
/// that what follows, such as the count of tests, is still printed.
fn step(name: &str, work: impl FnOnce() -> Result<()>) -> Result<bool> {
    println!("\n==> {name}");
    std::io::stdout().flush()?;
    let start = Instant::now();
    let outcome = work();
    let took = start.elapsed().as_secs_f64();
    match &outcome {
        Ok(()) => println!("<== {name}: ok in {took:.1} s"),
        Err(error) => println!("<== {name}: FAILED in {took:.1} s: {error:#}"),
    }
    Ok(outcome.is_ok())
}

fn succeeds(command: &mut Command) -> Result<()> {
    // Nothing here asks a question, and a build server has nobody to answer one.
    let status = command.stdin(Stdio::null()).status();
    let status = status.with_context(|| format!("failed to start {command:?}"))?;
    ensure!(status.success(), "it ended with {status}");
    Ok(())
}

/// Runs the tests, passing their output on to `screen` line by line and counting the results in it.
fn count_tests(command: &mut Command, tally: &mut Tally, screen: &mut impl Write) -> Result<()> {
    let mut child = command
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .spawn()
        .with_context(|| format!("failed to start {command:?}"))?;
    let output = child.stdout.take().expect("standard output is piped above");
    for line in BufReader::new(output).split(b'\n') {
        let line = line?;
        tally.read(&String::from_utf8_lossy(&line));
        screen.write_all(&line)?;
        screen.write_all(b"\n")?;
    }
    let status = child.wait()?;
    if !status.success() {
        tally.ended_badly();
    }
    ensure!(status.success(), "it ended with {status}");
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_failing_step_is_reported_and_does_not_end_the_program() {
        assert!(step("good", || Ok(())).unwrap());
        assert!(!step("bad", || anyhow::bail!("no")).unwrap());
        assert!(succeeds(&mut Command::new("false")).is_err());
        assert!(succeeds(&mut Command::new("no-such-program")).is_err());
    }

    #[test]
    fn counts_what_a_test_run_prints() {
        let script = |text: &str| {
            let mut shell = Command::new("sh");
            shell.args(["-c", text]);
            shell
        };
        let good = "echo 'test result: ok. 3 passed; 0 failed; 1 ignored; 0 measured'";
        let mut tally = Tally::default();
        let mut screen = Vec::new();
        count_tests(&mut script(good), &mut tally, &mut screen).unwrap();
        assert!(screen.ends_with(b"0 measured\n"));
        assert_eq!(tally.to_string(), "3 passed, 0 failed, 1 skipped");

        let mut tally = Tally::default();
        let crash = format!("{good}; exit 101");
        assert!(count_tests(&mut script(&crash), &mut tally, &mut screen).is_err());
        assert_eq!(tally.to_string(), "3 passed, 1 failed, 1 skipped");
    }
}
