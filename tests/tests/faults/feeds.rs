//! `tidegate feed receive`, `poll` and `mqtt` while the only broker is killed and started again:
//! every message that a sender was told is accepted is counted once, however often it was stored.

use std::fmt::Write as _;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Instant;

use super::kafka::Kafka;
use super::product::Product;
use super::scenario::LONG;
use crate::support::{binary, free_port, stdout, wait_until, write_file};

/// Messages of a test, each one count of 1.
const MESSAGES: usize = 200;
/// After how many of them the broker is killed.
const BREAK_AT: usize = 60;

/// A pipeline of one feed in a folder of its own.
struct Pipeline {
    folder: tempfile::TempDir,
    bootstrap: String,
}

impl Pipeline {
    fn new(kafka: &Kafka, name: &str, ingest: &str) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let write = |file: &str, text: &str| write_file(folder.path(), file, text);
        // A topic of its own, so that a second run on the same broker begins anew.
        let topic = format!("feeds.{name}.{}", std::process::id());
        write(
            "pipeline.toml",
            "name = 'feeds'\nzone = 'UTC'\n[[window]]\nname = 'w'\nsize = '5m'\n",
        );
        write(
            "windows/w.sql",
            "SELECT site_id, sum(count) AS persons FROM observation GROUP BY site_id",
        );
        write(
            "feeds/gate.toml",
            &format!(
                "format = 'json'\ntopic = '{topic}'\nunknown_site = 'accept'\n\
                 out_of_orderness = '1h'\ndedup_within = '24h'\n"
            ),
        );
        write("tokens", "a-token-of-the-gate-1\n");
        write("ingest.toml", ingest);
        Self {
            folder,
            bootstrap: kafka.bootstrap(),
        }
    }

    fn path(&self) -> &Path {
        self.folder.path()
    }

    /// Starts `tidegate feed HOW`.
    fn feed(&self, how: &str) -> Product {
        let pipeline = self.path().to_str().unwrap();
        let args = ["feed", how, pipeline, "--bootstrap", &self.bootstrap];
        let args: Vec<String> = args.iter().map(|arg| (*arg).to_owned()).collect();
        Product::start(binary(), &args, &[], (self.path(), how))
    }

    /// What a run over the topic counts.
    fn summary(&self) -> serde_json::Value {
        let pipeline = self.path().to_str().unwrap();
        let text = stdout([
            "run",
            pipeline,
            "--bootstrap",
            &self.bootstrap,
            "--until-caught-up",
            "--no-publish",
            "--json",
        ]);
        serde_json::from_str(&text).unwrap()
    }

    /// Every message is counted, once.
    fn check(&self) {
        let summary = self.summary();
        let number = |name: &str| summary[name].as_u64().unwrap();
        assert_eq!(number("counted"), MESSAGES as u64, "{summary}");
        assert_eq!(number("late") + number("rejected"), 0, "{summary}");
    }
}

fn message(n: usize) -> String {
    let (minute, second) = (n / 60, n % 60);
    format!(
        r#"{{"id":"gate/{n}","site":"gate","start":"2026-03-01T08:{minute:02}:{second:02}Z","measure":"in","count":1}}"#
    )
}

/// Kills the broker and starts it again, beside the caller.
fn restart(kafka: &Kafka) {
    kafka.kill(1);
    kafka.start(1);
}

/// One request on a connection of its own; the status, or `None` where there is none.
fn post(port: u16, n: usize) -> Option<u16> {
    let mut stream = TcpStream::connect(("127.0.0.1", port)).ok()?;
    stream.set_read_timeout(Some(LONG)).ok()?;
    let body = message(n);
    let mut request = String::new();
    write!(
        request,
        "POST /feeds/gate HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\
         Authorization: Bearer a-token-of-the-gate-1\r\nIdempotency-Key: {n}\r\n\
         Content-Length: {}\r\n\r\n{body}",
        body.len()
    )
    .unwrap();
    stream.write_all(request.as_bytes()).ok()?;
    let mut line = String::new();
    BufReader::new(stream).read_line(&mut line).ok()?;
    line.split(' ').nth(1)?.parse().ok()
}

