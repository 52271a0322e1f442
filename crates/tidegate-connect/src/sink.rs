//! The Kafka sink: an idempotent producer with a bounded queue.

use std::time::Duration;

use rdkafka::admin::{AdminClient, AdminOptions, NewTopic, TopicReplication};
use rdkafka::config::ClientConfig;
use rdkafka::error::KafkaError;
use rdkafka::producer::{BaseProducer, BaseRecord, Producer};
use rdkafka::types::RDKafkaErrorCode;

use crate::client::{
    Context, Deadline, Properties, REACH_WITHIN, cause, client_error, configure, find_topics,
    reach, setup_error,
};
use crate::error::ConnectError;

/// How long a topic that [`KafkaSink::ensure_topics`] makes keeps its records.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Retention {
    /// As the broker is set up.
    Broker,
    /// Every record, without limit.
    Forever,
    /// Records of this age and younger.
    For(Duration),
    /// The latest record of each key.
    Compact,
}

/// librdkafka settings that a user may change.
const DEFAULTS: &[(&str, &str)] = &[
    ("client.id", "tidegate-sink"),
    ("linger.ms", "20"),
    ("compression.type", "lz4"),
    // Keys land on the partition that a Java producer would choose.
    ("partitioner", "murmur2_random"),
    ("queue.buffering.max.messages", "100000"),
    ("queue.buffering.max.kbytes", "32768"),
    ("message.max.bytes", "16777216"),
    // A record that is not stored after this long is given up and counted as failed.
    ("delivery.timeout.ms", "30000"),
    ("reconnect.backoff.ms", "50"),
    ("reconnect.backoff.max.ms", "1000"),
];

/// librdkafka settings that the promises of this module rest on.
const FIXED: &[(&str, &str)] = &[("enable.idempotence", "true"), ("acks", "all")];

/// Delivery reports are served once in this many sends.
const POLL_EVERY: u32 = 256;

/// How long a send waits for room in the local queue: longer than a record may take, so that a
/// broker that is away shows as failed deliveries first.
const ROOM_WITHIN: Duration = Duration::from_secs(35);

/// Writes records to Kafka: each once and, within a partition, in the order sent, as long as the
/// sink lives.
///
/// Records wait in a local queue of at most 100,000 or 32 MiB. What was sent counts as stored only
/// after [`KafkaSink::flush`] said so; dropping the sink discards what still waits.
pub struct KafkaSink {
    bootstrap: String,
    producer: BaseProducer<Context>,
    config: ClientConfig,
    sends: u32,
}

impl KafkaSink {
    /// Connects, waiting at most 10 s for a broker.
    ///
    /// # Errors
    /// [`ConnectError::Configuration`] for a property that cannot be;
    /// [`ConnectError::Unreachable`] when no broker answers in time.
    pub fn connect(bootstrap: &str, properties: &Properties) -> Result<Self, ConnectError> {
        Self::connect_within(bootstrap, properties, REACH_WITHIN)
    }

    /// Connects, waiting at most `within` for a broker.
    ///
    /// # Errors
    /// As [`KafkaSink::connect`].
    pub fn connect_within(
        bootstrap: &str,
        properties: &Properties,
        within: Duration,
    ) -> Result<Self, ConnectError> {
        let config = configure(bootstrap, DEFAULTS, FIXED, properties)?;
        let producer: BaseProducer<Context> = config
            .create_with_context(Context::default())
            .map_err(|error| setup_error(&error))?;
        reach(producer.client(), bootstrap, Deadline::new(within), &|| {
            producer.poll(Duration::ZERO);
        })?;
        producer.client().context().take_troubles();
        Ok(Self {
            bootstrap: bootstrap.to_owned(),
            producer,
            config,
            sends: 0,
        })
    }

    /// Makes the topics that do not exist yet, each with its number of partitions, and waits until
    /// they can be written to. A topic that exists stays as it is.
    ///
    /// The replication factor is the broker's default.
    ///
    /// # Errors
    /// [`ConnectError::Client`] or [`ConnectError::Denied`] when the broker does not make a topic;
    /// [`ConnectError::Unreachable`] when it does not answer within 10 s.
    pub fn ensure_topics(&self, topics: &[(&str, i32, Retention)]) -> Result<(), ConnectError> {
        self.ensure_topics_within(topics, REACH_WITHIN)
    }

