//! Tries to break epochs: a writer that was replaced, one that died in the middle, a member whose
//! group moved on, records that are too large or have nowhere to go, and commits without an answer.
//! What is stored is read back as committed records only. All but the flow of calls needs a real
//! Apache Kafka.

use std::time::Duration;

use rdkafka::ClientConfig;
use rdkafka::producer::{BaseProducer, BaseRecord, Producer};

use crate::client::Properties;
use crate::progress::read_progress_within;
use crate::real_kafka::{LONG, real_kafka, sink, topic, unique};
use crate::{
    ConnectError, Drained, EmbeddedBroker, EpochError, EpochSink, EpochSinkConfig, ErrorKind,
    OutRecord, Retention, TopicSpec, drain_count, read_progress, trim_progress,
};

fn open(bootstrap: &str, id: &str, topics: &[&str]) -> EpochSink {
    let topics = topics.iter().map(|topic| (*topic).to_owned()).collect();
    EpochSink::open(EpochSinkConfig::new(bootstrap, id, topics)).unwrap()
}

fn record<'a>(topic: &'a str, value: &'a [u8]) -> OutRecord<'a> {
    OutRecord {
        topic,
        partition: Some(0),
        key: None,
        value: Some(value),
        timestamp_ms: None,
    }
}

fn last(bootstrap: &str, topic: &str, n: usize) -> Vec<String> {
    read_progress(bootstrap, topic, 0, n, &Properties::new())
        .unwrap()
        .into_iter()
        .map(|record| String::from_utf8(record.value.unwrap()).unwrap())
        .collect()
}

/// What is stored; a commit is answered a moment before it can be read, which reading progress waits
/// for.
fn drained(bootstrap: &str, topic: &str) -> Drained {
    read_progress(bootstrap, topic, 0, 1, &Properties::new()).unwrap();
    drain_count(bootstrap, topic).unwrap()
}

/// A transaction that is begun, its record on the broker, and whose writer vanishes.
fn abandon(bootstrap: &str, id: &str, topic: &str, value: &str) {
    let producer: BaseProducer = ClientConfig::new()
        .set("bootstrap.servers", bootstrap)
        .set("transactional.id", id)
        .create()
        .unwrap();
    // The transaction of the one before may still be ending.
    let until = std::time::Instant::now() + LONG;
    while let Err(error) = producer.init_transactions(LONG) {
        assert!(std::time::Instant::now() < until, "{error}");
    }
    producer.begin_transaction().unwrap();
    let record = BaseRecord::<(), _>::to(topic).partition(0).payload(value);
    producer.send(record).map_err(|(error, _)| error).unwrap();
    producer.flush(LONG).unwrap();
}

#[test]
fn the_limit_is_what_the_client_is_told() {
    let told = crate::transaction::fixed("message.max.bytes").unwrap();
    assert_eq!(told, crate::MESSAGE_BYTES_LIMIT.to_string());
}

#[test]
fn a_call_that_does_not_come_back_is_left_alone() {
    let (keep, waits) = std::sync::mpsc::channel::<()>();
    let stuck = crate::transaction::bounded(Duration::from_millis(50), move || waits.recv());
    assert!(stuck.is_none());
    drop(keep);
    assert_eq!(crate::transaction::bounded(LONG, || 7), Some(7));
}

#[test]
fn the_flow_of_calls() {
    let broker = EmbeddedBroker::start(&[("a", 2), ("b", 1)]).unwrap();
    let mut epochs = open(broker.bootstrap(), "flow", &[]);
    for epoch in 0..5 {
        let value = format!("{epoch}");
        let records = [
            record("a", value.as_bytes()),
            record("b", value.as_bytes()),
            record("a", b"x"),
        ];
        epochs.commit_epoch(&records, None).unwrap();
    }
    // An epoch without records is one too.
    epochs.commit_epoch(&[], None).unwrap();
    epochs.resume_commit().unwrap();
    assert!(epochs.is_usable());
    assert_eq!(drain_count(broker.bootstrap(), "a").unwrap().records, 10);
    assert_eq!(drain_count(broker.bootstrap(), "b").unwrap().records, 5);
}

