//! Rules and the alert state machine.
//!
//! A rule of `rules.toml` ([`RuleConfig`]) is checked into a [`Rule`]; the [`AlertMachine`] is
//! shown the final rows of each layer, window by window, and answers with [`AlertTransition`]s.
//!
//! This crate promises:
//! - event time only: no clock, no I/O; the same windows give the same transitions, ids included;
//! - A1: an alert is not raised a second time without an observation at or below `clear_below`;
//! - A2: at most one transition per alert and window;
//! - [`AlertMachine::state`] is complete: a machine restored from it goes on as if nothing had
//!   happened;
//! - missing data never clears an alert, and never counts as recovery.
//!
//! It does not group, route, silence or deliver.

mod digest;
mod template;

mod config;
mod rule;

mod machine;
mod measurement;
mod transition;

pub mod state;
pub mod wire;

pub use config::{Compare, OneOrMany, RuleConfig, Severity, Texts};
pub use machine::{ALERTS_MAX, AlertMachine, RestoreError};
pub use measurement::Measurement;
pub use rule::{Problem, Rule};
pub use transition::{AlertState, AlertTransition};
