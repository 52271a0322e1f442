//! Importation: how many infectious persons are expected among the arrivals of a window.
//!
//! `λ = Σ n·p` over origins, and the probability of at least one. `n` are arrivals *through one
//! set of counters*: a cordon (entries to the city) or one venue (visits). The same traveller
//! passes several venues, so summing venues never gives the city's imports.
//!
//! λ is an expectation. Its interval is over the ascertainment of cases, which is the largest
//! uncertainty by far and common to all origins, so all origins take their low values together and
//! their high values together. Chance (will one of these travellers be the one?) is in the
//! probability, not in λ's interval.

mod arrivals;
mod beta;
mod joint;
mod origin;
mod reported;
mod risk;
mod sample;

pub use arrivals::{Arrivals, Evidence, OriginArrivals, UnknownArrivals, UnknownAssumption};
pub use beta::{BetaBinomial, BetaPosterior, arrivals_at_least_one};
pub use joint::{JointRisk, Workspace};
pub use origin::{Held, Origin, OriginError, OriginKind, Origins, TierRule};
pub use reported::{DailyReports, InfectiousCurve, Reported};
pub use risk::{CordonRisk, ImportLevel, ImportShare, Signal, VenueRisk, import_share};
pub use sample::{Interval, Sample, TestAccuracy};

use crate::moments::Coverage;

/// A share of people who are infectious and still travel: 0 to 1.
#[derive(Debug, Clone, Copy, PartialEq, PartialOrd)]
pub struct Prevalence(f64);

impl Prevalence {
    /// Nobody.
    pub const ZERO: Self = Self(0.0);

    /// A prevalence.
    ///
    /// # Errors
    /// [`ImportationError::Prevalence`] when `value` is not between 0 and 1.
    pub fn try_new(value: f64) -> Result<Self, ImportationError> {
        if (0.0..=1.0).contains(&value) {
            Ok(Self(value))
        } else {
            Err(ImportationError::Prevalence(value))
        }
    }

    /// The share.
    pub const fn get(self) -> f64 {
        self.0
    }
}