#[test]
fn wrong_settings_are_refused() {
    for (change, expected) in [
        (
            &(|c: &mut EpochSinkConfig| c.transactional_id.clear()) as &dyn Fn(&mut _),
            "must not be empty",
        ),
        (
            &|c: &mut EpochSinkConfig| c.transaction_timeout = Duration::from_millis(10),
            "10ms must be 1 s or more",
        ),
        (
            &|c: &mut EpochSinkConfig| drop(c.properties.insert("acks".to_owned(), "1".to_owned())),
            "acks must stay",
        ),
    ] {
        let mut config = EpochSinkConfig::new("127.0.0.1:1", "t", Vec::new());
        change(&mut config);
        let error = EpochSink::open(config).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Configuration);
        assert!(error.to_string().contains(expected), "{error}");
    }
}

/// The commit is not answered in time; asking on finds it done.
#[test]
fn a_commit_without_an_answer_is_asked_for_again() {
    let broker = EmbeddedBroker::start(&[("a", 1)]).unwrap();
    let mut epochs = open(broker.bootstrap(), "slow", &[]);
    epochs.commit_epoch(&[record("a", b"1")], None).unwrap();
    let delay = || broker.delay(Duration::from_secs(3)).unwrap();
    let wait = Duration::from_millis(300);
    let error = epochs
        .commit_epoch_slowly(&[record("a", b"2")], &delay, wait)
        .unwrap_err();
    assert!(matches!(error, EpochError::Uncertain { .. }), "{error}");
    assert!(error.to_string().contains("not known yet"), "{error}");
    assert!(!epochs.is_usable());
    let refused = epochs.commit_epoch(&[], None).unwrap_err();
    assert!(matches!(refused, EpochError::Fatal(_)), "{refused}");
    epochs.resume_commit().unwrap();
    assert!(epochs.is_usable());
    broker.delay(Duration::ZERO).unwrap();
    epochs.commit_epoch(&[record("a", b"3")], None).unwrap();
}

/// With the broker away the epoch is given up in bounded time.
#[test]
fn a_broker_that_is_away_ends_an_epoch_in_time() {
    let broker = EmbeddedBroker::start(&[("a", 1)]).unwrap();
    let mut config = EpochSinkConfig::new(broker.bootstrap(), "away", Vec::new());
    config.commit_within = Duration::from_secs(1);
    config.abort_within = Duration::from_secs(1);
    let mut epochs = EpochSink::open(config.clone()).unwrap();
    epochs.commit_epoch(&[record("a", b"1")], None).unwrap();
    broker.go_away().unwrap();
    // Returns at all: twice a second and what the calls take.
    let error = epochs.commit_epoch(&[record("a", b"2")], None).unwrap_err();
    assert!(matches!(error, EpochError::Rewind { .. }), "{error}");
    // Whether the sink can go on depends on whether the abort was in time.
    broker.come_back().unwrap();
    let until = std::time::Instant::now() + LONG;
    while epochs.commit_epoch(&[record("a", b"2")], None).is_err() {
        assert!(std::time::Instant::now() < until);
        if !epochs.is_usable() {
            epochs = EpochSink::open(config.clone()).unwrap();
        }
    }
}

#[test]
fn an_epoch_is_stored_whole() {
    let Some(bootstrap) = real_kafka() else {
        return;
    };
    let (out, progress) = (
        topic(&bootstrap, "out", 1),
        topic(&bootstrap, "progress", 1),
    );
    let mut epochs = open(&bootstrap, &unique("whole"), &[&out, &progress]);
    for epoch in 0..10 {
        let value = format!("{epoch}");
        let records = [
            record(&out, value.as_bytes()),
            record(&out, b"more"),
            record(&progress, value.as_bytes()),
        ];
        epochs.commit_epoch(&records, None).unwrap();
    }
    assert_eq!(last(&bootstrap, &progress, 3), ["7", "8", "9"]);
    assert_eq!(last(&bootstrap, &progress, 1000).len(), 10);
    assert_eq!(drained(&bootstrap, &out).records, 20);
    let empty = topic(&bootstrap, "empty", 1);
    assert_eq!(last(&bootstrap, &empty, 3), [""; 0]);
}

