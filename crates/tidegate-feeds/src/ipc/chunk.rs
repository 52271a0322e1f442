//! Many rows at once: whole columns are checked and appended, and where anything is off, the caller
//! goes through the rows one by one.

use std::ops::Range;

use tidegate_model::{EventTime, Measure, ObservationBuilder, ObservationColumns, Subject};

use super::batch::Batch;
use super::column::{Floats, Presence, Validity, Value};
use crate::check::{Limits, NAME_BYTES_MAX};
use crate::decoder::at_row;
use crate::mapped::Context;
use crate::own::origin_or_unknown;

/// How many rows are checked at once: their scratch stays in a core's own cache.
pub(super) const ROWS: usize = 512;

/// Columns of the rows at hand.
#[derive(Debug, Default)]
pub(super) struct Scratch<'p> {
    event_ids: Vec<u128>,
    site_ids: Vec<&'p str>,
    starts: Vec<EventTime>,
    ends: Vec<EventTime>,
    measures: Vec<Measure>,
    subjects: Vec<Subject>,
    counts: Vec<i64>,
    origins: Vec<Option<&'p str>>,
    lats: Vec<f64>,
    lngs: Vec<f64>,
}

const fn is_name(text: &str) -> bool {
    !text.is_empty() && text.len() <= NAME_BYTES_MAX
}

impl<'p> Scratch<'p> {
    /// Appends the rows `rows` of `batch` when nothing is wrong with any; whether it did.
    /// `context.position` is that of the first row.
    pub(super) fn push(
        &mut self,
        batch: &Batch<'p>,
        rows: Range<usize>,
        context: Context<'_>,
        out: &mut ObservationBuilder,
    ) -> bool {
        let coordinates = match coordinates_of(batch, rows.clone()) {
            Presence::Some => return false,
            Presence::None => false,
            Presence::All => true,
        };
        let read = self.read_times(batch, rows.clone(), context.limits)
            && self.read_counts(batch, rows.clone(), context.limits)
            && self.read_words(batch, rows.clone())
            && self.read_names(batch, rows.clone())
            && (!coordinates || self.read_coordinates(batch, rows.clone()))
            && self.read_ids(batch, rows, context);
        if !read {
            return false;
        }
        out.extend(&ObservationColumns {
            event_ids: &self.event_ids,
            site_ids: &self.site_ids,
            interval_starts: &self.starts,
            interval_ends: &self.ends,
            measures: &self.measures,
            subjects: &self.subjects,
            counts: &self.counts,
            origins: batch.origin.as_ref().map(|_| self.origins.as_slice()),
            coordinates: coordinates.then_some((&self.lats, &self.lngs)),
            first: context.position,
        });
        true
    }

