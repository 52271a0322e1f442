//! Events as records of the output topics: one JSON object a row.

use std::borrow::Cow;

use anyhow::Result;
use arrow::array::{AsArray, RecordBatch};
use serde_json::{Map, Value};
use tidegate_alerts::AlertTransition;
use tidegate_alerts::wire::AlertRecord;
use tidegate_connect::{Retention, TopicSpec};
use tidegate_model::{Reason, Rejected};
use tidegate_pipeline::{Event, FeedHealthTransition};

use crate::rows::{duplicate_rows, json_lines, late_rows, pane_rows, rejected_rows};

/// Topics that a run publishes to.
pub(crate) const TOPICS: [&str; 12] = [
    PANE,
    LAYER,
    ALERT,
    LATE,
    DUPLICATE,
    REJECTED,
    FEED_HEALTH,
    FEED_QUALITY,
    OCCUPANCY_CORRECTIONS,
    FORECASTS,
    ABERRATIONS,
    AUDIT,
];

pub(crate) const PANE: &str = "tidegate.pane";
pub(crate) const LAYER: &str = "tidegate.layer";
/// Changes of alerts.
pub(crate) const ALERT: &str = "tidegate.alert";
const LATE: &str = "tidegate.late";
const DUPLICATE: &str = "tidegate.duplicate";
/// Records that could not be counted, with their bytes.
pub(crate) const REJECTED: &str = "tidegate.rejected";
const FEED_HEALTH: &str = "tidegate.feed-health";
pub(crate) const FEED_QUALITY: &str = "tidegate.feed-quality";
pub(crate) const OCCUPANCY_CORRECTIONS: &str = "tidegate.occupancy-corrections";
pub(crate) const FORECASTS: &str = "tidegate.forecasts";
pub(crate) const ABERRATIONS: &str = "tidegate.aberrations";
/// Changes of rules, a chain for each task.
pub(crate) const AUDIT: &str = "tidegate.audit";

/// The largest record that a run publishes, which its topics are made to take.
pub(crate) const PUBLISHED_BYTES_MAX: usize = 16 << 20;

/// How the topics are made where they are not there.
pub(crate) fn topic_specs() -> Vec<TopicSpec<'static>> {
    let spec = |name| TopicSpec {
        name,
        partitions: 1,
        // A chain whose beginning is gone proves nothing.
        retention: if name == AUDIT {
            Retention::Forever
        } else {
            Retention::Broker
        },
        message_bytes_max: Some(PUBLISHED_BYTES_MAX),
    };
    TOPICS.map(spec).into()
}

/// Bytes of input above this size would not fit a published record once they are base64.
const INPUT_BYTES_MAX: usize = PUBLISHED_BYTES_MAX / 3 * 2;

/// Whether bytes of input that a topic would not take stay out of the records.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Bytes {
    /// All of them are in.
    Whole,
    /// Those that would not fit are not, and the detail of a rejection says so.
    Fitting,
}

impl Bytes {
    /// Those of `own` that are in.
    fn of(self, own: &[Option<Vec<u8>>]) -> Cow<'_, [Option<Vec<u8>>]> {
        let fits = |bytes: &Option<Vec<u8>>| {
            let length = bytes.as_ref().map_or(0, Vec::len);
            self == Self::Whole || length <= INPUT_BYTES_MAX
        };
        if own.iter().all(fits) {
            return Cow::Borrowed(own);
        }
        let fitting = own
            .iter()
            .map(|bytes| bytes.clone().filter(|_| fits(bytes)));
        Cow::Owned(fitting.collect())
    }
}

/// A change of an alert that `pipeline` gave out, as JSON.
fn alert_json(alert: &AlertTransition, pipeline: &str) -> Result<Vec<u8>> {
    let record = AlertRecord {
        pipeline: Some(pipeline.to_owned()),
        ..AlertRecord::from(alert)
    };
    Ok(serde_json::to_vec(&record)?)
}

