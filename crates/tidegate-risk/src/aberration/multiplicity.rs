//! Many windows and many venues: what keeps chance from alarming every day.
//!
//! A test that errs once in 1000 windows errs 7 times a day over 100 venues with 72 windows each.
//! Asking for `k` of the last `n` windows takes out what does not last; the procedure of Benjamini
//! and Hochberg keeps the expected share of false ones among the venues that are raised together.

use super::{AberrationError, Flag};
use crate::state::KOfNState;

/// How close to its bound a p-value still counts as on it, so that `0.3 / 10 · 0.1` is `0.03`.
const BOUNDARY_TOLERANCE: f64 = 1e-12;

/// How many of the last windows must be raised.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct KOfNRule {
    k: u8,
    n: u8,
}

impl KOfNRule {
    /// Two of the last three.
    pub const DEFAULT: Self = Self { k: 2, n: 3 };

    /// `k` of the last `n`.
    ///
    /// # Errors
    /// [`AberrationError::Votes`] unless `1 <= k <= n <= 64`.
    pub fn try_new(k: u8, n: u8) -> Result<Self, AberrationError> {
        if 1 <= k && k <= n && n <= 64 {
            Ok(Self { k, n })
        } else {
            Err(AberrationError::Votes { k, n })
        }
    }

    /// Windows that must be raised, 1 or more.
    pub const fn needed(self) -> u8 {
        self.k
    }

    /// Windows looked at, at most 64.
    pub const fn of(self) -> u8 {
        self.n
    }

    /// The last `n` windows as bits.
    const fn mask(self) -> u64 {
        u64::MAX >> (64 - self.n)
    }
}

impl Default for KOfNRule {
    fn default() -> Self {
        Self::DEFAULT
    }
}

/// Raised when `k` of the last `n` known windows were. Memory: 64 bits.
///
/// An unknown window takes no place: it neither raises nor clears. Before `n` windows are known,
/// those that are missing count as clear. Method [`crate::method::ABERRATION_K_OF_N`].
///
/// ```
/// use tidegate_risk::aberration::Flag::{Clear, Raised, Unknown};
/// use tidegate_risk::aberration::multiplicity::{KOfN, KOfNRule};
/// let mut filter = KOfN::new(KOfNRule::DEFAULT);
/// assert_eq!(filter.take(Raised), Clear);
/// assert_eq!(filter.take(Unknown), Clear);
/// assert_eq!(filter.take(Raised), Raised);
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct KOfN {
    rule: KOfNRule,
    /// The last `n` known windows, the newest in the lowest bit, 1 when raised.
    raised: u64,
}

impl KOfN {
    /// No windows.
    pub const fn new(rule: KOfNRule) -> Self {
        Self { rule, raised: 0 }
    }

    /// Everything remembered beside the rule.
    pub const fn state(&self) -> KOfNState {
        KOfNState {
            raised: self.raised,
        }
    }

    /// The filter that goes on where `state` was taken.
    ///
    /// # Errors
    /// [`AberrationError::State`] when it holds more windows than the rule looks at.
    pub fn restore(rule: KOfNRule, state: KOfNState) -> Result<Self, AberrationError> {
        if state.raised & !rule.mask() == 0 {
            Ok(Self {
                rule,
                raised: state.raised,
            })
        } else {
            Err(AberrationError::State("k-of-n filter"))
        }
    }

    /// Takes the next window: [`Flag::Raised`] or [`Flag::Clear`], after it.
    pub fn take(&mut self, flag: Flag) -> Flag {
        match flag {
            Flag::Unknown => {}
            Flag::Clear => self.raised = (self.raised << 1) & self.rule.mask(),
            Flag::Raised => self.raised = ((self.raised << 1) | 1) & self.rule.mask(),
        }
        if self.raised.count_ones() >= u32::from(self.rule.k) {
            Flag::Raised
        } else {
            Flag::Clear
        }
    }
}

/// The share of false ones that may be expected among those raised: above 0, below 1.
#[derive(Debug, Clone, Copy, PartialEq, PartialOrd)]
pub struct FalseDiscoveryRate(f64);

impl FalseDiscoveryRate {
    /// One in ten.
    pub const DEFAULT: Self = Self(0.1);

    /// A rate.
    ///
    /// # Errors
    /// [`AberrationError::FalseDiscoveryRate`] unless `q` is above 0 and below 1.
    pub fn try_new(q: f64) -> Result<Self, AberrationError> {
        if q > 0.0 && q < 1.0 {
            Ok(Self(q))
        } else {
            Err(AberrationError::FalseDiscoveryRate(q))
        }
    }

    /// The rate.
    pub const fn get(self) -> f64 {
        self.0
    }
}

impl Default for FalseDiscoveryRate {
    fn default() -> Self {
        Self::DEFAULT
    }
}

/// Adjusted p-values in the order given: `min_{j >= i} (m / j) p_(j)` over the `m` p-values in
/// ascending order, at most 1. Nothing for nothing.
///
/// Equal p-values get equal ones. Venues without a p-value are left out by the caller; they are
/// not in `m`.
///
/// # Errors
/// [`AberrationError::PValue`] for a p-value that is not between 0 and 1.
pub fn adjusted_p_values(p_values: &[f64]) -> Result<Vec<f64>, AberrationError> {
    if let Some(bad) = p_values.iter().find(|p| !(0.0..=1.0).contains(*p)) {
        return Err(AberrationError::PValue(*bad));
    }
    let mut order: Vec<usize> = (0..p_values.len()).collect();
    order.sort_unstable_by(|a, b| p_values[*a].total_cmp(&p_values[*b]));
    let total = count(p_values.len());
    let mut adjusted = vec![1.0; p_values.len()];
    let mut least: f64 = 1.0;
    for (rank, idx) in order.into_iter().enumerate().rev() {
        least = least.min(p_values[idx] * (total / count(rank + 1)));
        adjusted[idx] = least;
    }
    Ok(adjusted)
}

/// Which venues are raised, in the order given, so that the expected share of false ones among
/// them is at most `rate` (Benjamini and Hochberg 1995, JRSS B 57:289).
///
/// All venues with p at most `p_(i)`, for the largest `i` with `p_(i) <= i q / m`; on the bound
/// (within 1 in 10¹²) counts. Method [`crate::method::ABERRATION_BH`].
///
/// # Errors
/// As [`adjusted_p_values`].
///
/// ```
/// use tidegate_risk::aberration::Flag::{Clear, Raised};
/// use tidegate_risk::aberration::multiplicity::{FalseDiscoveryRate, benjamini_hochberg};
/// let flags = benjamini_hochberg(&[0.5, 0.06, 0.01], FalseDiscoveryRate::DEFAULT)?;
/// assert_eq!(flags, [Clear, Raised, Raised]);
/// # Ok::<(), tidegate_risk::aberration::AberrationError>(())
/// ```
pub fn benjamini_hochberg(
    p_values: &[f64],
    rate: FalseDiscoveryRate,
) -> Result<Vec<Flag>, AberrationError> {
    let bound = rate.0 * (1.0 + BOUNDARY_TOLERANCE);
    let flag = |p| {
        if p <= bound {
            Flag::Raised
        } else {
            Flag::Clear
        }
    };
    Ok(adjusted_p_values(p_values)?.into_iter().map(flag).collect())
}

#[expect(clippy::cast_precision_loss, reason = "exact below 2^53 venues")]
fn count(n: usize) -> f64 {
    n as f64
}
