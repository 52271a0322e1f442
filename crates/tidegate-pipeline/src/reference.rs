//! Reference data: GeoJSON and CSV text to validated values.

mod footprint;
mod origins;
mod stay;

pub use origins::{EvidenceBasis, Origin};
pub(crate) use origins::{OriginFiles, read_origins, read_tiers};

use std::collections::{BTreeMap, BTreeSet};

use footprint::Footprint;
use geojson::{Feature, FeatureCollection, GeometryValue};
use tidegate_model::{
    CapacityBasis, Cell, GridUnit, ORIGIN_UNKNOWN, Resolution, Site, SiteKind, Venue, VenueKind,
};
use tidegate_risk::importation::{Held, TierRule};

use crate::{Problem, ReferenceConfig};
pub use stay::Stay;

/// All reference data of a pipeline, each ordered by id.
#[derive(Debug, Clone, Default)]
pub struct Reference {
    /// Counting points.
    pub sites: Vec<Site>,
    /// Venues.
    pub venues: Vec<Venue>,
    /// What the file says of the stays in venues, by their ids.
    pub stays: BTreeMap<String, Stay>,
    /// The responsibility tree.
    pub grid_units: Vec<GridUnit>,
    /// Where travellers come from, and what is known of infection there.
    pub origins: Vec<Origin>,
    /// What is done with travellers on entry, by the name of their origin's tier.
    pub tiers: BTreeMap<String, TierRule>,
    /// Public holidays by their local date.
    pub holidays: BTreeMap<jiff::civil::Date, String>,
}

impl Reference {
    /// The origins whose travellers are held in quarantine, and how, by name.
    pub(crate) fn held(&self) -> impl Iterator<Item = (&str, Held)> {
        self.origins.iter().filter_map(|origin| {
            let tier = self.tiers.get(origin.tier.as_deref()?)?;
            Some((origin.incidence.origin.as_str(), tier.held()?))
        })
    }

    /// Persons whom all venues for quarantine hold.
    pub(crate) fn quarantine_places(&self) -> u64 {
        let venues = self.venues.iter();
        let quarantine = venues.filter(|venue| venue.kind == VenueKind::Quarantine);
        quarantine.map(|venue| u64::from(venue.capacity)).sum()
    }

    /// Checks that what refers to something refers to something that is there. `files` are those
    /// that the rows were read from.
    pub(crate) fn check_links(&self, files: &ReferenceConfig, problems: &mut Vec<Problem>) {
        let venues: BTreeSet<&str> = self.venues.iter().map(|v| v.id.as_str()).collect();
        let units: BTreeSet<&str> = self.grid_units.iter().map(|u| u.id.as_str()).collect();
        for site in &self.sites {
            if let Some(venue) = site.venue_id.as_deref().filter(|id| !venues.contains(id)) {
                problems.push(Problem::new(
                    file(files.sites.as_ref()),
                    &format!("site {}", site.id),
                    format!("venue_id {venue:?} is not a venue"),
                ));
            }
        }
        for venue in &self.venues {
            if let Some(unit) = venue.grid_unit.as_deref().filter(|id| !units.contains(id)) {
                problems.push(Problem::new(
                    file(files.venues.as_ref()),
                    &format!("venue {}", venue.id),
                    format!("grid_unit {unit:?} is not a grid unit"),
                ));
            }
        }
        for unit in &self.grid_units {
            if let Some(parent) = unit.parent.as_deref().filter(|id| !units.contains(id)) {
                problems.push(Problem::new(
                    file(files.grid_units.as_ref()),
                    &format!("grid unit {}", unit.id),
                    format!("parent {parent:?} is not a grid unit"),
                ));
            }
        }
        self.check_tree(file(files.grid_units.as_ref()), problems);
        let is_unknown = |origin: &Origin| origin.incidence.origin == ORIGIN_UNKNOWN;
        if !self.origins.is_empty() && !self.origins.iter().any(is_unknown) {
            problems.push(Problem::new(
                file(files.incidence.as_ref()),
                "origin",
                "there is no row for `unknown`: travellers of unknown origin would count as no risk",
            ));
        }
    }
}

