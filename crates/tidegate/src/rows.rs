//! Outputs as rows: Arrow batches for the lake, JSON for topics.

use std::sync::{Arc, LazyLock};

use anyhow::Result;
use arrow::array::{
    ArrayRef, AsArray, BinaryArray, BooleanArray, Float64Array, Int32Array, Int64Array,
    RecordBatch, StringArray, TimestampMicrosecondArray,
};
use arrow::datatypes::{DataType, Field, Schema, SchemaRef, TimeUnit, UInt64Type};
use arrow::json::LineDelimitedWriter;
use base64::prelude::{BASE64_STANDARD, Engine as _};
use tidegate_alerts::AlertTransition;
use tidegate_engine::first_instant;
use tidegate_model::{EventTime, OBSERVATION_SCHEMA, ObservationBatch, Rejected};

fn utc() -> DataType {
    DataType::Timestamp(TimeUnit::Microsecond, Some("UTC".into()))
}

/// Columns of rejected records.
pub(crate) static REJECTED_SCHEMA: LazyLock<SchemaRef> = LazyLock::new(|| {
    Arc::new(Schema::new(vec![
        Field::new("feed", DataType::Utf8, false),
        Field::new("source_partition", DataType::Int32, false),
        Field::new("source_offset", DataType::Int64, false),
        Field::new("source_row", DataType::Int32, false),
        Field::new("reason", DataType::Utf8, false),
        Field::new("detail", DataType::Utf8, false),
        Field::new("site_id", DataType::Utf8, true),
        Field::new("bytes", DataType::Binary, true),
    ]))
});

fn bytes() -> Arc<Field> {
    Arc::new(Field::new("bytes", DataType::Binary, true))
}

/// Columns of late records: those of an observation, why, the watermark that the record missed as
/// it stood before the record, and how late that is: by how many microseconds of event time the
/// first instant that the record touches lies behind it. A flow touches its whole interval, a
/// snapshot the last instant of its interval. Last come the bytes of the record.
pub(crate) static LATE_SCHEMA: LazyLock<SchemaRef> = LazyLock::new(|| {
    let mut fields: Vec<_> = OBSERVATION_SCHEMA.fields().iter().cloned().collect();
    fields.push(Arc::new(Field::new("late_reason", DataType::Utf8, false)));
    fields.push(Arc::new(Field::new("watermark", utc(), false)));
    fields.push(Arc::new(Field::new("late_by_us", DataType::Int64, false)));
    fields.push(bytes());
    Arc::new(Schema::new(fields))
});

/// Columns of duplicate records: those of an observation, why it counts as one, and its bytes.
pub(crate) static DUPLICATE_SCHEMA: LazyLock<SchemaRef> = LazyLock::new(|| {
    let mut fields: Vec<_> = OBSERVATION_SCHEMA.fields().iter().cloned().collect();
    fields.push(Arc::new(Field::new(
        "duplicate_reason",
        DataType::Utf8,
        false,
    )));
    fields.push(bytes());
    Arc::new(Schema::new(fields))
});

/// Columns of alert transitions.
pub(crate) static ALERT_SCHEMA: LazyLock<SchemaRef> = LazyLock::new(|| {
    let text = |name| Field::new(name, DataType::Utf8, false);
    let number = |name| Field::new(name, DataType::Float64, true);
    Arc::new(Schema::new(vec![
        text("id"),
        text("rule"),
        text("rule_hash"),
        text("layer"),
        text("subject_kind"),
        text("subject"),
        text("state"),
        text("severity"),
        Field::new("window_start", utc(), false),
        Field::new("window_end", utc(), false),
        Field::new("since", utc(), false),
        number("value"),
        number("lo"),
        number("hi"),
        text("unit"),
        Field::new("level", DataType::Utf8, true),
        number("coverage"),
        number("data_age"),
        text("method"),
        text("title_zh"),
        text("title_en"),
        text("text_zh"),
        text("text_en"),
        text("owner"),
        number("threshold"),
        Field::new("grid_unit", DataType::Utf8, true),
        Field::new("runbook", DataType::Utf8, true),
        Field::new("valid_until", utc(), false),
        Field::new("is_shadow", DataType::Boolean, false),
    ]))
});

