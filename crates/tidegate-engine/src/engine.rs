//! The engine: one value that takes inputs and gives outputs.

use std::collections::{BTreeMap, VecDeque};

use arrow::array::{BooleanArray, RecordBatch};
use arrow::compute::filter_record_batch;
use tidegate_model::{EventTime, FeedId, ObservationBatch, Span};

use crate::dedup::Dedup;
use crate::schedule::Schedule;
use crate::watermark::Watermarks;
use crate::window::{assign, touched};
use crate::{WINDOW_END, WindowSpec};

/// When the process saw something: microseconds of a monotone clock, never an event time.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct ProcessingTime(i64);

impl ProcessingTime {
    /// `micros` microseconds after the clock's own zero.
    pub const fn from_micros(micros: i64) -> Self {
        Self(micros)
    }

    /// How long after `earlier` this is.
    pub const fn since(self, earlier: Self) -> Span {
        Span::micros(self.0.saturating_sub(earlier.0))
    }
}

/// One partition of one feed.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct PartitionId {
    /// The feed.
    pub feed: FeedId,
    /// The partition of its topic.
    pub partition: i32,
}

/// What the engine must know of a partition's feed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PartitionSpec {
    /// How far behind the newest record of the partition a record may end and still be on time.
    pub out_of_orderness: Span,
    /// The longest interval that a record may count.
    pub interval_max: Span,
    /// Within how much event time a repeated id is recognised; `None` for feeds without ids.
    pub dedup_within: Option<Span>,
}

/// What the engine does, fixed for its life.
#[derive(Debug, Clone)]
pub struct Config {
    /// The window queries; outputs name them by index.
    pub windows: Vec<WindowSpec>,
    /// How long after a window's end late records still enter its revision.
    pub allowed_lateness: Span,
    /// How long a partition must be quiet at its log's end before it stops holding windows open.
    pub idle_after: Span,
    /// Whether records are judged for lateness at all: a bounded backfill reads everything
    /// before it closes anything.
    pub judge_lateness: bool,
}

impl Config {
    /// These windows, no allowed lateness, idle after 30 s, lateness judged.
    pub fn new(windows: Vec<WindowSpec>) -> Self {
        Self {
            windows,
            allowed_lateness: Span::ZERO,
            idle_after: Span::seconds(30),
            judge_lateness: true,
        }
    }
}

/// What happens to the engine.
#[derive(Debug)]
pub enum Input {
    /// A partition is read from now on.
    Assigned {
        /// Which.
        partition: PartitionId,
        /// What its feed promises.
        spec: PartitionSpec,
    },
    /// Located records of one partition, in the order of its log.
    Batch {
        /// Where they come from; must have been assigned.
        partition: PartitionId,
        /// The records.
        batch: ObservationBatch,
    },
    /// The partition has been read to its log's end.
    CaughtUp {
        /// Which.
        partition: PartitionId,
        /// When this was seen.
        now: ProcessingTime,
    },
    /// Time passes.
    Tick {
        /// The time.
        now: ProcessingTime,
    },
    /// No record will follow on this partition.
    Ended {
        /// Which.
        partition: PartitionId,
    },
    /// No record will follow on any partition: every window closes.
    End,
}

/// Whether rows were on time.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Timing {
    /// Belong to revision 0.
    OnTime,
    /// Belong to revision 1 only.
    AllowedLate,
}

/// Why a record is late.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum LateReason {
    /// Behind its own partition's watermark by more than the allowed lateness.
    BeyondAllowed,
    /// Its partition had been idle, and windows closed without it.
    AfterIdle,
}

impl LateReason {
    /// The stable code used in outputs.
    pub const fn code(self) -> &'static str {
        match self {
            Self::BeyondAllowed => "beyond_allowed_lateness",
            Self::AfterIdle => "after_idle",
        }
    }
}

/// A closing of windows that end at the same instant.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Firing {
    /// The end of the windows.
    pub end: EventTime,
    /// Which window queries fire, by index, ascending.
    pub windows: Vec<usize>,
    /// 0 for the on-time firing, 1 for the one with allowed late rows.
    pub revision: u32,
}

/// What the caller has to do, in this order.
#[derive(Debug)]
pub enum Output {
    /// Merge these rows into the aggregate of window query `window`.
    Accumulate {
        /// Index of the window query.
        window: usize,
        /// Which revision they belong to.
        timing: Timing,
        /// Rows of [`crate::WINDOWED_SCHEMA`].
        batch: RecordBatch,
    },
    /// Keep these rows as late; they are in no window.
    Late {
        /// The feed.
        feed: FeedId,
        /// The rows.
        batch: ObservationBatch,
        /// Why.
        reason: LateReason,
        /// The watermark that they missed.
        watermark: EventTime,
    },
    /// These windows are final: evaluate them.
    Fire(Firing),
}

