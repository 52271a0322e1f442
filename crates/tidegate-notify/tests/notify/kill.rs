//! A process that accepts and delivers is killed at random instants, again and again.
//!
//! Whatever is killed: no accepted notice is lost, the receiver sees accepted ids only, and for each
//! alert what it sees never goes back.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::process::{Child, Command};
use std::time::Duration;

use jiff::Timestamp;
use tidegate_notify::{
    Channels, ChannelsConfig, Environment, Filter, KeptState, Outbox, OutboxHandle, OutboxLimits,
    ReadUpTo, Service, Surroundings,
};

use crate::server::{Reply, Server, answer, text};
use crate::support::{SECRET, notice, state, stored, until, webhook, write_secret};

/// Names the folder of the child; without it there is nothing to do.
const FOLDER: &str = "TIDEGATE_TEST_NOTIFY_CHILD";
const KILLS: u64 = 25;
const ALERTS: u64 = 7;

/// The child: reads on from where the outbox says, makes notices, delivers, until it is killed.
#[test]
fn child_of_the_kill_test() {
    let Some(folder) = std::env::var_os(FOLDER) else {
        return;
    };
    let runtime = tokio::runtime::Runtime::new().unwrap();
    runtime.block_on(work(Path::new(&folder)));
}

async fn work(folder: &Path) {
    let outbox = Outbox::open(&folder.join("outbox"), OutboxLimits::default()).unwrap();
    let resume = outbox.resume().unwrap();
    let mut next: u64 = resume
        .positions
        .first()
        .map_or(0, |p| p.offset.unsigned_abs());
    assert_eq!(
        stored(&outbox),
        (next > 0).then(|| next.to_string()),
        "state and position differ"
    );
    let outbox = OutboxHandle::new(outbox);
    let toml = std::fs::read_to_string(folder.join("channels.toml")).unwrap();
    let plan = ChannelsConfig::from_toml(&toml)
        .unwrap()
        .check(folder)
        .unwrap();
    let channels = Channels::new(plan, &outbox, &Surroundings::default()).unwrap();
    let service = Service::new(channels, outbox.clone(), Environment::system());
    tokio::spawn(service.await.unwrap().run(std::future::pending()));
    let last: Option<u64> = std::env::var("TIDEGATE_TEST_NOTIFY_LAST")
        .ok()
        .map(|n| n.parse().unwrap());
    while last != Some(next) {
        let end = last.map_or(next + 5, |last| last.min(next + 5));
        // The id is a function of what was read, as the dispatcher's is.
        let one = |n: u64| notice(&format!("n-{n}"), &(n % ALERTS).to_string());
        let all: Vec<_> = (next..end).map(one).collect();
        let position = ReadUpTo {
            topic: "alerts".to_owned(),
            partition: 0,
            offset: end.cast_signed(),
        };
        let state = state(&end.to_string());
        let accepted = outbox
            .accept(all, state, vec![position], Timestamp::now())
            .await;
        assert_eq!(accepted.unwrap() as u64, end - next, "an id came again");
        next = end;
        tokio::time::sleep(Duration::from_millis(3)).await;
    }
    std::future::pending::<()>().await;
}

fn start(folder: &Path, last: Option<u64>) -> Child {
    let mut command = Command::new(std::env::current_exe().unwrap());
    command
        .args(["kill::child_of_the_kill_test", "--exact", "--nocapture"])
        .env(FOLDER, folder)
        .stdout(std::process::Stdio::null());
    if let Some(last) = last {
        command.env("TIDEGATE_TEST_NOTIFY_LAST", last.to_string());
    }
    command.spawn().unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn killed_at_any_instant_nothing_is_lost_and_no_id_is_made_up() {
    // Some answers come late, some are a failure, some connections end without an answer.
    let server = Server::start(|number, _| match number % 11 {
        3 => Reply::Late(Duration::from_millis(20), text(200, "", "")),
        5 => answer(503, "", "busy"),
        7 => Reply::Close,
        _ => answer(200, "", ""),
    })
    .await;
    let folder = tempfile::tempdir().unwrap();
    write_secret(&folder.path().join("secret"), SECRET);
    let toml = webhook(&server.url("/"), "").replace("first", "tries = 100, first");
    std::fs::write(folder.path().join("channels.toml"), toml).unwrap();
    let mut chance: u64 = 0x9E37_79B9_7F4A_7C15;
    for _ in 0..KILLS {
        let mut child = start(folder.path(), None);
        let before = server.requests().len();
        until("the child is at work", || server.requests().len() > before).await;
        chance = chance
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1);
        tokio::time::sleep(Duration::from_micros((chance >> 33) % 60_000)).await;
        child.kill().unwrap();
        child.wait().unwrap();
    }
    let file = folder.path().join("outbox");
    let read = || {
        let outbox = Outbox::open(&file, OutboxLimits::default()).unwrap();
        outbox.resume().unwrap().positions[0].offset.unsigned_abs()
    };
    let last = read();
    let mut child = start(folder.path(), Some(last));
    let mut pending = u64::MAX;
    until("all is delivered", || {
        let outbox = Outbox::open(&file, OutboxLimits::default()).unwrap();
        pending = outbox.counts().unwrap().of(KeptState::Pending);
        pending == 0
    })
    .await;
    child.kill().unwrap();
    child.wait().unwrap();
    let outbox = Outbox::open(&file, OutboxLimits::default()).unwrap();
    let wanted = Filter {
        limit: usize::MAX,
        ..Filter::default()
    };
    let kept = outbox.list(&wanted).unwrap();
    assert!(kept.iter().all(|kept| kept.state == KeptState::Delivered));
    let accepted: BTreeSet<String> = kept.into_iter().map(|kept| kept.id).collect();
    let expected: BTreeSet<String> = (0..last).map(|n| format!("n-{n}")).collect();
    assert_eq!(accepted, expected);
    let seen = server.requests();
    let got: Vec<u64> = seen
        .iter()
        .map(|seen| seen.header("webhook-id")[2..].parse().unwrap())
        .collect();
    let ids: BTreeSet<u64> = got.iter().copied().collect();
    assert_eq!(ids, (0..last).collect());
    let mut newest = BTreeMap::new();
    for n in &got {
        let before = newest.insert(n % ALERTS, *n);
        assert!(
            before.is_none_or(|before| before <= *n),
            "{n} after {before:?}"
        );
    }
    eprintln!("{KILLS} kills, {last} notices, {} requests", got.len());
}
