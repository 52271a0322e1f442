//! The command line of `tidegate rules`.

use std::path::PathBuf;

use clap::builder::NonEmptyStringValueParser;
use clap::{Args, Subcommand};
use tidegate_model::Span;

use super::{Folder, Input, input, positive, some_span};

/// See [`super::Command::Rules`].
#[derive(Debug, Subcommand)]
pub(crate) enum Rules {
    /// List every problem of the folder's rules, and with --strict what is allowed and seldom meant.
    #[command(after_help = "Example: tidegate rules check pipelines/demo --strict\n\
                      Exit codes: 78 with problems, 1 with warnings of --strict.")]
    Check(RulesCheck),
    /// Run the cases of rules.test.toml and tests/rules/*.toml through the alert machine alone.
    #[command(after_help = "Example: tidegate rules test pipelines/seoul-hotspots")]
    Test(Folder),
    /// Say what the rules would have done on stored layers or recorded input.
    #[command(
        after_help = "Example: tidegate rules backtest pipelines/city --data out/city --events events.csv\n\
                      With --rules the other file's rules are tried, and compared with the folder's. See docs/guide/backtest.md."
    )]
    Backtest(RulesBacktest),
    /// Say which alerts another rules.toml would add, drop, move or rate otherwise.
    #[command(
        after_help = "Example: tidegate rules diff pipelines/city --rules new.toml --data out/city\n\
                      Without data only the rules are compared."
    )]
    Diff(RulesDiff),
    /// Give the threshold at which a rule would have fired at most so often a week.
    #[command(
        after_help = "Example: tidegate rules suggest pipelines/city venue-density --data out/city --per-week 3"
    )]
    Suggest(RulesSuggest),
    /// Make a shadow rule live.
    #[command(
        after_help = "Example: tidegate rules promote pipelines/city market-crush-2 --in-place-of market-crush --who grid-duty --reason \"fires 10 minutes earlier\"\n\
                      A run follows the file within seconds."
    )]
    Promote(RulesPromote),
    /// Go back to rules that were in force before.
    #[command(
        after_help = "Example: tidegate rules rollback pipelines/city --bootstrap 127.0.0.1:9092 --who grid-duty --reason \"too loud\"\n\
                      What was left is in the audit too: a second rollback undoes the first."
    )]
    Rollback(RulesRollback),
    /// List the changes of the rules, and check that none was altered or left out.
    #[command(
        after_help = "Example: tidegate rules history pipelines/city --bootstrap 127.0.0.1:9092"
    )]
    History(RulesHistory),
}

/// See [`Rules::Check`].
#[derive(Debug, Args)]
pub(crate) struct RulesCheck {
    /// The pipeline folder.
    pub pipeline: PathBuf,
    /// Warn of no hysteresis, `for` of zero, no runbook, doubled rules and poor texts.
    #[arg(long)]
    pub strict: bool,
    /// Print the result as JSON.
    #[arg(long)]
    pub json: bool,
}

/// Which data, and which of its rows.
#[derive(Debug, Args)]
pub(crate) struct RulesData {
    /// The folder that a backfill, or a run with --out, has written.
    #[arg(long, value_name = "LAKE", conflicts_with = "input")]
    pub data: Option<PathBuf>,
    /// A recorded file of a feed, from which the layers are computed first; may be given several
    /// times.
    #[arg(long, value_name = "FEED=PATH", value_parser = input)]
    pub input: Vec<Input>,
    /// Only windows from this time on: RFC 3339, or a day in the pipeline's zone.
    #[arg(long, value_name = "TIME")]
    pub from: Option<String>,
    /// Only windows that end at or before this time.
    #[arg(long, value_name = "TIME")]
    pub to: Option<String>,
    /// Show what was known when each window closed, as the live rules saw it; this is the default.
    #[arg(long, conflicts_with = "as_known_now")]
    pub as_of_arrival: bool,
    /// Show each window's last revision, with what came late.
    #[arg(long)]
    pub as_known_now: bool,
}

