//! Making topics, and asking how large a record they take.

use std::collections::BTreeMap;
use std::time::Duration;

use rdkafka::admin::{
    AdminClient, AdminOptions, NewTopic, OwnedResourceSpecifier, ResourceSpecifier,
    TopicReplication,
};
use rdkafka::client::Client;
use rdkafka::config::ClientConfig;
use rdkafka::error::KafkaError;
use rdkafka::types::RDKafkaErrorCode;

use crate::client::{Context, Deadline, Troubled, client_error, find_topics, reach, setup_error};
use crate::error::ConnectError;

/// How long a topic that [`crate::KafkaSink::ensure_topics`] makes keeps its records.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Retention {
    /// As the broker is set up.
    Broker,
    /// Every record, without limit.
    Forever,
    /// Records of this age and younger.
    For(Duration),
    /// The latest record of each key.
    Compact,
}

/// A topic as [`crate::KafkaSink::ensure_topics`] makes it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TopicSpec<'a> {
    /// Its name.
    pub name: &'a str,
    /// How many partitions, 1 or more.
    pub partitions: i32,
    /// How long it keeps records.
    pub retention: Retention,
    /// The largest record batch it takes, in bytes as sent (`max.message.bytes`); `None` as the
    /// broker is set up, usually 1 MiB. [`crate::MESSAGE_BYTES_LIMIT`] fits what an
    /// [`crate::EpochSink`] sends.
    pub message_bytes_max: Option<usize>,
}

impl<'a> From<(&'a str, i32, Retention)> for TopicSpec<'a> {
    fn from((name, partitions, retention): (&'a str, i32, Retention)) -> Self {
        Self {
            name,
            partitions,
            retention,
            message_bytes_max: None,
        }
    }
}

impl<'a> From<(&'a String, i32, Retention)> for TopicSpec<'a> {
    fn from((name, partitions, retention): (&'a String, i32, Retention)) -> Self {
        (name.as_str(), partitions, retention).into()
    }
}

/// A client and what is needed to ask its cluster something.
pub(crate) struct Cluster<'a, C: Troubled = Context> {
    pub(crate) client: &'a Client<C>,
    pub(crate) config: &'a ClientConfig,
    pub(crate) bootstrap: &'a str,
    pub(crate) serve: &'a dyn Fn(),
}

impl<C: Troubled> Cluster<'_, C> {
    fn admin(&self) -> Result<AdminClient<Context>, ConnectError> {
        admin(self.config)
    }
}

/// A client that only administers, from the configuration of one that does more.
pub(crate) fn admin(config: &ClientConfig) -> Result<AdminClient<Context>, ConnectError> {
    let mut config = config.clone();
    // Not known to a client that only administers, or of an effect beyond that.
    for name in ["partitioner", "transactional.id", "transaction.timeout.ms"] {
        config.remove(name);
    }
    config
        .create_with_context(Context::default())
        .map_err(|error| setup_error(&error))
}

/// Options of an administrative request that is answered within this time or fails.
pub(crate) fn options(within: Duration) -> AdminOptions {
    AdminOptions::new()
        .request_timeout(Some(within))
        .operation_timeout(Some(within))
}

