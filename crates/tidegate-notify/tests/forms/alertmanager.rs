//! What a real Alertmanager sends to a webhook is read.
//!
//! `TIDEGATE_TEST_ALERTMANAGER` names the program (package `prometheus-alertmanager`), else it is
//! looked for on the path; without it the test says so and is skipped.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use serde_json::json;
use tidegate_notify::form::alertmanager_webhook::{ExternalGroup, ReadLimits, read};

use crate::fixtures::{free_port, program};

struct Alertmanager {
    child: Child,
    port: u16,
    _files: tempfile::TempDir,
}

impl Drop for Alertmanager {
    fn drop(&mut self) {
        self.child.kill().ok();
        self.child.wait().ok();
    }
}

impl Alertmanager {
    fn start(program: &std::path::Path, webhook: u16) -> Self {
        let files = tempfile::tempdir().unwrap();
        let port = free_port();
        let config = files.path().join("am.yml");
        let text = json!({
            "route": { "receiver": "tidegate", "group_by": ["alertname"], "group_wait": "0s",
                "group_interval": "1s", "repeat_interval": "1h" },
            "receivers": [{ "name": "tidegate", "webhook_configs": [{
                "url": format!("http://127.0.0.1:{webhook}/"), "send_resolved": true, "max_alerts": 2 }] }],
        });
        // JSON is YAML.
        std::fs::write(&config, text.to_string()).unwrap();
        let child = Command::new(program)
            .arg(format!("--config.file={}", config.display()))
            .arg(format!("--storage.path={}", files.path().display()))
            .arg(format!("--web.listen-address=127.0.0.1:{port}"))
            .arg("--cluster.listen-address=")
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let start = Instant::now();
        while TcpStream::connect(("127.0.0.1", port)).is_err() {
            assert!(
                start.elapsed() < Duration::from_mins(1),
                "it does not listen"
            );
            std::thread::yield_now();
        }
        Self {
            child,
            port,
            _files: files,
        }
    }

    fn push(&self, alerts: &serde_json::Value) {
        let body = alerts.to_string();
        let mut stream = TcpStream::connect(("127.0.0.1", self.port)).unwrap();
        let head = format!(
            "POST /api/v2/alerts HTTP/1.0\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: {}\r\n\r\n",
            body.len()
        );
        stream.write_all((head + &body).as_bytes()).unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).unwrap();
        assert!(answer.starts_with("HTTP/1.0 200"), "{answer}");
    }
}

fn accept(listener: &TcpListener) -> TcpStream {
    listener.set_nonblocking(true).unwrap();
    let start = Instant::now();
    loop {
        if let Ok((stream, _)) = listener.accept() {
            stream.set_nonblocking(false).unwrap();
            return stream;
        }
        assert!(start.elapsed() < Duration::from_mins(1), "nothing arrives");
        std::thread::yield_now();
    }
}

/// The next payload that arrives.
fn receive(listener: &TcpListener) -> ExternalGroup {
    let mut stream = accept(listener);
    let mut reader = BufReader::new(stream.try_clone().unwrap());
    let mut length = 0;
    loop {
        let mut line = String::new();
        reader.read_line(&mut line).unwrap();
        if line.trim().is_empty() {
            break;
        }
        if let Some(value) = line.to_lowercase().strip_prefix("content-length:") {
            length = value.trim().parse().unwrap();
        }
    }
    let mut body = vec![0; length];
    reader.read_exact(&mut body).unwrap();
    stream
        .write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\nConnection: close\r\n\r\n")
        .unwrap();
    read(&body, ReadLimits::default()).unwrap()
}

#[test]
fn real_alertmanager_is_read() {
    let Some(program) = program("TIDEGATE_TEST_ALERTMANAGER", "prometheus-alertmanager") else {
        println!("skipped: no Alertmanager; set TIDEGATE_TEST_ALERTMANAGER");
        return;
    };
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let alertmanager = Alertmanager::start(&program, listener.local_addr().unwrap().port());
    let alert = |instance: &str, end: &str| {
        json!({ "labels": { "alertname": "HostDown", "instance": instance },
            "annotations": { "summary": "主机离线 \"x\"" }, "startsAt": "2026-01-02T03:04:05.678Z",
            "endsAt": end, "generatorURL": "http://prometheus.example/graph" })
    };
    let all = |end: &str| json!(["a", "b", "c"].map(|name| alert(name, end)));
    alertmanager.push(&all("2999-01-01T00:00:00Z"));
    let group = receive(&listener);
    assert_eq!((group.alerts.len(), group.truncated), (2, 1));
    assert_eq!(group.receiver, "tidegate");
    let first = &group.alerts[0];
    assert!(first.is_firing && first.ends_at.is_none());
    assert_eq!(first.starts_at.to_string(), "2026-01-02T03:04:05.678Z");
    assert_eq!(first.annotations["summary"], "主机离线 \"x\"");
    assert_eq!(first.fingerprint.len(), 16);

    alertmanager.push(&all("2026-01-02T04:00:00Z"));
    let group = receive(&listener);
    assert!(!group.alerts[0].is_firing);
    assert_eq!(group.alerts[0].fingerprint, first.fingerprint);
    println!("Alertmanager: firing and resolved payloads were read");
}
