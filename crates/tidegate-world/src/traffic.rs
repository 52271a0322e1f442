//! What the producers send: records in disorder, late, twice, broken, from wrong clocks, with
//! spells of silence, on partitions of which some appear while the pipeline runs.

mod meter;

use std::collections::BTreeMap;

use tidegate_model::EventTime;

use super::shape::{FeedShape, GATES, HALLS, MINUTE, SECOND, Shape};
use tidegate_sim::Random;

/// 2026-03-02T00:00:00Z: event time starts here.
const START: i64 = 1_772_409_600 * SECOND;

/// A partition: feed and number.
pub(crate) type Key = (String, i32);

/// One message of a log.
#[derive(Debug, Clone)]
pub(crate) struct Sent {
    pub(crate) offset: i64,
    /// The offset of the next message: above `offset + 1` where a control record stands between.
    pub(crate) next: i64,
    /// The round of the world in which it is appended.
    pub(crate) due: u32,
    /// `None` is a tombstone.
    pub(crate) bytes: Option<Vec<u8>>,
    /// The log's own stamp, microseconds since the epoch.
    pub(crate) arrived: i64,
    /// What the bytes mean.
    pub(crate) meaning: Meaning,
}

impl Sent {
    /// The count in the message, or the reason why feed `feed` refuses it.
    pub(crate) fn accepted(&self, shape: &Shape, feed: &str) -> Result<&Count, &'static str> {
        let count = match &self.meaning {
            Meaning::Count(count) => count,
            Meaning::Broken(reason) => return Err(reason),
        };
        if count.end > self.arrived + shape.max_future {
            Err("time_in_future")
        } else if count.end - count.start > shape.feed(feed).interval_max {
            Err("interval_too_long")
        } else if count.site == "nowhere" && feed == "gate" {
            Err("unknown_site")
        } else {
            Ok(count)
        }
    }
}

/// What a message means to a careful reader of the documentation.
#[derive(Debug, Clone)]
pub(crate) enum Meaning {
    /// A count; whether its times and its site are acceptable is for the reader to judge.
    Count(Count),
    /// Not a count at all, for this reason.
    Broken(&'static str),
}

/// A count; times in microseconds since the epoch.
#[derive(Debug, Clone)]
pub(crate) struct Count {
    pub(crate) id: Option<String>,
    pub(crate) site: &'static str,
    pub(crate) start: i64,
    pub(crate) end: i64,
    /// `in` and `out` are flows, `present` is a snapshot.
    pub(crate) measure: &'static str,
    pub(crate) persons: i64,
}

/// One partition's log as it will be when everything is sent.
#[derive(Debug, Clone)]
pub(crate) struct Log {
    /// The round in which the partition is created.
    pub(crate) appears: u32,
    /// The first offset: what was before has been deleted.
    pub(crate) start: i64,
    pub(crate) sent: Vec<Sent>,
}

impl Log {
    /// The messages with `from <= offset < to`.
    pub(crate) fn between(&self, from: i64, to: i64) -> &[Sent] {
        let first = self.sent.partition_point(|sent| sent.offset < from);
        let last = self.sent.partition_point(|sent| sent.offset < to);
        &self.sent[first..last.max(first)]
    }

    /// Whether feed `feed` takes this message for a count that no message before it had.
    pub(crate) fn is_news(&self, shape: &Shape, feed: &str, sent: &Sent) -> bool {
        let Ok(count) = sent.accepted(shape, feed) else {
            return false;
        };
        let before = self.between(self.start, sent.offset).iter();
        let mut before = before.filter_map(|sent| sent.accepted(shape, feed).ok());
        count.id.is_none() || before.all(|other| other.id != count.id)
    }

