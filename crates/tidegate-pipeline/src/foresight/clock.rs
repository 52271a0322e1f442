//! Which slot of local time a window ends with.

use std::collections::BTreeSet;
use std::sync::Arc;

use jiff::civil::{Date, DateTime};
use jiff::tz::TimeZone;
use tidegate_model::{EventTime, Span};
use tidegate_risk::forecast::{Calendar, DayKind, Slot};

/// The slots of local days, each `every` long.
#[derive(Debug, Clone)]
pub(super) struct SlotClock {
    zone: TimeZone,
    every: Span,
    calendar: Calendar,
    holidays: Arc<BTreeSet<Date>>,
}

impl SlotClock {
    /// `every` divides a day into the calendar's slots.
    pub(super) fn new(
        zone: &TimeZone,
        every: Span,
        calendar: Calendar,
        holidays: impl Iterator<Item = Date>,
    ) -> Self {
        Self {
            zone: zone.clone(),
            every,
            calendar,
            holidays: Arc::new(holidays.collect()),
        }
    }

    /// How long a slot is.
    pub(super) fn every(&self) -> Span {
        self.every
    }

    /// The slot that ends at `end`, if one does. Its day is that of its last instant, so the slot
    /// up to midnight is of the day that ends.
    pub(super) fn ends(&self, end: EventTime) -> Option<Slot> {
        let last = self.last_instant(end)?;
        let is_end = (of_day(last) + 1) % self.every.as_micros() == 0;
        is_end.then(|| self.slot(last))
    }

    /// The slot that holds the last instant before `end`.
    pub(super) fn before(&self, end: EventTime) -> Option<Slot> {
        self.last_instant(end).map(|last| self.slot(last))
    }

    fn last_instant(&self, end: EventTime) -> Option<DateTime> {
        let last = end.micros().checked_sub(1)?;
        let last = jiff::Timestamp::from_microsecond(last).ok()?;
        Some(self.zone.to_datetime(last))
    }

    fn slot(&self, local: DateTime) -> Slot {
        let date = local.date();
        let kind = if self.holidays.contains(&date) {
            DayKind::Holiday
        } else {
            DayKind::Ordinary
        };
        let weekday = u8::try_from(date.weekday().to_monday_zero_offset());
        let slot = u16::try_from(of_day(local) / self.every.as_micros());
        let (Ok(weekday), Ok(slot)) = (weekday, slot) else {
            unreachable!("a weekday is 0 to 6 and a day has at most 96 slots");
        };
        self.calendar
            .slot(weekday, slot, kind)
            .expect("slots fill the day")
    }
}

/// Microseconds since local midnight.
fn of_day(local: DateTime) -> i64 {
    let seconds =
        i64::from(local.hour()) * 3600 + i64::from(local.minute()) * 60 + i64::from(local.second());
    seconds * 1_000_000 + i64::from(local.subsec_nanosecond()) / 1000
}
