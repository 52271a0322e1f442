//! The tables of a window's feed quality.

use std::sync::{Arc, LazyLock};

use arrow::array::{ArrayRef, Float64Array, Int64Array, RecordBatch, TimestampMicrosecondArray};
use arrow::datatypes::{DataType, Field, Schema, SchemaRef, TimeUnit};
use tidegate_model::{EventTime, FeedId, Span};

use super::feed::Closed;
use crate::tables::{maybe_text, whole};

/// The `feed_quality` table: a row a feed, as of the window that closed last.
///
/// - `records` on time in the window; `expected_records`, the mean of this local hour of the week in
///   earlier weeks; `completeness`, the one against the other; `coverage`, the share of the expected
///   input that is there (method `feed/coverage@1`), 0 to 1, null before the feed is heard.
/// - `sites_heard` in the window, `sites_expected` of those heard in the last 7 days.
/// - `silent_for`, seconds from the newest event to the window's end; `silent_after`, from when that
///   is silence.
/// - Read while the feed stood in the window: `payloads`, those `unchanged` from an earlier one,
///   `received` records, of them `late`, `duplicate` and `rejected`; `counter_faults`, resets, steps
///   down, gaps and steps too large of cumulative counters; `delay_p50` and `delay_p99`, seconds from
///   event to arrival, within 1/32.
/// - `clock_skew`, seconds by which the clock of `skewed_site` is ahead of the others (behind when
///   negative), the largest of the feed.
/// - `unknown_origin`, the share of persons whose origin is not known.
pub static FEED_QUALITY_SCHEMA: LazyLock<SchemaRef> = LazyLock::new(|| {
    let utc = DataType::Timestamp(TimeUnit::Microsecond, Some("UTC".into()));
    let fields = [
        ("feed", DataType::Utf8, false),
        ("window_start", utc.clone(), false),
        ("window_end", utc, false),
        ("records", DataType::Int64, false),
        ("expected_records", DataType::Float64, true),
        ("completeness", DataType::Float64, true),
        ("coverage", DataType::Float64, true),
        ("sites_heard", DataType::Int64, false),
        ("sites_expected", DataType::Int64, false),
        ("silent_for", DataType::Float64, true),
        ("silent_after", DataType::Float64, false),
        ("payloads", DataType::Int64, false),
        ("unchanged", DataType::Int64, false),
        ("received", DataType::Int64, false),
        ("late", DataType::Int64, false),
        ("duplicate", DataType::Int64, false),
        ("rejected", DataType::Int64, false),
        ("counter_faults", DataType::Int64, false),
        ("delay_p50", DataType::Float64, true),
        ("delay_p99", DataType::Float64, true),
        ("clock_skew", DataType::Float64, true),
        ("skewed_site", DataType::Utf8, true),
        ("unknown_origin", DataType::Float64, true),
    ];
    Arc::new(Schema::new(
        fields
            .map(|(name, kind, nullable)| Field::new(name, kind, nullable))
            .to_vec(),
    ))
});

/// The `feed_rejected` table: how many records of a feed were rejected for which reason, read while
/// it stood in the window that closed last.
pub static FEED_REJECTED_SCHEMA: LazyLock<SchemaRef> = LazyLock::new(|| {
    let utc = DataType::Timestamp(TimeUnit::Microsecond, Some("UTC".into()));
    Arc::new(Schema::new(vec![
        Field::new("feed", DataType::Utf8, false),
        Field::new("window_start", utc.clone(), false),
        Field::new("window_end", utc, false),
        Field::new("reason", DataType::Utf8, false),
        Field::new("records", DataType::Int64, false),
    ]))
});

