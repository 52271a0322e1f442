//! Evidence of an origin's prevalence, and the infectious among its arrivals.
//!
//! The chance of at least one infectious person among arrivals from several origins is
//! `prob_any(sum(ln_none(n, p)))` where the prevalences are certain: logarithms, because a product
//! of thousands of factors near 1 loses what matters. Where they are not, it is `import_risk`.

use tidegate_risk::importation::{
    self, Ascertainment, BetaPosterior, Prevalence, Reported, Sample,
};
use tidegate_risk::presence::{Stay, present};

use crate::h3_functions::kernel::{
    Definition, Domain, Fault, Kind, Output, Parameter, Returns, Row,
};
use crate::importation::EVIDENCE_FIELDS;

use super::{count, parameter};

const CASES: Parameter = parameter(
    "cases_7d",
    Kind::Integer,
    "cases reported in 7 days, 0 or more",
);
const POPULATION: Parameter = parameter("population", Kind::Integer, "inhabitants, above 0");
const INFECTIOUS_DAYS: Parameter = parameter(
    "infectious_days",
    Kind::Float,
    "days infectious and travelling, above 0",
);
const ARRIVALS: Parameter = parameter("n", Kind::Integer, "arrivals, 0 or more");

pub(super) const DEFINITIONS: &[Definition] = &[
    Definition {
        name: "prevalence",
        parameters: &[
            CASES,
            POPULATION,
            parameter(
                "ascertainment",
                Kind::Float,
                "share of infections that are reported, above 0 to 1",
            ),
            INFECTIOUS_DAYS,
        ],
        returns: Returns::Float,
        domain: Domain::Partial,
        kernel: prevalence,
        about: "The share of an origin's people who are infectious and still travel: `cases_7d \
                / (7 * ascertainment * population) * infectious_days`, at most 1. Method \
                `prevalence/reported-cases@1`.",
        example: ("round(prevalence(140, 500000, 0.2, 7.0), 12)", "0.0014"),
    },
    Definition {
        name: "ln_none",
        parameters: &[
            ARRIVALS,
            parameter("p", Kind::Float, "prevalence among them, 0 to 1"),
        ],
        returns: Returns::Float,
        domain: Domain::Partial,
        kernel: ln_none,
        about: "The natural logarithm of the chance that none of `n` independent arrivals is \
                infectious, `n * ln(1 - p)`: 0 or less, and minus infinity when some arrive \
                and all are infectious. Add it up over origins and give the sum to `prob_any`. \
                Method `inflow/at-least-one-exact@1`.",
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
        about: "The chance of at least one infectious arrival, `1 - exp(sum_ln_none)`, 0 to 1. \
                Method `inflow/at-least-one-exact@1`.",
        example: ("prob_any(ln_none(2, 0.5))", "0.75"),
    },
    Definition {
        name: "evidence",
        parameters: &[
            CASES,
            POPULATION,
            INFECTIOUS_DAYS,
            parameter(
                "ascertainment_low",
                Kind::Float,
                "share of infections that are reported at least, above 0",
            ),
            parameter(
                "ascertainment_mid",
                Kind::Float,
                "the same, as likely too low as too high",
            ),
            parameter(
                "ascertainment_high",
                Kind::Float,
                "the same, at most 1; the three ascend",
            ),
        ],
        returns: Returns::Struct(&EVIDENCE_FIELDS),
        domain: Domain::Partial,
        kernel: evidence,
        about: "What the cases of 7 days say of an origin's prevalence, for `import_risk`: a \
                struct of `shape` (cases + 0.5, the first parameter of a beta distribution), \
                `unit_mean` (its mean if every infection were reported) and the three \
                ascertainments. No cases are a small prevalence, never none. Method \
                `inflow/lambda-joint@1`.",
        example: ("evidence(140, 500000, 7, 0.1, 0.2, 0.4)['shape']", "140.5"),
    },
    Definition {
        name: "evidence_of_tests",
        parameters: &[
            parameter(
                "positive",
                Kind::Integer,
                "tests with a positive result, 0 or more",
            ),
            parameter("tested", Kind::Integer, "people tested, 1 to 1,000,000,000"),
        ],
        returns: Returns::Struct(&EVIDENCE_FIELDS),
        domain: Domain::Partial,
        kernel: evidence_of_tests,
        about: "What a sample of tests among travellers says of their prevalence, for \
                `import_risk`: the posterior Beta(0.5 + positive, 0.5 + negative) of Jeffreys' \
                prior, as `evidence` with an ascertainment of 1. Method \
                `inflow/beta-binomial@1`.",
        example: (
            "round(evidence_of_tests(3, 2000)['unit_mean'], 10)",
            "0.0017491254",
        ),
    },
    Definition {
        name: "import_share",
        parameters: &[
            parameter(
                "lambda",
                Kind::Float,
                "infectious arrivals through a cordon, 0 or more",
            ),
            parameter(
                "local_infections",
                Kind::Float,
                "the city's own new infections in the same time, reported or not, 0 or more",
            ),
        ],
        returns: Returns::Float,
        domain: Domain::Partial,
        kernel: import_share,
        about: "The share of imports in all new infections, `lambda / (lambda + local)`: below \
                0.01 minor, from 0.1 major; NULL when there are neither. Method \
                `inflow/import-share@1`.",
        example: ("import_share(1, 99)", "0.01"),
    },
    Definition {
        name: "little",
        parameters: &[
            parameter(
                "arrivals_per_hour",
                Kind::Float,
                "arrivals an hour, 0 to 1e12; of all or of the infectious",
            ),
            parameter(
                "mean_stay_minutes",
                Kind::Float,
                "mean stay in minutes, 0.001 to 1,000,000",
            ),
        ],
        returns: Returns::Float,
        domain: Domain::Partial,
        kernel: little,
        about: "Persons present in the long run: arrivals an hour times the mean stay. Method \
                `presence/little@1`.",
        example: ("little(600, 45)", "450.0"),
    },
];

