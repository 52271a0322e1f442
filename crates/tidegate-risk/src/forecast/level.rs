//! The local level: a random walk seen with noise, followed by Kalman's filter.
//!
//! Durbin and Koopman 2012, "Time Series Analysis by State Space Methods", chapter 2.

/// What is known of a level: its mean and variance.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct LocalLevel {
    /// The level expected.
    pub mean: f64,
    /// The variance around it, 0 or more.
    pub variance: f64,
}

impl LocalLevel {
    /// After a step in which the level moved by `walk` (a variance, 0 or more) and nothing was
    /// seen.
    #[must_use]
    pub fn moved(self, walk: f64) -> Self {
        Self {
            variance: self.variance + walk,
            ..self
        }
    }

    /// After `seen` with a noise of variance `noise`, above 0.
    #[must_use]
    pub fn corrected(self, seen: f64, noise: f64) -> Self {
        let gain = self.variance / (self.variance + noise);
        Self {
            mean: self.mean + gain * (seen - self.mean),
            variance: gain * noise,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Domain notes 3.2: q 4, r 9, m₀ 10, P₀ 9.
    #[test]
    fn golden_values() {
        let mut level = LocalLevel {
            mean: 10.0,
            variance: 9.0,
        };
        for (seen, mean, variance) in [
            (10.0, 10.0, 5.318_181_818_2),
            (12.0, 11.017_369_727_0, 4.578_163_771_7),
            (11.0, 11.008_893_280_6, 4.392_010_163_7),
            (15.0, 12.934_686_092_3, 4.342_689_014_2),
        ] {
            level = level.moved(4.0).corrected(seen, 9.0);
            assert!((level.mean - mean).abs() < 6e-11, "{level:?}");
            assert!((level.variance - variance).abs() < 6e-11, "{level:?}");
        }
    }
}
