//! Kernels between cells and geometries. Coordinates are WGS 84 degrees, longitude first.

use geo::{Coord, Geometry, LineString, MultiPolygon, Polygon};
use geo_traits::to_geo::ToGeoGeometry;
use h3o::geom::{ContainmentMode, SolventBuilder, TilerBuilder};
use h3o::{CellIndex, LatLng, Resolution};
use wkt::{ToWkt, TryFromWkt};

use super::CELLS_PER_CALL_MAX;
use super::cells::{indexes, require_one_resolution};
use super::kernel::{Fault, Output, Row, quoted};

pub(super) fn cell_to_boundary_wkt(row: &Row<'_>) -> Result<Output, Fault> {
    Ok(Output::Text(boundary(row.cell(0)?).wkt_string()))
}

pub(super) fn cell_to_boundary_wkb(row: &Row<'_>) -> Result<Output, Fault> {
    let mut bytes = Vec::new();
    let options = wkb::writer::WriteOptions {
        endianness: wkb::Endianness::LittleEndian,
    };
    wkb::writer::write_geometry(&mut bytes, &boundary(row.cell(0)?), &options)
        .map_err(Fault::from_error)?;
    Ok(Output::Bytes(bytes))
}

pub(super) fn cell_to_boundary_geojson(row: &Row<'_>) -> Result<Output, Fault> {
    let boundary = geojson::Geometry::new(geojson::GeometryValue::from(&boundary(row.cell(0)?)));
    Ok(Output::Text(boundary.to_string()))
}

/// The outline of a cell as a polygon, counterclockwise; cut in two where it crosses the
/// antimeridian (RFC 7946, section 3.1.9), and led over the pole where it contains one.
pub(super) fn boundary(cell: CellIndex) -> Geometry {
    let vertices = cell.boundary();
    let ring = unwrapped(vertices.iter().map(|vertex| Coord {
        x: vertex.lng(),
        y: vertex.lat(),
    }));
    let mut polygons: Vec<_> = [-360.0, 0.0, 360.0]
        .into_iter()
        .filter_map(|turn| window(&ring, turn))
        .map(|ring| Polygon::new(LineString::new(ring), Vec::new()))
        .collect();
    match (polygons.len(), polygons.pop()) {
        (1, Some(polygon)) => polygon.into(),
        (_, last) => {
            polygons.extend(last);
            MultiPolygon::new(polygons).into()
        }
    }
}

/// The ring with longitudes that may leave ±180°, so that no step is longer than half a turn.
///
/// A ring around a pole ends a full turn from its start; it is closed along the pole.
fn unwrapped(vertices: impl Iterator<Item = Coord>) -> Vec<Coord> {
    let mut ring: Vec<Coord> = Vec::new();
    for vertex in vertices {
        let x = ring
            .last()
            .map_or(vertex.x, |last| nearest_turn(vertex.x, last.x));
        ring.push(Coord { x, y: vertex.y });
    }
    if let (Some(&first), Some(&last)) = (ring.first(), ring.last()) {
        let end = nearest_turn(first.x, last.x);
        if (end - first.x).abs() > 180.0 {
            let pole = 90.0_f64.copysign(first.y);
            ring.push(Coord { x: end, y: first.y });
            ring.push(Coord { x: end, y: pole });
            ring.push(Coord {
                x: first.x,
                y: pole,
            });
        }
    }
    ring
}

/// `lng` shifted by the whole turns that bring it within half a turn of `near`.
fn nearest_turn(lng: f64, near: f64) -> f64 {
    if lng - near > 180.0 {
        nearest_turn(lng - 360.0, near)
    } else if lng - near < -180.0 {
        nearest_turn(lng + 360.0, near)
    } else {
        lng
    }
}

/// What of `ring`, shifted by `turn` degrees, lies between ±180° and has an area.
fn window(ring: &[Coord], turn: f64) -> Option<Vec<Coord>> {
    let shifted: Vec<_> = ring
        .iter()
        .map(|at| Coord {
            x: at.x + turn,
            y: at.y,
        })
        .collect();
    let ring = clip(&clip(&shifted, Side::East), Side::West);
    let west = ring.iter().map(|at| at.x).fold(f64::INFINITY, f64::min);
    let east = ring.iter().map(|at| at.x).fold(f64::NEG_INFINITY, f64::max);
    (west < east).then_some(ring)
}

#[derive(Clone, Copy)]
enum Side {
    West,
    East,
}

/// The part of a ring on the inner side of the antimeridian, by Sutherland and Hodgman (1974),
/// "Reentrant polygon clipping", Communications of the ACM 17(1).
fn clip(ring: &[Coord], side: Side) -> Vec<Coord> {
    let (limit, inside): (f64, fn(f64) -> bool) = match side {
        Side::West => (-180.0, |x| x >= -180.0),
        Side::East => (180.0, |x| x <= 180.0),
    };
    let mut kept = Vec::with_capacity(ring.len() + 2);
    let Some(mut from) = ring.last().copied() else {
        return kept;
    };
    for &to in ring {
        if inside(from.x) != inside(to.x) {
            let part = (limit - from.x) / (to.x - from.x);
            kept.push(Coord {
                x: limit,
                y: from.y + part * (to.y - from.y),
            });
        }
        if inside(to.x) {
            kept.push(to);
        }
        from = to;
    }
    kept
}

