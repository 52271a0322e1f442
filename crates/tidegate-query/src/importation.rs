//! Importation risk in SQL: aggregates over the origins of one window's arrivals.
//!
//! Ascertainment is shared by all origins, so their risks do not add up row by row: each of these
//! functions takes all origins of a group at once, by `tidegate_risk::importation::Workspace`.
//!
//! ```sql
//! SELECT venue_id, import_risk(persons, evidence, entry_effect, unknown_evidence) AS r
//! FROM arrivals GROUP BY venue_id
//! ```
//!
//! What every function promises:
//! - One row is one origin: add up the persons of an origin before. Two rows are two origins, whose
//!   prevalences are uncertain independently, also when their evidence is equal.
//! - `evidence` NULL is an unknown origin. Its persons count by `unknown_evidence`, with its range
//!   of ascertainment widened by [`UnknownAssumption::WIDENING`] and nothing taken off at entry:
//!   never as no risk. Where there are such persons and `unknown_evidence` is NULL, there is no
//!   value.
//! - `persons` NULL is a count that is not known, and is passed over as `sum` does; a group without
//!   any other has no value. `entry_effect` NULL is 0.
//! - The order of rows does not change a bit.
//! - Values are DOUBLE, NULL where there is none, never NaN and never infinite.
//!
//! Their state holds every origin and is not portable across versions, so windows refuse them:
//! keep persons by origin in the window, and find the risk in a layer.

mod arguments;
mod group;
mod outcome;

#[cfg(test)]
mod tests;

use arrow::array::ArrayRef;
use arrow::datatypes::DataType;
use datafusion::common::Result;
use datafusion::logical_expr::{AggregateUDF, DocSection, Documentation};
#[cfg(doc)]
use tidegate_risk::importation::UnknownAssumption;

use crate::gather::{Gather, function};

use arguments::Arguments;
use group::Group;
use outcome::Outcome;

/// Fields of the struct that `evidence` gives, in the order of
/// [`Reported::parts`](tidegate_risk::importation::Reported::parts).
pub const EVIDENCE_FIELDS: [&str; 5] = [
    "shape",
    "unit_mean",
    "ascertainment_low",
    "ascertainment_mid",
    "ascertainment_high",
];

/// The aggregates `import_risk`, `import_outbreak` and `expected_infectious`, to be registered with
/// a session.
///
/// ```
/// use datafusion::prelude::SessionContext;
///
/// let ctx = SessionContext::new();
/// for function in tidegate_query::importation_functions() {
///     ctx.register_udaf(function);
/// }
/// ```
pub fn importation_functions() -> Vec<AggregateUDF> {
    Outcome::ALL.map(function).into()
}

/// Why a window refuses them.
pub(crate) const WHY_NO_WINDOW: &str = "its state holds every origin and is not portable across \
     versions; keep sum(count) by origin in the window, and find the risk in a layer";

/// Whether `function` is one of this module's.
pub(crate) fn is_importation(function: &str) -> bool {
    let mut all = Outcome::ALL.into_iter();
    all.any(|outcome| outcome.name() == function)
}

impl Gather for Outcome {
    const STATE: &'static str = "origins";

    type Group = Group;
    type Arguments<'a> = Arguments<'a>;

    fn name(self) -> &'static str {
        Outcome::name(self)
    }

    fn coerce(self, types: &[DataType]) -> Result<Vec<DataType>> {
        arguments::coerce(self, types)
    }

    fn data_type(self) -> DataType {
        Outcome::data_type(self)
    }

    fn documentation(self) -> Documentation {
        document(self)
    }

    fn arguments(self, values: &[ArrayRef]) -> Arguments<'_> {
        Arguments::new(self, values)
    }

    fn add(self, group: &mut Group, arguments: &Arguments<'_>, row_idx: usize) -> Result<()> {
        group.add(self.name(), &arguments.row(row_idx)?)
    }

    fn heap_bytes(group: &Group) -> usize {
        group.heap_bytes()
    }

    fn write(group: &Group, bytes: &mut Vec<u8>) {
        group.write(bytes);
    }

    fn merge(self, group: &mut Group, bytes: &[u8]) -> Result<()> {
        group.merge(self.name(), bytes)
    }

    fn results(self, groups: &[Group]) -> Result<ArrayRef> {
        self.of(groups)
    }
}

fn document(outcome: Outcome) -> Documentation {
    let section = DocSection {
        include: true,
        label: "Risk Functions",
        description: None,
    };
    let names: Vec<_> = outcome.parameters().map(|(name, _)| name).collect();
    let syntax = format!("{}({})", outcome.name(), names.join(", "));
    let mut builder = Documentation::builder(section, outcome.about(), syntax)
        .with_sql_example(outcome.example());
    for (name, about) in outcome.parameters() {
        builder = builder.with_argument(name, about);
    }
    builder.build()
}
