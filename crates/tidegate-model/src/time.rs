//! Event time: microseconds since the Unix epoch, UTC.

use std::fmt;

/// When something happened, in microseconds since 1970-01-01T00:00:00Z.
///
/// There is no conversion from processing time: a clock reading never becomes an event time.
///
/// ```
/// use tidegate_model::{EventTime, Span};
/// let t = EventTime::from_micros(1_000_000);
/// assert_eq!(t.plus(Span::seconds(2)).micros(), 3_000_000);
/// assert_eq!(t.to_string(), "1970-01-01T00:00:01Z");
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct EventTime(i64);

impl EventTime {
    /// Before every event.
    pub const MIN: Self = Self(i64::MIN);
    /// After every event: the watermark of an input that has ended.
    pub const MAX: Self = Self(i64::MAX);
    /// 2000-01-01T00:00:00Z, the earliest time that a record may carry.
    pub const EARLIEST: Self = Self(946_684_800_000_000);

    /// The time `micros` microseconds after the Unix epoch.
    pub const fn from_micros(micros: i64) -> Self {
        Self(micros)
    }

    /// Microseconds since the Unix epoch.
    pub const fn micros(self) -> i64 {
        self.0
    }

    /// This time plus `span`, held at [`EventTime::MAX`] and [`EventTime::MIN`].
    #[must_use]
    pub const fn plus(self, span: Span) -> Self {
        Self(self.0.saturating_add(span.0))
    }

    /// This time minus `span`, held at [`EventTime::MIN`] and [`EventTime::MAX`].
    #[must_use]
    pub const fn minus(self, span: Span) -> Self {
        Self(self.0.saturating_sub(span.0))
    }

    /// How long after `earlier` this time is; negative when it is before.
    pub const fn since(self, earlier: Self) -> Span {
        Span(self.0.saturating_sub(earlier.0))
    }

    /// The latest multiple of `step` at or before this time, counted from the epoch.
    ///
    /// # Panics
    /// When `step` is not positive.
    #[must_use]
    pub const fn floor(self, step: Span) -> Self {
        assert!(step.0 > 0, "a window step is positive");
        Self(self.0 - self.0.rem_euclid(step.0))
    }
}

impl fmt::Display for EventTime {
    /// RFC 3339 in UTC, to the microsecond where it has one.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match jiff::Timestamp::from_microsecond(self.0) {
            Ok(time) => write!(f, "{time}"),
            Err(_) if self.0 < 0 => f.write_str("-infinity"),
            Err(_) => f.write_str("infinity"),
        }
    }
}

/// A length of event time in microseconds.
///
/// ```
/// use tidegate_model::Span;
/// assert_eq!("5m".parse::<Span>().unwrap(), Span::minutes(5));
/// assert_eq!("1h 30m".parse::<Span>().unwrap(), Span::minutes(90));
/// assert_eq!(Span::minutes(90).to_string(), "90m");
/// assert!("5".parse::<Span>().is_err());
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Span(i64);

impl Span {
    /// No time at all.
    pub const ZERO: Self = Self(0);

    /// A span of `micros` microseconds.
    pub const fn micros(micros: i64) -> Self {
        Self(micros)
    }

    /// A span of `seconds` seconds.
    pub const fn seconds(seconds: i64) -> Self {
        Self(seconds.saturating_mul(1_000_000))
    }

    /// A span of `minutes` minutes.
    pub const fn minutes(minutes: i64) -> Self {
        Self::seconds(minutes.saturating_mul(60))
    }

    /// A span of `hours` hours.
    pub const fn hours(hours: i64) -> Self {
        Self::minutes(hours.saturating_mul(60))
    }

    /// The span in microseconds.
    pub const fn as_micros(self) -> i64 {
        self.0
    }

    /// The span in seconds, fractions kept.
    #[expect(clippy::cast_precision_loss, reason = "exact below 285 years")]
    pub fn as_seconds_f64(self) -> f64 {
        self.0 as f64 / 1e6
    }
}

