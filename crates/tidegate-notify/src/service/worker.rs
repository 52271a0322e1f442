//! The loop: sends run side by side, and one piece of work on the outbox at a time.
//!
//! A notice leaves the lane's queue, is tried, and its end waits to be recorded with all others that
//! ended meanwhile, in one transaction. What comes after it for one of its alerts is due only once
//! that is on disk.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;
use std::time::{Duration, Instant};

use jiff::Timestamp;
use tokio::task::{Id, JoinError, JoinSet};

use super::Environment;
use super::lane::{Lane, Move, SLACK};
use super::turn::{Failed, Turn, Turned};
use crate::counts::{Counters, Totals};
use crate::deliver::{Deliver, Outcome, Tried};
use crate::handle::OutboxHandle;
use crate::outbox::{Done, Due, End};
use crate::plan::ChannelPlan;
use crate::retry::{Next, later};

/// The clock may be set, so nobody sleeps longer than this by it.
const SLEEP_MAX: Duration = Duration::from_secs(30);
/// Another process may have made a dead letter pending again, so the outbox is asked that often.
const OUTBOX_EVERY: Duration = Duration::from_secs(5);
/// After work on the outbox failed.
const OUTBOX_AGAIN: Duration = Duration::from_secs(1);
/// A reminder may take several requests.
const REMIND_TIMEOUTS: u32 = 10;

/// A try or a reminder on its way.
#[derive(Debug)]
struct Running {
    channel: String,
    at: Timestamp,
    /// `None`: a reminder.
    due: Option<Box<Due>>,
}

type TurnResult = Result<Turned, Box<Failed>>;

/// Everything at work.
#[derive(Debug)]
pub(super) struct Worker {
    outbox: OutboxHandle,
    environment: Environment,
    counters: Counters,
    lanes: BTreeMap<String, Lane>,
    sends: JoinSet<(Tried, Duration)>,
    running: HashMap<Id, Running>,
    /// Ends that are not recorded yet.
    done: Vec<Done>,
    /// Work on the outbox.
    turn: JoinSet<TurnResult>,
    /// The outbox changed since the last turn began.
    dirty: bool,
    /// When the next turn is wanted.
    wake: Option<Timestamp>,
    /// No turn before that: the last one failed.
    not_before: Option<Timestamp>,
}

impl Worker {
    pub(super) fn new(
        channels: Vec<(ChannelPlan, Arc<dyn Deliver>)>,
        outbox: OutboxHandle,
        environment: Environment,
        mut gone: BTreeMap<String, String>,
    ) -> Self {
        let now = (environment.now)();
        let counters = Counters::default();
        let lane = |(plan, deliver): (ChannelPlan, Arc<dyn Deliver>)| {
            let why = gone.remove(&plan.name);
            counters.channel(&plan.name, |counts| counts.is_gone = why.is_some());
            (plan.name.clone(), Lane::new(plan, deliver, why, now))
        };
        Self {
            lanes: channels.into_iter().map(lane).collect(),
            outbox,
            environment,
            counters: counters.clone(),
            sends: JoinSet::new(),
            running: HashMap::new(),
            done: Vec::new(),
            turn: JoinSet::new(),
            dirty: true,
            wake: None,
            not_before: None,
        }
    }

    pub(super) fn counters(&self) -> Counters {
        self.counters.clone()
    }

    fn now(&self) -> Timestamp {
        (self.environment.now)()
    }

    pub(super) async fn run(
        mut self,
        stop: impl Future<Output = ()> + Send,
        grace: Duration,
    ) -> Totals {
        let mut stop = std::pin::pin!(stop);
        loop {
            let now = self.now();
            for lane in self.lanes.values_mut() {
                self.dirty |= lane.drop_expired(now);
                self.dirty |= lane.more && lane.wants() > 0;
            }
            self.begin_turn(now);
            let wake = self.start(now);
            let outbox = self.outbox.clone();
            let sleep = self.sleep(wake, now);
            tokio::select! {
                biased;
                () = &mut stop => break,
                Some(sent) = self.sends.join_next_with_id() => self.sent(sent),
                Some(turned) = self.turn.join_next() => self.turned(turned),
                () = outbox.changed() => self.dirty = true,
                () = tokio::time::sleep(sleep) => {}
            }
            while let Some(sent) = self.sends.try_join_next_with_id() {
                self.sent(sent);
            }
        }
        self.finish(grace).await;
        self.counters.totals()
    }

