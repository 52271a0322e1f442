//! The service: what is plugged in, rates, shutdown, dead letters, tests of channels.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use jiff::Timestamp;
use tidegate_dispatch::Notice;
use tidegate_notify::{
    Channels, ChannelsConfig, Deliver, Delivering, Environment, KeptState, Outbox, OutboxLimits,
    Outcome, Service, SetupError, StdoutChannel,
};

use crate::server::{Reply, Server, answer, text};
use crate::support::{Place, notice, until, webhook};

const STDOUT: &str = "[[channel]]\nname = 'c'\nkind = 'stdout'\n";

/// Takes notes, slowly, and fails on purpose.
#[derive(Debug, Default)]
struct Notes {
    told: Mutex<Vec<String>>,
    at_once: AtomicUsize,
    most: AtomicUsize,
    wait: Duration,
}

impl Deliver for Notes {
    fn deliver<'a>(&'a self, notice: &'a Notice, _now: Timestamp) -> Delivering<'a> {
        Box::pin(async move {
            let here = self.at_once.fetch_add(1, Ordering::SeqCst) + 1;
            self.most.fetch_max(here, Ordering::SeqCst);
            tokio::time::sleep(self.wait).await;
            self.at_once.fetch_sub(1, Ordering::SeqCst);
            assert_ne!(notice.id, "panic", "on purpose");
            self.told.lock().unwrap().push(notice.id.clone());
            Outcome::Delivered.into()
        })
    }
}

#[tokio::test]
async fn lines_of_json_come_out_of_stdout() {
    #[derive(Clone, Default)]
    struct Text(Arc<Mutex<Vec<u8>>>);
    impl std::io::Write for Text {
        fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
            self.0.lock().unwrap().extend_from_slice(bytes);
            Ok(bytes.len())
        }
        fn flush(&mut self) -> std::io::Result<()> {
            Ok(())
        }
    }
    let place = Place::new();
    let written = Text::default();
    let mut channels = place.channels(STDOUT);
    let channel = Arc::new(StdoutChannel::to(Box::new(written.clone())));
    channels.plug("c", channel).unwrap();
    let running = place.start_with(channels).await;
    let all = [notice("n-1", "a"), notice("n-2", "a")];
    place.accept(&all).await;
    place.settled("n-2").await;
    running.stop().await;
    let text = String::from_utf8(written.0.lock().unwrap().clone()).unwrap();
    let read: Vec<Notice> = text
        .lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect();
    assert_eq!(read, all);
}

#[tokio::test]
async fn what_nothing_delivers_is_told_before_it_begins() {
    let place = Place::new();
    let channels = place.channels("[[channel]]\nname = 'k'\nkind = 'kafka'\n");
    assert_eq!(channels.missing().len(), 1);
    let error = channels
        .test("k", &Environment::system())
        .await
        .unwrap_err();
    assert!(matches!(error, SetupError::NotPlugged { .. }), "{error}");
    let error = channels
        .test("x", &Environment::system())
        .await
        .unwrap_err();
    assert_eq!(error.to_string(), "no channel \"x\" is here, but k");
    let error = Service::new(channels, place.outbox.clone(), Environment::system()).await;
    assert_eq!(
        error.unwrap_err().to_string(),
        "channel k is of kind kafka, which nothing here delivers"
    );
}

#[tokio::test]
async fn at_once_are_no_more_than_asked_and_a_panic_loses_nothing() {
    let place = Place::new();
    let notes = Arc::new(Notes {
        wait: Duration::from_millis(20),
        ..Notes::default()
    });
    let mut channels = place.channels(&format!(
        "{STDOUT}concurrency = 3\nretry = {{ tries = 2, first = '10ms', longest = '10ms' }}\n"
    ));
    channels
        .plug("c", Arc::clone(&notes) as Arc<dyn Deliver>)
        .unwrap();
    let running = place.start_with(channels).await;
    let mut all: Vec<_> = (0..20)
        .map(|n| notice(&format!("n-{n}"), &n.to_string()))
        .collect();
    all.push(notice("panic", "p"));
    place.accept(&all).await;
    let (kept, attempts) = place.settled("panic").await;
    assert_eq!((kept.state, attempts.len()), (KeptState::Dead, 2));
    for n in 0..20 {
        place.settled(&format!("n-{n}")).await;
    }
    let summary = running.stop().await;
    assert_eq!(summary.channel("c").delivered, 20);
    assert_eq!(summary.channel("c").in_flight, 0);
    assert!(notes.most.load(Ordering::SeqCst) <= 4, "{notes:?}");
}

