//! One JSON line a notice.

use std::io::Write;
use std::sync::Mutex;

use jiff::Timestamp;
use tidegate_dispatch::Notice;

use crate::deliver::{Deliver, Delivering, Outcome};

/// Writes lines to standard output, or to whatever a test gives.
pub struct StdoutChannel(Mutex<Box<dyn Write + Send>>);

impl std::fmt::Debug for StdoutChannel {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("StdoutChannel(…)")
    }
}

impl StdoutChannel {
    /// To standard output.
    pub fn new() -> Self {
        Self::to(Box::new(std::io::stdout()))
    }

    /// To this writer.
    pub fn to(writer: Box<dyn Write + Send>) -> Self {
        Self(Mutex::new(writer))
    }

    fn write(&self, notice: &Notice) -> std::io::Result<()> {
        let mut line = serde_json::to_vec(notice)?;
        line.push(b'\n');
        let mut writer = self
            .0
            .lock()
            .unwrap_or_else(std::sync::PoisonError::into_inner);
        writer.write_all(&line)?;
        writer.flush()
    }
}

impl Default for StdoutChannel {
    fn default() -> Self {
        Self::new()
    }
}

impl Deliver for StdoutChannel {
    fn deliver<'a>(&'a self, notice: &'a Notice, _now: Timestamp) -> Delivering<'a> {
        let outcome = match self.write(notice) {
            Ok(()) => Outcome::Delivered,
            Err(error) => Outcome::retry(format!("standard output: {error}")),
        };
        Box::pin(async { outcome.into() })
    }
}
