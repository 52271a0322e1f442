//! Payloads that cannot be counted, each with one fault and the reason expected of it.
//!
//! A payload has one fault only, so that it does not matter in which order a decoder looks.
//! Limits that a pipeline sets are passed by far: 2 MB, a million million persons, 60 days.

use tidegate_model::{EventTime, Reason, SiteKind, Span};

use super::plan::Plan;
use super::{DAY_MINUTES, Day, feed, local, time};
use crate::City;
use crate::random::Random;

/// A payload that cannot be counted.
#[derive(Debug)]
pub(super) struct Broken {
    /// Index of the site that sends it.
    pub(super) site: usize,
    pub(super) sent_at: EventTime,
    pub(super) reason: Reason,
    pub(super) bytes: Vec<u8>,
}

/// What a broken payload is made from: a good record, in parts.
struct Good {
    id: String,
    site: String,
    start: String,
    end: String,
}

impl Good {
    /// The record with another text for everything after the id.
    fn with(&self, rest: &str) -> Vec<u8> {
        format!("{{\"id\":\"{}\",{rest}}}", self.id).into_bytes()
    }

    fn place(&self) -> String {
        format!("\"site\":\"{}\"", self.site)
    }

    fn interval(&self) -> String {
        format!("\"start\":\"{}\",\"end\":\"{}\"", self.start, self.end)
    }

    /// The record with another text for measure and count.
    fn counting(&self, rest: &str) -> Vec<u8> {
        self.with(&format!("{},{},{rest}", self.place(), self.interval()))
    }

    /// The record with another text for its times.
    fn at(&self, times: &str) -> Vec<u8> {
        self.with(&format!("{},{times},{COUNT}", self.place()))
    }

    /// The record with another text for its place.
    fn from(&self, place: &str) -> Vec<u8> {
        self.with(&format!("{place},{},{COUNT}", self.interval()))
    }
}

const COUNT: &str = "\"measure\":\"in\",\"subject\":\"person\",\"count\":3";

/// One way to break a record.
type Fault = (Reason, fn(&Good) -> Vec<u8>);

/// Every way, and one payload of 2 MB in [`broken`].
const FAULTS: [Fault; 27] = [
    (Reason::Empty, |_| Vec::new()),
    (Reason::Malformed, |good| {
        let mut bytes = good.counting(COUNT);
        bytes.truncate(bytes.len() / 2);
        bytes
    }),
    (Reason::Malformed, |_| {
        b"<html><body>502 Bad Gateway</body></html>".to_vec()
    }),
    (Reason::Malformed, |good| {
        good.counting("\"measure\":\"in\",\"count\":NaN")
    }),
    (Reason::NotUtf8, |good| {
        let mut bytes = good.counting(COUNT);
        bytes[8] = 0xff;
        bytes
    }),
    (Reason::MissingField, |good| {
        good.with(&format!("{},{COUNT}", good.interval()))
    }),
    (Reason::MissingField, |good| {
        good.with(&format!("{},{COUNT}", good.place()))
    }),
    (Reason::MissingField, |good| {
        good.counting("\"measure\":\"in\"")
    }),
    (Reason::MissingField, |good| good.counting("\"count\":3")),
    (Reason::WrongType, |good| {
        good.counting("\"measure\":\"in\",\"count\":\"many\"")
    }),
    (Reason::WrongType, |good| {
        good.counting("\"measure\":\"sideways\",\"count\":3")
    }),
    (Reason::WrongType, |good| {
        good.from("\"site\":[\"first\",\"second\"]")
    }),
    (Reason::BadTime, |good| {
        good.at("\"start\":\"yesterday morning\"")
    }),
    // A time without an offset: the zone cannot be guessed.
    (Reason::BadTime, |good| {
        good.at(&format!("\"start\":\"{}\"", &good.start[..19]))
    }),
    (Reason::TimeTooEarly, |good| {
        let times = "\"start\":\"1999-12-31T08:00:00+08:00\",\"end\":\"1999-12-31T08:01:00+08:00\"";
        good.at(times)
    }),
    (Reason::IntervalReversed, |good| {
        good.at(&format!(
            "\"start\":\"{}\",\"end\":\"{}\"",
            good.end, good.start
        ))
    }),
    (Reason::IntervalTooLong, |good| {
        good.at(&format!(
            "\"start\":\"2026-01-01T00:00:00+08:00\",\"end\":\"{}\"",
            good.end
        ))
    }),
    (Reason::NegativeCount, |good| {
        good.counting("\"measure\":\"in\",\"count\":-5")
    }),
    (Reason::AbsurdCount, |good| {
        good.counting("\"measure\":\"in\",\"count\":1000000000000")
    }),
    (Reason::AbsurdCount, |good| {
        good.counting("\"measure\":\"in\",\"count\":2.5")
    }),
    (Reason::BadCoordinate, |good| {
        good.from("\"site\":\"van-7\",\"lat\":123.4,\"lng\":114.3")
    }),
    (Reason::BadCoordinate, |good| {
        good.from("\"site\":\"van-7\",\"lat\":30.58")
    }),
    (Reason::UnknownSite, |good| good.from("\"site\":\"van-7\"")),
    (Reason::UnlocatableSite, |good| {
        good.from("\"site\":\"rd-01\"")
    }),
    (Reason::PersonalData, |good| {
        good.counting(&format!("{COUNT},\"phone\":\"13800000000\""))
    }),
    (Reason::PersonalData, |good| {
        good.counting(&format!("{COUNT},\"id_card\":\"420100190001010000\""))
    }),
    (Reason::PersonalData, |good| {
        good.counting(&format!("{COUNT},\"plate\":\"澜A00000\""))
    }),
];

