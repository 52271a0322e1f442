//! Nobody acknowledged: the next grid unit up that has somebody on duty is told.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use super::Dispatcher;
use super::held::{Id, after};
use super::tell::Telling;
use crate::notice::{Notice, NoticeKind};

impl Dispatcher {
    /// Tells the next one up of an alert, and when it goes further up.
    pub(super) fn go_up(&mut self, id: &Id, notices: &mut Vec<Notice>) {
        let Some(active) = self.alerts.get_mut(id) else {
            return;
        };
        active.goes_up = None;
        if active.is_over() || active.acknowledged.is_some() {
            return;
        }
        let (level, reached) = (active.level, active.reached);
        let record = active.record.unpack();
        let Some(span) = self.plan.goes_up_after(&record) else {
            return;
        };
        let again = Some(after(self.now, span));
        if self.mute(&record).is_some() {
            self.set_going_up(id, again);
            return;
        }
        let chain: Vec<String> = self
            .plan
            .chain(&record)
            .into_iter()
            .map(str::to_owned)
            .collect();
        let names: Vec<&str> = chain.iter().map(String::as_str).collect();
        let from = reached.map_or(0, |at| usize::from(at) + 1);
        let Some(next) = self.plan.next_on_duty(&names, from, self.now) else {
            if self.plan.has_duty(&names, from) {
                // Somebody comes on duty later: at night nobody may be.
                self.set_going_up(id, again);
            }
            return;
        };
        let mut channels: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
        for duty in self.plan.on_duty(&chain[next], self.now) {
            for channel in &duty.channels {
                let to = channels.entry(channel.clone()).or_default();
                to.extend(duty.to.iter().cloned());
            }
        }
        if let Some(active) = self.alerts.get_mut(id) {
            active.level = level.saturating_add(1);
            active.reached = u8::try_from(next).ok();
        }
        let route = self.first_route(id);
        for (channel, to) in channels {
            let lane = self.lane(&channel);
            // A seat there, so that whoever is told now is told that it is over, too.
            self.join(id, &record, route, lane);
            let telling = Telling {
                lane,
                kind: NoticeKind::Escalation,
                number: u32::from(level) + 1,
                group: self.plan.routes()[route].group(&record),
                ids: vec![Arc::clone(id)],
                to: Some(to),
            };
            self.tell(telling, notices);
        }
        self.set_going_up(id, again);
    }

    /// The route that took the alert first.
    fn first_route(&self, id: &Id) -> usize {
        let seats = self
            .alerts
            .get(id)
            .into_iter()
            .flat_map(|active| &active.seats);
        let mut groups = seats.filter_map(|seat| self.groups.get(&seat.group));
        let default = self.plan.routes().len() - 1;
        groups
            .next()
            .map_or(default, |group| usize::from(group.route))
    }
}
