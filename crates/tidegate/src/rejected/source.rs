//! Reading rejected records, one at a time, from a lake or a topic.
//!
//! A topic holds a record once for every run that rejected it, and a message with several counts
//! and no place is several rows: each position is given once. Memory is bounded: records pass
//! through, and at most [`REMEMBERED_MAX`] positions are remembered.

use std::borrow::Cow;
use std::collections::BTreeSet;
use std::fs::File;
use std::path::Path;
use std::time::Duration;

use anyhow::{Context, Result, bail, ensure};
use arrow::array::{Array, AsArray, RecordBatch};
use arrow::datatypes::{Int32Type, Int64Type};
use base64::prelude::{BASE64_STANDARD, Engine as _};
use datafusion::parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder;
use tidegate_connect::{ErrorKind, KafkaSource, SourceConfig, SourceEvent, Stop};
use tidegate_model::{FeedId, Reason};

use crate::records::REJECTED;
use crate::rows::REJECTED_SCHEMA;

use super::select::{Place, Selection};

/// Most positions that are remembered, so that each is given once; beyond them records that were
/// rejected by several runs are given again, and [`Found::is_forgetful`] says so.
pub(super) const REMEMBERED_MAX: usize = 1_000_000;

/// Rows of a file in memory at a time: each may carry a whole message.
const BATCH_ROWS: usize = 64;

/// How long one look at the topic waits.
const LOOK: Duration = Duration::from_millis(200);

/// A record that could not be counted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Record {
    /// The pipeline that rejected it, where that is said: a lake has one, and versions before
    /// 26 November 2026 named none in the topic.
    pub pipeline: Option<String>,
    /// The feed.
    pub feed: String,
    /// Partition in its source.
    pub partition: i32,
    /// Offset in its source.
    pub offset: i64,
    /// Row within the message.
    pub row: i32,
    /// The reason's code.
    pub reason: String,
    /// What exactly.
    pub detail: String,
    /// The site it names.
    pub site: Option<String>,
    /// Its bytes, where they were kept.
    pub bytes: Option<Vec<u8>>,
    /// The file beside the snapshots that has the whole record, where it was too large for the topic.
    pub aside: Option<String>,
}

impl Record {
    /// Where it stands.
    pub(super) fn place(&self) -> Place {
        Place {
            feed: self.feed.clone(),
            partition: self.partition,
            offset: self.offset,
            row: Some(self.row),
        }
    }

    /// Why there are no bytes, where there are none.
    pub(super) fn why_no_bytes(&self) -> Option<Cow<'static, str>> {
        if self.bytes.is_some() {
            return None;
        }
        if let Some(file) = &self.aside {
            let place =
                "too many for a record of the topic; the whole record is in --state of the run";
            return Some(format!("not here: {place}, as {file}").into());
        }
        let why = if self.reason == Reason::PersonalData.code() {
            "not kept: they could identify a person, so they were dropped when the record was read"
        } else if self.reason == Reason::Tombstone.code() {
            "none: the message had no value"
        } else {
            "not here: too many for a record of the topic; a lake of `run --out` or `backfill` has them"
        };
        Some(why.into())
    }
}

/// What stood there beside the records that were given.
#[derive(Debug, Default)]
pub(super) struct Found {
    /// Records that were given.
    pub records: u64,
    /// Rows that are not of the form of a rejected record.
    pub unreadable: u64,
    /// Every feed that has a rejected record, wanted or not.
    pub feeds: BTreeSet<String>,
    /// Whether there were more positions than are remembered.
    pub is_forgetful: bool,
}

/// Whether to read on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Next {
    /// There is more to do.
    Read,
    /// All that was wanted is there.
    Stop,
}

/// Whether a record was given before.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Sight {
    /// It is new.
    First,
    /// Its position was given before: another run rejected it too, or another count of it was.
    Again,
}

/// Where rejected records are read from.
#[derive(Debug, Clone, Copy)]
pub(super) enum From<'a> {
    /// The folder of a backfill or run.
    Lake(&'a Path),
    /// The topic on the cluster of these brokers.
    Topic(&'a str),
}

impl std::fmt::Display for From<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Lake(dir) => write!(f, "{}", dir.display()),
            Self::Topic(bootstrap) => write!(f, "topic {REJECTED} at {bootstrap}"),
        }
    }
}

impl<'a> From<'a> {
    /// The lake, if one is given, else the topic.
    pub(super) fn new(data: Option<&'a Path>, bootstrap: Option<&'a str>) -> Result<Self> {
        match (data, bootstrap) {
            (Some(dir), _) => Ok(Self::Lake(dir)),
            (None, Some(bootstrap)) => Ok(Self::Topic(bootstrap)),
            (None, None) => bail!("--data DIR or --bootstrap HOST:PORT must say where to read"),
        }
    }

