//! A pipeline folder as a validated value, and the value at work.
//!
//! A pipeline is a folder: `pipeline.toml`, `feeds/*.toml`, `windows/*.sql`, `layers/*.sql`,
//! `rules.toml`, reference data and `tests/*.toml`.
//! [`Pipeline::load`] takes the files as text and gives a [`Pipeline`] or *every* [`Problem`];
//! [`Runtime`] drives decoders, engine, queries, risk state and alerts on payloads; [`Task`] writes
//! its steps down, so that another process can go on where it stopped; [`Trial`] says what would
//! become of one payload.
//! Neither opens a file or a socket, asks a clock, or brings an executor.

mod problem;
mod source;

mod config;
mod holidays;
mod reference;
mod sites;

mod audit;
mod locate;
mod pipeline;

mod feed_health;
mod foresight;
mod measurements;
mod occupancy;
mod quality;
mod quarantine;
mod summary;
mod tables;

mod runtime;
mod trial;

mod progress;
mod snapshot;
mod task;

mod case;
mod rule_case;

pub use audit::{
    AuditEntry, ChainError, ChangeConfig, KeyChange, RuleChange, rule_changes, verify_audit,
};
pub use case::{CaseOutcome, run_cases};
pub use config::{
    AberrationConfig, DwellConfig, DwellModel, ForecastConfig, GainConfig, GainSideConfig,
    InfectionConfig, KeyColumn, LayerConfig, ObservedConfig, OccupancyConfig, PipelineConfig,
    QuarantineConfig, ReferenceConfig, ScaleConfig, StaggerBound, StaggerConfig, WindowConfig,
};
pub use feed_health::{
    FeedHealth, FeedHealthChange, FeedHealthError, FeedHealthRule, FeedHealthState,
    FeedHealthTransition, HEALTH_RECORDS_MAX, RunState,
};
pub use foresight::{ABERRATION_SCHEMA, FORECAST_SCHEMA, SERIES_MAX};
pub use locate::{Locator, Unlocated};
pub use measurements::Directory;
pub use occupancy::OCCUPANCY_CORRECTION_SCHEMA;
pub use pipeline::{Feed, Layer, Pipeline, RULE_CASES, RULES};
pub use problem::Problem;
pub use progress::{PartitionPosition, Progress, SnapshotName, Step, Totals};
pub use quality::{FEED_QUALITY_SCHEMA, FEED_REJECTED_SCHEMA};
pub use reference::{EvidenceBasis, Origin, Reference, Stay};
pub use rule_case::{RuleCaseOutcome, Unmet, run_rule_cases};
pub use runtime::{Event, Mode, RulesError, Runtime, RuntimeError};
pub use sites::sites_geojson;
pub use snapshot::{SNAPSHOT_FORMAT, Snapshot, SnapshotError, SnapshotOf};
pub use source::Source;
pub use summary::{FeedSummary, Summary, WindowSummary};
pub use task::{ResumeError, Task, check_fingerprint};
pub use trial::{Trial, Tried};
