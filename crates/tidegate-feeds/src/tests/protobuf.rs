//! The product's own Protobuf: one line a way to be wrong, with prost as the independent writer and
//! reader, and mutations of good messages.

use proptest::collection::vec;
use proptest::prelude::*;
use prost::Message as _;
use tidegate_model::event_id;

use super::{Bench, event_ids, problems};

/// `schemas/observation.proto` as prost sees it.
#[derive(Clone, PartialEq, prost::Message)]
pub(super) struct ObservationBatch {
    #[prost(message, repeated, tag = "1")]
    pub(super) observations: Vec<Observation>,
}

#[derive(Clone, PartialEq, prost::Message)]
pub(super) struct Observation {
    #[prost(string, optional, tag = "2")]
    pub(super) id: Option<String>,
    #[prost(string, tag = "3")]
    pub(super) site: String,
    #[prost(sfixed64, optional, tag = "4")]
    pub(super) start_us: Option<i64>,
    #[prost(sfixed64, optional, tag = "5")]
    pub(super) end_us: Option<i64>,
    #[prost(int32, tag = "6")]
    pub(super) measure: i32,
    #[prost(int32, optional, tag = "7")]
    pub(super) subject: Option<i32>,
    #[prost(int64, optional, tag = "8")]
    pub(super) count: Option<i64>,
    #[prost(string, optional, tag = "9")]
    pub(super) origin: Option<String>,
    #[prost(double, optional, tag = "10")]
    pub(super) lat: Option<f64>,
    #[prost(double, optional, tag = "11")]
    pub(super) lng: Option<f64>,
}

/// 2026-03-01T00:00:00Z.
const START: i64 = 1_772_323_200_000_000;

fn good() -> Observation {
    Observation {
        site: "g".to_owned(),
        start_us: Some(START),
        end_us: Some(START + 300_000_000),
        measure: 1,
        count: Some(31),
        ..Observation::default()
    }
}

const GOOD_ROW: &str = "g 2026-03-01T00:00:00Z 2026-03-01T00:05:00Z in person 31";

pub(super) fn batch(observations: &[Observation]) -> Vec<u8> {
    let observations = observations.to_vec();
    ObservationBatch { observations }.encode_to_vec()
}

/// A batch of one entry with this content.
fn entry(content: &[u8]) -> Vec<u8> {
    let mut bytes = vec![0x0a];
    prost::encoding::encode_varint(content.len() as u64, &mut bytes);
    bytes.extend_from_slice(content);
    bytes
}

#[track_caller]
fn check_row(payload: &[u8], want: &str) {
    let mut bench = Bench::of("format = 'protobuf'");
    bench.feed(payload);
    assert_eq!(bench.rejections(), Vec::<String>::new());
    assert_eq!(bench.rows(), [want]);
}

/// One rejection, which keeps the payload's bytes, alone and between two good entries.
#[track_caller]
fn check_rejected(payload: &[u8], want: &str) {
    let mut bench = Bench::of("format = 'protobuf'");
    bench.feed(payload);
    assert_eq!(bench.rejected.len(), 1, "{:?}", bench.rejected);
    assert_eq!(bench.rejected[0].bytes.as_deref(), Some(payload));
    let alone = bench.decoder.record_bytes(payload, &[0, 1].into());
    assert_eq!(alone, [(0, payload.to_vec())].into());
    let got = bench.rejections().pop().unwrap();
    assert!(got.starts_with(&format!("0 {want}")), "{got}, not {want}");
    assert!(bench.out.is_empty());
    if payload.first() == Some(&0x0a) && !want.contains("from here on") {
        let good = batch(&[good()]);
        let three = [&good, payload, &good].concat();
        bench.feed(&three);
        assert_eq!(bench.rows(), [GOOD_ROW, GOOD_ROW]);
        assert_eq!(bench.rejected[0].bytes.as_deref(), Some(payload));
        let alone = bench.decoder.record_bytes(&three, &[1, 2, 3].into());
        assert_eq!(alone, [(1, payload.to_vec()), (2, good)].into());
        let got = bench.rejections().pop().unwrap();
        assert!(got.starts_with(&format!("1 {want}")), "{got}, not {want}");
    }
}

