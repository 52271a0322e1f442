//! The `occupancy` table.

use std::sync::{Arc, LazyLock};

use arrow::array::{Array, Float64Array, Int64Array, RecordBatch, StringArray};
use arrow::datatypes::{DataType, Field, Schema, SchemaRef};
use tidegate_model::EventTime;

use super::{Occupancies, Venue};

/// The `occupancy` table: one row a venue with gates, as of the window that fires.
///
/// `persons` with its 95 % interval `lo`, `hi`: whole where they come from counts alone, null where
/// nothing was heard of a venue by entries since it closed; `arrivals` and `departures` of the
/// window; `clamped` persons that the window's flows would have taken below zero; `corrections`,
/// the number of corrections so far, resets that found nobody left out; `data_age`, seconds since
/// the last window in which any gate of the venue was heard, null before the first; the `method` of
/// the persons; the `gain` of one side of the counts, null where it rests on no day; `clamps`, the
/// windows since the last reset with persons clamped; `coverage`, the share of the arrivals' weight
/// that was heard, of venues by entries only.
pub(crate) static OCCUPANCY_SCHEMA: LazyLock<SchemaRef> = LazyLock::new(|| {
    Arc::new(Schema::new(vec![
        Field::new("venue_id", DataType::Utf8, false),
        Field::new("persons", DataType::Float64, true),
        Field::new("lo", DataType::Float64, true),
        Field::new("hi", DataType::Float64, true),
        Field::new("arrivals", DataType::Int64, false),
        Field::new("departures", DataType::Int64, false),
        Field::new("clamped", DataType::Int64, false),
        Field::new("corrections", DataType::Int64, false),
        Field::new("data_age", DataType::Float64, true),
        Field::new("method", DataType::Utf8, false),
        Field::new("gain", DataType::Float64, true),
        Field::new("clamps", DataType::Int64, false),
        Field::new("coverage", DataType::Float64, true),
    ]))
});

impl Occupancies {
    /// Rows of [`OCCUPANCY_SCHEMA`] at `end`.
    pub(crate) fn table(&self, end: EventTime) -> RecordBatch {
        let venues = || self.venues.values();
        let whole = |value: fn(&Venue) -> i64| -> Arc<dyn Array> {
            Arc::new(Int64Array::from_iter_values(venues().map(value)))
        };
        let maybe = |value: fn(&Venue) -> Option<f64>| -> Arc<dyn Array> {
            Arc::new(venues().map(value).collect::<Float64Array>())
        };
        let ages = venues().map(|v| v.heard.map(|heard| end.since(heard).as_seconds_f64()));
        let methods = venues().map(|v| v.present.method());
        let columns: Vec<Arc<dyn Array>> = vec![
            Arc::new(StringArray::from_iter_values(self.venues.keys())),
            maybe(|v| v.present.persons()),
            maybe(|v| v.present.interval95().map(|interval| interval.0)),
            maybe(|v| v.present.interval95().map(|interval| interval.1)),
            whole(|v| v.arrivals),
            whole(|v| v.departures),
            whole(|v| v.clamped),
            whole(|v| v.corrections),
            Arc::new(ages.collect::<Float64Array>()),
            Arc::new(StringArray::from_iter_values(methods)),
            maybe(|v| v.present.gain()),
            whole(|v| i64::from(v.present.clamps)),
            maybe(|v| v.present.coverage()),
        ];
        RecordBatch::try_new(Arc::clone(&OCCUPANCY_SCHEMA), columns)
            .expect("the columns are those of the schema")
    }
}
