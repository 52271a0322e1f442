//! The stored form in parts, each with a key of its own, so that who keeps it writes what changed.
//!
//! A stored format: a key is a letter and what is named, a part is postcard. The whole state as one
//! part, under the empty key, is how it was stored first; it is still read.

use std::collections::BTreeMap;

use jiff::Timestamp;
use serde::Serialize;
use serde::de::DeserializeOwned;

use super::{
    AlertHeld, ChannelHeld, DispatcherState, GroupHeld, ResolvedHeld, VERSION, WHOLE_VERSION,
};
use crate::digest::Hash;
use crate::dispatcher::RestoreError;
use crate::precision::Verdicts;
use crate::silence::Silence;
use crate::totals::Totals;

/// One part of a stored state.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StatePart {
    /// What it is of: a letter, and an id, a name or a number.
    pub key: Vec<u8>,
    /// What is to be stored under the key; `None` where the part is gone.
    pub bytes: Option<Vec<u8>>,
}

/// A stored state: its parts by their keys.
pub type StoredParts = BTreeMap<Vec<u8>, Vec<u8>>;

/// What a part is of.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Part<'a> {
    /// The version, the time and the totals.
    Head,
    Channel(u16),
    Alert(&'a str),
    Group(&'a Hash),
    /// An alert that is over.
    Ended(&'a str),
    Silence(&'a Hash),
    /// The verdicts on a rule.
    Rule(&'a str),
}

impl Part<'_> {
    fn key(self) -> Vec<u8> {
        let number;
        let (letter, name): (u8, &[u8]) = match self {
            Part::Head => (HEAD, b""),
            Part::Channel(lane) => {
                number = lane.to_be_bytes();
                (CHANNEL, &number)
            }
            Part::Alert(id) => (ALERT, id.as_bytes()),
            Part::Group(key) => (GROUP, key),
            Part::Ended(id) => (ENDED, id.as_bytes()),
            Part::Silence(id) => (SILENCE, id),
            Part::Rule(name) => (RULE, name.as_bytes()),
        };
        [&[letter], name].concat()
    }

    /// This part with what is to be stored; `None` where it is gone.
    pub(crate) fn with(self, value: Option<impl Serialize>) -> StatePart {
        let write = |value| postcard::to_stdvec(&value).expect("it is plain data");
        StatePart {
            key: self.key(),
            bytes: value.map(write),
        }
    }
}

const HEAD: u8 = b'h';
const CHANNEL: u8 = b'c';
const ALERT: u8 = b'a';
const GROUP: u8 = b'g';
const ENDED: u8 = b'e';
const SILENCE: u8 = b's';
const RULE: u8 = b'r';

impl DispatcherState {
    /// Puts a stored state together.
    ///
    /// # Errors
    /// [`RestoreError`]: of another version, or it cannot be read.
    pub fn from_parts(parts: &StoredParts) -> Result<Self, RestoreError> {
        if let Some(whole) = parts.get(&[][..]) {
            return from_whole(whole);
        }
        let mut state = Self::empty();
        let mut ended: Vec<(u64, ResolvedHeld)> = Vec::new();
        let mut has_head = false;
        // Ascending by key, so alerts, groups, channels and silences come in their order.
        for (key, bytes) in parts {
            let (letter, name) = key.split_first().ok_or_else(|| broken("no key"))?;
            match *letter {
                HEAD => {
                    has_head = true;
                    (state.now, state.totals) = read_head(bytes)?;
                }
                CHANNEL => state.channels.push(read::<ChannelHeld>(bytes)?),
                ALERT => state.alerts.push(read::<AlertHeld>(bytes)?),
                GROUP => state.groups.push(read::<GroupHeld>(bytes)?),
                ENDED => ended.push(read(bytes)?),
                SILENCE => state.silences.push(read::<(Silence, bool)>(bytes)?),
                RULE => {
                    let rule = std::str::from_utf8(name).map_err(|_| broken("a rule's name"))?;
                    let verdicts = read::<Verdicts>(bytes)?;
                    state.verdicts.insert(rule.to_owned(), verdicts);
                }
                _ => return Err(broken("a part of an unknown kind")),
            }
        }
        if !has_head {
            return Err(broken("it has no head"));
        }
        ended.sort_by_key(|(number, _)| *number);
        state.ended_before = ended.first().map_or(0, |(number, _)| *number);
        state.resolved = ended.into_iter().map(|(_, resolved)| resolved).collect();
        Ok(state)
    }

    fn empty() -> Self {
        Self {
            version: VERSION,
            now: Timestamp::MIN,
            alerts: Vec::new(),
            resolved: Vec::new(),
            groups: Vec::new(),
            channels: Vec::new(),
            silences: Vec::new(),
            verdicts: BTreeMap::new(),
            totals: Totals::default(),
            ended_before: 0,
        }
    }
}

/// What was stored as one part.
fn from_whole(bytes: &[u8]) -> Result<DispatcherState, RestoreError> {
    check_version(bytes, WHOLE_VERSION)?;
    let state: DispatcherState = read(bytes)?;
    Ok(DispatcherState {
        version: VERSION,
        ..state
    })
}

fn read_head(bytes: &[u8]) -> Result<(Timestamp, Totals), RestoreError> {
    check_version(bytes, VERSION)?;
    let (_, now, totals): (u32, Timestamp, Totals) = read(bytes)?;
    Ok((now, totals))
}

/// The version stands first, whatever follows.
fn check_version(bytes: &[u8], expected: u32) -> Result<(), RestoreError> {
    match postcard::take_from_bytes::<u32>(bytes) {
        Ok((found, _)) if found == expected => Ok(()),
        Ok((found, _)) => Err(RestoreError::Version { found, expected }),
        Err(_) => Err(broken("its version cannot be read")),
    }
}

fn read<T: DeserializeOwned>(bytes: &[u8]) -> Result<T, RestoreError> {
    postcard::from_bytes(bytes).map_err(|error| broken(&error.to_string()))
}

fn broken(what: &str) -> RestoreError {
    RestoreError::Broken(what.to_owned())
}