/// Makes the topics that are missing and waits until they can be written to.
pub(crate) fn ensure<C: Troubled>(
    cluster: &Cluster<'_, C>,
    topics: &[TopicSpec<'_>],
    within: Duration,
) -> Result<(), ConnectError> {
    let deadline = Deadline::new(within);
    let metadata = reach(cluster.client, cluster.bootstrap, deadline, cluster.serve)?;
    let missing: Vec<_> = topics
        .iter()
        .filter(|wanted| {
            !metadata
                .topics()
                .iter()
                .any(|topic| topic.name() == wanted.name && !topic.partitions().is_empty())
        })
        .collect();
    if missing.is_empty() {
        return Ok(());
    }
    create(cluster, &missing, deadline.left(within))?;
    let names: Vec<&str> = topics.iter().map(|topic| topic.name).collect();
    let wait = (deadline, within);
    find_topics(
        cluster.client,
        cluster.bootstrap,
        &names,
        wait,
        cluster.serve,
    )
    .map(|_| ())
}

fn create<C: Troubled>(
    cluster: &Cluster<'_, C>,
    topics: &[&TopicSpec<'_>],
    within: Duration,
) -> Result<(), ConnectError> {
    let failed = |e: KafkaError| client_error(cluster.bootstrap, "create topics", &e);
    let admin = cluster.admin()?;
    let texts: Vec<(String, Option<String>)> = topics
        .iter()
        .map(|topic| {
            let age = retention_ms(topic.retention);
            (age, topic.message_bytes_max.map(|most| most.to_string()))
        })
        .collect();
    let new: Vec<NewTopic<'_>> = topics
        .iter()
        .zip(&texts)
        .map(|(topic, (age, bytes))| new_topic(topic, age, bytes.as_deref()))
        .collect();
    let results = futures_executor::block_on(admin.create_topics(&new, &options(within)));
    for result in results.map_err(failed)? {
        match result {
            Ok(_) | Err((_, RDKafkaErrorCode::TopicAlreadyExists)) => {}
            Err((
                topic,
                code @ (RDKafkaErrorCode::TopicAuthorizationFailed
                | RDKafkaErrorCode::ClusterAuthorizationFailed),
            )) => {
                return Err(ConnectError::Denied {
                    what: format!("topic {topic} on {}, to create it", cluster.bootstrap),
                    detail: code.to_string(),
                });
            }
            Err((topic, code)) => {
                return Err(ConnectError::Client {
                    bootstrap: cluster.bootstrap.to_owned(),
                    doing: format!("create topic {topic}"),
                    detail: code.to_string(),
                });
            }
        }
    }
    Ok(())
}

fn new_topic<'a>(topic: &TopicSpec<'a>, age: &'a str, bytes: Option<&'a str>) -> NewTopic<'a> {
    let new = NewTopic::new(topic.name, topic.partitions, TopicReplication::Fixed(-1));
    let new = match topic.retention {
        Retention::Broker => new,
        Retention::Forever | Retention::For(_) => new
            .set("cleanup.policy", "delete")
            .set("retention.ms", age)
            .set("retention.bytes", "-1"),
        Retention::Compact => new.set("cleanup.policy", "compact"),
    };
    match bytes {
        Some(bytes) => new.set("max.message.bytes", bytes),
        None => new,
    }
}

fn retention_ms(retention: Retention) -> String {
    match retention {
        Retention::For(age) => i64::try_from(age.as_millis())
            .unwrap_or(i64::MAX)
            .to_string(),
        Retention::Broker | Retention::Forever | Retention::Compact => "-1".to_owned(),
    }
}

/// The largest batch that each topic takes, where the broker tells it: one that does not answer, or
/// keeps its configuration to itself, refuses a record that is too large when it is sent.
pub(crate) fn message_limits<C: Troubled>(
    cluster: &Cluster<'_, C>,
    topics: &[String],
    within: Duration,
) -> Result<BTreeMap<String, usize>, ConnectError> {
    let limits = settings(cluster, topics, "max.message.bytes", within)?;
    let limit = |(topic, limit): (String, String)| Some((topic, limit.parse().ok()?));
    Ok(limits.into_iter().filter_map(limit).collect())
}

/// Those of `topics` of which the broker keeps the latest record of each key only, where it tells.
pub(crate) fn compacted<C: Troubled>(
    cluster: &Cluster<'_, C>,
    topics: &[String],
    within: Duration,
) -> Result<Vec<String>, ConnectError> {
    let policies = settings(cluster, topics, "cleanup.policy", within)?;
    let compacted = policies
        .into_iter()
        .filter(|(_, policy)| policy.split(',').any(|word| word.trim() == "compact"));
    Ok(compacted.map(|(topic, _)| topic).collect())
}

/// One setting of each topic, where the broker tells it.
fn settings<C: Troubled>(
    cluster: &Cluster<'_, C>,
    topics: &[String],
    name: &str,
    within: Duration,
) -> Result<BTreeMap<String, String>, ConnectError> {
    let mut found = BTreeMap::new();
    if topics.is_empty() {
        return Ok(found);
    }
    let admin = cluster.admin()?;
    let resources: Vec<ResourceSpecifier<'_>> =
        topics.iter().map(|t| ResourceSpecifier::Topic(t)).collect();
    let described =
        futures_executor::block_on(admin.describe_configs(&resources, &options(within)));
    let described = match described {
        Ok(described) => described,
        Err(error) => {
            tracing::debug!(%error, name, "The broker does not tell the settings of its topics.");
            return Ok(found);
        }
    };
    for config in described.into_iter().flatten() {
        let value = config.get(name).and_then(|entry| entry.value.clone());
        if let (OwnedResourceSpecifier::Topic(topic), Some(value)) = (config.specifier, value) {
            found.insert(topic, value);
        }
    }
    Ok(found)
}
