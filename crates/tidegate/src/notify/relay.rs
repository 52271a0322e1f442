//! From alerts that come in to notices that are on disk: the dispatcher decides who is told, the
//! outbox keeps it together with what changed of the dispatcher's state and the reader's position, and
//! the service delivers behind that.
//!
//! Killed at any instant, it begins where the outbox stands: alerts after that are read again and
//! make the same notices with the same ids.

use std::time::Duration;

use anyhow::Result;
use jiff::Timestamp;
use tidegate_alerts::wire::AlertRecord;
use tidegate_dispatch::{Dispatcher, Notice, Plan};
use tidegate_notify::{Batch, OutboxError, OutboxHandle, ReadUpTo};
use tokio::sync::{mpsc, oneshot};

use super::orders;

/// How long it waits for alerts at most, before it looks what else there is to do.
const TURN: Duration = Duration::from_millis(500);
/// Alerts that are taken together: one transaction for them all.
const RECORDS_MAX: usize = 2_000;
/// How long it waits when the outbox can take no more.
const FULL_WAIT: Duration = Duration::from_secs(1);

/// Alerts that came in together.
#[derive(Debug, Default)]
pub(crate) struct Incoming {
    pub(crate) records: Vec<AlertRecord>,
    /// Where the reader is behind them; `None` where nothing is to be resumed.
    pub(crate) read_up_to: Option<ReadUpTo>,
    /// Told once they are on disk.
    pub(crate) kept: Option<oneshot::Sender<()>>,
}

/// See the module documentation.
#[derive(Debug)]
pub(crate) struct Relay {
    dispatcher: Dispatcher,
    outbox: OutboxHandle,
    /// Names of the channels.
    channels: Vec<String>,
    /// When it is looked for orders again.
    look_at: Timestamp,
}

/// What is to be kept in one transaction.
#[derive(Debug, Default)]
struct Decided {
    notices: Vec<Notice>,
    position: Option<ReadUpTo>,
    /// Orders that were applied, each with what came of it.
    orders: Vec<(i64, String)>,
}

impl Decided {
    fn is_nothing(&self) -> bool {
        self.notices.is_empty() && self.position.is_none() && self.orders.is_empty()
    }
}

impl Relay {
    /// Goes on from what the outbox holds; gives also where to read on.
    pub(crate) async fn resume(
        plan: Plan,
        channels: Vec<String>,
        outbox: OutboxHandle,
    ) -> Result<(Self, Vec<ReadUpTo>)> {
        let resume = outbox.with(|outbox| outbox.resume()).await?;
        let dispatcher = Dispatcher::restore_parts(plan, resume.dispatch_parts)?;
        let relay = Self {
            dispatcher,
            outbox,
            channels,
            look_at: Timestamp::MIN,
        };
        Ok((relay, resume.positions))
    }

    /// Works until nobody sends alerts any more.
    pub(crate) async fn run(&mut self, mut incoming: mpsc::Receiver<Incoming>) -> Result<()> {
        loop {
            let first = match tokio::time::timeout(self.wait(), incoming.recv()).await {
                Ok(Some(first)) => first,
                Ok(None) => return Ok(()),
                Err(_) => Incoming::default(),
            };
            let mut records = first.records;
            let mut read_up_to: Vec<ReadUpTo> = first.read_up_to.into_iter().collect();
            let mut kept: Vec<oneshot::Sender<()>> = first.kept.into_iter().collect();
            while records.len() < RECORDS_MAX
                && let Ok(more) = incoming.try_recv()
            {
                records.extend(more.records);
                // The newest position of the one topic.
                read_up_to.extend(more.read_up_to);
                kept.extend(more.kept);
            }
            let now = Timestamp::now();
            let mut decided = Decided {
                notices: self.dispatcher.handle_records(now, &records),
                position: read_up_to.pop(),
                orders: Vec::new(),
            };
            if now >= self.look_at {
                self.look_at = now.checked_add(TURN).unwrap_or(Timestamp::MAX);
                self.follow_orders(&mut decided, now).await?;
            }
            if !records.is_empty() || !decided.is_nothing() {
                self.keep(decided).await?;
            }
            for kept in kept {
                // Who gave up waiting pushes them again.
                kept.send(()).ok();
            }
        }
    }

    /// Applies what operators ordered meanwhile.
    async fn follow_orders(&mut self, decided: &mut Decided, now: Timestamp) -> Result<()> {
        let open = self.outbox.with(|outbox| outbox.open_orders()).await?;
        for order in open {
            let what = (order.number, order.body.as_str());
            let applied = orders::apply(&mut self.dispatcher, what, &self.channels, now);
            let (number, by, result) = (order.number, order.by, applied.result);
            tracing::info!(number, by, result, "An order is applied.");
            decided.notices.extend(applied.notices);
            decided.orders.push((number, result));
        }
        if !decided.orders.is_empty() {
            decided.notices.extend(self.dispatcher.handle_time(now));
        }
        Ok(())
    }

    /// How long there is nothing to do but to wait for alerts.
    fn wait(&self) -> Duration {
        let Some(due) = self.dispatcher.next_deadline() else {
            return TURN;
        };
        let left = due.duration_since(Timestamp::now());
        Duration::try_from(left).unwrap_or_default().min(TURN)
    }

    /// Keeps what was decided. A full outbox is waited for: nothing is dropped, and nothing more is
    /// read meanwhile.
    async fn keep(&mut self, decided: Decided) -> Result<()> {
        let batch = Batch {
            notices: decided.notices,
            dispatch_parts: self.dispatcher.take_changes(),
            positions: decided.position.into_iter().collect(),
            done_orders: decided.orders,
        };
        loop {
            let accepted = self.outbox.accept_batch(batch.clone(), Timestamp::now());
            match accepted.await {
                Ok(_) => return Ok(()),
                Err(error @ OutboxError::Full { .. }) => {
                    tracing::error!(%error, "Notices wait, and no alert is read meanwhile.");
                    tokio::time::sleep(FULL_WAIT).await;
                }
                Err(error) => return Err(error.into()),
            }
        }
    }
}
