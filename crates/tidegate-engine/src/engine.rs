//! The engine: one value that takes inputs and gives outputs.

use std::collections::{BTreeMap, VecDeque};

use arrow::array::RecordBatch;
use tidegate_model::{EventTime, FeedId, ObservationBatch};

use crate::dedup::Dedup;
use crate::schedule::Schedule;
use crate::state::{EngineState, RestoreError, StateV1};
use crate::verdict::{Verdict, select};
use crate::watermark::Watermarks;
use crate::window::assign;
use crate::{
    Accounting, Config, Input, LateReason, Output, PartitionId, ProcessingTime, Timing, WINDOW_END,
    first_instant,
};

/// See the crate documentation.
#[derive(Debug)]
pub struct Engine {
    config: Config,
    watermarks: Watermarks,
    schedule: Schedule,
    dedup: BTreeMap<PartitionId, Dedup>,
    outputs: VecDeque<Output>,
    accounting: BTreeMap<FeedId, Accounting>,
}

impl Engine {
    /// An engine that has seen nothing.
    pub fn new(config: Config) -> Self {
        let schedule = Schedule::new(&config.windows, config.allowed_lateness);
        Self {
            config,
            watermarks: Watermarks::new(),
            schedule,
            dedup: BTreeMap::new(),
            outputs: VecDeque::new(),
            accounting: BTreeMap::new(),
        }
    }

    /// The engine that had `state`, under the same configuration; only `idle_after` may be
    /// another.
    ///
    /// From here on it does what the other one did, given the same steps. A partition that was
    /// counting down to idle begins again once it has caught up.
    ///
    /// # Errors
    /// [`RestoreError`] when the state does not fit the configuration, or contradicts itself.
    pub fn restore(config: Config, state: EngineState) -> Result<Self, RestoreError> {
        let state = state.fitting(&config)?;
        let merged = EventTime::from_micros(state.merged_us);
        let watermarks = Watermarks::restore(state.clocks, merged)?;
        let mut dedup = BTreeMap::new();
        for ids in state.dedups {
            let partition = PartitionId::from(ids.partition.clone());
            if !watermarks.knows(&partition) {
                let what = format!("{partition} has ids and no clock");
                return Err(RestoreError::Inconsistent(what));
            }
            let ids = Dedup::restore(ids)?;
            if dedup.insert(partition.clone(), ids).is_some() {
                let what = format!("{partition} has two sets of ids");
                return Err(RestoreError::Inconsistent(what));
            }
        }
        let mut accounting = BTreeMap::new();
        for feed in state.feeds {
            let (feed, counts) = Accounting::restore(&feed);
            if !counts.adds_up() || accounting.insert(feed.clone(), counts).is_some() {
                let what = format!("feed {feed} has {counts:?}");
                return Err(RestoreError::Inconsistent(what));
            }
        }
        Ok(Self {
            schedule: Schedule::restore(&config.windows, config.allowed_lateness, state.schedule)?,
            config,
            watermarks,
            dedup,
            outputs: VecDeque::new(),
            accounting,
        })
    }

    /// All that a later [`Self::restore`] needs. It shares the remembered ids, so it is cheap.
    ///
    /// # Panics
    /// When an output was not polled yet: it would be lost.
    pub fn state(&self) -> EngineState {
        assert!(
            self.outputs.is_empty(),
            "every output is polled before the state is taken"
        );
        let dedups = self.dedup.iter();
        EngineState::from(StateV1 {
            judge_lateness: self.config.judge_lateness,
            allowed_lateness_us: self.config.allowed_lateness.as_micros(),
            merged_us: self.watermarks.merged().micros(),
            clocks: self.watermarks.state(),
            schedule: self.schedule.state(),
            dedups: dedups.map(|(p, ids)| ids.state(p)).collect(),
            feeds: self
                .accounting
                .iter()
                .map(|(feed, counts)| counts.state(feed))
                .collect(),
        })
    }

    /// What it was told once.
    pub fn config(&self) -> &Config {
        &self.config
    }