#[tokio::test]
async fn the_rate_is_kept() {
    let server = Server::start(|_, _| answer(200, "", "")).await;
    let place = Place::new();
    let lines = "rate = { per_minute = 600, burst = 3 }\n";
    let running = place.start(&webhook(&server.url("/"), lines)).await;
    let all: Vec<_> = (0..8)
        .map(|n| notice(&format!("n-{n}"), &n.to_string()))
        .collect();
    place.accept(&all).await;
    place.settled("n-7").await;
    running.stop().await;
    let seen = server.requests();
    assert_eq!(seen.len(), 8);
    // Three at once, then one in 100 ms.
    let took = seen[7].at - seen[0].at;
    assert!(took >= Duration::from_millis(450), "{took:?}");
}

#[tokio::test]
async fn a_stop_finishes_what_is_on_its_way() {
    let server =
        Server::start(|_, _| Reply::Late(Duration::from_millis(300), text(200, "", ""))).await;
    let place = Place::new();
    let running = place.start(&webhook(&server.url("/"), "")).await;
    place
        .accept(&[notice("n-1", "a"), notice("n-2", "a")])
        .await;
    until("it is asked", || !server.requests().is_empty()).await;
    running.stop().await;
    assert_eq!(place.show("n-1").await.0.state, KeptState::Delivered);
    assert_eq!(place.show("n-2").await.0.state, KeptState::Pending);
    // The next one goes on.
    let running = place.start(&webhook(&server.url("/"), "")).await;
    assert_eq!(place.settled("n-2").await.0.state, KeptState::Delivered);
    running.stop().await;
}

#[tokio::test]
async fn a_stop_does_not_wait_for_ever() {
    let server = Server::start(|_, _| Reply::Stall(String::new())).await;
    let place = Place::new();
    let running = place.start(&webhook(&server.url("/"), "")).await;
    place.accept(&[notice("n-1", "a")]).await;
    until("it is asked", || !server.requests().is_empty()).await;
    running.stop().await;
    assert_eq!(place.show("n-1").await.0.state, KeptState::Pending);
}

#[tokio::test]
async fn a_channel_that_does_not_exist_makes_dead_letters_and_stops_nobody() {
    let place = Place::new();
    let mut channels = place.channels(STDOUT);
    channels.plug("c", Arc::new(Notes::default())).unwrap();
    let running = place.start_with(channels).await;
    let mut stranger = notice("n-1", "a");
    stranger.channel = "nobody".to_owned();
    place.accept(&[stranger, notice("n-2", "a")]).await;
    let (kept, _) = place.settled("n-1").await;
    assert_eq!(kept.why.as_deref(), Some("no channel of this name"));
    assert_eq!(place.settled("n-2").await.0.state, KeptState::Delivered);
    running.stop().await;
}

#[tokio::test]
async fn a_slow_channel_holds_up_no_other() {
    let place = Place::new();
    let toml =
        "[[channel]]\nname = 'c'\nkind = 'stdout'\n\n[[channel]]\nname = 'd'\nkind = 'stdout'\n";
    let mut channels = place.channels(toml);
    let slow = Arc::new(Notes {
        wait: Duration::from_secs(5),
        ..Notes::default()
    });
    channels.plug("c", slow).unwrap();
    let quick = Arc::new(Notes::default());
    channels
        .plug("d", Arc::clone(&quick) as Arc<dyn Deliver>)
        .unwrap();
    let running = place.start_with(channels).await;
    let all: Vec<_> = (0..600)
        .map(|n| {
            let mut one = notice(&format!("n-{n}"), &n.to_string());
            one.channel = if n < 500 { "c" } else { "d" }.to_owned();
            one
        })
        .collect();
    place.accept(&all).await;
    until("d has all", || quick.told.lock().unwrap().len() == 100).await;
    running.stop().await;
}

