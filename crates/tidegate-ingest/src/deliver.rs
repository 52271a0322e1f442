//! Bytes to Kafka, until they are there.

use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use tidegate_connect::{AckedRecord, AckedSink, ConnectError, Disposition};
use tidegate_model::Position;

use crate::backoff::Backoff;
use crate::counts::{Counters, Refusal, Trouble};
use crate::plan::FeedTarget;
use crate::stop::Stop;

/// First and longest wait between two attempts to store the same bytes.
const AGAIN_FIRST: Duration = Duration::from_millis(200);
const AGAIN_MOST: Duration = Duration::from_secs(10);

/// Where records go and where they are counted.
#[derive(Debug, Clone)]
pub(crate) struct Outlet {
    pub(crate) sink: Arc<AckedSink>,
    pub(crate) counters: Counters,
}

/// What became of bytes.
#[derive(Debug)]
pub(crate) enum Delivered {
    /// Kafka has them.
    Stored,
    /// Kafka will never take them; they were counted and dropped.
    Refused,
    /// The work is to stop; whether Kafka has them is not known.
    Stopped,
}

impl Outlet {
    /// Sends `value` again and again until it is stored, refused for good, or the work is to stop.
    pub(crate) async fn deliver(
        &self,
        target: &FeedTarget,
        record: AckedRecord<'_>,
        stop: &mut Stop,
    ) -> Delivered {
        let mut backoff = Backoff::new(AGAIN_FIRST, AGAIN_MOST);
        loop {
            // What is on its way is waited for: the sink bounds that.
            match self.sink.send(record).await {
                Ok(position) => {
                    self.stored(target, position, record.value.len());
                    return Delivered::Stored;
                }
                Err(error) => {
                    if self.failed(target, &error) == Disposition::Halt {
                        return Delivered::Refused;
                    }
                }
            }
            let wait = backoff.after_failure(None);
            if stop.or(tokio::time::sleep(wait)).await.is_none() {
                return Delivered::Stopped;
            }
        }
    }

    pub(crate) fn stored(&self, target: &FeedTarget, position: Position, bytes: usize) {
        let FeedTarget { feed, topic } = target;
        tracing::trace!(%feed, %topic, %position, bytes, "Record stored.");
        self.counters.accepted(feed, bytes);
    }

    /// Counts and tells that a record was not acknowledged.
    pub(crate) fn failed(&self, target: &FeedTarget, error: &ConnectError) -> Disposition {
        let feed = &target.feed;
        if let ConnectError::RecordTooLarge { .. } = error {
            tracing::error!(%feed, %error, "Record dropped.");
            self.counters.refused(feed, Refusal::TooLarge);
            return Disposition::Halt;
        }
        let disposition = error.disposition();
        match disposition {
            Disposition::Retry => {
                tracing::warn!(%feed, %error, "Record not acknowledged yet.");
                self.counters.error(feed, Trouble::KafkaAway);
            }
            Disposition::Halt => {
                tracing::error!(%feed, %error, "Record dropped.");
                self.counters.error(feed, Trouble::KafkaRefused);
            }
        }
        disposition
    }
}

/// Milliseconds since 1970.
pub(crate) fn now_ms() -> i64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH);
    since.map_or(0, |since| {
        i64::try_from(since.as_millis()).unwrap_or(i64::MAX)
    })
}
