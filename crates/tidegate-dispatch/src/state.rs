//! The stored form of a [`crate::Dispatcher`]: parts that each have a key ([`StoredParts`]), and all
//! of them together ([`DispatcherState`]).
//!
//! A stored format (postcard): the order and the types of the fields are a promise, and a change of
//! them is a new [`VERSION`]. The plan is not in it; what was told, to whom and when is. Hashes and
//! packed records are bytes; times are RFC 3339.

mod parts;

use std::collections::BTreeMap;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::dispatcher::Acknowledged;
use crate::precision::{Verdict, Verdicts};
use crate::silence::Silence;
use crate::totals::Totals;

pub(crate) use parts::Part;
pub use parts::{StatePart, StoredParts};

/// The number of this form.
pub const VERSION: u32 = 2;

/// The number of the form that was stored as a whole.
const WHOLE_VERSION: u32 = 1;

/// Everything that a dispatcher remembers beside its plan. It is not written any more as a whole;
/// what was, is read.
#[derive(Debug, Clone, PartialEq, Deserialize)]
pub struct DispatcherState {
    /// [`VERSION`].
    pub version: u32,
    /// The latest time.
    pub now: Timestamp,
    /// The alerts, ascending by id.
    pub alerts: Vec<AlertHeld>,
    /// The alerts that are over, in the order in which they ended.
    pub resolved: Vec<ResolvedHeld>,
    /// The groups, ascending by key.
    pub groups: Vec<GroupHeld>,
    /// The channels, in the order in which they were first told.
    pub channels: Vec<ChannelHeld>,
    /// The silences, each with whether its end was seen.
    pub silences: Vec<(Silence, bool)>,
    /// What people said, by rule.
    pub verdicts: BTreeMap<String, Verdicts>,
    /// What became of all that came in.
    pub totals: Totals,
    /// How many alerts ended before the first of `resolved`, and are forgotten.
    #[serde(skip)]
    pub ended_before: u64,
}

/// One alert.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct AlertHeld {
    /// Its last record: every field of `AlertRecord` in its order, as postcard.
    pub record: Vec<u8>,
    /// Its last record was told to be worse than the one before.
    pub is_worse: bool,
    /// Its place on each channel.
    pub seats: Vec<SeatHeld>,
    /// Who took it.
    pub acknowledged: Option<Acknowledged>,
    /// When the next one up is told.
    pub goes_up: Option<Timestamp>,
    /// How often one up was told.
    pub level: u8,
    /// How far up its chain of grid units people were told.
    pub reached: Option<u8>,
    /// The alert that keeps it quiet, if it waits for its end.
    pub quiet_by: Option<String>,
}

/// An alert's place on one channel.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct SeatHeld {
    /// The group's key.
    pub group: [u8; 16],
    /// The notices that told it: id and time.
    pub told: Vec<([u8; 16], Timestamp)>,
    /// It waits for the next digest.
    pub is_held: bool,
    /// It has something that was not told.
    pub is_pending: bool,
    /// It is to be told again.
    pub is_reminded: bool,
}

/// An alert that is over.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ResolvedHeld {
    /// Its id.
    pub id: String,
    /// Its rule.
    pub rule: String,
    /// End of its last window, microseconds since the epoch.
    pub window_end: i64,
    /// What people said of it.
    pub verdict: Option<Verdict>,
}

/// A group.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct GroupHeld {
    /// Its key.
    pub key: [u8; 16],
    /// Its route's name.
    pub route: String,
    /// Its channel.
    pub channel: String,
    /// Its alerts have nothing in common.
    pub is_overflow: bool,
    /// When it has something to tell.
    pub due: Option<Timestamp>,
    /// When it told last.
    pub last: Option<Timestamp>,
    /// When it is told again.
    pub repeat_at: Option<Timestamp>,
    /// How often it was told again.
    pub repeats: u32,
}

/// A channel.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ChannelHeld {
    /// Its name.
    pub channel: String,
    /// When the present minute of counting began.
    pub minute: Option<Timestamp>,
    /// Notices since.
    pub sent: u32,
    /// By rule: alerts that are only counted in the next digest.
    pub gone: BTreeMap<String, u64>,
    /// One of them that nothing muted, if there is any: a record as in [`AlertHeld::record`].
    pub example: Option<Vec<u8>>,
    /// Digests made so far.
    pub digests: u32,
}
