//! Occupancy of every venue with gates, stepped at each closing of the flow window.
//!
//! Venues are reset where they are known to be empty: before the first window that starts at or
//! after `empty_at` of the local day. With that a service day ends, whose counts correct those of
//! the days to come ([`inside`]). A venue whose entries only are counted empties when it closes too.
//!
//! Late counts are not added to the present: the windows that may still be revised are kept, as
//! many as `allowed_lateness` holds, and stepped again from the state before them. So a revision
//! leaves what the counts would have left on time: a late arrival before a reset is no person
//! inside, one that explains a clamp adds nobody, and one of a day that is over is in its sums.
//! Whether a window was heard is judged once, when it closes.

use std::collections::{BTreeMap, BTreeSet};

mod calendar;
mod spec;

mod inside;

mod closed;
mod journal;
mod panes;
mod table;

mod state;

use tidegate_model::{EventTime, Span};
use tidegate_risk::occupancy::{CorrectionKind, EntriesOccupancy, GainHistory, JournalEntry};

use crate::Reference;

pub(crate) use calendar::{Calendar, time_of_day};
use closed::{Closed, Inputs, Revision};
use inside::{Correction, Inside, Seen};
pub use journal::OCCUPANCY_CORRECTION_SCHEMA;
pub(crate) use journal::{JournalRow, batch as correction_rows};
pub(crate) use spec::{EntriesSpec, ObservedSpec, OccupancySpec};
pub(crate) use state::OccupanciesState;
use state::{ClosedState, InsideError, VenueState};
pub(crate) use table::OCCUPANCY_SCHEMA;

/// Why occupancies cannot go on from a stored state.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
pub(crate) enum OccupancyRestoreError {
    /// The venues with gates are not those of the state.
    #[error("venue {0:?} is stored and has no gates, or has gates and is not stored")]
    Venue(String),
    /// What is inside a venue that no steps leave behind.
    #[error("venue {venue:?}: {error}")]
    Inside {
        /// The venue.
        venue: String,
        /// What is wrong.
        error: InsideError,
    },
    /// A window stored twice, or with a venue or a source that is not stored.
    #[error("the window to {0} is stored twice or with unknown venues")]
    Window(EventTime),
}

#[derive(Debug, Clone)]
struct Venue {
    /// As it was before the oldest window that is kept.
    settled: Inside,
    /// As it is after the newest.
    present: Inside,
    arrivals: i64,
    departures: i64,
    clamped: i64,
    corrections: i64,
    heard: Option<EventTime>,
}

/// The occupancies of all venues with gates.
#[derive(Debug)]
pub(crate) struct Occupancies {
    spec: OccupancySpec,
    allowed_lateness: Span,
    venues: BTreeMap<String, Venue>,
    last_start: Option<EventTime>,
    /// By their end.
    closed: BTreeMap<EventTime, Closed>,
    /// Corrections by late counts since the last window; at most one a venue and window kept.
    pending: Vec<JournalRow>,
}

impl Occupancies {
    /// All venues empty, and no window revised.
    pub(crate) fn new(spec: &OccupancySpec, reference: &Reference) -> Self {
        let venues = reference.sites.iter().filter_map(|s| s.venue_id.as_ref());
        let venue = |id: &String| {
            let inside = match spec.entries.get(id) {
                Some(of) => {
                    Inside::of_entries(spec.capture, EntriesOccupancy::empty(of.model.clone()))
                }
                None => Inside::empty(spec.capture, spec.gain.map(GainHistory::new)),
            };
            (id.clone(), Venue::new(inside))
        };
        Self {
            venues: venues.map(venue).collect(),
            spec: spec.clone(),
            allowed_lateness: Span::ZERO,
            last_start: None,
            closed: BTreeMap::new(),
            pending: Vec::new(),
        }
    }

    /// The same occupancies keeping windows for [`Occupancies::revise`] until a window closes that
    /// ends more than `allowed_lateness` after them; without it the last one only.
    #[must_use]
    pub(crate) fn with_allowed_lateness(mut self, allowed_lateness: Span) -> Self {
        self.allowed_lateness = allowed_lateness;
        self
    }

    pub(crate) fn window(&self) -> usize {
        self.spec.window
    }

    /// Steps every venue over the window from `start` to `end`; gives the corrections made.
    pub(crate) fn step(
        &mut self,
        start: EventTime,
        end: EventTime,
        inputs: Inputs,
    ) -> Vec<JournalRow> {
        let closed = Closed::new(&self.spec, (start, end), self.last_start, inputs);
        let mut rows = Vec::new();
        for (id, venue) in &mut self.venues {
            let made = venue.step(&closed.seen(&self.spec, id));
            rows.extend(venue.journal(id, end, &made));
        }
        self.last_start = Some(start);
        self.keep(closed);
        rows
    }

