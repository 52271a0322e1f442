//! The reading thread of a [`crate::KafkaSource`].

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::sync::mpsc::TrySendError;
use std::time::{Duration, Instant};

use rdkafka::consumer::Consumer;
use rdkafka::types::RDKafkaErrorCode as Code;
use rdkafka::{Offset, TopicPartitionList};
use tidegate_model::FeedId;

use crate::batch::{BatchQueue, Client, MessageBatch, Polled};
use crate::client::{Deadline, Troubled, client_error, look_up, most_telling};
use crate::error::ConnectError;
use crate::source::{
    Events, PartitionChoice, Shared, SourceConfig, SourceEvent, Stop, bounds, connect, fetch,
    is_chosen, serve_events,
};

/// How long one call waits for its batch to fill: the latency added to a trickle of records.
const LINGER: Duration = Duration::from_millis(10);
/// How often a full channel is tried again.
const FULL_RETRY: Duration = Duration::from_millis(5);
/// How often a stall is told again.
const STALLED_EVERY: Duration = Duration::from_secs(5);
/// How long a look at the topics may hold up reading.
const CHECK_WITHIN: Duration = Duration::from_secs(1);
/// How long waking the brokers may hold up reading.
const WAKE_WITHIN: Duration = Duration::from_millis(500);
/// How librdkafka begins to tell that what was read is not in the leader's log any more: brokers lost
/// acknowledged records. Going on at the same offset would pass over what took their place.
const TRUNCATED: &str = "Partition log truncation detected";
/// How long a leader that has just come may take to know its log.
const SETTLE_WITHIN: Duration = Duration::from_secs(30);
/// How often in a row a partition is begun anew.
const RESTARTS_MAX: u8 = 10;
/// How long local operations of the client may take.
const LOCAL_WITHIN: Duration = Duration::from_secs(5);

/// One partition being read.
#[derive(Debug)]
pub(crate) struct Lane {
    pub(crate) feed: FeedId,
    /// Index of the topic in the configuration.
    pub(crate) topic: usize,
    pub(crate) name: String,
    pub(crate) partition: i32,
    /// The offset that is due next; later ones may follow, since compaction and transactions
    /// leave gaps.
    pub(crate) next: i64,
    /// Where to end; `None` for never.
    pub(crate) end: Option<i64>,
    pub(crate) done: bool,
    /// How often in a row it was begun anew without a record in between.
    pub(crate) restarts: u8,
}

/// The way from the reading thread to the source.
pub(crate) struct Outlet {
    pub(crate) events: Events,
    pub(crate) shared: Arc<Shared>,
}

/// Why the thread ends before every partition is done.
enum Halt {
    /// Nobody listens any more.
    HungUp,
    Failed(ConnectError),
}

impl From<ConnectError> for Halt {
    fn from(error: ConnectError) -> Self {
        Self::Failed(error)
    }
}

/// Owns the consumer and moves what it fetches into the channel.
pub(crate) struct Reader {
    // Before the client: the queue is destroyed first.
    queue: BatchQueue,
    client: Arc<Client>,
    lanes: Vec<Lane>,
    config: SourceConfig,
    outlet: Outlet,
    paused: bool,
    /// Whether the client is another one than that which gave what is being handled.
    is_renewed: bool,
    /// When a stall was last told.
    stalled: Option<Instant>,
    /// When the last record came or the topics were last looked at.
    quiet_since: Instant,
    /// Looks in a row that missed a topic.
    misses: u8,
    /// When new partitions were last looked for.
    grown: Instant,
}

impl Reader {
    pub(crate) fn new(
        client: Arc<Client>,
        queue: BatchQueue,
        lanes: Vec<Lane>,
        config: SourceConfig,
        outlet: Outlet,
    ) -> Self {
        Self {
            queue,
            client,
            lanes,
            config,
            outlet,
            paused: false,
            is_renewed: false,
            stalled: None,
            quiet_since: Instant::now(),
            misses: 0,
            grown: Instant::now(),
        }
    }

