//! Just enough of Rust's grammar to tell code from comments and literals.

/// `source` with the content of comments and of string and character literals blanked out; line
/// breaks stay, so that line numbers stay.
pub(super) fn code_only(source: &str) -> String {
    let mut rest = source;
    let mut code = String::with_capacity(source.len());
    while let Some(first) = rest.chars().next() {
        let after_word = code.ends_with(|c: char| c.is_alphanumeric() || c == '_');
        let (keep, skip) = if rest.starts_with("//") {
            (0, rest.find('\n').unwrap_or(rest.len()))
        } else if rest.starts_with("/*") {
            (0, block_comment(rest))
        } else if let Some(length) = raw_string(rest).filter(|_| !after_word) {
            (0, length)
        } else if first == '"' {
            (0, quoted(rest, '"'))
        } else if let Some(length) = character(rest) {
            (0, length)
        } else {
            (first.len_utf8(), 0)
        };
        code.push_str(&rest[..keep]);
        let blanked = &rest[keep..keep + skip];
        code.extend(blanked.chars().filter(|c| *c == '\n'));
        if skip > 0 {
            code.push(' ');
        }
        rest = &rest[keep + skip..];
    }
    code
}

/// Length of the block comment that `text` starts with; they nest.
fn block_comment(text: &str) -> usize {
    let mut depth = 0;
    let mut at = 0;
    while at < text.len() {
        let rest = &text.as_bytes()[at..];
        if rest.starts_with(b"/*") {
            depth += 1;
            at += 2;
        } else if rest.starts_with(b"*/") {
            depth -= 1;
            at += 2;
            if depth == 0 {
                return at;
            }
        } else {
            at += 1;
        }
    }
    text.len()
}

/// Length of the raw string that `text` starts with: `r"…"`, `br#"…"#` and so on.
fn raw_string(text: &str) -> Option<usize> {
    let prefix = ["r", "br", "cr"]
        .into_iter()
        .find(|prefix| text.starts_with(prefix))?;
    let after = &text[prefix.len()..];
    let hashes = after.len() - after.trim_start_matches('#').len();
    let body = after[hashes..].strip_prefix('"')?;
    let end = format!("\"{}", "#".repeat(hashes));
    let length = body.find(&end).map_or(body.len(), |at| at + end.len());
    Some(prefix.len() + hashes + 1 + length)
}

/// Length of the literal between two `quote`s that `text` starts with.
fn quoted(text: &str, quote: char) -> usize {
    let mut escaped = false;
    for (at, c) in text.char_indices().skip(1) {
        match c {
            _ if escaped => escaped = false,
            '\\' => escaped = true,
            _ if c == quote => return at + 1,
            _ => {}
        }
    }
    text.len()
}

/// Length of the character literal that `text` starts with; a lifetime is none.
fn character(text: &str) -> Option<usize> {
    let mut chars = text.strip_prefix('\'')?.chars();
    match chars.next()? {
        '\\' => Some(quoted(text, '\'')),
        c => (chars.next()? == '\'').then_some(2 + c.len_utf8()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_code_is_left() {
        for (source, gone, kept) in [
            ("a // gone\nb", "gone", "b"),
            ("a /* gone /* gone */ gone */ b", "gone", "b"),
            ("a \"gone \\\" gone\" b", "gone", "b"),
            ("a r#\"gone \" gone\"# b", "gone", "b"),
            ("a br\"gone\\\" b", "gone", "b"),
            (
                "fn f<'a>(c: &'a str) { g('\"'); kept() } // gone",
                "gone",
                "kept",
            ),
            ("match c { '\\'' => kept, '\\u{22}' => b }", "22", "kept"),
            ("let colour\"gone\"; b", "gone", "b"),
            ("/* gone", "gone", ""),
        ] {
            let code = code_only(source);
            assert!(!code.contains(gone), "{source} became {code}");
            assert!(code.contains(kept), "{source} became {code}");
            assert_eq!(code.matches('\n').count(), source.matches('\n').count());
        }
    }
}
