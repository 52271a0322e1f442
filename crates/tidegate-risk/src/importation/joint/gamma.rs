//! The distribution function of the logarithm of a gamma variable, from a table.
//!
//! A variable of mean 1 and *deviation* `τ`, its coefficient of variation, has the *score*
//! `t = ln x / τ`. Its distribution over `t` becomes the standard normal one as `τ` goes to 0, so a
//! table over `(τ, t)` needs no other formula for large shapes. Between its rows it is interpolated
//! by the cubic of Lagrange over four of them, between scores by that of Hermite: within 2e-6 of
//! [`gamma_p`], as a test holds, with slopes that belong to the curve.

use std::sync::LazyLock;

use crate::special::{gamma_p, normal_cdf};

/// Rows for each unit of the deviation.
const ROWS_A_UNIT: f64 = 24.0;

/// Rows: deviations from 0 to 1.5, that of 0.44 cases.
const ROWS: usize = 37;

/// The largest deviation of the table; beyond it the function itself is computed.
const DEVIATION_MAX: f64 = 1.5;

/// The lowest score of the table; below it the distribution falls as its series' first term.
const SCORE_MIN: f64 = -8.0;

/// The highest score; above it the rest is below 3e-7.
const SCORE_MAX: f64 = 5.0;

const CELLS_A_UNIT: f64 = 8.0;
const CELLS: usize = 104;

/// The deviation below which nothing is left below [`SCORE_MIN`]: less than 1e-8.
const TAIL_FROM: f64 = 0.3;

/// A distribution function at one place.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub(super) struct Local {
    pub(super) at_most: f64,
    /// The density.
    pub(super) slope: f64,
    /// The slope of the density.
    pub(super) bend: f64,
}

impl Local {
    const NONE: Self = Self {
        at_most: 0.0,
        slope: 0.0,
        bend: 0.0,
    };
    const ALL: Self = Self {
        at_most: 1.0,
        ..Self::NONE
    };
}

/// The coefficients of the cubics of each row, by cell.
static TABLE: LazyLock<Vec<[f64; 4]>> = LazyLock::new(|| {
    let mut table = Vec::with_capacity(ROWS * CELLS);
    for row in 0..ROWS {
        let at = |cell: usize| {
            let local = exact(
                as_f64(row) / ROWS_A_UNIT,
                SCORE_MIN + as_f64(cell) / CELLS_A_UNIT,
            );
            (local.at_most, local.slope / CELLS_A_UNIT)
        };
        for cell in 0..CELLS {
            let ((a, rise_a), (b, rise_b)) = (at(cell), at(cell + 1));
            let over = b - a;
            table.push([
                a,
                rise_a,
                3.0 * over - 2.0 * rise_a - rise_b,
                rise_a + rise_b - 2.0 * over,
            ]);
        }
    }
    table
});

/// The distributions of one deviation.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub(super) struct LogGamma {
    deviation: f64,
    /// Where the first of its four rows starts in the table.
    first: usize,
    weights: [f64; 4],
}

impl LogGamma {
    /// Of a deviation above 0.
    pub(super) fn new(deviation: f64) -> Self {
        let at = deviation.min(DEVIATION_MAX) * ROWS_A_UNIT;
        let first = floor(at).saturating_sub(1).min(ROWS - 4);
        let x = at - as_f64(first);
        let (y, z, w) = (x - 1.0, x - 2.0, x - 3.0);
        Self {
            deviation,
            first: first * CELLS,
            weights: [
                -y * z * w / 6.0,
                x * z * w / 2.0,
                -x * y * w / 2.0,
                x * y * z / 6.0,
            ],
        }
    }