    /// Reads until every partition is done, an error ends it, or nobody listens.
    pub(crate) fn run(mut self) {
        let last = match self.read() {
            Ok(()) => Ok(SourceEvent::Ended),
            Err(Halt::HungUp) => return,
            Err(Halt::Failed(error)) => Err(error),
        };
        // Freed before the caller learns of the end, so that fetching does not go on behind it.
        if let Err(error) = self.client.unassign() {
            tracing::debug!(%error, "The partitions could not be given back.");
        }
        self.lanes.clear();
        // Nobody listening is no failure here.
        let _hung_up = self.send(last);
    }

    fn read(&mut self) -> Result<(), Halt> {
        for i in 0..self.lanes.len() {
            if self.lanes[i].end == Some(self.lanes[i].next) {
                self.caught_up(i, self.lanes[i].next)?;
            }
        }
        while !self.lanes.iter().all(|lane| lane.done) {
            if self.outlet.shared.stopping.load(Ordering::Acquire) {
                return Err(Halt::HungUp);
            }
            serve_events(&self.client);
            self.report_troubles()?;
            if self.paused && !self.try_resume()? {
                continue;
            }
            self.grow()?;
            let polled = self.queue.consume(LINGER);
            if polled.is_empty() {
                self.check_topics()?;
            } else {
                self.quiet_since = Instant::now();
                self.misses = 0;
            }
            self.is_renewed = false;
            for polled in polled {
                self.handle(polled)?;
                if self.is_renewed {
                    // The rest comes again.
                    break;
                }
            }
        }
        Ok(())
    }

    fn handle(&mut self, polled: Polled) -> Result<(), Halt> {
        match polled {
            Polled::Records { topic, batch } => {
                let lane = self.lane(topic, batch.partition());
                self.handle_records(lane, batch)
            }
            Polled::Notice {
                topic: Some(topic),
                partition,
                code,
                offset,
                text,
            } => {
                let lane = self.lane(topic, partition);
                if code == Code::PartitionEOF {
                    self.handle_end(lane, offset)
                } else {
                    self.handle_error(lane, code, offset, text)
                }
            }
            Polled::Notice { code, text, .. } => Err(Halt::Failed(ConnectError::Client {
                bootstrap: self.config.bootstrap.clone(),
                doing: "read".to_owned(),
                detail: format!("{code}: {text}"),
            })),
        }
    }

    /// Looks whether the topics still exist after a time of silence.
    ///
    /// librdkafka tells of a deleted topic by an event that consuming in batches turns into a line
    /// of its log, so a reader of a deleted topic would wait for ever. One miss may be a broker
    /// that has not caught up with the others; two are believed.
    fn check_topics(&mut self) -> Result<(), Halt> {
        if self.quiet_since.elapsed() < self.config.check_after {
            return Ok(());
        }
        let names: Vec<&str> = self.config.topics.iter().map(|(_, t)| t.as_str()).collect();
        // A broker that does not answer is told of as stalled.
        let looked = self
            .client
            .fetch_metadata(None, CHECK_WITHIN)
            .map(|metadata| look_up(&metadata, &self.config.bootstrap, &names));
        self.quiet_since = Instant::now();
        match looked {
            Ok(Err(error @ ConnectError::TopicMissing { .. })) => {
                self.misses += 1;
                if self.misses >= 2 {
                    return Err(Halt::Failed(error));
                }
            }
            Ok(Err(error @ ConnectError::Denied { .. })) => return Err(Halt::Failed(error)),
            Ok(Ok(_)) => self.misses = 0,
            Ok(Err(_)) | Err(_) => {}
        }
        Ok(())
    }

