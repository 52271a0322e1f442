//! λ and the probability of at least one, with everything uncertain taken together.
//!
//! Three uncertainties: chance among the arrivals; each origin's prevalence given how many
//! infections are reported, independent between origins (a beta distribution, so arrivals are
//! beta-binomial); and ascertainment, which is *shared*: all origins stand at the same quantile
//! `u` of their ranges at once. Independent ascertainment would average itself out and make the
//! interval too narrow and the probability too high.
//!
//! The range of an ascertainment is read so: the middle is its median, and between it and each
//! end the logarithm is uniform. That is an assumption, the same for every origin.
//!
//! Integrals over `u` are by Gauss and Legendre's eight points on each half (DLMF 3.5). Weights
//! are positive, so the integral is itself a distribution of 16 ascertainments and the laws
//! (Jensen's inequality, the union bound) hold for it without error. Given `u`, λ is taken as
//! gamma distributed with its exact mean and variance; `docs/METHODS.md` has the error of that.

mod search;

use search::{Start, quantile};

use super::arrivals::Row;
use super::{Arrivals, ImportationError, Interval, Range, checked_share, count, one_minus_exp};
use crate::special::{gamma_p, normal_cdf};

/// Nodes and weights on [0, 1], each half of `u`.
const HALF: [(f64, f64); 8] = [
    (0.019_855_071_751_231_856, 0.050_614_268_145_188_13),
    (0.101_666_761_293_186_64, 0.111_190_517_226_687_24),
    (0.237_233_795_041_835_5, 0.156_853_322_938_943_64),
    (0.408_282_678_752_175_1, 0.181_341_891_689_181),
    (0.591_717_321_247_825, 0.181_341_891_689_181),
    (0.762_766_204_958_164_5, 0.156_853_322_938_943_64),
    (0.898_333_238_706_813_4, 0.111_190_517_226_687_24),
    (0.980_144_928_248_768_1, 0.050_614_268_145_188_13),
];

/// Points of `u` at which λ is computed: the nodes, the ends and the middle.
const POINTS: usize = 19;

/// Probabilities of the quantiles, with those of the standard normal distribution.
const QUANTILES: [(f64, f64); 5] = [
    (0.025, -1.96),
    (0.1, -1.2816),
    (0.5, 0.0),
    (0.9, 1.2816),
    (0.975, 1.96),
];

/// Squared coefficient of variation below which the cube root of a gamma distributed λ is normal.
const NORMAL_BELOW: f64 = 1e-2;

/// λ and the probability of at least one, under everything that is uncertain.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct JointRisk {
    /// Expected infectious arrivals, the mean over everything uncertain.
    pub lambda_mean: f64,
    /// λ is as likely above as below. Where prevalences are skewed it is below the mean.
    pub lambda_median: f64,
    /// Central 80 % interval of λ: over prevalences and ascertainment, not over chance.
    pub lambda80: Interval,
    /// Central 95 % interval of λ.
    pub lambda95: Interval,
    /// λ at the high, middle and low end of every ascertainment, each prevalence at its mean.
    pub lambda_by_ascertainment: Range,
    /// Probability of at least one infectious arrival, over everything uncertain and chance.
    pub at_least_one: f64,
    /// The same given the high, middle and low end of every ascertainment.
    pub at_least_one_by_ascertainment: Range,
    /// What the mean prevalences would give if they were certain; never less than `at_least_one`
    /// (Jensen's inequality), but for rounding.
    pub at_least_one_plug_in: f64,
    /// The share of `lambda_mean` that comes from unknown origins; above 0 whenever there are such
    /// arrivals. `None` when λ is 0.
    pub unknown_share: Option<f64>,
    /// The share of arrivals whose origin is known. `None` when nobody came.
    pub known_arrivals_share: Option<f64>,
    /// Age of the oldest reported evidence of an origin from which somebody came.
    pub age_days_max: Option<u32>,
}

