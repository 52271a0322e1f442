//! Tries to get persons in quarantine who never came or have left, a load from nothing known, and
//! another load after a restart.

use std::sync::Arc;

use arrow::array::{Array, AsArray, Float64Array, RecordBatch, StringArray};
use arrow::datatypes::{DataType, Field, Float64Type, Int64Type, Schema};
use jiff::civil::{Date, date};
use jiff::tz::TimeZone;
use proptest::prelude::*;
use tidegate_model::EventTime;
use tidegate_risk::importation::Held;

use super::{Quarantine, QuarantineSpec};

fn zone() -> TimeZone {
    TimeZone::get("Asia/Shanghai").unwrap()
}

fn quarantine(days: usize, places: u64) -> Quarantine {
    let spec = QuarantineSpec {
        layer: 0,
        days,
        places,
    };
    let held = Held::try_new(0.5, 3).unwrap();
    Quarantine::new(spec, &zone(), [("R1", held)].into_iter())
}

/// Rows of a layer of arrivals: origin, persons, whether they are stale.
fn arrivals(rows: &[(&str, Option<f64>, bool)]) -> RecordBatch {
    let text =
        |values: Vec<Option<&str>>| -> Arc<dyn Array> { Arc::new(StringArray::from(values)) };
    let fields = [
        ("subject_kind", DataType::Utf8),
        ("subject", DataType::Utf8),
        ("value", DataType::Float64),
        ("status", DataType::Utf8),
    ];
    let fields: Vec<Field> = fields
        .into_iter()
        .map(|(name, kind)| Field::new(name, kind, true))
        .collect();
    let values: Float64Array = rows.iter().map(|row| row.1).collect();
    let columns = vec![
        text(vec![Some("origin"); rows.len()]),
        text(rows.iter().map(|row| Some(row.0)).collect()),
        Arc::new(values),
        text(rows.iter().map(|row| row.2.then_some("stale")).collect()),
    ];
    RecordBatch::try_new(Arc::new(Schema::new(fields)), columns).unwrap()
}

/// The end of a window that is over at `hour` of the local day.
fn at(day: Date, hour: i8) -> EventTime {
    let time = zone().to_ambiguous_timestamp(day.at(hour, 0, 0, 0));
    EventTime::from_micros(time.compatible().unwrap().as_microsecond())
}

fn whole(rows: &RecordBatch, name: &str) -> Vec<Option<i64>> {
    let column = rows.column_by_name(name).unwrap();
    column.as_primitive::<Int64Type>().iter().collect()
}

fn expected(rows: &RecordBatch) -> Vec<Option<f64>> {
    let column = rows.column_by_name("expected").unwrap();
    column.as_primitive::<Float64Type>().iter().collect()
}

fn reasons(rows: &RecordBatch) -> Vec<Option<&str>> {
    let column = rows.column_by_name("reason").unwrap();
    column.as_string::<i32>().iter().collect()
}

#[test]
fn without_a_day_there_is_a_reason_and_no_number() {
    let mut quarantine = quarantine(2, 100);
    let rows = quarantine.step(
        at(date(2026, 3, 2), 9),
        &arrivals(&[("R1", Some(40.0), false)]),
    );
    assert_eq!(expected(&rows), [None, None]);
    assert_eq!(whole(&rows, "bound90"), [None, None]);
    assert_eq!(reasons(&rows), [Some("no_history"); 2]);
    assert_eq!(whole(&rows, "places"), [Some(100); 2]);
}

