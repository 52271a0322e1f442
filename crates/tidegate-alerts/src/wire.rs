//! The JSON form of an alert, as on the topic `tidegate.alert`. Its shape is a promise.

use std::collections::BTreeMap;

use crate::transition::AlertTransition;

/// One alert transition. Times are RFC 3339 in UTC, to the microsecond where they have one.
#[derive(Debug, Clone, PartialEq, serde::Serialize, serde::Deserialize, schemars::JsonSchema)]
pub struct AlertRecord {
    /// The alert's id: the same for all transitions of one episode, and in a replay.
    pub id: String,
    /// The rule's name.
    pub rule: String,
    /// The hash of the rule's content.
    pub rule_hash: String,
    /// The layer.
    pub layer: String,
    /// The kind of subject.
    pub subject_kind: String,
    /// The subject's id; a cell in hexadecimal.
    pub subject: String,
    /// The subject's name in Chinese.
    pub name_zh: String,
    /// The subject's name in English.
    pub name_en: String,
    /// `firing`, `resolved`, `no_data`, `stale`, `resumed`, `escalated`, `eased`, `flapping` or
    /// `error`.
    pub state: String,
    /// `info`, `watch`, `warning` or `critical`.
    pub severity: String,
    /// Start of the window that made the change.
    pub window_start: String,
    /// End of the window that made the change.
    pub window_end: String,
    /// The value, null without data.
    pub value: Option<f64>,
    /// Lower bound of its interval.
    pub lo: Option<f64>,
    /// Upper bound of its interval.
    pub hi: Option<f64>,
    /// Unit of the three.
    pub unit: String,
    /// The value's level.
    pub level: Option<String>,
    /// Share of the expected inputs, 0 to 1.
    pub coverage: Option<f64>,
    /// Age of the newest input at the window's end, in seconds.
    pub data_age_s: Option<f64>,
    /// The method's id.
    pub method: String,
    /// The headline in Chinese.
    pub title_zh: String,
    /// The headline in English.
    pub title_en: String,
    /// What to do, or what happened, in Chinese.
    pub text_zh: String,
    /// What to do, or what happened, in English.
    pub text_en: String,
    /// Who acts.
    pub owner: String,
    /// Start of the episode.
    pub since: String,
    /// Whether the window was final.
    pub is_final: bool,
    /// The subject's tags: `kind`, `grid_unit` and what else the reference data says of it.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub tags: BTreeMap<String, String>,
    /// The rule's own labels.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub labels: BTreeMap<String, String>,
    /// The grid unit that the subject lies in.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub grid_unit: Option<String>,
    /// Where to read what to do, from the rule.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub runbook: Option<String>,
    /// The threshold that decided: `fire_above` of the present step of the rule's ladder; of an
    /// alert that is eased or over, `clear_below` of the step that it left. Null where no value
    /// decided.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub threshold: Option<f64>,
    /// Until when this stands unless something newer is told, in event time: at least two windows
    /// on, and the rule's `keep_firing_for`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub valid_until: Option<String>,
    /// The rule records and must never notify.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub shadow: bool,
    /// Why it changed: `data`, `no_data`, `data_is_back`, `inactive`, `rule_gone`, `changes`, or
    /// `steady`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub why: Option<String>,
    /// The pipeline that gave it out; pipelines of one cluster share a topic.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pipeline: Option<String>,
}

impl From<&AlertTransition> for AlertRecord {
    fn from(alert: &AlertTransition) -> Self {
        Self {
            id: alert.id.clone(),
            rule: alert.rule.clone(),
            rule_hash: alert.rule_hash.clone(),
            layer: alert.layer.clone(),
            subject_kind: alert.subject_kind.clone(),
            subject: alert.subject.clone(),
            name_zh: alert.name_zh.clone(),
            name_en: alert.name_en.clone(),
            state: alert.state.as_str().to_owned(),
            severity: alert.severity.as_str().to_owned(),
            window_start: alert.window_start.to_string(),
            window_end: alert.window_end.to_string(),
            value: alert.value,
            lo: alert.lo,
            hi: alert.hi,
            unit: alert.unit.clone(),
            level: alert.level.clone(),
            coverage: alert.coverage,
            data_age_s: alert.data_age.map(tidegate_model::Span::as_seconds_f64),
            method: alert.method.clone(),
            title_zh: alert.title_zh.clone(),
            title_en: alert.title_en.clone(),
            text_zh: alert.text_zh.clone(),
            text_en: alert.text_en.clone(),
            owner: alert.owner.clone(),
            since: alert.since.to_string(),
            is_final: alert.is_final,
            tags: alert.tags.clone(),
            labels: alert.labels.clone(),
            grid_unit: alert.grid_unit.clone(),
            runbook: alert.runbook.clone(),
            threshold: alert.threshold,
            valid_until: Some(alert.valid_until.to_string()),
            shadow: alert.is_shadow,
            why: Some(alert.why.as_str().to_owned()),
            pipeline: None,
        }
    }
}
