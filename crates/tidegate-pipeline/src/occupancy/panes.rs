//! What the panes of window queries say of venues.

use arrow::array::{Array, ArrayRef, AsArray, RecordBatch};
use arrow::compute::cast;
use arrow::datatypes::{DataType, Float64Type, Int64Type};

use super::Occupancies;
use super::closed::{Flows, Inputs, ObservedVenues, Revision};
use super::spec::{Observed, ObservedSpec};

/// The panes of one closing, each with the index of its window query.
pub(crate) type Panes<'a> = &'a [(usize, RecordBatch)];

impl Occupancies {
    /// Whether panes of this window query say something of venues.
    pub(crate) fn reads(&self, window: usize) -> bool {
        let observed = self.spec.observed.iter().any(|of| of.window == window);
        observed || self.spec.window == window
    }

    /// What these panes say, and of which venues too little was heard.
    pub(crate) fn inputs(&self, panes: Panes<'_>, is_heard: impl Fn(&str) -> bool) -> Inputs {
        let revision = self.revision(panes);
        // Conservation without a gain takes silence for nobody, as it always did.
        let needs = self.spec.gain.is_some() || !self.spec.entries.is_empty();
        let unheard = self.venues.keys().filter(|v| needs && !is_heard(v));
        Inputs {
            flows: revision.flows.unwrap_or_default(),
            observed: revision
                .observed
                .into_iter()
                .map(Option::unwrap_or_default)
                .collect(),
            unheard: unheard.cloned().collect(),
        }
    }

    /// What these panes say, as far as they are there.
    pub(crate) fn revision(&self, panes: Panes<'_>) -> Revision {
        let pane = |window: usize| panes.iter().find(|(of, _)| *of == window).map(|(_, p)| p);
        Revision {
            flows: pane(self.spec.window).map(|pane| self.flows(pane)),
            observed: self
                .spec
                .observed
                .iter()
                .map(|of| pane(of.window).map(|pane| self.observed(of, pane)))
                .collect(),
        }
    }

    /// The flows of venues with gates.
    fn flows(&self, pane: &RecordBatch) -> Flows {
        let column = |name: &str| column(pane, name, &DataType::Int64);
        let (arrivals, departures) = (column(&self.spec.arrivals), column(&self.spec.departures));
        let (arrivals, departures) = (
            arrivals.as_primitive::<Int64Type>(),
            departures.as_primitive::<Int64Type>(),
        );
        let mut flows = Flows::new();
        for (row, venue) in self.known(pane) {
            let value = |column: &arrow::array::Int64Array| {
                if column.is_null(row) {
                    0
                } else {
                    column.value(row)
                }
            };
            let flow = flows.entry(venue).or_default();
            flow.0 = i64::saturating_add(flow.0, value(arrivals));
            flow.1 = i64::saturating_add(flow.1, value(departures));
        }
        flows
    }

    /// What a source says of venues with gates; a row without persons says nothing.
    fn observed(&self, of: &ObservedSpec, pane: &RecordBatch) -> ObservedVenues {
        let columns = [&of.persons, &of.lo, &of.hi];
        let columns = columns.map(|name| column(pane, name, &DataType::Float64));
        let mut observed = ObservedVenues::new();
        for (row, venue) in self.known(pane) {
            let [persons, lo, hi] = columns.each_ref().map(|column| {
                let numbers = column.as_primitive::<Float64Type>();
                let value = numbers.is_valid(row).then(|| numbers.value(row));
                // A NaN would not be equal to itself when the window is revised.
                value.filter(|value| value.is_finite())
            });
            let Some(persons) = persons else { continue };
            let part = Observed {
                persons,
                interval: lo.zip(hi),
            };
            let known = observed.get(&venue).copied();
            let whole = known.map_or(part, |known: Observed| known.plus(part));
            observed.insert(venue, whole);
        }
        observed
    }

    /// The rows of venues with gates, by their number.
    fn known(&self, pane: &RecordBatch) -> Vec<(usize, String)> {
        let venue = column(pane, "venue_id", &DataType::Utf8);
        let rows = venue.as_string::<i32>().iter().enumerate();
        let rows = rows.filter_map(|(row, venue)| Some((row, venue?.to_owned())));
        rows.filter(|(_, venue)| self.venues.contains_key(venue))
            .collect()
    }
}

fn column(pane: &RecordBatch, name: &str, kind: &DataType) -> ArrayRef {
    let column = pane
        .column_by_name(name)
        .expect("checked when the pipeline was loaded");
    cast(column, kind).expect("its type was checked when the pipeline was loaded")
}
