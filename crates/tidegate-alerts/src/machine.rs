//! The alert state machine: layer windows in, transitions out.
//!
//! For each rule and subject, in event time (`t` is the end of the window shown, `v` the value):
//!
//! ```text
//!            v >= fire_above               t - since >= for
//!   Normal ──────────────────► Pending ──────────────────────► Firing ◄──────────┐
//!     ▲                           │                              │               │ v > clear_below
//!     │       v < fire_above      │          v <= clear_below    ▼               │ or no data
//!     ├───────────────────────────┘                           Recovering ────────┘
//!     └──────────────────────────────────────────────────────────┘
//!                      t - recovering since >= keep_firing_for
//! ```
//!
//! A rule with several steps has one alert a subject, which stands on one of them. Its thresholds
//! are those of that step. It climbs at once to the highest step that was reached for the step's
//! `for` ([`AlertState::Escalated`]); at the end of a recovery it goes one step down
//! ([`AlertState::Eased`]), where the next recovery begins, and from the lowest it is over.
//!
//! Several of these arrows may be taken in one window (`for = "0s"` goes from Normal to Firing),
//! but an alert has at most one transition in it (A2), since a value that ends an alert cannot
//! begin one.
//!
//! A subject without data keeps its state, and [`AlertState::NoData`] is told once; so does one
//! whose value is too low for its step and rests on too little input ([`AlertState::Stale`]), and
//! one whose layer fails ([`AlertState::Error`]). When data is back the alert goes on: the gap
//! counts towards `for` (what was seen before it still stands), and never towards
//! `keep_firing_for` (nobody saw a recovery). `on_no_data` may say otherwise of missing data.
//!
//! Outside of a rule's hours (`active`) nothing begins and every alert is over. An alert that
//! changes too often is told to be flapping, and held back: see the module `flaps`.
//!
//! A row whose subject is normal and stays so costs a comparison of its value.

use std::collections::{BTreeMap, BTreeSet};

use jiff::civil::Date;
use tidegate_model::EventTime;

use crate::measurement::Measurement;
use crate::rule::Rule;
use crate::transition::{AlertState, AlertTransition, Why};

mod episode;
mod flaps;
mod remembered;
mod restore;
mod rows;
mod seen;
mod text;
mod watch;

use episode::{Dark, Episode, Subject};
use watch::{Shown, Watch};

pub use restore::RestoreError;

/// How many alerts may be open (pending ones included) unless the machine is told otherwise.
pub const ALERTS_MAX: usize = 10_000;

/// How many subjects the machine remembers beside its open alerts, each once a rule: those whose
/// alert changed within `flap_window`, and for rules with `on_no_data = "alert"` those that had
/// data before.
pub const SUBJECTS_MAX: usize = 100_000;

/// Holds the open alerts of all rules.
#[derive(Debug, Clone)]
pub struct AlertMachine {
    watches: Vec<Watch>,
    last_end: BTreeMap<String, EventTime>,
    limits: Limits,
    zone: jiff::tz::TimeZone,
    holidays: BTreeSet<Date>,
}

/// What the machine holds, against what it may.
#[derive(Debug, Clone)]
struct Limits {
    open: usize,
    alerts_max: usize,
    /// How often an alert did not begin for want of room.
    refused: u64,
    subjects: usize,
    subjects_max: usize,
    /// How often a subject was not remembered for want of room.
    forgotten: u64,
}

impl Limits {
    fn room_to_remember(&self) -> usize {
        self.subjects_max.saturating_sub(self.subjects)
    }
}

impl AlertMachine {
    /// A machine without open alerts, for at most [`ALERTS_MAX`] of them, writing times in UTC.
    ///
    /// # Panics
    /// When two rules have the same name: their alerts would share ids.
    pub fn new(rules: Vec<Rule>) -> Self {
        let mut names = BTreeSet::new();
        for rule in &rules {
            let is_new = names.insert(rule.name());
            assert!(is_new, "two rules are called {:?}", rule.name());
        }
        Self {
            watches: rules.into_iter().map(Watch::new).collect(),
            last_end: BTreeMap::new(),
            limits: Limits {
                open: 0,
                alerts_max: ALERTS_MAX,
                refused: 0,
                subjects: 0,
                subjects_max: SUBJECTS_MAX,
                forgotten: 0,
            },
            zone: jiff::tz::TimeZone::UTC,
            holidays: BTreeSet::new(),
        }
    }