/// Where the records went. `received = counted + late + duplicate` (rejected ones never get
/// here): invariant T4, checked at every batch.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Accounting {
    /// Records handed in.
    pub received: u64,
    /// Records in windows; those of revision 1 included.
    pub counted: u64,
    /// Of `counted`, those that came late but within the allowed lateness.
    pub revised: u64,
    /// Records that came too late.
    pub late: u64,
    /// Records whose id was seen before.
    pub duplicate: u64,
    /// Ids forgotten early because the bound on remembered ids was hit.
    pub dedup_forgotten: u64,
}

/// See the crate documentation.
#[derive(Debug)]
pub struct Engine {
    config: Config,
    watermarks: Watermarks,
    schedule: Schedule,
    dedup: BTreeMap<PartitionId, Dedup>,
    outputs: VecDeque<Output>,
    accounting: BTreeMap<FeedId, Accounting>,
    merged: EventTime,
}

/// What becomes of one record.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Verdict {
    OnTime,
    AllowedLate,
    Late(LateReason),
    Duplicate,
}

impl Engine {
    /// An engine that has seen nothing.
    pub fn new(config: Config) -> Self {
        let schedule = Schedule::new(&config.windows, config.allowed_lateness);
        Self {
            config,
            watermarks: Watermarks::default(),
            schedule,
            dedup: BTreeMap::new(),
            outputs: VecDeque::new(),
            accounting: BTreeMap::new(),
            merged: EventTime::MIN,
        }
    }

    /// Takes one input. Bad data is not an input: decoders turn it into rejections before.
    pub fn handle(&mut self, input: Input) {
        match input {
            Input::Assigned { partition, spec } => {
                self.watermarks.assign(partition.clone(), &spec);
                if let Some(within) = spec.dedup_within {
                    self.dedup
                        .entry(partition)
                        .or_insert_with(|| Dedup::new(within));
                }
            }
            Input::Batch { partition, batch } => self.handle_batch(&partition, &batch),
            Input::CaughtUp { partition, now } => self.watermarks.caught_up(&partition, now),
            Input::Tick { now } => self.watermarks.tick(now, self.config.idle_after),
            Input::Ended { partition } => self.watermarks.end(&partition),
            Input::End => self.watermarks.end_all(),
        }
        self.advance();
    }

    /// The next thing to do; `None` when there is nothing until the next input.
    pub fn poll_output(&mut self) -> Option<Output> {
        self.outputs.pop_front()
    }

    /// The merged watermark: no window that ends at or before it will change in revision 0.
    pub fn watermark(&self) -> EventTime {
        self.merged
    }

    /// Where the records of each feed went so far.
    pub fn accounting(&self) -> &BTreeMap<FeedId, Accounting> {
        &self.accounting
    }

    fn handle_batch(&mut self, partition: &PartitionId, batch: &ObservationBatch) {
        if batch.is_empty() {
            return;
        }
        let (verdicts, end_max) = self.judge(partition, batch);
        self.watermarks.observe(partition, end_max);
        self.account(partition, &verdicts);
        let watermark = end_max.minus(self.watermarks.delay(partition));
        for timing in [Timing::OnTime, Timing::AllowedLate] {
            let wanted = match timing {
                Timing::OnTime => Verdict::OnTime,
                Timing::AllowedLate => Verdict::AllowedLate,
            };
            if let Some(rows) = select(batch, &verdicts, wanted) {
                self.accumulate(&rows, timing);
            }
        }
        for reason in [LateReason::BeyondAllowed, LateReason::AfterIdle] {
            if let Some(batch) = select(batch, &verdicts, Verdict::Late(reason)) {
                self.outputs.push_back(Output::Late {
                    feed: partition.feed.clone(),
                    batch,
                    reason,
                    watermark,
                });
            }
        }
    }

    /// Judges each row against its partition's watermark as it stood before that row, and gives
    /// the newest interval end afterwards.
    fn judge(
        &mut self,
        partition: &PartitionId,
        batch: &ObservationBatch,
    ) -> (Vec<Verdict>, EventTime) {
        let merged = self.merged;
        let delay = self.watermarks.delay(partition);
        let mut own = self.watermarks.own(partition).unwrap_or(EventTime::MIN);
        let mut end_max = own.plus(delay);
        let mut dedup = self.dedup.get_mut(partition);
        let mut verdicts = Vec::with_capacity(batch.len());
        for row in 0..batch.len() {
            let end = EventTime::from_micros(batch.interval_end().value(row));
            let repeated = dedup.as_mut().is_some_and(|dedup| {
                let id = batch
                    .event_id()
                    .value(row)
                    .try_into()
                    .expect("ids are 16 bytes");
                !dedup.insert(u128::from_be_bytes(id), end)
            });
            verdicts.push(if repeated {
                Verdict::Duplicate
            } else if self.config.judge_lateness {
                self.config.verdict(touched(batch, row).0, own, merged)
            } else {
                Verdict::OnTime
            });
            if !repeated && end > end_max {
                end_max = end;
                own = end.minus(delay);
            }
        }
        (verdicts, end_max)
    }

