//! Tries to break the Kafka side against the embedded broker: order and completeness over several
//! partitions, back-pressure, a log that overtakes the reader, a broker that is not there or goes
//! away, and messages that outlive their source.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use tidegate_model::FeedId;

use crate::client::Properties;
use crate::{
    ConnectError, Disposition, EmbeddedBroker, ErrorKind, KafkaSink, KafkaSource, Retention,
    SourceConfig, SourceEvent, Stop, drain_count,
};

const LONG: Duration = Duration::from_secs(30);

fn sink(broker: &EmbeddedBroker) -> KafkaSink {
    let properties = Properties::from([("linger.ms".to_owned(), "2".to_owned())]);
    KafkaSink::connect(broker.bootstrap(), &properties).unwrap()
}

fn config(broker: &EmbeddedBroker, topics: &[&str], stop: Stop) -> SourceConfig {
    let topics = topics
        .iter()
        .map(|topic| (FeedId::new(&format!("feed-{topic}")), (*topic).to_owned()))
        .collect();
    SourceConfig::new(broker.bootstrap(), topics, stop)
}

/// What was read: values by feed and partition in the order given, and the ends that were told.
#[derive(Debug, Default, PartialEq)]
struct Read {
    values: BTreeMap<(String, i32), Vec<Option<String>>>,
    ends: BTreeMap<(String, i32), i64>,
}

impl Read {
    fn take(&mut self, event: SourceEvent) -> bool {
        match event {
            SourceEvent::Batch(batch) => {
                let key = (batch.feed().to_string(), batch.partition());
                let values = self.values.entry(key).or_default();
                let mut offset = batch.first_offset();
                assert!(!batch.is_empty());
                for payload in batch.iter() {
                    assert_eq!(payload.position.partition, batch.partition());
                    assert_eq!(payload.position.offset, offset);
                    offset += 1;
                    values.push(
                        payload
                            .bytes
                            .map(|b| String::from_utf8(b.to_vec()).unwrap()),
                    );
                }
                assert_eq!(batch.last_offset() + 1, offset);
            }
            SourceEvent::CaughtUp {
                feed,
                partition,
                offset,
            } => {
                self.ends.insert((feed.to_string(), partition), offset);
            }
            SourceEvent::Added { partition, .. } => panic!("added: {partition}"),
            SourceEvent::Stalled { what } => panic!("stalled: {what}"),
            SourceEvent::Ended => return false,
        }
        true
    }

    fn count(&self) -> usize {
        self.values.values().map(Vec::len).sum()
    }
}

fn read_to_end(source: &mut KafkaSource) -> Result<Read, ConnectError> {
    let mut read = Read::default();
    while let Some(event) = source.next(LONG)? {
        if !read.take(event) {
            return Ok(read);
        }
    }
    panic!("nothing came in {LONG:?}; had {read:?}");
}

#[test]
fn every_partition_comes_whole_and_in_order() {
    let broker = EmbeddedBroker::start(&[("a", 3), ("b", 1), ("empty", 2)]).unwrap();
    let mut sink = sink(&broker);
    for i in 0..3000 {
        let value = format!("v{i}");
        sink.send(
            "a",
            Some(i % 3),
            None,
            Some(value.as_bytes()),
            Some(1000 + i64::from(i)),
        )
        .unwrap();
        if i < 10 {
            sink.send("b", None, Some(b"key"), Some(value.as_bytes()), None)
                .unwrap();
        }
    }
    sink.flush(LONG).unwrap();
    assert_eq!(sink.waiting(), 0);

    let mut source =
        KafkaSource::open(config(&broker, &["a", "b", "empty"], Stop::CaughtUp)).unwrap();
    let partitions: Vec<(String, i32)> = source
        .partitions()
        .iter()
        .map(|(feed, p)| (feed.to_string(), *p))
        .collect();
    let expected = [
        ("feed-a", 0),
        ("feed-a", 1),
        ("feed-a", 2),
        ("feed-b", 0),
        ("feed-empty", 0),
        ("feed-empty", 1),
    ];
    assert_eq!(partitions, expected.map(|(f, p)| (f.to_owned(), p)));

    let read = read_to_end(&mut source).unwrap();
    for partition in 0..3 {
        let expected: Vec<_> = (0..1000)
            .map(|i| Some(format!("v{}", i * 3 + partition)))
            .collect();
        assert_eq!(read.values[&("feed-a".to_owned(), partition)], expected);
    }
    assert_eq!(read.values[&("feed-b".to_owned(), 0)].len(), 10);
    let ends: Vec<i64> = read.ends.values().copied().collect();
    assert_eq!(ends, [1000, 1000, 1000, 10, 0, 0]);
    // The end stays the end.
    assert!(matches!(source.next(LONG), Ok(Some(SourceEvent::Ended))));

    let drained = drain_count(broker.bootstrap(), "b").unwrap();
    assert_eq!((drained.records, drained.bytes), (10, 20));
}

