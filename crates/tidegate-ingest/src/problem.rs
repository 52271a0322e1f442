//! What is wrong with `ingest.toml`.

use std::fmt;

/// One thing that is wrong with `ingest.toml` or a file that it names.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct ConfigProblem {
    /// The key, such as `poll.rail.url`; empty for the file as a whole.
    pub key: String,
    /// What is wrong, with the value unless it is a secret, and what is allowed.
    pub message: String,
}

impl ConfigProblem {
    pub(crate) fn new(key: &str, message: impl Into<String>) -> Self {
        Self {
            key: key.to_owned(),
            message: message.into(),
        }
    }
}

impl fmt::Display for ConfigProblem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if !self.key.is_empty() {
            write!(f, "{}: ", self.key)?;
        }
        f.write_str(&self.message)
    }
}
