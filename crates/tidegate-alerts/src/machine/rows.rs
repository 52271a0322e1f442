//! The rows of one window of a layer: found by subject, whatever the order in which they came.

use std::borrow::Cow;
use std::cmp::Ordering;

use tidegate_model::Span;

use crate::measurement::Measurement;
use crate::rule::Rule;

/// The rows of a window in the order of subjects.
#[derive(Debug)]
pub(super) struct Rows<'a> {
    given: &'a [Measurement<'a>],
    /// `None` where the rows came in order.
    order: Option<Vec<usize>>,
    /// No subject has two rows.
    is_distinct: bool,
}

/// How far a walk through [`Rows`] has come, subject by subject in ascending order.
#[derive(Debug, Default)]
pub(super) struct Cursor(usize);

impl<'a> Rows<'a> {
    pub(super) fn new(rows: &'a [Measurement<'a>]) -> Self {
        let mut is_distinct = true;
        let is_sorted = rows.is_sorted_by(|a, b| {
            let order = key(a).cmp(&key(b));
            is_distinct &= order.is_ne();
            order.is_le()
        });
        let order = (!is_sorted).then(|| {
            let mut order: Vec<usize> = (0..rows.len()).collect();
            order.sort_by(|a, b| key(&rows[*a]).cmp(&key(&rows[*b])));
            order
        });
        Self {
            given: rows,
            order,
            is_distinct: is_sorted && is_distinct,
        }
    }

    pub(super) fn len(&self) -> usize {
        self.given.len()
    }

    /// The row at `position` in the order of subjects.
    pub(super) fn at(&self, position: usize) -> &'a Measurement<'a> {
        match &self.order {
            None => &self.given[position],
            Some(order) => &self.given[order[position]],
        }
    }

    /// One row for each subject that has any which `is_meant`, in the order of subjects.
    pub(super) fn subjects(
        &self,
        is_meant: impl Fn(&Measurement<'_>) -> bool,
        rule: &Rule,
    ) -> impl Iterator<Item = &'a Measurement<'a>> {
        let mut position = 0;
        std::iter::from_fn(move || {
            let mut found: Option<&'a Measurement<'a>> = None;
            while position < self.len() {
                let row = self.at(position);
                if found.is_some_and(|best| self.is_distinct || key(best) != key(row)) {
                    break;
                }
                position += 1;
                if !is_meant(row) {
                    continue;
                }
                if found.is_none_or(|best| worst_first(rule, row, best).is_lt()) {
                    found = Some(row);
                }
            }
            found
        })
    }

    /// The row of the subject `wanted` that counts for `rule`. Subjects are asked for in ascending
    /// order with one cursor.
    pub(super) fn find(
        &self,
        rule: &Rule,
        wanted: (&str, &str),
        cursor: &mut Cursor,
    ) -> Option<&'a Measurement<'a>> {
        // Steps that double, then halves: near subjects are near.
        let mut low = cursor.0;
        let mut step = 1;
        while low + step < self.len() && key(self.at(low + step)) < wanted {
            low += step;
            step *= 2;
        }
        let mut high = (low + step).min(self.len());
        while low < high {
            let middle = low + (high - low) / 2;
            if key(self.at(middle)) < wanted {
                low = middle + 1;
            } else {
                high = middle;
            }
        }
        let mut found: Option<&Measurement<'_>> = None;
        while low < self.len() && key(self.at(low)) == wanted {
            let row = self.at(low);
            if rule.matches(row) && found.is_none_or(|best| worst_first(rule, row, best).is_lt()) {
                found = Some(row);
            }
            low += 1;
        }
        cursor.0 = low;
        found
    }
}

/// The rows that call for an alert by `rule`, one a subject, in the order of subjects. A row that
/// calls for none costs a comparison of its value.
pub(super) fn firing<'a>(rule: &Rule, rows: &'a [Measurement<'a>]) -> Vec<&'a Measurement<'a>> {
    let least = rule.lowest().fire_above;
    let mut found: Vec<_> = rows
        .iter()
        .filter(|row| rule.compared(row).is_some_and(|value| value >= least) && rule.matches(row))
        .collect();
    found.sort_by(|a, b| key(a).cmp(&key(b)).then_with(|| worst_first(rule, a, b)));
    found.dedup_by(|later, first| key(later) == key(first));
    found
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
#[expect(clippy::type_complexity, reason = "a key to sort by")]
fn texts<'a>(
    row: &Measurement<'a>,
) -> (
    [&'a str; 4],
    Option<&'a str>,
    Option<Span>,
    &'a [(&'a str, Cow<'a, str>)],
) {
    let texts = [row.unit, row.method, row.name_zh, row.name_en];
    (texts, row.level, row.data_age, row.tags)
}

/// The order of subjects.
pub(super) fn key<'a>(row: &Measurement<'a>) -> (&'a str, &'a str) {
    (row.subject_kind, row.subject)
}
