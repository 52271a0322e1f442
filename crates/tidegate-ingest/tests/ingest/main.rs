//! Tries to break the ways into Kafka over loopback, against the embedded broker: servers that lie,
//! stall or flood, clients that lie, stall or flood, and brokers that go away in between.

#![expect(
    clippy::unwrap_used,
    clippy::print_stderr,
    reason = "a helper of tests fails and speaks as a test does"
)]

mod certificates;
mod config;
mod mqtt;
mod poll;
mod receive;
mod registry;
mod schema;
mod server;
mod support;