impl fmt::Display for Span {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (unit, name) in [
            (86_400_000_000, "d"),
            (3_600_000_000, "h"),
            (60_000_000, "m"),
            (1_000_000, "s"),
            (1_000, "ms"),
        ] {
            if self.0 != 0 && self.0 % unit == 0 {
                return write!(f, "{}{name}", self.0 / unit);
            }
        }
        if self.0 == 0 {
            f.write_str("0s")
        } else {
            write!(f, "{}us", self.0)
        }
    }
}

impl std::str::FromStr for Span {
    type Err = ParseTimeError;

    /// Reads `30s`, `5m`, `1h 30m`, `2d`; units `ms`, `s`, `m`, `h`, `d`, each a whole number.
    fn from_str(text: &str) -> Result<Self, ParseTimeError> {
        let bad = || ParseTimeError {
            text: text.to_owned(),
            wanted: "a duration such as 30s, 5m or 1h 30m",
        };
        let mut total: i64 = 0;
        let mut rest = text.trim();
        if rest.is_empty() {
            return Err(bad());
        }
        while !rest.is_empty() {
            let digits = rest.len() - rest.trim_start_matches(|c: char| c.is_ascii_digit()).len();
            let (number, after) = rest.split_at(digits);
            let letters = after.len()
                - after
                    .trim_start_matches(|c: char| c.is_ascii_alphabetic())
                    .len();
            let (unit, after) = after.split_at(letters);
            let scale: i64 = match unit {
                "ms" => 1_000,
                "s" => 1_000_000,
                "m" | "min" => 60_000_000,
                "h" => 3_600_000_000,
                "d" => 86_400_000_000,
                _ => return Err(bad()),
            };
            let number: i64 = number.parse().map_err(|_| bad())?;
            let part = number.checked_mul(scale).ok_or_else(bad)?;
            total = total.checked_add(part).ok_or_else(bad)?;
            rest = after.trim_start();
        }
        Ok(Self(total))
    }
}

/// A text that is not the time or the duration it should be.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{text:?} is not {wanted}")]
pub struct ParseTimeError {
    /// The text as given.
    pub text: String,
    /// What was wanted in its place.
    pub wanted: &'static str,
}

/// Reads an RFC 3339 time with an offset (`Z`, `+08:00`).
///
/// The common shape `YYYY-MM-DDThh:mm:ss[.fff]Z|±hh:mm` is read without allocation; other shapes
/// go through [`jiff`]. A time without an offset is refused: guessing a zone moves people by hours.
///
/// # Errors
/// [`ParseTimeError`] with the text.
///
/// ```
/// let a = tidegate_model::parse_rfc3339("2026-03-01T08:00:00+08:00").unwrap();
/// let b = tidegate_model::parse_rfc3339("2026-03-01T00:00:00Z").unwrap();
/// assert_eq!(a, b);
/// assert!(tidegate_model::parse_rfc3339("2026-03-01T08:00:00").is_err());
/// ```
pub fn parse_rfc3339(text: &str) -> Result<EventTime, ParseTimeError> {
    if let Some(time) = parse_common(text.as_bytes()) {
        return Ok(time);
    }
    text.parse::<jiff::Timestamp>()
        .map(|time| EventTime(time.as_microsecond()))
        .map_err(|_| ParseTimeError {
            text: text.chars().take(64).collect(),
            wanted: "an RFC 3339 time with an offset, such as 2026-03-01T08:00:00+08:00",
        })
}

