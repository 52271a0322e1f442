//! The Kafka source: the partitions of some topics, in log order, with back-pressure.
//!
//! Promises: no record of a partition is skipped or given twice while the source lives; when the
//! log no longer holds what comes next, it fails with the offsets and never jumps. Records of
//! transactions that were aborted, or are not decided yet, are not given out, unless the property
//! `isolation.level` says `read_uncommitted`.
//! It assigns partitions by hand, at exact offsets: there is no consumer group, hence no rebalance,
//! and nothing is committed. Partitions that are added to a topic are read too, from their first
//! record on.
//!
//! How: a dedicated thread takes batches from librdkafka and hands them over a bounded channel.
//! While the channel is full librdkafka's own bounded queue fills and fetching stops; when that
//! lasts, the partitions are paused, which also frees that queue, and go on at the exact offset.
//!
//! Memory: librdkafka prefetches at most 32 MiB and 50,000 records, a fetch response holds at most
//! 8 MiB (one record may be larger), and the channel at most `queue_batches_max` batches of at most
//! `batch_max` records, each about 0.4 KiB beside its bytes.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, sync_channel};
use std::thread::JoinHandle;
use std::time::Duration;

use rdkafka::consumer::Consumer;
use rdkafka::{Offset, TopicPartitionList};
use tidegate_model::FeedId;

use crate::batch::{BatchQueue, Client, MessageBatch};
use crate::client::{
    Context, Deadline, Properties, REACH_WITHIN, Troubled, client_error, configure, find_topics,
    passing, setup_error,
};
use crate::error::ConnectError;
use crate::reader::{Lane, Outlet, Reader};

/// When the source ends by itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Stop {
    /// At the offsets that were the ends of the partitions when the source was opened. Records
    /// that arrive later are not given out.
    CaughtUp,
    /// Never: it waits for new records until it is dropped.
    Never,
}

/// Which partitions of its topics a source reads.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum PartitionChoice {
    /// All there are, and those that are added.
    All,
    /// Those whose number leaves the remainder `number` when divided by `of`, and those of them that
    /// are added: the share of one of several readers.
    Share {
        /// Which, 0 to `of` - 1.
        number: i32,
        /// How many readers there are, 1 or more.
        of: i32,
    },
    /// These and no others, each of which must exist.
    Only(BTreeSet<(FeedId, i32)>),
}

/// What a [`KafkaSource`] reads and how much it may hold.
#[derive(Debug, Clone)]
pub struct SourceConfig {
    /// Brokers to ask first, `HOST:PORT[,HOST:PORT]`.
    pub bootstrap: String,
    /// Each feed with its topic; neither may occur twice, so that feed, partition and offset name
    /// one record.
    pub topics: Vec<(FeedId, String)>,
    /// When to end.
    pub stop: Stop,
    /// Most records in one batch, 1 to 1,000,000.
    pub batch_max: usize,
    /// Most batches between the reading thread and the caller, 1 or more.
    pub queue_batches_max: usize,
    /// How long opening may wait for a broker.
    pub reach_within: Duration,
    /// How long the queue may be full before the partitions are paused.
    pub pause_after: Duration,
    /// How long nothing may come before it is checked that the topics still exist.
    pub check_after: Duration,
    /// The offset that is due next of partitions that were read before; the others begin at their
    /// earliest record. Those of partitions that are not read are passed over.
    pub start: BTreeMap<(FeedId, i32), i64>,
    /// Which partitions are read.
    pub partitions: PartitionChoice,
    /// How often it is looked whether a topic got new partitions; only with [`Stop::Never`] and
    /// [`PartitionChoice::All`] or [`PartitionChoice::Share`].
    pub grow_every: Duration,
    /// Further librdkafka properties, such as those for security.
    pub properties: Properties,
}