#[test]
fn caught_up_ends_where_the_log_ended_at_open() {
    let broker = EmbeddedBroker::start(&[("a", 1)]).unwrap();
    let mut sink = sink(&broker);
    let mut send = |count: i32| {
        for _ in 0..count {
            sink.send("a", Some(0), None, Some(b"x"), None).unwrap();
        }
        sink.flush(LONG).unwrap();
    };
    send(5);
    let mut source = KafkaSource::open(config(&broker, &["a"], Stop::CaughtUp)).unwrap();
    send(7);
    assert_eq!(read_to_end(&mut source).unwrap().count(), 5);
}

#[test]
fn tombstones_empty_values_timestamps_and_keys() {
    let broker = EmbeddedBroker::start(&[("a", 1)]).unwrap();
    let mut sink = sink(&broker);
    sink.send("a", None, Some(b"k"), None, Some(1_500)).unwrap();
    sink.send("a", None, Some(b"k"), Some(b""), Some(2_500))
        .unwrap();
    sink.send("a", None, None, Some(b"\xff\x00"), Some(2_000))
        .unwrap();
    sink.flush(LONG).unwrap();
    let mut source = KafkaSource::open(config(&broker, &["a"], Stop::CaughtUp)).unwrap();
    loop {
        if let SourceEvent::Batch(batch) = source.next(LONG).unwrap().unwrap() {
            let payloads: Vec<_> = batch
                .iter()
                .map(|p| (p.bytes, p.arrived.unwrap().micros()))
                .collect();
            let expected: [(Option<&[u8]>, i64); 3] = [
                (None, 1_500_000),
                (Some(b""), 2_500_000),
                (Some(b"\xff\x00"), 2_000_000),
            ];
            assert_eq!(payloads, expected);
            assert_eq!(batch.latest_timestamp_ms(), Some(2_500));
            break;
        }
    }
}

#[test]
fn batches_outlive_their_source() {
    let broker = EmbeddedBroker::start(&[("a", 1)]).unwrap();
    let mut sink = sink(&broker);
    for i in 0..100 {
        sink.send("a", Some(0), None, Some(format!("{i}").as_bytes()), None)
            .unwrap();
    }
    sink.flush(LONG).unwrap();
    let mut source = KafkaSource::open(config(&broker, &["a"], Stop::Never)).unwrap();
    let batch = loop {
        if let Some(SourceEvent::Batch(batch)) = source.next(LONG).unwrap() {
            break batch;
        }
    };
    drop(source);
    drop(broker);
    // Read and freed on another thread, after its source and broker are gone.
    let text = std::thread::spawn(move || {
        let first = batch.iter().next().unwrap().bytes.unwrap().to_vec();
        String::from_utf8(first).unwrap()
    });
    assert_eq!(text.join().unwrap(), "0");
}

/// A caller that does not listen for a while: the queue fills, partitions pause right after an end
/// was consumed (where librdkafka's own position is one too far), more is written meanwhile, and
/// still every record comes once and in order.
#[test]
fn a_slow_caller_pauses_and_loses_nothing() {
    let broker = EmbeddedBroker::start(&[("a", 2)]).unwrap();
    let mut sink = sink(&broker);
    let mut config = config(&broker, &["a"], Stop::Never);
    config.batch_max = 7;
    config.queue_batches_max = 1;
    config.pause_after = Duration::from_millis(30);
    let mut source = KafkaSource::open(config).unwrap();
    let mut read = Read::default();
    let mut sent = 0;
    for round in 0..12 {
        for _ in 0..50 {
            let value = format!("{sent}");
            sink.send("a", Some(sent % 2), None, Some(value.as_bytes()), None)
                .unwrap();
            sent += 1;
        }
        sink.flush(LONG).unwrap();
        // Some rounds read to the end first, so that the pause falls on a consumed end.
        let until = if round % 3 == 0 { sent } else { sent - 60 };
        while read.count() < usize::try_from(until).unwrap() {
            assert!(read.take(source.next(LONG).unwrap().expect("records in time")));
        }
        std::thread::sleep(Duration::from_millis(80));
    }
    while read.count() < usize::try_from(sent).unwrap() {
        assert!(read.take(source.next(LONG).unwrap().expect("records in time")));
    }
    for partition in 0..2 {
        let expected: Vec<_> = (0..sent)
            .filter(|i| i % 2 == partition)
            .map(|i| Some(i.to_string()))
            .collect();
        assert_eq!(read.values[&("feed-a".to_owned(), partition)], expected);
    }
}