    /// Keeps the window for a revision, and settles those that can have none any more.
    fn keep(&mut self, closed: Closed) {
        let oldest = closed.end.minus(self.allowed_lateness);
        self.closed.insert(closed.end, closed);
        let revisable = self.closed.split_off(&oldest);
        for closed in std::mem::replace(&mut self.closed, revisable).values() {
            for (id, venue) in &mut self.venues {
                venue.settled.step(&closed.seen(&self.spec, id));
            }
        }
    }

    /// Puts what late counts changed in place of that with which the window from `start` to `end`
    /// was stepped, and steps the venues that it changes again; each of them is one correction.
    /// Gives the corrections made, which the next window tells too.
    pub(crate) fn revise(
        &mut self,
        (start, end): (EventTime, EventTime),
        revision: Revision,
    ) -> Vec<JournalRow> {
        let closed = self.closed.entry(end).or_insert_with(|| {
            // Nothing was on time in it, so it was not stepped: nobody knows what was heard.
            let inputs = Inputs {
                unheard: self.venues.keys().cloned().collect(),
                ..Inputs::default()
            };
            Closed::new(&self.spec, (start, end), None, inputs)
        });
        let heard: BTreeSet<String> = revision
            .flows
            .iter()
            .flatten()
            .map(|f| f.0.clone())
            .collect();
        let changed = closed.revise(revision);
        let newest = self.closed.keys().next_back().copied().unwrap_or(end);
        let mut rows = Vec::new();
        for (id, venue) in &mut self.venues {
            if heard.contains(id) {
                venue.heard = venue.heard.max(Some(end));
            }
            if changed.contains(id) {
                let before = venue.present.persons();
                venue.replay(&self.spec, id, &self.closed);
                let made = venue.revised(end, before);
                rows.extend(venue.journal(id, newest, &[made]));
            }
        }
        self.pending.extend(rows.iter().cloned());
        rows
    }

    /// The corrections by late counts since the last window.
    pub(crate) fn take_pending(&mut self) -> Vec<JournalRow> {
        std::mem::take(&mut self.pending)
    }

    /// Everything that the occupancies remember.
    pub(crate) fn state(&self) -> OccupanciesState {
        let index: BTreeMap<&str, u32> = self.venues.keys().map(String::as_str).zip(0..).collect();
        let venue = |(id, venue): (&String, &Venue)| VenueState {
            venue: id.clone(),
            settled: venue.settled.state(),
            arrivals: venue.arrivals,
            departures: venue.departures,
            clamped: venue.clamped,
            corrections: venue.corrections,
            heard: venue.heard.map(EventTime::micros),
        };
        let closed = |closed: &Closed| {
            let inputs = &closed.inputs;
            let flows = inputs.flows.iter();
            let observed = inputs.observed.iter().map(|venues| {
                let venues = venues.iter();
                venues
                    .map(|(id, observed)| (index[id.as_str()], *observed))
                    .collect()
            });
            ClosedState {
                window: (closed.start.micros(), closed.end.micros()),
                after: closed.after.map(EventTime::micros),
                flows: flows
                    .map(|(id, flow)| (index[id.as_str()], flow.0, flow.1))
                    .collect(),
                observed: observed.collect(),
                unheard: inputs.unheard.iter().map(|id| index[id.as_str()]).collect(),
            }
        };
        OccupanciesState {
            last_start: self.last_start.map(EventTime::micros),
            venues: self.venues.iter().map(venue).collect(),
            closed: self.closed.values().map(closed).collect(),
            pending: self.pending.clone(),
        }
    }

    /// These occupancies, going on where `state` was taken; what they remembered is gone.
    ///
    /// # Errors
    /// [`OccupancyRestoreError`] when `state` is not one of these venues.
    pub(crate) fn restore(
        mut self,
        state: OccupanciesState,
    ) -> Result<Self, OccupancyRestoreError> {
        let names: Vec<String> = state.venues.iter().map(|s| s.venue.clone()).collect();
        self.last_start = state.last_start.map(EventTime::from_micros);
        self.pending = state.pending;
        self.closed = BTreeMap::new();
        for closed in state.closed {
            let closed = self.restore_closed(closed, &names)?;
            let end = closed.end;
            if self.closed.insert(end, closed).is_some() {
                return Err(OccupancyRestoreError::Window(end));
            }
        }
        let mut venues = BTreeMap::new();
        for stored in state.venues {
            let id = stored.venue.clone();
            let restored = self.restore_venue(stored)?;
            if self.venues.remove(&id).is_none() {
                return Err(OccupancyRestoreError::Venue(id));
            }
            venues.insert(id, restored);
        }
        if let Some((venue, _)) = self.venues.pop_first() {
            return Err(OccupancyRestoreError::Venue(venue));
        }
        self.venues = venues;
        Ok(self)
    }

