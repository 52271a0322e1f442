//! Whether introductions start an outbreak.

use tidegate_risk::outbreak::{Control, Offspring, outbreak_of, outbreak_of_poisson};

use crate::h3_functions::kernel::{
    Definition, Domain, Fault, Kind, Output, Parameter, Returns, Row,
};

use super::{count, parameter};

const REPRODUCTION: Parameter = parameter(
    "r",
    Kind::Float,
    "mean number of others whom a case infects, 0 to 1000",
);
const DISPERSION: Parameter = parameter(
    "k",
    Kind::Float,
    "its dispersion, above 0; the smaller, the fewer cases infect most; 'Infinity' for Poisson",
);
const ONE: Parameter = parameter(
    "one",
    Kind::Float,
    "probability that one introduction starts an outbreak, 0 to 1: `outbreak_probability`",
);

pub(super) const DEFINITIONS: &[Definition] = &[
    Definition {
        name: "outbreak_any",
        parameters: &[
            parameter(
                "lambda",
                Kind::Float,
                "introductions expected through a cordon, 0 or more",
            ),
            ONE,
        ],
        returns: Returns::Float,
        domain: Domain::Partial,
        kernel: outbreak_any,
        about: "The probability of an outbreak when the number of introductions is Poisson \
                with mean `lambda`: `1 - exp(-lambda * one)`. Where lambda itself is \
                uncertain, use `import_outbreak`. Method `outbreak/branching@1`.",
        example: (
            "round(outbreak_any(0.5, outbreak_probability(2.5, 0.1)), 10)",
            "0.0672865976",
        ),
    },
    Definition {
        name: "outbreak_from",
        parameters: &[
            parameter("introductions", Kind::Integer, "introductions, 0 or more"),
            ONE,
        ],
        returns: Returns::Float,
        domain: Domain::Partial,
        kernel: outbreak_from,
        about: "The probability that `n` introductions start an outbreak: `1 - (1 - one)^n`. \
                Method `outbreak/branching@1`.",
        example: ("outbreak_from(2, 0.5)", "0.75"),
    },
    Definition {
        name: "infects_nobody",
        parameters: &[REPRODUCTION, DISPERSION],
        returns: Returns::Float,
        domain: Domain::Partial,
        kernel: infects_nobody,
        about: "The probability that a case infects nobody, `(1 + r / k)^-k`. Method \
                `outbreak/branching@1`.",
        example: ("round(infects_nobody(2.5, 0.1), 10)", "0.7219425934"),
    },
];

/// The functions that search for a root.
pub(super) const SEARCHES: &[Definition] = &[
    Definition {
        name: "outbreak_probability",
        parameters: &[REPRODUCTION, DISPERSION],
        returns: Returns::Float,
        domain: Domain::Partial,
        kernel: outbreak_probability,
        about: "The probability that one introduction starts an outbreak that does not end by \
                chance: 0 for `r` up to 1. Method `outbreak/branching@1`.",
        example: (
            "round(outbreak_probability(1.63, 0.16), 10)",
            "0.1198705058",
        ),
    },
    Definition {
        name: "outbreak_probability_controlled",
        parameters: &[
            REPRODUCTION,
            DISPERSION,
            parameter(
                "individual",
                Kind::Float,
                "share of cases who infect nobody because of measures, 0 to 1",
            ),
            parameter(
                "population",
                Kind::Float,
                "share by which measures on everybody lower `r`, 0 to 1",
            ),
        ],
        returns: Returns::Float,
        domain: Domain::Partial,
        kernel: outbreak_probability_controlled,
        about: "As `outbreak_probability`, under measures. Method `outbreak/branching@1`.",
        example: (
            "round(outbreak_probability_controlled(1.5, 0.5, 0.2, 0), 8)",
            "0.09070598",
        ),
    },
];

fn outbreak_any(row: &Row<'_>) -> Result<Output, Fault> {
    outbreak_of_poisson(row.float(0), row.float(1))
        .map(Output::Float)
        .map_err(Fault::from_error)
}

fn outbreak_from(row: &Row<'_>) -> Result<Output, Fault> {
    outbreak_of(count(row, 0, "introductions")?, row.float(1))
        .map(Output::Float)
        .map_err(Fault::from_error)
}

fn infects_nobody(row: &Row<'_>) -> Result<Output, Fault> {
    Ok(Output::Float(offspring(row)?.infects_nobody()))
}

fn outbreak_probability(row: &Row<'_>) -> Result<Output, Fault> {
    let one = offspring(row)?.outbreak_probability(Control::NONE);
    Ok(Output::Float(one))
}

fn outbreak_probability_controlled(row: &Row<'_>) -> Result<Output, Fault> {
    let control = Control::try_new(row.float(2), row.float(3)).map_err(Fault::from_error)?;
    Ok(Output::Float(offspring(row)?.outbreak_probability(control)))
}

fn offspring(row: &Row<'_>) -> Result<Offspring, Fault> {
    Offspring::try_new(row.float(0), row.float(1)).map_err(Fault::from_error)
}
