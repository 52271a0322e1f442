//! Tries to break a source that goes on where another one ended: offsets that the log does not hold,
//! partitions that are gone, not wanted or added while it reads, and records that were aborted.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use rdkafka::ClientConfig;
use rdkafka::admin::{AdminClient, AdminOptions, NewPartitions};
use rdkafka::client::DefaultClientContext;
use rdkafka::producer::{BaseProducer, BaseRecord, Producer};
use tidegate_model::FeedId;

use crate::client::Properties;
use crate::real_kafka::{LONG, real_kafka, sink, topic, unique};
use crate::{
    ConnectError, EmbeddedBroker, ErrorKind, KafkaSink, KafkaSource, PartitionChoice, SourceConfig,
    SourceEvent, Stop, read_progress, trim_progress,
};

fn feed() -> FeedId {
    FeedId::new("f")
}

fn config(bootstrap: &str, topic: &str, stop: Stop) -> SourceConfig {
    SourceConfig::new(bootstrap, vec![(feed(), topic.to_owned())], stop)
}

fn fill(sink: &mut KafkaSink, topic: &str, partition: i32, values: std::ops::Range<i64>) {
    for value in values {
        let value = value.to_string();
        sink.send(topic, Some(partition), None, Some(value.as_bytes()), None)
            .unwrap();
    }
    sink.flush(LONG).unwrap();
}

/// Values by partition until the end, or until this many came.
fn read(source: &mut KafkaSource, most: usize) -> BTreeMap<i32, Vec<i64>> {
    let mut values: BTreeMap<i32, Vec<i64>> = BTreeMap::new();
    let mut count = 0;
    while count < most {
        match source.next(LONG).unwrap().expect("an event in time") {
            SourceEvent::Batch(batch) => {
                for payload in batch.iter() {
                    let text = std::str::from_utf8(payload.bytes.unwrap()).unwrap();
                    let value = text.parse().unwrap();
                    values.entry(batch.partition()).or_default().push(value);
                    count += 1;
                }
            }
            SourceEvent::Added { partition, .. } => {
                let before = values.insert(partition, Vec::new());
                assert!(before.is_none(), "records before their partition was told");
            }
            SourceEvent::CaughtUp { .. } => {}
            SourceEvent::Stalled { what } => panic!("{what}"),
            SourceEvent::Ended => break,
        }
    }
    values
}

#[test]
fn reading_goes_on_at_exact_offsets() {
    let broker = EmbeddedBroker::start(&[("a", 4)]).unwrap();
    let mut sink = sink(broker.bootstrap());
    for partition in 0..3 {
        fill(&mut sink, "a", partition, 0..10);
    }
    let mut config = config(broker.bootstrap(), "a", Stop::CaughtUp);
    config.start = BTreeMap::from([
        ((feed(), 0), 0),
        ((feed(), 1), 7),
        // At its end, and at the end of an empty one.
        ((feed(), 2), 10),
        ((feed(), 3), 0),
    ]);
    let mut source = KafkaSource::open(config).unwrap();
    let read = read(&mut source, usize::MAX);
    let expected = BTreeMap::from([(0, (0..10).collect()), (1, vec![7, 8, 9])]);
    assert_eq!(read, expected);
}

#[test]
fn an_offset_that_the_log_does_not_hold_is_an_error() {
    let broker = EmbeddedBroker::start(&[("a", 1)]).unwrap();
    let mut sink = sink(broker.bootstrap());
    fill(&mut sink, "a", 0, 0..10);
    for wanted in [11, -1, 1 << 40] {
        let mut config = config(broker.bootstrap(), "a", Stop::Never);
        config.start.insert((feed(), 0), wanted);
        let error = KafkaSource::open(config).unwrap_err();
        let ConnectError::LogOvertaken {
            wanted: told,
            earliest,
            latest,
            ..
        } = error
        else {
            panic!("{error}")
        };
        assert_eq!((told, earliest, latest), (wanted, Some(0), Some(10)));
    }
}

