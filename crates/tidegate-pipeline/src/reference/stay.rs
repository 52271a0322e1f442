//! How long people stay in a venue, and until when they may.

use jiff::civil;

use super::Row;
use crate::DwellConfig;
use crate::occupancy::time_of_day;

/// What the file of venues says of the stays in one.
#[derive(Debug, Clone, PartialEq)]
pub struct Stay {
    /// How long people stay: with it the venue's gates count entries only.
    pub dwell: Option<DwellConfig>,
    /// Local time of day after which nobody stays.
    pub closes_at: Option<civil::Time>,
}

/// The properties `dwell` and `closes_at` of a venue, if it has one of them.
pub(super) fn read(row: &mut Row<'_>) -> Option<Stay> {
    let dwell = row.value("dwell").cloned().and_then(|value| {
        let dwell = serde_json::from_value::<DwellConfig>(value);
        dwell
            .map_err(|error| row.problem("properties.dwell", error.to_string()))
            .ok()
    });
    let closes_at = row.optional("closes_at").and_then(|text| {
        let time = time_of_day(&text);
        if time.is_none() {
            let message = format!("{text:?} is not a time HH:MM");
            row.problem("properties.closes_at", message);
        }
        time
    });
    let is_there = dwell.is_some() || closes_at.is_some();
    is_there.then_some(Stay { dwell, closes_at })
}
