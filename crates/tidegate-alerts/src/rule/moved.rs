//! A rule with another threshold, for whoever looks for one.

use tidegate_model::EventTime;

use super::Rule;
use crate::backtest::Described;
use crate::measurement::Measurement;
use crate::words::Compare;

/// How far `clear_below` lies under `fire_above`, which stays when the threshold moves.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum ClearDistance {
    /// `clear_below` is this share of `fire_above`: both are above zero.
    Ratio(f64),
    /// `clear_below` is this much lower.
    Difference(f64),
}

impl ClearDistance {
    /// `clear_below` for a threshold of `fire_above`.
    pub fn clear_below(self, fire_above: f64) -> f64 {
        match self {
            Self::Ratio(ratio) => (fire_above * ratio).min(fire_above),
            Self::Difference(difference) => fire_above - difference,
        }
    }
}

impl Rule {
    /// What it compares with its thresholds.
    pub fn compare(&self) -> Compare {
        self.compare
    }

    /// Whether it is about a subject.
    pub fn is_about(&self, subject: &Described) -> bool {
        let row = Measurement {
            layer: &self.layer,
            window_start: EventTime::MIN,
            window_end: EventTime::MIN,
            subject_kind: &subject.kind,
            subject: &subject.id,
            name_zh: "",
            name_en: "",
            tags: &subject.tags,
            value: None,
            lo: None,
            hi: None,
            unit: "",
            level: None,
            coverage: None,
            data_age: None,
            method: "",
        };
        self.matches(&row)
    }

    /// The distance between the two thresholds of the lowest step: their ratio where both are above
    /// zero, else their difference.
    pub fn clear_distance(&self) -> ClearDistance {
        let step = self.lowest();
        if step.clear_below > 0.0 && step.fire_above > 0.0 {
            ClearDistance::Ratio(step.clear_below / step.fire_above)
        } else {
            ClearDistance::Difference(step.fire_above - step.clear_below)
        }
    }

    /// The same rule whose lowest step has the threshold `fire_above`, and its `clear_below` as far
    /// below as now. A step above it that would not be above any more is gone.
    ///
    /// Its hash is empty: no file has this rule.
    pub(crate) fn moved(&self, fire_above: f64) -> Self {
        let mut rule = self.clone();
        let lowest = &mut rule.steps[0];
        lowest.clear_below = self.clear_distance().clear_below(fire_above);
        lowest.fire_above = fire_above;
        let clear_below = lowest.clear_below;
        let mut is_lowest = true;
        rule.steps.retain_mut(|step| {
            let stays = std::mem::take(&mut is_lowest) || step.fire_above > fire_above;
            step.clear_below = step.clear_below.max(clear_below);
            stays && step.clear_below <= step.fire_above
        });
        rule.hash.clear();
        rule
    }
}