    /// Looks now and then whether a topic got new partitions, and reads them from offset 0: should
    /// retention be faster than that, the log has overtaken the reader, and it says so.
    fn grow(&mut self) -> Result<(), Halt> {
        let due = self.grown.elapsed() >= self.config.grow_every;
        if !due || self.config.stop != Stop::Never {
            return Ok(());
        }
        if let PartitionChoice::Only(_) = self.config.partitions {
            return Ok(());
        }
        let names: Vec<&str> = self.config.topics.iter().map(|(_, t)| t.as_str()).collect();
        // A topic that is missing or a broker that is away is told of elsewhere.
        let counts = self
            .client
            .fetch_metadata(None, CHECK_WITHIN)
            .ok()
            .and_then(|metadata| look_up(&metadata, &self.config.bootstrap, &names).ok());
        self.grown = Instant::now();
        for (topic, count) in counts.into_iter().flatten().enumerate() {
            let lanes = self.lanes.iter().filter(|lane| lane.topic == topic);
            let known = lanes.map(|lane| lane.partition + 1).max().unwrap_or(0);
            for partition in known..count {
                if is_chosen(&self.config, topic, partition) {
                    self.add_lane(topic, partition)?;
                }
            }
        }
        Ok(())
    }

    fn add_lane(&mut self, topic: usize, partition: i32) -> Result<(), Halt> {
        let (feed, name) = self.config.topics[topic].clone();
        let failed = |error| {
            let doing = format!("assign new partition {partition} of topic {name}");
            client_error(&self.config.bootstrap, &doing, &error)
        };
        self.queue.forward(topic, partition)?;
        let mut list = TopicPartitionList::new();
        list.add_partition_offset(&name, partition, Offset::Offset(0))
            .map_err(failed)?;
        self.client.incremental_assign(&list).map_err(failed)?;
        self.lanes.push(Lane {
            feed: feed.clone(),
            topic,
            name,
            partition,
            next: 0,
            end: None,
            done: false,
            restarts: 0,
        });
        // Nothing of it is taken from the queue before this.
        self.send(Ok(SourceEvent::Added { feed, partition }))
    }

    fn lane(&self, topic: usize, partition: i32) -> usize {
        self.lanes
            .iter()
            .position(|lane| lane.topic == topic && lane.partition == partition)
            .expect("only assigned partitions are forwarded to the queue")
    }

    fn handle_records(&mut self, i: usize, mut batch: MessageBatch) -> Result<(), Halt> {
        let lane = &mut self.lanes[i];
        if lane.done {
            return Ok(());
        }
        if batch.first_offset() < lane.next {
            return Err(Halt::Failed(ConnectError::OffsetWentBack {
                topic: lane.name.clone(),
                partition: lane.partition,
                expected: lane.next,
                got: batch.first_offset(),
            }));
        }
        lane.next = batch.last_offset() + 1;
        lane.restarts = 0;
        let end = lane.end.filter(|end| lane.next >= *end);
        if let Some(end) = end {
            batch.truncate_at(end);
        }
        if !batch.is_empty() {
            self.send(Ok(SourceEvent::Batch(batch)))?;
        }
        match end {
            Some(end) => self.caught_up(i, end),
            None => Ok(()),
        }
    }

    /// Handles the end of a partition. It also comes past records that are never given out, such as
    /// a transaction's marks, so it counts although the last record did not.
    fn handle_end(&mut self, i: usize, offset: i64) -> Result<(), Halt> {
        let lane = &mut self.lanes[i];
        if lane.done {
            return Ok(());
        }
        let expected = lane.end.unwrap_or(lane.next).max(lane.next);
        if offset < expected {
            return Err(Halt::Failed(ConnectError::OffsetWentBack {
                topic: lane.name.clone(),
                partition: lane.partition,
                expected,
                got: offset,
            }));
        }
        lane.next = offset;
        let end = lane.end.unwrap_or(offset);
        self.caught_up(i, end)
    }

