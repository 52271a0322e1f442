//! What must hold for any bytes at all: nothing panics, nothing passes unseen, no record touches
//! another, and the fast path reads what the exact path and plain serde read.

use proptest::collection::vec;
use proptest::prelude::*;
use tidegate_model::{EventTime, ObservationRecord, parse_rfc3339};

use super::{Bench, event_ids, lines};
use crate::FeedConfig;
use crate::json::{Object, OwnNames, interpret, scan};
use crate::personal::PersonalFields;

const FILES: [&str; 4] = [
    include_str!("turnstile.toml"),
    include_str!("entries.toml"),
    include_str!("od.toml"),
    include_str!("checkpoint.toml"),
];

/// Pieces that make JSON likely to be nearly right.
fn value() -> impl Strategy<Value = String> {
    prop_oneof![
        4 => prop::sample::select(vec![
            "\"in\"", "\"out\"", "\"load\"", "\"person\"", "\"vehicle\"", "\"2026-03-01T08:00:00Z\"",
            "\"2026-03-01T08:30:00.250+08:00\"", "\"2026-03-01t08:00:00z\"", "\"2026-03-01T08:00:60Z\"",
            "null", "true", "false", "0", "-0", "-0.0", "7", "31", "1e2", "1.0", "-5", "007", "30.592849",
            "114.30539999999999", "0.1", "1e999", "123456789012345678", "12345678901234567890",
            "9007199254740993", "90.00000000000001", "0.000000000000000000001", "[]", "{\"a\":{\"b\":[1]}}",
            "{\"phone\":1}", "\"\"", "\"\\u00e9\"", "\"\\ud800\"", "NaN", "\"a\tb\"", "1.", "+1", ".5",
        ]).prop_map(str::to_owned),
        1 => "[ -~é中]{0,12}".prop_map(|text| format!("{text:?}")),
        1 => (-1e3_f64..1e3).prop_map(|number| number.to_string()),
        1 => any::<f64>().prop_filter("JSON has no NaN", |n| n.is_finite()).prop_map(|n| n.to_string()),
        1 => any::<i64>().prop_map(|number| number.to_string()),
    ]
}

fn key() -> impl Strategy<Value = &'static str> {
    prop::sample::select(vec![
        "id",
        "site",
        "start",
        "end",
        "measure",
        "subject",
        "count",
        "origin",
        "lat",
        "lng",
        "note",
        "phone",
        "si\\u0074e",
    ])
}

/// An object that is right but for some of its fields.
fn object() -> impl Strategy<Value = String> {
    let right = [
        ("site", "\"g\""),
        ("start", "\"2026-03-01T08:00:00+08:00\""),
        ("measure", "\"in\""),
        ("count", "31"),
    ];
    let extra = vec((key(), value()), 0..4);
    let skip = prop::option::weighted(0.2, 0..4_usize);
    let space = prop::sample::select(vec!["", " ", "\n\t"]);
    (extra, skip, space, any::<prop::sample::Index>()).prop_map(move |(extra, skip, space, cut)| {
        let mut fields: Vec<String> = right
            .iter()
            .enumerate()
            .filter(|(index, _)| Some(*index) != skip)
            .map(|(_, (key, value))| format!("{space}\"{key}\"{space}:{space}{value}"))
            .collect();
        let at = cut.index(fields.len() + 1);
        for (key, value) in extra {
            fields.insert(at, format!("\"{key}\":{value}{space}"));
        }
        format!("{space}{{{}}}{space}", fields.join(","))
    })
}

