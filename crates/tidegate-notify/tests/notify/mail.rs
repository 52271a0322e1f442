//! Mail through the channel and the service: a small server that records, and mailpit with TLS and a
//! login where it is there.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Mutex};
use std::time::Instant;

use serde_json::Value;
use tidegate_dispatch::{Notice, NoticeKind};
use tidegate_notify::{Environment, KeptState, Outcome};
use tokio::io::{AsyncBufReadExt as _, AsyncReadExt as _, AsyncWriteExt as _, BufReader};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinHandle;

use crate::support::{LONG, Place, notice, write_secret};

/// An SMTP server that takes everything and records it, until dropped.
pub(crate) struct Post {
    pub(crate) port: u16,
    letters: Arc<Mutex<Vec<String>>>,
    task: JoinHandle<()>,
}

impl Drop for Post {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl Post {
    pub(crate) async fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let letters = Arc::new(Mutex::new(Vec::new()));
        let log = Arc::clone(&letters);
        let task = tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                tokio::spawn(talk(stream, Arc::clone(&log)));
            }
        });
        Self {
            port,
            letters,
            task,
        }
    }

    pub(crate) fn letters(&self) -> Vec<String> {
        self.letters.lock().unwrap().clone()
    }
}

async fn talk(stream: TcpStream, log: Arc<Mutex<Vec<String>>>) {
    let (read, mut write) = stream.into_split();
    let mut lines = BufReader::new(read).lines();
    let mut letter: Option<String> = None;
    drop(write.write_all(b"220 post\r\n").await);
    while let Ok(Some(line)) = lines.next_line().await {
        let reply = match &mut letter {
            Some(text) if line == "." => {
                log.lock().unwrap().push(text.clone());
                letter = None;
                "250 taken\r\n"
            }
            Some(text) => {
                text.push_str(&line);
                text.push('\n');
                continue;
            }
            None if line == "DATA" => {
                letter = Some(String::new());
                "354 go on\r\n"
            }
            None => "250 ok\r\n",
        };
        if write.write_all(reply.as_bytes()).await.is_err() {
            break;
        }
    }
}

fn toml(port: u16, lines: &str) -> String {
    format!(
        "[[channel]]\nname = 'c'\nkind = 'smtp'\nhost = 'localhost'\nport = {port}\n\
         from = 't@cdc.example'\nto = ['duty@cdc.example']\n\
         retry = {{ tries = 3, first = '10ms', longest = '20ms' }}\n{lines}"
    )
}

fn summary() -> Notice {
    let mut notice = notice("n-sum", "x");
    notice.alerts.clear();
    notice.kind = NoticeKind::Summary;
    notice.to = vec!["chief@cdc.example".to_owned(), "nobody".to_owned()];
    notice.title_zh = Some("日报".to_owned());
    notice.title_en = Some("Day summary".to_owned());
    notice.text_zh = Some("共三条告警。".to_owned());
    notice.text_en = Some("Three alerts in all.".to_owned());
    notice
}

#[tokio::test]
async fn alerts_and_summaries_are_mailed_once() {
    let post = Post::start().await;
    let place = Place::new();
    let lines = "tls = 'none'\nallow_internal = ['localhost']\nlanguages = ['en']\n";
    let running = place.start(&toml(post.port, lines)).await;
    place.accept(&[notice("n-1", "a"), summary()]).await;
    for id in ["n-1", "n-sum"] {
        assert_eq!(place.settled(id).await.0.state, KeptState::Delivered);
    }
    running.stop().await;
    let mut letters = post.letters();
    letters.sort_by_key(|letter| letter.contains("n-sum"));
    assert_eq!(letters.len(), 2);
    assert!(
        letters[0].contains("Message-ID: <n-1@cdc.example>"),
        "{}",
        letters[0]
    );
    assert!(letters[0].contains("To: duty@cdc.example"));
    assert!(
        letters[1].contains("Subject: Day summary"),
        "{}",
        letters[1]
    );
    assert!(letters[1].contains("To: chief@cdc.example"));
    assert!(letters[1].contains("Three alerts in all."));
}

#[tokio::test]
async fn a_mail_server_inside_has_to_be_named() {
    let post = Post::start().await;
    let place = Place::new();
    let running = place.start(&toml(post.port, "")).await;
    place.accept(&[notice("n-1", "a")]).await;
    let (kept, attempts) = place.settled("n-1").await;
    running.stop().await;
    assert_eq!(attempts.len(), 3);
    let why = kept.why.unwrap();
    assert!(
        why.contains("a loopback address") && why.contains("allow_internal"),
        "{why}"
    );
    assert!(post.letters().is_empty());
}

/// Mailpit, until dropped.
struct Mailpit {
    child: Child,
    smtp: u16,
    api: SocketAddr,
}

