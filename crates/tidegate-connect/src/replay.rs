//! Reading exact ranges of offsets again: how recorded steps are repeated after a restore.
//!
//! Promises: a range is given whole, once and in order, or not without an error; offsets that hold
//! no record (compacted, aborted, or a transaction's mark) are passed over in silence.
//! Ranges of different partitions may come in any order; those of one partition are fast when each
//! begins where the last one ended, and cost a new start of fetching otherwise.
//!
//! How: one consumer; each partition it has read lately is fetched ahead into a queue of its own.
//!
//! Memory: at most 64 partitions are fetched ahead, each about 1 MiB and one fetch response of at
//! most 1 MiB (one record may be larger); the one that was used least lately makes room.

use std::collections::BTreeMap;
use std::ops::Range;
use std::sync::Arc;
use std::time::Duration;

use rdkafka::config::ClientConfig;
use rdkafka::consumer::Consumer;
use rdkafka::types::RDKafkaErrorCode as Code;
use rdkafka::{Offset, TopicPartitionList};
use tidegate_model::FeedId;

use crate::batch::{BatchQueue, Client, MessageBatch, Polled};
use crate::client::{
    Context, Deadline, Properties, REACH_WITHIN, Troubled, client_error, configure, find_topics,
    most_telling, setup_error,
};
use crate::error::ConnectError;
use crate::reader::{overtaken, partition_error};
use crate::source::{bounds, serve_events};

/// Partitions that are fetched ahead at a time.
const LANES_MAX: usize = 64;
/// Records in one batch, at most.
const BATCH_MAX: usize = 8192;
/// How long one call of the client waits.
const LINGER: Duration = Duration::from_millis(20);
/// How long local operations of the client may take.
const LOCAL_WITHIN: Duration = Duration::from_secs(5);
/// How long nothing may come of a range before it is given up.
const STALL_MAX: Duration = Duration::from_secs(30);

