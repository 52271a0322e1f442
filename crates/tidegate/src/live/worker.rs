//! One task at work: reads, runs the pipeline, ends epochs.

use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::{Context, anyhow};
use serde_json::{Map, Value, json};
use tidegate_connect::{
    ConnectError, Disposition, EpochError, EpochSink, KafkaSource, MessageBatch, OutRecord,
    PartitionChoice, SourceConfig, SourceEvent, SourceOffsets, Stop,
};
use tidegate_engine::ProcessingTime;
use tidegate_model::Payload;
use tidegate_pipeline::{Event, Pipeline, ResumeError, RuntimeError, Summary, Task};

use crate::drive::{processing_time, to_duration};
use crate::failpoint::{self, Step, failpoint};
use crate::live::Settings;
use crate::live::epoch::EpochRecords;
use crate::live::group::Group;
use crate::live::recovery;
use crate::live::rules::RulesWatch;
use crate::live::snapshots::Snapshots;
use crate::outputs;

/// How often time passes for the engine when nothing arrives.
const TICK: Duration = Duration::from_millis(100);
/// How long one of several tasks waits for a record.
const TURN: Duration = Duration::from_millis(2);
/// An epoch with alerts that somebody is told of ends at once, but only when so many times as long
/// have passed as the last such took to commit: alerts in a row, as when a run catches up, cost a
/// tenth of its time at most.
const URGENT_SHARE: u32 = 10;
/// How long the group is asked for news before an epoch that it refused is committed again.
const AGAIN_AFTER: Duration = Duration::from_millis(200);
/// How long an epoch is committed again and again before the task begins anew.
const COMMIT_WITHIN: Duration = Duration::from_mins(2);

/// What the protocol adds to a record, at most, and the record that stands in for a large one.
const RESERVE: usize = 128;

/// Why a task does not go on.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Trouble {
    /// The process has to end: somebody has to act.
    #[error("{0:#}")]
    Stop(anyhow::Error),
    /// What is in memory is ahead of what is stored, or cannot be trusted: begin from what is
    /// stored.
    #[error("{error:#}")]
    Reload {
        error: anyhow::Error,
        /// Whether it passes by itself, such as a broker that is away.
        passes: bool,
    },
    /// Another writer took over, or the broker thought that this one was gone.
    #[error("{0}")]
    Fenced(EpochError),
}

impl From<ConnectError> for Trouble {
    fn from(error: ConnectError) -> Self {
        match error.disposition() {
            Disposition::Retry => Self::Reload {
                error: error.into(),
                passes: true,
            },
            Disposition::Halt => Self::Stop(error.into()),
        }
    }
}

impl From<RuntimeError> for Trouble {
    fn from(error: RuntimeError) -> Self {
        Self::Reload {
            error: error.into(),
            passes: false,
        }
    }
}

impl From<ResumeError> for Trouble {
    fn from(error: ResumeError) -> Self {
        Self::Stop(error.into())
    }
}

impl From<anyhow::Error> for Trouble {
    fn from(error: anyhow::Error) -> Self {
        Self::Stop(error)
    }
}

/// See the module documentation.
pub(crate) struct Worker {
    settings: Arc<Settings>,
    task: Task,
    source: KafkaSource,
    sink: EpochSink,
    records: EpochRecords,
    snapshots: Snapshots,
    rules: RulesWatch,
    /// The zero of the engine's processing time.
    zero: Instant,
    epoch_since: Instant,
    /// Before it no epoch ends for its alerts.
    urgent_from: Instant,
    provisional_at: Option<Instant>,
}

