//! Tries to break polling: servers that say too much, too little, too late or the wrong thing, that
//! send us elsewhere, and a Kafka broker that goes away before the bytes are stored.

use std::collections::BTreeMap;
use std::io::Write as _;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use axum::body::{Body, Bytes};
use tidegate_ingest::{FeedCounts, Refusal, Summary, Trouble};

use crate::certificates::Authority;
use crate::server::{Reply, Server, Unending, answer};
use crate::support::{Kafka, Running, Way, folder, plan, wait_for};

/// Nothing but the length of its name stands in a log line.
const SECRET: &str = "correct-horse-battery";

fn config(url: &str, lines: &str) -> String {
    format!("[poll.a]\nurl = '{url}'\nevery = '100ms'\nbytes_max = 1000\n{lines}")
}

/// Polls until the server has answered `asked` requests and the first of them are counted; gives
/// the counts, the server and what is in the topic.
async fn poll(
    lines: &str,
    asked: usize,
    reply: impl Fn(usize, &str) -> Reply + Send + Sync + 'static,
) -> (FeedCounts, Server, Vec<String>) {
    let kafka = Kafka::start();
    let server = Server::start(reply).await;
    let folder = folder(&[("secret", SECRET)]);
    let plan = plan(&config(&server.url("/x"), lines), folder.path());
    let running = Running::start(Way::Poll, plan, &kafka.sink);
    wait_for("requests", || server.requests().len() > asked).await;
    // A fetch that follows redirects makes several requests before it ends.
    let is_told = |summary: &Summary| outcomes(&summary.feed("a")) > 0;
    running.until("an outcome", is_told).await;
    let summary = running.stop().await.unwrap();
    (summary.feed("a"), server, kafka.values("topic-a"))
}

fn outcomes(counts: &FeedCounts) -> u64 {
    let refused: u64 = counts.refused.values().sum();
    let errors: u64 = counts.errors.values().sum();
    counts.accepted + counts.unchanged + refused + errors
}

fn refused(counts: &FeedCounts) -> Vec<Refusal> {
    counts.refused.keys().copied().collect()
}

fn errors(counts: &FeedCounts) -> Vec<Trouble> {
    counts.errors.keys().copied().collect()
}

#[tokio::test]
async fn what_did_not_change_is_not_sent_again() {
    let tags = [
        ("etag", "\"1\""),
        ("last-modified", "Sun, 06 Nov 1994 08:49:37 GMT"),
    ];
    let (counts, server, values) = poll("", 3, move |n, _| match n {
        0 => answer(200, &tags, "one"),
        _ => answer(304, &[], ""),
    })
    .await;
    assert_eq!((counts.accepted, counts.bytes), (1, 3));
    assert!(counts.unchanged >= 2, "{counts:?}");
    assert_eq!(values, ["one"]);
    let requests = server.requests();
    assert_eq!(requests[0].header("if-none-match"), None);
    for request in &requests[1..3] {
        assert_eq!(request.header("if-none-match"), Some("\"1\""));
        let since = request.header("if-modified-since");
        assert_eq!(since, Some("Sun, 06 Nov 1994 08:49:37 GMT"));
    }
    assert_eq!(requests[0].header("accept-encoding"), Some("gzip"));
}

#[tokio::test]
async fn equal_bodies_are_recognised_without_the_servers_help() {
    let (counts, _, values) = poll("", 4, |n, _| {
        answer(200, &[], if n == 2 { "two" } else { "one" })
    })
    .await;
    // A body that comes back after another one is new.
    assert_eq!(values, ["one", "two", "one"]);
    assert_eq!(counts.accepted, 3);
    assert_eq!(refused(&counts), []);
}

#[tokio::test]
async fn equal_bodies_are_sent_where_that_is_wanted() {
    let (counts, server, values) = poll("send_unchanged = true", 3, |_, _| {
        answer(200, &[("etag", "\"1\"")], "one")
    })
    .await;
    assert!(
        values.len() >= 3 && values.iter().all(|value| value == "one"),
        "{values:?}"
    );
    assert_eq!(counts.unchanged, 0);
    let asked_for_news = |r: &crate::server::Seen| r.header("if-none-match").is_some();
    assert!(!server.requests().iter().any(asked_for_news));
}

#[tokio::test]
async fn a_failing_server_is_given_the_time_it_asks_for() {
    let (counts, server, values) = poll("", 2, |n, _| match n {
        0 => answer(500, &[("retry-after", "1")], "no"),
        _ => answer(200, &[], "yes"),
    })
    .await;
    assert_eq!(counts.errors, [(Trouble::Status, 1)].into());
    assert_eq!(values, ["yes"]);
    let requests = server.requests();
    assert!(requests[1].at - requests[0].at >= Duration::from_secs(1));
}