    pub(crate) fn ensure_topics_within(
        &self,
        topics: &[(&str, i32, Retention)],
        within: Duration,
    ) -> Result<(), ConnectError> {
        let deadline = Deadline::new(within);
        let serve = || self.producer.poll(Duration::ZERO);
        let metadata = reach(self.producer.client(), &self.bootstrap, deadline, &serve)?;
        let missing: Vec<_> = topics
            .iter()
            .filter(|(name, ..)| {
                !metadata
                    .topics()
                    .iter()
                    .any(|topic| topic.name() == *name && !topic.partitions().is_empty())
            })
            .collect();
        if missing.is_empty() {
            return Ok(());
        }
        self.create(&missing, deadline.left(within))?;
        let names: Vec<&str> = topics.iter().map(|(name, ..)| *name).collect();
        let wait = (deadline, within);
        find_topics(
            self.producer.client(),
            &self.bootstrap,
            &names,
            wait,
            &serve,
        )
        .map(|_| ())
    }

    fn create(
        &self,
        topics: &[&(&str, i32, Retention)],
        within: Duration,
    ) -> Result<(), ConnectError> {
        let failed = |e: KafkaError| client_error(&self.bootstrap, "create topics", &e);
        let mut config = self.config.clone();
        // Not known to a client that only administers.
        config.remove("partitioner");
        let admin: AdminClient<Context> = config
            .create_with_context(Context::default())
            .map_err(|error| setup_error(&error))?;
        let ages: Vec<String> = topics.iter().map(|(.., r)| retention_ms(*r)).collect();
        let new: Vec<NewTopic<'_>> = topics
            .iter()
            .zip(&ages)
            .map(|((name, partitions, retention), age)| {
                let topic = NewTopic::new(name, *partitions, TopicReplication::Fixed(-1));
                match retention {
                    Retention::Broker => topic,
                    Retention::Forever | Retention::For(_) => topic
                        .set("cleanup.policy", "delete")
                        .set("retention.ms", age)
                        .set("retention.bytes", "-1"),
                    Retention::Compact => topic.set("cleanup.policy", "compact"),
                }
            })
            .collect();
        let options = AdminOptions::new()
            .request_timeout(Some(within))
            .operation_timeout(Some(within));
        let results = futures_executor::block_on(admin.create_topics(&new, &options));
        for result in results.map_err(failed)? {
            match result {
                Ok(_) | Err((_, RDKafkaErrorCode::TopicAlreadyExists)) => {}
                Err((
                    topic,
                    code @ (RDKafkaErrorCode::TopicAuthorizationFailed
                    | RDKafkaErrorCode::ClusterAuthorizationFailed),
                )) => {
                    return Err(ConnectError::Denied {
                        what: format!("topic {topic} on {}, to create it", self.bootstrap),
                        detail: code.to_string(),
                    });
                }
                Err((topic, code)) => {
                    return Err(ConnectError::Client {
                        bootstrap: self.bootstrap.clone(),
                        doing: format!("create topic {topic}"),
                        detail: code.to_string(),
                    });
                }
            }
        }
        Ok(())
    }

