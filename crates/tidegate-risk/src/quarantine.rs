//! Persons in quarantine on each day ahead, against the places available.
//!
//! Days are counted from today, 0. A person who arrives on a day and is held takes a place on
//! that day and the following ones of the stay. Those who are present now leave on their release
//! dates, for certain.
//!
//! The number of new occupants is a sum of thinned forecasts. Its mean and variance are exact;
//! its distribution is taken as the binomial, Poisson or negative binomial number with these two
//! moments ([`crate::counts`]), which is exact when all terms share the held share and have no
//! forecast error, and when all are Poisson. Otherwise quantiles are off by at most one person
//! or 2 %, and 7 % where the forecasts' intervals are as wide as ± 100 %.

use crate::importation::{Held, count};
use crate::moments::{CountDistribution, CountError, CountInterval, Coverage};

/// Most days ahead.
pub const DAYS_MAX: usize = 366;

/// Why there is no load.
#[derive(Debug, Clone, Copy, PartialEq, thiserror::Error)]
pub enum QuarantineError {
    /// A forecast whose numbers are not finite, below 0, above 1e9, or do not ascend.
    #[error("forecast low {lo}, middle {mid}, high {hi} must ascend from 0 to 1e9")]
    Forecast {
        /// The low end.
        lo: f64,
        /// The middle.
        mid: f64,
        /// The high end.
        hi: f64,
    },
    /// No days, or too many.
    #[error("{0} days ahead are not 1 to 366")]
    Days(usize),
    /// A forecast that does not reach as many days ahead as the load.
    #[error("a forecast of {forecast} days does not reach {days} days ahead")]
    ForecastDays {
        /// Days of the forecast.
        forecast: usize,
        /// Days of the load.
        days: usize,
    },
    /// More present occupants than can be counted.
    #[error("present occupants overflow a count")]
    Present,
    /// More than 1e9 persons.
    #[error(transparent)]
    Count(#[from] CountError),
}

/// The arrivals of one day, forecast with a central 90 % interval.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct DayForecast {
    mean: f64,
    sd: f64,
}

impl DayForecast {
    /// `mid` persons expected, 90 % between `lo` and `hi`: `0 <= lo <= mid <= hi <= 1e9`.
    ///
    /// The standard deviation is the interval's width over that of a normal distribution's.
    ///
    /// # Errors
    /// [`QuarantineError::Forecast`].
    pub fn try_new(lo: f64, mid: f64, hi: f64) -> Result<Self, QuarantineError> {
        if 0.0 <= lo && lo <= mid && mid <= hi && hi <= 1e9 {
            Ok(Self {
                mean: mid,
                sd: (hi - lo) / (2.0 * Coverage::Ninety.z()),
            })
        } else {
            Err(QuarantineError::Forecast { lo, mid, hi })
        }
    }

    /// Exactly `persons`.
    ///
    /// # Errors
    /// [`QuarantineError::Forecast`] above 1e9.
    pub fn try_exactly(persons: u64) -> Result<Self, QuarantineError> {
        Self::try_new(count(persons), count(persons), count(persons))
    }
}

/// Arrivals from one listed origin, or from all of one tier.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct HeldArrivals<'a> {
    /// Who is held and for how long.
    pub held: Held,
    /// Arrivals of each day ahead, today first.
    pub forecast: &'a [DayForecast],
}

/// Persons in quarantine now who leave together.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Present {
    /// How many.
    pub persons: u64,
    /// Days from today on which their places are free again; 0 for today and overdue.
    pub release_day: usize,
}

/// How the errors of forecasts of different days and origins go together.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ForecastErrors {
    /// They do not; they average themselves out.
    Independent,
    /// All are too low or too high at once; the careful assumption.
    Shared,
}

/// What is asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Question<'a> {
    /// Occupants now.
    pub present: &'a [Present],
    /// How errors go together.
    pub errors: ForecastErrors,
    /// Places, occupied ones included.
    pub places: u64,
    /// Days ahead, today included: 1 to 366.
    pub days: usize,
}

/// Persons in quarantine on one day.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct DayLoad {
    /// Days from today.
    pub day: usize,
    /// Of those present now, persons who are still there.
    pub staying: u64,
    /// Expected persons, `staying` included.
    pub expected: f64,
    /// Central 90 % interval: 5 % on each side.
    pub interval90: CountInterval,
    /// The number that is not exceeded with a probability of 90 %.
    pub bound90: u64,
    /// Places less `bound90`; negative when so many are missing.
    pub places_left90: i64,
    /// The probability that there are more persons than places.
    pub over_places: f64,
}

