//! Layer queries: SQL over panes, reference data and earlier layers, once a window.

#[cfg(test)]
mod tests;

use std::collections::BTreeSet;
use std::sync::{Arc, LazyLock};

use arrow::array::{
    ArrayRef, AsArray, BooleanArray, Int32Array, RecordBatch, StringArray,
    TimestampMicrosecondArray, new_null_array,
};
use arrow::compute::{SortColumn, cast, concat_batches, lexsort_to_indices, take_record_batch};
use arrow::datatypes::{DataType, Field, Float64Type, Schema, SchemaRef, TimeUnit};
use datafusion::common::{DataFusionError, Result};
use datafusion::physical_plan::ExecutionPlan;
use tidegate_model::EventTime;

use crate::Session;
use crate::session::{functions, unrepeatable_function};

/// The one schema of layer rows.
///
/// `value`, `lo` and `hi` are in `unit`; `lo` and `hi` bound a stated interval of `method`.
/// `coverage` is the share of expected input that was there, `data_age` the seconds from the
/// newest input to the window's end; null where the layer does not know. `status` is `stale` where
/// too little of the expected input was there to believe the value, else null; whoever evaluates the
/// layer sets it. `reason` says in a word why there is no value: what the layer's SQL says, else one
/// of [`no_value`]; a row with a value has one only where the SQL gives it.
pub static LAYER_SCHEMA: LazyLock<SchemaRef> = LazyLock::new(|| {
    let utc = DataType::Timestamp(TimeUnit::Microsecond, Some("UTC".into()));
    Arc::new(Schema::new(vec![
        Field::new("layer", DataType::Utf8, false),
        Field::new("window_start", utc.clone(), false),
        Field::new("window_end", utc, false),
        Field::new("subject_kind", DataType::Utf8, false),
        Field::new("subject", DataType::Utf8, false),
        Field::new("value", DataType::Float64, true),
        Field::new("lo", DataType::Float64, true),
        Field::new("hi", DataType::Float64, true),
        Field::new("unit", DataType::Utf8, false),
        Field::new("level", DataType::Utf8, true),
        Field::new("coverage", DataType::Float64, true),
        Field::new("data_age", DataType::Float64, true),
        Field::new("status", DataType::Utf8, true),
        Field::new("reason", DataType::Utf8, true),
        Field::new("revision", DataType::Int32, false),
        Field::new("is_final", DataType::Boolean, false),
        Field::new("method", DataType::Utf8, false),
    ]))
});

/// Columns that a layer's SQL gives; the others are the frame's.
const REQUIRED: [&str; 5] = ["subject_kind", "subject", "value", "unit", "method"];
const OPTIONAL: [&str; 6] = ["lo", "hi", "level", "coverage", "data_age", "reason"];

/// Why a row has no value, where its layer's SQL does not say.
pub mod no_value {
    /// Something that the SQL computes it from is null.
    pub const MISSING_INPUT: &str = "missing_input";
    /// The SQL gave an infinity, or what is no number.
    pub const NOT_FINITE: &str = "not_finite";
    /// It would have been zero, and too little of the expected input was there to believe it.
    pub const STALE: &str = "stale";
}

/// Why a layer query cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum LayerError {
    /// The SQL does not parse or plan.
    #[error("{0}")]
    Sql(String),
    /// A column that every layer has is not selected.
    #[error(
        "the SELECT must give columns subject_kind, subject, value, unit and method; {0} is not there"
    )]
    Missing(&'static str),
    /// A column that layers do not have.
    #[error("column {0} is not a layer's: allowed are {allowed}", allowed = allowed_columns())]
    Unknown(String),
    /// A function gives another value at each evaluation.
    #[error("function {0} gives another value in a replay; use window_end for the time")]
    Unrepeatable(String),
}

impl From<DataFusionError> for LayerError {
    fn from(error: DataFusionError) -> Self {
        Self::Sql(error.strip_backtrace())
    }
}

fn allowed_columns() -> String {
    REQUIRED
        .iter()
        .chain(&OPTIONAL)
        .copied()
        .collect::<Vec<_>>()
        .join(", ")
}

/// What every row of one evaluation shares.
#[derive(Debug, Clone, Copy)]
pub struct LayerFrame<'a> {
    /// The layer's name.
    pub layer: &'a str,
    /// Start of the window.
    pub start: EventTime,
    /// End of the window.
    pub end: EventTime,
    /// 0 for the on-time evaluation, 1 for the one with late rows.
    pub revision: i32,
    /// False for an evaluation before the window closed.
    pub is_final: bool,
}

/// A planned layer query.
#[derive(Debug)]
pub struct LayerQuery {
    session: Session,
    tables: BTreeSet<String>,
    functions: BTreeSet<String>,
    plan: Arc<dyn ExecutionPlan>,
}

