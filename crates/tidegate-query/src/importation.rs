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
use arrow::datatypes::{DataType, FieldRef};
use datafusion::common::{Result, not_impl_err};
use datafusion::logical_expr::function::{AccumulatorArgs, StateFieldsArgs};
use datafusion::logical_expr::{
    Accumulator, AggregateUDF, AggregateUDFImpl, DocSection, Documentation, GroupsAccumulator,
    Signature, Volatility,
};
#[cfg(doc)]
use tidegate_risk::importation::UnknownAssumption;

use crate::gather::{Gather, Groups, One, state_fields};

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
    Outcome::ALL.map(Importation::new).map(Into::into).into()
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
    type Group = Group;
    type Arguments<'a> = Arguments<'a>;

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

#[derive(Debug, PartialEq, Eq, Hash)]
struct Importation {
    outcome: Outcome,
    signature: Signature,
    documentation: Documentation,
}

impl Importation {
    fn new(outcome: Outcome) -> Self {
        Self {
            outcome,
            signature: Signature::user_defined(Volatility::Immutable),
            documentation: document(outcome),
        }
    }

    fn refuse_distinct(&self, args: &AccumulatorArgs<'_>) -> Result<()> {
        if args.is_distinct {
            // Two origins may have equal rows.
            return not_impl_err!("{}(DISTINCT …)", self.outcome.name());
        }
        Ok(())
    }
}

impl AggregateUDFImpl for Importation {
    fn name(&self) -> &str {
        self.outcome.name()
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn coerce_types(&self, types: &[DataType]) -> Result<Vec<DataType>> {
        arguments::coerce(self.outcome, types)
    }

    fn return_type(&self, _types: &[DataType]) -> Result<DataType> {
        Ok(self.outcome.data_type())
    }

    fn state_fields(&self, args: StateFieldsArgs<'_>) -> Result<Vec<FieldRef>> {
        Ok(state_fields(&args, "origins"))
    }

    fn accumulator(&self, args: AccumulatorArgs<'_>) -> Result<Box<dyn Accumulator>> {
        self.refuse_distinct(&args)?;
        Ok(Box::new(One::new(self.outcome)))
    }

    fn groups_accumulator_supported(&self, _args: AccumulatorArgs<'_>) -> bool {
        true
    }

    fn create_groups_accumulator(
        &self,
        args: AccumulatorArgs<'_>,
    ) -> Result<Box<dyn GroupsAccumulator>> {
        self.refuse_distinct(&args)?;
        Ok(Box::new(Groups::new(self.outcome)))
    }

    fn documentation(&self) -> Option<&Documentation> {
        Some(&self.documentation)
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
