//! Bounded memory of event ids, to count a repeated event once.

use std::collections::BTreeMap;
use std::sync::Arc;

use tidegate_model::{EventTime, Span};

use crate::PartitionId;
use crate::id_set::IdSet;
use crate::state::{DedupState, GenerationState, RestoreError};

/// Ids remembered per partition at most; beyond it the oldest are forgotten, and counted.
pub(crate) const IDS_MAX: usize = 2_000_000;

/// Ids in one generation at most: an eighth of all is forgotten at once, never the newest.
const GENERATION_MAX: usize = IDS_MAX / 8;

/// The ids that a partition has seen of late.
///
/// A repeat is recognised when its event time lies within `within` of the first one's, and the
/// first one's within `within` of the newest; up to twice as far, it may be recognised. Farther
/// away the same id is another event: a gate may number its days' events anew.
///
/// Event time is cut into buckets of length `within`, and the ids of a bucket into generations in
/// the order in which they came. Only the last generation of a bucket still grows, so a snapshot
/// shares all others with the set that goes on.
#[derive(Debug)]
pub(crate) struct Dedup {
    within: Span,
    /// (bucket, number within the bucket) -> ids.
    generations: BTreeMap<(i64, u32), Arc<IdSet>>,
    ids: usize,
    ids_max: usize,
    generation_max: usize,
    forgotten: u64,
}

impl Dedup {
    /// A memory that is empty.
    ///
    /// # Panics
    /// When `within` is not longer than zero.
    pub(crate) fn new(within: Span) -> Self {
        assert!(within > Span::ZERO, "ids must be remembered for some time");
        Self {
            within,
            generations: BTreeMap::new(),
            ids: 0,
            ids_max: IDS_MAX,
            generation_max: GENERATION_MAX,
            forgotten: 0,
        }
    }

    /// Remembers `id` of an event at `time`; `false` when it was there already.
    pub(crate) fn insert(&mut self, id: u128, time: EventTime) -> bool {
        let bucket = time.micros().div_euclid(self.within.as_micros());
        let mut near = self
            .generations
            .range((bucket - 1, 0)..=(bucket + 1, u32::MAX));
        if near.any(|(_, ids)| ids.contains(id)) {
            return false;
        }
        let newest = self
            .generations
            .last_key_value()
            .map_or(bucket, |((newest, _), _)| *newest)
            .max(bucket);
        while let Some(entry) = self.generations.first_entry()
            && entry.key().0 < newest - 1
        {
            self.ids -= entry.remove().len();
        }
        if bucket >= newest - 1 {
            self.remember(id, bucket);
        }
        true
    }

    /// Puts a new `id` into the last generation of its bucket, and keeps to the bound.
    fn remember(&mut self, id: u128, bucket: i64) {
        let mut of_bucket = self.generations.range((bucket, 0)..=(bucket, u32::MAX));
        let number = match of_bucket.next_back() {
            Some(((_, number), ids)) if ids.len() < self.generation_max => *number,
            Some(((_, number), _)) => number + 1,
            None => 0,
        };
        let ids = self.generations.entry((bucket, number)).or_default();
        Arc::make_mut(ids).insert(id);
        self.ids += 1;
        if self.ids > self.ids_max
            && let Some((_, oldest)) = self.generations.pop_first()
        {
            self.ids -= oldest.len();
            self.forgotten += oldest.len() as u64;
        }
    }

    /// Ids forgotten early because the bound was hit.
    pub(crate) fn forgotten(&self) -> u64 {
        self.forgotten
    }

    /// The ids as a checkpoint keeps them. They are shared, not copied.
    pub(crate) fn state(&self, partition: &PartitionId) -> DedupState {
        let generation = |(&(bucket, number), ids): (&(i64, u32), &Arc<IdSet>)| GenerationState {
            bucket,
            number,
            ids: Arc::clone(ids),
        };
        DedupState {
            partition: partition.into(),
            within_us: self.within.as_micros(),
            forgotten: self.forgotten,
            generations: self.generations.iter().map(generation).collect(),
        }
    }