/// What a plain serde reader of the record would make of it; `None` for an error.
fn plain(text: &str) -> Option<(ObservationRecord, i64, Option<i64>)> {
    let record: ObservationRecord = serde_json::from_str(text).ok()?;
    let start = parse_rfc3339(&record.start).ok()?.micros();
    let end = match &record.end {
        None => None,
        Some(end) => Some(parse_rfc3339(end).ok()?.micros()),
    };
    Some((record, start, end))
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2_000))]

    /// Fast path, exact path and plain serde: what one reads the others read the same, down to the
    /// bits of a coordinate. The exceptions are ours by design: a field that could identify a
    /// person; a number beyond f64, or text that is not Unicode, in a field that nobody reads.
    #[test]
    fn three_readers_agree(text in object()) {
        let personal = PersonalFields::try_new(Some(&["phone".to_owned()])).unwrap();
        let object = Object::read(&text, &OwnNames, &personal);
        let exact = object.as_ref().ok().and_then(|object| interpret(object).ok());
        if let Some(fast) = scan(&text, &personal) {
            prop_assert_eq!(Some(fast), exact, "{}", text);
            let bits = |at: Option<f64>| at.map(f64::to_bits);
            let exact = exact.unwrap();
            prop_assert_eq!((bits(fast.lat), bits(fast.lng)), (bits(exact.lat), bits(exact.lng)));
        }
        if ["phone", "1e999", "\\ud800"].iter().any(|piece| text.contains(piece)) {
            return Ok(());
        }
        match (plain(&text), exact) {
            (None, None) => {}
            (Some((record, start, end)), Some(exact)) => {
                prop_assert_eq!(record.id.as_deref().map(str::as_bytes), exact.id);
                prop_assert_eq!(record.site.as_str(), exact.site);
                prop_assert_eq!((start, end), (exact.start.micros(), exact.end.map(EventTime::micros)));
                prop_assert_eq!((record.measure, record.subject), (exact.measure, exact.subject));
                prop_assert_eq!(record.count, exact.count);
                prop_assert_eq!(record.origin.as_deref(), exact.origin);
                prop_assert_eq!(record.lat.map(f64::to_bits), exact.lat.map(f64::to_bits));
                prop_assert_eq!(record.lng.map(f64::to_bits), exact.lng.map(f64::to_bits));
            }
            (plain, exact) => prop_assert!(false, "{text}: {plain:?} {exact:?}"),
        }
    }

    /// The exact decimals of the fast path, against the standard library.
    #[test]
    fn coordinates_are_exactly_rounded(lat in "-?[1-9]?[0-9]\\.[0-9]{1,20}") {
        let personal = PersonalFields::try_new(None).unwrap();
        let text = format!(
            r#"{{"site":"g","start":"2026-03-01T08:00:00Z","measure":"in","count":1,"lat":{lat},"lng":0}}"#
        );
        let want = lat.parse::<f64>().unwrap();
        if let Some(fast) = scan(&text, &personal) {
            prop_assert_eq!(fast.lat.unwrap().to_bits(), want.to_bits());
        }
        let object = Object::read(&text, &OwnNames, &personal).unwrap();
        prop_assert_eq!(interpret(&object).unwrap().lat.unwrap().to_bits(), want.to_bits());
    }

    /// A payload of the own form gives one row or one rejection, never both, never none.
    #[test]
    fn one_payload_one_outcome(payloads in vec(prop_oneof![
        object().prop_map(String::into_bytes),
        (object(), any::<prop::sample::Index>(), any::<u8>()).prop_map(|(text, at, byte)| {
            let mut bytes = text.into_bytes();
            let at = at.index(bytes.len());
            bytes[at] = byte;
            bytes
        }),
        vec(any::<u8>(), 0..60),
    ], 0..12)) {
        let mut bench = Bench::new(&FeedConfig::default());
        for (payload, offset) in payloads.iter().zip(1_usize..) {
            bench.feed(payload);
            prop_assert_eq!(bench.out.len() + bench.rejected.len(), offset);
        }
        for one in &bench.rejected {
            prop_assert!(one.detail.chars().count() <= 200);
        }
    }

    /// Any bytes to any mapped feed: at least one outcome, and no panic.
    #[test]
    fn no_bytes_panic(file in prop::sample::select(FILES.to_vec()), payloads in vec(prop_oneof![
        vec(any::<u8>(), 0..80),
        "(Date|Control Point|Arrival / Departure|Total|[,\"\r\n]|01-01-2023|[0-9]){0,40}".prop_map(String::into_bytes),
        "[\\[\\]{}\",:\n]{0,40}".prop_map(String::into_bytes),
    ], 1..4)) {
        let mut bench = Bench::of(file);
        for payload in payloads {
            let before = bench.out.len() + bench.rejected.len();
            bench.feed(payload);
            prop_assert!(bench.out.len() + bench.rejected.len() > before);
        }
    }
}

/// Payloads that once broke a promise.
#[test]
fn broken_before() {
    for payload in ["\"\n\"]", "\"\"\"\n\"]"] {
        for file in FILES {
            let mut bench = Bench::of(file);
            bench.feed(payload);
            assert_eq!(bench.out.len(), 0);
            assert!(!bench.rejected.is_empty());
        }
    }
}

