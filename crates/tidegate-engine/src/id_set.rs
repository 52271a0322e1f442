//! A set of 16-byte ids.

/// Bytes of an id.
const ID_BYTES: usize = size_of::<u128>();

/// An open-addressing set of ids that are hashes already. Zero marks a free slot; the id zero is
/// kept apart.
#[derive(Debug, Clone, Default)]
pub(crate) struct IdSet {
    slots: Vec<u128>,
    /// Slots that are not free: at most three quarters.
    len: usize,
    has_zero: bool,
}

impl IdSet {
    /// Ids in the set.
    pub(crate) fn len(&self) -> usize {
        self.len + usize::from(self.has_zero)
    }

    /// Whether `id` is in the set.
    pub(crate) fn contains(&self, id: u128) -> bool {
        if id == 0 {
            return self.has_zero;
        }
        if self.slots.is_empty() {
            return false;
        }
        self.slots[find(&self.slots, id)] == id
    }

    /// Adds `id`; `false` when it was there already.
    pub(crate) fn insert(&mut self, id: u128) -> bool {
        if id == 0 {
            return !std::mem::replace(&mut self.has_zero, true);
        }
        if self.len * 4 >= self.slots.len() * 3 {
            self.grow(self.slots.len() * 2);
        }
        let slot = find(&self.slots, id);
        let fresh = self.slots[slot] != id;
        self.slots[slot] = id;
        self.len += usize::from(fresh);
        fresh
    }

    /// Makes room: a power of two of slots, at least `slots` and 64 of them.
    fn grow(&mut self, slots: usize) {
        let mut grown = vec![0; slots.next_power_of_two().max(64)];
        for id in self.slots.drain(..).filter(|id| *id != 0) {
            let slot = find(&grown, id);
            grown[slot] = id;
        }
        self.slots = grown;
    }

    /// The ids in ascending order, each as 16 bytes, big-endian: equal sets give equal bytes,
    /// whatever order they were filled in.
    pub(crate) fn to_bytes(&self) -> Vec<u8> {
        let mut ids: Vec<u128> = self.slots.iter().copied().filter(|id| *id != 0).collect();
        ids.extend(self.has_zero.then_some(0));
        ids.sort_unstable();
        let mut bytes = Vec::with_capacity(ids.len() * ID_BYTES);
        for id in ids {
            bytes.extend_from_slice(&id.to_be_bytes());
        }
        bytes
    }

    /// The set that [`Self::to_bytes`] wrote; `None` when `bytes` does not hold whole ids.
    pub(crate) fn from_bytes(bytes: &[u8]) -> Option<Self> {
        let (ids, rest) = bytes.as_chunks::<ID_BYTES>();
        if !rest.is_empty() {
            return None;
        }
        let mut set = Self::default();
        // Room for all from the start: growing step by step would place each id several times.
        set.grow(ids.len() * 4 / 3 + 1);
        for id in ids {
            set.insert(u128::from_be_bytes(*id));
        }
        Some(set)
    }
}

/// The slot of `id`: the one that holds it, else the free one where it belongs. There is always a
/// free slot.
fn find(slots: &[u128], id: u128) -> usize {
    let mask = slots.len() - 1;
    // Any bits of a hash choose a slot.
    let mut slot = id as usize & mask;
    while slots[slot] != id && slots[slot] != 0 {
        slot = (slot + 1) & mask;
    }
    slot
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::collections::BTreeSet;

    proptest! {
        #[test]
        fn agrees_with_an_ordered_set(ids in prop::collection::vec(0_u128..300, 0..600)) {
            let mut set = IdSet::default();
            let mut model = BTreeSet::new();
            for id in ids {
                prop_assert_eq!(set.contains(id), model.contains(&id));
                prop_assert_eq!(set.insert(id), model.insert(id));
                prop_assert_eq!(set.len(), model.len());
            }
            let bytes = set.to_bytes();
            let expected: Vec<u8> = model.iter().flat_map(|id| id.to_be_bytes()).collect();
            prop_assert_eq!(&bytes, &expected);
            let again = IdSet::from_bytes(&bytes).unwrap();
            prop_assert_eq!(again.len(), model.len());
            prop_assert_eq!(again.to_bytes(), bytes);
        }
    }

    #[test]
    fn broken_bytes_are_no_set() {
        assert!(IdSet::from_bytes(&[7; 17]).is_none());
        assert_eq!(IdSet::from_bytes(&[]).map(|set| set.len()), Some(0));
    }
}
