//! Risk in SQL: indicators, levels and intervals of crowds, evidence of prevalence and infectious
//! arrivals, exposure and outbreaks.
//!
//! The formulas and their sources are those of `tidegate-risk`; see `docs/METHODS.md`.
//! As with the H3 functions, NULL in gives NULL out, other bad input is an error that names the
//! value, and a twin with `try_` in front gives NULL instead. NULL comes out too where there is no
//! answer to good input: nobody passed, a threshold is never met. `worse_level` alone takes NULL,
//! since a level that is not known must not hide one that is.
//!
//! What rests on all origins of a window at once is an aggregate: see [`crate::importation`].

mod crowds;
mod exposure;
mod indicators;
mod inflow;
mod outbreak;

#[cfg(test)]
mod tests;

use datafusion::logical_expr::ScalarUDF;

use crate::h3_functions::kernel::{
    self, Definition, Fault, Kind, Parameter, Row, Section, Sharing, quoted,
};

/// Functions whose rows cost less than a look-up.
const DEFINITIONS: [&[Definition]; 5] = [
    indicators::DEFINITIONS,
    crowds::DEFINITIONS,
    inflow::DEFINITIONS,
    exposure::DEFINITIONS,
    outbreak::DEFINITIONS,
];

/// Functions that search for a quantile or a root, which equal rows share.
const SEARCHES: [&[Definition]; 3] = [crowds::SEARCHES, inflow::SEARCHES, outbreak::SEARCHES];

/// The risk functions, each with its `try_` twin, to be registered with a session.
///
/// ```
/// use datafusion::prelude::SessionContext;
///
/// let ctx = SessionContext::new();
/// for function in tidegate_query::risk_functions() {
///     ctx.register_udf(function);
/// }
/// ```
pub fn risk_functions() -> Vec<ScalarUDF> {
    let section = Section("Risk Functions");
    let rows = DEFINITIONS.map(|table| (table, Sharing::Never));
    let searches = SEARCHES.map(|table| (table, Sharing::EqualRows));
    rows.into_iter()
        .chain(searches)
        .flat_map(|(table, sharing)| kernel::functions(table, section, sharing))
        .collect()
}

const fn parameter(name: &'static str, kind: Kind, about: &'static str) -> Parameter {
    Parameter { name, kind, about }
}

/// A whole number of 0 or more.
fn count(row: &Row<'_>, idx: usize, name: &str) -> Result<u64, Fault> {
    let value = row.integer(idx);
    if value < 0 {
        return Err(Fault::new(format!("{name} {value} is below 0")));
    }
    u64::try_from(value).map_err(|_| Fault::new(format!("{name} {value} is too large")))
}

/// What `find` calls `word`, one of `words`.
fn named<T>(
    name: &str,
    word: &str,
    find: impl Fn(&str) -> Option<T>,
    words: &[&str],
) -> Result<T, Fault> {
    find(word).ok_or_else(|| {
        let words = words.join(", ");
        Fault::new(format!("{name} {} is none of {words}", quoted(word)))
    })
}
