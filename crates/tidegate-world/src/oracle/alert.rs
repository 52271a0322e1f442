//! One alert, by the documented rules: raised when the value has been at `fire_above` for
//! `hold_for`, over when it has been at `clear_below` for `keep_firing_for`, silent in between.

use crate::shape::RuleShape;

/// One alert on one subject.
#[derive(Debug, Default)]
pub(super) struct Alert {
    /// End of its first window.
    pub(super) since: Option<i64>,
    is_firing: bool,
    clear_since: Option<i64>,
    is_dark: bool,
    told: bool,
}

impl Alert {
    /// What is told of the window that ends at `end`, and whether the alert is over.
    pub(super) fn window(
        &mut self,
        rule: &RuleShape,
        end: i64,
        value: Option<i64>,
    ) -> (Option<&'static str>, bool) {
        let Some(value) = value else {
            let is_news = !self.is_dark && (self.is_firing || !self.told);
            (self.is_dark, self.clear_since, self.told) = (true, None, true);
            return (is_news.then_some("no_data"), false);
        };
        let resumed = std::mem::take(&mut self.is_dark).then_some("resumed");
        if !self.is_firing {
            if value < rule.fire_above {
                return (self.told.then_some("resolved"), true);
            }
            self.is_firing = self.since.is_none_or(|since| end - since >= rule.hold_for);
            return (self.is_firing.then_some("firing"), false);
        }
        if value > rule.clear_below || value >= rule.fire_above {
            self.clear_since = None;
            return (resumed, false);
        }
        if end - *self.clear_since.get_or_insert(end) >= rule.keep_firing_for {
            return (Some("resolved"), true);
        }
        (resumed, false)
    }
}
