//! A machine to its stored form and back.

use tidegate_model::{EventTime, Span};

use super::AlertMachine;
use super::episode::{Dark, Episode, Phase, Subject};
use super::flaps::{Flap, Run};
use super::seen::Seen;
use super::watch::Watch;
use crate::rule::{Rule, STEPS_MAX};
use crate::state::{
    DarkState, EpisodeState, FlapState, KnownState, LayerState, MachineState, PhaseState,
    RuleState, RunState, SeenState,
};

/// Why a machine cannot go on from a stored state.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum RestoreError {
    /// Alerts of a rule that is not one of the machine's.
    #[error("{alerts} open alerts are of rule {rule:?}, which is gone")]
    UnknownRule {
        /// The rule.
        rule: String,
        /// How many of its alerts are open.
        alerts: usize,
    },
    /// Alerts of a rule that has changed since: its thresholds and texts are no longer theirs.
    #[error("{alerts} open alerts are of rule {rule:?} as {stored}, which is {now} now")]
    ChangedRule {
        /// The rule.
        rule: String,
        /// How many of its alerts are open.
        alerts: usize,
        /// The hash of the rule under which they were opened.
        stored: String,
        /// The hash of the rule as it is.
        now: String,
    },
    /// Two alerts of one rule on one subject, or one rule or layer twice.
    #[error("{0} is there twice")]
    Repeated(String),
}

impl AlertMachine {
    /// Everything that the machine remembers beside its rules and settings.
    pub fn state(&self) -> MachineState {
        let layers = self.last_end.iter().map(|(layer, last_end)| LayerState {
            layer: layer.clone(),
            last_end: last_end.micros(),
        });
        let used = self.watches.iter().filter(|watch| !watch.is_empty());
        MachineState {
            refused: self.limits.refused,
            forgotten: self.limits.forgotten,
            layers: layers.collect(),
            rules: used.map(Watch::state).collect(),
        }
    }

    /// The machine of `rules` that goes on where `state` was taken. The settings are not in the
    /// state: give them again ([`AlertMachine::with_alerts_max`],
    /// [`AlertMachine::with_subjects_max`], [`AlertMachine::with_time_zone`],
    /// [`AlertMachine::with_holidays`]).
    ///
    /// What a rule without open alerts remembers of its subjects is forgotten where the rule is
    /// gone or has changed.
    ///
    /// # Errors
    /// [`RestoreError`], naming the rule, when `state` holds alerts of a rule that is gone or has
    /// changed, or holds something twice.
    ///
    /// # Panics
    /// When two rules have the same name, as [`AlertMachine::new`].
    pub fn restore(rules: Vec<Rule>, state: MachineState) -> Result<Self, RestoreError> {
        let mut machine = Self::new(rules);
        machine.limits.refused = state.refused;
        machine.limits.forgotten = state.forgotten;
        for LayerState { layer, last_end } in state.layers {
            let last_end = EventTime::from_micros(last_end);
            if machine.last_end.insert(layer.clone(), last_end).is_some() {
                return Err(RestoreError::Repeated(format!("layer {layer:?}")));
            }
        }
        for rule in state.rules {
            if let Some(watch) = machine.watch(&rule)? {
                watch.restore(rule)?;
            }
        }
        let watches = machine.watches.iter();
        (machine.limits.open, machine.limits.subjects) = watches.fold((0, 0), |sum, watch| {
            (sum.0 + watch.episodes.len(), sum.1 + watch.subjects())
        });
        Ok(machine)
    }

    /// The watch of the rule under which the alerts of `state` were opened; none where there are
    /// none and the rule is another now.
    fn watch(&mut self, state: &RuleState) -> Result<Option<&mut Watch>, RestoreError> {
        let (rule, alerts) = (state.rule.clone(), state.episodes.len());
        let found = self.watches.iter_mut().find(|w| w.rule.name() == rule);
        match found {
            Some(watch) if watch.rule.hash() == state.rule_hash => {
                if watch.is_empty() {
                    Ok(Some(watch))
                } else {
                    Err(RestoreError::Repeated(format!("rule {rule:?}")))
                }
            }
            _ if alerts == 0 => Ok(None),
            None => Err(RestoreError::UnknownRule { rule, alerts }),
            Some(watch) => Err(RestoreError::ChangedRule {
                rule,
                alerts,
                stored: state.rule_hash.clone(),
                now: watch.rule.hash().to_owned(),
            }),
        }
    }
}

impl Watch {
    fn is_empty(&self) -> bool {
        self.episodes.is_empty() && self.subjects() == 0 && self.quiet_end == EventTime::MIN
    }

    fn state(&self) -> RuleState {
        let known = self.known.iter().map(|(subject, seen)| KnownState {
            subject_kind: subject.kind.to_string(),
            subject: subject.id.to_string(),
            seen: seen.state(),
        });
        let (episodes, flaps) = (self.episodes.iter(), self.flaps.0.iter());
        RuleState {
            rule: self.rule.name().to_owned(),
            rule_hash: self.rule.hash().to_owned(),
            episodes: episodes.map(|(s, episode)| episode.state(s)).collect(),
            flaps: flaps.map(|(s, flap)| flap.state(s)).collect(),
            known: known.collect(),
            quiet_end: self.quiet_end.micros(),
        }
    }

