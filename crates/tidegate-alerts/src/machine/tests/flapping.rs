//! Values that go up and down without end: tries to have more told than a person can read, or to
//! lose the state that the alert is in when it is over.

use super::*;
use AlertState::{Firing, Flapping, Resolved};

/// Changes more than four times in half an hour are too many.
fn nervous() -> RuleConfig {
    RuleConfig {
        flap_max: 4,
        flap_window: "30m".to_owned(),
        ..config("0s", "0s")
    }
}

#[test]
fn one_digest_when_it_begins_and_one_when_it_is_steady() {
    // The fifth change in half an hour begins it; six windows without any end it.
    check(
        &nervous(),
        "4 2 4 2 4 2 4 2 2 2 2 2 2 2 4",
        "F R F R X . . . . . . . . R F",
    );
    check(
        &nervous(),
        "4 2 4 2 4 2 4 5 5 5 5 5 5 2",
        "F R F R X . . . . . . . F R",
    );
    // As slow as this it is no flapping.
    check(
        &nervous(),
        "4 4 2 2 4 4 2 2 4 4 2 2",
        "F . R . F . R . F . R .",
    );
    let never = RuleConfig {
        flap_max: 0,
        ..nervous()
    };
    check(&never, "4 2 4 2 4 2 4 2", "F R F R F R F R");
}

#[test]
fn a_run_is_one_alert() {
    let timeline = "4 2 4 2 4 2 4 2 4 4 4 4 4 4 4 2 4";
    let told = play(&mut machine(&nervous()), timeline).concat();
    let run: Vec<_> = told.iter().skip(4).map(|alert| alert.state).collect();
    assert_eq!(run, [Flapping, Firing, Resolved, Firing]);
    let run = &told[4..7];
    assert!(
        run.iter()
            .all(|alert| alert.id == run[0].id && alert.since == run[0].since)
    );
    assert_ne!(told[7].id, run[0].id);
    assert_eq!(told[4].why, Why::Changes(5));
    assert!(told[4].text_en.starts_with("5 changes within 30 min."));
    assert!(told[4].text_zh.starts_with("30 分钟内变化 5 次"));
    assert_eq!(told[5].why, Why::Steady(4));
    assert_eq!(told[5].value, Some(4.0));
    assert!(
        told[5]
            .text_en
            .starts_with("Steady for 30 min; 4 changes were held back before.")
    );
    assert!(
        told[5]
            .text_zh
            .starts_with("已稳定 30 分钟；此前有 4 次变化未通知")
    );
}

#[test]
fn a_rise_is_told_nevertheless() {
    let step = |severity, fire_above| crate::config::StepConfig {
        severity,
        fire_above,
        clear_below: fire_above - 1.0,
        hold_for: None,
    };
    let ladder = RuleConfig {
        fire_above: None,
        clear_below: None,
        severity: None,
        step: vec![step(Severity::Watch, 4.0), step(Severity::Critical, 8.0)],
        ..nervous()
    };
    check(
        &ladder,
        "4 2 4 2 4 2 4 9 2 2 9 2 2",
        "F R F R X . . U . . . . .",
    );
    check(&ladder, "4 2 4 2 4 2 9 2 2 9", "F R F R X . F . . .");
}

#[test]
fn gaps_count_and_what_is_steady_may_be_a_gap() {
    check(
        &nervous(),
        "4 _ 4 _ 4 _ 4 _ _ _ _ _ _ _ 4",
        "F N C N X . . . . . . . . N C",
    );
    // Nothing is said to be steady that is about to be raised.
    let slow = RuleConfig {
        hold_for: "1h".to_owned(),
        flap_max: 1,
        ..nervous()
    };
    let timeline = [
        "4 ".repeat(13),
        "2 ".to_owned(),
        "4 ".repeat(13),
        "2 ".repeat(7),
    ]
    .concat();
    let (twelve, seven) = (". ".repeat(12), ". ".repeat(7));
    check(
        &slow,
        &timeline,
        &format!("{twelve} F X {twelve} {seven} R"),
    );
    // A layer that fails is told in any case, and is not steady.
    check(
        &nervous(),
        "4 2 4 2 4 ! 4 4 4 4 4 4 4",
        "F R F R X E . . . . . . F",
    );
}

#[test]
fn what_is_remembered_is_bounded() {
    let mut machine = machine(&nervous()).with_subjects_max(1);
    let mut told = 0;
    for index in 0..10 {
        let at = end(index);
        let value = Some(if index % 2 == 0 { 9.0 } else { 0.0 });
        let rows = ["b", "a"].map(|subject| row(subject, at, value));
        told += machine.observe("density", at, &rows).len();
    }
    // The first flaps after four changes; nobody counts those of the second.
    assert_eq!((told, machine.forgotten()), (5 + 10, 10));
    for index in 10..20 {
        machine.observe("density", end(index), &[]);
    }
    let state = machine.state();
    assert!(state.rules.is_empty(), "{state:?}");
}
