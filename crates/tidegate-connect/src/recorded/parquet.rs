//! Parquet files as JSON objects, one a row.

use std::collections::VecDeque;
use std::fs::File;
use std::path::Path;

use arrow::array::RecordBatch;
use arrow::json::LineDelimitedWriter;
use arrow::json::WriterBuilder;
use arrow::json::writer::LineDelimited;
use parquet::arrow::arrow_reader::{ParquetRecordBatchReader, ParquetRecordBatchReaderBuilder};

use crate::error::ConnectError;

/// Rows decoded at a time.
const BATCH_ROWS: usize = 1024;

/// The rows of a Parquet file.
pub(super) struct Rows {
    reader: ParquetRecordBatchReader,
    ready: VecDeque<Vec<u8>>,
    /// Number of the next row to decode, from 1.
    row: u64,
}

impl Rows {
    pub(super) fn new(file: File, path: &Path) -> Result<Self, ConnectError> {
        let reader = ParquetRecordBatchReaderBuilder::try_new(file)
            .and_then(|builder| builder.with_batch_size(BATCH_ROWS).build())
            .map_err(|error| ConnectError::Corrupt {
                path: path.to_owned(),
                row: None,
                detail: error.to_string(),
            })?;
        Ok(Self {
            reader,
            ready: VecDeque::new(),
            row: 1,
        })
    }

    pub(super) fn next_row(&mut self, path: &Path) -> Result<Option<Vec<u8>>, ConnectError> {
        while self.ready.is_empty() {
            let Some(batch) = self.reader.next() else {
                return Ok(None);
            };
            self.ready =
                batch
                    .and_then(|batch| objects(&batch))
                    .map_err(|error| ConnectError::Corrupt {
                        path: path.to_owned(),
                        row: Some(self.row),
                        detail: format!("in the {BATCH_ROWS} rows from there: {error}"),
                    })?;
            self.row += self.ready.len() as u64;
        }
        Ok(self.ready.pop_front())
    }
}

impl std::fmt::Debug for Rows {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Rows")
            .field("row", &self.row)
            .finish_non_exhaustive()
    }
}

/// Each row as a JSON object with every column, `null` where it has no value. Integers stay
/// integers; a time with a zone is RFC 3339, one without has no offset.
fn objects(batch: &RecordBatch) -> Result<VecDeque<Vec<u8>>, arrow::error::ArrowError> {
    let mut bytes = Vec::new();
    let mut writer: LineDelimitedWriter<_> = WriterBuilder::new()
        .with_explicit_nulls(true)
        .build::<_, LineDelimited>(&mut bytes);
    writer.write(batch)?;
    writer.finish()?;
    drop(writer);
    // Line ends inside strings are escaped in JSON, so every one ends an object.
    Ok(bytes
        .split(|byte| *byte == b'\n')
        .filter(|line| !line.is_empty())
        .map(<[u8]>::to_vec)
        .collect())
}
