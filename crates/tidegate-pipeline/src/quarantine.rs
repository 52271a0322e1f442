//! Persons in quarantine on each day ahead: what the arrivals of listed origins will need.
//!
//! A layer gives the arrivals of each origin in a window (`subject_kind` is `origin`, each traveller
//! once); their sums over local days are kept for the origins whose tier holds travellers. Days that
//! are over teach a forecast for each origin; those of the last stay are taken as present, the
//! tier's share of them exactly. `tidegate_risk::quarantine` makes the load from both.
//!
//! A day in which an origin had a value that cannot be believed, or no window closed, is missing:
//! it teaches nothing, adds nobody, and is told in `days_missing`.

mod spec;
mod state;

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::{Arc, LazyLock};

use arrow::array::{Array, ArrayRef, AsArray, Float64Array, Int64Array, RecordBatch, StringArray};
use arrow::datatypes::{DataType, Field, Float64Type, Schema, SchemaRef};
use jiff::civil::Date;
use jiff::tz::TimeZone;
use tidegate_model::EventTime;
use tidegate_risk::forecast::{
    Calendar, DayKind, Forecaster, Horizons, Interval, Model, Point, Prediction,
};
use tidegate_risk::importation::Held;
use tidegate_risk::method;
use tidegate_risk::moments::{CountDistribution, CountInterval, Coverage};
use tidegate_risk::quarantine::{
    DayForecast, DayLoad, ForecastErrors, HeldArrivals, Present, QuarantineError, Question, load,
};

pub(crate) use spec::QuarantineSpec;
use state::OriginDaysState;
pub(crate) use state::QuarantineState;

/// The `quarantine_load` table: one row a day ahead, today first, as of the window that fires.
///
/// `expected` persons with a 90 % interval; `bound90` is not exceeded with a probability of 90 %;
/// `places_left90` is `places` less that; `over_places` is the probability that there are more
/// persons than places; `staying` are those of `expected` who came before today. All are null with a
/// `reason` where an origin has no forecast. `days_missing` counts the days of the last stay of any
/// origin whose arrivals are not known.
pub(crate) static QUARANTINE_SCHEMA: LazyLock<SchemaRef> = LazyLock::new(|| {
    let number = |name| Field::new(name, DataType::Float64, true);
    let whole = |name| Field::new(name, DataType::Int64, true);
    Arc::new(Schema::new(vec![
        Field::new("date", DataType::Utf8, false),
        Field::new("days_ahead", DataType::Int64, false),
        number("expected"),
        whole("lo90"),
        whole("hi90"),
        whole("bound90"),
        Field::new("places", DataType::Int64, false),
        whole("places_left90"),
        number("over_places"),
        whole("staying"),
        Field::new("days_missing", DataType::Int64, false),
        Field::new("method", DataType::Utf8, false),
        Field::new("reason", DataType::Utf8, true),
    ]))
});

/// Steps whose errors are followed, in days.
const HORIZONS: [u16; 4] = [1, 3, 7, 12];

/// Days without windows after which the days before are forgotten: no stay is longer.
const GAP_DAYS_MAX: usize = 366;

/// Why a quarantine cannot go on from a stored state.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
pub(crate) enum QuarantineRestoreError {
    /// The origins held are not those of the state.
    #[error("origin {0:?} is stored and not held, or held and not stored")]
    Origin(String),
    /// A date, a number of days or a forecast that no steps leave behind.
    #[error("origin {0:?} has days or a forecast that cannot have come to be")]
    Days(String),
}

/// See the module documentation.
#[derive(Debug)]
pub(crate) struct Quarantine {
    spec: QuarantineSpec,
    zone: TimeZone,
    /// The local day of the last window.
    today: Option<Date>,
    origins: BTreeMap<String, OriginDays>,
}

/// The arrivals of one origin by local day.
#[derive(Debug, Clone)]
struct OriginDays {
    held: Held,
    forecaster: Forecaster,
    /// Days that are over, the newest last, as many as a stay has; `None` is not known.
    past: VecDeque<Option<u64>>,
    today: u64,
    /// Whether all of today's values could be believed.
    is_whole: bool,
}

