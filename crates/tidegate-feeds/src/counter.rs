//! Cumulative counters: readings to counts, so that no wrap, reset or fault becomes a crowd.
//!
//! A step down is a counter that started again, or one reading that dropped out. Which, the next
//! reading says: where it is not below the one before the drop, the two are compared, so that a
//! drop-out adds nobody (and the people since a start that got so far at once are not all counted).
//!
//! State is one small record a counter, at most `counters_max` of them; beyond it the counters that
//! were read longest ago are forgotten, which is counted.

use std::collections::BTreeMap;

use tidegate_model::{EventTime, Quality, Span};

mod restore;

pub use restore::RestoreError;

/// How many readings of each kind a feed's counters gave. A reading can be of several kinds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct CounterFaults {
    /// First readings of a counter: no difference yet.
    pub baseline: u64,
    /// Wraps at the declared maximum; counted rightly, so no fault in itself.
    pub wrap: u64,
    /// Starts from near zero.
    pub reset: u64,
    /// Steps down that are neither wrap nor reset.
    pub down: u64,
    /// Steps above `step_max`.
    pub implausible: u64,
    /// Readings after a silence longer than `interval_max`.
    pub gap: u64,
    /// Readings at or before the time of the last one.
    pub repeated: u64,
    /// Counters forgotten because there were more than `counters_max`.
    pub forgotten: u64,
}

impl CounterFaults {
    /// Those that say that a counter or its feed is not well: resets, steps down, steps that are
    /// too large, and gaps. First readings, wraps and repeated readings are as they should be.
    pub const fn odd(self) -> u64 {
        self.reset + self.down + self.implausible + self.gap
    }
}

/// The rules of a feed's counters, validated.
#[derive(Debug, Clone, Copy)]
pub(crate) struct CounterRules {
    pub(crate) step_max: i64,
    pub(crate) wrap_at: Option<i64>,
    pub(crate) reset_below: i64,
    pub(crate) gap_max: Span,
    pub(crate) counters_max: usize,
}

/// What one reading says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Step {
    pub(crate) count: i64,
    /// The time of the reading before; the reading's own time when it is flagged.
    pub(crate) start: EventTime,
    pub(crate) quality: Quality,
}

#[derive(Debug, Clone, Copy)]
struct Counter {
    value: i64,
    time: EventTime,
    /// The number of its latest reading among all readings.
    turn: u64,
    /// The reading before it stepped down, until it steps up again.
    dropped_from: Option<i64>,
}

/// The state of a feed's counters.
#[derive(Debug, Clone)]
pub(crate) struct Counters {
    rules: CounterRules,
    known: BTreeMap<u128, Counter>,
    turn: u64,
    faults: CounterFaults,
}

impl Counters {
    pub(crate) fn new(rules: CounterRules) -> Self {
        Self {
            rules,
            known: BTreeMap::new(),
            turn: 0,
            faults: CounterFaults::default(),
        }
    }

    pub(crate) fn faults(&self) -> CounterFaults {
        self.faults
    }

    /// When the counter was last read.
    pub(crate) fn last_time(&self, key: u128) -> Option<EventTime> {
        self.known.get(&key).map(|counter| counter.time)
    }

    /// Takes the reading `value`, 0 or more, of the counter `key` at `time`.
    pub(crate) fn read(&mut self, key: u128, value: i64, time: EventTime) -> Step {
        let flagged = |quality| Step {
            count: 0,
            start: time,
            quality,
        };
        self.turn += 1;
        let turn = self.turn;
        let Some(counter) = self.known.get_mut(&key) else {
            self.forget_oldest();
            let counter = Counter {
                value,
                time,
                turn,
                dropped_from: None,
            };
            self.known.insert(key, counter);
            self.faults.baseline += 1;
            return flagged(Quality::COUNTER_BASELINE);
        };
        counter.turn = turn;
        let last = *counter;
        if time < last.time {
            // An old reading that comes late must not become the base of the next step.
            self.faults.repeated += 1;
            return flagged(Quality::COUNTER_REPEATED);
        }
        counter.value = value;
        counter.time = time;
        counter.dropped_from = match last.dropped_from {
            _ if value < last.value => last.dropped_from.or(Some(last.value)),
            from if value == last.value => from,
            _ => None,
        };
        let base = last.dropped_from.filter(|from| value >= *from);
        let (mut quality, mut count) = self.judge(base.unwrap_or(last.value), value);
        if time == last.time {
            self.faults.repeated += 1;
            quality = quality.with(Quality::COUNTER_REPEATED);
            count = None;
        } else if time.since(last.time) > self.rules.gap_max {
            self.faults.gap += 1;
            quality = quality.with(Quality::COUNTER_GAP);
            count = None;
        }
        match count {
            None => flagged(quality),
            Some(count) => Step {
                count,
                start: last.time,
                quality,
            },
        }
    }

