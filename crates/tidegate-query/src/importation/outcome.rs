//! What the aggregates give, and how it is computed from a group.

use std::sync::Arc;

use arrow::array::{ArrayRef, Float64Builder, StructArray};
use arrow::buffer::NullBuffer;
use arrow::datatypes::DataType;
use datafusion::common::{DataFusionError, Result};
use tidegate_risk::importation::{Arrivals, ImportationError, JointRisk, Workspace};

use crate::h3_functions::kernel::struct_fields;

use super::group::Group;

/// One of the aggregates.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) enum Outcome {
    /// `import_risk`
    Risk,
    /// `import_outbreak`
    Outbreak,
    /// `expected_infectious`
    Expected,
}

/// Fields of the struct that `import_risk` gives.
pub(super) const RISK_FIELDS: [&str; 12] = [
    "lambda",
    "lambda_mean",
    "lambda_lo80",
    "lambda_hi80",
    "lambda_lo95",
    "lambda_hi95",
    "at_least_one",
    "at_least_one_lo",
    "at_least_one_hi",
    "plug_in",
    "unknown_share",
    "known_arrivals_share",
];

const PARAMETERS: [(&str, &str); 5] = [
    (
        "persons",
        "Arrivals from one origin, a whole number of 0 or more.",
    ),
    (
        "evidence",
        "What `evidence` or `evidence_of_tests` gives; NULL for an origin that is not known.",
    ),
    (
        "entry_effect",
        "Share of the infectious whom rules of entry keep out, 0 to 1; NULL is 0.",
    ),
    (
        "unknown_evidence",
        "Evidence of the population that people of unknown origin are taken to be like, such as \
         the city's own: one for the group. Its range of ascertainment is widened by 2.",
    ),
    (
        "one",
        "Probability that one introduction starts an outbreak, 0 to 1: one for the group.",
    ),
];

impl Outcome {
    /// Every aggregate.
    pub(super) const ALL: [Self; 3] = [Self::Risk, Self::Outbreak, Self::Expected];

    /// Its name in SQL.
    pub(super) const fn name(self) -> &'static str {
        match self {
            Self::Risk => "import_risk",
            Self::Outbreak => "import_outbreak",
            Self::Expected => "expected_infectious",
        }
    }

    /// Its parameters, each with what it means.
    pub(super) fn parameters(self) -> impl ExactSizeIterator<Item = (&'static str, &'static str)> {
        let count = match self {
            Self::Outbreak => 5,
            Self::Risk | Self::Expected => 4,
        };
        PARAMETERS.into_iter().take(count)
    }

    /// What it promises, in Markdown.
    pub(super) const fn about(self) -> &'static str {
        match self {
            Self::Risk => {
                "The importation risk of a group of arrivals, one row an origin, with everything \
                 uncertain taken together and ascertainment shared by all origins. A struct of \
                 `lambda` (expected infectious arrivals, median), `lambda_mean`, its 80 % and 95 % \
                 intervals `lambda_lo80`, `lambda_hi80`, `lambda_lo95`, `lambda_hi95`, \
                 `at_least_one` (probability of at least one) with `at_least_one_lo` and \
                 `at_least_one_hi` at the ends of ascertainment, `plug_in` (the same if the mean \
                 prevalences were certain), `unknown_share` (share of `lambda_mean` from unknown \
                 origins) and `known_arrivals_share`. Risks of venues never add up to the city's. \
                 Method `inflow/lambda-joint@1`."
            }
            Self::Outbreak => {
                "The probability that the arrivals of a group, entries through a cordon, start an \
                 outbreak, each infectious one with probability `one`, with everything uncertain \
                 taken together as in `import_risk`. Methods `inflow/lambda-joint@1` and \
                 `outbreak/branching@1`."
            }
            Self::Expected => {
                "The expected infectious arrivals of a group: `lambda_mean` of `import_risk`, \
                 without its interval. An origin's share of lambda is \
                 `expected_infectious(…) OVER (PARTITION BY origin) / \
                 nullif(expected_infectious(…) OVER (), 0)`; that of unknown origins is above 0. \
                 Method `inflow/origin-share@1`."
            }
        }
    }

    /// A query that shows it.
    pub(super) const fn example(self) -> &'static str {
        match self {
            Self::Risk => {
                "SELECT venue_id, r['lambda'] AS value, r['lambda_lo80'] AS lo, \
                 r['lambda_hi80'] AS hi\n\
                 FROM (SELECT venue_id, import_risk(persons, evidence, entry_effect, \
                 unknown_evidence) AS r\nFROM arrivals GROUP BY venue_id)"
            }
            Self::Outbreak => {
                "SELECT import_outbreak(persons, evidence, entry_effect, unknown_evidence, \
                 outbreak_probability(2.5, 0.1))\nFROM arrivals"
            }
            Self::Expected => {
                "SELECT origin, expected_infectious(persons, evidence, entry_effect, \
                 unknown_evidence)\nFROM arrivals GROUP BY origin"
            }
        }
    }

    /// The type of its result.
    pub(super) fn data_type(self) -> DataType {
        match self {
            Self::Risk => DataType::Struct(struct_fields(&RISK_FIELDS)),
            Self::Outbreak | Self::Expected => DataType::Float64,
        }
    }

    /// The results of `groups`, in order.
    ///
    /// # Errors
    /// Arrow's, which would be a bug.
    pub(super) fn of(self, groups: &[Group]) -> Result<ArrayRef> {
        let mut workspace = Workspace::default();
        match self {
            Self::Risk => risks(groups, &mut workspace),
            Self::Outbreak => numbers(groups, |group, arrivals| match group.one() {
                None => Ok(None),
                Some(one) => workspace.cordon_outbreak(arrivals, one).map(Some),
            }),
            Self::Expected => numbers(groups, |_, arrivals| workspace.expected(arrivals).map(Some)),
        }
    }
}