#[test]
fn real_what_is_received_counts_once_over_a_broker_restart() {
    let Some(kafka) = Kafka::one() else { return };
    let port = free_port();
    let ingest = format!(
        "[receive]\nlisten = '127.0.0.1:{port}'\nacknowledge_within = '2s'\n\
         [receive.feeds.gate]\ntoken_file = 'tokens'\nrequests_per_second = 10000\nburst = 10000\n"
    );
    let pipeline = Pipeline::new(&kafka, "receive", &ingest);
    let product = pipeline.feed("receive");
    let mut refused = 0;
    std::thread::scope(|scope| {
        let mut breaking = None;
        for n in 0..MESSAGES {
            if n == BREAK_AT {
                breaking = Some(scope.spawn(|| restart(&kafka)));
            }
            // A sender that is not told 202 sends again, under the same key.
            let accepted = wait_until(4 * LONG, || match post(port, n) {
                Some(202) => Some(()),
                Some(503) => {
                    refused += 1;
                    None
                }
                None => None,
                Some(status) => panic!("message {n} was answered {status}"),
            });
            assert!(accepted.is_some(), "message {n}: {}", product.output());
        }
        breaking.unwrap().join().unwrap();
    });
    drop(product);
    assert!(refused > 0, "the broker was never away");
    pipeline.check();
}

/// Answers each request with the next message, and 304 after the last one; counts them.
fn serve(listener: &TcpListener, served: &AtomicUsize) {
    for stream in listener.incoming() {
        let mut stream = stream.unwrap();
        let mut line = String::new();
        let mut head = BufReader::new(stream.try_clone().unwrap());
        while head.read_line(&mut line).unwrap_or(0) > 2 {
            line.clear();
        }
        let next = served.load(Ordering::SeqCst);
        let answer = if next < MESSAGES {
            let body = message(next);
            served.store(next + 1, Ordering::SeqCst);
            format!(
                "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: {}\r\n\
                 Connection: close\r\n\r\n{body}",
                body.len()
            )
        } else {
            "HTTP/1.1 304 Not Modified\r\nConnection: close\r\n\r\n".to_owned()
        };
        stream.write_all(answer.as_bytes()).unwrap();
    }
}

#[test]
fn real_what_is_polled_counts_once_over_a_broker_restart() {
    let Some(kafka) = Kafka::one() else { return };
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    let served = Arc::new(AtomicUsize::new(0));
    let shared = Arc::clone(&served);
    std::thread::spawn(move || serve(&listener, &shared));
    let ingest = format!("[poll.gate]\nurl = 'http://127.0.0.1:{port}/counts'\nevery = '1s'\n");
    // Polled once a second at most: a few are enough to have the broker away in their midst.
    let pipeline = Pipeline::new(&kafka, "poll", &ingest);
    let product = pipeline.feed("poll");
    let counted = || pipeline.summary()["counted"].as_u64().unwrap();
    let begun = wait_until(LONG, || (counted() >= 2).then_some(()));
    assert!(begun.is_some(), "{}", product.output());
    restart(&kafka);
    let back = counted();
    let goes_on = wait_until(4 * LONG, || (counted() >= back + 3).then_some(()));
    assert!(goes_on.is_some(), "{}", product.output());
    drop(product);
    let summary = pipeline.summary();
    let number = |name: &str| summary[name].as_u64().unwrap();
    assert_eq!(number("received"), number("counted") + number("duplicate"));
    // The last one may have been on its way when the command was killed.
    let served = served.load(Ordering::SeqCst) as u64;
    let counted = number("counted");
    assert!(
        counted == served || counted + 1 == served,
        "{served} were served: {summary}"
    );
}

/// A mosquitto without a password, on loopback; `None`, said aloud, where it is not installed.
struct Mosquitto {
    child: Child,
    port: u16,
    _folder: tempfile::TempDir,
}

