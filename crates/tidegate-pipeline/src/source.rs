//! The files of a pipeline folder as text, and reading TOML with every problem named.

use std::collections::BTreeMap;

use serde::de::DeserializeOwned;
use sha2::{Digest, Sha256};

use crate::{Problem, RULE_CASES, RULES};

/// How many problems of one file are listed.
const PROBLEMS_MAX: usize = 20;

/// The files of a pipeline folder: path relative to it, with `/`, and content.
#[derive(Debug, Clone, Default)]
pub struct Source {
    files: BTreeMap<String, String>,
}

impl Source {
    /// A folder with these files.
    pub fn new(files: impl IntoIterator<Item = (String, String)>) -> Self {
        Self {
            files: files.into_iter().collect(),
        }
    }

    /// The content of `path`.
    pub fn get(&self, path: &str) -> Option<&str> {
        self.files.get(path).map(String::as_str)
    }

    /// Files directly in `folder` whose name ends in `.extension`: (name without it, content).
    pub fn in_folder<'a>(
        &'a self,
        folder: &'a str,
        extension: &'a str,
    ) -> impl Iterator<Item = (&'a str, &'a str)> + 'a {
        self.files.iter().filter_map(move |(path, content)| {
            let name = path.strip_prefix(folder)?.strip_prefix('/')?;
            let stem = name.strip_suffix(extension)?.strip_suffix('.')?;
            (!stem.contains('/')).then_some((stem, content.as_str()))
        })
    }

    /// SHA-256 of every file that a run depends on, lower-case hexadecimal: equal fingerprints
    /// mean the same pipeline. Tests inside the folder and files that nothing reads are left out,
    /// and rules, whose changes a running pipeline takes up and writes down.
    pub fn fingerprint(&self) -> String {
        let mut hash = Sha256::new();
        let counts = |path: &str| {
            let folder = path.split('/').next().unwrap_or_default();
            let extension = path.rsplit('.').next().unwrap_or_default();
            let read = ["toml", "sql", "geojson", "csv", "json"].contains(&extension)
                || (folder == "gtfs" && extension == "txt");
            // What comes from where and who is told of it is no part of what is computed.
            let apart = [
                "ingest.toml",
                RULES,
                RULE_CASES,
                "routes.toml",
                "channels.toml",
            ];
            !apart.contains(&path) && read && !["tests", "examples"].contains(&folder)
        };
        for (path, content) in self.iter().filter(|(path, _)| counts(path)) {
            for part in [path, content] {
                hash.update((part.len() as u64).to_le_bytes());
                hash.update(part.as_bytes());
            }
        }
        tidegate_model::hex(&hash.finalize())
    }

    /// Every file, in the order of their paths.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &str)> {
        self.files
            .iter()
            .map(|(path, content)| (path.as_str(), content.as_str()))
    }
}

/// Reads a TOML file into `T`, or names every problem.
///
/// The reader stops at its first error; so the line at fault is blanked and the rest read again,
/// until nothing new is found. What only follows from a blanked line is not reported.
pub(crate) fn read_toml<T: DeserializeOwned>(file: &str, text: &str) -> Result<T, Vec<Problem>> {
    let mut problems = Vec::new();
    let mut current = text.to_owned();
    while problems.len() < PROBLEMS_MAX {
        let error = match toml::from_str::<T>(&current) {
            Ok(value) if problems.is_empty() => return Ok(value),
            Ok(_) => break,
            Err(error) => error,
        };
        let message = error.message().to_owned();
        let Some(span) = error.span() else {
            problems.push(Problem::new(file, "", message));
            break;
        };
        if message.starts_with("missing field") && !problems.is_empty() {
            break;
        }
        let (line, range) = line_at(&current, span.start);
        let content = current[range.clone()].trim().to_owned();
        let key = content.split('=').next().unwrap_or("").trim().to_owned();
        let shown = if content.is_empty() {
            message
        } else {
            format!("{message}, in `{content}`")
        };
        problems.push(Problem::new(file, &key, shown).at(Some(line)));
        if content.is_empty() || content.starts_with('[') {
            break;
        }
        current.replace_range(range.clone(), &" ".repeat(range.len()));
    }
    problems.sort();
    Err(problems)
}

/// The line number, from 1, and the byte range of the line that holds byte `at`.
fn line_at(text: &str, at: usize) -> (usize, std::ops::Range<usize>) {
    let at = at.min(text.len());
    let start = text[..at].rfind('\n').map_or(0, |newline| newline + 1);
    let end = text[at..]
        .find('\n')
        .map_or(text.len(), |newline| at + newline);
    (text[..at].matches('\n').count() + 1, start..end)
}

/// The line of `key = …` in the `index`-th table that begins with `header` (`[[rule]]`), or in the
/// whole text when `header` is empty.
pub(crate) fn line_of(text: &str, header: &str, index: usize, key: &str) -> Option<usize> {
    let last = key.rsplit('.').next().unwrap_or(key);
    let last = last.split('[').next().unwrap_or(last);
    let mut seen = if header.is_empty() { Some(0) } else { None };
    for (line, content) in text.lines().enumerate() {
        let content = content.trim();
        if !header.is_empty() && content.starts_with(header) {
            seen = Some(seen.map_or(0, |seen| seen + 1));
        }
        let is_key = content
            .strip_prefix(last)
            .is_some_and(|rest| rest.trim_start().starts_with(['=', '.']));
        if seen == Some(index) && (is_key || content == format!("[{key}]")) {
            return Some(line + 1);
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Debug, serde::Deserialize)]
    #[serde(deny_unknown_fields)]
    #[expect(dead_code, reason = "only reading is tested")]
    struct Two {
        size: String,
        slide: String,
        count: i64,
    }

    #[test]
    fn every_bad_line_is_named() {
        let text = "size = \"5m\"\nslid = \"5m\"\ncount = \"x\"\nnope = 1\nslide = \"1m\"\n";
        let problems = read_toml::<Two>("pipeline.toml", text).unwrap_err();
        let lines: Vec<_> = problems.iter().map(|p| (p.line, p.key.as_str())).collect();
        assert_eq!(
            lines,
            [(Some(2), "slid"), (Some(3), "count"), (Some(4), "nope")]
        );
    }

    #[test]
    fn the_fingerprint_is_of_what_counts() {
        let folder = |files: &[(&str, &str)]| {
            Source::new(
                files
                    .iter()
                    .map(|(p, t)| ((*p).to_owned(), (*t).to_owned())),
            )
            .fingerprint()
        };
        let one = folder(&[("pipeline.toml", "a"), ("windows/w.sql", "b")]);
        let same = [
            ("windows/w.sql", "b"),
            ("pipeline.toml", "a"),
            ("tests/t.toml", "x"),
            ("README.md", ""),
        ];
        assert_eq!(one, folder(&same));
        assert_ne!(
            one,
            folder(&[("pipeline.toml", "ab"), ("windows/w.sql", "")])
        );
        assert_ne!(
            one,
            folder(&[("pipeline.toml", "a"), ("windows/v.sql", "b")])
        );
    }

    #[test]
    fn keys_are_found_in_their_table() {
        let text = "[[rule]]\nname = \"a\"\n[[rule]]\nname = \"b\"\nclear_below = 2\n";
        assert_eq!(line_of(text, "[[rule]]", 1, "name"), Some(4));
        assert_eq!(line_of(text, "[[rule]]", 0, "clear_below"), None);
    }
}
