//! `tidegate feed`: feeds' bytes into Kafka, and what a feed's file and sites are made from.

mod bring;
mod schemas;
mod stops;

use std::path::Path;
use std::process::ExitCode;

use anyhow::Result;
use tidegate_pipeline::Pipeline;

use crate::cli::Feed;
use bring::Way;

/// Checks what a pipeline folder says of how its feeds come into Kafka, if it does.
pub(crate) fn check(folder: &Path, pipeline: &Pipeline) -> Result<()> {
    bring::check(folder, pipeline)
}

/// Where lines of text go.
type Print = fn(&str);

/// Runs the command.
pub(crate) async fn feed(command: &Feed, print: Print) -> Result<ExitCode> {
    let (way, args) = match command {
        Feed::Poll(args) => (Way::Poll, args),
        Feed::Receive(args) => (Way::Receive, args),
        Feed::Mqtt(args) => (Way::Mqtt, args),
        Feed::Schemas(args) => return schemas::schemas(args, print).await,
        Feed::Stops(args) => {
            stops::stops(args, print)?;
            return Ok(ExitCode::SUCCESS);
        }
    };
    let summary = bring::bring(way, args).await?;
    print(&serde_json::to_string_pretty(&summary)?);
    Ok(ExitCode::SUCCESS)
}
