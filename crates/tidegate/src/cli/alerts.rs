//! `tidegate alerts …`, `tidegate silence …` and `tidegate routes …`.

use std::path::PathBuf;

use clap::{Args, Subcommand};
use jiff::Timestamp;
use tidegate_model::Span;

use super::{NotifyPlace, some_span};

/// See [`crate::cli::Command::Alerts`].
#[derive(Debug, Subcommand)]
pub(crate) enum Alerts {
    /// The alerts that stand, with who took them and what keeps them quiet.
    #[command(after_help = "Example: tidegate alerts list pipelines/city")]
    List {
        /// Where they are.
        #[command(flatten)]
        place: NotifyPlace,
    },
    /// Take an alert, or say what it was worth.
    #[command(
        after_help = "Example: tidegate alerts ack pipelines/city 0123456789abcdef0123456789abcdef --by grid-duty --verdict useful"
    )]
    Ack {
        /// Where it is.
        #[command(flatten)]
        place: NotifyPlace,
        /// Its id, as `list` and every notice give it.
        alert: String,
        /// Who: a role or a login.
        #[arg(long)]
        by: String,
        /// What else there is to say.
        #[arg(long, default_value = "")]
        note: String,
        /// What it was worth: it feeds `precision`.
        #[arg(long, value_parser = ["useful", "false", "duplicate"])]
        verdict: Option<String>,
    },
    /// How often each rule was right, by what people said of its alerts.
    Precision {
        /// Where they are.
        #[command(flatten)]
        place: NotifyPlace,
    },
    /// What was ordered, by whom, and what came of it; exit 1 where the trail was changed.
    Trail {
        /// Where it is.
        #[command(flatten)]
        place: NotifyPlace,
        /// At most so many, the newest.
        #[arg(long, default_value_t = 50, value_name = "N")]
        limit: usize,
    },
}

/// Which alerts a silence is about.
#[derive(Debug, Clone, Args)]
pub(crate) struct Silenced {
    /// What the alerts have, such as `rule=venue-density`, `grid_unit=old-town`,
    /// `severity_max=warning`, `tags.kind=market` or `labels.rests_on=rail`; all must match.
    #[arg(long = "match", value_name = "KEY=VALUE", required = true)]
    pub matchers: Vec<String>,
    /// How long, from now.
    #[arg(long = "for", value_name = "SPAN", value_parser = some_span, conflicts_with = "until")]
    pub span: Option<Span>,
    /// Until when, RFC 3339 with an offset.
    #[arg(long, value_name = "TIME")]
    pub until: Option<Timestamp>,
    /// Who: a role or a login.
    #[arg(long)]
    pub by: String,
    /// Why.
    #[arg(long, default_value = "")]
    pub comment: String,
}

/// See [`crate::cli::Command::Silence`].
#[derive(Debug, Subcommand)]
pub(crate) enum Silence {
    /// What a silence would mute now. Changes nothing.
    Preview {
        /// Where the alerts are.
        #[command(flatten)]
        place: NotifyPlace,
        /// Which.
        #[command(flatten)]
        of: Silenced,
    },
    /// Silence alerts for a time.
    #[command(
        after_help = "Example: tidegate silence add pipelines/city --match rule=venue-density --match subject=east-market --for 2h --by grid-duty --comment \"market day, stewards are there\""
    )]
    Add {
        /// Where the alerts are.
        #[command(flatten)]
        place: NotifyPlace,
        /// Which.
        #[command(flatten)]
        of: Silenced,
    },
    /// The silences, the one that ends first at the front.
    List {
        /// Where they are.
        #[command(flatten)]
        place: NotifyPlace,
    },
    /// End a silence now.
    End {
        /// Where it is.
        #[command(flatten)]
        place: NotifyPlace,
        /// Its id, as `list` gives it.
        id: String,
        /// Who: a role or a login.
        #[arg(long)]
        by: String,
    },
}

/// See [`crate::cli::Command::Routes`].
#[derive(Debug, Subcommand)]
pub(crate) enum Routes {
    /// Who would be told of an alert now, by which route, and why. Changes nothing.
    #[command(
        after_help = "Example: tidegate routes test pipelines/city --rule venue-density --subject-kind venue --subject east-market"
    )]
    Test {
        /// Where it is.
        #[command(flatten)]
        place: NotifyPlace,
        /// The rule.
        #[arg(long)]
        rule: String,
        /// The kind of subject.
        #[arg(long, default_value = "venue")]
        subject_kind: String,
        /// The subject.
        #[arg(long)]
        subject: String,
        /// An alert of the topic in a file, as JSON, in place of the three above.
        #[arg(long, value_name = "FILE", conflicts_with_all = ["rule", "subject_kind", "subject"])]
        record: Option<PathBuf>,
    },
}
