//! Counters to their stored form and back.

use std::collections::BTreeMap;

use tidegate_model::EventTime;

use super::{Counter, CounterFaults, Counters};
use crate::state::{CounterFaultsState, CounterState, CountersState};

/// Why a decoder cannot go on from a stored state.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum RestoreError {
    /// The state holds cumulative counters, and the feed has none, or the other way round.
    #[error("the feed's counters are no longer, or only now, cumulative")]
    Form,
    /// More counters than the feed may remember.
    #[error("{counters} counters are stored, more than counters_max {counters_max}")]
    TooMany {
        /// How many are stored.
        counters: usize,
        /// How many may be remembered.
        counters_max: usize,
    },
    /// One counter twice.
    #[error("counter {0:032x} is stored twice")]
    Repeated(u128),
    /// A reading that no counter shows.
    #[error("counter {key:032x} is stored with the reading {value}")]
    Reading {
        /// The counter.
        key: u128,
        /// The reading.
        value: u64,
    },
    /// A load of a vehicle outside its own range.
    #[error("the load of a vehicle is stored outside its own range")]
    Load,
}

impl Counters {
    pub(crate) fn state(&self) -> CountersState {
        let mut by_turn: Vec<(u128, Counter)> = self
            .known
            .iter()
            .map(|(key, counter)| (*key, *counter))
            .collect();
        by_turn.sort_unstable_by_key(|(_, counter)| counter.turn);
        let mut before = 0_i64;
        let counters = by_turn.into_iter().map(|(key, counter)| {
            let time = counter.time.micros();
            let time_after = time.wrapping_sub(before);
            before = time;
            CounterState {
                key: key.to_be_bytes(),
                value: counter.value.unsigned_abs(),
                time_after,
                dropped_from: counter.dropped_from.map(i64::unsigned_abs),
            }
        });
        CountersState {
            faults: self.faults.state(),
            counters: counters.collect(),
        }
    }

    /// Counters under the same rules, as they were when `state` was taken.
    pub(crate) fn restored(&self, state: &CountersState) -> Result<Self, RestoreError> {
        let (counters, counters_max) = (state.counters.len(), self.rules.counters_max);
        if counters > counters_max {
            return Err(RestoreError::TooMany {
                counters,
                counters_max,
            });
        }
        let mut known = BTreeMap::new();
        let (mut turn, mut time) = (0, 0_i64);
        for stored in &state.counters {
            let key = u128::from_be_bytes(stored.key);
            let reading =
                |value: u64| i64::try_from(value).map_err(|_| RestoreError::Reading { key, value });
            turn += 1;
            time = time.wrapping_add(stored.time_after);
            let counter = Counter {
                value: reading(stored.value)?,
                time: EventTime::from_micros(time),
                turn,
                dropped_from: stored.dropped_from.map(reading).transpose()?,
            };
            if known.insert(key, counter).is_some() {
                return Err(RestoreError::Repeated(key));
            }
        }
        Ok(Self {
            rules: self.rules,
            known,
            turn,
            faults: CounterFaults::restore(state.faults),
        })
    }
}

impl CounterFaults {
    fn state(self) -> CounterFaultsState {
        let Self {
            baseline,
            wrap,
            reset,
            down,
            implausible,
            gap,
            repeated,
            forgotten,
        } = self;
        CounterFaultsState {
            baseline,
            wrap,
            reset,
            down,
            implausible,
            gap,
            repeated,
            forgotten,
        }
    }

    fn restore(state: CounterFaultsState) -> Self {
        let CounterFaultsState {
            baseline,
            wrap,
            reset,
            down,
            implausible,
            gap,
            repeated,
            forgotten,
        } = state;
        Self {
            baseline,
            wrap,
            reset,
            down,
            implausible,
            gap,
            repeated,
            forgotten,
        }
    }
}
