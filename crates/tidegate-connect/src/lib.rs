//! The edge of Tidegate: Kafka in and out, recorded files in, Parquet files out.
//!
//! This crate does the I/O that the pure crates describe. It promises bounded memory on every path,
//! and that nothing is lost or half-written without an error that names broker, topic, partition or
//! file. It decodes nothing: what it gives out are bytes with a position.
//!
//! - [`KafkaSource`] and [`KafkaSink`]: topics, by threads and bounded queues, without a runtime.
//! - [`AckedSink`]: records that each wait for their own acknowledgement, for many tasks at once.
//! - [`EpochSink`], [`Membership`], [`read_progress`], [`SnapshotStore`] and [`RangeReader`]: what
//!   exactly-once work needs. An epoch is one transaction; a consumer group shares the tasks; a task
//!   finds its way back by its progress record, the snapshot that it names, and a second reading of
//!   exact ranges.
//! - [`EmbeddedBroker`]: a Kafka broker in this process, for the demo and for tests.
//! - [`RecordedFile`]: CSV, JSON and Parquet files as messages.
//! - [`Lake`]: the Parquet files and the summary of one run.
//!
//! The only `unsafe` code of the product is in the module `batch`.

mod error;

mod acked;
mod batch;
mod client;
mod embedded;
mod inspect;
mod reader;
mod sink;
mod source;
mod topics;

mod epoch;
mod member;
mod membership;
mod progress;
mod replay;
mod snapshot_store;
mod transaction;

mod lake;
mod layer_file;
mod recorded;

#[cfg(test)]
mod acked_tests;
#[cfg(test)]
mod kafka_tests;
#[cfg(test)]
mod lake_tests;
#[cfg(test)]
mod membership_tests;
#[cfg(test)]
mod real_kafka;
#[cfg(test)]
mod recorded_tests;
#[cfg(test)]
mod replay_tests;
#[cfg(test)]
mod snapshot_tests;
#[cfg(test)]
mod source_tests;
#[cfg(test)]
mod transaction_tests;

pub use acked::{AckedRecord, AckedSink, PendingRecord};
pub use batch::MessageBatch;
pub use client::{Properties, REACH_WITHIN};
pub use embedded::EmbeddedBroker;
pub use epoch::{EpochError, EpochSinkConfig, EpochStep, OutRecord, SourceOffsets};
pub use error::{ConnectError, Disposition, ErrorKind};
pub use inspect::{Ends, INSPECT_RECORDS_MAX, InspectedRecord, Inspector};
pub use lake::{Lake, LakeTable};
pub use layer_file::{LayerBatches, LayerFile};
pub use membership::{GroupMetadata, GroupProtocol, Membership, MembershipConfig, MembershipEvent};
pub use progress::{PROGRESS_READ_MAX, ProgressRecord, read_progress, trim_progress};
pub use recorded::{EXTENSIONS, MESSAGE_BYTES_MAX, Messages, RecordedFile, RecordedKind};
pub use replay::RangeReader;
pub use sink::KafkaSink;
pub use snapshot_store::{SnapshotEntry, SnapshotOptions, SnapshotRef, SnapshotStore};
pub use source::{
    Drained, KafkaSource, PartitionChoice, SourceConfig, SourceEvent, Stop, drain_count,
};
pub use topics::{Retention, TopicSpec};
pub use transaction::{EpochSink, MESSAGE_BYTES_LIMIT};