/// Gives the records of `event`, which `pipeline` gave out, to `send`: topic, key and value. Each
/// names the pipeline, since several may publish to one topic.
pub(crate) fn publish(
    event: &Event,
    pipeline: &str,
    bytes: Bytes,
    mut send: impl FnMut(&'static str, &[u8], &[u8]) -> Result<()>,
) -> Result<()> {
    match event {
        // In the log, the summary and what is told of the alerts that rest on it.
        Event::LayerFailed { .. } => Ok(()),
        Event::Audit(entry) => {
            let key = format!("{}/{}", entry.pipeline, entry.task);
            send(AUDIT, key.as_bytes(), &serde_json::to_vec(entry)?)
        }
        Event::Alert(alert) => send(ALERT, alert.id.as_bytes(), &alert_json(alert, pipeline)?),
        event => {
            let head = format!("{{\"pipeline\":{},", serde_json::to_string(pipeline)?);
            publish_rows(event, bytes, |topic, key, value| {
                let rest = value.strip_prefix(b"{").unwrap_or_default();
                send(topic, key.as_bytes(), &[head.as_bytes(), rest].concat())
            })
        }
    }
}

/// The same for events whose records do not name their pipeline yet.
fn publish_rows(
    event: &Event,
    bytes: Bytes,
    mut send: impl FnMut(&'static str, &str, &[u8]) -> Result<()>,
) -> Result<()> {
    let mut lines = |topic, key: &str, rows: &RecordBatch| {
        for line in json_lines(rows)?.split(|byte| *byte == b'\n') {
            if !line.is_empty() {
                send(topic, key, line)?;
            }
        }
        Ok(())
    };
    match event {
        Event::Pane {
            window,
            rows,
            end,
            revision,
            is_final,
        } => {
            let key = format!("{window}/{end}");
            lines(PANE, &key, &pane_rows(rows, *revision, *is_final)?)
        }
        Event::Layer { layer, rows, .. } => lines(LAYER, layer, rows),
        Event::Forecast { layer, rows } => lines(FORECASTS, layer, rows),
        Event::Aberration { layer, rows } => lines(ABERRATIONS, layer, rows),
        Event::LayerFailed { .. } | Event::Audit(_) | Event::Alert(_) => Ok(()),
        Event::Late {
            feed,
            batch,
            reason,
            watermarks,
            bytes: own,
        } => {
            let rows = late_rows(batch, reason.code(), watermarks, &bytes.of(own))?;
            lines(LATE, feed.as_str(), &rows)
        }
        Event::Duplicate {
            feed,
            batch,
            bytes: own,
        } => {
            let rows = duplicate_rows(batch, &bytes.of(own))?;
            lines(DUPLICATE, feed.as_str(), &rows)
        }
        Event::Rejected(rejected) => {
            let key = rejected.first().map_or("", |row| row.feed.as_str());
            let rows = match bytes {
                Bytes::Whole => rejected_rows(rejected),
                Bytes::Fitting => rejected_rows(&publishable(rejected)),
            };
            lines(REJECTED, key, &rows?)
        }
        Event::FeedHealth(change) => {
            let value = serde_json::to_vec(&FeedHealthRecord::from(change.as_ref()))?;
            send(FEED_HEALTH, change.feed.as_str(), &value)
        }
        Event::OccupancyCorrection(rows) => {
            let mut records = correction_records(rows)?.into_iter();
            records.try_for_each(|(key, value)| send(OCCUPANCY_CORRECTIONS, &key, &value))
        }
        Event::FeedQuality { quality, rejected } => {
            let mut records = feed_quality_records(quality, rejected)?.into_iter();
            records.try_for_each(|(key, value)| send(FEED_QUALITY, &key, &value))
        }
    }
}

/// A record as its topic has it: key and value.
type Record = (String, Vec<u8>);

/// One record a correction, by its venue.
fn correction_records(rows: &RecordBatch) -> Result<Vec<Record>> {
    let venues = rows.column(0).as_string::<i32>().iter().flatten();
    let lines = json_lines(rows)?;
    let lines = lines.split(|byte| *byte == b'\n');
    let records = venues.zip(lines);
    Ok(records
        .map(|(venue, line)| (venue.to_owned(), line.to_vec()))
        .collect())
}

/// One record a feed: its row, with the reasons of its rejections as `rejected_by`.
fn feed_quality_records(quality: &RecordBatch, rejected: &RecordBatch) -> Result<Vec<Record>> {
    let objects = |rows: &RecordBatch| -> Result<Vec<Map<String, Value>>> {
        let lines = json_lines(rows)?;
        let lines = lines
            .split(|byte| *byte == b'\n')
            .filter(|line| !line.is_empty());
        lines
            .map(|line| Ok(serde_json::from_slice(line)?))
            .collect()
    };
    let rejected = objects(rejected)?;
    let mut records = Vec::new();
    for mut row in objects(quality)? {
        let own = rejected.iter().filter(|other| other["feed"] == row["feed"]);
        let reasons: Map<String, Value> = own
            .filter_map(|other| {
                Some((
                    other["reason"].as_str()?.to_owned(),
                    other["records"].clone(),
                ))
            })
            .collect();
        row.insert("rejected_by".to_owned(), reasons.into());
        let feed = row["feed"].as_str().unwrap_or_default().to_owned();
        records.push((feed, serde_json::to_vec(&row)?));
    }
    Ok(records)
}

/// A change of a feed's health as a record of its topic. `feed`, `state` and `seen` name it: a
/// repetition has the same.
#[derive(Debug, serde::Serialize)]
struct FeedHealthRecord<'a> {
    feed: &'a str,
    state: &'static str,
    received: u32,
    rejected: u32,
    #[serde(skip_serializing_if = "Option::is_none")]
    top_reason: Option<&'static str>,
    seen: u64,
    text_zh: String,
    text_en: String,
}

impl<'a> From<&'a FeedHealthTransition> for FeedHealthRecord<'a> {
    fn from(change: &'a FeedHealthTransition) -> Self {
        Self {
            feed: change.feed.as_str(),
            state: change.state.as_str(),
            received: change.received,
            rejected: change.rejected,
            top_reason: change.top_reason.map(Reason::code),
            seen: change.seen,
            text_zh: change.text_zh(),
            text_en: change.text_en(),
        }
    }
}

/// Rejections as they fit into records of a topic: bytes that are too many stay out, and the detail
/// says so. The lake has them.
fn publishable(rejected: &[Rejected]) -> Vec<Rejected> {
    let fit = |row: &Rejected| {
        let bytes = row.bytes.as_ref().map_or(0, Vec::len);
        let mut row = row.clone();
        if bytes > INPUT_BYTES_MAX {
            row.bytes = None;
            row.detail = format!("{}; its {bytes} bytes are not in this record", row.detail);
        }
        row
    };
    rejected.iter().map(fit).collect()
}
