//! Tries to catch `tidegate rejected` telling something else than a run did: what a run rejected
//! must be listed and shown as it came, a retry must say what today's folder makes of it and
//! nothing more, and only `--send` may write.

use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use serde_json::Value;
use tidegate_connect::{Inspector, KafkaSink, Properties, Retention};

use crate::support::{binary, real_kafka, stdout, tidegate, write_file};

/// How long a broker may take.
const LONG: Duration = Duration::from_secs(30);

const SITES: &str = r#"{"type":"FeatureCollection","features":[{"type":"Feature",
    "properties":{"id":"gate","kind":"gate","name":"Gate"},
    "geometry":{"type":"Point","coordinates":[114.3,30.6]}}]}"#;

const TABLE: &str = "format = \"csv\"\ninterval_max = \"1h\"\n[mapping]\nsite = [\"Site\"]\n\
    count = \"N\"\n[mapping.time]\ncolumns = [\"At\"]\nformat = \"%Y-%m-%d %H:%M\"\n\
    zone = \"Asia/Shanghai\"\ninterval = \"5m\"\n[mapping.direction]\ncolumn = \"Way\"\n\
    values = { A = \"in\" }\n";

const COUNTER: &str = "format = \"csv\"\ninterval_max = \"1h\"\n[mapping]\nsite = [\"Site\"]\n\
    [mapping.time]\ncolumns = [\"At\"]\nformat = \"%d.%m.%Y %H:%M\"\nzone = \"Asia/Shanghai\"\n\
    [[mapping.counts]]\ncolumn = \"Total\"\nmeasure = \"in\"\n\
    [mapping.cumulative]\ncounter = [\"Site\"]\nstep_max = 1000\n";

/// A pipeline folder, and files beside it.
struct Folder(tempfile::TempDir);

impl Folder {
    fn new(files: &[(&str, &str)]) -> Self {
        let folder = Self(tempfile::tempdir().unwrap());
        folder.write(
            "pipeline/pipeline.toml",
            "name = \"again\"\n[reference]\nsites = \"sites.geojson\"\n\
             [[window]]\nname = \"w\"\nsize = \"5m\"\n",
        );
        folder.write("pipeline/sites.geojson", SITES);
        folder.write(
            "pipeline/windows/w.sql",
            "SELECT site_id, sum(count) AS persons FROM observation GROUP BY site_id",
        );
        for (path, text) in files {
            folder.write(path, text);
        }
        folder
    }

    fn path(&self, path: &str) -> PathBuf {
        self.0.path().join(path)
    }

    fn text(&self, path: &str) -> String {
        self.path(path).to_str().unwrap().to_owned()
    }

    fn write(&self, path: &str, text: &str) {
        write_file(self.0.path(), path, text);
    }

    fn replace(&self, path: &str, from: &str, to: &str) {
        let text = std::fs::read_to_string(self.path(path)).unwrap();
        assert!(text.contains(from), "{text}");
        self.write(path, &text.replace(from, to));
    }
}

/// One table with a way that its feed does not know, a ragged row and an unknown site; a counter
/// whose times are written otherwise; and a table with a phone number.
fn lake() -> Folder {
    let folder = Folder::new(&[
        ("pipeline/feeds/table.toml", TABLE),
        ("pipeline/feeds/counter.toml", COUNTER),
        (
            "table.csv",
            "Site,At,Way,N\ngate,2026-03-02 08:00,A,7\ngate,2026-03-02 08:05,D,5\n\
             gate,2026-03-02 08:10\nnobody,2026-03-02 08:15,A,9\ngate,2026-03-02 08:20,\u{1b}[2J,5\n",
        ),
        (
            "phones.csv",
            "Site,At,Way,N,Phone\ngate,2026-03-02 08:00,A,7,13800001111\n",
        ),
        (
            "counter.csv",
            "Site,At,Total\ngate,2026-03-02 08:00,100\ngate,2026-03-02 08:05,107\n",
        ),
    ]);
    let input = |feed: &str, file: &str| format!("{feed}={}", folder.text(file));
    let (table, phones) = (input("table", "table.csv"), input("table", "phones.csv"));
    let (counter, pipeline) = (input("counter", "counter.csv"), folder.text("pipeline"));
    let out = folder.text("out");
    stdout([
        "backfill", &pipeline, "--input", &table, "--input", &phones, "--input", &counter, "--out",
        &out,
    ]);
    folder
}

