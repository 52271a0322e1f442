//! Changes of the rules of a pipeline: who, when, why, and what became different, each chained to
//! the one before by its hash, so that one that is altered or left out is found.
//!
//! An entry is an output like any other (topic `tidegate.audit`): exactly one for each change,
//! whatever crashes in between. It holds the whole text of the rules, so that a version can be
//! looked up by the hash in an alert and brought back.

use std::collections::{BTreeMap, BTreeSet};

use sha2::{Digest as _, Sha256};

/// What stands in the place of the hash before the first entry.
const NOTHING: &str = "0000000000000000000000000000000000000000000000000000000000000000";

/// A change that is asked for: another text of `rules.toml`.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RuleChange {
    /// When, by the clock, RFC 3339 in UTC.
    pub at: String,
    /// The whole text.
    pub text: String,
}

/// Who changes the rules and why, as the file itself says.
///
/// ```toml
/// [change]
/// who = "duty officer, old town"
/// reason = "the market was warned too late on 2 March"
/// ```
#[derive(Debug, Clone, PartialEq, Eq, Default, serde::Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ChangeConfig {
    /// A role or a login.
    #[serde(default)]
    pub who: String,
    /// Why the rules are as they are now.
    #[serde(default)]
    pub reason: String,
}

/// One key of one rule that became different.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct KeyChange {
    /// The rule's name, or `time_interval NAME`.
    pub rule: String,
    /// The key; empty where the whole rule came or went.
    pub key: String,
    /// What stood there, as TOML; `None` where nothing did.
    pub before: Option<String>,
    /// What stands there now; `None` where nothing does.
    pub after: Option<String>,
}

/// One change, as it is kept.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct AuditEntry {
    /// The pipeline.
    pub pipeline: String,
    /// The task, each of which has a chain of its own.
    pub task: i32,
    /// 1 for the first entry of the chain, then one more each.
    pub number: u64,
    /// When, by the clock, RFC 3339 in UTC.
    pub at: String,
    /// A role or a login; empty where the file does not say.
    pub who: String,
    /// Why; empty where the file does not say.
    pub reason: String,
    /// What became different.
    pub changes: Vec<KeyChange>,
    /// The whole text of the rules from now on.
    pub text: String,
    /// The hash of the entry before, 64 zeros for the first.
    pub previous: String,
    /// SHA-256 of all of the above, lower-case hexadecimal.
    pub hash: String,
}

/// Where a chain stands.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub(crate) struct AuditHead {
    number: u64,
    hash: String,
}

impl Default for AuditHead {
    fn default() -> Self {
        Self {
            number: 0,
            hash: NOTHING.to_owned(),
        }
    }
}

impl AuditHead {
    /// Number of the last entry, 0 for none.
    pub(crate) fn number(&self) -> u64 {
        self.number
    }

    /// The next entry, for a change from the text `before`; the head moves on to it.
    pub(crate) fn append(
        &mut self,
        (pipeline, task): (&str, i32),
        before: &str,
        change: &RuleChange,
    ) -> AuditEntry {
        let said = said(&change.text);
        let mut entry = AuditEntry {
            pipeline: pipeline.to_owned(),
            task,
            number: self.number + 1,
            at: change.at.clone(),
            who: said.who,
            reason: said.reason,
            changes: rule_changes(before, &change.text),
            text: change.text.clone(),
            previous: std::mem::take(&mut self.hash),
            hash: String::new(),
        };
        entry.hash = entry.computed();
        *self = Self {
            number: entry.number,
            hash: entry.hash.clone(),
        };
        entry
    }
}

impl AuditEntry {
    /// The hash that the entry must have.
    fn computed(&self) -> String {
        let mut hash = Sha256::new();
        let mut part = |text: &str| {
            hash.update((text.len() as u64).to_le_bytes());
            hash.update(text.as_bytes());
        };
        let numbers = [self.task.to_string(), self.number.to_string()];
        let texts = [
            &self.pipeline,
            &numbers[0],
            &numbers[1],
            &self.at,
            &self.who,
            &self.reason,
            &self.text,
            &self.previous,
        ];
        for text in texts {
            part(text);
        }
        for change in &self.changes {
            let marked = |value: &Option<String>| match value {
                Some(value) => format!("+{value}"),
                None => "-".to_owned(),
            };
            part(&change.rule);
            part(&change.key);
            part(&marked(&change.before));
            part(&marked(&change.after));
        }
        tidegate_model::hex(&hash.finalize())
    }
}

/// Where a chain is broken.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ChainError {
    /// An entry is not what was written.
    #[error("entry {number} of task {task} was altered: its hash is {found}, it says {stored}")]
    Altered {
        /// The task.
        task: i32,
        /// The entry.
        number: u64,
        /// Computed from what it holds.
        found: String,
        /// What stands in it.
        stored: String,
    },
    /// An entry is missing, doubled or out of place.
    #[error("entry {number} of task {task} does not follow entry {before}")]
    Broken {
        /// The task.
        task: i32,
        /// The entry.
        number: u64,
        /// The number of the one before, 0 at the beginning.
        before: u64,
    },
}

