//! Tries to break membership: tasks that move while their owner works, owners that do not release,
//! callers that are stuck, epochs of a member whose group moved on. All but joining needs a real
//! Apache Kafka; the two group protocols take the same tests where both can.

use std::collections::BTreeSet;
use std::time::{Duration, Instant};

use crate::client::Properties;
use crate::real_kafka::{LONG, real_kafka, topic, unique};
use crate::{
    EmbeddedBroker, EpochError, EpochSink, EpochSinkConfig, ErrorKind, GroupProtocol, Membership,
    MembershipConfig, MembershipEvent, OutRecord, SourceOffsets, read_progress,
};

/// A member and what it owns by its events.
struct Owner {
    membership: Membership,
    tasks: BTreeSet<i32>,
}

impl Owner {
    fn join(config: &MembershipConfig) -> Self {
        Self {
            membership: Membership::join(config.clone()).unwrap(),
            tasks: BTreeSet::new(),
        }
    }

    /// The next event but stalls, within the time.
    fn next(&mut self, within: Duration) -> Option<MembershipEvent> {
        let until = Instant::now() + within;
        loop {
            let left = until.saturating_duration_since(Instant::now());
            let event = self.membership.next(left).unwrap()?;
            match &event {
                MembershipEvent::Assigned { tasks } => {
                    for task in tasks {
                        assert!(self.tasks.insert(*task), "{event:?} of {:?}", self.tasks);
                    }
                }
                MembershipEvent::Lost { tasks } => {
                    for task in tasks {
                        assert!(self.tasks.remove(task), "{event:?} of {:?}", self.tasks);
                    }
                }
                MembershipEvent::Revoking { tasks } => {
                    assert!(tasks.iter().all(|task| self.tasks.contains(task)));
                }
                MembershipEvent::Stalled { .. } => continue,
            }
            return Some(event);
        }
    }

    fn release(&mut self, tasks: &[i32]) {
        self.membership.release(tasks);
        for task in tasks {
            self.tasks.remove(task);
        }
    }

    /// Releases what is asked for until it owns this many tasks.
    fn settle(&mut self, count: usize) {
        let until = Instant::now() + LONG;
        while self.tasks.len() != count {
            assert!(Instant::now() < until, "owns {:?}", self.tasks);
            if let Some(MembershipEvent::Revoking { tasks }) = self.next(Duration::from_millis(50))
            {
                self.release(&tasks);
            }
        }
    }
}

fn config(bootstrap: &str, progress: &str, protocol: GroupProtocol) -> MembershipConfig {
    let mut config = MembershipConfig::new(bootstrap, &unique("group"), progress);
    config.protocol = protocol;
    // Long, so that nothing below happens only because a session ended.
    config.session_timeout = LONG;
    config
}

const PROTOCOLS: [GroupProtocol; 2] = [GroupProtocol::Classic, GroupProtocol::Consumer];

#[test]
fn a_member_alone_owns_every_task() {
    let broker = EmbeddedBroker::start(&[("progress", 3)]).unwrap();
    let config = config(broker.bootstrap(), "progress", GroupProtocol::Classic);
    let mut owner = Owner::join(&config);
    assert_eq!(owner.membership.tasks(), 3);
    owner.settle(3);
    owner.membership.group_metadata().unwrap();
    owner.membership.leave(LONG).unwrap();
}

#[test]
fn what_cannot_be_joined_is_named() {
    let broker = EmbeddedBroker::start(&[("a", 1)]).unwrap();
    let mut config = config(broker.bootstrap(), "progress", GroupProtocol::Classic);
    let error = Membership::join(config.clone()).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::TopicMissing);
    let eager = ("partition.assignment.strategy", "range");
    config
        .properties
        .insert(eager.0.to_owned(), eager.1.to_owned());
    let error = Membership::join(config).unwrap_err();
    assert!(error.to_string().contains("cooperative-sticky"), "{error}");
}

