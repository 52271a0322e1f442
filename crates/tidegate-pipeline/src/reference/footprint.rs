//! The cells that a venue's polygon overlaps, and how much of its area lies in each.
//!
//! Areas are those of Lambert's azimuthal equal-area projection about the polygon's centroid
//! (Snyder 1987, "Map Projections: A Working Manual", USGS Professional Paper 1395, page 185), on
//! the sphere of H3. That the earth is no sphere changes the areas of a place all alike, and so no
//! share. The projection has no edge at the antimeridian and none at a pole.
//!
//! A polygon that crosses the antimeridian is cut there, as RFC 7946 says in section 3.1.9, and is
//! whole here. One that goes around a pole has no area on a map of longitudes, and is refused.
//!
//! Sides of cells are taken straight in the projection: across a venue of 50 km they bend by less
//! than 1 m, in a polygon of the size of a country by some km.

#[cfg(test)]
mod tests;

use geo::{
    Area, BooleanOps, Centroid, Coord, CoordsIter, LineString, MapCoords, MultiPolygon, Polygon,
    Validation,
};
use h3o::CellIndex;
use h3o::geom::{AnnotatedCell, ContainmentMode, TilerBuilder};
use tidegate_model::{Cell, CellShare, Resolution};

/// Cells that a footprint may have; beyond it the resolution is too fine for its polygon.
const CELLS_MAX: usize = 20_000;

/// Smaller shares are the rounding of the intersection: a polygon that only touches a cell.
const SHARE_MIN: f64 = 1e-9;

/// Degrees of a polygon's side that are taken straight in the projection. A longer one bends, since
/// it is straight on a map of longitude and latitude (RFC 7946, section 3.1.1).
const STRAIGHT_DEGREES: f64 = 0.05;

/// Where a polygon is.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Footprint {
    /// Degrees north and east of its centroid.
    pub(super) centroid: (f64, f64),
    /// The cell of its centroid.
    pub(super) cell: Cell,
    /// The cells that it overlaps, ascending, 1 to [`CELLS_MAX`]; their shares add up to 1.
    pub(super) cells: Vec<CellShare>,
}

impl Footprint {
    /// The footprint of `shape`, in degrees, longitude first.
    ///
    /// # Errors
    /// Says what is wrong with the shape, to be read after the name of its key.
    pub(super) fn try_new(shape: MultiPolygon, resolution: Resolution) -> Result<Self, String> {
        if let Err(error) = shape.check_validation() {
            return Err(format!("is not a valid polygon: {error}"));
        }
        let in_world = |at: Coord| at.x.abs() <= 180.0 && at.y.abs() <= 90.0;
        let is_in_world = shape.coords_iter().all(in_world);
        let whole = whole(&shape);
        let centroid = whole.centroid().filter(|_| whole.unsigned_area() > 0.0);
        let (true, Some(centre)) = (is_in_world, centroid) else {
            return Err("has no area, or lies outside the world".to_owned());
        };
        let lng = near(centre.x(), 0.0);
        let cell = Cell::at(centre.y(), lng, resolution).map_err(|error| error.to_string())?;
        let covering = covering(shape, resolution)?;
        Ok(Self {
            centroid: (centre.y(), lng),
            cell,
            cells: shares(&whole, centre.0, &covering).unwrap_or_else(|| {
                // Too small to be measured.
                vec![CellShare { cell, share: 1.0 }]
            }),
        })
    }
}

/// The cells that `shape` touches, once each.
fn covering(shape: MultiPolygon, resolution: Resolution) -> Result<Vec<AnnotatedCell>, String> {
    let mut tiler = TilerBuilder::new(resolution)
        .containment_mode(ContainmentMode::Covers)
        .build();
    tiler
        .add_batch(shape)
        .map_err(|error| format!("cannot be covered with cells: {error}"))?;
    let cells = tiler.into_annotated_coverage().take(CELLS_MAX + 1);
    let mut cells: Vec<_> = cells.collect();
    if cells.len() > CELLS_MAX {
        return Err(format!(
            "touches more than {CELLS_MAX} cells: lower `resolution`"
        ));
    }
    cells.sort_unstable_by_key(|cell| cell.cell);
    cells.dedup_by_key(|cell| cell.cell);
    Ok(cells)
}

