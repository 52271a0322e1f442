//! Batches of a layer's file as the columns that a backtest takes.

use anyhow::{Context, Result};
use arrow::array::{Array, ArrayRef, AsArray, BooleanArray, DictionaryArray, RecordBatch};
use arrow::compute::filter_record_batch;
use arrow::datatypes::{Float64Type, Int32Type, TimestampMicrosecondType};
use tidegate_alerts::backtest::{Columns, Subjects};
use tidegate_pipeline::Directory;

/// The final rows of the period whose revision is `wanted`; the batch itself where that is all.
pub(super) fn chosen(
    batch: &RecordBatch,
    (from, to): (i64, i64),
    wanted: impl Fn(i32) -> bool,
) -> Result<RecordBatch> {
    let ends = times(batch, "window_end")?;
    let revisions = column(batch, "revision")?
        .as_primitive::<Int32Type>()
        .values();
    let finals = column(batch, "is_final")?.as_boolean();
    let all_final = finals.true_count() == batch.num_rows();
    let is_chosen = |row: usize| {
        wanted(revisions[row])
            && (all_final || finals.value(row))
            && ends[row] > from
            && ends[row] <= to
    };
    let count = (0..batch.num_rows()).filter(|row| is_chosen(*row)).count();
    if count == batch.num_rows() {
        return Ok(batch.clone());
    }
    let mask: BooleanArray = (0..batch.num_rows())
        .map(|row| Some(is_chosen(row)))
        .collect();
    Ok(filter_record_batch(batch, &mask)?)
}

fn column<'a>(batch: &'a RecordBatch, name: &str) -> Result<&'a ArrayRef> {
    batch
        .column_by_name(name)
        .with_context(|| format!("the rows have no column {name}"))
}

pub(super) fn times<'a>(batch: &'a RecordBatch, name: &str) -> Result<&'a [i64]> {
    let column = column(batch, name)?.as_primitive_opt::<TimestampMicrosecondType>();
    let column = column.with_context(|| format!("column {name} holds no times"))?;
    Ok(column.values())
}

/// Takes subjects, rows and the revision of each.
pub(super) type Pass<'a> = dyn FnMut(&Subjects, &Columns<'_>, &[i32]) + 'a;

/// Makes columns of batches.
pub(super) struct Reader {
    /// The subjects met so far.
    pub(super) subjects: Subjects,
    directory: Directory,
}

impl Reader {
    /// A reader that has met nobody; `directory` knows who they are.
    pub(super) fn new(directory: Directory) -> Self {
        Self {
            subjects: Subjects::default(),
            directory,
        }
    }

    /// Passes the rows of a batch on.
    pub(super) fn show(&mut self, batch: &RecordBatch, pass: &mut Pass<'_>) -> Result<()> {
        let numbers = |name: &str| -> Result<Option<Vec<f64>>> {
            let Some(column) = batch.column_by_name(name) else {
                return Ok(None);
            };
            let column = column.as_primitive::<Float64Type>();
            if column.null_count() == column.len() {
                return Ok(None);
            }
            let mut numbers = column.values().to_vec();
            if let Some(nulls) = column.nulls() {
                for (row, number) in numbers.iter_mut().enumerate() {
                    if nulls.is_null(row) {
                        *number = f64::NAN;
                    }
                }
            }
            Ok(Some(numbers))
        };
        let none = || vec![f64::NAN; batch.num_rows()];
        let value = numbers("value")?.unwrap_or_else(none);
        let (lo, coverage) = (numbers("lo")?, numbers("coverage")?);
        let subject = self.numbers(batch)?;
        let revisions = column(batch, "revision")?
            .as_primitive::<Int32Type>()
            .values();
        let columns = Columns {
            window_start: times(batch, "window_start")?,
            window_end: times(batch, "window_end")?,
            subject: &subject,
            value: &value,
            lo: lo.as_deref(),
            coverage: coverage.as_deref(),
        };
        pass(&self.subjects, &columns, revisions);
        Ok(())
    }

    /// The number of each row's subject. A pair of dictionary keys is looked up once a batch.
    fn numbers(&mut self, batch: &RecordBatch) -> Result<Vec<u32>> {
        let dictionary = |name: &str| -> Result<&DictionaryArray<Int32Type>> {
            let column = column(batch, name)?.as_dictionary_opt::<Int32Type>();
            column.with_context(|| format!("column {name} holds no text"))
        };
        let (kinds, ids) = (dictionary("subject_kind")?, dictionary("subject")?);
        let kind_names = kinds.values().as_string::<i32>();
        let id_names = ids.values().as_string::<i32>();
        let width = id_names.len();
        let mut known = vec![u32::MAX; width * kind_names.len()];
        let (subjects, directory) = (&mut self.subjects, &self.directory);
        let rows = kinds.keys().values().iter().zip(ids.keys().values());
        let numbers = rows.map(|(kind, id)| {
            let (kind, id) = (usize::try_from(*kind)?, usize::try_from(*id)?);
            let number = &mut known[kind * width + id];
            if *number == u32::MAX {
                let (kind, id) = (kind_names.value(kind), id_names.value(id));
                *number = subjects.number(kind, id, || directory.describe(kind, id));
            }
            Ok(*number)
        });
        numbers.collect()
    }
}
