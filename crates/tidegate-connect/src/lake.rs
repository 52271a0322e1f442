//! The lake of one run: Parquet files by table, and a summary.
//!
//! ```text
//! DIR/pane/NAME.parquet   DIR/layer/…   DIR/alert/…   DIR/late/…   DIR/duplicate/…   DIR/rejected/…   DIR/summary.json
//! ```
//!
//! Promises: the same rows in the same order give the same bytes, however they were cut into
//! batches. Files are written under `DIR/.partial` and appear only in [`Lake::finish`]; a run that
//! ends earlier leaves what was there before.
//! `DIR/summary.json` is the mark of a whole run: finishing removes the old one first, puts every
//! file in its place (replacing an earlier run's, and removing its other files in the six
//! folders), and writes the new one last. A folder without it holds no whole run.

use std::collections::BTreeMap;
use std::fs::{self, File, TryLockError};
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use arrow::array::RecordBatch;
use arrow::compute::BatchCoalescer;
use arrow::datatypes::{Field, Schema, SchemaRef};
use parquet::arrow::ArrowWriter;
use parquet::basic::{Compression, ZstdLevel};
use parquet::errors::ParquetError;
use parquet::file::properties::{EnabledStatistics, WriterProperties};

use crate::error::{ConnectError, is_full};

/// Rows written at a time, whatever size they come in: page and row group borders then depend on
/// the rows alone.
const CHUNK_ROWS: usize = 8192;
/// Rows of a row group, the unit that is held in memory while it is written.
const ROW_GROUP_ROWS: usize = 16 * CHUNK_ROWS;

const PARTIAL: &str = ".partial";
const SUMMARY: &str = "summary.json";

/// The folders of a lake.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum LakeTable {
    /// Closed windows.
    Pane,
    /// Layer rows.
    Layer,
    /// Alert transitions.
    Alert,
    /// Records that came too late.
    Late,
    /// Records whose ids were seen before.
    Duplicate,
    /// Records that could not be counted.
    Rejected,
    /// What feeds delivered, window by window.
    FeedQuality,
    /// Of that, rejections by their reasons.
    FeedRejected,
    /// Forecasts of layers.
    Forecast,
    /// Whether values of layers are higher than normal.
    Aberration,
}

impl LakeTable {
    /// Every table.
    pub const ALL: [Self; 10] = [
        Self::Pane,
        Self::Layer,
        Self::Alert,
        Self::Late,
        Self::Duplicate,
        Self::Rejected,
        Self::FeedQuality,
        Self::FeedRejected,
        Self::Forecast,
        Self::Aberration,
    ];

    /// The name of its folder.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Pane => "pane",
            Self::Layer => "layer",
            Self::Alert => "alert",
            Self::Late => "late",
            Self::Duplicate => "duplicate",
            Self::Rejected => "rejected",
            Self::FeedQuality => "feed_quality",
            Self::FeedRejected => "feed_rejected",
            Self::Forecast => "forecast",
            Self::Aberration => "aberration",
        }
    }
}

/// The output folder of one run while it is written.
///
/// Dropped without [`Lake::finish`], it removes what it wrote.
#[derive(Debug)]
pub struct Lake {
    dir: PathBuf,
    /// Whether the folder was made by this run and goes with it when it fails.
    made_dir: bool,
    files: BTreeMap<(LakeTable, String), TableFile>,
    finished: bool,
    // Closing it, also by the death of the process, releases the lock on the folder.
    _lock: File,
}

