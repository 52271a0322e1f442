//! Consuming in batches: the one place of the product with `unsafe` code.
//!
//! librdkafka's `rd_kafka_consume_batch_queue` hands over thousands of messages a call and halves
//! the client's cost against one `poll` a message; `rdkafka` does not wrap it.
//! This module wraps exactly what is needed: a queue of its own to which partitions are forwarded,
//! messages that destroy themselves, and [`MessageBatch`], which keeps the consumer alive for as
//! long as any of its messages.
//! Everything it exports is safe to call in any order and from any thread.
//!
//! Why a queue of its own: the consumer's queue also carries logs and errors, which the batch call
//! would print to standard error instead of returning; with messages elsewhere, `poll` serves them.

#![expect(
    unsafe_code,
    reason = "rdkafka has no safe call for consuming in batches"
)]

use std::ffi::{CStr, CString};
use std::ptr::{self, NonNull};
use std::sync::Arc;
use std::time::Duration;

use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka::types::RDKafkaErrorCode;
use rdkafka_sys as sys;
use tidegate_model::{EventTime, FeedId, Payload, Position};

use crate::client::Context;
use crate::error::ConnectError;

/// A consumer with the client context of this crate.
pub(crate) type Client = BaseConsumer<Context>;

/// One message owned by this process: a record, or an error of its partition.
struct OwnedMessage(NonNull<sys::rd_kafka_message_t>);

// SAFETY: librdkafka documents its API as thread safe: messages may be read and destroyed by any
// thread (their reference counts are atomic), and an `OwnedMessage` is the only handle to its
// message.
unsafe impl Send for OwnedMessage {}
// SAFETY: through `&OwnedMessage` the message is only read.
unsafe impl Sync for OwnedMessage {}

impl OwnedMessage {
    fn raw(&self) -> &sys::rd_kafka_message_t {
        // SAFETY: the pointer came from `rd_kafka_consume_batch_queue`, is aligned and initialised,
        // and stays valid until `drop` destroys it; nothing writes to it meanwhile.
        unsafe { self.0.as_ref() }
    }

    fn error(&self) -> Option<RDKafkaErrorCode> {
        let code = self.raw().err;
        (code != sys::rd_kafka_resp_err_t::RD_KAFKA_RESP_ERR_NO_ERROR).then(|| code.into())
    }

    /// The value; for an error its text. `None` for a tombstone.
    fn payload(&self) -> Option<&[u8]> {
        let raw = self.raw();
        let start = NonNull::new(raw.payload.cast::<u8>())?;
        // SAFETY: a payload that is not null points to `len` bytes of the fetch buffer, which the
        // message holds a reference to, so they live as long as `self`; librdkafka writes them
        // once, before it hands the message over.
        Some(unsafe { std::slice::from_raw_parts(start.as_ptr(), raw.len) })
    }

    /// Milliseconds since the epoch as the broker or the producer stamped it.
    fn timestamp_ms(&self) -> Option<i64> {
        // SAFETY: the message is valid (see `raw`); a null type pointer is allowed.
        let stamp = unsafe { sys::rd_kafka_message_timestamp(self.0.as_ptr(), ptr::null_mut()) };
        (stamp >= 0).then_some(stamp)
    }

    fn topic_name(&self) -> &CStr {
        let topic = self.raw().rkt;
        if topic.is_null() {
            return c"";
        }
        // SAFETY: `rkt` is not null and the message holds a reference to the topic, whose name is
        // a C string that lives as long as the topic.
        unsafe { CStr::from_ptr(sys::rd_kafka_topic_name(topic)) }
    }
}

impl Drop for OwnedMessage {
    fn drop(&mut self) {
        // SAFETY: this is the only handle and it is not used again. The consumer still lives:
        // every holder of an `OwnedMessage` in this module holds an `Arc` of it that is dropped
        // later.
        unsafe { sys::rd_kafka_message_destroy(self.0.as_ptr()) }
    }
}

/// Records of one partition in log order, without a copy: they live in the client's fetch buffers
/// until the batch is dropped.
///
/// Dropping promptly matters: one small batch keeps a whole fetch response in memory.
pub struct MessageBatch {
    feed: FeedId,
    partition: i32,
    // Fields drop in the order of their declaration: messages before the consumer.
    messages: Vec<OwnedMessage>,
    consumer: Arc<Client>,
}

impl MessageBatch {
    /// The feed whose topic the records came by.
    pub fn feed(&self) -> &FeedId {
        &self.feed
    }

    /// The Kafka partition.
    pub fn partition(&self) -> i32 {
        self.partition
    }

    /// How many records, 1 or more.
    pub fn len(&self) -> usize {
        self.messages.len()
    }

    /// Never true for a batch that a source gave out.
    pub fn is_empty(&self) -> bool {
        self.messages.is_empty()
    }

    /// The offset of the first record.
    pub fn first_offset(&self) -> i64 {
        self.messages.first().map_or(-1, |m| m.raw().offset)
    }

    /// The offset of the last record.
    pub fn last_offset(&self) -> i64 {
        self.messages.last().map_or(-1, |m| m.raw().offset)
    }

