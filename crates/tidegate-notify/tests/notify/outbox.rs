//! The outbox alone: acceptance, order, ends, bounds, restarts.

use std::collections::BTreeSet;
use std::time::Duration;

use jiff::Timestamp;
use proptest::prelude::*;
use tidegate_notify::{
    Done, End, Filter, KeptState, Outbox, OutboxError, OutboxLimits, ReadUpTo, Resume,
};

use crate::support::{alert, notice};

fn at(seconds: i64) -> Timestamp {
    Timestamp::now() + Duration::from_secs(seconds.unsigned_abs())
}

fn ids(outbox: &Outbox, now: Timestamp) -> Vec<String> {
    let due = outbox.due("c", now, 100, &BTreeSet::new()).unwrap();
    due.into_iter().map(|due| due.notice.id).collect()
}

#[test]
fn notices_state_and_position_are_stored_together_and_once() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("o");
    let now = Timestamp::now();
    let mut outbox = Outbox::open(&path, OutboxLimits::default()).unwrap();
    assert_eq!(outbox.resume().unwrap(), Resume::default());
    let position = |offset| ReadUpTo {
        topic: "tidegate.alert".to_owned(),
        partition: 0,
        offset,
    };
    let all = [notice("n-1", "a"), notice("n-2", "b")];
    assert_eq!(outbox.accept(&all, b"one", &[position(7)], now).unwrap(), 2);
    assert_eq!(outbox.accept(&all, b"two", &[position(9)], now).unwrap(), 0);
    // Nothing of what fails is stored.
    let bad = [notice("n-3", "a"), notice("n.4", "a")];
    let error = outbox
        .accept(&bad, b"three", &[position(11)], now)
        .unwrap_err();
    assert!(matches!(error, OutboxError::Id { .. }), "{error}");
    drop(outbox);
    let outbox = Outbox::open(&path, OutboxLimits::default()).unwrap();
    let expected = Resume {
        dispatch_state: Some(b"two".to_vec()),
        positions: vec![position(9)],
    };
    assert_eq!(outbox.resume().unwrap(), expected);
    assert_eq!(ids(&outbox, now), ["n-1", "n-2"]);
    let stored = outbox.due("c", now, 1, &BTreeSet::new()).unwrap().remove(0);
    assert_eq!(stored.notice, all[0]);
    for name in ["o", "o-wal"] {
        use std::os::unix::fs::PermissionsExt as _;
        let mode = std::fs::metadata(folder.path().join(name))
            .unwrap()
            .permissions()
            .mode();
        assert_eq!(mode & 0o777, 0o600, "{name}");
    }
}

#[test]
fn one_of_an_alert_waits_for_those_before_it() {
    let folder = tempfile::tempdir().unwrap();
    let mut outbox = Outbox::open(&folder.path().join("o"), OutboxLimits::default()).unwrap();
    let now = Timestamp::now();
    let mut both = notice("n-3", "a");
    both.alerts.push(alert("b", "firing", "watch"));
    let mut elsewhere = notice("n-5", "a");
    elsewhere.channel = "d".to_owned();
    let all = [
        notice("n-1", "a"),
        notice("n-2", "b"),
        both,
        notice("n-4", "b"),
        elsewhere,
    ];
    outbox.accept(&all, b"", &[], now).unwrap();
    assert_eq!(ids(&outbox, now), ["n-1", "n-2"]);
    outbox.delivered("n-1", now).unwrap();
    assert_eq!(ids(&outbox, now), ["n-2"]);
    outbox.retry_at("n-2", now, at(60), "later").unwrap();
    assert_eq!(ids(&outbox, now), Vec::<String>::new());
    let wake = outbox.wake(now).unwrap().unwrap();
    assert!(wake > now && wake <= at(61));
    assert_eq!(ids(&outbox, at(61)), ["n-2"]);
    outbox.dead("n-2", now, "refused").unwrap();
    assert_eq!(ids(&outbox, now), ["n-3"]);
    // A dead one that is sent again comes before what waits.
    outbox.resend("n-2", now).unwrap();
    assert_eq!(ids(&outbox, now), ["n-2"]);
    // Unless that is on its way already.
    let third = BTreeSet::from([3]);
    assert!(outbox.due("c", now, 100, &third).unwrap().is_empty());
    outbox.delivered("n-2", now).unwrap();
    outbox.delivered("n-3", now).unwrap();
    assert_eq!(ids(&outbox, now), ["n-4"]);
    let error = outbox.resend("n-3", now).unwrap_err();
    assert!(matches!(error, OutboxError::NotDead { .. }), "{error}");
    let error = outbox.resend("n-9", now).unwrap_err();
    assert!(matches!(error, OutboxError::Unknown { .. }), "{error}");
}

