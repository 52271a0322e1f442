//! How occupancy is kept: what `[occupancy]` and the venues' own properties say, checked.

use std::collections::BTreeMap;

use jiff::civil;
use tidegate_risk::occupancy::{
    CaptureProbability, EntriesModel, GainSpec, Observation, ObservationSource,
};

use super::calendar::Calendar;

/// See the module documentation.
#[derive(Debug, Clone)]
pub(crate) struct OccupancySpec {
    /// Index of the window query whose panes hold the flows.
    pub(crate) window: usize,
    pub(crate) arrivals: String,
    pub(crate) departures: String,
    pub(crate) capture: CaptureProbability,
    /// Local time at which every venue is known to be empty.
    pub(crate) empty_at: Option<civil::Time>,
    pub(crate) calendar: Calendar,
    /// How past service days correct the counts, where they do.
    pub(crate) gain: Option<GainSpec>,
    /// Of the venues whose entries only are counted.
    pub(crate) entries: BTreeMap<String, EntriesSpec>,
    /// What else says how many are inside, at most once of each source.
    pub(crate) observed: Vec<ObservedSpec>,
}

/// A venue whose entries only are counted.
#[derive(Debug, Clone)]
pub(crate) struct EntriesSpec {
    pub(crate) model: EntriesModel,
    /// Local time at which nobody is inside any more.
    pub(crate) closes_at: Option<civil::Time>,
}

/// A window query whose panes say how many are inside.
#[derive(Debug, Clone)]
pub(crate) struct ObservedSpec {
    pub(crate) source: ObservationSource,
    pub(crate) window: usize,
    pub(crate) persons: String,
    pub(crate) lo: String,
    pub(crate) hi: String,
}

/// What a pane says of the persons inside one venue.
#[derive(Debug, Clone, Copy, PartialEq, serde::Serialize, serde::Deserialize)]
pub(crate) struct Observed {
    /// Persons inside.
    pub(crate) persons: f64,
    /// The ends of their 95 % interval; nothing where the pane has none.
    pub(crate) interval: Option<(f64, f64)>,
}

impl Observed {
    /// The observation; `None` for what is no number of persons within an interval.
    pub(super) fn by(self, source: ObservationSource) -> Option<Observation> {
        let (lo, hi) = self.interval?;
        Observation::from_interval(source, self.persons, lo, hi).ok()
    }

    /// Both together: several rows of one venue are parts of it.
    pub(super) fn plus(self, other: Self) -> Self {
        let ends = self.interval.zip(other.interval);
        Self {
            persons: self.persons + other.persons,
            interval: ends.map(|(a, b)| (a.0 + b.0, a.1 + b.1)),
        }
    }
}