impl SourceConfig {
    /// The usual limits: batches of 8,192, 8 in the queue, 10 s to reach a broker, pausing after
    /// half a second, a look at the topics after 10 s of silence. All partitions from the earliest
    /// record, new ones looked for every 5 s.
    pub fn new(bootstrap: &str, topics: Vec<(FeedId, String)>, stop: Stop) -> Self {
        Self {
            bootstrap: bootstrap.to_owned(),
            topics,
            stop,
            batch_max: 8192,
            queue_batches_max: 8,
            reach_within: REACH_WITHIN,
            pause_after: Duration::from_millis(500),
            check_after: Duration::from_secs(10),
            start: BTreeMap::new(),
            partitions: PartitionChoice::All,
            grow_every: Duration::from_secs(5),
            properties: Properties::new(),
        }
    }
}

/// What a source has to say.
#[derive(Debug)]
pub enum SourceEvent {
    /// Records of one partition, following those given before.
    Batch(MessageBatch),
    /// A partition was read to its end: to the end of the log at that moment or, with
    /// [`Stop::CaughtUp`], once, to its end when the source was opened.
    CaughtUp {
        /// The feed of the topic.
        feed: FeedId,
        /// The partition.
        partition: i32,
        /// The offset that comes next.
        offset: i64,
    },
    /// A topic got a partition, which is read from its first record on: before any other event of
    /// that partition.
    Added {
        /// The feed of the topic.
        feed: FeedId,
        /// The partition.
        partition: i32,
    },
    /// A broker is away or slow. Nothing is lost: the client tries again until it is back, and
    /// batches follow.
    Stalled {
        /// What the client reported.
        what: String,
    },
    /// Every partition reached the end that was captured at open; only with [`Stop::CaughtUp`].
    Ended,
}

/// librdkafka settings that a user may change.
const DEFAULTS: &[(&str, &str)] = &[
    // Assigning needs a group id even though no group is joined.
    ("group.id", "tidegate"),
    ("client.id", "tidegate-source"),
    // 1 s by default, which stalls a fast reader each time the local queue was full.
    ("fetch.queue.backoff.ms", "2"),
    ("fetch.wait.max.ms", "100"),
    ("fetch.error.backoff.ms", "100"),
    ("fetch.max.bytes", "8388608"),
    ("max.partition.fetch.bytes", "1048576"),
    ("queued.min.messages", "50000"),
    ("queued.max.messages.kbytes", "32768"),
    ("reconnect.backoff.ms", "50"),
    ("reconnect.backoff.max.ms", "1000"),
    ("topic.metadata.refresh.interval.ms", "30000"),
    ("isolation.level", "read_committed"),
];

/// librdkafka settings that the promises of this module rest on.
const FIXED: &[(&str, &str)] = &[
    ("auto.offset.reset", "error"),
    ("enable.partition.eof", "true"),
    ("enable.auto.commit", "false"),
    ("enable.auto.offset.store", "false"),
    ("allow.auto.create.topics", "false"),
];

/// Reads partitions of some topics from the earliest record or from given offsets.
///
/// Dropping it stops the reading thread; batches that are still held stay valid.
#[derive(Debug)]
pub struct KafkaSource {
    partitions: Vec<(FeedId, i32)>,
    begins: Vec<i64>,
    // In an `Option` so that `drop` can hang up before it waits for the thread.
    events: Option<Receiver<Result<SourceEvent, ConnectError>>>,
    shared: Arc<Shared>,
    thread: Option<JoinHandle<()>>,
    state: State,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    Reading,
    Ended,
    Failed,
}

/// What the reading thread and the source tell each other beside the channel.
#[derive(Debug, Default)]
pub(crate) struct Shared {
    /// The source is being dropped.
    pub(crate) stopping: AtomicBool,
    /// Events in the channel.
    pub(crate) queued: AtomicUsize,
}

pub(crate) type Events = SyncSender<Result<SourceEvent, ConnectError>>;