#[test]
fn partitions_and_feeds_that_are_not_there_are_named() {
    let broker = EmbeddedBroker::start(&[("a", 2)]).unwrap();
    let base = config(broker.bootstrap(), "a", Stop::Never);
    let with = |change: &dyn Fn(&mut SourceConfig)| {
        let mut config = base.clone();
        change(&mut config);
        KafkaSource::open(config).unwrap_err()
    };
    let error = with(&|c| c.start = BTreeMap::from([((feed(), 2), 0)]));
    assert_eq!(error.kind(), ErrorKind::TopicMissing);
    assert!(error.to_string().contains("a partition 2"), "{error}");
    let only = |partition| PartitionChoice::Only(BTreeSet::from([(feed(), partition)]));
    let error = with(&|c| c.partitions = only(5));
    assert!(error.to_string().contains("a partition 5"), "{error}");
    let error = with(&|c| c.start = BTreeMap::from([((FeedId::new("g"), 0), 0)]));
    assert_eq!(error.kind(), ErrorKind::Configuration);
    assert!(error.to_string().contains("feed g"), "{error}");
}

#[test]
fn shares_are_disjoint_and_together_everything() {
    let broker = EmbeddedBroker::start(&[("a", 5)]).unwrap();
    let shares: Vec<Vec<(FeedId, i32)>> = (0..3)
        .map(|number| {
            let mut config = config(broker.bootstrap(), "a", Stop::Never);
            config.partitions = PartitionChoice::Share { number, of: 3 };
            KafkaSource::open(config).unwrap().partitions().to_vec()
        })
        .collect();
    let of = |numbers: &[i32]| numbers.iter().map(|n| (feed(), *n)).collect::<Vec<_>>();
    assert_eq!(shares, [of(&[0, 3]), of(&[1, 4]), of(&[2])]);
    let mut config = config(broker.bootstrap(), "a", Stop::Never);
    config.partitions = PartitionChoice::Share { number: 3, of: 3 };
    let error = KafkaSource::open(config).unwrap_err();
    assert!(error.to_string().contains("share 3 of 3"), "{error}");
}

#[test]
fn only_chosen_partitions_are_read() {
    let broker = EmbeddedBroker::start(&[("a", 3)]).unwrap();
    let mut sink = sink(broker.bootstrap());
    for partition in 0..3 {
        fill(&mut sink, "a", partition, 0..5);
    }
    let mut config = config(broker.bootstrap(), "a", Stop::CaughtUp);
    config.partitions = PartitionChoice::Only(BTreeSet::from([(feed(), 1)]));
    // Of no interest here.
    config.start.insert((feed(), 2), 99);
    let mut source = KafkaSource::open(config).unwrap();
    assert_eq!(source.partitions(), [(feed(), 1)]);
    assert_eq!(source.begins(), [0]);
    let expected = BTreeMap::from([(1, (0..5).collect())]);
    assert_eq!(read(&mut source, usize::MAX), expected);
}

#[test]
fn failed_deliveries_show_without_a_flush() {
    let broker = EmbeddedBroker::start(&[("a", 1)]).unwrap();
    let properties = Properties::from([
        ("delivery.timeout.ms".to_owned(), "1000".to_owned()),
        ("linger.ms".to_owned(), "1".to_owned()),
    ]);
    let mut sink = KafkaSink::connect(broker.bootstrap(), &properties).unwrap();
    sink.check().unwrap();
    broker.go_away().unwrap();
    for _ in 0..3 {
        sink.send("a", None, None, Some(b"x"), None).unwrap();
    }
    let until = std::time::Instant::now() + LONG;
    let mut told = 0;
    while told < 3 {
        assert!(std::time::Instant::now() < until);
        match sink.check() {
            Ok(()) => std::thread::sleep(Duration::from_millis(10)),
            Err(ConnectError::Delivery { failed, first, .. }) => {
                assert!(first.contains("topic a"), "{first}");
                told += failed;
            }
            Err(error) => panic!("{error}"),
        }
    }
    // Told once.
    sink.check().unwrap();
}

#[test]
fn a_trimmed_log_stops_the_one_who_comes_back() {
    let Some(bootstrap) = real_kafka() else {
        return;
    };
    let topic = topic(&bootstrap, "trimmed", 1);
    fill(&mut sink(&bootstrap), &topic, 0, 0..100);
    trim_progress(&bootstrap, &topic, 0, 40, &Properties::new()).unwrap();
    let mut config = config(&bootstrap, &topic, Stop::CaughtUp);
    config.start.insert((feed(), 0), 39);
    let error = KafkaSource::open(config.clone()).unwrap_err();
    let told = matches!(
        error,
        ConnectError::LogOvertaken {
            wanted: 39,
            earliest: Some(40),
            latest: Some(100),
            ..
        }
    );
    assert!(told, "{error}");
    config.start.insert((feed(), 0), 40);
    let mut source = KafkaSource::open(config).unwrap();
    assert_eq!(
        read(&mut source, usize::MAX)[&0],
        (40..100).collect::<Vec<_>>()
    );
}

