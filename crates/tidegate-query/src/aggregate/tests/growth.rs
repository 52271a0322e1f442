//! Tries to make the state grow without more groups, and to lose it on the way to a snapshot.

use super::super::RestoreError;
use super::*;
use tidegate_model::EventTime;

const SQL: &str = "SELECT site_id, sum(count) AS persons, \
                   count_distinct_sketch(venue_id) AS venues FROM observation GROUP BY site_id";
const SITES: u32 = 50;
const WINDOWS: i64 = 3;

/// One row for each site in `WINDOWS` windows from `first`.
fn rows(first: i64) -> Vec<Row> {
    let windows = first..first + WINDOWS;
    windows
        .flat_map(|window| {
            (0..SITES).map(move |site| Row {
                window,
                site,
                count: 1,
                ..Row::default()
            })
        })
        .collect()
}

fn end(window: i64) -> EventTime {
    EventTime::from_micros((window + 1) * WINDOW_MICROS)
}

#[test]
fn state_is_bounded_by_its_groups() {
    let groups = usize::try_from(SITES).unwrap() * usize::try_from(WINDOWS).unwrap();
    run(async {
        let mut query = plan(&Session::new(), SQL).await;
        query.reduce_above = Weight {
            rows: 2 * groups,
            bytes: usize::MAX,
        };
        let mut state = WindowState::default();
        for round in 0..300 {
            // A window closes every 50 rounds, and each is looked at every round.
            let first = round / 50;
            query
                .accumulate(&mut state, vec![batch(&rows(first))])
                .await
                .unwrap();
            for window in first..first + WINDOWS {
                let batches = state.peek(end(window)).unwrap();
                assert!(batches.len() <= 8, "{} batches", batches.len());
            }
            state.forget(end(first)).unwrap();
            let held = state.row_count();
            assert!(
                held <= 3 * groups,
                "{held} rows for {groups} groups in round {round}"
            );
            assert_eq!(state.open().unwrap().len(), 3);
        }
        let rows = state.take(end(5)).unwrap();
        let panes = query.panes(rows).await.unwrap();
        assert_eq!(panes.num_rows(), 50);
        assert!(
            format!("{panes:?}").contains("150"),
            "50 rounds, and two windows before"
        );
    });
}

#[test]
fn large_states_are_merged_by_their_bytes() {
    let sql = "SELECT count_distinct_sketch(event_id) AS events FROM observation";
    run(async {
        let mut query = plan(&Session::new(), sql).await;
        query.reduce_above = Weight {
            rows: usize::MAX,
            bytes: 1 << 20,
        };
        let mut state = WindowState::default();
        let rows: Vec<Row> = (0..5_000)
            .map(|event| Row {
                event,
                ..Row::default()
            })
            .collect();
        for _ in 0..200 {
            query
                .accumulate(&mut state, vec![batch(&rows)])
                .await
                .unwrap();
            assert!(
                state.byte_count() <= (1 << 20) + (17 << 10),
                "{}",
                state.byte_count()
            );
        }
        assert!(state.row_count() > 1, "this is not merged by rows");
        let panes = fire(&query, &mut [state]).await.unwrap();
        assert_eq!(panes.num_rows(), 1);
    });
}

#[test]
fn a_window_that_goes_leaves_no_memory() {
    run(async {
        let query = plan(&Session::new(), SQL).await;
        let mut state = WindowState::default();
        let mut rows: Vec<Row> = (0..20_000)
            .map(|site| Row {
                site,
                ..Row::default()
            })
            .collect();
        rows.push(Row {
            window: 1,
            ..Row::default()
        });
        query
            .accumulate(&mut state, vec![batch(&rows)])
            .await
            .unwrap();
        assert!(state.byte_count() > 400_000);
        state.take(end(0)).unwrap();
        assert_eq!(state.row_count(), 1);
        assert!(state.byte_count() < 1_000);
        let buffers: usize = state
            .rows()
            .iter()
            .map(RecordBatch::get_array_memory_size)
            .sum();
        assert!(buffers < 10_000, "{buffers} bytes are kept alive");
    });
}

#[test]
fn rows_of_another_query_are_not_restored() {
    run(async {
        let session = Session::new();
        let query = plan(&session, SQL).await;
        let mut state = WindowState::default();
        query
            .accumulate(&mut state, vec![batch(&rows(0))])
            .await
            .unwrap();
        assert_eq!(state.rows()[0].schema(), query.state_schema());
        let other = plan(
            &session,
            "SELECT site_id, max(count) FROM observation GROUP BY site_id",
        );
        let error = WindowState::restore(&other.await, state.rows()).unwrap_err();
        let RestoreError::Columns { found, expected } = error else {
            panic!("{error}");
        };
        assert!(found.contains("LargeBinary") && !expected.contains("LargeBinary"));
        let restored = WindowState::restore(&query, state.rows()).unwrap();
        assert_eq!(restored.row_count(), state.row_count());
        assert_eq!(restored.byte_count(), state.byte_count());
    });
}
