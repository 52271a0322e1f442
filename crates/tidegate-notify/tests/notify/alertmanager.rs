//! A real Alertmanager: pushes, groups, ends, silences, and reminders that keep alerts alive.

use std::collections::BTreeSet;
use std::fs::{self, File};
use std::net::TcpListener;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use jiff::Timestamp;
use serde_json::{Value, json};
use tempfile::TempDir;
use tidegate_notify::{Environment, KeptState, Outcome};

use crate::server::{Server, answer};
use crate::support::{LONG, Place, alert, notice, until};

/// An Alertmanager on a free port of loopback, until dropped.
struct Alertmanager {
    folder: TempDir,
    port: u16,
    child: Child,
}

impl Alertmanager {
    /// It tells its own receiver, at this URL. `None`, said aloud, where it is not installed.
    fn start(receiver: &str) -> Option<Self> {
        let binary = ["prometheus-alertmanager", "alertmanager"]
            .into_iter()
            .find(|name| Command::new(name).arg("--version").output().is_ok());
        let Some(binary) = binary else {
            let ci = std::env::var_os("CI").is_some();
            assert!(!ci, "in CI an Alertmanager must be there");
            eprintln!("SKIPPED: no Alertmanager; install Debian's prometheus-alertmanager");
            return None;
        };
        let folder = tempfile::tempdir().unwrap();
        let settings = format!(
            "global:\n  resolve_timeout: 5m\nroute:\n  receiver: r\n  group_by: [rule]\n  \
             group_wait: 200ms\n  group_interval: 500ms\n  repeat_interval: 4h\nreceivers:\n  \
             - name: r\n    webhook_configs:\n      - url: {receiver}\n"
        );
        fs::write(folder.path().join("am.yml"), settings).unwrap();
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        drop(listener);
        let child = spawn(binary, &folder, port);
        Some(Self {
            folder,
            port,
            child,
        })
    }

