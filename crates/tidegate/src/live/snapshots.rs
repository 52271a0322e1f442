//! Snapshots behind the work: written by a thread, named by a later epoch, the oldest removed.

use std::collections::VecDeque;
use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, anyhow};
use tidegate_connect::{
    PROGRESS_READ_MAX, Properties, SnapshotRef, SnapshotStore, read_progress, trim_progress,
};
use tidegate_pipeline::{Progress, Snapshot, SnapshotName};

use crate::failpoint::{Step, failpoint};
use crate::live::Settings;

/// How long after a failure it is tried again, at most.
const AGAIN_AFTER: Duration = Duration::from_secs(10);
/// A task stops reading when so many epochs are in no snapshot: recovery reads back a bounded number
/// of progress records, [`PROGRESS_READ_MAX`].
const EPOCHS_MAX: u64 = PROGRESS_READ_MAX as u64 * 8 / 10;
/// The state is saved ahead of its time after so many, as when alerts end one epoch after another.
const EPOCHS_SOON: u64 = EPOCHS_MAX / 2;

/// The snapshots of one task.
#[derive(Debug)]
pub(crate) struct Snapshots {
    settings: Arc<Settings>,
    store: Arc<SnapshotStore>,
    task: i32,
    saving: Option<JoinHandle<Result<SnapshotName>>>,
    tidying: Option<JoinHandle<Result<()>>>,
    /// Stored, and not named by a committed epoch yet.
    news: Option<SnapshotName>,
    /// Named by a committed epoch, oldest first.
    kept: VecDeque<SnapshotName>,
    due_at: Instant,
    /// Epochs that did something since the last snapshot was taken, and since the last that is
    /// stored was.
    epochs: u64,
    unsaved: u64,
}

impl Snapshots {
    /// Those of a task that has these.
    pub(crate) fn new(
        settings: Arc<Settings>,
        store: Arc<SnapshotStore>,
        task: i32,
        kept: VecDeque<SnapshotName>,
        unsaved: u64,
    ) -> Self {
        Self {
            due_at: Instant::now() + settings.snapshot_every,
            settings,
            store,
            task,
            saving: None,
            tidying: None,
            news: None,
            kept,
            epochs: unsaved,
            unsaved,
        }
    }

    /// The folder of a task's snapshots in the store.
    pub(crate) fn folder(pipeline: &str, task: i32) -> String {
        format!("{pipeline}/{task}")
    }

    /// Whether a snapshot is stored that no epoch has named.
    pub(crate) fn has_news(&self) -> bool {
        self.news.is_some()
    }

    /// Whether one should be taken now.
    pub(crate) fn is_due(&self) -> bool {
        self.saving.is_none() && self.epochs > 0 && Instant::now() >= self.due_at
    }

    /// Whether work has to wait until one is stored.
    pub(crate) fn is_overdue(&self) -> bool {
        self.unsaved >= EPOCHS_MAX
    }

    /// Whether there is state that no snapshot has.
    pub(crate) fn is_behind(&self) -> bool {
        self.epochs > 0
    }

    /// Writes `snapshot` behind the work.
    pub(crate) fn save(&mut self, snapshot: Snapshot) {
        self.due_at = Instant::now() + self.settings.snapshot_every;
        self.epochs = 0;
        let store = Arc::clone(&self.store);
        let folder = Self::folder(&self.settings.pipeline, self.task);
        self.saving = Some(std::thread::spawn(move || put(&store, &folder, &snapshot)));
    }

    /// The snapshot that was stored since the last call.
    pub(crate) fn poll(&mut self) -> Option<SnapshotName> {
        if let Some(tidying) = self.tidying.take_if(|thread| thread.is_finished()) {
            let outcome = join(tidying);
            warn_of("Old snapshots and progress stay a while longer.", &outcome);
        }
        let saving = self.saving.take_if(|thread| thread.is_finished())?;
        self.stored(saving)
    }

    /// The same, waiting for one that is being written.
    pub(crate) fn wait(&mut self) -> Option<SnapshotName> {
        let saving = self.saving.take()?;
        self.stored(saving)
    }

