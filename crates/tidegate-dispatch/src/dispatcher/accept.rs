//! A record comes in: its alert changes, and groups learn that they have something to tell.

use std::sync::Arc;

use jiff::Timestamp;
use tidegate_alerts::wire::AlertRecord;
use tidegate_model::{EventTime, Span};

use super::held::{Active, Group, Id, Resolved, Seat, after};
use super::{ALERTS_MAX, Dispatcher, GROUPS_MAX, RESOLVED_MAX};
use crate::digest::{Hash, digest};
use crate::matcher::severity;
use crate::record::{Change, Packed, window_end};

/// What a record is to what is known.
enum Sort {
    Shadow,
    Repeated,
    Outdated,
    Unheard,
    Refused,
    /// Of a known alert, or of a new one; the end of its window.
    News(EventTime),
}

impl Dispatcher {
    pub(super) fn accept(&mut self, record: &AlertRecord) {
        self.totals.received += 1;
        match self.sort(record) {
            Sort::Shadow => self.totals.shadow += 1,
            Sort::Repeated => self.totals.repeated += 1,
            Sort::Outdated => self.totals.outdated += 1,
            Sort::Unheard => self.totals.unheard += 1,
            Sort::Refused => self.refuse(record),
            Sort::News(end) => {
                self.totals.accepted += 1;
                self.take(record, end);
            }
        }
    }

    fn sort(&self, record: &AlertRecord) -> Sort {
        if record.shadow {
            return Sort::Shadow;
        }
        let Some(end) = window_end(record) else {
            return Sort::Refused;
        };
        let id = record.id.as_str();
        if let Some(active) = self.alerts.get(id) {
            return match end.cmp(&active.window_end) {
                std::cmp::Ordering::Greater => Sort::News(end),
                std::cmp::Ordering::Equal if active.record.unpack().state == record.state => {
                    Sort::Repeated
                }
                _ => Sort::Outdated,
            };
        }
        if let Some(resolved) = self.resolved.get(id) {
            let is_last = end == resolved.window_end && record.state == "resolved";
            return if is_last {
                Sort::Repeated
            } else {
                Sort::Outdated
            };
        }
        if Change::of(record) == Change::Over {
            return Sort::Unheard;
        }
        if self.alerts.len() >= ALERTS_MAX {
            return Sort::Refused;
        }
        Sort::News(end)
    }

    fn refuse(&mut self, record: &AlertRecord) {
        self.totals.refused += 1;
        let channels: Vec<String> = self.plan.default_channels().collect();
        let example = self.mute(record).is_none().then(|| Packed::new(record));
        for channel in channels {
            let lane = self.lane(&channel);
            self.lane_mut(lane)
                .count_gone(&record.rule, example.clone());
            self.schedule_lane(lane);
        }
    }

    fn take(&mut self, record: &AlertRecord, end: EventTime) {
        let known = self.alerts.get(record.id.as_str());
        let before = known
            .filter(|_| !self.sources.is_empty())
            .map(|it| it.record.unpack());
        let id = self.put(record, end);
        self.index_source(&id, before.as_ref());
        let change = self.alerts[&id].change;
        if change != Change::Over {
            for target in self.plan.way(record, self.now).targets {
                let lane = self.lane(&target.channel);
                self.join(&id, record, target.route, lane);
            }
        }
        let seats: Vec<Hash> = self.alerts[&id]
            .seats
            .iter()
            .map(|seat| seat.group)
            .collect();
        for key in seats {
            self.totals.deliveries += 1;
            let is_new = self
                .seat(&id, &key)
                .is_some_and(|seat| seat.told.is_empty());
            if change == Change::Over && is_new {
                self.leave_untold(&id, &key, record);
            } else {
                self.make_pending(&id, key, change);
            }
        }
        self.retire_if_done(&id);
    }

    /// Puts the record in the place of the alert's last one.
    fn put(&mut self, record: &AlertRecord, end: EventTime) -> Id {
        let change = Change::of(record);
        let rank = severity(&record.severity);
        let known = self.alerts.get_key_value(record.id.as_str());
        let Some(id) = known.map(|(id, _)| Arc::clone(id)) else {
            let id: Id = record.id.as_str().into();
            self.precision.raised(&record.rule);
            let active = Active {
                record: Packed::new(record),
                change,
                severity: rank,
                window_end: end,
                seats: Vec::new(),
                acknowledged: None,
                goes_up: None,
                level: 0,
                reached: None,
                quiet_by: None,
            };
            self.alerts.insert(Arc::clone(&id), active);
            return id;
        };
        self.settle(&id);
        // Whether it is kept quiet is judged anew when it is to be told.
        self.set_quiet(&id, None);
        let sooner = self
            .plan
            .escalates_after(rank)
            .map(|span| after(self.now, span));
        let active = self.alerts.get_mut(&id).expect("it was found above");
        let is_worse = rank > active.severity;
        active.change = if is_worse && change == Change::Changed {
            Change::Worse
        } else {
            change
        };
        active.record = Packed::new(record);
        active.severity = rank;
        active.window_end = end;
        let goes_up = active.goes_up;
        if change == Change::Over {
            self.set_going_up(&id, None);
        } else if is_worse && goes_up.is_some() {
            self.set_going_up(&id, goes_up.min(sooner).or(goes_up));
        }
        id
    }

