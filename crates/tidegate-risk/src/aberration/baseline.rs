//! What was normal: mean and standard deviation of earlier values, per slot of the day or week.

use std::collections::{BTreeMap, VecDeque};

use super::normal::student_upper_tail;
use super::{AberrationError, Point, checked_value};
use crate::state::{SlotBaselinesState, SlotState};

/// Slots that [`SlotBaselines`] can tell apart: a week of 5 minutes.
pub const SLOTS_MAX: u16 = 2016;

/// How many values a baseline has, and how little they may vary.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct BaselineRule {
    length: u8,
    sigma_floor: f64,
}

impl BaselineRule {
    /// Seven values, a standard deviation of 0.5 or more.
    pub const DEFAULT: Self = Self {
        length: 7,
        sigma_floor: 0.5,
    };

    /// Most values that a baseline may have.
    pub const LENGTH_MAX: u8 = 60;

    /// A baseline of `length` values whose standard deviation is taken as `sigma_floor` when it
    /// is less.
    ///
    /// A floor of 0 is refused: over a baseline of equal values every score would be infinite.
    ///
    /// # Errors
    /// [`AberrationError::BaselineLength`] unless 2 to 60;
    /// [`AberrationError::SigmaFloor`] unless 10⁻⁹ to 10⁹.
    pub fn try_new(length: u8, sigma_floor: f64) -> Result<Self, AberrationError> {
        if !(2..=Self::LENGTH_MAX).contains(&length) {
            return Err(AberrationError::BaselineLength(length));
        }
        if !(1e-9..=1e9).contains(&sigma_floor) {
            return Err(AberrationError::SigmaFloor(sigma_floor));
        }
        Ok(Self {
            length,
            sigma_floor,
        })
    }

    /// Values of a baseline, 2 to 60.
    pub const fn length(self) -> u8 {
        self.length
    }

    /// The least standard deviation, above 0, in the unit of the values.
    pub const fn sigma_floor(self) -> f64 {
        self.sigma_floor
    }

    /// The baseline of `values`; `None` unless there are as many as the rule says.
    ///
    /// # Errors
    /// [`AberrationError::Value`] for a value that is not finite or too large.
    pub fn baseline(self, values: &[f64]) -> Result<Option<Baseline>, AberrationError> {
        for value in values {
            checked_value(*value)?;
        }
        let fits = values.len() == usize::from(self.length);
        Ok(fits.then(|| self.baseline_of(values.iter().copied())))
    }

    /// The baseline of checked values, of which there are `length`.
    pub(super) fn baseline_of(self, values: impl Iterator<Item = f64> + Clone) -> Baseline {
        let n = f64::from(self.length);
        let mean = values.clone().sum::<f64>() / n;
        let squares: f64 = values.map(|value| (value - mean) * (value - mean)).sum();
        Baseline {
            mean,
            sigma: libm::sqrt(squares / (n - 1.0)).max(self.sigma_floor),
            length: self.length,
        }
    }
}

impl Default for BaselineRule {
    fn default() -> Self {
        Self::DEFAULT
    }
}

/// Mean and standard deviation of earlier values.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Baseline {
    mean: f64,
    sigma: f64,
    length: u8,
}

impl Baseline {
    /// The mean, in the unit of the values.
    pub const fn mean(self) -> f64 {
        self.mean
    }

    /// The sample standard deviation (divisor n - 1), the rule's floor at least.
    pub const fn sigma(self) -> f64 {
        self.sigma
    }

    /// Values in the baseline.
    pub const fn length(self) -> u8 {
        self.length
    }

    /// The value above which a score is above `threshold`: `mean + threshold · sigma`.
    ///
    /// # Errors
    /// [`AberrationError::Threshold`] when the threshold is not within ±10¹².
    pub fn upper_bound(self, threshold: f64) -> Result<f64, AberrationError> {
        checked_value(threshold).map_err(|_| AberrationError::Threshold(threshold))?;
        Ok(self.mean + threshold * self.sigma)
    }

    /// `value` in standard deviations from the mean.
    ///
    /// # Errors
    /// [`AberrationError::Value`] for a value that is not finite or too large.
    pub fn score(self, value: f64) -> Result<Score, AberrationError> {
        Ok(self.score_of(checked_value(value)?))
    }

    pub(super) fn score_of(self, value: f64) -> Score {
        Score {
            value: (value - self.mean) / self.sigma,
            baseline: self,
        }
    }
}

/// A value against its baseline.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Score {
    value: f64,
    baseline: Baseline,
}

impl Score {
    /// Standard deviations above the baseline's mean, finite.
    pub const fn value(self) -> f64 {
        self.value
    }

    /// What the value was compared with.
    pub const fn baseline(self) -> Baseline {
        self.baseline
    }

