//! Timelines against the state machine: they try to make it flap, raise twice (A1), speak twice
//! in a window (A2), forget an alert when data stops, and give other ids on a replay.

use super::*;
use crate::config::{OneOrMany, RuleConfig, Texts};
use crate::words::{Compare, Mode, OnNoData, Severity};
use std::borrow::Cow;
use tidegate_model::Span;

mod flapping;
mod hours;
mod ladder;
mod laws;
mod manual;
mod no_data;
mod record;
mod replace;

/// 2026-03-01T00:00:00Z.
const START: EventTime = EventTime::from_micros(1_772_323_200_000_000);
const WINDOW: Span = Span::minutes(5);

fn texts(zh: &str, en: &str) -> Texts {
    Texts {
        zh: zh.to_owned(),
        en: en.to_owned(),
    }
}

/// Fires at 4, clears at 3.
pub(in crate::machine) fn config(hold_for: &str, keep_firing_for: &str) -> RuleConfig {
    RuleConfig {
        name: "crush".to_owned(),
        layer: "density".to_owned(),
        subject_kind: None,
        tags: BTreeMap::new(),
        fire_above: Some(4.0),
        clear_below: Some(3.0),
        hold_for: hold_for.to_owned(),
        keep_firing_for: keep_firing_for.to_owned(),
        severity: Some(Severity::Critical),
        step: Vec::new(),
        on_no_data: OnNoData::Keep,
        no_data_after: None,
        flap_max: 6,
        flap_window: "1h".to_owned(),
        active: Vec::new(),
        labels: BTreeMap::new(),
        runbook: None,
        mode: Mode::Live,
        compare: Compare::Value,
        coverage_min: 0.5,
        owner: "grid-duty".to_owned(),
        title: texts("{name}过密 {value}", "{name} is crushed: {value}"),
        action: texts("暂停入场（{window_end}）。", "Stop entry ({window_end})."),
    }
}

fn machine(config: &RuleConfig) -> AlertMachine {
    AlertMachine::new(vec![Rule::try_new(config).unwrap()])
}

/// The end of window `index`, counted from 0.
pub(in crate::machine) fn end(index: i64) -> EventTime {
    START.plus(Span::micros(WINDOW.as_micros() * (index + 1)))
}

pub(in crate::machine) fn row(subject: &str, at: EventTime, value: Option<f64>) -> Measurement<'_> {
    Measurement {
        layer: "density",
        subject_kind: "venue",
        subject,
        name_zh: "东门市场",
        name_en: "East Gate Market",
        tags: &[],
        window_start: at.minus(WINDOW),
        window_end: at,
        value,
        lo: value.map(|value| value - 1.0),
        hi: value.map(|value| value + 1.0),
        unit: "persons/m²",
        level: Some("F"),
        coverage: Some(1.0),
        data_age: Some(Span::seconds(30)),
        method: "density/usable-area@1",
    }
}

/// Shows one subject a window for each word: a number, `_` for no row, `null`, `nan`, `inf`; with a
/// star behind it the row rests on a fifth of the expected input. `!` is a layer that fails.
fn play(machine: &mut AlertMachine, timeline: &str) -> Vec<Vec<AlertTransition>> {
    let windows = (0..).zip(timeline.split_whitespace());
    windows
        .map(|(index, word)| {
            let at = end(index);
            let (word, coverage) = match word.strip_suffix('*') {
                Some(word) => (word, 0.2),
                None => (word, 1.0),
            };
            let value = match word {
                "_" => return machine.observe("density", at, &[]),
                "!" => return machine.fail("density", at),
                "null" => None,
                number => Some(number.parse().unwrap()),
            };
            let row = Measurement {
                coverage: Some(coverage),
                ..row("v1", at, value)
            };
            machine.observe("density", at, &[row])
        })
        .collect()
}

/// What the transitions of one window are in a timeline.
#[track_caller]
fn mark(transitions: &[AlertTransition]) -> &'static str {
    match transitions {
        [] => ".",
        [one] => match one.state {
            AlertState::Firing => "F",
            AlertState::Resolved => "R",
            AlertState::NoData => "N",
            AlertState::Stale => "S",
            AlertState::Resumed => "C",
            AlertState::Escalated => "U",
            AlertState::Eased => "D",
            AlertState::Flapping => "X",
            AlertState::Error => "E",
        },
        many => panic!("A2: {} transitions in one window", many.len()),
    }
}

/// `timeline` as [`play`] reads it; `expected` has one mark a window: `F`iring, `R`esolved,
/// `N`o data, `S`tale, `C`ontinued (resumed), `U`p a step, `D`own a step, flapping (`X`), `E`rror,
/// `.` for nothing.
#[track_caller]
fn check(config: &RuleConfig, timeline: &str, expected: &str) {
    let windows = play(&mut machine(config), timeline);
    let got: Vec<_> = windows.iter().map(|told| mark(told)).collect();
    let expected: Vec<_> = expected.split_whitespace().collect();
    assert_eq!(got, expected, "{timeline}");
}

