//! What the machine answers: a change of one alert.

use std::collections::BTreeMap;

use tidegate_model::{EventTime, Span};

use crate::words::Severity;

/// What became of an alert.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum AlertState {
    /// It was raised.
    Firing,
    /// It is over. The next alert on the same subject has another id.
    Resolved,
    /// Its subject has no data. What was seen before still stands; also told of an alert that
    /// was about to be raised (`for` not yet over).
    NoData,
    /// Its value calls for no alert, or for a lower step, but rests on too little of the expected
    /// input to be believed (`coverage_min`). As without data, what was seen before still stands.
    Stale,
    /// Data is back after [`AlertState::NoData`], [`AlertState::Stale`] or [`AlertState::Error`],
    /// and the raised alert is not over. Not a raise.
    Resumed,
    /// It climbed to a higher step of its rule, maybe over several.
    Escalated,
    /// It went down one step of its rule and is not over.
    Eased,
    /// It changes too often (`flap_max`): further changes are held back until it has been steady
    /// for `flap_window`, except a rise to a step that was not told since. Then its state is told.
    Flapping,
    /// Its layer could not be evaluated. What was seen before still stands.
    Error,
}

impl AlertState {
    /// The word used in JSON and SQL.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Firing => "firing",
            Self::Resolved => "resolved",
            Self::NoData => "no_data",
            Self::Stale => "stale",
            Self::Resumed => "resumed",
            Self::Escalated => "escalated",
            Self::Eased => "eased",
            Self::Flapping => "flapping",
            Self::Error => "error",
        }
    }
}

/// Why an alert changed; its text says so too.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Why {
    /// What its layer says of the subject in this window, or says no more.
    Data,
    /// The subject has been without data for so long that its rule raises (`alert`) or ends
    /// (`resolve`) the alert.
    NoData,
    /// The alert was raised since data was missing, and data is back.
    DataIsBack,
    /// Its rule is not active now: the window ends outside of its time intervals.
    Inactive,
    /// Its rule was removed, or is about other subjects now: see
    /// [`crate::AlertMachine::replace_rules`].
    RuleGone,
    /// It changed this often within `flap_window`.
    Changes(u64),
    /// It has been steady for `flap_window`; this many changes were held back before.
    Steady(u64),
}

impl Why {
    /// The word used in JSON.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Data => "data",
            Self::NoData => "no_data",
            Self::DataIsBack => "data_is_back",
            Self::Inactive => "inactive",
            Self::RuleGone => "rule_gone",
            Self::Changes(_) => "changes",
            Self::Steady(_) => "steady",
        }
    }
}

/// One change of one alert, complete in itself: who receives it needs to look nothing up.
#[derive(Debug, Clone, PartialEq)]
pub struct AlertTransition {
    /// 32 hexadecimal digits: the hash of rule name, subject and `since`. A replay repeats it.
    pub id: String,
    /// The rule's name.
    pub rule: String,
    /// The hash of the rule's content.
    pub rule_hash: String,
    /// The layer.
    pub layer: String,
    /// The kind of subject.
    pub subject_kind: String,
    /// The subject's id.
    pub subject: String,
    /// The subject's name in Chinese.
    pub name_zh: String,
    /// The subject's name in English.
    pub name_en: String,
    /// What became of the alert.
    pub state: AlertState,
    /// Why it changed.
    pub why: Why,
    /// How bad it is: the severity of the step on which it stands, of the one that it left last
    /// where it is over.
    pub severity: Severity,
    /// The threshold that decided, in `unit`: `fire_above` of the step on which the alert stands;
    /// of one that is eased or over, `clear_below` of the step that it left. `None` where no value
    /// decided.
    pub threshold: Option<f64>,
    /// Start of the window that made the change.
    pub window_start: EventTime,
    /// End of the window that made the change.
    pub window_end: EventTime,
    /// The value; finite. `None` without data.
    pub value: Option<f64>,
    /// Lower bound of its interval; finite.
    pub lo: Option<f64>,
    /// Upper bound of its interval; finite.
    pub hi: Option<f64>,
    /// Unit of the three.
    pub unit: String,
    /// The value's level.
    pub level: Option<String>,
    /// Share of the expected inputs that the value rests on; finite.
    pub coverage: Option<f64>,
    /// Event time from the newest input to the window's end; without a row, from the end of the
    /// last window that had a value.
    pub data_age: Option<Span>,
    /// The method's id.
    pub method: String,
    /// The headline in Chinese.
    pub title_zh: String,
    /// The headline in English.
    pub title_en: String,
    /// What to do, or what happened, in Chinese.
    pub text_zh: String,
    /// What to do, or what happened, in English.
    pub text_en: String,
    /// Who acts.
    pub owner: String,
    /// End of the first window at or above `fire_above`: the start of the episode.
    pub since: EventTime,
    /// Until when this stands unless something newer is told: two windows after `window_end`, or
    /// `keep_firing_for` where that is longer.
    pub valid_until: EventTime,
    /// The subject's tags.
    pub tags: BTreeMap<String, String>,
    /// The rule's labels.
    pub labels: BTreeMap<String, String>,
    /// The grid unit that the subject is or lies in: its tag `grid_unit`.
    pub grid_unit: Option<String>,
    /// Where to read what to do.
    pub runbook: Option<String>,
    /// The rule records and must never notify.
    pub is_shadow: bool,
    /// Whether the window was final. The machine is shown final windows only.
    pub is_final: bool,
}
