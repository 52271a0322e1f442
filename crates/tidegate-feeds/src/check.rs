//! What every record must keep, whatever its format, and how a breach is told.

use tidegate_model::{EventTime, Reason, Span};

/// The longest site id or origin, in bytes: they become keys of state.
pub(crate) const NAME_BYTES_MAX: usize = 256;

/// The longest detail of a rejection, in characters.
const DETAIL_CHARS_MAX: usize = 200;

/// Why a record is rejected.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Fault {
    pub(crate) reason: Reason,
    pub(crate) detail: String,
}

impl Fault {
    pub(crate) fn new(reason: Reason, detail: impl Into<String>) -> Self {
        let mut detail = detail.into();
        if let Some((end, _)) = detail.char_indices().nth(DETAIL_CHARS_MAX) {
            detail.truncate(end);
        }
        Self { reason, detail }
    }
}

/// `text` quoted and short enough to leave room for the field's name beside it.
pub(crate) fn shown(text: &str) -> String {
    match text.char_indices().nth(80) {
        Some((end, _)) => format!("{:?}…", &text[..end]),
        None => format!("{text:?}"),
    }
}

/// The limits that a feed and its pipeline put on every record.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Limits {
    pub(crate) interval_max: Span,
    pub(crate) count_max: i64,
    pub(crate) latest: EventTime,
}

impl Limits {
    /// A time that may be an event's: not before 2000, not beyond the newest possible.
    pub(crate) fn check_time(&self, time: EventTime) -> Result<(), Fault> {
        if time < EventTime::EARLIEST {
            return Err(Fault::new(
                Reason::TimeTooEarly,
                format!("time {time} is before {}", EventTime::EARLIEST),
            ));
        }
        if time > self.latest {
            return Err(Fault::new(
                Reason::TimeInFuture,
                format!("time {time} is after {}, the newest possible", self.latest),
            ));
        }
        Ok(())
    }

    pub(crate) fn check_interval(&self, start: EventTime, end: EventTime) -> Result<(), Fault> {
        if start < EventTime::EARLIEST {
            self.check_time(start)?;
        }
        self.check_time(end)?;
        if end < start {
            return Err(Fault::new(
                Reason::IntervalReversed,
                format!("the interval ends at {end}, before its start {start}"),
            ));
        }
        if end.since(start) > self.interval_max {
            return Err(Fault::new(
                Reason::IntervalTooLong,
                format!(
                    "the interval {start} to {end} is longer than {}",
                    self.interval_max
                ),
            ));
        }
        Ok(())
    }

    pub(crate) fn check_count(&self, field: &str, count: i64) -> Result<(), Fault> {
        check_not_negative(field, count)?;
        if count > self.count_max {
            return Err(Fault::new(
                Reason::AbsurdCount,
                format!("{field} {count} is above {}", self.count_max),
            ));
        }
        Ok(())
    }
}

pub(crate) fn check_not_negative(field: &str, count: i64) -> Result<(), Fault> {
    if count < 0 {
        return Err(Fault::new(
            Reason::NegativeCount,
            format!("{field} {count} is below 0"),
        ));
    }
    Ok(())
}

/// A site id or an origin: not empty and not long.
pub(crate) fn check_name(field: &str, name: &str) -> Result<(), Fault> {
    if name.is_empty() {
        return Err(Fault::new(
            Reason::MissingField,
            format!("{field} is empty"),
        ));
    }
    if name.len() > NAME_BYTES_MAX {
        return Err(Fault::new(
            Reason::WrongType,
            format!(
                "{field} {} has {} bytes, more than {NAME_BYTES_MAX}",
                shown(name),
                name.len()
            ),
        ));
    }
    Ok(())
}

/// Degrees north and east: both or neither, inside the world.
pub(crate) fn check_coordinate(
    lat: Option<f64>,
    lng: Option<f64>,
) -> Result<Option<(f64, f64)>, Fault> {
    let bad = |detail: String| Err(Fault::new(Reason::BadCoordinate, detail));
    match (lat, lng) {
        (None, None) => Ok(None),
        (Some(lat), None) => bad(format!("lat {lat} comes without lng")),
        (None, Some(lng)) => bad(format!("lng {lng} comes without lat")),
        // Written so that NaN is outside.
        (Some(lat), Some(lng)) => {
            if !(-90.0..=90.0).contains(&lat) {
                bad(format!("lat {lat} is not within -90 to 90"))
            } else if !(-180.0..=180.0).contains(&lng) {
                bad(format!("lng {lng} is not within -180 to 180"))
            } else {
                Ok(Some((lat, lng)))
            }
        }
    }
}

/// Whether a place is 0,0, in the Gulf of Guinea: that is how receivers without a fix, and feeds, write
/// that they do not know it.
pub(crate) fn is_nowhere(place: (f64, f64)) -> bool {
    place == (0.0, 0.0)
}
