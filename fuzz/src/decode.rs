//! One decoder against any bytes: the target is named by `TIDEGATE_FUZZ_FORMAT`.
//!
//! What must hold for every input of a feed's format: no panic and no overflow; something is told
//! of every payload; each count lies in its range and its limits; what is rejected can be found
//! again by its row and read alone; and a second decoder says the same. Reference data (static
//! GTFS, `NeTEx`, schemas) must not panic, and what is read of it must be possible.
//!
//! With `TIDEGATE_FUZZ_SEEDS`, the folder of a corpus, the program writes the small inputs there
//! with which the target begins and ends; `TIDEGATE_FUZZ_DATA` is the folder of the recorded files.

#![no_main]

mod seeds;

use std::collections::BTreeSet;
use std::path::PathBuf;
use std::sync::{Arc, OnceLock};

use libfuzzer_sys::fuzz_target;
use tidegate_feeds::{
    Decoder, FeedConfig, Schedule, ScheduleFiles, SchemaKind, TimeLimit, check_schema, netex_stops,
};
use tidegate_model::{
    EventTime, FeedId, ObservationBatch, ObservationBuilder, Payload, Position, Reason, Rejected,
};

/// The feed files by format.
const FEEDS: &[(&str, &str)] = &[
    ("json", "format = 'json'"),
    (
        "mapped_json",
        "format = 'mapped_json'\n[mapping]\nsite = ['SensorName']\ncount = 'PedestrianCount'\n\
         measure = 'through'\n\
         time = { columns = ['Date'], hour = 'Hour', format = '%d-%b-%Y', zone = 'Australia/Melbourne', interval = '1h' }",
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
        "format = 'gtfs_realtime'\ninterval_max = '10m'\noccupancy = { capacity = 200 }\n\
         gtfs = { trip_match = 'suffix' }",
    ),
    (
        "gtfs_realtime_json",
        "format = 'gtfs_realtime_json'\ninterval_max = '10m'\noccupancy = { capacity = 200 }",
    ),
    ("siri", "format = 'siri'\noccupancy = { capacity = 200 }"),
    ("protobuf", "format = 'protobuf'"),
    (
        "confluent",
        "format = 'protobuf'\nwire = 'confluent'\nschema_ids = [7, 70000]",
    ),
    ("arrow", "format = 'arrow'"),
];

/// The static feed of the target `gtfs_realtime`: stops, routes and a trip of the recordings.
const SCHEDULE: ScheduleFiles<'_> = ScheduleFiles {
    stops: "stop_id,stop_lat,stop_lon\nA02N,40.86,-73.92\nA05S,40.83,-73.94\n70011,37.77,-122.39\nS,,\n",
    routes: "route_id,route_type\nA,1\nC,1\nL1,2\n",
    trips: Some("trip_id,route_id\nWk_047850_A..N55R,A\nSa_047850_A..N55R,C\n101,L1\n"),
};

fn format() -> String {
    std::env::var("TIDEGATE_FUZZ_FORMAT").expect("TIDEGATE_FUZZ_FORMAT names a target")
}

/// The decoder of a feed's format; `None` for the targets that read reference data.
fn fresh(format: &str) -> Option<Decoder> {
    let (_, text) = FEEDS.iter().find(|(name, _)| *name == format)?;
    let config: FeedConfig = toml::from_str(text).expect("the file is valid");
    let decoder = Decoder::try_new(FeedId::new("fuzz"), &config).expect("the file is valid");
    if format != "gtfs_realtime" {
        return Some(decoder);
    }
    let schedule = Schedule::read(SCHEDULE, "trip_id").expect("the static feed is valid");
    Some(decoder.with_schedule(Arc::new(schedule)))
}