/// What a server answers to a request of this number and target.
type Replies = fn(usize, &str) -> Reply;

/// For each: a name, lines of the configuration, the server, and what its answers are called.
async fn check_failures<const N: usize>(cases: [(&str, &str, Replies, Trouble); N]) {
    for (name, lines, reply, expected) in cases {
        let (counts, _, values) = poll(lines, 1, reply).await;
        assert_eq!(errors(&counts), [expected], "{name}");
        assert_eq!(counts.accepted, 0, "{name}");
        assert_eq!(values, [""; 0], "{name}");
    }
}

#[tokio::test]
async fn bad_redirects_are_named() {
    check_failures([
        (
            "redirect loop",
            "",
            (|_, target| {
                answer(
                    302,
                    &[("location", if target == "/x" { "/y" } else { "/x" })],
                    "",
                )
            }),
            Trouble::RedirectLoop,
        ),
        (
            "redirect to itself",
            "",
            |_, _| answer(301, &[("location", "#top")], ""),
            Trouble::RedirectLoop,
        ),
        (
            "many redirects",
            "redirects_max = 3",
            |n, _| answer(307, &[("location", &format!("/{n}"))], ""),
            Trouble::TooManyRedirects,
        ),
        (
            "redirect to nowhere",
            "",
            |_, _| answer(302, &[], ""),
            Trouble::BadRedirect,
        ),
        (
            "redirect to a file",
            "",
            |_, _| answer(302, &[("location", "file:///etc/passwd")], ""),
            Trouble::BadRedirect,
        ),
    ])
    .await;
}

#[tokio::test]
async fn bad_answers_are_named() {
    check_failures([
        ("404", "", |_, _| answer(404, &[], "x"), Trouble::Status),
        ("206", "", |_, _| answer(206, &[], "x"), Trouble::Status),
        (
            "no head",
            "timeout = '200ms'",
            |_, _| Reply::Silence,
            Trouble::Timeout,
        ),
        (
            "no end of the body",
            "timeout = '200ms'",
            |_, _| answer(200, &[], unending(b"x", 3)),
            Trouble::Timeout,
        ),
        (
            "cut gzip",
            "",
            |_, _| {
                answer(
                    200,
                    &[("content-encoding", "gzip")],
                    gzip(b"some data")[..12].to_vec(),
                )
            },
            Trouble::BrokenBody,
        ),
        (
            "unknown encoding",
            "",
            |_, _| answer(200, &[("content-encoding", "br")], "x"),
            Trouble::BrokenBody,
        ),
    ])
    .await;
}

#[tokio::test]
async fn what_is_no_data_is_refused() {
    for (name, lines, reply, expected) in [
        (
            "web page",
            "",
            (|_, _| answer(200, &[("content-type", "text/html")], "<p>Log in"))
                as fn(usize, &str) -> Reply,
            Refusal::HtmlPage,
        ),
        (
            "web page in disguise",
            "",
            |_, _| {
                answer(
                    200,
                    &[("content-type", "application/json")],
                    " <!DOCTYPE HTML>",
                )
            },
            Refusal::HtmlPage,
        ),
        ("nothing", "", |_, _| answer(200, &[], ""), Refusal::Empty),
        ("204", "", |_, _| answer(204, &[], ""), Refusal::Empty),
        (
            "other type",
            "content_types = ['application/json']",
            |_, _| answer(200, &[("content-type", "text/csv")], "a,b"),
            Refusal::ContentType,
        ),
        (
            "large and says so",
            "",
            |_, _| answer(200, &[], vec![b'x'; 1001]),
            Refusal::TooLarge,
        ),
        (
            "endless",
            "",
            |_, _| answer(200, &[], unending(&[b'x'; 100], usize::MAX)),
            Refusal::TooLarge,
        ),
        (
            "gzip bomb",
            "",
            |_, _| {
                answer(
                    200,
                    &[("content-encoding", "gzip")],
                    gzip(&vec![0; 100_000]),
                )
            },
            Refusal::TooLarge,
        ),
    ] {
        let (counts, _, values) = poll(lines, 1, reply).await;
        assert_eq!(refused(&counts), [expected], "{name}");
        assert_eq!(errors(&counts), [], "{name}");
        assert_eq!(values, [""; 0], "{name}");
    }
}

#[tokio::test]
async fn gzip_is_unpacked_and_a_full_body_fits() {
    let (_, _, values) = poll("", 2, |n, _| match n {
        0 => answer(
            200,
            &[("content-encoding", "gzip")],
            gzip("中文".as_bytes()),
        ),
        _ => answer(200, &[], vec![b'x'; 1000]),
    })
    .await;
    assert_eq!(values, ["中文".to_owned(), "x".repeat(1000)]);
}

