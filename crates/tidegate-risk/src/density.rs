//! Crowd density on a venue's usable area, and its level of service.
//!
//! A level belongs to a named scheme: Fruin's and the Highway Capacity Manual's bands share their
//! letters and nothing else. A level is for a venue whose usable area is known; people over the
//! area of an H3 cell are an [`intensity`] and never get a level, because a cell also holds
//! buildings and streets.

use std::fmt;

use crate::method;

/// Square metres in a square foot, exactly (international foot of 0.3048 m).
pub const SQUARE_METRES_PER_SQUARE_FOOT: f64 = 0.092_903_04;

/// A density whose product with a band's space is this close to 1 stands on the boundary.
///
/// Without it, `100 / 325.16064` persons/m² would miss the 3.2516064 m² boundary it is equal to.
const BOUNDARY_TOLERANCE: f64 = 1e-12;

/// An area in square metres: finite and above 0.
#[derive(Debug, Clone, Copy, PartialEq, PartialOrd)]
pub struct SquareMetres(f64);

impl SquareMetres {
    /// An area of `value` square metres.
    ///
    /// # Errors
    /// [`DensityError::Area`] when `value` is not finite or not above 0.
    pub fn try_new(value: f64) -> Result<Self, DensityError> {
        if value.is_finite() && value > 0.0 {
            Ok(Self(value))
        } else {
            Err(DensityError::Area(value))
        }
    }

    /// An area of `value` square feet.
    ///
    /// # Errors
    /// [`DensityError::Area`] when `value` is not finite or not above 0.
    pub fn try_from_square_feet(value: f64) -> Result<Self, DensityError> {
        Self::try_new(value * SQUARE_METRES_PER_SQUARE_FOOT).map_err(|_| DensityError::Area(value))
    }

    /// The area in square metres.
    pub const fn get(self) -> f64 {
        self.0
    }
}

/// A crowd density in persons per square metre of usable area: finite, 0 or more.
#[derive(Debug, Clone, Copy, PartialEq, PartialOrd)]
pub struct PersonsPerSquareMetre(f64);

impl PersonsPerSquareMetre {
    /// A density of `value` persons per square metre.
    ///
    /// # Errors
    /// [`DensityError::Density`] when `value` is not finite or below 0.
    pub fn try_new(value: f64) -> Result<Self, DensityError> {
        if value.is_finite() && value >= 0.0 {
            Ok(Self(value))
        } else {
            Err(DensityError::Density(value))
        }
    }

    /// The density in persons per square metre.
    pub const fn get(self) -> f64 {
        self.0
    }
}

/// An intensity in persons per square kilometre of cell: finite, 0 or more. It has no level.
#[derive(Debug, Clone, Copy, PartialEq, PartialOrd)]
pub struct PersonsPerSquareKilometre(f64);

impl PersonsPerSquareKilometre {
    /// The intensity in persons per square kilometre.
    pub const fn get(self) -> f64 {
        self.0
    }
}

/// Why there is no density.
#[derive(Debug, Clone, Copy, PartialEq, thiserror::Error)]
pub enum DensityError {
    /// An area that is not finite or not above 0.
    #[error("area {0} m² is not a finite number above 0")]
    Area(f64),
    /// A number of persons that is not finite or below 0.
    #[error("{0} persons is not a finite number of 0 or more")]
    Persons(f64),
    /// A density that is not finite or below 0.
    #[error("density {0} persons/m² is not a finite number of 0 or more")]
    Density(f64),
}

/// Persons over the area that they can stand on: `persons / usable_area`.
///
/// `persons` may be fractional, because the bounds of an occupancy are.
/// Method [`method::DENSITY_USABLE_AREA`].
///
/// # Errors
/// [`DensityError::Persons`] when `persons` is not finite or below 0;
/// [`DensityError::Density`] when the quotient is too large for a number.
///
/// ```
/// use tidegate_risk::density::{SquareMetres, density};
/// let hall = SquareMetres::try_new(800.0)?;
/// assert_eq!(density(1200.0, hall)?.get(), 1.5);
/// # Ok::<(), tidegate_risk::density::DensityError>(())
/// ```
pub fn density(
    persons: f64,
    usable_area: SquareMetres,
) -> Result<PersonsPerSquareMetre, DensityError> {
    PersonsPerSquareMetre::try_new(checked_persons(persons)? / usable_area.0)
}

