//! The records of an epoch until it is committed.

use std::ops::Range;

use anyhow::Result;
use tidegate_connect::OutRecord;
use tidegate_pipeline::Event;

use crate::records::{Bytes, publish};

/// An epoch that holds more than this ends early, so that memory stays bounded.
const BYTES_MAX: usize = 32 << 20;
/// The same for records: a producer's queue holds 100,000.
const RECORDS_MAX: usize = 50_000;

/// See the module documentation. Keys and values lie one behind another in one buffer.
#[derive(Debug, Default)]
pub(crate) struct EpochRecords {
    bytes: Vec<u8>,
    records: Vec<Place>,
    is_urgent: bool,
}

#[derive(Debug)]
struct Place {
    topic: &'static str,
    key: Range<usize>,
    value: Range<usize>,
}

impl EpochRecords {
    /// Adds what `event` of `pipeline` publishes.
    pub(crate) fn add(&mut self, event: &Event, pipeline: &str) -> Result<()> {
        self.is_urgent |= matches!(event, Event::Alert(alert) if !alert.is_shadow);
        publish(event, pipeline, Bytes::Whole, |topic, key, value| {
            let key = self.append(key);
            let value = self.append(value);
            self.records.push(Place { topic, key, value });
            Ok(())
        })
    }

    pub(crate) fn len(&self) -> usize {
        self.records.len()
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.records.is_empty()
    }

    /// Whether the epoch should end now.
    pub(crate) fn is_full(&self) -> bool {
        self.bytes.len() > BYTES_MAX || self.records.len() > RECORDS_MAX
    }

    /// Whether somebody is to be told of it: who waits for the end of the epoch is a person.
    pub(crate) fn is_urgent(&self) -> bool {
        self.is_urgent
    }

    pub(crate) fn clear(&mut self) {
        self.is_urgent = false;
        self.records.clear();
        self.bytes.clear();
        self.bytes.shrink_to(BYTES_MAX);
    }

    /// The records in the order in which they were added.
    pub(crate) fn iter(&self) -> impl Iterator<Item = OutRecord<'_>> {
        self.records.iter().map(|place| OutRecord {
            topic: place.topic,
            partition: None,
            key: Some(&self.bytes[place.key.clone()]),
            value: Some(&self.bytes[place.value.clone()]),
            timestamp_ms: None,
        })
    }

    /// Replaces the value of every record that is larger than `bytes_max` by what `replace` makes of
    /// it; says how many there were.
    pub(crate) fn replace_large(
        &mut self,
        topic: &str,
        bytes_max: usize,
        mut replace: impl FnMut(&[u8]) -> Result<Vec<u8>>,
    ) -> Result<usize> {
        let mut replaced = 0;
        for index in 0..self.records.len() {
            let place = &self.records[index];
            if place.topic != topic || place.key.len() + place.value.len() <= bytes_max {
                continue;
            }
            let value = replace(&self.bytes[place.value.clone()])?;
            self.records[index].value = self.append(&value);
            replaced += 1;
        }
        Ok(replaced)
    }

    fn append(&mut self, bytes: &[u8]) -> Range<usize> {
        let start = self.bytes.len();
        self.bytes.extend_from_slice(bytes);
        start..self.bytes.len()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tidegate_model::{FeedId, Position, Reason, Rejected};

    fn rejection(bytes: usize) -> Event {
        Event::Rejected(vec![Rejected {
            feed: FeedId::new("gate"),
            position: Position {
                partition: 0,
                offset: 7,
                row: 0,
            },
            reason: Reason::Malformed,
            detail: String::new(),
            site: None,
            bytes: Some(vec![b'x'; bytes]),
        }])
    }

    #[test]
    fn only_what_is_too_large_for_its_topic_is_replaced() {
        let mut records = EpochRecords::default();
        records.add(&rejection(10), "p").unwrap();
        records.add(&rejection(10_000), "p").unwrap();
        let topic = crate::records::REJECTED;
        let replaced = records.replace_large(topic, 5_000, |value| {
            assert!(value.len() > 10_000);
            Ok(b"elsewhere".to_vec())
        });
        assert_eq!(replaced.unwrap(), 1);
        assert_eq!(
            records
                .replace_large("other", 0, |_| Ok(Vec::new()))
                .unwrap(),
            0
        );
        let values: Vec<&[u8]> = records.iter().filter_map(|record| record.value).collect();
        assert!(values[0].len() < 1_000 && values[1] == b"elsewhere");
        records.clear();
        assert!(records.is_empty());
    }
}
