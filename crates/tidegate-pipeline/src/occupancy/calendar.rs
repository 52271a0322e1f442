//! Local days: when venues are known to be empty, and which days are alike.

use std::collections::BTreeSet;

use jiff::civil::{self, Weekday};
use jiff::tz::{AmbiguousOffset, TimeZone};
use tidegate_model::{EventTime, Span};
use tidegate_risk::occupancy::DayType;

/// From a day's beginning to its middle, whose date is the day's: a service day that begins at
/// 04:00 or at 23:57 belongs to the date of most of its hours.
const HALF_DAY: Span = Span::hours(12);

/// A local time of day, `HH:MM`.
pub(crate) fn time_of_day(text: &str) -> Option<civil::Time> {
    let is_minutes = text.len() == 5 && text.is_ascii();
    is_minutes.then(|| format!("{text}:00").parse().ok())?
}

/// The days of a city.
#[derive(Debug, Clone)]
pub(crate) struct Calendar {
    pub(crate) zone: TimeZone,
    /// Dates that are as Sundays.
    pub(crate) holidays: BTreeSet<civil::Date>,
    /// Dates that are as working days; they go before holidays.
    pub(crate) workdays: BTreeSet<civil::Date>,
}

impl Calendar {
    /// The days of a zone, without holidays.
    pub(crate) fn new(zone: TimeZone) -> Self {
        Self {
            zone,
            holidays: BTreeSet::new(),
            workdays: BTreeSet::new(),
        }
    }

    /// The last instant after `after` and not after `until` at which it is `time` of a local day.
    ///
    /// Where the clocks skip that time, it is the instant at which they go on; where it comes
    /// twice, the first of the two; a day without it has none.
    pub(super) fn passed(
        &self,
        after: EventTime,
        until: EventTime,
        time: civil::Time,
    ) -> Option<EventTime> {
        // Where clocks change at midnight, a date may begin, and end before it goes on.
        let newest = self.date(until)?.tomorrow().ok();
        std::iter::successors(newest, |date| date.yesterday().ok())
            .take(4)
            .filter_map(|date| self.instant(date, time))
            .find(|at| after < *at && *at <= until)
    }

    /// The type of the service day that begins at `start`; a working day where time ends.
    pub(super) fn day_type(&self, start: EventTime) -> DayType {
        let Some(date) = self.date(start.plus(HALF_DAY)) else {
            return DayType::Working;
        };
        if self.workdays.contains(&date) {
            return DayType::Working;
        }
        match date.weekday() {
            _ if self.holidays.contains(&date) => DayType::Sunday,
            Weekday::Sunday => DayType::Sunday,
            Weekday::Saturday => DayType::Saturday,
            _ => DayType::Working,
        }
    }

    fn date(&self, at: EventTime) -> Option<civil::Date> {
        let at = jiff::Timestamp::from_microsecond(at.micros()).ok()?;
        Some(at.to_zoned_datetime(self.zone.clone()).date())
    }

    /// The instant of a local day at which it is `time`.
    fn instant(&self, date: civil::Date, time: civil::Time) -> Option<EventTime> {
        let local = self.zone.to_ambiguous_timestamp(date.to_datetime(time));
        let offset = local.offset();
        let mut at = local.compatible().ok()?;
        if let AmbiguousOffset::Gap { .. } = offset {
            let behind = at.checked_add(jiff::SignedDuration::from_nanos(1)).ok()?;
            at = self.zone.preceding(behind).next()?.timestamp();
        }
        let is_that_day = at.to_zoned_datetime(self.zone.clone()).date() == date;
        is_that_day.then(|| EventTime::from_micros(at.as_microsecond()))
    }
}
