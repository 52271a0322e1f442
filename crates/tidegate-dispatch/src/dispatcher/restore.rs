//! A dispatcher to its stored form and back.

use std::sync::Arc;

use tidegate_model::EventTime;

use super::Dispatcher;
use super::held::{Active, Due, Group, HeldSilence, Id, Lane, Resolved, Seat, after};
use crate::digest::{Hash, unhex};
use crate::matcher::severity;
use crate::plan::Plan;
use crate::record::{Change, Packed, window_end};
use crate::state::{
    AlertHeld, ChannelHeld, DispatcherState, GroupHeld, ResolvedHeld, SeatHeld, VERSION,
};

/// Why a stored state cannot be gone on from.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum RestoreError {
    /// It is of another version.
    #[error("read the dispatcher's state: version {found} is not {expected}")]
    Version {
        /// Its version.
        found: u32,
        /// The version that can be read.
        expected: u32,
    },
    /// It contradicts itself.
    #[error("read the dispatcher's state: {0}")]
    Broken(String),
}

impl Dispatcher {
    /// All that has to be known to go on later, put together. It costs what everything that stands
    /// does; [`Dispatcher::take_changes`] gives what is to be stored.
    pub fn state(&self) -> DispatcherState {
        let silences = self.silences.values();
        DispatcherState {
            version: VERSION,
            now: self.now,
            alerts: self
                .alerts
                .iter()
                .map(|(id, active)| self.store_alert(id, active))
                .collect(),
            resolved: self
                .ended
                .iter()
                .map(|id| self.store_resolved(id))
                .collect(),
            groups: self
                .groups
                .iter()
                .map(|(key, group)| self.store_group(*key, group))
                .collect(),
            channels: self.lanes.values().map(store_lane).collect(),
            silences: silences
                .map(|it| (it.silence.clone(), it.is_ended))
                .collect(),
            verdicts: (*self.precision.0).clone(),
            totals: self.totals,
            ended_before: self.ended_before,
        }
    }

    pub(super) fn store_alert(&self, id: &Id, active: &Active) -> AlertHeld {
        let seat = |seat: &Seat| {
            let group = self.groups.get(&seat.group);
            SeatHeld {
                group: seat.group,
                told: seat.told.clone(),
                is_held: seat.is_held,
                is_pending: group.is_some_and(|group| group.pending.contains(id)),
                is_reminded: group.is_some_and(|group| group.remind.contains(id)),
            }
        };
        AlertHeld {
            record: active.record.bytes().to_vec(),
            is_worse: active.change == Change::Worse,
            seats: active.seats.iter().map(seat).collect(),
            acknowledged: active.acknowledged.as_deref().cloned(),
            goes_up: active.goes_up,
            level: active.level,
            reached: active.reached,
            quiet_by: active.quiet_by.as_ref().map(ToString::to_string),
        }
    }

    pub(super) fn store_resolved(&self, id: &Id) -> ResolvedHeld {
        let resolved = &self.resolved[id];
        ResolvedHeld {
            id: id.to_string(),
            rule: resolved.rule.clone(),
            window_end: resolved.window_end.micros(),
            verdict: resolved.verdict,
        }
    }

    pub(super) fn store_group(&self, key: Hash, group: &Group) -> GroupHeld {
        GroupHeld {
            key,
            route: self.plan.routes()[usize::from(group.route)].name.clone(),
            channel: self.channel(group.lane).to_owned(),
            is_overflow: group.is_overflow,
            due: group.due,
            last: group.last,
            repeat_at: group.repeat_at,
            repeats: group.repeats,
        }
    }

    /// Goes on from a stored state, with a plan that may be another: groups keep the channels on
    /// which they were told; groups of a route that is gone take the times of the default route.
    /// Nothing is told again because the plan changed.
    ///
    /// # Errors
    /// [`RestoreError`]: of another version, or it contradicts itself.
    pub fn restore(plan: Plan, state: &DispatcherState) -> Result<Self, RestoreError> {
        if state.version != VERSION {
            let (found, expected) = (state.version, VERSION);
            return Err(RestoreError::Version { found, expected });
        }
        let mut this = Self::new(plan);
        this.now = state.now;
        this.totals = state.totals;
        for (rule, verdicts) in &state.verdicts {
            this.precision.0.insert(rule.clone(), *verdicts);
        }
        for held in &state.channels {
            this.restore_lane(held)?;
        }
        for held in &state.groups {
            let route = this.plan.route_named(&held.route);
            let route = u16::try_from(route).expect("a plan has at most 10,000 routes");
            let lane = this.lane(&held.channel);
            let mut group = Group::new(route, lane, held.is_overflow);
            group.due = held.due;
            group.last = held.last;
            group.repeat_at = held.repeat_at;
            group.repeats = held.repeats;
            this.groups.insert(held.key, group);
        }
        for held in &state.alerts {
            this.restore_alert(held)?;
        }
        this.ended_before = state.ended_before;
        for (held, number) in state.resolved.iter().zip(state.ended_before..) {
            let id: Id = held.id.as_str().into();
            let resolved = Resolved {
                number,
                rule: held.rule.clone(),
                window_end: EventTime::from_micros(held.window_end),
                verdict: held.verdict,
            };
            this.resolved.insert(Arc::clone(&id), resolved);
            this.ended.push_back(id);
        }
        this.restore_silences(state)?;
        this.schedule_all()?;
        Ok(this)
    }