#[test]
fn good_observations() {
    let interval = "2026-03-01T00:00:00Z 2026-03-01T00:05:00Z";
    check_row(&batch(&[good()]), GOOD_ROW);
    let mut one = good();
    one.end_us = None;
    check_row(
        &batch(&[one]),
        "g 2026-03-01T00:00:00Z 2026-03-01T00:00:00Z in person 31",
    );
    let mut one = good();
    (one.measure, one.subject, one.count) = (5, Some(2), Some(0));
    one.origin = Some("HB".to_owned());
    check_row(
        &batch(&[one]),
        &format!("g {interval} load vehicle 0 from HB"),
    );
    let mut one = good();
    (one.origin, one.lat, one.lng) = (Some(String::new()), Some(-30.5), Some(114.0));
    one.site = "东门".to_owned();
    check_row(
        &batch(&[one]),
        &format!("东门 {interval} in person 31 from unknown at -30.5,114"),
    );
}

/// What the schema does not have is passed over, in the batch and in an observation.
#[test]
fn unknown_fields() {
    let content = good().encode_to_vec();
    for unknown in [
        b"\x78\x96\x01".as_slice(),
        b"\x79AAAAAAAA",
        b"\x7a\x03\0\xff\xfe",
        b"\x7b\x7b\x78\x01\x7c\x0b\x0c\x7c",
        b"\x7dAAAA",
        b"\xf8\xff\xff\xff\x0f\0",
    ] {
        check_row(&entry(&[&content, unknown].concat()), GOOD_ROW);
        check_row(&entry(&[unknown, &content].concat()), GOOD_ROW);
        let around = [unknown, &batch(&[good()]), unknown].concat();
        check_row(&around, GOOD_ROW);
    }
    // The last of two counts; one written longer than need be is the same.
    check_row(
        &entry(&[b"\x40\x05", content.as_slice()].concat()),
        GOOD_ROW,
    );
    check_row(
        &entry(&[content.as_slice(), b"\x40\x9f\x80\x80\0"].concat()),
        GOOD_ROW,
    );
}

#[test]
fn values_that_cannot_be() {
    let check = |change: fn(&mut Observation), want: &str| {
        let mut one = good();
        change(&mut one);
        check_rejected(&batch(&[one]), want);
    };
    check(|o| o.site.clear(), "missing_field -: site is not there");
    check(|o| o.start_us = None, "missing_field g: start_us is not");
    check(|o| o.measure = 0, "missing_field g: measure is not there");
    check(|o| o.count = None, "missing_field g: count is not there");
    check(|o| o.subject = Some(0), "missing_field g: subject is 0, un");
    check(|o| o.id = Some(String::new()), "missing_field g: id is em");
    check(|o| o.measure = 6, "wrong_type g: measure 6 is not a known");
    check(|o| o.measure = -1, "wrong_type g: measure -1");
    check(|o| o.subject = Some(3), "wrong_type g: subject 3");
    check(|o| o.site = "g".repeat(257), "wrong_type -: site");
    check(|o| o.start_us = Some(0), "time_too_early g: time 1970");
    check(|o| o.start_us = Some(i64::MIN), "time_too_early g");
    check(|o| o.end_us = Some(i64::MAX), "time_in_future g: time inf");
    check(|o| o.end_us = Some(START - 1), "interval_reversed g");
    let long = |o: &mut Observation| o.end_us = Some(START + 3_600_000_001);
    check(long, "interval_too_long g");
    check(|o| o.count = Some(-1), "negative_count g: count -1 is");
    check(|o| o.count = Some(i64::MAX), "absurd_count g");
    check(|o| o.lat = Some(1.0), "bad_coordinate g: lat 1 comes with");
    let nan = |o: &mut Observation| (o.lat, o.lng) = (Some(f64::NAN), Some(0.0));
    check(nan, "bad_coordinate g: lat NaN");
    let far = |o: &mut Observation| (o.lat, o.lng) = (Some(0.0), Some(f64::INFINITY));
    check(far, "bad_coordinate g: lng inf");
}

