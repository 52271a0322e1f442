//! The exactly-once sink: one Kafka transaction holds what an epoch writes.
//!
//! Promises: the records of an epoch and the offsets of its sources are all stored or none is, each
//! once; a writer that another one replaced stores nothing any more; and an epoch is never reported
//! as not stored when it may be.
//! It does not know what is in an epoch, and it keeps nothing between epochs: the caller holds the
//! records until the epoch is committed.
//!
//! How: [`EpochSink::open`] takes over the transactional id, which fences whoever had it and aborts
//! what that one left open. [`EpochSink::commit_epoch`] begins, sends, adds the offsets with the
//! group's present generation (KIP-447, so that a member that was put out of its group stores
//! nothing either), waits until every record is stored, and commits. What it says otherwise is an
//! [`EpochError`].
//!
//! Kafka answers a commit once it is decided and marks the partitions behind that, so readers of
//! committed records see an epoch a moment after [`EpochSink::commit_epoch`] returned.
//!
//! Every wait is bounded. Whether a commit went through can stay unknown while the broker is away:
//! [`EpochError::Uncertain`] says so and [`EpochSink::resume_commit`] asks on. Where the sink is
//! lost meanwhile, the answer is in the progress topic: open a new sink, which waits until the
//! transaction is decided, and read the last record with [`crate::read_progress`].
//!
//! Memory: the local queue holds at most 100,000 records or 128 MiB.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::mpsc::channel;
use std::time::Duration;

use rdkafka::TopicPartitionList;
use rdkafka::error::KafkaError;
use rdkafka::producer::{BaseProducer, BaseRecord, Producer};
use rdkafka::types::RDKafkaErrorCode as Code;
use rdkafka::{Offset, config::ClientConfig};

use crate::client::{
    Context, Deadline, Failure, Troubled, cause, client_error, configure, most_telling, reach,
    setup_error,
};
use crate::epoch::{
    EpochError, EpochSinkConfig, EpochStep, OutRecord, RECORD_OVERHEAD, SourceOffsets,
};
use crate::error::ConnectError;
use crate::topics::{self, Cluster};

/// The largest batch that an [`EpochSink`] sends, in bytes: 64 MiB, and room for what the protocol
/// adds to a record of that size. Stay well below it where you can: each network thread of a broker
/// keeps a buffer as large as the largest request it saw.
pub const MESSAGE_BYTES_LIMIT: usize = (64 << 20) + 1024;

/// How long looking up the topics' limits may take.
const LIMITS_WITHIN: Duration = Duration::from_secs(5);
/// How long one call of the client may wait; it is called again until the sum is reached.
const CALL_WITHIN: Duration = Duration::from_secs(5);
/// How long a call that does not keep its own limit is waited for: what it may take, a request that is
/// never answered, and some more.
const STUCK_AFTER: Duration = Duration::from_secs(30);
/// The same for an abort, which waits for delivery reports that are served between the calls.
const ABORT_CALL_WITHIN: Duration = Duration::from_millis(50);
/// How long until a call that could not begin is made again.
const AGAIN_AFTER: Duration = Duration::from_millis(20);
/// How long one look at the delivery reports waits.
const POLL_WAIT: Duration = Duration::from_millis(1);
/// Delivery reports are served once in this many sends.
const POLL_EVERY: usize = 256;

/// librdkafka settings that a user may change.
const DEFAULTS: &[(&str, &str)] = &[
    ("client.id", "tidegate-epochs"),
    ("linger.ms", "5"),
    ("compression.type", "lz4"),
    ("partitioner", "murmur2_random"),
    ("queue.buffering.max.messages", "100000"),
    ("queue.buffering.max.kbytes", "131072"),
    ("reconnect.backoff.ms", "50"),
    ("reconnect.backoff.max.ms", "1000"),
    // A coordinator that has just moved may leave a request without an answer. By the library's own
    // 60 s it is asked again only when the transaction has timed out, and this writer with it.
    ("socket.timeout.ms", "10000"),
];

/// librdkafka settings that the promises of this module rest on.
const FIXED: &[(&str, &str)] = &[
    ("enable.idempotence", "true"),
    ("acks", "all"),
    // `MESSAGE_BYTES_LIMIT`; a test compares the two.
    ("message.max.bytes", "67109888"),
];

