//! The event loop: a Kafka source drives a runtime, whose events go to the outputs.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use anyhow::Result;
use tidegate_connect::{KafkaSource, MessageBatch, SourceEvent};
use tidegate_engine::ProcessingTime;
use tidegate_model::{EventTime, Payload, Span};
use tidegate_pipeline::{Event, Runtime};

use crate::outputs::Outputs;

/// How often time passes for the engine when nothing arrives.
const TICK: Duration = Duration::from_millis(100);

/// When the loop ends.
#[derive(Debug, Clone)]
pub(crate) enum Until {
    /// At the ends that the topics had when the source was opened.
    CaughtUp,
    /// When this flag is set.
    Stopped(Arc<AtomicBool>),
    /// When so many records have been read.
    Read(u64),
}

/// What the loop tells an observer.
#[derive(Debug)]
pub(crate) enum Progress<'a> {
    /// A batch was read.
    Batch(&'a MessageBatch),
    /// The run gave something out; the latest arrival stamp so far comes along.
    Event(&'a Event, Option<EventTime>),
    /// The source waits for the broker.
    Stalled(&'a str),
}

/// Runs until the end, closing all windows unless the loop was stopped.
pub(crate) async fn drive(
    source: &mut KafkaSource,
    runtime: &mut Runtime,
    outputs: &mut Outputs,
    until: &Until,
    mut observe: impl FnMut(Progress<'_>),
) -> Result<()> {
    let started = Instant::now();
    for (feed, partition) in source.partitions().to_vec() {
        runtime.assign(&feed, partition)?;
    }
    let provisional_every = runtime.pipeline().provisional_every.map(to_duration);
    let mut provisional_at = provisional_every.map(|every| started + every);
    let mut read = 0_u64;
    let mut newest: Option<EventTime> = None;
    loop {
        let event = source.next(TICK)?;
        let now = processing_time(started);
        match event {
            Some(SourceEvent::Batch(batch)) => {
                let stamp = batch.latest_timestamp_ms().map(from_millis);
                newest = newest.max(stamp);
                read += batch.len() as u64;
                observe(Progress::Batch(&batch));
                let payloads: Vec<Payload<'_>> = batch.iter().collect();
                runtime
                    .ingest(batch.feed(), batch.partition(), &payloads, wall_clock())
                    .await?;
            }
            Some(SourceEvent::Added { feed, partition }) => runtime.assign(&feed, partition)?,
            Some(SourceEvent::CaughtUp {
                feed, partition, ..
            }) => match until {
                Until::CaughtUp => runtime.ended(&feed, partition).await?,
                Until::Stopped(_) | Until::Read(_) => {
                    runtime.caught_up(&feed, partition, now).await?;
                }
            },
            Some(SourceEvent::Stalled { what }) => observe(Progress::Stalled(&what)),
            Some(SourceEvent::Ended) => break,
            None => {}
        }
        runtime.tick(now).await?;
        if let (Some(every), Some(at)) = (provisional_every, provisional_at)
            && Instant::now() >= at
        {
            runtime.provisional().await?;
            provisional_at = Some(Instant::now() + every);
        }
        outputs.drain(runtime, |event| observe(Progress::Event(event, newest)))?;
        match until {
            Until::Read(wanted) if read >= *wanted => break,
            Until::Stopped(flag) if flag.load(Ordering::Relaxed) => return Ok(()),
            Until::CaughtUp | Until::Read(_) | Until::Stopped(_) => {}
        }
    }
    runtime.end().await?;
    outputs.drain(runtime, |event| observe(Progress::Event(event, newest)))
}

/// Now, for records without a stamp of their own: an event later than this is not believed.
pub(crate) fn wall_clock() -> EventTime {
    EventTime::from_micros(jiff::Timestamp::now().as_microsecond())
}

/// The time of a Kafka timestamp.
pub(crate) fn from_millis(millis: i64) -> EventTime {
    EventTime::from_micros(millis.saturating_mul(1_000))
}

/// The engine's processing time, which begins at `started`.
pub(crate) fn processing_time(started: Instant) -> ProcessingTime {
    let micros = i64::try_from(started.elapsed().as_micros()).unwrap_or(i64::MAX);
    ProcessingTime::from_micros(micros)
}

/// The same length of processing time; nothing for a negative one.
pub(crate) fn to_duration(span: Span) -> Duration {
    Duration::from_micros(u64::try_from(span.as_micros()).unwrap_or(0))
}
