//! Risk in SQL: prevalence, level of service, and the chance of an infectious arrival.
//!
//! The formulas and their sources are those of `tidegate-risk`; see `docs/METHODS.md`.
//! As with the H3 functions, NULL in gives NULL out, other bad input is an error that names the
//! value, and a twin with `try_` in front gives NULL instead.
//!
//! The chance of at least one infectious person among arrivals from several origins is
//! `prob_any(sum(ln_none(n, p)))`: logarithms, because a product of thousands of factors near 1
//! loses what matters.

use datafusion::logical_expr::ScalarUDF;
use tidegate_risk::density::{LosScheme, PersonsPerSquareMetre, level};
use tidegate_risk::importation::{self, Prevalence};

use crate::h3_functions::kernel::{
    self, Definition, Domain, Fault, Kind, Output, Parameter, Returns, Row, Section, quoted,
};

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
    kernel::functions(DEFINITIONS, Section("Risk Functions"))
}

const fn parameter(name: &'static str, kind: Kind, about: &'static str) -> Parameter {
    Parameter { name, kind, about }
}

const DEFINITIONS: &[Definition] = &[
    Definition {
        name: "prevalence",
        parameters: &[
            parameter(
                "cases_7d",
                Kind::Integer,
                "cases reported in 7 days, 0 or more",
            ),
            parameter("population", Kind::Integer, "inhabitants, above 0"),
            parameter(
                "ascertainment",
                Kind::Float,
                "share of infections that are reported, above 0 to 1",
            ),
            parameter(
                "infectious_days",
                Kind::Float,
                "days infectious and travelling, above 0",
            ),
        ],
        returns: Returns::Float,
        domain: Domain::Partial,
        kernel: prevalence,
        about: "The share of an origin's people who are infectious and still travel: \
                `cases_7d / (7 * ascertainment * population) * infectious_days`, at most 1.",
        example: ("round(prevalence(140, 500000, 0.2, 7.0), 12)", "0.0014"),
    },
    Definition {
        name: "los_level",
        parameters: &[
            parameter(
                "scheme",
                Kind::Text,
                "'fruin_walkway', 'fruin_queue', 'hcm_walkway' or 'hcm_queue'",
            ),
            parameter(
                "density",
                Kind::Float,
                "persons per square metre of usable area, 0 or more",
            ),
        ],
        returns: Returns::Text,
        domain: Domain::Partial,
        kernel: los_level,
        about: "The level of service of a crowd density, 'A' (free) to 'F' (crush), by a named \
                scheme. It is for a venue of known usable area, not for the area of a cell.",
        example: ("los_level('fruin_walkway', 1.0)", "D"),
    },
    Definition {
        name: "ln_none",
        parameters: &[
            parameter("n", Kind::Integer, "arrivals, 0 or more"),
            parameter("p", Kind::Float, "prevalence among them, 0 to 1"),
        ],
        returns: Returns::Float,
        domain: Domain::Partial,
        kernel: ln_none,
        about: "The natural logarithm of the chance that none of `n` independent arrivals is \
                infectious, `n * ln(1 - p)`: 0 or less, and minus infinity when some arrive and \
                all are infectious. Add it up over origins and give the sum to `prob_any`.",
        example: ("ln_none(2, 0.5)", "-1.3862943611198906"),
    },
    Definition {
        name: "prob_any",
        parameters: &[parameter(
            "sum_ln_none",
            Kind::Float,
            "sum of `ln_none`, 0 or less",
        )],
        returns: Returns::Float,
        domain: Domain::Partial,
        kernel: prob_any,
        about: "The chance of at least one infectious arrival, `1 - exp(sum_ln_none)`, 0 to 1.",
        example: ("prob_any(ln_none(2, 0.5))", "0.75"),
    },
];

fn prevalence(row: &Row<'_>) -> Result<Output, Fault> {
    let cases_7d = count(row, 0, "cases_7d")?;
    let population = count(row, 1, "population")?;
    importation::prevalence(cases_7d, population, row.float(2), row.float(3))
        .map(|share| Output::Float(share.get()))
        .map_err(Fault::from_error)
}

fn los_level(row: &Row<'_>) -> Result<Output, Fault> {
    let word = row.text(0);
    let scheme = LosScheme::from_word(word).ok_or_else(|| {
        let words = LosScheme::ALL.map(LosScheme::as_str).join(", ");
        Fault::new(format!("scheme {} is none of {words}", quoted(word)))
    })?;
    let density = PersonsPerSquareMetre::try_new(row.float(1)).map_err(Fault::from_error)?;
    Ok(Output::Text(level(scheme, density).as_str().to_owned()))
}

fn ln_none(row: &Row<'_>) -> Result<Output, Fault> {
    let n = count(row, 0, "n")?;
    let p = Prevalence::try_new(row.float(1)).map_err(Fault::from_error)?;
    #[expect(clippy::cast_precision_loss, reason = "exact below 2^53 persons")]
    let arrivals = n as f64;
    // Of nobody none is infectious, whatever the prevalence; 0 * ln(0) is not a number.
    let ln_none = if n == 0 {
        0.0
    } else {
        arrivals * libm::log1p(-p.get())
    };
    Ok(Output::Float(ln_none))
}