/// What the sink can do next.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    Ready,
    /// A commit was asked for and not answered.
    Committing,
    Lost,
}

/// Why an epoch does not go on.
#[derive(Debug)]
enum Trouble {
    /// To be aborted and made again.
    Abort(String),
    /// To be aborted; the same records would fail again.
    Refuse(ConnectError),
    /// The producer is done.
    Lost(Loss),
}

#[derive(Debug)]
struct Loss {
    fenced: bool,
    detail: String,
}

/// How one call of the client ended without success.
enum Verdict {
    /// The same call goes on with the same operation.
    Again(String),
    Abort(String),
    Lost(Loss),
}

/// Writes epochs, each in one transaction.
///
/// Dropping it leaves an unfinished transaction to the next one that opens the transactional id, or
/// to the broker's timeout.
pub struct EpochSink {
    config: EpochSinkConfig,
    /// Shared with a call that may not come back.
    producer: Arc<BaseProducer<Context>>,
    /// The largest batch that a topic takes.
    limits: BTreeMap<String, usize>,
    state: State,
    /// A record that was sent was not stored. librdkafka 2.12.1 goes on numbering behind it after
    /// the abort, and the broker refuses the gap: a new sink numbers anew.
    gap: bool,
    observer: Option<Observer>,
}

/// Who is told how far an epoch is.
type Observer = Box<dyn FnMut(EpochStep)>;

impl EpochSink {
    /// Connects and takes over the transactional id: what its last holder left open is aborted, or
    /// committed where it had got so far, before this returns.
    ///
    /// # Errors
    /// [`ConnectError::Configuration`] for a property or limit that cannot be;
    /// [`ConnectError::Unreachable`] when no broker answers, or the last holder's transaction is
    /// not decided, within `open_within`; [`ConnectError::Denied`] or [`ConnectError::Client`] when
    /// the broker refuses.
    pub fn open(config: EpochSinkConfig) -> Result<Self, ConnectError> {
        let client_config = client_config(&config)?;
        let producer: BaseProducer<Context> = client_config
            .create_with_context(Context::default())
            .map_err(|error| setup_error(&error))?;
        let deadline = Deadline::new(config.open_within);
        let serve = || producer.poll(Duration::ZERO);
        reach(producer.client(), &config.bootstrap, deadline, &serve)?;
        let cluster = Cluster {
            client: producer.client(),
            config: &client_config,
            bootstrap: &config.bootstrap,
            serve: &serve,
        };
        let limits = topics::message_limits(&cluster, &config.topics, LIMITS_WITHIN)?;
        take_over(&producer, &config, deadline)?;
        producer.client().context().take_troubles();
        Ok(Self {
            config,
            producer: Arc::new(producer),
            limits,
            state: State::Ready,
            gap: false,
            observer: None,
        })
    }

    /// Calls `observer` at every [`EpochStep`] from now on: for tests that break a process there.
    pub fn observe(&mut self, observer: impl FnMut(EpochStep) + 'static) {
        self.observer = Some(Box::new(observer));
    }

    fn tell(&mut self, step: EpochStep) {
        if let Some(observer) = &mut self.observer {
            observer(step);
        }
    }

    /// Whether another epoch can be committed: not after the sink was fenced or failed, nor after
    /// the broker refused a record, and not while a commit is without an answer.
    pub fn is_usable(&self) -> bool {
        self.state == State::Ready
    }

