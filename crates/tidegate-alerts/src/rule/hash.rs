//! The hash of everything in a rule, independent of how it was written. A promise: alerts of other
//! days carry it.

use super::{COVERAGE_MIN, FLAP_MAX, FLAP_WINDOW, Rule};
use crate::config::RuleConfig;
use crate::digest::digest;
use crate::words::{Mode, OnNoData};

/// Length of a rule's hash in bytes; in text twice as many.
const HASH_BYTES: usize = 8;

/// The hash of `rule`; the texts are those of `config`, which it was read from.
pub(super) fn of(rule: &Rule, config: &RuleConfig) -> String {
    let lowest = rule.lowest();
    // A list of allowed values is one part after another, so its length goes before it.
    let mut parts: Vec<String> = vec![
        "rule/1".to_owned(),
        rule.name.clone(),
        rule.layer.clone(),
        format!("{:?}", rule.subject_kind),
        rule.tags.len().to_string(),
    ];
    for (tag, values) in &rule.tags {
        parts.extend([tag.clone(), values.len().to_string()]);
        parts.extend(values.iter().cloned());
    }
    let thresholds = [lowest.fire_above, lowest.clear_below];
    parts.extend(thresholds.map(number));
    let spans = [lowest.hold_for, rule.keep_firing_for];
    parts.extend(spans.map(|span| span.as_micros().to_string()));
    parts.extend(
        [
            lowest.severity.as_str(),
            rule.compare.as_str(),
            &rule.owner,
            &config.title.zh,
            &config.title.en,
            &config.action.zh,
            &config.action.en,
        ]
        .map(str::to_owned),
    );
    parts.extend(newer(rule));
    digest(parts.iter().map(String::as_bytes), HASH_BYTES)
}

/// What came later than the hash: rules that leave it out keep the hash that they had before there
/// was such a key. No two of these parts begin with the same word.
fn newer(rule: &Rule) -> Vec<String> {
    let mut parts = Vec::new();
    if rule.coverage_min.total_cmp(&COVERAGE_MIN).is_ne() {
        parts.push(format!("coverage_min {}", number(rule.coverage_min)));
    }
    for step in &rule.steps[1..] {
        parts.push(format!(
            "step {} {} {} {}",
            step.severity.as_str(),
            number(step.fire_above),
            number(step.clear_below),
            step.hold_for.as_micros()
        ));
    }
    if rule.on_no_data != OnNoData::Keep {
        parts.push(format!("on_no_data {}", rule.on_no_data.as_str()));
    }
    if let Some(span) = rule.no_data_after {
        parts.push(format!("no_data_after {}", span.as_micros()));
    }
    if rule.flap_max != usize::try_from(FLAP_MAX).expect("it is small") {
        parts.push(format!("flap_max {}", rule.flap_max));
    }
    if rule.flap_window != FLAP_WINDOW {
        parts.push(format!("flap_window {}", rule.flap_window.as_micros()));
    }
    for interval in &rule.active {
        parts.push(format!("active {}", interval.content()));
    }
    for (label, value) in &rule.labels {
        parts.push(format!("label {label} {value}"));
    }
    if let Some(runbook) = &rule.runbook {
        parts.push(format!("runbook {runbook}"));
    }
    if rule.mode != Mode::Live {
        parts.push(format!("mode {}", rule.mode.as_str()));
    }
    parts
}

/// A number as text; one zero of two.
fn number(value: f64) -> String {
    format!("{:?}", value + 0.0)
}
