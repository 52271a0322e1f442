//! Tries to make the fast path differ from showing every row, and the numbers of a report from
//! what can be counted by hand.

use proptest::prelude::*;
use tidegate_model::{EventTime, Span};

use super::*;
use crate::{
    AlertMachine, AlertTransition, Measurement, Rule, RuleConfig, TimeIntervalConfig, TimeIntervals,
};

mod numbers;
mod silence;

const MINUTE: i64 = 60_000_000;
pub(super) const STEP: i64 = 5 * MINUTE;
pub(super) const ORIGIN: i64 = 1_772_323_200_000_000;

pub(super) fn rule(more: &str) -> Rule {
    let base = "
        owner = 'duty'
        layer = 'density'
        title = { zh-CN = '{name}：{value}', en = '{name}: {value}' }
        do = { zh-CN = '看。', en = 'Look.' }
    ";
    let config: RuleConfig = toml::from_str(&format!("{more}\n{base}")).unwrap();
    let hours: TimeIntervalConfig = toml::from_str(HOURS).unwrap();
    let hours = TimeIntervals::try_new(&[hours], &jiff::tz::TimeZone::UTC).unwrap();
    Rule::with_intervals(&config, &hours).unwrap()
}

/// Parts of the first day of [`ORIGIN`], in which a rule may be active.
const HOURS: &str =
    "name = 'hours'\ntimes = [{ from = '01:00', to = '03:00' }, { from = '03:30', to = '10:00' }]";

/// A row: window, subject, value, lower bound, coverage. NaN is none.
pub(super) type Row = (i64, u32, f64, f64, f64);

pub(super) fn end(window: i64) -> EventTime {
    EventTime::from_micros(ORIGIN + window * STEP)
}

pub(super) fn subjects(n: u32) -> Subjects {
    let mut subjects = Subjects::default();
    for number in 0..n {
        let kind = if number % 2 == 0 { "venue" } else { "site" };
        subjects.number(kind, &format!("s{number}"), || Described {
            name_en: format!("Place {number}"),
            tags: vec![(
                "kind",
                if number % 3 == 0 { "market" } else { "park" }.into(),
            )],
            ..Described::default()
        });
    }
    subjects
}

pub(super) fn settings(selection: Selection) -> LayerSettings {
    LayerSettings {
        layer: "density".to_owned(),
        step: Span::micros(STEP),
        unit: "persons".to_owned(),
        full: Vec::new(),
        from: None,
        to: None,
        selection,
    }
}

/// Rows by window, cut into calls of `chunk` rows.
pub(super) fn run(rules: &[Rule], rows: &[Row], chunk: usize, how: Selection) -> LayerOutcome {
    let machine = AlertMachine::new(rules.to_vec());
    taken(LayerRun::new(machine, settings(how)), rows, chunk)
}

/// What becomes of rows by window in `run`, cut into calls of `chunk` rows.
fn taken(mut run: LayerRun, rows: &[Row], chunk: usize) -> LayerOutcome {
    let subjects = subjects(6);
    for rows in rows.chunks(chunk) {
        let column = |pick: fn(&Row) -> f64| rows.iter().map(pick).collect::<Vec<f64>>();
        let ends: Vec<i64> = rows.iter().map(|row| end(row.0).micros()).collect();
        let starts: Vec<i64> = ends.iter().map(|end| end - STEP).collect();
        let numbers: Vec<u32> = rows.iter().map(|row| row.1).collect();
        let (lo, coverage) = (column(|row| row.3), column(|row| row.4));
        run.take(
            &subjects,
            &Columns {
                window_start: &starts,
                window_end: &ends,
                subject: &numbers,
                value: &column(|row| row.2),
                lo: Some(&lo),
                coverage: Some(&coverage),
            },
        );
    }
    run.finish(&subjects, None)
}

/// The machine alone, shown every row of every window, and empty windows for 24 hours at most.
fn plain(rules: &[Rule], rows: &[Row]) -> Vec<AlertTransition> {
    let subjects = subjects(6);
    let mut machine = AlertMachine::new(rules.to_vec());
    let mut told = Vec::new();
    let mut last_full = None;
    let Some((first, last)) = rows.first().zip(rows.last()) else {
        return told;
    };
    for window in first.0..=last.0 {
        let of_window: Vec<&Row> = rows.iter().filter(|row| row.0 == window).collect();
        if !of_window.is_empty() {
            last_full = Some(window);
        } else if last_full.is_some_and(|full| (window - full) * 5 > 24 * 60) {
            continue;
        }
        let number = |number: f64| Some(number).filter(|number| !number.is_nan());
        let measured: Vec<Measurement<'_>> = of_window
            .iter()
            .map(|(_, subject, value, lo, coverage)| {
                let subject = &subjects.list()[*subject as usize];
                Measurement {
                    layer: "density",
                    window_start: end(window - 1),
                    window_end: end(window),
                    subject_kind: &subject.kind,
                    subject: &subject.id,
                    name_zh: &subject.name_zh,
                    name_en: &subject.name_en,
                    tags: &subject.tags,
                    value: number(*value),
                    lo: number(*lo),
                    hi: None,
                    unit: "persons",
                    level: None,
                    coverage: number(*coverage),
                    data_age: None,
                    method: "",
                }
            })
            .collect();
        told.extend(machine.observe("density", end(window), &measured));
    }
    told
}

