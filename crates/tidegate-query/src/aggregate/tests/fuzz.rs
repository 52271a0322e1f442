//! Compares panes with single-stage SQL over the same rows, byte for byte, whatever the query, the
//! rows, their cuts into batches and calls, and whatever happens to the state in between.

use std::num::{NonZeroU64, NonZeroUsize};

use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::{select, subsequence};

use super::*;
use crate::{SessionLimits, SpillLimits};

// DataFusion names an expression without its casts and refuses two of one name, so no aggregate
// here is another's with a cast.
const KEYS: [&str; 10] = [
    "site_id",
    "venue_id",
    "cell",
    "measure",
    "origin",
    "flag",
    "coalesce(origin, 'unknown')",
    "count % 3",
    "CASE WHEN count > 10 THEN 'many' WHEN count > 3 THEN 'some' END",
    "date_trunc('hour', window_start)",
];

const AGGREGATES: [&str; 34] = [
    "avg(count)",
    "avg(flow)",
    "avg(quality) FILTER (WHERE flag)",
    "avg(CASE WHEN measure = 'in' THEN count END)",
    "avg(CAST(quality AS DECIMAL(20, 4)))",
    "bit_and(quality)",
    "bit_or(flow)",
    "bit_xor(count)",
    "bool_and(flag)",
    "bool_or(count > 10)",
    "bool_or(flag) FILTER (WHERE origin IS NULL)",
    "count(*)",
    "count(flow)",
    "count(flag) FILTER (WHERE measure = 'out')",
    "count(*) FILTER (WHERE flag)",
    "max(count)",
    "max(site_id)",
    "max(window_end)",
    "max(measure)",
    "max(flag)",
    "min(flow)",
    "min(origin) FILTER (WHERE flow > 0)",
    "min(CAST(count AS DECIMAL(20, 4)))",
    "sum(count)",
    "sum(flow) FILTER (WHERE origin IS NULL)",
    "sum(CASE WHEN measure = 'in' THEN count ELSE -count END)",
    "sum(quality)",
    "sum(count * 2 + 1) / nullif(count(flow), 0)",
    "sum(CAST(flow AS DECIMAL(20, 4)))",
    "count_distinct_sketch(site_id)",
    "count_distinct_sketch(measure)",
    "count_distinct_sketch(event_id)",
    "count_distinct_sketch(flow) FILTER (WHERE flag)",
    "count_distinct_sketch(coalesce(origin, site_id))",
];

const FILTERS: [&str; 6] = [
    "",
    "WHERE count > 2",
    "WHERE measure IN ('in', 'out') AND venue_id IS NOT NULL",
    "WHERE origin = 'origin-1'",
    "WHERE flag",
    "WHERE count < -1000000",
];

const HAVINGS: [&str; 4] = [
    "",
    "HAVING count(*) > 1",
    "HAVING max(flow) IS NOT NULL",
    "HAVING count_distinct_sketch(site_id) < 3 OR max(count) > 50",
];

/// A query, once as a window query and once with the window spelled out.
#[derive(Debug, Clone)]
struct Sql {
    window: String,
    single_stage: String,
}

fn sqls() -> impl Strategy<Value = Sql> {
    let keys = subsequence(KEYS.to_vec(), 0..=3).prop_shuffle();
    let aggregates = subsequence(AGGREGATES.to_vec(), 1..=6).prop_shuffle();
    let clauses = (select(FILTERS.to_vec()), select(HAVINGS.to_vec()));
    (keys, aggregates, clauses).prop_map(|(keys, aggregates, (filter, having))| {
        let columns: Vec<String> = keys
            .iter()
            .chain(&aggregates)
            .enumerate()
            .map(|(idx, expr)| format!("{expr} AS c{idx}"))
            .collect();
        let columns = columns.join(", ");
        let group = |leading: &[&'static str]| match [leading, &keys].concat().join(", ") {
            none if none.is_empty() => none,
            keys => format!("GROUP BY {keys}"),
        };
        let rest = |group: String| format!("{columns} FROM observation {filter} {group} {having}");
        let window_keys = ["window_start", "window_end"];
        Sql {
            window: format!("SELECT {}", rest(group(&[]))),
            single_stage: format!(
                "SELECT window_start, window_end, {}",
                rest(group(&window_keys))
            ),
        }
    })
}

/// Rows that do not fill the screen when a case fails.
#[derive(Clone)]
struct Rows(Vec<Row>);

impl std::fmt::Debug for Rows {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self.0.as_slice() {
            few if few.len() <= 8 => few.iter().try_for_each(|row| write!(f, "{row:?}; ")),
            many => write!(f, "{} rows", many.len()),
        }
    }
}

fn any_rows(len: std::ops::Range<usize>) -> impl Strategy<Value = Rows> {
    let place = (0..3_i64, 0..6_u32, any::<Option<bool>>(), 0..4_u8, 0..5_u8);
    let numbers = (
        prop_oneof![8 => -5..60_i64, 1 => -1_000_000_000_000..1_000_000_000_000_i64],
        proptest::option::weighted(0.7, -100..100_i64),
        any::<u16>(),
        // More distinct events than a list of hashes holds come with long inputs only.
        any::<u16>(),
    );
    let row = (place, numbers, proptest::option::of(0..3_u8)).prop_map(
        |((window, site, flag, venue, measure), (count, flow, quality, event), origin)| Row {
            window,
            site,
            venue: (venue > 0).then_some(venue),
            cell: flow.map(|flow| 0x0891_95da_49b7_ffff + flow.unsigned_abs() % 4),
            measure,
            count,
            flow,
            origin,
            flag,
            quality,
            event: u64::from(event),
        },
    );
    vec(row, len).prop_map(Rows)
}

