//! Rows that are held in memory, to be shown again and again.

use tidegate_model::EventTime;

use super::Subjects;
use super::layer::Columns;
use super::run::LayerRun;
use crate::words::Compare;

/// The rows of a rule's layer: 12 bytes each, and 8 more for each of coverage and lower bound unless
/// it is the same in all rows.
#[derive(Debug, Default)]
pub struct Kept {
    windows: Vec<Window>,
    subject: Vec<u32>,
    value: Vec<f64>,
    lo: Numbers,
    coverage: Numbers,
}

/// Start and end of a window in microseconds, and how many rows it has.
#[derive(Debug, Clone, Copy)]
struct Window {
    start: i64,
    end: i64,
    rows: usize,
}

/// A column of numbers that takes room only where they differ.
#[derive(Debug)]
enum Numbers {
    /// All are this.
    Same(f64),
    Each(Vec<f64>),
}

/// What a rule compares in rows that were kept.
#[derive(Debug)]
pub(super) struct Observed {
    /// Every number of its subjects, ascending, each once.
    pub(super) numbers: Vec<f64>,
    /// The highest of each window, minus infinity where there is none.
    highest: Vec<f64>,
}

impl Default for Numbers {
    fn default() -> Self {
        Self::Same(f64::NAN)
    }
}

impl Numbers {
    /// Appends `more`, `len` numbers or none at all, behind `before` numbers.
    fn take(&mut self, more: Option<&[f64]>, before: usize, len: usize) {
        if before == 0 {
            *self = Self::Same(more.and_then(|more| more.first()).map_or(f64::NAN, |n| *n));
        }
        if let Self::Same(same) = *self {
            let is_same = |number: &f64| number.to_bits() == same.to_bits();
            if more.map_or(same.is_nan(), |more| more.iter().all(is_same)) {
                return;
            }
            *self = Self::Each(vec![same; before]);
        }
        if let Self::Each(numbers) = self {
            match more {
                Some(more) => numbers.extend_from_slice(more),
                None => numbers.resize(before + len, f64::NAN),
            }
        }
    }

    fn at(&self, row: usize) -> f64 {
        match self {
            Self::Same(same) => *same,
            Self::Each(numbers) => numbers[row],
        }
    }

    /// A part of the column, written into `room` where it is not there as such; `None` where no row
    /// has a number.
    fn part<'a>(
        &'a self,
        rows: std::ops::Range<usize>,
        room: &'a mut Vec<f64>,
    ) -> Option<&'a [f64]> {
        match self {
            Self::Same(same) if same.is_nan() => None,
            Self::Same(same) => {
                room.clear();
                room.resize(rows.len(), *same);
                Some(room)
            }
            Self::Each(numbers) => Some(&numbers[rows]),
        }
    }
}

impl Kept {
    /// Keeps rows. Those of one call to the next are in the order of windows.
    pub fn take(&mut self, rows: &Columns<'_>) {
        let before = self.value.len();
        for (start, end) in rows.window_start.iter().zip(rows.window_end) {
            match self.windows.last_mut() {
                Some(window) if window.end == *end => window.rows += 1,
                _ => self.windows.push(Window {
                    start: *start,
                    end: *end,
                    rows: 1,
                }),
            }
        }
        self.subject.extend_from_slice(rows.subject);
        self.value.extend_from_slice(rows.value);
        self.lo.take(rows.lo, before, rows.value.len());
        self.coverage.take(rows.coverage, before, rows.value.len());
    }

    /// How many rows it keeps.
    pub fn len(&self) -> usize {
        self.value.len()
    }

    /// Whether it keeps none.
    pub fn is_empty(&self) -> bool {
        self.value.is_empty()
    }

    /// What is compared in rows whose subject `is_meant`.
    pub(super) fn observed(&self, compare: Compare, is_meant: &[bool]) -> Observed {
        let mut distinct = Distinct::default();
        let mut first = 0;
        let highest = self.windows.iter().map(|window| {
            let rows = first..first + window.rows;
            first = rows.end;
            let mut highest = f64::NEG_INFINITY;
            for row in rows {
                let value = self.value[row];
                let number = match compare {
                    Compare::Value => value,
                    Compare::Lo => self.lo.at(row),
                };
                let counts = number.is_finite() && value.is_finite();
                if counts && is_meant[self.subject[row] as usize] {
                    highest = highest.max(number);
                    distinct.insert(number);
                }
            }
            highest
        });
        let highest = highest.collect();
        Observed {
            numbers: distinct.into_sorted(),
            highest,
        }
    }

