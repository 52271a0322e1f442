//! What an alert must be like, checked.

use std::collections::{BTreeMap, BTreeSet};

use tidegate_alerts::wire::AlertRecord;
use tidegate_alerts::{OneOrMany, Severity};

use crate::config::MatchConfig;
use crate::problem::Problems;
use crate::tree::GridTree;

/// Conditions that all must hold. Part of stored silences: the order of fields is a promise.
#[derive(Debug, Clone, PartialEq, Eq, Default, serde::Serialize, serde::Deserialize)]
pub struct Matchers {
    /// Its rule is one of these; none asks for nothing, as in all lists here.
    pub rule: BTreeSet<String>,
    /// It is at least so bad: the word.
    pub severity_min: Option<String>,
    /// It is at most so bad: the word.
    pub severity_max: Option<String>,
    /// Its subject is of one of these kinds.
    pub subject_kind: BTreeSet<String>,
    /// Its subject is one of these.
    pub subject: BTreeSet<String>,
    /// It lies in one of these grid units, or below.
    pub grid_unit: BTreeSet<String>,
    /// Its owner is one of these.
    pub owner: BTreeSet<String>,
    /// Tags of its subject with their allowed values.
    pub tags: BTreeMap<String, BTreeSet<String>>,
    /// Labels of its rule with their allowed values.
    pub labels: BTreeMap<String, BTreeSet<String>>,
}

impl Matchers {
    /// Checks conditions; what is wrong is told under `key`.
    pub(crate) fn check(
        config: &MatchConfig,
        key: &str,
        tree: &GridTree,
        problems: &mut Problems,
    ) -> Self {
        let mut list = |name: &str, values: &Option<OneOrMany>| match values {
            None => BTreeSet::new(),
            Some(values) => allowed(&format!("{key}.{name}"), values, problems),
        };
        let mut this = Self {
            rule: list("rule", &config.rule),
            severity_min: config.severity_min.map(|word| word.as_str().to_owned()),
            severity_max: config.severity_max.map(|word| word.as_str().to_owned()),
            subject_kind: list("subject_kind", &config.subject_kind),
            subject: list("subject", &config.subject),
            grid_unit: list("grid_unit", &config.grid_unit),
            owner: list("owner", &config.owner),
            ..Self::default()
        };
        for unit in this.grid_unit.iter().filter(|unit| !tree.contains(unit)) {
            let message = format!("{unit:?} is not a grid unit: name one of the tree");
            problems.add(format!("{key}.grid_unit"), message);
        }
        if let (Some(min), Some(max)) = (config.severity_min, config.severity_max)
            && min > max
        {
            let (min, max) = (min.as_str(), max.as_str());
            let message = format!("{max} is below severity_min {min}: no alert is both");
            problems.add(format!("{key}.severity_max"), message);
        }
        for (name, values) in &config.tags {
            let values = allowed(&format!("{key}.tags.{name}"), values, problems);
            this.tags.insert(name.clone(), values);
        }
        for (name, values) in &config.labels {
            let values = allowed(&format!("{key}.labels.{name}"), values, problems);
            this.labels.insert(name.clone(), values);
        }
        this
    }

    /// Whether it asks for nothing.
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }

    /// The first condition that `alert`, which lies in the grid units `chain`, does not meet.
    pub(crate) fn unmet(&self, alert: &AlertRecord, chain: &[&str]) -> Option<String> {
        let is_in = |set: &BTreeSet<String>, value: &str| set.is_empty() || set.contains(value);
        let severity = severity(&alert.severity);
        let word = |word: &Option<String>| word.as_deref().map(self::severity);
        let lies_in =
            self.grid_unit.is_empty() || chain.iter().any(|unit| self.grid_unit.contains(*unit));
        let fields = [
            ("rule", is_in(&self.rule, &alert.rule)),
            (
                "severity_min",
                word(&self.severity_min).is_none_or(|min| severity >= min),
            ),
            (
                "severity_max",
                word(&self.severity_max).is_none_or(|max| severity <= max),
            ),
            (
                "subject_kind",
                is_in(&self.subject_kind, &alert.subject_kind),
            ),
            ("subject", is_in(&self.subject, &alert.subject)),
            ("grid_unit", lies_in),
            ("owner", is_in(&self.owner, &alert.owner)),
        ];
        if let Some((name, _)) = fields.iter().find(|(_, met)| !met) {
            return Some((*name).to_owned());
        }
        let unmet = |wanted: &BTreeMap<String, BTreeSet<String>>,
                     has: &BTreeMap<String, String>| {
            let met = |name: &String, allowed: &BTreeSet<String>| {
                has.get(name).is_some_and(|value| allowed.contains(value))
            };
            let mut wanted = wanted.iter();
            wanted
                .find(|(name, allowed)| !met(name, allowed))
                .map(|(name, _)| name.clone())
        };
        unmet(&self.tags, &alert.tags)
            .map(|name| format!("tags.{name}"))
            .or_else(|| unmet(&self.labels, &alert.labels).map(|name| format!("labels.{name}")))
    }

    /// Whether all conditions hold.
    pub(crate) fn hold(&self, alert: &AlertRecord, chain: &[&str]) -> bool {
        self.unmet(alert, chain).is_none()
    }
}

fn allowed(key: &str, values: &OneOrMany, problems: &mut Problems) -> BTreeSet<String> {
    if values.0.is_empty() {
        problems.add(key, "allows no value at all: give one or leave it out");
    }
    problems.texts(key, &values.0)
}

/// The severity that the word of a record says; an unknown word is the worst, so that nobody
/// misses what a newer version tells.
pub(crate) fn severity(word: &str) -> Severity {
    match word {
        "info" => Severity::Info,
        "watch" => Severity::Watch,
        "warning" => Severity::Warning,
        _ => Severity::Critical,
    }
}

/// The field, tag or label of `alert` that is called `name`.
pub(crate) fn field<'a>(alert: &'a AlertRecord, name: &str) -> Option<&'a str> {
    match name {
        "rule" => Some(&alert.rule),
        "layer" => Some(&alert.layer),
        "subject" => Some(&alert.subject),
        "subject_kind" => Some(&alert.subject_kind),
        "severity" => Some(&alert.severity),
        "grid_unit" => unit_of(alert),
        "owner" => Some(&alert.owner),
        _ => {
            let value = alert.labels.get(name).or_else(|| alert.tags.get(name));
            value.map(String::as_str)
        }
    }
}

/// The grid unit that `alert` is about or lies in.
pub(crate) fn unit_of(alert: &AlertRecord) -> Option<&str> {
    let own = || (alert.subject_kind == "grid_unit").then_some(alert.subject.as_str());
    let tag = || alert.tags.get("grid_unit").map(String::as_str);
    alert.grid_unit.as_deref().or_else(tag).or_else(own)
}
