//! Rules about which files exist and what they are called.

use std::collections::{BTreeMap, BTreeSet};

use super::{Fault, Files};
use crate::layering::{REQUIRED, TOP_LEVEL};

/// The top folder holds what the design lists and nothing else.
pub(super) fn top_level(files: &Files) -> Vec<Fault> {
    let entries: BTreeSet<_> = files
        .keys()
        .map(|path| path.split('/').next().unwrap_or(path))
        .collect();
    let strangers = entries.iter().filter(|entry| !TOP_LEVEL.contains(entry));
    strangers
        .map(|entry| {
            let message = "it does not belong at the top; see TOP_LEVEL in xtask/src/layering.rs";
            Fault::new(entry, 0, message)
        })
        .collect()
}

/// What a reader or a tool looks for first is there.
pub(super) fn required(files: &Files) -> Vec<Fault> {
    REQUIRED
        .iter()
        .filter(|path| !files.contains_key(**path))
        .map(|path| Fault::new(path, 0, "it is missing"))
        .collect()
}

/// Decisions are `docs/adr/NNNN-title.md`, each number once.
pub(super) fn decisions(files: &Files) -> Vec<Fault> {
    let mut faults = Vec::new();
    let mut numbers = BTreeMap::new();
    for path in files.keys() {
        let Some(name) = path.strip_prefix("docs/adr/") else {
            continue;
        };
        let Some(number) = decision_number(name) else {
            let message = "a decision is called NNNN-title.md, in lower case with hyphens";
            faults.push(Fault::new(path, 0, message));
            continue;
        };
        if let Some(other) = numbers.insert(number, path) {
            let message = format!("its number is already taken by {other}");
            faults.push(Fault::new(path, 0, message));
        }
    }
    faults
}

fn decision_number(name: &str) -> Option<&str> {
    let (number, title) = name.strip_suffix(".md")?.split_once('-')?;
    let digits = number.len() == 4 && number.bytes().all(|byte| byte.is_ascii_digit());
    let plain = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-';
    (digits && !title.is_empty() && title.bytes().all(plain)).then_some(number)
}

#[cfg(test)]
mod tests {
    use super::super::{files_of, shown};
    use super::*;

    #[test]
    fn strangers_at_the_top_are_named_once() {
        let files = files_of(&[
            ("README.md", ""),
            ("crates/tidegate/Cargo.toml", ""),
            ("scripts/a.sh", ""),
            ("scripts/b.sh", ""),
            ("Makefile", ""),
        ]);
        let faults = shown(top_level(&files));
        assert_eq!(faults.len(), 2, "{faults:?}");
        assert!(faults[0].starts_with("Makefile: ") && faults[1].starts_with("scripts: "));
    }

    #[test]
    fn missing_files_are_named() {
        let files: Vec<_> = REQUIRED.iter().map(|path| (*path, "")).collect();
        assert_eq!(required(&files_of(&files)), []);
        let faults = shown(required(&files_of(&files[1..])));
        assert_eq!(faults, [".ci/run: it is missing"]);
    }

    #[test]
    fn decisions_have_numbers_and_titles() {
        for (name, good) in [
            ("0001-sans-io-engine.md", true),
            ("0002-h3.md", true),
            ("1-short-number.md", false),
            ("0003.md", false),
            ("0003-.md", false),
            ("0004-Title.md", false),
            ("README.md", false),
        ] {
            let files = files_of(&[(&format!("docs/adr/{name}"), "")]);
            assert_eq!(decisions(&files).is_empty(), good, "{name}");
        }
        let twice = files_of(&[("docs/adr/0001-a.md", ""), ("docs/adr/0001-b.md", "")]);
        assert_eq!(decisions(&twice).len(), 1);
    }
}
