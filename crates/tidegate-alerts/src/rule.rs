//! A rule whose every part was checked.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::sync::Arc;

use jiff::civil::Date;
use tidegate_model::{EventTime, Span};

use crate::config::RuleConfig;
use crate::interval::{TimeInterval, TimeIntervals};
use crate::measurement::Measurement;
use crate::template::Template;
use crate::words::{Compare, Mode, OnNoData, Severity};

mod hash;
mod lint;
mod moved;
mod problems;
mod step;

use problems::Problems;

pub use lint::{Warning, lint};
pub use moved::ClearDistance;
pub use step::Step;

/// The share of expected input below which a value is not believed, unless the rule says otherwise.
pub(crate) const COVERAGE_MIN: f64 = 0.5;

/// How often an alert may change in [`FLAP_WINDOW`], unless the rule says otherwise.
pub(crate) const FLAP_MAX: u32 = 6;

/// The time in which changes count, unless the rule says otherwise.
pub(crate) const FLAP_WINDOW: Span = Span::hours(1);

/// The most steps of a ladder: one for each severity.
pub(crate) const STEPS_MAX: usize = 4;

/// One thing that is wrong with a rule or a time interval, for a person.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Problem {
    /// The key, as a path from the rule: `clear_below`, `title.zh-CN`, `where.kind`.
    pub key: String,
    /// What is wrong, with the values.
    pub message: String,
}

impl Problem {
    pub(crate) fn new(key: impl Into<String>, message: impl Into<String>) -> Self {
        Self {
            key: key.into(),
            message: message.into(),
        }
    }
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.key, self.message)
    }
}

/// A text in both languages.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Templates {
    pub(crate) zh: Template,
    pub(crate) en: Template,
}

/// A checked rule.
#[derive(Debug, Clone, PartialEq)]
pub struct Rule {
    name: String,
    layer: String,
    subject_kind: Option<String>,
    tags: BTreeMap<String, BTreeSet<String>>,
    /// Ascending, at least one.
    steps: Vec<Step>,
    keep_firing_for: Span,
    compare: Compare,
    coverage_min: f64,
    on_no_data: OnNoData,
    no_data_after: Option<Span>,
    flap_max: usize,
    flap_window: Span,
    active: Vec<Arc<TimeInterval>>,
    labels: BTreeMap<String, String>,
    runbook: Option<String>,
    mode: Mode,
    owner: String,
    title: Templates,
    action: Templates,
    hash: String,
}

impl Rule {
    /// Checks one rule that names no time intervals.
    ///
    /// # Errors
    /// All problems, in the order of the fields.
    pub fn try_new(config: &RuleConfig) -> Result<Self, Vec<Problem>> {
        Self::with_intervals(config, &TimeIntervals::default())
    }

    /// Checks one rule; the time intervals of `active` are among `intervals`.
    ///
    /// # Errors
    /// All problems, in the order of the fields.
    pub fn with_intervals(
        config: &RuleConfig,
        intervals: &TimeIntervals,
    ) -> Result<Self, Vec<Problem>> {
        let mut problems = Problems::default();
        problems.name(&config.name);
        problems.text("layer", &config.layer);
        if let Some(kind) = &config.subject_kind {
            problems.text("subject_kind", kind);
        }
        let tags = problems.tags(&config.tags);
        let steps = step::checked(config, &mut problems);
        problems.share("coverage_min", config.coverage_min);
        let keep_firing_for = problems.span("keep_firing_for", &config.keep_firing_for);
        let no_data_after = config.no_data_after.as_deref();
        let no_data_after = no_data_after.and_then(|text| problems.span("no_data_after", text));
        let flap_max = problems.flap_max(config.flap_max);
        let flap_window = problems.span("flap_window", &config.flap_window);
        let active = problems.active(&config.active, intervals);
        problems.labels(&config.labels);
        if let Some(runbook) = &config.runbook {
            problems.text("runbook", runbook);
        }
        problems.text("owner", &config.owner);
        let title = problems.templates("title", &config.title);
        let action = problems.templates("do", &config.action);
        let (Some(title), Some(action), true) = (title, action, problems.is_empty()) else {
            return Err(problems.into_list());
        };
        let mut rule = Self {
            name: config.name.clone(),
            layer: config.layer.clone(),
            subject_kind: config.subject_kind.clone(),
            tags,
            steps,
            keep_firing_for: keep_firing_for.unwrap_or_default(),
            compare: config.compare,
            coverage_min: config.coverage_min,
            on_no_data: config.on_no_data,
            no_data_after,
            flap_max,
            flap_window: flap_window.unwrap_or_default(),
            active,
            labels: config.labels.clone(),
            runbook: config.runbook.clone(),
            mode: config.mode,
            owner: config.owner.clone(),
            title,
            action,
            hash: String::new(),
        };
        rule.hash = hash::of(&rule, config);
        Ok(rule)
    }

    /// The rule's name.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The layer whose rows it reads.
    pub fn layer(&self) -> &str {
        &self.layer
    }

    /// The kind of subject that it is about; `None` is all.
    pub fn subject_kind(&self) -> Option<&str> {
        self.subject_kind.as_deref()
    }

