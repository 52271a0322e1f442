//! Tries to find a day that is not what it says: persons lost or left behind, a normal hour that
//! looks like a crush, an injected event that does not show, truth that does not match the
//! messages.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::LazyLock;

use tidegate_model::{Measure, ObservationRecord, Reason, Subject, VenueKind, parse_rfc3339};

use super::flows::Flows;
use super::plan::Plan;
use super::*;
use crate::city::prevalence;

const SEEDS: [u64; 4] = [0, 7, 42, 2_026];

static CITY: LazyLock<City> = LazyLock::new(City::standard);

/// The movements of each of [`SEEDS`], played once for all tests.
static PLAYED: LazyLock<Vec<(u64, Plan, Flows)>> = LazyLock::new(|| {
    let play = |seed| {
        let (plan, flows) = play(&CITY, seed);
        (seed, plan, flows)
    };
    SEEDS.into_iter().map(play).collect()
});

/// The whole day of seed 7.
static SEVENTH: LazyLock<Day> = LazyLock::new(|| Day::new(&CITY, 7));

fn play(city: &City, seed: u64) -> (Plan, Flows) {
    let plan = Plan::new(city, seed);
    let mut flows = Flows::new(city);
    flows::venues(city, &plan, seed, &mut flows);
    flows::transit(city, seed, &mut flows);
    arrivals::rail(city, &plan, seed, &mut flows);
    arrivals::checkpoints(city, &plan, seed, &mut flows);
    (plan, flows)
}

/// Persons inward minus outward of the sites chosen, after each minute.
fn occupancy(city: &City, flows: &Flows, venue: &str) -> Vec<i64> {
    let sites: Vec<usize> = (0..city.sites().len())
        .filter(|&site| city.sites()[site].venue_id.as_deref() == Some(venue))
        .collect();
    let mut present = 0;
    (0..DAY_MINUTES)
        .map(|minute| {
            for &site in &sites {
                for &channel in flows.channels(site) {
                    let count = i64::from(flows.count(site, channel, minute));
                    match channel.meaning().0 {
                        Measure::In => present += count,
                        _ => present -= count,
                    }
                }
            }
            present
        })
        .collect()
}

/// Expected infectious arrivals over the given cordon sites in each window of `size` minutes.
fn lambda(city: &City, flows: &Flows, sites: &[usize], size: u32) -> Vec<f64> {
    let p: Vec<f64> = city.origins().iter().map(prevalence).collect();
    (0..DAY_MINUTES / size)
        .map(|window| {
            let mut sum = 0.0;
            for minute in window * size..(window + 1) * size {
                for &site in sites {
                    for &channel in flows.channels(site) {
                        if let flows::Channel::InFrom(origin) = channel {
                            sum += f64::from(flows.count(site, channel, minute)) * p[origin];
                        }
                    }
                }
            }
            sum
        })
        .collect()
}

#[test]
fn everyone_who_comes_goes() {
    let city = &*CITY;
    for (seed, _, flows) in &*PLAYED {
        for venue in city.venues() {
            let present = occupancy(city, flows, &venue.id);
            assert!(present.iter().all(|&n| n >= 0), "{} {seed}", venue.id);
            let left = present[present.len() - 1];
            if venue.kind == VenueKind::Quarantine {
                assert!((3..=8).contains(&left), "{} {left}", venue.id);
            } else {
                assert_eq!(left, 0, "{} {seed}", venue.id);
            }
        }
    }
}

#[test]
fn a_normal_day_stays_below_every_threshold() {
    let city = &*CITY;
    for (seed, plan, flows) in &*PLAYED {
        for (index, venue) in city.venues().iter().enumerate() {
            let crush = plan.crushes.iter().find(|crush| crush.venue == index);
            let peak = (0..)
                .zip(occupancy(city, flows, &venue.id))
                .filter(|&(minute, _)| !crush.is_some_and(|crush| crush.when.contains(minute)))
                .map(|(_, present)| present)
                .max()
                .unwrap();
            let peak = f64::from(u32::try_from(peak).unwrap());
            let share = peak / f64::from(venue.capacity);
            let density = peak / f64::from(venue.usable_area_m2);
            assert!(share < 0.55, "{} {seed}: {share}", venue.id);
            assert!(density < 0.55, "{} {seed}: {density}", venue.id);
            let least = if venue.kind == VenueKind::Quarantine {
                0.05
            } else {
                0.25
            };
            assert!(share > least, "{} {seed}: {share} is no peak", venue.id);
        }
    }
}

