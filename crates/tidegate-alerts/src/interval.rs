//! Times of the week in which rules are active, in local time.
//!
//! An interval belongs to the local day on which it begins: `from = "22:00", to = "02:00"` on
//! Fridays ends on Saturday at 02:00, and is a holiday's when the Friday is one. Both ends are
//! instants: a time that the clocks skip comes as much later as they skip, of a time that comes
//! twice the first counts. So intervals that follow one another neither overlap nor
//! leave a gap on the days on which the clocks change.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use jiff::Timestamp;
use jiff::civil::Date;
use jiff::tz::{TimeZone, TimeZoneDatabase};
use tidegate_model::EventTime;

use crate::rule::Problem;

const MINUTES_A_DAY: u16 = 24 * 60;

/// One `[[time_interval]]` of `rules.toml`: when the rules that name it are active.
///
/// ```toml
/// [[time_interval]]
/// name = "opening-hours"
/// times = [{ from = "06:00", to = "22:00" }]
/// weekdays = ["mon", "tue", "wed", "thu", "fri"]
/// holidays = "never"
/// time_zone = "Asia/Shanghai"
/// ```
#[derive(Debug, Clone, PartialEq, Eq, serde::Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct TimeIntervalConfig {
    /// The name by which rules know it, unique in the file.
    pub name: String,
    /// Times of the day; one that ends at or before its start passes midnight. Without it, the
    /// whole day.
    #[serde(default)]
    pub times: Option<Vec<TimesConfig>>,
    /// Days of the week: `mon`, `tue`, `wed`, `thu`, `fri`, `sat`, `sun`. Without it, all.
    #[serde(default)]
    pub weekdays: Option<Vec<Weekday>>,
    /// Whether public holidays count: `any` (default), `only` on them, or `never` on them.
    #[serde(default)]
    pub holidays: HolidayRule,
    /// The IANA name of the zone of its times. Without it, the pipeline's.
    #[serde(default)]
    pub time_zone: Option<String>,
}

/// A part of the day: from the first minute to before the last.
#[derive(Debug, Clone, PartialEq, Eq, serde::Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct TimesConfig {
    /// `HH:MM`.
    pub from: String,
    /// `HH:MM`, to `24:00`.
    pub to: String,
}

/// A day of the week.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "snake_case")]
#[expect(missing_docs, reason = "the names say it")]
pub enum Weekday {
    Mon,
    Tue,
    Wed,
    Thu,
    Fri,
    Sat,
    Sun,
}

/// Whether an interval is about public holidays.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, serde::Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum HolidayRule {
    /// They are days as any other.
    #[default]
    Any,
    /// Only on them.
    Only,
    /// Not on them.
    Never,
}

/// The checked intervals of a pipeline, by name.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct TimeIntervals(BTreeMap<String, Arc<TimeInterval>>);

impl TimeIntervals {
    /// Checks all intervals; those without a `time_zone` are in `zone`.
    ///
    /// # Errors
    /// All problems, each with the index of its interval.
    pub fn try_new(
        configs: &[TimeIntervalConfig],
        zone: &TimeZone,
    ) -> Result<Self, Vec<(usize, Problem)>> {
        let mut intervals = BTreeMap::new();
        let mut problems = Vec::new();
        for (index, config) in configs.iter().enumerate() {
            match TimeInterval::try_new(config, zone) {
                Ok(interval) if intervals.contains_key(&interval.name) => {
                    let message = format!("{:?} is the name of an earlier one too", config.name);
                    problems.push((index, Problem::new("name", message)));
                }
                Ok(interval) => {
                    intervals.insert(interval.name.clone(), Arc::new(interval));
                }
                Err(found) => problems.extend(found.into_iter().map(|problem| (index, problem))),
            }
        }
        if problems.is_empty() {
            Ok(Self(intervals))
        } else {
            Err(problems)
        }
    }

    /// The names, ascending.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.0.keys().map(String::as_str)
    }

    pub(crate) fn get(&self, name: &str) -> Option<&Arc<TimeInterval>> {
        self.0.get(name)
    }
}

/// A checked interval.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct TimeInterval {
    name: String,
    /// Minutes from the start of the local day; the end is after the start, and may be in the next
    /// day.
    times: Vec<(u16, u16)>,
    /// Monday is bit 0.
    weekdays: u8,
    holidays: HolidayRule,
    zone: TimeZone,
}