/// The functions of many terms.
pub(super) const SEARCHES: &[Definition] = &[Definition {
    name: "beta_binomial_any",
    parameters: &[
        ARRIVALS,
        parameter(
            "alpha",
            Kind::Float,
            "first parameter of the prevalence's beta distribution, above 0 to 1e9",
        ),
        parameter("beta", Kind::Float, "the second, above 0 to 1e9"),
    ],
    returns: Returns::Float,
    domain: Domain::Partial,
    kernel: beta_binomial_any,
    about: "The chance of at least one infectious person among `n` arrivals whose \
                prevalence has a beta distribution: at most that of its mean. Method \
                `inflow/beta-binomial@1`.",
    example: (
        "round(beta_binomial_any(1000, 2, 1998), 10)",
        "0.5557778766",
    ),
}];

fn prevalence(row: &Row<'_>) -> Result<Output, Fault> {
    let (cases_7d, population) = (count(row, 0, "cases_7d")?, count(row, 1, "population")?);
    importation::prevalence(cases_7d, population, row.float(2), row.float(3))
        .map(|share| Output::Float(share.get()))
        .map_err(Fault::from_error)
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

fn evidence(row: &Row<'_>) -> Result<Output, Fault> {
    let (cases_7d, population) = (count(row, 0, "cases_7d")?, count(row, 1, "population")?);
    let range = [row.float(3), row.float(4), row.float(5)];
    let range = Ascertainment::try_new(range).map_err(Fault::from_error)?;
    Reported::try_weekly(cases_7d, population, row.float(2), range)
        .map(parts)
        .map_err(Fault::from_error)
}

fn evidence_of_tests(row: &Row<'_>) -> Result<Output, Fault> {
    let (positive, tested) = (count(row, 0, "positive")?, count(row, 1, "tested")?);
    // Jeffreys' prior alone is no evidence.
    Sample::try_new(positive, tested).map_err(Fault::from_error)?;
    BetaPosterior::try_jeffreys(positive, tested)
        .map(|posterior| parts(Reported::of_tests(posterior)))
        .map_err(Fault::from_error)
}

fn parts(reported: Reported) -> Output {
    Output::Floats(reported.parts().to_vec())
}

fn beta_binomial_any(row: &Row<'_>) -> Result<Output, Fault> {
    let posterior =
        BetaPosterior::try_new(row.float(1), row.float(2)).map_err(Fault::from_error)?;
    let arrivals = posterior.arrivals(count(row, 0, "n")?);
    Ok(Output::Float(arrivals.at_least_one))
}

fn import_share(row: &Row<'_>) -> Result<Output, Fault> {
    let share = importation::import_share(row.float(0), row.float(1)).map_err(Fault::from_error)?;
    Ok(share.map_or(Output::Null, Output::Float))
}

fn little(row: &Row<'_>) -> Result<Output, Fault> {
    // The law holds for any distribution of this mean.
    let stay = Stay::exponential(row.float(1)).map_err(Fault::from_error)?;
    present(row.float(0), stay)
        .map(Output::Float)
        .map_err(Fault::from_error)
}
