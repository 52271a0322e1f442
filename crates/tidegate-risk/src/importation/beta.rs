//! Infectious arrivals when the prevalence itself was estimated from tests.

use super::{ImportationError, Interval, count, one_minus_exp};
use crate::moments::Coverage;
use crate::special::beta_quantile;

/// The largest parameter of a [`BetaPosterior`]; beyond it rounding would show.
const PARAMETER_MAX: f64 = 1e9;

/// Terms of the product that are taken one by one before Stirling's series takes over. From 32
/// on, what the series leaves out is below 2e-16.
const TERMS_EXACT: u64 = 32;

/// The second parameter from which the sum of the product's logarithms is an integral.
const SMOOTH_FROM: f64 = 1e3;

/// The number of arrivals, as a share of that parameter, below which three points are enough for
/// it; above, Stirling's series loses at most two digits.
const FEW: f64 = 1.0 / 64.0;

/// The largest ratio of the parameters for [`log_none_of`].
const RARE: f64 = 1.0 / 128.0;

/// What testing says of a prevalence: a beta distribution, both parameters above 0 and at most
/// 1e9.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct BetaPosterior {
    alpha: f64,
    beta: f64,
}

/// The number of infectious among `n` arrivals whose prevalence has a [`BetaPosterior`].
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct BetaBinomial {
    /// Expected infectious arrivals, persons.
    pub mean: f64,
    /// Variance, persons².
    pub variance: f64,
    /// Probability of at least one, between 0 and 1. At most the plug-in `1 - (1-p)^n` with the
    /// mean `p` (Jensen's inequality).
    pub at_least_one: f64,
}

impl BetaPosterior {
    /// The distribution of mean `mean` whose first parameter is `alpha`, above 0, whatever the
    /// second becomes: for rare infections that is the shape of the gamma distribution they have
    /// in the limit. `mean` is above 0 and below 1.
    pub(super) fn with_mean(alpha: f64, mean: f64) -> Self {
        Self {
            alpha,
            beta: alpha * ((1.0 - mean) / mean),
        }
    }

    /// The first parameter.
    pub(super) const fn alpha(self) -> f64 {
        self.alpha
    }

    /// The distribution Beta(`alpha`, `beta`).
    ///
    /// # Errors
    /// [`ImportationError::BetaParameter`] for a parameter outside (0, 1e9].
    pub fn try_new(alpha: f64, beta: f64) -> Result<Self, ImportationError> {
        for value in [alpha, beta] {
            if !(value > 0.0 && value <= PARAMETER_MAX) {
                return Err(ImportationError::BetaParameter(value));
            }
        }
        Ok(Self { alpha, beta })
    }

    /// The posterior after `positive` of `tested`, from Jeffreys' prior Beta(½, ½).
    ///
    /// # Errors
    /// [`ImportationError::Tests`] when there are more positives than tests;
    /// [`ImportationError::BetaParameter`] beyond 10⁹ tests.
    pub fn try_jeffreys(positive: u64, tested: u64) -> Result<Self, ImportationError> {
        let negative = tested
            .checked_sub(positive)
            .ok_or(ImportationError::Tests { positive, tested })?;
        Self::try_new(count(positive) + 0.5, count(negative) + 0.5)
    }

    /// The expected prevalence.
    pub fn mean(self) -> f64 {
        self.alpha / (self.alpha + self.beta)
    }

    /// The central interval of the prevalence, both ends in [0, 1].
    pub fn interval(self, coverage: Coverage) -> Interval {
        Interval {
            lo: beta_quantile(coverage.tail(), self.alpha, self.beta),
            hi: beta_quantile(1.0 - coverage.tail(), self.alpha, self.beta),
        }
    }

    /// The infectious among `n` arrivals. Method [`crate::method::INFLOW_BETA_BINOMIAL`].
    pub fn arrivals(self, n: u64) -> BetaBinomial {
        let (share, size, persons) = (self.mean(), self.alpha + self.beta, count(n));
        BetaBinomial {
            mean: persons * share,
            variance: persons * share * (self.beta / size) * ((size + persons) / (size + 1.0)),
            at_least_one: one_minus_exp(self.log_none(n)),
        }
    }

    /// `ln P(0) = ln Π_{i<n} (β+i) / (α+β+i) = ln Γ(β+n)Γ(α+β) / Γ(α+β+n)Γ(β)`.
    ///
    /// The difference of four log-gammas loses all digits for large parameters. So the first
    /// terms are taken one by one, and of the rest the parts of Stirling's series that cancel
    /// are cancelled on paper.
    pub(super) fn log_none(self, n: u64) -> f64 {
        let is_smooth = self.beta >= SMOOTH_FROM;
        let are_few = count(n) < FEW * self.beta;
        if is_smooth && are_few && self.alpha < RARE * self.beta {
            return self.log_none_few(n);
        }
        if self.beta > PARAMETER_MAX && count(n) < self.beta / 8.0 {
            return self.log_none_rare(n);
        }
        let exact = if is_smooth && !are_few {
            0
        } else {
            n.min(TERMS_EXACT)
        };
        let head: f64 = (0..exact)
            .map(|i| libm::log1p(-self.alpha / (self.alpha + self.beta + count(i))))
            .sum();
        if n == exact {
            return head;
        }
        let x = self.beta + count(exact);
        let y = self.beta + count(n);
        let a = self.alpha;
        let tail = (x + a - 0.5) * libm::log1p(a / x)
            - (y + a - 0.5) * libm::log1p(a / y)
            - a * libm::log1p((y - x) / x)
            + stirling_rest(y)
            - stirling_rest(x)
            - stirling_rest(y + a)
            + stirling_rest(x + a);
        head + tail.min(0.0)
    }
}

