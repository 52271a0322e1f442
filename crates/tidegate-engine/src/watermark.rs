//! Watermarks: one per source partition, and their minimum.

use std::collections::BTreeMap;
use std::collections::btree_map::Entry;

use tidegate_model::{EventTime, Span};

use crate::state::{ClockState, PhaseState, RestoreError};
use crate::{PartitionId, PartitionSpec, ProcessingTime};

/// A partition is polled at least this often; a longer silence of the caller is the caller's own
/// stall and does not count towards idleness.
pub(crate) const TICK_MAX: Span = Span::seconds(1);

/// What is known of one partition's event time.
#[derive(Debug)]
pub(crate) struct Clock {
    /// How far the watermark stays behind the newest record.
    pub(crate) delay: Span,
    /// The newest end of an interval; `None` before the first record.
    pub(crate) end_max: Option<EventTime>,
    phase: Phase,
}

impl Clock {
    /// The partition's own watermark; [`EventTime::MIN`] before its first record.
    fn watermark(&self) -> EventTime {
        self.end_max
            .map_or(EventTime::MIN, |end| end.minus(self.delay))
    }

    /// Whether it holds the merged watermark back.
    fn holds(&self) -> bool {
        match self.phase {
            Phase::Reading { .. } | Phase::CaughtUp { .. } => true,
            Phase::Idle | Phase::Ended => false,
        }
    }
}

/// `quiet` is for how long the partition has been at its log's end, in processing time, since its
/// last record; only time with the caller awake counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Phase {
    /// Behind the log's end, or not heard from yet: holds the merged watermark back.
    Reading { quiet: Span },
    /// At the log's end, seen so until `since`.
    CaughtUp { quiet: Span, since: ProcessingTime },
    /// At the log's end for `idle_after`: does not hold the merged watermark back.
    Idle,
    /// No record will follow.
    Ended,
}

impl Phase {
    /// A record was just read, or could have been.
    const READING: Self = Self::Reading { quiet: Span::ZERO };
}

/// The clocks of all partitions, and the merged watermark.
#[derive(Debug)]
pub(crate) struct Watermarks {
    clocks: BTreeMap<PartitionId, Clock>,
    merged: EventTime,
}

impl Watermarks {
    pub(crate) fn new() -> Self {
        Self {
            clocks: BTreeMap::new(),
            merged: EventTime::MIN,
        }
    }

    /// The partition is read from now on, with what is known of it from before, if anything is.
    pub(crate) fn assign(&mut self, partition: PartitionId, spec: &PartitionSpec) {
        let delay = Span::micros(
            spec.out_of_orderness
                .as_micros()
                .saturating_add(spec.interval_max.as_micros()),
        );
        match self.clocks.entry(partition) {
            Entry::Vacant(entry) => {
                entry.insert(Clock {
                    delay,
                    end_max: None,
                    phase: Phase::READING,
                });
            }
            Entry::Occupied(mut entry) => {
                if entry.get().phase == Phase::Ended {
                    entry.get_mut().phase = Phase::READING;
                }
            }
        }
    }

    /// What is known of `partition`.
    ///
    /// # Panics
    /// When it was not assigned.
    pub(crate) fn clock(&self, partition: &PartitionId) -> &Clock {
        let Some(clock) = self.clocks.get(partition) else {
            panic!("{partition} must be assigned before it is read");
        };
        clock
    }

    /// Whether `partition` is idle or has ended.
    pub(crate) fn is_quiet(&self, partition: &PartitionId) -> bool {
        let clock = self.clocks.get(partition);
        clock.is_some_and(|clock| matches!(clock.phase, Phase::Idle | Phase::Ended))
    }

    /// Records up to `end_max` arrived: the partition is being read again.
    pub(crate) fn observe(&mut self, partition: &PartitionId, end_max: Option<EventTime>) {
        if let Some(clock) = self.clocks.get_mut(partition) {
            clock.end_max = clock.end_max.max(end_max);
            clock.phase = Phase::READING;
        }
    }

    /// Messages without a good record that is new arrived. Good ones may stand behind them, so the time until
    /// it has caught up again does not count towards idleness; but they do not wake an idle
    /// partition nor start its count anew: a feed of nothing but garbage or
    /// repetitions holds no window open.
    pub(crate) fn observe_nothing(&mut self, partition: &PartitionId) {
        if let Some(clock) = self.clocks.get_mut(partition)
            && let Phase::CaughtUp { quiet, .. } = clock.phase
        {
            clock.phase = Phase::Reading { quiet };
        }
    }

    pub(crate) fn caught_up(&mut self, partition: &PartitionId, now: ProcessingTime) {
        if let Some(clock) = self.clocks.get_mut(partition)
            && let Phase::Reading { quiet } = clock.phase
        {
            clock.phase = Phase::CaughtUp { quiet, since: now };
        }
    }

