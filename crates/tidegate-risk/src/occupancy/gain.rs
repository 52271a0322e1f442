//! What the counters of past days say of those of today: over a whole service day as many people
//! leave as come, so `g = ΣA / ΣD` over such days corrects one side for the misses of the other.
//!
//! A day counts when all its windows were heard. Sums are whole persons and the gain is millionths,
//! so that it does not depend on the order of days, nor on the platform.
//! One history is one venue's.

use std::collections::{BTreeMap, VecDeque};

use crate::state::{GainDayState, GainState};

/// One as a gain.
pub(super) const PPM: u32 = 1_000_000;

/// The least gain, in millionths.
const PPM_MIN: u32 = 900_000;

/// The greatest gain, in millionths.
const PPM_MAX: u32 = 1_100_000;

/// The most days of one type that a history holds.
const DAYS_LIMIT: usize = 366;

/// Days whose ratio of arrivals to departures is alike.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum DayType {
    /// Monday to Friday.
    Working,
    /// Saturday.
    Saturday,
    /// Sunday, and holidays.
    Sunday,
}

impl DayType {
    /// Every type; its place here is its number in a snapshot.
    pub const ALL: [Self; 3] = [Self::Working, Self::Saturday, Self::Sunday];

    const fn number(self) -> u8 {
        match self {
            Self::Working => 0,
            Self::Saturday => 1,
            Self::Sunday => 2,
        }
    }
}

/// The side of the counts that a gain scales; the other is taken to be right.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum GainSide {
    /// `N + A - g D` with `g = ΣA / ΣD`.
    #[default]
    Departures,
    /// `N + g A - D` with `g = ΣD / ΣA`.
    Arrivals,
}

/// The factor of one side of the counts: 0.9 to 1.1.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Gain {
    side: GainSide,
    ppm: u32,
}

impl Gain {
    /// Counts as they are.
    pub const ONE: Self = Self {
        side: GainSide::Departures,
        ppm: PPM,
    };

    /// A gain of `ppm` millionths.
    ///
    /// # Errors
    /// [`GainError::Factor`] outside 0.9 to 1.1.
    pub fn try_new(side: GainSide, ppm: u32) -> Result<Self, GainError> {
        if (PPM_MIN..=PPM_MAX).contains(&ppm) {
            Ok(Self { side, ppm })
        } else {
            Err(GainError::Factor(ppm))
        }
    }

    /// The side that it scales.
    pub const fn side(self) -> GainSide {
        self.side
    }

    /// The factor in millionths.
    pub const fn ppm(self) -> u32 {
        self.ppm
    }

    /// The factor.
    pub fn get(self) -> f64 {
        f64::from(self.ppm) / f64::from(PPM)
    }
}

/// Why a gain could not take its input. The history is as it was.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum GainError {
    /// A factor outside its range.
    #[error("gain {0} ppm is not between 900000 and 1100000")]
    Factor(u32),
    /// A prior that shrinks nothing.
    #[error("prior of {0} persons is not above 0")]
    Prior(i64),
    /// A number of days outside its range.
    #[error("{0} days are not between 1 and 366")]
    Days(usize),
    /// A negative count.
    #[error("arrivals {arrivals} and departures {departures} must both be 0 or more")]
    Negative {
        /// Persons who came.
        arrivals: i64,
        /// Persons who left.
        departures: i64,
    },
    /// A day without windows, or with more heard than it has.
    #[error("{heard} windows heard of {windows}")]
    Windows {
        /// Windows heard.
        heard: u32,
        /// Windows that the day has.
        windows: u32,
    },
    /// A stored type of day that there is not.
    #[error("day type {0} is not known")]
    DayType(u8),
}

/// How a history becomes a gain.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct GainSpec {
    side: GainSide,
    prior: i64,
    days_max: usize,
}

impl GainSpec {
    /// Departures are scaled, 1000 persons of prior, the last 28 days of a type.
    pub const DEFAULT: Self = Self {
        side: GainSide::Departures,
        prior: 1_000,
        days_max: 28,
    };

