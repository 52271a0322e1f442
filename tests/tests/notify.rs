//! The commands of those who are told and those who tune: tries to have a wrong file taken, a
//! silence without an end, an order that leaves no trail, and a channel said to work that does not.

mod summaries;

use std::io::{Read, Write};
use std::net::TcpListener;
use std::path::Path;
use std::time::Duration;

use serde_json::Value;
use tidegate_connect::{EmbeddedBroker, KafkaSource, SourceConfig, SourceEvent, Stop};
use tidegate_model::FeedId;

use crate::support::{city, tidegate, wait_until};

/// How long one look at a topic waits.
const LOOK: Duration = Duration::from_millis(200);

/// Standard output of a command with this exit code.
#[track_caller]
fn check(args: &[&str], code: i32, parts: &[&str]) -> String {
    let output = tidegate(args.iter().copied());
    let said = String::from_utf8_lossy(&output.stdout).into_owned()
        + &String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(code), "{args:?}\n{said}");
    for part in parts {
        assert!(said.contains(part), "{args:?} lacks {part:?}\n{said}");
    }
    String::from_utf8(output.stdout).unwrap()
}

#[test]
fn routes_and_channels_are_checked_with_the_folder() {
    let folder = tempfile::tempdir().unwrap();
    for (number, (file, text, parts)) in [
        ("routes.toml", "[[route]]\nname = \"default\"\nchannels = [\"hal\"]\n", &["routes.toml:3", "\"hal\" is not a channel"][..]),
        ("routes.toml", "[[route]]\nname = \"default\"\nchannel = [\"log\"]\n", &["routes.toml:3", "channel"]),
        ("routes.toml", "[[duty]]\nrole = \"x\"\ngrid_unit = \"moon\"\nchannels = [\"log\"]\n[[route]]\nname = \"default\"\nchannels = [\"log\"]\n", &["routes.toml:3", "moon"]),
        ("channels.toml", "[[channel]]\nname = \"log\"\nkind = \"pigeon\"\n", &["channels.toml", "pigeon"]),
        ("channels.toml", "[[channel]]\nname = \"log\"\nkind = \"stdout\"\nsecret = \"x\"\n", &["channels.toml:4", "secret"]),
    ]
    .into_iter()
    .enumerate()
    {
        let folder = folder.path().join(number.to_string());
        std::fs::create_dir(&folder).unwrap();
        let city = city(&folder, &[(file, text)]);
        check(&["check", &city], 78, parts);
        check(&["notify", "test", &city, "log"], 78, parts);
    }
    let city = city(folder.path(), &[]);
    check(&["check", &city], 0, &["is good"]);
    std::fs::remove_file(Path::new(&city).join("channels.toml")).unwrap();
    check(&["check", &city], 78, &["channels.toml", "is missing"]);
}

#[test]
fn who_would_be_told_is_explained() {
    let folder = tempfile::tempdir().unwrap();
    let city = city(folder.path(), &[]);
    let state = folder.path().to_str().unwrap();
    let test = |rule: &str, subject: &str| {
        let args = [
            "routes",
            "test",
            &city,
            "--state",
            state,
            "--json",
            "--rule",
            rule,
            "--subject",
            subject,
        ];
        serde_json::from_str::<Value>(&check(&args, 0, &[])).unwrap()
    };
    let crush = test("venue-density", "east-market");
    assert_eq!(crush["deliveries"][0]["route"], "crowds");
    assert_eq!(crush["deliveries"][0]["channel"], "duty-room");
    assert_eq!(crush["grid_units"], serde_json::json!(["old-town", "city"]));
    let soon = test("venue-soon-full", "east-market");
    assert_eq!(soon["deliveries"][0]["channel"], "log");
    let args = [
        "routes",
        "test",
        &city,
        "--state",
        state,
        "--rule",
        "venue-densty",
        "--subject",
        "east-market",
    ];
    check(&args, 1, &["\"venue-densty\" is none of", "venue-density"]);
}

/// The same of a command in words.
#[track_caller]
fn check_words(words: &str, code: i32, parts: &[&str]) -> String {
    let words: Vec<&str> = words.split_whitespace().collect();
    check(&words, code, parts)
}

