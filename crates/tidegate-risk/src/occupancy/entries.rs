//! Persons inside a venue of which only the entries are counted: past arrivals, each with the
//! share that is still inside by the dwell distribution.
//!
//! The last windows are kept in a ring as long as the longest stay, so a step costs as many
//! multiplications. Nobody stays beyond closing: [`EntriesOccupancy::close`] forgets them all, so
//! a stay is cut at closing, at whatever hour of a day of 23, 24 or 25 hours that is.

use std::collections::VecDeque;

use super::{
    CorrectionKind, DwellError, DwellRange, DwellWeights, EstimateCorrection, Z_975, persons_f64,
};
use crate::state::EntriesState;

/// Why entries could not be taken, or give no occupancy.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum EntriesError {
    /// A negative count. The state is as it was.
    #[error("arrivals {0} must be 0 or more")]
    Negative(i64),
    /// Nothing was heard in any window from which somebody could still be inside.
    #[error("no counter was heard in any of {windows} windows")]
    Unheard {
        /// Windows since closing, of those that a stay may span.
        windows: usize,
    },
    /// A late count for a window that is no longer kept, or not yet there. The state is as it was.
    #[error("window {lag} back is not one of the {windows} that are kept")]
    Lag {
        /// Windows back; 0 is the last one.
        lag: usize,
        /// Windows kept.
        windows: usize,
    },
    /// A state with more windows than a stay may span.
    #[error("{windows} windows are more than the {max} of the longest stay")]
    State {
        /// Windows stored.
        windows: usize,
        /// Windows that are kept.
        max: usize,
    },
}

/// How entries become an occupancy: weights at the low, middle and high mean dwell.
#[derive(Debug, Clone, PartialEq)]
pub struct EntriesModel {
    weights: [DwellWeights; 3],
}

impl EntriesModel {
    /// A model of `dwell` for windows of `window` minutes, of stays cut at `max` minutes.
    ///
    /// # Errors
    /// As [`DwellWeights::try_new`].
    pub fn try_new(dwell: DwellRange, window: f64, max: f64) -> Result<Self, DwellError> {
        let [low, mid, high] = dwell.all();
        let weights = |dwell| DwellWeights::try_new(dwell, window, max);
        Ok(Self {
            weights: [weights(low)?, weights(mid)?, weights(high)?],
        })
    }

    /// The weights at the middle mean.
    pub const fn weights(&self) -> &DwellWeights {
        &self.weights[1]
    }

    /// The weights at the low, middle and high mean, as [`expected_presence`] takes them.
    ///
    /// [`expected_presence`]: super::expected_presence
    pub const fn all_weights(&self) -> [&DwellWeights; 3] {
        self.weights.each_ref()
    }

    /// Windows that a stay may span.
    pub fn windows(&self) -> usize {
        self.weights[1].as_slice().len()
    }
}

/// Persons inside by their entries.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Presence {
    /// Expected persons `Σ a w`, 0 or more.
    pub persons: f64,
    /// Variance `Σ a w (1 - w)` given the arrivals and the mean dwell, persons².
    pub variance: f64,
    /// Low end: 1.96 standard deviations below the expectation at the low mean dwell, at least 0.
    pub lo: f64,
    /// High end: as much above that at the high mean dwell, at most all who came.
    pub hi: f64,
    /// Variance with that of the mean dwell, whose range is taken as its 95 % interval, persons².
    pub variance_with_dwell: f64,
    /// The share of the weights, so of the people inside, whose window was heard: 0 to 1. The
    /// persons are those of the windows heard, and not raised for the others.
    pub coverage: f64,
}

/// Persons inside one venue by its entries. Method [`crate::method::OCCUPANCY_DWELL`].
///
/// ```
/// use tidegate_risk::occupancy::{Dwell, DwellRange, EntriesModel, EntriesOccupancy};
/// let dwell = DwellRange::try_new(Dwell::exponential(30.0)?, 25.0, 35.0)?;
/// let mut market = EntriesOccupancy::empty(EntriesModel::try_new(dwell, 15.0, 240.0)?);
/// market.step(Some(40))?;
/// assert!((market.presence()?.persons - 31.477_547_2).abs() < 1e-6);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug, Clone, PartialEq)]
pub struct EntriesOccupancy {
    model: EntriesModel,
    /// Newest first, at most as many as a stay may span.
    arrivals: VecDeque<Option<i64>>,
}

impl EntriesOccupancy {
    /// A venue that is known to be empty.
    pub fn empty(model: EntriesModel) -> Self {
        Self {
            model,
            arrivals: VecDeque::new(),
        }
    }

