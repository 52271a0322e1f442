//! Timelines of one dispatcher: what comes in when, what is told when. Tries to make it tell too
//! much, too late, to the wrong people or not at all.

mod commands;
#[path = "../../tests/support/mod.rs"]
mod support;
mod together;

use std::collections::VecDeque;
use std::fmt::Write as _;

use super::*;
use crate::config::RoutesConfig;
use crate::silence::SilenceRequest;
use crate::state::StoredParts;
use crate::tree::{GridTree, GridUnit};
use support::{at, record};

const DEFAULT: &str = "[[route]]\nname = 'default'\nchannels = ['hall']\n";

fn dispatcher(toml: &str) -> Dispatcher {
    let unit = |id: &str, parent: Option<&str>| GridUnit {
        id: id.to_owned(),
        parent: parent.map(str::to_owned),
        name_zh: id.to_owned(),
        name_en: id.to_owned(),
    };
    let units = vec![
        unit("g1", Some("s1")),
        unit("s1", Some("city")),
        unit("city", None),
    ];
    let config: RoutesConfig = toml::from_str(toml).unwrap();
    let tree = GridTree::try_new(units).unwrap();
    Dispatcher::new(Plan::try_new(&config, tree, &["hall", "mail", "sms"]).unwrap())
}

/// One line for each notice: `SECONDS CHANNEL KIND ALERT:STATE… [+HELD] [ADDRESS…]`.
fn lines(notices: &[Notice], lines: &mut Vec<String>) {
    for notice in notices {
        let seconds = notice.created.as_second() - at(0).as_second();
        let kind = format!("{:?}", notice.kind).to_lowercase();
        let mut line = format!("{seconds} {} {kind}", notice.channel);
        for alert in &notice.alerts {
            write!(line, " {}:{}", alert.record.id, alert.record.state).unwrap();
        }
        if notice.held_back > 0 {
            write!(line, " +{}", notice.held_back).unwrap();
        }
        for to in &notice.to {
            write!(line, " {to}").unwrap();
        }
        lines.push(line);
    }
}

/// One step: `SECONDS VERB …`, where the verb is a state of an alert (`ID [SEVERITY
/// [KEY=VALUE…]]`), `ack ID`, `silence SUBJECT SECONDS`, or `end`.
fn step(dispatcher: &mut Dispatcher, line: &str, out: &mut Vec<String>) {
    let mut words: VecDeque<&str> = line.split_whitespace().collect();
    let seconds: i64 = words.pop_front().unwrap().parse().unwrap();
    while let Some(due) = dispatcher.next_deadline().filter(|due| *due <= at(seconds)) {
        lines(&dispatcher.handle_time(due), out);
    }
    let verb = words.pop_front().unwrap();
    let id = words.pop_front().unwrap_or_default();
    match verb {
        "end" => {}
        "ack" => {
            let request = AcknowledgeRequest {
                alert: id.to_owned(),
                by: "duty".to_owned(),
                note: String::new(),
                verdict: None,
            };
            dispatcher.acknowledge(at(seconds), &request).unwrap();
        }
        "silence" => {
            let length: i64 = words[0].parse().unwrap();
            let request = silence(id, Some(at(seconds + length)));
            dispatcher.add_silence(at(seconds), &request).unwrap();
        }
        state => {
            let severity = words.pop_front().unwrap_or("warning");
            let mut record = record(id, state, severity, seconds);
            for word in words {
                let (key, value) = word.split_once('=').unwrap();
                match key {
                    "subject" => record.subject = value.to_owned(),
                    "rule" => record.rule = value.to_owned(),
                    "unit" => record.grid_unit = Some(value.to_owned()),
                    "shadow" => record.shadow = true,
                    tag => drop(record.tags.insert(tag.to_owned(), value.to_owned())),
                }
            }
            lines(&dispatcher.handle_record(at(seconds), &record), out);
        }
    }
}

fn silence(subject: &str, ends_at: Option<Timestamp>) -> SilenceRequest {
    SilenceRequest {
        matchers: toml::from_str(&format!("subject = '{subject}'")).unwrap(),
        starts_at: None,
        ends_at,
        created_by: "desk".to_owned(),
        comment: "a market day".to_owned(),
    }
}

