//! Laws that hold for whatever is shown: random values, gaps, scarce data, failures and orders of
//! rows against rules of every kind.

use proptest::prelude::*;

use super::*;
use crate::config::StepConfig;

/// Per window the value of each of three subjects; `None` is no row.
type Windows = Vec<[Option<f64>; 3]>;

fn windows() -> impl Strategy<Value = Windows> {
    let value = prop_oneof![
        1 => Just(None),
        1 => Just(Some(f64::NAN)),
        6 => prop::sample::select(vec![0.0, 2.9, 3.0, 3.1, 3.9, 4.0, 4.1, 9.0]).prop_map(Some),
    ];
    prop::collection::vec(prop::array::uniform3(value), 1..60)
}

fn run(config: &RuleConfig, windows: &Windows, reversed: bool) -> Vec<AlertTransition> {
    let mut machine = machine(config);
    let mut told = Vec::new();
    for (index, values) in (0..).zip(windows) {
        let at = end(index);
        let rows = ["a", "b", "c"].into_iter().zip(values);
        let mut rows: Vec<_> = rows
            .filter_map(|(subject, value)| value.map(|value| row(subject, at, Some(value))))
            .collect();
        if reversed {
            rows.reverse();
        }
        told.extend(machine.observe("density", at, &rows));
    }
    told
}

/// What a window shows of a subject in the harder laws.
#[derive(Debug, Clone, Copy)]
enum Show {
    Value(f64),
    Scarce(f64),
    Nothing,
    Fails,
}

fn shows() -> impl Strategy<Value = Vec<Show>> {
    let value = prop::sample::select(vec![0.0, 3.0, 3.5, 4.0, 5.0, 5.5, 6.0, 7.0, 7.5, 8.0, 9.0]);
    let one = prop_oneof![
        8 => value.clone().prop_map(Show::Value),
        1 => value.prop_map(Show::Scarce),
        1 => Just(Show::Nothing),
        1 => Just(Show::Fails),
    ];
    prop::collection::vec(one, 1..120)
}

/// Three steps: 4 and 3, 6 and 5, 8 and 7.
fn ladder(hold_for: &str, keep_firing_for: &str) -> RuleConfig {
    let step = |severity, fire_above, hold_for: Option<&str>| StepConfig {
        severity,
        fire_above,
        clear_below: fire_above - 1.0,
        hold_for: hold_for.map(str::to_owned),
    };
    RuleConfig {
        fire_above: None,
        clear_below: None,
        severity: None,
        step: vec![
            step(Severity::Watch, 4.0, None),
            step(Severity::Warning, 6.0, Some("5m")),
            step(Severity::Critical, 8.0, Some("0s")),
        ],
        ..config(hold_for, keep_firing_for)
    }
}

fn play_shows(machine: &mut AlertMachine, shows: &[Show]) -> Vec<Vec<AlertTransition>> {
    let windows = (0..).zip(shows);
    windows
        .map(|(index, show)| {
            let at = end(index);
            let (value, coverage) = match *show {
                Show::Value(value) => (value, 1.0),
                Show::Scarce(value) => (value, 0.1),
                Show::Nothing => return machine.observe("density", at, &[]),
                Show::Fails => return machine.fail("density", at),
            };
            let row = Measurement {
                coverage: Some(coverage),
                ..row("v1", at, Some(value))
            };
            machine.observe("density", at, &[row])
        })
        .collect()
}

fn spans() -> impl Strategy<Value = &'static str> {
    prop::sample::select(vec!["0s", "5m", "7m", "15m"])
}

