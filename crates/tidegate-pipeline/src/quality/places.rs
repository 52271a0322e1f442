//! The places that a feed has records of, by number.

use std::borrow::Borrow;
use std::hash::Hash;

use rustc_hash::FxHashMap;
use tidegate_model::EventTime;

/// Places in the order in which they were first read, each with the end of the earliest window in
/// which it has a record.
///
/// A window knows the places of its time only, so that it does not matter what was read before it
/// closed.
#[derive(Debug)]
pub(super) struct Places<K> {
    keys: Vec<K>,
    since: Vec<EventTime>,
    /// Only looked up, never walked: its order reaches no output.
    numbers: FxHashMap<K, usize>,
    max: usize,
}

impl<K: Eq + Hash + Clone> Places<K> {
    /// None yet, and never more than `max`.
    pub(super) fn new(max: usize) -> Self {
        Self {
            keys: Vec::new(),
            since: Vec::new(),
            numbers: FxHashMap::default(),
            max,
        }
    }

    /// Notes a record at `key` in the window that ends at `window`; its number, where there is room.
    pub(super) fn note<Q>(&mut self, key: &Q, window: EventTime) -> Option<usize>
    where
        K: Borrow<Q>,
        Q: ToOwned<Owned = K> + Eq + Hash + ?Sized,
    {
        if let Some(number) = self.numbers.get(key).copied() {
            self.since[number] = self.since[number].min(window);
            return Some(number);
        }
        let number = self.keys.len();
        if number == self.max {
            return None;
        }
        self.keys.push(key.to_owned());
        self.since.push(window);
        self.numbers.insert(key.to_owned(), number);
        Some(number)
    }

    /// Whether there was a record at `key` in a window that ends at or before `end`.
    pub(super) fn is_known<Q>(&self, key: &Q, end: EventTime) -> bool
    where
        K: Borrow<Q>,
        Q: Eq + Hash + ?Sized,
    {
        let number = self.numbers.get(key);
        number.is_some_and(|number| self.since[*number] <= end)
    }

    /// All of them, by number.
    pub(super) fn keys(&self) -> &[K] {
        &self.keys
    }

    /// The stored form: each with its window, microseconds, by number.
    pub(super) fn state(&self) -> Vec<(K, i64)> {
        let since = self.since.iter().map(|since| since.micros());
        self.keys.iter().cloned().zip(since).collect()
    }

    /// Goes on where `state` was taken; `None` when it names a place twice, or too many.
    pub(super) fn restore(&mut self, state: Vec<(K, i64)>) -> Option<()> {
        *self = Self::new(self.max);
        if state.len() > self.max {
            return None;
        }
        for (number, (key, since)) in state.into_iter().enumerate() {
            self.keys.push(key.clone());
            self.since.push(EventTime::from_micros(since));
            if self.numbers.insert(key, number).is_some() {
                return None;
            }
        }
        Some(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(micros: i64) -> EventTime {
        EventTime::from_micros(micros)
    }

    #[test]
    fn a_place_is_known_from_its_first_window_on() {
        let mut places: Places<String> = Places::new(2);
        assert_eq!(places.note("a", at(20)), Some(0));
        assert_eq!(places.note("b", at(30)), Some(1));
        assert_eq!(places.note("a", at(10)), Some(0));
        assert_eq!(places.note("c", at(10)), None, "there is no room");
        assert!(!places.is_known("a", at(9)) && places.is_known("a", at(10)));
        assert!(!places.is_known("b", at(20)) && !places.is_known("c", at(90)));
        let mut restored: Places<String> = Places::new(2);
        assert_eq!(restored.restore(places.state()), Some(()));
        assert_eq!(restored.state(), places.state());
        assert!(restored.is_known("a", at(10)));
        let twice = vec![("a".to_owned(), 1), ("a".to_owned(), 2)];
        assert_eq!(restored.restore(twice), None);
    }
}
