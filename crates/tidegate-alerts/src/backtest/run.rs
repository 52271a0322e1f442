//! One layer's rows, window by window, through the alert machine.
//!
//! A row can change something only if its subject is remembered by the machine or its value is at
//! or above a threshold of a rule that is about its subject. So each subject has one number, the
//! least value that matters: minus infinity while it is remembered. What is below costs one
//! comparison; what is not is shown to the machine, which decides. Showing more rows than needed
//! changes nothing, so a subject is forgotten only now and then.

use std::borrow::Cow;

use tidegate_model::{EventTime, Span};

use super::coverage::{LayerCoverage, Tally};
use super::episode::{Episode, Log};
use super::{Described, Subjects};
use crate::machine::AlertMachine;
use crate::measurement::Measurement;
use crate::rule::Rule;
use crate::transition::AlertTransition;
use crate::words::{Compare, OnNoData};

/// After so long without data the engine stops firing empty windows until data comes again.
const EMPTY_MAX: Span = Span::hours(24);

/// After so many windows the run asks the machine which subjects it still remembers.
const FORGET_WINDOWS: u32 = 64;

/// Rows of one layer as columns of equal length, windows in ascending order, all rows of a window
/// one after the other (over several calls if need be). A number that is NaN is none.
#[derive(Debug, Clone, Copy)]
pub struct Columns<'a> {
    /// Start of the window, microseconds.
    pub window_start: &'a [i64],
    /// End of the window, microseconds.
    pub window_end: &'a [i64],
    /// The subject's number.
    pub subject: &'a [u32],
    /// The value.
    pub value: &'a [f64],
    /// The lower bound of its interval; without it, no row has one.
    pub lo: Option<&'a [f64]>,
    /// Share of the expected input; without it, no row has one.
    pub coverage: Option<&'a [f64]>,
}

/// Which rows the machine is shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Selection {
    /// Those that could matter.
    #[default]
    Matters,
    /// All of them: slow, and the same result.
    Everything,
}

/// What a run is told of its layer.
#[derive(Debug, Clone, PartialEq)]
pub struct LayerSettings {
    /// The layer.
    pub layer: String,
    /// From the end of a window to the end of the next; above zero.
    pub step: Span,
    /// The unit of its values.
    pub unit: String,
    /// Ends of windows that had data although the layer may have no rows in them, ascending.
    pub full: Vec<EventTime>,
    /// Start of the period that was asked for, if any: what is missing from there on is a gap.
    pub from: Option<EventTime>,
    /// End of the period that was asked for, if any.
    pub to: Option<EventTime>,
    /// Which rows the machine is shown.
    pub selection: Selection,
}

/// What became of one layer.
#[derive(Debug, Clone, PartialEq)]
pub struct LayerOutcome {
    /// How much of its data was there.
    pub coverage: LayerCoverage,
    /// The alerts that were raised, by the time at which they were.
    pub episodes: Vec<Episode>,
    /// Every change that the machine told, in its order.
    pub transitions: Vec<AlertTransition>,
    /// How often an alert did not begin for want of room in the machine.
    pub refused: u64,
}

/// A row that is shown to the machine.
#[derive(Debug, Clone, Copy)]
struct Picked {
    subject: u32,
    value: f64,
    lo: f64,
    coverage: f64,
}

/// What the run knows of a subject.
#[derive(Debug, Clone, Copy, Default)]
struct Known {
    values: u64,
    is_meant: bool,
    is_watched: bool,
    /// Some rule of it tells of missing data: all its rows matter.
    is_always: bool,
    lo_least: f64,
}

/// The rows of one layer on their way through a machine.
#[derive(Debug)]
pub struct LayerRun {
    settings: LayerSettings,
    machine: AlertMachine,
    rules: Vec<Rule>,
    compares_lo: bool,
    known: Vec<Known>,
    /// By subject: the least value that matters now.
    least: Vec<f64>,
    /// By subject: the least value that matters when nothing of it is remembered.
    resting: Vec<f64>,
    watched: Vec<u32>,
    since_forgotten: u32,
    /// The window whose rows are coming.
    window: Option<(EventTime, EventTime)>,
    picked: Vec<Picked>,
    shown_to: Option<EventTime>,
    last_full: Option<EventTime>,
    full: usize,
    tally: Tally,
    log: Log,
    transitions: Option<Vec<AlertTransition>>,
}

