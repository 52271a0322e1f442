//! Tries to judge a record by a watermark that is not the one it met.

use super::*;
use crate::{LateReason, Timing};

fn alone(config: Config) -> (Engine, PartitionId) {
    let a = partition("a", 0);
    let mut engine = Engine::new(config);
    engine.handle(assigned(&a));
    (engine, a)
}

#[test]
fn each_late_row_has_the_watermark_that_it_missed() {
    let (mut engine, a) = alone(tumbling());
    let rows = [0, 3_600, 60, 7_200, 120, 121].map(Row::at);
    let outputs = give(&mut engine, batch(&a, &rows));
    let late = outputs.iter().find_map(|output| match output {
        Output::Late {
            batch,
            watermarks,
            reason,
            ..
        } => Some((offsets(batch), watermarks, reason)),
        _ => None,
    });
    let expected = vec![second(3_420), second(7_020), second(7_020)];
    let reason = LateReason::BeyondAllowed;
    assert_eq!(late, Some((vec![2, 4, 5], &expected, &reason)));
}

#[test]
fn a_row_behind_closed_windows_enters_their_revision_only() {
    let (mut engine, a) = alone(tumbling());
    // Own watermark 820 after the first: the window to 600 closes, that to 900 stays open.
    let rows = [Row::at(1_000), Row::at(599), Row::at(600)];
    let outputs = give(&mut engine, batch(&a, &rows));
    let timings: Vec<_> = outputs
        .iter()
        .filter_map(|output| match output {
            Output::Accumulate { timing, batch, .. } => Some((*timing, batch.num_rows())),
            _ => None,
        })
        .collect();
    assert_eq!(timings, [(Timing::OnTime, 2), (Timing::AllowedLate, 1)]);
}

#[test]
fn duplicates_are_given_out_and_move_nothing() {
    let (mut engine, a) = alone(tumbling());
    let again = Row {
        start: 1_500,
        ..Row::at(1_000)
    };
    let outputs = give(
        &mut engine,
        batch(&a, &[Row::at(1_000), again, Row::at(1_001)]),
    );
    let duplicates: Vec<_> = outputs
        .iter()
        .filter_map(|output| match output {
            Output::Duplicate { feed, batch } => Some((feed.as_str(), offsets(batch))),
            _ => None,
        })
        .collect();
    assert_eq!(duplicates, [("a", vec![1])]);
    assert_eq!(engine.watermark(), second(1_001 - 180));
    let counts = engine.accounting()[&FeedId::new("a")];
    assert_eq!(
        (counts.received, counts.counted, counts.duplicate),
        (3, 2, 1)
    );
}

#[test]
fn a_bounded_recording_is_on_time_whatever_its_order_and_closes_once() {
    let mut config = tumbling();
    config.judge_lateness = false;
    let (mut engine, a) = alone(config);
    let outputs = give(&mut engine, batch(&a, &[900, 86_400, 0].map(Row::at)));
    assert_eq!(words(&outputs), ["accumulate"]);
    assert_eq!(engine.watermark(), EventTime::MIN);
    let outputs = give(&mut engine, Input::End);
    assert_eq!(words(&outputs).len(), 86_700 / 300);
    // What comes after the end cannot open a window again.
    let outputs = give(&mut engine, batch(&a, &[Row::at(950)]));
    assert_eq!(words(&outputs), ["after_idle"]);
}

#[test]
fn forgotten_ids_of_all_partitions_of_a_feed_are_summed() {
    let a = partition("a", 0);
    let mut engine = Engine::new(tumbling());
    for n in 0..2 {
        engine.handle(assigned(&partition("a", n)));
    }
    engine.handle(batch(&a, &[Row::at(0)]));
    let mut state = engine_state(&mut engine);
    for (dedup, forgotten) in state.dedups.iter_mut().zip([3, 4]) {
        dedup.forgotten = forgotten;
    }
    let mut engine = Engine::restore(tumbling(), state.into()).unwrap();
    engine.handle(batch(&a, &[Row::at(1)]));
    let counts = engine.accounting()[&FeedId::new("a")];
    assert_eq!(counts.dedup_forgotten, 7);
}

/// The state, with everything polled.
fn engine_state(engine: &mut Engine) -> crate::state::StateV1 {
    while engine.poll_output().is_some() {}
    engine.state().fitting(&tumbling()).unwrap()
}