/// The persons who may be inside when each needs `space_per_person`: `⌊area / space⌋`, at most
/// 2⁵³. A quotient this close below a whole number (1 in 10¹²) is that number.
/// Method [`method::CAPACITY_SPACE`].
///
/// ```
/// use tidegate_risk::density::{SquareMetres, places};
/// let hall = SquareMetres::try_new(800.0)?;
/// assert_eq!(places(hall, SquareMetres::try_new(2.25)?), 355);
/// # Ok::<(), tidegate_risk::density::DensityError>(())
/// ```
#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "between 0 and 2^53"
)]
pub fn places(usable_area: SquareMetres, space_per_person: SquareMetres) -> u64 {
    let quotient = usable_area.0 / space_per_person.0 * (1.0 + BOUNDARY_TOLERANCE);
    quotient.min(9_007_199_254_740_992.0) as u64
}

/// Persons over the true area of a cell, per square kilometre.
///
/// Method [`method::INTENSITY_CELL_AREA`].
///
/// # Errors
/// As [`density`].
pub fn intensity(
    persons: f64,
    cell_area: SquareMetres,
) -> Result<PersonsPerSquareKilometre, DensityError> {
    let value = checked_persons(persons)? / cell_area.0 * 1e6;
    PersonsPerSquareMetre::try_new(value).map(|checked| PersonsPerSquareKilometre(checked.0))
}

fn checked_persons(persons: f64) -> Result<f64, DensityError> {
    if persons.is_finite() && persons >= 0.0 {
        Ok(persons)
    } else {
        Err(DensityError::Persons(persons))
    }
}

/// A table of bands that turns a density into a [`Los`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum LosScheme {
    /// Fruin 1971, walkways: people who walk. Markets, concourses, streets.
    FruinWalkway,
    /// Fruin 1971, queues: people who stand. Platforms, gate lines, check-in.
    FruinQueue,
    /// Highway Capacity Manual, walkways.
    HcmWalkway,
    /// Highway Capacity Manual, queues.
    HcmQueue,
}

impl LosScheme {
    /// Every scheme.
    pub const ALL: [Self; 4] = [
        Self::FruinWalkway,
        Self::FruinQueue,
        Self::HcmWalkway,
        Self::HcmQueue,
    ];

    /// The word used in configuration and SQL.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::FruinWalkway => "fruin_walkway",
            Self::FruinQueue => "fruin_queue",
            Self::HcmWalkway => "hcm_walkway",
            Self::HcmQueue => "hcm_queue",
        }
    }

    /// The scheme called `word`.
    pub fn from_word(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|scheme| scheme.as_str() == word)
    }

    /// The method id of a level by this scheme.
    pub const fn method(self) -> &'static str {
        match self {
            Self::FruinWalkway => method::LOS_FRUIN_WALKWAY,
            Self::FruinQueue => method::LOS_FRUIN_QUEUE,
            Self::HcmWalkway => method::LOS_HCM_WALKWAY,
            Self::HcmQueue => method::LOS_HCM_QUEUE,
        }
    }

    /// The least space per person of levels A to E, in square metres; below the last it is F.
    ///
    /// Fruin's bands are published in square feet per pedestrian (Fruin 1971, "Designing for
    /// pedestrians: a level-of-service concept", Highway Research Record 355) and converted here;
    /// metric tables in print are rounded. The HCM's metric bands are as published.
    pub const fn space_bounds_m2(self) -> [f64; 5] {
        /// Loops with an index, because iterators are not const.
        const fn feet(mut bounds: [f64; 5]) -> [f64; 5] {
            let mut band = 0;
            while band < bounds.len() {
                bounds[band] *= SQUARE_METRES_PER_SQUARE_FOOT;
                band += 1;
            }
            bounds
        }
        match self {
            Self::FruinWalkway => feet([35.0, 25.0, 15.0, 10.0, 5.0]),
            Self::FruinQueue => feet([13.0, 10.0, 7.0, 3.0, 2.0]),
            Self::HcmWalkway => [5.6, 3.7, 2.2, 1.4, 0.75],
            Self::HcmQueue => [1.2, 0.9, 0.6, 0.3, 0.2],
        }
    }
}

/// A level of service, A (free) to F (crush). The order is from free to crush.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Los {
    /// Free choice of speed.
    A,
    /// Nearly free.
    B,
    /// Passing is restricted.
    C,
    /// Most people are held up.
    D,
    /// Everybody shuffles.
    E,
    /// No movement but with the crowd.
    F,
}

