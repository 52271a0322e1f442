//! What a feed usually delivers at an hour of the week.

use jiff::tz::TimeZone;
use tidegate_model::{EventTime, Span};

/// Hours of a week.
const HOURS: usize = 7 * 24;
/// An hour of the week is known from when it was first seen so long ago: in another week.
const KNOWN_AFTER: Span = Span::hours(6 * 24);
/// The mean is over about as many weeks.
const WEEKS: u32 = 4;
/// After so many weeks of less than expected, that is what is expected.
const WEEKS_OFF: u32 = 3;

/// The mean number of records in a window at each local hour of the week.
///
/// Stored in snapshots: the fields are a promise.
#[derive(Debug, Clone, PartialEq, Default, serde::Serialize, serde::Deserialize)]
pub(super) struct Profile {
    hours: Vec<Hour>,
}

#[derive(Debug, Clone, Copy, PartialEq, Default, serde::Serialize, serde::Deserialize)]
struct Hour {
    /// End of the first window, microseconds; meaningless while there is none.
    since_us: i64,
    windows: u32,
    mean: f64,
    /// Windows left out in a row.
    off: u32,
}

impl Profile {
    /// The records expected in a window of this hour; none in the first week.
    pub(super) fn expected(&self, hour: usize, end: EventTime) -> Option<f64> {
        let hour = self.hours.get(hour).filter(|hour| hour.windows > 0)?;
        let known = end.since(EventTime::from_micros(hour.since_us));
        (known >= KNOWN_AFTER).then_some(hour.mean)
    }

    /// Learns from a window of this hour with so many records. One that `is_off` is left out,
    /// unless this hour has been so for weeks.
    pub(super) fn learn(
        &mut self,
        hour: usize,
        window: (EventTime, Span),
        records: u64,
        is_off: bool,
    ) {
        let (end, period) = window;
        self.hours.resize(HOURS, Hour::default());
        let known = &mut self.hours[hour];
        let an_hour = Span::hours(1).as_micros() / period.as_micros();
        let an_hour = u32::try_from(an_hour).unwrap_or(u32::MAX / WEEKS).max(1);
        if is_off && known.off < WEEKS_OFF * an_hour {
            known.off += 1;
            return;
        }
        if is_off || known.windows == 0 {
            *known = Hour {
                since_us: end.micros(),
                ..Hour::default()
            };
        }
        known.off = 0;
        known.windows = known.windows.saturating_add(1).min(WEEKS * an_hour);
        #[expect(
            clippy::cast_precision_loss,
            reason = "records of a window are far below 2^52"
        )]
        let records = records as f64;
        known.mean += (records - known.mean) / f64::from(known.windows);
    }
}

/// The local hour of the week of an instant, 0 for the first of Monday.
pub(super) fn hour_of_week(zone: &TimeZone, at: EventTime) -> usize {
    let Ok(instant) = jiff::Timestamp::from_microsecond(at.micros()) else {
        return 0;
    };
    let local = instant.to_zoned_datetime(zone.clone());
    let day = local.weekday().to_monday_zero_offset();
    usize::try_from(i64::from(day) * 24 + i64::from(local.hour())).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    const MINUTES: Span = Span::minutes(5);

    fn at(hours: i64) -> EventTime {
        // A Monday, midnight UTC.
        let monday = tidegate_model::parse_rfc3339("2026-03-02T00:00:00Z").unwrap();
        monday.plus(Span::hours(hours))
    }

    #[test]
    fn hours_are_local() {
        let zone = TimeZone::get("Asia/Shanghai").unwrap();
        assert_eq!(hour_of_week(&TimeZone::UTC, at(0)), 0);
        assert_eq!(hour_of_week(&zone, at(0)), 8);
        assert_eq!(hour_of_week(&zone, at(-8)), 0);
        assert_eq!(hour_of_week(&zone, at(-9)), 167);
    }

    #[test]
    fn an_hour_is_known_in_its_second_week() {
        let mut profile = Profile::default();
        for window in 0..12 {
            profile.learn(
                3,
                (at(3).plus(Span::minutes(5 * window)), MINUTES),
                10,
                false,
            );
        }
        assert_eq!(profile.expected(3, at(4)), None);
        assert_eq!(profile.expected(3, at(3 + 168)), Some(10.0));
        assert_eq!(profile.expected(4, at(4 + 168)), None);
    }

    #[test]
    fn what_is_off_teaches_only_after_weeks() {
        let mut profile = Profile::default();
        let mut week = |week: i64, records, is_off| {
            for window in 0..12 {
                let end = at(168 * week).plus(Span::minutes(5 * window));
                profile.learn(0, (end, MINUTES), records, is_off);
            }
            profile.expected(0, at(168 * (week + 1)))
        };
        assert_eq!(week(0, 100, false), Some(100.0));
        assert_eq!(week(1, 0, true), Some(100.0));
        assert_eq!(week(2, 0, true), Some(100.0));
        assert_eq!(week(3, 0, true), Some(100.0));
        assert_eq!(week(4, 20, true), Some(20.0));
    }
}
