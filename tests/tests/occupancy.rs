//! Tries to make the persons inside venues wrong where gains, entries and pictures make them: by
//! counts that come late, by a crash in between, and by corrections that nobody is told of.

use std::collections::BTreeMap;
use std::fmt::Write;
use std::sync::Arc;

use arrow::array::{Array, AsArray, RecordBatch};
use arrow::datatypes::{Float64Type, TimestampMicrosecondType};
use tidegate_model::{EventTime, FeedId, Payload, Position, Span};
use tidegate_pipeline::{Event, Pipeline, Snapshot, SnapshotName, Source, Task};

use crate::support::block_on;

const MAIN: &str = r#"
name = "occupancy"
zone = "Asia/Shanghai"
allowed_lateness = "3h"
[reference]
sites = "sites.geojson"
venues = "venues.geojson"
[occupancy]
window = "flow"
arrivals = "arrivals"
departures = "departures"
empty_at = "04:00"
[occupancy.gain]
prior = 100
[occupancy.entries]
office = { model = "exponential", mean_min = 60.0, mean_low_min = 50.0, mean_high_min = 70.0, max_min = 600.0 }
[occupancy.snapshots]
window = "picture"
[[window]]
name = "flow"
size = "1h"
[[window]]
name = "picture"
size = "2h"
[[layer]]
name = "inside"
on = "flow"
[[layer]]
name = "corrected"
on = "flow"
"#;

const FEED: &str = "format = \"json\"\nunknown_site = \"reject\"\nout_of_orderness = \"1m\"\n\
                    interval_max = \"1h\"\nsilent_after = \"4h\"\n";

fn sites() -> String {
    let site = |id: &str, venue: &str| {
        format!(
            r#"{{"type":"Feature","geometry":null,"properties":{{"id":"{id}","kind":"gate","name":"{id}","venue_id":"{venue}"}}}}"#
        )
    };
    let sites = [
        ("east", "market"),
        ("door", "hall"),
        ("lane", "square"),
        ("eye", "square"),
    ];
    collection(sites.map(|(id, venue)| site(id, venue)))
}

fn venues() -> String {
    let venue = |id: &str, kind: &str| {
        format!(
            r#"{{"type":"Feature","geometry":{{"type":"Polygon","coordinates":[[[114.3,30.6],[114.301,30.6],[114.301,30.601],[114.3,30.601],[114.3,30.6]]]}},"properties":{{"id":"{id}","kind":"{kind}","name_zh":"{id}","name_en":"{id}","usable_area_m2":100.0,"capacity":100,"capacity_basis":"assumed","closes_at":"21:00"}}}}"#
        )
    };
    let venues = [
        ("market", "market"),
        ("hall", "office"),
        ("square", "market"),
    ];
    collection(venues.map(|(id, kind)| venue(id, kind)))
}

