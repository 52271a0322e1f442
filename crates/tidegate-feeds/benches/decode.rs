//! Decoding speed on one core: payloads to Arrow builders, one record a payload as Kafka gives it.

use std::hint::black_box;

use criterion::{BatchSize, Criterion, Throughput, criterion_group, criterion_main};
use tidegate_feeds::{Decoder, FeedConfig, TimeLimit};
use tidegate_model::{EventTime, FeedId, ObservationBuilder, Payload, Position};

const ROWS: u32 = 10_000;

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

fn run(criterion: &mut Criterion, name: &str, config: &FeedConfig, payloads: &[Vec<u8>]) {
    let count = Throughput::Elements(payloads.len() as u64);
    run_as(criterion, name, config, (payloads, count));
}

/// As [`run`], with what is counted a second.
fn run_as(
    criterion: &mut Criterion,
    name: &str,
    config: &FeedConfig,
    (payloads, throughput): (&[Vec<u8>], Throughput),
) {
    let bytes = payloads.iter().map(Vec::len).sum::<usize>() / payloads.len();
    let feed = FeedId::new("bench");
    let decoder = Decoder::try_new(feed.clone(), config).expect("the bench's file is valid");
    let limit = TimeLimit {
        latest: EventTime::MAX,
    };
    let mut group = criterion.benchmark_group("decode");
    group.throughput(throughput);
    group.bench_function(format!("{name}, {bytes} bytes"), |bencher| {
        let fresh = || decoder.clone();
        let run = |mut decoder: Decoder| {
            let mut out = ObservationBuilder::new(feed.clone(), payloads.len());
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
            black_box(out.finish())
        };
        bencher.iter_batched(fresh, run, BatchSize::PerIteration);
    });
    group.finish();
}

fn decode(criterion: &mut Criterion) {
    let hourly = "site = ['Station']\n\
        counts = [{ column = 'In', measure = 'in' }, { column = 'Out', measure = 'out' }]\n\
        time = { columns = ['Date'], hour = 'Hour', format = '%F', zone = 'Asia/Kolkata', interval = '1h' }";
    let cumulative = "site = ['STATION']\n\
        counts = [{ column = 'ENTRIES', measure = 'in' }, { column = 'EXITS', measure = 'out' }]\n\
        time = { columns = ['DATE', 'TIME'], format = '%m/%d/%Y %H:%M:%S', zone = 'America/New_York' }\n\
        cumulative = { counter = ['CA | C/A'], step_max = 10000 }";
    run(criterion, "own json", &FeedConfig::default(), &own());
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
    let with_load = "format = 'siri'\npayload_bytes_max = 4194304\noccupancy = { capacity = 200 }";
    let with_load = toml::from_str(with_load).expect("the bench's own file is valid");
    let delivery = [siri()];
    let bytes = Throughput::Bytes(delivery[0].len() as u64);
    run_as(
        criterion,
        "siri, 1000 calls and 100 loads",
        &with_load,
        (&delivery, bytes),
    );
}

criterion_group!(benches, decode);
criterion_main!(benches);
