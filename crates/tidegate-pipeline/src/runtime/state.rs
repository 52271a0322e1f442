//! Saving a run's state to a snapshot, and loading it again.

use std::sync::Arc;

use tidegate_alerts::AlertMachine;
use tidegate_engine::Engine;
use tidegate_feeds::state::DecoderState;
use tidegate_query::{Slot, WindowState};

use super::{Accumulation, RulesError, Runtime, RuntimeError, Window};
use crate::feed_health::{FeedHealth, FeedHealthRule};
use crate::occupancy::Occupancies;
use crate::quarantine::Quarantine;
use crate::snapshot::{Snapshot, SnapshotError};

impl Runtime {
    /// Puts everything that the rest of the run depends on into `snapshot`, changing nothing that
    /// an output would show.
    pub(crate) async fn save(&mut self, snapshot: &mut Snapshot) -> Result<(), RuntimeError> {
        snapshot.put("engine", &self.engine.state());
        for (feed, decoder) in &self.decoders {
            snapshot.put(&format!("decoder/{feed}"), &decoder.state());
        }
        for (feed, health) in &self.health {
            snapshot.put(&format!("health/{feed}"), &health.state());
        }
        for window in &mut self.windows {
            window.on_time.flush(&window.query).await?;
            window.late.flush(&window.query).await?;
            window.save(snapshot);
        }
        for layer in &self.layers {
            put_slot(snapshot, &format!("layer/{}", layer.name), &layer.slot);
        }
        let occupancies = self.occupancies.as_ref().map(Occupancies::state);
        snapshot.put("occupancy", &occupancies);
        snapshot.put("quality", &self.quality.state());
        let quarantine = self.quarantine.as_ref().map(Quarantine::state);
        snapshot.put("quarantine", &quarantine);
        snapshot.put("foresight", &self.foresights.state());
        for (name, slot) in self.stepped.named() {
            put_slot(snapshot, &format!("table/{name}"), slot);
        }
        snapshot.put("rules", &self.rules);
        snapshot.put("alerts", &self.alerts.state());
        snapshot.put("summary", &self.summary);
        Ok(())
    }

    /// Takes over the state that [`Runtime::save`] put; this run must have read nothing yet.
    pub(crate) fn load(&mut self, snapshot: &Snapshot) -> Result<(), SnapshotError> {
        let config = self.engine.config().clone();
        self.engine = Engine::restore(config, snapshot.get("engine")?)
            .map_err(|error| SnapshotError::section("engine", error))?;
        for (feed, decoder) in &mut self.decoders {
            let name = format!("decoder/{feed}");
            let restored = decoder
                .clone()
                .restore(&snapshot.get::<DecoderState>(&name)?);
            *decoder = restored.map_err(|error| SnapshotError::section(&name, error))?;
        }
        for (feed, health) in &mut self.health {
            let name = format!("health/{feed}");
            let rule = FeedHealthRule::default();
            let restored = FeedHealth::restore(feed.clone(), rule, &snapshot.get(&name)?);
            *health = restored.map_err(|error| SnapshotError::section(&name, error))?;
        }
        for window in &mut self.windows {
            window.load(snapshot)?;
        }
        for layer in &self.layers {
            get_slot(snapshot, &format!("layer/{}", layer.name), &layer.slot)?;
        }
        if let Some(venues) = self.occupancies.take() {
            let state = snapshot.get::<Option<_>>("occupancy")?.ok_or_else(|| {
                SnapshotError::section("occupancy", "the pipeline keeps one, the snapshot has none")
            })?;
            let restored = venues.restore(state);
            self.occupancies =
                Some(restored.map_err(|error| SnapshotError::section("occupancy", error))?);
        }
        let quality = snapshot.get("quality")?;
        self.quality
            .restore(quality)
            .map_err(|error| SnapshotError::section("quality", error))?;
        if let Some(quarantine) = &mut self.quarantine {
            let state = snapshot.get::<Option<_>>("quarantine")?.ok_or_else(|| {
                let message = "the pipeline keeps one, the snapshot has none";
                SnapshotError::section("quarantine", message)
            })?;
            quarantine
                .restore(state)
                .map_err(|error| SnapshotError::section("quarantine", error))?;
        }
        let foresight = snapshot.get("foresight")?;
        self.foresights
            .restore(foresight)
            .map_err(|error| SnapshotError::section("foresight", error))?;
        for (name, slot) in self.stepped.named() {
            get_slot(snapshot, &format!("table/{name}"), slot)?;
        }
        self.rules = snapshot.get("rules")?;
        // Those that the snapshot was taken under; the folder may have others by now.
        let rules = self
            .pipeline
            .rules_of(&self.rules.text)
            .map_err(|problems| SnapshotError::section("rules", RulesError(problems)))?;
        let alerts = AlertMachine::restore(rules, snapshot.get("alerts")?)
            .map_err(|error| SnapshotError::section("alerts", error))?;
        self.alerts = self.pipeline.placed(alerts);
        self.summary = snapshot.get("summary")?;
        Ok(())
    }
}

impl Window {
    fn save(&self, snapshot: &mut Snapshot) {
        for (timing, accumulation) in [("on_time", &self.on_time), ("late", &self.late)] {
            let name = format!("window/{}/{timing}", self.name);
            snapshot.put_rows(&name, self.query.state_schema(), accumulation.state.rows());
        }
        put_slot(snapshot, &format!("pane/{}", self.name), &self.slot);
    }

    fn load(&mut self, snapshot: &Snapshot) -> Result<(), SnapshotError> {
        let schema = self.query.state_schema();
        for (timing, accumulation) in [("on_time", &mut self.on_time), ("late", &mut self.late)] {
            let name = format!("window/{}/{timing}", self.name);
            let rows = snapshot.get_rows(&name, &schema)?;
            *accumulation = Accumulation {
                state: WindowState::restore(&self.query, rows)
                    .map_err(|error| SnapshotError::section(&name, error))?,
                ..Accumulation::default()
            };
        }
        get_slot(snapshot, &format!("pane/{}", self.name), &self.slot)
    }
}

fn put_slot(snapshot: &mut Snapshot, name: &str, slot: &Slot) {
    snapshot.put_rows(name, Arc::clone(slot.schema()), slot.rows());
}

fn get_slot(snapshot: &Snapshot, name: &str, slot: &Slot) -> Result<(), SnapshotError> {
    slot.set(snapshot.get_rows(name, slot.schema())?);
    Ok(())
}