#[test]
fn fires_at_and_clears_at_the_thresholds() {
    let at_once = config("0s", "0s");
    check(&at_once, "3.9 4.0 3.1 3.0 3.9 4.1", ". F . R . F");
    check(&at_once, "9 9 0 0 9 0", "F . R . F R");
    check(&at_once, "3.5 3.5", ". .");
    let equal = RuleConfig {
        clear_below: Some(4.0),
        ..config("0s", "0s")
    };
    check(&equal, "4 4 3.99 4 3.99", "F . R F R");
}

#[test]
fn hold_for_counts_from_the_first_window_end() {
    check(&config("5m", "0s"), "4 4 2", ". F R");
    check(&config("10m", "0s"), "4 4 4 2", ". . F R");
    // One microsecond more than two windows needs a third.
    check(&config("10m 1ms", "0s"), "4 4 4 4", ". . . F");
    check(&config("9m", "0s"), "4 4 4", ". . F");
    // Below fire_above, even above clear_below, the wait starts again.
    check(&config("5m", "0s"), "4 3.5 4 4", ". . . F");
    check(&config("5m", "0s"), "4 2 4 2", ". . . .");
}

#[test]
fn keep_firing_for_counts_from_the_first_window_end() {
    check(&config("0s", "5m"), "4 2 2 2", "F . R .");
    check(&config("0s", "10m"), "4 2 2 2", "F . . R");
    // Above clear_below, even below fire_above, the wait starts again.
    check(&config("0s", "5m"), "4 2 3.5 2 2", "F . . . R");
    check(&config("0s", "5m"), "4 2 5 2 2 4", "F . . . R F");
}

#[test]
fn missing_data_never_clears_a_raised_alert() {
    let at_once = config("0s", "0s");
    check(&at_once, "4 _ _ _ 5 2", "F N . . C R");
    check(&at_once, "4 null nan inf -inf 2", "F N . . . R");
    check(&at_once, "4 _ 3.5 _ 3.5", "F N C N C");
    check(&at_once, "2 _ 2 null", ". . . .");
    // Nobody saw the recovery go on: the gap does not count towards keep_firing_for.
    check(&config("0s", "10m"), "4 2 2 _ 2 2 2", "F . . N C . R");
}

#[test]
fn missing_data_never_clears_a_pending_alert() {
    // The gap counts towards `for`.
    check(&config("10m", "0s"), "4 _ 4 2", ". N F R");
    check(&config("15m", "0s"), "4 _ 4 4", ". N . F");
    // Nothing was told in between, so the second gap is no news.
    check(&config("20m", "0s"), "4 _ 4 _ 4 2", ". N . . F R");
    // What was told must end.
    check(&config("15m", "0s"), "4 _ 2 2", ". N R .");
    check(&config("15m", "0s"), "4 _ 4 2 4 2", ". N . R . .");
}

#[test]
fn a_value_that_rests_on_too_little_never_clears() {
    let at_once = config("0s", "0s");
    check(&at_once, "4 0* 0* 0", "F S . R");
    check(&at_once, "4 null* 4 0", "F S C R");
    // What is missing would only add to it.
    check(&at_once, "9* 9* 0* 0", "F . S R");
    // Nothing is open, so there is nothing to tell.
    check(&at_once, "0* 3.5* 0", ". . .");
    // One darkness, told once.
    check(&at_once, "4 _ 0* 4", "F N . C");
    check(&config("15m", "0s"), "4 2* 4 4", ". S . F");
    check(&config("0s", "10m"), "4 2 2* 2 2 2", "F . S C . R");
    let believing = RuleConfig {
        coverage_min: 0.0,
        ..config("0s", "0s")
    };
    check(&believing, "4 0* 4*", "F R F");
    let told = play(&mut machine(&at_once), "4 0*").concat();
    assert!(
        told[1].text_en.starts_with("Only 20 % of"),
        "{:?}",
        told[1].text_en
    );
    assert_eq!(told[1].title_en, "Stale: East Gate Market is crushed: 0");
}

#[test]
fn the_lower_bound_may_decide() {
    let certain = RuleConfig {
        compare: Compare::Lo,
        ..config("0s", "0s")
    };
    // `lo` is one less than the value.
    check(&certain, "4.9 5 4.5 4.1 4 5", ". F . . R F");
    let at = end(0);
    let without = Measurement {
        lo: None,
        ..row("v1", at, Some(9.0))
    };
    assert!(
        machine(&certain)
            .observe("density", at, &[without])
            .is_empty()
    );
}

