//! How much more a series varies than persons who come one by one would: its dispersion, learned
//! from its own residuals.

use super::AberrationError;
use super::residual::Expectation;
use crate::state::DispersionState;

/// Residuals before there is a dispersion.
pub const RESIDUALS_MIN: u32 = 96;

/// Residuals that it remembers: ten days of quarters of an hour.
pub const RESIDUALS_MEMORY: u32 = 960;

/// A residual beyond so many standard deviations counts as one of so many, so that what is unusual
/// does not become usual at once.
const CUT: f64 = 3.0;

/// Residuals before they are cut: a mean of fewer says too little.
const UNCUT: u32 = 24;

/// The mean square of residuals `2 (√y - √μ)`, 1 at the least: how many times the variance of a
/// count is its expectation.
///
/// Hours in which nobody was expected and nobody came are left out. Memory: two numbers.
/// Method [`crate::method::RESIDUAL_DISPERSION`].
///
/// ```
/// use tidegate_risk::aberration::dispersion::Dispersion;
/// let mut dispersion = Dispersion::new();
/// for _ in 0..48 {
///     dispersion.learn(100.0, 121.0)?;
///     dispersion.learn(100.0, 81.0)?;
/// }
/// assert_eq!(dispersion.get(), Some(4.0));
/// # Ok::<(), tidegate_risk::aberration::AberrationError>(())
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct Dispersion {
    residuals: u32,
    mean: f64,
}

impl Dispersion {
    /// Nothing known.
    pub const fn new() -> Self {
        Self {
            residuals: 0,
            mean: 0.0,
        }
    }

    /// Everything remembered.
    pub const fn state(&self) -> DispersionState {
        DispersionState {
            residuals: self.residuals,
            mean: self.mean,
        }
    }

    /// The dispersion that goes on where `state` was taken.
    ///
    /// # Errors
    /// [`AberrationError::State`] when it is of more residuals than are remembered, or its mean is
    /// none of squares of residuals.
    pub fn restore(state: DispersionState) -> Result<Self, AberrationError> {
        let DispersionState { residuals, mean } = state;
        let sound = residuals <= RESIDUALS_MEMORY
            && (0.0..=4.0 * super::VALUE_MAX).contains(&mean)
            && (residuals > 0 || mean == 0.0);
        if sound {
            Ok(Self { residuals, mean })
        } else {
            Err(AberrationError::State("dispersion"))
        }
    }

    /// Variance over mean, 1 or more; `None` before [`RESIDUALS_MIN`] residuals.
    pub fn get(&self) -> Option<f64> {
        // No dispersion is taken beyond what residuals are computed with.
        (self.residuals >= RESIDUALS_MIN).then(|| self.mean.clamp(1.0, 1e6))
    }

    /// How many residuals it rests on, at most [`RESIDUALS_MEMORY`].
    pub const fn residuals(&self) -> u32 {
        self.residuals
    }

    /// Takes the residual of a count against what was expected.
    ///
    /// # Errors
    /// [`AberrationError::Expected`] and [`AberrationError::Count`]; nothing is then learned.
    pub fn learn(&mut self, expected: f64, count: f64) -> Result<(), AberrationError> {
        let residual = Expectation::try_poisson(expected)?.square_root(count)?;
        if expected <= 0.0 && count <= 0.0 {
            return Ok(());
        }
        let mut square = residual * residual;
        if self.residuals >= UNCUT {
            square = square.min(CUT * CUT * self.mean.max(1.0));
        }
        self.residuals = (self.residuals + 1).min(RESIDUALS_MEMORY);
        self.mean += (square - self.mean) / f64::from(self.residuals);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    //! Tries to make the unusual usual at once, to have an empty night make a day narrow, and to
    //! restore what nothing leaves behind.

    use super::*;

    /// After residuals of size 2, that is of dispersion 4.
    fn learned() -> Dispersion {
        let mut dispersion = Dispersion::new();
        for _ in 0..RESIDUALS_MEMORY {
            dispersion.learn(100.0, 121.0).unwrap();
        }
        dispersion
    }

    #[test]
    fn there_is_none_before_a_day_of_residuals() {
        let mut dispersion = Dispersion::new();
        for _ in 1..RESIDUALS_MIN {
            dispersion.learn(100.0, 121.0).unwrap();
            assert_eq!(dispersion.get(), None);
        }
        dispersion.learn(100.0, 121.0).unwrap();
        assert_eq!(dispersion.get(), Some(4.0));
    }

    #[test]
    fn it_is_one_at_the_least() {
        let mut dispersion = Dispersion::new();
        for _ in 0..RESIDUALS_MIN {
            dispersion.learn(100.0, 100.0).unwrap();
        }
        assert_eq!(dispersion.get(), Some(1.0));
    }

    /// `(√y - √μ) 2 = 2000` counts as 3 standard deviations: `9 · 4` in place of `4 · 10⁶`.
    #[test]
    fn one_outlier_moves_it_by_little() {
        let mut dispersion = learned();
        dispersion.learn(0.0, 1e6).unwrap();
        let expected = 4.0 + (36.0 - 4.0) / f64::from(RESIDUALS_MEMORY);
        assert!((dispersion.get().unwrap() - expected).abs() < 1e-12);
    }

    /// A lasting change is learned: within the memory the dispersion is past half of the way.
    #[test]
    fn what_lasts_is_learned() {
        let mut dispersion = learned();
        for _ in 0..RESIDUALS_MEMORY {
            dispersion.learn(100.0, 225.0).unwrap();
        }
        // √225 - √100 = 5: of dispersion 100.
        let found = dispersion.get().unwrap();
        assert!(found > 50.0 && found < 100.0, "{found}");
    }

    #[test]
    fn a_closed_hour_is_left_out() {
        let mut dispersion = learned();
        for _ in 0..1000 {
            dispersion.learn(0.0, 0.0).unwrap();
        }
        assert_eq!(dispersion, learned());
    }

    #[test]
    fn bad_values_leave_it() {
        let mut dispersion = learned();
        for bad in [f64::NAN, f64::INFINITY, -1.0, 1.1e12] {
            assert!(dispersion.learn(bad, 1.0).is_err());
            assert!(dispersion.learn(1.0, bad).is_err());
        }
        assert_eq!(dispersion, learned());
    }

    #[test]
    fn restored_or_refused() {
        let state = learned().state();
        assert_eq!(Dispersion::restore(state), Ok(learned()));
        assert_eq!(
            Dispersion::restore(DispersionState::default()),
            Ok(Dispersion::new())
        );
        for (residuals, mean) in [(961, 1.0), (0, 1.0), (1, -1.0), (1, f64::NAN), (1, 1e13)] {
            let state = DispersionState { residuals, mean };
            assert!(Dispersion::restore(state).is_err(), "{state:?}");
        }
    }
}
