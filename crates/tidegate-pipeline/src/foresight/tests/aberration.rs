//! Values against what was normal: the tests try to have an alarm become normal, or a lasting change
//! never; to have a window that is not known raise or clear; to judge one series by another's
//! numbers; and to restore what does not fit.

use tidegate_risk::aberration::normal::upper_tail;
use tidegate_risk::state::DispersionState;

use super::*;
use crate::foresight::state::BaselineState;

const DAY: Span = Span::hours(24);

/// A baseline of three days of the type, judged once a day, and alarms that need one window.
const DAILY: &str = "[[aberration]]\nlayer = \"l\"\nevery = \"24h\"\nbaseline_length = 3\nk = 1\n";

/// A day that ends at midnight UTC; day 0 is a Monday.
fn midnight(day: i64) -> EventTime {
    time("2026-03-03T00:00:00Z").plus(Span::hours(24 * day))
}

fn judged(track: &mut Track, at: EventTime, rows: &RecordBatch, columns: &[&str]) -> Vec<String> {
    let seen = track.observe(at, rows).expect("a slot ends here");
    cells(&seen.aberration.unwrap(), columns)
}

/// The cells of the only row, as numbers.
fn numbers(track: &mut Track, at: EventTime, value: f64, columns: &[&str]) -> Vec<f64> {
    let row = judged(track, at, &values(&[("a", value)]), columns).remove(0);
    row.split(' ')
        .map(|cell| cell.parse().unwrap_or(f64::NAN))
        .collect()
}

#[track_caller]
fn check_close(found: &[f64], expected: &[f64]) {
    assert_eq!(found.len(), expected.len());
    for (found_one, expected_one) in found.iter().zip(expected) {
        assert!(
            (found_one - expected_one).abs() < 1e-6,
            "{found:?} {expected:?}"
        );
    }
}

#[test]
fn every_bad_key_is_named() {
    let check = |keys: &str, key: &str, value: &str| {
        let more = format!("[[aberration]]\nlayer = \"l\"\nevery = \"15m\"\n{keys}\n");
        let problems = pipeline("", &more).unwrap_err();
        assert_eq!(problems.len(), 1, "{keys}: {problems:#?}");
        assert_eq!(problems[0].key, format!("aberration[0].{key}"), "{keys}");
        assert_eq!(problems[0].line, Some(9), "{keys}");
        assert!(problems[0].message.contains(value), "{}", problems[0]);
    };
    check("baseline = \"usual\"", "baseline", "usual");
    check("baseline_length = 1", "baseline_length", "1");
    check("sigma_floor = 0.0", "sigma_floor", "0");
    check("k = 4", "k", "4 of 3");
    check("q = 1.0", "q", "1");
    check("ears_c1 = inf", "ears_c1", "inf");
    check("cusum_k = -0.5", "cusum_k", "-0.5");
    check("cusum_h = 0.0", "cusum_h", "0");
    check("ewma_weight = 1.5", "ewma_weight", "1.5");
    check("ewma_width = 0.0", "ewma_width", "0");
    check("baseline = \"residual\"", "baseline", "[[forecast]]");
    let twice = format!("{DAILY}{DAILY}");
    let problems = pipeline("", &twice).unwrap_err();
    assert_eq!(problems[0].key, "aberration[1].layer");
}

/// By hand: of 4, 6 and 5 the mean is 5 and the deviation 1; P(T > 4 / √(4/3)) of Student's T with
/// 2 degrees is 0.037090.
#[test]
fn a_value_against_the_same_slot() {
    let mut track = follow("UTC", DAILY);
    let history = judged(
        &mut track,
        midnight(0),
        &values(&[("a", 4.0)]),
        &["z", "reason"],
    );
    assert_eq!(history, ["- too_little_history"]);
    track.observe(midnight(1), &values(&[("a", 6.0)]));
    track.observe(midnight(2), &values(&[("a", 5.0)]));
    let columns = [
        "value",
        "expected",
        "z",
        "p_value",
        "p_adjusted",
        "cusum",
        "ewma",
        "ewma_limit",
        "baseline_n",
    ];
    let found = numbers(&mut track, midnight(3), 9.0, &columns);
    check_close(
        &found,
        &[9.0, 5.0, 4.0, 0.037_090, 0.037_090, 3.5, 0.8, 0.6, 3.0],
    );
    // The weekend is of other types; on Monday the alarm of Thursday is not part of the baseline.
    let found = numbers(&mut track, midnight(7), 5.0, &["expected", "z"]);
    check_close(&found, &[5.0, 0.0]);
}

