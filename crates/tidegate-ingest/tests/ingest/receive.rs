//! Tries to break receiving: senders without a token, with too much, too often, too slowly or twice,
//! and a Kafka broker that goes away before it has acknowledged.

mod again;

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use reqwest::{Client, Response};
use serde_json::Value;
use tempfile::TempDir;
use tidegate_ingest::{FeedCounts, Refusal};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

use crate::support::{Kafka, LONG, Running, folder, plan};

const TOKEN_A: &str = "token-of-feed-a-0001";
const TOKEN_A2: &str = "token-of-feed-a-0002";
const TOKEN_B: &str = "token-of-feed-b-0001";

/// A server with the feeds `a` and `b`; dropped, it stops.
struct Site {
    kafka: Kafka,
    running: Running,
    address: SocketAddr,
    client: Client,
    folder: TempDir,
}

impl Site {
    /// `receive` are lines of `[receive]`, `feed` those of the feed `a`.
    async fn start(kafka: Kafka, receive: &str, feed: &str) -> Self {
        let tokens = format!("{TOKEN_A}\n{TOKEN_A2}\n");
        let folder = folder(&[("a.tokens", &tokens), ("b.tokens", TOKEN_B)]);
        let text = format!(
            "[receive]\nlisten = '127.0.0.1:0'\n{receive}\n\
             [receive.feeds.a]\ntoken_file = 'a.tokens'\n{feed}\n\
             [receive.feeds.b]\ntoken_file = 'b.tokens'\nbytes_max = 1000"
        );
        let (running, address) = Running::receive(plan(&text, folder.path()), &kafka.sink).await;
        Self {
            kafka,
            running,
            address,
            client: Client::builder().no_proxy().build().unwrap(),
            folder,
        }
    }

    fn counts(&self, feed: &str) -> FeedCounts {
        self.running.ingest.summary().feed(feed)
    }

    fn post(&self, path: &str, token: &str) -> reqwest::RequestBuilder {
        self.client
            .post(format!("http://{}{path}", self.address))
            .timeout(LONG)
            .header("authorization", format!("Bearer {token}"))
    }

    /// Posts to the feed `a` with this key.
    fn keyed(&self, key: &str, body: &str) -> reqwest::RequestBuilder {
        self.post("/feeds/a", TOKEN_A)
            .header("idempotency-key", key)
            .body(body.to_owned())
    }
}

async fn json(response: Response) -> Value {
    serde_json::from_slice(&response.bytes().await.unwrap()).unwrap()
}

/// Checks the status and the name of the problem, and that it is a whole problem in two languages.
async fn check(response: Response, status: u16, name: &str) -> Response {
    assert_eq!(response.status(), status, "{name}");
    let headers = response.headers().clone();
    assert_eq!(headers["content-type"], "application/problem+json");
    let problem = json(response).await;
    assert_eq!(problem["type"], format!("urn:tidegate:problem:{name}"));
    assert_eq!(problem["status"], status);
    assert_eq!(problem["title"], problem["titles"]["en"]);
    let chinese = problem["titles"]["zh-CN"].as_str().unwrap();
    assert!(chinese.chars().any(|c| c > '\u{3fff}'), "{chinese}");
    assert!(problem["detail"].as_str().unwrap().len() > 10);
    let mut again = axum::http::Response::new("");
    *again.headers_mut() = headers;
    again.into()
}

#[tokio::test]
async fn accepted_is_stored() {
    let site = Site::start(Kafka::start(), "", "").await;
    for (n, token) in [TOKEN_A, TOKEN_A2].into_iter().enumerate() {
        let response = site
            .post("/feeds/a", token)
            .body(format!("v{n}"))
            .send()
            .await;
        let response = response.unwrap();
        assert_eq!(response.status(), 202);
        assert_eq!(response.headers()["content-type"], "application/json");
        assert_eq!(
            json(response).await,
            serde_json::json!({ "partition": 0, "offset": n })
        );
    }
    let bytes = site
        .post("/feeds/b", TOKEN_B)
        .body("b")
        .send()
        .await
        .unwrap();
    assert_eq!(bytes.status(), 202);
    let summary = site.running.stop().await.unwrap();
    assert_eq!(
        (summary.feed("a").accepted, summary.feed("a").bytes),
        (2, 4)
    );
    assert_eq!(summary.feed("a").refused, [].into());
    let expected = ["v0", "v1"].map(|value| ("a".to_owned(), value.to_owned()));
    assert_eq!(site.kafka.records("topic-a"), expected);
    assert_eq!(site.kafka.values("topic-b"), ["b"]);
}

