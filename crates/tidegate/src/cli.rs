//! The command line.

mod alerts;
mod feed;
mod lake;
mod notify;
mod rules;
mod summary;

use std::net::SocketAddr;
use std::num::NonZeroUsize;
use std::path::PathBuf;

use clap::builder::PossibleValuesParser;
use clap::{Args, Parser, Subcommand, ValueEnum};
use tidegate_model::{Reason, Span};

use crate::rejected::Place;

pub(crate) use alerts::{Alerts, Routes, Silence, Silenced};
pub(crate) use feed::{Feed, FeedArgs, FeedSchemas, FeedStops};
pub(crate) use lake::LakeArgs;
pub(crate) use notify::{Notify, NotifyPlace, NotifyRun};
pub(crate) use rules::{
    Rules, RulesBacktest, RulesChanged, RulesCheck, RulesData, RulesDiff, RulesHistory,
    RulesPromote, RulesRollback, RulesSuggest,
};
pub(crate) use summary::SummaryArgs;

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
    /// Bring feeds into Kafka, ask a registry for their schemas, and make sites of their stops.
    #[command(
        subcommand,
        after_help = "What comes into Kafka from where stands in the file ingest.toml of the pipeline folder; see docs/guide/ingest.md."
    )]
    Feed(Feed),
    /// Check a pipeline folder and list every problem.
    Check(Folder),
    /// Run the tests inside a pipeline folder.
    Test(Folder),
    /// Check and test alert rules, and try them on what was recorded before they are live.
    #[command(
        subcommand,
        after_help = "Begin with `check --strict` and `test`; then `backtest` what the rules would have done, `diff` a change, and let `suggest` find a threshold. See docs/guide/backtest.md."
    )]
    Rules(Rules),
    /// Query what a backfill or run has written.
    #[command(
        after_help = "Example: tidegate sql --data out/hk \"SELECT window_end, sum(persons) FROM pane_border_1d GROUP BY 1 ORDER BY 1 LIMIT 5\"\n\
                      Tables: pane_NAME, layer_NAME, alert, late, duplicate, rejected. `SHOW TABLES` lists them."
    )]
    Sql(Sql),
    /// Look at the saved state of a pipeline that runs on Kafka.
    #[command(subcommand)]
    Checkpoint(Checkpoint),
    /// Tell people of alerts, by the routes and channels of the pipeline folder.
    #[command(
        subcommand,
        after_help = "Who is told is in routes.toml, how in channels.toml of the pipeline folder; see docs/guide/routing.md and docs/guide/delivery.md."
    )]
    Notify(Notify),
    /// See the alerts that stand, take them, and say what they were worth.
    #[command(subcommand)]
    Alerts(Alerts),
    /// Silence alerts for a time; each silence has an end, somebody who said so, and a trail.
    #[command(subcommand)]
    Silence(Silence),
    /// Try the routes of a pipeline folder.
    #[command(subcommand)]
    Routes(Routes),
    /// What a day or a shift was like in one grid unit: peaks, alerts, the health of feeds.
    #[command(
        after_help = "Example: tidegate summary pipelines/city --data out --grid-unit old-town --from 2026-03-02T00:00:00+08:00 --to 2026-03-03T00:00:00+08:00 --out old-town.html"
    )]
    Summary(SummaryArgs),
    /// Write what a run has published in a period as the folder of tables that a backfill writes.
    #[command(
        after_help = "Example: tidegate lake pipelines/city --bootstrap 127.0.0.1:9092 --from 2026-03-02T00:00:00+08:00 --to 2026-03-03T00:00:00+08:00 --out out\n\
                      Writes OUT/{pane,layer,alert,feed_quality,feed_rejected,occupancy_correction,forecast,aberration}/*.parquet for `sql`, `summary` and `rules backtest`."
    )]
    Lake(LakeArgs),
    /// See the records that could not be counted, and try them again.
    #[command(
        subcommand,
        after_help = "First `list`, then `show` one of the positions that it gives; repair the feed's file or the registry; then `retry`."
    )]
    Rejected(Rejected),
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
#[expect(
    clippy::struct_excessive_bools,
    reason = "each is a flag of the command line"
)]
pub(crate) struct Run {
    /// The pipeline folder.
    pub pipeline: PathBuf,
    /// Brokers to ask first.
    #[arg(long, value_name = "HOST:PORT")]
    pub bootstrap: String,
    /// Read what is there now, close all windows and end; each record at least once, and nothing
    /// is remembered.
    #[arg(long)]
    pub until_caught_up: bool,
    /// Write Parquet files and a summary there.
    #[arg(long, value_name = "DIR", requires = "until_caught_up")]
    pub out: Option<PathBuf>,
    /// Do not publish to the topics tidegate.pane, .layer, .alert, .late, .duplicate, .rejected
    /// and .feed-health.
    #[arg(long, requires = "until_caught_up")]
    pub no_publish: bool,
    /// Where snapshots of the state go: a folder, or `s3://BUCKET/PREFIX` with the usual `AWS_…`
    /// variables. By default `tidegate` in `$XDG_STATE_HOME` or `~/.local/state`.
    #[arg(long, value_name = "PLACE")]
    pub state: Option<String>,
    /// How often what was read and given out becomes visible, in one transaction. With alerts among
    /// it that is as soon as it costs no more than a tenth of the time.
    #[arg(long, value_name = "SPAN", default_value = "1s", value_parser = some_span)]
    pub epoch_every: Span,
    /// How often the state is saved.
    #[arg(long, value_name = "SPAN", default_value = "30s", value_parser = some_span)]
    pub snapshot_every: Span,
    /// How many snapshots are kept.
    #[arg(long, value_name = "N", default_value = "2", value_parser = snapshots)]
    pub keep_snapshots: usize,
    /// How long stopping may take after SIGTERM; a second signal ends at once and loses nothing.
    #[arg(long, value_name = "SPAN", default_value = "30s", value_parser = some_span)]
    pub shutdown_timeout: Span,
    /// Wait until a task is free when other instances have them all.
    #[arg(long)]
    pub standby: bool,
    /// A name that no other instance has and that stays over restarts: after a crash the tasks come
    /// back at once and not only when the session is over.
    #[arg(long, value_name = "NAME")]
    pub instance_id: Option<String>,
    /// How instances agree on who has which task.
    #[arg(long, value_enum, default_value_t = GroupProtocol::Classic)]
    pub group_protocol: GroupProtocol,
    /// Forget progress and snapshots, and read every feed from its earliest record. What was given
    /// out before stays in the topics and is given out again.
    #[arg(long)]
    pub from_scratch: bool,
    /// Memory that queries may use while they run, beside the state of open windows.
    #[arg(long, value_name = "MIB", default_value = "1024")]
    pub query_mib: NonZeroUsize,
    /// A folder where queries may write what does not fit into that memory; without one such a query
    /// fails.
    #[arg(long, value_name = "DIR")]
    pub spill: Option<PathBuf>,
    /// Read feeds of compacted topics too: what the broker removes before it is read is not counted,
    /// and nothing tells.
    #[arg(long)]
    pub allow_compacted: bool,
    /// Listen there for requests on loopback: `GET /metrics` for Prometheus, `POST /rules/reload` to
    /// take up rules.toml now.
    #[arg(long, value_name = "ADDRESS:PORT", value_parser = loopback,
        conflicts_with_all = ["until_caught_up", "at_least_once"])]
    pub control: Option<SocketAddr>,
    /// Publish as results come, without transactions, snapshots and group: faster to appear, but
    /// after a stop it begins from the earliest record, and results come twice.
    #[arg(long, conflicts_with_all = ["from_scratch", "standby", "instance_id", "state"])]
    pub at_least_once: bool,
    /// Print the summary as JSON.
    #[arg(long)]
    pub json: bool,
}