    /// Makes room for one more counter: when there are `counters_max`, forgets the sixteenth of
    /// them (at least one) that was read longest ago, so that looking for them is rare.
    fn forget_oldest(&mut self) {
        let CounterRules { counters_max, .. } = self.rules;
        if self.known.len() < counters_max {
            return;
        }
        let surplus = (counters_max / 16).max(1);
        let mut turns: Vec<u64> = self.known.values().map(|counter| counter.turn).collect();
        let (_, newest_forgotten, _) = turns.select_nth_unstable(surplus - 1);
        let newest_forgotten = *newest_forgotten;
        let before = self.known.len();
        self.known
            .retain(|_, counter| counter.turn > newest_forgotten);
        self.faults.forgotten += (before - self.known.len()) as u64;
    }

    /// The step from `last` to `value` by its size alone; no count where it cannot be true.
    fn judge(&mut self, last: i64, value: i64) -> (Quality, Option<i64>) {
        let CounterRules { step_max, .. } = self.rules;
        if value >= last {
            let step = value - last;
            if step <= step_max {
                return (Quality::GOOD, Some(step));
            }
            self.faults.implausible += 1;
            return (Quality::COUNTER_IMPLAUSIBLE, None);
        }
        if let Some(wrap_at) = self.rules.wrap_at
            && last < wrap_at
        {
            // Both are within 0 to wrap_at, so this cannot overflow. The shorter of the ways down
            // and round is believed.
            let step = wrap_at - last + value;
            if step <= step_max && step <= last - value {
                self.faults.wrap += 1;
                return (Quality::COUNTER_WRAP, Some(step));
            }
        }
        if value < self.rules.reset_below {
            self.faults.reset += 1;
            (Quality::COUNTER_RESET, None)
        } else {
            self.faults.down += 1;
            (Quality::COUNTER_DOWN, None)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const RULES: CounterRules = CounterRules {
        step_max: 100,
        wrap_at: Some(10_000),
        reset_below: 50,
        gap_max: Span::seconds(10),
        counters_max: 1_000,
    };

    fn at(seconds: i64) -> EventTime {
        EventTime::EARLIEST.plus(Span::seconds(seconds))
    }

    /// Readings (time, value) of one counter must give (count, flags); an unflagged or wrapped
    /// step starts at the reading before, a flagged one is a point.
    #[track_caller]
    fn check(rules: CounterRules, readings: &[(i64, i64, i64, Quality)]) {
        let mut counters = Counters::new(rules);
        for &(second, value, count, quality) in readings {
            let step = counters.read(7, value, at(second));
            assert_eq!(
                (step.count, step.quality),
                (count, quality),
                "{second} {value}"
            );
            if quality != Quality::GOOD && quality != Quality::COUNTER_WRAP {
                assert_eq!(step.start, at(second));
            }
        }
    }

    #[test]
    #[expect(clippy::too_many_lines, reason = "a table of cases")]
    fn steps() {
        use Quality as Q;
        let base = Q::COUNTER_BASELINE;
        check(
            RULES,
            &[
                (0, 5, 0, base),
                (4, 9, 4, Q::GOOD),
                (8, 9, 0, Q::GOOD),
                (9, 109, 100, Q::GOOD),
            ],
        );
        check(
            RULES,
            &[
                (0, 5, 0, base),
                (4, 106, 0, Q::COUNTER_IMPLAUSIBLE),
                (8, 107, 1, Q::GOOD),
            ],
        );
        check(
            RULES,
            &[
                (0, 9_990, 0, base),
                (4, 20, 30, Q::COUNTER_WRAP),
                (8, 21, 1, Q::GOOD),
            ],
        );
        check(
            RULES,
            &[
                (0, 500, 0, base),
                (4, 20, 0, Q::COUNTER_RESET),
                (8, 21, 1, Q::GOOD),
            ],
        );
        check(
            RULES,
            &[
                (0, 500, 0, base),
                (4, 480, 0, Q::COUNTER_DOWN),
                (8, 470, 0, Q::COUNTER_DOWN),
                (9, 471, 1, Q::GOOD),
            ],
        );
        check(
            RULES,
            &[
                (0, 5, 0, base),
                (11, 6, 0, Q::COUNTER_GAP),
                (21, 7, 1, Q::GOOD),
            ],
        );
        // A wrap behind a gap has no place in time: both flags, no count.
        check(
            RULES,
            &[
                (0, 9_990, 0, base),
                (11, 1, 0, Q::COUNTER_WRAP.with(Q::COUNTER_GAP)),
            ],
        );
        // Same time: the later value is the base. Earlier time: the base stays.
        check(
            RULES,
            &[
                (0, 5, 0, base),
                (0, 9, 0, Q::COUNTER_REPEATED),
                (4, 10, 1, Q::GOOD),
            ],
        );
        check(
            RULES,
            &[
                (4, 5, 0, base),
                (0, 9, 0, Q::COUNTER_REPEATED),
                (8, 10, 5, Q::GOOD),
            ],
        );
        // Where a step may be longer than half the way round, the shorter way is believed: one
        // down is no crowd of all values but one.
        let wide = CounterRules {
            step_max: 9_999,
            ..RULES
        };
        check(wide, &[(0, 500, 0, base), (4, 499, 0, Q::COUNTER_DOWN)]);
        check(
            wide,
            &[(0, 9_000, 0, base), (4, 100, 1_100, Q::COUNTER_WRAP)],
        );
        // A reading that drops out and comes back: only what is above the reading before the drop
        // was surely counted, also when it drops twice or stays down.
        let wide = CounterRules {
            wrap_at: None,
            step_max: 9_000,
            ..RULES
        };
        check(
            wide,
            &[
                (0, 5_000, 0, base),
                (4, 0, 0, Q::COUNTER_RESET),
                (8, 5_010, 10, Q::GOOD),
                (9, 4_900, 0, Q::COUNTER_DOWN),
                (10, 4_800, 0, Q::COUNTER_DOWN),
                (11, 4_800, 0, Q::GOOD),
                (12, 5_012, 2, Q::GOOD),
            ],
        );
        // A counter that goes on from below has started again.
        check(
            wide,
            &[
                (0, 5_000, 0, base),
                (4, 0, 0, Q::COUNTER_RESET),
                (8, 3_000, 3_000, Q::GOOD),
                (9, 6_000, 3_000, Q::GOOD),
            ],
        );
        // Without wrap_at, and above it, a wrap is a reset.
        let plain = CounterRules {
            wrap_at: None,
            ..RULES
        };
        check(plain, &[(0, 9_990, 0, base), (4, 20, 0, Q::COUNTER_RESET)]);
        check(RULES, &[(0, 10_001, 0, base), (4, 20, 0, Q::COUNTER_RESET)]);
    }

    #[test]
    fn the_counter_read_longest_ago_is_forgotten() {
        let mut counters = Counters::new(CounterRules {
            counters_max: 2,
            ..RULES
        });
        counters.read(1, 5, at(0));
        counters.read(2, 5, at(1));
        counters.read(1, 6, at(2));
        counters.read(3, 5, at(3));
        assert_eq!(counters.faults().forgotten, 1);
        assert_eq!(counters.read(1, 7, at(4)).count, 1, "1 was read after 2");
        assert_eq!(
            counters.read(2, 6, at(5)).quality,
            Quality::COUNTER_BASELINE
        );
    }

    proptest! {
        /// Whatever is read: no count is negative or above step_max, state is bounded, and the
        /// counts of a counter that only goes up by true steps sum to its rise.
        #[test]
        fn never_a_crowd(readings in proptest::collection::vec((0_u128..9, 0_i64..20_000, 0_i64..40), 0..300)) {
            let mut counters = Counters::new(CounterRules { counters_max: 4, ..RULES });
            for (key, value, second) in readings {
                let step = counters.read(key, value, at(second));
                prop_assert!((0..=100).contains(&step.count));
                prop_assert!(step.start <= at(second));
                prop_assert!(counters.known.len() <= 4);
            }
        }

        /// Single readings that fall below the counter's true value add nobody.
        #[test]
        fn dropouts_add_nobody(steps in proptest::collection::vec((0_i64..=100, proptest::option::of(0_i64..20_000)), 1..100)) {
            let rules = CounterRules { wrap_at: None, step_max: 10_000, gap_max: Span::hours(9), ..RULES };
            let mut counters = Counters::new(rules);
            let (mut value, mut sum) = (1_000, 0);
            counters.read(1, value, at(0));
            for (second, (step, dropout)) in (1..).zip(&steps) {
                value += step;
                sum += counters.read(1, value, at(2 * second)).count;
                if let Some(dropout) = dropout.filter(|dropout| *dropout < value) {
                    sum += counters.read(1, dropout, at(2 * second + 1)).count;
                }
            }
            prop_assert!(sum <= value - 1_000, "{} of {}", sum, value - 1_000);
        }

        #[test]
        fn true_steps_sum_to_the_rise(steps in proptest::collection::vec(0_i64..=100, 1..200)) {
            let mut counters = Counters::new(CounterRules { wrap_at: Some(1_000), ..RULES });
            let (mut value, mut sum) = (0, 0);
            counters.read(1, 0, at(0));
            for (second, step) in (1..).zip(&steps) {
                value = (value + step) % 1_000;
                sum += counters.read(1, value, at(second)).count;
            }
            prop_assert_eq!(sum, steps.iter().sum::<i64>());
        }
    }
}