/// `[feed, reason, records, first position]` of each group.
fn groups(text: &str) -> Vec<(String, String, u64, String)> {
    let list: Value = serde_json::from_str(text).unwrap();
    let text = |value: &Value| value.as_str().unwrap().to_owned();
    let groups = list["rejected"].as_array().unwrap().iter();
    groups
        .map(|group| {
            let (feed, reason) = (text(&group["feed"]), text(&group["reason"]));
            let records = group["records"].as_u64().unwrap();
            (feed, reason, records, text(&group["first"][0]))
        })
        .collect()
}

/// The outcome of each record by its position, and the sum.
fn retried(text: &str) -> (Vec<(String, String)>, Value) {
    let mut lines: Vec<Value> = text
        .lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect();
    let sum = lines.pop().unwrap();
    let word = |value: &Value| value.as_str().unwrap().to_owned();
    let outcomes = lines
        .iter()
        .map(|line| (word(&line["position"]), word(&line["outcome"])));
    (outcomes.collect(), sum)
}

fn owned(pairs: &[(&str, &str)]) -> Vec<(String, String)> {
    let owned = |(a, b): &(&str, &str)| ((*a).to_owned(), (*b).to_owned());
    pairs.iter().map(owned).collect()
}

#[test]
fn what_a_lake_rejected_is_listed() {
    let folder = lake();
    let out = folder.text("out");
    let found = groups(&stdout(["rejected", "list", "--data", &out, "--json"]));
    let group = |feed: &str, reason: &str, records, first: &str| {
        (
            feed.to_owned(),
            reason.to_owned(),
            records,
            first.to_owned(),
        )
    };
    let expected = [
        group("counter", "bad_time", 2, "counter/0/0/0"),
        group("table", "malformed", 1, "table/0/0/2"),
        group("table", "personal_data", 1, "table/0/1/0"),
        group("table", "unknown_site", 1, "table/0/0/3"),
        group("table", "wrong_type", 2, "table/0/0/1"),
    ];
    assert_eq!(found, expected);
    let table = stdout(["rejected", "list", "--data", &out, "--reason", "malformed"]);
    assert!(
        table.contains("table/0/0/2") && !table.contains("bad_time"),
        "{table}"
    );
    let nothing = stdout(["rejected", "list", "--data", &out, "--feed", "tram"]);
    let wanted = "no rejected record of feed \"tram\"";
    assert!(nothing.contains(wanted), "{nothing}");
}

#[test]
fn what_a_lake_rejected_is_shown() {
    let folder = lake();
    let out = folder.text("out");
    let show = |position: &str| stdout(["rejected", "show", position, "--data", &out]);
    let row = show("table/0/0/3");
    let bytes = "    Site,At,Way,N\n    nobody,2026-03-02 08:15,A,9\n";
    for wanted in ["unknown_site", "nobody", bytes] {
        assert!(row.contains(wanted), "{wanted:?} is not in {row}");
    }
    let message = show("table/0/0");
    assert_eq!(message.matches("reason ").count(), 4, "{message}");
    let is_escaped = message.contains("\\u{1b}[2J") && !message.contains('\u{1b}');
    assert!(is_escaped, "{message:?}");
    let phone = show("table/0/1");
    let is_silent = phone.contains("could identify a person") && !phone.contains("1380");
    assert!(is_silent, "{phone}");
}