    /// The end of the log in `round`.
    pub(crate) fn end(&self, round: u32) -> i64 {
        let there = self.sent.partition_point(|sent| sent.due <= round);
        match there.checked_sub(1) {
            Some(last) => self.sent[last].next,
            None => self.start,
        }
    }
}

/// All logs.
pub(crate) type Logs = BTreeMap<Key, Log>;

/// The logs of `seed`. Each ends with one record so late in event time that every window closes.
pub(crate) fn logs(seed: u64, shape: &Shape) -> Logs {
    let mut random = Random::new(seed, 101);
    let partitions = [1 + random.below(3), 1 + random.below(2), random.below(2)];
    let mut logs = Logs::new();
    for (feed, count) in shape.feeds.iter().zip(partitions) {
        for partition in 0..i32::try_from(count).expect("three at most") {
            let stream = 110 + logs.len() as u64;
            let writer = Writer::new(Random::new(seed, stream), shape, feed, partition);
            logs.insert((feed.name.to_owned(), partition), writer.write());
        }
    }
    let ends = logs.values().flat_map(|log| log.sent.iter().map(end_of));
    let newest = ends.max().unwrap_or(START);
    let delay = shape.feeds.iter().map(FeedShape::delay).max().unwrap_or(0);
    let last = newest + delay + shape.allowed_lateness + shape.wide.size + MINUTE;
    let round = logs.values().flat_map(|log| log.sent.iter().map(|s| s.due));
    let round = round.max().unwrap_or(0) + random.below(30);
    for ((feed, partition), log) in &mut logs {
        let (bytes, count) = the_last(feed, *partition, last);
        let offset = log.sent.last().map_or(log.start, |sent| sent.next);
        log.sent.push(Sent {
            offset,
            next: offset + 1,
            due: round + random.below(10),
            bytes: Some(bytes),
            arrived: last,
            meaning: Meaning::Count(count),
        });
    }
    logs
}

/// The last record of a partition, at `time`.
fn the_last(feed: &str, partition: i32, time: i64) -> (Vec<u8>, Count) {
    let (site, measure, persons) = match feed {
        "gate" => ("e1", "in", 1),
        "hall" => ("h1", "present", 1),
        // A first reading, or one after a long silence, is no count.
        _ => ("m1", "in", 0),
    };
    let count = Count {
        id: (feed == "gate").then(|| format!("last-{partition}")),
        site,
        start: time,
        end: time,
        measure,
        persons,
    };
    let bytes = match feed {
        "meter" => meter::json(site, time, 1_000_000),
        _ => json(&count, ""),
    };
    (bytes, count)
}

fn end_of(sent: &Sent) -> i64 {
    match &sent.meaning {
        Meaning::Count(count) => count.end,
        Meaning::Broken(_) => sent.arrived,
    }
}

/// Writes one partition's log.
struct Writer<'a> {
    random: Random,
    shape: &'a Shape,
    feed: &'a FeedShape,
    partition: i32,
    /// The producers' time.
    now: i64,
    newest: i64,
    /// What each counter showed last.
    readings: BTreeMap<&'static str, meter::Reading>,
    log: Log,
}

impl<'a> Writer<'a> {
    fn new(mut random: Random, shape: &'a Shape, feed: &'a FeedShape, partition: i32) -> Self {
        let appears = match random.below(4) {
            0 => 30 + random.below(80),
            _ => 0,
        };
        let now = START + i64::from(random.below(600)) * SECOND + i64::from(appears) * 2 * SECOND;
        let log = Log {
            appears,
            start: i64::from(random.below(2) * 7),
            sent: Vec::new(),
        };
        Self {
            random,
            shape,
            feed,
            partition,
            now,
            newest: now,
            readings: BTreeMap::new(),
            log,
        }
    }

    fn write(mut self) -> Log {
        let mut due = self.log.appears;
        let mut offset = self.log.start;
        for _ in 0..20 + self.random.below(50) {
            self.now += i64::from(self.random.below(60)) * SECOND;
            due += self.random.below(4);
            if self.random.below(40) == 0 {
                // A spell of silence; the producers' time may go on meanwhile, or not.
                due += 40 + self.random.below(60);
                self.now += i64::from(self.random.below(2) * self.random.below(15)) * MINUTE;
            }
            let (bytes, meaning) = self.message();
            let next = offset + 1 + i64::from(self.random.below(8) / 7);
            self.log.sent.push(Sent {
                offset,
                next,
                due,
                bytes,
                arrived: self.now,
                meaning,
            });
            offset = next;
        }
        self.log
    }

    /// One message, of a kind that the dice choose.
    fn message(&mut self) -> (Option<Vec<u8>>, Meaning) {
        if self.feed.name == "meter" {
            return self.reading();
        }
        let stale = self.feed.delay() + self.shape.allowed_lateness;
        match self.random.weighted(&[70, 8, 6, 8, 5, 2, 1, 2, 1, 1]) {
            0 => self.count_that_ends(0, self.feed.out_of_orderness),
            1 => self.count_that_ends(self.feed.out_of_orderness, stale),
            2 => self.count_that_ends(stale, stale + 15 * MINUTE),
            3 => self.repeated(),
            4 => self.broken(),
            5 => self.personal(),
            6 => (None, Meaning::Broken("tombstone")),
            // A clock that is ahead: a little is believed, more is not.
            7 => self.count_that_ends(-self.shape.max_future - 2 * MINUTE, -MINUTE),
            8 => self.too_long(),
            _ => self.elsewhere(),
        }
    }