/// What happens to the state, besides rows.
#[derive(Debug, Clone)]
enum Step {
    /// The next rows, in batches of one length, into one of two states.
    Accumulate {
        n_rows: usize,
        batch_rows: usize,
        late: bool,
    },
    Reduce,
    Peek,
    Restore,
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let accumulate =
        (1..80_usize, 1..40_usize, any::<bool>()).prop_map(|(n_rows, batch_rows, late)| {
            Step::Accumulate {
                n_rows,
                batch_rows,
                late,
            }
        });
    let step = prop_oneof![
        6 => accumulate,
        1 => Just(Step::Reduce),
        1 => Just(Step::Peek),
        1 => Just(Step::Restore),
    ];
    vec(step, 0..30)
}

async fn single_stage(sql: &Sql, rows: &[Row]) -> RecordBatch {
    let session = Session::new();
    let table = vec![batch(rows)];
    session
        .register_rows("observation", Arc::clone(&SCHEMA), table)
        .unwrap();
    let (schema, rows) = session
        .query(&sql.single_stage)
        .await
        .unwrap_or_else(|error| panic!("{}: {error}", sql.single_stage));
    sorted(&concat_batches(&schema, &rows).unwrap()).unwrap()
}

async fn incremental(query: &WindowQuery, mut rows: &[Row], steps: &[Step]) -> Result<RecordBatch> {
    let mut states = [WindowState::default(), WindowState::default()];
    let rest = Step::Accumulate {
        n_rows: rows.len().max(1),
        batch_rows: 64,
        late: false,
    };
    for step in steps.iter().chain([&rest]) {
        match *step {
            Step::Accumulate {
                n_rows,
                batch_rows,
                late,
            } => {
                let (next, others) = rows.split_at(n_rows.min(rows.len()));
                rows = others;
                let batches = next.chunks(batch_rows).map(batch).collect();
                query
                    .accumulate(&mut states[usize::from(late)], batches)
                    .await?;
            }
            Step::Reduce => query.reduce(&mut states[0]).await?,
            Step::Peek => {
                for end in states[0].open()? {
                    let rows = states[0].peek(end)?;
                    query.panes(rows).await?;
                }
            }
            Step::Restore => {
                states = states.map(|state| {
                    let restored = WindowState::restore(query, state.rows()).unwrap();
                    assert_eq!(restored.row_count(), state.row_count());
                    restored
                });
            }
        }
    }
    fire(query, &mut states).await
}

/// Names, types and values; whether a column may be null is the planner's guess.
fn assert_same(panes: &RecordBatch, expected: &RecordBatch, sql: &Sql) {
    let columns = |batch: &RecordBatch| -> Vec<(String, DataType)> {
        let fields = batch.schema();
        let column = |field: &Arc<Field>| (field.name().clone(), field.data_type().clone());
        fields.fields().iter().map(column).collect()
    };
    assert_eq!(columns(panes), columns(expected), "{}", sql.window);
    for (idx, (mine, theirs)) in panes.columns().iter().zip(expected.columns()).enumerate() {
        assert_eq!(mine, theirs, "column {idx} of {}", sql.window);
    }
}

/// Shrinking runs a case again, so it has an end.
fn cases(cases: u32) -> ProptestConfig {
    ProptestConfig {
        cases,
        max_shrink_iters: 400,
        ..ProptestConfig::default()
    }
}

proptest! {
    #![proptest_config(cases(256))]

    #[test]
    fn panes_are_those_of_single_stage_sql(
        sql in sqls(),
        rows in any_rows(0..400),
        steps in steps(),
        reduce_rows in 0..200_usize,
    ) {
        run(async {
            let expected = single_stage(&sql, &rows.0).await;
            let mut query = plan(&Session::new(), &sql.window).await;
            query.reduce_above.rows = reduce_rows;
            let panes = incremental(&query, &rows.0, &steps).await.unwrap();
            assert_same(&panes, &expected, &sql);
        });
    }
}

proptest! {
    #![proptest_config(cases(48))]

    #[test]
    fn limits_and_large_sketches_do_not_change_panes(
        sql in sqls(),
        rows in any_rows(6_000..12_000),
        steps in steps(),
        reduce_rows in 0..4_000_usize,
        memory in 10..24_u32,
        may_spill in any::<bool>(),
    ) {
        let folder = tempfile::tempdir().unwrap();
        let spill = SpillLimits {
            folder: folder.path().to_owned(),
            bytes_max: NonZeroU64::new(1 << 30).unwrap(),
        };
        let limits = SessionLimits {
            memory_bytes_max: NonZeroUsize::new(1 << memory),
            spill: may_spill.then_some(spill),
        };
        run(async {
            let expected = single_stage(&sql, &rows.0).await;
            let mut query = plan(&Session::with_limits(limits).unwrap(), &sql.window).await;
            query.reduce_above.rows = reduce_rows;
            match incremental(&query, &rows.0, &steps).await {
                Ok(panes) => assert_same(&panes, &expected, &sql),
                Err(error) => {
                    let error = error.to_string();
                    assert!(error.contains("memory_bytes_max"), "{}: {error}", sql.window);
                }
            }
        });
    }
}
