//! The state of a run as bytes: what a crashed run goes on from.
//!
//! ```text
//! "TIDEGATE SNAPSHOT\n" | length of the header, u32 LE | header, JSON | sections, one after another
//! ```
//!
//! The header says of which pipeline, task and epoch the state is, and where each section lies. A
//! section is either bytes that their owner understands, or rows as an Arrow IPC stream. Taking a
//! snapshot copies little: rows are shared until [`Snapshot::encode`], which may run elsewhere.
//!
//! Whole or nothing: a reader checks the hash of the file, which the progress record holds, before
//! it decodes; what does not decode is an error that names the section.

use std::collections::BTreeMap;

use arrow::array::RecordBatch;
use arrow::datatypes::SchemaRef;
use arrow::ipc::reader::StreamReader;
use arrow::ipc::writer::StreamWriter;

const MAGIC: &[u8] = b"TIDEGATE SNAPSHOT\n";

/// The version of the layout and of every section in it; raised whenever one changes.
pub const SNAPSHOT_FORMAT: u32 = 6;

/// Headers are refused above this size: they hold one line for each section.
const HEADER_BYTES_MAX: usize = 16 << 20;

/// Whose state it is, and as of when.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SnapshotOf {
    /// The pipeline's name.
    pub pipeline: String,
    /// The pipeline's fingerprint, see [`crate::Pipeline::fingerprint`].
    pub fingerprint: String,
    /// The task.
    pub task: i32,
    /// The last epoch whose input is in the state.
    pub epoch: u64,
}

/// The state of a run.
#[derive(Debug, Clone)]
pub struct Snapshot {
    of: SnapshotOf,
    sections: BTreeMap<String, Section>,
}

/// One part of the state.
#[derive(Debug, Clone)]
enum Section {
    Bytes(Vec<u8>),
    Rows(SchemaRef, Vec<RecordBatch>),
}

#[derive(Debug, serde::Serialize, serde::Deserialize)]
#[serde(deny_unknown_fields)]
struct Header {
    format: u32,
    of: SnapshotOf,
    sections: Vec<Place>,
}

/// Where a section lies, counted from the end of the header.
#[derive(Debug, serde::Serialize, serde::Deserialize)]
#[serde(deny_unknown_fields)]
struct Place {
    name: String,
    kind: Kind,
    offset: usize,
    bytes: usize,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "snake_case")]
enum Kind {
    Bytes,
    Rows,
}

/// Why bytes are no snapshot that this version reads.
#[derive(Debug, thiserror::Error)]
pub enum SnapshotError {
    /// Not a snapshot, or cut short.
    #[error("these bytes are not a whole snapshot: {0}")]
    Malformed(String),
    /// Written by another version.
    #[error(
        "the snapshot has format {found}, this version reads {SNAPSHOT_FORMAT}: resume it with the \
         version that wrote it, or start from scratch"
    )]
    Format {
        /// The format it has.
        found: u32,
    },
    /// A part that the pipeline needs is not there, or is of another pipeline.
    #[error("section {section} of the snapshot cannot be restored: {detail}")]
    Section {
        /// Which.
        section: String,
        /// Why.
        detail: String,
    },
}

impl SnapshotError {
    /// A section that does not fit.
    pub(crate) fn section(section: &str, detail: impl std::fmt::Display) -> Self {
        Self::Section {
            section: section.to_owned(),
            detail: detail.to_string(),
        }
    }
}

impl Snapshot {
    /// An empty snapshot.
    pub(crate) fn new(of: SnapshotOf) -> Self {
        Self {
            of,
            sections: BTreeMap::new(),
        }
    }

    /// Whose state it is, and as of when.
    pub fn of(&self) -> &SnapshotOf {
        &self.of
    }

    /// The offset that comes next in each partition: feed, partition, offset.
    ///
    /// # Errors
    /// [`SnapshotError::Section`] when the section is missing or not as this version writes it.
    pub fn positions(&self) -> Result<Vec<(String, i32, i64)>, SnapshotError> {
        self.get("positions")
    }

    /// The names of its sections with their sizes: bytes, or rows held.
    pub fn sections(&self) -> impl Iterator<Item = (&str, usize)> {
        self.sections.iter().map(|(name, section)| {
            let size = match section {
                Section::Bytes(bytes) => bytes.len(),
                Section::Rows(_, rows) => rows.iter().map(RecordBatch::num_rows).sum(),
            };
            (name.as_str(), size)
        })
    }