/// The one large payload: a record with 2 MB of padding.
fn large(good: &Good) -> Vec<u8> {
    good.counting(&format!(
        "{COUNT},\"padding\":\"{}\"",
        "x".repeat(2_000_000)
    ))
}

/// The broken payloads of a day: each fault one to three times, and the large one once.
pub(super) fn broken(city: &City, plan: &Plan, seed: u64) -> Vec<Broken> {
    let mut random = Random::new(seed, 2);
    let once = |fault: Fault| std::iter::once((fault, 1));
    let faults: Vec<(Fault, u32)> = FAULTS
        .into_iter()
        .map(|fault| (fault, 3))
        .chain(once((Reason::TooLarge, large)))
        .collect();
    let mut all = Vec::new();
    for ((reason, make), most) in faults {
        for _ in 0..=random.below(most) {
            let (site, minute) = sender(city, plan, &mut random);
            let good = Good {
                id: format!("x/{:04}", all.len()),
                site: city.sites()[site].id.clone(),
                start: local(minute),
                end: local(minute + 1),
            };
            let delay = 1_000_000 + i64::from(random.below(17_000)) * 1_000;
            all.push(Broken {
                site,
                sent_at: time(minute + 1).plus(Span::micros(delay)),
                reason,
                bytes: make(&good),
            });
        }
    }
    debug_assert!(all.iter().all(|b| b.sent_at < Day::END), "inside the day");
    all
}

/// A site with a place and a minute at which it sends a broken payload: never of a feed that is
/// dead then.
fn sender(city: &City, plan: &Plan, random: &mut Random) -> (usize, u32) {
    let sites = u32::try_from(city.sites().len()).expect("a city has few sites");
    loop {
        let site = random.below(sites) as usize;
        let minute = 5 + random.below(DAY_MINUTES - 10);
        let kind = city.sites()[site].kind;
        let near = minute + 1;
        let dead = feed(kind) == "transit"
            && (plan.dead_transit.contains(minute) || plan.dead_transit.contains(near));
        if kind != SiteKind::Road && !dead {
            return (site, minute);
        }
    }
}
