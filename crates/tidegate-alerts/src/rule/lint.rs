//! What is allowed in a rule and seldom meant.

use std::collections::{BTreeMap, BTreeSet};

use tidegate_model::Span;

use super::{Rule, Templates};
use crate::template::Field;
use crate::words::Compare;

/// Something in a rule that deserves a second look.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Warning {
    /// The rule's name.
    pub rule: String,
    /// The key, as a path from the rule.
    pub key: String,
    /// What is wrong with it.
    pub message: String,
}

/// All warnings on `rules`, in their order. `duties` are the roles that are known to act; without
/// them, owners are not looked up.
///
/// Warned of are: no hysteresis, `for` of zero, no runbook, an owner nobody knows, two rules of one
/// severity on one layer and subject, texts that are the same in both languages, and titles that
/// do not say who or how much.
pub fn lint(rules: &[Rule], duties: Option<&BTreeSet<String>>) -> Vec<Warning> {
    let mut warnings = Vec::new();
    let mut first: BTreeMap<String, &str> = BTreeMap::new();
    for rule in rules {
        let mut warn = |key: String, message: String| {
            warnings.push(Warning {
                rule: rule.name.clone(),
                key,
                message,
            });
        };
        steps(rule, &mut warn);
        if rule.runbook.is_none() {
            let message = "is missing: who is woken by an alert reads there what to do";
            warn("runbook".to_owned(), message.to_owned());
        }
        if let Some(known) = duties.filter(|known| !known.contains(&rule.owner)) {
            let known: Vec<&str> = known.iter().map(String::as_str).collect();
            let message = format!("{:?} is none of {}", rule.owner, known.join(", "));
            warn("owner".to_owned(), message);
        }
        texts("title", &rule.title, &mut warn);
        texts("do", &rule.action, &mut warn);
        titles(rule, &mut warn);
        for step in &rule.steps {
            let times: Vec<&str> = rule.active().collect();
            let about = (&rule.layer, &rule.subject_kind, &rule.tags, times);
            let place = format!("{about:?} {}", step.severity.as_str());
            match first.get(place.as_str()) {
                Some(other) => warn(
                    "severity".to_owned(),
                    format!(
                        "{} on layer {} and the same subjects is what rule {other:?} has",
                        step.severity.as_str(),
                        rule.layer
                    ),
                ),
                None => {
                    first.insert(place, &rule.name);
                }
            }
        }
    }
    warnings
}

fn steps(rule: &Rule, warn: &mut impl FnMut(String, String)) {
    let is_ladder = rule.steps.len() > 1;
    for (index, step) in rule.steps.iter().enumerate() {
        let path = if is_ladder {
            format!("step[{index}].")
        } else {
            String::new()
        };
        if step.clear_below >= step.fire_above {
            let message = format!(
                "{} is fire_above too: without a band between them a value at the threshold \
                 raises and ends an alert again and again",
                step.clear_below
            );
            warn(format!("{path}clear_below"), message);
        }
        if step.hold_for == Span::ZERO {
            let message = "is zero: a single window raises the alert";
            warn(format!("{path}for"), message.to_owned());
        }
    }
}

/// What a title must say: who, where there are several, and how much: what the rule compares.
fn titles(rule: &Rule, warn: &mut impl FnMut(String, String)) {
    let is_one = rule.subject_kind.as_deref() == Some("city");
    let (amounts, amount) = match rule.compare {
        Compare::Value => (&[Field::Value][..], "{value}"),
        Compare::Lo => (&[Field::Lo, Field::Value][..], "{lo}"),
    };
    for (language, title) in [("zh-CN", &rule.title.zh), ("en", &rule.title.en)] {
        let mut lacks = |word| warn(format!("title.{language}"), format!("is without {word}"));
        if !is_one && !title.has(Field::Name) {
            lacks("{name}");
        }
        if !amounts.iter().any(|field| title.has(*field)) {
            lacks(amount);
        }
    }
}

fn texts(key: &str, texts: &Templates, warn: &mut impl FnMut(String, String)) {
    if texts.zh == texts.en {
        warn(key.to_owned(), "is the same in both languages".to_owned());
    }
}