/// The last batch, its end and the end of all wait longer than until the pause, when there is nothing
/// left to pause.
#[test]
fn a_caller_who_is_slow_at_the_end_is_told_of_it() {
    let broker = EmbeddedBroker::start(&[("a", 1)]).unwrap();
    let mut sink = sink(&broker);
    sink.send("a", Some(0), None, Some(b"1"), None).unwrap();
    sink.flush(LONG).unwrap();
    let mut config = config(&broker, &["a"], Stop::CaughtUp);
    config.queue_batches_max = 1;
    config.pause_after = Duration::from_millis(10);
    let mut source = KafkaSource::open(config).unwrap();
    let mut read = Read::default();
    loop {
        std::thread::sleep(Duration::from_millis(150));
        if !read.take(source.next(LONG).unwrap().expect("an event in time")) {
            break;
        }
    }
    assert_eq!((read.count(), read.ends.len()), (1, 1));
}

/// More than the embedded broker keeps (5 MiB a partition) is written while nobody reads.
#[test]
fn a_log_that_overtakes_the_reader_fails_loudly() {
    let broker = EmbeddedBroker::start(&[("a", 1)]).unwrap();
    let properties = Properties::from([("compression.type".to_owned(), "none".to_owned())]);
    let mut sink = KafkaSink::connect(broker.bootstrap(), &properties).unwrap();
    let value = vec![b'x'; 100_000];
    let mut send = |count: i32| {
        for _ in 0..count {
            sink.send("a", Some(0), None, Some(&value), None).unwrap();
        }
        sink.flush(LONG).unwrap();
    };
    send(10);
    let mut config = config(&broker, &["a"], Stop::Never);
    config.batch_max = 1;
    config.queue_batches_max = 1;
    config.pause_after = Duration::from_millis(20);
    let mut source = KafkaSource::open(config).unwrap();
    std::thread::sleep(Duration::from_millis(200));
    send(120);
    let mut last = -1;
    let error = loop {
        match source.next(LONG) {
            Ok(Some(SourceEvent::Batch(batch))) => {
                assert_eq!(batch.first_offset(), last + 1, "a jump instead of an error");
                last = batch.last_offset();
            }
            Ok(Some(_)) => {}
            Ok(None) => panic!("neither records nor an error"),
            Err(error) => break error,
        }
    };
    let ConnectError::LogOvertaken {
        ref topic,
        partition,
        wanted,
        earliest,
        latest,
    } = error
    else {
        panic!("{error}")
    };
    assert_eq!((topic.as_str(), partition, wanted), ("a", 0, last + 1));
    assert!(earliest.unwrap() > wanted);
    assert_eq!(latest, Some(130));
    assert_eq!(error.kind(), ErrorKind::LogOvertaken);
    assert_eq!(error.disposition(), Disposition::Halt);
    let text = error.to_string();
    assert!(text.contains(&format!("from offset {wanted}")), "{text}");
    assert!(matches!(source.next(LONG), Err(ConnectError::SourceFailed)));
}

#[test]
fn a_missing_broker_is_named_within_the_wait() {
    // A port that was free a moment ago.
    let free = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = free.local_addr().unwrap().to_string();
    drop(free);
    let topics = vec![(FeedId::new("f"), "t".to_owned())];
    let mut config = SourceConfig::new(&address, topics, Stop::Never);
    config.reach_within = Duration::from_millis(700);
    let started = Instant::now();
    let error = KafkaSource::open(config).unwrap_err();
    assert!(started.elapsed() < Duration::from_secs(4), "{error}");
    assert!(started.elapsed() >= Duration::from_millis(700), "{error}");
    assert_eq!(error.kind(), ErrorKind::Unreachable);
    assert_eq!(error.disposition(), Disposition::Retry);
    let text = error.to_string();
    assert!(
        text.contains(&address) && text.contains("refused"),
        "{text}"
    );

    let within = Duration::from_millis(300);
    let error = KafkaSink::connect_within(&address, &Properties::new(), within).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Unreachable);
}

