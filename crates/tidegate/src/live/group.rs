//! The place in the group, and which tasks that gives.

use std::collections::BTreeSet;
use std::time::{Duration, Instant};

use anyhow::Result;
use tidegate_connect::{GroupMetadata, GroupProtocol, Membership, MembershipEvent};

use crate::live::Settings;

/// How long a member that was fenced listens for the news that its task moved: longer than a
/// session, after which the group has spoken either way.
const LOSS_WITHIN: Duration = Duration::from_secs(15);
/// How long leaving may take; the tasks are free after the session in any case.
const LEAVE_WITHIN: Duration = Duration::from_secs(5);
/// How long one question waits.
const WAIT: Duration = Duration::from_millis(200);

/// See the module documentation.
#[derive(Debug)]
pub(crate) struct Group {
    membership: Membership,
    owned: BTreeSet<i32>,
    revoking: BTreeSet<i32>,
    /// Since when there is no task for this process as the group says. With the classic protocol a
    /// member that joins is told so; with the broker's it hears nothing, and silence counts.
    without: Option<Instant>,
    silence_counts: bool,
}

impl Group {
    pub(crate) fn join(settings: &Settings) -> Result<Self> {
        let silence_counts = settings.protocol == GroupProtocol::Consumer;
        Ok(Self {
            membership: Membership::join(settings.membership())?,
            owned: BTreeSet::new(),
            revoking: BTreeSet::new(),
            without: silence_counts.then(Instant::now),
            silence_counts,
        })
    }

    /// Takes the news, waiting for the first so long.
    pub(crate) fn pump(&mut self, wait: Duration) -> Result<()> {
        let mut wait = wait;
        while let Some(event) = self.membership.next(wait)? {
            wait = Duration::ZERO;
            match event {
                MembershipEvent::Assigned { tasks } => {
                    self.owned.extend(tasks);
                    if self.owned.is_empty() {
                        self.without.get_or_insert_with(Instant::now);
                    } else {
                        self.without = None;
                    }
                }
                MembershipEvent::Revoking { tasks } => self.revoking.extend(tasks),
                MembershipEvent::Lost { tasks } => {
                    self.without = self.silence_counts.then(Instant::now);
                    for task in tasks {
                        self.owned.remove(&task);
                        self.revoking.remove(&task);
                    }
                }
                MembershipEvent::Stalled { what } => {
                    tracing::warn!(what, "Waiting for the broker.");
                }
            }
        }
        Ok(())
    }

    /// Whether the task is this process's, as far as it knows.
    pub(crate) fn owns(&self, task: i32) -> bool {
        self.owned.contains(&task)
    }

    /// The tasks that are this process's and stay so.
    pub(crate) fn owned(&self) -> Vec<i32> {
        self.owned.difference(&self.revoking).copied().collect()
    }

    /// The tasks that are to be given up.
    pub(crate) fn take_revoking(&mut self) -> BTreeSet<i32> {
        std::mem::take(&mut self.revoking)
    }

    /// Gives up a task: nothing more is written for it.
    pub(crate) fn release(&mut self, task: i32) {
        self.owned.remove(&task);
        self.membership.release(&[task]);
    }

    /// How many tasks the pipeline has.
    pub(crate) fn tasks(&self) -> i32 {
        self.membership.tasks()
    }

    /// For how long the group has said that others have all tasks.
    pub(crate) fn without_task(&self) -> Duration {
        self.without.map_or(Duration::ZERO, |since| since.elapsed())
    }

    /// The identity that an epoch carries.
    pub(crate) fn metadata(&self) -> Result<GroupMetadata> {
        Ok(self.membership.group_metadata()?)
    }

    /// Whether the group says, within a session, that the task is not this process's any more.
    pub(crate) fn hears_of_loss(&mut self, task: i32) -> Result<bool> {
        let since = Instant::now();
        while self.owns(task) && !self.revoking.contains(&task) && since.elapsed() < LOSS_WITHIN {
            self.pump(WAIT)?;
        }
        Ok(!self.owns(task))
    }

    /// Leaves, so that others get the tasks at once.
    pub(crate) fn leave(self) -> Result<()> {
        Ok(self.membership.leave(LEAVE_WITHIN)?)
    }
}
