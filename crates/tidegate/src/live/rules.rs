//! Rules that change while the pipeline runs: their file is looked at, and what it says is taken up
//! as a whole or not at all.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use jiff::Timestamp;
use tidegate_pipeline::{Problem, RULES, RuleChange, Task};

use super::reloads::Reloads;

/// How often the file is looked at. A text counts when two looks in a row found it: an editor may
/// be in the middle of writing.
const LOOK_EVERY: Duration = Duration::from_secs(1);

/// A larger file is not rules.
const BYTES_MAX: u64 = 4 << 20;

/// The file of rules of a pipeline folder, as one task follows it.
#[derive(Debug)]
pub(crate) struct RulesWatch {
    path: PathBuf,
    task: i32,
    reloads: Arc<Reloads>,
    /// The newest request that was answered.
    answered: u64,
    look_at: Instant,
    /// What the last look found.
    found: Option<String>,
    /// What was refused or could not be read, so that it is told once.
    refused: Option<String>,
}

impl RulesWatch {
    /// Follows the file in `folder` for the task with this number.
    pub(crate) fn new(folder: &Path, reloads: &Arc<Reloads>, task: i32) -> Self {
        Self {
            path: folder.join(RULES),
            task,
            reloads: Arc::clone(reloads),
            answered: reloads.asked(),
            look_at: Instant::now() + LOOK_EVERY,
            found: None,
            refused: None,
        }
    }

    /// Begins with the text that the pipeline was loaded with.
    pub(crate) fn begin(&mut self, task: &mut Task) {
        let text = task.runtime().pipeline().rules_text.clone();
        if task.runtime().rules_version() == 0 || task.runtime().rules_text() != text {
            self.change(task, &text);
        } else {
            self.is_in_force(task);
        }
    }

    /// Takes up what the file says, when it is time to look or somebody asks, and it says something
    /// else.
    pub(crate) fn follow(&mut self, task: &mut Task) {
        let asked = self.reloads.asked();
        let is_asked = asked > self.answered;
        if !is_asked && Instant::now() < self.look_at {
            return;
        }
        self.look_at = Instant::now() + LOOK_EVERY;
        if is_asked {
            // Whoever asks is told again, and has written the file to its end.
            self.refused = None;
        }
        self.look(task, is_asked);
        if is_asked {
            self.answered = asked;
            let version = task.runtime().rules_version();
            self.reloads
                .tell(self.task, version, |rules| rules.answered = asked);
        }
    }

    fn look(&mut self, task: &mut Task, is_settled: bool) {
        let text = match self.read() {
            Ok(text) => text,
            Err(error) => return self.refuse(task, &format!("{error:#}")),
        };
        if is_settled || self.found.as_ref() == Some(&text) {
            if text == task.runtime().rules_text() {
                self.is_in_force(task);
            } else {
                self.change(task, &text);
            }
        }
        self.found = Some(text);
    }

    /// Goes by `text` from now on, or tells why not.
    fn change(&mut self, task: &mut Task, text: &str) {
        if self.refused.as_deref() == Some(text) {
            return;
        }
        let change = RuleChange {
            at: Timestamp::now().to_string(),
            text: text.to_owned(),
        };
        let outcome = task.change_rules(change);
        let version = task.runtime().rules_version();
        match outcome {
            Ok(()) => {
                let task = self.task;
                tracing::info!(task, version, "Rules changed.");
                self.reloads.tell(task, version, |rules| rules.changes += 1);
                self.is_in_force_at(version);
            }
            Err(error) => {
                let problems: Vec<String> = error.0.iter().map(Problem::to_string).collect();
                tracing::error!(
                    task = self.task,
                    problems = problems.join("; "),
                    "Rules that are wrong are not taken up; those before stay in force."
                );
                self.reloads.tell(self.task, version, |rules| {
                    rules.refusals += 1;
                    rules.problems = problems;
                });
                self.refused = Some(text.to_owned());
            }
        }
    }

    /// A file that is away changes nothing: who wants no rules leaves it empty.
    fn refuse(&mut self, task: &Task, why: &str) {
        self.found = None;
        if self.refused.as_deref() != Some(why) {
            tracing::error!(
                task = self.task,
                why,
                "The rules cannot be looked at; those before stay in force."
            );
            let version = task.runtime().rules_version();
            self.reloads.tell(self.task, version, |rules| {
                rules.refusals += 1;
                rules.problems = vec![why.to_owned()];
            });
            self.refused = Some(why.to_owned());
        }
    }

    fn is_in_force(&mut self, task: &Task) {
        self.is_in_force_at(task.runtime().rules_version());
    }

    fn is_in_force_at(&mut self, version: u64) {
        self.refused = None;
        self.reloads.tell(self.task, version, |rules| {
            rules.good_at = Timestamp::now();
            rules.problems = Vec::new();
        });
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
}

impl Drop for RulesWatch {
    fn drop(&mut self) {
        self.reloads.forget(self.task);
    }
}
