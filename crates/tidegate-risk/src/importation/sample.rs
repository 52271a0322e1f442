//! What a sample of tests says of a prevalence, and what the errors of the test take from it.

use super::{ImportationError, Prevalence, count};
use crate::moments::Coverage;
use crate::special::beta_quantile;

/// Two numbers `lo <= hi`, both finite.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Interval {
    /// The low end.
    pub lo: f64,
    /// The high end.
    pub hi: f64,
}

/// Positives among people tested: at least one tested, no more positives than tests.
/// Method [`crate::method::PREVALENCE_SAMPLE`].
///
/// ```
/// use tidegate_risk::moments::Coverage;
/// use tidegate_risk::importation::Sample;
/// let wilson = Sample::try_new(3, 2000)?.wilson(Coverage::NinetyFive);
/// assert!((wilson.lo - 0.00051026).abs() < 5e-9 && (wilson.hi - 0.00440103).abs() < 5e-9);
/// # Ok::<(), tidegate_risk::importation::ImportationError>(())
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Sample {
    positive: u64,
    tested: u64,
}

impl Sample {
    /// `positive` of `tested`.
    ///
    /// # Errors
    /// [`ImportationError::NoTests`]; [`ImportationError::Tests`] when there are more positives
    /// than tests.
    pub fn try_new(positive: u64, tested: u64) -> Result<Self, ImportationError> {
        match tested {
            0 => Err(ImportationError::NoTests),
            _ if positive > tested => Err(ImportationError::Tests { positive, tested }),
            _ => Ok(Self { positive, tested }),
        }
    }

    /// The share of positives.
    pub fn share(self) -> Prevalence {
        Prevalence((count(self.positive) / count(self.tested)).min(1.0))
    }

    /// The exact interval (Clopper and Pearson 1934, Biometrika 26:404): at least `coverage`,
    /// mostly more.
    pub fn clopper_pearson(self, coverage: Coverage) -> Interval {
        Interval {
            lo: self.lower_bound(coverage.tail()),
            hi: self.upper_bound(coverage.tail()),
        }
    }

    /// The least prevalence that would give so many positives with probability `tail` or more.
    fn lower_bound(self, tail: f64) -> f64 {
        if self.positive == 0 {
            return 0.0;
        }
        let negative = self.tested - self.positive;
        beta_quantile(tail, count(self.positive), count(negative) + 1.0)
    }

    /// The largest prevalence that would give so few positives with probability `tail` or more:
    /// the one-sided upper bound of confidence `1 - tail`. For no positives about `-ln(tail) / n`
    /// (the "rule of three"). `tail` is held in [1e-12, 1].
    pub fn upper_bound(self, tail: f64) -> f64 {
        let negative = self.tested - self.positive;
        if negative == 0 {
            return 1.0;
        }
        let tail = if tail.is_nan() {
            1e-12
        } else {
            tail.clamp(1e-12, 1.0)
        };
        beta_quantile(1.0 - tail, count(self.positive) + 1.0, count(negative))
    }

    /// The score interval (Wilson 1927, JASA 22:209): `coverage` on average.
    pub fn wilson(self, coverage: Coverage) -> Interval {
        let (n, share, z) = (count(self.tested), self.share().get(), coverage.z());
        let scale = 1.0 + z * z / n;
        let centre = (share + z * z / (2.0 * n)) / scale;
        let half = z * (share * (1.0 - share) / n + z * z / (4.0 * n * n)).sqrt() / scale;
        Interval {
            lo: (centre - half).clamp(0.0, share),
            hi: (centre + half).clamp(share, 1.0),
        }
    }
}

/// How often a test is right: shares whose sum is above 1, or the test is no better than chance.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct TestAccuracy {
    sensitivity: f64,
    specificity: f64,
}

impl TestAccuracy {
    /// A test that finds the share `sensitivity` of the infected and clears the share
    /// `specificity` of the others.
    ///
    /// # Errors
    /// [`ImportationError::Accuracy`].
    pub fn try_new(sensitivity: f64, specificity: f64) -> Result<Self, ImportationError> {
        let shares = (0.0..=1.0).contains(&sensitivity) && (0.0..=1.0).contains(&specificity);
        if shares && sensitivity + specificity - 1.0 >= 1e-9 {
            Ok(Self {
                sensitivity,
                specificity,
            })
        } else {
            Err(ImportationError::Accuracy {
                sensitivity,
                specificity,
            })
        }
    }

