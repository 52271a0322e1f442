//! Puts the city's tables on the map.
//!
//! Everything is laid out in metres east and north of the centre. Outlines are turned by
//! Pythagorean angles, whose sine and cosine are exact fractions, and coordinates are rounded to
//! six decimals (0.1 m): the same numbers on every platform.

use tidegate_model::{CapacityBasis, GridUnit, SiteKind, VenueKind};

use super::tables::{self, Name};
use super::{CitySite, CityVenue, GridArea, Line, LineMode};

/// The city's centre, degrees east and north.
const CENTRE: [f64; 2] = [114.30, 30.58];
/// Metres of one degree of longitude at the centre, and of one degree of latitude, on a sphere
/// of 6 371 km.
const DEGREE_M: [f64; 2] = [95_730.0, 111_195.0];

/// Cosine and sine of the angles by which outlines are turned.
const TURNS: [[f64; 2]; 6] = [
    [1.0, 0.0],
    [0.8, 0.6],
    [0.96, 0.28],
    [0.6, -0.8],
    [0.96, -0.28],
    [0.8, -0.6],
];

/// Where the first, second, … venue beside a station lies, metres from the station.
const BESIDE: [[f64; 2]; 4] = [
    [610.0, 240.0],
    [-520.0, 470.0],
    [-340.0, -620.0],
    [460.0, -540.0],
];

/// A point `[east, north]` in metres as `[lng, lat]`.
fn degrees([east, north]: [f64; 2]) -> [f64; 2] {
    let round = |value: f64| (value * 1e6).round() / 1e6;
    [
        round(CENTRE[0] + east / DEGREE_M[0]),
        round(CENTRE[1] + north / DEGREE_M[1]),
    ]
}

#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "areas and persons of the tables: above 0 and far below 2^32"
)]
fn whole(value: f64) -> u32 {
    value.round() as u32
}

fn index_f64(index: usize) -> f64 {
    f64::from(u32::try_from(index).expect("an index into a table of this crate is small"))
}

/// An outline before it is turned and placed.
#[derive(Clone, Copy)]
enum Outline {
    /// Width and depth in metres.
    Rectangle(f64, f64),
    /// The same with the far right quarter cut away.
    Angle(f64, f64),
}

impl Outline {
    /// Corners around the outline's middle, counter-clockwise, not closed.
    fn corners(self) -> Vec<[f64; 2]> {
        match self {
            Self::Rectangle(w, d) => {
                let (x, y) = (w / 2.0, d / 2.0);
                vec![[-x, -y], [x, -y], [x, y], [-x, y]]
            }
            Self::Angle(w, d) => {
                let (x, y) = (w / 2.0, d / 2.0);
                vec![[-x, -y], [x, -y], [x, 0.0], [0.0, 0.0], [0.0, y], [-x, y]]
            }
        }
    }

    fn area_m2(self) -> f64 {
        match self {
            Self::Rectangle(w, d) => w * d,
            Self::Angle(w, d) => w * d * 0.75,
        }
    }
}

/// A venue as its kind makes it, before it is placed.
struct Plan {
    outline: Outline,
    /// Share of the outline that people can stand on.
    usable: f64,
    capacity: Capacity,
}

enum Capacity {
    /// Square metres of usable area for each person, and whose rule that is.
    Area(f64, CapacityBasis),
    /// A number of persons.
    Persons(u32, CapacityBasis),
}

