//! Decode, locate and partially aggregate JSON records on one core: records a second.
//!
//! `known` sites are in the registry; `raw` ones carry coordinates only. Each iteration takes a
//! fresh runtime through 200,000 records over 2,000 sites, which count each second, and five-minute
//! windows by H3 cell.

use std::hint::black_box;
use std::sync::Arc;

use criterion::{BatchSize, Criterion, Throughput, criterion_group, criterion_main};
use tidegate_model::{EventTime, FeedId, Payload, Position};
use tidegate_pipeline::{Mode, Pipeline, Runtime, Source};
use tidegate_sim::workload::{Place, Workload, bench_sites};

const RECORDS: usize = 200_000;
const SITES: usize = 2_000;
const BATCH: usize = 8_192;

fn pipeline(runtime: &tokio::runtime::Runtime) -> Arc<Pipeline> {
    let features: Vec<String> = bench_sites(SITES)
        .iter()
        .map(|(id, lat, lng)| {
            format!(
                r#"{{"type":"Feature","properties":{{"id":"{id}","kind":"gate","name":"{id}"}},"geometry":{{"type":"Point","coordinates":[{lng},{lat}]}}}}"#
            )
        })
        .collect();
    let sites = format!(
        r#"{{"type":"FeatureCollection","features":[{}]}}"#,
        features.join(",")
    );
    let files = [
        (
            "pipeline.toml",
            "name = \"bench\"\n[reference]\nsites = \"sites.geojson\"\n\
             [[window]]\nname = \"cell_5m\"\nsize = \"5m\"\n"
                .to_owned(),
        ),
        (
            "feeds/venue.toml",
            "format = \"json\"\nout_of_orderness = \"1m\"\ninterval_max = \"5m\"\n".to_owned(),
        ),
        (
            "windows/cell_5m.sql",
            "SELECT cell, sum(count) AS persons FROM observation GROUP BY cell".to_owned(),
        ),
        ("sites.geojson", sites),
    ];
    let source = Source::new(files.map(|(path, text)| (path.to_owned(), text)));
    Arc::new(
        runtime
            .block_on(Pipeline::load(&source))
            .expect("the bench's pipeline is good"),
    )
}

fn ingest(criterion: &mut Criterion) {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .build()
        .expect("a runtime");
    let pipeline = pipeline(&runtime);
    let feed = FeedId::new("venue");
    let mut group = criterion.benchmark_group("ingest");
    group
        .throughput(Throughput::Elements(RECORDS as u64))
        .sample_size(10);
    for (name, place) in [("known", Place::Registered), ("raw", Place::Coordinates)] {
        let workload = Workload {
            place,
            sites: SITES,
            step_s: 1,
            seed: 1,
        };
        let records: Vec<Vec<u8>> = workload.records(RECORDS).collect();
        let payloads: Vec<Payload<'_>> = records
            .iter()
            .zip(0..)
            .map(|(bytes, offset)| Payload {
                position: Position {
                    partition: 0,
                    offset,
                    row: 0,
                },
                bytes: Some(bytes),
                arrived: None,
            })
            .collect();
        let fresh = || {
            let mut run = runtime
                .block_on(Runtime::new(Arc::clone(&pipeline), Mode::Stream))
                .expect("planned");
            run.assign(&feed, 0).expect("the feed is there");
            run
        };
        group.bench_function(name, |bencher| {
            bencher.iter_batched(
                fresh,
                |mut run| {
                    for batch in payloads.chunks(BATCH) {
                        runtime
                            .block_on(run.ingest(&feed, 0, black_box(batch), EventTime::MAX))
                            .expect("good records");
                        while run.poll_event().is_some() {}
                    }
                    run
                },
                BatchSize::PerIteration,
            );
        });
    }
    group.finish();
}

criterion_group!(benches, ingest);
criterion_main!(benches);
