//! Machines cut in two by a snapshot: the tests try to make the second half speak otherwise than a
//! machine that was never stopped, and to restore what must not be restored.

use proptest::prelude::*;

use super::*;
use crate::config::{RuleConfig, StepConfig};
use crate::interval::TimeIntervals;
use crate::machine::tests::{config, end, row};
use crate::words::{OnNoData, Severity};
use crate::{AlertTransition, Measurement};
use jiff::tz::TimeZone;

/// One window: its layer, and the value of each of three subjects; `None` is no row, and three of
/// them a layer that fails.
type Shown = (bool, [Option<f64>; 3]);

fn shown() -> impl Strategy<Value = Vec<Shown>> {
    let value = prop_oneof![
        2 => Just(None),
        1 => Just(Some(f64::NAN)),
        6 => prop::sample::select(vec![0.0, 2.9, 3.0, 3.5, 4.0, 9.0]).prop_map(Some),
    ];
    prop::collection::vec(
        (prop::bool::weighted(0.8), prop::array::uniform3(value)),
        1..60,
    )
}

/// Four rules: three on one layer, one of them without waiting and one with steps and hours, and
/// one on another layer.
fn rules(hold_for: &str, keep_firing_for: &str) -> Vec<Rule> {
    let early = RuleConfig {
        name: "early".to_owned(),
        fire_above: Some(3.0),
        clear_below: Some(2.9),
        flap_max: 2,
        flap_window: "20m".to_owned(),
        ..config("0s", "10m")
    };
    let other = RuleConfig {
        name: "other".to_owned(),
        layer: "inflow".to_owned(),
        on_no_data: OnNoData::Resolve,
        ..config("5m", "0s")
    };
    let step = |severity, fire_above| StepConfig {
        severity,
        fire_above,
        clear_below: fire_above - 1.0,
        hold_for: None,
    };
    let ladder = RuleConfig {
        name: "ladder".to_owned(),
        fire_above: None,
        clear_below: None,
        severity: None,
        step: vec![step(Severity::Watch, 4.0), step(Severity::Critical, 9.0)],
        on_no_data: OnNoData::Alert,
        active: vec!["hours".to_owned()],
        ..config(hold_for, keep_firing_for)
    };
    let hours = "name = 'hours'\ntimes = [{ from = '00:30', to = '01:30' }]";
    let hours = TimeIntervals::try_new(&[toml::from_str(hours).unwrap()], &TimeZone::UTC).unwrap();
    let rules = [config(hold_for, keep_firing_for), early, other, ladder];
    let read = |config| Rule::with_intervals(config, &hours).unwrap();
    rules.iter().map(read).collect()
}

fn show(machine: &mut AlertMachine, index: i64, window: &Shown) -> Vec<AlertTransition> {
    let layer = if window.0 { "density" } else { "inflow" };
    let at = end(index);
    if window.1 == [None; 3] {
        return machine.fail(layer, at);
    }
    let rows = ["a", "b", "c"].into_iter().zip(window.1);
    let rows: Vec<_> = rows
        .filter_map(|(subject, value)| value.map(|value| row(subject, at, Some(value))))
        .map(|row| Measurement {
            layer,
            coverage: Some(if index % 5 == 0 { 0.1 } else { 1.0 }),
            ..row
        })
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
        subjects_max in 1..9_usize,
        hold_for in prop::sample::select(vec!["0s", "5m", "15m"]),
        keep_firing_for in prop::sample::select(vec!["0s", "5m", "15m"]),
    ) {
        let rules = rules(hold_for, keep_firing_for);
        let cut = cut.index(windows.len() + 1);
        let limited = |machine: AlertMachine| {
            machine.with_alerts_max(alerts_max).with_subjects_max(subjects_max)
        };
        let mut whole = limited(AlertMachine::new(rules.clone()));
        for (index, window) in (0..).zip(&windows[..cut]) {
            show(&mut whole, index, window);
        }
        let mut second = limited(restored(rules, &whole.state()));
        let from = i64::try_from(cut).unwrap();
        for (index, window) in (from..).zip(&windows[cut..]) {
            let told = show(&mut whole, index, window);
            prop_assert_eq!(show(&mut second, index, window), told);
            prop_assert_eq!(
                (second.open(), second.refused(), second.forgotten()),
                (whole.open(), whole.refused(), whole.forgotten())
            );
        }
        prop_assert_eq!(second.state(), whole.state());
    }
}

