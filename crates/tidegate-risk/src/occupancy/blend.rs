//! Several sources of one number: a scalar Kalman filter over the persons inside a venue.
//!
//! Counts move the state and widen its variance by `Q = q (A + D)`; whatever else says how many are
//! inside (a dwell model, a camera, loads of vehicles, the night) pulls it by its own variance `R`.
//! Kalman 1960, Journal of Basic Engineering 82:35.

use super::forecast::variance_of_interval;
use super::{
    CaptureProbability, CorrectedOccupancy, CorrectionKind, EstimateCorrection, Gain, GainSide,
    Presence, Z_975, persons_f64,
};
use crate::state::BlendState;

/// The largest number of persons, and the largest variance in persons².
const PERSONS_MAX: f64 = 1e9;
const VARIANCE_MAX: f64 = 1e18;

/// The smallest variance of an observation, persons²: nothing is known to better than a third of
/// a person.
const VARIANCE_MIN: f64 = 0.1;

/// What says how many are inside.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum ObservationSource {
    /// Entries and how long people stay.
    DwellModel,
    /// Persons counted in a picture.
    Camera,
    /// Persons aboard vehicles that stand in the venue.
    TransitLoad,
    /// The venue is closed.
    NightlyZero,
}

impl ObservationSource {
    /// Every source.
    pub const ALL: [Self; 4] = [
        Self::DwellModel,
        Self::Camera,
        Self::TransitLoad,
        Self::NightlyZero,
    ];
}

/// Why a blend could not take its input. The state is as it was.
#[derive(Debug, Clone, Copy, PartialEq, thiserror::Error)]
pub enum BlendError {
    /// A negative count.
    #[error("arrivals {arrivals} and departures {departures} must both be 0 or more")]
    Negative {
        /// Persons who came.
        arrivals: i64,
        /// Persons who left.
        departures: i64,
    },
    /// Persons or a variance beyond what a venue can hold.
    #[error("{persons} persons with variance {variance} are beyond 1e9 and 1e18")]
    Range {
        /// Persons.
        persons: f64,
        /// Variance.
        variance: f64,
    },
    /// An observation that is no number of persons.
    #[error("{0} persons observed is not a number between 0 and 1e9")]
    Persons(f64),
    /// An observation without a variance.
    #[error("variance {0} of an observation is not a number between 0 and 1e18")]
    Variance(f64),
    /// Ends of an interval that do not ascend about the value.
    #[error("{persons} persons is not within {lo} and {hi}")]
    Interval {
        /// The value.
        persons: f64,
        /// The low end.
        lo: f64,
        /// The high end.
        hi: f64,
    },
}

/// A number of persons inside with its variance `R`.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Observation {
    source: ObservationSource,
    persons: f64,
    variance: f64,
}

impl Observation {
    /// `persons` with a variance in persons², which is taken as at least 0.1.
    ///
    /// # Errors
    /// [`BlendError::Persons`] and [`BlendError::Variance`].
    pub fn try_new(
        source: ObservationSource,
        persons: f64,
        variance: f64,
    ) -> Result<Self, BlendError> {
        if !(0.0..=PERSONS_MAX).contains(&persons) {
            return Err(BlendError::Persons(persons));
        }
        if !(0.0..=VARIANCE_MAX).contains(&variance) {
            return Err(BlendError::Variance(variance));
        }
        Ok(Self {
            source,
            persons,
            variance: variance.max(VARIANCE_MIN),
        })
    }

    /// `persons` with a 95 % interval from `lo` to `hi`, such as a camera's or a load's.
    ///
    /// # Errors
    /// As [`Observation::try_new`], and [`BlendError::Interval`] when the ends do not enclose it.
    pub fn from_interval(
        source: ObservationSource,
        persons: f64,
        lo: f64,
        hi: f64,
    ) -> Result<Self, BlendError> {
        if !(lo <= persons && persons <= hi) {
            return Err(BlendError::Interval { persons, lo, hi });
        }
        Self::try_new(source, persons, variance_of_interval(lo, hi))
    }

