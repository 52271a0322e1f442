//! `tidegate feed poll|receive|mqtt`: feeds' bytes into the topics that a pipeline reads.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;
use std::sync::Arc;

use anyhow::{Context, Result, bail};
use tidegate_connect::{AckedSink, MESSAGE_BYTES_LIMIT, Properties, Retention, TopicSpec};
use tidegate_ingest::{ConfigProblem, Ingest, IngestConfig, IngestPlan, Summary};
use tidegate_pipeline::{Pipeline, Problem};

use crate::cli::FeedArgs;
use crate::folder::{self, BadPipeline};

/// The file of a pipeline folder that says what comes from where.
const FILE: &str = "ingest.toml";

/// How the bytes come.
#[derive(Debug, Clone, Copy)]
pub(super) enum Way {
    /// We fetch them.
    Poll,
    /// They are sent to us.
    Receive,
    /// A broker has them.
    Mqtt,
}

/// Works until SIGINT or SIGTERM; gives what happened.
pub(super) async fn bring(way: Way, args: &FeedArgs) -> Result<Summary> {
    let pipeline = folder::load(&args.pipeline).await?;
    let plan = read_plan(args, &pipeline)?;
    let (is_asked, table) = match way {
        Way::Poll => (plan.has_poll(), "[poll.NAME]"),
        Way::Receive => (plan.has_receive(), "[receive.feeds.NAME]"),
        Way::Mqtt => (plan.has_mqtt(), "[mqtt.NAME]"),
    };
    if !is_asked {
        let message = format!("has no {table} for these feeds; see docs/guide/ingest.md");
        return Err(BadPipeline(vec![Problem::new(FILE, "", message)]).into());
    }
    let sink = AckedSink::connect(&args.bootstrap, &Properties::default())?;
    let feeds = plan.feeds();
    // One partition keeps the order in which a feed came.
    let topics: Vec<TopicSpec<'_>> = feeds
        .values()
        .map(|name| TopicSpec {
            name,
            partitions: 1,
            retention: Retention::Broker,
            message_bytes_max: Some(MESSAGE_BYTES_LIMIT),
        })
        .collect();
    sink.ensure_topics(&topics)?;
    let ingest = Ingest::new(plan, Arc::new(sink));
    let stop = stop_signal()?;
    let summary = match way {
        Way::Poll => ingest.poll(stop).await?,
        Way::Receive => {
            let Some(receiver) = ingest.bind().await? else {
                bail!("{FILE} has no [receive]");
            };
            tracing::warn!(address = %receiver.address(), "Receiving feeds.");
            receiver.serve(stop).await;
            ingest.summary()
        }
        Way::Mqtt => ingest.mqtt(stop).await?,
    };
    Ok(summary)
}

/// Checks the file, where the folder has one.
pub(super) fn check(folder: &Path, pipeline: &Pipeline) -> Result<()> {
    read_file(folder, pipeline).map(drop)
}

/// What the command asks for of the file.
fn read_plan(args: &FeedArgs, pipeline: &Pipeline) -> Result<IngestPlan> {
    let Some(plan) = read_file(&args.pipeline, pipeline)? else {
        let message = "is not there: it says what comes from where; see docs/guide/ingest.md";
        return Err(BadPipeline(vec![Problem::new(FILE, "", message.to_owned())]).into());
    };
    if args.feed.is_empty() {
        return Ok(plan);
    }
    let asked: BTreeSet<String> = args.feed.iter().cloned().collect();
    Ok(plan.only(&asked).map_err(bad_file)?)
}

fn read_file(folder: &Path, pipeline: &Pipeline) -> Result<Option<IngestPlan>> {
    let path = folder.join(FILE);
    let text = match fs::read_to_string(&path) {
        Ok(text) => text,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(error).with_context(|| format!("cannot read {FILE}")),
    };
    let topics: BTreeMap<String, String> = pipeline
        .feeds
        .iter()
        .map(|feed| (feed.id.to_string(), feed.decoder.config().topic.clone()))
        .collect();
    let plan = IngestConfig::from_toml(&text)
        .map_err(|problem| vec![problem])
        .and_then(|config| config.check(folder, &topics))
        .map_err(bad_file)?;
    Ok(Some(plan))
}

fn bad_file(problems: Vec<ConfigProblem>) -> BadPipeline {
    let problems = problems.into_iter();
    BadPipeline(
        problems
            .map(|problem| Problem::new(FILE, &problem.key, problem.message))
            .collect(),
    )
}

/// Resolves at SIGINT or SIGTERM.
fn stop_signal() -> Result<impl Future<Output = ()>> {
    use tokio::signal::unix::{SignalKind, signal};
    let mut interrupt = signal(SignalKind::interrupt())?;
    let mut terminate = signal(SignalKind::terminate())?;
    Ok(async move {
        tokio::select! {
            _ = interrupt.recv() => {}
            _ = terminate.recv() => {}
        }
    })
}
