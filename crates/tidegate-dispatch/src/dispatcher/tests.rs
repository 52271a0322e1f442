//! Timelines of one dispatcher: what comes in when, what is told when. Tries to make it tell too
//! much, too late, to the wrong people or not at all.

#[path = "../../tests/support/mod.rs"]
mod support;

use std::collections::VecDeque;

use super::*;
use crate::config::RoutesConfig;
use crate::silence::{SilenceError, SilenceRequest};
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
            line += &format!(" {}:{}", alert.record.id, alert.record.state);
        }
        if notice.held_back > 0 {
            line += &format!(" +{}", notice.held_back);
        }
        for to in &notice.to {
            line += &format!(" {to}");
        }
        lines.push(line);
    }
}

/// One step: `SECONDS VERB …`, where the verb is a state of an alert (`ID [SEVERITY [KEY=VALUE…]]`),
/// `ack ID`, `silence SUBJECT SECONDS`, or `end`.
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
    for line in steps.lines().map(str::trim).filter(|line| !line.is_empty()) {
        step(&mut dispatcher, line, &mut out);
        check_laws(&dispatcher);
        let bytes = postcard::to_stdvec(&dispatcher.state()).unwrap();
        let state = postcard::from_bytes(&bytes).unwrap();
        let restored = Dispatcher::restore(dispatcher.plan().clone(), &state).unwrap();
        assert_eq!(restored.state(), state, "after {line}");
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

#[test]
fn a_silence_must_be_right() {
    let mut dispatcher = dispatcher(DEFAULT);
    let mut check = |request: SilenceRequest, expected: &str| {
        let result = dispatcher.add_silence(at(0), &request);
        assert_eq!(
            result.unwrap_err().to_string(),
            format!("silence alerts: {expected}")
        );
    };
    check(
        silence("m1", None),
        "ends_at: is missing: a silence must end, at most after the longest",
    );
    check(
        silence("m1", Some(at(-1))),
        "ends_at: 2026-03-01T23:59:59Z is not after the start, 2026-03-02T00:00:00Z",
    );
    check(
        silence("m1", Some(at(31 * 86_400))),
        "ends_at: 2026-04-02T00:00:00Z is more than 30d after the start: end it sooner",
    );
    let mut everything = silence("m1", Some(at(60)));
    everything.matchers = crate::config::MatchConfig::default();
    check(
        everything,
        "match: is empty and would mute every alert: say which",
    );
    let unknown = dispatcher.end_silence_early(at(0), "x").unwrap_err();
    assert_eq!(unknown, SilenceError::Unknown("x".to_owned()));
}

#[test]
fn silences_are_previewed_listed_and_ended() {
    let mut dispatcher = dispatcher(DEFAULT);
    dispatcher.handle_record(at(0), &record("a", "firing", "warning", 0));
    let request = silence("m1", Some(at(1_000)));
    let hit = dispatcher.preview(at(1), &request).unwrap();
    assert_eq!((hit.len(), hit[0].muted_by.clone()), (1, None));
    let silence = dispatcher.add_silence(at(1), &request).unwrap();
    assert!(dispatcher.handle_time(at(40)).is_empty());
    let status = dispatcher.alert("a").unwrap();
    assert_eq!(status.muted_by, Some(Mute::Silence(silence.id.clone())));
    assert_eq!(dispatcher.silences()[0].alerts, ["a"]);
    dispatcher.end_silence_early(at(50), &silence.id).unwrap();
    assert_eq!(dispatcher.next_deadline(), Some(at(50)));
    assert_eq!(dispatcher.handle_time(at(50)).len(), 1);
    assert_eq!(
        dispatcher.silences()[0].state,
        crate::silence::SilenceState::Expired
    );
    dispatcher.handle_time(at(50 + 5 * 86_400));
    assert!(dispatcher.silences().is_empty());
}

#[test]
fn verdicts_are_counted_also_after_the_end() {
    let mut dispatcher = dispatcher(DEFAULT);
    for id in ["a", "b", "c"] {
        dispatcher.handle_record(at(0), &record(id, "firing", "warning", 0));
    }
    dispatcher.handle_time(at(30));
    let say = |dispatcher: &mut Dispatcher, alert: &str, verdict| {
        let alert = alert.to_owned();
        let request = AcknowledgeRequest {
            alert,
            by: "desk".to_owned(),
            note: String::new(),
            verdict,
        };
        dispatcher
            .acknowledge(at(40), &request)
            .map_err(|error| error.to_string())
    };
    use crate::precision::Verdict::{False, Useful};
    say(&mut dispatcher, "a", Some(False)).unwrap();
    say(&mut dispatcher, "a", Some(Useful)).unwrap();
    dispatcher.handle_record(at(60), &record("b", "resolved", "warning", 60));
    assert_eq!(
        say(&mut dispatcher, "b", None).unwrap_err(),
        "acknowledge the alert \"b\", which is over: only a verdict can be given"
    );
    say(&mut dispatcher, "b", Some(False)).unwrap();
    assert_eq!(
        say(&mut dispatcher, "z", Some(Useful)).unwrap_err(),
        "acknowledge the alert \"z\", which is not known"
    );
    let row = dispatcher.precision().remove(0);
    assert_eq!(
        (row.verdicts.useful, row.verdicts.false_alarms, row.unjudged),
        (1, 1, 1)
    );
    assert_eq!(row.precision, Some(0.5));
}

#[test]
fn a_notice_is_complete() {
    let mut dispatcher = dispatcher(DUTIES);
    dispatcher.handle_record(at(5), &record("a", "firing", "warning", 0));
    let first = dispatcher.handle_time(at(35)).remove(0);
    assert_eq!(first.expires, at(35 + 600));
    assert_eq!(first.alerts[0].grid_units, ["g1", "s1", "city"]);
    assert_eq!(first.group["rule"], "market-crush");
    let mut over = record("a", "resolved", "warning", 60);
    over.valid_until = Some(over.window_end.clone());
    let last = dispatcher.handle_record(at(61), &over).remove(0);
    assert_eq!(last.expires, at(61 + 15 * 60));
    assert_eq!(last.alerts[0].told[0].notice, first.id);
    over.valid_until = Some(at(61).to_string());
    assert!(
        dispatcher.handle_record(at(62), &over).is_empty(),
        "it came before"
    );
    assert_eq!(dispatcher.totals().repeated, 1);
}

#[test]
fn the_way_of_an_alert_is_explained() {
    let dispatcher = dispatcher(DUTIES);
    let explained = dispatcher.explain(at(0), &record("a", "firing", "warning", 0));
    assert_eq!(explained.on_duty, ["grid"]);
    assert_eq!(explained.routes.len(), 1);
    assert_eq!(explained.deliveries[0].channel, "mail");
    assert_eq!(explained.deliveries[0].to, ["grid@example.org"]);
    assert_eq!(explained.deliveries[0].at, at(30));
    assert_eq!(explained.goes_up_at, Some(at(600)));
    let mut elsewhere = record("a", "firing", "warning", 0);
    elsewhere.grid_unit = None;
    let explained = dispatcher.explain(at(0), &elsewhere);
    assert_eq!(explained.routes[0].why, "grid_unit does not match");
    assert_eq!(explained.deliveries[0].channel, "hall");
}

#[test]
fn too_many_alerts_are_counted() {
    let mut dispatcher = dispatcher(DEFAULT);
    let mut broken = record("a", "firing", "warning", 0);
    broken.window_end = "yesterday".to_owned();
    let notices = dispatcher.handle_record(at(0), &broken);
    assert_eq!(notices[0].kind, crate::notice::NoticeKind::Digest);
    assert_eq!((notices[0].held_back, dispatcher.totals().refused), (1, 1));
    assert_eq!(
        notices[0].text_en.as_deref(),
        Some("1 more are not shown one by one:\nmarket-crush: 1")
    );
}

#[test]
fn another_plan_tells_nothing_again() {
    let mut dispatcher = dispatcher(DUTIES);
    dispatcher.handle_record(at(0), &record("a", "firing", "warning", 0));
    dispatcher.handle_time(at(30));
    let other = self::dispatcher(DEFAULT).plan().clone();
    let mut restored = Dispatcher::restore(other.clone(), &dispatcher.state()).unwrap();
    assert!(restored.handle_time(at(400)).is_empty());
    let over = restored.handle_record(at(500), &record("a", "resolved", "warning", 500));
    assert_eq!(over[0].channel, "mail");
    let mut state = dispatcher.state();
    state.version = 9;
    let error = Dispatcher::restore(other, &state).unwrap_err();
    assert_eq!(
        error.to_string(),
        "read the dispatcher's state: version 9 is not 1"
    );
}