    /// How long nothing happens by itself.
    fn sleep(&self, lanes: Option<Timestamp>, now: Timestamp) -> Duration {
        let outbox = self.next_turn().filter(|_| self.turn.is_empty());
        let wake = [lanes, outbox].into_iter().flatten().min();
        let wait = wake.map_or(SLEEP_MAX, |wake| {
            Duration::try_from(wake.duration_since(now)).unwrap_or_default()
        });
        // A clock of whole milliseconds must not be asked a thousand times for one.
        wait.clamp(Duration::from_millis(1), SLEEP_MAX)
    }

    /// When the next turn is to begin, if it can begin; past for at once.
    fn next_turn(&self) -> Option<Timestamp> {
        let urgent = self.dirty || !self.done.is_empty();
        let wanted = if urgent {
            Some(Timestamp::MIN)
        } else {
            self.wake
        };
        wanted.map(|at| at.max(self.not_before.unwrap_or(at)))
    }

    fn begin_turn(&mut self, now: Timestamp) {
        if !self.turn.is_empty() || self.next_turn().is_none_or(|at| at > now) {
            return;
        }
        self.dirty = false;
        self.wake = None;
        self.not_before = None;
        let lanes = || self.lanes.iter();
        let wants = lanes().map(|(name, lane)| (name.clone(), lane.wants()));
        let gone = lanes().filter_map(|(name, lane)| Some((name.clone(), lane.gone.clone()?)));
        let turn = Turn {
            now,
            done: std::mem::take(&mut self.done),
            claimed: lanes()
                .flat_map(|(_, lane)| lane.claimed.iter().copied())
                .collect(),
            wants: wants.filter(|(_, limit)| *limit > 0).collect(),
            gone: gone.collect(),
            known: self.lanes.keys().cloned().collect(),
        };
        let outbox = self.outbox.clone();
        self.turn
            .spawn(async move { outbox.with(|outbox| turn.run(outbox)).await });
    }

    fn turned(&mut self, joined: Result<TurnResult, JoinError>) {
        let turned = match joined {
            Ok(Ok(turned)) => {
                let poll = later(self.now(), OUTBOX_EVERY);
                self.wake = Some(turned.wake.map_or(poll, |wake| wake.min(poll)));
                turned
            }
            Ok(Err(failed)) => {
                let Failed {
                    error,
                    mut done,
                    turned,
                } = *failed;
                tracing::error!(%error, "Outbox not written; notices wait.");
                self.counters.outbox_error();
                done.append(&mut self.done);
                self.done = done;
                self.dirty = true;
                self.not_before = Some(later(self.now(), OUTBOX_AGAIN));
                turned
            }
            Err(error) => std::panic::resume_unwind(error.into_panic()),
        };
        for lane in self.lanes.values_mut() {
            for seq in &turned.recorded {
                lane.claimed.remove(seq);
            }
        }
        for (channel, due, more) in turned.due {
            if let Some(lane) = self.lanes.get_mut(&channel) {
                lane.more = more;
                if lane.gone.is_none() {
                    lane.claimed.extend(due.iter().map(|due| due.seq));
                    lane.queue.extend(due);
                }
            }
        }
        for (channel, notices) in turned.expired {
            tracing::error!(%channel, notices, "Notices expired before they were delivered.");
            self.counters
                .channel(&channel, |counts| counts.expired += notices);
        }
        for (channel, notices) in turned.buried {
            tracing::error!(%channel, notices, "Notices for a channel that is not there.");
            self.counters
                .channel(&channel, |counts| counts.gone += notices);
        }
    }

    /// Begins all that can begin; gives when more can.
    fn start(&mut self, now: Timestamp) -> Option<Timestamp> {
        let mut wake: Option<Timestamp> = None;
        for (name, lane) in &mut self.lanes {
            loop {
                let (due, timeouts) = match lane.next_move(now) {
                    Move::Try(due) => (Some(due), 1),
                    Move::Remind => (None, REMIND_TIMEOUTS),
                    Move::Wait(until) => {
                        wake = [wake, until].into_iter().flatten().min();
                        break;
                    }
                };
                let within = lane.plan.network.timeout * timeouts + SLACK;
                let deliver = Arc::clone(&lane.deliver);
                let notice = due.as_ref().map(|due| due.notice.clone());
                let handle = self.sends.spawn(async move {
                    let began = Instant::now();
                    let trying = match &notice {
                        Some(notice) => deliver.deliver(notice, now),
                        None => deliver.remind(now),
                    };
                    let tried = tokio::time::timeout(within, trying).await;
                    let tried = tried
                        .unwrap_or_else(|_| Outcome::retry("nothing came of it in time").into());
                    (tried, began.elapsed())
                });
                let channel = name.clone();
                self.counters.channel(name, |counts| counts.in_flight += 1);
                self.running.insert(
                    handle.id(),
                    Running {
                        channel,
                        at: now,
                        due,
                    },
                );
            }
        }
        wake
    }

