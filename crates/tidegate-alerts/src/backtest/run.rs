//! One layer's rows, window by window, through the alert machine.
//!
//! A row can change something only if its subject is remembered by the machine or its value is at
//! or above a threshold of a rule that is about its subject. So each subject has one number, the
//! least value that matters: minus infinity while it is remembered. What is below costs one
//! comparison; what is not is shown to the machine, which decides. Showing more rows than needed
//! changes nothing, so a subject is forgotten only now and then. Rules that tell of missing data ask
//! for more, see the module `silence`.

use tidegate_model::{EventTime, Span};

use super::Subjects;
use super::coverage::Tally;
use super::episode::{Episode, Log};
use super::layer::{Columns, LayerOutcome, LayerSettings, Picked, Selection, measurement};
use super::silence::{Needed, Silence};
use crate::machine::AlertMachine;
use crate::measurement::Measurement;
use crate::rule::Rule;
use crate::transition::AlertTransition;
use crate::words::Compare;

/// After so long without data the engine stops firing empty windows until data comes again.
const EMPTY_MAX: Span = Span::hours(24);

/// After so many windows the run asks the machine which subjects it still remembers.
const FORGET_WINDOWS: u32 = 64;

/// What the run knows of a subject.
#[derive(Debug, Clone, Copy, Default)]
struct Known {
    values: u64,
    is_meant: bool,
    is_watched: bool,
    needed: Needed,
    lo_least: f64,
}

