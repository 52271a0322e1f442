//! One rule at work: its open alerts, and what it remembers of other subjects.

use std::cmp::Ordering;
use std::collections::BTreeMap;

use tidegate_model::EventTime;

use super::episode::{Episode, EpisodeStep, Phase, Subject};
use super::flaps::{Flap, Flaps, Kept};
use super::rows::{Cursor, Rows, firing, key};
use super::seen::Seen;
use super::{Change, Limits};
use crate::measurement::Measurement;
use crate::rule::{Rule, Sight};
use crate::transition::{AlertState, Why};
use crate::words::OnNoData;

/// One rule with its open alerts.
#[derive(Debug, Clone)]
pub(super) struct Watch {
    pub(super) rule: Rule,
    pub(super) episodes: BTreeMap<Subject, Episode>,
    pub(super) flaps: Flaps,
    /// Subjects that had data before, for rules that tell of missing data.
    pub(super) known: BTreeMap<Subject, Seen>,
    /// End of the last window in which the rule was not active: missing data counts from there.
    pub(super) quiet_end: EventTime,
}

/// The rows of a window: as they came, and by subject, which is made only where it is needed.
#[derive(Debug)]
pub(super) struct Shown<'a> {
    pub(super) rows: &'a [Measurement<'a>],
    by_subject: Option<Rows<'a>>,
}

impl<'a> Shown<'a> {
    pub(super) fn new(rows: &'a [Measurement<'a>]) -> Self {
        Self {
            rows,
            by_subject: None,
        }
    }

    fn by_subject(&mut self) -> &Rows<'a> {
        self.by_subject.get_or_insert_with(|| Rows::new(self.rows))
    }
}

impl Watch {
    pub(super) fn new(rule: Rule) -> Self {
        Self {
            rule,
            episodes: BTreeMap::new(),
            flaps: Flaps::default(),
            known: BTreeMap::new(),
            quiet_end: EventTime::MIN,
        }
    }

    /// The same alerts under another text of the rule: an alert above its highest step stands on
    /// that.
    pub(super) fn under(mut self, rule: Rule) -> Self {
        let top = rule.steps().len() - 1;
        for episode in self.episodes.values_mut() {
            episode.level = episode.level.min(top);
        }
        for flap in self.flaps.0.values_mut() {
            if let Flap::Run(run) = flap {
                run.level = run.level.min(top);
            }
        }
        if rule.on_no_data() != OnNoData::Alert {
            self.known.clear();
        }
        self.rule = rule;
        self
    }

    /// Ends every alert, since the rule is gone: what is told of them.
    pub(super) fn end<'a>(self, at: EventTime) -> Vec<Change<'a>> {
        let (rule, mut episodes) = (self.rule, self.episodes);
        let mut changes = Vec::new();
        for (subject, flap) in self.flaps.0 {
            if let Flap::Run(run) = flap {
                let episode = episodes.remove(&subject);
                changes.push(run.over(&rule, subject, episode.as_ref(), at));
            }
        }
        for (subject, episode) in episodes {
            changes.extend(change(subject, &episode, episode.close(), at, None));
        }
        for change in &mut changes {
            change.state = AlertState::Resolved;
            change.why = Why::RuleGone;
        }
        changes.sort_by(|a, b| a.subject.cmp(&b.subject));
        changes
    }

    /// How many subjects it remembers beside its open alerts.
    pub(super) fn subjects(&self) -> usize {
        self.flaps.0.len() + self.known.len()
    }

