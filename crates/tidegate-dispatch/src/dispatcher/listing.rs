//! What people ask: which alerts stand, why nobody was told, who would be.

use std::collections::BTreeMap;

use jiff::Timestamp;
use tidegate_alerts::wire::AlertRecord;

use super::Dispatcher;
use super::held::{Acknowledged, Id, after};
use crate::notice::Told;
use crate::plan::RouteStep;
use crate::precision::Verdicts;
use crate::silence::{Silence, SilenceState};

/// What keeps an alert quiet.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Mute {
    /// The silence with this id.
    Silence(String),
    /// The alert with this id.
    Inhibition(String),
}

/// An alert and where telling it stands.
#[derive(Debug, Clone, PartialEq, serde::Serialize)]
pub struct AlertStatus {
    /// Its last transition.
    pub record: AlertRecord,
    /// What keeps it quiet now.
    pub muted_by: Option<Mute>,
    /// Who took it.
    pub acknowledged: Option<Acknowledged>,
    /// How often one up was told.
    pub escalation_level: u8,
    /// When the next one up is told.
    pub goes_up_at: Option<Timestamp>,
    /// By channel: the notices that told it, the newest last.
    pub told: BTreeMap<String, Vec<Told>>,
}

/// A group of alerts on one channel.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
pub struct GroupStatus {
    /// The channel.
    pub channel: String,
    /// The route that made the group.
    pub route: String,
    /// What its alerts have in common.
    pub group: BTreeMap<String, String>,
    /// The ids of its alerts.
    pub alerts: Vec<String>,
    /// How many of them have something that was not told.
    pub pending: usize,
    /// When that is told, unless it is kept quiet or waits for a digest.
    pub due: Option<Timestamp>,
    /// When it was told last.
    pub last: Option<Timestamp>,
    /// When it is told again.
    pub repeat_at: Option<Timestamp>,
}

/// A silence and what it does.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
pub struct SilenceStatus {
    /// The silence.
    pub silence: Silence,
    /// Where it stands.
    pub state: SilenceState,
    /// The ids of the alerts that match it now.
    pub alerts: Vec<String>,
}

/// How often a rule was right.
#[derive(Debug, Clone, PartialEq, serde::Serialize)]
pub struct RulePrecision {
    /// The rule.
    pub rule: String,
    /// The counts.
    pub verdicts: Verdicts,
    /// Alerts that nobody judged.
    pub unjudged: u64,
    /// [`Verdicts::precision`].
    pub precision: Option<f64>,
    /// [`Verdicts::interval`].
    pub interval: Option<(f64, f64)>,
}

/// The way that an alert takes, and why.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
pub struct Explanation {
    /// Its grid units, from the nearest to the top.
    pub grid_units: Vec<String>,
    /// The routes that were asked, in their order.
    pub routes: Vec<RouteStep>,
    /// Who is told.
    pub deliveries: Vec<PlannedDelivery>,
    /// The roles that answer for it now.
    pub on_duty: Vec<String>,
    /// What would keep it quiet now.
    pub muted_by: Option<Mute>,
    /// Its rule is a shadow: nobody is told.
    pub is_shadow: bool,
    /// When the next one up would be told, unless somebody acknowledges.
    pub goes_up_at: Option<Timestamp>,
}

/// One channel that would be told.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
pub struct PlannedDelivery {
    /// The channel.
    pub channel: String,
    /// The route that says so.
    pub route: String,
    /// Whom on it; empty means the channel's own.
    pub to: Vec<String>,
    /// The group in which it is told.
    pub group: BTreeMap<String, String>,
    /// When the first notice of the group is sent.
    pub at: Timestamp,
}

