//! The distribution function of `ln λ` over everything uncertain, and its quantiles.
//!
//! Given `u`, λ is gamma distributed (module [`super::gamma`]). Where these distributions are wide
//! against the way that their mean goes over a half of `u`, the integral is a sum over the nodes.
//! Where they are narrow, the part of `u` in which they are neither 0 nor 1 is cut into panels
//! that are short against them, with the logarithm of the mean and the deviation linear between
//! the points.

use super::gamma::{Local, LogGamma, table};
use super::search::{Start, quantile, refine};
use super::{HALF, POINTS, Point};

/// Probabilities of the quantiles, with those of the standard normal distribution.
const QUANTILES: [(f64, f64); 5] = [
    (0.025, -1.96),
    (0.1, -1.2816),
    (0.5, 0.0),
    (0.9, 1.2816),
    (0.975, 1.96),
];

/// The longest half, in deviations, over which the nodes are enough: of a normal distribution they
/// miss 5e-6 then.
const HALF_MAX: f64 = 7.0;

/// The same of a panel: 1e-6.
const PANEL_MAX: f64 = 6.0;

/// Most panels of a half.
const PANELS_MAX: f64 = 16.0;

/// Deviations below and above the mean beyond which a narrow distribution is 0 or 1 to 1e-6.
const BELOW: f64 = 6.5;
const ABOVE: f64 = 5.0;

/// What is certain is taken to have this deviation.
const DEVIATION_MIN: f64 = 1e-7;

/// λ given one `u`.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
struct Node {
    weight: f64,
    log_mean: f64,
    rate: f64,
    gamma: LogGamma,
}

impl Node {
    fn new(weight: f64, log_mean: f64, deviation: f64) -> Self {
        Self {
            weight,
            log_mean,
            rate: 1.0 / deviation,
            gamma: LogGamma::new(deviation),
        }
    }

    #[inline]
    fn add_to(&self, sum: &mut Local, table: &[[f64; 4]], log: f64) {
        let local = self.gamma.at(table, (log - self.log_mean) * self.rate);
        sum.at_most += self.weight * local.at_most;
        let weight = self.weight * self.rate;
        sum.slope += weight * local.slope;
        sum.bend += weight * self.rate * local.bend;
    }
}

/// The distribution function of `ln λ`.
#[derive(Debug, Clone)]
pub(super) struct Curve<'a> {
    points: &'a [Point; POINTS],
    /// One for each point that counts; unused where distributions are narrow.
    nodes: [Node; 2 * HALF.len()],
    /// The least and the largest deviation.
    deviations: (f64, f64),
    is_narrow: bool,
}

impl<'a> Curve<'a> {
    /// Of points whose means are above 0.
    pub(super) fn new(points: &'a [Point; POINTS]) -> Self {
        let deviations = points
            .iter()
            .fold((f64::INFINITY, 0.0_f64), |(least, most), point| {
                let deviation = deviation(point);
                (least.min(deviation), most.max(deviation))
            });
        let [first, middle, last] = [0, POINTS / 2, POINTS - 1].map(|at| points[at].log_mean);
        let half = (first - middle).max(middle - last);
        let is_narrow = half > HALF_MAX * deviations.0;
        let mut nodes = [Node::default(); 2 * HALF.len()];
        if !is_narrow {
            let inner = points.iter().filter(|point| point.weight > 0.0);
            for (node, point) in nodes.iter_mut().zip(inner) {
                *node = Node::new(point.weight, point.log_mean, deviation(point));
            }
        }
        Self {
            points,
            nodes,
            deviations,
            is_narrow,
        }
    }

    /// The 2.5 %, 10 %, 50 %, 90 % and 97.5 % quantiles of λ, ascending.
    pub(super) fn quantiles(&self) -> [f64; 5] {
        let bounds = (
            self.points[POINTS - 1].log_mean - 30.0,
            self.points[0].log_mean + 10.0,
        );
        let moments = Moments::of(self.points);
        let mut bottom = 0.0_f64;
        QUANTILES.map(|(q, z)| {
            let start = Start {
                guess: moments.guess(z),
                width: 0.25 * moments.sigma,
                bounds,
            };
            let log = refine(|log| self.at(log), q, start)
                .unwrap_or_else(|| quantile(|log| self.at(log).at_most, q, start));
            // The tolerance of the search must not reverse them.
            bottom = bottom.max(libm::exp(log));
            bottom
        })
    }

