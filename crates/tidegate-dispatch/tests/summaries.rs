//! A notifier that looks at a random clock, with pauses and restarts, in places that change theirs.
//! Tries to have a period told twice, told late, neither told nor named as skipped, or to find a
//! gap between two periods.

use std::collections::BTreeSet;

use jiff::tz::TimeZone;
use jiff::{SignedDuration, Timestamp};
use proptest::prelude::*;
use tidegate_dispatch::{GridTree, GridUnit, Plan, RoutesConfig, SummaryPeriod, SummaryPlan};

/// Two days before the clocks of New York go forward in 2026, back in 2026, and of Lord Howe, which
/// moves by half an hour.
const BEGINNINGS: [&str; 3] = [
    "2026-03-06T00:00:00Z",
    "2026-10-30T00:00:00Z",
    "2026-04-03T00:00:00Z",
];
const PLACES: [&str; 4] = [
    "Asia/Shanghai",
    "America/New_York",
    "Australia/Lord_Howe",
    "UTC",
];
const DAYS: [&str; 7] = ["mon", "tue", "wed", "thu", "fri", "sat", "sun"];

fn plan(times: &BTreeSet<u16>, days: &BTreeSet<usize>, after_minutes: u16) -> SummaryPlan {
    let unit = GridUnit {
        id: "g1".to_owned(),
        parent: None,
        name_zh: String::new(),
        name_en: String::new(),
    };
    let times: Vec<String> = times
        .iter()
        .map(|minute| format!("'{:02}:{:02}'", minute / 60, minute % 60))
        .collect();
    let days: Vec<String> = days.iter().map(|day| format!("'{}'", DAYS[*day])).collect();
    let toml = format!(
        "[[route]]\nname = 'default'\nchannels = ['mail']\n[[summary]]\ngrid_unit = 'g1'\n\
         channels = ['mail']\nat = [{}]\nweekdays = [{}]\nafter = '{after_minutes}m'",
        times.join(", "),
        days.join(", ")
    );
    let config: RoutesConfig = toml::from_str(&toml).expect("it is valid");
    let tree = GridTree::try_new(vec![unit]).expect("it is valid");
    let plan = Plan::try_new(&config, tree, &["mail"]).expect("it is valid");
    plan.summaries()[0].clone()
}

fn minutes(minutes: i64) -> SignedDuration {
    SignedDuration::from_mins(minutes)
}

/// Times of day, night hours in which clocks change more often than others.
fn times() -> impl Strategy<Value = BTreeSet<u16>> {
    let minute = prop_oneof![0..1_440_u16, 60..240_u16, Just(120), Just(150), Just(180)];
    prop::collection::btree_set(minute, 1..5)
}

/// Minutes from one look to the next.
fn looks() -> impl Strategy<Value = Vec<i64>> {
    let gap = prop_oneof![4 => 1..90_i64, 2 => 90..800_i64, 1 => 800..6_000_i64];
    prop::collection::vec(gap, 1..60)
}

proptest! {
    #[test]
    fn each_period_is_told_once_or_named_as_skipped(
        (begin, place) in (0..BEGINNINGS.len(), 0..PLACES.len()),
        (times, days) in (times(), prop::collection::btree_set(0..7_usize, 0..7)),
        after in 0..720_u16,
        looks in looks(),
    ) {
        let plan = plan(&times, &days, after);
        let zone = TimeZone::get(PLACES[place]).expect("it is known");
        let mut now: Timestamp = BEGINNINGS[begin].parse().expect("it is a time");
        let mut last = None;
        let mut periods: Vec<SummaryPeriod> = Vec::new();
        for gap in looks {
            now += minutes(gap);
            let due = plan.due(&zone, now, last);
            prop_assert_eq!(&due, &plan.due(&zone, now, last));
            for skipped in &due.skipped {
                // Nothing is given up that could be told now.
                let newer = due.period.is_some_and(|told| told.end > skipped.end);
                prop_assert!(newer || skipped.end <= now - minutes(24 * 60));
            }
            if let Some(told) = due.period {
                prop_assert!(told.end + minutes(i64::from(after)) <= now);
                prop_assert!(told.end > now - minutes(24 * 60));
                periods.extend(&due.skipped);
                periods.push(told);
                last = Some(told.end);
            }
        }
        for pair in periods.windows(2) {
            // In order and never twice; without chosen days, each begins where one ended.
            prop_assert!(pair[0].end <= pair[1].start);
            if days.is_empty() || days.len() == 7 {
                prop_assert_eq!(pair[0].end, pair[1].start);
            }
        }
        for period in &periods {
            let length = period.end.duration_since(period.start);
            prop_assert!(minutes(0) < length && length <= minutes(25 * 60));
            let local = zone.to_datetime(period.end);
            let day = usize::from(local.weekday().to_monday_zero_offset().unsigned_abs());
            prop_assert!(days.is_empty() || days.contains(&day));
        }
    }

    /// Who looks as often as periods can end skips nothing and tells of each soon.
    #[test]
    fn who_always_looks_skips_nothing(
        (begin, place) in (0..BEGINNINGS.len(), 0..PLACES.len()),
        times in times(),
    ) {
        let times = times.iter().map(|minute| minute / 5 * 5).collect();
        let plan = plan(&times, &BTreeSet::new(), 10);
        let zone = TimeZone::get(PLACES[place]).expect("it is known");
        let mut now: Timestamp = BEGINNINGS[begin].parse().expect("it is a time");
        let mut last = plan.due(&zone, now, None).period.map(|period| period.end);
        for _ in 0..4 * 24 * 60 / 5 {
            now += minutes(5);
            let due = plan.due(&zone, now, last);
            prop_assert!(due.skipped.is_empty());
            if let Some(told) = due.period {
                prop_assert!(told.end >= now - minutes(10 + 5));
                last = Some(told.end);
            }
        }
    }
}
