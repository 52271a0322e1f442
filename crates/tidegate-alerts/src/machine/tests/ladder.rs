//! Ladders of severities: tries to make an alert skip a step on its way down, lose its id on its
//! way up, or go down on data that nobody believes.

use super::*;
use crate::config::StepConfig;

fn step(severity: Severity, fire_above: f64, hold_for: &str) -> StepConfig {
    StepConfig {
        severity,
        fire_above,
        clear_below: fire_above - 1.0,
        hold_for: Some(hold_for.to_owned()),
    }
}

/// Watch at 4, warning at 6, critical at 8; each ends one below.
fn ladder(holds: [&str; 3], keep_firing_for: &str) -> RuleConfig {
    RuleConfig {
        fire_above: None,
        clear_below: None,
        severity: None,
        step: vec![
            step(Severity::Watch, 4.0, holds[0]),
            step(Severity::Warning, 6.0, holds[1]),
            step(Severity::Critical, 8.0, holds[2]),
        ],
        flap_max: 0,
        ..config("0s", keep_firing_for)
    }
}

#[test]
fn up_at_once_and_down_one_step_a_window() {
    let at_once = ladder(["0s"; 3], "0s");
    check(&at_once, "4 6 8 9 0 0 0 0", "F U U . D D R .");
    check(&at_once, "9 0 0 0", "F D D R");
    check(&at_once, "4 9 0 9 0 0 0", "F U D U D D R");
    // Between the two thresholds of its step it stays, whatever the other steps say.
    check(&at_once, "6 5.5 5 5 3.5 3", "F . D . . R");
    check(&at_once, "8 7.5 7 7 5 3", "F . D . D R");
}

#[test]
fn each_step_waits_for_itself() {
    check(&ladder(["10m", "0s", "0s"], "0s"), "4 6 4", ". F D");
    check(&ladder(["0s", "5m", "10m"], "0s"), "9 9 9 9", "F U U .");
    check(&ladder(["0s", "5m", "0s"], "0s"), "6 5.5 6 6", "F . . U");
    // The wait for a step is over while a higher one is reached.
    check(&ladder(["0s", "5m", "5m"], "0s"), "6 8 8", "F U U");
    // On the way down each step takes `keep_firing_for`.
    check(&ladder(["0s"; 3], "5m"), "9 0 0 0 0 0", "F . D D R .");
    check(
        &ladder(["0s"; 3], "10m"),
        "9 0 0 0 0 0 0 0",
        "F . . D . D . R",
    );
    check(&ladder(["0s"; 3], "5m"), "9 7 5.5 5.5 5 5", "F . D . . D");
}

#[test]
fn what_is_not_believed_moves_nothing_down() {
    let at_once = ladder(["0s"; 3], "0s");
    // 5 is an alert, but not one of the step on which it stands.
    check(&at_once, "9 5* 5 0 0", "F S D D R");
    check(&at_once, "4 9* 0* _ 8", "F U S . C");
    check(&at_once, "4 _ 8 0", "F N U D");
}

#[test]
fn one_alert_all_the_way() {
    let told = play(&mut machine(&ladder(["0s"; 3], "0s")), "4 9 0 0 0").concat();
    let got: Vec<_> = told
        .iter()
        .map(|alert| {
            (
                alert.state.as_str(),
                alert.severity.as_str(),
                alert.threshold,
            )
        })
        .collect();
    let expected = [
        ("firing", "watch", Some(4.0)),
        ("escalated", "critical", Some(8.0)),
        ("eased", "warning", Some(7.0)),
        ("eased", "watch", Some(5.0)),
        ("resolved", "watch", Some(3.0)),
    ];
    assert_eq!(got, expected);
    assert!(told.iter().all(|alert| alert.id == told[0].id));
    assert_eq!(
        told[1].title_en,
        "Escalated: East Gate Market is crushed: 9"
    );
    assert!(told[1].text_en.starts_with("Now critical. Stop entry"));
    assert!(told[1].text_zh.starts_with("级别升为“严重”。暂停入场"));
    assert!(
        told[2]
            .text_en
            .starts_with("Now 0 persons/m²: down to warning, not over. Stop")
    );
    assert!(told[2].text_zh.contains("级别降为“警告”"));
}