    /// Gives every record that `wanted` takes to `each`, in the order of its source.
    pub(super) fn read(
        self,
        wanted: &Selection,
        mut each: impl FnMut(Record, Sight) -> Result<Next>,
    ) -> Result<Found> {
        let mut found = Found::default();
        let mut seen = BTreeSet::new();
        let mut take = |record: Option<Record>| -> Result<Next> {
            let Some(record) = record else {
                found.unreadable += 1;
                return Ok(Next::Read);
            };
            if !found.feeds.contains(&record.feed) {
                found.feeds.insert(record.feed.clone());
            }
            if !wanted.takes(&record) {
                return Ok(Next::Read);
            }
            let place = record.place();
            let sight = if seen.contains(&place) {
                Sight::Again
            } else {
                found.records += 1;
                Sight::First
            };
            if seen.len() < REMEMBERED_MAX {
                seen.insert(place);
            } else {
                found.is_forgetful = true;
            }
            each(record, sight)
        };
        match self {
            Self::Lake(dir) => read_lake(dir, &mut take)?,
            Self::Topic(bootstrap) => read_topic(bootstrap, &mut take)?,
        }
        Ok(found)
    }
}

impl Found {
    /// What to say where nothing was given: which feeds have rejected records, if any.
    pub(super) fn nothing(&self, wanted: &Selection, from: From<'_>) -> String {
        if self.feeds.is_empty() {
            return format!("no rejected record in {from}: every record was understood");
        }
        let feeds: Vec<&str> = self.feeds.iter().map(String::as_str).collect();
        let known = wanted.feed().is_none_or(|feed| self.feeds.contains(feed));
        if known {
            format!(
                "no rejected record{wanted} in {from}; `tidegate rejected list` with the same source \
                 shows which there are"
            )
        } else {
            let feeds = feeds.join(", ");
            format!("no rejected record{wanted} in {from}; it has some of {feeds}")
        }
    }

    /// What a reader of the result has to know beside it.
    pub(super) fn notes(&self) -> Vec<String> {
        let mut notes = Vec::new();
        if self.unreadable > 0 {
            let unreadable = self.unreadable;
            notes.push(format!(
                "{unreadable} rows are no rejected records and were passed over"
            ));
        }
        if self.is_forgetful {
            notes.push(format!(
                "more than {REMEMBERED_MAX} positions: beyond them, records that several runs \
                 rejected are counted once for each; narrow it by --feed or --reason"
            ));
        }
        notes
    }
}

type Take<'t> = &'t mut dyn FnMut(Option<Record>) -> Result<Next>;

fn read_lake(dir: &Path, take: Take<'_>) -> Result<()> {
    let path = dir.join("rejected/rejected.parquet");
    ensure!(
        path.is_file(),
        "{} is not a folder that a run has written: there is no rejected/rejected.parquet in it; \
         give the folder that --out named",
        dir.display()
    );
    let cannot = || format!("cannot read {}", path.display());
    let file = File::open(&path).with_context(cannot)?;
    let builder = ParquetRecordBatchReaderBuilder::try_new(file).with_context(cannot)?;
    for field in REJECTED_SCHEMA.fields() {
        let theirs = builder.schema().field_with_name(field.name());
        ensure!(
            theirs.is_ok_and(|theirs| theirs.data_type() == field.data_type()),
            "{} has no column {} of type {}: it is no table of rejected records",
            path.display(),
            field.name(),
            field.data_type()
        );
    }
    for batch in builder.with_batch_size(BATCH_ROWS).build()? {
        let batch = batch.with_context(cannot)?;
        for row in 0..batch.num_rows() {
            if take(Some(record_of_row(&batch, row)))? == Next::Stop {
                return Ok(());
            }
        }
    }
    Ok(())
}

/// A row of [`REJECTED_SCHEMA`], whose columns were checked.
fn record_of_row(batch: &RecordBatch, row: usize) -> Record {
    let column = |name: &str| {
        let column = batch.column_by_name(name);
        column.expect("the columns were checked")
    };
    let text = |name: &str| -> Option<String> {
        let texts = column(name).as_string::<i32>();
        texts.is_valid(row).then(|| texts.value(row).to_owned())
    };
    let number = |name: &str| column(name).as_primitive::<Int32Type>().value(row);
    let bytes = column("bytes").as_binary::<i32>();
    Record {
        pipeline: None,
        feed: text("feed").unwrap_or_default(),
        partition: number("source_partition"),
        offset: column("source_offset")
            .as_primitive::<Int64Type>()
            .value(row),
        row: number("source_row"),
        reason: text("reason").unwrap_or_default(),
        detail: text("detail").unwrap_or_default(),
        site: text("site_id"),
        bytes: bytes.is_valid(row).then(|| bytes.value(row).to_vec()),
        aside: None,
    }
}

