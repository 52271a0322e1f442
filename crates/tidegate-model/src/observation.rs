//! Observations: counts at a place over an interval, as rows of one Arrow schema.

use std::sync::{Arc, LazyLock};

use arrow::array::{
    DictionaryArray, FixedSizeBinaryArray, Float64Array, Int32Array, Int64Array, RecordBatch,
    StringArray, TimestampMicrosecondArray, UInt16Array, UInt64Array,
};
use arrow::datatypes::{DataType, Field, Int8Type, Schema, SchemaRef, TimeUnit};

use crate::{EventTime, Position};

/// What was counted at the site.
#[derive(
    Debug,
    Clone,
    Copy,
    PartialEq,
    Eq,
    PartialOrd,
    Ord,
    Hash,
    serde::Serialize,
    serde::Deserialize,
    schemars::JsonSchema,
)]
#[serde(rename_all = "snake_case")]
pub enum Measure {
    /// Entered the place (or, at a cordon, the city) during the interval.
    In,
    /// Left the place during the interval.
    Out,
    /// Passed, direction unknown.
    Through,
    /// Were there at the interval's end: a snapshot, not a flow.
    Present,
    /// Were aboard a vehicle at the interval's end.
    Load,
}

impl Measure {
    /// Every measure; the index is the dictionary key in a batch.
    pub const ALL: [Self; 5] = [
        Self::In,
        Self::Out,
        Self::Through,
        Self::Present,
        Self::Load,
    ];

    /// The word used in JSON, SQL and configuration.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::In => "in",
            Self::Out => "out",
            Self::Through => "through",
            Self::Present => "present",
            Self::Load => "load",
        }
    }

    /// The measure called `word`.
    pub fn from_word(word: &str) -> Option<Self> {
        Self::ALL
            .into_iter()
            .find(|measure| measure.as_str() == word)
    }

    /// Whether the count is a flow over its interval, and so may be spread over windows.
    /// A snapshot belongs whole to the instant at which the interval ends.
    pub const fn is_flow(self) -> bool {
        matches!(self, Self::In | Self::Out | Self::Through)
    }
}

/// Who or what was counted.
#[derive(
    Debug,
    Clone,
    Copy,
    PartialEq,
    Eq,
    PartialOrd,
    Ord,
    Hash,
    serde::Serialize,
    serde::Deserialize,
    schemars::JsonSchema,
    Default,
)]
#[serde(rename_all = "snake_case")]
pub enum Subject {
    /// Persons.
    #[default]
    Person,
    /// Vehicles; never added to persons without a declared factor.
    Vehicle,
}

impl Subject {
    /// Every subject; the index is the dictionary key in a batch.
    pub const ALL: [Self; 2] = [Self::Person, Self::Vehicle];

    /// The word used in JSON, SQL and configuration.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Person => "person",
            Self::Vehicle => "vehicle",
        }
    }

    /// The subject called `word`.
    pub fn from_word(word: &str) -> Option<Self> {
        Self::ALL
            .into_iter()
            .find(|subject| subject.as_str() == word)
    }
}

/// Flags on an observation: what is known to be odd about its count.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Quality(u16);

impl Quality {
    /// Nothing odd.
    pub const GOOD: Self = Self(0);
    /// Derived by a declared factor, not counted.
    pub const ESTIMATED: Self = Self(1);
    /// The first reading of a cumulative counter: no difference yet, count 0.
    pub const COUNTER_BASELINE: Self = Self(1 << 1);
    /// The counter passed its declared maximum and went on from zero; the count is right.
    pub const COUNTER_WRAP: Self = Self(1 << 2);
    /// The counter started again from near zero; count 0.
    pub const COUNTER_RESET: Self = Self(1 << 3);
    /// The counter went down; count 0.
    pub const COUNTER_DOWN: Self = Self(1 << 4);
    /// The step is above the feed's plausible maximum; count 0.
    pub const COUNTER_IMPLAUSIBLE: Self = Self(1 << 5);
    /// The step spans more than the feed's longest interval, so it has no place in time; count 0.
    pub const COUNTER_GAP: Self = Self(1 << 6);
    /// A second reading at or before the time of the last one; count 0.
    pub const COUNTER_REPEATED: Self = Self(1 << 7);
    /// The local time occurred twice (clocks set back) and the feed's rule chose one.
    pub const TIME_AMBIGUOUS: Self = Self(1 << 8);
    /// The feed's static feed does not know the vehicle's trip.
    pub const TRIP_UNKNOWN: Self = Self(1 << 9);

