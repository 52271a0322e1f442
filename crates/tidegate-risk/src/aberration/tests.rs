//! What every test of the module needs. [`golden`] holds the code to published and computed
//! numbers, [`laws`] to what must hold for any input, [`refusals`] to what it must refuse and keep.

mod golden;
mod laws;
mod refusals;

use super::baseline::BaselineRule;

/// The series of the domain notes, section 3.1.
const SERIES: [f64; 16] = [
    4.0, 6.0, 5.0, 7.0, 3.0, 6.0, 5.0, 8.0, 5.0, 12.0, 14.0, 6.0, 5.0, 20.0, 7.0, 6.0,
];

/// The sparse series of the domain notes, section 3.1.
const SPARSE: [f64; 13] = [
    0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 1.0, 0.0, 0.0, 0.0, 3.0,
];

/// The residuals of the domain notes, section 3.2.
const RESIDUALS: [f64; 7] = [0.2, 1.1, -0.3, 2.4, 1.8, 2.9, 0.1];

fn floor(sigma_floor: f64) -> BaselineRule {
    BaselineRule::try_new(7, sigma_floor).unwrap()
}

fn check(actual: f64, expected: f64, decimals: i32) {
    let tolerance = 0.5 * 10_f64.powi(-decimals) * 1.000_1;
    assert!(
        (actual - expected).abs() <= tolerance,
        "{actual} is not {expected} to {decimals} decimals"
    );
}

fn check_relative(actual: f64, expected: f64, tolerance: f64) {
    assert!(
        ((actual - expected) / expected).abs() <= tolerance,
        "{actual:e} is not {expected:e} within {tolerance:e} of it"
    );
}
