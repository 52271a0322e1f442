//! What an epoch stores beside its outputs: the progress record, one JSON object in the topic
//! `tidegate.progress.PIPELINE`.

use std::fmt;

use crate::snapshot::SnapshotOf;
use crate::{RuleChange, Summary};

/// One step of a run, in the order taken. Equal steps over equal logs give equal runs.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum Step {
    /// A partition is read from now on.
    Assigned {
        /// The feed.
        feed: String,
        /// The partition of its topic.
        partition: i32,
        /// The first offset that will be read.
        offset: i64,
    },
    /// Messages of one partition were read together.
    Read {
        /// The feed.
        feed: String,
        /// The partition of its topic.
        partition: i32,
        /// The first offset.
        from: i64,
        /// The offset after the last one.
        to: i64,
    },
    /// A partition became idle.
    Idle {
        /// The feed.
        feed: String,
        /// The partition of its topic.
        partition: i32,
    },
    /// Nothing was read of a feed for so long that it counts as silent.
    Silent {
        /// The feed.
        feed: String,
    },
    /// The rules became other ones.
    Rules(RuleChange),
}

/// What one epoch did and where it led.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Progress {
    /// Whose it is; its epoch is this one.
    pub of: SnapshotOf,
    /// What it did.
    pub steps: Vec<Step>,
    /// Where each partition stood at its end.
    pub positions: Vec<PartitionPosition>,
    /// The merged watermark at its end, microseconds since the Unix epoch.
    pub watermark: i64,
    /// Where all records since the beginning went.
    pub totals: Totals,
    /// The newest snapshot that was stored when it ended.
    pub snapshot: Option<SnapshotName>,
}

/// The offset that comes next in one partition.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PartitionPosition {
    /// The feed.
    pub feed: String,
    /// The partition of its topic.
    pub partition: i32,
    /// The offset.
    pub next: i64,
}

/// Where the records went since the beginning; they add up (T4).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, serde::Serialize, serde::Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Totals {
    /// Records found.
    pub received: u64,
    /// In windows.
    pub counted: u64,
    /// Too late for any window.
    pub late: u64,
    /// Repeated.
    pub duplicate: u64,
    /// Not countable.
    pub rejected: u64,
}

impl Totals {
    /// Those of a run.
    pub(crate) fn of(summary: &Summary) -> Self {
        Self {
            received: summary.received,
            counted: summary.counted,
            late: summary.late,
            duplicate: summary.duplicate,
            rejected: summary.rejected,
        }
    }
}

impl fmt::Display for Totals {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{} received = {} counted + {} late + {} duplicate + {} rejected",
            self.received, self.counted, self.late, self.duplicate, self.rejected
        )
    }
}

/// A stored snapshot.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SnapshotName {
    /// The last epoch in it.
    pub epoch: u64,
    /// Its name in the store.
    pub name: String,
    /// Its size.
    pub bytes: u64,
    /// Its SHA-256, lower-case hexadecimal.
    pub sha256: String,
}
