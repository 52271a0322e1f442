//! The Kafka sink: an idempotent producer with a bounded queue.

use std::time::Duration;

use rdkafka::config::ClientConfig;
use rdkafka::error::KafkaError;
use rdkafka::producer::{BaseProducer, BaseRecord, Producer};
use rdkafka::types::RDKafkaErrorCode;

use crate::client::{
    Context, Deadline, Failure, Properties, REACH_WITHIN, Troubled, cause, client_error, configure,
    reach, setup_error,
};
use crate::error::ConnectError;
use crate::topics::{self, Cluster, TopicSpec};

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

/// Events that one [`KafkaSink::check`] serves.
const CHECK_POLLS: usize = 8;

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
    pub fn ensure_topics<'a, T>(&self, topics: &[T]) -> Result<(), ConnectError>
    where
        T: Into<TopicSpec<'a>> + Copy,
    {
        let topics: Vec<TopicSpec<'a>> = topics.iter().map(|topic| (*topic).into()).collect();
        self.ensure_topics_within(&topics, REACH_WITHIN)
    }

    pub(crate) fn ensure_topics_within(
        &self,
        topics: &[TopicSpec<'_>],
        within: Duration,
    ) -> Result<(), ConnectError> {
        topics::ensure(&self.cluster(&self.serve()), topics, within)
    }

    /// Those of `topics` of which the broker keeps the latest record of each key only
    /// (`cleanup.policy=compact`): others vanish, read or not. A topic whose settings the broker
    /// does not tell within 10 s is not among them.
    ///
    /// # Errors
    /// [`ConnectError::Configuration`] when there is no client for such questions.
    pub fn compacted_topics(&self, topics: &[String]) -> Result<Vec<String>, ConnectError> {
        topics::compacted(&self.cluster(&self.serve()), topics, REACH_WITHIN)
    }

    fn serve(&self) -> impl Fn() {
        || self.producer.poll(Duration::ZERO)
    }

    fn cluster<'a>(&'a self, serve: &'a dyn Fn()) -> Cluster<'a> {
        Cluster {
            client: self.producer.client(),
            config: &self.config,
            bootstrap: &self.bootstrap,
            serve,
        }
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

    /// Serves delivery reports without waiting, and tells of records given up since the last look:
    /// a long run notices here, long before it flushes.
    ///
    /// # Errors
    /// [`ConnectError::Delivery`] with the number of records given up, each told once.
    pub fn check(&mut self) -> Result<(), ConnectError> {
        // A poll serves one event, which holds many reports; their number is fixed.
        for _ in 0..CHECK_POLLS {
            self.producer.poll(Duration::ZERO);
        }
        match self.producer.client().context().take_failures() {
            Some((failed, first)) => Err(self.undelivered(failed, &first)),
            None => Ok(()),
        }
    }

    fn undelivered(&self, failed: u64, first: &Failure) -> ConnectError {
        ConnectError::Delivery {
            bootstrap: self.bootstrap.clone(),
            failed,
            first: first.to_string(),
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
            return Err(self.undelivered(failed, &first));
        }
        flushed.map_err(|_| self.blocked(timeout))
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