pub(super) fn polygon_wkt_to_cells(row: &Row<'_>) -> Result<Output, Fault> {
    let (text, resolution) = (row.text(0), row.resolution(1)?);
    let word: String = text
        .trim_start()
        .chars()
        .take_while(char::is_ascii_alphabetic)
        .collect();
    // Other words are refused before the parser, which recurses into collections.
    if !["POLYGON", "MULTIPOLYGON"].contains(&word.to_ascii_uppercase().as_str()) {
        return Err(not_polygonal(&format!("WKT {}", quoted(text))));
    }
    let geometry = Geometry::try_from_wkt_str(text)
        .map_err(|error| Fault::new(format!("WKT {} is broken: {error}", quoted(text))))?;
    cover(geometry, resolution)
}

pub(super) fn polygon_wkb_to_cells(row: &Row<'_>) -> Result<Output, Fault> {
    let (bytes, resolution) = (row.bytes(0), row.resolution(1)?);
    cover(polygon_of_wkb(bytes)?, resolution)
}

pub(super) fn polygon_of_wkb(bytes: &[u8]) -> Result<Geometry, Fault> {
    let broken = |error: &dyn std::fmt::Display| {
        Fault::new(format!("WKB of {} bytes is broken: {error}", bytes.len()))
    };
    // The low byte of the type: 3 is a polygon and 6 a multipolygon, also with Z, M or SRID; other
    // types are refused before the parser, which recurses into collections.
    let kind = match bytes.first_chunk::<5>() {
        Some(&[0, high, mid, low_mid, low]) => u32::from_be_bytes([high, mid, low_mid, low]),
        Some(&[1, low, low_mid, mid, high]) => u32::from_le_bytes([low, low_mid, mid, high]),
        Some(_) => return Err(broken(&"its first byte is no byte order")),
        None => return Err(broken(&"it ends in its head")),
    };
    if !matches!(kind % 1000, 3 | 6) && !matches!(kind & 0xff, 3 | 6) {
        return Err(not_polygonal(&format!("WKB of type {kind}")));
    }
    let geometry = wkb::reader::read_wkb(bytes).map_err(|error| broken(&error))?;
    geometry
        .try_to_geometry()
        .ok_or_else(|| broken(&"it is empty"))
}

fn not_polygonal(what: &str) -> Fault {
    Fault::new(format!("{what} is neither POLYGON nor MULTIPOLYGON"))
}

/// The cells whose centre lies in `geometry`, ascending.
fn cover(geometry: Geometry, resolution: Resolution) -> Result<Output, Fault> {
    let polygons = match geometry {
        Geometry::Polygon(polygon) => vec![polygon],
        Geometry::MultiPolygon(polygons) => polygons.0,
        _ => return Err(not_polygonal("the geometry")),
    };
    let polygons: Vec<_> = polygons
        .into_iter()
        .filter(|polygon| !polygon.exterior().0.is_empty())
        .collect();
    let too_many = || {
        Fault::new(format!(
            "the polygon has more than {CELLS_PER_CALL_MAX} cells at resolution {resolution}"
        ))
    };
    if outline_cells(&polygons, resolution)? > CELLS_PER_CALL_MAX {
        return Err(too_many());
    }
    let mut tiler = TilerBuilder::new(resolution)
        .containment_mode(ContainmentMode::ContainsCentroid)
        .build();
    tiler.add_batch(polygons).map_err(Fault::from_error)?;
    let limit = usize::try_from(CELLS_PER_CALL_MAX).expect("a million fits");
    let mut cells: Vec<_> = tiler.into_coverage().take(limit + 1).collect();
    if cells.len() > limit {
        return Err(too_many());
    }
    // Polygons that overlap cover a cell twice, and the tiler's order follows the outline.
    cells.sort_unstable();
    cells.dedup();
    Ok(indexes(cells))
}

/// About how many cells the outlines of `polygons` pass: what the tiler walks before it yields.
///
/// # Errors
/// Names a coordinate outside the world.
fn outline_cells(polygons: &[Polygon], resolution: Resolution) -> Result<u64, Fault> {
    let mut radians = 0.0;
    for polygon in polygons {
        for ring in std::iter::once(polygon.exterior()).chain(polygon.interiors()) {
            let mut last: Option<LatLng> = None;
            for &at in &ring.0 {
                let point = checked(at)?;
                radians += last.map_or(0.0, |last| last.distance_rads(point));
                last = Some(point);
            }
        }
    }
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "finite and not negative; the cast saturates"
    )]
    Ok((radians / resolution.edge_length_rads()).ceil() as u64)
}

fn checked(Coord { x, y }: Coord) -> Result<LatLng, Fault> {
    let outside = || Fault::new(format!("coordinate lng {x}, lat {y} is outside the world"));
    if !(-180.0..=180.0).contains(&x) || !(-90.0..=90.0).contains(&y) {
        return Err(outside());
    }
    LatLng::new(y, x).map_err(|_| outside())
}

pub(super) fn cells_to_multi_polygon_wkt(row: &Row<'_>) -> Result<Output, Fault> {
    let mut cells = row.cells(0)?;
    require_one_resolution(&cells)?;
    if u64::try_from(cells.len()).is_ok_and(|count| count > CELLS_PER_CALL_MAX) {
        return Err(Fault::new(format!(
            "{} cells are more than the limit of {CELLS_PER_CALL_MAX}",
            cells.len()
        )));
    }
    cells.sort_unstable();
    cells.dedup();
    if cells.is_empty() {
        // The solvent takes no cells for the whole world.
        return Ok(Output::Text(
            MultiPolygon::<f64>::new(Vec::new()).wkt_string(),
        ));
    }
    let outline = SolventBuilder::new()
        .build()
        .dissolve(cells)
        .map_err(Fault::from_error)?;
    Ok(Output::Text(outline.wkt_string()))
}