impl LayerQuery {
    /// Plans `sql` over the session's tables.
    ///
    /// # Errors
    /// [`LayerError`], in words for whoever wrote the SQL.
    pub async fn plan(session: &Session, sql: &str) -> Result<Self, LayerError> {
        let logical = session.plan_logical(sql).await?;
        if let Some(function) = unrepeatable_function(&logical)? {
            return Err(LayerError::Unrepeatable(function));
        }
        let tables = session.tables(&logical)?;
        let functions = functions(&logical)?;
        let plan = session.plan_physical(&logical).await?;
        let schema = plan.schema();
        for name in REQUIRED {
            if schema.column_with_name(name).is_none() {
                return Err(LayerError::Missing(name));
            }
        }
        for field in schema.fields() {
            let name = field.name().as_str();
            if !REQUIRED.contains(&name) && !OPTIONAL.contains(&name) {
                return Err(LayerError::Unknown(name.to_owned()));
            }
        }
        Ok(Self {
            session: session.clone(),
            tables,
            functions,
            plan,
        })
    }

    /// Names of the tables that the SQL reads, whatever it calls them: aliases and common table
    /// expressions are seen through, and those that nothing uses do not count.
    pub fn tables(&self) -> &BTreeSet<String> {
        &self.tables
    }

    /// Names of the functions that the SQL calls, whatever it calls their results; those of common
    /// table expressions that nothing uses do not count.
    pub fn functions(&self) -> &BTreeSet<String> {
        &self.functions
    }

    /// Evaluates the layer on what the tables hold now: rows of [`LAYER_SCHEMA`], sorted by
    /// subject. Values that are not finite become null: no NaN ever leaves a layer.
    ///
    /// # Errors
    /// DataFusion's, or a required column that is null in some row.
    pub async fn evaluate(&self, frame: LayerFrame<'_>) -> Result<RecordBatch> {
        let rows = self.session.run(&self.plan).await?;
        let rows = concat_batches(&self.plan.schema(), &rows)?;
        let count = rows.num_rows();
        let time = |time: EventTime| -> ArrayRef {
            let values = vec![time.micros(); count];
            Arc::new(TimestampMicrosecondArray::from(values).with_timezone("UTC"))
        };
        let mut columns: Vec<ArrayRef> = Vec::with_capacity(LAYER_SCHEMA.fields().len());
        for field in LAYER_SCHEMA.fields() {
            columns.push(match field.name().as_str() {
                "layer" => Arc::new(StringArray::from(vec![frame.layer; count])),
                "window_start" => time(frame.start),
                "window_end" => time(frame.end),
                "revision" => Arc::new(Int32Array::from(vec![frame.revision; count])),
                "is_final" => Arc::new(BooleanArray::from(vec![frame.is_final; count])),
                name => match rows.column_by_name(name) {
                    Some(column) => finite(cast(column, field.data_type())?),
                    None => new_null_array(field.data_type(), count),
                },
            });
        }
        let (reason, _) = LAYER_SCHEMA
            .column_with_name("reason")
            .expect("a layer's column");
        columns[reason] = reasons(&rows, &columns[reason])?;
        let rows = RecordBatch::try_new(Arc::clone(&LAYER_SCHEMA), columns).map_err(|error| {
            DataFusionError::Execution(format!("layer {}: {error}", frame.layer))
        })?;
        let keys: Vec<SortColumn> = rows
            .columns()
            .iter()
            .skip(3)
            .map(|values| SortColumn {
                values: Arc::clone(values),
                options: None,
            })
            .collect();
        let order = lexsort_to_indices(&keys, None)?;
        Ok(take_record_batch(&rows, &order)?)
    }
}

/// The reasons that the SQL gives, and others where it gives no value and no reason.
fn reasons(rows: &RecordBatch, given: &ArrayRef) -> Result<ArrayRef> {
    let values = rows
        .column_by_name("value")
        .expect("checked when the layer was planned");
    let values = cast(values, &DataType::Float64)?;
    let values = values.as_primitive::<Float64Type>().iter();
    let reasons = values
        .zip(given.as_string::<i32>())
        .map(|(value, given)| match value {
            _ if given.is_some() => given,
            None => Some(no_value::MISSING_INPUT),
            Some(value) => (!value.is_finite()).then_some(no_value::NOT_FINITE),
        });
    Ok(Arc::new(reasons.collect::<StringArray>()))
}

/// Numbers that are not finite as null; other columns as they are.
fn finite(column: ArrayRef) -> ArrayRef {
    if column.data_type() != &DataType::Float64 {
        return column;
    }
    let values = column.as_primitive::<Float64Type>();
    if values.iter().flatten().all(f64::is_finite) {
        return column;
    }
    let clean: arrow::array::Float64Array = values
        .iter()
        .map(|value| value.filter(|value| value.is_finite()))
        .collect();
    Arc::new(clean)
}