impl KafkaSource {
    /// Reaches the broker, finds the topics, notes where each partition begins and ends, and starts
    /// reading.
    ///
    /// # Errors
    /// [`ConnectError::Configuration`] for limits or properties that cannot be;
    /// [`ConnectError::Unreachable`] when no broker answers within `reach_within`;
    /// [`ConnectError::TopicMissing`] naming all the topics that are not there, or a partition that
    /// was read before or is asked for and is not there;
    /// [`ConnectError::LogOvertaken`] when a log does not reach back, or forth, to its `start`;
    /// [`ConnectError::Denied`] or [`ConnectError::Client`] when the broker refuses.
    pub fn open(config: SourceConfig) -> Result<Self, ConnectError> {
        check(&config)?;
        let client = connect(&config)?;
        let deadline = Deadline::new(config.reach_within);
        let lanes = find_lanes(&client, &config, deadline)?;

        let queue = fetch(&client, &lanes, &config)?;
        // What was said while the connection was made is of no more interest.
        client.client().context().take_troubles();

        let partitions = lanes
            .iter()
            .map(|lane| (lane.feed.clone(), lane.partition))
            .collect();
        let begins = lanes.iter().map(|lane| lane.next).collect();
        let (sender, events) = sync_channel(config.queue_batches_max);
        let shared = Arc::new(Shared::default());
        let outlet = Outlet {
            events: sender,
            shared: Arc::clone(&shared),
        };
        let reader = Reader::new(client, queue, lanes, config, outlet);
        let thread = std::thread::Builder::new()
            .name("kafka-source".to_owned())
            .spawn(move || reader.run())
            .map_err(|error| ConnectError::Configuration {
                detail: format!("the reading thread does not start: {error}"),
            })?;
        Ok(Self {
            partitions,
            begins,
            events: Some(events),
            shared,
            thread: Some(thread),
            state: State::Reading,
        })
    }

    /// The offset at which reading began, of each of [`KafkaSource::partitions`]: where `start`
    /// says, else that of the earliest record at that moment. 0 for partitions that were added.
    pub fn begins(&self) -> &[i64] {
        &self.begins
    }

    /// Every partition that is read, ordered as the topics were given, then by number; after those
    /// known at open follow those that [`SourceEvent::Added`] told of.
    pub fn partitions(&self) -> &[(FeedId, i32)] {
        &self.partitions
    }

    /// Waits up to `timeout` for the next event; `None` when nothing came in that time.
    ///
    /// After [`SourceEvent::Ended`] every further call gives it again.
    ///
    /// # Errors
    /// [`ConnectError::LogOvertaken`] and [`ConnectError::OffsetWentBack`] when the log does not
    /// hold what comes next; [`ConnectError::Denied`], [`ConnectError::TopicMissing`] or
    /// [`ConnectError::Client`] when the broker refuses for good. After an error the source is
    /// done: further calls give [`ConnectError::SourceFailed`].
    pub fn next(&mut self, timeout: Duration) -> Result<Option<SourceEvent>, ConnectError> {
        match self.state {
            State::Ended => return Ok(Some(SourceEvent::Ended)),
            State::Failed => return Err(ConnectError::SourceFailed),
            State::Reading => {}
        }
        let received = match &self.events {
            Some(events) => events.recv_timeout(timeout),
            None => Err(RecvTimeoutError::Disconnected),
        };
        match received {
            Ok(event) => {
                self.shared.queued.fetch_sub(1, Ordering::AcqRel);
                match &event {
                    Ok(SourceEvent::Ended) => self.state = State::Ended,
                    Ok(SourceEvent::Added { feed, partition }) => {
                        self.partitions.push((feed.clone(), *partition));
                        self.begins.push(0);
                    }
                    Ok(_) => {}
                    Err(_) => self.state = State::Failed,
                }
                event.map(Some)
            }
            Err(RecvTimeoutError::Timeout) => Ok(None),
            Err(RecvTimeoutError::Disconnected) => {
                self.state = State::Failed;
                Err(ConnectError::SourceFailed)
            }
        }
    }
}

impl Drop for KafkaSource {
    fn drop(&mut self) {
        self.shared.stopping.store(true, Ordering::Release);
        self.events = None;
        if let Some(thread) = self.thread.take()
            && thread.join().is_err()
        {
            tracing::error!("The Kafka source's thread panicked.");
        }
    }
}