    /// Each flag with its name, for text outputs.
    pub const NAMES: [(Self, &'static str); 10] = [
        (Self::ESTIMATED, "estimated"),
        (Self::COUNTER_BASELINE, "counter_baseline"),
        (Self::COUNTER_WRAP, "counter_wrap"),
        (Self::COUNTER_RESET, "counter_reset"),
        (Self::COUNTER_DOWN, "counter_down"),
        (Self::COUNTER_IMPLAUSIBLE, "counter_implausible"),
        (Self::COUNTER_GAP, "counter_gap"),
        (Self::COUNTER_REPEATED, "counter_repeated"),
        (Self::TIME_AMBIGUOUS, "time_ambiguous"),
        (Self::TRIP_UNKNOWN, "trip_unknown"),
    ];

    /// Both sets of flags.
    #[must_use]
    pub const fn with(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }

    /// Whether every flag of `other` is set.
    pub const fn has(self, other: Self) -> bool {
        self.0 & other.0 == other.0
    }

    /// The flags as stored in a batch.
    pub const fn bits(self) -> u16 {
        self.0
    }

    /// The flags of a stored value.
    pub const fn from_bits(bits: u16) -> Self {
        Self(bits)
    }
}

/// The whole numbers between which a count lies, both ends included.
///
/// A count that was taken is certain and has both ends equal to it; one that was derived (persons
/// aboard from "few seats available") is wider. Where a feed states no confidence the range holds
/// the truth for certain, so that sums of ranges hold sums of truths.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct CountRange {
    low: i64,
    high: i64,
}

impl CountRange {
    /// The range of a count that is certain.
    pub const fn exact(count: i64) -> Self {
        Self {
            low: count,
            high: count,
        }
    }

    /// The range from `low` to `high` around `count`; `None` unless `0 ≤ low ≤ count ≤ high`.
    pub const fn around(count: i64, low: i64, high: i64) -> Option<Self> {
        if 0 <= low && low <= count && count <= high {
            Some(Self { low, high })
        } else {
            None
        }
    }

    /// The least number that it can be.
    pub const fn low(self) -> i64 {
        self.low
    }

    /// The greatest number that it can be.
    pub const fn high(self) -> i64 {
        self.high
    }
}

/// One row, as decoders append it. Text is borrowed: appending copies it into Arrow buffers.
#[derive(Debug, Clone, Copy)]
pub struct Observation<'a> {
    /// See [`crate::event_id`].
    pub event_id: u128,
    /// The counting point's id, as the feed writes it.
    pub site_id: &'a str,
    /// Start of the counted interval.
    pub interval_start: EventTime,
    /// End of the counted interval; equal to the start for a point in time.
    pub interval_end: EventTime,
    /// What was counted.
    pub measure: Measure,
    /// Who was counted.
    pub subject: Subject,
    /// Persons or vehicles, 0 or more.
    pub count: i64,
    /// Between which numbers the count lies.
    pub range: CountRange,
    /// Region code of where they came from; `None` where the feed has no origins at all.
    pub origin: Option<&'a str>,
    /// Degrees north and east (WGS 84), where the record carries them.
    pub coordinate: Option<(f64, f64)>,
    /// What is odd about it.
    pub quality: Quality,
    /// Where it stands in its source.
    pub position: Position,
}

/// Names of the columns of [`OBSERVATION_SCHEMA`].
pub mod columns {
    /// 16-byte hash of the producer's id.
    pub const EVENT_ID: &str = "event_id";
    /// Feed name.
    pub const FEED: &str = "feed";
    /// Counting point.
    pub const SITE_ID: &str = "site_id";
    /// Venue of the site, where it has one.
    pub const VENUE_ID: &str = "venue_id";
    /// H3 cell at the pipeline's base resolution.
    pub const CELL: &str = "cell";
    /// Start of the counted interval.
    pub const INTERVAL_START: &str = "interval_start";
    /// End of the counted interval.
    pub const INTERVAL_END: &str = "interval_end";
    /// What was counted.
    pub const MEASURE: &str = "measure";
    /// Who was counted.
    pub const SUBJECT: &str = "subject";
    /// How many.
    pub const COUNT: &str = "count";
    /// How many at least; the count itself where it is certain.
    pub const COUNT_LOW: &str = "count_low";
    /// How many at most; the count itself where it is certain.
    pub const COUNT_HIGH: &str = "count_high";
    /// Region code of where they came from.
    pub const ORIGIN: &str = "origin";
    /// Quality flags.
    pub const QUALITY: &str = "quality";
    /// Degrees north, where the record had them.
    pub const LATITUDE: &str = "latitude";
    /// Degrees east, where the record had them.
    pub const LONGITUDE: &str = "longitude";
    /// Source partition.
    pub const PARTITION: &str = "source_partition";
    /// Source offset.
    pub const OFFSET: &str = "source_offset";
    /// Row in the payload.
    pub const ROW: &str = "source_row";
}

fn utc() -> DataType {
    DataType::Timestamp(TimeUnit::Microsecond, Some("UTC".into()))
}

fn word() -> DataType {
    DataType::Dictionary(Box::new(DataType::Int8), Box::new(DataType::Utf8))
}