/// See [`Run::group_protocol`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum GroupProtocol {
    /// Among the instances, cooperative and sticky; every broker can.
    Classic,
    /// By the broker (KIP-848); Kafka 4.0 and later.
    Consumer,
}

impl From<GroupProtocol> for tidegate_connect::GroupProtocol {
    fn from(protocol: GroupProtocol) -> Self {
        match protocol {
            GroupProtocol::Classic => Self::Classic,
            GroupProtocol::Consumer => Self::Consumer,
        }
    }
}

/// See [`Command::Checkpoint`].
#[derive(Debug, Clone, Subcommand)]
pub(crate) enum Checkpoint {
    /// The snapshots that are kept.
    #[command(after_help = "Example: tidegate checkpoint list pipelines/city")]
    List(CheckpointPlace),
    /// What one snapshot holds: the newest one of the last task unless a name is given.
    #[command(
        after_help = "Example: tidegate checkpoint inspect pipelines/city --name city/0/epoch-000000000123-0123456789abcdef"
    )]
    Inspect {
        /// Where it is.
        #[command(flatten)]
        place: CheckpointPlace,
        /// Its name, as `list` gives it.
        #[arg(long)]
        name: Option<String>,
    },
    /// Read every snapshot, or one, and compare its hash; exit 1 when one is damaged.
    #[command(after_help = "Example: tidegate checkpoint verify pipelines/city --json")]
    Verify {
        /// Where they are.
        #[command(flatten)]
        place: CheckpointPlace,
        /// The name of one, as `list` gives it.
        #[arg(long)]
        name: Option<String>,
    },
}

