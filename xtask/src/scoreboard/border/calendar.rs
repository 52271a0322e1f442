//! The days of Hong Kong's border: their types, their parts, and which are ordinary.

use std::collections::BTreeMap;

/// The first stage, with quotas, and all control points, without quotas.
pub(super) const REOPENINGS: [&str; 2] = ["2023-01-08", "2023-02-06"];

/// The last day of the fit part.
const FIT_LAST: &str = "2022-12-31";

/// The first and the last day among which the ordinary days of the test part are.
const TEST: [&str; 2] = ["2023-03-06", "2023-12-31"];

/// Days on either side of a holiday that are not ordinary.
const NEAR: usize = 2;

/// General holidays of Hong Kong that are no Sundays (General Holidays Ordinance, Cap. 149, with
/// its substitutes), 2021 to 2023.
const HOLIDAYS: [&str; 51] = [
    "2021-01-01",
    "2021-02-12",
    "2021-02-13",
    "2021-02-15",
    "2021-04-02",
    "2021-04-03",
    "2021-04-05",
    "2021-04-06",
    "2021-05-01",
    "2021-05-19",
    "2021-06-14",
    "2021-07-01",
    "2021-09-22",
    "2021-10-01",
    "2021-10-14",
    "2021-12-25",
    "2021-12-27",
    "2022-01-01",
    "2022-02-01",
    "2022-02-02",
    "2022-02-03",
    "2022-04-05",
    "2022-04-15",
    "2022-04-16",
    "2022-04-18",
    "2022-05-02",
    "2022-05-09",
    "2022-06-03",
    "2022-07-01",
    "2022-09-12",
    "2022-10-01",
    "2022-10-04",
    "2022-12-26",
    "2022-12-27",
    "2023-01-02",
    "2023-01-23",
    "2023-01-24",
    "2023-01-25",
    "2023-04-05",
    "2023-04-07",
    "2023-04-08",
    "2023-04-10",
    "2023-05-01",
    "2023-05-26",
    "2023-06-22",
    "2023-07-01",
    "2023-09-30",
    "2023-10-02",
    "2023-10-23",
    "2023-12-25",
    "2023-12-26",
];

/// Days that are alike.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum DayType {
    Working,
    Saturday,
    SundayOrHoliday,
}

impl DayType {
    /// Its number among the slots of a baseline.
    pub(super) const fn slot(self) -> u16 {
        match self {
            Self::Working => 0,
            Self::Saturday => 1,
            Self::SundayOrHoliday => 2,
        }
    }
}

/// What a day is used for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Part {
    /// Rules are chosen on it.
    Fit,
    /// Its ordinary days are reported.
    Test,
    /// It is shown where it is near a reopening, and in no tally.
    Neither,
}

/// One day.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Day {
    /// As `2023-01-08`.
    pub(super) date: String,
    pub(super) kind: DayType,
    pub(super) part: Part,
    /// No holiday and not near one.
    pub(super) is_ordinary: bool,
}

/// The days of ascending dates, each with its weekday from 0, Sunday.
pub(super) fn days(dates: &BTreeMap<&str, u8>) -> Vec<Day> {
    let is_holiday: Vec<bool> = dates.keys().map(|date| HOLIDAYS.contains(date)).collect();
    let each = dates.iter().enumerate().map(|(idx, (date, weekday))| {
        let near = idx.saturating_sub(NEAR)..(idx + NEAR + 1).min(is_holiday.len());
        Day {
            date: (*date).to_owned(),
            kind: match weekday {
                _ if is_holiday[idx] => DayType::SundayOrHoliday,
                0 => DayType::SundayOrHoliday,
                6 => DayType::Saturday,
                _ => DayType::Working,
            },
            part: if *date <= FIT_LAST {
                Part::Fit
            } else if (TEST[0]..=TEST[1]).contains(date) {
                Part::Test
            } else {
                Part::Neither
            },
            is_ordinary: !is_holiday[near].contains(&true),
        }
    });
    each.collect()
}