    /// Stores the records and the offsets of one epoch, all or none. Records of one partition are
    /// stored in the order given.
    ///
    /// # Errors
    /// See [`EpochError`]. [`EpochError::Fatal`] also where the sink is not usable.
    pub fn commit_epoch(
        &mut self,
        records: &[OutRecord<'_>],
        sources: Option<&SourceOffsets<'_>>,
    ) -> Result<(), EpochError> {
        if self.state != State::Ready {
            return Err(EpochError::Fatal(self.client_error(
                "begin an epoch",
                "the sink is not usable after what it last reported".to_owned(),
            )));
        }
        self.check_sizes(records).map_err(EpochError::Refused)?;
        let deadline = Deadline::new(self.config.commit_within);
        if let Err(error) = self.producer.begin_transaction() {
            let detail = cause_of(&error);
            return Err(self.lose(self.loss(&error, detail)));
        }
        self.tell(EpochStep::Begun);
        match self.fill(records, sources, deadline) {
            Ok(()) => self.commit(deadline),
            Err(trouble) => Err(self.give_up(trouble)),
        }
    }

    /// Goes on asking whether the epoch of [`EpochError::Uncertain`] was committed; done at once
    /// when there is none.
    ///
    /// # Errors
    /// As [`EpochSink::commit_epoch`].
    pub fn resume_commit(&mut self) -> Result<(), EpochError> {
        if self.state != State::Committing {
            return Ok(());
        }
        self.commit(Deadline::new(self.config.commit_within))
    }

    /// An epoch whose commit gets only this long, after something happened.
    #[cfg(test)]
    pub(crate) fn commit_epoch_slowly(
        &mut self,
        records: &[OutRecord<'_>],
        before_commit: &dyn Fn(),
        wait: Duration,
    ) -> Result<(), EpochError> {
        self.producer.begin_transaction().unwrap();
        let within = Deadline::new(self.config.commit_within);
        self.fill(records, None, within).unwrap();
        before_commit();
        self.commit(Deadline::new(wait))
    }

    /// Refuses a record that its topic does not take, before anything is sent.
    fn check_sizes(&self, records: &[OutRecord<'_>]) -> Result<(), ConnectError> {
        for record in records {
            let limit = self.limits.get(record.topic).copied();
            let limit = limit.map_or(MESSAGE_BYTES_LIMIT, |told| told.min(MESSAGE_BYTES_LIMIT));
            if record.bytes() > limit {
                return Err(ConnectError::RecordTooLarge {
                    topic: record.topic.to_owned(),
                    bytes: record.bytes(),
                    limit,
                });
            }
        }
        Ok(())
    }

    /// Everything of an epoch but its end.
    fn fill(
        &mut self,
        records: &[OutRecord<'_>],
        sources: Option<&SourceOffsets<'_>>,
        deadline: Deadline,
    ) -> Result<(), Trouble> {
        for (i, record) in records.iter().enumerate() {
            if i % POLL_EVERY == POLL_EVERY - 1 {
                self.producer.poll(Duration::ZERO);
            }
            self.send(record, deadline)?;
            self.tell(EpochStep::Sent {
                sent: i + 1,
                of: records.len(),
            });
        }
        // Records are on their way while the offsets are added.
        if let Some(sources) = sources.filter(|sources| !sources.next.is_empty()) {
            self.send_offsets(sources, deadline)?;
            self.tell(EpochStep::Offsets);
        }
        self.wait_stored(deadline)?;
        self.tell(EpochStep::Stored);
        Ok(())
    }

    /// Queues one record, waiting for room.
    fn send(&mut self, record: &OutRecord<'_>, deadline: Deadline) -> Result<(), Trouble> {
        let mut base = BaseRecord::<[u8], [u8]>::to(record.topic);
        base.partition = record.partition;
        base.key = record.key;
        base.payload = record.value;
        base.timestamp = record.timestamp_ms;
        loop {
            let (error, unsent) = match self.producer.send(base) {
                Ok(()) => return Ok(()),
                Err(failed) => failed,
            };
            if error.rdkafka_error_code() != Some(Code::QueueFull) {
                return Err(self.unsent(record, &error));
            }
            if deadline.passed() {
                let waited = self.config.commit_within.as_secs_f64();
                return Err(Trouble::Abort(format!(
                    "no room in the local queue within {waited} s"
                )));
            }
            base = unsent;
            self.producer.poll(POLL_WAIT);
            self.check_failures()?;
        }
    }

    fn unsent(&self, record: &OutRecord<'_>, error: &KafkaError) -> Trouble {
        let topic = record.topic;
        match error.rdkafka_error_code() {
            Some(Code::UnknownTopic | Code::UnknownTopicOrPartition | Code::UnknownPartition) => {
                let partition = record.partition;
                Trouble::Refuse(self.missing(partition.map_or_else(
                    || topic.to_owned(),
                    |partition| format!("{topic} partition {partition}"),
                )))
            }
            Some(Code::MessageSizeTooLarge) => Trouble::Refuse(ConnectError::RecordTooLarge {
                topic: topic.to_owned(),
                bytes: record.bytes(),
                limit: MESSAGE_BYTES_LIMIT,
            }),
            Some(Code::Fatal) => Trouble::Lost(self.loss(error, cause(error))),
            _ => Trouble::Abort(format!("send to topic {topic}: {}", cause(error))),
        }
    }

    fn send_offsets(&self, sources: &SourceOffsets<'_>, at: Deadline) -> Result<(), Trouble> {
        let mut list = TopicPartitionList::with_capacity(sources.next.len());
        for (topic, partition, next) in sources.next {
            list.add_partition_offset(topic, *partition, Offset::Offset(*next))
                .map_err(|error| {
                    Trouble::Refuse(ConnectError::Configuration {
                        detail: format!(
                            "offset {next} of topic {topic} partition {partition}: {error}"
                        ),
                    })
                })?;
        }
        self.until_done(at, || {
            let (producer, list) = (Arc::clone(&self.producer), list.clone());
            let (group, wait) = (Arc::clone(&sources.group.0), at.left(CALL_WITHIN));
            let answer = bounded(STUCK_AFTER, move || {
                producer.send_offsets_to_transaction(&list, &group, wait)
            });
            answer
                .ok_or_else(stuck)?
                .map_err(|error| self.judge(&error))
        })
        .map_err(|verdict| match verdict {
            Verdict::Again(detail) | Verdict::Abort(detail) => {
                Trouble::Abort(format!("add the source offsets: {detail}"))
            }
            Verdict::Lost(loss) => Trouble::Lost(loss),
        })
    }

    /// Waits until every record sent is stored.
    ///
    /// The library's own flush looks only every 100 ms, which would hold up every epoch.
    fn wait_stored(&mut self, deadline: Deadline) -> Result<(), Trouble> {
        loop {
            let stored = self.producer.flush(Duration::ZERO).is_ok();
            self.check_failures()?;
            if stored {
                return Ok(());
            }
            if deadline.passed() {
                return Err(Trouble::Abort(format!(
                    "{} records were not stored within {} s",
                    self.producer.in_flight_count(),
                    self.config.commit_within.as_secs_f64()
                )));
            }
            self.producer.poll(POLL_WAIT);
        }
    }

    /// What the delivery reports said of records that failed.
    fn check_failures(&mut self) -> Result<(), Trouble> {
        let Some((failed, first)) = self.producer.client().context().take_failures() else {
            return Ok(());
        };
        self.gap = true;
        Err(self.undelivered(failed, first))
    }

    fn undelivered(&self, failed: u64, first: Failure) -> Trouble {
        match first.code {
            Code::MessageSizeTooLarge | Code::MessageBatchTooLarge => {
                Trouble::Refuse(ConnectError::RecordTooLarge {
                    limit: self.limits.get(&first.topic).copied().unwrap_or(0),
                    bytes: first.bytes + RECORD_OVERHEAD,
                    topic: first.topic,
                })
            }
            Code::UnknownTopic | Code::UnknownTopicOrPartition | Code::UnknownPartition => {
                Trouble::Refuse(self.missing(first.topic))
            }
            Code::TopicAuthorizationFailed | Code::ClusterAuthorizationFailed => {
                Trouble::Refuse(ConnectError::Denied {
                    what: format!("topic {} on {}", first.topic, self.config.bootstrap),
                    detail: first.code.to_string(),
                })
            }
            _ => Trouble::Abort(format!("{failed} records were not stored, first {first}")),
        }
    }

    fn missing(&self, topic: String) -> ConnectError {
        ConnectError::TopicMissing {
            bootstrap: self.config.bootstrap.clone(),
            topics: vec![topic],
            known: Vec::new(),
        }
    }

    /// Ends the transaction, asking again until the answer is known or the time is up.
    fn commit(&mut self, deadline: Deadline) -> Result<(), EpochError> {
        self.state = State::Committing;
        let outcome = self.until_done(deadline, || {
            self.producer
                .commit_transaction(deadline.left(CALL_WITHIN))
                .map_err(|error| self.judge(&error))
        });
        match outcome {
            Ok(()) => {
                self.state = State::Ready;
                self.tell(EpochStep::Committed);
                Ok(())
            }
            Err(Verdict::Again(detail)) => Err(EpochError::Uncertain {
                transactional_id: self.config.transactional_id.clone(),
                waited: self.config.commit_within,
                detail,
            }),
            Err(Verdict::Abort(detail)) => Err(self.give_up(Trouble::Abort(detail))),
            Err(Verdict::Lost(loss)) => Err(self.lose(loss)),
        }
    }

    /// Aborts the transaction; the sink stays usable only when the broker said that it is aborted,
    /// which it does not say of one that is committed.
    fn give_up(&mut self, trouble: Trouble) -> EpochError {
        if let Trouble::Lost(loss) = trouble {
            return self.lose(loss);
        }
        let deadline = Deadline::new(self.config.abort_within);
        let aborted = self.until_done(deadline, || {
            self.producer
                .abort_transaction(deadline.left(ABORT_CALL_WITHIN))
                .map_err(|error| self.judge(&error))
        });
        let drained = self.drain(deadline);
        self.state = match aborted {
            Ok(()) if drained && !self.gap => State::Ready,
            Ok(()) => State::Lost,
            Err(Verdict::Lost(loss)) => return self.lose(loss),
            Err(Verdict::Again(detail) | Verdict::Abort(detail)) => {
                tracing::warn!(%detail, "An epoch could not be aborted in time.");
                State::Lost
            }
        };
        match trouble {
            Trouble::Refuse(error) => EpochError::Refused(error),
            Trouble::Abort(detail) => EpochError::Rewind {
                transactional_id: self.config.transactional_id.clone(),
                detail,
            },
            Trouble::Lost(loss) => self.lose(loss),
        }
    }

    /// Takes the reports of records that an abort threw away, so that they are not held against the
    /// next epoch; false when some are missing.
    fn drain(&self, deadline: Deadline) -> bool {
        while self.producer.in_flight_count() > 0 && !deadline.passed() {
            self.producer.poll(POLL_WAIT);
        }
        self.producer.client().context().take_failures();
        self.producer.in_flight_count() == 0
    }

    fn lose(&mut self, loss: Loss) -> EpochError {
        self.state = State::Lost;
        let Loss { fenced, detail } = loss;
        if fenced {
            return EpochError::Fenced {
                transactional_id: self.config.transactional_id.clone(),
                detail,
            };
        }
        EpochError::Fatal(self.client_error("commit an epoch", detail))
    }

    /// Repeats an operation that goes on behind the call, in slices, until it is decided.
    fn until_done(
        &self,
        deadline: Deadline,
        call: impl Fn() -> Result<(), Verdict>,
    ) -> Result<(), Verdict> {
        loop {
            let Err(verdict) = call() else {
                return Ok(());
            };
            match verdict {
                Verdict::Again(detail) if deadline.passed() => return Err(Verdict::Again(detail)),
                Verdict::Again(_) => self.producer.poll(AGAIN_AFTER),
                decided => return Err(decided),
            }
        }
    }

    fn judge(&self, error: &KafkaError) -> Verdict {
        let detail = cause_of(error);
        match error {
            KafkaError::Transaction(told) if told.is_fatal() => {
                Verdict::Lost(self.loss(error, detail))
            }
            KafkaError::Transaction(told) if told.txn_requires_abort() => Verdict::Abort(detail),
            KafkaError::Transaction(told) if told.is_retriable() => Verdict::Again(detail),
            KafkaError::Flush(_) => Verdict::Again(detail),
            _ => Verdict::Lost(self.loss(error, detail)),
        }
    }

    fn loss(&self, error: &KafkaError, detail: String) -> Loss {
        let fatal = self.producer.client().fatal_error();
        let code = match &fatal {
            Some((code, _)) => Some(*code),
            None => error.rdkafka_error_code(),
        };
        Loss {
            fenced: matches!(
                code,
                Some(Code::Fenced | Code::ProducerFenced | Code::InvalidProducerEpoch)
            ),
            detail: fatal.map_or(detail, |(_, text)| text),
        }
    }

    fn client_error(&self, doing: &str, detail: String) -> ConnectError {
        ConnectError::Client {
            bootstrap: self.config.bootstrap.clone(),
            doing: format!("{doing} as {}", self.config.transactional_id),
            detail,
        }
    }
}

impl std::fmt::Debug for EpochSink {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("EpochSink")
            .field("bootstrap", &self.config.bootstrap)
            .field("transactional_id", &self.config.transactional_id)
            .field("state", &self.state)
            .finish_non_exhaustive()
    }
}

fn client_config(config: &EpochSinkConfig) -> Result<ClientConfig, ConnectError> {
    if config.transactional_id.is_empty() {
        return Err(ConnectError::Configuration {
            detail: "a transactional id must not be empty".to_owned(),
        });
    }
    if config.transaction_timeout < Duration::from_secs(1) {
        return Err(ConnectError::Configuration {
            detail: format!(
                "a transaction timeout of {:?} must be 1 s or more",
                config.transaction_timeout
            ),
        });
    }
    let timeout = config.transaction_timeout.as_millis().to_string();
    let mut fixed = FIXED.to_vec();
    fixed.push(("transactional.id", &config.transactional_id));
    fixed.push(("transaction.timeout.ms", &timeout));
    configure(&config.bootstrap, DEFAULTS, &fixed, &config.properties)
}

/// Fences the last holder of the transactional id.
fn take_over(
    producer: &BaseProducer<Context>,
    config: &EpochSinkConfig,
    deadline: Deadline,
) -> Result<(), ConnectError> {
    let doing = format!("take over {}", config.transactional_id);
    loop {
        let Err(error) = producer.init_transactions(deadline.left(CALL_WITHIN)) else {
            return Ok(());
        };
        producer.poll(Duration::ZERO);
        let again = match &error {
            KafkaError::Transaction(told) => told.is_retriable() && !told.is_fatal(),
            _ => false,
        };
        if error.rdkafka_error_code() == Some(Code::TransactionalIdAuthorizationFailed) {
            return Err(ConnectError::Denied {
                what: format!(
                    "transactional id {} on {}",
                    config.transactional_id, config.bootstrap
                ),
                detail: cause_of(&error),
            });
        }
        if !again {
            return Err(client_error(&config.bootstrap, &doing, &error));
        }
        if deadline.passed() {
            let told = most_telling(producer.client().context().take_troubles());
            let detail = told.unwrap_or_else(|| cause_of(&error));
            return Err(deadline.unreachable(&config.bootstrap, format!("{doing}: {detail}")));
        }
    }
}

/// Makes a call on a thread of its own. One that does not come back within `within` gives nothing, and
/// is left alone with what it holds.
///
/// librdkafka 2.12.1 waits without a limit for a group's coordinator that has left the cluster's
/// metadata (its issue 5511), and a producer does nothing else meanwhile. A new one that takes over
/// the transactional id goes on; should the call ever come back, the broker refuses what it adds.
pub(crate) fn bounded<T: Send + 'static>(
    within: Duration,
    call: impl FnOnce() -> T + Send + 'static,
) -> Option<T> {
    let (answer, answered) = channel();
    // Nobody may listen any more.
    std::thread::spawn(move || drop(answer.send(call())));
    answered.recv_timeout(within).ok()
}

fn stuck() -> Verdict {
    Verdict::Lost(Loss {
        fenced: false,
        detail: format!(
            "no answer from the group's coordinator within {} s",
            STUCK_AFTER.as_secs()
        ),
    })
}

/// The library's words, which for a transaction say more than the code.
fn cause_of(error: &KafkaError) -> String {
    match error {
        KafkaError::Transaction(told) => told.string(),
        other => cause(other),
    }
}

/// What a property is fixed to.
#[cfg(test)]
pub(crate) fn fixed(name: &str) -> Option<&'static str> {
    FIXED
        .iter()
        .find(|(n, _)| *n == name)
        .map(|(_, value)| *value)
}
