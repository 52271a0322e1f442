//! Alerts from their first raise to their end, made of the machine's transitions.

use std::collections::BTreeMap;

use tidegate_model::{EventTime, Span};

use super::Subjects;
use crate::rule::Rule;
use crate::transition::{AlertState, AlertTransition, Why};
use crate::words::{Compare, Severity};

/// The highest compared value while an alert was raised.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Peak {
    /// The value.
    pub value: f64,
    /// End of its window; of equal ones the first.
    pub window_end: EventTime,
}

/// A time in which changes of an alert were held back.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct FlappingPeriod {
    /// End of the window in which it began.
    pub from: EventTime,
    /// End of the window in which it was over; `None` where it was not.
    pub to: Option<EventTime>,
    /// How many changes were held back, where it was over.
    pub held_back: u64,
}

/// One alert that was raised.
#[derive(Debug, Clone, PartialEq)]
pub struct Episode {
    /// The alert's id.
    pub id: String,
    /// The rule.
    pub rule: String,
    /// The kind of subject.
    pub subject_kind: String,
    /// The subject.
    pub subject: String,
    /// The subject's name in Chinese.
    pub name_zh: String,
    /// The subject's name in English.
    pub name_en: String,
    /// End of the first window at or above `fire_above`.
    pub since: EventTime,
    /// End of the window in which it was raised.
    pub raised: EventTime,
    /// End of the window in which it was over; `None` where it is still open.
    pub resolved: Option<EventTime>,
    /// End of the last window that was shown.
    pub last_shown: EventTime,
    /// The highest severity that it had.
    pub severity: Severity,
    /// `None` where only missing data raised it and no value came.
    pub peak: Option<Peak>,
    /// Changes that were told, its raise and end among them.
    pub transitions: u64,
    /// When it was flapping.
    pub flapping: Vec<FlappingPeriod>,
}

impl Episode {
    /// When it was over, or the last window where it is open.
    pub fn end(&self) -> EventTime {
        self.resolved.unwrap_or(self.last_shown)
    }

    /// How long it was raised.
    pub fn firing(&self) -> Span {
        self.end().since(self.raised)
    }
}

/// Collects episodes as transitions come.
#[derive(Debug)]
pub(super) struct Log {
    /// By rule: its place among them, and what it compares.
    rules: BTreeMap<String, (usize, Compare)>,
    compares: Vec<Compare>,
    /// By subject and rule.
    open: BTreeMap<(u32, usize), Episode>,
    over: Vec<Episode>,
}

impl Log {
    pub(super) fn new(rules: &[Rule]) -> Self {
        let places = rules.iter().enumerate();
        let places = places.map(|(place, rule)| (rule.name().to_owned(), (place, rule.compare())));
        Self {
            rules: places.collect(),
            compares: rules.iter().map(Rule::compare).collect(),
            open: BTreeMap::new(),
            over: Vec::new(),
        }
    }

    /// Takes what the machine told of one window.
    pub(super) fn take(&mut self, subjects: &Subjects, told: &[AlertTransition]) {
        for change in told {
            let Some((rule, _)) = self.rules.get(&change.rule).copied() else {
                continue;
            };
            let Some(subject) = subjects.find(&change.subject_kind, &change.subject) else {
                continue;
            };
            self.note((subject, rule), change);
        }
    }

    /// Compares a row's value with the peaks of the subject's open alerts.
    pub(super) fn peak(
        &mut self,
        subject: u32,
        window_end: EventTime,
        value: impl Fn(Compare) -> f64,
    ) {
        if self.open.is_empty() {
            return;
        }
        for ((_, rule), episode) in self.open.range_mut((subject, 0)..=(subject, usize::MAX)) {
            let value = value(self.compares[*rule]);
            if value.is_finite() && episode.peak.is_none_or(|peak| value > peak.value) {
                episode.peak = Some(Peak { value, window_end });
            }
        }
    }

    /// The end, after the window that ends at `last`: all episodes by the time of their raise.
    pub(super) fn finish(mut self, last: Option<EventTime>) -> Vec<Episode> {
        self.over.extend(self.open.into_values());
        for episode in &mut self.over {
            episode.last_shown = last.unwrap_or(episode.raised);
        }
        let key = |episode: &Episode| {
            let place = self.rules.get(&episode.rule).map(|(place, _)| *place);
            let subject = (episode.subject_kind.clone(), episode.subject.clone());
            (episode.raised, place, subject)
        };
        self.over.sort_by_cached_key(key);
        self.over
    }

    fn note(&mut self, key: (u32, usize), change: &AlertTransition) {
        let raises = matches!(
            change.state,
            AlertState::Firing | AlertState::Escalated | AlertState::Eased | AlertState::Flapping
        );
        if raises {
            self.open.entry(key).or_insert_with(|| begin(change));
        }
        // Of one that was about to be raised it may be told that its data is missing.
        let Some(episode) = self.open.get_mut(&key) else {
            return;
        };
        episode.transitions += 1;
        episode.severity = episode.severity.max(change.severity);
        if change.state == AlertState::Flapping {
            episode.flapping.push(FlappingPeriod {
                from: change.window_end,
                to: None,
                held_back: 0,
            });
        }
        if let (Why::Steady(held_back), Some(period)) = (change.why, episode.flapping.last_mut()) {
            period.to = Some(change.window_end);
            period.held_back = held_back;
        }
        if change.state == AlertState::Resolved
            && let Some(mut episode) = self.open.remove(&key)
        {
            episode.resolved = Some(change.window_end);
            self.over.push(episode);
        }
    }
}

fn begin(change: &AlertTransition) -> Episode {
    Episode {
        id: change.id.clone(),
        rule: change.rule.clone(),
        subject_kind: change.subject_kind.clone(),
        subject: change.subject.clone(),
        name_zh: change.name_zh.clone(),
        name_en: change.name_en.clone(),
        since: change.since,
        raised: change.window_end,
        resolved: None,
        last_shown: change.window_end,
        severity: change.severity,
        peak: None,
        transitions: 0,
        flapping: Vec::new(),
    }
}
