//! Holt-Winters smoothing, additive: Holt 1957, Winters 1960; in error-correction form.

use super::ForecastError;

/// How fast level, trend and season follow: each from 0 to 1.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Gains {
    /// Of the level, α.
    pub level: f64,
    /// Of the trend, β.
    pub trend: f64,
    /// Of the season, γ.
    pub season: f64,
}

/// What is left of an error for the seasons, after the level took its part: `γ (1 - α)` of it.
pub(super) fn season_step(error: f64, level_gain: f64, season_gain: f64) -> f64 {
    season_gain * (1.0 - level_gain) * error
}

/// Additive Holt-Winters of one season, as R's `HoltWinters` computes it.
///
/// The product's forecaster has two seasons and no trend ([`super::Model::DoubleSeasonal`]); this
/// is its reference, for series of any sign.
///
/// ```
/// use tidegate_risk::forecast::{Gains, HoltWinters};
/// let gains = Gains { level: 0.3, trend: 0.1, season: 0.2 };
/// let series = [30.0, 50.0, 80.0, 40.0, 33.0, 54.0, 86.0, 43.0];
/// let mut smoothing = HoltWinters::try_from_two_periods(gains, &series)?;
/// assert!((smoothing.forecast(1) - 30.975).abs() < 1e-9);
/// smoothing.observe(33.0);
/// # Ok::<(), tidegate_risk::forecast::ForecastError>(())
/// ```
#[derive(Debug, Clone, PartialEq)]
pub struct HoltWinters {
    gains: Gains,
    level: f64,
    trend: f64,
    seasons: Vec<f64>,
    at: usize,
}

impl HoltWinters {
    /// Starts before the second period of the first two: the seasonal figures are means of the
    /// detrended values, the level and the trend a regression line through the moving averages.
    ///
    /// # Errors
    /// [`ForecastError::Gain`], [`ForecastError::Periods`] and [`ForecastError::Value`].
    pub fn try_from_two_periods(gains: Gains, first: &[f64]) -> Result<Self, ForecastError> {
        for gain in [gains.level, gains.trend, gains.season] {
            if !(0.0..=1.0).contains(&gain) {
                return Err(ForecastError::Gain(gain));
            }
        }
        let period = first.len() / 2;
        if period < 2 || !first.len().is_multiple_of(2) {
            return Err(ForecastError::Periods(first.len()));
        }
        if let Some(bad) = first
            .iter()
            .find(|value| value.abs() > super::VALUE_MAX || value.is_nan())
        {
            return Err(ForecastError::Value(*bad));
        }
        let averages = moving_averages(first, period);
        let (level, trend) = line(&averages);
        let mut figures = vec![(0.0, 0.0); period];
        for (index, average) in averages.iter().enumerate() {
            let at = index + period / 2;
            let figure = &mut figures[at % period];
            *figure = (figure.0 + first[at] - average, figure.1 + 1.0);
        }
        // An odd period has each figure twice or once; an even one once.
        let seasons: Vec<f64> = figures
            .iter()
            .map(|(sum, n)| sum / f64::max(*n, 1.0))
            .collect();
        let mean = seasons.iter().sum::<f64>() / count(period);
        Ok(Self {
            gains,
            level,
            trend,
            seasons: seasons.into_iter().map(|figure| figure - mean).collect(),
            at: 0,
        })
    }

    /// The value expected `steps` ahead, 1 or more.
    pub fn forecast(&self, steps: usize) -> f64 {
        let ahead = steps.max(1);
        let season = self.seasons[(self.at + ahead - 1) % self.seasons.len()];
        self.level + count(ahead) * self.trend + season
    }

    /// Takes the next value and returns what was expected of it. A value that is not finite or
    /// beyond ±[`super::VALUE_MAX`] is a step on which nothing is learned.
    pub fn observe(&mut self, value: f64) -> f64 {
        let expected = self.forecast(1);
        let known = value.abs() <= super::VALUE_MAX;
        let error = if known { value - expected } else { 0.0 };
        let Gains {
            level,
            trend,
            season,
        } = self.gains;
        self.level += self.trend + level * error;
        self.trend += level * trend * error;
        self.seasons[self.at] += season_step(error, level, season);
        self.at = (self.at + 1) % self.seasons.len();
        expected
    }
}

