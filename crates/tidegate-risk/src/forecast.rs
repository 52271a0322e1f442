//! Forecasts of one venue's count, some steps ahead, each with an interval from its own past
//! errors.
//!
//! A step is a slot of local time (15 minutes, an hour); which, the caller says, because it knows
//! the time zone and the holidays ([`Calendar`]). So a day of 23 or 25 hours needs no care here:
//! a slot is left out or comes twice.
//! The [`Model`]s are a ladder from the last value to a Kalman filter; all keep a state of bounded
//! size ([`STATE_BYTES_MAX`]), which can be stored and restored between any two steps.
//! Only [`Point::Observed`] teaches: on a missing, faulty or suppressed point time goes on, what
//! was known of the present fades, and the forecast goes back to the season.
//! Nothing here is a NaN or an infinity; where there is nothing to say, [`NoForecast`] says why.

mod slots;

mod cells;
mod evaluate;
mod level;
mod models;
mod smoothing;
mod spread;

pub use evaluate::{Sample, Score, rolling_origin};
pub use level::LocalLevel;
pub use slots::{Calendar, DayKind, PROFILE_SLOTS_MAX, SLOTS_PER_DAY_MAX, Slot};
pub use smoothing::{Gains, HoltWinters};

use std::collections::VecDeque;

use crate::method;
use crate::state::{ForecastState, SpreadState};

/// Bytes of a stored forecaster, at most: what a pipeline must reckon with for a venue.
pub const STATE_BYTES_MAX: usize = 4096;

/// The largest value that is taken for a count.
pub const VALUE_MAX: f64 = 1e9;

/// Furthest step whose errors are followed.
pub const HORIZON_MAX: u16 = 12;

/// Most steps whose errors are followed.
pub const HORIZONS_MAX: usize = 4;

/// A count or an estimate of persons: finite, 0 or more, at most [`VALUE_MAX`].
#[derive(Debug, Clone, Copy, PartialEq, PartialOrd)]
pub struct Persons(f64);

impl Persons {
    /// `value` persons.
    ///
    /// # Errors
    /// [`ForecastError::Value`].
    pub fn try_new(value: f64) -> Result<Self, ForecastError> {
        if (0.0..=VALUE_MAX).contains(&value) {
            // Not the negative zero.
            Ok(Self(value + 0.0))
        } else {
            Err(ForecastError::Value(value))
        }
    }

    /// The number.
    pub const fn get(self) -> f64 {
        self.0
    }
}

/// What came of a step. Only [`Self::Observed`] teaches a forecaster anything.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Point {
    /// A value to believe.
    Observed(Persons),
    /// Nothing came.
    Missing,
    /// What came is no measurement, or stale.
    Faulty,
    /// What came must not be used, for too few persons or for an incident that will not recur.
    Suppressed,
}

impl Point {
    /// `value` where it can be a count of persons, else faulty.
    pub fn from_value(value: f64) -> Self {
        Persons::try_new(value).map_or(Self::Faulty, Self::Observed)
    }

    /// The value to believe, if it is one.
    pub const fn observed(self) -> Option<f64> {
        match self {
            Self::Observed(persons) => Some(persons.0),
            Self::Missing | Self::Faulty | Self::Suppressed => None,
        }
    }
}

/// A way to forecast, in ascending order of what it knows.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Model {
    /// As it is now.
    LastValue,
    /// As in this slot of the week when it was last observed.
    SeasonalNaive,
    /// The median of the last four values of the slot on days of the type, and what is left of
    /// the present deviation from it. The one to take unless another was found better.
    Profile,
    /// Holt-Winters with a daily and a weekly season, on square roots.
    DoubleSeasonal,
    /// A local level, by Kalman's filter, of the logarithm of the ratio to the profile.
    LocalLevel,
}

impl Model {
    /// Every model.
    pub const ALL: [Self; 5] = [
        Self::LastValue,
        Self::SeasonalNaive,
        Self::Profile,
        Self::DoubleSeasonal,
        Self::LocalLevel,
    ];

    /// The word used in configuration and SQL.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::LastValue => "last_value",
            Self::SeasonalNaive => "seasonal_naive",
            Self::Profile => "profile",
            Self::DoubleSeasonal => "double_seasonal",
            Self::LocalLevel => "local_level",
        }
    }

    /// The model called `word`.
    pub fn from_word(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|model| model.as_str() == word)
    }

    /// The method id of a forecast by this model.
    pub const fn method(self) -> &'static str {
        match self {
            Self::LastValue => method::FORECAST_LAST_VALUE,
            Self::SeasonalNaive => method::FORECAST_SEASONAL_NAIVE,
            Self::Profile => method::FORECAST_PROFILE,
            Self::DoubleSeasonal => method::FORECAST_DOUBLE_SEASONAL,
            Self::LocalLevel => method::FORECAST_LOCAL_LEVEL,
        }
    }
}