fn collection<const N: usize>(features: [String; N]) -> String {
    let features = features.join(",");
    format!(r#"{{"type":"FeatureCollection","features":[{features}]}}"#)
}

async fn pipeline() -> Arc<Pipeline> {
    let files = [
        ("pipeline.toml", MAIN.to_owned()),
        ("feeds/gates.toml", FEED.to_owned()),
        ("sites.geojson", sites()),
        ("venues.geojson", venues()),
        (
            "windows/flow.sql",
            "SELECT venue_id, sum(count) FILTER (WHERE measure = 'in') AS arrivals, \
             sum(count) FILTER (WHERE measure = 'out') AS departures \
             FROM observation WHERE measure <> 'present' GROUP BY venue_id"
                .to_owned(),
        ),
        (
            "windows/picture.sql",
            "SELECT venue_id, max(count) AS persons, max(count) - 10 AS lo, max(count) + 10 AS hi \
             FROM observation WHERE measure = 'present' GROUP BY venue_id"
                .to_owned(),
        ),
        (
            "layers/inside.sql",
            "SELECT 'venue' AS subject_kind, venue_id AS subject, persons AS value, lo, hi, \
             'persons' AS unit, method FROM occupancy"
                .to_owned(),
        ),
        (
            "layers/corrected.sql",
            "SELECT 'venue' AS subject_kind, venue_id AS subject, \
             sum(persons_after - persons_before) AS value, 'persons' AS unit, \
             'test/corrected@1' AS method FROM occupancy_correction GROUP BY venue_id"
                .to_owned(),
        ),
    ];
    let files = files.map(|(path, text)| (path.to_owned(), text));
    let loaded = Pipeline::load(&Source::new(files)).await;
    Arc::new(loaded.unwrap_or_else(|problems| panic!("{problems:#?}")))
}

/// A Monday, midnight in Shanghai, and so many hours.
fn at(hours: i64) -> EventTime {
    let start = tidegate_model::parse_rfc3339("2026-03-01T16:00:00Z").unwrap();
    start.plus(Span::hours(hours))
}

fn count(site: &str, hour: i64, measure: &str, count: i64) -> String {
    let (start, end) = (at(hour), at(hour + 1));
    format!(
        r#"{{"site":"{site}","start":"{start}","end":"{end}","measure":"{measure}","count":{count}}}"#
    )
}

/// Sixty hours: the market misses who leaves, the hall counts who comes, the square is looked at
/// every six hours.
fn messages() -> Vec<String> {
    let mut messages = Vec::new();
    for hour in 0..60 {
        messages.push(count("east", hour, "in", 100));
        messages.push(count("east", hour, "out", 95));
        messages.push(count("door", hour, "in", 50));
        messages.push(count("lane", hour, "in", 10));
        if hour % 6 == 1 {
            messages.push(count("eye", hour, "present", 40));
        }
    }
    messages
}

/// What a run gave out: all of it as text, rows of layers by layer, subject and end, and the
/// corrections.
#[derive(Debug, Default)]
struct Given {
    all: String,
    layers: BTreeMap<(String, String, i64), (Option<f64>, String)>,
    /// Venue, kind, and persons before and after.
    corrections: Vec<(String, String, f64, f64)>,
}

impl Given {
    fn take(&mut self, event: Event) {
        writeln!(self.all, "{event:?}").unwrap();
        match event {
            Event::Layer { layer, rows, .. } => {
                for row in 0..rows.num_rows() {
                    let end =
                        column(&rows, "window_end").as_primitive::<TimestampMicrosecondType>();
                    let value = column(&rows, "value").as_primitive::<Float64Type>();
                    let value = value.is_valid(row).then(|| value.value(row));
                    let key = (layer.clone(), text(&rows, "subject", row), end.value(row));
                    self.layers.insert(key, (value, text(&rows, "method", row)));
                }
            }
            Event::OccupancyCorrection(rows) => {
                for row in 0..rows.num_rows() {
                    let number =
                        |name: &str| column(&rows, name).as_primitive::<Float64Type>().value(row);
                    self.corrections.push((
                        text(&rows, "venue_id", row),
                        text(&rows, "kind", row),
                        number("persons_before"),
                        number("persons_after"),
                    ));
                }
            }
            _ => {}
        }
    }

    #[track_caller]
    fn check(&self, layer: &str, subject: &str, hour: i64, expected: (f64, &str)) {
        let key = (layer.to_owned(), subject.to_owned(), at(hour).micros());
        let (value, method) = &self.layers[&key];
        let value = value.unwrap();
        assert!(
            (value - expected.0).abs() < 1e-6,
            "{value} is not {}",
            expected.0
        );
        assert_eq!(method, expected.1);
    }
}

fn column<'a>(rows: &'a RecordBatch, name: &str) -> &'a dyn Array {
    rows.column_by_name(name).unwrap().as_ref()
}

fn text(rows: &RecordBatch, name: &str, row: usize) -> String {
    column(rows, name).as_string::<i32>().value(row).to_owned()
}

/// Reads messages into a task, from this offset on.
async fn read(task: &mut Task, messages: &[String], from: usize, given: &mut Given) {
    let feed = FeedId::new("gates");
    for (message, offset) in messages.iter().zip(i64::try_from(from).unwrap()..) {
        let payload = Payload {
            position: Position {
                partition: 0,
                offset,
                row: 0,
            },
            bytes: Some(message.as_bytes()),
            arrived: None,
        };
        task.read(&feed, 0, &[payload], offset + 1).await.unwrap();
        while let Some(event) = task.poll_event() {
            given.take(event);
        }
    }
}

async fn fresh() -> Task {
    let mut task = Task::new(pipeline().await, 0).await.unwrap();
    task.assign(&FeedId::new("gates"), 0, 0).unwrap();
    task
}

fn run(messages: &[String]) -> Given {
    let mut given = Given::default();
    block_on(async { read(&mut fresh().await, messages, 0, &mut given).await });
    given
}

