//! The command line.

use std::path::PathBuf;

use clap::{Args, Parser, Subcommand};

/// Live movement counts to crowd-density and inflow-risk alerts. People are counted, never followed.
#[derive(Debug, Parser)]
#[command(name = "tidegate", version, about, propagate_version = true)]
#[command(
    after_help = "Exit codes: 0 done, 1 failed, 2 wrong command line, 78 wrong pipeline folder."
)]
pub(crate) struct Cli {
    /// What to do.
    #[command(subcommand)]
    pub command: Command,
}

/// The commands.
#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Play one day of a synthetic city through an embedded Kafka broker, live on this terminal.
    #[command(after_help = "Example: tidegate demo --seed 7 --exit --json")]
    Demo(Demo),
    /// Run a pipeline on a Kafka cluster.
    #[command(after_help = "Example: tidegate run pipelines/city --bootstrap 127.0.0.1:9092")]
    Run(Run),
    /// Run a pipeline over files, without Kafka; all windows close at the end.
    #[command(
        after_help = "Example: tidegate backfill pipelines/hong-kong-border --input checkpoint=daily.csv --out out/hk\n\
                      Writes OUT/{pane,layer,alert,late,duplicate,rejected}/*.parquet and OUT/summary.json."
    )]
    Backfill(Backfill),
    /// Send recorded files into a pipeline's feed topics, in the order of their events.
    #[command(
        after_help = "Example: tidegate replay pipelines/hong-kong-border --input checkpoint=daily.csv --bootstrap 127.0.0.1:9092"
    )]
    Replay(Replay),
    /// Check a pipeline folder and list every problem.
    Check(Folder),
    /// Run the tests inside a pipeline folder.
    Test(Folder),
    /// Query what a backfill or run has written.
    #[command(
        after_help = "Example: tidegate sql --data out/hk \"SELECT window_end, sum(persons) FROM pane_border_1d GROUP BY 1 ORDER BY 1 LIMIT 5\"\n\
                      Tables: pane_NAME, layer_NAME, alert, late, duplicate, rejected. `SHOW TABLES` lists them."
    )]
    Sql(Sql),
    /// Print the version.
    Version {
        /// As JSON.
        #[arg(long)]
        json: bool,
    },
}

/// See [`Command::Demo`].
#[derive(Debug, Args)]
pub(crate) struct Demo {
    /// Which day: noise, exact minutes and the venues that are hit vary with it.
    #[arg(long, default_value_t = 1)]
    pub seed: u64,
    /// How many times faster than life; a day takes 60 s at 1440.
    #[arg(long, default_value_t = 1440.0, value_parser = positive)]
    pub speed: f64,
    /// End after the summary; there is nothing to wait for yet, so this is what always happens.
    #[arg(long)]
    pub exit: bool,
    /// Print the summary as one JSON object and nothing else.
    #[arg(long)]
    pub json: bool,
}

/// See [`Command::Run`].
#[derive(Debug, Args)]
pub(crate) struct Run {
    /// The pipeline folder.
    pub pipeline: PathBuf,
    /// Brokers to ask first.
    #[arg(long, value_name = "HOST:PORT")]
    pub bootstrap: String,
    /// Read what is there now, close all windows and end.
    #[arg(long)]
    pub until_caught_up: bool,
    /// Write Parquet files and a summary there.
    #[arg(long, value_name = "DIR")]
    pub out: Option<PathBuf>,
    /// Do not publish to the topics tidegate.pane, .layer, .alert, .late, .duplicate and .rejected.
    #[arg(long)]
    pub no_publish: bool,
    /// Print the summary as JSON.
    #[arg(long)]
    pub json: bool,
}

/// See [`Command::Backfill`].
#[derive(Debug, Args)]
pub(crate) struct Backfill {
    /// The pipeline folder.
    pub pipeline: PathBuf,
    /// A recorded file of a feed; may be given several times.
    #[arg(long, value_name = "FEED=PATH", required = true, value_parser = input)]
    pub input: Vec<Input>,
    /// Where to write.
    #[arg(long, value_name = "DIR")]
    pub out: PathBuf,
    /// Print the summary as JSON.
    #[arg(long)]
    pub json: bool,
}

/// See [`Command::Replay`].
#[derive(Debug, Args)]
pub(crate) struct Replay {
    /// The pipeline folder.
    pub pipeline: PathBuf,
    /// A recorded file of a feed; may be given several times.
    #[arg(long, value_name = "FEED=PATH", required = true, value_parser = input)]
    pub input: Vec<Input>,
    /// Brokers to ask first.
    #[arg(long, value_name = "HOST:PORT")]
    pub bootstrap: String,
    /// How many times faster than life; as fast as possible when absent.
    #[arg(long, value_parser = positive)]
    pub speed: Option<f64>,
    /// Partitions of a feed's topic when it has to be made.
    #[arg(long, default_value_t = 4, value_parser = clap::value_parser!(i32).range(1..=1024))]
    pub partitions: i32,
    /// Print what was sent as JSON.
    #[arg(long)]
    pub json: bool,
}

/// A pipeline folder.
#[derive(Debug, Args)]
pub(crate) struct Folder {
    /// The pipeline folder.
    pub pipeline: PathBuf,
    /// Print the result as JSON.
    #[arg(long)]
    pub json: bool,
}

/// See [`Command::Sql`].
#[derive(Debug, Args)]
pub(crate) struct Sql {
    /// The folder that a backfill or run has written.
    #[arg(long, value_name = "DIR")]
    pub data: Option<PathBuf>,
    /// The query.
    pub query: String,
    /// Print rows as JSON, one object a line.
    #[arg(long)]
    pub json: bool,
}

/// A recorded file of a feed.
#[derive(Debug, Clone)]
pub(crate) struct Input {
    /// The feed.
    pub feed: String,
    /// The file.
    pub path: PathBuf,
}

fn input(text: &str) -> Result<Input, String> {
    match text.split_once('=') {
        Some((feed, path)) if !feed.is_empty() && !path.is_empty() => Ok(Input {
            feed: feed.to_owned(),
            path: PathBuf::from(path),
        }),
        _ => Err(format!(
            "{text:?} is not FEED=PATH, for instance rail=rail.csv.gz"
        )),
    }
}

fn positive(text: &str) -> Result<f64, String> {
    match text.parse::<f64>() {
        Ok(number) if number > 0.0 && number.is_finite() => Ok(number),
        _ => Err(format!("{text:?} is not a number above 0")),
    }
}
