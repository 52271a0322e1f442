//! In which line of `routes.toml` the key of a problem stands.

use toml::Spanned;
use toml::de::{DeTable, DeValue};

use crate::problem::Problem;

/// Names the line of each problem in `text`, and puts them in the order of the lines. What is
/// missing from the text has the line of what it is missing from.
pub(super) fn name_lines(text: &str, problems: &mut [Problem]) {
    let Ok(root) = DeTable::parse(text) else {
        return;
    };
    for problem in problems.iter_mut() {
        let at = find(root.get_ref(), &problem.key);
        problem.line = at.map(|at| line_at(text, at));
    }
    problems.sort_by_key(|problem| problem.line);
}

/// The line, from 1, that holds byte `at`.
pub(super) fn line_at(text: &str, at: usize) -> usize {
    let before = text.as_bytes().iter().take(at);
    before.filter(|byte| **byte == b'\n').count() + 1
}

/// Where `path` begins below `table`, or as much of it as there is; `None` where there is nothing.
fn find(table: &DeTable<'_>, path: &str) -> Option<usize> {
    // A name may have a dot in it, so the longest that fits is meant.
    let fitting = table.iter().filter_map(|(name, value)| {
        let rest = path.strip_prefix(name.get_ref().as_ref())?;
        let ends = rest.is_empty() || rest.starts_with(['.', '[']);
        ends.then_some((name, value, rest))
    });
    let (name, value, rest) = fitting.min_by_key(|(_, _, rest)| rest.len())?;
    match (value.get_ref(), entry(value, rest)) {
        (DeValue::Array(_), Some((entry, rest))) => {
            Some(below(entry, rest).unwrap_or(entry.span().start))
        }
        _ => Some(below(value, rest).unwrap_or(name.span().start)),
    }
}

/// The entry of an array that `[2].channels` begins with, counted from 1, and what follows.
fn entry<'v, 'i, 'p>(
    array: &'v Spanned<DeValue<'i>>,
    path: &'p str,
) -> Option<(&'v Spanned<DeValue<'i>>, &'p str)> {
    let (number, rest) = path.strip_prefix('[')?.split_once(']')?;
    let number: usize = number.parse().ok()?;
    let entry = array.get_ref().as_array()?.get(number.checked_sub(1)?)?;
    Some((entry, rest))
}

/// Where `.channels` begins in a value.
fn below(value: &Spanned<DeValue<'_>>, path: &str) -> Option<usize> {
    find(value.get_ref().as_table()?, path.strip_prefix('.')?)
}