#[test]
fn a_row_says_what_it_is_of() {
    let mut track = follow("UTC", DAILY);
    for (day, value) in [(0, 4.0), (1, 6.0), (2, 5.0)] {
        track.observe(midnight(day), &values(&[("a", value)]));
    }
    let columns = [
        "layer",
        "subject_kind",
        "subject",
        "window_end",
        "c1",
        "c1_high",
        "c3_high",
        "cusum_high",
        "ewma_high",
        "flag",
        "unit",
        "method",
        "reason",
    ];
    assert_eq!(
        judged(&mut track, midnight(3), &values(&[("a", 9.0)]), &columns),
        ["l venue a 2026-03-06T00:00:00Z - - - false true true persons baseline/same-slot@1 -"]
    );
    assert_eq!(ABERRATION_SCHEMA.fields().len(), 25);
}

#[test]
fn what_lasts_becomes_normal_and_no_sooner() {
    let mut track = follow("UTC", DAILY);
    for (day, value) in [(0, 4.0), (1, 6.0), (2, 5.0)] {
        track.observe(midnight(day), &values(&[("a", value)]));
    }
    // Mondays to Thursdays from then on.
    let days = (3..).filter(|day| day % 7 < 4);
    let expected: Vec<f64> = days
        .take(8)
        .map(|day| numbers(&mut track, midnight(day), 50.0, &["expected"])[0])
        .collect();
    // Three alarms are left out; the fourth is not, nor are those after it.
    check_close(
        &expected,
        &[5.0, 5.0, 5.0, 5.0, 61.0 / 3.0, 105.0 / 3.0, 50.0, 50.0],
    );
}

/// Two of the last three windows that are known; one that is not says nothing.
#[test]
fn an_alarm_needs_its_windows() {
    let twice = DAILY.replace("k = 1", "k = 2");
    let mut track = follow("UTC", &twice);
    for (day, value) in [(0, 4.0), (1, 6.0), (2, 5.0)] {
        track.observe(midnight(day), &values(&[("a", value)]));
    }
    let columns = ["flag", "reason"];
    let mut flag =
        |day: i64, rows: &RecordBatch| judged(&mut track, midnight(day), rows, &columns).remove(0);
    assert_eq!(flag(3, &values(&[("a", 90.0)])), "false -");
    assert_eq!(flag(7, &values(&[])), "- missing");
    assert_eq!(
        flag(8, &rows(&[("a", Some(90.0), Some("stale"))])),
        "- faulty"
    );
    assert_eq!(
        flag(9, &rows(&[("a", None, Some("withheld"))])),
        "- suppressed"
    );
    assert_eq!(flag(10, &values(&[("a", 900.0)])), "true -");
}

/// Of two series the p-values are adjusted together: the smaller one is doubled.
#[test]
fn series_of_a_window_are_judged_together() {
    let mut track = follow("UTC", DAILY);
    for (day, value) in [(0, 4.0), (1, 6.0), (2, 5.0)] {
        track.observe(
            midnight(day),
            &values(&[("a", value), ("b", value), ("late", value)]),
        );
    }
    let given = rows(&[
        ("a", Some(5.0), None),
        ("b", Some(9.0), None),
        ("c", Some(1.0), None),
        ("late", None, None),
    ]);
    let columns = ["subject", "p_value", "p_adjusted", "flag", "reason"];
    let found = judged(&mut track, midnight(3), &given, &columns);
    assert_eq!(found[0], "a 0.5 0.5 false -");
    let b: Vec<&str> = found[1].split(' ').collect();
    let number = |text: &str| text.parse::<f64>().unwrap();
    check_close(&[number(b[1]), number(b[2])], &[0.037_090, 0.074_180]);
    assert_eq!(&b[3..], ["true", "-"]);
    assert_eq!(
        found[2..],
        ["c - - - too_little_history", "late - - - missing"]
    );
}

