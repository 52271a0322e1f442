//! What becomes of each record of a batch.

use arrow::array::BooleanArray;
use arrow::compute::filter_record_batch;
use tidegate_model::{EventTime, ObservationBatch};

use crate::{LateReason, Timing};

/// What becomes of one record.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Verdict {
    /// Enters its windows.
    Counted(Timing),
    /// Enters none: it missed this watermark.
    Late(LateReason, EventTime),
    /// Was here before.
    Duplicate,
}

impl Verdict {
    /// The watermark that was missed for `wanted`.
    pub(crate) fn missed(self, wanted: LateReason) -> Option<EventTime> {
        match self {
            Self::Late(reason, watermark) if reason == wanted => Some(watermark),
            Self::Counted(_) | Self::Late(..) | Self::Duplicate => None,
        }
    }
}

/// The rows whose verdict is `wanted`; all of them without copying when all are.
pub(crate) fn select(
    batch: &ObservationBatch,
    verdicts: &[Verdict],
    wanted: impl Fn(Verdict) -> bool,
) -> Option<ObservationBatch> {
    let matches = verdicts.iter().filter(|verdict| wanted(**verdict)).count();
    if matches == 0 {
        return None;
    }
    if matches == batch.len() {
        return Some(batch.clone());
    }
    let mask: BooleanArray = verdicts
        .iter()
        .map(|verdict| Some(wanted(*verdict)))
        .collect();
    let rows = filter_record_batch(batch.batch(), &mask).expect("the mask has one bit a row");
    Some(ObservationBatch::try_new(rows).expect("filtering keeps the schema"))
}
