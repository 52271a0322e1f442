//! Tries to have a summary due at a wrong time on the days on which clocks change, told twice, or
//! left out without a word.

use super::*;
use crate::{GridTree, GridUnit, Plan, RoutesConfig};

fn plan(lines: &str) -> SummaryPlan {
    let unit = GridUnit {
        id: "g/1".to_owned(),
        parent: None,
        name_zh: String::new(),
        name_en: String::new(),
    };
    let toml = format!(
        "[[route]]\nname = 'default'\nchannels = ['mail']\n\
         [[summary]]\ngrid_unit = 'g/1'\nchannels = ['mail']\n{lines}"
    );
    let config: RoutesConfig = toml::from_str(&toml).unwrap();
    let tree = GridTree::try_new(vec![unit]).unwrap();
    let plan = Plan::try_new(&config, tree, &["mail"]).unwrap();
    plan.summaries()[0].clone()
}

fn at(text: &str) -> Timestamp {
    text.parse().unwrap()
}

fn zone(name: &str) -> TimeZone {
    TimeZone::get(name).unwrap()
}

/// At `now` the period from `start` to `end` is due: local times with offsets, or `None`.
#[track_caller]
fn check(lines: &str, place: &str, now: &str, expected: Option<(&str, &str)>) {
    let due = plan(lines).due(&zone(place), at(now), None);
    let expected = expected.map(|(start, end)| SummaryPeriod {
        start: at(start),
        end: at(end),
    });
    assert_eq!(due.period, expected, "{lines} in {place} at {now}");
    assert!(due.skipped.is_empty(), "nothing is missed before the first");
}

const DAY_AT_8: &str = "at = ['08:00']";
const SHIFTS: &str = "at = ['20:00', '08:00']";
const CITY: &str = "Asia/Shanghai";
const NEW_YORK: &str = "America/New_York";

#[test]
fn the_period_that_ended_is_due_after_a_wait() {
    let day = Some(("2026-03-01T08:00:00+08:00", "2026-03-02T08:00:00+08:00"));
    let before = Some(("2026-02-28T08:00:00+08:00", "2026-03-01T08:00:00+08:00"));
    check(DAY_AT_8, CITY, "2026-03-02T08:10:00+08:00", day);
    check(DAY_AT_8, CITY, "2026-03-03T07:59:59+08:00", day);
    // Not yet, and the one before is a day old.
    check(DAY_AT_8, CITY, "2026-03-02T08:09:59+08:00", None);
    check(DAY_AT_8, CITY, "2026-03-02T07:59:59+08:00", before);
    let soon = format!("{DAY_AT_8}\nafter = '0s'");
    check(&soon, CITY, "2026-03-02T08:00:00+08:00", day);
    let night = Some(("2026-03-01T20:00:00+08:00", "2026-03-02T08:00:00+08:00"));
    let light = Some(("2026-03-02T08:00:00+08:00", "2026-03-02T20:00:00+08:00"));
    check(SHIFTS, CITY, "2026-03-02T08:10:00+08:00", night);
    check(SHIFTS, CITY, "2026-03-02T20:09:00+08:00", night);
    check(SHIFTS, CITY, "2026-03-02T20:10:00+08:00", light);
}

#[test]
fn weekdays_choose_the_ends_and_make_no_period_longer() {
    // 2026-03-02 is a Monday.
    let lines = format!("{DAY_AT_8}\nweekdays = ['mon', 'tue']");
    let sunday = Some(("2026-03-01T08:00:00+08:00", "2026-03-02T08:00:00+08:00"));
    check(&lines, CITY, "2026-03-02T08:10:00+08:00", sunday);
    check(&lines, CITY, "2026-03-02T00:00:00+08:00", None);
    check(&lines, CITY, "2026-03-04T08:10:00+08:00", None);
}