#[test]
fn a_silence_that_is_wrong_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let city = city(folder.path(), &[]);
    let state = folder.path().to_str().unwrap();
    for (more, code, part) in [
        ("--match rule=venue-density --comment drill", 1, "end"),
        (
            "--match rule=venue-density --for 60d --comment drill",
            1,
            "30",
        ),
        (
            "--match rulle=venue-density --for 2h --comment drill",
            1,
            "rulle",
        ),
        (
            "--match venue-density --for 2h --comment drill",
            1,
            "not KEY=VALUE",
        ),
        ("--match grid_unit=moon --for 2h --comment drill", 1, "moon"),
        ("--match rule=venue-density --for 2h", 1, "comment"),
        ("--for 2h --comment drill", 2, "--match"),
    ] {
        let words = format!("silence add {city} --state {state} --by grid-duty {more}");
        check_words(&words, code, &[part]);
    }
    check_words(
        &format!("alerts trail {city} --state {state}"),
        0,
        &["0 orders"],
    );
}

#[test]
fn orders_leave_a_trail() {
    let folder = tempfile::tempdir().unwrap();
    let city = city(folder.path(), &[]);
    let place = format!("{city} --state {}", folder.path().display());
    let silence = "--match tags.kind=market --for 2h --comment drill";
    let words = format!("silence add {place} --by grid-duty {silence}");
    check_words(&words, 0, &["order 1 is written down"]);
    let ack = format!("alerts ack {place} 0123 --by grid-duty --verdict");
    check_words(&format!("{ack} useful"), 0, &["order 2"]);
    check_words(&format!("{ack} usefull"), 2, &["useful"]);
    let told = [
        "grid-duty",
        "drill",
        "not applied yet",
        "2 orders, the trail is whole",
    ];
    check_words(&format!("alerts trail {place}"), 0, &told);
    check_words(&format!("alerts list {place}"), 0, &["0 alerts stand"]);
    check_words(&format!("silence list {place}"), 0, &["0 silences"]);
    check_words(
        &format!("notify list {place} --json"),
        0,
        &["\"notices\": []"],
    );
    check_words(
        &format!("notify resend {place} n-1"),
        1,
        &["no notice \"n-1\""],
    );
}

/// A server that answers one request with this status, and gives what it was asked.
fn receiver(status: &'static str) -> (String, std::thread::JoinHandle<String>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap().to_string();
    let thread = std::thread::spawn(move || {
        let (mut stream, _) = listener.accept().unwrap();
        let (mut request, mut chunk) = (Vec::new(), [0; 4096]);
        loop {
            let read = stream.read(&mut chunk).unwrap();
            request.extend_from_slice(&chunk[..read]);
            let text = String::from_utf8_lossy(&request).into_owned();
            if let Some((head, body)) = text.split_once("\r\n\r\n") {
                let length = head.lines().find_map(|line| {
                    let (name, value) = line.split_once(':')?;
                    name.eq_ignore_ascii_case("content-length")
                        .then(|| value.trim().parse::<usize>().ok())?
                });
                if body.len() >= length.unwrap_or(0) || read == 0 {
                    break;
                }
            }
        }
        let answer = format!("HTTP/1.1 {status}\r\ncontent-length: 0\r\nconnection: close\r\n\r\n");
        stream.write_all(answer.as_bytes()).unwrap();
        String::from_utf8_lossy(&request).into_owned()
    });
    (address, thread)
}

