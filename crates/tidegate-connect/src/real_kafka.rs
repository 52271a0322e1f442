//! What tests against a real Apache Kafka share.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use crate::client::Properties;
use crate::{KafkaSink, MESSAGE_BYTES_LIMIT, Retention, TopicSpec};

pub(crate) const LONG: Duration = Duration::from_secs(30);

/// Where a real Apache Kafka listens; `None`, said aloud, without one.
pub(crate) fn real_kafka() -> Option<String> {
    let bootstrap = std::env::var("TIDEGATE_TEST_KAFKA").ok();
    if bootstrap.is_none() {
        assert!(
            std::env::var_os("CI").is_none(),
            "in CI a real Kafka must be there"
        );
        eprintln!("SKIPPED: no real Kafka; `cargo ci` starts one, or set TIDEGATE_TEST_KAFKA");
    }
    bootstrap
}

/// A name that no other test and no earlier run used.
pub(crate) fn unique(name: &str) -> String {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap();
    format!("{name}-{}-{}", std::process::id(), now.as_nanos())
}

/// Makes a topic of this number of partitions, with room for large records.
pub(crate) fn topic(bootstrap: &str, name: &str, partitions: i32) -> String {
    let topic = unique(name);
    let spec = TopicSpec {
        message_bytes_max: Some(MESSAGE_BYTES_LIMIT),
        ..(topic.as_str(), partitions, Retention::Forever).into()
    };
    sink(bootstrap).ensure_topics(&[spec]).unwrap();
    topic
}

pub(crate) fn sink(bootstrap: &str) -> KafkaSink {
    let properties = Properties::from([("linger.ms".to_owned(), "2".to_owned())]);
    KafkaSink::connect_within(bootstrap, &properties, LONG).unwrap()
}
