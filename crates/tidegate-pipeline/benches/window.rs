//! One window of a large city closes: 10,000 venues through the aggregation of their panes,
//! occupancy, density, forecasts 15, 30 and 60 minutes ahead, and aberrations, on one core, by the
//! time on it.
//!
//! `plain` has occupancy and density alone; `forecast` adds the forecasts and a layer of them, and
//! `aberration` the judgement of each value by its forecast and a layer of it. `same_slot` judges by
//! baselines instead.
//!
//! Windows are of 2 hours in place of 15 minutes, so that slots of the day have a history after the
//! few days that are played before; the work in a window is the same. Each venue has three records
//! in it, whose decoding is not measured, nor is what the shell does with the events.

#[path = "../../tidegate-feeds/benches/cpu/mod.rs"]
mod cpu;

use std::cell::RefCell;
use std::sync::Arc;

use criterion::{BatchSize, Throughput, criterion_group, criterion_main};
use tidegate_model::{EventTime, FeedId, Payload, Position, Span, parse_rfc3339};
use tidegate_pipeline::{Mode, Pipeline, Runtime, Source};

use cpu::CpuTime;

type Criterion = criterion::Criterion<CpuTime>;

const VENUES: usize = 10_000;
/// Records of a venue in a window.
const RECORDS: i64 = 3;
const WINDOW: Span = Span::hours(2);
/// Windows played before: more than a week, and residuals enough for a dispersion.
const HISTORY: i64 = 108;

const FORECAST: &str = "[[layer]]\nname = \"soon\"\non = \"flow\"\n\
                        [[forecast]]\nlayer = \"occupancy_now\"\nevery = \"2h\"\n\
                        horizons = [\"2h\", \"4h\", \"8h\"]\n";
const ODD: &str = "[[layer]]\nname = \"odd\"\non = \"flow\"\n";

fn start() -> EventTime {
    parse_rfc3339("2026-03-02T00:00:00Z").expect("a time")
}

fn id(venue: usize) -> String {
    format!("venue-{venue:05}")
}

fn collection(features: impl Iterator<Item = String>) -> String {
    let features: Vec<String> = features.collect();
    format!(
        r#"{{"type":"FeatureCollection","features":[{}]}}"#,
        features.join(",")
    )
}

/// Venues of 20 m by 20 m on a grid, each with a gate of its name.
fn places() -> [String; 2] {
    let at = |venue: usize| {
        let step = |n: usize| f64::from(u32::try_from(n).expect("below 100")) * 0.002;
        (114.0 + step(venue % 100), 30.0 + step(venue / 100))
    };
    let sites = collection((0..VENUES).map(|venue| {
        let (lng, lat) = at(venue);
        let id = id(venue);
        format!(
            r#"{{"type":"Feature","properties":{{"id":"{id}","kind":"gate","name":"{id}","venue_id":"{id}"}},"geometry":{{"type":"Point","coordinates":[{lng},{lat}]}}}}"#
        )
    }));
    let venues = collection((0..VENUES).map(|venue| {
        let (west, south) = at(venue);
        let (east, north) = (west + 0.0002, south + 0.0002);
        let id = id(venue);
        format!(
            r#"{{"type":"Feature","properties":{{"id":"{id}","kind":"market","name_zh":"{id}","name_en":"{id}","usable_area_m2":400,"capacity":400,"capacity_basis":"assumed"}},"geometry":{{"type":"Polygon","coordinates":[[[{west},{south}],[{east},{south}],[{east},{north}],[{west},{north}],[{west},{south}]]]}}}}"#
        )
    }));
    [sites, venues]
}

fn pipeline(executor: &tokio::runtime::Runtime, more: &str) -> Arc<Pipeline> {
    let [sites, venues] = places();
    let layer = |select: &str| {
        format!(
            "SELECT 'venue' AS subject_kind, o.venue_id AS subject, {select} \
                 FROM occupancy o JOIN venue v ON v.venue_id = o.venue_id"
        )
    };
    let mut files = vec![
        (
            "pipeline.toml",
            format!(
                "name = \"bench\"\n[reference]\nsites = \"sites.geojson\"\n\
                 venues = \"venues.geojson\"\n\
                 [occupancy]\nwindow = \"flow\"\narrivals = \"persons_in\"\n\
                 departures = \"persons_out\"\n\
                 [[window]]\nname = \"flow\"\nsize = \"2h\"\n\
                 [[layer]]\nname = \"occupancy_now\"\non = \"flow\"\n\
                 [[layer]]\nname = \"density\"\non = \"flow\"\n{more}"
            ),
        ),
        (
            "feeds/gate.toml",
            "format = \"json\"\nout_of_orderness = \"0s\"\ninterval_max = \"1s\"\n\
             silent_after = \"9000h\"\n"
                .to_owned(),
        ),
        (
            "windows/flow.sql",
            "SELECT venue_id, sum(count) FILTER (WHERE measure = 'in') AS persons_in, \
             sum(count) FILTER (WHERE measure = 'out') AS persons_out \
             FROM observation WHERE venue_id IS NOT NULL GROUP BY venue_id"
                .to_owned(),
        ),
        (
            "layers/occupancy_now.sql",
            layer(
                "o.persons AS value, o.lo, o.hi, o.data_age, 'persons' AS unit, \
                 'occupancy/conservation@1' AS method",
            ),
        ),
        (
            "layers/density.sql",
            layer(
                "o.persons / v.usable_area_m2 AS value, o.lo / v.usable_area_m2 AS lo, \
                 o.hi / v.usable_area_m2 AS hi, o.data_age, 'persons/m2' AS unit, \
                 los_level('fruin_walkway', o.persons / v.usable_area_m2) AS level, \
                 'density/usable-area@1' AS method",
            ),
        ),
        ("sites.geojson", sites),
        ("venues.geojson", venues),
    ];
    if more.contains("soon") {
        let sql = "SELECT subject_kind, subject, value, lo80 AS lo, hi80 AS hi, unit, method \
                   FROM forecast WHERE horizon_minutes = 120";
        files.push(("layers/soon.sql", sql.to_owned()));
    }
    if more.contains("odd") {
        let sql = "SELECT subject_kind, subject, z AS value, unit, method, \
                   CASE WHEN flag THEN 'alarm' END AS level FROM aberration";
        files.push(("layers/odd.sql", sql.to_owned()));
    }
    let source = Source::new(
        files
            .into_iter()
            .map(|(path, text)| (path.to_owned(), text)),
    );
    let loaded = executor.block_on(Pipeline::load(&source));
    Arc::new(loaded.expect("the bench's pipeline is good"))
}

