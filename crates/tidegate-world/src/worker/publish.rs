//! From the end of an epoch to a visible one, and the snapshots between epochs.

use tidegate_pipeline::{Progress, SnapshotName, Task};

use super::{Around, Stage, State, Stop, Worker};
use crate::broker::{Answer, Fate, Fenced};
use crate::store::sha256;

/// Snapshots that a process keeps.
const KEPT: usize = 2;

impl From<Fenced> for Stop {
    fn from(_: Fenced) -> Self {
        Self::Fenced
    }
}

impl Worker {
    pub(super) fn end_epoch(
        &mut self,
        around: &Around<'_>,
        mut task: Box<Task>,
    ) -> Result<State, Stop> {
        let progress = task.end_epoch();
        self.idleness
            .check(&progress.steps, around.shape.idle_after)
            .map_err(Stop::Wrong)?;
        self.did = format!("ends epoch {}", progress.of.epoch);
        Ok(State::Publishing(task, Box::new(progress), Stage::Begin))
    }

    /// Takes the next step of the transaction.
    pub(super) fn publish(
        &mut self,
        around: &mut Around<'_>,
        task: Box<Task>,
        progress: Box<Progress>,
        stage: Stage,
    ) -> Result<State, Stop> {
        let epoch = progress.of.epoch;
        match stage {
            Stage::Begin => {
                around.broker.begin(self.producer)?;
                self.did = format!("begins the transaction of epoch {epoch}");
                Ok(State::Publishing(task, progress, Stage::Send))
            }
            Stage::Send => {
                around.broker.send(self.producer, &self.pending)?;
                self.did = format!("sends {} outputs of epoch {epoch}", self.pending.len());
                Ok(State::Publishing(task, progress, Stage::Commit))
            }
            Stage::Commit => self.commit(around, task, &progress),
        }
    }

    fn commit(
        &mut self,
        around: &mut Around<'_>,
        task: Box<Task>,
        progress: &Progress,
    ) -> Result<State, Stop> {
        let epoch = progress.of.epoch;
        if let Some(name) = &progress.snapshot {
            let stored = around.store.ever.get(&name.name);
            if stored.is_none_or(|bytes| sha256(bytes) != name.sha256) {
                let detail = format!("epoch {epoch} names {}, which was never stored", name.name);
                return Err(Stop::wrong("D1", detail));
            }
        }
        let fates = [
            Fate::Acknowledged,
            Fate::AnswerLost,
            Fate::RequestLost,
            Fate::Refused,
        ];
        let weights = if around.is_rough {
            [24, 1, 1, 1]
        } else {
            [1, 0, 0, 0]
        };
        let fate = fates[around.random.weighted(&weights)];
        self.did = format!("commits epoch {epoch}: {fate:?}");
        let text = serde_json::to_string(progress).expect("a progress record is plain JSON");
        match around
            .broker
            .commit(self.producer, self.number, text, fate)?
        {
            Answer::Committed => {
                self.pending.clear();
                Ok(State::Committed(task))
            }
            Answer::Unknown => Err(Stop::Reload("the commit's answer is lost")),
            Answer::Aborted => Err(Stop::Reload("the commit is refused")),
        }
    }

    /// Between two epochs: now and then begins to store a snapshot.
    pub(super) async fn save(
        &mut self,
        around: &mut Around<'_>,
        mut task: Box<Task>,
    ) -> Result<State, Stop> {
        if around.random.below(3) > 0 || self.puts.len() >= KEPT {
            self.note("goes on");
            return Ok(State::Working(task));
        }
        let snapshot = task.snapshot().await;
        let snapshot = snapshot.map_err(|error| Stop::wrong("run", error))?;
        let epoch = snapshot.of().epoch;
        let bytes = snapshot.encode();
        let sha256 = sha256(&bytes);
        let name = SnapshotName {
            epoch,
            name: format!("0/{epoch:06}-{}", sha256.split_at(8).0),
            bytes: bytes.len() as u64,
            sha256,
        };
        let (delay, succeeds) = if around.is_rough {
            (around.random.below(40), around.random.below(5) > 0)
        } else {
            (around.random.below(4), true)
        };
        self.did = format!("begins to store {}", name.name);
        let ready = around.round + delay;
        let ticket = around.store.put(&name.name, bytes, ready, succeeds);
        self.puts.push((ticket, name));
        Ok(State::Working(task))
    }

    /// Learns which snapshots are stored by now, and deletes the oldest.
    pub(super) fn note_saved(&mut self, around: &mut Around<'_>, task: &mut Task) {
        let store = &mut *around.store;
        let newest = self.newest;
        let (done, waiting): (Vec<_>, Vec<_>) = std::mem::take(&mut self.puts)
            .into_iter()
            .partition(|(ticket, _)| store.outcome(*ticket).is_some());
        self.puts = waiting;
        for (ticket, name) in done {
            if store.outcome(ticket) == Some(true) && name.epoch > newest {
                self.newest = name.epoch;
                self.kept.push(name.name.clone());
                task.saved(name);
            }
        }
        while self.kept.len() > KEPT {
            store.delete(&self.kept.remove(0));
        }
    }
}
