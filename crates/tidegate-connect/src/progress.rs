//! The progress topic: one record an epoch and task, by which a task finds its way back.
//!
//! Task `t` writes to partition `t`, in the transaction of its epoch; what a record says is the
//! caller's. Promises: [`read_progress`] gives the last committed records and never one of an epoch
//! that was aborted, and it does not answer while a transaction before the end of the log is
//! undecided. So it is called after [`crate::EpochSink::open`], which decides what the task's last
//! owner left open.
//!
//! The topic grows by one record and one mark an epoch: [`trim_progress`] deletes what no recovery
//! needs. That needs a topic whose clean-up policy is `delete`, as [`crate::Retention::Forever`]
//! makes it.

use std::time::Duration;

use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka::error::KafkaError;
use rdkafka::message::Message;
use rdkafka::types::RDKafkaErrorCode;
use rdkafka::{Offset, TopicPartitionList};

use crate::client::{
    Context, Deadline, Properties, cause, client_error, configure, find_topics, passing,
    setup_error,
};
use crate::error::ConnectError;
use crate::topics;

/// The most records that one call of [`read_progress`] gives.
pub const PROGRESS_READ_MAX: usize = 1000;

/// How long reading and trimming may take.
const WITHIN: Duration = Duration::from_secs(30);
/// How long one question may take.
const ASK_WITHIN: Duration = Duration::from_secs(2);
/// How long one poll waits.
const POLL_WAIT: Duration = Duration::from_millis(100);

/// One committed record of the progress topic.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ProgressRecord {
    /// Its offset, for [`trim_progress`].
    pub offset: i64,
    /// Its key.
    pub key: Option<Vec<u8>>,
    /// Its value; `None` for a tombstone.
    pub value: Option<Vec<u8>>,
}

/// librdkafka settings that a user may change.
const DEFAULTS: &[(&str, &str)] = &[
    ("group.id", "tidegate"),
    ("client.id", "tidegate-progress"),
    ("fetch.wait.max.ms", "20"),
    ("fetch.error.backoff.ms", "50"),
    ("queued.max.messages.kbytes", "8192"),
    ("reconnect.backoff.ms", "50"),
    ("reconnect.backoff.max.ms", "1000"),
];

/// librdkafka settings that the promises of this module rest on.
const FIXED: &[(&str, &str)] = &[
    ("auto.offset.reset", "error"),
    ("enable.partition.eof", "true"),
    ("enable.auto.commit", "false"),
    ("enable.auto.offset.store", "false"),
    ("allow.auto.create.topics", "false"),
];

/// The last `last_n` committed records of one partition, oldest first; fewer where there are fewer.
///
/// It waits at most 30 s.
///
/// # Errors
/// [`ConnectError::Configuration`] when `last_n` is not 1 to [`PROGRESS_READ_MAX`];
/// [`ConnectError::TransactionOpen`] when a transaction stays undecided;
/// [`ConnectError::TopicMissing`] when there is no such topic or partition;
/// [`ConnectError::Unreachable`], [`ConnectError::Denied`] or [`ConnectError::Client`] as the
/// broker answers.
pub fn read_progress(
    bootstrap: &str,
    topic: &str,
    partition: i32,
    last_n: usize,
    properties: &Properties,
) -> Result<Vec<ProgressRecord>, ConnectError> {
    read_progress_within((bootstrap, topic, partition), last_n, properties, WITHIN)
}

pub(crate) fn read_progress_within(
    (bootstrap, topic, partition): (&str, &str, i32),
    last_n: usize,
    properties: &Properties,
    within: Duration,
) -> Result<Vec<ProgressRecord>, ConnectError> {
    if !(1..=PROGRESS_READ_MAX).contains(&last_n) {
        return Err(ConnectError::Configuration {
            detail: format!("{last_n} progress records must be 1 to {PROGRESS_READ_MAX}"),
        });
    }
    let deadline = Deadline::new(within);
    let place = Place {
        bootstrap,
        topic,
        partition,
        deadline,
    };
    // The end of the log whatever is committed, which only a client that reads all is told.
    let all = place.connect(properties, "read_uncommitted")?;
    place.find(&all)?;
    let (low, end) = place.bounds(&all)?;
    let committed = place.connect(properties, "read_committed")?;
    place.wait_decided(&committed, end)?;
    let mut records = Vec::new();
    // An epoch takes two offsets, its record and its mark; aborted ones take more.
    let mut window = i64::try_from(2 * last_n).unwrap_or(i64::MAX);
    let mut until = end;
    while records.len() < last_n && until > low {
        let from = end.saturating_sub(window).max(low);
        let mut older = place.read(&committed, from, until)?;
        older.append(&mut records);
        records = older;
        until = from;
        window = window.saturating_mul(4);
    }
    let surplus = records.len().saturating_sub(last_n);
    records.drain(..surplus);
    Ok(records)
}

