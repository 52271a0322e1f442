//! Where an alert is: polygons with latitude first, and cells.

use h3o::geom::SolventBuilder;
use h3o::{CellIndex, LatLng};
use tidegate_alerts::wire::AlertRecord;
use tidegate_model::Cell;

/// Most points of all polygons of one message. Beyond, one rectangle holds them all: an area that
/// is too large warns somebody too many, one that is too small leaves somebody out.
pub const POINTS_MAX: usize = 1_000;
/// Most cells named by a message, after whole families became their parents. Beyond, none is
/// named, and the polygons say it alone.
pub const CELLS_MAX: usize = 100;

/// A corner: degrees north, then degrees east, as CAP writes them (and GeoJSON does not).
pub type Corner = (f64, f64);

/// Where a subject is.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Place {
    /// Outlines, latitude first. One that is open is closed; one without three corners is left out.
    pub polygons: Vec<Vec<Corner>>,
    /// Its cells; they make the polygons where there are none.
    pub cells: Vec<Cell>,
}

/// Knows where subjects are. A function of kind and id is one.
pub trait Places {
    /// The place of a subject, `None` where it is not known.
    fn place(&self, subject_kind: &str, subject: &str) -> Option<Place>;
}

impl<F: Fn(&str, &str) -> Option<Place>> Places for F {
    fn place(&self, subject_kind: &str, subject: &str) -> Option<Place> {
        self(subject_kind, subject)
    }
}

/// The polygons (closed, of four points or more, in range) and the cells to write.
#[derive(Debug, Clone, PartialEq, Default)]
pub(crate) struct Drawn {
    pub(crate) polygons: Vec<Vec<Corner>>,
    pub(crate) cells: Vec<CellIndex>,
}

/// The place of the record's subject; a subject that is a cell is its own place.
pub(crate) fn draw(record: &AlertRecord, places: &dyn Places) -> Drawn {
    let known = places.place(&record.subject_kind, &record.subject);
    let place = known.unwrap_or_else(|| Place {
        polygons: Vec::new(),
        cells: cell_of(&record.subject).into_iter().collect(),
    });
    let mut cells: Vec<CellIndex> = place.cells.iter().map(|cell| cell.h3()).collect();
    cells.sort_unstable();
    cells.dedup();
    let mut polygons: Vec<_> = place
        .polygons
        .iter()
        .filter_map(|ring| close(ring))
        .collect();
    if polygons.is_empty() {
        polygons = union(&cells);
    }
    if polygons.iter().map(Vec::len).sum::<usize>() > POINTS_MAX {
        polygons = rectangle(&polygons).into_iter().collect();
    }
    Drawn {
        polygons,
        cells: named(cells),
    }
}

fn cell_of(subject: &str) -> Option<Cell> {
    let is_hexadecimal = subject.len() == 15 && subject.bytes().all(|b| b.is_ascii_hexdigit());
    let index = u64::from_str_radix(subject, 16).ok()?;
    is_hexadecimal.then(|| Cell::try_from(index).ok())?
}

/// The ring with its first corner repeated at the end; `None` if it is none or leaves the world.
fn close(ring: &[Corner]) -> Option<Vec<Corner>> {
    let in_range = |&(lat, lng): &Corner| lat.abs() <= 90.0 && lng.abs() <= 180.0;
    if !ring.iter().all(in_range) {
        return None;
    }
    let mut ring: Vec<Corner> = ring.iter().copied().map(rounded).collect();
    ring.dedup();
    if ring.len() > 1 && ring.first() == ring.last() {
        ring.pop();
    }
    if ring.len() < 3 {
        return None;
    }
    ring.push(*ring.first()?);
    Some(ring)
}

/// To the sixth decimal, a tenth of a metre.
fn rounded((lat, lng): Corner) -> Corner {
    let round = |degrees: f64| (degrees * 1e6).round() / 1e6;
    (round(lat), round(lng))
}

/// The outlines of cells that touch become one. Holes are filled: CAP has no word for them.
fn union(cells: &[CellIndex]) -> Vec<Vec<Corner>> {
    let one_resolution = cells
        .windows(2)
        .all(|pair| pair[0].resolution() == pair[1].resolution());
    if one_resolution
        && let Ok(outline) = SolventBuilder::new()
            .build()
            .dissolve(cells.iter().copied())
    {
        let rings = outline.0.iter().map(|polygon| {
            let corners = polygon.exterior().0.iter();
            corners.map(|at| (at.y, at.x)).collect::<Vec<_>>()
        });
        return rings.filter_map(|ring| close(&ring)).collect();
    }
    let corners = |cell: &CellIndex| -> Vec<Corner> {
        let boundary = cell.boundary();
        boundary
            .iter()
            .map(|at: &LatLng| (at.lat(), at.lng()))
            .collect()
    };
    cells
        .iter()
        .filter_map(|cell| close(&corners(cell)))
        .collect()
}

fn rectangle(polygons: &[Vec<Corner>]) -> Option<Vec<Corner>> {
    let corners = || polygons.iter().flatten();
    let (south, north) = bounds(corners().map(|at| at.0));
    let (west, east) = bounds(corners().map(|at| at.1));
    close(&[(south, west), (south, east), (north, east), (north, west)])
}

fn bounds(values: impl Iterator<Item = f64>) -> (f64, f64) {
    values.fold((f64::INFINITY, f64::NEG_INFINITY), |(low, high), value| {
        (low.min(value), high.max(value))
    })
}

fn named(mut cells: Vec<CellIndex>) -> Vec<CellIndex> {
    // A mixture of resolutions is named as it is.
    if cells.len() > 1 && CellIndex::compact(&mut cells).is_err() {
        cells.sort_unstable();
    }
    if cells.len() > CELLS_MAX {
        cells.clear();
    }
    cells
}

/// `lat,lon lat,lon …`.
pub(crate) fn polygon_text(ring: &[Corner]) -> String {
    let corners: Vec<String> = ring
        .iter()
        .map(|(lat, lng)| format!("{lat},{lng}"))
        .collect();
    corners.join(" ")
}
