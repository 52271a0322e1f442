//! How much memory a decoder takes for a payload, with the rows and rejections that it gives out.
//!
//! Tries to break the bound with payloads that are made to be small and to cost much: as many
//! records as fit, long headers above short records, and values whose form in memory is large. The
//! tests of this file run one after another, since they read one counter of allocated bytes.

use std::alloc::System;
use std::sync::{Arc, Mutex, PoisonError};

use arrow::array::{
    ArrayRef, DictionaryArray, FixedSizeBinaryArray, Int8Array, Int32Array, RecordBatch,
    StringArray, TimestampMicrosecondArray,
};
use arrow::datatypes::{Int8Type, Int32Type};
use arrow::ipc::writer::StreamWriter;
use cap::Cap;
use tidegate_feeds::{Decoder, FeedConfig, TimeLimit};
use tidegate_model::{EventTime, FeedId, ObservationBuilder, Payload, Position};

#[global_allocator]
static ALLOCATED: Cap<System> = Cap::new(System, usize::MAX);

static ONE_BY_ONE: Mutex<()> = Mutex::new(());

/// Bytes that a decoder takes for any payload, however small.
const AT_LEAST: usize = 128 << 10;

/// How many times the bytes of the payload it takes at most.
const FACTOR: usize = 192;

/// The most bytes at once, while `payload` is decoded.
fn peak(toml: &str, payload: &[u8]) -> usize {
    let config: FeedConfig = toml::from_str(toml).expect("the file is valid");
    let feed = FeedId::new("test");
    let mut decoder = Decoder::try_new(feed.clone(), &config).expect("the file is valid");
    let mut out = ObservationBuilder::new(feed, 1);
    let mut rejected = Vec::new();
    let limit = TimeLimit {
        latest: EventTime::MAX,
    };
    let payload = Payload {
        position: Position::default(),
        bytes: Some(payload),
        arrived: None,
    };
    let before = ALLOCATED.allocated();
    // The counter of the most only rises: a block that is as large as it sets it to a known value.
    let filler = ALLOCATED.max_allocated().saturating_sub(before);
    drop(Vec::<u8>::with_capacity(filler));
    let floor = ALLOCATED.max_allocated();
    let _held = Vec::<u8>::with_capacity(floor - ALLOCATED.allocated());
    decoder.decode(payload, limit, &mut out, &mut rejected);
    ALLOCATED.max_allocated() - floor
}

#[track_caller]
#[expect(
    clippy::print_stdout,
    reason = "with --nocapture it tells how near a payload comes"
)]
fn check(toml: &str, make: impl Fn(usize) -> Vec<u8>) {
    // Held also while payloads are made, which takes memory.
    let _guard = ONE_BY_ONE.lock().unwrap_or_else(PoisonError::into_inner);
    for bytes in [4 << 10, 64 << 10, 512 << 10] {
        let payload = make(bytes);
        assert!(payload.len() <= bytes);
        let peak = peak(toml, &payload);
        let (len, most) = (payload.len(), FACTOR * payload.len() + AT_LEAST);
        println!("{:>4} times {len}", peak / len);
        assert!(
            peak <= most,
            "{peak} bytes for a payload of {len}, more than {most}"
        );
    }
}

/// `head`, then as many `part` as fit, then `tail`.
fn filled(head: &str, part: &str, tail: &str) -> impl Fn(usize) -> Vec<u8> {
    move |bytes| {
        let parts = bytes.saturating_sub(head.len() + tail.len()) / part.len();
        [head, &part.repeat(parts), tail].concat().into_bytes()
    }
}

/// Half of the bytes before the records, by `head`; the rest as many `part` as fit, and `tail`.
fn below_a_long_head(
    head: impl Fn(usize) -> String,
    part: &str,
    tail: &str,
) -> impl Fn(usize) -> Vec<u8> {
    move |bytes| {
        let head = head(bytes / 2 - 64);
        filled(&head, part, tail)(bytes)
    }
}

const CSV: &str = "format = 'csv'\n[mapping]\nsite = ['a']\ncount = 'n'\nmeasure = 'in'\n\
    time = { columns = ['t'], format = 'rfc3339' }";
const MAPPED: &str = "format = 'mapped_json'\n[mapping]\nsite = ['a']\ncount = 'n'\nmeasure = 'in'\n\
    time = { columns = ['t'], format = 'rfc3339' }";