#[test]
fn a_crush_is_a_crush() {
    let city = &*CITY;
    for (_, plan, flows) in &*PLAYED {
        assert_eq!(plan.crushes.len(), 3);
        assert_ne!(plan.crushes[0].venue, plan.crushes[1].venue);
        for crush in &plan.crushes {
            let venue = &city.venues()[crush.venue];
            let present = occupancy(city, flows, &venue.id);
            let held = crush.when.from + crush.ramp..crush.when.to - crush.ramp;
            assert!(held.len() >= 15, "three windows of five minutes");
            for minute in held {
                let n = f64::from(u32::try_from(present[minute as usize]).unwrap());
                assert!(n / f64::from(venue.usable_area_m2) > 2.5, "{}", venue.id);
                assert!(n > 1.2 * f64::from(venue.capacity), "{}", venue.id);
            }
        }
        let first = plan.crushes[0].when;
        assert!(clock(4, 35) <= first.from && first.to <= clock(5, 25));
    }
}

#[test]
fn infected_arrivals_stand_out() {
    let city = &*CITY;
    for (seed, plan, flows) in &*PLAYED {
        let cordon: Vec<usize> = (0..city.sites().len())
            .filter(|&site| city.sites()[site].cordon)
            .collect();
        for size in [5, 15, 60] {
            let hit = |window: usize, when: plan::Minutes| {
                let from = u32::try_from(window).unwrap() * size;
                from < when.to && when.from < from + size
            };
            let peaks = |sites: &[usize], inside: Option<plan::Minutes>| {
                lambda(city, flows, sites, size)
                    .into_iter()
                    .enumerate()
                    .filter(|&(window, _)| match inside {
                        Some(when) => hit(window, when),
                        None => !hit(window, plan.wave) && !hit(window, plan.surge.when),
                    })
                    .map(|(_, value)| value)
                    .fold(0.0, f64::max)
            };
            let stations: Vec<usize> = (0..city.sites().len())
                .filter(|&site| city.sites()[site].kind == tidegate_model::SiteKind::Rail)
                .collect();
            let normal = stations
                .iter()
                .map(|&site| peaks(&[site], None))
                .fold(0.0, f64::max);
            let surge = peaks(&[plan.surge.site], Some(plan.surge.when));
            assert!(
                surge > 5.0 * normal,
                "{seed} {size}: {surge} against {normal}"
            );
            let city_normal = peaks(&cordon, None);
            // The quietest whole window of the wave must stand out, not only its peak.
            let wave = lambda(city, flows, &cordon, size)
                .into_iter()
                .enumerate()
                .filter(|&(window, _)| {
                    let from = u32::try_from(window).unwrap() * size;
                    plan.wave.contains(from) && plan.wave.contains(from + size - 1)
                })
                .map(|(_, value)| value)
                .fold(f64::INFINITY, f64::min);
            assert!(
                wave > 2.0 * city_normal,
                "{seed} {size}: {wave} against {city_normal}"
            );
        }
    }
}

#[test]
fn the_same_seed_gives_the_same_bytes() {
    let city = &*CITY;
    let (a, b) = (&*SEVENTH, Day::new(city, 7));
    assert!(a.messages().eq(b.messages()));
    assert_eq!(a.injected(), b.injected());
    assert_eq!(a.truth(), b.truth());
    let other = Day::new(city, 8);
    assert_ne!(a.injected(), other.injected());
    assert!(!a.messages().take(1_000).eq(other.messages().take(1_000)));
}

/// What a careful reader finds in the messages without knowing the plan.
#[derive(Default)]
struct Found {
    truth: Truth,
    broken: u64,
    /// Persons in minus out by site, as a pipeline that drops late and future records sees them.
    balance: BTreeMap<String, i64>,
    by_feed: BTreeMap<&'static str, u64>,
}

