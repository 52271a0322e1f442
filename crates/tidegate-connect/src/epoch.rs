//! What goes into an epoch, and what can become of it; [`crate::EpochSink`] writes it.

use std::time::Duration;

use crate::client::Properties;
use crate::error::ConnectError;
use crate::membership::GroupMetadata;

/// What the protocol adds to one record that is alone in its batch, at most.
pub(crate) const RECORD_OVERHEAD: usize = 128;

/// What an [`crate::EpochSink`] writes as, and how long it may wait.
#[derive(Debug, Clone)]
pub struct EpochSinkConfig {
    /// Brokers to ask first, `HOST:PORT[,HOST:PORT]`.
    pub bootstrap: String,
    /// The name that one writer at a time may have: `tidegate.PIPELINE.TASK`.
    pub transactional_id: String,
    /// The topics that will be written, for their limits on the size of a record. Records may go to
    /// other topics too; one that is too large is then noticed only by the broker.
    pub topics: Vec<String>,
    /// How long opening may take, waiting for a broker and for the transaction of a predecessor to
    /// be decided.
    pub open_within: Duration,
    /// How long one call of [`crate::EpochSink::commit_epoch`] or [`crate::EpochSink::resume_commit`] may take
    /// before the epoch is aborted, or, once its commit was asked for, uncertain.
    pub commit_within: Duration,
    /// How much longer an abort may take before the sink is given up.
    pub abort_within: Duration,
    /// How long the broker waits for an epoch to end before it aborts it (`transaction.timeout.ms`),
    /// at least 1 s and at most what the broker allows, usually 15 min. It also bounds how long
    /// readers of committed records wait for a writer that vanished.
    pub transaction_timeout: Duration,
    /// Further librdkafka properties, such as those for security.
    pub properties: Properties,
}

impl EpochSinkConfig {
    /// The usual limits: 60 s to open, 90 s to commit, 30 s to abort, and the broker aborts by
    /// itself after 60 s.
    pub fn new(bootstrap: &str, transactional_id: &str, topics: Vec<String>) -> Self {
        Self {
            bootstrap: bootstrap.to_owned(),
            transactional_id: transactional_id.to_owned(),
            topics,
            open_within: Duration::from_mins(1),
            commit_within: Duration::from_secs(90),
            abort_within: Duration::from_secs(30),
            transaction_timeout: Duration::from_mins(1),
            properties: Properties::new(),
        }
    }
}

/// One record of an epoch.
#[derive(Debug, Clone, Copy)]
pub struct OutRecord<'a> {
    /// Topic.
    pub topic: &'a str,
    /// Partition; `None` lets the key choose.
    pub partition: Option<i32>,
    /// Key.
    pub key: Option<&'a [u8]>,
    /// Value; `None` is a tombstone.
    pub value: Option<&'a [u8]>,
    /// Milliseconds since the epoch; `None` is now.
    pub timestamp_ms: Option<i64>,
}

impl OutRecord<'_> {
    /// Its size in a batch of its own, at most.
    pub(crate) fn bytes(&self) -> usize {
        self.key.map_or(0, <[u8]>::len) + self.value.map_or(0, <[u8]>::len) + RECORD_OVERHEAD
    }
}

/// How far the sources of an epoch were read, committed with it for a group.
#[derive(Debug, Clone, Copy)]
pub struct SourceOffsets<'a> {
    /// Of the membership, asked for anew for every epoch.
    pub group: &'a GroupMetadata,
    /// Topic, partition, and the offset that is due next.
    pub next: &'a [(&'a str, i32, i64)],
}

/// How far an [`crate::EpochSink`] got with an epoch, for an observer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum EpochStep {
    /// The transaction is open and empty.
    Begun,
    /// So many of its records are handed to the producer.
    Sent {
        /// How many, 1 or more.
        sent: usize,
        /// How many there are.
        of: usize,
    },
    /// The source offsets are part of the transaction.
    Offsets,
    /// Every record is stored, and the commit comes next.
    Stored,
    /// The commit was confirmed.
    Committed,
}

/// Why an epoch was not committed, as far as is known.
///
/// After `Fenced`, `Rewind` and `Fatal` the caller's state is ahead of what is stored: it drops the
/// sink and its state, and begins as after a crash (a new sink, the progress topic, a snapshot).
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum EpochError {
    /// Another writer took over the transactional id, or the broker aborted an epoch that took
    /// longer than `transaction_timeout` and fenced its writer. This sink writes nothing any more.
    ///
    /// Whoever gets this stops, unless its membership says that the task is still its own; then it
    /// begins anew. The epoch may be stored only if the commit had begun: the progress topic tells.
    #[error(
        "commit an epoch as {transactional_id}: {detail}; another instance took over, or this one \
         stood still for too long"
    )]
    Fenced {
        /// The transactional id.
        transactional_id: String,
        /// What the broker said.
        detail: String,
    },
    /// The epoch was given up: a record was not stored in time, or the group moved on without this
    /// member. Where [`crate::EpochSink::is_usable`] holds it is certain that nothing of it is stored, and
    /// the sink can go on; otherwise open a new one, which decides it.
    #[error("commit an epoch as {transactional_id}: {detail}; make it again from the last one")]
    Rewind {
        /// The transactional id.
        transactional_id: String,
        /// What went wrong.
        detail: String,
    },
    /// The commit was asked for and not answered: call [`crate::EpochSink::resume_commit`].
    #[error(
        "commit an epoch as {transactional_id}: no answer within {} s ({detail}); whether it is \
         stored is not known yet",
        waited.as_secs_f64()
    )]
    Uncertain {
        /// The transactional id.
        transactional_id: String,
        /// How long this call waited.
        waited: Duration,
        /// What the client library last said.
        detail: String,
    },
    /// The epoch holds what cannot be written: [`ConnectError::RecordTooLarge`],
    /// [`ConnectError::TopicMissing`] or [`ConnectError::Denied`]. Nothing of it is stored, and
    /// sending the same again gives the same. The sink goes on where [`crate::EpochSink::is_usable`]
    /// holds.
    #[error(transparent)]
    Refused(ConnectError),
    /// The client library failed for good. The epoch may be stored only if the commit had begun.
    #[error(transparent)]
    Fatal(ConnectError),
}
