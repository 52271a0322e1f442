//! Tries to get wrong panes, or a panic, out of memory that does not suffice.

use std::num::{NonZeroU64, NonZeroUsize};
use std::path::Path;

use super::*;
use crate::{SessionLimits, SpillLimits};

const SQL: &str = "SELECT site_id, sum(count) AS persons, avg(count) AS mean, \
                   min(origin) AS first, count_distinct_sketch(event_id) AS events, \
                   bool_or(flag) AS flagged FROM observation GROUP BY site_id HAVING count(*) > 1";

fn limited(memory_bytes_max: usize, spill: Option<&Path>) -> Session {
    let limits = SessionLimits {
        memory_bytes_max: NonZeroUsize::new(memory_bytes_max),
        spill: spill.map(|folder| SpillLimits {
            folder: folder.to_owned(),
            bytes_max: NonZeroU64::new(1 << 30).unwrap(),
        }),
    };
    Session::with_limits(limits).unwrap()
}

/// 40,000 groups of three rows, in two windows.
fn rows() -> Vec<RecordBatch> {
    let row = |n: u32| Row {
        window: i64::from(n % 2),
        site: n * 7_919 % 40_000 / 2,
        count: i64::from(n % 101),
        origin: (!n.is_multiple_of(3)).then_some(u8::try_from(n % 7).unwrap()),
        flag: (!n.is_multiple_of(5)).then_some(n.is_multiple_of(2)),
        event: u64::from(n) * 31,
        ..Row::default()
    };
    let rows: Vec<Row> = (0..120_000).map(row).collect();
    rows.chunks(5_000).map(batch).collect()
}

async fn panes(session: &Session, reduce_rows: usize) -> Result<RecordBatch> {
    let mut query = plan(session, SQL).await;
    query.reduce_above = Weight {
        rows: reduce_rows,
        bytes: usize::MAX,
    };
    let mut state = WindowState::default();
    for batch in rows() {
        query.accumulate(&mut state, vec![batch]).await?;
    }
    fire(&query, &mut [state]).await
}

#[test]
fn a_limit_never_changes_panes() {
    let folder = tempfile::tempdir().unwrap();
    run(async {
        let expected = panes(&Session::new(), usize::MAX).await.unwrap();
        assert_eq!(expected.num_rows(), 40_000);
        let (mut failed, mut spilled) = (0, 0);
        for memory in [
            1 << 12,
            1 << 16,
            1 << 18,
            1 << 20,
            1 << 22,
            1 << 24,
            1 << 28,
        ] {
            for reduce_rows in [10_000, usize::MAX] {
                let without = panes(&limited(memory, None), reduce_rows).await;
                let with = panes(&limited(memory, Some(folder.path())), reduce_rows).await;
                if without.is_err() && with.is_ok() {
                    spilled += 1;
                }
                for result in [without, with] {
                    match result {
                        Ok(panes) => assert_eq!(panes, expected, "{memory}"),
                        Err(error) => {
                            let error = error.to_string();
                            let named = format!("memory_bytes_max = {memory}");
                            assert!(error.contains(&named), "{error}");
                            failed += 1;
                        }
                    }
                }
            }
        }
        assert!(
            spilled >= 2,
            "only {spilled} runs needed their spill folder"
        );
        assert!(failed >= 2, "only {failed} runs failed");
        let left = folder.path().read_dir().unwrap().count();
        assert_eq!(left, 0, "spill files outlive their session");
    });
}

#[test]
fn an_error_says_what_to_do() {
    let folder = tempfile::tempdir().unwrap();
    run(async {
        let error = panes(&limited(1 << 16, None), usize::MAX)
            .await
            .unwrap_err();
        let error = error.to_string();
        assert!(error.contains("memory_bytes_max = 65536"), "{error}");
        assert!(error.contains("name a spill folder"), "{error}");
        let error = panes(&limited(1 << 10, Some(folder.path())), 10_000)
            .await
            .unwrap_err();
        let error = error.to_string();
        assert!(error.contains("raise either limit"), "{error}");
        assert!(
            error.contains(&folder.path().display().to_string()),
            "{error}"
        );
    });
}

#[test]
fn a_spill_folder_that_is_no_use_is_an_error_at_once() {
    let file = tempfile::NamedTempFile::new().unwrap();
    let spill = SpillLimits {
        folder: file.path().to_owned(),
        bytes_max: NonZeroU64::MIN,
    };
    let limits = SessionLimits {
        memory_bytes_max: None,
        spill: Some(spill),
    };
    let error = Session::with_limits(limits).unwrap_err().to_string();
    assert!(error.contains("spill folder"), "{error}");
}
