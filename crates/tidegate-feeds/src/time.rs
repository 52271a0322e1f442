//! Local times of a city's own feed: text and hour to an interval of event time.
//!
//! Zone rules come from the database compiled in, never from the machine.

use jiff::civil;
use jiff::fmt::strtime;
use jiff::tz::{AmbiguousOffset, TimeZone, TimeZoneDatabase};
use jiff::{SignedDuration, Timestamp};
use tidegate_model::{EventTime, Quality, Reason, Span, parse_rfc3339};

use crate::check::{Fault, shown};
use crate::config::{Ambiguous, Anchor, ConfigProblem, Gap, TimeConfig};

/// The largest hour of a day: service days and wide tables run past midnight.
pub(crate) const HOUR_MAX: i64 = 47;

/// Recent texts whose interval is remembered; rows of a file repeat their times.
const MEMO_SLOTS: usize = 256;

/// How a time is written.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Shape {
    Rfc3339,
    UnixSeconds,
    UnixMillis,
    /// A strftime format without an offset.
    Local(String),
    /// A strftime format with an offset or a Unix time.
    Instant(String),
}

/// How long the counted interval is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Length {
    Point,
    Fixed(Span),
    /// Local calendar days, of 23 to 25 hours where clocks change.
    Days(i64),
}

/// What a record's time means.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Interval {
    pub(crate) start: EventTime,
    pub(crate) end: EventTime,
    pub(crate) quality: Quality,
    /// The second instant of a repeated local time of which the first was taken.
    pub(crate) second: Option<EventTime>,
}

/// Why a text gives no interval.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum TimeFault {
    /// The local time does not exist in its zone.
    Gap(Fault),
    Other(Fault),
}

impl From<TimeFault> for Fault {
    fn from(fault: TimeFault) -> Self {
        match fault {
            TimeFault::Gap(fault) | TimeFault::Other(fault) => fault,
        }
    }
}

#[derive(Debug, Clone)]
struct Remembered {
    text: String,
    hour: Option<i64>,
    interval: Interval,
}

/// Reads the times of one feed.
#[derive(Debug, Clone)]
pub(crate) struct TimeReader {
    shape: Shape,
    zone: TimeZone,
    zone_name: String,
    ambiguous: Ambiguous,
    gap: Gap,
    anchor: Anchor,
    length: Length,
    memo: Vec<Option<Remembered>>,
}

impl TimeReader {
    /// The reader of `config`; `default_length` where the file gives no interval.
    pub(crate) fn try_new(
        config: &TimeConfig,
        default_length: Length,
    ) -> Result<Self, Vec<ConfigProblem>> {
        let mut problems = Vec::new();
        let mut problem = |key: &str, message: String| {
            problems.push(ConfigProblem::new(format!("mapping.time.{key}"), message));
        };
        if config.columns.is_empty() == config.constant.is_none() {
            let message = "either columns or a constant is needed";
            problem("columns", message.to_owned());
        }
        let shape = read_shape(&config.format).unwrap_or_else(|message| {
            problem("format", message);
            Shape::Rfc3339
        });
        let length = match config.interval.as_deref().map(read_length) {
            None => default_length,
            Some(Ok(length)) => length,
            Some(Err(message)) => {
                problem("interval", message);
                default_length
            }
        };
        let local = matches!(shape, Shape::Local(_))
            || config.hour.is_some()
            || matches!(length, Length::Days(_));
        let mut zone = TimeZone::UTC;
        match &config.zone {
            Some(name) => match TimeZoneDatabase::bundled().get(name) {
                Ok(found) => zone = found,
                Err(_) => problem(
                    "zone",
                    format!("{name:?} is not an IANA time zone such as Asia/Shanghai"),
                ),
            },
            None if local => problem(
                "zone",
                "is needed for local times, hours and calendar days".to_owned(),
            ),
            None => {}
        }
        if !problems.is_empty() {
            return Err(problems);
        }
        Ok(Self {
            shape,
            zone,
            zone_name: config.zone.clone().unwrap_or_else(|| "UTC".to_owned()),
            ambiguous: config.ambiguous,
            gap: config.gap,
            anchor: config.anchor,
            length,
            memo: vec![None; MEMO_SLOTS],
        })
    }

    /// How long the counted intervals are.
    pub(crate) fn length(&self) -> Length {
        self.length
    }