    /// A try or a reminder is over.
    fn sent(&mut self, joined: Result<(Id, (Tried, Duration)), JoinError>) {
        let (id, (tried, took)) = match joined {
            Ok(over) => over,
            Err(error) => {
                let why = format!("the channel's code failed: {error}");
                (error.id(), (Outcome::retry(why).into(), Duration::ZERO))
            }
        };
        let Some(running) = self.running.remove(&id) else {
            return;
        };
        self.counters
            .channel(&running.channel, |counts| counts.in_flight -= 1);
        self.counters.took(&running.channel, took);
        match running.due {
            Some(due) => self.tried(&running.channel, (*due, running.at), tried, took),
            None => self.reminded(&running.channel, &tried),
        }
    }

    fn reminded(&mut self, channel: &str, tried: &Tried) {
        let failed = tried.outcome != Outcome::Delivered;
        if failed {
            let why = tried.outcome.why();
            tracing::warn!(%channel, %why, "Standing alerts not told again.");
        }
        self.counters.channel(channel, |counts| {
            counts.reminders += 1;
            counts.reminders_failed += u64::from(failed);
        });
        if let Some(lane) = self.lanes.get_mut(channel) {
            lane.reminded();
        }
    }

    fn tried(&mut self, channel: &str, (due, at): (Due, Timestamp), tried: Tried, took: Duration) {
        let now = self.now();
        let chance = (self.environment.chance)();
        let Some(lane) = self.lanes.get_mut(channel) else {
            return;
        };
        lane.in_flight -= 1;
        let id = &due.notice.id;
        let outcome = tried.outcome.name();
        let counters = &self.counters;
        counters.channel(channel, |counts| counts.tries += 1);
        let end = match tried.outcome {
            Outcome::Delivered => {
                tracing::debug!(%channel, %id, ?took, "Notice delivered.");
                counters.channel(channel, |counts| counts.delivered += 1);
                End::Delivered
            }
            Outcome::Retry { after, why } => {
                if let Some(after) = after {
                    lane.pause(after, now);
                }
                match lane
                    .plan
                    .retry
                    .next(due.tries + 1, (now, due.expires), after, chance)
                {
                    Next::At(when) => {
                        tracing::warn!(%channel, %id, %why, %when, "Notice not delivered yet.");
                        counters.channel(channel, |counts| counts.retried += 1);
                        End::RetryAt(when, why)
                    }
                    Next::TriesUsed => {
                        tracing::error!(%channel, %id, %why, "Notice not delivered: tries used.");
                        counters.channel(channel, |counts| counts.tries_used += 1);
                        End::Dead(format!("tries used; the last one: {why}"))
                    }
                    Next::Expires => {
                        tracing::error!(%channel, %id, %why, "Notice not delivered: expired.");
                        counters.channel(channel, |counts| counts.expired += 1);
                        End::Dead(format!("expired; the last try: {why}"))
                    }
                }
            }
            Outcome::Refused { why } => {
                tracing::error!(%channel, %id, %why, "Notice refused.");
                counters.channel(channel, |counts| counts.refused += 1);
                End::Dead(why)
            }
            Outcome::Gone { why } => {
                tracing::error!(%channel, %id, %why, "Channel is gone until its settings change.");
                counters.channel(channel, |counts| {
                    counts.gone += 1;
                    counts.is_gone = true;
                });
                lane.close(why.clone());
                End::Gone(
                    format!("the channel is gone: {why}"),
                    lane.plan.settings.clone(),
                )
            }
        };
        self.done.push(Done {
            seq: due.seq,
            at,
            took,
            outcome,
            status: tried.status,
            end,
        });
    }

    /// Waits for what is on its way, as long as it may, and records it.
    async fn finish(&mut self, grace: Duration) {
        let ended = tokio::time::timeout(grace, async {
            while let Some(sent) = self.sends.join_next_with_id().await {
                self.sent(sent);
            }
        });
        if ended.await.is_err() {
            let notices = self.running.len();
            tracing::warn!(notices, "Tries given up at the end; they are made again.");
            self.sends.shutdown().await;
        }
        if let Some(turned) = self.turn.join_next().await {
            self.turned(turned);
        }
        if self.done.is_empty() {
            return;
        }
        let done = std::mem::take(&mut self.done);
        if let Err(error) = self.outbox.with(move |outbox| outbox.record(&done)).await {
            tracing::error!(%error, "Outbox not written; what was sent last is sent again.");
            self.counters.outbox_error();
        }
    }
}
