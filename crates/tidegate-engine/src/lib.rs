//! Event time that cannot lie: watermarks, windows, lateness and duplicates.
//!
//! # What is promised
//! - A *window* is half-open `[start, end)` in event time. A *window query* has a size and a slide.
//! - Each source partition `p` has a watermark
//!   `W(p) = max(interval_end seen on p) - out_of_orderness - interval_max`:
//!   no on-time record of `p` touches event time before `W(p)`. It never goes back.
//! - The merged watermark is the minimum over partitions that are not idle and not ended.
//! - A record is late only against **its own** partition's watermark as it stood before the
//!   record; a window closes at the **merged** one. Merged is never above own, so neither the
//!   interleaving of partitions nor the batch size can change what a window holds when it closes.
//! - A late record within `allowed_lateness` is kept apart from the on-time rows and enters only
//!   revision 1 of its windows, even while they are still open: revision 0 and revision 1 are both
//!   independent of interleaving. Later than that, it is an [`Output::Late`], never a silent drop.
//! - Windows fire in order of their end, each exactly once, and fire empty between windows with
//!   data, so that what rests on time passing (occupancy, missing data) sees time pass.
//!
//! # What is not done here
//! No I/O, no clock, no query engine, no hash-map order. [`Engine::handle`] takes an input,
//! [`Engine::poll_output`] gives what to do next; the caller holds the aggregates.
//!
//! ```
//! use tidegate_engine::{Config, Engine, Input, Output, PartitionId, PartitionSpec, WindowSpec};
//! use tidegate_model::{EventTime, FeedId, Measure, Observation, ObservationBuilder, Position,
//!     Quality, Span, Subject};
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
//!         subject: Subject::Person, count: 3, origin: None, coordinate: None,
//!         quality: Quality::GOOD, position: Position::default(),
//!     });
//! }
//! engine.handle(Input::Batch { partition: rail, batch: rows.finish() });
//! let outputs: Vec<_> = std::iter::from_fn(|| engine.poll_output()).collect();
//! // The second record moved the watermark to minute 7, past the end of the first window.
//! assert!(matches!(&outputs[0], Output::Accumulate { .. }));
//! assert!(matches!(&outputs[1], Output::Fire(firing) if firing.end == EventTime::EARLIEST.plus(Span::minutes(5))));
//! ```

mod watermark;
mod window;

mod dedup;
mod schedule;

mod engine;

pub use engine::{
    Accounting, Config, Engine, Firing, Input, LateReason, Output, PartitionId, PartitionSpec,
    ProcessingTime, Timing,
};
pub use window::{WINDOW_END, WINDOW_START, WINDOWED_SCHEMA, WindowSpec, WindowSpecError, assign};
