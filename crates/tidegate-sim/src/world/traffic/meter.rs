//! Readings of cumulative counters, and the counts that they mean by the documented rules.

use tidegate_model::EventTime;

use super::{Count, Meaning, Writer};
use crate::world::shape::{METERS, MINUTE, SECOND, STEP_MAX};

impl Writer<'_> {
    /// One reading, of a kind that the dice choose.
    pub(super) fn reading(&mut self) -> (Option<Vec<u8>>, Meaning) {
        let site = METERS[self.random.weighted(&[2, 1])];
        let (before, value) = self.readings.get(site).copied().unwrap_or((0, 100));
        let jitter = i64::from(self.random.below(120)) * SECOND;
        let (time, value) = match self.random.weighted(&[30, 3, 2, 2, 1, 1]) {
            0 => (self.now, value + i64::from(self.random.middling(0, 40))),
            // Out of order, or the same time again.
            1 => (self.now - jitter, value),
            2 => (before.max(self.now - 10 * MINUTE), value + 1),
            // Started anew, faulty, or a clock that is ahead.
            3 => (self.now, i64::from(self.random.below(20))),
            4 => (self.now, value + STEP_MAX + 1),
            _ => (self.now + self.shape.max_future + SECOND, value + 1),
        };
        let bytes = Some(json(site, time, value));
        let count = |start, count| Count {
            id: None,
            site,
            start,
            end: time,
            measure: "in",
            count,
        };
        if time > self.now + self.shape.max_future {
            // It is refused, and moves no counter.
            return (bytes, Meaning::Count(count(time, 0)));
        }
        let last = self.readings.get(site).copied();
        if last.is_none_or(|(before, _)| before <= time) {
            self.readings.insert(site, (time, value));
        }
        let step = last.and_then(|(before, last)| {
            let is_told = before < time && time - before <= self.feed.interval_max;
            let is_a_step = (0..=STEP_MAX).contains(&(value - last));
            (is_told && is_a_step).then(|| count(before, value - last))
        });
        // What goes down started anew or is wrong; neither is a count.
        (bytes, Meaning::Count(step.unwrap_or(count(time, 0))))
    }
}

/// A reading in the city's own JSON.
pub(super) fn json(site: &str, time: i64, reading: i64) -> Vec<u8> {
    let at = EventTime::from_micros(time);
    format!("{{\"meter\":\"{site}\",\"at\":\"{at}\",\"reading\":{reading}}}").into_bytes()
}