impl Worker {
    /// Takes over task `number`, recovers its state, and begins to read where that ends.
    pub(crate) async fn recover(
        settings: Arc<Settings>,
        pipeline: Arc<Pipeline>,
        number: i32,
        from_scratch: bool,
        group: &mut Group,
    ) -> Result<Self, Trouble> {
        let since = Instant::now();
        // First, since it decides what its predecessor left open.
        let mut sink = EpochSink::open(settings.epoch_sink(number))?;
        failpoint::watch(&mut sink);
        let (mut task, snapshots) =
            recovery::recover(&settings, pipeline, number, from_scratch, group).await?;
        let mut config =
            SourceConfig::new(&settings.bootstrap, settings.topics.clone(), Stop::Never);
        config.start = task.positions().clone();
        if settings.tasks > 1 {
            config.partitions = PartitionChoice::Share {
                number,
                of: settings.tasks,
            };
        }
        let source = KafkaSource::open(config)?;
        for ((feed, partition), begin) in source.partitions().iter().zip(source.begins()) {
            task.assign(feed, *partition, *begin)?;
        }
        tracing::info!(
            task = number,
            seconds = since.elapsed().as_secs_f64(),
            "The task is ready."
        );
        let every = task.runtime().pipeline().provisional_every;
        let mut rules = RulesWatch::new(&settings.folder, &settings.reloads, number);
        rules.begin(&mut task);
        Ok(Self {
            settings,
            task,
            source,
            sink,
            records: EpochRecords::default(),
            snapshots,
            rules,
            zero: Instant::now(),
            epoch_since: Instant::now(),
            urgent_from: Instant::now(),
            provisional_at: every.map(|_| Instant::now()),
        })
    }

    /// Takes what comes next, for a moment, and ends the epoch when it is time; whether it did.
    /// `alone` says that no other task waits for its turn.
    pub(crate) async fn turn(&mut self, group: &mut Group, alone: bool) -> Result<bool, Trouble> {
        let wait = if alone {
            self.left_of_epoch().min(TICK)
        } else {
            TURN
        };
        if self.snapshots.is_overdue() {
            self.wait_for_snapshot(wait).await?;
            return Ok(false);
        }
        self.take(wait).await?;
        self.rules.follow(&mut self.task);
        self.task.tick(self.now()).await?;
        self.show_open_windows().await?;
        self.collect()?;
        self.take_snapshot_news();
        let due = self.left_of_epoch().is_zero() || self.records.is_full();
        if !due {
            return Ok(false);
        }
        let committed = self.end_epoch(group)?;
        self.save_if_due().await?;
        Ok(committed)
    }

    /// Reads nothing until the state is saved: recovery could not repeat more.
    async fn wait_for_snapshot(&mut self, wait: Duration) -> Result<(), Trouble> {
        std::thread::sleep(wait.max(TURN));
        self.take_snapshot_news();
        self.save_if_due().await
    }

    async fn take(&mut self, wait: Duration) -> Result<(), Trouble> {
        let event = self.source.next(wait)?;
        let now = self.now();
        match event {
            Some(SourceEvent::Batch(batch)) => self.read(&batch).await?,
            Some(SourceEvent::Added { feed, partition }) => {
                self.task.assign(&feed, partition, 0)?;
            }
            Some(SourceEvent::CaughtUp {
                feed, partition, ..
            }) => self.task.caught_up(&feed, partition, now).await?,
            Some(SourceEvent::Stalled { what }) => tracing::warn!(what, "Waiting for the broker."),
            Some(SourceEvent::Ended) => {
                return Err(Trouble::Stop(anyhow!("the source ended by itself")));
            }
            None => {}
        }
        Ok(())
    }

    async fn read(&mut self, batch: &MessageBatch) -> Result<(), Trouble> {
        let payloads: Vec<Payload<'_>> = batch.iter().collect();
        let (feed, partition) = (batch.feed(), batch.partition());
        let to = batch.last_offset() + 1;
        Ok(self.task.read(feed, partition, &payloads, to).await?)
    }

    async fn show_open_windows(&mut self) -> Result<(), Trouble> {
        let every = self.task.runtime().pipeline().provisional_every;
        if let (Some(every), Some(at)) = (every, self.provisional_at)
            && Instant::now() >= at
        {
            self.task.provisional().await?;
            self.provisional_at = Some(Instant::now() + to_duration(every));
        }
        Ok(())
    }

