//! From coordinates to cells, many times over: the answer of [`Cell::at`], several times sooner.
//!
//! H3 projects a point gnomonically onto the face of an icosahedron that it is nearest to, and
//! takes the nearest point `(i, j)` of a hexagonal lattice there. `h3o` does so by angles, with
//! seven trigonometric functions; by vectors two suffice. The lattice point is looked up in a
//! table that only `h3o`'s own answers have filled.
//!
//! The two ways round differently, by less than 1e-7 of a cell. So a point that lies within
//! [`MARGIN`] of the edge of its cell, near the border of two faces, or near a face's centre, where
//! `h3o`'s arc cosine loses digits, is left to `h3o`: the answers are equal, bit for bit.
//!
//! Sources: "H3: a hexagonal hierarchical geospatial indexing system", `faceijk.c` of H3 4
//! (Apache-2.0) for the constants; K. Sahr, "Geodesic discrete global grid systems", 2003.

use crate::{Cell, CellError, Resolution};

/// Least difference of the squared distances to the nearest and the second nearest lattice point,
/// in units of the lattice: twice the distance to the edge between them.
const MARGIN: f64 = 1e-5;

/// A face whose centre is nearer than this is the nearest: the cosine of the angle between a
/// face's centre and the middle of its edge, rounded up.
const COS_IN_CIRCLE: f64 = 0.934_173;

/// Nearer to a face's centre than 0.01 radians, `h3o`'s arc cosine is too coarse.
const COS_CENTRE: f64 = 0.999_95;

/// Entries of the table, a power of two. A city has some 10,000 cells of resolution 9.
const SLOTS: usize = 1 << 15;

/// Face of no entry.
const NO_FACE: u8 = u8::MAX;

/// Finds cells of one resolution, remembering the cells that it has found.
///
/// About 1 MiB. Equal coordinates give equal cells, whatever was asked before.
///
/// ```
/// use tidegate_model::{Cell, CellFinder, Resolution};
/// let mut finder = CellFinder::new(Resolution::Nine);
/// let cell = finder.find(51.5072, -0.1276).unwrap();
/// assert_eq!(Ok(cell), Cell::at(51.5072, -0.1276, Resolution::Nine));
/// ```
pub struct CellFinder {
    resolution: Resolution,
    faces: [Face; 20],
    /// The face of the last point: the next one is mostly on it.
    last: usize,
    table: Vec<Entry>,
}

/// A face's centre, and its lattice's axes scaled to the resolution.
#[derive(Debug, Clone, Copy)]
struct Face {
    centre: Vector,
    x: Vector,
    y: Vector,
}

#[derive(Debug, Clone, Copy)]
struct Entry {
    face: u8,
    i: i32,
    j: i32,
    cell: Cell,
}

type Vector = [f64; 3];

impl CellFinder {
    /// A finder of cells of `resolution` that has found nothing.
    pub fn new(resolution: Resolution) -> Self {
        let nowhere = Cell::at(0.0, 0.0, resolution).expect("the coordinate is on the earth");
        let empty = Entry {
            face: NO_FACE,
            i: 0,
            j: 0,
            cell: nowhere,
        };
        Self {
            resolution,
            faces: std::array::from_fn(|face| Face::new(face, resolution)),
            last: 0,
            table: vec![empty; SLOTS],
        }
    }

    /// The cell of a WGS 84 coordinate in degrees.
    ///
    /// # Errors
    /// As [`Cell::at`].
    pub fn find(&mut self, latitude: f64, longitude: f64) -> Result<Cell, CellError> {
        let at = |finder: &Self| Cell::at(latitude, longitude, finder.resolution);
        if !(-90.0..=90.0).contains(&latitude) || !(-180.0..=180.0).contains(&longitude) {
            return at(self);
        }
        let Some((face, i, j)) = self.lattice_point(unit_vector(latitude, longitude)) else {
            return at(self);
        };
        let slot = slot(face, i, j);
        let entry = self.table[slot];
        if (entry.face, entry.i, entry.j) == (face, i, j) {
            return Ok(entry.cell);
        }
        let cell = at(self)?;
        self.table[slot] = Entry { face, i, j, cell };
        Ok(cell)
    }

