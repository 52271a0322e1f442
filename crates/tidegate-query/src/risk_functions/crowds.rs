//! How full, how dense and how uncertain a crowd is.

use tidegate_risk::area::{AreaKind, VenueArea};
use tidegate_risk::capacity::{AREA_RULES, AreaRule};
use tidegate_risk::counts::{Dispersion, interval95};
use tidegate_risk::crowding::{CrowdLevel, Load, LoadBounds, Movement, SafetyBounds};
use tidegate_risk::density::{LosScheme, PersonsPerSquareMetre, level};

use crate::h3_functions::kernel::{
    Definition, Domain, Fault, Kind, Output, Parameter, Returns, Row,
};

use super::{count, named, parameter};

const RULE: Parameter = parameter(
    "rule",
    Kind::Text,
    "the word of a rule, such as 'beijing_2020' (2 square metres a person), 'square_2_m' (4) or \
     'ibc_standing'",
);
const DENSITY: Parameter = parameter(
    "density",
    Kind::Float,
    "persons per square metre of usable area, 0 or more",
);
const MEAN: Parameter = parameter("mean", Kind::Float, "persons expected, 0 to 10,000,000");
const DISPERSION: Parameter = parameter(
    "k",
    Kind::Float,
    "dispersion of the negative binomial, 0.01 to 10,000,000; 'Infinity' for Poisson",
);

pub(super) const DEFINITIONS: &[Definition] = &[
    Definition {
        name: "los_level",
        parameters: &[
            parameter(
                "scheme",
                Kind::Text,
                "'fruin_walkway', 'fruin_queue', 'hcm_walkway' or 'hcm_queue'",
            ),
            DENSITY,
        ],
        returns: Returns::Text,
        domain: Domain::Partial,
        kernel: los_level,
        about: "The level of service of a crowd density, 'A' (free) to 'F' (crush), by a named \
                scheme. It is for a venue of known usable area, not for the area of a cell. \
                Methods `los/fruin-walkway@1`, `los/fruin-queue@1`, `los/hcm-walkway@1` and \
                `los/hcm-queue@1`.",
        example: ("los_level('fruin_walkway', 1.0)", "D"),
    },
    Definition {
        name: "capacity_of",
        parameters: &[
            RULE,
            parameter(
                "usable_area_m2",
                Kind::Float,
                "usable area in square metres, above 0",
            ),
        ],
        returns: Returns::Integer,
        domain: Domain::Partial,
        kernel: capacity_of,
        about: "The whole persons that a venue may hold by a rule for its usable (net) area. A \
                rule for gross areas is refused: see `capacity_of_gross`. Method \
                `capacity/area-rule@1`.",
        example: ("capacity_of('square_2_m', 800)", "200"),
    },
    Definition {
        name: "capacity_of_gross",
        parameters: &[
            RULE,
            parameter(
                "gross_area_m2",
                Kind::Float,
                "area within the walls in square metres, above 0",
            ),
        ],
        returns: Returns::Integer,
        domain: Domain::Partial,
        kernel: capacity_of_gross,
        about: "As `capacity_of`, for a venue of which the gross area is known. A rule for net \
                areas is refused. Method `capacity/area-rule@1`.",
        example: ("capacity_of_gross('ibc_mercantile', 557.5)", "100"),
    },
    Definition {
        name: "crowd_level",
        parameters: &[
            parameter("persons", Kind::Float, "persons inside, 0 or more"),
            parameter(
                "capacity",
                Kind::Integer,
                "persons that the venue may hold, above 0",
            ),
        ],
        returns: Returns::Text,
        domain: Domain::Partial,
        kernel: crowd_level,
        about: "How near a venue is to its capacity: 'normal', 'watch' from 0.7 of it, 'amber' \
                from 0.85, 'red' from 1. Method `level/load@1`.",
        example: ("crowd_level(340, 400)", "amber"),
    },
    Definition {
        name: "life_safety_level",
        parameters: &[
            parameter("movement", Kind::Text, "'moving' or 'static'"),
            DENSITY,
        ],
        returns: Returns::Text,
        domain: Domain::Partial,
        kernel: life_safety_level,
        about: "Whether a crowd is so dense that people may be hurt: 'normal', 'amber' from \
                2.0 persons per square metre when it moves and 3.0 when it stands, 'red' from \
                4.0 and 4.7. Method `level/life-safety@1`.",
        example: ("life_safety_level('static', 4.2)", "amber"),
    },
    Definition {
        name: "worse_level",
        parameters: &[
            parameter(
                "a",
                Kind::TextOrNull,
                "'normal', 'watch', 'amber', 'red' or NULL",
            ),
            parameter("b", Kind::TextOrNull, "the same"),
        ],
        returns: Returns::Text,
        domain: Domain::Partial,
        kernel: worse_level,
        about: "The worse of two levels, such as `crowd_level` and `life_safety_level`. NULL \
                is a level that is not known: then it is the other, and NULL only when neither \
                is known. Method `level/life-safety@1`.",
        example: ("worse_level('watch', 'red')", "red"),
    },
];