/// λ at one quantile of ascertainment.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
struct Point {
    u: f64,
    weight: f64,
    mean: f64,
    variance: f64,
    log_none: f64,
    /// `ln` of the mean.
    log_mean: f64,
    /// Squared coefficient of variation.
    spread: f64,
}

/// Room for the computation, so that rows of venues and windows allocate nothing once it has
/// grown to the most origins of a row.
#[derive(Debug, Clone, Default)]
pub struct Workspace {
    rows: Vec<Row>,
    points: [Point; POINTS],
}

impl Workspace {
    /// The risk of one window. For a cordon use [`Self::cordon`], for a venue [`Self::venue`].
    ///
    /// # Errors
    /// [`ImportationError::UnknownOrigin`] when there are arrivals of unknown origin and no
    /// assumption about them.
    pub(super) fn risk(&mut self, arrivals: &Arrivals<'_>) -> Result<JointRisk, ImportationError> {
        self.load(arrivals, 1.0)?;
        let lambda_mean = self.integral(|point| point.mean);
        let at_least_one = self.integral(|point| one_minus_exp(point.log_none));
        let [lo95, lo80, lambda_median, hi80, hi95] = self.quantiles();
        // u = 1 is the highest ascertainment, where the fewest travel unseen.
        let ends = [
            &self.points[POINTS - 1],
            &self.points[POINTS / 2],
            &self.points[0],
        ];
        let range = |of: fn(&Point) -> f64| Range {
            lo: of(ends[0]),
            mid: of(ends[1]),
            hi: of(ends[2]),
        };
        Ok(JointRisk {
            lambda_mean,
            lambda_median,
            lambda80: Interval { lo: lo80, hi: hi80 },
            lambda95: Interval { lo: lo95, hi: hi95 },
            lambda_by_ascertainment: range(|point| point.mean),
            at_least_one: at_least_one.min(lambda_mean.min(1.0)),
            at_least_one_by_ascertainment: range(|point| {
                one_minus_exp(point.log_none).min(point.mean)
            }),
            at_least_one_plug_in: self.plug_in().min(lambda_mean),
            unknown_share: unknown_share(arrivals, lambda_mean),
            known_arrivals_share: arrivals.known_share(),
            age_days_max: arrivals.age_days_max(),
        })
    }

    /// The probability that at least one infectious arrival is of a kind that each is with
    /// probability `part`, such as one who starts an outbreak.
    pub(super) fn at_least_one_of(
        &mut self,
        arrivals: &Arrivals<'_>,
        part: f64,
    ) -> Result<f64, ImportationError> {
        self.load(arrivals, checked_share(part)?)?;
        let at_least_one = self.integral(|point| one_minus_exp(point.log_none));
        let lambda = self.integral(|point| point.mean);
        Ok(at_least_one.min(lambda.min(1.0)))
    }

    /// Each origin's share of the mean λ, in the order given, into `out`; the last is that of
    /// unknown origins. Returns false, with zeros, when λ is 0: no origin then has a share.
    /// Method [`crate::method::INFLOW_ORIGIN_SHARE`].
    ///
    /// # Errors
    /// [`ImportationError::UnknownOrigin`]; [`ImportationError::Lengths`] when `out` is not one
    /// longer than the origins.
    pub fn origin_shares(
        &mut self,
        arrivals: &Arrivals<'_>,
        out: &mut [f64],
    ) -> Result<bool, ImportationError> {
        if out.len() != arrivals.origins.len() + 1 {
            return Err(ImportationError::Lengths {
                rows: arrivals.origins.len(),
                arrivals: arrivals.origins.len(),
                out: out.len(),
            });
        }
        self.load(arrivals, 1.0)?;
        let total = self.integral(|point| point.mean);
        out.fill(0.0);
        if total <= 0.0 {
            return Ok(false);
        }
        for (slot, origin) in out.iter_mut().zip(arrivals.origins) {
            *slot = (mean_lambda(&origin.row(1.0)) / total).min(1.0);
        }
        if let (Some(last), Some(share)) = (out.last_mut(), unknown_share(arrivals, total)) {
            *last = share;
        }
        Ok(true)
    }

