//! Whether a feed's silence, or its few records, mean that something is missing.

use tidegate_model::{EventTime, Span};

/// Below this share of the expected input a value is stale.
pub(crate) const STALE_BELOW: f64 = 0.5;

/// What a window says of a feed.
#[derive(Debug, Clone, Copy, PartialEq, Default, serde::Serialize, serde::Deserialize)]
pub(crate) struct Verdict {
    /// Records that this hour of the week usually has in a window.
    pub(crate) expected: Option<f64>,
    /// The records against that.
    pub(crate) completeness: Option<f64>,
    /// The share of the expected input that is there, 0 to 1; `None` for a feed that was
    /// never heard.
    pub(crate) coverage: Option<f64>,
    /// Seconds from the newest event to the window's end.
    pub(crate) silent_for_s: Option<f64>,
}

impl Verdict {
    pub(crate) fn is_stale(&self) -> bool {
        self.coverage.is_some_and(|coverage| coverage < STALE_BELOW)
    }
}

/// When silence is silence.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Patience {
    /// The feed's file says so: any shorter pause is as it should be.
    Set(Span),
    /// At the latest after this time; earlier where it was not so before.
    Usual(Span),
}

impl Patience {
    pub(super) fn span(self) -> Span {
        match self {
            Self::Set(span) | Self::Usual(span) => span,
        }
    }
}

/// A window's records on time, against those of the same hour in earlier weeks.
#[derive(Debug, Clone, Copy)]
pub(super) struct Count {
    pub(super) end: EventTime,
    pub(super) records: u64,
    pub(super) expected: Option<f64>,
}

/// A feed's silence from window to window.
///
/// Stored in snapshots: the fields are a promise.
#[derive(Debug, Clone, PartialEq, Default, serde::Serialize, serde::Deserialize)]
#[serde(from = "SilenceState", into = "SilenceState")]
pub(super) struct Silence {
    /// The end of the newest event in a window that closed.
    pub(super) heard: Option<EventTime>,
    /// The longest interval that a record counted.
    pub(super) longest: Span,
    /// For how long nothing had come when the last window closed.
    pause: Span,
    /// The longest pause after which it was heard again before it counted as silent.
    pause_max: Span,
    /// The mean records of the last windows, and of how many.
    recent: (f64, u32),
    /// Records that were expected since it was heard, in vain.
    missed: f64,
    pub(super) last: Verdict,
    /// Somebody was told of it.
    pub(super) is_told: bool,
}

/// Windows whose mean is what is expected where no earlier week is known, and the fewest of them.
const RECENT_WINDOWS: u32 = 6;
const RECENT_WINDOWS_MIN: u32 = 2;

impl Silence {
    /// Judges a window, the newest event of which ended at `heard`.
    ///
    /// Counts vary by chance, so that a few records of a few expected are no gap: less than expected
    /// is one where it contradicts what is expected.
    pub(super) fn judge(
        &mut self,
        count: Count,
        heard: Option<EventTime>,
        patience: Patience,
    ) -> Verdict {
        self.heard = self.heard.max(heard);
        let silent_for = self
            .heard
            .map(|heard| count.end.since(heard).max(Span::ZERO));
        #[expect(
            clippy::cast_precision_loss,
            reason = "records of a window are far below 2^52"
        )]
        let records = count.records as f64;
        let coverage = silent_for.map(|silent_for| {
            if count.records == 0 {
                self.coverage_of_silence(silent_for, count.expected, patience)
            } else {
                self.end_pause(patience);
                count
                    .expected
                    .map_or(1.0, |expected| coverage(records, expected))
            }
        });
        let completeness = count.expected.filter(|expected| *expected > 0.0);
        self.last = Verdict {
            expected: count.expected,
            completeness: completeness.map(|expected| records / expected),
            coverage,
            silent_for_s: silent_for.map(Span::as_seconds_f64),
        };
        if self.heard.is_some() && !self.last.is_stale() {
            let (mean, windows) = self.recent;
            let windows = (windows + 1).min(RECENT_WINDOWS);
            self.recent = (mean + (records - mean) / f64::from(windows), windows);
        }
        self.last
    }

    /// Nothing came in this window.
    fn coverage_of_silence(
        &mut self,
        silent_for: Span,
        expected: Option<f64>,
        patience: Patience,
    ) -> f64 {
        self.pause = silent_for;
        let (mean, windows) = self.recent;
        let recent = (windows >= RECENT_WINDOWS_MIN).then_some(mean);
        self.missed += expected.or(recent).unwrap_or(0.0);
        let is_long = silent_for >= patience.span();
        let is_unusual = match patience {
            Patience::Set(_) => is_long,
            Patience::Usual(_) => is_long || silent_for > self.pause_max,
        };
        let is_missed = coverage(0.0, self.missed) < 1.0;
        // Where an hour is not known, a long silence is a gap even of a feed that says little.
        let is_gap = is_unusual && (is_missed || is_long && expected.is_none());
        if is_gap { 0.0 } else { 1.0 }
    }

    fn end_pause(&mut self, patience: Patience) {
        self.missed = 0.0;
        let pause = std::mem::replace(&mut self.pause, Span::ZERO);
        if pause < patience.span() {
            self.pause_max = self.pause_max.max(pause);
        }
    }
}

