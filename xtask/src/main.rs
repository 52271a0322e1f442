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

mod real;

mod bench;
mod measure;

mod scoreboard;

mod fuzz;

mod sim;

mod oracles;

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
    /// Run a part of the tests that `cargo ci` bounds.
    #[command(subcommand)]
    Test(Test),
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
    /// Compare the methods with scipy and R on random input, where those run.
    Oracles(oracles::Ask),
    /// Compare every exact fact of the recorded feeds with what the product computes and its
    /// methods with plain ones, and write docs/SCOREBOARD.md.
    Scoreboard {
        /// The folder of the recorded feeds; `data` in `$TIDEGATE_SHARED` or `../shared` when absent.
        #[arg(long, value_name = "DIR")]
        data: Option<PathBuf>,
        /// Ask this `tidegate` instead of building one.
        #[arg(long, value_name = "FILE")]
        binary: Option<PathBuf>,
    },
    /// Fuzz the decoders, guided by coverage, with the recorded files as a beginning.
    Fuzz {
        /// Only this format.
        #[arg(long, value_name = "FORMAT")]
        format: Option<String>,
        /// How long each format is fuzzed, in seconds.
        #[arg(long, value_name = "N", default_value_t = 60)]
        seconds: u64,
    },
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
enum Test {
    /// Break real brokers, links and the product, and compare what comes out with plain SQL (needs
    /// Java 17 or newer, and Maven).
    Real {
        /// Run only tests whose name contains this text.
        #[arg(long, value_name = "TEXT")]
        filter: Option<String>,
        /// Kill the product so often at a random instant.
        #[arg(long, value_name = "N", default_value_t = real::RANDOM_KILLS_REPORT,
              value_parser = clap::value_parser!(u32).range(..=i64::from(real::RANDOM_KILLS_MAX)))]
        random_kills: u32,
        /// Renew the crash matrix in this file, which holds its markers: docs/RELIABILITY.md.
        #[arg(long, value_name = "FILE")]
        report: Option<PathBuf>,
    },
}

#[derive(Debug, Subcommand)]
enum Kafka {
    /// Start a broker, or a cluster of several, and print its addresses once all of it answers.
    Up {
        #[command(flatten)]
        at: At,
        /// How many nodes, each broker and controller; with 3, two copies must be written.
        #[arg(long, default_value_t = 1, value_name = "N",
              value_parser = clap::value_parser!(u16).range(1..=i64::from(kafka::NODES_MAX)))]
        nodes: u16,
        /// Give each node a second listener that tells clients the port of a proxy.
        #[arg(long)]
        proxied: bool,
        /// Keep the topics of the last run on this port instead of starting empty.
        #[arg(long)]
        keep: bool,
    },
    /// Stop what `up` started on this port, and only that.
    Down(At),
    /// Say which brokers run; exit 1 when none answers on this port.
    Status(At),
    /// Kill a node with SIGKILL.
    Kill(OneOf),
    /// Stop a node in order.
    Stop(OneOf),
    /// Start a node again after `kill` or `stop`, on what it held.
    Start(OneOf),
}

/// Which cluster.
#[derive(Debug, Args)]
struct At {
    /// The port on 127.0.0.1 of its first node; the others follow.
    #[arg(long, default_value_t = kafka::DEFAULT_PORT, value_name = "PORT")]
    port: u16,
}

/// Which node of which cluster.
#[derive(Debug, Args)]
struct OneOf {
    #[command(flatten)]
    at: At,
    /// The cluster's folder, instead of its port: for the clusters of test runs.
    #[arg(long, value_name = "DIR", conflicts_with = "port")]
    folder: Option<PathBuf>,
    /// The node, from 1; all of them when absent.
    #[arg(long, value_name = "N")]
    node: Option<u16>,
}

impl OneOf {
    fn find(self) -> anyhow::Result<(kafka::Cluster, kafka::Which)> {
        let cluster = match self.folder {
            Some(folder) => kafka::Cluster::new(folder),
            None => kafka::at(self.at.port)?,
        };
        Ok((
            cluster,
            self.node.map_or(kafka::Which::All, kafka::Which::Node),
        ))
    }
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
        Command::Kafka(command) => return run_kafka(command),
        Command::Test(Test::Real {
            filter,
            random_kills,
            report,
        }) => real::run(
            repo,
            &real::Options {
                filter,
                random_kills,
                report,
            },
        )?,
        Command::Bench { json, filter } => bench::run(repo, json.as_deref(), filter.as_deref())?,
        Command::Scoreboard { data, binary } => scoreboard::run(repo, data, binary)?,
        Command::Fuzz { format, seconds } => fuzz::run(repo, format.as_deref(), seconds)?,
        Command::Oracles(ask) => oracles::run(repo, &ask)?,
        Command::Sim(ask) => return sim::run(repo, &ask),
        Command::Measure { json, command } => return measure::run(&command, json.as_deref()),
    }
    Ok(ExitCode::SUCCESS)
}

fn run_kafka(command: Kafka) -> anyhow::Result<ExitCode> {
    match command {
        Kafka::Up {
            at,
            nodes,
            proxied,
            keep,
        } => kafka::up(kafka::Up {
            port: at.port,
            nodes,
            proxy: if proxied {
                kafka::ProxyListener::EveryNode
            } else {
                kafka::ProxyListener::None
            },
            data: if keep {
                kafka::DataFolder::Kept
            } else {
                kafka::DataFolder::Fresh
            },
        })?,
        Kafka::Down(at) => kafka::down(&kafka::at(at.port)?)?,
        Kafka::Status(at) => return kafka::status(at.port),
        Kafka::Kill(one) => {
            let (cluster, which) = one.find()?;
            kafka::end(&cluster, which, kafka::End::Kill)?;
        }
        Kafka::Stop(one) => {
            let (cluster, which) = one.find()?;
            kafka::end(&cluster, which, kafka::End::Stop)?;
        }
        Kafka::Start(one) => {
            let (cluster, which) = one.find()?;
            kafka::start(&cluster, which)?;
        }
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
