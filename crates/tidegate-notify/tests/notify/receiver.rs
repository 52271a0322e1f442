//! Receivers that behave badly, one after the other.

use std::time::Duration;

use tidegate_notify::{Attempt, Kept, KeptState};

use crate::certificates::Authority;
use crate::server::{Reply, Seen, Server, answer, text};
use crate::support::{Place, notice, webhook, write_secret};

/// What became of one notice, and how often the server was asked.
async fn tell(
    lines: &str,
    reply: impl Fn(usize, &Seen) -> Reply + Send + Sync + 'static,
) -> (Kept, Vec<Attempt>, Vec<Seen>) {
    let server = Server::start(reply).await;
    let place = Place::new();
    let running = place.start(&webhook(&server.url("/hook"), lines)).await;
    place.accept(&[notice("n-1", "a")]).await;
    let (kept, attempts) = place.settled("n-1").await;
    running.stop().await;
    (kept, attempts, server.requests())
}

fn outcomes(attempts: &[Attempt]) -> Vec<(&str, Option<u16>)> {
    attempts
        .iter()
        .map(|a| (a.outcome.as_str(), a.status))
        .collect()
}

#[tokio::test]
async fn yes_is_yes_and_the_request_is_signed() {
    let (kept, attempts, seen) = tell("", |_, _| answer(204, "", "")).await;
    assert_eq!(kept.state, KeptState::Delivered);
    assert_eq!(outcomes(&attempts), [("delivered", Some(204))]);
    assert_eq!(seen.len(), 1);
    assert_eq!(seen[0].target, "/hook");
    assert_eq!(seen[0].header("webhook-id"), "n-1");
    assert!(seen[0].header("webhook-signature").starts_with("v1,"));
    assert_eq!(seen[0].header("content-type"), "application/json");
    assert!(seen[0].header("user-agent").starts_with("tidegate/"));
    assert_eq!(seen[0].json()["type"], "alert.firing");
}

#[tokio::test]
async fn a_server_that_fails_is_asked_again_with_the_same_id() {
    for status in [500, 502, 503, 408, 425, 429, 307] {
        let (kept, attempts, seen) = tell("", move |number, _| match number {
            0 | 1 => answer(status, "location: https://elsewhere.example/\r\n", "no"),
            _ => answer(200, "", "ok"),
        })
        .await;
        assert_eq!(kept.state, KeptState::Delivered, "{status}");
        let failed = ("retry", Some(status));
        assert_eq!(
            outcomes(&attempts),
            [failed, failed, ("delivered", Some(200))]
        );
        let ids: Vec<_> = seen.iter().map(|seen| seen.header("webhook-id")).collect();
        assert_eq!(ids, ["n-1"; 3]);
        assert!(seen.iter().all(|one| one.body == seen[0].body));
    }
}

#[tokio::test]
async fn tries_end() {
    let lines = "";
    let (kept, attempts, seen) = {
        let server = Server::start(|_, _| answer(500, "", "down\n\tfor long")).await;
        let place = Place::new();
        let toml = webhook(&server.url("/"), lines).replace("first", "tries = 4, first");
        let running = place.start(&toml).await;
        place.accept(&[notice("n-1", "a")]).await;
        let (kept, attempts) = place.settled("n-1").await;
        let summary = running.stop().await;
        assert_eq!(summary.channel("c").tries_used, 1);
        assert_eq!(summary.channel("c").retried, 3);
        (kept, attempts, server.requests())
    };
    assert_eq!(kept.state, KeptState::Dead);
    assert_eq!(attempts.len(), 4);
    assert_eq!(seen.len(), 4);
    let why = kept.why.unwrap();
    assert!(
        why.starts_with("tries used") && why.ends_with("down for long"),
        "{why}"
    );
}

#[tokio::test]
async fn tries_end_when_the_notice_has_expired() {
    let server = Server::start(|_, _| answer(500, "", "")).await;
    let place = Place::new();
    // More tries than fit into its time, whatever chance makes of the waits.
    let channel = webhook(&server.url("/"), "").replace("'50ms'", "'50ms', tries = 60");
    let running = place.start(&channel).await;
    let mut short = notice("n-1", "a");
    short.expires = short.created + Duration::from_millis(400);
    let after = notice("n-2", "a");
    place.accept(&[short, after]).await;
    let (kept, _) = place.settled("n-1").await;
    assert_eq!(kept.state, KeptState::Dead);
    assert!(
        kept.why.as_ref().unwrap().starts_with("expired"),
        "{kept:?}"
    );
    // What comes after it for the same alert goes on then.
    crate::support::until("n-2 is tried", || {
        server
            .requests()
            .iter()
            .any(|seen| seen.header("webhook-id") == "n-2")
    })
    .await;
    running.stop().await;
}

