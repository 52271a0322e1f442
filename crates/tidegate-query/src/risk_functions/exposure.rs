//! What infectious persons at a venue may mean for others.
//!
//! Clean air that is not known is NULL, and then so is the result: no function has a default.

use tidegate_risk::density::PersonsPerSquareMetre;
use tidegate_risk::exposure::{
    Breathing, CleanAir, Co2, Contacts, SharedTime, infection_co2, infection_from_clean,
    infection_steady,
};

use crate::h3_functions::kernel::{
    Definition, Domain, Fault, Kind, Output, Parameter, Returns, Row,
};

use super::{count, parameter};

const INFECTIOUS: Parameter = parameter(
    "infectious",
    Kind::Float,
    "infectious persons present, which may be a fraction that is expected, 0 or more: `little`",
);
const QUANTA: Parameter = parameter(
    "quanta_per_hour",
    Kind::Float,
    "quanta that each of them emits an hour, 0 or more",
);
const BREATHING: Parameter = parameter(
    "breathing_m3h",
    Kind::Float,
    "cubic metres that a person inhales an hour, 0 or more",
);
const HOURS: Parameter = parameter("hours", Kind::Float, "hours of shared air, 0 or more");

pub(super) const DEFINITIONS: &[Definition] = &[
    Definition {
        name: "contact_exposure",
        parameters: &[
            INFECTIOUS,
            parameter(
                "density",
                Kind::Float,
                "persons per square metre of usable area, 0 or more",
            ),
            parameter(
                "contacts_per_hour",
                Kind::Float,
                "contacts of a person in an hour at 1 person per square metre, 0 or more: to be \
                 calibrated",
            ),
            parameter(
                "density_max",
                Kind::Float,
                "density from which contacts grow no more, 0 or more; 2 unless better known",
            ),
        ],
        returns: Returns::Float,
        domain: Domain::Partial,
        kernel: contact_exposure,
        about: "Contacts of infectious visitors with others in an hour, `infectious * \
                contacts_per_hour * least(density, density_max)`. Contacts, not infections. \
                Method `exposure/contacts@1`.",
        example: ("contact_exposure(1.5, 0.8, 10, 2)", "12.0"),
    },
    Definition {
        name: "wells_riley",
        parameters: &[
            INFECTIOUS,
            QUANTA,
            BREATHING,
            HOURS,
            parameter(
                "clean_air_m3h",
                Kind::Float,
                "cubic metres of clean air an hour, above 0; NULL when not known",
            ),
        ],
        returns: Returns::Float,
        domain: Domain::Partial,
        kernel: wells_riley,
        about: "The probability that a susceptible person is infected by shared, well-mixed \
                indoor air, `1 - exp(-I q b t / Q)`; NULL when the clean air is not known. It \
                compares rooms of one disease profile and forecasts no cases. Method \
                `exposure/wells-riley@1`.",
        example: (
            "round(wells_riley(1, 10, 0.54, 1, 1000), 10)",
            "0.0053854462",
        ),
    },
    Definition {
        name: "wells_riley_from_clean",
        parameters: &[
            INFECTIOUS,
            QUANTA,
            BREATHING,
            HOURS,
            parameter(
                "volume_m3",
                Kind::Float,
                "volume of the room in cubic metres, above 0",
            ),
            parameter(
                "air_changes_per_hour",
                Kind::Float,
                "changes of its air an hour by ventilation, deposition, inactivation and \
                 filtration, above 0; NULL when not known",
            ),
        ],
        returns: Returns::Float,
        domain: Domain::Partial,
        kernel: wells_riley_from_clean,
        about: "As `wells_riley`, from the moment when the infectious enter clean air; never \
                above it. Method `exposure/wells-riley@1`.",
        example: (
            "round(wells_riley_from_clean(1, 10, 0.54, 0.5, 6000, 3.93), 14)",
            "0.00006439719724",
        ),
    },
    Definition {
        name: "wells_riley_co2",
        parameters: &[
            INFECTIOUS,
            QUANTA,
            HOURS,
            parameter(
                "co2_inside_ppm",
                Kind::Float,
                "carbon dioxide in the room, parts per million, 0 or more",
            ),
            parameter("co2_outside_ppm", Kind::Float, "the same in the open"),
            parameter("persons", Kind::Integer, "persons in the room, 0 or more"),
        ],
        returns: Returns::Float,
        domain: Domain::Partial,
        kernel: wells_riley_co2,
        about: "As `wells_riley`, where carbon dioxide is measured instead of clean air; NULL \
                for an empty room and where the inside is not above the outside. Method \
                `exposure/wells-riley@1`.",
        example: (
            "round(wells_riley_co2(1, 10, 1, 1000, 400, 50), 10)",
            "0.0031529138",
        ),
    },
];

fn contact_exposure(row: &Row<'_>) -> Result<Output, Fault> {
    let density = PersonsPerSquareMetre::try_new(row.float(1)).map_err(Fault::from_error)?;
    let density_max = PersonsPerSquareMetre::try_new(row.float(3)).map_err(Fault::from_error)?;
    let contacts = Contacts::try_new(row.float(2), density_max).map_err(Fault::from_error)?;
    // Persons present are arrivals an hour who each stay one hour.
    contacts
        .of_infectious(row.float(0), 1.0, density)
        .map(Output::Float)
        .map_err(Fault::from_error)
}

fn wells_riley(row: &Row<'_>) -> Result<Output, Fault> {
    let clean_air = row.float(4);
    // As much as a room of that volume whose air is changed once an hour.
    let air = CleanAir::try_new(clean_air, [1.0, 0.0, 0.0, 0.0]).map_err(|_| {
        Fault::new(format!(
            "clean_air_m3h {clean_air} is not between 1e-12 and 1e12"
        ))
    })?;
    let (breathing, shared) = (breathing(row)?, shared(row, 3)?);
    Ok(maybe(infection_steady(breathing, shared, Some(air))))
}

fn wells_riley_from_clean(row: &Row<'_>) -> Result<Output, Fault> {
    let air = CleanAir::try_new(row.float(4), [row.float(5), 0.0, 0.0, 0.0])
        .map_err(Fault::from_error)?;
    let (breathing, shared) = (breathing(row)?, shared(row, 3)?);
    Ok(maybe(infection_from_clean(breathing, shared, Some(air))))
}

fn wells_riley_co2(row: &Row<'_>) -> Result<Output, Fault> {
    // The share of rebreathed air stands for what is inhaled, whatever its volume.
    let breathing = Breathing::try_new(row.float(1), 0.0).map_err(Fault::from_error)?;
    let co2 = Co2 {
        inside_ppm: row.float(3),
        outside_ppm: row.float(4),
    };
    let persons = count(row, 5, "persons")?;
    infection_co2(breathing, shared(row, 2)?, co2, persons)
        .map(maybe)
        .map_err(Fault::from_error)
}

fn breathing(row: &Row<'_>) -> Result<Breathing, Fault> {
    Breathing::try_new(row.float(1), row.float(2)).map_err(Fault::from_error)
}

/// The infectious, and the hours at `idx`.
fn shared(row: &Row<'_>, idx: usize) -> Result<SharedTime, Fault> {
    SharedTime::try_new(row.float(0), row.float(idx)).map_err(Fault::from_error)
}

fn maybe(value: Option<f64>) -> Output {
    value.map_or(Output::Null, Output::Float)
}
