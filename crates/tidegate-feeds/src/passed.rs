//! Records that are well-formed and hold nothing to count: told apart from rejections, and counted.

use serde::{Deserialize, Serialize};

/// Why a record gives no observation although nothing is wrong with it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Passed {
    /// It tells what is expected, not what was seen.
    Prediction,
    /// It is a message for people, such as a service alert.
    Notice,
    /// It withdraws what was told before.
    Deleted,
    /// It tells of a journey that does not take place.
    Cancelled,
    /// A message that holds no record at all.
    Empty,
    /// A row of a table whose counts are all empty: nothing was measured.
    NoCount,
}

impl Passed {
    /// The stable code, snake case.
    pub const fn code(self) -> &'static str {
        match self {
            Self::Prediction => "prediction",
            Self::Notice => "notice",
            Self::Deleted => "deleted",
            Self::Cancelled => "cancelled",
            Self::Empty => "empty",
            Self::NoCount => "no_count",
        }
    }
}

/// How many records a decoder passed over, by why. Part of [`crate::state::DecoderState`]: a stored
/// format.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct PassedOver {
    prediction: u64,
    notice: u64,
    deleted: u64,
    cancelled: u64,
    empty: u64,
    no_count: u64,
}

impl PassedOver {
    /// Every number with its code, zeros too.
    pub fn iter(self) -> impl Iterator<Item = (&'static str, u64)> {
        use Passed::{Cancelled, Deleted, Empty, NoCount, Notice, Prediction};
        [Prediction, Notice, Deleted, Cancelled, Empty, NoCount]
            .into_iter()
            .map(move |why| {
                let mut counts = self;
                (why.code(), *counts.of(why))
            })
    }

    pub(crate) fn add(&mut self, why: Passed) {
        *self.of(why) += 1;
    }

    fn of(&mut self, why: Passed) -> &mut u64 {
        match why {
            Passed::Prediction => &mut self.prediction,
            Passed::Notice => &mut self.notice,
            Passed::Deleted => &mut self.deleted,
            Passed::Cancelled => &mut self.cancelled,
            Passed::Empty => &mut self.empty,
            Passed::NoCount => &mut self.no_count,
        }
    }
}