    /// Takes what the task gives out into the epoch.
    fn collect(&mut self) -> Result<(), Trouble> {
        while let Some(event) = self.task.poll_event() {
            if self.settings.show_alerts {
                outputs::show(&event);
            }
            if let Event::LayerFailed { layer, end, why } = &event {
                tracing::error!(layer, %end, why, "A layer could not be evaluated.");
            }
            self.records.add(&event, &self.settings.pipeline)?;
        }
        Ok(())
    }

    /// Makes what was done since the last epoch visible, if anything was; whether it was.
    pub(crate) fn end_epoch(&mut self, group: &mut Group) -> Result<bool, Trouble> {
        self.collect()?;
        self.epoch_since = Instant::now();
        if !self.task.has_steps() && self.records.is_empty() && !self.snapshots.has_news() {
            return Ok(false);
        }
        let progress = self.task.end_epoch();
        let record = serde_json::to_vec(&progress).context("progress is plain JSON")?;
        let since = Instant::now();
        self.commit(&record, group)?;
        let took = since.elapsed();
        if self.records.is_urgent() {
            self.urgent_from = Instant::now() + URGENT_SHARE * took;
        }
        tracing::debug!(
            task = self.task.number(),
            epoch = progress.of.epoch,
            records = self.records.len(),
            milliseconds = took.as_secs_f64() * 1e3,
            "An epoch is committed."
        );
        self.records.clear();
        self.snapshots.committed(&progress);
        failpoint(Step::AfterCommit)?;
        Ok(true)
    }

    /// Commits the epoch, again where that is certain to be right, until it is stored.
    fn commit(&mut self, progress: &[u8], group: &mut Group) -> Result<(), Trouble> {
        let deadline = Instant::now() + COMMIT_WITHIN;
        let mut outcome = self.try_commit(progress, group)?;
        loop {
            let Err(error) = outcome else {
                return Ok(());
            };
            let may_wait = Instant::now() < deadline;
            outcome = match error {
                EpochError::Uncertain { .. } if may_wait => {
                    tracing::warn!(%error, "Asking on whether an epoch is stored.");
                    self.sink.resume_commit()
                }
                // Nothing of it is stored, and nobody else wrote: else the sink were fenced.
                EpochError::Rewind { .. } if self.sink.is_usable() && may_wait => {
                    tracing::warn!(%error, "Committing an epoch again.");
                    group.pump(AGAIN_AFTER)?;
                    if !group.owns(self.task.number()) {
                        return Err(Trouble::Fenced(error));
                    }
                    self.try_commit(progress, group)?
                }
                EpochError::Refused(ConnectError::RecordTooLarge { topic, limit, .. })
                    if self.sink.is_usable() && topic != self.settings.progress_topic =>
                {
                    self.put_aside(&topic, limit)?;
                    self.try_commit(progress, group)?
                }
                error => return Err(given_up(error)),
            };
        }
    }

    fn try_commit(
        &mut self,
        progress: &[u8],
        group: &Group,
    ) -> Result<Result<(), EpochError>, Trouble> {
        let metadata = group.metadata()?;
        let topics = self.settings.topic_of();
        let next: Vec<(&str, i32, i64)> = self
            .task
            .positions()
            .iter()
            .filter_map(|((feed, partition), next)| Some((*topics.get(feed)?, *partition, *next)))
            .collect();
        let sources = SourceOffsets {
            group: &metadata,
            next: &next,
        };
        let mut records: Vec<OutRecord<'_>> = self.records.iter().collect();
        // The last one, which fail points know.
        records.push(OutRecord {
            topic: &self.settings.progress_topic,
            partition: Some(self.task.number()),
            key: None,
            value: Some(progress),
            timestamp_ms: None,
        });
        Ok(self.sink.commit_epoch(&records, Some(&sources)))
    }

