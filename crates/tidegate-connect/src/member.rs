//! The thread of a [`crate::Membership`].

use std::collections::{BTreeSet, VecDeque};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use rdkafka::client::ClientContext;
use rdkafka::config::RDKafkaLogLevel;
use rdkafka::consumer::{BaseConsumer, Consumer, ConsumerContext, RebalanceProtocol};
use rdkafka::error::KafkaError;
use rdkafka::topic_partition_list::TopicPartitionListElem;
use rdkafka::types::{RDKafkaErrorCode as Code, RDKafkaRespErr};
use rdkafka::{Offset, TopicPartitionList};

use crate::client::{Context, Troubled, cause, client_error, lock, most_telling};
use crate::error::ConnectError;
use crate::membership::{MembershipConfig, MembershipEvent, Shared};

/// How long one poll waits, and hence how late a release is noticed.
const POLL_WAIT: Duration = Duration::from_millis(20);
/// How often a stall is told again.
const STALLED_EVERY: Duration = Duration::from_secs(5);

type Client = BaseConsumer<MemberContext>;

/// Notes what the group asks for.
#[derive(Debug, Default)]
pub(crate) struct MemberContext {
    inner: Context,
    asked: Mutex<VecDeque<Asked>>,
    /// The consumer closes: everything is given up at once.
    closing: AtomicBool,
}

/// One rebalance that waits to be acted on. librdkafka asks for the next only after that.
#[derive(Debug)]
enum Asked {
    Assign(TopicPartitionList),
    Revoke(TopicPartitionList),
}

impl MemberContext {
    /// From now on what the group asks for is done at once.
    pub(crate) fn close(&self) {
        self.closing.store(true, Ordering::Release);
    }
}

impl Troubled for MemberContext {
    fn take_troubles(&self) -> Vec<String> {
        self.inner.take_troubles()
    }
}

impl ClientContext for MemberContext {
    fn log(&self, level: RDKafkaLogLevel, facility: &str, message: &str) {
        self.inner.log(level, facility, message);
    }

    fn error(&self, error: KafkaError, reason: &str) {
        self.inner.error(error, reason);
    }
}

impl ConsumerContext for MemberContext {
    fn rebalance(
        &self,
        consumer: &BaseConsumer<Self>,
        code: RDKafkaRespErr,
        list: &mut TopicPartitionList,
    ) {
        let assign = code == RDKafkaRespErr::RD_KAFKA_RESP_ERR__ASSIGN_PARTITIONS;
        if self.closing.load(Ordering::Acquire) {
            // Nobody acts on notes any more.
            let done = if assign {
                take(consumer, list)
            } else {
                give_back(consumer, list)
            };
            if let Err(error) = done {
                tracing::debug!(%error, "A closing member could not answer its group.");
            }
            return;
        }
        let list = list.clone();
        let asked = if assign {
            Asked::Assign(list)
        } else {
            Asked::Revoke(list)
        };
        lock(&self.asked).push_back(asked);
    }
}

/// Tasks that the group wants back.
#[derive(Debug)]
struct Pending {
    list: TopicPartitionList,
    unreleased: BTreeSet<i32>,
    since: Instant,
}

/// Polls the group's consumer and acts on what the group asks for.
pub(crate) struct Member {
    client: Arc<Client>,
    config: MembershipConfig,
    shared: Arc<Shared>,
    pending: Option<Pending>,
    stalled: Option<Instant>,
}

impl Member {
    pub(crate) fn new(client: Arc<Client>, config: MembershipConfig, shared: Arc<Shared>) -> Self {
        Self {
            client,
            config,
            shared,
            pending: None,
            stalled: None,
        }
    }

    /// Runs until the caller leaves or the group refuses; the client is dropped, and with it the
    /// group is left, before this returns.
    pub(crate) fn run(mut self) {
        while !self.shared.is_leaving() {
            if let Err(error) = self.step() {
                self.shared.tell(Err(error));
                break;
            }
        }
        self.client.context().close();
        // What was asked and not done yet would hold up closing.
        let pending = self.pending.take().map(|pending| pending.list);
        let asked = std::mem::take(&mut *lock(&self.client.context().asked));
        let lists = asked.into_iter().map(|asked| match asked {
            Asked::Assign(list) => take(&self.client, &list),
            Asked::Revoke(list) => give_back(&self.client, &list),
        });
        let pending = pending.map(|list| give_back(&self.client, &list));
        for failed in pending.into_iter().chain(lists).filter_map(Result::err) {
            tracing::debug!(error = %failed, "A leaving member could not answer its group.");
        }
    }

    fn step(&mut self) -> Result<(), ConnectError> {
        if self.shared.is_heard(self.config.silence_max) {
            match self.client.poll(POLL_WAIT) {
                // Records of the progress topic are none of ours.
                None | Some(Ok(_)) => {}
                Some(Err(error)) => self.handle_error(&error)?,
            }
        } else {
            std::thread::sleep(POLL_WAIT);
        }
        self.report_troubles()?;
        self.try_give_back()?;
        // The next is asked only once this one is done.
        while self.pending.is_none() {
            let asked = lock(&self.client.context().asked).pop_front();
            match asked {
                Some(Asked::Assign(list)) => self.handle_assign(&list)?,
                Some(Asked::Revoke(list)) => self.handle_revoke(list)?,
                None => break,
            }
        }
        Ok(())
    }

