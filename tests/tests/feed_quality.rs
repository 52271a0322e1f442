//! Tries to make what is told of a feed wrong: by other batches, by a crash in between, by counting
//! what was repeated or late, by taking the night for an outage or an outage for an empty market.

use std::collections::BTreeMap;
use std::sync::Arc;

use arrow::array::{Array, RecordBatch};
use arrow::util::display::array_value_to_string;
use tidegate_engine::ProcessingTime;
use tidegate_model::{EventTime, FeedId, Payload, Position, Span};
use tidegate_pipeline::{
    Event, FeedHealthChange, Mode, Pipeline, Runtime, Snapshot, SnapshotName, Source, Step, Task,
};

use crate::support::block_on;

const FEED: &str = "format = \"json\"\nunknown_site = \"accept\"\nout_of_orderness = \"1m\"\n\
                    interval_max = \"5m\"\ndedup_within = \"1h\"\n";

/// Two feeds, and a layer with a row for each venue whether anybody was counted there or not.
fn pipeline(more: &[(&str, &str)]) -> Arc<Pipeline> {
    let mut files: BTreeMap<&str, &str> = BTreeMap::from([
        (
            "pipeline.toml",
            "name = \"quality\"\nzone = \"Asia/Shanghai\"\n\
             [reference]\nsites = \"sites.geojson\"\nvenues = \"venues.geojson\"\n\
             [[window]]\nname = \"w\"\nsize = \"5m\"\n\
             [[layer]]\nname = \"crowd\"\non = \"w\"\n\
             [[layer]]\nname = \"feed_gap\"\non = \"w\"\n",
        ),
        ("feeds/gates.toml", FEED),
        ("feeds/rail.toml", FEED),
        ("sites.geojson", SITES),
        ("venues.geojson", VENUES),
        (
            "windows/w.sql",
            "SELECT venue_id, sum(count) AS persons FROM observation GROUP BY venue_id",
        ),
        (
            "layers/crowd.sql",
            "SELECT 'venue' AS subject_kind, v.venue_id AS subject, \
             coalesce(w.persons, 0) AS value, 'persons' AS unit, 'test/sum@1' AS method \
             FROM venue v LEFT JOIN w ON w.venue_id = v.venue_id",
        ),
        (
            "layers/feed_gap.sql",
            "SELECT 'feed' AS subject_kind, feed AS subject, silent_for AS value, 's' AS unit, \
             'feed/silence@1' AS method FROM feed_quality",
        ),
        (
            "rules.toml",
            "[[rule]]\nname = \"crowd\"\nlayer = \"crowd\"\nfire_above = 10\nclear_below = 5\n\
             severity = \"warning\"\nowner = \"duty\"\n\
             title = { zh-CN = \"拥挤\", en = \"crowded\" }\ndo = { zh-CN = \"-\", en = \"-\" }\n\
             [[rule]]\nname = \"gap\"\nlayer = \"feed_gap\"\nfire_above = 600\nclear_below = 300\n\
             severity = \"watch\"\nowner = \"duty\"\n\
             title = { zh-CN = \"中断\", en = \"{name} is gone\" }\ndo = { zh-CN = \"-\", en = \"-\" }\n",
        ),
    ]);
    files.extend(more.iter().copied());
    let files = files
        .into_iter()
        .map(|(path, text)| (path.to_owned(), text.to_owned()));
    let loaded = block_on(Pipeline::load(&Source::new(files)));
    Arc::new(loaded.unwrap_or_else(|problems| panic!("{problems:#?}")))
}

const SITES: &str = r#"{"type":"FeatureCollection","features":[
{"type":"Feature","geometry":{"type":"Point","coordinates":[114.3,30.6]},"properties":{"id":"east","kind":"gate","name":"East","venue_id":"market"}},
{"type":"Feature","geometry":{"type":"Point","coordinates":[114.31,30.6]},"properties":{"id":"stop","kind":"rail","name":"Stop","venue_id":"station"}}
]}"#;

