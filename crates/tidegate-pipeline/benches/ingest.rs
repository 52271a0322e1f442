//! Records to windows on one core, by the time on it: rows a second.
//!
//! `ingest` decodes, locates and partially aggregates as a run does, each iteration with a fresh
//! runtime: JSON with one record a message, and Arrow streams of 1,000 of the same records.
//! `locate` and `aggregate` are parts of it alone: rows that are decoded get venue and
//! cell from a fresh locator, and windowed rows as the engine gives them go into an empty state.
//! `known` sites are in the registry; `raw` ones carry coordinates only.
//!
//! All take 200,000 records over 2,000 sites, which count each second, and five-minute windows by
//! H3 cell.

#[path = "../../tidegate-feeds/benches/cpu/mod.rs"]
mod cpu;

use std::hint::black_box;
use std::sync::Arc;

use arrow::array::{
    ArrayRef, Float64Array, Int64Array, RecordBatch, StringArray, TimestampMicrosecondArray,
};
use arrow::ipc::writer::StreamWriter;
use criterion::{BatchSize, BenchmarkGroup, Throughput, criterion_group, criterion_main};
use tidegate_engine::{
    Config, Engine, Input, Output, PartitionId, PartitionSpec, Timing, WINDOWED_SCHEMA,
};
use tidegate_feeds::TimeLimit;
use tidegate_model::{
    EventTime, FeedId, ObservationBatch, ObservationBuilder, ObservationRecord, Payload, Position,
    parse_rfc3339,
};
use tidegate_pipeline::{Feed, Locator, Mode, Pipeline, Runtime, Source};
use tidegate_query::{Session, WindowQuery, WindowState};
use tidegate_sim::workload::{Place, Workload, bench_sites};

use cpu::CpuTime;

type Criterion = criterion::Criterion<CpuTime>;

const RECORDS: usize = 200_000;
const SITES: usize = 2_000;
/// Messages of one batch, which a runtime decodes and locates together.
const BATCH: usize = 8_192;
/// Records of one Arrow stream.
const STREAM_ROWS: usize = 1_000;
/// Windowed rows of one aggregation, at least: as many as a runtime collects.
const AGGREGATE_ROWS: usize = 32_768;

const PLACES: [(&str, Place); 2] = [("known", Place::Registered), ("raw", Place::Coordinates)];

fn executor() -> tokio::runtime::Runtime {
    tokio::runtime::Builder::new_current_thread()
        .build()
        .expect("a runtime")
}

fn group<'c>(criterion: &'c mut Criterion, name: &str) -> BenchmarkGroup<'c, CpuTime> {
    let mut group = criterion.benchmark_group(name);
    group
        .throughput(Throughput::Elements(RECORDS as u64))
        .sample_size(10);
    group
}

fn records(place: Place) -> Vec<Vec<u8>> {
    let workload = Workload {
        place,
        sites: SITES,
        step_s: 1,
        seed: 1,
    };
    workload.records(RECORDS).collect()
}

/// The same records as Arrow streams.
fn streams(place: Place) -> Vec<Vec<u8>> {
    let read = |bytes: &Vec<u8>| serde_json::from_slice(bytes).expect("records are good");
    let records: Vec<ObservationRecord> = records(place).iter().map(read).collect();
    records.chunks(STREAM_ROWS).map(stream).collect()
}

