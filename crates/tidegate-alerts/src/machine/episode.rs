//! One alert on one subject, from its first window at or above `fire_above` to its end.

use tidegate_model::{EventTime, Span};

use super::seen::Seen;
use crate::digest::digest;
use crate::measurement::Measurement;
use crate::rule::{Rule, STEPS_MAX, Sight};
use crate::transition::{AlertState, Why};
use crate::words::OnNoData;

/// Length of an alert's id in bytes; in text twice as many.
const ID_BYTES: usize = 16;

/// What an alert is about.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Subject {
    pub(super) kind: Box<str>,
    pub(super) id: Box<str>,
}

impl Subject {
    pub(super) fn of(row: &Measurement<'_>) -> Self {
        Self {
            kind: row.subject_kind.into(),
            id: row.subject.into(),
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
    /// At or below `clear_below` of its step since the end of this window.
    Recovering {
        since: EventTime,
    },
}

/// Why an episode sees nothing now.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Dark {
    NoData,
    Stale,
}

impl Dark {
    pub(super) fn state(self) -> AlertState {
        match self {
            Self::NoData => AlertState::NoData,
            Self::Stale => AlertState::Stale,
        }
    }
}

/// What one window did to an episode.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct EpisodeStep {
    /// What to tell, if anything.
    pub(super) change: Option<AlertState>,
    pub(super) why: Why,
    /// The threshold that decided.
    pub(super) threshold: Option<f64>,
    /// Whether the subject is back to normal.
    pub(super) over: bool,
}

impl EpisodeStep {
    fn go_on(change: Option<AlertState>) -> Self {
        Self {
            change,
            why: Why::Data,
            threshold: None,
            over: false,
        }
    }
}

/// One alert.
#[derive(Debug, Clone)]
pub(super) struct Episode {
    pub(super) id: Box<str>,
    pub(super) since: EventTime,
    pub(super) seen: Seen,
    pub(super) phase: Phase,
    /// The step of the rule on which it stands; the lowest while it is pending.
    pub(super) level: usize,
    /// For each step, since which window's end the value has been at or above its `fire_above`.
    pub(super) reached: [Option<EventTime>; STEPS_MAX],
    /// There is no data now, or too little.
    pub(super) dark: Option<Dark>,
    /// Its layer failed, and there was no value since.
    pub(super) failed: bool,
    /// It was raised since data was missing, and no value called for it since.
    pub(super) missing: bool,
    /// End of the last window that was not without any data.
    pub(super) heard: EventTime,
    /// Something was told of it, so its end must be told.
    pub(super) told: bool,
}

impl Episode {
    /// An alert on `subject` that is about to be raised since the window that ends at `at`.
    pub(super) fn begin(rule: &Rule, subject: &Subject, seen: Seen, at: EventTime) -> Self {
        let since = at.micros().to_le_bytes();
        let parts = [
            b"alert/1".as_slice(),
            rule.name().as_bytes(),
            subject.kind.as_bytes(),
            subject.id.as_bytes(),
            &since,
        ];
        Self {
            id: digest(parts, ID_BYTES).into(),
            since: at,
            seen,
            phase: Phase::Pending,
            level: 0,
            reached: [None; STEPS_MAX],
            dark: None,
            failed: false,
            missing: false,
            heard: at,
            told: false,
        }
    }

    /// Takes the window that ends at `at`.
    pub(super) fn step(&mut self, rule: &Rule, at: EventTime, sight: Sight) -> EpisodeStep {
        let value = match sight {
            Sight::Value(value) => value,
            Sight::Stale => {
                self.heard = at;
                return EpisodeStep::go_on(self.go_dark(Dark::Stale));
            }
            Sight::Nothing => return self.miss(rule, at),
        };
        self.heard = at;
        let was_dark = self.dark.take().is_some() | std::mem::take(&mut self.failed);
        let was_pending = self.phase == Phase::Pending;
        let (was_missing, left) = (self.missing, self.level);
        self.reach(rule, at, value);
        let next = self.next(rule, at, value);
        let change = match next {
            Some(_) if self.level > left && !was_pending => Some(AlertState::Escalated),
            Some(_) if self.level < left => Some(AlertState::Eased),
            Some(Phase::Firing) if was_pending => Some(AlertState::Firing),
            Some(_) if was_dark && !was_pending => Some(AlertState::Resumed),
            Some(_) => None,
            None => self.told.then_some(AlertState::Resolved),
        };
        self.told |= change.is_some();
        if let Some(phase) = next {
            self.phase = phase;
        }
        let is_left = matches!(change, Some(AlertState::Eased | AlertState::Resolved));
        let threshold = if is_left && !was_pending && !was_missing {
            rule.steps()[left].clear_below
        } else {
            rule.steps()[self.level].fire_above
        };
        EpisodeStep {
            change,
            why: if was_missing && next.is_none() {
                Why::DataIsBack
            } else {
                Why::Data
            },
            threshold: Some(threshold),
            over: next.is_none(),
        }
    }

