//! Splitting a JSON payload into the objects it holds, so that each is read on its own.
//!
//! A payload is one object (over several lines if it likes), an array of objects, or one object a
//! line. Splitting looks at quotes, brackets and line breaks only. In lines a broken object stays
//! alone always; in an array it does unless its quotes are broken.

/// Calls `each` with the bytes of every object of `payload`, which may not be objects at all.
/// It is called at least once: with an empty slice for an array of none or one not closed.
pub(crate) fn split_objects(payload: &[u8], mut each: impl FnMut(&[u8])) {
    let payload = payload.trim_ascii();
    if let Some(elements) = payload.strip_prefix(b"[") {
        return split_array(elements, each);
    }
    if !is_lines(payload) {
        return each(payload);
    }
    for line in payload.split(|&byte| byte == b'\n') {
        let line = line.trim_ascii();
        if !line.is_empty() {
            each(line);
        }
    }
}

/// Whether the payload is one object a line: its first line is closed, or another line opens an
/// object without being indented.
fn is_lines(payload: &[u8]) -> bool {
    let mut lines = payload.split(|&byte| byte == b'\n');
    let first = lines.next().unwrap_or_default().trim_ascii();
    let mut rest = lines.peekable();
    rest.peek().is_some() && (first.ends_with(b"}") || rest.any(|line| line.starts_with(b"{")))
}

fn split_array(elements: &[u8], mut each: impl FnMut(&[u8])) {
    let mut rest = elements;
    let mut first = true;
    loop {
        let (len, end) = element_end(rest);
        let element = rest[..len].trim_ascii();
        match end {
            End::Comma => each(element),
            End::Bracket => {
                // An array of none is told as an empty object: nothing passes unseen.
                if first || !element.is_empty() {
                    each(element);
                } else {
                    each(b",");
                }
                let behind = rest[len + 1..].trim_ascii();
                if !behind.is_empty() {
                    each(behind);
                }
                return;
            }
            End::Cut => return each(element),
            End::Open => {
                if !element.is_empty() {
                    each(element);
                }
                return each(b"");
            }
        }
        first = false;
        rest = &rest[len + 1..];
    }
}

enum End {
    /// A comma: another element follows.
    Comma,
    /// The array's closing bracket.
    Bracket,
    /// The payload ends within the element.
    Cut,
    /// The payload ends behind the element, before the closing bracket.
    Open,
}

fn element_end(bytes: &[u8]) -> (usize, End) {
    let mut depth = 0_usize;
    let mut in_text = false;
    let mut escaped = false;
    for (at, &byte) in bytes.iter().enumerate() {
        if in_text {
            match byte {
                _ if escaped => escaped = false,
                b'\\' => escaped = true,
                b'"' => in_text = false,
                _ => {}
            }
            continue;
        }
        match byte {
            b'"' => in_text = true,
            b'{' | b'[' => depth += 1,
            b']' if depth == 0 => return (at, End::Bracket),
            b'}' | b']' => depth = depth.saturating_sub(1),
            b',' if depth == 0 => return (at, End::Comma),
            _ => {}
        }
    }
    let end = if depth > 0 || in_text {
        End::Cut
    } else {
        End::Open
    };
    (bytes.len(), end)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn splits() {
        for (payload, want) in [
            (r#"{"a":1}"#, vec![r#"{"a":1}"#]),
            (
                "{\n \"a\": [\n  {}\n ]\n}\n",
                vec!["{\n \"a\": [\n  {}\n ]\n}"],
            ),
            (
                "{\"a\":1}\n{\"a\":2}\r\n\n",
                vec![r#"{"a":1}"#, r#"{"a":2}"#],
            ),
            ("{\"a\":1\n{\"a\":2}\n", vec![r#"{"a":1"#, r#"{"a":2}"#]),
            ("{\"a\":1}\nrubbish\n", vec![r#"{"a":1}"#, "rubbish"]),
            (
                r#"[{"a":1}, {"a":"]},"}]"#,
                vec![r#"{"a":1}"#, r#"{"a":"]},"}"#],
            ),
            (
                r#"[{"a":[1,{}]},NaN,{"a":"\""}]"#,
                vec![r#"{"a":[1,{}]}"#, "NaN", r#"{"a":"\""}"#],
            ),
            ("[]", vec![""]),
            ("[", vec![""]),
            ("[{},]", vec!["{}", ","]),
            (r#"[{"a":1}"#, vec![r#"{"a":1}"#, ""]),
            (r#"[{"a":1},{"a""#, vec![r#"{"a":1}"#, r#"{"a""#]),
            (r#"[{"a":1}] x"#, vec![r#"{"a":1}"#, "x"]),
            ("rubbish", vec!["rubbish"]),
            (" ", vec![""]),
        ] {
            let mut got = Vec::new();
            split_objects(payload.as_bytes(), |object| {
                got.push(String::from_utf8_lossy(object).into_owned());
            });
            assert_eq!(got, want, "{payload:?}");
        }
    }

    proptest! {
        #[test]
        fn gives_at_least_one(payload in r#"[\[\]{},"\\ a\n]{0,40}"#) {
            let mut calls = 0;
            split_objects(payload.as_bytes(), |_| calls += 1);
            prop_assert!(calls > 0);
        }
    }
}
