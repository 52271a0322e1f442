//! Risk in SQL on one core, by the time on it: rows a second.
//!
//! `import_risk/venues` evaluates a layer over 10,000 venues with arrivals from five origins each,
//! which it joins with the origins' reported cases, as a layer at the end of each window does.
//! `outbreak` evaluates `outbreak_probability` on 10,000 rows of two columns: `equal` ones are of
//! four disease profiles, `distinct` ones are all different, so that none shares a result.

#[path = "../../tidegate-feeds/benches/cpu/mod.rs"]
mod cpu;

use std::hint::black_box;
use std::sync::Arc;

use arrow::array::{ArrayRef, Float64Array, Int64Array, RecordBatch, StringArray};
use arrow::datatypes::{DataType, Field, Schema};
use criterion::{Throughput, criterion_group, criterion_main};
use tidegate_model::EventTime;
use tidegate_query::{LayerFrame, LayerQuery, Session, Slot};

use cpu::CpuTime;

type Criterion = criterion::Criterion<CpuTime>;

const VENUES: usize = 10_000;
const ORIGINS_OF_VENUE: usize = 5;
const ORIGINS: usize = 50;
const ROWS: usize = 10_000;

const RISK: &str = "
WITH known AS (
  SELECT origin, evidence(cases_7d, population, 7, 0.1, 0.2, 0.4) AS evidence FROM incidence
)
SELECT 'venue' AS subject_kind, venue_id AS subject, r['lambda'] AS value,
  r['lambda_lo80'] AS lo, r['lambda_hi80'] AS hi, r['known_arrivals_share'] AS coverage,
  'infectious arrivals' AS unit, 'inflow/lambda-joint@1' AS method
FROM (
  SELECT a.venue_id, import_risk(a.persons, k.evidence, 0.1, c.evidence) AS r
  FROM arrivals a
  LEFT JOIN known k ON k.origin = a.origin
  CROSS JOIN (SELECT evidence FROM known WHERE origin = 'origin-0') c
  GROUP BY a.venue_id
)";

const OUTBREAK: &str = "
SELECT 'venue' AS subject_kind, venue_id AS subject, outbreak_probability(r, k) AS value,
  '1' AS unit, 'outbreak/branching@1' AS method
FROM profiles";

const FRAME: LayerFrame<'static> = LayerFrame {
    layer: "bench",
    start: EventTime::EARLIEST,
    end: EventTime::EARLIEST,
    revision: 0,
    is_final: true,
};

fn executor() -> tokio::runtime::Runtime {
    tokio::runtime::Builder::new_current_thread()
        .build()
        .expect("a runtime")
}

/// Adds a table of these columns.
fn table(session: &Session, name: &str, columns: Vec<(&str, ArrayRef)>) {
    let fields: Vec<_> = columns
        .iter()
        .map(|(name, column)| Field::new(*name, column.data_type().clone(), true))
        .collect();
    let schema = Arc::new(Schema::new(fields));
    let columns = columns.into_iter().map(|(_, column)| column).collect();
    let rows = RecordBatch::try_new(Arc::clone(&schema), columns).expect("columns of one length");
    let slot = Slot::new(schema);
    slot.set(vec![rows]);
    session.register_slot(name, &slot).expect("a new name");
}

fn texts(values: impl Iterator<Item = String>) -> ArrayRef {
    let column: ArrayRef = Arc::new(values.map(Some).collect::<StringArray>());
    assert_eq!(column.data_type(), &DataType::Utf8);
    column
}

fn whole(values: impl Iterator<Item = usize>) -> ArrayRef {
    let values = values.map(|value| i64::try_from(value).expect("small"));
    Arc::new(Int64Array::from_iter_values(values))
}

/// A layer of one evaluation, which is checked once.
fn layer(
    criterion: &mut Criterion,
    (group, name): (&str, &str),
    session: &Session,
    (sql, rows, subjects): (&str, usize, usize),
) {
    let runtime = executor();
    let query = runtime
        .block_on(LayerQuery::plan(session, sql))
        .expect("planned");
    let once = runtime.block_on(query.evaluate(FRAME)).expect("evaluated");
    assert_eq!(once.num_rows(), subjects);
    let values = once.column_by_name("value").expect("a layer has it");
    assert_eq!(values.null_count(), 0);
    let mut group = criterion.benchmark_group(group);
    group
        .throughput(Throughput::Elements(rows as u64))
        .sample_size(10)
        .bench_function(name, |bencher| {
            bencher.iter(|| black_box(runtime.block_on(query.evaluate(FRAME))));
        });
    group.finish();
}

fn import_risk(criterion: &mut Criterion) {
    let session = Session::new();
    let rows = || (0..VENUES * ORIGINS_OF_VENUE).map(|row| (row / ORIGINS_OF_VENUE, row));
    // Some origins of a venue are far from the next ones; the last of them is in no table.
    let origin = |(venue, row): (usize, usize)| (venue + row % ORIGINS_OF_VENUE * 13) % 51;
    table(
        &session,
        "arrivals",
        vec![
            (
                "venue_id",
                texts(rows().map(|row| format!("venue-{}", row.0))),
            ),
            (
                "origin",
                texts(rows().map(|row| format!("origin-{}", origin(row)))),
            ),
            ("persons", whole(rows().map(|row| 20 + row.1 * 7 % 400))),
        ],
    );
    let origins = || 0..ORIGINS;
    table(
        &session,
        "incidence",
        vec![
            (
                "origin",
                texts(origins().map(|idx| format!("origin-{idx}"))),
            ),
            ("cases_7d", whole(origins().map(|idx| idx * 17 % 60))),
            (
                "population",
                whole(origins().map(|idx| 200_000 + 1_000 * idx)),
            ),
        ],
    );
    let size = (RISK, VENUES * ORIGINS_OF_VENUE, VENUES);
    layer(criterion, ("import_risk", "venues"), &session, size);
}

fn outbreak(criterion: &mut Criterion) {
    for (name, profiles) in [("equal", 4), ("distinct", ROWS)] {
        let session = Session::new();
        #[expect(clippy::cast_precision_loss, reason = "below 2^53")]
        let reproduction = (0..ROWS).map(|row| 1.5 + (row % profiles) as f64 / ROWS as f64);
        table(
            &session,
            "profiles",
            vec![
                (
                    "venue_id",
                    texts((0..ROWS).map(|row| format!("venue-{row}"))),
                ),
                ("r", Arc::new(Float64Array::from_iter_values(reproduction))),
                ("k", Arc::new(Float64Array::from(vec![0.2; ROWS]))),
            ],
        );
        layer(
            criterion,
            ("outbreak", name),
            &session,
            (OUTBREAK, ROWS, ROWS),
        );
    }
}

criterion_group! {
    name = benches;
    config = criterion::Criterion::default().with_measurement(CpuTime);
    targets = import_risk, outbreak
}
criterion_main!(benches);
