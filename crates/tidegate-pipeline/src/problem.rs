//! What is wrong with a pipeline folder, in words for whoever wrote it.

use std::fmt;

/// One problem: where it is and what to do.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Problem {
    /// The file, relative to the pipeline folder.
    pub file: String,
    /// The line, from 1, where it is known.
    pub line: Option<usize>,
    /// The key or path within the file, such as `windows[0].size`; empty for the file as a whole.
    pub key: String,
    /// What is wrong, with the value.
    pub message: String,
}

impl Problem {
    /// A problem at `key` of `file`.
    pub fn new(file: &str, key: &str, message: impl Into<String>) -> Self {
        Self {
            file: file.to_owned(),
            line: None,
            key: key.to_owned(),
            message: message.into(),
        }
    }

    /// The same problem at line `line`.
    #[must_use]
    pub fn at(mut self, line: Option<usize>) -> Self {
        self.line = line;
        self
    }
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.file)?;
        if let Some(line) = self.line {
            write!(f, ":{line}")?;
        }
        if !self.key.is_empty() {
            write!(f, ": {}", self.key)?;
        }
        write!(f, ": {}", self.message)
    }
}