/// The load of each day ahead. Method [`crate::method::QUARANTINE_LOAD`].
///
/// # Errors
/// [`QuarantineError::Days`]; [`QuarantineError::ForecastDays`] when a forecast is shorter than
/// the days asked for; [`QuarantineError::Present`] and [`QuarantineError::Count`] for too many
/// persons.
///
/// ```
/// use tidegate_risk::importation::Held;
/// use tidegate_risk::quarantine::{
///     DayForecast, ForecastErrors, HeldArrivals, Present, Question, load,
/// };
/// let forecast = [DayForecast::try_new(80.0, 100.0, 120.0)?; 3];
/// let arrivals = HeldArrivals { held: Held::try_new(0.5, 2).unwrap(), forecast: &forecast };
/// let question = Question {
///     present: &[Present { persons: 40, release_day: 1 }],
///     errors: ForecastErrors::Shared,
///     places: 130,
///     days: 3,
/// };
/// let days = load(&[arrivals], question)?;
/// let expected: Vec<f64> = days.iter().map(|day| day.expected).collect();
/// assert_eq!(expected, [90.0, 100.0, 100.0]);
/// # Ok::<(), tidegate_risk::quarantine::QuarantineError>(())
/// ```
pub fn load(
    arrivals: &[HeldArrivals<'_>],
    question: Question<'_>,
) -> Result<Vec<DayLoad>, QuarantineError> {
    let days = question.days;
    if days == 0 || days > DAYS_MAX {
        return Err(QuarantineError::Days(days));
    }
    for origin in arrivals {
        if origin.forecast.len() < days {
            return Err(QuarantineError::ForecastDays {
                forecast: origin.forecast.len(),
                days,
            });
        }
    }
    (0..days)
        .map(|day| day_load(arrivals, question, day))
        .collect()
}

fn day_load(
    arrivals: &[HeldArrivals<'_>],
    question: Question<'_>,
    day: usize,
) -> Result<DayLoad, QuarantineError> {
    let staying = staying(question.present, day)?;
    let moments = moments(arrivals, question.errors, day);
    let new = CountDistribution::try_from_moments(moments.mean, moments.variance)?;
    let plus = |persons: u64| persons.checked_add(staying).ok_or(QuarantineError::Present);
    let interval = new.interval(Coverage::Ninety);
    let bound90 = plus(new.quantile(0.9))?;
    Ok(DayLoad {
        day,
        staying,
        expected: count(staying) + moments.mean,
        interval90: CountInterval {
            lo: plus(interval.lo)?,
            hi: plus(interval.hi)?,
        },
        bound90,
        places_left90: difference(question.places, bound90),
        over_places: match question.places.checked_sub(staying) {
            Some(free) => 1.0 - new.at_most(free),
            None => 1.0,
        },
    })
}

fn staying(present: &[Present], day: usize) -> Result<u64, QuarantineError> {
    let there = present.iter().filter(|group| group.release_day > day);
    there
        .map(|group| group.persons)
        .try_fold(0_u64, u64::checked_add)
        .ok_or(QuarantineError::Present)
}

#[derive(Debug, Clone, Copy, PartialEq)]
struct Moments {
    mean: f64,
    variance: f64,
}

/// Mean and variance of those who came since today and are still held on `day`: of `N` arrivals
/// the held are `h E N`, with variance `h (1 - h) E N + h² Var N`.
fn moments(arrivals: &[HeldArrivals<'_>], errors: ForecastErrors, day: usize) -> Moments {
    let (mut mean, mut chance, mut squares, mut errors_sum) = (0.0, 0.0, 0.0, 0.0);
    for origin in arrivals {
        let share = origin.held.share();
        let stay = usize::try_from(origin.held.stay_days()).unwrap_or(usize::MAX);
        let first = (day + 1).saturating_sub(stay);
        for forecast in &origin.forecast[first..=day] {
            let (held, error) = (share * forecast.mean, share * forecast.sd);
            mean += held;
            chance += held * (1.0 - share);
            squares += error * error;
            errors_sum += error;
        }
    }
    let forecast_variance = match errors {
        ForecastErrors::Independent => squares,
        ForecastErrors::Shared => errors_sum * errors_sum,
    };
    Moments {
        mean,
        variance: chance + forecast_variance,
    }
}

fn difference(places: u64, persons: u64) -> i64 {
    let difference = i128::from(places) - i128::from(persons);
    i64::try_from(difference).unwrap_or(if difference < 0 { i64::MIN } else { i64::MAX })
}

#[cfg(test)]
mod tests;
