//! One binary for what crosses crates: the engine against plain SQL, the command line, recorded
//! real feeds, a real Apache Kafka, and everything that can break around it.

#![expect(
    clippy::unwrap_used,
    clippy::print_stderr,
    reason = "a helper of tests fails and speaks as a test does"
)]

mod backtest;
mod bad_input;
mod command;
mod failing_layer;
mod faults;
mod feed_quality;
mod foresight;
mod kept;
mod notify;
mod occupancy;
mod provisional;
mod published;
mod quarantine;
mod readme;
mod real_feeds;
mod rejected;
mod rule_changes;
mod schemas;
mod science;
mod simulation;
mod stops;
mod stream_equals_batch;
mod support;
