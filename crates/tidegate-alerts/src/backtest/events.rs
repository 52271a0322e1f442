//! Alerts against what is known to have happened.

use tidegate_model::{EventTime, Span};

use super::episode::Episode;

/// Something that happened, by whoever labelled it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LabelledEvent {
    /// Where; `None` is anywhere.
    pub subject: Option<String>,
    /// When it began.
    pub starts_at: EventTime,
    /// When it was over; not before its start.
    pub ends_at: EventTime,
    /// What it was.
    pub label: String,
}

/// What became of an event.
#[derive(Debug, Clone, PartialEq)]
pub enum Outcome {
    /// An alert was raised in time; lead is from the raise to the event's start, negative where the
    /// alert came after it.
    Found {
        /// The alert that was raised first.
        episode: String,
        /// `starts_at` − raise.
        lead: Span,
    },
    /// No alert was raised, but one that was raised too early to count was still open.
    AlreadyOpen,
    /// Nothing.
    Missed,
}

/// An event and what became of it.
#[derive(Debug, Clone, PartialEq)]
pub struct EventOutcome {
    /// Which: its place in the list given.
    pub event: usize,
    /// What became of it.
    pub outcome: Outcome,
}

/// A share with its 95 % interval.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Share {
    /// How many were.
    pub hits: u64,
    /// Of how many.
    pub of: u64,
    /// The interval's lower end, 0 to 1.
    pub low: f64,
    /// The interval's upper end, 0 to 1.
    pub high: f64,
}

impl Share {
    /// Wilson's score interval at 95 % (Wilson 1927, J. Am. Stat. Assoc. 22:209), which keeps
    /// within 0 and 1 and says something of few: of none it is 0 to 1.
    #[expect(clippy::cast_precision_loss, reason = "counts, far below 2⁵³")]
    pub fn wilson(hits: u64, of: u64) -> Self {
        const Z: f64 = 1.959_963_984_540_054;
        if of == 0 {
            let (low, high) = (0.0, 1.0);
            return Self {
                hits,
                of,
                low,
                high,
            };
        }
        let n = of as f64;
        let share = hits as f64 / n;
        let middle = share + Z * Z / (2.0 * n);
        let spread = Z * (share * (1.0 - share) / n + Z * Z / (4.0 * n * n)).sqrt();
        let scale = 1.0 + Z * Z / n;
        Self {
            hits,
            of,
            low: ((middle - spread) / scale).max(0.0),
            high: ((middle + spread) / scale).min(1.0),
        }
    }

    /// Hits over all, if there are any.
    pub fn share(&self) -> Option<f64> {
        (self.of > 0).then(|| super::coverage::share(self.hits, self.of))
    }
}

/// How well the alerts of a rule tell events.
#[derive(Debug, Clone, PartialEq)]
pub struct Score {
    /// Every event that counts, in the order given.
    pub events: Vec<EventOutcome>,
    /// Events that were found.
    pub recall: Share,
    /// Alerts that belong to an event.
    pub precision: Share,
    /// Events during which an alert was open that had been raised too early to count.
    pub already_open: u64,
    /// Median lead time of the events found; of an even number the lower one.
    pub median_lead: Option<Span>,
    /// Events found before they began.
    pub in_time: u64,
}

/// Compares `episodes`, all of one rule, with the `events` for which `counts` holds.
///
/// An event is found where an alert on its subject is raised from `tolerance` before its start to
/// its end, both included. An alert belongs to an event under the same condition.
pub fn score(
    episodes: &[Episode],
    events: &[LabelledEvent],
    tolerance: Span,
    counts: impl Fn(&LabelledEvent) -> bool,
) -> Score {
    let is_about = |event: &LabelledEvent, episode: &Episode| {
        let subject = event.subject.as_deref();
        subject.is_none_or(|subject| subject == episode.subject)
    };
    let opens = |event: &LabelledEvent| event.starts_at.minus(tolerance);
    let belongs = |event: &LabelledEvent, episode: &Episode| {
        is_about(event, episode)
            && opens(event) <= episode.raised
            && episode.raised <= event.ends_at
    };
    let counted: Vec<(usize, &LabelledEvent)> = events
        .iter()
        .enumerate()
        .filter(|(_, event)| counts(event))
        .collect();
    let outcomes = counted.iter().map(|(index, event)| {
        let found = episodes.iter().filter(|one| belongs(event, one));
        let outcome = match found.min_by_key(|episode| episode.raised) {
            Some(first) => Outcome::Found {
                episode: first.id.clone(),
                lead: event.starts_at.since(first.raised),
            },
            None if episodes.iter().any(|one| {
                is_about(event, one) && one.raised < opens(event) && one.end() > opens(event)
            }) =>
            {
                Outcome::AlreadyOpen
            }
            None => Outcome::Missed,
        };
        EventOutcome {
            event: *index,
            outcome,
        }
    });
    let outcomes: Vec<EventOutcome> = outcomes.collect();
    let mut leads: Vec<i64> = outcomes
        .iter()
        .filter_map(|one| match one.outcome {
            Outcome::Found { lead, .. } => Some(lead.as_micros()),
            Outcome::AlreadyOpen | Outcome::Missed => None,
        })
        .collect();
    leads.sort_unstable();
    let true_alerts = episodes
        .iter()
        .filter(|episode| counted.iter().any(|(_, event)| belongs(event, episode)));
    let already_open = outcomes
        .iter()
        .filter(|one| one.outcome == Outcome::AlreadyOpen);
    Score {
        recall: Share::wilson(leads.len() as u64, counted.len() as u64),
        precision: Share::wilson(true_alerts.count() as u64, episodes.len() as u64),
        already_open: already_open.count() as u64,
        median_lead: leads
            .get(leads.len().saturating_sub(1) / 2)
            .copied()
            .map(Span::micros),
        in_time: leads.iter().filter(|lead| **lead > 0).count() as u64,
        events: outcomes,
    }
}
