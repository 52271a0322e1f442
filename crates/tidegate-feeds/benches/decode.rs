//! Decoding speed on one core, by the time on it: payloads to Arrow builders, one record a payload
//! as Kafka gives it; GTFS-Realtime with 1,000 vehicles a message, each with its load; the binary
//! forms of the product's own observations with 1,000 records a payload, Protobuf with one as well.
//! `own json` and `own protobuf` are the same records.

mod cpu;

use std::hint::black_box;
use std::sync::Arc;

use arrow::array::{
    ArrayRef, Float64Array, Int64Array, RecordBatch, StringArray, TimestampMicrosecondArray,
};
use arrow::compute::cast;
use arrow::datatypes::DataType;
use arrow::ipc::writer::StreamWriter;
use criterion::{BatchSize, Throughput, criterion_group, criterion_main};
use tidegate_feeds::{Decoder, FeedConfig, Format, TimeLimit};
use tidegate_model::{EventTime, FeedId, ObservationBuilder, Payload, Position};

use cpu::CpuTime;

type Criterion = criterion::Criterion<CpuTime>;

const ROWS: u32 = 10_000;

/// Vehicles in one GTFS-Realtime message.
const VEHICLES: u32 = 1_000;
/// Records of the binary forms, and how many of them a payload holds.
const OWN_ROWS: usize = 10_000;
const OWN_BATCH: usize = 1_000;

/// `schemas/observation.proto`.
#[derive(Clone, PartialEq, prost::Message)]
struct ObservationBatch {
    #[prost(message, repeated, tag = "1")]
    observations: Vec<Observation>,
}

#[derive(Clone, PartialEq, prost::Message)]
struct Observation {
    #[prost(string, optional, tag = "2")]
    id: Option<String>,
    #[prost(string, tag = "3")]
    site: String,
    #[prost(sfixed64, optional, tag = "4")]
    start_us: Option<i64>,
    #[prost(sfixed64, optional, tag = "5")]
    end_us: Option<i64>,
    #[prost(int32, tag = "6")]
    measure: i32,
    #[prost(int64, optional, tag = "8")]
    count: Option<i64>,
    #[prost(string, optional, tag = "9")]
    origin: Option<String>,
    #[prost(double, optional, tag = "10")]
    lat: Option<f64>,
    #[prost(double, optional, tag = "11")]
    lng: Option<f64>,
}

/// The records of `own`, as values.
fn observations() -> Vec<Observation> {
    (0..OWN_ROWS)
        .map(|n| {
            let (minute, site) = (n / 167 % 60, n % 2_000);
            let place = i32::try_from(site).map(f64::from).expect("below 2000") / 1e6;
            let start =
                1_772_323_200_000_000 + i64::try_from(minute).expect("below 60") * 60_000_000;
            Observation {
                id: Some(format!("gate-{site:04}/{n:08}")),
                site: format!("gate-{site:04}"),
                start_us: Some(start),
                end_us: Some(start + 30_000_000),
                measure: 1,
                count: i64::try_from(n % 50).ok(),
                origin: Some("420000".to_owned()),
                lat: Some(30.59 + place),
                lng: Some(114.3 + place),
            }
        })
        .collect()
}

fn protobuf(batch: usize) -> Vec<Vec<u8>> {
    use prost::Message as _;
    observations()
        .chunks(batch)
        .map(|some| {
            ObservationBatch {
                observations: some.to_vec(),
            }
            .encode_to_vec()
        })
        .collect()
}

