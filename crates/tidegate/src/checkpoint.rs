//! `tidegate checkpoint`: what is stored of a pipeline's state, and whether it is whole.

use std::path::Path;

use anyhow::{Context, Result, bail, ensure};
use serde_json::{Value, json};
use tidegate_connect::{SnapshotEntry, SnapshotOptions, SnapshotStore};
use tidegate_pipeline::Snapshot;

use crate::cli::Checkpoint;
use crate::folder;
use crate::live::default_state;

/// What a command found: lines for people, a value for programs, and whether all is well.
#[derive(Debug)]
pub(crate) struct Report {
    pub(crate) lines: Vec<String>,
    pub(crate) value: Value,
    pub(crate) is_good: bool,
}

/// Runs the command.
pub(crate) async fn checkpoint(command: &Checkpoint) -> Result<Report> {
    let place = command.place();
    let pipeline = folder::load(&place.pipeline).await?;
    let (pipeline, fingerprint) = (pipeline.name.clone(), pipeline.fingerprint.clone());
    let state = match &place.state {
        Some(state) => state.clone(),
        None => default_state()?,
    };
    let command = command.clone();
    // A store waits, which must not happen on the thread of the runtime.
    let work = move || {
        let stored = Stored::open(&state, &pipeline)?;
        match &command {
            Checkpoint::List(_) => Ok(stored.list()),
            Checkpoint::Verify { name, .. } => stored.verify(name.as_deref()),
            Checkpoint::Inspect { name, .. } => stored.inspect(name.as_deref(), &fingerprint),
        }
    };
    let thread = std::thread::spawn(work);
    thread.join().ok().context("a thread panicked")?
}

/// The snapshots of one pipeline.
struct Stored {
    store: SnapshotStore,
    state: String,
    pipeline: String,
    /// In the order of their names, so by task and epoch.
    entries: Vec<SnapshotEntry>,
}

impl Stored {
    fn open(state: &str, pipeline: &str) -> Result<Self> {
        // Opening a store makes its folder; asking what is there must not.
        ensure!(
            state.contains("://") || Path::new(state).is_dir(),
            "{state} is not there: give the --state of `tidegate run`"
        );
        let store = SnapshotStore::open(state, &SnapshotOptions::default())?;
        let entries = (0..)
            .map(|task| store.list(&format!("{pipeline}/{task}")))
            .take_while(|entries| !matches!(entries, Ok(entries) if entries.is_empty()))
            .collect::<Result<Vec<_>, _>>()?
            .concat();
        Ok(Self {
            store,
            state: state.to_owned(),
            pipeline: pipeline.to_owned(),
            entries,
        })
    }

    fn list(&self) -> Report {
        let mut lines = Vec::new();
        for entry in &self.entries {
            lines.push(format!("{}  {} bytes", entry.name, entry.bytes));
        }
        if lines.is_empty() {
            lines.push(self.nothing());
        }
        let entries: Vec<Value> = self
            .entries
            .iter()
            .map(|entry| json!({ "name": entry.name, "bytes": entry.bytes }))
            .collect();
        Report {
            lines,
            value: json!({ "pipeline": self.pipeline, "snapshots": entries }),
            is_good: true,
        }
    }

    fn verify(&self, name: Option<&str>) -> Result<Report> {
        let (mut lines, mut values, mut is_good) = (Vec::new(), Vec::new(), true);
        for entry in self.chosen(name)? {
            let outcome = self.load(entry);
            is_good &= outcome.is_ok();
            let (line, fault) = match outcome {
                Ok(snapshot) => (format!("whole, epoch {}", snapshot.of().epoch), None),
                Err(error) => (format!("DAMAGED: {error:#}"), Some(format!("{error:#}"))),
            };
            lines.push(format!("{}  {line}", entry.name));
            values.push(json!({ "name": entry.name, "fault": fault }));
        }
        if lines.is_empty() {
            lines.push(self.nothing());
        }
        Ok(Report {
            lines,
            value: json!({ "pipeline": self.pipeline, "ok": is_good, "snapshots": values }),
            is_good,
        })
    }

    fn inspect(&self, name: Option<&str>, fingerprint: &str) -> Result<Report> {
        let Some(entry) = self.chosen(name)?.pop() else {
            bail!("{}", self.nothing());
        };
        let snapshot = self.load(entry)?;
        let of = snapshot.of();
        let fits = of.fingerprint == fingerprint;
        let mut lines = vec![
            format!("{}  {} bytes", entry.name, entry.bytes),
            format!(
                "  pipeline {}, task {}, epoch {}",
                of.pipeline, of.task, of.epoch
            ),
            if fits {
                "  the pipeline folder is the one that wrote it".to_owned()
            } else {
                "  the pipeline folder has changed since: it cannot be resumed".to_owned()
            },
        ];
        let positions = snapshot.positions()?;
        for (feed, partition, next) in &positions {
            lines.push(format!("  {feed} {partition}: next offset {next}"));
        }
        for (section, size) in snapshot.sections() {
            lines.push(format!("  {section}: {size}"));
        }
        let positions: Vec<Value> = positions
            .iter()
            .map(|(feed, partition, next)| json!({ "feed": feed, "partition": partition, "next": next }))
            .collect();
        let sections: serde_json::Map<String, Value> = snapshot
            .sections()
            .map(|(name, size)| (name.to_owned(), json!(size)))
            .collect();
        Ok(Report {
            lines,
            value: json!({
                "name": entry.name, "bytes": entry.bytes, "pipeline": of.pipeline,
                "fingerprint": of.fingerprint, "fits": fits, "task": of.task, "epoch": of.epoch,
                "positions": positions, "sections": sections,
            }),
            is_good: true,
        })
    }

    /// The snapshot of that name, or all of them.
    fn chosen(&self, name: Option<&str>) -> Result<Vec<&SnapshotEntry>> {
        let Some(name) = name else {
            return Ok(self.entries.iter().collect());
        };
        let found: Vec<&SnapshotEntry> = self
            .entries
            .iter()
            .filter(|entry| entry.name == name)
            .collect();
        ensure!(
            !found.is_empty(),
            "there is no snapshot {name:?}; `tidegate checkpoint list` has the names"
        );
        Ok(found)
    }

    fn load(&self, entry: &SnapshotEntry) -> Result<Snapshot> {
        let bytes = self.store.get_named(&entry.name)?;
        Ok(Snapshot::decode(&bytes)?)
    }

    fn nothing(&self) -> String {
        format!(
            "no snapshots of pipeline {:?} in {}: a run saves its first one after --snapshot-every",
            self.pipeline, self.state
        )
    }
}
