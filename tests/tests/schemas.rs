//! Tries to catch `tidegate feed schemas` saying yes where it should say no: a registry of the
//! documented API on loopback has schemas of every kind, and the feeds' files accept good, bad and
//! unknown ids of it. What stands in front of a registry by mistake must not pass for one.

use std::io::{BufRead as _, BufReader, Write as _};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::PathBuf;
use std::process::{Command, Output};
use std::sync::{Arc, Mutex};

use serde_json::{Value, json};

use crate::support::{binary, root, write_file};

/// Status, type and body of an answer.
type Answer = (u16, &'static str, String);

/// A server on loopback, which answers each path as it is told and notes the heads of requests. Its
/// thread ends with the test's process.
struct Server {
    address: SocketAddr,
    heads: Arc<Mutex<Vec<String>>>,
}

impl Server {
    fn start(answer: impl Fn(&str) -> Answer + Send + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let heads = Arc::new(Mutex::new(Vec::new()));
        let log = Arc::clone(&heads);
        std::thread::spawn(move || {
            for stream in listener.incoming() {
                talk(stream.unwrap(), &log, &answer);
            }
        });
        Self { address, heads }
    }

    fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    fn asked(&self) -> Vec<String> {
        let heads = self.heads.lock().unwrap();
        let target = |head: &String| head.split(' ').nth(1).map(str::to_owned);
        heads.iter().filter_map(target).collect()
    }
}

fn talk(stream: TcpStream, log: &Mutex<Vec<String>>, answer: &dyn Fn(&str) -> Answer) {
    let mut reader = BufReader::new(stream);
    let mut head = String::new();
    while !head.ends_with("\r\n\r\n") {
        if reader.read_line(&mut head).unwrap_or(0) == 0 {
            return;
        }
    }
    let (status, media, body) = answer(head.split(' ').nth(1).unwrap_or_default());
    log.lock().unwrap().push(head);
    let length = body.len();
    let text = format!(
        "HTTP/1.1 {status} -\r\ncontent-type: {media}\r\ncontent-length: {length}\r\n\
         connection: close\r\n\r\n{body}"
    );
    // A client that has read enough goes away.
    drop(reader.into_inner().write_all(text.as_bytes()));
}

const JSON: &str = "application/vnd.schemaregistry.v1+json";

/// The schema of the product, with `from` replaced by `to`.
fn proto(from: &str, to: &str) -> String {
    let path = root().join("schemas/observation.proto");
    let text = std::fs::read_to_string(path).unwrap();
    assert!(text.contains(from), "{from}");
    text.replace(from, to)
}

fn stored(id: u32, kind: Option<&str>, schema: &str) -> Value {
    let mut stored = json!({ "subject": "s", "version": 1, "id": id, "schema": schema });
    if let Some(kind) = kind {
        stored["schemaType"] = json!(kind);
    }
    stored
}

/// A registry whose subject `city.gates-value` has four versions, and which has a schema of none.
fn registry(path: &str) -> Answer {
    let found = match path {
        "/subjects/city.gates-value/versions" => json!([1, 2, 3, 4]),
        "/subjects/city.gates-value/versions/1" => {
            stored(17, Some("PROTOBUF"), &proto("syntax", "syntax"))
        }
        "/subjects/city.gates-value/versions/2" => {
            let schema = proto("int64 count", "uint64 count");
            stored(18, Some("PROTOBUF"), &schema)
        }
        "/subjects/city.gates-value/versions/3" => {
            let more = proto("reserved 1;", "string note = 12;");
            stored(21, Some("PROTOBUF"), &more)
        }
        "/subjects/city.gates-value/versions/4" => stored(22, None, "\"string\""),
        "/schemas/ids/5" => json!({ "schemaType": "PROTOBUF", "schema": proto("", "") }),
        path => {
            let code = if path.starts_with("/schemas") {
                40_403
            } else {
                40_401
            };
            let fault = json!({ "error_code": code, "message": "not found" });
            return (404, JSON, fault.to_string());
        }
    };
    (200, JSON, found.to_string())
}

/// A pipeline folder with the feed `gates` and these lines in its file.
struct Folder(tempfile::TempDir);

impl Folder {
    fn new(lines: &str) -> Self {
        let folder = Self(tempfile::tempdir().unwrap());
        folder.write(
            "pipeline.toml",
            "name = \"city\"\n[[window]]\nname = \"w\"\nsize = \"5m\"\n",
        );
        folder.write(
            "windows/w.sql",
            "SELECT site_id, sum(count) AS persons FROM observation GROUP BY site_id",
        );
        folder.write("feeds/plain.toml", "format = \"json\"\n");
        folder.write("feeds/gates.toml", lines);
        folder
    }

    fn path(&self, path: &str) -> PathBuf {
        self.0.path().join(path)
    }

    fn write(&self, path: &str, text: &str) {
        write_file(self.0.path(), path, text);
    }

    /// Asks with up to four more words.
    fn ask(&self, url: &str, more: &[&str]) -> (Option<i32>, String) {
        let folder = self.0.path().to_str().unwrap();
        let mut args = vec!["feed", "schemas", folder, "--registry", url];
        args.extend(more);
        let Output {
            status,
            stdout,
            stderr,
        } = Command::new(binary()).args(args).output().unwrap();
        let text = [stdout, stderr].concat();
        (status.code(), String::from_utf8(text).unwrap())
    }
}

const GATES: &str = "format = \"protobuf\"\nwire = \"confluent\"\ntopic = \"city.gates\"\n";

#[test]
fn a_subject_is_listed_with_what_can_be_read() {
    let server = Server::start(registry);
    let (code, text) = Folder::new(GATES).ask(&server.url(), &[]);
    let want = "feed gates: subject city.gates-value, 4 versions\n\
        \x20 version 1, id 17, PROTOBUF: can be read\n\
        \x20 version 2, id 18, PROTOBUF: cannot be read\n\
        \x20   Observation.count: field 8 is \"uint64\", not int64\n\
        \x20 version 3, id 21, PROTOBUF: can be read\n\
        \x20 version 4, id 22, AVRO: cannot be read\n\
        \x20   schema: is of type AVRO, and the feed reads PROTOBUF only\n\
        \x20 feeds/gates.toml has no schema_ids: every id is accepted\n\
        \x20 the line for feeds/gates.toml:\n\
        schema_ids = [17, 21]\n";
    assert_eq!((code, text.as_str()), (Some(0), want));
    assert_eq!(server.asked().len(), 5);
}

#[test]
fn ids_that_are_not_good_fail() {
    let server = Server::start(registry);
    let check = |ids: &str, code: i32, wanted: &[&str]| {
        let folder = Folder::new(&format!("{GATES}schema_ids = {ids}\n"));
        let (got, text) = folder.ask(&server.url(), &[]);
        assert_eq!(got, Some(code), "{text}");
        for wanted in wanted {
            assert!(text.contains(wanted), "{wanted:?} is not in\n{text}");
        }
        // What is proposed is good, and is good when it is taken over.
        let line = text.lines().last().unwrap();
        let folder = Folder::new(&format!("{GATES}{line}\n"));
        let (again, told) = folder.ask(&server.url(), &[]);
        assert_eq!((again, told.lines().last()), (Some(0), Some(line)));
    };
    check(
        "[17]",
        0,
        &[": 17: can be read", "\nschema_ids = [17, 21]\n"],
    );
    let stray = "5, of no version of the subject: can be read";
    check("[5]", 0, &[stray, "\nschema_ids = [5, 17, 21]\n"]);
    let why = "18: cannot be read\n    Observation.count: field 8";
    check("[17, 18]", 1, &[why, "\nschema_ids = [17, 21]\n"]);
    let why = "99: the registry has no such schema";
    check("[17, 99]", 1, &[why, "\nschema_ids = [17, 21]\n"]);
}

#[test]
fn the_report_is_json_for_programs() {
    let server = Server::start(registry);
    let folder = Folder::new(&format!("{GATES}schema_ids = [17, 99]\n"));
    let (code, text) = folder.ask(&server.url(), &["--json", "--feed", "gates"]);
    assert_eq!(code, Some(1), "{text}");
    let report: Value = serde_json::from_str(&text).unwrap();
    let report = &report[0];
    assert_eq!(report["feed"], "gates");
    assert_eq!(report["subject"], "city.gates-value");
    assert_eq!(report["proposed"], json!([17, 21]));
    assert_eq!(report["versions"][0]["reading"], "good");
    assert_eq!(report["versions"][1]["reading"], "bad");
    let why = &report["versions"][1]["why"][0];
    assert!(why.as_str().unwrap().starts_with("Observation.count"));
    assert_eq!(report["schema_ids"][1]["reading"], "unknown");
}

#[test]
fn what_is_asked_for_must_be_there() {
    let server = Server::start(registry);
    let fails = |folder: &Folder, more: &[&str], wanted: &str| {
        let (code, text) = folder.ask(&server.url(), more);
        assert_eq!(code, Some(1), "{text}");
        assert!(text.contains(wanted), "{wanted:?} is not in\n{text}");
    };
    let gates = Folder::new(GATES);
    let none = "feed gates: the registry has no subject gates; name the right one with --subject";
    fails(&gates, &["--subject", "gates"], none);
    let stranger =
        "feed \"plain\" is not one of pipeline city with wire = \"confluent\": it has gates";
    fails(&gates, &["--feed", "plain"], stranger);
    let plain = Folder::new("format = \"json\"\n");
    fails(
        &plain,
        &[],
        "no feed of pipeline city has wire = \"confluent\"",
    );
    gates.write("feeds/more.toml", GATES);
    let which = "--subject is for one feed, and gates, more are asked for: say which with --feed";
    fails(&gates, &["--subject", "x"], which);
    let (code, text) = gates.ask(
        &server.url(),
        &["--subject", "city.gates-value", "--feed", "more"],
    );
    assert_eq!(code, Some(0), "{text}");
    assert!(
        text.starts_with("feed more: subject city.gates-value"),
        "{text}"
    );
}

#[test]
fn what_answers_in_place_of_a_registry_is_named() {
    let gates = Folder::new(GATES);
    gates.write("login", "me:correct-horse-battery\n");
    let login = gates.path("login");
    let fails = |answer: Answer, wanted: &str| {
        let server = Server::start(move |_| answer.clone());
        let more = ["--basic-auth", login.to_str().unwrap()];
        let (code, text) = gates.ask(&server.url(), &more);
        assert_eq!(code, Some(1), "{text}");
        assert!(
            text.starts_with("tidegate: ask the schema registry at"),
            "{text}"
        );
        assert!(text.contains(wanted), "{wanted:?} is not in\n{text}");
        assert!(!text.contains("horse"), "{text}");
        let heads = server.heads.lock().unwrap();
        let sent = "authorization: Basic bWU6Y29ycmVjdC1ob3JzZS1iYXR0ZXJ5\r\n";
        assert_eq!(heads.len(), 1);
        assert!(heads[0].contains(sent), "{heads:?}");
    };
    let page = "<!doctype html>Sign in".to_owned();
    fails((200, "text/html", page.clone()), "the body is a web page");
    fails((404, "text/html", page), "the body is a web page");
    fails((401, JSON, "{}".to_owned()), "the answer is 401");
    fails(
        (200, JSON, " ".repeat((8 << 20) + 1)),
        "more than 8388608 bytes",
    );
    let gone = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}", gone.local_addr().unwrap());
    drop(gone);
    let (code, text) = gates.ask(&url, &[]);
    assert_eq!(code, Some(1), "{text}");
    assert!(text.contains("Connection refused"), "{text}");
}