    fn restore_lane(&mut self, held: &ChannelHeld) -> Result<(), RestoreError> {
        let lane = self.lane(&held.channel);
        let lane = self.lane_mut(lane);
        lane.minute = held.minute;
        lane.sent = held.sent;
        lane.gone.clone_from(&held.gone);
        lane.digests = held.digests;
        lane.example = match &held.example {
            None => None,
            Some(bytes) => Some(packed(bytes)?),
        };
        Ok(())
    }

    fn restore_alert(&mut self, held: &AlertHeld) -> Result<(), RestoreError> {
        let record_bytes = packed(&held.record)?;
        let record = record_bytes.unpack();
        let id: Id = record.id.as_str().into();
        let broken = |what: &str| RestoreError::Broken(format!("alert {id}: {what}"));
        let change = Change::of(&record);
        let is_worse = held.is_worse && change == Change::Changed;
        let mut active = Active {
            record: record_bytes,
            change: if is_worse { Change::Worse } else { change },
            severity: severity(&record.severity),
            window_end: window_end(&record).ok_or_else(|| broken("no end of a window"))?,
            seats: Vec::with_capacity(held.seats.len()),
            acknowledged: held.acknowledged.clone().map(Box::new),
            goes_up: held.goes_up,
            level: held.level,
            reached: held.reached,
            quiet_by: None,
        };
        for seat in &held.seats {
            let group = self
                .groups
                .get_mut(&seat.group)
                .ok_or_else(|| broken("no such group"))?;
            group.members.insert(Arc::clone(&id));
            if seat.is_pending {
                group.pending.insert(Arc::clone(&id));
            }
            if seat.is_reminded {
                group.remind.insert(Arc::clone(&id));
            }
            if seat.is_held {
                let lane = group.lane;
                self.lane_mut(lane).held.insert(Arc::clone(&id));
            }
            active.seats.push(Seat {
                group: seat.group,
                told: seat.told.clone(),
                is_held: seat.is_held,
            });
        }
        if let Some(at) = active.goes_up {
            self.deadlines.insert((at, Due::Up(Arc::clone(&id))));
        }
        self.alerts.insert(Arc::clone(&id), active);
        let source = held.quiet_by.as_deref().map(Id::from);
        self.set_quiet(&id, source);
        self.index_source(&id, None);
        Ok(())
    }

    fn restore_silences(&mut self, state: &DispatcherState) -> Result<(), RestoreError> {
        for (silence, is_ended) in &state.silences {
            let broken = || RestoreError::Broken(format!("silence {:?}: no id", silence.id));
            let id = unhex(&silence.id).ok_or_else(broken)?;
            let forgotten_at = after(silence.ends_at, self.plan.silence_keep());
            self.deadlines.insert(if *is_ended {
                (forgotten_at, Due::Forget(id))
            } else {
                (silence.ends_at, Due::Silence(id))
            });
            let held = HeldSilence {
                silence: silence.clone(),
                is_ended: *is_ended,
            };
            self.silences.insert(id, held);
        }
        Ok(())
    }

    /// Puts everything in the list of deadlines, and wakes what nothing keeps quiet any more under
    /// this plan.
    fn schedule_all(&mut self) -> Result<(), RestoreError> {
        let keys: Vec<Hash> = self.groups.keys().copied().collect();
        for key in keys {
            if self.groups[&key].members.is_empty() {
                return Err(RestoreError::Broken("a group has no alert".to_owned()));
            }
            self.schedule(key);
        }
        let lanes = u16::try_from(self.lanes.len()).expect("as many as `lane` gave out");
        for lane in 0..lanes {
            self.schedule_lane(lane);
        }
        let ids: Vec<Id> = self.alerts.keys().cloned().collect();
        for id in ids {
            if self.waits_for_an_end(&id) {
                self.judge_anew(&id);
            }
        }
        Ok(())
    }

    /// Whether an alert is told only when something that kept it quiet is over.
    fn waits_for_an_end(&self, id: &Id) -> bool {
        let active = &self.alerts[id];
        let waits = |seat: &Seat| {
            let group = &self.groups[&seat.group];
            !seat.is_held && group.due.is_none() && group.pending.contains(id)
        };
        active.quiet_by.is_some() || active.seats.iter().any(waits)
    }

    /// Finds what keeps an alert quiet under this plan: the end of a silence wakes all that it hits,
    /// the end of a source what waits for it; what nothing keeps quiet is woken now.
    fn judge_anew(&mut self, id: &Id) {
        let mutes = |it: &HeldSilence| {
            let is_on = !it.is_ended && it.silence.starts_at <= self.now;
            is_on && self.is_hit(&it.silence, id)
        };
        if self.silences.values().any(mutes) {
            return;
        }
        let active = &self.alerts[id];
        let record = active.record.unpack();
        let sources: Vec<&Id> = self.sources_of(&record).collect();
        let before = active.quiet_by.as_ref();
        if before.is_some_and(|before| sources.contains(&before)) {
            return;
        }
        let source = sources.first().copied().map(Arc::clone);
        let is_free = source.is_none();
        self.set_quiet(id, source);
        if is_free {
            self.wake(id);
        }
    }
}

fn packed(bytes: &[u8]) -> Result<Packed, RestoreError> {
    let broken = || RestoreError::Broken("a record cannot be read".to_owned());
    Packed::from_bytes(bytes).ok_or_else(broken)
}

pub(super) fn store_lane(lane: &Lane) -> ChannelHeld {
    ChannelHeld {
        channel: lane.channel.clone(),
        minute: lane.minute,
        sent: lane.sent,
        gone: lane.gone.clone(),
        example: lane.example.as_ref().map(|record| record.bytes().to_vec()),
        digests: lane.digests,
    }
}
