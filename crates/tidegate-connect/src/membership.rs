//! Who does the work: membership in the consumer group that shares the tasks of a pipeline.
//!
//! A pipeline runs as a fixed number of tasks. The group subscribes to the pipeline's progress
//! topic, which has one partition a task: whoever is assigned partition `t` owns task `t`. Records
//! are not read here; the partitions are only held.
//!
//! Promises: at any time a task has at most one owner that the group knows of; a task that moves is
//! given up only after its owner released it or `revoke_within` has passed; others go on meanwhile.
//! What it cannot promise is that an owner knows at once that it lost its tasks: a process that was
//! stopped for longer than the session believes on. Its epochs are refused by the broker, since
//! [`Membership::group_metadata`] names the generation that it was in.
//!
//! How: a thread polls the group's consumer, so that heartbeats and rebalances go on while the
//! caller computes. The rebalance callback only notes what is asked, and the thread acts on it; so
//! nothing ever waits in the callback. A caller that is silent for `silence_max` is taken for
//! stuck: the thread stops polling, and the group gives the tasks to others.

use std::collections::{BTreeSet, VecDeque};
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::sync::{Arc, Condvar, Mutex};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use rdkafka::consumer::{BaseConsumer, Consumer, ConsumerGroupMetadata};

use crate::client::{
    Deadline, Properties, REACH_WITHIN, Troubled, configure, find_topics, lock, setup_error,
};
use crate::error::ConnectError;
use crate::member::{Member, MemberContext};

/// How the group agrees on who owns what.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum GroupProtocol {
    /// Among the members, with the cooperative-sticky assignor: a rebalance moves only the tasks
    /// that must move.
    Classic,
    /// By the broker (KIP-848, Kafka 4.0 and later). The broker's settings decide on the session,
    /// so `session_timeout` has no effect. Any change in the group may refuse an epoch that is
    /// being committed, which is then made again.
    Consumer,
}

/// Which group to join and how long to wait for what.
#[derive(Debug, Clone)]
pub struct MembershipConfig {
    /// Brokers to ask first, `HOST:PORT[,HOST:PORT]`.
    pub bootstrap: String,
    /// The group: `tidegate.PIPELINE`. Source offsets are committed under this name.
    pub group_id: String,
    /// The topic with one partition a task.
    pub progress_topic: String,
    /// How the group agrees.
    pub protocol: GroupProtocol,
    /// How long a member may be silent towards the broker before its tasks are given to others, at
    /// least what the broker allows, usually 6 s.
    pub session_timeout: Duration,
    /// How long an owner may take to release tasks that move.
    pub revoke_within: Duration,
    /// How long the caller may make no call before it is taken for stuck; the group then waits for
    /// twice `revoke_within`, or the session, until it gives the tasks to others.
    pub silence_max: Duration,
    /// How long joining may wait for a broker.
    pub reach_within: Duration,
    /// Further librdkafka properties, such as those for security.
    pub properties: Properties,
}

impl MembershipConfig {
    /// The usual limits: the classic protocol, a session of 10 s, 20 s to release, 5 min of
    /// silence, 10 s to reach a broker.
    pub fn new(bootstrap: &str, group_id: &str, progress_topic: &str) -> Self {
        Self {
            bootstrap: bootstrap.to_owned(),
            group_id: group_id.to_owned(),
            progress_topic: progress_topic.to_owned(),
            protocol: GroupProtocol::Classic,
            session_timeout: Duration::from_secs(10),
            revoke_within: Duration::from_secs(20),
            silence_max: Duration::from_mins(5),
            reach_within: REACH_WITHIN,
            properties: Properties::new(),
        }
    }
}

/// What a membership has to say, in the order in which it happened.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum MembershipEvent {
    /// These tasks are this member's from now on, in rising order. None at all is told too: the
    /// member is in the group and stands by.
    Assigned {
        /// Partitions of the progress topic.
        tasks: Vec<i32>,
    },
    /// These tasks move elsewhere: finish or abort their epochs and call [`Membership::release`]
    /// within `revoke_within`. Until then they are this member's and its epochs can be committed.
    Revoking {
        /// Partitions of the progress topic.
        tasks: Vec<i32>,
    },
    /// These tasks are this member's no more: the session ended, or they were not released in time.
    /// Others may own them already, and epochs that are committed now are refused.
    Lost {
        /// Partitions of the progress topic.
        tasks: Vec<i32>,
    },
    /// A broker is away or slow; told at most every five seconds. The session may end meanwhile,
    /// which this member learns when a broker answers again.
    Stalled {
        /// What the client reported.
        what: String,
    },
}

/// The group's identity of a member at one moment: what a transaction carries so that a member that
/// was put out of its group is refused.
pub struct GroupMetadata(pub(crate) Arc<ConsumerGroupMetadata>);

impl std::fmt::Debug for GroupMetadata {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("GroupMetadata").finish_non_exhaustive()
    }
}

