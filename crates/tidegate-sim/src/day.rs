//! One day in the city as the messages that its feeds would send, and the truth about it.
//!
//! First a [`plan`] is drawn from the seed: what is injected, where and when. Then persons and
//! vehicles move ([`flows`], [`arrivals`]) and every counting point sums them up by the minute.
//! At last the counts become rows with an arrival time, and the faults of the plan are put on
//! them ([`rows`], [`broken`]). Payload bytes are made when a message is asked for.

mod plan;

mod arrivals;
mod flows;
mod profile;

mod broken;
mod rows;

use std::collections::BTreeMap;
use std::fmt;

use tidegate_model::{EventTime, Span};

use crate::City;
use rows::Row;

/// Minutes of a day; minute 0 is 04:00 local time.
const DAY_MINUTES: u32 = 1_440;

/// One message of a feed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Message {
    /// `checkpoint`, `rail`, `transit` or `venue`.
    pub feed: &'static str,
    /// The counting point that sent it: the Kafka key.
    pub key: String,
    /// When it arrives.
    pub sent_at: EventTime,
    /// The payload: the JSON form of [`tidegate_model::ObservationRecord`], or something broken.
    pub bytes: Vec<u8>,
}

/// What was put into a day on purpose.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Injected {
    /// A name for people, unique within the day.
    pub name: String,
    /// What it is.
    pub kind: InjectedKind,
    /// The venue (crush, surge), site (clock, late, duplicates) or feed (dead feed) that it is
    /// about; `None` for the whole city.
    pub subject: Option<String>,
    /// The first minute that is not as on a normal day. For faults of a feed: the start of the
    /// first counted interval that is hit; for a dead feed and broken records: an arrival time.
    pub start: EventTime,
    /// The end of the last such minute. A crush has drained by then; its venue is full from
    /// about a third of the time between start and end until two thirds.
    pub end: EventTime,
}

/// The kinds of injected events.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum InjectedKind {
    /// A venue fills above its capacity and above 2.5 persons a square metre of usable area.
    Crush,
    /// A train-load from a high-incidence origin at one railway station.
    InflowSurge,
    /// Three hours of three times the inflow over all cordons, with a risky mix of origins.
    ReturnWave,
    /// One feed sends nothing for 90 minutes; what it counted then is lost.
    DeadFeed,
    /// The clock of one gate is an hour ahead: its times lie in the future.
    ClockAhead,
    /// Records of one gate arrive 40 minutes late.
    LateBatch,
    /// Records of one gate are sent twice, with the same ids.
    Duplicates,
    /// Payloads that cannot be counted, spread over the day.
    BrokenRecords,
}

impl InjectedKind {
    /// The word used in summaries, snake case.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Crush => "crush",
            Self::InflowSurge => "inflow_surge",
            Self::ReturnWave => "return_wave",
            Self::DeadFeed => "dead_feed",
            Self::ClockAhead => "clock_ahead",
            Self::LateBatch => "late_batch",
            Self::Duplicates => "duplicates",
            Self::BrokenRecords => "broken_records",
        }
    }

    /// Whether an alert should tell of it; the others show in counters, see [`Truth`].
    pub const fn is_alert(self) -> bool {
        matches!(self, Self::Crush | Self::InflowSurge | Self::ReturnWave)
    }
}

impl fmt::Display for InjectedKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// How many messages of a day are what. The five parts do not overlap:
/// `messages = counted + duplicates + late + future + sum of broken`.
///
/// It holds for a pipeline that takes messages as disordered as [`Day::DELAY_MAX`], calls a time
/// future when it ends more than 30 minutes after its arrival ([`Message::sent_at`]), takes
/// intervals of at least one minute, and whose windows are so short and close so soon that window
/// size, out-of-orderness and longest interval together stay below 40 minutes. For a longer window
/// a record of the late batch may still be in time.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Truth {
    /// All messages.
    pub messages: u64,
    /// Second copies of messages that were counted.
    pub duplicates: u64,
    /// Messages that arrive 40 minutes late.
    pub late: u64,
    /// Broken messages by the reason code expected of them. Never `time_in_future`.
    pub broken: BTreeMap<&'static str, u64>,
    /// Messages of the clock that is ahead, an hour in the future on arrival; each should be
    /// rejected as `time_in_future`.
    pub future: u64,
}

impl Truth {
    /// Messages that should be counted.
    pub fn counted(&self) -> u64 {
        self.messages
            - self.duplicates
            - self.late
            - self.future
            - self.broken.values().sum::<u64>()
    }
}

