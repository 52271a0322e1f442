//! The stored form of a [`crate::Decoder`]: what a snapshot holds of a feed's cumulative counters and
//! of its vehicles on their way.
//!
//! A stored format: snapshots of running pipelines hold these bytes (postcard), so the order and
//! the types of the fields are a promise, and a change of them is a new version of the snapshot,
//! which carries the number. The feed's file is not in it, it comes from the pipeline. Times are
//! microseconds since the Unix epoch.
//!
//! A counter takes about 25 bytes: 16 of its key, and small numbers. 100,000 of them are 2.5 MB.

use serde::{Deserialize, Serialize};

use crate::{PassedOver, References};

/// Everything that a decoder remembers from payload to payload.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct DecoderState {
    /// The feed's cumulative counters; `None` for a feed without, which remembers nothing.
    pub counters: Option<CountersState>,
    /// How many records had nothing to count.
    pub passed_over: PassedOver,
    /// How often the feed named what its static feed knows.
    pub references: References,
    /// The loads of vehicles on their way, in the order of their keys.
    pub loads: Vec<LoadState>,
}

/// A vehicle on its way to a stop.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct LoadState {
    /// The vehicle's key, big-endian.
    pub vehicle: [u8; 16],
    /// The key of its trip, big-endian.
    pub trip: [u8; 16],
    /// The stop.
    pub stop: String,
    /// The stop's number on the trip.
    pub sequence: u32,
    /// Persons aboard.
    pub count: i64,
    /// The least that they can be.
    pub low: i64,
    /// The most that they can be.
    pub high: i64,
    /// When.
    pub time: i64,
}

/// The cumulative counters of one feed.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct CountersState {
    /// How many readings of each kind there were.
    pub faults: CounterFaultsState,
    /// The counters in the order of their latest reading: the first is forgotten first.
    pub counters: Vec<CounterState>,
}

/// One counter.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct CounterState {
    /// Its key, big-endian: bytes, since as a number of variable length it would be longer.
    pub key: [u8; 16],
    /// Its latest reading, 0 or more.
    pub value: u64,
    /// The time of that reading, after that of the counter before it in the list (after 0 for the
    /// first): a small number, since counters read one after the other are read at near times.
    /// Wraps at 64 bits.
    pub time_after: i64,
    /// The reading before it stepped down, until it steps up again.
    pub dropped_from: Option<u64>,
}

/// How many readings of each kind a feed's counters gave, as in [`crate::CounterFaults`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct CounterFaultsState {
    /// First readings.
    pub baseline: u64,
    /// Wraps.
    pub wrap: u64,
    /// Starts from near zero.
    pub reset: u64,
    /// Other steps down.
    pub down: u64,
    /// Steps above `step_max`.
    pub implausible: u64,
    /// Readings after a silence.
    pub gap: u64,
    /// Readings at or before the time of the last one.
    pub repeated: u64,
    /// Counters forgotten.
    pub forgotten: u64,
}