    fn stored(&mut self, saving: JoinHandle<Result<SnapshotName>>) -> Option<SnapshotName> {
        let outcome = join(saving);
        warn_of(
            "The state could not be saved; the work goes on and it is tried again.",
            &outcome,
        );
        if let Ok(name) = outcome {
            self.unsaved = self.epochs;
            self.news = Some(name.clone());
            return Some(name);
        }
        // What it held is in no snapshot now.
        self.epochs = self.unsaved;
        self.due_at = Instant::now() + self.settings.snapshot_every.min(AGAIN_AFTER);
        None
    }

    /// Notes a committed epoch; what it made unnecessary is removed.
    pub(crate) fn committed(&mut self, progress: &Progress) {
        if !progress.steps.is_empty() {
            self.epochs += 1;
            self.unsaved += 1;
            if self.epochs == EPOCHS_SOON {
                self.due_at = Instant::now();
            }
        }
        let Some(name) = self
            .news
            .take_if(|news| progress.snapshot.as_ref() == Some(news))
        else {
            return;
        };
        self.kept.push_back(name);
        while self.kept.len() > self.settings.keep_snapshots {
            self.kept.pop_front();
        }
        if let Some(oldest) = self.kept.front().cloned()
            && self.tidying.is_none()
        {
            let (settings, store) = (Arc::clone(&self.settings), Arc::clone(&self.store));
            let task = self.task;
            let tidy = move || tidy(&settings, &store, task, &oldest);
            self.tidying = Some(std::thread::spawn(tidy));
        }
    }

    /// Stores bytes that do not fit a topic's record, under a name that follows from them.
    pub(crate) fn put_aside(&self, topic: &str, bytes: &[u8]) -> Result<SnapshotRef> {
        let (store, bytes) = (Arc::clone(&self.store), bytes.to_vec());
        let name = format!("{}/aside/{topic}", self.settings.pipeline);
        // The store waits, which must not happen on the thread of the runtime.
        join(std::thread::spawn(move || Ok(store.put(&name, bytes)?)))
    }
}

fn put(store: &SnapshotStore, folder: &str, snapshot: &Snapshot) -> Result<SnapshotName> {
    failpoint(Step::BeforeSnapshot)?;
    let since = Instant::now();
    let epoch = snapshot.of().epoch;
    let stored = store.put(&format!("{folder}/epoch-{epoch:012}"), snapshot.encode())?;
    tracing::debug!(
        epoch,
        bytes = stored.bytes,
        milliseconds = since.elapsed().as_secs_f64() * 1e3,
        "A snapshot is stored."
    );
    failpoint(Step::AfterSnapshot)?;
    Ok(SnapshotName {
        epoch,
        name: stored.name,
        bytes: stored.bytes,
        sha256: stored.sha256,
    })
}

/// Removes what recovery from `oldest` does not need.
fn tidy(
    settings: &Settings,
    store: &SnapshotStore,
    task: i32,
    oldest: &SnapshotName,
) -> Result<()> {
    store.remove_before(&Snapshots::folder(&settings.pipeline, task), &oldest.name)?;
    let (bootstrap, topic) = (&settings.bootstrap, &settings.progress_topic);
    let properties = Properties::new();
    let records = read_progress(bootstrap, topic, task, PROGRESS_READ_MAX, &properties)?;
    let needed = records.iter().find(|record| {
        let value = record.value.as_deref().unwrap_or_default();
        serde_json::from_slice::<Progress>(value).is_ok_and(|p| p.of.epoch > oldest.epoch)
    });
    if let Some(needed) = needed {
        trim_progress(bootstrap, topic, task, needed.offset, &properties)?;
    }
    Ok(())
}

pub(crate) fn join<T>(thread: JoinHandle<Result<T>>) -> Result<T> {
    let outcome = thread.join().map_err(|_| anyhow!("a thread panicked"));
    outcome.context("snapshots")?
}

fn warn_of<T>(what: &str, outcome: &Result<T>) {
    if let Err(error) = outcome {
        tracing::warn!(error = %format!("{error:#}"), "{what}");
    }
}