impl Checkpoint {
    /// Where the snapshots are.
    pub(crate) fn place(&self) -> &CheckpointPlace {
        match self {
            Self::List(place) | Self::Inspect { place, .. } | Self::Verify { place, .. } => place,
        }
    }
}

/// Whose snapshots, and where they are.
#[derive(Debug, Clone, Args)]
pub(crate) struct CheckpointPlace {
    /// The pipeline folder.
    pub pipeline: PathBuf,
    /// As given to `tidegate run`.
    #[arg(long, value_name = "PLACE")]
    pub state: Option<String>,
    /// Print the result as JSON.
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

/// See [`Command::Rejected`].
#[derive(Debug, Subcommand)]
pub(crate) enum Rejected {
    /// Count rejected records by feed and reason, with the first positions of each.
    #[command(
        after_help = "Example: tidegate rejected list --data out/hk --feed checkpoint\n\
                      A record that several runs rejected is one record and several rows."
    )]
    List(RejectedList),
    /// Show everything of one rejected record: reason, detail and bytes.
    #[command(
        after_help = "Example: tidegate rejected show checkpoint/0/12/3 --data out/hk\n\
                      Bytes that are not UTF-8 are shown as a hex dump; those of personal data were never kept."
    )]
    Show(RejectedShow),
    /// Try rejected records with the pipeline folder as it is now; changes nothing without --send.
    #[command(
        after_help = "Example: tidegate rejected retry pipelines/city --bootstrap 127.0.0.1:9092 --feed venue --reason bad_time\n\
                      With --json one object a record and a line, and a last one that sums up."
    )]
    Retry(RejectedRetry),
}

/// Where rejected records are read from: exactly one of the two.
#[derive(Debug, Args)]
#[group(required = true, multiple = false)]
pub(crate) struct RejectedSource {
    /// Read the folder that a backfill, or a run with --out, has written.
    #[arg(long, value_name = "DIR")]
    pub data: Option<PathBuf>,
    /// Read the topic tidegate.rejected of this cluster, up to its present end.
    #[arg(long, value_name = "HOST:PORT")]
    pub bootstrap: Option<String>,
}

