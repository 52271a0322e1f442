//! What a GTFS-Realtime message says, in one form for its binary and its JSON rendering.
//!
//! Source: `gtfs-realtime.proto` of version 2.0 with the later optional fields. Only what is counted
//! is here: no text for passengers, no labels, and no number plate, which is never read.

use std::borrow::Cow;

/// The message's own time, seconds since the Unix epoch; absent in some feeds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct Header {
    pub(crate) timestamp: Option<u64>,
}

/// One entity: usually exactly one of its parts is there.
#[derive(Debug, Clone, PartialEq, Default)]
pub(crate) struct Entity<'a> {
    pub(crate) id: Cow<'a, str>,
    pub(crate) is_deleted: bool,
    pub(crate) trip_update: Option<TripUpdate<'a>>,
    pub(crate) vehicle: Option<Vehicle<'a>>,
    /// An alert, a shape or a changed stop: a message about the service, without a count.
    pub(crate) is_notice: bool,
}

/// `TripDescriptor`.
#[derive(Debug, Clone, PartialEq, Default)]
pub(crate) struct Trip<'a> {
    pub(crate) id: Option<Cow<'a, str>>,
    pub(crate) route: Option<Cow<'a, str>>,
    pub(crate) start_date: Option<Cow<'a, str>>,
    pub(crate) start_time: Option<Cow<'a, str>>,
    /// `CANCELED` or `DELETED`: it does not run.
    pub(crate) is_cancelled: bool,
}

/// `VehiclePosition`.
#[derive(Debug, Clone, PartialEq, Default)]
pub(crate) struct Vehicle<'a> {
    pub(crate) trip: Trip<'a>,
    pub(crate) id: Option<Cow<'a, str>>,
    /// Degrees north and east.
    pub(crate) position: Option<(f64, f64)>,
    pub(crate) stop: Option<Cow<'a, str>>,
    pub(crate) stop_sequence: Option<u32>,
    pub(crate) status: Status,
    /// Seconds since the Unix epoch.
    pub(crate) timestamp: Option<u64>,
    pub(crate) occupancy: Aboard<'a>,
    pub(crate) carriages: Vec<Aboard<'a>>,
}

/// Where a vehicle is with respect to its stop; on its way when it does not say.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) enum Status {
    Incoming,
    Stopped,
    #[default]
    InTransit,
}

/// How full a vehicle or a carriage says it is.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(crate) struct Aboard<'a> {
    /// The word of `OccupancyStatus`, known or not.
    pub(crate) word: Option<Cow<'a, str>>,
    pub(crate) percent: Option<u32>,
}

/// `TripUpdate`.
#[derive(Debug, Clone, PartialEq, Default)]
pub(crate) struct TripUpdate<'a> {
    pub(crate) trip: Trip<'a>,
    pub(crate) vehicle: Option<Cow<'a, str>>,
    pub(crate) timestamp: Option<u64>,
    pub(crate) stops: Vec<StopTime<'a>>,
}

/// `StopTimeUpdate`.
#[derive(Debug, Clone, PartialEq, Default)]
pub(crate) struct StopTime<'a> {
    pub(crate) stop: Option<Cow<'a, str>>,
    pub(crate) sequence: Option<u32>,
    /// Seconds since the Unix epoch.
    pub(crate) arrival: Option<i64>,
    /// Seconds since the Unix epoch.
    pub(crate) departure: Option<i64>,
    /// `SKIPPED` or `NO_DATA`.
    pub(crate) is_without_time: bool,
}

/// The words of `OccupancyStatus`, by number.
pub(crate) const OCCUPANCY_WORDS: [&str; 9] = [
    "EMPTY",
    "MANY_SEATS_AVAILABLE",
    "FEW_SEATS_AVAILABLE",
    "STANDING_ROOM_ONLY",
    "CRUSHED_STANDING_ROOM_ONLY",
    "FULL",
    "NOT_ACCEPTING_PASSENGERS",
    "NO_DATA_AVAILABLE",
    "NOT_BOARDABLE",
];
