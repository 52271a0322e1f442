//! Tries to break the distinct-count sketch: its bytes against an independent implementation in
//! another language, its count against the truth, its merge against its laws, its reader with
//! damaged bytes, its hash with every layout of a column, and its function through SQL.

use std::collections::BTreeSet;
use std::fmt::Write;
use std::sync::Arc;

use arrow::array::{
    ArrayRef, AsArray, BinaryArray, BinaryViewArray, BooleanArray, Date32Array, DictionaryArray,
    FixedSizeBinaryArray, Int8Array, Int16Array, Int32Array, Int64Array, LargeBinaryArray,
    LargeStringArray, RecordBatch, StringArray, StringViewArray, TimestampMicrosecondArray,
    UInt8Array, UInt64Array,
};
use arrow::datatypes::{Field, Int8Type, Int64Type, Schema};
use proptest::prelude::*;
use xxhash_rust::xxh3::xxh3_64;

use super::{DENSE, EXACT_MAX, HEADER_BYTES, PRECISION, REGISTERS, Sketch, VERSION, hash};
use crate::Session;

fn hashes(column: impl Into<ArrayRef>) -> Vec<u64> {
    hash::hashes(&column.into()).unwrap()
}

fn numbers(range: std::ops::Range<i64>) -> Vec<u64> {
    hashes(Arc::new(Int64Array::from_iter_values(range)) as ArrayRef)
}

fn sketch(hashes: impl IntoIterator<Item = u64>) -> Sketch {
    let mut sketch = Sketch::default();
    hashes.into_iter().for_each(|hash| sketch.add(hash));
    sketch
}

fn bytes(mut sketch: Sketch) -> Vec<u8> {
    let mut bytes = Vec::new();
    let expected = sketch.written_bytes();
    sketch.write(&mut bytes);
    assert_eq!(bytes.len(), expected);
    bytes
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::new(), |mut text, byte| {
        write!(text, "{byte:02x}").unwrap();
        text
    })
}

/// The expected values come from a script on Python's `xxhash`, written from the module's table.
#[test]
fn bytes_are_the_documented_ones() {
    let check = |column: ArrayRef, expected: &str| {
        assert_eq!(hex(&bytes(sketch(hashes(column)))), expected);
    };
    let sites = StringArray::from(vec!["site-1", "site-2", "site-1"]);
    check(Arc::new(sites), "44010e00ab6e7b2cb8b4b48339fbd0913a0a3b8e");
    check(
        Arc::new(Int64Array::from(vec![0])),
        "44010e000d6289995b7bbe12",
    );
    check(
        Arc::new(Int64Array::from(vec![-1])),
        "44010e00a510b4f554d2e98b",
    );
    check(
        Arc::new(BooleanArray::from(vec![true])),
        "44010e005966c8c260b60da0",
    );
    check(
        Arc::new(StringArray::from(vec![""])),
        "44010e0070ff9b2fa05b6af2",
    );
    for (n, expected) in [
        (2_048, 0xdadd_56b0_473d_52de),
        (2_049, 0x4bf4_3a35_c1b8_0b17),
        (10_000, 0xacdc_f1bf_3f24_628c),
    ] {
        let bytes = bytes(sketch(numbers(0..n)));
        assert_eq!(bytes.len(), HEADER_BYTES + REGISTERS, "{n}");
        assert_eq!(xxh3_64(&bytes), expected, "{n}");
    }
}

#[test]
fn the_hash_of_a_value_does_not_depend_on_its_column() {
    let check = |columns: Vec<ArrayRef>| {
        let first = hashes(Arc::clone(&columns[0]));
        for column in columns {
            assert!(hash::is_hashable(column.data_type()));
            assert_eq!(hashes(Arc::clone(&column)), first, "{}", column.data_type());
        }
    };
    check(vec![
        Arc::new(Int64Array::from(vec![0, 7, 100])),
        Arc::new(Int8Array::from(vec![0, 7, 100])),
        Arc::new(Int16Array::from(vec![0, 7, 100])),
        Arc::new(Int32Array::from(vec![0, 7, 100])),
        Arc::new(UInt8Array::from(vec![0, 7, 100])),
        Arc::new(UInt64Array::from(vec![0, 7, 100])),
        Arc::new(Date32Array::from(vec![0, 7, 100])),
        Arc::new(TimestampMicrosecondArray::from(vec![0, 7, 100]).with_timezone("UTC")),
    ]);
    let words = ["a", "", "a longer word than fits in a view", "ü"];
    let raw: Vec<&[u8]> = words.iter().map(|word| word.as_bytes()).collect();
    let keys = Int8Array::from(vec![3, 2, 1, 0]);
    let values = Arc::new(StringArray::from(vec![
        words[3], words[2], words[1], words[0],
    ]));
    check(vec![
        Arc::new(StringArray::from(words.to_vec())),
        Arc::new(LargeStringArray::from(words.to_vec())),
        Arc::new(StringViewArray::from(words.to_vec())),
        Arc::new(BinaryArray::from(raw.clone())),
        Arc::new(LargeBinaryArray::from(raw.clone())),
        Arc::new(BinaryViewArray::from_iter_values(raw)),
        Arc::new(DictionaryArray::<Int8Type>::new(keys, values)),
    ]);
    let fixed = FixedSizeBinaryArray::try_from_iter([[1_u8, 2], [3, 4]].into_iter()).unwrap();
    check(vec![
        Arc::new(BinaryArray::from(vec![&[1_u8, 2][..], &[3, 4]])),
        Arc::new(fixed),
    ]);
}