/// One day of the city, from 04:00 on 2 March 2026 to 04:00 on the next, UTC+8.
///
/// ```
/// let city = tidegate_sim::City::standard();
/// let day = tidegate_sim::Day::new(&city, 7);
/// let first = day.messages().next().unwrap();
/// assert!(first.sent_at >= tidegate_sim::Day::START);
/// assert_eq!(day.messages().len() as u64, day.truth().messages);
/// ```
#[derive(Debug, Clone)]
pub struct Day {
    senders: Vec<Sender>,
    origins: Vec<String>,
    rows: Vec<Row>,
    broken: Vec<Vec<u8>>,
    injected: Vec<Injected>,
    truth: Truth,
}

/// A counting point as far as its messages need it.
#[derive(Debug, Clone)]
struct Sender {
    site: String,
    feed: &'static str,
    channels: Vec<flows::Channel>,
}

impl Day {
    /// 2026-03-02T04:00:00+08:00, when markets open and venues are empty.
    pub const START: EventTime = EventTime::from_micros(1_772_395_200_000_000);
    /// 24 hours later.
    pub const END: EventTime = Self::START.plus(Span::hours(24));
    /// No message arrives longer than this after the end of its interval, those of the injected
    /// late batch excepted; so no partition is more out of order than this.
    pub const DELAY_MAX: Span = Span::seconds(20);

    /// The day of `seed`: its noise, the minutes of what is injected and whom it hits.
    pub fn new(city: &City, seed: u64) -> Self {
        let plan = plan::Plan::new(city, seed);
        let mut flows = flows::Flows::new(city);
        flows::venues(city, &plan, seed, &mut flows);
        flows::transit(city, seed, &mut flows);
        arrivals::rail(city, &plan, seed, &mut flows);
        arrivals::checkpoints(city, &plan, seed, &mut flows);
        let mut truth = Truth::default();
        let mut rows = rows::rows(city, &flows, &plan, seed, &mut truth);
        let broken = broken::broken(city, &plan, seed);
        for (payload, record) in broken.iter().enumerate() {
            rows.push(Row::broken(record, payload));
            *truth.broken.entry(record.reason.code()).or_default() += 1;
        }
        rows.sort_by_key(Row::sent_at);
        truth.messages = rows.len() as u64;
        let injected = plan.injected(city, &broken);
        Self {
            senders: senders(city),
            origins: city.origins().iter().map(|o| o.origin.clone()).collect(),
            rows,
            broken: broken.into_iter().map(|record| record.bytes).collect(),
            injected,
            truth,
        }
    }

    /// The messages of the day in the order of their arrival; of those that arrive at once, in a
    /// fixed order.
    pub fn messages(&self) -> impl ExactSizeIterator<Item = Message> + '_ {
        self.rows.iter().map(|row| row.message(self))
    }

    /// What was injected, ascending by start.
    pub fn injected(&self) -> Vec<Injected> {
        self.injected.clone()
    }

    /// How many messages are what.
    pub fn truth(&self) -> Truth {
        self.truth.clone()
    }
}

fn senders(city: &City) -> Vec<Sender> {
    city.sites()
        .iter()
        .map(|site| Sender {
            site: site.id.clone(),
            feed: feed(site.kind),
            channels: flows::Channel::of(site.kind, city.origins().len()),
        })
        .collect()
}

/// The feed by which a counting point sends.
const fn feed(kind: tidegate_model::SiteKind) -> &'static str {
    use tidegate_model::SiteKind as K;
    match kind {
        K::Gate => "venue",
        K::Rail => "rail",
        K::Transit => "transit",
        K::Checkpoint | K::Road => "checkpoint",
    }
}

/// The time of a minute of the day.
fn time(minute: u32) -> EventTime {
    Day::START.plus(Span::minutes(i64::from(minute)))
}

/// A minute of the day as its local time, RFC 3339.
fn local(minute: u32) -> String {
    let since_midnight = 240 + minute;
    let (day, minute) = (2 + since_midnight / 1_440, since_midnight % 1_440);
    format!(
        "2026-03-{day:02}T{:02}:{:02}:00+08:00",
        minute / 60,
        minute % 60
    )
}

/// The minute of the day of a local time on the first date.
const fn clock(hour: u32, minute: u32) -> u32 {
    (hour - 4) * 60 + minute
}

#[cfg(test)]
mod tests;