#[test]
fn tasks_move_only_after_their_release() {
    let Some(bootstrap) = real_kafka() else {
        return;
    };
    for protocol in PROTOCOLS {
        let progress = topic(&bootstrap, "progress", 4);
        let config = config(&bootstrap, &progress, protocol);
        let mut first = Owner::join(&config);
        first.settle(4);
        let mut second = Owner::join(&config);
        let moving = loop {
            match first.next(LONG).expect("tasks move") {
                MembershipEvent::Revoking { tasks } => break tasks,
                // Nothing new while the second one joins.
                MembershipEvent::Assigned { tasks } => assert!(tasks.is_empty()),
                other => panic!("{other:?}"),
            }
        };
        assert_eq!(moving.len(), 2, "{protocol:?}");
        // The others go on, and nobody gets the moving ones yet.
        let early = second.next(Duration::from_millis(1500));
        assert!(second.tasks.is_empty(), "{protocol:?} {early:?}");
        first.release(&moving);
        second.settle(2);
        assert_eq!(second.tasks, moving.iter().copied().collect());
        assert_eq!(first.tasks.len(), 2);
        assert!(first.tasks.is_disjoint(&second.tasks));

        // One that leaves gives back at once, long before its session ends.
        let started = Instant::now();
        second.membership.leave(LONG).unwrap();
        first.settle(4);
        assert!(started.elapsed() < LONG / 2, "{protocol:?}");
    }
}

#[test]
fn an_owner_that_does_not_release_loses() {
    let Some(bootstrap) = real_kafka() else {
        return;
    };
    for protocol in PROTOCOLS {
        let progress = topic(&bootstrap, "progress", 2);
        let mut config = config(&bootstrap, &progress, protocol);
        config.revoke_within = Duration::from_secs(1);
        let mut first = Owner::join(&config);
        first.settle(2);
        let mut second = Owner::join(&config);
        let asked = loop {
            match first.next(LONG).expect("tasks move") {
                MembershipEvent::Revoking { tasks } => break tasks,
                MembershipEvent::Assigned { tasks } => assert!(tasks.is_empty()),
                other => panic!("{other:?}"),
            }
        };
        let started = Instant::now();
        let lost = first.next(LONG).expect("the time is up");
        assert_eq!(lost, MembershipEvent::Lost { tasks: asked });
        let took = started.elapsed();
        assert!(took >= Duration::from_millis(900), "{took:?}");
        assert!(took < LONG / 2, "{took:?}");
        // Too late, and of no effect.
        let MembershipEvent::Lost { tasks } = lost else {
            unreachable!()
        };
        first.membership.release(&tasks);
        second.settle(1);
        assert_eq!(first.tasks.len(), 1);
    }
}

#[test]
fn a_stuck_caller_is_put_out_of_the_group() {
    let Some(bootstrap) = real_kafka() else {
        return;
    };
    let progress = topic(&bootstrap, "progress", 2);
    let mut config = config(&bootstrap, &progress, GroupProtocol::Classic);
    config.revoke_within = Duration::from_secs(1);
    config.session_timeout = Duration::from_secs(6);
    let mut others = config.clone();
    config.silence_max = Duration::from_millis(500);
    let mut stuck = Owner::join(&config);
    stuck.settle(2);
    let stale = stuck.membership.group_metadata().unwrap();
    others.silence_max = LONG * 10;
    let mut other = Owner::join(&others);
    // The first one makes no call while the second one waits for its tasks.
    other.settle(2);

    // Its epochs are refused.
    let mut epochs = epochs(&bootstrap, &progress);
    let error = commit(&mut epochs, &progress, &stale, "stale").unwrap_err();
    assert!(matches!(error, EpochError::Rewind { .. }), "{error}");
    // It learns of it as soon as it asks, and gets its share in the end.
    let until = Instant::now() + LONG;
    while stuck.tasks.len() == 2 {
        assert!(Instant::now() < until);
        stuck.next(Duration::from_millis(100));
    }
    let until = Instant::now() + LONG;
    while stuck.tasks.len() != 1 {
        assert!(Instant::now() < until, "{:?}", stuck.tasks);
        stuck.next(Duration::from_millis(50));
        if let Some(MembershipEvent::Revoking { tasks }) = other.next(Duration::from_millis(50)) {
            other.release(&tasks);
        }
    }
}

fn epochs(bootstrap: &str, progress: &str) -> EpochSink {
    let config = EpochSinkConfig::new(bootstrap, &unique("task"), vec![progress.to_owned()]);
    EpochSink::open(config).unwrap()
}

fn commit(
    epochs: &mut EpochSink,
    progress: &str,
    group: &crate::GroupMetadata,
    value: &str,
) -> Result<(), EpochError> {
    let record = OutRecord {
        topic: progress,
        partition: Some(0),
        key: None,
        value: Some(value.as_bytes()),
        timestamp_ms: None,
    };
    // Any topic's offsets can be committed for the group.
    let next = [(progress, 1, 7)];
    let sources = SourceOffsets { group, next: &next };
    epochs.commit_epoch(&[record], Some(&sources))
}

