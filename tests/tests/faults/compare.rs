//! What came out against what had to come out: lost, doubled and wrong records.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use serde_json::Value;

/// Differences that are shown.
const EXAMPLES_MAX: usize = 10;

/// Output records: by what they are about, every text that was said about it, in order.
///
/// The texts are JSON with sorted keys and without `revision` and `is_final`, so that equal records
/// are equal bytes.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(crate) struct Records(BTreeMap<String, Vec<String>>);

impl Records {
    /// Adds a record about `key`.
    pub(crate) fn add(&mut self, key: String, text: String) {
        let texts = self.0.entry(key).or_default();
        let at = texts.partition_point(|known| *known <= text);
        texts.insert(at, text);
    }

    /// What was said about `key`.
    pub(crate) fn texts(&self, key: &str) -> &[String] {
        self.0.get(key).map_or(&[], Vec::as_slice)
    }

    /// How many records.
    pub(crate) fn len(&self) -> usize {
        self.0.values().map(Vec::len).sum()
    }

    /// Whether there are as many records about everything as in `expected`, or more: nothing is
    /// left to wait for.
    pub(crate) fn covers(&self, expected: &Self) -> bool {
        Difference::new(expected, self).lost == 0
    }
}

/// A final record of revision 0 as comparable text; `None` for a provisional or later one.
pub(crate) fn canonical(mut record: Value) -> Option<String> {
    let fields = record.as_object_mut().unwrap();
    let provisional = fields.remove("is_final") == Some(Value::Bool(false));
    let revised = fields
        .remove("revision")
        .is_some_and(|revision| revision != 0);
    (!provisional && !revised).then(|| sorted(&record).to_string())
}

/// The same value, whatever order of keys the parser keeps.
fn sorted(value: &Value) -> Value {
    match value {
        Value::Object(fields) => {
            let fields: BTreeMap<_, _> = fields.iter().collect();
            let fields = fields.into_iter();
            Value::Object(fields.map(|(k, v)| (k.clone(), sorted(v))).collect())
        }
        Value::Array(items) => Value::Array(items.iter().map(sorted).collect()),
        other => other.clone(),
    }
}

/// How an output differs from the expected one.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(crate) struct Difference {
    /// Expected records that are not there, and nothing else about the same in their place.
    pub(crate) lost: u64,
    /// Records beyond the expected ones about the same.
    pub(crate) doubled: u64,
    /// Records that say something else than the expected ones, or about what was not expected.
    pub(crate) wrong: u64,
    examples: Vec<String>,
}

impl Difference {
    /// Compares `found` with `expected`.
    pub(crate) fn new(expected: &Records, found: &Records) -> Self {
        let mut difference = Self::default();
        let keys: BTreeSet<_> = expected.0.keys().chain(found.0.keys()).collect();
        for key in keys {
            let texts = |records: &Records| records.0.get(key).cloned().unwrap_or_default();
            difference.add(key, &texts(expected), &texts(found));
        }
        difference
    }

    fn add(&mut self, key: &str, expected: &[String], found: &[String]) {
        let mut rest = expected.to_vec();
        for text in found {
            if let Some(at) = rest.iter().position(|wanted| wanted == text) {
                rest.swap_remove(at);
            }
        }
        let count = |records: &[String]| u64::try_from(records.len()).unwrap();
        let (wanted, got) = (count(expected), count(found));
        let equal = wanted - count(&rest);
        let (lost, doubled, wrong) = if wanted == 0 {
            (0, 0, got)
        } else {
            (
                wanted.saturating_sub(got),
                got.saturating_sub(wanted),
                wanted.min(got) - equal,
            )
        };
        self.lost += lost;
        self.doubled += doubled;
        self.wrong += wrong;
        if lost + doubled + wrong > 0 && self.examples.len() < EXAMPLES_MAX {
            self.examples.push(format!(
                "{key}\n  expected {expected:?}\n  found    {found:?}"
            ));
        }
    }

    /// Whether there is none.
    pub(crate) fn is_none(&self) -> bool {
        self.lost + self.doubled + self.wrong == 0
    }
}

impl fmt::Display for Difference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (lost, doubled, wrong) = (self.lost, self.doubled, self.wrong);
        writeln!(f, "{lost} lost, {doubled} doubled, {wrong} wrong")?;
        self.examples
            .iter()
            .try_for_each(|line| writeln!(f, "{line}"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Records as words `key=text`.
    fn records(words: &str) -> Records {
        let mut records = Records::default();
        for word in words.split_whitespace() {
            let (key, text) = word.split_once('=').unwrap();
            records.add(key.to_owned(), text.to_owned());
        }
        records
    }

    #[test]
    fn lost_doubled_and_wrong_are_told_apart() {
        for (expected, found, counts) in [
            ("a=1 b=2", "b=2 a=1", (0, 0, 0)),
            ("a=1 a=1 a=2", "a=2 a=1 a=1", (0, 0, 0)),
            ("a=1 b=2", "a=1", (1, 0, 0)),
            ("a=1", "a=1 a=1 a=1", (0, 2, 0)),
            ("a=1", "a=1 a=2", (0, 1, 0)),
            ("a=1", "a=2", (0, 0, 1)),
            ("a=1", "a=2 a=3", (0, 1, 1)),
            ("a=1 a=2", "a=3", (1, 0, 1)),
            ("", "c=1 c=1", (0, 0, 2)),
            ("a=1", "", (1, 0, 0)),
        ] {
            let (expected, found) = (records(expected), records(found));
            let difference = Difference::new(&expected, &found);
            let got = (difference.lost, difference.doubled, difference.wrong);
            assert_eq!(got, counts, "{difference}");
            assert_eq!(difference.is_none(), counts == (0, 0, 0));
            assert_eq!(found.covers(&expected), counts.0 == 0);
        }
    }

    #[test]
    fn equal_records_are_equal_bytes_and_only_final_first_ones_count() {
        for (record, text) in [
            (
                r#"{"b":1,"a":{"d":1.5,"c":null}}"#,
                Some(r#"{"a":{"c":null,"d":1.5},"b":1}"#),
            ),
            (
                r#"{"a":1,"revision":0,"is_final":true}"#,
                Some(r#"{"a":1}"#),
            ),
            (r#"{"a":1,"revision":1,"is_final":true}"#, None),
            (r#"{"a":1,"revision":0,"is_final":false}"#, None),
        ] {
            let record = serde_json::from_str(record).unwrap();
            assert_eq!(canonical(record).as_deref(), text);
        }
    }
}
