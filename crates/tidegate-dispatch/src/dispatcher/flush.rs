//! A group's time has come: what of it is told, what stays quiet, what is told again.

use std::sync::Arc;

use tidegate_alerts::wire::AlertRecord;

use super::held::{HeldSilence, Id, after};
use super::tell::Telling;
use super::{Dispatcher, Mute};
use crate::digest::Hash;
use crate::notice::{Notice, NoticeKind};
use crate::record::Change;
use crate::silence::SilenceState;

/// What a group has to tell.
#[derive(Debug, Default)]
struct Ready {
    changes: Vec<Id>,
    flapping: Vec<Id>,
}

impl Dispatcher {
    /// Tells what is due of a group.
    pub(super) fn flush(&mut self, key: Hash, notices: &mut Vec<Notice>) {
        let Some(group) = self.groups.get_mut(&key) else {
            return;
        };
        group.scheduled = None;
        let is_due = group.due.is_some_and(|at| at <= self.now);
        let repeats = group.repeat_at.is_some_and(|at| at <= self.now);
        let mut ready = Ready::default();
        let mut again = Vec::new();
        if is_due {
            group.due = None;
            let remind = std::mem::take(&mut group.remind);
            for id in remind.iter() {
                self.alerts.touch(id);
                self.wait_for_source(id, &key);
                again.push(Arc::clone(id));
            }
            ready = self.ready(key);
        }
        if repeats && let Some(group) = self.groups.get(&key) {
            let told = group
                .members
                .iter()
                .filter(|id| !group.pending.contains(id));
            again = told.map(Arc::clone).collect();
        }
        again.retain(|id| self.stands_told(id, &key) && !ready.changes.contains(id));
        let tells = !ready.changes.is_empty() || !ready.flapping.is_empty() || !again.is_empty();
        self.tell_group(key, NoticeKind::Alert, ready.changes, notices);
        self.tell_group(key, NoticeKind::Digest, ready.flapping, notices);
        self.tell_group(key, NoticeKind::Repeat, again, notices);
        if let Some(group) = self.groups.get_mut(&key) {
            if tells {
                group.last = Some(self.now);
            }
            if tells || repeats {
                let interval = self.plan.routes()[usize::from(group.route)].repeat_interval;
                group.repeat_at = Some(after(self.now, interval));
            }
            self.schedule(key);
        }
    }

    /// What of a group may be told.
    fn ready(&mut self, key: Hash) -> Ready {
        let mut ready = Ready::default();
        for id in self.untold(&key) {
            let change = self.alerts[&id].change;
            if !self.may_tell(&id, &key) {
                continue;
            }
            match change {
                Change::Flapping => ready.flapping.push(id),
                Change::Changed | Change::Worse | Change::Over => ready.changes.push(id),
            }
        }
        ready
    }

    /// The alerts of which a group has something to tell that does not wait for a digest.
    pub(super) fn untold(&self, key: &Hash) -> Vec<Id> {
        let pending = self.groups.get(key).map(|group| group.pending.iter());
        let is_held = |id: &Id| self.seat(id, key).is_some_and(|seat| seat.is_held);
        let untold = pending.into_iter().flatten().filter(|id| !is_held(id));
        untold.map(Arc::clone).collect()
    }

    /// Whether what there is to tell of an alert may be told now. What is over and muted is over for
    /// good; what stands waits for the end of what mutes it.
    pub(super) fn may_tell(&mut self, id: &Id, key: &Hash) -> bool {
        let is_over = self.alerts[id].is_over();
        match self.mute(&self.alerts[id].record.unpack()) {
            Some(Mute::Silence(_)) => {
                if is_over {
                    self.totals.muted += self.take_pending(id, key);
                    self.leave(id, key);
                    self.retire_if_done(id);
                }
                false
            }
            // Whoever was told that it began is told that it is over.
            Some(Mute::Inhibition(source)) if !is_over => {
                self.set_quiet(id, Some(source.as_str().into()));
                false
            }
            Some(Mute::Inhibition(_)) | None => true,
        }
    }

    /// Whether an alert is to be told again: it stands, nobody who heard of it took it, nothing mutes
    /// it, and it has nothing new to tell.
    pub(super) fn stands_told(&self, id: &Id, key: &Hash) -> bool {
        let Some(active) = self.alerts.get(id) else {
            return false;
        };
        let is_pending = self
            .groups
            .get(key)
            .is_none_or(|group| group.pending.contains(id));
        let is_untold = self.seat(id, key).is_some_and(|seat| seat.told.is_empty());
        !is_pending
            && !active.is_over()
            && (active.acknowledged.is_none() || is_untold)
            && self.mute(&active.record.unpack()).is_none()
    }

    /// What stands and is kept quiet by another alert is told again when that is over.
    pub(super) fn wait_for_source(&mut self, id: &Id, key: &Hash) {
        let Some(active) = self.alerts.get(id).filter(|it| !it.is_over()) else {
            return;
        };
        if let Some(Mute::Inhibition(source)) = self.mute(&active.record.unpack())
            && let Some(group) = self.groups.get_mut(key)
        {
            group.remind.insert(Arc::clone(id));
            self.set_quiet(id, Some(source.as_str().into()));
        }
    }

    fn tell_group(&mut self, key: Hash, kind: NoticeKind, ids: Vec<Id>, notices: &mut Vec<Notice>) {
        let (Some(first), Some(group)) = (ids.first(), self.groups.get_mut(&key)) else {
            return;
        };
        let number = if kind == NoticeKind::Repeat {
            group.repeats += 1;
            group.repeats
        } else {
            0
        };
        let lane = group.lane;
        let group = if group.is_overflow {
            std::collections::BTreeMap::new()
        } else {
            let route = &self.plan.routes()[usize::from(group.route)];
            route.group(&self.alerts[first].record.unpack())
        };
        let telling = Telling {
            lane,
            kind,
            number,
            group,
            ids,
            to: None,
        };
        self.tell(telling, notices);
    }

    /// What keeps an alert quiet now: a silence before an inhibition.
    pub(super) fn mute(&self, record: &AlertRecord) -> Option<Mute> {
        let chain = self.plan.chain(record);
        let mutes = |held: &&HeldSilence| {
            held.silence.state(self.now) == SilenceState::Active
                && held.silence.matchers.hold(record, &chain)
        };
        if let Some(held) = self.silences.values().find(mutes) {
            return Some(Mute::Silence(held.silence.id.clone()));
        }
        let source = self.sources_of(record).next();
        source.map(|source| Mute::Inhibition(source.to_string()))
    }

    /// The alerts that stand and keep this one quiet.
    pub(super) fn sources_of(&self, record: &AlertRecord) -> impl Iterator<Item = &Id> {
        let chain = self.plan.chain(record);
        let of_each = self.plan.inhibits().iter().zip(&self.sources);
        of_each
            .filter_map(move |(inhibit, sources)| sources.get(&inhibit.target_key(record, &chain)?))
            .flatten()
    }
}
