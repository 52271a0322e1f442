//! A pipeline at work: payloads in, panes, layers, alerts, late and rejected records out.

mod event;
mod fire;
mod foresee;
mod health;
mod inside;
mod rules;
mod state;

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;

use arrow::array::RecordBatch;
use datafusion::common::DataFusionError;
use tidegate_alerts::AlertMachine;
use tidegate_engine::{
    Config, Engine, Input, Output, PartitionId, PartitionSpec, ProcessingTime, Timing,
    WINDOWED_SCHEMA,
};
use tidegate_feeds::{Decoder, TimeLimit, reject_unknown_feed};
use tidegate_model::{
    EventTime, FeedId, ObservationBatch, ObservationBuilder, Payload, Position, Reason, Rejected,
    Span,
};
use tidegate_query::{
    LAYER_SCHEMA, LayerError, LayerQuery, Session, Slot, WindowQuery, WindowQueryError, WindowState,
};

use crate::audit::AuditHead;
use crate::feed_health::{FeedHealth, FeedHealthRule};
use crate::foresight::Foresights;
use crate::locate::{Locator, own_bytes, reject_unlocated};
use crate::measurements::Directory;
use crate::occupancy::Occupancies;
use crate::quality::{Chunk, Qualities};
use crate::quarantine::Quarantine;
use crate::tables::{SteppedTables, register_reference};
use crate::{Feed, Pipeline, Summary};
pub use event::Event;
pub use rules::RulesError;
use rules::RulesInForce;

/// The quality of a pipeline's feeds, of which nothing was read.
fn qualities(pipeline: &Pipeline) -> Qualities {
    let (grid, _) = pipeline.windows.first().expect("a pipeline has a window");
    let feeds = pipeline
        .feeds
        .iter()
        .map(|feed| (&feed.id, feed.decoder.config().silent_after));
    Qualities::new(grid, &pipeline.zone, feeds)
}

/// The occupancies of a pipeline's venues, all empty.
fn occupancies(pipeline: &Pipeline) -> Option<Occupancies> {
    let spec = pipeline.occupancy.as_ref()?;
    let empty = Occupancies::new(spec, &pipeline.reference);
    Some(empty.with_allowed_lateness(pipeline.allowed_lateness))
}

/// The quarantine of a pipeline's travellers, of which nothing was seen.
fn quarantine(pipeline: &Pipeline) -> Option<Quarantine> {
    let spec = pipeline.quarantine.clone()?;
    let held = pipeline.reference.held();
    Some(Quarantine::new(spec, &pipeline.zone, held))
}

/// The health of a feed of which nothing was read.
fn unread(feed: &Feed) -> (FeedId, FeedHealth) {
    let health = FeedHealth::new(feed.id.clone(), FeedHealthRule::default());
    (feed.id.clone(), health)
}

/// Rows decoded before they are located and windowed.
const DECODE_ROWS: usize = 8_192;

/// Windowed rows collected before they are aggregated: an aggregation has a fixed cost.
const AGGREGATE_ROWS: usize = 32_768;

/// A record has about so many bytes where a message holds many.
const RECORD_BYTES: usize = 64;

/// For how many rows of these messages there should be room: columns that grow are slow.
fn rows_expected(payloads: &[Payload<'_>]) -> usize {
    let bytes: usize = payloads
        .iter()
        .filter_map(|p| p.bytes)
        .map(<[u8]>::len)
        .sum();
    payloads.len().max(bytes / RECORD_BYTES).min(DECODE_ROWS)
}

/// How input is read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mode {
    /// As it arrives: late is late, windows close behind the watermark.
    Stream,
    /// A bounded recording: nothing is late, every window closes at the end.
    Batch,
}

