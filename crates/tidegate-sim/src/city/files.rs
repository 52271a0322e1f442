//! The city as the reference files of a pipeline folder.
//!
//! Field order comes from the structs below and numbers from the shortest form that reads back,
//! so the bytes depend on nothing but the city.

use super::City;

const FAILS_NEVER: &str = "strings, whole numbers and finite coordinates always serialize";

#[derive(serde::Serialize)]
struct Feature<P, G> {
    r#type: &'static str,
    properties: P,
    geometry: Option<G>,
}

#[derive(serde::Serialize)]
struct Geometry<C> {
    r#type: &'static str,
    coordinates: C,
}

#[derive(serde::Serialize)]
struct VenueProperties<'a> {
    id: &'a str,
    kind: &'static str,
    name_zh: &'a str,
    name_en: &'a str,
    usable_area_m2: u32,
    capacity: u32,
    capacity_basis: &'static str,
    grid_unit: &'a str,
}

#[derive(serde::Serialize)]
struct SiteProperties<'a> {
    id: &'a str,
    kind: &'static str,
    name: &'a str,
    venue_id: Option<&'a str>,
    cordon: bool,
}

#[derive(serde::Serialize)]
struct GridProperties<'a> {
    id: &'a str,
    parent: Option<&'a str>,
    level: &'a str,
    name_zh: &'a str,
    name_en: &'a str,
    duty: Option<&'a str>,
}

pub(super) fn reference_files(city: &City) -> Vec<(String, String)> {
    [
        ("venues.geojson", venues(city)),
        ("sites.geojson", sites(city)),
        ("grid_units.geojson", grid_units(city)),
        ("incidence.csv", incidence(city)),
    ]
    .map(|(name, content)| (name.to_owned(), content))
    .to_vec()
}

fn venues(city: &City) -> String {
    collection(city.venues.iter().map(|venue| Feature {
        r#type: "Feature",
        properties: VenueProperties {
            id: &venue.id,
            kind: venue.kind.as_str(),
            name_zh: &venue.name_zh,
            name_en: &venue.name_en,
            usable_area_m2: venue.usable_area_m2,
            capacity: venue.capacity,
            capacity_basis: venue.capacity_basis.as_str(),
            grid_unit: &venue.grid_unit,
        },
        geometry: Some(polygon(&venue.ring)),
    }))
}

fn sites(city: &City) -> String {
    collection(city.sites.iter().map(|site| Feature {
        r#type: "Feature",
        properties: SiteProperties {
            id: &site.id,
            kind: site.kind.as_str(),
            name: &site.name,
            venue_id: site.venue_id.as_deref(),
            cordon: site.cordon,
        },
        geometry: site.point.map(|coordinates| Geometry {
            r#type: "Point",
            coordinates,
        }),
    }))
}

fn grid_units(city: &City) -> String {
    collection(city.grid_units.iter().map(|area| Feature {
        r#type: "Feature",
        properties: GridProperties {
            id: &area.unit.id,
            parent: area.unit.parent.as_deref(),
            level: &area.unit.level,
            name_zh: &area.unit.name_zh,
            name_en: &area.unit.name_en,
            duty: area.unit.duty.as_deref(),
        },
        geometry: Some(polygon(&area.ring)),
    }))
}

fn incidence(city: &City) -> String {
    let header = "origin,cases_7d,population,ascertainment_low,ascertainment_mid,\
                  ascertainment_high,infectious_days,as_of\n";
    let rows = city.origins.iter().map(|o| {
        let [low, mid, high] = o.ascertainment;
        format!(
            "{},{},{},{low},{mid},{high},{},{}\n",
            o.origin, o.cases_7d, o.population, o.infectious_days, o.as_of
        )
    });
    std::iter::once(header.to_owned()).chain(rows).collect()
}

fn polygon(ring: &[[f64; 2]]) -> Geometry<[&[[f64; 2]]; 1]> {
    Geometry {
        r#type: "Polygon",
        coordinates: [ring],
    }
}

/// A feature collection with one feature a line, so that a change reads well as a diff.
fn collection<F: serde::Serialize>(features: impl Iterator<Item = F>) -> String {
    let lines: Vec<String> = features
        .map(|feature| serde_json::to_string(&feature).expect(FAILS_NEVER))
        .collect();
    format!(
        "{{\"type\":\"FeatureCollection\",\"features\":[\n{}\n]}}\n",
        lines.join(",\n")
    )
}
