//! Recorded feeds: files as the messages that their producer would have sent.
//!
//! | name ends in | one message is |
//! |---|---|
//! | `.csv`, `.csv.gz` | the header's line and one row, byte for byte |
//! | `.json`, `.jsonl`, `.ndjson`, and each with `.gz` | one line, or one element of an array |
//! | `.parquet` | one row as a JSON object with the column names |
//! | `.pb`, `.gtfsrt`, `.xml`, `.arrows`, and each with `.gz` | the whole file |
//!
//! Files are streamed: memory holds one message (at most 64 MiB), for Parquet one batch of rows and
//! one row group's column chunks.
//! It does not judge what a row says: a ragged row or a broken line is passed on as it is, for the
//! feed's decoder to reject by itself.

mod csv;
mod json;
mod lines;
mod parquet;

use std::fs::File;
use std::io::{self, BufReader, Read};
use std::num::NonZeroUsize;
use std::path::{Path, PathBuf};

use flate2::read::MultiGzDecoder;

use crate::error::ConnectError;

/// The extensions that [`RecordedFile::open`] knows, for help texts.
pub const EXTENSIONS: &str =
    ".csv, .json, .jsonl, .ndjson, .pb, .gtfsrt, .xml, .arrows, each also with .gz; .parquet";

/// The largest message that is read from a file, in bytes.
pub const MESSAGE_BYTES_MAX: usize = 64 << 20;

/// The shape of a recorded file, known by its name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RecordedKind {
    /// A header line and rows.
    Csv,
    /// One JSON value a line, an array, or one document.
    Json,
    /// Rows under named columns.
    Parquet,
    /// One message.
    Message,
}

/// A file of recorded messages.
#[derive(Debug)]
pub struct RecordedFile {
    path: PathBuf,
    kind: RecordedKind,
    rows_per_message: NonZeroUsize,
    source: Source,
    done: bool,
}

#[derive(Debug)]
enum Source {
    Csv(csv::Rows),
    Json(json::Values),
    Parquet(parquet::Rows),
    Message(Option<Reader>),
}

impl RecordedFile {
    /// Opens a file and reads as much of it as shows that it is what its name says.
    ///
    /// # Errors
    /// [`ConnectError::UnknownExtension`] listing the known ones; [`ConnectError::File`] when it is
    /// missing, not a file or may not be read; [`ConnectError::Corrupt`] when it is broken at its
    /// start (for Parquet, whose index is at the end, also there).
    pub fn open(path: impl AsRef<Path>) -> Result<Self, ConnectError> {
        let path = path.as_ref();
        let (kind, packing) = kind_of(path).ok_or_else(|| ConnectError::UnknownExtension {
            path: path.to_owned(),
            known: EXTENSIONS,
        })?;
        let file = open_file(path)?;
        let source = match kind {
            RecordedKind::Csv => Source::Csv(csv::Rows::new(reader(file, packing), path)?),
            RecordedKind::Json => Source::Json(json::Values::new(reader(file, packing), path)?),
            RecordedKind::Parquet => Source::Parquet(parquet::Rows::new(file, path)?),
            RecordedKind::Message => Source::Message(Some(reader(file, packing))),
        };
        Ok(Self {
            path: path.to_owned(),
            kind,
            rows_per_message: NonZeroUsize::MIN,
            source,
            done: false,
        })
    }

    /// Puts up to `rows` consecutive rows into one message: for CSV under one header, otherwise one
    /// JSON value a line. Only for feeds whose format takes several rows a message (`csv`,
    /// `mapped_json`); it makes a backfill quicker.
    #[must_use]
    pub fn with_rows_per_message(mut self, rows: NonZeroUsize) -> Self {
        self.rows_per_message = rows;
        self
    }

    /// The file.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Its shape.
    pub fn kind(&self) -> RecordedKind {
        self.kind
    }

    /// The messages in the order of the file, from where the last call stopped.
    ///
    /// After an error there are no more: what follows a broken place in a file is not trusted.
    pub fn messages(&mut self) -> Messages<'_> {
        Messages(self)
    }

    fn next_message(&mut self) -> Result<Option<Vec<u8>>, ConnectError> {
        let rows = self.rows_per_message.get();
        let path = &self.path;
        match &mut self.source {
            Source::Csv(source) => source.next_message(rows, path),
            Source::Json(source) => joined(rows, || source.next_value(path)),
            Source::Parquet(source) => joined(rows, || source.next_row(path)),
            Source::Message(source) => source.take().map(|file| whole(file, path)).transpose(),
        }
    }
}