fn plan(kind: VenueKind, n: usize) -> Plan {
    let step = |times: usize, modulus: usize, metres: f64| index_f64(n * times % modulus) * metres;
    let places = |base: u32, each: u32| base + each * u32::try_from(n * 3 % 5).unwrap_or(0);
    match kind {
        VenueKind::Market => Plan {
            outline: Outline::Rectangle(38.0 + step(7, 5, 6.0), 30.0 + step(3, 4, 5.0)),
            usable: 0.62,
            capacity: match n % 4 {
                0 => Capacity::Area(1.25, CapacityBasis::Licensed),
                _ => Capacity::Area(1.25, CapacityBasis::AreaRule),
            },
        },
        VenueKind::Supermarket => Plan {
            outline: Outline::Angle(66.0 + step(5, 4, 7.0), 58.0 + step(3, 3, 6.0)),
            usable: 0.55,
            capacity: Capacity::Area(2.0, CapacityBasis::AreaRule),
        },
        VenueKind::Office => Plan {
            outline: Outline::Angle(84.0 + step(3, 4, 6.0), 56.0 + step(1, 3, 4.0)),
            usable: 0.7,
            capacity: Capacity::Persons(places(520, 60), CapacityBasis::Places),
        },
        VenueKind::Quarantine => Plan {
            outline: Outline::Rectangle(118.0, 74.0),
            usable: 0.6,
            capacity: Capacity::Persons(places(240, 40), CapacityBasis::Places),
        },
        VenueKind::Station if n < tables::RAIL_STATIONS => Plan {
            outline: Outline::Rectangle(190.0, 84.0),
            usable: 0.55,
            capacity: Capacity::Persons(6_000, CapacityBasis::Licensed),
        },
        VenueKind::Station | VenueKind::Checkpoint => Plan {
            outline: Outline::Rectangle(140.0 + step(5, 4, 6.0), 26.0),
            usable: 0.6,
            capacity: Capacity::Area(1.25, CapacityBasis::Assumed),
        },
    }
}

fn venue(kind: VenueKind, n: usize, name: Name, at: [f64; 2]) -> CityVenue {
    let plan = plan(kind, n);
    let [cos, sin] = TURNS[(n * 5 + kind as usize) % TURNS.len()];
    let mut ring: Vec<[f64; 2]> = plan
        .outline
        .corners()
        .into_iter()
        .map(|[x, y]| {
            let turned = [x * cos - y * sin, x * sin + y * cos];
            degrees([at[0] + turned[0], at[1] + turned[1]])
        })
        .collect();
    ring.push(ring[0]);
    let usable_area_m2 = whole(plan.outline.area_m2() * plan.usable);
    let (capacity, capacity_basis) = match plan.capacity {
        Capacity::Area(each, basis) => (whole(f64::from(usable_area_m2) / each), basis),
        Capacity::Persons(persons, basis) => (persons, basis),
    };
    CityVenue {
        id: format!("{}-{:02}", prefix(kind), n + 1),
        kind,
        name_zh: name.0.to_owned(),
        name_en: name.1.to_owned(),
        usable_area_m2,
        capacity,
        capacity_basis,
        grid_unit: grid_at(at),
        ring,
    }
}

const fn prefix(kind: VenueKind) -> &'static str {
    match kind {
        VenueKind::Market => "mk",
        VenueKind::Supermarket => "sm",
        VenueKind::Station => "st",
        VenueKind::Office => "of",
        VenueKind::Checkpoint => "cv",
        VenueKind::Quarantine => "qf",
    }
}

/// Markets, supermarkets and offices stand around the stations, the rest where the tables say.
pub(super) fn venues() -> Vec<CityVenue> {
    let of = |kind: VenueKind, names: &'static [Name]| {
        names
            .iter()
            .enumerate()
            .map(move |(n, &name)| (kind, n, name))
    };
    let beside = of(VenueKind::Market, &tables::MARKETS)
        .chain(of(VenueKind::Supermarket, &tables::SUPERMARKETS))
        .chain(of(VenueKind::Office, &tables::OFFICES))
        .enumerate()
        .map(|(slot, (kind, n, name))| {
            let (_, station) = tables::STATIONS[slot % tables::STATIONS.len()];
            let offset = BESIDE[slot / tables::STATIONS.len()];
            let at = [station[0] + offset[0], station[1] + offset[1]];
            venue(kind, n, name, at)
        });
    let placed = |kind: VenueKind, rows: &'static [(Name, [f64; 2])]| {
        rows.iter()
            .enumerate()
            .map(move |(n, &(name, at))| venue(kind, n, name, at))
    };
    beside
        .chain(placed(VenueKind::Quarantine, &tables::QUARANTINE))
        .chain(placed(VenueKind::Station, &tables::STATIONS))
        .collect()
}