#[tokio::test]
async fn without_a_token_nobody_learns_which_feeds_there_are() {
    let site = Site::start(Kafka::start(), "", "").await;
    let mut answers = Vec::new();
    for (path, header) in [
        ("/feeds/a", None),
        ("/feeds/nothing", None),
        ("/feeds/a", Some("Bearer wrong-wrong-wrong-wrong")),
        ("/feeds/nothing", Some("Bearer wrong-wrong-wrong-wrong")),
        ("/feeds/a", Some("Basic dG9rZW46dG9rZW4=")),
        ("/feeds/a", Some("Bearer ")),
        ("/feeds/a", Some("Bearer")),
        ("/feeds/a", Some("Bearer token-of-feed-a-000")),
        ("/feeds/a", Some("Bearer token-of-feed-a-00011")),
    ] {
        let mut request = site.client.post(format!("http://{}{path}", site.address));
        if let Some(header) = header {
            request = request.header("authorization", header);
        }
        let response = request.body("x").send().await.unwrap();
        assert_eq!(response.status(), 401, "{path} {header:?}");
        let challenge = &response.headers()["www-authenticate"];
        assert_eq!(challenge, "Bearer realm=\"tidegate\"");
        let mut headers = response.headers().clone();
        headers.remove("date");
        answers.push((headers, response.text().await.unwrap()));
    }
    answers.dedup();
    assert_eq!(answers.len(), 1, "answers differ: {answers:?}");

    // With a token, one learns which feed it opens and nothing of the others.
    for path in ["/feeds/b", "/feeds/nothing"] {
        let response = site.post(path, TOKEN_A).body("x").send().await.unwrap();
        check(response, 404, "unknown-feed").await;
    }
    let summary = site.running.stop().await.unwrap();
    let expected = [(Refusal::Unauthorized, 9), (Refusal::UnknownFeed, 2)];
    assert_eq!(summary.feed("").refused, expected.into());
    assert_eq!(site.kafka.values("topic-a"), [""; 0]);
}

#[tokio::test]
async fn tokens_rotate_while_running() {
    let site = Site::start(Kafka::start(), "", "").await;
    let file = site.folder.path().join("a.tokens");
    let status = async |token: &str| {
        let sent = site.post("/feeds/a", token).body("x").send().await;
        sent.unwrap().status().as_u16()
    };
    let becomes = async |token: &str, wanted: u16| {
        let waiting = async {
            while status(token).await != wanted {
                tokio::time::sleep(Duration::from_millis(100)).await;
            }
        };
        tokio::time::timeout(LONG, waiting).await.unwrap();
    };
    std::fs::write(&file, "token-of-feed-a-0003").unwrap();
    becomes("token-of-feed-a-0003", 202).await;
    assert_eq!(status(TOKEN_A).await, 401);
    // A file that is not right opens nothing and closes nothing; a later good one does.
    std::fs::write(&file, "short").unwrap();
    let healthy = site.client.get(format!("http://{}/healthz", site.address));
    assert_eq!(healthy.send().await.unwrap().status(), 200);
    assert_eq!(status("token-of-feed-a-0003").await, 202);
    std::fs::write(&file, TOKEN_A).unwrap();
    becomes(TOKEN_A, 202).await;
    assert_eq!(status("token-of-feed-a-0003").await, 401);
}