impl Quarantine {
    /// Of which nothing is known, for the origins that are held.
    pub(crate) fn new<'a>(
        spec: QuarantineSpec,
        zone: &TimeZone,
        held: impl Iterator<Item = (&'a str, Held)>,
    ) -> Self {
        let origins = held.map(|(origin, held)| (origin.to_owned(), OriginDays::new(held)));
        Self {
            spec,
            zone: zone.clone(),
            today: None,
            origins: origins.collect(),
        }
    }

    /// The layer of arrivals.
    pub(crate) const fn layer(&self) -> usize {
        self.spec.layer
    }

    /// Takes the arrivals of the window that ended at `end`, and gives rows of
    /// [`QUARANTINE_SCHEMA`].
    pub(crate) fn step(&mut self, end: EventTime, arrivals: &RecordBatch) -> RecordBatch {
        let Some(date) = self.date(end) else {
            return RecordBatch::new_empty(Arc::clone(&QUARANTINE_SCHEMA));
        };
        self.go_to(date);
        let text = |name| column(arrivals, name).as_string::<i32>();
        let (kinds, subjects, states) = (text("subject_kind"), text("subject"), text("status"));
        let values = column(arrivals, "value").as_primitive::<Float64Type>();
        for row in 0..arrivals.num_rows() {
            if kinds.value(row) != "origin" {
                continue;
            }
            if let Some(origin) = self.origins.get_mut(subjects.value(row)) {
                let is_believed = values.is_valid(row) && states.is_null(row);
                origin.add(is_believed.then(|| values.value(row)));
            }
        }
        self.table(date)
    }

    /// The local day of the last instant before `end`.
    fn date(&self, end: EventTime) -> Option<Date> {
        let last = jiff::Timestamp::from_microsecond(end.micros().checked_sub(1)?).ok()?;
        Some(last.to_zoned_datetime(self.zone.clone()).date())
    }

    /// Closes the days before `date`.
    fn go_to(&mut self, date: Date) {
        let since = self.today.replace(date).unwrap_or(date);
        let days = std::iter::successors(Some(since), |day| day.tomorrow().ok());
        for (index, day) in days.take_while(|day| *day < date).enumerate() {
            if index > GAP_DAYS_MAX {
                break;
            }
            for origin in self.origins.values_mut() {
                origin.close(day, index == 0);
            }
        }
    }

    fn table(&self, today: Date) -> RecordBatch {
        let days = self.spec.days;
        let loads = self.loads(today);
        let dates: Vec<Date> = std::iter::successors(Some(today), |day| day.tomorrow().ok())
            .take(days)
            .collect();
        let row = |index: usize| loads.as_ref().ok().and_then(|loads| loads.get(index));
        let number = |value: fn(&DayLoad) -> f64| -> ArrayRef {
            let values = (0..dates.len()).map(|index| row(index).map(value));
            Arc::new(values.collect::<Float64Array>())
        };
        let whole = |value: fn(&DayLoad) -> i64| -> ArrayRef {
            let values = (0..dates.len()).map(|index| row(index).map(value));
            Arc::new(values.collect::<Int64Array>())
        };
        let all = |value: i64| -> ArrayRef { Arc::new(Int64Array::from(vec![value; dates.len()])) };
        let ahead = (0..).take(dates.len());
        let missing = self.origins.values().map(OriginDays::days_missing).sum();
        let columns: Vec<ArrayRef> = vec![
            Arc::new(StringArray::from_iter_values(
                dates.iter().map(Date::to_string),
            )),
            Arc::new(Int64Array::from_iter_values(ahead)),
            number(|load| load.expected),
            whole(|load| signed(load.interval90.lo)),
            whole(|load| signed(load.interval90.hi)),
            whole(|load| signed(load.bound90)),
            all(signed(self.spec.places)),
            whole(|load| load.places_left90),
            number(|load| load.over_places),
            whole(|load| signed(load.staying)),
            all(missing),
            Arc::new(StringArray::from(vec![
                method::QUARANTINE_LOAD;
                dates.len()
            ])),
            Arc::new(StringArray::from(vec![
                loads.as_ref().err().copied();
                dates.len()
            ])),
        ];
        RecordBatch::try_new(Arc::clone(&QUARANTINE_SCHEMA), columns)
            .expect("the columns are those of the schema")
    }