    fn restore_closed(
        &self,
        state: ClosedState,
        names: &[String],
    ) -> Result<Closed, OccupancyRestoreError> {
        let (start, end) = state.window;
        let (start, end) = (EventTime::from_micros(start), EventTime::from_micros(end));
        let name = |place: u32| {
            let name = usize::try_from(place).ok().and_then(|v| names.get(v));
            name.cloned().ok_or(OccupancyRestoreError::Window(end))
        };
        let mut inputs = Inputs::default();
        for (venue, arrivals, departures) in state.flows {
            inputs.flows.insert(name(venue)?, (arrivals, departures));
        }
        for source in state.observed {
            let venues = source
                .into_iter()
                .map(|(id, observed)| Ok((name(id)?, observed)));
            inputs.observed.push(venues.collect::<Result<_, _>>()?);
        }
        for venue in state.unheard {
            inputs.unheard.insert(name(venue)?);
        }
        let after = state.after.map(EventTime::from_micros);
        Ok(Closed::new(&self.spec, (start, end), after, inputs))
    }

    fn restore_venue(&self, state: VenueState) -> Result<Venue, OccupancyRestoreError> {
        let id = state.venue;
        let settled = Inside::restore(&self.spec, &id, &state.settled).map_err(|error| {
            let venue = id.clone();
            OccupancyRestoreError::Inside { venue, error }
        })?;
        let mut venue = Venue {
            arrivals: state.arrivals,
            departures: state.departures,
            clamped: state.clamped,
            corrections: state.corrections,
            heard: state.heard.map(EventTime::from_micros),
            ..Venue::new(settled)
        };
        venue.replay(&self.spec, &id, &self.closed);
        Ok(venue)
    }
}

impl Venue {
    fn new(inside: Inside) -> Self {
        Self {
            settled: inside.clone(),
            present: inside,
            arrivals: 0,
            departures: 0,
            clamped: 0,
            corrections: 0,
            heard: None,
        }
    }

    fn step(&mut self, seen: &Seen<'_>) -> Vec<Correction> {
        (self.arrivals, self.departures) = seen.flow.unwrap_or_default();
        if seen.flow.is_some() {
            self.heard = Some(seen.end);
        }
        let made = self.present.step(seen);
        self.clamped = made.iter().map(clamped).sum();
        made
    }

    /// Steps what is inside over the windows `closed` again, from before them.
    fn replay(&mut self, spec: &OccupancySpec, id: &str, closed: &BTreeMap<EventTime, Closed>) {
        self.present = self.settled.clone();
        for closed in closed.values() {
            self.present.step(&closed.seen(spec, id));
        }
    }

    /// The correction by late counts of the window that ended at `at`; there were `before` inside.
    fn revised(&self, at: EventTime, before: Option<f64>) -> Correction {
        let after = self.present.persons();
        let known = before.or(after).unwrap_or(0.0);
        Correction {
            entry: JournalEntry {
                at,
                kind: CorrectionKind::LateRevision,
                before: before.unwrap_or(known),
                after: after.unwrap_or(known),
            },
            surprise: None,
            method: self.present.method(),
        }
    }

    /// Counts corrections and gives them as rows of the journal.
    fn journal(&mut self, id: &str, window_end: EventTime, made: &[Correction]) -> Vec<JournalRow> {
        let rows = made
            .iter()
            .map(|made| JournalRow::new(id, window_end, made));
        let rows: Vec<JournalRow> = rows.collect();
        for row in &rows {
            self.corrections += i64::from(row.is_counted());
        }
        rows
    }
}

/// Persons whom a clamp added, the nearest whole number.
#[expect(
    clippy::cast_possible_truncation,
    reason = "saturates at what an integer holds"
)]
fn clamped(made: &Correction) -> i64 {
    let entry = &made.entry;
    match entry.kind {
        CorrectionKind::ClampedAtZero => (entry.after - entry.before).round() as i64,
        CorrectionKind::KnownEmpty
        | CorrectionKind::Gain
        | CorrectionKind::LateRevision
        | CorrectionKind::Observed(_)
        | CorrectionKind::Refused => 0,
    }
}

#[cfg(test)]
mod tests;
