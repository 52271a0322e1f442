//! A whole number of persons of which two moments are known.
//!
//! A count whose variance is below, at or above its mean is binomial, Poisson or negative
//! binomial with these two moments (Panjer's class). Each of the three is exact for its own case;
//! for sums of different cases it is an approximation, whose error the method that uses it states.

use crate::special::{beta_cdf, gamma_p};

/// The largest mean and variance; beyond it the tails lose their digits.
const MOMENT_MAX: f64 = 1e9;

/// A variance this close to the mean, as a share of it, is the mean: the limits of the other two
/// families would divide by almost nothing.
const POISSON_TOLERANCE: f64 = 1e-9;

/// Why there is no distribution.
#[derive(Debug, Clone, Copy, PartialEq, thiserror::Error)]
pub enum CountError {
    /// A mean that is not a number of persons.
    #[error("mean {0} is not between 0 and 1e9 persons")]
    Mean(f64),
    /// A variance that is not finite or below 0.
    #[error("variance {0} is not between 0 and 1e18 persons²")]
    Variance(f64),
    /// A dispersion that is not above 0.
    #[error("dispersion {0} is not above 0")]
    Dispersion(f64),
}

/// How much of the distribution a central interval holds; half of the rest is on each side.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Coverage {
    /// 80 %: of what is outside, 10 % on each side.
    Eighty,
    /// 90 %.
    Ninety,
    /// 95 %.
    NinetyFive,
}

impl Coverage {
    /// The probability on each side, outside of the interval.
    pub const fn tail(self) -> f64 {
        match self {
            Self::Eighty => 0.1,
            Self::Ninety => 0.05,
            Self::NinetyFive => 0.025,
        }
    }

    /// Half the width of the interval of a normal distribution, in standard deviations.
    pub const fn z(self) -> f64 {
        match self {
            Self::Eighty => 1.281_551_565_544_600_4,
            Self::Ninety => 1.644_853_626_951_472_2,
            Self::NinetyFive => 1.959_963_984_540_054,
        }
    }
}

/// Whole persons from `lo` to `hi`, both included.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct CountInterval {
    /// The low end.
    pub lo: u64,
    /// The high end.
    pub hi: u64,
}

/// The distribution of a number of persons.
///
/// ```
/// use tidegate_risk::moments::{CountDistribution, Coverage};
/// let inside = CountDistribution::poisson(450.0)?.interval(Coverage::NinetyFive);
/// assert_eq!((inside.lo, inside.hi), (409, 492));
/// # Ok::<(), tidegate_risk::moments::CountError>(())
/// ```
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct CountDistribution {
    mean: f64,
    family: Family,
}

#[derive(Debug, Clone, Copy, PartialEq)]
enum Family {
    /// `trials` need not be whole: the distribution function is then an interpolation.
    Binomial {
        trials: f64,
        probability: f64,
    },
    Poisson,
    /// Variance `mean + mean² / size`.
    NegativeBinomial {
        size: f64,
    },
}

impl CountDistribution {
    /// A Poisson number.
    ///
    /// # Errors
    /// [`CountError::Mean`].
    pub fn poisson(mean: f64) -> Result<Self, CountError> {
        Ok(Self {
            mean: checked_mean(mean)?,
            family: Family::Poisson,
        })
    }

    /// A negative binomial number of variance `mean + mean² / size`.
    ///
    /// # Errors
    /// [`CountError::Mean`]; [`CountError::Dispersion`] for a `size` that is not above 0 and
    /// finite.
    pub fn negative_binomial(mean: f64, size: f64) -> Result<Self, CountError> {
        if !(size.is_finite() && size > 0.0) {
            return Err(CountError::Dispersion(size));
        }
        Ok(Self {
            mean: checked_mean(mean)?,
            family: Family::NegativeBinomial { size },
        })
    }

    /// The number with these two moments, persons and persons².
    ///
    /// # Errors
    /// [`CountError::Mean`]; [`CountError::Variance`].
    pub fn try_from_moments(mean: f64, variance: f64) -> Result<Self, CountError> {
        let mean = checked_mean(mean)?;
        if !(0.0..=MOMENT_MAX * MOMENT_MAX).contains(&variance) {
            return Err(CountError::Variance(variance));
        }
        let excess = variance - mean;
        let family = if excess.abs() <= POISSON_TOLERANCE * mean || mean <= 0.0 {
            Family::Poisson
        } else if excess > 0.0 {
            Family::NegativeBinomial {
                size: mean * (mean / excess),
            }
        } else {
            let probability = -excess / mean;
            Family::Binomial {
                trials: mean / probability,
                probability,
            }
        };
        Ok(Self { mean, family })
    }

