//! The tables of forecasts and of aberrations.

mod aberration;

use std::iter::repeat_n;
use std::sync::{Arc, LazyLock};

use arrow::array::{
    ArrayRef, Float64Array, Int64Array, RecordBatch, StringArray, StringBuilder,
    TimestampMicrosecondArray,
};
use arrow::datatypes::{DataType, Field, Schema, SchemaRef, TimeUnit};
use tidegate_model::{EventTime, Span};
use tidegate_risk::forecast::{Interval, Model, Prediction};

pub use aberration::ABERRATION_SCHEMA;
pub(super) use aberration::{AberrationRows, Finding};

fn utc() -> DataType {
    DataType::Timestamp(TimeUnit::Microsecond, Some("UTC".into()))
}

/// The `forecast` table: of each `[[forecast]]` a row for each subject and horizon, as of the slot
/// that ended last.
///
/// - `layer`, `subject_kind`, `subject`: whose value is forecast.
/// - `made_at`, the end of the window that was observed last; `horizon_minutes` later is
///   `target_end`, the end of the window that is forecast.
/// - `value` in `unit`, expected by `model`, with the intervals in which 80 % and 95 % of such
///   forecasts' outcomes were, `lo80` to `hi80` and `lo95` to `hi95`; null before errors are known.
/// - `method`, see `docs/METHODS.md`.
/// - `reason`, why there is no forecast: `no_history`, `no_slot_history`, `gap`; of a subject beyond
///   [`crate::SERIES_MAX`] `too_many_series`, with no horizon and no target.
pub static FORECAST_SCHEMA: LazyLock<SchemaRef> = LazyLock::new(|| {
    let fields = [
        ("layer", DataType::Utf8, false),
        ("subject_kind", DataType::Utf8, false),
        ("subject", DataType::Utf8, false),
        ("made_at", utc(), false),
        ("horizon_minutes", DataType::Int64, true),
        ("target_end", utc(), true),
        ("value", DataType::Float64, true),
        ("lo80", DataType::Float64, true),
        ("hi80", DataType::Float64, true),
        ("lo95", DataType::Float64, true),
        ("hi95", DataType::Float64, true),
        ("unit", DataType::Utf8, false),
        ("model", DataType::Utf8, false),
        ("method", DataType::Utf8, false),
        ("reason", DataType::Utf8, true),
    ];
    Arc::new(Schema::new(
        fields
            .map(|(name, kind, nullable)| Field::new(name, kind, nullable))
            .to_vec(),
    ))
});

/// Whose row it is: kind of subject, subject and unit.
#[derive(Debug, Clone, Copy)]
pub(super) struct Of<'a> {
    pub(super) subject: (&'a str, &'a str),
    pub(super) unit: &'a str,
}

/// The first and the last columns of a table under construction.
#[derive(Debug, Default)]
struct Subjects {
    rows: usize,
    kinds: StringBuilder,
    names: StringBuilder,
    units: StringBuilder,
}

impl Subjects {
    fn push(&mut self, of: Of<'_>) {
        self.rows += 1;
        self.kinds.append_value(of.subject.0);
        self.names.append_value(of.subject.1);
        self.units.append_value(of.unit);
    }

    /// Layer, kind of subject, subject, a time; then the unit.
    fn finish(mut self, layer: &str, at: EventTime) -> (Vec<ArrayRef>, ArrayRef) {
        let times = vec![at.micros(); self.rows];
        let columns: Vec<ArrayRef> = vec![
            constant(layer, self.rows),
            Arc::new(self.kinds.finish()),
            Arc::new(self.names.finish()),
            Arc::new(TimestampMicrosecondArray::from(times).with_timezone("UTC")),
        ];
        (columns, Arc::new(self.units.finish()))
    }
}

fn constant(text: &str, rows: usize) -> ArrayRef {
    Arc::new(StringArray::from_iter_values(repeat_n(text, rows)))
}

fn numbers(values: Vec<Option<f64>>) -> ArrayRef {
    Arc::new(Float64Array::from(values))
}

/// Rows of [`FORECAST_SCHEMA`] under construction, all of one layer.
#[derive(Debug)]
pub(super) struct ForecastRows<'a> {
    layer: &'a str,
    made_at: EventTime,
    model: Model,
    subjects: Subjects,
    minutes: Vec<Option<i64>>,
    targets: Vec<Option<i64>>,
    value: Vec<Option<f64>>,
    bounds: [Vec<Option<f64>>; 4],
    reasons: StringBuilder,
}

impl<'a> ForecastRows<'a> {
    pub(super) fn new(layer: &'a str, made_at: EventTime, model: Model) -> Self {
        Self {
            layer,
            made_at,
            model,
            subjects: Subjects::default(),
            minutes: Vec::new(),
            targets: Vec::new(),
            value: Vec::new(),
            bounds: [const { Vec::new() }; 4],
            reasons: StringBuilder::new(),
        }
    }

    /// A forecast `ahead`, or why there is none.
    pub(super) fn push(
        &mut self,
        of: Of<'_>,
        ahead: Span,
        outcome: Result<Prediction, &'static str>,
    ) {
        self.minutes.push(Some(ahead.as_micros() / 60_000_000));
        self.targets.push(Some(self.made_at.plus(ahead).micros()));
        self.add(of, outcome);
    }

    /// A subject that is not followed.
    pub(super) fn refuse(&mut self, of: Of<'_>, reason: &'static str) {
        self.minutes.push(None);
        self.targets.push(None);
        self.add(of, Err(reason));
    }

    fn add(&mut self, of: Of<'_>, outcome: Result<Prediction, &'static str>) {
        self.subjects.push(of);
        let forecast = outcome.ok();
        self.value.push(forecast.map(|forecast| forecast.value));
        let inner = forecast.and_then(|forecast| forecast.interval80);
        let outer = forecast.and_then(|forecast| forecast.interval95);
        let lo = |interval: Option<Interval>| interval.map(|interval| interval.lo);
        let hi = |interval: Option<Interval>| interval.map(|interval| interval.hi);
        let ends = [lo(inner), hi(inner), lo(outer), hi(outer)];
        for (column, end) in self.bounds.iter_mut().zip(ends) {
            column.push(end);
        }
        self.reasons.append_option(outcome.err());
    }

    pub(super) fn finish(mut self) -> RecordBatch {
        let rows = self.value.len();
        let (mut columns, unit) = self.subjects.finish(self.layer, self.made_at);
        let targets = TimestampMicrosecondArray::from(self.targets).with_timezone("UTC");
        columns.push(Arc::new(Int64Array::from(self.minutes)));
        columns.push(Arc::new(targets));
        columns.push(numbers(self.value));
        columns.extend(self.bounds.map(numbers));
        columns.extend([
            unit,
            constant(self.model.as_str(), rows),
            constant(self.model.method(), rows),
            Arc::new(self.reasons.finish()),
        ]);
        RecordBatch::try_new(Arc::clone(&FORECAST_SCHEMA), columns)
            .expect("the columns are those of the schema")
    }
}
