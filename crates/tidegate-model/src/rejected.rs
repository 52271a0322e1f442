//! Bad data as a value: what could not be counted, why, and where it was.

use crate::{FeedId, Position};

/// Why a record was rejected. The codes are stable: they are metric labels and SQL values.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Reason {
    /// A payload of zero bytes.
    Empty,
    /// A Kafka message without a value.
    Tombstone,
    /// A payload above the feed's `payload_bytes_max`.
    TooLarge,
    /// Bytes that are not UTF-8.
    NotUtf8,
    /// Not of the feed's format at all, or cut short.
    Malformed,
    /// A required field or column is not there.
    MissingField,
    /// A field holds a value of another type, or a word that is not known.
    WrongType,
    /// A time that does not parse, or does not exist in its time zone.
    BadTime,
    /// Before the year 2000.
    TimeTooEarly,
    /// After the newest time that the pipeline takes as possible (`max_future`).
    TimeInFuture,
    /// The interval ends before it starts.
    IntervalReversed,
    /// The interval is longer than the feed's `interval_max`.
    IntervalTooLong,
    /// A count below zero.
    NegativeCount,
    /// A count above the feed's `count_max`, or not a whole number.
    AbsurdCount,
    /// Coordinates outside the world, or only one of the two.
    BadCoordinate,
    /// No site of this name in the registry, and the record has no coordinates.
    UnknownSite,
    /// The site is registered without a place, and the record has no coordinates.
    UnlocatableSite,
    /// A feed that the pipeline does not have.
    UnknownFeed,
    /// A schema of the registry that the feed does not accept.
    UnknownSchema,
    /// The record carries what could identify a person. Its bytes are not kept.
    PersonalData,
}

impl Reason {
    /// Every reason, in the order of the enum.
    pub const ALL: [Self; 20] = [
        Self::Empty,
        Self::Tombstone,
        Self::TooLarge,
        Self::NotUtf8,
        Self::Malformed,
        Self::MissingField,
        Self::WrongType,
        Self::BadTime,
        Self::TimeTooEarly,
        Self::TimeInFuture,
        Self::IntervalReversed,
        Self::IntervalTooLong,
        Self::NegativeCount,
        Self::AbsurdCount,
        Self::BadCoordinate,
        Self::UnknownSite,
        Self::UnlocatableSite,
        Self::UnknownFeed,
        Self::UnknownSchema,
        Self::PersonalData,
    ];

    /// The stable code, snake case.
    pub const fn code(self) -> &'static str {
        match self {
            Self::Empty => "empty",
            Self::Tombstone => "tombstone",
            Self::TooLarge => "too_large",
            Self::NotUtf8 => "not_utf8",
            Self::Malformed => "malformed",
            Self::MissingField => "missing_field",
            Self::WrongType => "wrong_type",
            Self::BadTime => "bad_time",
            Self::TimeTooEarly => "time_too_early",
            Self::TimeInFuture => "time_in_future",
            Self::IntervalReversed => "interval_reversed",
            Self::IntervalTooLong => "interval_too_long",
            Self::NegativeCount => "negative_count",
            Self::AbsurdCount => "absurd_count",
            Self::BadCoordinate => "bad_coordinate",
            Self::UnknownSite => "unknown_site",
            Self::UnlocatableSite => "unlocatable_site",
            Self::UnknownFeed => "unknown_feed",
            Self::UnknownSchema => "unknown_schema",
            Self::PersonalData => "personal_data",
        }
    }
}

/// One record that could not be counted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rejected {
    /// The feed it came by.
    pub feed: FeedId,
    /// Where it stands.
    pub position: Position,
    /// Why.
    pub reason: Reason,
    /// What exactly, for a person: the field and the value, at most 200 characters.
    pub detail: String,
    /// The site it names, where it could be read.
    pub site: Option<String>,
    /// The bytes as they came (a CSV row with its header's line first), `None` only for a
    /// tombstone and for [`Reason::PersonalData`].
    pub bytes: Option<Vec<u8>>,
}

#[cfg(test)]
mod tests {
    use super::Reason;

    #[test]
    fn codes_are_distinct() {
        let codes: std::collections::BTreeSet<_> = Reason::ALL.iter().map(|r| r.code()).collect();
        assert_eq!(codes.len(), Reason::ALL.len());
    }
}