#[test]
fn bytes_that_cannot_be() {
    check_rejected(&entry(b""), "missing_field -: site is not there");
    let content = good().encode_to_vec();
    let check = |rest: &[u8], want: &str| check_rejected(&entry(&[&content, rest].concat()), want);
    check(b"\x1a\x01\xff", "not_utf8 -: site is not UTF-8");
    check(b"\x4a\x01\xff", "not_utf8 g: origin is not UTF-8");
    check(b"\x12\x01\xff", "not_utf8 g: id is not UTF-8");
    let start = "wrong_type g: start_us is of wire type VARINT, not I64";
    check(b"\x20\x01", start);
    check(b"\x42\x01a", "wrong_type g: count is of wire type LEN");
    check(b"\x1b\x1c", "wrong_type g: site is of wire type SGROUP");
    let cut = |why: &str| format!("malformed g: an observation cannot be read: {why}");
    check(b"\x40", &cut("cut short within a number"));
    check(b"\x40\x80", &cut("cut short within a number"));
    let long = [0x40, 255, 255, 255, 255, 255, 255, 255, 255, 255, 2];
    check(&long, &cut("a number of more than 10 bytes or 64 bits"));
    let long = [[0x40].as_slice(), &[0x80; 11]].concat();
    check(&long, &cut("a number of more than 10 bytes or 64 bits"));
    check(b"\x21\0\0\0", &cut("cut short within a number"));
    check(b"\x4a\x05abc", &cut("a length of 5 bytes where 3 are left"));
    check(b"\x46", &cut("a key of 70"));
    check(b"\x02\x01", &cut("a key of 2"));
    check(b"\x7b\x74", &cut("a group"));
    check(b"\x7c", &cut("a group"));
    check(&[0x7b].repeat(100_000), &cut("a group"));
    let key = [0xfd, 255, 255, 255, 255, 255, 255, 255, 255, 1];
    check(&key, &cut("a key of"));
    let wire = "wrong_type -: observations is of wire type VARINT, not LEN";
    check_rejected(b"\x08\x01", wire);
}

#[test]
fn broken_batches() {
    let cut = "malformed -: the batch cannot be read from here on: ";
    check_rejected(b"\x0a", cut);
    let length = format!("{cut}a length of 5 bytes where 3 are left");
    check_rejected(b"\x0a\x05abc", &length);
    check_rejected(b"\x0a\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01", cut);
    check_rejected(b"{\"site\":\"g\"}", cut);
    check_rejected(b"\x0f", cut);
    // One observation that is not in a batch.
    let none = "missing_field -: no field 1 (observations), but others";
    check_rejected(&good().encode_to_vec(), none);
    check_rejected(b"\x10\x01", none);
    // What comes before the break is counted, and the rest is one rejection.
    let good = batch(&[good()]);
    let mut bench = Bench::of("format = 'protobuf'");
    let payload = [good.as_slice(), &good, b"\x10\x01", &good[..20]].concat();
    bench.feed(&payload);
    assert_eq!(bench.rows(), [GOOD_ROW, GOOD_ROW]);
    let rest = &payload[2 * good.len()..];
    assert_eq!(bench.rejected[0].bytes.as_deref(), Some(rest));
    assert!(bench.rejections()[0].starts_with(&format!("2 {cut}")));
    let alone = bench.decoder.record_bytes(&payload, &[1, 2, 3].into());
    assert_eq!(alone, [(1, good.clone()), (2, rest.to_vec())].into());
}

#[test]
fn ids_are_the_producers_or_the_position() {
    let mut bench = Bench::of("format = 'protobuf'");
    let with_id = Observation {
        id: Some("a".to_owned()),
        ..good()
    };
    bench.feed(batch(&[with_id.clone(), good(), good(), with_id]));
    let ids = event_ids(&bench.out.finish());
    assert_eq!(ids[0], event_id("test", b"a").to_be_bytes());
    assert_eq!(ids[0], ids[3]);
    assert!(ids[0] != ids[1] && ids[1] != ids[2]);
}

#[test]
fn confluent_wire() {
    let file = "format = 'protobuf'\nwire = 'confluent'\nschema_ids = [5]";
    let mut bench = Bench::of(file);
    let header = b"\0\0\0\0\x05\0".as_slice();
    let single = b"\0\0\0\0\x05\x02\x02".as_slice();
    bench.feed([header, &batch(&[good(), good()])].concat());
    bench.feed([single, &good().encode_to_vec()].concat());
    assert_eq!(bench.rows(), [GOOD_ROW; 3]);
    // An empty batch has nothing to count and is not wrong.
    bench.feed(header);
    let passed: u64 = bench.decoder.passed_over().iter().map(|(_, n)| n).sum();
    assert_eq!(passed, 1);
    assert_eq!(bench.rejections(), Vec::<String>::new());
    // A rejected entry is kept with the header, and so are the bytes of a record.
    let bad = batch(&[Observation::default()]);
    let payload = [header, &batch(&[good()]), &bad].concat();
    bench.feed(&payload);
    let want = [header, &bad].concat();
    assert_eq!(bench.rejected[0].bytes.as_ref(), Some(&want));
    let alone = bench.decoder.record_bytes(&payload, &[1].into());
    assert_eq!(alone, [(1, want)].into());
    bench.rejections();
    for payload in [
        [single, b"\x1a\x01"].concat(),
        b"\0\0\0\0\x06\0".to_vec(),
        b"\x0a\0".to_vec(),
        b"\0".to_vec(),
    ] {
        bench.feed(&payload);
        assert_eq!(bench.rejected.pop().unwrap().bytes.as_ref(), Some(&payload));
        let alone = bench.decoder.record_bytes(&payload, &[0, 1].into());
        assert_eq!(alone, [(0, payload)].into());
    }
}

