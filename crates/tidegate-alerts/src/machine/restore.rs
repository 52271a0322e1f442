//! A machine to its stored form and back.

use tidegate_model::{EventTime, Span};

use super::episode::{Episode, Phase, Seen, Subject};
use super::{AlertMachine, Watch};
use crate::rule::Rule;
use crate::state::{EpisodeState, LayerState, MachineState, PhaseState, RuleState, SeenState};

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
        let open = self.watches.iter().filter(|w| !w.episodes.is_empty());
        MachineState {
            refused: self.refused,
            layers: layers.collect(),
            rules: open.map(Watch::state).collect(),
        }
    }

    /// The machine of `rules` that goes on where `state` was taken. The settings are not in the
    /// state: give them again ([`AlertMachine::with_alerts_max`],
    /// [`AlertMachine::with_time_zone`]).
    ///
    /// # Errors
    /// [`RestoreError`], naming the rule, when `state` holds alerts of a rule that is gone or has
    /// changed, or holds something twice.
    ///
    /// # Panics
    /// When two rules have the same name, as [`AlertMachine::new`].
    pub fn restore(rules: Vec<Rule>, state: MachineState) -> Result<Self, RestoreError> {
        let mut machine = Self::new(rules);
        machine.refused = state.refused;
        for LayerState { layer, last_end } in state.layers {
            let last_end = EventTime::from_micros(last_end);
            if machine.last_end.insert(layer.clone(), last_end).is_some() {
                return Err(RestoreError::Repeated(format!("layer {layer:?}")));
            }
        }
        for rule in state.rules {
            machine.watch(&rule)?.restore(rule)?;
        }
        Ok(machine)
    }

    /// The watch of the rule under which the alerts of `state` were opened.
    fn watch(&mut self, state: &RuleState) -> Result<&mut Watch, RestoreError> {
        let (rule, alerts) = (state.rule.clone(), state.episodes.len());
        let found = self.watches.iter_mut().find(|w| w.rule.name() == rule);
        match found {
            None => Err(RestoreError::UnknownRule { rule, alerts }),
            Some(watch) if watch.rule.hash() != state.rule_hash => Err(RestoreError::ChangedRule {
                rule,
                alerts,
                stored: state.rule_hash.clone(),
                now: watch.rule.hash().to_owned(),
            }),
            Some(watch) if !watch.episodes.is_empty() => {
                Err(RestoreError::Repeated(format!("rule {rule:?}")))
            }
            Some(watch) => Ok(watch),
        }
    }
}

impl Watch {
    fn state(&self) -> RuleState {
        let episodes = self.episodes.iter();
        RuleState {
            rule: self.rule.name().to_owned(),
            rule_hash: self.rule.hash().to_owned(),
            episodes: episodes.map(|(s, episode)| episode.state(s)).collect(),
        }
    }

    fn restore(&mut self, state: RuleState) -> Result<(), RestoreError> {
        for episode in state.episodes {
            let subject = Subject {
                kind: episode.subject_kind.clone(),
                id: episode.subject.clone(),
            };
            let told = format!(
                "an alert of rule {:?} on {} {:?}",
                state.rule, subject.kind, subject.id
            );
            let episode = Episode::restore(episode);
            if self.episodes.insert(subject, episode).is_some() {
                return Err(RestoreError::Repeated(told));
            }
        }
        Ok(())
    }
}

impl Episode {
    fn state(&self, subject: &Subject) -> EpisodeState {
        EpisodeState {
            subject_kind: subject.kind.clone(),
            subject: subject.id.clone(),
            id: self.id.clone(),
            since: self.since.micros(),
            phase: match self.phase {
                Phase::Pending => PhaseState::Pending,
                Phase::Firing => PhaseState::Firing,
                Phase::Recovering { since } => PhaseState::Recovering(since.micros()),
            },
            dark: self.dark,
            told: self.told,
            seen: SeenState {
                end: self.seen.end.micros(),
                size: self.seen.size.as_micros(),
                name_zh: self.seen.name_zh.clone(),
                name_en: self.seen.name_en.clone(),
                unit: self.seen.unit.clone(),
                method: self.seen.method.clone(),
            },
        }
    }

    fn restore(state: EpisodeState) -> Self {
        Self {
            id: state.id,
            since: EventTime::from_micros(state.since),
            seen: Seen {
                end: EventTime::from_micros(state.seen.end),
                size: Span::micros(state.seen.size),
                name_zh: state.seen.name_zh,
                name_en: state.seen.name_en,
                unit: state.seen.unit,
                method: state.seen.method,
            },
            phase: match state.phase {
                PhaseState::Pending => Phase::Pending,
                PhaseState::Firing => Phase::Firing,
                PhaseState::Recovering(since) => Phase::Recovering {
                    since: EventTime::from_micros(since),
                },
            },
            dark: state.dark,
            told: state.told,
        }
    }
}

#[cfg(test)]
mod tests;
