//! Where a run's events go: the lake, topics, the terminal.

use std::path::Path;
use std::time::Duration;

use anyhow::Result;
use tidegate_alerts::{AlertState, AlertTransition, wire::AlertRecord};
use tidegate_connect::{KafkaSink, Lake, LakeTable};
use tidegate_model::Rejected;
use tidegate_pipeline::{Event, Runtime, Summary};
use tidegate_query::LAYER_SCHEMA;

use crate::failpoint::{Step, failpoint};
use crate::rows::{
    ALERT_SCHEMA, LATE_SCHEMA, REJECTED_SCHEMA, alert_rows, json_lines, late_rows, pane_rows,
    pane_schema, rejected_rows,
};

/// Topics that a run publishes to.
pub(crate) const TOPICS: [&str; 5] = [
    "tidegate.pane",
    "tidegate.layer",
    "tidegate.alert",
    "tidegate.late",
    "tidegate.rejected",
];

/// The largest record that a run publishes, which its topics are made to take.
pub(crate) const PUBLISHED_BYTES_MAX: usize = 16 << 20;

/// Rejected bytes above this size would not fit a published record once they are base64.
const REJECTED_BYTES_MAX: usize = PUBLISHED_BYTES_MAX / 3 * 2;

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
            lake.declare(LakeTable::Rejected, "rejected", &REJECTED_SCHEMA)?;
        }
        Ok(Self { lake, sink, show })
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
        match event {
            Event::Pane {
                window,
                rows,
                end,
                revision,
                is_final,
            } => {
                let rows = pane_rows(rows, *revision, *is_final)?;
                if *is_final && let Some(lake) = &mut self.lake {
                    lake.write(LakeTable::Pane, window, &rows)?;
                }
                let key = format!("{window}/{end}");
                self.publish_lines("tidegate.pane", &key, || json_lines(&rows))
            }
            Event::Layer {
                layer,
                rows,
                is_final,
            } => {
                if *is_final && let Some(lake) = &mut self.lake {
                    lake.write(LakeTable::Layer, layer, rows)?;
                }
                self.publish_lines("tidegate.layer", layer, || json_lines(rows))
            }
            Event::Alert(alert) => self.pass_alert(alert),
            Event::Late {
                feed,
                batch,
                reason,
                watermarks,
            } => {
                let rows = late_rows(batch, reason.code(), watermarks)?;
                if let Some(lake) = &mut self.lake {
                    lake.write(LakeTable::Late, "late", &rows)?;
                }
                self.publish_lines("tidegate.late", feed.as_str(), || json_lines(&rows))
            }
            Event::Duplicate { .. } => Ok(()),
            Event::Rejected(rejected) => {
                let rows = rejected_rows(rejected)?;
                if let Some(lake) = &mut self.lake {
                    lake.write(LakeTable::Rejected, "rejected", &rows)?;
                }
                let key = rejected.first().map_or("", |row| row.feed.as_str());
                self.publish_lines("tidegate.rejected", key, || {
                    json_lines(&rejected_rows(&publishable(rejected))?)
                })
            }
        }
    }

    fn pass_alert(&mut self, alert: &AlertTransition) -> Result<()> {
        if let Some(lake) = &mut self.lake {
            lake.write(
                LakeTable::Alert,
                "alert",
                &alert_rows(std::slice::from_ref(alert))?,
            )?;
        }
        if self.show == Show::Alerts {
            show(alert);
        }
        let Some(sink) = &mut self.sink else {
            return Ok(());
        };
        let value = serde_json::to_vec(&AlertRecord::from(alert))?;
        let key = alert.id.as_bytes();
        Ok(sink.send("tidegate.alert", None, Some(key), Some(&value), None)?)
    }

    /// One message a row.
    fn publish_lines(
        &mut self,
        topic: &str,
        key: &str,
        lines: impl FnOnce() -> Result<Vec<u8>>,
    ) -> Result<()> {
        let Some(sink) = &mut self.sink else {
            return Ok(());
        };
        for line in lines()?
            .split(|byte| *byte == b'\n')
            .filter(|line| !line.is_empty())
        {
            failpoint(Step::MidRecords)?;
            sink.send(topic, None, Some(key.as_bytes()), Some(line), None)?;
        }
        Ok(())
    }
}

/// Rejections as they fit into records of a topic: bytes that are too many stay out, and the detail
/// says so. The lake has them.
fn publishable(rejected: &[Rejected]) -> Vec<Rejected> {
    let fit = |row: &Rejected| {
        let bytes = row.bytes.as_ref().map_or(0, Vec::len);
        let mut row = row.clone();
        if bytes > REJECTED_BYTES_MAX {
            row.bytes = None;
            row.detail = format!("{}; its {bytes} bytes are not in this record", row.detail);
        }
        row
    };
    rejected.iter().map(fit).collect()
}

/// One alert on the terminal, in both languages.
#[expect(clippy::print_stdout, reason = "this is what the command is for")]
fn show(alert: &AlertTransition) {
    let mark = match alert.state {
        AlertState::Firing => "▲",
        AlertState::Resolved => "▽",
        AlertState::NoData => "?",
        AlertState::Resumed => "·",
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