    /// A gain of `side`, shrunken to 1 by `prior` persons counted both in and out, over the last
    /// `days_max` days of a type.
    ///
    /// # Errors
    /// [`GainError::Prior`] when it is not above 0; [`GainError::Days`] outside 1 to 366.
    pub fn try_new(side: GainSide, prior: i64, days_max: usize) -> Result<Self, GainError> {
        if prior <= 0 {
            return Err(GainError::Prior(prior));
        }
        if !(1..=DAYS_LIMIT).contains(&days_max) {
            return Err(GainError::Days(days_max));
        }
        Ok(Self {
            side,
            prior,
            days_max,
        })
    }

    /// The side that the gain scales.
    pub const fn side(self) -> GainSide {
        self.side
    }
}

/// The counts of one service day of one venue, from one known-empty time to the next.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ServiceDay {
    /// Its type.
    pub day_type: DayType,
    /// Persons counted in.
    pub arrivals: i64,
    /// Persons counted out.
    pub departures: i64,
    /// Windows between the two times: on a day of 23 or 25 hours as many as these hold.
    pub windows: u32,
    /// Windows in which every counter of the venue was heard.
    pub heard: u32,
}

/// What became of a day.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DayTaken {
    /// It is in the history.
    Used,
    /// Some window was not heard, so the sums are not of the same people.
    Incomplete,
    /// Nobody was counted in, or nobody out.
    OneSided,
}

/// A gain and what it rests on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct GainFit {
    /// The gain to apply.
    pub gain: Gain,
    /// The factor in millionths before it was held within 0.9 and 1.1; beyond, look at the
    /// counters.
    pub unclipped_ppm: u64,
    /// Days that it rests on; with 0 it is 1.
    pub days: usize,
}

impl GainFit {
    /// Whether the factor was held at 0.9 or 1.1.
    pub fn is_clipped(self) -> bool {
        self.unclipped_ppm != u64::from(self.gain.ppm)
    }
}

/// The service days of one venue from which its gains come.
/// Method [`crate::method::OCCUPANCY_GAIN`].
///
/// ```
/// use tidegate_risk::occupancy::{DayType, GainHistory, GainSpec, ServiceDay};
/// let mut market = GainHistory::new(GainSpec::DEFAULT);
/// market.take(ServiceDay {
///     day_type: DayType::Saturday, arrivals: 9_800, departures: 9_600, windows: 96, heard: 96,
/// })?;
/// // (9800 + 1000) / (9600 + 1000)
/// assert_eq!(market.fit(DayType::Saturday).gain.ppm(), 1_018_868);
/// assert_eq!(market.fit(DayType::Sunday).gain.ppm(), 1_000_000);
/// # Ok::<(), tidegate_risk::occupancy::GainError>(())
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct GainHistory {
    spec: GainSpec,
    /// Arrivals and departures, oldest first; at most `days_max` of each type.
    days: BTreeMap<DayType, VecDeque<(i64, i64)>>,
}

impl GainHistory {
    /// A history without days.
    pub fn new(spec: GainSpec) -> Self {
        Self {
            spec,
            days: BTreeMap::new(),
        }
    }

    /// Takes a day that is over; beyond the days to keep, the oldest of its type is forgotten.
    ///
    /// # Errors
    /// [`GainError::Negative`] and [`GainError::Windows`].
    pub fn take(&mut self, day: ServiceDay) -> Result<DayTaken, GainError> {
        let ServiceDay {
            day_type,
            arrivals,
            departures,
            windows,
            heard,
        } = day;
        if arrivals < 0 || departures < 0 {
            return Err(GainError::Negative {
                arrivals,
                departures,
            });
        }
        if windows == 0 || heard > windows {
            return Err(GainError::Windows { heard, windows });
        }
        if heard < windows {
            return Ok(DayTaken::Incomplete);
        }
        if arrivals == 0 || departures == 0 {
            return Ok(DayTaken::OneSided);
        }
        let days = self.days.entry(day_type).or_default();
        days.push_back((arrivals, departures));
        while days.len() > self.spec.days_max {
            days.pop_front();
        }
        Ok(DayTaken::Used)
    }

