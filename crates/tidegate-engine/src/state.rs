//! The state of an engine as a checkpoint keeps it: what is written here is read by later builds.
//!
//! Times are microseconds; a list is in the order of its keys, and sets of ids are sorted, so
//! equal states give equal bytes. Ids are one byte string per generation, 16 bytes each,
//! big-endian. A change of any type below is a new variant of [`Versioned`], beside the old one.

use std::sync::Arc;

use serde::{Deserialize, Serialize};
use tidegate_model::{EventTime, FeedId, Span};

use crate::id_set::IdSet;
use crate::{Config, PartitionId, WindowSpec};

/// Everything that decides what an engine does next, but for its [`Config`]: partitions with
/// their watermarks and whether they are idle or have ended, the merged watermark, windows that
/// wait to fire, remembered ids, and the accounting.
///
/// Taking one with [`crate::Engine::state`] shares the remembered ids, so it is cheap, and it can
/// be encoded on another thread. What a process knows of processing time is not part of it:
/// a partition that was counting down to idle is restored as one that is being read.
///
/// Written for formats that know byte strings and do not describe themselves, such as postcard.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct EngineState(Versioned);

/// Every layout that was ever written; a later build reads all of them.
#[derive(Debug, Clone, Serialize, Deserialize)]
enum Versioned {
    V1(StateV1),
}

/// The first layout.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct StateV1 {
    pub(crate) judge_lateness: bool,
    pub(crate) allowed_lateness_us: i64,
    /// The merged watermark; the least number before there is one.
    pub(crate) merged_us: i64,
    pub(crate) clocks: Vec<ClockState>,
    pub(crate) schedule: ScheduleState,
    pub(crate) dedups: Vec<DedupState>,
    pub(crate) feeds: Vec<AccountingState>,
}

/// A partition's name.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct PartitionState {
    feed: String,
    partition: i32,
}

/// A partition's event time.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct ClockState {
    pub(crate) partition: PartitionState,
    pub(crate) delay_us: i64,
    pub(crate) end_max_us: Option<i64>,
    pub(crate) phase: PhaseState,
}

/// Whether a partition holds the merged watermark.
#[derive(Debug, Clone, Copy, Serialize, Deserialize)]
pub(crate) enum PhaseState {
    Reading,
    Idle,
    Ended,
}

/// What waits to fire.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct ScheduleState {
    pub(crate) horizon_us: Option<i64>,
    /// In the order of the configuration.
    pub(crate) tracks: Vec<TrackState>,
    /// Window end and query of revisions that are due.
    pub(crate) revisions: Vec<(i64, u32)>,
}

/// One window query and what of it waits to fire.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct TrackState {
    pub(crate) name: String,
    pub(crate) size_us: i64,
    pub(crate) slide_us: i64,
    pub(crate) offset_us: i64,
    pub(crate) pending_us: Vec<i64>,
    pub(crate) last_us: Option<i64>,
    pub(crate) last_full_us: Option<i64>,
}

/// The ids that a partition remembers.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct DedupState {
    pub(crate) partition: PartitionState,
    pub(crate) within_us: i64,
    pub(crate) forgotten: u64,
    pub(crate) generations: Vec<GenerationState>,
}

/// Ids of one bucket of event time.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct GenerationState {
    pub(crate) bucket: i64,
    pub(crate) number: u32,
    #[serde(with = "id_bytes")]
    pub(crate) ids: Arc<IdSet>,
}

/// Where a feed's records went.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct AccountingState {
    pub(crate) feed: String,
    pub(crate) received: u64,
    pub(crate) counted: u64,
    pub(crate) revised: u64,
    pub(crate) late: u64,
    pub(crate) duplicate: u64,
    pub(crate) dedup_forgotten: u64,
}

