//! What source and sink share: settings, the client's callbacks, and reaching the broker within a
//! bounded time.

use std::collections::{BTreeMap, VecDeque};
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use rdkafka::client::{Client, ClientContext};
use rdkafka::config::{ClientConfig, RDKafkaLogLevel};
use rdkafka::consumer::ConsumerContext;
use rdkafka::error::KafkaError;
use rdkafka::message::{DeliveryResult, Message};
use rdkafka::metadata::Metadata;
use rdkafka::producer::ProducerContext;
use rdkafka::types::RDKafkaErrorCode;

use crate::error::ConnectError;

/// Properties of librdkafka by name, as a user may set them.
pub type Properties = BTreeMap<String, String>;

/// How long opening a source or a sink waits for a broker unless told otherwise.
pub const REACH_WITHIN: Duration = Duration::from_secs(10);

/// Client errors kept until somebody asks; older ones are forgotten first.
const TROUBLES_MAX: usize = 16;

/// Receives librdkafka's logs, errors and delivery reports.
#[derive(Debug, Default)]
pub(crate) struct Context {
    troubles: Mutex<VecDeque<String>>,
    failed: AtomicU64,
    first_failure: Mutex<Option<Failure>>,
}

/// A record that was not stored.
#[derive(Debug, Clone)]
pub(crate) struct Failure {
    pub(crate) topic: String,
    /// Key and value together.
    pub(crate) bytes: usize,
    pub(crate) code: RDKafkaErrorCode,
}

impl std::fmt::Display for Failure {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(
            f,
            "to topic {} ({} bytes): {}",
            self.topic, self.bytes, self.code
        )
    }
}

/// Keeps what a client reports until somebody asks.
pub(crate) trait Troubled: ClientContext {
    /// The client errors since the last call, oldest first.
    fn take_troubles(&self) -> Vec<String>;
}

impl Troubled for Context {
    fn take_troubles(&self) -> Vec<String> {
        lock(&self.troubles).drain(..).collect()
    }
}

impl Context {
    /// How many deliveries failed since the last call, with the first of them.
    pub(crate) fn take_failures(&self) -> Option<(u64, Failure)> {
        let first = lock(&self.first_failure).take()?;
        Some((self.failed.swap(0, Ordering::AcqRel), first))
    }
}

/// A lock whose holder panicked still guards plain data that is whole.
pub(crate) fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex
        .lock()
        .unwrap_or_else(std::sync::PoisonError::into_inner)
}

impl ClientContext for Context {
    fn log(&self, level: RDKafkaLogLevel, facility: &str, message: &str) {
        match level {
            RDKafkaLogLevel::Emerg
            | RDKafkaLogLevel::Alert
            | RDKafkaLogLevel::Critical
            | RDKafkaLogLevel::Error
            | RDKafkaLogLevel::Warning => {
                tracing::warn!(target: "librdkafka", facility, "{message}");
            }
            RDKafkaLogLevel::Notice | RDKafkaLogLevel::Info | RDKafkaLogLevel::Debug => {
                tracing::debug!(target: "librdkafka", facility, "{message}");
            }
        }
    }

    fn error(&self, error: KafkaError, reason: &str) {
        tracing::debug!(target: "librdkafka", %error, "{reason}");
        let mut troubles = lock(&self.troubles);
        // "All brokers are down" comes at every attempt and would push out what caused it.
        if troubles.iter().any(|known| known == reason) {
            return;
        }
        if troubles.len() == TROUBLES_MAX {
            troubles.pop_front();
        }
        troubles.push_back(reason.to_owned());
    }
}

impl ConsumerContext for Context {}

impl ProducerContext for Context {
    type DeliveryOpaque = ();

    fn delivery(&self, result: &DeliveryResult<'_>, (): ()) {
        if let Err((error, message)) = result {
            lock(&self.first_failure).get_or_insert_with(|| Failure {
                topic: message.topic().to_owned(),
                bytes: message.key_len() + message.payload_len(),
                code: error.rdkafka_error_code().unwrap_or(RDKafkaErrorCode::Fail),
            });
            self.failed.fetch_add(1, Ordering::AcqRel);
        }
    }
}