    /// Counts what the alert still had to tell: a newer record takes its place.
    fn settle(&mut self, id: &Id) {
        let waits = |key: &Hash| {
            self.groups
                .get(key)
                .is_some_and(|group| group.pending.contains(id))
        };
        let count = self.alerts[id]
            .seats
            .iter()
            .filter(|seat| waits(&seat.group))
            .count() as u64;
        if count == 0 {
            return;
        }
        let record = self.alerts[id].record.unpack();
        let total = match self.mute(&record) {
            Some(super::Mute::Silence(_)) => &mut self.totals.muted,
            Some(super::Mute::Inhibition(_)) => &mut self.totals.inhibited,
            None => &mut self.totals.superseded,
        };
        *total += count;
    }

    /// Keeps the sources of inhibitions up to date, and wakes what this alert kept quiet.
    pub(super) fn index_source(&mut self, id: &Id, before: Option<&AlertRecord>) {
        if self.sources.is_empty() {
            return;
        }
        let record = self.alerts[id].record.unpack();
        let record = (!self.alerts[id].is_over()).then_some(&record);
        let mut left = false;
        for (inhibit, sources) in self.plan.inhibits().iter().zip(&mut self.sources) {
            let key = |record: Option<&AlertRecord>| {
                record.and_then(|record| inhibit.source_key(record, &self.plan.chain(record)))
            };
            let (old, new) = (key(before), key(record));
            if let Some(old) = old.filter(|old| Some(old) != new.as_ref()) {
                left = true;
                if let Some(ids) = sources.get_mut(&old) {
                    ids.remove(id);
                    if ids.is_empty() {
                        sources.remove(&old);
                    }
                }
            }
            if let Some(new) = new {
                sources.entry(new).or_default().insert(Arc::clone(id));
            }
        }
        if left {
            for target in self.quiet.remove(id).unwrap_or_default() {
                if let Some(target) = self.alerts.get_mut(&target) {
                    target.quiet_by = None;
                }
                self.wake(&target);
            }
        }
    }

    /// Lets the groups of an alert tell what was kept quiet.
    pub(super) fn wake(&mut self, id: &Id) {
        let Some(active) = self.alerts.get(id) else {
            return;
        };
        let keys: Vec<Hash> = active.seats.iter().map(|seat| seat.group).collect();
        for key in keys {
            let Some(group) = self.groups.get_mut(&key) else {
                continue;
            };
            let has_something = group.pending.contains(id) || group.remind.contains(id);
            if has_something && group.due.is_none() {
                let wait = self.plan.routes()[usize::from(group.route)].group_wait;
                group.due = Some(after(self.now, wait));
                self.schedule(key);
            }
        }
    }

    /// Notes that `source` keeps the alert quiet, so that its end wakes the alert.
    pub(super) fn set_quiet(&mut self, id: &Id, source: Option<Id>) {
        let Some(active) = self.alerts.get_mut(id) else {
            return;
        };
        let before = std::mem::replace(&mut active.quiet_by, source.clone());
        if let Some(before) = before.filter(|before| Some(before) != source.as_ref())
            && let Some(ids) = self.quiet.get_mut(&before)
        {
            ids.remove(id);
            if ids.is_empty() {
                self.quiet.remove(&before);
            }
        }
        if let Some(source) = source {
            self.quiet.entry(source).or_default().insert(Arc::clone(id));
        }
    }

    /// Gives the alert a seat on a channel, unless it has one there.
    pub(super) fn join(&mut self, id: &Id, record: &AlertRecord, route: usize, lane: u16) {
        let has = |seat: &Seat| {
            self.groups
                .get(&seat.group)
                .is_some_and(|group| group.lane == lane)
        };
        if self.alerts[id].seats.iter().any(has) {
            return;
        }
        let mut key = self.group_key(record, route, lane, false);
        let is_overflow = !self.groups.contains_key(&key) && self.groups.len() >= GROUPS_MAX;
        if is_overflow {
            key = self.group_key(record, route, lane, true);
        }
        let route = u16::try_from(route).expect("a plan has at most 10,000 routes");
        let new = || Group::new(route, lane, is_overflow);
        if !self.groups.contains_key(&key) {
            self.groups.insert(key, new());
        }
        let group = self.groups.get_mut(&key).expect("it is there by now");
        group.members.insert(Arc::clone(id));
        let seat = Seat {
            group: key,
            told: Vec::new(),
            is_held: false,
        };
        let active = self.alerts.get_mut(id).expect("the caller has it");
        active.seats.reserve_exact(1);
        active.seats.push(seat);
    }

