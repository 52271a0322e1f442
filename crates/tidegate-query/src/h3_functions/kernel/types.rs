//! The SQL types that functions take and give.

use std::sync::Arc;

use arrow::datatypes::{DataType, Field, Fields};
use datafusion::common::types::{logical_float64, logical_int64, logical_string, logical_uint64};
use datafusion::common::{Result, plan_err};
use datafusion::logical_expr::{Coercion, TypeSignature, TypeSignatureClass};

/// One parameter of a function.
#[derive(Debug)]
pub(crate) struct Parameter {
    /// Its name.
    pub(crate) name: &'static str,
    /// The types that it takes.
    pub(crate) kind: Kind,
    /// What it means, with unit and range.
    pub(crate) about: &'static str,
}

/// A family of SQL types that one parameter takes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    /// An H3 index: a 64-bit integer with or without sign, or hexadecimal text.
    Cell,
    /// A list of [`Kind::Cell`].
    CellList,
    /// Any integer.
    Integer,
    /// Any number.
    Float,
    /// Text.
    Text,
    /// Text, or NULL, which the function takes as an answer of its own.
    TextOrNull,
    /// Bytes.
    Bytes,
}

impl Kind {
    /// The type that an argument of `given` type is cast to; `None` when it is none of this kind.
    fn coerce(self, given: &DataType) -> Option<DataType> {
        match (self, given) {
            (_, DataType::Dictionary(_, value)) => self.coerce(value),
            (_, DataType::RunEndEncoded(_, values)) => self.coerce(values.data_type()),
            (_, DataType::Null) => Some(self.example()),
            (Self::Cell | Self::Integer, given) if given.is_unsigned_integer() => {
                Some(DataType::UInt64)
            }
            (Self::Cell | Self::Integer, given) if given.is_signed_integer() => {
                Some(DataType::Int64)
            }
            (
                Self::Cell | Self::Text | Self::TextOrNull,
                DataType::Utf8 | DataType::LargeUtf8 | DataType::Utf8View,
            ) => Some(given.clone()),
            (
                Self::CellList,
                DataType::List(item)
                | DataType::LargeList(item)
                | DataType::FixedSizeList(item, _)
                | DataType::ListView(item)
                | DataType::LargeListView(item),
            ) => Self::Cell.coerce(item.data_type()).map(list_of),
            (Self::Float, given) if given.is_numeric() => Some(DataType::Float64),
            (Self::Bytes, DataType::Binary | DataType::LargeBinary | DataType::BinaryView) => {
                Some(given.clone())
            }
            (Self::Bytes, DataType::FixedSizeBinary(_)) => Some(DataType::Binary),
            _ => None,
        }
    }

    /// The type that stands for the kind in `SHOW FUNCTIONS`, and for an untyped NULL.
    fn example(self) -> DataType {
        match self {
            Self::Cell => DataType::UInt64,
            Self::CellList => list_of(DataType::UInt64),
            Self::Integer => DataType::Int64,
            Self::Float => DataType::Float64,
            Self::Text | Self::TextOrNull => DataType::Utf8,
            Self::Bytes => DataType::Binary,
        }
    }

    /// Whether NULL is an argument as others are, and does not make the result NULL.
    pub(crate) fn takes_null(self) -> bool {
        self == Self::TextOrNull
    }

    /// The kind in words, for messages.
    fn describe(self) -> &'static str {
        match self {
            Self::Cell => "a BIGINT, BIGINT UNSIGNED or hexadecimal text",
            Self::CellList => "a list of BIGINT, BIGINT UNSIGNED or hexadecimal text",
            Self::Integer => "an integer",
            Self::Float => "a number",
            Self::Text | Self::TextOrNull => "text",
            Self::Bytes => "binary",
        }
    }
}

