//! What a run has published, read back from its topics as the lake that a backfill would write: for
//! summaries, backtests and SQL over what was told live.
//!
//! Only committed, final rows of this pipeline are taken, in the order of the topic, so that a table
//! of a pipeline with one task has the bytes of a backfill's. Memory is bounded: rows pass through.
//! Late, duplicate and rejected records are not among it: they lie in no window.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::path::Path;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, Result, bail, ensure};
use arrow::array::RecordBatch;
use arrow::datatypes::SchemaRef;
use jiff::Timestamp;
use serde_json::{Map, Value, json};
use tidegate_connect::{Ends, InspectedRecord, Inspector, Lake, LakeTable};
use tidegate_pipeline::{
    ABERRATION_SCHEMA, FEED_QUALITY_SCHEMA, FEED_REJECTED_SCHEMA, FORECAST_SCHEMA, Mode,
    OCCUPANCY_CORRECTION_SCHEMA, Pipeline, Runtime,
};
use tidegate_query::LAYER_SCHEMA;

use crate::cli::LakeArgs;
use crate::folder;
use crate::records::{
    ABERRATIONS, ALERT, FEED_QUALITY, FORECASTS, LAYER, OCCUPANCY_CORRECTIONS, PANE,
};
use crate::rows::{ALERT_SCHEMA, JsonRows, pane_schema};

type Print = fn(&str);

/// How long the brokers may give nothing.
const WITHIN: Duration = Duration::from_mins(1);
/// Records are sent after the end of their window, by a clock that may be this far behind; and a
/// window may end later than they arrive, by the pipeline's `max_future`.
const CLOCKS: jiff::SignedDuration = jiff::SignedDuration::from_hours(1);

/// Which rows are read back.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Asked<'a> {
    /// Windows that end after this; alerts also before it, since one may stand.
    pub(crate) from: Timestamp,
    /// Windows that end at this or before.
    pub(crate) to: Timestamp,
    /// Those of these layers…
    pub(crate) layers: &'a [&'a str],
    /// …and of the panes of these windows, with their schemas; of every other table all.
    pub(crate) panes: &'a [(String, SchemaRef)],
}

/// How much was read back.
#[derive(Debug, Default, serde::Serialize)]
pub(crate) struct Counts {
    /// Rows of each table.
    pub(crate) rows: BTreeMap<&'static str, u64>,
    /// Records that are no row of such a topic.
    pub(crate) unreadable: u64,
    /// Records that name no pipeline, as a version before 26 November 2026 sent them.
    pub(crate) nameless: u64,
}

/// `tidegate lake`.
pub(crate) async fn lake(args: &LakeArgs, print: Print) -> Result<ExitCode> {
    let pipeline = folder::load(&args.pipeline).await?;
    let (from, to) = (args.from, args.to);
    ensure!(from < to, "--from {from} is not before --to {to}");
    let layers: Vec<&str> = pipeline.layers.iter().map(|layer| &*layer.name).collect();
    let runtime = Runtime::new(Arc::clone(&pipeline), Mode::Batch).await?;
    let panes = runtime.pane_schemas();
    let panes = panes.map(|(name, schema)| (name.to_owned(), pane_schema(&schema)));
    let asked = Asked {
        from,
        to,
        layers: &layers,
        panes: &panes.collect::<Vec<_>>(),
    };
    let tables = read_back(&args.bootstrap, &pipeline, asked, &args.out)?;
    let counts = &tables.counts;
    if counts.rows.is_empty() {
        bail!(
            "no topic has a row of pipeline {} between {from} and {to} ({} records name no \
             pipeline, {} cannot be read): did it run on this cluster then?",
            pipeline.name,
            counts.nameless,
            counts.unreadable
        );
    }
    let counts = tables.finish()?;
    if args.json {
        print(&serde_json::to_string_pretty(&counts)?);
    } else {
        for (table, rows) in &counts.rows {
            print(&format!("{table}: {rows} rows"));
        }
        for (count, what) in [
            (counts.unreadable, "records that cannot be read"),
            (counts.nameless, "records that name no pipeline"),
        ] {
            if count > 0 {
                print(&format!("{count} {what} were left out"));
            }
        }
    }
    Ok(ExitCode::SUCCESS)
}

