//! Subjects whose alert changes too often.
//!
//! Every transition but [`AlertState::Error`] is a change. When a subject has more than `flap_max`
//! of them within `flap_window`, the last is told as [`AlertState::Flapping`] and a run begins: one
//! alert, with the id and the start of the one that it began with, whatever fires and ends within
//! it. What is held back is counted; a rise to a step above those told in the run is told. The run
//! ends when the subject has not changed for `flap_window` and no alert is about to be raised: then
//! the state is told in which the alert stands.

use std::collections::BTreeMap;

use tidegate_model::EventTime;

use super::Change;
use super::episode::{Episode, Subject};
use super::seen::Seen;
use crate::rule::Rule;
use crate::transition::{AlertState, Why};

/// The recent changes of a rule's subjects, with an open alert or without.
#[derive(Debug, Clone, Default)]
pub(super) struct Flaps(pub(super) BTreeMap<Subject, Flap>);

/// The recent changes of one subject.
#[derive(Debug, Clone)]
pub(super) enum Flap {
    /// Window ends of the changes within `flap_window`, ascending, at most `flap_max`.
    Changes(Vec<EventTime>),
    /// It flaps.
    Run(Box<Run>),
}

/// A time in which a subject flaps.
#[derive(Debug, Clone)]
pub(super) struct Run {
    /// The id of its alert.
    pub(super) id: Box<str>,
    /// When that alert began.
    pub(super) since: EventTime,
    /// The highest step told in it.
    pub(super) level: usize,
    /// End of the window of the last change.
    pub(super) last: EventTime,
    /// How many changes were held back.
    pub(super) held: u64,
    /// The last row with a value.
    pub(super) seen: Seen,
}

/// Whether there is room to remember one more subject.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kept {
    /// It is remembered.
    Yes,
    /// There is no room: its changes are told as if they were the first.
    NoRoom,
}

impl Flaps {
    /// Takes a change, and gives back whether it was remembered and what is to be told of it.
    /// `room` is how many more subjects may be remembered.
    pub(super) fn take<'a>(
        &mut self,
        rule: &Rule,
        mut change: Change<'a>,
        room: usize,
    ) -> (Kept, Option<Change<'a>>) {
        if rule.flap_max() == 0 || change.state == AlertState::Error {
            return (Kept::Yes, Some(change));
        }
        let at = change.at;
        let Some(flap) = self.0.get_mut(&change.subject) else {
            if room == 0 {
                return (Kept::NoRoom, Some(change));
            }
            let flap = Flap::Changes(vec![at]);
            self.0.insert(change.subject.clone(), flap);
            return (Kept::Yes, Some(change));
        };
        match flap {
            Flap::Run(run) => {
                let told = run.take(&change);
                (Kept::Yes, told.then_some(change))
            }
            Flap::Changes(changes) => {
                forget(rule, changes, at);
                if changes.len() < rule.flap_max() {
                    changes.push(at);
                    return (Kept::Yes, Some(change));
                }
                change.why = Why::Changes(changes.len() as u64 + 1);
                change.state = AlertState::Flapping;
                *flap = Flap::Run(Box::new(Run::begin(&change)));
                (Kept::Yes, Some(change))
            }
        }
    }

    /// The alert that a new alert on `subject` goes on with.
    pub(super) fn run(&self, subject: &Subject) -> Option<&Run> {
        match self.0.get(subject)? {
            Flap::Run(run) => Some(run),
            Flap::Changes(_) => None,
        }
    }

    /// Forgets what is too old to count, and takes out the runs that are over at `at`.
    pub(super) fn end(
        &mut self,
        rule: &Rule,
        at: EventTime,
        is_pending: impl Fn(&Subject) -> bool,
    ) -> Vec<(Subject, Run)> {
        let mut over = Vec::new();
        self.0.retain(|subject, flap| match flap {
            Flap::Changes(changes) => {
                forget(rule, changes, at);
                !changes.is_empty()
            }
            Flap::Run(run) => {
                let is_over = at.since(run.last) >= rule.flap_window() && !is_pending(subject);
                if is_over {
                    over.push((subject.clone(), (**run).clone()));
                }
                !is_over
            }
        });
        over
    }
}

/// Forgets changes that are `flap_window` old.
fn forget(rule: &Rule, changes: &mut Vec<EventTime>, at: EventTime) {
    changes.retain(|change| at.since(*change) < rule.flap_window());
}

impl Run {
    fn begin(change: &Change<'_>) -> Self {
        Self {
            id: change.episode.id.clone(),
            since: change.episode.since,
            level: change.episode.level,
            last: change.at,
            held: 0,
            seen: change.episode.seen.clone(),
        }
    }

    /// Takes a change; whether it is told nevertheless.
    fn take(&mut self, change: &Change<'_>) -> bool {
        self.last = change.at;
        self.seen.clone_from(&change.episode.seen);
        let is_rise = matches!(change.state, AlertState::Firing | AlertState::Escalated);
        let is_told = is_rise && change.episode.level > self.level;
        if is_told {
            self.level = change.episode.level;
        } else {
            self.held += 1;
        }
        is_told
    }

    /// What is told at the end of the run of `subject`, whose alert is `episode` where it is open.
    pub(super) fn over<'a>(
        self,
        rule: &Rule,
        subject: Subject,
        episode: Option<&Episode>,
        at: EventTime,
    ) -> Change<'a> {
        let state = match episode {
            None => AlertState::Resolved,
            Some(open) => open.dark.map_or(AlertState::Firing, super::Dark::state),
        };
        let why = Why::Steady(self.held);
        let episode = episode.cloned().unwrap_or_else(|| Episode {
            id: self.id,
            since: self.since,
            ..Episode::begin(rule, &subject, self.seen, at)
        });
        Change {
            subject,
            at,
            state,
            why,
            threshold: None,
            episode,
            row: None,
        }
    }
}
