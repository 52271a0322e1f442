//! Hours of the local day on some weekdays.

use jiff::Timestamp;
use jiff::civil::Weekday;
use jiff::tz::TimeZone;

use crate::config::HoursConfig;
use crate::problem::Problems;

const DAYS: [(&str, Weekday); 7] = [
    ("mon", Weekday::Monday),
    ("tue", Weekday::Tuesday),
    ("wed", Weekday::Wednesday),
    ("thu", Weekday::Thursday),
    ("fri", Weekday::Friday),
    ("sat", Weekday::Saturday),
    ("sun", Weekday::Sunday),
];

/// A day's minutes.
pub(crate) const DAY: u16 = 24 * 60;

/// Checked hours.
#[derive(Debug, Clone, PartialEq, serde::Serialize)]
pub(crate) struct Hours {
    /// Monday first.
    weekdays: [bool; 7],
    /// Minutes of the local day.
    from: u16,
    to: u16,
    /// What the zone is called; part of the plan's hash, as the rules of the zone are not.
    name: String,
    #[serde(skip)]
    zone: TimeZone,
}

impl Hours {
    /// Checks hours; `None` with problems told under `key`.
    pub(crate) fn check(config: &HoursConfig, key: &str, problems: &mut Problems) -> Option<Self> {
        let weekdays = weekdays(&config.weekdays, key, problems);
        let mut minute = |part: &str, text: &str| {
            let minute = minute(text);
            if minute.is_none() {
                let message = format!("{text:?} is not a time of day such as 08:00");
                problems.add(format!("{key}.{part}"), message);
            }
            minute
        };
        let (from, to) = (minute("from", &config.from), minute("to", &config.to));
        if from.is_some() && from == to {
            let message = format!(
                "{} is also `from`: leave the hours out for all day",
                config.to
            );
            problems.add(format!("{key}.to"), message);
        }
        let zone = TimeZone::get(&config.time_zone).ok();
        if zone.is_none() {
            let name = &config.time_zone;
            let message = format!("{name:?} is not a time zone: write one such as Asia/Shanghai");
            problems.add(format!("{key}.time_zone"), message);
        }
        Some(Self {
            weekdays,
            from: from?,
            to: to?,
            name: config.time_zone.clone(),
            zone: zone?,
        })
    }

    /// Whether `now` is within the hours, by the clock of the place.
    pub(crate) fn contain(&self, now: Timestamp) -> bool {
        let local = self.zone.to_datetime(now);
        let minute =
            u16::from(local.hour().unsigned_abs()) * 60 + u16::from(local.minute().unsigned_abs());
        let today = usize::from(local.weekday().to_monday_zero_offset().unsigned_abs());
        let yesterday = (today + 6) % 7;
        if self.from < self.to {
            return self.weekdays[today] && (self.from..self.to).contains(&minute);
        }
        (self.weekdays[today] && minute >= self.from)
            || (self.weekdays[yesterday] && minute < self.to)
    }
}

/// Which days are named, Monday first; all of them where none is.
pub(crate) fn weekdays(names: &[String], key: &str, problems: &mut Problems) -> [bool; 7] {
    let mut weekdays = [names.is_empty(); 7];
    for name in names {
        match DAYS.iter().position(|(day, _)| day == name) {
            Some(day) => weekdays[day] = true,
            None => problems.add(
                format!("{key}.weekdays"),
                format!("{name:?} is not one of mon, tue, wed, thu, fri, sat, sun"),
            ),
        }
    }
    weekdays
}

/// The minute of the day that `HH:MM` says.
pub(crate) fn minute(text: &str) -> Option<u16> {
    let (hour, minute) = text.split_once(':')?;
    let digits = |part: &str| {
        (part.len() == 2 && part.bytes().all(|byte| byte.is_ascii_digit())).then(|| part.parse())
    };
    let (hour, minute): (u16, u16) = (digits(hour)?.ok()?, digits(minute)?.ok()?);
    let total = hour * 60 + minute;
    (minute < 60 && total <= DAY).then_some(total)
}
