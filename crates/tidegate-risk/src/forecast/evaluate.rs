//! How good a forecaster is on a recorded series, each forecast made from its own past alone.
//!
//! Rolling origin (Tashman 2000, International Journal of Forecasting 16:437): the forecaster
//! goes through the series once, learning; after the training part each step is an origin.

use super::{Forecaster, Interval, Point, Prediction, Slot};

/// One step of a recorded series.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Sample {
    /// Its slot.
    pub slot: Slot,
    /// What came of it.
    pub point: Point,
}

/// The errors of the forecasts of one horizon; each is finite, in the unit of the series unless
/// said otherwise, and `None` when there was nothing to average.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct Score {
    /// Forecasts whose outcome was observed.
    pub forecasts: u32,
    /// Outcomes observed of which there was no forecast.
    pub none: u32,
    /// Mean absolute error.
    pub mae: Option<f64>,
    /// Root of the mean squared error.
    pub rmse: Option<f64>,
    /// Mean absolute scaled error, a ratio: `mae` over that of the week before in the training
    /// part (Hyndman and Koehler 2006, International Journal of Forecasting 22:679).
    pub mase: Option<f64>,
    /// Forecasts with an interval, without the hours that are closed: nobody expected, nobody came.
    /// An interval does not learn from those, and cannot miss them.
    pub intervals: u32,
    /// Mean pinball loss at 0.025, 0.1, 0.5, 0.9 and 0.975, of `intervals`.
    pub pinball: Option<f64>,
    /// Share of `intervals` with the outcome in the 80 % interval.
    pub coverage80: Option<f64>,
    /// Share of `intervals` with the outcome in the 95 % interval.
    pub coverage95: Option<f64>,
}

/// Runs `forecaster` through `series` and scores its forecasts `steps` ahead (0 is taken as 1).
///
/// The first `train` samples are for learning and for the scale of `mase`; forecasts are made
/// from the last of them on. What the forecaster knew before is kept.
pub fn rolling_origin(
    forecaster: &mut Forecaster,
    series: &[Sample],
    train: usize,
    steps: u16,
) -> Score {
    let steps = steps.max(1);
    let mut sums = Sums::default();
    for (index, sample) in series.iter().enumerate() {
        forecaster.observe(sample.slot, sample.point);
        let target = series.get(index + usize::from(steps));
        if let Some(target) = target.filter(|_| index + 1 >= train)
            && let Some(value) = target.point.observed()
        {
            match forecaster.forecast(steps, target.slot) {
                Ok(prediction) => sums.add(prediction, value),
                Err(_) => sums.none += 1,
            }
        }
    }
    sums.score(naive_error(series.get(..train).unwrap_or(series)))
}

/// Mean absolute difference from the same slot a week before, or the last one observed.
fn naive_error(series: &[Sample]) -> Option<f64> {
    let mut week: Vec<Option<f64>> = Vec::new();
    let (mut sum, mut n_pairs) = (0.0, 0);
    for sample in series {
        let Some(value) = sample.point.observed() else {
            continue;
        };
        let slot = sample.slot.of_week();
        if week.len() <= slot {
            week.resize(slot + 1, None);
        }
        if let Some(before) = week[slot].replace(value) {
            sum += (value - before).abs();
            n_pairs += 1;
        }
    }
    mean(sum, n_pairs)
}

fn mean(sum: f64, n_terms: u32) -> Option<f64> {
    (n_terms > 0).then(|| sum / f64::from(n_terms))
}

#[derive(Debug, Default)]
struct Sums {
    forecasts: u32,
    none: u32,
    absolute: f64,
    squared: f64,
    intervals: u32,
    pinball: f64,
    inside80: u32,
    inside95: u32,
}

impl Sums {
    fn add(&mut self, prediction: Prediction, value: f64) {
        let error = value - prediction.value;
        self.forecasts += 1;
        self.absolute += error.abs();
        self.squared += error * error;
        if prediction.value <= 0.0 && value <= 0.0 {
            return;
        }
        if let (Some(inner), Some(outer)) = (prediction.interval80, prediction.interval95) {
            let inside =
                |interval: Interval| u32::from((interval.lo..=interval.hi).contains(&value));
            self.intervals += 1;
            self.inside80 += inside(inner);
            self.inside95 += inside(outer);
            let quantiles = [
                (0.025, outer.lo),
                (0.1, inner.lo),
                (0.5, prediction.value),
                (0.9, inner.hi),
                (0.975, outer.hi),
            ];
            let losses = quantiles.map(|(level, quantile)| pinball(level, quantile, value));
            self.pinball += losses.iter().sum::<f64>() / 5.0;
        }
    }

    fn score(&self, naive: Option<f64>) -> Score {
        let mae = mean(self.absolute, self.forecasts);
        let scale = naive.filter(|scale| *scale > 0.0);
        Score {
            forecasts: self.forecasts,
            none: self.none,
            mae,
            rmse: mean(self.squared, self.forecasts).map(f64::sqrt),
            mase: mae
                .zip(scale)
                .map(|(mae, scale)| mae / scale)
                .filter(|mase| mase.is_finite()),
            intervals: self.intervals,
            pinball: mean(self.pinball, self.intervals),
            coverage80: mean(f64::from(self.inside80), self.intervals),
            coverage95: mean(f64::from(self.inside95), self.intervals),
        }
    }
}

/// What a quantile costs when `value` comes: Koenker and Bassett 1978, Econometrica 46:33.
fn pinball(level: f64, quantile: f64, value: f64) -> f64 {
    let over = value - quantile;
    (level * over).max((level - 1.0) * over)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pinball_loss() {
        for (level, quantile, value, expected) in [
            (0.9, 10.0, 20.0, 9.0),
            (0.9, 10.0, 0.0, 1.0),
            (0.5, 3.0, 3.0, 0.0),
            (0.1, 10.0, 0.0, 9.0),
        ] {
            assert!((pinball(level, quantile, value) - expected).abs() < 1e-12);
        }
    }
}