/// librdkafka settings that a user may change.
const DEFAULTS: &[(&str, &str)] = &[
    // Assigning needs a group id even though no group is joined.
    ("group.id", "tidegate"),
    ("client.id", "tidegate-replay"),
    ("fetch.queue.backoff.ms", "2"),
    ("fetch.wait.max.ms", "20"),
    ("fetch.error.backoff.ms", "100"),
    ("fetch.max.bytes", "8388608"),
    ("max.partition.fetch.bytes", "1048576"),
    // A queue a partition, so this bounds each of them.
    ("queued.min.messages", "50000"),
    ("queued.max.messages.kbytes", "1024"),
    ("reconnect.backoff.ms", "50"),
    ("reconnect.backoff.max.ms", "1000"),
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

/// Reads ranges of offsets of some topics.
pub struct RangeReader {
    bootstrap: String,
    topics: Vec<(FeedId, String)>,
    /// By index of the topic and partition.
    lanes: BTreeMap<(usize, i32), Lane>,
    client: Arc<Client>,
    /// To make the client anew.
    config: ClientConfig,
    /// Counts ranges, to know which lane was used last.
    reads: u64,
    /// Counts how often fetching started at an offset.
    starts: u64,
    stall_max: Duration,
}

/// One partition that is fetched ahead.
#[derive(Debug)]
struct Lane {
    queue: BatchQueue,
    /// Whether it is fetched; else it is paused and holds nothing.
    active: bool,
    /// Where the last range ended; what follows is in `pending`, in the queue or to come.
    at: i64,
    /// Records behind the last range that came with it.
    pending: Option<MessageBatch>,
    /// Everything before this offset was taken from the queue.
    reached: i64,
    used: u64,
}

impl RangeReader {
    /// Reaches the broker and finds the topics, each with its feed. Waits at most 10 s.
    ///
    /// # Errors
    /// [`ConnectError::Configuration`] for a property that cannot be; [`ConnectError::Unreachable`]
    /// when no broker answers in time; [`ConnectError::TopicMissing`] naming all the topics that
    /// are not there; [`ConnectError::Denied`] or [`ConnectError::Client`] when the broker refuses.
    pub fn open(
        bootstrap: &str,
        topics: Vec<(FeedId, String)>,
        properties: &Properties,
    ) -> Result<Self, ConnectError> {
        let config = configure(bootstrap, DEFAULTS, FIXED, properties)?;
        let client = connect(&config)?;
        let serve = || serve_events(&client);
        let names: Vec<&str> = topics.iter().map(|(_, topic)| topic.as_str()).collect();
        let wait = (Deadline::new(REACH_WITHIN), Duration::from_secs(1));
        find_topics(client.client(), bootstrap, &names, wait, &serve)?;
        client.client().context().take_troubles();
        Ok(Self {
            bootstrap: bootstrap.to_owned(),
            topics,
            lanes: BTreeMap::new(),
            client: Arc::new(client),
            config,
            reads: 0,
            starts: 0,
            stall_max: STALL_MAX,
        })
    }

    /// Gives the records of one partition whose offsets are in `range`, in batches and in order.
    ///
    /// # Errors
    /// [`ConnectError::LogOvertaken`] when the log no longer begins, or does not yet end, where the
    /// range does; [`ConnectError::OffsetWentBack`] when it was made anew;
    /// [`ConnectError::Unreachable`] when nothing comes for 30 s; [`ConnectError::Configuration`]
    /// for a feed without a topic; [`ConnectError::TopicMissing`], [`ConnectError::Denied`] or
    /// [`ConnectError::Client`] as the broker answers. Part of the range may have been given.
    pub fn read(
        &mut self,
        feed: &FeedId,
        partition: i32,
        range: Range<i64>,
        take: &mut dyn FnMut(MessageBatch),
    ) -> Result<(), ConnectError> {
        if range.is_empty() {
            return Ok(());
        }
        let known = self.topics.iter().position(|(known, _)| known == feed);
        let Some(topic) = known else {
            return Err(ConnectError::Configuration {
                detail: format!("feed {feed} has no topic to read again"),
            });
        };
        self.reads += 1;
        let read = self.read_lane((topic, partition), range, take);
        if read.is_err() {
            // What is fetched is not known any more, and a partition that failed cannot be moved.
            self.renew()?;
        }
        read
    }

    fn read_lane(
        &mut self,
        at: (usize, i32),
        range: Range<i64>,
        take: &mut dyn FnMut(MessageBatch),
    ) -> Result<(), ConnectError> {
        serve_events(&self.client);
        let ready = |lane: &Lane| lane.active && lane.at == range.start;
        if !self.lanes.get(&at).is_some_and(ready) {
            self.start_at(at, &range)?;
        }
        let mut quiet = Deadline::new(self.stall_max);
        loop {
            let lane = self.lanes.get_mut(&at).expect("the lane was just opened");
            lane.used = self.reads;
            if let Some(batch) = lane.pending.take() {
                lane.give(batch, range.end, take);
            }
            if lane.pending.is_some() || lane.reached >= range.end {
                lane.at = range.end;
                return Ok(());
            }
            let most = usize::try_from(range.end - lane.reached).unwrap_or(usize::MAX);
            let polled = lane.queue.consume_at_most(most, LINGER);
            if polled.is_empty() {
                self.check_quiet(quiet)?;
            } else {
                quiet = Deadline::new(self.stall_max);
            }
            for polled in polled {
                self.handle(at, polled, range.end, take)?;
            }
        }
    }

    fn handle(
        &mut self,
        at: (usize, i32),
        polled: Polled,
        end: i64,
        take: &mut dyn FnMut(MessageBatch),
    ) -> Result<(), ConnectError> {
        let topic = self.topics[at.0].1.as_str();
        let lane = self.lanes.get_mut(&at).expect("the lane is being read");
        match polled {
            Polled::Records { batch, .. } if batch.first_offset() < lane.reached => {
                Err(ConnectError::OffsetWentBack {
                    topic: topic.to_owned(),
                    partition: at.1,
                    expected: lane.reached,
                    got: batch.first_offset(),
                })
            }
            Polled::Records { batch, .. } => {
                lane.give(batch, end, take);
                Ok(())
            }
            Polled::Notice {
                code: Code::PartitionEOF,
                offset,
                ..
            } => {
                let reached = lane.reached.max(offset);
                lane.reached = reached;
                if reached >= end {
                    return Ok(());
                }
                self.check_held(at, reached, end)
            }
            Polled::Notice {
                code: Code::AutoOffsetReset | Code::OffsetOutOfRange,
                ..
            } => Err(overtaken(&self.client, (topic, at.1), lane.reached)),
            Polled::Notice {
                code, offset, text, ..
            } => Err(partition_error(
                &self.bootstrap,
                (topic, at.1),
                (code, offset),
                text,
            )),
        }
    }

    /// Starts fetching a partition at an exact offset, and sees that the log holds the range.
    ///
    /// A partition that was fetched before is moved by seeking and never given back: giving back
    /// undoes, some time later, that the partition is forwarded to its queue.
    fn start_at(&mut self, at: (usize, i32), range: &Range<i64>) -> Result<(), ConnectError> {
        self.starts += 1;
        if range.start < 0 {
            return self.check_held(at, range.start, range.end);
        }
        let active = self.lanes.iter().filter(|(_, lane)| lane.active);
        if active.clone().count() >= LANES_MAX
            && let Some((oldest, _)) = active.min_by_key(|(_, lane)| lane.used)
        {
            self.pause(*oldest);
        }
        if self.lanes.contains_key(&at) && !self.seek(at, range.start) {
            // Its log overtook it while nobody read, for example.
            self.renew()?;
        }
        if !self.lanes.contains_key(&at) {
            self.add_lane(at, range.start)?;
        }
        // The question also wakes the thread of the partition's leader, which sleeps up to a second
        // when it had nothing to fetch.
        self.check_held(at, range.start, range.end)
    }

    fn add_lane(&mut self, at: (usize, i32), start: i64) -> Result<(), ConnectError> {
        let topic = &self.topics[at.0].1;
        let doing = format!("fetch topic {topic} partition {}", at.1);
        let failed = |error| client_error(&self.bootstrap, &doing, &error);
        let mut list = TopicPartitionList::new();
        list.add_partition_offset(topic, at.1, Offset::Offset(start))
            .map_err(failed)?;
        let queue = BatchQueue::new(Arc::clone(&self.client), &self.topics, BATCH_MAX)?;
        queue.forward(at.0, at.1)?;
        self.client.incremental_assign(&list).map_err(failed)?;
        let lane = Lane {
            queue,
            active: true,
            at: start,
            pending: None,
            reached: start,
            used: self.reads,
        };
        self.lanes.insert(at, lane);
        Ok(())
    }

    /// Moves a partition that is known; false when it cannot be moved.
    fn seek(&mut self, at: (usize, i32), start: i64) -> bool {
        let Some(lane) = self.lanes.get_mut(&at) else {
            return false;
        };
        let mut list = TopicPartitionList::new();
        let moved = list
            .add_partition_offset(&self.topics[at.0].1, at.1, Offset::Offset(start))
            .and_then(|()| self.client.seek_partitions(list, LOCAL_WITHIN))
            .and_then(|list| {
                for partition in list.elements() {
                    partition.error()?;
                }
                self.client.resume(&list)
            });
        if let Err(error) = moved {
            tracing::debug!(%error, "A partition could not be moved.");
            return false;
        }
        lane.active = true;
        lane.at = start;
        lane.reached = start;
        lane.pending = None;
        true
    }

    /// Fails when the log does not hold the offsets from `from` to `end`.
    fn check_held(&self, at: (usize, i32), from: i64, end: i64) -> Result<(), ConnectError> {
        let place = (self.topics[at.0].1.as_str(), at.1);
        let deadline = Deadline::new(self.stall_max);
        let (earliest, latest) = bounds(&self.client, &self.bootstrap, place, deadline)?;
        if earliest <= from && end <= latest {
            return Ok(());
        }
        Err(ConnectError::LogOvertaken {
            topic: place.0.to_owned(),
            partition: place.1,
            wanted: if earliest <= from { latest } else { from },
            earliest: Some(earliest),
            latest: Some(latest),
        })
    }

    fn check_quiet(&self, quiet: Deadline) -> Result<(), ConnectError> {
        serve_events(&self.client);
        if !quiet.passed() {
            return Ok(());
        }
        let told = most_telling(self.client.client().context().take_troubles());
        let detail = told.unwrap_or_else(|| "no records came".to_owned());
        Err(quiet.unreachable(&self.bootstrap, detail))
    }

    #[cfg(test)]
    pub(crate) fn starts(&self) -> u64 {
        self.starts
    }

    /// Begins anew, with nothing fetched.
    fn renew(&mut self) -> Result<(), ConnectError> {
        self.lanes.clear();
        self.client = Arc::new(connect(&self.config)?);
        Ok(())
    }

    /// Stops fetching a partition and frees what was fetched.
    fn pause(&mut self, at: (usize, i32)) {
        let Some(lane) = self.lanes.get_mut(&at) else {
            return;
        };
        lane.active = false;
        lane.pending = None;
        let mut list = TopicPartitionList::new();
        list.add_partition(&self.topics[at.0].1, at.1);
        if let Err(error) = self.client.pause(&list) {
            tracing::debug!(%error, "A partition could not be paused.");
        }
    }
}

fn connect(config: &ClientConfig) -> Result<Client, ConnectError> {
    config
        .create_with_context(Context::default())
        .map_err(|error| setup_error(&error))
}

impl std::fmt::Debug for RangeReader {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("RangeReader")
            .field("bootstrap", &self.bootstrap)
            .field("topics", &self.topics)
            .finish_non_exhaustive()
    }
}

impl Lane {
    /// Gives what is before `end` and keeps the rest.
    fn give(&mut self, mut batch: MessageBatch, end: i64, take: &mut dyn FnMut(MessageBatch)) {
        self.reached = self.reached.max(batch.last_offset() + 1);
        self.pending = batch.split_at(end);
        if !batch.is_empty() {
            take(batch);
        }
    }
}
