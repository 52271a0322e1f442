//! Where a step stands in the day, in the week, and among days of its type.
//!
//! The caller says which local weekday and slot a step has and whether the day is a holiday: it
//! alone knows the time zone. On a day of 23 or 25 hours it leaves slots out or gives them twice.

use super::ForecastError;

/// Most slots in a day: one each 15 minutes.
pub const SLOTS_PER_DAY_MAX: u16 = 96;

/// Most slots of a day times day types, so that a state fits its limit: 4 types of 96 slots, or
/// all 7 weekdays of 64.
pub const PROFILE_SLOTS_MAX: u16 = 448;

/// Whether a day is one of those on which the city does not work.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DayKind {
    /// As its weekday says.
    Ordinary,
    /// A public holiday.
    Holiday,
}

/// Which days are alike: a day type for each weekday and for holidays, and the slots of a day.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Calendar {
    slots_per_day: u16,
    weekdays: [u8; 7],
    holiday: u8,
}

impl Calendar {
    /// Days of `slots_per_day` slots; `weekdays` are the day types of Monday to Sunday.
    ///
    /// Day types are numbers from 0; the highest one named says how many there are.
    ///
    /// # Errors
    /// [`ForecastError::SlotsPerDay`] and [`ForecastError::ProfileSlots`].
    pub fn try_new(
        slots_per_day: u16,
        weekdays: [u8; 7],
        holiday: u8,
    ) -> Result<Self, ForecastError> {
        if !(1..=SLOTS_PER_DAY_MAX).contains(&slots_per_day) {
            return Err(ForecastError::SlotsPerDay(slots_per_day));
        }
        let calendar = Self {
            slots_per_day,
            weekdays,
            holiday,
        };
        let slots = u16::from(calendar.day_types()) * slots_per_day;
        if slots > PROFILE_SLOTS_MAX {
            return Err(ForecastError::ProfileSlots(slots));
        }
        Ok(calendar)
    }

    /// Four day types: Monday to Thursday, Friday, Saturday, and Sunday with the holidays.
    ///
    /// # Errors
    /// [`ForecastError::SlotsPerDay`].
    pub fn of_four(slots_per_day: u16) -> Result<Self, ForecastError> {
        Self::try_new(slots_per_day, [0, 0, 0, 0, 1, 2, 3], 3)
    }

    /// The slot of a step: `weekday` from 0 (Monday) to 6, `of_day` from 0, both in local time.
    ///
    /// # Errors
    /// [`ForecastError::Slot`] when either is out of its range.
    pub fn slot(&self, weekday: u8, of_day: u16, kind: DayKind) -> Result<Slot, ForecastError> {
        let ordinary = self.weekdays.get(usize::from(weekday));
        let Some(ordinary) = ordinary.filter(|_| of_day < self.slots_per_day) else {
            return Err(ForecastError::Slot { weekday, of_day });
        };
        let day_type = match kind {
            DayKind::Ordinary => *ordinary,
            DayKind::Holiday => self.holiday,
        };
        Ok(Slot {
            day: of_day,
            week: u16::from(weekday) * self.slots_per_day + of_day,
            profile: u16::from(day_type) * self.slots_per_day + of_day,
        })
    }

    /// Slots in a day.
    pub const fn slots_per_day(&self) -> u16 {
        self.slots_per_day
    }

    /// How many day types there are, at most 256.
    fn day_types(&self) -> u8 {
        let highest = self.weekdays.into_iter().fold(self.holiday, u8::max);
        highest.saturating_add(1)
    }

    pub(super) fn week_slots(&self) -> usize {
        7 * usize::from(self.slots_per_day)
    }

    pub(super) fn profile_slots(&self) -> usize {
        usize::from(self.day_types()) * usize::from(self.slots_per_day)
    }
}

/// A step's place in the seasons of the [`Calendar`] that gave it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Slot {
    day: u16,
    week: u16,
    profile: u16,
}

impl Slot {
    pub(super) fn of_day(self) -> usize {
        usize::from(self.day)
    }

    pub(super) fn of_week(self) -> usize {
        usize::from(self.week)
    }

    /// The slot's number among those of all day types, from 0 and below [`PROFILE_SLOTS_MAX`].
    pub fn of_profile(self) -> usize {
        usize::from(self.profile)
    }
}