/// The `feed_site` table: the sites of each feed that were heard in the last 7 days, with `records`
/// in the window, seconds `silent_for`, the shortest `delay` from event to arrival in it, and
/// `clock_skew` as in `feed_quality`.
pub(crate) static FEED_SITE_SCHEMA: LazyLock<SchemaRef> = LazyLock::new(|| {
    Arc::new(Schema::new(vec![
        Field::new("feed", DataType::Utf8, false),
        Field::new("site_id", DataType::Utf8, false),
        Field::new("records", DataType::Int64, false),
        Field::new("silent_for", DataType::Float64, false),
        Field::new("delay", DataType::Float64, true),
        Field::new("clock_skew", DataType::Float64, true),
    ]))
});

/// Rows under construction.
#[derive(Debug)]
pub(super) struct Rows {
    window: (EventTime, EventTime),
    quality: Vec<QualityRow>,
    /// Feed, reason, records.
    rejected: Vec<(String, String, u64)>,
    sites: Vec<SiteRow>,
}

#[derive(Debug)]
struct QualityRow {
    feed: String,
    records: i64,
    expected_records: Option<f64>,
    completeness: Option<f64>,
    coverage: Option<f64>,
    sites_heard: u64,
    sites_expected: u64,
    silent_for: Option<f64>,
    silent_after: f64,
    payloads: u64,
    unchanged: u64,
    received: u64,
    late: u64,
    duplicate: u64,
    rejected: u64,
    counter_faults: u64,
    delay_p50: Option<f64>,
    delay_p99: Option<f64>,
    clock_skew: Option<f64>,
    skewed_site: Option<String>,
    unknown_origin: Option<f64>,
}

#[derive(Debug)]
struct SiteRow {
    feed: String,
    site: String,
    records: i64,
    silent_for: f64,
    delay: Option<f64>,
    clock_skew: Option<f64>,
}

impl Rows {
    /// Of the window from the one to the other.
    pub(super) fn new(window: (EventTime, EventTime)) -> Self {
        Self {
            window,
            quality: Vec::new(),
            rejected: Vec::new(),
            sites: Vec::new(),
        }
    }

    pub(super) fn add(&mut self, feed: &FeedId, silent_after: Span, closed: &Closed<'_>) {
        let (delivery, content) = (&closed.tally.delivery, &closed.tally.content);
        let (sites, verdict) = (&closed.sites, closed.verdict);
        let heard = sites.iter().filter(|site| site.records > 0).count();
        let skews = sites
            .iter()
            .filter_map(|site| Some((site.clock_skew?, site.site)));
        // Of equal ones the first by name, so that it is always the same.
        let skewed = skews
            .rev()
            .max_by_key(|(skew, _)| skew.as_micros().unsigned_abs());
        self.quality.push(QualityRow {
            feed: feed.to_string(),
            records: content.records,
            expected_records: verdict.expected,
            completeness: verdict.completeness,
            coverage: verdict.coverage,
            sites_heard: heard as u64,
            sites_expected: sites.len() as u64,
            silent_for: verdict.silent_for_s,
            silent_after: silent_after.as_seconds_f64(),
            payloads: delivery.payloads,
            unchanged: delivery.unchanged,
            received: delivery.received,
            late: delivery.late,
            duplicate: delivery.duplicate,
            rejected: delivery.rejected(),
            counter_faults: delivery.counter_faults,
            delay_p50: delivery.delays.quantile_s(50),
            delay_p99: delivery.delays.quantile_s(99),
            clock_skew: skewed.map(|(skew, _)| skew.as_seconds_f64()),
            skewed_site: skewed.map(|(_, site)| site.to_owned()),
            unknown_origin: share(content.unknown_origin, content.persons),
        });
        let reasons = delivery.rejected.iter();
        self.rejected
            .extend(reasons.map(|(reason, records)| (feed.to_string(), reason.clone(), *records)));
        self.sites.extend(sites.iter().map(|site| SiteRow {
            feed: feed.to_string(),
            site: site.site.to_owned(),
            records: site.records,
            silent_for: site.silent_for.as_seconds_f64(),
            delay: site.delay_min.map(Span::as_seconds_f64),
            clock_skew: site.clock_skew.map(Span::as_seconds_f64),
        }));
    }