    fn caught_up(&mut self, i: usize, offset: i64) -> Result<(), Halt> {
        let lane = &mut self.lanes[i];
        lane.done = lane.end.is_some();
        let event = SourceEvent::CaughtUp {
            feed: lane.feed.clone(),
            partition: lane.partition,
            offset,
        };
        if lane.done && !self.lanes.iter().all(|lane| lane.done) {
            // What arrives after its end is not wanted.
            let mut list = TopicPartitionList::new();
            let lane = &self.lanes[i];
            list.add_partition(&lane.name, lane.partition);
            if let Err(error) = self.client.pause(&list) {
                tracing::debug!(%error, "A finished partition could not be paused.");
            }
        }
        self.send(Ok(event))
    }

    fn handle_error(
        &mut self,
        i: usize,
        code: Code,
        offset: i64,
        text: String,
    ) -> Result<(), Halt> {
        let lane = &self.lanes[i];
        if lane.done {
            return Ok(());
        }
        if let Code::AutoOffsetReset | Code::OffsetOutOfRange = code
            && !text.contains(TRUNCATED)
        {
            return Ok(self.read_again(i, &text)?);
        }
        Err(Halt::Failed(partition_error(
            &self.config.bootstrap,
            (&lane.name, lane.partition),
            (code, offset),
            text,
        )))
    }

    /// Tells of a broker that is away, at most every five seconds: the client tries again, and
    /// complains, many times a second.
    fn report_troubles(&mut self) -> Result<(), Halt> {
        let troubles = self.client.client().context().take_troubles();
        let recent = self.stalled.is_some_and(|at| at.elapsed() < STALLED_EVERY);
        if let Some(what) = most_telling(troubles).filter(|_| !recent) {
            self.stalled = Some(Instant::now());
            self.send(Ok(SourceEvent::Stalled { what }))?;
        }
        if let Some((code, text)) = self.client.client().fatal_error() {
            return Err(Halt::Failed(ConnectError::Client {
                bootstrap: self.config.bootstrap.clone(),
                doing: "read".to_owned(),
                detail: format!("{code}: {text}"),
            }));
        }
        Ok(())
    }

    /// Puts an event into the channel; while it is full, serves the client and in the end pauses.
    fn send(&mut self, event: Result<SourceEvent, ConnectError>) -> Result<(), Halt> {
        let mut event = event;
        let full_since = Instant::now();
        // Counted before it can be received, so that the count never goes below zero.
        self.outlet.shared.queued.fetch_add(1, Ordering::AcqRel);
        loop {
            match self.outlet.events.try_send(event) {
                Ok(()) => return Ok(()),
                Err(TrySendError::Disconnected(_)) => return Err(Halt::HungUp),
                Err(TrySendError::Full(unsent)) => event = unsent,
            }
            if self.outlet.shared.stopping.load(Ordering::Acquire) {
                return Err(Halt::HungUp);
            }
            if !self.paused && full_since.elapsed() >= self.config.pause_after {
                self.pause()?;
            }
            // Waits for an event of the client, which keeps its errors and logs served.
            if self.client.poll(FULL_RETRY).is_some() {
                serve_events(&self.client);
            }
        }
    }

    fn unfinished(&self) -> Result<TopicPartitionList, ConnectError> {
        let mut list = TopicPartitionList::new();
        for lane in self.lanes.iter().filter(|lane| !lane.done) {
            list.add_partition_offset(&lane.name, lane.partition, Offset::Offset(lane.next))
                .map_err(|e| client_error(&self.config.bootstrap, "list the partitions", &e))?;
        }
        Ok(list)
    }

    /// Pauses all partitions that are not read to their end.
    ///
    /// That makes librdkafka take its own idea of the next offset, and consuming a partition's end
    /// in a batch sets that one too far and its leader epoch to 0: should the leader change now, the
    /// log would seem truncated. So each partition is sent to the offset that is due, without an
    /// epoch.
    fn pause(&mut self) -> Result<(), ConnectError> {
        let failed = |error| client_error(&self.config.bootstrap, "pause the partitions", &error);
        let list = self.unfinished()?;
        if list.count() == 0 {
            // Seeking in an empty list is an error of librdkafka.
            return Ok(());
        }
        self.client.pause(&list).map_err(failed)?;
        // What became of each shows when they are resumed.
        self.client
            .seek_partitions(list, LOCAL_WITHIN)
            .map_err(failed)?;
        self.paused = true;
        tracing::debug!("The reader of the source is behind: partitions paused.");
        Ok(())
    }

