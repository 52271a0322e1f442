//! Orders of operators: a chain that tells on whoever changes it, and a process that is killed at
//! random instants while it applies them, which must neither lose one nor apply one twice.

use std::collections::BTreeMap;
use std::path::Path;
use std::process::{Child, Command};
use std::time::{Duration, Instant};

use jiff::Timestamp;
use tidegate_notify::{Batch, Outbox, OutboxError, OutboxLimits, Turn};

use crate::support::{LONG, notice, state, stored, until};

/// Names the folder of the child; without it there is nothing to do.
const FOLDER: &str = "TIDEGATE_TEST_ORDERS_CHILD";
const KILLS: u64 = 12;
const ORDERS_A_KILL: i64 = 6;

fn open(folder: &Path) -> Outbox {
    Outbox::open(&folder.join("o"), OutboxLimits::default()).unwrap()
}

fn raw(folder: &Path) -> rusqlite::Connection {
    rusqlite::Connection::open(folder.join("o")).unwrap()
}

fn batch(done_orders: &[(i64, &str)]) -> Batch {
    let pair = |(number, result): &(i64, &str)| (*number, (*result).to_owned());
    Batch {
        dispatch_parts: state("one"),
        done_orders: done_orders.iter().map(pair).collect(),
        ..Batch::default()
    }
}

#[test]
fn an_order_is_open_until_it_is_applied_with_the_state_that_has_it() {
    let folder = tempfile::tempdir().unwrap();
    let mut outbox = open(folder.path());
    let now = Timestamp::now();
    assert_eq!(outbox.verify_orders().unwrap().number, 0);
    for (number, body) in [(1, r#"{"silence":1}"#), (2, "[]"), (3, "\"确认\"")] {
        assert_eq!(
            outbox.order("duty officer 值班", body, now).unwrap(),
            number
        );
    }
    let numbers = |outbox: &Outbox| -> Vec<i64> {
        let open = outbox.open_orders().unwrap();
        open.iter().map(|order| order.number).collect()
    };
    assert_eq!(numbers(&outbox), [1, 2, 3]);
    let mut applied = batch(&[(2, "silenced")]);
    applied.notices = vec![notice("n-1", "a")];
    assert_eq!(outbox.accept_batch(&applied, now).unwrap(), 1);
    assert_eq!(numbers(&outbox), [1, 3]);
    // Nothing is stored with an order that is not open.
    for wrong in [
        &[(1, "x"), (2, "again")][..],
        &[(9, "x")],
        &[(1, "x"), (1, "y")],
    ] {
        let mut again = batch(wrong);
        again.dispatch_parts = state("other");
        let error = outbox.accept_batch(&again, now).unwrap_err();
        assert!(matches!(error, OutboxError::OrderNotOpen { .. }), "{error}");
    }
    assert_eq!(stored(&outbox).unwrap(), "one");
    assert_eq!(numbers(&outbox), [1, 3]);
    let listed = outbox.orders(2).unwrap();
    assert_eq!((listed[0].number, listed[1].number), (3, 2));
    assert_eq!(listed[1].result.as_deref(), Some("silenced"));
    assert_eq!(listed[0].previous, listed[1].hash);
    assert_eq!(listed[1].by, "duty officer 值班");
    let head = outbox.verify_orders().unwrap();
    assert_eq!((head.number, &head.hash), (3, &listed[0].hash));
}

#[test]
fn what_is_no_order_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let mut outbox = open(folder.path());
    let now = Timestamp::now();
    let long = format!("\"{}\"", "x".repeat(64 * 1024));
    for (by, body, part) in [
        ("", "{}", "who orders"),
        (" ", "{}", "who orders"),
        ("a\nb", "{}", "who orders"),
        ("a", "", "not JSON"),
        ("a", "{} {}", "not JSON"),
        ("a", long.as_str(), "65538 bytes"),
    ] {
        let error = outbox.order(by, body, now).unwrap_err().to_string();
        assert!(error.contains(part), "{error}");
    }
    for _ in 0..1_000 {
        outbox.order("a", "{}", now).unwrap();
    }
    let error = outbox.order("a", "{}", now).unwrap_err().to_string();
    assert!(error.contains("1000 orders are open"), "{error}");
}