fn prob_any(row: &Row<'_>) -> Result<Output, Fault> {
    let ln_none = row.float(0);
    if ln_none <= 0.0 {
        // `+ 0.0` turns the -0.0 of no arrivals into 0.
        Ok(Output::Float(-libm::expm1(ln_none) + 0.0))
    } else {
        Err(Fault::new(format!(
            "sum_ln_none {ln_none} is not a number of 0 or less"
        )))
    }
}

fn count(row: &Row<'_>, idx: usize, name: &str) -> Result<u64, Fault> {
    let value = row.integer(idx);
    u64::try_from(value).map_err(|_| Fault::new(format!("{name} {value} is below 0")))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::h3_functions::tests::{check_error, check_examples, check_refused, value};
    use proptest::prelude::*;
    use tidegate_risk::importation::prob_at_least_one_exact;

    #[test]
    fn examples_hold() {
        check_examples(DEFINITIONS);
    }

    #[test]
    fn null_gives_null() {
        for definition in DEFINITIONS {
            let nulls = vec!["NULL"; definition.parameters.len()].join(", ");
            assert_eq!(value(&format!("{}({nulls})", definition.name)), "NULL");
        }
        assert_eq!(value("prevalence(1, NULL, 0.2, 7)"), "NULL");
        assert_eq!(value("los_level(NULL, -1)"), "NULL");
    }

    #[test]
    fn bad_input_is_named_or_null() {
        for (call, named) in [
            ("prevalence(-1, 1000, 0.2, 7)", "cases_7d -1"),
            ("prevalence(1, -1000, 0.2, 7)", "population -1000"),
            ("prevalence(1, 0, 0.2, 7)", "population of 0"),
            ("prevalence(1, 1000, 0, 7)", "ascertainment 0"),
            ("prevalence(1, 1000, 1.1, 7)", "ascertainment 1.1"),
            ("prevalence(1, 1000, 0.2, -7)", "-7 infectious days"),
            ("prevalence(1, 1000, 'NaN'::double, 7)", "NaN"),
            ("los_level('fruin', 1)", "'fruin'"),
            ("los_level('fruin_queue', -0.5)", "-0.5"),
            ("los_level('fruin_queue', 'NaN'::double)", "NaN"),
            ("ln_none(-1, 0.5)", "n -1"),
            ("ln_none(1, 1.5)", "1.5"),
            ("ln_none(1, -0.5)", "-0.5"),
            ("ln_none(1, 'NaN'::double)", "NaN"),
            ("prob_any(0.1)", "0.1"),
            ("prob_any('NaN'::double)", "NaN"),
        ] {
            check_refused(call, named);
        }
        check_error("ln_none(1.5, 0.5)", &["argument n must be an integer"]);
    }

    #[test]
    fn certain_and_impossible_arrivals() {
        for (call, expected) in [
            ("ln_none(0, 1.0)", "0.0"),
            ("ln_none(3, 1.0)", "-inf"),
            ("ln_none(3, 0.0)", "-0.0"),
            ("prob_any(ln_none(3, 1.0))", "1.0"),
            ("prob_any(ln_none(3, 0.0))", "0.0"),
            ("prob_any(ln_none(0, 1.0))", "0.0"),
            // Where 1 - exp(x) would have lost every digit.
            ("prob_any(ln_none(1, 1e-18))", "1e-18"),
            ("prevalence(9223372036854775807, 1, 0.2, 7)", "1.0"),
            ("los_level('hcm_queue', 100)", "F"),
        ] {
            assert_eq!(value(call), expected, "{call}");
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]

        /// The SQL form of P(≥1) is the exact form of `tidegate-risk`, up to the order of adding.
        #[test]
        fn any_is_the_exact_probability(
            arrivals in prop::collection::vec((0..100_000_u64, 0.0..=1.0_f64, 0..12_i32), 1..8),
        ) {
            let arrivals: Vec<_> = arrivals
                .into_iter()
                .map(|(n, p, decade)| (n, p * 10.0_f64.powi(-decade)))
                .collect();
            let rows: Vec<_> = arrivals
                .iter()
                .map(|(n, p)| format!("({n}, arrow_cast('{p}', 'Float64'))"))
                .collect();
            let call = format!(
                "prob_any(sum(ln_none(n, p))) FROM (VALUES {}) AS t(n, p)",
                rows.join(", ")
            );
            let actual: f64 = value(&call).parse().unwrap();
            let pairs: Vec<_> = arrivals
                .iter()
                .map(|&(n, p)| (n, Prevalence::try_new(p).unwrap()))
                .collect();
            let expected = prob_at_least_one_exact(&pairs);
            prop_assert!((actual - expected).abs() <= 1e-12 * expected, "{actual} {expected}");
        }
    }
}