/// Checks the laws that hold after any step.
#[track_caller]
fn check_laws(dispatcher: &Dispatcher) {
    let it = dispatcher.totals();
    let records = it.accepted + it.shadow + it.repeated + it.outdated + it.unheard + it.refused;
    assert_eq!(it.received, records, "{it:?}");
    let known = it.told + it.muted + it.inhibited + it.superseded + it.held_back;
    assert_eq!(it.deliveries, known + dispatcher.waiting(), "{it:?}");
}

#[track_caller]
fn check(toml: &str, steps: &str, expected: &[&str]) {
    let mut out = Vec::new();
    let mut dispatcher = dispatcher(toml);
    let mut stored = StoredParts::new();
    for line in steps.lines().map(str::trim).filter(|line| !line.is_empty()) {
        step(&mut dispatcher, line, &mut out);
        check_laws(&dispatcher);
        for part in dispatcher.take_changes() {
            match part.bytes {
                Some(bytes) => stored.insert(part.key, bytes),
                None => stored.remove(&part.key),
            };
        }
        let plan = dispatcher.plan().clone();
        let restored = Dispatcher::restore_parts(plan, stored.clone()).unwrap();
        assert_eq!(restored.state(), dispatcher.state(), "after {line}");
        assert_eq!(
            restored.next_deadline(),
            dispatcher.next_deadline(),
            "after {line}"
        );
        dispatcher = restored;
    }
    assert_eq!(out, expected);
}

#[test]
fn a_group_waits_then_tells_then_repeats() {
    check(
        DEFAULT,
        "0 firing a
         10 firing b
         400 no_data a
         14800 end
         14900 resolved a
         14910 resolved b
         99999 end",
        &[
            "30 hall alert a:firing b:firing",
            "430 hall alert a:no_data",
            "14830 hall repeat a:no_data b:firing",
            "14900 hall alert a:resolved",
            "14910 hall alert b:resolved",
        ],
    );
}

#[test]
fn changes_wait_for_the_interval_but_worse_and_over_do_not() {
    check(
        DEFAULT,
        "0 firing a watch
         60 no_data a watch
         70 resumed a watch
         340 escalated a critical
         350 eased a warning
         360 resolved a
         999 end",
        &[
            "30 hall alert a:firing",
            "330 hall alert a:resumed",
            "340 hall alert a:escalated",
            "360 hall alert a:resolved",
        ],
    );
    let later = format!("{DEFAULT}resolve_immediately = false");
    check(
        &later,
        "0 firing a\n60 resolved a\n999 end",
        &["30 hall alert a:firing", "330 hall alert a:resolved"],
    );
}

#[test]
fn what_nobody_needs_is_not_told() {
    check(DEFAULT, "0 firing a\n20 resolved a\n999 end", &[]);
    check(
        DEFAULT,
        "0 firing a critical shadow=yes\n20 escalated a critical shadow=yes\n999 end",
        &[],
    );
    check(DEFAULT, "0 resolved a\n999 end", &[]);
    check(
        DEFAULT,
        "0 firing a\n60 flapping a\n999 end",
        &["30 hall alert a:firing", "330 hall digest a:flapping"],
    );
}

#[test]
fn the_first_route_that_matches_wins() {
    let routes = format!(
        "[[route]]\nname = 'crush'\nmatch = {{ severity_min = 'critical', grid_unit = 's1' }}\n\
         channels = ['sms', 'hall']\ncontinue = true\ngroup_wait = '0s'\n{DEFAULT}"
    );
    check(
        &routes,
        "0 firing a critical
         0 firing b warning
         0 firing c critical unit=city
         40 escalated b critical
         50 resolved b critical
         60 end",
        &[
            "0 hall alert a:firing",
            "0 sms alert a:firing",
            "30 hall alert c:firing b:firing",
            "40 hall alert b:escalated",
            "40 sms alert b:escalated",
            "50 hall alert b:resolved",
            "50 sms alert b:resolved",
        ],
    );
}

const DUTIES: &str = "
    [[duty]]
    role = 'grid'
    grid_unit = 'g1'
    hours = { from = '08:00', to = '09:00', time_zone = 'Asia/Shanghai' }
    channels = ['mail']
    to = ['grid@example.org']
    [[duty]]
    role = 'street'
    grid_unit = 's1'
    channels = ['mail', 'sms']
    to = ['street@example.org']
    [[duty]]
    role = 'city'
    grid_unit = 'city'
    channels = ['sms']
    to = ['city@example.org']
    [escalation]
    warning = '10m'
    [[route]]
    name = 'duty'
    match = { grid_unit = 'city' }
    channels = ['duty']
    [[route]]
    name = 'default'
    channels = ['hall']
