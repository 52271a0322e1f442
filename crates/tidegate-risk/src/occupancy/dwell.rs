//! How long people stay, and which share of past arrivals is therefore still inside.
//!
//! With `S(t)` the share that stays longer than `t`, and arrivals spread evenly within a window of
//! length `Δ`, the share still inside of those who came `j` windows ago is
//! `w_j = 1/Δ ∫ S(s) ds` over `[jΔ, (j+1)Δ]`, and `Σ w_j = E[dwell] / Δ` (Little's law; Eick,
//! Massey and Whitt 1993, Management Science 39:241). Both distributions here have the integral
//! in closed form.

/// The longest stay that is counted unless the caller says otherwise, in minutes.
pub const DWELL_MAX_MINUTES: f64 = 240.0;

/// The most windows that a stay may span.
const WEIGHTS_MAX: f64 = 1_440.0;

/// The longest time in minutes: a year.
const MINUTES_MAX: f64 = 525_600.0;

/// The shortest time in minutes: a millisecond.
const MINUTES_MIN: f64 = 1.0 / 60_000.0;

/// Standard deviations over the mean beyond which there is no lognormal to compute with.
const VARIATION: std::ops::RangeInclusive<f64> = 0.001..=20.0;

/// Why there is no dwell distribution, or no weights from it.
#[derive(Debug, Clone, Copy, PartialEq, thiserror::Error)]
pub enum DwellError {
    /// A time that is no length, or beyond a year.
    #[error("{0} minutes are not a finite time above 0, of a year at most")]
    Minutes(f64),
    /// A standard deviation of 0, or one that is no number or out of all proportion.
    #[error(
        "standard deviation {sd} of a mean dwell of {mean} minutes is not 0.001 to 20 times it"
    )]
    StandardDeviation {
        /// The mean, minutes.
        mean: f64,
        /// The standard deviation, minutes.
        sd: f64,
    },
    /// Low, middle and high mean that do not ascend.
    #[error("mean dwell low {low}, middle {mid}, high {high} must ascend")]
    Order {
        /// The low mean, minutes.
        low: f64,
        /// The middle mean, minutes.
        mid: f64,
        /// The high mean, minutes.
        high: f64,
    },
    /// A stay that is shorter than a window, or spans too many.
    #[error("a stay of {max} minutes is not 1 to 1440 windows of {window} minutes")]
    Windows {
        /// The longest stay, minutes.
        max: f64,
        /// The window, minutes.
        window: f64,
    },
}

#[derive(Debug, Clone, Copy, PartialEq)]
enum Shape {
    Exponential,
    /// Parameters of the logarithm of minutes.
    Lognormal {
        mu: f64,
        sigma: f64,
    },
}

/// A distribution of the time that people stay: its mean is above 0.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Dwell {
    mean: f64,
    shape: Shape,
}

impl Dwell {
    /// The exponential distribution with a mean in minutes.
    ///
    /// # Errors
    /// [`DwellError::Minutes`] when `mean` is not a time.
    pub fn exponential(mean: f64) -> Result<Self, DwellError> {
        Ok(Self {
            mean: minutes(mean)?,
            shape: Shape::Exponential,
        })
    }

    /// The lognormal distribution with a mean and a standard deviation in minutes:
    /// `σ² = ln(1 + sd²/mean²)`, `μ = ln mean - σ²/2`.
    ///
    /// # Errors
    /// [`DwellError::Minutes`] when `mean` is not a time;
    /// [`DwellError::StandardDeviation`] when `sd` is 0, no number, or not 0.001 to 20 times it.
    pub fn lognormal(mean: f64, sd: f64) -> Result<Self, DwellError> {
        let mean = minutes(mean)?;
        let variation = sd / mean;
        if !VARIATION.contains(&variation) {
            return Err(DwellError::StandardDeviation { mean, sd });
        }
        let sigma2 = libm::log1p(variation * variation);
        Ok(Self {
            mean,
            shape: Shape::Lognormal {
                mu: libm::log(mean) - sigma2 / 2.0,
                sigma: sigma2.sqrt(),
            },
        })
    }

    /// The same form with another mean: every stay is longer or shorter by the same factor.
    ///
    /// # Errors
    /// [`DwellError::Minutes`] when `mean` is not a time.
    pub fn with_mean(self, mean: f64) -> Result<Self, DwellError> {
        let mean = minutes(mean)?;
        let shape = match self.shape {
            Shape::Exponential => Shape::Exponential,
            Shape::Lognormal { sigma, .. } => Shape::Lognormal {
                mu: libm::log(mean) - sigma * sigma / 2.0,
                sigma,
            },
        };
        Ok(Self { mean, shape })
    }

    /// The mean in minutes.
    pub const fn mean(self) -> f64 {
        self.mean
    }

    /// The share that stays longer than `minutes`, 0 to 1; all of them for a time below 0, and
    /// for none at all (NaN).
    pub fn survival(self, minutes: f64) -> f64 {
        if minutes.is_nan() || minutes <= 0.0 {
            return 1.0;
        }
        match self.shape {
            Shape::Exponential => libm::exp(-minutes / self.mean),
            Shape::Lognormal { mu, sigma } => upper_tail((libm::log(minutes) - mu) / sigma),
        }
    }