impl Lake {
    /// Prepares a folder, making it when it is not there. What an earlier run left in it stays
    /// until [`Lake::finish`].
    ///
    /// # Errors
    /// [`ConnectError::Busy`] while another run writes there; [`ConnectError::File`] when the
    /// folder cannot be made or written to.
    pub fn create(dir: impl AsRef<Path>) -> Result<Self, ConnectError> {
        let dir = dir.as_ref();
        let made_dir = !dir.exists();
        fs::create_dir_all(dir).map_err(|e| ConnectError::file("make folder", dir, e))?;
        // The folder itself is locked, so that no lock file is left in a lake.
        let lock = File::open(dir).map_err(|e| ConnectError::file("open folder", dir, e))?;
        match lock.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => {
                return Err(ConnectError::Busy {
                    dir: dir.to_owned(),
                });
            }
            Err(TryLockError::Error(error)) => {
                return Err(ConnectError::file("lock folder", dir, error));
            }
        }
        let lake = Self {
            dir: dir.to_owned(),
            made_dir,
            files: BTreeMap::new(),
            finished: false,
            _lock: lock,
        };
        // The remains of a run that was killed; nobody else writes here now.
        remove_dir(&lake.partial())?;
        for table in LakeTable::ALL {
            let folder = lake.partial().join(table.as_str());
            fs::create_dir_all(&folder)
                .map_err(|e| ConnectError::file("make folder", &folder, e))?;
        }
        Ok(lake)
    }

    /// The folder.
    pub fn dir(&self) -> &Path {
        &self.dir
    }

    /// Makes sure that a file with this schema will be there, even without rows.
    ///
    /// # Errors
    /// [`ConnectError::Table`] for a name that is no plain file name, or for a schema other than
    /// that of an earlier call; [`ConnectError::File`] and [`ConnectError::DiskFull`].
    pub fn declare(
        &mut self,
        table: LakeTable,
        name: &str,
        schema: &SchemaRef,
    ) -> Result<(), ConnectError> {
        let schema = plain(schema);
        let key = (table, name.to_owned());
        if let Some(file) = self.files.get(&key) {
            return file.check(&schema);
        }
        check_name(table, name)?;
        let path = self.partial_file(table, name);
        let file = File::create(&path).map_err(|e| ConnectError::file("write", &path, e))?;
        let shown = self.final_file(table, name);
        self.files
            .insert(key, TableFile::new(file, shown, &schema)?);
        Ok(())
    }

    /// Appends rows to `DIR/TABLE/NAME.parquet`. The first call, or [`Lake::declare`], fixes the
    /// schema; metadata of schemas and fields is not kept.
    ///
    /// # Errors
    /// As [`Lake::declare`].
    pub fn write(
        &mut self,
        table: LakeTable,
        name: &str,
        batch: &RecordBatch,
    ) -> Result<(), ConnectError> {
        self.declare(table, name, &batch.schema())?;
        match self.files.get_mut(&(table, name.to_owned())) {
            Some(file) => file.write(batch),
            None => unreachable!("the table was declared in the line before"),
        }
    }

    /// Closes every file, puts them in their places and writes the summary, all of it synced to
    /// disk.
    ///
    /// # Errors
    /// [`ConnectError::DiskFull`] and [`ConnectError::File`]. When a file cannot be closed, nothing
    /// of this run appears; when one cannot be moved, no `summary.json` is there.
    pub fn finish(mut self, summary: &serde_json::Value) -> Result<(), ConnectError> {
        let files = std::mem::take(&mut self.files);
        let keys: Vec<(LakeTable, String)> = files.keys().cloned().collect();
        for file in files.into_values() {
            file.close()?;
        }
        let staged_summary = self.partial().join(SUMMARY);
        write_summary(&staged_summary, summary)?;

        let mark = self.dir.join(SUMMARY);
        remove_file(&mark)?;
        sync_dir(&self.dir)?;
        for table in LakeTable::ALL {
            self.publish(table, &keys)?;
        }
        rename(&staged_summary, &mark)?;
        sync_dir(&self.dir)?;
        self.finished = true;
        remove_dir(&self.partial())
    }

    /// Moves one table's files into place and removes those that an earlier run left.
    fn publish(&self, table: LakeTable, keys: &[(LakeTable, String)]) -> Result<(), ConnectError> {
        let folder = self.dir.join(table.as_str());
        fs::create_dir_all(&folder).map_err(|e| ConnectError::file("make folder", &folder, e))?;
        let listed = |e| ConnectError::file("list", &folder, e);
        let mut kept = Vec::new();
        for (_, name) in keys.iter().filter(|(of, _)| *of == table) {
            let place = self.final_file(table, name);
            rename(&self.partial_file(table, name), &place)?;
            kept.push(place);
        }
        for entry in fs::read_dir(&folder).map_err(listed)? {
            let path = entry.map_err(listed)?.path();
            let parquet = path.extension().is_some_and(|e| e == "parquet");
            if parquet && !kept.contains(&path) {
                remove_file(&path)?;
            }
        }
        sync_dir(&folder)
    }

    fn partial(&self) -> PathBuf {
        self.dir.join(PARTIAL)
    }

    fn partial_file(&self, table: LakeTable, name: &str) -> PathBuf {
        self.partial()
            .join(table.as_str())
            .join(format!("{name}.parquet"))
    }

    fn final_file(&self, table: LakeTable, name: &str) -> PathBuf {
        self.dir
            .join(table.as_str())
            .join(format!("{name}.parquet"))
    }
}

