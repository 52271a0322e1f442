//! A task: a run that writes its steps down, so that another process can repeat them.
//!
//! Work is cut into *epochs*. All that an epoch gave out, what it read and its [`Progress`] become
//! visible together, in one Kafka transaction, or not at all. Now and then the state is saved as a
//! [`Snapshot`], which a later progress record names.
//!
//! After a crash: take the newest snapshot that is whole, [`Task::restore`] it, and
//! [`Task::repeat`] the steps of the epochs since, whose outputs are there already and are thrown
//! away. Equal steps give equal state (invariant T1), so the task then stands where the last
//! visible epoch ended, and goes on. With a damaged snapshot the one before it does, and more
//! steps. Nothing depends on when a snapshot was taken, so it may be written at leisure.
//!
//! No I/O: the caller reads payloads, stores bytes and runs transactions.

use std::collections::BTreeMap;
use std::sync::Arc;

use tidegate_engine::ProcessingTime;
use tidegate_model::{EventTime, FeedId, Payload};

use crate::progress::{PartitionPosition, Progress, SnapshotName, Step, Totals};
use crate::snapshot::{Snapshot, SnapshotError, SnapshotOf};
use crate::{Event, Mode, Pipeline, RuleChange, RulesError, Runtime, RuntimeError, Summary};

/// See the module documentation.
#[derive(Debug)]
pub struct Task {
    number: i32,
    runtime: Runtime,
    /// The epoch that is being worked on.
    epoch: u64,
    steps: Vec<Step>,
    positions: BTreeMap<(FeedId, i32), i64>,
    /// The newest snapshot that is stored.
    saved: Option<SnapshotName>,
}

/// Why a task cannot go on where another process left it.
#[derive(Debug, thiserror::Error)]
pub enum ResumeError {
    /// The pipeline folder is not the one that wrote the progress.
    #[error(
        "pipeline {pipeline} has changed (fingerprint {found}, the stored progress has {stored}), \
         and its state does not fit the change. Ways out: run the old folder; or begin anew with \
         --from-scratch; or compute the past with `tidegate backfill` and begin anew"
    )]
    Changed {
        /// The pipeline.
        pipeline: String,
        /// Of the folder as it is.
        found: String,
        /// Of the folder that wrote the progress.
        stored: String,
    },
    /// The snapshot cannot be read or does not fit.
    #[error(transparent)]
    Snapshot(#[from] SnapshotError),
    /// Repeating the steps failed.
    #[error(transparent)]
    Runtime(#[from] RuntimeError),
    /// A change of rules that was written down cannot be made again.
    #[error(transparent)]
    Rules(#[from] RulesError),
    /// The steps that were repeated led elsewhere than the run that wrote them.
    #[error(
        "repeating the steps up to epoch {epoch} gave {found}, the run that took them had {stored}: \
         the log or the program has changed. Begin anew with --from-scratch"
    )]
    Diverged {
        /// The last epoch repeated.
        epoch: u64,
        /// What the repetition gave.
        found: String,
        /// What was stored.
        stored: String,
    },
}

impl Task {
    /// Task `number` of `pipeline`, which has read nothing.
    ///
    /// # Errors
    /// As [`Runtime::new`].
    pub async fn new(pipeline: Arc<Pipeline>, number: i32) -> Result<Self, RuntimeError> {
        Ok(Self {
            number,
            runtime: Runtime::new(pipeline, Mode::Stream).await?,
            epoch: 1,
            steps: Vec::new(),
            positions: BTreeMap::new(),
            saved: None,
        })
    }

    /// The task as `snapshot` holds it; `name` is how it is stored.
    ///
    /// # Errors
    /// [`ResumeError::Changed`] when it is of another pipeline, [`ResumeError::Snapshot`] when it
    /// does not fit.
    pub async fn restore(
        pipeline: Arc<Pipeline>,
        number: i32,
        snapshot: &Snapshot,
        name: SnapshotName,
    ) -> Result<Self, ResumeError> {
        check_fingerprint(&pipeline, &snapshot.of().fingerprint)?;
        let mut task = Self::new(pipeline, number).await?;
        task.runtime.load(snapshot)?;
        task.positions = snapshot
            .positions()?
            .into_iter()
            .map(|(feed, partition, next)| ((FeedId::new(&feed), partition), next))
            .collect();
        task.epoch = snapshot.of().epoch + 1;
        task.saved = Some(name);
        Ok(task)
    }