fn check(config: &SourceConfig) -> Result<(), ConnectError> {
    let fail = |detail: String| Err(ConnectError::Configuration { detail });
    if config.topics.is_empty() {
        return fail("no topic to read".to_owned());
    }
    if !(1..=1_000_000).contains(&config.batch_max) {
        return fail(format!(
            "batch_max {} must be 1 to 1000000",
            config.batch_max
        ));
    }
    if config.queue_batches_max == 0 {
        return fail("queue_batches_max 0 must be 1 or more".to_owned());
    }
    if let PartitionChoice::Share { number, of } = config.partitions
        && !(0..of).contains(&number)
    {
        return fail(format!("share {number} of {of} must be 0 to {}", of - 1));
    }
    for (i, (feed, topic)) in config.topics.iter().enumerate() {
        for (other_feed, other_topic) in &config.topics[..i] {
            if feed == other_feed {
                return fail(format!(
                    "feed {feed} has two topics, {other_topic} and {topic}"
                ));
            }
            if topic == other_topic {
                return fail(format!(
                    "topic {topic} has two feeds, {other_feed} and {feed}"
                ));
            }
        }
    }
    Ok(())
}

/// Finds each partition with its bounds at this moment.
pub(crate) fn find_lanes(
    client: &Client,
    config: &SourceConfig,
    deadline: Deadline,
) -> Result<Vec<Lane>, ConnectError> {
    let serve = || serve_events(client);
    let names: Vec<&str> = config.topics.iter().map(|(_, t)| t.as_str()).collect();
    let settle = (deadline, Duration::from_secs(1));
    let counts = find_topics(client.client(), &config.bootstrap, &names, settle, &serve)?;
    check_partitions(config, &counts)?;
    let mut lanes = Vec::new();
    for (topic, ((feed, name), count)) in config.topics.iter().zip(counts).enumerate() {
        for partition in (0..count).filter(|p| is_chosen(config, topic, *p)) {
            let bounds = bounds(client, &config.bootstrap, (name, partition), deadline)?;
            lanes.push(Lane {
                feed: feed.clone(),
                topic,
                name: name.clone(),
                partition,
                next: first_due(config, (feed, name, partition), bounds)?,
                end: (config.stop == Stop::CaughtUp).then_some(bounds.1),
                done: false,
                restarts: 0,
            });
        }
    }
    Ok(lanes)
}

/// Whether a partition of the topic with this index is read.
pub(crate) fn is_chosen(config: &SourceConfig, topic: usize, partition: i32) -> bool {
    match &config.partitions {
        PartitionChoice::All => true,
        PartitionChoice::Share { number, of } => partition % of == *number,
        PartitionChoice::Only(chosen) => {
            chosen.contains(&(config.topics[topic].0.clone(), partition))
        }
    }
}

/// Checks that every partition with an offset, and every chosen one, exists: one that is gone took
/// its records with it.
fn check_partitions(config: &SourceConfig, counts: &[i32]) -> Result<(), ConnectError> {
    let chosen = match &config.partitions {
        PartitionChoice::All | PartitionChoice::Share { .. } => None,
        PartitionChoice::Only(chosen) => Some(chosen),
    };
    for (feed, partition) in config.start.keys().chain(chosen.into_iter().flatten()) {
        let known = config
            .topics
            .iter()
            .zip(counts)
            .find(|((f, _), _)| f == feed);
        let Some(((_, topic), count)) = known else {
            return Err(ConnectError::Configuration {
                detail: format!("feed {feed} is asked for and has no topic"),
            });
        };
        if !(0..*count).contains(partition) {
            return Err(ConnectError::TopicMissing {
                bootstrap: config.bootstrap.clone(),
                topics: vec![format!("{topic} partition {partition}")],
                known: Vec::new(),
            });
        }
    }
    Ok(())
}

