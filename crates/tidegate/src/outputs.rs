//! Where a run's events go: the lake, topics, the terminal.

use std::path::Path;
use std::time::Duration;

use anyhow::Result;
use tidegate_alerts::{AlertState, AlertTransition};
use tidegate_connect::{KafkaSink, Lake, LakeTable};
use tidegate_pipeline::{
    ABERRATION_SCHEMA, Event, FEED_QUALITY_SCHEMA, FEED_REJECTED_SCHEMA, FORECAST_SCHEMA,
    FeedHealthTransition, OCCUPANCY_CORRECTION_SCHEMA, Runtime, Summary,
};
use tidegate_query::LAYER_SCHEMA;

use crate::records::{Bytes, publish};
use crate::rows::{
    ALERT_SCHEMA, DUPLICATE_SCHEMA, LATE_SCHEMA, REJECTED_SCHEMA, alert_rows, duplicate_rows,
    late_rows, pane_rows, pane_schema, rejected_rows,
};

/// Whether alerts are shown as they happen.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Show {
    /// On standard output.
    Alerts,
    /// Not at all: standard output is for one JSON object.
    Nothing,
}

/// The places that events go to.
#[derive(Debug)]
pub(crate) struct Outputs {
    lake: Option<Lake>,
    sink: Option<KafkaSink>,
    show: Show,
    pipeline: String,
}

impl Outputs {
    /// Outputs to a folder and to topics, each only where given.
    pub(crate) fn new(
        runtime: &Runtime,
        out: Option<&Path>,
        sink: Option<KafkaSink>,
        show: Show,
    ) -> Result<Self> {
        let mut lake = out.map(Lake::create).transpose()?;
        if let Some(lake) = &mut lake {
            for (name, schema) in runtime.pane_schemas() {
                lake.declare(LakeTable::Pane, name, &pane_schema(&schema))?;
            }
            for layer in &runtime.pipeline().layers {
                lake.declare(LakeTable::Layer, &layer.name, &LAYER_SCHEMA)?;
            }
            lake.declare(LakeTable::Alert, "alert", &ALERT_SCHEMA)?;
            lake.declare(LakeTable::Late, "late", &LATE_SCHEMA)?;
            lake.declare(LakeTable::Duplicate, "duplicate", &DUPLICATE_SCHEMA)?;
            lake.declare(LakeTable::Rejected, "rejected", &REJECTED_SCHEMA)?;
            lake.declare(
                LakeTable::OccupancyCorrection,
                "occupancy_correction",
                &OCCUPANCY_CORRECTION_SCHEMA,
            )?;
            lake.declare(LakeTable::FeedQuality, "feed_quality", &FEED_QUALITY_SCHEMA)?;
            lake.declare(
                LakeTable::FeedRejected,
                "feed_rejected",
                &FEED_REJECTED_SCHEMA,
            )?;
            lake.declare(LakeTable::Forecast, "forecast", &FORECAST_SCHEMA)?;
            lake.declare(LakeTable::Aberration, "aberration", &ABERRATION_SCHEMA)?;
        }
        Ok(Self {
            lake,
            sink,
            show,
            pipeline: runtime.pipeline().name.clone(),
        })
    }

    /// Passes on everything that the run has to give.
    pub(crate) fn drain(
        &mut self,
        runtime: &mut Runtime,
        mut seen: impl FnMut(&Event),
    ) -> Result<()> {
        while let Some(event) = runtime.poll_event() {
            seen(&event);
            self.pass(&event)?;
        }
        match &mut self.sink {
            // What a broker did not take is told now and not at the end, which may be far.
            Some(sink) => Ok(sink.check()?),
            None => Ok(()),
        }
    }

    /// Waits for the topics and makes the files visible.
    pub(crate) fn finish(mut self, summary: &Summary) -> Result<()> {
        if let Some(sink) = &mut self.sink {
            sink.flush(Duration::from_mins(1))?;
        }
        if let Some(lake) = self.lake {
            lake.finish(&serde_json::to_value(summary)?)?;
        }
        Ok(())
    }

    fn pass(&mut self, event: &Event) -> Result<()> {
        if self.show == Show::Alerts {
            show(event);
        }
        if let Some(lake) = &mut self.lake {
            write(lake, event)?;
        }
        let Some(sink) = &mut self.sink else {
            return Ok(());
        };
        publish(
            event,
            &self.pipeline,
            Bytes::Fitting,
            |topic, key, value| Ok(sink.send(topic, None, Some(key), Some(value), None)?),
        )
    }
}