/// The type of a result.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Returns {
    /// A cell of the type of the first argument, or of its items.
    Cell,
    /// A list of [`Returns::Cell`].
    Cells,
    /// A cell as BIGINT UNSIGNED, whatever the arguments are.
    NewCell,
    /// A list of [`Returns::NewCell`].
    NewCells,
    /// BIGINT.
    Integer,
    /// DOUBLE.
    Float,
    /// A list of DOUBLE.
    Floats,
    /// A struct of DOUBLE with fields of these names.
    Struct(&'static [&'static str]),
    /// BOOLEAN.
    Boolean,
    /// TEXT.
    Text,
    /// BYTEA.
    Bytes,
}

impl Returns {
    /// The type for `arguments`, which are coerced.
    pub(crate) fn data_type(self, arguments: &[DataType]) -> DataType {
        let cell = || match arguments.first() {
            Some(DataType::List(item)) => item.data_type().clone(),
            Some(first) => first.clone(),
            None => DataType::UInt64,
        };
        match self {
            Self::Cell => cell(),
            Self::Cells => list_of(cell()),
            Self::NewCell => DataType::UInt64,
            Self::NewCells => list_of(DataType::UInt64),
            Self::Integer => DataType::Int64,
            Self::Float => DataType::Float64,
            Self::Floats => list_of(DataType::Float64),
            Self::Struct(names) => DataType::Struct(struct_fields(names)),
            Self::Boolean => DataType::Boolean,
            Self::Text => DataType::Utf8,
            Self::Bytes => DataType::Binary,
        }
    }
}

/// The types that `given` arguments are cast to.
///
/// # Errors
/// A planning error that names the function, the argument and its type.
pub(crate) fn coerce(
    function: &str,
    parameters: &[Parameter],
    given: &[DataType],
) -> Result<Vec<DataType>> {
    if given.len() != parameters.len() {
        let names: Vec<_> = parameters.iter().map(|p| p.name).collect();
        return plan_err!(
            "{function}({}) takes {} arguments, not {}",
            names.join(", "),
            parameters.len(),
            given.len()
        );
    }
    let mut coerced = Vec::with_capacity(given.len());
    for (parameter, given) in parameters.iter().zip(given) {
        let Some(data_type) = parameter.kind.coerce(given) else {
            return plan_err!(
                "{function}: argument {} must be {}, not {given}",
                parameter.name,
                parameter.kind.describe()
            );
        };
        coerced.push(data_type);
    }
    Ok(coerced)
}

/// A signature whose types [`coerce`] decides.
///
/// The second part is never chosen, because the first always answers; it is there because
/// `SHOW FUNCTIONS` lists a function by the example types of its signature.
pub(crate) fn signature(parameters: &[Parameter]) -> TypeSignature {
    let native = |kind: Kind| match kind {
        Kind::Cell => Some(TypeSignatureClass::Native(logical_uint64())),
        Kind::Integer => Some(TypeSignatureClass::Native(logical_int64())),
        Kind::Float => Some(TypeSignatureClass::Native(logical_float64())),
        Kind::Text | Kind::TextOrNull => Some(TypeSignatureClass::Native(logical_string())),
        Kind::Bytes => Some(TypeSignatureClass::Binary),
        Kind::CellList => None,
    };
    let coercible: Option<Vec<_>> = parameters
        .iter()
        .map(|parameter| native(parameter.kind).map(Coercion::new_exact))
        .collect();
    let examples = coercible.map_or_else(
        // A list has no example types of its own in DataFusion 55.
        || TypeSignature::Exact(parameters.iter().map(|p| p.kind.example()).collect()),
        TypeSignature::Coercible,
    );
    TypeSignature::OneOf(vec![TypeSignature::UserDefined, examples])
}

fn list_of(item: DataType) -> DataType {
    DataType::List(Arc::new(Field::new_list_field(item, true)))
}

/// The fields of a struct of DOUBLE, each of which may be NULL.
pub(crate) fn struct_fields(names: &[&str]) -> Fields {
    let field = |name: &&str| Field::new(*name, DataType::Float64, true);
    names.iter().map(field).collect()
}