/// The gates of every venue, in the middle of its sides.
pub(super) fn gates(venues: &[CityVenue]) -> Vec<CitySite> {
    let mut sites = Vec::new();
    for (nth, venue) in venues.iter().enumerate() {
        let count = match venue.kind {
            VenueKind::Station => 3,
            VenueKind::Market | VenueKind::Supermarket => 2 + usize::from(nth % 3 == 0),
            VenueKind::Office => 1 + nth % 2,
            VenueKind::Checkpoint | VenueKind::Quarantine => 1,
        };
        for gate in 0..count {
            let (from, to) = (venue.ring[gate], venue.ring[gate + 1]);
            let number = gate + 1;
            sites.push(CitySite {
                id: format!("{}-g{number}", venue.id),
                kind: SiteKind::Gate,
                name: format!(
                    "{}{number}号口 {} gate {number}",
                    venue.name_zh, venue.name_en
                ),
                venue_id: Some(venue.id.clone()),
                cordon: false,
                point: Some(middle(from, to)),
            });
        }
    }
    sites
}

fn middle(a: [f64; 2], b: [f64; 2]) -> [f64; 2] {
    let round = |value: f64| (value * 1e6).round() / 1e6;
    [
        round(f64::midpoint(a[0], b[0])),
        round(f64::midpoint(a[1], b[1])),
    ]
}

/// The platform side of each railway station: who arrives there enters the city and the station.
pub(super) fn rail(venues: &[CityVenue]) -> Vec<CitySite> {
    venues
        .iter()
        .filter(|venue| venue.kind == VenueKind::Station)
        .take(tables::RAIL_STATIONS)
        .enumerate()
        .map(|(n, venue)| CitySite {
            id: format!("rail-{:02}", n + 1),
            kind: SiteKind::Rail,
            name: format!("{}站台 {} platforms", venue.name_zh, venue.name_en),
            venue_id: Some(venue.id.clone()),
            cordon: true,
            point: Some(middle(venue.ring[0], venue.ring[2])),
        })
        .collect()
}

/// The road checkpoints at the city's edge.
pub(super) fn checkpoints() -> Vec<CitySite> {
    tables::CHECKPOINTS
        .iter()
        .enumerate()
        .map(|(n, ((zh, en), at))| CitySite {
            id: format!("cp-{:02}", n + 1),
            kind: SiteKind::Checkpoint,
            name: format!("{zh} {en}"),
            venue_id: None,
            cordon: true,
            point: Some(degrees(*at)),
        })
        .collect()
}

/// Metro and bus stops, and the lines that call at them.
///
/// A metro stop counts at the fare gates and belongs to no venue: a station's crowd is counted
/// by the gates around it, once.
pub(super) fn transit() -> (Vec<CitySite>, Vec<Line>) {
    let stop = |id: String, name: String, at: [f64; 2]| CitySite {
        id,
        kind: SiteKind::Transit,
        name,
        venue_id: None,
        cordon: false,
        point: Some(degrees(at)),
    };
    let metro_id = |station: usize| format!("ms-{:02}", station + 1);
    let mut sites: Vec<CitySite> = tables::STATIONS
        .iter()
        .enumerate()
        .map(|(n, ((zh, en), at))| stop(metro_id(n), format!("{zh}地铁 {en} metro"), *at))
        .collect();
    let mut lines: Vec<Line> = tables::METRO
        .iter()
        .map(|(id, (zh, en), stations)| Line {
            id: (*id).to_owned(),
            mode: LineMode::Metro,
            name_zh: (*zh).to_owned(),
            name_en: (*en).to_owned(),
            stops: stations.iter().map(|&station| metro_id(station)).collect(),
        })
        .collect();
    for (route, (id, from, corner, to)) in tables::BUSES.iter().enumerate() {
        let number = route + 1;
        let ends = [tables::STATIONS[*from].1, tables::STATIONS[*to].1];
        let stops: Vec<CitySite> = (0..tables::BUS_STOPS)
            .map(|n| {
                let mut at = along(ends[0], *corner, ends[1], n);
                at[0] += index_f64(route) * 9.0;
                let name = format!("{number}路第{}站 Bus {number} stop {}", n + 1, n + 1);
                stop(format!("bs-{number:02}-{}", n + 1), name, at)
            })
            .collect();
        lines.push(Line {
            id: (*id).to_owned(),
            mode: LineMode::Bus,
            name_zh: format!("{number}路公交"),
            name_en: format!("Bus {number}"),
            stops: stops.iter().map(|site| site.id.clone()).collect(),
        });
        sites.extend(stops);
    }
    (sites, lines)
}

