//! What understanding a record needs beside its texts, and what comes of it.

use tidegate_model::{EventTime, Measure, Quality, Reason, parse_rfc3339};

use crate::check::{Fault, shown};
use crate::mapped::Context;
use crate::occupancy::{Load, Occupancy};
use crate::passed::Passed;
use crate::time::TimeReader;

/// A vehicle that was seen at a place.
#[derive(Debug, Clone, Copy)]
pub(super) struct Seen<'s> {
    pub(super) site: &'s str,
    pub(super) at: EventTime,
    pub(super) quality: Quality,
    pub(super) measure: Measure,
    pub(super) coordinate: Option<(f64, f64)>,
    pub(super) id: u128,
    pub(super) load_id: u128,
    /// Persons aboard, where that is known.
    pub(super) load: Option<Load>,
}

/// What a record says.
#[derive(Debug)]
pub(super) enum Outcome<'s> {
    Seen(Vec<Seen<'s>>),
    Passed(Passed),
}

/// Why a record is rejected, and its site where that is known.
#[derive(Debug)]
pub(super) struct Failed {
    pub(super) fault: Fault,
    pub(super) site: Option<String>,
}

impl From<Fault> for Failed {
    fn from(fault: Fault) -> Self {
        Self { fault, site: None }
    }
}

/// An id in the making: parts that cannot run into each other, since no text of XML holds a NUL.
#[derive(Debug, Clone)]
pub(super) struct Key(Vec<u8>);

impl Key {
    pub(super) fn of(kind: &str, parts: &[&str]) -> Self {
        let mut key = Self(b"siri".to_vec());
        key.add(kind);
        for part in parts {
            key.add(part);
        }
        key
    }

    fn add(&mut self, part: &str) {
        self.0.push(0);
        self.0.extend_from_slice(part.as_bytes());
    }
}

/// The feed's rules and the place of the record at hand.
pub(super) struct Reading<'r> {
    /// Reads times without an offset, where the feed's file gives their zone.
    pub(super) local: Option<&'r mut TimeReader>,
    pub(super) occupancy: &'r Occupancy,
    pub(super) context: Context<'r>,
}

impl Reading<'_> {
    /// The instant of `text`, which may be that of an event.
    pub(super) fn time(
        &mut self,
        element: &str,
        text: &str,
    ) -> Result<(EventTime, Quality), Fault> {
        let (at, quality) = match (parse_rfc3339(text), &mut self.local) {
            (Ok(at), _) => (at, Quality::GOOD),
            (Err(error), None) => {
                let detail = format!("{element}: {error}; or set [siri] zone");
                return Err(Fault::new(Reason::BadTime, detail));
            }
            (Err(_), Some(local)) => {
                let interval = local.read(text, None).map_err(|fault| {
                    let fault = Fault::from(fault);
                    Fault::new(fault.reason, format!("{element}: {}", fault.detail))
                })?;
                (interval.start, interval.quality)
            }
        };
        self.context.limits.check_time(at).map_err(|fault| {
            let detail = format!("{element} {}: {}", shown(text), fault.detail);
            Fault::new(fault.reason, detail)
        })?;
        Ok((at, quality))
    }

    /// The event id of `key` with more parts in this feed.
    pub(super) fn id(&self, key: &Key, parts: &[&str]) -> u128 {
        let mut key = key.clone();
        for part in parts {
            key.add(part);
        }
        self.context.ids.produced(&key.0)
    }

    /// How many persons are aboard a vehicle of `line` that is as full as `word` says; `None` where
    /// the word says nothing or the capacity is not known.
    pub(super) fn load(&self, line: Option<&str>, word: Option<&str>) -> Option<Load> {
        let capacity = self.occupancy.capacity(line, None)?;
        self.occupancy.load_by_word(word?, capacity)
    }
}
