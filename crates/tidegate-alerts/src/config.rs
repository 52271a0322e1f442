//! `rules.toml` as it is written. The documentation of these fields is the manual.

use std::collections::BTreeMap;
use std::fmt;

use serde::de::{self, Deserialize, Deserializer, SeqAccess, Visitor};

use crate::rule::{COVERAGE_MIN, FLAP_MAX};
use crate::words::{Compare, Mode, OnNoData, Severity};

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
    /// The alert is raised at or above this value, in the layer's unit. Either this, `clear_below`
    /// and `severity`, or `[[rule.step]]`s.
    #[serde(default)]
    pub fire_above: Option<f64>,
    /// The alert is over at or below this value; at most `fire_above`. Between the two an alert
    /// stays as it is. Equal to `fire_above`, the alert is over below it.
    #[serde(default)]
    pub clear_below: Option<f64>,
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
    #[serde(default)]
    pub severity: Option<Severity>,
    /// A ladder in place of `fire_above`, `clear_below` and `severity`: at most four steps,
    /// ascending in severity and in both thresholds. An alert goes up at once to the highest step
    /// reached (after that step's `for`), and down one step at a time, each after
    /// `keep_firing_for` at or below the `clear_below` of the step it stands on. It is over when
    /// it leaves the lowest.
    #[serde(default)]
    pub step: Vec<StepConfig>,
    /// What is compared with the two thresholds: `value` (default), or `lo`, the lower bound of
    /// its interval, to act only on what is certain.
    #[serde(default)]
    pub compare: Compare,
    /// What becomes of a subject that has no data: `keep` (default), `alert` or `resolve`.
    #[serde(default)]
    pub on_no_data: OnNoData,
    /// How long a subject must have been without data before `on_no_data` acts, in event time from
    /// the end of its last window with data. Default: twice the length of that window.
    #[serde(default)]
    pub no_data_after: Option<String>,
    /// An alert that changes more often than this within `flap_window` is told to be `flapping`,
    /// once, and its further changes are held back and counted until it has been steady for
    /// `flap_window`. At most 100, default `6`; `0` holds nothing back.
    #[serde(default = "flap_max")]
    pub flap_max: u32,
    /// The time in which `flap_max` counts, in event time. Default `1h`.
    #[serde(default = "one_hour")]
    pub flap_window: String,
    /// Names of `[[time_interval]]`s: the rule is active in any of them, judged at the end of each
    /// window. Outside of them no alert begins and an open one is over. Without it, always.
    #[serde(default)]
    pub active: Vec<String>,
    /// What goes with every alert of the rule, for those who route it: at most 32 labels, names of
    /// lower-case letters, digits and `_`.
    #[serde(default)]
    pub labels: BTreeMap<String, String>,
    /// Where to read what to do: an address or a path.
    #[serde(default)]
    pub runbook: Option<String>,
    /// `live` (default), or `shadow`: the rule is evaluated and recorded, and never notifies.
    #[serde(default)]
    pub mode: Mode,
    /// Who acts: a role, never a person.
    pub owner: String,
    /// The headline. Placeholders: `{name}`, `{value}`, `{lo}`, `{hi}`, `{unit}`,
    /// `{window_end}`, `{level}`.
    pub title: Texts,
    /// What the owner is to do; the same placeholders.
    #[serde(rename = "do")]
    pub action: Texts,
}

/// One `[[rule.step]]` of a ladder.
#[derive(Debug, Clone, PartialEq, serde::Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct StepConfig {
    /// How bad an alert on this step is; worse than on the step before.
    pub severity: Severity,
    /// The alert climbs to this step at or above this value; above that of the step before.
    pub fire_above: f64,
    /// The alert leaves this step at or below this value; at most `fire_above`, at least that of
    /// the step before.
    pub clear_below: f64,
    /// How long the value must have been at or above `fire_above`; without it, the rule's `for`.
    #[serde(default, rename = "for")]
    pub hold_for: Option<String>,
}

const fn flap_max() -> u32 {
    FLAP_MAX
}

fn one_hour() -> String {
    "1h".to_owned()
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