    /// Takes what is too large for a topic out of the epoch into the store, and puts in its place
    /// where it is.
    fn put_aside(&mut self, topic: &str, limit: usize) -> Result<(), Trouble> {
        let snapshots = &self.snapshots;
        let replaced = self
            .records
            .replace_large(topic, limit - RESERVE.min(limit), |value| {
                let stored = snapshots.put_aside(topic, value)?;
                tracing::warn!(
                    topic,
                    bytes = stored.bytes,
                    name = stored.name,
                    "A record is too large for its topic and lies beside the snapshots."
                );
                let aside = serde_json::json!({
                    "name": stored.name, "bytes": stored.bytes, "sha256": stored.sha256,
                });
                stand_in(value, &aside, limit)
            })?;
        if replaced == 0 {
            return Err(Trouble::Stop(anyhow!(
                "topic {topic} refuses a record within its limit of {limit} bytes"
            )));
        }
        Ok(())
    }

    fn take_snapshot_news(&mut self) {
        if let Some(name) = self.snapshots.poll() {
            self.task.saved(name);
        }
    }

    /// Between epochs: saves the state when it is time.
    async fn save_if_due(&mut self) -> Result<(), Trouble> {
        if !self.snapshots.is_due() || self.task.has_steps() {
            return Ok(());
        }
        let since = Instant::now();
        let snapshot = self.task.snapshot().await?;
        tracing::debug!(
            task = self.task.number(),
            milliseconds = since.elapsed().as_secs_f64() * 1e3,
            "The state is copied."
        );
        self.snapshots.save(snapshot);
        Ok(())
    }

    /// Commits what was read and saves the state, so that the next one begins without repeating.
    pub(crate) async fn finish(&mut self, group: &mut Group) -> Result<(), Trouble> {
        self.end_epoch(group)?;
        if let Some(name) = self.snapshots.wait() {
            self.task.saved(name);
        }
        if self.snapshots.is_behind() {
            let snapshot = self.task.snapshot().await?;
            self.snapshots.save(snapshot);
            if let Some(name) = self.snapshots.wait() {
                self.task.saved(name);
            }
        }
        self.end_epoch(group)?;
        Ok(())
    }

    /// What became of everything since the beginning.
    pub(crate) fn summary(&self) -> Summary {
        self.task.summary()
    }

    fn left_of_epoch(&self) -> Duration {
        let left = self.settings.epoch_every;
        let left = left.saturating_sub(self.epoch_since.elapsed());
        if self.records.is_urgent() {
            return left.min(self.urgent_from.saturating_duration_since(Instant::now()));
        }
        left
    }

    fn now(&self) -> ProcessingTime {
        processing_time(self.zero)
    }
}

impl std::fmt::Debug for Worker {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Worker")
            .field("task", &self.task.number())
            .finish_non_exhaustive()
    }
}

/// The record that stands in for `value`, which lies aside: all of it but its bytes, so that it still
/// says which record it is and why; without that where it would be too large for the topic as well.
fn stand_in(value: &[u8], aside: &Value, limit: usize) -> anyhow::Result<Vec<u8>> {
    let mut fields: Map<String, Value> = serde_json::from_slice(value)?;
    fields.remove("bytes");
    fields.insert("put_aside".to_owned(), aside.clone());
    let whole = serde_json::to_vec(&fields)?;
    // Half, so that its key has room too.
    if whole.len() <= limit / 2 {
        return Ok(whole);
    }
    Ok(serde_json::to_vec(&json!({ "put_aside": aside }))?)
}

/// What an epoch that is not committed means for the task. Whether it is stored after all is what
/// recovery finds out.
fn given_up(error: EpochError) -> Trouble {
    match error {
        EpochError::Fenced { .. } => Trouble::Fenced(error),
        EpochError::Refused(error) => Trouble::from(error),
        EpochError::Rewind { .. } | EpochError::Uncertain { .. } => Trouble::Reload {
            error: error.into(),
            passes: true,
        },
        error => Trouble::Reload {
            error: error.into(),
            passes: false,
        },
    }
}
