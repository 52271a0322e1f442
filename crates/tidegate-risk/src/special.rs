//! Distribution functions that intervals need: normal, gamma, beta.
//!
//! All take checked arguments from their callers in this crate. A relative error is that of
//! `libm::lgamma` at the size of the parameters: about 1e-12 at 10⁴, 1e-9 at 10⁷.
//! Formulas: NIST Digital Library of Mathematical Functions (DLMF), chapters 7 and 8; Lentz's
//! method as in Press et al. 2007, "Numerical Recipes", 5.2.

/// Most terms of a series or a continued fraction. Both need about √parameter terms, so this is
/// enough to 10⁹; beyond, the last partial sum stands.
const TERMS_MAX: u32 = 200_000;

/// Halvings of a bisection: after these, the bounds of any interval in [0, 1] are neighbours to
/// one part in 10¹⁵ of a value above 10⁻³⁰.
const HALVINGS: u32 = 200;

/// Keeps a denominator of Lentz's method from 0.
const TINY: f64 = 1e-300;

/// `Φ(z)`, the standard normal distribution function.
pub(crate) fn normal_cdf(z: f64) -> f64 {
    0.5 * libm::erfc(-z / std::f64::consts::SQRT_2)
}

/// The regularised lower incomplete gamma function `P(a, x)`, `a > 0`, `x >= 0` (DLMF 8.2.4).
pub(crate) fn gamma_p(a: f64, x: f64) -> f64 {
    if x <= 0.0 {
        return 0.0;
    }
    let scale = libm::exp(a * libm::log(x) - x - libm::lgamma(a));
    let value = if x < a + 1.0 {
        scale * gamma_series(a, x)
    } else {
        1.0 - scale * gamma_fraction(a, x)
    };
    value.clamp(0.0, 1.0)
}

/// `Σ x^n / (a (a+1) … (a+n))` (DLMF 8.7.1).
fn gamma_series(a: f64, x: f64) -> f64 {
    let (mut term, mut sum, mut at) = (1.0 / a, 1.0 / a, a);
    for _ in 0..TERMS_MAX {
        at += 1.0;
        term *= x / at;
        sum += term;
        if term < sum * f64::EPSILON {
            break;
        }
    }
    sum
}

/// The continued fraction of `Γ(a, x) x^-a e^x` (DLMF 8.9.2) by Lentz's method.
#[expect(
    clippy::many_single_char_names,
    reason = "the names of Lentz's method as printed"
)]
fn gamma_fraction(a: f64, x: f64) -> f64 {
    let mut b = x + 1.0 - a;
    let mut c = 1.0 / TINY;
    let mut d = 1.0 / b;
    let mut value = d;
    for term in 1..TERMS_MAX {
        let i = f64::from(term);
        let numerator = -i * (i - a);
        b += 2.0;
        d = 1.0 / nonzero(numerator * d + b);
        c = nonzero(b + numerator / c);
        let factor = d * c;
        value *= factor;
        if (factor - 1.0).abs() < f64::EPSILON {
            break;
        }
    }
    value
}

/// The regularised incomplete beta function `I_x(a, b)`, `a, b > 0` (DLMF 8.17.2).
pub(crate) fn beta_cdf(x: f64, a: f64, b: f64) -> f64 {
    if x <= 0.0 {
        return 0.0;
    }
    if x >= 1.0 {
        return 1.0;
    }
    let log_scale = libm::lgamma(a + b) - libm::lgamma(a) - libm::lgamma(b)
        + a * libm::log(x)
        + b * libm::log1p(-x);
    let scale = libm::exp(log_scale);
    let value = if x < (a + 1.0) / (a + b + 2.0) {
        scale * beta_fraction(x, a, b) / a
    } else {
        1.0 - scale * beta_fraction(1.0 - x, b, a) / b
    };
    value.clamp(0.0, 1.0)
}

