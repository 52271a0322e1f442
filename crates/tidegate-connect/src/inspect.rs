//! Looking at topics from outside, and changing them, as an operator or a test does.
//!
//! [`Inspector::read_committed`] is what a careful consumer of the product's topics sees: records
//! of open and aborted transactions are not among it. Its promise: everything that was in the log
//! when it was called is decided and read, or it fails and says so.
//! It holds everything that it reads in memory and follows nothing, so it is no source.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use rdkafka::admin::{
    AdminClient, AdminOptions, NewPartitions, NewTopic, TopicReplication, TopicResult,
};
use rdkafka::client::DefaultClientContext;
use rdkafka::config::ClientConfig;
use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka::error::KafkaError;
use rdkafka::message::Message;
use rdkafka::types::RDKafkaErrorCode as Code;
use rdkafka::{Offset, TopicPartitionList};

use crate::client::{self, Deadline, cause, client_error, setup_error};
use crate::error::ConnectError;

/// Most records that one call reads; a topic with more is refused, since all are held in memory.
pub const INSPECT_RECORDS_MAX: usize = 10_000_000;

/// How long one question to a broker may take before it is asked again.
const ASK_WITHIN: Duration = Duration::from_secs(2);
/// How often a wait looks again.
const LOOK_EVERY: Duration = Duration::from_millis(20);

/// Where partitions of a topic end: the offset that comes next, by partition.
pub type Ends = BTreeMap<i32, i64>;

/// One record as it is in a topic.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct InspectedRecord {
    /// Partition.
    pub partition: i32,
    /// Offset.
    pub offset: i64,
    /// Key, where it has one.
    pub key: Option<Vec<u8>>,
    /// Value; `None` for a tombstone.
    pub value: Option<Vec<u8>>,
    /// Milliseconds since 1970.
    pub timestamp_ms: Option<i64>,
}

/// Reads and changes the topics of one cluster. It keeps no connection: each call makes its own,
/// so that a broker that was away does not linger in it.
#[derive(Debug, Clone)]
pub struct Inspector {
    bootstrap: String,
}

impl Inspector {
    /// For the cluster at `bootstrap`, `HOST:PORT[,HOST:PORT]`.
    pub fn new(bootstrap: &str) -> Self {
        Self {
            bootstrap: bootstrap.to_owned(),
        }
    }

    /// Makes a topic with further settings of the broker, such as `max.message.bytes`.
    ///
    /// # Errors
    /// [`ConnectError::Client`] when it exists, or when the broker refuses or does not answer
    /// within `within`.
    pub fn create_topic(
        &self,
        topic: &str,
        partitions: i32,
        settings: &[(&str, &str)],
        within: Duration,
    ) -> Result<(), ConnectError> {
        let mut new = NewTopic::new(topic, partitions, TopicReplication::Fixed(-1));
        for (name, value) in settings {
            new = new.set(name, value);
        }
        let doing = format!("create topic {topic}");
        let admin = self.admin()?;
        let made = futures_executor::block_on(admin.create_topics([&new], &options(within)));
        self.done(&doing, made)?;
        self.wait_for(topic, partitions, within)
    }

    /// Gives a topic more partitions, up to `total`.
    ///
    /// # Errors
    /// As [`Inspector::create_topic`].
    pub fn add_partitions(
        &self,
        topic: &str,
        total: i32,
        within: Duration,
    ) -> Result<(), ConnectError> {
        let count = usize::try_from(total).unwrap_or(0);
        let new = NewPartitions::new(topic, count);
        let doing = format!("give topic {topic} {total} partitions");
        let admin = self.admin()?;
        let made = futures_executor::block_on(admin.create_partitions([&new], &options(within)));
        self.done(&doing, made)?;
        self.wait_for(topic, total, within)
    }

    /// Removes the records of a partition before `offset`, as retention would.
    ///
    /// # Errors
    /// [`ConnectError::Client`] when the broker refuses or does not answer within `within`.
    pub fn truncate(
        &self,
        topic: &str,
        partition: i32,
        offset: i64,
        within: Duration,
    ) -> Result<(), ConnectError> {
        let doing = format!("truncate topic {topic} partition {partition} before offset {offset}");
        let failed = |error| client_error(&self.bootstrap, &doing, &error);
        let mut list = TopicPartitionList::new();
        list.add_partition_offset(topic, partition, Offset::Offset(offset))
            .map_err(failed)?;
        let admin = self.admin()?;
        let cut = futures_executor::block_on(admin.delete_records(&list, &options(within)));
        for element in cut.map_err(failed)?.elements() {
            element.error().map_err(failed)?;
        }
        Ok(())
    }

