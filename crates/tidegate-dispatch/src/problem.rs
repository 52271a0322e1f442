//! What is wrong with a configuration, for a person.

use std::collections::BTreeSet;
use std::fmt;

use tidegate_model::Span;

const NAME_CHARS_MAX: usize = 64;

/// One thing that is wrong with `routes.toml` or the tree of grid units.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Problem {
    /// The line in the file, from 1, where it is known.
    pub line: Option<usize>,
    /// The key, as a path from the file: `route[2].group_wait`; empty for the file as a whole.
    pub key: String,
    /// What is wrong, with the value and what to do.
    pub message: String,
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(line) = self.line {
            write!(f, "line {line}: ")?;
        }
        if !self.key.is_empty() {
            write!(f, "{}: ", self.key)?;
        }
        f.write_str(&self.message)
    }
}

/// Problems found so far.
#[derive(Debug, Default)]
pub(crate) struct Problems(Vec<Problem>);

impl Problems {
    pub(crate) fn add(&mut self, key: impl Into<String>, message: impl Into<String>) {
        self.0.push(Problem {
            line: None,
            key: key.into(),
            message: message.into(),
        });
    }

    pub(crate) fn into_list(self) -> Vec<Problem> {
        self.0
    }

    /// `value` unless something is wrong.
    pub(crate) fn ok<T>(self, value: T) -> Result<T, Vec<Problem>> {
        if self.0.is_empty() {
            Ok(value)
        } else {
            Err(self.0)
        }
    }

    pub(crate) fn text(&mut self, key: &str, text: &str) {
        if text.trim().is_empty() {
            self.add(key, "is empty: write one or leave it out");
        }
    }

    pub(crate) fn name(&mut self, key: &str, name: &str) {
        let allowed = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || "-_".contains(c);
        if name.is_empty() || name.len() > NAME_CHARS_MAX || !name.chars().all(allowed) {
            let message = format!(
                "{name:?} is not 1 to {NAME_CHARS_MAX} lower-case letters, digits, - and _"
            );
            self.add(key, message);
        }
    }

    /// Texts without an empty one, and none twice.
    pub(crate) fn texts(&mut self, key: &str, texts: &[String]) -> BTreeSet<String> {
        let mut set = BTreeSet::new();
        for text in texts {
            self.text(key, text);
            if !set.insert(text.clone()) {
                self.add(key, format!("{text:?} is there twice: leave one out"));
            }
        }
        set
    }

    /// A time that may be none.
    pub(crate) fn span(&mut self, key: &str, text: &str) -> Span {
        text.parse()
            .unwrap_or_else(|error: tidegate_model::ParseTimeError| {
                self.add(key, error.to_string());
                Span::ZERO
            })
    }

    /// A time above zero, of at most a year: a longer one is a mistake in the unit.
    pub(crate) fn interval(&mut self, key: &str, text: &str) -> Span {
        let before = self.0.len();
        let span = self.span(key, text);
        if self.0.len() == before && span <= Span::ZERO {
            self.add(
                key,
                format!("{text:?} is no time at all: give one above zero"),
            );
        }
        if span > Span::hours(24 * 366) {
            self.add(
                key,
                format!("{text:?} is more than 366 days: give a shorter one"),
            );
        }
        span
    }

    pub(crate) fn between(&mut self, key: &str, value: u32, max: u32) {
        if value == 0 || value > max {
            self.add(key, format!("{value} is not from 1 to {max}"));
        }
    }
}
