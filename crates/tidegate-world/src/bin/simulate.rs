//! Plays worlds: `simulate --seeds N [--from S]`, or one with its timeline, `simulate --seed S
//! --verbose`. The first broken invariant ends it with exit code 1, and with the command that
//! repeats it.

#![expect(
    clippy::print_stdout,
    reason = "this is a command-line tool: what it prints is its result"
)]

use std::process::ExitCode;

use tidegate_world::{Report, Simulator};

/// What is asked for.
#[derive(Debug, Default)]
struct Ask {
    seeds: Vec<u64>,
    verbose: bool,
}

fn main() -> ExitCode {
    let ask = match read() {
        Ok(ask) => ask,
        Err(problem) => {
            println!("error: {problem}");
            println!("usage: simulate --seeds N [--from S] [--and S] | --seed S [--verbose]");
            return ExitCode::from(2);
        }
    };
    let mut simulator = Simulator::new();
    let mut sums = Report::default();
    for seed in &ask.seeds {
        let verbose = ask.verbose;
        let mut tell = |line: String| {
            if verbose {
                println!("{line}");
            }
        };
        match simulator.timeline(*seed, &mut tell) {
            Ok(report) => sums.add(&report),
            Err(violation) => {
                println!("seed {seed} breaks {violation}");
                println!("repeat with: cargo xtask sim --seed {seed} --verbose");
                return ExitCode::FAILURE;
            }
        }
    }
    println!("{} seeds, every invariant holds: {sums}", ask.seeds.len());
    ExitCode::SUCCESS
}

/// Reads the command line.
fn read() -> Result<Ask, String> {
    let (mut from, mut count) = (0, 0);
    let mut ask = Ask::default();
    let mut more = Vec::new();
    #[expect(
        clippy::disallowed_methods,
        reason = "this program is the shell of the simulator"
    )]
    let mut words = std::env::args().skip(1);
    while let Some(word) = words.next() {
        let mut number = || -> Result<u64, String> {
            let text = words.next().ok_or(format!("{word} needs a number"))?;
            text.parse()
                .map_err(|_| format!("{text:?} is not a number"))
        };
        match word.as_str() {
            "--seeds" => count = number()?,
            "--from" => from = number()?,
            "--seed" => (from, count) = (number()?, 1),
            "--and" => more.push(number()?),
            "--verbose" => ask.verbose = true,
            other => return Err(format!("{other:?} is not an option")),
        }
    }
    ask.seeds = (from..from.saturating_add(count)).chain(more).collect();
    if ask.seeds.is_empty() {
        return Err("no seed is given".to_owned());
    }
    Ok(ask)
}
