//! Conservation of counts with one side scaled by a [`Gain`], every correction returned.
//!
//! Scaled counts are whole persons: the part of a person that scaling leaves is carried to the next
//! step. So the sum over any windows is the scaled sum rounded down once, however they are split;
//! and where that is the side of arrivals, a clamp that falls between two such roundings can leave
//! one person fewer after more arrivals, never two.

use super::gain::PPM;
use super::{
    CaptureProbability, Correction, CorrectionKind, Gain, GainSide, Occupancy, OccupancyError,
};
use crate::state::CorrectedOccupancyState;

/// What one step did.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct CorrectedStep {
    /// Persons inside after the step, 0 or more.
    pub persons: i64,
    /// What the gain changed, when it changed something.
    pub gain: Option<Correction>,
    /// What the clamp at zero changed, after the gain.
    pub clamp: Option<Correction>,
}

impl CorrectedStep {
    /// The corrections in the order in which they were made.
    pub fn corrections(self) -> impl Iterator<Item = Correction> {
        [self.gain, self.clamp].into_iter().flatten()
    }
}

/// Persons inside one venue by corrected counts. Methods
/// [`crate::method::OCCUPANCY_CONSERVATION`] and [`crate::method::OCCUPANCY_GAIN`].
///
/// ```
/// use tidegate_risk::occupancy::{CaptureProbability, CorrectedOccupancy, Gain, GainSide};
/// let gain = Gain::try_new(GainSide::Departures, 1_020_000)?;
/// let mut market = CorrectedOccupancy::empty(CaptureProbability::DEFAULT, gain);
/// let step = market.step(980, 950)?;
/// assert_eq!(step.persons, 980 - 969);
/// assert_eq!(step.gain.map(|c| (c.before, c.after())), Some((30, 11)));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct CorrectedOccupancy {
    occupancy: Occupancy,
    gain: Gain,
    /// Millionths of a person of the scaled side, below 1 000 000.
    carry_ppm: u32,
    clamps: u32,
}

impl CorrectedOccupancy {
    /// A venue that is known to be empty.
    pub fn empty(capture: CaptureProbability, gain: Gain) -> Self {
        Self {
            occupancy: Occupancy::empty(capture),
            gain,
            carry_ppm: 0,
            clamps: 0,
        }
    }

    /// Takes one window's counts.
    ///
    /// # Errors
    /// [`OccupancyError::Negative`] and [`OccupancyError::Overflow`]; the state is as it was.
    pub fn step(
        &mut self,
        arrivals: i64,
        departures: i64,
    ) -> Result<CorrectedStep, OccupancyError> {
        let overflow = OccupancyError::Overflow {
            arrivals,
            departures,
        };
        if arrivals < 0 || departures < 0 {
            return Err(OccupancyError::Negative {
                arrivals,
                departures,
            });
        }
        let before = self.occupancy.persons();
        let (scaled, carry_ppm) = match self.gain.side() {
            GainSide::Departures => {
                let (scaled, carry) = self.scaled(departures).ok_or(overflow)?;
                ((arrivals, scaled), carry)
            }
            GainSide::Arrivals => {
                let (scaled, carry) = self.scaled(arrivals).ok_or(overflow)?;
                ((scaled, departures), carry)
            }
        };
        let net = |(arrivals, departures): (i64, i64)| {
            before.checked_add(arrivals)?.checked_sub(departures)
        };
        let counted = net((arrivals, departures)).ok_or(overflow)?;
        let step = self.occupancy.step(scaled.0, scaled.1)?;
        self.carry_ppm = carry_ppm;
        self.clamps = self.clamps.saturating_add(u32::from(step.clamped > 0));
        let persons = step.persons - step.clamped - counted;
        let gain = (persons != 0).then_some(Correction {
            kind: CorrectionKind::Gain,
            before: counted,
            persons,
        });
        Ok(CorrectedStep {
            persons: step.persons,
            gain,
            clamp: step.correction(),
        })
    }

    /// The count scaled and rounded down, and the millionths left over.
    fn scaled(&self, count: i64) -> Option<(i64, u32)> {
        let ppm = i128::from(count) * i128::from(self.gain.ppm()) + i128::from(self.carry_ppm);
        let (persons, carry) = (
            ppm.div_euclid(i128::from(PPM)),
            ppm.rem_euclid(i128::from(PPM)),
        );
        Some((i64::try_from(persons).ok()?, u32::try_from(carry).ok()?))
    }

    /// The venue is known to be empty now: a new service day begins, with `gain`.
    pub fn reset_known_empty(&mut self, gain: Gain) -> Correction {
        let correction = self.occupancy.reset_known_empty();
        self.gain = gain;
        self.carry_ppm = 0;
        self.clamps = 0;
        correction
    }

    /// Persons inside, 0 or more.
    pub const fn persons(&self) -> i64 {
        self.occupancy.persons()
    }

    /// Steps since the last reset in which the clamp at zero added persons: a measure of the
    /// counters' quality. At most 2³² - 1.
    pub const fn clamps(&self) -> u32 {
        self.clamps
    }

    /// The gain since the last reset.
    pub const fn gain(&self) -> Gain {
        self.gain
    }

    /// The 95 % interval, that of [`Occupancy::interval95`] with the scaled counts. It does not
    /// cover an error of the gain.
    pub fn interval95(&self) -> (f64, f64) {
        self.occupancy.interval95()
    }

    /// Standard deviation of the drift since the last reset, in persons, that of
    /// [`Occupancy::drift_sd`] with the scaled counts.
    pub fn drift_sd(&self) -> f64 {
        self.occupancy.drift_sd()
    }

    /// Everything remembered beside the capture probability and the side of the gain.
    pub const fn state(&self) -> CorrectedOccupancyState {
        CorrectedOccupancyState {
            counts: self.occupancy.state(),
            gain_ppm: self.gain.ppm(),
            carry_ppm: self.carry_ppm,
            clamps: self.clamps,
        }
    }

    /// The venue that goes on where `state` was taken.
    ///
    /// # Errors
    /// [`OccupancyError::State`] and [`OccupancyError::Gain`] for what no steps leave behind.
    pub fn restore(
        capture: CaptureProbability,
        side: GainSide,
        state: CorrectedOccupancyState,
    ) -> Result<Self, OccupancyError> {
        let occupancy = Occupancy::restore(capture, state.counts)?;
        let gain = Gain::try_new(side, state.gain_ppm).ok();
        match gain.filter(|_| state.carry_ppm < PPM) {
            Some(gain) => Ok(Self {
                occupancy,
                gain,
                carry_ppm: state.carry_ppm,
                clamps: state.clamps,
            }),
            None => Err(OccupancyError::Gain {
                gain_ppm: state.gain_ppm,
                carry_ppm: state.carry_ppm,
            }),
        }
    }
}

#[cfg(test)]
mod tests;
