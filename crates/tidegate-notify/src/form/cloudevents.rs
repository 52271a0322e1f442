//! CloudEvents 1.0 in structured mode (JSON format), one for each transition of an alert, for the
//! Kafka topic.
//!
//! The standard: <https://github.com/cloudevents/spec/blob/v1.0.2/cloudevents/spec.md> and its
//! JSON format, Kafka binding and `partitionkey` extension.

use serde::Serialize;
use tidegate_alerts::wire::AlertRecord;

/// The value of the Kafka header `content-type`.
pub const CONTENT_TYPE: &str = "application/cloudevents+json; charset=UTF-8";

/// An event for a Kafka topic.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KafkaEvent {
    /// The record's key: the alert's id, so that an alert's events stay in order.
    pub key: String,
    /// The record's value: JSON.
    pub value: Vec<u8>,
}

/// The attributes of the standard, in its order, then the extension, then the data.
#[derive(Debug, Serialize)]
struct Envelope<'a> {
    specversion: &'static str,
    id: String,
    source: &'a str,
    r#type: String,
    #[serde(skip_serializing_if = "str::is_empty")]
    subject: &'a str,
    time: &'a str,
    datacontenttype: &'static str,
    partitionkey: &'a str,
    data: &'a AlertRecord,
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
