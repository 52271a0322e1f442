//! Tries to break the reading of recorded files: marks and line ends that must be kept, rows that
//! are ragged or span lines, archives and tables that are cut off, and names that promise wrongly.

use std::io::Write;
use std::num::NonZeroUsize;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use arrow::array::{
    ArrayRef, BooleanArray, Float64Array, Int64Array, RecordBatch, StringArray,
    TimestampMillisecondArray, UInt64Array,
};
use parquet::arrow::ArrowWriter;

use crate::{ConnectError, ErrorKind, RecordedFile, RecordedKind};

fn put(dir: &Path, name: &str, bytes: &[u8]) -> PathBuf {
    let path = dir.join(name);
    std::fs::write(&path, bytes).unwrap();
    path
}

fn gz(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}

fn text(message: Result<Vec<u8>, ConnectError>) -> String {
    String::from_utf8(message.unwrap()).unwrap()
}

/// Reads a file of this name and content, plain and packed, with so many rows a message.
fn check(name: &str, content: &str, rows: usize, expected: &[&str]) {
    let dir = tempfile::tempdir().unwrap();
    let plain = put(dir.path(), name, content.as_bytes());
    let packed = put(dir.path(), &format!("{name}.gz"), &gz(content.as_bytes()));
    for path in [plain, packed] {
        let mut file = RecordedFile::open(&path)
            .unwrap()
            .with_rows_per_message(NonZeroUsize::new(rows).unwrap());
        let messages: Vec<String> = file.messages().map(text).collect();
        assert_eq!(messages, expected, "{name} {content:?} {rows}");
        assert!(file.messages().next().is_none(), "the end stays the end");
    }
}

#[test]
fn csv_rows_keep_their_bytes() {
    for (content, rows, expected) in [
        ("a,b\n1,2\n3,4\n", 1, &["a,b\n1,2\n", "a,b\n3,4\n"][..]),
        ("a,b\n1,2\n3,4\n", 2, &["a,b\n1,2\n3,4\n"]),
        ("a,b\n1,2\n3,4\n5,6", 2, &["a,b\n1,2\n3,4\n", "a,b\n5,6"]),
        // Byte order mark and CRLF stay as they are.
        ("\u{feff}a,b\r\n1,2\r\n", 1, &["\u{feff}a,b\r\n1,2\r\n"]),
        // Ragged rows and padded headers are passed on.
        (
            " a , b \n1\n1,2,3\n",
            1,
            &[" a , b \n1\n", " a , b \n1,2,3\n"],
        ),
        // A quoted line end is part of its row, and so is a doubled quote.
        (
            "a,b\n\"x\ny\",2\nz,3\n",
            1,
            &["a,b\n\"x\ny\",2\n", "a,b\nz,3\n"],
        ),
        ("a,b\n\"x\"\"\ny\",2\n", 1, &["a,b\n\"x\"\"\ny\",2\n"]),
        ("\"a\nb\";c\n1;2\n", 1, &["\"a\nb\";c\n1;2\n"]),
        // A quote inside a field opens nothing.
        (
            "a,b\n5\" pipe,2\nz,3\n",
            1,
            &["a,b\n5\" pipe,2\n", "a,b\nz,3\n"],
        ),
        // A quote that never closes spoils its own line only.
        (
            "a,b\n\"x,2\ny,3\nz,4\n",
            1,
            &["a,b\n\"x,2\n", "a,b\ny,3\n", "a,b\nz,4\n"],
        ),
        // Blank lines are no rows.
        (
            "\n\na,b\n\n1,2\n\r\n\n3,4\n\n",
            1,
            &["a,b\n1,2\n", "a,b\n3,4\n"],
        ),
        ("a,b\n", 1, &[]),
        ("a,b", 1, &[]),
        ("", 1, &[]),
    ] {
        check("t.csv", content, rows, expected);
    }
}

