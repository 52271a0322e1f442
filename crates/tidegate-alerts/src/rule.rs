//! A rule whose every part was checked.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use tidegate_model::Span;

use crate::config::{Compare, RuleConfig, Severity, Texts};
use crate::digest::digest;
use crate::measurement::Measurement;
use crate::template::Template;

/// The share of expected input below which a value is not believed, unless the rule says otherwise.
pub(crate) const COVERAGE_MIN: f64 = 0.5;

const NAME_CHARS_MAX: usize = 64;

/// Length of a rule's hash in bytes; in text twice as many.
const HASH_BYTES: usize = 8;

/// One thing that is wrong with a rule, for a person.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Problem {
    /// The key, as a path from the rule: `clear_below`, `title.zh-CN`, `where.kind`.
    pub key: String,
    /// What is wrong, with the values.
    pub message: String,
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.key, self.message)
    }
}

/// A text in both languages.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Templates {
    pub(crate) zh: Template,
    pub(crate) en: Template,
}

/// A checked rule.
#[derive(Debug, Clone, PartialEq)]
pub struct Rule {
    name: String,
    layer: String,
    subject_kind: Option<String>,
    tags: BTreeMap<String, BTreeSet<String>>,
    fire_above: f64,
    clear_below: f64,
    hold_for: Span,
    keep_firing_for: Span,
    severity: Severity,
    compare: Compare,
    coverage_min: f64,
    owner: String,
    title: Templates,
    action: Templates,
    hash: String,
}

impl Rule {
    /// Checks one rule.
    ///
    /// # Errors
    /// All problems, in the order of the fields.
    pub fn try_new(config: &RuleConfig) -> Result<Self, Vec<Problem>> {
        let mut problems = Problems::default();
        problems.name(&config.name);
        problems.text("layer", &config.layer);
        if let Some(kind) = &config.subject_kind {
            problems.text("subject_kind", kind);
        }
        let mut tags = BTreeMap::new();
        for (tag, values) in &config.tags {
            let values: BTreeSet<String> = values.0.iter().cloned().collect();
            if values.is_empty() {
                problems.add(format!("where.{tag}"), "allows no value at all");
            }
            tags.insert(tag.clone(), values);
        }
        problems.thresholds(config.fire_above, config.clear_below);
        problems.share("coverage_min", config.coverage_min);
        let hold_for = problems.span("for", &config.hold_for);
        let keep_firing_for = problems.span("keep_firing_for", &config.keep_firing_for);
        problems.text("owner", &config.owner);
        let title = problems.templates("title", &config.title);
        let action = problems.templates("do", &config.action);
        match (hold_for, keep_firing_for, title, action) {
            (Some(hold_for), Some(keep_firing_for), Some(title), Some(action))
                if problems.0.is_empty() =>
            {
                Ok(Self {
                    name: config.name.clone(),
                    layer: config.layer.clone(),
                    subject_kind: config.subject_kind.clone(),
                    hash: hash(config, &tags, [hold_for, keep_firing_for]),
                    tags,
                    fire_above: config.fire_above,
                    clear_below: config.clear_below,
                    hold_for,
                    keep_firing_for,
                    severity: config.severity,
                    compare: config.compare,
                    coverage_min: config.coverage_min,
                    owner: config.owner.clone(),
                    title,
                    action,
                })
            }
            _ => Err(problems.0),
        }
    }

    /// The rule's name.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The layer whose rows it reads.
    pub fn layer(&self) -> &str {
        &self.layer
    }

    /// How bad its alerts are.
    pub fn severity(&self) -> Severity {
        self.severity
    }

    /// Who acts on its alerts.
    pub fn owner(&self) -> &str {
        &self.owner
    }

    /// Sixteen hexadecimal digits that change with anything in the rule: texts, thresholds,
    /// times. The way a value is written does not matter: `60s` is `1m`.
    pub fn hash(&self) -> &str {
        &self.hash
    }

    /// Event time at or above `fire_above` before an alert is raised.
    pub fn hold_for(&self) -> Span {
        self.hold_for
    }

    /// Event time at or below `clear_below` before an alert is over.
    pub fn keep_firing_for(&self) -> Span {
        self.keep_firing_for
    }

    pub(crate) fn title(&self) -> &Templates {
        &self.title
    }

    pub(crate) fn action(&self) -> &Templates {
        &self.action
    }

    /// Whether the rule is about the subject of `row`.
    pub(crate) fn matches(&self, row: &Measurement<'_>) -> bool {
        let kind = self.subject_kind.as_deref();
        kind.is_none_or(|kind| kind == row.subject_kind)
            && self.tags.iter().all(|(tag, allowed)| {
                row.tags
                    .iter()
                    .any(|(key, value)| key == tag && allowed.contains(*value))
            })
    }