/// Why a state cannot go on under a configuration.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum RestoreError {
    /// The window queries are others.
    #[error("windows of the state ({state}) must be those of the configuration ({config})")]
    Windows {
        /// The state's, in order.
        state: String,
        /// The configuration's, in order.
        config: String,
    },
    /// Revisions would be due at other times.
    #[error("allowed lateness {state} of the state must be {config}, as configured")]
    AllowedLateness {
        /// The state's.
        state: Span,
        /// The configuration's.
        config: Span,
    },
    /// One judges lateness, the other does not.
    #[error("state that {} cannot go on under a configuration that {}", judging(*state), judging(*config))]
    Judging {
        /// Whether the state's engine judged.
        state: bool,
        /// [`Config::judge_lateness`].
        config: bool,
    },
    /// No engine wrote this.
    #[error("state contradicts itself: {0}")]
    Inconsistent(String),
}

fn judging(judges: bool) -> &'static str {
    if judges {
        "judges lateness"
    } else {
        "does not judge lateness"
    }
}

impl From<StateV1> for EngineState {
    fn from(state: StateV1) -> Self {
        Self(Versioned::V1(state))
    }
}

impl EngineState {
    /// The state in today's layout, when it fits `config`.
    pub(crate) fn fitting(self, config: &Config) -> Result<StateV1, RestoreError> {
        let Versioned::V1(state) = self.0;
        if state.judge_lateness != config.judge_lateness {
            return Err(RestoreError::Judging {
                state: state.judge_lateness,
                config: config.judge_lateness,
            });
        }
        let lateness = Span::micros(state.allowed_lateness_us);
        if lateness != config.allowed_lateness {
            return Err(RestoreError::AllowedLateness {
                state: lateness,
                config: config.allowed_lateness,
            });
        }
        let theirs = list(state.schedule.tracks.iter().map(TrackState::describe));
        let ours = list(config.windows.iter().map(describe));
        if theirs != ours {
            return Err(RestoreError::Windows {
                state: theirs,
                config: ours,
            });
        }
        Ok(state)
    }
}

impl TrackState {
    fn describe(&self) -> String {
        let [size, slide, offset] = [self.size_us, self.slide_us, self.offset_us].map(Span::micros);
        description(&self.name, size, slide, offset)
    }
}

fn describe(spec: &WindowSpec) -> String {
    description(spec.name(), spec.size(), spec.slide(), spec.offset())
}

/// All that identifies a window query; different queries have different descriptions.
fn description(name: &str, size: Span, slide: Span, offset: Span) -> String {
    format!("{name:?} size {size} slide {slide} offset {offset}")
}

fn list(descriptions: impl Iterator<Item = String>) -> String {
    descriptions.collect::<Vec<_>>().join(", ")
}

impl From<&PartitionId> for PartitionState {
    fn from(partition: &PartitionId) -> Self {
        Self {
            feed: partition.feed.to_string(),
            partition: partition.partition,
        }
    }
}

impl From<PartitionState> for PartitionId {
    fn from(state: PartitionState) -> Self {
        Self {
            feed: FeedId::new(&state.feed),
            partition: state.partition,
        }
    }
}

/// Optional microseconds as an optional event time.
pub(crate) fn event_time(micros: Option<i64>) -> Option<EventTime> {
    micros.map(EventTime::from_micros)
}

/// A set of ids as one byte string.
mod id_bytes {
    use std::fmt;
    use std::sync::Arc;

    use serde::de::{Error, Visitor};
    use serde::{Deserializer, Serializer};

    use crate::id_set::IdSet;

    pub(super) fn serialize<S: Serializer>(ids: &IdSet, to: S) -> Result<S::Ok, S::Error> {
        to.serialize_bytes(&ids.to_bytes())
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(from: D) -> Result<Arc<IdSet>, D::Error> {
        from.deserialize_bytes(IdBytes)
    }

    struct IdBytes;

    impl Visitor<'_> for IdBytes {
        type Value = Arc<IdSet>;

        fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str("16 bytes for each id")
        }

        fn visit_bytes<E: Error>(self, bytes: &[u8]) -> Result<Self::Value, E> {
            let ids = IdSet::from_bytes(bytes);
            ids.map(Arc::new)
                .ok_or_else(|| E::invalid_length(bytes.len(), &self))
        }
    }
}