    /// Where each partition of a topic ends now, open transactions included; nothing for a topic
    /// that does not exist.
    ///
    /// # Errors
    /// [`ConnectError::Unreachable`] when not every partition can be asked within `within`.
    pub fn ends(&self, topic: &str, within: Duration) -> Result<Ends, ConnectError> {
        let consumer = self.consumer("read_uncommitted")?;
        self.ends_seen_by(&consumer, topic, Deadline::new(within))
    }

    /// Which offset of each partition comes next for the consumer group `group`; nothing for a
    /// partition of which it has committed none.
    ///
    /// # Errors
    /// [`ConnectError::Unreachable`] when the brokers do not say within `within`.
    pub fn committed(
        &self,
        group: &str,
        topic: &str,
        within: Duration,
    ) -> Result<Ends, ConnectError> {
        let deadline = Deadline::new(within);
        let ends = self.ends(topic, within)?;
        let consumer: BaseConsumer = self
            .config()
            .set("group.id", group)
            .create()
            .map_err(|error| setup_error(&error))?;
        let mut list = TopicPartitionList::new();
        for partition in ends.keys() {
            list.add_partition(topic, *partition);
        }
        loop {
            let error = match consumer.committed_offsets(list.clone(), ASK_WITHIN) {
                Ok(offsets) => return Ok(known(&offsets)),
                Err(error) => error,
            };
            if !passing(&error) {
                let doing = format!("ask for the offsets of group {group}");
                return Err(client_error(&self.bootstrap, &doing, &error));
            }
            if deadline.passed() {
                return Err(deadline.unreachable(&self.bootstrap, cause(&error)));
            }
            std::thread::sleep(deadline.left(LOOK_EVERY));
        }
    }

    /// Every committed record of `topic` from the offsets `from` (a partition without one from its
    /// beginning) to the end that the log has now, ordered by partition and offset.
    ///
    /// # Errors
    /// Those of [`Self::each_committed`]; [`ConnectError::Client`] also when there are more than
    /// [`INSPECT_RECORDS_MAX`] records.
    pub fn read_committed(
        &self,
        topic: &str,
        from: &Ends,
        within: Duration,
    ) -> Result<Vec<InspectedRecord>, ConnectError> {
        let mut records = Vec::new();
        self.each_committed(topic, from, within, &mut |record| {
            if records.len() >= INSPECT_RECORDS_MAX {
                return Err(self.refused(topic, format!("more than {INSPECT_RECORDS_MAX} records")));
            }
            records.push(record);
            Ok(())
        })?;
        records.sort_by_key(|record| (record.partition, record.offset));
        Ok(records)
    }

    /// Gives the same records to `take`, one at a time, those of one partition in their order.
    ///
    /// A transaction that is open now has to end first.
    ///
    /// # Errors
    /// [`ConnectError::Client`] when a transaction stays open for `within`;
    /// [`ConnectError::Unreachable`] when the brokers give nothing for so long; and whatever `take`
    /// fails with, which ends it.
    pub fn each_committed<E: From<ConnectError>>(
        &self,
        topic: &str,
        from: &Ends,
        within: Duration,
        take: &mut dyn FnMut(InspectedRecord) -> Result<(), E>,
    ) -> Result<(), E> {
        let mut deadline = Deadline::new(within);
        let ends = self.ends(topic, within)?;
        let consumer = self.consumer("read_committed")?;
        self.wait_decided(&consumer, topic, &ends, deadline)?;
        let failed = |error| client_error(&self.bootstrap, &format!("read topic {topic}"), &error);
        let mut list = TopicPartitionList::new();
        for partition in ends.keys() {
            let start = from
                .get(partition)
                .map_or(Offset::Beginning, |offset| Offset::Offset(*offset));
            list.add_partition_offset(topic, *partition, start)
                .map_err(failed)?;
        }
        consumer.assign(&list).map_err(failed)?;
        let mut open: BTreeSet<i32> = ends.keys().copied().collect();
        // The end of a partition comes behind everything that is decided, thus behind `ends`.
        while !open.is_empty() {
            match consumer.poll(deadline.left(LOOK_EVERY)) {
                Some(Ok(message)) => {
                    take(InspectedRecord {
                        partition: message.partition(),
                        offset: message.offset(),
                        key: message.key().map(<[u8]>::to_vec),
                        value: message.payload().map(<[u8]>::to_vec),
                        timestamp_ms: message.timestamp().to_millis(),
                    })?;
                    deadline = Deadline::new(within);
                }
                // Again for a partition that has grown meanwhile.
                Some(Err(KafkaError::PartitionEOF(partition))) => {
                    open.remove(&partition);
                }
                Some(Err(error)) if !passing(&error) => return Err(failed(error).into()),
                Some(Err(_)) | None if deadline.passed() => {
                    let detail = format!("partitions {open:?} of topic {topic} were not read");
                    return Err(deadline.unreachable(&self.bootstrap, detail).into());
                }
                Some(Err(_)) | None => {}
            }
        }
        Ok(())
    }

