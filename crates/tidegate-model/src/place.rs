//! Reference data: sites, venues, grid units and incidence, as validated values.

use crate::Cell;

/// A counting point: a gate line, a station, a road cross-section.
#[derive(Debug, Clone, PartialEq)]
pub struct Site {
    /// The id that feeds use.
    pub id: String,
    /// What kind of point it is.
    pub kind: SiteKind,
    /// The name people use.
    pub name: String,
    /// The venue whose gate it is.
    pub venue_id: Option<String>,
    /// Degrees north and east; `None` for a site registered without a place.
    pub coordinate: Option<(f64, f64)>,
    /// Its cell at the pipeline's base resolution.
    pub cell: Option<Cell>,
    /// Whether its inward counts are imports of the city.
    pub cordon: bool,
}

/// What kind of counting point a site is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum SiteKind {
    /// A gate of a venue.
    Gate,
    /// A road or border checkpoint.
    Checkpoint,
    /// A railway station or its gate line.
    Rail,
    /// A metro station, bus stop or vehicle.
    Transit,
    /// A road cross-section without a post.
    Road,
}

impl SiteKind {
    /// Every kind.
    pub const ALL: [Self; 5] = [
        Self::Gate,
        Self::Checkpoint,
        Self::Rail,
        Self::Transit,
        Self::Road,
    ];

    /// The word used in files and SQL.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Gate => "gate",
            Self::Checkpoint => "checkpoint",
            Self::Rail => "rail",
            Self::Transit => "transit",
            Self::Road => "road",
        }
    }
}

/// A named place with an area and a capacity.
#[derive(Debug, Clone, PartialEq)]
pub struct Venue {
    /// Stable id.
    pub id: String,
    /// What kind of place.
    pub kind: VenueKind,
    /// Name in Chinese.
    pub name_zh: String,
    /// Name in English.
    pub name_en: String,
    /// Area that people can stand on, square metres, above 0.
    pub usable_area_m2: f64,
    /// Persons that may be in it at once, above 0.
    pub capacity: u32,
    /// Where the capacity comes from.
    pub capacity_basis: CapacityBasis,
    /// The responsible grid unit.
    pub grid_unit: Option<String>,
    /// The cell of its centroid at the pipeline's base resolution.
    pub cell: Cell,
    /// Every cell that its polygon overlaps at the pipeline's base resolution, ascending, with the
    /// share of the polygon's area in it; the shares add up to 1.
    pub footprint: Vec<CellShare>,
    /// Degrees north and east of its centroid.
    pub centroid: (f64, f64),
}

/// A cell that a polygon overlaps.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct CellShare {
    /// The cell.
    pub cell: Cell,
    /// Share of the polygon's area in it, above 0 and at most 1.
    pub share: f64,
}

/// What kind of place a venue is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum VenueKind {
    /// A farmers' or wholesale market.
    Market,
    /// A supermarket.
    Supermarket,
    /// A railway or metro station.
    Station,
    /// An office building.
    Office,
    /// A road or border checkpoint.
    Checkpoint,
    /// A quarantine facility.
    Quarantine,
}

impl VenueKind {
    /// Every kind.
    pub const ALL: [Self; 6] = [
        Self::Market,
        Self::Supermarket,
        Self::Station,
        Self::Office,
        Self::Checkpoint,
        Self::Quarantine,
    ];

    /// The word used in files and SQL.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Market => "market",
            Self::Supermarket => "supermarket",
            Self::Station => "station",
            Self::Office => "office",
            Self::Checkpoint => "checkpoint",
            Self::Quarantine => "quarantine",
        }
    }
}

/// Where a venue's capacity comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum CapacityBasis {
    /// Set by the operator or an authority for this venue.
    Licensed,
    /// Usable area over a distancing rule of so many square metres a person.
    AreaRule,
    /// Seats or beds.
    Places,
    /// A planner's guess; shown as such.
    Assumed,
}

impl CapacityBasis {
    /// Every basis.
    pub const ALL: [Self; 4] = [Self::Licensed, Self::AreaRule, Self::Places, Self::Assumed];

    /// The word used in files and SQL.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Licensed => "licensed",
            Self::AreaRule => "area_rule",
            Self::Places => "places",
            Self::Assumed => "assumed",
        }
    }
}

/// A node of the responsibility tree: city, district, street, community grid.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct GridUnit {
    /// Stable id.
    pub id: String,
    /// The unit above, `None` for the city.
    pub parent: Option<String>,
    /// `city`, `district`, `street` or `grid`.
    pub level: String,
    /// Name in Chinese.
    pub name_zh: String,
    /// Name in English.
    pub name_en: String,
    /// Who answers for it, as a role, never a person's name.
    pub duty: Option<String>,
}

/// What is known of infection where travellers come from.
#[derive(Debug, Clone, PartialEq)]
pub struct Incidence {
    /// Region code, or `unknown` for counts without one.
    pub origin: String,
    /// Reported cases over the last seven days.
    pub cases_7d: u64,
    /// Inhabitants, above 0.
    pub population: u64,
    /// Probability that an infection is reported: low, middle, high; each in (0, 1], ascending.
    pub ascertainment: [f64; 3],
    /// Days during which an infected person is infectious and still travels, above 0.
    pub infectious_days: f64,
    /// The day the cases were counted to, `YYYY-MM-DD`.
    pub as_of: String,
}
