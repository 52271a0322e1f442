//! A body to Kafka. The record goes its way whether or not the sender still waits, so that a repeat
//! with the same key finds out what became of it.

use std::sync::Arc;
use std::time::Duration;

use tidegate_connect::{AckedRecord, ConnectError, Disposition};
use tidegate_model::Position;
use tokio::sync::watch;
use tokio::time::Instant;

use super::answer::{Answer, Problem};
use super::body::Received;
use super::keys::{Claim, Expected};
use super::{Feed, Shared, lock};
use crate::deliver::now_ms;
use crate::secret::hash;

/// When a sender is to come back after Kafka did not acknowledge.
const AWAY_WAIT: Duration = Duration::from_secs(5);

/// What became of a record.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Outcome {
    /// Stored there.
    Stored(Position),
    /// Not acknowledged.
    Away,
    /// Larger than the topic takes.
    TooLarge,
    /// Refused for good.
    Refused,
}

/// Stores the body, or finds that it is stored, and says so within `acknowledge_within`.
pub(super) async fn store(
    shared: &Arc<Shared>,
    feed: &Feed,
    key: Option<String>,
    body: Received,
) -> Result<Answer, Answer> {
    let name = &feed.plan.target.feed;
    let expected = match &key {
        None => {
            let (told, expected) = watch::channel(None);
            start(shared, &feed.plan.target.feed, None, (body, told));
            expected
        }
        Some(text) => {
            let claim = lock(&feed.keys).claim(text, hash(&body.bytes), Instant::now());
            if matches!(claim, Claim::InFlight(_) | Claim::Done(_)) {
                let repeated = |counts: &mut crate::FeedCounts| counts.repeated += 1;
                shared.outlet.counters.feed(name, repeated);
            }
            match claim {
                Claim::New(told, expected) => {
                    start(shared, &feed.plan.target.feed, key, (body, told));
                    expected
                }
                Claim::InFlight(expected) => expected,
                Claim::Done(position) => return Ok(Answer::Stored(position)),
                Claim::Conflict => return Err(Problem::KeyReused.into()),
            }
        }
    };
    wait(expected, shared.plan.acknowledge_within).await
}

async fn wait(mut expected: Expected, within: Duration) -> Result<Answer, Answer> {
    let known = expected.wait_for(Option::is_some);
    let outcome = match tokio::time::timeout(within, known).await {
        Ok(Ok(outcome)) => outcome.unwrap_or(Outcome::Away),
        Ok(Err(_)) | Err(_) => Outcome::Away,
    };
    match outcome {
        Outcome::Stored(position) => Ok(Answer::Stored(position)),
        Outcome::Away => Err(Answer::retry_after(Problem::NotAcknowledged, AWAY_WAIT)),
        Outcome::TooLarge => Err(Problem::TooLarge.into()),
        Outcome::Refused => Err(Problem::NotStored.into()),
    }
}

/// Sends the record in a task of its own, which the server waits for before it ends.
fn start(
    shared: &Arc<Shared>,
    feed: &str,
    key: Option<String>,
    (body, told): (Received, watch::Sender<Option<Outcome>>),
) {
    let feed = feed.to_owned();
    let working = Arc::clone(shared);
    let work = async move {
        let Some(feed) = working.feeds.get(&feed) else {
            return;
        };
        let outcome = send(&working, feed, key.as_deref(), &body).await;
        if let Some(key) = &key {
            let mut keys = lock(&feed.keys);
            match outcome {
                Outcome::Stored(position) => keys.done(key, position, Instant::now()),
                _ => keys.failed(key),
            }
        }
        // The body's share of memory is free before the sender is answered.
        drop(body);
        told.send_replace(Some(outcome));
    };
    let mut stores = lock(&shared.stores);
    while stores.try_join_next().is_some() {}
    stores.spawn(work);
}

async fn send(shared: &Shared, feed: &Feed, key: Option<&str>, body: &Received) -> Outcome {
    let target = &feed.plan.target;
    let header = key.map(|key| ("idempotency-key", key.as_bytes()));
    let record = AckedRecord {
        topic: &target.topic,
        key: Some(target.feed.as_bytes()),
        value: &body.bytes,
        headers: header.as_slice(),
        timestamp_ms: Some(now_ms()),
    };
    match shared.outlet.sink.send(record).await {
        Ok(position) => {
            shared.outlet.stored(target, position, body.bytes.len());
            Outcome::Stored(position)
        }
        // Counted with the answer.
        Err(ConnectError::RecordTooLarge { .. }) => Outcome::TooLarge,
        Err(error) => match shared.outlet.failed(target, &error) {
            Disposition::Retry => Outcome::Away,
            Disposition::Halt => Outcome::Refused,
        },
    }
}