proptest! {
    /// Between the thresholds nothing happens, whatever the wave, once raised or not.
    #[test]
    fn a_square_wave_inside_the_band_never_flaps(
        waves in prop::collection::vec(3.001..3.999_f64, 1..50), raised: bool,
        hold_for in spans(), keep_firing_for in spans(),
    ) {
        let config = config(hold_for, keep_firing_for);
        let mut machine = machine(&config);
        let mut index = 0;
        let mut show = |value| {
            let at = end(index);
            index += 1;
            machine.observe("density", at, &[row("v1", at, Some(value))]).len()
        };
        if raised {
            let told: usize = (0..5).map(|_| show(4.0)).sum();
            prop_assert_eq!(told, 1);
        }
        for value in waves {
            prop_assert_eq!(show(value), 0);
        }
    }

    /// A wave over the whole band raises at most once a period.
    #[test]
    fn a_fast_square_wave_is_held_by_the_two_spans(periods in 1..30_usize) {
        let timeline = "4 2 ".repeat(periods);
        let both = play(&mut machine(&config("5m", "0s")), &timeline).concat();
        prop_assert_eq!(both.len(), 0);
        let kept = play(&mut machine(&config("0s", "10m")), &timeline).concat();
        prop_assert_eq!(kept.len(), 1);
    }

    /// A1, A2, the order of states, and what an id stands for.
    #[test]
    fn laws(windows in windows(), hold_for in spans(), keep_firing_for in spans()) {
        let told = run(&config(hold_for, keep_firing_for), &windows, false);
        let mut seen = BTreeSet::new();
        for alert in &told {
            prop_assert!(seen.insert((alert.subject.clone(), alert.window_end)), "A2");
        }
        for (column, subject) in ["a", "b", "c"].into_iter().enumerate() {
            let mine: Vec<_> = told.iter().filter(|alert| alert.subject == subject).collect();
            let mut last_raise: Option<&AlertTransition> = None;
            let mut open: Option<&AlertTransition> = None;
            for alert in mine {
                if let Some(before) = open {
                    prop_assert_eq!(&before.id, &alert.id);
                    prop_assert_ne!(before.state, alert.state);
                }
                let is_raise = alert.state == AlertState::Firing && alert.why == Why::Data;
                if is_raise {
                    if let Some(raise) = last_raise {
                        let cleared = (0..).zip(&windows).any(|(index, values)| {
                            end(index) > raise.window_end
                                && end(index) < alert.window_end
                                && values[column].is_some_and(|value| value <= 3.0)
                        });
                        prop_assert!(cleared, "A1");
                        prop_assert_ne!(&raise.id, &alert.id);
                    }
                    last_raise = Some(alert);
                }
                open = (alert.state != AlertState::Resolved).then_some(alert);
            }
        }
    }

    /// The same windows give the same transitions, whatever the order of rows.
    #[test]
    fn a_replay_repeats_everything(
        windows in windows(), hold_for in spans(), keep in spans(), is_ladder: bool, alerts: bool,
    ) {
        let config = if is_ladder { ladder(hold_for, keep) } else { config(hold_for, keep) };
        let on_no_data = if alerts { OnNoData::Alert } else { OnNoData::Resolve };
        let config = RuleConfig { on_no_data, ..config };
        let first = run(&config, &windows, false);
        prop_assert_eq!(&run(&config, &windows, false), &first);
        prop_assert_eq!(&run(&config, &windows, true), &first);
    }

    /// The gap between two windows without data never ends an alert.
    #[test]
    fn darkness_never_resolves(dark in 1..50_usize, hold_for in spans(), keep in spans()) {
        let timeline = format!("4 4 4 4 {}", "_ ".repeat(dark));
        let told = play(&mut machine(&config(hold_for, keep)), &timeline).concat();
        let states: Vec<_> = told.iter().map(|alert| alert.state).collect();
        prop_assert_eq!(states, [AlertState::Firing, AlertState::NoData]);
    }

    /// One transition a window, up at once, down one step at a time, over only from the lowest
    /// step and by a value; nothing but a value that is believed moves an alert down.
    #[test]
    fn a_ladder_goes_down_step_by_step(
        shows in shows(), hold_for in spans(), keep_firing_for in spans(), flap_max in 0..8_u32,
    ) {
        let config = RuleConfig { flap_max, ..ladder(hold_for, keep_firing_for) };
        let told = play_shows(&mut machine(&config), &shows);
        let mut before: Option<AlertTransition> = None;
        for (told, show) in told.iter().zip(&shows) {
            prop_assert!(told.len() <= 1, "A2");
            let Some(alert) = told.first() else { continue };
            let is_value = matches!(show, Show::Value(_));
            match alert.state {
                AlertState::Resolved | AlertState::Eased => {
                    prop_assert!(is_value || matches!(alert.why, Why::Steady(_)));
                }
                AlertState::NoData => {
                    prop_assert!(matches!(show, Show::Nothing) || matches!(alert.why, Why::Steady(_)));
                }
                _ => {}
            }
            if flap_max > 0 {
                continue;
            }
            if let Some(before) = &before {
                prop_assert_eq!(&before.id, &alert.id);
                let (from, to) = (before.severity as i8, alert.severity as i8);
                match alert.state {
                    AlertState::Eased => prop_assert_eq!(from - 1, to),
                    AlertState::Escalated => prop_assert!(to > from),
                    AlertState::Resolved => {
                        prop_assert_eq!(alert.severity, Severity::Watch);
                        prop_assert_eq!(from, to);
                    }
                    AlertState::Firing => {}
                    _ => prop_assert_eq!(from, to),
                }
            }
            before = (alert.state != AlertState::Resolved).then(|| alert.clone());
        }
    }

    /// Missing and scarce data and failures end no alert, whatever was before them.
    #[test]
    fn nothing_but_a_value_ends_an_alert(
        shows in shows(), blind in prop::collection::vec(0..3_u8, 1..40), hold_for in spans(),
        keep_firing_for in spans(), alerts: bool,
    ) {
        let on_no_data = if alerts { OnNoData::Alert } else { OnNoData::Keep };
        let config = RuleConfig { on_no_data, ..ladder(hold_for, keep_firing_for) };
        let mut whole = shows;
        let seen = whole.len();
        whole.extend(blind.iter().map(|blind| match blind {
            0 => Show::Nothing,
            1 => Show::Scarce(0.0),
            _ => Show::Fails,
        }));
        let mut machine = machine(&config);
        play_shows(&mut machine, &whole[..seen]);
        let open = machine.open();
        let mut machine = self::machine(&config);
        let told = play_shows(&mut machine, &whole);
        prop_assert!(machine.open() >= open);
        for alert in told[seen..].iter().flatten() {
            let steady = matches!(alert.why, Why::Steady(_)) && open == 0;
            prop_assert!(alert.state != AlertState::Resolved || steady);
            prop_assert_ne!(alert.state, AlertState::Eased);
        }
    }

    /// However wild the values, no more is told in any `flap_window` than `flap_max` changes, the
    /// digests at the beginning and the end of a run, and a rise to each higher step.
    #[test]
    fn flapping_bounds_what_is_told(
        shows in shows(), hold_for in spans(), keep_firing_for in spans(), flap_max in 1..8_u32,
    ) {
        let config = RuleConfig { flap_max, ..ladder(hold_for, keep_firing_for) };
        let told = play_shows(&mut machine(&config), &shows).concat();
        let told: Vec<_> = told.iter().filter(|alert| alert.state != AlertState::Error).collect();
        let most = usize::try_from(flap_max).unwrap() + 4;
        for (index, first) in told.iter().enumerate() {
            let within = told[index..].iter().take_while(|alert| {
                alert.window_end.since(first.window_end) < Span::hours(1)
            });
            prop_assert!(within.count() <= most);
        }
    }

    /// Flapping holds back words and changes nothing else: the same alerts are open.
    #[test]
    fn flapping_changes_no_state(shows in shows(), hold_for in spans(), keep in spans()) {
        let config = RuleConfig { flap_max: 1, ..ladder(hold_for, keep) };
        let free = RuleConfig { flap_max: 0, ..config.clone() };
        let (mut held, mut free) = (machine(&config), machine(&free));
        for (index, show) in (0..).zip(&shows) {
            // One window at a time, each at its place.
            for machine in [&mut held, &mut free] {
                let at = end(index);
                match *show {
                    Show::Value(value) | Show::Scarce(value) => {
                        machine.observe("density", at, &[row("v1", at, Some(value))]);
                    }
                    Show::Nothing | Show::Fails => drop(machine.observe("density", at, &[])),
                }
            }
            prop_assert_eq!(held.open(), free.open());
        }
    }
}
