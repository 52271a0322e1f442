//! The importation risk of 10,000 venues with arrivals from five origins each, on one core, by the
//! time on it.
//!
//! The arrivals and cases are those of the bench `import_risk/venues` of SQL: `risk` is what each
//! of its venues costs without the joins, `expected` the mean alone.

#[path = "../../tidegate-feeds/benches/cpu/mod.rs"]
mod cpu;

use std::hint::black_box;

use criterion::{Throughput, criterion_group, criterion_main};
use tidegate_risk::importation::{
    Arrivals, Ascertainment, Evidence, OriginArrivals, Reported, UnknownArrivals,
    UnknownAssumption, Workspace,
};

use cpu::CpuTime;

type Criterion = criterion::Criterion<CpuTime>;

const VENUES: u64 = 10_000;
const ORIGINS_OF_VENUE: u64 = 5;
const ORIGINS: u64 = 50;

fn reported(origin: u64) -> Reported {
    let range = Ascertainment::try_new([0.1, 0.2, 0.4]).expect("a range");
    Reported::try_weekly(origin * 17 % 60, 200_000 + 1_000 * origin, 7.0, range).expect("cases")
}

/// What came to one venue: by origin, and from the one origin that is in no table.
fn venue(venue: u64) -> (Vec<OriginArrivals>, u64) {
    let mut unknown = 0;
    let mut origins = Vec::new();
    for row in venue * ORIGINS_OF_VENUE..(venue + 1) * ORIGINS_OF_VENUE {
        let persons = 20 + row * 7 % 400;
        let origin = (venue + row % ORIGINS_OF_VENUE * 13) % (ORIGINS + 1);
        if origin == ORIGINS {
            unknown += persons;
        } else {
            let evidence = Evidence::Reported(reported(origin));
            origins.push(OriginArrivals::try_new(persons, evidence, 0.1).expect("a share"));
        }
    }
    (origins, unknown)
}

fn venues(criterion: &mut Criterion) {
    let widening = UnknownAssumption::WIDENING;
    let assumption = UnknownAssumption::try_new(reported(0), widening).expect("a widening");
    let known: Vec<_> = (0..VENUES).map(venue).collect();
    let rows: Vec<_> = known
        .iter()
        .map(|(origins, unknown)| Arrivals {
            origins,
            unknown: UnknownArrivals {
                arrivals: *unknown,
                assumption: Some(assumption),
            },
        })
        .collect();
    let mut workspace = Workspace::default();
    let mut group = criterion.benchmark_group("importation");
    group
        .throughput(Throughput::Elements(VENUES))
        .sample_size(10);
    group.bench_function("risk", |bencher| {
        bencher.iter(|| {
            for row in &rows {
                black_box(workspace.venue(black_box(row))).expect("an assumption");
            }
        });
    });
    group.bench_function("expected", |bencher| {
        bencher.iter(|| {
            for row in &rows {
                black_box(workspace.expected(black_box(row))).expect("an assumption");
            }
        });
    });
    group.finish();
}

criterion_group! {
    name = benches;
    config = criterion::Criterion::default().with_measurement(CpuTime);
    targets = venues
}
criterion_main!(benches);
