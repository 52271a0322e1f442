//! Alert records as they are held and stored: packed, since a hundred thousand of them are.

use tidegate_alerts::wire::AlertRecord;
use tidegate_model::{EventTime, Span, parse_rfc3339};

/// Every field of a record in its order. The record's own form leaves fields out, which a format
/// without names cannot read back.
#[derive(serde::Serialize, serde::Deserialize)]
#[serde(remote = "AlertRecord")]
struct Form {
    id: String,
    rule: String,
    rule_hash: String,
    layer: String,
    subject_kind: String,
    subject: String,
    name_zh: String,
    name_en: String,
    state: String,
    severity: String,
    window_start: String,
    window_end: String,
    value: Option<f64>,
    lo: Option<f64>,
    hi: Option<f64>,
    unit: String,
    level: Option<String>,
    coverage: Option<f64>,
    data_age_s: Option<f64>,
    method: String,
    title_zh: String,
    title_en: String,
    text_zh: String,
    text_en: String,
    owner: String,
    since: String,
    is_final: bool,
    tags: std::collections::BTreeMap<String, String>,
    labels: std::collections::BTreeMap<String, String>,
    grid_unit: Option<String>,
    runbook: Option<String>,
    threshold: Option<f64>,
    valid_until: Option<String>,
    shadow: bool,
    why: Option<String>,
    pipeline: Option<String>,
}

#[derive(serde::Serialize)]
struct Writing<'a>(#[serde(with = "Form")] &'a AlertRecord);

#[derive(serde::Deserialize)]
struct Reading(#[serde(with = "Form")] AlertRecord);

/// A record as bytes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Packed(Box<[u8]>);

impl Packed {
    pub(crate) fn new(record: &AlertRecord) -> Self {
        let bytes = postcard::to_stdvec(&Writing(record));
        Self(
            bytes
                .expect("texts and numbers can be written")
                .into_boxed_slice(),
        )
    }

    /// The bytes of a stored state; `None` where they are no record.
    pub(crate) fn from_bytes(bytes: &[u8]) -> Option<Self> {
        postcard::from_bytes::<Reading>(bytes).ok()?;
        Some(Self(bytes.into()))
    }

    pub(crate) fn bytes(&self) -> &[u8] {
        &self.0
    }

    pub(crate) fn unpack(&self) -> AlertRecord {
        let reading: Reading = postcard::from_bytes(&self.0).expect("they were made by `new`");
        reading.0
    }
}

/// What a transition says of an alert, as far as telling it goes.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, serde::Serialize, serde::Deserialize,
)]
pub(crate) enum Change {
    /// It was raised, or something of it changed.
    Changed,
    /// It became worse.
    Worse,
    /// It changes too often.
    Flapping,
    /// It is over.
    Over,
}

impl Change {
    /// By the record's word; an unknown one is told as any change.
    pub(crate) fn of(record: &AlertRecord) -> Self {
        match record.state.as_str() {
            "escalated" => Self::Worse,
            "flapping" => Self::Flapping,
            "resolved" => Self::Over,
            _ => Self::Changed,
        }
    }
}

/// The end of the window that made the change; `None` where it is no time.
pub(crate) fn window_end(record: &AlertRecord) -> Option<EventTime> {
    parse_rfc3339(&record.window_end).ok()
}

/// How long the record stands after its window, as far as it says.
pub(crate) fn stands_for(record: &AlertRecord) -> Option<Span> {
    let until = parse_rfc3339(record.valid_until.as_deref()?).ok()?;
    let span = until.since(window_end(record)?);
    (span > Span::ZERO).then_some(span)
}
