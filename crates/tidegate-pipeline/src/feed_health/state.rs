//! The stored form of [`super::FeedHealth`]: what a snapshot holds of a feed's last records.
//!
//! A stored format: snapshots of running pipelines hold these bytes (postcard), so the order and
//! the types of the fields are a promise, and a change of them is a new version of the snapshot,
//! which carries the number. The feed and its rule are not in it, they come from the pipeline.

use serde::{Deserialize, Serialize};

/// Everything that is remembered of one feed's health.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct FeedHealthState {
    /// Records seen so far.
    pub seen: u64,
    /// Whether the feed is in quarantine.
    pub is_quarantined: bool,
    /// The codes of the reasons for which remembered records were rejected.
    pub reasons: Vec<String>,
    /// The remembered records, oldest first.
    pub runs: Vec<RunState>,
}

/// Records, one after the other, that became of the same.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct RunState {
    /// 0 for good records, else the place of their reason in the list of reasons, from 1.
    pub outcome: u8,
    /// How many.
    pub records: u32,
}
