//! The stored form of [`super::Occupancies`]: what a snapshot holds of the persons inside venues.
//!
//! A stored format: snapshots of running pipelines hold these bytes (postcard), so the order and
//! the types of the fields are a promise, and a change of them is a new version of the snapshot,
//! which carries the number. Venues and settings are not in it, they come from the pipeline.
//! Times are microseconds since the Unix epoch.

use serde::{Deserialize, Serialize};
use tidegate_risk::state::OccupancyState;

/// Everything that the occupancies remember.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub(crate) struct OccupanciesState {
    /// Start of the last window stepped.
    pub(crate) last_start: Option<i64>,
    /// The venues with gates, ascending by id.
    pub(crate) venues: Vec<VenueOccupancyState>,
    /// The windows that may still be revised, ascending by end.
    pub(crate) closed: Vec<ClosedState>,
}

/// One venue. Its present occupancy is not stored: it follows from `settled` and the windows.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct VenueOccupancyState {
    /// The venue's id.
    pub(crate) venue: String,
    /// Its occupancy before the first of the windows that may still be revised.
    pub(crate) settled: OccupancyState,
    /// Persons who entered in the last window.
    pub(crate) arrivals: i64,
    /// Persons who left in the last window.
    pub(crate) departures: i64,
    /// Persons whom the clamp added in the last window.
    pub(crate) clamped: i64,
    /// Corrections so far.
    pub(crate) corrections: i64,
    /// End of the last window in which a gate was heard.
    pub(crate) heard: Option<i64>,
}

/// A window that may still be revised.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct ClosedState {
    /// Its end.
    pub(crate) end: i64,
    /// Whether venues were reset before it.
    pub(crate) empty: bool,
    /// The venues heard in it, ascending.
    pub(crate) flows: Vec<FlowState>,
}

/// What was counted at one venue's gates in a window.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct FlowState {
    /// The venue's place in the list of venues, from 0.
    pub(crate) venue: u32,
    /// Persons who entered.
    pub(crate) arrivals: i64,
    /// Persons who left.
    pub(crate) departures: i64,
}
