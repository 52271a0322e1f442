//! Rules about what stands in a file.

use std::path::{Component, Path};

use super::rust_code::code_only;
use super::{Fault, Files};
use crate::layering::UNSAFE_FILE;

/// Longest files with a limit of their own.
const DOCUMENTS: &[(&str, usize)] = &[("ARCHITECTURE.md", 250), ("README.md", 80)];
/// A code file beyond this is worth a cut.
const CODE_LINES_LONG: usize = 600;
/// A code file beyond this fails.
const CODE_LINES_MAX: usize = 800;
/// Extensions of files that people write code in.
const CODE: &[&str] = &["rs", "sql", "sh", "py", "js", "ts"];

/// Nothing is too long to read at a sitting.
pub(super) fn length(path: &str, text: &str) -> Option<Fault> {
    let lines = text.lines().count();
    let document = DOCUMENTS.iter().find(|(name, _)| *name == path);
    if let Some((_, max)) = document {
        let message = format!("{lines} lines, at most {max} allowed");
        return (lines > *max).then(|| Fault::new(path, 0, message));
    }
    if !is_code(path) {
        return None;
    }
    let message = format!("{lines} lines; about 500 is the aim, {CODE_LINES_MAX} the limit");
    if lines > CODE_LINES_MAX {
        Some(Fault::new(path, 0, message))
    } else {
        (lines > CODE_LINES_LONG).then(|| Fault::warning(path, 0, message))
    }
}

fn is_code(path: &str) -> bool {
    CODE.iter().any(|code| has_extension(path, code)) || path == ".ci/run"
}

/// Whether the name of `path` ends with a dot and `extension`.
pub(super) fn has_extension(path: &str, extension: &str) -> bool {
    Path::new(path)
        .extension()
        .is_some_and(|found| found == extension)
}

/// What is left to do has an issue: the word is followed by its number, as in `(#12)`.
pub(super) fn todo(path: &str, text: &str) -> Vec<Fault> {
    // Spelled so that this file keeps its own rule.
    let words = [
        concat!("TO", "DO"),
        concat!("FIX", "ME"),
        concat!("X", "XX"),
    ];
    let code = is_code(path) || has_extension(path, "toml");
    let mut faults = Vec::new();
    for (number, line) in text.lines().enumerate().filter(|_| code) {
        for word in words {
            let open = find_words(line, word).any(|after| !starts_with_issue(after));
            if open {
                let message = format!("{word} without an issue number: write {word}(#12)");
                faults.push(Fault::new(path, number + 1, message));
            }
        }
    }
    faults
}

/// What follows each occurrence of `word` that is a word of its own.
fn find_words<'a>(line: &'a str, word: &'a str) -> impl Iterator<Item = &'a str> {
    let part = |c: char| c.is_alphanumeric() || c == '_';
    line.match_indices(word).filter_map(move |(at, _)| {
        let after = &line[at + word.len()..];
        (!line[..at].ends_with(part) && !after.starts_with(part)).then_some(after)
    })
}

fn starts_with_issue(text: &str) -> bool {
    let Some(text) = text.strip_prefix("(#") else {
        return false;
    };
    let digits = text.len() - text.trim_start_matches(|c: char| c.is_ascii_digit()).len();
    digits > 0 && text[digits..].starts_with(')')
}

/// No file names a folder of the machine it was written on.
pub(super) fn machine_paths(path: &str, text: &str) -> Vec<Fault> {
    // Spelled so that this file keeps its own rule.
    let folders = [
        concat!("/wo", "rk/"),
        concat!("/ro", "ot/"),
        concat!("/ho", "me/"),
        concat!("/Us", "ers/"),
    ];
    let mut faults = Vec::new();
    for (number, line) in text.lines().enumerate() {
        for folder in folders {
            let absolute = line.match_indices(folder).any(|(at, _)| {
                // Within a relative path or a web address the same text is harmless.
                !line[..at].ends_with(|c: char| c.is_alphanumeric() || "._-~}$".contains(c))
            });
            if absolute {
                let message = format!("`{folder}` is a folder of one machine");
                faults.push(Fault::new(path, number + 1, message));
            }
        }
    }
    faults
}

/// Links of a Markdown file to files lead somewhere.
pub(super) fn links(path: &str, text: &str, files: &Files) -> Vec<Fault> {
    let mut faults = Vec::new();
    let mut fenced = false;
    for (number, line) in text.lines().enumerate() {
        if line.trim_start().starts_with("```") {
            fenced = !fenced;
        }
        if fenced {
            continue;
        }
        // Odd parts between backticks are code.
        let prose: String = line.split('`').step_by(2).collect();
        for (at, _) in prose.match_indices("](") {
            let target = prose[at + 2..].split([')', ' ']).next().unwrap_or_default();
            let file = target.split('#').next().unwrap_or_default();
            if file.is_empty() || file.contains(':') || is_there(path, file, files) {
                continue;
            }
            let message = format!("the link to {target} leads nowhere");
            faults.push(Fault::new(path, number + 1, message));
        }
    }
    faults
}

