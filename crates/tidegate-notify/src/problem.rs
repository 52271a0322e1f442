//! What is wrong with `channels.toml`.

use std::fmt;

/// One thing that is wrong with `channels.toml` or a file that it names.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct ConfigProblem {
    /// The line in the file, from 1, where it is known.
    pub line: Option<usize>,
    /// The key, such as `channel.duty-room.url`; empty for the file as a whole.
    pub key: String,
    /// What is wrong, with the value unless it is a secret, and what to do.
    pub message: String,
}

impl fmt::Display for ConfigProblem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(line) = self.line {
            write!(f, "line {line}: ")?;
        }
        if !self.key.is_empty() {
            write!(f, "{}: ", self.key)?;
        }
        f.write_str(&self.message)
    }
}
