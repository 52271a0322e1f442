//! Event time that cannot lie: watermarks, windows, lateness and duplicates.
//!
//! # What is promised
//! - A *window* is half-open `[start, end)` in event time. A *window query* has a size and a slide.
//! - Each source partition `p` has a watermark
//!   `W(p) = max(interval_end seen on p) - out_of_orderness - interval_max`:
//!   no on-time record of `p` touches event time before `W(p)`. It never goes back.
//! - The merged watermark is the minimum over partitions that are not idle and not ended. A
//!   partition without a record, once assigned, holds it where it is.
//! - A record is late only against **its own** partition's watermark as it stood before the
//!   record; a window closes at the **merged** one. Merged is never above own, so neither the
//!   interleaving of partitions nor the batch size can change what a window holds when it closes.
//! - The exception is a partition that windows closed without, because it was idle or is new: what
//!   it brings for them is late against the merged watermark, by the same rules. Whether a
//!   partition is idle is a *decision* that rests on processing time; it is given out as
//!   [`Output::Idle`], and [`Input::Idle`] repeats it.
//! - Lateness is judged once for a record, not for each of its windows: a record is late when any
//!   window that holds its [`first_instant`] has closed.
//! - A late record within `allowed_lateness` is kept apart from the on-time rows and enters only
//!   revision 1 of its windows, even while they are still open: revision 0 and revision 1 are both
//!   independent of interleaving. Later than that, it is an [`Output::Late`], never a silent drop.
//! - Windows fire in order of their end, each exactly once, and fire empty between windows with
//!   data, so that what rests on time passing (occupancy, missing data) sees time pass.
//! - A record whose id its partition remembers is an [`Output::Duplicate`]. Each partition
//!   remembers at most 2,000,000 ids; beyond it the oldest are forgotten early, and counted.
//!
//! # What is not done here
//! No I/O, no clock, no query engine, no hash-map order; the caller holds the aggregates.
//!
//! # How to drive it
//! 1. Hand in what happened with [`Engine::handle`].
//! 2. Do what [`Engine::poll_output`] says, in its order, until it gives `None`.
//! 3. Wait for the next input, but at most until [`Engine::poll_timeout`]; then hand in an
//!    [`Input::Tick`] with the time that it is. More ticks do no harm.
//!
//! # How to recover
//! `Assigned`, `Batch`, `Idle`, `Ended` and `End` are steps; `Tick` and `CaughtUp` are not. Record
//! the steps in order, with every [`Output::Idle`] as a step [`Input::Idle`] in the place of the
//! tick that gave it. The same steps give the same outputs but for [`Output::Idle`], from a new
//! engine, or from one restored from an [`EngineState`] that [`Engine::state`] gave between two of
//! them.
//!
//! ```
//! use tidegate_engine::{Config, Engine, Input, Output, PartitionId, PartitionSpec, WindowSpec};
//! use tidegate_model::{CountRange, EventTime, FeedId, Measure, Observation, ObservationBuilder,
//!     Position, Quality, Span, Subject};
//!
//! let window = WindowSpec::tumbling("flow_5m", Span::minutes(5)).unwrap();
//! let mut engine = Engine::new(Config::new(vec![window]));
//! let rail = PartitionId { feed: FeedId::new("rail"), partition: 0 };
//! engine.handle(Input::Assigned {
//!     partition: rail.clone(),
//!     spec: PartitionSpec { out_of_orderness: Span::ZERO, interval_max: Span::minutes(1), dedup_within: None },
//! });
//! let mut rows = ObservationBuilder::new(FeedId::new("rail"), 2);
//! for minute in [0, 7] {
//!     let start = EventTime::EARLIEST.plus(Span::minutes(minute));
//!     rows.push(&Observation {
//!         event_id: 0, site_id: "north", interval_start: start,
//!         interval_end: start.plus(Span::minutes(1)), measure: Measure::In,
//!         subject: Subject::Person, count: 3, range: CountRange::exact(3), origin: None,
//!         coordinate: None, quality: Quality::GOOD, position: Position::default(),
//!     });
//! }
//! engine.handle(Input::Batch { partition: rail, batch: rows.finish() });
//! let outputs: Vec<_> = std::iter::from_fn(|| engine.poll_output()).collect();
//! // The second record moved the watermark to minute 7, past the end of the first window.
//! assert!(matches!(&outputs[0], Output::Accumulate { .. }));
//! assert!(matches!(&outputs[1], Output::Fire(firing) if firing.end == EventTime::EARLIEST.plus(Span::minutes(5))));
//! ```

mod config;
mod input;
mod output;

mod accounting;
mod verdict;
mod watermark;
mod window;

mod dedup;
mod id_set;
mod schedule;

mod engine;
mod state;

#[cfg(test)]
mod tests;

pub use accounting::Accounting;
pub use config::Config;
pub use engine::Engine;
pub use input::{Input, PartitionId, PartitionSpec, ProcessingTime};
pub use output::{Firing, LateReason, Output, Timing};
pub use state::{EngineState, RestoreError};
pub use window::{
    WINDOW_END, WINDOW_START, WINDOWED_SCHEMA, WindowSpec, WindowSpecError, assign, first_instant,
};