    /// `∫ S(s) ds` over `[0, minutes]`: the mean of stays cut at `minutes`, at most the mean.
    fn cut_mean(self, minutes: f64) -> f64 {
        if minutes.is_nan() || minutes <= 0.0 {
            return 0.0;
        }
        let cut = match self.shape {
            Shape::Exponential => -self.mean * libm::expm1(-minutes / self.mean),
            Shape::Lognormal { mu, sigma } => {
                let z = (libm::log(minutes) - mu) / sigma;
                self.mean * upper_tail(sigma - z) + minutes * upper_tail(z)
            }
        };
        cut.min(self.mean)
    }
}

/// The share of a standard normal above `z`.
fn upper_tail(z: f64) -> f64 {
    0.5 * libm::erfc(z * std::f64::consts::FRAC_1_SQRT_2)
}

fn minutes(value: f64) -> Result<f64, DwellError> {
    if (MINUTES_MIN..=MINUTES_MAX).contains(&value) {
        Ok(value)
    } else {
        Err(DwellError::Minutes(value))
    }
}

/// Dwell at its low, middle and high mean: how far the mean is known.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct DwellRange {
    low: Dwell,
    mid: Dwell,
    high: Dwell,
}

impl DwellRange {
    /// `mid`, which may have a mean from `low_mean` to `high_mean` minutes.
    ///
    /// # Errors
    /// [`DwellError::Minutes`] and [`DwellError::Order`] (equal is allowed).
    pub fn try_new(mid: Dwell, low_mean: f64, high_mean: f64) -> Result<Self, DwellError> {
        let (low, high) = (mid.with_mean(low_mean)?, mid.with_mean(high_mean)?);
        if low.mean <= mid.mean && mid.mean <= high.mean {
            Ok(Self { low, mid, high })
        } else {
            Err(DwellError::Order {
                low: low.mean,
                mid: mid.mean,
                high: high.mean,
            })
        }
    }

    /// Low, middle and high.
    pub const fn all(self) -> [Dwell; 3] {
        [self.low, self.mid, self.high]
    }
}

/// A dwell that is assumed of a kind of venue, for want of a measurement.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct DwellAssumption {
    /// The kind of venue, as in configuration.
    pub venue_kind: &'static str,
    /// Mean, minutes.
    pub mean: f64,
    /// Standard deviation, minutes.
    pub sd: f64,
}

/// What is assumed without local data. None of it is published; measure your venue.
pub const DWELL_ASSUMPTIONS: [DwellAssumption; 3] = [
    DwellAssumption {
        venue_kind: "market",
        mean: 35.0,
        sd: 20.0,
    },
    DwellAssumption {
        venue_kind: "station_concourse",
        mean: 8.0,
        sd: 6.0,
    },
    DwellAssumption {
        venue_kind: "interchange",
        mean: 12.0,
        sd: 8.0,
    },
];

/// The share of past arrivals that is still inside, by the number of windows since.
#[derive(Debug, Clone, PartialEq)]
pub struct DwellWeights {
    weights: Vec<f64>,
    cut_share: f64,
    longer_share: f64,
}

impl DwellWeights {
    /// Weights for windows of `window` minutes, of stays cut at `max` minutes.
    ///
    /// # Errors
    /// [`DwellError::Minutes`] for a length that is no time; [`DwellError::Windows`] when `max` is
    /// shorter than a window or longer than 1440 of them.
    ///
    /// ```
    /// use tidegate_risk::occupancy::{Dwell, DwellWeights};
    /// let weights = DwellWeights::try_new(Dwell::exponential(30.0)?, 15.0, 240.0)?;
    /// assert!((weights.as_slice()[0] - 0.786_938_680_6).abs() < 1e-9);
    /// # Ok::<(), tidegate_risk::occupancy::DwellError>(())
    /// ```
    pub fn try_new(dwell: Dwell, window: f64, max: f64) -> Result<Self, DwellError> {
        let (window, max) = (minutes(window)?, minutes(max)?);
        if !(1.0..=WEIGHTS_MAX).contains(&(max / window)) {
            return Err(DwellError::Windows { max, window });
        }
        let mut weights = Vec::new();
        let (mut lag, mut inside) = (1.0, 0.0);
        while weights.is_empty() || (lag - 1.0) * window < max {
            let next = dwell.cut_mean((lag * window).min(max));
            weights.push(((next - inside) / window).clamp(0.0, 1.0));
            (lag, inside) = (lag + 1.0, next);
        }
        Ok(Self {
            weights,
            cut_share: (1.0 - inside / dwell.mean).clamp(0.0, 1.0),
            longer_share: dwell.survival(max),
        })
    }

    /// The weights `w_0, w_1, …`, each 0 to 1; `w_0` is that of the window that has just ended.
    pub fn as_slice(&self) -> &[f64] {
        &self.weights
    }

    /// The tail that was cut: the share of all time inside that lies beyond the longest stay.
    /// `Σ w_j` falls short of `E[dwell] / Δ` by this share of it.
    pub const fn cut_share(&self) -> f64 {
        self.cut_share
    }

    /// The share of people who stay longer than the longest stay.
    pub const fn longer_share(&self) -> f64 {
        self.longer_share
    }
}

#[cfg(test)]
mod tests;
