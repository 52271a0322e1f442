//! How near a venue is to too many: by its capacity, by a density at which people are hurt, and
//! by what is busy for this venue.
//!
//! The first two do not replace each other. A capacity is a policy, and somebody may set it too
//! high; so the level by density overrides the one by capacity whenever it is worse. The third is
//! for a venue of which neither capacity nor area is known ([`BusyRule`], [`CutRule`]); it says
//! what is unusual or what somebody would call crowded, not what is safe.

mod relative;

mod cut;

pub use cut::{Cut, CutRule, Cuts, Judged, Judgement};
pub use relative::{BusyLevel, BusyRule, RelativeCrowd};

use crate::density::PersonsPerSquareMetre;

/// A value this close below a bound has reached it.
const BOUNDARY_TOLERANCE: f64 = 1e-12;

/// A level, from nothing to say to too many.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum CrowdLevel {
    /// Nothing to say.
    Normal,
    /// Look at it.
    Watch,
    /// Act.
    Amber,
    /// Too many.
    Red,
}

impl CrowdLevel {
    /// Every level, the best first.
    pub const ALL: [Self; 4] = [Self::Normal, Self::Watch, Self::Amber, Self::Red];

    /// The level called `word`.
    pub fn from_word(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|level| level.as_str() == word)
    }

    /// The word used in SQL.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Normal => "normal",
            Self::Watch => "watch",
            Self::Amber => "amber",
            Self::Red => "red",
        }
    }

    /// The level by capacity, overridden by the one by density where that is worse; `None` when
    /// neither is known.
    pub fn overridden(load: Option<Self>, safety: Option<Self>) -> Option<Self> {
        load.max(safety)
    }
}

/// Whether a crowd walks.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Movement {
    /// It does: concourses, markets, streets.
    Moving,
    /// It stands: stands, platforms, queues.
    Static,
}

impl Movement {
    /// Both.
    pub const ALL: [Self; 2] = [Self::Moving, Self::Static];

    /// The word used in SQL.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Moving => "moving",
            Self::Static => "static",
        }
    }

    /// The movement called `word`.
    pub fn from_word(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|it| it.as_str() == word)
    }
}

/// Why there is no level.
#[derive(Debug, Clone, Copy, PartialEq, thiserror::Error)]
pub enum CrowdingError {
    /// Bounds that are no numbers above 0 or do not ascend.
    #[error("bounds {lower} and {upper} must be finite, above 0 and ascend")]
    Bounds {
        /// The lower.
        lower: f64,
        /// The upper.
        upper: f64,
    },
    /// Persons that are no number.
    #[error("{0} persons is not a finite number of 0 or more")]
    Persons(f64),
    /// A venue that may hold nobody has no load.
    #[error("a capacity of 0 persons has no load")]
    NoCapacity,
    /// A share of past values that is not the upper half.
    #[error("quantile {0} is not between 0.5 and 1")]
    Quantile(f64),
    /// A weight of the pool that is no number of 0 or more.
    #[error("prior {0} is not a finite number of 0 or more")]
    Prior(f64),
    /// A score that is no ratio above 0.
    #[error("score {0} is not a finite number above 0")]
    Score(f64),
}

/// Densities from which a crowd is amber and red, persons/m²: finite, above 0, ascending.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct SafetyBounds {
    amber: f64,
    red: f64,
}

impl SafetyBounds {
    /// Bounds in persons per square metre of usable area.
    ///
    /// # Errors
    /// [`CrowdingError::Bounds`].
    pub fn try_new(amber: f64, red: f64) -> Result<Self, CrowdingError> {
        ascending(amber, red)?;
        Ok(Self { amber, red })
    }

    /// Unless the venue says otherwise: 2.0 and 4.0 for a crowd that moves, 3.0 and 4.7 for one
    /// that stands.
    pub const fn of(movement: Movement) -> Self {
        match movement {
            Movement::Moving => Self {
                amber: 2.0,
                red: 4.0,
            },
            Movement::Static => Self {
                amber: 3.0,
                red: 4.7,
            },
        }
    }