    /// Which instant a repeated local time means.
    pub(crate) fn ambiguous(&self) -> Ambiguous {
        self.ambiguous
    }

    /// The interval of `text`, plus `hour` hours of the local clock.
    pub(crate) fn read(&mut self, text: &str, hour: Option<i64>) -> Result<Interval, TimeFault> {
        let seed = hour.map_or(u64::MAX, i64::cast_unsigned);
        let hash = xxhash_rust::xxh3::xxh3_64_with_seed(text.as_bytes(), seed);
        let slot = usize::try_from(hash % MEMO_SLOTS as u64).expect("below MEMO_SLOTS");
        if let Some(known) = &self.memo[slot]
            && known.hour == hour
            && known.text == text
        {
            return Ok(known.interval);
        }
        let interval = self.read_new(text, hour)?;
        // Long texts are not worth remembering: the memo stays small whatever comes in.
        if text.len() <= 64 {
            self.memo[slot] = Some(Remembered {
                text: text.to_owned(),
                hour,
                interval,
            });
        }
        Ok(interval)
    }

    fn read_new(&self, text: &str, hour: Option<i64>) -> Result<Interval, TimeFault> {
        let bad = || {
            let wanted = match &self.shape {
                Shape::Rfc3339 => "an RFC 3339 time with an offset",
                Shape::UnixSeconds => "a Unix time in seconds",
                Shape::UnixMillis => "a Unix time in milliseconds",
                Shape::Local(format) | Shape::Instant(format) => format.as_str(),
            };
            other(format!("time {} is not {wanted}", shown(text)))
        };
        let instant = match &self.shape {
            Shape::Local(format) => {
                let local = strtime::parse(format, text)
                    .and_then(|time| time.to_datetime())
                    .map_err(|_| bad())?;
                return self.at_local(local, hour);
            }
            Shape::Rfc3339 => parse_rfc3339(text).map_err(|_| bad())?,
            Shape::UnixSeconds => unix(text, 1_000_000).ok_or_else(bad)?,
            Shape::UnixMillis => unix(text, 1_000).ok_or_else(bad)?,
            Shape::Instant(format) => strtime::parse(format, text)
                .and_then(|time| time.to_timestamp())
                .map(|time| EventTime::from_micros(time.as_microsecond()))
                .map_err(|_| bad())?,
        };
        if hour.is_some() || matches!(self.length, Length::Days(_)) {
            let time = Timestamp::from_microsecond(instant.micros()).map_err(|_| bad())?;
            return self.at_local(self.zone.to_datetime(time), hour);
        }
        Ok(self.around(Resolved::certain(instant)))
    }

    fn at_local(&self, local: civil::DateTime, hour: Option<i64>) -> Result<Interval, TimeFault> {
        let beyond = || other(format!("time {local} is outside the calendar"));
        let local = match hour {
            None => local,
            Some(hour) if (0..=HOUR_MAX).contains(&hour) => local
                .checked_add(SignedDuration::from_hours(hour))
                .map_err(|_| beyond())?,
            Some(hour) => return Err(other(format!("hour {hour} is not within 0 to {HOUR_MAX}"))),
        };
        let Length::Days(days) = self.length else {
            return Ok(self.around(self.resolve(local)?));
        };
        let step = jiff::Span::new().try_days(days).map_err(|_| beyond())?;
        let (start, end) = match self.anchor {
            Anchor::Start => (local, local.checked_add(step).map_err(|_| beyond())?),
            Anchor::End => (local.checked_sub(step).map_err(|_| beyond())?, local),
        };
        // A day starts at its first instant, also where clocks change at midnight.
        let first = |local: civil::DateTime| {
            self.zone
                .to_ambiguous_timestamp(local)
                .compatible()
                .map(|time| EventTime::from_micros(time.as_microsecond()))
                .map_err(|_| beyond())
        };
        Ok(Interval {
            start: first(start)?,
            end: first(end)?,
            quality: Quality::GOOD,
            second: None,
        })
    }