    /// The face and the lattice point that `point` belongs to beyond doubt.
    fn lattice_point(&mut self, point: Vector) -> Option<(u8, i32, i32)> {
        let cos = self.nearest_face(point)?;
        let face = &self.faces[self.last];
        let (i, j) = nearest(dot(point, face.x) / cos, dot(point, face.y) / cos)?;
        Some((u8::try_from(self.last).expect("20 faces"), i, j))
    }

    /// Makes the nearest face the last one and gives the cosine of the angle to its centre; `None`
    /// where the point is too near its centre or its border.
    fn nearest_face(&mut self, point: Vector) -> Option<f64> {
        let cos = dot(point, self.faces[self.last].centre);
        if cos >= COS_IN_CIRCLE {
            return (cos < COS_CENTRE).then_some(cos);
        }
        let (mut best, mut second) = (f64::MIN, f64::MIN);
        for (number, face) in self.faces.iter().enumerate() {
            let cos = dot(point, face.centre);
            if cos > best {
                (best, second) = (cos, best);
                self.last = number;
            } else if cos > second {
                second = cos;
            }
        }
        (best - second > 1e-9 && best < COS_CENTRE).then_some(best)
    }
}

impl std::fmt::Debug for CellFinder {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("CellFinder")
            .field("resolution", &self.resolution)
            .finish_non_exhaustive()
    }
}

impl Face {
    fn new(face: usize, resolution: Resolution) -> Self {
        /// Length of the lattice's unit at resolution 0 on the plane that touches a face's centre.
        const UNIT: f64 = 0.381_966_011_250_105;
        /// Odd resolutions are turned by asin(sqrt(3/28)).
        const TURN: f64 = 0.333_473_172_251_832_1;
        let centre = CENTRES[face];
        let turn = f64::from(u8::from(resolution) % 2) * TURN;
        let (sin, cos) = (AZIMUTHS[face] - turn).sin_cos();
        let scale = 7_f64.sqrt().powi(i32::from(u8::from(resolution))) / UNIT;
        let flat = centre[0].hypot(centre[1]);
        let east = [-centre[1] / flat, centre[0] / flat, 0.0];
        let north = [
            -centre[2] * east[1],
            centre[2] * east[0],
            centre[0] * east[1] - centre[1] * east[0],
        ];
        // Azimuths turn clockwise from north, the lattice's angles the other way.
        let axis = |north_part: f64, east_part: f64| -> Vector {
            std::array::from_fn(|n| scale * (north_part * north[n] + east_part * east[n]))
        };
        Self {
            centre,
            x: axis(cos, sin),
            y: axis(sin, -cos),
        }
    }
}

fn unit_vector(latitude: f64, longitude: f64) -> Vector {
    let (sin_lat, cos_lat) = latitude.to_radians().sin_cos();
    let (sin_lng, cos_lng) = longitude.to_radians().sin_cos();
    [cos_lat * cos_lng, cos_lat * sin_lng, sin_lat]
}

fn dot(a: Vector, b: Vector) -> f64 {
    a[0] * b[0] + a[1] * b[1] + a[2] * b[2]
}