#[tokio::test]
async fn a_secret_stays_with_its_host() {
    let lines = "headers = { X-Plain = 'p' }\nsecret_headers = { X-Key = 'secret' }\n\
                 secret_query = { key = 'secret' }";
    let other = Server::start(|_, target| match target {
        "/data" => answer(200, &[], "data"),
        _ => panic!("{target}"),
    })
    .await;
    let elsewhere = other.url("/data");
    let (counts, server, values) = poll(lines, 3, move |_, target| match target {
        "/x?key=correct-horse-battery" => answer(302, &[("location", "/here")], ""),
        "/here" => answer(302, &[("location", &elsewhere)], ""),
        _ => panic!("{target}"),
    })
    .await;
    assert_eq!(values, ["data"]);
    assert_eq!(errors(&counts), []);
    for request in server.requests() {
        assert_eq!(request.header("x-key"), Some(SECRET));
    }
    for request in other.requests() {
        assert_eq!(request.header("x-plain"), Some("p"));
        assert_eq!(request.header("x-key"), None);
        assert!(!format!("{request:?}").contains(SECRET), "{request:?}");
    }
}

#[tokio::test]
async fn a_secret_does_not_come_back_from_elsewhere() {
    let kafka = Kafka::start();
    let back = Arc::new(OnceLock::<String>::new());
    let place = Arc::clone(&back);
    let other = Server::start(move |_, _| answer(302, &[("location", place.wait())], "")).await;
    let away = other.url("/there");
    let home = Server::start(move |_, target| match target {
        "/x" => answer(302, &[("location", &away)], ""),
        "/back" => answer(200, &[], "data"),
        _ => panic!("{target}"),
    })
    .await;
    back.set(home.url("/back")).unwrap();
    let folder = folder(&[("secret", SECRET)]);
    let text = config(&home.url("/x"), "secret_headers = { X-Key = 'secret' }");
    let running = Running::start(Way::Poll, plan(&text, folder.path()), &kafka.sink);
    running.until("data", |s| s.feed("a").accepted == 1).await;
    running.stop().await.unwrap();
    assert_eq!(other.requests()[0].header("x-key"), None);
    let seen = home.requests();
    assert_eq!(
        (seen[0].target.as_str(), seen[0].header("x-key")),
        ("/x", Some(SECRET))
    );
    assert_eq!(
        (seen[1].target.as_str(), seen[1].header("x-key")),
        ("/back", None)
    );
}

#[tokio::test]
async fn a_changed_secret_is_used_and_a_lost_one_is_told() {
    let kafka = Kafka::start();
    let server = Server::start(|n, _| answer(200, &[], format!("{n}"))).await;
    let folder = folder(&[("secret", "first")]);
    let text = config(&server.url("/x"), "secret_headers = { X-Key = 'secret' }");
    let running = Running::start(Way::Poll, plan(&text, folder.path()), &kafka.sink);
    running.until("data", |s| s.feed("a").accepted > 0).await;
    let file = folder.path().join("secret");
    let used = |key: &str| {
        server
            .requests()
            .iter()
            .any(|r| r.header("x-key") == Some(key))
    };
    assert!(used("first"));
    std::fs::write(&file, "second").unwrap();
    wait_for("the new secret", || used("second")).await;
    std::fs::remove_file(&file).unwrap();
    running
        .until("the error", |s| {
            s.feed("a").errors.contains_key(&Trouble::Secret)
        })
        .await;
    running.stop().await.unwrap();
    assert!(
        server
            .requests()
            .iter()
            .all(|r| r.header("x-key").is_some())
    );
}

#[tokio::test]
async fn a_proxy_is_used_when_it_is_named() {
    let kafka = Kafka::start();
    let proxy = Server::start(|_, _| answer(200, &[], "through the proxy")).await;
    let folder = folder(&[]);
    let lines = format!("proxy = '{}'", proxy.url(""));
    let text = config("http://feed.invalid/x", &lines);
    let running = Running::start(Way::Poll, plan(&text, folder.path()), &kafka.sink);
    running.until("data", |s| s.feed("a").accepted == 1).await;
    running.stop().await.unwrap();
    assert_eq!(proxy.requests()[0].target, "http://feed.invalid/x");
}

#[tokio::test]
async fn a_failing_feed_holds_up_no_other() {
    let kafka = Kafka::start();
    let server = Server::start(|n, _| answer(200, &[], format!("{n}"))).await;
    let folder = folder(&[]);
    let text = format!(
        "{}\n[poll.b]\nurl = '{}'\nevery = '100ms'",
        // Nobody listens there.
        config("http://127.0.0.1:1/x", ""),
        server.url("/y")
    );
    let running = Running::start(Way::Poll, plan(&text, folder.path()), &kafka.sink);
    let both = |s: &Summary| {
        s.feed("b").accepted >= 3 && s.feed("a").errors.get(&Trouble::Connect) >= Some(&2)
    };
    running.until("both", both).await;
    let summary = running.stop().await.unwrap();
    assert_eq!(summary.feed("b").errors, BTreeMap::new());
    let records = kafka.records("topic-b");
    let expected = ["0", "1", "2"].map(|value| ("b".to_owned(), value.to_owned()));
    assert_eq!(records[..3], expected);
}