/// Why a forecaster could not be made.
#[derive(Debug, Clone, Copy, PartialEq, thiserror::Error)]
pub enum ForecastError {
    /// A value that is no count.
    #[error("{0} is not a number of persons from 0 to 1e9")]
    Value(f64),
    /// A day of no slots, or too many.
    #[error("{0} slots a day are not 1 to 96")]
    SlotsPerDay(u16),
    /// Too many slots a day times day types.
    #[error("{0} slots of all day types are more than 448")]
    ProfileSlots(u16),
    /// A weekday or a slot that the calendar does not have.
    #[error("weekday {weekday} with slot {of_day} is not in the calendar")]
    Slot {
        /// From 0.
        weekday: u8,
        /// From 0.
        of_day: u16,
    },
    /// Steps of which there are none or too many, or that do not ascend.
    #[error("horizons must be 1 to 4 ascending numbers of steps from 1 to 12")]
    Horizons,
    /// A gain of smoothing outside 0 to 1.
    #[error("gain {0} is not between 0 and 1")]
    Gain(f64),
    /// A number of values that is not two periods.
    #[error("{0} values are not two periods of 2 or more")]
    Periods(usize),
    /// A stored state that no sequence of steps leaves behind.
    #[error("the stored {0} does not belong to a forecaster of this calendar and these horizons")]
    State(&'static str),
}

/// The steps ahead whose errors a forecaster follows: ascending, 1 to [`HORIZON_MAX`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Horizons(Vec<u16>);

impl Horizons {
    /// These steps.
    ///
    /// # Errors
    /// [`ForecastError::Horizons`].
    pub fn try_new(steps: &[u16]) -> Result<Self, ForecastError> {
        let ascending = steps.windows(2).all(|pair| pair[0] < pair[1]);
        let in_range = steps.iter().all(|step| (1..=HORIZON_MAX).contains(step));
        if (1..=HORIZONS_MAX).contains(&steps.len()) && ascending && in_range {
            Ok(Self(steps.to_vec()))
        } else {
            Err(ForecastError::Horizons)
        }
    }

    fn longest(&self) -> u16 {
        *self.0.last().expect("there is at least one horizon")
    }
}

/// Why there is no forecast.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum NoForecast {
    /// Nothing was ever observed.
    NoHistory,
    /// Nothing was observed in the slot that is asked for.
    NoSlotHistory,
    /// The last observation is more than a day before the time that is asked for.
    Gap,
}

impl NoForecast {
    /// The word used in layers and SQL.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::NoHistory => "no_history",
            Self::NoSlotHistory => "no_slot_history",
            Self::Gap => "gap",
        }
    }
}

/// From `lo` to `hi`, both finite and 0 or more.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Interval {
    /// The low end.
    pub lo: f64,
    /// The high end.
    pub hi: f64,
}

/// A forecast in the unit of the points; each interval holds the value, the second the first.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Prediction {
    /// What is expected.
    pub value: f64,
    /// Where 80 % of such forecasts' outcomes were; `None` before 8 errors are known, in which
    /// the hours that are closed (nobody expected, nobody came) are not counted.
    pub interval80: Option<Interval>,
    /// Where 95 % of such forecasts' outcomes were; `None` before 8 errors are known, in which
    /// the hours that are closed (nobody expected, nobody came) are not counted.
    pub interval95: Option<Interval>,
}

/// Forecasts one series.
///
/// ```
/// use tidegate_risk::forecast::*;
/// let calendar = Calendar::of_four(24)?;
/// let mut market = Forecaster::new(Model::Profile, calendar, Horizons::try_new(&[1])?);
/// let noon = |weekday| calendar.slot(weekday, 12, DayKind::Ordinary);
/// assert_eq!(market.forecast(1, noon(2)?), Err(NoForecast::NoHistory));
/// market.observe(noon(0)?, Point::from_value(300.0));
/// market.observe(noon(1)?, Point::from_value(320.0));
/// market.observe(noon(1)?, Point::Missing);
/// let tomorrow = market.forecast(24, noon(2)?).expect("Mondays to Thursdays are of one type");
/// assert!((tomorrow.value - 310.0).abs() < 0.1);
/// # Ok::<(), ForecastError>(())
/// ```
#[derive(Debug, Clone, PartialEq)]
pub struct Forecaster {
    model: Model,
    calendar: Calendar,
    horizons: Horizons,
    state: ForecastState,
    /// Of `state`, as a queue.
    origins: VecDeque<Option<[f64; 2]>>,
}

