//! Writing results: values of rows into one Arrow array.

use std::mem;
use std::sync::Arc;

use arrow::array::{
    ArrayRef, BinaryBuilder, BooleanBuilder, Float64Builder, Int64Builder, LargeStringBuilder,
    ListArray, StringBuilder, StringViewBuilder, StructArray, UInt64Builder,
};
use arrow::buffer::{NullBuffer, OffsetBuffer};
use arrow::datatypes::{DataType, FieldRef, Fields};
use datafusion::common::{Result, exec_err, internal_err};

/// The most list items in the result of one batch, 256 MB as BIGINT.
///
/// Beyond it the query fails, also with `try_`: a list per row multiplies a batch.
pub(crate) const LIST_ITEMS_PER_BATCH_MAX: usize = 32_000_000;

/// The most bytes of text or binary in the result of one batch; Arrow's offsets end at 2 GiB.
pub(crate) const BYTES_PER_BATCH_MAX: usize = 1 << 30;

/// The result of one row.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Output {
    /// NULL: there is no answer, and nothing was wrong with the input.
    Null,
    /// An H3 index; written as a number or as text, as the result type says.
    Index(u64),
    /// A list of H3 indexes.
    Indexes(Vec<u64>),
    /// BIGINT.
    Integer(i64),
    /// DOUBLE.
    Float(f64),
    /// A list of DOUBLE, or the fields of a struct of them.
    Floats(Vec<f64>),
    /// BOOLEAN.
    Boolean(bool),
    /// TEXT.
    Text(String),
    /// BYTEA.
    Bytes(Vec<u8>),
}

/// Collects results of one type.
pub(crate) struct Sink {
    data_type: DataType,
    items: Builder,
    bytes: usize,
}

enum Builder {
    UInt64(UInt64Builder),
    Int64(Int64Builder),
    Float64(Float64Builder),
    Boolean(BooleanBuilder),
    Utf8(StringBuilder),
    LargeUtf8(LargeStringBuilder),
    Utf8View(StringViewBuilder),
    Binary(BinaryBuilder),
    List(Box<ListBuilder>),
    Struct(StructBuilder),
}

struct StructBuilder {
    fields: Fields,
    columns: Vec<Float64Builder>,
    valid: Vec<bool>,
}

struct ListBuilder {
    field: FieldRef,
    /// The number of items of each row.
    lengths: Vec<usize>,
    valid: Vec<bool>,
    items: Builder,
    item_count: usize,
}

impl Sink {
    /// A sink for `rows` results of `data_type`.
    ///
    /// # Errors
    /// An internal error for a type that no function declares.
    pub(crate) fn try_new(data_type: &DataType, rows: usize) -> Result<Self> {
        Ok(Self {
            items: Builder::try_new(data_type, rows)?,
            data_type: data_type.clone(),
            bytes: 0,
        })
    }

    /// Adds a NULL.
    pub(crate) fn push_null(&mut self) {
        self.items.push_null();
    }

    /// Adds a result of `function`.
    ///
    /// # Errors
    /// An execution error when the batch grows beyond its limits; an internal one for a result that
    /// does not fit the type.
    pub(crate) fn push(&mut self, function: &str, output: Output) -> Result<()> {
        self.bytes += match &output {
            Output::Text(text) => text.len(),
            Output::Bytes(bytes) => bytes.len(),
            _ => 0,
        };
        if self.bytes > BYTES_PER_BATCH_MAX {
            return exec_err!(
                "{function}: one batch gives more than {BYTES_PER_BATCH_MAX} bytes; \
                 set datafusion.execution.batch_size lower"
            );
        }
        if self.items.list_items_with(&output) > LIST_ITEMS_PER_BATCH_MAX {
            return exec_err!(
                "{function}: one batch gives more than {LIST_ITEMS_PER_BATCH_MAX} list items; \
                 set datafusion.execution.batch_size lower"
            );
        }
        if !self.items.push(output) {
            return internal_err!("{function} declared {}, gave another type", self.data_type);
        }
        Ok(())
    }

    /// The array of all results in order.
    ///
    /// # Errors
    /// An Arrow error when a list is malformed, which would be a bug.
    pub(crate) fn finish(mut self) -> Result<ArrayRef> {
        self.items.finish()
    }
}

impl Builder {
    fn try_new(data_type: &DataType, rows: usize) -> Result<Self> {
        Ok(match data_type {
            DataType::UInt64 => Self::UInt64(UInt64Builder::with_capacity(rows)),
            DataType::Int64 => Self::Int64(Int64Builder::with_capacity(rows)),
            DataType::Float64 => Self::Float64(Float64Builder::with_capacity(rows)),
            DataType::Boolean => Self::Boolean(BooleanBuilder::with_capacity(rows)),
            DataType::Utf8 => Self::Utf8(StringBuilder::new()),
            DataType::LargeUtf8 => Self::LargeUtf8(LargeStringBuilder::new()),
            DataType::Utf8View => Self::Utf8View(StringViewBuilder::new()),
            DataType::Binary => Self::Binary(BinaryBuilder::new()),
            DataType::List(field) => Self::List(Box::new(ListBuilder {
                field: Arc::clone(field),
                lengths: Vec::with_capacity(rows),
                valid: Vec::with_capacity(rows),
                items: Self::try_new(field.data_type(), rows)?,
                item_count: 0,
            })),
            DataType::Struct(fields) => Self::Struct(StructBuilder {
                fields: fields.clone(),
                columns: fields
                    .iter()
                    .map(|_| Float64Builder::with_capacity(rows))
                    .collect(),
                valid: Vec::with_capacity(rows),
            }),
            other => return internal_err!("no function gives {other}"),
        })
    }