    /// The gain of days of one type: `(ΣA + k) / (ΣD + k)` with the prior `k`, or its inverse for
    /// [`GainSide::Arrivals`], rounded to millionths and held within 0.9 and 1.1.
    pub fn fit(&self, day_type: DayType) -> GainFit {
        let days = self.days.get(&day_type);
        let prior = i128::from(self.spec.prior);
        let sum = |side: fn(&(i64, i64)) -> i64| {
            let sides = days.into_iter().flatten().map(side);
            prior + sides.map(i128::from).sum::<i128>()
        };
        let (arrivals, departures) = (sum(|day| day.0), sum(|day| day.1));
        let (numerator, denominator) = match self.spec.side {
            GainSide::Departures => (arrivals, departures),
            GainSide::Arrivals => (departures, arrivals),
        };
        let rounded = (numerator * i128::from(PPM) + denominator / 2) / denominator;
        let held = rounded.clamp(i128::from(PPM_MIN), i128::from(PPM_MAX));
        GainFit {
            gain: Gain {
                side: self.spec.side,
                ppm: u32::try_from(held).expect("it was just held within the range"),
            },
            unclipped_ppm: u64::try_from(rounded).unwrap_or(u64::MAX),
            days: days.map_or(0, VecDeque::len),
        }
    }

    /// Everything remembered beside the spec.
    pub fn state(&self) -> GainState {
        let day = |day_type: DayType| {
            move |&(arrivals, departures): &(i64, i64)| GainDayState {
                day_type: day_type.number(),
                arrivals,
                departures,
            }
        };
        let days = self.days.iter();
        GainState {
            days: days
                .flat_map(|(t, days)| days.iter().map(day(*t)))
                .collect(),
        }
    }

