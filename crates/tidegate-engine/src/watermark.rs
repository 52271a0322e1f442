//! Watermarks: one per source partition, and their minimum.

use std::collections::BTreeMap;

use tidegate_model::{EventTime, Span};

use crate::{PartitionId, PartitionSpec, ProcessingTime};

/// A partition is polled at least this often; a longer silence of the caller is the caller's own
/// stall and does not count towards idleness.
const TICK_MAX: Span = Span::seconds(1);

/// What is known of one partition's event time.
#[derive(Debug)]
struct Clock {
    delay: Span,
    end_max: Option<EventTime>,
    phase: Phase,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Phase {
    /// Behind the log's end, or not heard from yet: holds the merged watermark back.
    Reading,
    /// At the log's end for so long.
    CaughtUp { quiet: Span, since: ProcessingTime },
    /// At the log's end for `idle_after`: does not hold the merged watermark back.
    Idle,
    /// No record will follow.
    Ended,
}

/// The clocks of all partitions, and the merged watermark.
#[derive(Debug, Default)]
pub(crate) struct Watermarks {
    clocks: BTreeMap<PartitionId, Clock>,
    merged: Option<EventTime>,
}

impl Watermarks {
    pub(crate) fn assign(&mut self, partition: PartitionId, spec: &PartitionSpec) {
        let delay = Span::micros(
            spec.out_of_orderness
                .as_micros()
                .saturating_add(spec.interval_max.as_micros()),
        );
        let clock = Clock {
            delay,
            end_max: None,
            phase: Phase::Reading,
        };
        self.clocks.entry(partition).or_insert(clock);
    }

    /// The partition's own watermark; `None` before its first record.
    pub(crate) fn own(&self, partition: &PartitionId) -> Option<EventTime> {
        let clock = self.clocks.get(partition)?;
        clock.end_max.map(|end| end.minus(clock.delay))
    }

    /// How far the watermark stays behind the newest record of `partition`.
    pub(crate) fn delay(&self, partition: &PartitionId) -> Span {
        self.clocks
            .get(partition)
            .map_or(Span::ZERO, |clock| clock.delay)
    }

    /// Records that arrived up to `end_max`: the partition is being read again.
    pub(crate) fn observe(&mut self, partition: &PartitionId, end_max: EventTime) {
        if let Some(clock) = self.clocks.get_mut(partition) {
            clock.end_max = clock.end_max.max(Some(end_max));
            clock.phase = Phase::Reading;
        }
    }

    pub(crate) fn caught_up(&mut self, partition: &PartitionId, now: ProcessingTime) {
        if let Some(clock) = self.clocks.get_mut(partition)
            && clock.phase == Phase::Reading
        {
            clock.phase = Phase::CaughtUp {
                quiet: Span::ZERO,
                since: now,
            };
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

    /// Lets `now` pass: partitions quiet at the log's end for `idle_after` become idle.
    pub(crate) fn tick(&mut self, now: ProcessingTime, idle_after: Span) {
        for clock in self.clocks.values_mut() {
            if let Phase::CaughtUp { quiet, since } = clock.phase {
                let step = now.since(since).min(TICK_MAX).max(Span::ZERO);
                let quiet = Span::micros(quiet.as_micros().saturating_add(step.as_micros()));
                clock.phase = if quiet >= idle_after {
                    Phase::Idle
                } else {
                    Phase::CaughtUp { quiet, since: now }
                };
            }
        }
    }

    /// The merged watermark after what was said so far; never goes back (T2).
    ///
    /// With every partition ended it is [`EventTime::MAX`]; with every partition idle it stays.
    pub(crate) fn merged(&mut self) -> Option<EventTime> {
        let all_ended = !self.clocks.is_empty()
            && self
                .clocks
                .values()
                .all(|clock| clock.phase == Phase::Ended);
        let candidate = if all_ended {
            Some(EventTime::MAX)
        } else {
            let mut holding = self
                .clocks
                .values()
                .filter(|clock| !matches!(clock.phase, Phase::Idle | Phase::Ended))
                .map(|clock| clock.end_max.map(|end| end.minus(clock.delay)))
                .peekable();
            if holding.peek().is_none() {
                None
            } else {
                holding.min().flatten()
            }
        };
        self.merged = self.merged.max(candidate);
        self.merged
    }
}
