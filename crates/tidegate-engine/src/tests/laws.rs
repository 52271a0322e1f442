//! Tries to break the promises of the crate's documentation with generated runs.

use std::collections::{BTreeMap, BTreeSet};

use arrow::array::{AsArray, RecordBatch};
use arrow::datatypes::{Int32Type, Int64Type};
use proptest::prelude::*;
use proptest::strategy::ValueTree;
use proptest::test_runner::TestRunner;

use super::*;
use crate::engine::window_ends;
use crate::{Firing, LateReason, Timing, first_instant};

/// Partition, offset and count of a row in a window.
type Counted = (i32, i64, i64);

/// What a run did, however it was cut into batches.
#[derive(Debug, Default, PartialEq)]
struct Effects {
    /// (query, timing, window end) -> rows.
    windows: BTreeMap<(usize, Timing, EventTime), BTreeSet<Counted>>,
    late: BTreeSet<(FeedId, LateReason, i32, i64, EventTime)>,
    duplicates: BTreeSet<(FeedId, i32, i64)>,
    firings: Vec<Firing>,
}

impl Effects {
    fn of(outputs: &[Output]) -> Self {
        let mut effects = Self::default();
        for output in outputs {
            effects.take(output);
        }
        effects
    }

    fn take(&mut self, output: &Output) {
        match output {
            Output::Accumulate {
                window,
                timing,
                batch,
            } => {
                for (end, row) in window_ends(batch).zip(counted(batch)) {
                    let rows = self.windows.entry((*window, *timing, end)).or_default();
                    rows.insert(row);
                }
            }
            Output::Late {
                feed,
                batch,
                reason,
                watermarks,
            } => {
                assert_eq!(batch.len(), watermarks.len());
                for (row, watermark) in watermarks.iter().enumerate() {
                    let place = batch.position(row);
                    let late = (
                        feed.clone(),
                        *reason,
                        place.partition,
                        place.offset,
                        *watermark,
                    );
                    assert!(self.late.insert(late));
                }
            }
            Output::Duplicate { feed, batch } => {
                for row in 0..batch.len() {
                    let place = batch.position(row);
                    let duplicate = (feed.clone(), place.partition, place.offset);
                    assert!(self.duplicates.insert(duplicate));
                }
            }
            Output::Fire(firing) => self.firings.push(firing.clone()),
            Output::Idle { .. } => {}
        }
    }
}

fn counted(batch: &RecordBatch) -> Vec<Counted> {
    let column = |name: &str| batch.column_by_name(name).unwrap();
    let partitions = column("source_partition").as_primitive::<Int32Type>();
    let offsets = column("source_offset").as_primitive::<Int64Type>();
    let counts = column("count").as_primitive::<Int64Type>();
    let rows = partitions.values().iter().zip(offsets.values());
    rows.zip(counts.values())
        .map(|((partition, offset), count)| (*partition, *offset, *count))
        .collect()
}

/// The same steps with one row a batch.
fn cut(steps: &[Input]) -> Vec<Input> {
    let mut cut = Vec::new();
    for step in steps {
        match step {
            Input::Batch { partition, batch } if !batch.is_empty() => {
                for row in 0..batch.len() {
                    let row = batch.batch().slice(row, 1);
                    cut.push(Input::Batch {
                        partition: partition.clone(),
                        batch: ObservationBatch::try_new(row).unwrap(),
                    });
                }
            }
            step => cut.push(step.clone()),
        }
    }
    cut
}

/// Checks each output against those before it, and the whole when everything has ended.
fn check_promises(outputs: &[Output], ended: bool) {
    let mut fired: BTreeSet<(u32, usize, EventTime)> = BTreeSet::new();
    let mut last = [EventTime::MIN; 2];
    let mut filled = BTreeSet::new();
    for output in outputs {
        match output {
            Output::Accumulate {
                window,
                timing,
                batch,
            } => {
                let revision = u32::from(*timing == Timing::AllowedLate);
                for end in window_ends(batch) {
                    let key = (revision, *window, end);
                    assert!(!fired.contains(&key), "{key:?} was full when it fired");
                    filled.insert(key);
                }
            }
            Output::Late {
                batch, watermarks, ..
            } => {
                for (row, watermark) in watermarks.iter().enumerate() {
                    let late_by = watermark.since(first_instant(batch, row));
                    assert!(late_by > config_lateness(), "late by {late_by} only");
                }
            }
            Output::Fire(Firing {
                end,
                windows,
                revision,
            }) => {
                let last = &mut last[usize::try_from(*revision).unwrap()];
                assert!(*end >= *last && !windows.is_empty());
                assert!(
                    *revision == 1 || *end > *last,
                    "all of one end fire together"
                );
                *last = *end;
                for window in windows {
                    assert!(fired.insert((*revision, *window, *end)), "fired twice");
                    let revised = fired.contains(&(1, *window, *end));
                    assert!(*revision == 1 || !revised, "revised before it fired");
                }
            }
            Output::Duplicate { .. } | Output::Idle { .. } => {}
        }
    }
    let forgotten: Vec<_> = filled.difference(&fired).collect();
    assert!(!ended || forgotten.is_empty(), "{forgotten:?} never fired");
}

fn config_lateness() -> Span {
    world::config().allowed_lateness
}

proptest! {
    #[test]
    fn promises_are_kept(inputs in world::inputs()) {
        let mut engine = Engine::new(world::config());
        let (_, outputs) = world::live(&mut engine, &inputs);
        check_promises(&outputs, matches!(inputs.last(), Some(Input::End)));
        let effects = Effects::of(&outputs);
        let counts = engine.accounting().values();
        let late: u64 = counts.clone().map(|counts| counts.late).sum();
        let duplicate: u64 = counts.map(|counts| counts.duplicate).sum();
        prop_assert_eq!(late, effects.late.len() as u64);
        prop_assert_eq!(duplicate, effects.duplicates.len() as u64);
    }

    /// T6: the watermark that a late row missed and the order of firings included.
    #[test]
    fn batch_cuts_change_nothing(inputs in world::inputs()) {
        let mut engine = Engine::new(world::config());
        let (steps, outputs) = world::live(&mut engine, &inputs);
        let mut other = Engine::new(world::config());
        let (_, other_outputs) = world::live(&mut other, &cut(&steps));
        prop_assert_eq!(Effects::of(&outputs), Effects::of(&other_outputs));
        prop_assert_eq!(engine.watermark(), other.watermark());
        prop_assert_eq!(engine.accounting(), other.accounting());
    }
}

/// A law that nothing puts to the test holds always: the generated runs reach every output.
#[test]
fn generated_runs_reach_everything() {
    let mut runner = TestRunner::deterministic();
    let mut seen: BTreeMap<String, usize> = BTreeMap::new();
    for _ in 0..100 {
        let inputs = world::inputs().new_tree(&mut runner).unwrap().current();
        let mut engine = Engine::new(world::config());
        for output in give_all(&mut engine, inputs) {
            let word = match &output {
                Output::Accumulate { timing, .. } => format!("{timing:?}"),
                Output::Late { reason, .. } => format!("{reason:?}"),
                Output::Duplicate { .. } => "duplicate".to_owned(),
                Output::Idle { .. } => "idle".to_owned(),
                Output::Fire(firing) => format!("revision {}", firing.revision),
            };
            *seen.entry(word).or_default() += 1;
        }
    }
    assert_eq!(seen.len(), 8, "{seen:?}");
    assert!(seen.values().all(|times| *times >= 20), "{seen:?}");
}
