//! What the aggregates take and give, and how it is computed from a group.

use std::sync::Arc;

use arrow::array::{ArrayRef, Float64Array, Int64Array, ListArray, StructArray, UInt64Array};
use arrow::buffer::{NullBuffer, OffsetBuffer};
use arrow::datatypes::{DataType, Field, Fields};
use datafusion::common::{Result, exec_err};
use h3o::CellIndex;
use tidegate_risk::spatial::{Kernel, allocate, smooth};

use super::group::Group;

/// Additions of one smoothing: cells with a value times those that each is spread over.
const SPREADS_MAX: usize = 10_000_000;

/// Rings of a kernel where none are given.
const RINGS_DEFAULT: i64 = 2;

/// Most rings of a kernel.
const RINGS_MAX: i64 = 16;

/// One of the aggregates.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) enum Function {
    /// `allocate_cells`
    Allocate,
    /// `smooth_cells`
    Smooth,
}

/// What a parameter is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Role {
    /// A whole number, one for the group.
    One,
    /// The cell of a row.
    Cell,
    /// The number of a cell.
    Number,
}

/// A parameter of an aggregate.
#[derive(Debug, Clone, Copy)]
pub(super) struct Parameter {
    /// Its name.
    pub(super) name: &'static str,
    /// What it is.
    pub(super) role: Role,
    /// What it means, with unit and range.
    pub(super) about: &'static str,
}

const CELL: Parameter = Parameter {
    name: "cell",
    role: Role::Cell,
    about: "An H3 cell, BIGINT UNSIGNED or BIGINT; all of a group are of one resolution, and none \
            comes twice.",
};

const ALLOCATE: [Parameter; 3] = [
    Parameter {
        name: "persons",
        role: Role::One,
        about: "Persons to allocate, a whole number of 0 or more: one for the group. NULL is a \
                count that is not known, and gives NULL.",
    },
    CELL,
    Parameter {
        name: "share",
        role: Role::Number,
        about: "Weight of the cell, 0 or more and finite, such as the share of `venue_cell`; those \
                of a group need not add up to 1. NULL only where the cell is NULL too.",
    },
];

const SMOOTH: [Parameter; 3] = [
    CELL,
    Parameter {
        name: "value",
        role: Role::Number,
        about: "Value of the cell, 0 to 1e15; a cell whose value is NULL is passed over.",
    },
    Parameter {
        name: "rings",
        role: Role::One,
        about: "Rings of neighbours that a value is spread over, 0 to 16, 2 where it is left out \
                or NULL: one for the group.",
    },
];

impl Function {
    /// Every aggregate.
    pub(super) const ALL: [Self; 2] = [Self::Allocate, Self::Smooth];

