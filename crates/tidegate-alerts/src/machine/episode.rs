//! One alert on one subject, from its first window at or above `fire_above` to its end.

use tidegate_model::{EventTime, Span};

use crate::digest::digest;
use crate::measurement::Measurement;
use crate::rule::{Rule, Sight};
use crate::transition::AlertState;

/// Length of an alert's id in bytes; in text twice as many.
const ID_BYTES: usize = 16;

/// What an alert is about.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Subject {
    pub(super) kind: String,
    pub(super) id: String,
}

impl Subject {
    pub(super) fn of(row: &Measurement<'_>) -> Self {
        Self {
            kind: row.subject_kind.to_owned(),
            id: row.subject.to_owned(),
        }
    }

    pub(super) fn key(&self) -> (&str, &str) {
        (&self.kind, &self.id)
    }
}

/// Where an episode stands. Normal is no episode at all.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Phase {
    Pending,
    Firing,
    Recovering { since: EventTime },
}

/// What one window did to an episode.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct EpisodeStep {
    /// What to tell, if anything.
    pub(super) change: Option<AlertState>,
    /// Whether the subject is back to normal.
    pub(super) over: bool,
}

/// What is told of a subject whose row is missing.
#[derive(Debug, Clone)]
pub(super) struct Seen {
    pub(super) end: EventTime,
    pub(super) size: Span,
    pub(super) name_zh: String,
    pub(super) name_en: String,
    pub(super) unit: String,
    pub(super) method: String,
}

/// One alert.
#[derive(Debug, Clone)]
pub(super) struct Episode {
    pub(super) id: String,
    pub(super) since: EventTime,
    pub(super) seen: Seen,
    pub(super) phase: Phase,
    /// There is no data now, or too little.
    pub(super) dark: bool,
    /// Something was told of it, so its end must be told.
    pub(super) told: bool,
}

impl Episode {
    /// A pending alert whose first window ends at `at`.
    pub(super) fn begin(rule_name: &str, row: &Measurement<'_>, at: EventTime) -> Self {
        let since = at.micros().to_le_bytes();
        let parts = [
            b"alert/1".as_slice(),
            rule_name.as_bytes(),
            row.subject_kind.as_bytes(),
            row.subject.as_bytes(),
            &since,
        ];
        Self {
            id: digest(parts, ID_BYTES),
            since: at,
            seen: Seen::of(row),
            phase: Phase::Pending,
            dark: false,
            told: false,
        }
    }

    /// Remembers a row with a value, for windows without one.
    pub(super) fn see(&mut self, row: &Measurement<'_>) {
        self.seen = Seen::of(row);
    }

    /// Takes the window that ends at `at`.
    pub(super) fn step(&mut self, rule: &Rule, at: EventTime, sight: Sight) -> EpisodeStep {
        let value = match sight {
            Sight::Value(value) => value,
            Sight::Stale => return self.go_dark(AlertState::Stale),
            Sight::Nothing => return self.go_dark(AlertState::NoData),
        };
        let was_dark = std::mem::take(&mut self.dark);
        let was_pending = self.phase == Phase::Pending;
        let next = self.next(rule, at, value);
        let change = match next {
            Some(Phase::Firing) if was_pending => Some(AlertState::Firing),
            Some(_) if was_dark && !was_pending => Some(AlertState::Resumed),
            Some(_) => None,
            None => self.told.then_some(AlertState::Resolved),
        };
        self.told |= change.is_some();
        if let Some(phase) = next {
            self.phase = phase;
        }
        EpisodeStep {
            change,
            over: next.is_none(),
        }
    }

    /// The phase after `value`; `None` is normal.
    fn next(&self, rule: &Rule, at: EventTime, value: f64) -> Option<Phase> {
        match self.phase {
            Phase::Pending if !rule.fires_at(value) => None,
            Phase::Pending if at.since(self.since) < rule.hold_for() => Some(Phase::Pending),
            Phase::Pending => Some(Phase::Firing),
            Phase::Firing | Phase::Recovering { .. } if !rule.clears_at(value) => {
                Some(Phase::Firing)
            }
            Phase::Firing | Phase::Recovering { .. } => {
                let since = match self.phase {
                    Phase::Recovering { since } => since,
                    Phase::Pending | Phase::Firing => at,
                };
                (at.since(since) < rule.keep_firing_for()).then_some(Phase::Recovering { since })
            }
        }
    }

    /// Goes without a value that is believed, which is told as `state` when it begins.
    fn go_dark(&mut self, state: AlertState) -> EpisodeStep {
        if let Phase::Recovering { .. } = self.phase {
            self.phase = Phase::Firing;
        }
        // A pending alert has nothing to tell between two gaps, so only the first is told.
        let is_told = self.dark || self.told && self.phase == Phase::Pending;
        let change = (!is_told).then_some(state);
        self.dark = true;
        self.told = true;
        EpisodeStep {
            change,
            over: false,
        }
    }
}

impl Seen {
    fn of(row: &Measurement<'_>) -> Self {
        Self {
            end: row.window_end,
            size: row.window_end.since(row.window_start),
            name_zh: row.name_zh.to_owned(),
            name_en: row.name_en.to_owned(),
            unit: row.unit.to_owned(),
            method: row.method.to_owned(),
        }
    }
}
