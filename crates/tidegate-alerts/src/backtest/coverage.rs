//! How much of the expected data was there.

use tidegate_model::{EventTime, Span};

use super::{LayerSettings, Subjects};

/// How many gaps of a layer are listed; all are counted.
pub const GAPS_MAX: usize = 100;

/// How many subjects with the fewest values are listed.
const POOREST_MAX: usize = 5;

/// Windows of a layer in a row without any row.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Gap {
    /// End of the last window before it.
    pub from: EventTime,
    /// End of the first window after it.
    pub to: EventTime,
    /// How many windows are missing.
    pub windows: u64,
}

/// How many values a subject has.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SubjectCoverage {
    /// Its kind.
    pub subject_kind: String,
    /// Its id.
    pub subject: String,
    /// Windows in which it has a value.
    pub values: u64,
}

/// What there was of one layer.
#[derive(Debug, Clone, PartialEq)]
pub struct LayerCoverage {
    /// The layer.
    pub layer: String,
    /// Start of its first window with rows.
    pub from: Option<EventTime>,
    /// End of its last window with rows.
    pub to: Option<EventTime>,
    /// From the end of a window to the end of the next.
    pub step: Span,
    /// Windows with rows.
    pub windows: u64,
    /// Windows from the first to the last.
    pub windows_expected: u64,
    /// Gaps longest first, at most [`GAPS_MAX`].
    pub gaps: Vec<Gap>,
    /// All gaps.
    pub n_gaps: u64,
    /// Rows.
    pub rows: u64,
    /// Rows with a finite value.
    pub values: u64,
    /// Subjects with at least one row.
    pub subjects: u64,
    /// Subjects that at least one rule is about.
    pub subjects_of_rules: u64,
    /// Mean of the rows' coverage, over those that have one.
    pub mean_coverage: Option<f64>,
    /// The subjects with the fewest values, fewest first.
    pub poorest: Vec<SubjectCoverage>,
}

impl LayerCoverage {
    /// Windows with rows over those expected, 0 to 1.
    pub fn window_share(&self) -> f64 {
        share(self.windows, self.windows_expected)
    }

    /// Rows with a value over rows, 0 to 1.
    pub fn value_share(&self) -> f64 {
        share(self.values, self.rows)
    }

    /// Rows over what there would be if every subject had one in every window with rows, 0 to 1
    /// unless a subject has several rows in a window.
    pub fn subject_share(&self) -> f64 {
        share(self.rows, self.subjects * self.windows)
    }
}

#[expect(clippy::cast_precision_loss, reason = "counts of rows, far below 2⁵³")]
pub(super) fn share(part: u64, whole: u64) -> f64 {
    if whole == 0 {
        return 0.0;
    }
    part as f64 / whole as f64
}

/// Counts as windows pass.
#[derive(Debug, Default)]
pub(super) struct Tally {
    pub(super) rows: u64,
    pub(super) values: u64,
    pub(super) coverage_sum: f64,
    pub(super) coverage_rows: u64,
    first: Option<EventTime>,
    last: Option<EventTime>,
    windows: u64,
    gaps: Vec<Gap>,
    n_gaps: u64,
    missing: u64,
}

impl Tally {
    /// Notes a window with rows.
    pub(super) fn window(&mut self, start: EventTime, end: EventTime, step: Span) {
        self.first.get_or_insert(start);
        if let Some(last) = self.last {
            self.gap(last, end, step);
        }
        self.last = Some(end);
        self.windows += 1;
    }

    /// Notes that nothing was there between windows that end at `from` and `to`, if anything should
    /// have been.
    fn gap(&mut self, from: EventTime, to: EventTime, step: Span) {
        let missing = to.since(from).as_micros() / step.as_micros() - 1;
        let Some(windows) = u64::try_from(missing).ok().filter(|windows| *windows > 0) else {
            return;
        };
        self.n_gaps += 1;
        self.missing += windows;
        self.gaps.push(Gap { from, to, windows });
        if self.gaps.len() > 2 * GAPS_MAX {
            self.cut();
        }
    }

    /// Keeps the longest gaps.
    fn cut(&mut self) {
        self.gaps
            .sort_by(|a, b| b.windows.cmp(&a.windows).then(a.from.cmp(&b.from)));
        self.gaps.truncate(GAPS_MAX);
    }

    pub(super) fn last(&self) -> Option<EventTime> {
        self.last
    }

    /// The end. `values` are those of each subject, by number, and whether a rule is about it.
    pub(super) fn finish(
        mut self,
        settings: &LayerSettings,
        subjects: &Subjects,
        values: &[(u64, bool)],
    ) -> LayerCoverage {
        let LayerSettings {
            layer,
            step,
            from,
            to,
            ..
        } = settings;
        let step = *step;
        if let (Some(from), Some(first)) = (*from, self.first) {
            // The first window asked for begins at `from`.
            self.gap(from, first.plus(step), step);
        }
        if let (Some(to), Some(last)) = (*to, self.last) {
            self.gap(last, to.plus(step), step);
        }
        self.cut();
        let missing = self.missing;
        let expected = self.windows + missing;
        let mut poorest: Vec<_> = values.iter().enumerate().collect();
        poorest.sort_by_key(|(number, (values, _))| (*values, *number));
        let poorest = poorest.into_iter().take(POOREST_MAX);
        let poorest = poorest.map(|(number, (values, _))| {
            let subject = &subjects.list()[number];
            SubjectCoverage {
                subject_kind: subject.kind.clone(),
                subject: subject.id.clone(),
                values: *values,
            }
        });
        #[expect(
            clippy::cast_precision_loss,
            reason = "a number of rows, far below 2⁵³"
        )]
        let mean = (self.coverage_rows > 0).then(|| self.coverage_sum / self.coverage_rows as f64);
        LayerCoverage {
            layer: layer.clone(),
            from: self.first,
            to: self.last,
            step,
            windows: self.windows,
            windows_expected: expected,
            gaps: self.gaps,
            n_gaps: self.n_gaps,
            rows: self.rows,
            values: self.values,
            subjects: values.len() as u64,
            subjects_of_rules: values.iter().filter(|(_, meant)| *meant).count() as u64,
            mean_coverage: mean,
            poorest: poorest.collect(),
        }
    }
}