/// Values go up and down between 100 and 121: `2 (√121 - √100)` is 2, so the dispersion is 4, and
/// of 144 after 121 the distance is `2 (12 - 11) / 2`.
#[test]
fn a_value_against_its_forecast() {
    let keys = "[[forecast]]\nlayer = \"l\"\nevery = \"15m\"\nhorizons = [\"15m\"]\n\
                model = \"last_value\"\n\
                [[aberration]]\nlayer = \"l\"\nevery = \"15m\"\nbaseline = \"residual\"\n";
    let mut track = follow("Asia/Shanghai", keys);
    let start = time("2026-03-02T00:00:00Z");
    for slot in 0..100 {
        let value = if slot % 2 == 0 { 100.0 } else { 121.0 };
        let row = judged(
            &mut track,
            start.plus(quarters(slot)),
            &values(&[("a", value)]),
            &["reason", "method"],
        );
        let known = if slot < 97 { "too_little_history" } else { "-" };
        assert_eq!(row, [format!("{known} residual/square-root@1")], "{slot}");
    }
    let columns = ["expected", "z", "p_value", "baseline_n"];
    let found = numbers(&mut track, start.plus(quarters(100)), 144.0, &columns);
    check_close(&found, &[121.0, 1.0, upper_tail(1.0).unwrap(), 99.0]);
}

#[test]
fn subjects_beyond_the_bound_are_told() {
    let mut track = follow("UTC", DAILY).with_series_max(1);
    let given = values(&[("a", 1.0), ("b", 2.0)]);
    let seen = track.observe(midnight(0), &given).unwrap();
    assert_eq!((seen.refused, seen.forecast), (1, None));
    assert_eq!(
        cells(&seen.aberration.unwrap(), &["subject", "reason"]),
        ["a too_little_history", "b too_many_series"]
    );
}

#[test]
fn other_slots_are_another_track() {
    let keys = "[[forecast]]\nlayer = \"l\"\nevery = \"30m\"\nhorizons = [\"30m\"]\n\
                [[aberration]]\nlayer = \"l\"\nevery = \"15m\"\n";
    let mut both = Foresights::new(&pipeline("", keys).unwrap());
    let start = time("2026-03-02T00:00:00Z");
    let mut seen = |slot: i64| {
        let seen = both.observe(0, start.plus(quarters(slot)), &values(&[("a", 1.0)]));
        let tables = seen
            .iter()
            .map(|seen| (seen.forecast.is_some(), seen.aberration.is_some()));
        tables.collect::<Vec<_>>()
    };
    assert_eq!(seen(1), [(false, true)]);
    assert_eq!(seen(2), [(true, false), (false, true)]);
    assert!(
        both.observe(1, start, &values(&[])).is_empty(),
        "of another layer"
    );
}

#[test]
fn a_detector_that_does_not_fit_is_refused() {
    let mut track = follow("UTC", DAILY);
    track.observe(midnight(0), &values(&[("a", 1.0)]));
    let state = track.state();
    let check = |change: fn(&mut TrackState)| {
        let mut state = state.clone();
        change(&mut state);
        assert!(follow("UTC", DAILY).restore(state).is_err());
    };
    assert_eq!(follow("UTC", DAILY).restore(state.clone()), Ok(()));
    check(|state| state.series[0].detector = None);
    check(|state| {
        let detector = state.series[0].detector.as_mut().unwrap();
        detector.baseline = BaselineState::Residual(DispersionState::default());
    });
    check(|state| {
        let detector = state.series[0].detector.as_mut().unwrap();
        if let BaselineState::SameSlot { left_out, .. } = &mut detector.baseline {
            *left_out = vec![(0, 4)];
        }
    });
    check(|state| state.series[0].detector.as_mut().unwrap().cusum.sum = -1.0);
}

/// What is stored of a series' normal after ten weeks, every quarter of an hour.
#[test]
fn a_detector_is_bounded() {
    let forecast = "[[forecast]]\nlayer = \"l\"\nevery = \"15m\"\nhorizons = [\"15m\"]\n\
                    model = \"last_value\"\n";
    for (baseline, bytes_max) in [("same_slot", 24_000), ("residual", 300)] {
        let keys = format!(
            "{forecast}[[aberration]]\nlayer = \"l\"\nevery = \"15m\"\nbaseline = \"{baseline}\"\n"
        );
        let mut track = follow("Asia/Shanghai", &keys);
        let start = time("2026-01-01T00:00:00Z");
        for slot in 0..70 * DAY.as_micros() / QUARTER.as_micros() {
            let value = f64::from(u16::try_from(slot % 96).unwrap()) * 7.5;
            track.observe(start.plus(quarters(slot)), &values(&[("a", value)]));
        }
        let detector = track.state().series.remove(0).detector.unwrap();
        let bytes = postcard::to_stdvec(&detector).unwrap().len();
        println!("{baseline}: {bytes} bytes");
        assert!(bytes <= bytes_max, "{baseline}: {bytes} bytes");
    }
}