    /// λ alone, in the order of sums that [`Self::load`] has.
    pub(super) fn mean(&mut self, arrivals: &Arrivals<'_>) -> Result<f64, ImportationError> {
        self.gather(arrivals, 1.0)?;
        let nodes = grid().filter(|(_, weight)| *weight > 0.0);
        Ok(nodes.fold(0.0, |sum, (u, weight)| {
            let rows = self.rows.iter();
            sum + weight * rows.fold(0.0, |sum, row| sum + count(row.arrivals) * row.mean(u))
        }))
    }

    /// The rows, in an order that they alone decide.
    fn gather(&mut self, arrivals: &Arrivals<'_>, part: f64) -> Result<(), ImportationError> {
        self.rows.clear();
        self.rows
            .extend(arrivals.origins.iter().map(|origin| origin.row(part)));
        self.rows.extend(arrivals.unknown.row(part)?);
        self.rows.sort_unstable_by(|a, b| {
            let pairs = a.key().into_iter().zip(b.key());
            pairs
                .map(|(a, b)| a.total_cmp(&b))
                .find(|order| order.is_ne())
                .unwrap_or(std::cmp::Ordering::Equal)
        });
        Ok(())
    }

    fn load(&mut self, arrivals: &Arrivals<'_>, part: f64) -> Result<(), ImportationError> {
        self.gather(arrivals, part)?;
        for (point, (u, weight)) in self.points.iter_mut().zip(grid()) {
            *point = Point {
                u,
                weight,
                ..Point::default()
            };
            for row in &self.rows {
                let p = row.mean(u);
                point.mean += count(row.arrivals) * p;
                point.variance += row.variance(p);
                point.log_none += row.log_none(p);
            }
            point.log_mean = libm::log(point.mean);
            point.spread = point.variance / point.mean / point.mean;
        }
        Ok(())
    }

    fn integral(&self, of: impl Fn(&Point) -> f64) -> f64 {
        let terms = self.points.iter().filter(|point| point.weight > 0.0);
        terms.fold(0.0, |sum, point| sum + point.weight * of(point))
    }

    /// `1 - Π (1 - p)^n` with each prevalence at its mean over ascertainment.
    fn plug_in(&self) -> f64 {
        let log_none = self.rows.iter().filter(|row| row.arrivals > 0).map(|row| {
            let p = mean_prevalence(row).min(1.0);
            count(row.arrivals) * libm::log1p(-p)
        });
        one_minus_exp(log_none.fold(0.0, |sum, term| sum + term))
    }

    /// The 2.5 %, 10 %, 50 %, 90 % and 97.5 % quantiles of λ, ascending; 0 when λ is 0.
    fn quantiles(&self) -> [f64; 5] {
        let (first, last) = (&self.points[0], &self.points[POINTS - 1]);
        if last.mean <= 0.0 {
            return [0.0; 5];
        }
        let bounds = (last.log_mean - 30.0, first.log_mean + 10.0);
        let mut centre = self.integral(|point| point.log_mean);
        let variance = self.integral(|point| {
            let off = point.log_mean - centre;
            off * off + libm::log1p(point.spread)
        });
        let sigma = variance.sqrt().max(1e-6);
        let mut least = 0.0_f64;
        QUANTILES.map(|(q, z)| {
            let start = Start {
                guess: centre + z * sigma,
                width: 0.25 * sigma,
                bounds,
            };
            let log = quantile(|log| self.at_most(log), q, start);
            // A normal distribution through this quantile is near the next one.
            centre = log - z * sigma;
            // The tolerance of the search must not reverse them.
            least = least.max(libm::exp(log));
            least
        })
    }