#[test]
fn days_have_the_hours_that_the_clocks_give_them() {
    let spring = Some(("2026-03-07T08:00:00-05:00", "2026-03-08T08:00:00-04:00"));
    check(DAY_AT_8, NEW_YORK, "2026-03-08T08:10:00-04:00", spring);
    let autumn = Some(("2026-10-31T08:00:00-04:00", "2026-11-01T08:00:00-05:00"));
    check(DAY_AT_8, NEW_YORK, "2026-11-01T08:10:00-05:00", autumn);
    // 02:30 does not come and is 03:30; 01:30 comes twice, and the first counts.
    let skipped = "at = ['02:30']";
    let late = Some(("2026-03-07T02:30:00-05:00", "2026-03-08T03:30:00-04:00"));
    check(skipped, NEW_YORK, "2026-03-08T03:39:00-04:00", None);
    check(skipped, NEW_YORK, "2026-03-08T03:40:00-04:00", late);
    let next = Some(("2026-03-08T03:30:00-04:00", "2026-03-09T02:30:00-04:00"));
    check(skipped, NEW_YORK, "2026-03-09T02:40:00-04:00", next);
    let twice = "at = ['01:30']";
    let first = Some(("2026-10-31T01:30:00-04:00", "2026-11-01T01:30:00-04:00"));
    check(twice, NEW_YORK, "2026-11-01T01:40:00-04:00", first);
    check(twice, NEW_YORK, "2026-11-01T01:40:00-05:00", first);
    // Two times that are one instant are one end, and order is that of the instants.
    let both = "at = ['02:30', '03:10', '03:30']";
    let one = Some(("2026-03-08T03:10:00-04:00", "2026-03-08T03:30:00-04:00"));
    check(both, NEW_YORK, "2026-03-08T03:40:00-04:00", one);
    let early = Some(("2026-03-07T03:30:00-05:00", "2026-03-08T03:10:00-04:00"));
    check(both, NEW_YORK, "2026-03-08T03:20:00-04:00", early);
    // Samoa left out the 30th of December 2011.
    let samoa = Some(("2011-12-29T08:00:00-10:00", "2011-12-31T08:00:00+14:00"));
    check(DAY_AT_8, "Pacific/Apia", "2011-12-31T08:10:00+14:00", samoa);
}

#[test]
fn after_a_time_away_the_newest_is_told_and_the_others_are_skipped() {
    let due = |lines: &str, now: &str, last: &str| {
        let due = plan(lines).due(&zone(CITY), at(now), Some(at(last)));
        let ends: Vec<String> = due.skipped.iter().map(|p| p.end.to_string()).collect();
        (due.period.map(|period| period.end.to_string()), ends)
    };
    let some = |text: &str| Some(text.to_owned());
    let told = "2026-03-02T08:00:00+08:00";
    assert_eq!(
        due(SHIFTS, "2026-03-02T20:09:00+08:00", told),
        (None, vec![])
    );
    assert_eq!(
        due(SHIFTS, "2026-03-03T10:00:00+08:00", told),
        (
            some("2026-03-03T00:00:00Z"),
            vec!["2026-03-02T12:00:00Z".to_owned()]
        )
    );
    // On Wednesday what was due on Monday is too old.
    let mondays = format!("{DAY_AT_8}\nweekdays = ['mon']");
    assert_eq!(
        due(
            &mondays,
            "2026-03-04T10:00:00+08:00",
            "2026-02-23T08:00:00+08:00"
        ),
        (None, vec!["2026-03-02T00:00:00Z".to_owned()])
    );
    // A clock that went back tells nothing again.
    assert_eq!(
        due(SHIFTS, "2026-03-01T10:00:00+08:00", told),
        (None, vec![])
    );
    // Years away are not listed for ever.
    let (period, skipped) = due(
        SHIFTS,
        "2026-03-02T08:10:00+08:00",
        "2006-03-02T08:00:00+08:00",
    );
    assert_eq!(period, some("2026-03-02T00:00:00Z"));
    assert_eq!(skipped.len(), 731);
}

#[test]
fn a_file_is_named_after_its_period() {
    let period = SummaryPeriod {
        start: at("2026-03-02T00:00:00Z"),
        end: at("2026-03-02T12:00:00Z"),
    };
    let file = |lines: &str| plan(lines).file(period, &zone(CITY));
    let out = format!("{SHIFTS}\nout = 's/{{kind}}/{{grid_unit}}-{{date}}-{{time}}.html'");
    assert_eq!(
        file(&out),
        Some("s/shift/g-1-2026-03-02-2000.html".to_owned())
    );
    assert_eq!(file(DAY_AT_8), None);
}