    /// What the entries say, with the variance of the dwell in it.
    ///
    /// # Errors
    /// As [`Observation::try_new`].
    pub fn from_presence(presence: &Presence) -> Result<Self, BlendError> {
        let variance = presence.variance_with_dwell;
        Self::try_new(ObservationSource::DwellModel, presence.persons, variance)
    }

    /// The same observation where its error lasts for `windows` windows and it is taken in each:
    /// `R` so many times as large, so that together they say as much as one. For a dwell model that
    /// is the mean dwell over the window; below 1 it is taken as 1.
    ///
    /// # Errors
    /// [`BlendError::Variance`] when `windows` is no number or the variance becomes too large.
    pub fn repeated_over(self, windows: f64) -> Result<Self, BlendError> {
        if windows.is_nan() {
            return Err(BlendError::Variance(windows));
        }
        Self::try_new(self.source, self.persons, self.variance * windows.max(1.0))
    }

    /// Nobody, with a variance of 1 person²: a guard may be inside.
    pub const fn nightly_zero() -> Self {
        Self {
            source: ObservationSource::NightlyZero,
            persons: 0.0,
            variance: 1.0,
        }
    }
}

/// What an observation did.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct BlendUpdate {
    /// The line for the journal.
    pub correction: EstimateCorrection,
    /// The share of the difference that was taken over, 0 to 1.
    pub weight: f64,
    /// The difference in its standard deviations: beyond ±3 the source or the counts are wrong.
    pub surprise: f64,
}

/// Persons inside one venue by all that is known. Method
/// [`crate::method::OCCUPANCY_BLEND`].
///
/// ```
/// use tidegate_risk::occupancy::{Blend, CaptureProbability, Gain, Observation, ObservationSource};
/// let mut hall = Blend::empty(CaptureProbability::DEFAULT);
/// hall.step(1_000, 400, Gain::ONE)?;
/// let camera = Observation::try_new(ObservationSource::Camera, 620.0, 100.0)?;
/// let update = hall.observe(camera);
/// assert!(600.0 < hall.persons() && hall.persons() < 620.0);
/// assert_eq!(update.correction.after, hall.persons());
/// # Ok::<(), tidegate_risk::occupancy::BlendError>(())
/// ```
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Blend {
    persons: f64,
    variance: f64,
    capture: CaptureProbability,
}

impl Blend {
    /// A venue that is known to be empty; `q = c (1 - c)`, as in the drift of counts.
    pub const fn empty(capture: CaptureProbability) -> Self {
        Self {
            persons: 0.0,
            variance: 0.0,
            capture,
        }
    }

    /// A venue of which counts are known so far: their persons, and the variance of their drift.
    ///
    /// # Errors
    /// [`BlendError::Range`] for more than a venue can hold.
    pub fn from_counts(
        capture: CaptureProbability,
        counts: &CorrectedOccupancy,
    ) -> Result<Self, BlendError> {
        let sd = counts.drift_sd();
        let state = BlendState {
            persons: persons_f64(counts.persons()),
            variance: sd * sd,
        };
        Self::restore(capture, state)
    }

    /// A venue of which entries are known so far, with the variance of the dwell in it.
    ///
    /// # Errors
    /// [`BlendError::Range`] for more than a venue can hold.
    pub fn from_presence(
        capture: CaptureProbability,
        presence: &Presence,
    ) -> Result<Self, BlendError> {
        let state = BlendState {
            persons: presence.persons,
            variance: presence.variance_with_dwell,
        };
        Self::restore(capture, state)
    }

    /// A venue of which nothing else is known than one observation.
    pub const fn observed(capture: CaptureProbability, observation: Observation) -> Self {
        Self {
            persons: observation.persons,
            variance: observation.variance,
            capture,
        }
    }

