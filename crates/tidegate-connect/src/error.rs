//! The one error of this crate: what went wrong with which broker, topic, partition or file, and
//! what to do about it.

use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

/// What the caller can do after a [`ConnectError`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Disposition {
    /// The same call can succeed later without anyone changing anything here.
    Retry,
    /// Somebody has to act first: start again only after that.
    Halt,
}

/// The family of a [`ConnectError`], for exit codes, metrics and tests.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ErrorKind {
    /// No broker answered in time, or a partition has no leader.
    Unreachable,
    /// A topic does not exist.
    TopicMissing,
    /// The broker refuses access.
    Denied,
    /// The log no longer holds what was to be read next.
    LogOvertaken,
    /// Records were not delivered.
    Delivery,
    /// A setting is wrong.
    Configuration,
    /// The client library or the broker reported something else.
    Client,
    /// A file or folder could not be opened, read or written.
    File,
    /// A file does not hold what its name promises.
    Corrupt,
    /// No space is left.
    DiskFull,
    /// Somebody else is writing to the folder.
    Busy,
    /// A snapshot that was written is not there.
    SnapshotMissing,
}

/// Why a source, a sink, a recorded file or the lake could not do its work.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ConnectError {
    /// No broker of the bootstrap list answered within the bounded wait.
    #[error(
        "reach Kafka at {bootstrap} within {}: {detail}; start the broker or correct --bootstrap",
        seconds(*waited)
    )]
    Unreachable {
        /// The bootstrap list, `HOST:PORT[,HOST:PORT]`.
        bootstrap: String,
        /// How long was waited.
        waited: Duration,
        /// What the client library last said.
        detail: String,
    },
    /// Topics that the source needs are not on the broker.
    #[error(
        "find topic {} on {bootstrap}, which has {}; create the topic, correct its name in the feed \
         file, or fill it with `tidegate replay`",
        topics.join(", "),
        listed(known)
    )]
    TopicMissing {
        /// The bootstrap list.
        bootstrap: String,
        /// The topics that are missing.
        topics: Vec<String>,
        /// The topics that are there, at most ten.
        known: Vec<String>,
    },
    /// The broker does not let this client in.
    #[error("use {what}: {detail}; grant the right or set the security properties of the client")]
    Denied {
        /// The topic or cluster.
        what: String,
        /// What the broker said.
        detail: String,
    },
    /// Retention removed records before they were read, or the topic was cut or made anew.
    #[error(
        "read topic {topic} partition {partition} from offset {wanted}: the broker now holds {}; \
         records in between are lost to this run, so start again from what is left (a longer \
         retention or a faster reader avoids it)",
        held(*earliest, *latest)
    )]
    LogOvertaken {
        /// Topic.
        topic: String,
        /// Partition.
        partition: i32,
        /// The offset that was to be read next.
        wanted: i64,
        /// The earliest offset that the broker still holds, where it could be asked.
        earliest: Option<i64>,
        /// The offset after the last one that the broker holds, where it could be asked.
        latest: Option<i64>,
    },
    /// An offset came that had been read before: the log was cut or made anew.
    #[error(
        "read topic {topic} partition {partition} in order: offset {got} came where {expected} or \
         later was due; the topic was probably deleted and made anew, so start again"
    )]
    OffsetWentBack {
        /// Topic.
        topic: String,
        /// Partition.
        partition: i32,
        /// The lowest offset that could follow.
        expected: i64,
        /// The offset that came.
        got: i64,
    },
    /// Records handed to the sink did not reach the broker.
    #[error(
        "deliver {failed} of the records sent to {bootstrap}, first {first}; they are not stored"
    )]
    Delivery {
        /// The bootstrap list.
        bootstrap: String,
        /// How many were given up.
        failed: u64,
        /// Topic and reason of the first one.
        first: String,
    },
    /// No broker acknowledged a record in time. It may be stored nevertheless.
    #[error(
        "have a record for topic {topic} acknowledged by {bootstrap}: {detail}; it may be stored \
         all the same, so sending it again may store it twice"
    )]
    Unacknowledged {
        /// The bootstrap list.
        bootstrap: String,
        /// Topic.
        topic: String,
        /// What the client library said.
        detail: String,
    },
    /// A record is larger than its topic takes. Nothing of it was sent.
    #[error(
        "send a record of {bytes} bytes to topic {topic}, which takes {limit}; raise the topic's \
         max.message.bytes"
    )]
    RecordTooLarge {
        /// Topic.
        topic: String,
        /// Key, value and what the protocol adds.
        bytes: usize,
        /// The most that the topic takes, or that this client sends.
        limit: usize,
    },
    /// A transaction of another writer stands open, so that what follows it cannot be read yet.
    #[error(
        "read topic {topic} partition {partition} to offset {end}: a transaction is open at \
         {stable} since {} or longer; it ends when its writer is fenced or by its timeout",
        seconds(*waited)
    )]
    TransactionOpen {
        /// Topic.
        topic: String,
        /// Partition.
        partition: i32,
        /// The offset up to which committed records can be read.
        stable: i64,
        /// The end of the log.
        end: i64,
        /// How long was waited.
        waited: Duration,
    },
    /// The sink's queue did not empty in time.
    #[error(
        "send to {bootstrap}: {waiting} records still wait after {}; the broker is too slow or away",
        seconds(*waited)
    )]
    SinkBlocked {
        /// The bootstrap list.
        bootstrap: String,
        /// Records in the local queue.
        waiting: usize,
        /// How long was waited.
        waited: Duration,
    },
    /// A setting is wrong.
    #[error("set up the Kafka client: {detail}")]
    Configuration {
        /// Which setting, its value, and what is allowed.
        detail: String,
    },
    /// Anything else that the client library or the broker reports.
    #[error("{doing} on {bootstrap}: {detail}")]
    Client {
        /// The bootstrap list.
        bootstrap: String,
        /// What was being done, as a verb.
        doing: String,
        /// What the library said.
        detail: String,
    },
    /// The source failed before and reads no more.
    #[error("read on after the source failed: open it again")]
    SourceFailed,
    /// The membership failed before, or was left.
    #[error("stay in the group: the membership ended, so join again")]
    MembershipEnded,
    /// A file could not be opened, read or written.
    // The message has all of it: as `source` too, whoever prints the chain would say it twice.
    #[error("{doing} {}: {error}", path.display())]
    File {
        /// What was being done, as a verb.
        doing: &'static str,
        /// The file or folder.
        path: PathBuf,
        /// What the system said.
        error: io::Error,
    },
    /// No space is left where a file is written.
    #[error(
        "write {}: no space is left on its disk; nothing half-written was kept, so free space and \
         run again",
        path.display()
    )]
    DiskFull {
        /// The file.
        path: PathBuf,
    },
    /// A file does not hold what its name promises.
    #[error("read {}{}: {detail}", path.display(), at_row(*row))]
    Corrupt {
        /// The file.
        path: PathBuf,
        /// The row, message or element, counted from 1, where it is known.
        row: Option<u64>,
        /// What is wrong.
        detail: String,
    },
    /// The extension is not that of a recorded feed.
    #[error("read {} as a recorded feed: its name must end in one of {known}", path.display())]
    UnknownExtension {
        /// The file.
        path: PathBuf,
        /// The known extensions.
        known: &'static str,
    },
    /// Another run writes to the lake.
    #[error(
        "write to {}: another run is writing there; wait for it or choose another folder",
        dir.display()
    )]
    Busy {
        /// The lake's folder.
        dir: PathBuf,
    },
    /// A snapshot that was written is not in its store.
    #[error("load snapshot {location}: it is not there; use the one before it")]
    SnapshotMissing {
        /// Store and name.
        location: String,
    },
    /// A snapshot does not hold the bytes that were written.
    #[error(
        "load snapshot {location}: its SHA-256 is {found}, {expected} was written; use the one \
         before it"
    )]
    SnapshotCorrupt {
        /// Store and name.
        location: String,
        /// The hash of what was written, in hexadecimal.
        expected: String,
        /// The hash of what is there, in hexadecimal.
        found: String,
    },
    /// The store of snapshots does not answer or cannot do its work now.
    #[error("{doing} {location}: {detail}")]
    StoreUnreachable {
        /// What was being done, as a verb.
        doing: &'static str,
        /// Store and name.
        location: String,
        /// What the store or the network said.
        detail: String,
    },
    /// No space is left in the store of snapshots.
    #[error(
        "write snapshot {location}: no space is left; nothing half-written was kept, and the next \
         try succeeds once there is space"
    )]
    StoreFull {
        /// Store and name.
        location: String,
    },
    /// A lake table got a name or rows that it cannot take.
    #[error("write lake table {table}: {detail}")]
    Table {
        /// Folder and name.
        table: String,
        /// What is wrong.
        detail: String,
    },
}

