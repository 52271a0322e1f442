//! One binary for what crosses crates: the engine against plain SQL, the command line, recorded
//! real feeds, and a real Apache Kafka.

mod command;
mod readme;
mod real_feeds;
mod stream_equals_batch;
mod support;
