//! The rules. Square feet stand as published; the tests hold their square metres to the printed
//! digits.

use super::{AreaRule, Evidence, Purpose, Space};
use crate::area::AreaKind;

/// What a venue's capacity in an epidemic is by unless its register says otherwise.
pub const BEIJING_2020: AreaRule = distancing(
    "beijing_2020",
    Space::SquareMetres(2.0),
    "Beijing Municipal Commerce Bureau, supermarkets, February 2020: at least 2 m² a person",
    Evidence::Read,
);

/// The strict profile.
pub const SQUARE_OF_2_M: AreaRule = distancing(
    "square_2_m",
    Space::SquareMetres(4.0),
    "a square of 2 m",
    Evidence::Geometry,
);

const IBC: &str = "International Building Code, table 1004.5";
const MICHIGAN: &str = "Michigan R 408.30418, after International Building Code, table 1004.5";

/// Every rule, those of distancing first.
pub const AREA_RULES: [AreaRule; 19] = [
    BEIJING_2020,
    SQUARE_OF_2_M,
    distancing(
        "square_1_5_m",
        Space::SquareMetres(2.25),
        "a square of 1.5 m",
        Evidence::Geometry,
    ),
    distancing(
        "hexagon_1_m",
        Space::HexagonalMetres(1.0),
        "closest packing at 1 m",
        Evidence::Geometry,
    ),
    distancing(
        "hexagon_1_5_m",
        Space::HexagonalMetres(1.5),
        "closest packing at 1.5 m",
        Evidence::Geometry,
    ),
    distancing(
        "hexagon_2_m",
        Space::HexagonalMetres(2.0),
        "closest packing at 2 m",
        Evidence::Geometry,
    ),
    distancing(
        "poland_2020_fair",
        Space::SquareMetres(4.0),
        "Poland 2020, fairs in yellow zones",
        Evidence::Read,
    ),
    distancing(
        "poland_2020_gym",
        Space::SquareMetres(7.0),
        "Poland 2020, gyms in yellow zones",
        Evidence::Read,
    ),
    distancing(
        "portugal_2022_shop",
        Space::SquareMetres(5.0),
        "Portugal 2022, shops",
        Evidence::Read,
    ),
    distancing(
        "australia_2020",
        Space::SquareMetres(4.0),
        "Australia 2020, 4 m² a person",
        Evidence::Unread,
    ),
    egress(
        "ibc_standing",
        5.0,
        AreaKind::NetUsable,
        (IBC, Evidence::Read),
    ),
    egress(
        "ibc_chairs",
        7.0,
        AreaKind::NetUsable,
        (IBC, Evidence::Read),
    ),
    egress(
        "ibc_tables",
        15.0,
        AreaKind::NetUsable,
        (IBC, Evidence::Read),
    ),
    egress(
        "ibc_mercantile",
        60.0,
        AreaKind::Gross,
        (IBC, Evidence::Read),
    ),
    egress(
        "ibc_mercantile_before_2015",
        30.0,
        AreaKind::Gross,
        (
            "International Building Code before 2015, mercantile, grade floor and basement",
            Evidence::Read,
        ),
    ),
    egress(
        "ibc_airport_waiting",
        15.0,
        AreaKind::Gross,
        (MICHIGAN, Evidence::Read),
    ),
    egress(
        "ibc_airport_baggage",
        20.0,
        AreaKind::Gross,
        (MICHIGAN, Evidence::Read),
    ),
    egress(
        "ibc_airport_concourse",
        100.0,
        AreaKind::Gross,
        (IBC, Evidence::Unread),
    ),
    egress("ibc_storage", 300.0, AreaKind::Gross, (IBC, Evidence::Read)),
];

const fn distancing(
    word: &'static str,
    space: Space,
    source: &'static str,
    evidence: Evidence,
) -> AreaRule {
    AreaRule {
        word,
        space,
        area: None,
        purpose: Purpose::Distancing,
        source,
        evidence,
    }
}

const fn egress(
    word: &'static str,
    square_feet: f64,
    area: AreaKind,
    (source, evidence): (&'static str, Evidence),
) -> AreaRule {
    AreaRule {
        word,
        space: Space::SquareFeet(square_feet),
        area: Some(area),
        purpose: Purpose::Egress,
        source,
        evidence,
    }
}