    /// Reads partition `partition` of `feed` from now on, beginning at `offset`. A partition that
    /// is read already goes on where it is.
    ///
    /// # Errors
    /// [`RuntimeError::UnknownFeed`].
    pub fn assign(
        &mut self,
        feed: &FeedId,
        partition: i32,
        offset: i64,
    ) -> Result<(), RuntimeError> {
        let key = (feed.clone(), partition);
        if self.positions.contains_key(&key) {
            return Ok(());
        }
        self.runtime.assign(feed, partition)?;
        self.positions.insert(key, offset);
        self.steps.push(Step::Assigned {
            feed: feed.to_string(),
            partition,
            offset,
        });
        Ok(())
    }

    /// Reads messages of one partition, in the order of its log; `to` is the offset that follows
    /// them.
    ///
    /// # Errors
    /// [`RuntimeError`]; bad data is not an error.
    ///
    /// # Panics
    /// When the partition was not assigned, or the offsets were read before.
    pub async fn read(
        &mut self,
        feed: &FeedId,
        partition: i32,
        payloads: &[Payload<'_>],
        to: i64,
    ) -> Result<(), RuntimeError> {
        let next = self
            .positions
            .get_mut(&(feed.clone(), partition))
            .expect("a partition is assigned before it is read");
        let from = std::mem::replace(next, to);
        let first = payloads.first().map_or(from, |p| p.position.offset);
        assert!(
            from <= first && first <= to,
            "{feed} {partition}: offsets {first} to {to} come after {from}"
        );
        self.steps.push(Step::Read {
            feed: feed.to_string(),
            partition,
            from,
            to,
        });
        // Kafka stamps every record, so the bound for those without a stamp never counts.
        self.runtime
            .ingest(feed, partition, payloads, EventTime::MAX)
            .await
    }

    /// The partition has been read to its log's end.
    ///
    /// # Errors
    /// [`RuntimeError`].
    pub async fn caught_up(
        &mut self,
        feed: &FeedId,
        partition: i32,
        now: ProcessingTime,
    ) -> Result<(), RuntimeError> {
        let outcome = self.runtime.caught_up(feed, partition, now).await;
        self.note_idle();
        outcome
    }

    /// Time passes: what is idle stops holding windows open.
    ///
    /// # Errors
    /// [`RuntimeError`].
    pub async fn tick(&mut self, now: ProcessingTime) -> Result<(), RuntimeError> {
        let outcome = self.runtime.tick(now).await;
        self.note_idle();
        for feed in self.runtime.take_silenced() {
            let feed = feed.to_string();
            self.steps.push(Step::Silent { feed });
        }
        outcome
    }

    /// Goes on with other rules from the next window on, and writes the change down. Open alerts of
    /// a rule that stays, with its name, layer and kind of subject, go on under what it says now;
    /// those of others are over. Rules that are equal to the present ones are no change, except
    /// that the first ones are written down too.
    ///
    /// # Errors
    /// [`RulesError`]: the present rules stay.
    pub fn change_rules(&mut self, change: RuleChange) -> Result<(), RulesError> {
        if self.runtime.change_rules(self.number, &change)? {
            self.steps.push(Step::Rules(change));
        }
        Ok(())
    }

    /// Shows the open windows as they stand, changing nothing.
    ///
    /// # Errors
    /// [`RuntimeError`].
    pub async fn provisional(&mut self) -> Result<(), RuntimeError> {
        self.runtime.provisional().await
    }

    /// The next thing that the run gives out.
    pub fn poll_event(&mut self) -> Option<Event> {
        self.runtime.poll_event()
    }

    /// Which task it is.
    pub fn number(&self) -> i32 {
        self.number
    }

    /// The epoch that is being worked on, from 1.
    pub fn epoch(&self) -> u64 {
        self.epoch
    }

    /// Whether the epoch has done anything that has to be written down.
    pub fn has_steps(&self) -> bool {
        !self.steps.is_empty()
    }

    /// The offset that comes next in each partition.
    pub fn positions(&self) -> &BTreeMap<(FeedId, i32), i64> {
        &self.positions
    }

    /// The run.
    pub fn runtime(&self) -> &Runtime {
        &self.runtime
    }

    /// What became of everything so far.
    pub fn summary(&self) -> Summary {
        self.runtime.summary()
    }

    /// Ends the epoch: what has to be stored with its outputs. The next one begins.
    pub fn end_epoch(&mut self) -> Progress {
        let progress = Progress {
            of: self.of(),
            steps: std::mem::take(&mut self.steps),
            positions: self
                .positions
                .iter()
                .map(|((feed, partition), next)| PartitionPosition {
                    feed: feed.to_string(),
                    partition: *partition,
                    next: *next,
                })
                .collect(),
            watermark: self.runtime.watermark().micros(),
            totals: Totals::of(&self.runtime.summary()),
            snapshot: self.saved.clone(),
        };
        self.epoch += 1;
        progress
    }

    /// The state at the end of the last epoch.
    ///
    /// # Errors
    /// [`RuntimeError`], when rows that wait cannot be aggregated.
    ///
    /// # Panics
    /// Within an epoch: a snapshot is of what was written down.
    pub async fn snapshot(&mut self) -> Result<Snapshot, RuntimeError> {
        assert!(self.steps.is_empty(), "a snapshot is taken between epochs");
        let mut of = self.of();
        of.epoch -= 1;
        let mut snapshot = Snapshot::new(of);
        let positions: Vec<(String, i32, i64)> = self
            .positions
            .iter()
            .map(|((feed, partition), next)| (feed.to_string(), *partition, *next))
            .collect();
        snapshot.put("positions", &positions);
        self.runtime.save(&mut snapshot).await?;
        Ok(snapshot)
    }

    /// Notes that a snapshot is stored: later progress names it.
    pub fn saved(&mut self, name: SnapshotName) {
        self.saved = Some(name);
    }

    /// Repeats one step that another process wrote down; `payloads` are the messages of a
    /// [`Step::Read`]. What it gives out is thrown away: it is visible already.
    ///
    /// # Errors
    /// [`ResumeError::Runtime`].
    pub async fn repeat(
        &mut self,
        step: &Step,
        payloads: &[Payload<'_>],
    ) -> Result<(), ResumeError> {
        match step {
            Step::Assigned {
                feed,
                partition,
                offset,
            } => self.assign(&FeedId::new(feed), *partition, *offset)?,
            Step::Read {
                feed,
                partition,
                to,
                ..
            } => {
                self.read(&FeedId::new(feed), *partition, payloads, *to)
                    .await?;
            }
            Step::Idle { feed, partition } => {
                self.runtime.idle(&FeedId::new(feed), *partition).await?;
            }
            Step::Silent { feed } => {
                self.runtime.silent(&FeedId::new(feed));
            }
            Step::Rules(change) => self.change_rules(change.clone())?,
        }
        while self.runtime.poll_event().is_some() {}
        Ok(())
    }

    /// Ends an epoch whose steps were repeated, and checks that it led where it had led.
    ///
    /// # Errors
    /// [`ResumeError::Changed`] when another pipeline wrote it, [`ResumeError::Diverged`].
    pub fn end_repeated(&mut self, stored: &Progress) -> Result<(), ResumeError> {
        check_fingerprint(self.runtime.pipeline(), &stored.of.fingerprint)?;
        let found = self.end_epoch();
        let differs = |found: String, stored_text: String| ResumeError::Diverged {
            epoch: stored.of.epoch,
            found,
            stored: stored_text,
        };
        if (found.of.epoch, found.watermark, found.totals)
            != (stored.of.epoch, stored.watermark, stored.totals)
        {
            let show = |p: &Progress| {
                let watermark = EventTime::from_micros(p.watermark);
                format!("epoch {}, watermark {watermark}, {}", p.of.epoch, p.totals)
            };
            return Err(differs(show(&found), show(stored)));
        }
        if found.positions != stored.positions {
            return Err(differs(
                format!("{:?}", found.positions),
                format!("{:?}", stored.positions),
            ));
        }
        Ok(())
    }

    fn of(&self) -> SnapshotOf {
        let pipeline = self.runtime.pipeline();
        SnapshotOf {
            pipeline: pipeline.name.clone(),
            fingerprint: pipeline.fingerprint.clone(),
            task: self.number,
            epoch: self.epoch,
        }
    }

    /// Writes down which partitions became idle: a decision of the clock that repeating must not
    /// leave to another clock.
    fn note_idle(&mut self) {
        for (feed, partition) in self.runtime.take_idled() {
            self.steps.push(Step::Idle {
                feed: feed.to_string(),
                partition,
            });
        }
    }
}

/// Whether progress written under `stored`, a [`Pipeline::fingerprint`], may be gone on with.
///
/// # Errors
/// [`ResumeError::Changed`] when the pipeline is not the one that wrote it.
pub fn check_fingerprint(pipeline: &Pipeline, stored: &str) -> Result<(), ResumeError> {
    if pipeline.fingerprint == stored {
        return Ok(());
    }
    Err(ResumeError::Changed {
        pipeline: pipeline.name.clone(),
        found: pipeline.fingerprint.clone(),
        stored: stored.to_owned(),
    })
}
