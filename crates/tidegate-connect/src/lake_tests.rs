//! Tries to break the lake: bytes that depend on how rows were cut, files left by a run that
//! failed, two runs in one folder, names that leave it, and a full disk.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;

use arrow::array::{
    ArrayRef, DictionaryArray, Int64Array, RecordBatch, StringArray, TimestampMicrosecondArray,
};
use arrow::datatypes::{DataType, Field, Int8Type, Schema, SchemaRef};
use proptest::prelude::*;
use serde_json::json;

use crate::{ConnectError, ErrorKind, Lake, LakeTable};

fn rows(from: i64, count: i64) -> RecordBatch {
    let numbers: Vec<i64> = (from..from + count).collect();
    let names: Vec<Option<String>> = numbers
        .iter()
        .map(|n| (n % 5 != 0).then(|| format!("site {}", n % 97)))
        .collect();
    let words: DictionaryArray<Int8Type> = numbers
        .iter()
        .map(|n| Some(["in", "out", "through"][usize::try_from(n % 3).unwrap()]))
        .collect();
    let columns: [(&str, ArrayRef); 4] = [
        ("n", Arc::new(Int64Array::from(numbers.clone()))),
        ("name", Arc::new(StringArray::from(names))),
        ("word", Arc::new(words)),
        (
            "at",
            Arc::new(TimestampMicrosecondArray::from(numbers).with_timezone("UTC")),
        ),
    ];
    RecordBatch::try_from_iter_with_nullable(columns.map(|(n, c)| (n, c, true))).unwrap()
}

/// Every file under a folder with its bytes.
fn tree(dir: &Path) -> BTreeMap<String, Vec<u8>> {
    let mut files = BTreeMap::new();
    let mut folders = vec![dir.to_owned()];
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
            } else {
                let name = path.strip_prefix(dir).unwrap().display().to_string();
                files.insert(name, std::fs::read(&path).unwrap());
            }
        }
    }
    files
}

fn names(dir: &Path) -> Vec<String> {
    tree(dir).into_keys().collect()
}

fn write_cut(dir: &Path, total: i64, cuts: &[i64]) {
    let mut lake = Lake::create(dir).unwrap();
    let mut from = 0;
    let mut cuts = cuts.iter().cycle();
    while from < total {
        let count = cuts.next().unwrap().min(&(total - from)).to_owned();
        lake.write(LakeTable::Pane, "flow", &rows(from, count))
            .unwrap();
        from += count;
    }
    lake.finish(&json!({"received": total})).unwrap();
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(12))]
    /// The same rows in the same order give the same bytes, whatever the batches.
    #[test]
    fn bytes_do_not_depend_on_batches(cuts in prop::collection::vec(1_i64..9000, 1..8)) {
        let dir = tempfile::tempdir().unwrap();
        let (whole, cut) = (dir.path().join("whole"), dir.path().join("cut"));
        write_cut(&whole, 20_000, &[20_000]);
        write_cut(&cut, 20_000, &cuts);
        prop_assert_eq!(tree(&whole), tree(&cut));
    }
}

#[test]
fn rows_come_back_over_row_groups() {
    use parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder;
    use parquet::file::metadata::RowGroupMetaData;
    let dir = tempfile::tempdir().unwrap();
    write_cut(dir.path(), 150_000, &[50_000]);
    let file = std::fs::File::open(dir.path().join("pane/flow.parquet")).unwrap();
    let builder = ParquetRecordBatchReaderBuilder::try_new(file).unwrap();
    let meta = builder.metadata();
    let groups: Vec<i64> = meta
        .row_groups()
        .iter()
        .map(RowGroupMetaData::num_rows)
        .collect();
    assert_eq!(groups, [131_072, 18_928]);
    assert_eq!(meta.file_metadata().created_by(), Some("tidegate"));
    let batches: Vec<RecordBatch> = builder.build().unwrap().map(Result::unwrap).collect();
    let schema = batches[0].schema();
    let all = arrow::compute::concat_batches(&schema, &batches).unwrap();
    assert_eq!(all, rows(0, 150_000));
}

fn schema() -> SchemaRef {
    Arc::new(Schema::new(vec![Field::new("a", DataType::Int64, false)]))
}

