//! The dispatcher: records and the time go in, notices come out.

mod held;
mod id_set;

mod accept;
mod flush;
mod tell;

mod acknowledge;
mod changes;
mod escalate;
mod listing;
mod restore;
mod silences;

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::Arc;

use jiff::Timestamp;
use tidegate_alerts::wire::AlertRecord;

use crate::digest::Hash;
use crate::notice::Notice;
use crate::plan::Plan;
use crate::precision::Precision;
use crate::state::StatePart;
use crate::totals::Totals;
use crate::tracked::Tracked;

pub use acknowledge::{AcknowledgeError, AcknowledgeRequest};
pub use held::Acknowledged;
pub use listing::{
    AlertStatus, Explanation, GroupStatus, Mute, PlannedDelivery, RulePrecision, SilenceStatus,
};
pub use restore::RestoreError;
pub use tell::{ALL_CLEAR_LIFE_MIN, NOTICE_LIFE};

use held::{Active, Due, Group, HeldSilence, Id, Lane, Resolved};

/// The most alerts at a time. Records of new alerts beyond it are refused: they are counted, and
/// the next digest of the default route's channels says how many they were.
pub const ALERTS_MAX: usize = 100_000;

/// The most groups at a time. Alerts of new groups beyond it share one group for each route and
/// channel, whose alerts have nothing in common.
pub const GROUPS_MAX: usize = 200_000;

/// How many alerts that are over are kept for verdicts and to know repeated records by. Beyond it
/// the oldest is forgotten: a verdict on it is an error, and a record of it that comes again counts
/// as a new alert.
pub const RESOLVED_MAX: usize = 20_000;

/// How many earlier notices an alert refers to on one channel. Beyond it the oldest is forgotten.
pub const TOLD_MAX: usize = 16;

/// Decides who is told of which alert, when, and how often.
///
/// It is told of alerts ([`Dispatcher::handle_records`]), of the time
/// ([`Dispatcher::handle_time`], at the latest at [`Dispatcher::next_deadline`]) and of what people
/// say; the first two answer with notices. After a command of a person the next deadline may be
/// at once.
///
/// The same inputs with the same times give the same notices, ids included, also when what
/// [`Dispatcher::take_changes`] gave was stored between any two of them and restored.
///
/// ```
/// use tidegate_dispatch::{Dispatcher, GridTree, NoticeKind, Plan, RoutesConfig};
/// # let record: tidegate_alerts::wire::AlertRecord = serde_json::from_str(r#"{
/// #   "id": "a1", "rule": "crush", "rule_hash": "", "layer": "density", "subject_kind": "venue",
/// #   "subject": "m1", "name_zh": "", "name_en": "", "state": "firing", "severity": "critical",
/// #   "window_start": "2026-03-01T00:00:00Z", "window_end": "2026-03-01T00:05:00Z",
/// #   "value": 5.0, "lo": null, "hi": null, "unit": "", "level": null, "coverage": null,
/// #   "data_age_s": null, "method": "", "title_zh": "", "title_en": "", "text_zh": "",
/// #   "text_en": "", "owner": "", "since": "2026-03-01T00:05:00Z", "is_final": true
/// # }"#).unwrap();
/// let config: RoutesConfig = toml::from_str(r#"
///     [[route]]
///     name = "default"
///     channels = ["hall"]
/// "#).unwrap();
/// let plan = Plan::try_new(&config, GridTree::default(), &["hall"]).unwrap();
/// let mut dispatcher = Dispatcher::new(plan);
/// let now = "2026-03-01T00:05:01Z".parse().unwrap();
/// assert!(dispatcher.handle_record(now, &record).is_empty(), "the group waits for 30 s");
/// let due = dispatcher.next_deadline().unwrap();
/// let notices = dispatcher.handle_time(due);
/// assert_eq!(notices[0].kind, NoticeKind::Alert);
/// assert_eq!(notices[0].alerts[0].record, record);
/// ```
#[derive(Debug, Clone)]
pub struct Dispatcher {
    plan: Plan,
    /// The latest time it was told; it never goes back.
    now: Timestamp,
    alerts: Tracked<Id, Active>,
    resolved: Tracked<Id, Resolved>,
    /// `resolved` in the order in which they ended.
    ended: VecDeque<Id>,
    /// How many more ended before those.
    ended_before: u64,
    groups: Tracked<Hash, Group>,
    lanes: Tracked<u16, Lane>,
    silences: Tracked<Hash, HeldSilence>,
    /// For each inhibition of the plan: by the values that must be equal, the sources that stand.
    sources: Vec<BTreeMap<String, BTreeSet<Id>>>,
    /// By source: alerts with something untold that it keeps quiet.
    quiet: BTreeMap<Id, BTreeSet<Id>>,
    deadlines: BTreeSet<(Timestamp, Due)>,
    precision: Precision,
    totals: Totals,
    /// What is to be stored beside what changes from now on.
    unsaved: Vec<StatePart>,
}

impl Dispatcher {
    /// A dispatcher that knows of no alert.
    pub fn new(plan: Plan) -> Self {
        let sources = vec![BTreeMap::new(); plan.inhibits().len()];
        Self {
            plan,
            now: Timestamp::MIN,
            alerts: Tracked::default(),
            resolved: Tracked::default(),
            ended: VecDeque::new(),
            ended_before: 0,
            groups: Tracked::default(),
            lanes: Tracked::default(),
            silences: Tracked::default(),
            sources,
            quiet: BTreeMap::new(),
            deadlines: BTreeSet::new(),
            precision: Precision::default(),
            totals: Totals::default(),
            unsaved: Vec::new(),
        }
    }

