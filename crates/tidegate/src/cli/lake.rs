//! `tidegate lake …`.

use std::path::PathBuf;

use clap::Args;
use jiff::Timestamp;

/// See [`crate::cli::Command::Lake`].
#[derive(Debug, Args)]
pub(crate) struct LakeArgs {
    /// The pipeline folder.
    pub pipeline: PathBuf,
    /// Brokers to ask first.
    #[arg(long, value_name = "HOST:PORT")]
    pub bootstrap: String,
    /// Windows that end after this, RFC 3339 with an offset, such as 2026-03-02T00:00:00+08:00;
    /// alerts also before it, since one may stand.
    #[arg(long, value_name = "TIME")]
    pub from: Timestamp,
    /// Windows that end at this or before.
    #[arg(long, value_name = "TIME")]
    pub to: Timestamp,
    /// The folder to write; what an earlier run left in its tables is replaced.
    #[arg(long, value_name = "DIR")]
    pub out: PathBuf,
    /// Print how many rows there are as JSON.
    #[arg(long)]
    pub json: bool,
}
