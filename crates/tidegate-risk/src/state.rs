//! The stored form of this crate's state: what a snapshot holds of the types of
//! [`occupancy`](crate::occupancy).
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

/// Everything that an occupancy with a gain remembers.
///
/// The capture probability and the side of the gain are not in it, they come from the pipeline.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct CorrectedOccupancyState {
    /// The counts, the scaled side scaled.
    pub counts: OccupancyState,
    /// The gain in millionths.
    pub gain_ppm: u32,
    /// Millionths of a person of the scaled side, below 1 000 000.
    pub carry_ppm: u32,
    /// Steps in which a clamp added persons.
    pub clamps: u32,
}

/// The service days from which a venue's gains come, by type of day, oldest first.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct GainState {
    /// The days.
    pub days: Vec<GainDayState>,
}

/// The counts of one whole service day.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct GainDayState {
    /// The place of its type in [`DayType::ALL`](crate::occupancy::DayType::ALL).
    pub day_type: u8,
    /// Persons counted in, above 0.
    pub arrivals: i64,
    /// Persons counted out, above 0.
    pub departures: i64,
}

/// Arrivals of a venue whose exits are not counted, oldest window first.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct EntriesState {
    /// Persons counted in, 0 or more; nothing where no counter was heard.
    pub arrivals: Vec<Option<i64>>,
}

/// What a blend holds of the persons inside.
#[derive(Debug, Clone, Copy, PartialEq, Default, Serialize, Deserialize)]
pub struct BlendState {
    /// Expected persons, 0 or more.
    pub persons: f64,
    /// Their variance, persons², 0 or more.
    pub variance: f64,
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check<'a, S>(state: &S, expected: &'a [u8])
    where
        S: Serialize + Deserialize<'a> + PartialEq + std::fmt::Debug,
    {
        assert_eq!(postcard::to_stdvec(state).unwrap(), expected, "{state:?}");
        assert_eq!(&postcard::from_bytes::<S>(expected).unwrap(), state);
    }

    /// The bytes are a stored format: a change of them is a new version of the snapshot.
    #[test]
    fn the_stored_forms_stay() {
        let counts = OccupancyState {
            arrivals: 3,
            departures: 300,
            clamped: 297,
        };
        let corrected = CorrectedOccupancyState {
            counts,
            gain_ppm: 1_000_000,
            carry_ppm: 7,
            clamps: 1,
        };
        check(&corrected, &[6, 0xd8, 4, 0xd2, 4, 0xc0, 0x84, 0x3d, 7, 1]);
        let day = GainDayState {
            day_type: 2,
            arrivals: 100,
            departures: 1,
        };
        check(&GainState { days: vec![day] }, &[1, 2, 0xc8, 1, 2]);
        let arrivals = vec![Some(5), None];
        check(&EntriesState { arrivals }, &[2, 1, 10, 0]);
        let blend = BlendState {
            persons: 1.0,
            variance: 0.0,
        };
        let bytes = [0, 0, 0, 0, 0, 0, 0xf0, 0x3f, 0, 0, 0, 0, 0, 0, 0, 0];
        check(&blend, &bytes);
    }
}