impl Los {
    /// Every level, free to crush.
    pub const ALL: [Self; 6] = [Self::A, Self::B, Self::C, Self::D, Self::E, Self::F];

    /// The letter.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::A => "A",
            Self::B => "B",
            Self::C => "C",
            Self::D => "D",
            Self::E => "E",
            Self::F => "F",
        }
    }
}

impl fmt::Display for Los {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// The level of service of `density` by `scheme`.
///
/// A density on the boundary of two bands (within 1 in 10¹²) belongs to the freer one, in every
/// scheme.
///
/// ```
/// use tidegate_risk::density::{Los, LosScheme, PersonsPerSquareMetre, level};
/// let crowd = PersonsPerSquareMetre::try_new(1.0)?;
/// assert_eq!(level(LosScheme::FruinWalkway, crowd), Los::D);
/// assert_eq!(level(LosScheme::FruinQueue, crowd), Los::B);
/// # Ok::<(), tidegate_risk::density::DensityError>(())
/// ```
pub fn level(scheme: LosScheme, density: PersonsPerSquareMetre) -> Los {
    Los::ALL
        .into_iter()
        .zip(scheme.space_bounds_m2())
        .find(|(_, space)| density.0 * space <= 1.0 + BOUNDARY_TOLERANCE)
        .map_or(Los::F, |(level, _)| level)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn check_space(scheme: LosScheme, m2_per_person: f64, expected: &str) {
        // 100 persons, so that the division rounds as it does in use.
        let area = SquareMetres::try_new(m2_per_person * 100.0).unwrap();
        let crowd = density(100.0, area).unwrap();
        assert_eq!(
            level(scheme, crowd).as_str(),
            expected,
            "{scheme:?} at {m2_per_person} m² per person"
        );
    }

    #[test]
    fn fruin_bands_in_square_feet() {
        use LosScheme::{FruinQueue as Queue, FruinWalkway as Walk};
        for (scheme, feet, expected) in [
            (Walk, 1000.0, "A"),
            (Walk, 35.0, "A"),
            (Walk, 34.999, "B"),
            (Walk, 25.0, "B"),
            (Walk, 24.999, "C"),
            // The airport corridor: 300 persons/min over 30 ft at 180 ft/min is 18 ft² each.
            (Walk, 180.0 / (300.0 / 30.0), "C"),
            (Walk, 15.0, "C"),
            (Walk, 14.999, "D"),
            (Walk, 10.0, "D"),
            (Walk, 9.999, "E"),
            (Walk, 5.0, "E"),
            (Walk, 4.999, "F"),
            (Queue, 13.0, "A"),
            (Queue, 12.999, "B"),
            (Queue, 10.0, "B"),
            (Queue, 7.0, "C"),
            (Queue, 6.999, "D"),
            (Queue, 3.0, "D"),
            (Queue, 2.0, "E"),
            (Queue, 1.999, "F"),
        ] {
            check_space(scheme, feet * SQUARE_METRES_PER_SQUARE_FOOT, expected);
        }
    }

    #[test]
    fn hcm_bands_in_square_metres() {
        use LosScheme::{HcmQueue as Queue, HcmWalkway as Walk};
        for (scheme, m2, expected) in [
            (Walk, 5.6, "A"),
            (Walk, 5.599, "B"),
            (Walk, 3.7, "B"),
            (Walk, 2.2, "C"),
            (Walk, 1.4, "D"),
            (Walk, 0.75, "E"),
            (Walk, 0.749, "F"),
            (Queue, 1.2, "A"),
            (Queue, 0.9, "B"),
            (Queue, 0.6, "C"),
            (Queue, 0.3, "D"),
            (Queue, 0.2, "E"),
            (Queue, 0.199, "F"),
        ] {
            check_space(scheme, m2, expected);
        }
    }

    /// The densities that the domain notes print, to the digits that they print.
    #[test]
    fn fruin_boundaries_in_persons_per_square_metre() {
        let printed = [
            (LosScheme::FruinWalkway, [0.308, 0.431, 0.718, 1.076, 2.153]),
            (LosScheme::FruinQueue, [0.828, 1.076, 1.538, 3.588, 5.382]),
        ];
        for (scheme, expected) in printed {
            for (space, expected) in scheme.space_bounds_m2().into_iter().zip(expected) {
                let density = 1.0 / space;
                assert!((density - expected).abs() < 5e-4, "{density} {expected}");
            }
        }
    }

    #[test]
    fn golden_d6() {
        let hall = SquareMetres::try_new(800.0).unwrap();
        assert!((density(1_200.0, hall).unwrap().get() - 1.5).abs() < 1e-15);
        for (space, expected) in [(4.0, 200), (2.25, 355), (2.0, 400), (1e-300, 1 << 53)] {
            let space = SquareMetres::try_new(space).unwrap();
            assert_eq!(places(hall, space), expected, "{space:?}");
        }
        // 0.3 / 0.1 is 2.9999999999999996.
        let three = SquareMetres::try_new(0.3).unwrap();
        assert_eq!(places(three, SquareMetres::try_new(0.1).unwrap()), 3);
    }

    #[test]
    fn bad_input_is_a_typed_error() {
        let area = SquareMetres::try_new(1e-300).unwrap();
        assert!(matches!(
            density(f64::NAN, area),
            Err(DensityError::Persons(_))
        ));
        assert_eq!(density(-1.0, area), Err(DensityError::Persons(-1.0)));
        assert_eq!(
            density(1e300, area),
            Err(DensityError::Density(f64::INFINITY))
        );
        for bad in [0.0, -1.0, f64::NAN, f64::INFINITY] {
            assert!(SquareMetres::try_new(bad).is_err(), "{bad}");
            assert!(SquareMetres::try_from_square_feet(bad).is_err(), "{bad}");
        }
        assert!(PersonsPerSquareMetre::try_new(-0.1).is_err());
    }

    #[test]
    fn intensity_is_per_square_kilometre() {
        // The resolution 9 cell of Seoul's city hall (domain notes, section 5).
        let cell = SquareMetres::try_new(72_502.471).unwrap();
        let value = intensity(725.024_71, cell).unwrap().get();
        assert!((value - 10_000.0).abs() < 1e-6, "{value}");
    }

    /// Domain notes, section 5: the average area of resolution 9 overstates Seoul's cells 1.4529
    /// times, so that the intensity would be 31 % too low.
    #[test]
    fn the_average_area_will_not_do() {
        let at = |area| {
            intensity(1_000.0, SquareMetres::try_new(area).unwrap())
                .unwrap()
                .get()
        };
        for (true_area, expected) in [
            (72_502.471, 0.6883),
            (80_346.735, 0.7628),
            (81_927.120, 0.7778),
            (94_175.340, 0.8941),
            (86_151.242, 0.8179),
            (100_702.828, 0.9560),
            (105_818.022, 1.0046),
            (109_343.376, 1.0381),
        ] {
            let ratio = at(105_332.513) / at(true_area);
            assert!((ratio - expected).abs() < 5.001e-5, "{true_area}: {ratio}");
        }
        let overstated = at(72_502.471) / at(105_332.513);
        assert!((overstated - 1.4529).abs() < 1e-4, "{overstated}");
    }

    /// Golden value D6.
    #[test]
    fn persons_over_usable_area() {
        let hall = SquareMetres::try_new(800.0).unwrap();
        assert!((density(1_200.0, hall).unwrap().get() - 1.5).abs() < 1e-15);
    }

    #[test]
    fn words_and_methods_are_distinct() {
        for scheme in LosScheme::ALL {
            assert_eq!(LosScheme::from_word(scheme.as_str()), Some(scheme));
            assert!(method::ALL.contains(&scheme.method()));
        }
        assert_eq!(LosScheme::from_word("fruin"), None);
    }

    proptest! {
        /// A denser crowd never gets a freer level, and nobody is always A.
        #[test]
        fn level_is_monotone(a in 0.0..20.0_f64, b in 0.0..20.0_f64, index in 0..4_usize) {
            let scheme = LosScheme::ALL[index];
            let at = |value| level(scheme, PersonsPerSquareMetre::try_new(value).unwrap());
            prop_assert!(at(a.min(b)) <= at(a.max(b)));
            prop_assert_eq!(at(0.0), Los::A);
        }

        /// Every boundary belongs to the freer level, whatever number of persons stands on it.
        #[test]
        fn boundary_belongs_to_the_freer_level(
            persons in 1..1_000_000_u32, index in 0..4_usize, band in 0..5_usize,
        ) {
            let scheme = LosScheme::ALL[index];
            let persons = f64::from(persons);
            let area = SquareMetres::try_new(persons * scheme.space_bounds_m2()[band]).unwrap();
            prop_assert_eq!(level(scheme, density(persons, area).unwrap()), Los::ALL[band]);
        }
    }
}
