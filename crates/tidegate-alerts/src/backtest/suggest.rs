//! The threshold at which a rule would fire as often as somebody is ready to be called.
//!
//! Whether a value fires depends on `for`, `keep_firing_for` and the distance of `clear_below`, so
//! every candidate is judged by the machine on all rows. Candidates are the observed values: between
//! two of them nothing changes. How often a rule fires does not always fall as its threshold rises
//! (a long alert can break into two), and far below all values it is one alert that never ends; so
//! the search comes from above and stops at the first crossing that it meets.

use std::collections::BTreeMap;

use super::Subjects;
use super::kept::{Kept, Observed};
use super::layer::LayerSettings;
use super::run::LayerRun;
use crate::machine::AlertMachine;
use crate::rule::{ClearDistance, Rule};

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

/// The search's view of a rule and its rows.
struct Search<'a, M> {
    rule: &'a Rule,
    quota: Quota,
    settings: &'a LayerSettings,
    subjects: &'a Subjects,
    rows: &'a Kept,
    observed: &'a Observed,
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
        self.rows.show(self.observed, &mut run, self.subjects);
        let episodes = run.into_episodes(self.subjects);
        let mut by_subject: BTreeMap<(&str, &str), u64> = BTreeMap::new();
        for episode in &episodes {
            let key = (episode.subject_kind.as_str(), episode.subject.as_str());
            *by_subject.entry(key).or_default() += 1;
        }
        let fires = episodes.len() as u64;
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
    let numbers = &observed.numbers;
    let highest = numbers.len().checked_sub(1)?;
    let mut search = Search {
        rule,
        quota,
        settings,
        subjects,
        rows,
        observed: &observed,
        machine,
        weeks: rows.weeks(),
        judged: 0,
    };
    let now = search.judge(rule.clone());
    let at =
        |search: &mut Search<'_, _>, index: usize| search.judge(search.rule.moved(numbers[index]));
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
        observed: numbers.len() as u64,
        judged: search.judged,
    })
}
