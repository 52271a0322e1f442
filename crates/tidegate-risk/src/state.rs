//! The stored form of this crate's state: what a snapshot holds of an
//! [`Occupancy`](crate::occupancy::Occupancy) and of the streams of
//! [`aberration`](crate::aberration).
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

/// The values that each slot of a [`SlotBaselines`](crate::aberration::baseline::SlotBaselines)
/// remembers.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub struct SlotBaselinesState {
    /// Slots with a history, ascending.
    pub slots: Vec<SlotState>,
}

/// The values of one slot.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct SlotState {
    /// The slot's number.
    pub slot: u16,
    /// The last values that train, oldest first, 1 or more.
    pub values: Vec<f64>,
}

/// Everything that an [`Ears`](crate::aberration::ears::Ears) remembers.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub struct EarsState {
    /// The last values that train, oldest first.
    pub trained: Vec<f64>,
    /// Which of the last two windows trained, older first.
    pub recent: [bool; 2],
    /// `max(0, C2 - 1)` of the last two windows, older first.
    pub excess: [Option<f64>; 2],
}

/// Everything that a [`Cusum`](crate::aberration::chart::Cusum) remembers.
#[derive(Debug, Clone, Copy, PartialEq, Default, Serialize, Deserialize)]
pub struct CusumState {
    /// The sum, 0 or more.
    pub sum: f64,
}

/// Everything that an [`Ewma`](crate::aberration::chart::Ewma) remembers.
#[derive(Debug, Clone, Copy, PartialEq, Default, Serialize, Deserialize)]
pub struct EwmaState {
    /// The weighted average.
    pub average: f64,
    /// Windows taken; it stays at its largest.
    pub windows: u32,
}

/// Everything that a [`KOfN`](crate::aberration::multiplicity::KOfN) remembers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct KOfNState {
    /// The last windows, the newest in the lowest bit, 1 when raised.
    pub raised: u64,
}
