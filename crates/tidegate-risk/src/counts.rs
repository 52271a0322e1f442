//! Prediction intervals of whole persons: quantiles of the Poisson and the negative binomial
//! distribution.
//!
//! The distribution functions are the regularized incomplete gamma and beta functions, by the
//! series and continued fractions of Press et al. 2007, "Numerical Recipes", sections 6.2 and 6.4.

/// The largest expectation; beyond it rounding would show.
const MEAN_MAX: f64 = 1e7;

/// Bounds of the negative binomial's `k`.
const SIZE: std::ops::RangeInclusive<f64> = 0.01..=1e7;

/// Terms after which a series or fraction is taken as it is. At [`MEAN_MAX`] 40 000 are enough.
const TERMS_MAX: u32 = 200_000;

/// A number too small to divide by.
const TINY: f64 = 1e-300;

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

    /// The probability of at most `persons`.
    fn at_most(self, persons: u64, mean: f64) -> f64 {
        #[expect(clippy::cast_precision_loss, reason = "below 2^53, see `quantile`")]
        let above = persons as f64 + 1.0;
        match self {
            Self::Poisson => 1.0 - gamma_below(above, mean),
            Self::NegativeBinomial(Size(k)) => {
                beta_below(k, above, [k, mean].map(|part| part / (k + mean)))
            }
        }
    }

    /// The smallest number that is not exceeded with `probability`.
    fn quantile(self, probability: f64, mean: f64) -> u64 {
        let (mut low, mut high) = (0, 1);
        while high < 1 << 52 && self.at_most(high, mean) < probability {
            (low, high) = (high, high * 2);
        }
        if self.at_most(low, mean) >= probability {
            return low;
        }
        while high - low > 1 {
            let middle = low.midpoint(high);
            if self.at_most(middle, mean) < probability {
                low = middle;
            } else {
                high = middle;
            }
        }
        high
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
    if mean < TINY {
        return Ok((0, 0));
    }
    let at = |probability| dispersion.quantile(probability, mean);
    Ok((at(0.025), at(0.975)))
}

/// The regularized incomplete gamma function `P(a, x)`, for `a` of at least 1 and `x` above 0.
fn gamma_below(a: f64, x: f64) -> f64 {
    let scale = libm::exp(a * libm::log(x) - x - libm::lgamma(a));
    let below = if x < a + 1.0 {
        scale * gamma_series(a, x)
    } else {
        1.0 - scale * gamma_fraction(a, x)
    };
    below.clamp(0.0, 1.0)
}

fn gamma_series(a: f64, x: f64) -> f64 {
    let (mut term, mut sum, mut divisor) = (1.0 / a, 1.0 / a, a);
    for _ in 0..TERMS_MAX {
        divisor += 1.0;
        term *= x / divisor;
        sum += term;
        if term < sum * f64::EPSILON {
            break;
        }
    }
    sum
}

fn gamma_fraction(a: f64, x: f64) -> f64 {
    let mut denominator = x + 1.0 - a;
    let mut lentz = Lentz::new(1.0 / TINY, denominator);
    for term in 1..TERMS_MAX {
        let term = f64::from(term);
        denominator += 2.0;
        if lentz.step(-term * (term - a), denominator).is_last() {
            break;
        }
    }
    lentz.value
}

/// The regularized incomplete beta function `I_x(a, b)`, of `x` and `1 - x`, both between 0 and 1.
fn beta_below(a: f64, b: f64, [x, complement]: [f64; 2]) -> f64 {
    let ln_beta = libm::lgamma(a) + libm::lgamma(b) - libm::lgamma(a + b);
    let scale = libm::exp(a * libm::log(x) + b * libm::log1p(-x) - ln_beta);
    let below = if x < (a + 1.0) / (a + b + 2.0) {
        scale * beta_fraction(a, b, x) / a
    } else {
        1.0 - scale * beta_fraction(b, a, complement) / b
    };
    below.clamp(0.0, 1.0)
}

/// The continued fraction of the incomplete beta function.
fn beta_fraction(a: f64, b: f64, x: f64) -> f64 {
    let mut lentz = Lentz::new(1.0, 1.0 - (a + b) * x / (a + 1.0));
    for m in 1..TERMS_MAX {
        let m = f64::from(m);
        let even = m * (b - m) * x / ((a + 2.0 * m - 1.0) * (a + 2.0 * m));
        lentz.step(even, 1.0);
        let odd = -(a + m) * (a + b + m) * x / ((a + 2.0 * m) * (a + 2.0 * m + 1.0));
        if lentz.step(odd, 1.0).is_last() {
            break;
        }
    }
    lentz.value
}

/// A continued fraction so far, by Lentz's method.
struct Lentz {
    value: f64,
    /// The ratio of this numerator to the one before, and of the denominator before to this one.
    numerators: f64,
    denominators: f64,
    factor: f64,
}

impl Lentz {
    fn new(numerators: f64, first: f64) -> Self {
        let denominators = 1.0 / away_from_zero(first);
        Self {
            value: denominators,
            numerators,
            denominators,
            factor: denominators,
        }
    }

    fn step(&mut self, numerator: f64, denominator: f64) -> &Self {
        self.denominators = 1.0 / away_from_zero(denominator + numerator * self.denominators);
        self.numerators = away_from_zero(denominator + numerator / self.numerators);
        self.factor = self.denominators * self.numerators;
        self.value *= self.factor;
        self
    }

    fn is_last(&self) -> bool {
        (self.factor - 1.0).abs() < f64::EPSILON
    }
}

fn away_from_zero(value: f64) -> f64 {
    if value.abs() < TINY { TINY } else { value }
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
