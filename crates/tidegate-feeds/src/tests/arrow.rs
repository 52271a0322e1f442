//! The product's own observations as Arrow streams, written by arrow's own writer: every type that
//! a column may have, one line a way to be wrong, and every byte changed.

use std::sync::Arc;

use arrow::array::{
    Array, ArrayRef, BinaryArray, BooleanArray, FixedSizeBinaryArray, Float32Array, Float64Array,
    Int8Array, Int64Array, ListArray, NullArray, RecordBatch, StringArray, StringViewArray,
    StringViewBuilder, StructArray, TimestampMicrosecondArray, TimestampNanosecondArray,
    TimestampSecondArray, UInt32Array, UInt64Array,
};
use arrow::compute::cast;
use arrow::datatypes::{DataType, Field, Int32Type, Schema, TimeUnit};
use arrow::ipc::writer::{IpcWriteOptions, StreamWriter};
use proptest::collection::vec;
use proptest::prelude::*;
use tidegate_model::event_id;

use super::{Bench, event_ids, problems};

/// 2026-03-01T00:00:00Z in seconds.
const START: i64 = 1_772_323_200;

type Columns = Vec<(&'static str, ArrayRef)>;

fn record_batch(columns: &Columns) -> RecordBatch {
    let fields = columns
        .iter()
        .map(|(name, array)| Field::new(*name, array.data_type().clone(), true));
    let schema = Schema::new(fields.collect::<Vec<_>>());
    let arrays = columns.iter().map(|(_, array)| Arc::clone(array)).collect();
    RecordBatch::try_new(Arc::new(schema), arrays).unwrap()
}

/// A stream of these batches, which have one schema.
pub(super) fn stream_of(batches: &[RecordBatch]) -> Vec<u8> {
    let mut writer = StreamWriter::try_new(Vec::new(), &batches[0].schema()).unwrap();
    for batch in batches {
        writer.write(batch).unwrap();
    }
    writer.into_inner().unwrap()
}

fn stream(columns: &Columns) -> Vec<u8> {
    stream_of(&[record_batch(columns)])
}

fn times(seconds: [i64; 3]) -> ArrayRef {
    let micros = seconds.map(|second| second * 1_000_000).to_vec();
    Arc::new(TimestampMicrosecondArray::from(micros).with_timezone("UTC"))
}

fn text<const N: usize>(values: [Option<&str>; N]) -> ArrayRef {
    Arc::new(StringArray::from(values.to_vec()))
}

fn good() -> Columns {
    vec![
        ("site", text([Some("g"), Some("h"), Some("东门")])),
        ("start", times([START; 3])),
        ("end", times([START + 300; 3])),
        ("measure", text([Some("in"), Some("out"), Some("load")])),
        ("count", Arc::new(Int64Array::from(vec![31, 0, 7]))),
    ]
}

/// `good` with the column `name` replaced, added, or (by `None`) left out.
fn with(name: &'static str, array: impl Into<Option<ArrayRef>>) -> Columns {
    let mut columns = good();
    columns.retain(|(other, _)| *other != name);
    columns.extend(array.into().map(|array| (name, array)));
    columns
}

const GOOD_ROWS: [&str; 3] = [
    "g 2026-03-01T00:00:00Z 2026-03-01T00:05:00Z in person 31",
    "h 2026-03-01T00:00:00Z 2026-03-01T00:05:00Z out person 0",
    "东门 2026-03-01T00:00:00Z 2026-03-01T00:05:00Z load person 7",
];

#[track_caller]
fn check_rows(columns: &Columns, want: [&str; 3]) {
    let mut bench = Bench::of("format = 'arrow'");
    bench.feed(stream(columns));
    assert_eq!(bench.rejections(), Vec::<String>::new());
    assert_eq!(bench.rows(), want);
}

/// Row 1 of three is bad: the others are counted, and what is kept of it says the same alone.
#[track_caller]
fn check_row(columns: &Columns, want: &str) {
    let payload = stream(columns);
    let mut bench = Bench::of("format = 'arrow'");
    bench.feed(&payload);
    assert_eq!(bench.rows().len(), 2);
    assert_eq!(bench.rejected.len(), 1, "{:?}", bench.rejected);
    let kept = bench.rejected[0].bytes.clone().unwrap();
    assert!(kept.len() < 2_048, "{}", kept.len());
    let alone = bench.decoder.record_bytes(&payload, &[1, 3].into());
    assert_eq!(alone, [(1, kept.clone())].into());
    let got = bench.rejections().pop().unwrap();
    assert!(got.starts_with(&format!("1 {want}")), "{got}, not {want}");
    bench.feed(&kept);
    assert_eq!(bench.rejected[0].bytes.as_ref(), Some(&kept));
    let again = bench.rejections().pop().unwrap();
    assert_eq!(got.strip_prefix('1'), again.strip_prefix('0'));
}

/// The payload is one rejection, which keeps it unless it is personal.
#[track_caller]
fn check_message(payload: &[u8], want: &str) {
    let mut bench = Bench::of("format = 'arrow'");
    bench.feed(payload);
    assert!(bench.out.is_empty());
    assert_eq!(bench.rejected.len(), 1, "{:?}", bench.rejected);
    let kept = bench.rejected[0].bytes.clone();
    let personal = want.starts_with("personal_data");
    assert_eq!(kept.as_deref(), (!personal).then_some(payload));
    let alone = bench.decoder.record_bytes(payload, &[0, 1].into());
    assert_eq!(alone.len(), usize::from(!personal));
    let got = bench.rejections().pop().unwrap();
    assert!(got.starts_with(&format!("0 {want}")), "{got}, not {want}");
}

fn as_type(name: &'static str, data_type: &DataType) -> Columns {
    let columns = good();
    let (_, array) = columns.iter().find(|(other, _)| *other == name).unwrap();
    with(name, cast(array, data_type).unwrap())
}

fn dictionary(keys: DataType, values: DataType) -> DataType {
    DataType::Dictionary(Box::new(keys), Box::new(values))
}

#[test]
fn every_type_of_a_column() {
    use DataType::{Int8, Int16, Int32, Int64, LargeUtf8, UInt8, UInt16, UInt32, UInt64, Utf8};
    check_rows(&good(), GOOD_ROWS);
    for name in ["site", "measure"] {
        for data_type in [
            LargeUtf8,
            DataType::Utf8View,
            dictionary(Int8, Utf8),
            dictionary(UInt16, LargeUtf8),
            dictionary(Int32, Utf8),
            dictionary(UInt64, DataType::Utf8View),
        ] {
            check_rows(&as_type(name, &data_type), GOOD_ROWS);
        }
    }
    for unit in [
        TimeUnit::Second,
        TimeUnit::Millisecond,
        TimeUnit::Microsecond,
        TimeUnit::Nanosecond,
    ] {
        for zone in ["UTC", "+08:00", "Asia/Shanghai"] {
            let data_type = DataType::Timestamp(unit, Some(zone.into()));
            check_rows(&as_type("start", &data_type), GOOD_ROWS);
            check_rows(&as_type("end", &data_type), GOOD_ROWS);
        }
    }
    for data_type in [Int8, Int16, Int32, Int64, UInt8, UInt16, UInt32, UInt64] {
        check_rows(&as_type("count", &data_type), GOOD_ROWS);
    }
    // A long view points into a buffer.
    let long: ArrayRef = Arc::new(StringViewArray::from(vec!["thirteen long", "h", "东门"]));
    let mut want = GOOD_ROWS;
    let first = want[0].replacen('g', "thirteen long", 1);
    want[0] = &first;
    check_rows(&with("site", long), want);
}

#[test]
fn columns_that_may_be_left_out() {
    let point = GOOD_ROWS.map(|row| row.replace("05:00Z", "00:00Z"));
    let point = [0, 1, 2].map(|row: usize| point[row].as_str());
    check_rows(&with("end", None), point);
    let never = TimestampMicrosecondArray::new_null(3).with_timezone("UTC");
    check_rows(&with("end", Arc::new(never) as ArrayRef), point);
    let sometimes: Vec<Option<i64>> = vec![Some((START + 300) * 1_000_000), None, None];
    let sometimes = TimestampMicrosecondArray::from(sometimes).with_timezone("UTC");
    check_rows(
        &with("end", Arc::new(sometimes) as ArrayRef),
        [GOOD_ROWS[0], point[1], point[2]],
    );
    let subject = text([None, Some("vehicle"), Some("person")]);
    let vehicle = GOOD_ROWS[1].replace("person", "vehicle");
    check_rows(
        &with("subject", subject),
        [GOOD_ROWS[0], &vehicle, GOOD_ROWS[2]],
    );
    let origin = text([None, Some("HB"), Some("")]);
    let from = [1, 2].map(|row| format!("{} from {}", GOOD_ROWS[row], ["HB", "unknown"][row - 1]));
    check_rows(&with("origin", origin), [GOOD_ROWS[0], &from[0], &from[1]]);
    // Coordinates of all rows, of some, of none; of 4 bytes.
    let lat = |lats: [Option<f64>; 3]| -> Columns {
        let mut columns = with(
            "lat",
            Arc::new(Float64Array::from(lats.to_vec())) as ArrayRef,
        );
        let lngs: Vec<Option<f32>> = lats.iter().map(|lat| lat.map(|_| -0.5)).collect();
        columns.push(("lng", Arc::new(Float32Array::from(lngs))));
        columns
    };
    let at = GOOD_ROWS.map(|row| format!("{row} at 90,-0.5"));
    check_rows(
        &lat([Some(90.0); 3]),
        [0, 1, 2].map(|row: usize| at[row].as_str()),
    );
    check_rows(
        &lat([Some(90.0), None, None]),
        [&at[0], GOOD_ROWS[1], GOOD_ROWS[2]],
    );
    check_rows(&lat([None; 3]), GOOD_ROWS);
    check_rows(
        &with("lat", Arc::new(Float64Array::new_null(3)) as ArrayRef),
        GOOD_ROWS,
    );
}

#[test]
fn columns_that_nobody_wants() {
    let children = |names: [&str; 2]| -> ArrayRef {
        let arrays: Vec<(Arc<Field>, ArrayRef)> = names
            .iter()
            .map(|name| {
                let array = text([Some("a"), None, Some("c")]);
                (Arc::new(Field::new(*name, DataType::Utf8, true)), array)
            })
            .collect();
        Arc::new(StructArray::from(arrays))
    };
    let list = ListArray::from_iter_primitive::<Int32Type, _, _>([Some([Some(1)]), None, None]);
    let view = cast(&text([Some("a"), Some("b"), None]), &DataType::Utf8View).unwrap();
    for other in [
        Arc::new(NullArray::new(3)) as ArrayRef,
        Arc::new(BooleanArray::from(vec![true, false, true])),
        Arc::new(list),
        Arc::clone(&view),
        cast(&view, &dictionary(DataType::Int8, DataType::Utf8)).unwrap(),
        children(["a", "b"]),
    ] {
        let mut columns = vec![("note", Arc::clone(&other))];
        columns.extend(good());
        columns.push(("more", other));
        check_rows(&columns, GOOD_ROWS);
    }
    for columns in [
        with("phone", text([None; 3])),
        with("ID-Card", text([None; 3])),
        with("note", children(["a", "full_name"])),
    ] {
        check_message(&stream(&columns), "personal_data -: column");
    }
}

/// Many views of one long text would be looked through one by one.
#[test]
fn views_do_not_read_their_data_again_and_again() {
    let sites = |rows: usize| -> Columns {
        let mut sites = StringViewBuilder::new();
        let block = sites.append_block(vec![b'g'; 20_000].into());
        for _ in 0..rows {
            sites.try_append_view(block, 0, 20_000).unwrap();
        }
        let start = TimestampMicrosecondArray::from(vec![START * 1_000_000; rows]);
        vec![
            ("site", Arc::new(sites.finish())),
            ("start", Arc::new(start.with_timezone("UTC"))),
            ("measure", Arc::new(StringArray::from(vec!["in"; rows]))),
            ("count", Arc::new(Int64Array::from(vec![1; rows]))),
        ]
    };
    let mut bench = Bench::of("format = 'arrow'");
    bench.feed(stream(&sites(60)));
    assert_eq!(bench.rejected.len(), 60);
    check_message(
        &stream(&sites(100)),
        "malformed -: column site: views of 2000000 bytes into 21600, more than 64 times as many",
    );
}

/// However a stream with such a column is cut or changed, its name is never kept.
#[test]
fn broken_personal_data_is_never_kept() {
    let payload = stream(&with("phone", text([None; 3])));
    let name = payload
        .windows(6)
        .position(|six| six == b"phone\0")
        .unwrap();
    let check = |broken: &[u8]| {
        let mut bench = Bench::of("format = 'arrow'");
        bench.feed(broken);
        for kept in bench.rejected.iter().filter_map(|one| one.bytes.as_ref()) {
            assert!(!kept.windows(5).any(|five| five == b"phone"));
        }
    };
    for len in 8..payload.len() {
        check(&payload[..len]);
    }
    for at in (0..payload.len()).filter(|at| !(name - 1..name + 6).contains(at)) {
        let mut broken = payload.clone();
        broken[at] ^= 0xff;
        check(&broken);
    }
}

#[test]
fn ids_are_the_producers_or_the_position() {
    let fixed = [[1_u8; 3], [2; 3], [0xff; 3]];
    let fixed_array = FixedSizeBinaryArray::try_from_iter(fixed.iter()).unwrap();
    let binary = BinaryArray::from_vec(vec![b"\xff\xfe", b"b", b"c"]);
    let ids = |id: ArrayRef| {
        let mut bench = Bench::of("format = 'arrow'");
        bench.feed(stream(&with("id", id)));
        assert_eq!(bench.rejections(), Vec::<String>::new());
        event_ids(&bench.out.finish())
    };
    let want = |id: &[u8]| event_id("test", id).to_be_bytes().to_vec();
    assert_eq!(ids(Arc::new(fixed_array)), fixed.map(|id| want(&id)));
    let words = [b"\xff\xfe".as_slice(), b"b", b"c"];
    assert_eq!(ids(Arc::new(binary)), words.map(want));
    let some = ids(text([Some("a"), None, Some("a")]));
    assert_eq!(some[0], want(b"a"));
    assert!(some[0] == some[2] && some[0] != some[1]);
    let dictionary = dictionary(DataType::Int8, DataType::Utf8);
    let again = cast(&text([Some("a"), None, Some("a")]), &dictionary).unwrap();
    assert_eq!(ids(again), some);
    let none = ids(text([None; 3]));
    assert!(none[0] != none[1] && none[1] != none[2] && none[1] == some[1]);
    let mut bench = Bench::of("format = 'arrow'");
    bench.feed(stream(&good()));
    assert_eq!(event_ids(&bench.out.finish()), none);
}

#[test]
#[expect(clippy::too_many_lines, reason = "a table of cases")]
fn rows_that_cannot_be() {
    let long = "s".repeat(257);
    let sites = |site| text([Some("g"), site, Some("h")]);
    check_row(&with("site", sites(None)), "missing_field -: site is null");
    check_row(
        &with("site", sites(Some(""))),
        "missing_field -: site is empty",
    );
    check_row(&with("site", sites(Some(&long))), "wrong_type -: site");
    let words = |word| text([Some("in"), word, Some("in")]);
    let known = "wrong_type h: measure \"IN\" is not a known word";
    check_row(&with("measure", words(Some("IN"))), known);
    check_row(
        &with("measure", words(None)),
        "missing_field h: measure is null",
    );
    let subject = with("subject", text([None, Some("dog"), None]));
    check_row(
        &subject,
        "wrong_type h: subject \"dog\" is not a known word",
    );
    check_row(
        &with("origin", text([None, Some(&long), None])),
        "wrong_type h: origin",
    );
    check_row(
        &with("id", text([None, Some(""), None])),
        "missing_field h: id is empty",
    );
    let start = |second| times([START, second, START]);
    check_row(&with("start", start(1)), "time_too_early h: time 1970");
    check_row(&with("end", start(START * 2)), "time_in_future h");
    check_row(&with("end", start(START - 1)), "interval_reversed h");
    check_row(&with("end", start(START + 3601)), "interval_too_long h");
    let seconds = TimestampSecondArray::from(vec![START, i64::MAX, START]).with_timezone("UTC");
    let beyond = "bad_time h: start: 9223372036854775807 is beyond";
    check_row(&with("start", Arc::new(seconds) as ArrayRef), beyond);
    let nanos = TimestampNanosecondArray::from(vec![START * 1_000_000_000, i64::MIN, 0]);
    let nanos = nanos.slice(0, 2).with_timezone("UTC");
    let nanos = arrow::compute::concat(&[&nanos, &nanos.slice(0, 1)]).unwrap();
    check_row(&with("start", nanos), "time_too_early h");
    let nulls = TimestampSecondArray::from(vec![Some(START), None, Some(START)]);
    let nulls = Arc::new(nulls.with_timezone("UTC")) as ArrayRef;
    check_row(&with("start", nulls), "missing_field h: start is null");
    let counts =
        |counts: Vec<Option<i64>>| with("count", Arc::new(Int64Array::from(counts)) as ArrayRef);
    check_row(
        &counts(vec![Some(1), None, Some(1)]),
        "missing_field h: count is null",
    );
    check_row(
        &counts(vec![Some(1), Some(-1), Some(1)]),
        "negative_count h: count -1 is below 0",
    );
    check_row(
        &counts(vec![Some(1), Some(1_000_001), Some(1)]),
        "absurd_count h",
    );
    let small: ArrayRef = Arc::new(Int8Array::from(vec![1, -128, 1]));
    check_row(&with("count", small), "negative_count h: count -128");
    let wide: ArrayRef = Arc::new(UInt32Array::from(vec![1, u32::MAX, 1]));
    check_row(&with("count", wide), "absurd_count h: count 4294967295");
    let huge: ArrayRef = Arc::new(UInt64Array::from(vec![1, u64::MAX, 1]));
    check_row(
        &with("count", huge),
        "absurd_count h: count is above 9223372036854775807",
    );
    let at = |lat: Option<f64>, lng: Option<f64>| {
        let mut columns = with(
            "lat",
            Arc::new(Float64Array::from(vec![Some(1.0), lat, None])) as ArrayRef,
        );
        columns.push((
            "lng",
            Arc::new(Float64Array::from(vec![Some(1.0), lng, None])),
        ));
        columns
    };
    check_row(&at(Some(91.0), Some(0.0)), "bad_coordinate h: lat 91");
    check_row(
        &at(Some(1.0), None),
        "bad_coordinate h: lat 1 comes without lng",
    );
    check_row(&at(Some(1.0), Some(f64::NAN)), "bad_coordinate h: lng NaN");
    let mut alone = with(
        "lat",
        Arc::new(Float64Array::from(vec![None, Some(1.0), None])) as ArrayRef,
    );
    check_row(&alone, "bad_coordinate h: lat 1 comes without lng");
    alone.retain(|(name, _)| *name != "lat");
    check_rows(&alone, GOOD_ROWS);
}

/// Text that is not UTF-8, which no Arrow array can hold: put into the bytes of a stream.
#[test]
fn text_that_is_not_utf8() {
    for data_type in [
        DataType::Utf8,
        DataType::LargeUtf8,
        DataType::Utf8View,
        dictionary(DataType::Int8, DataType::Utf8),
    ] {
        let places = [("site", "-"), ("origin", "h"), ("id", "h")];
        for (name, site) in places {
            let sites = text([Some("a"), Some("MARK"), Some("c")]);
            let payload = stream(&with(name, cast(&sites, &data_type).unwrap()));
            let at = payload.windows(4).position(|four| four == b"MARK").unwrap();
            let mut broken = payload.clone();
            broken[at] = 0xff;
            let mut bench = Bench::of("format = 'arrow'");
            bench.feed(&broken);
            assert_eq!(bench.rejected.len(), 1, "{name} {data_type}");
            assert_eq!(bench.rows().len(), 2);
            let kept = bench.rejected[0].bytes.clone().unwrap();
            let want = format!("1 not_utf8 {site}: {name} is not UTF-8");
            assert_eq!(bench.rejections(), [want.as_str()]);
            bench.feed(&kept);
            assert_eq!(bench.rejections(), [want.replacen('1', "0", 1)]);
        }
    }
}

#[test]
fn messages_that_cannot_be() {
    for name in ["site", "start", "measure", "count"] {
        let want = format!("missing_field -: column {name} is not there");
        check_message(&stream(&with(name, None)), &want);
    }
    let micros: ArrayRef = Arc::new(Int64Array::from(vec![START * 1_000_000; 3]));
    let wrong = "wrong_type -: column start is Int, not Timestamp";
    check_message(&stream(&with("start", micros)), wrong);
    let local: ArrayRef = Arc::new(TimestampMicrosecondArray::from(vec![START * 1_000_000; 3]));
    let zone = "wrong_type -: column end is a Timestamp without a time zone";
    check_message(&stream(&with("end", local)), zone);
    for (name, array) in [
        ("site", good().swap_remove(4).1),
        (
            "site",
            Arc::new(BinaryArray::from_vec(vec![b"a"; 3])) as ArrayRef,
        ),
        ("measure", Arc::new(NullArray::new(3))),
        ("count", text([Some("1"); 3])),
        ("count", Arc::new(Float64Array::from(vec![1.0; 3]))),
        ("lat", text([Some("1"); 3])),
        ("id", good().swap_remove(4).1),
        ("origin", Arc::new(BooleanArray::from(vec![true; 3]))),
    ] {
        let want = format!("wrong_type -: column {name} is ");
        check_message(&stream(&with(name, array)), &want);
    }
    let mut twice = good();
    twice.push(("site", text([Some("a"); 3])));
    check_message(&stream(&twice), "malformed -: column site is there twice");
    check_message(
        b"{\"site\":\"g\"}",
        "malformed -: no IPC message begins at byte 0",
    );
    check_message(b"ARROW1\0\0", "malformed -: an Arrow file");
    check_message(b"\xff\xff\xff\xff", "malformed -: 4 bytes wanted at byte 4");
    check_message(
        b"\xff\xff\xff\xff\0\0\0\0",
        "malformed -: a stream without a schema",
    );
    check_message(
        b"\xff\xff\xff\xff\xfe\xff\xff\xff",
        "malformed -: a length of -2",
    );
    check_message(
        b"\xff\xff\xff\xff\x08\0\0\0aaaaaaaa",
        "malformed -: the IPC message at byte 0",
    );
    let whole = stream(&good());
    let after = [whole.as_slice(), b"x"].concat();
    check_message(&after, "malformed -: 1 bytes after the stream's end");
    check_message(
        &[&whole[..whole.len() - 8], &whole].concat(),
        "malformed -: a second schema",
    );
    // The end mark may be left out, but nothing else.
    let mut bench = Bench::of("format = 'arrow'");
    bench.feed(&whole[..whole.len() - 8]);
    assert_eq!(bench.rows(), GOOD_ROWS);
    for len in 1..whole.len() - 8 {
        let mut bench = Bench::of("format = 'arrow'");
        bench.feed(&whole[..len]);
        let passed: u64 = bench.decoder.passed_over().iter().map(|(_, n)| n).sum();
        assert_eq!(bench.rejected.len() as u64 + passed, 1, "{len}");
        assert!(bench.out.is_empty());
    }
}

#[test]
fn several_batches_and_none() {
    let batch = record_batch(&good());
    let mut bench = Bench::of("format = 'arrow'");
    bench.feed(stream_of(&[
        batch.clone(),
        batch.slice(0, 0),
        batch.slice(1, 2),
    ]));
    let rows: Vec<i32> = {
        let batch = bench.out.finish();
        (0..batch.len())
            .map(|row| batch.position(row).row)
            .collect()
    };
    assert_eq!(rows, [0, 1, 2, 3, 4]);
    // A schema alone, with and without a batch of no rows, has nothing to count.
    bench.feed(stream_of(&[batch.slice(0, 0)]));
    let empty = StreamWriter::try_new(Vec::new(), &batch.schema()).unwrap();
    bench.feed(empty.into_inner().unwrap());
    let passed: Vec<_> = bench
        .decoder
        .passed_over()
        .iter()
        .filter(|(_, n)| *n > 0)
        .collect();
    assert_eq!(passed, [("empty", 2)]);
    assert_eq!(bench.rejections(), Vec::<String>::new());
    // A dictionary may be replaced between batches.
    let of = |sites: ArrayRef| {
        let sites = cast(&sites, &dictionary(DataType::Int8, DataType::Utf8)).unwrap();
        record_batch(&with("site", sites))
    };
    let first = of(text([Some("a"), Some("b"), Some("a")]));
    let second = of(text([Some("c"), Some("c"), Some("b")]));
    bench.feed(stream_of(&[first, second]));
    let sites: Vec<String> = bench.rows().iter().map(|row| row[..1].to_owned()).collect();
    assert_eq!(sites, ["a", "b", "a", "c", "c", "b"]);
}

#[test]
fn limits() {
    let rows = |rows: usize| {
        let batch = record_batch(&good());
        let batches = vec![batch.slice(0, 1); rows];
        arrow::compute::concat_batches(&batch.schema(), &batches).unwrap()
    };
    let mut bench = Bench::of("format = 'arrow'\npayload_bytes_max = 67108864");
    let batch = rows(65_535);
    bench.feed(stream_of(&[batch.clone(), rows(1)]));
    assert_eq!((bench.out.len(), bench.rejected.len()), (65_536, 0));
    bench.feed(stream_of(&[batch.clone(), rows(2)]));
    let want = "0 too_large -: 65537 rows, more than 65536 a message";
    assert_eq!(bench.rejections(), [want]);
    let many = vec![batch.slice(0, 0); 4_097];
    bench.feed(stream_of(&many));
    assert_eq!(
        bench.rejections(),
        ["0 too_large -: more than 4096 record batches"]
    );
}

#[test]
fn files_that_contradict_themselves() {
    let key = |toml: &str| problems(toml)[0].key.clone();
    assert_eq!(key("format = 'arrow'\nwire = 'confluent'"), "wire");
    assert_eq!(
        key("format = 'arrow'\npersonal_fields = ['lat']"),
        "personal_fields"
    );
}

/// A stream with every kind of column.
fn rich() -> Vec<u8> {
    let mut columns = as_type("site", &dictionary(DataType::Int8, DataType::Utf8));
    columns.push((
        "id",
        Arc::new(StringViewArray::from(vec!["a long id of one", "b", "c"])),
    ));
    columns.push(("origin", text([Some("HB"), None, Some("")])));
    columns.push((
        "lat",
        Arc::new(Float64Array::from(vec![Some(1.0), None, Some(2.0)])),
    ));
    columns.push((
        "lng",
        Arc::new(Float64Array::from(vec![Some(1.0), None, Some(2.0)])),
    ));
    let other = StructArray::from(vec![(
        Arc::new(Field::new("a", DataType::Utf8, true)),
        text([Some("x"), None, None]),
    )]);
    columns.push(("note", Arc::new(other)));
    let batch = record_batch(&columns);
    let options = IpcWriteOptions::try_new(8, false, arrow::ipc::MetadataVersion::V5).unwrap();
    let mut writer =
        StreamWriter::try_new_with_options(Vec::new(), &batch.schema(), options).unwrap();
    writer.write(&batch).unwrap();
    writer.write(&batch.slice(1, 2)).unwrap();
    writer.into_inner().unwrap()
}

/// At least one outcome, no panic, and what is kept of a row says the same alone.
#[track_caller]
fn check_any(payload: &[u8]) {
    let mut bench = Bench::of("format = 'arrow'");
    bench.feed(payload);
    let passed: u64 = bench.decoder.passed_over().iter().map(|(_, n)| n).sum();
    assert!(bench.out.len() as u64 + bench.rejected.len() as u64 + passed >= 1);
    let all: std::collections::BTreeSet<i32> = (0..8).collect();
    let alone = bench.decoder.record_bytes(payload, &all);
    for one in std::mem::take(&mut bench.rejected) {
        let kept = alone.get(&one.position.row);
        assert_eq!(one.bytes.as_ref(), kept);
        if let Some(kept) = kept {
            bench.feed(kept);
            assert_eq!(bench.rejected.len(), 1);
            assert_eq!(bench.rejected.pop().unwrap().detail, one.detail);
        }
    }
}

/// Every byte of a stream, changed in several ways.
#[test]
fn every_byte_changed() {
    let payload = rich();
    let mut bench = Bench::of("format = 'arrow'");
    bench.feed(&payload);
    assert_eq!(
        (bench.out.len(), bench.rejected.len()),
        (5, 0),
        "{:?}",
        bench.rejected
    );
    for at in 0..payload.len() {
        for change in [1, 4, 0x80, 0xff] {
            let mut broken = payload.clone();
            broken[at] ^= change;
            check_any(&broken);
        }
    }
}

/// Every length and offset made huge, negative, or another one.
#[test]
fn every_number_changed() {
    let payload = rich();
    for at in (0..payload.len() - 8).step_by(4) {
        for number in [-1, i64::MIN, i64::MAX, 1 << 40, 1 << 31, 8, 0] {
            let mut broken = payload.clone();
            broken[at..at + 8].copy_from_slice(&number.to_le_bytes());
            check_any(&broken);
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(1_000))]

    #[test]
    fn mutations(
        changes in vec((any::<prop::sample::Index>(), any::<[u8; 4]>(), 1..5_usize), 1..5),
        cut in prop::option::weighted(0.2, any::<prop::sample::Index>()),
    ) {
        let mut payload = rich();
        for (at, bytes, len) in changes {
            let at = at.index(payload.len());
            let end = payload.len().min(at + len);
            payload[at..end].copy_from_slice(&bytes[..end - at]);
        }
        if let Some(cut) = cut {
            payload.truncate(1 + cut.index(payload.len()));
        }
        check_any(&payload);
    }

    #[test]
    fn no_bytes_panic(payload in vec(any::<u8>(), 1..200)) {
        check_any(&payload);
        check_any(&[b"\xff\xff\xff\xff\x40\0\0\0".as_slice(), &payload].concat());
    }

    /// Bad rows among many good ones, in batches of any size: the others are counted as if the bad
    /// ones were not there.
    #[test]
    fn bad_rows_stay_alone(
        rows in 1..1_500_usize,
        bad in prop::collection::btree_set(0..1_500_usize, 0..6),
        batch_rows in 1..1_600_usize,
    ) {
        let numbers: Vec<i64> = (0..i64::try_from(rows).unwrap()).collect();
        let sites: Vec<String> = numbers.iter().map(|n| format!("s{n}")).collect();
        let counts: Vec<i64> = numbers
            .iter()
            .zip(0..)
            .map(|(n, row)| if bad.contains(&row) { -1 } else { *n })
            .collect();
        let micros = vec![START * 1_000_000; rows];
        let whole = record_batch(&vec![
            ("site", Arc::new(StringArray::from(sites)) as ArrayRef),
            ("start", Arc::new(TimestampMicrosecondArray::from(micros).with_timezone("UTC"))),
            ("measure", Arc::new(StringArray::from(vec!["in"; rows]))),
            ("count", Arc::new(Int64Array::from(counts))),
        ]);
        let batches: Vec<RecordBatch> = (0..rows)
            .step_by(batch_rows)
            .map(|start| whole.slice(start, batch_rows.min(rows - start)))
            .collect();
        let mut bench = Bench::of("format = 'arrow'");
        bench.feed(stream_of(&batches));
        let rejected: Vec<usize> = bench
            .rejected
            .iter()
            .map(|one| usize::try_from(one.position.row).unwrap())
            .collect();
        let want: Vec<usize> = bad.iter().copied().filter(|row| *row < rows).collect();
        prop_assert_eq!(rejected, want);
        let batch = bench.out.finish();
        let good: Vec<i64> = numbers
            .iter()
            .zip(0..)
            .filter(|(_, row)| !bad.contains(row))
            .map(|(n, _)| *n)
            .collect();
        prop_assert_eq!(batch.count().values().to_vec(), good.clone());
        for (row, n) in good.iter().enumerate() {
            prop_assert_eq!(batch.site_id().value(row), format!("s{n}"));
            prop_assert_eq!(i64::from(batch.position(row).row), *n);
        }
    }
}
