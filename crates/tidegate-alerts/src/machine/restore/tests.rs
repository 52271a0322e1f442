//! Machines cut in two by a snapshot: the tests try to make the second half speak otherwise than a
//! machine that was never stopped, and to restore what must not be restored.

use proptest::prelude::*;

use super::*;
use crate::config::RuleConfig;
use crate::machine::tests::{config, end, row};
use crate::{AlertTransition, Measurement};

/// One window: its layer, and the value of each of three subjects; `None` is no row.
type Shown = (bool, [Option<f64>; 3]);

fn shown() -> impl Strategy<Value = Vec<Shown>> {
    let value = prop_oneof![
        2 => Just(None),
        1 => Just(Some(f64::NAN)),
        6 => prop::sample::select(vec![0.0, 2.9, 3.0, 3.5, 4.0, 9.0]).prop_map(Some),
    ];
    prop::collection::vec(
        (prop::bool::weighted(0.8), prop::array::uniform3(value)),
        1..40,
    )
}

/// Three rules: two on one layer, one of them without waiting, and one on another layer.
fn rules(hold_for: &str, keep_firing_for: &str) -> Vec<Rule> {
    let early = RuleConfig {
        name: "early".to_owned(),
        fire_above: 3.0,
        clear_below: 2.9,
        ..config("0s", "10m")
    };
    let other = RuleConfig {
        name: "other".to_owned(),
        layer: "inflow".to_owned(),
        ..config("5m", "0s")
    };
    let rules = [config(hold_for, keep_firing_for), early, other];
    rules.iter().map(|c| Rule::try_new(c).unwrap()).collect()
}

fn show(machine: &mut AlertMachine, index: i64, window: &Shown) -> Vec<AlertTransition> {
    let layer = if window.0 { "density" } else { "inflow" };
    let at = end(index);
    let rows = ["a", "b", "c"].into_iter().zip(window.1);
    let rows: Vec<_> = rows
        .filter_map(|(subject, value)| value.map(|value| row(subject, at, Some(value))))
        .map(|row| Measurement { layer, ..row })
        .collect();
    machine.observe(layer, at, &rows)
}

fn restored(rules: Vec<Rule>, state: &MachineState) -> AlertMachine {
    let bytes = postcard::to_stdvec(state).unwrap();
    AlertMachine::restore(rules, postcard::from_bytes(&bytes).unwrap()).unwrap()
}

proptest! {
    /// A machine restored at any window goes on as the one that was never stopped.
    #[test]
    fn a_restored_machine_goes_on(
        windows in shown(), cut in any::<prop::sample::Index>(), alerts_max in 1..8_usize,
        hold_for in prop::sample::select(vec!["0s", "5m", "15m"]),
        keep_firing_for in prop::sample::select(vec!["0s", "5m", "15m"]),
    ) {
        let rules = rules(hold_for, keep_firing_for);
        let cut = cut.index(windows.len() + 1);
        let mut whole = AlertMachine::new(rules.clone()).with_alerts_max(alerts_max);
        for (index, window) in (0..).zip(&windows[..cut]) {
            show(&mut whole, index, window);
        }
        let mut second = restored(rules, &whole.state()).with_alerts_max(alerts_max);
        let from = i64::try_from(cut).unwrap();
        for (index, window) in (from..).zip(&windows[cut..]) {
            let told = show(&mut whole, index, window);
            prop_assert_eq!(show(&mut second, index, window), told);
            prop_assert_eq!((second.open(), second.refused()), (whole.open(), whole.refused()));
        }
        prop_assert_eq!(second.state(), whole.state());
    }
}

/// The state of a machine with an alert of rule `crush` on each of `a` and `b`.
fn raised() -> MachineState {
    let mut machine = AlertMachine::new(rules("0s", "0s"));
    show(&mut machine, 0, &(true, [Some(9.0), Some(9.0), None]));
    machine.state()
}

#[track_caller]
fn check_refused(rules: Vec<Rule>, state: MachineState, message: &str) {
    let error = AlertMachine::restore(rules, state).unwrap_err();
    assert_eq!(error.to_string(), message);
}

#[test]
fn alerts_of_another_rule_are_refused_by_name() {
    let now = rules("5m", "0s");
    let (hash, stored) = (
        now[0].hash().to_owned(),
        raised().rules[0].rule_hash.clone(),
    );
    let message = format!("2 open alerts are of rule \"crush\" as {stored}, which is {hash} now");
    check_refused(now, raised(), &message);
    let message = "2 open alerts are of rule \"crush\", which is gone";
    check_refused(rules("0s", "0s").split_off(1), raised(), message);
}

#[test]
fn a_rule_without_open_alerts_may_change() {
    let mut machine = AlertMachine::new(rules("0s", "0s"));
    show(&mut machine, 0, &(true, [Some(3.5), None, None]));
    let second = AlertMachine::restore(rules("5m", "0s"), machine.state()).unwrap();
    assert_eq!(second.open(), 1, "only the rule \"early\" has an alert");
}

#[test]
#[should_panic(expected = "is not after")]
fn a_restored_machine_knows_which_windows_it_has_seen() {
    let mut second = restored(rules("0s", "0s"), &raised());
    show(&mut second, 0, &(true, [None, None, None]));
}

#[test]
fn what_is_there_twice_is_refused() {
    let twice = |change: fn(&mut MachineState)| {
        let mut state = raised();
        change(&mut state);
        state
    };
    let state = twice(|s| s.layers.push(s.layers[0].clone()));
    check_refused(rules("0s", "0s"), state, "layer \"density\" is there twice");
    let state = twice(|s| s.rules.push(s.rules[0].clone()));
    check_refused(rules("0s", "0s"), state, "rule \"crush\" is there twice");
    let state = twice(|s| {
        let again = s.rules[0].episodes[1].clone();
        s.rules[0].episodes.push(again);
    });
    let message = "an alert of rule \"crush\" on venue \"b\" is there twice";
    check_refused(rules("0s", "0s"), state, message);
}

/// The bytes are a stored format: a change of them is a new version of the snapshot.
#[test]
fn the_stored_form_stays() {
    let phases = [
        PhaseState::Pending,
        PhaseState::Firing,
        PhaseState::Recovering(-3),
    ];
    let episode = |phase| EpisodeState {
        subject_kind: "k".to_owned(),
        subject: "s".to_owned(),
        id: "i".to_owned(),
        since: 1,
        phase,
        dark: true,
        told: false,
        seen: SeenState {
            end: 2,
            size: 300,
            name_zh: "z".to_owned(),
            name_en: "e".to_owned(),
            unit: "u".to_owned(),
            method: "m".to_owned(),
        },
    };
    let state = MachineState {
        refused: 7,
        layers: vec![LayerState {
            layer: "l".to_owned(),
            last_end: -1,
        }],
        rules: vec![RuleState {
            rule: "r".to_owned(),
            rule_hash: "h".to_owned(),
            episodes: phases.map(episode).to_vec(),
        }],
    };
    let bytes = postcard::to_stdvec(&state).unwrap();
    let hex = bytes
        .iter()
        .fold(String::new(), |hex, byte| format!("{hex}{byte:02x}"));
    let (head, seen) = ("016b01730169", "010004d804017a01650175016d");
    assert_eq!(
        hex,
        format!("07 01016c01 01017201 6803 {head}0200{seen} {head}0201{seen} {head}020205{seen}")
            .replace(' ', "")
    );
}
