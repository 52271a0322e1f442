//! Occupancy of every venue with gates, stepped at each closing of the flow window.
//!
//! Venues are reset where they are known to be empty: before the first window that starts at or
//! after `empty_at` of the local day. Where the clocks skip that time, it is the instant at which
//! they go on; where it comes twice, the first of the two; a day without it has no reset.
//!
//! Late counts are not added to the present: the windows that may still be revised are kept, as
//! many as `allowed_lateness` holds, and stepped again from the state before them. So a revision
//! leaves what the counts would have left on time: a late arrival before a reset is no person
//! inside, and one that explains a clamp adds nobody.

use std::collections::BTreeMap;
use std::sync::{Arc, LazyLock};

mod state;

use arrow::array::{Array, AsArray, Float64Array, Int64Array, RecordBatch, StringArray};
use arrow::compute::cast;
use arrow::datatypes::{DataType, Field, Int64Type, Schema, SchemaRef};
use jiff::civil;
use jiff::tz::AmbiguousOffset;
use tidegate_model::{EventTime, Span};
use tidegate_risk::occupancy::{Occupancy, OccupancyError};

use crate::Reference;
use crate::pipeline::OccupancySpec;

pub(crate) use state::OccupanciesState;
use state::{ClosedState, FlowState, VenueOccupancyState};

/// The `occupancy` table: one row a venue with gates, as of the window that fires.
///
/// `persons` with its 95 % interval `lo`, `hi`; `arrivals` and `departures` of the window;
/// `clamped` persons that the window's flows would have taken below zero; `corrections`, the number
/// of clamps, resets and revisions by late counts so far; `data_age`, seconds since the last
/// window in which any gate of the venue was heard, null before the first.
pub(crate) static OCCUPANCY_SCHEMA: LazyLock<SchemaRef> = LazyLock::new(|| {
    Arc::new(Schema::new(vec![
        Field::new("venue_id", DataType::Utf8, false),
        Field::new("persons", DataType::Int64, false),
        Field::new("lo", DataType::Float64, false),
        Field::new("hi", DataType::Float64, false),
        Field::new("arrivals", DataType::Int64, false),
        Field::new("departures", DataType::Int64, false),
        Field::new("clamped", DataType::Int64, false),
        Field::new("corrections", DataType::Int64, false),
        Field::new("data_age", DataType::Float64, true),
    ]))
});

/// Why occupancies cannot go on from a stored state.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
pub(crate) enum OccupancyRestoreError {
    /// The venues with gates are not those of the state.
    #[error("venue {0:?} is stored and has no gates, or has gates and is not stored")]
    Venue(String),
    /// A venue's counts that no steps leave behind.
    #[error("venue {venue:?}: {error}")]
    Counts {
        /// The venue.
        venue: String,
        /// What is wrong.
        error: OccupancyError,
    },
    /// A window stored twice, or with the flow of a venue that is not stored.
    #[error("the window to {0} is stored twice or with unknown venues")]
    Window(EventTime),
}

#[derive(Debug, Clone)]
struct VenueState {
    /// As it was before the oldest window that is kept.
    settled: Occupancy,
    /// As it is after the newest.
    occupancy: Occupancy,
    arrivals: i64,
    departures: i64,
    clamped: i64,
    corrections: i64,
    heard: Option<EventTime>,
}

/// Arrivals and departures of each venue in one window.
pub(crate) type Flows = BTreeMap<String, (i64, i64)>;

/// A window that has closed and may still be revised.
#[derive(Debug, Clone, Default)]
struct Closed {
    /// Whether the venues were reset before it.
    empty: bool,
    /// Of venues with gates only.
    flows: Flows,
}

/// The occupancies of all venues with gates.
#[derive(Debug)]
pub(crate) struct Occupancies {
    spec: OccupancySpec,
    zone: jiff::tz::TimeZone,
    allowed_lateness: Span,
    venues: BTreeMap<String, VenueState>,
    last_start: Option<EventTime>,
    /// By their end.
    closed: BTreeMap<EventTime, Closed>,
}