#[tokio::test]
async fn other_places_and_methods() {
    let site = Site::start(Kafka::start(), "", "").await;
    let url = |path: &str| format!("http://{}{path}", site.address);
    let healthy = site.client.get(url("/healthz")).send().await.unwrap();
    assert_eq!(healthy.status(), 200);
    assert_eq!(json(healthy).await, serde_json::json!({ "status": "ok" }));
    let response = site.client.get(url("/")).send().await.unwrap();
    check(response, 404, "not-here").await;
    let response = site.client.get(url("/feeds/a")).send().await.unwrap();
    check(response, 405, "wrong-method").await;
    assert_eq!(site.counts("").refused, [(Refusal::NotHere, 2)].into());
}

#[tokio::test]
async fn titles_come_in_the_language_asked_for() {
    let site = Site::start(Kafka::start(), "", "").await;
    for (asked, language) in [
        ("zh-CN,zh;q=0.9,en;q=0.8", "zh-CN"),
        ("zh", "zh-CN"),
        ("en-GB,zh;q=0.1", "en"),
        ("fr, zh-TW;q=0.5", "zh-CN"),
        ("fr", "en"),
    ] {
        let request = site
            .post("/feeds/a", "nothing")
            .header("accept-language", asked);
        let response = request.body("x").send().await.unwrap();
        assert_eq!(response.headers()["content-language"], language, "{asked}");
        let problem = json(response).await;
        assert_eq!(problem["title"], problem["titles"][language], "{asked}");
    }
}

#[tokio::test]
async fn bodies_are_bounded() {
    let site = Site::start(Kafka::start(), "", "bytes_max = 1000").await;
    let chunked = |bytes: usize| {
        let body = crate::server::Unending {
            piece: vec![b'x'; 100].into(),
            pieces: bytes / 100,
        };
        reqwest::Body::wrap(body)
    };
    let post = async |body: reqwest::Body| {
        site.post("/feeds/a", TOKEN_A)
            .body(body)
            .send()
            .await
            .unwrap()
    };
    assert_eq!(post(vec![b'x'; 1000].into()).await.status(), 202);
    check(post(vec![b'x'; 1001].into()).await, 413, "too-large").await;
    // Without a length, and far more than the client could have sent ahead.
    check(post(chunked(1100)).await, 413, "too-large").await;
    check(post(chunked(3_000_000)).await, 413, "too-large").await;
    check(post("".into()).await, 400, "empty-body").await;
    // A length that is announced is believed before anything is sent.
    let head = format!(
        "POST /feeds/a HTTP/1.1\r\nhost: x\r\nauthorization: Bearer {TOKEN_A}\r\n\
         content-length: 99999999999\r\n\r\n"
    );
    let answer = raw(site.address, &[&head]).await;
    assert!(answer.starts_with("HTTP/1.1 413 "), "{answer}");
    let counts = site.running.stop().await.unwrap().feed("a");
    let expected = [(Refusal::Empty, 1), (Refusal::TooLarge, 4)];
    assert_eq!(counts.refused, expected.into());
    assert_eq!(counts.accepted, 1);
}

#[tokio::test]
async fn requests_are_bounded_in_rate() {
    let limits = "requests_per_second = 0.1\nburst = 2";
    let site = Site::start(Kafka::start(), "", limits).await;
    for _ in 0..2 {
        let response = site
            .post("/feeds/a", TOKEN_A)
            .body("x")
            .send()
            .await
            .unwrap();
        assert_eq!(response.status(), 202);
    }
    let response = site
        .post("/feeds/a", TOKEN_A)
        .body("x")
        .send()
        .await
        .unwrap();
    let response = check(response, 429, "too-many-requests").await;
    let wait: u64 = response.headers()["retry-after"]
        .to_str()
        .unwrap()
        .parse()
        .unwrap();
    assert!((1..=10).contains(&wait), "{wait}");
    // Each feed has its own.
    let response = site
        .post("/feeds/b", TOKEN_B)
        .body("x")
        .send()
        .await
        .unwrap();
    assert_eq!(response.status(), 202);
    assert_eq!(
        site.counts("a").refused,
        [(Refusal::TooManyRequests, 1)].into()
    );
    assert_eq!(site.kafka.values("topic-a").len(), 2);
}

