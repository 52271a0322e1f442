//! Tries to get a number that means nothing out of the layers of `pipelines/city`: from venues
//! without an area, disease parameters out of range, origins that nobody knows, evidence that is
//! years old, a market that only ever empties, a street where nothing changes, and changed clocks.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use arrow::array::{Array, AsArray, RecordBatch};
use arrow::datatypes::Float64Type;
use tidegate_model::{EventTime, FeedId, Payload, Position, Span};
use tidegate_pipeline::{Event, Pipeline, Source, Task};

use crate::support::{block_on, root};

/// The files of the city, each text changed as asked; what is to be changed must be there.
fn city(changes: &[(&str, &str, &str)]) -> Source {
    let folder = root().join("pipelines/city");
    let mut files = Vec::new();
    for part in ["", "feeds", "windows", "layers"] {
        for entry in std::fs::read_dir(folder.join(part)).unwrap() {
            let path = entry.unwrap().path();
            if path.is_file() {
                let name = path.strip_prefix(&folder).unwrap().to_str().unwrap();
                let mut text = std::fs::read_to_string(&path).unwrap();
                for (_, from, to) in changes.iter().filter(|(file, _, _)| *file == name) {
                    assert!(text.contains(from), "{name} has no {from:?}");
                    text = text.replace(from, to);
                }
                files.push((name.to_owned(), text));
            }
        }
    }
    files.sort();
    Source::new(files)
}

/// The city is refused with these texts in one problem.
fn check_refused(file: &str, from: &str, to: &str, expected: &[&str]) {
    let problems = block_on(Pipeline::load(&city(&[(file, from, to)])));
    let problems: Vec<String> = match problems {
        Ok(_) => panic!("{file} with {to:?} is taken"),
        Err(problems) => problems.iter().map(ToString::to_string).collect(),
    };
    let fits = |problem: &String| {
        problem.contains(file) && expected.iter().all(|part| problem.contains(part))
    };
    assert!(
        problems.iter().any(fits),
        "{to:?}: {expected:?} not in {problems:#?}"
    );
}

#[test]
fn reference_data_without_a_meaning_is_refused() {
    let area = "\"usable_area_m2\":1000,";
    for (bad, value) in [
        ("\"usable_area_m2\":0,", "0"),
        ("\"usable_area_m2\":-5,", "-5"),
        ("\"usable_area_m2\":null,", "null"),
        ("", "null"),
    ] {
        let wanted = [value, "is not an area above 0"];
        check_refused("venues.geojson", area, bad, &wanted);
    }
    let capacity = "\"capacity\":500,";
    for bad in ["\"capacity\":0,", "\"capacity\":0.5,", ""] {
        let wanted = ["is not a whole number above 0"];
        check_refused("venues.geojson", capacity, bad, &wanted);
    }
    // A polygon without an extent.
    check_refused(
        "venues.geojson",
        "[[[114.3000,30.5800],[114.3006,30.5800],[114.3006,30.5804],[114.3000,30.5804],[114.3000,30.5800]]]",
        "[[[114.3,30.58],[114.3,30.58],[114.3,30.58],[114.3,30.58]]]",
        &["geometry"],
    );
    for (from, to, value) in [
        (",140,500000,0.1,", ",140,0,0.1,", "0"),
        (",140,500000,0.1,", ",-1,500000,0.1,", "-1"),
        (",140,500000,0.1,", ",140,500000,0,", "0"),
        (",500000,0.1,0.2,0.4,7,", ",500000,0.1,0.2,1.4,7,", "1.4"),
        (",500000,0.1,0.2,0.4,7,", ",500000,0.3,0.2,0.4,7,", "0.3"),
        (",500000,0.1,0.2,0.4,7,", ",500000,0.1,0.2,0.4,0,", "0"),
        ("7,2026-03-01\nR2", "7,yesterday\nR2", "yesterday"),
        ("R2,domestic", "R1,domestic", "R1"),
    ] {
        check_refused("incidence.csv", from, to, &[value]);
    }
}

/// Monday before the clocks of Berlin change, midnight there, and so many minutes.
fn at(minute: i64) -> EventTime {
    let start = tidegate_model::parse_rfc3339("2026-03-28T00:00:00+01:00").unwrap();
    start.plus(Span::minutes(minute))
}

