//! What happened, in numbers.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// Why bytes that came were not stored. None of these is a fault of ours.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, serde::Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Refusal {
    /// A web page instead of data: an error page, a login page, a captive portal.
    HtmlPage,
    /// No bytes at all.
    Empty,
    /// More bytes than `bytes_max`, or more than the topic takes.
    TooLarge,
    /// Not one of `content_types`.
    ContentType,
    /// No token, or one that opens nothing.
    Unauthorized,
    /// A token that opens another feed only, or a feed that is not here.
    UnknownFeed,
    /// Neither `POST /feeds/NAME` nor `GET /healthz`.
    NotHere,
    /// More requests than `requests_per_second` and `burst` allow.
    TooManyRequests,
    /// More connections than `connections_max`.
    TooManyConnections,
    /// More bytes of bodies at once than `bodies_bytes_max`.
    TooManyBytes,
    /// The client took longer for its head or body than it may.
    SlowClient,
    /// The body broke off or was not HTTP.
    BrokenBody,
    /// `Idempotency-Key` is empty, too long, not text, or was used for other bytes.
    BadKey,
    /// A message of a topic that is not asked for: the MQTT session is older than `topics`.
    OtherTopic,
}

/// What went wrong on the way.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, serde::Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Trouble {
    /// No connection: name, address, port, proxy or TLS.
    Connect,
    /// It took longer than `timeout`.
    Timeout,
    /// A status that is no success.
    Status,
    /// A redirect led back to where it came from.
    RedirectLoop,
    /// More redirects than `redirects_max`.
    TooManyRedirects,
    /// A redirect that leads nowhere or from HTTPS to HTTP.
    BadRedirect,
    /// The body broke off or cannot be decompressed.
    BrokenBody,
    /// The file of a secret cannot be read.
    Secret,
    /// Kafka did not acknowledge in time; it was or will be sent again.
    KafkaAway,
    /// Kafka refused for good; the bytes were dropped.
    KafkaRefused,
    /// The MQTT connection was lost or could not be made.
    MqttConnection,
    /// The MQTT broker refused login or subscription.
    MqttRefused,
}

macro_rules! shown_as_serialized {
    ($($kind:ty),*) => {$(
        impl fmt::Display for $kind {
            /// The name that it has in a summary.
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                serde::Serialize::serialize(self, f)
            }
        }
    )*};
}
shown_as_serialized!(Refusal, Trouble);

/// What happened to one feed.
#[derive(Debug, Clone, PartialEq, Eq, Default, serde::Serialize)]
pub struct FeedCounts {
    /// Records that Kafka acknowledged.
    pub accepted: u64,
    /// Their bytes.
    pub bytes: u64,
    /// Fetches that brought nothing new: 304, or the same bytes as before.
    pub unchanged: u64,
    /// Requests that repeated an `Idempotency-Key`, and MQTT messages that came again and were
    /// recognised: answered, not stored again.
    pub repeated: u64,
    /// What was not stored, by reason.
    pub refused: BTreeMap<Refusal, u64>,
    /// What went wrong, by kind.
    pub errors: BTreeMap<Trouble, u64>,
}

/// What happened, by feed; under the empty name what belongs to no feed, such as a request without
/// a valid token.
#[derive(Debug, Clone, PartialEq, Eq, Default, serde::Serialize)]
pub struct Summary {
    /// By the name of the feed.
    pub feeds: BTreeMap<String, FeedCounts>,
}

impl Summary {
    /// What happened to the feed of this name.
    pub fn feed(&self, name: &str) -> FeedCounts {
        self.feeds.get(name).cloned().unwrap_or_default()
    }
}

/// The name of what belongs to no feed.
pub(crate) const NO_FEED: &str = "";

/// A summary that many tasks write to.
#[derive(Debug, Clone, Default)]
pub(crate) struct Counters(Arc<Mutex<Summary>>);

impl Counters {
    fn lock(&self) -> MutexGuard<'_, Summary> {
        // Counters are whole after every step.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// What happened so far.
    pub(crate) fn summary(&self) -> Summary {
        self.lock().clone()
    }

    /// Changes the counts of one feed.
    pub(crate) fn feed(&self, name: &str, change: impl FnOnce(&mut FeedCounts)) {
        let mut summary = self.lock();
        if let Some(counts) = summary.feeds.get_mut(name) {
            change(counts);
        } else {
            change(summary.feeds.entry(name.to_owned()).or_default());
        }
    }

    pub(crate) fn accepted(&self, name: &str, bytes: usize) {
        self.feed(name, |counts| {
            counts.accepted += 1;
            counts.bytes += bytes as u64;
        });
    }

    pub(crate) fn refused(&self, name: &str, refusal: Refusal) {
        self.feed(name, |counts| {
            *counts.refused.entry(refusal).or_default() += 1;
        });
    }

    pub(crate) fn error(&self, name: &str, trouble: Trouble) {
        self.feed(name, |counts| {
            *counts.errors.entry(trouble).or_default() += 1;
        });
    }
}