fn read_topic(bootstrap: &str, take: Take<'_>) -> Result<()> {
    let topics = vec![(FeedId::new("rejected"), REJECTED.to_owned())];
    let config = SourceConfig::new(bootstrap, topics, Stop::CaughtUp);
    let mut source = KafkaSource::open(config).map_err(|error| {
        let missing = error.kind() == ErrorKind::TopicMissing;
        let error = anyhow::Error::from(error);
        if missing {
            error.context("no run has published rejected records there yet")
        } else {
            error
        }
    })?;
    loop {
        match source.next(LOOK)? {
            Some(SourceEvent::Batch(batch)) => {
                for payload in batch.iter() {
                    if take(payload.bytes.and_then(record_of_json))? == Next::Stop {
                        return Ok(());
                    }
                }
            }
            Some(SourceEvent::Stalled { what }) => {
                tracing::warn!(what, "Waiting for the broker.");
            }
            Some(SourceEvent::Ended) => return Ok(()),
            Some(SourceEvent::CaughtUp { .. } | SourceEvent::Added { .. }) | None => {}
        }
    }
}

/// A record of the topic, as [`crate::rows::json_lines`] writes it.
#[derive(Debug, serde::Deserialize)]
struct Line {
    pipeline: Option<String>,
    feed: String,
    source_partition: i32,
    source_offset: i64,
    source_row: i32,
    reason: String,
    detail: String,
    site_id: Option<String>,
    bytes: Option<String>,
    put_aside: Option<Aside>,
}

/// Where a record lies that is too large for the topic.
#[derive(Debug, serde::Deserialize)]
struct Aside {
    name: String,
}

fn record_of_json(value: &[u8]) -> Option<Record> {
    let line: Line = serde_json::from_slice(value).ok()?;
    let bytes = line.bytes.map(|text| BASE64_STANDARD.decode(text));
    Some(Record {
        pipeline: line.pipeline,
        feed: line.feed,
        partition: line.source_partition,
        offset: line.source_offset,
        row: line.source_row,
        reason: line.reason,
        detail: line.detail,
        site: line.site_id,
        bytes: bytes.transpose().ok()?,
        aside: line.put_aside.map(|aside| aside.name),
    })
}

#[cfg(test)]
mod tests {
    use tidegate_model::{Position, Rejected};

    use super::*;
    use crate::rows::{json_lines, rejected_rows};

    fn rejected(reason: Reason, bytes: Option<&[u8]>) -> Rejected {
        Rejected {
            feed: FeedId::new("rail"),
            position: Position {
                partition: 2,
                offset: 7,
                row: 3,
            },
            reason,
            detail: "count is \"x\"".to_owned(),
            site: Some("北站".to_owned()),
            bytes: bytes.map(<[u8]>::to_vec),
        }
    }

    /// A row reads the same from the topic's JSON and from the lake's columns.
    #[test]
    fn what_a_run_writes_is_read_again() {
        for (reason, bytes) in [
            (Reason::WrongType, Some(b"\xff\0 x".as_slice())),
            (Reason::Empty, Some(b"".as_slice())),
            (Reason::PersonalData, None),
        ] {
            let rejected = rejected(reason, bytes);
            let rows = rejected_rows(std::slice::from_ref(&rejected)).unwrap();
            let record = record_of_row(&rows, 0);
            assert_eq!(record.bytes, rejected.bytes);
            assert_eq!(record.place().to_string(), "rail/2/7/3");
            assert_eq!(
                (record.reason.as_str(), record.site.as_deref()),
                (reason.code(), Some("北站"))
            );
            assert_eq!(record_of_json(&json_lines(&rows).unwrap()), Some(record));
        }
        assert_eq!(record_of_json(b"{\"feed\":\"rail\"}"), None);
    }

    #[test]
    fn missing_bytes_are_explained() {
        let why = |reason: Reason, bytes: Option<&[u8]>| {
            let rows = rejected_rows(&[rejected(reason, bytes)]).unwrap();
            record_of_row(&rows, 0)
                .why_no_bytes()
                .unwrap_or("there".into())
        };
        assert!(why(Reason::PersonalData, None).contains("identify a person"));
        assert!(why(Reason::Tombstone, None).contains("no value"));
        assert!(why(Reason::TooLarge, None).contains("too many for a record of the topic"));
        assert_eq!(why(Reason::Empty, Some(b"")), "there");
    }
}