/// A run whose windows are closed one by one.
struct Run<'e> {
    executor: &'e tokio::runtime::Runtime,
    runtime: Runtime,
    feed: FeedId,
    window: i64,
    offset: i64,
}

impl<'e> Run<'e> {
    /// With a history: a few hundred persons in every venue, who change little.
    fn new(executor: &'e tokio::runtime::Runtime, pipeline: Arc<Pipeline>) -> Self {
        let runtime = executor.block_on(Runtime::new(pipeline, Mode::Stream));
        let mut run = Self {
            executor,
            runtime: runtime.expect("the bench's pipeline runs"),
            feed: FeedId::new("gate"),
            window: 0,
            offset: 0,
        };
        run.runtime.assign(&run.feed, 0).expect("the feed is there");
        run.fill(200);
        for _ in 0..HISTORY {
            run.close();
        }
        run
    }

    fn at(&self) -> EventTime {
        start().plus(Span::micros(WINDOW.as_micros() * self.window))
    }

    fn read(&mut self, records: &[String]) {
        let payloads: Vec<Payload<'_>> = records
            .iter()
            .zip(self.offset..)
            .map(|(record, offset)| Payload {
                position: Position {
                    partition: 0,
                    offset,
                    row: 0,
                },
                bytes: Some(record.as_bytes()),
                arrived: None,
            })
            .collect();
        self.offset += i64::try_from(payloads.len()).expect("a count");
        let read = self
            .runtime
            .ingest(&self.feed, 0, &payloads, EventTime::MAX);
        self.executor.block_on(read).expect("records are good");
        while let Some(event) = self.runtime.poll_event() {
            drop(event);
        }
    }

    /// Records of every venue in the window that is open, `persons` of them all in all.
    fn fill(&mut self, persons: i64) {
        let time = self.at();
        let mut records = Vec::with_capacity(VENUES * 3);
        for n in 0..RECORDS {
            let start = time.plus(Span::minutes(n));
            for venue in 0..VENUES {
                // Some more come here, some fewer leave there.
                let odd = (self.window * 7 + i64::try_from(venue).expect("a venue")) % 23;
                let measure = if n % 2 == 0 { "in" } else { "out" };
                let count = if n == 0 { persons } else { odd };
                records.push(format!(
                    r#"{{"site":"{}","start":"{start}","measure":"{measure}","count":{count}}}"#,
                    id(venue)
                ));
            }
        }
        self.read(&records);
    }

    /// Closes the window that is open with the first record of the next.
    fn close(&mut self) {
        self.window += 1;
        // Later than a record may be long.
        let time = self.at().plus(Span::seconds(2));
        let record = format!(
            r#"{{"site":"{}","start":"{time}","measure":"in","count":1}}"#,
            id(0)
        );
        self.read(&[record]);
    }
}

fn window(criterion: &mut Criterion) {
    let executor = tokio::runtime::Builder::new_current_thread()
        .build()
        .expect("a runtime");
    let odd = |baseline: &str| {
        format!(
            "{FORECAST}{ODD}[[aberration]]\nlayer = \"occupancy_now\"\nevery = \"2h\"\n\
             baseline_length = 3\nbaseline = \"{baseline}\"\n"
        )
    };
    let mut group = criterion.benchmark_group("window");
    group
        .throughput(Throughput::Elements(VENUES as u64))
        .sample_size(10);
    for (name, more) in [
        ("plain", String::new()),
        ("forecast", FORECAST.to_owned()),
        ("aberration", odd("residual")),
        ("same_slot", odd("same_slot")),
    ] {
        // Made when the first of its benches runs, so that a filter leaves the others out.
        let run: RefCell<Option<Run<'_>>> = RefCell::new(None);
        group.bench_function(name, |bencher| {
            let mut made = run.borrow_mut();
            let made = made.get_or_insert_with(|| Run::new(&executor, pipeline(&executor, &more)));
            let made = RefCell::new(made);
            bencher.iter_batched(
                || made.borrow_mut().fill(20),
                |()| made.borrow_mut().close(),
                BatchSize::PerIteration,
            );
        });
    }
    group.finish();
}

criterion_group! {
    name = benches;
    config = criterion::Criterion::default().with_measurement(CpuTime);
    targets = window
}
criterion_main!(benches);