impl Mosquitto {
    fn start() -> Option<Self> {
        let program = ["/usr/sbin/mosquitto", "mosquitto"]
            .into_iter()
            .find(|program| Command::new(program).arg("-h").output().is_ok());
        let Some(program) = program else {
            assert!(
                std::env::var_os("CI").is_none(),
                "in CI mosquitto must be there"
            );
            eprintln!("SKIPPED: no mosquitto; install Debian's package `mosquitto`");
            return None;
        };
        let folder = tempfile::tempdir().unwrap();
        let (settings, port): (PathBuf, u16) = (folder.path().join("mosquitto.conf"), free_port());
        let text =
            format!("listener {port} 127.0.0.1\nallow_anonymous true\nmax_queued_messages 0\n");
        std::fs::write(&settings, text).unwrap();
        let child = Command::new(program)
            .arg("-c")
            .arg(settings)
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let up = wait_until(LONG, || TcpStream::connect(("127.0.0.1", port)).ok());
        assert!(up.is_some(), "mosquitto does not listen");
        Some(Self {
            child,
            port,
            _folder: folder,
        })
    }
}

impl Drop for Mosquitto {
    fn drop(&mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }
}

/// A client of MQTT 3.1.1 that publishes with quality 1 and waits for each acknowledgement.
struct Publisher(TcpStream);

impl Publisher {
    fn connect(port: u16) -> Self {
        let mut stream = TcpStream::connect(("127.0.0.1", port)).unwrap();
        stream.set_read_timeout(Some(LONG)).unwrap();
        // CONNECT: protocol MQTT level 4, clean session, no keep-alive, client id `t`.
        stream
            .write_all(b"\x10\x0d\0\x04MQTT\x04\x02\0\0\0\x01t")
            .unwrap();
        let mut answer = [0; 4];
        stream.read_exact(&mut answer).unwrap();
        assert_eq!(answer, *b"\x20\x02\0\0", "CONNACK");
        Self(stream)
    }

    fn publish(&mut self, n: usize) {
        let id = u16::try_from(n + 1).unwrap().to_be_bytes();
        let body = [b"\0\x04gate".as_slice(), &id, message(n).as_bytes()].concat();
        // Up to 127 the length is one byte.
        let len = u8::try_from(body.len()).unwrap();
        assert!(len < 128, "a message of {len} bytes");
        let packet = [b"\x32".as_slice(), &[len], &body].concat();
        self.0.write_all(&packet).unwrap();
        let mut answer = [0; 4];
        self.0.read_exact(&mut answer).unwrap();
        assert_eq!(answer, [0x40, 2, id[0], id[1]], "PUBACK");
    }
}

#[test]
fn real_what_is_published_by_mqtt_counts_once_over_a_broker_restart() {
    let Some(kafka) = Kafka::one() else { return };
    let Some(mosquitto) = Mosquitto::start() else {
        return;
    };
    let port = mosquitto.port;
    let ingest = format!(
        "[mqtt.gate]\nhost = '127.0.0.1'\nport = {port}\nclient_id = 'tidegate-test'\ntopics = ['gate']\n"
    );
    let pipeline = Pipeline::new(&kafka, "mqtt", &ingest);
    // The subscription must be there first: the session keeps what comes later.
    let first = pipeline.feed("mqtt");
    let mut publisher = Publisher::connect(port);
    let counted = || pipeline.summary()["counted"].as_u64().unwrap();
    let begun = wait_until(LONG, || {
        // Before the subscription a message is nobody's; an id that comes again counts once.
        publisher.publish(0);
        (counted() > 0).then_some(())
    });
    assert!(begun.is_some(), "{}", first.output());
    std::thread::scope(|scope| {
        let mut breaking = None;
        for n in 1..MESSAGES {
            if n == BREAK_AT {
                breaking = Some(scope.spawn(|| restart(&kafka)));
            }
            publisher.publish(n);
        }
        breaking.unwrap().join().unwrap();
    });
    // The command is killed and started again too: the MQTT broker has kept what was not stored.
    drop(first);
    let second = pipeline.feed("mqtt");
    let started = Instant::now();
    let all = wait_until(4 * LONG, || (counted() >= MESSAGES as u64).then_some(()));
    assert!(
        all.is_some(),
        "after {:?}: {}",
        started.elapsed(),
        second.output()
    );
    drop(second);
    pipeline.check();
}