/// Events between the thread and the caller. When the caller takes none, the thread stops polling,
/// and the group gives the tasks to others.
pub(crate) const EVENTS_MAX: usize = 256;

/// What the thread and the caller tell each other.
#[derive(Debug)]
pub(crate) struct Shared {
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Debug)]
struct State {
    events: VecDeque<Result<MembershipEvent, ConnectError>>,
    /// Tasks that the caller released since the thread last looked.
    released: BTreeSet<i32>,
    /// When the caller last made a call.
    heard: Instant,
    leaving: bool,
}

impl Shared {
    fn new() -> Self {
        let state = State {
            events: VecDeque::new(),
            released: BTreeSet::new(),
            heard: Instant::now(),
            leaving: false,
        };
        Self {
            state: Mutex::new(state),
            changed: Condvar::new(),
        }
    }

    /// Adds an event. The thread looks whether there is room before it polls, and one poll gives a
    /// handful, so the queue stays bounded.
    pub(crate) fn tell(&self, event: Result<MembershipEvent, ConnectError>) {
        lock(&self.state).events.push_back(event);
        self.changed.notify_all();
    }

    /// Whether the thread may poll: the caller listens.
    pub(crate) fn is_heard(&self, silence_max: Duration) -> bool {
        let state = lock(&self.state);
        state.events.len() < EVENTS_MAX && state.heard.elapsed() < silence_max
    }

    pub(crate) fn is_leaving(&self) -> bool {
        lock(&self.state).leaving
    }

    pub(crate) fn take_released(&self) -> BTreeSet<i32> {
        std::mem::take(&mut lock(&self.state).released)
    }
}

/// A place in the group. Dropping it leaves the group, waiting at most 5 s.
pub struct Membership {
    config: MembershipConfig,
    tasks: i32,
    shared: Arc<Shared>,
    // In an `Option` so that `leave` can let go of it before the thread does.
    client: Option<Arc<BaseConsumer<MemberContext>>>,
    thread: Option<JoinHandle<()>>,
    /// Hung up by the thread at its end.
    done: Receiver<()>,
    failed: bool,
}

/// librdkafka settings that a user may change.
const DEFAULTS: &[(&str, &str)] = &[
    ("client.id", "tidegate-member"),
    ("reconnect.backoff.ms", "50"),
    ("reconnect.backoff.max.ms", "1000"),
    ("topic.metadata.refresh.interval.ms", "30000"),
    // Held partitions are paused; what comes before that is small.
    ("queued.min.messages", "1"),
    ("queued.max.messages.kbytes", "64"),
];

/// librdkafka settings that the promises of this module rest on.
const FIXED: &[(&str, &str)] = &[
    ("auto.offset.reset", "latest"),
    ("enable.auto.commit", "false"),
    ("enable.auto.offset.store", "false"),
    ("allow.auto.create.topics", "false"),
];

/// How long dropping a membership waits for the group.
const DROP_WITHIN: Duration = Duration::from_secs(5);

impl Membership {
    /// Reaches the broker, finds the progress topic and begins to join; [`MembershipEvent`]s tell
    /// how that goes.
    ///
    /// # Errors
    /// [`ConnectError::Configuration`] for limits or properties that cannot be;
    /// [`ConnectError::Unreachable`] when no broker answers within `reach_within`;
    /// [`ConnectError::TopicMissing`] when there is no progress topic; [`ConnectError::Denied`] or
    /// [`ConnectError::Client`] when the broker refuses.
    pub fn join(config: MembershipConfig) -> Result<Self, ConnectError> {
        let client = Arc::new(connect(&config)?);
        let deadline = Deadline::new(config.reach_within);
        let serve = || drop(client.poll(Duration::ZERO));
        let counts = find_topics(
            client.client(),
            &config.bootstrap,
            &[&config.progress_topic],
            (deadline, Duration::from_secs(1)),
            &serve,
        )?;
        client.context().take_troubles();
        client
            .subscribe(&[&config.progress_topic])
            .map_err(|error| ConnectError::Client {
                bootstrap: config.bootstrap.clone(),
                doing: format!("join group {}", config.group_id),
                detail: error.to_string(),
            })?;

        let shared = Arc::new(Shared::new());
        let member = Member::new(Arc::clone(&client), config.clone(), Arc::clone(&shared));
        let (ending, done) = channel();
        let thread = std::thread::Builder::new()
            .name("kafka-membership".to_owned())
            .spawn(move || {
                member.run();
                drop(ending);
            })
            .map_err(|error| ConnectError::Configuration {
                detail: format!("the thread of the membership does not start: {error}"),
            })?;
        Ok(Self {
            tasks: counts.first().copied().unwrap_or(0),
            config,
            shared,
            client: Some(client),
            thread: Some(thread),
            done,
            failed: false,
        })
    }

