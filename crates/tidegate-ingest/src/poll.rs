//! Feeds that are fetched: each URL in its own rhythm, told apart by nothing but its own failures.

mod fetch;

use std::time::Duration;

use axum::http::HeaderValue;
use tidegate_connect::AckedRecord;
use tokio::task::JoinSet;
use tokio::time::Instant;

use crate::backoff::Backoff;
use crate::deliver::{Delivered, Outlet, now_ms};
use crate::error::IngestError;
use crate::plan::{FeedTarget, PollPlan, Unchanged};
use crate::secret::hash;
use crate::stop::Stop;
use fetch::{Fetched, Fetcher};

/// A URL that fails is asked at least this often, unless it is asked more rarely anyway.
const WAIT_MOST: Duration = Duration::from_mins(10);

/// What a feed's last stored body was, for the next request.
#[derive(Debug, Default)]
struct Memory {
    etag: Option<HeaderValue>,
    last_modified: Option<HeaderValue>,
    hash: Option<[u8; 32]>,
}

/// Fetches all feeds until the work is to stop.
pub(crate) async fn poll(
    plans: &[PollPlan],
    outlet: &Outlet,
    stop: Stop,
) -> Result<(), IngestError> {
    let mut tasks = JoinSet::new();
    let mut fetchers = Vec::new();
    for plan in plans {
        fetchers.push(Fetcher::new(plan.clone())?);
    }
    for fetcher in fetchers {
        let feed = PolledFeed {
            target: fetcher.plan().target.clone(),
            fetcher,
            outlet: outlet.clone(),
            memory: Memory::default(),
        };
        tasks.spawn(feed.run(stop.clone()));
    }
    tasks.join_all().await;
    Ok(())
}

struct PolledFeed {
    target: FeedTarget,
    fetcher: Fetcher,
    outlet: Outlet,
    memory: Memory,
}

/// Whether the next fetch comes in its rhythm.
enum Next {
    InRhythm,
    AfterFailure(Option<Duration>),
    Stop,
}

impl PolledFeed {
    async fn run(mut self, mut stop: Stop) {
        let every = self.fetcher.plan().every;
        let mut backoff = Backoff::new(every, WAIT_MOST);
        loop {
            let started = Instant::now();
            let wake = match self.step(&mut stop).await {
                Next::Stop => return,
                Next::InRhythm => {
                    backoff.reset();
                    started + every
                }
                Next::AfterFailure(asked) => Instant::now() + backoff.after_failure(asked),
            };
            if stop.or(tokio::time::sleep_until(wake)).await.is_none() {
                return;
            }
        }
    }

    /// One fetch, and the delivery of what it brought.
    async fn step(&mut self, stop: &mut Stop) -> Next {
        let Some(fetched) = stop.or(self.fetcher.fetch(&self.memory)).await else {
            return Next::Stop;
        };
        let feed = &self.target.feed;
        match fetched {
            Ok(Fetched::NotModified) => {
                self.outlet
                    .counters
                    .feed(feed, |counts| counts.unchanged += 1);
                Next::InRhythm
            }
            Ok(Fetched::Body { bytes, memory }) => self.take(&bytes, memory, stop).await,
            Ok(Fetched::Refused { refusal, detail }) => {
                let url = self.fetcher.shown_url();
                tracing::warn!(%feed, %url, %refusal, "Fetched nothing to store: {detail}.");
                self.outlet.counters.refused(feed, refusal);
                Next::InRhythm
            }
            Err(failure) => {
                let (url, trouble) = (self.fetcher.shown_url(), failure.trouble);
                tracing::warn!(%feed, %url, %trouble, "Fetch failed: {}.", failure.detail);
                self.outlet.counters.error(feed, trouble);
                Next::AfterFailure(failure.retry_after)
            }
        }
    }

    async fn take(&mut self, bytes: &[u8], memory: Memory, stop: &mut Stop) -> Next {
        let fetched_ms = now_ms();
        let memory = Memory {
            hash: Some(hash(bytes)),
            ..memory
        };
        let same = memory.hash == self.memory.hash;
        if same && self.fetcher.plan().unchanged == Unchanged::Count {
            let feed = &self.target.feed;
            self.outlet
                .counters
                .feed(feed, |counts| counts.unchanged += 1);
            self.memory = memory;
            return Next::InRhythm;
        }
        let target = self.target.clone();
        let record = AckedRecord {
            topic: &target.topic,
            key: Some(target.feed.as_bytes()),
            value: bytes,
            headers: &[],
            timestamp_ms: Some(fetched_ms),
        };
        match self.outlet.deliver(&target, record, stop).await {
            Delivered::Stored => {
                // Only now: until Kafka has the bytes they must be had from the server again.
                self.memory = memory;
                Next::InRhythm
            }
            Delivered::Refused => Next::AfterFailure(None),
            Delivered::Stopped => Next::Stop,
        }
    }
}
