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
    /// How often a subject was not remembered because too many were.
    pub forgotten: u64,
    /// The layers shown so far, ascending by name.
    pub layers: Vec<LayerState>,
    /// The rules that remember anything, in the order of the machine's rules. One without open
    /// alerts may change between two runs: what it remembered is then forgotten.
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

/// The open alerts of one rule, pending ones included, and what it remembers of other subjects.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RuleState {
    /// The rule's name.
    pub rule: String,
    /// The hash of the rule's content under which they were opened.
    pub rule_hash: String,
    /// The alerts, ascending by subject kind and subject.
    pub episodes: Vec<EpisodeState>,
    /// The subjects whose alert changed lately, ascending.
    pub flaps: Vec<FlapState>,
    /// The subjects that had data before, ascending; of rules with `on_no_data = "alert"`.
    pub known: Vec<KnownState>,
    /// End of the last window in which the rule was not active; the least number before one.
    pub quiet_end: i64,
}

/// The recent changes of one subject's alert.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct FlapState {
    /// The kind of subject.
    pub subject_kind: String,
    /// The subject's id.
    pub subject: String,
    /// Ends of the windows in which it changed, ascending; empty while it flaps.
    pub changes: Vec<i64>,
    /// It flaps.
    pub run: Option<RunState>,
}

/// A time in which an alert flaps.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RunState {
    /// The alert's id.
    pub id: String,
    /// The alert's start.
    pub since: i64,
    /// The highest step that was told, from 0.
    pub level: u8,
    /// End of the window of the last change.
    pub last: i64,
    /// How many changes were held back.
    pub held: u64,
    /// The last row with a value.
    pub seen: SeenState,
}

/// A subject that had data before.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct KnownState {
    /// The kind of subject.
    pub subject_kind: String,
    /// The subject's id.
    pub subject: String,
    /// Its last row with a value.
    pub seen: SeenState,
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
    /// The step on which it stands, from 0.
    pub level: u8,
    /// For each step of the rule, since which window's end it has been reached.
    pub reached: Vec<Option<i64>>,
    /// Why there is no believed value now, if there is none.
    pub dark: Option<DarkState>,
    /// Its layer failed, and there was no value since.
    pub failed: bool,
    /// It was raised since data was missing, and no value called for it since.
    pub missing: bool,
    /// End of the last window that was not without any data.
    pub heard: i64,
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

/// Why there is no value that is believed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum DarkState {
    /// There is none.
    NoData,
    /// It rests on too little.
    Stale,
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
    /// The subject's tags, in the order of its row.
    pub tags: Vec<(String, String)>,
}
