//! Whether what is called idle is idle: quiet at its log's end for `idle_after`, the process
//! itself awake.

use std::collections::BTreeMap;

use tidegate_pipeline::Step;

use super::check::Violation;
use super::shape::{SECOND, Shape};
use super::step::{Action, action};
use super::traffic::{Key, Log};

/// A longer silence of the process is its own stall, and no sign of a quiet partition.
const AWAKE_MAX: i64 = SECOND;

/// For how long one partition has been quiet; times in microseconds.
#[derive(Debug, Default)]
struct Quiet {
    so_far: i64,
    /// At its log's end: where that is, and until when this was seen.
    at_end: Option<(i64, i64)>,
}

/// What one process has seen of its partitions.
#[derive(Debug, Default)]
pub(crate) struct Idleness {
    quiet: BTreeMap<Key, Quiet>,
    /// For how long a partition was quiet at a position, as far as it was a log's end.
    seen: BTreeMap<(Key, i64), i64>,
    /// Where the recorded steps have led.
    positions: BTreeMap<Key, i64>,
}

impl Idleness {
    /// The process begins at these positions.
    pub(crate) fn begin(&mut self, positions: impl Iterator<Item = (Key, i64)>) {
        *self = Self {
            positions: positions.collect(),
            ..Self::default()
        };
    }

    /// Messages of the log were read, from one offset up to another.
    pub(crate) fn read(&mut self, shape: &Shape, key: &Key, log: &Log, (from, to): (i64, i64)) {
        let sent = log.between(from, to);
        let quiet = self.quiet.entry(key.clone()).or_default();
        if sent.iter().any(|sent| log.is_news(shape, &key.0, sent)) {
            *quiet = Quiet::default();
        } else if !sent.is_empty() {
            quiet.at_end = None;
        } else if let Some((position, _)) = &mut quiet.at_end {
            *position = to;
        }
    }

    /// The partition is read to its log's end.
    pub(crate) fn caught_up(&mut self, key: &Key, position: i64, now: i64) {
        let quiet = self.quiet.entry(key.clone()).or_default();
        quiet.at_end.get_or_insert((position, now));
    }

    /// Time has passed.
    pub(crate) fn tick(&mut self, now: i64) {
        for (key, quiet) in &mut self.quiet {
            if let Some((position, since)) = &mut quiet.at_end {
                quiet.so_far += (now - *since).clamp(0, AWAKE_MAX);
                *since = now;
                self.seen.insert((key.clone(), *position), quiet.so_far);
            }
        }
    }

    /// Checks the decisions in `steps`.
    pub(crate) fn check(&mut self, steps: &[Step], idle_after: i64) -> Result<(), Violation> {
        for step in steps {
            let (key, action) = action(step);
            let position = self.positions.entry(key.clone()).or_default();
            match action {
                Action::Assigned(next) | Action::Read(_, next) => *position = next,
                Action::Idle => {
                    let seen = self.seen.get(&(key.clone(), *position));
                    let seen = seen.copied().unwrap_or(0);
                    if seen < idle_after {
                        let (feed, partition) = key;
                        let detail = format!(
                            "{feed} {partition} is called idle at {position}, where it had been \
                             quiet for {seen} us of {idle_after}"
                        );
                        return Err(Violation {
                            invariant: "T3",
                            detail,
                        });
                    }
                }
            }
        }
        Ok(())
    }
}