impl Forecaster {
    /// A forecaster without history.
    pub fn new(model: Model, calendar: Calendar, horizons: Horizons) -> Self {
        let spreads = vec![SpreadState::default(); horizons.0.len()];
        Self {
            state: ForecastState {
                model: models::empty(model, &calendar),
                origins: Vec::new(),
                spreads,
            },
            model,
            calendar,
            horizons,
            origins: VecDeque::new(),
        }
    }

    /// The model.
    pub const fn model(&self) -> Model {
        self.model
    }

    /// Everything remembered beside the model's name, the calendar and the horizons.
    pub fn state(&self) -> ForecastState {
        ForecastState {
            origins: self.origins.iter().copied().collect(),
            ..self.state.clone()
        }
    }

    /// The forecaster that goes on where `state` was taken.
    ///
    /// # Errors
    /// [`ForecastError::State`] when it was taken of another model, calendar or number of
    /// horizons, or holds what no sequence of steps leaves behind.
    pub fn restore(
        model: Model,
        calendar: Calendar,
        horizons: Horizons,
        state: ForecastState,
    ) -> Result<Self, ForecastError> {
        models::check(model, &calendar, &state.model)?;
        let number = |value: &f64| value.is_finite();
        let origins_fit = state.origins.len() <= usize::from(horizons.longest())
            && state.origins.iter().flatten().flatten().all(number);
        if !origins_fit {
            return Err(ForecastError::State("origins"));
        }
        let spreads_fit = state.spreads.len() == horizons.0.len()
            && state
                .spreads
                .iter()
                .flat_map(|spread| [spread.scale, spread.q80, spread.q95])
                .all(|value| (0.0..=VALUE_MAX).contains(&value));
        if !spreads_fit {
            return Err(ForecastError::State("spreads"));
        }
        Ok(Self {
            origins: state.origins.iter().copied().collect(),
            state: ForecastState {
                origins: Vec::new(),
                ..state
            },
            model,
            calendar,
            horizons,
        })
    }

    /// Takes what came of the next step, which was `slot` of this forecaster's calendar.
    pub fn observe(&mut self, slot: Slot, point: Point) {
        let ForecastState { model, spreads, .. } = &mut self.state;
        if let Some(value) = point.observed() {
            for (steps, spread) in self.horizons.0.iter().zip(spreads) {
                // The forecast that was made `steps` ago, from what was known then. Seasons are
                // the present ones: this slot's are as they were, unless it was given twice.
                let past = self.origins.len().checked_sub(usize::from(*steps));
                let origin = past.and_then(|index| *self.origins.get(index)?);
                let known = past
                    .is_some()
                    .then(|| models::predict(model, origin, *steps, slot));
                if let Some(Ok(forecast)) = known {
                    spread::learn(spread, forecast, value);
                }
            }
            models::learn(model, slot, value);
        } else {
            models::skip(model);
        }
        if self.origins.len() == usize::from(self.horizons.longest()) {
            self.origins.pop_front();
        }
        self.origins.push_back(models::origin(&self.state.model));
    }

    /// What is expected `steps` after the last step (0 is taken as 1), which will be `target` of
    /// this forecaster's calendar.
    ///
    /// The interval is from the errors of the next horizon that is followed at or above `steps`;
    /// beyond the longest, from its errors times the root of how much longer.
    ///
    /// # Errors
    /// [`NoForecast`] says why there is none.
    pub fn forecast(&self, steps: u16, target: Slot) -> Result<Prediction, NoForecast> {
        let steps = steps.max(1);
        let model = &self.state.model;
        let value = models::predict(model, models::origin(model), steps, target)?;
        let longest = self.horizons.longest();
        let index = self.horizons.0.iter().position(|horizon| *horizon >= steps);
        let spread = match index {
            Some(index) => self.state.spreads.get(index),
            None => self.state.spreads.last(),
        };
        let widening = (f64::from(steps) / f64::from(longest)).max(1.0).sqrt();
        let intervals = spread.and_then(|spread| spread::intervals(spread, value, widening));
        Ok(Prediction {
            value,
            interval80: intervals.map(|(interval80, _)| interval80),
            interval95: intervals.map(|(_, interval95)| interval95),
        })
    }
}

#[cfg(test)]
mod tests;