#[test]
fn csv() {
    check(CSV, filled("a,t,n\n", "x\n", ""));
    check(CSV, filled("a,t\n", "x\n", ""));
    let row = "a,2026-03-01T08:00:00Z,5\n";
    check(CSV, filled("a,t,n\n", row, ""));
    check(CSV, filled("a,t,n", ",b", &format!("\n{row}")));
    // As long above short rows as a header may be, and longer.
    check(
        CSV,
        filled(&format!("a,t,n,{}\n", "b".repeat(118)), "x\n", ""),
    );
    let header = |len: usize| format!("a,t,n,{}\n", "b".repeat(len));
    check(CSV, below_a_long_head(header, "x\n", ""));
    let not_a_header = |len: usize| format!("{}\n", "b".repeat(len));
    check(CSV, below_a_long_head(not_a_header, "x\n", ""));
}

#[test]
fn json() {
    let own = "format = 'json'";
    check(own, filled("[", "[", ""));
    check(own, filled("{", "\"a\":0,", "\"a\":0}"));
    check(own, filled("{\"site\":\"", "\\u00e9", "\"}"));
    check(MAPPED, filled("[", "0,", "0]"));
    check(MAPPED, filled("", "{\n", ""));
    let object = "{\"a\":\"x\",\"t\":\"2026-03-01T08:00:00Z\",\"n\":5},";
    check(MAPPED, filled("[", object, "{}]"));
}

#[test]
fn protobuf() {
    let format = "format = 'protobuf'";
    check(format, filled("", "\x0a\0", ""));
    check(format, filled("", "\x0a\x02\x1a\0", ""));
    check(format, filled("", "\x12\0", ""));
}

#[test]
fn gtfs_realtime() {
    let binary = "format = 'gtfs_realtime'\noccupancy = { capacity = 80 }";
    check(binary, filled("\x0a\0", "\x12\0", ""));
    check(binary, filled("\x0a\0", "\x0a\0\x12\0", ""));
    let header = format!("\x0a\x7e{}", "\x08\0".repeat(63));
    let headers = |len: usize| header.repeat(len / header.len());
    check(binary, below_a_long_head(headers, "\x12\0", ""));
    let json = "format = 'gtfs_realtime_json'\noccupancy = { capacity = 80 }";
    check(json, filled("{\"header\":{},\"entity\":[", "0,", "0]}"));
    check(
        json,
        filled("{\"header\":{},\"entity\":[", "{\"a\":0},", "0]}"),
    );
    check(
        json,
        filled("{\"header\":{},\"entity\":[[", "{\"a\":0},", "0]]}"),
    );
    check(json, filled("{\"header\":{},\"entity\":[[", "[],", "0]]}"));
}

#[test]
fn siri() {
    let format = "format = 'siri'";
    let open = "<Siri><ServiceDelivery><VehicleMonitoringDelivery>";
    check(format, filled(open, "<VehicleActivity>", ""));
    check(format, filled(open, "<VehicleActivity/>", ""));
    check(format, filled("", "</VehicleActivity>", ""));
    check(format, filled("", "<a>", ""));
    for most in [2_000, 16_000] {
        let root = |len: usize| format!("<Siri a='{}'>", "b".repeat(len.min(most)));
        check(format, below_a_long_head(root, "<VehicleActivity>", ""));
        check(format, below_a_long_head(root, "</VehicleActivity>", ""));
    }
}

/// A stream of `rows` rows of 11 bytes each, all of them with `count`; its ids are a dictionary of
/// `ids` values of one byte.
fn stream(rows: usize, count: i8, ids: usize) -> Vec<u8> {
    let word = |word: &str| -> ArrayRef {
        let keys = Int8Array::from(vec![0; rows]);
        let values = Arc::new(StringArray::from(vec![word]));
        Arc::new(DictionaryArray::<Int8Type>::new(keys, values))
    };
    let start = TimestampMicrosecondArray::from(vec![1_772_323_200_000_000; rows]);
    let mut columns: Vec<(&str, ArrayRef)> = vec![
        ("site", word("a")),
        ("start", Arc::new(start.with_timezone("UTC"))),
        ("measure", word("in")),
        ("count", Arc::new(Int8Array::from(vec![count; rows]))),
    ];
    if ids > 0 {
        let values = FixedSizeBinaryArray::new(1, vec![b'i'; ids].into(), None);
        let keys = Int32Array::from(vec![0; rows]);
        let ids = DictionaryArray::<Int32Type>::new(keys, Arc::new(values));
        columns.push(("id", Arc::new(ids)));
    }
    let batch = RecordBatch::try_from_iter(columns).expect("columns of one length");
    let mut writer = StreamWriter::try_new(Vec::new(), &batch.schema()).expect("memory takes it");
    writer.write(&batch).expect("memory takes it");
    writer.into_inner().expect("memory takes it")
}

#[test]
fn arrow() {
    let format = "format = 'arrow'";
    let room = |bytes: usize| bytes - 3_000;
    check(format, |bytes| stream(room(bytes) / 11, 5, 0));
    check(format, |bytes| stream(room(bytes) / 11, -5, 0));
    check(format, |bytes| stream(1, 5, room(bytes)));
}