/// A configuration from our `defaults`, then the user's `properties`, then what `fixed` forbids
/// them to change.
pub(crate) fn configure(
    bootstrap: &str,
    defaults: &[(&str, &str)],
    fixed: &[(&str, &str)],
    properties: &Properties,
) -> Result<ClientConfig, ConnectError> {
    let mut config = ClientConfig::new();
    config.set_log_level(RDKafkaLogLevel::Warning);
    for (name, value) in defaults {
        config.set(*name, *value);
    }
    for (name, value) in properties {
        let ours = fixed.iter().find(|(fixed, _)| fixed == name);
        if name == "bootstrap.servers" || name == "metadata.broker.list" {
            return Err(ConnectError::Configuration {
                detail: format!("property {name} is the bootstrap address; give it as such"),
            });
        }
        if let Some((name, ours)) = ours.filter(|(_, ours)| ours != value) {
            return Err(ConnectError::Configuration {
                detail: format!("property {name} must stay {ours:?}, {value:?} was given"),
            });
        }
        config.set(name, value);
    }
    for (name, value) in fixed {
        config.set(*name, *value);
    }
    config.set("bootstrap.servers", bootstrap);
    Ok(config)
}

/// The error of a client that could not be made: always about a setting.
pub(crate) fn setup_error(error: &KafkaError) -> ConnectError {
    let detail = match error {
        KafkaError::ClientConfig(_, said, name, value) => {
            format!("property {name} = {value:?}: {said}")
        }
        KafkaError::ClientCreation(said) => said.clone(),
        other => other.to_string(),
    };
    ConnectError::Configuration { detail }
}

/// An error of the client library outside the cases that have their own.
pub(crate) fn client_error(bootstrap: &str, doing: &str, error: &KafkaError) -> ConnectError {
    ConnectError::Client {
        bootstrap: bootstrap.to_owned(),
        doing: doing.to_owned(),
        detail: cause(error),
    }
}

/// librdkafka's words for an error, without the wrapper's.
pub(crate) fn cause(error: &KafkaError) -> String {
    error
        .rdkafka_error_code()
        .map_or_else(|| error.to_string(), |code| code.to_string())
}

/// Whether an error means that trying again may help: the connection's, and those of a partition,
/// a leader or a coordinator that is moving, which Kafka's protocol calls retriable.
pub(crate) fn passing(error: &KafkaError) -> bool {
    use RDKafkaErrorCode as Code;
    matches!(
        error.rdkafka_error_code(),
        Some(
            Code::BrokerTransportFailure
                | Code::AllBrokersDown
                | Code::OperationTimedOut
                | Code::RequestTimedOut
                | Code::Resolve
                | Code::TimedOutQueue
                | Code::WaitingForCoordinator
                | Code::LeaderNotAvailable
                | Code::NotLeaderForPartition
                | Code::BrokerNotAvailable
                | Code::ReplicaNotAvailable
                | Code::NetworkException
                | Code::OffsetNotAvailable
                | Code::FencedLeaderEpoch
                | Code::UnknownLeaderEpoch
                | Code::KafkaStorageError
                | Code::CoordinatorLoadInProgress
                | Code::CoordinatorNotAvailable
                | Code::NotCoordinator
                | Code::NotController
                | Code::UnknownTopicOrPartition
                | Code::UnknownPartition
                | Code::UnknownTopic
        )
    )
}

/// The last of the client's errors that says more than that all brokers are down, without the
/// library's remarks on timing.
pub(crate) fn most_telling(mut troubles: Vec<String>) -> Option<String> {
    let last = troubles
        .iter()
        .rposition(|text| !text.contains("brokers are down"))
        .or_else(|| troubles.len().checked_sub(1))?;
    let mut text = troubles.swap_remove(last);
    if let Some(at) = text.find(" (after ") {
        text.truncate(at);
    }
    Some(text)
}

/// One bounded wait over several calls.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Deadline {
    started: Instant,
    within: Duration,
}

impl Deadline {
    pub(crate) fn new(within: Duration) -> Self {
        Self {
            started: Instant::now(),
            within,
        }
    }

    /// What is left, at most `most`.
    pub(crate) fn left(&self, most: Duration) -> Duration {
        self.within.saturating_sub(self.started.elapsed()).min(most)
    }

    pub(crate) fn within(&self) -> Duration {
        self.within
    }

    pub(crate) fn passed(&self) -> bool {
        self.started.elapsed() >= self.within
    }

    /// The error of having waited in vain.
    pub(crate) fn unreachable(&self, bootstrap: &str, detail: String) -> ConnectError {
        ConnectError::Unreachable {
            bootstrap: bootstrap.to_owned(),
            waited: self.within,
            detail,
        }
    }
}

