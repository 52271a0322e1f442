//! One process at work on the task, in steps between any two of which it may die.
//!
//! It follows the protocol of `tidegate_pipeline::task`: fence, find the newest whole snapshot,
//! repeat the steps since, work, and end epochs in transactions. The task in it is the real one.

mod publish;
mod recover;

use std::collections::BTreeMap;
use std::sync::Arc;

use tidegate_engine::ProcessingTime;
use tidegate_model::{EventTime, FeedId};
use tidegate_pipeline::{Pipeline, Progress, SnapshotName, Task};

use super::broker::Broker;
use super::check::Violation;
use super::idleness::Idleness;
use super::output::{self, Output};
use super::shape::Shape;
use super::store::Store;
use super::traffic::Key;
use tidegate_sim::Random;

/// What a process can reach, and the dice.
#[derive(Debug)]
pub(crate) struct Around<'a> {
    pub(crate) shape: &'a Shape,
    pub(crate) pipeline: &'a Arc<Pipeline>,
    pub(crate) broker: &'a mut Broker,
    pub(crate) store: &'a mut Store,
    pub(crate) random: &'a mut Random,
    pub(crate) round: u32,
    /// The world's time, microseconds.
    pub(crate) now: i64,
    /// Whether things go wrong by themselves.
    pub(crate) is_rough: bool,
}

/// Why a process does not go on.
#[derive(Debug)]
pub(crate) enum Stop {
    /// It must not: another one took over.
    Fenced,
    /// It is to begin anew, from what is stored.
    Reload(&'static str),
    /// The product is wrong.
    Wrong(Violation),
}

impl Stop {
    pub(crate) fn wrong(invariant: &'static str, detail: impl std::fmt::Display) -> Self {
        Self::Wrong(Violation {
            invariant,
            detail: detail.to_string(),
        })
    }
}

/// Where a process stands.
#[derive(Debug)]
enum State {
    /// Has not fenced its predecessors yet.
    Joining,
    /// Has not looked at what is stored yet.
    Loading,
    /// Repeats epochs that are visible already, the next one first.
    Repeating(Box<Task>, Vec<Progress>),
    /// Reads.
    Working(Box<Task>),
    /// Has ended an epoch and makes it visible.
    Publishing(Box<Task>, Box<Progress>, Stage),
    /// Has made it visible, and may save its state.
    Committed(Box<Task>),
}

/// How far a transaction is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Stage {
    Begin,
    Send,
    Commit,
}

/// See the module documentation.
#[derive(Debug)]
pub(crate) struct Worker {
    /// Which process: no two are alike.
    pub(crate) number: u64,
    /// Its clock's zero in the world's time.
    zero: i64,
    producer: u64,
    state: State,
    /// Outputs of this epoch.
    pending: Vec<Output>,
    /// Snapshots under way.
    puts: Vec<(u64, SnapshotName)>,
    /// Names of the snapshots that are kept, oldest first, and the newest one's epoch.
    kept: Vec<String>,
    newest: u64,
    watermark: EventTime,
    idleness: Idleness,
    /// The next call into the task fails.
    pub(crate) fails_next: bool,
    /// What it did last, for the timeline.
    pub(crate) did: String,
}

impl Worker {
    pub(crate) fn new(number: u64, now: i64, random: &mut Random) -> Self {
        Self {
            number,
            zero: now - i64::from(random.below(1 << 30)),
            producer: 0,
            state: State::Joining,
            pending: Vec::new(),
            puts: Vec::new(),
            kept: Vec::new(),
            newest: 0,
            watermark: EventTime::MIN,
            idleness: Idleness::default(),
            fails_next: false,
            did: String::new(),
        }
    }

    /// Whether all that there is has been read and made visible.
    pub(crate) fn is_done(&self, ends: &BTreeMap<Key, i64>) -> bool {
        let State::Working(task) = &self.state else {
            return false;
        };
        let stands = |(feed, partition): &Key| {
            let key = (FeedId::new(feed), *partition);
            task.positions().get(&key).copied()
        };
        !task.has_steps() && ends.iter().all(|(key, end)| stands(key) == Some(*end))
    }

    /// Forgets everything that a crash would take.
    pub(crate) fn reload(&mut self) {
        self.state = State::Joining;
        self.pending.clear();
        self.puts.clear();
        self.kept.clear();
        self.newest = 0;
        self.watermark = EventTime::MIN;
    }

    fn note(&mut self, did: &str) {
        did.clone_into(&mut self.did);
    }