#[test]
fn a_replaced_writer_is_fenced() {
    let Some(bootstrap) = real_kafka() else {
        return;
    };
    let out = topic(&bootstrap, "out", 1);
    let id = unique("fenced");
    let mut old = open(&bootstrap, &id, &[&out]);
    old.commit_epoch(&[record(&out, b"old 1")], None).unwrap();
    let mut new = open(&bootstrap, &id, &[&out]);
    let error = old
        .commit_epoch(&[record(&out, b"old 2")], None)
        .unwrap_err();
    assert!(matches!(error, EpochError::Fenced { .. }), "{error}");
    assert!(error.to_string().contains(&id), "{error}");
    assert!(!old.is_usable());
    let again = old.commit_epoch(&[record(&out, b"old 3")], None);
    assert!(matches!(again, Err(EpochError::Fatal(_))));
    new.commit_epoch(&[record(&out, b"new 2")], None).unwrap();
    assert_eq!(last(&bootstrap, &out, 9), ["old 1", "new 2"]);
}

#[test]
fn what_a_dead_writer_left_open_is_decided_by_its_successor() {
    let Some(bootstrap) = real_kafka() else {
        return;
    };
    let progress = topic(&bootstrap, "progress", 1);
    let id = unique("dead");
    let mut epochs = open(&bootstrap, &id, &[&progress]);
    epochs
        .commit_epoch(&[record(&progress, b"1")], None)
        .unwrap();
    drop(epochs);
    abandon(&bootstrap, &id, &progress, "2, never committed");

    // Nobody opened the id yet: no answer rather than one that may be too old.
    let place = (bootstrap.as_str(), progress.as_str(), 0);
    let wait = Duration::from_millis(500);
    let error = read_progress_within(place, 1, &Properties::new(), wait).unwrap_err();
    let ConnectError::TransactionOpen { stable, end, .. } = error else {
        panic!("{error}")
    };
    assert_eq!((stable, end), (2, 3));

    let mut epochs = open(&bootstrap, &id, &[&progress]);
    assert_eq!(last(&bootstrap, &progress, 5), ["1"]);
    epochs
        .commit_epoch(&[record(&progress, b"2")], None)
        .unwrap();
    assert_eq!(last(&bootstrap, &progress, 5), ["1", "2"]);
}

/// More aborted epochs than the first look back reaches.
#[test]
fn progress_is_found_behind_aborted_epochs_and_is_trimmed() {
    let Some(bootstrap) = real_kafka() else {
        return;
    };
    let progress = topic(&bootstrap, "progress", 1);
    let id = unique("many");
    let mut epochs = open(&bootstrap, &id, &[&progress]);
    for value in ["1", "2", "3"] {
        epochs
            .commit_epoch(&[record(&progress, value.as_bytes())], None)
            .unwrap();
    }
    for _ in 0..6 {
        abandon(&bootstrap, &id, &progress, "aborted");
    }
    let mut epochs = open(&bootstrap, &id, &[&progress]);
    assert_eq!(last(&bootstrap, &progress, 2), ["2", "3"]);
    epochs
        .commit_epoch(&[record(&progress, b"4")], None)
        .unwrap();
    let properties = Properties::new();
    let records = read_progress(&bootstrap, &progress, 0, 2, &properties).unwrap();
    let [three, four] = records.as_slice() else {
        panic!("{records:?}")
    };
    assert!(three.offset < four.offset);
    for _ in 0..2 {
        // Again is no error.
        trim_progress(&bootstrap, &progress, 0, three.offset, &properties).unwrap();
    }
    assert_eq!(last(&bootstrap, &progress, 9), ["3", "4"]);
    trim_progress(&bootstrap, &progress, 0, three.offset - 1, &properties).unwrap();

    let missing = read_progress(&bootstrap, &progress, 7, 1, &properties).unwrap_err();
    assert_eq!(missing.kind(), ErrorKind::TopicMissing);
    assert!(missing.to_string().contains("partition 7"), "{missing}");
}

