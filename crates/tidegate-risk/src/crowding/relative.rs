//! How full a venue is against itself: persons over the level that it has when it is busy.
//!
//! Where the area that people can use is unknown, persons of two venues do not compare; against
//! its own busy level each venue does. What one venue's past cannot tell is taken from all venues.

use super::CrowdingError;

/// Which past level is the busy one, and how far one venue's past is believed.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct BusyRule {
    quantile: f64,
    prior: f64,
}

impl BusyRule {
    /// The `quantile`, 0.5 to 1, of a venue's past values, with the ratio of it to the median
    /// drawn to that of all venues as if `prior` values, 0 or more, said so.
    ///
    /// # Errors
    /// [`CrowdingError::Quantile`] and [`CrowdingError::Prior`].
    pub fn try_new(quantile: f64, prior: f64) -> Result<Self, CrowdingError> {
        if !(0.5..=1.0).contains(&quantile) {
            return Err(CrowdingError::Quantile(quantile));
        }
        if !(prior.is_finite() && prior >= 0.0) {
            return Err(CrowdingError::Prior(prior));
        }
        Ok(Self { quantile, prior })
    }

    /// The share of a venue's past values below its busy level, before it is drawn to the others.
    pub const fn quantile(self) -> f64 {
        self.quantile
    }

    /// Values of a venue's past that weigh as much as all other venues.
    pub const fn prior(self) -> f64 {
        self.prior
    }

    /// The busy level of each venue from its past persons, in the order given; `None` for a venue
    /// without a past. The order of a venue's values does not matter.
    /// Method [`crate::method::CROWDING_RELATIVE`].
    ///
    /// # Errors
    /// [`CrowdingError::Persons`].
    pub fn levels(self, venues: &[Vec<f64>]) -> Result<Vec<Option<BusyLevel>>, CrowdingError> {
        let own: Vec<_> = venues
            .iter()
            .map(|past| self.own(past))
            .collect::<Result<_, _>>()?;
        let mut ratios: Vec<f64> = own.iter().flatten().map(|own| own.ratio).collect();
        ratios.sort_unstable_by(f64::total_cmp);
        let pool = quantile_of(&ratios, 0.5);
        let level = |own: Own| {
            let weight = own.values / (own.values + self.prior);
            let ratio = weight * own.ratio + (1.0 - weight) * pool;
            BusyLevel(libm::expm1(own.median + ratio).max(0.0))
        };
        Ok(own.into_iter().map(|own| own.map(level)).collect())
    }

    fn own(self, past: &[f64]) -> Result<Option<Own>, CrowdingError> {
        let mut logs: Vec<f64> = past
            .iter()
            .map(|persons| Ok(libm::log1p(checked(*persons)?)))
            .collect::<Result<_, CrowdingError>>()?;
        if logs.is_empty() {
            return Ok(None);
        }
        logs.sort_unstable_by(f64::total_cmp);
        let median = quantile_of(&logs, 0.5);
        Ok(Some(Own {
            median,
            ratio: quantile_of(&logs, self.quantile) - median,
            values: count(logs.len()),
        }))
    }
}

/// What one venue's past says: `ln(1 + persons)` at the median, and how far above it is busy.
#[derive(Debug, Clone, Copy)]
struct Own {
    median: f64,
    ratio: f64,
    values: f64,
}

/// Persons at which a venue is busy: finite, 0 or more.
#[derive(Debug, Clone, Copy, PartialEq, PartialOrd)]
pub struct BusyLevel(f64);

impl BusyLevel {
    /// Persons.
    pub const fn get(self) -> f64 {
        self.0
    }

    /// `persons` against this level: `(1 + persons) / (1 + level)`.
    /// Method [`crate::method::CROWDING_RELATIVE`].
    ///
    /// # Errors
    /// [`CrowdingError::Persons`].
    ///
    /// ```
    /// use tidegate_risk::crowding::BusyRule;
    /// let past = vec![vec![49.0, 99.0, 149.0, 199.0, 249.0]];
    /// let level = BusyRule::try_new(0.75, 0.0)?.levels(&past)?[0].expect("it has a past");
    /// assert!((level.get() - 199.0).abs() < 1e-9);
    /// assert!((level.relative(299.0)?.get() - 1.5).abs() < 1e-12);
    /// # Ok::<(), tidegate_risk::crowding::CrowdingError>(())
    /// ```
    pub fn relative(self, persons: f64) -> Result<RelativeCrowd, CrowdingError> {
        Ok(RelativeCrowd((1.0 + checked(persons)?) / (1.0 + self.0)))
    }
}

/// Persons against a venue's busy level: finite, above 0, 1 when it is busy.
#[derive(Debug, Clone, Copy, PartialEq, PartialOrd)]
pub struct RelativeCrowd(f64);

impl RelativeCrowd {
    /// A score that was kept.
    ///
    /// # Errors
    /// [`CrowdingError::Score`] unless it is finite and above 0.
    pub fn try_new(score: f64) -> Result<Self, CrowdingError> {
        if score.is_finite() && score > 0.0 {
            Ok(Self(score))
        } else {
            Err(CrowdingError::Score(score))
        }
    }

    /// The ratio.
    pub const fn get(self) -> f64 {
        self.0
    }
}

