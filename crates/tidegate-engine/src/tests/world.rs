//! Generated inputs: three partitions of two feeds, with disorder, repeats, idle spells, a
//! partition that appears late, ends and second beginnings.

use proptest::prelude::*;

use super::*;

/// What may happen to one of three partitions.
#[derive(Debug, Clone)]
enum Act {
    Assign,
    /// Records, all of them so many seconds later than their own lag says.
    Batch(i64, Vec<Drawn>),
    CaughtUp,
    /// Reaches the log's end and stays there for longer than `idle_after`.
    Quiet,
    /// For each of so many milliseconds: a stall, if long.
    Ticks(Vec<i64>),
    End,
}

/// A record before its time is known.
#[derive(Debug, Clone, Copy)]
struct Drawn {
    id: u128,
    /// Seconds behind the world's time.
    behind: i64,
    length: i64,
    measure: Measure,
}

fn drawn() -> impl Strategy<Value = Drawn> {
    let behind = prop_oneof![6 => 0_i64..150, 2 => 0_i64..900, 2 => 0_i64..3_600];
    let measure = prop_oneof![Just(Measure::In), Just(Measure::Present)];
    (0_u128..80, behind, 0_i64..=60, measure).prop_map(|(id, behind, length, measure)| Drawn {
        id,
        behind,
        length,
        measure,
    })
}

fn act() -> impl Strategy<Value = Act> {
    let lag = prop_oneof![3 => Just(0_i64), 1 => 0_i64..5_400];
    prop_oneof![
        12 => (lag, prop::collection::vec(drawn(), 0..8)).prop_map(|(lag, rows)| Act::Batch(lag, rows)),
        3 => Just(Act::CaughtUp),
        3 => Just(Act::Quiet),
        4 => prop::collection::vec(0_i64..2_000, 1..6).prop_map(Act::Ticks),
        1 => Just(Act::Assign),
        1 => Just(Act::End),
    ]
}

/// Windows that divide time differently, a short idleness, ten minutes of revision.
pub(super) fn config() -> Config {
    let sliding = WindowSpec::sliding("flow_15m", Span::minutes(15), Span::minutes(5)).unwrap();
    let mut config = tumbling();
    config.windows.push(sliding.with_offset(Span::minutes(2)));
    config.idle_after = Span::seconds(2);
    config
}

/// A run: a/0 and a/1 are there from the start, b/0 when it is assigned; world time goes on by
/// two minutes with each act. It ends when `closed`.
pub(super) fn inputs() -> impl Strategy<Value = Vec<Input>> {
    let acts = prop::collection::vec((0_usize..3, act()), 0..60);
    (acts, any::<bool>()).prop_map(|(acts, closed)| {
        let partitions = [partition("a", 0), partition("a", 1), partition("b", 0)];
        let mut inputs: Vec<Input> = partitions[..2].iter().map(assigned).collect();
        let mut is_assigned = [true, true, false];
        let mut next_offset = [0, 0, 0];
        let (mut world, mut now) = (9_000, 0);
        for (n, act) in acts {
            world += 120;
            let partition = &partitions[n];
            match act {
                Act::Assign => {
                    is_assigned[n] = true;
                    inputs.push(assigned(partition));
                }
                Act::Ticks(steps) => {
                    for step in steps {
                        now += step;
                        inputs.push(tick(now));
                    }
                }
                _ if !is_assigned[n] => {}
                Act::Batch(lag, rows) => {
                    let rows: Vec<Row> = rows.iter().map(|row| row.placed(world - lag)).collect();
                    inputs.push(numbered(partition, next_offset[n], &rows));
                    next_offset[n] += i64::try_from(rows.len()).unwrap();
                }
                Act::CaughtUp => inputs.push(caught_up(partition, now)),
                Act::Quiet => {
                    inputs.push(caught_up(partition, now));
                    for _ in 0..3 {
                        now += 1_000;
                        inputs.push(tick(now));
                    }
                }
                // Only the last partition ends: with all ended, nothing more could happen.
                Act::End if n == 2 => inputs.push(Input::Ended {
                    partition: partition.clone(),
                }),
                Act::End => {}
            }
        }
        inputs.extend(closed.then_some(Input::End));
        inputs
    })
}

impl Drawn {
    fn placed(self, world: i64) -> Row {
        Row {
            id: self.id,
            start: world - self.behind - self.length,
            length: self.length,
            measure: self.measure,
        }
    }
}

/// The steps of a live run, as a caller records them, and its other outputs.
pub(super) fn live(engine: &mut Engine, inputs: &[Input]) -> (Vec<Input>, Vec<Output>) {
    let (mut steps, mut outputs) = (Vec::new(), Vec::new());
    for input in inputs {
        match input {
            Input::Tick { .. } | Input::CaughtUp { .. } => {}
            step => steps.push(step.clone()),
        }
        for output in give(engine, input.clone()) {
            match output {
                Output::Idle { partition } => steps.push(Input::Idle { partition }),
                output => outputs.push(output),
            }
        }
    }
    (steps, outputs)
}
