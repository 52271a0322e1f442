//! `tidegate run`: a pipeline on a Kafka cluster.

use std::num::{NonZeroU64, NonZeroUsize};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use anyhow::{Context, Result, ensure};
use tidegate_connect::{KafkaSink, KafkaSource, Properties, SourceConfig, Stop};
use tidegate_model::FeedId;
use tidegate_pipeline::{Mode, Pipeline, Runtime, Summary};
use tidegate_query::{SessionLimits, SpillLimits};

use crate::cli::Run;
use crate::drive::{Progress, Until, drive};
use crate::folder;
use crate::live::live;
use crate::outputs::{Outputs, Show};
use crate::progress::Bar;
use crate::records::topic_specs;

const MIB: NonZeroUsize = NonZeroUsize::new(1 << 20).expect("1 MiB is not zero");

/// What queries may write to the folder for spilled rows.
const SPILL_BYTES_MAX: NonZeroU64 = NonZeroU64::new(16 << 30).expect("16 GiB is not zero");

/// Runs the command; gives what became of everything, by task.
pub(crate) async fn run(args: &Run) -> Result<Vec<Summary>> {
    let mut pipeline = folder::load(&args.pipeline).await?;
    Arc::make_mut(&mut pipeline).query_limits = SessionLimits {
        memory_bytes_max: Some(args.query_mib.saturating_mul(MIB)),
        spill: args.spill.clone().map(|folder| SpillLimits {
            folder,
            bytes_max: SPILL_BYTES_MAX,
        }),
    };
    if !args.allow_compacted {
        refuse_compacted(&args.bootstrap, &pipeline.topics())?;
    }
    if args.until_caught_up || args.at_least_once {
        Ok(vec![at_least_once(args, pipeline).await?])
    } else {
        live(args, pipeline).await
    }
}

/// Without memory; an interrupt ends it with the summary of what was done.
async fn at_least_once(args: &Run, pipeline: Arc<Pipeline>) -> Result<Summary> {
    let stopped = Arc::new(AtomicBool::new(false));
    let flag = Arc::clone(&stopped);
    ctrlc::set_handler(move || flag.store(true, Ordering::Relaxed))
        .context("cannot listen for interrupts")?;
    let topics = pipeline.topics();
    let (stop, until) = if args.until_caught_up {
        (Stop::CaughtUp, Until::CaughtUp)
    } else {
        (Stop::Never, Until::Stopped(stopped))
    };
    let mut source = KafkaSource::open(SourceConfig::new(&args.bootstrap, topics, stop))?;
    let sink = if args.no_publish {
        None
    } else {
        let sink = KafkaSink::connect(&args.bootstrap, &Properties::new())?;
        sink.ensure_topics(&topic_specs())?;
        Some(sink)
    };
    let mut runtime = Runtime::new(Arc::clone(&pipeline), Mode::Stream).await?;
    let show = if args.json {
        Show::Nothing
    } else {
        Show::Alerts
    };
    let mut outputs = Outputs::new(&runtime, args.out.as_deref(), sink, show)?;
    let bar = Bar::new("records");
    drive(
        &mut source,
        &mut runtime,
        &mut outputs,
        &until,
        |progress| match progress {
            Progress::Batch(batch) => bar.inc(batch.len() as u64),
            Progress::Stalled(what) => tracing::warn!(what, "Waiting for the broker."),
            Progress::Event(..) => {}
        },
    )
    .await?;
    bar.finish();
    let summary = runtime.summary();
    outputs.finish(&summary)?;
    Ok(summary)
}

/// Sees that no topic of a feed loses records on purpose.
fn refuse_compacted(bootstrap: &str, topics: &[(FeedId, String)]) -> Result<()> {
    let names: Vec<String> = topics.iter().map(|(_, topic)| topic.clone()).collect();
    let sink = KafkaSink::connect(bootstrap, &Properties::new())?;
    let compacted = sink.compacted_topics(&names)?;
    ensure!(
        compacted.is_empty(),
        "the broker compacts {}: it removes all but the latest record of each key, and counts in \
         them would vanish without a trace; set cleanup.policy=delete, or accept that with \
         --allow-compacted",
        compacted.join(", ")
    );
    Ok(())
}
