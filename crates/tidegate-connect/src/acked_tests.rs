//! Tries to break the acknowledged sink: answers that belong to another record, a broker that goes
//! away and comes back before or after a record is given up, and records that can never be stored.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use tokio::runtime::{Builder, Runtime};

use crate::client::Properties;
use crate::real_kafka::{LONG, real_kafka, unique};
use crate::{
    AckedRecord, AckedSink, ConnectError, Disposition, EmbeddedBroker, Ends, ErrorKind,
    InspectedRecord, Inspector, Retention,
};

fn properties(pairs: &[(&str, &str)]) -> Properties {
    let owned = |(name, value): &(&str, &str)| ((*name).to_owned(), (*value).to_owned());
    pairs.iter().map(owned).collect()
}

fn runtime() -> Runtime {
    Builder::new_multi_thread().enable_all().build().unwrap()
}

fn record<'a>(topic: &'a str, key: &'a str, value: &'a str) -> AckedRecord<'a> {
    AckedRecord {
        topic,
        key: Some(key.as_bytes()),
        value: value.as_bytes(),
        headers: &[("made-by", b"test")],
        timestamp_ms: Some(1_700_000_000_000),
    }
}

fn stored(bootstrap: &str, topic: &str) -> Vec<InspectedRecord> {
    Inspector::new(bootstrap)
        .read_committed(topic, &Ends::new(), LONG)
        .unwrap()
}

fn values(bootstrap: &str, topic: &str) -> Vec<String> {
    let text = |r: InspectedRecord| String::from_utf8(r.value.unwrap()).unwrap();
    stored(bootstrap, topic).into_iter().map(text).collect()
}

/// Many tasks at once, and each must be told where its own record stands.
fn every_answer_is_of_its_own_record(bootstrap: &str, topic: &str) {
    let sink = Arc::new(AckedSink::connect(bootstrap, &Properties::new()).unwrap());
    sink.ensure_topics(&[(topic, 3, Retention::Broker)])
        .unwrap();
    let told = runtime().block_on(async {
        let mut tasks = tokio::task::JoinSet::new();
        for i in 0..500 {
            let sink = Arc::clone(&sink);
            let topic = topic.to_owned();
            tasks.spawn(async move {
                let value = format!("v{i}");
                let key = format!("k{}", i % 7);
                let position = sink.send(record(&topic, &key, &value)).await.unwrap();
                (position.partition, position.offset, key, value)
            });
        }
        tasks.join_all().await
    });
    let told: BTreeSet<_> = told.into_iter().collect();
    assert_eq!(told.len(), 500);
    let found: BTreeSet<_> = stored(bootstrap, topic)
        .into_iter()
        .map(|r| {
            assert_eq!(r.timestamp_ms, Some(1_700_000_000_000));
            let text = |bytes: Option<Vec<u8>>| String::from_utf8(bytes.unwrap()).unwrap();
            (r.partition, r.offset, text(r.key), text(r.value))
        })
        .collect();
    assert_eq!(told, found);
    assert_eq!(sink.waiting(), 0);
}

#[test]
fn answers_are_right_with_the_embedded_broker() {
    let broker = EmbeddedBroker::start(&[("t", 3)]).unwrap();
    every_answer_is_of_its_own_record(broker.bootstrap(), "t");
}

#[test]
fn answers_are_right_with_a_real_kafka() {
    if let Some(bootstrap) = real_kafka() {
        every_answer_is_of_its_own_record(&bootstrap, &unique("acked"));
    }
}

#[test]
fn records_begun_in_order_are_stored_in_order() {
    let broker = EmbeddedBroker::start(&[("t", 1)]).unwrap();
    let sink = AckedSink::connect(broker.bootstrap(), &Properties::new()).unwrap();
    let offsets: Vec<i64> = runtime().block_on(async {
        let mut pending = Vec::new();
        for i in 0..300 {
            pending.push(
                sink.begin(record("t", "k", &format!("v{i}")))
                    .await
                    .unwrap(),
            );
        }
        let mut offsets = Vec::new();
        for record in pending {
            offsets.push(sink.acknowledged(record).await.unwrap().offset);
        }
        offsets
    });
    assert_eq!(offsets, (0..300).collect::<Vec<_>>());
    let expected: Vec<String> = (0..300).map(|i| format!("v{i}")).collect();
    assert_eq!(values(broker.bootstrap(), "t"), expected);
}