#[test]
fn who_came_stays_and_leaves() {
    let mut quarantine = quarantine(3, 100);
    let none = arrivals(&[]);
    quarantine.step(
        at(date(2026, 3, 2), 9),
        &arrivals(&[("R1", Some(40.0), false)]),
    );
    quarantine.step(
        at(date(2026, 3, 2), 10),
        &arrivals(&[("R1", Some(20.0), false)]),
    );
    // Another origin is nobody's.
    quarantine.step(
        at(date(2026, 3, 2), 11),
        &arrivals(&[("R2", Some(999.0), false)]),
    );
    // A window that ends at midnight is of the day before.
    quarantine.step(
        at(date(2026, 3, 3), 0),
        &arrivals(&[("R1", Some(4.0), false)]),
    );
    let rows = quarantine.step(at(date(2026, 3, 3), 9), &none);
    // 64 came, half of them are held for three days: on the 2nd, 3rd and 4th.
    assert_eq!(whole(&rows, "staying"), [Some(32), Some(32), Some(0)]);
    // Of each day ahead 64 are expected as well, half of them held.
    let loads: Vec<f64> = expected(&rows).into_iter().flatten().collect();
    for (load, right) in loads.iter().zip([64.0, 96.0, 96.0]) {
        assert!((load - right).abs() < 0.5, "{loads:?}");
    }
    // Nobody knows how much days differ: the interval is wide.
    let (lo, hi) = (whole(&rows, "lo90"), whole(&rows, "hi90"));
    assert!(lo[0].unwrap() < 40 && hi[0].unwrap() > 100, "{lo:?} {hi:?}");

    let rows = quarantine.step(at(date(2026, 3, 5), 9), &none);
    // On the 3rd nobody came, on the 4th no window closed.
    assert_eq!(whole(&rows, "staying"), [Some(0); 3]);
    assert_eq!(whole(&rows, "days_missing"), [Some(1); 3]);
}

#[test]
fn more_may_come_today_than_was_expected() {
    let mut quarantine = quarantine(1, 100);
    quarantine.step(
        at(date(2026, 3, 2), 9),
        &arrivals(&[("R1", Some(10.0), false)]),
    );
    let rows = quarantine.step(
        at(date(2026, 3, 3), 9),
        &arrivals(&[("R1", Some(500.0), false)]),
    );
    let load = expected(&rows)[0].unwrap();
    assert!((load - 255.0).abs() < 0.5, "{load}");
    assert!(whole(&rows, "places_left90")[0].unwrap() < 0);
}

#[test]
fn a_day_that_cannot_be_believed_is_missing() {
    for bad in [
        ("R1", None, false),
        ("R1", Some(30.0), true),
        ("R1", Some(-1.0), false),
    ] {
        let mut quarantine = quarantine(1, 100);
        quarantine.step(
            at(date(2026, 3, 2), 9),
            &arrivals(&[("R1", Some(10.0), false)]),
        );
        quarantine.step(at(date(2026, 3, 2), 10), &arrivals(&[bad]));
        let rows = quarantine.step(at(date(2026, 3, 3), 9), &arrivals(&[]));
        assert_eq!(whole(&rows, "days_missing"), [Some(1)], "{bad:?}");
        assert_eq!(reasons(&rows), [Some("no_history")], "{bad:?}");
    }
}

#[test]
fn a_stored_state_of_other_origins_is_refused() {
    let stored = quarantine(1, 1).state();
    let spec = QuarantineSpec {
        layer: 0,
        days: 1,
        places: 1,
    };
    let held = Held::try_new(0.5, 3).unwrap();
    let mut other = Quarantine::new(spec, &zone(), [("R2", held)].into_iter());
    let error = other.restore(stored).unwrap_err().to_string();
    assert!(error.contains("\"R1\""), "{error}");
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(32))]

    /// Whatever came, and wherever the process ended, it goes on as if it had not; no number is
    /// below 0 and the bound is within the interval's reach.
    #[test]
    fn a_restart_changes_nothing(
        days in prop::collection::vec((1..40_i64, prop::option::of(0..5_000_u32)), 1..60),
        stop in 0..60_usize,
    ) {
        let mut going = quarantine(10, 300);
        let mut restarted = quarantine(10, 300);
        let mut day = date(2026, 3, 2);
        for (index, (gap, persons)) in days.into_iter().enumerate() {
            // Mostly the next day.
            let steps = if gap > 30 { gap } else { 1 };
            day = day.checked_add(jiff::Span::new().days(steps)).unwrap();
            let rows = arrivals(&[("R1", persons.map(f64::from), false)]);
            let expected = going.step(at(day, 9), &rows);
            if index == stop {
                let state = restarted.state();
                restarted = quarantine(10, 300);
                restarted.restore(state).unwrap();
            }
            prop_assert_eq!(&expected, &restarted.step(at(day, 9), &rows));
            let (lo, hi) = (whole(&expected, "lo90"), whole(&expected, "hi90"));
            for (lo, hi) in lo.into_iter().zip(hi) {
                prop_assert!(lo.is_none() == hi.is_none() && lo <= hi && lo >= lo.map(|_| 0));
            }
        }
    }
}
