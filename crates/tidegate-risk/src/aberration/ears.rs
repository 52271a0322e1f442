//! EARS C1, C2 and C3: a window against the few before it.
//!
//! With the mean and the standard deviation of `b` baseline values (7 by default):
//! `C1(t)` is `Y(t)` over `Y(t-b) … Y(t-1)` in standard deviations, `C2(t)` over
//! `Y(t-b-2) … Y(t-3)`, so that a slow rise does not train its own baseline, and
//! `C3(t) = Σ_{i=t-2}^{t} max(0, C2(i) - 1)`. From 1, the first defined windows are `b + 1`,
//! `b + 3` and `b + 5`.
//!
//! Points that do not train are passed over: a baseline is the last `b` values that train, before
//! the guard of two windows for C2. C3 needs all three C2, else it is `None`: a missing window is
//! not evidence of calm.
//!
//! The C3 of R's package surveillance (1.20.3, 1.26.0) is another one: its bound holds the observed
//! value itself, so its alarm depends on the two earlier terms alone. It is not copied.
//!
//! Source: Hutwagner et al. 2003, Journal of Urban Health 80:i89; Fricker, Hegler and Dunfee 2008,
//! Statistics in Medicine 27:3407.

use std::collections::VecDeque;

use super::baseline::{Baseline, BaselineRule, Score};
use super::{AberrationError, Flag, Point, checked_value};
use crate::state::EarsState;

/// Windows between the baseline of C2 and the window that is judged.
const GUARD: usize = 2;

/// What the three methods say of one window; `None` where there is no value or no baseline.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct EarsStep {
    /// Against the values just before.
    pub c1: Option<Score>,
    /// Against the values before a guard of two windows.
    pub c2: Option<Score>,
    /// Sum of what exceeds 1 in the last three C2, 0 or more.
    pub c3: Option<f64>,
}

/// Thresholds of the three methods, finite. A statistic alarms when it is strictly above.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct EarsThresholds {
    c1: f64,
    c2: f64,
    c3: f64,
}

impl EarsThresholds {
    /// Those of the CDC: 3, 3 and 2.
    pub const CDC: Self = Self {
        c1: 3.0,
        c2: 3.0,
        c3: 2.0,
    };

    /// C1 and C2 at the normal 0.999 quantile, as R's surveillance has them; C3 at the CDC's 2.
    pub const NORMAL_999: Self = Self {
        c1: 3.090_232_306_167_813,
        c2: 3.090_232_306_167_813,
        c3: 2.0,
    };

    /// Thresholds of C1, C2 and C3.
    ///
    /// # Errors
    /// [`AberrationError::Threshold`] for one that is not finite.
    pub fn try_new([c1, c2, c3]: [f64; 3]) -> Result<Self, AberrationError> {
        match [c1, c2, c3].into_iter().find(|value| !value.is_finite()) {
            None => Ok(Self { c1, c2, c3 }),
            Some(bad) => Err(AberrationError::Threshold(bad)),
        }
    }

    /// The three as C1, C2, C3.
    pub const fn get(self) -> [f64; 3] {
        [self.c1, self.c2, self.c3]
    }

    /// Whether each of C1, C2, C3 of `step` is above its threshold.
    pub fn flags(self, step: EarsStep) -> [Flag; 3] {
        [
            Flag::of(step.c1.map(Score::value), self.c1),
            Flag::of(step.c2.map(Score::value), self.c2),
            Flag::of(step.c3, self.c3),
        ]
    }
}

/// The three methods over a stream of windows. Memory: `b + 2` values.
///
/// Methods [`crate::method::EARS_C1`], [`crate::method::EARS_C2`] and [`crate::method::EARS_C3`].
///
/// ```
/// use tidegate_risk::aberration::Point;
/// use tidegate_risk::aberration::baseline::BaselineRule;
/// use tidegate_risk::aberration::ears::Ears;
/// let mut ears = Ears::new(BaselineRule::DEFAULT);
/// for count in [4.0, 6.0, 5.0, 7.0, 3.0, 6.0, 5.0] {
///     assert_eq!(ears.take(Point::Trains(count))?.c1, None);
/// }
/// let step = ears.take(Point::Trains(8.0))?;
/// assert!((step.c1.unwrap().value() - 2.123_977).abs() < 1e-6);
/// assert_eq!(step.c2, None);
/// # Ok::<(), tidegate_risk::aberration::AberrationError>(())
/// ```
#[derive(Debug, Clone, PartialEq)]
pub struct Ears {
    rule: BaselineRule,
    /// The last values that train, oldest first, at most the rule's length and the guard.
    trained: VecDeque<f64>,
    /// Which of the last two windows trained, older first.
    recent: [bool; GUARD],
    /// `max(0, C2 - 1)` of the last two windows, older first.
    excess: [Option<f64>; 2],
}

impl Ears {
    /// No history.
    pub const fn new(rule: BaselineRule) -> Self {
        Self {
            rule,
            trained: VecDeque::new(),
            recent: [false; GUARD],
            excess: [None; 2],
        }
    }

