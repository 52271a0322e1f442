//! Reading arguments: Arrow arrays into values of one row.

use arrow::array::{
    Array, ArrayRef, AsArray, BinaryArray, BinaryViewArray, Float64Array, Int64Array,
    LargeBinaryArray, LargeStringArray, ListArray, StringArray, StringViewArray, UInt64Array,
};
use arrow::datatypes::{DataType, Float64Type, Int64Type, UInt64Type};
use datafusion::common::{Result, internal_err};
use h3o::{CellIndex, DirectedEdgeIndex, Resolution, VertexIndex};

use super::fault::quoted;
use super::{Fault, Kind, Parameter};

/// One argument for all rows.
pub(crate) struct Column<'a> {
    items: Items<'a>,
    /// Whether the array has one item that stands for every row.
    constant: bool,
    /// Whether a NULL is a value.
    takes_null: bool,
}

enum Items<'a> {
    UInt64(&'a UInt64Array),
    Int64(&'a Int64Array),
    Float64(&'a Float64Array),
    Utf8(&'a StringArray),
    LargeUtf8(&'a LargeStringArray),
    Utf8View(&'a StringViewArray),
    Binary(&'a BinaryArray),
    LargeBinary(&'a LargeBinaryArray),
    BinaryView(&'a BinaryViewArray),
    List(&'a ListArray),
}

/// One value, NULL only where the parameter takes it.
pub(crate) enum Value<'a> {
    Null,
    Unsigned(u64),
    Signed(i64),
    Float(f64),
    Text(&'a str),
    Bytes(&'a [u8]),
    List(ArrayRef),
}

impl<'a> Column<'a> {
    /// Reads `array` as an argument for `parameter`.
    ///
    /// # Errors
    /// An internal error for a type that planning does not let through.
    pub(crate) fn try_new(
        array: &'a dyn Array,
        constant: bool,
        parameter: &Parameter,
    ) -> Result<Self> {
        let items = Items::of(array);
        let fits = match (&items, parameter.kind) {
            (Some(Items::UInt64(_) | Items::Int64(_)), Kind::Cell | Kind::Integer)
            | (
                Some(Items::Utf8(_) | Items::LargeUtf8(_) | Items::Utf8View(_)),
                Kind::Cell | Kind::Text | Kind::TextOrNull,
            )
            | (Some(Items::Float64(_)), Kind::Float)
            | (
                Some(Items::Binary(_) | Items::LargeBinary(_) | Items::BinaryView(_)),
                Kind::Bytes,
            ) => true,
            (Some(Items::List(list)), Kind::CellList) => matches!(
                Items::of(list.values().as_ref()),
                Some(
                    Items::UInt64(_)
                        | Items::Int64(_)
                        | Items::Utf8(_)
                        | Items::LargeUtf8(_)
                        | Items::Utf8View(_)
                )
            ),
            _ => false,
        };
        match items {
            Some(items) if fits => Ok(Self {
                items,
                constant,
                takes_null: parameter.kind.takes_null(),
            }),
            _ => internal_err!(
                "argument {} reached execution as {}",
                parameter.name,
                array.data_type()
            ),
        }
    }

    fn value(&self, row_idx: usize) -> Option<Value<'a>> {
        let value = self.items.value(if self.constant { 0 } else { row_idx });
        value.or_else(|| self.takes_null.then_some(Value::Null))
    }
}

impl<'a> Items<'a> {
    fn of(array: &'a dyn Array) -> Option<Self> {
        Some(match array.data_type() {
            DataType::UInt64 => Self::UInt64(array.as_primitive::<UInt64Type>()),
            DataType::Int64 => Self::Int64(array.as_primitive::<Int64Type>()),
            DataType::Float64 => Self::Float64(array.as_primitive::<Float64Type>()),
            DataType::Utf8 => Self::Utf8(array.as_string::<i32>()),
            DataType::LargeUtf8 => Self::LargeUtf8(array.as_string::<i64>()),
            DataType::Utf8View => Self::Utf8View(array.as_string_view()),
            DataType::Binary => Self::Binary(array.as_binary::<i32>()),
            DataType::LargeBinary => Self::LargeBinary(array.as_binary::<i64>()),
            DataType::BinaryView => Self::BinaryView(array.as_binary_view()),
            DataType::List(_) => Self::List(array.as_list::<i32>()),
            _ => return None,
        })
    }

    fn value(&self, idx: usize) -> Option<Value<'a>> {
        match *self {
            Self::UInt64(array) => valid(array, idx).map(|()| Value::Unsigned(array.value(idx))),
            Self::Int64(array) => valid(array, idx).map(|()| Value::Signed(array.value(idx))),
            Self::Float64(array) => valid(array, idx).map(|()| Value::Float(array.value(idx))),
            Self::Utf8(array) => valid(array, idx).map(|()| Value::Text(array.value(idx))),
            Self::LargeUtf8(array) => valid(array, idx).map(|()| Value::Text(array.value(idx))),
            Self::Utf8View(array) => valid(array, idx).map(|()| Value::Text(array.value(idx))),
            Self::Binary(array) => valid(array, idx).map(|()| Value::Bytes(array.value(idx))),
            Self::LargeBinary(array) => valid(array, idx).map(|()| Value::Bytes(array.value(idx))),
            Self::BinaryView(array) => valid(array, idx).map(|()| Value::Bytes(array.value(idx))),
            Self::List(array) => valid(array, idx).map(|()| Value::List(array.value(idx))),
        }
    }
}

fn valid(array: &dyn Array, idx: usize) -> Option<()> {
    array.is_valid(idx).then_some(())
}

/// The arguments of one row, none of them NULL but where the parameter takes it.
///
/// An accessor for another kind than the parameter's is a bug in a table of functions, and panics.
pub(crate) struct Row<'a> {
    values: Vec<Value<'a>>,
}

impl<'a> Row<'a> {
    /// A row without values.
    pub(crate) fn with_capacity(arguments: usize) -> Self {
        Self {
            values: Vec::with_capacity(arguments),
        }
    }

    /// Takes the values at `row_idx`; false when one of them is NULL that must not be.
    pub(crate) fn fill(&mut self, columns: &[Column<'a>], row_idx: usize) -> bool {
        self.values.clear();
        self.values
            .extend(columns.iter().map_while(|column| column.value(row_idx)));
        self.values.len() == columns.len()
    }

    /// Argument `idx` as a cell.
    pub(crate) fn cell(&self, idx: usize) -> Result<CellIndex, Fault> {
        cell(&self.values[idx])
    }

    /// Argument `idx` as a directed edge.
    pub(crate) fn edge(&self, idx: usize) -> Result<DirectedEdgeIndex, Fault> {
        let value = &self.values[idx];
        raw_index(value)
            .and_then(|raw| DirectedEdgeIndex::try_from(raw).ok())
            .ok_or_else(|| refused(value, "is not an H3 directed edge"))
    }

    /// Argument `idx` as the number of an H3 cell, directed edge or vertex.
    pub(crate) fn index(&self, idx: usize) -> Result<u64, Fault> {
        let value = &self.values[idx];
        raw_index(value)
            .filter(|&raw| {
                CellIndex::try_from(raw).is_ok()
                    || DirectedEdgeIndex::try_from(raw).is_ok()
                    || VertexIndex::try_from(raw).is_ok()
            })
            .ok_or_else(|| refused(value, "is not an H3 index"))
    }

    /// Argument `idx` as a list of cells, none of them NULL.
    pub(crate) fn cells(&self, idx: usize) -> Result<Vec<CellIndex>, Fault> {
        let Value::List(array) = &self.values[idx] else {
            unreachable!("argument {idx} is a list")
        };
        let items = Items::of(array.as_ref()).expect("items were checked with the column");
        (0..array.len())
            .map(|item_idx| match items.value(item_idx) {
                Some(value) => cell(&value),
                None => Err(Fault::new(format!(
                    "item {} of the list is NULL",
                    item_idx + 1
                ))),
            })
            .collect()
    }

    /// Argument `idx` as an H3 resolution.
    pub(crate) fn resolution(&self, idx: usize) -> Result<Resolution, Fault> {
        let value = self.integer(idx);
        u8::try_from(value)
            .ok()
            .and_then(|value| Resolution::try_from(value).ok())
            .ok_or_else(|| Fault::new(format!("resolution {value} is not between 0 and 15")))
    }

    /// Argument `idx` as an integer.
    pub(crate) fn integer(&self, idx: usize) -> i128 {
        match self.values[idx] {
            Value::Signed(value) => value.into(),
            Value::Unsigned(value) => value.into(),
            _ => unreachable!("argument {idx} is an integer"),
        }
    }

    /// Argument `idx` as a number.
    pub(crate) fn float(&self, idx: usize) -> f64 {
        match self.values[idx] {
            Value::Float(value) => value,
            _ => unreachable!("argument {idx} is a number"),
        }
    }

    /// Argument `idx` as text.
    pub(crate) fn text(&self, idx: usize) -> &'a str {
        match self.values[idx] {
            Value::Text(value) => value,
            _ => unreachable!("argument {idx} is text"),
        }
    }

    /// Argument `idx` as text, or NULL.
    pub(crate) fn text_or_null(&self, idx: usize) -> Option<&'a str> {
        match self.values[idx] {
            Value::Null => None,
            Value::Text(value) => Some(value),
            _ => unreachable!("argument {idx} is text"),
        }
    }

    /// The bits of the arguments, which tell rows apart: at most four numbers.
    pub(crate) fn bits(&self) -> [u64; 4] {
        let mut bits = [0; 4];
        for (slot, value) in bits.iter_mut().zip(&self.values) {
            *slot = match value {
                Value::Unsigned(value) => *value,
                Value::Signed(value) => value.cast_unsigned(),
                Value::Float(value) => value.to_bits(),
                _ => unreachable!("rows that share results have numbers only"),
            };
        }
        bits
    }

    /// Argument `idx` as bytes.
    pub(crate) fn bytes(&self, idx: usize) -> &'a [u8] {
        match self.values[idx] {
            Value::Bytes(value) => value,
            _ => unreachable!("argument {idx} is binary"),
        }
    }
}

fn cell(value: &Value<'_>) -> Result<CellIndex, Fault> {
    raw_index(value)
        .and_then(|raw| CellIndex::try_from(raw).ok())
        .ok_or_else(|| refused(value, "is not an H3 cell"))
}

fn raw_index(value: &Value<'_>) -> Option<u64> {
    match *value {
        Value::Unsigned(raw) => Some(raw),
        Value::Signed(raw) => u64::try_from(raw).ok(),
        // `from_str_radix` would take a sign.
        Value::Text(text) if text.bytes().all(|byte| byte.is_ascii_hexdigit()) => {
            u64::from_str_radix(text, 16).ok()
        }
        _ => None,
    }
}

fn refused(value: &Value<'_>, why: &str) -> Fault {
    Fault::new(match value {
        Value::Unsigned(raw) => format!("{raw} {why}"),
        Value::Signed(raw) => format!("{raw} {why}"),
        Value::Text(text) => format!("{} {why} in hexadecimal", quoted(text)),
        Value::Null | Value::Float(_) | Value::Bytes(_) | Value::List(_) => why.to_owned(),
    })
}
