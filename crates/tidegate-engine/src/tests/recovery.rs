//! Tries to make a replay, or an engine restored from a state, differ from the run it repeats.

use proptest::prelude::*;
use proptest::sample::Index;

use super::*;
use crate::state::{DedupState, StateV1};
use crate::{EngineState, RestoreError};

fn encode(state: &EngineState) -> Vec<u8> {
    postcard::to_stdvec(state).unwrap()
}

/// `engine` after it was written out and read in.
fn recovered(engine: &Engine, config: Config) -> Engine {
    let bytes = encode(&engine.state());
    let state = postcard::from_bytes(&bytes).unwrap();
    let recovered = Engine::restore(config, state).unwrap();
    assert_eq!(encode(&recovered.state()), bytes, "nothing was lost");
    recovered
}

fn check_same(one: &Engine, other: &Engine) -> Result<(), TestCaseError> {
    prop_assert_eq!(one.watermark(), other.watermark());
    prop_assert_eq!(one.accounting(), other.accounting());
    prop_assert_eq!(encode(&one.state()), encode(&other.state()));
    Ok(())
}

proptest! {
    /// Recorded steps in a new engine: no clock is needed.
    #[test]
    fn recorded_steps_repeat_a_run(inputs in world::inputs()) {
        let mut engine = Engine::new(world::config());
        let (steps, outputs) = world::live(&mut engine, &inputs);
        let mut replay = Engine::new(world::config());
        prop_assert_eq!(give_all(&mut replay, steps), outputs);
        check_same(&engine, &replay)?;
    }

    /// A state taken anywhere in a run, and the steps that followed, batches and all.
    #[test]
    fn a_restored_engine_goes_on(inputs in world::inputs(), at in any::<Index>()) {
        let (before, after) = inputs.split_at(at.index(inputs.len() + 1));
        let mut engine = Engine::new(world::config());
        world::live(&mut engine, before);
        let mut restored = recovered(&engine, world::config());
        let (steps, outputs) = world::live(&mut engine, after);
        prop_assert_eq!(give_all(&mut restored, steps), outputs);
        check_same(&engine, &restored)?;
    }

    /// The same for a bounded recording.
    #[test]
    fn a_restored_backfill_goes_on(inputs in world::inputs(), at in any::<Index>()) {
        let mut config = world::config();
        config.judge_lateness = false;
        let (before, after) = inputs.split_at(at.index(inputs.len() + 1));
        let mut engine = Engine::new(config.clone());
        world::live(&mut engine, before);
        let mut restored = recovered(&engine, config);
        let (steps, outputs) = world::live(&mut engine, after);
        prop_assert_eq!(give_all(&mut restored, steps), outputs);
        check_same(&engine, &restored)?;
    }

    /// Whatever the bytes are, reading them is a state or an error, never a panic.
    #[test]
    fn broken_bytes_are_refused_or_a_state(
        inputs in world::inputs(),
        at in any::<Index>(),
        bits in 1_u8..,
    ) {
        let mut engine = Engine::new(world::config());
        world::live(&mut engine, &inputs);
        let mut bytes = encode(&engine.state());
        let at = at.index(bytes.len());
        prop_assert!(postcard::from_bytes::<EngineState>(&bytes[..at]).is_err());
        bytes[at] ^= bits;
        if let Ok(state) = postcard::from_bytes::<EngineState>(&bytes) {
            drop(Engine::restore(world::config(), state));
        }
    }
}

/// An engine with something of everything, and nothing to poll.
fn example() -> Engine {
    let a = partition("a", 0);
    let mut engine = Engine::new(tumbling());
    give_all(
        &mut engine,
        [assigned(&a), batch(&a, &[0, 1_000, 600, 599].map(Row::at))],
    );
    engine
}

#[test]
fn processing_time_does_not_survive() {
    let a = partition("a", 0);
    let mut engine = example();
    engine.handle(caught_up(&a, 0));
    give_all(&mut engine, (1..30).map(|second| tick(second * 1_000)));
    assert!(engine.poll_timeout().is_some());
    let mut restored = recovered(&engine, tumbling());
    assert_eq!(restored.poll_timeout(), None);
    assert_eq!(give(&mut restored, tick(30_000)), []);
    engine.handle(tick(30_000));
    assert_eq!(words(&[engine.poll_output().unwrap()]), ["idle a/0"]);
    let restored = recovered(&engine, tumbling());
    let state = restored.state().fitting(&tumbling()).unwrap();
    assert!(matches!(
        state.clocks[0].phase,
        crate::state::PhaseState::Idle
    ));
}