    fn restore(&mut self, state: RuleState) -> Result<(), RestoreError> {
        let rule = &state.rule;
        let levels = self.rule.steps().len();
        let repeated = |what: &str, subject: &Subject| {
            let (kind, id) = subject.key();
            let told = format!("{what} of rule {rule:?} on {kind} {id:?}");
            Err(RestoreError::Repeated(told))
        };
        for episode in state.episodes {
            let subject = Subject::restore(&episode.subject_kind, &episode.subject);
            let episode = Episode::restore(episode, levels);
            if self.episodes.insert(subject.clone(), episode).is_some() {
                return repeated("an alert", &subject);
            }
        }
        for flap in state.flaps {
            let subject = Subject::restore(&flap.subject_kind, &flap.subject);
            let flap = Flap::restore(flap);
            if self.flaps.0.insert(subject.clone(), flap).is_some() {
                return repeated("the changes", &subject);
            }
        }
        for known in state.known {
            let subject = Subject::restore(&known.subject_kind, &known.subject);
            let seen = Seen::restore(known.seen);
            if self.known.insert(subject.clone(), seen).is_some() {
                return repeated("what is known", &subject);
            }
        }
        self.quiet_end = EventTime::from_micros(state.quiet_end);
        Ok(())
    }
}

impl Subject {
    fn restore(kind: &str, id: &str) -> Self {
        Self {
            kind: kind.into(),
            id: id.into(),
        }
    }
}

impl Flap {
    fn state(&self, subject: &Subject) -> FlapState {
        let (changes, run) = match self {
            Self::Changes(changes) => (changes.iter().map(|at| at.micros()).collect(), None),
            Self::Run(run) => (Vec::new(), Some(run.state())),
        };
        FlapState {
            subject_kind: subject.kind.to_string(),
            subject: subject.id.to_string(),
            changes,
            run,
        }
    }

    fn restore(state: FlapState) -> Self {
        let changes = state.changes.into_iter().map(EventTime::from_micros);
        match state.run {
            Some(run) => Self::Run(Box::new(Run::restore(run))),
            None => Self::Changes(changes.collect()),
        }
    }
}

impl Run {
    fn state(&self) -> RunState {
        RunState {
            id: self.id.to_string(),
            since: self.since.micros(),
            level: stored_level(self.level),
            last: self.last.micros(),
            held: self.held,
            seen: self.seen.state(),
        }
    }

    fn restore(state: RunState) -> Self {
        Self {
            id: state.id.into(),
            since: EventTime::from_micros(state.since),
            level: usize::from(state.level),
            last: EventTime::from_micros(state.last),
            held: state.held,
            seen: Seen::restore(state.seen),
        }
    }
}

impl Episode {
    fn state(&self, subject: &Subject) -> EpisodeState {
        let reached = self.reached.iter();
        EpisodeState {
            subject_kind: subject.kind.to_string(),
            subject: subject.id.to_string(),
            id: self.id.to_string(),
            since: self.since.micros(),
            phase: match self.phase {
                Phase::Pending => PhaseState::Pending,
                Phase::Firing => PhaseState::Firing,
                Phase::Recovering { since } => PhaseState::Recovering(since.micros()),
            },
            level: stored_level(self.level),
            reached: reached.map(|at| at.map(EventTime::micros)).collect(),
            dark: self.dark.map(|dark| match dark {
                Dark::NoData => DarkState::NoData,
                Dark::Stale => DarkState::Stale,
            }),
            failed: self.failed,
            missing: self.missing,
            heard: self.heard.micros(),
            told: self.told,
            seen: self.seen.state(),
        }
    }

    /// An alert of a rule with so many `levels`.
    fn restore(state: EpisodeState, levels: usize) -> Self {
        let mut reached = [None; STEPS_MAX];
        for (at, stored) in reached.iter_mut().zip(state.reached) {
            *at = stored.map(EventTime::from_micros);
        }
        Self {
            id: state.id.into(),
            since: EventTime::from_micros(state.since),
            seen: Seen::restore(state.seen),
            phase: match state.phase {
                PhaseState::Pending => Phase::Pending,
                PhaseState::Firing => Phase::Firing,
                PhaseState::Recovering(since) => Phase::Recovering {
                    since: EventTime::from_micros(since),
                },
            },
            // The rule's hash is right, so it has the step.
            level: usize::from(state.level).min(levels - 1),
            reached,
            dark: state.dark.map(|dark| match dark {
                DarkState::NoData => Dark::NoData,
                DarkState::Stale => Dark::Stale,
            }),
            failed: state.failed,
            missing: state.missing,
            heard: EventTime::from_micros(state.heard),
            told: state.told,
        }
    }
}

impl Seen {
    fn state(&self) -> SeenState {
        let [name_zh, name_en, unit, method] = self.texts().map(str::to_owned);
        let tags = self.tags();
        SeenState {
            end: self.end.micros(),
            size: self.size.as_micros(),
            name_zh,
            name_en,
            unit,
            method,
            tags: tags
                .map(|(key, value)| (key.to_owned(), value.to_owned()))
                .collect(),
        }
    }

    fn restore(state: SeenState) -> Self {
        let texts = [&state.name_zh, &state.name_en, &state.unit, &state.method];
        let tags = state.tags.iter().flat_map(|(key, value)| [key, value]);
        let texts = texts.into_iter().chain(tags).map(String::as_str);
        let end = EventTime::from_micros(state.end);
        Self::new(end, Span::micros(state.size), texts)
    }
}

fn stored_level(level: usize) -> u8 {
    u8::try_from(level).expect("a rule has at most four steps")
}

#[cfg(test)]
mod tests;
