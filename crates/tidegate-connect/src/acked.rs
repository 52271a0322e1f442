//! The acknowledged sink: an idempotent producer that answers for every single record.
//!
//! [`crate::KafkaSink`] tells at a flush that all is stored, which suits a run that reads and
//! writes in turns. Whoever must answer somebody else, record by record, needs to know of *this*
//! record: where it stands, or why it does not.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use rdkafka::client::ClientContext;
use rdkafka::config::{ClientConfig, RDKafkaLogLevel};
use rdkafka::error::KafkaError;
use rdkafka::message::{DeliveryResult, Header, Message, OwnedHeaders};
use rdkafka::producer::{BaseRecord, NoCustomPartitioner, Producer, ThreadedProducer};
use rdkafka::types::RDKafkaErrorCode;
use tidegate_model::Position;
use tokio::sync::{OwnedSemaphorePermit, Semaphore, oneshot};

use crate::client::{
    Context, Deadline, Properties, REACH_WITHIN, Troubled, cause, client_error, configure, passing,
    reach, setup_error,
};
use crate::error::ConnectError;
use crate::topics::{self, Cluster, TopicSpec};

/// librdkafka settings that a user may change.
const DEFAULTS: &[(&str, &str)] = &[
    ("client.id", "tidegate-acked-sink"),
    // Somebody waits for each record.
    ("linger.ms", "2"),
    ("compression.type", "lz4"),
    // Keys land on the partition that a Java producer would choose.
    ("partitioner", "murmur2_random"),
    ("queue.buffering.max.messages", "100000"),
    ("queue.buffering.max.kbytes", "65536"),
    ("message.max.bytes", "16777216"),
    // A record that is not acknowledged after this long is given up and its sender told.
    ("delivery.timeout.ms", "30000"),
    ("reconnect.backoff.ms", "50"),
    ("reconnect.backoff.max.ms", "1000"),
];

/// librdkafka settings that the promises of this module rest on.
const FIXED: &[(&str, &str)] = &[("enable.idempotence", "true"), ("acks", "all")];

/// Records that may wait for their acknowledgement at once; further senders wait for their turn.
const IN_FLIGHT_MAX: usize = 10_000;

/// How long a send waits for its turn and for room in the local queue.
const ROOM_WITHIN: Duration = Duration::from_secs(35);

/// How often a send looks whether the local queue has room again.
const ROOM_EVERY: Duration = Duration::from_millis(20);

/// One record for [`AckedSink::send`].
#[derive(Debug, Clone, Copy)]
pub struct AckedRecord<'a> {
    /// Topic.
    pub topic: &'a str,
    /// Chooses the partition; without it, any.
    pub key: Option<&'a [u8]>,
    /// The bytes.
    pub value: &'a [u8],
    /// Names and values.
    pub headers: &'a [(&'a str, &'a [u8])],
    /// Milliseconds since 1970; `None` is now.
    pub timestamp_ms: Option<i64>,
}

/// Where the broker's answer for one record goes.
type Answer = oneshot::Sender<Result<Position, (KafkaError, usize)>>;

/// A record that was queued and is not acknowledged yet. Dropping it takes nothing back.
#[derive(Debug)]
pub struct PendingRecord {
    topic: String,
    answer: oneshot::Receiver<Result<Position, (KafkaError, usize)>>,
    _turn: OwnedSemaphorePermit,
}

/// The callbacks of [`Context`], and delivery reports to whoever sent the record.
#[derive(Default)]
struct AckedContext {
    inner: Context,
}

impl ClientContext for AckedContext {
    fn log(&self, level: RDKafkaLogLevel, facility: &str, message: &str) {
        self.inner.log(level, facility, message);
    }

    fn error(&self, error: KafkaError, reason: &str) {
        self.inner.error(error, reason);
    }
}

impl Troubled for AckedContext {
    fn take_troubles(&self) -> Vec<String> {
        self.inner.take_troubles()
    }
}

impl rdkafka::producer::ProducerContext for AckedContext {
    type DeliveryOpaque = Box<Answer>;

    fn delivery(&self, result: &DeliveryResult<'_>, answer: Box<Answer>) {
        let outcome = match result {
            Ok(message) => Ok(Position {
                partition: message.partition(),
                offset: message.offset(),
                row: 0,
            }),
            Err((error, message)) => {
                Err((error.clone(), message.key_len() + message.payload_len()))
            }
        };
        // Whoever sent the record may no longer wait.
        drop(answer.send(outcome));
    }
}

