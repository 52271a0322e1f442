//! Tries to break footprints with areas that are known otherwise: a square on a cell's side, whole
//! cells, points that are counted, polygons in parts and with holes, the antimeridian and the
//! poles, and polygons of any shape.

use std::collections::BTreeMap;
use std::f64::consts::TAU;

use proptest::prelude::*;

use super::*;

const NINE: Resolution = Resolution::Nine;

/// Corners, longitude first; the first is not repeated.
fn ring(corners: &[(f64, f64)]) -> LineString {
    Polygon::new(LineString::from(corners.to_vec()), Vec::new())
        .exterior()
        .clone()
}

fn polygon(corners: &[(f64, f64)]) -> MultiPolygon {
    MultiPolygon::new(vec![Polygon::new(ring(corners), Vec::new())])
}

fn rectangle((west, east): (f64, f64), (south, north): (f64, f64)) -> MultiPolygon {
    polygon(&[(west, south), (east, south), (east, north), (west, north)])
}

fn together(parts: impl IntoIterator<Item = MultiPolygon>) -> MultiPolygon {
    MultiPolygon::new(parts.into_iter().flatten().collect())
}

/// The shares by cell, after what every footprint promises.
fn shares_of(shape: MultiPolygon) -> BTreeMap<Cell, f64> {
    let footprint = Footprint::try_new(shape, NINE).unwrap();
    let cells = &footprint.cells;
    assert!(
        cells.is_sorted_by(|a, b| a.cell < b.cell),
        "twice or unsorted"
    );
    assert!(cells.iter().all(|c| c.share > 0.0 && c.share <= 1.0));
    let sum: f64 = cells.iter().map(|c| c.share).sum();
    assert!((sum - 1.0).abs() < 1e-12, "{sum}");
    cells.iter().map(|c| (c.cell, c.share)).collect()
}

fn check(shape: MultiPolygon, expected: &BTreeMap<Cell, f64>, tolerance: f64) {
    let shares = shares_of(shape);
    assert!(shares.keys().eq(expected.keys()), "{shares:?} {expected:?}");
    for (cell, share) in &shares {
        let expected = expected[cell];
        assert!(
            (share - expected).abs() <= tolerance,
            "{cell}: {share} is not {expected}"
        );
    }
}

fn cell_at(lat: f64, lng: f64) -> Cell {
    Cell::at(lat, lng, NINE).unwrap()
}

#[test]
fn a_square_on_a_side_is_half_in_each_cell() {
    for (lat, lng) in [(30.58, 114.3), (0.1, -78.5), (-54.8, -68.3), (78.2, 15.6)] {
        let cell = cell_at(lat, lng).h3();
        let boundary = cell.boundary();
        let [from, to] = [boundary[0], boundary[1]].map(|at| (at.lng(), at.lat()));
        let middle = (f64::midpoint(from.0, to.0), f64::midpoint(from.1, to.1));
        // A tenth of the side, and the same to its left, on a map that is true here.
        let narrow = lat.to_radians().cos();
        let along = ((to.0 - from.0) * 0.1, (to.1 - from.1) * 0.1);
        let left = (-along.1 / narrow, along.0 * narrow);
        let corners = [(1.0, 1.0), (-1.0, 1.0), (-1.0, -1.0), (1.0, -1.0)].map(|(a, b)| {
            let x = middle.0 + a * along.0 + b * left.0;
            (x, middle.1 + a * along.1 + b * left.1)
        });
        let shares = shares_of(polygon(&corners));
        assert_eq!(shares.len(), 2, "{shares:?}");
        assert!(shares.contains_key(&Cell::from(cell)));
        for share in shares.values() {
            assert!((share - 0.5).abs() < 1e-4, "{share} at {lat}");
        }
    }
}

#[test]
fn one_cell_has_all_of_it() {
    let cell = cell_at(30.58, 114.3);
    let at = h3o::LatLng::from(cell.h3());
    let around = |half: f64| {
        let (lng, lat) = (at.lng(), at.lat());
        rectangle((lng - half, lng + half), (lat - half, lat + half))
    };
    for half in [3e-4, 1e-6, 1e-9] {
        check(around(half), &BTreeMap::from([(cell, 1.0)]), 0.0);
    }
}

/// On the sphere the area of a rectangle of degrees is known, and so is a cell's.
#[test]
fn whole_cells_have_their_areas() {
    for south in [0.0, 30.58, -66.0] {
        let (west, size) = (114.3, 0.03_f64);
        let sin = |lat: f64| lat.to_radians().sin();
        let area = size.to_radians() * (sin(south + size) - sin(south));
        let shares = shares_of(rectangle((west, west + size), (south, south + size)));
        let inside = |at: &h3o::LatLng| {
            (west..west + size).contains(&at.lng()) && (south..south + size).contains(&at.lat())
        };
        let whole = |cell: &Cell| cell.h3().boundary().iter().all(inside);
        let mut n_whole = 0;
        for (cell, share) in shares.iter().filter(|(cell, _)| whole(cell)) {
            n_whole += 1;
            let expected = cell.h3().area_rads2() / area;
            assert!(
                (share / expected - 1.0).abs() < 1e-5,
                "{share} is not {expected} at {south}"
            );
        }
        assert!(n_whole > 20, "{n_whole}");
    }
}