fn stream(records: &[ObservationRecord]) -> Vec<u8> {
    fn text(records: &[ObservationRecord], of: fn(&ObservationRecord) -> Option<&str>) -> ArrayRef {
        Arc::new(records.iter().map(of).collect::<StringArray>())
    }
    let time = |of: fn(&ObservationRecord) -> Option<&str>| -> ArrayRef {
        let micros = |text| parse_rfc3339(text).expect("records are good").micros();
        let times = records.iter().map(|record| of(record).map(micros));
        Arc::new(
            times
                .collect::<TimestampMicrosecondArray>()
                .with_timezone("UTC"),
        )
    };
    let degrees = |of: fn(&ObservationRecord) -> Option<f64>| -> ArrayRef {
        Arc::new(records.iter().map(of).collect::<Float64Array>())
    };
    let counts: Int64Array = records.iter().map(|record| Some(record.count)).collect();
    let columns: [(&str, ArrayRef); 9] = [
        ("id", text(records, |record| record.id.as_deref())),
        ("site", text(records, |record| Some(&record.site))),
        ("start", time(|record| Some(&record.start))),
        ("end", time(|record| record.end.as_deref())),
        (
            "measure",
            text(records, |record| Some(record.measure.as_str())),
        ),
        ("count", Arc::new(counts)),
        ("origin", text(records, |record| record.origin.as_deref())),
        ("lat", degrees(|record| record.lat)),
        ("lng", degrees(|record| record.lng)),
    ];
    let batch = RecordBatch::try_from_iter(columns).expect("columns of one length");
    let mut writer = StreamWriter::try_new(Vec::new(), &batch.schema()).expect("memory takes it");
    writer.write(&batch).expect("memory takes it");
    writer.into_inner().expect("memory takes it")
}

fn payloads(records: &[Vec<u8>]) -> Vec<Payload<'_>> {
    records
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
        .collect()
}

