//! Judging feeds while they are read, so that a feed of garbage holds no window open.
//!
//! A quarantine rests on the feed's own records in the order in which they were read, and on no
//! clock: it is no step that has to be written down, repeating the reads repeats it. What it does
//! to the engine happens at the end of an ingest call, so equal batches of payloads give equal
//! results (T1).

use tidegate_engine::Input;
use tidegate_model::{FeedId, ObservationBatch, Position, Reason};

use super::{Event, Runtime};
use crate::feed_health::{FeedHealth, FeedHealthTransition};

impl Runtime {
    /// Judges the feed by records of one partition: the rows of `accepted` and those of `faults`
    /// are taken in the order of their log.
    pub(super) fn judge_health(
        &mut self,
        feed: &FeedId,
        accepted: &ObservationBatch,
        mut faults: Vec<(Position, Reason)>,
    ) {
        let Some(health) = self.health.get_mut(feed) else {
            return;
        };
        faults.sort_by_key(|(position, _)| *position);
        let mut changes: Vec<FeedHealthTransition> = Vec::new();
        let mut taken = 0;
        for (position, reason) in faults {
            let from = taken;
            while taken < accepted.len() && accepted.position(taken) < position {
                taken += 1;
            }
            changes.extend(health.accepted((taken - from) as u64));
            changes.extend(health.rejected(reason));
        }
        changes.extend(health.accepted((accepted.len() - taken) as u64));
        for change in changes {
            let feed = self.summary.feeds.entry(feed.to_string()).or_default();
            let state = change.state.as_str().to_owned();
            *feed.health.entry(state).or_default() += 1;
            self.events.push_back(Event::FeedHealth(Box::new(change)));
        }
    }

    /// Takes the partitions of a feed in quarantine as idle. A good record wakes its partition, so
    /// this is said again after each reading.
    pub(super) fn hold_back_quarantined(&mut self, feed: &FeedId) {
        if !self
            .health
            .get(feed)
            .is_some_and(FeedHealth::is_quarantined)
        {
            return;
        }
        let partitions = self.engine.partitions().filter(|p| p.feed == *feed);
        let partitions: Vec<_> = partitions.cloned().collect();
        for partition in partitions {
            self.engine.handle(Input::Idle { partition });
        }
    }
}