    /// At a score, with slopes over the score.
    #[inline]
    pub(super) fn at(&self, table: &[[f64; 4]], score: f64) -> Local {
        if self.deviation > DEVIATION_MAX {
            return exact(self.deviation, score);
        }
        if score >= SCORE_MAX {
            return Local::ALL;
        }
        let at = (score - SCORE_MIN) * CELLS_A_UNIT;
        if at < 0.0 {
            return self.tail(table, score);
        }
        let cell = floor(at).min(CELLS - 1);
        let [start, rise, c, d] = self.cubic(table, cell);
        let x = at - as_f64(cell);
        Local {
            at_most: start + x * (rise + x * (c + x * d)),
            slope: CELLS_A_UNIT * (rise + x * (2.0 * c + x * (3.0 * d))),
            bend: CELLS_A_UNIT * CELLS_A_UNIT * (2.0 * c + x * (6.0 * d)),
        }
    }

    #[inline]
    fn cubic(&self, table: &[[f64; 4]], cell: usize) -> [f64; 4] {
        let mut sum = [0.0; 4];
        for (row, weight) in self.weights.iter().enumerate() {
            let part = &table[self.first + row * CELLS + cell];
            for (sum, part) in sum.iter_mut().zip(part) {
                *sum += weight * part;
            }
        }
        sum
    }

    /// Below the table: `x^a / Γ(a + 1)` is the first term of the series (DLMF 8.7.1).
    #[cold]
    fn tail(&self, table: &[[f64; 4]], score: f64) -> Local {
        if self.deviation < TAIL_FROM {
            return Local::NONE;
        }
        let rate = 1.0 / self.deviation;
        let [edge, ..] = self.cubic(table, 0);
        let at_most = edge * libm::exp((score - SCORE_MIN) * rate);
        Local {
            at_most,
            slope: at_most * rate,
            bend: at_most * rate * rate,
        }
    }
}

/// The table, computed when it is first asked for.
pub(super) fn table() -> &'static [[f64; 4]] {
    &TABLE
}

/// Without the table.
fn exact(deviation: f64, score: f64) -> Local {
    if deviation <= 0.0 {
        let slope = libm::exp(-0.5 * score * score) / std::f64::consts::TAU.sqrt();
        return Local {
            at_most: normal_cdf(score),
            slope,
            bend: -score * slope,
        };
    }
    let spread = deviation * deviation;
    let distance = deviation * score;
    // So far out that the rest is below 1e-20.
    if distance.abs() > 12.0 * deviation + 60.0 * spread {
        return if distance >= 0.0 {
            Local::ALL
        } else {
            Local::NONE
        };
    }
    let (shape, x) = (1.0 / spread, libm::exp(distance) / spread);
    let density = libm::exp(shape * libm::log(x) - x - libm::lgamma(shape));
    Local {
        at_most: gamma_p(shape, x),
        slope: deviation * density,
        bend: spread * density * (shape - x),
    }
}

/// The whole part of a number that is not negative and small.
#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "cut off is what is asked for"
)]
fn floor(at: f64) -> usize {
    at as usize
}

#[expect(clippy::cast_precision_loss, reason = "below 2^53")]
fn as_f64(n: usize) -> f64 {
    n as f64
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Between the rows and the cells, where a table is worst, and outside of it.
    #[test]
    fn the_table_against_the_function() {
        for row in 0..380_u32 {
            let deviation = f64::from(row) / 240.0 + 1e-3;
            let gamma = LogGamma::new(deviation);
            for step in -640..300_i32 {
                let score = f64::from(step) / 40.0 + 0.009;
                let (got, expected) = (gamma.at(table(), score), exact(deviation, score));
                let off = |of: fn(Local) -> f64| (of(got) - of(expected)).abs();
                let at = (deviation, score);
                assert!(
                    off(|local| local.at_most) < 2e-6,
                    "{at:?} {got:?} {expected:?}"
                );
                assert!(
                    off(|local| local.slope) < 1e-4,
                    "{at:?} {got:?} {expected:?}"
                );
                assert!(
                    off(|local| local.bend) < 1e-2,
                    "{at:?} {got:?} {expected:?}"
                );
            }
        }
    }
}
