//! Persons expected inside when the arrivals themselves are expected, not counted: then the
//! number inside is Poisson, or more spread than that, and not binomial.

use super::{DwellWeights, Z_975};
use crate::counts::{CountError, Dispersion, interval95};

/// Why there is no expectation.
#[derive(Debug, Clone, Copy, PartialEq, thiserror::Error)]
pub enum ForecastError {
    /// Expected arrivals that are no number of persons.
    #[error("{0} expected arrivals is not a finite number of 0 or more")]
    Arrivals(f64),
    /// An expectation or a dispersion out of range.
    #[error(transparent)]
    Count(#[from] CountError),
}

/// Persons expected inside.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct ExpectedPresence {
    /// Expected persons `μ = Σ E[a] w`.
    pub persons: f64,
    /// `μ`, or `μ + μ²/k`, persons².
    pub variance: f64,
    /// Low end of the 95 % prediction interval, whole persons: the 0.025 quantile at the low mean
    /// dwell.
    pub lo: u64,
    /// High end: the 0.975 quantile at the high mean dwell.
    pub hi: u64,
}

/// Persons expected inside by expected arrivals, newest window first, and the weights at the low,
/// middle and high mean dwell. Arrivals beyond the longest stay count for nothing.
/// Method [`crate::method::OCCUPANCY_DWELL_FORECAST`].
///
/// # Errors
/// [`ForecastError::Arrivals`], and [`ForecastError::Count`] for an expectation above 10⁷ persons.
pub fn expected_presence(
    weights: [&DwellWeights; 3],
    arrivals: &[f64],
    dispersion: Dispersion,
) -> Result<ExpectedPresence, ForecastError> {
    for value in arrivals {
        if !(value.is_finite() && *value >= 0.0) {
            return Err(ForecastError::Arrivals(*value));
        }
    }
    let mean = |weights: &DwellWeights| -> f64 {
        let terms = arrivals.iter().zip(weights.as_slice());
        terms.map(|(arrivals, weight)| arrivals * weight).sum()
    };
    let [low, mid, high] = weights.map(mean);
    let lowest = interval95(low.min(mid), dispersion)?;
    let highest = interval95(high.max(mid), dispersion)?;
    Ok(ExpectedPresence {
        persons: mid,
        variance: dispersion.variance(mid),
        lo: lowest.0,
        hi: highest.1,
    })
}

/// The variance of a number of which a 95 % interval is given, taken as normal.
pub(super) fn variance_of_interval(lo: f64, hi: f64) -> f64 {
    let sd = (hi - lo) / (2.0 * Z_975);
    sd * sd
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::occupancy::Dwell;
    use proptest::prelude::*;

    fn weights(mean: f64) -> DwellWeights {
        DwellWeights::try_new(Dwell::exponential(mean).unwrap(), 15.0, 240.0).unwrap()
    }

    /// Golden values D2 and D3 with expected arrivals: variance as large as the mean.
    #[test]
    fn poisson_and_more() {
        let mid = weights(30.0);
        let arrivals = [30.0, 80.0, 120.0, 60.0, 40.0];
        let expected = |dispersion| expected_presence([&mid; 3], &arrivals, dispersion).unwrap();
        let poisson = expected(Dispersion::Poisson);
        assert!(
            (poisson.persons - 111.327_590_8).abs() < 5e-8,
            "{poisson:?}"
        );
        assert!((poisson.variance - poisson.persons).abs() < 1e-12);
        let spread = expected(Dispersion::try_negative_binomial(20.0).unwrap());
        let variance = poisson.persons + poisson.persons * poisson.persons / 20.0;
        assert!((spread.variance - variance).abs() < 1e-9);
        assert!(spread.lo < poisson.lo && poisson.hi < spread.hi);
        let wide = expected_presence(
            [&weights(20.0), &mid, &weights(40.0)],
            &arrivals,
            Dispersion::Poisson,
        );
        let wide = wide.unwrap();
        assert!(wide.lo < poisson.lo && poisson.hi < wide.hi);
        let nobody = expected_presence([&mid; 3], &[], Dispersion::Poisson).unwrap();
        assert_eq!((nobody.lo, nobody.hi), (0, 0));
    }

    #[test]
    fn bad_input_is_a_typed_error() {
        let mid = weights(30.0);
        for bad in [-1.0, f64::NAN, f64::INFINITY] {
            let got = expected_presence([&mid; 3], &[bad], Dispersion::Poisson);
            assert!(matches!(got, Err(ForecastError::Arrivals(_))), "{bad}");
        }
        for large in [1e9, f64::MAX] {
            let got = expected_presence([&mid; 3], &[large, large], Dispersion::Poisson);
            assert!(matches!(got, Err(ForecastError::Count(_))), "{large}");
        }
    }

    proptest! {
        #[test]
        fn ends_enclose_the_expectation(
            arrivals in prop::collection::vec(0.0..3_000.0_f64, 0..20), k in 1.0..1_000.0_f64,
        ) {
            let mid = weights(30.0);
            let dispersion = Dispersion::try_negative_binomial(k).unwrap();
            let got = expected_presence([&mid; 3], &arrivals, dispersion).unwrap();
            #[expect(clippy::cast_precision_loss, reason = "small in this test")]
            let (lo, hi) = (got.lo as f64, got.hi as f64);
            prop_assert!(lo <= got.persons && got.persons <= hi + 1.0, "{:?}", got);
        }
    }
}
