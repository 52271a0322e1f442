//! Tries to let bad input through: each bad payload, sent between two good ones, must give exactly
//! one rejection with its reason, position and bytes, and leave its neighbours alone. And tries to
//! lose the largest payload and one without bytes on the way through a real broker.

use std::path::Path;
use std::process::Command;
use std::sync::Arc;
use std::time::Duration;

use base64::prelude::{BASE64_STANDARD, Engine as _};
use tidegate_connect::{Inspector, KafkaSink, Properties, Retention, TopicSpec};
use tidegate_model::{FeedId, Payload, Position, Reason, Rejected};
use tidegate_pipeline::{Event, Mode, Pipeline, Runtime, Source, Summary};

use crate::support::{binary, block_on, real_kafka, stdout, write_file};

const GOOD: &str =
    r#"{"site":"gate","start":"2026-03-02T08:00:00+08:00","measure":"in","count":7}"#;

/// The newest event time that is believed.
const LATEST: &str = "2026-03-02T01:00:00Z";

fn pipeline() -> Arc<Pipeline> {
    let site = r#"{"type":"FeatureCollection","features":[
        {"type":"Feature","properties":{"id":"gate","kind":"gate","name":"Gate"},
         "geometry":{"type":"Point","coordinates":[114.3,30.6]}},
        {"type":"Feature","properties":{"id":"nowhere","kind":"gate","name":"Nowhere"},
         "geometry":null}]}"#;
    let files = [
        (
            "pipeline.toml",
            "name = \"bad-input\"\n[reference]\nsites = \"sites.geojson\"\n\
             [[window]]\nname = \"w\"\nsize = \"5m\"\n",
        ),
        (
            "feeds/gate.toml",
            "format = \"json\"\ninterval_max = \"1h\"\ndedup_within = \"10m\"\n",
        ),
        (
            "feeds/table.toml",
            "format = \"csv\"\ninterval_max = \"1h\"\n[mapping]\nsite = [\"Site\"]\ncount = \"N\"\nmeasure = \"in\"\n\
             [mapping.time]\ncolumns = [\"At\"]\nformat = \"%Y-%m-%d %H:%M\"\nzone = \"Asia/Shanghai\"\n\
             interval = \"5m\"\n",
        ),
        ("sites.geojson", site),
        (
            "windows/w.sql",
            "SELECT site_id, sum(count) AS persons FROM observation GROUP BY site_id",
        ),
    ];
    let source = Source::new(files.map(|(path, text)| (path.to_owned(), text.to_owned())));
    let loaded = block_on(Pipeline::load(&source));
    Arc::new(loaded.unwrap_or_else(|problems| panic!("{problems:#?}")))
}

/// What `payloads` of `feed` give: the rejections, and the summary after all windows closed.
fn ingest(feed: &str, payloads: &[Option<&[u8]>]) -> (Vec<Rejected>, Summary) {
    let latest = tidegate_model::parse_rfc3339(LATEST).unwrap();
    let payloads: Vec<Payload<'_>> = payloads
        .iter()
        .zip(0..)
        .map(|(bytes, offset)| Payload {
            position: Position {
                partition: 3,
                offset,
                row: 0,
            },
            bytes: *bytes,
            arrived: None,
        })
        .collect();
    let pipeline = pipeline();
    block_on(async {
        let mut runtime = Runtime::new(pipeline, Mode::Stream).await.unwrap();
        let feed = FeedId::new(feed);
        if runtime.pipeline().feed(feed.as_str()).is_some() {
            runtime.assign(&feed, 3).unwrap();
        }
        runtime.ingest(&feed, 3, &payloads, latest).await.unwrap();
        runtime.end().await.unwrap();
        let mut rejected = Vec::new();
        while let Some(event) = runtime.poll_event() {
            if let Event::Rejected(rows) = event {
                rejected.extend(rows);
            }
        }
        (rejected, runtime.summary())
    })
}