    /// The history that goes on where `state` was taken. With fewer days to keep than it has, the
    /// oldest are forgotten.
    ///
    /// # Errors
    /// [`GainError::DayType`] and [`GainError::Negative`] for days that no history holds.
    pub fn restore(spec: GainSpec, state: &GainState) -> Result<Self, GainError> {
        let mut history = Self::new(spec);
        for day in &state.days {
            let known = DayType::ALL.get(usize::from(day.day_type));
            let taken = history.take(ServiceDay {
                day_type: *known.ok_or(GainError::DayType(day.day_type))?,
                arrivals: day.arrivals,
                departures: day.departures,
                windows: 1,
                heard: 1,
            })?;
            if taken != DayTaken::Used {
                return Err(GainError::Negative {
                    arrivals: day.arrivals,
                    departures: day.departures,
                });
            }
        }
        Ok(history)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn day(day_type: DayType, arrivals: i64, departures: i64) -> ServiceDay {
        ServiceDay {
            day_type,
            arrivals,
            departures,
            windows: 96,
            heard: 96,
        }
    }

    fn check(side: GainSide, days: &[(i64, i64)], expected_ppm: u32) {
        let mut history = GainHistory::new(GainSpec::try_new(side, 1_000, 28).unwrap());
        for &(arrivals, departures) in days {
            history
                .take(day(DayType::Working, arrivals, departures))
                .unwrap();
        }
        let fit = history.fit(DayType::Working);
        assert_eq!(fit.gain.ppm(), expected_ppm, "{side:?} {days:?}");
        assert_eq!(history.fit(DayType::Sunday).gain.ppm(), PPM);
    }

    #[test]
    fn ratios_are_shrunken_and_held() {
        use GainSide::{Arrivals, Departures};
        check(Departures, &[], 1_000_000);
        check(Departures, &[(9_800, 9_600)], 1_018_868);
        check(Arrivals, &[(9_800, 9_600)], 981_481);
        check(Departures, &[(10, 20)], 990_196);
        check(Departures, &[(4_000, 9_000), (6_000, 1_000)], 1_000_000);
        check(Departures, &[(100_000, 50_000)], 1_100_000);
        check(Departures, &[(1, i64::MAX), (1, i64::MAX)], 900_000);
        check(Arrivals, &[(1, i64::MAX)], 1_100_000);
    }

    /// A day of 23 or 25 hours is whole when the windows of these hours were heard.
    #[test]
    fn only_whole_days_count() {
        let mut history = GainHistory::new(GainSpec::DEFAULT);
        for (windows, heard, arrivals, departures, expected) in [
            (92, 92, 500, 400, DayTaken::Used),
            (100, 100, 500, 400, DayTaken::Used),
            (100, 96, 500, 400, DayTaken::Incomplete),
            (96, 96, 500, 0, DayTaken::OneSided),
            (96, 96, 0, 0, DayTaken::OneSided),
        ] {
            let day = ServiceDay {
                windows,
                heard,
                ..day(DayType::Sunday, arrivals, departures)
            };
            assert_eq!(history.take(day), Ok(expected), "{day:?}");
        }
        let fit = history.fit(DayType::Sunday);
        assert_eq!(
            (fit.days, fit.gain.ppm(), fit.is_clipped()),
            (2, 1_100_000, true)
        );
        assert_eq!(fit.unclipped_ppm, 1_111_111);
    }

    #[test]
    fn bad_input_leaves_the_history() {
        let mut history = GainHistory::new(GainSpec::DEFAULT);
        let good = day(DayType::Working, 5, 5);
        for bad in [
            ServiceDay {
                windows: 0,
                heard: 0,
                ..good
            },
            ServiceDay { heard: 97, ..good },
            ServiceDay {
                arrivals: -1,
                ..good
            },
            ServiceDay {
                departures: -1,
                ..good
            },
        ] {
            assert!(history.take(bad).is_err(), "{bad:?}");
        }
        assert_eq!(history, GainHistory::new(GainSpec::DEFAULT));
        assert!(GainSpec::try_new(GainSide::Arrivals, 0, 28).is_err());
        assert!(GainSpec::try_new(GainSide::Arrivals, 1, 0).is_err());
        assert!(Gain::try_new(GainSide::Arrivals, 899_999).is_err());
        for (day_type, arrivals) in [(3, 1), (0, 0), (0, -1)] {
            let day = GainDayState {
                day_type,
                arrivals,
                departures: 1,
            };
            let state = GainState { days: vec![day] };
            assert!(GainHistory::restore(GainSpec::DEFAULT, &state).is_err());
        }
    }

    proptest! {
        /// A restored history goes on as the one that never stopped, within its limit.
        #[test]
        fn a_restored_history_goes_on(
            days in prop::collection::vec((0..3_usize, 0..900_i64, 0..900_i64), 0..40),
            cut in any::<prop::sample::Index>(),
        ) {
            let spec = GainSpec::try_new(GainSide::Departures, 100, 7).unwrap();
            let mut whole = GainHistory::new(spec);
            let cut = cut.index(days.len() + 1);
            let take = |history: &mut GainHistory, days: &[(usize, i64, i64)]| {
                for &(t, arrivals, departures) in days {
                    history.take(day(DayType::ALL[t], arrivals, departures)).unwrap();
                }
            };
            take(&mut whole, &days[..cut]);
            let mut second = GainHistory::restore(spec, &whole.state()).unwrap();
            take(&mut whole, &days[cut..]);
            take(&mut second, &days[cut..]);
            for day_type in DayType::ALL {
                let fit = whole.fit(day_type);
                prop_assert!(fit.days <= 7);
                prop_assert!((PPM_MIN..=PPM_MAX).contains(&fit.gain.ppm()));
            }
            prop_assert_eq!(second, whole);
        }
    }
}
