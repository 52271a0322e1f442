//! The steps of a rule: one threshold with its severity, or a ladder of them.

use tidegate_model::Span;

use super::STEPS_MAX;
use super::problems::Problems;
use crate::config::{RuleConfig, StepConfig};
use crate::words::Severity;

/// One step of a rule. The steps of a [`super::Rule`] ascend in severity and `fire_above`.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Step {
    /// How bad an alert on this step is.
    pub severity: Severity,
    /// The alert climbs to it at or above this value, in the layer's unit.
    pub fire_above: f64,
    /// The alert leaves it at or below this value; at most `fire_above`.
    pub clear_below: f64,
    /// Event time at or above `fire_above` before the alert climbs to it.
    pub hold_for: Span,
}

/// The steps of `config`; what is wrong with them goes to `problems`.
pub(super) fn checked(config: &RuleConfig, problems: &mut Problems) -> Vec<Step> {
    if config.step.is_empty() {
        return single(config, problems).into_iter().collect();
    }
    let hold_for = problems.span("for", &config.hold_for);
    for (key, is_there) in [
        ("fire_above", config.fire_above.is_some()),
        ("clear_below", config.clear_below.is_some()),
        ("severity", config.severity.is_some()),
    ] {
        if is_there {
            problems.add(
                key,
                "stands beside [[rule.step]], whose steps have their own",
            );
        }
    }
    if config.step.len() > STEPS_MAX {
        let message = format!("{} steps are more than {STEPS_MAX}", config.step.len());
        problems.add("step", message);
    }
    let mut steps: Vec<Step> = Vec::new();
    for (index, step) in config.step.iter().enumerate() {
        let path = format!("step[{index}].");
        problems.thresholds(&path, step.fire_above, step.clear_below);
        if let Some(below) = steps.last() {
            ascends(below, step, &path, problems);
        }
        let own = step.hold_for.as_deref();
        let own = own.map(|text| problems.span(&format!("{path}for"), text));
        steps.push(Step {
            severity: step.severity,
            fire_above: step.fire_above,
            clear_below: step.clear_below,
            hold_for: own.unwrap_or(hold_for).unwrap_or_default(),
        });
    }
    steps
}

fn single(config: &RuleConfig, problems: &mut Problems) -> Option<Step> {
    for (key, is_missing) in [
        ("fire_above", config.fire_above.is_none()),
        ("clear_below", config.clear_below.is_none()),
        ("severity", config.severity.is_none()),
    ] {
        if is_missing {
            problems.add(key, "is missing, and there is no [[rule.step]]");
        }
    }
    if let (Some(fire_above), Some(clear_below)) = (config.fire_above, config.clear_below) {
        problems.thresholds("", fire_above, clear_below);
    }
    let hold_for = problems.span("for", &config.hold_for);
    Some(Step {
        severity: config.severity?,
        fire_above: config.fire_above?,
        clear_below: config.clear_below?,
        hold_for: hold_for?,
    })
}

/// Notes what of `step` is not above the step before it.
fn ascends(below: &Step, step: &StepConfig, path: &str, problems: &mut Problems) {
    if step.severity <= below.severity {
        let (here, there) = (step.severity.as_str(), below.severity.as_str());
        let message = format!("{here} must be worse than {there} of the step before");
        problems.add(format!("{path}severity"), message);
    }
    let mut check = |key: &str, is_wrong: bool, message: String| {
        if is_wrong {
            problems.add(format!("{path}{key}"), message);
        }
    };
    check(
        "fire_above",
        step.fire_above <= below.fire_above,
        format!(
            "{} must be above {} of the step before",
            step.fire_above, below.fire_above
        ),
    );
    check(
        "clear_below",
        step.clear_below < below.clear_below,
        format!(
            "{} must be at or above {} of the step before",
            step.clear_below, below.clear_below
        ),
    );
}