impl LayerRun {
    /// A run of `machine`, of which nothing was shown, over the layer of `settings`.
    ///
    /// # Panics
    /// When the step is not above zero.
    pub fn new(machine: AlertMachine, settings: LayerSettings) -> Self {
        assert!(settings.step > Span::ZERO, "a step is longer than nothing");
        let rules: Vec<Rule> = machine.rules().cloned().collect();
        let of_layer = rules.iter().filter(|rule| rule.layer() == settings.layer);
        let compares_lo = of_layer.clone().any(|rule| rule.compare() == Compare::Lo);
        Self {
            log: Log::new(&rules),
            machine,
            rules,
            compares_lo,
            known: Vec::new(),
            least: Vec::new(),
            resting: Vec::new(),
            watched: Vec::new(),
            since_forgotten: 0,
            window: None,
            picked: Vec::new(),
            shown_to: None,
            last_full: None,
            full: 0,
            tally: Tally::default(),
            transitions: Some(Vec::new()),
            settings,
        }
    }

    /// The same run that keeps no transitions, only the episodes made of them.
    #[must_use]
    pub fn without_transitions(mut self) -> Self {
        self.transitions = None;
        self
    }

    /// Takes the next rows. `subjects` has every number in them.
    ///
    /// # Panics
    /// When columns differ in length, or a window does not come after the one before it.
    pub fn take(&mut self, subjects: &Subjects, rows: &Columns<'_>) {
        let len = rows.window_end.len();
        let lengths = [
            rows.window_start.len(),
            rows.subject.len(),
            rows.value.len(),
            rows.lo.map_or(len, <[f64]>::len),
            rows.coverage.map_or(len, <[f64]>::len),
        ];
        assert!(lengths.iter().all(|other| *other == len), "equal lengths");
        self.meet(subjects);
        let mut first = 0;
        while first < len {
            let end = rows.window_end[first];
            let rest = &rows.window_end[first..];
            let next = first + rest.iter().take_while(|other| **other == end).count();
            let end = EventTime::from_micros(end);
            if self.window.is_none_or(|(_, open)| open != end) {
                self.close_window(subjects);
                let start = EventTime::from_micros(rows.window_start[first]);
                self.open_window(subjects, start, end);
            }
            self.pick(rows, first..next);
            first = next;
        }
    }

    /// The end: empty windows are shown up to `horizon`, the end of the last window with any data
    /// of any layer.
    pub fn finish(mut self, subjects: &Subjects, horizon: Option<EventTime>) -> LayerOutcome {
        self.meet(subjects);
        self.close_window(subjects);
        if let Some(horizon) = horizon {
            self.show_empty(subjects, horizon.plus(Span::micros(1)));
        }
        let counts = self
            .known
            .iter()
            .map(|known| (known.values, known.is_meant));
        let counts: Vec<_> = counts.collect();
        let refused = self.machine.refused();
        let last = self.shown_to.or_else(|| self.tally.last());
        LayerOutcome {
            coverage: self.tally.finish(&self.settings, subjects, &counts),
            episodes: self.log.finish(last),
            transitions: self.transitions.unwrap_or_default(),
            refused,
        }
    }

    /// Learns what matters of subjects that are new.
    fn meet(&mut self, subjects: &Subjects) {
        for subject in &subjects.list()[self.known.len()..] {
            let (mut least, mut lo_least) = (f64::INFINITY, f64::INFINITY);
            let mut known = Known::default();
            for rule in self.rules.iter().filter(|rule| rule.is_about(subject)) {
                if rule.layer() != self.settings.layer {
                    continue;
                }
                known.is_meant = true;
                known.is_always |= rule.on_no_data() == OnNoData::Alert;
                let threshold = rule.lowest().fire_above;
                match rule.compare() {
                    Compare::Value => least = least.min(threshold),
                    Compare::Lo => lo_least = lo_least.min(threshold),
                }
            }
            known.is_always |= self.settings.selection == Selection::Everything;
            if known.is_always {
                (least, lo_least) = (f64::NEG_INFINITY, f64::NEG_INFINITY);
            }
            known.lo_least = lo_least;
            known.is_watched = known.is_always;
            self.known.push(known);
            self.least.push(least);
            self.resting.push(least);
        }
    }

    /// Notes the rows that matter among those of one window.
    fn pick(&mut self, rows: &Columns<'_>, range: std::ops::Range<usize>) {
        self.tally.rows += range.len() as u64;
        if let Some(coverage) = rows.coverage {
            for share in coverage[range.clone()]
                .iter()
                .filter(|share| !share.is_nan())
            {
                self.tally.coverage_sum += share;
                self.tally.coverage_rows += 1;
            }
        }
        let subjects = &rows.subject[range.clone()];
        let values = &rows.value[range.clone()];
        let mut n_values = 0;
        for (index, (subject, value)) in subjects.iter().zip(values).enumerate() {
            let known = &mut self.known[*subject as usize];
            let has_value = value.is_finite();
            n_values += u64::from(has_value);
            known.values += u64::from(has_value);
            let mut matters =
                *value >= self.least[*subject as usize] || !has_value && known.is_watched;
            if self.compares_lo && !matters {
                let lo = rows.lo.map_or(f64::NAN, |lo| lo[range.start + index]);
                matters = lo >= known.lo_least;
            }
            if matters {
                let at = range.start + index;
                self.picked.push(Picked {
                    subject: *subject,
                    value: *value,
                    lo: rows.lo.map_or(f64::NAN, |lo| lo[at]),
                    coverage: rows.coverage.map_or(f64::NAN, |coverage| coverage[at]),
                });
            }
        }
        self.tally.values += n_values;
    }

