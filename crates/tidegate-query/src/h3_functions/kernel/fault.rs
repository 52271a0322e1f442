//! Input that a function refuses.

/// Why a kernel has no answer: a sentence that names the value, without the function's name.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub(crate) struct Fault(String);

/// The most characters of a text value that a message quotes.
const QUOTED_CHARS_MAX: usize = 60;

impl Fault {
    /// A refusal with its reason.
    pub(crate) fn new(reason: impl Into<String>) -> Self {
        Self(reason.into())
    }

    /// The refusal `error` gives; it already names the value.
    pub(crate) fn from_error(error: impl std::error::Error) -> Self {
        Self(error.to_string())
    }
}

/// `text` in quotes, cut where a message would become unreadable.
pub(crate) fn quoted(text: &str) -> String {
    match text.char_indices().nth(QUOTED_CHARS_MAX) {
        None => format!("'{text}'"),
        Some((cut, _)) => format!("'{}…'", &text[..cut]),
    }
}
