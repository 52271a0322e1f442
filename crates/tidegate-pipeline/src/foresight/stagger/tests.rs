//! Tries to get a hint for a venue that is not too full, a person moved to where there is no room or
//! too far away, and a slot without a forecast taken for an empty one.

use arrow::array::{Array, AsArray};
use arrow::datatypes::{Int64Type, TimestampMicrosecondType};
use tidegate_risk::forecast::{Calendar, DayKind, Horizons, Model, Point};

use super::*;

const NOON: i64 = 12;

fn hour(hour: i64) -> EventTime {
    EventTime::from_micros(hour * 3_600_000_000)
}

fn calendar() -> Calendar {
    Calendar::of_four(24).unwrap()
}

fn slot(hour: i64) -> ClockSlot {
    let (weekday, hour) = (hour / 24 % 7, hour % 24);
    let weekday = u8::try_from(weekday).unwrap();
    let hour = u16::try_from(hour).unwrap();
    calendar().slot(weekday, hour, DayKind::Ordinary).unwrap()
}

/// A week in which 150 are inside at noon and 60 in each other hour from 8 to 20; the rest of the
/// day nobody looked.
fn week() -> Forecaster {
    let horizons = Horizons::try_new(&[1]).unwrap();
    let mut forecaster = Forecaster::new(Model::SeasonalNaive, calendar(), horizons);
    for at in 0..7 * 24 {
        let point = match at % 24 {
            NOON => Point::from_value(150.0),
            8..=20 => Point::from_value(60.0),
            _ => Point::Missing,
        };
        forecaster.observe(slot(at), point);
    }
    forecaster
}

/// From, to, persons and reason of the hints at the end of the seventh day.
fn hints(capacity: u64, shift: Span) -> Vec<(i64, Option<i64>, i64, Option<String>)> {
    let made_at = hour(7 * 24);
    let ahead: Vec<Ahead> = (1..=24)
        .map(|steps| {
            let at = 7 * 24 + i64::from(steps);
            (steps, hour(at), slot(at - 1))
        })
        .collect();
    let spec = StaggerSpec {
        slots: 24,
        shift_max: shift,
        bound: StaggerBound::Value,
    };
    let mut rows = StaggerRows::new("inside", made_at, spec);
    let of = Of {
        subject: ("venue", "market"),
        unit: "persons",
    };
    rows.push(of, capacity, &week(), &ahead);
    let rows = rows.finish();
    let time = |name: &str| {
        let column = rows.column_by_name(name).unwrap();
        column.as_primitive::<TimestampMicrosecondType>().clone()
    };
    let (from, to) = (time("from_end"), time("to_end"));
    let persons = rows.column_by_name("persons").unwrap();
    let persons = persons.as_primitive::<Int64Type>();
    let reasons = rows.column_by_name("reason").unwrap().as_string::<i32>();
    let of_day = |micros: i64| micros / 3_600_000_000 - 7 * 24;
    (0..rows.num_rows())
        .map(|row| {
            let to = to.is_valid(row).then(|| of_day(to.value(row)));
            let reason = reasons.is_valid(row).then(|| reasons.value(row).to_owned());
            (of_day(from.value(row)), to, persons.value(row), reason)
        })
        .collect()
}

#[test]
fn the_nearest_slots_with_room_take_those_who_are_too_many() {
    // The slot of noon ends at 13. 50 are too many, 40 fit an hour earlier.
    assert_eq!(
        hints(100, Span::hours(2)),
        [(13, Some(12), 40, None), (13, Some(14), 10, None),]
    );
}

#[test]
fn who_finds_no_room_near_enough_is_told() {
    assert_eq!(
        hints(100, Span::minutes(30)),
        [(13, None, 50, Some("no_room".to_owned()))]
    );
    // Every hour that was ever seen is full, and the hours that nobody looked at are no room.
    let full = hints(60, Span::hours(24));
    assert_eq!(full, [(13, None, 90, Some("no_room".to_owned()))]);
}

#[test]
fn a_venue_that_is_not_too_full_has_no_hint() {
    assert_eq!(hints(150, Span::hours(2)), []);
}
