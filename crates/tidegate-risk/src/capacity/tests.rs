//! Tries to break the division: published capacities, spaces from feet on the boundary, no space.

use super::*;
use proptest::prelude::*;

fn metres(value: f64) -> SquareMetres {
    SquareMetres::try_new(value).unwrap()
}

/// Golden value D6: 800 m².
#[test]
fn published_capacities() {
    for (space, expected) in [(4.0, 200), (2.25, 355), (2.0, 400)] {
        let got = capacity(metres(800.0), Space::SquareMetres(space));
        assert_eq!(got, Ok(expected), "{space}");
    }
}

/// The digits that the domain notes print, sections 1.3 and 1.4.
#[test]
fn spaces_in_square_metres() {
    for (word, expected) in [
        ("beijing_2020", 2.0),
        ("square_2_m", 4.0),
        ("square_1_5_m", 2.25),
        ("hexagon_1_m", 0.866),
        ("hexagon_1_5_m", 1.949),
        ("hexagon_2_m", 3.464),
        ("poland_2020_fair", 4.0),
        ("poland_2020_gym", 7.0),
        ("portugal_2022_shop", 5.0),
        ("australia_2020", 4.0),
        ("ibc_standing", 0.465),
        ("ibc_chairs", 0.650),
        ("ibc_tables", 1.394),
        ("ibc_mercantile", 5.574),
        ("ibc_mercantile_before_2015", 2.787),
        ("ibc_airport_waiting", 1.394),
        ("ibc_airport_baggage", 1.858),
        ("ibc_airport_concourse", 9.290),
        ("ibc_storage", 27.871),
    ] {
        let space = AreaRule::from_word(word).unwrap().space.square_metres();
        assert!((space - expected).abs() < 5.001e-4, "{word}: {space}");
    }
    let words: std::collections::BTreeSet<_> = AREA_RULES.iter().map(|rule| rule.word).collect();
    assert_eq!(words.len(), AREA_RULES.len());
    assert!(AREA_RULES.iter().all(|rule| !rule.source.is_empty()));
    assert_eq!(AreaRule::from_word("nothing"), None);
}

#[test]
fn a_rule_of_gross_area_is_for_gross_area() {
    let venue = |kind| VenueArea {
        area: metres(557.418_24),
        kind,
    };
    let mercantile = AreaRule::from_word("ibc_mercantile").unwrap();
    assert_eq!(mercantile.capacity(venue(AreaKind::Gross)), Ok(100));
    assert_eq!(
        mercantile.capacity(venue(AreaKind::NetUsable)),
        Err(CapacityError::Kind {
            rule: "ibc_mercantile",
            kind: AreaKind::NetUsable
        })
    );
    for kind in AreaKind::ALL {
        assert_eq!(BEIJING_2020.capacity(venue(kind)), Ok(278));
    }
}

#[test]
fn bad_input_is_a_typed_error() {
    for bad in [0.0, f64::NAN, f64::INFINITY] {
        for space in [
            Space::SquareMetres(bad),
            Space::SquareFeet(bad),
            Space::HexagonalMetres(bad),
        ] {
            let got = capacity(metres(800.0), space);
            assert!(matches!(got, Err(CapacityError::Space(_))), "{space:?}");
        }
    }
    let got = capacity(metres(f64::MAX), Space::SquareMetres(1e-300));
    assert!(matches!(got, Err(CapacityError::TooMany(_))));
    assert_eq!(capacity(metres(1.9), Space::SquareMetres(2.0)), Ok(0));
}

proptest! {
    /// As many spaces as there are fit, whatever unit they were in; one less area, one less person.
    #[test]
    fn whole_spaces_fit(persons in 1..1_000_000_u32, feet in 1.0..400.0_f64) {
        let space = Space::SquareFeet(feet);
        let area = f64::from(persons) * space.square_metres();
        prop_assert_eq!(capacity(metres(area), space), Ok(u64::from(persons)));
        let less = metres(area - space.square_metres() * 1e-3);
        prop_assert_eq!(capacity(less, space), Ok(u64::from(persons) - 1));
    }
}