    /// The load of each day; why there is none, else.
    fn loads(&self, today: Date) -> Result<Vec<DayLoad>, &'static str> {
        let mut forecasts = Vec::with_capacity(self.origins.len());
        let mut present = Vec::new();
        for origin in self.origins.values() {
            let days = origin.forecast(today, self.spec.days);
            forecasts.push((origin.held, days.ok_or("no_history")?));
            present.extend(origin.present());
        }
        let arrivals: Vec<HeldArrivals<'_>> = forecasts
            .iter()
            .map(|(held, forecast)| HeldArrivals {
                held: *held,
                forecast,
            })
            .collect();
        let question = Question {
            present: &present,
            errors: ForecastErrors::Shared,
            places: self.spec.places,
            days: self.spec.days,
        };
        load(&arrivals, question).map_err(|error| match error {
            QuarantineError::Forecast { .. }
            | QuarantineError::Present
            | QuarantineError::Count(_) => "too_many_persons",
            QuarantineError::Days(_) | QuarantineError::ForecastDays { .. } => {
                unreachable!("the days are checked when the pipeline is loaded")
            }
        })
    }

    /// Everything that is remembered.
    pub(crate) fn state(&self) -> QuarantineState {
        let origin = |(name, days): (&String, &OriginDays)| OriginDaysState {
            origin: name.clone(),
            forecast: days.forecaster.state(),
            past: days.past.iter().copied().collect(),
            today: days.today,
            is_whole: days.is_whole,
        };
        QuarantineState {
            today: self.today.map(|date| date.to_string()),
            origins: self.origins.iter().map(origin).collect(),
        }
    }

    /// Goes on where `state` was taken.
    ///
    /// # Errors
    /// [`QuarantineRestoreError`].
    pub(crate) fn restore(&mut self, state: QuarantineState) -> Result<(), QuarantineRestoreError> {
        let wrong = |origin: &str| QuarantineRestoreError::Days(origin.to_owned());
        self.today = match &state.today {
            Some(text) => Some(text.parse().map_err(|_| wrong(text))?),
            None => None,
        };
        if let Some(origin) = unequal(&state, &self.origins) {
            return Err(QuarantineRestoreError::Origin(origin));
        }
        for stored in state.origins {
            let days = self
                .origins
                .get_mut(&stored.origin)
                .expect("compared before");
            let forecaster =
                Forecaster::restore(Model::Profile, calendar(), horizons(), stored.forecast);
            days.forecaster = forecaster.map_err(|_| wrong(&stored.origin))?;
            if stored.past.len() > days.stay() {
                return Err(wrong(&stored.origin));
            }
            days.past = stored.past.into();
            (days.today, days.is_whole) = (stored.today, stored.is_whole);
        }
        Ok(())
    }
}

/// The first origin that is not both stored and held.
fn unequal(state: &QuarantineState, held: &BTreeMap<String, OriginDays>) -> Option<String> {
    let stored = state.origins.iter().map(|row| row.origin.as_str());
    let stored: BTreeSet<&str> = stored.collect();
    let held = held.keys().map(String::as_str).collect();
    let first = stored.symmetric_difference(&held).next();
    first.map(|origin| (*origin).to_owned())
}

impl OriginDays {
    fn new(held: Held) -> Self {
        Self {
            held,
            forecaster: Forecaster::new(Model::Profile, calendar(), horizons()),
            past: VecDeque::new(),
            today: 0,
            is_whole: true,
        }
    }

    /// Days of a stay.
    fn stay(&self) -> usize {
        usize::try_from(self.held.stay_days()).expect("a stay is at most 365 days")
    }

