//! Tries to let garbage harm others: a feed of nothing but garbage beside a good one must not hold
//! the good one's windows open, one broken record must change nothing but its own count, and who
//! stops sending garbage must be waited for again.

use std::collections::BTreeMap;
use std::sync::Arc;

use arrow::util::pretty::pretty_format_batches;
use tidegate_model::{EventTime, FeedId, Payload, Position, Span};
use tidegate_pipeline::{
    Event, FeedHealthChange, Mode, Pipeline, Runtime, SnapshotName, Source, Summary, Task,
};

use crate::support::block_on;

fn pipeline() -> Arc<Pipeline> {
    let feed = "format = \"json\"\nunknown_site = \"accept\"\nout_of_orderness = \"1m\"\n\
                interval_max = \"1m\"\n";
    let files = [
        (
            "pipeline.toml",
            "name = \"garbage\"\n[[window]]\nname = \"w\"\nsize = \"5m\"\n",
        ),
        ("feeds/good.toml", feed),
        ("feeds/bad.toml", feed),
        (
            "windows/w.sql",
            "SELECT site_id, sum(count) AS persons FROM observation GROUP BY site_id",
        ),
    ];
    let source = Source::new(files.map(|(path, text)| (path.to_owned(), text.to_owned())));
    let loaded = block_on(Pipeline::load(&source));
    Arc::new(loaded.unwrap_or_else(|problems| panic!("{problems:#?}")))
}

fn at(minute: i64) -> EventTime {
    let start = tidegate_model::parse_rfc3339("2026-03-02T00:00:00Z").unwrap();
    start.plus(Span::minutes(minute))
}

