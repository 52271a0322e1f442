//! H3 in SQL.
//!
//! Names and argument order are those of the H3 extensions of PostgreSQL and DuckDB (H3 version
//! 4): `h3_latlng_to_cell(lat, lng, resolution)`, latitude first, degrees.
//!
//! What every function promises:
//! - A cell is BIGINT UNSIGNED, BIGINT or hexadecimal text, and a function of a cell gives cells of
//!   the type it got.
//! - NULL in, NULL out.
//! - Other bad input is an error that names the value; the twin with `try_` in front gives NULL
//!   instead. No function ever gives cell 0.
//! - A call gives at most 1,000,000 cells, and a larger one is bad input.
//! - The order of a list is fixed: equal input, equal bytes.
//!
//! What they do not: `h3_grid_distance` and `h3_grid_path_cells` have no answer across some
//! pentagons and beyond about a continent at fine resolutions, as in every H3 library.

mod cells;
mod geometry;
mod grid;
mod table;

// The risk functions are built with it too.
pub(crate) mod kernel;

#[cfg(test)]
pub(crate) mod tests;

use datafusion::logical_expr::ScalarUDF;

use kernel::{Section, Sharing};

/// The most cells that one call gives.
const CELLS_PER_CALL_MAX: u64 = 1_000_000;

/// The largest `k` whose disk of `3k(k+1) + 1` cells is within [`CELLS_PER_CALL_MAX`].
const GRID_STEPS_MAX: u32 = 576;

/// The H3 functions, each with its `try_` twin, to be registered with a session.
///
/// `SHOW FUNCTIONS LIKE '%h3_%'` lists them with what they promise, when the session has an
/// information schema.
///
/// ```
/// use datafusion::prelude::SessionContext;
///
/// let ctx = SessionContext::new();
/// for function in tidegate_query::h3_functions() {
///     ctx.register_udf(function);
/// }
/// ```
pub fn h3_functions() -> Vec<ScalarUDF> {
    kernel::functions(table::DEFINITIONS, Section("H3 Functions"), Sharing::Never)
}