const VENUES: &str = r#"{"type":"FeatureCollection","features":[
{"type":"Feature","geometry":{"type":"Polygon","coordinates":[[[114.3,30.6],[114.301,30.6],[114.301,30.601],[114.3,30.601],[114.3,30.6]]]},"properties":{"id":"market","kind":"market","name_zh":"市场","name_en":"Market","usable_area_m2":100.0,"capacity":100,"capacity_basis":"assumed"}},
{"type":"Feature","geometry":{"type":"Polygon","coordinates":[[[114.31,30.6],[114.311,30.6],[114.311,30.601],[114.31,30.601],[114.31,30.6]]]},"properties":{"id":"station","kind":"station","name_zh":"车站","name_en":"Station","usable_area_m2":100.0,"capacity":100,"capacity_basis":"assumed"}}
]}"#;

fn at(minute: i64) -> EventTime {
    // A Monday, midnight in Shanghai.
    let start = tidegate_model::parse_rfc3339("2026-03-01T16:00:00Z").unwrap();
    start.plus(Span::minutes(minute))
}

/// A message and when it arrived.
#[derive(Debug, Clone)]
struct Message {
    bytes: Vec<u8>,
    arrived: Option<EventTime>,
}

/// `count` persons at `site` in this minute, which arrive `delay` after they were counted.
fn count(site: &str, minute: i64, count: i64, delay: Span) -> Message {
    let start = at(minute);
    Message {
        bytes: format!(r#"{{"site":"{site}","start":"{start}","measure":"in","count":{count}}}"#)
            .into_bytes(),
        arrived: Some(start.plus(delay)),
    }
}

fn raw(bytes: &str) -> Message {
    Message {
        bytes: bytes.as_bytes().to_vec(),
        arrived: None,
    }
}

fn payloads(messages: &[Message], from: i64) -> Vec<Payload<'_>> {
    let numbered = messages.iter().zip(from..);
    numbered
        .map(|(message, offset)| Payload {
            position: Position {
                partition: 0,
                offset,
                row: 0,
            },
            bytes: Some(&message.bytes),
            arrived: message.arrived,
        })
        .collect()
}

/// The rows of a batch as texts by column; a null is not there.
fn rows(batch: &RecordBatch) -> Vec<BTreeMap<String, String>> {
    let schema = batch.schema();
    let row = |row: usize| {
        let cells = schema.fields().iter().zip(batch.columns());
        let cells = cells.filter(|(_, column)| column.is_valid(row));
        cells
            .map(|(field, column)| {
                (
                    field.name().clone(),
                    array_value_to_string(column, row).unwrap(),
                )
            })
            .collect()
    };
    (0..batch.num_rows()).map(row).collect()
}

/// What a run gave.
#[derive(Debug, Default, Clone, PartialEq)]
struct Given {
    /// By feed and end of the window.
    quality: BTreeMap<(String, String), BTreeMap<String, String>>,
    /// By feed, reason and end of the window.
    rejected: BTreeMap<(String, String, String), String>,
    /// By layer, subject and end of the window.
    layers: BTreeMap<(String, String, String), BTreeMap<String, String>>,
    health: Vec<(String, FeedHealthChange)>,
    alerts: Vec<(String, String, &'static str)>,
}

impl Given {
    fn take(&mut self, event: Event) {
        match event {
            Event::FeedQuality { quality, rejected } => {
                for row in rows(&quality) {
                    let key = (row["feed"].clone(), row["window_end"].clone());
                    assert!(self.quality.insert(key, row).is_none(), "told twice");
                }
                for row in rows(&rejected) {
                    let key = (
                        row["feed"].clone(),
                        row["reason"].clone(),
                        row["window_end"].clone(),
                    );
                    self.rejected.insert(key, row["records"].clone());
                }
            }
            Event::Layer {
                layer,
                rows: batch,
                is_final: true,
            } => {
                for row in rows(&batch) {
                    let key = (
                        layer.clone(),
                        row["subject"].clone(),
                        row["window_end"].clone(),
                    );
                    self.layers.insert(key, row);
                }
            }
            Event::FeedHealth(change) => {
                assert!(change.text_en().contains(change.feed.as_str()));
                assert!(change.text_zh().contains(change.feed.as_str()));
                self.health.push((change.feed.to_string(), change.state));
            }
            Event::Alert(alert) => {
                self.alerts
                    .push((alert.rule, alert.subject, alert.state.as_str()));
            }
            _ => {}
        }
    }

