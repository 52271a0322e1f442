//! Rules that change under open alerts: tries to have an alert told again because its rule was
//! written anew, or to have one that nobody watches stay open.

use super::*;
use crate::rule::Rule;

fn rule(change: impl FnOnce(&mut RuleConfig)) -> Rule {
    let mut config = config("0s", "0s");
    change(&mut config);
    Rule::try_new(&config).unwrap()
}

/// Shows `v1` with `value` in window `index`: the states told.
fn show(machine: &mut AlertMachine, index: i64, value: f64) -> Vec<&'static str> {
    let at = end(index);
    let told = machine.observe("density", at, &[row("v1", at, Some(value))]);
    told.iter().map(|alert| alert.state.as_str()).collect()
}

#[test]
fn an_alert_goes_on_under_another_text_of_its_rule() {
    let mut machine = AlertMachine::new(vec![rule(|_| {})]);
    assert_eq!(show(&mut machine, 0, 5.0), ["firing"]);
    let told = machine.replace_rules(vec![rule(|config| config.owner = "other".to_owned())]);
    assert!(told.is_empty(), "{told:?}");
    assert_eq!(machine.open(), 1);
    assert_eq!(show(&mut machine, 1, 5.0), Vec::<&str>::new());
    // A higher threshold does not end it above `clear_below`, which is what says so.
    machine.replace_rules(vec![rule(|config| config.fire_above = Some(9.0))]);
    assert_eq!(show(&mut machine, 2, 5.0), Vec::<&str>::new());
    machine.replace_rules(vec![rule(|config| {
        config.fire_above = Some(9.0);
        config.clear_below = Some(6.0);
    })]);
    assert_eq!(show(&mut machine, 3, 5.0), ["resolved"]);
}

#[test]
fn a_ladder_that_lost_steps_keeps_its_alert() {
    let ladder = |steps: &[(Severity, f64)]| {
        rule(|config| {
            (config.fire_above, config.clear_below, config.severity) = (None, None, None);
            config.step = steps
                .iter()
                .map(|(severity, fire_above)| crate::config::StepConfig {
                    severity: *severity,
                    fire_above: *fire_above,
                    clear_below: fire_above - 1.0,
                    hold_for: None,
                })
                .collect();
        })
    };
    let long = ladder(&[(Severity::Watch, 2.0), (Severity::Critical, 4.0)]);
    let mut machine = AlertMachine::new(vec![long]);
    assert_eq!(show(&mut machine, 0, 5.0), ["firing"]);
    assert!(
        machine
            .replace_rules(vec![ladder(&[(Severity::Watch, 2.0)])])
            .is_empty()
    );
    assert_eq!(show(&mut machine, 1, 5.0), Vec::<&str>::new());
    assert_eq!(show(&mut machine, 2, 0.5), ["resolved"]);
}

#[test]
fn alerts_of_a_rule_that_is_gone_are_over_at_once() {
    let gone: [fn(&mut RuleConfig); 3] = [
        |config| config.name = "other".to_owned(),
        |config| config.layer = "fill".to_owned(),
        |config| config.subject_kind = Some("cell".to_owned()),
    ];
    for change in gone {
        let mut machine = AlertMachine::new(vec![rule(|_| {})]);
        show(&mut machine, 0, 5.0);
        let told = machine.replace_rules(vec![rule(change)]);
        let [over] = &told[..] else {
            panic!("{told:?}");
        };
        assert_eq!(
            (over.state, over.why),
            (AlertState::Resolved, Why::RuleGone)
        );
        assert_eq!(
            (&*over.rule, &*over.subject, over.window_end),
            ("crush", "v1", end(0))
        );
        assert!(
            over.text_en.starts_with("Its rule was removed"),
            "{}",
            over.text_en
        );
        assert_eq!(machine.open(), 0);
    }
    // A pending alert, of which nothing was told, is over unheard.
    let mut machine = AlertMachine::new(vec![rule(|config| config.hold_for = "1h".to_owned())]);
    show(&mut machine, 0, 5.0);
    assert!(machine.replace_rules(Vec::new()).is_empty());
    assert_eq!(machine.open(), 0);
    // A new rule takes up a layer that nobody watched for a while.
    machine.replace_rules(vec![rule(|_| {})]);
    assert_eq!(show(&mut machine, 1, 5.0), ["firing"]);
}

#[test]
fn equal_rules_change_nothing_wherever_they_are_put_in() {
    let timeline = [5.0, 5.0, 3.5, 2.0, 5.0, 2.0];
    let play = |replace_at: Option<usize>| {
        let mut machine = AlertMachine::new(vec![rule(|_| {})]);
        let mut told = Vec::new();
        for (index, value) in timeline.into_iter().enumerate() {
            if replace_at == Some(index) {
                assert!(machine.replace_rules(vec![rule(|_| {})]).is_empty());
            }
            let at = end(i64::try_from(index).unwrap());
            told.extend(machine.observe("density", at, &[row("v1", at, Some(value))]));
        }
        told
    };
    let plain = play(None);
    assert_eq!(plain.len(), 4);
    for index in 0..timeline.len() {
        assert_eq!(play(Some(index)), plain, "{index}");
    }
}