    /// Takes one input. Bad data is not an input: decoders turn it into rejections before.
    ///
    /// # Panics
    /// When a batch or an idleness decision names a partition that was not assigned.
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
            Input::Tick { now } => self.handle_tick(now),
            Input::Idle { partition } => self.watermarks.idle(&partition),
            Input::Ended { partition } => self.watermarks.end(&partition),
            Input::End => self.watermarks.end_all(),
        }
        self.advance();
    }

    /// The next thing to do; `None` when there is nothing until the next input.
    pub fn poll_output(&mut self) -> Option<Output> {
        self.outputs.pop_front()
    }

    /// When the next [`Input::Tick`] is due; `None` while no partition waits to become idle.
    ///
    /// A tick before it changes nothing that a later one would not. A tick much after it is taken
    /// as a stall of the caller, of which at most a second counts as quiet: so this is never more
    /// than a second after the last tick.
    pub fn poll_timeout(&self) -> Option<ProcessingTime> {
        self.watermarks.next_tick(self.config.idle_after)
    }

    /// The merged watermark: no window that ends at or before it will change in revision 0.
    /// Without judging lateness it stays at [`EventTime::MIN`] until everything has ended.
    pub fn watermark(&self) -> EventTime {
        let merged = self.watermarks.merged();
        if self.config.judge_lateness || merged == EventTime::MAX {
            merged
        } else {
            // A bounded recording may go on anywhere in time, so nothing closes before its end.
            EventTime::MIN
        }
    }

    /// Every partition that was assigned, idle and ended ones included.
    pub fn partitions(&self) -> impl Iterator<Item = &PartitionId> {
        self.watermarks.partitions()
    }

    /// Whether the partition holds no window open: it is idle, or has ended.
    pub fn is_quiet(&self, partition: &PartitionId) -> bool {
        self.watermarks.is_quiet(partition)
    }

    /// Where the records of each feed went so far.
    pub fn accounting(&self) -> &BTreeMap<FeedId, Accounting> {
        &self.accounting
    }

    /// Each partition becomes idle by a decision of its own, of which the windows that close are
    /// the consequence: so the decisions can be repeated one by one.
    fn handle_tick(&mut self, now: ProcessingTime) {
        for partition in self.watermarks.tick(now, self.config.idle_after) {
            self.watermarks.idle(&partition);
            self.outputs.push_back(Output::Idle { partition });
            self.advance();
        }
    }

    fn handle_batch(&mut self, partition: &PartitionId, batch: &ObservationBatch) {
        if batch.is_empty() {
            self.watermarks.observe_nothing(partition);
            return;
        }
        let verdicts = self.judge(partition, batch);
        self.account(partition, &verdicts);
        for timing in [Timing::OnTime, Timing::AllowedLate] {
            let wanted = Verdict::Counted(timing);
            if let Some(rows) = select(batch, &verdicts, |verdict| verdict == wanted) {
                self.accumulate(&rows, timing);
            }
        }
        let feed = &partition.feed;
        for reason in [LateReason::BeyondAllowed, LateReason::AfterIdle] {
            let missed = |verdict: Verdict| verdict.missed(reason);
            if let Some(batch) = select(batch, &verdicts, |verdict| missed(verdict).is_some()) {
                self.outputs.push_back(Output::Late {
                    feed: feed.clone(),
                    batch,
                    reason,
                    watermarks: verdicts.iter().copied().filter_map(missed).collect(),
                });
            }
        }
        if let Some(batch) = select(batch, &verdicts, |verdict| verdict == Verdict::Duplicate) {
            let feed = feed.clone();
            self.outputs.push_back(Output::Duplicate { feed, batch });
        }
    }

    /// Judges each row against its partition's watermark as it stood before that row, and moves
    /// the watermark.
    ///
    /// What has closed is the same for all rows, although the merged watermark moves only after
    /// the batch: while this partition holds it, it would not rise above the own one, and a row
    /// behind the own one is judged by that. So a batch gives the verdicts that its rows would
    /// get one by one.
    fn judge(&mut self, partition: &PartitionId, batch: &ObservationBatch) -> Vec<Verdict> {
        let closed = self.watermark();
        let clock = self.watermarks.clock(partition);
        let (delay, mut end_max) = (clock.delay, clock.end_max);
        let mut dedup = self.dedup.get_mut(partition);
        let mut verdicts = Vec::with_capacity(batch.len());
        for row in 0..batch.len() {
            let end = EventTime::from_micros(batch.interval_end().value(row));
            let fresh = dedup
                .as_mut()
                .is_none_or(|dedup| dedup.insert(event_id(batch, row), end));
            if !fresh {
                verdicts.push(Verdict::Duplicate);
                continue;
            }
            let own = end_max.map_or(EventTime::MIN, |end| end.minus(delay));
            verdicts.push(self.config.verdict(first_instant(batch, row), own, closed));
            end_max = end_max.max(Some(end));
        }
        // A feed that repeats itself says nothing new, and nobody waits for it.
        if verdicts
            .iter()
            .all(|verdict| *verdict == Verdict::Duplicate)
        {
            self.watermarks.observe_nothing(partition);
        } else {
            self.watermarks.observe(partition, end_max);
        }
        verdicts
    }

    fn account(&mut self, partition: &PartitionId, verdicts: &[Verdict]) {
        let forgotten = self
            .dedup
            .iter()
            .filter(|(p, _)| p.feed == partition.feed)
            .map(|(_, d)| d.forgotten())
            .sum();
        let accounting = self.accounting.entry(partition.feed.clone()).or_default();
        accounting.add(verdicts);
        accounting.dedup_forgotten = forgotten;
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
        let before = self.watermark();
        self.watermarks.merge();
        let watermark = self.watermark();
        assert!(watermark >= before, "T2: a watermark never goes back");
        while let Some(firing) = self.schedule.pop(watermark) {
            assert!(
                firing.end <= watermark,
                "T3: a window fires only behind the watermark"
            );
            self.outputs.push_back(Output::Fire(firing));
        }
    }
}

fn event_id(batch: &ObservationBatch, row: usize) -> u128 {
    let id = batch.event_id().value(row);
    u128::from_be_bytes(id.try_into().expect("ids are 16 bytes"))
}

pub(crate) fn window_ends(batch: &RecordBatch) -> impl Iterator<Item = EventTime> + '_ {
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
