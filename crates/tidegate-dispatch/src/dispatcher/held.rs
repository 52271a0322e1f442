//! What a dispatcher holds of alerts, groups and channels.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use jiff::Timestamp;
use tidegate_alerts::Severity;
use tidegate_model::{EventTime, Span};

use super::id_set::IdSet;
use crate::digest::Hash;
use crate::precision::Verdict;
use crate::record::{Change, Packed};
use crate::silence::Silence;

/// An alert's id, shared by all that name it.
pub(super) type Id = Arc<str>;

/// An alert that is not over, or whose end is not told yet.
#[derive(Debug, Clone)]
pub(super) struct Active {
    pub(super) record: Packed,
    pub(super) change: Change,
    pub(super) severity: Severity,
    pub(super) window_end: EventTime,
    /// One for each channel that is told of it.
    pub(super) seats: Vec<Seat>,
    pub(super) acknowledged: Option<Box<Acknowledged>>,
    /// When the next one up is told.
    pub(super) goes_up: Option<Timestamp>,
    /// How often one up was told.
    pub(super) level: u8,
    /// How far up its chain of grid units people were told.
    pub(super) reached: Option<u8>,
    /// The alert that kept it quiet when it was to be told last.
    pub(super) quiet_by: Option<Id>,
}

impl Active {
    pub(super) fn is_over(&self) -> bool {
        self.change == Change::Over
    }
}

/// An alert's place on one channel.
#[derive(Debug, Clone)]
pub(super) struct Seat {
    /// The group in which it is told there.
    pub(super) group: Hash,
    /// The notices so far, the newest last; at most `TOLD_MAX`.
    pub(super) told: Vec<(Hash, Timestamp)>,
    /// It waits for the channel's next digest, also if it is only to be told again.
    pub(super) is_held: bool,
}

/// What somebody said of an alert.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct Acknowledged {
    /// Who: a role or a login.
    pub by: String,
    /// What else they said.
    pub note: String,
    /// When.
    pub at: Timestamp,
    /// What they think of it.
    pub verdict: Option<Verdict>,
}

/// An alert that is over, kept for verdicts and so that a repeated record is known.
#[derive(Debug, Clone)]
pub(super) struct Resolved {
    /// Its place in the order of ends, counted from the first ever.
    pub(super) number: u64,
    pub(super) rule: String,
    pub(super) window_end: EventTime,
    pub(super) verdict: Option<Verdict>,
}

/// Alerts that are told together on one channel.
#[derive(Debug, Clone)]
pub(super) struct Group {
    pub(super) route: u16,
    pub(super) lane: u16,
    /// It holds what other groups could not, and its alerts have nothing in common.
    pub(super) is_overflow: bool,
    pub(super) members: IdSet,
    /// Those with something that was not told.
    pub(super) pending: IdSet,
    /// Those that are told again with the next notice.
    pub(super) remind: IdSet,
    pub(super) due: Option<Timestamp>,
    pub(super) last: Option<Timestamp>,
    pub(super) repeat_at: Option<Timestamp>,
    /// How often it was told again.
    pub(super) repeats: u32,
    /// Its place in the list of deadlines.
    pub(super) scheduled: Option<Timestamp>,
}

impl Group {
    pub(super) fn new(route: u16, lane: u16, is_overflow: bool) -> Self {
        Self {
            route,
            lane,
            is_overflow,
            members: IdSet::default(),
            pending: IdSet::default(),
            remind: IdSet::default(),
            due: None,
            last: None,
            repeat_at: None,
            repeats: 0,
            scheduled: None,
        }
    }

    /// Makes it due at `at`, or earlier if it was.
    pub(super) fn due_by(&mut self, at: Timestamp) {
        self.due = Some(self.due.map_or(at, |due| due.min(at)));
    }

    /// When something is to be done about it.
    pub(super) fn next(&self) -> Option<Timestamp> {
        [self.due, self.repeat_at].into_iter().flatten().min()
    }
}

/// One channel, and how much it was told lately.
#[derive(Debug, Clone)]
pub(super) struct Lane {
    pub(super) channel: String,
    /// When the present minute of counting began.
    pub(super) minute: Option<Timestamp>,
    /// Notices since.
    pub(super) sent: u32,
    /// Alerts that wait for the next digest.
    pub(super) held: BTreeSet<Id>,
    /// By rule: those that are only counted in the next digest.
    pub(super) gone: BTreeMap<String, u64>,
    /// One of `gone`, the newest that nothing muted.
    pub(super) example: Option<Packed>,
    pub(super) digests: u32,
    pub(super) scheduled: Option<Timestamp>,
}

impl Lane {
    pub(super) fn new(channel: String) -> Self {
        Self {
            channel,
            minute: None,
            sent: 0,
            held: BTreeSet::new(),
            gone: BTreeMap::new(),
            example: None,
            digests: 0,
            scheduled: None,
        }
    }

    /// Begins a new minute if the present one is over.
    pub(super) fn turn(&mut self, now: Timestamp) {
        if self
            .minute
            .is_none_or(|minute| now >= after(minute, MINUTE))
        {
            self.minute = Some(now);
            self.sent = 0;
        }
    }

    /// Counts an alert in the next digest that is not shown in it, but as an example where nothing
    /// else is.
    pub(super) fn count_gone(&mut self, rule: &str, example: Option<Packed>) {
        *self.gone.entry(rule.to_owned()).or_default() += 1;
        self.example = example.or(self.example.take());
    }

    /// When the next digest is due. Numbers alone make none.
    pub(super) fn next(&self) -> Option<Timestamp> {
        let waits = !self.held.is_empty() || self.example.is_some();
        let minute = self.minute.unwrap_or(Timestamp::MIN);
        waits.then(|| after(minute, MINUTE))
    }
}

/// A silence that is listed.
#[derive(Debug, Clone)]
pub(super) struct HeldSilence {
    pub(super) silence: Silence,
    /// Its end was seen, and what it muted was told.
    pub(super) is_ended: bool,
}

/// The minute in which a channel's notices are counted.
const MINUTE: Span = Span::minutes(1);

/// What is due.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Due {
    Silence(Hash),
    Forget(Hash),
    Lane(u16),
    Group(Hash),
    Up(Id),
}

/// `time` plus `span`, held at the last time there is.
pub(super) fn after(time: Timestamp, span: Span) -> Timestamp {
    let micros = time.as_microsecond().saturating_add(span.as_micros());
    Timestamp::from_microsecond(micros).unwrap_or(Timestamp::MAX)
}