/// The schema of a window query's panes as given out: its own columns, then which evaluation it is.
pub(crate) fn pane_schema(panes: &Schema) -> SchemaRef {
    let mut fields: Vec<_> = panes.fields().iter().cloned().collect();
    fields.push(Arc::new(Field::new("revision", DataType::Int32, false)));
    fields.push(Arc::new(Field::new("is_final", DataType::Boolean, false)));
    Arc::new(Schema::new(fields))
}

/// Panes as rows of [`pane_schema`]: a reader tells a window's first result from its revision with
/// late records, and both from a look at a window that is still open.
pub(crate) fn pane_rows(panes: &RecordBatch, revision: u32, is_final: bool) -> Result<RecordBatch> {
    let rows = panes.num_rows();
    let mut columns = panes.columns().to_vec();
    columns.push(Arc::new(Int32Array::from(vec![
        i32::try_from(revision)?;
        rows
    ])));
    columns.push(Arc::new(BooleanArray::from(vec![is_final; rows])));
    Ok(RecordBatch::try_new(pane_schema(&panes.schema()), columns)?)
}

/// Alert transitions as rows of [`ALERT_SCHEMA`].
pub(crate) fn alert_rows(alerts: &[AlertTransition]) -> Result<RecordBatch> {
    let text = |pick: fn(&AlertTransition) -> &str| -> ArrayRef {
        Arc::new(StringArray::from_iter_values(alerts.iter().map(pick)))
    };
    let number = |pick: fn(&AlertTransition) -> Option<f64>| -> ArrayRef {
        Arc::new(alerts.iter().map(pick).collect::<Float64Array>())
    };
    let time = |pick: fn(&AlertTransition) -> EventTime| -> ArrayRef {
        let times = alerts.iter().map(|alert| pick(alert).micros());
        Arc::new(TimestampMicrosecondArray::from_iter_values(times).with_timezone("UTC"))
    };
    let maybe = |pick: fn(&AlertTransition) -> Option<&str>| -> ArrayRef {
        Arc::new(alerts.iter().map(pick).collect::<StringArray>())
    };
    let columns = vec![
        text(|a| &a.id),
        text(|a| &a.rule),
        text(|a| &a.rule_hash),
        text(|a| &a.layer),
        text(|a| &a.subject_kind),
        text(|a| &a.subject),
        text(|a| a.state.as_str()),
        text(|a| a.severity.as_str()),
        time(|a| a.window_start),
        time(|a| a.window_end),
        time(|a| a.since),
        number(|a| a.value),
        number(|a| a.lo),
        number(|a| a.hi),
        text(|a| &a.unit),
        maybe(|a| a.level.as_deref()),
        number(|a| a.coverage),
        number(|a| a.data_age.map(tidegate_model::Span::as_seconds_f64)),
        text(|a| &a.method),
        text(|a| &a.title_zh),
        text(|a| &a.title_en),
        text(|a| &a.text_zh),
        text(|a| &a.text_en),
        text(|a| &a.owner),
        number(|a| a.threshold),
        maybe(|a| a.grid_unit.as_deref()),
        maybe(|a| a.runbook.as_deref()),
        time(|a| a.valid_until),
        Arc::new(BooleanArray::from(
            alerts.iter().map(|a| a.is_shadow).collect::<Vec<_>>(),
        )),
    ];
    Ok(RecordBatch::try_new(Arc::clone(&ALERT_SCHEMA), columns)?)
}

/// Rejected records as rows of [`REJECTED_SCHEMA`].
pub(crate) fn rejected_rows(rejected: &[Rejected]) -> Result<RecordBatch> {
    let text = |pick: fn(&Rejected) -> &str| -> ArrayRef {
        Arc::new(StringArray::from_iter_values(rejected.iter().map(pick)))
    };
    let columns: Vec<ArrayRef> = vec![
        text(|r| r.feed.as_str()),
        Arc::new(Int32Array::from_iter_values(
            rejected.iter().map(|r| r.position.partition),
        )),
        Arc::new(Int64Array::from_iter_values(
            rejected.iter().map(|r| r.position.offset),
        )),
        Arc::new(Int32Array::from_iter_values(
            rejected.iter().map(|r| r.position.row),
        )),
        text(|r| r.reason.code()),
        text(|r| &r.detail),
        Arc::new(
            rejected
                .iter()
                .map(|r| r.site.as_deref())
                .collect::<StringArray>(),
        ),
        Arc::new(
            rejected
                .iter()
                .map(|r| r.bytes.as_deref())
                .collect::<BinaryArray>(),
        ),
    ];
    Ok(RecordBatch::try_new(Arc::clone(&REJECTED_SCHEMA), columns)?)
}