    fn group_key(&self, record: &AlertRecord, route: usize, lane: u16, is_overflow: bool) -> Hash {
        let route = &self.plan.routes()[route];
        let kind = if is_overflow { "overflow" } else { "group" };
        let mut parts = vec![kind, &route.name, self.channel(lane)];
        let labels = route.group(record);
        if !is_overflow {
            parts.extend(
                labels
                    .iter()
                    .flat_map(|(name, value)| [name.as_str(), value]),
            );
        }
        digest(parts.into_iter().map(str::as_bytes))
    }

    pub(super) fn seat(&self, id: &Id, key: &Hash) -> Option<&Seat> {
        self.alerts
            .get(id)?
            .seats
            .iter()
            .find(|seat| seat.group == *key)
    }

    pub(super) fn seat_mut(&mut self, id: &Id, key: &Hash) -> Option<&mut Seat> {
        let active = self.alerts.get_mut(id)?;
        active.seats.iter_mut().find(|seat| seat.group == *key)
    }

    /// The group has something to tell of the alert: at once, or when it is time.
    fn make_pending(&mut self, id: &Id, key: Hash, change: Change) {
        let group = self
            .groups
            .get_mut(&key)
            .expect("a seat's group lives as long as the seat");
        let route = &self.plan.routes()[usize::from(group.route)];
        let at_once = match change {
            Change::Worse => true,
            Change::Over => route.resolve_immediately,
            Change::Changed | Change::Flapping => false,
        };
        group.pending.insert(Arc::clone(id));
        group.remind.remove(id);
        self.alerts.touch(id);
        let at = if at_once {
            self.now
        } else {
            let wait = after(self.now, route.group_wait);
            let next = group
                .last
                .map(|last: Timestamp| after(last, route.group_interval));
            next.map_or(wait, |next| next.max(wait))
        };
        group.due_by(at);
        let (due, lane) = (group.due, group.lane);
        self.schedule(key);
        // What its group tells sooner than the digest does not wait for that.
        if due < self.lanes[&lane].next() {
            self.let_go_of_digest(id, &key);
        }
    }

    /// The alert does not wait for the channel's next digest any more.
    fn let_go_of_digest(&mut self, id: &Id, key: &Hash) {
        let Some(seat) = self.seat_mut(id, key).filter(|seat| seat.is_held) else {
            return;
        };
        seat.is_held = false;
        let lane = self.groups[key].lane;
        self.lane_mut(lane).held.remove(id);
        self.schedule_lane(lane);
    }

    /// An alert is over before this channel was told of it. What a storm held and nothing mutes is
    /// counted in the next digest.
    fn leave_untold(&mut self, id: &Id, key: &Hash, record: &AlertRecord) {
        let is_held = self.seat(id, key).is_some_and(|seat| seat.is_held);
        if is_held && self.mute(record).is_none() {
            self.totals.held_back += 1;
            let lane = self.groups[key].lane;
            let example = Some(Packed::new(record));
            self.lane_mut(lane).count_gone(&record.rule, example);
        } else {
            self.totals.superseded += 1;
        }
        self.leave(id, key);
    }

    /// Takes the alert from a channel, and the group with its last alert.
    pub(super) fn leave(&mut self, id: &Id, key: &Hash) {
        self.let_go_of_digest(id, key);
        if let Some(active) = self.alerts.get_mut(id) {
            active.seats.retain(|seat| seat.group != *key);
        }
        let Some(group) = self.groups.get_mut(key) else {
            return;
        };
        group.members.remove(id);
        group.pending.remove(id);
        group.remind.remove(id);
        if group.members.is_empty() {
            group.due = None;
            group.repeat_at = None;
            self.schedule(*key);
            self.groups.remove(key);
        }
    }

    /// Lets go of an alert that is over and told to everybody who must know.
    pub(super) fn retire_if_done(&mut self, id: &Id) {
        let is_done = |active: &&Active| active.is_over() && active.seats.is_empty();
        let Some(active) = self.alerts.get(id).filter(is_done) else {
            return;
        };
        let resolved = Resolved {
            number: self.ended_before + self.ended.len() as u64,
            rule: active.record.unpack().rule,
            window_end: active.window_end,
            verdict: active.acknowledged.as_ref().and_then(|it| it.verdict),
        };
        self.set_quiet(id, None);
        self.set_going_up(id, None);
        self.alerts.remove(id);
        self.resolved.insert(Arc::clone(id), resolved);
        self.ended.push_back(Arc::clone(id));
        while self.ended.len() > RESOLVED_MAX {
            if let Some(oldest) = self.ended.pop_front() {
                self.ended_before += 1;
                self.resolved.remove(&oldest);
            }
        }
    }

    /// How long after the first telling the next one up is told.
    pub(super) fn start_going_up(&mut self, id: &Id, span: Option<Span>) {
        let Some(active) = self.alerts.get(id) else {
            return;
        };
        let is_open = !active.is_over() && active.acknowledged.is_none();
        if let Some(span) = span
            && is_open
            && active.goes_up.is_none()
        {
            self.set_going_up(id, Some(after(self.now, span)));
        }
    }
}