#[test]
fn what_a_lake_rejected_is_tried_again() {
    let folder = lake();
    let (out, pipeline) = (folder.text("out"), folder.text("pipeline"));
    let retry = || {
        let text = stdout(["rejected", "retry", &pipeline, "--data", &out, "--json"]);
        let (mut outcomes, sum) = retried(&text);
        outcomes.sort();
        (outcomes, sum)
    };
    let mut expected = owned(&[
        ("counter/0/0/0", "still_rejected"),
        ("counter/0/1/0", "still_rejected"),
        ("table/0/0/1", "still_rejected"),
        ("table/0/0/2", "still_rejected"),
        ("table/0/0/3", "still_rejected"),
        ("table/0/0/4", "still_rejected"),
        ("table/0/1/0", "personal_data"),
    ]);
    let (before, sum) = retry();
    assert_eq!(
        (before, &sum["observations"]),
        (expected.clone(), &0.into())
    );

    let (table, counter) = ("pipeline/feeds/table.toml", "pipeline/feeds/counter.toml");
    folder.replace(table, "A = \"in\"", "A = \"in\", D = \"out\"");
    folder.replace(counter, "%d.%m.%Y", "%Y-%m-%d");
    for (changed, outcome) in [
        (0, "needs_history"),
        (1, "needs_history"),
        (2, "would_count"),
    ] {
        outcome.clone_into(&mut expected[changed].1);
    }
    let (after, sum) = retry();
    assert_eq!((after, &sum["observations"]), (expected, &1.into()));
    assert_eq!(sum["sent"], serde_json::json!({}));
    let text = stdout([
        "rejected",
        "retry",
        &pipeline,
        "table/0/0/1",
        "--data",
        &out,
    ]);
    let outcome = "wrong_type → would be counted";
    for wanted in [outcome, "gate out 5", "nothing was sent", "no dedup_within"] {
        assert!(text.contains(wanted), "{wanted:?} is not in {text}");
    }
}

#[test]
fn what_is_wrong_is_named() {
    let folder = lake();
    let (out, pipeline) = (folder.text("out"), folder.text("pipeline"));
    let data = format!("--data={out}");
    let no_lake = format!("--data={pipeline}");
    let fails = |line: &str, source: &str, code: i32, wanted: &str| {
        let mut words: Vec<&str> = line.split(' ').collect();
        words.insert(0, "rejected");
        words.push(source);
        let words = words.iter().map(|word| word.replace("FOLDER", &pipeline));
        let output = std::process::Command::new(binary())
            .args(words)
            .output()
            .unwrap();
        let text = String::from_utf8_lossy(&output.stderr).into_owned();
        assert_eq!(output.status.code(), Some(code), "{line}: {text}");
        assert!(text.contains(wanted), "{line}: {wanted:?} is not in {text}");
    };
    let nowhere = "no rejected record at table/0/99";
    fails("show table/0/99", &data, 1, nowhere);
    fails("show tram/0/0", &data, 1, "it has some of counter, table");
    fails("show table-0-0", &data, 2, "FEED/PARTITION/OFFSET[/ROW]");
    fails(
        "show table/0/0",
        &no_lake,
        1,
        "give the folder that --out named",
    );
    fails("list --reason boredom", &data, 2, "wrong_type");
    fails("list --bootstrap x:1", &data, 2, "cannot be used with");
    fails("retry FOLDER", "--feed=table", 2, "--data");
    fails("retry FOLDER tram/0/0", &data, 1, "it has counter, table");
    fails(
        "retry FOLDER --feed tram",
        &data,
        1,
        "it has counter, table",
    );
    fails("retry FOLDER table/0/99", &data, 1, nowhere);
    fails("retry FOLDER --send", &data, 2, "--bootstrap");
    fails("retry FOLDER --bootstrap x:1", &data, 1, "without --send");
}

/// A name that no other test and no earlier run used.
fn unique(name: &str) -> String {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap();
    format!("{name}-{}-{}", std::process::id(), now.as_nanos())
}

fn run(bootstrap: &str, pipeline: &Path) -> Value {
    let pipeline = pipeline.to_str().unwrap();
    let args = [
        "run",
        pipeline,
        "--bootstrap",
        bootstrap,
        "--until-caught-up",
        "--json",
    ];
    serde_json::from_str(&stdout(args)).unwrap()
}

