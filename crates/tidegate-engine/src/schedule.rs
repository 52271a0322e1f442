//! When windows fire: in order of their end, once each, empty ones between full ones.

use std::collections::{BTreeMap, BTreeSet};

use tidegate_model::{EventTime, Span};

use crate::state::{RestoreError, ScheduleState, TrackState, event_time};
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
    /// End of the last window that fired.
    last: Option<EventTime>,
    /// End of the last one that fired with data.
    last_full: Option<EventTime>,
}

impl Track {
    fn new(spec: &WindowSpec) -> Self {
        Self {
            spec: spec.clone(),
            pending: BTreeSet::new(),
            last: None,
            last_full: None,
        }
    }

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

    fn state(&self) -> TrackState {
        TrackState {
            name: self.spec.name().to_owned(),
            size_us: self.spec.size().as_micros(),
            slide_us: self.spec.slide().as_micros(),
            offset_us: self.spec.offset().as_micros(),
            pending_us: self.pending.iter().map(|end| end.micros()).collect(),
            last_us: self.last.map(EventTime::micros),
            last_full_us: self.last_full.map(EventTime::micros),
        }
    }

    /// The track of `spec` that [`Self::state`] gave.
    fn restore(spec: &WindowSpec, state: TrackState) -> Result<Self, RestoreError> {
        let track = Self {
            spec: spec.clone(),
            pending: state
                .pending_us
                .into_iter()
                .map(EventTime::from_micros)
                .collect(),
            last: event_time(state.last_us),
            last_full: event_time(state.last_full_us),
        };
        let ends = track
            .pending
            .iter()
            .chain(&track.last)
            .chain(&track.last_full);
        if let Some(end) = ends.copied().find(|end| !spec.is_end(*end)) {
            let what = format!("no window of {:?} ends at {end}", spec.name());
            return Err(RestoreError::Inconsistent(what));
        }
        let (last, pending) = (track.last, track.pending.first().copied());
        if pending.is_some_and(|pending| Some(pending) <= last)
            || track.last_full > last
            || track.last_full.is_some() != last.is_some()
        {
            let text =
                |end: Option<EventTime>| end.map_or("never".to_owned(), |end| end.to_string());
            let what = format!(
                "{:?} fired last at {}, full at {}, and next at {}",
                spec.name(),
                text(last),
                text(track.last_full),
                text(pending)
            );
            return Err(RestoreError::Inconsistent(what));
        }
        Ok(track)
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
        Self {
            tracks: specs.iter().map(Track::new).collect(),
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

    /// The schedule as a checkpoint keeps it.
    pub(crate) fn state(&self) -> ScheduleState {
        let mut revisions = Vec::new();
        for (end, window) in self.revisions.values().flatten() {
            let window = u32::try_from(*window).expect("a configuration has few windows");
            revisions.push((end.micros(), window));
        }
        ScheduleState {
            horizon_us: self.horizon.map(EventTime::micros),
            tracks: self.tracks.iter().map(Track::state).collect(),
            revisions,
        }
    }

    /// The schedule that [`Self::state`] gave for the same `specs` and `allowed_lateness`.
    pub(crate) fn restore(
        specs: &[WindowSpec],
        allowed_lateness: Span,
        state: ScheduleState,
    ) -> Result<Self, RestoreError> {
        let mut schedule = Self::new(specs, allowed_lateness);
        schedule.horizon = event_time(state.horizon_us);
        schedule.tracks = specs
            .iter()
            .zip(state.tracks)
            .map(|(spec, track)| Track::restore(spec, track))
            .collect::<Result<_, _>>()?;
        for (end, window) in state.revisions {
            let window = usize::try_from(window).unwrap_or(usize::MAX);
            let end = EventTime::from_micros(end);
            if !specs.get(window).is_some_and(|spec| spec.is_end(end)) {
                let what = format!("no window of query {window} ends at {end}");
                return Err(RestoreError::Inconsistent(what));
            }
            schedule.note_late(window, end);
        }
        Ok(schedule)
    }
}
