//! The threshold at which a rule would fire as often as somebody is ready to be called.
//!
//! Whether a value fires depends on `for`, `keep_firing_for` and the distance of `clear_below`, so
//! every candidate is judged by the machine on all rows. Candidates are the observed values: between
//! two of them nothing changes. How often a rule fires does not always fall as its threshold rises
//! (a long alert can break into two), and far below all values it is one alert that never ends; so
//! the search comes from above and stops at the first crossing that it meets.

use std::collections::BTreeMap;

use super::Subjects;
use super::layer::{Columns, LayerSettings};
use super::run::LayerRun;
use crate::machine::AlertMachine;
use crate::rule::{ClearDistance, Rule};
use crate::words::Compare;

/// How often a rule may fire.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Quota {
    /// So often a week, on all subjects together.
    Together(f64),
    /// So often a week on each subject.
    EachSubject(f64),
}

impl Quota {
    fn per_week(self) -> f64 {
        match self {
            Self::Together(number) | Self::EachSubject(number) => number,
        }
    }
}

/// A threshold and what it would do.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Candidate {
    /// `fire_above`.
    pub fire_above: f64,
    /// `clear_below`.
    pub clear_below: f64,
    /// Alerts raised on all subjects.
    pub fires: u64,
    /// Alerts raised on the subject with the most.
    pub most_on_one: u64,
    /// What the quota is about, a week.
    pub per_week: f64,
}

/// What was found.
#[derive(Debug, Clone, PartialEq)]
pub struct Suggestion {
    /// The threshold as it is.
    pub now: Candidate,
    /// The threshold that keeps to the quota; `None` where not even the highest value does.
    pub found: Option<Candidate>,
    /// The next lower observed value, which does not keep to it; `None` where every one does.
    pub below: Option<Candidate>,
    /// The next higher observed value.
    pub above: Option<Candidate>,
    /// What stays between `fire_above` and `clear_below`.
    pub distance: ClearDistance,
    /// Weeks of data.
    pub weeks: f64,
    /// Different observed values.
    pub observed: u64,
    /// How many of them the machine was asked about.
    pub judged: u64,
}

/// The rows of a rule's layer, kept to be shown again and again: some 20 bytes each.
#[derive(Debug, Default)]
pub struct Kept {
    /// Start and end of each window, and how many rows it has here.
    windows: Vec<(i64, i64, u32)>,
    subject: Vec<u32>,
    value: Vec<f64>,
    lo: Option<Vec<f64>>,
    /// Only where some row is not fully covered.
    coverage: Option<Vec<f64>>,
}

impl Kept {
    /// Keeps rows. Those of one call to the next are in the order of windows.
    pub fn take(&mut self, rows: &Columns<'_>) {
        let before = self.value.len();
        for (start, end) in rows.window_start.iter().zip(rows.window_end) {
            match self.windows.last_mut() {
                Some((_, open, count)) if open == end => *count += 1,
                _ => self.windows.push((*start, *end, 1)),
            }
        }
        self.subject.extend_from_slice(rows.subject);
        self.value.extend_from_slice(rows.value);
        append(&mut self.lo, rows.lo, before, rows.value.len());
        append(&mut self.coverage, rows.coverage, before, rows.value.len());
    }

    /// How many rows it keeps.
    pub fn len(&self) -> usize {
        self.value.len()
    }

    /// Whether it keeps none.
    pub fn is_empty(&self) -> bool {
        self.value.is_empty()
    }

    /// The compared values of rows whose subject `is_meant`, ascending, each once.
    fn observed(&self, compare: Compare, is_meant: &[bool]) -> Vec<f64> {
        let column = match compare {
            Compare::Value => &self.value,
            Compare::Lo => match &self.lo {
                Some(lo) => lo,
                None => return Vec::new(),
            },
        };
        let rows = column.iter().zip(&self.value).zip(&self.subject);
        let mut values: Vec<f64> = rows
            .filter(|((number, value), subject)| {
                number.is_finite() && value.is_finite() && is_meant[**subject as usize]
            })
            .map(|((number, _), _)| *number)
            .collect();
        values.sort_unstable_by(f64::total_cmp);
        values.dedup();
        values
    }

    /// Shows everything to `run`.
    fn show(&self, run: &mut LayerRun, subjects: &Subjects) {
        let (mut starts, mut ends): (Vec<i64>, Vec<i64>) = (Vec::new(), Vec::new());
        let mut first = 0;
        for (start, end, count) in &self.windows {
            let next = first + *count as usize;
            starts.clear();
            ends.clear();
            starts.resize(*count as usize, *start);
            ends.resize(*count as usize, *end);
            run.take(
                subjects,
                &Columns {
                    window_start: &starts,
                    window_end: &ends,
                    subject: &self.subject[first..next],
                    value: &self.value[first..next],
                    lo: self.lo.as_ref().map(|lo| &lo[first..next]),
                    coverage: self.coverage.as_ref().map(|all| &all[first..next]),
                },
            );
            first = next;
        }
    }

