//! What comes out of the engine.

use arrow::array::RecordBatch;
use tidegate_model::{EventTime, FeedId, ObservationBatch};

use crate::PartitionId;

/// Whether rows were on time.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Timing {
    /// Belong to revision 0.
    OnTime,
    /// Belong to revision 1 only.
    AllowedLate,
}

/// Why a record is late.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum LateReason {
    /// Behind its own partition's watermark by more than the allowed lateness.
    BeyondAllowed,
    /// Behind the merged watermark by more than the allowed lateness: its partition was idle, or
    /// not assigned yet, and windows closed without it.
    AfterIdle,
}

impl LateReason {
    /// The stable code used in outputs.
    pub const fn code(self) -> &'static str {
        match self {
            Self::BeyondAllowed => "beyond_allowed_lateness",
            Self::AfterIdle => "after_idle",
        }
    }
}

/// A closing of windows that end at the same instant.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Firing {
    /// The end of the windows.
    pub end: EventTime,
    /// Which window queries fire, by index, ascending.
    pub windows: Vec<usize>,
    /// 0 for the on-time firing, 1 for the one with allowed late rows.
    pub revision: u32,
}

/// What the caller has to do, in this order.
#[derive(Debug, Clone, PartialEq)]
pub enum Output {
    /// Merge these rows into the aggregate of window query `window`.
    Accumulate {
        /// Index of the window query.
        window: usize,
        /// Which revision they belong to.
        timing: Timing,
        /// Rows of [`crate::WINDOWED_SCHEMA`].
        batch: RecordBatch,
    },
    /// Keep these rows as late; they are in no window.
    Late {
        /// The feed.
        feed: FeedId,
        /// The rows.
        batch: ObservationBatch,
        /// Why.
        reason: LateReason,
        /// For each row the watermark that it missed, as it stood before the row: the partition's
        /// own one for [`LateReason::BeyondAllowed`], the merged one for
        /// [`LateReason::AfterIdle`]. Always after the row's [`crate::first_instant`], by more
        /// than the allowed lateness.
        watermarks: Vec<EventTime>,
    },
    /// Keep these rows as duplicates: their ids were seen before, and they are in no window.
    Duplicate {
        /// The feed.
        feed: FeedId,
        /// The rows.
        batch: ObservationBatch,
    },
    /// Record that this partition stopped holding windows open, before whatever follows from it:
    /// [`crate::Input::Idle`] at the same place in a replay repeats it.
    Idle {
        /// Which.
        partition: PartitionId,
    },
    /// These windows are final: evaluate them.
    Fire(Firing),
}
