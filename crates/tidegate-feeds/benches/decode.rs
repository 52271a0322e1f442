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

fn mapping(format: &str, rest: &str) -> FeedConfig {
    toml::from_str(&format!("format = '{format}'\n[mapping]\n{rest}"))
        .expect("the bench's own file is valid")
}

fn run(criterion: &mut Criterion, name: &str, config: &FeedConfig, payloads: &[Vec<u8>]) {
    let bytes = payloads.iter().map(Vec::len).sum::<usize>() / payloads.len();
    let feed = FeedId::new("bench");
    let decoder = Decoder::try_new(feed.clone(), config).expect("the bench's file is valid");
    let limit = TimeLimit {
        latest: EventTime::MAX,
    };
    let mut group = criterion.benchmark_group("decode");
    group.throughput(Throughput::Elements(payloads.len() as u64));
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
}

criterion_group!(benches, decode);
criterion_main!(benches);
