//! What is known of the persons inside one venue: a value that steps with the windows, and that a
//! replay of the same windows gives again.

use tidegate_model::EventTime;
use tidegate_risk::method::{
    OCCUPANCY_BLEND, OCCUPANCY_CONSERVATION, OCCUPANCY_DWELL, OCCUPANCY_GAIN,
};
use tidegate_risk::occupancy::{
    Blend, BlendError, CaptureProbability, CorrectedOccupancy, CorrectionKind, DayType,
    EntriesOccupancy, Gain, GainHistory, JournalEntry, ObservationSource, ServiceDay,
};

use super::spec::Observed;

/// What a window that has closed says of one venue.
#[derive(Debug, Clone)]
pub(super) struct Seen<'a> {
    pub(super) start: EventTime,
    pub(super) end: EventTime,
    /// When, since the window before it began, the venue was known to be empty.
    pub(super) empty: Option<EventTime>,
    /// Whether with that a service day begins, and of which type.
    pub(super) begins: Option<DayType>,
    /// Persons in and out; nothing where no gate was heard.
    pub(super) flow: Option<(i64, i64)>,
    /// Whether enough of the feeds that count here was heard.
    pub(super) is_heard: bool,
    /// What else says how many are inside at its end.
    pub(super) observed: Vec<(ObservationSource, &'a Observed)>,
}

/// A correction that a step made, for the journal.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Correction {
    pub(super) entry: JournalEntry<EventTime>,
    /// Of an observation: the difference in its standard deviations.
    pub(super) surprise: Option<f64>,
    pub(super) method: &'static str,
}

/// What the persons are computed from.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Estimate {
    /// From the counts alone.
    Counts(CorrectedOccupancy),
    /// From the counts and, since the first one came, from observations.
    Blend(Blend),
    /// From the entries, and what an observation made of them at the end of the last window.
    Entries(EntriesOccupancy, Option<Blend>),
}

/// The counts of a service day that has begun.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct OpenDay {
    /// Start of its first window.
    pub(super) start: EventTime,
    pub(super) day_type: DayType,
    pub(super) arrivals: i64,
    pub(super) departures: i64,
    /// Windows whose counts are in the sums and rest on enough of the feeds.
    pub(super) heard: u32,
}

/// See the module documentation.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Inside {
    pub(super) capture: CaptureProbability,
    pub(super) estimate: Estimate,
    /// The past service days, where the counts are corrected by them.
    pub(super) history: Option<GainHistory>,
    pub(super) day: Option<OpenDay>,
    /// The gain since the last reset, and on how many days it rests.
    pub(super) gain: (Gain, u32),
    /// Windows since the last reset in which a clamp added persons.
    pub(super) clamps: u32,
}

impl Inside {
    /// A venue that is known to be empty.
    pub(super) fn empty(capture: CaptureProbability, history: Option<GainHistory>) -> Self {
        let untaught = |history: &GainHistory| history.fit(DayType::Working).gain;
        let gain = history.as_ref().map_or(Gain::ONE, untaught);
        Self {
            capture,
            estimate: Estimate::Counts(CorrectedOccupancy::empty(capture, gain)),
            history,
            day: None,
            gain: (gain, 0),
            clamps: 0,
        }
    }

    /// A venue that is known to be empty and of which entries only are counted.
    pub(super) fn of_entries(capture: CaptureProbability, entries: EntriesOccupancy) -> Self {
        Self {
            estimate: Estimate::Entries(entries, None),
            ..Self::empty(capture, None)
        }
    }

    /// Takes one window; gives the corrections in the order in which they were made.
    pub(super) fn step(&mut self, seen: &Seen<'_>) -> Vec<Correction> {
        let mut made = Vec::new();
        if let Some(at) = seen.empty {
            let entry = self.reset(at, seen);
            made.push(self.correction(entry));
        }
        self.take_counts(seen, &mut made);
        for (source, observed) in &seen.observed {
            self.observe(seen.end, *source, **observed, &mut made);
        }
        made
    }

