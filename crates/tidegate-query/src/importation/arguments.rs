//! Reading arguments: Arrow arrays into checked rows.

use arrow::array::{Array, ArrayRef, AsArray, Float64Array, Int64Array, StructArray};
use arrow::datatypes::{DataType, Float64Type, Int64Type};
use datafusion::common::{Result, exec_err, plan_err};
use tidegate_risk::importation::Reported;

use crate::h3_functions::kernel::struct_fields;

use super::EVIDENCE_FIELDS;
use super::group::Arrival;
use super::outcome::Outcome;

/// The types that arguments of `given` types are cast to.
///
/// # Errors
/// A planning error that names the argument and its type.
pub(super) fn coerce(outcome: Outcome, given: &[DataType]) -> Result<Vec<DataType>> {
    let function = outcome.name();
    let parameters: Vec<_> = outcome.parameters().map(|(name, _)| name).collect();
    if given.len() != parameters.len() {
        return plan_err!(
            "{function}({}) takes {} arguments, not {}",
            parameters.join(", "),
            parameters.len(),
            given.len()
        );
    }
    let coerced = given.iter().zip(&parameters).map(|(given, name)| {
        let (fits, to, kind) = match *name {
            "persons" => (given.is_integer(), DataType::Int64, "an integer"),
            "evidence" | "unknown_evidence" => (
                is_evidence(given),
                DataType::Struct(struct_fields(&EVIDENCE_FIELDS)),
                "what evidence or evidence_of_tests gives",
            ),
            _ => (given.is_numeric(), DataType::Float64, "a number"),
        };
        if fits || given.is_null() {
            Ok(to)
        } else {
            plan_err!("{function}: argument {name} must be {kind}, not {given}")
        }
    });
    coerced.collect()
}

/// Whether a type has the fields of evidence, and each a number.
fn is_evidence(given: &DataType) -> bool {
    let DataType::Struct(fields) = given else {
        return false;
    };
    EVIDENCE_FIELDS.iter().all(|name| {
        let found = fields.find(name);
        found.is_some_and(|(_, field)| field.data_type().is_numeric())
    })
}

/// The arguments of a batch.
pub(super) struct Arguments<'a> {
    function: &'static str,
    persons: &'a Int64Array,
    evidence: EvidenceColumn<'a>,
    entry_effect: &'a Float64Array,
    assumed: EvidenceColumn<'a>,
    one: Option<&'a Float64Array>,
}

impl<'a> Arguments<'a> {
    /// Reads `values`, whose types [`coerce`] has decided.
    pub(super) fn new(outcome: Outcome, values: &'a [ArrayRef]) -> Self {
        let one = values.get(4);
        Self {
            function: outcome.name(),
            persons: values[0].as_primitive::<Int64Type>(),
            evidence: EvidenceColumn::new("evidence", &values[1]),
            entry_effect: values[2].as_primitive::<Float64Type>(),
            assumed: EvidenceColumn::new("unknown_evidence", &values[3]),
            one: one.map(AsArray::as_primitive),
        }
    }

    /// The row at `row_idx`.
    ///
    /// # Errors
    /// An execution error that names the value.
    pub(super) fn row(&self, row_idx: usize) -> Result<Arrival> {
        let function = self.function;
        let persons = self.persons.is_valid(row_idx);
        let persons = persons.then(|| self.persons.value(row_idx));
        let Ok(counted) = persons.map(u64::try_from).transpose() else {
            let persons = persons.unwrap_or_default();
            return exec_err!("{function}: persons {persons} is below 0");
        };
        let float = |column: &Float64Array| column.is_valid(row_idx).then(|| column.value(row_idx));
        let entry_effect = self.share("entry_effect", float(self.entry_effect))?;
        Ok(Arrival {
            persons: counted,
            evidence: self.evidence.value(function, row_idx)?,
            entry_effect: entry_effect.unwrap_or_default(),
            assumed: self.assumed.value(function, row_idx)?,
            one: self.share("one", self.one.and_then(float))?,
        })
    }

    fn share(&self, name: &str, value: Option<f64>) -> Result<Option<f64>> {
        match value {
            Some(share) if !(0.0..=1.0).contains(&share) => {
                exec_err!("{}: {name} {share} is not between 0 and 1", self.function)
            }
            // -0.0 is 0, and one value.
            share => Ok(share.map(|share| share + 0.0)),
        }
    }
}

struct EvidenceColumn<'a> {
    name: &'static str,
    whole: &'a StructArray,
    parts: [&'a Float64Array; EVIDENCE_FIELDS.len()],
}

impl<'a> EvidenceColumn<'a> {
    fn new(name: &'static str, array: &'a ArrayRef) -> Self {
        let whole = array.as_struct();
        let part = |idx: usize| whole.column(idx).as_primitive::<Float64Type>();
        Self {
            name,
            whole,
            parts: [part(0), part(1), part(2), part(3), part(4)],
        }
    }

    /// The evidence at `row_idx`; `None` for a NULL.
    fn value(&self, function: &str, row_idx: usize) -> Result<Option<Reported>> {
        if self.whole.is_null(row_idx) {
            return Ok(None);
        }
        if let Some(idx) = self.parts.iter().position(|part| part.is_null(row_idx)) {
            let (name, part) = (self.name, EVIDENCE_FIELDS[idx]);
            return exec_err!("{function}: {name} has a NULL {part}");
        }
        match Reported::try_from_parts(self.parts.map(|part| part.value(row_idx))) {
            Ok(reported) => Ok(Some(reported)),
            Err(error) => exec_err!("{function}: {}: {error}", self.name),
        }
    }
}
