//! The product's own JSON: one line a way to be wrong, and the settings that say what is.

use tidegate_model::{Reason, event_id};

use super::{Bench, config, event_ids, problems};
use crate::FeedConfig;

const GOOD: &str = r#"{"site":"g","start":"2026-03-01T08:00:00+08:00","end":"2026-03-01T08:05:00+08:00","measure":"in","count":31}"#;

/// `GOOD` with `from` replaced by `to`.
fn with(from: &str, to: &str) -> String {
    assert!(GOOD.contains(from), "{from}");
    GOOD.replacen(from, to, 1)
}

#[track_caller]
fn check_rejected(payload: impl AsRef<[u8]>, want: &str) {
    let payload = payload.as_ref();
    let mut bench = Bench::new(&FeedConfig::default());
    bench.feed(payload);
    let kept = bench.rejected[0].bytes.clone();
    let got = bench.rejections();
    assert_eq!(got.len(), 1, "{got:?}");
    assert!(
        got[0].starts_with(&format!("0 {want}")),
        "{got:?}, not {want}"
    );
    assert!(bench.out.is_empty());
    let personal = want.starts_with("personal_data");
    assert_eq!(kept.as_deref(), (!personal).then_some(payload));
}

#[track_caller]
fn check_row(payload: &str, want: &str) {
    let mut bench = Bench::new(&FeedConfig::default());
    bench.feed(payload);
    assert_eq!(bench.rejections(), Vec::<String>::new(), "{payload}");
    assert_eq!(bench.rows(), [want]);
}

