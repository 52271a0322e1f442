//! Reading arguments: Arrow arrays into checked rows.

use arrow::array::{Array, ArrayRef, AsArray, Float64Array, Int64Array, UInt64Array};
use arrow::datatypes::{DataType, Float64Type, Int64Type, UInt64Type};
use datafusion::common::{Result, exec_err, plan_err};
use h3o::CellIndex;

use super::function::{Function, Role};

/// Largest value that is smoothed.
const VALUE_MAX: f64 = 1e15;

/// The types that arguments of `given` types are cast to.
///
/// # Errors
/// A planning error that names the argument and its type.
pub(super) fn coerce(function: Function, given: &[DataType]) -> Result<Vec<DataType>> {
    let (name, parameters) = (function.name(), function.parameters());
    if !(function.required()..=parameters.len()).contains(&given.len()) {
        return plan_err!(
            "{} takes other than {} arguments",
            function.syntax(),
            given.len()
        );
    }
    let coerced = given.iter().zip(parameters).map(|(given, parameter)| {
        let (fits, to, kind) = match parameter.role {
            Role::One => (given.is_integer(), DataType::Int64, "an integer"),
            Role::Cell => (
                given.is_integer(),
                DataType::UInt64,
                "BIGINT UNSIGNED or BIGINT; h3_string_to_h3 makes one of text",
            ),
            Role::Number => (given.is_numeric(), DataType::Float64, "a number"),
        };
        if fits || given.is_null() {
            return Ok(to);
        }
        let argument = parameter.name;
        plan_err!("{name}: argument {argument} must be {kind}, not {given}")
    });
    coerced.collect()
}

/// One row of arguments, checked.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Row {
    /// The whole number that is one for the group.
    pub(super) one: Option<i64>,
    /// A cell with its number; `None` for a row to be passed over.
    pub(super) cell: Option<(CellIndex, f64)>,
}

/// The arguments of a batch.
pub(super) struct Arguments<'a> {
    function: Function,
    one: Option<&'a Int64Array>,
    cell: &'a UInt64Array,
    number: &'a Float64Array,
}

impl<'a> Arguments<'a> {
    /// Reads `values`, whose types [`coerce`] has decided.
    pub(super) fn new(function: Function, values: &'a [ArrayRef]) -> Self {
        let (one, cell, number) = match function {
            Function::Allocate => (values.first(), &values[1], &values[2]),
            Function::Smooth => (values.get(2), &values[0], &values[1]),
        };
        Self {
            function,
            one: one.map(AsArray::as_primitive::<Int64Type>),
            cell: cell.as_primitive::<UInt64Type>(),
            number: number.as_primitive::<Float64Type>(),
        }
    }

    /// The row at `row_idx`.
    ///
    /// # Errors
    /// An execution error that names the value.
    pub(super) fn row(&self, row_idx: usize) -> Result<Row> {
        let one = self.one.filter(|one| one.is_valid(row_idx));
        let number = self.number.is_valid(row_idx);
        let number = number.then(|| self.number.value(row_idx));
        let cell = self.cell.is_valid(row_idx);
        let cell = cell.then(|| self.cell.value(row_idx));
        Ok(Row {
            one: one.map(|one| one.value(row_idx)),
            cell: self.cell_of(cell, number)?,
        })
    }

    fn cell_of(&self, cell: Option<u64>, number: Option<f64>) -> Result<Option<(CellIndex, f64)>> {
        let (name, what) = (self.function.name(), self.function.number());
        match (cell, number) {
            (None, None) => Ok(None),
            (None, Some(number)) => exec_err!("{name}: {what} {number} is of no cell"),
            (Some(cell), number) => {
                let Ok(cell) = CellIndex::try_from(cell) else {
                    return exec_err!("{name}: {cell} is not an H3 cell");
                };
                let Some(number) = number else {
                    return self.without_number(cell);
                };
                let (fits, wanted) = match self.function {
                    Function::Allocate => (
                        number.is_finite() && number >= 0.0,
                        "a finite number of 0 or more",
                    ),
                    Function::Smooth => (
                        (0.0..=VALUE_MAX).contains(&number),
                        "a number between 0 and 1e15",
                    ),
                };
                if !fits {
                    return exec_err!("{name}: {what} {number} of cell {cell} is not {wanted}");
                }
                // -0.0 is 0, and one value.
                Ok(Some((cell, number + 0.0)))
            }
        }
    }

    /// A cell whose number is NULL: its value is not known, but a place without a weight is a
    /// mistake, since its persons would go to others.
    fn without_number(&self, cell: CellIndex) -> Result<Option<(CellIndex, f64)>> {
        match self.function {
            Function::Smooth => Ok(None),
            Function::Allocate => {
                let (name, what) = (self.function.name(), self.function.number());
                exec_err!("{name}: {what} of cell {cell} is NULL")
            }
        }
    }
}