/// The continued fraction of `I_x(a, b)` (DLMF 8.17.22) by Lentz's method.
#[expect(
    clippy::many_single_char_names,
    reason = "the names of Lentz's method as printed"
)]
fn beta_fraction(x: f64, a: f64, b: f64) -> f64 {
    let mut c = 1.0;
    let mut d = 1.0 / nonzero(1.0 - (a + b) * x / (a + 1.0));
    let mut value = d;
    for term in 1..TERMS_MAX {
        let m = f64::from(term);
        let even = m * (b - m) * x / ((a + 2.0 * m - 1.0) * (a + 2.0 * m));
        d = 1.0 / nonzero(1.0 + even * d);
        c = nonzero(1.0 + even / c);
        value *= d * c;
        let odd = -(a + m) * (a + b + m) * x / ((a + 2.0 * m) * (a + 2.0 * m + 1.0));
        d = 1.0 / nonzero(1.0 + odd * d);
        c = nonzero(1.0 + odd / c);
        let factor = d * c;
        value *= factor;
        if (factor - 1.0).abs() < f64::EPSILON {
            break;
        }
    }
    value
}

fn nonzero(x: f64) -> f64 {
    if x.abs() < TINY { TINY } else { x }
}

/// The `q` quantile of Beta(`a`, `b`).
pub(crate) fn beta_quantile(q: f64, a: f64, b: f64) -> f64 {
    bisect((0.0, 1.0), |x| beta_cdf(x, a, b) < q)
}

/// Where `below` turns from true to false between the two bounds, to the last bits.
///
/// Bounds more than a factor of two apart are halved by their exponent, so that small roots keep
/// their digits.
pub(crate) fn bisect((mut lo, mut hi): (f64, f64), below: impl Fn(f64) -> bool) -> f64 {
    for _ in 0..HALVINGS {
        let mid = if hi > 4.0 * lo && hi > 1e-30 {
            (lo.max(1e-32) * hi).sqrt()
        } else {
            f64::midpoint(lo, hi)
        };
        if mid <= lo || mid >= hi {
            break;
        }
        if below(mid) {
            lo = mid;
        } else {
            hi = mid;
        }
    }
    f64::midpoint(lo, hi)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(actual: f64, expected: f64) {
        assert!(
            (actual - expected).abs() <= 1e-12 * expected.abs().max(1e-3),
            "{actual} is not {expected}"
        );
    }

    #[test]
    fn closed_forms() {
        check(normal_cdf(0.0), 0.5);
        check(normal_cdf(1.959_963_984_540_054), 0.975);
        for x in [1e-9, 0.3, 1.0, 5.0, 40.0] {
            check(gamma_p(1.0, x), -libm::expm1(-x));
            check(gamma_p(0.5, x), libm::erf(x.sqrt()));
        }
        for x in [1e-9, 0.2, 0.5, 0.999] {
            check(beta_cdf(x, 1.0, 1.0), x);
            check(beta_cdf(x, 3.0, 1.0), x * x * x);
            check(
                beta_cdf(x, 0.5, 0.5),
                2.0 * libm::asin(x.sqrt()) / std::f64::consts::PI,
            );
        }
        check(beta_quantile(0.25, 1.0, 1.0), 0.25);
        check(beta_quantile(1e-9, 1.0, 1.0), 1e-9);
    }

    /// Large parameters end, and agree with the normal limit to its own error.
    #[test]
    fn large_parameters() {
        check(gamma_p(2.0, 0.0), 0.0);
        assert!((gamma_p(1e9, 1e9) - 0.5).abs() < 1e-4);
        assert!((beta_cdf(0.5, 1e8, 1e8) - 0.5).abs() < 1e-4);
        for (a, x) in [(1e-3, 1e-300), (1e12, 1.0), (1.0, 1e300), (1e9, 2e9)] {
            assert!((0.0..=1.0).contains(&gamma_p(a, x)), "{a} {x}");
        }
    }
}
