//! Windows and the assignment of observations to them.

use std::sync::{Arc, LazyLock};

use arrow::array::{
    Array, Int64Array, RecordBatch, TimestampMicrosecondArray, UInt32Array, UInt32Builder,
};
use arrow::compute::take;
use arrow::datatypes::{DataType, Field, Schema, SchemaRef, TimeUnit};
use tidegate_model::{EventTime, OBSERVATION_SCHEMA, ObservationBatch, Span, columns};

/// Name of the column that holds a window's start.
pub const WINDOW_START: &str = "window_start";
/// Name of the column that holds a window's end.
pub const WINDOW_END: &str = "window_end";

/// [`OBSERVATION_SCHEMA`] followed by the window's start and end.
pub static WINDOWED_SCHEMA: LazyLock<SchemaRef> = LazyLock::new(|| {
    let utc = DataType::Timestamp(TimeUnit::Microsecond, Some("UTC".into()));
    let mut fields: Vec<_> = OBSERVATION_SCHEMA.fields().iter().cloned().collect();
    fields.push(Arc::new(Field::new(WINDOW_START, utc.clone(), false)));
    fields.push(Arc::new(Field::new(WINDOW_END, utc, false)));
    Arc::new(Schema::new(fields))
});

/// Name, size and slide of a window query.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WindowSpec {
    name: String,
    size: Span,
    slide: Span,
    offset: Span,
}

impl WindowSpec {
    /// Windows of `size` that do not overlap.
    ///
    /// # Errors
    /// [`WindowSpecError`] when `size` is not positive.
    pub fn tumbling(name: &str, size: Span) -> Result<Self, WindowSpecError> {
        Self::sliding(name, size, size)
    }

    /// Windows of `size`, one beginning every `slide`.
    ///
    /// # Errors
    /// [`WindowSpecError`] when a span is not positive, or the slide does not divide the size: a
    /// count spread over such windows would not be conserved by panes of the slide's width.
    pub fn sliding(name: &str, size: Span, slide: Span) -> Result<Self, WindowSpecError> {
        if size <= Span::ZERO || slide <= Span::ZERO {
            return Err(WindowSpecError::NotPositive { size, slide });
        }
        if size.as_micros() % slide.as_micros() != 0 {
            return Err(WindowSpecError::SlideDoesNotDivide { size, slide });
        }
        Ok(Self {
            name: name.to_owned(),
            size,
            slide,
            offset: Span::ZERO,
        })
    }

    /// The same windows moved by `offset`: days that begin at 16:00 UTC are days in China.
    #[must_use]
    pub fn with_offset(mut self, offset: Span) -> Self {
        self.offset = offset;
        self
    }

    /// The window query's name.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// How long a window is.
    pub fn size(&self) -> Span {
        self.size
    }

    /// How far apart two windows begin.
    pub fn slide(&self) -> Span {
        self.slide
    }

    /// By how much the windows are moved from the Unix epoch.
    pub fn offset(&self) -> Span {
        self.offset
    }

    /// Whether a window ends at `time`.
    pub(crate) fn is_end(&self, time: EventTime) -> bool {
        self.floor(time) == time
    }

    /// End of the earliest window that holds `time`.
    pub fn earliest_end(&self, time: EventTime) -> EventTime {
        self.floor(time).plus(self.slide)
    }

    /// End of the latest window that holds `time`.
    pub fn latest_end(&self, time: EventTime) -> EventTime {
        self.floor(time).plus(self.size)
    }

    /// The latest beginning of a window at or before `time`.
    fn floor(&self, time: EventTime) -> EventTime {
        time.minus(self.offset).floor(self.slide).plus(self.offset)
    }

    /// In how many windows each instant lies.
    fn overlap(&self) -> i64 {
        self.size.as_micros() / self.slide.as_micros()
    }
}

/// Why a window query cannot be.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum WindowSpecError {
    /// Size or slide is zero.
    #[error("window size {size} and slide {slide} must both be longer than zero")]
    NotPositive {
        /// As given.
        size: Span,
        /// As given.
        slide: Span,
    },
    /// The size is not a whole number of slides.
    #[error("window slide {slide} must divide window size {size} without remainder")]
    SlideDoesNotDivide {
        /// As given.
        size: Span,
        /// As given.
        slide: Span,
    },
}

/// The instants of event time that row `row` touches: the first, and the last that is inside.
///
/// A flow touches its whole interval; a snapshot only the last instant of its interval; a point
/// touches itself.
fn touched(batch: &ObservationBatch, row: usize) -> (EventTime, EventTime) {
    let start = batch.interval_start().value(row);
    let end = batch.interval_end().value(row);
    let last = if end > start { end - 1 } else { end };
    let first = if batch.measure(row).is_flow() {
        start
    } else {
        last
    };
    (EventTime::from_micros(first), EventTime::from_micros(last))
}

