//! Persons inside a venue by conservation of counts: `N(t) = N(t-1) + A(t) - D(t)`.
//!
//! The state is whole persons, so that a replay gives the same numbers whatever the batches.
//! Counters miss people, so integration drifts: what is done about it (a clamp at zero, a reset at
//! a time when the venue is known to be empty) is returned as a [`Correction`] for the caller's
//! journal, never silent. What remains is in the interval, whose width grows with the flow since
//! the last reset.
//! Late counts are not taken incrementally: start again from the last known-empty reset.

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

/// Why a correction was made.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum CorrectionKind {
    /// More people left than were inside: so many arrivals, at the least, were missed.
    ClampedAtZero,
    /// The venue is known to be empty at this time.
    KnownEmpty,
}

impl CorrectionKind {
    /// The word used in journals and SQL.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::ClampedAtZero => "clamped_at_zero",
            Self::KnownEmpty => "known_empty",
        }
    }
}

/// A change of the state that no counted person made. The caller journals it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Correction {
    /// Why.
    pub kind: CorrectionKind,
    /// Persons added to the state; negative when persons were taken away.
    pub persons: i64,
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
        let persons = -self.ledger.persons;
        self.ledger = Ledger::default();
        Correction {
            kind: CorrectionKind::KnownEmpty,
            persons,
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
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn venue() -> Occupancy {
        Occupancy::empty(CaptureProbability::DEFAULT)
    }

    fn check(steps: &[(i64, i64)], expected: &[(i64, i64)]) {
        let mut venue = venue();
        let got: Vec<_> = steps
            .iter()
            .map(|&(arrivals, departures)| venue.step(arrivals, departures).unwrap())
            .map(|step| (step.persons, step.clamped))
            .collect();
        assert_eq!(got, expected, "{steps:?}");
    }

    #[test]
    fn steps_conserve_and_clamp() {
        check(&[], &[]);
        check(&[(5, 0), (0, 2)], &[(5, 0), (3, 0)]);
        check(&[(5, 5)], &[(0, 0)]);
        check(&[(0, 4), (10, 0)], &[(0, 4), (10, 0)]);
        check(&[(3, 4), (0, 0), (0, 1)], &[(0, 1), (0, 0), (0, 1)]);
    }

    /// Domain notes 1.5(a): 10 000 in and out, 2 % missed in, 4 % missed out.
    #[test]
    fn unequal_misses_bias_by_their_difference() {
        check(&[(9_800, 9_600)], &[(200, 0)]);
    }

    /// Domain notes 1.5(a): 10 000 in and out, both captured with 0.98.
    #[test]
    fn drift_grows_with_the_flow() {
        let mut venue = venue();
        venue.step(10_000, 10_000).unwrap();
        assert!((venue.drift_sd() - 19.80).abs() < 5e-3);
        let (lo, hi) = venue.interval95();
        assert!(lo.abs() < f64::EPSILON, "never below zero: {lo}");
        assert!((hi - 38.806).abs() < 5e-3, "{hi}");
        venue.step(10_000, 0).unwrap();
        let (lo, hi) = venue.interval95();
        assert!((f64::midpoint(lo, hi) - 10_000.0).abs() < 1e-6);
    }

    #[test]
    fn a_reset_reports_the_drift_and_narrows_the_interval() {
        let mut venue = venue();
        venue.step(50, 43).unwrap();
        assert_eq!(
            venue.reset_known_empty(),
            Correction {
                kind: CorrectionKind::KnownEmpty,
                persons: -7
            }
        );
        assert_eq!(venue.interval95(), (0.0, 0.0));
        assert_eq!(venue.state(), OccupancyState::default());
    }

    #[test]
    fn a_clamp_is_a_correction() {
        let mut venue = venue();
        assert_eq!(venue.step(3, 3).unwrap().correction(), None);
        assert_eq!(
            venue.step(0, 2).unwrap().correction(),
            Some(Correction {
                kind: CorrectionKind::ClampedAtZero,
                persons: 2
            })
        );
    }

    #[test]
    fn bad_input_leaves_the_state() {
        let mut venue = venue();
        venue.step(7, 0).unwrap();
        let before = venue;
        for (arrivals, departures) in [(-1, 0), (0, -1), (i64::MAX, 0), (i64::MIN, i64::MIN)] {
            assert!(venue.step(arrivals, departures).is_err());
            assert_eq!(venue, before);
        }
        for bad in [0.0, -0.1, 1.1, f64::NAN] {
            assert!(CaptureProbability::try_new(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn no_steps_leave_such_a_state() {
        for (arrivals, departures, clamped) in [
            (0, 1, 0),
            (-1, 0, 1),
            (1, -1, 0),
            (1, 0, -1),
            (i64::MAX, 0, 1),
            (0, i64::MAX, i64::MAX - 1),
        ] {
            let state = OccupancyState {
                arrivals,
                departures,
                clamped,
            };
            let error = Occupancy::restore(CaptureProbability::DEFAULT, state).unwrap_err();
            assert!(matches!(error, OccupancyError::State { .. }), "{state:?}");
        }
    }

    /// The bytes are a stored format: a change of them is a new version of the snapshot.
    #[test]
    fn the_stored_form_stays() {
        let mut venue = venue();
        venue.step(3, 300).unwrap();
        let bytes = postcard::to_stdvec(&venue.state()).unwrap();
        assert_eq!(bytes, [6, 0xd8, 4, 0xd2, 4]);
    }

    proptest! {
        /// Counted and corrected persons account for the state exactly.
        #[test]
        fn persons_are_conserved(steps in prop::collection::vec((0..5_000_i64, 0..5_000_i64), 0..60)) {
            let mut venue = venue();
            let mut state = OccupancyState::default();
            for (arrivals, departures) in steps {
                let step = venue.step(arrivals, departures).unwrap();
                state.arrivals += arrivals;
                state.departures += departures;
                state.clamped += step.clamped;
                prop_assert!(step.persons >= 0 && step.clamped >= 0);
                prop_assert!(step.clamped == 0 || step.persons == 0);
            }
            prop_assert_eq!(venue.state(), state);
            prop_assert_eq!(venue.persons(), state.arrivals - state.departures + state.clamped);
            let (lo, hi) = venue.interval95();
            let persons = persons_f64(venue.persons());
            prop_assert!(0.0 <= lo && lo <= persons && persons <= hi && hi.is_finite());
        }

        /// A venue restored at any step goes on as the one that was never stopped, errors of
        /// overflow included; `None` is a reset.
        #[test]
        fn a_restored_venue_goes_on(
            steps in prop::collection::vec(prop::option::weighted(0.9, prop_oneof![
                9 => (0..5_000_i64, 0..5_000_i64),
                1 => (0..=i64::MAX, 0..=i64::MAX),
            ]), 0..60),
            cut in any::<prop::sample::Index>(),
        ) {
            let take = |venue: &mut Occupancy, step: Option<(i64, i64)>| match step {
                None => (Err(venue.reset_known_empty()), venue.interval95()),
                Some((arrivals, departures)) => {
                    (Ok(venue.step(arrivals, departures)), venue.interval95())
                }
            };
            let cut = cut.index(steps.len() + 1);
            let mut whole = venue();
            let taken = steps[..cut].iter().map(|step| take(&mut whole, *step));
            prop_assert_eq!(taken.count(), cut);
            let bytes = postcard::to_stdvec(&whole.state()).unwrap();
            let state = postcard::from_bytes(&bytes).unwrap();
            let mut second = Occupancy::restore(CaptureProbability::DEFAULT, state).unwrap();
            prop_assert_eq!(second, whole);
            for step in &steps[cut..] {
                prop_assert_eq!(take(&mut second, *step), take(&mut whole, *step));
            }
            prop_assert_eq!(second, whole);
        }
    }
}
