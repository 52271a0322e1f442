//! The search for a quantile of a distribution function that costs much to compute.

use super::gamma::Local;

/// Steps of [`refine`] before it gives up.
const REFINE_MAX: u32 = 6;

/// The error in log-odds from which a step of [`refine`] leads within [`QUANTILE_TOLERANCE`].
const LAST_STEP: f64 = 0.05;

/// The least `p (1 - p)` of a guess from which [`refine`] goes on.
const ODDS_MIN: f64 = 1e-6;

/// Steps of the search; each third one halves.
const STEPS_MAX: u32 = 99;

/// The probability of a quantile is met this well,
const QUANTILE_TOLERANCE: f64 = 1e-6;

/// or the quantile itself, this well.
const TOLERANCE: f64 = 1e-7;

/// Where a search starts.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Start {
    /// A guess of the quantile.
    pub(super) guess: f64,
    /// How far off it may well be, above 0.
    pub(super) width: f64,
    /// What the quantile lies between.
    pub(super) bounds: (f64, f64),
}

/// Where a smooth curve, which rises from 0 to 1, passes `q`; `None` where it is not as smooth as
/// that, and [`quantile`] has to search.
///
/// Halley's method on the logarithm of the odds: each step cubes the error, so that two values of
/// the curve are mostly enough.
pub(super) fn refine(curve: impl Fn(f64) -> Local, q: f64, start: Start) -> Option<f64> {
    let aim = log_odds(q);
    let mut x = start.guess;
    for _ in 0..REFINE_MAX {
        let local = curve(x);
        let odds = local.at_most * (1.0 - local.at_most);
        if !(odds > ODDS_MIN && local.slope > 0.0) {
            return None;
        }
        let off = libm::log(local.at_most / (1.0 - local.at_most)) - aim;
        let slope = local.slope / odds;
        let bend = local.bend / odds - slope * slope * (1.0 - 2.0 * local.at_most);
        let newton = off / slope;
        // What Halley divides Newton's step by.
        let less = (1.0 - 0.5 * newton * bend / slope).clamp(0.5, 2.0);
        x -= newton / less;
        if !(start.bounds.0..=start.bounds.1).contains(&x) {
            return None;
        }
        if off.abs() < LAST_STEP {
            return Some(x);
        }
    }
    None
}

/// Where `at_most`, which rises from 0 to 1, passes `q`.
///
/// A bracket grows from the guess; within it the rule of false position, as the Illinois method
/// has it (Dowell and Jarratt 1971, BIT 11:168), is applied to the logarithm of the odds, which is
/// straighter than the probability. Each third step halves, so that flat stretches and jumps do not
/// hold it up.
pub(super) fn quantile(at_most: impl Fn(f64) -> f64, q: f64, start: Start) -> f64 {
    let off = |x: f64| log_odds(at_most(x)) - log_odds(q);
    // What the tolerance of the probability is in log-odds.
    let tolerance = QUANTILE_TOLERANCE / (q * (1.0 - q));
    let (least, most) = start.bounds;
    let mut x = start.guess.clamp(least, most);
    let mut off_x = off(x);
    let mut step = -start.width.copysign(off_x);
    let (mut a, mut b) = loop {
        if off_x.abs() < tolerance {
            return x;
        }
        let next = (x + step).clamp(least, most);
        if next <= least || next >= most {
            break ((x, off_x), (next, -off_x));
        }
        let off_next = off(next);
        if (off_next < 0.0) != (off_x < 0.0) {
            break ((x, off_x), (next, off_next));
        }
        (x, off_x, step) = (next, off_next, 2.0 * step);
    };
    for step in 1..=STEPS_MAX {
        if (b.0 - a.0).abs() < TOLERANCE {
            break;
        }
        let (low, high) = (a.0.min(b.0), a.0.max(b.0));
        let mid = if step % 3 == 0 {
            f64::midpoint(low, high)
        } else {
            (b.0 - b.1 * ((b.0 - a.0) / (b.1 - a.1))).clamp(low, high)
        };
        let off_mid = off(mid);
        if off_mid.abs() < tolerance {
            return mid;
        }
        if (off_mid < 0.0) == (b.1 < 0.0) {
            // The same end moved again: the other one counts for half.
            a.1 /= 2.0;
        } else {
            a = b;
        }
        b = (mid, off_mid);
    }
    f64::midpoint(a.0, b.0)
}

/// `ln (p / (1 - p))`, held where it would be infinite, and where rounding led out of 0 to 1.
fn log_odds(p: f64) -> f64 {
    let p = p.clamp(0.0, 1.0);
    (libm::log(p) - libm::log1p(-p)).clamp(-40.0, 40.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    const STARTS: [(f64, f64); 4] = [(0.0, 0.25), (-60.0, 1e-6), (60.0, 30.0), (3.0, 1.0)];

    /// Checks the quantile from near and far, and that few values were asked for.
    fn check(at_most: impl Fn(f64) -> f64, q: f64, expected: f64, asked_max: u32) {
        for (guess, width) in STARTS {
            let asked = std::cell::Cell::new(0);
            let counted = |x| {
                asked.set(asked.get() + 1);
                at_most(x)
            };
            let bounds = (-50.0, 50.0);
            let start = Start {
                guess,
                width,
                bounds,
            };
            let got = quantile(counted, q, start);
            assert!((got - expected).abs() < 2e-5, "{q} from {guess}: {got}");
            assert!(asked.get() <= asked_max, "{q} from {guess}: {asked:?}");
        }
    }

    #[test]
    fn curves_jumps_and_flat_stretches() {
        let logistic = |x: f64| 1.0 / (1.0 + libm::exp(-x));
        let uniform = |x: f64| f64::midpoint(x, 1.0).clamp(0.0, 1.0);
        let jump = |x: f64| if x < 0.5 { 0.0 } else { 1.0 };
        // A sum of parts may end above 1, and was then never below a quantile.
        let beyond = |x: f64| jump(x) * (1.0 + f64::EPSILON);
        // Two jumps, a long way from each other.
        let steps = |x: f64| 0.5 * (jump(x + 20.0) + jump(x - 20.0));
        for q in [0.025, 0.1, 0.5, 0.9, 0.975] {
            check(logistic, q, libm::log(q / (1.0 - q)), 45);
            check(uniform, q, 2.0 * q - 1.0, 60);
            check(jump, q, 0.5, 90);
            check(beyond, q, 0.5, 90);
        }
        check(steps, 0.4, -19.5, 90);
        check(steps, 0.6, 20.5, 90);
        // A quantile beyond the bounds is the bound.
        check(|_| 1.0, 0.5, -50.0, 120);
        check(|_| 0.0, 0.5, 50.0, 120);
    }
}