    /// The level at `density`; a bound belongs to the worse level.
    /// Method [`crate::method::LEVEL_LIFE_SAFETY`].
    ///
    /// ```
    /// use tidegate_risk::crowding::{CrowdLevel, Movement, SafetyBounds};
    /// use tidegate_risk::density::PersonsPerSquareMetre;
    /// let crowd = PersonsPerSquareMetre::try_new(4.2)?;
    /// assert_eq!(SafetyBounds::of(Movement::Moving).level(crowd), CrowdLevel::Red);
    /// assert_eq!(SafetyBounds::of(Movement::Static).level(crowd), CrowdLevel::Amber);
    /// # Ok::<(), tidegate_risk::density::DensityError>(())
    /// ```
    pub fn level(self, density: PersonsPerSquareMetre) -> CrowdLevel {
        let bounds = [(self.red, CrowdLevel::Red), (self.amber, CrowdLevel::Amber)];
        worst(density.get(), bounds)
    }
}

/// Shares of the capacity from which a venue is on watch, amber and red: finite, above 0,
/// ascending.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct LoadBounds {
    watch: f64,
    amber: f64,
    red: f64,
}

impl LoadBounds {
    /// 0.7, 0.85 and 1.0.
    pub const DEFAULT: Self = Self {
        watch: 0.7,
        amber: 0.85,
        red: 1.0,
    };

    /// Bounds as shares of the capacity.
    ///
    /// # Errors
    /// [`CrowdingError::Bounds`].
    pub fn try_new(watch: f64, amber: f64, red: f64) -> Result<Self, CrowdingError> {
        ascending(watch, amber)?;
        ascending(amber, red)?;
        Ok(Self { watch, amber, red })
    }

    /// The level of `load`; a bound belongs to the worse level.
    /// Method [`crate::method::LEVEL_LOAD`].
    pub fn level(self, load: Load) -> CrowdLevel {
        let bounds = [
            (self.red, CrowdLevel::Red),
            (self.amber, CrowdLevel::Amber),
            (self.watch, CrowdLevel::Watch),
        ];
        worst(load.0, bounds)
    }
}

/// Persons over capacity: finite, 0 or more, above 1 when there are too many.
#[derive(Debug, Clone, Copy, PartialEq, PartialOrd)]
pub struct Load(f64);

impl Load {
    /// The load of `persons`, which may be fractional because the bounds of an occupancy are, in a
    /// venue for `capacity`.
    ///
    /// # Errors
    /// [`CrowdingError::Persons`] and [`CrowdingError::NoCapacity`].
    pub fn try_new(persons: f64, capacity: u64) -> Result<Self, CrowdingError> {
        if !(persons.is_finite() && persons >= 0.0) {
            return Err(CrowdingError::Persons(persons));
        }
        if capacity == 0 {
            return Err(CrowdingError::NoCapacity);
        }
        #[expect(clippy::cast_precision_loss, reason = "exact below 2^53 persons")]
        let capacity = capacity as f64;
        Ok(Self(persons / capacity))
    }

    /// The share.
    pub const fn get(self) -> f64 {
        self.0
    }
}

fn ascending(lower: f64, upper: f64) -> Result<(), CrowdingError> {
    if 0.0 < lower && lower < upper && upper.is_finite() {
        Ok(())
    } else {
        Err(CrowdingError::Bounds { lower, upper })
    }
}

/// The level of the first bound, worst first, that `value` has reached.
fn worst<const N: usize>(value: f64, bounds: [(f64, CrowdLevel); N]) -> CrowdLevel {
    let reached = |(bound, _): &(f64, CrowdLevel)| value >= bound * (1.0 - BOUNDARY_TOLERANCE);
    let level = bounds.into_iter().find(reached);
    level.map_or(CrowdLevel::Normal, |(_, level)| level)
}