/// The messages of a [`RecordedFile`].
#[derive(Debug)]
pub struct Messages<'a>(&'a mut RecordedFile);

impl Iterator for Messages<'_> {
    type Item = Result<Vec<u8>, ConnectError>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.0.done {
            return None;
        }
        let next = self.0.next_message().transpose();
        self.0.done = !matches!(next, Some(Ok(_)));
        next
    }
}

/// Up to `rows` values as one message, a line each.
fn joined(
    rows: usize,
    mut next: impl FnMut() -> Result<Option<Vec<u8>>, ConnectError>,
) -> Result<Option<Vec<u8>>, ConnectError> {
    let Some(mut message) = next()? else {
        return Ok(None);
    };
    for _ in 1..rows {
        if message.len() >= MESSAGE_BYTES_MAX {
            break;
        }
        let Some(value) = next()? else {
            break;
        };
        message.push(b'\n');
        message.extend_from_slice(&value);
    }
    Ok(Some(message))
}

/// Everything in a file.
fn whole(file: Reader, path: &Path) -> Result<Vec<u8>, ConnectError> {
    let mut message = Vec::new();
    let most = MESSAGE_BYTES_MAX as u64 + 1;
    file.take(most)
        .read_to_end(&mut message)
        .map_err(|e| read_error(path, 1, e))?;
    if message.len() > MESSAGE_BYTES_MAX {
        return Err(too_large(path, 1));
    }
    Ok(message)
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Packing {
    Plain,
    Gzip,
}

fn kind_of(path: &Path) -> Option<(RecordedKind, Packing)> {
    let name = path.file_name()?.to_str()?.to_ascii_lowercase();
    let (name, packing) = match name.strip_suffix(".gz") {
        Some(inner) => (inner, Packing::Gzip),
        None => (name.as_str(), Packing::Plain),
    };
    let (_, extension) = name.rsplit_once('.')?;
    match (extension, packing) {
        ("csv", _) => Some((RecordedKind::Csv, packing)),
        ("json" | "jsonl" | "ndjson", _) => Some((RecordedKind::Json, packing)),
        ("pb" | "gtfsrt" | "xml" | "arrows", _) => Some((RecordedKind::Message, packing)),
        ("parquet", Packing::Plain) => Some((RecordedKind::Parquet, packing)),
        _ => None,
    }
}

fn open_file(path: &Path) -> Result<File, ConnectError> {
    let file = File::open(path).map_err(|e| ConnectError::file("open", path, e))?;
    let found = file
        .metadata()
        .map_err(|e| ConnectError::file("open", path, e))?;
    if !found.is_file() {
        let what = if found.is_dir() {
            "a folder"
        } else {
            "no regular file"
        };
        let error = io::Error::new(io::ErrorKind::InvalidInput, format!("it is {what}"));
        return Err(ConnectError::file("open", path, error));
    }
    Ok(file)
}

type Reader = BufReader<Bytes>;

/// The bytes of a file, unpacked.
enum Bytes {
    Plain(File),
    Gzip(Box<MultiGzDecoder<BufReader<File>>>),
}

impl Read for Bytes {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        match self {
            Self::Plain(file) => file.read(buffer),
            Self::Gzip(decoder) => decoder.read(buffer),
        }
    }
}

impl std::fmt::Debug for Bytes {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Plain(_) => "Plain",
            Self::Gzip(_) => "Gzip",
        })
    }
}

fn reader(file: File, packing: Packing) -> Reader {
    const BUFFER: usize = 128 << 10;
    let bytes = match packing {
        Packing::Plain => Bytes::Plain(file),
        Packing::Gzip => {
            let packed = BufReader::with_capacity(BUFFER, file);
            Bytes::Gzip(Box::new(MultiGzDecoder::new(packed)))
        }
    };
    BufReader::with_capacity(BUFFER, bytes)
}

/// The error of reading at a row: a broken archive is corrupt, the rest is the system's.
fn read_error(path: &Path, row: u64, error: io::Error) -> ConnectError {
    match error.kind() {
        io::ErrorKind::InvalidData | io::ErrorKind::InvalidInput | io::ErrorKind::UnexpectedEof => {
            ConnectError::Corrupt {
                path: path.to_owned(),
                row: Some(row),
                detail: format!("the file is broken or cut off: {error}"),
            }
        }
        _ => ConnectError::file("read", path, error),
    }
}

fn too_large(path: &Path, row: u64) -> ConnectError {
    ConnectError::Corrupt {
        path: path.to_owned(),
        row: Some(row),
        detail: format!("it is longer than {MESSAGE_BYTES_MAX} bytes"),
    }
}
