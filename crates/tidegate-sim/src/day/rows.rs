//! Counts as messages: when each arrives, and the faults of the plan.
//!
//! A row holds 32 bytes and becomes a payload only when it is asked for, so that a day of half a
//! million messages stays small.

use tidegate_model::{EventTime, Measure, ObservationRecord, Span, Subject};

use super::broken::Broken;
use super::flows::{Channel, Flows};
use super::plan::Plan;
use super::{DAY_MINUTES, Day, Message, Truth, feed, local, time};
use crate::City;
use crate::random::Random;

/// A site that counted nobody says so once in so many minutes, so that quiet is not silent.
const HEARTBEAT_MINUTES: u32 = 10;
/// How far the fast clock is ahead.
const AHEAD_MINUTES: u32 = 60;
/// How late the late batch is.
const LATE: Span = Span::minutes(40);

/// One message before its bytes are made.
#[derive(Debug, Clone)]
pub(super) struct Row {
    sent_at: EventTime,
    site: u32,
    body: Body,
}

#[derive(Debug, Clone)]
enum Body {
    /// A count of one minute.
    Count {
        /// Number of the message within its site, for its id.
        serial: u32,
        /// Minute of the day, as the site's clock says.
        minute: u16,
        channel: u8,
        count: u32,
    },
    /// An index into the day's broken payloads.
    Broken(u32),
}

impl Row {
    pub(super) fn broken(record: &Broken, payload: usize) -> Self {
        Self {
            sent_at: record.sent_at,
            site: narrow(record.site),
            body: Body::Broken(narrow(payload)),
        }
    }

    pub(super) const fn sent_at(&self) -> EventTime {
        self.sent_at
    }

    pub(super) fn message(&self, day: &Day) -> Message {
        let sender = &day.senders[self.site as usize];
        let bytes = match self.body {
            Body::Broken(payload) => day.broken[payload as usize].clone(),
            Body::Count {
                serial,
                minute,
                channel,
                count,
            } => {
                let channel = sender.channels[usize::from(channel)];
                let (measure, subject) = channel.meaning();
                let origin = match channel {
                    Channel::InFrom(origin) => Some(day.origins[origin].clone()),
                    _ => None,
                };
                let minute = u32::from(minute);
                record(&ObservationRecord {
                    id: Some(format!("{}/{serial:06}", sender.site)),
                    site: sender.site.clone(),
                    start: local(minute),
                    end: Some(local(minute + 1)),
                    measure,
                    subject,
                    count: i64::from(count),
                    origin,
                    lat: None,
                    lng: None,
                })
            }
        };
        Message {
            feed: sender.feed,
            key: sender.site.clone(),
            sent_at: self.sent_at,
            bytes,
        }
    }
}

/// A record as its producer writes it.
pub(super) fn record(record: &ObservationRecord) -> Vec<u8> {
    serde_json::to_vec(record).expect("a record of strings and whole numbers always serializes")
}

fn narrow(index: usize) -> u32 {
    u32::try_from(index).expect("a day has fewer than 2^32 of anything")
}

/// All counts of the day as rows, not yet in order.
pub(super) fn rows(
    city: &City,
    flows: &Flows,
    plan: &Plan,
    seed: u64,
    truth: &mut Truth,
) -> Vec<Row> {
    let mut out = Rows {
        plan,
        random: Random::new(seed, 1),
        done: Vec::new(),
        truth,
    };
    for (site, place) in city.sites().iter().enumerate() {
        let silent = (feed(place.kind) == "transit").then_some(plan.dead_transit);
        let channels = flows.channels(site);
        let mut serial = 0;
        for minute in 0..DAY_MINUTES {
            let beat = (minute + narrow(site)).is_multiple_of(HEARTBEAT_MINUTES);
            let counts = channels.iter().map(|&c| flows.count(site, c, minute));
            let quiet = counts.clone().all(|count| count == 0);
            for (channel, count) in (0..).zip(counts) {
                // The quiet minute is told of as nobody inward, from nowhere that is known.
                let is_told = count > 0 || (quiet && beat && channel == zero_channel(channels));
                if !is_told {
                    continue;
                }
                serial += 1;
                let row = out.row(
                    site,
                    minute,
                    Body::Count {
                        serial,
                        minute: u16::try_from(minute).expect("a day has 1440 minutes"),
                        channel,
                        count,
                    },
                );
                if !silent.is_some_and(|silent| silent.holds(row.sent_at)) {
                    out.push(site, minute, row);
                }
            }
        }
    }
    out.done
}

/// The channel in which a site says that it counted nobody: the last inward one, which at a
/// cordon is the unknown origin.
fn zero_channel(channels: &[Channel]) -> u8 {
    let inward = (Measure::In, Subject::Person);
    let last = channels
        .iter()
        .rposition(|channel| channel.meaning() == inward);
    u8::try_from(last.unwrap_or(0)).expect("a site has few channels")
}

struct Rows<'a> {
    plan: &'a Plan,
    random: Random,
    done: Vec<Row>,
    truth: &'a mut Truth,
}

impl Rows<'_> {
    /// A row that arrives 1 to 18 s after its interval; the last 2 s are kept for copies.
    fn row(&mut self, site: usize, minute: u32, body: Body) -> Row {
        let delay = Span::micros(1_000_000 + 1_000 * i64::from(self.random.below(17_000)));
        Row {
            sent_at: time(minute + 1).plus(delay),
            site: narrow(site),
            body,
        }
    }

    /// Puts a row on the list, with the faults of its site at that minute.
    fn push(&mut self, site: usize, minute: u32, mut row: Row) {
        let hit = |fault: super::plan::Fault| fault.site == site && fault.when.contains(minute);
        if hit(self.plan.duplicates) {
            let limit = time(minute + 1).plus(Day::DELAY_MAX);
            let half = Span::micros(limit.since(row.sent_at).as_micros() / 2);
            let mut copy = row.clone();
            copy.sent_at = row.sent_at.plus(half);
            self.done.push(copy);
            self.truth.duplicates += 1;
        }
        if hit(self.plan.late) {
            row.sent_at = row.sent_at.plus(LATE);
            self.truth.late += 1;
        }
        if hit(self.plan.clock_ahead) {
            if let Body::Count { minute, .. } = &mut row.body {
                *minute += u16::try_from(AHEAD_MINUTES).expect("an hour");
            }
            self.truth.future += 1;
        }
        self.done.push(row);
    }
}
