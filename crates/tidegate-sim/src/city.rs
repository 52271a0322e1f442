//! One fixed, fictional city: Lanjiang (澜江), with its venues, counting points, responsibility
//! tree, lines, and the regions that people come to it from.
//!
//! Every place, name and number is invented; the coordinates only serve to put it on a map.

mod files;
mod layout;
mod tables;

use tidegate_model::{CapacityBasis, GridUnit, Incidence, SiteKind, VenueKind};

/// A venue with its outline.
#[derive(Debug, Clone, PartialEq)]
pub struct CityVenue {
    /// Stable id, such as `mk-03`.
    pub id: String,
    /// What kind of place.
    pub kind: VenueKind,
    /// Name in Chinese.
    pub name_zh: String,
    /// Name in English.
    pub name_en: String,
    /// Area that people can stand on, square metres, less than the outline's.
    pub usable_area_m2: u32,
    /// Persons that may be in it at once.
    pub capacity: u32,
    /// Where the capacity comes from.
    pub capacity_basis: CapacityBasis,
    /// Id of the community grid in which its centre lies.
    pub grid_unit: String,
    /// Outline as `[lng, lat]` in degrees, counter-clockwise, the last point equal to the first.
    pub ring: Vec<[f64; 2]>,
}

/// A counting point.
#[derive(Debug, Clone, PartialEq)]
pub struct CitySite {
    /// The id that records carry, such as `mk-03-g1`.
    pub id: String,
    /// What kind of point it is; it decides the feed.
    pub kind: SiteKind,
    /// Name in Chinese and English.
    pub name: String,
    /// Id of the venue whose boundary it counts at.
    pub venue_id: Option<String>,
    /// Whether its inward counts are imports of the city.
    pub cordon: bool,
    /// `[lng, lat]` in degrees; `None` for the one point that was registered without a place.
    pub point: Option<[f64; 2]>,
}

/// A node of the responsibility tree with its outline.
#[derive(Debug, Clone, PartialEq)]
pub struct GridArea {
    /// The node.
    pub unit: GridUnit,
    /// Outline as `[lng, lat]` in degrees, counter-clockwise and closed.
    pub ring: Vec<[f64; 2]>,
}

/// A metro line or a bus route.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Line {
    /// Stable id, such as `m2` or `b05`.
    pub id: String,
    /// Rails or road.
    pub mode: LineMode,
    /// Name in Chinese.
    pub name_zh: String,
    /// Name in English.
    pub name_en: String,
    /// Ids of its stops (sites of kind `transit`) in order.
    pub stops: Vec<String>,
}

/// What runs on a line.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LineMode {
    /// Metro trains.
    Metro,
    /// Buses.
    Bus,
}

/// The synthetic city. Every id that one part refers to exists in another, and ids are unique.
#[derive(Debug, Clone, PartialEq)]
pub struct City {
    venues: Vec<CityVenue>,
    sites: Vec<CitySite>,
    grid_units: Vec<GridArea>,
    origins: Vec<Incidence>,
    lines: Vec<Line>,
}

impl City {
    /// Lanjiang, always the same: 54 venues of which 12 stations, 20 road checkpoints, 3 metro
    /// lines, 8 bus routes, 12 origins and `unknown`.
    pub fn standard() -> Self {
        let grid_units = layout::grid_units();
        let venues = layout::venues();
        let (stops, lines) = layout::transit();
        let mut sites = layout::gates(&venues);
        sites.extend(layout::rail(&venues));
        sites.extend(layout::checkpoints());
        sites.extend(stops);
        sites.push(layout::unplaced());
        Self {
            venues,
            sites,
            grid_units,
            origins: tables::origins(),
            lines,
        }
    }

    /// Its venues, by kind: markets, supermarkets, offices, quarantine facilities, stations.
    pub fn venues(&self) -> &[CityVenue] {
        &self.venues
    }

    /// Its counting points: gates, rail cordons, checkpoints, transit stops, and one road point
    /// without a place.
    pub fn sites(&self) -> &[CitySite] {
        &self.sites
    }

    /// Its responsibility tree, parents before children.
    pub fn grid_units(&self) -> &[GridArea] {
        &self.grid_units
    }

    /// What is known of infection where its travellers come from; `unknown` is the last.
    pub fn origins(&self) -> &[Incidence] {
        &self.origins
    }

    /// Its metro lines and bus routes.
    pub fn lines(&self) -> &[Line] {
        &self.lines
    }

    /// The reference files of `pipelines/demo`: name and content, the same bytes on every call.
    ///
    /// `venues.geojson`, `sites.geojson`, `grid_units.geojson` (RFC 7946, one feature a line) and
    /// `incidence.csv`.
    pub fn reference_files(&self) -> Vec<(String, String)> {
        files::reference_files(self)
    }
}

/// The share of a region's inhabitants who are infectious and still travelling:
/// `cases_7d / (7 · ascertainment · population) · infectious_days`, at the middle ascertainment
/// (research note on importation; prevalence under constant incidence).
#[cfg(test)]
pub(crate) fn prevalence(origin: &Incidence) -> f64 {
    #[expect(clippy::cast_precision_loss, reason = "both are far below 2^53")]
    let per_head = origin.cases_7d as f64 / origin.population as f64;
    per_head / 7.0 / origin.ascertainment[1] * origin.infectious_days
}

#[cfg(test)]
mod tests;
