//! The state rows of a window query, and how many there may be.

use std::collections::BTreeMap;
use std::sync::Arc;

use arrow::array::{Array, AsArray, RecordBatch};
use arrow::compute::{SortColumn, concat_batches, lexsort_to_indices, take, take_record_batch};
use arrow::datatypes::{SchemaRef, TimestampMicrosecondType};
use arrow::error::ArrowError;
use datafusion::common::Result;
use tidegate_model::EventTime;

use super::WindowQuery;

/// Batches that wait to be sorted into their windows: beyond, they are, so that many small ones
/// do not cost more than their rows.
const UNSORTED_BATCHES_MAX: usize = 1_024;
/// Batches are put together as long as they do not exceed this: far from what 32-bit offsets hold.
const TOGETHER_BYTES_MAX: usize = 64 << 20;

/// Why a snapshot of state rows cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum RestoreError {
    /// The query has other group keys or aggregates than the one that made the snapshot.
    #[error(
        "the snapshot's state rows have columns {found}, but the window query now has {expected}"
    )]
    Columns {
        /// Names and types of the snapshot's columns.
        found: String,
        /// Names and types that the query's state has.
        expected: String,
    },
    /// The rows are not what their columns promise.
    #[error("the snapshot's state rows are damaged: {0}")]
    Damaged(#[from] ArrowError),
}

/// How much state there is.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Weight {
    pub(super) rows: usize,
    pub(super) bytes: usize,
}

impl Weight {
    fn of(batch: &RecordBatch) -> Self {
        let bytes = |column: &Arc<dyn Array>| {
            let data = column.to_data();
            data.get_slice_memory_size()
                .unwrap_or_else(|_| column.get_array_memory_size())
        };
        Self {
            rows: batch.num_rows(),
            bytes: batch.columns().iter().map(bytes).sum(),
        }
    }

    fn plus(self, other: Self) -> Self {
        Self {
            rows: self.rows + other.rows,
            bytes: self.bytes + other.bytes,
        }
    }

    fn minus(self, other: Self) -> Self {
        Self {
            rows: self.rows - other.rows,
            bytes: self.bytes - other.bytes,
        }
    }

    fn at_most(self, other: Self) -> Self {
        Self {
            rows: self.rows.min(other.rows),
            bytes: self.bytes.min(other.bytes),
        }
    }
}

/// The state rows of one window query, for all windows that are open.
#[derive(Debug, Default)]
pub struct WindowState {
    /// Rows of any window, as they came.
    unsorted: Batches,
    /// Rows by the end of their window.
    windows: BTreeMap<EventTime, Batches>,
    /// How much was left when rows of the same group were last merged, and not more than there is.
    reduced: Weight,
}

impl WindowState {
    /// The state that was once given out by [`WindowState::rows`], for the same query.
    ///
    /// # Errors
    /// [`RestoreError`], when `rows` do not fit `query`.
    pub fn restore(query: &WindowQuery, rows: Vec<RecordBatch>) -> Result<Self, RestoreError> {
        let schema = query.state_schema();
        let mut state = Self::default();
        for batch in rows {
            let found = batch.schema();
            let fits = found.fields().len() == schema.fields().len()
                && found
                    .fields()
                    .iter()
                    .zip(schema.fields())
                    .all(|(a, b)| a.name() == b.name() && a.data_type() == b.data_type());
            if !fits {
                return Err(RestoreError::Columns {
                    found: columns(&found),
                    expected: columns(&schema),
                });
            }
            // Checks for nulls, and leaves behind what a file format adds to a schema.
            let batch = RecordBatch::try_new(Arc::clone(&schema), batch.columns().to_vec())?;
            if batch.column(1).null_count() > 0 {
                let message = "a row has no window".to_owned();
                return Err(ArrowError::InvalidArgumentError(message).into());
            }
            state.unsorted.push(batch);
        }
        Ok(state)
    }

    /// All state rows of all windows, for a snapshot. Nothing is copied or changed.
    ///
    /// A state restored from them gives the same panes, whatever is accumulated afterwards.
    pub fn rows(&self) -> Vec<RecordBatch> {
        let sorted = self.windows.values().flat_map(|window| &window.batches);
        sorted.chain(&self.unsorted.batches).cloned().collect()
    }

    /// State rows held, for all windows: at least one for each group, and more until rows of the
    /// same group are merged.
    pub fn row_count(&self) -> usize {
        self.weight().rows
    }

    /// Bytes that the state rows take, without what their buffers have in reserve.
    pub fn byte_count(&self) -> usize {
        self.weight().bytes
    }

    /// The state rows of the window that ends at `end`, kept.
    ///
    /// # Errors
    /// DataFusion's.
    pub fn peek(&mut self, end: EventTime) -> Result<Vec<RecordBatch>> {
        self.settle()?;
        let window = self.windows.get(&end);
        Ok(window.map_or_else(Vec::new, |window| window.batches.clone()))
    }

    /// The state rows of the window that ends at `end`, removed.
    ///
    /// # Errors
    /// DataFusion's.
    pub fn take(&mut self, end: EventTime) -> Result<Vec<RecordBatch>> {
        self.settle()?;
        let window = self.windows.remove(&end).unwrap_or_default();
        self.reduced = self.reduced.at_most(self.weight());
        Ok(window.batches)
    }