/// The point of the lattice spanned by (1, 0) and (-1/2, sqrt(3)/2) that is nearest to `(x, y)`;
/// `None` where another is as near within [`MARGIN`].
#[expect(
    clippy::cast_possible_truncation,
    reason = "lattice points are below 2^24 at resolution 15"
)]
fn nearest(x: f64, y: f64) -> Option<(i32, i32)> {
    let row = y * (2.0 / SQRT_3);
    let column = x + row / 2.0;
    let (left, low) = (column.floor(), row.floor());
    let (across, up) = (column - left, row - low);
    // The nearest is a corner of the lattice's parallelogram around the point.
    let (mut best, mut second) = (f64::MAX, f64::MAX);
    let mut corner = (0, 0);
    for (di, dj) in [(0, 0), (1, 0), (0, 1), (1, 1)] {
        let (along, over) = (across - f64::from(di), up - f64::from(dj));
        let squared = along * along - along * over + over * over;
        if squared < best {
            (best, second) = (squared, best);
            corner = (di, dj);
        } else if squared < second {
            second = squared;
        }
    }
    (second - best > MARGIN).then_some((left as i32 + corner.0, low as i32 + corner.1))
}

const SQRT_3: f64 = 1.732_050_807_568_877_2;

fn slot(face: u8, i: i32, j: i32) -> usize {
    // Neighbours differ in the low bits of `i` and `j`: a square of 128 by 128 shares no slot.
    let (i, j) = (i.cast_unsigned() as usize, j.cast_unsigned() as usize);
    (i ^ (j << 7) ^ (j >> 8) ^ (usize::from(face) << 10)) % SLOTS
}

/// Centres of the faces on the unit sphere.
const CENTRES: [Vector; 20] = [
    [
        0.219_930_779_140_460_6,
        0.658_369_178_027_499_6,
        0.719_847_537_892_618_2,
    ],
    [
        -0.213_923_483_450_142_1,
        0.147_817_182_955_070_3,
        0.965_601_793_521_420_5,
    ],
    [
        0.109_262_527_878_479_7,
        -0.481_195_157_287_321,
        0.869_777_512_128_725_3,
    ],
    [
        0.742_856_730_158_679_1,
        -0.359_394_167_827_802_8,
        0.564_800_593_651_703_3,
    ],
    [
        0.811_253_470_914_096_9,
        0.344_895_323_763_938_4,
        0.472_138_773_641_393,
    ],
    [
        -0.105_549_814_961_392_1,
        0.979_445_729_641_141_3,
        0.171_887_461_000_936_5,
    ],
    [
        -0.807_540_757_997_009_2,
        0.153_355_248_589_881_8,
        0.569_526_199_488_268_8,
    ],
    [
        -0.284_614_806_978_790_7,
        -0.864_408_097_265_420_6,
        0.414_479_255_247_353_9,
    ],
    [
        0.740_562_147_385_448_2,
        -0.667_329_956_456_552_4,
        -0.078_983_764_632_673_7,
    ],
    [
        0.851_230_398_647_429_3,
        0.472_234_378_858_268_1,
        -0.228_913_738_868_780_8,
    ],
    [
        -0.740_562_147_385_448_1,
        0.667_329_956_456_552_4,
        0.078_983_764_632_673_7,
    ],
    [
        -0.851_230_398_647_429_2,
        -0.472_234_378_858_268_2,
        0.228_913_738_868_780_8,
    ],
    [
        0.105_549_814_961_391_9,
        -0.979_445_729_641_141_3,
        -0.171_887_461_000_936_5,
    ],
    [
        0.807_540_757_997_009_2,
        -0.153_355_248_589_881_9,
        -0.569_526_199_488_268_8,
    ],
    [
        0.284_614_806_978_790_8,
        0.864_408_097_265_420_4,
        -0.414_479_255_247_353_9,
    ],
    [
        -0.742_856_730_158_679_1,
        0.359_394_167_827_802_7,
        -0.564_800_593_651_703_3,
    ],
    [
        -0.811_253_470_914_097,
        -0.344_895_323_763_938_2,
        -0.472_138_773_641_393,
    ],
    [
        -0.219_930_779_140_460_7,
        -0.658_369_178_027_499_6,
        -0.719_847_537_892_618_2,
    ],
    [
        0.213_923_483_450_142,
        -0.147_817_182_955_070_4,
        -0.965_601_793_521_420_5,
    ],
    [
        -0.109_262_527_878_479_6,
        0.481_195_157_287_321,
        -0.869_777_512_128_725_3,
    ],
];

