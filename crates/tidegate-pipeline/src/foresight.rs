//! Forecasts and aberrations of layers, stepped with the windows.
//!
//! A *series* is a layer's value for one subject. Of each closed window that ends with a slot of
//! local time, the layer's rows are observed: a value teaches, a null or absent one is missing, a
//! stale one faulty, a withheld one suppressed. A window's revision is not observed.
//!
//! Promises: the same windows give the same rows (T1), and with the state of a snapshot they go on
//! as if nothing had happened (T7). A slot is of the local clock: where clocks go forward slots are
//! left out, where they go back slots come twice. No clock is asked.
//! There are at most [`SERIES_MAX`] series of a layer; subjects beyond get a row that says so.
//!
//! It does not say whether a forecast is good, it raises no alert, and nothing here changes a layer.

mod clock;
mod spec;

mod detector;
mod read;
mod series;
mod track;

mod state;
mod tables;

#[cfg(test)]
mod tests;

use arrow::array::{AsArray, RecordBatch};
use tidegate_model::EventTime;
use tidegate_query::Slot;

use crate::Pipeline;
pub(crate) use spec::TrackSpec;
pub(crate) use state::TrackState;
pub use tables::{ABERRATION_SCHEMA, FORECAST_SCHEMA};
pub(crate) use track::Seen;
use track::Track;

/// Most series of one `[[forecast]]` or `[[aberration]]`. Further subjects are not observed: in each slot
/// each of them has one row with the reason `too_many_series`, and counts in
/// [`crate::Summary::series_refused`].
pub const SERIES_MAX: usize = 20_000;

/// All series of a pipeline.
#[derive(Debug)]
pub(crate) struct Foresights {
    tracks: Vec<Track>,
}

impl Foresights {
    /// Of a pipeline that has read nothing.
    pub(crate) fn new(pipeline: &Pipeline) -> Self {
        let track = |spec: &TrackSpec| {
            let layer = pipeline.layers[spec.layer].name.clone();
            Track::new(spec.clone(), layer, &pipeline.zone, &pipeline.reference)
        };
        Self {
            tracks: pipeline.tracks.iter().map(track).collect(),
        }
    }

    /// Observes the rows of layer number `layer` of the window that ended at `end`.
    pub(crate) fn observe(
        &mut self,
        layer: usize,
        end: EventTime,
        rows: &RecordBatch,
    ) -> Vec<Seen> {
        let tracks = self.tracks.iter_mut();
        tracks
            .filter(|track| track.layer() == layer)
            .filter_map(|track| track.observe(end, rows))
            .collect()
    }

    /// Everything that is remembered.
    pub(crate) fn state(&self) -> Vec<TrackState> {
        self.tracks.iter().map(Track::state).collect()
    }

    /// Goes on where `state` was taken; what does not fit, else.
    pub(crate) fn restore(&mut self, state: Vec<TrackState>) -> Result<(), String> {
        if state.len() != self.tracks.len() {
            return Err(format!(
                "{} lists of series are stored, the pipeline has {}",
                state.len(),
                self.tracks.len()
            ));
        }
        for (track, state) in self.tracks.iter_mut().zip(state) {
            track.restore(state)?;
        }
        Ok(())
    }
}

/// Sets the rows of one layer in a table that holds those of several: other layers' stay.
pub(crate) fn replace(slot: &Slot, rows: RecordBatch) {
    let layer = |batch: &RecordBatch| {
        let layers = batch.column(0).as_string::<i32>();
        (batch.num_rows() > 0).then(|| layers.value(0).to_owned())
    };
    let mut batches = slot.rows();
    let name = layer(&rows);
    batches.retain(|batch| layer(batch) != name);
    batches.push(rows);
    batches.sort_by_key(layer);
    slot.set(batches);
}
