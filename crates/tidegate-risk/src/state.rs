//! The stored form of this crate's state: what a snapshot holds of an
//! [`Occupancy`](crate::occupancy::Occupancy).
//!
//! A stored format: snapshots of running pipelines hold these bytes (postcard), so the order and
//! the types of the fields are a promise, and a change of them is a new version of the snapshot,
//! which carries the number.

use serde::{Deserialize, Serialize};

/// Everything that an occupancy remembers, in persons since the last known-empty reset.
///
/// The capture probability is not in it, it comes from the pipeline. The persons inside are not
/// either: they are `arrivals - departures + clamped`, and 0 or more.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct OccupancyState {
    /// Persons counted in, 0 or more.
    pub arrivals: i64,
    /// Persons counted out, 0 or more.
    pub departures: i64,
    /// Persons whom clamps at zero added, 0 or more.
    pub clamped: i64,
}