impl Dispatcher {
    /// The alerts that are not over, by id. Each is put together as it is asked for.
    pub fn alerts(&self) -> impl Iterator<Item = AlertStatus> + '_ {
        self.alerts.keys().map(|id| self.status(id))
    }

    /// How many alerts are not over.
    pub fn alert_count(&self) -> usize {
        self.alerts.len()
    }

    /// One alert that is not over.
    pub fn alert(&self, id: &str) -> Option<AlertStatus> {
        self.alerts.get_key_value(id).map(|(id, _)| self.status(id))
    }

    /// The groups, by channel, route and what is common.
    pub fn groups(&self) -> Vec<GroupStatus> {
        let mut groups: Vec<GroupStatus> = Vec::new();
        for group in self.groups.values() {
            let route = &self.plan.routes()[usize::from(group.route)];
            let first = group.members.first().filter(|_| !group.is_overflow);
            let common = first.map(|id| route.group(&self.alerts[id].record.unpack()));
            groups.push(GroupStatus {
                channel: self.channel(group.lane).to_owned(),
                route: route.name.clone(),
                group: common.unwrap_or_default(),
                alerts: group.members.iter().map(ToString::to_string).collect(),
                pending: group.pending.len(),
                due: group.due,
                last: group.last,
                repeat_at: group.repeat_at,
            });
        }
        groups.sort_by(|a, b| {
            (&a.channel, &a.route, &a.group).cmp(&(&b.channel, &b.route, &b.group))
        });
        groups
    }

    /// The silences, the one that ends first at the front; ended ones for as long as they are kept.
    pub fn silences(&self) -> Vec<SilenceStatus> {
        let mut silences: Vec<SilenceStatus> = Vec::new();
        for held in self.silences.values() {
            let hit = |id: &&Id| self.is_hit(&held.silence, id);
            silences.push(SilenceStatus {
                silence: held.silence.clone(),
                state: held.silence.state(self.now),
                alerts: self
                    .alerts
                    .keys()
                    .filter(hit)
                    .map(ToString::to_string)
                    .collect(),
            });
        }
        silences.sort_by(|a, b| {
            let key = |it: &SilenceStatus| (it.silence.ends_at, it.silence.id.clone());
            key(a).cmp(&key(b))
        });
        silences
    }

    /// How often each rule was right, by rule.
    pub fn precision(&self) -> Vec<RulePrecision> {
        let row = |(rule, verdicts): (&String, &Verdicts)| RulePrecision {
            rule: rule.clone(),
            verdicts: *verdicts,
            unjudged: verdicts.unjudged(),
            precision: verdicts.precision(),
            interval: verdicts.interval(),
        };
        self.precision.0.iter().map(row).collect()
    }

    /// The way that a new alert would take at `now`, and why. Nothing changes.
    pub fn explain(&self, now: Timestamp, record: &AlertRecord) -> Explanation {
        let way = self.plan.way(record, now);
        let duties = self.plan.answerable(record, None, now);
        let mut deliveries = Vec::new();
        for target in way.targets.iter().filter(|_| !record.shadow) {
            let route = &self.plan.routes()[target.route];
            let here = duties
                .iter()
                .filter(|duty| duty.channels.contains(&target.channel));
            let to: std::collections::BTreeSet<String> =
                here.flat_map(|duty| duty.to.iter().cloned()).collect();
            deliveries.push(PlannedDelivery {
                channel: target.channel.clone(),
                route: route.name.clone(),
                to: to.into_iter().collect(),
                group: route.group(record),
                at: after(now, route.group_wait),
            });
        }
        Explanation {
            grid_units: self
                .plan
                .chain(record)
                .into_iter()
                .map(str::to_owned)
                .collect(),
            routes: way.steps,
            deliveries,
            on_duty: duties.iter().map(|duty| duty.role.clone()).collect(),
            muted_by: self.mute(record),
            is_shadow: record.shadow,
            goes_up_at: self.plan.goes_up_after(record).map(|span| after(now, span)),
        }
    }

    pub(super) fn status(&self, id: &Id) -> AlertStatus {
        let active = &self.alerts[id];
        let record = active.record.unpack();
        let mut told = BTreeMap::new();
        for seat in &active.seats {
            let notices = seat.told.iter().map(|(id, at)| Told {
                notice: crate::digest::hex(id),
                at: *at,
            });
            let channel = self
                .groups
                .get(&seat.group)
                .map(|group| self.channel(group.lane));
            told.insert(channel.unwrap_or_default().to_owned(), notices.collect());
        }
        AlertStatus {
            muted_by: self.mute(&record),
            acknowledged: active.acknowledged.as_deref().cloned(),
            escalation_level: active.level,
            goes_up_at: active.goes_up,
            told,
            record,
        }
    }
}