    /// Queues one record; `None` as partition lets the key choose, `None` as value is a tombstone,
    /// `None` as timestamp is now.
    ///
    /// While the local queue is full it waits for room, at most 35 s.
    ///
    /// # Errors
    /// [`ConnectError::SinkBlocked`] when no room was made; [`ConnectError::TopicMissing`] when the
    /// topic or partition is known not to exist; [`ConnectError::Client`] when the record is larger
    /// than `message.max.bytes` or the producer failed for good.
    #[expect(
        clippy::too_many_arguments,
        reason = "a record of Kafka has these five parts, and every call names all of them"
    )]
    pub fn send(
        &mut self,
        topic: &str,
        partition: Option<i32>,
        key: Option<&[u8]>,
        value: Option<&[u8]>,
        timestamp_ms: Option<i64>,
    ) -> Result<(), ConnectError> {
        self.sends = self.sends.wrapping_add(1);
        if self.sends.is_multiple_of(POLL_EVERY) {
            self.producer.poll(Duration::ZERO);
        }
        let mut record = BaseRecord::<[u8], [u8]>::to(topic);
        record.partition = partition;
        record.key = key;
        record.payload = value;
        record.timestamp = timestamp_ms;
        let deadline = Deadline::new(ROOM_WITHIN);
        loop {
            let (error, unsent) = match self.producer.send(record) {
                Ok(()) => return Ok(()),
                Err(failed) => failed,
            };
            if error.rdkafka_error_code() != Some(RDKafkaErrorCode::QueueFull) {
                return Err(self.send_error(topic, partition, &error));
            }
            if deadline.passed() {
                return Err(self.blocked(ROOM_WITHIN));
            }
            record = unsent;
            self.producer.poll(deadline.left(Duration::from_millis(20)));
        }
    }

    fn send_error(&self, topic: &str, partition: Option<i32>, error: &KafkaError) -> ConnectError {
        match error.rdkafka_error_code() {
            Some(
                RDKafkaErrorCode::UnknownTopic
                | RDKafkaErrorCode::UnknownTopicOrPartition
                | RDKafkaErrorCode::UnknownPartition,
            ) => ConnectError::TopicMissing {
                bootstrap: self.bootstrap.clone(),
                topics: vec![partition.map_or_else(
                    || topic.to_owned(),
                    |partition| format!("{topic} partition {partition}"),
                )],
                known: Vec::new(),
            },
            Some(RDKafkaErrorCode::Fatal) => ConnectError::Client {
                bootstrap: self.bootstrap.clone(),
                doing: format!("send to topic {topic}"),
                detail: self
                    .producer
                    .client()
                    .fatal_error()
                    .map_or_else(|| cause(error), |(_, text)| text),
            },
            _ => client_error(&self.bootstrap, &format!("send to topic {topic}"), error),
        }
    }

    fn blocked(&self, waited: Duration) -> ConnectError {
        ConnectError::SinkBlocked {
            bootstrap: self.bootstrap.clone(),
            waiting: self.waiting(),
            waited,
        }
    }

    /// Records in the local queue and on their way.
    pub fn waiting(&self) -> usize {
        usize::try_from(self.producer.in_flight_count()).unwrap_or(0)
    }

    /// Waits until every record sent so far is stored or given up, at most `timeout`.
    ///
    /// # Errors
    /// [`ConnectError::Delivery`] with the number of records given up since the last flush;
    /// [`ConnectError::SinkBlocked`] when some still wait after `timeout`: flush again.
    pub fn flush(&mut self, timeout: Duration) -> Result<(), ConnectError> {
        let deadline = Deadline::new(timeout);
        // The library's own flush looks only every 100 ms whether it is done, which would hold up
        // every epoch.
        let flushed = loop {
            let flushed = self.producer.flush(Duration::ZERO);
            if flushed.is_ok() || deadline.passed() {
                break flushed;
            }
            self.producer.poll(deadline.left(Duration::from_millis(2)));
        };
        if let Some((failed, first)) = self.producer.client().context().take_failures() {
            return Err(ConnectError::Delivery {
                bootstrap: self.bootstrap.clone(),
                failed,
                first,
            });
        }
        flushed.map_err(|_| self.blocked(timeout))
    }
}

fn retention_ms(retention: Retention) -> String {
    match retention {
        Retention::For(age) => i64::try_from(age.as_millis())
            .unwrap_or(i64::MAX)
            .to_string(),
        Retention::Broker | Retention::Forever | Retention::Compact => "-1".to_owned(),
    }
}

impl std::fmt::Debug for KafkaSink {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("KafkaSink")
            .field("bootstrap", &self.bootstrap)
            .field("waiting", &self.waiting())
            .finish_non_exhaustive()
    }
}