    /// The memory that [`Self::state`] gave.
    pub(crate) fn restore(state: DedupState) -> Result<Self, RestoreError> {
        if state.within_us <= 0 {
            let what = format!("ids are remembered for {} us", state.within_us);
            return Err(RestoreError::Inconsistent(what));
        }
        let mut dedup = Self::new(Span::micros(state.within_us));
        dedup.forgotten = state.forgotten;
        for generation in state.generations {
            dedup.ids += generation.ids.len();
            let key = (generation.bucket, generation.number);
            if dedup.generations.insert(key, generation.ids).is_some() {
                let what = format!("ids of bucket {} number {} come twice", key.0, key.1);
                return Err(RestoreError::Inconsistent(what));
            }
        }
        if dedup.ids > dedup.ids_max {
            let what = format!("{} ids are more than {}", dedup.ids, dedup.ids_max);
            return Err(RestoreError::Inconsistent(what));
        }
        Ok(dedup)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn at(minute: i64) -> EventTime {
        EventTime::EARLIEST.plus(Span::minutes(minute))
    }

    fn remembering(minutes: i64) -> Dedup {
        Dedup::new(Span::minutes(minutes))
    }

    proptest! {
        /// What the doc promises, against a list of all that was ever fresh.
        #[test]
        fn repeats_are_recognised_as_promised(
            events in prop::collection::vec((0_u128..20, 0_i64..100), 0..200),
        ) {
            let mut dedup = remembering(10);
            let mut first: Vec<(u128, i64)> = Vec::new();
            let mut newest = 0;
            for (id, minute) in events {
                let fresh = dedup.insert(id, at(minute));
                let same = first.iter().filter(|(other, _)| *other == id);
                let near = |within: i64| {
                    same.clone()
                        .any(|(_, m)| m.abs_diff(minute) <= within.unsigned_abs() && newest - m <= within)
                };
                prop_assert!(!near(10) || !fresh, "id {id} at {minute} must be a repeat");
                prop_assert!(near(20) || fresh, "id {id} at {minute} must be fresh");
                if fresh {
                    first.push((id, minute));
                    newest = newest.max(minute);
                }
            }
        }
    }

    #[test]
    fn a_repeat_is_recognised_across_buckets() {
        let mut dedup = remembering(10);
        // Minute 9 and minute 11 lie in different buckets of ten minutes.
        assert!(dedup.insert(7, at(9)));
        assert!(!dedup.insert(7, at(11)));
        assert!(dedup.insert(8, at(11)));
        assert!(!dedup.insert(8, at(9)));
    }

    #[test]
    fn old_ids_are_forgotten() {
        let mut dedup = remembering(10);
        assert!(dedup.insert(7, at(0)));
        assert!(!dedup.insert(7, at(0)));
        for minute in 0..40 {
            dedup.insert(100 + u128::try_from(minute).unwrap(), at(minute));
        }
        assert!(dedup.insert(7, at(0)));
        assert!(dedup.ids < 40);
        assert_eq!(dedup.forgotten(), 0, "the clock's forgetting is not early");
    }

    #[test]
    fn at_the_bound_the_oldest_are_forgotten_and_counted() {
        let mut dedup = Dedup {
            ids_max: 80,
            generation_max: 10,
            ..remembering(10)
        };
        for id in 0..85 {
            assert!(dedup.insert(id, at(0)));
        }
        assert_eq!((dedup.ids, dedup.forgotten()), (75, 10));
        assert!(!dedup.insert(84, at(0)), "the newest id is never forgotten");
        assert!(!dedup.insert(10, at(0)));
        assert!(dedup.insert(9, at(0)), "the oldest are");
    }

    #[test]
    fn a_state_shares_its_ids_until_they_change() {
        let mut dedup = remembering(10);
        dedup.insert(7, at(0));
        let partition = PartitionId {
            feed: tidegate_model::FeedId::new("a"),
            partition: 0,
        };
        let state = dedup.state(&partition);
        dedup.insert(8, at(1));
        assert_eq!(state.generations[0].ids.len(), 1);
        let mut restored = Dedup::restore(state).unwrap();
        assert!(!restored.insert(7, at(0)));
        assert!(restored.insert(8, at(1)));
    }
}