/// The first instant of event time that row `row` of `batch` touches, by which its lateness is
/// judged: the start of a flow's interval, the last instant within a snapshot's, a point itself.
///
/// # Panics
/// When the batch has no such row.
pub fn first_instant(batch: &ObservationBatch, row: usize) -> EventTime {
    touched(batch, row).0
}

/// The rows of `batch` with the window they belong to, one row a window.
///
/// A flow over an interval is spread over the slides that it overlaps in proportion to the
/// overlap, by largest remainder (ties to the earlier slide): the parts are whole numbers and
/// their sum over tumbling windows is the count. Overlapping windows each hold the whole part.
/// The ends of a range are spread too, then moved outwards by one: a part always lies in its range,
/// and the parts' ranges together hold the count's.
pub fn assign(spec: &WindowSpec, batch: &ObservationBatch) -> RecordBatch {
    if let Some(windowed) = assign_one_to_one(spec, batch) {
        return windowed;
    }
    let mut rows = UInt32Builder::new();
    let mut counts = Counts::default();
    let mut starts = Vec::new();
    let slide = spec.slide.as_micros();
    let (lows, highs) = (batch.count_low(), batch.count_high());
    for row in 0..batch.len() {
        let (first, last) = touched(batch, row);
        let first_slide = spec.floor(first).micros();
        let slides = (spec.floor(last).micros() - first_slide) / slide + 1;
        // The split is the same wherever the grid of windows begins.
        let origin = spec.offset.as_micros();
        let (from, to) = (first.micros() - origin, last.micros() + 1 - origin);
        let count = batch.count().value(row);
        let parts = spread(count, from, to, slide);
        let ranges = spread_range(count, &parts, (lows.value(row), highs.value(row)), |end| {
            spread(end, from, to, slide)
        });
        for ((part_idx, part), range) in (0..slides).zip(parts).zip(ranges) {
            let pane = first_slide + part_idx * slide;
            for back in 0..spec.overlap() {
                rows.append_value(u32::try_from(row).expect("a batch has fewer than 2^32 rows"));
                counts.push(part, range);
                starts.push(pane - back * slide);
            }
        }
    }
    let rows = rows.finish();
    expand(spec, batch, &rows, counts, starts)
}

/// Counts of windowed rows with their ranges.
#[derive(Default)]
struct Counts {
    count: Vec<i64>,
    low: Vec<i64>,
    high: Vec<i64>,
}

impl Counts {
    fn push(&mut self, count: i64, (low, high): (i64, i64)) {
        self.count.push(count);
        self.low.push(low);
        self.high.push(high);
    }

