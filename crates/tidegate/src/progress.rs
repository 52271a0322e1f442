//! Progress on standard error, only when it is a terminal.

use std::io::IsTerminal;
use std::time::Duration;

use indicatif::{ProgressBar, ProgressStyle};

/// A counter with a rate.
#[derive(Debug)]
pub(crate) struct Bar(ProgressBar);

impl Bar {
    /// A counter of `what`; silent when standard error is not a terminal.
    pub(crate) fn new(what: &str) -> Self {
        if !std::io::stderr().is_terminal() {
            return Self(ProgressBar::hidden());
        }
        let template = format!("{{spinner}} {{human_pos}} {what}  {{per_sec}}  {{elapsed}}");
        let style = ProgressStyle::with_template(&template).expect("the template is a constant");
        let bar = ProgressBar::new_spinner().with_style(style);
        bar.enable_steady_tick(Duration::from_millis(200));
        Self(bar)
    }

    /// `n` more.
    pub(crate) fn inc(&self, n: u64) {
        self.0.inc(n);
    }

    /// Takes the counter off the screen.
    pub(crate) fn finish(&self) {
        self.0.finish_and_clear();
    }
}