impl Drop for Lake {
    fn drop(&mut self) {
        if self.finished {
            return;
        }
        self.files.clear();
        if let Err(error) = remove_dir(&self.partial()) {
            tracing::warn!(%error, "The remains of an unfinished run could not be removed.");
        }
        // Fails when something else is in it, which then stays.
        if self.made_dir && fs::remove_dir(&self.dir).is_err() {
            tracing::debug!(dir = %self.dir.display(), "The folder is in use and stays.");
        }
    }
}

/// One Parquet file being written.
struct TableFile {
    /// Where it will be, for messages.
    path: PathBuf,
    schema: SchemaRef,
    rows: BatchCoalescer,
    writer: ArrowWriter<File>,
}

impl TableFile {
    fn new(file: File, path: PathBuf, schema: &SchemaRef) -> Result<Self, ConnectError> {
        let writer = ArrowWriter::try_new(file, Arc::clone(schema), Some(properties()))
            .map_err(|e| write_error(&path, e))?;
        Ok(Self {
            path,
            schema: Arc::clone(schema),
            rows: BatchCoalescer::new(Arc::clone(schema), CHUNK_ROWS),
            writer,
        })
    }

    fn check(&self, schema: &SchemaRef) -> Result<(), ConnectError> {
        if self.schema == *schema {
            return Ok(());
        }
        Err(ConnectError::Table {
            table: self.path.display().to_string(),
            detail: format!(
                "rows have the schema {schema:?}, the file {:?}",
                self.schema
            ),
        })
    }

    fn write(&mut self, batch: &RecordBatch) -> Result<(), ConnectError> {
        let unfit = |detail: String, path: &Path| ConnectError::Table {
            table: path.display().to_string(),
            detail,
        };
        let batch = RecordBatch::try_new(Arc::clone(&self.schema), batch.columns().to_vec())
            .map_err(|e| unfit(e.to_string(), &self.path))?;
        self.rows
            .push_batch(batch)
            .map_err(|e| unfit(e.to_string(), &self.path))?;
        self.drain()
    }

    fn drain(&mut self) -> Result<(), ConnectError> {
        while let Some(chunk) = self.rows.next_completed_batch() {
            self.writer
                .write(&chunk)
                .map_err(|e| write_error(&self.path, e))?;
        }
        Ok(())
    }

    fn close(mut self) -> Result<(), ConnectError> {
        self.rows
            .finish_buffered_batch()
            .map_err(|e| write_error(&self.path, e.into()))?;
        self.drain()?;
        let file = self
            .writer
            .into_inner()
            .map_err(|e| write_error(&self.path, e))?;
        file.sync_all()
            .map_err(|e| ConnectError::file("write", &self.path, e))
    }
}

impl std::fmt::Debug for TableFile {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("TableFile")
            .field("path", &self.path)
            .finish_non_exhaustive()
    }
}

/// Everything that shapes the bytes is fixed here, so that an upgrade cannot change it unseen.
fn properties() -> WriterProperties {
    WriterProperties::builder()
        .set_created_by("tidegate".to_owned())
        .set_compression(Compression::ZSTD(ZstdLevel::default()))
        .set_statistics_enabled(EnabledStatistics::Page)
        .set_write_batch_size(1024)
        .set_data_page_row_count_limit(2 * CHUNK_ROWS)
        .set_max_row_group_row_count(Some(ROW_GROUP_ROWS))
        .build()
}