    /// The bytes of all values together.
    pub fn bytes(&self) -> usize {
        self.iter().filter_map(|p| p.bytes).map(<[u8]>::len).sum()
    }

    /// The latest Kafka timestamp in the batch in milliseconds since the epoch, as the topic
    /// defines it (producer's or broker's clock); `None` when no record has one.
    pub fn latest_timestamp_ms(&self) -> Option<i64> {
        self.messages
            .iter()
            .filter_map(OwnedMessage::timestamp_ms)
            .max()
    }

    /// The records in log order, borrowed from the client's buffers.
    pub fn iter(&self) -> impl Iterator<Item = Payload<'_>> {
        self.messages.iter().map(|message| Payload {
            position: Position {
                partition: self.partition,
                offset: message.raw().offset,
                row: 0,
            },
            bytes: message.payload(),
            arrived: message
                .timestamp_ms()
                .map(|ms| EventTime::from_micros(ms.saturating_mul(1000))),
        })
    }

    /// Takes the records at `end` and after it into a batch of their own.
    pub(crate) fn split_at(&mut self, end: i64) -> Option<Self> {
        let keep = self.messages.partition_point(|m| m.raw().offset < end);
        if keep == self.messages.len() {
            return None;
        }
        Some(Self {
            feed: self.feed.clone(),
            partition: self.partition,
            messages: self.messages.split_off(keep),
            consumer: Arc::clone(&self.consumer),
        })
    }

    /// Drops the records at `end` and after it.
    pub(crate) fn truncate_at(&mut self, end: i64) {
        let keep = self.messages.partition_point(|m| m.raw().offset < end);
        self.messages.truncate(keep);
    }
}

impl std::fmt::Debug for MessageBatch {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("MessageBatch")
            .field("feed", &self.feed)
            .field("partition", &self.partition)
            .field("len", &self.len())
            .field("first_offset", &self.first_offset())
            .field("last_offset", &self.last_offset())
            .finish_non_exhaustive()
    }
}

/// What one call of [`BatchQueue::consume`] found, in the order of each partition's log.
#[derive(Debug)]
pub(crate) enum Polled {
    /// Records of one partition.
    Records {
        /// Index of the topic as given to [`BatchQueue::new`].
        topic: usize,
        batch: MessageBatch,
    },
    /// An error or the end of a partition.
    Notice {
        /// Index of the topic, `None` when it is not one of ours.
        topic: Option<usize>,
        partition: i32,
        code: RDKafkaErrorCode,
        offset: i64,
        text: String,
    },
}

/// A native queue to which partitions of one consumer are forwarded.
pub(crate) struct BatchQueue {
    raw: NonNull<sys::rd_kafka_queue_t>,
    topics: Vec<(FeedId, CString)>,
    /// Addresses of the topics' native objects, learnt from records; only compared, never followed.
    /// They cannot be reused for another topic: forwarded partitions hold a reference.
    addresses: Vec<Option<usize>>,
    scratch: Vec<*mut sys::rd_kafka_message_t>,
    // After `raw` is destroyed in `drop`.
    consumer: Arc<Client>,
}

// SAFETY: the native queue is thread safe by librdkafka's documentation, `scratch` holds pointers
// only during `consume(&mut self)`, and `addresses` are numbers.
unsafe impl Send for BatchQueue {}

impl BatchQueue {
    /// A queue of `consumer` that gives out at most `batch_max` messages a call.
    ///
    /// # Errors
    /// [`ConnectError::Configuration`] when a topic's name holds a zero byte.
    pub(crate) fn new(
        consumer: Arc<Client>,
        topics: &[(FeedId, String)],
        batch_max: usize,
    ) -> Result<Self, ConnectError> {
        let topics = topics
            .iter()
            .map(|(feed, topic)| {
                let name =
                    CString::new(topic.as_str()).map_err(|_| ConnectError::Configuration {
                        detail: format!("topic name {topic:?} holds a zero byte"),
                    })?;
                Ok((feed.clone(), name))
            })
            .collect::<Result<Vec<_>, ConnectError>>()?;
        // SAFETY: the client pointer is valid while `consumer` lives, and `self` holds it longer
        // than the queue (see `drop`).
        let raw = unsafe { sys::rd_kafka_queue_new(consumer.client().native_ptr()) };
        Ok(Self {
            raw: NonNull::new(raw).expect("rd_kafka_queue_new allocates or aborts"),
            addresses: vec![None; topics.len()],
            topics,
            scratch: Vec::with_capacity(batch_max.max(1)),
            consumer,
        })
    }

    /// Sends what is fetched of a partition to this queue. Call it before assigning the partition,
    /// so that nothing reaches the consumer's own queue.
    ///
    /// # Errors
    /// [`ConnectError::Configuration`] when librdkafka does not take the partition.
    pub(crate) fn forward(&self, topic: usize, partition: i32) -> Result<(), ConnectError> {
        let name = &self.topics[topic].1;
        // SAFETY: the client is alive and `name` is a C string that outlives the call. The queue
        // handle that comes back is ours to destroy; forwarding takes its own references.
        let taken = unsafe {
            let source = sys::rd_kafka_queue_get_partition(
                self.consumer.client().native_ptr(),
                name.as_ptr(),
                partition,
            );
            if !source.is_null() {
                sys::rd_kafka_queue_forward(source, self.raw.as_ptr());
                sys::rd_kafka_queue_destroy(source);
            }
            !source.is_null()
        };
        if taken {
            return Ok(());
        }
        Err(ConnectError::Configuration {
            detail: format!("topic {name:?} has no partition {partition}"),
        })
    }

