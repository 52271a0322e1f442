//! Outputs as rows: Arrow batches for the lake, JSON for topics.

use std::sync::{Arc, LazyLock};

use anyhow::{Context, Result, ensure};
use arrow::array::{
    ArrayRef, AsArray, BinaryArray, BooleanArray, FixedSizeBinaryArray, Float64Array, Int32Array,
    Int64Array, RecordBatch, StringArray, TimestampMicrosecondArray, UInt64Array,
};
use arrow::datatypes::{DataType, Field, Schema, SchemaRef, TimeUnit, UInt64Type};
use arrow::json::reader::Decoder;
use arrow::json::{LineDelimitedWriter, ReaderBuilder};
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
        if let Some(kind) = text_of(field) {
            fields.push(Field::new(
                field.name(),
                DataType::Utf8,
                field.is_nullable(),
            ));
            columns.push(Arc::new(kind.encode(column)) as ArrayRef);
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

/// What JSON has no type for, and is text there.
#[derive(Debug, Clone, Copy)]
enum Text {
    /// A cell, in hexadecimal.
    Cell,
    /// Bytes, in base64.
    Bytes,
    /// The same, all of one length.
    FixedBytes(i32),
}

fn text_of(field: &Field) -> Option<Text> {
    match field.data_type() {
        DataType::UInt64 if field.name().contains("cell") => Some(Text::Cell),
        DataType::Binary => Some(Text::Bytes),
        DataType::FixedSizeBinary(size) => Some(Text::FixedBytes(*size)),
        _ => None,
    }
}

impl Text {
    fn encode(self, column: &ArrayRef) -> StringArray {
        let base64 = |bytes: &[u8]| BASE64_STANDARD.encode(bytes);
        match self {
            Self::Cell => {
                let cells = column.as_primitive::<UInt64Type>();
                cells.iter().map(|c| c.map(|c| format!("{c:x}"))).collect()
            }
            Self::Bytes => {
                let values = column.as_binary::<i32>();
                values.iter().map(|bytes| bytes.map(base64)).collect()
            }
            Self::FixedBytes(_) => {
                let values = column.as_fixed_size_binary();
                values.iter().map(|bytes| bytes.map(base64)).collect()
            }
        }
    }

    fn decode(self, texts: &StringArray) -> Result<ArrayRef> {
        let cell = |text| u64::from_str_radix(text, 16);
        let bytes = || -> Result<Vec<Option<Vec<u8>>>> {
            let decode = |text: &str| BASE64_STANDARD.decode(text);
            let values = texts.iter().map(|text| text.map(decode).transpose());
            Ok(values.collect::<Result<_, _>>()?)
        };
        Ok(match self {
            Self::Cell => {
                let cells = texts.iter().map(|text| text.map(cell).transpose());
                Arc::new(cells.collect::<Result<UInt64Array, _>>()?)
            }
            Self::Bytes => Arc::new(bytes()?.iter().collect::<BinaryArray>()),
            Self::FixedBytes(size) => {
                let values = bytes()?.into_iter();
                Arc::new(FixedSizeBinaryArray::try_from_sparse_iter_with_size(
                    values, size,
                )?)
            }
        })
    }
}

/// The reverse of [`json_lines`]: rows of a schema from JSON objects.
#[derive(Debug)]
pub(crate) struct JsonRows {
    schema: SchemaRef,
    decoder: Decoder,
}

impl JsonRows {
    /// For rows of `schema`; fields of an object that it does not have are passed over.
    pub(crate) fn new(schema: &SchemaRef) -> Result<Self> {
        let fields = schema.fields().iter().map(|field| {
            let kind = match text_of(field) {
                Some(_) => DataType::Utf8,
                None => field.data_type().clone(),
            };
            Field::new(field.name(), kind, field.is_nullable())
        });
        let in_json = Arc::new(Schema::new(fields.collect::<Vec<_>>()));
        Ok(Self {
            schema: Arc::clone(schema),
            decoder: ReaderBuilder::new(in_json).build_decoder()?,
        })
    }

    /// Takes one object; gives rows once there are enough for a batch.
    ///
    /// # Errors
    /// An object that is none, or a value that its column cannot have.
    pub(crate) fn add(&mut self, object: &[u8]) -> Result<Option<RecordBatch>> {
        let taken = self.decoder.decode(object)?;
        if taken == object.len() {
            return Ok(None);
        }
        let full = self.finish()?;
        let rest = &object[taken..];
        ensure!(self.decoder.decode(rest)? == rest.len(), "no JSON object");
        Ok(full)
    }

    /// The rows that were not given yet.
    ///
    /// # Errors
    /// As [`Self::add`].
    pub(crate) fn finish(&mut self) -> Result<Option<RecordBatch>> {
        let Some(rows) = self.decoder.flush()? else {
            return Ok(None);
        };
        let fields = self.schema.fields().iter();
        let columns = fields.zip(rows.columns()).map(|(field, column)| {
            let Some(kind) = text_of(field) else {
                return Ok(Arc::clone(column));
            };
            let texts = column.as_string::<i32>();
            kind.decode(texts)
                .with_context(|| format!("column {}", field.name()))
        });
        let columns: Result<Vec<ArrayRef>> = columns.collect();
        Ok(Some(RecordBatch::try_new(
            Arc::clone(&self.schema),
            columns?,
        )?))
    }
}

#[cfg(test)]
mod tests {
    //! Tries to have a value changed or a row lost on the way to JSON and back.

    use super::*;

    fn rows() -> RecordBatch {
        let fixed = FixedSizeBinaryArray::try_from_sparse_iter_with_size(
            [Some([0_u8, 255]), None, Some([7, 7])].into_iter(),
            2,
        );
        let numbers = [Some(0.1 + 0.2), None, Some(f64::MIN_POSITIVE)];
        let times =
            TimestampMicrosecondArray::from(vec![Some(1), None, Some(1_772_409_600_000_001)]);
        let columns: [(&str, ArrayRef); 7] = [
            ("n", Arc::new(Int64Array::from(vec![i64::MIN, 0, i64::MAX]))),
            ("value", Arc::new(Float64Array::from(numbers.to_vec()))),
            (
                "text",
                Arc::new(StringArray::from(vec![Some("{\"}\n市"), None, Some("")])),
            ),
            (
                "cell",
                Arc::new(UInt64Array::from(vec![Some(u64::MAX), None, Some(0x89)])),
            ),
            (
                "bytes",
                Arc::new(BinaryArray::from(vec![
                    Some(&b"\0\xff"[..]),
                    None,
                    Some(b""),
                ])),
            ),
            ("key", Arc::new(fixed.unwrap())),
            ("at", Arc::new(times.with_timezone("UTC"))),
        ];
        let fields = columns.iter().map(|(name, column)| {
            Field::new(*name, column.data_type().clone(), column.is_nullable())
        });
        let schema = Schema::new(fields.collect::<Vec<_>>());
        let columns = columns.into_iter().map(|(_, column)| column).collect();
        RecordBatch::try_new(Arc::new(schema), columns).unwrap()
    }

    #[test]
    fn rows_come_back_from_json() {
        let rows = rows();
        let lines = json_lines(&rows).unwrap();
        let mut back = JsonRows::new(&rows.schema()).unwrap();
        let lines: Vec<&[u8]> = lines.split(|byte| *byte == b'\n').collect();
        // More than a batch holds, so that some come early.
        let (mut found, turns) = (Vec::new(), 500);
        for line in lines
            .iter()
            .filter(|line| !line.is_empty())
            .cycle()
            .take(3 * turns)
        {
            found.extend(back.add(line).unwrap());
        }
        assert_eq!(found.len(), 1);
        found.extend(back.finish().unwrap());
        assert!(back.finish().unwrap().is_none());
        let found = arrow::compute::concat_batches(&rows.schema(), &found).unwrap();
        assert_eq!(found.num_rows(), 3 * turns);
        for turn in 0..turns {
            assert_eq!(found.slice(3 * turn, 3), rows);
        }
    }

    #[test]
    fn what_a_column_cannot_have_is_refused() {
        let schema = rows().schema();
        for wrong in [
            "{\"n\":1,\"cell\":\"8g\"}",
            "{\"n\":1,\"bytes\":\"?\"}",
            "{\"n\":1,\"key\":\"AAAA\"}",
            "{\"n\":\"many\"}",
            "{}",
            "[1]",
        ] {
            let mut back = JsonRows::new(&schema).unwrap();
            let taken = back.add(wrong.as_bytes());
            let error = taken.and_then(|_| back.finish());
            assert!(error.is_err(), "{wrong}");
        }
    }
}
