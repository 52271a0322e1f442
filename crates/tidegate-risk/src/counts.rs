//! Prediction intervals of whole persons by how much they vary about an expectation: quantiles of
//! [`crate::moments::CountDistribution`].

use crate::moments::{CountDistribution, Coverage};

/// The largest expectation; beyond it rounding would show.
const MEAN_MAX: f64 = 1e7;

/// Bounds of the negative binomial's `k`.
const SIZE: std::ops::RangeInclusive<f64> = 0.01..=1e7;

/// Why there is no interval.
#[derive(Debug, Clone, Copy, PartialEq, thiserror::Error)]
pub enum CountError {
    /// An expectation out of range.
    #[error("an expectation of {0} persons is not between 0 and 10000000")]
    Mean(f64),
    /// A dispersion out of range.
    #[error("dispersion k {0} is not between 0.01 and 10000000")]
    Size(f64),
}

/// The `k` of a negative binomial distribution: 0.01 to 10⁷.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Size(f64);

/// How much a number of persons varies about its expectation.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Dispersion {
    /// Variance `μ`.
    Poisson,
    /// Variance `μ + μ²/k`.
    NegativeBinomial(Size),
}

impl Dispersion {
    /// The negative binomial distribution with dispersion `k`; the smaller, the more it varies.
    ///
    /// # Errors
    /// [`CountError::Size`] outside 0.01 to 10⁷.
    pub fn try_negative_binomial(k: f64) -> Result<Self, CountError> {
        if SIZE.contains(&k) {
            Ok(Self::NegativeBinomial(Size(k)))
        } else {
            Err(CountError::Size(k))
        }
    }

    /// The dispersion by the method of moments: `k = m² / (s² - m)`, held within 0.01 and 10⁷;
    /// Poisson where the variance `s²` is not above the mean `m`.
    ///
    /// # Errors
    /// [`CountError::Mean`] when one of the two is no number of 0 or more.
    pub fn from_moments(mean: f64, variance: f64) -> Result<Self, CountError> {
        for value in [mean, variance] {
            if !(value.is_finite() && value >= 0.0) {
                return Err(CountError::Mean(value));
            }
        }
        if variance <= mean {
            return Ok(Self::Poisson);
        }
        let k = mean / (variance - mean) * mean;
        Self::try_negative_binomial(k.clamp(*SIZE.start(), *SIZE.end()))
    }

    /// The variance at the expectation `mean`.
    pub fn variance(self, mean: f64) -> f64 {
        match self {
            Self::Poisson => mean,
            Self::NegativeBinomial(Size(k)) => mean + mean * mean / k,
        }
    }
}