impl BetaPosterior {
    /// [`Self::log_none`] where `n` and the first parameter are small against a large second one:
    /// the sum is an integral by the midpoint rule with its first correction (DLMF 2.10.1), and that
    /// by Gauss and Legendre's three points. To 1e-13 of itself.
    fn log_none_few(self, n: u64) -> f64 {
        const NODES: [(f64, f64); 3] = [
            (0.112_701_665_379_258_31, 5.0 / 18.0),
            (0.5, 8.0 / 18.0),
            (0.887_298_334_620_741_7, 5.0 / 18.0),
        ];
        let persons = count(n);
        let from = self.alpha + self.beta - 0.5;
        let mean = NODES.iter().fold(0.0, |sum, (at, weight)| {
            sum + weight * log_none_of(self.alpha / (from + at * persons))
        });
        let slope = |at: f64| self.alpha / ((at - self.alpha) * at);
        persons * mean + (slope(from) - slope(from + persons)) / 24.0
    }

    /// [`Self::log_none`] where `n` is small against an enormous `beta`: the sum as an integral
    /// by the midpoint rule, whose error is of the order of `1 / beta²`, and that by Gauss and
    /// Legendre's five points (DLMF 3.5), since nothing cancels there.
    fn log_none_rare(self, n: u64) -> f64 {
        const NODES: [(f64, f64); 5] = [
            (0.046_910_077_030_668, 0.118_463_442_528_094_5),
            (0.230_765_344_947_158_5, 0.239_314_335_249_683_2),
            (0.5, 0.284_444_444_444_444_4),
            (0.769_234_655_052_841_5, 0.239_314_335_249_683_2),
            (0.953_089_922_969_332, 0.118_463_442_528_094_5),
        ];
        let persons = count(n);
        let from = self.alpha + self.beta - 0.5;
        let mean: f64 = NODES
            .iter()
            .map(|(at, weight)| weight * libm::log1p(-self.alpha / (from + at * persons)))
            .sum();
        persons * mean
    }
}

/// [`BetaBinomial::at_least_one`] of each row, into `out`, without allocation.
///
/// # Errors
/// [`ImportationError::Lengths`] when the slices differ in length; `out` is as it was.
pub fn arrivals_at_least_one(
    posteriors: &[BetaPosterior],
    arrivals: &[u64],
    out: &mut [f64],
) -> Result<(), ImportationError> {
    let (rows, persons, room) = (posteriors.len(), arrivals.len(), out.len());
    if rows != persons || rows != room {
        return Err(ImportationError::Lengths {
            rows,
            arrivals: persons,
            out: room,
        });
    }
    for ((slot, posterior), n) in out.iter_mut().zip(posteriors).zip(arrivals) {
        *slot = one_minus_exp(posterior.log_none(*n));
    }
    Ok(())
}

/// `ln (1 - x)` for `x` from 0 to [`RARE`], by its series (DLMF 4.6.1); what is left out is below
/// 3e-16 of it.
fn log_none_of(x: f64) -> f64 {
    const PARTS: [f64; 6] = [1.0 / 6.0, 0.2, 0.25, 1.0 / 3.0, 0.5, 1.0];
    -x * PARTS.iter().fold(1.0 / 7.0, |sum, part| sum * x + part)
}

/// `ln Γ(z) - ((z-½) ln z - z + ½ ln 2π)` for `z >= 32` (NIST DLMF 5.11.1).
fn stirling_rest(z: f64) -> f64 {
    let w = 1.0 / (z * z);
    (1.0 / 12.0 - w * (1.0 / 360.0 - w * (1.0 / 1260.0 - w / 1680.0))) / z
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The sum term by term, against what takes its place, on both sides of each limit.
    #[test]
    fn the_sum_in_all_its_forms() {
        for beta in [
            0.5, 31.0, 999.0, 1e3, 1.5e3, 6.4e3, 2e4, 1e6, 9e8, 1.1e9, 1e12,
        ] {
            for ratio in [1e-9, 1e-4, 1.0 / 129.0, 1.0 / 127.0, 0.5, 20.0] {
                let posterior = BetaPosterior {
                    alpha: ratio * beta,
                    beta,
                };
                for n in [1_u64, 15, 16, 33, 99, 101, 420, 5_000, 20_000] {
                    let expected: f64 = (0..n)
                        .rev()
                        .map(|i| {
                            libm::log1p(-posterior.alpha / (posterior.alpha + beta + count(i)))
                        })
                        .sum();
                    let got = posterior.log_none(n);
                    let is_few = beta >= 1e3 && ratio < RARE && count(n) < FEW * beta;
                    let tolerance = if is_few {
                        2e-12 * expected.abs()
                    } else {
                        // What cancels in Stirling's series is as large as the parameters.
                        1e-11 * expected.abs() + 1e-15 * (posterior.alpha + beta)
                    };
                    assert!(
                        (got - expected).abs() <= tolerance,
                        "{posterior:?} {n}: {got} {expected}"
                    );
                }
            }
        }
    }
}