/// Why a run cannot go on.
#[derive(Debug, thiserror::Error)]
pub enum RuntimeError {
    /// A query failed on this input.
    #[error("query failed: {0}")]
    Query(String),
    /// The feed is not one of the pipeline's.
    #[error("feed {feed:?} is not one of pipeline {pipeline:?}: it has {known}")]
    UnknownFeed {
        /// As given.
        feed: String,
        /// The pipeline.
        pipeline: String,
        /// Its feeds.
        known: String,
    },
    /// A query of a checked pipeline does not plan.
    #[error("cannot plan window: {0}")]
    Window(#[from] WindowQueryError),
    /// A layer of a checked pipeline does not plan.
    #[error("cannot plan layer: {0}")]
    Layer(#[from] LayerError),
}

impl From<DataFusionError> for RuntimeError {
    fn from(error: DataFusionError) -> Self {
        Self::Query(error.strip_backtrace())
    }
}

/// One window query with its state.
#[derive(Debug)]
struct Window {
    name: String,
    size: Span,
    query: WindowQuery,
    on_time: Accumulation,
    late: Accumulation,
    slot: Slot,
}

/// State rows, and windowed rows that wait to be aggregated.
#[derive(Debug, Default)]
struct Accumulation {
    state: WindowState,
    waiting: Vec<RecordBatch>,
    rows: usize,
}

impl Accumulation {
    async fn push(&mut self, query: &WindowQuery, rows: RecordBatch) -> Result<(), RuntimeError> {
        self.rows += rows.num_rows();
        self.waiting.push(rows);
        if self.rows >= AGGREGATE_ROWS {
            self.flush(query).await
        } else {
            Ok(())
        }
    }

    async fn flush(&mut self, query: &WindowQuery) -> Result<(), RuntimeError> {
        if self.waiting.is_empty() {
            return Ok(());
        }
        self.rows = 0;
        let waiting = std::mem::take(&mut self.waiting);
        Ok(query.accumulate(&mut self.state, waiting).await?)
    }
}

/// A planned layer with the table that later layers read.
#[derive(Debug)]
struct PlannedLayer {
    name: String,
    window: usize,
    reads_stepped: bool,
    query: LayerQuery,
    slot: Slot,
}

/// Messages that were decoded together.
#[derive(Debug)]
struct Decoded<'a> {
    partition: i32,
    payloads: &'a [Payload<'a>],
    batch: ObservationBatch,
    /// Where rejected records stand, and why they are.
    faults: Vec<(Position, Reason)>,
    /// Odd steps of counters in each message; empty for a feed without counters.
    counter_faults: Vec<u64>,
}

/// See the module documentation.
#[derive(Debug)]
pub struct Runtime {
    pipeline: Arc<Pipeline>,
    engine: Engine,
    decoders: BTreeMap<FeedId, Decoder>,
    health: BTreeMap<FeedId, FeedHealth>,
    locator: Locator,
    windows: Vec<Window>,
    layers: Vec<PlannedLayer>,
    occupancies: Option<Occupancies>,
    quality: Qualities,
    quarantine: Option<Quarantine>,
    foresights: Foresights,
    stepped: SteppedTables,
    directory: Directory,
    alerts: AlertMachine,
    rules: RulesInForce,
    events: VecDeque<Event>,
    /// Partitions that became idle and have not been told of.
    idled: Vec<(FeedId, i32)>,
    /// When each feed was last read, by the caller's clock.
    read_at: BTreeMap<FeedId, ProcessingTime>,
    /// Feeds that fell silent by that clock and have not been told of.
    silenced: Vec<FeedId>,
    summary: Summary,
}

impl Runtime {
    /// A run of `pipeline` that has read nothing.
    ///
    /// # Errors
    /// [`RuntimeError`] when a query does not plan, which [`Pipeline::load`] excludes, or when the
    /// folder for spilled rows cannot be written to.
    pub async fn new(pipeline: Arc<Pipeline>, mode: Mode) -> Result<Self, RuntimeError> {
        let session = Session::with_limits(pipeline.query_limits.clone())?;
        let stepped = register_reference(&session, &pipeline.reference, &pipeline.zone)?;
        let mut windows = Vec::new();
        for (spec, sql) in &pipeline.windows {
            let query = WindowQuery::plan(&session, WINDOWED_SCHEMA.clone(), sql).await?;
            let slot = Slot::new(query.pane_schema());
            session.register_slot(spec.name(), &slot)?;
            windows.push(Window {
                name: spec.name().to_owned(),
                size: spec.size(),
                query,
                on_time: Accumulation::default(),
                late: Accumulation::default(),
                slot,
            });
        }
        let mut layers = Vec::new();
        for layer in &pipeline.layers {
            let query = LayerQuery::plan(&session, &layer.sql).await?;
            let slot = Slot::new(LAYER_SCHEMA.clone());
            session.register_slot(&layer.name, &slot)?;
            layers.push(PlannedLayer {
                name: layer.name.clone(),
                window: layer.window,
                reads_stepped: layer.reads_stepped,
                query,
                slot,
            });
        }
        let mut config = Config::new(pipeline.windows.iter().map(|(s, _)| s.clone()).collect());
        config.allowed_lateness = pipeline.allowed_lateness;
        config.idle_after = pipeline.idle_after;
        config.judge_lateness = mode == Mode::Stream;
        let decoders = pipeline
            .feeds
            .iter()
            .map(|feed| (feed.id.clone(), feed.decoder.clone()))
            .collect();
        Ok(Self {
            engine: Engine::new(config),
            health: pipeline.feeds.iter().map(unread).collect(),
            decoders,
            locator: Locator::new(&pipeline.reference.sites, pipeline.resolution),
            windows,
            layers,
            occupancies: occupancies(&pipeline),
            quality: qualities(&pipeline),
            quarantine: quarantine(&pipeline),
            foresights: Foresights::new(&pipeline),
            stepped,
            directory: pipeline.directory(),
            alerts: pipeline.alert_machine(pipeline.rules.clone()),
            rules: RulesInForce {
                text: pipeline.rules_text.clone(),
                audit: AuditHead::default(),
            },
            events: VecDeque::new(),
            idled: Vec::new(),
            read_at: BTreeMap::new(),
            silenced: Vec::new(),
            summary: Summary {
                pipeline: pipeline.name.clone(),
                ..Summary::default()
            },
            pipeline,
        })
    }

