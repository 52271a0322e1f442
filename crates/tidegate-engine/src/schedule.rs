//! When windows fire: in order of their end, once each, empty ones between full ones.

use std::collections::{BTreeMap, BTreeSet};

use tidegate_model::{EventTime, Span};

use crate::{Firing, WindowSpec};

/// After so much event time without data, empty windows stop firing until data comes again.
/// A month's gap in a recording then costs a day of empty windows, not a month of them.
const EMPTY_MAX: Span = Span::hours(24);

/// The firing times of one window query.
#[derive(Debug)]
struct Track {
    spec: WindowSpec,
    /// Ends of windows with on-time data that have not fired.
    pending: BTreeSet<EventTime>,
    last: Option<EventTime>,
    last_full: Option<EventTime>,
}

impl Track {
    /// The end of the next window to fire, as far as it is known.
    fn next(&self) -> Option<EventTime> {
        let pending = self.pending.first().copied();
        let (Some(last), Some(last_full)) = (self.last, self.last_full) else {
            return pending;
        };
        let following = last.plus(self.spec.slide());
        if following.since(last_full) <= EMPTY_MAX {
            return Some(following);
        }
        pending
    }
}

/// The firing times of all window queries.
#[derive(Debug)]
pub(crate) struct Schedule {
    tracks: Vec<Track>,
    /// Windows with late data: when their revision is due -> (window end, query).
    revisions: BTreeMap<EventTime, BTreeSet<(EventTime, usize)>>,
    allowed_lateness: Span,
    /// The last data anywhere: nothing fires beyond it.
    horizon: Option<EventTime>,
}

impl Schedule {
    pub(crate) fn new(specs: &[WindowSpec], allowed_lateness: Span) -> Self {
        let track = |spec: &WindowSpec| Track {
            spec: spec.clone(),
            pending: BTreeSet::new(),
            last: None,
            last_full: None,
        };
        Self {
            tracks: specs.iter().map(track).collect(),
            revisions: BTreeMap::new(),
            allowed_lateness,
            horizon: None,
        }
    }

    /// Notes on-time data in the window of query `window` that ends at `end`.
    pub(crate) fn note(&mut self, window: usize, end: EventTime) {
        self.horizon = self.horizon.max(Some(end));
        self.tracks[window].pending.insert(end);
    }

    /// Notes late data in the window of query `window` that ends at `end`.
    pub(crate) fn note_late(&mut self, window: usize, end: EventTime) {
        let due = end.plus(self.allowed_lateness);
        self.revisions.entry(due).or_default().insert((end, window));
    }

    /// The next firing at or before `watermark`, in order of event time; final firings come
    /// before revisions of the same instant.
    pub(crate) fn pop(&mut self, watermark: EventTime) -> Option<Firing> {
        let horizon = self.horizon.unwrap_or(EventTime::MIN);
        let next = self
            .tracks
            .iter()
            .filter_map(Track::next)
            .filter(|end| *end <= horizon)
            .min();
        let revision = self.revisions.first_key_value().map(|(due, _)| *due);
        match (next, revision) {
            (Some(end), due) if end <= watermark && due.is_none_or(|due| end <= due) => {
                Some(self.fire(end))
            }
            (_, Some(due)) if due <= watermark => self.revise(due),
            _ => None,
        }
    }

    fn fire(&mut self, end: EventTime) -> Firing {
        let mut windows = Vec::new();
        for (window, track) in self.tracks.iter_mut().enumerate() {
            if track.next() == Some(end) {
                if track.pending.remove(&end) {
                    track.last_full = Some(end);
                }
                track.last = Some(end);
                windows.push(window);
            }
        }
        Firing {
            end,
            windows,
            revision: 0,
        }
    }

    fn revise(&mut self, due: EventTime) -> Option<Firing> {
        let mut entry = self.revisions.first_entry()?;
        let (end, _) = *entry.get().first()?;
        let windows: Vec<usize> = entry
            .get()
            .iter()
            .filter(|(e, _)| *e == end)
            .map(|(_, window)| *window)
            .collect();
        entry.get_mut().retain(|(e, _)| *e != end);
        if entry.get().is_empty() {
            self.revisions.remove(&due);
        }
        Some(Firing {
            end,
            windows,
            revision: 1,
        })
    }
}