/// Sends `bad` between two good payloads.
fn check(bad: Option<&[u8]>, reason: Reason) {
    let shown =
        bad.map(|bytes| String::from_utf8_lossy(&bytes[..bytes.len().min(80)]).into_owned());
    let (rejected, summary) = ingest("gate", &[Some(GOOD.as_bytes()), bad, Some(GOOD.as_bytes())]);
    assert_eq!(rejected.len(), 1, "{shown:?}: {rejected:?}");
    let row = &rejected[0];
    assert_eq!(row.reason, reason, "{shown:?}: {}", row.detail);
    assert_eq!((row.position.partition, row.position.offset), (3, 1));
    let kept = match reason {
        Reason::PersonalData => None,
        _ => bad.map(<[u8]>::to_vec),
    };
    assert!(row.bytes == kept, "{shown:?}: other bytes are kept");
    assert!(
        !row.detail.is_empty(),
        "{shown:?}: nothing says what is wrong"
    );
    assert_eq!(
        (summary.received, summary.counted, summary.rejected),
        (3, 2, 1)
    );
}

fn record(site: &str, start: &str, rest: &str) -> Vec<u8> {
    format!(r#"{{"site":"{site}","start":"{start}","measure":"in",{rest}}}"#).into_bytes()
}

fn check_all(cases: &[(Vec<u8>, Reason)]) {
    for (bytes, reason) in cases {
        check(Some(bytes), *reason);
    }
}

const NOW: &str = "2026-03-02T08:00:00+08:00";

#[test]
fn bytes_that_are_no_record() {
    check_all(&[
        (GOOD.as_bytes()[..40].to_vec(), Reason::Malformed),
        (b"\xff\xfe{\"site\":\"gate\"}".to_vec(), Reason::NotUtf8),
        (b"[1,2]".to_vec(), Reason::Malformed),
        (b"\0".to_vec(), Reason::Malformed),
        (Vec::new(), Reason::Empty),
    ]);
    check(None, Reason::Tombstone);
}

#[test]
fn counts_that_are_none() {
    let count = |text: &str| record("gate", NOW, &format!(r#""count":{text}"#));
    check_all(&[
        (count("\"7\""), Reason::WrongType),
        (count("true"), Reason::WrongType),
        (count("-1"), Reason::NegativeCount),
        (count("1.5"), Reason::AbsurdCount),
        (count("1e300"), Reason::AbsurdCount),
        (count("99999999999999999999"), Reason::AbsurdCount),
        (count("NaN"), Reason::Malformed),
        (
            br#"{"site":"gate","start":"2026-03-02T08:00:00+08:00","count":1}"#.to_vec(),
            Reason::MissingField,
        ),
    ]);
}

#[test]
fn times_that_cannot_be() {
    let at = |start: &str| record("gate", start, r#""count":1"#);
    let until = |start: &str| {
        let rest = r#""end":"2026-03-02T07:00:00+08:00","count":1"#;
        record("gate", start, rest)
    };
    check_all(&[
        (at("2026-03-02T09:30:00+08:00"), Reason::TimeInFuture),
        (at("9999-01-01T00:00:00Z"), Reason::TimeInFuture),
        (at("1999-12-31T23:59:59Z"), Reason::TimeTooEarly),
        (at("2026-02-30T00:00:00Z"), Reason::BadTime),
        (at("2026-03-02T08:00:00"), Reason::BadTime),
        (until(NOW), Reason::IntervalReversed),
        (until("2026-03-02T05:00:00+08:00"), Reason::IntervalTooLong),
    ]);
}

#[test]
fn places_that_are_nowhere() {
    let place = |rest: &str| record("gate", NOW, &format!(r#""count":1,{rest}"#));
    check_all(&[
        (place(r#""lat":95.0,"lng":10.0"#), Reason::BadCoordinate),
        (place(r#""lat":5.0"#), Reason::BadCoordinate),
        (place(r#""lat":5.0,"lng":181"#), Reason::BadCoordinate),
        (
            record("nobody-knows", NOW, r#""count":1"#),
            Reason::UnknownSite,
        ),
        (
            record("nowhere", NOW, r#""count":1"#),
            Reason::UnlocatableSite,
        ),
    ]);
}

#[test]
fn what_could_identify_a_person_is_not_kept() {
    let with = |rest: &str| record("gate", NOW, &format!(r#""count":1,{rest}"#));
    check_all(&[
        (with(r#""phone":"13800000000""#), Reason::PersonalData),
        (with(r#""id_card":"x""#), Reason::PersonalData),
        (
            br#"{"site":"gate","plate":"A12"#.to_vec(),
            Reason::PersonalData,
        ),
    ]);
}

#[test]
fn ten_megabytes_are_one_rejection() {
    let mut bytes = record("gate", "2026-03-02T08:00:00+08:00", r#""count":1"#);
    bytes.resize(10_000_000, b' ');
    check(Some(&bytes), Reason::TooLarge);
}

#[test]
fn an_unknown_feed_is_rejected_record_by_record() {
    let named = br#"{"passport":"x"}"#.as_slice();
    let (rejected, summary) = ingest("tram", &[Some(GOOD.as_bytes()), None, Some(named)]);
    assert!(
        rejected[..2]
            .iter()
            .all(|row| row.reason == Reason::UnknownFeed)
    );
    assert_eq!(rejected[0].bytes.as_deref(), Some(GOOD.as_bytes()));
    assert_eq!(
        (rejected[2].reason, &rejected[2].bytes),
        (Reason::PersonalData, &None)
    );
    assert_eq!((summary.received, summary.rejected), (3, 3));
}

#[test]
fn a_ragged_table_is_read_row_by_row() {
    let table = "\u{feff} Site , At ,N \r\n\
                 gate,2026-03-02 08:00,7\r\n\
                 gate,2026-03-02 08:05\r\n\
                 gate,2026-03-02 08:10,x\r\n\
                 gate,2026-03-02 08:15,9,,\r\n";
    let (rejected, summary) = ingest("table", &[Some(table.as_bytes())]);
    let reasons: Vec<(i32, Reason)> = rejected
        .iter()
        .map(|row| (row.position.row, row.reason))
        .collect();
    assert_eq!(summary.received, 4, "{reasons:?}");
    assert_eq!(summary.counted + summary.rejected, 4);
    assert!(reasons.iter().any(|(row, _)| *row == 2), "{reasons:?}");
    for row in &rejected {
        let bytes = row.bytes.as_deref().unwrap();
        assert!(
            bytes.windows(5).any(|part| part == b" Site"),
            "the header comes with the row"
        );
    }
    assert!(summary.counted >= 1);
}

#[test]
fn a_row_without_a_place_keeps_its_own_bytes() {
    let table = "Site,At,N\n\
                 gate,2026-03-02 08:00,7\n\
                 nobody,2026-03-02 08:05,8\n\
                 gate,2026-03-02 08:10,9\n\
                 nowhere,2026-03-02 08:15,9\n";
    let (rejected, summary) = ingest("table", &[Some(table.as_bytes())]);
    let kept: Vec<(i32, Reason, &str)> = rejected
        .iter()
        .map(|row| {
            let bytes = row.bytes.as_deref().unwrap();
            (row.position.row, row.reason, str::from_utf8(bytes).unwrap())
        })
        .collect();
    let expected = [
        (
            1,
            Reason::UnknownSite,
            "Site,At,N\nnobody,2026-03-02 08:05,8",
        ),
        (
            3,
            Reason::UnlocatableSite,
            "Site,At,N\nnowhere,2026-03-02 08:15,9",
        ),
    ];
    assert_eq!(kept, expected);
    assert_eq!((summary.counted, summary.rejected), (2, 2));
}

/// As rejected records do: with the bytes a late record can be sent again, and a duplicate compared
/// with the first.
#[test]
fn late_and_duplicate_records_keep_their_own_bytes() {
    let early = record("gate", "2026-03-01T08:00:00+08:00", r#""id":"a","count":1"#);
    let now = record("gate", "2026-03-02T08:00:00+08:00", r#""id":"b","count":1"#);
    let table = b"Site,At,N\ngate,2026-03-02 08:00,7\ngate,2026-03-01 08:00,5\n".to_vec();
    let latest = tidegate_model::parse_rfc3339(LATEST).unwrap();
    let mut runtime = block_on(Runtime::new(pipeline(), Mode::Stream)).unwrap();
    for (feed, messages) in [("gate", vec![&now, &early, &now]), ("table", vec![&table])] {
        let feed = FeedId::new(feed);
        runtime.assign(&feed, 0).unwrap();
        let mut payloads = Vec::new();
        for (bytes, offset) in messages.into_iter().zip(0..) {
            payloads.push(Payload {
                position: Position {
                    partition: 0,
                    offset,
                    row: 0,
                },
                bytes: Some(bytes),
                arrived: None,
            });
        }
        block_on(runtime.ingest(&feed, 0, &payloads, latest)).unwrap();
    }
    let (mut late, mut duplicate) = (Vec::new(), Vec::new());
    while let Some(event) = runtime.poll_event() {
        match event {
            Event::Late { bytes, .. } => late.extend(bytes),
            Event::Duplicate { bytes, .. } => duplicate.extend(bytes),
            _ => {}
        }
    }
    let row = b"Site,At,N\ngate,2026-03-01 08:00,5".to_vec();
    assert_eq!(late, [Some(early), Some(row)]);
    assert_eq!(duplicate, [Some(now)]);
}

#[test]
fn an_event_after_its_arrival_does_not_close_windows() {
    let far = record("gate", "2026-03-09T08:00:00+08:00", r#""count":1"#);
    let (rejected, summary) = ingest(
        "gate",
        &[Some(GOOD.as_bytes()), Some(&far), Some(GOOD.as_bytes())],
    );
    assert_eq!(rejected[0].reason, Reason::TimeInFuture);
    assert_eq!((summary.counted, summary.late), (2, 0));
}

/// How long a broker may take for anything: it shares its cores with other tests.
const WITHIN: Duration = Duration::from_mins(1);

/// Bytes that no compression makes smaller: the high bytes of Knuth's MMIX generator.
fn noise(len: usize) -> Vec<u8> {
    let states = std::iter::successors(Some(1_u64), |state| {
        let state = state.wrapping_mul(6_364_136_223_846_793_005);
        Some(state.wrapping_add(1_442_695_040_888_963_407))
    });
    states
        .take(len)
        .map(|state| state.to_be_bytes()[0])
        .collect()
}

/// A pipeline with one feed, whose topic has the feed's name.
fn write_pipeline(folder: &Path, feed: &str) {
    let files = [
        (
            "pipeline.toml",
            "name = \"bad-input\"\n[[window]]\nname = \"w\"\nsize = \"5m\"\n",
        ),
        (
            &format!("feeds/{feed}.toml"),
            &format!("format = \"json\"\ntopic = \"{feed}\"\nunknown_site = \"accept\"\n"),
        ),
        (
            "windows/w.sql",
            "SELECT site_id, sum(count) AS persons FROM observation GROUP BY site_id",
        ),
    ];
    for (path, text) in files {
        write_file(folder, path, text);
    }
}

/// Sends `payloads` to a new topic of one partition that takes large ones.
fn send(bootstrap: &str, topic: &str, payloads: &[Option<&[u8]>]) {
    let mut sink = KafkaSink::connect(bootstrap, &Properties::new()).unwrap();
    let spec = TopicSpec {
        name: topic,
        partitions: 1,
        retention: Retention::Forever,
        message_bytes_max: Some(16 << 20),
    };
    sink.ensure_topics(&[spec]).unwrap();
    for payload in payloads {
        sink.send(topic, Some(0), None, *payload, None).unwrap();
    }
    sink.flush(WITHIN).unwrap();
}

#[test]
fn ten_megabytes_and_a_tombstone_go_through_a_real_kafka() {
    let Some(bootstrap) = real_kafka() else {
        return;
    };
    let topic = "tidegate.rejected";
    let feed = format!("bad-input-{}", std::process::id());
    let folder = tempfile::tempdir().unwrap();
    write_pipeline(folder.path(), &feed);
    let big = noise(10_000_000);
    // Old enough for any clock.
    let good = record("gate", "2024-03-01T08:00:00+08:00", r#""count":7"#);
    send(&bootstrap, &feed, &[Some(&big), None, Some(&good)]);

    let inspector = Inspector::new(&bootstrap);
    let before = inspector.ends(topic, WITHIN).unwrap();
    let folder = folder.path().to_str().unwrap();
    let caught_up = "--until-caught-up";
    let text = stdout([
        "run",
        folder,
        "--bootstrap",
        &bootstrap,
        caught_up,
        "--json",
    ]);
    let rows: Vec<serde_json::Value> = inspector
        .read_committed(topic, &before, WITHIN)
        .unwrap()
        .iter()
        .map(|record| serde_json::from_slice(record.value.as_deref().unwrap()).unwrap())
        // Other tests may reject at the same time.
        .filter(|row: &serde_json::Value| row["feed"] == feed)
        .collect();

    let reasons: Vec<_> = rows
        .iter()
        .map(|row| (row["source_offset"].as_i64(), row["reason"].as_str()))
        .collect();
    let expected = [(Some(0), Some("too_large")), (Some(1), Some("tombstone"))];
    assert_eq!(reasons, expected);
    let bytes = rows[0]["bytes"].as_str().expect("large ones are kept");
    let whole = BASE64_STANDARD.decode(bytes).unwrap() == big;
    assert!(whole, "other bytes than were sent are in the topic");
    assert!(rows[1]["bytes"].is_null(), "a tombstone has no bytes");

    let summary: serde_json::Value = serde_json::from_str(&text).unwrap();
    let parts = [
        "payloads",
        "received",
        "counted",
        "late",
        "duplicate",
        "rejected",
    ];
    let parts = parts.map(|part| summary[part].as_u64().unwrap());
    assert_eq!(parts, [3, 3, 1, 0, 0, 2], "{text}");
    let by_reason = serde_json::json!({"too_large": 1, "tombstone": 1});
    assert_eq!(summary["feeds"][&feed]["rejected"], by_reason, "{text}");
}

/// A broker that compacts a feed's topic removes counts before anybody has read them.
#[test]
fn a_compacted_feed_is_refused_unless_it_is_allowed() {
    let Some(bootstrap) = real_kafka() else {
        return;
    };
    let feed = format!("compacted-{}", std::process::id());
    let sink = KafkaSink::connect(&bootstrap, &Properties::new()).unwrap();
    let spec = (feed.as_str(), 1, Retention::Compact);
    sink.ensure_topics(&[spec]).unwrap();
    let folder = tempfile::tempdir().unwrap();
    write_pipeline(folder.path(), &feed);
    let folder = folder.path().to_str().unwrap();
    let run = |more: &[&str]| {
        let args = ["run", folder, "--bootstrap", &bootstrap];
        let output = Command::new(binary())
            .args(args)
            .args(more)
            .output()
            .unwrap();
        let said = String::from_utf8(output.stderr).unwrap();
        (output.status.code(), said)
    };
    for mode in [&["--until-caught-up"][..], &[]] {
        let (code, said) = run(mode);
        assert_eq!(code, Some(1), "{said}");
        assert!(
            said.contains(&feed) && said.contains("--allow-compacted"),
            "{said}"
        );
    }
    let (code, said) = run(&["--until-caught-up", "--allow-compacted"]);
    assert_eq!(code, Some(0), "{said}");
}