#[test]
fn counts_are_within_four_standard_errors() {
    for n in [0, 1, 2, 17, 1_000, 2_048] {
        for seed in 0..4 {
            let from = seed << 32;
            assert_eq!(sketch(numbers(from..from + n)).count(), n, "exact at {n}");
        }
    }
    let standard_error = 1.04 / f64::from(1 << (PRECISION / 2));
    for n in [2_049, 2_500, 5_000, 20_000, 50_000, 100_000, 1_000_000_i32] {
        let mut sum = 0.0;
        let tries = if n > 100_000 { 4 } else { 16 };
        for seed in 0..tries {
            let from = i64::from(seed) << 32;
            let count = sketch(numbers(from..from + i64::from(n))).count();
            let count = f64::from(i32::try_from(count).unwrap());
            let error = count / f64::from(n) - 1.0;
            assert!(error.abs() < 4.0 * standard_error, "{n}: {count}");
            sum += error;
        }
        let bias = sum / f64::from(tries);
        let allowed = 4.0 * standard_error / f64::from(tries).sqrt();
        assert!(bias.abs() < allowed, "{n}: bias {bias}");
    }
}

#[test]
fn a_repeated_value_costs_no_memory() {
    let mut sketch = Sketch::default();
    for round in 0..100_000 {
        sketch.add(round % 3);
    }
    assert!(sketch.heap_bytes() <= 256, "{}", sketch.heap_bytes());
    assert_eq!(sketch.count(), 3);
}

#[test]
fn extreme_registers_give_a_count_and_no_loop() {
    let empty = vec![0; REGISTERS].into_boxed_slice();
    assert_eq!(super::estimate(&empty), 0);
    let full = vec![super::RANK_MAX; REGISTERS].into_boxed_slice();
    assert_eq!(super::estimate(&full), i64::MAX);
}

#[test]
fn damaged_bytes_are_refused() {
    let check = |bytes: &[u8], expected: &str| {
        let mut sketch = sketch(numbers(0..3));
        let error = sketch.merge(bytes).unwrap_err().to_string();
        assert!(error.contains(expected), "{error}");
        assert_eq!(sketch.count(), 3, "nothing was merged");
    };
    let with = |header: [u8; 4], body: &[u8]| [&header, body].concat();
    check(b"", "no header");
    check(b"D\x01\x0e", "no header");
    check(b"X\x01\x0e\0", "first letter");
    check(b"D\x02\x0e\0", "version 2 cannot be read, only version 1");
    check(
        b"D\x01\x0c\0",
        "precision 12 cannot be merged with precision 14",
    );
    check(b"D\x01\x0e\x07", "form");
    check(&with(*b"D\x01\x0e\0", &[1; 9]), "cut off");
    check(&with(*b"D\x01\x0e\0", &[1; 16]), "not ascending");
    check(&with(*b"D\x01\x0e\0", &vec![0; 8 * 2_049]), "too many");
    check(&with(*b"D\x01\x0e\x01", &[1; 100]), "not 16,384");
    check(&with(*b"D\x01\x0e\x01", &[52; REGISTERS]), "above 51");
}

/// A set of hashes that may be empty, small, just about a list, or large.
fn sets() -> impl Strategy<Value = Vec<u64>> {
    let about_full = i64::try_from(EXACT_MAX).unwrap();
    let range = prop_oneof![
        (0..50_i64, 0..20_i64),
        (0..3_000_i64, about_full - 3..about_full + 3),
        (0..10_000_i64, 0..6_000_i64),
    ];
    range.prop_map(|(from, len)| numbers(from..from + len))
}