/// Sends pieces and reads the answer to the end.
async fn raw(address: SocketAddr, pieces: &[&str]) -> String {
    let mut stream = TcpStream::connect(address).await.unwrap();
    for piece in pieces {
        stream.write_all(piece.as_bytes()).await.unwrap();
        stream.flush().await.unwrap();
    }
    let mut answer = String::new();
    let read = tokio::time::timeout(LONG, stream.read_to_string(&mut answer)).await;
    read.expect("the server closes the connection").unwrap();
    answer
}

#[tokio::test]
async fn slow_senders_are_sent_away() {
    let limits = "header_timeout = '200ms'\nbody_timeout = '200ms'";
    let site = Site::start(Kafka::start(), limits, "").await;
    let head = format!("POST /feeds/a HTTP/1.1\r\nhost: x\r\nauthorization: Bearer {TOKEN_A}\r\n");
    for (name, pieces) in [
        ("half a head", vec!["POST /feeds/a HTTP/1.1\r\nhos"]),
        ("no body", vec![&head, "content-length: 5\r\n\r\n"]),
        ("half a body", vec![&head, "content-length: 5\r\n\r\nab"]),
        (
            "half a chunk",
            vec![&head, "transfer-encoding: chunked\r\n\r\n5\r\nab"],
        ),
    ] {
        let started = Instant::now();
        let answer = raw(site.address, &pieces).await;
        assert!(answer.starts_with("HTTP/1.1 408 "), "{name}: {answer}");
        assert!(
            answer.contains("urn:tidegate:problem:slow-client"),
            "{name}: {answer}"
        );
        assert!(started.elapsed() >= Duration::from_millis(200), "{name}");
    }
    // Who says nothing at all is owed no answer.
    assert_eq!(raw(site.address, &[]).await, "");
    let summary = site.running.stop().await.unwrap();
    assert_eq!(summary.feed("").refused, [(Refusal::SlowClient, 1)].into());
    assert_eq!(summary.feed("a").refused, [(Refusal::SlowClient, 3)].into());
    assert_eq!(site.kafka.values("topic-a"), [""; 0]);
}

#[tokio::test]
async fn a_drip_is_not_faster_than_nothing() {
    let site = Site::start(Kafka::start(), "body_timeout = '300ms'", "").await;
    let mut stream = TcpStream::connect(site.address).await.unwrap();
    let head = format!(
        "POST /feeds/a HTTP/1.1\r\nhost: x\r\nauthorization: Bearer {TOKEN_A}\r\n\
         content-length: 1000000\r\n\r\n"
    );
    stream.write_all(head.as_bytes()).await.unwrap();
    let (mut read, mut write) = stream.split();
    let mut answer = [0; 12];
    let dripping = async {
        loop {
            tokio::time::sleep(Duration::from_millis(20)).await;
            if write.write_all(b"x").await.is_err() {
                std::future::pending::<()>().await;
            }
        }
    };
    tokio::select! {
        read = tokio::time::timeout(LONG, read.read_exact(&mut answer)) => drop(read.unwrap().unwrap()),
        () = dripping => {}
    }
    assert_eq!(&answer, b"HTTP/1.1 408");
}

#[tokio::test]
async fn a_body_that_breaks_off_is_nothing() {
    let site = Site::start(Kafka::start(), "", "").await;
    let mut stream = TcpStream::connect(site.address).await.unwrap();
    let head = format!(
        "POST /feeds/a HTTP/1.1\r\nhost: x\r\nauthorization: Bearer {TOKEN_A}\r\n\
         content-length: 10\r\n\r\nhalf"
    );
    stream.write_all(head.as_bytes()).await.unwrap();
    stream.shutdown().await.unwrap();
    site.running
        .until("the refusal", |s| {
            s.feed("a").refused == [(Refusal::BrokenBody, 1)].into()
        })
        .await;
    assert_eq!(site.kafka.values("topic-a"), [""; 0]);
}