    /// A count whose interval ends between `least` and `most` microseconds ago, or ahead.
    fn count_that_ends(&mut self, least: i64, most: i64) -> (Option<Vec<u8>>, Meaning) {
        let range = u32::try_from((most - least) / SECOND).expect("a few minutes");
        let mut end = self.now - least - i64::from(self.random.below(range + 1)) * SECOND;
        if self.random.below(6) == 0 {
            // Right at a window's end, where off-by-one lives.
            end -= end.rem_euclid(MINUTE);
        }
        let longest = u32::try_from(self.feed.interval_max / SECOND).expect("a few minutes");
        let length = match self.random.below(4) {
            0 => 0,
            1 => 60.min(longest),
            _ => self.random.below(longest + 1),
        };
        let count = self.count(end - i64::from(length) * SECOND, end);
        self.sent(count)
    }

    fn count(&mut self, start: i64, end: i64) -> Count {
        let number = self.log.sent.len();
        if self.feed.name == "gate" {
            let (site, _) = GATES[self.random.weighted(&[3, 1, 2, 2])];
            return Count {
                id: Some(format!("{}-{number}", self.partition)),
                site,
                start,
                end,
                measure: if self.random.below(5) < 3 {
                    "in"
                } else {
                    "out"
                },
                persons: i64::from(self.random.middling(0, 50)),
            };
        }
        Count {
            id: None,
            site: HALLS[self.random.weighted(&[1, 1])],
            start,
            end,
            measure: "present",
            persons: i64::from(self.random.middling(0, 90)),
        }
    }

    fn sent(&mut self, count: Count) -> (Option<Vec<u8>>, Meaning) {
        if count.end <= self.now + self.shape.max_future {
            self.newest = self.newest.max(count.end);
        }
        (Some(json(&count, "")), Meaning::Count(count))
    }

    /// An earlier message again, near enough that its id must be remembered.
    fn repeated(&mut self) -> (Option<Vec<u8>>, Meaning) {
        let back = usize::try_from(1 + self.random.below(25)).expect("small");
        let within = self.feed.dedup_within.unwrap_or(0);
        let earlier = self.log.sent.len().checked_sub(back);
        if let Some(sent) = earlier.map(|index| &self.log.sent[index])
            && let Meaning::Count(count) = &sent.meaning
            && count.id.is_some()
            && count.end > self.newest - within + MINUTE
        {
            return (sent.bytes.clone(), sent.meaning.clone());
        }
        self.count_that_ends(0, self.feed.out_of_orderness)
    }

    fn broken(&mut self) -> (Option<Vec<u8>>, Meaning) {
        let count = self.count(self.now - MINUTE, self.now);
        let text = String::from_utf8(json(&count, "")).expect("JSON is text");
        let (bytes, reason): (Vec<u8>, _) = match self.random.below(7) {
            0 => (Vec::new(), "empty"),
            1 => (text.as_bytes()[..text.len() / 2].to_vec(), "malformed"),
            2 => (vec![0xff, 0xfe, b'{'], "not_utf8"),
            3 => (
                text.replace("\"site\"", "\"place\"").into(),
                "missing_field",
            ),
            4 => (
                text.replace("\"count\":", "\"count\":-").into(),
                if count.persons == 0 {
                    ""
                } else {
                    "negative_count"
                },
            ),
            5 => (
                text.replace("\"start\":\"", "\"start\":\"x").into(),
                "bad_time",
            ),
            _ => (
                json(
                    &Count {
                        start: count.end + SECOND,
                        ..count.clone()
                    },
                    "",
                ),
                "interval_reversed",
            ),
        };
        match reason {
            "" => self.sent(count),
            reason => (Some(bytes), Meaning::Broken(reason)),
        }
    }

    fn personal(&mut self) -> (Option<Vec<u8>>, Meaning) {
        let count = self.count(self.now - MINUTE, self.now);
        let bytes = json(&count, ",\"phone\":\"13900000000\"");
        (Some(bytes), Meaning::Broken("personal_data"))
    }

    fn too_long(&mut self) -> (Option<Vec<u8>>, Meaning) {
        let start = self.now - self.feed.interval_max - SECOND;
        let count = self.count(start, self.now);
        (Some(json(&count, "")), Meaning::Count(count))
    }

    /// A site that nobody registered: the feed `gate` rejects it, `hall` counts it.
    fn elsewhere(&mut self) -> (Option<Vec<u8>>, Meaning) {
        let count = Count {
            site: "nowhere",
            ..self.count(self.now, self.now)
        };
        self.sent(count)
    }
}

fn json(count: &Count, more: &str) -> Vec<u8> {
    let id = count.id.as_ref();
    let id = id.map_or(String::new(), |id| format!("\"id\":\"{id}\","));
    format!(
        "{{{id}\"site\":\"{}\",\"start\":\"{}\",\"end\":\"{}\",\"measure\":\"{}\",\"count\":{}{more}}}",
        count.site,
        EventTime::from_micros(count.start),
        EventTime::from_micros(count.end),
        count.measure,
        count.persons
    )
    .into_bytes()
}
