//! The stored form of an [`crate::AlertMachine`]: what a snapshot holds of its alerts.
//!
//! A stored format: snapshots of running pipelines hold these bytes (postcard), so the order and
//! the types of the fields are a promise, and a change of them is a new version of the snapshot,
//! which carries the number. Rules are not in it, they come from the pipeline; only what the
//! machine has seen is. Times and lengths are microseconds, times since the Unix epoch.

use serde::{Deserialize, Serialize};

/// Everything that an alert machine remembers beside its rules and settings.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct MachineState {
    /// How often a new alert did not begin because too many were open.
    pub refused: u64,
    /// The layers shown so far, ascending by name.
    pub layers: Vec<LayerState>,
    /// The rules with open alerts, in the order of the machine's rules. A rule without any is not
    /// in it, so that such a rule may change between two runs.
    pub rules: Vec<RuleState>,
}

/// The last window that was shown of one layer.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct LayerState {
    /// The layer.
    pub layer: String,
    /// End of its last window.
    pub last_end: i64,
}

/// The open alerts of one rule, pending ones included.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RuleState {
    /// The rule's name.
    pub rule: String,
    /// The hash of the rule's content under which they were opened.
    pub rule_hash: String,
    /// The alerts, ascending by subject kind and subject.
    pub episodes: Vec<EpisodeState>,
}

/// One open alert.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct EpisodeState {
    /// The kind of subject.
    pub subject_kind: String,
    /// The subject's id.
    pub subject: String,
    /// The alert's id. Stored, although it is a hash of the rest, so that an alert keeps its id
    /// whatever a later version makes of ids.
    pub id: String,
    /// End of the first window at or above `fire_above`.
    pub since: i64,
    /// Where it stands.
    pub phase: PhaseState,
    /// There is no data now.
    pub dark: bool,
    /// Something was told of it.
    pub told: bool,
    /// The last row with a value.
    pub seen: SeenState,
}

/// Where an alert stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum PhaseState {
    /// `for` is not over.
    Pending,
    /// Raised.
    Firing,
    /// Raised, and at or below `clear_below` since the end of this window.
    Recovering(i64),
}

/// What is told of a subject whose row is missing.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SeenState {
    /// End of the last window with a value.
    pub end: i64,
    /// Length of that window.
    pub size: i64,
    /// The subject's name in Chinese.
    pub name_zh: String,
    /// The subject's name in English.
    pub name_en: String,
    /// The value's unit.
    pub unit: String,
    /// The method's id.
    pub method: String,
}