    /// Resumes once half of the channel is free; otherwise waits a moment. Each partition goes on at
    /// the exact offset: when they were paused, part of a batch was still to be handled.
    fn try_resume(&mut self) -> Result<bool, ConnectError> {
        let queued = self.outlet.shared.queued.load(Ordering::Acquire);
        if queued > self.config.queue_batches_max / 2 {
            // The outcome is of no interest: errors reach the client's context.
            let _served = self.client.poll(FULL_RETRY).is_some();
            return Ok(false);
        }
        let bootstrap = self.config.bootstrap.clone();
        let failed = |error| client_error(&bootstrap, "resume the partitions", &error);
        let sought = self
            .client
            .seek_partitions(self.unfinished()?, LOCAL_WITHIN)
            .map_err(failed)?;
        for i in 0..self.lanes.len() {
            let lane = &self.lanes[i];
            let found = sought.find_partition(&lane.name, lane.partition);
            if let Some(Err(error)) = found.map(|found| found.error()) {
                // Pausing discards what a broker said of the partition, after which there is
                // nothing to seek in.
                self.read_again(i, &error.to_string())?;
                return Ok(true);
            }
        }
        let mut list = self.unfinished()?;
        self.client.resume(&list).map_err(failed)?;
        self.paused = false;
        // A broker's thread without partitions to fetch sleeps up to a second, and resuming does
        // not wake it; a question to each leader does. The answer is of no interest.
        list.set_all_offsets(Offset::End).map_err(failed)?;
        if let Err(error) = self.client.offsets_for_times(list, WAKE_WITHIN) {
            tracing::debug!(%error, "The brokers could not be woken.");
        }
        Ok(true)
    }

    /// Goes on with a partition of which a broker said that its log does not hold what is due, after
    /// which librdkafka does not fetch it any more. If its log does hold it, that was a leader that
    /// had just come and did not know its log yet.
    fn read_again(&mut self, i: usize, said: &str) -> Result<(), ConnectError> {
        self.wait_held(i)?;
        let lane = &mut self.lanes[i];
        lane.restarts += 1;
        let (topic, partition, offset) = (&lane.name, lane.partition, lane.next);
        if lane.restarts > RESTARTS_MAX {
            return Err(ConnectError::Client {
                bootstrap: self.config.bootstrap.clone(),
                doing: format!("read topic {topic} partition {partition} from offset {offset}"),
                detail: format!("{said}, although its log holds that offset"),
            });
        }
        tracing::warn!(topic, partition, offset, said, "Reading it again.");
        self.renew()
    }

    /// Begins anew with another client, each partition at the offset that is due: giving back a
    /// single partition would undo, some time later, that it is forwarded to the queue.
    fn renew(&mut self) -> Result<(), ConnectError> {
        let client = connect(&self.config)?;
        self.queue = fetch(&client, &self.lanes, &self.config)?;
        self.client = client;
        self.paused = false;
        self.is_renewed = true;
        Ok(())
    }

    /// Waits until the log holds what a partition is due to read; fails when that is gone, or still
    /// to come after [`SETTLE_WITHIN`].
    fn wait_held(&self, i: usize) -> Result<(), ConnectError> {
        let lane = &self.lanes[i];
        let place = (lane.name.as_str(), lane.partition);
        let deadline = Deadline::new(SETTLE_WITHIN);
        loop {
            let (earliest, latest) = bounds(&self.client, &self.config.bootstrap, place, deadline)?;
            if (earliest..=latest).contains(&lane.next) {
                return Ok(());
            }
            if lane.next < earliest || deadline.passed() {
                return Err(ConnectError::LogOvertaken {
                    topic: lane.name.clone(),
                    partition: lane.partition,
                    wanted: lane.next,
                    earliest: Some(earliest),
                    latest: Some(latest),
                });
            }
            serve_events(&self.client);
            std::thread::sleep(FULL_RETRY);
        }
    }
}

