//! The area of a venue as its register has it: perhaps missing, perhaps 0, gross or usable.

use crate::density::SquareMetres;

/// What an area is of.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum AreaKind {
    /// Everything within the walls.
    Gross,
    /// What people can stand on, without stalls, shelves and walls.
    NetUsable,
}

impl AreaKind {
    /// Every kind.
    pub const ALL: [Self; 2] = [Self::Gross, Self::NetUsable];

    /// The word used in registers.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Gross => "gross",
            Self::NetUsable => "net_usable",
        }
    }

    /// The kind called `word`.
    pub fn from_word(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.as_str() == word)
    }
}

/// Why a venue has no area to divide by.
#[derive(Debug, Clone, Copy, PartialEq, thiserror::Error)]
pub enum NoArea {
    /// The register has none.
    #[error("the venue's register has no area")]
    Missing,
    /// The register has 0, a negative number or none at all.
    #[error("area {0} m² is not a finite number above 0")]
    NotAnArea(f64),
    /// The area is gross, and a density needs the usable one.
    #[error("the venue's register has a gross area only")]
    Gross,
}

/// An area with its kind.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct VenueArea {
    /// The area.
    pub area: SquareMetres,
    /// What it is of.
    pub kind: AreaKind,
}

impl VenueArea {
    /// The area of a register's entry, in square metres.
    ///
    /// # Errors
    /// [`NoArea::Missing`] and [`NoArea::NotAnArea`].
    pub fn from_register(square_metres: Option<f64>, kind: AreaKind) -> Result<Self, NoArea> {
        let value = square_metres.ok_or(NoArea::Missing)?;
        let area = SquareMetres::try_new(value).map_err(|_| NoArea::NotAnArea(value))?;
        Ok(Self { area, kind })
    }

    /// The area that a density and a level of service may be of.
    ///
    /// # Errors
    /// [`NoArea::Gross`]: a density over it would be too low by an unknown factor.
    pub const fn usable(self) -> Result<SquareMetres, NoArea> {
        match self.kind {
            AreaKind::NetUsable => Ok(self.area),
            AreaKind::Gross => Err(NoArea::Gross),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_area_or_the_reason() {
        use AreaKind::{Gross, NetUsable};
        let usable = |value, kind| {
            VenueArea::from_register(value, kind)?
                .usable()
                .map(SquareMetres::get)
        };
        assert_eq!(usable(Some(800.0), NetUsable), Ok(800.0));
        assert_eq!(usable(Some(800.0), Gross), Err(NoArea::Gross));
        assert_eq!(usable(None, NetUsable), Err(NoArea::Missing));
        for bad in [0.0, -0.0, -5.0, f64::INFINITY] {
            assert_eq!(usable(Some(bad), NetUsable), Err(NoArea::NotAnArea(bad)));
        }
        assert!(usable(Some(f64::NAN), NetUsable).is_err());
        for kind in AreaKind::ALL {
            assert_eq!(AreaKind::from_word(kind.as_str()), Some(kind));
        }
    }
}
