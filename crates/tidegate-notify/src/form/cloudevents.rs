//! CloudEvents 1.0 in structured mode (JSON format), one for each transition of an alert, for the
//! Kafka topic.
//!
//! This crate has no Kafka client: the program gives `kafka` channels a [`crate::Deliver`] that
//! produces what [`events`] gives, and says [`crate::Outcome::Delivered`] once all are acknowledged.
//! A notice that is tried again, or told again, repeats the ids of its events.
//!
//! The standard: <https://github.com/cloudevents/spec/blob/v1.0.2/cloudevents/spec.md> and its
//! JSON format, Kafka binding and `partitionkey` extension.

use serde::Serialize;
use tidegate_alerts::wire::AlertRecord;
use tidegate_dispatch::{Notice, NoticeKind};

/// The value of the Kafka header `content-type`, which [`KafkaEvent::HEADERS`] has.
pub const CONTENT_TYPE: &str = "application/cloudevents+json; charset=UTF-8";

/// An event for a Kafka topic.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KafkaEvent {
    /// The record's key: the alert's id, so that an alert's events stay in order.
    pub key: String,
    /// The record's value: JSON.
    pub value: Vec<u8>,
}

impl KafkaEvent {
    /// The headers of every record.
    pub const HEADERS: [(&'static str, &'static str); 1] = [("content-type", CONTENT_TYPE)];
}

/// The attributes of the standard, in its order, then the extension, then the data.
#[derive(Debug, Serialize)]
struct Envelope<'a, D> {
    specversion: &'static str,
    id: String,
    source: &'a str,
    r#type: String,
    #[serde(skip_serializing_if = "str::is_empty")]
    subject: &'a str,
    time: &'a str,
    datacontenttype: &'static str,
    partitionkey: &'a str,
    data: D,
}

/// What is told where there is no alert.
#[derive(Debug, Serialize)]
struct Words<'a> {
    kind: NoticeKind,
    title_zh: Option<&'a str>,
    title_en: Option<&'a str>,
    text_zh: Option<&'a str>,
    text_en: Option<&'a str>,
}

/// All events of a notice: one for each alert, and for a test or a summary, which has none, one of
/// the type `org.tidegate.notice.test` or `….summary` with its words, whose id is the notice's.
pub fn events(notice: &Notice, source: &str) -> Vec<KafkaEvent> {
    if notice.alerts.is_empty() {
        return vec![lone(notice, source)];
    }
    let records = notice.alerts.iter().map(|alert| &alert.record);
    records.map(|record| event(record, source)).collect()
}

fn lone(notice: &Notice, source: &str) -> KafkaEvent {
    let kind = match notice.kind {
        NoticeKind::Alert => "alert",
        NoticeKind::Repeat => "repeat",
        NoticeKind::Escalation => "escalation",
        NoticeKind::Digest => "digest",
        NoticeKind::Summary => "summary",
        NoticeKind::Test => "test",
    };
    let envelope = Envelope {
        specversion: "1.0",
        id: notice.id.clone(),
        source,
        r#type: format!("org.tidegate.notice.{kind}"),
        subject: "",
        time: &notice.created.to_string(),
        datacontenttype: "application/json",
        partitionkey: &notice.id,
        data: Words {
            kind: notice.kind,
            title_zh: notice.title_zh.as_deref(),
            title_en: notice.title_en.as_deref(),
            text_zh: notice.text_zh.as_deref(),
            text_en: notice.text_en.as_deref(),
        },
    };
    KafkaEvent {
        key: notice.id.clone(),
        value: serde_json::to_vec(&envelope).expect("texts are always written"),
    }
}

/// The event of a record. `source` is a URI reference that names the installation and the pipeline,
/// such as `/tidegate/pipelines/city`; with it, the id is unique: alert, end of the window and
/// state, since an alert changes once in a window. A replay repeats it.
pub fn event(record: &AlertRecord, source: &str) -> KafkaEvent {
    let envelope = Envelope {
        specversion: "1.0",
        id: format!("{}.{}.{}", record.id, record.window_end, record.state),
        source,
        r#type: event_type(&record.state),
        subject: &record.subject,
        time: &record.window_end,
        datacontenttype: "application/json",
        partitionkey: &record.id,
        data: record,
    };
    KafkaEvent {
        key: record.id.clone(),
        value: serde_json::to_vec(&envelope).expect("a record is always written"),
    }
}

/// `org.tidegate.alert.firing` and so on.
pub fn event_type(state: &str) -> String {
    let word: String = state
        .chars()
        .filter(|c| c.is_ascii_lowercase() || *c == '_')
        .collect();
    format!("org.tidegate.alert.{word}")
}
