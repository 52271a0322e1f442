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
            // A pipeline without rules has no file of them.
            Err(error) if is_away(&error) && task.runtime().rules_text().is_empty() => {
                String::new()
            }
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

fn is_away(error: &anyhow::Error) -> bool {
    let error = error.downcast_ref::<std::io::Error>();
    error.is_some_and(|error| error.kind() == std::io::ErrorKind::NotFound)
}

impl Drop for RulesWatch {
    fn drop(&mut self) {
        self.reloads.forget(self.task);
    }
}

#[cfg(test)]
mod tests {
    //! Tries to have a pipeline without rules complained of, and rules whose file is gone forgotten.

    use tidegate_pipeline::{Pipeline, Source};

    use super::*;

    const RULE: &str = "[[rule]]\nname = \"r\"\nlayer = \"present\"\nfire_above = 2.0\n\
                        clear_below = 1.0\nseverity = \"warning\"\nowner = \"duty\"\n\
                        title = { zh-CN = \"{name}\", en = \"{name}\" }\n\
                        do = { zh-CN = \"看\", en = \"look\" }\n";

    async fn task(rules: &str) -> Task {
        let files = [
            (
                "pipeline.toml",
                "name = \"p\"\n[[window]]\nname = \"w\"\nsize = \"5m\"\n\
                 [[layer]]\nname = \"present\"\non = \"w\"\n",
            ),
            (
                "feeds/gates.toml",
                "format = \"json\"\nunknown_site = \"accept\"\n",
            ),
            (
                "windows/w.sql",
                "SELECT site_id, sum(count) AS persons FROM observation GROUP BY site_id",
            ),
            (
                "layers/present.sql",
                "SELECT 'site' AS subject_kind, site_id AS subject, \
                 CAST(persons AS DOUBLE) AS value, '1' AS unit, 'test/sum@1' AS method FROM w",
            ),
            (RULES, rules),
        ];
        let files = files.map(|(path, text)| (path.to_owned(), text.to_owned()));
        let pipeline = Pipeline::load(&Source::new(files)).await;
        let pipeline = pipeline.unwrap_or_else(|problems| panic!("{problems:#?}"));
        Task::new(Arc::new(pipeline), 0).await.unwrap()
    }

    #[tokio::test]
    async fn only_rules_that_are_in_force_miss_their_file() {
        let folder = tempfile::tempdir().unwrap();
        for (rules, problems) in [("", 0), (RULE, 1)] {
            let reloads = Arc::new(Reloads::new());
            let mut task = task(rules).await;
            let mut watch = RulesWatch::new(folder.path(), &reloads, 0);
            watch.begin(&mut task);
            let asked = reloads.ask();
            watch.follow(&mut task);
            let told = reloads.tasks().borrow()[&0].clone();
            assert_eq!((told.answered, told.version), (asked, 1));
            assert_eq!(told.problems.len(), problems, "{:?}", told.problems);
            assert_eq!(task.runtime().rules_text(), rules);
        }
    }
}
