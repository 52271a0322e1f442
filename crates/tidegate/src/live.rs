//! `tidegate run` until it is stopped: exactly once, by epochs.
//!
//! A pipeline runs as tasks. A consumer group decides which process has which task; whoever has one
//! recovers it ([`recovery`]), works on it ([`worker`]) and commits its epochs, each with outputs,
//! progress and source offsets in one transaction. Snapshots go to a store behind that
//! ([`snapshots`]).
//!
//! What goes wrong is one of three things: it passes and the same epoch is committed again; or the
//! task is dropped and recovered from what is stored; or the process ends with an error that says
//! why. There is no fourth, in which it goes on with state that nobody vouches for.

mod control;
mod epoch;
mod group;
mod recovery;
mod reloads;
mod rules;
mod settings;
mod snapshots;
mod stop;
mod worker;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Result, anyhow, bail};
use tidegate_connect::{KafkaSink, Properties, Retention, TopicSpec};
use tidegate_pipeline::{Pipeline, Summary};

use crate::cli::Run;
use crate::live::group::Group;
use crate::live::worker::{Trouble, Worker};
use crate::records::{PUBLISHED_BYTES_MAX, topic_specs};

pub(crate) use settings::{Settings, default_state};
pub(crate) use stop::StopSignal;

/// How long the group is asked for news when there is no task.
const IDLE_WAIT: Duration = Duration::from_millis(200);

/// How often one task is recovered in a row without committing anything before the process ends.
const RECOVERIES_MAX: u32 = 5;

/// Runs the pipeline until a signal asks to stop; gives what became of everything, by task.
pub(crate) async fn live(args: &Run, pipeline: Arc<Pipeline>) -> Result<Vec<Summary>> {
    let settings = Arc::new(Settings::new(args, &pipeline)?);
    let stop = StopSignal::listen(settings.shutdown_timeout)?;
    make_topics(&settings)?;
    if let Some(address) = args.control {
        control::serve(address, &pipeline.name, Arc::clone(&settings.reloads))?;
    }
    let mut group = Group::join(&settings)?;
    let mut tasks = Tasks {
        settings,
        pipeline,
        workers: BTreeMap::new(),
        recoveries: BTreeMap::new(),
        begun: BTreeSet::new(),
    };
    while !stop.is_asked() {
        tasks.follow(&mut group).await?;
        tasks.turn(&mut group).await?;
    }
    tasks.finish(group).await
}

/// The tasks of this process.
struct Tasks {
    settings: Arc<Settings>,
    pipeline: Arc<Pipeline>,
    workers: BTreeMap<i32, Worker>,
    /// Recoveries in a row, by task, with nothing committed in between.
    recoveries: BTreeMap<i32, u32>,
    /// Tasks that this process began from scratch, which happens once.
    begun: BTreeSet<i32>,
}

impl Tasks {
    /// Gives up the tasks that move, and takes those that came.
    async fn follow(&mut self, group: &mut Group) -> Result<()> {
        let wait = if self.workers.is_empty() {
            IDLE_WAIT
        } else {
            Duration::ZERO
        };
        group.pump(wait)?;
        let lost: Vec<i32> = self.workers.keys().copied().collect();
        for number in lost.into_iter().filter(|number| !group.owns(*number)) {
            self.workers.remove(&number);
            tracing::warn!(task = number, "Another instance has the task now.");
        }
        for number in group.take_revoking() {
            if let Some(mut worker) = self.workers.remove(&number)
                && let Err(trouble) = worker.end_epoch(group)
            {
                // Whoever gets the task begins where the last epoch ended.
                tracing::warn!(task = number, %trouble, "A task moves without its last epoch.");
            }
            group.release(number);
        }
        for number in group.owned() {
            if !self.workers.contains_key(&number) {
                self.recover(number, group).await?;
            }
        }
        self.stand_by(group)
    }

