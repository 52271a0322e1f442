//! How far off a forecaster's own forecasts were, a number of steps ahead, in bounded memory.
//!
//! Errors are differences of square roots, so that a quiet night and a full evening speak of the
//! same thing (Anscombe 1948, Biometrika 35:246), and an interval cannot go below 0.
//! The 0.8 and 0.95 quantiles of their size are followed by the quantile tracker of Gibbs and
//! Candès 2021 ("Adaptive conformal inference under distribution shift"): up by a step on
//! a miss, down by a little on a hit, which brings the long-run coverage to the level whatever the
//! series. The sizes of the first [`WARM_UP`] errors are taken as exponential.

use super::{Interval, VALUE_MAX};
use crate::state::SpreadState;

/// Errors before there is an interval.
pub(super) const ERRORS_MIN: u32 = 8;
/// Errors after which quantiles are followed.
const WARM_UP: u32 = 32;
/// Errors that the scale remembers.
const MEMORY: f64 = 256.0;
/// A step of a quantile, as a share of the scale: this, or while errors are few `1.5 / √n`.
const STEP: f64 = 0.1;
const STEP_YOUNG: f64 = 1.5;
/// Quantiles of an exponential variable of mean 1, `-ln(1 - p)`: tails heavier than the normal's.
const EXPONENTIAL_80: f64 = 1.609_437_912_434_100_4;
const EXPONENTIAL_95: f64 = 2.995_732_273_553_991;

/// Takes one forecast and what came of it. A closed hour, when nobody was expected and nobody
/// came, is left out: many of them would make the intervals of the others too narrow.
pub(super) fn learn(spread: &mut SpreadState, forecast: f64, value: f64) {
    if forecast <= 0.0 && value <= 0.0 {
        return;
    }
    let error = (value.sqrt() - forecast.sqrt()).abs();
    let (missed80, missed95) = (error > spread.q80, error > spread.q95);
    spread.errors = spread.errors.saturating_add(1);
    let share = (1.0 / f64::from(spread.errors)).max(1.0 / MEMORY);
    spread.scale += (error - spread.scale) * share;
    if spread.errors <= WARM_UP {
        spread.q80 = EXPONENTIAL_80 * spread.scale;
        spread.q95 = EXPONENTIAL_95 * spread.scale;
    } else {
        let step = spread.scale * STEP.max(STEP_YOUNG / f64::from(spread.errors).sqrt());
        spread.q80 = followed(spread.q80, step, 0.2, missed80);
        spread.q95 = followed(spread.q95, step, 0.05, missed95);
    }
}

fn followed(quantile: f64, step: f64, miss_share: f64, missed: bool) -> f64 {
    let miss = if missed { 1.0 } else { 0.0 };
    (quantile + step * (miss - miss_share)).max(0.0)
}

/// The 80 % and 95 % intervals around `value`, errors being `widening` times those learned.
pub(super) fn intervals(
    spread: &SpreadState,
    value: f64,
    widening: f64,
) -> Option<(Interval, Interval)> {
    let around = |quantile: f64| {
        let (root, half) = (value.sqrt(), quantile * widening);
        let low = (root - half).max(0.0);
        // Squares of roots round; the value itself stays inside.
        Interval {
            lo: (low * low).min(value),
            hi: ((root + half) * (root + half))
                .max(value)
                .min(4.0 * VALUE_MAX),
        }
    };
    (spread.errors >= ERRORS_MIN).then(|| (around(spread.q80), around(spread.q95.max(spread.q80))))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Forecasts of 100 whose errors grow to five times what they were, and fall again.
    #[test]
    fn coverage_holds_when_errors_change() {
        let mut spread = SpreadState::default();
        let (mut inside80, mut inside95, mut outcomes) = (0.0, 0.0, 0.0);
        for step in 0..6000_u32 {
            let size = if (2000..4000).contains(&step) {
                50.0
            } else {
                10.0
            };
            let value = 100.0 + size * libm::sin(f64::from(step) * 2.399_963);
            if let Some((inner, outer)) = intervals(&spread, 100.0, 1.0) {
                let inside = |interval: Interval| {
                    f64::from(u8::from((interval.lo..=interval.hi).contains(&value)))
                };
                inside80 += inside(inner);
                inside95 += inside(outer);
                outcomes += 1.0;
            }
            learn(&mut spread, 100.0, value);
        }
        assert!(
            (inside80 / outcomes - 0.8).abs() < 0.01,
            "{inside80} of {outcomes}"
        );
        assert!(
            (inside95 / outcomes - 0.95).abs() < 0.01,
            "{inside95} of {outcomes}"
        );
    }

    #[test]
    fn a_closed_hour_teaches_nothing() {
        let mut spread = SpreadState::default();
        learn(&mut spread, 0.0, 0.0);
        assert_eq!(spread, SpreadState::default());
        learn(&mut spread, 0.0, 1.0);
        assert_eq!((spread.errors, spread.scale), (1, 1.0));
    }

    #[test]
    fn wider_beyond_the_longest_horizon() {
        let spread = SpreadState {
            errors: ERRORS_MIN,
            scale: 1.0,
            q80: 2.0,
            q95: 1.0,
        };
        let (inner, outer) = intervals(&spread, 9.0, 2.0).unwrap();
        // (3 - 4)² would be 1, but a root is not below 0; and the outer is never the narrower.
        assert_eq!((inner, outer), (Interval { lo: 0.0, hi: 49.0 }, inner));
        let few = SpreadState {
            errors: ERRORS_MIN - 1,
            ..spread
        };
        assert_eq!(intervals(&few, 9.0, 1.0), None);
    }
}