/// Centred moving averages over a period; an even period takes half of each end.
fn moving_averages(series: &[f64], period: usize) -> Vec<f64> {
    let half = period / 2;
    let average = |at: usize| {
        let window = &series[at - half..=at + half];
        let ends = f64::midpoint(series[at - half], series[at + half]);
        let even = period.is_multiple_of(2);
        let sum = window.iter().sum::<f64>() - if even { ends } else { 0.0 };
        sum / count(period)
    };
    (half..series.len() - half).map(average).collect()
}

/// Intercept and slope of the least-squares line through `(1, y₁), (2, y₂), …`.
fn line(values: &[f64]) -> (f64, f64) {
    let n = count(values.len());
    let mean = values.iter().sum::<f64>() / n;
    let centre = f64::midpoint(n, 1.0);
    let (mut xy, mut xx) = (0.0, 0.0);
    for (index, value) in values.iter().enumerate() {
        let x = count(index + 1) - centre;
        xy += x * (value - mean);
        xx += x * x;
    }
    let slope = if xx > 0.0 { xy / xx } else { 0.0 };
    (mean - slope * centre, slope)
}

#[expect(
    clippy::cast_precision_loss,
    reason = "lengths of series, exact below 2^53"
)]
fn count(n: usize) -> f64 {
    n as f64
}

#[cfg(test)]
mod tests {
    use super::*;

    const GAINS: Gains = Gains {
        level: 0.3,
        trend: 0.1,
        season: 0.2,
    };
    const SERIES: [f64; 12] = [
        30.0, 50.0, 80.0, 40.0, 33.0, 54.0, 86.0, 43.0, 36.0, 57.0, 93.0, 47.0,
    ];

    fn check(actual: f64, expected: f64) {
        assert!(
            (actual - expected).abs() < 6e-9,
            "{actual} is not {expected}"
        );
    }

    /// Domain notes 3.2: R 4.2.2, `HoltWinters(x, alpha = .3, beta = .1, gamma = .2)`.
    #[test]
    fn golden_values_of_r() {
        let mut smoothing = HoltWinters::try_from_two_periods(GAINS, &SERIES[..8]).unwrap();
        check(smoothing.level, 49.1875);
        check(smoothing.trend, 1.1);
        for (season, expected) in smoothing
            .seasons
            .iter()
            .zip([-19.3125, 0.5625, 29.8125, -11.0625])
        {
            check(*season, expected);
        }
        let fitted = [
            30.975,
            52.618_25,
            83.484_977_5,
            44.642_137_42,
            37.411_385_25,
            57.958_962_17,
            88.237_210_30,
            49.509_207_14,
        ];
        let mut sse = 0.0;
        for (value, expected) in SERIES[4..].iter().zip(fitted) {
            let actual = smoothing.observe(*value);
            check(actual, expected);
            sse += (value - actual).powi(2);
        }
        check(sse, 46.923_714_54);
        for (steps, expected) in
            (1..).zip([42.047_136_41, 63.120_306_75, 94.554_896_27, 53.304_700_42])
        {
            check(smoothing.forecast(steps), expected);
        }
        check(smoothing.forecast(0), 42.047_136_41);
    }

    #[test]
    fn bad_input_is_a_typed_error_or_a_step() {
        let start = |gains, first: &[f64]| HoltWinters::try_from_two_periods(gains, first);
        let steep = Gains {
            trend: 1.1,
            ..GAINS
        };
        assert_eq!(start(steep, &SERIES), Err(ForecastError::Gain(1.1)));
        for length in [0, 1, 2, 3, 7] {
            assert_eq!(
                start(GAINS, &SERIES[..length]),
                Err(ForecastError::Periods(length))
            );
        }
        assert!(start(GAINS, &[1.0, f64::NAN, 1.0, 1.0]).is_err());
        let mut odd = start(GAINS, &[1.0, 2.0, 3.0, 1.0, 2.0, 3.0]).unwrap();
        check(odd.forecast(1), 1.0);
        odd.observe(f64::NAN);
        odd.observe(f64::INFINITY);
        check(odd.forecast(1), 3.0);
    }
}
