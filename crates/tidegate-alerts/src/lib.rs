//! Rules and the alert state machine.
//!
//! A rule of `rules.toml` ([`RuleConfig`]) is checked into a [`Rule`]; the [`AlertMachine`] is
//! shown the final rows of each layer, window by window, and answers with [`AlertTransition`]s.
//! [`backtest`] says what rules would have done on stored layers.
//! [`lint`] says what in rules is allowed and seldom meant.
//!
//! This crate promises:
//! - event time only: no clock, no I/O; the same windows give the same transitions, ids included;
//! - A1: an alert is not raised a second time without an observation at or below `clear_below`
//!   (or below `fire_above`, where only missing data had raised it; or its rule ended it for
//!   missing data or outside of its hours);
//! - A2: at most one transition per alert and window;
//! - an alert climbs its rule's ladder at once and goes down one step at a time;
//! - [`AlertMachine::state`] is complete: a machine restored from it goes on as if nothing had
//!   happened;
//! - missing data never clears an alert unless its rule says `on_no_data = "resolve"`, and never
//!   counts as recovery; too little data and a layer that fails never clear one at all;
//! - what it remembers is bounded: [`ALERTS_MAX`], [`SUBJECTS_MAX`].
//!
//! It does not group, route, silence or deliver.

mod digest;
mod template;
mod words;

mod config;
mod interval;
mod rule;

mod machine;
mod measurement;
mod transition;

pub mod backtest;
pub mod state;
pub mod wire;

pub use config::{OneOrMany, RuleConfig, StepConfig, Texts};
pub use interval::{HolidayRule, TimeIntervalConfig, TimeIntervals, TimesConfig, Weekday};
pub use machine::{ALERTS_MAX, AlertMachine, RestoreError, SUBJECTS_MAX};
pub use measurement::Measurement;
pub use rule::{ClearDistance, Problem, Rule, Step, Warning, lint};
pub use transition::{AlertState, AlertTransition, Why};
pub use words::{Compare, Mode, OnNoData, Severity};
