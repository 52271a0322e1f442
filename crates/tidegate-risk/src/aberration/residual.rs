//! How far a count is from what was expected, in numbers whose variance is about 1.
//!
//! A count of mean `μ` and variance `φ μ` is made nearly normal by a power. `φ`, the dispersion, is
//! 1 for Poisson counts and more for people who come in groups; it is an input.

use super::{AberrationError, VALUE_MAX};

/// An expected count and its dispersion.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Expectation {
    mean: f64,
    dispersion: f64,
}

impl Expectation {
    /// A count of `mean` persons with variance `dispersion · mean`.
    ///
    /// # Errors
    /// [`AberrationError::Expected`] unless the mean is 0 to 10¹²;
    /// [`AberrationError::Dispersion`] unless the dispersion is 10⁻⁶ to 10⁶.
    pub fn try_new(mean: f64, dispersion: f64) -> Result<Self, AberrationError> {
        if !(0.0..=VALUE_MAX).contains(&mean) {
            return Err(AberrationError::Expected(mean));
        }
        if !(1e-6..=1e6).contains(&dispersion) {
            return Err(AberrationError::Dispersion(dispersion));
        }
        Ok(Self { mean, dispersion })
    }

    /// A Poisson count of `mean` persons.
    ///
    /// # Errors
    /// [`AberrationError::Expected`].
    pub fn try_poisson(mean: f64) -> Result<Self, AberrationError> {
        Self::try_new(mean, 1.0)
    }

    /// The expected count, 0 or more.
    pub const fn mean(self) -> f64 {
        self.mean
    }

    /// Variance over mean, above 0.
    pub const fn dispersion(self) -> f64 {
        self.dispersion
    }

    /// The Anscombe residual `(y^⅔ - μ^⅔) / (⅔ μ^⅙ √φ)` of a count `y`.
    ///
    /// `None` when 0 is expected: any person is then infinitely surprising, and none says nothing;
    /// [`square_root`](Self::square_root) stays finite. Method
    /// [`crate::method::RESIDUAL_ANSCOMBE`].
    ///
    /// # Errors
    /// [`AberrationError::Count`] unless the count is 0 to 10¹².
    pub fn anscombe(self, count: f64) -> Result<Option<f64>, AberrationError> {
        let count = checked_count(count)?;
        let two_thirds = |value: f64| {
            let root = libm::cbrt(value);
            root * root
        };
        let scale = 2.0 / 3.0 * libm::sqrt(libm::cbrt(self.mean)) * libm::sqrt(self.dispersion);
        Ok((scale > 0.0).then(|| (two_thirds(count) - two_thirds(self.mean)) / scale))
    }

    /// The square-root residual `2 (√y - √μ) / √φ` of a count `y`, finite for every `μ`.
    ///
    /// Method [`crate::method::RESIDUAL_SQUARE_ROOT`].
    ///
    /// # Errors
    /// [`AberrationError::Count`] unless the count is 0 to 10¹².
    pub fn square_root(self, count: f64) -> Result<f64, AberrationError> {
        let count = checked_count(count)?;
        let difference = libm::sqrt(count) - libm::sqrt(self.mean);
        Ok(2.0 * difference / libm::sqrt(self.dispersion))
    }
}

fn checked_count(count: f64) -> Result<f64, AberrationError> {
    if (0.0..=VALUE_MAX).contains(&count) {
        Ok(count)
    } else {
        Err(AberrationError::Count(count))
    }
}