impl Occupancies {
    /// All venues empty, and no window revised.
    pub(crate) fn new(
        spec: &OccupancySpec,
        zone: &jiff::tz::TimeZone,
        reference: &Reference,
    ) -> Self {
        let empty = Occupancy::empty(spec.capture);
        let state = VenueState {
            settled: empty,
            occupancy: empty,
            arrivals: 0,
            departures: 0,
            clamped: 0,
            corrections: 0,
            heard: None,
        };
        let venues = reference
            .sites
            .iter()
            .filter_map(|s| s.venue_id.clone())
            .map(|id| (id, state.clone()));
        Self {
            spec: spec.clone(),
            zone: zone.clone(),
            allowed_lateness: Span::ZERO,
            venues: venues.collect(),
            last_start: None,
            closed: BTreeMap::new(),
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

    /// The flows in a pane of the flow window.
    pub(crate) fn flows(&self, pane: &RecordBatch) -> Flows {
        let column = |name: &str| {
            let column = pane
                .column_by_name(name)
                .expect("checked when the pipeline was loaded");
            cast(column, &DataType::Int64).expect("a sum of counts is a number")
        };
        let venue = pane
            .column_by_name("venue_id")
            .expect("checked when the pipeline was loaded");
        let venue = cast(venue, &DataType::Utf8).expect("an id is a text");
        let (arrivals, departures) = (column(&self.spec.arrivals), column(&self.spec.departures));
        let (arrivals, departures) = (
            arrivals.as_primitive::<Int64Type>(),
            departures.as_primitive::<Int64Type>(),
        );
        let mut flows = Flows::new();
        for (row, venue) in venue.as_string::<i32>().iter().enumerate() {
            let Some(venue) = venue else { continue };
            let value = |column: &Int64Array| {
                if column.is_null(row) {
                    0
                } else {
                    column.value(row)
                }
            };
            let flow = flows.entry(venue.to_owned()).or_default();
            flow.0 += value(arrivals);
            flow.1 += value(departures);
        }
        flows
    }

    /// Steps every venue over the window that ends at `end`; gives the number of corrections.
    pub(crate) fn step(&mut self, start: EventTime, end: EventTime, flows: &Flows) -> u64 {
        let empty = self.known_empty(start);
        let mut corrections = 0;
        for (venue, state) in &mut self.venues {
            if empty {
                let correction = state.occupancy.reset_known_empty();
                let changed = i64::from(correction.persons != 0);
                state.corrections += changed;
                corrections += changed.unsigned_abs();
            }
            let flow = flows.get(venue);
            let (arrivals, departures) = flow.copied().unwrap_or_default();
            corrections += state.step(arrivals, departures);
            if flow.is_some() {
                state.heard = Some(end);
            }
        }
        self.last_start = Some(start);
        self.keep(empty, end, flows);
        corrections
    }

    /// Keeps the window for a revision, and settles those that can have none any more.
    fn keep(&mut self, empty: bool, end: EventTime, flows: &Flows) {
        let flows = self.known(flows);
        self.closed.insert(end, Closed { empty, flows });
        let revisable = self.closed.split_off(&end.minus(self.allowed_lateness));
        for closed in std::mem::replace(&mut self.closed, revisable).values() {
            for (venue, state) in &mut self.venues {
                closed.step(venue, &mut state.settled);
            }
        }
    }

    /// The flows of venues with gates.
    fn known(&self, flows: &Flows) -> Flows {
        let known = flows.iter().filter(|(v, _)| self.venues.contains_key(*v));
        known.map(|(venue, flow)| (venue.clone(), *flow)).collect()
    }

    /// Puts the flows `after` in place of those with which the window that ended at `end` was
    /// stepped, and steps the venues that they change again; each of them is one correction.
    /// Gives the number of corrections.
    pub(crate) fn revise(&mut self, end: EventTime, after: &Flows) -> u64 {
        let after = self.known(after);
        let closed = self.closed.entry(end).or_default();
        let before = std::mem::replace(&mut closed.flows, after.clone());
        let mut corrections = 0;
        for (venue, state) in &mut self.venues {
            let after = after.get(venue);
            if after.is_some() {
                state.heard = state.heard.max(Some(end));
            }
            let (before, after) = (before.get(venue).copied(), after.copied());
            if before.unwrap_or_default() != after.unwrap_or_default() {
                state.occupancy = replay(venue, state.settled, &self.closed);
                state.corrections += 1;
                corrections += 1;
            }
        }
        corrections
    }

    /// Whether venues are known to have been empty at some time after the start of the window
    /// before, and at or before the start of this one.
    fn known_empty(&self, start: EventTime) -> bool {
        let (Some(empty_at), Some(last_start)) = (self.spec.empty_at, self.last_start) else {
            return false;
        };
        let Ok(now) = jiff::Timestamp::from_microsecond(start.micros()) else {
            return false;
        };
        // Where clocks change at midnight, a date may begin, and end before it goes on.
        let date = now.to_zoned_datetime(self.zone.clone()).date();
        let newest = date.tomorrow().ok();
        std::iter::successors(newest, |date| date.yesterday().ok())
            .take(4)
            .filter_map(|date| self.empty_on(date, empty_at))
            .any(|at| last_start < at && at <= start)
    }

    /// The instant of a local day at which venues are known to be empty.
    fn empty_on(&self, date: civil::Date, empty_at: civil::Time) -> Option<EventTime> {
        let local = self.zone.to_ambiguous_timestamp(date.to_datetime(empty_at));
        let offset = local.offset();
        let mut at = local.compatible().ok()?;
        if let AmbiguousOffset::Gap { .. } = offset {
            let behind = at.checked_add(jiff::SignedDuration::from_nanos(1)).ok()?;
            at = self.zone.preceding(behind).next()?.timestamp();
        }
        let is_that_day = at.to_zoned_datetime(self.zone.clone()).date() == date;
        is_that_day.then(|| EventTime::from_micros(at.as_microsecond()))
    }

    /// Everything that the occupancies remember.
    pub(crate) fn state(&self) -> OccupanciesState {
        let index: BTreeMap<&str, u32> = self.venues.keys().map(String::as_str).zip(0..).collect();
        let venue = |(venue, state): (&String, &VenueState)| VenueOccupancyState {
            venue: venue.clone(),
            settled: state.settled.state(),
            arrivals: state.arrivals,
            departures: state.departures,
            clamped: state.clamped,
            corrections: state.corrections,
            heard: state.heard.map(EventTime::micros),
        };
        let flow = |(venue, flow): (&String, &(i64, i64))| FlowState {
            venue: index[venue.as_str()],
            arrivals: flow.0,
            departures: flow.1,
        };
        let closed = |(end, closed): (&EventTime, &Closed)| ClosedState {
            end: end.micros(),
            empty: closed.empty,
            flows: closed.flows.iter().map(flow).collect(),
        };
        OccupanciesState {
            last_start: self.last_start.map(EventTime::micros),
            venues: self.venues.iter().map(venue).collect(),
            closed: self.closed.iter().map(closed).collect(),
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
        self.closed = BTreeMap::new();
        for closed in state.closed {
            let end = EventTime::from_micros(closed.end);
            let mut flows = Flows::new();
            for flow in closed.flows {
                let name = usize::try_from(flow.venue).ok().and_then(|v| names.get(v));
                let name = name.ok_or(OccupancyRestoreError::Window(end))?;
                flows.insert(name.clone(), (flow.arrivals, flow.departures));
            }
            let empty = closed.empty;
            if self.closed.insert(end, Closed { empty, flows }).is_some() {
                return Err(OccupancyRestoreError::Window(end));
            }
        }
        let mut venues = BTreeMap::new();
        for stored in state.venues {
            let venue = stored.venue.clone();
            let restored = self.restore_venue(stored)?;
            if self.venues.remove(&venue).is_none() {
                return Err(OccupancyRestoreError::Venue(venue));
            }
            venues.insert(venue, restored);
        }
        if let Some((venue, _)) = self.venues.pop_first() {
            return Err(OccupancyRestoreError::Venue(venue));
        }
        self.venues = venues;
        Ok(self)
    }

    fn restore_venue(
        &self,
        state: VenueOccupancyState,
    ) -> Result<VenueState, OccupancyRestoreError> {
        let venue = state.venue;
        let settled = Occupancy::restore(self.spec.capture, state.settled).map_err(|error| {
            let venue = venue.clone();
            OccupancyRestoreError::Counts { venue, error }
        })?;
        Ok(VenueState {
            settled,
            occupancy: replay(&venue, settled, &self.closed),
            arrivals: state.arrivals,
            departures: state.departures,
            clamped: state.clamped,
            corrections: state.corrections,
            heard: state.heard.map(EventTime::from_micros),
        })
    }

    /// Rows of [`OCCUPANCY_SCHEMA`] at `end`.
    pub(crate) fn table(&self, end: EventTime) -> RecordBatch {
        let states = || self.venues.values();
        let interval: Vec<(f64, f64)> = states().map(|s| s.occupancy.interval95()).collect();
        let ages = states().map(|s| s.heard.map(|heard| end.since(heard).as_seconds_f64()));
        let whole = |value: fn(&VenueState) -> i64| -> Arc<dyn Array> {
            Arc::new(Int64Array::from_iter_values(states().map(value)))
        };
        let columns: Vec<Arc<dyn Array>> = vec![
            Arc::new(StringArray::from_iter_values(self.venues.keys())),
            whole(|s| s.occupancy.persons()),
            Arc::new(Float64Array::from_iter_values(interval.iter().map(|i| i.0))),
            Arc::new(Float64Array::from_iter_values(interval.iter().map(|i| i.1))),
            whole(|s| s.arrivals),
            whole(|s| s.departures),
            whole(|s| s.clamped),
            whole(|s| s.corrections),
            Arc::new(ages.collect::<Float64Array>()),
        ];
        RecordBatch::try_new(Arc::clone(&OCCUPANCY_SCHEMA), columns)
            .expect("the columns are those of the schema")
    }
}

impl Closed {
    /// Steps one venue over the window.
    fn step(&self, venue: &str, occupancy: &mut Occupancy) {
        if self.empty {
            occupancy.reset_known_empty();
        }
        let (arrivals, departures) = self.flows.get(venue).copied().unwrap_or_default();
        // A sum beyond what an integer holds: the step is not taken, here as when it was counted.
        occupancy.step(arrivals, departures).ok();
    }
}

/// The occupancy of `venue` after the windows `closed`, from that before them.
fn replay(venue: &str, settled: Occupancy, closed: &BTreeMap<EventTime, Closed>) -> Occupancy {
    let mut occupancy = settled;
    for closed in closed.values() {
        closed.step(venue, &mut occupancy);
    }
    occupancy
}

impl VenueState {
    fn step(&mut self, arrivals: i64, departures: i64) -> u64 {
        (self.arrivals, self.departures, self.clamped) = (arrivals, departures, 0);
        let Ok(step) = self.occupancy.step(arrivals, departures) else {
            // A sum beyond what an integer holds: the step is not taken, and counted.
            self.corrections += 1;
            return 1;
        };
        self.clamped = step.clamped;
        self.corrections += i64::from(step.clamped > 0);
        u64::from(step.clamped > 0)
    }
}

#[cfg(test)]
mod tests;
