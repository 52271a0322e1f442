//! Closing and revising windows: panes, then the quality of feeds, then occupancy, then layers, and
//! after each layer its alerts, forecasts and aberrations.

use arrow::array::RecordBatch;
use arrow::error::ArrowError;
use datafusion::common::DataFusionError;
use tidegate_engine::Firing;
use tidegate_model::{EventTime, Span};
use tidegate_query::{LAYER_SCHEMA, LayerFrame};

use super::event::alerts_told;
use super::foresee::foresee;
use super::{Event, Runtime, RuntimeError};
use crate::tables::this_window;

/// By whose windows the quality of feeds is told.
const QUALITY_WINDOW: usize = 0;

/// Which evaluation of which window.
#[derive(Debug, Clone, Copy)]
struct Frame {
    window: usize,
    end: EventTime,
    revision: u32,
    is_final: bool,
}

impl Runtime {
    /// Evaluates the open windows as they stand, changing nothing: panes and layers with
    /// `is_final = false`. Layers that rest on occupancy wait for the window to close.
    ///
    /// # Errors
    /// [`RuntimeError`].
    pub async fn provisional(&mut self) -> Result<(), RuntimeError> {
        for index in 0..self.windows.len() {
            let window = &mut self.windows[index];
            window.on_time.flush(&window.query).await?;
            let watermark = self.engine.watermark();
            for end in window.on_time.state.open()? {
                if end <= watermark {
                    continue;
                }
                let window = &mut self.windows[index];
                let state = window.on_time.state.peek(end)?;
                let rows = window.query.panes(state).await?;
                let frame = Frame {
                    window: index,
                    end,
                    revision: 0,
                    is_final: false,
                };
                let shown = self.windows[index].slot.rows();
                self.publish_pane(frame, rows);
                self.evaluate_layers(frame).await?;
                self.windows[index].slot.set(shown);
            }
        }
        Ok(())
    }

    /// Closes windows: panes, then state that steps with time, then layers, then alerts.
    pub(super) async fn fire(&mut self, firing: &Firing) -> Result<(), RuntimeError> {
        let revisable = self.pipeline.allowed_lateness > Span::ZERO;
        for &index in &firing.windows {
            let window = &mut self.windows[index];
            window.on_time.flush(&window.query).await?;
            let state = if revisable {
                window.on_time.state.peek(firing.end)?
            } else {
                window.on_time.state.take(firing.end)?
            };
            let rows = window.query.panes(state).await?;
            let frame = Frame {
                window: index,
                end: firing.end,
                revision: 0,
                is_final: true,
            };
            self.publish_pane(frame, rows);
        }
        if firing.windows.contains(&QUALITY_WINDOW) {
            self.close_quality(firing.end);
        }
        self.step_occupancy(firing);
        for &index in &firing.windows {
            let frame = Frame {
                window: index,
                end: firing.end,
                revision: 0,
                is_final: true,
            };
            self.evaluate_layers(frame).await?;
        }
        self.forget(firing.end.minus(self.pipeline.allowed_lateness))
    }

    /// Publishes the windows again with the late rows.
    pub(super) async fn revise(&mut self, firing: &Firing) -> Result<(), RuntimeError> {
        let mut revised = Vec::new();
        for &index in &firing.windows {
            let window = &mut self.windows[index];
            window.late.flush(&window.query).await?;
            let mut state = window.on_time.state.take(firing.end)?;
            state.extend(window.late.state.take(firing.end)?);
            let rows = window.query.panes(state).await?;
            let frame = Frame {
                window: index,
                end: firing.end,
                revision: 1,
                is_final: true,
            };
            let latest = self.windows[index].slot.rows();
            revised.push((index, rows.clone()));
            self.publish_pane(frame, rows);
            self.evaluate_layers(frame).await?;
            self.windows[index].slot.set(latest);
        }
        self.revise_occupancy(firing.end, &revised);
        Ok(())
    }

    /// Drops what was kept for revisions of windows that ended before `before`.
    fn forget(&mut self, before: EventTime) -> Result<(), RuntimeError> {
        for window in &mut self.windows {
            window.on_time.state.forget(before)?;
        }
        Ok(())
    }

    fn close_quality(&mut self, end: EventTime) {
        let tables = self.quality.close(end);
        self.stepped.feed_quality.set(vec![tables.quality.clone()]);
        self.stepped
            .feed_rejected
            .set(vec![tables.rejected.clone()]);
        self.stepped.feed_site.set(vec![tables.sites]);
        self.events.push_back(Event::FeedQuality {
            quality: tables.quality,
            rejected: tables.rejected,
        });
        for feed in tables.silent {
            // Of one that delivers nothing but garbage it was told already.
            if !self.is_quarantined(&feed) {
                self.silent(&feed);
            }
        }
    }

    fn publish_pane(&mut self, frame: Frame, rows: RecordBatch) {
        let window = &mut self.windows[frame.window];
        if frame.is_final {
            let summary = self.summary.windows.entry(window.name.clone()).or_default();
            if frame.revision == 0 {
                summary.closed += 1;
            } else {
                summary.revised += 1;
            }
            summary.panes += rows.num_rows() as u64;
        }
        window.slot.set(vec![rows.clone()]);
        if rows.num_rows() > 0 {
            self.events.push_back(Event::Pane {
                window: window.name.clone(),
                rows,
                end: frame.end,
                revision: frame.revision,
                is_final: frame.is_final,
            });
        }
    }