    /// A partition is read from now on.
    ///
    /// # Errors
    /// [`RuntimeError::UnknownFeed`].
    pub fn assign(&mut self, feed: &FeedId, partition: i32) -> Result<(), RuntimeError> {
        let settings = self.decoder(feed)?.config();
        let spec = PartitionSpec {
            out_of_orderness: settings.out_of_orderness,
            interval_max: settings.interval_max,
            dedup_within: settings.dedup_within,
        };
        let partition = PartitionId {
            feed: feed.clone(),
            partition,
        };
        self.engine.handle(Input::Assigned { partition, spec });
        self.hold_back_quarantined(feed);
        Ok(())
    }

    /// Decodes, locates and windows messages of one partition, in the order of its log, and
    /// evaluates what closes. `latest` bounds the event times of messages without a stamp of
    /// their own; with a stamp, the pipeline's `max_future` after it does.
    ///
    /// Payloads of a feed that the pipeline does not have are rejected as
    /// [`tidegate_model::Reason::UnknownFeed`].
    ///
    /// # Errors
    /// [`RuntimeError`]; bad data is not an error.
    pub async fn ingest(
        &mut self,
        feed: &FeedId,
        partition: i32,
        payloads: &[Payload<'_>],
        latest: EventTime,
    ) -> Result<(), RuntimeError> {
        if !self.decoders.contains_key(feed) {
            let rejected = payloads
                .iter()
                .map(|payload| reject_unknown_feed(feed, *payload));
            self.reject(rejected.collect());
            self.count_payloads(feed, payloads.len());
            return Ok(());
        }
        let mut builder = ObservationBuilder::new(feed.clone(), rows_expected(payloads));
        let (mut faults, mut counter_faults) = (Vec::new(), Vec::new());
        let mut from = 0;
        for (index, payload) in payloads.iter().enumerate() {
            let latest = self.pipeline.latest(*payload, latest);
            let mut rejected = Vec::new();
            let decoder = self.decoder(feed)?;
            let before = decoder.counter_faults().odd();
            decoder.decode(*payload, TimeLimit { latest }, &mut builder, &mut rejected);
            if decoder.is_cumulative() {
                counter_faults.push(decoder.counter_faults().odd() - before);
            }
            faults.extend(rejected.iter().map(|row| (row.position, row.reason)));
            self.reject(rejected);
            if builder.len() >= DECODE_ROWS || index + 1 == payloads.len() {
                let chunk = Decoded {
                    partition,
                    payloads: &payloads[from..=index],
                    batch: builder.finish(),
                    faults: std::mem::take(&mut faults),
                    counter_faults: std::mem::take(&mut counter_faults),
                };
                self.ingest_decoded(feed, chunk).await?;
                from = index + 1;
            }
        }
        self.count_payloads(feed, payloads.len());
        self.hold_back_quarantined(feed);
        self.drain().await
    }

    /// The partition has been read to its log's end.
    ///
    /// # Errors
    /// [`RuntimeError`].
    pub async fn caught_up(
        &mut self,
        feed: &FeedId,
        partition: i32,
        now: ProcessingTime,
    ) -> Result<(), RuntimeError> {
        let partition = PartitionId {
            feed: feed.clone(),
            partition,
        };
        self.engine.handle(Input::CaughtUp { partition, now });
        self.drain().await
    }

    /// Time passes: idle partitions stop holding windows open.
    ///
    /// # Errors
    /// [`RuntimeError`].
    pub async fn tick(&mut self, now: ProcessingTime) -> Result<(), RuntimeError> {
        self.engine.handle(Input::Tick { now });
        self.drain().await?;
        self.listen(now);
        Ok(())
    }

    /// The partition is idle: a decision that an earlier run took and wrote down.
    ///
    /// # Errors
    /// [`RuntimeError`].
    pub async fn idle(&mut self, feed: &FeedId, partition: i32) -> Result<(), RuntimeError> {
        let partition = PartitionId {
            feed: feed.clone(),
            partition,
        };
        self.engine.handle(Input::Idle { partition });
        self.drain().await
    }

    /// The partitions that became idle since the last call, in the order of the decisions.
    pub fn take_idled(&mut self) -> Vec<(FeedId, i32)> {
        std::mem::take(&mut self.idled)
    }

    /// The feed is silent: a decision that an earlier run took and wrote down. Whether that is news.
    pub fn silent(&mut self, feed: &FeedId) -> bool {
        let hearing = self.quality.silent(feed);
        self.tell_hearing(feed, hearing);
        hearing.is_some()
    }

    /// The feeds that fell silent by the caller's clock since the last call.
    pub fn take_silenced(&mut self) -> Vec<FeedId> {
        std::mem::take(&mut self.silenced)
    }

    /// No record will follow on this partition.
    ///
    /// # Errors
    /// [`RuntimeError`].
    pub async fn ended(&mut self, feed: &FeedId, partition: i32) -> Result<(), RuntimeError> {
        let partition = PartitionId {
            feed: feed.clone(),
            partition,
        };
        self.engine.handle(Input::Ended { partition });
        self.drain().await
    }

    /// No record will follow at all: every window closes.
    ///
    /// # Errors
    /// [`RuntimeError`].
    pub async fn end(&mut self) -> Result<(), RuntimeError> {
        self.engine.handle(Input::End);
        self.drain().await
    }

    /// The next thing that the run gives out.
    pub fn poll_event(&mut self) -> Option<Event> {
        self.events.pop_front()
    }

    /// The merged watermark.
    pub fn watermark(&self) -> EventTime {
        self.engine.watermark()
    }

    /// The pipeline that runs.
    pub fn pipeline(&self) -> &Arc<Pipeline> {
        &self.pipeline
    }

    /// The schema of each window query's panes, by name.
    pub fn pane_schemas(&self) -> impl Iterator<Item = (&str, arrow::datatypes::SchemaRef)> {
        self.windows
            .iter()
            .map(|window| (window.name.as_str(), window.query.pane_schema()))
    }

    /// What became of everything so far.
    pub fn summary(&self) -> Summary {
        let mut summary = self.summary.clone();
        for (feed, counts) in self.engine.accounting() {
            let entry = summary.feeds.entry(feed.to_string()).or_default();
            entry.received += counts.received;
            entry.counted += counts.counted;
            entry.late += counts.late;
            entry.duplicate += counts.duplicate;
            entry.dedup_forgotten = counts.dedup_forgotten;
            summary.revised += counts.revised;
        }
        for (feed, decoder) in &self.decoders {
            let faults = decoder.counter_faults();
            let faults = [
                ("baseline", faults.baseline),
                ("wrap", faults.wrap),
                ("reset", faults.reset),
                ("down", faults.down),
                ("implausible", faults.implausible),
                ("gap", faults.gap),
                ("repeated", faults.repeated),
                ("forgotten", faults.forgotten),
            ];
            let faults = faults.into_iter().filter(|(_, count)| *count > 0);
            let entry = summary.feeds.entry(feed.to_string()).or_default();
            entry.counter_faults = faults
                .map(|(kind, count)| (kind.to_owned(), count))
                .collect();
            let named = decoder.references().iter().filter(|(_, count)| *count > 0);
            entry.references = named
                .map(|(what, count)| (what.to_owned(), count))
                .collect();
            let passed = decoder.passed_over().iter().filter(|(_, count)| *count > 0);
            entry.passed_over = passed.map(|(why, count)| (why.to_owned(), count)).collect();
        }
        for feed in summary.feeds.values_mut() {
            let rejected: u64 = feed.rejected.values().sum();
            feed.received += rejected;
            summary.received += feed.received;
            summary.payloads += feed.payloads;
            summary.counted += feed.counted;
            summary.late += feed.late;
            summary.duplicate += feed.duplicate;
            summary.rejected += rejected;
        }
        assert!(summary.adds_up(), "T4: every record is accounted for");
        summary
    }

    fn decoder(&mut self, feed: &FeedId) -> Result<&mut Decoder, RuntimeError> {
        let pipeline = &self.pipeline;
        self.decoders.get_mut(feed).ok_or_else(|| {
            let known: Vec<&str> = pipeline.feeds.iter().map(|feed| feed.id.as_str()).collect();
            RuntimeError::UnknownFeed {
                feed: feed.to_string(),
                pipeline: pipeline.name.clone(),
                known: known.join(", "),
            }
        })
    }

    fn count_payloads(&mut self, feed: &FeedId, payloads: usize) {
        let feed = self.summary.feeds.entry(feed.to_string()).or_default();
        feed.payloads += payloads as u64;
    }

    fn reject(&mut self, rejected: Vec<Rejected>) {
        if rejected.is_empty() {
            return;
        }
        for row in &rejected {
            let feed = self.summary.feeds.entry(row.feed.to_string()).or_default();
            *feed
                .rejected
                .entry(row.reason.code().to_owned())
                .or_default() += 1;
        }
        self.events.push_back(Event::Rejected(rejected));
    }

    async fn ingest_decoded(
        &mut self,
        feed: &FeedId,
        decoded: Decoded<'_>,
    ) -> Result<(), RuntimeError> {
        let (payloads, mut faults) = (decoded.payloads, decoded.faults);
        let unknown = self.decoder(feed)?.config().unknown_site;
        let (batch, unlocated) = self.locator.locate(&decoded.batch, unknown);
        if !unlocated.is_empty() {
            faults.extend(unlocated.iter().map(|row| (row.position, row.reason)));
            let rejected = reject_unlocated(self.decoder(feed)?, &unlocated, payloads);
            self.reject(rejected);
        }
        for row in unlocated {
            self.summary.note_unknown_site(&row.site);
        }
        faults.sort_by_key(|(position, _)| *position);
        let chunk = Chunk {
            partition: decoded.partition,
            payloads,
            rows: &batch,
            faults: &faults,
            counter_faults: &decoded.counter_faults,
        };
        self.quality.read(feed, chunk);
        let partition = PartitionId {
            feed: feed.clone(),
            partition: decoded.partition,
        };
        let before = self.events.len();
        self.engine.handle(Input::Batch {
            partition,
            batch: batch.clone(),
        });
        self.drain().await?;
        self.keep_bytes(feed, before, payloads)?;
        self.note_heard(feed);
        self.judge_health(feed, &batch, &faults);
        Ok(())
    }

    /// Gives late and duplicate records the bytes that they came in, by `payloads`: those among the
    /// events from number `from` on.
    fn keep_bytes(
        &mut self,
        feed: &FeedId,
        from: usize,
        payloads: &[Payload<'_>],
    ) -> Result<(), RuntimeError> {
        let mut events = std::mem::take(&mut self.events);
        for event in events.iter_mut().skip(from) {
            if let Event::Late { batch, bytes, .. } | Event::Duplicate { batch, bytes, .. } = event
            {
                let positions: Vec<_> = (0..batch.len()).map(|row| batch.position(row)).collect();
                *bytes = own_bytes(self.decoder(feed)?, &positions, payloads);
            }
        }
        self.events = events;
        Ok(())
    }

    /// Does what the engine asks for.
    async fn drain(&mut self) -> Result<(), RuntimeError> {
        while let Some(output) = self.engine.poll_output() {
            match output {
                Output::Accumulate {
                    window,
                    timing,
                    batch,
                } => {
                    let window = &mut self.windows[window];
                    let accumulation = match timing {
                        Timing::OnTime => &mut window.on_time,
                        Timing::AllowedLate => &mut window.late,
                    };
                    accumulation.push(&window.query, batch).await?;
                }
                Output::Late {
                    feed,
                    batch,
                    reason,
                    watermarks,
                } => {
                    self.quality.late(&feed, &batch);
                    self.events.push_back(Event::Late {
                        bytes: vec![None; batch.len()],
                        feed,
                        batch,
                        reason,
                        watermarks,
                    });
                }
                Output::Duplicate { feed, batch } => {
                    self.quality.duplicate(&feed, &batch);
                    let bytes = vec![None; batch.len()];
                    self.events
                        .push_back(Event::Duplicate { feed, batch, bytes });
                }
                Output::Idle { partition } => {
                    self.idled.push((partition.feed, partition.partition));
                }
                Output::Fire(firing) if firing.revision == 0 => self.fire(&firing).await?,
                Output::Fire(firing) => self.revise(&firing).await?,
            }
        }
        Ok(())
    }
}
