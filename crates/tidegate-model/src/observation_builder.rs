//! Appending observations to Arrow buffers: row by row, or whole columns at once.

use std::sync::Arc;

use arrow::array::{
    ArrayRef, DictionaryArray, FixedSizeBinaryArray, Float64Builder, Int8Array, Int32Array,
    Int64Array, RecordBatch, StringArray, StringBuilder, TimestampMicrosecondArray, UInt16Array,
    UInt64Array,
};
use arrow::buffer::Buffer;
use arrow::datatypes::Int8Type;

use crate::{
    CountRange, EventTime, FeedId, Measure, OBSERVATION_SCHEMA, Observation, ObservationBatch,
    Position, Quality, Subject,
};

/// Rows of one payload that follow each other, column by column: every slice has one value a row.
///
/// Their counts are certain and nothing is odd about them; rows with more to say are pushed one by
/// one.
#[derive(Debug, Clone, Copy)]
pub struct ObservationColumns<'a> {
    /// See [`crate::event_id`].
    pub event_ids: &'a [u128],
    /// The counting points' ids.
    pub site_ids: &'a [&'a str],
    /// Starts of the counted intervals.
    pub interval_starts: &'a [EventTime],
    /// Ends of the counted intervals.
    pub interval_ends: &'a [EventTime],
    /// What was counted.
    pub measures: &'a [Measure],
    /// Who was counted.
    pub subjects: &'a [Subject],
    /// Persons or vehicles, 0 or more.
    pub counts: &'a [i64],
    /// Region codes of where they came from; `None` when no row has one.
    pub origins: Option<&'a [Option<&'a str>]>,
    /// Degrees north and degrees east (WGS 84); `None` when no row has them.
    pub coordinates: Option<(&'a [f64], &'a [f64])>,
    /// Where the first of them stands; the row goes up by one from each to the next.
    pub first: Position,
}

/// The ranges of a batch that has counts which are not certain.
#[derive(Debug)]
struct Ranges {
    low: Vec<i64>,
    high: Vec<i64>,
}

/// Appends observations of one feed straight into Arrow buffers.
#[derive(Debug)]
pub struct ObservationBuilder {
    feed: FeedId,
    /// The 16 bytes of each id as they stand in memory, aligned for Arrow.
    event_id: Vec<i128>,
    site_id: StringBuilder,
    start: Vec<i64>,
    end: Vec<i64>,
    measure: Vec<i8>,
    subject: Vec<i8>,
    count: Vec<i64>,
    ranges: Option<Ranges>,
    origin: StringBuilder,
    quality: Vec<u16>,
    latitude: Float64Builder,
    longitude: Float64Builder,
    partition: Vec<i32>,
    offset: Vec<i64>,
    row: Vec<i32>,
}

/// An id's bytes, big-endian, as one number in memory.
const fn stored(event_id: u128) -> i128 {
    i128::from_ne_bytes(event_id.to_be_bytes())
}

impl ObservationBuilder {
    /// An empty builder with room for `rows`.
    pub fn new(feed: FeedId, rows: usize) -> Self {
        Self {
            feed,
            event_id: Vec::with_capacity(rows),
            site_id: StringBuilder::with_capacity(rows, rows * 16),
            start: Vec::with_capacity(rows),
            end: Vec::with_capacity(rows),
            measure: Vec::with_capacity(rows),
            subject: Vec::with_capacity(rows),
            count: Vec::with_capacity(rows),
            ranges: None,
            origin: StringBuilder::with_capacity(rows, rows * 8),
            quality: Vec::with_capacity(rows),
            latitude: Float64Builder::with_capacity(rows),
            longitude: Float64Builder::with_capacity(rows),
            partition: Vec::with_capacity(rows),
            offset: Vec::with_capacity(rows),
            row: Vec::with_capacity(rows),
        }
    }

    /// The feed whose rows these are.
    pub fn feed(&self) -> &FeedId {
        &self.feed
    }

    /// Rows appended so far.
    pub fn len(&self) -> usize {
        self.measure.len()
    }

    /// Whether nothing was appended.
    pub fn is_empty(&self) -> bool {
        self.measure.is_empty()
    }