/// The share that `records` are of those expected, where so few are no chance; else all.
fn coverage(records: f64, expected: f64) -> f64 {
    if expected <= poisson_upper(records) {
        return 1.0;
    }
    records / expected
}

/// The upper end of the 95 % interval of a Poisson mean of which `count` was seen, by Byar's
/// approximation: within 1 % of the exact value (Breslow and Day 1987, formula 2.13).
fn poisson_upper(count: f64) -> f64 {
    let more = count + 1.0;
    let root = 1.0 - 1.0 / (9.0 * more) + 1.959_964 / (3.0 * more.sqrt());
    more * root.powi(3)
}

/// The stored form of [`Silence`].
#[derive(Debug, Clone, serde::Serialize, serde::Deserialize)]
struct SilenceState {
    heard_us: Option<i64>,
    longest_us: i64,
    pause_us: i64,
    pause_max_us: i64,
    recent: (f64, u32),
    missed: f64,
    last: Verdict,
    is_told: bool,
}

impl From<Silence> for SilenceState {
    fn from(silence: Silence) -> Self {
        Self {
            heard_us: silence.heard.map(EventTime::micros),
            longest_us: silence.longest.as_micros(),
            pause_us: silence.pause.as_micros(),
            pause_max_us: silence.pause_max.as_micros(),
            recent: silence.recent,
            missed: silence.missed,
            last: silence.last,
            is_told: silence.is_told,
        }
    }
}

impl From<SilenceState> for Silence {
    fn from(state: SilenceState) -> Self {
        Self {
            heard: state.heard_us.map(EventTime::from_micros),
            longest: Span::micros(state.longest_us),
            pause: Span::micros(state.pause_us),
            pause_max: Span::micros(state.pause_max_us),
            recent: state.recent,
            missed: state.missed,
            last: state.last,
            is_told: state.is_told,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(minutes: i64) -> EventTime {
        EventTime::from_micros(0).plus(Span::minutes(minutes))
    }

    #[test]
    fn the_upper_end_is_that_of_the_tables() {
        // Exact limits (Garwood 1936).
        for (count, exact) in [(0.0, 3.689), (1.0, 5.572), (5.0, 11.668), (100.0, 121.627)] {
            let found = poisson_upper(count);
            assert!(
                (found - exact).abs() < 0.011 * exact,
                "{count}: {found}, exactly {exact}"
            );
        }
    }

    /// Windows of five minutes one after the other: records, and what the hour expects.
    fn play(patience: Patience, windows: &[(u64, Option<f64>)]) -> Vec<Option<f64>> {
        let mut silence = Silence::default();
        let judge = |(index, (records, expected)): (i64, &(u64, Option<f64>))| {
            let end = at(5 * (index + 1));
            let count = Count {
                end,
                records: *records,
                expected: *expected,
            };
            silence
                .judge(count, (*records > 0).then_some(end), patience)
                .coverage
        };
        (0..).zip(windows).map(judge).collect()
    }

    const USUAL: Patience = Patience::Usual(Span::minutes(15));

    fn check(patience: Patience, expected: Option<f64>, records: &[u64], coverage: &[f64]) {
        let windows: Vec<_> = records.iter().map(|records| (*records, expected)).collect();
        let found: Vec<f64> = play(patience, &windows).into_iter().flatten().collect();
        assert_eq!(found, coverage, "{records:?} of {expected:?}");
    }

    #[test]
    fn without_history_the_last_windows_and_time_decide() {
        assert_eq!(
            play(USUAL, &[(0, None), (0, None)]),
            [None, None],
            "it was never heard"
        );
        // Less than before is nothing, nothing at all is.
        check(USUAL, None, &[9, 9, 1, 1, 9], &[1.0; 5]);
        check(USUAL, None, &[9, 9, 0, 0, 9], &[1.0, 1.0, 0.0, 0.0, 1.0]);
        // Who says little is given time.
        check(
            USUAL,
            None,
            &[1, 1, 0, 0, 0, 1],
            &[1.0, 1.0, 1.0, 1.0, 0.0, 1.0],
        );
        // Who pauses now and then may, but not for longer.
        check(
            USUAL,
            None,
            &[9, 0, 9, 0, 9, 0, 0, 0],
            &[1.0, 1.0, 1.0, 1.0, 1.0, 1.0, 0.0, 0.0],
        );
        let hour = Patience::Set(Span::hours(1));
        check(hour, None, &[9, 9, 0, 0, 0, 0], &[1.0; 6]);
    }

    #[test]
    fn with_history_what_is_missing_decides() {
        let hundred = Some(100.0);
        check(USUAL, hundred, &[100, 85, 40, 0], &[1.0, 1.0, 0.4, 0.0]);
        // A few of a few are no gap, and neither is the night.
        check(USUAL, Some(3.0), &[3, 1, 3], &[1.0; 3]);
        check(USUAL, Some(0.0), &[1, 0, 0, 0, 0, 0], &[1.0; 6]);
        // But nothing for long is one, although each window expects little.
        check(
            USUAL,
            Some(1.0),
            &[1, 0, 0, 0, 0],
            &[1.0, 1.0, 1.0, 1.0, 0.0],
        );
    }
}
