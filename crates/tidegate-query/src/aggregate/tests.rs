//! Tries to break window queries: with rows cut, merged, spilled, saved and restored at any point
//! (`fuzz`), with memory that does not suffice (`limits`), with state that grows (`growth`), and,
//! here, with SQL whose result would depend on how its rows were cut.

mod fuzz;
mod growth;
mod limits;

use std::sync::{Arc, LazyLock};

use arrow::array::{
    ArrayRef, BooleanArray, DictionaryArray, FixedSizeBinaryArray, Float64Array, Int8Array,
    Int64Array, RecordBatch, StringArray, TimestampMicrosecondArray, UInt16Array, UInt64Array,
};
use arrow::compute::concat_batches;
use arrow::datatypes::{DataType, Field, Int8Type, Schema, SchemaRef, TimeUnit};
use datafusion::common::Result;

use super::{Weight, WindowQuery, WindowState, sorted};
use crate::Session;

const MEASURES: [&str; 5] = ["in", "out", "through", "present", "load"];
const WINDOW_MICROS: i64 = 300_000_000;

/// One windowed observation, with small numbers for names.
#[derive(Debug, Clone, Default)]
struct Row {
    window: i64,
    site: u32,
    venue: Option<u8>,
    cell: Option<u64>,
    measure: u8,
    count: i64,
    flow: Option<i64>,
    origin: Option<u8>,
    flag: Option<bool>,
    quality: u16,
    event: u64,
}

static SCHEMA: LazyLock<SchemaRef> = LazyLock::new(|| {
    let utc = DataType::Timestamp(TimeUnit::Microsecond, Some("UTC".into()));
    let word = DataType::Dictionary(Box::new(DataType::Int8), Box::new(DataType::Utf8));
    Arc::new(Schema::new(vec![
        Field::new("window_start", utc.clone(), false),
        Field::new("window_end", utc, false),
        Field::new("site_id", DataType::Utf8, false),
        Field::new("venue_id", DataType::Utf8, true),
        Field::new("cell", DataType::UInt64, true),
        Field::new("measure", word, false),
        Field::new("count", DataType::Int64, false),
        Field::new("flow", DataType::Int64, true),
        Field::new("origin", DataType::Utf8, true),
        Field::new("flag", DataType::Boolean, true),
        Field::new("quality", DataType::UInt16, false),
        Field::new("event_id", DataType::FixedSizeBinary(16), false),
        Field::new("latitude", DataType::Float64, true),
    ]))
});

fn batch(rows: &[Row]) -> RecordBatch {
    let time = |plus: i64| -> ArrayRef {
        let times = rows.iter().map(|row| (row.window + plus) * WINDOW_MICROS);
        Arc::new(TimestampMicrosecondArray::from_iter_values(times).with_timezone("UTC"))
    };
    let text = |prefix: &str, value: fn(&Row) -> Option<u8>| -> ArrayRef {
        let name = |value| format!("{prefix}-{value}");
        let names = rows.iter().map(|row| value(row).map(name));
        Arc::new(names.collect::<StringArray>())
    };
    let keys = rows.iter().map(|row| i8::try_from(row.measure).unwrap());
    let measures = Arc::new(StringArray::from(MEASURES.to_vec()));
    let events = rows.iter().map(|row| u128::from(row.event).to_be_bytes());
    let columns: Vec<ArrayRef> = vec![
        time(0),
        time(1),
        Arc::new(StringArray::from_iter_values(
            rows.iter().map(|row| format!("site-{}", row.site)),
        )),
        text("venue", |row| row.venue),
        Arc::new(rows.iter().map(|row| row.cell).collect::<UInt64Array>()),
        Arc::new(DictionaryArray::<Int8Type>::new(
            Int8Array::from_iter_values(keys),
            measures,
        )),
        Arc::new(Int64Array::from_iter_values(
            rows.iter().map(|row| row.count),
        )),
        Arc::new(rows.iter().map(|row| row.flow).collect::<Int64Array>()),
        text("origin", |row| row.origin),
        Arc::new(rows.iter().map(|row| row.flag).collect::<BooleanArray>()),
        Arc::new(UInt16Array::from_iter_values(
            rows.iter().map(|row| row.quality),
        )),
        Arc::new(
            FixedSizeBinaryArray::try_from_sparse_iter_with_size(events.map(Some), 16).unwrap(),
        ),
        Arc::new(rows.iter().map(|_| None).collect::<Float64Array>()),
    ];
    RecordBatch::try_new(Arc::clone(&SCHEMA), columns).unwrap()
}

fn run<T>(future: impl Future<Output = T>) -> T {
    tokio::runtime::Builder::new_current_thread()
        .build()
        .unwrap()
        .block_on(future)
}

async fn plan(session: &Session, sql: &str) -> WindowQuery {
    WindowQuery::plan(session, Arc::clone(&SCHEMA), sql)
        .await
        .unwrap_or_else(|error| panic!("{sql}: {error}"))
}

/// The panes of all windows of these states together, as when each window fires.
async fn fire(query: &WindowQuery, states: &mut [WindowState]) -> Result<RecordBatch> {
    let mut ends = Vec::new();
    for state in states.iter_mut() {
        ends.extend(state.open()?);
    }
    ends.sort_unstable();
    ends.dedup();
    let mut panes = Vec::new();
    for end in ends {
        let mut rows = Vec::new();
        for state in states.iter_mut() {
            rows.extend(state.take(end)?);
        }
        panes.push(query.panes(rows).await?);
    }
    sorted(&concat_batches(&query.pane_schema(), &panes)?)
}