/// The 0.025 and the 0.975 quantile of a number of persons with the expectation `mean`.
///
/// # Errors
/// [`CountError::Mean`] outside 0 to 10⁷.
///
/// ```
/// use tidegate_risk::counts::{Dispersion, interval95};
/// assert_eq!(interval95(450.0, Dispersion::Poisson)?, (409, 492));
/// # Ok::<(), tidegate_risk::counts::CountError>(())
/// ```
pub fn interval95(mean: f64, dispersion: Dispersion) -> Result<(u64, u64), CountError> {
    if !(0.0..=MEAN_MAX).contains(&mean) {
        return Err(CountError::Mean(mean));
    }
    let distribution = match dispersion {
        Dispersion::Poisson => CountDistribution::poisson(mean),
        Dispersion::NegativeBinomial(Size(k)) => CountDistribution::negative_binomial(mean, k),
    };
    let within = distribution
        .expect("it takes more than was checked above")
        .interval(Coverage::NinetyFive);
    Ok((within.lo, within.hi))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn spread(k: f64) -> Dispersion {
        Dispersion::try_negative_binomial(k).unwrap()
    }

    /// Golden value D5, and small means by hand.
    #[test]
    fn published_intervals() {
        for (mean, dispersion, expected) in [
            (450.0, Dispersion::Poisson, (409, 492)),
            (450.0, spread(20.0), (271, 672)),
            (0.0, Dispersion::Poisson, (0, 0)),
            // P(0) = e^-1 = 0.368; P(≤2) = 0.920, P(≤3) = 0.981.
            (1.0, Dispersion::Poisson, (0, 3)),
            // k = 1 is geometric: P(≤x) = 1 - (10/11)^(x+1).
            (10.0, spread(1.0), (0, 38)),
        ] {
            assert_eq!(
                interval95(mean, dispersion),
                Ok(expected),
                "{mean} {dispersion:?}"
            );
        }
    }

    /// The ends of the range, against the normal and the exponential distribution.
    #[test]
    fn large_means() {
        let (lo, hi) = interval95(1e7, Dispersion::Poisson).unwrap();
        assert!(
            lo.abs_diff(9_993_802) <= 2 && hi.abs_diff(10_006_198) <= 2,
            "{lo} {hi}"
        );
        let (lo, hi) = interval95(1e7, spread(1.0)).unwrap();
        // -ln(0.975) and -ln(0.025) times the mean.
        assert!(
            lo.abs_diff(253_178) <= 2 && hi.abs_diff(36_888_795) <= 20,
            "{lo} {hi}"
        );
        let (lo, hi) = interval95(1e7, spread(1e7)).unwrap();
        assert!(
            lo.abs_diff(9_991_235) <= 5 && hi.abs_diff(10_008_765) <= 5,
            "{lo} {hi}"
        );
    }

    #[test]
    fn corners_have_an_interval() {
        for mean in [1e-300, 1e-9, 0.1, 1e3, 1e7] {
            for k in [0.01, 1.0, 1e3, 1e7] {
                let (lo, hi) = interval95(mean, spread(k)).unwrap();
                assert!(lo <= hi && hi < 10_000_000_000, "{mean} {k}: {lo} {hi}");
                let poisson = interval95(mean, Dispersion::Poisson).unwrap();
                assert!(lo <= poisson.0, "{mean} {k}: {lo} {poisson:?}");
            }
        }
    }

    #[test]
    fn bad_input_is_a_typed_error() {
        for bad in [-1.0, 1.1e7, f64::NAN, f64::INFINITY] {
            assert!(interval95(bad, Dispersion::Poisson).is_err(), "{bad}");
            assert!(Dispersion::try_negative_binomial(bad).is_err(), "{bad}");
        }
        assert!(Dispersion::try_negative_binomial(0.0).is_err());
        assert!(Dispersion::from_moments(1.0, f64::NAN).is_err());
        assert!(Dispersion::from_moments(-1.0, 1.0).is_err());
        assert_eq!(Dispersion::from_moments(5.0, 5.0), Ok(Dispersion::Poisson));
        assert_eq!(Dispersion::from_moments(0.0, 1.0), Ok(spread(0.01)));
        let k = Dispersion::from_moments(450.0, 450.0 + 450.0 * 450.0 / 20.0);
        assert!((k.unwrap().variance(450.0) - 10_575.0).abs() < 1e-6);
    }

    proptest! {
        /// The quantile against the sum of the probabilities themselves.
        #[test]
        fn quantiles_equal_sums(mean in 0.01..300.0_f64, k in 0.05..200.0_f64) {
            let p = k / (k + mean);
            let poisson = |n: f64| mean / n;
            let negative_binomial = |n: f64| (k + n - 1.0) / n * (1.0 - p);
            check_sum(mean, Dispersion::Poisson, libm::exp(-mean), poisson)?;
            check_sum(mean, spread(k), libm::pow(p, k), negative_binomial)?;
        }
    }

    /// `ratio(n)` is the probability of `n` over that of `n - 1`.
    fn check_sum(
        mean: f64,
        dispersion: Dispersion,
        first: f64,
        ratio: impl Fn(f64) -> f64,
    ) -> Result<(), TestCaseError> {
        let (lo, hi) = interval95(mean, dispersion).unwrap();
        let (mut probability, mut sum) = (first, 0.0);
        for n in 0..=hi {
            let below = sum;
            sum += probability;
            if n == lo {
                prop_assert!(
                    sum >= 0.025 - 1e-9 && below < 0.025 + 1e-9,
                    "{} {:?}",
                    mean,
                    dispersion
                );
            }
            if n == hi {
                prop_assert!(
                    sum >= 0.975 - 1e-9 && below < 0.975 + 1e-9,
                    "{} {:?}",
                    mean,
                    dispersion
                );
            }
            #[expect(clippy::cast_precision_loss, reason = "small in this test")]
            let next = ratio((n + 1) as f64);
            probability *= next;
        }
        Ok(())
    }
}