    /// Where the records begin that were sent at `since_ms`, milliseconds since 1970, or later; where
    /// there are none yet, the end.
    ///
    /// # Errors
    /// [`ConnectError::Unreachable`] when the brokers do not answer within `within`.
    pub fn offsets_since(
        &self,
        topic: &str,
        since_ms: i64,
        within: Duration,
    ) -> Result<Ends, ConnectError> {
        let mut ends = self.ends(topic, within)?;
        let failed = |error| {
            let doing = format!("ask for the offsets of topic {topic} by time");
            client_error(&self.bootstrap, &doing, &error)
        };
        let mut list = TopicPartitionList::new();
        for partition in ends.keys() {
            list.add_partition_offset(topic, *partition, Offset::Offset(since_ms))
                .map_err(failed)?;
        }
        let consumer = self.consumer("read_committed")?;
        let found = consumer.offsets_for_times(list, within).map_err(failed)?;
        for place in found.elements() {
            place.error().map_err(failed)?;
            if let Offset::Offset(offset) = place.offset() {
                ends.insert(place.partition(), offset);
            }
        }
        Ok(ends)
    }

    /// Waits until no transaction that began before `ends` is open.
    fn wait_decided(
        &self,
        consumer: &BaseConsumer,
        topic: &str,
        ends: &Ends,
        deadline: Deadline,
    ) -> Result<(), ConnectError> {
        loop {
            let decided = self.ends_seen_by(consumer, topic, deadline)?;
            let behind = ends
                .iter()
                .find(|(partition, end)| decided.get(partition).is_none_or(|seen| seen < *end));
            let Some((partition, end)) = behind else {
                return Ok(());
            };
            if deadline.passed() {
                let seen = decided.get(partition).copied().unwrap_or(0);
                let detail = format!(
                    "partition {partition} ends at offset {end}, and a transaction is open since \
                     offset {seen}"
                );
                return Err(self.refused(topic, detail));
            }
            std::thread::sleep(deadline.left(LOOK_EVERY));
        }
    }

    /// Where partitions end for this consumer: for one that reads committed records, before the
    /// first open transaction.
    fn ends_seen_by(
        &self,
        consumer: &BaseConsumer,
        topic: &str,
        deadline: Deadline,
    ) -> Result<Ends, ConnectError> {
        loop {
            let error = match Self::try_ends(consumer, topic) {
                Ok(ends) => return Ok(ends),
                Err(error) => error,
            };
            if !passing(&error) {
                let doing = format!("ask for the ends of topic {topic}");
                return Err(client_error(&self.bootstrap, &doing, &error));
            }
            if deadline.passed() {
                return Err(deadline.unreachable(&self.bootstrap, cause(&error)));
            }
            std::thread::sleep(deadline.left(LOOK_EVERY));
        }
    }

    fn try_ends(consumer: &BaseConsumer, topic: &str) -> Result<Ends, KafkaError> {
        // Asking for all topics never makes a broker create one.
        let metadata = consumer.fetch_metadata(None, ASK_WITHIN)?;
        let partitions = metadata
            .topics()
            .iter()
            .filter(|known| known.name() == topic)
            .flat_map(rdkafka::metadata::MetadataTopic::partitions);
        let mut ends = Ends::new();
        for partition in partitions {
            let (_, end) = consumer.fetch_watermarks(topic, partition.id(), ASK_WITHIN)?;
            ends.insert(partition.id(), end);
        }
        Ok(ends)
    }

