//! `tidegate summary …`.

use std::path::PathBuf;

use clap::Args;
use jiff::Timestamp;

/// See [`crate::cli::Command::Summary`].
#[derive(Debug, Args)]
pub(crate) struct SummaryArgs {
    /// The pipeline folder.
    pub pipeline: PathBuf,
    /// The folder that a backfill or run has written.
    #[arg(long, value_name = "DIR")]
    pub data: PathBuf,
    /// The grid unit, with all below it.
    #[arg(long, value_name = "ID")]
    pub grid_unit: String,
    /// From when, RFC 3339 with an offset, such as 2026-03-02T00:00:00+08:00.
    #[arg(long, value_name = "TIME")]
    pub from: Timestamp,
    /// Until when.
    #[arg(long, value_name = "TIME")]
    pub to: Timestamp,
    /// It is a shift, not a day.
    #[arg(long)]
    pub shift: bool,
    /// Write the summary as an HTML file that stands alone.
    #[arg(long, value_name = "FILE")]
    pub out: Option<PathBuf>,
    /// Only in this language; both without it.
    #[arg(long, value_parser = ["zh-CN", "en"])]
    pub language: Option<String>,
    /// Have the running notifier tell it on this channel of channels.toml.
    #[arg(long, value_name = "CHANNEL", requires = "by")]
    pub tell: Option<String>,
    /// Who has it told: a role or a login.
    #[arg(long)]
    pub by: Option<String>,
    /// The folder where notices and acknowledgements are kept, as given to `tidegate notify run`.
    #[arg(long, value_name = "DIR")]
    pub state: Option<PathBuf>,
    /// Print what it says as JSON and not as text.
    #[arg(long)]
    pub json: bool,
}