/// One count of `site` at this minute.
fn count(site: &str, minute: i64) -> Vec<u8> {
    let start = at(minute);
    format!(r#"{{"site":"{site}","start":"{start}","measure":"in","count":3}}"#).into_bytes()
}

fn garbage(n: usize) -> Vec<Vec<u8>> {
    vec![b"{".to_vec(); n]
}

/// What a run gave so far.
#[derive(Debug, Default, PartialEq, Eq)]
struct Given {
    /// Panes by the end of their window.
    panes: BTreeMap<EventTime, String>,
    /// Changes of health: state, and how many records the feed had.
    health: Vec<(FeedHealthChange, u64)>,
    rejected: usize,
}

impl Given {
    fn take(&mut self, event: Event) {
        match event {
            Event::Pane { rows, end, .. } => {
                let text = pretty_format_batches(&[rows]).unwrap().to_string();
                assert!(self.panes.insert(end, text).is_none(), "{end} fired twice");
            }
            Event::FeedHealth(change) => {
                assert_eq!(change.feed.as_str(), "bad");
                assert!(change.text_en().contains("bad") && change.text_zh().contains("bad"));
                self.health.push((change.state, change.seen));
            }
            Event::Rejected(rows) => self.rejected += rows.len(),
            _ => {}
        }
    }
}

/// A run of the pipeline that is read from by hand; nothing ends, so only watermarks close windows.
struct Run {
    runtime: Runtime,
    next: BTreeMap<FeedId, i64>,
    given: Given,
}

impl Run {
    fn of(feeds: &[&str]) -> Self {
        let mut runtime = block_on(Runtime::new(pipeline(), Mode::Stream)).unwrap();
        for feed in feeds {
            runtime.assign(&FeedId::new(feed), 0).unwrap();
        }
        Self {
            runtime,
            next: BTreeMap::new(),
            given: Given::default(),
        }
    }

    /// Reads messages of `feed`, at most `batch` at a time.
    fn read(&mut self, feed: &str, messages: &[Vec<u8>], batch: usize) {
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

    /// Reads an hour of the good feed.
    fn read_good(&mut self) {
        let hour: Vec<Vec<u8>> = (0..60).map(|minute| count("gate", minute)).collect();
        self.read("good", &hour, 7);
    }

    fn summary(&self) -> Summary {
        self.runtime.summary()
    }
}

fn payloads(messages: &[Vec<u8>], from: i64) -> Vec<Payload<'_>> {
    let place = |offset| Position {
        partition: 0,
        offset,
        row: 0,
    };
    let numbered = messages.iter().zip(from..);
    numbered
        .map(|(bytes, offset)| Payload {
            position: place(offset),
            bytes: Some(bytes),
            arrived: None,
        })
        .collect()
}

const QUARANTINED: (FeedHealthChange, u64) = (FeedHealthChange::Quarantined, 1_000);

#[test]
fn garbage_does_not_hold_the_windows_of_others_open() {
    let mut alone = Run::of(&["good"]);
    alone.read_good();
    assert!(alone.given.panes.len() >= 10, "{:?}", alone.given);

    let mut beside = Run::of(&["good", "bad"]);
    beside.read("bad", &garbage(999), 100);
    beside.read_good();
    assert_eq!(
        beside.given.panes.len(),
        0,
        "999 records are too few to judge by"
    );
    beside.read("bad", &garbage(1_501), 100);
    assert_eq!(beside.given.panes, alone.given.panes);
    assert_eq!(beside.runtime.watermark(), alone.runtime.watermark());
    assert_eq!(beside.given.health, [QUARANTINED]);
    let summary = beside.summary();
    let bad = &summary.feeds["bad"];
    assert_eq!(
        (beside.given.rejected, bad.rejected["malformed"]),
        (2_500, 2_500)
    );
    assert_eq!(bad.health, BTreeMap::from([("quarantined".to_owned(), 1)]));
    assert_eq!(summary.feeds["good"], alone.summary().feeds["good"]);
}

/// Of a hundred records one is good: each wakes its partition, and none holds the others back.
#[test]
fn a_good_record_now_and_then_does_not_end_it() {
    let mut run = Run::of(&["good", "bad"]);
    run.read("bad", &garbage(1_000), 100);
    for hour in 0..3 {
        let mut some = garbage(99);
        some.push(count("annex", hour));
        run.read("bad", &some, 40);
    }
    run.read_good();
    // Kept as any other record, in the first window of the hour.
    assert!(run.given.panes[&at(5)].contains("annex"), "{:?}", run.given);
    assert_eq!(run.runtime.watermark(), at(59).minus(Span::minutes(2)));
    assert_eq!(run.given.health, [QUARANTINED]);
    assert_eq!(run.summary().feeds["bad"].counted, 3);
}

/// One in a million: enough that the panes of 100 windows would tell.
#[test]
fn one_broken_record_changes_its_own_count_and_nothing_else() {
    let good: Vec<Vec<u8>> = (0..1_000_000).map(|n| count("gate", n / 2_000)).collect();
    let mut poisoned = good.clone();
    poisoned.insert(612_345, b"{".to_vec());
    let read = |messages: &[Vec<u8>]| {
        let mut run = Run::of(&["bad"]);
        run.read("bad", messages, 4_096);
        let summary = run.summary();
        (run.given, summary.counted, summary.rejected)
    };
    let (clean, poisoned) = (read(&good), read(&poisoned));
    assert_eq!((clean.1, clean.2, clean.0.rejected), (1_000_000, 0, 0));
    assert_eq!(
        (poisoned.1, poisoned.2, poisoned.0.rejected),
        (1_000_000, 1, 1)
    );
    assert_eq!(poisoned.0.panes.len(), 99);
    assert_eq!(poisoned.0.panes, clean.0.panes);
    assert_eq!(poisoned.0.health, []);
}

#[test]
fn who_has_recovered_is_waited_for_again() {
    let mut run = Run::of(&["good", "bad"]);
    run.read("bad", &garbage(1_200), 100);
    let good: Vec<Vec<u8>> = (0..600).map(|_| count("annex", 10)).collect();
    run.read("bad", &good, 100);
    let recovered = (FeedHealthChange::Recovered, 1_701);
    assert_eq!(run.given.health, [QUARANTINED, recovered]);
    run.read_good();
    assert_eq!(run.runtime.watermark(), at(10).minus(Span::minutes(2)));
    let health = &run.summary().feeds["bad"].health;
    assert_eq!((health["quarantined"], health["recovered"]), (1, 1));
}

/// T1, and more: neither the size of batches nor how often it is run changes who is quarantined when.
#[test]
fn batches_do_not_decide_when_it_begins() {
    let mut all = garbage(700);
    all.extend((0..30).map(|_| count("annex", 1)));
    all.extend(garbage(1_500));
    all.extend((0..900).map(|_| count("annex", 2)));
    let read = |batch: usize| {
        let mut run = Run::of(&["good", "bad"]);
        run.read("bad", &all, batch);
        run.read_good();
        let summary = run.summary();
        (run.given, summary)
    };
    let one_by_one = read(1);
    let changes: Vec<FeedHealthChange> = one_by_one
        .0
        .health
        .iter()
        .map(|(state, _)| *state)
        .collect();
    assert_eq!(
        changes,
        [FeedHealthChange::Quarantined, FeedHealthChange::Recovered]
    );
    for batch in [3, 100, 10_000] {
        assert_eq!(read(batch), one_by_one, "{batch}");
    }
}

/// A run that is restored in quarantine is still in it, for partitions that are added too.
#[test]
fn a_restored_run_is_in_quarantine() {
    let pipeline = pipeline();
    let (good, bad) = (FeedId::new("good"), FeedId::new("bad"));
    block_on(async {
        let mut task = Task::new(Arc::clone(&pipeline), 0).await.unwrap();
        task.assign(&good, 0, 0).unwrap();
        task.assign(&bad, 0, 0).unwrap();
        let messages = garbage(1_000);
        task.read(&bad, 0, &payloads(&messages, 0), 1_000)
            .await
            .unwrap();
        task.end_epoch();
        let snapshot = task.snapshot().await.unwrap();
        let name = SnapshotName {
            epoch: 1,
            name: "1".to_owned(),
            bytes: 0,
            sha256: String::new(),
        };
        let mut task = Task::restore(pipeline, 0, &snapshot, name).await.unwrap();
        task.assign(&bad, 1, 0).unwrap();
        let hour: Vec<Vec<u8>> = (0..60).map(|minute| count("gate", minute)).collect();
        task.read(&good, 0, &payloads(&hour, 0), 60).await.unwrap();
        assert_eq!(task.runtime().watermark(), at(59).minus(Span::minutes(2)));
        let messages = garbage(1_000);
        task.read(&bad, 0, &payloads(&messages, 1_000), 2_000)
            .await
            .unwrap();
        let events = std::iter::from_fn(|| task.poll_event());
        let is_health = |event: &Event| matches!(event, Event::FeedHealth(_));
        assert_eq!(events.filter(is_health).count(), 0, "it was said before");
    });
}
