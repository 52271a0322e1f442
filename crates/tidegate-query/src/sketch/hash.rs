//! The hash of a value: XXH3-64 with a fixed seed over bytes that depend on the value only, not on
//! how its column is laid out.
//!
//! | type | bytes |
//! |---|---|
//! | whole numbers, dates, timestamps | 64 bits in two's complement, little-endian |
//! | BOOLEAN | one byte, 0 or 1 |
//! | text | UTF-8 |
//! | bytes | themselves |
//! | dictionary | those of the value it stands for |
//!
//! So a number has one hash in columns of every width, and a text in all text columns.
//! A timestamp is the number of units of its own type.
//! Floating-point numbers are refused: a site or a trip is not named by one, and −0.0 and NaN
//! would each be two values.

use arrow::array::{Array, ArrayRef, AsArray};
use arrow::compute::cast;
use arrow::datatypes::{DataType, Int64Type, UInt64Type};
use datafusion::common::{DataFusionError, Result};
use xxhash_rust::xxh3::xxh3_64_with_seed;

/// "tidegate" in ASCII. Part of the format of sketches: see the version there.
const SEED: u64 = 0x7469_6465_6761_7465;

/// Whether values of this type have a hash.
pub(super) fn is_hashable(data_type: &DataType) -> bool {
    match data_type {
        DataType::Dictionary(_, value) => {
            !matches!(**value, DataType::Dictionary(..)) && is_hashable(value)
        }
        DataType::Boolean
        | DataType::Utf8
        | DataType::LargeUtf8
        | DataType::Utf8View
        | DataType::Binary
        | DataType::LargeBinary
        | DataType::BinaryView
        | DataType::FixedSizeBinary(_) => true,
        other => is_whole_number(other),
    }
}

/// Whether values of this type are 64 bits or fewer of a whole number.
fn is_whole_number(data_type: &DataType) -> bool {
    data_type.is_integer()
        || matches!(
            data_type,
            DataType::Date32 | DataType::Date64 | DataType::Timestamp(..)
        )
}

/// The hash of each row of `column`; what stands at a null row means nothing.
pub(super) fn hashes(column: &ArrayRef) -> Result<Vec<u64>> {
    let hashes = match column.data_type() {
        DataType::Boolean => column
            .as_boolean()
            .iter()
            .map(|value| hash(&[u8::from(value.unwrap_or_default())]))
            .collect(),
        DataType::Utf8 => each(column.as_string::<i32>().iter()),
        DataType::LargeUtf8 => each(column.as_string::<i64>().iter()),
        DataType::Utf8View => each(column.as_string_view().iter()),
        DataType::Binary => each(column.as_binary::<i32>().iter()),
        DataType::LargeBinary => each(column.as_binary::<i64>().iter()),
        DataType::BinaryView => each(column.as_binary_view().iter()),
        DataType::FixedSizeBinary(_) => each(column.as_fixed_size_binary().iter()),
        DataType::Dictionary(..) => {
            let dictionary = column.as_any_dictionary();
            if dictionary.values().is_empty() {
                return Ok(vec![0; column.len()]);
            }
            let values = hashes(dictionary.values())?;
            let keys = dictionary.normalized_keys();
            keys.into_iter().map(|key| values[key]).collect()
        }
        DataType::UInt64 => {
            let values = column.as_primitive::<UInt64Type>().values();
            values
                .iter()
                .map(|value| hash(&value.to_le_bytes()))
                .collect()
        }
        other if is_whole_number(other) => {
            let column = cast(column, &DataType::Int64)?;
            let values = column.as_primitive::<Int64Type>().values();
            values
                .iter()
                .map(|value| hash(&value.to_le_bytes()))
                .collect()
        }
        other => {
            let message = format!("values of type {other} have no hash");
            return Err(DataFusionError::Internal(message));
        }
    };
    Ok(hashes)
}

fn each<V: AsRef<[u8]>>(values: impl Iterator<Item = Option<V>>) -> Vec<u64> {
    values
        .map(|value| value.map_or(0, |value| hash(value.as_ref())))
        .collect()
}

fn hash(bytes: &[u8]) -> u64 {
    xxh3_64_with_seed(bytes, SEED)
}