    /// Takes one window's arrivals; `None` when no counter was heard in it, which is not nobody.
    ///
    /// # Errors
    /// [`EntriesError::Negative`]; the state is as it was.
    pub fn step(&mut self, arrivals: Option<i64>) -> Result<(), EntriesError> {
        self.arrivals.push_front(checked(arrivals)?);
        self.arrivals.truncate(self.model.windows());
        Ok(())
    }

    /// The venue has closed: whoever was expected inside has gone.
    pub fn close(&mut self) -> EstimateCorrection {
        let before = self.expected(self.model.weights()).0;
        self.arrivals.clear();
        EstimateCorrection {
            kind: CorrectionKind::KnownEmpty,
            before,
            after: 0.0,
        }
    }

    /// Puts late arrivals in the place of those of the window `lag` windows back (0 is the last
    /// one). A window before closing or beyond the longest stay is an error, and has nobody inside.
    ///
    /// # Errors
    /// [`EntriesError::Negative`] and [`EntriesError::Lag`]; the state is as it was.
    pub fn revise(
        &mut self,
        lag: usize,
        arrivals: Option<i64>,
    ) -> Result<EstimateCorrection, EntriesError> {
        let arrivals = checked(arrivals)?;
        let before = self.expected(self.model.weights()).0;
        let windows = self.arrivals.len();
        let place = self.arrivals.get_mut(lag);
        *place.ok_or(EntriesError::Lag { lag, windows })? = arrivals;
        Ok(EstimateCorrection {
            kind: CorrectionKind::LateRevision,
            before,
            after: self.expected(self.model.weights()).0,
        })
    }

    /// Persons inside at the end of the last window. Just after closing nobody is.
    ///
    /// # Errors
    /// [`EntriesError::Unheard`] when no window was heard since closing.
    pub fn presence(&self) -> Result<Presence, EntriesError> {
        let windows = self.arrivals.len();
        let heard = self.arrivals.iter().flatten();
        let arrived = heard.clone().map(|a| persons_f64(*a)).sum::<f64>();
        if windows > 0 && heard.count() == 0 {
            return Err(EntriesError::Unheard { windows });
        }
        let [low, mid, high] = self.model.weights.each_ref().map(|w| self.expected(w));
        let dwell_sd = (high.0 - low.0).max(0.0) / (2.0 * Z_975);
        Ok(Presence {
            persons: mid.0,
            variance: mid.1,
            lo: (low.0 - Z_975 * low.1.sqrt()).max(0.0).min(mid.0),
            hi: (high.0 + Z_975 * high.1.sqrt()).min(arrived).max(mid.0),
            variance_with_dwell: mid.1 + dwell_sd * dwell_sd,
            coverage: self.coverage(),
        })
    }

    /// `Σ a w` and `Σ a w (1 - w)`, newest first.
    fn expected(&self, weights: &DwellWeights) -> (f64, f64) {
        let windows = self.arrivals.iter().zip(weights.as_slice());
        let heard = windows.filter_map(|(arrivals, weight)| Some(((*arrivals)?, *weight)));
        heard.fold((0.0, 0.0), |(mean, variance), (arrivals, weight)| {
            let inside = persons_f64(arrivals) * weight;
            (mean + inside, variance + inside * (1.0 - weight))
        })
    }

    fn coverage(&self) -> f64 {
        let windows = self.arrivals.iter().zip(self.model.weights().as_slice());
        let (heard, all) = windows.fold((0.0, 0.0), |(heard, all), (arrivals, weight)| {
            let there = if arrivals.is_some() { *weight } else { 0.0 };
            (heard + there, all + weight)
        });
        if all > 0.0 { heard / all } else { 1.0 }
    }

    /// Everything remembered beside the model.
    pub fn state(&self) -> EntriesState {
        EntriesState {
            arrivals: self.arrivals.iter().rev().copied().collect(),
        }
    }

    /// The venue that goes on where `state` was taken.
    ///
    /// # Errors
    /// [`EntriesError::Negative`] and [`EntriesError::State`] for what no steps leave behind.
    pub fn restore(model: EntriesModel, state: &EntriesState) -> Result<Self, EntriesError> {
        let (windows, max) = (state.arrivals.len(), model.windows());
        if windows > max {
            return Err(EntriesError::State { windows, max });
        }
        let mut venue = Self::empty(model);
        for arrivals in &state.arrivals {
            venue.step(*arrivals)?;
        }
        Ok(venue)
    }
}

fn checked(arrivals: Option<i64>) -> Result<Option<i64>, EntriesError> {
    match arrivals {
        Some(arrivals) if arrivals < 0 => Err(EntriesError::Negative(arrivals)),
        _ => Ok(arrivals),
    }
}

#[cfg(test)]
mod tests;