    /// Takes one window's counts: `N + A - D` with one side scaled by `gain`, and
    /// `Q = c (1 - c) (A + D)`. Gives what the gain changed and what the clamp at zero added, in
    /// this order, where they did.
    ///
    /// # Errors
    /// [`BlendError::Negative`] and [`BlendError::Range`].
    pub fn step(
        &mut self,
        arrivals: i64,
        departures: i64,
        gain: Gain,
    ) -> Result<Vec<EstimateCorrection>, BlendError> {
        if arrivals < 0 || departures < 0 {
            return Err(BlendError::Negative {
                arrivals,
                departures,
            });
        }
        let (came, left) = (persons_f64(arrivals), persons_f64(departures));
        let counted = self.persons + came - left;
        let scaled = match gain.side() {
            GainSide::Departures => self.persons + came - gain.get() * left,
            GainSide::Arrivals => self.persons + gain.get() * came - left,
        };
        let persons = scaled.max(0.0);
        let capture = self.capture.get();
        let variance = self.variance + capture * (1.0 - capture) * (came + left);
        if persons > PERSONS_MAX || variance > VARIANCE_MAX {
            return Err(BlendError::Range { persons, variance });
        }
        (self.persons, self.variance) = (persons, variance);
        let made = [
            (CorrectionKind::Gain, counted, scaled),
            (CorrectionKind::ClampedAtZero, scaled, persons),
        ];
        let changed = made
            .into_iter()
            .filter(|(_, before, after)| before < after || after < before);
        let correction = |(kind, before, after)| EstimateCorrection {
            kind,
            before,
            after,
        };
        Ok(changed.map(correction).collect())
    }

    /// Takes an observation: `K = P / (P + R)`, `N + K (z - N)`, `(1 - K) P`.
    pub fn observe(&mut self, observation: Observation) -> BlendUpdate {
        let before = self.persons;
        let difference = observation.persons - before;
        let spread = self.variance + observation.variance;
        let weight = self.variance / spread;
        self.persons = (before + weight * difference).max(0.0);
        self.variance *= 1.0 - weight;
        BlendUpdate {
            correction: EstimateCorrection {
                kind: CorrectionKind::Observed(observation.source),
                before,
                after: self.persons,
            },
            weight,
            surprise: difference / spread.sqrt(),
        }
    }

    /// The venue is known to be empty now: persons and variance start again from zero.
    pub fn reset_known_empty(&mut self) -> EstimateCorrection {
        let before = self.persons;
        (self.persons, self.variance) = (0.0, 0.0);
        EstimateCorrection {
            kind: CorrectionKind::KnownEmpty,
            before,
            after: 0.0,
        }
    }

    /// Expected persons inside, 0 or more.
    pub const fn persons(&self) -> f64 {
        self.persons
    }

    /// Their variance, persons².
    pub const fn variance(&self) -> f64 {
        self.variance
    }

    /// The 95 % interval `N ± 1.96 √P`, the lower bound at least 0.
    pub fn interval95(&self) -> (f64, f64) {
        let half = Z_975 * self.variance.sqrt();
        ((self.persons - half).max(0.0), self.persons + half)
    }

    /// Everything remembered beside the capture probability.
    pub const fn state(&self) -> BlendState {
        BlendState {
            persons: self.persons,
            variance: self.variance,
        }
    }

    /// The venue that goes on where `state` was taken.
    ///
    /// # Errors
    /// [`BlendError::Range`] for numbers that no steps leave behind.
    pub fn restore(capture: CaptureProbability, state: BlendState) -> Result<Self, BlendError> {
        let BlendState { persons, variance } = state;
        if (0.0..=PERSONS_MAX).contains(&persons) && (0.0..=VARIANCE_MAX).contains(&variance) {
            Ok(Self {
                persons,
                variance,
                capture,
            })
        } else {
            Err(BlendError::Range { persons, variance })
        }
    }
}

#[cfg(test)]
mod tests;