    /// Adds the arrivals of a window; `None` cannot be believed.
    fn add(&mut self, persons: Option<f64>) {
        match persons.filter(|persons| (0.0..=1e9).contains(persons)) {
            #[expect(
                clippy::cast_possible_truncation,
                clippy::cast_sign_loss,
                reason = "checked"
            )]
            Some(persons) => self.today = self.today.saturating_add(persons.round() as u64),
            None => self.is_whole = false,
        }
    }

    /// The day is over. Days without any window are not known.
    fn close(&mut self, day: Date, was_seen: bool) {
        let persons = (was_seen && self.is_whole).then_some(self.today);
        (self.today, self.is_whole) = (0, true);
        let point = persons.map_or(Point::Missing, |persons| Point::from_value(float(persons)));
        self.forecaster.observe(slot(day), point);
        if self.past.len() == self.stay() {
            self.past.pop_front();
        }
        self.past.push_back(persons);
    }

    /// How many of the days of the last stay are not known.
    fn days_missing(&self) -> i64 {
        let missing = self.past.iter().filter(|day| day.is_none()).count();
        i64::try_from(missing).unwrap_or(i64::MAX)
    }

    /// Those who arrived on days that are over and are held still.
    fn present(&self) -> impl Iterator<Item = Present> {
        let (share, stay) = (self.held.share(), self.stay());
        let ago = self.past.iter().rev().zip(1..stay);
        ago.filter_map(move |(persons, days_ago)| {
            #[expect(
                clippy::cast_possible_truncation,
                clippy::cast_sign_loss,
                reason = "a share of persons"
            )]
            let held = (float((*persons)?) * share).round() as u64;
            Some(Present {
                persons: held,
                release_day: stay - days_ago,
            })
        })
    }

    /// The arrivals of each day ahead, today first; `None` when no day was ever known.
    fn forecast(&self, today: Date, days: usize) -> Option<Vec<DayForecast>> {
        let dates = std::iter::successors(Some(today), |day| day.tomorrow().ok());
        let steps = 1..=u16::try_from(days).unwrap_or(u16::MAX);
        dates
            .zip(steps)
            .map(|(date, step)| {
                let at_least = if date == today { self.today } else { 0 };
                self.day(date, step, float(at_least))
            })
            .collect()
    }

    /// One day ahead, of which `at_least` have come already.
    ///
    /// Before the errors of forecasts are known, the number is taken as negative binomial with a
    /// size of 1; a day of a type that was never seen is taken as the mean of the days of a stay.
    fn day(&self, date: Date, step: u16, at_least: f64) -> Option<DayForecast> {
        let known = self.forecaster.forecast(step, slot(date)).ok();
        let value = match known {
            Some(prediction) => prediction.value,
            None => self.mean()?,
        };
        let interval = known.and_then(normal90);
        let (lo, hi) = match interval {
            Some(interval) => interval,
            None => wide90(value)?,
        };
        let mid = value.max(at_least);
        DayForecast::try_new(lo.max(at_least).min(mid), mid, hi.max(mid)).ok()
    }

    fn mean(&self) -> Option<f64> {
        let known: Vec<f64> = self.past.iter().flatten().copied().map(float).collect();
        #[expect(clippy::cast_precision_loss, reason = "at most 365 days")]
        (!known.is_empty()).then(|| known.iter().sum::<f64>() / known.len() as f64)
    }
}

/// The 90 % interval of which `prediction` tells the 80 % one, as of a normal distribution.
fn normal90(prediction: Prediction) -> Option<(f64, f64)> {
    let Interval { lo, hi } = prediction.interval80?;
    let ratio = Coverage::Ninety.z() / Coverage::Eighty.z();
    let value = prediction.value;
    Some((
        (value - (value - lo) * ratio).max(0.0),
        value + (hi - value) * ratio,
    ))
}

/// The 90 % interval of a number of which nothing but the mean is known.
fn wide90(mean: f64) -> Option<(f64, f64)> {
    let distribution = CountDistribution::negative_binomial(mean, 1.0).ok()?;
    let CountInterval { lo, hi } = distribution.interval(Coverage::Ninety);
    Some((float(lo), float(hi)))
}

fn calendar() -> Calendar {
    Calendar::of_four(1).expect("a day of one slot is a calendar")
}

fn horizons() -> Horizons {
    Horizons::try_new(&HORIZONS).expect("they ascend")
}

fn slot(day: Date) -> tidegate_risk::forecast::Slot {
    let weekday = u8::try_from(day.weekday().to_monday_zero_offset()).expect("0 to 6");
    calendar()
        .slot(weekday, 0, DayKind::Ordinary)
        .expect("a weekday and the only slot of its day")
}

#[expect(clippy::cast_precision_loss, reason = "exact below 2^53 persons")]
fn float(persons: u64) -> f64 {
    persons as f64
}

fn signed(persons: u64) -> i64 {
    i64::try_from(persons).unwrap_or(i64::MAX)
}

fn column<'a>(rows: &'a RecordBatch, name: &str) -> &'a ArrayRef {
    rows.column_by_name(name).expect("a layer's column")
}

#[cfg(test)]
mod tests;