    pub(crate) fn end(&mut self, partition: &PartitionId) {
        if let Some(clock) = self.clocks.get_mut(partition) {
            clock.phase = Phase::Ended;
        }
    }

    pub(crate) fn end_all(&mut self) {
        for clock in self.clocks.values_mut() {
            clock.phase = Phase::Ended;
        }
    }

    /// Lets `now` pass, and gives the partitions that have been quiet at their log's end for
    /// `idle_after`. They are not idle before [`Self::idle`] says so.
    pub(crate) fn tick(&mut self, now: ProcessingTime, idle_after: Span) -> Vec<PartitionId> {
        let mut due = Vec::new();
        for (partition, clock) in &mut self.clocks {
            if let Phase::CaughtUp { quiet, since } = clock.phase {
                let step = now.since(since).clamp(Span::ZERO, TICK_MAX);
                let quiet = Span::micros(quiet.as_micros().saturating_add(step.as_micros()));
                let since = since.max(now);
                clock.phase = Phase::CaughtUp { quiet, since };
                if quiet >= idle_after {
                    due.push(partition.clone());
                }
            }
        }
        due
    }

    /// The earliest time at which [`Self::tick`] could give a partition, or must be called so that
    /// the time until then counts.
    pub(crate) fn next_tick(&self, idle_after: Span) -> Option<ProcessingTime> {
        let due = |clock: &Clock| match clock.phase {
            Phase::CaughtUp { quiet, since } => {
                let missing = idle_after.as_micros().saturating_sub(quiet.as_micros());
                Some(since.plus(Span::micros(missing).clamp(Span::ZERO, TICK_MAX)))
            }
            Phase::Reading { .. } | Phase::Idle | Phase::Ended => None,
        };
        self.clocks.values().filter_map(due).min()
    }

    /// The partition does not hold the merged watermark back until its next record.
    ///
    /// # Panics
    /// When it was not assigned.
    pub(crate) fn idle(&mut self, partition: &PartitionId) {
        let Some(clock) = self.clocks.get_mut(partition) else {
            panic!("{partition} must be assigned before it is idle");
        };
        if clock.phase != Phase::Ended {
            clock.phase = Phase::Idle;
        }
    }

    /// Brings the merged watermark up to what was said so far; it never goes back (T2).
    ///
    /// With every partition ended it is [`EventTime::MAX`]; with every partition idle it stays.
    pub(crate) fn merge(&mut self) {
        let mut clocks = self.clocks.values();
        let all_ended = !self.clocks.is_empty() && clocks.all(|clock| clock.phase == Phase::Ended);
        let candidate = if all_ended {
            EventTime::MAX
        } else {
            let holding = self.clocks.values().filter(|clock| clock.holds());
            holding
                .map(Clock::watermark)
                .min()
                .unwrap_or(EventTime::MIN)
        };
        self.merged = self.merged.max(candidate);
    }

    /// The merged watermark as of the last [`Self::merge`]; [`EventTime::MIN`] before any.
    pub(crate) fn merged(&self) -> EventTime {
        self.merged
    }

    /// The clocks as a checkpoint keeps them.
    pub(crate) fn state(&self) -> Vec<ClockState> {
        let state = |(partition, clock): (&PartitionId, &Clock)| ClockState {
            partition: partition.into(),
            delay_us: clock.delay.as_micros(),
            end_max_us: clock.end_max.map(EventTime::micros),
            phase: match clock.phase {
                Phase::Reading { .. } | Phase::CaughtUp { .. } => PhaseState::Reading,
                Phase::Idle => PhaseState::Idle,
                Phase::Ended => PhaseState::Ended,
            },
        };
        self.clocks.iter().map(state).collect()
    }

    /// The clocks that [`Self::state`] gave.
    pub(crate) fn restore(
        states: Vec<ClockState>,
        merged: EventTime,
    ) -> Result<Self, RestoreError> {
        let mut clocks = BTreeMap::new();
        for state in states {
            let partition = PartitionId::from(state.partition);
            let clock = Clock {
                delay: Span::micros(state.delay_us),
                end_max: state.end_max_us.map(EventTime::from_micros),
                phase: match state.phase {
                    PhaseState::Reading => Phase::READING,
                    PhaseState::Idle => Phase::Idle,
                    PhaseState::Ended => Phase::Ended,
                },
            };
            if clocks.insert(partition.clone(), clock).is_some() {
                let what = format!("{partition} has two clocks");
                return Err(RestoreError::Inconsistent(what));
            }
        }
        Ok(Self { clocks, merged })
    }

    /// Every partition that was assigned.
    pub(crate) fn partitions(&self) -> impl Iterator<Item = &PartitionId> {
        self.clocks.keys()
    }

    /// Whether `partition` was assigned.
    pub(crate) fn knows(&self, partition: &PartitionId) -> bool {
        self.clocks.contains_key(partition)
    }
}
