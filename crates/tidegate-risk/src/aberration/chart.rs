//! Control charts over residuals: CUSUM and EWMA remember, so they see a slow rise that no single
//! window shows.
//!
//! Both take numbers of mean 0 and variance 1 when nothing happens ([`super::residual`],
//! [`super::baseline::Score::value`]). A window without a number is not given to them: the chart
//! then stays as it was.

use super::{AberrationError, checked_value};
use crate::state::{CusumState, EwmaState};

/// Where a sum is held; far above every decision limit.
const SUM_MAX: f64 = 1e15;

/// What a CUSUM does in the window after an alarm.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum AfterAlarm {
    /// It starts again at 0: each alarm is new evidence, and the run length is as promised.
    Restart,
    /// It goes on: it alarms until the excess has been paid back, which may take long.
    Continue,
}

/// Allowance, decision limit, and what follows an alarm.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct CusumRule {
    k: f64,
    h: f64,
    after_alarm: AfterAlarm,
}

impl CusumRule {
    /// A rule with allowance `k` (half of the shift to be found, 0.5 for one of a standard
    /// deviation) and decision limit `h` (see [`super::arl`]), both in standard deviations.
    ///
    /// # Errors
    /// [`AberrationError::Allowance`] and [`AberrationError::DecisionLimit`].
    pub fn try_new(k: f64, h: f64, after_alarm: AfterAlarm) -> Result<Self, AberrationError> {
        if !(0.0..=1e6).contains(&k) {
            return Err(AberrationError::Allowance(k));
        }
        if !(h > 0.0 && h <= 1e6) {
            return Err(AberrationError::DecisionLimit(h));
        }
        Ok(Self { k, h, after_alarm })
    }

    /// The allowance, 0 or more.
    pub const fn allowance(self) -> f64 {
        self.k
    }

    /// The decision limit, above 0.
    pub const fn decision_limit(self) -> f64 {
        self.h
    }

    /// What follows an alarm.
    pub const fn after_alarm(self) -> AfterAlarm {
        self.after_alarm
    }
}

/// What a CUSUM says of one window.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct CusumStep {
    /// The sum of this window, before a restart; 0 or more.
    pub sum: f64,
    /// Whether the sum is strictly above the decision limit.
    pub alarm: bool,
}

/// The one-sided CUSUM `S(t) = max(0, S(t-1) + z(t) - k)` (Page 1954, Biometrika 41:100).
///
/// A sum beyond 10¹⁵ is held there. Method [`crate::method::CUSUM`].
///
/// ```
/// use tidegate_risk::aberration::chart::{AfterAlarm, Cusum, CusumRule};
/// let mut cusum = Cusum::new(CusumRule::try_new(0.5, 4.0, AfterAlarm::Restart)?);
/// assert!(!cusum.take(3.5)?.alarm);
/// assert!(cusum.take(2.5)?.alarm);
/// assert_eq!(cusum.take(1.5)?.sum, 1.0);
/// # Ok::<(), tidegate_risk::aberration::AberrationError>(())
/// ```
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Cusum {
    rule: CusumRule,
    sum: f64,
}

impl Cusum {
    /// A sum of 0.
    pub const fn new(rule: CusumRule) -> Self {
        Self { rule, sum: 0.0 }
    }

    /// Everything remembered beside the rule.
    pub const fn state(&self) -> CusumState {
        CusumState { sum: self.sum }
    }

    /// The CUSUM that goes on where `state` was taken.
    ///
    /// # Errors
    /// [`AberrationError::State`] unless the sum is 0 to 10¹⁵.
    pub fn restore(rule: CusumRule, state: CusumState) -> Result<Self, AberrationError> {
        if (0.0..=SUM_MAX).contains(&state.sum) {
            Ok(Self {
                rule,
                sum: state.sum,
            })
        } else {
            Err(AberrationError::State("CUSUM"))
        }
    }

    /// Takes the next number, in standard deviations.
    ///
    /// # Errors
    /// [`AberrationError::Value`]; the sum is then as it was.
    pub fn take(&mut self, z: f64) -> Result<CusumStep, AberrationError> {
        let z = checked_value(z)?;
        let sum = (self.sum + z - self.rule.k).clamp(0.0, SUM_MAX);
        let alarm = sum > self.rule.h;
        self.sum = match self.rule.after_alarm {
            AfterAlarm::Restart if alarm => 0.0,
            AfterAlarm::Restart | AfterAlarm::Continue => sum,
        };
        Ok(CusumStep { sum, alarm })
    }
}

/// The CUSUM of each window of a series without gaps.
///
/// # Errors
/// [`AberrationError::Value`].
pub fn cusum(rule: CusumRule, series: &[f64]) -> Result<Vec<CusumStep>, AberrationError> {
    let mut chart = Cusum::new(rule);
    series.iter().map(|z| chart.take(*z)).collect()
}

