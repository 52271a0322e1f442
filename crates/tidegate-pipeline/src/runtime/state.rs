//! Saving a run's state to a snapshot, and loading it again.

use crate::snapshot::{Snapshot, SnapshotError};

use super::{Accumulation, Runtime, RuntimeError};

impl Runtime {
    /// Puts everything that the rest of the run depends on into `snapshot`, changing nothing that
    /// an output would show.
    pub(crate) async fn save(&mut self, snapshot: &mut Snapshot) -> Result<(), RuntimeError> {
        snapshot.put("engine", &self.engine.state());
        for (feed, decoder) in &self.decoders {
            snapshot.put(&format!("decoder/{feed}"), &decoder.state());
        }
        for window in &mut self.windows {
            window.on_time.flush(&window.query).await?;
            window.late.flush(&window.query).await?;
            let schema = window.query.state_schema();
            for (timing, accumulation) in
                [("on_time", &window.on_time), ("late", &window.late)]
            {
                let name = format!("window/{}/{timing}", window.name);
                snapshot.put_rows(&name, schema.clone(), accumulation.state.rows());
            }
            let name = format!("pane/{}", window.name);
            snapshot.put_rows(&name, window.slot.schema().clone(), window.slot.rows());
        }
        for layer in &self.layers {
            let name = format!("layer/{}", layer.name);
            snapshot.put_rows(&name, layer.slot.schema().clone(), layer.slot.rows());
        }
        snapshot.put("occupancy", &self.occupancies.as_ref().map(|o| o.state()));
        let slot = &self.occupancy_slot;
        snapshot.put_rows("occupancy/table", slot.schema().clone(), slot.rows());
        let flows: Vec<_> = self.flows.iter().map(|(end, f)| (end.micros(), f)).collect();
        snapshot.put("flows", &flows);
        snapshot.put("alerts", &self.alerts.state());
        snapshot.put("summary", &self.summary);
        Ok(())
    }

    /// Takes over the state that [`Runtime::save`] put; this run must have read nothing yet.
    pub(crate) fn load(&mut self, snapshot: &Snapshot) -> Result<(), SnapshotError> {
        let state = snapshot.get("engine")?;
        self.engine = Engine::restore(self.engine.config().clone(), state)
            .map_err(|error| SnapshotError::section("engine", error))?;
        for (feed, decoder) in &mut self.decoders {
            let name = format!("decoder/{feed}");
            decoder
                .restore(snapshot.get(&name)?)
                .map_err(|error| SnapshotError::section(&name, error))?;
        }
        Ok(())
    }
}
