//! Rules that are active at times only: tries to have one raise in the night, or forget at dawn.

use super::*;
use crate::interval::{TimeIntervalConfig, TimeIntervals};
use crate::rule::Rule;

/// Windows end at 00:05, 00:10, … of a Sunday, UTC.
fn hours(from: &str, to: &str) -> TimeIntervals {
    let text = format!("name = \"open\"\ntimes = [{{ from = \"{from}\", to = \"{to}\" }}]");
    let config: TimeIntervalConfig = toml::from_str(&text).unwrap();
    TimeIntervals::try_new(&[config], &jiff::tz::TimeZone::UTC).unwrap()
}

#[track_caller]
fn check(config: &RuleConfig, timeline: &str, expected: &str) -> Vec<AlertTransition> {
    let config = RuleConfig {
        active: vec!["open".to_owned()],
        ..config.clone()
    };
    let rule = Rule::with_intervals(&config, &hours("00:10", "00:25")).unwrap();
    let told = play(&mut AlertMachine::new(vec![rule]), timeline);
    let got: Vec<_> = told.iter().map(|told| mark(told)).collect();
    let expected: Vec<_> = expected.split_whitespace().collect();
    assert_eq!(got, expected, "{timeline}");
    told.concat()
}

#[test]
fn outside_of_its_hours_nothing_begins_and_everything_ends() {
    let told = check(&config("0s", "0s"), "4 4 4 4 4 4", ". F . . R .");
    let over = &told[1];
    assert_eq!(
        (over.why, over.threshold, over.value),
        (Why::Inactive, None, Some(4.0))
    );
    assert_eq!(
        over.text_en,
        "Outside of the rule's hours (open); the alert is over."
    );
    assert!(over.text_zh.starts_with("已不在规则的生效时段（open）内"));
    // The wait begins with the hours, and what waits at their end is over unheard.
    check(&config("10m", "0s"), "4 4 4 4 4", ". . . F R");
    check(&config("15m", "0s"), "4 4 4 4 4", ". . . . .");
    check(&config("0s", "1h"), "2 4 2 2 2 2", ". F . . R .");
}

#[test]
fn missing_data_counts_within_the_hours() {
    let alert = RuleConfig {
        on_no_data: OnNoData::Alert,
        ..config("0s", "0s")
    };
    check(&alert, "2 _ _ _ _", ". . F . R");
    check(&alert, "_ _ _ _ _", ". . . . .");
    check(&alert, "2 2 _ _ _", ". . . F R");
}

#[test]
fn holidays_are_given_to_the_machine() {
    let text = "name = \"open\"\nholidays = \"only\"";
    let config: TimeIntervalConfig = toml::from_str(text).unwrap();
    let intervals = TimeIntervals::try_new(&[config], &jiff::tz::TimeZone::UTC).unwrap();
    let config = RuleConfig {
        active: vec!["open".to_owned()],
        ..super::config("0s", "0s")
    };
    let rule = Rule::with_intervals(&config, &intervals).unwrap();
    let mut workday = AlertMachine::new(vec![rule.clone()]);
    assert!(play(&mut workday, "4").concat().is_empty());
    let today = BTreeSet::from([jiff::civil::date(2026, 3, 1)]);
    let mut holiday = AlertMachine::new(vec![rule]).with_holidays(today);
    assert_eq!(play(&mut holiday, "4").concat().len(), 1);
}
