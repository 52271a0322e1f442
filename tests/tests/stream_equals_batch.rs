//! Tries to break "stream equals batch": panes of a streaming run must equal plain `date_bin …
//! GROUP BY` SQL over the same observations, whatever the batch size, the number of partitions and
//! the order within the bound; and a late record must change revision 1 only.

use std::collections::BTreeMap;
use std::sync::Arc;

use arrow::array::{
    Array, AsArray, Int64Array, RecordBatch, StringArray, TimestampMicrosecondArray,
};
use arrow::datatypes::{DataType, Int64Type, TimestampMicrosecondType};
use proptest::prelude::*;
use tidegate_model::{EventTime, FeedId, Payload, Position, Span};
use tidegate_pipeline::{Event, Mode, Pipeline, Runtime, Source};
use tidegate_query::Session;

use crate::support::block_on;

const BOUND_S: i64 = 120;

/// One count at a point in time.
#[derive(Debug, Clone)]
struct Count {
    site: u8,
    second: i64,
    persons: i64,
    /// How much later than in order it is sent, at most the bound.
    jitter: i64,
}

fn start() -> EventTime {
    tidegate_model::parse_rfc3339("2026-03-02T00:00:00Z").unwrap()
}

impl Count {
    fn at(&self) -> EventTime {
        start().plus(Span::seconds(self.second))
    }