    fn weeks(&self) -> f64 {
        match (self.windows.first(), self.windows.last()) {
            (Some((start, _, _)), Some((_, end, _))) => {
                #[expect(clippy::cast_precision_loss, reason = "a length in microseconds")]
                let micros = (end - start) as f64;
                micros / (7.0 * 86_400.0 * 1e6)
            }
            _ => 0.0,
        }
    }
}

/// Appends a column that may begin, or end, to be there.
fn append(kept: &mut Option<Vec<f64>>, more: Option<&[f64]>, before: usize, len: usize) {
    let is_needed = more.is_some_and(|more| more.iter().any(|number| !number.is_nan()));
    if kept.is_none() && !is_needed {
        return;
    }
    let kept = kept.get_or_insert_with(|| vec![f64::NAN; before]);
    match more {
        Some(more) => kept.extend_from_slice(more),
        None => kept.resize(before + len, f64::NAN),
    }
}

/// The search's view of a rule and its rows.
struct Search<'a, M> {
    rule: &'a Rule,
    quota: Quota,
    settings: &'a LayerSettings,
    subjects: &'a Subjects,
    rows: &'a Kept,
    machine: M,
    weeks: f64,
    judged: u64,
}

impl<M: Fn(Rule) -> AlertMachine> Search<'_, M> {
    /// What `rule` would do.
    fn judge(&mut self, rule: Rule) -> Candidate {
        self.judged += 1;
        let step = rule.steps()[0];
        let machine = (self.machine)(rule);
        let mut run = LayerRun::new(machine, self.settings.clone()).without_transitions();
        self.rows.show(&mut run, self.subjects);
        let outcome = run.finish(self.subjects, None);
        let mut by_subject: BTreeMap<(&str, &str), u64> = BTreeMap::new();
        for episode in &outcome.episodes {
            let key = (episode.subject_kind.as_str(), episode.subject.as_str());
            *by_subject.entry(key).or_default() += 1;
        }
        let fires = outcome.episodes.len() as u64;
        let most_on_one = by_subject.into_values().max().unwrap_or(0);
        let meant = match self.quota {
            Quota::Together(_) => fires,
            Quota::EachSubject(_) => most_on_one,
        };
        #[expect(clippy::cast_precision_loss, reason = "a count, far below 2⁵³")]
        let per_week = meant as f64 / self.weeks;
        Candidate {
            fire_above: step.fire_above,
            clear_below: step.clear_below,
            fires,
            most_on_one,
            per_week,
        }
    }

    fn keeps(&self, candidate: &Candidate) -> bool {
        candidate.per_week <= self.quota.per_week()
    }
}

/// The lowest observed value that, as the rule's threshold, keeps to `quota`, coming from above:
/// the next lower observed value does not. `machine` makes a machine for a rule.
///
/// The lowest step of a ladder is moved; see [`Rule::clear_distance`] for what `clear_below` does.
/// `None` where there is no value at all.
pub fn suggest(
    rule: &Rule,
    quota: Quota,
    settings: &LayerSettings,
    (subjects, rows): (&Subjects, &Kept),
    machine: impl Fn(Rule) -> AlertMachine,
) -> Option<Suggestion> {
    let is_meant = subjects.list().iter().map(|subject| rule.is_about(subject));
    let is_meant: Vec<bool> = is_meant.collect();
    let observed = rows.observed(rule.compare(), &is_meant);
    let highest = observed.len().checked_sub(1)?;
    let mut search = Search {
        rule,
        quota,
        settings,
        subjects,
        rows,
        machine,
        weeks: rows.weeks(),
        judged: 0,
    };
    let now = search.judge(rule.clone());
    let at =
        |search: &mut Search<'_, _>, index: usize| search.judge(search.rule.moved(observed[index]));
    // Down from the highest in steps that double, to the first that fires too often.
    let mut good: Option<(usize, Candidate)> = None;
    let mut bad: Option<(usize, Candidate)> = None;
    let mut step = 1;
    let mut index = highest;
    loop {
        let candidate = at(&mut search, index);
        if !search.keeps(&candidate) {
            bad = Some((index, candidate));
            break;
        }
        good = Some((index, candidate));
        if index == 0 {
            break;
        }
        index = index.saturating_sub(step);
        step *= 2;
    }
    if let (Some((mut upper, mut best)), Some((mut lower, mut worst))) = (good, bad) {
        while upper - lower > 1 {
            let middle = lower + (upper - lower) / 2;
            let candidate = at(&mut search, middle);
            if search.keeps(&candidate) {
                (upper, best) = (middle, candidate);
            } else {
                (lower, worst) = (middle, candidate);
            }
        }
        (good, bad) = (Some((upper, best)), Some((lower, worst)));
    }
    let above = good.filter(|(index, _)| *index < highest);
    let above = above.map(|(index, _)| at(&mut search, index + 1));
    Some(Suggestion {
        now,
        found: good.map(|(_, candidate)| candidate),
        below: bad.map(|(_, candidate)| candidate),
        above,
        distance: rule.clear_distance(),
        weeks: search.weeks,
        observed: observed.len() as u64,
        judged: search.judged,
    })
}
