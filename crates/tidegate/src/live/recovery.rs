//! From what is stored to where the last visible epoch ended.

use std::collections::VecDeque;
use std::sync::Arc;

use anyhow::{Context, Result, anyhow};
use tidegate_connect::{
    MessageBatch, PROGRESS_READ_MAX, Properties, RangeReader, SnapshotRef, SnapshotStore,
    read_progress, trim_progress,
};
use tidegate_model::{FeedId, Payload};
use tidegate_pipeline::{
    Pipeline, Progress, Snapshot, SnapshotName, Step, Task, check_fingerprint,
};

use crate::failpoint::{self, failpoint};
use crate::live::Settings;
use crate::live::group::Group;
use crate::live::snapshots::{Snapshots, join};
use crate::live::worker::Trouble;

/// The task as the last visible epoch left it, and its snapshots. Its writer must have been opened
/// before, so that nobody adds to what is read here.
pub(crate) async fn recover(
    settings: &Arc<Settings>,
    pipeline: Arc<Pipeline>,
    number: i32,
    from_scratch: bool,
    group: &mut Group,
) -> Result<(Task, Snapshots), Trouble> {
    let store = open_store(settings)?;
    if from_scratch {
        forget(settings, &store, number)?;
    }
    let mut epochs = read_epochs(settings, number)?;
    if let Some(last) = epochs.last() {
        check_fingerprint(&pipeline, &last.of.fingerprint)?;
    }
    let kept: VecDeque<SnapshotName> = named(&epochs);
    let task = match newest_whole(&store, &pipeline, number, &kept).await? {
        Some((task, epoch)) => {
            failpoint(failpoint::Step::DuringRecoverySnapshotLoaded)?;
            epochs.retain(|progress| progress.of.epoch > epoch);
            task
        }
        None => Task::new(pipeline, number).await?,
    };
    let unsaved = u64::try_from(epochs.len()).unwrap_or(u64::MAX);
    let task = repeat(settings, task, &epochs, group).await?;
    let snapshots = Snapshots::new(Arc::clone(settings), store, number, kept, unsaved);
    Ok((task, snapshots))
}

/// The store, opened on a thread of its own: it waits, which the runtime's thread must not.
fn open_store(settings: &Arc<Settings>) -> Result<Arc<SnapshotStore>, Trouble> {
    let settings = Arc::clone(settings);
    let opened = join(std::thread::spawn(move || settings.store()));
    Ok(Arc::new(opened?))
}

/// Removes all progress and all snapshots of the task.
fn forget(settings: &Arc<Settings>, store: &Arc<SnapshotStore>, task: i32) -> Result<(), Trouble> {
    let (bootstrap, topic) = (&settings.bootstrap, &settings.progress_topic);
    let properties = Properties::new();
    let last = read_progress(bootstrap, topic, task, 1, &properties)?;
    if let Some(last) = last.last() {
        trim_progress(bootstrap, topic, task, last.offset + 1, &properties)?;
    }
    let (store, folder) = (
        Arc::clone(store),
        Snapshots::folder(&settings.pipeline, task),
    );
    join(std::thread::spawn(move || {
        for entry in store.list(&folder)? {
            store.remove(&entry.name)?;
        }
        Ok(())
    }))?;
    tracing::warn!(
        task,
        "Progress and snapshots are forgotten, as --from-scratch says."
    );
    Ok(())
}

/// The last committed epochs of the task, oldest first, one after another.
fn read_epochs(settings: &Settings, task: i32) -> Result<Vec<Progress>, Trouble> {
    let topic = &settings.progress_topic;
    let records = read_progress(
        &settings.bootstrap,
        topic,
        task,
        PROGRESS_READ_MAX,
        &Properties::new(),
    )?;
    let mut epochs: Vec<Progress> = Vec::with_capacity(records.len());
    for record in records {
        let place = || format!("topic {topic} partition {task} offset {}", record.offset);
        let value = record.value.as_deref().unwrap_or_default();
        let progress: Progress = serde_json::from_slice(value)
            .with_context(|| format!("{} holds no progress of this version", place()))?;
        if let Some(before) = epochs.last()
            && before.of.epoch + 1 != progress.of.epoch
        {
            return Err(Trouble::Stop(anyhow!(
                "{}: epoch {} follows epoch {}; begin anew with --from-scratch",
                place(),
                progress.of.epoch,
                before.of.epoch
            )));
        }
        epochs.push(progress);
    }
    Ok(epochs)
}

/// The snapshots that the epochs name, oldest first.
fn named(epochs: &[Progress]) -> VecDeque<SnapshotName> {
    let mut names: Vec<SnapshotName> = epochs
        .iter()
        .filter_map(|progress| progress.snapshot.clone())
        .collect();
    names.dedup();
    names.into()
}

/// The task as of the newest snapshot that is whole, with its epoch; a damaged one is told of, and
/// the one before it is taken.
async fn newest_whole(
    store: &Arc<SnapshotStore>,
    pipeline: &Arc<Pipeline>,
    number: i32,
    names: &VecDeque<SnapshotName>,
) -> Result<Option<(Task, u64)>, Trouble> {
    for name in names.iter().rev() {
        match load(store, name) {
            Ok(snapshot) => {
                let task =
                    Task::restore(Arc::clone(pipeline), number, &snapshot, name.clone()).await?;
                return Ok(Some((task, name.epoch)));
            }
            Err(error) => tracing::warn!(
                error = %format!("{error:#}"),
                "A snapshot cannot be used; taking the one before it."
            ),
        }
    }
    Ok(None)
}

fn load(store: &Arc<SnapshotStore>, name: &SnapshotName) -> Result<Snapshot> {
    let store = Arc::clone(store);
    let wanted = SnapshotRef {
        name: name.name.clone(),
        bytes: name.bytes,
        sha256: name.sha256.clone(),
    };
    join(std::thread::spawn(move || {
        let bytes = store.get(&wanted)?;
        Ok(Snapshot::decode(&bytes)?)
    }))
}

/// Repeats what the epochs did.
async fn repeat(
    settings: &Settings,
    mut task: Task,
    epochs: &[Progress],
    group: &mut Group,
) -> Result<Task, Trouble> {
    let Some(first) = epochs.first() else {
        return Ok(task);
    };
    if first.of.epoch != task.epoch() {
        return Err(Trouble::Stop(anyhow!(
            "task {} cannot go on: no snapshot that is whole reaches back to epoch {}, with which \
             the progress in topic {} begins. Ways out: bring the snapshots in {} back, or begin \
             anew with --from-scratch",
            task.number(),
            first.of.epoch,
            settings.progress_topic,
            settings.state
        )));
    }
    let mut reader = RangeReader::open(
        &settings.bootstrap,
        settings.topics.clone(),
        &Properties::new(),
    )?;
    for progress in epochs {
        for step in &progress.steps {
            failpoint(failpoint::Step::DuringReplay)?;
            let mut batches = Vec::new();
            if let Step::Read {
                feed,
                partition,
                from,
                to,
            } = step
            {
                let mut take = |batch: MessageBatch| batches.push(batch);
                reader.read(&FeedId::new(feed), *partition, *from..*to, &mut take)?;
            }
            let payloads: Vec<Payload<'_>> = batches.iter().flat_map(MessageBatch::iter).collect();
            task.repeat(step, &payloads).await?;
        }
        task.end_repeated(progress)?;
        group.pump(std::time::Duration::ZERO)?;
        if !group.owns(task.number()) {
            return Err(Trouble::Reload {
                error: anyhow!("the task moved while it was recovered"),
                passes: true,
            });
        }
    }
    Ok(task)
}
