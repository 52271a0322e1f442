//! Last revisions in place of first rows.

use std::collections::BTreeMap;

use tidegate_alerts::backtest::{Columns, Subjects};

use super::data::Take;

/// One row: start of its window, subject, value, lower bound, coverage.
type Row = (i64, u32, f64, f64, f64);

/// The last revision of each window that has one after the first. They are held in memory.
#[derive(Debug, Default)]
pub(super) struct Revised {
    /// By window end: the revision and its rows.
    windows: BTreeMap<i64, (i32, Vec<Row>)>,
}

impl Revised {
    /// Keeps rows of later revisions.
    pub(super) fn keep(&mut self, rows: &Columns<'_>, revisions: &[i32]) {
        for (row, revision) in revisions.iter().enumerate() {
            let number = |column: Option<&[f64]>| column.map_or(f64::NAN, |column| column[row]);
            let end = rows.window_end[row];
            let window = self.windows.entry(end).or_insert((*revision, Vec::new()));
            if window.0 < *revision {
                *window = (*revision, Vec::new());
            }
            if window.0 == *revision {
                window.1.push((
                    rows.window_start[row],
                    rows.subject[row],
                    rows.value[row],
                    number(rows.lo),
                    number(rows.coverage),
                ));
            }
        }
    }

    /// Passes first rows on, and in place of windows that were revised their last rows.
    pub(super) fn merge(&mut self, subjects: &Subjects, rows: &Columns<'_>, take: &mut Take<'_>) {
        let len = rows.window_end.len();
        let mut first = 0;
        while first < len {
            let end = rows.window_end[first];
            let rest = rows.window_end[first..].iter();
            let next = first + rest.take_while(|other| **other == end).count();
            while let Some(window) = self.windows.first_entry()
                && *window.key() < end
            {
                let (end, (_, revised)) = window.remove_entry();
                show(subjects, end, &revised, take);
            }
            match self.windows.get_mut(&end) {
                // Its first rows may go on in the next batch: it is shown when they are over.
                Some(_) => {}
                None => take(
                    subjects,
                    &Columns {
                        window_start: &rows.window_start[first..next],
                        window_end: &rows.window_end[first..next],
                        subject: &rows.subject[first..next],
                        value: &rows.value[first..next],
                        lo: rows.lo.map(|lo| &lo[first..next]),
                        coverage: rows.coverage.map(|all| &all[first..next]),
                    },
                ),
            }
            first = next;
        }
    }

    /// Passes on what is left.
    pub(super) fn rest(&mut self, subjects: &Subjects, take: &mut Take<'_>) {
        for (end, (_, revised)) in std::mem::take(&mut self.windows) {
            show(subjects, end, &revised, take);
        }
    }
}

fn show(subjects: &Subjects, end: i64, rows: &[Row], take: &mut Take<'_>) {
    let column = |pick: fn(&Row) -> f64| rows.iter().map(pick).collect::<Vec<f64>>();
    let (lo, coverage) = (column(|row| row.3), column(|row| row.4));
    take(
        subjects,
        &Columns {
            window_start: &rows.iter().map(|row| row.0).collect::<Vec<_>>(),
            window_end: &vec![end; rows.len()],
            subject: &rows.iter().map(|row| row.1).collect::<Vec<_>>(),
            value: &column(|row| row.2),
            lo: Some(&lo),
            coverage: Some(&coverage),
        },
    );
}