    fn of(&self, feed: &str, end: i64) -> &BTreeMap<String, String> {
        &self.quality[&(feed.to_owned(), time(end))]
    }

    fn layer(&self, layer: &str, subject: &str, end: i64) -> &BTreeMap<String, String> {
        &self.layers[&(layer.to_owned(), subject.to_owned(), time(end))]
    }
}

fn time(minute: i64) -> String {
    at(minute).to_string()
}

/// A run that is read from by hand.
struct Run {
    runtime: Runtime,
    next: BTreeMap<FeedId, i64>,
    given: Given,
}

impl Run {
    fn new(pipeline: Arc<Pipeline>) -> Self {
        let feeds: Vec<FeedId> = pipeline.feeds.iter().map(|feed| feed.id.clone()).collect();
        let mut runtime = block_on(Runtime::new(pipeline, Mode::Stream)).unwrap();
        for feed in &feeds {
            runtime.assign(feed, 0).unwrap();
        }
        Self {
            runtime,
            next: BTreeMap::new(),
            given: Given::default(),
        }
    }

    fn read(&mut self, feed: &str, messages: &[Message], batch: usize) {
        let feed = FeedId::new(feed);
        for chunk in messages.chunks(batch) {
            let next = self.next.entry(feed.clone()).or_default();
            let payloads = payloads(chunk, *next);
            *next += i64::try_from(chunk.len()).unwrap();
            block_on(self.runtime.ingest(&feed, 0, &payloads, EventTime::MAX)).unwrap();
        }
        while let Some(event) = self.runtime.poll_event() {
            self.given.take(event);
        }
    }