/// Late records, each with the watermark that it missed, as rows of [`LATE_SCHEMA`].
pub(crate) fn late_rows(
    batch: &ObservationBatch,
    reason: &str,
    watermarks: &[EventTime],
    bytes: &[Option<Vec<u8>>],
) -> Result<RecordBatch> {
    let mut columns = batch.batch().columns().to_vec();
    columns.push(Arc::new(StringArray::from(vec![reason; batch.len()])));
    let times = watermarks.iter().map(|watermark| watermark.micros());
    columns.push(Arc::new(
        TimestampMicrosecondArray::from_iter_values(times).with_timezone("UTC"),
    ));
    let late_by = watermarks.iter().enumerate().map(|(row, watermark)| {
        let first = first_instant(batch, row);
        watermark.since(first).as_micros()
    });
    columns.push(Arc::new(Int64Array::from_iter_values(late_by)));
    columns.push(Arc::new(bytes.iter().collect::<BinaryArray>()));
    Ok(RecordBatch::try_new(Arc::clone(&LATE_SCHEMA), columns)?)
}

/// Records whose ids were seen before, as rows of [`DUPLICATE_SCHEMA`].
pub(crate) fn duplicate_rows(
    batch: &ObservationBatch,
    bytes: &[Option<Vec<u8>>],
) -> Result<RecordBatch> {
    let mut columns = batch.batch().columns().to_vec();
    columns.push(Arc::new(StringArray::from(vec!["id_seen"; batch.len()])));
    columns.push(Arc::new(bytes.iter().collect::<BinaryArray>()));
    Ok(RecordBatch::try_new(
        Arc::clone(&DUPLICATE_SCHEMA),
        columns,
    )?)
}

/// Rows as JSON objects, one a line; a row's empty fields are left out, cells are hexadecimal text, bytes base64 (RFC 4648, padded).
pub(crate) fn json_lines(rows: &RecordBatch) -> Result<Vec<u8>> {
    let schema = rows.schema();
    let mut fields = Vec::new();
    let mut columns = Vec::new();
    for (field, column) in schema.fields().iter().zip(rows.columns()) {
        if let Some(text) = as_text(field, column) {
            fields.push(Field::new(
                field.name(),
                DataType::Utf8,
                field.is_nullable(),
            ));
            columns.push(Arc::new(text) as ArrayRef);
        } else {
            fields.push(field.as_ref().clone());
            columns.push(Arc::clone(column));
        }
    }
    let rows = RecordBatch::try_new(Arc::new(Schema::new(fields)), columns)?;
    let mut writer = LineDelimitedWriter::new(Vec::new());
    writer.write(&rows)?;
    writer.finish()?;
    Ok(writer.into_inner())
}

/// The column as the text that JSON has for it, where JSON has no such type.
fn as_text(field: &Field, column: &ArrayRef) -> Option<StringArray> {
    let encode = |bytes: &[u8]| BASE64_STANDARD.encode(bytes);
    match field.data_type() {
        DataType::UInt64 if field.name().contains("cell") => {
            let cells = column.as_primitive::<UInt64Type>();
            Some(cells.iter().map(|c| c.map(|c| format!("{c:x}"))).collect())
        }
        DataType::Binary => {
            let values = column.as_binary::<i32>();
            Some(values.iter().map(|bytes| bytes.map(encode)).collect())
        }
        DataType::FixedSizeBinary(_) => {
            let values = column.as_fixed_size_binary();
            Some(values.iter().map(|bytes| bytes.map(encode)).collect())
        }
        _ => None,
    }
}