#[test]
fn good_records() {
    let interval = "2026-03-01T00:00:00Z 2026-03-01T00:05:00Z";
    let good = format!("g {interval} in person 31");
    check_row(GOOD, &good);
    check_row(
        &format!(
            " \t{}\r\n ",
            GOOD.replace(':', " : ")
                .replace("08 : 0", "08:0")
                .replace("00 : 00", "00:00")
                .replace("05 : 00", "05:00")
        ),
        &good,
    );
    check_row(&with("31", "0"), &format!("g {interval} in person 0"));
    check_row(
        &with("\"g\"", r#""g\u00e9""#),
        &format!("gé {interval} in person 31"),
    );
    check_row(
        &with("\"g\"", "\"东门\""),
        &format!("东门 {interval} in person 31"),
    );
    check_row(
        &with(r#""end":"2026-03-01T08:05:00+08:00","#, r#""end":null,"#),
        "g 2026-03-01T00:00:00Z 2026-03-01T00:00:00Z in person 31",
    );
    check_row(
        &with("31", r#"31,"subject":"vehicle","origin":"HB""#),
        &format!("g {interval} in vehicle 31 from HB"),
    );
    check_row(
        &with("31", r#"31,"origin":"""#),
        &format!("g {interval} in person 31 from unknown"),
    );
    check_row(
        &with("31", r#"31,"lat":-30.5,"lng":114"#),
        &format!("g {interval} in person 31 at -30.5,114"),
    );
    // Fields that mean nothing to us are passed over, whatever they hold.
    check_row(
        &with(
            "31",
            r#"31,"note":"a\"b","x":{"y":[1,{"z":null}]},"t":true,"n":-1.5e3"#,
        ),
        &good,
    );
    check_row(
        &with(
            "31",
            r#"31,"note":"phone","station_name":"x","n":-0.5,"f":false,"u":null"#,
        ),
        &good,
    );
}

#[test]
#[expect(clippy::too_many_lines, reason = "a table of cases")]
fn bad_records() {
    check_rejected("", "empty -: a payload of zero bytes");
    check_rejected("{", "malformed -: not a JSON object: EOF");
    check_rejected(&GOOD[..40], "malformed -");
    check_rejected(" ", "malformed");
    check_rejected("null", "malformed");
    check_rejected("[]", "malformed");
    check_rejected(format!("[{GOOD}]"), "malformed");
    check_rejected(format!("{GOOD}{GOOD}"), "malformed");
    check_rejected(format!("{GOOD} x"), "malformed");
    check_rejected(with("31", "31,"), "malformed");
    check_rejected(with("31", "031"), "malformed");
    check_rejected(with("31", "NaN"), "malformed");
    check_rejected(
        with("31", r#"31,"count":32"#),
        "malformed -: field \"count\" is there twice",
    );
    check_rejected(with("\"g\"", r#""\ud800""#), "malformed");
    check_rejected("[".repeat(100_000), "malformed");
    check_rejected(b"{\"site\":\"\xff\xfe\"}", "not_utf8 -");
    check_rejected("{}", "missing_field -: site is not there");
    check_rejected(with("\"site\"", "\"place\""), "missing_field -: site");
    check_rejected(with("\"start\"", "\"begin\""), "missing_field g: start");
    check_rejected(with("\"measure\"", "\"what\""), "missing_field g: measure");
    check_rejected(with("\"count\"", "\"number\""), "missing_field g: count");
    check_rejected(with("\"g\"", "\"\""), "missing_field -: site is empty");
    check_rejected(
        with("\"g\"", r#""g","id":"""#),
        "missing_field g: id is empty",
    );
    check_rejected(with("\"g\"", "7"), "wrong_type -: site is 7, not text");
    check_rejected(
        with("\"g\"", &format!("{:?}", "g".repeat(257))),
        "wrong_type -: site",
    );
    check_rejected(
        with("31", r#""31""#),
        "wrong_type g: count is text \"31\", not a whole number",
    );
    check_rejected(with("31", "null"), "wrong_type g: count is null");
    check_rejected(
        with("31", "[31]"),
        "wrong_type g: count is an object or array",
    );
    check_rejected(
        with("\"in\"", "\"IN\""),
        "wrong_type g: measure \"IN\" is not a known word",
    );
    check_rejected(with("\"in\"", "true"), "wrong_type g: measure is true");
    check_rejected(
        with("31", r#"31,"subject":null"#),
        "wrong_type g: subject is null",
    );
    check_rejected(
        with("31", r#"31,"id":7"#),
        "wrong_type g: id is 7, not text",
    );
    check_rejected(with("08:00:00+08:00", "08:00:00"), "bad_time g: start");
    check_rejected(
        with("2026-03-01T08:00:00+08:00", "2026-02-29T08:00:00Z"),
        "bad_time g: start",
    );
    check_rejected(with("2026-03-01T08:05:00+08:00", "soon"), "bad_time g: end");
    check_rejected(
        with("2026", "1999"),
        "time_too_early g: time 1999-03-01T00:00:00Z",
    );
    check_rejected(
        with("2026-03-01T08:05", "2027-03-01T08:05"),
        "time_in_future g: time 2027",
    );
    check_rejected(with("08:05", "07:59"), "interval_reversed g");
    check_rejected(with("08:05", "09:01"), "interval_too_long g");
    check_rejected(with("31", "-1"), "negative_count g: count -1 is below 0");
    check_rejected(with("31", "-1.5"), "negative_count g");
    check_rejected(with("31", "31.5"), "absurd_count g: count 31.5");
    check_rejected(
        with("31", "1000001"),
        "absurd_count g: count 1000001 is above 1000000",
    );
    check_rejected(with("31", "99999999999999999999999"), "absurd_count g");
    check_rejected(
        with("31", r#"31,"lat":91,"lng":0"#),
        "bad_coordinate g: lat 91",
    );
    check_rejected(
        with("31", r#"31,"lat":30,"lng":-180.1"#),
        "bad_coordinate g: lng -180.1",
    );
    check_rejected(
        with("31", r#"31,"lat":30"#),
        "bad_coordinate g: lat 30 comes without lng",
    );
    check_rejected(
        with("31", r#"31,"lat":"30","lng":114"#),
        "bad_coordinate g: lat is text",
    );
    check_rejected(with("31", r#"31,"lat":null,"lng":114"#), "bad_coordinate g");
}

#[test]
fn personal_data_is_never_kept() {
    for payload in [
        with("31", r#"31,"phone":"13800000000""#),
        with("31", r#"31,"Name":null"#),
        with("31", r#"31,"x":{"deep":[{"id_card":"4201"}]}"#),
        with("31", r#"31,"ph\u006fne":"13800000000""#),
        with("31", r#"31,"车牌":"鄂A12345""#),
        // Whatever else is wrong.
        with("31", r#"-1,"phone":"13800000000""#),
        with("31", r#"31,"phone":"138"#),
        with("31", r#"31,"count":3,"phone":"138""#),
        "{'phone': '13800000000'}".to_owned(),
        "name,phone\nLi,138\n".to_owned(),
    ] {
        check_rejected(payload, "personal_data -");
    }
    check_rejected(b"{\"s\":\"\xff\",\"phone\":1}", "personal_data -");
    let huge = format!(r#"{{"phone":"{}"}}"#, "1".repeat(1 << 20));
    check_rejected(huge, "personal_data -");
}

#[test]
fn tombstones_and_large_payloads() {
    let mut bench = Bench::of("format = 'json'\npayload_bytes_max = 150");
    bench.feed_raw(None);
    bench.feed(GOOD);
    bench.feed(format!("{GOOD}{}", " ".repeat(100)));
    assert_eq!(bench.rejected[0].bytes, None);
    let rejections = bench.rejections();
    assert_eq!(rejections[0], "0 tombstone -: a message without a value");
    assert!(
        rejections[1].starts_with("0 too_large -: payload of 2"),
        "{rejections:?}"
    );
    assert_eq!(bench.rows().len(), 1);
    let mut bench = Bench::new(&FeedConfig::default());
    bench.feed(vec![b'a'; 10 << 20]);
    assert_eq!(bench.rejected[0].reason, Reason::TooLarge);
    assert_eq!(
        bench.rejected[0].bytes.as_ref().map(Vec::len),
        Some(10 << 20)
    );
}

#[test]
fn ids_are_the_producers_or_the_position() {
    let mut bench = Bench::new(&FeedConfig::default());
    let with_id = with("\"g\"", r#""g","id":"a""#);
    for payload in [with_id.as_str(), &with_id, GOOD, GOOD] {
        bench.feed(payload);
    }
    let ids = event_ids(&bench.out.finish());
    assert_eq!(ids[0], event_id("test", b"a").to_be_bytes());
    assert_eq!(ids[0], ids[1]);
    assert!(ids[1] != ids[2] && ids[2] != ids[3] && ids[1] != ids[3]);
}

#[test]
fn settings() {
    let bench = Bench::of("format = 'json'");
    let settings = bench.decoder.config();
    assert_eq!(settings.topic, "tidegate.feed.test");
    assert_eq!(settings.out_of_orderness.to_string(), "1m");
    assert_eq!(settings.interval_max.to_string(), "1h");
    assert_eq!(settings.dedup_within, None);
    assert_eq!(
        (settings.count_max, settings.payload_bytes_max),
        (1_000_000, 1 << 20)
    );
    assert_eq!(config("format = 'json'"), FeedConfig::default());
}

#[test]
fn every_problem_is_listed() {
    let keys: Vec<String> = problems(
        "format = 'json'\ntopic = 'a b'\nout_of_orderness = '5'\ninterval_max = '0s'\n\
         dedup_within = 'x'\ncount_max = 0\npayload_bytes_max = 0\npersonal_fields = ['']\n\
         [mapping]\nsite = []\ntime = { columns = [], format = '' }",
    )
    .into_iter()
    .map(|problem| problem.key)
    .collect();
    assert_eq!(
        keys,
        [
            "out_of_orderness",
            "interval_max",
            "dedup_within",
            "count_max",
            "payload_bytes_max",
            "topic",
            "personal_fields[0]",
            "mapping"
        ]
    );
    assert_eq!(problems("format = 'csv'")[0].key, "mapping");
    assert_eq!(
        problems("format = 'json'\npersonal_fields = ['Site']")[0].key,
        "personal_fields"
    );
    let unknown = toml::from_str::<FeedConfig>("format = 'json'\ncount_maximum = 3").unwrap_err();
    assert!(unknown.to_string().contains("count_maximum"), "{unknown}");
}