    fn account(&mut self, partition: &PartitionId, verdicts: &[Verdict]) {
        let forgotten = self
            .dedup
            .iter()
            .filter(|(p, _)| p.feed == partition.feed)
            .map(|(_, d)| d.forgotten())
            .sum();
        let accounting = self.accounting.entry(partition.feed.clone()).or_default();
        accounting.received += verdicts.len() as u64;
        for verdict in verdicts {
            match verdict {
                Verdict::OnTime => accounting.counted += 1,
                Verdict::AllowedLate => {
                    accounting.counted += 1;
                    accounting.revised += 1;
                }
                Verdict::Late(_) => accounting.late += 1,
                Verdict::Duplicate => accounting.duplicate += 1,
            }
        }
        accounting.dedup_forgotten = forgotten;
        let Accounting {
            received,
            counted,
            late,
            duplicate,
            ..
        } = *accounting;
        assert_eq!(
            received,
            counted + late + duplicate,
            "T4: every record is accounted for"
        );
    }

    fn accumulate(&mut self, rows: &ObservationBatch, timing: Timing) {
        for window in 0..self.config.windows.len() {
            let batch = assign(&self.config.windows[window], rows);
            let mut previous = None;
            for end in window_ends(&batch) {
                if previous.replace(end) != Some(end) {
                    match timing {
                        Timing::OnTime => self.schedule.note(window, end),
                        Timing::AllowedLate => self.schedule.note_late(window, end),
                    }
                }
            }
            self.outputs.push_back(Output::Accumulate {
                window,
                timing,
                batch,
            });
        }
    }

    /// Fires what the merged watermark has passed.
    fn advance(&mut self) {
        let Some(merged) = self.watermarks.merged() else {
            return;
        };
        assert!(merged >= self.merged, "T2: a watermark never goes back");
        if !self.config.judge_lateness && merged < EventTime::MAX {
            // A bounded recording may go on anywhere in time, so nothing closes before its end.
            return;
        }
        self.merged = merged;
        while let Some(firing) = self.schedule.pop(merged) {
            assert!(
                firing.end <= merged,
                "T3: a window fires only behind the watermark"
            );
            self.outputs.push_back(Output::Fire(firing));
        }
    }
}

impl Config {
    /// What becomes of a record whose first instant is `first` at own watermark `own`.
    ///
    /// The merged watermark is above the own one only where the partition had been left out of
    /// it, because it was idle or is new: then windows have closed without it.
    fn verdict(&self, first: EventTime, own: EventTime, merged: EventTime) -> Verdict {
        let behind = |watermark: EventTime| {
            first < watermark
                && self
                    .windows
                    .iter()
                    .any(|spec| spec.earliest_end(first) <= watermark)
        };
        let beyond = |watermark: EventTime| behind(watermark.minus(self.allowed_lateness));
        if beyond(own) {
            Verdict::Late(LateReason::BeyondAllowed)
        } else if beyond(merged) {
            Verdict::Late(LateReason::AfterIdle)
        } else if behind(own.max(merged)) {
            Verdict::AllowedLate
        } else {
            Verdict::OnTime
        }
    }
}

fn window_ends(batch: &RecordBatch) -> impl Iterator<Item = EventTime> + '_ {
    use arrow::array::AsArray;
    use arrow::datatypes::TimestampMicrosecondType;
    batch
        .column_by_name(WINDOW_END)
        .expect("assign adds the window's end")
        .as_primitive::<TimestampMicrosecondType>()
        .values()
        .iter()
        .map(|end| EventTime::from_micros(*end))
}

/// The rows with verdict `wanted`; all of them without copying when all have it.
fn select(
    batch: &ObservationBatch,
    verdicts: &[Verdict],
    wanted: Verdict,
) -> Option<ObservationBatch> {
    let matches = verdicts
        .iter()
        .filter(|verdict| **verdict == wanted)
        .count();
    if matches == 0 {
        return None;
    }
    if matches == batch.len() {
        return Some(batch.clone());
    }
    let mask: BooleanArray = verdicts
        .iter()
        .map(|verdict| Some(*verdict == wanted))
        .collect();
    let rows = filter_record_batch(batch.batch(), &mask).expect("the mask has one bit a row");
    Some(ObservationBatch::try_new(rows).expect("filtering keeps the schema"))
}
