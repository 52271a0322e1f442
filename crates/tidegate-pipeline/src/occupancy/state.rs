//! The stored form of [`super::Occupancies`]: what a snapshot holds of the persons inside venues.
//!
//! A stored format: snapshots of running pipelines hold these bytes (postcard), so the order and
//! the types of the fields are a promise, and a change of them is a new version of the snapshot,
//! which carries the number. Venues and settings are not in it, they come from the pipeline.
//! Times are microseconds since the Unix epoch.

use serde::{Deserialize, Serialize};
use tidegate_model::EventTime;
use tidegate_risk::occupancy::{
    Blend, BlendError, CorrectedOccupancy, DayType, EntriesError, EntriesOccupancy, Gain,
    GainError, GainHistory, GainSide, GainSpec, OccupancyError,
};
use tidegate_risk::state::{
    BlendState, CorrectedOccupancyState, EntriesState, GainState, OccupancyState,
};

use super::inside::{Estimate, Inside, OpenDay};
use super::journal::JournalRow;
use super::spec::{Observed, OccupancySpec};

/// Everything that the occupancies remember.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub(crate) struct OccupanciesState {
    /// Start of the last window stepped.
    pub(super) last_start: Option<i64>,
    /// The venues with gates, ascending by id.
    pub(super) venues: Vec<VenueState>,
    /// The windows that may still be revised, ascending by end.
    pub(super) closed: Vec<ClosedState>,
    /// Corrections by late counts since the last window.
    pub(super) pending: Vec<JournalRow>,
}

/// One venue. What is inside at present is not stored: it follows from `settled` and the windows.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(super) struct VenueState {
    /// The venue's id.
    pub(super) venue: String,
    /// What was inside before the first of the windows that may still be revised.
    pub(super) settled: InsideState,
    /// Persons who entered in the last window.
    pub(super) arrivals: i64,
    /// Persons who left in the last window.
    pub(super) departures: i64,
    /// Persons whom the clamp added in the last window.
    pub(super) clamped: i64,
    /// Corrections so far.
    pub(super) corrections: i64,
    /// End of the last window in which a gate was heard.
    pub(super) heard: Option<i64>,
}

/// What is inside a venue.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(super) struct InsideState {
    /// What the persons are computed from.
    pub(super) estimate: EstimateState,
    /// Past service days, where counts are corrected by them.
    pub(super) history: Option<GainState>,
    /// The service day that has begun.
    pub(super) day: Option<OpenDayState>,
    /// The gain since the last reset in millionths, and on how many days it rests.
    pub(super) gain: (u32, u32),
    /// Windows since the last reset in which a clamp added persons.
    pub(super) clamps: u32,
}

/// What the persons are computed from.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(super) enum EstimateState {
    /// Counts, the carry in millionths of a person.
    Counts(OccupancyState, u32),
    /// Counts and observations.
    Blend(BlendState),
    /// Entries, and what an observation made of them.
    Entries(EntriesState, Option<BlendState>),
}

/// A service day that has begun.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct OpenDayState {
    /// Start of its first window.
    pub(super) start: i64,
    /// The place of its type in [`DayType::ALL`].
    pub(super) day_type: u8,
    /// Persons who entered.
    pub(super) arrivals: i64,
    /// Persons who left.
    pub(super) departures: i64,
    /// Windows heard.
    pub(super) heard: u32,
}

/// A window that may still be revised.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(super) struct ClosedState {
    /// Its start and its end.
    pub(super) window: (i64, i64),
    /// Start of the window that was stepped before it, when it closed.
    pub(super) after: Option<i64>,
    /// Venues heard in it by their place in the list, ascending, with persons in and out.
    pub(super) flows: Vec<(u32, i64, i64)>,
    /// What each source said of venues, these by their place in the list, ascending.
    pub(super) observed: Vec<Vec<(u32, Observed)>>,
    /// Venues of whose feeds too little was heard, by their place in the list, ascending.
    pub(super) unheard: Vec<u32>,
}

