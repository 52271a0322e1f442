//! One piece of work on the outbox: what was done goes in, what is due comes out.

use std::collections::{BTreeMap, BTreeSet};

use jiff::Timestamp;

use crate::outbox::{Done, Due, Outbox, OutboxError};

/// What is asked of the outbox.
#[derive(Debug)]
pub(super) struct Turn {
    pub(super) now: Timestamp,
    /// What tries came to.
    pub(super) done: Vec<Done>,
    /// Everything that is in memory, so that it is not given twice nor expired.
    pub(super) claimed: BTreeSet<i64>,
    /// Channels, and how many notices each wants.
    pub(super) wants: Vec<(String, usize)>,
    /// Channels that are gone, and why.
    pub(super) gone: BTreeMap<String, String>,
    /// Every channel.
    pub(super) known: BTreeSet<String>,
}

/// What the outbox gave.
#[derive(Debug, Default)]
pub(super) struct Turned {
    /// What was recorded.
    pub(super) recorded: Vec<i64>,
    /// Due notices by channel, and whether there may be more.
    pub(super) due: Vec<(String, Vec<Due>, bool)>,
    /// When the outbox wants to be asked again.
    pub(super) wake: Option<Timestamp>,
    /// How many expired, by channel.
    pub(super) expired: BTreeMap<String, u64>,
    /// How many died with their channel.
    pub(super) buried: BTreeMap<String, u64>,
}

/// A turn that failed, with what is still to be recorded.
#[derive(Debug)]
pub(super) struct Failed {
    pub(super) error: OutboxError,
    pub(super) done: Vec<Done>,
    pub(super) turned: Turned,
}

impl Turn {
    /// Does the work.
    pub(super) fn run(self, outbox: &mut Outbox) -> Result<Turned, Box<Failed>> {
        let mut turned = Turned::default();
        if !self.done.is_empty()
            && let Err(error) = outbox.record(&self.done)
        {
            let done = self.done;
            return Err(Box::new(Failed {
                error,
                done,
                turned,
            }));
        }
        turned.recorded = self.done.iter().map(|done| done.seq).collect();
        let claimed = self.claimed.clone();
        match self.rest(outbox, &claimed, &mut turned) {
            Ok(()) => Ok(turned),
            Err(error) => Err(Box::new(Failed {
                error,
                done: Vec::new(),
                turned,
            })),
        }
    }

    fn rest(
        &self,
        outbox: &mut Outbox,
        claimed: &BTreeSet<i64>,
        turned: &mut Turned,
    ) -> Result<(), OutboxError> {
        turned.expired = outbox.expire(self.now, claimed)?;
        for channel in outbox.pending_channels()? {
            let why = match self.gone.get(&channel) {
                Some(why) => format!("the channel is gone: {why}"),
                None if !self.known.contains(&channel) => "no channel of this name".to_owned(),
                None => continue,
            };
            let buried = outbox.bury_channel(&channel, self.now, &why, claimed)?;
            if buried > 0 {
                turned.buried.insert(channel, buried);
            }
        }
        for (channel, limit) in &self.wants {
            let due = outbox.due(channel, self.now, *limit, claimed)?;
            let more = due.len() == *limit;
            turned.due.push((channel.clone(), due, more));
        }
        turned.wake = outbox.wake(self.now)?;
        Ok(())
    }
}
