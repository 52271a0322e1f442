//! What the tasks of this process made of `rules.toml`, and requests to look at it now: shared by
//! the tasks and the control port.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering};

use jiff::Timestamp;
use tokio::sync::watch;

/// What one task made of the file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct TaskRules {
    /// The newest request that it has answered.
    pub(crate) answered: u64,
    /// Number of the audit entry of the rules in force.
    pub(crate) version: u64,
    /// When the file was last found to say what is in force.
    pub(crate) good_at: Timestamp,
    /// Why the file is not in force, each with its place; empty when it is.
    pub(crate) problems: Vec<String>,
    /// How often other rules were taken up.
    pub(crate) changes: u64,
    /// How often they were refused.
    pub(crate) refusals: u64,
}

/// See the module documentation.
#[derive(Debug)]
pub(crate) struct Reloads {
    asked: AtomicU64,
    tasks: watch::Sender<BTreeMap<i32, TaskRules>>,
}

impl Reloads {
    /// No task, no request.
    pub(crate) fn new() -> Self {
        Self {
            asked: AtomicU64::new(0),
            tasks: watch::Sender::new(BTreeMap::new()),
        }
    }

    /// Asks all tasks to look at the file now; gives the number of the request.
    pub(crate) fn ask(&self) -> u64 {
        self.asked.fetch_add(1, Ordering::AcqRel) + 1
    }

    /// The number of the newest request.
    pub(crate) fn asked(&self) -> u64 {
        self.asked.load(Ordering::Acquire)
    }

    /// What a task has to say; a new one begins with the rules of `version`.
    pub(crate) fn tell(&self, task: i32, version: u64, change: impl FnOnce(&mut TaskRules)) {
        self.tasks.send_modify(|tasks| {
            let rules = tasks.entry(task).or_insert_with(|| TaskRules {
                answered: 0,
                version,
                good_at: Timestamp::now(),
                problems: Vec::new(),
                changes: 0,
                refusals: 0,
            });
            rules.version = version;
            change(rules);
        });
    }

    /// The task is elsewhere now.
    pub(crate) fn forget(&self, task: i32) {
        self.tasks.send_modify(|tasks| {
            tasks.remove(&task);
        });
    }

    /// What the tasks say, now and when it changes.
    pub(crate) fn tasks(&self) -> watch::Receiver<BTreeMap<i32, TaskRules>> {
        self.tasks.subscribe()
    }
}