/// A grid of points, each of which h3o places, is as much in each cell as the polygon.
#[test]
fn shares_are_those_of_points() {
    const SIDE: u32 = 300;
    let (west, south, size) = (114.3, 30.58, 0.004);
    let mut counted = BTreeMap::new();
    let step = |n: u32| size * (f64::from(n) + 0.5) / f64::from(SIDE);
    for n in 0..SIDE * SIDE {
        let cell = cell_at(south + step(n / SIDE), west + step(n % SIDE));
        *counted.entry(cell).or_default() += 1.0 / f64::from(SIDE * SIDE);
    }
    let shape = rectangle((west, west + size), (south, south + size));
    check(shape, &counted, 1e-3);
}

#[test]
fn parts_and_holes_count_by_their_area() {
    let square = |lng: f64, half: f64| {
        let lat = 30.58;
        rectangle((lng - half, lng + half), (lat - half, lat + half))
    };
    let centre = |lng: f64| h3o::LatLng::from(cell_at(30.58, lng).h3()).lng();
    let (one, other) = (centre(114.3), centre(114.35));
    let expected =
        |a: f64, b: f64| BTreeMap::from([(cell_at(30.58, one), a), (cell_at(30.58, other), b)]);
    check(
        together([square(one, 1e-4), square(other, 1e-4)]),
        &expected(0.5, 0.5),
        1e-6,
    );
    check(
        together([square(one, 2e-4), square(other, 1e-4)]),
        &expected(0.8, 0.2),
        1e-6,
    );
    // A hole of a quarter leaves three quarters, against a quarter.
    let mut holed = square(one, 2e-4);
    let hole = square(one, 1e-4).0[0].exterior().clone();
    holed.0[0].interiors_push(hole);
    check(
        together([holed, square(other, 1e-4)]),
        &expected(0.75, 0.25),
        1e-6,
    );
}

#[test]
fn the_antimeridian_cuts_nothing() {
    // Sides of cells are straight about another centre in each part.
    const SIDES: f64 = 5e-6;
    let lats = (-17.0, -16.998);
    let west = || rectangle((179.997, 180.0), lats);
    let east = || rectangle((-180.0, -179.999), lats);
    let mut expected = BTreeMap::new();
    for (part, weight) in [(west(), 0.75), (east(), 0.25)] {
        for (cell, share) in shares_of(part) {
            *expected.entry(cell).or_default() += share * weight;
        }
    }
    check(together([west(), east()]), &expected, SIDES);
    check(together([east(), west()]), &expected, SIDES);
    let footprint = Footprint::try_new(together([west(), east()]), NINE).unwrap();
    let (lat, lng) = footprint.centroid;
    assert!((lat - -16.999).abs() < 1e-9 && (lng - 179.999).abs() < 1e-9);
    assert!(expected.contains_key(&footprint.cell));
    // Not as RFC 7946 has it, and what is meant is clear.
    let uncut = || rectangle((179.997, -179.999), lats);
    check(uncut(), &expected, SIDES);
}

#[test]
fn poles_have_a_defined_result() {
    for (from, to) in [(89.99, 90.0), (-90.0, -89.99)] {
        for (west, east) in [(0.0, 90.0), (-180.0, -90.0), (10.0, 170.0)] {
            let shares = shares_of(rectangle((west, east), (from, to)));
            assert!(shares.len() > 5, "{shares:?}");
        }
        let cap = Footprint::try_new(rectangle((-180.0, 180.0), (from, to)), NINE);
        assert!(cap.unwrap_err().contains("has no area"));
    }
    // A quarter of a cap holds a quarter of the pole's cell, or what of it lies there.
    let quarters = [-180.0, -90.0, 0.0, 90.0].map(|west| {
        let shares = shares_of(rectangle((west, west + 90.0), (89.99, 90.0)));
        shares.get(&cell_at(90.0, 0.0)).copied().unwrap_or_default()
    });
    let sin = |lat: f64| lat.to_radians().sin();
    let quarter = TAU / 4.0 * (1.0 - sin(89.99));
    let expected = cell_at(90.0, 0.0).h3().area_rads2() / quarter;
    let sum: f64 = quarters.iter().sum();
    assert!((sum / expected - 1.0).abs() < 1e-3, "{sum} {expected}");
}

#[test]
fn what_is_no_place_is_refused() {
    let check = |shape: MultiPolygon, part: &str| {
        let error = Footprint::try_new(shape, NINE).unwrap_err();
        assert!(error.contains(part), "{error:?} lacks {part:?}");
    };
    check(
        rectangle((180.0, 181.0), (10.0, 10.001)),
        "outside the world",
    );
    check(rectangle((10.0, 10.001), (89.0, 91.0)), "outside the world");
    let bow_tie = [(0.0, 0.0), (0.001, 0.001), (0.001, 0.0), (0.0, 0.001)];
    check(polygon(&bow_tie), "not a valid polygon");
    check(
        rectangle((114.0, 115.0), (30.0, 31.0)),
        "more than 20000 cells",
    );
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]

    /// Shares add up to 1 wherever a polygon is, whichever corner comes first.
    #[test]
    fn shares_add_up(
        lat in -89.5..89.5_f64, lng in -179.0..179.0_f64,
        radii in prop::collection::vec(1e-5..5e-3_f64, 3..30),
    ) {
        let n = radii.len();
        let corner = |(idx, radius): (usize, f64)| {
            #[expect(clippy::cast_precision_loss, reason = "below 30")]
            let (sin, cos) = (TAU * idx as f64 / n as f64).sin_cos();
            (lng + radius * cos / lat.to_radians().cos(), lat + radius * sin)
        };
        let corners: Vec<_> = radii.into_iter().enumerate().map(corner).collect();
        let shape = polygon(&corners);
        prop_assume!(shape.check_validation().is_ok());
        let shares = shares_of(shape.clone());
        let mut turned = corners;
        turned.rotate_left(1);
        check(polygon(&turned), &shares, 1e-6);
    }
}