#[test]
fn added_partitions_are_read_from_their_first_record() {
    let Some(bootstrap) = real_kafka() else {
        return;
    };
    let topic = topic(&bootstrap, "grows", 1);
    let mut sink = sink(&bootstrap);
    fill(&mut sink, &topic, 0, 0..10);
    let mut config = config(&bootstrap, &topic, Stop::Never);
    config.grow_every = Duration::from_millis(200);
    config.start.insert((feed(), 0), 5);
    let mut source = KafkaSource::open(config.clone()).unwrap();
    assert_eq!(read(&mut source, 5)[&0], [5, 6, 7, 8, 9]);

    let admin: AdminClient<DefaultClientContext> = ClientConfig::new()
        .set("bootstrap.servers", &bootstrap)
        .create()
        .unwrap();
    let grown = [NewPartitions::new(&topic, 3)];
    let options = AdminOptions::new();
    futures_executor::block_on(admin.create_partitions(&grown, &options)).unwrap();
    // A sink that learns of the partitions as anyone does.
    let mut other = crate::real_kafka::sink(&bootstrap);
    other
        .ensure_topics(&[(topic.as_str(), 3, crate::Retention::Forever)])
        .unwrap();
    let until = std::time::Instant::now() + LONG;
    while other.send(&topic, Some(2), None, Some(b"0"), None).is_err() {
        assert!(std::time::Instant::now() < until);
        std::thread::sleep(Duration::from_millis(100));
    }
    fill(&mut other, &topic, 2, 1..2000);
    fill(&mut other, &topic, 1, 0..2000);
    fill(&mut other, &topic, 0, 10..2000);
    let all = read(&mut source, 2000 + 2000 + 1990);
    assert_eq!(all[&0], (10..2000).collect::<Vec<_>>());
    assert_eq!(all[&1], (0..2000).collect::<Vec<_>>());
    assert_eq!(all[&2], (0..2000).collect::<Vec<_>>());
    let partitions: Vec<i32> = source.partitions().iter().map(|(_, p)| *p).collect();
    assert_eq!(partitions, [0, 1, 2]);
}

#[test]
fn aborted_records_are_not_read() {
    let Some(bootstrap) = real_kafka() else {
        return;
    };
    let topic = topic(&bootstrap, "aborted", 1);
    let producer: BaseProducer = ClientConfig::new()
        .set("bootstrap.servers", &bootstrap)
        .set("transactional.id", unique("t"))
        .create()
        .unwrap();
    producer.init_transactions(LONG).unwrap();
    for (value, commit) in [("0", true), ("666", false), ("1", true), ("666", false)] {
        producer.begin_transaction().unwrap();
        let record = BaseRecord::<(), _>::to(&topic).partition(0).payload(value);
        producer.send(record).map_err(|(error, _)| error).unwrap();
        producer.flush(LONG).unwrap();
        let ended = if commit {
            producer.commit_transaction(LONG)
        } else {
            producer.abort_transaction(LONG)
        };
        ended.unwrap();
    }
    // Transactions end a moment before they can be read.
    read_progress(&bootstrap, &topic, 0, 1, &Properties::new()).unwrap();
    let mut source = KafkaSource::open(config(&bootstrap, &topic, Stop::CaughtUp)).unwrap();
    assert_eq!(read(&mut source, usize::MAX)[&0], [0, 1]);
    // On the mark behind the last record, and on the end of the log.
    for start in [6, 8] {
        let mut config = config(&bootstrap, &topic, Stop::CaughtUp);
        config.start.insert((feed(), 0), start);
        let mut source = KafkaSource::open(config).unwrap();
        assert_eq!(read(&mut source, usize::MAX), BTreeMap::new());
    }
    let mut config = config(&bootstrap, &topic, Stop::CaughtUp);
    let all = ("isolation.level".to_owned(), "read_uncommitted".to_owned());
    config.properties.extend([all]);
    let mut source = KafkaSource::open(config).unwrap();
    assert_eq!(read(&mut source, usize::MAX)[&0], [0, 666, 1, 666]);
}