/// Writes records to Kafka, each answered for by itself; one sink serves many tasks.
///
/// While the process lives, a record that the library sends again by itself is stored once. A
/// record that was given up ([`ConnectError::Unacknowledged`]) may be stored, and sending it again
/// is another record. At most 10,000 records or 64 MiB wait in the process; beyond that, senders
/// wait. Dropping the sink gives up what still waits.
pub struct AckedSink {
    bootstrap: String,
    producer: ThreadedProducer<AckedContext, NoCustomPartitioner>,
    config: ClientConfig,
    turns: Arc<Semaphore>,
}

impl AckedSink {
    /// Connects, waiting at most 10 s for a broker. This blocks: call it outside a runtime's tasks.
    ///
    /// # Errors
    /// [`ConnectError::Configuration`] for a property that cannot be;
    /// [`ConnectError::Unreachable`] when no broker answers in time.
    pub fn connect(bootstrap: &str, properties: &Properties) -> Result<Self, ConnectError> {
        let config = configure(bootstrap, DEFAULTS, FIXED, properties)?;
        let producer: ThreadedProducer<AckedContext, NoCustomPartitioner> = config
            .create_with_context(AckedContext::default())
            .map_err(|error| setup_error(&error))?;
        let deadline = Deadline::new(REACH_WITHIN);
        // The producer's own thread serves its events.
        reach(producer.client(), bootstrap, deadline, &|| {})?;
        producer.client().context().take_troubles();
        Ok(Self {
            bootstrap: bootstrap.to_owned(),
            producer,
            config,
            turns: Arc::new(Semaphore::new(IN_FLIGHT_MAX)),
        })
    }

    /// The bootstrap list that it was connected to.
    pub fn bootstrap(&self) -> &str {
        &self.bootstrap
    }

    /// Makes the topics that do not exist yet, as [`crate::KafkaSink::ensure_topics`]. This blocks.
    ///
    /// # Errors
    /// As [`crate::KafkaSink::ensure_topics`].
    pub fn ensure_topics<'a, T>(&self, topics: &[T]) -> Result<(), ConnectError>
    where
        T: Into<TopicSpec<'a>> + Copy,
    {
        let topics: Vec<TopicSpec<'a>> = topics.iter().map(|topic| (*topic).into()).collect();
        let cluster = Cluster {
            client: self.producer.client(),
            config: &self.config,
            bootstrap: &self.bootstrap,
            serve: &|| {},
        };
        topics::ensure(&cluster, &topics, REACH_WITHIN)
    }

    /// Sends one record and waits until every in-sync replica has it; gives its partition and
    /// offset.
    ///
    /// A task that stops waiting does not take its record back.
    ///
    /// # Errors
    /// With [`crate::Disposition::Retry`]: [`ConnectError::Unacknowledged`] when the record was
    /// given up after 30 s, and [`ConnectError::SinkBlocked`] when no room was made for it in 35 s.
    /// With [`crate::Disposition::Halt`]: [`ConnectError::RecordTooLarge`],
    /// [`ConnectError::TopicMissing`], [`ConnectError::Denied`], [`ConnectError::Client`].
    pub async fn send(&self, record: AckedRecord<'_>) -> Result<Position, ConnectError> {
        let pending = self.begin(record).await?;
        self.acknowledged(pending).await
    }

    /// Queues one record, waiting for room, without waiting for its acknowledgement: records that
    /// one task begins one after the other are stored in that order.
    ///
    /// # Errors
    /// As [`AckedSink::send`], for what is known at once.
    pub async fn begin(&self, record: AckedRecord<'_>) -> Result<PendingRecord, ConnectError> {
        let turn = Arc::clone(&self.turns).acquire_owned();
        match tokio::time::timeout(ROOM_WITHIN, turn).await {
            Ok(Ok(turn)) => Ok(PendingRecord {
                topic: record.topic.to_owned(),
                answer: self.enqueue(record).await?,
                _turn: turn,
            }),
            _ => Err(self.blocked()),
        }
    }

