//! Days of windows against the series of a layer: the tests try to put a value into another slot
//! than its own (changed clocks, odd zones, midnight, holidays), to have something learned from what
//! is no value, to make a gap cost more than it may, to grow without bound, and to make restored
//! series go on otherwise than those that were never stopped.

mod aberration;

use std::sync::Arc;

use arrow::array::{
    Array, ArrayRef, BooleanArray, Float64Array, Int32Array, StringArray, TimestampMicrosecondArray,
};
use arrow::util::display::array_value_to_string;
use jiff::tz::{TimeZone, TimeZoneDatabase};
use proptest::prelude::*;
use tidegate_model::{Span, parse_rfc3339};
use tidegate_query::LAYER_SCHEMA;
use tidegate_risk::forecast::{Calendar, Model, Point, STATE_BYTES_MAX};

use super::clock::SlotClock;
use super::read::readings;
use super::*;
use crate::pipeline::tests::load;
use crate::{Problem, Reference};

const QUARTER: Span = Span::minutes(15);

fn quarters(n: i64) -> Span {
    Span::minutes(15 * n)
}

fn time(text: &str) -> EventTime {
    parse_rfc3339(text).unwrap()
}

/// A layer's row: subject, value, status.
type Row<'a> = (&'a str, Option<f64>, Option<&'a str>);

