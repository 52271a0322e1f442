//! Bytes to observations or rejections; one module per format; no I/O.
//!
//! A [`Decoder`] is made from a feed's file ([`FeedConfig`], `feeds/NAME.toml` in a pipeline
//! folder) and turns each [`tidegate_model::Payload`] into rows of an
//! [`tidegate_model::ObservationBuilder`] and [`tidegate_model::Rejected`] values.
//!
//! Promises:
//! - Decoding never panics and never fails: bad data is a value.
//! - One record gives its observations or exactly one rejection, or is passed over and counted as
//!   such ([`Passed`]) when it is well-formed and has nothing to count; a bad record changes nothing
//!   in its neighbours.
//! - What could identify a person is rejected without its bytes, whatever else is wrong with it.
//! - The result depends on the payloads and their order only: no clock, no time zone files of the
//!   machine, no order of a hash map.
//! - Decoding takes, with the rows and rejections that it gives out, at most 192 times the bytes of
//!   the payload (and 128 KiB): `tests/memory.rs`. What is read well takes a few times.
//! - [`Decoder::state`] is complete: a decoder restored from it goes on as if nothing had happened.
//!
//! Not done here: locating sites, windows, duplicates; other crates do.

mod config;
mod decoder;
mod settings;

mod check;
mod occupancy;
mod passed;
mod personal;
mod time;

mod csv;
mod gtfs;
mod ipc;
mod json;
mod own;
mod protobuf;
mod wire;
mod xml;

mod counter;
mod mapped;

mod registry;
mod siri;
mod stop;

pub mod state;

pub use config::{
    Ambiguous, Anchor, Column, ConfigProblem, CountColumn, CumulativeConfig, DirectionConfig,
    EmptyCount, FactorConfig, FeedConfig, Format, Gap, MappingConfig, OriginConfig, RangeConfig,
    SiriConfig, TimeConfig, UnknownSite, WideColumn, WideConfig, Wire,
};
pub use counter::{CounterFaults, RestoreError};
pub use decoder::{Decoder, TimeLimit, reject_unknown_feed};
pub use gtfs::{
    GtfsConfig, GtfsStops, References, Schedule, ScheduleError, ScheduleFiles, TripMatch,
    gtfs_stops,
};
pub use occupancy::OccupancyConfig;
pub use passed::{Passed, PassedOver};
pub use personal::DEFAULT_PERSONAL_FIELDS;
pub use registry::{AcceptedSchemas, SchemaKind, check_schema};
pub use settings::FeedSettings;
pub use siri::{NetexError, netex_stops};
pub use stop::Stop;

#[cfg(test)]
mod tests;