impl Drop for Mailpit {
    fn drop(&mut self) {
        drop(self.child.kill());
        drop(self.child.wait());
    }
}

/// `TIDEGATE_TEST_MAILPIT`, else what is on the path or in `~/go/bin`.
fn program() -> Option<PathBuf> {
    if let Some(named) = std::env::var_os("TIDEGATE_TEST_MAILPIT") {
        return Some(PathBuf::from(named));
    }
    let path = std::env::var_os("PATH").unwrap_or_default();
    let mut folders: Vec<PathBuf> = std::env::split_paths(&path).collect();
    folders.extend(std::env::var_os("HOME").map(|home| PathBuf::from(home).join("go/bin")));
    let mut files = folders.into_iter().map(|folder| folder.join("mailpit"));
    files.find(|file| file.is_file())
}

async fn free_port() -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    listener.local_addr().unwrap().port()
}

impl Mailpit {
    /// With STARTTLS by a certificate that it makes itself, `ca.pem`, and the login of `duty`.
    async fn start(place: &Place) -> Option<Self> {
        let Some(program) = program() else {
            eprintln!("SKIPPED: no mailpit; set TIDEGATE_TEST_MAILPIT");
            return None;
        };
        let folder = place.folder.path();
        let made = rcgen::generate_simple_self_signed(vec!["localhost".to_owned()]).unwrap();
        std::fs::write(folder.join("ca.pem"), made.cert.pem()).unwrap();
        std::fs::write(folder.join("key.pem"), made.signing_key.serialize_pem()).unwrap();
        std::fs::write(folder.join("logins"), "duty:right\n").unwrap();
        let (smtp, api) = (free_port().await, free_port().await);
        let child = Command::new(program)
            .args([
                "--listen",
                &format!("127.0.0.1:{api}"),
                "--disable-version-check",
            ])
            .args([
                "--smtp",
                &format!("127.0.0.1:{smtp}"),
                "--smtp-require-starttls",
            ])
            .args(["--database".as_ref(), folder.join("mail.db").as_os_str()])
            .args([
                "--smtp-auth-file".as_ref(),
                folder.join("logins").as_os_str(),
            ])
            .args([
                "--smtp-tls-cert".as_ref(),
                folder.join("ca.pem").as_os_str(),
            ])
            .args([
                "--smtp-tls-key".as_ref(),
                folder.join("key.pem").as_os_str(),
            ])
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let api = SocketAddr::from(([127, 0, 0, 1], api));
        let started = Instant::now();
        while TcpStream::connect(api).await.is_err()
            || TcpStream::connect(("127.0.0.1", smtp)).await.is_err()
        {
            assert!(started.elapsed() < LONG, "mailpit does not listen");
            tokio::time::sleep(std::time::Duration::from_millis(20)).await;
        }
        Some(Self { child, smtp, api })
    }

    async fn get(&self, path: &str) -> Value {
        let mut stream = TcpStream::connect(self.api).await.unwrap();
        let request = format!("GET {path} HTTP/1.0\r\nHost: localhost\r\n\r\n");
        stream.write_all(request.as_bytes()).await.unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).await.unwrap();
        serde_json::from_str(answer.split_once("\r\n\r\n").unwrap().1).unwrap()
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn real_mailpit_gets_mail_from_the_service() {
    let place = Place::new();
    let Some(mailpit) = Mailpit::start(&place).await else {
        return;
    };
    let password = place.folder.path().join("password");
    write_secret(&password, "wrong");
    let lines = "username = 'duty'\npassword_file = 'password'\nca_file = 'ca.pem'\n\
                 allow_internal = ['localhost']\n";
    let toml = toml(mailpit.smtp, lines);
    let channels = place.channels(&toml);
    let tried = channels.test("c", &Environment::system()).await.unwrap();
    assert!(tried.outcome.why().contains("535"), "{tried:?}");
    // The file is read again.
    write_secret(&password, "right");
    let tried = channels.test("c", &Environment::system()).await.unwrap();
    assert_eq!(tried.outcome, Outcome::Delivered);
    let running = place.start_with(channels).await;
    place.accept(&[notice("n-1", "a"), summary()]).await;
    for id in ["n-1", "n-sum"] {
        assert_eq!(place.settled(id).await.0.state, KeptState::Delivered);
    }
    running.stop().await;
    let list = mailpit.get("/api/v1/messages").await;
    assert_eq!(list["total"], 3, "{list}");
    let subjects: Vec<&str> = list["messages"]
        .as_array()
        .unwrap()
        .iter()
        .map(|message| message["Subject"].as_str().unwrap())
        .collect();
    assert!(
        subjects.contains(&"日报") && subjects.contains(&"[警告] 东市场拥挤"),
        "{subjects:?}"
    );
    eprintln!("mailpit: three mails, each once");
}
