//! Tries to take a look at open windows for their result: what is shown before a window closes must
//! be what it holds by then, must be marked as such, and must change nothing that comes later.

use std::sync::Arc;

use arrow::array::AsArray;
use arrow::datatypes::{Float64Type, Int64Type};
use tidegate_model::{EventTime, FeedId, Payload, Position};
use tidegate_pipeline::{Event, Mode, Pipeline, Runtime, Source};

use crate::support::block_on;

fn pipeline() -> Arc<Pipeline> {
    let files = [
        (
            "pipeline.toml",
            "name = \"look\"\n[[window]]\nname = \"w\"\nsize = \"5m\"\n\
             [[layer]]\nname = \"crowd\"\non = \"w\"\n",
        ),
        (
            "feeds/gate.toml",
            "format = \"json\"\nunknown_site = \"accept\"\nout_of_orderness = \"0s\"\n\
             interval_max = \"1m\"\n",
        ),
        (
            "windows/w.sql",
            "SELECT site_id, sum(count) AS persons FROM observation GROUP BY site_id",
        ),
        (
            "layers/crowd.sql",
            "SELECT 'site' AS subject_kind, site_id AS subject, CAST(persons AS DOUBLE) AS value, \
             'persons' AS unit, 'test/sum@1' AS method FROM w",
        ),
        (
            "rules.toml",
            "[[rule]]\nname = \"crowd\"\nlayer = \"crowd\"\nfire_above = 6.0\nclear_below = 1.0\n\
             severity = \"warning\"\nowner = \"duty\"\n\
             title = { zh-CN = \"{name}\", en = \"{name}\" }\ndo = { zh-CN = \"看\", en = \"look\" }\n",
        ),
    ];
    let source = Source::new(files.map(|(path, text)| (path.to_owned(), text.to_owned())));
    let loaded = block_on(Pipeline::load(&source));
    Arc::new(loaded.unwrap_or_else(|problems| panic!("{problems:#?}")))
}

/// A word for each pane, row of the layer and alert, with its value: `?` is behind what is not final.
fn words(runtime: &mut Runtime) -> Vec<String> {
    let mark = |is_final| if is_final { "" } else { "?" };
    let mut words = Vec::new();
    while let Some(event) = runtime.poll_event() {
        match event {
            Event::Pane { rows, is_final, .. } => {
                let persons = rows.column_by_name("persons").unwrap();
                let persons = persons.as_primitive::<Int64Type>().value(0);
                words.push(format!("pane {persons}{}", mark(is_final)));
            }
            Event::Layer { rows, is_final, .. } => {
                let value = rows.column_by_name("value").unwrap();
                let value = value.as_primitive::<Float64Type>().value(0);
                let told = rows.column_by_name("is_final").unwrap().as_boolean();
                assert_eq!(told.value(0), is_final, "what a row says of itself");
                words.push(format!("layer {value}{}", mark(is_final)));
            }
            Event::Alert(alert) => words.push(alert.state.as_str().to_owned()),
            _ => {}
        }
    }
    words
}

/// Three persons a minute, for ten minutes; looked at after every minute, or never.
fn run(looks: bool) -> Vec<Vec<String>> {
    let mut runtime = block_on(Runtime::new(pipeline(), Mode::Stream)).unwrap();
    let gate = FeedId::new("gate");
    runtime.assign(&gate, 0).unwrap();
    let mut minutes = Vec::new();
    for minute in 0..10 {
        let count = format!(
            r#"{{"site":"gate","start":"2026-03-02T00:0{minute}:00Z","measure":"in","count":3}}"#
        );
        let payload = Payload {
            position: Position {
                partition: 0,
                offset: minute,
                row: 0,
            },
            bytes: Some(count.as_bytes()),
            arrived: None,
        };
        block_on(runtime.ingest(&gate, 0, &[payload], EventTime::MAX)).unwrap();
        if looks {
            block_on(runtime.provisional()).unwrap();
        }
        minutes.push(words(&mut runtime));
    }
    minutes
}

#[test]
fn open_windows_are_shown_as_they_stand_and_as_not_final() {
    let minutes = run(true);
    // No alert, though the value is above the rule's threshold: rules read final windows only.
    assert_eq!(minutes[0], ["pane 3?", "layer 3?"]);
    assert_eq!(minutes[2], ["pane 9?", "layer 9?"]);
    // The watermark is a minute behind: the second window is open before the first has closed.
    assert_eq!(minutes[5], ["pane 15?", "layer 15?", "pane 3?", "layer 3?"]);
    assert_eq!(
        minutes[6],
        ["pane 15", "layer 15", "firing", "pane 6?", "layer 6?"]
    );
}

#[test]
fn looking_changes_nothing_that_comes_later() {
    let mut looked = run(true);
    for minute in &mut looked {
        minute.retain(|word| !word.ends_with('?'));
    }
    assert_eq!(looked, run(false));
}
