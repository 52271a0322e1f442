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

mod curve;
mod gamma;
mod search;

use curve::Curve;

use super::arrivals::Row;
use super::{Arrivals, ImportationError, Interval, Range, checked_share, count, one_minus_exp};

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
    /// Coefficient of variation.
    deviation: f64,
}

/// Room for the computation, so that rows of venues and windows allocate nothing once it has
/// grown to the most origins of a row.
#[derive(Debug, Clone, Default)]
pub struct Workspace {
    rows: Vec<Row>,
    points: [Point; POINTS],
    /// `ln Π (1 - p)^n` with each prevalence at its mean over ascertainment.
    log_none_plug_in: f64,
}

/// The ascertainment at each point of the last range that was asked for: most origins have the same.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
struct Ascertained {
    range: [f64; 3],
    points: [f64; POINTS],
}

impl Ascertained {
    fn of(&mut self, row: &Row) -> &[f64; POINTS] {
        let range = row.ascertainment();
        // Never equal to what nothing is, since a range is above 0.
        if self.range.map(f64::to_bits) != range.map(f64::to_bits) {
            self.range = range;
            let logs = range.map(libm::log);
            for (point, (u, _)) in self.points.iter_mut().zip(grid()) {
                *point = ascertainment(range, logs, u);
            }
        }
        &self.points
    }
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
            at_least_one_plug_in: one_minus_exp(self.log_none_plug_in).min(lambda_mean),
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
        let mut ascertained = Ascertained::default();
        for (slot, origin) in out.iter_mut().zip(arrivals.origins) {
            *slot = (mean_lambda(&origin.row(1.0), &mut ascertained) / total).min(1.0);
        }
        if let (Some(last), Some(share)) = (out.last_mut(), unknown_share(arrivals, total)) {
            *last = share;
        }
        Ok(true)
    }

    /// λ alone, in the order of sums that [`Self::load`] has.
    pub(super) fn mean(&mut self, arrivals: &Arrivals<'_>) -> Result<f64, ImportationError> {
        self.gather(arrivals, 1.0)?;
        let mut ascertained = Ascertained::default();
        for row in &self.rows {
            let persons = count(row.arrivals);
            for (point, ascertainment) in self.points.iter_mut().zip(ascertained.of(row)) {
                point.mean += persons * row.mean(*ascertainment);
            }
        }
        Ok(self.integral(|point| point.mean))
    }

    /// The rows from which somebody came, in an order that they alone decide, and points at which
    /// nothing is known yet.
    fn gather(&mut self, arrivals: &Arrivals<'_>, part: f64) -> Result<(), ImportationError> {
        self.rows.clear();
        self.rows
            .extend(arrivals.origins.iter().map(|origin| origin.row(part)));
        self.rows.extend(arrivals.unknown.row(part)?);
        self.rows.retain(|row| row.arrivals > 0);
        self.rows.sort_unstable_by(|a, b| {
            let pairs = a.key().into_iter().zip(b.key());
            pairs
                .map(|(a, b)| a.total_cmp(&b))
                .find(|order| order.is_ne())
                .unwrap_or(std::cmp::Ordering::Equal)
        });
        for (point, (u, weight)) in self.points.iter_mut().zip(grid()) {
            *point = Point {
                u,
                weight,
                ..Point::default()
            };
        }
        Ok(())
    }

    fn load(&mut self, arrivals: &Arrivals<'_>, part: f64) -> Result<(), ImportationError> {
        self.gather(arrivals, part)?;
        self.log_none_plug_in = 0.0;
        let mut ascertained = Ascertained::default();
        for row in &self.rows {
            let persons = count(row.arrivals);
            let mut prevalence = 0.0;
            for (point, ascertainment) in self.points.iter_mut().zip(ascertained.of(row)) {
                let p = row.mean(*ascertainment);
                point.mean += persons * p;
                point.variance += row.variance(p);
                point.log_none += row.log_none(p);
                prevalence += point.weight * p;
            }
            self.log_none_plug_in += persons * libm::log1p(-prevalence.min(1.0));
        }
        for point in &mut self.points {
            point.log_mean = libm::log(point.mean);
            point.deviation = point.variance.sqrt() / point.mean;
        }
        Ok(())
    }

    fn integral(&self, of: impl Fn(&Point) -> f64) -> f64 {
        let terms = self.points.iter().filter(|point| point.weight > 0.0);
        terms.fold(0.0, |sum, point| sum + point.weight * of(point))
    }

    /// The 2.5 %, 10 %, 50 %, 90 % and 97.5 % quantiles of λ, ascending; 0 when λ is 0.
    fn quantiles(&self) -> [f64; 5] {
        if self.points[POINTS - 1].mean <= 0.0 {
            return [0.0; 5];
        }
        Curve::new(&self.points).quantiles()
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

/// The ascertainment at the quantile `u` of a range with these logarithms.
fn ascertainment([low, mid, high]: [f64; 3], logs: [f64; 3], u: f64) -> f64 {
    let (from, to, log_from, log_to, part) = if u < 0.5 {
        (low, mid, logs[0], logs[1], 2.0 * u)
    } else {
        (mid, high, logs[1], logs[2], 2.0 * u - 1.0)
    };
    // Ends are exact, and so is a range of one point.
    if part <= 0.0 || from >= to {
        from
    } else if part >= 1.0 {
        to
    } else {
        libm::exp(log_from + (log_to - log_from) * part).clamp(from, to)
    }
}

fn mean_lambda(row: &Row, ascertained: &mut Ascertained) -> f64 {
    let prevalences = ascertained.of(row).iter().map(|at| row.mean(*at));
    let mean = grid()
        .zip(prevalences)
        .fold(0.0, |sum, ((_, weight), p)| sum + weight * p);
    count(row.arrivals) * mean
}

fn unknown_share(arrivals: &Arrivals<'_>, lambda_mean: f64) -> Option<f64> {
    if lambda_mean <= 0.0 {
        return None;
    }
    if arrivals.unknown.arrivals == 0 {
        return Some(0.0);
    }
    let row = arrivals.unknown.row(1.0).ok().flatten()?;
    let lambda = mean_lambda(&row, &mut Ascertained::default());
    // Rounding must not make it nothing.
    Some((lambda / lambda_mean).clamp(f64::MIN_POSITIVE, 1.0))
}

#[cfg(test)]
mod tests;