#[test]
fn a_broker_that_comes_back_in_time_gets_the_record_once() {
    let broker = EmbeddedBroker::start(&[("t", 1)]).unwrap();
    let sink = AckedSink::connect(broker.bootstrap(), &Properties::new()).unwrap();
    runtime().block_on(async {
        broker.go_away().unwrap();
        let pending = sink.begin(record("t", "k", "kept")).await.unwrap();
        let mut waiting = Box::pin(sink.acknowledged(pending));
        let early = tokio::time::timeout(Duration::from_millis(300), &mut waiting).await;
        assert!(early.is_err(), "acknowledged by nobody: {early:?}");
        broker.come_back().unwrap();
        assert_eq!(waiting.await.unwrap().offset, 0);
    });
    assert_eq!(values(broker.bootstrap(), "t"), ["kept"]);
}

#[test]
fn a_record_that_is_given_up_can_be_sent_again() {
    let broker = EmbeddedBroker::start(&[("t", 1)]).unwrap();
    let short = properties(&[("delivery.timeout.ms", "500")]);
    let sink = AckedSink::connect(broker.bootstrap(), &short).unwrap();
    runtime().block_on(async {
        broker.go_away().unwrap();
        let error = sink.send(record("t", "k", "lost")).await.unwrap_err();
        assert!(
            matches!(error, ConnectError::Unacknowledged { .. }),
            "{error}"
        );
        assert_eq!(error.disposition(), Disposition::Retry);
        assert!(error.to_string().contains("topic t"), "{error}");
        broker.come_back().unwrap();
        // Nothing was ever on its way before the connection is back, so only the last one is stored.
        while let Err(error) = sink.send(record("t", "k", "again")).await {
            assert_eq!(error.disposition(), Disposition::Retry, "{error}");
        }
    });
    assert_eq!(values(broker.bootstrap(), "t"), ["again"]);
}

#[test]
fn records_that_can_never_be_stored_are_told_apart() {
    let broker = EmbeddedBroker::start(&[("t", 1)]).unwrap();
    let small = properties(&[
        ("message.max.bytes", "2000"),
        ("delivery.timeout.ms", "2000"),
    ]);
    let sink = AckedSink::connect(broker.bootstrap(), &small).unwrap();
    let large = "x".repeat(4000);
    let error = runtime()
        .block_on(sink.send(record("t", "k", &large)))
        .unwrap_err();
    assert!(
        matches!(
            &error,
            ConnectError::RecordTooLarge { bytes: 4001, limit: 2000, topic } if topic == "t"
        ),
        "{error:?}"
    );
    assert_eq!(error.disposition(), Disposition::Halt);
}

#[test]
fn a_full_queue_makes_senders_wait() {
    let broker = EmbeddedBroker::start(&[("t", 1)]).unwrap();
    let one = properties(&[("queue.buffering.max.messages", "1")]);
    let sink = AckedSink::connect(broker.bootstrap(), &one).unwrap();
    runtime().block_on(async {
        broker.go_away().unwrap();
        let first = sink.begin(record("t", "k", "1")).await.unwrap();
        let mut second = Box::pin(sink.begin(AckedRecord {
            value: b"2",
            ..record("t", "k", "")
        }));
        let early = tokio::time::timeout(Duration::from_millis(100), &mut second).await;
        assert!(early.is_err(), "the queue of one took two");
        broker.come_back().unwrap();
        let second = second.await.unwrap();
        assert_eq!(sink.acknowledged(first).await.unwrap().offset, 0);
        assert_eq!(sink.acknowledged(second).await.unwrap().offset, 1);
    });
}

#[test]
fn no_broker_is_an_error_with_its_address() {
    let given = properties(&[("acks", "1")]);
    let error = AckedSink::connect("127.0.0.1:1", &given).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Configuration);
}
