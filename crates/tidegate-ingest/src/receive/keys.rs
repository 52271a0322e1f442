//! The keys of `Idempotency-Key` that a feed remembers: a bounded number, for a bounded time.

use std::collections::BTreeMap;
use std::time::Duration;

use tidegate_model::Position;
use tokio::sync::watch;
use tokio::time::Instant;

use super::store::Outcome;

/// What becomes of a record, once it is known.
pub(super) type Expected = watch::Receiver<Option<Outcome>>;

/// What a key says about a request.
#[derive(Debug)]
pub(super) enum Claim {
    /// It is new: store the body, tell `Keys` what became of it and the watch's other end too.
    New(watch::Sender<Option<Outcome>>, Expected),
    /// A request with this key is on its way.
    InFlight(Expected),
    /// The body was stored there.
    Done(Position),
    /// The key was used for other bytes.
    Conflict,
}

/// Keys by their text, and by when they were used last.
#[derive(Debug)]
pub(super) struct Keys {
    most: usize,
    kept: Duration,
    entries: BTreeMap<String, Entry>,
    /// Keys of stored records by age; those on their way are not forgotten.
    order: BTreeMap<u64, String>,
    next: u64,
}

#[derive(Debug)]
struct Entry {
    hash: [u8; 32],
    state: State,
}

#[derive(Debug)]
enum State {
    InFlight(Expected),
    Done {
        position: Position,
        since: Instant,
        order: u64,
    },
}

impl Keys {
    pub(super) fn new(most: usize, kept: Duration) -> Self {
        Self {
            most,
            kept,
            entries: BTreeMap::new(),
            order: BTreeMap::new(),
            next: 0,
        }
    }

    /// What is to be done with a body of this hash that came with `key`.
    pub(super) fn claim(&mut self, key: &str, hash: [u8; 32], now: Instant) -> Claim {
        self.forget_old(now);
        if let Some(entry) = self.entries.get_mut(key) {
            if entry.hash != hash {
                return Claim::Conflict;
            }
            return match &mut entry.state {
                State::InFlight(expected) => Claim::InFlight(expected.clone()),
                State::Done {
                    position, order, ..
                } => {
                    // Used again, so forgotten later; its time stays.
                    if let Some(text) = self.order.remove(order) {
                        *order = self.next;
                        self.order.insert(self.next, text);
                        self.next += 1;
                    }
                    Claim::Done(*position)
                }
            };
        }
        let (sender, expected) = watch::channel(None);
        let state = State::InFlight(expected.clone());
        self.entries.insert(key.to_owned(), Entry { hash, state });
        Claim::New(sender, expected)
    }

    /// The record that came with `key` is stored.
    pub(super) fn done(&mut self, key: &str, position: Position, now: Instant) {
        let Some(entry) = self.entries.get_mut(key) else {
            return;
        };
        let order = self.next;
        self.next += 1;
        entry.state = State::Done {
            position,
            since: now,
            order,
        };
        self.order.insert(order, key.to_owned());
        while self.order.len() > self.most {
            if let Some((_, oldest)) = self.order.pop_first() {
                self.entries.remove(&oldest);
            }
        }
    }

    /// The record that came with `key` is not stored as far as is known: a repeat is sent.
    pub(super) fn failed(&mut self, key: &str) {
        if let Some(entry) = self.entries.get(key)
            && matches!(entry.state, State::InFlight(_))
        {
            self.entries.remove(key);
        }
    }

    /// Forgets what is too old. Those that were used again stand behind younger ones, so a key may
    /// stay a little longer than it has to, never beyond the bound on their number.
    fn forget_old(&mut self, now: Instant) {
        while let Some((_, key)) = self.order.first_key_value() {
            let old = self.entries.get(key).is_none_or(|entry| match entry.state {
                State::Done { since, .. } => now.saturating_duration_since(since) >= self.kept,
                State::InFlight(_) => true,
            });
            if !old {
                return;
            }
            if let Some((_, key)) = self.order.pop_first() {
                self.entries.remove(&key);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(offset: i64) -> Position {
        Position {
            partition: 0,
            offset,
            row: 0,
        }
    }

    fn shown(claim: &Claim) -> String {
        match claim {
            Claim::New(..) => "new".to_owned(),
            Claim::InFlight(_) => "in flight".to_owned(),
            Claim::Done(position) => format!("done {}", position.offset),
            Claim::Conflict => "conflict".to_owned(),
        }
    }

    #[test]
    fn keys_are_remembered_in_number_and_time() {
        let start = Instant::now();
        let second = |s: u64| start + Duration::from_secs(s);
        let mut keys = Keys::new(2, Duration::from_secs(10));
        let check = |keys: &mut Keys, key: &str, s: u64, expected: &str| {
            assert_eq!(
                shown(&keys.claim(key, [1; 32], second(s))),
                expected,
                "{key} {s}"
            );
        };
        check(&mut keys, "a", 0, "new");
        check(&mut keys, "a", 1, "in flight");
        assert_eq!(shown(&keys.claim("a", [2; 32], second(1))), "conflict");
        keys.done("a", at(7), second(2));
        check(&mut keys, "a", 3, "done 7");
        assert_eq!(shown(&keys.claim("a", [2; 32], second(3))), "conflict");

        // What failed is as if it had never been.
        check(&mut keys, "b", 3, "new");
        keys.failed("b");
        check(&mut keys, "b", 3, "new");
        keys.done("b", at(8), second(4));

        // The third pushes out the one that was used longest ago.
        check(&mut keys, "a", 5, "done 7");
        check(&mut keys, "c", 5, "new");
        keys.done("c", at(9), second(5));
        check(&mut keys, "a", 5, "done 7");
        check(&mut keys, "b", 5, "new");
        keys.failed("b");

        check(&mut keys, "c", 14, "done 9");
        check(&mut keys, "a", 14, "new");
        keys.failed("a");
        check(&mut keys, "c", 15, "new");
        assert_eq!((keys.entries.len(), keys.order.len()), (1, 0));
    }

    #[test]
    fn a_late_failure_forgets_nothing_that_is_stored() {
        let now = Instant::now();
        let mut keys = Keys::new(2, Duration::from_secs(10));
        keys.claim("a", [1; 32], now);
        keys.done("a", at(1), now);
        keys.failed("a");
        assert_eq!(shown(&keys.claim("a", [1; 32], now)), "done 1");
    }
}
