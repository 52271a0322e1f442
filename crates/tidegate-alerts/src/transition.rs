//! What the machine answers: a change of one alert.

use tidegate_model::{EventTime, Span};

use crate::config::Severity;

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
    /// Its value calls for no alert, but rests on too little of the expected input to be believed
    /// (`coverage_min`). As without data, what was seen before still stands.
    Stale,
    /// Data is back after [`AlertState::NoData`] or [`AlertState::Stale`], and the raised alert is not over. Not a raise.
    Resumed,
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
    /// How bad it is.
    pub severity: Severity,
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
    /// Whether the window was final. The machine is shown final windows only.
    pub is_final: bool,
}
