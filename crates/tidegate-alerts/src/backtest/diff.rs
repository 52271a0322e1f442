//! What another set of rules would have done differently on the same data.

use std::collections::BTreeMap;

use tidegate_model::Span;

use super::episode::Episode;
use super::report::Report;
use crate::words::Severity;

/// An alert that both sets raise, differently.
#[derive(Debug, Clone, PartialEq)]
pub struct Move {
    /// As it is.
    pub before: Episode,
    /// As it would be.
    pub after: Episode,
    /// How much later it is raised; negative is earlier.
    pub start: Span,
    /// How much later it is over; negative is earlier.
    pub end: Span,
    /// The severities, where they differ.
    pub severity: Option<(Severity, Severity)>,
}

/// One difference.
#[derive(Debug, Clone, PartialEq)]
pub enum Difference {
    /// Only the new set raises it.
    Appears(Episode),
    /// Only the old set raises it.
    Vanishes(Episode),
    /// Both do, at another time or as bad as another.
    Changes(Box<Move>),
}

/// What differs between two reports on the same data.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Diff {
    /// Differences in the order of rules and time.
    pub differences: Vec<Difference>,
    /// Alerts that are the same in both.
    pub same: u64,
    /// Rules that only the old set has.
    pub rules_gone: Vec<String>,
    /// Rules that only the new set has.
    pub rules_new: Vec<String>,
    /// Rules of both whose content differs.
    pub rules_changed: Vec<String>,
}

impl Diff {
    /// Whether nothing differs.
    pub fn is_empty(&self) -> bool {
        self.differences.is_empty()
            && self.rules_gone.is_empty()
            && self.rules_new.is_empty()
            && self.rules_changed.is_empty()
    }

    /// How many alerts appear, vanish and change.
    pub fn counts(&self) -> (u64, u64, u64) {
        let count = |is: fn(&Difference) -> bool| {
            let found = self.differences.iter().filter(|one| is(one));
            found.count() as u64
        };
        (
            count(|one| matches!(one, Difference::Appears(_))),
            count(|one| matches!(one, Difference::Vanishes(_))),
            count(|one| matches!(one, Difference::Changes(_))),
        )
    }
}

/// What `after` has other than `before`. Alerts of one rule and subject that overlap are one alert
/// that changed: of several the one that overlaps longest, each at most once.
pub fn diff(before: &Report, after: &Report) -> Diff {
    let mut result = Diff::default();
    for rule in &before.rules {
        match after.rules.iter().find(|other| other.rule == rule.rule) {
            None => result.rules_gone.push(rule.rule.clone()),
            Some(other) if other.rule_hash != rule.rule_hash => {
                result.rules_changed.push(rule.rule.clone());
            }
            Some(_) => {}
        }
    }
    let is_new = |name: &str| before.rules.iter().all(|rule| rule.rule != name);
    let new = after.rules.iter().filter(|rule| is_new(&rule.rule));
    result.rules_new = new.map(|rule| rule.rule.clone()).collect();
    let (before, after) = (by_subject(before), by_subject(after));
    let mut differences: Vec<Difference> = Vec::new();
    let keys: std::collections::BTreeSet<_> = before.keys().chain(after.keys()).collect();
    for key in keys {
        let none = Vec::new();
        let before = before.get(key).unwrap_or(&none);
        let after = after.get(key).unwrap_or(&none);
        pair(before, after, &mut differences, &mut result.same);
    }
    differences.sort_by_cached_key(|difference| {
        let episode = match difference {
            Difference::Appears(episode) | Difference::Vanishes(episode) => episode,
            Difference::Changes(change) => &change.before,
        };
        (
            episode.rule.clone(),
            episode.raised,
            episode.subject.clone(),
        )
    });
    result.differences = differences;
    result
}

type Key<'a> = (&'a str, &'a str, &'a str);

fn by_subject(report: &Report) -> BTreeMap<Key<'_>, Vec<&Episode>> {
    let mut found: BTreeMap<Key<'_>, Vec<&Episode>> = BTreeMap::new();
    for episode in report.episodes() {
        let key = (
            episode.rule.as_str(),
            episode.subject_kind.as_str(),
            episode.subject.as_str(),
        );
        found.entry(key).or_default().push(episode);
    }
    found
}

/// Pairs the alerts of one rule and subject. Alerts of one set do not overlap one another, so both
/// lists are in the order of time at both ends.
fn pair(
    before: &[&Episode],
    after: &[&Episode],
    differences: &mut Vec<Difference>,
    same: &mut u64,
) {
    let mut pairs: Vec<(i64, usize, usize)> = Vec::new();
    let mut first = 0;
    for (old, one) in before.iter().enumerate() {
        while after
            .get(first)
            .is_some_and(|other| other.end() < one.raised)
        {
            first += 1;
        }
        for (new, other) in after.iter().enumerate().skip(first) {
            if other.raised > one.end() {
                break;
            }
            let overlap = one
                .end()
                .min(other.end())
                .since(one.raised.max(other.raised));
            pairs.push((overlap.as_micros(), old, new));
        }
    }
    pairs.sort_by_key(|(overlap, old, new)| (std::cmp::Reverse(*overlap), *old, *new));
    let mut partner: Vec<Option<usize>> = vec![None; before.len()];
    let mut taken = vec![false; after.len()];
    for (_, old, new) in pairs {
        if partner[old].is_none() && !taken[new] {
            partner[old] = Some(new);
            taken[new] = true;
        }
    }
    for (one, partner) in before.iter().zip(partner) {
        let Some(other) = partner.map(|new| after[new]) else {
            differences.push(Difference::Vanishes((*one).clone()));
            continue;
        };
        let change = Move {
            start: other.raised.since(one.raised),
            end: other.end().since(one.end()),
            severity: (one.severity != other.severity).then_some((one.severity, other.severity)),
            before: (*one).clone(),
            after: other.clone(),
        };
        let is_same = change.start == Span::ZERO
            && change.end == Span::ZERO
            && change.severity.is_none()
            && one.resolved.is_none() == other.resolved.is_none();
        if is_same {
            *same += 1;
        } else {
            differences.push(Difference::Changes(Box::new(change)));
        }
    }
    let new = after.iter().zip(taken).filter(|(_, taken)| !taken);
    differences.extend(new.map(|(other, _)| Difference::Appears((*other).clone())));
}
