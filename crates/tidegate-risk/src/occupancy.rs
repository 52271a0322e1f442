//! Persons inside a venue by conservation of counts: `N(t) = N(t-1) + A(t) - D(t)`.
//!
//! The state is whole persons, so that a replay gives the same numbers whatever the batches.
//! Counters miss people, so integration drifts: what is done about it (a clamp at zero, a reset at
//! a time when the venue is known to be empty) is returned as a [`Correction`] for the caller's
//! journal, never silent. What remains is in the interval, whose width grows with the flow since
//! the last reset.
//! Late counts are not taken incrementally: start again from the last known-empty reset
//! ([`replay()`]).
//!
//! Beside the ledger of counts there are a [`Gain`] from past days ([`CorrectedOccupancy`]), a
//! venue of which only entries are counted ([`EntriesOccupancy`]), and a filter that weighs all of
//! these with what else is known ([`Blend`]).

mod journal;

mod gain;

mod corrected;

mod replay;

mod dwell;

mod entries;

mod forecast;

mod blend;

pub use blend::{Blend, BlendError, BlendUpdate, Observation, ObservationSource};
pub use corrected::{CorrectedOccupancy, CorrectedStep};
pub use dwell::{
    DWELL_ASSUMPTIONS, DWELL_MAX_MINUTES, Dwell, DwellAssumption, DwellError, DwellRange,
    DwellWeights,
};
pub use entries::{EntriesError, EntriesModel, EntriesOccupancy, Presence};
pub use forecast::{ExpectedPresence, ForecastError, expected_presence};
pub use gain::{
    DayTaken, DayType, Gain, GainError, GainFit, GainHistory, GainSide, GainSpec, ServiceDay,
};
pub use journal::{Correction, CorrectionKind, EstimateCorrection, JournalEntry};
pub use replay::{Before, FlowWindow, Replay, replay, revise};

use crate::state::OccupancyState;

/// The 0.975 quantile of the standard normal distribution.
const Z_975: f64 = 1.959_963_984_540_054;

/// The probability that a counter counts a person who passes: above 0, at most 1.
#[derive(Debug, Clone, Copy, PartialEq, PartialOrd)]
pub struct CaptureProbability(f64);

impl CaptureProbability {
    /// What is assumed of a counter without a calibration: 0.98.
    pub const DEFAULT: Self = Self(0.98);

    /// A capture probability.
    ///
    /// # Errors
    /// [`OccupancyError::Capture`] when `value` is not above 0 and at most 1.
    pub fn try_new(value: f64) -> Result<Self, OccupancyError> {
        if value > 0.0 && value <= 1.0 {
            Ok(Self(value))
        } else {
            Err(OccupancyError::Capture(value))
        }
    }

    /// The probability.
    pub const fn get(self) -> f64 {
        self.0
    }
}

impl Default for CaptureProbability {
    fn default() -> Self {
        Self::DEFAULT
    }
}

/// Why an occupancy could not take its input. The state is as it was.
#[derive(Debug, Clone, Copy, PartialEq, thiserror::Error)]
pub enum OccupancyError {
    /// A capture probability outside (0, 1].
    #[error("capture probability {0} is not above 0 and at most 1")]
    Capture(f64),
    /// A negative count.
    #[error("arrivals {arrivals} and departures {departures} must both be 0 or more")]
    Negative {
        /// Persons who came.
        arrivals: i64,
        /// Persons who left.
        departures: i64,
    },
    /// Counts that do not fit 64 bits together with those since the last reset.
    #[error("arrivals {arrivals} and departures {departures} overflow the counts since the reset")]
    Overflow {
        /// Persons who came.
        arrivals: i64,
        /// Persons who left.
        departures: i64,
    },
    /// A gain or what it carries over, in millionths, that no step leaves behind.
    #[error("gain {gain_ppm} ppm with {carry_ppm} ppm carried is no state")]
    Gain {
        /// The gain.
        gain_ppm: u32,
        /// The part of a person carried to the next step.
        carry_ppm: u32,
    },
    /// A state that no sequence of steps leaves behind.
    #[error("{arrivals} in, {departures} out and {clamped} added give no persons inside")]
    State {
        /// Persons who came since the reset.
        arrivals: i64,
        /// Persons who left since the reset.
        departures: i64,
        /// Persons whom clamps added since the reset.
        clamped: i64,
    },
}

/// What one step did.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Step {
    /// Persons inside after the step, 0 or more.
    pub persons: i64,
    /// Persons whom the clamp at zero added in this step, 0 or more.
    pub clamped: i64,
}

impl Step {
    /// The clamp as a line for the journal; `None` when there was none.
    pub fn correction(self) -> Option<Correction> {
        (self.clamped > 0).then_some(Correction {
            kind: CorrectionKind::ClampedAtZero,
            before: -self.clamped,
            persons: self.clamped,
        })
    }
}