/// See [`Rules::Backtest`].
#[derive(Debug, Args)]
pub(crate) struct RulesBacktest {
    /// The pipeline folder.
    pub pipeline: PathBuf,
    /// Which data.
    #[command(flatten)]
    pub data: RulesData,
    /// What is known to have happened: a CSV file with subject (`*` is any), `starts_at`, `ends_at`
    /// and label.
    #[arg(long, value_name = "FILE")]
    pub events: Option<PathBuf>,
    /// How long before its start an alert may be raised and still belong to an event.
    #[arg(long, value_name = "SPAN", default_value = "30m", value_parser = some_span)]
    pub tolerance: Span,
    /// Try the rules of this file, and compare them with the folder's.
    #[arg(long, value_name = "OTHER.toml")]
    pub rules: Option<PathBuf>,
    /// Alerts that are listed; all are counted, and all are in --json.
    #[arg(long, value_name = "N", default_value_t = 50)]
    pub limit: usize,
    /// Print the result as JSON.
    #[arg(long)]
    pub json: bool,
}

/// See [`Rules::Diff`].
#[derive(Debug, Args)]
pub(crate) struct RulesDiff {
    /// The pipeline folder.
    pub pipeline: PathBuf,
    /// The rules to compare with the folder's.
    #[arg(long, value_name = "OTHER.toml")]
    pub rules: PathBuf,
    /// Which data.
    #[command(flatten)]
    pub data: RulesData,
    /// Differences that are listed; all are counted, and all are in --json.
    #[arg(long, value_name = "N", default_value_t = 50)]
    pub limit: usize,
    /// Print the result as JSON.
    #[arg(long)]
    pub json: bool,
}

/// See [`Rules::Suggest`].
#[derive(Debug, Args)]
pub(crate) struct RulesSuggest {
    /// The pipeline folder.
    pub pipeline: PathBuf,
    /// The rule's name.
    pub rule: String,
    /// Which data.
    #[command(flatten)]
    pub data: RulesData,
    /// How often it may fire a week.
    #[arg(long, value_name = "N", value_parser = positive)]
    pub per_week: f64,
    /// On each subject, and not on all together.
    #[arg(long)]
    pub per_subject: bool,
    /// Print the result as JSON.
    #[arg(long)]
    pub json: bool,
}

/// Who changes the rules, and why: written into the file, and from there into the audit topic.
#[derive(Debug, Args)]
pub(crate) struct RulesChanged {
    /// A role or a login.
    #[arg(long, value_name = "WHO", value_parser = NonEmptyStringValueParser::new())]
    pub who: String,
    /// Why.
    #[arg(long, value_name = "WHY", value_parser = NonEmptyStringValueParser::new())]
    pub reason: String,
    /// Show what would change, and write nothing.
    #[arg(long)]
    pub dry_run: bool,
}

/// See [`Rules::Promote`].
#[derive(Debug, Args)]
pub(crate) struct RulesPromote {
    /// The pipeline folder.
    pub pipeline: PathBuf,
    /// The shadow rule's name.
    pub rule: String,
    /// The live rule whose place it takes, with its name: its open alerts go on under the new one.
    #[arg(long, value_name = "RULE")]
    pub in_place_of: Option<String>,
    /// Who and why.
    #[command(flatten)]
    pub changed: RulesChanged,
}

/// See [`Rules::Rollback`].
#[derive(Debug, Args)]
pub(crate) struct RulesRollback {
    /// The pipeline folder.
    pub pipeline: PathBuf,
    /// Brokers to ask for the audit.
    #[arg(long, value_name = "HOST:PORT")]
    pub bootstrap: String,
    /// The version to go back to; by default the newest whose rules differ from the file's.
    #[arg(long, value_name = "VERSION")]
    pub to: Option<u64>,
    /// Who and why.
    #[command(flatten)]
    pub changed: RulesChanged,
}

/// See [`Rules::History`].
#[derive(Debug, Args)]
pub(crate) struct RulesHistory {
    /// The pipeline folder.
    pub pipeline: PathBuf,
    /// Brokers to ask for the audit.
    #[arg(long, value_name = "HOST:PORT")]
    pub bootstrap: String,
    /// Print the whole text of this version.
    #[arg(long, value_name = "VERSION")]
    pub show: Option<u64>,
    /// Print the entries as JSON, one a line.
    #[arg(long, conflicts_with = "show")]
    pub json: bool,
}