fn read(day: &Day) -> Found {
    let mut found = Found::default();
    let mut ids = BTreeSet::new();
    let mut before = EventTime::MIN;
    for message in day.messages() {
        assert!(message.sent_at >= before, "in order of arrival");
        before = message.sent_at;
        found.truth.messages += 1;
        *found.by_feed.entry(message.feed).or_default() += 1;
        let Some(record) = good(&message) else {
            found.broken += 1;
            continue;
        };
        let (start, end) = times(&record);
        assert_eq!(end.since(start), Span::minutes(1));
        assert_eq!(record.site, message.key);
        let delay = message.sent_at.since(end);
        if delay < Span::ZERO {
            assert!(delay < Span::minutes(-30), "clearly in the future");
            found.truth.future += 1;
        } else if delay > Day::DELAY_MAX {
            assert!(delay >= Span::minutes(40), "clearly late");
            found.truth.late += 1;
        } else if !ids.insert((message.feed, record.id.clone().unwrap())) {
            found.truth.duplicates += 1;
        } else if record.subject == Subject::Person {
            let sign = if record.measure == Measure::In { 1 } else { -1 };
            *found.balance.entry(record.site).or_default() += sign * record.count;
        }
    }
    found
}

fn times(record: &ObservationRecord) -> (EventTime, EventTime) {
    let end = record.end.as_deref().unwrap();
    (
        parse_rfc3339(&record.start).unwrap(),
        parse_rfc3339(end).unwrap(),
    )
}

/// The record of a good message; every fault that a broken one has is looked for here.
fn good(message: &Message) -> Option<ObservationRecord> {
    if message.bytes.len() > 1_000_000 {
        return None;
    }
    let text = std::str::from_utf8(&message.bytes).ok()?;
    if ["phone", "id_card", "plate"]
        .iter()
        .any(|name| text.contains(name))
    {
        return None;
    }
    let record: ObservationRecord = serde_json::from_str(text).ok()?;
    if !(0..1_000_000).contains(&record.count) || record.site != message.key {
        return None;
    }
    let start = parse_rfc3339(&record.start).ok()?;
    let end = record
        .end
        .as_deref()
        .and_then(|end| parse_rfc3339(end).ok())?;
    let length = end.since(start);
    let possible = Span::ZERO <= length && length <= Span::hours(24);
    (possible && start >= EventTime::EARLIEST).then_some(record)
}

#[test]
fn truth_matches_the_messages() {
    let city = &*CITY;
    for day in [&*SEVENTH, &Day::new(city, 42)] {
        let (found, truth) = (read(day), day.truth());
        assert_eq!(found.truth.messages, truth.messages);
        assert_eq!(found.truth.late, truth.late);
        assert_eq!(found.truth.future, truth.future);
        assert_eq!(found.truth.duplicates, truth.duplicates);
        assert_eq!(found.broken, truth.broken.values().sum::<u64>());
        assert!(
            truth.late >= 10 && truth.future >= 10 && truth.duplicates >= 30,
            "{truth:?}"
        );
        assert!(
            (300_000..=600_000).contains(&truth.messages),
            "{}",
            truth.messages
        );
        let feeds: Vec<&str> = found.by_feed.keys().copied().collect();
        assert_eq!(feeds, ["checkpoint", "rail", "transit", "venue"]);
        // What is late or future is lost to occupancy: it must not look like people.
        for venue in city.venues() {
            let sites = city
                .sites()
                .iter()
                .filter(|s| s.venue_id.as_ref() == Some(&venue.id));
            let drift: i64 = sites
                .map(|s| found.balance.get(&s.id).copied().unwrap_or(0))
                .sum();
            let bound = i64::from(venue.capacity) / 12;
            assert!(
                drift.abs() <= bound,
                "{} {drift} of {}",
                venue.id,
                venue.capacity
            );
        }
    }
}