    fn reset(&mut self, at: EventTime, seen: &Seen<'_>) -> JournalEntry<EventTime> {
        if let Some(day_type) = seen.begins {
            self.end_day(seen);
            self.begin_day(day_type, seen.start);
        }
        self.clamps = 0;
        match &mut self.estimate {
            Estimate::Counts(counts) => counts.reset_known_empty(self.gain.0).at(at),
            Estimate::Blend(blend) => blend.reset_known_empty().at(at),
            Estimate::Entries(entries, blend) => {
                *blend = None;
                entries.close().at(at)
            }
        }
    }

    /// Puts the day that is over into the history, if every window of it was heard.
    fn end_day(&mut self, seen: &Seen<'_>) {
        let (Some(history), Some(day)) = (&mut self.history, self.day.take()) else {
            return;
        };
        let size = seen.end.since(seen.start).as_micros().max(1);
        let windows = seen.start.since(day.start).as_micros() / size;
        let taken = history.take(ServiceDay {
            day_type: day.day_type,
            arrivals: day.arrivals,
            departures: day.departures,
            windows: u32::try_from(windows).unwrap_or(u32::MAX),
            heard: day.heard,
        });
        // Only a stored state that no steps leave behind has a day that cannot be.
        taken.ok();
    }

    fn begin_day(&mut self, day_type: DayType, start: EventTime) {
        let Some(history) = &self.history else {
            return;
        };
        self.day = Some(OpenDay {
            start,
            day_type,
            arrivals: 0,
            departures: 0,
            heard: 0,
        });
        let fit = history.fit(day_type);
        self.gain = (fit.gain, u32::try_from(fit.days).unwrap_or(u32::MAX));
    }

    fn take_counts(&mut self, seen: &Seen<'_>, made: &mut Vec<Correction>) {
        let before = made.len();
        let (arrivals, departures) = seen.flow.unwrap_or_default();
        let taken: Option<Vec<_>> = match &mut self.estimate {
            Estimate::Counts(counts) => {
                let step = counts.step(arrivals, departures).ok();
                step.map(|step| step.corrections().map(|c| c.at(seen.end)).collect())
            }
            Estimate::Blend(blend) => {
                let step = blend.step(arrivals, departures, self.gain.0).ok();
                step.map(|made| made.into_iter().map(|c| c.at(seen.end)).collect())
            }
            Estimate::Entries(entries, blend) => {
                *blend = None;
                step_entries(entries, seen).then(Vec::new)
            }
        };
        self.count_day(seen, taken.is_some());
        match taken {
            Some(entries) => made.extend(entries.into_iter().map(|entry| self.correction(entry))),
            None => made.push(self.refused(seen.end)),
        }
        let is_clamp = |made: &Correction| made.entry.kind == CorrectionKind::ClampedAtZero;
        if made[before..].iter().any(is_clamp) {
            self.clamps = self.clamps.saturating_add(1);
        }
    }

    /// Adds the window to the day's counts. Where it does not count, the day has one heard too few.
    fn count_day(&mut self, seen: &Seen<'_>, is_taken: bool) {
        let Some(day) = self.day.as_mut().filter(|_| is_taken && seen.is_heard) else {
            return;
        };
        let (arrivals, departures) = seen.flow.unwrap_or_default();
        let sums = day.arrivals.checked_add(arrivals);
        if let Some(sums) = sums.zip(day.departures.checked_add(departures)) {
            (day.arrivals, day.departures) = sums;
            day.heard = day.heard.saturating_add(1);
        }
    }

    fn observe(
        &mut self,
        at: EventTime,
        source: ObservationSource,
        observed: Observed,
        made: &mut Vec<Correction>,
    ) {
        let (Ok(prior), Some(observation)) = (self.blend(), observed.by(source)) else {
            made.push(self.refused(at));
            return;
        };
        let update = prior.map(|mut blend| (blend.observe(observation), blend));
        let after = update.map_or_else(
            || Blend::observed(self.capture, observation),
            |(_, blend)| blend,
        );
        match &mut self.estimate {
            Estimate::Entries(_, blend) => *blend = Some(after),
            estimate => *estimate = Estimate::Blend(after),
        }
        if let Some((update, _)) = update {
            made.push(Correction {
                surprise: Some(update.surprise),
                ..self.correction(update.correction.at(at))
            });
        }
    }

