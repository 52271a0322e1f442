//! Tries to have a forecast told twice or not at all: by a crash in between, by a revision, by a
//! layer that reads before its time; and to have more than is known said of a venue.

use std::collections::BTreeMap;
use std::sync::Arc;

use arrow::array::{Array, RecordBatch};
use arrow::util::display::array_value_to_string;
use tidegate_model::{EventTime, FeedId, Payload, Position, Span};
use tidegate_pipeline::{Event, Pipeline, Snapshot, SnapshotName, Source, Task};

use crate::support::block_on;

/// A layer with its forecast, and two that read it: before it and after it.
async fn pipeline() -> Arc<Pipeline> {
    let read = "SELECT subject_kind, subject, value, lo80 AS lo, hi80 AS hi, unit, method \
                FROM forecast WHERE horizon_minutes = 15";
    let files = [
        (
            "pipeline.toml",
            "name = \"foresight\"\nzone = \"Asia/Shanghai\"\nallowed_lateness = \"30m\"\n\
             [[window]]\nname = \"w\"\nsize = \"5m\"\n\
             [[layer]]\nname = \"before\"\non = \"w\"\n\
             [[layer]]\nname = \"present\"\non = \"w\"\n\
             [[layer]]\nname = \"after\"\non = \"w\"\n\
             [[layer]]\nname = \"odd\"\non = \"w\"\n\
             [[forecast]]\nlayer = \"present\"\nevery = \"15m\"\nhorizons = [\"15m\", \"1h\"]\n\
             model = \"last_value\"\n\
             [[aberration]]\nlayer = \"present\"\nevery = \"15m\"\nbaseline = \"residual\"\n",
        ),
        (
            "feeds/gates.toml",
            "format = \"json\"\nunknown_site = \"accept\"\nout_of_orderness = \"0s\"\n\
             interval_max = \"1s\"\nsilent_after = \"9000h\"\n",
        ),
        (
            "windows/w.sql",
            "SELECT site_id, sum(count) AS persons FROM observation GROUP BY site_id",
        ),
        (
            "layers/present.sql",
            "SELECT 'site' AS subject_kind, site_id AS subject, CAST(persons AS DOUBLE) AS value, \
             'persons' AS unit, 'test/sum@1' AS method FROM w",
        ),
        ("layers/before.sql", read),
        ("layers/after.sql", read),
        (
            "layers/odd.sql",
            "SELECT subject_kind, subject, z AS value, unit, method, \
             CASE WHEN flag THEN 'alarm' END AS level FROM aberration",
        ),
    ];
    let files = files.map(|(path, text)| (path.to_owned(), text.to_owned()));
    let loaded = Pipeline::load(&Source::new(files)).await;
    Arc::new(loaded.unwrap_or_else(|problems| panic!("{problems:#?}")))
}

fn at(minute: i64) -> EventTime {
    let start = tidegate_model::parse_rfc3339("2026-03-02T00:00:00Z").unwrap();
    start.plus(Span::minutes(minute))
}