    /// How many tasks there are: the partitions of the progress topic when the group was joined.
    pub fn tasks(&self) -> i32 {
        self.tasks
    }

    /// Waits up to `timeout` for the next event; `None` when nothing came in that time.
    ///
    /// # Errors
    /// [`ConnectError::Denied`], [`ConnectError::TopicMissing`] or [`ConnectError::Client`] when
    /// the group refuses this member for good. After an error the membership is done: further calls
    /// give [`ConnectError::MembershipEnded`].
    pub fn next(&mut self, timeout: Duration) -> Result<Option<MembershipEvent>, ConnectError> {
        if self.failed {
            return Err(ConnectError::MembershipEnded);
        }
        let deadline = Deadline::new(timeout);
        let mut state = lock(&self.shared.state);
        loop {
            state.heard = Instant::now();
            if let Some(event) = state.events.pop_front() {
                self.failed = event.is_err();
                return event.map(Some);
            }
            if deadline.passed() {
                return Ok(None);
            }
            // In slices, so that a caller that waits long counts as heard.
            let slice = deadline.left(Duration::from_secs(1));
            state = self
                .shared
                .changed
                .wait_timeout(state, slice)
                .unwrap_or_else(std::sync::PoisonError::into_inner)
                .0;
        }
    }

    /// Answers [`MembershipEvent::Revoking`]: nothing more is written for these tasks. Tasks that
    /// do not move, or moved already, are passed over.
    pub fn release(&mut self, tasks: &[i32]) {
        let mut state = lock(&self.shared.state);
        state.heard = Instant::now();
        state.released.extend(tasks);
    }

    /// The member's identity now; ask again for every transaction.
    ///
    /// # Errors
    /// [`ConnectError::MembershipEnded`] when the membership is done.
    pub fn group_metadata(&self) -> Result<GroupMetadata, ConnectError> {
        lock(&self.shared.state).heard = Instant::now();
        let client = self.client.as_ref().filter(|_| !self.failed);
        client
            .and_then(|client| client.group_metadata())
            .map(|metadata| GroupMetadata(Arc::new(metadata)))
            .ok_or(ConnectError::MembershipEnded)
    }

    /// Leaves the group, so that others get its tasks at once and not only after the session ended.
    /// Epochs must be finished before.
    ///
    /// # Errors
    /// [`ConnectError::Unreachable`] when that takes longer than `within`; it goes on behind.
    pub fn leave(mut self, within: Duration) -> Result<(), ConnectError> {
        self.leave_within(within)
    }

    fn leave_within(&mut self, within: Duration) -> Result<(), ConnectError> {
        let Some(thread) = self.thread.take() else {
            return Ok(());
        };
        // The thread must be the last to let go of the client: that is what leaves.
        if let Some(client) = self.client.take() {
            client.context().close();
        }
        lock(&self.shared.state).leaving = true;
        let deadline = Deadline::new(within);
        match self.done.recv_timeout(within) {
            Ok(()) | Err(RecvTimeoutError::Disconnected) => {
                if thread.join().is_err() {
                    tracing::error!("The thread of the membership panicked.");
                }
                Ok(())
            }
            Err(RecvTimeoutError::Timeout) => Err(deadline.unreachable(
                &self.config.bootstrap,
                format!("leave group {}: no answer", self.config.group_id),
            )),
        }
    }
}

impl Drop for Membership {
    fn drop(&mut self) {
        if let Err(error) = self.leave_within(DROP_WITHIN) {
            tracing::warn!(%error, "A member left its group without an answer.");
        }
    }
}

impl std::fmt::Debug for Membership {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Membership")
            .field("config", &self.config)
            .field("tasks", &self.tasks)
            .field("failed", &self.failed)
            .finish_non_exhaustive()
    }
}

fn connect(config: &MembershipConfig) -> Result<BaseConsumer<MemberContext>, ConnectError> {
    let session = config.session_timeout.as_millis().to_string();
    let heartbeat = (config.session_timeout / 5).as_millis().max(1).to_string();
    // Also how long the group waits for a member to release: longer than we take ourselves.
    let rebalance = (config.revoke_within * 2).max(config.session_timeout);
    let rebalance = rebalance.as_millis().to_string();
    let mut fixed = FIXED.to_vec();
    fixed.push(("group.id", &config.group_id));
    fixed.push(("max.poll.interval.ms", &rebalance));
    match config.protocol {
        GroupProtocol::Classic => fixed.extend([
            ("group.protocol", "classic"),
            ("partition.assignment.strategy", "cooperative-sticky"),
            ("session.timeout.ms", session.as_str()),
            ("heartbeat.interval.ms", heartbeat.as_str()),
        ]),
        GroupProtocol::Consumer => fixed.push(("group.protocol", "consumer")),
    }
    configure(&config.bootstrap, DEFAULTS, &fixed, &config.properties)?
        .create_with_context(MemberContext::default())
        .map_err(|error| setup_error(&error))
}
