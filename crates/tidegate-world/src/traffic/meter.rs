//! Readings of cumulative counters, and the counts that they mean by the documented rules.

use std::cmp::Ordering;

use tidegate_model::EventTime;

use super::{Count, Meaning, Writer};
use crate::shape::{METERS, MINUTE, SECOND, STEP_MAX};

/// What a counter showed last.
#[derive(Debug, Clone, Copy)]
pub(super) struct Reading {
    time: i64,
    value: i64,
    /// The value before it went down, until it goes up again.
    dropped_from: Option<i64>,
}

impl Writer<'_> {
    /// One reading, of a kind that the dice choose.
    pub(super) fn reading(&mut self) -> (Option<Vec<u8>>, Meaning) {
        let site = METERS[self.random.weighted(&[2, 1])];
        let last = self.readings.get(site).copied();
        let (before, shown) = last.map_or((0, 100), |last| (last.time, last.value));
        let high = last.and_then(|last| last.dropped_from).unwrap_or(shown);
        let jitter = i64::from(self.random.below(120)) * SECOND;
        let (time, value) = match self.random.weighted(&[30, 3, 2, 3, 3, 1, 1]) {
            0 => (self.now, shown + i64::from(self.random.middling(0, 40))),
            // Out of order, or the same time again.
            1 => (self.now - jitter, shown),
            2 => (before.max(self.now - 10 * MINUTE), shown + 1),
            // Down, and up again to where it was.
            3 => (self.now, i64::from(self.random.below(20))),
            4 => (self.now, high + i64::from(self.random.below(20))),
            // Faulty, or a clock that is ahead.
            5 => (self.now, shown + STEP_MAX + 1),
            _ => (self.now + self.shape.max_future + SECOND, shown + 1),
        };
        let bytes = Some(json(site, time, value));
        let mut count = Count {
            id: None,
            site,
            start: time,
            end: time,
            measure: "in",
            persons: 0,
        };
        let is_refused = time > self.now + self.shape.max_future;
        // What is refused, or older than what is known, moves no counter.
        if !is_refused && last.is_none_or(|last| last.time <= time) {
            let reading = Reading::after(last, time, value);
            self.readings.insert(site, reading);
            if let Some((start, step)) = last.and_then(|last| last.step(time, value))
                && time - start <= self.feed.interval_max
            {
                (count.start, count.persons) = (start, step);
            }
        }
        (bytes, Meaning::Count(count))
    }
}

impl Reading {
    fn after(last: Option<Self>, time: i64, value: i64) -> Self {
        let dropped_from = last.and_then(|last| match value.cmp(&last.value) {
            Ordering::Less => last.dropped_from.or(Some(last.value)),
            Ordering::Equal => last.dropped_from,
            Ordering::Greater => None,
        });
        Self {
            time,
            value,
            dropped_from,
        }
    }

    /// The persons since this reading, and since when, if the next one tells.
    fn step(self, time: i64, value: i64) -> Option<(i64, i64)> {
        let is_back = self.dropped_from.filter(|high| value >= *high);
        let step = value - is_back.unwrap_or(self.value);
        let is_told = time > self.time && (0..=STEP_MAX).contains(&step);
        is_told.then_some((self.time, step))
    }
}

/// A reading in the city's own JSON.
pub(super) fn json(site: &str, time: i64, reading: i64) -> Vec<u8> {
    let at = EventTime::from_micros(time);
    format!("{{\"meter\":\"{site}\",\"at\":\"{at}\",\"reading\":{reading}}}").into_bytes()
}