/// Streams whose words have the type `words`, the sites too.
fn streams(words: &DataType) -> Vec<Vec<u8>> {
    let stream = |some: &[Observation]| {
        let text = |value: fn(&Observation) -> Option<&str>| -> ArrayRef {
            Arc::new(some.iter().map(value).collect::<StringArray>())
        };
        let word = |value| cast(&text(value), words).expect("text casts to text");
        let time = |value: fn(&Observation) -> Option<i64>| -> ArrayRef {
            let times: TimestampMicrosecondArray = some.iter().map(value).collect();
            Arc::new(times.with_timezone("UTC"))
        };
        let degrees = |value: fn(&Observation) -> Option<f64>| -> ArrayRef {
            Arc::new(some.iter().map(value).collect::<Float64Array>())
        };
        let columns: Vec<(&str, ArrayRef)> = vec![
            ("id", text(|one| one.id.as_deref())),
            ("site", word(|one| Some(&one.site))),
            ("start", time(|one| one.start_us)),
            ("end", time(|one| one.end_us)),
            ("measure", word(|_| Some("in"))),
            (
                "count",
                Arc::new(some.iter().map(|one| one.count).collect::<Int64Array>()),
            ),
            ("origin", word(|one| one.origin.as_deref())),
            ("lat", degrees(|one| one.lat)),
            ("lng", degrees(|one| one.lng)),
        ];
        let batch = RecordBatch::try_from_iter(columns).expect("columns of one length");
        let mut writer =
            StreamWriter::try_new(Vec::new(), &batch.schema()).expect("memory takes it");
        writer.write(&batch).expect("memory takes it");
        writer.into_inner().expect("memory takes it")
    };
    observations().chunks(OWN_BATCH).map(stream).collect()
}

/// Own JSON of about 190 bytes.
fn own() -> Vec<Vec<u8>> {
    (0..ROWS)
        .map(|n| {
            let (minute, site) = (n / 167 % 60, n % 2_000);
            format!(
                r#"{{"id":"gate-{site:04}/{n:08}","site":"gate-{site:04}","start":"2026-03-01T08:{minute:02}:00+08:00","end":"2026-03-01T08:{minute:02}:30+08:00","measure":"in","count":{},"origin":"420000","lat":30.59{site:04},"lng":114.30{site:04}}}"#,
                n % 50
            )
            .into_bytes()
        })
        .collect()
}

fn csv() -> Vec<Vec<u8>> {
    (0..ROWS)
        .map(|n| {
            let (hour, site) = (n / 500 % 24, n % 500);
            format!(
                "Date,Hour,Station,In,Out\n2025-08-01,{hour},Station {site},{},{}\n",
                n % 50,
                n % 70
            )
            .into_bytes()
        })
        .collect()
}

fn mapped_json() -> Vec<Vec<u8>> {
    (0..ROWS)
        .map(|n| {
            let (hour, site) = (n / 500 % 24, n % 500);
            format!(
                r#"{{"Date":"2025-08-01","Hour":{hour},"Station":"Station {site}","In":{},"Out":{}}}"#,
                n % 50,
                n % 70
            )
            .into_bytes()
        })
        .collect()
}

fn counters() -> Vec<Vec<u8>> {
    (0..ROWS)
        .map(|n| {
            let (hour, site) = (n / 500, n % 500);
            format!(
                "C/A,STATION,DATE,TIME,ENTRIES,EXITS\nA{site},Station {site},01/06/2024,{hour:02}:00:00,{},{}\n",
                1_000_000 + n,
                2_000_000 + n
            )
            .into_bytes()
        })
        .collect()
}

fn varint(bytes: &mut Vec<u8>, mut value: u64) {
    while value >= 0x80 {
        bytes.push(u8::try_from(value & 0x7f).expect("seven bits") | 0x80);
        value >>= 7;
    }
    bytes.push(u8::try_from(value).expect("seven bits"));
}

fn number(bytes: &mut Vec<u8>, field: u64, value: u64) {
    varint(bytes, field << 3);
    varint(bytes, value);
}

fn block(bytes: &mut Vec<u8>, field: u64, block: &[u8]) {
    varint(bytes, field << 3 | 2);
    varint(bytes, block.len() as u64);
    bytes.extend_from_slice(block);
}

