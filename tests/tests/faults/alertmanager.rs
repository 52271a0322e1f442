//! A real Alertmanager that pushes its alerts to a notifier: tries to have one told twice, lost by a
//! kill, or taken although it is none.

use std::path::Path;
use std::process::Stdio;

use tidegate_connect::{KafkaSink, Properties, Retention};

use super::kafka::Kafka;
use super::notices::{notices, told};
use super::product::Product;
use super::scenario::LONG;
use crate::support::{binary, city, free_port, http, wait_until, write_file};

/// Where Debian and the project's own release put it.
const NAMES: [&str; 2] = ["prometheus-alertmanager", "alertmanager"];

/// Starts one that tells `receiver`; `None`, said aloud, where none is installed.
fn alertmanager(folder: &Path, port: u16, receiver: u16) -> Option<Product> {
    let is_there = |name: &str| {
        let mut version = std::process::Command::new(name);
        version.arg("--version").stdout(Stdio::null());
        version.stderr(Stdio::null()).status().is_ok()
    };
    let Some(name) = NAMES.into_iter().find(|name| is_there(name)) else {
        assert!(std::env::var_os("CI").is_none(), "in CI one must be there");
        eprintln!("SKIPPED: no Alertmanager; install Debian's prometheus-alertmanager");
        return None;
    };
    write_file(
        folder,
        "am.yml",
        &format!(
            "route:\n  receiver: r\n  group_by: [alertname]\n  group_wait: 100ms\n  \
             group_interval: 300ms\n  repeat_interval: 1s\nreceivers:\n  - name: r\n    \
             webhook_configs:\n      - url: http://127.0.0.1:{receiver}/alertmanager\n"
        ),
    );
    let args = [
        format!("--config.file={}", folder.join("am.yml").display()),
        format!("--storage.path={}", folder.join("data").display()),
        format!("--web.listen-address=127.0.0.1:{port}"),
        "--cluster.listen-address=".to_owned(),
    ];
    let running = Product::start(Path::new(name), &args, &[], (folder, "am"));
    wait_until(LONG, || http(port, "GET /-/ready", ""))
        .unwrap_or_else(|| panic!("{}", running.output()));
    Some(running)
}

fn notifier(kafka: &Kafka, (city, folder): (&str, &Path), port: u16, run: usize) -> Product {
    let args = [
        "notify",
        "run",
        city,
        "--bootstrap",
        &kafka.bootstrap(),
        "--state",
        folder.to_str().unwrap(),
        "--receive",
        &format!("127.0.0.1:{port}"),
    ];
    let args = args.map(str::to_owned);
    let notifier = Product::start(binary(), &args, &[], (folder, &format!("notify-{run}")));
    wait_until(LONG, || http(port, "POST /alertmanager", "no payload"))
        .unwrap_or_else(|| panic!("{}", notifier.output()));
    notifier
}

/// States of the alerts that this output tells, in order.
fn states(output: &str) -> Vec<String> {
    let notices = notices(output);
    notices
        .iter()
        .flat_map(told)
        .map(|(_, state)| state)
        .collect()
}

#[test]
fn real_alerts_of_an_alertmanager_are_told_once() {
    let Some(kafka) = Kafka::one() else { return };
    let sink = KafkaSink::connect(&kafka.bootstrap(), &Properties::new()).unwrap();
    sink.ensure_topics(&[("tidegate.alert", 1, Retention::Broker)])
        .unwrap();
    let folder = tempfile::tempdir().unwrap();
    let routes = "[[route]]\nname = \"default\"\nchannels = [\"log\"]\ngroup_wait = \"0s\"\n\
                  group_interval = \"1s\"\n";
    let channels = "[[channel]]\nname = \"log\"\nkind = \"stdout\"\n";
    let files = [("routes.toml", routes), ("channels.toml", channels)];
    let city = city(folder.path(), &files);
    let (api, inlet) = (free_port(), free_port());
    let Some(_alertmanager) = alertmanager(folder.path(), api, inlet) else {
        return;
    };
    let mut first = notifier(&kafka, (&city, folder.path()), inlet, 1);
    // What is no payload is refused for good, and what comes after is taken.
    let (status, answer) = http(inlet, "POST /alertmanager", "{\"version\":\"3\"}").unwrap();
    assert_eq!(status, 400, "{answer}");
    assert!(answer.contains("version"), "{answer}");
    let change = |end: &str| {
        let labels = r#"{"alertname":"DiskFull","instance":"kafka-1","severity":"page"}"#;
        let alert = format!(r#"[{{"labels":{labels},"annotations":{{"summary":"full"}}{end}}}]"#);
        let (status, answer) = http(api, "POST /api/v2/alerts", &alert).unwrap();
        assert_eq!(status, 200, "{answer}");
    };
    change("");
    first.wait_for("DiskFull", LONG);
    // It is pushed again each second; then the notifier dies.
    std::thread::sleep(std::time::Duration::from_secs(3));
    assert_eq!(states(&first.output()), ["firing"], "{}", first.output());
    first.kill();
    let mut second = notifier(&kafka, (&city, folder.path()), inlet, 2);
    let now = jiff::Timestamp::now();
    change(&format!(r#","endsAt":"{now}""#));
    second.wait_for("resolved", LONG);
    let changes = states(&second.output());
    assert_eq!(changes.last().unwrap(), "resolved", "{}", second.output());
    // What was on its way when it was killed may come twice, under one id.
    assert!(changes.len() <= 2, "{}", second.output());
    second.terminate();
    assert!(second.must_end(LONG).success(), "{}", second.output());
}
