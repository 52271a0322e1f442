//! Mail through a real SMTP server: mailpit with STARTTLS and a login.
//!
//! `TIDEGATE_TEST_MAILPIT` names the program (`go install github.com/axllent/mailpit@v1.27.11`),
//! else it is looked for on the path and in `~/go/bin`; without it the test says so and is skipped.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use serde_json::Value;
use tidegate_notify::form::answer::Answer;
use tidegate_notify::form::mail::{Mail, MailConfig, mail};
use tidegate_notify::smtp::{SmtpConfig, SmtpError, SmtpLogin, SmtpSender, SmtpTls};

use crate::fixtures::*;

/// A server of our own, until dropped.
struct Mailpit {
    child: Child,
    smtp: u16,
    api: SocketAddr,
    root_pem: Vec<u8>,
    _files: tempfile::TempDir,
}

impl Drop for Mailpit {
    fn drop(&mut self) {
        self.child.kill().ok();
        self.child.wait().ok();
    }
}

impl Mailpit {
    fn start(program: &Path, tls: SmtpTls) -> Self {
        let files = tempfile::tempdir().unwrap();
        let made = rcgen::generate_simple_self_signed(vec!["localhost".to_owned()]).unwrap();
        let path = |name: &str| files.path().join(name);
        std::fs::write(path("cert.pem"), made.cert.pem()).unwrap();
        std::fs::write(path("key.pem"), made.signing_key.serialize_pem()).unwrap();
        std::fs::write(path("logins"), "duty:right-password\n").unwrap();
        let (smtp, api) = (free_port(), free_port());
        let mut command = Command::new(program);
        command
            .args([
                "--listen",
                &format!("127.0.0.1:{api}"),
                "--smtp",
                &format!("127.0.0.1:{smtp}"),
            ])
            .arg("--disable-version-check")
            .args(["--database".as_ref(), path("mail.db").as_os_str()])
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null());
        if tls != SmtpTls::None {
            command
                .args(["--smtp-auth-file".as_ref(), path("logins").as_os_str()])
                .args(["--smtp-tls-cert".as_ref(), path("cert.pem").as_os_str()])
                .args(["--smtp-tls-key".as_ref(), path("key.pem").as_os_str()])
                .arg(match tls {
                    SmtpTls::Wrapped => "--smtp-require-tls",
                    _ => "--smtp-require-starttls",
                });
        }
        let server = Self {
            child: command.spawn().unwrap(),
            smtp,
            api: SocketAddr::from(([127, 0, 0, 1], api)),
            root_pem: made.cert.pem().into_bytes(),
            _files: files,
        };
        let start = Instant::now();
        while TcpStream::connect(server.api).is_err()
            || TcpStream::connect(("127.0.0.1", smtp)).is_err()
        {
            assert!(
                start.elapsed() < Duration::from_mins(1),
                "mailpit does not listen"
            );
            std::thread::yield_now();
        }
        server
    }

    fn config(&self, password: &str) -> SmtpConfig {
        SmtpConfig {
            port: Some(self.smtp),
            login: Some(SmtpLogin::new("duty", password)),
            roots_pem: Some(self.root_pem.clone()),
            ..SmtpConfig::new("localhost")
        }
    }

    fn get(&self, path: &str) -> Value {
        let mut stream = TcpStream::connect(self.api).unwrap();
        write!(stream, "GET {path} HTTP/1.0\r\nHost: localhost\r\n\r\n").unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).unwrap();
        let (_, body) = answer.split_once("\r\n\r\n").unwrap();
        serde_json::from_str(body).unwrap()
    }
}

fn a_mail() -> Mail {
    let mut config = MailConfig::new("Tidegate <tidegate@cdc.example>").unwrap();
    config.to = vec![
        "duty@cdc.example".to_owned(),
        "second@cdc.example".to_owned(),
    ];
    let notice = notice(
        tidegate_dispatch::NoticeKind::Alert,
        vec![alert(record(), TOLD)],
    );
    mail(&notice, &config).unwrap()
}

fn send(config: &SmtpConfig) -> Answer {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap();
    let sender = SmtpSender::new(config).unwrap();
    runtime.block_on(sender.send(&a_mail()))
}

fn retry_with(answer: Answer, word: &str) {
    assert!(
        matches!(&answer, Answer::Retry { reason } if reason.to_lowercase().contains(word)),
        "{answer:?} has no {word:?}"
    );
}