    /// Waits until a topic is seen with so many partitions, each with a leader.
    fn wait_for(&self, topic: &str, partitions: i32, within: Duration) -> Result<(), ConnectError> {
        let consumer = self.consumer("read_uncommitted")?;
        let deadline = Deadline::new(within);
        loop {
            let ends = self.ends_seen_by(&consumer, topic, deadline)?;
            if i32::try_from(ends.len()).is_ok_and(|count| count >= partitions) {
                return Ok(());
            }
            if deadline.passed() {
                let detail = format!(
                    "topic {topic} has {} of {partitions} partitions",
                    ends.len()
                );
                return Err(deadline.unreachable(&self.bootstrap, detail));
            }
            std::thread::sleep(deadline.left(LOOK_EVERY));
        }
    }

    fn consumer(&self, isolation: &str) -> Result<BaseConsumer, ConnectError> {
        self.config()
            .set("group.id", "tidegate-inspect")
            .set("isolation.level", isolation)
            .set("auto.offset.reset", "error")
            .set("enable.partition.eof", "true")
            .set("enable.auto.commit", "false")
            .set("allow.auto.create.topics", "false")
            .set("fetch.wait.max.ms", "50")
            .create()
            .map_err(|error| setup_error(&error))
    }

    fn admin(&self) -> Result<AdminClient<DefaultClientContext>, ConnectError> {
        self.config().create().map_err(|error| setup_error(&error))
    }

    fn config(&self) -> ClientConfig {
        let mut config = ClientConfig::new();
        config
            .set("bootstrap.servers", &self.bootstrap)
            .set("client.id", "tidegate-inspect")
            .set("reconnect.backoff.ms", "50")
            .set("reconnect.backoff.max.ms", "500");
        config
    }

    /// Takes apart what an operation on one topic gave.
    fn done(
        &self,
        doing: &str,
        outcome: Result<Vec<TopicResult>, KafkaError>,
    ) -> Result<(), ConnectError> {
        let outcome = outcome.map_err(|error| client_error(&self.bootstrap, doing, &error))?;
        match outcome.into_iter().find_map(Result::err) {
            None => Ok(()),
            Some((_, code)) => Err(ConnectError::Client {
                bootstrap: self.bootstrap.clone(),
                doing: doing.to_owned(),
                detail: code.to_string(),
            }),
        }
    }

    fn refused(&self, topic: &str, detail: String) -> ConnectError {
        ConnectError::Client {
            bootstrap: self.bootstrap.clone(),
            doing: format!("read all of topic {topic}"),
            detail,
        }
    }
}

/// Whether asking again may help. Beside what helps a source and a sink, this is a question to a
/// broker that the client has just given up for another one.
fn passing(error: &KafkaError) -> bool {
    error.rdkafka_error_code() == Some(Code::DestroyBroker) || client::passing(error)
}

/// The offsets of a list that are numbers.
fn known(list: &TopicPartitionList) -> Ends {
    let elements = list.elements();
    let numbers = elements
        .iter()
        .filter_map(|element| match element.offset() {
            Offset::Offset(offset) => Some((element.partition(), offset)),
            _ => None,
        });
    numbers.collect()
}

fn options(within: Duration) -> AdminOptions {
    AdminOptions::new()
        .request_timeout(Some(within))
        .operation_timeout(Some(within))
}

#[cfg(test)]
mod tests {
    use super::*;
    use rdkafka::producer::{BaseProducer, BaseRecord, Producer};

    const LONG: Duration = Duration::from_mins(1);

    /// A real broker: only one knows transactions. `cargo ci` starts it.
    fn inspector() -> Option<Inspector> {
        let bootstrap = std::env::var("TIDEGATE_TEST_KAFKA").ok();
        if bootstrap.is_none() {
            eprintln!("SKIPPED: no real Kafka at TIDEGATE_TEST_KAFKA");
        }
        bootstrap.map(|bootstrap| Inspector::new(&bootstrap))
    }

