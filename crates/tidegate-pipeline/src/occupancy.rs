//! Occupancy of every venue with gates, stepped at each closing of the flow window.

use std::collections::BTreeMap;
use std::sync::{Arc, LazyLock};

use arrow::array::{Array, AsArray, Float64Array, Int64Array, RecordBatch, StringArray};
use arrow::compute::cast;
use arrow::datatypes::{DataType, Field, Int64Type, Schema, SchemaRef};
use tidegate_model::EventTime;
use tidegate_risk::occupancy::Occupancy;

use crate::Reference;
use crate::pipeline::OccupancySpec;

/// The `occupancy` table: one row a venue with gates, as of the window that fires.
///
/// `persons` with its 95 % interval `lo`, `hi`; `arrivals` and `departures` of the window;
/// `clamped` persons that the window's flows would have taken below zero; `corrections`, the number
/// of clamps and resets so far; `data_age`, seconds since the last window in which any gate of the
/// venue was heard, null before the first.
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

#[derive(Debug)]
struct VenueState {
    occupancy: Occupancy,
    arrivals: i64,
    departures: i64,
    clamped: i64,
    corrections: i64,
    heard: Option<EventTime>,
}

/// Arrivals and departures of each venue in one window.
pub(crate) type Flows = BTreeMap<String, (i64, i64)>;

/// The occupancies of all venues with gates.
#[derive(Debug)]
pub(crate) struct Occupancies {
    spec: OccupancySpec,
    zone: jiff::tz::TimeZone,
    venues: BTreeMap<String, VenueState>,
    last_end: Option<EventTime>,
}

impl Occupancies {
    pub(crate) fn new(
        spec: &OccupancySpec,
        zone: &jiff::tz::TimeZone,
        reference: &Reference,
    ) -> Self {
        let state = || VenueState {
            occupancy: Occupancy::empty(spec.capture),
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
            .map(|id| (id, state()));
        Self {
            spec: spec.clone(),
            zone: zone.clone(),
            venues: venues.collect(),
            last_end: None,
        }
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
        let empty = self.known_empty(start, end);
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
        self.last_end = Some(end);
        corrections
    }

    /// Adds persons that became known late to the venues' present occupancy.
    pub(crate) fn adjust(&mut self, before: &Flows, after: &Flows) -> u64 {
        let mut corrections = 0;
        for (venue, (arrivals, departures)) in after {
            let (a, d) = before.get(venue).copied().unwrap_or_default();
            if let Some(state) = self.venues.get_mut(venue) {
                corrections += state.step(arrivals - a, departures - d) + 1;
                state.corrections += 1;
            }
        }
        corrections
    }

    /// Whether the time of day at which venues are known to be empty lies in `(last end, end]`,
    /// at or before the window's start.
    fn known_empty(&self, start: EventTime, end: EventTime) -> bool {
        let Some(empty_at) = self.spec.empty_at else {
            return false;
        };
        let Ok(now) = jiff::Timestamp::from_microsecond(end.micros()) else {
            return false;
        };
        let date = now.to_zoned_datetime(self.zone.clone()).date();
        // A time that the clocks skip is taken where they go on.
        let Ok(at) = date
            .to_datetime(empty_at)
            .to_zoned_datetime(self.zone.clone())
        else {
            return false;
        };
        let at = EventTime::from_micros(at.timestamp().as_microsecond());
        let after = self.last_end.map_or(start, |last| last.min(start));
        at <= end && at > after.minus(tidegate_model::Span::micros(1)) && at <= start
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
