//! One decoder against any bytes: the format is named by `TIDEGATE_FUZZ_FORMAT`.
//!
//! What must hold for every input: no panic and no overflow; something is told of every payload;
//! each count lies in its range and its limits; what is rejected can be found again by its row and
//! is not longer than the payload allows; and a second decoder says the same.

#![no_main]

use std::collections::BTreeSet;
use std::sync::OnceLock;

use libfuzzer_sys::fuzz_target;
use tidegate_feeds::{Decoder, FeedConfig, TimeLimit};
use tidegate_model::{EventTime, FeedId, ObservationBuilder, Payload, Position, Rejected};

/// The feed files by format.
const FEEDS: &[(&str, &str)] = &[
    ("json", "format = 'json'"),
    (
        "mapped_json",
        "format = 'mapped_json'\n[mapping]\nsite = ['Station']\ncount = 'Ridership'\nmeasure = 'in'\n\
         time = { columns = ['Date'], hour = 'Hour', format = '%F', zone = 'Asia/Kolkata', interval = '1h' }",
    ),
    (
        "csv",
        "format = 'csv'\ninterval_max = '12h'\n[mapping]\nsite = ['STATION']\n\
         counts = [{ column = 'ENTRIES', measure = 'in' }, { column = 'EXITS', measure = 'out' }]\n\
         time = { columns = ['DATE', 'TIME'], format = '%m/%d/%Y %H:%M:%S', zone = 'America/New_York' }\n\
         cumulative = { counter = ['CA | C/A'], step_max = 10000 }",
    ),
    (
        "csv_gbk",
        "format = 'csv'\n[mapping]\nsite = ['a']\ncount = 'n'\nmeasure = 'in'\nencoding = 'gbk'\n\
         time = { columns = ['t'], format = 'rfc3339' }",
    ),
    (
        "gtfs_realtime",
        "format = 'gtfs_realtime'\ninterval_max = '10m'\noccupancy = { capacity = 200 }",
    ),
    (
        "gtfs_realtime_json",
        "format = 'gtfs_realtime_json'\ninterval_max = '10m'\noccupancy = { capacity = 200 }",
    ),
    ("siri", "format = 'siri'\noccupancy = { capacity = 200 }"),
    ("protobuf", "format = 'protobuf'"),
    ("arrow", "format = 'arrow'"),
];

fn fresh() -> Decoder {
    static DECODER: OnceLock<Decoder> = OnceLock::new();
    DECODER
        .get_or_init(|| {
            let format = std::env::var("TIDEGATE_FUZZ_FORMAT").expect("name a format");
            let found = FEEDS.iter().find(|(name, _)| *name == format);
            let (_, text) = found.expect("a format of the list");
            let config: FeedConfig = toml::from_str(text).expect("the file is valid");
            Decoder::try_new(FeedId::new("fuzz"), &config).expect("the file is valid")
        })
        .clone()
}

/// Everything that one decoder says of `bytes`.
fn decode(bytes: &[u8]) -> (Decoder, tidegate_model::ObservationBatch, Vec<Rejected>) {
    let mut decoder = fresh();
    let mut out = ObservationBuilder::new(FeedId::new("fuzz"), 8);
    let mut rejected = Vec::new();
    let payload = Payload {
        position: Position::default(),
        bytes: Some(bytes),
        arrived: None,
    };
    let latest = EventTime::from_micros(1_900_000_000_000_000);
    decoder.decode(payload, TimeLimit { latest }, &mut out, &mut rejected);
    (decoder, out.finish(), rejected)
}

fuzz_target!(|bytes: &[u8]| {
    let (mut decoder, rows, rejected) = decode(bytes);
    let passed: u64 = decoder.passed_over().iter().map(|(_, count)| count).sum();
    assert!(rows.len() as u64 + rejected.len() as u64 + passed > 0, "nothing is told");
    for row in 0..rows.len() {
        let (low, count) = (rows.count_low().value(row), rows.count().value(row));
        assert!(0 <= low && low <= count && count <= rows.count_high().value(row));
    }
    for one in &rejected {
        assert!(one.detail.chars().count() <= 200);
    }
    let wanted: BTreeSet<i32> = rejected.iter().map(|one| one.position.row).collect();
    decoder.record_bytes(bytes, &wanted);
    let (_, again, rejected_again) = decode(bytes);
    assert!(rows == again && rejected == rejected_again, "two decoders differ");
});
