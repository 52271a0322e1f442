//! `ingest.toml` after it was checked: what these types hold can be worked with as it is.

mod check;

use std::collections::{BTreeMap, BTreeSet};
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use axum::http::{HeaderName, HeaderValue};
use reqwest::Url;

use crate::problem::ConfigProblem;
use crate::secret::{SecretFile, Tokens};

/// A feed and where its records go.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct FeedTarget {
    /// The feed's name.
    pub(crate) feed: Arc<str>,
    /// The Kafka topic.
    pub(crate) topic: Arc<str>,
}

/// Everything that `ingest.toml` asks for, checked, with the topic of each feed.
#[derive(Debug, Clone)]
pub struct IngestPlan {
    pub(crate) receive: Option<ReceivePlan>,
    pub(crate) poll: Vec<PollPlan>,
    pub(crate) mqtt: Vec<MqttPlan>,
}

impl IngestPlan {
    /// Keeps only these feeds.
    ///
    /// # Errors
    /// [`ConfigProblem`] for each name that no part of `ingest.toml` has.
    pub fn only(mut self, feeds: &BTreeSet<String>) -> Result<Self, Vec<ConfigProblem>> {
        let known = self.feeds();
        let strangers = feeds.iter().filter(|name| !known.contains_key(*name));
        let problems: Vec<_> = strangers
            .map(|name| {
                let known: Vec<_> = known.keys().map(String::as_str).collect();
                let message = format!("no feed {name:?} is here, but {}", known.join(", "));
                ConfigProblem::new("", message)
            })
            .collect();
        if !problems.is_empty() {
            return Err(problems);
        }
        let asked = |target: &FeedTarget| feeds.contains(&*target.feed);
        self.poll.retain(|plan| asked(&plan.target));
        self.mqtt.retain(|plan| asked(&plan.target));
        if let Some(receive) = &mut self.receive {
            receive.feeds.retain(|plan| asked(&plan.target));
        }
        Ok(self)
    }

    /// Every feed with its topic.
    pub fn feeds(&self) -> BTreeMap<String, String> {
        let received = self.receive.iter().flat_map(|receive| &receive.feeds);
        let received = received.map(|plan| &plan.target);
        let polled = self.poll.iter().map(|plan| &plan.target);
        let subscribed = self.mqtt.iter().map(|plan| &plan.target);
        received
            .chain(polled)
            .chain(subscribed)
            .map(|target| (target.feed.to_string(), target.topic.to_string()))
            .collect()
    }

    /// Whether there is something to fetch.
    pub fn has_poll(&self) -> bool {
        !self.poll.is_empty()
    }

    /// Whether there is something to receive.
    pub fn has_receive(&self) -> bool {
        self.receive.as_ref().is_some_and(|r| !r.feeds.is_empty())
    }

    /// Whether there is an MQTT broker to listen to.
    pub fn has_mqtt(&self) -> bool {
        !self.mqtt.is_empty()
    }
}

/// The HTTP server.
#[derive(Debug, Clone)]
pub(crate) struct ReceivePlan {
    pub(crate) listen: SocketAddr,
    pub(crate) connections_max: usize,
    pub(crate) bodies_bytes_max: usize,
    pub(crate) header_timeout: Duration,
    pub(crate) body_timeout: Duration,
    pub(crate) acknowledge_within: Duration,
    pub(crate) keys_max: usize,
    pub(crate) keys_kept: Duration,
    pub(crate) feeds: Vec<ReceiveFeedPlan>,
}

/// One feed of the server.
#[derive(Debug, Clone)]
pub(crate) struct ReceiveFeedPlan {
    pub(crate) target: FeedTarget,
    pub(crate) token_file: PathBuf,
    pub(crate) tokens: Tokens,
    pub(crate) bytes_max: usize,
    pub(crate) requests_per_second: f64,
    pub(crate) burst: u32,
}

/// Through what a feed is fetched.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum ProxyPlan {
    /// Nothing.
    Direct,
    /// What the environment names.
    Environment,
    /// This proxy.
    Url(Url),
}

/// One URL.
#[derive(Debug, Clone)]
pub(crate) struct PollPlan {
    pub(crate) target: FeedTarget,
    pub(crate) url: Url,
    pub(crate) every: Duration,
    pub(crate) timeout: Duration,
    pub(crate) bytes_max: usize,
    pub(crate) headers: Vec<(HeaderName, HeaderValue)>,
    pub(crate) secret_headers: Vec<(HeaderName, SecretFile)>,
    pub(crate) secret_query: Vec<(String, SecretFile)>,
    pub(crate) proxy: ProxyPlan,
    pub(crate) authorities: Vec<reqwest::Certificate>,
    pub(crate) redirects_max: usize,
    pub(crate) content_types: Vec<String>,
    pub(crate) unchanged: Unchanged,
}

/// What happens to a body that equals the one before.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Unchanged {
    /// It is counted.
    Count,
    /// It is sent again.
    Send,
}

/// One MQTT broker.
#[derive(Debug, Clone)]
pub(crate) struct MqttPlan {
    pub(crate) target: FeedTarget,
    pub(crate) host: String,
    pub(crate) port: u16,
    pub(crate) tls: Option<Arc<rustls::ClientConfig>>,
    pub(crate) login: Option<(String, Option<SecretFile>)>,
    pub(crate) client_id: String,
    pub(crate) topics: Vec<String>,
    pub(crate) bytes_max: usize,
    pub(crate) keep_alive: Duration,
    pub(crate) in_flight_max: usize,
}
