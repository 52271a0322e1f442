//! The alert state machine: layer windows in, transitions out.
//!
//! For each rule and subject, in event time (`t` is the end of the window shown):
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
//! Several steps may be taken in one window (`for = "0s"` goes from Normal to Firing), but an
//! alert has at most one transition in it (A2), since a value that ends an alert cannot begin one.
//!
//! A subject without data keeps its state, and [`AlertState::NoData`] is told once; so does one whose
//! value is no alert and rests on too little input ([`AlertState::Stale`]). When data is
//! back the alert goes on: the gap counts towards `for` (what was seen before it still stands),
//! and never towards `keep_firing_for` (nobody saw a recovery).

use std::cmp::Ordering;
use std::collections::{BTreeMap, BTreeSet};

use tidegate_model::{EventTime, Span};

use crate::measurement::Measurement;
use crate::rule::{Rule, Sight};
use crate::transition::{AlertState, AlertTransition};

mod episode;
mod restore;
mod text;

use episode::{Episode, Subject};

pub use restore::RestoreError;

/// How many alerts may be open (pending ones included) unless the machine is told otherwise.
pub const ALERTS_MAX: usize = 10_000;

/// Holds the open alerts of all rules.
#[derive(Debug, Clone)]
pub struct AlertMachine {
    watches: Vec<Watch>,
    last_end: BTreeMap<String, EventTime>,
    alerts_max: usize,
    zone: jiff::tz::TimeZone,
    refused: u64,
}

/// One rule with its open alerts.
#[derive(Debug, Clone)]
struct Watch {
    rule: Rule,
    episodes: BTreeMap<Subject, Episode>,
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
        let watch = |rule: Rule| Watch {
            rule,
            episodes: BTreeMap::new(),
        };
        Self {
            watches: rules.into_iter().map(watch).collect(),
            last_end: BTreeMap::new(),
            alerts_max: ALERTS_MAX,
            zone: jiff::tz::TimeZone::UTC,
            refused: 0,
        }
    }

    /// The same machine for at most `alerts_max` open alerts, pending ones included.
    ///
    /// Beyond it no new alert begins, neither pending nor raised: it is counted in
    /// [`AlertMachine::refused`] and tried anew in the next window. Open alerts go on. Rules
    /// earlier in the file, and then subjects in the order of their ids, come first.
    #[must_use]
    pub fn with_alerts_max(mut self, alerts_max: usize) -> Self {
        self.alerts_max = alerts_max;
        self
    }

    /// The same machine writing `{window_end}` in the time of `zone`.
    #[must_use]
    pub fn with_time_zone(mut self, zone: jiff::tz::TimeZone) -> Self {
        self.zone = zone;
        self
    }

    /// Shows the final rows of one layer and window: all of them at once, so that a subject that
    /// is missing is known to be missing; once each, in ascending event time per layer. A window
    /// without any row is shown too.
    ///
    /// Rows come in any order; where a subject has several, the one with the highest compared
    /// value counts, and of equal ones always the same. The transitions are ordered by rule (as given), then by subject kind and id.
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
        if !self.watches.iter().any(|watch| watch.rule.layer() == layer) {
            return Vec::new();
        }
        if let Some(last) = self.last_end.insert(layer.to_owned(), window_end) {
            assert!(
                last < window_end,
                "layer {layer}: window end {window_end} is not after {last}"
            );
        }
        let mut open = self.open();
        let mut transitions = Vec::new();
        for watch in &mut self.watches {
            if watch.rule.layer() != layer {
                continue;
            }
            let before = watch.episodes.len();
            let mut rows = watch.rows(rows);
            let mut changes = watch.advance(&mut rows, window_end);
            open -= before - watch.episodes.len();
            let begun = watch.begin(&rows, window_end, self.alerts_max.saturating_sub(open));
            open += begun.opened;
            self.refused += begun.refused;
            changes.extend(begun.changes);
            changes.sort_by(|a, b| a.subject.cmp(&b.subject));
            let words = |change| text::transition(&watch.rule, change, window_end, &self.zone);
            transitions.extend(changes.iter().map(words));
        }
        transitions
    }

    /// Alerts that are open now, pending ones included; at most `alerts_max`.
    pub fn open(&self) -> usize {
        self.watches.iter().map(|watch| watch.episodes.len()).sum()
    }

    /// How often a new alert did not begin because `alerts_max` were open.
    pub fn refused(&self) -> u64 {
        self.refused
    }
}