/// What follows SELECT, and a part of the reason why it is refused.
const REFUSED: &[(&str, &str)] = &[
    (
        "approx_distinct(site_id) FROM observation",
        "count_distinct_sketch",
    ),
    (
        "count(DISTINCT site_id) FROM observation",
        "count_distinct_sketch",
    ),
    ("sum(DISTINCT count), count(*) FROM observation", "DISTINCT"),
    (
        "array_agg(site_id) FROM observation",
        "count_distinct_sketch",
    ),
    (
        "string_agg(site_id, ',') FROM observation",
        "count_distinct_sketch",
    ),
    (
        "approx_percentile_cont(0.9) WITHIN GROUP (ORDER BY count) FROM observation",
        "FILTER",
    ),
    ("approx_median(count) FROM observation", "FILTER"),
    ("median(count) FROM observation", "holds every value"),
    (
        "first_value(count) FROM observation",
        "order of rows; use min or max",
    ),
    ("stddev(count) FROM observation", "sum(x * x)"),
    ("sum(latitude) FROM observation", "cast to BIGINT"),
    ("sum(count * 0.5e0) FROM observation", "cast to BIGINT"),
    ("avg(latitude) FROM observation", "cast to BIGINT"),
    (
        "avg(CAST(count AS DOUBLE) * 0.1e0) FROM observation",
        "cast to BIGINT",
    ),
    (
        "avg(CAST(origin AS DOUBLE)) FROM observation",
        "cast to BIGINT",
    ),
    ("max(latitude) FROM observation", "NaN"),
    ("min(count * 0.5e0) FROM observation", "NaN"),
    (
        "count_distinct_sketch(latitude) FROM observation",
        "not Float64",
    ),
    (
        "sum(count) FROM observation WHERE random() < 0.5",
        "another value in a replay",
    ),
    (
        "now() AS t, sum(count) FROM observation GROUP BY site_id",
        "another value in a replay",
    ),
    (
        "sum(count) FROM observation WHERE site_id IN (SELECT venue_id FROM observation)",
        "subquery",
    ),
    (
        "sum(count), (SELECT max(count) FROM observation) FROM observation",
        "subquery",
    ),
    (
        "sum(sum(count)) OVER () FROM observation GROUP BY site_id",
        "OVER",
    ),
    ("site_id FROM observation", "must be in GROUP BY"),
    (
        "sum(count) FROM observation GROUP BY ROLLUP (site_id, venue_id)",
        "ROLLUP",
    ),
    ("DISTINCT site_id FROM observation", "SELECT DISTINCT"),
    ("sum(count) FROM observation GROUP BY 1", "name columns"),
    ("sum(count) FROM flow", "FROM must name"),
];

#[test]
fn what_depends_on_the_cut_is_refused() {
    for (select, expected) in REFUSED {
        let sql = format!("SELECT {select}");
        let error = run(WindowQuery::plan(
            &Session::new(),
            Arc::clone(&SCHEMA),
            &sql,
        ))
        .expect_err(&sql)
        .to_string();
        assert!(error.contains(expected), "{sql}: {error}");
    }
}

#[test]
fn what_is_exact_is_taken() {
    let select = "avg(count) AS a, avg(flow * 2) AS b, avg(CAST(quality AS DECIMAL(20, 3))) AS c, \
                  sum(CAST(latitude AS DECIMAL(20, 6))) AS d, \
                  max(CAST(latitude * 1e6 AS BIGINT)) AS e, max(window_end) AS f, \
                  count_distinct_sketch(event_id) AS g";
    let sql = format!("SELECT {select} FROM observation");
    let query = run(plan(&Session::new(), &sql));
    assert_eq!(query.pane_schema().fields().len(), 9);
}

#[test]
fn a_failed_call_changes_nothing() {
    let sql = "SELECT sum(10 / count) AS x FROM observation";
    run(async {
        let query = plan(&Session::new(), sql).await;
        let good = Row {
            count: 5,
            ..Row::default()
        };
        let mut state = WindowState::default();
        query
            .accumulate(&mut state, vec![batch(std::slice::from_ref(&good))])
            .await
            .unwrap();
        let before = state.rows();
        let bad = [good, Row::default()];
        let error = query
            .accumulate(&mut state, vec![batch(&bad)])
            .await
            .unwrap_err();
        assert!(error.to_string().contains("Divide by zero"), "{error}");
        assert_eq!(state.rows(), before);
    });
}

#[test]
fn words_of_many_batches_are_put_together() {
    // Keys of 8 bits: the dictionaries of 3,000 batches do not fit one after the other.
    let sql = "SELECT measure, count(*) AS n FROM observation GROUP BY measure";
    run(async {
        let query = plan(&Session::new(), sql).await;
        let mut state = WindowState::default();
        for measure in 0..3_000_u16 {
            let row = Row {
                measure: u8::try_from(measure % 5).unwrap(),
                ..Row::default()
            };
            query
                .accumulate(&mut state, vec![batch(&[row])])
                .await
                .unwrap();
        }
        let panes = fire(&query, &mut [state]).await.unwrap();
        let n: Vec<_> = panes.column_by_name("n").unwrap().to_data().buffers()[0]
            .typed_data::<i64>()
            .to_vec();
        assert_eq!(n, [600; 5]);
    });
}