    fn json(&self) -> Vec<u8> {
        let (site, at, count) = (self.site, self.at(), self.persons);
        format!(r#"{{"site":"s{site}","start":"{at}","measure":"in","count":{count}}}"#)
            .into_bytes()
    }
}

fn counts() -> impl Strategy<Value = Vec<Count>> {
    let count = (0_u8..6, 0_i64..3_600, 0_i64..1_000, 0_i64..=BOUND_S).prop_map(
        |(site, second, persons, jitter)| Count {
            site,
            second,
            persons,
            jitter,
        },
    );
    prop::collection::vec(count, 1..120)
}

/// (window end, site) -> (sum, rows, largest)
type Panes = BTreeMap<(i64, String), (i64, i64, i64)>;

fn pipeline() -> Arc<Pipeline> {
    let sql = "SELECT site_id, sum(count) AS persons, count(*) AS rows, max(count) AS largest \
               FROM observation WHERE measure = 'in' GROUP BY site_id";
    let files = [
        (
            "pipeline.toml",
            "name = \"law\"\nallowed_lateness = \"10m\"\n\
             [[window]]\nname = \"tumbling\"\nsize = \"5m\"\n\
             [[window]]\nname = \"sliding\"\nsize = \"15m\"\nslide = \"5m\"\n",
        ),
        (
            "feeds/gate.toml",
            "format = \"json\"\nunknown_site = \"accept\"\nout_of_orderness = \"120s\"\ninterval_max = \"1s\"\n",
        ),
        ("windows/tumbling.sql", sql),
        ("windows/sliding.sql", sql),
    ];
    let source = Source::new(files.map(|(path, text)| (path.to_owned(), text.to_owned())));
    let loaded = block_on(Pipeline::load(&source));
    Arc::new(loaded.unwrap_or_else(|problems| panic!("{problems:#?}")))
}

/// Panes of a streaming run: by window query and revision.
fn stream(
    counts: &[Count],
    partitions: i32,
    batch: usize,
    turns: &[u8],
) -> (BTreeMap<(String, u32), Panes>, u64) {
    let feed = FeedId::new("gate");
    let mut logs: Vec<Vec<(Position, Vec<u8>)>> =
        vec![Vec::new(); usize::try_from(partitions).unwrap()];
    let mut ordered = counts.to_vec();
    ordered.sort_by_key(|count| count.second + count.jitter);
    for count in &ordered {
        let partition = i32::from(count.site) % partitions;
        let log = &mut logs[usize::try_from(partition).unwrap()];
        let offset = i64::try_from(log.len()).unwrap();
        log.push((
            Position {
                partition,
                offset,
                row: 0,
            },
            count.json(),
        ));
    }
    let pipeline = pipeline();
    block_on(async {
        let mut runtime = Runtime::new(pipeline, Mode::Stream).await.unwrap();
        for partition in 0..partitions {
            runtime.assign(&feed, partition).unwrap();
        }
        let mut read = vec![0; logs.len()];
        let mut turn = 0;
        while (0..logs.len()).any(|log| read[log] < logs[log].len()) {
            // Which partition comes next, and how much of it, follows the generated turns.
            let choice = usize::from(turns[turn % turns.len()]);
            turn += 1;
            // Or the next one that has anything left: some turns never name some partition.
            let log = (choice..choice + logs.len())
                .map(|log| log % logs.len())
                .find(|log| read[*log] < logs[*log].len())
                .unwrap();
            let size = 1 + (choice * 7 + turn) % batch;
            let to = (read[log] + size).min(logs[log].len());
            let payloads: Vec<Payload<'_>> = logs[log][read[log]..to]
                .iter()
                .map(|(position, bytes)| Payload {
                    position: *position,
                    bytes: Some(bytes),
                    arrived: None,
                })
                .collect();
            read[log] = to;
            if !payloads.is_empty() {
                let partition = i32::try_from(log).unwrap();
                runtime
                    .ingest(&feed, partition, &payloads, EventTime::MAX)
                    .await
                    .unwrap();
            }
        }
        runtime.end().await.unwrap();
        let mut found: BTreeMap<(String, u32), Panes> = BTreeMap::new();
        while let Some(event) = runtime.poll_event() {
            if let Event::Pane {
                window,
                rows,
                revision,
                is_final: true,
                ..
            } = event
            {
                read_panes(&rows, found.entry((window, revision)).or_default());
            }
        }
        let summary = runtime.summary();
        assert!(summary.adds_up());
        (found, summary.late + summary.revised)
    })
}

fn read_panes(rows: &RecordBatch, panes: &mut Panes) {
    let number = |name: &str, row: usize| {
        rows.column_by_name(name)
            .unwrap()
            .as_primitive::<Int64Type>()
            .value(row)
    };
    let ends = rows.column_by_name("window_end").unwrap();
    let ends = ends.as_primitive::<TimestampMicrosecondType>();
    let sites = rows.column_by_name("site_id").unwrap().as_string::<i32>();
    for row in 0..rows.num_rows() {
        let key = (ends.value(row), sites.value(row).to_owned());
        let value = (
            number("persons", row),
            number("rows", row),
            number("largest", row),
        );
        assert!(panes.insert(key, value).is_none(), "a pane came twice");
    }
}

/// The same by plain SQL: a window of `size` is the union of its five-minute bins.
fn batch_sql(counts: &[Count], size_minutes: i64) -> Panes {
    let at = TimestampMicrosecondArray::from_iter_values(counts.iter().map(|c| c.at().micros()));
    let rows = RecordBatch::try_from_iter([
        ("at", Arc::new(at.with_timezone("UTC")) as Arc<dyn Array>),
        (
            "site_id",
            Arc::new(StringArray::from_iter_values(
                counts.iter().map(|c| format!("s{}", c.site)),
            )),
        ),
        (
            "count",
            Arc::new(Int64Array::from_iter_values(
                counts.iter().map(|c| c.persons),
            )),
        ),
    ])
    .unwrap();
    let session = Session::new();
    session
        .register_rows("o", rows.schema(), vec![rows])
        .unwrap();
    let shifts: Vec<String> = (1..=size_minutes / 5)
        .map(|n| format!("(INTERVAL '{} minutes')", 5 * n))
        .collect();
    let sql = format!(
        "SELECT date_bin(INTERVAL '5 minutes', at, TIMESTAMP '1970-01-01T00:00:00Z')
                  + later AS window_end,
                site_id, sum(count) AS persons, count(*) AS rows, max(count) AS largest
         FROM o CROSS JOIN (VALUES {}) AS shift(later) GROUP BY 1, 2",
        shifts.join(", ")
    );
    let (_, rows) = block_on(session.query(&sql)).unwrap();
    let mut panes = Panes::new();
    for batch in rows {
        let utc = DataType::Timestamp(arrow::datatypes::TimeUnit::Microsecond, Some("UTC".into()));
        let mut columns = batch.columns().to_vec();
        columns[0] = arrow::compute::cast(&columns[0], &utc).unwrap();
        let names = ["window_end", "site_id", "persons", "rows", "largest"];
        read_panes(
            &RecordBatch::try_from_iter(names.into_iter().zip(columns)).unwrap(),
            &mut panes,
        );
    }
    panes
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    #[test]
    fn panes_equal_plain_sql(
        counts in counts(),
        partitions in 1_i32..5,
        batch in 1_usize..40,
        turns in prop::collection::vec(any::<u8>(), 1..30),
    ) {
        let (found, late) = stream(&counts, partitions, batch, &turns);
        prop_assert_eq!(late, 0, "every record was within the bound");
        for (window, minutes) in [("tumbling", 5), ("sliding", 15)] {
            let panes = found.get(&(window.to_owned(), 0)).cloned().unwrap_or_default();
            prop_assert_eq!(panes, batch_sql(&counts, minutes), "{}", window);
        }
    }

    /// Records far behind: revision 0 holds the others alone, revision 1 (where there is one)
    /// holds all that came within the allowed lateness, and both do not depend on interleaving.
    #[test]
    fn late_records_change_revision_one_only(
        counts in counts(),
        behind in prop::collection::vec((0_usize..120, 300_i64..1_500), 1..8),
        partitions in 1_i32..4,
        turns in prop::collection::vec(any::<u8>(), 1..30),
        other_turns in prop::collection::vec(any::<u8>(), 1..30),
    ) {
        let mut counts = counts;
        for (index, jitter) in behind {
            let index = index % counts.len();
            counts[index].jitter = jitter;
        }
        let one = stream(&counts, partitions, 3, &turns);
        let other = stream(&counts, partitions, 37, &other_turns);
        prop_assert_eq!(one, other);
    }
}
