//! One channel at work.

use std::collections::{BTreeSet, VecDeque};
use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;

use crate::bucket::Bucket;
use crate::deliver::Deliver;
use crate::outbox::Due;
use crate::plan::ChannelPlan;
use crate::retry::later;

/// What a try may take beyond the channel's own timeout, which tells more.
pub(super) const SLACK: Duration = Duration::from_secs(1);
/// Notices of a channel in memory that wait for their turn.
pub(super) const QUEUE_MAX: usize = 256;
/// A queue with fewer is filled.
const QUEUE_LOW: usize = QUEUE_MAX / 2;
/// A server that asks for a longer pause has the channel paused for this long.
const PAUSE_MAX: Duration = Duration::from_hours(1);

/// One channel at work.
#[derive(Debug)]
pub(super) struct Lane {
    pub(super) plan: ChannelPlan,
    pub(super) deliver: Arc<dyn Deliver>,
    /// Why the other side takes nothing any more.
    pub(super) gone: Option<String>,
    /// Wait for their turn.
    pub(super) queue: VecDeque<Due>,
    /// In the queue, on their way, or done and not yet recorded.
    pub(super) claimed: BTreeSet<i64>,
    pub(super) in_flight: usize,
    /// The outbox has more for the queue.
    pub(super) more: bool,
    bucket: Option<Bucket>,
    paused_until: Option<Timestamp>,
    /// When what stands is told again.
    remind_at: Option<Timestamp>,
    reminding: bool,
}

/// What a lane does next.
#[derive(Debug)]
pub(super) enum Move {
    /// This notice is tried.
    Try(Box<Due>),
    /// What stands is told again.
    Remind,
    /// Nothing before then, or before something else happens.
    Wait(Option<Timestamp>),
}

impl Lane {
    pub(super) fn new(
        plan: ChannelPlan,
        deliver: Arc<dyn Deliver>,
        gone: Option<String>,
        now: Timestamp,
    ) -> Self {
        Self {
            bucket: plan.rate.map(|rate| Bucket::new(rate, now)),
            // Nobody told anything while this was not running.
            remind_at: deliver.remind_every().map(|_| now),
            plan,
            deliver,
            gone,
            queue: VecDeque::new(),
            claimed: BTreeSet::new(),
            in_flight: 0,
            more: true,
            paused_until: None,
            reminding: false,
        }
    }

    /// How many notices the queue wants.
    pub(super) fn wants(&self) -> usize {
        if self.gone.is_some() || self.queue.len() >= QUEUE_LOW {
            return 0;
        }
        QUEUE_MAX - self.queue.len()
    }

    /// Gives up what expired while it waited; the outbox makes dead letters of it. Says whether
    /// there was any.
    pub(super) fn drop_expired(&mut self, now: Timestamp) -> bool {
        let before = self.queue.len();
        let claimed = &mut self.claimed;
        self.queue.retain(|due| {
            let stays = due.expires > now;
            if !stays {
                claimed.remove(&due.seq);
            }
            stays
        });
        self.queue.len() < before
    }

    /// The other side takes nothing any more.
    pub(super) fn close(&mut self, why: String) {
        for due in self.queue.drain(..) {
            self.claimed.remove(&due.seq);
        }
        self.gone = Some(why);
    }

    /// The other side asks for a pause.
    pub(super) fn pause(&mut self, wait: Duration, now: Timestamp) {
        let until = later(now, wait.min(PAUSE_MAX));
        self.paused_until = Some(self.paused_until.map_or(until, |known| known.max(until)));
    }

    /// What to do now.
    pub(super) fn next_move(&mut self, now: Timestamp) -> Move {
        if self.gone.is_some() || self.reminding {
            return Move::Wait(None);
        }
        if let Some(until) = self.paused_until.filter(|until| *until > now) {
            return Move::Wait(Some(until));
        }
        self.paused_until = None;
        if let Some(at) = self.remind_at.filter(|at| *at <= now) {
            if self.in_flight > 0 {
                return Move::Wait(None);
            }
            self.reminding = true;
            let every = self.deliver.remind_every();
            self.remind_at = every.map(|every| later(at.max(now), every));
            return Move::Remind;
        }
        if self.queue.is_empty() || self.in_flight >= self.plan.concurrency {
            return Move::Wait(self.remind_at);
        }
        if let Some(Err(at)) = self.bucket.as_mut().map(|bucket| bucket.take(now)) {
            let remind = self.remind_at.unwrap_or(at);
            return Move::Wait(Some(at.min(remind)));
        }
        match self.queue.pop_front() {
            Some(due) => {
                self.in_flight += 1;
                Move::Try(Box::new(due))
            }
            None => Move::Wait(self.remind_at),
        }
    }

    /// A reminder is over.
    pub(super) fn reminded(&mut self) {
        self.reminding = false;
    }
}
