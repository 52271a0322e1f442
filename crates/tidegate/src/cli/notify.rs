//! `tidegate notify …`.

use std::net::SocketAddr;
use std::path::PathBuf;

use clap::{Args, Subcommand, ValueEnum};
use tidegate_notify::KeptState;

use super::loopback;

/// See [`crate::cli::Command::Notify`].
#[derive(Debug, Subcommand)]
pub(crate) enum Notify {
    /// Tell people of the alerts that `tidegate run` publishes, and of the summaries of routes.toml
    /// when they are due, until it is stopped.
    #[command(
        after_help = "Example: tidegate notify run pipelines/city --bootstrap 127.0.0.1:9092"
    )]
    Run(NotifyRun),
    /// Send a test over one channel and say what came of it; exit 1 where it was not delivered.
    #[command(after_help = "Example: tidegate notify test pipelines/city duty-room")]
    Test {
        /// Where it is.
        #[command(flatten)]
        place: NotifyPlace,
        /// The channel, as channels.toml names it.
        channel: String,
    },
    /// Notices and what became of them, the newest first; those that nobody took are `dead`.
    #[command(after_help = "Example: tidegate notify list pipelines/city --state dead")]
    List {
        /// Where they are.
        #[command(flatten)]
        place: NotifyPlace,
        /// Only those of this state.
        #[arg(long, value_enum)]
        state: Option<NoticeState>,
        /// Only those on this channel.
        #[arg(long)]
        channel: Option<String>,
        /// At most so many.
        #[arg(long, default_value_t = 50, value_name = "N")]
        limit: usize,
    },
    /// Everything of one notice, with each try, as JSON.
    Show {
        /// Where it is.
        #[command(flatten)]
        place: NotifyPlace,
        /// Its id, as `list` gives it.
        id: String,
    },
    /// Try a dead notice again.
    Resend {
        /// Where it is.
        #[command(flatten)]
        place: NotifyPlace,
        /// Its id, as `list` gives it.
        id: String,
    },
}

/// See [`Notify::Run`].
#[derive(Debug, Clone, Args)]
pub(crate) struct NotifyRun {
    /// Whose.
    #[command(flatten)]
    pub place: NotifyPlace,
    /// Make summaries of this folder, which a backfill or a run with --out writes; without it, of
    /// what the run has published.
    #[arg(long, value_name = "DIR")]
    pub data: Option<PathBuf>,
    /// Take alerts of an Alertmanager there, on loopback: `POST /alertmanager` in its webhook form.
    #[arg(long, value_name = "ADDRESS:PORT", value_parser = loopback)]
    pub receive: Option<SocketAddr>,
}

/// Whose notices, and where they are kept.
#[derive(Debug, Clone, Args)]
pub(crate) struct NotifyPlace {
    /// The pipeline folder, with routes.toml and channels.toml.
    pub pipeline: PathBuf,
    /// Brokers to ask first: those of the run, and of channels that are topics.
    #[arg(long, value_name = "HOST:PORT")]
    pub bootstrap: Option<String>,
    /// The folder where notices are kept. By default `tidegate` in `$XDG_STATE_HOME` or
    /// `~/.local/state`.
    #[arg(long, value_name = "DIR")]
    pub state: Option<PathBuf>,
    /// Print the result as JSON.
    #[arg(long)]
    pub json: bool,
}

/// What became of a notice.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum NoticeState {
    /// It waits, or is tried.
    Pending,
    /// The other side has it.
    Delivered,
    /// Nobody took it.
    Dead,
}

impl From<NoticeState> for KeptState {
    fn from(state: NoticeState) -> Self {
        match state {
            NoticeState::Pending => Self::Pending,
            NoticeState::Delivered => Self::Delivered,
            NoticeState::Dead => Self::Dead,
        }
    }
}