/// A change of one alert, before it is put into words.
#[derive(Debug)]
struct Change<'a> {
    subject: Subject,
    state: AlertState,
    episode: Episode,
    row: Option<&'a Measurement<'a>>,
}

/// What came of the rows that had no open alert.
#[derive(Debug)]
struct Begun<'a> {
    changes: Vec<Change<'a>>,
    opened: usize,
    refused: u64,
}

impl Watch {
    /// The rule's rows, one a subject, in the order of subjects.
    fn rows<'a>(&self, rows: &'a [Measurement<'a>]) -> Vec<&'a Measurement<'a>> {
        let rule = &self.rule;
        let mut rows: Vec<_> = rows.iter().filter(|row| rule.matches(row)).collect();
        rows.sort_by(|a, b| key(a).cmp(&key(b)).then_with(|| worst_first(rule, a, b)));
        rows.dedup_by(|later, first| key(later) == key(first));
        rows
    }

    /// Takes every open alert one window further, and its row out of `rows`.
    fn advance<'a>(
        &mut self,
        rows: &mut Vec<&'a Measurement<'a>>,
        at: EventTime,
    ) -> Vec<Change<'a>> {
        let rule = &self.rule;
        let mut changes = Vec::new();
        let mut taken = vec![false; rows.len()];
        self.episodes.retain(|subject, episode| {
            let found = rows.binary_search_by(|row| key(row).cmp(&subject.key()));
            let row = found.ok().map(|index| {
                taken[index] = true;
                rows[index]
            });
            let sight = row.map_or(Sight::Nothing, |row| rule.sight(row));
            let step = episode.step(rule, at, sight);
            if let (Some(row), Sight::Value(_)) = (row, sight) {
                episode.see(row);
            }
            if let Some(state) = step.change {
                changes.push(Change {
                    subject: subject.clone(),
                    state,
                    episode: episode.clone(),
                    row,
                });
            }
            !step.over
        });
        let mut taken = taken.into_iter();
        rows.retain(|_| !taken.next().expect("one mark a row"));
        changes
    }

    /// Opens an alert for every row that calls for one, as long as there is room.
    fn begin<'a>(&mut self, rows: &[&'a Measurement<'a>], at: EventTime, room: usize) -> Begun<'a> {
        let mut result = Begun {
            changes: Vec::new(),
            opened: 0,
            refused: 0,
        };
        for &row in rows {
            let Some(value) = self.rule.compared(row).filter(|v| self.rule.fires_at(*v)) else {
                continue;
            };
            if result.opened == room {
                result.refused += 1;
                continue;
            }
            result.opened += 1;
            let subject = Subject::of(row);
            let mut episode = Episode::begin(self.rule.name(), row, at);
            if let Some(state) = episode.step(&self.rule, at, Sight::Value(value)).change {
                result.changes.push(Change {
                    subject: subject.clone(),
                    state,
                    episode: episode.clone(),
                    row: Some(row),
                });
            }
            self.episodes.insert(subject, episode);
        }
        result
    }
}

/// The order of rows of one subject: by the compared value, and by everything else that is told
/// where that is equal, so that the order in which a layer gives its rows cannot be seen.
fn worst_first(rule: &Rule, a: &Measurement<'_>, b: &Measurement<'_>) -> Ordering {
    let numbers =
        |row: &Measurement<'_>| [rule.compared(row), row.value, row.lo, row.hi, row.coverage];
    // Without a value comes behind any value.
    let descending = |(a, b): (Option<f64>, Option<f64>)| match (a, b) {
        (Some(a), Some(b)) => b.total_cmp(&a),
        (a, b) => b.is_some().cmp(&a.is_some()),
    };
    let pairs = numbers(a).into_iter().zip(numbers(b));
    let by_numbers = pairs.map(descending).find(|order| order.is_ne());
    by_numbers.unwrap_or_else(|| texts(b).cmp(&texts(a)))
}

/// What is told of a row beside its numbers.
fn texts<'a>(row: &Measurement<'a>) -> ([&'a str; 4], Option<&'a str>, Option<Span>) {
    let texts = [row.unit, row.method, row.name_zh, row.name_en];
    (texts, row.level, row.data_age)
}

/// The order of subjects.
fn key<'a>(row: &Measurement<'a>) -> (&'a str, &'a str) {
    (row.subject_kind, row.subject)
}

#[cfg(test)]
mod tests;