    /// Takes a window for which the layer could not be evaluated.
    pub(super) fn fail(&mut self, at: EventTime) -> EpisodeStep {
        self.heard = at;
        self.stop_recovery();
        let is_told = self.failed || self.told && self.phase == Phase::Pending;
        self.failed = true;
        self.told = true;
        EpisodeStep::go_on((!is_told).then_some(AlertState::Error))
    }

    /// Is over, whatever its value, since its rule is not active.
    pub(super) fn close(&self) -> EpisodeStep {
        EpisodeStep {
            change: self.told.then_some(AlertState::Resolved),
            why: Why::Inactive,
            threshold: None,
            over: true,
        }
    }

    /// Is raised since data is missing.
    pub(super) fn raise_missing(&mut self) -> EpisodeStep {
        self.phase = Phase::Firing;
        self.missing = true;
        self.told = true;
        self.dark = Some(Dark::NoData);
        EpisodeStep {
            why: Why::NoData,
            ..EpisodeStep::go_on(Some(AlertState::Firing))
        }
    }

    /// Keeps for each step since when the value has reached it.
    fn reach(&mut self, rule: &Rule, at: EventTime, value: f64) {
        for (reached, step) in self.reached.iter_mut().zip(rule.steps()) {
            *reached = (value >= step.fire_above).then(|| reached.unwrap_or(at));
        }
    }

    /// The highest step whose `for` is over.
    fn highest(&self, rule: &Rule, at: EventTime) -> Option<usize> {
        let steps = rule.steps().iter().zip(self.reached);
        let is_over = |step: Span, since: Option<EventTime>| {
            since.is_some_and(|since| at.since(since) >= step)
        };
        let over = steps.map(|(step, since)| is_over(step.hold_for, since));
        over.enumerate()
            .filter_map(|(level, over)| over.then_some(level))
            .next_back()
    }

    /// The phase after `value`, on the step that the alert then stands on; `None` is normal.
    fn next(&mut self, rule: &Rule, at: EventTime, value: f64) -> Option<Phase> {
        let fires = value >= rule.lowest().fire_above;
        self.missing &= !fires;
        let highest = self.highest(rule, at);
        let since = match self.phase {
            Phase::Pending => {
                self.level = highest.unwrap_or(0);
                let raised = highest.map_or(Phase::Pending, |_| Phase::Firing);
                return fires.then_some(raised);
            }
            Phase::Firing => at,
            Phase::Recovering { since } => since,
        };
        if let Some(level) = highest.filter(|level| *level > self.level) {
            self.level = level;
            return Some(Phase::Firing);
        }
        if !self.clears(rule, value) {
            return Some(Phase::Firing);
        }
        if at.since(since) < rule.keep_firing_for() {
            return Some(Phase::Recovering { since });
        }
        self.level = self.level.checked_sub(1)?;
        Some(if self.clears(rule, value) {
            Phase::Recovering { since: at }
        } else {
            Phase::Firing
        })
    }

    /// Whether `value` ends its stay on its step. What only missing data raised ends with any value
    /// that would not raise it.
    fn clears(&self, rule: &Rule, value: f64) -> bool {
        self.missing || rule.clears_at(self.level, value)
    }

    /// Takes a window without any data.
    fn miss(&mut self, rule: &Rule, at: EventTime) -> EpisodeStep {
        let is_over = rule.on_no_data() == OnNoData::Resolve
            && at.since(self.heard) >= rule.no_data_after(self.seen.size);
        if !is_over {
            return EpisodeStep::go_on(self.go_dark(Dark::NoData));
        }
        EpisodeStep {
            why: Why::NoData,
            ..self.close()
        }
    }

    /// Goes without a value that is believed, which is told when it begins.
    fn go_dark(&mut self, dark: Dark) -> Option<AlertState> {
        self.stop_recovery();
        // A pending alert has nothing to tell between two gaps, so only the first is told.
        let is_told = self.dark.is_some() || self.told && self.phase == Phase::Pending;
        self.dark = self.dark.or(Some(dark));
        self.told = true;
        (!is_told).then_some(dark.state())
    }

    /// Nobody sees whether the recovery goes on.
    fn stop_recovery(&mut self) {
        if let Phase::Recovering { .. } = self.phase {
            self.phase = Phase::Firing;
        }
    }
}
