//! The stored form of [`super::Quarantine`].
//!
//! A stored format: snapshots of running pipelines hold these bytes (postcard), so the order and
//! the types of the fields are a promise, and a change of them is a new version of the snapshot.

use serde::{Deserialize, Serialize};
use tidegate_risk::state::ForecastState;

/// Everything that a quarantine remembers.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct QuarantineState {
    /// The local day of the last window, `YYYY-MM-DD`.
    pub(crate) today: Option<String>,
    /// The origins that are held, ascending.
    pub(crate) origins: Vec<OriginDaysState>,
}

/// One origin.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct OriginDaysState {
    /// Its name.
    pub(crate) origin: String,
    /// What its days taught.
    pub(crate) forecast: ForecastState,
    /// Arrivals of the days that are over, the newest last.
    pub(crate) past: Vec<Option<u64>>,
    /// Arrivals so far today.
    pub(crate) today: u64,
    /// Whether all of today's values could be believed.
    pub(crate) is_whole: bool,
}
