//! The checks of a rule's parts; each says what is wrong and where.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use tidegate_model::Span;

use super::{Problem, Templates};
use crate::config::{OneOrMany, Texts};
use crate::interval::{TimeInterval, TimeIntervals};
use crate::template::Template;

const NAME_CHARS_MAX: usize = 64;

const LABELS_MAX: usize = 32;

/// The most changes that `flap_max` may let through.
const CHANGES_MAX: u32 = 100;

/// Labels by which alerts are told apart.
const OWN_LABELS: [&str; 7] = [
    "alertname",
    "layer",
    "rule",
    "severity",
    "state",
    "subject",
    "subject_kind",
];

/// Problems found so far.
#[derive(Debug, Default)]
pub(super) struct Problems(Vec<Problem>);

impl Problems {
    pub(super) fn add(&mut self, key: impl Into<String>, message: impl Into<String>) {
        self.0.push(Problem::new(key, message));
    }

    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    pub(super) fn into_list(self) -> Vec<Problem> {
        self.0
    }

    pub(super) fn text(&mut self, key: &str, text: &str) {
        if text.trim().is_empty() {
            self.add(key, "is empty");
        }
    }

    pub(super) fn name(&mut self, name: &str) {
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

    /// Checks the two thresholds under `path`.
    pub(super) fn thresholds(&mut self, path: &str, fire_above: f64, clear_below: f64) {
        let mut finite = true;
        for (key, value) in [("fire_above", fire_above), ("clear_below", clear_below)] {
            if !value.is_finite() {
                self.add(
                    format!("{path}{key}"),
                    format!("{value} is not a finite number"),
                );
                finite = false;
            }
        }
        if finite && clear_below > fire_above {
            self.add(
                format!("{path}clear_below"),
                format!("{clear_below} must be at or below fire_above {fire_above}"),
            );
        }
    }

    pub(super) fn share(&mut self, key: &str, value: f64) {
        if !(0.0..=1.0).contains(&value) {
            self.add(key, format!("{value} is not a share from 0 to 1"));
        }
    }

    pub(super) fn span(&mut self, key: &str, text: &str) -> Option<Span> {
        text.parse()
            .map_err(|error: tidegate_model::ParseTimeError| self.add(key, error.to_string()))
            .ok()
    }

    pub(super) fn templates(&mut self, key: &str, texts: &Texts) -> Option<Templates> {
        let mut read = |language: &str, text: &str| {
            Template::try_new(text)
                .map_err(|problem| self.add(format!("{key}.{language}"), problem))
                .ok()
        };
        let (zh, en) = (read("zh-CN", &texts.zh), read("en", &texts.en));
        Some(Templates { zh: zh?, en: en? })
    }

    pub(super) fn tags(
        &mut self,
        tags: &BTreeMap<String, OneOrMany>,
    ) -> BTreeMap<String, BTreeSet<String>> {
        let mut checked = BTreeMap::new();
        for (tag, values) in tags {
            let values: BTreeSet<String> = values.0.iter().cloned().collect();
            if values.is_empty() {
                self.add(format!("where.{tag}"), "allows no value at all");
            }
            checked.insert(tag.clone(), values);
        }
        checked
    }

    pub(super) fn flap_max(&mut self, changes: u32) -> usize {
        if changes > CHANGES_MAX {
            self.add("flap_max", format!("{changes} is more than {CHANGES_MAX}"));
        }
        usize::try_from(changes.min(CHANGES_MAX)).expect("100 fits")
    }

    pub(super) fn active(
        &mut self,
        names: &[String],
        intervals: &TimeIntervals,
    ) -> Vec<Arc<TimeInterval>> {
        let mut found: Vec<Arc<TimeInterval>> = Vec::new();
        for name in names {
            if let Some(interval) = intervals.get(name) {
                found.push(Arc::clone(interval));
            } else {
                let known: Vec<&str> = intervals.names().collect();
                let known = match known.as_slice() {
                    [] => "there is none".to_owned(),
                    known => format!("there are {}", known.join(", ")),
                };
                let message = format!("{name:?} is not the name of a [[time_interval]]: {known}");
                self.add("active", message);
            }
        }
        found.sort_by(|a, b| a.name().cmp(b.name()));
        found.dedup_by(|a, b| a.name() == b.name());
        found
    }

    pub(super) fn labels(&mut self, labels: &BTreeMap<String, String>) {
        if labels.len() > LABELS_MAX {
            let message = format!("{} labels are more than {LABELS_MAX}", labels.len());
            self.add("labels", message);
        }
        let allowed = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_';
        for (label, value) in labels {
            let key = format!("labels.{label}");
            if OWN_LABELS.contains(&label.as_str()) {
                self.add(key, "is a label that every alert has of itself");
            } else if !label.chars().all(allowed)
                || !label.starts_with(|c: char| c.is_ascii_lowercase())
            {
                let message = format!("{label:?} is not lower-case letters, digits and _");
                self.add(key, message);
            } else {
                self.text(&key, value);
            }
        }
    }
}
