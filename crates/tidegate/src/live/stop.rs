//! Signals that ask a run to end.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use anyhow::{Context, Result};

/// The exit code after a second signal: 128 + SIGINT, as a shell has it.
const EXIT_AT_ONCE: i32 = 130;

/// Counts the signals: the first asks to end in order, within a time; the second ends at once, which
/// loses nothing, since what is not committed was not shown.
#[derive(Debug, Clone)]
pub(crate) struct StopSignal(Arc<AtomicU32>);

impl StopSignal {
    /// Listens from now on for SIGINT, SIGTERM and SIGHUP.
    pub(crate) fn listen(within: Duration) -> Result<Self> {
        let signals = Arc::new(AtomicU32::new(0));
        let count = Arc::clone(&signals);
        ctrlc::set_handler(move || match count.fetch_add(1, Ordering::SeqCst) {
            0 => drop(std::thread::spawn(move || {
                std::thread::sleep(within);
                tracing::error!(
                    "Not stopped within {} s; ending at once. The last epoch that is stored counts.",
                    within.as_secs_f64()
                );
                std::process::exit(1);
            })),
            _ => std::process::exit(EXIT_AT_ONCE),
        })
        .context("cannot listen for signals")?;
        Ok(Self(signals))
    }

    /// Whether a signal came.
    pub(crate) fn is_asked(&self) -> bool {
        self.0.load(Ordering::SeqCst) > 0
    }
}