#[test]
fn a_record_that_is_too_large_spoils_nothing() {
    let Some(bootstrap) = real_kafka() else {
        return;
    };
    let small = unique("small");
    let spec = TopicSpec {
        message_bytes_max: Some(1 << 20),
        ..(small.as_str(), 1, Retention::Forever).into()
    };
    sink(&bootstrap).ensure_topics(&[spec]).unwrap();
    let large = topic(&bootstrap, "large", 1);
    // Random enough not to be compressed below the limit.
    let noise: Vec<u8> = (0_u32..3 << 20)
        .map(|i| i.wrapping_mul(2_654_435_761).to_le_bytes()[3] ^ (i >> 9).to_le_bytes()[0])
        .collect();

    // Known before, when the topic is named at open.
    let mut epochs = open(&bootstrap, &unique("large"), &[&small, &large]);
    let records = [record(&large, b"1"), record(&small, &noise)];
    let error = epochs.commit_epoch(&records, None).unwrap_err();
    let EpochError::Refused(ConnectError::RecordTooLarge {
        topic,
        bytes,
        limit,
    }) = error
    else {
        panic!("{error}")
    };
    assert_eq!((topic.as_str(), limit), (small.as_str(), 1 << 20));
    assert!(bytes >= noise.len());
    assert!(epochs.is_usable());
    epochs
        .commit_epoch(&[record(&large, &noise), record(&small, b"2")], None)
        .unwrap();
    assert_eq!(drained(&bootstrap, &large).records, 1);

    // By the broker, when it is not.
    let mut epochs = open(&bootstrap, &unique("large"), &[]);
    let error = epochs.commit_epoch(&records, None).unwrap_err();
    let told = matches!(
        &error,
        EpochError::Refused(ConnectError::RecordTooLarge { topic, .. }) if *topic == small
    );
    assert!(told, "{error}");
    assert!(!epochs.is_usable());
    let mut epochs = open(&bootstrap, &unique("large"), &[]);
    epochs.commit_epoch(&[record(&small, b"3")], None).unwrap();
    assert_eq!(last(&bootstrap, &small, 9), ["2", "3"]);
    assert_eq!(drained(&bootstrap, &large).records, 1);
}

/// More than brokers take unasked. Not the limit itself: each of a broker's network threads keeps
/// a buffer as large as the largest request it saw, and a small test broker dies of 64 MiB.
#[test]
fn twenty_megabytes_pass() {
    let Some(bootstrap) = real_kafka() else {
        return;
    };
    let large = topic(&bootstrap, "twenty", 1);
    let value = vec![b'x'; 20 << 20];
    let mut config = EpochSinkConfig::new(&bootstrap, &unique("twenty"), vec![large.clone()]);
    let none = ("compression.type".to_owned(), "none".to_owned());
    config.properties = Properties::from([none]);
    let mut epochs = EpochSink::open(config).unwrap();
    epochs
        .commit_epoch(&[record(&large, &value)], None)
        .unwrap();
    let drained = drained(&bootstrap, &large);
    assert_eq!((drained.records, drained.bytes), (1, 20 << 20));
}

#[test]
fn a_record_without_a_place_is_refused() {
    let Some(bootstrap) = real_kafka() else {
        return;
    };
    let out = topic(&bootstrap, "out", 1);
    let mut epochs = open(&bootstrap, &unique("nowhere"), &[&out]);
    epochs.commit_epoch(&[record(&out, b"1")], None).unwrap();
    let mut nowhere = record(&out, b"2");
    nowhere.partition = Some(5);
    let error = epochs
        .commit_epoch(&[record(&out, b"2"), nowhere], None)
        .unwrap_err();
    assert!(
        matches!(&error, EpochError::Refused(told) if told.kind() == ErrorKind::TopicMissing),
        "{error}"
    );
    assert!(error.to_string().contains("partition 5"), "{error}");
    assert!(epochs.is_usable());
    epochs.commit_epoch(&[record(&out, b"3")], None).unwrap();
    assert_eq!(last(&bootstrap, &out, 9), ["1", "3"]);
}