#[test]
fn sql_changes_no_order() {
    let folder = tempfile::tempdir().unwrap();
    let mut outbox = open(folder.path());
    let now = Timestamp::now();
    for _ in 0..3 {
        outbox.order("a", "{}", now).unwrap();
    }
    outbox.accept_batch(&batch(&[(1, "done")]), now).unwrap();
    let db = raw(folder.path());
    for sql in [
        "DELETE FROM orders",
        "DELETE FROM orders WHERE number = 3",
        "UPDATE orders SET body = '[]' WHERE number = 2",
        "UPDATE orders SET made_by = 'b', applied_at = 1, result = 'x' WHERE number = 2",
        "UPDATE orders SET number = 7 WHERE number = 3",
        "UPDATE orders SET applied_at = NULL, result = NULL WHERE number = 1",
        "UPDATE orders SET result = 'other' WHERE number = 1",
        "UPDATE orders SET result = 'x' WHERE number = 2",
        "INSERT OR REPLACE INTO orders SELECT number, made_at, 'b', body, previous, hash, NULL, NULL
         FROM orders WHERE number = 3",
        "INSERT INTO orders SELECT 9, made_at, 'b', body, previous, hash, NULL, NULL
         FROM orders WHERE number = 3",
        "INSERT INTO orders SELECT 4, made_at, 'b', body, previous, hash, 1, 'x'
         FROM orders WHERE number = 3",
    ] {
        let error = db.execute(sql, []).unwrap_err().to_string();
        assert!(error.contains("order"), "{sql}: {error}");
    }
    assert_eq!(outbox.verify_orders().unwrap().number, 3);
}

/// Whoever takes the triggers away first is found out by the chain.
#[test]
fn tampering_is_found() {
    for (sql, number, part) in [
        (
            "UPDATE orders SET body = '[]' WHERE number = 2",
            2,
            "changed",
        ),
        (
            "UPDATE orders SET made_by = 'b' WHERE number = 1",
            1,
            "changed",
        ),
        (
            "UPDATE orders SET made_at = made_at + 1 WHERE number = 3",
            3,
            "changed",
        ),
        (
            "UPDATE orders SET made_by = 'a{', body = '}' WHERE number = 2",
            2,
            "changed",
        ),
        ("DELETE FROM orders WHERE number = 2", 2, "missing"),
        ("DELETE FROM orders WHERE number = 1", 1, "missing"),
        (
            "UPDATE orders SET hash = previous WHERE number = 2",
            2,
            "changed",
        ),
        (
            "UPDATE orders SET previous = hash WHERE number = 3",
            3,
            "follow",
        ),
    ] {
        let folder = tempfile::tempdir().unwrap();
        let mut outbox = open(folder.path());
        for _ in 0..4 {
            outbox.order("a", "{}", Timestamp::now()).unwrap();
        }
        let db = raw(folder.path());
        db.execute_batch("DROP TRIGGER orders_stay; DROP TRIGGER orders_are_applied_once;")
            .unwrap();
        db.execute(sql, []).unwrap();
        let error = outbox.verify_orders().unwrap_err();
        assert!(
            matches!(&error, OutboxError::OrderBroken { number: found, why } if *found == number && why.contains(part)),
            "{sql}: {error}"
        );
    }
}

fn turn(series: &str, at: &str) -> Turn {
    Turn {
        series: series.to_owned(),
        at: at.parse().unwrap(),
    }
}

const EIGHT: &str = "2026-03-02T00:00:00Z";

#[test]
fn each_turn_of_a_schedule_is_ordered_once() {
    let folder = tempfile::tempdir().unwrap();
    let now = Timestamp::now();
    let (mut one, mut other) = (open(folder.path()), open(folder.path()));
    let order = |outbox: &mut Outbox, series: &str, at: &str| {
        outbox
            .order_once(&turn(series, at), "schedule", "{}", now)
            .unwrap()
    };
    assert_eq!(one.last_turn("a").unwrap(), None);
    assert_eq!(order(&mut one, "a", EIGHT), Some(1));
    assert_eq!(order(&mut other, "a", EIGHT), None);
    assert_eq!(order(&mut one, "a", EIGHT), None);
    assert_eq!(order(&mut other, "b", EIGHT), Some(2));
    assert_eq!(order(&mut one, "a", "2026-03-02T12:00:00Z"), Some(3));
    // An older one that had none is another, and not the newest.
    assert_eq!(order(&mut one, "a", "2026-03-01T12:00:00Z"), Some(4));
    let last = other.last_turn("a").unwrap().unwrap();
    assert_eq!(last.to_string(), "2026-03-02T12:00:00Z");
    // Applied, forgotten by nobody.
    other.accept_batch(&batch(&[(1, "told")]), now).unwrap();
    drop(one);
    assert_eq!(order(&mut open(folder.path()), "a", EIGHT), None);
    assert_eq!(other.verify_orders().unwrap().number, 4);
    let db = raw(folder.path());
    for sql in ["DELETE FROM order_turn", "UPDATE order_turn SET turn = 1"] {
        let error = db.execute(sql, []).unwrap_err().to_string();
        assert!(error.contains("turns are never"), "{sql}: {error}");
    }
}