#[test]
fn confluent_json() {
    let good = r#"{"site":"g","start":"2026-03-01T08:00:00+08:00","measure":"in","count":31}"#;
    let mut bench = Bench::of("format = 'json'\nwire = 'confluent'\nschema_ids = [5]");
    let header = "\0\0\0\0\u{5}";
    bench.feed(format!("{header}{good}"));
    let bad = format!("{header}{}", good.replace("31", "-1"));
    bench.feed(&bad);
    assert_eq!(bench.rejected[0].bytes.as_deref(), Some(bad.as_bytes()));
    let alone = bench.decoder.record_bytes(bad.as_bytes(), &[0].into());
    assert_eq!(alone, [(0, bad.into_bytes())].into());
    bench.feed(good);
    bench.feed(format!("\0\0\0\0\u{7}{good}"));
    bench.feed("\0\0\0\0\u{7}{\"phone\":1}");
    assert_eq!(bench.rejected[3].bytes, None);
    assert_eq!(
        bench.rejections()[1..],
        [
            "0 malformed -: the first byte is 0x7b, not the 0 that stands before a schema id",
            "0 unknown_schema -: schema id 7 is not one of 5",
            "0 personal_data -: a field could identify a person, in bytes that cannot be read \
             otherwise",
        ]
    );
    assert_eq!(bench.rows().len(), 1);
    // Objects of a city's own JSON, each with the header that it came with.
    let mut bench = Bench::of(
        "format = 'mapped_json'\nwire = 'confluent'\n[mapping]\nsite = ['s']\ncount = 'n'\n\
         measure = 'in'\ntime = { columns = ['t'], format = 'rfc3339' }",
    );
    let good = r#"{"s":"g","t":"2026-03-01T00:00:00Z","n":31}"#;
    let payload = format!("{header}[{good},{{}},{good}]");
    bench.feed(&payload);
    assert_eq!(bench.rows().len(), 2);
    let bad = format!("{header}{{}}").into_bytes();
    assert_eq!(bench.rejected[0].bytes.as_ref(), Some(&bad));
    let alone = bench.decoder.record_bytes(payload.as_bytes(), &[1].into());
    assert_eq!(alone, [(1, bad)].into());
}

#[test]
fn files_that_contradict_themselves() {
    let key = |toml: &str| problems(toml)[0].key.clone();
    let ids = "wire = 'confluent'\nschema_ids =";
    assert_eq!(key("format = 'protobuf'\nschema_ids = [1]"), "schema_ids");
    assert_eq!(key(&format!("format = 'protobuf'\n{ids} []")), "schema_ids");
    let many: Vec<u32> = (0..1025).collect();
    assert_eq!(
        key(&format!("format = 'json'\n{ids} {many:?}")),
        "schema_ids"
    );
    let mapping = "[mapping]\nsite = ['s']\ncount = 'n'\nmeasure = 'in'\n\
        time = { columns = ['t'], format = 'rfc3339' }";
    let csv = format!("format = 'csv'\nwire = 'confluent'\n{mapping}");
    assert_eq!(key(&csv), "wire");
    assert_eq!(key(&format!("format = 'protobuf'\n{mapping}")), "mapping");
    let personal = "format = 'protobuf'\npersonal_fields = ['Site']";
    assert_eq!(key(personal), "personal_fields");
}