#[test]
fn a_test_of_a_channel_says_what_came_of_it() {
    let folder = tempfile::tempdir().unwrap();
    for (number, (status, allowed, code, parts)) in [
        ("200 OK", true, 0, &["hook: delivered"][..]),
        ("500 Oh", true, 1, &["not delivered (status 500)"]),
        ("301 Elsewhere", true, 1, &["not delivered (status 301)"]),
        (
            "200 OK",
            false,
            78,
            &["channels.toml:1", "127.0.0.1", "allow_internal"],
        ),
    ]
    .into_iter()
    .enumerate()
    {
        let folder = folder.path().join(number.to_string());
        std::fs::create_dir(&folder).unwrap();
        let (address, server) = receiver(status);
        let allow = if allowed {
            format!("allow_internal = [\"{address}\"]\n")
        } else {
            String::new()
        };
        let scheme = if allowed { "http" } else { "https" };
        let channels = format!(
            "[[channel]]\nname = \"hook\"\nkind = \"webhook\"\nurl = \"{scheme}://{address}/in\"\n\
             secret_files = [\"hook.whsec\"]\n{allow}"
        );
        let city = city(
            &folder,
            &[
                ("channels.toml", &channels),
                ("hook.whsec", "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"),
                (
                    "routes.toml",
                    "[[route]]\nname = \"default\"\nchannels = [\"hook\"]\n",
                ),
            ],
        );
        check(&["notify", "test", &city, "hook"], code, parts);
        if allowed {
            let request = server.join().unwrap().to_lowercase();
            assert!(request.contains("webhook-id: test-"), "{request}");
            assert!(request.contains("webhook-signature: v1,"), "{request}");
        }
    }
    let city = city(folder.path(), &[]);
    check(
        &["notify", "test", &city, "hook"],
        1,
        &["no channel \"hook\" is here", "duty-room"],
    );
}

/// A notice without alerts once left nothing in the topic and was said to be delivered.
#[test]
fn a_test_of_a_topic_is_in_the_topic() {
    let folder = tempfile::tempdir().unwrap();
    let channels = "[[channel]]\nname = \"systems\"\nkind = \"kafka\"\n";
    let routes = "[[route]]\nname = \"default\"\nchannels = [\"systems\"]\n";
    let changed = [("channels.toml", channels), ("routes.toml", routes)];
    let city = city(folder.path(), &changed);
    let broker = EmbeddedBroker::start(&[("tidegate.notice", 1)]).unwrap();
    check_words(
        &format!(
            "notify test {city} systems --bootstrap {}",
            broker.bootstrap()
        ),
        0,
        &["systems: delivered"],
    );
    let topic = vec![(FeedId::new("notice"), "tidegate.notice".to_owned())];
    let config = SourceConfig::new(broker.bootstrap(), topic, Stop::CaughtUp);
    let mut source = KafkaSource::open(config).unwrap();
    let read = wait_until(Duration::from_mins(1), || {
        match source.next(LOOK).unwrap() {
            Some(SourceEvent::Batch(batch)) => {
                let bytes = batch.iter().next().unwrap().bytes.unwrap().to_vec();
                Some(serde_json::from_slice::<Value>(&bytes).unwrap())
            }
            Some(SourceEvent::Ended) => panic!("nothing is in the topic"),
            _ => None,
        }
    });
    assert_eq!(read.unwrap()["type"], "org.tidegate.notice.test");
}

#[test]
fn a_day_is_summed_up_for_a_grid_unit() {
    let folder = tempfile::tempdir().unwrap();
    let path = |name: &str| folder.path().join(name).to_str().unwrap().to_owned();
    let (out, html) = (path("out"), path("old-town.html"));
    let input = "venue=pipelines/city/examples/venue.jsonl";
    check(
        &[
            "backfill",
            "pipelines/city",
            "--input",
            input,
            "--out",
            &out,
        ],
        0,
        &[],
    );
    let summary = |unit: &str, more: &[&str]| {
        let mut args = vec![
            "summary",
            "pipelines/city",
            "--data",
            &out,
            "--grid-unit",
            unit,
            "--from",
            "2026-03-02T00:00:00+08:00",
            "--to",
            "2026-03-03T00:00:00+08:00",
        ];
        args.extend(more);
        args.into_iter().map(str::to_owned).collect::<Vec<_>>()
    };
    let run = |args: Vec<String>, code, parts: &[&str]| {
        let args: Vec<&str> = args.iter().map(String::as_str).collect();
        check(&args, code, parts)
    };
    let text = run(
        summary("old-town", &["--out", &html]),
        0,
        &["老城区", "Old Town", "East Market"],
    );
    assert!(!text.contains("NaN"), "{text}");
    let page = std::fs::read_to_string(&html).unwrap();
    assert!(
        page.starts_with("<!") && page.contains("<svg") && !page.contains("<script"),
        "{page}"
    );
    let json: Value = serde_json::from_str(&run(summary("city", &["--json"]), 0, &[])).unwrap();
    assert_eq!(json["peaks"][0]["venue"], "east-market");
    run(
        summary("moon", &[]),
        1,
        &["\"moon\" is none of city, old-town"],
    );
}
