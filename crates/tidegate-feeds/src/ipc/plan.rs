//! What the schema of a stream means: which of its columns are wanted, and where their buffers are
//! in every batch.

use arrow::ipc::{
    Endianness, Field, Int, MetadataVersion, Precision, Schema, TimeUnit, Type, UnionMode,
};
use tidegate_model::Reason;

use super::stream::malformed;
use crate::check::{Fault, shown};
use crate::own::OWN_FIELDS;
use crate::personal::PersonalFields;

/// The columns of an observation, in the order of [`OWN_FIELDS`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Name {
    Id,
    Site,
    Start,
    End,
    Measure,
    Subject,
    Count,
    Origin,
    Lat,
    Lng,
}

impl Name {
    pub(super) const ALL: [Self; 10] = [
        Self::Id,
        Self::Site,
        Self::Start,
        Self::End,
        Self::Measure,
        Self::Subject,
        Self::Count,
        Self::Origin,
        Self::Lat,
        Self::Lng,
    ];

    pub(super) const fn as_str(self) -> &'static str {
        OWN_FIELDS[self as usize]
    }

    const fn is_needed(self) -> bool {
        matches!(self, Self::Site | Self::Start | Self::Measure | Self::Count)
    }

    /// The types that such a column may have, for a message.
    const fn wanted(self) -> &'static str {
        match self {
            Self::Id => "Utf8, Binary, FixedSizeBinary of 1 to 256 bytes, or a dictionary of text",
            Self::Site | Self::Measure | Self::Subject | Self::Origin => {
                "Utf8, LargeUtf8, Utf8View, or a dictionary of them"
            }
            Self::Start | Self::End => "Timestamp",
            Self::Count => "an integer",
            Self::Lat | Self::Lng => "Float64 or Float32",
        }
    }
}

/// How values of variable length are stored.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Lengths {
    Offsets32,
    Offsets64,
    Views,
    Fixed(usize),
}

/// Values of variable length.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct BytesType {
    pub(super) lengths: Lengths,
    /// Whether they are declared to be UTF-8.
    pub(super) is_text: bool,
}

/// A whole number: its width in bytes and whether it has a sign.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct IntType {
    pub(super) width: usize,
    pub(super) signed: bool,
}

/// The type of a wanted column.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum ColumnType {
    Bytes(BytesType),
    Dictionary {
        id: i64,
        keys: IntType,
        values: BytesType,
    },
    /// Units a second.
    Time(TimeUnit),
    Int(IntType),
    Float32,
    Float64,
}

/// One field node of a batch, in the order in which batches list them.
#[derive(Debug, Clone, Copy)]
pub(super) struct Step {
    /// Buffers of the node, without those that `variadic` counts.
    pub(super) buffers: usize,
    /// Whether the node has a number of further buffers, which each batch states.
    pub(super) variadic: bool,
    pub(super) wanted: Option<(Name, ColumnType)>,
}

/// What the schema of a stream means.
#[derive(Debug)]
pub(super) struct Plan {
    pub(super) steps: Vec<Step>,
    types: [Option<ColumnType>; 10],
}

impl Plan {
    /// Reads the schema; every name in it, of columns within columns too, is held against the list.
    pub(super) fn try_new(
        schema: Schema<'_>,
        version: MetadataVersion,
        personal: &PersonalFields,
    ) -> Result<Self, Fault> {
        let mut plan = Self {
            steps: Vec::new(),
            types: [None; 10],
        };
        let fields = schema.fields().into_iter().flatten();
        fields
            .clone()
            .try_for_each(|field| check_names(field, personal))?;
        if schema.endianness() != Endianness::Little {
            return Err(malformed("a big-endian stream; send little-endian"));
        }
        for field in fields {
            let name = field.name().unwrap_or_default();
            let wanted = Name::ALL.into_iter().find(|own| own.as_str() == name);
            let wanted = match wanted {
                None => None,
                Some(own) => Some((own, column_type(own, field)?)),
            };
            if let Some((own, column_type)) = wanted {
                if plan.types[own as usize].is_some() {
                    return Err(malformed(format!("column {name} is there twice")));
                }
                plan.types[own as usize] = Some(column_type);
            }
            add_steps(field, version, wanted, &mut plan.steps)?;
        }
        for own in Name::ALL {
            if own.is_needed() && plan.types[own as usize].is_none() {
                let detail = format!("column {} is not there", own.as_str());
                return Err(Fault::new(Reason::MissingField, detail));
            }
        }
        Ok(plan)
    }

    /// The wanted columns that are there, in the order of [`Name`].
    pub(super) fn columns(&self) -> impl Iterator<Item = (Name, ColumnType)> + '_ {
        let types = Name::ALL.into_iter().zip(self.types);
        types.filter_map(|(name, column_type)| Some((name, column_type?)))
    }

    /// The type of the values of the dictionary `id`, where a wanted column uses it.
    pub(super) fn dictionary(&self, wanted: i64) -> Option<BytesType> {
        self.types.iter().flatten().find_map(|column| match column {
            ColumnType::Dictionary { id, values, .. } if *id == wanted => Some(*values),
            _ => None,
        })
    }
}

fn check_names(field: Field<'_>, personal: &PersonalFields) -> Result<(), Fault> {
    let name = field.name().unwrap_or_default();
    if personal.denies(name) {
        let detail = format!("column {} could identify a person", shown(name));
        return Err(Fault::new(Reason::PersonalData, detail));
    }
    let mut children = field.children().into_iter().flatten();
    children.try_for_each(|child| check_names(child, personal))
}