/// The good readings of one turnstile, in order.
fn readings() -> Vec<String> {
    (0..8)
        .map(|n| {
            format!(
                "{n},A,R,0,S,L,B,01/06/2024,{:02}:00:00,REGULAR,{},{}",
                3 * n,
                100 + n * n,
                50 + n
            )
        })
        .collect()
}

fn bad_row() -> impl Strategy<Value = String> {
    prop::sample::select(vec![
        "x".to_owned(),
        "0,A,R,0,S,L,B,01/06/2024,05:00:00,REGULAR,-1,9999".to_owned(),
        "0,A,R,0,S,L,B,01/06/2024,05:00:00,REGULAR,5".to_owned(),
        "0,A,R,0,S,L,B,13/06/2024,05:00:00,REGULAR,5,5".to_owned(),
        "0,A,R,0,\"S,L,B,01/06/2024,05:00:00,REGULAR,5,5".to_owned(),
        "0,A,R,0,\"S\"x,L,B,01/06/2024,05:00:00,REGULAR,5,5".to_owned(),
        "0,A,R,0,S,L,B,01/06/2024,05:00:00,REGULAR,5,5,surplus".to_owned(),
        "0,A,R,0,S,L,B,01/06/2034,05:00:00,REGULAR,5,5".to_owned(),
    ])
}

proptest! {
    /// Bad rows between good ones change nothing in the good ones, in one payload or in many,
    /// even where counters have state.
    #[test]
    fn bad_rows_stay_alone(bad in vec((0..9_usize, bad_row()), 0..12), payload_rows in 1..10_usize) {
        let header = "x,CA,UNIT,SCP,STATION,LINENAME,DIVISION,DATE,TIME,DESC,ENTRIES,EXITS\n";
        let run = |rows: &[String], payload_rows: usize| {
            let mut bench = Bench::of(FILES[0]);
            for rows in rows.chunks(payload_rows) {
                bench.feed(format!("{header}{}\n", rows.join("\n")));
            }
            let faults = bench.decoder.counter_faults();
            (lines(&bench.out.finish()), bench.rejected.len(), faults)
        };
        let good = readings();
        let mut mixed = good.clone();
        let bad_rows = bad.len();
        for (at, row) in bad {
            mixed.insert(at.min(mixed.len()), row);
        }
        let (alone, none, faults) = run(&good, 100);
        let (among, rejected, same_faults) = run(&mixed, payload_rows);
        prop_assert_eq!(alone, among);
        prop_assert_eq!((none, rejected), (0, bad_rows));
        prop_assert_eq!(faults, same_faults);
    }

    /// The same for objects, one a line.
    #[test]
    fn bad_lines_stay_alone(bad in vec((0..5_usize, "[{}\\[\\]\",:a-z0-9 ]{1,30}"), 0..6)) {
        let good: Vec<String> = (0..5)
            .map(|n| format!(r#"{{"Date":"2025-08-01","Hour":{n},"Station":"S","Ridership":{n}}}"#))
            .collect();
        let mut mixed = good.clone();
        for (at, line) in bad.iter().filter(|(_, line)| !line.trim().is_empty()) {
            // The payload begins with a good line: else it might be an array.
            mixed.insert(1 + at.min(&(mixed.len() - 1)), line.clone());
        }
        let mut bench = Bench::of(FILES[1]);
        bench.feed(good.join("\n"));
        bench.feed(mixed.join("\n"));
        let all = bench.rows();
        prop_assert_eq!(&all[..5], &all[5..]);
        prop_assert_eq!(bench.rejected.len(), mixed.len() - good.len());
    }

    /// However rows are spread over payloads, no two counts get one id by their positions.
    #[test]
    fn position_ids_are_distinct(payload_rows in 1..9_usize) {
        let header = "x,CA,UNIT,SCP,STATION,LINENAME,DIVISION,DATE,TIME,DESC,ENTRIES,EXITS\n";
        let mut bench = Bench::of(FILES[0]);
        for rows in readings().chunks(payload_rows) {
            bench.feed(format!("{header}{}\n", rows.join("\n")));
        }
        let ids = event_ids(&bench.out.finish());
        let distinct: std::collections::BTreeSet<_> = ids.iter().collect();
        prop_assert_eq!(distinct.len(), 16);
    }
}