#[test]
fn missing_topics_are_all_named() {
    let broker = EmbeddedBroker::start(&[("here", 1)]).unwrap();
    let error = KafkaSource::open(config(&broker, &["x", "here", "y"], Stop::Never)).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::TopicMissing);
    let text = error.to_string();
    for part in [
        "topic x, y on",
        broker.bootstrap(),
        "which has here",
        "create",
    ] {
        assert!(text.contains(part), "{text}");
    }
    // Asking for them must not have made them.
    let again = KafkaSource::open(config(&broker, &["x"], Stop::Never));
    assert_eq!(again.unwrap_err().kind(), ErrorKind::TopicMissing);
}

#[test]
fn wrong_settings_are_refused() {
    let broker = EmbeddedBroker::start(&[("a", 1)]).unwrap();
    let base = config(&broker, &["a"], Stop::Never);
    let with = |change: &dyn Fn(&mut SourceConfig)| {
        let mut config = base.clone();
        change(&mut config);
        KafkaSource::open(config).unwrap_err().to_string()
    };
    let set = |name: &'static str, value: &'static str| {
        move |c: &mut SourceConfig| drop(c.properties.insert(name.to_owned(), value.to_owned()))
    };
    for (text, expected) in [
        (with(&|c| c.topics.clear()), "no topic"),
        (with(&|c| c.batch_max = 0), "batch_max 0"),
        (with(&|c| c.queue_batches_max = 0), "queue_batches_max 0"),
        (
            with(&|c| c.topics.push((FeedId::new("other"), "a".to_owned()))),
            "topic a has two feeds, feed-a and other",
        ),
        (
            with(&|c| c.topics.push((FeedId::new("feed-a"), "b".to_owned()))),
            "feed feed-a has two topics, a and b",
        ),
        (
            with(&set("auto.offset.reset", "latest")),
            "auto.offset.reset must stay \"error\"",
        ),
        (with(&set("no.such.thing", "1")), "no.such.thing"),
        (with(&set("fetch.max.bytes", "many")), "fetch.max.bytes"),
        (with(&set("bootstrap.servers", "x:1")), "bootstrap"),
    ] {
        assert!(text.contains(expected), "{text} lacks {expected}");
    }
}

#[test]
fn a_broker_that_goes_away_is_told_and_reading_goes_on() {
    let broker = EmbeddedBroker::start(&[("a", 1)]).unwrap();
    let mut sink = sink(&broker);
    let mut source = KafkaSource::open(config(&broker, &["a"], Stop::Never)).unwrap();
    sink.send("a", None, None, Some(b"before"), None).unwrap();
    sink.flush(LONG).unwrap();
    let mut before = Read::default();
    while before.count() == 0 {
        before.take(source.next(LONG).unwrap().unwrap());
    }
    broker.go_away().unwrap();
    let told = loop {
        match source.next(LONG).unwrap().expect("the outage is told") {
            SourceEvent::Stalled { what } => break what,
            SourceEvent::CaughtUp { .. } => {}
            other => panic!("{other:?}"),
        }
    };
    assert!(!told.is_empty());
    // A sink does not lose what it is given meanwhile, and says that it still waits.
    sink.send("a", None, None, Some(b"during"), None).unwrap();
    let error = sink.flush(Duration::from_millis(100)).unwrap_err();
    assert!(
        matches!(error, ConnectError::SinkBlocked { waiting: 1, .. }),
        "{error}"
    );
    assert_eq!(error.disposition(), Disposition::Retry);

    broker.come_back().unwrap();
    sink.flush(LONG).unwrap();
    loop {
        match source
            .next(LONG)
            .unwrap()
            .expect("records after the outage")
        {
            SourceEvent::Batch(batch) => {
                let values: Vec<_> = batch.iter().map(|p| p.bytes.unwrap()).collect();
                assert_eq!(values, [b"during"]);
                break;
            }
            SourceEvent::Ended | SourceEvent::Added { .. } => panic!("ended or added"),
            SourceEvent::CaughtUp { .. } | SourceEvent::Stalled { .. } => {}
        }
    }
}