    /// How bad its alerts get: the severity of the highest step.
    pub fn severity(&self) -> Severity {
        self.highest().severity
    }

    /// The steps of its ladder, ascending; at least one, at most four.
    pub fn steps(&self) -> &[Step] {
        &self.steps
    }

    /// Who acts on its alerts.
    pub fn owner(&self) -> &str {
        &self.owner
    }

    /// What goes with every alert.
    pub fn labels(&self) -> &BTreeMap<String, String> {
        &self.labels
    }

    /// Where to read what to do.
    pub fn runbook(&self) -> Option<&str> {
        self.runbook.as_deref()
    }

    /// Whether it notifies.
    pub fn mode(&self) -> Mode {
        self.mode
    }

    /// Sixteen hexadecimal digits that change with anything in the rule: texts, thresholds,
    /// times. The way a value is written does not matter: `60s` is `1m`.
    pub fn hash(&self) -> &str {
        &self.hash
    }

    /// Event time at or above `fire_above` of the lowest step before an alert is raised on it.
    pub fn hold_for(&self) -> Span {
        self.lowest().hold_for
    }

    /// Event time at or below `clear_below` before an alert goes down a step or is over.
    pub fn keep_firing_for(&self) -> Span {
        self.keep_firing_for
    }

    /// What becomes of a subject without data.
    pub fn on_no_data(&self) -> OnNoData {
        self.on_no_data
    }

    /// How often an alert may change within [`Rule::flap_window`]; 0 is as often as it likes.
    pub fn flap_max(&self) -> usize {
        self.flap_max
    }

    /// The time in which changes count towards [`Rule::flap_max`], and for which an alert must be
    /// steady to be told again.
    pub fn flap_window(&self) -> Span {
        self.flap_window
    }

    /// Whether it is active in a window that ends at `at`, given the public holidays.
    pub fn is_active(&self, at: EventTime, holidays: &BTreeSet<Date>) -> bool {
        let mut intervals = self.active.iter();
        self.active.is_empty() || intervals.any(|interval| interval.contains(at, holidays))
    }

    /// The names of the intervals in which it is active.
    pub fn active(&self) -> impl Iterator<Item = &str> {
        self.active.iter().map(|interval| interval.name())
    }

    pub(crate) fn title(&self) -> &Templates {
        &self.title
    }

    pub(crate) fn action(&self) -> &Templates {
        &self.action
    }

    /// How long without data calls for `on_no_data`, where the last window with data was as long
    /// as `window`.
    pub(crate) fn no_data_after(&self, window: Span) -> Span {
        self.no_data_after.unwrap_or(twice(window))
    }

    pub(crate) fn lowest(&self) -> &Step {
        self.steps.first().expect("a rule has a step")
    }

    fn highest(&self) -> &Step {
        self.steps.last().expect("a rule has a step")
    }

    /// Whether the rule is about the subject of `row`. A grid unit lies in itself.
    pub(crate) fn matches(&self, row: &Measurement<'_>) -> bool {
        let kind = self.subject_kind.as_deref();
        kind.is_none_or(|kind| kind == row.subject_kind)
            && self.tags.iter().all(|(tag, allowed)| {
                let itself = tag == GRID_UNIT && row.subject_kind == GRID_UNIT;
                itself && allowed.contains(row.subject)
                    || row
                        .tags
                        .iter()
                        .any(|(key, value)| key == tag && allowed.contains(value.as_ref()))
            })
    }

    /// What of `row` is compared with the thresholds; `None` for a row that says nothing.
    pub(crate) fn compared(&self, row: &Measurement<'_>) -> Option<f64> {
        let value = row.value.filter(|value| value.is_finite())?;
        match self.compare {
            Compare::Value => Some(value),
            Compare::Lo => row.lo.filter(|lo| lo.is_finite()),
        }
    }

    /// What `row` shows of its subject, whose alert stands on step `level`: too little input is
    /// believed only where what is missing could not matter.
    pub(crate) fn sight(&self, row: &Measurement<'_>, level: usize) -> Sight {
        let value = self.compared(row);
        let fires = value.is_some_and(|value| value >= self.steps[level].fire_above);
        let scarce = row.coverage.is_some_and(|share| share < self.coverage_min);
        match value {
            _ if scarce && !fires => Sight::Stale,
            Some(value) => Sight::Value(value),
            None => Sight::Nothing,
        }
    }

    /// Whether `value` ends an alert's stay on step `level`.
    pub(crate) fn clears_at(&self, level: usize, value: f64) -> bool {
        let step = &self.steps[level];
        value <= step.clear_below && value < step.fire_above
    }
}

/// The tag that says in which grid unit a subject lies, and the kind of subject that is one.
pub(crate) const GRID_UNIT: &str = "grid_unit";

/// Two windows of this length.
pub(crate) fn twice(window: Span) -> Span {
    Span::micros(window.as_micros().saturating_mul(2))
}

/// What a window shows of a subject.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) enum Sight {
    /// A value that is believed.
    Value(f64),
    /// Too little of the expected input to say that all is well.
    Stale,
    /// No row, or one without a value.
    Nothing,
}

#[cfg(test)]
mod tests;