    /// Appends one row.
    pub fn push(&mut self, row: &Observation<'_>) {
        self.event_id.push(stored(row.event_id));
        self.site_id.append_value(row.site_id);
        self.start.push(row.interval_start.micros());
        self.end.push(row.interval_end.micros());
        self.measure.push(row.measure as i8);
        self.subject.push(row.subject as i8);
        if row.range != CountRange::exact(row.count) && self.ranges.is_none() {
            // All certain so far.
            self.ranges = Some(Ranges {
                low: self.count.clone(),
                high: self.count.clone(),
            });
        }
        self.count.push(row.count);
        if let Some(ranges) = &mut self.ranges {
            ranges.low.push(row.range.low());
            ranges.high.push(row.range.high());
        }
        self.origin.append_option(row.origin);
        self.quality.push(row.quality.bits());
        self.latitude
            .append_option(row.coordinate.map(|(latitude, _)| latitude));
        self.longitude
            .append_option(row.coordinate.map(|(_, longitude)| longitude));
        self.partition.push(row.position.partition);
        self.offset.push(row.position.offset);
        self.row.push(row.position.row);
    }

    /// Appends rows column by column: the same as [`Self::push`] of each, faster.
    ///
    /// # Panics
    /// When two columns differ in length.
    pub fn extend(&mut self, rows: &ObservationColumns<'_>) {
        let len = rows.event_ids.len();
        let lengths = [
            rows.site_ids.len(),
            rows.interval_starts.len(),
            rows.interval_ends.len(),
            rows.measures.len(),
            rows.subjects.len(),
            rows.counts.len(),
            rows.origins.map_or(len, <[_]>::len),
            rows.coordinates
                .map_or(len, |(latitudes, _)| latitudes.len()),
            rows.coordinates
                .map_or(len, |(_, longitudes)| longitudes.len()),
        ];
        assert_eq!(lengths, [len; 9], "every column has one value a row");
        self.event_id
            .extend(rows.event_ids.iter().map(|id| stored(*id)));
        for site_id in rows.site_ids {
            self.site_id.append_value(site_id);
        }
        let micros = |time: &EventTime| time.micros();
        self.start.extend(rows.interval_starts.iter().map(micros));
        self.end.extend(rows.interval_ends.iter().map(micros));
        self.measure
            .extend(rows.measures.iter().map(|measure| *measure as i8));
        self.subject
            .extend(rows.subjects.iter().map(|subject| *subject as i8));
        self.count.extend_from_slice(rows.counts);
        if let Some(ranges) = &mut self.ranges {
            ranges.low.extend_from_slice(rows.counts);
            ranges.high.extend_from_slice(rows.counts);
        }
        match rows.origins {
            None => self.origin.append_nulls(len),
            Some(origins) => {
                for origin in origins {
                    self.origin.append_option(*origin);
                }
            }
        }
        if let Some((latitudes, longitudes)) = rows.coordinates {
            self.latitude.append_slice(latitudes);
            self.longitude.append_slice(longitudes);
        } else {
            self.latitude.append_nulls(len);
            self.longitude.append_nulls(len);
        }
        let end = self.event_id.len();
        self.quality.resize(end, Quality::GOOD.bits());
        self.partition.resize(end, rows.first.partition);
        self.offset.resize(end, rows.first.offset);
        self.row.extend((rows.first.row..).take(len));
    }