impl Reference {
    /// Checks that going up from any grid unit ends: the tree has no circle.
    fn check_tree(&self, file: &str, problems: &mut Vec<Problem>) {
        let parents: BTreeMap<&str, &str> = self
            .grid_units
            .iter()
            .filter_map(|unit| Some((unit.id.as_str(), unit.parent.as_deref()?)))
            .collect();
        for unit in &self.grid_units {
            let mut at = unit.id.as_str();
            let steps = std::iter::from_fn(|| {
                at = parents.get(at)?;
                Some(at)
            });
            if steps.take(parents.len() + 1).any(|above| above == unit.id) {
                problems.push(Problem::new(
                    file,
                    &format!("grid unit {}", unit.id),
                    "is above itself: its parents form a circle",
                ));
            }
        }
    }
}

/// The file that rows were read from; where there is none, there are no rows.
fn file(path: Option<&String>) -> &str {
    path.map_or("", String::as_str)
}

/// One feature of a file, with its place for messages.
struct Row<'a> {
    file: &'a str,
    index: usize,
    feature: &'a Feature,
    problems: &'a mut Vec<Problem>,
}

impl Row<'_> {
    fn problem(&mut self, path: &str, message: impl Into<String>) {
        let key = format!("features[{}].{path}", self.index);
        self.problems.push(Problem::new(self.file, &key, message));
    }

    fn value(&self, name: &str) -> Option<&serde_json::Value> {
        self.feature
            .properties
            .as_ref()?
            .get(name)
            .filter(|value| !value.is_null())
    }

    fn optional(&mut self, name: &str) -> Option<String> {
        match self.value(name)? {
            serde_json::Value::String(text) if !text.is_empty() => Some(text.clone()),
            other => {
                let message = format!("{other} is not a text");
                self.problem(&format!("properties.{name}"), message);
                None
            }
        }
    }

    fn text(&mut self, name: &str) -> String {
        if self.value(name).is_none() {
            self.problem(&format!("properties.{name}"), "is missing");
        }
        self.optional(name).unwrap_or_default()
    }

    fn number(&mut self, name: &str, wanted: &str, fits: impl Fn(f64) -> bool) -> f64 {
        let value = self.value(name).cloned().unwrap_or_default();
        if let Some(number) = value.as_f64().filter(|number| fits(*number)) {
            return number;
        }
        self.problem(
            &format!("properties.{name}"),
            format!("{value} is not {wanted}"),
        );
        1.0
    }

    fn word<T: Copy>(&mut self, name: &str, all: &[T], word: impl Fn(&T) -> &'static str) -> T {
        let text = self.text(name);
        all.iter()
            .copied()
            .find(|value| word(value) == text)
            .unwrap_or_else(|| {
                let words: Vec<_> = all.iter().map(&word).collect();
                let message = format!("{text:?} is not one of {}", words.join(", "));
                self.problem(&format!("properties.{name}"), message);
                all[0]
            })
    }

    fn point(&mut self) -> Option<(f64, f64)> {
        let geometry = self.feature.geometry.as_ref()?;
        match &geometry.value {
            GeometryValue::Point { coordinates } if coordinates.len() >= 2 => {
                let (longitude, latitude) = (coordinates[0], coordinates[1]);
                if Cell::at(latitude, longitude, Resolution::Zero).is_err() {
                    let message = format!(
                        "[{longitude}, {latitude}] is outside the world (longitude comes first)"
                    );
                    self.problem("geometry.coordinates", message);
                }
                Some((latitude, longitude))
            }
            other => {
                let message = format!("{} is not a Point", other.type_name());
                self.problem("geometry", message);
                None
            }
        }
    }
}