    /// The expected number.
    pub const fn mean(self) -> f64 {
        self.mean
    }

    /// The probability of at most `persons`.
    pub fn at_most(self, persons: u64) -> f64 {
        if self.mean <= 0.0 {
            return 1.0;
        }
        let above = crate::importation::count(persons) + 1.0;
        match self.family {
            Family::Poisson => 1.0 - gamma_p(above, self.mean),
            Family::NegativeBinomial { size } => beta_cdf(size / (size + self.mean), size, above),
            Family::Binomial {
                trials,
                probability,
            } => {
                let left = trials - (above - 1.0);
                // A product of rounded numbers that is a whole number of trials.
                if left <= 1e-9 * trials {
                    1.0
                } else {
                    beta_cdf(1.0 - probability, left, above)
                }
            }
        }
    }

    /// The least number that is not exceeded with probability `q`, which is held in [0, 1).
    pub fn quantile(self, q: f64) -> u64 {
        let q = q.clamp(0.0, 1.0 - 1e-12);
        let mut hi = 1_u64;
        while self.at_most(hi) < q && hi < 1 << 53 {
            hi *= 2;
        }
        let mut lo = 0;
        while lo < hi {
            let mid = u64::midpoint(lo, hi);
            if self.at_most(mid) < q {
                lo = mid + 1;
            } else {
                hi = mid;
            }
        }
        lo
    }

    /// The central interval. At least `coverage` lies within, because persons are whole.
    pub fn interval(self, coverage: Coverage) -> CountInterval {
        CountInterval {
            lo: self.quantile(coverage.tail()),
            hi: self.quantile(1.0 - coverage.tail()),
        }
    }
}

fn checked_mean(mean: f64) -> Result<f64, CountError> {
    if (0.0..=MOMENT_MAX).contains(&mean) {
        Ok(mean)
    } else {
        Err(CountError::Mean(mean))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn check(distribution: CountDistribution, lo: u64, hi: u64) {
        let got = distribution.interval(Coverage::NinetyFive);
        assert_eq!((got.lo, got.hi), (lo, hi), "{distribution:?}");
    }

    #[test]
    fn golden_d5() {
        check(CountDistribution::poisson(450.0).unwrap(), 409, 492);
        check(
            CountDistribution::negative_binomial(450.0, 20.0).unwrap(),
            271,
            672,
        );
        // The same by its moments.
        check(
            CountDistribution::try_from_moments(450.0, 10_575.0).unwrap(),
            271,
            672,
        );
    }

    #[test]
    fn a_binomial_is_exact() {
        // Four coins.
        let coins = CountDistribution::try_from_moments(2.0, 1.0).unwrap();
        for (heads, expected) in [1.0, 5.0, 11.0, 15.0, 16.0].into_iter().enumerate() {
            let got = coins.at_most(heads as u64);
            assert!((got - expected / 16.0).abs() < 1e-14, "{heads}: {got}");
        }
        assert_eq!(coins.quantile(1.0), 4);
        let fixed = CountDistribution::try_from_moments(7.0, 0.0).unwrap();
        assert_eq!((fixed.quantile(1e-9), fixed.quantile(0.999)), (7, 7));
        let none = CountDistribution::try_from_moments(0.0, 5.0).unwrap();
        assert_eq!(none.quantile(0.999), 0);
    }

    #[test]
    fn bad_input_is_a_typed_error() {
        for bad in [-1.0, f64::NAN, f64::INFINITY, 2e9] {
            assert!(CountDistribution::poisson(bad).is_err(), "{bad}");
        }
        for bad in [-1.0, f64::NAN, f64::INFINITY] {
            assert!(CountDistribution::try_from_moments(1.0, bad).is_err());
            assert!(CountDistribution::negative_binomial(1.0, bad).is_err());
        }
        assert!(CountDistribution::negative_binomial(1.0, 0.0).is_err());
    }

    proptest! {
        #[test]
        fn a_distribution_function(
            mean in 0.0..1e5_f64, spread in 0.0..10.0_f64, a in 0..200_000_u64, b in 0..200_000_u64,
        ) {
            let count = CountDistribution::try_from_moments(mean, mean * spread).unwrap();
            let (low, high) = (count.at_most(a.min(b)), count.at_most(a.max(b)));
            prop_assert!((0.0..=1.0).contains(&low) && low <= high + 1e-9);
            let wide = count.interval(Coverage::NinetyFive);
            let narrow = count.interval(Coverage::Eighty);
            prop_assert!(wide.lo <= narrow.lo && narrow.lo <= narrow.hi && narrow.hi <= wide.hi);
        }
    }
}
