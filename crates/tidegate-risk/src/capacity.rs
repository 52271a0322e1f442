//! How many people a venue may hold: its area over the space that a rule gives each of them.
//!
//! Rules are data with their source. Some are of egress design and some of keeping a distance; none
//! is derived here, and none says at which number an infection spreads.

mod rules;

pub use rules::{AREA_RULES, BEIJING_2020, SQUARE_OF_2_M};

use crate::area::{AreaKind, VenueArea};
use crate::density::{SQUARE_METRES_PER_SQUARE_FOOT, SquareMetres};

/// A quotient this close below a whole number is that number: without it, 100 persons' worth of
/// space that was converted from feet would hold 99.
const BOUNDARY_TOLERANCE: f64 = 1e-12;

/// The largest capacity, persons.
const CAPACITY_MAX: f64 = 1e12;

/// The space of one person, in the unit of its source.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Space {
    /// An area in square metres.
    SquareMetres(f64),
    /// An area in square feet, converted exactly.
    SquareFeet(f64),
    /// A distance in metres to six neighbours at once: `√3/2 d²`, the closest packing.
    HexagonalMetres(f64),
}

impl Space {
    /// The space in square metres.
    pub fn square_metres(self) -> f64 {
        match self {
            Self::SquareMetres(value) => value,
            Self::SquareFeet(value) => value * SQUARE_METRES_PER_SQUARE_FOOT,
            Self::HexagonalMetres(distance) => 3.0_f64.sqrt() / 2.0 * distance * distance,
        }
    }
}

/// What a rule is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Purpose {
    /// Keeping people apart in an epidemic.
    Distancing,
    /// Getting people out of a building.
    Egress,
}

/// How far the source of a rule was read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Evidence {
    /// The number was found in the named source, or in one that quotes it.
    Read,
    /// The number is plain geometry.
    Geometry,
    /// The number is from memory: compare it with the source before it is relied on.
    Unread,
}

/// A space per person that somebody laid down.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct AreaRule {
    /// The word used in configuration.
    pub word: &'static str,
    /// The space of one person.
    pub space: Space,
    /// The area that the rule is of, where it says so.
    pub area: Option<AreaKind>,
    /// What it is for.
    pub purpose: Purpose,
    /// Who laid it down, where and when.
    pub source: &'static str,
    /// How far that was read.
    pub evidence: Evidence,
}

/// Why there is no capacity.
#[derive(Debug, Clone, Copy, PartialEq, thiserror::Error)]
pub enum CapacityError {
    /// A space per person that is none.
    #[error("{0} m² a person is not a finite number above 0")]
    Space(f64),
    /// A rule of one kind of area, for a venue of which the other is known.
    #[error("rule {rule:?} is of another kind of area than {}", .kind.as_str())]
    Kind {
        /// The rule.
        rule: &'static str,
        /// What is known of the venue.
        kind: AreaKind,
    },
    /// More persons than any venue holds.
    #[error("a capacity of {0} persons is above 1e12")]
    TooMany(f64),
}

impl AreaRule {
    /// The rule called `word` in [`AREA_RULES`].
    pub fn from_word(word: &str) -> Option<&'static Self> {
        AREA_RULES.iter().find(|rule| rule.word == word)
    }

    /// The capacity of a venue by this rule, whole persons.
    ///
    /// # Errors
    /// [`CapacityError::Kind`] when the rule is of the other kind of area; as [`capacity`].
    ///
    /// ```
    /// use tidegate_risk::area::{AreaKind, VenueArea};
    /// use tidegate_risk::capacity::BEIJING_2020;
    /// let store = VenueArea::from_register(Some(1300.0), AreaKind::NetUsable)?;
    /// assert_eq!(BEIJING_2020.capacity(store)?, 650);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn capacity(&self, venue: VenueArea) -> Result<u64, CapacityError> {
        if self.area.is_some_and(|kind| kind != venue.kind) {
            return Err(CapacityError::Kind {
                rule: self.word,
                kind: venue.kind,
            });
        }
        capacity(venue.area, self.space)
    }
}

/// `floor(S / a)`: how many spaces `a` there are in the area `S`; 0 when it is smaller than one.
/// Method [`crate::method::CAPACITY_AREA_RULE`].
///
/// # Errors
/// [`CapacityError::Space`] when the space is no area; [`CapacityError::TooMany`] above 10¹².
pub fn capacity(area: SquareMetres, space: Space) -> Result<u64, CapacityError> {
    let space = space.square_metres();
    if !(space.is_finite() && space > 0.0) {
        return Err(CapacityError::Space(space));
    }
    let persons = area.get() / space * (1.0 + BOUNDARY_TOLERANCE);
    if persons > CAPACITY_MAX {
        return Err(CapacityError::TooMany(persons));
    }
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "rounds down, as it should, and is between 0 and 1e12"
    )]
    let whole = persons as u64;
    Ok(whole)
}

#[cfg(test)]
mod tests;