/// The tables of what was published, which [`Tables::finish`] puts into the folder `out`. It waits
/// for the brokers.
///
/// # Errors
/// Brokers that do not answer; what [`Lake`] says of the folder; a row with a value that its column
/// cannot have.
pub(crate) fn read_back(
    bootstrap: &str,
    pipeline: &Pipeline,
    asked: Asked<'_>,
    out: &Path,
) -> Result<Tables> {
    let inspector = Inspector::new(bootstrap);
    let mut tables = Tables::create(pipeline, asked, out)?;
    let max_future = jiff::SignedDuration::from_micros(pipeline.max_future.as_micros());
    let since = asked.from.checked_sub(CLOCKS);
    let since = since.and_then(|since| since.checked_sub(max_future));
    let since = since.unwrap_or(Timestamp::UNIX_EPOCH).as_millisecond();
    for topic in TOPICS {
        if topic == PANE && asked.panes.is_empty() {
            continue;
        }
        let begins = if topic == ALERT {
            Ends::new()
        } else {
            inspector.offsets_since(topic, since, WITHIN)?
        };
        let mut take = |record: InspectedRecord| -> Result<()> {
            let place = (record.partition, record.offset);
            let (key, value) = (record.key, record.value);
            let key = key.unwrap_or_default();
            let taken = tables.take(topic, &key, &value.unwrap_or_default());
            taken.with_context(|| format!("topic {topic}, partition and offset {place:?}"))
        };
        inspector.each_committed(topic, &begins, WITHIN, &mut take)?;
    }
    Ok(tables)
}

/// The topics whose rows lie in windows.
const TOPICS: [&str; 7] = [
    PANE,
    LAYER,
    ALERT,
    FEED_QUALITY,
    OCCUPANCY_CORRECTIONS,
    FORECASTS,
    ABERRATIONS,
];

/// What decides whether a record is taken.
#[derive(serde::Deserialize)]
struct Head<'a> {
    #[serde(borrow)]
    pipeline: Option<Cow<'a, str>>,
    #[serde(borrow)]
    layer: Option<Cow<'a, str>>,
    window_end: Option<Timestamp>,
    made_at: Option<Timestamp>,
    is_final: Option<bool>,
}

/// The tables while they are written.
#[derive(Debug)]
pub(crate) struct Tables {
    pipeline: String,
    from: Timestamp,
    to: Timestamp,
    lake: Lake,
    open: BTreeMap<(LakeTable, String), JsonRows>,
    counts: Counts,
}

impl Tables {
    fn create(pipeline: &Pipeline, asked: Asked<'_>, out: &Path) -> Result<Self> {
        let mut tables = Self {
            pipeline: pipeline.name.clone(),
            from: asked.from,
            to: asked.to,
            lake: Lake::create(out)?,
            open: BTreeMap::new(),
            counts: Counts::default(),
        };
        for (window, schema) in asked.panes {
            tables.declare(LakeTable::Pane, window, schema)?;
        }
        for layer in asked.layers {
            tables.declare(LakeTable::Layer, layer, &LAYER_SCHEMA)?;
        }
        tables.declare(LakeTable::Alert, "alert", &ALERT_SCHEMA)?;
        for (table, schema) in [
            (LakeTable::FeedQuality, &FEED_QUALITY_SCHEMA),
            (LakeTable::FeedRejected, &FEED_REJECTED_SCHEMA),
            (LakeTable::OccupancyCorrection, &OCCUPANCY_CORRECTION_SCHEMA),
            (LakeTable::Forecast, &FORECAST_SCHEMA),
            (LakeTable::Aberration, &ABERRATION_SCHEMA),
        ] {
            tables.declare(table, table.as_str(), schema)?;
        }
        Ok(tables)
    }

    fn declare(&mut self, table: LakeTable, name: &str, schema: &SchemaRef) -> Result<()> {
        self.lake.declare(table, name, schema)?;
        let rows = JsonRows::new(schema)?;
        self.open.insert((table, name.to_owned()), rows);
        Ok(())
    }