    #[expect(
        clippy::needless_bitwise_bool,
        reason = "without branches the loop over the rows is done by vectors"
    )]
    fn read_times(&mut self, batch: &Batch<'p>, rows: Range<usize>, limits: Limits) -> bool {
        self.starts.clear();
        self.ends.clear();
        if batch.start.ints.validity.of(rows.clone()) != Presence::All
            || !batch.start.append(rows.clone(), &mut self.starts)
        {
            return false;
        }
        match &batch.end {
            None => self.ends.extend_from_slice(&self.starts),
            Some(end) => {
                let presence = end.ints.validity.of(rows.clone());
                if presence == Presence::None {
                    self.ends.extend_from_slice(&self.starts);
                } else if presence == Presence::Some || !end.append(rows, &mut self.ends) {
                    return false;
                }
            }
        }
        let (earliest, latest) = (EventTime::EARLIEST.micros(), limits.latest.micros());
        let longest = limits.interval_max.as_micros();
        // The difference cannot wrap where the other conditions hold.
        self.starts
            .iter()
            .zip(&self.ends)
            .fold(true, |good, (start, end)| {
                let (start, end) = (start.micros(), end.micros());
                good & (start >= earliest)
                    & (end <= latest)
                    & (end >= start)
                    & (end.wrapping_sub(start) <= longest)
            })
    }

    fn read_counts(&mut self, batch: &Batch<'p>, rows: Range<usize>, limits: Limits) -> bool {
        self.counts.clear();
        let counts = &mut self.counts;
        batch.count.validity.of(rows.clone()) == Presence::All
            && batch.count.each(rows, |_, count| counts.push(count))
            && counts.iter().fold(true, |good, count| {
                good & (0..=limits.count_max).contains(count)
            })
    }

    fn read_words(&mut self, batch: &Batch<'p>, rows: Range<usize>) -> bool {
        self.measures.clear();
        self.subjects.clear();
        let (measures, subjects) = (&mut self.measures, &mut self.subjects);
        let all_known = batch.measure.all(rows.clone(), |word| match word {
            Value::Text(word) => Measure::from_word(word).is_some_and(|measure| {
                measures.push(measure);
                true
            }),
            Value::Null | Value::Bytes(_) => false,
        });
        let Some(subject) = &batch.subject else {
            subjects.resize(rows.len(), Subject::default());
            return all_known;
        };
        all_known
            && subject.all(rows, |word| {
                let subject = match word {
                    Value::Null => Some(Subject::default()),
                    Value::Text(word) => Subject::from_word(word),
                    Value::Bytes(_) => None,
                };
                subject.is_some_and(|subject| {
                    subjects.push(subject);
                    true
                })
            })
    }

    fn read_names(&mut self, batch: &Batch<'p>, rows: Range<usize>) -> bool {
        self.site_ids.clear();
        self.origins.clear();
        let (site_ids, origins) = (&mut self.site_ids, &mut self.origins);
        let sites = batch.site.all(rows.clone(), |site| match site {
            Value::Text(site) if is_name(site) => {
                site_ids.push(site);
                true
            }
            _ => false,
        });
        sites
            && batch.origin.as_ref().is_none_or(|origin| {
                origin.all(rows, |origin| {
                    let origin = match origin {
                        Value::Null => None,
                        Value::Text(origin) => origin_or_unknown(Some(origin)),
                        Value::Bytes(_) => return false,
                    };
                    origins.push(origin);
                    origin.is_none_or(is_name)
                })
            })
    }

    fn read_coordinates(&mut self, batch: &Batch<'p>, rows: Range<usize>) -> bool {
        let read = |floats: Option<Floats<'p>>, numbers: &mut Vec<f64>, most: f64| {
            numbers.clear();
            if let Some(floats) = floats {
                floats.append(rows.clone(), numbers);
            }
            // Written so that NaN is outside.
            numbers
                .iter()
                .fold(true, |good, degrees| good & (degrees.abs() <= most))
        };
        read(batch.lat, &mut self.lats, 90.0) && read(batch.lng, &mut self.lngs, 180.0)
    }

    fn read_ids(&mut self, batch: &Batch<'p>, rows: Range<usize>, context: Context<'_>) -> bool {
        self.event_ids.clear();
        let event_ids = &mut self.event_ids;
        let ids = context.ids;
        let first = usize::try_from(context.position.row).unwrap_or_default();
        let placed = |nth: usize| ids.placed(at_row(context.position, first + nth), 0);
        let Some(id) = &batch.id else {
            event_ids.extend((0..rows.len()).map(placed));
            return true;
        };
        id.all(rows, |value| {
            let bytes = match value {
                Value::Text(text) => text.as_bytes(),
                Value::Bytes(bytes) if !id.is_text() => bytes,
                Value::Bytes(_) => return false,
                Value::Null => {
                    event_ids.push(placed(event_ids.len()));
                    return true;
                }
            };
            event_ids.push(ids.produced(bytes));
            !bytes.is_empty()
        })
    }
}

/// Whether all rows have coordinates, or none; `Some` where they differ, or have only one of two.
fn coordinates_of(batch: &Batch<'_>, rows: Range<usize>) -> Presence {
    let of = |floats: Option<Floats<'_>>| {
        let validity: Option<Validity<'_>> = floats.map(|floats| floats.validity);
        validity.map_or(Presence::None, |validity| validity.of(rows.clone()))
    };
    match (of(batch.lat), of(batch.lng)) {
        (Presence::All, Presence::All) => Presence::All,
        (Presence::None, Presence::None) => Presence::None,
        _ => Presence::Some,
    }
}
