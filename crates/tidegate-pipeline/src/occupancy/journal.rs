//! Every change of an occupancy that no counted person made, as rows of data.

use std::borrow::Cow;
use std::sync::{Arc, LazyLock};

use arrow::array::{ArrayRef, Float64Array, RecordBatch, StringArray, TimestampMicrosecondArray};
use arrow::datatypes::{DataType, Field, Schema, SchemaRef, TimeUnit};
use tidegate_model::EventTime;
use tidegate_risk::occupancy::CorrectionKind;

use super::inside::Correction;

/// The `occupancy_correction` table: a row for each correction of a venue's persons, told at the
/// closing of the flow window that ended at `window_end`, or by late counts after it.
///
/// - `at` the time that it is about: the instant at which the venue was known to be empty, the end
///   of the window whose counts or observations made it, or that the late counts belong to.
/// - `kind`: `known_empty` (also where it found nobody), `gain`, `clamped_at_zero`,
///   `late_revision`, `observed_camera`, `observed_transit_load`, `refused`.
/// - `persons_before` without it, below 0 where more left than were inside, and `persons_after`;
///   for a late revision the persons at `window_end`.
/// - `surprise` of an observation: its distance in standard deviations.
/// - `method` of the persons, as in `occupancy`.
///
/// `venue_id`, `window_end`, `at` and `kind` name a row, but for refusals, of which a window may
/// have one for each source. There are at most five rows a venue and window, and one for each
/// venue and window revised.
pub static OCCUPANCY_CORRECTION_SCHEMA: LazyLock<SchemaRef> = LazyLock::new(|| {
    let utc = DataType::Timestamp(TimeUnit::Microsecond, Some("UTC".into()));
    Arc::new(Schema::new(vec![
        Field::new("venue_id", DataType::Utf8, false),
        Field::new("window_end", utc.clone(), false),
        Field::new("at", utc, false),
        Field::new("kind", DataType::Utf8, false),
        Field::new("persons_before", DataType::Float64, false),
        Field::new("persons_after", DataType::Float64, false),
        Field::new("surprise", DataType::Float64, true),
        Field::new("method", DataType::Utf8, false),
    ]))
});

/// One row of the table. A stored format: the fields and their order are a promise.
#[derive(Debug, Clone, PartialEq, serde::Serialize, serde::Deserialize)]
pub(crate) struct JournalRow {
    pub(super) venue: String,
    pub(super) window_end: i64,
    pub(super) at: i64,
    pub(super) kind: Cow<'static, str>,
    pub(super) before: f64,
    pub(super) after: f64,
    pub(super) surprise: Option<f64>,
    pub(super) method: Cow<'static, str>,
}

impl JournalRow {
    /// A correction of a venue, told with the window that ended at `window_end`.
    pub(super) fn new(venue: &str, window_end: EventTime, correction: &Correction) -> Self {
        let entry = &correction.entry;
        Self {
            venue: venue.to_owned(),
            window_end: window_end.micros(),
            at: entry.at.micros(),
            kind: entry.kind.as_str().into(),
            before: entry.before,
            after: entry.after,
            surprise: correction.surprise,
            method: correction.method.into(),
        }
    }

    /// Whether it counts as a correction: all do but a reset that found nobody.
    pub(crate) fn is_counted(&self) -> bool {
        let changed = self.before < self.after || self.after < self.before;
        changed || self.kind != CorrectionKind::KnownEmpty.as_str()
    }
}

/// Rows of [`OCCUPANCY_CORRECTION_SCHEMA`].
pub(crate) fn batch(rows: &[JournalRow]) -> RecordBatch {
    let times = |time: fn(&JournalRow) -> i64| -> ArrayRef {
        let times: TimestampMicrosecondArray = rows.iter().map(|row| Some(time(row))).collect();
        Arc::new(times.with_timezone("UTC"))
    };
    let texts = |text: fn(&JournalRow) -> &str| -> ArrayRef {
        Arc::new(StringArray::from_iter_values(rows.iter().map(text)))
    };
    let numbers = |number: fn(&JournalRow) -> f64| -> ArrayRef {
        Arc::new(Float64Array::from_iter_values(rows.iter().map(number)))
    };
    let surprises = rows.iter().map(|row| row.surprise);
    let columns = vec![
        texts(|row| &row.venue),
        times(|row| row.window_end),
        times(|row| row.at),
        texts(|row| &row.kind),
        numbers(|row| row.before),
        numbers(|row| row.after),
        Arc::new(surprises.collect::<Float64Array>()),
        texts(|row| &row.method),
    ];
    RecordBatch::try_new(Arc::clone(&OCCUPANCY_CORRECTION_SCHEMA), columns)
        .expect("the columns are those of the schema")
}