/// Whether `target`, relative to the folder of `path`, is a committed file or folder.
fn is_there(path: &str, target: &str, files: &Files) -> bool {
    let mut parts: Vec<_> = path.split('/').collect();
    parts.pop();
    for component in Path::new(target).components() {
        match component {
            Component::Normal(name) => parts.push(name.to_str().expect("made from text")),
            Component::ParentDir if parts.pop().is_some() => {}
            Component::CurDir => {}
            _ => return false,
        }
    }
    let target = parts.join("/");
    let folder = format!("{target}/");
    target.is_empty()
        || files.contains_key(&target)
        || files.keys().any(|path| path.starts_with(&folder))
}

/// `unsafe`, and leave to use it, stands in one file only.
pub(super) fn fenced_keyword(path: &str, text: &str) -> Vec<Fault> {
    if path == UNSAFE_FILE {
        return Vec::new();
    }
    let code = code_only(text);
    let lines = code.lines().enumerate();
    lines
        .filter(|(_, line)| {
            ["unsafe", "unsafe_code"]
                .iter()
                .any(|word| find_words(line, word).next().is_some())
        })
        .map(|(number, _)| {
            let message = format!("unsafe code belongs in {UNSAFE_FILE}");
            Fault::new(path, number + 1, message)
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::super::{Severity, files_of, shown};
    use super::*;

    #[test]
    fn long_files_are_found() {
        for (path, lines, expected) in [
            ("a.rs", 600, None),
            ("a.rs", 601, Some(Severity::Warning)),
            ("a.rs", 801, Some(Severity::Error)),
            ("data.json", 9999, None),
            ("README.md", 80, None),
            ("README.md", 81, Some(Severity::Error)),
            ("ARCHITECTURE.md", 251, Some(Severity::Error)),
            ("docs/README.md", 300, None),
        ] {
            let fault = length(path, &"x\n".repeat(lines));
            assert_eq!(
                fault.map(|fault| fault.severity),
                expected,
                "{path} {lines}"
            );
        }
    }

    #[test]
    fn open_work_needs_a_number() {
        let word = concat!("TO", "DO");
        for (text, faults) in [
            (format!("// {word}: later"), 1),
            (format!("// {word}(#): later"), 1),
            (format!("// {word}(soon)"), 1),
            (format!("// {word}(#12): later"), 0),
            (format!("// {word}(#12), {word} again"), 1),
            (format!("let {word}S = 1;"), 0),
        ] {
            assert_eq!(todo("a.rs", &text).len(), faults, "{text}");
            assert_eq!(todo("a.md", &text), [], "prose may speak of it");
        }
    }

    #[test]
    fn folders_of_one_machine_are_found() {
        let folder = concat!("/wo", "rk/");
        for (text, faults) in [
            (format!("see {folder}main"), 1),
            (format!("\"{folder}\""), 1),
            (format!("https://example.org{folder}of-art"), 0),
            (format!("our{folder}shop"), 0),
        ] {
            assert_eq!(machine_paths("a", &text).len(), faults, "{text}");
        }
    }

    #[test]
    fn links_lead_somewhere() {
        let files = files_of(&[
            ("docs/a.md", ""),
            ("README.md", ""),
            ("crates/x/lib.rs", ""),
        ]);
        let text = "[a](a.md) [top](../README.md#use) [crates](../crates) [web](https://x.org)\n\
                    `[code](none.md)` [here](#anchor)\n\
                    ```\n[fenced](none.md)\n```\n\
                    [gone](none.md) [out](../../etc)\n";
        let faults = shown(links("docs/a.md", text, &files));
        let expected = [
            "docs/a.md:6: the link to none.md leads nowhere",
            "docs/a.md:6: the link to ../../etc leads nowhere",
        ];
        assert_eq!(faults, expected);
    }

    #[test]
    fn unsafe_stands_in_one_file() {
        let word = concat!("un", "safe");
        for (text, faults) in [
            (format!("fn f() {{\n    {word} {{ g() }}\n}}"), 1),
            (format!("#[expect({word}_code, reason = \"x\")]"), 1),
            (format!("// {word} is a word\nlet a = \"{word}\";"), 0),
            (format!("let {word}ly = 1;"), 0),
        ] {
            assert_eq!(fenced_keyword("a.rs", &text).len(), faults, "{text}");
            assert_eq!(fenced_keyword(UNSAFE_FILE, &text), []);
        }
    }
}