#[test]
fn a_topic_deleted_while_read_is_named() {
    let broker = EmbeddedBroker::start(&[("a", 1), ("b", 1)]).unwrap();
    let mut config = config(&broker, &["a", "b"], Stop::Never);
    config.check_after = Duration::from_millis(100);
    let mut source = KafkaSource::open(config).unwrap();
    broker.forget("b").unwrap();
    let error = loop {
        match source.next(LONG) {
            Ok(event) => assert!(matches!(event, Some(SourceEvent::CaughtUp { .. }))),
            Err(error) => break error,
        }
    };
    assert_eq!(error.kind(), ErrorKind::TopicMissing);
    assert!(error.to_string().contains("topic b on"), "{error}");
}

#[test]
fn deliveries_given_up_are_counted() {
    let broker = EmbeddedBroker::start(&[("a", 1)]).unwrap();
    let properties = Properties::from([
        ("delivery.timeout.ms".to_owned(), "2000".to_owned()),
        ("linger.ms".to_owned(), "1".to_owned()),
    ]);
    let mut sink = KafkaSink::connect(broker.bootstrap(), &properties).unwrap();
    sink.send("a", None, None, Some(b"x"), None).unwrap();
    sink.flush(LONG).unwrap();
    broker.go_away().unwrap();
    for _ in 0..3 {
        sink.send("a", None, None, Some(b"x"), None).unwrap();
    }
    let error = sink.flush(LONG).unwrap_err();
    let text = error.to_string();
    assert!(
        matches!(error, ConnectError::Delivery { failed: 3, .. }),
        "{text}"
    );
    assert!(
        text.contains("topic a") && text.contains(broker.bootstrap()),
        "{text}"
    );
    // Told once.
    sink.flush(LONG).unwrap();
}

#[test]
fn a_sink_refuses_what_cannot_be_stored() {
    let broker = EmbeddedBroker::start(&[("a", 1)]).unwrap();
    let mut sink = sink(&broker);
    let large = vec![0; 17 << 20];
    let error = sink.send("a", None, None, Some(&large), None).unwrap_err();
    assert!(error.to_string().contains("topic a"), "{error}");
    sink.send("a", Some(0), None, Some(b"x"), None).unwrap();
    sink.flush(LONG).unwrap();
    let error = sink.send("a", Some(9), None, Some(b"x"), None).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::TopicMissing);
    assert!(error.to_string().contains("a partition 9"), "{error}");
}

#[test]
fn a_ten_megabyte_record_passes() {
    let broker = EmbeddedBroker::start(&[("a", 1)]).unwrap();
    let mut sink = sink(&broker);
    let large = vec![b'x'; 10 << 20];
    sink.send("a", None, None, Some(&large), None).unwrap();
    sink.flush(LONG).unwrap();
    let drained = drain_count(broker.bootstrap(), "a").unwrap();
    assert_eq!((drained.records, drained.bytes), (1, 10 << 20));
}

#[test]
fn topics_that_exist_are_fine_and_others_are_asked_for() {
    let broker = EmbeddedBroker::start(&[("a", 1)]).unwrap();
    let sink = sink(&broker);
    sink.ensure_topics(&[("a", 4, Retention::Forever)]).unwrap();
    // The embedded broker makes no topics; the refusal is an error and names them.
    let error = sink
        .ensure_topics_within(
            &[
                ("a", 1, Retention::Broker).into(),
                ("b", 1, Retention::Compact).into(),
            ],
            Duration::from_secs(1),
        )
        .unwrap_err();
    assert!(error.to_string().contains("create topics"), "{error}");
}

#[test]
fn dropping_a_source_does_not_hang() {
    let broker = EmbeddedBroker::start(&[("a", 4)]).unwrap();
    let mut sink = sink(&broker);
    for i in 0..20_000 {
        sink.send("a", Some(i % 4), None, Some(b"some bytes"), None)
            .unwrap();
    }
    sink.flush(LONG).unwrap();
    let mut config = config(&broker, &["a"], Stop::Never);
    config.batch_max = 10;
    config.queue_batches_max = 1;
    let source = KafkaSource::open(config).unwrap();
    let started = Instant::now();
    drop(source);
    assert!(started.elapsed() < Duration::from_secs(5));
}
