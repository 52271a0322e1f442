//! The stored form of this crate's state: what a snapshot holds of the types of
//! [`occupancy`](crate::occupancy), [`forecast`](crate::forecast) and
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

/// Everything that a [`Dispersion`](crate::aberration::dispersion::Dispersion) remembers.
#[derive(Debug, Clone, Copy, PartialEq, Default, Serialize, Deserialize)]
pub struct DispersionState {
    /// Residuals behind the mean, at most as many as are remembered.
    pub residuals: u32,
    /// The mean of their squares, 0 or more.
    pub mean: f64,
}

/// Everything that a [`KOfN`](crate::aberration::multiplicity::KOfN) remembers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct KOfNState {
    /// The last windows, the newest in the lowest bit, 1 when raised.
    pub raised: u64,
}

/// Everything that a forecaster remembers; its model's name, calendar and horizons come from the
/// pipeline. At most [`STATE_BYTES_MAX`](crate::forecast::STATE_BYTES_MAX) as postcard.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ForecastState {
    /// What the model knows.
    pub model: ModelState,
    /// What it knew of the present after each of the last steps, oldest first.
    pub origins: Vec<Option<[f64; 2]>>,
    /// Its past errors, for each horizon.
    pub spreads: Vec<SpreadState>,
}

/// What a model of a forecaster knows. Seasons are bytes, little-endian: a 4-byte float a slot
/// (a NaN is no value), profiles four 2-byte codes a slot.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub enum ModelState {
    /// Of [`Model::LastValue`](crate::forecast::Model::LastValue).
    LastValue {
        /// The last value observed.
        last: Option<f64>,
        /// Steps since.
        age: u32,
        /// Steps after which it says nothing.
        age_max: u16,
    },
    /// Of [`Model::SeasonalNaive`](crate::forecast::Model::SeasonalNaive).
    SeasonalNaive {
        /// The last value of each slot of the week.
        week: Vec<u8>,
        /// Steps observed.
        observed: u32,
    },
    /// Of [`Model::Profile`](crate::forecast::Model::Profile).
    Profile {
        /// The last four values of each slot of each day type.
        profile: Vec<u8>,
        /// The present deviation from it.
        residual: ResidualState,
        /// Steps observed.
        observed: u32,
    },
    /// Of [`Model::DoubleSeasonal`](crate::forecast::Model::DoubleSeasonal), in square roots.
    DoubleSeasonal {
        /// The daily season.
        day: Vec<u8>,
        /// The weekly season.
        week: Vec<u8>,
        /// The level.
        level: f64,
        /// What is left of the last one-step error.
        error: f64,
        /// Steps observed.
        observed: u32,
    },
    /// Of [`Model::LocalLevel`](crate::forecast::Model::LocalLevel).
    LocalLevel {
        /// As in a profile.
        profile: Vec<u8>,
        /// The logarithm of the ratio to the profile.
        mean: f64,
        /// Its variance.
        variance: f64,
        /// Steps observed.
        observed: u32,
    },
}

/// The deviation from a profile, and what is known of its decay.
#[derive(Debug, Clone, Copy, PartialEq, Default, Serialize, Deserialize)]
pub struct ResidualState {
    /// What is left of the last deviation observed.
    pub residual: f64,
    /// Whether the last step was observed.
    pub fresh: bool,
    /// Weighted sum of the squares of deviations.
    pub squares: f64,
    /// Weighted sum of the products of neighbouring deviations.
    pub products: f64,
    /// Sum of the weights.
    pub weight: f64,
}

/// The size of past errors of one horizon, as differences of square roots.
#[derive(Debug, Clone, Copy, PartialEq, Default, Serialize, Deserialize)]
pub struct SpreadState {
    /// How many errors there were.
    pub errors: u32,
    /// Their mean size.
    pub scale: f64,
    /// The size that 80 % did not exceed.
    pub q80: f64,
    /// The size that 95 % did not exceed.
    pub q95: f64,
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