    /// Rows of [`FEED_QUALITY_SCHEMA`].
    pub(super) fn quality(&self) -> RecordBatch {
        let rows = &self.quality;
        let [start, end] = self.times(rows.len());
        table(
            &FEED_QUALITY_SCHEMA,
            vec![
                maybe_text(rows.iter().map(|row| Some(row.feed.as_str()))),
                start,
                end,
                integers(rows.iter().map(|row| row.records)),
                numbers(rows.iter().map(|row| row.expected_records)),
                numbers(rows.iter().map(|row| row.completeness)),
                numbers(rows.iter().map(|row| row.coverage)),
                whole(rows.iter().map(|row| row.sites_heard)),
                whole(rows.iter().map(|row| row.sites_expected)),
                numbers(rows.iter().map(|row| row.silent_for)),
                numbers(rows.iter().map(|row| Some(row.silent_after))),
                whole(rows.iter().map(|row| row.payloads)),
                whole(rows.iter().map(|row| row.unchanged)),
                whole(rows.iter().map(|row| row.received)),
                whole(rows.iter().map(|row| row.late)),
                whole(rows.iter().map(|row| row.duplicate)),
                whole(rows.iter().map(|row| row.rejected)),
                whole(rows.iter().map(|row| row.counter_faults)),
                numbers(rows.iter().map(|row| row.delay_p50)),
                numbers(rows.iter().map(|row| row.delay_p99)),
                numbers(rows.iter().map(|row| row.clock_skew)),
                maybe_text(rows.iter().map(|row| row.skewed_site.as_deref())),
                numbers(rows.iter().map(|row| row.unknown_origin)),
            ],
        )
    }

    /// Rows of [`FEED_REJECTED_SCHEMA`].
    pub(super) fn rejected(&self) -> RecordBatch {
        let rows = &self.rejected;
        let [start, end] = self.times(rows.len());
        table(
            &FEED_REJECTED_SCHEMA,
            vec![
                maybe_text(rows.iter().map(|(feed, _, _)| Some(feed.as_str()))),
                start,
                end,
                maybe_text(rows.iter().map(|(_, reason, _)| Some(reason.as_str()))),
                whole(rows.iter().map(|(_, _, records)| *records)),
            ],
        )
    }

    /// Rows of [`FEED_SITE_SCHEMA`].
    pub(super) fn sites(&self) -> RecordBatch {
        let rows = &self.sites;
        table(
            &FEED_SITE_SCHEMA,
            vec![
                maybe_text(rows.iter().map(|row| Some(row.feed.as_str()))),
                maybe_text(rows.iter().map(|row| Some(row.site.as_str()))),
                integers(rows.iter().map(|row| row.records)),
                numbers(rows.iter().map(|row| Some(row.silent_for))),
                numbers(rows.iter().map(|row| row.delay)),
                numbers(rows.iter().map(|row| row.clock_skew)),
            ],
        )
    }

    fn times(&self, rows: usize) -> [ArrayRef; 2] {
        [self.window.0, self.window.1].map(|time| -> ArrayRef {
            let times = vec![time.micros(); rows];
            Arc::new(TimestampMicrosecondArray::from(times).with_timezone("UTC"))
        })
    }
}

fn table(schema: &SchemaRef, columns: Vec<ArrayRef>) -> RecordBatch {
    RecordBatch::try_new(Arc::clone(schema), columns).expect("the columns are those of the schema")
}

fn numbers(values: impl Iterator<Item = Option<f64>>) -> ArrayRef {
    Arc::new(values.collect::<Float64Array>())
}

fn integers(values: impl Iterator<Item = i64>) -> ArrayRef {
    Arc::new(Int64Array::from_iter_values(values))
}

/// The part of the whole; of nothing there is none.
#[expect(
    clippy::cast_precision_loss,
    reason = "persons of a window are far below 2^52"
)]
fn share(part: i64, whole: i64) -> Option<f64> {
    (whole > 0).then(|| part as f64 / whole as f64)
}
