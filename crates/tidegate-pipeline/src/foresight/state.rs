//! The stored form of [`super::Foresights`]: what a snapshot holds of forecasts and
//! aberrations.
//!
//! A stored format: snapshots of running pipelines hold these bytes (postcard), so the order and
//! the types of the fields are a promise, and a change of them is a new version of the snapshot,
//! which carries the number. Settings are not in it, they come from the pipeline.
//! Times are microseconds since the Unix epoch.

use serde::{Deserialize, Serialize};
use tidegate_risk::state::{
    CusumState, DispersionState, EarsState, EwmaState, ForecastState, KOfNState, SlotBaselinesState,
};

/// The series of one layer.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub(crate) struct TrackState {
    /// The layer's name.
    pub(crate) layer: String,
    /// End of the last slot observed.
    pub(crate) last: Option<i64>,
    /// Ascending by kind and subject.
    pub(crate) series: Vec<SeriesState>,
}

/// One series.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct SeriesState {
    /// The kind of subject.
    pub(crate) kind: String,
    /// The subject.
    pub(crate) subject: String,
    /// The unit of the values.
    pub(crate) unit: String,
    /// What its forecaster remembers, where it has one.
    pub(crate) forecast: Option<ForecastState>,
    /// What its detector remembers, where it has one.
    pub(crate) detector: Option<DetectorState>,
}

/// What is remembered of a series' normal, and of its distances from it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct DetectorState {
    /// The normal.
    pub(crate) baseline: BaselineState,
    /// Of the distances.
    pub(crate) ears: EarsState,
    /// Of the distances.
    pub(crate) cusum: CusumState,
    /// Of the distances.
    pub(crate) ewma: EwmaState,
    /// Which of the last windows stood out.
    pub(crate) votes: KOfNState,
}

/// What values are compared with.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) enum BaselineState {
    /// Values of the same slot.
    SameSlot {
        /// The values.
        baselines: SlotBaselinesState,
        /// Slots of which values were left out in a row, ascending, and how many.
        left_out: Vec<(u16, u8)>,
    },
    /// The forecast; this is how much values vary around it.
    Residual(DispersionState),
}