    /// Takes the rows as a batch whose venue and cell are still null; the builder is empty again.
    pub fn finish(&mut self) -> ObservationBatch {
        let rows = self.len();
        let words = |keys: Vec<i8>, values: Vec<&str>| -> ArrayRef {
            let values = Arc::new(StringArray::from(values));
            Arc::new(
                DictionaryArray::<Int8Type>::try_new(Int8Array::from(keys), values)
                    .expect("keys are indices of the enum whose words these are"),
            )
        };
        let whole = |numbers: &mut Vec<i64>| -> ArrayRef {
            Arc::new(Int64Array::from(std::mem::take(numbers)))
        };
        let time = |times: &mut Vec<i64>| -> ArrayRef {
            let times = TimestampMicrosecondArray::from(std::mem::take(times));
            Arc::new(times.with_timezone("UTC"))
        };
        let small = |numbers: &mut Vec<i32>| -> ArrayRef {
            Arc::new(Int32Array::from(std::mem::take(numbers)))
        };
        let ids = Buffer::from_vec(std::mem::take(&mut self.event_id));
        let ids = FixedSizeBinaryArray::try_new(16, ids, None)
            .expect("16 bytes a row fit a 16-byte column");
        let count = whole(&mut self.count);
        // Counts that are all certain are their own ranges: nothing is copied.
        let (low, high): (ArrayRef, ArrayRef) = match self.ranges.take() {
            None => (Arc::clone(&count), Arc::clone(&count)),
            Some(mut ranges) => (whole(&mut ranges.low), whole(&mut ranges.high)),
        };
        let arrays: Vec<ArrayRef> = vec![
            Arc::new(ids),
            words(vec![0; rows], vec![self.feed.as_str()]),
            Arc::new(self.site_id.finish()),
            Arc::new(StringArray::new_null(rows)),
            Arc::new(UInt64Array::new_null(rows)),
            time(&mut self.start),
            time(&mut self.end),
            words(
                std::mem::take(&mut self.measure),
                Measure::ALL.map(Measure::as_str).to_vec(),
            ),
            words(
                std::mem::take(&mut self.subject),
                Subject::ALL.map(Subject::as_str).to_vec(),
            ),
            count,
            low,
            high,
            Arc::new(self.origin.finish()),
            Arc::new(UInt16Array::from(std::mem::take(&mut self.quality))),
            Arc::new(self.latitude.finish()),
            Arc::new(self.longitude.finish()),
            small(&mut self.partition),
            whole(&mut self.offset),
            small(&mut self.row),
        ];
        let batch = RecordBatch::try_new(Arc::clone(&OBSERVATION_SCHEMA), arrays)
            .expect("every column above has the schema's type and the same length");
        ObservationBatch::try_new(batch).expect("the batch was made with that schema")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What `extend` appends must be what `push` appends row by row, whatever was there before.
    #[track_caller]
    fn check(before: Option<CountRange>, origins: bool, coordinates: bool) {
        let event_ids = [1, u128::MAX - 7, 3];
        let sites = ["a", "", "中心"];
        let starts = [-5, 0, 9].map(EventTime::from_micros);
        let ends = [7, 8, 9].map(EventTime::from_micros);
        let measures = [Measure::In, Measure::Load, Measure::Out];
        let subjects = [Subject::Vehicle, Subject::Person, Subject::Person];
        let counts = [0, 4, i64::MAX];
        let from = [Some("HB"), None, Some("unknown")];
        let (lats, lngs) = ([1.5, -90.0, 0.0], [180.0, -0.0, 114.3]);
        let first = Position {
            partition: 4,
            offset: 1 << 40,
            row: 11,
        };
        let row = |n: usize| Observation {
            event_id: event_ids[n],
            site_id: sites[n],
            interval_start: starts[n],
            interval_end: ends[n],
            measure: measures[n],
            subject: subjects[n],
            count: counts[n],
            range: CountRange::exact(counts[n]),
            origin: from[n].filter(|_| origins),
            coordinate: coordinates.then(|| (lats[n], lngs[n])),
            quality: Quality::GOOD,
            position: Position {
                row: 11 + i32::try_from(n).unwrap(),
                ..first
            },
        };
        let fresh = || {
            let mut out = ObservationBuilder::new(FeedId::new("f"), 0);
            if let Some(range) = before {
                out.push(&Observation {
                    count: 5,
                    range,
                    quality: Quality::ESTIMATED,
                    ..row(2)
                });
            }
            out
        };
        let (mut by_row, mut by_column) = (fresh(), fresh());
        for n in 0..3 {
            by_row.push(&row(n));
        }
        by_column.extend(&ObservationColumns {
            event_ids: &event_ids,
            site_ids: &sites,
            interval_starts: &starts,
            interval_ends: &ends,
            measures: &measures,
            subjects: &subjects,
            counts: &counts,
            origins: origins.then_some(&from),
            coordinates: coordinates.then_some((&lats, &lngs)),
            first,
        });
        assert_eq!(by_row.len(), by_column.len());
        let (by_row, by_column) = (by_row.finish(), by_column.finish());
        assert_eq!(by_row, by_column);
        let last = by_column.len() - 1;
        assert_eq!(by_column.event_id().value(last), 3_u128.to_be_bytes());
        assert_eq!(by_column.position(last), row(2).position);
    }

    #[test]
    fn columns_are_rows() {
        for before in [
            None,
            Some(CountRange::exact(5)),
            CountRange::around(5, 1, 9),
        ] {
            for (origins, coordinates) in
                [(false, false), (true, false), (false, true), (true, true)]
            {
                check(before, origins, coordinates);
            }
        }
    }

    #[test]
    #[should_panic(expected = "every column has one value a row")]
    fn columns_of_two_lengths_are_a_bug() {
        ObservationBuilder::new(FeedId::new("f"), 0).extend(&ObservationColumns {
            event_ids: &[1],
            site_ids: &[],
            interval_starts: &[],
            interval_ends: &[],
            measures: &[],
            subjects: &[],
            counts: &[],
            origins: None,
            coordinates: None,
            first: Position::default(),
        });
    }
}
