//! What a source hands in: bytes and where they came from.

use std::fmt;
use std::sync::Arc;

/// The name of a feed, as its file in the pipeline folder is called (`rail`, `turnstile`).
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct FeedId(Arc<str>);

impl FeedId {
    /// The feed called `name`.
    pub fn new(name: &str) -> Self {
        Self(Arc::from(name))
    }

    /// The name.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for FeedId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// Where a record stands in its source: for Kafka a partition and an offset; for a recorded file
/// the file's number and the number of the message in it. `row` counts within a payload that holds
/// several rows.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Position {
    /// Kafka partition, or the number of the file.
    pub partition: i32,
    /// Kafka offset, or the number of the message in the file, from 0.
    pub offset: i64,
    /// Row within the payload, from 0.
    pub row: i32,
}

impl fmt::Display for Position {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "partition {} offset {} row {}",
            self.partition, self.offset, self.row
        )
    }
}

/// One message of a feed, borrowed from the source's buffer. `None` bytes are a tombstone.
#[derive(Debug, Clone, Copy)]
pub struct Payload<'a> {
    /// Where it stands; `row` is 0.
    pub position: Position,
    /// The message, or `None` for a Kafka tombstone.
    pub bytes: Option<&'a [u8]>,
    /// When it arrived by the source's own stamp (the Kafka record's timestamp); `None` where the
    /// source has none, as a recorded file. Event times far after it are not believed.
    pub arrived: Option<crate::EventTime>,
}