/// What of a venue's stored state no steps leave behind.
#[derive(Debug, Clone, Copy, PartialEq, thiserror::Error)]
pub(crate) enum InsideError {
    /// Its counts.
    #[error("{0}")]
    Counts(#[from] OccupancyError),
    /// Its gain or the days that it rests on.
    #[error("{0}")]
    Gain(#[from] GainError),
    /// Its blend.
    #[error("{0}")]
    Blend(#[from] BlendError),
    /// Its entries.
    #[error("{0}")]
    Entries(#[from] EntriesError),
    /// It is computed otherwise than the pipeline says.
    #[error("its entries are counted alone, or its gain is kept, other than the pipeline says")]
    Method,
}

impl Inside {
    /// Everything remembered beside the settings.
    pub(super) fn state(&self) -> InsideState {
        let estimate = match &self.estimate {
            Estimate::Counts(counts) => {
                let state = counts.state();
                EstimateState::Counts(state.counts, state.carry_ppm)
            }
            Estimate::Blend(blend) => EstimateState::Blend(blend.state()),
            Estimate::Entries(entries, blend) => {
                EstimateState::Entries(entries.state(), blend.map(|blend| blend.state()))
            }
        };
        let day = self.day.map(|day| OpenDayState {
            start: day.start.micros(),
            day_type: number(day.day_type),
            arrivals: day.arrivals,
            departures: day.departures,
            heard: day.heard,
        });
        InsideState {
            estimate,
            history: self.history.as_ref().map(GainHistory::state),
            day,
            gain: (self.gain.0.ppm(), self.gain.1),
            clamps: self.clamps,
        }
    }

    /// What is inside `venue`, going on where `state` was taken.
    ///
    /// # Errors
    /// [`InsideError`] for what is not of such a venue.
    pub(super) fn restore(
        spec: &OccupancySpec,
        venue: &str,
        state: &InsideState,
    ) -> Result<Self, InsideError> {
        let capture = spec.capture;
        let entries = spec.entries.get(venue);
        let gain_spec = spec.gain.filter(|_| entries.is_none());
        let side = gain_spec.map_or(GainSide::default(), GainSpec::side);
        let gain = Gain::try_new(side, state.gain.0)?;
        let estimate = match (&state.estimate, entries) {
            (EstimateState::Counts(counts, carry_ppm), None) => {
                let state = CorrectedOccupancyState {
                    counts: *counts,
                    gain_ppm: gain.ppm(),
                    carry_ppm: *carry_ppm,
                    clamps: state.clamps,
                };
                Estimate::Counts(CorrectedOccupancy::restore(capture, side, state)?)
            }
            (EstimateState::Blend(blend), None) => {
                Estimate::Blend(Blend::restore(capture, *blend)?)
            }
            (EstimateState::Entries(state, blend), Some(of)) => {
                let entries = EntriesOccupancy::restore(of.model.clone(), state)?;
                let blend = blend.map(|blend| Blend::restore(capture, blend));
                Estimate::Entries(entries, blend.transpose()?)
            }
            _ => return Err(InsideError::Method),
        };
        let history = match (gain_spec, &state.history) {
            (Some(spec), Some(days)) => Some(GainHistory::restore(spec, days)?),
            (None, None) => None,
            _ => return Err(InsideError::Method),
        };
        let day = state.day.map(|day| -> Result<OpenDay, GainError> {
            let day_type = DayType::ALL.get(usize::from(day.day_type));
            Ok(OpenDay {
                start: EventTime::from_micros(day.start),
                day_type: *day_type.ok_or(GainError::DayType(day.day_type))?,
                arrivals: day.arrivals,
                departures: day.departures,
                heard: day.heard,
            })
        });
        Ok(Self {
            capture,
            estimate,
            history,
            day: day.transpose()?,
            gain: (gain, state.gain.1),
            clamps: state.clamps,
        })
    }
}

fn number(day_type: DayType) -> u8 {
    let place = DayType::ALL.iter().position(|other| *other == day_type);
    u8::try_from(place.expect("every type is in ALL")).expect("there are three types")
}
