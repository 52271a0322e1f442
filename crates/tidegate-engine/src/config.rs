//! What the engine is told once.

use tidegate_model::{EventTime, Span};

use crate::WindowSpec;
use crate::verdict::Verdict;
use crate::{LateReason, Timing};

/// What the engine does, fixed for its life.
#[derive(Debug, Clone)]
pub struct Config {
    /// The window queries; outputs name them by index.
    pub windows: Vec<WindowSpec>,
    /// How long after a window's end late records still enter its revision.
    pub allowed_lateness: Span,
    /// How long a partition must be quiet at its log's end before it stops holding windows open.
    pub idle_after: Span,
    /// Whether records are judged for lateness at all: a bounded backfill reads everything
    /// before it closes anything.
    pub judge_lateness: bool,
}

impl Config {
    /// These windows, no allowed lateness, idle after 30 s, lateness judged.
    pub fn new(windows: Vec<WindowSpec>) -> Self {
        Self {
            windows,
            allowed_lateness: Span::ZERO,
            idle_after: Span::seconds(30),
            judge_lateness: true,
        }
    }

    /// What becomes of a record that is no duplicate, whose first instant is `first`, at own
    /// watermark `own` and with windows closed up to `closed`.
    ///
    /// `closed` is above `own` only where the partition had been left out of the merged watermark,
    /// because it was idle or is new: then windows have closed without it. Without judging,
    /// `closed` is [`EventTime::MIN`] until everything has ended.
    pub(crate) fn verdict(&self, first: EventTime, own: EventTime, closed: EventTime) -> Verdict {
        let own = if self.judge_lateness {
            own
        } else {
            EventTime::MIN
        };
        if self.beyond(first, own) {
            Verdict::Late(LateReason::BeyondAllowed, own)
        } else if self.beyond(first, closed) {
            Verdict::Late(LateReason::AfterIdle, closed)
        } else if self.behind(first, own.max(closed)) {
            Verdict::Counted(Timing::AllowedLate)
        } else {
            Verdict::Counted(Timing::OnTime)
        }
    }

    /// Whether a window that holds `first` has closed at `watermark`.
    fn behind(&self, first: EventTime, watermark: EventTime) -> bool {
        first < watermark
            && self
                .windows
                .iter()
                .any(|spec| spec.earliest_end(first) <= watermark)
    }

    /// Whether the revision of a window that holds `first` has closed at `watermark`.
    fn beyond(&self, first: EventTime, watermark: EventTime) -> bool {
        self.behind(first, watermark.minus(self.allowed_lateness))
    }
}