fn count(site: &str, minute: i64, measure: &str, count: u64, more: &str) -> Vec<u8> {
    let start = at(minute);
    format!(r#"{{"site":"{site}","start":"{start}","measure":"{measure}","count":{count}{more}}}"#)
        .into_bytes()
}

/// What all feeds say over two days, ordered by time: the market only empties, the street is always
/// the same, nobody knows where the travellers come from, and then nobody comes at all.
fn nasty() -> Vec<(&'static str, Vec<u8>)> {
    let mut messages = Vec::new();
    for minute in (0..2 * 24 * 60).step_by(5) {
        let hour = minute / 60;
        messages.push(("venue", count("east-market-gate-1", minute, "out", 40, "")));
        messages.push(("venue", count("north-station-gates", minute, "in", 10, "")));
        messages.push(("venue", count("north-station-gates", minute, "out", 10, "")));
        let persons = if hour % 24 < 20 { 30 } else { 0 };
        let origin = [r#","origin":"R9""#, "", r#","origin":"R1""#]
            [usize::from(hour > 10) + usize::from(hour > 30)];
        messages.push((
            "rail",
            count("north-station-rail", minute, "in", persons, origin),
        ));
        messages.push((
            "checkpoint",
            count("ring-road-checkpoint", minute, "in", persons, origin),
        ));
    }
    messages
}

/// Rows of layers, forecasts and aberrations.
fn told(task: &mut Task, batches: &mut Vec<(&'static str, RecordBatch)>) {
    while let Some(event) = task.poll_event() {
        match event {
            Event::Layer { rows, .. } => batches.push(("layer", rows)),
            Event::Forecast { rows, .. } => batches.push(("forecast", rows)),
            Event::Aberration { rows, .. } => batches.push(("aberration", rows)),
            _ => {}
        }
    }
}

async fn play(source: &Source, messages: &[(&str, Vec<u8>)]) -> Vec<(&'static str, RecordBatch)> {
    let loaded = Pipeline::load(source).await;
    let pipeline = loaded.unwrap_or_else(|problems| panic!("{problems:#?}"));
    let mut task = Task::new(Arc::new(pipeline), 0).await.unwrap();
    let feeds: BTreeSet<&str> = messages.iter().map(|(feed, _)| *feed).collect();
    for feed in feeds {
        task.assign(&FeedId::new(feed), 0, 0).unwrap();
    }
    let (mut batches, mut offsets) = (Vec::new(), BTreeMap::<&str, i64>::new());
    for (feed, bytes) in messages {
        let offset = offsets.entry(feed).or_default();
        let position = Position {
            partition: 0,
            offset: *offset,
            row: 0,
        };
        *offset += 1;
        let payload = Payload {
            position,
            bytes: Some(bytes),
            arrived: None,
        };
        let feed = FeedId::new(feed);
        task.read(&feed, 0, &[payload], *offset).await.unwrap();
        told(&mut task, &mut batches);
    }
    batches
}

/// A number of one row; `None` for null and for a column that is not there.
fn number(rows: &RecordBatch, column: &str, row: usize) -> Option<f64> {
    let column = rows.column_by_name(column)?;
    let column = column.as_primitive_opt::<Float64Type>()?;
    column.is_valid(row).then(|| column.value(row))
}

fn text<'a>(rows: &'a RecordBatch, column: &str, row: usize) -> Option<&'a str> {
    let column = rows.column_by_name(column)?.as_string_opt::<i32>()?;
    column.is_valid(row).then(|| column.value(row))
}

/// Every number is finite, and where there is none a word says why; an interval holds its value.
fn check_rows(what: &str, rows: &RecordBatch) {
    for row in 0..rows.num_rows() {
        let place = || format!("{what} {:?}", rows.slice(row, 1));
        for column in rows.columns() {
            if let Some(numbers) = column.as_primitive_opt::<Float64Type>() {
                let finite = numbers.is_null(row) || numbers.value(row).is_finite();
                assert!(finite, "{}", place());
            }
        }
        let value = number(rows, "value", row);
        if what == "layer" {
            let reason = text(rows, "reason", row);
            assert!(
                value.is_some() || reason.is_some_and(|word| !word.is_empty()),
                "{}",
                place()
            );
        }
        let (lo, hi) = (number(rows, "lo", row), number(rows, "hi", row));
        if let (Some(lo), Some(value), Some(hi)) = (lo, value, hi) {
            assert!(lo <= value && value <= hi, "{}", place());
        }
    }
}

/// Values of a layer's subject, and the reasons where there are none.
fn series(batches: &[(&str, RecordBatch)], layer: &str, subject: &str) -> Vec<Result<f64, String>> {
    let mut series = Vec::new();
    for (_, rows) in batches.iter().filter(|(what, _)| *what == "layer") {
        for row in 0..rows.num_rows() {
            if text(rows, "layer", row) == Some(layer)
                && text(rows, "subject", row) == Some(subject)
            {
                let reason = || text(rows, "reason", row).unwrap_or_default().to_owned();
                series.push(number(rows, "value", row).ok_or_else(reason));
            }
        }
    }
    series
}

#[test]
fn whatever_comes_in_every_number_means_something() {
    let source = city(&[
        (
            "pipeline.toml",
            "zone = \"Asia/Shanghai\"",
            "zone = \"Europe/Berlin\"",
        ),
        // Evidence from long ago, and a disease that cannot spread.
        ("incidence.csv", "7,2026-03-01\nR2", "7,2020-03-01\nR2"),
        (
            "layers/city_outbreak.sql",
            "outbreak_probability(2.5, 0.1)",
            "outbreak_probability(0.9, 0.1)",
        ),
    ]);
    let batches = block_on(play(&source, &nasty()));
    for (what, rows) in &batches {
        check_rows(what, rows);
    }
    let layers: BTreeSet<_> = batches
        .iter()
        .filter(|(what, rows)| *what == "layer" && rows.num_rows() > 0)
        .filter_map(|(_, rows)| text(rows, "layer", 0))
        .collect();
    for layer in [
        "cell_persons",
        "city_inflow",
        "city_outbreak",
        "incidence_age",
        "station_inflow",
        "venue_aberration",
        "venue_density",
        "venue_forecast_60m",
        "venue_imbalance",
        "venue_minutes_to_full",
    ] {
        assert!(layers.contains(layer), "{layer} has no row: {layers:?}");
    }
    // Who only leaves leaves nobody: never below 0, and it is not said to fill.
    let market = series(&batches, "venue_occupancy", "east-market");
    assert!(market.len() > 500, "{}", market.len());
    assert!(market.iter().all(|value| *value == Ok(0.0)));
    let filling = series(&batches, "venue_minutes_to_full", "east-market");
    assert!(
        filling
            .iter()
            .all(|value| *value == Err("not_filling".to_owned()))
    );
    // Travellers from nowhere are a risk, and nobody is none.
    let inflow = series(&batches, "city_inflow", "city");
    let (unknown, known): (Vec<_>, Vec<_>) =
        (inflow[..30].iter().collect(), inflow.iter().collect());
    assert!(
        unknown
            .iter()
            .all(|value| value.as_ref().is_ok_and(|value| *value > 0.0)),
        "{unknown:?}"
    );
    assert!(known.contains(&&Ok(0.0)), "an empty night");
    // R below 1 starts nothing, for sure; that is a value.
    let outbreak = series(&batches, "city_outbreak", "city");
    assert!(!outbreak.is_empty() && outbreak.iter().all(|value| *value == Ok(0.0)));
    // Age is shown and changes nothing else.
    let age = series(&batches, "incidence_age", "R1");
    assert!(
        age.iter()
            .all(|value| value.as_ref().is_ok_and(|days| *days > 2_200.0)),
        "{age:?}"
    );
}

#[test]
fn old_evidence_changes_its_age_and_nothing_else() {
    let messages: Vec<_> = nasty()
        .into_iter()
        .filter(|(feed, _)| *feed == "rail")
        .take(120)
        .collect();
    let old = ("incidence.csv", "7,2026-03-01\nR2", "7,2020-03-01\nR2");
    let now = block_on(play(&city(&[]), &messages));
    let then = block_on(play(&city(&[old]), &messages));
    for layer in ["city_inflow", "city_inflow_sure", "city_inflow_any"] {
        let (now, then) = (series(&now, layer, "city"), series(&then, layer, "city"));
        assert!(!now.is_empty(), "{layer}");
        assert_eq!(now, then, "{layer}");
    }
    assert_ne!(
        series(&now, "incidence_age", "R1"),
        series(&then, "incidence_age", "R1")
    );
}