fn rows(given: &[Row<'_>]) -> RecordBatch {
    let n = given.len();
    let text = |text: &str| -> ArrayRef { Arc::new(StringArray::from(vec![text; n])) };
    let time = || -> ArrayRef {
        Arc::new(TimestampMicrosecondArray::from(vec![0; n]).with_timezone("UTC"))
    };
    let none = || -> ArrayRef { Arc::new(Float64Array::new_null(n)) };
    let subjects = given.iter().map(|row| Some(row.0));
    let values = given.iter().map(|row| row.1);
    let status = given.iter().map(|row| row.2);
    let columns: Vec<ArrayRef> = vec![
        text("l"),
        time(),
        time(),
        text("venue"),
        Arc::new(subjects.collect::<StringArray>()),
        Arc::new(values.collect::<Float64Array>()),
        none(),
        none(),
        text("persons"),
        Arc::new(StringArray::new_null(n)),
        none(),
        none(),
        Arc::new(status.collect::<StringArray>()),
        Arc::new(Int32Array::from(vec![0; n])),
        Arc::new(BooleanArray::from(vec![true; n])),
        text("m@1"),
    ];
    RecordBatch::try_new(Arc::clone(&LAYER_SCHEMA), columns).unwrap()
}

fn values(given: &[(&str, f64)]) -> RecordBatch {
    let given: Vec<Row<'_>> = given.iter().map(|(s, v)| (*s, Some(*v), None)).collect();
    rows(&given)
}

/// Loads a pipeline with the layer `l` on windows of five minutes, and what `more` says.
fn pipeline(head: &str, more: &str) -> Result<Pipeline, Vec<Problem>> {
    let sql = "SELECT 'venue' AS subject_kind, venue_id AS subject, 'persons' AS unit, \
               'm@1' AS method, occupancy AS value FROM w";
    let main = format!("{head}\n[[layer]]\nname = \"l\"\non = \"w\"\n{more}");
    load(&main, &[("layers/l.sql".to_owned(), sql.to_owned())])
}

fn check_problems(head: &str, more: &str, expected: &[&str]) {
    let problems = pipeline(head, more).err().unwrap_or_default();
    let problems: Vec<String> = problems.iter().map(Problem::to_string).collect();
    assert_eq!(problems, expected, "{more}");
}

/// Of a `[[forecast]]` of the layer `l` with these keys.
fn track(zone: &str, keys: &str) -> Track {
    follow(zone, &format!("[[forecast]]\nlayer = \"l\"\n{keys}"))
}

/// The one track that these tables ask for.
fn follow(zone: &str, tables: &str) -> Track {
    let head = format!("zone = \"{zone}\"");
    let pipeline = pipeline(&head, tables).unwrap_or_else(|problems| panic!("{problems:#?}"));
    let mut tracks = Foresights::new(&pipeline).tracks;
    assert_eq!(tracks.len(), 1);
    tracks.remove(0)
}

fn last_value() -> Track {
    track(
        "Asia/Shanghai",
        "every = \"15m\"\nhorizons = [\"15m\", \"1h\"]\nmodel = \"last_value\"",
    )
}

/// The rows of a table, these columns of each; null is `-`.
fn cells(rows: &RecordBatch, columns: &[&str]) -> Vec<String> {
    let cell = |row: usize, name: &str| {
        let column = rows.column_by_name(name).unwrap();
        if column.is_null(row) {
            "-".to_owned()
        } else {
            array_value_to_string(column, row).unwrap()
        }
    };
    let line = |row: usize| {
        let cells = columns.iter().map(|name| cell(row, name));
        cells.collect::<Vec<_>>().join(" ")
    };
    (0..rows.num_rows()).map(line).collect()
}

const SHORT: [&str; 4] = ["subject", "horizon_minutes", "value", "reason"];

fn forecast(track: &mut Track, at: EventTime, rows: &RecordBatch) -> Vec<String> {
    let seen = track.observe(at, rows).expect("a slot ends here");
    cells(&seen.forecast.unwrap(), &SHORT)
}

#[test]
fn every_bad_key_is_named() {
    let forecast = |keys: &str| format!("[[forecast]]\n{keys}");
    check_problems(
        "",
        &forecast("layer = \"m\"\nevery = \"15m\"\nhorizons = [\"15m\"]\n"),
        &["pipeline.toml:7: forecast[0].layer: \"m\" is not a layer: l"],
    );
    for bad in ["10m", "7h", "0s", "930s", "25h"] {
        let span: Span = bad.parse().unwrap();
        let wrong = format!(
            "pipeline.toml:8: forecast[0].every: {bad:?} is not a slot: whole minutes, 15m at \
             least, that fill a day without rest"
        );
        let horizon = format!("{}s", span.as_micros() / 1_000_000);
        check_problems(
            "",
            &forecast(&format!(
                "layer = \"l\"\nevery = \"{bad}\"\nhorizons = [\"{horizon}\"]\n"
            )),
            &[&wrong],
        );
    }
    check_problems(
        "",
        &forecast("layer = \"l\"\nevery = \"16m\"\nhorizons = [\"16m\"]\nmodel = \"oracle\"\n"),
        &[
            "pipeline.toml:8: forecast[0].every: 16m is not a multiple of 5m, the slide of window \
             \"w\"",
            "pipeline.toml:10: forecast[0].model: \"oracle\" is not a model: last_value, \
             seasonal_naive, profile, double_seasonal, local_level",
        ],
    );
    for (horizons, wrong) in [
        ("[]", "[] are not one to four that ascend"),
        (
            "[\"30m\", \"15m\"]",
            "[\"30m\", \"15m\"] are not one to four that ascend",
        ),
        ("[\"20m\"]", "\"20m\" is not one to 12 times `every`, 15m"),
        ("[\"4h\"]", "\"4h\" is not one to 12 times `every`, 15m"),
    ] {
        check_problems(
            "",
            &forecast(&format!(
                "layer = \"l\"\nevery = \"15m\"\nhorizons = {horizons}\n"
            )),
            &[&format!("pipeline.toml:9: forecast[0].horizons: {wrong}")],
        );
    }
    let twice = "layer = \"l\"\nevery = \"15m\"\nhorizons = [\"15m\"]\n";
    check_problems(
        "",
        &format!("{}{}", forecast(twice), forecast(twice)),
        &["pipeline.toml:11: forecast[1].layer: \"l\" has a [[forecast]] already"],
    );
}

#[test]
fn windows_beside_the_slots_of_the_zone_are_a_problem() {
    // Windows of an hour at full hours of UTC never end at a full hour of India.
    let hourly = "[[window]]\nname = \"h\"\nsize = \"1h\"\nXX\n[[layer]]\nname = \"m\"\non = \"h\"\n\
                  [[forecast]]\nlayer = \"m\"\nevery = \"1h\"\nhorizons = [\"1h\"]\n";
    let sql = "SELECT 'venue' AS subject_kind, venue_id AS subject, 'persons' AS unit, \
               'm@1' AS method, persons AS value FROM h";
    let files = [
        ("layers/m.sql".to_owned(), sql.to_owned()),
        (
            "windows/h.sql".to_owned(),
            "SELECT venue_id, sum(count) AS persons FROM observation GROUP BY venue_id".to_owned(),
        ),
    ];
    let main = |offset: &str| format!("zone = \"Asia/Kolkata\"\n{}", hourly.replace("XX", offset));
    let problems = load(&main(""), &files).unwrap_err();
    assert_eq!(problems.len(), 1, "{problems:#?}");
    assert_eq!(problems[0].key, "forecast[0].every");
    load(&main("offset = \"30m\""), &files).unwrap();
}

/// Rules on what reads forecasts, through other layers too, may only watch.
#[test]
fn forecasts_only_watch() {
    let sql = |from: &str| {
        format!(
            "SELECT 'venue' AS subject_kind, subject, value, 'persons' AS unit, 'm@1' AS method \
             FROM {from}"
        )
    };
    let check = |layer: &str, severity: &str, expected: usize| {
        let rules = format!(
            "[[rule]]\nname = \"r\"\nlayer = \"{layer}\"\nfire_above = 2.0\nclear_below = 1.0\n\
             severity = \"{severity}\"\nowner = \"duty\"\ntitle = {{ zh-CN = \"x\", en = \"x\" }}\n\
             do = {{ zh-CN = \"x\", en = \"x\" }}\n"
        );
        let main = "[[layer]]\nname = \"l\"\non = \"w\"\n[[layer]]\nname = \"soon\"\non = \"w\"\n\
                    [[layer]]\nname = \"share\"\non = \"w\"\n\
                    [[forecast]]\nlayer = \"l\"\nevery = \"15m\"\nhorizons = [\"15m\"]\n";
        let present = "SELECT 'venue' AS subject_kind, venue_id AS subject, 'persons' AS unit, \
                       'm@1' AS method, occupancy AS value FROM w -- forecast";
        let files = [
            ("layers/l.sql".to_owned(), present.to_owned()),
            ("layers/soon.sql".to_owned(), sql("forecast")),
            ("layers/share.sql".to_owned(), sql("soon")),
            ("rules.toml".to_owned(), rules),
        ];
        let problems = load(main, &files).err().unwrap_or_default();
        assert_eq!(
            problems.len(),
            expected,
            "{layer} {severity}: {problems:#?}"
        );
        for problem in problems {
            assert_eq!((&*problem.file, &*problem.key), ("rules.toml", "severity"));
            assert!(problem.message.contains(severity), "{problem}");
        }
    };
    for layer in ["soon", "share"] {
        check(layer, "watch", 0);
        for severity in ["info", "warning", "critical"] {
            check(layer, severity, 1);
        }
    }
    check("l", "critical", 0);
}

/// The slots of profiles that end from one time to another, in quarters of an hour.
#[track_caller]
fn check_slots(zone: &str, (from, to): (&str, &str), every: Span, expected: &[usize]) {
    let zone: TimeZone = TimeZoneDatabase::bundled().get(zone).unwrap();
    let slots = u16::try_from(Span::hours(24).as_micros() / every.as_micros()).unwrap();
    let holiday = "2026-05-01".parse().unwrap();
    let calendar = Calendar::of_four(slots).unwrap();
    let clock = SlotClock::new(&zone, every, calendar, [holiday].into_iter());
    let ends = std::iter::successors(Some(time(from)), |end| Some(end.plus(Span::minutes(5))));
    let ends = ends.take_while(|end| *end <= time(to));
    let found: Vec<usize> = ends
        .filter_map(|end| clock.ends(end))
        .map(tidegate_risk::forecast::Slot::of_profile)
        .collect();
    assert_eq!(found, expected, "{zone:?} {from}");
}

#[test]
fn a_slot_is_of_the_local_clock() {
    const SUNDAY: usize = 3 * 96;
    let sunday = |slots: &[usize]| slots.iter().map(|slot| SUNDAY + slot).collect::<Vec<_>>();
    // Up to midnight is the old day: Thursday, then Friday.
    check_slots(
        "Asia/Shanghai",
        ("2026-03-05T15:45:00Z", "2026-03-05T16:15:00Z"),
        QUARTER,
        &[94, 95, 96],
    );
    // Friday the first of May is a holiday, and as a Sunday.
    check_slots(
        "Asia/Shanghai",
        ("2026-04-30T16:15:00Z", "2026-04-30T16:30:00Z"),
        QUARTER,
        &sunday(&[0, 1]),
    );
    // Clocks go from 2 to 3: the slots of the hour are left out.
    check_slots(
        "Europe/Berlin",
        ("2026-03-29T00:45:00Z", "2026-03-29T01:30:00Z"),
        QUARTER,
        &sunday(&[6, 7, 12, 13]),
    );
    // Clocks go from 3 to 2: they come twice.
    check_slots(
        "Europe/Berlin",
        ("2026-10-25T00:15:00Z", "2026-10-25T02:15:00Z"),
        QUARTER,
        &sunday(&[8, 9, 10, 11, 8, 9, 10, 11, 12]),
    );
    check_slots(
        "Asia/Kathmandu",
        ("2026-03-05T18:15:00Z", "2026-03-05T18:30:00Z"),
        QUARTER,
        &[95, 96],
    );
    // Half an hour is left out: the hour after it is short, and there once.
    check_slots(
        "Australia/Lord_Howe",
        ("2026-10-03T14:30:00Z", "2026-10-03T17:00:00Z"),
        Span::hours(1),
        &[72, 73, 74, 75],
    );
}

#[test]
fn a_day_of_23_or_25_hours_has_its_slots() {
    let berlin: TimeZone = TimeZoneDatabase::bundled().get("Europe/Berlin").unwrap();
    let clock = SlotClock::new(
        &berlin,
        QUARTER,
        Calendar::of_four(96).unwrap(),
        std::iter::empty(),
    );
    for (midnight, hours) in [
        ("2026-03-28T23:00:00Z", 23),
        ("2026-10-24T22:00:00Z", 25),
        ("2026-06-06T22:00:00Z", 24),
    ] {
        let slots = (1..=hours * 12)
            .map(|n| time(midnight).plus(Span::minutes(5 * n)))
            .filter(|end| clock.ends(*end).is_some());
        assert_eq!(
            slots.count(),
            usize::try_from(hours * 4).unwrap(),
            "{midnight}"
        );
    }
}

#[test]
fn what_is_no_value_teaches_nothing() {
    let check = |value: Option<f64>, status: Option<&str>, expected: Point| {
        let batch = rows(&[("a", value, status)]);
        assert_eq!(readings(&batch)[0].point, expected, "{value:?} {status:?}");
    };
    check(Some(3.5), None, Point::from_value(3.5));
    check(Some(0.0), None, Point::from_value(0.0));
    check(None, None, Point::Missing);
    check(None, Some("stale"), Point::Faulty);
    check(Some(3.0), Some("stale"), Point::Faulty);
    check(Some(3.0), Some("withheld"), Point::Suppressed);
    check(None, Some("withheld"), Point::Suppressed);
    check(Some(-1.0), None, Point::Faulty);
    check(Some(1e10), None, Point::Faulty);
    let twice = values(&[("a", 1.0), ("a", 2.0), ("b", 3.0)]);
    let points: Vec<Point> = readings(&twice)
        .iter()
        .map(|reading| reading.point)
        .collect();
    assert_eq!(points, [Point::Faulty, Point::from_value(3.0)]);
}

#[test]
fn forecasts_of_each_subject_and_horizon() {
    let mut track = last_value();
    let start = time("2026-03-02T00:00:00Z");
    assert!(
        track
            .observe(start.plus(Span::minutes(5)), &values(&[("a", 1.0)]))
            .is_none()
    );
    let first = forecast(&mut track, start.plus(QUARTER), &values(&[("b", 7.0)]));
    assert_eq!(first, ["b 15 7.0 -", "b 60 7.0 -"]);
    // One that is new, and one that is absent.
    let next = forecast(&mut track, start.plus(quarters(2)), &values(&[("a", 2.0)]));
    assert_eq!(
        next,
        ["a 15 2.0 -", "a 60 2.0 -", "b 15 7.0 -", "b 60 7.0 -"]
    );
    // The same window again, and one before it, are not observed twice.
    assert!(
        track
            .observe(start.plus(quarters(2)), &values(&[("a", 9.0)]))
            .is_none()
    );
    assert!(
        track
            .observe(start.plus(QUARTER), &values(&[("a", 9.0)]))
            .is_none()
    );
    let never = forecast(
        &mut track,
        start.plus(quarters(3)),
        &rows(&[("a", None, Some("stale")), ("c", None, None)]),
    );
    assert_eq!(never[0], "a 15 2.0 -");
    assert_eq!(never[4..], ["c 15 - no_history", "c 60 - no_history"]);
    let later = start.plus(quarters(3)).plus(Span::hours(23));
    let gap = forecast(&mut track, later, &values(&[]));
    assert_eq!(gap[..2], ["a 15 2.0 -", "a 60 - gap"]);
}

#[test]
fn a_row_says_what_it_is_of() {
    let mut track = last_value();
    let end = time("2026-03-02T00:15:00Z");
    let seen = track.observe(end, &values(&[("a", 4.0)])).unwrap();
    let columns: Vec<&str> = FORECAST_SCHEMA
        .fields()
        .iter()
        .map(|f| f.name().as_str())
        .collect();
    assert_eq!(
        cells(&seen.forecast.unwrap(), &columns)[1],
        "l venue a 2026-03-02T00:15:00Z 60 2026-03-02T01:15:00Z 4.0 - - - - persons last_value \
         forecast/last-value@1 -"
    );
}

/// A gap is as if its slots had come without a value, and of a long one only the last days count.
#[test]
fn a_gap_is_stepped_over_and_bounded() {
    let start = time("2026-03-02T00:00:00Z");
    for model in Model::ALL {
        let keys = format!(
            "every = \"15m\"\nhorizons = [\"15m\", \"1h\"]\nmodel = \"{}\"",
            model.as_str()
        );
        let fresh = || {
            let mut track = track("Europe/Berlin", &keys);
            for slot in 1..200 {
                let value = f64::from(u8::try_from(slot % 96).unwrap());
                track.observe(start.plus(quarters(slot)), &values(&[("a", value)]));
            }
            track
        };
        let (mut stepped, mut jumped) = (fresh(), fresh());
        for slot in 200..400 {
            stepped.observe(start.plus(quarters(slot)), &values(&[]));
        }
        for track in [&mut stepped, &mut jumped] {
            track.observe(start.plus(quarters(400)), &values(&[("a", 9.0)]));
        }
        assert_eq!(stepped.state(), jumped.state(), "{model:?}");
        let (mut week, mut year) = (fresh(), fresh());
        // Both go on at the same local time on a Monday.
        week.observe(start.plus(Span::hours(24 * 14)), &values(&[("a", 9.0)]));
        year.observe(start.plus(Span::hours(24 * 364)), &values(&[("a", 9.0)]));
        assert_eq!(week.state().series, year.state().series, "{model:?}");
    }
}

#[test]
fn beyond_the_bound_a_subject_is_told() {
    let mut track = last_value().with_series_max(2);
    let start = time("2026-03-02T00:00:00Z");
    let seen = track.observe(start, &values(&[("b", 1.0)])).unwrap();
    assert_eq!(seen.refused, 0);
    let given = values(&[("a", 1.0), ("b", 2.0), ("c", 3.0), ("d", 4.0)]);
    for slot in 1..3 {
        let seen = track.observe(start.plus(quarters(slot)), &given).unwrap();
        assert_eq!(seen.refused, 2);
        assert_eq!(
            cells(&seen.forecast.unwrap(), &SHORT),
            [
                "a 15 1.0 -",
                "a 60 1.0 -",
                "b 15 2.0 -",
                "b 60 2.0 -",
                "c - - too_many_series",
                "d - - too_many_series",
            ]
        );
    }
    let state = track.state();
    let mut small = last_value().with_series_max(1);
    assert!(small.restore(state).is_err());
}

/// What is really stored of a venue after a year, every quarter of an hour.
#[test]
fn a_year_of_a_venue_fits_its_bound() {
    let start = time("2026-01-01T00:00:00Z");
    let holidays = Reference {
        holidays: [("2026-02-17".parse().unwrap(), "春节".to_owned())].into(),
        ..Reference::default()
    };
    for model in Model::ALL {
        let keys = format!(
            "every = \"15m\"\nhorizons = [\"15m\", \"30m\", \"1h\", \"3h\"]\nmodel = \"{}\"",
            model.as_str()
        );
        let spec = track("Asia/Shanghai", &keys).spec().clone();
        let zone: TimeZone = TimeZoneDatabase::bundled().get("Asia/Shanghai").unwrap();
        let mut track = Track::new(spec, "l".to_owned(), &zone, &holidays);
        for slot in 0..365 * 96_u32 {
            let hour = f64::from(slot % 96) / 4.0;
            let noise = f64::from(slot.wrapping_mul(2_654_435_761) >> 22);
            let value = (hour * (24.0 - hour) * 60.0 + noise).round();
            let end = start.plus(quarters(i64::from(slot)));
            track.observe(end, &values(&[("venue-of-a-long-name-0001", value)]));
        }
        let series = track.state().series.remove(0);
        let bytes = postcard::to_stdvec(&series).unwrap().len();
        println!("{}: {bytes} bytes", model.as_str());
        assert!(bytes <= STATE_BYTES_MAX, "{model:?}: {bytes} bytes");
    }
}

#[test]
fn a_state_that_does_not_fit_is_refused() {
    let mut seen = last_value();
    let end = time("2026-03-02T00:15:00Z");
    seen.observe(end, &values(&[("a", 4.0), ("b", 4.0)]));
    let state = seen.state();
    let check = |change: fn(&mut TrackState)| {
        let mut state = state.clone();
        change(&mut state);
        assert!(last_value().restore(state).is_err());
    };
    assert_eq!(last_value().restore(state.clone()), Ok(()));
    check(|state| state.layer = "m".to_owned());
    check(|state| state.series.reverse());
    check(|state| state.series[1] = state.series[0].clone());
    check(|state| state.series[0].forecast = None);
    let profile = track("UTC", "every = \"15m\"\nhorizons = [\"15m\", \"1h\"]");
    let other = Foresights {
        tracks: vec![profile],
    };
    let mut other = other;
    assert!(other.restore(vec![state]).is_err());
    assert!(other.restore(Vec::new()).is_err());
}

/// A window of the property below: how many slots after the one before, and the rows.
fn window() -> impl Strategy<Value = (i64, Vec<(u8, Option<u16>, bool)>)> {
    let row = (
        0..5_u8,
        prop::option::weighted(0.8, 0..500_u16),
        prop::bool::weighted(0.1),
    );
    (
        prop_oneof![3 => Just(1_i64), 1 => 2..300_i64, 3 => Just(95_i64)],
        prop::collection::vec(row, 0..5),
    )
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    /// T7: restored at any point, series go on as if nothing had happened.
    #[test]
    fn restored_series_go_on(
        windows in prop::collection::vec(window(), 1..60),
        model in 0..Model::ALL.len(),
        is_residual in any::<bool>(),
        stop in 0..60_usize,
    ) {
        let baseline = if is_residual { "residual" } else { "same_slot" };
        let keys = format!(
            "every = \"15m\"\nhorizons = [\"15m\", \"45m\"]\nmodel = \"{}\"\n\
             [[aberration]]\nlayer = \"l\"\nevery = \"15m\"\nbaseline_length = 2\nk = 1\n\
             q = 0.9\nbaseline = \"{baseline}\"",
            Model::ALL[model].as_str()
        );
        let fresh = || track("Europe/Berlin", &keys).with_series_max(3);
        let (mut through, mut broken) = (fresh(), fresh());
        let mut end = time("2026-03-28T00:00:00Z");
        for (number, (ahead, given)) in windows.iter().enumerate() {
            end = end.plus(quarters(*ahead));
            let mut given: Vec<(String, Option<f64>, bool)> = given
                .iter()
                .map(|(subject, value, stale)| (format!("v{subject}"), value.map(f64::from), *stale))
                .collect();
            given.sort_by(|a, b| a.0.cmp(&b.0));
            let given: Vec<Row<'_>> = given
                .iter()
                .map(|(subject, value, stale)| (&**subject, *value, stale.then_some("stale")))
                .collect();
            let batch = rows(&given);
            if number == stop % windows.len() {
                let bytes = postcard::to_stdvec(&broken.state()).unwrap();
                broken = fresh();
                prop_assert_eq!(broken.restore(postcard::from_bytes(&bytes).unwrap()), Ok(()));
            }
            let (one, other) = (through.observe(end, &batch), broken.observe(end, &batch));
            let (one, other) = (one.unwrap(), other.unwrap());
            prop_assert_eq!(one.forecast, other.forecast);
            prop_assert_eq!(one.aberration, other.aberration);
            prop_assert_eq!(one.refused, other.refused);
        }
        prop_assert_eq!(through.state(), broken.state());
    }
}