/// The state of a machine with an alert of rule `crush` on each of `a` and `b`.
fn raised() -> MachineState {
    let mut machine = AlertMachine::new(rules("0s", "0s"));
    show(&mut machine, 1, &(true, [Some(9.0), Some(9.0), None]));
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
    show(&mut second, 1, &(true, [None, None, None]));
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
    let state = twice(|s| {
        let again = s.rules[0].flaps[1].clone();
        s.rules[0].flaps.push(again);
    });
    let message = "the changes of rule \"crush\" on venue \"b\" is there twice";
    check_refused(rules("0s", "0s"), state, message);
    let state = twice(|s| {
        let again = s.rules[2].known[0].clone();
        s.rules[2].known.push(again);
    });
    let message = "what is known of rule \"ladder\" on venue \"a\" is there twice";
    check_refused(rules("0s", "0s"), state, message);
}

fn seen() -> SeenState {
    SeenState {
        end: 2,
        size: 300,
        name_zh: "z".to_owned(),
        name_en: "e".to_owned(),
        unit: "u".to_owned(),
        method: "m".to_owned(),
        tags: vec![("k".to_owned(), "v".to_owned())],
    }
}

fn stored(phase: PhaseState) -> EpisodeState {
    EpisodeState {
        subject_kind: "k".to_owned(),
        subject: "s".to_owned(),
        id: "i".to_owned(),
        since: 1,
        phase,
        level: 2,
        reached: vec![Some(1), None],
        dark: Some(DarkState::Stale),
        failed: true,
        missing: false,
        heard: 3,
        told: false,
        seen: seen(),
    }
}

/// The bytes are a stored format: a change of them is a new version of the snapshot.
#[test]
fn the_stored_form_stays() {
    let phases = [
        PhaseState::Pending,
        PhaseState::Firing,
        PhaseState::Recovering(-3),
    ];
    let state = MachineState {
        refused: 7,
        forgotten: 8,
        layers: vec![LayerState {
            layer: "l".to_owned(),
            last_end: -1,
        }],
        rules: vec![RuleState {
            rule: "r".to_owned(),
            rule_hash: "h".to_owned(),
            episodes: phases.map(stored).to_vec(),
            flaps: vec![FlapState {
                subject_kind: "k".to_owned(),
                subject: "s".to_owned(),
                changes: vec![1],
                run: Some(RunState {
                    id: "i".to_owned(),
                    since: 1,
                    level: 1,
                    last: 2,
                    held: 9,
                    seen: seen(),
                }),
            }],
            known: vec![KnownState {
                subject_kind: "k".to_owned(),
                subject: "s".to_owned(),
                seen: seen(),
            }],
            quiet_end: 5,
        }],
    };
    let bytes = postcard::to_stdvec(&state).unwrap();
    let hex = bytes
        .iter()
        .fold(String::new(), |hex, byte| format!("{hex}{byte:02x}"));
    let seen = "04d804017a01650175016d01016b0176";
    let subject = "016b0173";
    let rest = format!("02 02010200 0101 01 00 06 00 {seen}");
    assert_eq!(
        hex,
        format!(
            "0708 01016c01 01017201 6803 \
             {subject}0169 0200 {rest} {subject}0169 0201 {rest} {subject}0169 020205 {rest} \
             01 {subject} 0102 01 0169 02 01 04 09 {seen} \
             01 {subject} {seen} 0a"
        )
        .replace(' ', "")
    );
}