fn column_type(name: Name, field: Field<'_>) -> Result<ColumnType, Fault> {
    let wrong = || {
        let kind = field.type_type();
        let kind = kind.variant_name().unwrap_or("of an unknown type");
        let detail = format!("column {} is {kind}, not {}", name.as_str(), name.wanted());
        Fault::new(Reason::WrongType, detail)
    };
    if matches!(name, Name::Start | Name::End)
        && let Some(time) = field.type_as_timestamp()
        && time.timezone().unwrap_or_default().is_empty()
    {
        let detail = format!(
            "column {} is a Timestamp without a time zone; give it one, such as UTC",
            name.as_str()
        );
        return Err(Fault::new(Reason::WrongType, detail));
    }
    let found = read_type(field).ok_or_else(wrong)?;
    let fits = match (name, found) {
        (Name::Id, ColumnType::Bytes(_) | ColumnType::Dictionary { .. })
        | (Name::Start | Name::End, ColumnType::Time(_))
        | (Name::Count, ColumnType::Int(_))
        | (Name::Lat | Name::Lng, ColumnType::Float32 | ColumnType::Float64) => true,
        (
            Name::Site | Name::Measure | Name::Subject | Name::Origin,
            ColumnType::Bytes(values) | ColumnType::Dictionary { values, .. },
        ) => values.is_text,
        _ => false,
    };
    if fits { Ok(found) } else { Err(wrong()) }
}

/// The type of a column, where it is one that some wanted column may have.
fn read_type(field: Field<'_>) -> Option<ColumnType> {
    if let Some(dictionary) = field.dictionary() {
        let keys = match dictionary.indexType() {
            // The default of the specification.
            None => IntType {
                width: 4,
                signed: true,
            },
            Some(keys) => int_type(keys)?,
        };
        return Some(ColumnType::Dictionary {
            id: dictionary.id(),
            keys,
            values: bytes_type(field)?,
        });
    }
    match field.type_type() {
        Type::Timestamp => {
            let unit = field.type_as_timestamp()?.unit();
            unit.variant_name().map(|_| ColumnType::Time(unit))
        }
        Type::Int => Some(ColumnType::Int(int_type(field.type_as_int()?)?)),
        Type::FloatingPoint => match field.type_as_floating_point()?.precision() {
            Precision::SINGLE => Some(ColumnType::Float32),
            Precision::DOUBLE => Some(ColumnType::Float64),
            _ => None,
        },
        _ => bytes_type(field).map(ColumnType::Bytes),
    }
}

fn bytes_type(field: Field<'_>) -> Option<BytesType> {
    let (lengths, is_text) = match field.type_type() {
        Type::Utf8 => (Lengths::Offsets32, true),
        Type::LargeUtf8 => (Lengths::Offsets64, true),
        Type::Utf8View => (Lengths::Views, true),
        Type::Binary => (Lengths::Offsets32, false),
        Type::LargeBinary => (Lengths::Offsets64, false),
        Type::BinaryView => (Lengths::Views, false),
        Type::FixedSizeBinary => {
            let width = usize::try_from(field.type_as_fixed_size_binary()?.byteWidth()).ok()?;
            // A width of 0 would make any number of values of no bytes at all.
            (1..=256)
                .contains(&width)
                .then_some((Lengths::Fixed(width), false))?
        }
        _ => return None,
    };
    Some(BytesType { lengths, is_text })
}

fn int_type(int: Int<'_>) -> Option<IntType> {
    let width = match int.bitWidth() {
        8 => 1,
        16 => 2,
        32 => 4,
        64 => 8,
        _ => return None,
    };
    let signed = int.is_signed();
    Some(IntType { width, signed })
}

/// The nodes of a column and of the columns within it: "Recordbatch message" of the specification.
fn add_steps(
    field: Field<'_>,
    version: MetadataVersion,
    wanted: Option<(Name, ColumnType)>,
    steps: &mut Vec<Step>,
) -> Result<(), Fault> {
    let mut variadic = false;
    let mut nested = false;
    let buffers = match field.type_type() {
        // Whatever the values are: a column of a dictionary holds keys.
        _ if field.dictionary().is_some() => 2,
        Type::Null => 0,
        Type::Int
        | Type::FloatingPoint
        | Type::Bool
        | Type::Decimal
        | Type::Date
        | Type::Time
        | Type::Timestamp
        | Type::Interval
        | Type::Duration
        | Type::FixedSizeBinary => 2,
        Type::Binary | Type::Utf8 | Type::LargeBinary | Type::LargeUtf8 => 3,
        Type::BinaryView | Type::Utf8View => {
            variadic = true;
            2
        }
        kind => {
            nested = true;
            match kind {
                Type::List | Type::LargeList | Type::Map => 2,
                Type::ListView | Type::LargeListView => 3,
                Type::FixedSizeList | Type::Struct_ => 1,
                Type::RunEndEncoded => 0,
                Type::Union => {
                    let mode = field.type_as_union().map(|union| union.mode());
                    let validity = usize::from(version == MetadataVersion::V4);
                    validity + if mode == Some(UnionMode::Dense) { 2 } else { 1 }
                }
                _ => {
                    let name = shown(field.name().unwrap_or_default());
                    return Err(malformed(format!("column {name} is of an unknown type")));
                }
            }
        }
    };
    steps.push(Step {
        buffers,
        variadic,
        wanted,
    });
    if nested {
        for child in field.children().into_iter().flatten() {
            add_steps(child, version, None, steps)?;
        }
    }
    Ok(())
}