/// The one schema of decoded observations, in this column order.
pub static OBSERVATION_SCHEMA: LazyLock<SchemaRef> = LazyLock::new(|| {
    use columns as c;
    Arc::new(Schema::new(vec![
        Field::new(c::EVENT_ID, DataType::FixedSizeBinary(16), false),
        Field::new(c::FEED, word(), false),
        Field::new(c::SITE_ID, DataType::Utf8, false),
        Field::new(c::VENUE_ID, DataType::Utf8, true),
        Field::new(c::CELL, DataType::UInt64, true),
        Field::new(c::INTERVAL_START, utc(), false),
        Field::new(c::INTERVAL_END, utc(), false),
        Field::new(c::MEASURE, word(), false),
        Field::new(c::SUBJECT, word(), false),
        Field::new(c::COUNT, DataType::Int64, false),
        Field::new(c::COUNT_LOW, DataType::Int64, false),
        Field::new(c::COUNT_HIGH, DataType::Int64, false),
        Field::new(c::ORIGIN, DataType::Utf8, true),
        Field::new(c::QUALITY, DataType::UInt16, false),
        Field::new(c::LATITUDE, DataType::Float64, true),
        Field::new(c::LONGITUDE, DataType::Float64, true),
        Field::new(c::PARTITION, DataType::Int32, false),
        Field::new(c::OFFSET, DataType::Int64, false),
        Field::new(c::ROW, DataType::Int32, false),
    ]))
});

/// A batch of [`OBSERVATION_SCHEMA`], with typed access to its columns.
#[derive(Debug, Clone, PartialEq)]
pub struct ObservationBatch(RecordBatch);

macro_rules! column {
    ($(#[$doc:meta])* $name:ident, $index:literal, $type:ty) => {
        $(#[$doc])*
        ///
        /// # Panics
        /// Never: the schema was checked when the batch was made.
        pub fn $name(&self) -> &$type {
            self.0
                .column($index)
                .as_any()
                .downcast_ref::<$type>()
                .expect("checked by ObservationBatch::try_new")
        }
    };
}

impl ObservationBatch {
    /// Takes `batch` when it has exactly [`OBSERVATION_SCHEMA`]; gives it back otherwise.
    ///
    /// # Errors
    /// The batch itself.
    pub fn try_new(batch: RecordBatch) -> Result<Self, Box<RecordBatch>> {
        if batch.schema() == *OBSERVATION_SCHEMA {
            Ok(Self(batch))
        } else {
            Err(Box::new(batch))
        }
    }

    /// The Arrow batch.
    pub fn batch(&self) -> &RecordBatch {
        &self.0
    }

    /// The Arrow batch, owned.
    pub fn into_batch(self) -> RecordBatch {
        self.0
    }

    /// Rows.
    pub fn len(&self) -> usize {
        self.0.num_rows()
    }

    /// Whether it has no rows.
    pub fn is_empty(&self) -> bool {
        self.0.num_rows() == 0
    }

    /// The same rows with these venues and cells.
    ///
    /// # Panics
    /// When the lengths differ.
    #[must_use]
    pub fn with_location(&self, venue_id: StringArray, cell: UInt64Array) -> Self {
        let mut arrays = self.0.columns().to_vec();
        arrays[3] = Arc::new(venue_id);
        arrays[4] = Arc::new(cell);
        let batch = RecordBatch::try_new(Arc::clone(&OBSERVATION_SCHEMA), arrays)
            .expect("the caller located every row");
        Self(batch)
    }

    /// Where row `row` stands in its source.
    pub fn position(&self, row: usize) -> Position {
        let partition = self.source_partition().value(row);
        let offset = self.source_offset().value(row);
        let row = self.source_row().value(row);
        Position {
            partition,
            offset,
            row,
        }
    }

    /// What row `row` counts.
    pub fn measure(&self, row: usize) -> Measure {
        let keys = self.measures().keys().value(row);
        Measure::ALL[usize::try_from(keys).expect("a dictionary key is not negative")]
    }

    column!(/// Event ids, 16 bytes each.
        event_id, 0, FixedSizeBinaryArray);
    column!(/// Site ids.
        site_id, 2, StringArray);
    column!(/// Venue ids, null where the site has no venue or is not located yet.
        venue_id, 3, StringArray);
    column!(/// Cells, null where not located.
        cell, 4, UInt64Array);
    column!(/// Interval starts, microseconds UTC.
        interval_start, 5, TimestampMicrosecondArray);
    column!(/// Interval ends, microseconds UTC.
        interval_end, 6, TimestampMicrosecondArray);
    column!(/// Measures as a dictionary in the order of [`Measure::ALL`].
        measures, 7, DictionaryArray<Int8Type>);
    column!(/// Subjects as a dictionary in the order of [`Subject::ALL`].
        subjects, 8, DictionaryArray<Int8Type>);
    column!(/// Counts.
        count, 9, Int64Array);
    column!(/// The least that each count can be.
        count_low, 10, Int64Array);
    column!(/// The most that each count can be.
        count_high, 11, Int64Array);
    column!(/// Origins.
        origin, 12, StringArray);
    column!(/// Quality flags.
        quality, 13, UInt16Array);
    column!(/// Degrees north.
        latitude, 14, Float64Array);
    column!(/// Degrees east.
        longitude, 15, Float64Array);
    column!(/// Source partitions.
        source_partition, 16, Int32Array);
    column!(/// Source offsets.
        source_offset, 17, Int64Array);
    column!(/// Rows within the payload.
        source_row, 18, Int32Array);
}