#[test]
fn subject_kinds_and_tags_select() {
    let markets = RuleConfig {
        subject_kind: Some("venue".to_owned()),
        tags: BTreeMap::from([(
            "kind".to_owned(),
            OneOrMany(vec!["market".to_owned(), "supermarket".to_owned()]),
        )]),
        ..config("0s", "0s")
    };
    let at = end(0);
    let tagged = |subject, tags| Measurement {
        tags,
        ..row(subject, at, Some(9.0))
    };
    let rows = [
        tagged("office", &[("kind", Cow::Borrowed("office"))]),
        tagged(
            "shop",
            &[
                ("district", Cow::Borrowed("east")),
                ("kind", Cow::Borrowed("supermarket")),
            ],
        ),
        tagged("bare", &[]),
        Measurement {
            subject_kind: "cell",
            ..tagged("cell", &[("kind", Cow::Borrowed("market"))])
        },
        tagged("market", &[("kind", Cow::Borrowed("market"))]),
    ];
    let alerts = machine(&markets).observe("density", at, &rows);
    let subjects: Vec<_> = alerts.iter().map(|alert| alert.subject.as_str()).collect();
    assert_eq!(subjects, ["market", "shop"]);
}

#[test]
fn the_worst_row_of_a_subject_counts() {
    let at = end(0);
    for values in [[Some(2.0), Some(9.0), None], [None, Some(9.0), Some(2.0)]] {
        let rows = values.map(|value| row("v1", at, value));
        let alerts = machine(&config("0s", "0s")).observe("density", at, &rows);
        assert_eq!(alerts.len(), 1);
        assert_eq!(alerts[0].value, Some(9.0));
    }
}

/// Equal values with another interval, level or coverage: which row counts must not depend on
/// the order in which the layer gave them.
#[test]
fn equally_bad_rows_of_a_subject_come_in_any_order() {
    let at = end(0);
    let first = row("v1", at, Some(9.0));
    let others = [
        Measurement {
            lo: Some(1.0),
            ..first
        },
        Measurement {
            hi: Some(99.0),
            ..first
        },
        Measurement { hi: None, ..first },
        Measurement {
            level: None,
            ..first
        },
        Measurement {
            coverage: Some(0.5),
            ..first
        },
        Measurement {
            data_age: None,
            ..first
        },
        Measurement {
            unit: "persons",
            ..first
        },
        Measurement {
            method: "other@1",
            ..first
        },
        Measurement {
            name_en: "West Gate",
            ..first
        },
        Measurement {
            name_zh: "西门",
            ..first
        },
    ];
    for other in others {
        let told = |rows| machine(&config("0s", "0s")).observe("density", at, rows);
        assert_eq!(told(&[first, other]), told(&[other, first]), "{other:?}");
    }
}

#[test]
fn layers_and_rules_do_not_meet() {
    let other = RuleConfig {
        name: "other".to_owned(),
        layer: "inflow".to_owned(),
        ..config("0s", "0s")
    };
    let early = RuleConfig {
        name: "early".to_owned(),
        fire_above: Some(3.0),
        ..config("0s", "0s")
    };
    let rules = [other, config("0s", "0s"), early].map(|c| Rule::try_new(&c).unwrap());
    let mut machine = AlertMachine::new(rules.to_vec());
    let names = |alerts: Vec<AlertTransition>| -> Vec<String> {
        alerts.into_iter().map(|alert| alert.rule).collect()
    };
    let at = end(0);
    let rows = [row("v1", at, Some(5.0))];
    assert_eq!(
        names(machine.observe("density", at, &rows)),
        ["crush", "early"]
    );
    // A window of another layer without rows says nothing of this one.
    assert!(machine.observe("inflow", end(1), &[]).is_empty());
    assert!(machine.observe("unruled", end(0), &[]).is_empty());
    assert_eq!(machine.open(), 2);
}

#[test]
fn beyond_the_limit_new_alerts_wait_and_open_ones_go_on() {
    let mut machine = machine(&config("0s", "0s")).with_alerts_max(2);
    let mut show = |index, values: [f64; 3]| -> Vec<String> {
        let at = end(index);
        let rows = ["c", "b", "a"].into_iter().zip(values);
        let rows: Vec<_> = rows.map(|(s, value)| row(s, at, Some(value))).collect();
        let told = machine.observe("density", at, &rows);
        assert!(machine.open() <= 2);
        told.iter()
            .map(|alert| format!("{} {}", alert.subject, alert.state.as_str()))
            .collect()
    };
    assert_eq!(show(0, [5.0, 5.0, 5.0]), ["a firing", "b firing"]);
    assert_eq!(show(1, [5.0, 5.0, 5.0]), Vec::<String>::new());
    assert_eq!(show(2, [5.0, 5.0, 1.0]), ["a resolved", "c firing"]);
    assert_eq!(machine.refused(), 2);
}

#[test]
#[should_panic(expected = "is not after")]
fn a_revision_must_not_reach_the_machine() {
    let mut machine = machine(&config("0s", "0s"));
    machine.observe("density", end(3), &[]);
    machine.observe("density", end(3), &[]);
}

#[test]
#[should_panic(expected = "is shown with layer")]
fn rows_of_another_window_are_a_bug() {
    machine(&config("0s", "0s")).observe("density", end(3), &[row("v1", end(2), None)]);
}

#[test]
#[should_panic(expected = "two rules are called \"crush\"")]
fn names_are_unique() {
    let rule = Rule::try_new(&config("0s", "0s")).unwrap();
    AlertMachine::new(vec![rule.clone(), rule]);
}
