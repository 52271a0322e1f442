//! Reports against numbers counted by hand.

use jiff::tz::TimeZone;

use super::*;
use crate::Severity;

pub(super) fn report(rules: &[Rule], rows: &[Row]) -> Report {
    let outcome = run(rules, rows, 16, Selection::Matters);
    Report::new(rules, &[outcome], &TimeZone::UTC)
}

pub(super) fn keep(kept: &mut Kept, rows: &[Row]) {
    let ends: Vec<i64> = rows.iter().map(|row| end(row.0).micros()).collect();
    let starts: Vec<i64> = ends.iter().map(|end| end - STEP).collect();
    let column = |pick: fn(&Row) -> f64| rows.iter().map(pick).collect::<Vec<f64>>();
    let numbers: Vec<u32> = rows.iter().map(|row| row.1).collect();
    kept.take(&Columns {
        window_start: &starts,
        window_end: &ends,
        subject: &numbers,
        value: &column(|row| row.2),
        lo: Some(&column(|row| row.3)),
        coverage: Some(&column(|row| row.4)),
    });
}

/// The values of subject 0, one a window from the first; NaN is a row without a value.
fn series(values: &[f64]) -> Vec<Row> {
    let rows = (1_i64..).zip(values);
    rows.map(|(window, value)| (window, 0, *value, f64::NAN, 1.0))
        .collect()
}

const SINGLE: &str =
    "name = 'r'\nfire_above = 5.0\nclear_below = 3.0\nseverity = 'watch'\nflap_max = 0\n";

#[test]
fn episodes_have_their_peak_and_length() {
    let rules = [rule(SINGLE)];
    let found = report(&rules, &series(&[1.0, 6.0, 9.0, 4.0, 2.0, 1.0, 5.0, 7.0]));
    let rule = &found.rules[0];
    assert_eq!(rule.episodes.len(), 2);
    let first = &rule.episodes[0];
    assert_eq!((first.raised, first.resolved), (end(2), Some(end(5))));
    let peak = first.peak.unwrap();
    assert!((peak.value - 9.0).abs() < 1e-12 && peak.window_end == end(3));
    assert_eq!(first.firing(), Span::minutes(15));
    let second = &rule.episodes[1];
    assert_eq!((second.resolved, second.end()), (None, end(8)));
    assert_eq!((rule.open, rule.transitions), (1, 3));
    assert_eq!(rule.firing, Span::minutes(20));
    assert_eq!(rule.busiest_day.unwrap().1, 2);
    assert!((rule.days - 40.0 / 1_440.0).abs() < 1e-12);
    assert_eq!((rule.places.len(), rule.places[0].fires), (1, 2));
}

#[test]
fn a_rule_that_flaps_says_how_long() {
    let text = SINGLE.replace("flap_max = 0", "flap_max = 4\nflap_window = '30m'");
    let mut values = Vec::new();
    for _ in 0..6 {
        values.extend([6.0, 1.0]);
    }
    values.extend([1.0; 8]);
    let found = report(&[rule(&text)], &series(&values));
    let rule = &found.rules[0];
    assert_eq!(rule.flapping_periods, 1, "{:?}", rule.episodes);
    let period = rule
        .episodes
        .iter()
        .flat_map(|one| &one.flapping)
        .next()
        .unwrap();
    assert!(period.held_back > 0 && period.to.is_some(), "{period:?}");
    assert!(rule.flapping > Span::ZERO);
}

#[test]
fn coverage_counts_gaps_and_values() {
    let mut rows = series(&[1.0, f64::NAN, 2.0]);
    rows.extend([(10, 1, 1.0, f64::NAN, 0.5), (11, 0, 1.0, f64::NAN, 0.5)]);
    let found = report(&[rule(SINGLE)], &rows);
    let layer = &found.layers[0];
    assert_eq!((layer.windows, layer.windows_expected), (5, 11));
    assert_eq!((layer.rows, layer.values, layer.n_gaps), (5, 4, 1));
    assert_eq!((layer.gaps[0].from, layer.gaps[0].windows), (end(3), 6));
    assert!((layer.mean_coverage.unwrap() - 0.8).abs() < 1e-12);
    assert_eq!(layer.poorest[0].values, 0);
}

#[test]
fn a_period_that_was_asked_for_counts_as_expected() {
    let rules = [rule(SINGLE)];
    let subjects = subjects(1);
    let settings = LayerSettings {
        from: Some(end(0)),
        to: Some(end(10)),
        ..settings(Selection::Matters)
    };
    let mut run = LayerRun::new(AlertMachine::new(rules.to_vec()), settings);
    run.take(
        &subjects,
        &Columns {
            window_start: &[end(3).micros()],
            window_end: &[end(4).micros()],
            subject: &[0],
            value: &[1.0],
            lo: None,
            coverage: None,
        },
    );
    let coverage = run.finish(&subjects, None).coverage;
    assert_eq!(
        (coverage.windows, coverage.windows_expected, coverage.n_gaps),
        (1, 10, 2)
    );
}