    fn at(&self, log: f64) -> Local {
        let local = if self.is_narrow {
            self.at_narrow(log)
        } else {
            self.at_nodes(log)
        };
        // The table overshoots by as much as it may be wrong.
        let at_most = local.at_most.clamp(0.0, 1.0);
        Local { at_most, ..local }
    }

    fn at_nodes(&self, log: f64) -> Local {
        let table = table();
        let mut sum = Local::default();
        for node in &self.nodes {
            node.add_to(&mut sum, table, log);
        }
        sum
    }

    fn at_narrow(&self, log: f64) -> Local {
        let (least, most) = self.deviations;
        let table = table();
        let (from, to) = (
            self.passes(log + BELOW * most),
            self.passes(log - ABOVE * most),
        );
        let mut sum = Local {
            at_most: 1.0 - to,
            ..Local::default()
        };
        for (start, end) in [(from, to.min(0.5)), (from.max(0.5), to)] {
            if end <= start {
                continue;
            }
            let way = self.between(start).0 - self.between(end).0;
            let panels = (way / (PANEL_MAX * least)).ceil().clamp(1.0, PANELS_MAX);
            let step = (end - start) / panels;
            let mut left = start;
            while left < end - 0.5 * step {
                for (at, weight) in HALF {
                    let (log_mean, deviation) = self.between(left + at * step);
                    Node::new(weight * step, log_mean, deviation).add_to(&mut sum, table, log);
                }
                left += step;
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

    /// The logarithm of the mean and the deviation at `u`.
    fn between(&self, u: f64) -> (f64, f64) {
        let after = self.points.partition_point(|point| point.u < u);
        let after = after.clamp(1, POINTS - 1);
        let (a, b) = (&self.points[after - 1], &self.points[after]);
        let part = (u - a.u) / (b.u - a.u);
        let between = |a: f64, b: f64| a + (b - a) * part;
        (
            between(a.log_mean, b.log_mean),
            between(deviation(a), deviation(b)),
        )
    }
}

fn deviation(point: &Point) -> f64 {
    point.deviation.max(DEVIATION_MIN)
}

/// Mean, standard deviation, skewness and excess of `ln λ`, near enough for a guess.
#[derive(Debug, Clone, Copy, PartialEq)]
struct Moments {
    mean: f64,
    sigma: f64,
    skewness: f64,
    excess: f64,
}

impl Moments {
    /// The cumulants of the logarithm of a gamma variable are polygamma functions of its shape, by
    /// the first terms of their series (DLMF 5.11.2 and its derivatives).
    fn of(points: &[Point; POINTS]) -> Self {
        let inner = || points.iter().filter(|point| point.weight > 0.0);
        let given = |point: &Point| {
            let s = deviation(point) * deviation(point);
            (point.log_mean - s * (0.5 + s / 12.0), s)
        };
        let mean = inner().fold(0.0, |sum, point| sum + point.weight * given(point).0);
        let (mut second, mut third, mut fourth) = (0.0, 0.0, 0.0);
        for point in inner() {
            let (centre, s) = given(point);
            let off = centre - mean;
            let square = off * off;
            let two = s * (1.0 + s * (0.5 + s / 6.0));
            let three = -s * s * (1.0 + s * (1.0 + s * 0.5));
            let four = s * s * s * (2.0 + s * (3.0 + s * 2.0));
            second += point.weight * (square + two);
            third += point.weight * (off * (square + 3.0 * two) + three);
            fourth += point.weight
                * (square * (square + 6.0 * two) + 4.0 * off * three + 3.0 * two * two + four);
        }
        let sigma = second.sqrt();
        Self {
            mean,
            sigma,
            skewness: (third / (second * sigma)).clamp(-1.5, 1.5),
            excess: (fourth / (second * second) - 3.0).clamp(-1.2, 2.0),
        }
    }

    /// The quantile of the normal score `z` (Cornish and Fisher 1938, Revue de l'Institut
    /// International de Statistique 5:307).
    fn guess(&self, z: f64) -> f64 {
        let square = z * z;
        let score =
            z + (square - 1.0) * self.skewness / 6.0 + z * (square - 3.0) * self.excess / 24.0
                - z * (2.0 * square - 5.0) * self.skewness * self.skewness / 36.0;
        self.mean + score * self.sigma
    }
}