/// The functions that search for a quantile.
pub(super) const SEARCHES: &[Definition] = &[
    Definition {
        name: "count_lo",
        parameters: &[MEAN, DISPERSION],
        returns: Returns::Integer,
        domain: Domain::Partial,
        kernel: count_lo,
        about: "The low end of the 95 % interval of a number of persons with this expectation: \
                the 0.025 quantile of the negative binomial distribution of variance `m + m^2 \
                / k`. The interval of method `occupancy/dwell-forecast@1`.",
        example: ("count_lo(450, 20)", "271"),
    },
    Definition {
        name: "count_hi",
        parameters: &[MEAN, DISPERSION],
        returns: Returns::Integer,
        domain: Domain::Partial,
        kernel: count_hi,
        about: "The high end of the same interval as `count_lo`: the 0.975 quantile. The \
                interval of method `occupancy/dwell-forecast@1`.",
        example: ("count_hi(450, 'Infinity'::double)", "492"),
    },
];

fn los_level(row: &Row<'_>) -> Result<Output, Fault> {
    let words = LosScheme::ALL.map(LosScheme::as_str);
    let scheme = named("scheme", row.text(0), LosScheme::from_word, &words)?;
    Ok(text(level(scheme, density(row, 1)?).as_str()))
}

fn capacity_of(row: &Row<'_>) -> Result<Output, Fault> {
    capacity(row, AreaKind::NetUsable)
}

fn capacity_of_gross(row: &Row<'_>) -> Result<Output, Fault> {
    capacity(row, AreaKind::Gross)
}

fn capacity(row: &Row<'_>, kind: AreaKind) -> Result<Output, Fault> {
    let words = AREA_RULES.map(|rule| rule.word);
    let rule = named("rule", row.text(0), AreaRule::from_word, &words)?;
    let area = VenueArea::from_register(Some(row.float(1)), kind).map_err(Fault::from_error)?;
    let persons = rule.capacity(area).map_err(Fault::from_error)?;
    Ok(whole(persons))
}

fn crowd_level(row: &Row<'_>) -> Result<Output, Fault> {
    let capacity = count(row, 1, "capacity")?;
    let load = Load::try_new(row.float(0), capacity).map_err(Fault::from_error)?;
    Ok(text(LoadBounds::DEFAULT.level(load).as_str()))
}

fn life_safety_level(row: &Row<'_>) -> Result<Output, Fault> {
    let words = Movement::ALL.map(Movement::as_str);
    let movement = named("movement", row.text(0), Movement::from_word, &words)?;
    let level = SafetyBounds::of(movement).level(density(row, 1)?);
    Ok(text(level.as_str()))
}

fn worse_level(row: &Row<'_>) -> Result<Output, Fault> {
    let words = CrowdLevel::ALL.map(CrowdLevel::as_str);
    let at = |idx| {
        let word = row.text_or_null(idx);
        word.map(|word| named("level", word, CrowdLevel::from_word, &words))
            .transpose()
    };
    let worse = CrowdLevel::overridden(at(0)?, at(1)?);
    Ok(worse.map_or(Output::Null, |level| text(level.as_str())))
}

fn count_lo(row: &Row<'_>) -> Result<Output, Fault> {
    Ok(whole(interval(row)?.0))
}

fn count_hi(row: &Row<'_>) -> Result<Output, Fault> {
    Ok(whole(interval(row)?.1))
}

fn interval(row: &Row<'_>) -> Result<(u64, u64), Fault> {
    let (mean, k) = (row.float(0), row.float(1));
    // Without spread beyond chance the negative binomial is Poisson's distribution.
    let dispersion = if k.is_infinite() && k.is_sign_positive() {
        Dispersion::Poisson
    } else {
        Dispersion::try_negative_binomial(k).map_err(Fault::from_error)?
    };
    interval95(mean, dispersion).map_err(Fault::from_error)
}

fn density(row: &Row<'_>, idx: usize) -> Result<PersonsPerSquareMetre, Fault> {
    PersonsPerSquareMetre::try_new(row.float(idx)).map_err(Fault::from_error)
}

fn text(word: &str) -> Output {
    Output::Text(word.to_owned())
}

fn whole(persons: u64) -> Output {
    Output::Integer(i64::try_from(persons).expect("both methods end far below 2^63 persons"))
}