/// Stop `n` of a bus route from one station past a corner to another, 90 m beside the straight
/// way so that it does not fall into the station.
fn along(from: [f64; 2], corner: [f64; 2], to: [f64; 2], n: usize) -> [f64; 2] {
    let half = index_f64(tables::BUS_STOPS - 1) / 2.0;
    let position = index_f64(n) / half;
    let (a, b, share) = if position <= 1.0 {
        (from, corner, position)
    } else {
        (corner, to, position - 1.0)
    };
    let between = |axis: usize| a[axis] + (b[axis] - a[axis]) * share;
    [between(0) + 90.0, between(1) - 60.0 - index_f64(n)]
}

/// A counting point that was registered and never surveyed: its records cannot be placed.
pub(super) fn unplaced() -> CitySite {
    CitySite {
        id: "rd-01".to_owned(),
        kind: SiteKind::Road,
        name: "旧渡口断面（未定位） Old ferry slip (not surveyed)".to_owned(),
        venue_id: None,
        cordon: false,
        point: None,
    }
}

/// The responsibility tree: the city, its districts, four streets in each, four grids in each.
pub(super) fn grid_units() -> Vec<GridArea> {
    let mut areas = vec![area(
        "lj".to_owned(),
        0,
        ("澜江市".to_owned(), "Lanjiang City".to_owned()),
        tables::CITY_EDGES,
    )];
    for (d, ((zh, en), edges)) in tables::DISTRICTS.iter().enumerate() {
        let id = format!("lj-{}", d + 1);
        areas.push(area(id, 1, ((*zh).to_owned(), (*en).to_owned()), *edges));
    }
    for (d, (_, edges)) in tables::DISTRICTS.iter().enumerate() {
        for (s, (zh, en)) in tables::STREETS[d].iter().enumerate() {
            let id = format!("lj-{}-{}", d + 1, s + 1);
            let names = ((*zh).to_owned(), (*en).to_owned());
            areas.push(area(id, 2, names, quarter(*edges, s)));
        }
    }
    for (d, (_, edges)) in tables::DISTRICTS.iter().enumerate() {
        for (s, (zh, en)) in tables::STREETS[d].iter().enumerate() {
            for g in 0..4 {
                let id = format!("lj-{}-{}-{}", d + 1, s + 1, g + 1);
                let names = (
                    format!("{zh}第{}网格", g + 1),
                    format!("{en} grid {}", g + 1),
                );
                areas.push(area(id, 3, names, quarter(quarter(*edges, s), g)));
            }
        }
    }
    areas
}

fn area(id: String, level: usize, names: (String, String), edges: [f64; 4]) -> GridArea {
    let [west, south, east, north] = edges;
    let corners = [
        [west, south],
        [east, south],
        [east, north],
        [west, north],
        [west, south],
    ];
    let (level, duty) = tables::DUTIES[level];
    GridArea {
        unit: GridUnit {
            parent: id.rsplit_once('-').map(|(parent, _)| parent.to_owned()),
            id,
            level: level.to_owned(),
            name_zh: names.0,
            name_en: names.1,
            duty: Some(duty.to_owned()),
        },
        ring: corners.map(degrees).to_vec(),
    }
}

/// Quarter `n` of a rectangle: south-west, south-east, north-west, north-east.
fn quarter([west, south, east, north]: [f64; 4], n: usize) -> [f64; 4] {
    let (x, y) = (f64::midpoint(west, east), f64::midpoint(south, north));
    match n {
        0 => [west, south, x, y],
        1 => [x, south, east, y],
        2 => [west, y, x, north],
        _ => [x, y, east, north],
    }
}

/// Id of the community grid at a point inside the city.
fn grid_at(at: [f64; 2]) -> String {
    let holds = |[west, south, east, north]: [f64; 4]| {
        (west..east).contains(&at[0]) && (south..north).contains(&at[1])
    };
    for (d, (_, edges)) in tables::DISTRICTS.iter().enumerate() {
        for s in 0..4 {
            for g in 0..4 {
                if holds(quarter(quarter(*edges, s), g)) {
                    return format!("lj-{}-{}-{}", d + 1, s + 1, g + 1);
                }
            }
        }
    }
    unreachable!("the districts fill the city and every place of the tables lies in it")
}
