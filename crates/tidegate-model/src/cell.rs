//! H3 cells: 64-bit integers inside, hexadecimal text at every boundary.

use std::fmt;

/// An H3 resolution, 0 (continents) to 15 (about a square metre).
pub type Resolution = h3o::Resolution;

/// A valid H3 cell index.
///
/// ```
/// use tidegate_model::{Cell, Resolution};
/// let cell = Cell::at(51.5072, -0.1276, Resolution::Nine).unwrap();
/// assert_eq!(cell.to_string(), "89195da49b7ffff");
/// assert_eq!(Cell::try_from(cell.index()).unwrap(), cell);
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Cell(h3o::CellIndex);

impl Cell {
    /// The cell of a WGS 84 coordinate in degrees at `resolution`.
    ///
    /// # Errors
    /// [`CellError::Coordinate`] when latitude is outside ±90 or longitude outside ±180, or either
    /// is not finite.
    pub fn at(latitude: f64, longitude: f64, resolution: Resolution) -> Result<Self, CellError> {
        let bad = CellError::Coordinate {
            latitude,
            longitude,
        };
        if !(-90.0..=90.0).contains(&latitude) || !(-180.0..=180.0).contains(&longitude) {
            return Err(bad);
        }
        let point = h3o::LatLng::new(latitude, longitude).map_err(|_| bad)?;
        Ok(Self(point.to_cell(resolution)))
    }

    /// The 64-bit index; bit 63 is always zero.
    pub fn index(self) -> u64 {
        self.0.into()
    }

    /// The cell as `h3o` knows it.
    pub fn h3(self) -> h3o::CellIndex {
        self.0
    }
}

impl From<h3o::CellIndex> for Cell {
    fn from(cell: h3o::CellIndex) -> Self {
        Self(cell)
    }
}

impl TryFrom<u64> for Cell {
    type Error = CellError;

    fn try_from(index: u64) -> Result<Self, CellError> {
        h3o::CellIndex::try_from(index)
            .map(Self)
            .map_err(|_| CellError::Index(index))
    }
}

impl fmt::Display for Cell {
    /// Fifteen lower-case hexadecimal digits, as every H3 tool writes a cell.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:x}", self.index())
    }
}

/// Why a value is not a cell.
#[derive(Debug, Clone, Copy, PartialEq, thiserror::Error)]
pub enum CellError {
    /// A coordinate outside the world.
    #[error("coordinate lat {latitude}, lng {longitude} is outside the world")]
    Coordinate {
        /// Degrees north.
        latitude: f64,
        /// Degrees east.
        longitude: f64,
    },
    /// A number that is not an H3 cell.
    #[error("{0:x} is not an H3 cell")]
    Index(u64),
}