";

#[test]
fn it_goes_up_until_somebody_acknowledges() {
    check(
        DUTIES,
        "0 firing a\n2000 resolved a\n9999 end",
        &[
            "30 mail alert a:firing grid@example.org",
            "630 mail escalation a:firing street@example.org",
            "630 sms escalation a:firing street@example.org",
            "1230 sms escalation a:firing city@example.org",
            "2000 mail alert a:resolved grid@example.org street@example.org",
            "2000 sms alert a:resolved city@example.org street@example.org",
        ],
    );
    check(
        DUTIES,
        "0 firing a\n100 ack a\n20000 resolved a\n20001 end",
        &[
            "30 mail alert a:firing grid@example.org",
            "20000 mail alert a:resolved street@example.org",
        ],
    );
}

#[test]
fn it_goes_up_as_soon_as_somebody_above_comes_on_duty() {
    // 08:30 in Shanghai is 1,800 s.
    let later = DUTIES
        .replace("grid_unit = 's1'", "grid_unit = 's1'\nhours = { from = '23:00', to = '23:30', time_zone = 'Asia/Shanghai' }")
        .replace("grid_unit = 'city'\n    channels", "grid_unit = 'city'\n    hours = { from = '08:30', to = '20:00', time_zone = 'Asia/Shanghai' }\n    channels");
    check(
        &later,
        "0 firing a\n3000 end",
        &[
            "30 mail alert a:firing grid@example.org",
            "1830 sms escalation a:firing city@example.org",
        ],
    );
}

#[test]
fn whoever_is_on_duty_is_told() {
    // 09:00 in Shanghai is 3,600 s: the grid's duty is over, its street answers.
    check(
        DUTIES,
        "4000 firing a\n4000 firing b warning unit=g9\n4100 end",
        &[
            "4030 hall alert b:firing",
            "4030 mail alert a:firing street@example.org",
            "4030 sms alert a:firing street@example.org",
        ],
    );
}

#[test]
fn a_station_keeps_its_cells_quiet() {
    let toml = format!(
        "[[inhibit]]\nsource = {{ rule = 'station', severity_min = 'critical' }}\n\
         target = {{ severity_max = 'warning' }}\nequal = 'subject=station'\n{DEFAULT}"
    );
    check(
        &toml,
        "0 firing s critical rule=station subject=st1
         5 firing c warning subject=c1
         6 firing d warning subject=d1 station=st2
         100 resolved s critical rule=station subject=st1
         200 end",
        &[
            "30 hall alert s:firing",
            "36 hall alert d:firing",
            "100 hall alert s:resolved",
            "130 hall alert c:firing",
        ],
    );
    // Whoever was told that it began is told that it is over.
    check(
        &toml,
        "0 firing c warning subject=c1
         40 firing s critical rule=station subject=st1
         400 resolved c warning subject=c1
         401 end",
        &[
            "30 hall alert c:firing",
            "70 hall alert s:firing",
            "400 hall alert c:resolved",
        ],
    );
}

#[test]
fn a_silence_mutes_until_it_ends() {
    check(
        DEFAULT,
        "0 firing a
         31 silence m1 1000
         40 no_data a
         50 firing b warning rule=other
         60 resolved b warning rule=other
         2000 end",
        &["30 hall alert a:firing", "1031 hall alert a:no_data"],
    );
    check(
        DEFAULT,
        "0 firing a\n31 silence m1 1000\n2000 end",
        &["30 hall alert a:firing", "1031 hall repeat a:firing"],
    );
    check(
        DEFAULT,
        "0 silence m1 1000\n1 firing a critical\n900 resolved a\n2000 end",
        &[],
    );
}

#[test]
fn a_storm_is_summed_up() {
    let toml = format!(
        "{DEFAULT}group_wait = '0s'\n[storm]\nalerts_per_notice = 2\nnotices_per_minute = 2"
    );
    check(
        &toml,
        "0 firing a warning subject=1
         1 firing b warning subject=2
         2 firing c warning subject=3
         3 firing d critical subject=4
         4 firing e info subject=5
         30 resolved c warning subject=3
         99 end",
        &[
            "0 hall alert a:firing",
            "1 hall alert b:firing",
            "60 hall digest d:firing e:firing +1",
        ],
    );
}
