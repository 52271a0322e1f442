//! What changed since it was stored last, in parts.

use super::restore::store_lane;
use super::{Dispatcher, RestoreError};
use crate::plan::Plan;
use crate::state::{DispatcherState, Part, StatePart, StoredParts, VERSION};

impl Dispatcher {
    /// What is to be stored so that [`Dispatcher::restore_parts`] goes on from here: what changed
    /// since the last call, a later part in the place of an earlier one with its key. The first
    /// call gives everything. It costs what the changes do, however many alerts stand.
    ///
    /// All of it has to be stored, all or nothing, before what a later call gives is.
    pub fn take_changes(&mut self) -> Vec<StatePart> {
        let mut parts = std::mem::take(&mut self.unsaved);
        parts.push(Part::Head.with(Some((VERSION, self.now, self.totals))));
        for lane in self.lanes.take_changed() {
            parts.push(Part::Channel(lane).with(self.lanes.get(&lane).map(store_lane)));
        }
        for id in self.alerts.take_changed() {
            let alert = self.alerts.get(&id);
            let alert = alert.map(|active| self.store_alert(&id, active));
            parts.push(Part::Alert(&id).with(alert));
        }
        for key in self.groups.take_changed() {
            let group = self.groups.get(&key);
            let group = group.map(|group| self.store_group(key, group));
            parts.push(Part::Group(&key).with(group));
        }
        for id in self.resolved.take_changed() {
            let resolved = self.resolved.get(&id);
            let resolved = resolved.map(|it| (it.number, self.store_resolved(&id)));
            parts.push(Part::Ended(&id).with(resolved));
        }
        for id in self.silences.take_changed() {
            let held = self.silences.get(&id);
            let held = held.map(|it| (&it.silence, it.is_ended));
            parts.push(Part::Silence(&id).with(held));
        }
        for rule in self.precision.0.take_changed() {
            parts.push(Part::Rule(&rule).with(self.precision.0.get(&rule)));
        }
        parts
    }

    /// Goes on from what [`Dispatcher::take_changes`] gave, all of it together, as
    /// [`Dispatcher::restore`] does; without any part, as new. What the plan changed by now is in
    /// the next changes.
    ///
    /// # Errors
    /// [`RestoreError`]: of another version, or it contradicts itself.
    pub fn restore_parts(plan: Plan, stored: StoredParts) -> Result<Self, RestoreError> {
        if stored.is_empty() {
            return Ok(Self::new(plan));
        }
        let mut this = Self::restore(plan, &DispatcherState::from_parts(&stored)?)?;
        let mut all = this.take_changes();
        let mut gone = stored;
        all.retain(|part| gone.remove(&part.key) != part.bytes);
        let gone = gone.into_keys().map(|key| StatePart { key, bytes: None });
        this.unsaved = gone.chain(all).collect();
        Ok(this)
    }
}