    /// The probability of a score this high or higher by chance, between 0 and 1: Student's tail
    /// with n - 1 degrees of freedom at `score / √(1 + 1/n)`.
    ///
    /// The score of a new value over n independent normal ones has that distribution, not the
    /// normal one: with n = 7 a score above 3 comes by chance in 1.5 % of windows, where the
    /// normal tail says 0.13 %. Method [`crate::method::ABERRATION_P_VALUE`].
    pub fn p_value(self) -> f64 {
        let n = f64::from(self.baseline.length);
        student_upper_tail(
            self.value / libm::sqrt(1.0 + 1.0 / n),
            self.baseline.length - 1,
        )
        .expect("a score is finite and a baseline has 2 values or more")
    }
}

/// The last values of each slot, such as Mondays 08:00 to 08:15 or working days 08:00 to 08:15.
///
/// The caller numbers the slots, because it knows the time zone, the holidays and the hours that a
/// change of clocks repeats. Memory: at most `SLOTS_MAX` times the rule's length of numbers.
/// Method [`crate::method::BASELINE_SAME_SLOT`].
///
/// ```
/// use tidegate_risk::aberration::Point;
/// use tidegate_risk::aberration::baseline::{BaselineRule, SlotBaselines};
/// let mut mondays = SlotBaselines::new(BaselineRule::DEFAULT);
/// for count in [4.0, 6.0, 5.0, 7.0, 3.0, 6.0, 5.0] {
///     assert_eq!(mondays.take(32, Point::Trains(count))?, None);
/// }
/// let score = mondays.judge(32, 8.0)?.unwrap();
/// assert!((score.value() - 2.123_977).abs() < 1e-6);
/// # Ok::<(), tidegate_risk::aberration::AberrationError>(())
/// ```
#[derive(Debug, Clone, PartialEq)]
pub struct SlotBaselines {
    rule: BaselineRule,
    slots: BTreeMap<u16, VecDeque<f64>>,
}

impl SlotBaselines {
    /// No history.
    pub const fn new(rule: BaselineRule) -> Self {
        Self {
            rule,
            slots: BTreeMap::new(),
        }
    }

    /// Everything remembered beside the rule.
    pub fn state(&self) -> SlotBaselinesState {
        let slots = self.slots.iter().map(|(slot, values)| SlotState {
            slot: *slot,
            values: values.iter().copied().collect(),
        });
        SlotBaselinesState {
            slots: slots.collect(),
        }
    }

    /// The baselines that go on where `state` was taken.
    ///
    /// # Errors
    /// [`AberrationError::State`] when slots do not ascend, are out of range, empty, longer than
    /// the rule's length, or hold a value that is not finite or too large.
    pub fn restore(rule: BaselineRule, state: SlotBaselinesState) -> Result<Self, AberrationError> {
        let ascending = state.slots.is_sorted_by(|a, b| a.slot < b.slot);
        let sound = state.slots.iter().all(|SlotState { slot, values }| {
            *slot < SLOTS_MAX
                && (1..=usize::from(rule.length)).contains(&values.len())
                && values.iter().all(|value| checked_value(*value).is_ok())
        });
        if !(ascending && sound) {
            return Err(AberrationError::State("slot baselines"));
        }
        let slots = state.slots.into_iter();
        Ok(Self {
            rule,
            slots: slots.map(|slot| (slot.slot, slot.values.into())).collect(),
        })
    }

    /// The baseline of `slot`; `None` until it has as many values as the rule says.
    ///
    /// # Errors
    /// [`AberrationError::Slot`] for a slot of [`SLOTS_MAX`] or more.
    pub fn baseline(&self, slot: u16) -> Result<Option<Baseline>, AberrationError> {
        if slot >= SLOTS_MAX {
            return Err(AberrationError::Slot(slot));
        }
        let values = self.slots.get(&slot);
        Ok(values
            .filter(|values| values.len() == usize::from(self.rule.length))
            .map(|values| self.rule.baseline_of(values.iter().copied())))
    }

    /// `value` against the baseline of `slot`, which stays as it is; `None` without a baseline.
    ///
    /// So the caller can look first, and then [`take`](Self::take) an alarm as
    /// [`Point::JudgedOnly`].
    ///
    /// # Errors
    /// [`AberrationError::Slot`] and [`AberrationError::Value`].
    pub fn judge(&self, slot: u16, value: f64) -> Result<Option<Score>, AberrationError> {
        let value = checked_value(value)?;
        Ok(self
            .baseline(slot)?
            .map(|baseline| baseline.score_of(value)))
    }

    /// Judges `point`, then lets it train its slot if it may.
    ///
    /// # Errors
    /// As [`judge`](Self::judge); the baselines are then as they were.
    pub fn take(&mut self, slot: u16, point: Point) -> Result<Option<Score>, AberrationError> {
        let Some(value) = point.value() else {
            return self.baseline(slot).map(|_| None);
        };
        let score = self.judge(slot, value)?;
        if point.trains() {
            let values = self.slots.entry(slot).or_default();
            if values.len() == usize::from(self.rule.length) {
                values.pop_front();
            }
            values.push_back(value);
        }
        Ok(score)
    }
}