    /// Takes one step.
    pub(crate) async fn step(&mut self, around: &mut Around<'_>) -> Result<(), Stop> {
        self.did.clear();
        match std::mem::replace(&mut self.state, State::Joining) {
            State::Joining => {
                self.producer = around.broker.init();
                self.did = format!("becomes producer {}", self.producer);
                self.state = State::Loading;
            }
            State::Loading => self.state = self.load(around).await?,
            State::Repeating(task, epochs) => {
                self.state = self.repeat(around, task, epochs).await?;
            }
            State::Working(task) => self.state = self.work(around, task).await?,
            State::Publishing(task, progress, stage) => {
                self.state = self.publish(around, task, progress, stage)?;
            }
            State::Committed(task) => self.state = self.save(around, task).await?,
        }
        Ok(())
    }

    async fn work(&mut self, around: &mut Around<'_>, mut task: Box<Task>) -> Result<State, Stop> {
        self.note_saved(around, &mut task);
        if std::mem::take(&mut self.fails_next) {
            return Err(Stop::Reload("a query fails"));
        }
        if task.has_steps() && around.random.below(7) == 0 {
            return self.end_epoch(around, task);
        }
        let outcome = self.take_input(around, &mut task).await;
        outcome.map_err(|error| Stop::wrong("run", error))?;
        self.collect(&mut task)?;
        Ok(State::Working(task))
    }

    /// Assigns, reads, looks at the clock, or shows what is open.
    async fn take_input(
        &mut self,
        around: &mut Around<'_>,
        task: &mut Task,
    ) -> Result<(), tidegate_pipeline::RuntimeError> {
        let now = ProcessingTime::from_micros(around.now - self.zero);
        let assigned = |(feed, partition): &&Key| {
            let key = (FeedId::new(feed), *partition);
            !task.positions().contains_key(&key)
        };
        if let Some((feed, partition)) = around.broker.partitions().find(assigned).cloned() {
            let start = around.broker.start(&(feed.clone(), partition));
            self.did = format!("assigns {feed} {partition}");
            return task.assign(&FeedId::new(&feed), partition, start);
        }
        match around.random.weighted(&[14, 11, 1]) {
            0 => self.read(around, task, now).await,
            1 => {
                self.note("looks at the clock");
                self.idleness.tick(around.now);
                task.tick(now).await
            }
            _ => {
                self.note("shows open windows");
                task.provisional().await
            }
        }
    }

    /// Reads some messages of one partition, or learns that there are none.
    async fn read(
        &mut self,
        around: &mut Around<'_>,
        task: &mut Task,
        now: ProcessingTime,
    ) -> Result<(), tidegate_pipeline::RuntimeError> {
        let count = u32::try_from(task.positions().len()).expect("a few partitions");
        let chosen = usize::try_from(around.random.below(count)).expect("a few partitions");
        let Some(((feed, partition), from)) = task.positions().iter().nth(chosen) else {
            return Ok(());
        };
        let (feed, partition, from) = (feed.clone(), *partition, *from);
        let key = (feed.to_string(), partition);
        let end = around.broker.end(&key);
        if from == end {
            self.did = format!("is caught up with {feed} {partition}");
            self.idleness.caught_up(&key, from, around.now);
            return task.caught_up(&feed, partition, now).await;
        }
        let messages = 1 + usize::try_from(around.random.below(14)).expect("small");
        let mut to = around.broker.offset_after(&key, from, messages);
        if around.random.below(2) == 0 {
            // Control records are skipped with the messages before them, or later.
            let next = around.broker.fetch(&key, to, end);
            to = next.first().map_or(end, |payload| payload.position.offset);
        }
        let payloads = around.broker.fetch(&key, from, to);
        let shown = payloads.len();
        self.did = format!("reads {feed} {partition} {from} to {to}, {shown} messages");
        let log = &around.broker.logs()[&key];
        self.idleness.read(around.shape, &key, log, (from, to));
        task.read(&feed, partition, &payloads, to).await
    }

    /// Takes what the task gives out, and checks its watermark.
    fn collect(&mut self, task: &mut Task) -> Result<(), Stop> {
        while let Some(event) = task.poll_event() {
            self.pending.extend(output::outputs(&event));
        }
        let watermark = task.runtime().watermark();
        if watermark < self.watermark {
            let detail = format!("the watermark went from {} to {watermark}", self.watermark);
            return Err(Stop::wrong("T2", detail));
        }
        self.watermark = watermark;
        Ok(())
    }
}