/// `persons` when it is a number of them; the sum of 1 and it must be finite too.
fn checked(persons: f64) -> Result<f64, CrowdingError> {
    if (0.0..=PERSONS_MAX).contains(&persons) {
        Ok(persons)
    } else {
        Err(CrowdingError::Persons(persons))
    }
}

/// More than this many persons are nowhere; ratios stay finite.
const PERSONS_MAX: f64 = 1e12;

/// The quantile of ascending values by linear interpolation between neighbours (type 7 of Hyndman
/// and Fan 1996, The American Statistician 50:361); 0 of none.
fn quantile_of(ascending: &[f64], share: f64) -> f64 {
    let Some(last) = ascending.len().checked_sub(1) else {
        return 0.0;
    };
    let place = share * count(last);
    let below = libm::floor(place);
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "a share of an index is an index"
    )]
    let idx = (below as usize).min(last);
    let (low, high) = (ascending[idx], ascending[(idx + 1).min(last)]);
    low + (high - low) * (place - below)
}

#[expect(clippy::cast_precision_loss, reason = "exact below 2^53 values")]
fn count(n: usize) -> f64 {
    n as f64
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn levels(quantile: f64, prior: f64, venues: &[Vec<f64>]) -> Vec<Option<f64>> {
        let rule = BusyRule::try_new(quantile, prior).unwrap();
        let levels = rule.levels(venues).unwrap().into_iter();
        levels.map(|level| level.map(BusyLevel::get)).collect()
    }

    #[track_caller]
    fn check(found: Option<f64>, expected: f64) {
        let found = found.unwrap();
        assert!(
            (found - expected).abs() < 1e-9 * (1.0 + expected),
            "{found}"
        );
    }

    /// Ratios of busy to median 2, 4 and 1; so the pool's is 2.
    fn three() -> Vec<Vec<f64>> {
        vec![vec![99.0, 199.0], vec![9.0, 159.0], vec![49.0, 49.0]]
    }

    #[test]
    fn one_venue_has_its_own_quantile() {
        let past = vec![vec![7.0, 1.0, 3.0]];
        check(levels(0.5, 9.0, &past)[0], 3.0);
        check(levels(1.0, 9.0, &past)[0], 7.0);
        // Halfway between 4 and 8 in logarithms.
        check(levels(0.75, 0.0, &past)[0], 4.0 * 2.0_f64.sqrt() - 1.0);
        assert_eq!(levels(0.75, 0.0, &[vec![]]), [None]);
        assert_eq!(levels(0.75, 0.0, &[vec![0.0, 0.0]]), [Some(0.0)]);
    }

    #[test]
    fn a_short_past_is_drawn_to_the_pool() {
        let root = 2.0_f64.sqrt();
        // The median of each pair is its geometric mean, and half of the ratio is above it.
        let own = levels(1.0, 0.0, &three());
        check(own[0], 199.0);
        check(own[1], 159.0);
        check(own[2], 49.0);
        // Two values of prior against two values: the mean of own and pool, in logarithms.
        let drawn = levels(1.0, 2.0, &three());
        check(drawn[0], 199.0);
        check(drawn[1], 40.0 * (4.0 * root).sqrt() - 1.0);
        check(drawn[2], 50.0 * root.sqrt() - 1.0);
    }

    #[test]
    fn bad_input_is_a_typed_error() {
        for bad in [0.49, 1.01, f64::NAN] {
            assert!(BusyRule::try_new(bad, 1.0).is_err(), "{bad}");
        }
        for bad in [-1.0, f64::INFINITY, f64::NAN] {
            assert!(BusyRule::try_new(0.8, bad).is_err(), "{bad}");
            let rule = BusyRule::try_new(0.8, 1.0).unwrap();
            assert!(rule.levels(&[vec![1.0, bad]]).is_err(), "{bad}");
            assert!(BusyLevel(1.0).relative(bad).is_err(), "{bad}");
            assert!(RelativeCrowd::try_new(bad).is_err(), "{bad}");
        }
        assert!(RelativeCrowd::try_new(0.0).is_err());
    }

    proptest! {
        /// The order of values does not change a bit, more persons have the higher score, and the
        /// score is a number whatever the past was.
        #[test]
        fn laws(
            past in prop::collection::vec(0_u32..2_000_000, 1..40),
            quantile in 0.5..=1.0_f64,
            prior in 0.0..50.0_f64,
            persons in 0_u32..2_000_000,
        ) {
            let past: Vec<f64> = past.into_iter().map(f64::from).collect();
            let mut turned = past.clone();
            turned.reverse();
            let rule = BusyRule::try_new(quantile, prior).unwrap();
            let venues = [past, vec![5.0, 50.0, 500.0]];
            let level = rule.levels(&venues).unwrap()[0].unwrap();
            let again = rule.levels(&[turned, venues[1].clone()]).unwrap()[0].unwrap();
            prop_assert_eq!(level, again);
            let persons = f64::from(persons);
            let score = level.relative(persons).unwrap();
            prop_assert!(score.get() > 0.0 && score.get().is_finite());
            prop_assert!(level.relative(persons + 1.0).unwrap() > score);
        }
    }
}
