//! Whether what the feeds deliver can be trusted: a table with a row for each feed and window.
//!
//! Two things are told of a window, and they are not the same:
//! - what its on-time records *say*: how many there are, of which sites, of how many persons the
//!   origin is unknown. A record over several windows is in each. By this a window is complete or
//!   not, and it is the same whenever the records came.
//! - what was *delivered* while the feed stood there: messages, rejections and their reasons, late
//!   and repeated records, delays. A rejection has no event time, so it counts where its partition
//!   stood: at the newest event time before it in the log. Neither batches nor the interleaving of
//!   partitions change that, unless windows closed without the feed; then it counts in the next.
//!
//! Promises: nothing here changes a count. The same steps give the same rows (T1), and with the
//! state of a snapshot they go on. No clock is asked: a feed that is silent among others is seen when
//! a window closes; that *all* are silent only the caller's clock can tell, and
//! [`Qualities::silent`] keeps it from being told twice.
//!
//! A layer's row about a venue, a site or a cell rests on the feeds that ever delivered a record
//! there. Where its SQL gives no `coverage`, it is the least of theirs.

use std::collections::BTreeMap;
use std::sync::Arc;

use arrow::array::{Array, ArrayRef, AsArray, Float64Array, RecordBatch, StringArray};
use arrow::datatypes::Float64Type;
use jiff::tz::TimeZone;
use tidegate_engine::WindowSpec;
use tidegate_model::{EventTime, FeedId, ObservationBatch, Span};
use tidegate_query::no_value;

mod delays;
mod feed;
mod places;
mod profile;
mod table;
mod verdict;

use feed::FeedQuality;
pub(crate) use feed::{Chunk, FeedQualityState};
pub(crate) use table::FEED_SITE_SCHEMA;
use table::Rows;
pub use table::{FEED_QUALITY_SCHEMA, FEED_REJECTED_SCHEMA};
use verdict::STALE_BELOW;

/// A feed fell silent, or is heard again.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Hearing {
    Silent { since: Span },
    Heard,
}

/// The tables of one window.
#[derive(Debug)]
pub(crate) struct QualityTables {
    /// Rows of [`FEED_QUALITY_SCHEMA`].
    pub(crate) quality: RecordBatch,
    /// Rows of [`FEED_REJECTED_SCHEMA`].
    pub(crate) rejected: RecordBatch,
    /// Rows of [`FEED_SITE_SCHEMA`].
    pub(crate) sites: RecordBatch,
    /// Feeds that are silent.
    pub(crate) silent: Vec<FeedId>,
}

/// The quality of all feeds of a pipeline, by windows of its first window query; of overlapping
/// windows by the last slide of each.
#[derive(Debug)]
pub(crate) struct Qualities {
    grid: WindowSpec,
    zone: TimeZone,
    feeds: BTreeMap<FeedId, FeedQuality>,
}

impl Qualities {
    /// Of these feeds, each with what its file says of silence.
    pub(crate) fn new<'a>(
        grid: &WindowSpec,
        zone: &TimeZone,
        feeds: impl Iterator<Item = (&'a FeedId, Option<Span>)>,
    ) -> Self {
        let feeds = feeds.map(|(feed, silent_after)| {
            (
                feed.clone(),
                FeedQuality::new(feed, grid.clone(), silent_after),
            )
        });
        Self {
            grid: grid.clone(),
            zone: zone.clone(),
            feeds: feeds.collect(),
        }
    }

    /// Takes messages that were read, before their records go on.
    pub(crate) fn read(&mut self, feed: &FeedId, chunk: Chunk<'_>) {
        if let Some(quality) = self.feeds.get_mut(feed) {
            quality.read(chunk);
        }
    }

    /// Whether the messages that were read last said anything new: not where every record of theirs
    /// had been read before.
    pub(crate) fn is_heard(&self, feed: &FeedId) -> bool {
        self.feeds.get(feed).is_some_and(FeedQuality::is_heard)
    }

    /// Nobody needs to think any more that the feed is silent; what to tell, if somebody does.
    pub(crate) fn heard(&mut self, feed: &FeedId) -> Option<Hearing> {
        let quality = self.feeds.get_mut(feed)?;
        quality.set_told(false).then_some(Hearing::Heard)
    }

    /// Records of the messages that were read last are too late.
    pub(crate) fn late(&mut self, feed: &FeedId, batch: &ObservationBatch) {
        if let Some(quality) = self.feeds.get_mut(feed) {
            quality.late(batch);
        }
    }

    /// Records of the messages that were read last were read before.
    pub(crate) fn duplicate(&mut self, feed: &FeedId, batch: &ObservationBatch) {
        if let Some(quality) = self.feeds.get_mut(feed) {
            quality.duplicate(batch);
        }
    }

    /// How long without records is silence, of this feed.
    pub(crate) fn silent_after(&self, feed: &FeedId) -> Option<Span> {
        self.feeds.get(feed).map(FeedQuality::silent_after)
    }

    /// Somebody is told that the feed is silent; what to tell, unless somebody was.
    pub(crate) fn silent(&mut self, feed: &FeedId) -> Option<Hearing> {
        let quality = self.feeds.get_mut(feed)?;
        let since = quality.silent_after();
        let is_news = !quality.set_told(true);
        is_news.then_some(Hearing::Silent { since })
    }