    /// Waits up to `timeout` for a full batch and gives what came, grouped by partition.
    ///
    /// Within a partition the log's order is kept, errors and ends of partition included.
    pub(crate) fn consume(&mut self, timeout: Duration) -> Vec<Polled> {
        self.consume_at_most(usize::MAX, timeout)
    }

    /// As [`BatchQueue::consume`], but done once `most` messages came.
    pub(crate) fn consume_at_most(&mut self, most: usize, timeout: Duration) -> Vec<Polled> {
        let timeout_ms = i32::try_from(timeout.as_millis()).unwrap_or(i32::MAX);
        let room = self.scratch.capacity().min(most.max(1));
        // SAFETY: `scratch` has room for `room` pointers; librdkafka writes that many at most and
        // returns how many it wrote. No thread but this one uses `scratch`.
        let count = unsafe {
            let count = sys::rd_kafka_consume_batch_queue(
                self.raw.as_ptr(),
                timeout_ms,
                self.scratch.as_mut_ptr(),
                room,
            );
            let count = usize::try_from(count).unwrap_or(0).min(room);
            self.scratch.set_len(count);
            count
        };
        let mut messages = Vec::with_capacity(count);
        // Each pointer is owned from here on: dropping destroys it exactly once.
        messages.extend(
            self.scratch
                .drain(..)
                .filter_map(NonNull::new)
                .map(OwnedMessage),
        );
        self.group(messages)
    }

    /// Splits messages into runs, one open batch per partition.
    fn group(&mut self, messages: Vec<OwnedMessage>) -> Vec<Polled> {
        let mut polled: Vec<Polled> = Vec::new();
        // The open batch of each partition as an index into `polled`; closed by a notice.
        let mut open: Vec<(usize, i32, usize)> = Vec::new();
        let mut last: Option<(usize, i32, usize)> = None;
        let total = messages.len();
        for message in messages {
            let (address, partition) = (message.raw().rkt as usize, message.raw().partition);
            if let Some(code) = message.error() {
                let topic = self.topic_by_name(message.topic_name());
                open.retain(|(t, p, _)| Some(*t) != topic || *p != partition);
                last = None;
                polled.push(Polled::Notice {
                    topic,
                    partition,
                    code,
                    offset: message.raw().offset,
                    text: String::from_utf8_lossy(message.payload().unwrap_or_default())
                        .into_owned(),
                });
                continue;
            }
            let slot = match last {
                Some((a, p, slot)) if a == address && p == partition => slot,
                _ => {
                    let topic = self
                        .topic_of(&message)
                        .expect("only partitions of our topics are forwarded to this queue");
                    let known = open.iter().find(|(t, p, _)| *t == topic && *p == partition);
                    let slot = known.map_or(polled.len(), |(_, _, slot)| *slot);
                    if slot == polled.len() {
                        polled.push(self.empty_batch(topic, partition, total));
                        open.push((topic, partition, slot));
                    }
                    last = Some((address, partition, slot));
                    slot
                }
            };
            if let Polled::Records { batch, .. } = &mut polled[slot] {
                batch.messages.push(message);
            }
        }
        polled
    }

    fn empty_batch(&self, topic: usize, partition: i32, room: usize) -> Polled {
        Polled::Records {
            topic,
            batch: MessageBatch {
                feed: self.topics[topic].0.clone(),
                partition,
                messages: Vec::with_capacity(room.min(1024)),
                consumer: Arc::clone(&self.consumer),
            },
        }
    }

    /// The topic of a record: by the address of its native object, once it is known.
    fn topic_of(&mut self, message: &OwnedMessage) -> Option<usize> {
        let address = message.raw().rkt as usize;
        if let Some(topic) = self
            .addresses
            .iter()
            .position(|known| *known == Some(address))
        {
            return Some(topic);
        }
        let topic = self.topic_by_name(message.topic_name())?;
        self.addresses[topic] = Some(address);
        Some(topic)
    }

    fn topic_by_name(&self, name: &CStr) -> Option<usize> {
        self.topics
            .iter()
            .position(|(_, known)| known.as_c_str() == name)
    }
}

impl Drop for BatchQueue {
    fn drop(&mut self) {
        // SAFETY: `raw` came from `rd_kafka_queue_new`, is destroyed once, and the consumer, a
        // field, is dropped after this. Partitions that still forward here hold a reference to the
        // inner queue, which discards what arrives from now on.
        unsafe { sys::rd_kafka_queue_destroy(self.raw.as_ptr()) }
    }
}

impl std::fmt::Debug for BatchQueue {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("BatchQueue")
            .field("topics", &self.topics)
            .finish_non_exhaustive()
    }
}