    /// Takes one record. See [`Dispatcher::handle_records`].
    pub fn handle_record(&mut self, now: Timestamp, record: &AlertRecord) -> Vec<Notice> {
        self.handle_records(now, std::slice::from_ref(record))
    }

    /// Takes records that came together, and tells what is due at `now`. A time before an earlier
    /// one counts as that one. A record that came before changes nothing.
    pub fn handle_records(&mut self, now: Timestamp, records: &[AlertRecord]) -> Vec<Notice> {
        let mut notices = self.handle_time(now);
        for record in records {
            self.accept(record);
        }
        self.advance(&mut notices);
        notices
    }

    /// Tells what is due at `now`.
    pub fn handle_time(&mut self, now: Timestamp) -> Vec<Notice> {
        self.now = self.now.max(now);
        let mut notices = Vec::new();
        self.advance(&mut notices);
        notices
    }

    /// When [`Dispatcher::handle_time`] has something to do.
    pub fn next_deadline(&self) -> Option<Timestamp> {
        self.deadlines.first().map(|(at, _)| *at)
    }

    /// The plan in force.
    pub fn plan(&self) -> &Plan {
        &self.plan
    }

    /// What became of all that came in.
    pub fn totals(&self) -> Totals {
        self.totals
    }

    /// Deliveries that are not told yet, and neither muted nor superseded for good; those too that
    /// wait for a digest.
    pub fn waiting(&self) -> u64 {
        let pending = self.groups.values().map(|group| group.pending.len() as u64);
        pending.sum()
    }

    /// Does everything that is due. Digests go first, so that a storm that goes on cannot keep them
    /// back; then groups, the worst first; then those who must be told next.
    fn advance(&mut self, notices: &mut Vec<Notice>) {
        loop {
            let (mut lanes, mut groups, mut ups) = (Vec::new(), Vec::new(), Vec::new());
            while let Some((at, _)) = self.deadlines.first() {
                if *at > self.now {
                    break;
                }
                match self.deadlines.pop_first() {
                    Some((_, Due::Silence(id))) => self.end_silence(id),
                    Some((_, Due::Forget(id))) => self.forget_silence(id),
                    Some((_, Due::Lane(lane))) => lanes.push(lane),
                    Some((_, Due::Group(key))) => groups.push(key),
                    Some((_, Due::Up(id))) => ups.push(id),
                    None => {}
                }
            }
            if lanes.is_empty() && groups.is_empty() && ups.is_empty() {
                return;
            }
            lanes.sort_by(|a, b| self.channel(*a).cmp(self.channel(*b)));
            for lane in lanes {
                self.digest(lane, notices);
            }
            groups.sort_by_cached_key(|key| {
                let lane = self
                    .groups
                    .get(key)
                    .map(|group| self.channel(group.lane).to_owned());
                (std::cmp::Reverse(self.worst(key)), lane, *key)
            });
            for key in groups {
                self.flush(key, notices);
            }
            for id in ups {
                self.go_up(&id, notices);
            }
        }
    }

    /// The worst severity of what a group has to tell.
    fn worst(&self, key: &Hash) -> Option<tidegate_alerts::Severity> {
        let untold = self.untold(key).into_iter();
        untold.map(|id| self.alerts[&id].severity).max()
    }

    fn channel(&self, lane: u16) -> &str {
        &self.lanes[&lane].channel
    }

    /// The lane of a channel, made when it is asked for first.
    fn lane(&mut self, channel: &str) -> u16 {
        let mut lanes = self.lanes.iter();
        let found = lanes.find(|(_, lane)| lane.channel == channel);
        if let Some((lane, _)) = found {
            return *lane;
        }
        let lane = u16::try_from(self.lanes.len());
        let lane = lane.expect("a plan names fewer channels than 65,536");
        self.lanes.insert(lane, Lane::new(channel.to_owned()));
        lane
    }

    fn lane_mut(&mut self, lane: u16) -> &mut Lane {
        let found = self.lanes.get_mut(&lane);
        found.expect("lanes are never taken away")
    }

    /// Puts a group where it belongs in the list of deadlines.
    fn schedule(&mut self, key: Hash) {
        let Some(group) = self.groups.get_mut(&key) else {
            return;
        };
        let next = group.next();
        if group.scheduled == next && next.is_none_or(|at| at > self.now) {
            return;
        }
        if let Some(at) = group.scheduled {
            self.deadlines.remove(&(at, Due::Group(key)));
        }
        if let Some(at) = next {
            self.deadlines.insert((at, Due::Group(key)));
        }
        group.scheduled = next;
    }

    /// Puts a channel's digest where it belongs in the list of deadlines.
    fn schedule_lane(&mut self, index: u16) {
        let lane = self.lane_mut(index);
        let next = lane.next();
        let before = std::mem::replace(&mut lane.scheduled, next);
        if let Some(at) = before {
            self.deadlines.remove(&(at, Due::Lane(index)));
        }
        if let Some(at) = next {
            self.deadlines.insert((at, Due::Lane(index)));
        }
    }

    /// Sets when the next one up is told of an alert.
    fn set_going_up(&mut self, id: &Id, at: Option<Timestamp>) {
        let Some(active) = self.alerts.get_mut(id) else {
            return;
        };
        if let Some(before) = active.goes_up {
            self.deadlines.remove(&(before, Due::Up(Arc::clone(id))));
        }
        if let Some(at) = at {
            self.deadlines.insert((at, Due::Up(Arc::clone(id))));
        }
        active.goes_up = at;
    }
}

#[cfg(test)]
mod tests;