#[tokio::test]
async fn a_refusal_ends_it_at_once() {
    for status in [400, 401, 403, 404, 413, 422] {
        let (kept, attempts, _) = tell("", move |_, _| answer(status, "", "bad \u{1}hook")).await;
        assert_eq!(kept.state, KeptState::Dead, "{status}");
        assert_eq!(outcomes(&attempts), [("refused", Some(status))]);
        let why = kept.why.unwrap();
        assert!(
            why.contains(&status.to_string()) && why.ends_with("bad hook"),
            "{why}"
        );
    }
}

#[tokio::test]
async fn a_channel_that_is_gone_is_left_alone_until_its_settings_change() {
    let server = Server::start(|number, _| match number {
        0 => answer(410, "", "unsubscribed"),
        _ => answer(200, "", ""),
    })
    .await;
    let place = Place::new();
    let toml = webhook(&server.url("/"), "concurrency = 1\n");
    let running = place.start(&toml).await;
    place
        .accept(&[notice("n-1", "a"), notice("n-2", "a"), notice("n-3", "b")])
        .await;
    for id in ["n-1", "n-2", "n-3"] {
        let (kept, _) = place.settled(id).await;
        assert_eq!(kept.state, KeptState::Dead);
        let why = kept.why.unwrap();
        assert!(
            why.contains("the channel is gone") && why.contains("unsubscribed"),
            "{why}"
        );
    }
    assert!(running.counters.totals().channel("c").is_gone);
    running.stop().await;
    // The same after a restart.
    let running = place.start(&toml).await;
    place.accept(&[notice("n-4", "a")]).await;
    assert_eq!(place.settled("n-4").await.0.state, KeptState::Dead);
    running.stop().await;
    assert_eq!(server.requests().len(), 1);
    // New settings, and what died can be sent again, in its old order.
    let running = place.start(&webhook(&server.url("/new"), "")).await;
    for id in ["n-2", "n-1"] {
        place
            .outbox
            .resend(id, jiff::Timestamp::now())
            .await
            .unwrap();
    }
    assert_eq!(place.settled("n-2").await.0.state, KeptState::Delivered);
    assert_eq!(place.settled("n-1").await.0.state, KeptState::Delivered);
    running.stop().await;
}

#[tokio::test]
async fn a_wait_that_is_asked_for_is_kept_by_the_whole_channel() {
    let server = Server::start(|number, _| match number {
        0 => answer(429, "retry-after: 1\r\n", ""),
        _ => answer(200, "", ""),
    })
    .await;
    let place = Place::new();
    let running = place
        .start(&webhook(&server.url("/"), "concurrency = 1\n"))
        .await;
    place
        .accept(&[notice("n-1", "a"), notice("n-2", "b")])
        .await;
    place.settled("n-1").await;
    place.settled("n-2").await;
    running.stop().await;
    let seen = server.requests();
    assert_eq!(seen.len(), 3);
    for later in &seen[1..] {
        let waited = later.at - seen[0].at;
        assert!(waited >= Duration::from_millis(950), "{waited:?}");
    }
}

#[tokio::test]
async fn a_wait_beyond_the_end_ends_it() {
    let (kept, attempts, _) = tell("", |_, _| answer(503, "retry-after: 86400\r\n", "")).await;
    assert_eq!(kept.state, KeptState::Dead);
    assert_eq!(attempts.len(), 1);
    assert!(kept.why.unwrap().starts_with("expired"));
}

#[tokio::test]
async fn silence_and_stalls_are_timeouts() {
    let head = "HTTP/1.1 200 OK\r\ncontent-length: 10\r\n";
    for (first, expected) in [("", 2), (head, 2), ("garbage\r\n\r\n", 2)] {
        let (kept, attempts, _) = tell("timeout = '300ms'\n", move |number, _| match number {
            0 => Reply::Stall(first.to_owned()),
            _ => answer(200, "", ""),
        })
        .await;
        assert_eq!(kept.state, KeptState::Delivered, "{first:?}");
        assert_eq!(attempts.len(), expected, "{first:?} {attempts:?}");
    }
    // Closed at once.
    let (kept, attempts, _) = tell("", |number, _| match number {
        0 => Reply::Close,
        _ => answer(200, "", ""),
    })
    .await;
    assert_eq!((kept.state, attempts.len()), (KeptState::Delivered, 2));
    // A yes whose body never comes is a yes: telling again would be telling twice.
    let stalled = format!("{head}\r\nabc");
    let (kept, attempts, _) = tell("", move |_, _| Reply::Stall(stalled.clone())).await;
    assert_eq!((kept.state, attempts.len()), (KeptState::Delivered, 1));
}

#[tokio::test]
async fn a_flood_is_cut() {
    let (kept, _, _) = tell("", |_, _| Reply::Flood(64 << 20)).await;
    assert_eq!(kept.state, KeptState::Dead);
    assert!(kept.why.unwrap().chars().count() < 300);
}

