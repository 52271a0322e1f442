//! A map that knows which of its entries changed.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Deref;

/// Is read as any other map. Whoever may change an entry has it noted, until the changes are taken.
#[derive(Debug, Clone)]
pub(crate) struct Tracked<K, V> {
    map: BTreeMap<K, V>,
    /// The keys of entries that changed or went. `None` until changes are taken for the first
    /// time: whoever never takes them needs no list of them, and until then all is new.
    changed: Option<BTreeSet<K>>,
}

impl<K, V> Default for Tracked<K, V> {
    fn default() -> Self {
        Self {
            map: BTreeMap::new(),
            changed: None,
        }
    }
}

impl<K, V> Deref for Tracked<K, V> {
    type Target = BTreeMap<K, V>;

    fn deref(&self) -> &BTreeMap<K, V> {
        &self.map
    }
}

impl<K: Ord + Clone, V> Tracked<K, V> {
    /// Notes that something changed that is stored with this entry.
    pub(crate) fn touch(&mut self, key: &K) {
        if let Some(changed) = &mut self.changed
            && !changed.contains(key)
        {
            changed.insert(key.clone());
        }
    }

    /// The entry, to be changed.
    pub(crate) fn get_mut(&mut self, key: &K) -> Option<&mut V> {
        self.touch(key);
        self.map.get_mut(key)
    }

    pub(crate) fn insert(&mut self, key: K, value: V) {
        self.touch(&key);
        self.map.insert(key, value);
    }

    pub(crate) fn remove(&mut self, key: &K) -> Option<V> {
        self.touch(key);
        self.map.remove(key)
    }

    /// The keys of what changed, ascending, those that are gone too; at first all there are.
    pub(crate) fn take_changed(&mut self) -> Vec<K> {
        match self.changed.replace(BTreeSet::new()) {
            Some(changed) => changed.into_iter().collect(),
            None => self.map.keys().cloned().collect(),
        }
    }
}
