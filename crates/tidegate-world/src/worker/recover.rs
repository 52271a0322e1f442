//! From what is stored to where the last visible epoch ended.

use std::sync::Arc;

use tidegate_model::Payload;
use tidegate_pipeline::{Progress, Snapshot, SnapshotName, Step, Task};

use super::{Around, State, Stop, Worker};
use crate::step::{Action, action};
use crate::store::sha256;

impl Worker {
    /// Takes the newest snapshot that is whole, or begins from nothing.
    pub(super) async fn load(&mut self, around: &mut Around<'_>) -> Result<State, Stop> {
        let mut epochs: Vec<Progress> = Vec::new();
        for commit in &around.broker.commits {
            let progress = serde_json::from_str(&commit.progress);
            epochs.push(progress.map_err(|error| Stop::wrong("D1", error))?);
        }
        let names = epochs
            .iter()
            .rev()
            .filter_map(|epoch| epoch.snapshot.as_ref());
        let mut names: Vec<SnapshotName> = names.cloned().collect();
        names.dedup();
        for name in names {
            let Some(bytes) = around.store.get(&name.name) else {
                continue;
            };
            if sha256(bytes) != name.sha256 {
                continue;
            }
            let snapshot = Snapshot::decode(bytes).map_err(|error| Stop::wrong("D1", error))?;
            let epoch = name.epoch;
            self.kept = vec![name.name.clone()];
            self.newest = epoch;
            let task = Task::restore(Arc::clone(around.pipeline), 0, &snapshot, name).await;
            let mut task = task.map_err(|error| Stop::wrong("D1", error))?;
            let again = task.snapshot().await;
            let again = again.map_err(|error| Stop::wrong("D1", error))?;
            // As values: equal rows may lie in files with other padding.
            if format!("{again:?}") != format!("{snapshot:?}") {
                let detail = format!("epoch {epoch}: the restored state is not the stored one");
                return Err(Stop::wrong("D1", detail));
            }
            epochs.retain(|progress| progress.of.epoch > epoch);
            self.did = format!("restores epoch {epoch}, {} epochs to repeat", epochs.len());
            return Ok(State::Repeating(Box::new(task), epochs));
        }
        self.did = format!("begins anew, {} epochs to repeat", epochs.len());
        let task = Task::new(Arc::clone(around.pipeline), 0).await;
        let task = task.map_err(|error| Stop::wrong("run", error))?;
        Ok(State::Repeating(Box::new(task), epochs))
    }

    /// Repeats a few epochs.
    pub(super) async fn repeat(
        &mut self,
        around: &mut Around<'_>,
        mut task: Box<Task>,
        mut epochs: Vec<Progress>,
    ) -> Result<State, Stop> {
        for _ in 0..4 {
            if epochs.is_empty() {
                let positions = task.positions().iter();
                self.idleness.begin(
                    positions
                        .map(|((feed, partition), next)| ((feed.to_string(), *partition), *next)),
                );
                self.did += " and begins to work";
                return Ok(State::Working(task));
            }
            let epoch = epochs.remove(0);
            for step in &epoch.steps {
                let payloads = messages(around, step);
                let outcome = task.repeat(step, &payloads).await;
                outcome.map_err(|error| Stop::wrong("T7", error))?;
            }
            let outcome = task.end_repeated(&epoch);
            outcome.map_err(|error| Stop::wrong("T7", error))?;
            self.did = format!("repeats epoch {}", epoch.of.epoch);
        }
        Ok(State::Repeating(task, epochs))
    }
}

fn messages<'b>(around: &'b Around<'_>, step: &Step) -> Vec<Payload<'b>> {
    match action(step) {
        (key, Action::Read(from, to)) => around.broker.fetch(&key, from, to),
        (_, Action::Assigned(_) | Action::Idle) => Vec::new(),
    }
}