    /// Waits until a record that was begun is acknowledged.
    ///
    /// # Errors
    /// As [`AckedSink::send`].
    pub async fn acknowledged(&self, pending: PendingRecord) -> Result<Position, ConnectError> {
        match pending.answer.await {
            Ok(Ok(position)) => Ok(position),
            Ok(Err((error, bytes))) => Err(self.failed(&pending.topic, bytes, &error)),
            Err(_) => Err(ConnectError::Unacknowledged {
                bootstrap: self.bootstrap.clone(),
                topic: pending.topic,
                detail: "the producer was closed".to_owned(),
            }),
        }
    }

    /// Hands the record to the library, waiting for room.
    async fn enqueue(
        &self,
        record: AckedRecord<'_>,
    ) -> Result<oneshot::Receiver<Result<Position, (KafkaError, usize)>>, ConnectError> {
        let (sender, answer) = oneshot::channel();
        let mut sender = Box::new(sender);
        let deadline = Deadline::new(ROOM_WITHIN);
        loop {
            // What comes back from a full queue cannot be kept over an await: it is not `Send`.
            let error = {
                let mut base =
                    BaseRecord::<[u8], [u8], Box<Answer>>::with_opaque_to(record.topic, sender);
                base.key = record.key;
                base.payload = Some(record.value);
                base.timestamp = record.timestamp_ms;
                base.headers = headers(record.headers);
                match self.producer.send(base) {
                    Ok(()) => return Ok(answer),
                    Err((error, unsent)) => {
                        sender = unsent.delivery_opaque;
                        error
                    }
                }
            };
            if error.rdkafka_error_code() != Some(RDKafkaErrorCode::QueueFull) {
                let bytes = record.key.map_or(0, <[u8]>::len) + record.value.len();
                return Err(self.failed(record.topic, bytes, &error));
            }
            if deadline.passed() {
                return Err(self.blocked());
            }
            tokio::time::sleep(ROOM_EVERY).await;
        }
    }

    fn blocked(&self) -> ConnectError {
        ConnectError::SinkBlocked {
            bootstrap: self.bootstrap.clone(),
            waiting: self.waiting(),
            waited: ROOM_WITHIN,
        }
    }

    fn failed(&self, topic: &str, bytes: usize, error: &KafkaError) -> ConnectError {
        use RDKafkaErrorCode as Code;
        let bootstrap = self.bootstrap.clone();
        match error.rdkafka_error_code() {
            Some(Code::UnknownTopic | Code::UnknownTopicOrPartition | Code::UnknownPartition) => {
                ConnectError::TopicMissing {
                    bootstrap,
                    topics: vec![topic.to_owned()],
                    known: Vec::new(),
                }
            }
            Some(Code::MessageSizeTooLarge) => ConnectError::RecordTooLarge {
                topic: topic.to_owned(),
                bytes,
                limit: self
                    .config
                    .get("message.max.bytes")
                    .and_then(|most| most.parse().ok())
                    .unwrap_or(0),
            },
            Some(Code::TopicAuthorizationFailed | Code::ClusterAuthorizationFailed) => {
                ConnectError::Denied {
                    what: format!("topic {topic} on {bootstrap}, to write to it"),
                    detail: cause(error),
                }
            }
            Some(
                Code::MessageTimedOut
                | Code::PurgeQueue
                | Code::PurgeInflight
                | Code::NotEnoughReplicas
                | Code::NotEnoughReplicasAfterAppend,
            ) => self.unacknowledged(topic, error),
            _ if passing(error) => self.unacknowledged(topic, error),
            _ => client_error(&bootstrap, &format!("send to topic {topic}"), error),
        }
    }

    fn unacknowledged(&self, topic: &str, error: &KafkaError) -> ConnectError {
        ConnectError::Unacknowledged {
            bootstrap: self.bootstrap.clone(),
            topic: topic.to_owned(),
            detail: cause(error),
        }
    }

    /// Records in the local queue and on their way.
    pub fn waiting(&self) -> usize {
        usize::try_from(self.producer.in_flight_count()).unwrap_or(0)
    }
}

fn headers(given: &[(&str, &[u8])]) -> Option<OwnedHeaders> {
    if given.is_empty() {
        return None;
    }
    let mut headers = OwnedHeaders::new_with_capacity(given.len());
    for (key, value) in given {
        headers = headers.insert(Header {
            key,
            value: Some(*value),
        });
    }
    Some(headers)
}

impl fmt::Debug for AckedSink {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("AckedSink")
            .field("bootstrap", &self.bootstrap)
            .field("waiting", &self.waiting())
            .finish_non_exhaustive()
    }
}
