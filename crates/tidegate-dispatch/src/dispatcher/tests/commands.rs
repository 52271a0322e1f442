//! What people say and ask: silences, acknowledgements, verdicts, listings, another plan. Tries to
//! get a wrong command taken, and a right one to be without effect.

use super::*;
use crate::precision::Verdict::{False, Useful};
use crate::silence::SilenceError;

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
    assert_eq!((notices[0].held_back, dispatcher.totals().refused), (0, 1));
    let text = |text: &Option<String>| text.clone().unwrap_or_default();
    assert_eq!(text(&notices[0].title_en), "Too many alerts: a digest of 1");
    // One of three is the example, so two are not shown.
    for id in ["b", "c", "d"] {
        broken.id = id.to_owned();
        assert!(dispatcher.handle_record(at(1), &broken).is_empty());
    }
    let notices = dispatcher.handle_time(at(60));
    assert_eq!((notices[0].alerts.len(), notices[0].held_back), (1, 2));
    assert_eq!(text(&notices[0].title_en), "Too many alerts: a digest of 3");
    assert_eq!(
        text(&notices[0].text_en),
        "2 more are not shown one by one:\nmarket-crush: 2"
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
        "read the dispatcher's state: version 9 is not 2"
    );
}

#[test]
fn a_state_that_was_stored_as_a_whole_is_read() {
    let mut dispatcher = dispatcher(DUTIES);
    dispatcher.handle_record(at(0), &record("a", "firing", "warning", 0));
    dispatcher.handle_time(at(30));
    dispatcher
        .add_silence(at(31), &silence("m2", Some(at(60))))
        .unwrap();
    let it = dispatcher.state();
    // The fields in their order, as version 1 had them.
    let alerts = (&it.alerts, &it.resolved, &it.groups);
    let rest = (&it.channels, &it.silences, &it.verdicts, it.totals);
    let whole = |version: u32| {
        let bytes = postcard::to_stdvec(&(version, it.now, alerts, rest)).unwrap();
        StoredParts::from([(Vec::new(), bytes)])
    };
    let plan = dispatcher.plan().clone();
    let mut restored = Dispatcher::restore_parts(plan.clone(), whole(1)).unwrap();
    assert_eq!(restored.state(), it);
    // From now on it is stored in parts.
    let mut stored = whole(1);
    for part in restored.take_changes() {
        match part.bytes {
            Some(bytes) => stored.insert(part.key, bytes),
            None => stored.remove(&part.key),
        };
    }
    assert!(!stored.contains_key(&[][..]));
    let mut again = Dispatcher::restore_parts(plan.clone(), stored.clone()).unwrap();
    assert_eq!(again.state(), it);
    assert_eq!(
        again.take_changes().len(),
        1,
        "only the head is always given"
    );
    let check = |stored: StoredParts, expected: &str| {
        let error = Dispatcher::restore_parts(plan.clone(), stored).unwrap_err();
        let text = format!("read the dispatcher's state: {expected}");
        assert_eq!(error.to_string(), text);
    };
    check(whole(2), "version 2 is not 1");
    let mut headless = stored.clone();
    headless.remove(&b"h"[..]);
    check(headless, "it has no head");
    stored.insert(b"x".to_vec(), Vec::new());
    check(stored, "a part of an unknown kind");
}

#[test]
fn what_changed_is_little_however_much_stands() {
    let mut dispatcher = dispatcher(DEFAULT);
    let records: Vec<_> = (0..500)
        .map(|n| {
            let mut record = record(&format!("a{n}"), "firing", "warning", 0);
            record.subject = format!("m{n}");
            record
        })
        .collect();
    dispatcher.handle_records(at(0), &records);
    dispatcher.handle_time(at(30));
    assert!(dispatcher.take_changes().len() > 1_000);
    let mut worse = records[7].clone();
    worse.state = "escalated".to_owned();
    worse.window_end = at(60).to_string();
    dispatcher.handle_record(at(61), &worse);
    let parts = dispatcher.take_changes();
    let kinds: Vec<u8> = parts.iter().map(|part| part.key[0]).collect();
    assert_eq!(
        kinds, *b"hcag",
        "the head, the channel, the alert, its group"
    );
}

#[test]
fn what_nothing_keeps_quiet_under_another_plan_is_told() {
    // The silence is of a grid unit in which the alert does not lie by the new tree.
    let mut dispatcher = dispatcher(DEFAULT);
    let mut request = silence("m1", Some(at(1_000)));
    request.matchers = toml::from_str("grid_unit = 's1'").unwrap();
    dispatcher.add_silence(at(0), &request).unwrap();
    dispatcher.handle_record(at(1), &record("a", "firing", "warning", 0));
    assert!(dispatcher.handle_time(at(31)).is_empty());
    let config: RoutesConfig = toml::from_str(DEFAULT).unwrap();
    let plan = Plan::try_new(&config, GridTree::default(), &["hall"]).unwrap();
    let mut restored = Dispatcher::restore(plan, &dispatcher.state()).unwrap();
    assert_eq!(restored.next_deadline(), Some(at(61)));
    assert_eq!(restored.handle_time(at(61)).len(), 1);
}

#[test]
fn what_another_source_keeps_quiet_under_another_plan_waits_for_that_one() {
    let toml = |source: &str| {
        format!(
            "[[inhibit]]\nsource = {{ rule = '{source}' }}\ntarget = {{ rule = 'market-crush' }}\n\
             equal = 'any'\n{DEFAULT}"
        )
    };
    let mut quiet = dispatcher(&toml("p"));
    let mut out = Vec::new();
    step(&mut quiet, "0 firing p warning rule=p", &mut out);
    step(&mut quiet, "0 firing q warning rule=q", &mut out);
    step(&mut quiet, "1 firing a", &mut out);
    step(&mut quiet, "100 end", &mut out);
    let plan = dispatcher(&toml("q")).plan().clone();
    let mut restored = Dispatcher::restore(plan, &quiet.state()).unwrap();
    out.clear();
    step(&mut restored, "200 resolved p warning rule=p", &mut out);
    step(&mut restored, "300 resolved q warning rule=q", &mut out);
    step(&mut restored, "400 end", &mut out);
    let expected = [
        "200 hall alert p:resolved",
        "300 hall alert q:resolved",
        "330 hall alert a:firing",
    ];
    assert_eq!(out, expected);
}

#[test]
fn what_is_refused_and_silenced_is_only_counted() {
    let mut dispatcher = dispatcher(DEFAULT);
    dispatcher
        .add_silence(at(0), &silence("m1", Some(at(100))))
        .unwrap();
    let mut broken = record("a", "firing", "warning", 0);
    broken.window_end = "yesterday".to_owned();
    assert!(dispatcher.handle_record(at(1), &broken).is_empty());
    assert!(dispatcher.handle_time(at(99)).is_empty());
    broken.subject = "m2".to_owned();
    let notices = dispatcher.handle_record(at(100), &broken);
    assert_eq!(notices[0].alerts[0].record.subject, "m2");
    assert_eq!((notices.len(), notices[0].held_back), (1, 1));
}
