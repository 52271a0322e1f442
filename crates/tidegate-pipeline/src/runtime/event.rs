//! What a run gives out.

use arrow::array::RecordBatch;
use tidegate_alerts::AlertTransition;
use tidegate_engine::LateReason;
use tidegate_model::{EventTime, FeedId, ObservationBatch, Rejected};

use crate::{AuditEntry, FeedHealthTransition};

/// What a run gives out, in this order.
#[derive(Debug, Clone)]
pub enum Event {
    /// Panes of one window.
    Pane {
        /// The window query's name.
        window: String,
        /// Its rows.
        rows: RecordBatch,
        /// End of the window.
        end: EventTime,
        /// 0, or 1 with late rows.
        revision: u32,
        /// False when the window is still open.
        is_final: bool,
    },
    /// Rows of one layer for one window.
    Layer {
        /// The layer's name.
        layer: String,
        /// Rows of [`tidegate_query::LAYER_SCHEMA`].
        rows: RecordBatch,
        /// False when the window is still open.
        is_final: bool,
    },
    /// An alert changed its state.
    Alert(Box<AlertTransition>),
    /// Records too late for any window.
    Late {
        /// The feed.
        feed: FeedId,
        /// The records.
        batch: ObservationBatch,
        /// Why.
        reason: LateReason,
        /// For each record the watermark that it missed.
        watermarks: Vec<EventTime>,
        /// For each record the bytes that it was decoded from.
        bytes: Vec<Option<Vec<u8>>>,
    },
    /// Records whose ids were seen before.
    Duplicate {
        /// The feed.
        feed: FeedId,
        /// The records.
        batch: ObservationBatch,
        /// For each record the bytes that it was decoded from.
        bytes: Vec<Option<Vec<u8>>>,
    },
    /// Records that could not be counted.
    Rejected(Vec<Rejected>),
    /// A feed is in quarantine, or out of it; it is silent, or heard again.
    FeedHealth(Box<FeedHealthTransition>),
    /// Changes of the persons inside venues that no counted person made: rows of
    /// [`crate::OCCUPANCY_CORRECTION_SCHEMA`], of a closing of the flow window or of late counts.
    OccupancyCorrection(RecordBatch),
    /// What the feeds delivered, by the first window query's windows.
    FeedQuality {
        /// Rows of [`crate::FEED_QUALITY_SCHEMA`], one a feed.
        quality: RecordBatch,
        /// Rows of [`crate::FEED_REJECTED_SCHEMA`].
        rejected: RecordBatch,
    },
    /// Forecasts of one layer, made at the end of one window.
    Forecast {
        /// The layer's name.
        layer: String,
        /// Rows of [`crate::FORECAST_SCHEMA`], one a subject and horizon.
        rows: RecordBatch,
    },
    /// Whether values of one layer are higher than normal, at the end of one window.
    Aberration {
        /// The layer's name.
        layer: String,
        /// Rows of [`crate::ABERRATION_SCHEMA`], one a subject.
        rows: RecordBatch,
    },
    /// A layer could not be evaluated on the data of one window; it has no rows there.
    LayerFailed {
        /// The layer's name.
        layer: String,
        /// End of the window.
        end: EventTime,
        /// What the query engine said.
        why: String,
    },
    /// The rules became other ones.
    Audit(Box<AuditEntry>),
}