/// A feed's topic with two counts of a known site and, between them, one of an unknown one.
fn feed_topic(bootstrap: &str, feed: &str) -> (Folder, String) {
    let topic = format!("tidegate.feed.{feed}");
    let file = format!("pipeline/feeds/{feed}.toml");
    let settings = "format = \"json\"\ninterval_max = \"5m\"\nout_of_orderness = \"1h\"\n\
                    dedup_within = \"2h\"\n";
    let folder = Folder::new(&[(file.as_str(), settings)]);
    let mut sink = KafkaSink::connect(bootstrap, &Properties::new()).unwrap();
    let spec = (topic.as_str(), 1, Retention::Forever);
    sink.ensure_topics(&[spec]).unwrap();
    for (id, site, minute) in [
        ("a", "gate", "00"),
        ("b", "annex", "05"),
        ("c", "gate", "10"),
    ] {
        let record = serde_json::json!({
            "id": id, "site": site, "start": format!("2026-03-02T08:{minute}:00+08:00"),
            "measure": "in", "count": 7,
        });
        let bytes = record.to_string();
        sink.send(&topic, None, None, Some(bytes.as_bytes()), None)
            .unwrap();
    }
    sink.flush(LONG).unwrap();
    (folder, topic)
}

/// A site that is not in the registry yet: rejected, registered, sent again, counted once.
#[test]
fn what_a_run_rejected_is_sent_again_and_counted() {
    let Some(bootstrap) = real_kafka() else {
        return;
    };
    let feed = unique("again");
    let (folder, topic) = feed_topic(&bootstrap, &feed);
    let first = run(&bootstrap, &folder.path("pipeline"));
    let counts = (&first["counted"], &first["rejected"]);
    assert_eq!(counts, (&2.into(), &1.into()), "{first}");

    let (position, here) = (format!("{feed}/0/1/0"), format!("--bootstrap={bootstrap}"));
    let found = groups(&stdout([
        "rejected", "list", &here, "--feed", &feed, "--json",
    ]));
    let reason = "unknown_site".to_owned();
    assert_eq!(found, [(feed.clone(), reason, 1, position.clone())]);
    let shown = stdout(["rejected", "show", &position, &here]);
    assert!(shown.contains(r#""site":"annex""#), "{shown}");

    let inspector = Inspector::new(&bootstrap);
    let end = || inspector.ends(&topic, LONG).unwrap()[&0];
    let pipeline = folder.text("pipeline");
    let of = format!("--feed={feed}");
    let look = || {
        retried(&stdout([
            "rejected", "retry", &pipeline, &here, &of, "--json",
        ]))
    };
    let send = || {
        retried(&stdout([
            "rejected", "retry", &pipeline, &here, &of, "--json", "--send",
        ]))
    };
    // A folder of another name has a feed of that name too: what is not its own stays there.
    folder.replace("pipeline/pipeline.toml", "\"again\"", "\"other\"");
    let other = tidegate(["rejected", "retry", &pipeline, &here, &of, "--send"]);
    let said = String::from_utf8_lossy(&other.stdout) + String::from_utf8_lossy(&other.stderr);
    assert!(said.contains("by pipeline other"), "{said}");
    assert_eq!(end(), 3);
    folder.replace("pipeline/pipeline.toml", "\"other\"", "\"again\"");
    let by = |pipeline| stdout(["rejected", "list", &here, &of, "--by", pipeline]);
    assert!(by("again").contains("unknown_site"), "{}", by("again"));
    assert!(by("other").contains("by pipeline other"), "{}", by("other"));
    let still = owned(&[(&position, "still_rejected")]);
    assert_eq!((look().0, send().0), (still.clone(), still));
    let site = r#"{"type":"Feature","properties":{"id":"annex","kind":"gate","name":"Annex"},
        "geometry":{"type":"Point","coordinates":[114.3,30.6]}},{"type":"Feature","#;
    folder.replace("pipeline/sites.geojson", r#"{"type":"Feature","#, site);
    let counts = owned(&[(&position, "would_count")]);
    assert_eq!(
        (look().0, end()),
        (counts.clone(), 3),
        "looking sends nothing"
    );
    let (outcomes, sum) = send();
    assert_eq!(
        (outcomes, &sum["sent"][&feed]),
        (counts, &1.into()),
        "{sum}"
    );
    assert_eq!(end(), 4);
    let added = inspector.read_committed(&topic, &[(0, 3)].into(), LONG);
    assert_eq!(added.unwrap()[0].key.as_deref(), Some(b"annex".as_slice()));

    // The run begins at the topic's start, so it reads the record that was rejected as well.
    let second = run(&bootstrap, &folder.path("pipeline"));
    let counts = ["counted", "duplicate", "rejected"].map(|name| second[name].as_u64());
    assert_eq!(counts, [Some(3), Some(1), Some(0)], "{second}");
}