/// Deletes the records of one partition before `before_offset`; those that are gone already are no
/// error. It waits at most 30 s.
///
/// # Errors
/// [`ConnectError::Denied`] or [`ConnectError::Client`] when the broker refuses, for example since
/// the topic's clean-up policy is not `delete`.
pub fn trim_progress(
    bootstrap: &str,
    topic: &str,
    partition: i32,
    before_offset: i64,
    properties: &Properties,
) -> Result<(), ConnectError> {
    let doing = format!("delete records of topic {topic} partition {partition}");
    let failed = |error: &KafkaError| match error.rdkafka_error_code() {
        Some(
            code @ (RDKafkaErrorCode::TopicAuthorizationFailed
            | RDKafkaErrorCode::ClusterAuthorizationFailed),
        ) => ConnectError::Denied {
            what: format!("topic {topic} on {bootstrap}, to delete records"),
            detail: code.to_string(),
        },
        _ => client_error(bootstrap, &doing, error),
    };
    let admin = topics::admin(&configure(
        bootstrap,
        &[("client.id", "tidegate-progress")],
        &[],
        properties,
    )?)?;
    let mut list = TopicPartitionList::new();
    list.add_partition_offset(topic, partition, Offset::Offset(before_offset))
        .map_err(|error| failed(&error))?;
    let deleted = futures_executor::block_on(admin.delete_records(&list, &topics::options(WITHIN)))
        .map_err(|error| failed(&error))?;
    for partition in deleted.elements() {
        match partition.error() {
            // What is gone already is below the log's start.
            Ok(()) | Err(KafkaError::OffsetFetch(RDKafkaErrorCode::OffsetOutOfRange)) => {}
            Err(error) => return Err(failed(&error)),
        }
    }
    Ok(())
}

/// One partition and the time there is to read it.
struct Place<'a> {
    bootstrap: &'a str,
    topic: &'a str,
    partition: i32,
    deadline: Deadline,
}

type Reader = BaseConsumer<Context>;

impl Place<'_> {
    fn connect(&self, properties: &Properties, isolation: &str) -> Result<Reader, ConnectError> {
        let mut fixed: Vec<(&str, &str)> = FIXED.to_vec();
        fixed.push(("isolation.level", isolation));
        configure(self.bootstrap, DEFAULTS, &fixed, properties)?
            .create_with_context(Context::default())
            .map_err(|error| setup_error(&error))
    }

    fn find(&self, client: &Reader) -> Result<(), ConnectError> {
        let serve = || drop(client.poll(Duration::ZERO));
        let wait = (self.deadline, Duration::from_secs(1));
        let topics = [self.topic];
        let counts = find_topics(client.client(), self.bootstrap, &topics, wait, &serve)?;
        if counts.first().is_some_and(|count| self.partition < *count) {
            return Ok(());
        }
        Err(ConnectError::TopicMissing {
            bootstrap: self.bootstrap.to_owned(),
            topics: vec![format!("{} partition {}", self.topic, self.partition)],
            known: Vec::new(),
        })
    }

    fn bounds(&self, client: &Reader) -> Result<(i64, i64), ConnectError> {
        loop {
            // A last question gets the time for its answer.
            let wait = self.deadline.left(ASK_WITHIN).max(ASK_WITHIN / 2);
            match client.fetch_watermarks(self.topic, self.partition, wait) {
                Ok(bounds) => return Ok(bounds),
                Err(error) if passing(&error) && self.deadline.passed() => {
                    let detail = format!("topic {}: {}", self.topic, cause(&error));
                    return Err(self.deadline.unreachable(self.bootstrap, detail));
                }
                Err(error) if passing(&error) => {}
                Err(error) => return Err(self.failed("ask for the offsets of", &error)),
            }
        }
    }

    /// Waits until every transaction before `end` is committed or aborted.
    ///
    /// Before anything is read: an end of the partition that is told later is then surely behind
    /// `end`.
    fn wait_decided(&self, committed: &Reader, end: i64) -> Result<(), ConnectError> {
        loop {
            let (_, stable) = self.bounds(committed)?;
            if stable >= end {
                return Ok(());
            }
            if self.deadline.passed() {
                return Err(ConnectError::TransactionOpen {
                    topic: self.topic.to_owned(),
                    partition: self.partition,
                    stable,
                    end,
                    waited: self.deadline.within(),
                });
            }
            std::thread::sleep(self.deadline.left(POLL_WAIT));
        }
    }

    /// The committed records from `from` on and before `until`.
    fn read(
        &self,
        client: &Reader,
        from: i64,
        until: i64,
    ) -> Result<Vec<ProgressRecord>, ConnectError> {
        let failed = |error| self.failed("read", &error);
        let mut list = TopicPartitionList::new();
        list.add_partition_offset(self.topic, self.partition, Offset::Offset(from))
            .map_err(failed)?;
        client.assign(&list).map_err(failed)?;
        let mut records = Vec::new();
        loop {
            match client.poll(self.deadline.left(POLL_WAIT)) {
                Some(Ok(message)) if message.offset() >= until => break,
                Some(Ok(message)) => records.push(ProgressRecord {
                    offset: message.offset(),
                    key: message.key().map(<[u8]>::to_vec),
                    value: message.payload().map(<[u8]>::to_vec),
                }),
                Some(Err(KafkaError::PartitionEOF(_))) => break,
                Some(Err(error)) if !passing(&error) => return Err(failed(error)),
                Some(Err(_)) | None => {}
            }
            if records.last().is_some_and(|last| last.offset + 1 >= until) {
                break;
            }
            if self.deadline.passed() {
                let doing = format!("read topic {}: no answer", self.topic);
                return Err(self.deadline.unreachable(self.bootstrap, doing));
            }
        }
        client.unassign().map_err(failed)?;
        Ok(records)
    }

    fn failed(&self, doing: &str, error: &KafkaError) -> ConnectError {
        let doing = format!("{doing} topic {} partition {}", self.topic, self.partition);
        client_error(self.bootstrap, &doing, error)
    }
}
