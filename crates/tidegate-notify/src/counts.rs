//! What happened, in numbers.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

/// What happened on one channel since the service began.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, serde::Serialize)]
pub struct ChannelCounts {
    /// Tries (`notify_tries_total`).
    pub tries: u64,
    /// Notices that the other side has (`notify_deliveries_total{outcome="delivered"}`).
    pub delivered: u64,
    /// Tries that are followed by another (`…{outcome="retry"}`).
    pub retried: u64,
    /// Notices that died because the other side refused them (`…{outcome="refused"}`).
    pub refused: u64,
    /// Notices that died because their tries were used (`…{outcome="tries_used"}`).
    pub tries_used: u64,
    /// Notices that died because their time was over (`…{outcome="expired"}`).
    pub expired: u64,
    /// Notices that died because the channel is gone or is not configured (`…{outcome="gone"}`).
    pub gone: u64,
    /// Reminders of what stands (`notify_reminders_total`).
    pub reminders: u64,
    /// Reminders that failed.
    pub reminders_failed: u64,
    /// Time that tries took, in milliseconds (`notify_try_ms_total`).
    pub took_ms: u64,
    /// Tries at this moment (`notify_in_flight`).
    pub in_flight: u64,
    /// Whether the other side said that it is gone (`notify_channel_gone`).
    pub is_gone: bool,
}

/// What happened, by channel.
#[derive(Debug, Clone, PartialEq, Eq, Default, serde::Serialize)]
pub struct Totals {
    /// By the name of the channel.
    pub channels: BTreeMap<String, ChannelCounts>,
    /// Work on the outbox that failed and was done again (`notify_outbox_errors_total`).
    pub outbox_errors: u64,
}

impl Totals {
    /// What happened on the channel of this name.
    pub fn channel(&self, name: &str) -> ChannelCounts {
        self.channels.get(name).copied().unwrap_or_default()
    }
}

/// Totals that many tasks write to.
#[derive(Debug, Clone, Default)]
pub struct Counters(Arc<Mutex<Totals>>);

impl Counters {
    fn lock(&self) -> MutexGuard<'_, Totals> {
        // Counters are whole after every step.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// What happened so far.
    pub fn totals(&self) -> Totals {
        self.lock().clone()
    }

    pub(crate) fn channel(&self, name: &str, change: impl FnOnce(&mut ChannelCounts)) {
        let mut totals = self.lock();
        if let Some(counts) = totals.channels.get_mut(name) {
            change(counts);
        } else {
            change(totals.channels.entry(name.to_owned()).or_default());
        }
    }

    pub(crate) fn took(&self, name: &str, took: Duration) {
        let millis = u64::try_from(took.as_millis()).unwrap_or(u64::MAX);
        self.channel(name, |counts| counts.took_ms += millis);
    }

    pub(crate) fn outbox_error(&self) {
        self.lock().outbox_errors += 1;
    }
}