/// Counts since the last reset; `persons = arrivals - departures + clamped`, always.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
struct Ledger {
    persons: i64,
    arrivals: i64,
    departures: i64,
    clamped: i64,
}

/// Persons inside one venue. Method [`crate::method::OCCUPANCY_CONSERVATION`].
///
/// ```
/// use tidegate_risk::occupancy::{CaptureProbability, Occupancy};
/// let mut market = Occupancy::empty(CaptureProbability::DEFAULT);
/// assert_eq!(market.step(120, 20)?.persons, 100);
/// let step = market.step(0, 103)?;
/// assert_eq!((step.persons, step.clamped), (0, 3));
/// # Ok::<(), tidegate_risk::occupancy::OccupancyError>(())
/// ```
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Occupancy {
    ledger: Ledger,
    capture: CaptureProbability,
}

impl Occupancy {
    /// A venue that is known to be empty.
    pub fn empty(capture: CaptureProbability) -> Self {
        Self {
            ledger: Ledger::default(),
            capture,
        }
    }

    /// Everything remembered beside the capture probability.
    pub const fn state(&self) -> OccupancyState {
        OccupancyState {
            arrivals: self.ledger.arrivals,
            departures: self.ledger.departures,
            clamped: self.ledger.clamped,
        }
    }

    /// The venue that goes on where `state` was taken.
    ///
    /// # Errors
    /// [`OccupancyError::State`] when a number is negative, or fewer than no persons are inside.
    pub fn restore(
        capture: CaptureProbability,
        state: OccupancyState,
    ) -> Result<Self, OccupancyError> {
        let OccupancyState {
            arrivals,
            departures,
            clamped,
        } = state;
        let sum = i128::from(arrivals) - i128::from(departures) + i128::from(clamped);
        let none_negative = arrivals >= 0 && departures >= 0 && clamped >= 0;
        match i64::try_from(sum) {
            Ok(persons) if none_negative && persons >= 0 => Ok(Self {
                ledger: Ledger {
                    persons,
                    arrivals,
                    departures,
                    clamped,
                },
                capture,
            }),
            _ => Err(OccupancyError::State {
                arrivals,
                departures,
                clamped,
            }),
        }
    }

    /// Takes one window's counts; the state never goes below zero.
    ///
    /// # Errors
    /// [`OccupancyError::Negative`] and [`OccupancyError::Overflow`]; the state is as it was.
    pub fn step(&mut self, arrivals: i64, departures: i64) -> Result<Step, OccupancyError> {
        if arrivals < 0 || departures < 0 {
            return Err(OccupancyError::Negative {
                arrivals,
                departures,
            });
        }
        let next = self
            .after(arrivals, departures)
            .ok_or(OccupancyError::Overflow {
                arrivals,
                departures,
            })?;
        let clamped = next.clamped - self.ledger.clamped;
        self.ledger = next;
        Ok(Step {
            persons: next.persons,
            clamped,
        })
    }

    fn after(&self, arrivals: i64, departures: i64) -> Option<Ledger> {
        let ledger = self.ledger;
        let unclamped = ledger
            .persons
            .checked_add(arrivals)?
            .checked_sub(departures)?;
        Some(Ledger {
            persons: unclamped.max(0),
            arrivals: ledger.arrivals.checked_add(arrivals)?,
            departures: ledger.departures.checked_add(departures)?,
            clamped: ledger.clamped.checked_add((-unclamped).max(0))?,
        })
    }

    /// The venue is known to be empty now (closing time): the state and its interval start again
    /// from zero. The correction is what had drifted, 0 persons included, which is a good sign.
    pub fn reset_known_empty(&mut self) -> Correction {
        let before = self.ledger.persons;
        self.ledger = Ledger::default();
        Correction {
            kind: CorrectionKind::KnownEmpty,
            before,
            persons: -before,
        }
    }

    /// Persons inside, 0 or more.
    pub const fn persons(&self) -> i64 {
        self.ledger.persons
    }

    /// Standard deviation of the drift since the last reset, in persons:
    /// `sqrt((A + D) c (1 - c))`, each passage counted independently with probability `c`.
    pub fn drift_sd(&self) -> f64 {
        let flow = persons_f64(self.ledger.arrivals) + persons_f64(self.ledger.departures);
        (flow * self.capture.0 * (1.0 - self.capture.0)).sqrt()
    }

    /// The 95 % interval of persons inside: `persons ± 1.96 drift_sd`, the lower bound at least 0.
    ///
    /// It covers independent misses at equal rates in and out. It does not cover a difference
    /// between the two rates, people who use an uncounted door, or a dead counter.
    pub fn interval95(&self) -> (f64, f64) {
        let persons = persons_f64(self.ledger.persons);
        let half = Z_975 * self.drift_sd();
        ((persons - half).max(0.0), persons + half)
    }
}

#[expect(clippy::cast_precision_loss, reason = "exact below 2^53 persons")]
fn persons_f64(persons: i64) -> f64 {
    persons as f64
}

#[cfg(test)]
mod tests;