    /// The instant that a local time means, by the feed's rules.
    fn resolve(&self, local: civil::DateTime) -> Result<Resolved, TimeFault> {
        let zone = &self.zone_name;
        let instant = |offset: jiff::tz::Offset| {
            offset
                .to_timestamp(local)
                .map(|time| EventTime::from_micros(time.as_microsecond()))
                .map_err(|_| other(format!("time {local} is outside the calendar")))
        };
        match self.zone.to_ambiguous_timestamp(local).offset() {
            AmbiguousOffset::Unambiguous { offset } => Ok(Resolved::certain(instant(offset)?)),
            AmbiguousOffset::Gap { before, .. } => match self.gap {
                Gap::Shift => Ok(Resolved::certain(instant(before)?)),
                Gap::Reject => Err(TimeFault::Gap(Fault::new(
                    Reason::BadTime,
                    format!("time {local} does not exist in {zone}"),
                ))),
            },
            AmbiguousOffset::Fold { before, after } => match self.ambiguous {
                Ambiguous::Earlier => Ok(Resolved {
                    time: instant(before)?,
                    quality: Quality::TIME_AMBIGUOUS,
                    second: Some(instant(after)?),
                }),
                Ambiguous::Later => Ok(Resolved {
                    time: instant(after)?,
                    quality: Quality::TIME_AMBIGUOUS,
                    second: None,
                }),
                Ambiguous::Reject => Err(other(format!("time {local} occurs twice in {zone}"))),
            },
        }
    }

    fn around(&self, at: Resolved) -> Interval {
        let span = match self.length {
            Length::Fixed(span) => span,
            Length::Point | Length::Days(_) => Span::ZERO,
        };
        let (start, end) = match self.anchor {
            Anchor::Start => (at.time, at.time.plus(span)),
            Anchor::End => (at.time.minus(span), at.time),
        };
        Interval {
            start,
            end,
            quality: at.quality,
            second: at.second,
        }
    }
}

struct Resolved {
    time: EventTime,
    quality: Quality,
    second: Option<EventTime>,
}

impl Resolved {
    fn certain(time: EventTime) -> Self {
        Self {
            time,
            quality: Quality::GOOD,
            second: None,
        }
    }
}

fn other(detail: String) -> TimeFault {
    TimeFault::Other(Fault::new(Reason::BadTime, detail))
}

fn unix(text: &str, micros: i64) -> Option<EventTime> {
    let number: i64 = text.parse().ok()?;
    number.checked_mul(micros).map(EventTime::from_micros)
}

/// Reads an interval: `1d` and `7d` are calendar days, everything else a fixed duration.
fn read_length(text: &str) -> Result<Length, String> {
    let days = text.trim().strip_suffix('d').map(str::parse::<i64>);
    if let Some(Ok(days)) = days {
        return if (1..=366).contains(&days) {
            Ok(Length::Days(days))
        } else {
            Err(format!("{text:?} is not 1 to 366 days"))
        };
    }
    match text.parse::<Span>() {
        Ok(span) if span > Span::ZERO => Ok(Length::Fixed(span)),
        Ok(_) => Err(format!("{text:?} is not longer than nothing")),
        Err(error) => Err(error.to_string()),
    }
}