/// Why there is no importation risk.
#[derive(Debug, Clone, Copy, PartialEq, thiserror::Error)]
pub enum ImportationError {
    /// A prevalence that is not a share.
    #[error("prevalence {0} is not between 0 and 1")]
    Prevalence(f64),
    /// An origin without inhabitants.
    #[error("a population of 0 has no prevalence")]
    Population,
    /// An ascertainment that is not a probability above 0.
    #[error("ascertainment {0} is not above 0 and at most 1")]
    Ascertainment(f64),
    /// Low, middle and high ascertainment that do not ascend.
    #[error("ascertainment low {low}, middle {mid}, high {high} must ascend")]
    AscertainmentOrder {
        /// The low value.
        low: f64,
        /// The middle value.
        mid: f64,
        /// The high value.
        high: f64,
    },
    /// A duration that is not a time.
    #[error("{0} infectious days is not a finite number above 0")]
    InfectiousDays(f64),
    /// A parameter of a beta distribution outside its range.
    #[error("beta parameter {0} is not above 0 and at most 1e9")]
    BetaParameter(f64),
    /// More positives than tests.
    #[error("{positive} positives of {tested} tested")]
    Tests {
        /// Tests with a positive result.
        positive: u64,
        /// All tests.
        tested: u64,
    },
    /// Nobody was tested.
    #[error("0 tests say nothing of a prevalence")]
    NoTests,
    /// A test that tells the infected no better than chance.
    #[error(
        "sensitivity {sensitivity} and specificity {specificity} must be shares whose sum is above 1"
    )]
    Accuracy {
        /// The share of infected who test positive.
        sensitivity: f64,
        /// The share of others who test negative.
        specificity: f64,
    },
    /// A share that is not between 0 and 1.
    #[error("share {0} is not between 0 and 1")]
    Share(f64),
    /// A curve of infectiousness that is empty, too long, or not of shares with a sum above 0.
    #[error("an infectious curve of {0} days must have 1 to 1000 shares that are not all 0")]
    Curve(usize),
    /// A day whose infections have not been reported yet.
    #[error("day {day} and a delay of {delay} days need reports to day {}, there are {reports}", day + delay)]
    NotYetReported {
        /// The day asked for, from 0.
        day: usize,
        /// Days from infection to report.
        delay: usize,
        /// Days of reports.
        reports: usize,
    },
    /// Fewer days of reports before the day than people are infectious.
    #[error(
        "an infectious curve of {curve} days reaches back before the first of {reports} reports"
    )]
    TooFewDays {
        /// Days of reports up to the day asked for and its delay.
        reports: usize,
        /// Days of the curve.
        curve: usize,
    },
    /// Arrivals of unknown origin without an assumption about them.
    #[error("{0} arrivals of unknown origin and nothing assumed of them")]
    UnknownOrigin(u64),
    /// A first parameter of a beta distribution that no cases give.
    #[error("shape {0} is not above 0 and at most 1e20")]
    Shape(f64),
    /// A mean prevalence at an ascertainment of 1 that no cases give.
    #[error("mean prevalence {0} at an ascertainment of 1 is not above 0 and at most 1e300")]
    UnitMean(f64),
    /// A factor that does not widen.
    #[error("a range is widened by 1 to 1000, not by {0}")]
    Widening(f64),
    /// A number of persons that is not finite or below 0.
    #[error("{0} persons is not a finite number of 0 or more")]
    Persons(f64),
    /// A range whose ends do not ascend.
    #[error("low {lo}, middle {mid}, high {hi} must ascend")]
    RangeOrder {
        /// The low end.
        lo: f64,
        /// The middle.
        mid: f64,
        /// The high end.
        hi: f64,
    },
    /// Slices of different lengths.
    #[error("{rows} rows, {arrivals} arrivals and room for {out} results")]
    Lengths {
        /// Rows of prevalence.
        rows: usize,
        /// Rows of arrivals.
        arrivals: usize,
        /// Room for results.
        out: usize,
    },
}

/// Low, middle and high probability that an infection is reported: each above 0 and at most 1,
/// ascending. It is an input without a default: reported cases alone say nothing of infections.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Ascertainment {
    low: f64,
    mid: f64,
    high: f64,
}

impl Ascertainment {
    /// Every infection is found.
    pub const NONE_MISSED: Self = Self {
        low: 1.0,
        mid: 1.0,
        high: 1.0,
    };

    /// The range `[low, mid, high]`.
    ///
    /// # Errors
    /// [`ImportationError::Ascertainment`] for a value outside (0, 1];
    /// [`ImportationError::AscertainmentOrder`] when they do not ascend (equal is allowed).
    pub fn try_new([low, mid, high]: [f64; 3]) -> Result<Self, ImportationError> {
        for value in [low, mid, high] {
            checked_ascertainment(value)?;
        }
        if low <= mid && mid <= high {
            Ok(Self { low, mid, high })
        } else {
            Err(ImportationError::AscertainmentOrder { low, mid, high })
        }
    }
}

impl Ascertainment {
    /// Low, middle and high.
    pub const fn get(self) -> [f64; 3] {
        [self.low, self.mid, self.high]
    }
}

fn checked_share(value: f64) -> Result<f64, ImportationError> {
    if (0.0..=1.0).contains(&value) {
        Ok(value)
    } else {
        Err(ImportationError::Share(value))
    }
}

fn checked_ascertainment(value: f64) -> Result<f64, ImportationError> {
    if value > 0.0 && value <= 1.0 {
        Ok(value)
    } else {
        Err(ImportationError::Ascertainment(value))
    }
}

/// A number with its interval: `lo <= mid <= hi`, all finite.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Range {
    /// The low end.
    pub lo: f64,
    /// The middle estimate; not the mean of the ends.
    pub mid: f64,
    /// The high end.
    pub hi: f64,
}

