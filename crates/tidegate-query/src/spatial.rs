//! Persons between places and cells in SQL: aggregates over the cells of a group, by
//! `tidegate_risk::spatial`.
//!
//! ```sql
//! SELECT venue_id, allocate_cells(persons, cell, share) AS cells
//! FROM occupancy JOIN venue_cell USING (venue_id) GROUP BY venue_id, persons
//! ```
//!
//! What both functions promise:
//! - One row is one cell, of one resolution in a group: a cell that comes twice is an error.
//! - The result is a list of structs, ascending by cell, to be had as rows by `unnest`. A group
//!   without a cell has no list: NULL.
//! - Nobody is made or lost: the list adds up to what was given, in whole persons exactly.
//! - The order of rows does not change a bit.
//! - A cell is BIGINT UNSIGNED or BIGINT and is given as BIGINT UNSIGNED; hexadecimal text becomes
//!   one by `h3_string_to_h3`.
//! - Bad input is an error that names the value.
//!
//! Their state holds every cell and is not portable across versions, so windows refuse them: keep
//! persons by cell or venue in the window, and go on in a layer.

mod arguments;
mod function;
mod group;

#[cfg(test)]
mod tests;

use arrow::array::ArrayRef;
use arrow::datatypes::DataType;
use datafusion::common::Result;
use datafusion::logical_expr::{AggregateUDF, DocSection, Documentation};

use crate::gather::{Gather, function};

use arguments::Arguments;
use function::Function;
use group::Group;

/// Functions whose results are for display and not to be acted on: no alert may rest on a layer
/// that [uses](crate::LayerQuery::functions) one, since it would fire in the wrong cell.
pub const DISPLAY_ONLY_FUNCTIONS: [&str; 1] = [Function::Smooth.name()];

/// The aggregates `allocate_cells` and `smooth_cells`, to be registered with a session.
///
/// ```
/// use datafusion::prelude::SessionContext;
///
/// let ctx = SessionContext::new();
/// for function in tidegate_query::spatial_functions() {
///     ctx.register_udaf(function);
/// }
/// ```
pub fn spatial_functions() -> Vec<AggregateUDF> {
    Function::ALL.map(function).into()
}

/// Why a window refuses them.
pub(crate) const WHY_NO_WINDOW: &str = "its state holds every cell and is not portable across \
     versions; keep sum(count) by cell or venue in the window, and find the cells in a layer";

/// Whether `function` is one of this module's.
pub(crate) fn is_spatial(function: &str) -> bool {
    Function::ALL.iter().any(|known| known.name() == function)
}

impl Gather for Function {
    const STATE: &'static str = "cells";

    type Group = Group;
    type Arguments<'a> = Arguments<'a>;

    fn name(self) -> &'static str {
        Function::name(self)
    }

    fn coerce(self, types: &[DataType]) -> Result<Vec<DataType>> {
        arguments::coerce(self, types)
    }

    fn data_type(self) -> DataType {
        Function::data_type(self)
    }

    fn documentation(self) -> Documentation {
        document(self)
    }

    fn arguments(self, values: &[ArrayRef]) -> Arguments<'_> {
        Arguments::new(self, values)
    }

    fn add(self, group: &mut Group, arguments: &Arguments<'_>, row_idx: usize) -> Result<()> {
        let row = arguments.row(row_idx)?;
        group.agree(self, row.one)?;
        group.cells.extend(row.cell);
        Ok(())
    }

    fn heap_bytes(group: &Group) -> usize {
        group.heap_bytes()
    }

    fn write(group: &Group, bytes: &mut Vec<u8>) {
        group.write(bytes);
    }

    fn merge(self, group: &mut Group, bytes: &[u8]) -> Result<()> {
        group.merge(self, bytes)
    }

    fn results(self, groups: &[Group]) -> Result<ArrayRef> {
        self.of(groups)
    }
}

fn document(function: Function) -> Documentation {
    let section = DocSection {
        include: true,
        label: "Spatial Functions",
        description: None,
    };
    let mut builder = Documentation::builder(section, function.about(), function.syntax())
        .with_sql_example(function.example());
    for parameter in function.parameters() {
        builder = builder.with_argument(parameter.name, parameter.about);
    }
    builder.build()
}