#[tokio::test]
async fn a_test_tells_what_came_of_it() {
    let server = Server::start(|number, _| match number {
        0 => answer(200, "", ""),
        _ => answer(401, "", "who are you"),
    })
    .await;
    let place = Place::new();
    let channels = place.channels(&webhook(&server.url("/"), ""));
    let environment = Environment::system();
    let tried = channels.test("c", &environment).await.unwrap();
    assert_eq!(
        (tried.outcome, tried.status),
        (Outcome::Delivered, Some(200))
    );
    let tried = channels.test("c", &environment).await.unwrap();
    assert!(tried.outcome.why().ends_with("who are you"), "{tried:?}");
    let seen = server.requests();
    assert_eq!(seen[0].json()["type"], "test");
    assert_ne!(seen[0].header("webhook-id"), seen[1].header("webhook-id"));
}

#[tokio::test]
async fn one_process_delivers_and_others_may_look() {
    let place = Place::new();
    let running = place.start(STDOUT).await;
    let error = Service::new(
        place.channels(STDOUT),
        place.outbox.clone(),
        Environment::system(),
    );
    let error = error.await.unwrap_err().to_string();
    assert!(
        error.contains("in use by another process that delivers"),
        "{error}"
    );
    // What another process makes pending is seen.
    let path = place.folder.path().join("outbox.sqlite");
    let mut other = Outbox::open(&path, OutboxLimits::default()).unwrap();
    other
        .accept(&[notice("n-1", "a")], &[], &[], Timestamp::now())
        .unwrap();
    assert_eq!(place.settled("n-1").await.0.state, KeptState::Delivered);
    running.stop().await;
}

#[tokio::test]
async fn an_outbox_that_cannot_be_written_makes_notices_wait_and_sends_none_twice() {
    let place = Place::new();
    let notes = Arc::new(Notes {
        wait: Duration::from_millis(300),
        ..Notes::default()
    });
    let mut channels = place.channels(STDOUT);
    channels
        .plug("c", Arc::clone(&notes) as Arc<dyn Deliver>)
        .unwrap();
    let running = place.start_with(channels).await;
    let counters = running.counters.clone();
    place
        .accept(&[notice("n-1", "a"), notice("n-2", "a")])
        .await;
    until("it is on its way", || {
        notes.at_once.load(Ordering::SeqCst) == 1
    })
    .await;
    // Somebody writes for longer than anyone waits.
    let path = place.folder.path().join("outbox.sqlite");
    let other = rusqlite::Connection::open(path).unwrap();
    other.execute_batch("BEGIN IMMEDIATE").unwrap();
    until("it fails", || counters.totals().outbox_errors > 0).await;
    other.execute_batch("COMMIT").unwrap();
    assert_eq!(place.settled("n-2").await.0.state, KeptState::Delivered);
    running.stop().await;
    assert_eq!(*notes.told.lock().unwrap(), ["n-1", "n-2"]);
}

#[test]
fn the_readme_example_of_settings_has_every_kind_once() {
    let guide = include_str!("../../../../docs/guide/delivery.md");
    let mut kinds = BTreeMap::new();
    for block in guide.split("```toml\n").skip(1) {
        let toml = block.split("```").next().unwrap();
        let config = ChannelsConfig::from_toml(toml).unwrap();
        for channel in &config.channel {
            *kinds.entry(channel.kind.name()).or_insert(0) += 1;
        }
    }
    assert_eq!(kinds.len(), 11, "{kinds:?}");
}

/// Not used by a test of its own: that a service can be moved to another thread.
#[expect(dead_code, reason = "it only has to compile")]
fn services_move(service: Service, channels: Channels) -> impl Send {
    (service, channels)
}