/// Prevalence at high, middle and low ascertainment: `lo <= mid <= hi`.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct PrevalenceRange {
    lo: Prevalence,
    mid: Prevalence,
    hi: Prevalence,
}

impl PrevalenceRange {
    /// The same prevalence without uncertainty.
    pub const fn exactly(prevalence: Prevalence) -> Self {
        Self {
            lo: prevalence,
            mid: prevalence,
            hi: prevalence,
        }
    }

    /// The mean and the 95 % interval of a posterior, such as that of a tested sample. A mean
    /// outside of the interval, which a very skewed one has, moves that end.
    pub fn of_posterior(posterior: BetaPosterior) -> Self {
        let interval = posterior.interval(Coverage::NinetyFive);
        let mean = posterior.mean();
        Self {
            lo: Prevalence(interval.lo.min(mean)),
            mid: Prevalence(mean),
            hi: Prevalence(interval.hi.max(mean)),
        }
    }

    /// At the highest ascertainment.
    pub const fn lo(self) -> Prevalence {
        self.lo
    }

    /// At the middle ascertainment.
    pub const fn mid(self) -> Prevalence {
        self.mid
    }

    /// At the lowest ascertainment: the more cases go unreported, the more travel.
    pub const fn hi(self) -> Prevalence {
        self.hi
    }
}

/// The share of an origin's people who are infectious and still travel:
/// `p = cases_7d / (7 ρ M) · D`.
///
/// `ρ` is the `ascertainment`, `M` the `population`, `D` the days during which an infected person
/// is infectious and travels. It assumes that incidence was constant over those days. A quotient
/// above 1 is held at 1: the inputs then say that everybody is infected several times over.
/// Method [`crate::method::PREVALENCE_CASES`].
///
/// # Errors
/// [`ImportationError::Population`], [`ImportationError::Ascertainment`] and
/// [`ImportationError::InfectiousDays`].
///
/// ```
/// use tidegate_risk::importation::prevalence;
/// assert!((prevalence(140, 500_000, 0.2, 7.0)?.get() - 0.0014).abs() < 1e-15);
/// # Ok::<(), tidegate_risk::importation::ImportationError>(())
/// ```
pub fn prevalence(
    cases_7d: u64,
    population: u64,
    ascertainment: f64,
    infectious_days: f64,
) -> Result<Prevalence, ImportationError> {
    let ascertainment = checked_ascertainment(ascertainment)?;
    if population == 0 {
        return Err(ImportationError::Population);
    }
    if !(infectious_days.is_finite() && infectious_days > 0.0) {
        return Err(ImportationError::InfectiousDays(infectious_days));
    }
    let incidence_per_day = count(cases_7d) / (7.0 * ascertainment * count(population));
    Ok(Prevalence((incidence_per_day * infectious_days).min(1.0)))
}

/// [`prevalence`] over a range of ascertainment; the lowest ascertainment gives the highest value.
///
/// # Errors
/// As [`prevalence`].
pub fn prevalence_range(
    cases_7d: u64,
    population: u64,
    ascertainment: Ascertainment,
    infectious_days: f64,
) -> Result<PrevalenceRange, ImportationError> {
    let at = |value| prevalence(cases_7d, population, value, infectious_days);
    Ok(PrevalenceRange {
        lo: at(ascertainment.high)?,
        mid: at(ascertainment.mid)?,
        hi: at(ascertainment.low)?,
    })
}

/// Expected infectious arrivals `λ = Σ n·p` in persons per window, 0 or more.
///
/// Each pair is arrivals from one origin and its prevalence. The order of pairs does not change
/// a bit. Method [`crate::method::INFLOW_LAMBDA`].
///
/// ```
/// use tidegate_risk::importation::{Prevalence, lambda};
/// let p = |value| Prevalence::try_new(value).unwrap();
/// let window = [(1200, p(5e-4)), (300, p(4e-3)), (80, p(0.02))];
/// assert!((lambda(&window) - 3.4).abs() < 1e-12);
/// ```
pub fn lambda(arrivals: &[(u64, Prevalence)]) -> f64 {
    ordered_sum(arrivals.iter().map(|&(n, p)| count(n) * p.0).collect())
}