/// Reads a format, and proves by writing and reading back a time that it says when.
fn read_shape(format: &str) -> Result<Shape, String> {
    match format {
        "rfc3339" => return Ok(Shape::Rfc3339),
        "unix_s" => return Ok(Shape::UnixSeconds),
        "unix_ms" => return Ok(Shape::UnixMillis),
        _ => {}
    }
    let sample = civil::date(2026, 11, 23).at(17, 0, 0, 0);
    let instant = TimeZone::UTC
        .to_timestamp(sample)
        .map_err(|error| error.to_string())?;
    let text = strtime::format(format, &instant.to_zoned_datetime(TimeZone::UTC))
        .map_err(|error| format!("{format:?} is not a strftime format: {error}"))?;
    let parsed = strtime::parse(format, &text)
        .map_err(|error| format!("{format:?} cannot be read back: {error}"))?;
    if parsed.timestamp().is_some() || parsed.offset().is_some() {
        return match parsed.to_timestamp() {
            Ok(_) => Ok(Shape::Instant(format.to_owned())),
            Err(error) => Err(format!("{format:?} does not give a time: {error}")),
        };
    }
    match parsed.to_datetime() {
        Ok(read) if read.date() == sample.date() => {
            let whole = read == sample;
            if whole || read.time() == civil::Time::midnight() {
                Ok(Shape::Local(format.to_owned()))
            } else {
                Err(format!("{format:?} does not give a whole time of day"))
            }
        }
        Ok(_) => Err(format!("{format:?} does not give a whole date")),
        Err(error) => Err(format!("{format:?} does not give a date: {error}")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn config(format: &str, zone: &str, interval: Option<&str>) -> TimeConfig {
        TimeConfig {
            columns: vec!["t".to_owned().try_into().unwrap()],
            constant: None,
            hour: None,
            format: format.to_owned(),
            zone: Some(zone.to_owned()),
            ambiguous: Ambiguous::Earlier,
            gap: Gap::Reject,
            anchor: Anchor::Start,
            interval: interval.map(str::to_owned),
        }
    }

    fn reader(config: &TimeConfig) -> TimeReader {
        TimeReader::try_new(config, Length::Point).unwrap()
    }

    /// `text` and `hour` must give `start/end`, or an error that contains `want`.
    #[track_caller]
    fn check(config: &TimeConfig, text: &str, hour: Option<i64>, want: &str) {
        let mut reader = reader(config);
        for pass in ["first", "remembered"] {
            let got = match reader.read(text, hour) {
                Ok(interval) => format!("{}/{}", interval.start, interval.end),
                Err(fault) => Fault::from(fault).detail,
            };
            assert!(
                got.contains(want),
                "{text} {hour:?} {pass}: {got}, not {want}"
            );
        }
    }

    #[test]
    fn shapes() {
        let point = |format| config(format, "Asia/Kolkata", None);
        let at = "2025-08-01T04:00:00Z/2025-08-01T04:00:00Z";
        check(&point("rfc3339"), "2025-08-01T09:30:00+05:30", None, at);
        check(&point("unix_s"), "1754020800", None, at);
        check(&point("unix_ms"), "1754020800000", None, at);
        check(&point("%Y-%m-%d %H:%M:%S"), "2025-08-01 09:30:00", None, at);
        check(&point("%d/%m/%Y %I:%M %p"), "01/08/2025 09:30 AM", None, at);
        check(
            &point("%Y-%m-%d %H:%M %z"),
            "2025-08-01 09:30 +0530",
            None,
            at,
        );
        check(&point("%s"), "1754020800", None, at);
        for (format, text) in [
            ("rfc3339", "2025-08-01T09:30:00"),
            ("rfc3339", ""),
            ("unix_s", "soon"),
            ("unix_s", "99999999999999999"),
            ("%d-%m-%Y", "31-02-2025"),
            ("%d-%m-%Y", "2025-02-01"),
            ("%d-%m-%Y", "01-02-2025 extra"),
        ] {
            check(&point(format), text, None, "time ");
        }
    }

    #[test]
    fn problems_are_all_listed() {
        let mut bad = config("%Q", "Mars/Olympus", Some("soon"));
        bad.columns.clear();
        let problems = TimeReader::try_new(&bad, Length::Point).unwrap_err();
        let keys: Vec<_> = problems.iter().map(|p| p.key.as_str()).collect();
        assert_eq!(
            keys,
            [
                "mapping.time.columns",
                "mapping.time.format",
                "mapping.time.interval",
                "mapping.time.zone"
            ]
        );
        for format in ["%H:%M", "%Y-%m", "%d-%m-%Y %M", "plain", ""] {
            let problems =
                TimeReader::try_new(&config(format, "UTC", None), Length::Point).unwrap_err();
            assert_eq!(problems[0].key, "mapping.time.format", "{format}");
        }
        for (interval, good) in [
            ("1d", true),
            ("0d", false),
            ("0s", false),
            ("24h", true),
            ("", false),
        ] {
            let made = TimeReader::try_new(&config("%F", "UTC", Some(interval)), Length::Point);
            assert_eq!(made.is_ok(), good, "{interval}");
        }
    }

    #[test]
    fn days_have_their_own_length() {
        // New York 2024: clocks forward on 10 March, back on 3 November.
        let day = config("%m/%d/%Y", "America/New_York", Some("1d"));
        check(
            &day,
            "03/09/2024",
            None,
            "2024-03-09T05:00:00Z/2024-03-10T05:00:00Z",
        );
        check(
            &day,
            "03/10/2024",
            None,
            "2024-03-10T05:00:00Z/2024-03-11T04:00:00Z",
        );
        check(
            &day,
            "11/03/2024",
            None,
            "2024-11-03T04:00:00Z/2024-11-04T05:00:00Z",
        );
        let ended = TimeConfig {
            anchor: Anchor::End,
            ..day.clone()
        };
        check(
            &ended,
            "11/04/2024",
            None,
            "2024-11-03T04:00:00Z/2024-11-04T05:00:00Z",
        );
        // 24h is not a day.
        let fixed = config("%m/%d/%Y", "America/New_York", Some("24h"));
        check(
            &fixed,
            "03/10/2024",
            None,
            "2024-03-10T05:00:00Z/2024-03-11T05:00:00Z",
        );
        // In Beirut clocks go forward at midnight: the day starts at 01:00, whatever `gap` says.
        let beirut = config("%Y-%m-%d", "Asia/Beirut", Some("1d"));
        check(
            &beirut,
            "2022-03-27",
            None,
            "2022-03-26T22:00:00Z/2022-03-27T21:00:00Z",
        );
        // An instant gives the local day it lies in only by its own clock time.
        let service = config("rfc3339", "Asia/Hong_Kong", Some("1d"));
        check(
            &service,
            "2023-01-07T00:00:00+08:00",
            None,
            "2023-01-06T16:00:00Z/2023-01-07T16:00:00Z",
        );
    }

    #[test]
    fn hours_of_the_two_odd_days() {
        let hour = config("%Y-%m-%d", "America/New_York", Some("1h"));
        check(
            &hour,
            "2024-03-10",
            Some(1),
            "2024-03-10T06:00:00Z/2024-03-10T07:00:00Z",
        );
        check(
            &hour,
            "2024-03-10",
            Some(2),
            "2024-03-10T02:00:00 does not exist",
        );
        check(
            &hour,
            "2024-03-10",
            Some(3),
            "2024-03-10T07:00:00Z/2024-03-10T08:00:00Z",
        );
        let shift = TimeConfig {
            gap: Gap::Shift,
            ..hour.clone()
        };
        check(
            &shift,
            "2024-03-10",
            Some(2),
            "2024-03-10T07:00:00Z/2024-03-10T08:00:00Z",
        );
        check(
            &hour,
            "2024-11-03",
            Some(1),
            "2024-11-03T05:00:00Z/2024-11-03T06:00:00Z",
        );
        let later = TimeConfig {
            ambiguous: Ambiguous::Later,
            ..hour.clone()
        };
        check(
            &later,
            "2024-11-03",
            Some(1),
            "2024-11-03T06:00:00Z/2024-11-03T07:00:00Z",
        );
        let neither = TimeConfig {
            ambiguous: Ambiguous::Reject,
            ..hour.clone()
        };
        check(
            &neither,
            "2024-11-03",
            Some(1),
            "occurs twice in America/New_York",
        );
        let flagged = reader(&hour).read("2024-11-03", Some(1)).unwrap();
        assert!(flagged.quality.has(Quality::TIME_AMBIGUOUS));
        assert_eq!(flagged.second, Some(flagged.start.plus(Span::hours(1))));
        // Hours past midnight are of the next day; beyond 47 they are none.
        check(&hour, "2024-03-09", Some(25), "2024-03-10T06:00:00Z/");
        check(
            &hour,
            "2024-03-09",
            Some(48),
            "hour 48 is not within 0 to 47",
        );
        check(&hour, "2024-03-09", Some(-1), "hour -1");
        check(&hour, "9999-12-31", Some(47), "outside the calendar");
    }

    /// The hours of a day with a fixed length tile it, on the day of 23 hours too.
    #[test]
    fn hours_tile_the_day() {
        for (date, hours) in [("2024-03-10", 23), ("2024-06-01", 24)] {
            let mut hour = reader(&config("%Y-%m-%d", "America/New_York", Some("1h")));
            let mut day = reader(&config("%Y-%m-%d", "America/New_York", Some("1d")));
            let day = day.read(date, None).unwrap();
            let read: Vec<_> = (0..24)
                .filter_map(|h| hour.read(date, Some(h)).ok())
                .collect();
            assert_eq!(read.len(), hours);
            assert_eq!(read[0].start, day.start);
            assert_eq!(read[hours - 1].end, day.end);
            assert!(read.windows(2).all(|two| two[0].end == two[1].start));
        }
    }
}
