//! Rules that change while the pipeline runs: their file is looked at, and what it says is taken up
//! as a whole or not at all.

use std::path::PathBuf;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use tidegate_pipeline::{Problem, RULES, RuleChange, Task};

/// How often the file is looked at. A text counts when two looks in a row found it: an editor may
/// be in the middle of writing.
const LOOK_EVERY: Duration = Duration::from_secs(1);

/// A larger file is not rules.
const BYTES_MAX: u64 = 4 << 20;

/// The file of rules of a pipeline folder, as one task follows it.
#[derive(Debug)]
pub(crate) struct RulesWatch {
    path: PathBuf,
    look_at: Instant,
    /// What the last look found.
    found: Option<String>,
    /// What was refused or could not be read, so that it is told once.
    refused: Option<String>,
}

impl RulesWatch {
    /// Begins with the text that the pipeline was loaded with.
    pub(crate) fn new(folder: &std::path::Path) -> Self {
        Self {
            path: folder.join(RULES),
            look_at: Instant::now() + LOOK_EVERY,
            found: None,
            refused: None,
        }
    }

    /// Takes up what the file says, when it is time to look and it says something else.
    pub(crate) fn follow(&mut self, task: &mut Task) {
        if Instant::now() < self.look_at {
            return;
        }
        self.look_at = Instant::now() + LOOK_EVERY;
        let text = match self.read() {
            Ok(text) => text,
            Err(error) => return self.refuse(&format!("{error:#}"), task.number()),
        };
        let settled = self.found.as_ref() == Some(&text);
        if settled && text != task.runtime().rules_text() {
            self.change(task, &text);
        }
        self.found = Some(text);
    }

    /// Goes by `text` from now on, or tells why not.
    pub(crate) fn change(&mut self, task: &mut Task, text: &str) {
        if self.refused.as_deref() == Some(text) {
            return;
        }
        let change = RuleChange {
            at: jiff::Timestamp::now().to_string(),
            text: text.to_owned(),
        };
        match task.change_rules(change) {
            Ok(()) => {
                self.refused = None;
                let task = task.number();
                tracing::info!(task, rules_last_reload_successful = true, "Rules changed.");
            }
            Err(error) => {
                let problems: Vec<String> = error.0.iter().map(Problem::to_string).collect();
                tracing::error!(
                    task = task.number(),
                    rules_last_reload_successful = false,
                    problems = problems.join("; "),
                    "Rules that are wrong are not taken up; those before stay in force."
                );
                self.refused = Some(text.to_owned());
            }
        }
    }

    fn read(&self) -> Result<String> {
        let path = self.path.display();
        let size = std::fs::metadata(&self.path)
            .with_context(|| format!("{path} cannot be read"))?
            .len();
        ensure!(
            size <= BYTES_MAX,
            "{path} has {size} bytes, at most {BYTES_MAX} are read"
        );
        std::fs::read_to_string(&self.path).with_context(|| format!("{path} cannot be read"))
    }

    /// A file that is away changes nothing: who wants no rules leaves it empty.
    fn refuse(&mut self, why: &str, task: i32) {
        self.found = None;
        if self.refused.as_deref() != Some(why) {
            tracing::error!(
                task,
                rules_last_reload_successful = false,
                why,
                "The rules cannot be looked at; those before stay in force."
            );
            self.refused = Some(why.to_owned());
        }
    }
}