/// Reads a feature collection and hands each feature to `read`.
fn features(
    file: &str,
    text: &str,
    problems: &mut Vec<Problem>,
    mut read: impl FnMut(&mut Row<'_>),
) {
    let text = text.trim_start_matches('\u{feff}');
    let collection = match text.parse::<FeatureCollection>() {
        Ok(collection) => collection,
        Err(error) => {
            let message = format!("is not a GeoJSON FeatureCollection: {error}");
            problems.push(Problem::new(file, "", message));
            return;
        }
    };
    let mut seen = BTreeMap::new();
    for (index, feature) in collection.features.iter().enumerate() {
        let mut row = Row {
            file,
            index,
            feature,
            problems,
        };
        let id = row.text("id");
        if let Some(first) = seen.insert(id.clone(), index)
            && !id.is_empty()
        {
            row.problem(
                "properties.id",
                format!("{id:?} is the id of features[{first}] too"),
            );
        }
        read(&mut row);
    }
}

pub(crate) fn read_sites(
    file: &str,
    text: &str,
    resolution: Resolution,
    problems: &mut Vec<Problem>,
) -> Vec<Site> {
    let mut sites = Vec::new();
    features(file, text, problems, |row| {
        let coordinate = row.point();
        let cell = coordinate.and_then(|(lat, lng)| Cell::at(lat, lng, resolution).ok());
        let cordon = match row.value("cordon") {
            None => false,
            Some(serde_json::Value::Bool(cordon)) => *cordon,
            Some(other) => {
                let message = format!("{other} is not true or false");
                row.problem("properties.cordon", message);
                false
            }
        };
        sites.push(Site {
            id: row.text("id"),
            kind: row.word("kind", &SiteKind::ALL, |kind| kind.as_str()),
            name: row.text("name"),
            venue_id: row.optional("venue_id"),
            coordinate,
            cell,
            cordon,
        });
    });
    sites.sort_by(|a, b| a.id.cmp(&b.id));
    sites
}

pub(crate) fn read_venues(
    file: &str,
    text: &str,
    resolution: Resolution,
    problems: &mut Vec<Problem>,
) -> (Vec<Venue>, BTreeMap<String, Stay>) {
    let (mut venues, mut stays) = (Vec::new(), BTreeMap::new());
    features(file, text, problems, |row| {
        let stay = stay::read(row);
        let place = read_footprint(row, resolution);
        let usable_area_m2 = row.number("usable_area_m2", "an area above 0", |area| area > 0.0);
        let capacity = row.number("capacity", "a whole number above 0", |persons| {
            persons >= 1.0 && persons <= f64::from(u32::MAX) && persons.fract() == 0.0
        });
        let venue = |place: Footprint, row: &mut Row<'_>| Venue {
            id: row.text("id"),
            kind: row.word("kind", &VenueKind::ALL, |kind| kind.as_str()),
            name_zh: row.text("name_zh"),
            name_en: row.text("name_en"),
            usable_area_m2,
            #[expect(
                clippy::cast_possible_truncation,
                clippy::cast_sign_loss,
                reason = "checked"
            )]
            capacity: capacity as u32,
            capacity_basis: row.word("capacity_basis", &CapacityBasis::ALL, |basis| {
                basis.as_str()
            }),
            grid_unit: row.optional("grid_unit"),
            cell: place.cell,
            footprint: place.cells,
            centroid: place.centroid,
        };
        if let Some(place) = place {
            let venue = venue(place, row);
            stays.extend(stay.map(|stay| (venue.id.clone(), stay)));
            venues.push(venue);
        }
    });
    venues.sort_by(|a, b| a.id.cmp(&b.id));
    (venues, stays)
}

fn read_footprint(row: &mut Row<'_>, resolution: Resolution) -> Option<Footprint> {
    let Some(geometry) = &row.feature.geometry else {
        row.problem("geometry", "is missing: a venue needs its polygon");
        return None;
    };
    let shape = match geo::Geometry::<f64>::try_from(geometry.clone()) {
        Ok(geo::Geometry::Polygon(polygon)) => geo::MultiPolygon(vec![polygon]),
        Ok(geo::Geometry::MultiPolygon(polygons)) => polygons,
        _ => {
            row.problem("geometry", "is not a Polygon or MultiPolygon");
            return None;
        }
    };
    match Footprint::try_new(shape, resolution) {
        Ok(footprint) => Some(footprint),
        Err(message) => {
            row.problem("geometry", message);
            None
        }
    }
}

pub(crate) fn read_grid_units(
    file: &str,
    text: &str,
    problems: &mut Vec<Problem>,
) -> Vec<GridUnit> {
    let mut units = Vec::new();
    features(file, text, problems, |row| {
        let levels = ["city", "district", "street", "grid"];
        let level = row.word("level", &levels, |level| level);
        units.push(GridUnit {
            id: row.text("id"),
            parent: row.optional("parent"),
            level: level.to_owned(),
            name_zh: row.text("name_zh"),
            name_en: row.text("name_en"),
            duty: row.optional("duty"),
        });
    });
    units.sort_by(|a, b| a.id.cmp(&b.id));
    units
}