#[tokio::test]
async fn a_certificate_that_does_not_match_is_told_and_tried_again() {
    let place = Place::new();
    let authority = Authority::new();
    let key = rcgen::KeyPair::generate().unwrap();
    let params = rcgen::CertificateParams::new(vec!["other.example".to_owned()]).unwrap();
    let wrong = authority.sign(params, key);
    let server = Server::start_tls(wrong, |_, _| answer(200, "", "")).await;
    std::fs::write(place.folder.path().join("ca.pem"), authority.pem()).unwrap();
    let url = server.url("/").replace("http://", "https://");
    let toml = webhook(&url, "ca_file = 'ca.pem'\n").replace("first", "tries = 2, first");
    let running = place.start(&toml).await;
    place.accept(&[notice("n-1", "a")]).await;
    let (kept, attempts) = place.settled("n-1").await;
    assert_eq!(outcomes(&attempts), [("retry", None), ("retry", None)]);
    let why = kept.why.unwrap();
    assert!(
        why.contains("the certificate of https://127.0.0.1:"),
        "{why}"
    );
    running.stop().await;
    assert!(server.requests().is_empty());
    // The right one, by the same authority.
    let server = Server::start_tls(authority.loopback(), |_, _| answer(200, "", "")).await;
    let url = server.url("/").replace("http://", "https://");
    let running = place.start(&webhook(&url, "ca_file = 'ca.pem'\n")).await;
    place.accept(&[notice("n-2", "a")]).await;
    assert_eq!(place.settled("n-2").await.0.state, KeptState::Delivered);
    running.stop().await;
    // And an authority that nobody trusts.
    let running = place
        .start(&webhook(&url, "").replace("first", "tries = 1, first"))
        .await;
    place.accept(&[notice("n-3", "a")]).await;
    assert_eq!(place.settled("n-3").await.0.state, KeptState::Dead);
    running.stop().await;
}

#[tokio::test]
async fn a_name_that_leads_inside_is_refused_when_it_is_looked_up() {
    // `localhost` passes the file's check by its name only; the lookup finds loopback.
    let place = Place::new();
    let server = Server::start(|_, _| answer(200, "", "")).await;
    let port = server.address.port();
    let toml = webhook(&format!("https://localhost:{port}/"), "")
        .replace(&format!("'localhost:{port}'"), "'localhost:1'")
        .replace("first", "tries = 1, first");
    let running = place.start(&toml).await;
    place.accept(&[notice("n-1", "a")]).await;
    let (kept, _) = place.settled("n-1").await;
    let why = kept.why.unwrap();
    assert!(
        why.contains("loopback") && why.contains("allow_internal"),
        "{why}"
    );
    running.stop().await;
    assert!(server.requests().is_empty());
}

#[tokio::test]
async fn secrets_are_read_in_every_try() {
    let server = Server::start(|_, _| answer(200, "", "")).await;
    let place = Place::new();
    let path = place.folder.path().join("secret");
    let running = place.start(&webhook(&server.url("/"), "")).await;
    std::fs::remove_file(&path).unwrap();
    place.accept(&[notice("n-1", "a")]).await;
    let counters = running.counters.clone();
    crate::support::until("it fails without the secret", || {
        counters.totals().channel("c").retried > 0
    })
    .await;
    write_secret(&path, crate::support::SECRET);
    assert_eq!(place.settled("n-1").await.0.state, KeptState::Delivered);
    running.stop().await;
}

#[tokio::test]
async fn a_late_answer_delays_nobody_else() {
    let server = Server::start(|_, seen| match seen.header("webhook-id") {
        "n-1" => Reply::Late(Duration::from_millis(700), text(200, "", "")),
        _ => answer(200, "", ""),
    })
    .await;
    let place = Place::new();
    let running = place.start(&webhook(&server.url("/"), "")).await;
    place
        .accept(&[notice("n-1", "a"), notice("n-2", "b"), notice("n-3", "a")])
        .await;
    place.settled("n-2").await;
    assert_eq!(place.show("n-1").await.0.state, KeptState::Pending);
    place.settled("n-3").await;
    running.stop().await;
    let order: Vec<_> = server.requests();
    let order: Vec<_> = order.iter().map(|seen| seen.header("webhook-id")).collect();
    // Of one alert in order.
    let place_of = |id| order.iter().position(|one| *one == id);
    assert!(place_of("n-1") < place_of("n-3"), "{order:?}");
}

#[tokio::test]
async fn a_proxy_is_used_where_it_is_named_and_asked_for_the_host() {
    let proxy = Server::start(|_, _| answer(200, "", "")).await;
    let place = Place::new();
    let lines = format!("proxy = '{}'\n", proxy.url(""));
    let running = place
        .start(&webhook("http://hooks.internal:9000/x", &lines))
        .await;
    place.accept(&[notice("n-1", "a")]).await;
    assert_eq!(place.settled("n-1").await.0.state, KeptState::Delivered);
    running.stop().await;
    let seen = proxy.requests();
    assert_eq!(seen[0].target, "http://hooks.internal:9000/x");
}