/// Azimuths from a face's centre to its first vertex, in radians clockwise from north: where the
/// axis `i` of even resolutions points.
const AZIMUTHS: [f64; 20] = [
    5.619_958_268_523_939_5,
    5.760_339_081_714_187_5,
    0.780_213_654_393_43,
    0.430_469_363_979_999_9,
    6.130_269_123_335_111,
    2.692_877_706_530_643,
    2.982_963_003_477_244,
    3.532_912_002_790_141,
    3.494_305_004_259_568,
    3.003_214_169_499_538_2,
    5.930_472_956_509_812,
    0.138_378_484_090_254_86,
    0.448_714_947_059_150_4,
    0.158_629_650_112_549_37,
    5.891_865_957_979_238,
    2.711_123_289_609_793,
    3.294_508_837_434_268,
    3.804_819_692_245_44,
    3.664_438_879_055_192_3,
    2.361_378_999_196_363,
];

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn check(finder: &mut CellFinder, latitude: f64, longitude: f64) {
        let expected = Cell::at(latitude, longitude, finder.resolution).unwrap();
        // Twice: from h3o, and from the table.
        for _ in 0..2 {
            let found = finder.find(latitude, longitude).unwrap();
            assert_eq!(
                found, expected,
                "{latitude}, {longitude} at {}",
                finder.resolution
            );
        }
    }

    proptest! {
        /// All over the world, in every resolution; consecutive points share one table.
        #[test]
        fn equals_h3o(
            resolution in 0_u8..16,
            points in prop::collection::vec((-90.0_f64..=90.0, -180.0_f64..=180.0), 1..300),
        ) {
            let mut finder = CellFinder::new(Resolution::try_from(resolution).unwrap());
            for (latitude, longitude) in points {
                check(&mut finder, latitude, longitude);
            }
        }

        /// In a small place, so that most cells come from the table; and close to corners and
        /// edges of cells, where rounding could tell.
        #[test]
        fn equals_h3o_near_edges(
            resolution in 0_u8..16,
            latitude in -89.0_f64..89.0,
            longitude in -179.0_f64..179.0,
            steps in prop::collection::vec((-1.0_f64..1.0, -1.0_f64..1.0, 0_u8..18), 1..60),
        ) {
            let resolution = Resolution::try_from(resolution).unwrap();
            let mut finder = CellFinder::new(resolution);
            let cell = Cell::at(latitude, longitude, resolution).unwrap();
            for corner in cell.h3().boundary().iter() {
                for (north, east, digits) in &steps {
                    let step = 10_f64.powi(-i32::from(*digits));
                    let (lat, lng) = (corner.lat() + north * step, corner.lng() + east * step);
                    if lat.abs() <= 90.0 && lng.abs() <= 180.0 {
                        check(&mut finder, lat, lng);
                    }
                }
            }
        }
    }

    #[test]
    fn most_points_do_not_need_h3o() {
        let mut finder = CellFinder::new(Resolution::Nine);
        let doubtful = (0..10_000)
            .filter(|n| {
                let share = f64::from(*n) / 10_000.0;
                let point = unit_vector(30.5 + share, 114.0 + (share * 97.0).fract());
                finder.lattice_point(point).is_none()
            })
            .count();
        assert!(doubtful < 10, "{doubtful} of 10,000");
    }

    #[test]
    fn what_is_outside_the_world_is_refused() {
        let mut finder = CellFinder::new(Resolution::Nine);
        for (latitude, longitude) in [
            (90.1, 0.0),
            (0.0, -180.5),
            (f64::NAN, 0.0),
            (0.0, f64::INFINITY),
        ] {
            assert!(finder.find(latitude, longitude).is_err());
        }
        assert_eq!(
            finder.find(90.0, 0.0),
            Cell::at(90.0, 0.0, Resolution::Nine)
        );
    }
}