#[test]
fn what_expires_is_a_dead_letter_and_can_be_sent_again() {
    let folder = tempfile::tempdir().unwrap();
    let mut outbox = Outbox::open(&folder.path().join("o"), OutboxLimits::default()).unwrap();
    let now = Timestamp::now();
    outbox
        .accept(&[notice("n-1", "a"), notice("n-2", "a")], b"", &[], now)
        .unwrap();
    outbox.retry_at("n-1", now, at(1), "status 500").unwrap();
    let late = at(601);
    let expired = outbox.expire(late, &BTreeSet::new()).unwrap();
    assert_eq!(expired["c"], 2);
    let dead = outbox.list(&Filter {
        state: Some(KeptState::Dead),
        ..Filter::default()
    });
    let dead: Vec<_> = dead
        .unwrap()
        .into_iter()
        .map(|kept| kept.why.unwrap())
        .collect();
    assert_eq!(dead, ["expired", "expired; the last try: status 500"]);
    assert_eq!(outbox.counts().unwrap().of(KeptState::Dead), 2);
    outbox.resend("n-1", late).unwrap();
    assert_eq!(ids(&outbox, late), ["n-1"]);
    let (kept, _, attempts) = outbox.show("n-1").unwrap();
    assert!(kept.expires > late);
    assert_eq!(attempts.len(), 1);
}

#[test]
fn the_bound_forgets_what_is_done_and_never_what_waits() {
    let folder = tempfile::tempdir().unwrap();
    let limits = OutboxLimits { rows_max: 4 };
    let mut outbox = Outbox::open(&folder.path().join("o"), limits).unwrap();
    let now = Timestamp::now();
    let take = |outbox: &mut Outbox, id: &str| outbox.accept(&[notice(id, id)], b"", &[], now);
    for id in ["n-1", "n-2", "n-3", "n-4"] {
        take(&mut outbox, id).unwrap();
    }
    let error = take(&mut outbox, "n-5").unwrap_err();
    assert!(
        error.to_string().contains("4 notices are pending"),
        "{error}"
    );
    outbox.dead("n-1", now, "no").unwrap();
    outbox.delivered("n-3", now).unwrap();
    take(&mut outbox, "n-5").unwrap();
    take(&mut outbox, "n-6").unwrap();
    assert!(take(&mut outbox, "n-7").is_err());
    assert_eq!(ids(&outbox, now), ["n-2", "n-4", "n-5", "n-6"]);
    assert!(matches!(
        outbox.show("n-1"),
        Err(OutboxError::Unknown { .. })
    ));
}

#[test]
fn other_files_and_later_versions_are_refused() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("o");
    std::fs::write(
        &path,
        "not a database, and long enough to be seen as such".repeat(40),
    )
    .unwrap();
    let error = Outbox::open(&path, OutboxLimits::default()).unwrap_err();
    assert!(error.to_string().contains("not a database"), "{error}");
    let path = folder.path().join("p");
    drop(Outbox::open(&path, OutboxLimits::default()).unwrap());
    let db = rusqlite::Connection::open(&path).unwrap();
    db.pragma_update(None, "user_version", 4).unwrap();
    drop(db);
    let error = Outbox::open(&path, OutboxLimits::default()).unwrap_err();
    assert!(
        matches!(error, OutboxError::Version { found: 4, .. }),
        "{error}"
    );
}

