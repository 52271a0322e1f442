//! Subjects at rest, and which of them fall silent.
//!
//! A rule with `on_no_data = "alert"` knows every subject that had data, and since when it has none.
//! A subject is *at rest* while the machine remembers nothing else of it and it has data in every
//! window. The machine need not know it then: in the first window without data, or with any row that
//! is shown, it is told of it, as it was seen last, and from there all its rows are shown.

use crate::rule::Rule;
use crate::words::{Compare, OnNoData};

/// What a row must have to be data for every rule of its subject that tells of missing data.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default)]
pub(super) enum Needed {
    /// There is no such rule.
    #[default]
    Nothing,
    Value,
    ValueAndLo,
}

impl Needed {
    /// What `rule` needs.
    pub(super) fn by(rule: &Rule) -> Self {
        match (rule.on_no_data(), rule.compare()) {
            (OnNoData::Keep | OnNoData::Resolve, _) => Self::Nothing,
            (OnNoData::Alert, Compare::Value) => Self::Value,
            (OnNoData::Alert, Compare::Lo) => Self::ValueAndLo,
        }
    }
}

/// Who had data when, of the subjects of rules that tell of missing data.
#[derive(Debug)]
pub(super) struct Silence {
    /// The number of the window whose rows are coming, from 1.
    window: u32,
    /// By subject: the last window in which it had data for all those rules; 0 is none.
    heard: Vec<u32>,
    /// The subjects of those rules.
    told_of: Vec<u32>,
    /// How many subjects the machine could come to remember, each once a rule and reason.
    wanted: usize,
    /// How many it may remember.
    room: usize,
}

impl Silence {
    pub(super) fn new(room: usize) -> Self {
        Self {
            window: 1,
            heard: Vec::new(),
            told_of: Vec::new(),
            wanted: 0,
            room,
        }
    }

    /// Notes the next subject by number, about which are `n_rules` rules, `n_telling` of them such
    /// as tell of missing data.
    pub(super) fn meet(&mut self, subject: u32, n_rules: usize, n_telling: usize) {
        self.heard.push(0);
        self.wanted += n_rules + n_telling;
        if n_telling > 0 {
            self.told_of.push(subject);
        }
    }

    /// Whether no rule tells of missing data of any subject.
    pub(super) fn tells_of_nobody(&self) -> bool {
        self.told_of.is_empty()
    }

    /// Notes that `subject` has data in the window whose rows are coming.
    pub(super) fn hear(&mut self, subject: u32) {
        self.heard[subject as usize] = self.window;
    }

    /// Whether `subject` has data in the window whose rows came.
    pub(super) fn is_heard(&self, subject: u32) -> bool {
        self.heard[subject as usize] == self.window
    }

    /// Whether `subject` may rest after the window whose rows came, if nothing else is remembered of
    /// it. Where the machine could run out of room it must know everybody, so that it forgets whom
    /// it would forget.
    pub(super) fn may_rest(&self, subject: u32) -> bool {
        self.wanted <= self.room && self.is_heard(subject)
    }

    /// The subjects that may not rest, beside those that never had to.
    pub(super) fn restless(&self) -> impl Iterator<Item = u32> {
        let told_of = self.told_of.iter().copied();
        told_of.filter(|subject| !self.may_rest(*subject))
    }

    /// Notes that the next window's rows are coming.
    pub(super) fn next_window(&mut self) {
        self.window += 1;
    }
}