    /// The same machine for at most `alerts_max` open alerts, pending ones included.
    ///
    /// Beyond it no new alert begins, neither pending nor raised: it is counted in
    /// [`AlertMachine::refused`] and tried anew in the next window. Open alerts go on. Rules
    /// earlier in the file come first; of one rule values before missing data, and then subjects in
    /// the order of their ids.
    #[must_use]
    pub fn with_alerts_max(mut self, alerts_max: usize) -> Self {
        self.limits.alerts_max = alerts_max;
        self
    }

    /// The same machine remembering at most `subjects_max` subjects, see [`SUBJECTS_MAX`].
    ///
    /// Beyond it a subject is not remembered, which is counted in [`AlertMachine::forgotten`] and
    /// tried anew: its changes are told without being counted, and nobody tells when its data is
    /// missing.
    #[must_use]
    pub fn with_subjects_max(mut self, subjects_max: usize) -> Self {
        self.limits.subjects_max = subjects_max;
        self
    }

    /// The same machine writing `{window_end}` in the time of `zone`.
    #[must_use]
    pub fn with_time_zone(mut self, zone: jiff::tz::TimeZone) -> Self {
        self.zone = zone;
        self
    }

    /// The same machine with these public holidays, as local dates: the time intervals of rules
    /// ask for them. Without it there are none.
    #[must_use]
    pub fn with_holidays(mut self, holidays: BTreeSet<Date>) -> Self {
        self.holidays = holidays;
        self
    }

