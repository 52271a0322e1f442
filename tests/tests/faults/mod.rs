//! Tries to break exactly-once: kills the product at every step of an epoch and at random
//! instants, kills brokers, cuts and slows links, pauses a process until its session is over,
//! truncates logs and adds partitions, all under load, and compares what a reader of committed
//! records sees with plain batch SQL over the same input.
//!
//! The tests called `real_…` need brokers that they may break: `cargo xtask test real` (and `cargo
//! ci`) starts them. Without it they say that they skip. The other tests here are about the
//! instruments themselves: an instrument that sees nothing would make every run look good.
//!
//! - [`kafka`]: the clusters, and killing and starting their nodes.
//! - [`link`]: a connection that can be cut, stalled and slowed.
//! - [`product`]: the product as a process.
//! - [`workload`]: a small pipeline, its input, and what must come out of it.
//! - [`compare`]: lost, doubled and wrong records.
//! - [`scenario`]: all of them together, and the line for the crash matrix.

mod compare;
mod kafka;
mod link;
mod product;
mod scenario;
mod workload;

mod alertmanager;
mod brokers;
mod feeds;
mod instances;
mod kills;
mod limits;
mod links;
mod notices;
mod rules;
