//! What is foreseen of a layer: tables for later layers, events for the readers.

use arrow::array::RecordBatch;
use tidegate_query::Slot;

use super::Event;
use crate::foresight::{Seen, replace};
use crate::tables::SteppedTables;

/// Sets what was `seen` of the layer in the tables, and gives the events that tell it.
pub(super) fn foresee(stepped: &SteppedTables, layer: &str, seen: Seen) -> Vec<Event> {
    let set = |slot: &Slot, rows: Option<RecordBatch>| {
        let rows = rows.filter(|rows| rows.num_rows() > 0)?;
        replace(slot, rows.clone());
        Some((layer.to_owned(), rows))
    };
    let forecast =
        set(&stepped.forecast, seen.forecast).map(|(layer, rows)| Event::Forecast { layer, rows });
    let aberration = set(&stepped.aberration, seen.aberration)
        .map(|(layer, rows)| Event::Aberration { layer, rows });
    forecast.into_iter().chain(aberration).collect()
}