/// Which rejected records.
#[derive(Debug, Args)]
pub(crate) struct RejectedFilter {
    /// Only those of this feed.
    #[arg(long)]
    pub feed: Option<String>,
    /// Only those rejected for this reason.
    #[arg(long, value_parser = PossibleValuesParser::new(Reason::ALL.map(Reason::code)))]
    pub reason: Option<String>,
}

/// See [`Rejected::List`].
#[derive(Debug, Args)]
pub(crate) struct RejectedList {
    /// Where they are.
    #[command(flatten)]
    pub source: RejectedSource,
    /// Only those that this pipeline rejected; several may share a topic.
    #[arg(long, value_name = "PIPELINE")]
    pub by: Option<String>,
    /// Which.
    #[command(flatten)]
    pub filter: RejectedFilter,
    /// Positions shown of each feed and reason.
    #[arg(long, value_name = "N", default_value_t = 3)]
    pub limit: usize,
    /// Print the result as JSON.
    #[arg(long)]
    pub json: bool,
}

/// See [`Rejected::Show`].
#[derive(Debug, Args)]
pub(crate) struct RejectedShow {
    /// Where it stands, as `list` gives it; without ROW every rejected row of the message.
    #[arg(value_name = "FEED/PARTITION/OFFSET[/ROW]")]
    pub position: Place,
    /// Where it is.
    #[command(flatten)]
    pub source: RejectedSource,
    /// Only if this pipeline rejected it; several may share a topic.
    #[arg(long, value_name = "PIPELINE")]
    pub by: Option<String>,
    /// Most of its bytes that are shown.
    #[arg(long, value_name = "N", default_value_t = 4_096)]
    pub bytes: usize,
    /// Print the result as JSON, with all bytes in base64.
    #[arg(long)]
    pub json: bool,
}

/// See [`Rejected::Retry`].
#[derive(Debug, Args)]
pub(crate) struct RejectedRetry {
    /// The pipeline folder.
    pub pipeline: PathBuf,
    /// Only this record, or the rejected rows of this message.
    #[arg(value_name = "FEED/PARTITION/OFFSET[/ROW]", conflicts_with_all = ["feed", "reason"])]
    pub position: Option<Place>,
    /// Read the folder that a backfill, or a run with --out, has written.
    #[arg(long, value_name = "DIR", required_unless_present = "bootstrap")]
    pub data: Option<PathBuf>,
    /// Without --data read the topic tidegate.rejected of this cluster; with --send write to it.
    #[arg(long, value_name = "HOST:PORT")]
    pub bootstrap: Option<String>,
    /// Which.
    #[command(flatten)]
    pub filter: RejectedFilter,
    /// Most records that are tried.
    #[arg(long, value_name = "N", default_value_t = u64::MAX, hide_default_value = true)]
    pub limit: u64,
    /// Send those that would be counted into their feeds' topics again.
    #[arg(long, requires = "bootstrap")]
    pub send: bool,
    /// Print the result as JSON.
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

fn some_span(text: &str) -> Result<Span, String> {
    let span: Span = text.parse().map_err(|error| format!("{error}"))?;
    if span > Span::ZERO {
        return Ok(span);
    }
    Err(format!("{text:?} must be longer than nothing"))
}

fn loopback(text: &str) -> Result<SocketAddr, String> {
    match text.parse::<SocketAddr>() {
        Ok(address) if address.ip().is_loopback() => Ok(address),
        Ok(_) => Err(format!(
            "{text} is not on loopback; there is no login here, so put a proxy that has one before it"
        )),
        Err(_) => Err(format!("{text:?} is not like 127.0.0.1:9464")),
    }
}

fn snapshots(text: &str) -> Result<usize, String> {
    match text.parse() {
        Ok(number) if (1..=100).contains(&number) => Ok(number),
        _ => Err(format!("{text:?} is not a number from 1 to 100")),
    }
}

fn positive(text: &str) -> Result<f64, String> {
    match text.parse::<f64>() {
        Ok(number) if number > 0.0 && number.is_finite() => Ok(number),
        _ => Err(format!("{text:?} is not a number above 0")),
    }
}
