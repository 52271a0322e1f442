//! Tries to make missing data of subjects at rest differ from showing every row: subjects that are
//! nearly always there, come late, go for good, lose a value or all windows for a while, under rules
//! with hours, low coverage and too little room.

use super::*;

/// Value, lower bound and coverage of the rows of one subject in one window.
fn seen() -> impl Strategy<Value = Vec<(f64, f64, f64)>> {
    let quiet = (0.5, 0.25, 1.0);
    let number = |below: u32| (0..below).prop_map(f64::from);
    prop_oneof![
        86 => Just(vec![quiet]),
        2 => Just(vec![]),
        2 => Just(vec![(f64::NAN, 0.25, 1.0)]),
        2 => Just(vec![(0.5, f64::NAN, 1.0)]),
        3 => number(3).prop_map(|low| vec![(low, 0.0, 0.2)]),
        4 => number(12).prop_map(|high| vec![(high, high - 1.0, f64::NAN)]),
        1 => number(12).prop_map(move |high| {
            vec![quiet, (f64::NAN, f64::NAN, 1.0), (high, high, 0.2)]
        }),
    ]
}

/// Rows of six subjects over windows: each comes with one window and goes with another.
pub(super) fn steady_rows() -> impl Strategy<Value = Vec<Row>> {
    let time = prop_oneof![3 => Just((0_usize, usize::MAX)), 1 => (0_usize..60, 40_usize..200)];
    let window = (
        prop_oneof![40 => Just(1_i64), 2 => 2_i64..5, 1 => 280_i64..300],
        prop::collection::vec(seen(), 6),
    );
    let times = prop::collection::vec(time, 6);
    (times, prop::collection::vec(window, 1..150)).prop_map(|(times, windows)| {
        let mut rows = Vec::new();
        let mut at = 0;
        for (index, (later, seen)) in windows.into_iter().enumerate() {
            at += later;
            for (subject, seen) in (0_u32..).zip(seen) {
                let (comes, goes) = times[subject as usize];
                if index >= comes && index < goes {
                    let row = |(value, lo, coverage)| (at, subject, value, lo, coverage);
                    rows.extend(seen.into_iter().map(row));
                }
            }
        }
        rows
    })
}

/// A rule that tells of missing data, after so many minutes, in its hours.
fn telling_rule() -> impl Strategy<Value = String> {
    let after = prop_oneof![Just(String::new()), (0_u32..6).prop_map(after)];
    let hours = prop_oneof![2 => Just(""), 1 => Just("active = ['hours']")];
    let tells = |text: String| {
        let others = ["'keep'", "'resolve'"];
        others.iter().fold(text, |text, other| {
            text.replace(&format!("on_no_data = {other}"), "on_no_data = 'alert'")
        })
    };
    (some_rule().prop_map(tells), after, hours)
        .prop_map(|(text, after, hours)| format!("{text}\n{after}\n{hours}"))
}

fn after(windows: u32) -> String {
    format!("no_data_after = '{}m'", windows * 5)
}

fn rules(texts: &[String]) -> Vec<Rule> {
    let named = texts.iter().enumerate();
    named
        .map(|(n, text)| rule(&format!("name = 'r{n}'\n{text}")))
        .collect()
}

#[test]
fn a_window_with_subjects_at_rest_is_not_passed_over() {
    let telling = rule(
        "name = 'r'\nfire_above = 5.0\nclear_below = 3.0\nseverity = 'watch'\n\
         on_no_data = 'alert'\nno_data_after = '5m'",
    );
    let value = |window| if window % 90 == 0 { 6.0 } else { 0.5 };
    let rows: Vec<Row> = (1..300)
        .map(|window| (window, 0, value(window), f64::NAN, 1.0))
        .collect();
    let mut kept = Kept::default();
    numbers::keep(&mut kept, &rows);
    let machine = |rule: Rule| AlertMachine::new(vec![rule]);
    let subjects = subjects(1);
    let ask = |how| {
        let quota = Quota::Together(10.0);
        suggest(&telling, quota, &settings(how), (&subjects, &kept), machine)
    };
    let found = ask(Selection::Matters);
    assert_eq!(found, ask(Selection::Everything));
    assert_eq!(found.unwrap().now.fires, 3);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(300))]

    #[test]
    fn leaving_out_subjects_at_rest_changes_nothing(
        texts in prop::collection::vec(prop_oneof![3 => telling_rule(), 1 => some_rule()], 1..4),
        rows in steady_rows(),
        chunk in 1_usize..40,
        every in prop_oneof![Just(1_u32), 1_u32..10, Just(64)],
        room in prop_oneof![2 => Just((100, 100)), 1 => (0_usize..40, 0_usize..6)],
    ) {
        let machine = AlertMachine::new(rules(&texts))
            .with_subjects_max(room.0)
            .with_alerts_max(room.1);
        let outcome = |how| {
            let run = LayerRun::new(machine.clone(), settings(how)).forgetting_every(every);
            taken(run, &rows, chunk)
        };
        prop_assert_eq!(outcome(Selection::Matters), outcome(Selection::Everything));
    }
}
