//! Tries to have a layer that fails on the data of one window end the run, clear an alert, or pass
//! unseen.

use std::sync::Arc;

use tidegate_model::{EventTime, FeedId, Payload, Position, Span};
use tidegate_pipeline::{Event, Pipeline, Source, Task};

use crate::support::block_on;

async fn task() -> Task {
    let files = [
        (
            "pipeline.toml",
            "name = \"failing\"\n[[window]]\nname = \"w\"\nsize = \"5m\"\n\
             [[layer]]\nname = \"share\"\non = \"w\"\n[[layer]]\nname = \"after\"\non = \"w\"\n",
        ),
        (
            "feeds/gates.toml",
            "format = \"json\"\nunknown_site = \"accept\"\nout_of_orderness = \"0s\"\n\
             interval_max = \"1s\"\n",
        ),
        (
            "windows/w.sql",
            "SELECT site_id, sum(count) AS persons FROM observation GROUP BY site_id",
        ),
        // Thirteen persons are a division by zero.
        (
            "layers/share.sql",
            "SELECT 'site' AS subject_kind, site_id AS subject, \
             CAST(100 / (13 - persons) AS DOUBLE) AS value, '1' AS unit, 'test/share@1' AS method \
             FROM w",
        ),
        (
            "layers/after.sql",
            "SELECT subject_kind, subject, value, unit, method FROM share",
        ),
        (
            "rules.toml",
            "[[rule]]\nname = \"r\"\nlayer = \"share\"\nfire_above = 20.0\nclear_below = 10.0\n\
             severity = \"warning\"\nowner = \"duty\"\n\
             title = { zh-CN = \"{name} {value}\", en = \"{name} {value}\" }\n\
             do = { zh-CN = \"看\", en = \"look\" }\n",
        ),
    ];
    let files = files.map(|(path, text)| (path.to_owned(), text.to_owned()));
    let pipeline = Pipeline::load(&Source::new(files)).await.unwrap();
    let mut task = Task::new(Arc::new(pipeline), 0).await.unwrap();
    task.assign(&FeedId::new("gates"), 0, 0).unwrap();
    task
}

fn at(minute: i64) -> EventTime {
    let start = tidegate_model::parse_rfc3339("2026-03-02T00:00:00Z").unwrap();
    start.plus(Span::minutes(minute))
}

#[test]
fn a_layer_that_fails_on_data_is_told_and_clears_nothing() {
    block_on(async {
        let mut task = task().await;
        let mut told = Vec::new();
        // A share of 100/(13-n): 25, 25, none, 25, 8.
        for (n, persons) in [9, 9, 13, 9, 1, 0, 0].into_iter().enumerate() {
            let offset = i64::try_from(n).unwrap();
            let start = at(5 * offset);
            let bytes =
                format!(r#"{{"site":"a","start":"{start}","measure":"in","count":{persons}}}"#);
            let payload = Payload {
                position: Position {
                    partition: 0,
                    offset,
                    row: 0,
                },
                bytes: Some(bytes.as_bytes()),
                arrived: None,
            };
            let feed = FeedId::new("gates");
            task.read(&feed, 0, &[payload], offset + 1).await.unwrap();
            while let Some(event) = task.poll_event() {
                match event {
                    Event::Layer { layer, rows, .. } => {
                        told.push(format!("{layer} {} rows", rows.num_rows()));
                    }
                    Event::LayerFailed { layer, end, why } => {
                        assert!(why.contains("Divide by zero"), "{why}");
                        told.push(format!("{layer} failed at {end}"));
                    }
                    Event::Alert(alert) => told.push(format!("alert {}", alert.state.as_str())),
                    _ => {}
                }
            }
        }
        let expected = [
            // To 00:05.
            "share 1 rows",
            "alert firing",
            "after 1 rows",
            "share 1 rows",
            "after 1 rows",
            // To 00:15: what reads the layer has nothing to read.
            "share failed at 2026-03-02T00:15:00Z",
            "alert error",
            "share 1 rows",
            "alert resumed",
            "after 1 rows",
            "share 1 rows",
            "alert resolved",
            "after 1 rows",
        ];
        assert_eq!(told, expected);
        assert_eq!(task.summary().layers_failed["share"], 1);
    });
}