    /// Adds a value in postcard's encoding.
    pub(crate) fn put<T: serde::Serialize>(&mut self, name: &str, value: &T) {
        let bytes = postcard::to_stdvec(value).expect("state types hold nothing that cannot be");
        self.sections.insert(name.to_owned(), Section::Bytes(bytes));
    }

    /// Adds rows.
    pub(crate) fn put_rows(&mut self, name: &str, schema: SchemaRef, rows: Vec<RecordBatch>) {
        self.sections
            .insert(name.to_owned(), Section::Rows(schema, rows));
    }

    /// The value that [`Snapshot::put`] added.
    pub(crate) fn get<T: serde::de::DeserializeOwned>(
        &self,
        name: &str,
    ) -> Result<T, SnapshotError> {
        match self.sections.get(name) {
            Some(Section::Bytes(bytes)) => {
                postcard::from_bytes(bytes).map_err(|error| SnapshotError::section(name, error))
            }
            Some(Section::Rows(..)) => Err(SnapshotError::section(name, "it holds rows")),
            None => Err(SnapshotError::section(name, "it is not there")),
        }
    }

    /// The rows that [`Snapshot::put_rows`] added; they must have `schema`.
    pub(crate) fn get_rows(
        &self,
        name: &str,
        schema: &SchemaRef,
    ) -> Result<Vec<RecordBatch>, SnapshotError> {
        match self.sections.get(name) {
            Some(Section::Rows(found, rows)) if found == schema => Ok(rows.clone()),
            Some(Section::Rows(found, _)) => Err(SnapshotError::section(
                name,
                format!("its rows have the schema {found}, the pipeline's have {schema}"),
            )),
            Some(Section::Bytes(_)) => Err(SnapshotError::section(name, "it holds no rows")),
            None => Err(SnapshotError::section(name, "it is not there")),
        }
    }

    /// The snapshot as a file.
    pub fn encode(&self) -> Vec<u8> {
        let mut body = Vec::new();
        let mut places = Vec::new();
        for (name, section) in &self.sections {
            let offset = body.len();
            let kind = match section {
                Section::Bytes(bytes) => {
                    body.extend_from_slice(bytes);
                    Kind::Bytes
                }
                Section::Rows(schema, rows) => {
                    write_rows(&mut body, schema, rows);
                    Kind::Rows
                }
            };
            places.push(Place {
                name: name.clone(),
                kind,
                offset,
                bytes: body.len() - offset,
            });
        }
        let header = Header {
            format: SNAPSHOT_FORMAT,
            of: self.of.clone(),
            sections: places,
        };
        let header = serde_json::to_vec(&header).expect("a header is plain JSON");
        let length = u32::try_from(header.len()).expect("a header is far below 4 GiB");
        let mut file = Vec::with_capacity(MAGIC.len() + 4 + header.len() + body.len());
        file.extend_from_slice(MAGIC);
        file.extend_from_slice(&length.to_le_bytes());
        file.extend_from_slice(&header);
        file.extend_from_slice(&body);
        file
    }

    /// The snapshot in `file`.
    ///
    /// # Errors
    /// [`SnapshotError`]; a file whose hash was checked fails only for its version.
    pub fn decode(file: &[u8]) -> Result<Self, SnapshotError> {
        let malformed = |what: &str| SnapshotError::Malformed(what.to_owned());
        let rest = file
            .strip_prefix(MAGIC)
            .ok_or_else(|| malformed("they begin otherwise"))?;
        let (length, rest) = rest
            .split_first_chunk::<4>()
            .ok_or_else(|| malformed("they end within the header"))?;
        let length = u32::from_le_bytes(*length) as usize;
        if length > HEADER_BYTES_MAX || length > rest.len() {
            return Err(malformed("they end within the header"));
        }
        let (header, body) = rest.split_at(length);
        let format: FormatOnly = serde_json::from_slice(header)
            .map_err(|error| SnapshotError::Malformed(format!("header: {error}")))?;
        if format.format != SNAPSHOT_FORMAT {
            return Err(SnapshotError::Format {
                found: format.format,
            });
        }
        let header: Header = serde_json::from_slice(header)
            .map_err(|error| SnapshotError::Malformed(format!("header: {error}")))?;
        let mut sections = BTreeMap::new();
        for place in header.sections {
            let bytes = place
                .offset
                .checked_add(place.bytes)
                .and_then(|end| body.get(place.offset..end))
                .ok_or_else(|| SnapshotError::section(&place.name, "it is cut short"))?;
            let section = match place.kind {
                Kind::Bytes => Section::Bytes(bytes.to_vec()),
                Kind::Rows => read_rows(&place.name, bytes)?,
            };
            sections.insert(place.name, section);
        }
        Ok(Self {
            of: header.of,
            sections,
        })
    }
}