/// The offset to begin at, which the log must hold or end at.
fn first_due(
    config: &SourceConfig,
    (feed, topic, partition): (&FeedId, &str, i32),
    (earliest, latest): (i64, i64),
) -> Result<i64, ConnectError> {
    match config.start.get(&(feed.clone(), partition)) {
        None => Ok(earliest),
        Some(wanted) if (earliest..=latest).contains(wanted) => Ok(*wanted),
        Some(wanted) => Err(ConnectError::LogOvertaken {
            topic: topic.to_owned(),
            partition,
            wanted: *wanted,
            earliest: Some(earliest),
            latest: Some(latest),
        }),
    }
}

/// The offsets that a log holds: of the earliest record, and after the latest.
pub(crate) fn bounds(
    client: &Client,
    bootstrap: &str,
    (topic, partition): (&str, i32),
    deadline: Deadline,
) -> Result<(i64, i64), ConnectError> {
    loop {
        let wait = deadline.left(Duration::from_secs(2));
        match client.fetch_watermarks(topic, partition, wait) {
            Ok(bounds) => return Ok(bounds),
            Err(error) if passing(&error) && !deadline.passed() => serve_events(client),
            Err(error) => {
                let doing = format!("ask for the offsets of topic {topic} partition {partition}");
                return Err(client_error(bootstrap, &doing, &error));
            }
        }
    }
}

/// A client that has not asked its brokers for anything yet.
pub(crate) fn connect(config: &SourceConfig) -> Result<Arc<Client>, ConnectError> {
    let client = configure(&config.bootstrap, DEFAULTS, FIXED, &config.properties)?
        .create_with_context::<Context, Client>(Context::default())
        .map_err(|error| setup_error(&error))?;
    Ok(Arc::new(client))
}

/// Assigns every partition at the exact offset that is due, so that a log trimmed since it was
/// looked at is noticed. What is fetched comes by the queue.
pub(crate) fn fetch(
    client: &Arc<Client>,
    lanes: &[Lane],
    config: &SourceConfig,
) -> Result<BatchQueue, ConnectError> {
    let queue = BatchQueue::new(Arc::clone(client), &config.topics, config.batch_max)?;
    let failed = |error| client_error(&config.bootstrap, "assign the partitions", &error);
    let mut list = TopicPartitionList::with_capacity(lanes.len());
    for lane in lanes.iter().filter(|lane| lane.end != Some(lane.next)) {
        queue.forward(lane.topic, lane.partition)?;
        list.add_partition_offset(&lane.name, lane.partition, Offset::Offset(lane.next))
            .map_err(failed)?;
    }
    client.assign(&list).map_err(failed)?;
    Ok(queue)
}

/// Serves logs and errors without waiting; records never come this way.
///
/// A poll serves one event and does not tell a served log from none, so their number is fixed.
pub(crate) fn serve_events(client: &Client) {
    for _ in 0..8 {
        // Errors are kept by the client's context.
        let _served = client.poll(Duration::ZERO).is_some();
    }
}

/// What [`drain_count`] saw.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Drained {
    /// Records.
    pub records: u64,
    /// Bytes of their values.
    pub bytes: u64,
}

/// Reads a topic from its beginning to its present end, looking at the length of every value and
/// nothing else: the cost of consuming alone, for benchmarks.
///
/// # Errors
/// As [`KafkaSource::open`] and [`KafkaSource::next`].
pub fn drain_count(bootstrap: &str, topic: &str) -> Result<Drained, ConnectError> {
    let topics = vec![(FeedId::new("drain"), topic.to_owned())];
    let mut source = KafkaSource::open(SourceConfig::new(bootstrap, topics, Stop::CaughtUp))?;
    let mut drained = Drained::default();
    loop {
        match source.next(Duration::from_secs(1))? {
            Some(SourceEvent::Batch(batch)) => {
                drained.records += batch.len() as u64;
                drained.bytes += batch.bytes() as u64;
            }
            Some(SourceEvent::Ended) => return Ok(drained),
            Some(
                SourceEvent::CaughtUp { .. }
                | SourceEvent::Added { .. }
                | SourceEvent::Stalled { .. },
            )
            | None => {}
        }
    }
}
