//! Silences begin by themselves; their end is an event: what they muted and still stands is told.

use std::sync::Arc;

use jiff::Timestamp;

use super::held::{Due, HeldSilence, Id, after};
use super::{AlertStatus, Dispatcher};
use crate::digest::{Hash, unhex};
use crate::silence::{SILENCES_MAX, Silence, SilenceError, SilenceRequest, SilenceState};

impl Dispatcher {
    /// Adds a silence; the same one again changes nothing.
    ///
    /// # Errors
    /// [`SilenceError`]: something in it is wrong, or there are too many.
    pub fn add_silence(
        &mut self,
        now: Timestamp,
        request: &SilenceRequest,
    ) -> Result<Silence, SilenceError> {
        let silence = self.try_silence(now, request)?;
        let id = unhex(&silence.id).expect("it was written by `hex`");
        if self.silences.len() >= SILENCES_MAX && !self.silences.contains_key(&id) {
            return Err(SilenceError::TooMany);
        }
        self.forget_silence(id);
        self.deadlines.insert((silence.ends_at, Due::Silence(id)));
        self.silences.insert(
            id,
            HeldSilence {
                silence: silence.clone(),
                is_ended: false,
            },
        );
        Ok(silence)
    }

    /// The alerts that a silence would mute if it held now. Nothing changes.
    ///
    /// # Errors
    /// [`SilenceError`]: something in it is wrong.
    pub fn preview(
        &self,
        now: Timestamp,
        request: &SilenceRequest,
    ) -> Result<Vec<AlertStatus>, SilenceError> {
        let silence = self.try_silence(now, request)?;
        let hit = |id: &&Id| self.is_hit(&silence, id);
        Ok(self
            .alerts
            .keys()
            .filter(hit)
            .map(|id| self.status(id))
            .collect())
    }

    /// Ends a silence now, or takes back one that has not begun. What it muted and still stands is
    /// told at the next deadline, which is at once.
    ///
    /// # Errors
    /// [`SilenceError::Unknown`].
    pub fn end_silence_early(&mut self, now: Timestamp, id: &str) -> Result<(), SilenceError> {
        self.now = self.now.max(now);
        let unknown = || SilenceError::Unknown(id.chars().take(64).collect());
        let id = unhex(id).ok_or_else(unknown)?;
        let held = self.silences.get_mut(&id).ok_or_else(unknown)?;
        match held.silence.state(self.now) {
            SilenceState::Expired => {}
            SilenceState::Pending => self.forget_silence(id),
            SilenceState::Active => {
                self.deadlines
                    .remove(&(held.silence.ends_at, Due::Silence(id)));
                held.silence.ends_at = self.now;
                self.deadlines.insert((self.now, Due::Silence(id)));
            }
        }
        Ok(())
    }

    /// Takes a silence out of everything.
    pub(super) fn forget_silence(&mut self, id: Hash) {
        if let Some(held) = self.silences.remove(&id) {
            let ends_at = held.silence.ends_at;
            let forgotten_at = after(ends_at, self.plan.silence_keep());
            self.deadlines.remove(&(ends_at, Due::Silence(id)));
            self.deadlines.remove(&(forgotten_at, Due::Forget(id)));
        }
    }

    fn try_silence(
        &self,
        now: Timestamp,
        request: &SilenceRequest,
    ) -> Result<Silence, SilenceError> {
        let (tree, max) = (self.plan.tree(), self.plan.silence_max());
        Silence::try_new(request, tree, max, now.max(self.now)).map_err(SilenceError::Wrong)
    }

    pub(super) fn is_hit(&self, silence: &Silence, id: &Id) -> bool {
        let record = self.alerts[id].record.unpack();
        silence.matchers.hold(&record, &self.plan.chain(&record))
    }

    /// A silence is over: what it muted is told.
    pub(super) fn end_silence(&mut self, id: Hash) {
        let Some(held) = self.silences.get_mut(&id) else {
            return;
        };
        held.is_ended = true;
        let silence = held.silence.clone();
        self.tell_unmuted(&silence);
        let forgotten_at = after(silence.ends_at, self.plan.silence_keep());
        self.deadlines.insert((forgotten_at, Due::Forget(id)));
    }

    fn tell_unmuted(&mut self, silence: &Silence) {
        let ids: Vec<Id> = self
            .alerts
            .keys()
            .filter(|id| self.is_hit(silence, id))
            .cloned()
            .collect();
        for id in ids {
            let keys: Vec<Hash> = self.alerts[&id]
                .seats
                .iter()
                .map(|seat| seat.group)
                .collect();
            for key in keys {
                let Some(group) = self.groups.get_mut(&key) else {
                    continue;
                };
                if !group.pending.contains(&id) {
                    group.remind.insert(Arc::clone(&id));
                    self.alerts.touch(&id);
                }
                group.due_by(self.now);
                self.schedule(key);
            }
        }
    }
}
