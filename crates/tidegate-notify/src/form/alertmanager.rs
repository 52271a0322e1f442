//! Alerts for a Prometheus Alertmanager, by `POST /api/v2/alerts`.
//!
//! Labels are the identity there, so the value is never among them. What fires has an `endsAt` that
//! lies ahead, since an Alertmanager ends by itself what nobody tells again; who sends has to tell
//! it again before that.

use std::collections::BTreeMap;
use std::time::Duration;

use jiff::Timestamp;
use serde_json::json;
use tidegate_alerts::wire::AlertRecord;
use tidegate_dispatch::{Notice, NoticeAlert};

use super::words::{cut, text, title};
use crate::config::Language;

/// Longest annotation, in bytes.
const ANNOTATION_BYTES_MAX: usize = 4_000;
/// Alerts of a request; more are sent with several.
pub const ALERTS_MAX: usize = 500;

/// What an Alertmanager is told of one alert, but for its end.
#[derive(Debug, Clone, PartialEq, serde::Serialize, serde::Deserialize)]
pub struct PushAlert {
    /// Its identity.
    pub labels: BTreeMap<String, String>,
    /// What else people read.
    pub annotations: BTreeMap<String, String>,
    /// Start of the episode.
    pub starts_at: String,
    /// Until when it stands by what the alert itself says.
    pub valid_until: Option<String>,
}

impl PushAlert {
    /// Of an alert.
    pub fn new(alert: &NoticeAlert) -> Self {
        let record = &alert.record;
        Self {
            labels: labels(record),
            annotations: annotations(alert),
            starts_at: record.since.clone(),
            valid_until: record.valid_until.clone(),
        }
    }

    /// The labels as one text.
    pub fn identity(&self) -> String {
        json!(self.labels).to_string()
    }
}

/// The labels of the product win over those of a rule. An Alertmanager drops empty ones.
fn labels(record: &AlertRecord) -> BTreeMap<String, String> {
    let own = record.labels.iter();
    let mut labels: BTreeMap<String, String> = own
        .map(|(name, value)| (label_name(name), value.clone()))
        .collect();
    for (name, value) in [
        ("alertname", record.rule.as_str()),
        ("rule", &record.rule),
        ("layer", &record.layer),
        ("subject_kind", &record.subject_kind),
        ("subject", &record.subject),
        ("severity", &record.severity),
        ("grid_unit", record.grid_unit.as_deref().unwrap_or_default()),
        ("owner", &record.owner),
    ] {
        labels.insert(name.to_owned(), value.to_owned());
    }
    labels.retain(|_, value| !value.is_empty());
    labels
}

/// What Prometheus takes for the name of a label: letters, digits and `_`, no digit first.
fn label_name(name: &str) -> String {
    let allowed = |c: char| c.is_ascii_alphanumeric() || c == '_';
    let name: String = name
        .chars()
        .map(|c| if allowed(c) { c } else { '_' })
        .collect();
    match name.chars().next() {
        Some('0'..='9') | None => format!("_{name}"),
        Some(_) => name,
    }
}

fn annotations(alert: &NoticeAlert) -> BTreeMap<String, String> {
    let record = &alert.record;
    let mut annotations = BTreeMap::new();
    let mut put = |name: &str, value: String| {
        if !value.is_empty() {
            annotations.insert(name.to_owned(), cut(&value, ANNOTATION_BYTES_MAX));
        }
    };
    put("title_zh", record.title_zh.clone());
    put("title_en", record.title_en.clone());
    put("text_zh", record.text_zh.clone());
    put("text_en", record.text_en.clone());
    put("name_zh", record.name_zh.clone());
    put("name_en", record.name_en.clone());
    // The two that most receivers' templates ask for.
    put("summary", record.title_en.clone());
    put("description", record.text_en.clone());
    put("value", value_text(record));
    put("state", record.state.clone());
    put("runbook_url", record.runbook.clone().unwrap_or_default());
    put("alert_id", record.id.clone());
    put("rule_hash", record.rule_hash.clone());
    put(
        "acknowledged_by",
        alert.acknowledged_by.clone().unwrap_or_default(),
    );
    annotations
}

/// `1.3 persons/m² (1.1 to 1.5)`.
fn value_text(record: &AlertRecord) -> String {
    let Some(value) = record.value else {
        return String::new();
    };
    let range = match (record.lo, record.hi) {
        (Some(lo), Some(hi)) => format!(" ({lo} to {hi})"),
        _ => String::new(),
    };
    format!("{value} {}{range}", record.unit)
}

/// One alert with its end: when it ended, or for what stands a time ahead of `now`, at least three
/// times the wait until it is told again.
pub fn entry(
    alert: &PushAlert,
    ended: Option<Timestamp>,
    now: Timestamp,
    resend: Duration,
) -> serde_json::Value {
    let ahead = || {
        let least = crate::retry::later(now, resend.saturating_mul(3));
        let valid = alert
            .valid_until
            .as_deref()
            .and_then(|text| text.parse().ok());
        valid.map_or(least, |valid: Timestamp| valid.max(least))
    };
    let mut end = ended.unwrap_or_else(ahead);
    // An end before the beginning is refused. Event time may be ahead of the clock on the wall.
    let start: Timestamp = alert.starts_at.parse().unwrap_or(now);
    end = end.max(start);
    json!({
        "labels": alert.labels,
        "annotations": alert.annotations,
        "startsAt": start,
        "endsAt": end,
    })
}

/// The alert that a notice without alerts is: a test ends after a minute. `None` for a summary,
/// which is nothing to an Alertmanager.
pub fn lone(notice: &Notice, now: Timestamp) -> Option<serde_json::Value> {
    if notice.kind != tidegate_dispatch::NoticeKind::Test {
        return None;
    }
    let end = crate::retry::later(now, Duration::from_mins(1));
    Some(json!({
        "labels": {"alertname": "TidegateTest", "severity": "info", "channel": notice.channel},
        "annotations": {
            "title_zh": title(notice, Language::Chinese),
            "title_en": title(notice, Language::English),
            "summary": title(notice, Language::English),
            "description": text(notice, Language::English),
        },
        "startsAt": now,
        "endsAt": end,
    }))
}