    /// Waits until it answers.
    async fn ready(mut self) -> Self {
        let started = Instant::now();
        while self.request("GET", "/-/ready", "").await.is_none() {
            let log = || fs::read_to_string(self.folder.path().join("log")).unwrap();
            assert!(
                self.child.try_wait().unwrap().is_none(),
                "it ended: {}",
                log()
            );
            assert!(started.elapsed() < LONG, "it does not answer: {}", log());
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        self
    }

    fn toml(&self, lines: &str) -> String {
        format!(
            "[[channel]]\nname = 'c'\nkind = 'alertmanager'\nurl = 'http://127.0.0.1:{0}'\n\
             allow_internal = ['127.0.0.1:{0}']\n{lines}",
            self.port
        )
    }

    /// The body of an answer that says yes.
    async fn request(&self, method: &str, target: &str, body: &str) -> Option<String> {
        use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
        let mut stream = tokio::net::TcpStream::connect(("127.0.0.1", self.port))
            .await
            .ok()?;
        let head = format!(
            "{method} {target} HTTP/1.0\r\ncontent-type: application/json\r\n\
             content-length: {}\r\n\r\n{body}",
            body.len()
        );
        stream.write_all(head.as_bytes()).await.ok()?;
        let mut text = String::new();
        stream.read_to_string(&mut text).await.ok()?;
        let (head, body) = text.split_once("\r\n\r\n")?;
        head.split(' ')
            .nth(1)?
            .starts_with('2')
            .then(|| body.to_owned())
    }

    async fn alerts(&self) -> Vec<Value> {
        let body = self.request("GET", "/api/v2/alerts", "").await.unwrap();
        serde_json::from_str(&body).unwrap()
    }
}

fn spawn(binary: &str, folder: &TempDir, port: u16) -> Child {
    let log = File::create(folder.path().join("log")).unwrap();
    Command::new(binary)
        .arg(format!(
            "--config.file={}",
            folder.path().join("am.yml").display()
        ))
        .arg(format!(
            "--storage.path={}",
            folder.path().join("data").display()
        ))
        .arg(format!("--web.listen-address=127.0.0.1:{port}"))
        .arg("--cluster.listen-address=")
        .stdout(Stdio::from(log.try_clone().unwrap()))
        .stderr(Stdio::from(log))
        .spawn()
        .unwrap()
}

impl Drop for Alertmanager {
    fn drop(&mut self) {
        // It may have ended by itself.
        drop(self.child.kill());
        drop(self.child.wait());
    }
}

/// What the Alertmanager told its receiver: status of the group, subjects with their own.
fn told(server: &Server) -> Vec<(String, BTreeSet<(String, String)>)> {
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let one = |body: Value| {
        let alerts = body["alerts"].as_array().unwrap().iter();
        let pair = |alert: &Value| (text(&alert["labels"]["subject"]), text(&alert["status"]));
        (text(&body["status"]), alerts.map(pair).collect())
    };
    server
        .requests()
        .iter()
        .map(|seen| one(seen.json()))
        .collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_real_alertmanager_gets_groups_ends_and_silences() {
    let receiver = Server::start(|_, _| answer(200, "", "")).await;
    let Some(alertmanager) = Alertmanager::start(&receiver.url("/")) else {
        return;
    };
    let alertmanager = alertmanager.ready().await;
    let place = Place::new();
    let running = place.start(&alertmanager.toml("resend = '1s'\n")).await;
    let mut both = notice("n-1", "a");
    both.alerts.push(alert("b", "firing", "watch"));
    place.accept(&[both.clone()]).await;
    assert_eq!(place.settled("n-1").await.0.state, KeptState::Delivered);
    // One group of two.
    until("both are told", || {
        told(&receiver).iter().any(|(_, alerts)| alerts.len() == 2)
    })
    .await;
    let alerts = alertmanager.alerts().await;
    assert_eq!(alerts.len(), 2);
    let severities: Vec<&str> = alerts
        .iter()
        .map(|a| a["annotations"]["severity"].as_str().unwrap())
        .collect();
    assert!(severities.contains(&"warning") && severities.contains(&"watch"));
    assert_eq!(alerts[0]["labels"]["grid_unit"], "g-1");
    assert_eq!(alerts[0]["annotations"]["title_zh"], "东市场拥挤");
    // Told again in time: three times the resend is 3 s, and after 4 s both still stand.
    tokio::time::sleep(Duration::from_secs(4)).await;
    assert_eq!(alertmanager.alerts().await.len(), 2);
    assert!(running.counters.totals().channel("c").reminders >= 3);
    worsen(&alertmanager, &place).await;
    // Both end, and the receiver hears of it once the group's wait is over.
    let mut end = notice("n-3", "a");
    end.alerts[0].record.severity = "critical".to_owned();
    end.alerts.push(alert("b", "firing", "watch"));
    for alert in &mut end.alerts {
        alert.record.state = "resolved".to_owned();
    }
    place.accept(&[end]).await;
    place.settled("n-3").await;
    until("the end is told", || {
        told(&receiver)
            .iter()
            .any(|(status, _)| status == "resolved")
    })
    .await;
    assert!(alertmanager.alerts().await.is_empty());
    silence(&alertmanager).await;
    let before = receiver.requests().len();
    place.accept(&[notice("n-4", "quiet")]).await;
    place.settled("n-4").await;
    tokio::time::sleep(Duration::from_secs(2)).await;
    let alerts = alertmanager.alerts().await;
    assert_eq!(alerts[0]["status"]["state"], "suppressed");
    assert!(
        !told(&receiver)[before..]
            .iter()
            .any(|(_, alerts)| alerts.iter().any(|(subject, _)| subject == "market-quiet"))
    );
    running.stop().await;
}

/// One goes up a step: it is the same alert, with another annotation.
async fn worsen(alertmanager: &Alertmanager, place: &Place) {
    let mut worse = notice("n-2", "a");
    "critical".clone_into(&mut worse.alerts[0].record.severity);
    place.accept(&[worse]).await;
    place.settled("n-2").await;
    let started = Instant::now();
    loop {
        let severities: BTreeSet<String> = alertmanager
            .alerts()
            .await
            .iter()
            .map(|alert| {
                alert["annotations"]["severity"]
                    .as_str()
                    .unwrap()
                    .to_owned()
            })
            .collect();
        let wanted = ["critical", "watch"].map(str::to_owned);
        if severities == BTreeSet::from(wanted) {
            break;
        }
        assert!(started.elapsed() < LONG, "{severities:?}");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

async fn silence(alertmanager: &Alertmanager) {
    let now = Timestamp::now();
    let silence = json!({
        "matchers": [{"name": "subject", "value": "market-quiet", "isRegex": false, "isEqual": true}],
        "startsAt": now, "endsAt": now + Duration::from_mins(10),
        "createdBy": "test", "comment": "test",
    });
    let made = alertmanager
        .request("POST", "/api/v2/silences", &silence.to_string())
        .await;
    assert!(made.is_some());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_real_alertmanager_takes_a_test_and_many_at_once() {
    let receiver = Server::start(|_, _| answer(200, "", "")).await;
    let Some(alertmanager) = Alertmanager::start(&receiver.url("/")) else {
        return;
    };
    let alertmanager = alertmanager.ready().await;
    let place = Place::new();
    let channels = place.channels(&alertmanager.toml(""));
    let tried = channels.test("c", &Environment::system()).await.unwrap();
    assert_eq!(
        (tried.outcome, tried.status),
        (Outcome::Delivered, Some(200))
    );
    assert_eq!(
        alertmanager.alerts().await[0]["labels"]["alertname"],
        "TidegateTest"
    );
    // A restart tells at once all that stands.
    let mut many = notice("n-1", "0");
    many.alerts = (0..1_200)
        .map(|n| alert(&n.to_string(), "firing", "watch"))
        .collect();
    place.accept(&[]).await;
    let running = place.start_with(channels).await;
    place.accept(&[many]).await;
    place.settled("n-1").await;
    assert_eq!(alertmanager.alerts().await.len(), 1_201);
    running.stop().await;
    let other = Alertmanager::start(&receiver.url("/"))
        .unwrap()
        .ready()
        .await;
    let running = place.start(&other.toml("")).await;
    let counters = running.counters.clone();
    until("it is reminded", || {
        counters.totals().channel("c").reminders == 1
    })
    .await;
    assert_eq!(other.alerts().await.len(), 1_200);
    running.stop().await;
}