#[test]
fn differences_are_told_apart() {
    let values = [
        1.0, 6.0, 8.0, 1.0, 1.0, 5.0, 1.0, 1.0, 7.0, 9.0, 1.0, 9.0, 1.0,
    ];
    let before = report(&[rule(SINGLE)], &series(&values));
    let higher = SINGLE.replace("5.0", "7.0").replace("'watch'", "'warning'");
    let after = report(&[rule(&higher)], &series(&values));
    let found = diff(&before, &after);
    assert_eq!(found.rules_changed, ["r"]);
    assert_eq!(found.counts(), (0, 1, 3));
    let Difference::Changes(moved) = &found.differences[0] else {
        panic!("{:?}", found.differences[0]);
    };
    assert_eq!((moved.start, moved.end), (Span::minutes(5), Span::ZERO));
    assert_eq!(moved.severity, Some((Severity::Watch, Severity::Warning)));
    let back = diff(&after, &before);
    assert_eq!(back.counts(), (1, 0, 3));
}

#[test]
fn events_are_found_in_time_late_or_not() {
    let values = [
        1.0, 6.0, 8.0, 1.0, 1.0, 5.0, 1.0, 1.0, 7.0, 9.0, 9.0, 9.0, 1.0,
    ];
    let found = report(&[rule(SINGLE)], &series(&values));
    let event = |subject: Option<&str>, from: i64, to: i64| LabelledEvent {
        subject: subject.map(str::to_owned),
        starts_at: end(from),
        ends_at: end(to),
        label: String::new(),
    };
    let events = [
        event(Some("s0"), 3, 4),
        event(Some("s0"), 5, 8),
        event(None, 12, 13),
        event(Some("s1"), 2, 3),
    ];
    let episodes = &found.rules[0].episodes;
    let score = score(episodes, &events, Span::minutes(5), |_| true);
    let outcomes: Vec<_> = score.events.iter().map(|one| &one.outcome).collect();
    assert!(matches!(outcomes[0], Outcome::Found { lead, .. } if *lead == Span::minutes(5)));
    assert!(matches!(outcomes[1], Outcome::Found { lead, .. } if *lead == Span::minutes(-5)));
    assert_eq!(outcomes[2], &Outcome::AlreadyOpen);
    assert_eq!(outcomes[3], &Outcome::Missed);
    assert_eq!((score.recall.hits, score.recall.of), (2, 4));
    assert_eq!((score.precision.hits, score.precision.of), (2, 3));
    assert_eq!((score.in_time, score.already_open), (1, 1));
    assert_eq!(score.median_lead, Some(Span::minutes(-5)));
}

#[test]
fn intervals_are_wilsons() {
    // Newcombe 1998, Statist. Med. 17:857, table I: 81 of 263 is 0.2553 to 0.3662.
    let share = Share::wilson(81, 263);
    assert!(
        (share.low - 0.2553).abs() < 5e-5 && (share.high - 0.3662).abs() < 5e-5,
        "{share:?}"
    );
    let none = Share::wilson(0, 0);
    assert!(none.low < 1e-12 && none.high > 1.0 - 1e-12 && none.share().is_none());
}

#[test]
fn a_threshold_moves_its_clear_threshold_along() {
    let moved = rule(SINGLE).moved(10.0);
    assert!((moved.steps()[0].clear_below - 6.0).abs() < 1e-12);
    let negative = SINGLE.replace("clear_below = 3.0", "clear_below = -3.0");
    let moved = rule(&negative).moved(10.0);
    assert!((moved.steps()[0].clear_below - 2.0).abs() < 1e-12);
    let ladder = "name = 'r'\nstep = [{ severity = 'watch', fire_above = 4.0, clear_below = 2.0 }, \
                  { severity = 'critical', fire_above = 8.0, clear_below = 6.0 }]";
    let moved = rule(ladder).moved(9.0);
    assert_eq!(moved.steps().len(), 1);
}

#[test]
fn the_suggestion_is_the_lowest_that_keeps_to_the_quota() {
    // A week with one value on each level: 10 levels, each reached once more often than the next.
    let mut rows = Vec::new();
    let mut window = 1;
    for level in 1_i32..=10 {
        rows.push((window, 0, f64::from(level), f64::NAN, 1.0));
        rows.push((window + 1, 0, 0.0, f64::NAN, 1.0));
        window += 2;
    }
    rows.push((7 * 288, 0, 0.0, f64::NAN, 1.0));
    let mut kept = Kept::default();
    keep(&mut kept, &rows);
    let machine = |rule: Rule| AlertMachine::new(vec![rule]);
    let (subjects, settings) = (subjects(6), settings(Selection::Matters));
    let ask =
        |quota| suggest(&rule(SINGLE), quota, &settings, (&subjects, &kept), machine).unwrap();
    let found = ask(Quota::Together(3.0));
    let best = found.found.unwrap();
    assert!(
        (best.fire_above - 8.0).abs() < 1e-12 && best.fires == 3,
        "{found:?}"
    );
    assert!((found.below.unwrap().fire_above - 7.0).abs() < 1e-12);
    assert!((found.above.unwrap().fire_above - 9.0).abs() < 1e-12);
    assert_eq!((found.now.fires, found.observed), (6, 11));
    assert!(ask(Quota::Together(0.5)).found.is_none());
}