/// The share of each of `cells`, which ascend, in the area of `shape`; `None` where it is too small
/// to be measured.
fn shares(shape: &MultiPolygon, centre: Coord, cells: &[AnnotatedCell]) -> Option<Vec<CellShare>> {
    let projection = Projection::about(centre);
    let shape = projection.shape(shape);
    let area = |cell: &AnnotatedCell| {
        let outline = projection.outline(cell.cell);
        if cell.is_fully_contained {
            outline.unsigned_area()
        } else {
            shape.intersection(&outline).unsigned_area()
        }
    };
    let areas = cells
        .iter()
        .map(|cell| (Cell::from(cell.cell), area(cell)))
        .collect::<Vec<_>>();
    let sum_of = |areas: &[(Cell, f64)]| areas.iter().map(|(_, area)| area).sum::<f64>();
    let least = sum_of(&areas) * SHARE_MIN;
    let overlapped = areas.into_iter().filter(|(_, area)| *area > least);
    let overlapped: Vec<_> = overlapped.collect();
    let sum = sum_of(&overlapped);
    let part = |(cell, area)| CellShare {
        cell,
        share: area / sum,
    };
    (sum > 0.0).then(|| overlapped.into_iter().map(part).collect())
}

/// `shape` with its longitudes within half a turn of its first, so that it is not cut.
fn whole(shape: &MultiPolygon) -> MultiPolygon {
    let first = shape.coords_iter().next().map_or(0.0, |at| at.x);
    shape.map_coords(|at| Coord {
        x: near(at.x, first),
        y: at.y,
    })
}

/// `lng` by the whole turns that bring it within half a turn of `origin`.
fn near(lng: f64, origin: f64) -> f64 {
    if (lng - origin).abs() <= 180.0 {
        return lng;
    }
    lng - 360.0 * ((lng - origin) / 360.0).round()
}

type Vector = [f64; 3];

/// Lambert's azimuthal equal-area projection of the unit sphere.
struct Projection {
    up: Vector,
    east: Vector,
    north: Vector,
}

impl Projection {
    fn about(centre: Coord) -> Self {
        let (sin_lat, cos_lat) = centre.y.to_radians().sin_cos();
        let (sin_lng, cos_lng) = centre.x.to_radians().sin_cos();
        Self {
            up: [cos_lat * cos_lng, cos_lat * sin_lng, sin_lat],
            east: [-sin_lng, cos_lng, 0.0],
            north: [-sin_lat * cos_lng, -sin_lat * sin_lng, cos_lat],
        }
    }

    fn point(&self, at: Coord) -> Coord {
        let (sin_lat, cos_lat) = at.y.to_radians().sin_cos();
        let (sin_lng, cos_lng) = at.x.to_radians().sin_cos();
        let to = [cos_lat * cos_lng, cos_lat * sin_lng, sin_lat];
        // The point opposite to the centre is a circle, of which one point is taken.
        let scale = (2.0 / (1.0 + dot(self.up, to)).max(f64::EPSILON)).sqrt();
        Coord {
            x: scale * dot(self.east, to),
            y: scale * dot(self.north, to),
        }
    }

    fn shape(&self, shape: &MultiPolygon) -> MultiPolygon {
        let polygon = |polygon: &Polygon| {
            let holes = polygon.interiors().iter().map(|ring| self.ring(ring));
            Polygon::new(self.ring(polygon.exterior()), holes.collect())
        };
        MultiPolygon::new(shape.0.iter().map(polygon).collect())
    }

    fn ring(&self, ring: &LineString) -> LineString {
        let mut points = Vec::with_capacity(ring.0.len());
        for side in ring.lines() {
            let (start, step) = (side.start, side.delta());
            #[expect(
                clippy::cast_possible_truncation,
                clippy::cast_sign_loss,
                reason = "at most 7,200: a side is within the world"
            )]
            let pieces = (step.x.abs().max(step.y.abs()) / STRAIGHT_DEGREES).ceil() as u32;
            for piece in 0..pieces.max(1) {
                let part = f64::from(piece) / f64::from(pieces.max(1));
                points.push(self.point(start + step * part));
            }
        }
        LineString::new(points)
    }

    fn outline(&self, cell: CellIndex) -> Polygon {
        let boundary = cell.boundary();
        let corners = boundary.iter().map(|at| {
            self.point(Coord {
                x: at.lng(),
                y: at.lat(),
            })
        });
        Polygon::new(LineString::new(corners.collect()), Vec::new())
    }
}

fn dot(a: Vector, b: Vector) -> f64 {
    a[0] * b[0] + a[1] * b[1] + a[2] * b[2]
}