#[tokio::test]
async fn a_body_that_kafka_has_not_is_kept_and_sent_before_the_next_poll() {
    let kafka = Kafka::with(&[("delivery.timeout.ms", "300")]);
    let server = Server::start(|n, _| answer(200, &[("etag", "\"1\"")], format!("{n}"))).await;
    let folder = folder(&[]);
    let text = config(&server.url("/x"), "");
    kafka.broker.go_away().unwrap();
    let running = Running::start(Way::Poll, plan(&text, folder.path()), &kafka.sink);
    let away = |s: &Summary| s.feed("a").errors.get(&Trouble::KafkaAway) >= Some(&2);
    running.until("two attempts", away).await;
    assert_eq!(
        server.requests().len(),
        1,
        "asked again before the body was stored"
    );
    kafka.broker.come_back().unwrap();
    running.until("stored", |s| s.feed("a").accepted >= 2).await;
    running.stop().await.unwrap();
    assert_eq!(kafka.values("topic-a")[..2], ["0", "1"]);
    assert_eq!(server.requests()[1].header("if-none-match"), Some("\"1\""));
}

#[tokio::test]
async fn what_kafka_never_had_is_not_remembered() {
    // The sink takes less than the feed may have.
    let kafka = Kafka::with(&[
        ("message.max.bytes", "1000"),
        ("delivery.timeout.ms", "2000"),
    ]);
    let server = Server::start(|n, _| match n {
        0 | 1 => answer(200, &[("etag", "\"large\"")], vec![b'x'; 2000]),
        _ => answer(200, &[], "small"),
    })
    .await;
    let folder = folder(&[]);
    let text = config(&server.url("/x"), "").replace("bytes_max = 1000", "bytes_max = 5000");
    let running = Running::start(Way::Poll, plan(&text, folder.path()), &kafka.sink);
    running.until("stored", |s| s.feed("a").accepted == 1).await;
    let counts = running.stop().await.unwrap().feed("a");
    assert_eq!(counts.refused, [(Refusal::TooLarge, 2)].into());
    assert_eq!(kafka.values("topic-a"), ["small"]);
    for request in &server.requests()[..3] {
        assert_eq!(request.header("if-none-match"), None);
    }
}

fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::best());
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}

fn unending(piece: &[u8], pieces: usize) -> Body {
    Body::new(Unending {
        piece: Bytes::copy_from_slice(piece),
        pieces,
    })
}

#[tokio::test]
async fn https_needs_an_authority_that_is_trusted() {
    let authority = Authority::new();
    let server = Server::start_tls(&authority, |_, _| answer(200, &[], "data")).await;
    let folder = folder(&[("ca.pem", &authority.pem()), ("secret", SECRET)]);
    let url = format!("https://{}/x", server.address);
    let secret = "secret_headers = { X-Key = 'secret' }";
    for (lines, trusted) in [
        (format!("{secret}\nca_file = 'ca.pem'"), true),
        (secret.to_owned(), false),
    ] {
        let kafka = Kafka::start();
        let plan = plan(&config(&url, &lines), folder.path());
        let running = Running::start(Way::Poll, plan, &kafka.sink);
        let done = |s: &Summary| {
            s.feed("a").accepted == 1 || s.feed("a").errors.contains_key(&Trouble::Connect)
        };
        running.until("an outcome", done).await;
        let counts = running.stop().await.unwrap().feed("a");
        assert_eq!(counts.accepted == 1, trusted, "{counts:?}");
    }
    assert_eq!(server.requests()[0].header("x-key"), Some(SECRET));
}

#[tokio::test]
async fn https_does_not_become_http() {
    let authority = Authority::new();
    let unsafely = Server::start(|_, _| answer(200, &[], "from anybody")).await;
    let place = unsafely.url("/x");
    let server = Server::start_tls(&authority, move |_, _| {
        answer(302, &[("location", &place)], "")
    })
    .await;
    let folder = folder(&[("ca.pem", &authority.pem())]);
    let url = format!("https://{}/x", server.address);
    let kafka = Kafka::start();
    let plan = plan(&config(&url, "ca_file = 'ca.pem'"), folder.path());
    let running = Running::start(Way::Poll, plan, &kafka.sink);
    let refused = |s: &Summary| s.feed("a").errors.contains_key(&Trouble::BadRedirect);
    running.until("the refusal", refused).await;
    running.stop().await.unwrap();
    assert_eq!(unsafely.requests().len(), 0);
}