/// Messages of 1,000 vehicles, as large agencies send them, each vehicle about 100 bytes.
fn gtfs_realtime() -> Vec<Vec<u8>> {
    (0..ROWS / VEHICLES)
        .map(|minute| {
            let mut message = Vec::new();
            let mut header = Vec::new();
            block(&mut header, 1, b"2.0");
            number(&mut header, 3, u64::from(1_772_352_000 + minute * 60));
            block(&mut message, 1, &header);
            for n in 0..VEHICLES {
                let mut trip = Vec::new();
                block(&mut trip, 1, format!("50419{n:03}").as_bytes());
                block(&mut trip, 3, b"20260301");
                block(&mut trip, 5, format!("{}", n % 90).as_bytes());
                let mut position = Vec::new();
                for (field, degrees) in [(1_u8, 30.5_f32), (2, 114.25)] {
                    position.push(field << 3 | 5);
                    position.extend_from_slice(&degrees.to_le_bytes());
                }
                let mut descriptor = Vec::new();
                block(&mut descriptor, 1, format!("y{n:04}").as_bytes());
                let mut vehicle = Vec::new();
                block(&mut vehicle, 1, &trip);
                block(&mut vehicle, 2, &position);
                number(&mut vehicle, 3, u64::from(minute + n % 20));
                number(
                    &mut vehicle,
                    5,
                    u64::from(1_772_352_000 + minute * 60 + n % 30),
                );
                block(&mut vehicle, 7, format!("16{n:03}").as_bytes());
                block(&mut vehicle, 8, &descriptor);
                number(&mut vehicle, 9, u64::from(n % 6));
                let mut entity = Vec::new();
                block(&mut entity, 1, format!("y{n:04}").as_bytes());
                block(&mut entity, 4, &vehicle);
                block(&mut message, 2, &entity);
            }
            message
        })
        .collect()
}

/// A SIRI delivery of 100 journeys with 20 calls each, of which half have taken place.
fn siri() -> Vec<u8> {
    let call = |list: &str, actual: bool, journey: usize, n: usize| {
        let (stop, time) = (
            (journey * 7 + n) % 400,
            format!("2018-08-28T09:{n:02}:30+02:00"),
        );
        let mut lines = vec![
            format!("<StopPointRef>NSR:Quay:{stop}</StopPointRef>"),
            format!("<Order>{n}</Order>"),
            format!("<StopPointName>Station {stop}</StopPointName>"),
            format!("<AimedArrivalTime>{time}</AimedArrivalTime>"),
            format!("<ExpectedArrivalTime>{time}</ExpectedArrivalTime>"),
            "<ArrivalPlatformName>2</ArrivalPlatformName>".to_owned(),
            format!("<AimedDepartureTime>{time}</AimedDepartureTime>"),
        ];
        if actual {
            lines.push(format!("<ActualArrivalTime>{time}</ActualArrivalTime>"));
        }
        let indent = "\n                            ";
        format!("\n<{list}>{indent}{}\n</{list}>", lines.join(indent))
    };
    let journey = |journey: usize| {
        let calls = |list: &str, actual, numbers: std::ops::Range<usize>| {
            let calls: Vec<String> = numbers.map(|n| call(list, actual, journey, n)).collect();
            format!("\n<{list}s>{}</{list}s>", calls.concat())
        };
        format!(
            "\n<EstimatedVehicleJourney>\n<LineRef>L{}</LineRef>\n\
             <DatedVehicleJourneyRef>J:{journey}</DatedVehicleJourneyRef>\n\
             <Occupancy>seatsAvailable</Occupancy>{}{}\n</EstimatedVehicleJourney>",
            journey % 20,
            calls("RecordedCall", true, 0..10),
            calls("EstimatedCall", false, 10..20)
        )
    };
    let journeys: Vec<String> = (0..100).map(journey).collect();
    let head = "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n\
        <Siri xmlns=\"http://www.siri.org.uk/siri\" version=\"2.0\">\n<ServiceDelivery>\n\
        <EstimatedTimetableDelivery>\n<EstimatedJourneyVersionFrame>";
    let tail = "\n</EstimatedJourneyVersionFrame>\n</EstimatedTimetableDelivery>\n\
        </ServiceDelivery>\n</Siri>";
    [head, &journeys.concat(), tail].concat().into_bytes()
}

fn mapping(format: &str, rest: &str) -> FeedConfig {
    toml::from_str(&format!("format = '{format}'\n[mapping]\n{rest}"))
        .expect("the bench's own file is valid")
}