impl ConnectError {
    /// The family of the error.
    pub fn kind(&self) -> ErrorKind {
        match self {
            Self::Unreachable { .. }
            | Self::TransactionOpen { .. }
            | Self::StoreUnreachable { .. } => ErrorKind::Unreachable,
            Self::TopicMissing { .. } => ErrorKind::TopicMissing,
            Self::Denied { .. } => ErrorKind::Denied,
            Self::LogOvertaken { .. } | Self::OffsetWentBack { .. } => ErrorKind::LogOvertaken,
            Self::Delivery { .. }
            | Self::SinkBlocked { .. }
            | Self::RecordTooLarge { .. }
            | Self::Unacknowledged { .. } => ErrorKind::Delivery,
            Self::Configuration { .. } | Self::Table { .. } => ErrorKind::Configuration,
            Self::Client { .. } | Self::SourceFailed | Self::MembershipEnded => ErrorKind::Client,
            Self::File { .. } => ErrorKind::File,
            Self::Corrupt { .. } | Self::UnknownExtension { .. } | Self::SnapshotCorrupt { .. } => {
                ErrorKind::Corrupt
            }
            Self::SnapshotMissing { .. } => ErrorKind::SnapshotMissing,
            Self::DiskFull { .. } | Self::StoreFull { .. } => ErrorKind::DiskFull,
            Self::Busy { .. } => ErrorKind::Busy,
        }
    }