    fn idle(&mut self, feed: &str) {
        block_on(self.runtime.idle(&FeedId::new(feed), 0)).unwrap();
        while let Some(event) = self.runtime.poll_event() {
            self.given.take(event);
        }
    }
}

fn number(row: &BTreeMap<String, String>, column: &str) -> f64 {
    row[column].parse().unwrap()
}

/// What comes between two times counts where the feed stood; nothing depends on batches.
#[test]
fn what_is_delivered_counts_where_the_feed_stood() {
    let second = Span::seconds(1);
    let with_id = |minute: i64| {
        let start = at(minute);
        Message {
            bytes: format!(
                r#"{{"id":"a","site":"east","start":"{start}","measure":"in","count":1}}"#
            )
            .into_bytes(),
            arrived: Some(start.plus(second)),
        }
    };
    let messages = [
        raw("{"),
        count("east", 1, 3, second),
        with_id(2),
        raw("{"),
        // The same message again: not changed, and a duplicate since it has an id.
        with_id(2),
        count("stop", 3, 5, Span::seconds(90)),
        raw(""),
        count("east", 7, 2, second),
        raw("{"),
        // Late by more than the window waits for.
        count("east", -30, 9, Span::hours(1)),
        count("east", 30, 2, second),
        count("east", 60, 2, second),
    ];
    let read = |batch| {
        let mut run = Run::new(pipeline(&[]));
        run.idle("rail");
        run.read("gates", &messages, batch);
        run.given
    };
    let given = read(1);
    let first = given.of("gates", 5);
    let expected = [
        ("records", "3"),
        ("payloads", "7"),
        ("unchanged", "2"),
        ("received", "7"),
        ("rejected", "3"),
        ("duplicate", "1"),
        ("late", "0"),
        ("sites_heard", "2"),
        ("sites_expected", "2"),
        ("coverage", "1.0"),
        ("unknown_origin", "1.0"),
    ];
    for (column, value) in expected {
        assert_eq!(first[column], value, "{column} of {first:?}");
    }
    assert!((number(first, "delay_p50") - 1.0).abs() < 0.04, "{first:?}");
    assert!((number(first, "delay_p99") - 90.0).abs() < 3.0, "{first:?}");
    let reasons = |reason: &str, end| {
        given
            .rejected
            .get(&("gates".to_owned(), reason.to_owned(), time(end)))
            .cloned()
    };
    assert_eq!(reasons("malformed", 5).as_deref(), Some("2"));
    assert_eq!(reasons("empty", 5).as_deref(), Some("1"));
    assert_eq!(reasons("malformed", 10).as_deref(), Some("1"));
    let second = given.of("gates", 10);
    assert_eq!(
        (second["records"].as_str(), second["late"].as_str()),
        ("1", "1")
    );
    assert_eq!(second["sites_heard"], "1");
    for batch in [2, 5, 100] {
        assert_eq!(read(batch), given, "{batch} messages at a time");
    }
}

/// A feed that stops among others: what rests on it is stale and not empty, its alert does not end,
/// and an alert on its health says so; then it is heard again.
#[test]
fn a_silent_feed_is_not_an_empty_market() {
    let mut run = Run::new(pipeline(&[]));
    let delay = Span::seconds(2);
    let minutes = |site: &str, minutes: std::ops::Range<i64>| -> Vec<Message> {
        minutes
            .map(|minute| count(site, minute, 4, delay))
            .collect()
    };
    run.read("gates", &minutes("east", 0..20), 7);
    run.read("rail", &minutes("stop", 0..20), 7);
    run.idle("gates");
    run.read("rail", &minutes("stop", 20..70), 7);
    let given = &run.given;
    let open = given.layer("crowd", "market", 15);
    assert_eq!(
        (open["value"].as_str(), open["coverage"].as_str()),
        ("20.0", "1.0")
    );
    assert!(!open.contains_key("status"));
    // At once, and long before it counts as silent.
    let first = given.layer("crowd", "market", 25);
    assert_eq!(
        (first["coverage"].as_str(), first["status"].as_str()),
        ("0.0", "stale")
    );
    let stale = given.layer("crowd", "market", 40);
    assert_eq!(
        (stale["coverage"].as_str(), stale["status"].as_str()),
        ("0.0", "stale")
    );
    assert!(
        !stale.contains_key("value"),
        "a zero that nobody measured: {stale:?}"
    );
    assert_eq!(stale["data_age"], "1260.0", "since minute 19");
    let beside = given.layer("crowd", "station", 40);
    assert_eq!(
        (beside["value"].as_str(), beside["coverage"].as_str()),
        ("20.0", "1.0")
    );
    let silent = |state| ("gates".to_owned(), state);
    let since = Span::minutes(15);
    assert_eq!(given.health, [silent(FeedHealthChange::Silent { since })]);
    let told = |rule: &str, subject: &str, state| (rule.to_owned(), subject.to_owned(), state);
    assert_eq!(
        given.alerts,
        [
            told("crowd", "market", "firing"),
            told("crowd", "station", "firing"),
            told("crowd", "market", "stale"),
            told("gap", "gates", "firing"),
        ]
    );
    run.read("gates", &minutes("east", 70..90), 7);
    run.read("rail", &minutes("stop", 70..90), 7);
    assert_eq!(run.given.health[1..], [silent(FeedHealthChange::Heard)]);
    let back = run.given.layer("crowd", "market", 80);
    assert_eq!(
        (back["value"].as_str(), back["coverage"].as_str()),
        ("20.0", "1.0")
    );
    assert_eq!(
        run.given.alerts[4..],
        [
            told("crowd", "market", "resumed"),
            told("gap", "gates", "resolved")
        ]
    );
}

/// A feed whose clock stands still sends the same records again and again: they are counted once,
/// hold no window of others open, and the feed counts as silent.
#[test]
fn a_feed_that_stands_still_is_silent() {
    let standing = Message {
        bytes: format!(
            r#"{{"id":"a","site":"east","start":"{}","measure":"in","count":4}}"#,
            at(1)
        )
        .into_bytes(),
        arrived: None,
    };
    let mut run = Run::new(pipeline(&[]));
    run.read("gates", std::slice::from_ref(&standing), 1);
    run.idle("gates");
    for minute in 0..70 {
        run.read("gates", std::slice::from_ref(&standing), 1);
        run.read("rail", &[count("stop", minute, 4, Span::ZERO)], 1);
    }
    let given = &run.given;
    let silent = |state| ("gates".to_owned(), state);
    let since = Span::minutes(15);
    assert_eq!(given.health, [silent(FeedHealthChange::Silent { since })]);
    let row = given.of("gates", 40);
    assert_eq!(
        (row["records"].as_str(), row["coverage"].as_str()),
        ("0", "0.0")
    );
    let summary = &run.runtime.summary().feeds["gates"];
    assert_eq!((summary.counted, summary.duplicate), (1, 70));
    let told: u64 = given
        .quality
        .iter()
        .filter(|((feed, _), _)| feed == "gates")
        .map(|(_, row)| row["unchanged"].parse::<u64>().unwrap())
        .sum();
    // What came after the last window that closed is not told yet.
    assert!((60..=70).contains(&told), "{told} of 70 repeated messages");
    assert_eq!(given.layer("crowd", "market", 40)["status"], "stale");
}

/// In its second week an hour is held against the same hour of the first: the night is no outage, and
/// a fifth of the usual is one.
#[test]
fn a_week_teaches_what_an_hour_usually_has() {
    let day = 24 * 60;
    let mut messages = Vec::new();
    for minute in (0..14 * day).filter(|minute| (8..20).contains(&(minute / 60 % 24))) {
        let is_short = (7 * day + 12 * 60..7 * day + 13 * 60).contains(&minute);
        for site in if is_short { 0..2 } else { 0..10 } {
            messages.push(count(&format!("gate-{site}"), minute, 1, Span::seconds(1)));
        }
    }
    let mut run = Run::new(pipeline(&[]));
    run.idle("rail");
    run.read("gates", &messages, 1_000);
    let given = &run.given;
    let noon = given.of("gates", 12 * 60 + 30);
    assert!(
        !noon.contains_key("completeness"),
        "nothing is known in the first week: {noon:?}"
    );
    let usual = given.of("gates", 7 * day + 11 * 60 + 30);
    assert_eq!(
        (
            usual["expected_records"].as_str(),
            usual["completeness"].as_str()
        ),
        ("50.0", "1.0")
    );
    let short = given.of("gates", 7 * day + 12 * 60 + 30);
    assert_eq!(
        (
            short["sites_heard"].as_str(),
            short["sites_expected"].as_str()
        ),
        ("2", "10")
    );
    assert_eq!(short["completeness"], "0.2");
    assert_eq!(
        short["coverage"], "0.2",
        "10 records contradict a mean of 50"
    );
    let first_night = given.of("gates", 26 * 60);
    assert_eq!(first_night["coverage"], "0.0");
    let night = given.of("gates", 7 * day + 26 * 60);
    assert_eq!(
        (night["coverage"].as_str(), night["records"].as_str()),
        ("1.0", "0")
    );
    // The short hour teaches nothing.
    let week_after = given.of("gates", 7 * day + 13 * 60 + 30);
    assert_eq!(week_after["expected_records"], "50.0");
}

#[test]
fn a_clock_that_is_ahead_is_named() {
    let mut messages = Vec::new();
    for minute in 0..30 {
        for site in 0..5 {
            // The third is told to be 90 s ahead: its events seem to arrive before they happen.
            let delay = if site == 2 { -80 } else { 10 + site };
            messages.push(count(
                &format!("gate-{site}"),
                minute,
                1,
                Span::seconds(delay),
            ));
        }
    }
    let layer = (
        "layers/feed_gap.sql",
        "SELECT 'site' AS subject_kind, site_id AS subject, clock_skew AS value, 's' AS unit, \
         'feed/clock-skew@1' AS method FROM feed_site WHERE feed = 'gates'",
    );
    let mut run = Run::new(pipeline(&[layer]));
    run.idle("rail");
    run.read("gates", &messages, 20);
    let row = run.given.of("gates", 10);
    assert_eq!(
        (row["skewed_site"].as_str(), row["clock_skew"].as_str()),
        ("gate-2", "91.0")
    );
    assert_eq!(run.given.layer("feed_gap", "gate-4", 10)["value"], "-3.0");
}

#[test]
fn odd_steps_of_counters_are_counted() {
    let feed = "format = \"mapped_json\"\nunknown_site = \"accept\"\n\
                [mapping]\nsite = [\"s\"]\n[mapping.time]\ncolumns = [\"t\"]\nformat = \"rfc3339\"\n\
                [[mapping.counts]]\ncolumn = \"n\"\nmeasure = \"in\"\n\
                [mapping.cumulative]\ncounter = [\"s\"]\nstep_max = 100\n";
    let reading = |minute: i64, n: i64| Message {
        bytes: format!(r#"{{"s":"east","t":"{}","n":{n}}}"#, at(minute)).into_bytes(),
        arrived: None,
    };
    let messages = [
        reading(0, 5_000),
        reading(1, 5_010),
        // Down, and far too far up.
        reading(2, 4_990),
        reading(3, 9_000),
        reading(4, 9_010),
        reading(100, 9_020),
        reading(200, 9_030),
    ];
    let mut run = Run::new(pipeline(&[("feeds/gates.toml", feed)]));
    run.idle("rail");
    run.read("gates", &messages, 3);
    assert_eq!(run.given.of("gates", 5)["counter_faults"], "2");
}

/// If all feeds are silent no window closes: the caller's clock tells, the decision is a step, and
/// repeating it does not tell it again.
#[test]
fn the_clock_tells_of_a_silence_of_all() {
    let minute = |minute: i64| ProcessingTime::from_micros(minute * 60_000_000);
    let pipeline = pipeline(&[(
        "feeds/rail.toml",
        "format = \"json\"\nsilent_after = \"40m\"\n",
    )]);
    let (gates, rail) = (FeedId::new("gates"), FeedId::new("rail"));
    let messages = [
        count("east", 0, 1, Span::ZERO),
        count("east", 1, 1, Span::ZERO),
    ];
    let told = |task: &mut Task| -> Vec<(String, FeedHealthChange)> {
        let mut given = Given::default();
        while let Some(event) = task.poll_event() {
            given.take(event);
        }
        given.health
    };
    block_on(async {
        let mut task = Task::new(Arc::clone(&pipeline), 0).await.unwrap();
        for feed in [&gates, &rail] {
            task.assign(feed, 0, 0).unwrap();
            task.caught_up(feed, 0, minute(0)).await.unwrap();
        }
        task.read(&gates, 0, &payloads(&messages[..1], 0), 1)
            .await
            .unwrap();
        task.caught_up(&gates, 0, minute(0)).await.unwrap();
        let mut heard = Vec::new();
        for second in 0..30 * 60 {
            let now = ProcessingTime::from_micros(second * 1_000_000);
            task.tick(now).await.unwrap();
            heard.extend(
                told(&mut task)
                    .into_iter()
                    .map(|change| (second / 60, change)),
            );
        }
        let since = Span::minutes(15);
        let silent = ("gates".to_owned(), FeedHealthChange::Silent { since });
        assert_eq!(heard, [(15, silent)]);
        let progress = task.end_epoch();
        let step = Step::Silent {
            feed: "gates".to_owned(),
        };
        assert_eq!(progress.steps.last(), Some(&step));

        let mut again = Task::new(Arc::clone(&pipeline), 0).await.unwrap();
        for step in &progress.steps {
            let first = payloads(&messages[..1], 0);
            let of = if let Step::Read { .. } = step {
                first.as_slice()
            } else {
                &[]
            };
            again.repeat(step, of).await.unwrap();
        }
        again.end_repeated(&progress).unwrap();
        let mut restored = restored(&mut again).await;
        for task in [&mut again, &mut restored] {
            task.tick(minute(100)).await.unwrap();
            task.tick(minute(120)).await.unwrap();
            assert_eq!(told(task), []);
            task.read(&gates, 0, &payloads(&messages[1..], 1), 2)
                .await
                .unwrap();
            assert_eq!(told(task), [("gates".to_owned(), FeedHealthChange::Heard)]);
        }
    });
}

async fn restored(task: &mut Task) -> Task {
    let snapshot = task.snapshot().await.unwrap();
    let snapshot = Snapshot::decode(&snapshot.encode()).unwrap();
    let name = SnapshotName {
        epoch: 1,
        name: "1".to_owned(),
        bytes: 0,
        sha256: String::new(),
    };
    let pipeline = Arc::clone(task.runtime().pipeline());
    Task::restore(pipeline, 0, &snapshot, name).await.unwrap()
}
