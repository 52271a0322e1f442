//! Leading indicators from the counts of one window.

use tidegate_risk::indicators::{self, Flow, TimeToThreshold};

use crate::h3_functions::kernel::{
    Definition, Domain, Fault, Kind, Output, Parameter, Returns, Row,
};

use super::parameter;

const ARRIVALS: Parameter = parameter("arrivals", Kind::Integer, "persons who came, 0 or more");
const DEPARTURES: Parameter = parameter("departures", Kind::Integer, "persons who left, 0 or more");
const MINUTES: Parameter = parameter(
    "window_minutes",
    Kind::Float,
    "minutes in which they were counted, above 0",
);
const TO_THRESHOLD: &[Parameter] = &[
    parameter("persons", Kind::Float, "persons inside, 0 or more"),
    parameter("threshold", Kind::Float, "persons to reach, 0 or more"),
    ARRIVALS,
    DEPARTURES,
    MINUTES,
];

pub(super) const DEFINITIONS: &[Definition] = &[
    Definition {
        name: "flow_imbalance",
        parameters: &[ARRIVALS, DEPARTURES],
        returns: Returns::Float,
        domain: Domain::Partial,
        kernel: flow_imbalance,
        about: "Which way the people go, `(A - D) / (A + D)`: from -1, all leave, to 1, all \
                come; NULL when nobody passed. Method `indicator/imbalance@1`.",
        example: ("round(flow_imbalance(480, 360), 6)", "0.142857"),
    },
    Definition {
        name: "flow_skellam_z",
        parameters: &[ARRIVALS, DEPARTURES],
        returns: Returns::Float,
        domain: Domain::Partial,
        kernel: flow_skellam_z,
        about: "How far the difference of two counts is from chance, in standard deviations: \
                `(A - D) / sqrt(A + D)`; NULL when nobody passed. Method \
                `indicator/skellam-z@1`.",
        example: ("round(flow_skellam_z(480, 360), 6)", "4.140393"),
    },
    Definition {
        name: "minutes_to_threshold",
        parameters: TO_THRESHOLD,
        returns: Returns::Float,
        domain: Domain::Partial,
        kernel: minutes_to_threshold,
        about: "The minutes until `persons` have become `threshold` if the flow of the window \
                goes on: 0 when they have, NULL when no more come than leave. Method \
                `indicator/time-to-threshold@1`.",
        example: ("minutes_to_threshold(700, 1000, 480, 360, 15)", "37.5"),
    },
    Definition {
        name: "minutes_to_threshold_lo",
        parameters: TO_THRESHOLD,
        returns: Returns::Float,
        domain: Domain::Partial,
        kernel: minutes_to_threshold_lo,
        about: "The earliest end of the 95 % interval of `minutes_to_threshold`: at the upper \
                end of the net flow; NULL when even there no more come than leave. Method \
                `indicator/time-to-threshold@1`.",
        example: (
            "round(minutes_to_threshold_lo(700, 1000, 480, 360, 15), 4)",
            "25.4517",
        ),
    },
    Definition {
        name: "minutes_to_threshold_hi",
        parameters: TO_THRESHOLD,
        returns: Returns::Float,
        domain: Domain::Partial,
        kernel: minutes_to_threshold_hi,
        about: "The latest end of the 95 % interval of `minutes_to_threshold`: at the lower \
                end of the net flow; NULL when it might never be. Method \
                `indicator/time-to-threshold@1`.",
        example: (
            "round(minutes_to_threshold_hi(700, 1000, 480, 360, 15), 4)",
            "71.2083",
        ),
    },
    Definition {
        name: "door_load",
        parameters: &[
            parameter(
                "persons",
                Kind::Integer,
                "persons through it either way, 0 or more",
            ),
            MINUTES,
            parameter("width_m", Kind::Float, "clear width in metres, above 0"),
        ],
        returns: Returns::Float,
        domain: Domain::Partial,
        kernel: door_load,
        about: "Volume over capacity of a level door, persons per minute over 82 a metre: 1 is \
                full. Method `indicator/door-load@1`.",
        example: ("door_load(2460, 15, 2)", "1.0"),
    },
];

fn flow_imbalance(row: &Row<'_>) -> Result<Output, Fault> {
    Ok(maybe(indicators::imbalance(flow(row, 0, 1.0)?)))
}

fn flow_skellam_z(row: &Row<'_>) -> Result<Output, Fault> {
    Ok(maybe(indicators::skellam_z(flow(row, 0, 1.0)?)))
}

fn minutes_to_threshold(row: &Row<'_>) -> Result<Output, Fault> {
    Ok(maybe(time_to_threshold(row)?.value))
}

fn minutes_to_threshold_lo(row: &Row<'_>) -> Result<Output, Fault> {
    Ok(maybe(time_to_threshold(row)?.earliest))
}

fn minutes_to_threshold_hi(row: &Row<'_>) -> Result<Output, Fault> {
    Ok(maybe(time_to_threshold(row)?.latest))
}

fn time_to_threshold(row: &Row<'_>) -> Result<TimeToThreshold, Fault> {
    let flow = flow(row, 2, row.float(4))?;
    indicators::time_to_threshold(row.float(0), row.float(1), flow).map_err(Fault::from_error)
}

fn door_load(row: &Row<'_>) -> Result<Output, Fault> {
    let persons = signed(row, 0, "persons")?;
    // A door has no direction.
    let flow = Flow::try_new(persons, 0, row.float(1)).map_err(Fault::from_error)?;
    let load = indicators::door_load(flow, row.float(2)).map_err(Fault::from_error)?;
    Ok(maybe(load))
}

/// The arrivals at `idx` and the departures after them.
fn flow(row: &Row<'_>, idx: usize, minutes: f64) -> Result<Flow, Fault> {
    let arrivals = signed(row, idx, "arrivals")?;
    let departures = signed(row, idx + 1, "departures")?;
    Flow::try_new(arrivals, departures, minutes).map_err(Fault::from_error)
}

fn signed(row: &Row<'_>, idx: usize, name: &str) -> Result<i64, Fault> {
    let value = row.integer(idx);
    i64::try_from(value).map_err(|_| Fault::new(format!("{name} {value} is too large")))
}

fn maybe(value: Option<f64>) -> Output {
    value.map_or(Output::Null, Output::Float)
}
