//! Tries to break the second reading: ranges of many partitions in any order, ranges that overlap or
//! go back, gaps of transactions, and logs that do not hold what is asked for.

use std::time::Instant;

use rdkafka::ClientConfig;
use rdkafka::producer::{BaseProducer, BaseRecord, Producer};
use tidegate_model::FeedId;

use crate::client::Properties;
use crate::real_kafka::{LONG, real_kafka, sink, topic, unique};
use crate::{ConnectError, EmbeddedBroker, ErrorKind, RangeReader, read_progress, trim_progress};

fn feed() -> FeedId {
    FeedId::new("f")
}

fn open(bootstrap: &str, topic: &str) -> RangeReader {
    let topics = vec![(feed(), topic.to_owned())];
    RangeReader::open(bootstrap, topics, &Properties::new()).unwrap()
}

fn fill(bootstrap: &str, topic: &str, partition: i32, count: i64) {
    let mut sink = sink(bootstrap);
    for value in 0..count {
        let value = value.to_string();
        sink.send(topic, Some(partition), None, Some(value.as_bytes()), None)
            .unwrap();
    }
    sink.flush(LONG).unwrap();
}

/// The values of a range.
fn read(
    reader: &mut RangeReader,
    partition: i32,
    range: std::ops::Range<i64>,
) -> Result<Vec<i64>, ConnectError> {
    let mut values = Vec::new();
    reader.read(&feed(), partition, range.clone(), &mut |batch| {
        assert_eq!(batch.partition(), partition);
        for payload in batch.iter() {
            assert!(range.contains(&payload.position.offset));
            let text = std::str::from_utf8(payload.bytes.unwrap()).unwrap();
            values.push(text.parse().unwrap());
        }
    })?;
    Ok(values)
}

fn check(reader: &mut RangeReader, partition: i32, range: std::ops::Range<i64>) {
    let expected: Vec<i64> = range.clone().collect();
    assert_eq!(read(reader, partition, range).unwrap(), expected);
}

#[test]
fn ranges_come_whole_in_any_order() {
    let broker = EmbeddedBroker::start(&[("a", 3)]).unwrap();
    for partition in 0..3 {
        fill(broker.bootstrap(), "a", partition, 1000);
    }
    let mut reader = open(broker.bootstrap(), "a");
    for step in 0..10 {
        for partition in 0..3 {
            check(&mut reader, partition, step * 100..step * 100 + 100);
        }
    }
    // Again, back, ahead, overlapping, one, none, all, and up to the end.
    for range in [
        0..10,
        0..10,
        500..600,
        550..560,
        3..4,
        9..9,
        0..1000,
        999..1000,
    ] {
        check(&mut reader, 1, range);
    }
}

#[test]
fn more_partitions_than_are_fetched_ahead() {
    let broker = EmbeddedBroker::start(&[("a", 70)]).unwrap();
    for partition in 0..70 {
        fill(broker.bootstrap(), "a", partition, 20);
    }
    let mut reader = open(broker.bootstrap(), "a");
    for half in 0..2 {
        for partition in 0..70 {
            check(&mut reader, partition, half * 10..half * 10 + 10);
        }
    }
}

#[test]
fn what_the_log_does_not_hold_is_an_error() {
    let broker = EmbeddedBroker::start(&[("a", 1)]).unwrap();
    fill(broker.bootstrap(), "a", 0, 10);
    let mut reader = open(broker.bootstrap(), "a");
    check(&mut reader, 0, 0..5);
    for range in [5..11, 10..12, 20..30, -3..2] {
        let error = read(&mut reader, 0, range.clone()).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::LogOvertaken, "{range:?} {error}");
    }
    // It goes on after an error.
    check(&mut reader, 0, 5..10);
    let error = reader.read(&FeedId::new("g"), 0, 0..1, &mut |_| {});
    assert!(error.unwrap_err().to_string().contains("feed g"));
    let missing = vec![(feed(), "nowhere".to_owned())];
    let error = RangeReader::open(broker.bootstrap(), missing, &Properties::new()).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::TopicMissing);
}

/// Two transactions of three records each, an aborted one between them, and marks: offsets 0-2, 3;
/// 4-6, 7; 8-10, 11.
#[test]
fn marks_and_aborted_records_are_passed_over() {
    let Some(bootstrap) = real_kafka() else {
        return;
    };
    let topic = topic(&bootstrap, "marks", 1);
    let producer: BaseProducer = ClientConfig::new()
        .set("bootstrap.servers", &bootstrap)
        .set("transactional.id", unique("t"))
        .create()
        .unwrap();
    producer.init_transactions(LONG).unwrap();
    for (first, commit) in [(0, true), (4, false), (8, true)] {
        producer.begin_transaction().unwrap();
        for value in first..first + 3 {
            let value = value.to_string();
            let record = BaseRecord::<(), _>::to(&topic).partition(0).payload(&value);
            producer.send(record).map_err(|(error, _)| error).unwrap();
        }
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
    let cut = [0, 1, 3, 4, 6, 8, 9, 11, 12];
    for first in 0..cut.len() {
        for last in first + 1..cut.len() {
            let mut reader = open(&bootstrap, &topic);
            // Adjacent ranges between every two cuts.
            for pair in cut[first..=last].windows(2) {
                let expected: Vec<i64> = (pair[0]..pair[1])
                    .filter(|o| [0, 1, 2, 8, 9, 10].contains(o))
                    .collect();
                assert_eq!(read(&mut reader, 0, pair[0]..pair[1]).unwrap(), expected);
            }
        }
    }
}

#[test]
fn a_log_trimmed_since_is_an_error() {
    let Some(bootstrap) = real_kafka() else {
        return;
    };
    let topic = topic(&bootstrap, "trimmed", 1);
    fill(&bootstrap, &topic, 0, 100);
    let mut reader = open(&bootstrap, &topic);
    check(&mut reader, 0, 0..10);
    trim_progress(&bootstrap, &topic, 0, 50, &Properties::new()).unwrap();
    let error = read(&mut reader, 0, 20..60).unwrap_err();
    let told = matches!(
        error,
        ConnectError::LogOvertaken {
            wanted: 20,
            earliest: Some(50),
            ..
        }
    );
    assert!(told, "{error}");
    check(&mut reader, 0, 50..100);
    // And when the log overtakes it while nobody reads.
    trim_progress(&bootstrap, &topic, 0, 100, &Properties::new()).unwrap();
    fill(&bootstrap, &topic, 0, 100);
    let error = read(&mut reader, 0, 60..70).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::LogOvertaken, "{error}");
    assert_eq!(read(&mut reader, 0, 100..200).unwrap().len(), 100);
}

/// Small steps that alternate, as a restore reads them: no call may cost a connection or a wait.
#[test]
fn adjacent_ranges_are_fast() {
    let Some(bootstrap) = real_kafka() else {
        return;
    };
    let topic = topic(&bootstrap, "fast", 8);
    for partition in 0..8 {
        fill(&bootstrap, &topic, partition, 50_000);
    }
    let mut reader = open(&bootstrap, &topic);
    let started = Instant::now();
    for step in 0..500 {
        for partition in 0..8 {
            check(&mut reader, partition, step * 100..step * 100 + 100);
        }
    }
    eprintln!("4,000 ranges, 400,000 records in {:?}", started.elapsed());
    assert_eq!(reader.starts(), 8, "each partition is started once");
}
