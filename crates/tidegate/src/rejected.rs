//! `tidegate rejected`: records that could not be counted, listed, shown and tried again.
//!
//! They are read from the lake table of one run, or from the topic `tidegate.rejected` up to its
//! present end. Nothing is changed by looking; only `retry --send` writes, to the topics of feeds.

mod list;
mod retry;
mod select;
mod show;
mod source;

use anyhow::Result;

pub(crate) use select::Place;

use crate::cli::Rejected;

/// Where lines of text go.
type Print = fn(&str);

/// Runs the command.
pub(crate) async fn rejected(args: &Rejected, print: Print) -> Result<()> {
    match args {
        Rejected::List(args) => list::list(args, print),
        Rejected::Show(args) => show::show(args, print),
        Rejected::Retry(args) => retry::retry(args, print).await,
    }
}
