//! Other rules for a run that goes on.

use super::event::alerts_told;
use crate::audit::AuditHead;
use crate::{Event, Problem, RuleChange, Runtime};

/// Rules that a run goes by, and the chain of their changes.
#[derive(Debug, Clone, serde::Serialize, serde::Deserialize)]
pub(super) struct RulesInForce {
    /// The text of `rules.toml`.
    pub(super) text: String,
    pub(super) audit: AuditHead,
}

/// Rules that a run cannot go by; the ones before stay.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("the rules cannot be changed: {}", list(.0))]
pub struct RulesError(pub Vec<Problem>);

fn list(problems: &[Problem]) -> String {
    let problems: Vec<String> = problems.iter().map(ToString::to_string).collect();
    problems.join("; ")
}

impl Runtime {
    /// The text of the rules in force.
    pub fn rules_text(&self) -> &str {
        &self.rules.text
    }

    /// Number of the audit entry by which the rules in force were written down; 0 for none yet.
    pub fn rules_version(&self) -> u64 {
        self.rules.audit.number()
    }

    /// Goes by other rules from the next window on; whether that was a change to be written down.
    pub(crate) fn change_rules(
        &mut self,
        task: i32,
        change: &RuleChange,
    ) -> Result<bool, RulesError> {
        let is_first = self.rules_version() == 0;
        if change.text == self.rules.text && !is_first {
            return Ok(false);
        }
        let rules = self.pipeline.rules_of(&change.text).map_err(RulesError)?;
        let before = std::mem::replace(&mut self.rules.text, change.text.clone());
        // The first entry says what there is, not what became different.
        let before = if is_first { "" } else { &before };
        let name = (&*self.pipeline.name, task);
        let entry = self.rules.audit.append(name, before, change);
        self.events.push_back(Event::Audit(Box::new(entry)));
        let transitions = self.alerts.replace_rules(rules);
        self.events
            .extend(alerts_told(&mut self.summary, transitions));
        Ok(true)
    }
}