    /// Whether the same call can succeed later by itself.
    pub fn disposition(&self) -> Disposition {
        match self.kind() {
            ErrorKind::Unreachable | ErrorKind::Busy => Disposition::Retry,
            ErrorKind::Delivery
                if matches!(self, Self::SinkBlocked { .. } | Self::Unacknowledged { .. }) =>
            {
                Disposition::Retry
            }
            ErrorKind::DiskFull if matches!(self, Self::StoreFull { .. }) => Disposition::Retry,
            _ => Disposition::Halt,
        }
    }

    /// The error of a file operation; a full disk gets its own case.
    pub(crate) fn file(doing: &'static str, path: &Path, error: io::Error) -> Self {
        if is_full(&error) {
            return Self::DiskFull {
                path: path.to_owned(),
            };
        }
        Self::File {
            doing,
            path: path.to_owned(),
            error,
        }
    }
}

/// Whether the system ran out of space or quota.
pub(crate) fn is_full(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded
    )
}

fn seconds(duration: Duration) -> String {
    format!("{} s", duration.as_secs_f64())
}

fn listed(known: &[String]) -> String {
    if known.is_empty() {
        "no topics".to_owned()
    } else {
        known.join(", ")
    }
}

fn held(earliest: Option<i64>, latest: Option<i64>) -> String {
    match (earliest, latest) {
        (Some(earliest), Some(latest)) => format!("offsets {earliest} to {latest}"),
        _ => "other offsets".to_owned(),
    }
}

fn at_row(row: Option<u64>) -> String {
    row.map(|row| format!(" at row {row}")).unwrap_or_default()
}
