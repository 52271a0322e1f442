//! As much of S3 as the store of snapshots asks for, with one bucket and one user, in memory: so that
//! the requests are tried where there is no S3. It believes every signature of its user.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::{Arc, Mutex};

pub(super) const BUCKET: &str = "tidegate-test";
pub(super) const USER: &str = "somebody";

type Objects = Arc<Mutex<BTreeMap<String, Vec<u8>>>>;

/// Starts it; it serves until the process ends. Gives its endpoint.
pub(super) fn start() -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let endpoint = format!("http://{}", listener.local_addr().unwrap());
    let objects = Objects::default();
    std::thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            let objects = Arc::clone(&objects);
            // A client that gives up ends no more than its own connection.
            std::thread::spawn(move || drop(serve(&stream, &objects)));
        }
    });
    endpoint
}

/// Answers one request.
fn serve(stream: &TcpStream, objects: &Objects) -> std::io::Result<()> {
    let mut reader = BufReader::new(stream);
    let mut line = String::new();
    reader.read_line(&mut line)?;
    let mut words = line.split(' ');
    let (method, target) = (words.next().unwrap_or(""), words.next().unwrap_or(""));
    let (mut length, mut is_known) = (0, false);
    loop {
        let mut header = String::new();
        reader.read_line(&mut header)?;
        let Some((name, value)) = header.trim_end().split_once(": ") else {
            break;
        };
        match name.to_ascii_lowercase().as_str() {
            "content-length" => length = value.parse().unwrap(),
            "authorization" => is_known = value.contains(&format!("Credential={USER}/")),
            _ => {}
        }
    }
    let mut body = vec![0; length];
    reader.read_exact(&mut body)?;
    let (status, answer) = if is_known {
        answer(method, target, body, objects)
    } else {
        ("403 Forbidden", error("InvalidAccessKeyId"))
    };
    let mut writer = stream;
    let bytes = answer.len();
    write!(
        writer,
        "HTTP/1.1 {status}\r\ncontent-length: {bytes}\r\nconnection: close\r\netag: \"1\"\r\n\r\n"
    )?;
    if method == "HEAD" {
        return Ok(());
    }
    writer.write_all(&answer)
}

fn answer(method: &str, target: &str, body: Vec<u8>, objects: &Objects) -> (&'static str, Vec<u8>) {
    let (path, query) = target.split_once('?').unwrap_or((target, ""));
    let path = path.trim_matches('/');
    let (bucket, key) = path.split_once('/').unwrap_or((path, ""));
    if bucket != BUCKET {
        return ("404 Not Found", error("NoSuchBucket"));
    }
    let mut objects = objects.lock().unwrap();
    match (method, key) {
        ("GET", "") => ("200 OK", listed(query, &objects)),
        ("POST", "") => {
            let body = String::from_utf8(body).unwrap();
            let keys = body.split("<Key>").skip(1);
            for key in keys.filter_map(|rest| rest.split_once("</Key>")) {
                objects.remove(key.0);
            }
            ("200 OK", b"<DeleteResult></DeleteResult>".to_vec())
        }
        ("PUT", key) => {
            objects.insert(key.to_owned(), body);
            ("200 OK", Vec::new())
        }
        (_, key) => match objects.get(key) {
            Some(bytes) => ("200 OK", bytes.clone()),
            None => ("404 Not Found", error("NoSuchKey")),
        },
    }
}

/// The objects below a prefix, and the folders.
fn listed(query: &str, objects: &BTreeMap<String, Vec<u8>>) -> Vec<u8> {
    let asked = query
        .split('&')
        .find_map(|pair| pair.strip_prefix("prefix="));
    let prefix = asked.unwrap_or("").replace("%2F", "/");
    let (mut text, mut folders) = (String::from("<ListBucketResult>"), BTreeSet::new());
    for (key, bytes) in objects {
        let Some(rest) = key.strip_prefix(&prefix) else {
            continue;
        };
        if let Some((folder, _)) = rest.split_once('/') {
            folders.insert(format!("{prefix}{folder}/"));
            continue;
        }
        let size = bytes.len();
        write!(
            text,
            "<Contents><Key>{key}</Key><LastModified>2026-03-02T00:00:00Z</LastModified>\
             <Size>{size}</Size></Contents>"
        )
        .unwrap();
    }
    for folder in folders {
        let prefix = format!("<CommonPrefixes><Prefix>{folder}</Prefix></CommonPrefixes>");
        text += &prefix;
    }
    (text + "</ListBucketResult>").into_bytes()
}

fn error(code: &str) -> Vec<u8> {
    format!("<Error><Code>{code}</Code><Message>{code}</Message></Error>").into_bytes()
}