#[test]
fn the_last_word_on_an_alert_stands_by_its_labels() {
    let folder = tempfile::tempdir().unwrap();
    let mut outbox = Outbox::open(&folder.path().join("o"), OutboxLimits::default()).unwrap();
    outbox.keep_standing(&["c"]).unwrap();
    let now = Timestamp::now();
    let standing = |outbox: &Outbox| -> Vec<(String, bool)> {
        let mut after = (String::new(), String::new());
        let mut all = Vec::new();
        while let Some(one) = outbox.standing("c", &after, 1).unwrap().pop() {
            let severity = &one.alert.annotations["severity"];
            all.push((
                format!("{} {severity}", one.alert.labels["owner"]),
                one.ended.is_some(),
            ));
            after = one.key;
        }
        all
    };
    let mut elsewhere = notice("n-0", "z");
    elsewhere.channel = "d".to_owned();
    let all = [notice("n-1", "a"), notice("n-2", "b"), elsewhere];
    outbox.accept(&all, b"", &[], now).unwrap();
    let pair = |what: &str, ended| (what.to_owned(), ended);
    assert_eq!(
        standing(&outbox),
        [
            pair("market-office warning", false),
            pair("market-office warning", false)
        ]
    );
    // An escalation is the same alert; another owner makes it another one, and the old one ends.
    let mut worse = notice("n-3", "a");
    "critical".clone_into(&mut worse.alerts[0].record.severity);
    outbox.accept(&[worse.clone()], b"", &[], now).unwrap();
    assert_eq!(standing(&outbox)[0], pair("market-office critical", false));
    assert_eq!(outbox.standing_of("c", "a").unwrap().len(), 1);
    worse.id = "n-4".to_owned();
    "city".clone_into(&mut worse.alerts[0].record.owner);
    outbox.accept(&[worse.clone()], b"", &[], now).unwrap();
    let changed = [
        pair("city critical", false),
        pair("market-office critical", true),
        pair("market-office warning", false),
    ];
    assert_eq!(standing(&outbox), changed);
    assert_eq!(outbox.standing_of("c", "a").unwrap().len(), 2);
    outbox.forget_ended("c", at(400)).unwrap();
    assert_eq!(
        standing(&outbox),
        [
            pair("city critical", false),
            pair("market-office warning", false)
        ]
    );
    outbox.keep_standing(&[]).unwrap();
    assert!(standing(&outbox).is_empty());
}

/// What happens to an outbox.
#[derive(Debug, Clone)]
enum Step {
    /// A notice about these alerts is accepted.
    Accept(Vec<u8>),
    /// One of what is due is tried, with this end; it is taken by this number.
    Try(usize, u8),
    /// The process ends and begins anew.
    Reopen,
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        3 => prop::collection::vec(0_u8..4, 1..3).prop_map(Step::Accept),
        4 => (any::<usize>(), 0_u8..4).prop_map(|(which, end)| Step::Try(which, end)),
        1 => Just(Step::Reopen),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]

    /// Whatever happens: for each alert notices are delivered in the order of acceptance, and each
    /// one is pending, delivered or dead.
    #[test]
    fn order_per_alert_holds(steps in prop::collection::vec(step(), 1..40)) {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("o");
        let mut outbox = Outbox::open(&path, OutboxLimits::default()).unwrap();
        let now = Timestamp::now();
        let mut accepted: Vec<Vec<u8>> = Vec::new();
        let mut delivered: Vec<usize> = Vec::new();
        for step in steps {
            match step {
                Step::Accept(alerts) => {
                    let mut notice = notice(&format!("n-{}", accepted.len()), "x");
                    let one = |of: &u8| alert(&of.to_string(), "firing", "watch");
                    notice.alerts = alerts.iter().map(one).collect();
                    prop_assert_eq!(outbox.accept(&[notice], b"", &[], now).unwrap(), 1);
                    accepted.push(alerts);
                }
                Step::Try(which, end) => {
                    let mut due = outbox.due("c", now, 100, &BTreeSet::new()).unwrap();
                    if due.is_empty() {
                        continue;
                    }
                    let due = due.swap_remove(which % due.len());
                    let number: usize = due.notice.id[2..].parse().unwrap();
                    let end = match end {
                        0 => End::Dead("no".to_owned()),
                        1 => End::RetryAt(now, "later".to_owned()),
                        _ => End::Delivered,
                    };
                    if end == End::Delivered {
                        delivered.push(number);
                    }
                    let done = Done {
                        seq: due.seq,
                        at: now,
                        took: Duration::ZERO,
                        outcome: "x",
                        status: None,
                        end,
                    };
                    outbox.record(&[done]).unwrap();
                }
                Step::Reopen => {
                    drop(outbox);
                    outbox = Outbox::open(&path, OutboxLimits::default()).unwrap();
                }
            }
        }
        for alert in 0..4 {
            let of: Vec<_> = delivered.iter().filter(|n| accepted[**n].contains(&alert)).collect();
            prop_assert!(of.is_sorted(), "{:?}", of);
        }
        let counts = outbox.counts().unwrap();
        let all = [KeptState::Pending, KeptState::Delivered, KeptState::Dead];
        let total: u64 = all.into_iter().map(|state| counts.of(state)).sum();
        prop_assert_eq!(total, accepted.len() as u64);
        prop_assert_eq!(counts.of(KeptState::Delivered), delivered.len() as u64);
    }
}