/// The one field of a header that every version has.
#[derive(Debug, serde::Deserialize)]
struct FormatOnly {
    format: u32,
}

fn write_rows(out: &mut Vec<u8>, schema: &SchemaRef, rows: &[RecordBatch]) {
    let cannot_fail = "writing Arrow rows of one schema to memory cannot fail";
    let mut writer = StreamWriter::try_new(out, schema).expect(cannot_fail);
    for batch in rows {
        writer.write(batch).expect(cannot_fail);
    }
    writer.finish().expect(cannot_fail);
}

fn read_rows(name: &str, bytes: &[u8]) -> Result<Section, SnapshotError> {
    let failed = |error: arrow::error::ArrowError| SnapshotError::section(name, error);
    let reader = StreamReader::try_new(bytes, None).map_err(failed)?;
    let schema = reader.schema();
    let rows = reader.collect::<Result<Vec<_>, _>>().map_err(failed)?;
    Ok(Section::Rows(schema, rows))
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use arrow::array::{ArrayRef, Int64Array};

    use super::*;

    fn example() -> Snapshot {
        let mut snapshot = Snapshot::new(SnapshotOf {
            pipeline: "law".to_owned(),
            fingerprint: "f".to_owned(),
            task: 0,
            epoch: 7,
        });
        let numbers: ArrayRef = Arc::new(Int64Array::from(vec![Some(1), None, Some(3)]));
        let rows = RecordBatch::try_from_iter_with_nullable([("n", numbers, true)]).unwrap();
        snapshot.put("engine", &vec![(1_u8, "one".to_owned())]);
        snapshot.put_rows(
            "window",
            rows.schema(),
            vec![rows.clone(), rows.slice(1, 2)],
        );
        snapshot.put_rows("empty", rows.schema(), Vec::new());
        snapshot
    }

    #[test]
    fn what_was_put_comes_back() {
        let snapshot = Snapshot::decode(&example().encode()).unwrap();
        assert_eq!(snapshot.of(), example().of());
        let engine: Vec<(u8, String)> = snapshot.get("engine").unwrap();
        assert_eq!(engine, [(1, "one".to_owned())]);
        let Some(Section::Rows(schema, rows)) = example().sections.remove("window") else {
            panic!("the example has rows");
        };
        assert_eq!(snapshot.get_rows("window", &schema).unwrap(), rows);
        assert_eq!(snapshot.get_rows("empty", &schema).unwrap(), []);
        assert_eq!(snapshot.encode(), example().encode());
    }

    #[test]
    fn what_is_not_whole_is_refused() {
        let file = example().encode();
        for end in 0..file.len() {
            assert!(Snapshot::decode(&file[..end]).is_err(), "cut at {end}");
        }
        let at = file.iter().position(|byte| *byte == b':').unwrap() + 1;
        let mut newer = file.clone();
        let ours = SNAPSHOT_FORMAT.to_string().into_bytes();
        assert_eq!(ours.len(), 1, "one digit is replaced below");
        assert_eq!(newer[at], ours[0], "the format comes first in the header");
        newer[at] += 1;
        let other = Snapshot::decode(&newer);
        let expected = SNAPSHOT_FORMAT + 1;
        assert!(matches!(other, Err(SnapshotError::Format { found }) if found == expected));
        let mut older = file;
        older[at] -= 1;
        let other = Snapshot::decode(&older);
        let expected = SNAPSHOT_FORMAT - 1;
        assert!(matches!(other, Err(SnapshotError::Format { found }) if found == expected));
    }

    #[test]
    fn what_does_not_fit_is_named() {
        let snapshot = example();
        let error = snapshot.get::<u64>("window").unwrap_err().to_string();
        assert!(error.contains("window"), "{error}");
        let error = snapshot.get::<u64>("nothing").unwrap_err().to_string();
        assert!(error.contains("nothing"), "{error}");
    }
}
