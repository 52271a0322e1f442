//! Alerts for a Prometheus Alertmanager, by `POST /api/v2/alerts`.
//!
//! Labels are the identity there, so what changes is never among them. What fires has an `endsAt` that
//! lies ahead, since an Alertmanager ends by itself what nobody tells again; who sends has to tell
//! it again before that.

use std::collections::BTreeMap;
use std::time::Duration;

use jiff::Timestamp;
use serde_json::json;
use tidegate_alerts::wire::AlertRecord;
use tidegate_dispatch::{Notice, NoticeAlert};

use super::text::{self, Language, cut, notice_body, notice_title};

/// Longest annotation, in bytes.
const ANNOTATION_BYTES_MAX: usize = 4_000;
/// Alerts of a request; more are sent with several.
pub const ALERTS_MAX: usize = 500;
/// Most tags and labels of a record that become labels, besides the product's own seven.
pub const LABELS_MAX: usize = 48;
/// Longest name of a label; what is longer is cut.
const LABEL_NAME_CHARS_MAX: usize = 120;

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

/// What identifies an alert and what it is routed by, the same in a push and in a webhook.
///
/// Never what changes while an alert stands: neither its value nor its severity, with which the
/// alert would end and another begin in the eyes of an Alertmanager, out of every silence for it. A
/// rule's own label `severity` is constant and is kept. Tags of the subject and labels of the rule
/// come first, so that ours win; an Alertmanager drops empty ones.
pub fn labels(record: &AlertRecord) -> BTreeMap<String, String> {
    let mut labels = BTreeMap::new();
    for (name, value) in record.tags.iter().chain(&record.labels).take(LABELS_MAX) {
        labels.insert(label_name(name), label_value(value));
    }
    let own = [
        ("alertname", record.rule.as_str()),
        ("rule", &record.rule),
        ("layer", &record.layer),
        ("subject_kind", &record.subject_kind),
        ("subject", &record.subject),
        ("owner", &record.owner),
        ("grid_unit", record.grid_unit.as_deref().unwrap_or_default()),
    ];
    labels.extend(own.map(|(name, value)| (name.to_owned(), label_value(value))));
    labels.retain(|_, value| !value.is_empty());
    labels
}

/// `name` with what Prometheus does not allow replaced by `_`.
pub(crate) fn label_name(name: &str) -> String {
    let mut out: String = name
        .chars()
        .take(LABEL_NAME_CHARS_MAX)
        .map(|c| if c.is_ascii_alphanumeric() { c } else { '_' })
        .collect();
    if !out.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_') {
        out.insert(0, '_');
    }
    out
}

pub(crate) fn label_value(value: &str) -> String {
    text::paragraph(value, text::TEXT_CHARS_MAX)
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
    put("severity", record.severity.clone());
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
            "title_zh": notice_title(notice, Language::Chinese),
            "title_en": notice_title(notice, Language::English),
            "summary": notice_title(notice, Language::English),
            "description": notice_body(notice, Language::English),
        },
        "startsAt": now,
        "endsAt": end,
    }))
}
