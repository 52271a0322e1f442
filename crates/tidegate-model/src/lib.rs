//! The vocabulary of Tidegate: what every crate below the shell means by a time, a cell, a site,
//! a venue, an observation and a rejection.
//!
//! This crate promises names, units and invariants.
//! It does no I/O, asks no clock and knows no file format; it holds no configuration.
//!
//! The life of one record, in types of this crate:
//! [`Payload`] (bytes with a [`Position`]) becomes rows of an [`ObservationBatch`], or one
//! [`Rejected`]; locating gives a row its [`Cell`] and venue; windows, layers and rules follow in
//! other crates.

mod time;

mod cell;
mod cell_finder;
mod place;

mod observation;
mod observation_builder;
mod payload;
mod record;
mod rejected;

use std::fmt::Write as _;

pub use cell::{Cell, CellError, Resolution};
pub use cell_finder::CellFinder;
pub use observation::{
    CountRange, Measure, OBSERVATION_SCHEMA, Observation, ObservationBatch, Quality, Subject,
    columns,
};
pub use observation_builder::{ObservationBuilder, ObservationColumns};
pub use payload::{FeedId, Payload, Position};
pub use place::{CapacityBasis, CellShare, GridUnit, Incidence, Site, SiteKind, Venue, VenueKind};
pub use record::ObservationRecord;
pub use rejected::{Reason, Rejected};
pub use time::{EventTime, ParseTimeError, Span, parse_rfc3339};

/// The region code of a count whose origin the feed does not know.
pub const ORIGIN_UNKNOWN: &str = "unknown";

/// `bytes` in lower-case hexadecimal digits, two each, as hashes are written.
///
/// ```
/// assert_eq!(tidegate_model::hex(&[0, 0xa7]), "00a7");
/// ```
pub fn hex(bytes: &[u8]) -> String {
    let mut text = String::with_capacity(bytes.len() * 2);
    for byte in bytes {
        write!(text, "{byte:02x}").expect("writing to a string cannot fail");
    }
    text
}

/// The 16-byte identity of an event: XXH3-128 of the producer's id within its feed.
///
/// XXH3 with the default seed; the bytes are big-endian and stable across releases.
///
/// ```
/// let a = tidegate_model::event_id("rail", b"gate-7/2026-03-01T08:00");
/// assert_ne!(a, tidegate_model::event_id("metro", b"gate-7/2026-03-01T08:00"));
/// ```
pub fn event_id(feed: &str, producer_id: &[u8]) -> u128 {
    EventIdHasher::new(feed).hash(producer_id)
}

/// [`event_id`] for many events of one feed.
///
/// ```
/// let hasher = tidegate_model::EventIdHasher::new("rail");
/// assert_eq!(hasher.hash(b"a"), tidegate_model::event_id("rail", b"a"));
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct EventIdHasher {
    seed: u64,
}

impl EventIdHasher {
    /// The hasher of the feed called `feed`.
    pub fn new(feed: &str) -> Self {
        let seed = xxhash_rust::xxh3::xxh3_64(feed.as_bytes());
        Self { seed }
    }

    /// The event id of the producer's id `producer_id`.
    pub fn hash(self, producer_id: &[u8]) -> u128 {
        xxhash_rust::xxh3::xxh3_128_with_seed(producer_id, self.seed)
    }
}