/// The error that `wanted` is not in a log, with what is, where the broker tells.
pub(crate) fn overtaken(
    client: &Client,
    (topic, partition): (&str, i32),
    wanted: i64,
) -> ConnectError {
    let asked = client.fetch_watermarks(topic, partition, Duration::from_secs(2));
    let bounds = asked.ok();
    ConnectError::LogOvertaken {
        topic: topic.to_owned(),
        partition,
        wanted,
        earliest: bounds.map(|(low, _)| low),
        latest: bounds.map(|(_, high)| high),
    }
}

/// What a partition's error means, outside of an offset that its log does not hold.
pub(crate) fn partition_error(
    bootstrap: &str,
    (topic, partition): (&str, i32),
    (code, offset): (Code, i64),
    text: String,
) -> ConnectError {
    match code {
        Code::TopicAuthorizationFailed
        | Code::GroupAuthorizationFailed
        | Code::ClusterAuthorizationFailed => ConnectError::Denied {
            what: format!("topic {topic} on {bootstrap}"),
            detail: text,
        },
        Code::UnknownTopicOrPartition | Code::UnknownTopic | Code::UnknownPartition => {
            ConnectError::TopicMissing {
                bootstrap: bootstrap.to_owned(),
                topics: vec![format!("{topic} partition {partition}, deleted while read")],
                known: Vec::new(),
            }
        }
        _ => ConnectError::Client {
            bootstrap: bootstrap.to_owned(),
            doing: format!("read topic {topic} partition {partition} at offset {offset}"),
            detail: format!("{code}: {text}"),
        },
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;
    use std::sync::mpsc::sync_channel;

    use super::*;
    use crate::real_kafka::{LONG, sink};
    use crate::{EmbeddedBroker, source};

    #[test]
    fn another_client_goes_on_where_the_last_one_was() {
        let broker = EmbeddedBroker::start(&[("a", 2)]).unwrap();
        let mut sink = sink(broker.bootstrap());
        for partition in 0..2 {
            for value in 0..100_u8 {
                sink.send("a", Some(partition), None, Some(&[value]), None)
                    .unwrap();
            }
        }
        sink.flush(LONG).unwrap();
        let topics = vec![(FeedId::new("f"), "a".to_owned())];
        let mut config = SourceConfig::new(broker.bootstrap(), topics, Stop::CaughtUp);
        config.batch_max = 30;
        let client = connect(&config).unwrap();
        let lanes = source::find_lanes(&client, &config, Deadline::new(LONG)).unwrap();
        let queue = fetch(&client, &lanes, &config).unwrap();
        let (sender, events) = sync_channel(1_000);
        let outlet = Outlet {
            events: sender,
            shared: Arc::default(),
        };
        let mut reader = Reader::new(client, queue, lanes, config, outlet);
        // Of what comes at a time only the first part is handled before each change.
        for _ in 0..3 {
            let polled = loop {
                let polled = reader.queue.consume(LINGER);
                if !polled.is_empty() {
                    break polled;
                }
            };
            let first = polled.into_iter().next().unwrap();
            assert!(reader.handle(first).is_ok());
            reader.renew().unwrap();
        }
        assert!(reader.read().is_ok());
        drop(reader);
        let mut values: BTreeMap<i32, Vec<u8>> = BTreeMap::new();
        for event in events {
            if let SourceEvent::Batch(batch) = event.unwrap() {
                let came = batch.iter().map(|payload| payload.bytes.unwrap()[0]);
                values.entry(batch.partition()).or_default().extend(came);
            }
        }
        let all = || (0..100).collect::<Vec<u8>>();
        assert_eq!(values, BTreeMap::from([(0, all()), (1, all())]));
    }
}
