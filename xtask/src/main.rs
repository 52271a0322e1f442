//! Automation of this repository, in Rust so that nothing else has to be installed.
//!
//! `cargo ci` is the whole check that decides green; every other command is one part of it or a
//! tool beside it. See `cargo xtask --help`.

#![expect(
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "this is a command-line tool: what it prints is its result"
)]

mod repo;

mod ci;
mod tidy;

mod layering;
mod purity;

mod codegen;

mod kafka;

mod bench;
mod measure;

mod sim;

use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Args, Parser, Subcommand};

use crate::repo::Repo;

/// Automation of the Tidegate repository.
#[derive(Debug, Parser)]
#[command(name = "cargo xtask", disable_help_subcommand = true)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Run every check that decides green, in the release profile; ends with the count of tests.
    Ci,
    /// Check layering, file lengths, links, names and forbidden text.
    Tidy,
    /// Write the generated files: schemas, bans of the pure crates, the demo's reference data.
    Codegen {
        /// Write nothing; fail with the list of stale files.
        #[arg(long)]
        check: bool,
    },
    /// Start, stop or look at a real Apache Kafka on loopback (needs Java 17 or newer, and Maven).
    #[command(subcommand)]
    Kafka(Kafka),
    /// Run the benchmarks and one end-to-end run; print one JSON document.
    Bench {
        /// Write the JSON here instead of to the terminal.
        #[arg(long, value_name = "FILE")]
        json: Option<PathBuf>,
        /// Run only benchmarks whose id contains this text, and no end-to-end run.
        #[arg(long, value_name = "TEXT")]
        filter: Option<String>,
    },
    /// Play simulated worlds in which everything goes wrong; the first broken invariant fails.
    Sim(sim::Ask),
    /// Run one command and print the CPU seconds and peak memory of it and its children as JSON.
    Measure {
        /// Write the JSON here instead of to standard error.
        #[arg(long, value_name = "FILE")]
        json: Option<PathBuf>,
        /// The program and its arguments.
        #[arg(required = true, trailing_var_arg = true, allow_hyphen_values = true)]
        command: Vec<String>,
    },
}

#[derive(Debug, Subcommand)]
enum Kafka {
    /// Start one broker and print its address once it answers.
    Up {
        #[command(flatten)]
        at: At,
        /// Keep the topics of the last run on this port instead of starting empty.
        #[arg(long)]
        keep: bool,
    },
    /// Stop the broker that `up` started on this port, and only that one.
    Down(At),
    /// Say which brokers run; exit 1 when none answers on this port.
    Status(At),
}

/// Which broker.
#[derive(Debug, Args)]
struct At {
    /// The port on 127.0.0.1 that clients connect to.
    #[arg(long, default_value_t = kafka::DEFAULT_PORT, value_name = "PORT")]
    port: u16,
}

fn main() -> ExitCode {
    let cli = Cli::parse();
    let outcome = Repo::open().and_then(|repo| run(&repo, cli.command));
    match outcome {
        Ok(code) => code,
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn run(repo: &Repo, command: Command) -> anyhow::Result<ExitCode> {
    match command {
        Command::Ci => return ci::run(repo),
        Command::Tidy => tidy::run(repo)?,
        Command::Codegen { check: true } => codegen::check(repo)?,
        Command::Codegen { check: false } => codegen::write(repo)?,
        Command::Kafka(Kafka::Up { at, keep }) => kafka::up(at.port, keep)?,
        Command::Kafka(Kafka::Down(at)) => kafka::down(at.port)?,
        Command::Kafka(Kafka::Status(at)) => return kafka::status(at.port),
        Command::Bench { json, filter } => bench::run(repo, json.as_deref(), filter.as_deref())?,
        Command::Sim(ask) => return sim::run(repo, &ask),
        Command::Measure { json, command } => return measure::run(&command, json.as_deref()),
    }
    Ok(ExitCode::SUCCESS)
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::CommandFactory;

    #[test]
    fn the_command_line_is_consistent() {
        Cli::command().debug_assert();
    }
}