/// The schema without metadata, which differs between plans that give the same rows.
fn plain(schema: &SchemaRef) -> SchemaRef {
    let fields: Vec<Field> = schema
        .fields()
        .iter()
        .map(|field| field.as_ref().clone().with_metadata([].into()))
        .collect();
    Arc::new(Schema::new(fields))
}

fn check_name(table: LakeTable, name: &str) -> Result<(), ConnectError> {
    let fits = name
        .chars()
        .all(|c| c.is_ascii_alphanumeric() || matches!(c, '_' | '-' | '.'));
    if fits && !name.is_empty() && !name.starts_with('.') {
        return Ok(());
    }
    Err(ConnectError::Table {
        table: format!("{}/{name}", table.as_str()),
        detail: "a table's name is made of letters, digits, _, - and .".to_owned(),
    })
}

fn write_error(path: &Path, error: ParquetError) -> ConnectError {
    // The writer passes the system's error on, boxed or as text only.
    let mut cause: Option<&(dyn std::error::Error + 'static)> = Some(&error);
    while let Some(inner) = cause {
        if inner.downcast_ref::<io::Error>().is_some_and(is_full) {
            return ConnectError::DiskFull {
                path: path.to_owned(),
            };
        }
        cause = inner.source();
    }
    ConnectError::file("write", path, io::Error::other(error))
}

fn write_summary(path: &Path, summary: &serde_json::Value) -> Result<(), ConnectError> {
    let failed = |e| ConnectError::file("write", path, e);
    let mut text = serde_json::to_vec_pretty(summary).map_err(|e| failed(e.into()))?;
    text.push(b'\n');
    let mut file = File::create(path).map_err(failed)?;
    file.write_all(&text).map_err(failed)?;
    file.sync_all().map_err(failed)
}

fn rename(from: &Path, to: &Path) -> Result<(), ConnectError> {
    fs::rename(from, to).map_err(|e| ConnectError::file("put in place", to, e))
}

fn sync_dir(dir: &Path) -> Result<(), ConnectError> {
    File::open(dir)
        .and_then(|dir| dir.sync_all())
        .map_err(|e| ConnectError::file("sync", dir, e))
}

fn remove_file(path: &Path) -> Result<(), ConnectError> {
    match fs::remove_file(path) {
        Err(e) if e.kind() != io::ErrorKind::NotFound => Err(ConnectError::file("remove", path, e)),
        _ => Ok(()),
    }
}

fn remove_dir(path: &Path) -> Result<(), ConnectError> {
    match fs::remove_dir_all(path) {
        Err(e) if e.kind() != io::ErrorKind::NotFound => Err(ConnectError::file("remove", path, e)),
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    //! A full disk, through the device that is always full.

    use super::*;
    use arrow::array::{ArrayRef, Int64Array};

    #[test]
    #[cfg(target_os = "linux")]
    fn a_full_disk_is_named() {
        let full = || File::options().write(true).open("/dev/full").unwrap();
        let numbers: ArrayRef = Arc::new(Int64Array::from_iter_values(0..200_000));
        let batch = RecordBatch::try_from_iter([("n", numbers)]).unwrap();
        let path = PathBuf::from("out/pane/flow.parquet");
        let result = TableFile::new(full(), path.clone(), &batch.schema()).and_then(|mut file| {
            file.write(&batch)?;
            file.close()
        });
        let error = result.unwrap_err();
        assert!(matches!(error, ConnectError::DiskFull { .. }), "{error}");
        assert!(
            error.to_string().contains("out/pane/flow.parquet"),
            "{error}"
        );

        let summary = write_summary(Path::new("/dev/full"), &serde_json::json!({"a": 1}));
        let error = summary.unwrap_err();
        assert!(matches!(error, ConnectError::DiskFull { .. }), "{error}");
    }
}
