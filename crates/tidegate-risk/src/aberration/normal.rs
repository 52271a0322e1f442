//! The tails of the standard normal and of Student's distribution, and the normal quantile.

use std::f64::consts::{FRAC_PI_2, SQRT_2};

use crate::special::beta_cdf;

/// `√(2π)`.
const SQRT_TWO_PI: f64 = 2.506_628_274_631_000_5;

/// Steps that improve the quantile. Each triples the digits of a start good to three.
const HALLEY_STEPS: u8 = 3;

/// Where the tail of Student's distribution begins: its continued fraction converges from √3 on,
/// and up to here no more than a digit and a half is lost to a subtraction from 1.
const FAR: f64 = 2.0;

/// `P(Z > z)` of a standard normal `Z`, between 0 and 1, right to a relative 10⁻¹² in both tails.
///
/// `None` for a NaN; an infinity gives 0 or 1.
///
/// ```
/// use tidegate_risk::aberration::normal::upper_tail;
/// assert!((upper_tail(3.0).unwrap() - 0.001_349_898_031_630).abs() < 1e-15);
/// ```
pub fn upper_tail(z: f64) -> Option<f64> {
    (!z.is_nan()).then(|| tail(z))
}

/// The `z` with `P(Z > z) = p`. `None` unless `p` is above 0 and below 1.
///
/// Starts with Abramowitz and Stegun 1964, 26.2.23, and improves it by Halley's method on
/// [`upper_tail`].
pub fn upper_quantile(p: f64) -> Option<f64> {
    if !(p > 0.0 && p < 1.0) {
        return None;
    }
    // 1 - p is exact here (Sterbenz), so the two halves mirror each other.
    if p > 0.5 {
        return Some(-positive_upper_quantile(1.0 - p));
    }
    Some(positive_upper_quantile(p))
}

/// The `z` with `P(Z <= z) = p`: 3.0902 for 0.999. `None` unless `p` is above 0 and below 1.
pub fn quantile(p: f64) -> Option<f64> {
    // Not 0 - z: the median is 0, and -0 would print as such.
    upper_quantile(p).map(|z| if z == 0.0 { 0.0 } else { -z })
}

/// `P(T > t)` of Student's `T` with `freedom` degrees, between 0 and 1.
///
/// `None` for a NaN or no degrees of freedom; an infinity gives 0 or 1.
/// Near the middle Abramowitz and Stegun 1964, 26.7.3 and 26.7.4, in the tail the continued
/// fraction of the incomplete beta function (DLMF 8.17.22), which keeps its relative precision.
pub fn student_upper_tail(t: f64, freedom: u8) -> Option<f64> {
    if t.is_nan() || freedom == 0 {
        return None;
    }
    let magnitude = t.abs();
    let tail = if magnitude > FAR {
        student_far_tail(magnitude, freedom)
    } else {
        0.5 * (1.0 - student_central(magnitude, freedom))
    };
    Some(if t < 0.0 { 1.0 - tail } else { tail }.clamp(0.0, 1.0))
}

fn tail(z: f64) -> f64 {
    0.5 * libm::erfc(z / SQRT_2)
}

/// [`upper_quantile`] for `p` up to ½, so 0 or more.
fn positive_upper_quantile(p: f64) -> f64 {
    // The iteration would leave rounding errors where the median is exactly 0.
    if p >= 0.5 {
        return 0.0;
    }
    let t = libm::sqrt(-2.0 * libm::log(p));
    let numerator = 2.515_517 + t * (0.802_853 + t * 0.010_328);
    let denominator = 1.0 + t * (1.432_788 + t * (0.189_269 + t * 0.001_308));
    let mut z = t - numerator / denominator;
    for _ in 0..HALLEY_STEPS {
        let density = libm::exp(-0.5 * z * z) / SQRT_TWO_PI;
        // Below the least number the density is 0; the start is then good to 4 decimals.
        if density > 0.0 {
            let error = (tail(z) - p) / density;
            z += error / (1.0 + 0.5 * z * error);
        }
    }
    z
}

/// `P(|T| <= t)` by the finite sums for whole degrees of freedom.
fn student_central(t: f64, freedom: u8) -> f64 {
    let nu = f64::from(freedom);
    let cos_squared = nu / (nu + t * t);
    let sine = t / libm::sqrt(nu + t * t);
    let odd = freedom % 2 == 1;
    // Terms of cosine powers below `freedom`: even powers 0, 2, … or odd ones 1, 3, ….
    let mut term = if odd { libm::sqrt(cos_squared) } else { 1.0 };
    let mut sum = if freedom == 1 { 0.0 } else { term };
    let mut power = if odd { 3_u8 } else { 2 };
    while power < freedom {
        let p = f64::from(power);
        term *= cos_squared * (p - 1.0) / p;
        sum += term;
        power += 2;
    }
    if odd {
        (libm::atan(t / libm::sqrt(nu)) + sine * sum) / FRAC_PI_2
    } else {
        sine * sum
    }
}

/// `½ I_x(ν/2, ½)` with `x = ν / (ν + t²)`.
fn student_far_tail(t: f64, freedom: u8) -> f64 {
    // Not ν / (ν + t²), where t² may be infinite while the answer is not needed.
    let x = 1.0 / (1.0 + t * (t / f64::from(freedom)));
    0.5 * beta_cdf(x, 0.5 * f64::from(freedom), 0.5)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Below `t = √ν` the tail may be small too; scipy 1.17.1, `stats.t.sf`.
    #[test]
    fn a_small_tail_of_many_degrees_keeps_its_digits() {
        let tail = student_upper_tail(7.436_892_792_640_298, 84).unwrap();
        let expected = 4.013_526_202_998_546_7e-11;
        assert!((tail / expected - 1.0).abs() < 1e-11, "{tail}");
    }
}
