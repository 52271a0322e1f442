//! From the record that lets a window close to the first byte of each notice at a webhook: `tidegate
//! run` and `tidegate notify run` beside a broker, one window with many transitions.

use std::collections::BTreeMap;
use std::io::{Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::process::Command;
use std::sync::mpsc::{Sender, channel};
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use super::{Job, LONG, START_S, closers, product, record};

/// Sites whose alerts begin, and end, in one window.
const SITES: usize = 1_000;
/// Windows in which all of them change, after two to warm up.
const WINDOWS: usize = 10;
/// Between windows: with it the storm cap of a channel, 10,000 a minute at most, holds nothing back.
const PAUSE: Duration = Duration::from_secs(6);
/// Length of a window in seconds.
const SIZE_S: i64 = 10;

const RULES: &str = "\
[[rule]]
name = \"crowd\"
layer = \"persons\"
fire_above = 100.0
clear_below = 50.0
severity = \"warning\"
owner = \"duty\"
flap_max = 0
title = { zh-CN = \"{name} {value}\", en = \"{name} {value}\" }
do = { zh-CN = \"看\", en = \"look\" }
";

const ROUTES: &str = "\
[[route]]
name = \"default\"
channels = [\"hook\"]
group_wait = \"0s\"
group_interval = \"1s\"
[storm]
notices_per_minute = 10000
";

/// A pipeline with an alert for each crowded site, told to the webhook at `port`.
fn crowds(bootstrap: &str, name: &str, port: u16) -> Job {
    let delay = "out_of_orderness = \"0s\"\ninterval_max = \"1s\"\n";
    let sql = "site_id, sum(count) AS persons FROM observation GROUP BY site_id";
    let job = Job::new(bootstrap, name, delay, &[("w", "10s", sql)]);
    let pipeline = std::fs::read_to_string(job.folder.path().join("pipeline/pipeline.toml"));
    let layer = "[[layer]]\nname = \"persons\"\non = \"w\"\n";
    job.write(
        "pipeline.toml",
        &format!("{}{layer}", pipeline.expect("it was written")),
    );
    job.write(
        "layers/persons.sql",
        "SELECT 'site' AS subject_kind, site_id AS subject, CAST(persons AS DOUBLE) AS value, \
         'persons' AS unit, 'bench/sum@1' AS method FROM w",
    );
    job.write("rules.toml", RULES);
    job.write("routes.toml", ROUTES);
    job.write(
        "channels.toml",
        &format!(
            "[[channel]]\nname = \"hook\"\nkind = \"webhook\"\nurl = \"http://127.0.0.1:{port}/\"\n\
             allow_internal = [\"127.0.0.1:{port}\"]\nsecret_files = [\"hook.whsec\"]\n\
             concurrency = 32\n"
        ),
    );
    let secret = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";
    job.write("hook.whsec", secret);
    job
}

/// Measures it with these options of the run.
pub(super) fn notices(bootstrap: &str, name: &str, more: &[&str]) -> Value {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
    let port = listener.local_addr().expect("it listens").port();
    let mut job = crowds(bootstrap, &format!("notices-{}", more.len()), port);
    let (told, tellings) = channel();
    std::thread::spawn(move || receive(&listener, &told));
    let product_run = job.run("state", more);
    let notifier = job.notify();
    let mut sink = job.sink();

    let mut waits = Vec::new();
    let mut untold = 0;
    for window in 0..WINDOWS + 2 {
        std::thread::sleep(PAUSE);
        let second = START_S + SIZE_S * i64::try_from(window).expect("small");
        let persons = if window % 2 == 0 { 200 } else { 10 };
        let sites = (0..SITES).map(|site| record(&format!("site-{site:04}"), second + 3, persons));
        job.send_by(&mut sink, sites);
        let closed = Instant::now();
        // A window closes when the time is a second past its end in every partition.
        job.send_by(&mut sink, closers(second + SIZE_S + 1));
        let mut first: BTreeMap<String, Instant> = BTreeMap::new();
        while first.len() < SITES {
            let within = if window == 0 {
                LONG
            } else {
                Duration::from_secs(20)
            };
            let Ok((body, at)) = tellings.recv_timeout(within) else {
                break;
            };
            for subject in subjects(&body) {
                first.entry(subject).or_insert(at);
            }
        }
        if window >= 2 {
            untold += SITES - first.len();
            waits.extend(
                first
                    .values()
                    .map(|at| at.saturating_duration_since(closed).as_secs_f64() * 1e3),
            );
        }
    }
    drop(notifier);
    product_run.stop();
    waits.sort_by(f64::total_cmp);
    let quantile = |percent: usize| waits.get((waits.len() * percent).div_ceil(100).max(1) - 1);
    let result = json!({
        "name": format!("window closed to first byte: {name}"), "transitions": SITES,
        "windows": WINDOWS, "untold": untold,
        "p50_ms": quantile(50), "p99_ms": quantile(99), "longest_ms": waits.last(),
    });
    eprintln!("{result}");
    result
}

/// The subjects of the alerts in a webhook's body.
fn subjects(body: &[u8]) -> Vec<String> {
    let body: Value = serde_json::from_slice(body).unwrap_or_default();
    let alerts = body["data"]["alerts"].as_array().cloned();
    let subjects = alerts.unwrap_or_default().into_iter();
    subjects
        .filter_map(|alert| Some(alert["subject"].as_str()?.to_owned()))
        .collect()
}

/// Answers 204 to everything; gives each body with the time of the first byte of its request.
fn receive(listener: &TcpListener, told: &Sender<(Vec<u8>, Instant)>) {
    for stream in listener.incoming().flatten() {
        let told = told.clone();
        std::thread::spawn(move || while answer(&stream, &told).is_some() {});
    }
}

fn answer(mut stream: &TcpStream, told: &Sender<(Vec<u8>, Instant)>) -> Option<()> {
    let mut first = [0];
    stream.read_exact(&mut first).ok()?;
    let at = Instant::now();
    let mut head = first.to_vec();
    let mut byte = [0; 4_096];
    let end = loop {
        if let Some(end) = head.windows(4).position(|four| four == b"\r\n\r\n") {
            break end + 4;
        }
        let read = stream.read(&mut byte).ok().filter(|read| *read > 0)?;
        head.extend_from_slice(&byte[..read]);
    };
    let text = String::from_utf8_lossy(&head[..end]).to_lowercase();
    let length = text.split("content-length:").nth(1)?;
    let length: usize = length.lines().next()?.trim().parse().ok()?;
    let mut body = head[end..].to_vec();
    let have = body.len();
    body.resize(length, 0);
    stream.read_exact(&mut body[have..]).ok()?;
    stream
        .write_all(b"HTTP/1.1 204 No Content\r\ncontent-length: 0\r\n\r\n")
        .ok()?;
    told.send((body, at)).ok()
}

impl Job {
    /// Starts the notifier of its pipeline; killed when dropped.
    fn notify(&self) -> Notifier {
        let log = self.folder.path().join("notify.err");
        let log = std::fs::File::create(log).expect("a file for the log");
        let child = Command::new(product())
            .args(["notify", "run"])
            .arg(self.folder.path().join("pipeline"))
            .args(["--bootstrap", &self.bootstrap, "--state"])
            .arg(self.folder.path().join("notify"))
            .stdin(std::process::Stdio::null())
            .stdout(std::process::Stdio::null())
            .stderr(log)
            .spawn();
        Notifier(child.expect("the program is built"))
    }
}

/// The notifier at work.
struct Notifier(std::process::Child);

impl Drop for Notifier {
    fn drop(&mut self) {
        drop(self.0.kill());
        drop(self.0.wait());
    }
}