    fn producer(inspector: &Inspector, id: &str) -> BaseProducer {
        let producer: BaseProducer = inspector
            .config()
            .set("transactional.id", id)
            .create()
            .unwrap();
        producer.init_transactions(LONG).unwrap();
        producer
    }

    fn send(producer: &BaseProducer, topic: &str, value: &str) {
        producer.begin_transaction().unwrap();
        let record = BaseRecord::<(), str>::to(topic).partition(0).payload(value);
        producer.send(record).map_err(|(error, _)| error).unwrap();
        producer.flush(LONG).unwrap();
    }

    fn values(records: &[InspectedRecord]) -> Vec<&str> {
        let values = records.iter().filter_map(|record| record.value.as_deref());
        values.map(|v| std::str::from_utf8(v).unwrap()).collect()
    }

    #[test]
    fn only_committed_records_are_read_and_an_open_transaction_is_waited_for() {
        let Some(inspector) = inspector() else { return };
        let topic = format!("inspect-{}", std::process::id());
        inspector.create_topic(&topic, 2, &[], LONG).unwrap();
        let producer = producer(&inspector, &topic);
        send(&producer, &topic, "kept");
        producer.commit_transaction(LONG).unwrap();
        // A record and a mark, which comes a moment after the answer to the commit.
        let after_first = Ends::from([(0, 2), (1, 0)]);
        while inspector.ends(&topic, LONG).unwrap() != after_first {
            std::thread::sleep(Duration::from_millis(10));
        }
        send(&producer, &topic, "dropped");
        producer.abort_transaction(LONG).unwrap();
        let everything = |within| inspector.read_committed(&topic, &Ends::new(), within);
        assert_eq!(values(&everything(LONG).unwrap()), ["kept"]);

        send(&producer, &topic, "late");
        let error = everything(Duration::from_millis(300))
            .unwrap_err()
            .to_string();
        assert!(error.contains("open since offset 4"), "{error}");
        producer.commit_transaction(LONG).unwrap();
        assert_eq!(values(&everything(LONG).unwrap()), ["kept", "late"]);
        let rest = inspector
            .read_committed(&topic, &after_first, LONG)
            .unwrap();
        assert_eq!(values(&rest), ["late"]);
    }

    #[test]
    fn offsets_are_found_by_time() {
        let Some(inspector) = inspector() else { return };
        let topic = format!("inspect-time-{}", std::process::id());
        inspector.create_topic(&topic, 1, &[], LONG).unwrap();
        let producer = producer(&inspector, &topic);
        for value in ["early", "late"] {
            send(&producer, &topic, value);
            producer.commit_transaction(LONG).unwrap();
            std::thread::sleep(Duration::from_millis(20));
        }
        let records = inspector.read_committed(&topic, &Ends::new(), LONG);
        let late = records.unwrap()[1].timestamp_ms.unwrap();
        let since = |time| inspector.offsets_since(&topic, time, LONG).unwrap();
        assert_eq!(since(0), Ends::from([(0, 0)]));
        // A record came before it, and a mark that may have come a moment later.
        assert!(since(late)[&0] > 0, "{:?}", since(late));
        assert_eq!(since(late + 60_000), inspector.ends(&topic, LONG).unwrap());
        let rest = inspector.read_committed(&topic, &since(late), LONG);
        assert_eq!(values(&rest.unwrap()), ["late"]);
    }

    #[test]
    fn topics_grow_and_are_cut() {
        let Some(inspector) = inspector() else { return };
        let topic = format!("inspect-cut-{}", std::process::id());
        inspector.create_topic(&topic, 1, &[], LONG).unwrap();
        let again = inspector.create_topic(&topic, 1, &[], LONG).unwrap_err();
        assert!(again.to_string().contains("already exists"), "{again}");
        let producer = producer(&inspector, &topic);
        for value in ["a", "b"] {
            send(&producer, &topic, value);
            producer.commit_transaction(LONG).unwrap();
        }
        inspector.add_partitions(&topic, 3, LONG).unwrap();
        inspector.truncate(&topic, 0, 2, LONG).unwrap();
        assert_eq!(inspector.ends(&topic, LONG).unwrap().len(), 3);
        let left = inspector
            .read_committed(&topic, &Ends::new(), LONG)
            .unwrap();
        assert_eq!(values(&left), ["b"]);
        assert!(inspector.ends("no-such-topic", LONG).unwrap().is_empty());
    }
}
