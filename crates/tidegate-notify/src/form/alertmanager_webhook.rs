//! Alertmanager's webhook payload, version 4: written for tools that read it, and read so that the
//! alerts of Prometheus are shown beside ours.
//!
//! The form: <https://prometheus.io/docs/alerting/latest/configuration/#webhook_config>.

mod read;
mod record;

use std::collections::BTreeMap;

use jiff::Timestamp;
use serde::Serialize;
use sha2::{Digest, Sha256};
use tidegate_alerts::wire::AlertRecord;
use tidegate_dispatch::Notice;

pub use super::alertmanager::{LABELS_MAX, labels};
use super::alertmanager::{label_name, label_value};
use super::text;
pub use read::{ExternalAlert, ExternalGroup, ReadLimits, WebhookFault, read};
pub use record::{LAYER, record};

/// The value of the header `Content-Type`.
pub const CONTENT_TYPE: &str = "application/json";
/// What Go writes for no time: the end of an alert that still fires.
pub const NO_TIME: &str = "0001-01-01T00:00:00Z";

/// What is the same in all payloads of a channel.
#[derive(Debug, Clone)]
pub struct WebhookConfig {
    /// The receiver's name; the channel's is a good one.
    pub receiver: String,
    /// Where people look at alerts, without a slash at the end; links are made of it.
    pub external_url: String,
    /// Most alerts in one payload, `None` for all; the rest is counted in `truncatedAlerts`.
    pub alerts_max: Option<usize>,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct Payload<'a> {
    version: &'static str,
    group_key: String,
    truncated_alerts: u64,
    status: &'static str,
    receiver: &'a str,
    group_labels: BTreeMap<String, String>,
    common_labels: BTreeMap<String, String>,
    common_annotations: BTreeMap<String, String>,
    #[serde(rename = "externalURL")]
    external_url: &'a str,
    alerts: Vec<Alert>,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct Alert {
    status: &'static str,
    labels: BTreeMap<String, String>,
    annotations: BTreeMap<String, String>,
    starts_at: String,
    ends_at: String,
    #[serde(rename = "generatorURL")]
    generator_url: String,
    fingerprint: String,
}

/// The payload of a notice. A notice without alerts (a test, a summary) gives none of them, and its
/// headline and body as common annotations.
pub fn payload(notice: &Notice, config: &WebhookConfig) -> Vec<u8> {
    let shown = config.alerts_max.unwrap_or(usize::MAX);
    let alerts: Vec<Alert> = notice
        .alerts
        .iter()
        .take(shown)
        .map(|alert| alert_of(&alert.record, config))
        .collect();
    let cut = notice.alerts.len() - alerts.len();
    let is_firing = notice
        .alerts
        .iter()
        .any(|alert| alert.record.state != "resolved");
    let mut common_annotations = common(alerts.iter().map(|alert| &alert.annotations));
    if alerts.is_empty() {
        common_annotations = own_annotations(notice);
    }
    let group_labels: BTreeMap<_, _> = notice
        .group
        .iter()
        .map(|(name, value)| (label_name(name), label_value(value)))
        .collect();
    let payload = Payload {
        version: "4",
        group_key: group_key(&group_labels),
        truncated_alerts: u64::from(notice.held_back) + cut as u64,
        status: if is_firing { "firing" } else { "resolved" },
        receiver: &config.receiver,
        group_labels,
        common_labels: common(alerts.iter().map(|alert| &alert.labels)),
        common_annotations,
        external_url: &config.external_url,
        alerts,
    };
    serde_json::to_vec(&payload).expect("a payload is always written")
}

fn alert_of(record: &AlertRecord, config: &WebhookConfig) -> Alert {
    let is_resolved = record.state == "resolved";
    Alert {
        status: if is_resolved { "resolved" } else { "firing" },
        fingerprint: fingerprint(record),
        labels: labels(record),
        annotations: annotations(record),
        starts_at: rfc3339(&record.since),
        ends_at: if is_resolved {
            rfc3339(&record.window_end)
        } else {
            NO_TIME.to_owned()
        },
        generator_url: format!("{}/alerts/{}", config.external_url, record.id),
    }
}

fn annotations(record: &AlertRecord) -> BTreeMap<String, String> {
    let value = text::value(record).unwrap_or_default();
    let threshold = record.threshold.map(text::number).unwrap_or_default();
    [
        (
            "summary",
            text::alert_title(record, text::Language::English),
        ),
        (
            "summary_zh",
            text::alert_title(record, text::Language::Chinese),
        ),
        (
            "description",
            text::alert_text(record, text::Language::English),
        ),
        (
            "description_zh",
            text::alert_text(record, text::Language::Chinese),
        ),
        ("place", text::subject_name(record, text::Language::English)),
        (
            "place_zh",
            text::subject_name(record, text::Language::Chinese),
        ),
        ("value", value),
        ("threshold", threshold),
        ("severity", text::line(&record.severity, 40)),
        ("state", text::line(&record.state, 40)),
        ("rule_hash", text::line(&record.rule_hash, 80)),
        (
            "runbook_url",
            label_value(record.runbook.as_deref().unwrap_or_default()),
        ),
    ]
    .into_iter()
    .filter(|(_, value)| !value.is_empty())
    .map(|(name, value)| (name.to_owned(), value))
    .collect()
}

fn own_annotations(notice: &Notice) -> BTreeMap<String, String> {
    let title = text::notice_title(notice, text::Language::English);
    let body = text::notice_text(notice, text::Language::English).unwrap_or_default();
    [("summary", title), ("description", body)]
        .into_iter()
        .filter(|(_, value)| !value.is_empty())
        .map(|(name, value)| (name.to_owned(), value))
        .collect()
}

/// The pairs that all have.
fn common<'a>(
    maps: impl Iterator<Item = &'a BTreeMap<String, String>>,
) -> BTreeMap<String, String> {
    let mut maps = maps;
    let mut common = maps.next().cloned().unwrap_or_default();
    for map in maps {
        common.retain(|name, value| map.get(name) == Some(value));
    }
    common
}

/// As Alertmanager writes it: a route, then the labels.
fn group_key(labels: &BTreeMap<String, String>) -> String {
    let pairs: Vec<String> = labels
        .iter()
        .map(|(name, value)| format!("{name}={value:?}"))
        .collect();
    format!("{{}}:{{{}}}", pairs.join(", "))
}

/// 16 hexadecimal digits, the same over an episode, whatever becomes of its severity.
fn fingerprint(record: &AlertRecord) -> String {
    let digest = Sha256::digest(record.id.as_bytes());
    let first: [u8; 8] = std::array::from_fn(|at| digest[at]);
    format!("{:016x}", u64::from_be_bytes(first))
}

fn rfc3339(at: &str) -> String {
    at.parse::<Timestamp>()
        .map_or_else(|_| NO_TIME.to_owned(), |at| at.to_string())
}