/// Everything that one decoder says of `bytes`.
fn decode(fresh: &Decoder, bytes: &[u8]) -> (Decoder, ObservationBatch, Vec<Rejected>) {
    let mut decoder = fresh.clone();
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

fn check_feed(fresh: &Decoder, bytes: &[u8]) {
    let (mut decoder, rows, rejected) = decode(fresh, bytes);
    let passed: u64 = decoder.passed_over().iter().map(|(_, count)| count).sum();
    assert!(
        rows.len() as u64 + rejected.len() as u64 + passed > 0,
        "nothing is told"
    );
    for row in 0..rows.len() {
        let (low, count) = (rows.count_low().value(row), rows.count().value(row));
        assert!(0 <= low && low <= count && count <= rows.count_high().value(row));
    }
    for one in &rejected {
        assert!(one.detail.chars().count() <= 200);
    }
    let (_, again, rejected_again) = decode(fresh, bytes);
    assert!(
        rows == again && rejected == rejected_again,
        "two decoders differ"
    );
    if bytes.is_empty() {
        return;
    }
    let wanted: BTreeSet<i32> = rejected.iter().map(|one| one.position.row).collect();
    let alone = decoder.record_bytes(bytes, &wanted);
    for one in rejected.iter().filter(|one| one.bytes.is_some()).take(8) {
        let alone = alone
            .get(&one.position.row)
            .expect("a rejected record is found by its row");
        // What breaks the form of a payload, such as an end without its start, may be whole alone.
        if matches!(one.reason, Reason::Malformed | Reason::NotUtf8) {
            continue;
        }
        let (_, _, rejected) = decode(fresh, alone);
        let same = rejected.iter().any(|other| other.reason == one.reason);
        assert!(same, "alone it is {rejected:?}, not {one:?}");
    }
}

/// Static files, which are text: three of them with a 0 between.
fn check_schedule(bytes: &[u8]) {
    let text = String::from_utf8_lossy(bytes);
    let mut files = text.split('\0');
    let mut next = || files.next().unwrap_or_default();
    let files = ScheduleFiles {
        stops: next(),
        routes: next(),
        trips: Some(next()),
    };
    if let Ok(schedule) = Schedule::read(files, "trip_id") {
        let (stops, routes, trips) = schedule.len();
        assert!(
            stops > 0 && routes > 0 && trips > 0,
            "no usable row is an error"
        );
    }
}

fn check_netex(bytes: &[u8]) {
    for stop in netex_stops(bytes).into_iter().flatten() {
        let (lat, lng) = stop.place.unwrap_or_default();
        assert!(!stop.id.is_empty() && lat.abs() <= 90.0 && lng.abs() <= 180.0);
    }
}

fn check_schemas(bytes: &[u8]) {
    let text = String::from_utf8_lossy(bytes);
    for kind in [SchemaKind::Json, SchemaKind::Protobuf] {
        let problems = check_schema(kind, &text).err();
        assert!(problems.is_none_or(|problems| !problems.is_empty()));
    }
}

enum Target {
    Feed(Decoder),
    Schedule,
    Netex,
    Schema,
}

fn target() -> &'static Target {
    static TARGET: OnceLock<Target> = OnceLock::new();
    TARGET.get_or_init(|| match format().as_str() {
        "schedule" => Target::Schedule,
        "netex" => Target::Netex,
        "schema" => Target::Schema,
        format => Target::Feed(fresh(format).expect("TIDEGATE_FUZZ_FORMAT is a target")),
    })
}

fuzz_target!(
    init: {
        if let Some(corpus) = std::env::var_os("TIDEGATE_FUZZ_SEEDS") {
            let data = std::env::var_os("TIDEGATE_FUZZ_DATA").unwrap_or_default();
            seeds::write(&format(), &PathBuf::from(data), &PathBuf::from(corpus));
            std::process::exit(0);
        }
        target();
    },
    |bytes: &[u8]| match target() {
        Target::Feed(fresh) => check_feed(fresh, bytes),
        Target::Schedule => check_schedule(bytes),
        Target::Netex => check_netex(bytes),
        Target::Schema => check_schemas(bytes),
    }
);