    fn push_null(&mut self) {
        match self {
            Self::UInt64(builder) => builder.append_null(),
            Self::Int64(builder) => builder.append_null(),
            Self::Float64(builder) => builder.append_null(),
            Self::Boolean(builder) => builder.append_null(),
            Self::Utf8(builder) => builder.append_null(),
            Self::LargeUtf8(builder) => builder.append_null(),
            Self::Utf8View(builder) => builder.append_null(),
            Self::Binary(builder) => builder.append_null(),
            Self::List(list) => {
                list.lengths.push(0);
                list.valid.push(false);
            }
            Self::Struct(row) => {
                row.columns.iter_mut().for_each(Float64Builder::append_null);
                row.valid.push(false);
            }
        }
    }

    /// Adds `output`; false when it is not of the builder's type.
    fn push(&mut self, output: Output) -> bool {
        match (self, output) {
            (Self::List(list), Output::Indexes(indexes)) => {
                list.start_row(indexes.len());
                indexes
                    .into_iter()
                    .all(|index| list.items.push_index(index))
            }
            (Self::List(list), Output::Floats(floats)) => {
                list.start_row(floats.len());
                floats
                    .into_iter()
                    .all(|float| list.items.push(Output::Float(float)))
            }
            (Self::Struct(row), Output::Floats(floats)) => {
                row.valid.push(true);
                for (column, value) in row.columns.iter_mut().zip(&floats) {
                    column.append_value(*value);
                }
                floats.len() == row.columns.len()
            }
            (builder, Output::Null) => {
                builder.push_null();
                true
            }
            (builder, Output::Index(index)) => builder.push_index(index),
            (Self::Int64(builder), Output::Integer(value)) => {
                builder.append_value(value);
                true
            }
            (Self::Float64(builder), Output::Float(value)) => {
                builder.append_value(value);
                true
            }
            (Self::Boolean(builder), Output::Boolean(value)) => {
                builder.append_value(value);
                true
            }
            (Self::Utf8(builder), Output::Text(value)) => {
                builder.append_value(value);
                true
            }
            (Self::Binary(builder), Output::Bytes(value)) => {
                builder.append_value(value);
                true
            }
            _ => false,
        }
    }

    fn push_index(&mut self, index: u64) -> bool {
        match self {
            Self::UInt64(builder) => builder.append_value(index),
            Self::Int64(builder) => {
                builder.append_value(i64::try_from(index).expect("bit 63 of an H3 index is zero"));
            }
            Self::Utf8(builder) => builder.append_value(format!("{index:x}")),
            Self::LargeUtf8(builder) => builder.append_value(format!("{index:x}")),
            Self::Utf8View(builder) => builder.append_value(format!("{index:x}")),
            Self::Float64(_)
            | Self::Boolean(_)
            | Self::Binary(_)
            | Self::List(_)
            | Self::Struct(_) => return false,
        }
        true
    }

    fn list_items_with(&self, output: &Output) -> usize {
        let added = match output {
            Output::Indexes(indexes) => indexes.len(),
            Output::Floats(floats) => floats.len(),
            _ => 0,
        };
        match self {
            Self::List(list) => list.item_count + added,
            _ => 0,
        }
    }

    fn finish(&mut self) -> Result<ArrayRef> {
        Ok(match self {
            Self::UInt64(builder) => Arc::new(builder.finish()),
            Self::Int64(builder) => Arc::new(builder.finish()),
            Self::Float64(builder) => Arc::new(builder.finish()),
            Self::Boolean(builder) => Arc::new(builder.finish()),
            Self::Utf8(builder) => Arc::new(builder.finish()),
            Self::LargeUtf8(builder) => Arc::new(builder.finish()),
            Self::Utf8View(builder) => Arc::new(builder.finish()),
            Self::Binary(builder) => Arc::new(builder.finish()),
            Self::List(list) => Arc::new(ListArray::try_new(
                Arc::clone(&list.field),
                OffsetBuffer::from_lengths(mem::take(&mut list.lengths)),
                list.items.finish()?,
                Some(NullBuffer::from(mem::take(&mut list.valid))),
            )?),
            Self::Struct(row) => Arc::new(StructArray::try_new(
                row.fields.clone(),
                row.columns
                    .iter_mut()
                    .map(|column| Arc::new(column.finish()) as ArrayRef)
                    .collect(),
                Some(NullBuffer::from(mem::take(&mut row.valid))),
            )?),
        })
    }
}

impl ListBuilder {
    fn start_row(&mut self, length: usize) {
        self.lengths.push(length);
        self.valid.push(true);
        self.item_count += length;
    }
}