    /// Everything remembered beside the rule.
    pub fn state(&self) -> EarsState {
        EarsState {
            trained: self.trained.iter().copied().collect(),
            recent: self.recent,
            excess: self.excess,
        }
    }

    /// The stream that goes on where `state` was taken.
    ///
    /// # Errors
    /// [`AberrationError::State`] when there are more values than the rule and the guard need,
    /// fewer than trained in the last two windows, one that is not finite or too large, or an
    /// excess that is negative or not finite.
    pub fn restore(rule: BaselineRule, state: EarsState) -> Result<Self, AberrationError> {
        let EarsState {
            trained,
            recent,
            excess,
        } = state;
        let fits = trained.len() <= usize::from(rule.length()) + GUARD
            && trained.len() >= trained_in(recent)
            && trained.iter().all(|value| checked_value(*value).is_ok());
        let sound = excess
            .iter()
            .flatten()
            .all(|value| *value >= 0.0 && *value <= EXCESS_MAX);
        if !(fits && sound) {
            return Err(AberrationError::State("EARS history"));
        }
        Ok(Self {
            rule,
            trained: trained.into(),
            recent,
            excess,
        })
    }

    /// What the methods say of `value` in the next window; nothing changes.
    ///
    /// So the caller can look first, and then [`take`](Self::take) an alarm as
    /// [`Point::JudgedOnly`].
    ///
    /// # Errors
    /// [`AberrationError::Value`] for a value that is not finite or too large.
    pub fn judge(&self, value: f64) -> Result<EarsStep, AberrationError> {
        let value = checked_value(value)?;
        let score = |guarded| Some(self.baseline(guarded)?.score_of(value));
        let (c1, c2) = (score(0), score(trained_in(self.recent)));
        let last_three = [self.excess[0], self.excess[1], c2.map(excess)];
        let c3 = last_three
            .into_iter()
            .try_fold(0.0, |sum, term| Some(sum + term?));
        Ok(EarsStep { c1, c2, c3 })
    }

    /// Judges `point` as the next window, then lets it train if it may.
    ///
    /// # Errors
    /// As [`judge`](Self::judge); the stream is then as it was.
    pub fn take(&mut self, point: Point) -> Result<EarsStep, AberrationError> {
        let step = match point.value() {
            Some(value) => self.judge(value)?,
            None => EarsStep::default(),
        };
        if let Point::Trains(value) = point {
            self.trained.push_back(value);
            if self.trained.len() > usize::from(self.rule.length()) + GUARD {
                self.trained.pop_front();
            }
        }
        self.recent = [self.recent[1], point.trains()];
        self.excess = [self.excess[1], step.c2.map(excess)];
        Ok(step)
    }

    /// The baseline before the last `guarded` values that train.
    fn baseline(&self, guarded: usize) -> Option<Baseline> {
        let end = self.trained.len().checked_sub(guarded)?;
        let start = end.checked_sub(usize::from(self.rule.length()))?;
        let values = self.trained.range(start..end).copied();
        Some(self.rule.baseline_of(values))
    }
}

/// The largest excess: values of ±10¹² over the least floor, rounded up.
const EXCESS_MAX: f64 = 1e22;

fn excess(c2: Score) -> f64 {
    (c2.value() - 1.0).max(0.0)
}

fn trained_in(recent: [bool; GUARD]) -> usize {
    recent.into_iter().map(usize::from).sum()
}

/// What the three methods say of each window of a series.
///
/// # Errors
/// [`AberrationError::Value`] for a value that is not finite or too large.
pub fn ears(rule: BaselineRule, series: &[Point]) -> Result<Vec<EarsStep>, AberrationError> {
    let mut stream = Ears::new(rule);
    series.iter().map(|point| stream.take(*point)).collect()
}

/// C1 of each window of a series without gaps, `None` for the first `b`.
///
/// # Errors
/// As [`ears`].
pub fn c1(rule: BaselineRule, series: &[f64]) -> Result<Vec<Option<f64>>, AberrationError> {
    each(rule, series, |step| step.c1.map(Score::value))
}

/// C2 of each window of a series without gaps, `None` for the first `b + 2`.
///
/// # Errors
/// As [`ears`].
pub fn c2(rule: BaselineRule, series: &[f64]) -> Result<Vec<Option<f64>>, AberrationError> {
    each(rule, series, |step| step.c2.map(Score::value))
}

/// C3 of each window of a series without gaps, `None` for the first `b + 4`.
///
/// # Errors
/// As [`ears`].
pub fn c3(rule: BaselineRule, series: &[f64]) -> Result<Vec<Option<f64>>, AberrationError> {
    each(rule, series, |step| step.c3)
}

fn each(
    rule: BaselineRule,
    series: &[f64],
    part: impl Fn(EarsStep) -> Option<f64>,
) -> Result<Vec<Option<f64>>, AberrationError> {
    let mut stream = Ears::new(rule);
    let step = |value: &f64| stream.take(Point::Trains(*value)).map(&part);
    series.iter().map(step).collect()
}