/// What `of` gives for the arrivals of each group; NULL for a group without any, and where people
/// of unknown origin have no evidence.
fn numbers(
    groups: &[Group],
    mut of: impl FnMut(&Group, &Arrivals<'_>) -> Result<Option<f64>, ImportationError>,
) -> Result<ArrayRef> {
    let mut column = Float64Builder::with_capacity(groups.len());
    for group in groups {
        let number = group.arrivals().map(|arrivals| of(group, &arrivals));
        match number.unwrap_or(Ok(None)) {
            Ok(number) => column.append_option(number),
            Err(ImportationError::UnknownOrigin(_)) => column.append_null(),
            Err(error) => return Err(DataFusionError::Execution(error.to_string())),
        }
    }
    Ok(Arc::new(column.finish()))
}

fn risks(groups: &[Group], workspace: &mut Workspace) -> Result<ArrayRef> {
    let mut columns = RISK_FIELDS.map(|_| Float64Builder::with_capacity(groups.len()));
    let mut valid = Vec::with_capacity(groups.len());
    for group in groups {
        let arrivals = group.arrivals();
        valid.push(arrivals.is_some());
        let fields = match arrivals {
            Some(arrivals) => match workspace.venue(&arrivals) {
                Ok(risk) => fields(risk.risk()),
                Err(ImportationError::UnknownOrigin(_)) => only_known_share(arrivals.known_share()),
                Err(error) => return Err(DataFusionError::Execution(error.to_string())),
            },
            None => [None; RISK_FIELDS.len()],
        };
        for (column, value) in columns.iter_mut().zip(fields) {
            column.append_option(value);
        }
    }
    let columns = columns.map(|mut column| Arc::new(column.finish()) as ArrayRef);
    let fields = struct_fields(&RISK_FIELDS);
    let valid = NullBuffer::from(valid);
    Ok(Arc::new(StructArray::try_new(
        fields,
        columns.into(),
        Some(valid),
    )?))
}

/// In the order of [`RISK_FIELDS`].
fn fields(risk: &JointRisk) -> [Option<f64>; RISK_FIELDS.len()] {
    [
        Some(risk.lambda_median),
        Some(risk.lambda_mean),
        Some(risk.lambda80.lo),
        Some(risk.lambda80.hi),
        Some(risk.lambda95.lo),
        Some(risk.lambda95.hi),
        Some(risk.at_least_one),
        Some(risk.at_least_one_by_ascertainment.lo),
        Some(risk.at_least_one_by_ascertainment.hi),
        Some(risk.at_least_one_plug_in),
        risk.unknown_share,
        risk.known_arrivals_share,
    ]
}

/// What is left to say where nothing is assumed of unknown origins.
fn only_known_share(share: Option<f64>) -> [Option<f64>; RISK_FIELDS.len()] {
    let mut fields = [None; RISK_FIELDS.len()];
    if let Some(last) = fields.last_mut() {
        *last = share;
    }
    fields
}
