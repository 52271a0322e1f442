//! The product's own JSON form of an observation: the wire contract of every feed.

use crate::{Measure, Subject};

/// One observation as a producer writes it: one JSON object a message, for the feeds
/// `checkpoint`, `rail`, `transit` and `venue` alike.
///
/// The JSON Schema `schemas/observation.schema.json` is generated from this type.
/// Fields that are not listed are ignored, unless their name says that they identify a person:
/// then the record is refused and its bytes are not kept.
#[derive(Debug, Clone, PartialEq, serde::Serialize, serde::Deserialize, schemars::JsonSchema)]
pub struct ObservationRecord {
    /// The producer's own id of this count, unique within the feed; repeats are counted once.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub id: Option<String>,
    /// The counting point: a gate line, a station, a road cross-section or a vehicle.
    pub site: String,
    /// Start of the counted interval, RFC 3339 with an offset.
    pub start: String,
    /// End of the counted interval; absent for a point in time.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub end: Option<String>,
    /// What was counted.
    pub measure: Measure,
    /// Who was counted; persons when absent.
    #[serde(default)]
    pub subject: Subject,
    /// How many: a whole number, 0 or more.
    #[schemars(range(min = 0))]
    pub count: i64,
    /// Region code of where they came from; `unknown` is a value.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub origin: Option<String>,
    /// Degrees north (WGS 84), for a site that is not in the registry; needs `lng`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = -90.0, max = 90.0))]
    pub lat: Option<f64>,
    /// Degrees east (WGS 84); needs `lat`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = -180.0, max = 180.0))]
    pub lng: Option<f64>,
}