fn observation() -> impl Strategy<Value = Observation> {
    let text = prop::option::of("[a-z东]{0,8}");
    (
        (text.clone(), "[a-zé]{0,6}", text),
        prop::option::weighted(0.9, START..START + 1_000_000_000),
        prop::option::of(START..START + 5_000_000_000),
        (0..7_i32, prop::option::of(0..4_i32)),
        prop::option::weighted(0.9, -2..2_000_000_i64),
        (
            prop::option::of(-91.0..91.0_f64),
            prop::option::of(-181.0..181.0_f64),
        ),
    )
        .prop_map(
            |((id, site, origin), start_us, end_us, words, count, at)| Observation {
                id,
                site,
                start_us,
                end_us,
                measure: words.0,
                subject: words.1,
                count,
                origin,
                lat: at.0,
                lng: at.1,
            },
        )
}

/// How many of `observations` end before byte `end` of their batch.
fn whole_before(observations: &[Observation], end: usize) -> usize {
    let mut at = 0;
    observations
        .iter()
        .take_while(|one| {
            at += batch(std::slice::from_ref(*one)).len();
            at <= end
        })
        .count()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(1_000))]

    /// Whatever bytes are changed: no panic, at least one outcome, entries before the change are
    /// what they were, and what prost reads as a batch has exactly its entries.
    #[test]
    fn mutations(
        observations in vec(observation(), 1..6),
        changes in vec((any::<prop::sample::Index>(), any::<u8>()), 0..3),
        cut in prop::option::weighted(0.3, any::<prop::sample::Index>()),
    ) {
        let mut payload = batch(&observations);
        for (at, byte) in changes {
            let at = at.index(payload.len());
            payload[at] = byte;
        }
        if let Some(cut) = cut {
            payload.truncate(1 + cut.index(payload.len()));
        }
        let whole = batch(&observations);
        let same = whole.iter().zip(&payload).take_while(|(a, b)| a == b).count();
        let untouched = whole_before(&observations, same);
        let mut before = Bench::of("format = 'protobuf'");
        before.feed(batch(&observations[..untouched]));
        let mut after = Bench::of("format = 'protobuf'");
        after.feed(&payload);
        let outcomes = after.out.len() + after.rejected.len();
        prop_assert!(outcomes >= 1.max(untouched));
        if let Ok(read) = ObservationBatch::decode(payload.as_slice()) {
            prop_assert_eq!(outcomes, read.observations.len().max(1));
        }
        let rows: std::collections::BTreeSet<i32> = (0..20).collect();
        let alone = after.decoder.record_bytes(&payload, &rows);
        for one in &after.rejected {
            prop_assert_eq!(one.bytes.as_ref(), alone.get(&one.position.row));
            // A rejected entry that is sent alone is rejected for the same reason.
            let mut again = Bench::of("format = 'protobuf'");
            again.feed(one.bytes.as_ref().unwrap());
            prop_assert_eq!(again.rejected.len(), 1);
            prop_assert_eq!(&again.rejected[0].detail, &one.detail);
        }
        if untouched > 0 {
            let (before_rows, after_rows) = (before.rows(), after.rows());
            prop_assert_eq!(&before_rows[..], &after_rows[..before_rows.len()]);
            let (before, after) = (before.rejections(), after.rejections());
            prop_assert_eq!(&before[..], &after[..before.len()]);
        }
    }

    /// A bad entry changes nothing in its neighbours.
    #[test]
    fn bad_entries_stay_alone(
        observations in vec(observation(), 1..6),
        bad in vec((0..6_usize, vec(any::<u8>(), 0..30)), 0..4),
    ) {
        let mut entries: Vec<Vec<u8>> =
            observations.iter().map(|one| batch(std::slice::from_ref(one))).collect();
        let mut alone = Bench::of("format = 'protobuf'");
        alone.feed(entries.concat());
        for (at, content) in &bad {
            entries.insert(*at.min(&entries.len()), entry(content));
        }
        let mut among = Bench::of("format = 'protobuf'");
        among.feed(entries.concat());
        prop_assert_eq!(among.rejected.len(), alone.rejected.len() + bad.len());
        prop_assert_eq!(among.rows(), alone.rows());
    }

    #[test]
    fn no_bytes_panic(payload in vec(any::<u8>(), 1..200)) {
        for file in [
            "format = 'protobuf'",
            "format = 'protobuf'\nwire = 'confluent'",
            "format = 'json'\nwire = 'confluent'",
        ] {
            let mut bench = Bench::of(file);
            bench.feed(&payload);
            bench.feed([b"\0\0\0\0\x01\0".as_slice(), &payload].concat());
            let passed: u64 = bench.decoder.passed_over().iter().map(|(_, n)| n).sum();
            prop_assert!(bench.out.len() as u64 + bench.rejected.len() as u64 + passed >= 2);
        }
    }
}
