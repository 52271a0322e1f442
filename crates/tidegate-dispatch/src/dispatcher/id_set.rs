//! A set of alerts' ids. Most groups have one alert, and a tree's node for one takes 200 bytes.

use std::collections::BTreeSet;
use std::collections::btree_set;

use super::held::Id;

/// Ids in ascending order.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) enum IdSet {
    #[default]
    Empty,
    One(Id),
    /// Any number of them.
    Many(BTreeSet<Id>),
}

/// Walks an [`IdSet`].
#[derive(Debug)]
pub(super) enum Iter<'a> {
    Few(std::option::IntoIter<&'a Id>),
    Many(btree_set::Iter<'a, Id>),
}

impl<'a> Iterator for Iter<'a> {
    type Item = &'a Id;

    fn next(&mut self) -> Option<&'a Id> {
        match self {
            Self::Few(ids) => ids.next(),
            Self::Many(ids) => ids.next(),
        }
    }
}

impl IdSet {
    pub(super) fn insert(&mut self, id: Id) {
        match std::mem::take(self) {
            Self::Empty => *self = Self::One(id),
            Self::One(one) => *self = Self::Many(BTreeSet::from([one, id])),
            Self::Many(mut ids) => {
                ids.insert(id);
                *self = Self::Many(ids);
            }
        }
    }

    /// Takes the id out; whether it was there.
    pub(super) fn remove(&mut self, id: &Id) -> bool {
        match self {
            Self::Empty => false,
            Self::One(one) => {
                let is_it = one == id;
                if is_it {
                    *self = Self::Empty;
                }
                is_it
            }
            Self::Many(ids) => {
                let was_there = ids.remove(id);
                if ids.is_empty() {
                    *self = Self::Empty;
                }
                was_there
            }
        }
    }

    pub(super) fn contains(&self, id: &Id) -> bool {
        match self {
            Self::Empty => false,
            Self::One(one) => one == id,
            Self::Many(ids) => ids.contains(id),
        }
    }

    pub(super) fn iter(&self) -> Iter<'_> {
        match self {
            Self::Empty => Iter::Few(None.into_iter()),
            Self::One(id) => Iter::Few(Some(id).into_iter()),
            Self::Many(ids) => Iter::Many(ids.iter()),
        }
    }

    pub(super) fn first(&self) -> Option<&Id> {
        self.iter().next()
    }

    pub(super) fn len(&self) -> usize {
        match self {
            Self::Empty => 0,
            Self::One(_) => 1,
            Self::Many(ids) => ids.len(),
        }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.len() == 0
    }
}