    /// Shows everything that could matter to `run`, whose rule compares what was `observed`.
    pub(super) fn show(&self, observed: &Observed, run: &mut LayerRun, subjects: &Subjects) {
        let (mut starts, mut ends) = (Vec::new(), Vec::new());
        let (mut lo, mut coverage) = (Vec::new(), Vec::new());
        let mut first = 0;
        for (window, highest) in self.windows.iter().zip(&observed.highest) {
            let rows = first..first + window.rows;
            first = rows.end;
            let time = EventTime::from_micros;
            if run.pass(subjects, (time(window.start), time(window.end)), *highest) {
                continue;
            }
            starts.clear();
            ends.clear();
            starts.resize(window.rows, window.start);
            ends.resize(window.rows, window.end);
            run.take(
                subjects,
                &Columns {
                    window_start: &starts,
                    window_end: &ends,
                    subject: &self.subject[rows.clone()],
                    value: &self.value[rows.clone()],
                    lo: self.lo.part(rows.clone(), &mut lo),
                    coverage: self.coverage.part(rows, &mut coverage),
                },
            );
        }
    }

    pub(super) fn weeks(&self) -> f64 {
        match (self.windows.first(), self.windows.last()) {
            (Some(first), Some(last)) => {
                #[expect(clippy::cast_precision_loss, reason = "a length in microseconds")]
                let micros = (last.end - first.start) as f64;
                micros / (7.0 * 86_400.0 * 1e6)
            }
            _ => 0.0,
        }
    }
}

/// How many numbers come before what is there is sorted: few enough for the memory that they take.
const UNSORTED_MAX: usize = 1 << 23;

/// Different numbers.
#[derive(Debug, Default)]
struct Distinct {
    /// First those that were sorted, each once, then what came since.
    numbers: Vec<f64>,
    sorted: usize,
}

impl Distinct {
    fn insert(&mut self, number: f64) {
        self.numbers.push(number);
        if self.numbers.len() - self.sorted >= self.sorted.max(UNSORTED_MAX) {
            self.sort();
        }
    }

    fn sort(&mut self) {
        self.numbers.sort_unstable_by(f64::total_cmp);
        self.numbers.dedup();
        self.sorted = self.numbers.len();
    }

    fn into_sorted(mut self) -> Vec<f64> {
        self.sort();
        self.numbers
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Takes columns of two rows each, and compares every row and every part with them.
    #[track_caller]
    fn check(columns: &[Option<[f64; 2]>]) {
        let mut numbers = Numbers::default();
        let mut expected: Vec<f64> = Vec::new();
        for column in columns {
            let more = column.as_ref().map(<[f64; 2]>::as_slice);
            numbers.take(more, expected.len(), 2);
            expected.extend(column.unwrap_or([f64::NAN; 2]));
        }
        let bits = |numbers: &[f64]| numbers.iter().map(|n| n.to_bits()).collect::<Vec<_>>();
        let each: Vec<f64> = (0..expected.len()).map(|row| numbers.at(row)).collect();
        assert_eq!(bits(&each), bits(&expected));
        let mut room = vec![3.0];
        let part = numbers.part(1..expected.len(), &mut room);
        let part = part.map_or(vec![f64::NAN.to_bits(); expected.len() - 1], bits);
        assert_eq!(part, bits(&expected[1..]));
    }

    #[test]
    fn a_column_is_what_it_was_made_of() {
        check(&[None, None]);
        check(&[Some([1.0; 2]), Some([1.0; 2])]);
        check(&[Some([1.0; 2]), None, Some([1.0; 2])]);
        check(&[Some([1.0; 2]), Some([1.0, 0.5]), None]);
        check(&[None, Some([f64::NAN, 0.5]), Some([0.0, -0.0])]);
        check(&[Some([0.0, -0.0])]);
    }
}