    /// The probability that `ln λ` is at most `log`. Each stretch between two of the halves and
    /// the place where the mean passes `log` is integrated alone, since the integrand falls there
    /// from 1 to 0, the more suddenly the more cases there were.
    fn at_most(&self, log: f64) -> f64 {
        let passes = self.passes(log);
        let mut sum = 0.0;
        for (from, to) in [(0.0, 0.5), (0.5, 1.0)] {
            let cut = passes.clamp(from, to);
            for (start, end) in [(from, cut), (cut, to)] {
                if end > start {
                    let stretch = HALF.iter().map(|(at, weight)| {
                        let u = start + at * (end - start);
                        weight * self.at_most_given(u, log)
                    });
                    sum += (end - start) * stretch.sum::<f64>();
                }
            }
        }
        sum
    }

    /// Where the mean of λ, which falls with `u`, is `e^log`.
    fn passes(&self, log: f64) -> f64 {
        let after = self.points.partition_point(|point| point.log_mean > log);
        match (
            after.checked_sub(1).map(|at| &self.points[at]),
            self.points.get(after),
        ) {
            (None, _) => 0.0,
            (_, None) => 1.0,
            (Some(a), Some(b)) => {
                let (high, low) = (a.log_mean, b.log_mean);
                a.u + (b.u - a.u) * ((high - log) / (high - low)).clamp(0.0, 1.0)
            }
        }
    }

    /// The same given `u`: a gamma distribution, with the logarithm of its mean and its squared
    /// coefficient of variation linear between the points.
    fn at_most_given(&self, u: f64, log: f64) -> f64 {
        let after = self
            .points
            .partition_point(|point| point.u < u)
            .clamp(1, POINTS - 1);
        let (a, b) = (&self.points[after - 1], &self.points[after]);
        let part = (u - a.u) / (b.u - a.u);
        let between = |a: f64, b: f64| a + (b - a) * part;
        let log_mean = between(a.log_mean, b.log_mean);
        let spread = between(a.spread, b.spread);
        let distance = log - log_mean;
        // Certain, or so far out that the rest is below 1e-20.
        if spread <= 1e-18 || distance.abs() > 12.0 * spread.sqrt() + 60.0 * spread {
            return if distance >= 0.0 { 1.0 } else { 0.0 };
        }
        if spread < NORMAL_BELOW {
            // Wilson and Hilferty 1931, PNAS 17:684; wrong by less than 6e-5 here.
            let root = libm::exp(distance / 3.0) - 1.0 + spread / 9.0;
            return normal_cdf(3.0 * root / spread.sqrt());
        }
        gamma_p(1.0 / spread, libm::exp(distance) / spread)
    }
}

/// The points of `u`, ascending, with the weights of the integral over [0, 1].
fn grid() -> impl Iterator<Item = (f64, f64)> {
    let half = |start: f64| {
        HALF.iter()
            .map(move |(at, weight)| (start + 0.5 * at, 0.5 * weight))
    };
    let end = |u: f64| std::iter::once((u, 0.0));
    end(0.0)
        .chain(half(0.0))
        .chain(end(0.5))
        .chain(half(0.5))
        .chain(end(1.0))
}

fn mean_prevalence(row: &Row) -> f64 {
    grid()
        .filter(|(_, weight)| *weight > 0.0)
        .fold(0.0, |sum, (u, weight)| sum + weight * row.mean(u))
}

fn mean_lambda(row: &Row) -> f64 {
    count(row.arrivals) * mean_prevalence(row)
}

fn unknown_share(arrivals: &Arrivals<'_>, lambda_mean: f64) -> Option<f64> {
    if lambda_mean <= 0.0 {
        return None;
    }
    let unknown = arrivals.unknown.row(1.0).ok().flatten();
    let lambda = unknown.as_ref().map_or(0.0, mean_lambda);
    let share = (lambda / lambda_mean).min(1.0);
    // Rounding must not make it nothing.
    if arrivals.unknown.arrivals > 0 {
        Some(share.max(f64::MIN_POSITIVE))
    } else {
        Some(share)
    }
}

#[cfg(test)]
mod tests;
