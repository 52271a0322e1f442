//! `rules.toml` as it is written. The documentation of these fields is the manual.

use std::collections::BTreeMap;
use std::fmt;

use crate::rule::COVERAGE_MIN;
use serde::de::{self, Deserialize, Deserializer, SeqAccess, Visitor};

/// One `[[rule]]`: when an alert is raised on a layer, when it is over, and what it says.
///
/// ```toml
/// [[rule]]
/// name = "market-crush"
/// layer = "density"
/// subject_kind = "venue"
/// where = { kind = ["market", "supermarket"] }
/// fire_above = 4.0
/// clear_below = 3.0
/// for = "5m"
/// keep_firing_for = "10m"
/// severity = "critical"
/// owner = "grid-duty"
/// title = { zh-CN = "{name}人群过密：{value} {unit}", en = "{name} is crushed: {value} {unit}" }
/// do = { zh-CN = "暂停入场，引导分流。", en = "Stop entry and lead people away." }
/// ```
#[derive(Debug, Clone, PartialEq, serde::Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct RuleConfig {
    /// The rule's name, part of every alert's id: lower-case letters, digits, `-` and `_`, at
    /// most 64 of them, unique in the pipeline.
    pub name: String,
    /// The layer whose final rows the rule reads.
    pub layer: String,
    /// Only rows of this kind of subject: `cell`, `venue`, `site`, `grid_unit` or `city`.
    /// Without it, all rows.
    #[serde(default)]
    pub subject_kind: Option<String>,
    /// Only subjects with these tags: each tag's value, or a list of allowed values.
    /// All tags must match. Without it, all subjects.
    #[serde(default, rename = "where")]
    pub tags: BTreeMap<String, OneOrMany>,
    /// The alert is raised at or above this value, in the layer's unit.
    pub fire_above: f64,
    /// The alert is over at or below this value; at most `fire_above`. Between the two an alert
    /// stays as it is. Equal to `fire_above`, the alert is over below it.
    pub clear_below: f64,
    /// How long the value must have been at or above `fire_above`, in every window, before the
    /// alert is raised. Event time from the end of the first such window to the end of this one:
    /// with windows of 5 minutes, `10m` raises at the third. Default `0s`: at the first.
    #[serde(default = "no_time", rename = "for")]
    pub hold_for: String,
    /// How long the value must have been at or below `clear_below`, in every window, before the
    /// alert is over; counted like `for`. Default `0s`: at the first such window.
    #[serde(default = "no_time")]
    pub keep_firing_for: String,
    /// A value that calls for no alert is believed only where this share of the expected input was
    /// there, 0 to 1: below it the alert's state stays as it is, and is told as `stale`. A value at
    /// or above `fire_above` is believed anyway: what is missing would only add to it. Rows without
    /// a coverage are believed. Default `0.5`; `0.0` believes everything.
    #[serde(default = "half")]
    pub coverage_min: f64,
    /// How bad it is: `info`, `watch`, `warning` or `critical`.
    pub severity: Severity,
    /// What is compared with the two thresholds: `value` (default), or `lo`, the lower bound of
    /// its interval, to act only on what is certain.
    #[serde(default)]
    pub compare: Compare,
    /// Who acts: a role, never a person.
    pub owner: String,
    /// The headline. Placeholders: `{name}`, `{value}`, `{lo}`, `{hi}`, `{unit}`,
    /// `{window_end}`, `{level}`.
    pub title: Texts,
    /// What the owner is to do; the same placeholders.
    #[serde(rename = "do")]
    pub action: Texts,
}

fn no_time() -> String {
    "0s".to_owned()
}

const fn half() -> f64 {
    COVERAGE_MIN
}

/// A text in both languages of the product.
#[derive(Debug, Clone, PartialEq, Eq, serde::Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Texts {
    /// Simplified Chinese.
    #[serde(rename = "zh-CN")]
    pub zh: String,
    /// English.
    pub en: String,
}

/// How bad an alert is, from a note to an emergency.
#[derive(
    Debug,
    Clone,
    Copy,
    PartialEq,
    Eq,
    PartialOrd,
    Ord,
    Hash,
    serde::Deserialize,
    schemars::JsonSchema,
)]
#[serde(rename_all = "snake_case")]
pub enum Severity {
    /// Worth knowing.
    Info,
    /// Look at it.
    Watch,
    /// Get ready.
    Warning,
    /// Act now.
    Critical,
}

impl Severity {
    /// The word used in files, JSON and SQL.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Info => "info",
            Self::Watch => "watch",
            Self::Warning => "warning",
            Self::Critical => "critical",
        }
    }
}

/// What a rule compares with its thresholds.
#[derive(
    Debug,
    Clone,
    Copy,
    PartialEq,
    Eq,
    PartialOrd,
    Ord,
    Hash,
    Default,
    serde::Deserialize,
    schemars::JsonSchema,
)]
#[serde(rename_all = "snake_case")]
pub enum Compare {
    /// The value itself.
    #[default]
    Value,
    /// The lower bound of its interval. A row without one is a row without data.
    Lo,
}

impl Compare {
    /// The word used in files.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Value => "value",
            Self::Lo => "lo",
        }
    }
}

/// One text, or a list of texts.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OneOrMany(pub Vec<String>);

impl<'de> Deserialize<'de> for OneOrMany {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Texts;

        impl<'de> Visitor<'de> for Texts {
            type Value = OneOrMany;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a text or a list of texts")
            }

            fn visit_str<E: de::Error>(self, text: &str) -> Result<OneOrMany, E> {
                Ok(OneOrMany(vec![text.to_owned()]))
            }

            fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<OneOrMany, A::Error> {
                let mut texts = Vec::new();
                while let Some(text) = seq.next_element()? {
                    texts.push(text);
                }
                Ok(OneOrMany(texts))
            }
        }

        deserializer.deserialize_any(Texts)
    }
}

impl schemars::JsonSchema for OneOrMany {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "OneOrMany".into()
    }

    fn json_schema(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
        schemars::json_schema!({
            "anyOf": [
                { "type": "string" },
                { "type": "array", "items": { "type": "string" }, "minItems": 1 }
            ]
        })
    }
}
