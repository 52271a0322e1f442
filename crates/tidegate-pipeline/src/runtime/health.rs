//! Judging feeds while they are read, so that a feed of garbage holds no window open.
//!
//! A quarantine rests on the feed's own records in the order in which they were read, and on no
//! clock: it is no step that has to be written down, repeating the reads repeats it. What it does
//! to the engine happens at the end of an ingest call, so equal batches of payloads give equal
//! results (T1).
//!
//! Silence is told too: of one feed among others when a window closes, which is a consequence of the
//! steps; of all of them by the caller's clock, which is a step of its own.

use tidegate_engine::{Input, ProcessingTime};
use tidegate_model::{FeedId, ObservationBatch, Position, Reason, Span};

use super::{Event, Runtime};
use crate::feed_health::{FeedHealth, FeedHealthChange, FeedHealthTransition};
use crate::quality::Hearing;

impl Runtime {
    /// Judges the feed by records of one partition: the rows of `accepted` and those of `faults`,
    /// both in the order of their log, are taken in that order.
    pub(super) fn judge_health(
        &mut self,
        feed: &FeedId,
        accepted: &ObservationBatch,
        faults: &[(Position, Reason)],
    ) {
        let Some(health) = self.health.get_mut(feed) else {
            return;
        };
        let mut changes: Vec<FeedHealthTransition> = Vec::new();
        let mut taken = 0;
        for (position, reason) in faults {
            let from = taken;
            while taken < accepted.len() && accepted.position(taken) < *position {
                taken += 1;
            }
            changes.extend(health.accepted((taken - from) as u64));
            changes.extend(health.rejected(*reason));
        }
        changes.extend(health.accepted((accepted.len() - taken) as u64));
        for change in changes {
            self.tell_health(change);
        }
    }

    fn tell_health(&mut self, change: FeedHealthTransition) {
        let feed = self.summary.feeds.entry(change.feed.to_string());
        let state = change.state.as_str().to_owned();
        *feed.or_default().health.entry(state).or_default() += 1;
        self.events.push_back(Event::FeedHealth(Box::new(change)));
    }

    /// Tells that the feed fell silent, or is heard again.
    pub(super) fn tell_hearing(&mut self, feed: &FeedId, hearing: Option<Hearing>) {
        let change = match hearing {
            Some(Hearing::Silent { since }) => FeedHealthChange::Silent { since },
            Some(Hearing::Heard) => FeedHealthChange::Heard,
            None => return,
        };
        if let Some(health) = self.health.get(feed) {
            self.tell_health(health.transition(change));
        }
    }

    /// Notes that the feed said something new, if it did.
    pub(super) fn note_heard(&mut self, feed: &FeedId) {
        if self.quality.is_heard(feed) {
            self.read_at.remove(feed);
            let hearing = self.quality.heard(feed);
            self.tell_hearing(feed, hearing);
        }
    }

    /// Notes which feeds have been silent for too long by the caller's clock. Only those count that
    /// have been read to their log's end and of which no window is waiting: a broker that is away
    /// silences nobody.
    pub(super) fn listen(&mut self, now: ProcessingTime) {
        let feeds: Vec<FeedId> = self.decoders.keys().cloned().collect();
        for feed in feeds {
            let partitions = || self.engine.partitions().filter(|p| p.feed == feed);
            let is_read = partitions().next().is_some();
            if !is_read || !partitions().all(|partition| self.engine.is_quiet(partition)) {
                self.read_at.remove(&feed);
                continue;
            }
            let since = *self.read_at.entry(feed.clone()).or_insert(now);
            let after = self.quality.silent_after(&feed).unwrap_or(Span::ZERO);
            if now.since(since) >= after && self.silent(&feed) {
                self.silenced.push(feed);
            }
        }
    }

    pub(super) fn is_quarantined(&self, feed: &FeedId) -> bool {
        let health = self.health.get(feed);
        health.is_some_and(FeedHealth::is_quarantined)
    }

    /// Takes the partitions of a feed in quarantine as idle. A good record wakes its partition, so
    /// this is said again after each reading.
    pub(super) fn hold_back_quarantined(&mut self, feed: &FeedId) {
        if !self.is_quarantined(feed) {
            return;
        }
        let partitions = self.engine.partitions().filter(|p| p.feed == *feed);
        let partitions: Vec<_> = partitions.cloned().collect();
        for partition in partitions {
            self.engine.handle(Input::Idle { partition });
        }
    }
}