fn pipeline(runtime: &tokio::runtime::Runtime, format: &str) -> Arc<Pipeline> {
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
            format!("format = \"{format}\"\nout_of_orderness = \"1m\"\ninterval_max = \"5m\"\n"),
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

/// The only feed of the pipeline.
fn feed(pipeline: &Pipeline) -> &Feed {
    pipeline.feed("venue").expect("the feed is there")
}

/// The records of a workload, decoded: each batch as a runtime would hand it on.
fn observations(pipeline: &Pipeline, place: Place) -> Vec<ObservationBatch> {
    let Feed { id, mut decoder } = feed(pipeline).clone();
    let limit = TimeLimit {
        latest: EventTime::MAX,
    };
    let mut rejected = Vec::new();
    let batches = payloads(&records(place))
        .chunks(BATCH)
        .map(|batch| {
            let mut rows = ObservationBuilder::new(id.clone(), BATCH);
            for payload in batch {
                decoder.decode(*payload, limit, &mut rows, &mut rejected);
            }
            rows.finish()
        })
        .collect();
    assert!(rejected.is_empty(), "the workload's records are good");
    batches
}

fn locator(pipeline: &Pipeline) -> Locator {
    Locator::new(&pipeline.reference.sites, pipeline.resolution)
}

/// The same, located, and then windowed by the engine: the rows of each aggregation.
fn windowed(pipeline: &Pipeline, place: Place) -> Vec<Vec<RecordBatch>> {
    let settings = feed(pipeline).decoder.config();
    let partition = PartitionId {
        feed: feed(pipeline).id.clone(),
        partition: 0,
    };
    let windows = pipeline.windows.iter().map(|(spec, _)| spec.clone());
    let mut engine = Engine::new(Config::new(windows.collect()));
    engine.handle(Input::Assigned {
        partition: partition.clone(),
        spec: PartitionSpec {
            out_of_orderness: settings.out_of_orderness,
            interval_max: settings.interval_max,
            dedup_within: settings.dedup_within,
        },
    });
    let mut locator = locator(pipeline);
    let mut aggregations = vec![Vec::new()];
    let mut rows = 0;
    for batch in observations(pipeline, place) {
        let (batch, unlocated) = locator.locate(&batch, settings.unknown_site);
        assert!(unlocated.is_empty(), "the workload's records have a place");
        engine.handle(Input::Batch {
            partition: partition.clone(),
            batch,
        });
        while let Some(output) = engine.poll_output() {
            let Output::Accumulate { timing, batch, .. } = output else {
                panic!("no window closes within two minutes: {output:?}");
            };
            assert_eq!(timing, Timing::OnTime);
            if rows >= AGGREGATE_ROWS {
                aggregations.push(Vec::new());
                rows = 0;
            }
            rows += batch.num_rows();
            aggregations
                .last_mut()
                .expect("it began with one")
                .push(batch);
        }
    }
    let all = aggregations.iter().flatten().map(RecordBatch::num_rows);
    assert_eq!(all.sum::<usize>(), RECORDS, "one window a record");
    aggregations
}

fn locate(criterion: &mut Criterion) {
    let pipeline = pipeline(&executor(), "json");
    let unknown = feed(&pipeline).decoder.config().unknown_site;
    let mut group = group(criterion, "locate");
    for (name, place) in PLACES {
        let batches = observations(&pipeline, place);
        group.bench_function(name, |bencher| {
            bencher.iter_batched(
                || locator(&pipeline),
                |mut locator| {
                    for batch in &batches {
                        black_box(locator.locate(black_box(batch), unknown));
                    }
                    locator
                },
                BatchSize::PerIteration,
            );
        });
    }
    group.finish();
}

fn aggregate(criterion: &mut Criterion) {
    let runtime = executor();
    let pipeline = pipeline(&runtime, "json");
    let (_, sql) = &pipeline.windows[0];
    let query = runtime
        .block_on(WindowQuery::plan(
            &Session::new(),
            WINDOWED_SCHEMA.clone(),
            sql,
        ))
        .expect("planned");
    let aggregations = windowed(&pipeline, Place::Registered);
    let mut group = group(criterion, "aggregate");
    group.bench_function("partial", |bencher| {
        bencher.iter_batched(
            || (WindowState::default(), aggregations.clone()),
            |(mut state, aggregations)| {
                for rows in aggregations {
                    runtime
                        .block_on(query.accumulate(&mut state, black_box(rows)))
                        .expect("counts that fit");
                }
                state
            },
            BatchSize::PerIteration,
        );
    });
    group.finish();
}

fn ingest(criterion: &mut Criterion) {
    let runtime = executor();
    let mut group = group(criterion, "ingest");
    let json = pipeline(&runtime, "json");
    for (name, place) in PLACES {
        ingest_one(&mut group, name, &json, &records(place), BATCH);
    }
    let arrow = pipeline(&runtime, "arrow");
    for (name, place) in PLACES {
        let name = format!("arrow {name}");
        ingest_one(
            &mut group,
            &name,
            &arrow,
            &streams(place),
            BATCH / STREAM_ROWS,
        );
    }
    group.finish();
}

/// Ingests `messages`, `batch` of them at once.
fn ingest_one(
    group: &mut BenchmarkGroup<'_, CpuTime>,
    name: &str,
    pipeline: &Arc<Pipeline>,
    messages: &[Vec<u8>],
    batch: usize,
) {
    let runtime = executor();
    let feed = FeedId::new("venue");
    let payloads = payloads(messages);
    let fresh = || {
        let mut run = runtime
            .block_on(Runtime::new(Arc::clone(pipeline), Mode::Stream))
            .expect("planned");
        run.assign(&feed, 0).expect("the feed is there");
        run
    };
    group.bench_function(name, |bencher| {
        bencher.iter_batched(
            fresh,
            |mut run| {
                for batch in payloads.chunks(batch) {
                    runtime
                        .block_on(run.ingest(&feed, 0, black_box(batch), EventTime::MAX))
                        .expect("good records");
                    while run.poll_event().is_some() {}
                }
                assert_eq!(run.summary().counted, RECORDS as u64);
                run
            },
            BatchSize::PerIteration,
        );
    });
}

criterion_group! {
    name = benches;
    config = criterion::Criterion::default().with_measurement(CpuTime);
    targets = ingest, locate, aggregate
}
criterion_main!(benches);
