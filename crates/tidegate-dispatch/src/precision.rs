//! How often a rule was right, by what people said of its alerts.

use crate::tracked::Tracked;

/// The most rules that are counted. Alerts of more rules are told, but not counted here.
pub const RULES_MAX: usize = 10_000;

/// What a person says of an alert.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, serde::Serialize, serde::Deserialize,
)]
#[serde(rename_all = "snake_case")]
pub enum Verdict {
    /// It was right, and worth telling.
    Useful,
    /// Nothing was there.
    False,
    /// Another alert had said the same.
    Duplicate,
}

/// The verdicts on one rule. Part of the stored state: the order of fields is a promise.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, serde::Serialize, serde::Deserialize)]
pub struct Verdicts {
    /// Alerts that were raised, without those of shadow rules.
    pub raised: u64,
    /// Those that were right.
    pub useful: u64,
    /// Those that were not.
    pub false_alarms: u64,
    /// Those that said what another had said.
    pub duplicate: u64,
}

impl Verdicts {
    fn count(&mut self, verdict: Verdict) -> &mut u64 {
        match verdict {
            Verdict::Useful => &mut self.useful,
            Verdict::False => &mut self.false_alarms,
            Verdict::Duplicate => &mut self.duplicate,
        }
    }

    /// Alerts that nobody judged.
    pub fn unjudged(&self) -> u64 {
        let judged = self.useful + self.false_alarms + self.duplicate;
        self.raised.saturating_sub(judged)
    }

    /// The share of useful ones among the useful and the false, 0 to 1; `None` without any.
    /// Duplicates say nothing of whether something was there.
    #[expect(clippy::cast_precision_loss, reason = "exact below 2^53 alerts")]
    pub fn precision(&self) -> Option<f64> {
        let judged = self.useful + self.false_alarms;
        (judged > 0).then(|| self.useful as f64 / judged as f64)
    }

    /// Where the precision lies with 95 % confidence, from what was judged so far.
    ///
    /// Wilson, "Probable inference, the law of succession, and statistical inference", Journal of
    /// the American Statistical Association 22 (1927), 209–212: the score interval.
    ///
    /// ```
    /// use tidegate_dispatch::Verdicts;
    /// let verdicts = Verdicts { raised: 12, useful: 8, false_alarms: 2, duplicate: 1 };
    /// let (low, high) = verdicts.interval().unwrap();
    /// assert!((low - 0.4902).abs() < 1e-4 && (high - 0.9433).abs() < 1e-4);
    /// assert_eq!(verdicts.unjudged(), 1);
    /// ```
    #[expect(clippy::cast_precision_loss, reason = "exact below 2^53 alerts")]
    pub fn interval(&self) -> Option<(f64, f64)> {
        /// The 97.5 % point of the normal distribution.
        const Z: f64 = 1.959_963_984_540_054;
        let n = (self.useful + self.false_alarms) as f64;
        let p = self.precision()?;
        let squared = Z * Z / n;
        let middle = p + squared / 2.0;
        let half = Z * (p * (1.0 - p) / n + squared / (4.0 * n)).sqrt();
        let low = (middle - half) / (1.0 + squared);
        let high = (middle + half) / (1.0 + squared);
        Some((low.max(0.0), high.min(1.0)))
    }
}

/// The verdicts on all rules.
#[derive(Debug, Clone, Default)]
pub(crate) struct Precision(pub(crate) Tracked<String, Verdicts>);

impl Precision {
    fn of(&mut self, rule: &str) -> Option<&mut Verdicts> {
        if !self.0.contains_key(rule) {
            if self.0.len() >= RULES_MAX {
                return None;
            }
            self.0.insert(rule.to_owned(), Verdicts::default());
        }
        self.0.get_mut(&rule.to_owned())
    }

    pub(crate) fn raised(&mut self, rule: &str) {
        if let Some(verdicts) = self.of(rule) {
            verdicts.raised += 1;
        }
    }

    /// Puts `new` in the place of what was said `before`.
    pub(crate) fn judged(&mut self, rule: &str, before: Option<Verdict>, new: Verdict) {
        if let Some(verdicts) = self.of(rule) {
            if let Some(before) = before {
                let count = verdicts.count(before);
                *count = count.saturating_sub(1);
            }
            *verdicts.count(new) += 1;
        }
    }
}