    /// Drops the state rows of windows that ended before `before`.
    ///
    /// # Errors
    /// DataFusion's.
    pub fn forget(&mut self, before: EventTime) -> Result<()> {
        self.settle()?;
        self.windows = self.windows.split_off(&before);
        self.reduced = self.reduced.at_most(self.weight());
        Ok(())
    }

    /// Ends of the windows that hold rows, ascending.
    ///
    /// # Errors
    /// DataFusion's.
    pub fn open(&mut self) -> Result<Vec<EventTime>> {
        self.settle()?;
        Ok(self.windows.keys().copied().collect())
    }

    fn weight(&self) -> Weight {
        let windows = self.windows.values().map(|window| window.weight);
        windows.fold(self.unsorted.weight, Weight::plus)
    }

    /// Whether rows of the same group should be merged, wherever they are.
    pub(super) fn should_reduce(&self, above: Weight) -> bool {
        let held = self.weight();
        held.rows > above.rows.max(2 * self.reduced.rows)
            || held.bytes > above.bytes.max(2 * self.reduced.bytes)
    }

    pub(super) fn extend(&mut self, batches: Vec<RecordBatch>) {
        for batch in batches {
            self.unsorted.push(batch);
        }
    }

    /// Takes `batches`, in which each group has one row, for all that was.
    pub(super) fn replace(&mut self, batches: Vec<RecordBatch>) {
        *self = Self::default();
        self.extend(batches);
        self.reduced = self.weight();
    }

    /// Sorts rows into their windows when they are in too many batches.
    pub(super) fn settle_if_scattered(&mut self) -> Result<()> {
        if self.unsorted.batches.len() > UNSORTED_BATCHES_MAX {
            self.settle()?;
        }
        Ok(())
    }

    /// Sorts what came since the last time into its windows.
    fn settle(&mut self) -> Result<()> {
        while !self.unsorted.batches.is_empty() {
            // A few at a time, so that no offset overflows and a copy never doubles the state.
            let (n_batches, rows) = self.unsorted.head();
            let windows = by_window(&rows)?;
            self.unsorted.drop_head(n_batches);
            for (end, batch) in windows {
                self.windows.entry(end).or_default().push_together(batch);
            }
        }
        Ok(())
    }
}

/// Batches of one schema, weighed.
#[derive(Debug, Default)]
struct Batches {
    batches: Vec<RecordBatch>,
    weight: Weight,
}

impl Batches {
    fn push(&mut self, batch: RecordBatch) {
        self.weight = self.weight.plus(Weight::of(&batch));
        self.batches.push(batch);
    }

    /// Adds `batch`, put together with earlier ones that are not much larger: so the number of
    /// batches stays logarithmic, and each row is copied that often.
    fn push_together(&mut self, mut batch: RecordBatch) {
        while let Some(last) = self.batches.last() {
            let weight = Weight::of(last);
            let bytes = weight.plus(Weight::of(&batch)).bytes;
            if last.num_rows() >= 2 * batch.num_rows() || bytes > TOGETHER_BYTES_MAX {
                break;
            }
            // What cannot be put together stays apart.
            let Ok(together) = concat_batches(&last.schema(), [last, &batch]) else {
                break;
            };
            self.batches.pop();
            self.weight = self.weight.minus(weight);
            batch = together;
        }
        self.push(batch);
    }

    /// The first batches, as one, and how many they are. There must be one.
    fn head(&self) -> (usize, RecordBatch) {
        let mut bytes = 0;
        let small = |batch: &&RecordBatch| {
            bytes += Weight::of(batch).bytes;
            bytes <= TOGETHER_BYTES_MAX
        };
        let n_batches = self.batches.iter().take_while(small).count();
        let head = &self.batches[..n_batches];
        match concat_batches(&self.batches[0].schema(), head) {
            Ok(together) if n_batches > 1 => (n_batches, together),
            _ => (1, self.batches[0].clone()),
        }
    }

    fn drop_head(&mut self, n_batches: usize) {
        for batch in self.batches.drain(..n_batches) {
            self.weight = self.weight.minus(Weight::of(&batch));
        }
    }
}

/// The rows of each window, in buffers of their own, so that a window that goes leaves nothing.
fn by_window(rows: &RecordBatch) -> Result<Vec<(EventTime, RecordBatch)>> {
    // The window's start and end are the first two group keys.
    let keys = [SortColumn {
        values: Arc::clone(rows.column(1)),
        options: None,
    }];
    let order = lexsort_to_indices(&keys, None)?;
    let ends = take(rows.column(1), &order, None)?;
    let ends = ends.as_primitive::<TimestampMicrosecondType>().values();
    let mut windows = Vec::new();
    let mut from = 0;
    while from < ends.len() {
        let n_rows = ends[from..].partition_point(|end| *end == ends[from]);
        let window = take_record_batch(rows, &order.slice(from, n_rows))?;
        windows.push((EventTime::from_micros(ends[from]), window));
        from += n_rows;
    }
    Ok(windows)
}

fn columns(schema: &SchemaRef) -> String {
    let column =
        |field: &arrow::datatypes::FieldRef| format!("{} {}", field.name(), field.data_type());
    let columns: Vec<String> = schema.fields().iter().map(column).collect();
    columns.join(", ")
}