/// The probability that at least one arrival is infectious: `1 - Π (1-p)^n`, between 0 and 1 and
/// never above [`lambda`].
///
/// Exact for independent travellers and known prevalences; with an uncertain prevalence of mean
/// `p` it overstates ([`BetaPosterior`]). Method [`crate::method::INFLOW_AT_LEAST_ONE`].
pub fn prob_at_least_one_exact(arrivals: &[(u64, Prevalence)]) -> f64 {
    // n = 0 is left out, because 0 · ln(1 - 1) is not a number.
    let log_none = ordered_sum(
        arrivals
            .iter()
            .filter(|(n, _)| *n > 0)
            .map(|&(n, p)| count(n) * libm::log1p(-p.0))
            .collect(),
    );
    // The union bound is a law; only rounding could break it.
    one_minus_exp(log_none).min(lambda(arrivals))
}

/// The probability of at least one under a Poisson number of mean `lambda`: `1 - e^{-λ}`.
///
/// It is at most the exact form, by no more than `Σ n p² / 2`. `None` when `lambda` is NaN or
/// negative; an infinite `lambda` gives 1.
pub fn prob_at_least_one_poisson(lambda: f64) -> Option<f64> {
    (lambda >= 0.0).then(|| one_minus_exp(-lambda))
}

/// Each origin's share `n·p / λ` of the expected infectious arrivals, in the order given.
///
/// `None` when λ is 0: no origin then has a share.
pub fn shares(arrivals: &[(u64, Prevalence)]) -> Option<Vec<f64>> {
    let total = lambda(arrivals);
    (total > 0.0).then(|| {
        let share = |&(n, p): &(u64, Prevalence)| (count(n) * p.0 / total).min(1.0);
        arrivals.iter().map(share).collect()
    })
}

/// The importation risk of one window, with its range over the ascertainment of cases.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct InflowRisk {
    /// Expected infectious arrivals, persons per window.
    pub lambda: Range,
    /// Probability of at least one infectious arrival.
    pub at_least_one: Range,
}

/// λ and P(≥1) of one window at the low, middle and high prevalence of all origins together.
///
/// No arrivals are a risk of 0, not an unknown one: a window without data is not asked about.
pub fn inflow_risk(arrivals: &[(u64, PrevalenceRange)]) -> InflowRisk {
    let at = |prevalence: fn(PrevalenceRange) -> Prevalence| -> (f64, f64) {
        let pairs: Vec<_> = arrivals.iter().map(|&(n, p)| (n, prevalence(p))).collect();
        (lambda(&pairs), prob_at_least_one_exact(&pairs))
    };
    let (lo, mid, hi) = (
        at(PrevalenceRange::lo),
        at(PrevalenceRange::mid),
        at(PrevalenceRange::hi),
    );
    InflowRisk {
        lambda: Range {
            lo: lo.0,
            mid: mid.0,
            hi: hi.0,
        },
        at_least_one: Range {
            lo: lo.1,
            mid: mid.1,
            hi: hi.1,
        },
    }
}

/// `1 - e^x` for `x <= 0`, without loss where `x` is small; never the negative zero that prints
/// as `-0`.
pub(crate) fn one_minus_exp(x: f64) -> f64 {
    (0.0 - libm::expm1(x)).clamp(0.0, 1.0)
}

/// Adds in ascending order, so that the order of rows cannot change the last bits.
fn ordered_sum(mut terms: Vec<f64>) -> f64 {
    terms.sort_unstable_by(f64::total_cmp);
    // `Sum` of no floats is -0.0.
    terms.iter().fold(0.0, |sum, term| sum + term)
}

#[expect(clippy::cast_precision_loss, reason = "exact below 2^53 persons")]
pub(crate) fn count(n: u64) -> f64 {
    n as f64
}

#[cfg(test)]
mod tests;
