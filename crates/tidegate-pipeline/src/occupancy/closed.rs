//! Windows that have closed, each with what it said of the venues, so that it can be said again.

use std::collections::{BTreeMap, BTreeSet};

use jiff::civil;
use tidegate_model::EventTime;
use tidegate_risk::occupancy::DayType;

use super::inside::Seen;
use super::spec::{Observed, OccupancySpec};

/// Arrivals and departures of each venue in one window.
pub(crate) type Flows = BTreeMap<String, (i64, i64)>;

/// What a source says of venues at a window's end.
pub(crate) type ObservedVenues = BTreeMap<String, Observed>;

/// What a window says of the venues.
#[derive(Debug, Clone, Default, PartialEq)]
pub(crate) struct Inputs {
    pub(crate) flows: Flows,
    /// By the place of the source in the spec; shorter where nothing was said.
    pub(crate) observed: Vec<ObservedVenues>,
    /// Venues of whose feeds too little was heard.
    pub(crate) unheard: BTreeSet<String>,
}

/// What late counts change of a window: nothing where its query was not revised.
#[derive(Debug, Clone, Default, PartialEq)]
pub(crate) struct Revision {
    pub(crate) flows: Option<Flows>,
    /// By the place of the source in the spec.
    pub(crate) observed: Vec<Option<ObservedVenues>>,
}

/// A window that has closed and may still be revised.
#[derive(Debug, Clone)]
pub(super) struct Closed {
    pub(super) start: EventTime,
    pub(super) end: EventTime,
    /// Start of the window that was stepped before it, when it closed.
    pub(super) after: Option<EventTime>,
    /// When, since that start, it was one of the times at which venues are empty.
    emptied: BTreeMap<civil::Time, EventTime>,
    /// The service day that begins with it.
    begins: Option<DayType>,
    pub(super) inputs: Inputs,
}

impl Closed {
    /// The window that is stepped after the one that began at `after`.
    pub(super) fn new(
        spec: &OccupancySpec,
        (start, end): (EventTime, EventTime),
        after: Option<EventTime>,
        inputs: Inputs,
    ) -> Self {
        let passed = |time: civil::Time| {
            let at = spec.calendar.passed(after?, start, time)?;
            Some((time, at))
        };
        let closings = spec.entries.values().filter_map(|venue| venue.closes_at);
        let times: BTreeSet<civil::Time> = spec.empty_at.into_iter().chain(closings).collect();
        let emptied: BTreeMap<_, _> = times.into_iter().filter_map(passed).collect();
        let is_new_day = spec.empty_at.is_some_and(|at| emptied.contains_key(&at));
        let begins = (is_new_day && spec.gain.is_some()).then(|| spec.calendar.day_type(start));
        Self {
            start,
            end,
            after,
            emptied,
            begins,
            inputs,
        }
    }

    /// What it says of one venue.
    pub(super) fn seen(&self, spec: &OccupancySpec, venue: &str) -> Seen<'_> {
        let emptied = |time: Option<civil::Time>| self.emptied.get(&time?).copied();
        let own = spec.entries.get(venue).and_then(|venue| venue.closes_at);
        let observed = spec.observed.iter().zip(&self.inputs.observed);
        let observed = observed.filter_map(|(of, venues)| Some((of.source, venues.get(venue)?)));
        Seen {
            start: self.start,
            end: self.end,
            empty: emptied(spec.empty_at).max(emptied(own)),
            begins: self.begins,
            flow: self.inputs.flows.get(venue).copied(),
            is_heard: !self.inputs.unheard.contains(venue),
            observed: observed.collect(),
        }
    }

    /// Puts what late counts changed in its place; gives the venues of which it says something
    /// else now.
    pub(super) fn revise(&mut self, revision: Revision) -> BTreeSet<String> {
        let mut changed = BTreeSet::new();
        if let Some(flows) = revision.flows {
            let before = std::mem::replace(&mut self.inputs.flows, flows);
            let after = &self.inputs.flows;
            let venues = before.keys().chain(after.keys());
            let differs = |venue: &&String| counted(&before, venue) != counted(after, venue);
            changed.extend(venues.filter(differs).cloned());
        }
        for (at, observed) in revision.observed.into_iter().enumerate() {
            let Some(observed) = observed else { continue };
            if self.inputs.observed.len() <= at {
                self.inputs
                    .observed
                    .resize_with(at + 1, ObservedVenues::new);
            }
            let after = &mut self.inputs.observed[at];
            let before = std::mem::replace(after, observed);
            let venues = before.keys().chain(after.keys());
            let differs = |venue: &&String| before.get(*venue) != after.get(*venue);
            changed.extend(venues.filter(differs).cloned());
        }
        changed
    }
}

/// The flow of a venue; nobody through where nothing was counted.
fn counted(flows: &Flows, venue: &str) -> (i64, i64) {
    flows.get(venue).copied().unwrap_or_default()
}