    /// Takes the window that ends at `at`, in which the rule is active.
    pub(super) fn observe<'a>(
        &mut self,
        shown: &mut Shown<'a>,
        at: EventTime,
        limits: &mut Limits,
    ) -> Vec<Change<'a>> {
        let mut is_any_silent = false;
        if self.rule.on_no_data() == OnNoData::Alert {
            is_any_silent = self.remember(shown.by_subject(), limits) < self.known.len();
        }
        let mut firing = firing(&self.rule, shown.rows);
        let before = self.episodes.len();
        let mut changes = Vec::new();
        if !self.episodes.is_empty() {
            changes = self.advance(shown.by_subject(), &mut firing, at);
        }
        limits.open -= before - self.episodes.len();
        for row in firing {
            let subject = Subject::of(row);
            changes.extend(self.begin(subject, Some(row), at, limits));
        }
        if is_any_silent {
            for subject in self.overdue(at) {
                changes.extend(self.begin(subject, None, at, limits));
            }
        }
        changes
    }

    /// Takes a window in which the rule is not active: every alert is over.
    pub(super) fn rest<'a>(
        &mut self,
        shown: &mut Shown<'a>,
        at: EventTime,
        limits: &mut Limits,
    ) -> Vec<Change<'a>> {
        if self.rule.on_no_data() == OnNoData::Alert {
            self.remember(shown.by_subject(), limits);
        }
        self.quiet_end = at;
        limits.open -= self.episodes.len();
        let mut cursor = Cursor::default();
        let mut changes = Vec::new();
        for (subject, episode) in std::mem::take(&mut self.episodes) {
            let row = shown
                .by_subject()
                .find(&self.rule, subject.key(), &mut cursor);
            changes.extend(change(subject, &episode, episode.close(), at, row));
        }
        changes
    }

    /// Takes a window for which the layer could not be evaluated.
    pub(super) fn fail<'a>(&mut self, at: EventTime) -> Vec<Change<'a>> {
        let mut changes = Vec::new();
        for (subject, episode) in &mut self.episodes {
            let step = episode.fail(at);
            changes.extend(change(subject.clone(), episode, step, at, None));
        }
        changes
    }

    /// Gives back what is told of `changes`: those of subjects that change too often are held back,
    /// and those that have become steady are told.
    pub(super) fn held_back<'a>(
        &mut self,
        changes: Vec<Change<'a>>,
        shown: &mut Shown<'a>,
        at: EventTime,
        limits: &mut Limits,
    ) -> Vec<Change<'a>> {
        let mut told = Vec::new();
        for change in changes {
            let before = self.flaps.0.len();
            let (kept, change) = self
                .flaps
                .take(&self.rule, change, limits.room_to_remember());
            limits.subjects += self.flaps.0.len() - before;
            limits.forgotten += u64::from(kept == Kept::NoRoom);
            told.extend(change);
        }
        if self.flaps.0.is_empty() {
            return told;
        }
        let before = self.flaps.0.len();
        let episodes = &self.episodes;
        let is_pending = |subject: &Subject| {
            let open = episodes.get(subject);
            open.is_some_and(|open| open.phase == Phase::Pending)
        };
        let over = self.flaps.end(&self.rule, at, is_pending);
        limits.subjects -= before - self.flaps.0.len();
        let mut cursor = Cursor::default();
        for (subject, run) in over {
            let row = shown
                .by_subject()
                .find(&self.rule, subject.key(), &mut cursor);
            let episode = self.episodes.get(&subject);
            let mut change = run.over(&self.rule, subject, episode, at);
            change.row = row;
            told.push(change);
        }
        told
    }

    /// Takes every open alert one window further, and its row out of `firing`.
    fn advance<'a>(
        &mut self,
        rows: &Rows<'a>,
        firing: &mut Vec<&'a Measurement<'a>>,
        at: EventTime,
    ) -> Vec<Change<'a>> {
        let (rule, known, quiet_end) = (&self.rule, &self.known, self.quiet_end);
        let mut changes = Vec::new();
        let mut taken = vec![false; firing.len()];
        let mut cursor = Cursor::default();
        self.episodes.retain(|subject, episode| {
            if let Ok(index) = firing.binary_search_by(|row| key(row).cmp(&subject.key())) {
                taken[index] = true;
            }
            let row = rows.find(rule, subject.key(), &mut cursor);
            let sight = row.map_or(Sight::Nothing, |row| rule.sight(row, episode.level));
            let mut step = episode.step(rule, at, sight);
            if let (Some(row), Sight::Value(_)) = (row, sight) {
                episode.seen.renew(row);
            }
            if episode.phase == Phase::Pending && episode.dark.is_some() {
                let known = known.get(subject);
                if known.is_some_and(|seen| is_overdue(rule, seen, quiet_end, at)) {
                    step = episode.raise_missing();
                }
            }
            changes.extend(change(subject.clone(), episode, step, at, row));
            !step.over
        });
        let mut taken = taken.into_iter();
        firing.retain(|_| !taken.next().expect("one mark a row"));
        changes
    }

    /// Opens an alert on `subject`, whose row calls for one, or which is without data for too long,
    /// if there is room.
    fn begin<'a>(
        &mut self,
        subject: Subject,
        row: Option<&'a Measurement<'a>>,
        at: EventTime,
        limits: &mut Limits,
    ) -> Option<Change<'a>> {
        if limits.open >= limits.alerts_max {
            limits.refused += 1;
            return None;
        }
        limits.open += 1;
        let seen = match row {
            Some(row) => Seen::of(row),
            None => self.known[&subject].clone(),
        };
        let mut episode = Episode::begin(&self.rule, &subject, seen, at);
        if let Some(run) = self.flaps.run(&subject) {
            episode.id.clone_from(&run.id);
            episode.since = run.since;
        }
        let value = row.and_then(|row| self.rule.compared(row));
        let step = match value {
            Some(value) => episode.step(&self.rule, at, Sight::Value(value)),
            None => episode.raise_missing(),
        };
        let change = change(subject.clone(), &episode, step, at, row);
        self.episodes.insert(subject, episode);
        change
    }

    /// Remembers the subjects of the rule that have data in this window; how many are known that
    /// do.
    fn remember(&mut self, rows: &Rows<'_>, limits: &mut Limits) -> usize {
        let rule = &self.rule;
        let mut new: Vec<&Measurement<'_>> = Vec::new();
        let mut heard = 0;
        let mut known = self.known.iter_mut().peekable();
        'rows: for row in rows.subjects(|row| rule.compared(row).is_some(), rule) {
            // Nearly always the next known subject is that of the row.
            let mut next = known.peek_mut();
            while let Some((subject, seen)) = next {
                match subject.key().cmp(&key(row)) {
                    Ordering::Less => {
                        known.next();
                        next = known.peek_mut();
                    }
                    Ordering::Equal => {
                        seen.renew(row);
                        heard += 1;
                        continue 'rows;
                    }
                    Ordering::Greater => break,
                }
            }
            if rule.matches(row) {
                new.push(row);
            }
        }
        for row in new {
            let subject = Subject::of(row);
            if limits.room_to_remember() == 0 {
                limits.forgotten += 1;
                continue;
            }
            limits.subjects += 1;
            heard += 1;
            self.known.insert(subject, Seen::of(row));
        }
        heard
    }

    /// Known subjects without an open alert that have been without data for too long.
    fn overdue(&self, at: EventTime) -> Vec<Subject> {
        let known = self.known.iter();
        known
            .filter(|(_, seen)| is_overdue(&self.rule, seen, self.quiet_end, at))
            .filter(|(subject, _)| !self.episodes.contains_key(subject))
            .map(|(subject, _)| subject.clone())
            .collect()
    }
}

fn is_overdue(rule: &Rule, seen: &Seen, quiet_end: EventTime, at: EventTime) -> bool {
    let since = seen.end.max(quiet_end);
    since < at && at.since(since) >= rule.no_data_after(seen.size)
}

/// The change that `step` made of an alert, if it is one.
fn change<'a>(
    subject: Subject,
    episode: &Episode,
    step: EpisodeStep,
    at: EventTime,
    row: Option<&'a Measurement<'a>>,
) -> Option<Change<'a>> {
    let state: AlertState = step.change?;
    Some(Change {
        subject,
        at,
        state,
        why: step.why,
        threshold: step.threshold,
        episode: episode.clone(),
        row,
    })
}