    async fn recover(&mut self, number: i32, group: &mut Group) -> Result<()> {
        let recoveries = self.recoveries.entry(number).or_default();
        *recoveries += 1;
        if *recoveries > RECOVERIES_MAX {
            bail!(
                "task {number} was recovered {RECOVERIES_MAX} times without getting an epoch \
                 through; see the warnings before this"
            );
        }
        let recovered = Worker::recover(
            Arc::clone(&self.settings),
            Arc::clone(&self.pipeline),
            number,
            self.settings.from_scratch && self.begun.insert(number),
            group,
        );
        match recovered.await {
            Ok(worker) => {
                self.workers.insert(number, worker);
                Ok(())
            }
            Err(trouble) => self.handle(number, trouble, group),
        }
    }

    /// Does a little of every task's work.
    async fn turn(&mut self, group: &mut Group) -> Result<()> {
        let numbers: Vec<i32> = self.workers.keys().copied().collect();
        let alone = numbers.len() == 1;
        for number in numbers {
            let Some(worker) = self.workers.get_mut(&number) else {
                continue;
            };
            match worker.turn(group, alone).await {
                Ok(committed) => {
                    if committed {
                        self.recoveries.remove(&number);
                    }
                }
                Err(trouble) => {
                    self.workers.remove(&number);
                    self.handle(number, trouble, group)?;
                }
            }
        }
        Ok(())
    }

    /// What a failed task means for the process.
    fn handle(&mut self, number: i32, trouble: Trouble, group: &mut Group) -> Result<()> {
        match trouble {
            Trouble::Stop(error) => Err(error),
            Trouble::Reload { error, passes } => {
                if passes {
                    self.recoveries.remove(&number);
                }
                tracing::warn!(
                    task = number,
                    error = %format!("{error:#}"),
                    "A task begins anew from what is stored."
                );
                // Whoever was replaced hears of it here, before it would fence its successor.
                group.pump(IDLE_WAIT)
            }
            Trouble::Fenced(error) => {
                if group.hears_of_loss(number)? {
                    tracing::warn!(task = number, %error, "Another instance took the task over.");
                    return Ok(());
                }
                tracing::warn!(task = number, %error, "A task begins anew from what is stored.");
                Ok(())
            }
        }
    }

    /// Nothing to do: for an instance that is not to wait that is an error, once it is certain.
    fn stand_by(&self, group: &Group) -> Result<()> {
        if self.settings.standby || group.without_task() < self.settings.grace {
            return Ok(());
        }
        let tasks = group.tasks();
        Err(anyhow!(
            "pipeline {:?} runs as {tasks} task{}, and other instances have {}: {}. Start this one \
             with --standby to wait until a task is free",
            self.pipeline.name,
            if tasks == 1 { "" } else { "s" },
            if tasks == 1 { "it" } else { "them" },
            if tasks == 1 {
                "its windows need all partitions in one place"
            } else {
                "more instances than tasks do nothing"
            },
        ))
    }

    /// Commits what was read, saves the state, and leaves the group.
    async fn finish(mut self, mut group: Group) -> Result<Vec<Summary>> {
        let mut summaries = Vec::new();
        for worker in self.workers.values_mut() {
            if let Err(trouble) = worker.finish(&mut group).await {
                bail!("stopping: {trouble}; the last epoch that is stored counts");
            }
            summaries.push(worker.summary());
        }
        group.leave()?;
        Ok(summaries)
    }
}

/// Makes the topics that are missing.
fn make_topics(settings: &Settings) -> Result<()> {
    let sink = KafkaSink::connect(&settings.bootstrap, &Properties::new())?;
    let mut topics = topic_specs();
    topics.push(TopicSpec {
        name: &settings.progress_topic,
        partitions: settings.tasks,
        retention: Retention::Forever,
        message_bytes_max: Some(PUBLISHED_BYTES_MAX),
    });
    Ok(sink.ensure_topics(&topics)?)
}
