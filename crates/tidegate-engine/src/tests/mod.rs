//! Whole engines against generated and hand-made inputs: what must hold whatever comes.

mod idleness;
mod lateness;
mod laws;
mod recovery;
mod world;

use tidegate_model::{
    CountRange, EventTime, FeedId, Measure, Observation, ObservationBatch, ObservationBuilder,
    Position, Quality, Span, Subject,
};

use crate::{
    Config, Engine, Input, Output, PartitionId, PartitionSpec, ProcessingTime, WindowSpec,
};

/// One record; times are seconds after [`EventTime::EARLIEST`].
#[derive(Debug, Clone, Copy)]
struct Row {
    id: u128,
    start: i64,
    length: i64,
    measure: Measure,
}

impl Row {
    /// A count at one instant, with an id of its own.
    fn at(start: i64) -> Self {
        Self {
            id: u128::try_from(start).unwrap() + 1,
            start,
            length: 0,
            measure: Measure::In,
        }
    }
}

/// Two minutes of disorder and one of interval, ids remembered for ten.
const SPEC: PartitionSpec = PartitionSpec {
    out_of_orderness: Span::minutes(2),
    interval_max: Span::minutes(1),
    dedup_within: Some(Span::minutes(10)),
};

fn partition(feed: &str, partition: i32) -> PartitionId {
    PartitionId {
        feed: FeedId::new(feed),
        partition,
    }
}

fn second(second: i64) -> EventTime {
    EventTime::EARLIEST.plus(Span::seconds(second))
}

fn milli(milli: i64) -> ProcessingTime {
    ProcessingTime::from_micros(milli * 1_000)
}

/// Five-minute windows, revised for ten minutes.
fn tumbling() -> Config {
    let mut config = Config::new(vec![
        WindowSpec::tumbling("flow_5m", Span::minutes(5)).unwrap(),
    ]);
    config.allowed_lateness = Span::minutes(10);
    config
}

fn assigned(partition: &PartitionId) -> Input {
    Input::Assigned {
        partition: partition.clone(),
        spec: SPEC,
    }
}

fn batch(partition: &PartitionId, rows: &[Row]) -> Input {
    numbered(partition, 0, rows)
}

/// The rows at offsets from `offset` on.
fn numbered(partition: &PartitionId, offset: i64, rows: &[Row]) -> Input {
    let mut builder = ObservationBuilder::new(partition.feed.clone(), rows.len());
    for (offset, row) in (offset..).zip(rows) {
        builder.push(&Observation {
            event_id: row.id,
            site_id: "north",
            interval_start: second(row.start),
            interval_end: second(row.start + row.length),
            measure: row.measure,
            subject: Subject::Person,
            count: 10 + offset,
            range: CountRange::exact(10 + offset),
            origin: None,
            coordinate: None,
            quality: Quality::GOOD,
            position: Position {
                partition: partition.partition,
                offset,
                row: 0,
            },
        });
    }
    Input::Batch {
        partition: partition.clone(),
        batch: builder.finish(),
    }
}

fn caught_up(partition: &PartitionId, at: i64) -> Input {
    Input::CaughtUp {
        partition: partition.clone(),
        now: milli(at),
    }
}

fn tick(at: i64) -> Input {
    Input::Tick { now: milli(at) }
}

/// Hands `input` in and takes out all that follows.
fn give(engine: &mut Engine, input: Input) -> Vec<Output> {
    engine.handle(input);
    std::iter::from_fn(|| engine.poll_output()).collect()
}

fn give_all(engine: &mut Engine, inputs: impl IntoIterator<Item = Input>) -> Vec<Output> {
    let mut outputs = Vec::new();
    for input in inputs {
        outputs.extend(give(engine, input));
    }
    outputs
}

/// Offsets of a batch's rows.
fn offsets(batch: &ObservationBatch) -> Vec<i64> {
    batch.source_offset().values().to_vec()
}

/// One word for each output, to compare orders: `idle a/0`, `fire 300 r0`, `late`, …
fn words(outputs: &[Output]) -> Vec<String> {
    let word = |output: &Output| match output {
        Output::Accumulate { .. } => "accumulate".to_owned(),
        Output::Late { reason, .. } => reason.code().to_owned(),
        Output::Duplicate { .. } => "duplicate".to_owned(),
        Output::Idle { partition } => format!("idle {}/{}", partition.feed, partition.partition),
        Output::Fire(firing) => {
            let end = firing.end.since(EventTime::EARLIEST).as_micros() / 1_000_000;
            format!("fire {end} r{}", firing.revision)
        }
    };
    outputs.iter().map(word).collect()
}
