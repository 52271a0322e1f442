//! Changes of an occupancy that no counted person made, as data for the caller's journal.
//!
//! Every function that makes one returns it; the time is the caller's, in the caller's type.

use super::{ObservationSource, persons_f64};

/// Why a correction was made.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum CorrectionKind {
    /// More people left than were inside: so many arrivals, at the least, were missed.
    ClampedAtZero,
    /// The venue is known to be empty at this time.
    KnownEmpty,
    /// One side of the counts was scaled by the gain of past days.
    Gain,
    /// Counts came late, and the windows since the last reset were taken again.
    LateRevision,
    /// Something else than the counts said how many are inside.
    Observed(ObservationSource),
    /// Counts or an observation that are no number of persons, or beyond what a venue can hold,
    /// were left out; persons are as they were.
    Refused,
}

impl CorrectionKind {
    /// The word used in journals and SQL.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::ClampedAtZero => "clamped_at_zero",
            Self::KnownEmpty => "known_empty",
            Self::Gain => "gain",
            Self::LateRevision => "late_revision",
            Self::Observed(ObservationSource::DwellModel) => "observed_dwell_model",
            Self::Observed(ObservationSource::Camera) => "observed_camera",
            Self::Observed(ObservationSource::TransitLoad) => "observed_transit_load",
            Self::Observed(ObservationSource::NightlyZero) => "observed_nightly_zero",
            Self::Refused => "refused",
        }
    }
}

/// A change of a whole number of persons. The caller journals it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Correction {
    /// Why.
    pub kind: CorrectionKind,
    /// Persons without the correction; below 0 where more left than were inside.
    pub before: i64,
    /// Persons added to the state; negative when persons were taken away.
    pub persons: i64,
}

impl Correction {
    /// Persons with the correction.
    pub const fn after(self) -> i64 {
        self.before.saturating_add(self.persons)
    }

    /// The line for the journal at the time `at`.
    pub fn at<T>(self, at: T) -> JournalEntry<T> {
        JournalEntry {
            at,
            kind: self.kind,
            before: persons_f64(self.before),
            after: persons_f64(self.after()),
        }
    }
}

/// A change of an estimate, whose persons need not be whole. The caller journals it.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct EstimateCorrection {
    /// Why.
    pub kind: CorrectionKind,
    /// Persons without the correction.
    pub before: f64,
    /// Persons with it.
    pub after: f64,
}

impl EstimateCorrection {
    /// The line for the journal at the time `at`.
    pub fn at<T>(self, at: T) -> JournalEntry<T> {
        JournalEntry {
            at,
            kind: self.kind,
            before: self.before,
            after: self.after,
        }
    }
}

/// One line of a journal of corrections.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct JournalEntry<T> {
    /// When, by the caller's clock.
    pub at: T,
    /// Why.
    pub kind: CorrectionKind,
    /// Persons without the correction; below 0 where more left than were inside.
    pub before: f64,
    /// Persons with it.
    pub after: f64,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_has_the_time_and_both_numbers() {
        let correction = Correction {
            kind: CorrectionKind::ClampedAtZero,
            before: -3,
            persons: 3,
        };
        let entry = correction.at("04:00");
        assert_eq!(
            (entry.at, entry.kind.as_str()),
            ("04:00", "clamped_at_zero")
        );
        assert_eq!((entry.before, entry.after), (-3.0, 0.0));
    }

    #[test]
    fn words_are_distinct() {
        use CorrectionKind::{ClampedAtZero, Gain, KnownEmpty, LateRevision, Observed, Refused};
        let kinds = [ClampedAtZero, KnownEmpty, Gain, LateRevision, Refused];
        let observed = ObservationSource::ALL.map(Observed);
        let words: std::collections::BTreeSet<_> = kinds
            .iter()
            .chain(&observed)
            .map(|kind| kind.as_str())
            .collect();
        assert_eq!(words.len(), 9);
    }
}
