//! The edge of Tidegate: Kafka in and out, recorded files in, Parquet files out.
//!
//! This crate does the I/O that the pure crates describe. It promises bounded memory on every path,
//! and that nothing is lost or half-written without an error that names broker, topic, partition or
//! file. It decodes nothing: what it gives out are bytes with a position.
//!
//! - [`KafkaSource`] and [`KafkaSink`]: topics, by threads and bounded queues, without a runtime.
//! - [`EmbeddedBroker`]: a Kafka broker in this process, for the demo and for tests.
//! - [`RecordedFile`]: CSV, JSON and Parquet files as messages.
//! - [`Lake`]: the Parquet files and the summary of one run.
//!
//! The only `unsafe` code of the product is in the module `batch`.

mod error;

mod batch;
mod client;
mod embedded;
mod inspect;
mod reader;
mod sink;
mod source;

mod lake;
mod recorded;

#[cfg(test)]
mod kafka_tests;
#[cfg(test)]
mod lake_tests;
#[cfg(test)]
mod recorded_tests;

pub use batch::MessageBatch;
pub use client::{Properties, REACH_WITHIN};
pub use embedded::EmbeddedBroker;
pub use error::{ConnectError, Disposition, ErrorKind};
pub use inspect::{Ends, INSPECT_RECORDS_MAX, InspectedRecord, Inspector};
pub use lake::{Lake, LakeTable};
pub use recorded::{EXTENSIONS, MESSAGE_BYTES_MAX, Messages, RecordedFile, RecordedKind};
pub use sink::{KafkaSink, Retention};
pub use source::{Drained, KafkaSource, SourceConfig, SourceEvent, Stop, drain_count};
