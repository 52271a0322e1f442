//! Bounded memory of event ids, to count a repeated event once.

use std::collections::BTreeMap;

use tidegate_model::{EventTime, Span};

/// Ids remembered per partition at most; beyond it the oldest are forgotten, and counted.
pub(crate) const IDS_MAX: usize = 2_000_000;

/// The ids that a partition has seen within `within` of event time, in buckets of that length.
///
/// A repeat is recognised when its event time lies within `within` of the newest one; ids up to
/// twice as old may still be recognised.
#[derive(Debug)]
pub(crate) struct Dedup {
    within: Span,
    buckets: BTreeMap<i64, IdSet>,
    ids: usize,
    forgotten: u64,
}

impl Dedup {
    pub(crate) fn new(within: Span) -> Self {
        Self {
            within,
            buckets: BTreeMap::new(),
            ids: 0,
            forgotten: 0,
        }
    }

    /// Remembers `id` of an event at `time`; `false` when it was there already.
    pub(crate) fn insert(&mut self, id: u128, time: EventTime) -> bool {
        let bucket = time.micros().div_euclid(self.within.as_micros());
        let newest = self
            .buckets
            .last_key_value()
            .map_or(bucket, |(newest, _)| *newest);
        while let Some(entry) = self.buckets.first_entry()
            && *entry.key() < newest - 1
        {
            self.ids -= entry.remove().len();
        }
        let fresh = self.buckets.entry(bucket).or_default().insert(id);
        self.ids += usize::from(fresh);
        if self.ids > IDS_MAX
            && let Some((_, oldest)) = self.buckets.pop_first()
        {
            self.ids -= oldest.len();
            self.forgotten += oldest.len() as u64;
        }
        fresh
    }

    /// Ids forgotten early because the bound was hit.
    pub(crate) fn forgotten(&self) -> u64 {
        self.forgotten
    }
}

/// An open-addressing set of ids that are hashes already. Zero marks a free slot; the id zero is
/// kept apart.
#[derive(Debug, Default)]
struct IdSet {
    slots: Vec<u128>,
    len: usize,
    has_zero: bool,
}

impl IdSet {
    fn len(&self) -> usize {
        self.len + usize::from(self.has_zero)
    }

    fn insert(&mut self, id: u128) -> bool {
        if id == 0 {
            return !std::mem::replace(&mut self.has_zero, true);
        }
        if self.len * 4 >= self.slots.len() * 3 {
            self.grow();
        }
        let fresh = place(&mut self.slots, id);
        self.len += usize::from(fresh);
        fresh
    }

    fn grow(&mut self) {
        let mut slots = vec![0; (self.slots.len() * 2).max(64)];
        for id in self.slots.drain(..).filter(|id| *id != 0) {
            place(&mut slots, id);
        }
        self.slots = slots;
    }
}

/// Puts `id` into its slot; `false` when it is there already. There is always a free slot.
fn place(slots: &mut [u128], id: u128) -> bool {
    let mask = slots.len() - 1;
    // Any bits of a hash choose a slot.
    let mut slot = id as usize & mask;
    loop {
        if slots[slot] == id {
            return false;
        }
        if slots[slot] == 0 {
            slots[slot] = id;
            return true;
        }
        slot = (slot + 1) & mask;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::collections::BTreeSet;

    proptest! {
        #[test]
        fn agrees_with_an_ordered_set(ids in prop::collection::vec(0_u128..300, 0..600)) {
            let mut dedup = Dedup::new(Span::minutes(10));
            let mut model = BTreeSet::new();
            for id in ids {
                prop_assert_eq!(dedup.insert(id, EventTime::EARLIEST), model.insert(id));
            }
        }
    }

    #[test]
    fn old_ids_are_forgotten() {
        let mut dedup = Dedup::new(Span::minutes(10));
        assert!(dedup.insert(7, EventTime::EARLIEST));
        assert!(!dedup.insert(7, EventTime::EARLIEST));
        for minute in 0..40 {
            dedup.insert(
                100 + u128::try_from(minute).unwrap(),
                EventTime::EARLIEST.plus(Span::minutes(minute)),
            );
        }
        assert!(dedup.insert(7, EventTime::EARLIEST));
        assert!(dedup.ids < 40);
    }
}
