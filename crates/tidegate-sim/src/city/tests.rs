//! Tries to find a city that a pipeline would refuse: outlines that are open, crossed or smaller
//! than their usable area, gates away from their venue, ids that lead nowhere.

use std::collections::BTreeSet;

use geo::{
    Area as _, Contains as _, Distance as _, Euclidean, Intersects as _, LineString, Point,
    Polygon, Validation as _,
};
use tidegate_model::{ORIGIN_UNKNOWN, SiteKind, VenueKind};

use super::*;

/// A ring in metres around 30.58 N, 114.30 E.
fn metres(ring: &[[f64; 2]]) -> Polygon {
    let points = ring.iter().map(|&point| metres_of(point));
    Polygon::new(points.collect::<LineString>(), Vec::new())
}

fn metres_of([lng, lat]: [f64; 2]) -> Point {
    Point::new((lng - 114.3) * 95_730.0, (lat - 30.58) * 111_195.0)
}

fn rings(city: &City) -> impl Iterator<Item = (&str, &[[f64; 2]])> {
    let venues = city.venues().iter().map(|v| (v.id.as_str(), &v.ring[..]));
    let units = city
        .grid_units()
        .iter()
        .map(|g| (g.unit.id.as_str(), &g.ring[..]));
    venues.chain(units)
}

#[test]
fn outlines_are_closed_simple_and_counter_clockwise() {
    for (id, ring) in rings(&City::standard()) {
        assert!(ring.len() >= 5, "{id}");
        assert_eq!(ring.first(), ring.last(), "{id}");
        let polygon = metres(ring);
        assert!(polygon.is_valid(), "{id}");
        assert!(polygon.signed_area() > 0.0, "{id}");
    }
}

#[test]
fn usable_area_is_less_than_the_outline() {
    for venue in City::standard().venues() {
        let area = metres(&venue.ring).unsigned_area();
        let usable = f64::from(venue.usable_area_m2);
        assert!(usable < 0.8 * area && usable > 0.4 * area, "{}", venue.id);
        assert!(venue.capacity >= 240, "{}", venue.id);
    }
}

#[test]
fn venues_do_not_overlap() {
    let city = City::standard();
    for (nth, a) in city.venues().iter().enumerate() {
        for b in &city.venues()[nth + 1..] {
            let apart = !metres(&a.ring).intersects(&metres(&b.ring));
            assert!(apart, "{} {}", a.id, b.id);
        }
    }
}

#[test]
fn sites_of_a_venue_stand_at_it() {
    let city = City::standard();
    for site in city.sites() {
        let Some(id) = &site.venue_id else { continue };
        let venue = city.venues().iter().find(|v| v.id == *id).unwrap();
        let point = metres_of(site.point.unwrap());
        let away = Euclidean.distance(&point, &metres(&venue.ring));
        assert!(away < 1.0, "{} is {away} m from {id}", site.id);
    }
}

#[test]
fn ids_are_unique_and_lead_somewhere() {
    let city = City::standard();
    let unique = |ids: Vec<&str>| {
        let set: BTreeSet<_> = ids.iter().copied().collect();
        assert_eq!(set.len(), ids.len());
        set.into_iter().map(str::to_owned).collect::<BTreeSet<_>>()
    };
    let venues = unique(city.venues().iter().map(|v| v.id.as_str()).collect());
    let sites = unique(city.sites().iter().map(|s| s.id.as_str()).collect());
    let units = unique(
        city.grid_units()
            .iter()
            .map(|g| g.unit.id.as_str())
            .collect(),
    );
    let origins = unique(city.origins().iter().map(|o| o.origin.as_str()).collect());
    assert!(city.venues().iter().all(|v| units.contains(&v.grid_unit)));
    let of_sites = city.sites().iter().filter_map(|s| s.venue_id.as_ref());
    assert!(of_sites.clone().all(|id| venues.contains(id)));
    assert_eq!(
        of_sites.collect::<BTreeSet<_>>().len(),
        venues.len(),
        "a gate each"
    );
    let mut above = city
        .grid_units()
        .iter()
        .filter_map(|g| g.unit.parent.as_ref());
    assert!(above.all(|id| units.contains(id)));
    let mut stops = city.lines().iter().flat_map(|line| &line.stops);
    assert!(stops.all(|id| sites.contains(id)));
    assert!(origins.contains(ORIGIN_UNKNOWN));
}

#[test]
fn names_are_unique() {
    let city = City::standard();
    let zh: BTreeSet<_> = city.venues().iter().map(|v| &v.name_zh).collect();
    let en: BTreeSet<_> = city.venues().iter().map(|v| &v.name_en).collect();
    assert_eq!(
        (zh.len(), en.len()),
        (city.venues().len(), city.venues().len())
    );
}