    async fn evaluate_layers(&mut self, frame: Frame) -> Result<(), RuntimeError> {
        let first = frame.is_final && frame.revision == 0;
        let window = this_window(self.start(frame), frame.end);
        self.stepped.this_window.set(vec![window]);
        let latest: Vec<_> = self.layers.iter().map(|layer| layer.slot.rows()).collect();
        for number in 0..self.layers.len() {
            let layer = &self.layers[number];
            if layer.window != frame.window || layer.reads_stepped && !first {
                continue;
            }
            let rows = self.evaluate_layer(number, frame).await?;
            let told = match &rows {
                Ok(rows) if first => self.observe_layer(number, frame, rows),
                Err(why) if frame.is_final => self.fail_layer(number, frame, why),
                // What fails on an open window is told when it closes, if it fails then too.
                _ => Vec::new(),
            };
            let rows = rows.unwrap_or_else(|_| RecordBatch::new_empty(LAYER_SCHEMA.clone()));
            if rows.num_rows() > 0 {
                self.events.push_back(Event::Layer {
                    layer: self.layers[number].name.clone(),
                    rows,
                    is_final: frame.is_final,
                });
            }
            self.events.extend(told);
        }
        if !first {
            for (layer, rows) in self.layers.iter().zip(latest) {
                layer.slot.set(rows);
            }
        }
        Ok(())
    }

    /// The rows of a layer, which later layers read from now on; or why this window's data gives
    /// none, such as a sum that overflows: the same data would fail again, so the run goes on.
    async fn evaluate_layer(
        &self,
        number: usize,
        frame: Frame,
    ) -> Result<Result<RecordBatch, String>, RuntimeError> {
        let layer = &self.layers[number];
        let evaluated = layer.query.evaluate(LayerFrame {
            layer: &layer.name,
            start: self.start(frame),
            end: frame.end,
            revision: i32::try_from(frame.revision).expect("0 or 1"),
            is_final: frame.is_final,
        });
        let mut rows = match evaluated.await {
            Ok(rows) => rows,
            Err(error) if is_of_data(&error) => {
                layer.slot.set(Vec::new());
                return Ok(Err(error.strip_backtrace()));
            }
            Err(error) => return Err(error.into()),
        };
        if frame.is_final && frame.revision == 0 {
            rows = self.quality.mark(&rows);
        }
        // Later layers read the rows of this window, whichever window that is.
        layer.slot.set(vec![rows.clone()]);
        Ok(Ok(rows))
    }

    /// Tells that a layer has no rows for a closed window, and of the alerts that rest on it.
    fn fail_layer(&mut self, number: usize, frame: Frame, why: &str) -> Vec<Event> {
        let layer = self.layers[number].name.clone();
        *self.summary.layers_failed.entry(layer.clone()).or_default() += 1;
        let mut told = vec![Event::LayerFailed {
            layer: layer.clone(),
            end: frame.end,
            why: why.to_owned(),
        }];
        if frame.revision == 0 {
            let transitions = self.alerts.fail(&layer, frame.end);
            told.extend(alerts_told(&mut self.summary, transitions));
        }
        told
    }

    /// Shows the first rows of a closed window to all that follow the layer: quarantine, alerts,
    /// forecasts and aberrations. Gives what they tell.
    fn observe_layer(&mut self, number: usize, frame: Frame, rows: &RecordBatch) -> Vec<Event> {
        let name = &self.layers[number].name;
        *self.summary.layers.entry(name.clone()).or_default() += rows.num_rows() as u64;
        if let Some(quarantine) = &mut self.quarantine
            && quarantine.layer() == number
        {
            let loads = quarantine.step(frame.end, rows);
            self.stepped.quarantine_load.set(vec![loads]);
        }
        let mut told = Vec::new();
        let start = self.start(frame);
        let measured = self.directory.measurements(name, start, frame.end, rows);
        let transitions = self.alerts.observe(name, frame.end, &measured);
        told.extend(alerts_told(&mut self.summary, transitions));
        for seen in self.foresights.observe(number, frame.end, rows) {
            self.summary.series_refused += seen.refused;
            told.extend(foresee(&self.stepped, name, seen));
        }
        told
    }

    /// Start of the window.
    fn start(&self, frame: Frame) -> EventTime {
        frame.end.minus(self.windows[frame.window].size)
    }
}

/// Whether it is the data on which a query failed, and not memory, a disk or the query itself.
fn is_of_data(error: &DataFusionError) -> bool {
    match error.find_root() {
        DataFusionError::ArrowError(error, _) => matches!(
            **error,
            ArrowError::ArithmeticOverflow(_)
                | ArrowError::DivideByZero
                | ArrowError::CastError(_)
                | ArrowError::ComputeError(_)
                | ArrowError::InvalidArgumentError(_)
                | ArrowError::ParseError(_)
        ),
        DataFusionError::Execution(_) => true,
        _ => false,
    }
}