#[tokio::test]
async fn connections_are_bounded() {
    let site = Site::start(Kafka::start(), "connections_max = 2", "").await;
    let mut idle = Vec::new();
    for _ in 0..2 {
        idle.push(TcpStream::connect(site.address).await.unwrap());
    }
    let answer = raw(site.address, &["GET /healthz HTTP/1.1\r\nhost: x\r\n\r\n"]).await;
    assert!(answer.starts_with("HTTP/1.1 503 "), "{answer}");
    assert!(
        answer.contains("urn:tidegate:problem:too-many-connections"),
        "{answer}"
    );
    assert!(answer.contains("retry-after: 1\r\n"), "{answer}");
    assert_eq!(
        site.counts("").refused,
        [(Refusal::TooManyConnections, 1)].into()
    );
    // One that goes makes room.
    idle.pop();
    let healthy = async || {
        let sent = site
            .client
            .get(format!("http://{}/healthz", site.address))
            .send()
            .await;
        sent.is_ok_and(|response| response.status() == 200)
    };
    let waiting = async {
        while !healthy().await {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    };
    tokio::time::timeout(LONG, waiting).await.unwrap();
}

#[tokio::test]
async fn bodies_together_are_bounded() {
    let site = Site::start(
        Kafka::start(),
        "bodies_bytes_max = 4000",
        "bytes_max = 3000",
    )
    .await;
    // Holds 3,000 of the 4,000 bytes until it has sent the last one.
    let mut holder = TcpStream::connect(site.address).await.unwrap();
    let head = format!(
        "POST /feeds/a HTTP/1.1\r\nhost: x\r\nauthorization: Bearer {TOKEN_A}\r\n\
         content-length: 3000\r\n\r\n{}",
        "x".repeat(2999)
    );
    holder.write_all(head.as_bytes()).await.unwrap();
    let post = async || {
        let body = "y".repeat(2000);
        site.post("/feeds/a", TOKEN_A)
            .body(body)
            .send()
            .await
            .unwrap()
    };
    // Whether the holder's bytes have been read yet is not to be seen from here.
    let mut response = post().await;
    for _ in 0..1000 {
        if response.status() != 202 {
            break;
        }
        response = post().await;
    }
    let response = check(response, 503, "too-many-bytes").await;
    assert_eq!(response.headers()["retry-after"], "1");
    holder.write_all(b"x").await.unwrap();
    let mut answer = [0; 12];
    holder.read_exact(&mut answer).await.unwrap();
    assert_eq!(&answer, b"HTTP/1.1 202");
    assert_eq!(post().await.status(), 202);
}

#[tokio::test]
async fn a_record_that_kafka_never_takes_is_told_apart() {
    let small = [
        ("message.max.bytes", "1000"),
        ("delivery.timeout.ms", "2000"),
    ];
    let site = Site::start(Kafka::with(&small), "", "").await;
    let sent = site
        .post("/feeds/a", TOKEN_A)
        .body("x".repeat(2000))
        .send()
        .await;
    check(sent.unwrap(), 413, "too-large").await;
    assert_eq!(site.counts("a").refused, [(Refusal::TooLarge, 1)].into());
}

#[tokio::test]
async fn a_taken_port_is_an_error_with_its_address() {
    let site = Site::start(Kafka::start(), "", "").await;
    let folder = folder(&[("a.tokens", TOKEN_A)]);
    let text = format!(
        "[receive]\nlisten = '{}'\n[receive.feeds.a]\ntoken_file = 'a.tokens'",
        site.address
    );
    let ingest = tidegate_ingest::Ingest::new(
        plan(&text, folder.path()),
        std::sync::Arc::clone(&site.kafka.sink),
    );
    let error = ingest.receive(std::future::pending()).await.unwrap_err();
    let told = error.to_string();
    assert!(
        told.contains(&site.address.to_string()) && told.contains("receive.listen"),
        "{told}"
    );
}
