//! What goes into the engine.

use std::fmt;

use tidegate_model::{FeedId, ObservationBatch, Span};

/// When the process saw something: microseconds of a monotone clock, never an event time.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct ProcessingTime(i64);

impl ProcessingTime {
    /// `micros` microseconds after the clock's own zero.
    pub const fn from_micros(micros: i64) -> Self {
        Self(micros)
    }

    /// How long after `earlier` this is; negative when it is before.
    pub const fn since(self, earlier: Self) -> Span {
        Span::micros(self.0.saturating_sub(earlier.0))
    }

    /// This time plus `span`, held at the clock's last microsecond.
    #[must_use]
    pub const fn plus(self, span: Span) -> Self {
        Self(self.0.saturating_add(span.as_micros()))
    }
}

/// One partition of one feed.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct PartitionId {
    /// The feed.
    pub feed: FeedId,
    /// The partition of its topic.
    pub partition: i32,
}

impl fmt::Display for PartitionId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "partition {} of feed {}", self.partition, self.feed)
    }
}

/// What the engine must know of a partition's feed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PartitionSpec {
    /// How far behind the newest record of the partition a record may end and still be on time.
    pub out_of_orderness: Span,
    /// The longest interval that a record may count.
    pub interval_max: Span,
    /// Within how much event time, longer than zero, a repeated id is recognised; `None` for
    /// feeds without ids.
    pub dedup_within: Option<Span>,
}

/// What happens to the engine.
///
/// `Assigned`, `Batch`, `Idle`, `Ended` and `End` are *steps*: together they decide every output,
/// so whoever records them in order can repeat a run. `CaughtUp` and `Tick` carry processing time;
/// all that they can do is to make a partition idle, and [`crate::Output::Idle`] tells when they
/// did.
#[derive(Debug, Clone)]
pub enum Input {
    /// A partition is read from now on. It holds the merged watermark where it is until it has
    /// data, is idle or has ended.
    ///
    /// Does nothing while the partition is being read, with whatever `spec`; a partition that had
    /// ended goes on with its watermark and its remembered ids.
    Assigned {
        /// Which.
        partition: PartitionId,
        /// What its feed promises.
        spec: PartitionSpec,
    },
    /// Located records of one partition, in the order of its log. It may be empty: messages were
    /// read, and none of them was a good record.
    Batch {
        /// Where they come from; must have been assigned.
        partition: PartitionId,
        /// The records.
        batch: ObservationBatch,
    },
    /// The partition has been read to its log's end.
    CaughtUp {
        /// Which.
        partition: PartitionId,
        /// When this was seen.
        now: ProcessingTime,
    },
    /// Time passes.
    Tick {
        /// The time.
        now: ProcessingTime,
    },
    /// The partition does not hold windows open until its next record: repeats a decision that an
    /// earlier run gave out as [`crate::Output::Idle`], which is not given out again, or one that
    /// the caller draws from the records themselves and so will draw again.
    Idle {
        /// Which; must have been assigned.
        partition: PartitionId,
    },
    /// No record will follow on this partition. When all have ended, every window closes, for
    /// good: to hand a partition over to another process is not to end it.
    Ended {
        /// Which.
        partition: PartitionId,
    },
    /// No record will follow on any partition: every window closes.
    End,
}
