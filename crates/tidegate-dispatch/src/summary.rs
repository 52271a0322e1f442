//! Summaries on schedule: which period of a grid unit is due at which time.
//!
//! Periods follow one another without gap or overlap, whatever the clocks of the place do: each time
//! of day is an instant, and a period lies between two neighbours. So a day has 23, 24 or 25 hours.

use std::collections::{BTreeMap, BTreeSet};

use jiff::tz::TimeZone;
use jiff::{SignedDuration, Timestamp, ToSpan as _};
use tidegate_model::Span;

/// Most times of a day at which one summary may be due.
pub const SUMMARY_TIMES_MAX: usize = 24;
/// Longest wait after the end of a period.
pub const SUMMARY_AFTER_MAX: Span = Span::hours(12);
/// How long after its end a summary is still told.
pub const SUMMARY_LIFE: Span = Span::hours(24);
/// How far back it is looked for periods that were skipped, in days; older ones are not named.
pub const SUMMARIES_SKIPPED_DAYS_MAX: i64 = 366;

/// One `[[summary]]`, checked: of what, when, and where it is told.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
pub struct SummaryPlan {
    grid_unit: String,
    /// Minutes of the local day.
    times: BTreeSet<u16>,
    /// Monday first.
    weekdays: [bool; 7],
    #[serde(serialize_with = "crate::plan::micros")]
    after: Span,
    channels: BTreeSet<String>,
    out: Option<String>,
}

/// What the periods of a summary are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SummaryKind {
    /// From one time of day to the same of the next day.
    Day,
    /// From one time of day to the next of several.
    Shift,
}

impl SummaryKind {
    /// `day` or `shift`.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Day => "day",
            Self::Shift => "shift",
        }
    }
}

/// From `start` to before `end`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct SummaryPeriod {
    /// When it begins.
    pub start: Timestamp,
    /// When it is over.
    pub end: Timestamp,
}

/// What is due at some time.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct SummaryDue {
    /// The period to tell of.
    pub period: Option<SummaryPeriod>,
    /// Those before it that nobody was told of and nobody will be, the oldest first.
    pub skipped: Vec<SummaryPeriod>,
}

impl SummaryPlan {
    pub(crate) fn new(
        grid_unit: &str,
        (times, weekdays, after): (BTreeSet<u16>, [bool; 7], Span),
        channels: BTreeSet<String>,
        out: Option<String>,
    ) -> Self {
        Self {
            grid_unit: grid_unit.to_owned(),
            times,
            weekdays,
            after,
            channels,
            out,
        }
    }

    /// The grid unit that it is of, with all below it.
    pub fn grid_unit(&self) -> &str {
        &self.grid_unit
    }

    /// The channels that it is told on.
    pub fn channels(&self) -> impl Iterator<Item = &str> {
        self.channels.iter().map(String::as_str)
    }

    /// Days, or shifts where there are several times of day.
    pub fn kind(&self) -> SummaryKind {
        match self.times.len() {
            0 | 1 => SummaryKind::Day,
            _ => SummaryKind::Shift,
        }
    }

    /// What all its summaries on a channel have in common. With the end of a period it names one
    /// summary and no other.
    pub fn series(&self, channel: &str) -> String {
        let kind = self.kind().as_str();
        format!("summary/{kind}/{channel}/{}", self.grid_unit)
    }

    /// The file of a period as `out` says it, if it does: a path from the pipeline folder, with the
    /// local time of the period's end. What of a grid unit's id no file name should have becomes `-`.
    pub fn file(&self, period: SummaryPeriod, zone: &TimeZone) -> Option<String> {
        let safe = |c: char| c.is_alphanumeric() || matches!(c, '-' | '_');
        let unit = self.grid_unit.chars();
        let unit: String = unit.map(|c| if safe(c) { c } else { '-' }).collect();
        let end = zone.to_datetime(period.end);
        let file = self.out.as_ref()?.replace("{grid_unit}", &unit);
        Some(
            file.replace("{kind}", self.kind().as_str())
                .replace("{date}", &end.strftime("%Y-%m-%d").to_string())
                .replace("{time}", &end.strftime("%H%M").to_string()),
        )
    }

    /// What is due at `now` in the zone of the place, after the one whose period ended at `last`;
    /// `None` before the first, when none was missed.
    ///
    /// Only the newest period is told of, from its `after` on until it is [`SUMMARY_LIFE`] old.
    pub fn due(&self, zone: &TimeZone, now: Timestamp, last: Option<Timestamp>) -> SummaryDue {
        let over = before(now, SUMMARY_LIFE);
        let known = before(now, Span::hours(24 * SUMMARIES_SKIPPED_DAYS_MAX));
        let from = last.map_or(over, |last| last.max(known));
        let mut periods = self.periods(zone, from, before(now, self.after));
        let period = periods.pop_if(|newest| newest.end > over);
        if last.is_none() {
            periods.clear();
        }
        SummaryDue {
            period,
            skipped: periods,
        }
    }

    /// Its periods that end after `from` and not after `to`.
    fn periods(&self, zone: &TimeZone, from: Timestamp, to: Timestamp) -> Vec<SummaryPeriod> {
        if from >= to {
            return Vec::new();
        }
        // Three days before, because a place that moves across the date line leaves out a whole one.
        let first = zone.to_datetime(from).date().saturating_sub(3.days());
        let end = zone.to_datetime(to).date().saturating_add(1.day());
        // Two times of day may be one instant when the clocks are put forward.
        let mut instants: BTreeMap<Timestamp, bool> = BTreeMap::new();
        for date in first.series(1.day()).take_while(|date| *date <= end) {
            let day = usize::from(date.weekday().to_monday_zero_offset().unsigned_abs());
            for minute in &self.times {
                let part = |part: u16| i8::try_from(part).expect("parts of a time of day");
                let local = date.at(part(minute / 60), part(minute % 60), 0, 0);
                // Beyond the calendar's end nothing is due.
                if let Ok(instant) = zone.to_timestamp(local) {
                    *instants.entry(instant).or_default() |= self.weekdays[day];
                }
            }
        }
        let neighbours = instants.keys().zip(instants.iter().skip(1));
        neighbours
            .filter(|(_, (end, is_told))| **is_told && **end > from && **end <= to)
            .map(|(start, (end, _))| SummaryPeriod {
                start: *start,
                end: *end,
            })
            .collect()
    }
}

fn before(now: Timestamp, span: Span) -> Timestamp {
    let span = SignedDuration::from_micros(span.as_micros());
    now.checked_sub(span).unwrap_or(Timestamp::MIN)
}

#[cfg(test)]
mod tests;