/// The offsets come with the records, and a member of an earlier generation commits neither.
#[test]
fn a_generation_that_is_over_stores_nothing() {
    let Some(bootstrap) = real_kafka() else {
        return;
    };
    for protocol in PROTOCOLS {
        let progress = topic(&bootstrap, "progress", 2);
        let config = config(&bootstrap, &progress, protocol);
        let mut first = Owner::join(&config);
        first.settle(2);
        let mut epochs = epochs(&bootstrap, &progress);
        let stale = first.membership.group_metadata().unwrap();
        commit(&mut epochs, &progress, &stale, "1").unwrap();
        let mut second = Owner::join(&config);
        first.settle(1);
        second.settle(1);

        let error = commit(&mut epochs, &progress, &stale, "2, stale").unwrap_err();
        assert!(
            matches!(error, EpochError::Rewind { .. }),
            "{protocol:?} {error}"
        );
        assert!(epochs.is_usable(), "{protocol:?}");
        let fresh = first.membership.group_metadata().unwrap();
        commit(&mut epochs, &progress, &fresh, "2").unwrap();
        let values: Vec<_> = read_progress(&bootstrap, &progress, 0, 9, &Properties::new())
            .unwrap()
            .into_iter()
            .map(|record| String::from_utf8(record.value.unwrap()).unwrap())
            .collect();
        assert_eq!(values, ["1", "2"], "{protocol:?}");
        assert_eq!(
            committed(&bootstrap, &config.group_id, &progress, 1),
            Some(7)
        );
    }
}

/// Epochs go on while tasks move: every commit with fresh metadata succeeds or asks for a rewind,
/// and what is stored is each epoch once.
#[test]
fn epochs_go_on_through_rebalances() {
    let Some(bootstrap) = real_kafka() else {
        return;
    };
    for protocol in PROTOCOLS {
        let progress = topic(&bootstrap, "progress", 4);
        let config = config(&bootstrap, &progress, protocol);
        let mut first = Owner::join(&config);
        first.settle(4);
        let mut epochs = epochs(&bootstrap, &progress);
        let (mut stored, mut rewinds) = (0, 0);
        for round in 0..2 {
            let mut second = Owner::join(&config);
            let until = Instant::now() + LONG;
            let wanted = if round % 2 == 0 { 2 } else { 4 };
            while second.tasks.len() != 2 {
                assert!(Instant::now() < until, "{protocol:?} {:?}", second.tasks);
                let group = first.membership.group_metadata().unwrap();
                match commit(&mut epochs, &progress, &group, &stored.to_string()) {
                    Ok(()) => stored += 1,
                    Err(EpochError::Rewind { .. }) if epochs.is_usable() => rewinds += 1,
                    Err(error) => panic!("{protocol:?} {error}"),
                }
                if let Some(MembershipEvent::Revoking { tasks }) =
                    first.next(Duration::from_millis(1))
                {
                    first.release(&tasks);
                }
                second.next(Duration::from_millis(1));
            }
            if wanted == 4 {
                drop(second);
            } else {
                second.membership.leave(LONG).unwrap();
            }
            first.settle(4);
        }
        eprintln!("{protocol:?}: {stored} epochs stored, {rewinds} made again");
        let records = read_progress(&bootstrap, &progress, 0, 1000, &Properties::new()).unwrap();
        let first = stored - i64::try_from(records.len()).unwrap();
        for (i, record) in (first..).zip(records) {
            assert_eq!(record.value.unwrap(), i.to_string().into_bytes());
        }
    }
}

/// What the group has committed for a partition.
fn committed(bootstrap: &str, group: &str, topic: &str, partition: i32) -> Option<i64> {
    use rdkafka::consumer::{BaseConsumer, Consumer};
    use rdkafka::{ClientConfig, Offset, TopicPartitionList};
    let client: BaseConsumer = ClientConfig::new()
        .set("bootstrap.servers", bootstrap)
        .set("group.id", group)
        .create()
        .unwrap();
    let mut list = TopicPartitionList::new();
    list.add_partition(topic, partition);
    let list = client.committed_offsets(list, LONG).unwrap();
    match list.find_partition(topic, partition)?.offset() {
        Offset::Offset(offset) => Some(offset),
        _ => None,
    }
}
