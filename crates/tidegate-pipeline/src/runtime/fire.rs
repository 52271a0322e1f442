//! Closing and revising windows: panes, then occupancy and the quality of feeds, then layers, and
//! after each layer its alerts, forecasts and aberrations.

use arrow::array::RecordBatch;
use tidegate_engine::Firing;
use tidegate_model::{EventTime, Span};
use tidegate_query::LayerFrame;

use super::foresee::foresee;
use super::{Event, Runtime, RuntimeError};

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
            self.step_occupancy(frame, &rows);
            self.publish_pane(frame, rows);
        }
        if firing.windows.contains(&QUALITY_WINDOW) {
            self.close_quality(firing.end);
        }
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
            self.adjust_occupancy(frame, &rows);
            self.publish_pane(frame, rows);
            self.evaluate_layers(frame).await?;
            self.windows[index].slot.set(latest);
        }
        Ok(())
    }

    /// Drops what was kept for revisions of windows that ended before `before`.
    fn forget(&mut self, before: EventTime) -> Result<(), RuntimeError> {
        for window in &mut self.windows {
            window.on_time.state.forget(before)?;
        }
        Ok(())
    }

    fn step_occupancy(&mut self, frame: Frame, rows: &RecordBatch) {
        let Some(occupancies) = &mut self.occupancies else {
            return;
        };
        if occupancies.window() != frame.window {
            return;
        }
        let flows = occupancies.flows(rows);
        let start = frame.end.minus(self.windows[frame.window].size);
        self.summary.occupancy_corrections += occupancies.step(start, frame.end, &flows);
        self.stepped
            .occupancy
            .set(vec![occupancies.table(frame.end)]);
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

    fn adjust_occupancy(&mut self, frame: Frame, rows: &RecordBatch) {
        let Some(occupancies) = &mut self.occupancies else {
            return;
        };
        if occupancies.window() != frame.window {
            return;
        }
        let after = occupancies.flows(rows);
        self.summary.occupancy_corrections += occupancies.revise(frame.end, &after);
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
        let start = frame.end.minus(self.windows[frame.window].size);
        let first = frame.is_final && frame.revision == 0;
        let latest: Vec<_> = self.layers.iter().map(|layer| layer.slot.rows()).collect();
        for (number, layer) in self.layers.iter().enumerate() {
            let mut alerts = Vec::new();
            if layer.window != frame.window || layer.reads_stepped && !first {
                continue;
            }
            let rows = layer
                .query
                .evaluate(LayerFrame {
                    layer: &layer.name,
                    start,
                    end: frame.end,
                    revision: i32::try_from(frame.revision).expect("0 or 1"),
                    is_final: frame.is_final,
                })
                .await?;
            let rows = if first {
                self.quality.mark(&rows)
            } else {
                rows
            };
            // Later layers read the rows of this window, whichever window that is.
            layer.slot.set(vec![rows.clone()]);
            if first {
                *self.summary.layers.entry(layer.name.clone()).or_default() +=
                    rows.num_rows() as u64;
            }
            if first {
                let measured = self
                    .directory
                    .measurements(&layer.name, start, frame.end, &rows);
                for transition in self.alerts.observe(&layer.name, frame.end, &measured) {
                    let state = transition.state.as_str().to_owned();
                    *self.summary.alerts.entry(state).or_default() += 1;
                    alerts.push(Event::Alert(Box::new(transition)));
                }
            }
            let seen = if first {
                self.foresights.observe(number, frame.end, &rows)
            } else {
                Vec::new()
            };
            if rows.num_rows() > 0 {
                let (layer, is_final) = (layer.name.clone(), frame.is_final);
                self.events.push_back(Event::Layer {
                    layer,
                    rows,
                    is_final,
                });
            }
            self.events.extend(alerts);
            for seen in seen {
                self.summary.series_refused += seen.refused;
                self.events
                    .extend(foresee(&self.stepped, &layer.name, seen));
            }
        }
        if !first {
            for (layer, rows) in self.layers.iter().zip(latest) {
                layer.slot.set(rows);
            }
        }
        Ok(())
    }
}