/// Checks chains from their beginning; entries of several tasks may be mixed, each in its order.
///
/// # Errors
/// The first entry that is altered or does not follow the one before.
pub fn verify_audit(entries: &[AuditEntry]) -> Result<(), ChainError> {
    let mut heads: BTreeMap<(&str, i32), AuditHead> = BTreeMap::new();
    for entry in entries {
        let head = heads.entry((&entry.pipeline, entry.task)).or_default();
        let found = entry.computed();
        if found != entry.hash {
            return Err(ChainError::Altered {
                task: entry.task,
                number: entry.number,
                found,
                stored: entry.hash.clone(),
            });
        }
        if entry.number != head.number + 1 || entry.previous != head.hash {
            return Err(ChainError::Broken {
                task: entry.task,
                number: entry.number,
                before: head.number,
            });
        }
        *head = AuditHead {
            number: entry.number,
            hash: entry.hash.clone(),
        };
    }
    Ok(())
}

/// What the text itself says of the change.
fn said(text: &str) -> ChangeConfig {
    #[derive(serde::Deserialize)]
    struct Said {
        #[serde(default)]
        change: ChangeConfig,
    }
    toml::from_str::<Said>(text).map_or_else(|_| ChangeConfig::default(), |said| said.change)
}

/// Every key of every rule that differs between two texts of `rules.toml`, by rule and key. The
/// order of rules and the way a value is written make no difference.
pub fn rule_changes(before: &str, after: &str) -> Vec<KeyChange> {
    let (before, after) = (tables(before), tables(after));
    let names: BTreeSet<&String> = before.keys().chain(after.keys()).collect();
    let mut changes = Vec::new();
    for name in names {
        match (before.get(name), after.get(name)) {
            (Some(old), Some(new)) => {
                let keys: BTreeSet<&String> = old.keys().chain(new.keys()).collect();
                for key in keys
                    .into_iter()
                    .filter(|key| old.get(*key) != new.get(*key))
                {
                    changes.push(KeyChange {
                        rule: name.clone(),
                        key: key.clone(),
                        before: old.get(key).map(ToString::to_string),
                        after: new.get(key).map(ToString::to_string),
                    });
                }
            }
            (old, new) => changes.push(KeyChange {
                rule: name.clone(),
                key: String::new(),
                before: old.map(ToString::to_string),
                after: new.map(ToString::to_string),
            }),
        }
    }
    changes
}

/// The tables of rules and intervals by name.
fn tables(text: &str) -> BTreeMap<String, toml::Table> {
    let mut tables = BTreeMap::new();
    let Ok(file) = toml::from_str::<toml::Table>(text) else {
        return tables;
    };
    for (header, prefix) in [("rule", ""), ("time_interval", "time_interval ")] {
        let list = file.get(header).and_then(toml::Value::as_array);
        for table in list.into_iter().flatten().filter_map(toml::Value::as_table) {
            let name = table.get("name").and_then(toml::Value::as_str);
            tables.insert(
                format!("{prefix}{}", name.unwrap_or_default()),
                table.clone(),
            );
        }
    }
    tables
}

#[cfg(test)]
mod tests {
    //! Tries to change a past change, to leave one out, and to have a difference told that is none.

    use super::*;

    fn text(fire: &str, who: &str) -> String {
        format!(
            "[change]\nwho = \"{who}\"\nreason = \"r\"\n[[rule]]\nname = \"a\"\nfire_above = {fire}\n"
        )
    }

    fn chain() -> Vec<AuditEntry> {
        let mut head = AuditHead::default();
        let texts = [
            String::new(),
            text("4.0", "x"),
            text("5.0", "y"),
            String::new(),
        ];
        let pairs = texts.windows(2).enumerate();
        pairs
            .map(|(n, pair)| {
                let change = RuleChange {
                    at: format!("2026-03-02T00:00:0{n}Z"),
                    text: pair[1].clone(),
                };
                head.append(("city", 0), &pair[0], &change)
            })
            .collect()
    }

    #[test]
    fn every_change_says_what_became_different() {
        let chain = chain();
        assert_eq!(verify_audit(&chain), Ok(()));
        assert_eq!(
            (&*chain[0].changes[0].rule, &*chain[0].changes[0].key),
            ("a", "")
        );
        assert_eq!(chain[0].changes[0].before, None);
        let [change] = &chain[1].changes[..] else {
            panic!("{:?}", chain[1].changes);
        };
        assert_eq!(change.key, "fire_above");
        assert_eq!(change.before.as_deref(), Some("4.0"));
        assert_eq!(change.after.as_deref(), Some("5.0"));
        assert_eq!((&*chain[1].who, &*chain[1].reason), ("y", "r"));
        assert_eq!(chain[2].changes[0].after, None);
        // Another order, other spaces and a comment are no change.
        let same = "# a comment\n[[rule]]\nfire_above   =  4.0\nname = 'a'\n";
        assert_eq!(rule_changes(&text("4.0", "x"), same), []);
    }

    #[test]
    fn what_was_altered_or_left_out_is_found() {
        let good = chain();
        for n in 0..good.len() {
            let mut altered = good.clone();
            altered[n].who = "somebody".to_owned();
            let found = verify_audit(&altered);
            let number = good[n].number;
            assert!(
                matches!(found, Err(ChainError::Altered { number: at, .. }) if at == number),
                "{found:?}"
            );
            // With its hash made anew the next one does not follow.
            altered[n].hash = altered[n].computed();
            assert_eq!(verify_audit(&altered).is_ok(), n + 1 == good.len());
            let mut missing = good.clone();
            missing.remove(n);
            assert_eq!(verify_audit(&missing).is_ok(), n + 1 == good.len());
        }
        let mut doubled = good.clone();
        doubled.insert(1, good[1].clone());
        assert!(matches!(
            verify_audit(&doubled),
            Err(ChainError::Broken { number: 2, .. })
        ));
    }
}