#[cfg(test)]
mod tests {
    use super::*;
    use CrowdLevel::{Amber, Normal, Red, Watch};
    use proptest::prelude::*;

    #[test]
    fn densities() {
        for (movement, density, expected) in [
            (Movement::Moving, 0.0, Normal),
            (Movement::Moving, 1.999, Normal),
            (Movement::Moving, 2.0, Amber),
            (Movement::Moving, 3.999, Amber),
            (Movement::Moving, 4.0, Red),
            (Movement::Static, 2.999, Normal),
            (Movement::Static, 3.0, Amber),
            (Movement::Static, 4.699, Amber),
            (Movement::Static, 4.7, Red),
            (Movement::Static, 47.0 / 10.0, Red),
        ] {
            let density = PersonsPerSquareMetre::try_new(density).unwrap();
            assert_eq!(
                SafetyBounds::of(movement).level(density),
                expected,
                "{density:?}"
            );
        }
    }

    #[test]
    fn loads() {
        for (persons, capacity, expected) in [
            (0.0, 400, Normal),
            (279.0, 400, Normal),
            (280.0, 400, Watch),
            (339.0, 400, Watch),
            (340.0, 400, Amber),
            (399.9, 400, Amber),
            (400.0, 400, Red),
            (1e300, 1, Red),
        ] {
            let load = Load::try_new(persons, capacity).unwrap();
            assert_eq!(
                LoadBounds::DEFAULT.level(load),
                expected,
                "{persons} of {capacity}"
            );
        }
    }

    #[test]
    fn words_name_levels_and_movements() {
        assert!(CrowdLevel::ALL.is_sorted());
        for level in CrowdLevel::ALL {
            assert_eq!(CrowdLevel::from_word(level.as_str()), Some(level));
        }
        for movement in Movement::ALL {
            assert_eq!(Movement::from_word(movement.as_str()), Some(movement));
        }
        assert_eq!(CrowdLevel::from_word("green"), None);
        assert_eq!(Movement::from_word("Moving"), None);
    }

    #[test]
    fn the_worse_level_counts() {
        for (load, safety, expected) in [
            (Some(Normal), Some(Red), Some(Red)),
            (Some(Red), Some(Normal), Some(Red)),
            (None, Some(Amber), Some(Amber)),
            (Some(Watch), None, Some(Watch)),
            (None, None, None),
        ] {
            assert_eq!(CrowdLevel::overridden(load, safety), expected);
        }
    }

    #[test]
    fn bad_input_is_a_typed_error() {
        for bad in [0.0, -1.0, f64::NAN, f64::INFINITY] {
            assert!(SafetyBounds::try_new(bad, 4.0).is_err(), "{bad}");
            assert!(SafetyBounds::try_new(2.0, bad).is_err(), "{bad}");
            assert!(LoadBounds::try_new(bad, 0.85, 1.0).is_err(), "{bad}");
            assert!(LoadBounds::try_new(0.7, bad, 1.0).is_err(), "{bad}");
            assert!(LoadBounds::try_new(0.7, 0.85, bad).is_err(), "{bad}");
        }
        assert_eq!(Load::try_new(1.0, 0), Err(CrowdingError::NoCapacity));
        for bad in [-1.0, f64::NAN, f64::INFINITY] {
            assert!(Load::try_new(bad, 5).is_err(), "{bad}");
        }
    }

    proptest! {
        /// A bound is reached by the number of persons that makes it, however it was divided.
        #[test]
        fn bounds_are_reached(capacity in 1..1_000_000_u32) {
            let persons = f64::from(capacity) * 0.85;
            let load = Load::try_new(persons, u64::from(capacity)).unwrap();
            prop_assert_eq!(LoadBounds::DEFAULT.level(load), Amber);
        }
    }
}