/// The rows of one layer on their way through a machine.
#[derive(Debug)]
pub struct LayerRun {
    settings: LayerSettings,
    machine: AlertMachine,
    rules: Vec<Rule>,
    compares_lo: bool,
    /// The lowest threshold of all.
    lowest: f64,
    known: Vec<Known>,
    /// By subject: the least value that matters now.
    least: Vec<f64>,
    /// By subject: the least value that matters when nothing of it is remembered.
    resting: Vec<f64>,
    watched: Vec<u32>,
    silence: Silence,
    forget_every: u32,
    since_forgotten: u32,
    /// The window whose rows are coming.
    window: Option<(EventTime, EventTime)>,
    picked: Vec<Picked>,
    /// The last window that was shown.
    shown: Option<(EventTime, EventTime)>,
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
        let lowest = of_layer.map(|rule| rule.lowest().fire_above);
        let lowest = lowest.fold(f64::INFINITY, f64::min);
        Self {
            log: Log::new(&rules),
            silence: Silence::new(machine.subjects_max()),
            machine,
            rules,
            compares_lo,
            lowest,
            known: Vec::new(),
            least: Vec::new(),
            resting: Vec::new(),
            watched: Vec::new(),
            forget_every: FORGET_WINDOWS,
            since_forgotten: 0,
            window: None,
            picked: Vec::new(),
            shown: None,
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

    /// The same run that asks after so many windows which subjects are still remembered.
    #[cfg(test)]
    pub(super) fn forgetting_every(mut self, windows: u32) -> Self {
        self.forget_every = windows;
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

    /// Takes a whole window without looking at its rows, if none of them can matter: whether it did.
    /// `highest` is the highest number that a rule compares in them. They are not counted.
    pub(super) fn pass(
        &mut self,
        subjects: &Subjects,
        (start, end): (EventTime, EventTime),
        highest: f64,
    ) -> bool {
        self.meet(subjects);
        self.close_window(subjects);
        let is_quiet = self.settings.selection == Selection::Matters
            && self.watched.is_empty()
            && self.silence.tells_of_nobody()
            && highest < self.lowest;
        if is_quiet {
            self.open_window(subjects, start, end);
        }
        is_quiet
    }

    /// The end, where only the alerts are asked for.
    pub(super) fn into_episodes(mut self, subjects: &Subjects) -> Vec<Episode> {
        self.close_window(subjects);
        let last = self.shown_to();
        self.log.finish(last)
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
        let last = self.shown_to().or_else(|| self.tally.last());
        LayerOutcome {
            coverage: self.tally.finish(&self.settings, subjects, &counts),
            episodes: self.log.finish(last),
            transitions: self.transitions.unwrap_or_default(),
            refused,
        }
    }

    /// Learns what matters of subjects that are new.
    fn meet(&mut self, subjects: &Subjects) {
        for number in self.known.len()..subjects.list().len() {
            let subject = &subjects.list()[number];
            let (mut least, mut lo_least) = (f64::INFINITY, f64::INFINITY);
            let mut known = Known::default();
            let (mut n_rules, mut n_telling) = (0, 0);
            for rule in self.rules.iter().filter(|rule| rule.is_about(subject)) {
                if rule.layer() != self.settings.layer {
                    continue;
                }
                n_rules += 1;
                n_telling += usize::from(Needed::by(rule) > Needed::Nothing);
                known.needed = known.needed.max(Needed::by(rule));
                let threshold = rule.lowest().fire_above;
                match rule.compare() {
                    Compare::Value => least = least.min(threshold),
                    Compare::Lo => lo_least = lo_least.min(threshold),
                }
            }
            let number = u32::try_from(number).expect("subjects have numbers of 32 bits");
            self.silence.meet(number, n_rules, n_telling);
            known.is_meant = n_rules > 0;
            known.lo_least = lo_least;
            self.resting.push(least);
            known.is_watched = self.settings.selection == Selection::Everything;
            self.least.push(if known.is_watched {
                f64::NEG_INFINITY
            } else {
                least
            });
            self.known.push(known);
            if known.needed > Needed::Nothing {
                self.watch(number);
            }
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
            let at = range.start + index;
            let lo = || rows.lo.map_or(f64::NAN, |lo| lo[at]);
            let mut matters =
                *value >= self.least[*subject as usize] || !has_value && known.is_watched;
            if self.compares_lo && !matters {
                matters = lo() >= known.lo_least;
            }
            let has_data = match known.needed {
                Needed::Nothing => false,
                Needed::Value => has_value,
                Needed::ValueAndLo => has_value && lo().is_finite(),
            };
            if has_data {
                self.silence.hear(*subject);
            } else {
                matters |= known.needed > Needed::Nothing;
            }
            if matters {
                self.picked.push(Picked {
                    subject: *subject,
                    value: *value,
                    lo: lo(),
                    coverage: rows.coverage.map_or(f64::NAN, |coverage| coverage[at]),
                });
            }
        }
        self.tally.values += n_values;
    }

    fn open_window(&mut self, subjects: &Subjects, start: EventTime, end: EventTime) {
        assert!(
            self.shown_to().is_none_or(|last| last < end),
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
            while full(self).is_some_and(|end| self.shown_to().is_some_and(|shown| end <= shown)) {
                self.full += 1;
            }
            let next_full = full(self).filter(|end| *end < before);
            let following = match (self.shown_to(), self.last_full) {
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

    /// End of the last window that was shown.
    fn shown_to(&self) -> Option<EventTime> {
        self.shown.map(|(_, end)| end)
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
        self.wake(subjects, window);
        self.shown = Some(window);
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
        if self.since_forgotten >= self.forget_every && !self.watched.is_empty() {
            self.forget(subjects);
        }
        self.silence.next_window();
    }

    /// Lets the machine know the subjects at rest that it must know in `window`.
    fn wake(&mut self, subjects: &Subjects, window: (EventTime, EventTime)) {
        let is_at_rest = |subject: &u32| {
            let known = &self.known[*subject as usize];
            known.needed > Needed::Nothing && !known.is_watched
        };
        let picked = self.picked.iter().map(|row| row.subject);
        let woken = self.silence.restless().chain(picked).filter(is_at_rest);
        for subject in woken.collect::<Vec<u32>>() {
            let seen_in = self.shown.filter(|_| !self.silence.is_heard(subject));
            let seen_in = seen_in.unwrap_or(window);
            let described = &subjects.list()[subject as usize];
            let row = measurement(&self.settings, described, seen_in, &Picked::none(subject));
            self.machine.know(&row);
            self.watch(subject);
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

    /// Lets go of the subjects of which the machine remembers nothing that matters.
    fn forget(&mut self, subjects: &Subjects) {
        self.since_forgotten = 0;
        let before = std::mem::take(&mut self.watched);
        for subject in &before {
            self.known[*subject as usize].is_watched = false;
            self.least[*subject as usize] = self.resting[*subject as usize];
        }
        let remembered: Vec<u32> = self
            .machine
            .remembered()
            .filter_map(|(kind, id)| subjects.find(kind, id))
            .collect();
        for subject in remembered {
            self.watch(subject);
        }
        let window = self.shown.expect("a window was just shown");
        for subject in before {
            let known = self.known[subject as usize];
            if known.is_watched || known.needed == Needed::Nothing {
                continue;
            }
            if self.silence.may_rest(subject) {
                let described = &subjects.list()[subject as usize];
                let none = Picked::none(subject);
                let row = measurement(&self.settings, described, window, &none);
                self.machine.unknow(&row);
            } else {
                self.watch(subject);
            }
        }
    }
}