    /// Its name in SQL.
    pub(super) const fn name(self) -> &'static str {
        match self {
            Self::Allocate => "allocate_cells",
            Self::Smooth => "smooth_cells",
        }
    }

    /// Its parameters in order.
    pub(super) const fn parameters(self) -> &'static [Parameter; 3] {
        match self {
            Self::Allocate => &ALLOCATE,
            Self::Smooth => &SMOOTH,
        }
    }

    /// How many of them must be given.
    pub(super) const fn required(self) -> usize {
        match self {
            Self::Allocate => 3,
            Self::Smooth => 2,
        }
    }

    /// Name of the whole number that is one for a group.
    pub(super) const fn one(self) -> &'static str {
        match self {
            Self::Allocate => ALLOCATE[0].name,
            Self::Smooth => SMOOTH[2].name,
        }
    }

    /// Name of the number of a cell.
    pub(super) const fn number(self) -> &'static str {
        match self {
            Self::Allocate => ALLOCATE[2].name,
            Self::Smooth => SMOOTH[1].name,
        }
    }

    /// How it is called.
    pub(super) const fn syntax(self) -> &'static str {
        match self {
            Self::Allocate => "allocate_cells(persons, cell, share)",
            Self::Smooth => "smooth_cells(cell, value [, rings])",
        }
    }

    /// What it promises, in Markdown.
    pub(super) const fn about(self) -> &'static str {
        match self {
            Self::Allocate => {
                "The persons of a place by the cells that it overlaps, by largest remainder: a \
                 list of structs of `cell` and `persons`, ascending by cell, whole numbers that \
                 add up to `persons`, each within 1 of its exact share; of equal remainders the \
                 lower cell is first. Method `allocation/largest-remainder@1`."
            }
            Self::Smooth => {
                "The values of cells spread over their neighbours, with weights 1, 1/2, 1/4 and so \
                 on by distance, normalised by source so that the total stays: a list of structs \
                 of `cell` and `value`, ascending by cell. For display only, never for alerts, and \
                 no protection of few people: withhold cells before. At most 10,000,000 additions \
                 a group, which is 526,315 cells at 2 rings. Method `smoothing/k-ring@1`."
            }
        }
    }

    /// A query that shows it.
    pub(super) const fn example(self) -> &'static str {
        match self {
            Self::Allocate => {
                "SELECT at['cell'] AS cell, sum(at['persons']) AS persons\n\
                 FROM (SELECT unnest(allocate_cells(persons, cell, share)) AS at\n\
                 FROM occupancy JOIN venue_cell USING (venue_id) GROUP BY venue_id)\n\
                 GROUP BY at['cell']"
            }
            Self::Smooth => {
                "SELECT at['cell'] AS cell, at['value'] AS value\n\
                 FROM (SELECT unnest(smooth_cells(cell, persons)) AS at FROM cell_15m)"
            }
        }
    }

    /// The type of its result.
    pub(super) fn data_type(self) -> DataType {
        DataType::List(Arc::new(self.item()))
    }

    fn item(self) -> Field {
        Field::new_list_field(DataType::Struct(self.fields()), true)
    }

    fn fields(self) -> Fields {
        let (name, number) = match self {
            Self::Allocate => ("persons", DataType::Int64),
            Self::Smooth => ("value", DataType::Float64),
        };
        let cell = Field::new("cell", DataType::UInt64, true);
        vec![cell, Field::new(name, number, true)].into()
    }

    /// The results of `groups`, in order.
    ///
    /// # Errors
    /// An execution error that names what is wrong with a group.
    pub(super) fn of(self, groups: &[Group]) -> Result<ArrayRef> {
        match self {
            Self::Allocate => self.lists(groups, allocated, |numbers: Vec<i64>| {
                Arc::new(Int64Array::from(numbers))
            }),
            Self::Smooth => self.lists(groups, smoothed, |numbers: Vec<f64>| {
                Arc::new(Float64Array::from(numbers))
            }),
        }
    }

    /// What `of` gives for each group, as lists.
    fn lists<N>(
        self,
        groups: &[Group],
        of: impl Fn(&Group) -> Result<Option<Vec<(CellIndex, N)>>>,
        column: impl Fn(Vec<N>) -> ArrayRef,
    ) -> Result<ArrayRef> {
        let (mut cells, mut numbers): (Vec<u64>, Vec<N>) = Default::default();
        let mut lengths = Vec::with_capacity(groups.len());
        let mut valid = Vec::with_capacity(groups.len());
        for group in groups {
            let list = of(group)?;
            valid.push(list.is_some());
            let list = list.unwrap_or_default();
            lengths.push(list.len());
            for (cell, number) in list {
                cells.push(cell.into());
                numbers.push(number);
            }
        }
        if i32::try_from(cells.len()).is_err() {
            return exec_err!("{}: {} cells are too many", self.name(), cells.len());
        }
        let columns = vec![Arc::new(UInt64Array::from(cells)) as _, column(numbers)];
        Ok(Arc::new(ListArray::try_new(
            Arc::new(self.item()),
            OffsetBuffer::from_lengths(lengths),
            Arc::new(StructArray::try_new(self.fields(), columns, None)?),
            Some(NullBuffer::from(valid)),
        )?))
    }
}

fn allocated(group: &Group) -> Result<Option<Vec<(CellIndex, i64)>>> {
    let function = Function::Allocate;
    let (Some(persons), false) = (group.one, group.cells.is_empty()) else {
        return Ok(None);
    };
    match allocate(persons, &group.by_cell(function)?) {
        Ok(cells) => Ok(Some(cells.into_iter().collect())),
        Err(error) => exec_err!("{}: {error}", function.name()),
    }
}

fn smoothed(group: &Group) -> Result<Option<Vec<(CellIndex, f64)>>> {
    let function = Function::Smooth;
    if group.cells.is_empty() {
        return Ok(None);
    }
    let rings = group.one.unwrap_or(RINGS_DEFAULT);
    let Some(k) = u8::try_from(rings).ok().filter(|_| rings <= RINGS_MAX) else {
        return exec_err!("{}: rings {rings} is not 0 to {RINGS_MAX}", function.name());
    };
    let cells = group.by_cell(function)?;
    let disk = 1 + 3 * usize::from(k) * (usize::from(k) + 1);
    if cells.len() > SPREADS_MAX / disk {
        return exec_err!(
            "{}: {} cells with {rings} rings are more than {SPREADS_MAX} additions",
            function.name(),
            cells.len()
        );
    }
    let weights = (0..=i32::from(k)).map(|distance| 0.5_f64.powi(distance));
    let kernel = Kernel::try_new(weights.collect()).expect("1 to 17 weights of 2^-16 to 1");
    let near = |cell: CellIndex| {
        let disk = cell.grid_disk_distances::<Vec<_>>(k.into());
        let short = |d: u32| u8::try_from(d).expect("at most the rings");
        disk.into_iter().map(|(cell, d)| (cell, short(d))).collect()
    };
    match smooth(&cells, near, &kernel) {
        Ok(smoothed) => Ok(Some(smoothed.cells.into_iter().collect())),
        Err(error) => exec_err!("{}: {error}", function.name()),
    }
}