    /// Shows the final rows of one layer and window: all of them at once, so that a subject that
    /// is missing is known to be missing; once each, in ascending event time per layer. A window
    /// without any row is shown too.
    ///
    /// Rows come in any order; where a subject has several, the one with the highest compared
    /// value counts, and of equal ones always the same. The transitions are ordered by rule (as
    /// given), then by subject kind and id.
    ///
    /// # Panics
    /// When a window ends at or before one that was shown for the same layer (a revision must not
    /// reach the machine), or when a row is of another layer or window.
    pub fn observe(
        &mut self,
        layer: &str,
        window_end: EventTime,
        rows: &[Measurement<'_>],
    ) -> Vec<AlertTransition> {
        for row in rows {
            assert!(
                row.layer == layer && row.window_end == window_end,
                "a row of layer {} to {} is shown with layer {layer} to {window_end}",
                row.layer,
                row.window_end
            );
        }
        let mut transitions = Vec::new();
        if !self.go_on(layer, window_end) {
            return transitions;
        }
        let mut shown = Shown::new(rows);
        for watch in &mut self.watches {
            if watch.rule.layer() != layer {
                continue;
            }
            let limits = &mut self.limits;
            let changes = if watch.rule.is_active(window_end, &self.holidays) {
                watch.observe(&mut shown, window_end, limits)
            } else {
                watch.rest(&mut shown, window_end, limits)
            };
            let mut told = watch.held_back(changes, &mut shown, window_end, limits);
            told.sort_by(|a, b| a.subject.cmp(&b.subject));
            let words = |change| text::transition(&watch.rule, change, &self.zone);
            transitions.extend(told.iter().map(words));
        }
        transitions
    }

    /// Says that a layer could not be evaluated for a window, in place of
    /// [`AlertMachine::observe`]. What was seen before still stands: no alert begins or is over,
    /// and each open one tells it once, as [`AlertState::Error`]. The next value that is believed
    /// ends that.
    ///
    /// # Panics
    /// When the window ends at or before one that was shown for the same layer.
    pub fn fail(&mut self, layer: &str, window_end: EventTime) -> Vec<AlertTransition> {
        let mut transitions = Vec::new();
        if !self.go_on(layer, window_end) {
            return transitions;
        }
        for watch in &mut self.watches {
            if watch.rule.layer() == layer {
                let changes = watch.fail(window_end);
                let words = |change| text::transition(&watch.rule, change, &self.zone);
                transitions.extend(changes.iter().map(words));
            }
        }
        transitions
    }

    /// Goes by other rules from the next window on.
    ///
    /// The alerts of a rule that stays, with its name, layer and kind of subject, go on under what
    /// it says now: nothing is told again because a rule was written anew. Those of all others are
    /// over at once, in the last window of their layer, for [`Why::RuleGone`]; so an alert that
    /// changed in that window has a second transition there.
    ///
    /// # Panics
    /// When two rules have the same name.
    pub fn replace_rules(&mut self, rules: Vec<Rule>) -> Vec<AlertTransition> {
        let mut before: BTreeMap<String, Watch> = std::mem::take(&mut self.watches)
            .into_iter()
            .map(|watch| (watch.rule.name().to_owned(), watch))
            .collect();
        let mut names = BTreeSet::new();
        for rule in rules {
            let is_new = names.insert(rule.name().to_owned());
            assert!(is_new, "two rules are called {:?}", rule.name());
            let stays = |watch: &Watch| {
                watch.rule.layer() == rule.layer()
                    && watch.rule.subject_kind() == rule.subject_kind()
            };
            let watch = match before.remove(rule.name()) {
                Some(watch) if stays(&watch) => watch.under(rule),
                Some(watch) => {
                    before.insert(rule.name().to_owned(), watch);
                    Watch::new(rule)
                }
                None => Watch::new(rule),
            };
            self.watches.push(watch);
        }
        let mut transitions = Vec::new();
        for watch in before.into_values() {
            let Some(at) = self.last_end.get(watch.rule.layer()).copied() else {
                continue;
            };
            let rule = watch.rule.clone();
            let words = |change: &Change<'_>| text::transition(&rule, change, &self.zone);
            transitions.extend(watch.end(at).iter().map(words));
        }
        let read: BTreeSet<&str> = self
            .watches
            .iter()
            .map(|watch| watch.rule.layer())
            .collect();
        self.last_end
            .retain(|layer, _| read.contains(layer.as_str()));
        self.limits.open = self.watches.iter().map(|watch| watch.episodes.len()).sum();
        self.limits.subjects = self.watches.iter().map(Watch::subjects).sum();
        transitions
    }

    /// Notes the next window of a layer; whether any rule reads it.
    fn go_on(&mut self, layer: &str, window_end: EventTime) -> bool {
        if !self.watches.iter().any(|watch| watch.rule.layer() == layer) {
            return false;
        }
        let Some(last) = self.last_end.get_mut(layer) else {
            self.last_end.insert(layer.to_owned(), window_end);
            return true;
        };
        assert!(
            *last < window_end,
            "layer {layer}: window end {window_end} is not after {last}"
        );
        *last = window_end;
        true
    }

    /// Alerts that are open now, pending ones included; at most `alerts_max`.
    pub fn open(&self) -> usize {
        self.limits.open
    }

    /// How often a new alert did not begin because `alerts_max` were open.
    pub fn refused(&self) -> u64 {
        self.limits.refused
    }

    /// How often a subject was not remembered because `subjects_max` were.
    pub fn forgotten(&self) -> u64 {
        self.limits.forgotten
    }

    /// The rules, in the order given.
    pub fn rules(&self) -> impl Iterator<Item = &Rule> {
        self.watches.iter().map(|watch| &watch.rule)
    }
}

/// A change of one alert, before it is put into words.
#[derive(Debug)]
struct Change<'a> {
    subject: Subject,
    /// End of the window.
    at: EventTime,
    state: AlertState,
    why: Why,
    threshold: Option<f64>,
    episode: Episode,
    row: Option<&'a Measurement<'a>>,
}

#[cfg(test)]
mod tests;