    /// What of `row` is compared with the thresholds; `None` for a row that says nothing.
    pub(crate) fn compared(&self, row: &Measurement<'_>) -> Option<f64> {
        let value = row.value.filter(|value| value.is_finite())?;
        match self.compare {
            Compare::Value => Some(value),
            Compare::Lo => row.lo.filter(|lo| lo.is_finite()),
        }
    }

    /// What `row` shows of its subject.
    pub(crate) fn sight(&self, row: &Measurement<'_>) -> Sight {
        let value = self.compared(row);
        let fires = value.is_some_and(|value| self.fires_at(value));
        let scarce = row.coverage.is_some_and(|share| share < self.coverage_min);
        match value {
            _ if scarce && !fires => Sight::Stale,
            Some(value) => Sight::Value(value),
            None => Sight::Nothing,
        }
    }

    /// Whether `value` calls for an alert.
    pub(crate) fn fires_at(&self, value: f64) -> bool {
        value >= self.fire_above
    }

    /// Whether `value` ends an alert.
    pub(crate) fn clears_at(&self, value: f64) -> bool {
        value <= self.clear_below && !self.fires_at(value)
    }
}

/// What a window shows of a subject.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) enum Sight {
    /// A value that is believed.
    Value(f64),
    /// Too little of the expected input to say that all is well.
    Stale,
    /// No row, or one without a value.
    Nothing,
}

/// The hash of everything in a rule, independent of how it was written.
fn hash(
    config: &RuleConfig,
    tags: &BTreeMap<String, BTreeSet<String>>,
    spans: [Span; 2],
) -> String {
    // A list of allowed values is one part after another, so its length goes before it.
    let mut parts: Vec<String> = vec![
        "rule/1".to_owned(),
        config.name.clone(),
        config.layer.clone(),
        format!("{:?}", config.subject_kind),
        tags.len().to_string(),
    ];
    for (tag, values) in tags {
        parts.extend([tag.clone(), values.len().to_string()]);
        parts.extend(values.iter().cloned());
    }
    // `+ 0.0` makes one zero of two.
    parts.extend([config.fire_above, config.clear_below].map(|value| format!("{:?}", value + 0.0)));
    parts.extend(spans.map(|span| span.as_micros().to_string()));
    parts.extend(
        [
            config.severity.as_str(),
            config.compare.as_str(),
            &config.owner,
            &config.title.zh,
            &config.title.en,
            &config.action.zh,
            &config.action.en,
        ]
        .map(str::to_owned),
    );
    // Rules that leave it out keep the hash that they had before there was such a key.
    if config.coverage_min.total_cmp(&COVERAGE_MIN).is_ne() {
        parts.push(format!("coverage_min {:?}", config.coverage_min + 0.0));
    }
    digest(parts.iter().map(String::as_bytes), HASH_BYTES)
}

/// Problems found so far.
#[derive(Debug, Default)]
struct Problems(Vec<Problem>);

impl Problems {
    fn add(&mut self, key: impl Into<String>, message: impl Into<String>) {
        self.0.push(Problem {
            key: key.into(),
            message: message.into(),
        });
    }

    fn text(&mut self, key: &str, text: &str) {
        if text.trim().is_empty() {
            self.add(key, "is empty");
        }
    }

    fn name(&mut self, name: &str) {
        let allowed = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || "-_".contains(c);
        if name.is_empty() || name.len() > NAME_CHARS_MAX || !name.chars().all(allowed) {
            self.add(
                "name",
                format!(
                    "{name:?} is not 1 to {NAME_CHARS_MAX} lower-case letters, digits, - and _"
                ),
            );
        }
    }

    fn thresholds(&mut self, fire_above: f64, clear_below: f64) {
        let mut finite = true;
        for (key, value) in [("fire_above", fire_above), ("clear_below", clear_below)] {
            if !value.is_finite() {
                self.add(key, format!("{value} is not a finite number"));
                finite = false;
            }
        }
        if finite && clear_below > fire_above {
            self.add(
                "clear_below",
                format!("{clear_below} must be at or below fire_above {fire_above}"),
            );
        }
    }

    fn share(&mut self, key: &str, value: f64) {
        if !(0.0..=1.0).contains(&value) {
            self.add(key, format!("{value} is not a share from 0 to 1"));
        }
    }

    fn span(&mut self, key: &str, text: &str) -> Option<Span> {
        text.parse()
            .map_err(|error: tidegate_model::ParseTimeError| self.add(key, error.to_string()))
            .ok()
    }

    fn templates(&mut self, key: &str, texts: &Texts) -> Option<Templates> {
        let mut read = |language: &str, text: &str| {
            Template::try_new(text)
                .map_err(|problem| self.add(format!("{key}.{language}"), problem))
                .ok()
        };
        let (zh, en) = (read("zh-CN", &texts.zh), read("en", &texts.en));
        Some(Templates { zh: zh?, en: en? })
    }
}

#[cfg(test)]
mod tests;