#[test]
fn json_values_by_line_in_arrays_and_as_documents() {
    for (name, content, rows, expected) in [
        (
            "t.jsonl",
            "{\"a\":1}\n{\"a\":2}\n",
            1,
            &["{\"a\":1}", "{\"a\":2}"][..],
        ),
        (
            "t.ndjson",
            "{\"a\":1}\r\n\n{\"a\":2}",
            2,
            &["{\"a\":1}\n{\"a\":2}"],
        ),
        ("t.json", "\u{feff}{\"a\":1}\n", 1, &["{\"a\":1}"]),
        // A broken line spoils no other.
        (
            "t.json",
            "{\"a\":\n{\"a\":2}\nnonsense\n",
            1,
            &["{\"a\":", "{\"a\":2}", "nonsense"],
        ),
        // Arrays, with brackets, commas and quotes in strings, nesting, and line ends between
        // tokens.
        (
            "t.json",
            " [ {\"a\":\"],}\\\"\",\n\t\"b\":[1,{}]} , 2,\"x\" ,\r\nnull\n]\n",
            1,
            &["{\"a\":\"],}\\\"\", \t\"b\":[1,{}]}", "2", "\"x\"", "null"],
        ),
        ("t.json", "[]", 1, &[]),
        ("t.json", "[[1],[2]]", 2, &["[1]\n[2]"]),
        // A document over several lines.
        (
            "t.json",
            "{\n  \"a\": 1,\n  \"b\": {}\n}\n",
            1,
            &["{   \"a\": 1,   \"b\": {} }"],
        ),
        (
            "t.json",
            "{\n\"a\":1}\n{\n\"a\":2}",
            1,
            &["{ \"a\":1}", "{ \"a\":2}"],
        ),
        ("t.json", "", 1, &[]),
    ] {
        check(name, content, rows, expected);
    }
}

/// The messages before an error, and the error.
fn failure(path: &Path) -> (usize, ConnectError) {
    let mut file = match RecordedFile::open(path) {
        Ok(file) => file,
        Err(error) => return (0, error),
    };
    let mut count = 0;
    for message in file.messages() {
        match message {
            Ok(_) => count += 1,
            Err(error) => {
                assert!(file.messages().next().is_none(), "nothing follows an error");
                return (count, error);
            }
        }
    }
    panic!("{} was read to its end", path.display());
}

#[test]
fn broken_files_are_named_with_the_row() {
    let dir = tempfile::tempdir().unwrap();
    let mut rows = b"a,b\n".to_vec();
    for i in 0..100_000 {
        writeln!(rows, "{i},{}", i * 7919 % 100_003).unwrap();
    }
    let mut packed = gz(&rows);
    packed.truncate(packed.len() / 2);
    let mut flipped = gz(&rows);
    let end = flipped.len() - 6;
    flipped[end] ^= 0xff;
    let line = "x".repeat(100);
    for (name, bytes, at_least, says) in [
        ("cut.csv.gz", packed, 1000, "at row"),
        ("sum.csv.gz", flipped, 1000, "at row"),
        ("not.csv.gz", b"a,b\n1,2\n".to_vec(), 0, "broken or cut off"),
        (
            "array.json",
            b"[{\"a\":1},{\"a\":2".to_vec(),
            1,
            "at row 2: the value does not end",
        ),
        ("comma.json", b"[1 2]".to_vec(), 0, "at row 1"),
        ("open.json", b"[1,2".to_vec(), 1, "does not end"),
        ("after.json", b"[1]x".to_vec(), 1, "something follows"),
        ("trailing.json", b"[1,]".to_vec(), 0, "no element follows"),
        ("not.parquet", line.into_bytes(), 0, "not.parquet"),
        ("empty.parquet", vec![], 0, "empty.parquet"),
    ] {
        let path = put(dir.path(), name, &bytes);
        let (count, error) = failure(&path);
        assert_eq!(error.kind(), ErrorKind::Corrupt, "{error}");
        assert!(count >= at_least, "{name}: {count} before {error}");
        let text = error.to_string();
        assert!(text.contains(name) && text.contains(says), "{text}");
    }
}

