//! Rules of the repository that no other tool checks, as functions from files to faults.

mod manifests;
mod names;
mod rust_code;
mod text;

use std::collections::BTreeMap;
use std::fmt;

use anyhow::{Result, bail};

use crate::repo::Repo;

/// Committed files: path relative to the top, with `/`, and bytes.
type Files = BTreeMap<String, Vec<u8>>;

/// One broken rule.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Fault {
    path: String,
    /// From 1; 0 for the file as a whole.
    line: usize,
    message: String,
    severity: Severity,
}

/// Whether a fault fails the check.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Severity {
    Warning,
    Error,
}

impl Fault {
    fn new(path: &str, line: usize, message: impl Into<String>) -> Self {
        Self {
            path: path.to_owned(),
            line,
            message: message.into(),
            severity: Severity::Error,
        }
    }

    fn warning(path: &str, line: usize, message: impl Into<String>) -> Self {
        Self {
            severity: Severity::Warning,
            ..Self::new(path, line, message)
        }
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let severity = match self.severity {
            Severity::Warning => "warning: ",
            Severity::Error => "",
        };
        match self.line {
            0 => write!(f, "{}: {severity}{}", self.path, self.message),
            line => write!(f, "{}:{line}: {severity}{}", self.path, self.message),
        }
    }
}

/// Prints every fault; fails when one of them is an error.
pub(crate) fn run(repo: &Repo) -> Result<()> {
    let faults = faults(repo)?;
    for fault in &faults {
        println!("{fault}");
    }
    let errors = faults
        .iter()
        .filter(|fault| fault.severity == Severity::Error)
        .count();
    match errors {
        0 => Ok(()),
        1 => bail!("1 rule of the repository is broken; see above"),
        _ => bail!("{errors} rules of the repository are broken; see above"),
    }
}

fn faults(repo: &Repo) -> Result<Vec<Fault>> {
    let files = repo.files()?;
    let mut faults = manifests::layering(&repo.metadata()?);
    faults.extend(names::top_level(&files));
    faults.extend(names::required(&files));
    faults.extend(names::decisions(&files));
    for (path, bytes) in &files {
        if path.ends_with("Cargo.toml") && path != "Cargo.toml" {
            faults.extend(manifests::manifest(path, &text_of(bytes)));
        }
        faults.extend(text::length(path, &text_of(bytes)));
        faults.extend(text::todo(path, &text_of(bytes)));
        faults.extend(text::machine_paths(path, &text_of(bytes)));
        if text::has_extension(path, "md") {
            faults.extend(text::links(path, &text_of(bytes), &files));
        }
        if text::has_extension(path, "rs") {
            faults.extend(text::fenced_keyword(path, &text_of(bytes)));
        }
    }
    Ok(faults)
}

/// Bytes as text; binary files become text in which no rule finds anything.
fn text_of(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

/// Files for tests of rules.
#[cfg(test)]
fn files_of(entries: &[(&str, &str)]) -> Files {
    let entries = entries.iter();
    entries
        .map(|(path, text)| ((*path).to_owned(), text.as_bytes().to_vec()))
        .collect()
}

/// One line a fault, for tests of rules.
#[cfg(test)]
fn shown(faults: Vec<Fault>) -> Vec<String> {
    faults.iter().map(ToString::to_string).collect()
}