fn some_rule() -> impl Strategy<Value = String> {
    let shape = prop_oneof![
        (1_u32..9, 0_u32..4).prop_map(|(fire, gap)| format!(
            "fire_above = {fire}.0\nclear_below = {}.0\nseverity = 'watch'",
            fire.saturating_sub(gap)
        )),
        (1_u32..5).prop_map(|fire| format!(
            "step = [{{ severity = 'watch', fire_above = {fire}.0, clear_below = {}.0 }}, \
             {{ severity = 'critical', fire_above = {}.0, clear_below = {fire}.0, for = '5m' }}]",
            fire - 1,
            fire + 3
        )),
    ];
    let about = prop_oneof![
        Just(""),
        Just("subject_kind = 'venue'"),
        Just("where = { kind = 'market' }"),
    ];
    let compare = prop_oneof![Just("value"), Just("value"), Just("lo")];
    let no_data = prop_oneof![Just("keep"), Just("keep"), Just("resolve"), Just("alert")];
    (shape, about, compare, no_data, 0_u32..4, 0_u32..4, 0_u32..8).prop_map(
        |(shape, about, compare, no_data, hold, keep, flap)| {
            format!(
                "{shape}\n{about}\ncompare = '{compare}'\non_no_data = '{no_data}'\n\
                 for = '{}m'\nkeep_firing_for = '{}m'\nflap_max = {flap}",
                hold * 5,
                keep * 5
            )
        },
    )
}

/// Rows of windows with holes in time, in subjects, in values and in coverage; sometimes two of one
/// subject in a window.
fn some_rows() -> impl Strategy<Value = Vec<Row>> {
    let number = prop_oneof![4 => (0_u32..12).prop_map(f64::from), 1 => Just(f64::NAN)];
    let coverage = prop_oneof![3 => Just(1.0), 1 => Just(0.2), 1 => Just(f64::NAN)];
    let row = (0_u32..6, number.clone(), number, coverage);
    let window = (
        prop_oneof![8 => Just(1_i64), 1 => 2_i64..5, 1 => 280_i64..300],
        prop::collection::vec(row, 0..7),
    );
    prop::collection::vec(window, 1..150).prop_map(|windows| {
        let mut rows = Vec::new();
        let mut at = 0;
        for (later, of_window) in windows {
            at += later;
            rows.extend(
                of_window
                    .into_iter()
                    .map(|(subject, value, lo, coverage)| (at, subject, value, lo, coverage)),
            );
        }
        rows
    })
}

/// What is promised of a transition in a backtest: what became of which alert and when.
fn told(transitions: &[AlertTransition]) -> Vec<String> {
    let line = |one: &AlertTransition| {
        format!(
            "{} {} {} {:?} {:?} {} {:?} {:?} {:?}",
            one.id,
            one.rule,
            one.subject,
            one.state,
            one.why,
            one.window_end,
            one.severity,
            one.value,
            one.threshold
        )
    };
    transitions.iter().map(line).collect()
}

proptest! {
    #[test]
    fn leaving_out_rows_changes_nothing(
        texts in prop::collection::vec(some_rule(), 1..4),
        rows in some_rows(),
        chunk in 1_usize..40,
    ) {
        let named = texts.iter().enumerate();
        let rules: Vec<Rule> = named.map(|(n, text)| rule(&format!("name = 'r{n}'\n{text}"))).collect();
        let plain = told(&plain(&rules, &rows));
        let fast = run(&rules, &rows, chunk, Selection::Matters);
        prop_assert_eq!(&told(&fast.transitions), &plain);
        let all = run(&rules, &rows, chunk, Selection::Everything);
        prop_assert_eq!(&told(&all.transitions), &plain);
        prop_assert_eq!(&all, &fast);
    }

    #[test]
    fn a_rule_set_differs_in_nothing_from_itself(text in some_rule(), rows in some_rows()) {
        let rules = [rule(&format!("name = 'r'\n{text}"))];
        let report = numbers::report(&rules, &rows);
        let found = diff(&report, &report);
        prop_assert!(found.is_empty(), "{:?}", found);
        prop_assert_eq!(found.same, report.episodes().count() as u64);
    }

    #[test]
    fn a_higher_threshold_never_fires_longer(
        low in 1_u32..9, more in 1_u32..4, rows in some_rows(),
    ) {
        // Without `for` and without a band an alert is open exactly in the windows at or above the
        // threshold, and through windows that say nothing after one.
        let firing = |fire: u32| {
            let text = format!(
                "name = 'r'\nfire_above = {fire}.0\nclear_below = {fire}.0\nseverity = 'watch'\n\
                 flap_max = 0\ncoverage_min = 0.0"
            );
            let report = numbers::report(&[rule(&text)], &rows);
            report.rules[0].firing
        };
        prop_assert!(firing(low + more) <= firing(low));
    }

    #[test]
    fn a_suggested_threshold_keeps_to_its_quota(
        text in some_rule(),
        rows in prop_oneof![some_rows(), silence::steady_rows()],
        quota in 0_u32..30, each in any::<bool>(),
    ) {
        let rule = rule(&format!("name = 'r'\n{text}"));
        let per_week = f64::from(quota);
        let quota = if each { Quota::EachSubject(per_week) } else { Quota::Together(per_week) };
        let subjects = subjects(6);
        let mut kept = Kept::default();
        numbers::keep(&mut kept, &rows);
        let machine = |rule: Rule| AlertMachine::new(vec![rule]);
        let ask = |how| suggest(&rule, quota, &settings(how), (&subjects, &kept), machine);
        let found = ask(Selection::Matters);
        prop_assert_eq!(&found, &ask(Selection::Everything));
        let Some(found) = found else {
            return Ok(());
        };
        if let Some(found) = found.found {
            prop_assert!(found.per_week <= per_week, "{found:?}");
            let moved = [rule.moved(found.fire_above)];
            let fires = run(&moved, &rows, 16, Selection::Everything).episodes.len();
            prop_assert_eq!(found.fires, fires as u64);
        }
        if let Some(below) = found.below {
            prop_assert!(below.per_week > per_week, "{below:?}");
        }
    }
}