#[test]
fn gains_entries_and_pictures_are_in_layers_and_in_the_journal() {
    let given = run(&messages());
    let (counts, gain) = ("occupancy/conservation@1", "occupancy/gain@1");
    // Monday from 04:00 on: five an hour stay that have left.
    given.check("inside", "market", 5, (5.0, counts));
    given.check("inside", "market", 28, (120.0, counts));
    // Tuesday: 2400 in and 2280 out with 100 beside each make 1.050420, so 99 of 95 left.
    given.check("inside", "market", 29, (1.0, gain));
    // In 24 hours 2394.96 by the gain, of whom 2394 are whole.
    given.check("inside", "market", 52, (6.0, gain));
    let first = ("market".to_owned(), "gain".to_owned(), 5.0, 1.0);
    assert!(
        given.corrections.contains(&first),
        "{:?}",
        given.corrections
    );
    let reset = ("market".to_owned(), "known_empty".to_owned(), 120.0, 0.0);
    assert!(given.corrections.contains(&reset));
    // The reset and the gain of one window.
    given.check("corrected", "market", 29, (-124.0, "test/corrected@1"));
    // With a mean stay of an hour, 1 - 1/e of an hour's entries are still inside; at 21:00 all go.
    let share = 1.0 - f64::exp(-1.0);
    given.check("inside", "hall", 1, (50.0 * share, "occupancy/dwell@1"));
    given.check("inside", "hall", 22, (50.0 * share, "occupancy/dwell@1"));
    // The square: by its counts until the first picture.
    given.check("inside", "square", 1, (10.0, counts));
    let pictures = given
        .corrections
        .iter()
        .filter(|row| row.1 == "observed_camera");
    let pictures: Vec<_> = pictures.collect();
    assert_eq!(pictures.len(), 10, "{pictures:?}");
    assert!(pictures.iter().all(|row| row.0 == "square"));
    let key = ("inside".to_owned(), "square".to_owned(), at(2).micros());
    let (value, method) = &given.layers[&key];
    assert_eq!(method, "occupancy/blend@1");
    assert!(
        value.is_some_and(|persons| 20.0 < persons && persons < 40.0),
        "{value:?}"
    );
}

/// A count and a picture that come within the allowed lateness leave what they would have left in
/// time, gains of later days too, and are told of.
#[test]
fn late_is_as_good_as_in_time() {
    let in_time = messages();
    let moved = [
        count("east", 26, "out", 95),
        count("eye", 25, "present", 40),
    ];
    let mut late = in_time.clone();
    for message in &moved {
        let from = late.iter().position(|other| other == message).unwrap();
        late.remove(from);
    }
    let after = late
        .iter()
        .position(|m| *m == count("east", 30, "in", 100))
        .unwrap();
    late.splice(after..after, moved);
    let (in_time, late) = (run(&in_time), run(&late));
    let revised = late
        .corrections
        .iter()
        .filter(|row| row.1 == "late_revision");
    let venues: Vec<&str> = revised.map(|row| row.0.as_str()).collect();
    assert_eq!(venues, ["square", "market"]);
    let end = at(33).micros();
    let settled = |given: &Given| -> Vec<_> {
        let rows = given.layers.iter();
        let rows = rows.filter(|((layer, _, at), _)| layer == "inside" && *at >= end);
        rows.map(|(key, row)| (key.clone(), row.clone())).collect()
    };
    assert!(settled(&in_time).len() > 50);
    assert_eq!(settled(&late), settled(&in_time));
}

/// T7: a task that is restored at any point goes on as if nothing had happened.
#[test]
fn a_restored_task_goes_on() {
    let messages = messages();
    let whole = run(&messages);
    for cut in (20..messages.len()).step_by(31) {
        let mut given = Given::default();
        block_on(async {
            let mut task = fresh().await;
            read(&mut task, &messages[..cut], 0, &mut given).await;
            task.end_epoch();
            let snapshot = task.snapshot().await.unwrap();
            let snapshot = Snapshot::decode(&snapshot.encode()).unwrap();
            let name = SnapshotName {
                epoch: 1,
                name: "1".to_owned(),
                bytes: 0,
                sha256: String::new(),
            };
            let restored = Task::restore(pipeline().await, 0, &snapshot, name).await;
            read(&mut restored.unwrap(), &messages[cut..], cut, &mut given).await;
        });
        assert_eq!(given.all, whole.all, "restored before message {cut}");
    }
}