#[test]
fn the_city_is_as_large_as_promised() {
    let city = City::standard();
    let venues = |kind| city.venues().iter().filter(|v| v.kind == kind).count();
    let sites = |kind| city.sites().iter().filter(|s| s.kind == kind).count();
    assert_eq!(venues(VenueKind::Station), 12);
    assert!(city.venues().len() - venues(VenueKind::Station) >= 40);
    assert!(venues(VenueKind::Office) >= 8);
    assert_eq!(venues(VenueKind::Quarantine), 2);
    assert_eq!(sites(SiteKind::Checkpoint), 20);
    assert_eq!(sites(SiteKind::Rail), 2);
    assert_eq!(city.origins().len(), 13);
    assert_eq!(city.grid_units().len(), 1 + 3 + 12 + 48);
    let cordon = city.sites().iter().filter(|s| s.cordon).map(|s| s.kind);
    assert_eq!(
        cordon
            .filter(|k| matches!(k, SiteKind::Rail | SiteKind::Checkpoint))
            .count(),
        22
    );
    assert_eq!(city.sites().iter().filter(|s| s.point.is_none()).count(), 1);
}

#[test]
fn children_lie_in_their_parents_and_venues_in_their_grid() {
    let city = City::standard();
    let ring = |id: &str| {
        let mut units = city.grid_units().iter();
        metres(&units.find(|g| g.unit.id == id).unwrap().ring)
    };
    for area in city.grid_units() {
        let Some(parent) = &area.unit.parent else {
            continue;
        };
        let inside = metres(&area.ring).unsigned_area();
        let outside = ring(parent).unsigned_area();
        assert!(inside < outside * 0.6, "{}", area.unit.id);
        let centre = geo::Centroid::centroid(&metres(&area.ring)).unwrap();
        assert!(ring(parent).contains(&centre), "{}", area.unit.id);
    }
    for venue in city.venues() {
        let centre = geo::Centroid::centroid(&metres(&venue.ring)).unwrap();
        assert!(ring(&venue.grid_unit).contains(&centre), "{}", venue.id);
    }
    let edge = ring("lj");
    for site in city.sites() {
        let Some(point) = site.point else { continue };
        assert!(edge.contains(&metres_of(point)), "{}", site.id);
    }
}

#[test]
fn files_are_stable_and_have_the_properties_promised() {
    let files = City::standard().reference_files();
    assert_eq!(files, City::standard().reference_files());
    let names: Vec<&str> = files.iter().map(|(name, _)| name.as_str()).collect();
    assert_eq!(
        names,
        [
            "venues.geojson",
            "sites.geojson",
            "grid_units.geojson",
            "incidence.csv"
        ]
    );
    let check = |file: usize, geometry: &str, wanted: &[&str]| {
        let json: serde_json::Value = serde_json::from_str(&files[file].1).unwrap();
        assert_eq!(json["type"], "FeatureCollection");
        for feature in json["features"].as_array().unwrap() {
            let keys: BTreeSet<&str> = feature["properties"]
                .as_object()
                .unwrap()
                .keys()
                .map(String::as_str)
                .collect();
            assert_eq!(keys, wanted.iter().copied().collect());
            let shape = &feature["geometry"];
            assert!(shape.is_null() || shape["type"] == geometry);
        }
    };
    let venue = "id kind name_zh name_en usable_area_m2 capacity capacity_basis grid_unit";
    let words = |text: &'static str| text.split(' ').collect::<Vec<_>>();
    check(0, "Polygon", &words(venue));
    check(1, "Point", &words("id kind name venue_id cordon"));
    check(2, "Polygon", &words("id parent level name_zh name_en duty"));
    let header = "origin,cases_7d,population,ascertainment_low,ascertainment_mid,\
                  ascertainment_high,infectious_days,as_of";
    assert_eq!(files[3].1.lines().next(), Some(header));
    assert_eq!(files[3].1.lines().count(), 14);
}

#[test]
fn high_incidence_stands_out() {
    let city = City::standard();
    let of = |code: &str| {
        let mut origins = city.origins().iter();
        prevalence(origins.find(|o| o.origin == code).unwrap())
    };
    for quiet in [
        "R01", "R02", "R03", "R04", "R05", "R06", "R07", "R08", "R09",
    ] {
        assert!(of(quiet) < 1e-4, "{quiet} {}", of(quiet));
    }
    assert!(of("R12") > 0.005 && of("R10") > 0.001 && of("R11") > 0.0005);
}