    /// What is known so far, for an observation to be added to; nothing where it is all that is.
    fn blend(&self) -> Result<Option<Blend>, BlendError> {
        match &self.estimate {
            Estimate::Counts(counts) => Blend::from_counts(self.capture, counts).map(Some),
            Estimate::Blend(blend) | Estimate::Entries(_, Some(blend)) => Ok(Some(*blend)),
            Estimate::Entries(entries, None) => match entries.presence() {
                Ok(presence) => Blend::from_presence(self.capture, &presence).map(Some),
                Err(_) => Ok(None),
            },
        }
    }

    fn correction(&self, entry: JournalEntry<EventTime>) -> Correction {
        Correction {
            entry,
            surprise: None,
            method: self.method(),
        }
    }

    /// Input that was left out.
    fn refused(&self, at: EventTime) -> Correction {
        let persons = self.persons().unwrap_or(0.0);
        self.correction(JournalEntry {
            at,
            kind: CorrectionKind::Refused,
            before: persons,
            after: persons,
        })
    }

    /// Persons inside, 0 or more; `None` where nothing was heard from which they would follow.
    pub(super) fn persons(&self) -> Option<f64> {
        match &self.estimate {
            Estimate::Counts(counts) => Some(whole(counts.persons())),
            Estimate::Blend(blend) | Estimate::Entries(_, Some(blend)) => Some(blend.persons()),
            Estimate::Entries(entries, None) => entries.presence().ok().map(|p| p.persons),
        }
    }

    /// The 95 % interval of the persons; `None` without them.
    pub(super) fn interval95(&self) -> Option<(f64, f64)> {
        match &self.estimate {
            Estimate::Counts(counts) => Some(counts.interval95()),
            Estimate::Blend(blend) | Estimate::Entries(_, Some(blend)) => Some(blend.interval95()),
            Estimate::Entries(entries, None) => entries.presence().ok().map(|p| (p.lo, p.hi)),
        }
    }

    /// The share of what the persons rest on that was heard, where the method knows it.
    pub(super) fn coverage(&self) -> Option<f64> {
        match &self.estimate {
            Estimate::Entries(entries, None) => {
                Some(entries.presence().map_or(0.0, |presence| presence.coverage))
            }
            Estimate::Counts(_) | Estimate::Blend(_) | Estimate::Entries(..) => None,
        }
    }

    /// The gain that one side of the counts has; `None` without one or without days behind it.
    pub(super) fn gain(&self) -> Option<f64> {
        let (gain, days) = self.gain;
        (days > 0).then(|| gain.get())
    }

    /// The method of the persons.
    pub(super) fn method(&self) -> &'static str {
        match &self.estimate {
            Estimate::Counts(_) if self.gain.1 > 0 => OCCUPANCY_GAIN,
            Estimate::Counts(_) => OCCUPANCY_CONSERVATION,
            Estimate::Blend(_) | Estimate::Entries(_, Some(_)) => OCCUPANCY_BLEND,
            Estimate::Entries(_, None) => OCCUPANCY_DWELL,
        }
    }
}

/// Takes one window's entries, if they are a count; else time passes without them.
fn step_entries(entries: &mut EntriesOccupancy, seen: &Seen<'_>) -> bool {
    let nobody = seen.is_heard.then_some(0);
    let arrivals = seen.flow.map(|flow| flow.0).or(nobody);
    let is_taken = entries.step(arrivals).is_ok();
    if !is_taken {
        entries.step(None).expect("nothing heard is no wrong count");
    }
    is_taken
}

#[expect(clippy::cast_precision_loss, reason = "exact below 2^53 persons")]
fn whole(persons: i64) -> f64 {
    persons as f64
}