    fn open_window(&mut self, subjects: &Subjects, start: EventTime, end: EventTime) {
        let last = self.shown_to;
        assert!(
            last.is_none_or(|last| last < end),
            "layer {}: window end {end} is not after the one before it",
            self.settings.layer
        );
        self.show_empty(subjects, end);
        self.tally.window(start, end, self.settings.step);
        self.window = Some((start, end));
    }

    /// Shows the windows without rows that the engine fires before the one that ends at `before`.
    fn show_empty(&mut self, subjects: &Subjects, before: EventTime) {
        let full = |run: &Self| run.settings.full.get(run.full).copied();
        loop {
            while full(self).is_some_and(|end| self.shown_to.is_some_and(|shown| end <= shown)) {
                self.full += 1;
            }
            let next_full = full(self).filter(|end| *end < before);
            let following = match (self.shown_to, self.last_full) {
                (Some(shown), Some(last_full)) => Some(shown.plus(self.settings.step))
                    .filter(|end| end.since(last_full) <= EMPTY_MAX),
                _ => None,
            };
            let next = match (following, next_full) {
                (Some(following), Some(full)) => Some(following.min(full)),
                (following, full) => following.or(full),
            };
            let Some(end) = next.filter(|end| *end < before) else {
                return;
            };
            if next_full == Some(end) {
                self.last_full = Some(end);
            }
            self.show(subjects, (end.minus(self.settings.step), end));
        }
    }

    fn close_window(&mut self, subjects: &Subjects) {
        if let Some(window) = self.window.take() {
            self.last_full = Some(window.1);
            self.show(subjects, window);
        }
    }

    /// Shows the picked rows as the window, and learns which subjects matter from now on.
    fn show(&mut self, subjects: &Subjects, window: (EventTime, EventTime)) {
        let end = window.1;
        self.shown_to = Some(end);
        let picked = std::mem::take(&mut self.picked);
        let rows: Vec<Measurement<'_>> = picked
            .iter()
            .map(|row| {
                let subject = &subjects.list()[row.subject as usize];
                measurement(&self.settings, subject, window, row)
            })
            .collect();
        let told = self.machine.observe(&self.settings.layer, end, &rows);
        drop(rows);
        self.log.take(subjects, &told);
        for row in &picked {
            let value = |compare| match compare {
                Compare::Value => row.value,
                Compare::Lo => row.lo,
            };
            self.log.peak(row.subject, end, value);
            self.watch(row.subject);
        }
        if let Some(transitions) = &mut self.transitions {
            transitions.extend(told);
        }
        self.picked = picked;
        self.picked.clear();
        self.since_forgotten += 1;
        if self.since_forgotten >= FORGET_WINDOWS && !self.watched.is_empty() {
            self.forget(subjects);
        }
    }

    fn watch(&mut self, subject: u32) {
        let known = &mut self.known[subject as usize];
        if !known.is_watched {
            known.is_watched = true;
            self.least[subject as usize] = f64::NEG_INFINITY;
            self.watched.push(subject);
        }
    }

    /// Lets go of the subjects of which the machine remembers nothing.
    fn forget(&mut self, subjects: &Subjects) {
        self.since_forgotten = 0;
        for subject in std::mem::take(&mut self.watched) {
            let index = subject as usize;
            self.known[index].is_watched = self.known[index].is_always;
            self.least[index] = self.resting[index];
        }
        let remembered: Vec<u32> = self
            .machine
            .remembered()
            .filter_map(|(kind, id)| subjects.find(kind, id))
            .collect();
        for subject in remembered {
            self.watch(subject);
        }
    }
}

/// A row of a subject as the machine reads it.
fn measurement<'a>(
    settings: &'a LayerSettings,
    subject: &'a Described,
    (window_start, window_end): (EventTime, EventTime),
    row: &Picked,
) -> Measurement<'a> {
    let number = |number: f64| Some(number).filter(|number| !number.is_nan());
    let tags: &'a [(&'a str, Cow<'a, str>)] = &subject.tags;
    Measurement {
        layer: &settings.layer,
        window_start,
        window_end,
        subject_kind: &subject.kind,
        subject: &subject.id,
        name_zh: &subject.name_zh,
        name_en: &subject.name_en,
        tags,
        value: number(row.value),
        lo: number(row.lo),
        hi: None,
        unit: &settings.unit,
        level: None,
        coverage: number(row.coverage),
        data_age: None,
        method: "",
    }
}