/// Asks for the whole cluster's metadata until a broker answers or the deadline passes.
///
/// Asking for all topics never makes a broker create one, as asking for a topic by name can.
pub(crate) fn reach<C: Troubled>(
    client: &Client<C>,
    bootstrap: &str,
    deadline: Deadline,
    serve: &dyn Fn(),
) -> Result<Metadata, ConnectError> {
    let mut said = None;
    loop {
        match client.fetch_metadata(None, deadline.left(Duration::from_secs(2))) {
            Ok(metadata) => return Ok(metadata),
            Err(error) if !passing(&error) => {
                return Err(client_error(
                    bootstrap,
                    "ask for the list of topics",
                    &error,
                ));
            }
            Err(error) => {
                for _ in 0..TROUBLES_MAX {
                    serve();
                }
                let told = most_telling(client.context().take_troubles());
                said = match (told, said) {
                    (Some(told), _) => Some(told),
                    (None, Some(said)) => Some(said),
                    (None, None) => Some(cause(&error)),
                };
            }
        }
        if deadline.passed() {
            let said = said.unwrap_or_else(|| "no answer".to_owned());
            return Err(deadline.unreachable(bootstrap, said));
        }
        std::thread::sleep(deadline.left(Duration::from_millis(50)));
    }
}

/// Asks for metadata until every topic of `wanted` is there with a leader for each partition; gives
/// the partition counts in the order of `wanted`.
///
/// A topic that was just created needs a moment to be seen, so its absence is believed only after
/// `settle`.
pub(crate) fn find_topics<C: Troubled>(
    client: &Client<C>,
    bootstrap: &str,
    wanted: &[&str],
    (deadline, settle): (Deadline, Duration),
    serve: &dyn Fn(),
) -> Result<Vec<i32>, ConnectError> {
    let settle = Deadline::new(settle);
    loop {
        let metadata = reach(client, bootstrap, deadline, serve)?;
        let problem = match look_up(&metadata, bootstrap, wanted) {
            Ok(counts) => return Ok(counts),
            Err(problem) => problem,
        };
        let give_up = match &problem {
            ConnectError::TopicMissing { .. } => settle.passed() || deadline.passed(),
            ConnectError::Unreachable { .. } => deadline.passed(),
            _ => true,
        };
        if give_up {
            return Err(problem);
        }
        std::thread::sleep(deadline.left(Duration::from_millis(100)));
    }
}

/// The partition counts of `wanted`, from metadata of the whole cluster.
pub(crate) fn look_up(
    metadata: &Metadata,
    bootstrap: &str,
    wanted: &[&str],
) -> Result<Vec<i32>, ConnectError> {
    let mut counts = Vec::with_capacity(wanted.len());
    let mut missing = Vec::new();
    for name in wanted {
        let Some(topic) = metadata.topics().iter().find(|t| t.name() == *name) else {
            missing.push((*name).to_owned());
            continue;
        };
        let code = topic.error().map(RDKafkaErrorCode::from);
        if code == Some(RDKafkaErrorCode::TopicAuthorizationFailed) {
            return Err(ConnectError::Denied {
                what: format!("topic {name} on {bootstrap}"),
                detail: "topic authorization failed".to_owned(),
            });
        }
        let unknown = code == Some(RDKafkaErrorCode::UnknownTopicOrPartition);
        if unknown || topic.partitions().is_empty() {
            missing.push((*name).to_owned());
            continue;
        }
        if let Some(partition) = topic.partitions().iter().find(|p| p.leader() < 0) {
            return Err(ConnectError::Unreachable {
                bootstrap: bootstrap.to_owned(),
                waited: Duration::ZERO,
                detail: format!("topic {name} partition {} has no leader", partition.id()),
            });
        }
        counts.push(i32::try_from(topic.partitions().len()).unwrap_or(i32::MAX));
    }
    if missing.is_empty() {
        return Ok(counts);
    }
    let mut known: Vec<String> = metadata
        .topics()
        .iter()
        .map(|topic| topic.name().to_owned())
        .filter(|name| !name.starts_with("__"))
        .collect();
    known.sort();
    known.truncate(10);
    Err(ConnectError::TopicMissing {
        bootstrap: bootstrap.to_owned(),
        topics: missing,
        known,
    })
}