/// Adds what is final to the lake's tables.
fn write(lake: &mut Lake, event: &Event) -> Result<()> {
    let (table, name, rows) = match event {
        Event::Pane {
            is_final: false, ..
        }
        | Event::Layer {
            is_final: false, ..
        }
        // The summary has how often each feed changed; nothing changes rules in a lake's run.
        | Event::FeedHealth(_)
        | Event::LayerFailed { .. }
        | Event::Audit(_) => return Ok(()),
        Event::OccupancyCorrection(rows) => (
            LakeTable::OccupancyCorrection,
            "occupancy_correction",
            rows.clone(),
        ),
        Event::FeedQuality { quality, rejected } => {
            lake.write(LakeTable::FeedQuality, "feed_quality", quality)?;
            (LakeTable::FeedRejected, "feed_rejected", rejected.clone())
        }
        Event::Forecast { rows, .. } => (LakeTable::Forecast, "forecast", rows.clone()),
        Event::Aberration { rows, .. } => (LakeTable::Aberration, "aberration", rows.clone()),
        Event::Pane {
            window,
            rows,
            revision,
            ..
        } => {
            let rows = pane_rows(rows, *revision, true)?;
            (LakeTable::Pane, window.as_str(), rows)
        }
        Event::Layer { layer, rows, .. } => (LakeTable::Layer, layer.as_str(), rows.clone()),
        Event::Alert(alert) => {
            let rows = alert_rows(std::slice::from_ref(alert.as_ref()))?;
            (LakeTable::Alert, "alert", rows)
        }
        Event::Late {
            batch,
            reason,
            watermarks,
            bytes,
            ..
        } => {
            let rows = late_rows(batch, reason.code(), watermarks, bytes)?;
            (LakeTable::Late, "late", rows)
        }
        Event::Duplicate { batch, bytes, .. } => {
            let rows = duplicate_rows(batch, bytes)?;
            (LakeTable::Duplicate, "duplicate", rows)
        }
        Event::Rejected(rejected) => (LakeTable::Rejected, "rejected", rejected_rows(rejected)?),
    };
    Ok(lake.write(table, name, &rows)?)
}

/// Alerts and what else concerns people, on the terminal.
pub(crate) fn show(event: &Event) {
    match event {
        Event::Alert(alert) => show_alert(alert),
        Event::FeedHealth(change) => show_health(change),
        Event::LayerFailed { layer, end, why } => show_failed(layer, *end, why),
        Event::Pane { .. }
        | Event::Layer { .. }
        | Event::Late { .. }
        | Event::Duplicate { .. }
        | Event::OccupancyCorrection(_)
        | Event::FeedQuality { .. }
        | Event::Forecast { .. }
        | Event::Aberration { .. }
        | Event::Audit(_)
        | Event::Rejected(_) => {}
    }
}

/// A change of a feed's health on the terminal, in both languages.
#[expect(clippy::print_stdout, reason = "this is what the command is for")]
fn show_health(change: &FeedHealthTransition) {
    println!("! {}\n  {}", change.text_en(), change.text_zh());
}

/// A layer that could not be evaluated, on the terminal, in both languages.
#[expect(clippy::print_stdout, reason = "this is what the command is for")]
fn show_failed(layer: &str, end: tidegate_model::EventTime, why: &str) {
    println!(
        "! Layer {layer} could not be evaluated for the window to {end}: {why}\n  图层 {layer} 在截至 {end} \
         的窗口计算失败：{why}"
    );
}

/// One alert on the terminal, in both languages.
#[expect(clippy::print_stdout, reason = "this is what the command is for")]
fn show_alert(alert: &AlertTransition) {
    let mark = match alert.state {
        AlertState::Firing | AlertState::Escalated => "▲",
        AlertState::Resolved | AlertState::Eased => "▽",
        AlertState::NoData | AlertState::Stale | AlertState::Error => "?",
        AlertState::Resumed => "·",
        AlertState::Flapping => "~",
    };
    println!(
        "{mark} {} {:<8} {:<8} {}\n  {}  [{} → {}]",
        alert.window_end,
        alert.state.as_str(),
        alert.severity.as_str(),
        alert.title_en,
        alert.title_zh,
        alert.rule,
        alert.owner
    );
}