    fn take(&mut self, topic: &str, key: &[u8], value: &[u8]) -> Result<()> {
        let Ok(head) = serde_json::from_slice::<Head<'_>>(value) else {
            self.counts.unreadable += 1;
            return Ok(());
        };
        let Some(pipeline) = head.pipeline else {
            self.counts.nameless += 1;
            return Ok(());
        };
        let Some(at) = head.window_end.or(head.made_at) else {
            self.counts.unreadable += 1;
            return Ok(());
        };
        let is_within = (topic == ALERT || at > self.from) && at <= self.to;
        let is_asked = *pipeline == *self.pipeline && is_within;
        // A lake has the alerts of open windows too, since they were told.
        if !is_asked || (topic != ALERT && head.is_final == Some(false)) {
            return Ok(());
        }
        match topic {
            PANE => {
                let window = key.split(|byte| *byte == b'/').next();
                let window = String::from_utf8_lossy(window.unwrap_or_default());
                self.add(LakeTable::Pane, &window, value)
            }
            LAYER => self.add(LakeTable::Layer, &head.layer.unwrap_or_default(), value),
            ALERT => self.add(LakeTable::Alert, "alert", &alert_row(value)?),
            FEED_QUALITY => {
                for row in rejected_by(value)? {
                    self.add(LakeTable::FeedRejected, "feed_rejected", &row)?;
                }
                self.add(LakeTable::FeedQuality, "feed_quality", value)
            }
            OCCUPANCY_CORRECTIONS => self.add(
                LakeTable::OccupancyCorrection,
                "occupancy_correction",
                value,
            ),
            FORECASTS => self.add(LakeTable::Forecast, "forecast", value),
            _ => self.add(LakeTable::Aberration, "aberration", value),
        }
    }

    fn add(&mut self, table: LakeTable, name: &str, row: &[u8]) -> Result<()> {
        // A layer or window that is not asked for, or that the folder has no more.
        let Some(rows) = self.open.get_mut(&(table, name.to_owned())) else {
            return Ok(());
        };
        *self.counts.rows.entry(table.as_str()).or_default() += 1;
        match rows.add(row)? {
            Some(batch) => self.write(table, name, &batch),
            None => Ok(()),
        }
    }

    fn write(&mut self, table: LakeTable, name: &str, batch: &RecordBatch) -> Result<()> {
        Ok(self.lake.write(table, name, batch)?)
    }

    /// Makes them visible, and says how much they hold.
    ///
    /// # Errors
    /// As [`read_back`].
    pub(crate) fn finish(mut self) -> Result<Counts> {
        for ((table, name), mut rows) in std::mem::take(&mut self.open) {
            let rows = rows
                .finish()
                .with_context(|| format!("table {}/{name}", table.as_str()))?;
            if let Some(batch) = rows {
                self.write(table, &name, &batch)?;
            }
        }
        self.lake.finish(&json!({
            "pipeline": self.pipeline, "from": self.from, "to": self.to,
            "published": &self.counts,
        }))?;
        Ok(self.counts)
    }
}

/// An alert's record with the names that its table has.
fn alert_row(value: &[u8]) -> Result<Vec<u8>> {
    let mut fields: Map<String, Value> = serde_json::from_slice(value)?;
    let data_age = fields.remove("data_age_s").unwrap_or_default();
    let is_shadow = fields.remove("shadow").unwrap_or(Value::Bool(false));
    fields.insert("data_age".to_owned(), data_age);
    fields.insert("is_shadow".to_owned(), is_shadow);
    Ok(serde_json::to_vec(&fields)?)
}

/// The rejections of a feed's row, one for each reason.
fn rejected_by(value: &[u8]) -> Result<Vec<Vec<u8>>> {
    let fields: Map<String, Value> = serde_json::from_slice(value)?;
    let reasons = fields.get("rejected_by").and_then(Value::as_object);
    let rows = reasons.into_iter().flatten().map(|(reason, records)| {
        let of = |name: &str| fields.get(name);
        let row = json!({
            "feed": of("feed"), "window_start": of("window_start"),
            "window_end": of("window_end"), "reason": reason, "records": records,
        });
        Ok(serde_json::to_vec(&row)?)
    });
    rows.collect()
}
