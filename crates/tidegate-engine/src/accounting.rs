//! How many records went where.

use tidegate_model::FeedId;

use crate::Timing;
use crate::state::AccountingState;
use crate::verdict::Verdict;

/// Where the records went. `received = counted + late + duplicate` (rejected ones never get
/// here): invariant T4, checked at every batch.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Accounting {
    /// Records handed in.
    pub received: u64,
    /// Records in windows; those of revision 1 included.
    pub counted: u64,
    /// Of `counted`, those that came late but within the allowed lateness.
    pub revised: u64,
    /// Records that came too late.
    pub late: u64,
    /// Records whose id was seen before.
    pub duplicate: u64,
    /// Ids forgotten early because the bound on remembered ids was hit.
    pub dedup_forgotten: u64,
}

impl Accounting {
    /// Whether every record is accounted for.
    pub(crate) fn adds_up(&self) -> bool {
        let sum = [self.late, self.duplicate]
            .into_iter()
            .try_fold(self.counted, u64::checked_add);
        sum == Some(self.received) && self.revised <= self.counted
    }

    /// Adds one record for each verdict.
    pub(crate) fn add(&mut self, verdicts: &[Verdict]) {
        self.received += verdicts.len() as u64;
        for verdict in verdicts {
            match verdict {
                Verdict::Counted(timing) => {
                    self.counted += 1;
                    self.revised += u64::from(*timing == Timing::AllowedLate);
                }
                Verdict::Late(..) => self.late += 1,
                Verdict::Duplicate => self.duplicate += 1,
            }
        }
        assert!(self.adds_up(), "T4: every record is accounted for");
    }

    /// The counts of `feed` as a checkpoint keeps them.
    pub(crate) fn state(&self, feed: &FeedId) -> AccountingState {
        AccountingState {
            feed: feed.to_string(),
            received: self.received,
            counted: self.counted,
            revised: self.revised,
            late: self.late,
            duplicate: self.duplicate,
            dedup_forgotten: self.dedup_forgotten,
        }
    }

    /// The counts that [`Self::state`] gave.
    pub(crate) fn restore(state: &AccountingState) -> (FeedId, Self) {
        let counts = Self {
            received: state.received,
            counted: state.counted,
            revised: state.revised,
            late: state.late,
            duplicate: state.duplicate,
            dedup_forgotten: state.dedup_forgotten,
        };
        (FeedId::new(&state.feed), counts)
    }
}