/// Decodes all of `payloads`, each of which holds `records` records.
fn run_many(
    criterion: &mut Criterion,
    name: &str,
    config: &FeedConfig,
    payloads: &[Vec<u8>],
    records: usize,
) {
    let total = payloads.iter().map(Vec::len).sum::<usize>();
    let records = payloads.len() * records;
    let bytes = total / records;
    let feed = FeedId::new("bench");
    let decoder = Decoder::try_new(feed.clone(), config).expect("the bench's file is valid");
    let limit = TimeLimit {
        latest: EventTime::MAX,
    };
    let mut group = criterion.benchmark_group("decode");
    group.throughput(Throughput::ElementsAndBytes {
        elements: records as u64,
        bytes: total as u64,
    });
    group.bench_function(format!("{name}, {bytes} bytes"), |bencher| {
        let fresh = || decoder.clone();
        let run = |mut decoder: Decoder| {
            let mut out = ObservationBuilder::new(feed.clone(), records);
            let mut rejected = Vec::new();
            for (offset, bytes) in (0..).zip(payloads) {
                let position = Position {
                    partition: 0,
                    offset,
                    row: 0,
                };
                let payload = Payload {
                    position,
                    bytes: Some(bytes),
                    arrived: None,
                };
                decoder.decode(payload, limit, &mut out, &mut rejected);
            }
            assert!(rejected.is_empty(), "{:?}", rejected.first());
            assert!(out.len() >= records);
            black_box(out.finish())
        };
        bencher.iter_batched(fresh, run, BatchSize::PerIteration);
    });
    group.finish();
}

fn run(criterion: &mut Criterion, name: &str, config: &FeedConfig, payloads: &[Vec<u8>]) {
    run_many(criterion, name, config, payloads, 1);
}

fn decode_own(criterion: &mut Criterion) {
    let of = |format| FeedConfig {
        format,
        ..FeedConfig::default()
    };
    run(criterion, "own json", &FeedConfig::default(), &own());
    for (name, batch) in [
        ("own protobuf", OWN_BATCH),
        ("own protobuf, one a payload", 1),
    ] {
        let payloads = protobuf(batch);
        run_many(criterion, name, &of(Format::Protobuf), &payloads, batch);
    }
    let dictionary = DataType::Dictionary(Box::new(DataType::Int32), Box::new(DataType::Utf8));
    for (name, words) in [
        ("own arrow", DataType::Utf8),
        ("own arrow, dictionaries", dictionary),
    ] {
        run_many(
            criterion,
            name,
            &of(Format::Arrow),
            &streams(&words),
            OWN_BATCH,
        );
    }
}

fn decode(criterion: &mut Criterion) {
    let hourly = "site = ['Station']\n\
        counts = [{ column = 'In', measure = 'in' }, { column = 'Out', measure = 'out' }]\n\
        time = { columns = ['Date'], hour = 'Hour', format = '%F', zone = 'Asia/Kolkata', interval = '1h' }";
    let cumulative = "site = ['STATION']\n\
        counts = [{ column = 'ENTRIES', measure = 'in' }, { column = 'EXITS', measure = 'out' }]\n\
        time = { columns = ['DATE', 'TIME'], format = '%m/%d/%Y %H:%M:%S', zone = 'America/New_York' }\n\
        cumulative = { counter = ['CA | C/A'], step_max = 10000 }";
    run(
        criterion,
        "mapped json, two counts",
        &mapping("mapped_json", hourly),
        &mapped_json(),
    );
    run(
        criterion,
        "csv, two counts",
        &mapping("csv", hourly),
        &csv(),
    );
    run(
        criterion,
        "csv counters",
        &mapping("csv", cumulative),
        &counters(),
    );
    let gtfs = toml::from_str("format = 'gtfs_realtime'\noccupancy = { capacity = 80 }")
        .expect("the bench's own file is valid");
    run_many(
        criterion,
        "gtfs realtime, 1000 vehicles",
        &gtfs,
        &gtfs_realtime(),
        VEHICLES as usize,
    );
    let with_load = "format = 'siri'\npayload_bytes_max = 4194304\noccupancy = { capacity = 200 }";
    let with_load = toml::from_str(with_load).expect("the bench's own file is valid");
    run_many(
        criterion,
        "siri, 1000 calls and 100 loads",
        &with_load,
        &[siri()],
        1_100,
    );
}

criterion_group! {
    name = benches;
    config = criterion::Criterion::default().with_measurement(CpuTime);
    targets = decode_own, decode
}
criterion_main!(benches);