/// The fast path of [`parse_rfc3339`]: `None` means "not this shape", never "wrong".
fn parse_common(text: &[u8]) -> Option<EventTime> {
    let digits = |from: usize, len: usize| -> Option<i64> {
        let mut value = 0_i64;
        for &byte in text.get(from..from + len)? {
            let digit = byte.wrapping_sub(b'0');
            if digit > 9 {
                return None;
            }
            value = value * 10 + i64::from(digit);
        }
        Some(value)
    };
    if text.len() < 20 || text[4] != b'-' || text[7] != b'-' || text[10] != b'T' {
        return None;
    }
    if text[13] != b':' || text[16] != b':' {
        return None;
    }
    let (year, month, day) = (digits(0, 4)?, digits(5, 2)?, digits(8, 2)?);
    let (hour, minute, second) = (digits(11, 2)?, digits(14, 2)?, digits(17, 2)?);
    if hour > 23 || minute > 59 || second > 59 || !(1..=12).contains(&month) || day < 1 {
        return None;
    }
    if day > days_in_month(year, month) {
        return None;
    }
    let (micros, zone) = match text[19] {
        b'.' if text.len() >= 24 && text[23].is_ascii_digit() => (digits(20, 6)?, 26),
        b'.' => (digits(20, 3)? * 1_000, 23),
        _ => (0, 19),
    };
    let offset_minutes = match (text.get(zone)?, text.len() - zone) {
        (b'Z', 1) => 0,
        (sign @ (b'+' | b'-'), 6) if text[zone + 3] == b':' => {
            let (hours, minutes) = (digits(zone + 1, 2)?, digits(zone + 4, 2)?);
            if hours > 23 || minutes > 59 {
                return None;
            }
            (hours * 60 + minutes) * if *sign == b'-' { -1 } else { 1 }
        }
        _ => return None,
    };
    let seconds = days_from_civil(year, month, day) * 86_400 + hour * 3_600 + minute * 60 + second
        - offset_minutes * 60;
    Some(EventTime(seconds * 1_000_000 + micros))
}

/// Days since 1970-01-01 of a proleptic Gregorian date.
///
/// Howard Hinnant, "chrono-Compatible Low-Level Date Algorithms", `days_from_civil`.
const fn days_from_civil(year: i64, month: i64, day: i64) -> i64 {
    let year = if month <= 2 { year - 1 } else { year };
    let era = year.div_euclid(400);
    let year_of_era = year.rem_euclid(400);
    let day_of_year = (153 * (month + if month > 2 { -3 } else { 9 }) + 2) / 5 + day - 1;
    let day_of_era = year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year;
    era * 146_097 + day_of_era - 719_468
}

const fn days_in_month(year: i64, month: i64) -> i64 {
    match month {
        2 if year % 4 == 0 && (year % 100 != 0 || year % 400 == 0) => 29,
        2 => 28,
        4 | 6 | 9 | 11 => 30,
        _ => 31,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        /// The fast path must agree with jiff on every time both can write.
        #[test]
        fn fast_path_equals_jiff(micros in -60_000_000_000_000_000_i64..200_000_000_000_000_000, offset in -720_i32..720) {
            let time = jiff::Timestamp::from_microsecond(micros).unwrap();
            let zone = jiff::tz::TimeZone::fixed(jiff::tz::Offset::from_seconds(offset * 60).unwrap());
            let text = time.to_zoned_datetime(zone).strftime("%Y-%m-%dT%H:%M:%S.%6f%:z").to_string();
            prop_assert_eq!(parse_common(text.as_bytes()), Some(EventTime(micros)));
            let utc = time.strftime("%Y-%m-%dT%H:%M:%S.%3fZ").to_string();
            prop_assert_eq!(parse_common(utc.as_bytes()), Some(EventTime(micros.div_euclid(1000) * 1000)));
        }
    }

    #[test]
    fn impossible_times_are_refused() {
        for text in [
            "",
            "2026-02-29T00:00:00Z",
            "2026-13-01T00:00:00Z",
            "2026-01-01T24:00:00Z",
            "2026-01-01 00:00:00",
            "2026-01-01T00:00:00+99:00",
            "yesterday",
            "2026-01-01T00:00:00.Z",
        ] {
            assert!(parse_rfc3339(text).is_err(), "{text}");
        }
    }
}