    fn handle_assign(&mut self, list: &TopicPartitionList) -> Result<(), ConnectError> {
        take(&self.client, list).map_err(|error| self.failed("take tasks", &error))?;
        self.shared.tell(Ok(MembershipEvent::Assigned {
            tasks: tasks_of(list).into_iter().collect(),
        }));
        Ok(())
    }

    fn handle_revoke(&mut self, list: TopicPartitionList) -> Result<(), ConnectError> {
        let tasks = tasks_of(&list);
        if tasks.is_empty() || self.client.assignment_lost() {
            return self.finish_revoke(&list, tasks);
        }
        // An answer to an earlier question is none to this one.
        self.shared.take_released();
        self.shared.tell(Ok(MembershipEvent::Revoking {
            tasks: tasks.iter().copied().collect(),
        }));
        self.pending = Some(Pending {
            list,
            unreleased: tasks,
            since: Instant::now(),
        });
        Ok(())
    }

    /// Gives tasks back once they are released, their time is up, or they are lost anyway.
    fn try_give_back(&mut self) -> Result<(), ConnectError> {
        let Some(mut pending) = self.pending.take() else {
            return Ok(());
        };
        let released = self.shared.take_released();
        pending.unreleased.retain(|task| !released.contains(task));
        let late = pending.since.elapsed() >= self.config.revoke_within;
        if pending.unreleased.is_empty() || late || self.client.assignment_lost() {
            return self.finish_revoke(&pending.list, pending.unreleased);
        }
        self.pending = Some(pending);
        Ok(())
    }

    fn finish_revoke(
        &mut self,
        list: &TopicPartitionList,
        unreleased: BTreeSet<i32>,
    ) -> Result<(), ConnectError> {
        // Told first: from the next line on somebody else may own them.
        if !unreleased.is_empty() {
            self.shared.tell(Ok(MembershipEvent::Lost {
                tasks: unreleased.into_iter().collect(),
            }));
        }
        give_back(&self.client, list).map_err(|error| self.failed("give tasks back", &error))
    }

    fn handle_error(&mut self, error: &KafkaError) -> Result<(), ConnectError> {
        let group = &self.config.group_id;
        let fatal = matches!(error, KafkaError::MessageConsumptionFatal(_));
        match error.rdkafka_error_code() {
            Some(Code::GroupAuthorizationFailed | Code::TopicAuthorizationFailed) => {
                Err(ConnectError::Denied {
                    what: format!("group {group} on {}", self.config.bootstrap),
                    detail: cause(error),
                })
            }
            Some(Code::UnknownTopicOrPartition | Code::UnknownTopic) => {
                Err(ConnectError::TopicMissing {
                    bootstrap: self.config.bootstrap.clone(),
                    topics: vec![self.config.progress_topic.clone()],
                    known: Vec::new(),
                })
            }
            _ if fatal => Err(self.failed("stay", error)),
            _ => {
                tracing::debug!(%error, "The group's consumer reports.");
                Ok(())
            }
        }
    }

    /// Tells of a broker that is away, and ends when the client did.
    fn report_troubles(&mut self) -> Result<(), ConnectError> {
        let troubles = self.client.context().take_troubles();
        let recent = self.stalled.is_some_and(|at| at.elapsed() < STALLED_EVERY);
        if let Some(what) = most_telling(troubles).filter(|_| !recent) {
            self.stalled = Some(Instant::now());
            self.shared.tell(Ok(MembershipEvent::Stalled { what }));
        }
        let Some((code, text)) = self.client.client().fatal_error() else {
            return Ok(());
        };
        Err(ConnectError::Client {
            bootstrap: self.config.bootstrap.clone(),
            doing: format!("stay in group {}", self.config.group_id),
            detail: format!("{code}: {text}"),
        })
    }

    fn failed(&self, doing: &str, error: &KafkaError) -> ConnectError {
        let doing = format!("{doing} in group {}", self.config.group_id);
        client_error(&self.config.bootstrap, &doing, error)
    }
}

fn tasks_of(list: &TopicPartitionList) -> BTreeSet<i32> {
    list.elements()
        .iter()
        .map(TopicPartitionListElem::partition)
        .collect()
}

/// Holds partitions without reading them.
fn take(client: &Client, list: &TopicPartitionList) -> Result<(), KafkaError> {
    let mut list = list.clone();
    // So that nobody is asked where the group left off.
    list.set_all_offsets(Offset::End)?;
    match client.rebalance_protocol() {
        RebalanceProtocol::Cooperative => client.incremental_assign(&list)?,
        RebalanceProtocol::Eager | RebalanceProtocol::None => client.assign(&list)?,
    }
    if list.count() == 0 {
        return Ok(());
    }
    client.pause(&list)
}

fn give_back(client: &Client, list: &TopicPartitionList) -> Result<(), KafkaError> {
    match client.rebalance_protocol() {
        RebalanceProtocol::Cooperative => client.incremental_unassign(list),
        RebalanceProtocol::Eager | RebalanceProtocol::None => client.unassign(),
    }
}