#[test]
#[should_panic(expected = "every output is polled")]
fn a_state_with_outputs_left_is_a_bug() {
    let a = partition("a", 0);
    let mut engine = example();
    engine.handle(batch(&a, &[Row::at(1_001)]));
    drop(engine.state());
}

/// The error of restoring [`example`] under `config`.
fn refusal(config: Config) -> RestoreError {
    Engine::restore(config, example().state()).unwrap_err()
}

#[test]
fn other_windows_are_refused_with_both_named() {
    let with = |windows: Vec<WindowSpec>| Config {
        windows,
        ..tumbling()
    };
    let five = Span::minutes(5);
    let others = [
        (
            WindowSpec::tumbling("flow", five).unwrap(),
            "\"flow\" size 5m slide 5m offset 0s",
        ),
        (
            WindowSpec::tumbling("flow_5m", Span::minutes(10)).unwrap(),
            "\"flow_5m\" size 10m slide 10m offset 0s",
        ),
        (
            WindowSpec::sliding("flow_5m", five, Span::minutes(1)).unwrap(),
            "\"flow_5m\" size 5m slide 1m offset 0s",
        ),
        (
            WindowSpec::tumbling("flow_5m", five)
                .unwrap()
                .with_offset(Span::seconds(1)),
            "\"flow_5m\" size 5m slide 5m offset 1s",
        ),
    ];
    for (other, text) in others {
        let expected = format!(
            "windows of the state (\"flow_5m\" size 5m slide 5m offset 0s) must be those of the \
             configuration ({text})"
        );
        assert_eq!(refusal(with(vec![other])).to_string(), expected);
    }
    let same = tumbling().windows;
    assert!(matches!(
        refusal(with(Vec::new())),
        RestoreError::Windows { .. }
    ));
    assert!(matches!(
        refusal(with([same.clone(), same].concat())),
        RestoreError::Windows { .. }
    ));
}

#[test]
fn other_rules_of_lateness_are_refused() {
    let config = Config {
        allowed_lateness: Span::minutes(11),
        ..tumbling()
    };
    let text = "allowed lateness 10m of the state must be 11m, as configured";
    assert_eq!(refusal(config).to_string(), text);
    let config = Config {
        judge_lateness: false,
        ..tumbling()
    };
    let text = "state that judges lateness cannot go on under a configuration that does not judge lateness";
    assert_eq!(refusal(config).to_string(), text);
    let config = Config {
        idle_after: Span::seconds(1),
        ..tumbling()
    };
    assert!(Engine::restore(config, example().state()).is_ok());
}

/// A state that nobody wrote is refused.
fn check_contradiction(change: impl FnOnce(&mut StateV1), expected: &str) {
    let mut state = example().state().fitting(&tumbling()).unwrap();
    change(&mut state);
    let error = Engine::restore(tumbling(), state.into()).unwrap_err();
    assert_eq!(
        error.to_string(),
        format!("state contradicts itself: {expected}")
    );
}

#[test]
fn contradictions_are_refused() {
    let end = second(600).micros();
    check_contradiction(
        |state| state.clocks.push(state.clocks[0].clone()),
        "partition 0 of feed a has two clocks",
    );
    check_contradiction(
        |state| state.clocks.clear(),
        "partition 0 of feed a has ids and no clock",
    );
    check_contradiction(
        |state| state.dedups.push(state.dedups[0].clone()),
        "partition 0 of feed a has two sets of ids",
    );
    let twice = |dedup: &mut DedupState| dedup.generations.push(dedup.generations[0].clone());
    check_contradiction(
        |state| twice(&mut state.dedups[0]),
        "ids of bucket 1577808 number 0 come twice",
    );
    check_contradiction(
        |state| state.dedups[0].within_us = 0,
        "ids are remembered for 0 us",
    );
    check_contradiction(
        |state| state.feeds[0].late += 1,
        "feed a has Accounting { received: 4, counted: 4, revised: 1, late: 1, duplicate: 0, dedup_forgotten: 0 }",
    );
    check_contradiction(
        |state| state.schedule.revisions.push((end, 1)),
        "no window of query 1 ends at 2000-01-01T00:10:00Z",
    );
    check_contradiction(
        |state| state.schedule.revisions.push((end + 1, 0)),
        "no window of query 0 ends at 2000-01-01T00:10:00.000001Z",
    );
    check_contradiction(
        |state| state.schedule.tracks[0].pending_us.push(1),
        "no window of \"flow_5m\" ends at 1970-01-01T00:00:00.000001Z",
    );
    check_contradiction(
        |state| state.schedule.tracks[0].last_us = None,
        "\"flow_5m\" fired last at never, full at 2000-01-01T00:05:00Z, and next at 2000-01-01T00:15:00Z",
    );
}