/// Weight of the newest number and width of the limits.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct EwmaRule {
    weight: f64,
    width: f64,
}

impl EwmaRule {
    /// Weight 0.2, limits at 3 standard deviations of the average.
    pub const DEFAULT: Self = Self {
        weight: 0.2,
        width: 3.0,
    };

    /// A rule with `weight` λ of the newest number and limits of `width` L.
    ///
    /// # Errors
    /// [`AberrationError::Weight`] and [`AberrationError::LimitWidth`].
    pub fn try_new(weight: f64, width: f64) -> Result<Self, AberrationError> {
        if !(weight > 0.0 && weight <= 1.0) {
            return Err(AberrationError::Weight(weight));
        }
        if !(width > 0.0 && width <= 1e6) {
            return Err(AberrationError::LimitWidth(width));
        }
        Ok(Self { weight, width })
    }

    /// The weight of the newest number, above 0 and at most 1.
    pub const fn weight(self) -> f64 {
        self.weight
    }

    /// The width of the limits, in standard deviations of the average.
    pub const fn width(self) -> f64 {
        self.width
    }

    /// The limit after `windows` numbers: `L √(λ / (2 - λ) · (1 - (1 - λ)^{2t}))`; 0 after none.
    fn limit(self, windows: u32) -> f64 {
        // Through the logarithm, which keeps its digits for a small weight.
        let left = -libm::expm1(2.0 * f64::from(windows) * libm::log1p(-self.weight));
        let share = if windows == 0 { 0.0 } else { left };
        self.width * libm::sqrt(self.weight / (2.0 - self.weight) * share)
    }
}

impl Default for EwmaRule {
    fn default() -> Self {
        Self::DEFAULT
    }
}

/// What an EWMA says of one window.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct EwmaStep {
    /// The weighted average.
    pub average: f64,
    /// The upper limit at this window, 0 or more; the lower one is its negative.
    pub limit: f64,
}

impl EwmaStep {
    /// Whether the average is strictly above the upper limit.
    pub fn is_high(self) -> bool {
        self.average > self.limit
    }

    /// Whether the average is strictly below the lower limit.
    pub fn is_low(self) -> bool {
        self.average < -self.limit
    }
}

/// The exponentially weighted moving average `Z(t) = λ z(t) + (1 - λ) Z(t-1)` from 0, with limits
/// that widen as it warms up (Roberts 1959, Technometrics 1:239).
///
/// Method [`crate::method::EWMA`].
///
/// ```
/// use tidegate_risk::aberration::chart::{Ewma, EwmaRule};
/// let step = Ewma::new(EwmaRule::DEFAULT).take(3.1)?;
/// assert!((step.average - 0.62).abs() < 1e-15 && (step.limit - 0.6).abs() < 1e-15);
/// assert!(step.is_high());
/// # Ok::<(), tidegate_risk::aberration::AberrationError>(())
/// ```
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Ewma {
    rule: EwmaRule,
    average: f64,
    windows: u32,
}

impl Ewma {
    /// An average of 0 over no windows.
    pub const fn new(rule: EwmaRule) -> Self {
        Self {
            rule,
            average: 0.0,
            windows: 0,
        }
    }

    /// Everything remembered beside the rule.
    pub const fn state(&self) -> EwmaState {
        EwmaState {
            average: self.average,
            windows: self.windows,
        }
    }

    /// The average that goes on where `state` was taken.
    ///
    /// # Errors
    /// [`AberrationError::State`] when the average is not finite or too large, or not 0 over no
    /// windows.
    pub fn restore(rule: EwmaRule, state: EwmaState) -> Result<Self, AberrationError> {
        let EwmaState { average, windows } = state;
        if checked_value(average).is_ok() && (windows > 0 || average == 0.0) {
            Ok(Self {
                rule,
                average,
                windows,
            })
        } else {
            Err(AberrationError::State("EWMA"))
        }
    }

    /// Takes the next number, in standard deviations.
    ///
    /// # Errors
    /// [`AberrationError::Value`]; the average is then as it was.
    pub fn take(&mut self, z: f64) -> Result<EwmaStep, AberrationError> {
        let z = checked_value(z)?;
        let weight = self.rule.weight;
        let average = weight * z + (1.0 - weight) * self.average;
        // Rounding alone could leave the range that `restore` checks.
        self.average = average.clamp(-super::VALUE_MAX, super::VALUE_MAX);
        self.windows = self.windows.saturating_add(1);
        Ok(EwmaStep {
            average: self.average,
            limit: self.rule.limit(self.windows),
        })
    }
}

/// The EWMA of each window of a series without gaps.
///
/// # Errors
/// [`AberrationError::Value`].
pub fn ewma(rule: EwmaRule, series: &[f64]) -> Result<Vec<EwmaStep>, AberrationError> {
    let mut chart = Ewma::new(rule);
    series.iter().map(|z| chart.take(*z)).collect()
}