    /// The columns by their names.
    fn into_columns(self) -> [(&'static str, Int64Array); 3] {
        [
            (columns::COUNT, self.count.into()),
            (columns::COUNT_LOW, self.low.into()),
            (columns::COUNT_HIGH, self.high.into()),
        ]
    }
}

/// The common case without copying: every row lies in exactly one window.
fn assign_one_to_one(spec: &WindowSpec, batch: &ObservationBatch) -> Option<RecordBatch> {
    if spec.overlap() != 1 {
        return None;
    }
    let mut starts = Vec::with_capacity(batch.len());
    for row in 0..batch.len() {
        let (first, last) = touched(batch, row);
        let start = spec.floor(first);
        if last.since(start) >= spec.size {
            return None;
        }
        starts.push(start.micros());
    }
    Some(with_windows(spec, batch.batch().columns().to_vec(), starts))
}

/// Rows `rows` of the batch with new counts and windows.
fn expand(
    spec: &WindowSpec,
    batch: &ObservationBatch,
    rows: &UInt32Array,
    counts: Counts,
    starts: Vec<i64>,
) -> RecordBatch {
    let mut columns: Vec<Arc<dyn Array>> = batch
        .batch()
        .columns()
        .iter()
        .map(|column| take(column, rows, None).expect("row numbers come from this batch"))
        .collect();
    for (name, counts) in counts.into_columns() {
        let column_idx = OBSERVATION_SCHEMA
            .index_of(name)
            .expect("the schema has a count and its range");
        columns[column_idx] = Arc::new(counts);
    }
    with_windows(spec, columns, starts)
}

fn with_windows(
    spec: &WindowSpec,
    mut columns: Vec<Arc<dyn Array>>,
    starts: Vec<i64>,
) -> RecordBatch {
    let ends: Vec<i64> = starts
        .iter()
        .map(|start| start + spec.size.as_micros())
        .collect();
    columns.push(Arc::new(
        TimestampMicrosecondArray::from(starts).with_timezone("UTC"),
    ));
    columns.push(Arc::new(
        TimestampMicrosecondArray::from(ends).with_timezone("UTC"),
    ));
    RecordBatch::try_new(Arc::clone(&WINDOWED_SCHEMA), columns)
        .expect("the columns are those of the schema")
}

/// Splits `count` over the multiples of `slide` that `[start, end)` overlaps, in proportion to
/// the overlap, by largest remainder with ties to the earlier part. The parts sum to `count`.
fn spread(count: i64, start: i64, end: i64, slide: i64) -> Vec<i64> {
    let first = start.div_euclid(slide);
    let last = (end - 1).div_euclid(slide);
    if first == last {
        return vec![count];
    }
    let length = i128::from(end - start);
    let mut parts = Vec::new();
    let mut remainders = Vec::new();
    for pane in first..=last {
        let overlap = end.min((pane + 1) * slide) - start.max(pane * slide);
        let share = i128::from(count) * i128::from(overlap);
        parts.push(i64::try_from(share.div_euclid(length)).expect("a part is at most the count"));
        remainders.push((share.rem_euclid(length), pane - first));
    }
    let missing = count - parts.iter().sum::<i64>();
    remainders.sort_by(|a, b| b.0.cmp(&a.0).then(a.1.cmp(&b.1)));
    for (_, part_idx) in remainders
        .iter()
        .take(usize::try_from(missing).unwrap_or(0))
    {
        parts[usize::try_from(*part_idx).expect("not negative")] += 1;
    }
    parts
}

/// The range of each of `parts`, into which `spread` split a count that lies in `low` to `high`.
fn spread_range(
    count: i64,
    parts: &[i64],
    (low, high): (i64, i64),
    spread: impl Fn(i64) -> Vec<i64>,
) -> Vec<(i64, i64)> {
    if low == count && high == count {
        return parts.iter().map(|part| (*part, *part)).collect();
    }
    let ends = spread(low).into_iter().zip(spread(high));
    // A part of largest remainder is at most one away from its exact share, on either side.
    ends.zip(parts)
        .map(|((low, high), part)| ((low - 1).clamp(0, *part), (high + 1).max(*part)))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn spreading_conserves(count in 0_i64..1_000_000, start in -1_000_000_i64..1_000_000, length in 1_i64..5_000, slide in 1_i64..700) {
            let parts = spread(count, start, start + length, slide);
            prop_assert_eq!(parts.iter().sum::<i64>(), count);
            let slides = (start + length - 1).div_euclid(slide) - start.div_euclid(slide) + 1;
            prop_assert_eq!(i64::try_from(parts.len()).unwrap(), slides);
            for (idx, part) in parts.iter().enumerate() {
                // No part is more than one person away from its exact share.
                let pane = start.div_euclid(slide) + i64::try_from(idx).unwrap();
                let overlap = (start + length).min((pane + 1) * slide) - start.max(pane * slide);
                let exact = i128::from(count) * i128::from(overlap);
                prop_assert!((i128::from(*part) * i128::from(length) - exact).abs() < i128::from(length));
            }
        }

        #[test]
        fn ranges_of_parts_hold_the_range_of_the_whole(low in 0_i64..1_000, more in 0_i64..1_000, most in 0_i64..1_000, start in -1_000_i64..1_000, length in 1_i64..5_000, slide in 1_i64..700) {
            let (count, high) = (low + more, low + more + most);
            let parts = spread(count, start, start + length, slide);
            let ranges = spread_range(count, &parts, (low, high), |end| spread(end, start, start + length, slide));
            prop_assert!(ranges.iter().map(|range| range.0).sum::<i64>() <= low);
            prop_assert!(ranges.iter().map(|range| range.1).sum::<i64>() >= high);
            for ((low, high), part) in ranges.iter().zip(&parts) {
                prop_assert!(0 <= *low && low <= part && part <= high);
                prop_assert!(more + most > 0 || low == high);
            }
        }
    }

    #[test]
    fn shares_follow_the_overlap() {
        // 10:58 to 11:08 over five-minute windows: 2, 5 and 3 minutes of ten.
        assert_eq!(spread(100, 58, 68, 5), vec![20, 50, 30]);
        assert_eq!(spread(1, 0, 10, 5), vec![1, 0]);
        assert_eq!(spread(7, 4, 6, 5), vec![4, 3]);
    }

    #[test]
    fn a_slide_must_divide_the_size() {
        let error = WindowSpec::sliding("w", Span::minutes(10), Span::minutes(3)).unwrap_err();
        assert_eq!(
            error.to_string(),
            "window slide 3m must divide window size 10m without remainder"
        );
        assert!(WindowSpec::tumbling("w", Span::ZERO).is_err());
    }
}
