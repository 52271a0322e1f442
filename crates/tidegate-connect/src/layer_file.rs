//! A layer's file of a lake, column by column: what a backtest reads.
//!
//! Only the columns that are asked for are read, subjects as numbers into a dictionary, and only the
//! row groups whose windows lie in the period, which the file's own statistics tell.

use std::fs::File;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use arrow::array::RecordBatch;
use arrow::datatypes::{DataType, Field, Schema};
use parquet::arrow::ProjectionMask;
use parquet::arrow::arrow_reader::{
    ArrowReaderMetadata, ArrowReaderOptions, ParquetRecordBatchReader,
    ParquetRecordBatchReaderBuilder,
};
use parquet::file::metadata::RowGroupMetaData;
use parquet::file::statistics::Statistics;

use crate::error::ConnectError;

/// Rows decoded at a time.
const BATCH_ROWS: usize = 65_536;

/// Columns of text that are read as numbers into a dictionary.
const DICTIONARIES: [&str; 3] = ["subject_kind", "subject", "unit"];

/// The end of a window by which row groups are left out.
const WINDOW_END: &str = "window_end";

/// A Parquet file of layer rows.
#[derive(Debug)]
pub struct LayerFile {
    path: PathBuf,
    metadata: ArrowReaderMetadata,
}

impl LayerFile {
    /// Opens `DIR/layer/NAME.parquet`, or any other file with a layer's columns.
    ///
    /// # Errors
    /// [`ConnectError::File`] where it cannot be opened, [`ConnectError::Corrupt`] where it is no
    /// Parquet file or lacks a column of `needed`.
    pub fn open(path: &Path, needed: &[&str]) -> Result<Self, ConnectError> {
        let file = File::open(path).map_err(|e| ConnectError::file("read", path, e))?;
        let bad = |detail: String| ConnectError::Corrupt {
            path: path.to_owned(),
            row: None,
            detail,
        };
        let plain = ArrowReaderMetadata::load(&file, ArrowReaderOptions::new())
            .map_err(|e| bad(e.to_string()))?;
        for name in needed {
            if plain.schema().column_with_name(name).is_none() {
                return Err(bad(format!("has no column {name}: it holds no layer")));
            }
        }
        let fields = plain.schema().fields().iter().map(|field| {
            let is_text = field.data_type() == &DataType::Utf8;
            if !is_text || !DICTIONARIES.contains(&field.name().as_str()) {
                return field.as_ref().clone();
            }
            let key = Box::new(DataType::Int32);
            let data_type = DataType::Dictionary(key, Box::new(DataType::Utf8));
            Field::new(field.name(), data_type, field.is_nullable())
        });
        let schema = Arc::new(Schema::new(fields.collect::<Vec<_>>()));
        let options = ArrowReaderOptions::new().with_schema(schema);
        let metadata = ArrowReaderMetadata::try_new(Arc::clone(plain.metadata()), options)
            .map_err(|e| bad(e.to_string()))?;
        Ok(Self {
            path: path.to_owned(),
            metadata,
        })
    }

    /// How many rows it has.
    pub fn rows(&self) -> u64 {
        let groups = self.metadata.metadata().row_groups().iter();
        groups
            .map(|group| u64::try_from(group.num_rows()).unwrap_or(0))
            .sum()
    }

    /// First and last end of a window in it, microseconds, as its statistics say; `None` of a file
    /// without rows.
    pub fn window_ends(&self) -> Option<(i64, i64)> {
        let groups = self.metadata.metadata().row_groups().iter();
        let ends: Vec<(i64, i64)> = groups.filter_map(|group| self.ends(group)).collect();
        let first = ends.iter().map(|(first, _)| *first).min()?;
        let last = ends.iter().map(|(_, last)| *last).max()?;
        Some((first, last))
    }

    /// Reads `columns` of the row groups with windows that end after `from` and at or before `to`.
    /// Rows of other windows in them come along.
    ///
    /// # Errors
    /// As [`LayerFile::open`].
    pub fn batches(
        &self,
        columns: &[&str],
        (from, to): (i64, i64),
    ) -> Result<LayerBatches, ConnectError> {
        let path = &self.path;
        let file = File::open(path).map_err(|e| ConnectError::file("read", path, e))?;
        let groups = self.metadata.metadata().row_groups().iter().enumerate();
        let groups = groups.filter(|(_, group)| {
            let ends = self.ends(group);
            ends.is_none_or(|(first, last)| last > from && first <= to)
        });
        let builder =
            ParquetRecordBatchReaderBuilder::new_with_metadata(file, self.metadata.clone());
        let mask = ProjectionMask::columns(builder.parquet_schema(), columns.iter().copied());
        let reader = builder
            .with_row_groups(groups.map(|(index, _)| index).collect())
            .with_projection(mask)
            .with_batch_size(BATCH_ROWS)
            .build();
        let reader = reader.map_err(|error| ConnectError::Corrupt {
            path: path.clone(),
            row: None,
            detail: error.to_string(),
        })?;
        Ok(LayerBatches {
            path: path.clone(),
            reader,
        })
    }

    /// First and last end of a window in a row group, where its statistics say.
    fn ends(&self, group: &RowGroupMetaData) -> Option<(i64, i64)> {
        let (index, _) = self.metadata.schema().column_with_name(WINDOW_END)?;
        match group.column(index).statistics()? {
            Statistics::Int64(ends) => Some((*ends.min_opt()?, *ends.max_opt()?)),
            _ => None,
        }
    }
}

/// The rows of a [`LayerFile`].
pub struct LayerBatches {
    path: PathBuf,
    reader: ParquetRecordBatchReader,
}

impl Iterator for LayerBatches {
    type Item = Result<RecordBatch, ConnectError>;

    fn next(&mut self) -> Option<Self::Item> {
        let batch = self.reader.next()?;
        Some(batch.map_err(|error| ConnectError::Corrupt {
            path: self.path.clone(),
            row: None,
            detail: error.to_string(),
        }))
    }
}

impl std::fmt::Debug for LayerBatches {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("LayerBatches")
            .field("path", &self.path)
            .finish_non_exhaustive()
    }
}