fn count(site: &str, minute: i64, count: i64) -> Vec<u8> {
    let start = at(minute);
    format!(r#"{{"site":"{site}","start":"{start}","measure":"in","count":{count}}}"#).into_bytes()
}

/// The rows of a batch as texts by column; a null is not there.
fn rows(batch: &RecordBatch) -> Vec<BTreeMap<String, String>> {
    let schema = batch.schema();
    let row = |row: usize| {
        let cells = schema.fields().iter().zip(batch.columns());
        let cells = cells.filter(|(_, column)| column.is_valid(row));
        let text = |column| array_value_to_string(column, row).unwrap();
        cells
            .map(|(field, column)| (field.name().clone(), text(column)))
            .collect()
    };
    (0..batch.num_rows()).map(row).collect()
}

/// What a task gave: `layer subject window_end revision value`, the same of forecasts with their
/// horizon, and of aberrations.
fn told(task: &mut Task) -> Vec<String> {
    let mut told = Vec::new();
    while let Some(event) = task.poll_event() {
        let (what, columns, batch) = match &event {
            Event::Layer { rows, .. } => {
                let columns = ["layer", "subject", "window_end", "revision", "value"];
                ("layer", columns, rows)
            }
            Event::Forecast { rows, .. } => {
                let columns = ["layer", "subject", "made_at", "horizon_minutes", "value"];
                ("forecast", columns, rows)
            }
            Event::Aberration { rows, .. } => {
                let columns = ["layer", "subject", "window_end", "value", "reason"];
                ("aberration", columns, rows)
            }
            _ => continue,
        };
        for row in rows(batch) {
            let cells = columns.map(|name| row.get(name).map_or("-", String::as_str));
            told.push(format!("{what} {}", cells.join(" ")));
        }
    }
    told
}

/// Reads messages from offset `from` on.
async fn read(task: &mut Task, messages: &[Vec<u8>], from: i64) -> Vec<String> {
    let numbered = messages.iter().zip(from..);
    let payloads: Vec<Payload<'_>> = numbered
        .map(|(bytes, offset)| Payload {
            position: Position {
                partition: 0,
                offset,
                row: 0,
            },
            bytes: Some(bytes),
            arrived: None,
        })
        .collect();
    let to = from + i64::try_from(messages.len()).unwrap();
    let feed = FeedId::new("gates");
    task.read(&feed, 0, &payloads, to).await.unwrap();
    told(task)
}

async fn fresh() -> Task {
    let mut task = Task::new(pipeline().await, 0).await.unwrap();
    task.assign(&FeedId::new("gates"), 0, 0).unwrap();
    task
}

#[test]
fn layers_read_the_forecasts_of_earlier_layers() {
    block_on(async {
        let mut task = fresh().await;
        let first = read(&mut task, &[count("a", 14, 7), count("a", 21, 9)], 0).await;
        let expected = [
            "layer present a 2026-03-02T00:15:00Z 0 7.0",
            "forecast present a 2026-03-02T00:15:00Z 15 7.0",
            "forecast present a 2026-03-02T00:15:00Z 60 7.0",
            "aberration present a 2026-03-02T00:15:00Z 7.0 too_little_history",
            "layer after a 2026-03-02T00:15:00Z 0 7.0",
            "layer odd a 2026-03-02T00:15:00Z 0 -",
            // Until the next slot the last forecast stands, before its layer too.
            "layer before a 2026-03-02T00:20:00Z 0 7.0",
            "layer after a 2026-03-02T00:20:00Z 0 7.0",
            "layer odd a 2026-03-02T00:20:00Z 0 -",
        ];
        assert_eq!(first, expected);
        // A late count is in a revision of the layer, and changes no forecast.
        let late = read(&mut task, &[count("a", 14, 100)], 2).await;
        assert_eq!(late, Vec::<String>::new());
        let later = read(&mut task, &[count("a", 70, 1)], 3).await;
        let of = |what: &str| -> Vec<&String> {
            later.iter().filter(|line| line.starts_with(what)).collect()
        };
        assert_eq!(
            of("layer present a 2026-03-02T00:15:00Z"),
            ["layer present a 2026-03-02T00:15:00Z 1 107.0"]
        );
        assert!(of("layer after a 2026-03-02T00:15:00Z").is_empty());
        assert!(of("forecast present a 2026-03-02T00:15:00Z").is_empty());
        // Nothing came in the window to 00:30, nor in that to 00:45.
        assert_eq!(
            of("forecast present a 2026-03-02T00:30:00Z"),
            [
                "forecast present a 2026-03-02T00:30:00Z 15 7.0",
                "forecast present a 2026-03-02T00:30:00Z 60 7.0",
            ]
        );
        assert_eq!(
            of("aberration present a 2026-03-02T00:45:00Z"),
            ["aberration present a 2026-03-02T00:45:00Z - missing"]
        );
    });
}

/// T7: after a crash between any two messages all goes on as if nothing had happened.
#[test]
fn a_restored_task_forecasts_the_same() {
    let messages: Vec<Vec<u8>> = (0..150)
        .map(|n: i64| {
            let site = if n % 3 == 0 { "b" } else { "a" };
            // Some days without a record between.
            let day = if n > 100 { 4 * 24 * 60 } else { 0 };
            count(site, day + 7 * n, n * n % 97)
        })
        .collect();
    let whole = block_on(async {
        let mut task = fresh().await;
        read(&mut task, &messages, 0).await
    });
    assert!(
        whole
            .iter()
            .any(|line| line.starts_with("forecast present b"))
    );
    assert!(whole.iter().any(|line| line.starts_with("layer odd a")));
    for stop in [1, 7, 50, 99, 101, 149] {
        let broken = block_on(async {
            let mut task = fresh().await;
            let mut told = read(&mut task, &messages[..stop], 0).await;
            task.end_epoch();
            let snapshot = task.snapshot().await.unwrap();
            let snapshot = Snapshot::decode(&snapshot.encode()).unwrap();
            let name = SnapshotName {
                epoch: 1,
                name: "1".to_owned(),
                bytes: 0,
                sha256: String::new(),
            };
            let pipeline = Arc::clone(task.runtime().pipeline());
            let mut task = Task::restore(pipeline, 0, &snapshot, name).await.unwrap();
            told.extend(read(&mut task, &messages[stop..], i64::try_from(stop).unwrap()).await);
            told
        });
        assert_eq!(broken, whole, "stopped after {stop} messages");
    }
}
