//! Infectious arrivals when the prevalence itself was estimated from tests.

use super::{ImportationError, Interval, count, one_minus_exp};
use crate::moments::Coverage;
use crate::special::beta_quantile;

/// The largest parameter of a [`BetaPosterior`]; beyond it rounding would show.
const PARAMETER_MAX: f64 = 1e9;

/// Terms of the product that are taken one by one before Stirling's series takes over. From 32
/// on, what the series leaves out is below 2e-16.
const TERMS_EXACT: u64 = 32;

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
        if self.beta > PARAMETER_MAX && count(n) < self.beta / 8.0 {
            return self.log_none_rare(n);
        }
        let exact = n.min(TERMS_EXACT);
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

/// `ln Γ(z) - ((z-½) ln z - z + ½ ln 2π)` for `z >= 32` (NIST DLMF 5.11.1).
fn stirling_rest(z: f64) -> f64 {
    let w = 1.0 / (z * z);
    (1.0 / 12.0 - w * (1.0 / 360.0 - w * (1.0 / 1260.0 - w / 1680.0))) / z
}