#[test]
fn wrong_paths_are_named() {
    let dir = tempfile::tempdir().unwrap();
    let missing = dir.path().join("missing.csv");
    let folder = dir.path().join("folder.csv");
    std::fs::create_dir(&folder).unwrap();
    let unknown = put(dir.path(), "t.xlsx", b"");
    let packed = put(dir.path(), "t.parquet.gz", b"");
    for (path, kind, says) in [
        (&missing, ErrorKind::File, "missing.csv"),
        (&folder, ErrorKind::File, "it is a folder"),
        (&unknown, ErrorKind::Corrupt, ".csv, .json"),
        (&packed, ErrorKind::Corrupt, ".parquet"),
    ] {
        let error = RecordedFile::open(path).unwrap_err();
        assert_eq!(error.kind(), kind, "{error}");
        assert!(error.to_string().contains(says), "{error}");
    }
    // Extensions in capitals are the same.
    let capitals = put(dir.path(), "T.CSV", b"a\n1\n");
    assert_eq!(
        RecordedFile::open(capitals).unwrap().kind(),
        RecordedKind::Csv
    );
}

#[test]
fn parquet_rows_are_objects_with_integers_as_integers() {
    let dir = tempfile::tempdir().unwrap();
    let columns: Vec<(&str, ArrayRef)> = vec![
        (
            "Station",
            Arc::new(StringArray::from(vec![Some("A \"1\"\nx"), None])),
        ),
        ("n", Arc::new(Int64Array::from(vec![i64::MAX, -1]))),
        ("u", Arc::new(UInt64Array::from(vec![u64::MAX, 0]))),
        ("f", Arc::new(Float64Array::from(vec![1.0, 0.5]))),
        ("b", Arc::new(BooleanArray::from(vec![true, false]))),
        (
            "t",
            Arc::new(TimestampMillisecondArray::from(vec![0, 1500]).with_timezone("UTC")),
        ),
    ];
    let batch = RecordBatch::try_from_iter_with_nullable(
        columns.into_iter().map(|(name, array)| (name, array, true)),
    )
    .unwrap();
    let path = dir.path().join("t.parquet");
    let file = std::fs::File::create(&path).unwrap();
    let mut writer = ArrowWriter::try_new(file, batch.schema(), None).unwrap();
    for _ in 0..1000 {
        writer.write(&batch).unwrap();
    }
    writer.close().unwrap();

    let mut file = RecordedFile::open(&path).unwrap();
    let messages: Vec<String> = file.messages().map(text).collect();
    assert_eq!(messages.len(), 2000);
    assert_eq!(
        messages[1998],
        "{\"Station\":\"A \\\"1\\\"\\nx\",\"n\":9223372036854775807,\"u\":18446744073709551615,\
         \"f\":1.0,\"b\":true,\"t\":\"1970-01-01T00:00:00Z\"}"
    );
    assert_eq!(
        messages[1999],
        "{\"Station\":null,\"n\":-1,\"u\":0,\"f\":0.5,\"b\":false,\"t\":\"1970-01-01T00:00:01.500Z\"}"
    );
    let mut file = RecordedFile::open(&path)
        .unwrap()
        .with_rows_per_message(NonZeroUsize::new(3).unwrap());
    let batched: Vec<String> = file.messages().map(text).collect();
    assert_eq!(batched.len(), 667);
    assert_eq!(batched.join("\n"), messages.join("\n"));
    assert!(batched[..666].iter().all(|m| m.lines().count() == 3));

    // The data pages of the second half are overwritten: found when they are read.
    let mut bytes = std::fs::read(&path).unwrap();
    bytes[10..200].fill(0xee);
    let broken = put(dir.path(), "broken.parquet", &bytes);
    let (_, error) = failure(&broken);
    assert_eq!(error.kind(), ErrorKind::Corrupt);
    assert!(
        error.to_string().contains("broken.parquet at row 1"),
        "{error}"
    );
}