#[test]
fn a_turn_whose_order_is_refused_has_had_none() {
    let folder = tempfile::tempdir().unwrap();
    let mut outbox = open(folder.path());
    let now = Timestamp::now();
    for (series, by, body, part) in [
        ("a", "", "{}", "who orders"),
        ("a", "schedule", "{", "not JSON"),
        ("", "schedule", "{}", "0 characters"),
        (&*"x".repeat(501), "schedule", "{}", "501 characters"),
    ] {
        let refused = outbox.order_once(&turn(series, EIGHT), by, body, now);
        let error = refused.unwrap_err().to_string();
        assert!(error.contains(part), "{error}");
    }
    for _ in 0..1_000 {
        outbox.order("a", "{}", now).unwrap();
    }
    let refused = outbox.order_once(&turn("a", EIGHT), "schedule", "{}", now);
    let error = refused.unwrap_err().to_string();
    assert!(error.contains("1000 orders are open"), "{error}");
    assert_eq!(outbox.last_turn("a").unwrap(), None);
    outbox.accept_batch(&batch(&[(1, "done")]), now).unwrap();
    let number = outbox.order_once(&turn("a", EIGHT), "schedule", "{}", now);
    assert_eq!(number.unwrap(), Some(1_001));
}

#[test]
fn an_outbox_of_version_1_gets_orders_and_keeps_what_it_has() {
    let folder = tempfile::tempdir().unwrap();
    let db = raw(folder.path());
    db.execute_batch(include_str!("../../src/outbox/schema.sql"))
        .unwrap();
    db.execute("INSERT INTO dispatch VALUES (1, x'616263')", [])
        .unwrap();
    db.pragma_update(None, "user_version", 1).unwrap();
    drop(db);
    for number in 1..3 {
        let mut outbox = open(folder.path());
        // What was the whole state is the part without a key.
        let parts = outbox.resume().unwrap().dispatch_parts;
        assert_eq!(parts, BTreeMap::from([(Vec::new(), b"abc".to_vec())]));
        assert_eq!(outbox.order("a", "{}", Timestamp::now()).unwrap(), number);
    }
    let version: i64 = raw(folder.path())
        .query_row("PRAGMA user_version", [], |row| row.get(0))
        .unwrap();
    assert_eq!(version, 3);
}

/// The child: its state is the list of the orders it applied, until it is killed.
#[test]
fn child_that_applies_orders() {
    let Some(folder) = std::env::var_os(FOLDER) else {
        return;
    };
    let mut outbox = open(Path::new(&folder));
    let mut applied = stored(&outbox).unwrap_or_default();
    let started = Instant::now();
    // It ends by itself where nobody is left to kill it.
    while started.elapsed() < LONG {
        let open = outbox.open_orders().unwrap();
        if open.is_empty() {
            std::thread::sleep(Duration::from_millis(1));
        }
        for order in open.iter().take(2) {
            applied += &order.number.to_string();
            applied.push(' ');
        }
        let done = open
            .iter()
            .take(2)
            .map(|order| (order.number, order.body.clone()));
        let batch = Batch {
            done_orders: done.collect(),
            dispatch_parts: state(&applied),
            ..Batch::default()
        };
        outbox.accept_batch(&batch, Timestamp::now()).unwrap();
    }
}

/// The child, which does not outlive the test.
struct Killed(Child);

impl Drop for Killed {
    fn drop(&mut self) {
        drop(self.0.kill());
        drop(self.0.wait());
    }
}

fn start(folder: &Path) -> Killed {
    let child = Command::new(std::env::current_exe().unwrap())
        .args([
            "orders::child_that_applies_orders",
            "--exact",
            "--nocapture",
        ])
        .env(FOLDER, folder)
        .stdout(std::process::Stdio::null())
        .spawn();
    Killed(child.unwrap())
}

#[tokio::test]
async fn killed_at_any_instant_each_order_is_applied_once() {
    let folder = tempfile::tempdir().unwrap();
    let mut outbox = open(folder.path());
    let mut chance: u64 = 0x9E37_79B9_7F4A_7C15;
    for round in 0..KILLS {
        let child = start(folder.path());
        let applied = |outbox: &Outbox| outbox.orders(1).unwrap().first().cloned();
        for n in 0..ORDERS_A_KILL {
            let body = format!("[{round},{n}]");
            outbox.order("test", &body, Timestamp::now()).unwrap();
            chance = chance
                .wrapping_mul(6_364_136_223_846_793_005)
                .wrapping_add(1);
            tokio::time::sleep(Duration::from_micros((chance >> 33) % 8_000)).await;
        }
        if round % 3 == 2 {
            until("the newest is applied", || {
                applied(&outbox).is_some_and(|order| order.applied_at.is_some())
            })
            .await;
        }
        drop(child);
    }
    let child = start(folder.path());
    until("all are applied", || {
        outbox.open_orders().unwrap().is_empty()
    })
    .await;
    drop(child);
    let applied: Vec<i64> = stored(&outbox)
        .unwrap()
        .split_whitespace()
        .map(|number| number.parse().unwrap())
        .collect();
    let all = i64::try_from(KILLS).unwrap() * ORDERS_A_KILL;
    assert_eq!(applied, (1..=all).collect::<Vec<_>>());
    let orders = outbox.orders(1_000).unwrap();
    assert!(
        orders
            .iter()
            .all(|order| order.result.as_ref() == Some(&order.body))
    );
    outbox.verify_orders().unwrap();
}