    /// The prevalence behind the share `positive` of positive tests:
    /// `(positive + Sp - 1) / (Se + Sp - 1)`, held in [0, 1] (Rogan and Gladen 1978, Am J
    /// Epidemiol 107:71). Fewer positives than the false ones expected give 0.
    pub fn true_prevalence(self, positive: Prevalence) -> Prevalence {
        let found = positive.get() + self.specificity - 1.0;
        let value = found / (self.sensitivity + self.specificity - 1.0);
        // `+ 0.0` turns -0.0 into 0.
        Prevalence(value.clamp(0.0, 1.0) + 0.0)
    }
}

#[cfg(test)]
mod tests {
    use super::super::BetaPosterior;
    use super::*;
    use proptest::prelude::*;

    fn check(actual: f64, expected: f64, decimals: i32) {
        let tolerance = 0.5 * 10_f64.powi(-decimals) * 1.000_1;
        assert!(
            (actual - expected).abs() <= tolerance,
            "{actual} is not {expected} to {decimals} decimals"
        );
    }

    fn sample(positive: u64, tested: u64) -> Sample {
        Sample::try_new(positive, tested).unwrap()
    }

    #[test]
    fn golden_i9_interval() {
        let jeffreys = BetaPosterior::try_jeffreys(3, 2_000).unwrap();
        let interval = jeffreys.interval(Coverage::NinetyFive);
        check(interval.lo, 0.000_422_64, 8);
        check(interval.hi, 0.003_997_68, 8);
    }

    #[test]
    fn golden_i10() {
        let clopper = sample(3, 2_000).clopper_pearson(Coverage::NinetyFive);
        check(clopper.lo, 0.000_309_44, 8);
        check(clopper.hi, 0.004_377_32, 8);
        let wilson = sample(3, 2_000).wilson(Coverage::NinetyFive);
        check(wilson.lo, 0.000_510_26, 8);
        check(wilson.hi, 0.004_401_03, 8);
        check(sample(0, 300).upper_bound(0.05), 0.009_936_081_9, 10);
    }

    #[test]
    fn golden_i11() {
        let test = TestAccuracy::try_new(0.8, 0.995).unwrap();
        let share = Prevalence::try_new(0.012).unwrap();
        check(test.true_prevalence(share).get(), 0.008_805_031_4, 10);
        check(test.true_prevalence(Prevalence::ZERO).get(), 0.0, 17);
    }

    #[test]
    fn bad_input_is_a_typed_error() {
        use ImportationError as E;
        assert_eq!(Sample::try_new(0, 0), Err(E::NoTests));
        assert!(Sample::try_new(3, 2).is_err());
        for (se, sp) in [(0.5, 0.5), (1.1, 0.9), (0.9, f64::NAN), (-0.1, 1.0)] {
            assert!(TestAccuracy::try_new(se, sp).is_err(), "{se} {sp}");
        }
        check(sample(5, 5).upper_bound(0.05), 1.0, 15);
        assert!(sample(0, 5).upper_bound(f64::NAN).is_finite());
    }

    proptest! {
        #[test]
        fn intervals_hold_the_share(tested in 1..100_000_u64, part in 0.0..=1.0_f64) {
            #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a part")]
            let positive = (count(tested) * part) as u64;
            let sample = sample(positive, tested);
            let share = sample.share().get();
            for coverage in [Coverage::Eighty, Coverage::Ninety, Coverage::NinetyFive] {
                for got in [sample.clopper_pearson(coverage), sample.wilson(coverage)] {
                    prop_assert!(0.0 <= got.lo && got.lo <= share + 1e-12, "{got:?}");
                    prop_assert!(share <= got.hi + 1e-12 && got.hi <= 1.0, "{got:?}");
                }
            }
        }

        #[test]
        fn rows_are_the_scalar(rows in prop::collection::vec((1e-3..1e3_f64, 1e-3..1e6_f64, 0..1_000_000_u64), 0..20)) {
            let posteriors: Vec<_> = rows.iter()
                .map(|(a, b, _)| BetaPosterior::try_new(*a, *b).unwrap()).collect();
            let arrivals: Vec<_> = rows.iter().map(|(_, _, n)| *n).collect();
            let mut out = vec![0.0; rows.len()];
            super::super::arrivals_at_least_one(&posteriors, &arrivals, &mut out).unwrap();
            for ((got, posterior), n) in out.iter().zip(&posteriors).zip(&arrivals) {
                prop_assert_eq!(got.to_bits(), posterior.arrivals(*n).at_least_one.to_bits());
            }
            let short = super::super::arrivals_at_least_one(&posteriors, &[], &mut out);
            prop_assert_eq!(short.is_err(), !rows.is_empty());
        }
    }
}