impl TimeInterval {
    fn try_new(config: &TimeIntervalConfig, zone: &TimeZone) -> Result<Self, Vec<Problem>> {
        let mut problems = Vec::new();
        let mut add = |key: &str, message: String| problems.push(Problem::new(key, message));
        if config.name.trim().is_empty() {
            add("name", "is empty".to_owned());
        }
        let mut times = Vec::new();
        match &config.times {
            None => times.push((0, MINUTES_A_DAY)),
            Some(parts) if parts.is_empty() => add("times", "allows no time at all".to_owned()),
            Some(parts) => {
                for (index, part) in parts.iter().enumerate() {
                    match part.minutes() {
                        Ok(minutes) => times.push(minutes),
                        Err((key, message)) => add(&format!("times[{index}].{key}"), message),
                    }
                }
            }
        }
        let all = (1 << 7) - 1;
        let listed = config.weekdays.as_deref().map(|days| {
            let bits = days.iter().map(|day| 1_u8 << (*day as u8));
            bits.fold(0, |all, bit| all | bit)
        });
        if listed == Some(0) {
            add("weekdays", "allows no day at all".to_owned());
        }
        let zone = match &config.time_zone {
            None => zone.clone(),
            Some(name) => TimeZoneDatabase::bundled().get(name).unwrap_or_else(|_| {
                add("time_zone", format!("{name:?} is not an IANA time zone"));
                TimeZone::UTC
            }),
        };
        if !problems.is_empty() {
            return Err(problems);
        }
        Ok(Self {
            name: config.name.clone(),
            times,
            weekdays: listed.unwrap_or(all),
            holidays: config.holidays,
            zone,
        })
    }

    pub(crate) fn name(&self) -> &str {
        &self.name
    }

    /// Whether `at` lies in it.
    pub(crate) fn contains(&self, at: EventTime, holidays: &BTreeSet<Date>) -> bool {
        let Ok(at) = Timestamp::from_microsecond(at.micros()) else {
            return false;
        };
        let today = self.zone.to_datetime(at).date();
        // Yesterday's may pass midnight; clocks that go back over midnight give tomorrow's today.
        let days = [today.yesterday(), Ok(today), today.tomorrow()];
        let mut days = days.into_iter().flatten();
        days.any(|day| {
            self.is_on(day, holidays)
                && self.times.iter().any(|(from, to)| {
                    let (from, to) = (self.instant(day, *from), self.instant(day, *to));
                    from.is_some_and(|from| from <= at) && to.is_some_and(|to| at < to)
                })
        })
    }

    fn is_on(&self, day: Date, holidays: &BTreeSet<Date>) -> bool {
        let bit = 1_u8 << day.weekday().to_monday_zero_offset();
        self.weekdays & bit != 0
            && match self.holidays {
                HolidayRule::Any => true,
                HolidayRule::Only => holidays.contains(&day),
                HolidayRule::Never => !holidays.contains(&day),
            }
    }

    /// The instant `minutes` after the start of the local `day`, by the clock on the wall.
    fn instant(&self, day: Date, minutes: u16) -> Option<Timestamp> {
        let day = if minutes < MINUTES_A_DAY {
            day
        } else {
            day.tomorrow().ok()?
        };
        let minutes = minutes % MINUTES_A_DAY;
        let (hour, minute) = (minutes / 60, minutes % 60);
        let wall = day.at(i8::try_from(hour).ok()?, i8::try_from(minute).ok()?, 0, 0);
        self.zone.to_ambiguous_timestamp(wall).compatible().ok()
    }

    /// All of it, however it was written, for the hash of a rule.
    pub(crate) fn content(&self) -> String {
        let mut times = self.times.clone();
        times.sort_unstable();
        times.dedup();
        let zone = match self.zone.iana_name() {
            Some(name) => name.to_owned(),
            None => format!("{:?}", self.zone),
        };
        format!(
            "{:?} {times:?} {:07b} {:?} {zone}",
            self.name, self.weekdays, self.holidays
        )
    }
}

impl TimesConfig {
    /// Start and end in minutes; else the wrong key and what is wrong.
    fn minutes(&self) -> Result<(u16, u16), (&'static str, String)> {
        let bad = |key, text: &str| (key, format!("{text:?} is not a time such as 06:00"));
        let from = clock(&self.from).filter(|from| *from < MINUTES_A_DAY);
        let from = from.ok_or_else(|| bad("from", &self.from))?;
        let to = clock(&self.to).ok_or_else(|| bad("to", &self.to))?;
        if from == to {
            return Err((
                "to",
                format!("{:?} is its start too: the interval is empty", self.to),
            ));
        }
        Ok((from, if to > from { to } else { to + MINUTES_A_DAY }))
    }
}

/// Minutes of `HH:MM`, from `00:00` to `24:00`.
fn clock(text: &str) -> Option<u16> {
    let (hours, minutes) = text.split_once(':')?;
    let two_digits = |part: &str| {
        let is_number = part.len() == 2 && part.bytes().all(|byte| byte.is_ascii_digit());
        is_number.then(|| part.parse::<u16>().ok()).flatten()
    };
    let (hours, minutes) = (two_digits(hours)?, two_digits(minutes)?);
    let total = hours * 60 + minutes;
    (minutes < 60 && total <= MINUTES_A_DAY).then_some(total)
}

#[cfg(test)]
mod tests;