    /// Closes the window that ends at `end`.
    pub(crate) fn close(&mut self, end: EventTime) -> QualityTables {
        let start = end.minus(self.grid.slide());
        let hour = profile::hour_of_week(&self.zone, start);
        let mut silent = Vec::new();
        let mut rows = Rows::new((start, end));
        for (feed, quality) in &mut self.feeds {
            let silent_after = quality.silent_after();
            let is_past = quality.newest().is_some_and(|newest| newest > end);
            let closed = quality.close(end, hour);
            let since = closed.verdict.silent_for_s.unwrap_or(0.0);
            let is_silent = closed.verdict.is_stale() && since >= silent_after.as_seconds_f64();
            rows.add(feed, silent_after, &closed);
            // A silence after which the feed was heard again is history.
            if is_silent && !is_past {
                silent.push(feed.clone());
            }
        }
        QualityTables {
            quality: rows.quality(),
            rejected: rows.rejected(),
            sites: rows.sites(),
            silent,
        }
    }

    /// The rows of a layer with the coverage and the age of what they rest on, where its SQL gives
    /// none. A row with too little of it is marked as stale, and a zero that rests on nothing is no
    /// zero: it becomes null.
    pub(crate) fn mark(&self, rows: &RecordBatch) -> RecordBatch {
        let text = |name: &str| column(rows, name).as_string::<i32>().clone();
        let number = |name: &str| column(rows, name).as_primitive::<Float64Type>().clone();
        let (kinds, subjects) = (text("subject_kind"), text("subject"));
        let (coverage, age) = (number("coverage"), number("data_age"));
        let mut marks = Vec::with_capacity(rows.num_rows());
        for row in 0..rows.num_rows() {
            let own = self.rests_on(kinds.value(row), subjects.value(row));
            let coverage = value(&coverage, row).or(own.coverage);
            let age = value(&age, row).or(own.data_age);
            marks.push((
                coverage,
                age,
                coverage.is_some_and(|share| share < STALE_BELOW),
            ));
        }
        let (zero, reasons) = (number("value"), text("reason"));
        let is_believed = |row: usize| !(marks[row].2 && value(&zero, row) == Some(0.0));
        let believed = |name: &str| -> ArrayRef {
            let values = number(name);
            let kept =
                (0..rows.num_rows()).map(|row| value(&values, row).filter(|_| is_believed(row)));
            Arc::new(kept.collect::<Float64Array>())
        };
        let schema = rows.schema();
        let columns = schema.fields().iter().map(|field| -> ArrayRef {
            match field.name().as_str() {
                name @ ("value" | "lo" | "hi") => believed(name),
                "coverage" => Arc::new(marks.iter().map(|mark| mark.0).collect::<Float64Array>()),
                "data_age" => Arc::new(marks.iter().map(|mark| mark.1).collect::<Float64Array>()),
                "status" => {
                    let status = marks.iter().map(|mark| mark.2.then_some("stale"));
                    Arc::new(status.collect::<StringArray>())
                }
                "reason" => {
                    let reasons = reasons.iter().enumerate().map(|(row, reason)| {
                        reason.or((!is_believed(row)).then_some(no_value::STALE))
                    });
                    Arc::new(reasons.collect::<StringArray>())
                }
                name => Arc::clone(column(rows, name)),
            }
        });
        let columns = columns.collect();
        RecordBatch::try_new(Arc::clone(&schema), columns).expect("the columns of the same rows")
    }

    /// Whether the feeds that ever delivered a record at this place are heard well enough now; not
    /// where none ever did.
    pub(crate) fn is_heard_at(&self, kind: &str, subject: &str) -> bool {
        let coverage = self.rests_on(kind, subject).coverage;
        coverage.is_some_and(|share| share >= STALE_BELOW)
    }

    fn rests_on(&self, kind: &str, subject: &str) -> RestsOn {
        let feeds = self.feeds.values().filter(|feed| feed.is_at(kind, subject));
        feeds.fold(RestsOn::default(), |least, feed| {
            let verdict = feed.verdict();
            RestsOn {
                coverage: pick(least.coverage, verdict.coverage, f64::min),
                data_age: pick(least.data_age, verdict.silent_for_s, f64::max),
            }
        })
    }

    /// Everything that is remembered.
    pub(crate) fn state(&self) -> Vec<(String, FeedQualityState)> {
        let feeds = self.feeds.iter();
        feeds
            .map(|(feed, quality)| (feed.to_string(), quality.state()))
            .collect()
    }

    /// Goes on where `state` was taken; the feed that does not fit, else.
    pub(crate) fn restore(&mut self, state: Vec<(String, FeedQualityState)>) -> Result<(), String> {
        for (feed, state) in state {
            let quality = self.feeds.get_mut(&FeedId::new(&feed));
            let restored = quality.and_then(|quality| quality.restore(state));
            restored.ok_or_else(|| format!("feed {feed} does not fit its stored quality"))?;
        }
        Ok(())
    }
}

/// What a subject rests on.
#[derive(Debug, Clone, Copy, Default)]
struct RestsOn {
    coverage: Option<f64>,
    data_age: Option<f64>,
}

fn pick(a: Option<f64>, b: Option<f64>, choose: fn(f64, f64) -> f64) -> Option<f64> {
    match (a, b) {
        (Some(a), Some(b)) => Some(choose(a, b)),
        (a, b) => a.or(b),
    }
}

fn column<'a>(rows: &'a RecordBatch, name: &str) -> &'a ArrayRef {
    rows.column_by_name(name).expect("a layer column")
}

fn value(column: &Float64Array, row: usize) -> Option<f64> {
    column.is_valid(row).then(|| column.value(row))
}