#[test]
fn declared_tables_are_there_without_rows_and_the_summary_comes_last() {
    let dir = tempfile::tempdir().unwrap();
    let out = dir.path().join("new/out");
    let mut lake = Lake::create(&out).unwrap();
    for table in LakeTable::ALL {
        lake.declare(table, "t", &schema()).unwrap();
    }
    lake.finish(&json!({"b": 1, "a": 2})).unwrap();
    assert_eq!(
        names(&out),
        [
            "aberration/t.parquet",
            "alert/t.parquet",
            "duplicate/t.parquet",
            "feed_quality/t.parquet",
            "feed_rejected/t.parquet",
            "forecast/t.parquet",
            "late/t.parquet",
            "layer/t.parquet",
            "pane/t.parquet",
            "rejected/t.parquet",
            "summary.json"
        ]
    );
    let summary = std::fs::read_to_string(out.join("summary.json")).unwrap();
    assert!(summary.ends_with("}\n"), "{summary}");
    let value: serde_json::Value = serde_json::from_str(&summary).unwrap();
    assert_eq!(value, json!({"a": 2, "b": 1}));
}

#[test]
fn a_run_that_ends_early_leaves_what_was_there() {
    let dir = tempfile::tempdir().unwrap();
    let fresh = dir.path().join("fresh");
    let mut lake = Lake::create(&fresh).unwrap();
    lake.write(LakeTable::Layer, "t", &rows(0, 10_000)).unwrap();
    drop(lake);
    assert!(!fresh.exists());

    let old = dir.path().join("old");
    write_cut(&old, 10, &[3]);
    std::fs::write(old.join("notes.txt"), "mine").unwrap();
    let before = tree(&old);
    let mut lake = Lake::create(&old).unwrap();
    lake.write(LakeTable::Pane, "flow", &rows(5, 10_000))
        .unwrap();
    lake.write(LakeTable::Late, "new", &rows(5, 10)).unwrap();
    drop(lake);
    assert_eq!(tree(&old), before);
}

#[test]
fn a_second_run_replaces_the_first() {
    let dir = tempfile::tempdir().unwrap();
    let (again, only) = (dir.path().join("again"), dir.path().join("only"));
    let mut lake = Lake::create(&again).unwrap();
    lake.write(LakeTable::Pane, "flow", &rows(7, 7)).unwrap();
    lake.write(LakeTable::Pane, "gone", &rows(7, 7)).unwrap();
    lake.write(LakeTable::Alert, "gone", &rows(7, 7)).unwrap();
    lake.finish(&json!({})).unwrap();
    // The remains of a run that was killed are no obstacle.
    std::fs::create_dir_all(again.join(".partial/pane")).unwrap();
    std::fs::write(again.join(".partial/pane/x.parquet"), "half").unwrap();
    write_cut(&again, 100, &[9]);
    write_cut(&only, 100, &[100]);
    assert_eq!(tree(&again), tree(&only));
}

#[test]
fn two_runs_do_not_share_a_folder() {
    let dir = tempfile::tempdir().unwrap();
    let first = Lake::create(dir.path()).unwrap();
    let error = Lake::create(dir.path()).unwrap_err();
    assert!(matches!(error, ConnectError::Busy { .. }), "{error}");
    assert!(
        error
            .to_string()
            .contains(&dir.path().display().to_string())
    );
    first.finish(&json!({})).unwrap();
    Lake::create(dir.path()).unwrap();
}

#[test]
fn wrong_names_schemas_and_folders_are_refused() {
    let dir = tempfile::tempdir().unwrap();
    let mut lake = Lake::create(dir.path().join("out")).unwrap();
    for name in ["", "../x", "a/b", ".hidden", "a b", "ü"] {
        let error = lake.declare(LakeTable::Pane, name, &schema()).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Configuration, "{name}");
    }
    lake.write(LakeTable::Pane, "t", &rows(0, 1)).unwrap();
    let error = lake.declare(LakeTable::Pane, "t", &schema()).unwrap_err();
    assert!(error.to_string().contains("pane/t.parquet"), "{error}");

    let file = dir.path().join("file");
    std::fs::write(&file, "").unwrap();
    let error = Lake::create(&file).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::File);
    assert!(error.to_string().contains("file"), "{error}");
}