fn merged(one: &[u8], other: &[u8]) -> Vec<u8> {
    let mut sketch = Sketch::default();
    sketch.merge(one).unwrap();
    sketch.merge(other).unwrap();
    bytes(sketch)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(128))]

    #[test]
    fn merging_is_the_union(
        a in sets(), b in sets(), c in sets(), shuffle in any::<proptest::sample::Index>(),
    ) {
        let [x, y, z] = [&a, &b, &c].map(|set| bytes(sketch(set.iter().copied())));
        prop_assert_eq!(merged(&x, &y), merged(&y, &x));
        prop_assert_eq!(merged(&x, &x), x.clone());
        let all = merged(&merged(&x, &y), &z);
        prop_assert_eq!(&merged(&x, &merged(&y, &z)), &all);
        // Equal sets have equal bytes, however they came.
        let mut hashes = [a.clone(), b, c, a].concat();
        let at = shuffle.index(hashes.len().max(1)).min(hashes.len());
        hashes.rotate_left(at);
        prop_assert_eq!(&bytes(sketch(hashes.iter().copied())), &all);
        let distinct = hashes.into_iter().collect::<BTreeSet<_>>().len();
        prop_assert_eq!(all[3] == DENSE, distinct > EXACT_MAX);
        prop_assert_eq!(all[1], VERSION);
    }
}

/// The whole numbers that `sql` gives over a table `t`.
fn query(sql: &str) -> Result<Vec<Option<i64>>, String> {
    let session = Session::new();
    let keys = Int8Array::from(vec![Some(0), Some(1), None, Some(1)]);
    let words = Arc::new(StringArray::from(vec![Some("a"), None]));
    let columns: Vec<(&str, ArrayRef)> = vec![
        ("k", Arc::new(Int64Array::from(vec![1, 1, 2, 2]))),
        (
            "n",
            Arc::new(Int64Array::from(vec![Some(5), Some(5), None, Some(6)])),
        ),
        (
            "word",
            Arc::new(DictionaryArray::<Int8Type>::new(keys, words)),
        ),
        (
            "keep",
            Arc::new(BooleanArray::from(vec![
                Some(true),
                None,
                Some(true),
                Some(false),
            ])),
        ),
    ];
    let fields: Vec<Field> = columns
        .iter()
        .map(|(name, column)| Field::new(*name, column.data_type().clone(), true))
        .collect();
    let schema = Arc::new(Schema::new(fields));
    let columns = columns.into_iter().map(|(_, column)| column).collect();
    let rows = RecordBatch::try_new(Arc::clone(&schema), columns).unwrap();
    session.register_rows("t", schema, vec![rows]).unwrap();
    let runtime = tokio::runtime::Builder::new_current_thread()
        .build()
        .unwrap();
    let (_, rows) = runtime
        .block_on(session.query(sql))
        .map_err(|error| error.strip_backtrace())?;
    Ok(rows
        .iter()
        .flat_map(|batch| batch.column(0).as_primitive::<Int64Type>().iter())
        .collect())
}

#[test]
fn the_function_counts_in_sql() {
    let check = |sql: &str, expected: &[i64]| {
        let expected: Vec<_> = expected.iter().copied().map(Some).collect();
        assert_eq!(query(sql), Ok(expected), "{sql}");
    };
    check("SELECT count_distinct_sketch(n) FROM t", &[2]);
    check(
        "SELECT count_distinct_sketch(n) FROM t GROUP BY k ORDER BY k",
        &[1, 1],
    );
    check("SELECT count_distinct_sketch(n) FROM t WHERE false", &[0]);
    check("SELECT count_distinct_sketch(NULL) FROM t", &[0]);
    check("SELECT count_distinct_sketch(DISTINCT n) FROM t", &[2]);
    check("SELECT count_distinct_sketch(word) FROM t", &[1]);
    check(
        "SELECT count_distinct_sketch(word) FROM t GROUP BY k ORDER BY k",
        &[1, 0],
    );
    check(
        "SELECT count_distinct_sketch(n) FILTER (WHERE keep) FROM t",
        &[1],
    );
    check(
        "SELECT count_distinct_sketch(n) FILTER (WHERE keep) FROM t GROUP BY k ORDER BY k",
        &[1, 0],
    );
    check(
        "SELECT count_distinct_sketch(value) FROM generate_series(1, 2048)",
        &[2_048],
    );
}

#[test]
fn wrong_arguments_are_refused() {
    let check = |sql: &str, expected: &str| {
        let error = query(sql).unwrap_err();
        assert!(error.contains(expected), "{error}");
    };
    check(
        "SELECT count_distinct_sketch(1.5e0) FROM t",
        "not Float64: cast it",
    );
    check(
        "SELECT count_distinct_sketch(make_array(n)) FROM t",
        "cast it",
    );
    check(
        "SELECT count_distinct_sketch(n, k) FROM t",
        "one argument, not 2",
    );
}