#[test]
fn real_mailpit_takes_and_refuses() {
    let Some(program) = program("TIDEGATE_TEST_MAILPIT", "mailpit") else {
        println!("skipped: no mailpit; set TIDEGATE_TEST_MAILPIT");
        return;
    };
    let server = Mailpit::start(&program, SmtpTls::StartTls);
    assert_eq!(send(&server.config("right-password")), Answer::DELIVERED);
    let list = server.get("/api/v1/messages");
    assert_eq!(list["total"], 1);
    let id = list["messages"][0]["ID"].as_str().unwrap();
    let message = server.get(&format!("/api/v1/message/{id}"));
    assert_eq!(message["MessageID"], "n-7c2f@cdc.example");
    assert_eq!(message["To"].as_array().unwrap().len(), 2);
    assert_eq!(message["Subject"], "[警告] 东门市场人群密度过高");
    assert!(
        message["Text"]
            .as_str()
            .unwrap()
            .contains("Hold people at the gates")
    );
    let html = message["HTML"].as_str().unwrap();
    assert!(html.contains("请在入口限流") && html.contains("East Gate Market is too dense"));
    let headers = server.get(&format!("/api/v1/message/{id}/headers"));
    assert_eq!(headers["In-Reply-To"][0], "<n-first@cdc.example>");
    assert_eq!(headers["Auto-Submitted"][0], "auto-generated");

    let answer = send(&server.config("wrong"));
    assert!(
        matches!(&answer, Answer::Refused { reason } if reason.contains("535")),
        "{answer:?}"
    );
    let no_login = SmtpConfig {
        login: None,
        ..server.config("")
    };
    assert!(matches!(send(&no_login), Answer::Refused { .. }));
    let no_tls = SmtpConfig {
        login: None,
        tls: SmtpTls::None,
        ..server.config("")
    };
    assert!(matches!(send(&no_tls), Answer::Refused { .. }));
    let stranger = SmtpConfig {
        roots_pem: None,
        ..server.config("right-password")
    };
    retry_with(send(&stranger), "certificate");
    assert_eq!(server.get("/api/v1/messages")["total"], 1);

    let plain = Mailpit::start(&program, SmtpTls::None);
    let starttls = SmtpConfig {
        login: None,
        ..plain.config("")
    };
    retry_with(send(&starttls), "starttls");
    assert_eq!(plain.get("/api/v1/messages")["total"], 0);
    let trusted = SmtpConfig {
        tls: SmtpTls::None,
        ..starttls
    };
    assert_eq!(send(&trusted), Answer::DELIVERED);

    let wrapped = Mailpit::start(&program, SmtpTls::Wrapped);
    let config = SmtpConfig {
        tls: SmtpTls::Wrapped,
        ..wrapped.config("right-password")
    };
    assert_eq!(send(&config), Answer::DELIVERED);

    let gone = server.config("right-password");
    drop(server);
    retry_with(send(&gone), "refused");
    println!("mailpit: delivered, refused and retried as they should be");
}

/// Answers each line of a dialogue with the next of `script`, then closes.
fn scripted(script: &'static [&'static str]) -> SmtpConfig {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            let mut stream = stream.unwrap();
            let mut input = vec![0; 64 * 1024];
            for line in script {
                if stream.write_all(line.as_bytes()).is_err()
                    || stream.read(&mut input).unwrap_or(0) == 0
                {
                    break;
                }
            }
        }
    });
    SmtpConfig {
        port: Some(port),
        tls: SmtpTls::None,
        timeout: Duration::from_millis(500),
        ..SmtpConfig::new("127.0.0.1")
    }
}

#[test]
fn what_servers_say_decides() {
    let busy = scripted(&["220 x\r\n", "250 x\r\n", "451 try later\r\n"]);
    retry_with(send(&busy), "451");
    let no = scripted(&["220 x\r\n", "250 x\r\n", "250 from\r\n", "554 no\r\n"]);
    assert!(matches!(send(&no), Answer::Refused { .. }));
    let greeting = scripted(&["421 too many connections\r\n"]);
    retry_with(send(&greeting), "421");
    let nonsense = scripted(&["hello\r\n"]);
    assert!(matches!(send(&nonsense), Answer::Retry { .. }));
    let silent = scripted(&[]);
    assert!(matches!(send(&silent), Answer::Retry { .. }));
    // The first address is refused with the others, then each alone: both are unknown.
    let unknown = scripted(&[
        "220 x\r\n",
        "250 x\r\n",
        "250 from\r\n",
        "550 no such user\r\n",
    ]);
    let answer = send(&unknown);
    assert!(
        matches!(&answer, Answer::Refused { reason } if reason.contains("duty@") && reason.contains("second@")),
        "{answer:?}"
    );
}

/// A server that knows everyone but `second@…`.
fn choosy() -> SmtpConfig {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            let mut out = stream.unwrap();
            let mut lines = BufReader::new(out.try_clone().unwrap()).lines();
            let mut reply = Some("220 x");
            let mut in_data = false;
            while let Some(words) = reply {
                out.write_all(format!("{words}\r\n").as_bytes()).unwrap();
                reply = lines.find_map(|line| {
                    let line = line.ok()?;
                    if in_data && line != "." {
                        return None;
                    }
                    in_data = line == "DATA";
                    Some(match line.as_str() {
                        "DATA" => "354 go on",
                        line if line.contains("second@") => "550 no such user",
                        _ => "250 ok",
                    })
                });
            }
        }
    });
    SmtpConfig {
        port: Some(port),
        tls: SmtpTls::None,
        ..SmtpConfig::new("127.0.0.1")
    }
}

#[test]
fn one_who_left_does_not_keep_the_mail_from_the_others() {
    let answer = send(&choosy());
    assert!(
        matches!(&answer, Answer::Delivered { note: Some(note) } if note.starts_with("second@cdc.example: ")),
        "{answer:?}"
    );
}

#[test]
fn passwords_are_read_from_files_and_never_shown() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("secret");
    std::fs::write(&path, "pass word\r\n").unwrap();
    let login = SmtpLogin::from_file("duty", &path).unwrap();
    assert!(!format!("{login:?}").contains("pass word"));
    std::fs::write(&path, "\n").unwrap();
    let empty = SmtpLogin::from_file("duty", &path).unwrap_err().to_string();
    assert!(
        empty.contains("secret") && empty.ends_with("it is empty"),
        "{empty}"
    );
    assert!(SmtpLogin::from_file("duty", &folder.path().join("none")).is_err());
    let in_clear = SmtpConfig {
        tls: SmtpTls::None,
        login: Some(login),
        ..SmtpConfig::new("x")
    };
    assert!(matches!(
        SmtpSender::new(&in_clear),
        Err(SmtpError::LoginInClear(_))
    ));
    let bad_root = SmtpConfig {
        roots_pem: Some(b"-----BEGIN CERTIFICATE-----\nx\n".to_vec()),
        ..SmtpConfig::new("x")
    };
    assert!(SmtpSender::new(&bad_root).is_err());
}