#[test]
fn every_kind_is_injected_where_it_says() {
    let city = &*CITY;
    for seed in SEEDS {
        let day = Day::new(city, seed);
        let injected = day.injected();
        let kinds: BTreeSet<InjectedKind> = injected.iter().map(|i| i.kind).collect();
        assert_eq!(kinds.len(), 8);
        let names: BTreeSet<&str> = injected.iter().map(|i| i.name.as_str()).collect();
        assert_eq!(names.len(), injected.len());
        for event in &injected {
            assert!(Day::START <= event.start && event.start < event.end && event.end <= Day::END);
            let Some(subject) = &event.subject else {
                continue;
            };
            let known = match event.kind {
                InjectedKind::Crush | InjectedKind::InflowSurge => {
                    city.venues().iter().any(|venue| venue.id == *subject)
                }
                InjectedKind::DeadFeed => subject == "transit",
                _ => city.sites().iter().any(|site| site.id == *subject),
            };
            assert!(known, "{event:?}");
        }
        let dead = injected
            .iter()
            .find(|i| i.kind == InjectedKind::DeadFeed)
            .unwrap();
        let of_transit = |from: EventTime, to: EventTime| {
            day.rows
                .iter()
                .filter(|row| (from..to).contains(&row.sent_at()))
                .filter(|row| row.message(&day).feed == "transit")
                .count()
        };
        assert_eq!(of_transit(dead.start, dead.end), 0);
        assert!(of_transit(dead.start.minus(Span::minutes(5)), dead.start) > 100);
        assert!(of_transit(dead.end, dead.end.plus(Span::minutes(5))) > 100);
    }
}

#[test]
fn a_quiet_feed_is_not_a_silent_one() {
    let day = &*SEVENTH;
    let injected = day.injected();
    let dead = injected
        .iter()
        .find(|i| i.kind == InjectedKind::DeadFeed)
        .unwrap();
    for feed in ["checkpoint", "rail", "transit", "venue"] {
        let mut last = Day::START;
        let mut longest = Span::ZERO;
        for message in day.messages().filter(|message| message.feed == feed) {
            let is_dead = feed == "transit" && last < dead.end && message.sent_at >= dead.end;
            if !is_dead {
                longest = longest.max(message.sent_at.since(last));
            }
            last = message.sent_at;
        }
        let most = if feed == "rail" { 12 } else { 2 };
        assert!(
            longest < Span::minutes(most),
            "{feed} is silent for {longest}"
        );
    }
}

#[test]
fn broken_payloads_are_broken_in_the_way_they_say() {
    let city = &*CITY;
    let plan = Plan::new(city, 5);
    let all = broken::broken(city, &plan, 5);
    let kinds: BTreeSet<&str> = all.iter().map(|b| b.reason.code()).collect();
    assert!(kinds.len() >= 16, "{kinds:?}");
    assert!(!kinds.contains(Reason::TimeInFuture.code()));
    for record in &all {
        let json = serde_json::from_slice::<serde_json::Value>(&record.bytes);
        let text = std::str::from_utf8(&record.bytes);
        match record.reason {
            Reason::Empty => assert!(record.bytes.is_empty()),
            Reason::NotUtf8 => assert!(text.is_err()),
            Reason::Malformed => assert!(json.is_err() && text.is_ok()),
            Reason::TooLarge => assert!(record.bytes.len() > 2_000_000 && json.is_ok()),
            Reason::MissingField | Reason::WrongType => {
                assert!(serde_json::from_slice::<ObservationRecord>(&record.bytes).is_err());
                assert!(json.is_ok());
            }
            _ => assert!(json.is_ok(), "{}", record.reason.code()),
        }
    }
    let large = all.iter().filter(|b| b.bytes.len() > 100_000).count();
    assert_eq!(large, 1);
}

#[test]
fn times_are_what_they_say() {
    assert_eq!(parse_rfc3339("2026-03-02T04:00:00+08:00"), Ok(Day::START));
    for minute in [0, 1, 719, 1_199, 1_200, 1_439, 1_440, 1_499] {
        assert_eq!(parse_rfc3339(&local(minute)), Ok(time(minute)));
    }
}
