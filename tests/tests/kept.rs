//! Tries to lose what is told of a record that is in no window: late, duplicate and rejected ones
//! must be found in their topics and in their tables, with where they stand, why, how late, and their
//! own bytes; and a feed that is all garbage must be told of.

use std::collections::BTreeMap;
use std::time::Duration;

use base64::prelude::{BASE64_STANDARD, Engine as _};
use serde_json::Value;
use tidegate_connect::{Ends, Inspector, KafkaSink, Properties, Retention};

use crate::support::{real_kafka, stdout, write_file};

/// How long a broker may take.
const LONG: Duration = Duration::from_secs(30);

const TOPICS: [&str; 4] = [
    "tidegate.late",
    "tidegate.duplicate",
    "tidegate.rejected",
    "tidegate.feed-health",
];

/// A feed on its own topic, and what a run of it left behind.
struct Run {
    feed: String,
    folder: tempfile::TempDir,
    /// Of this feed, by topic.
    topics: BTreeMap<&'static str, Vec<Value>>,
}

impl Run {
    /// Sends the messages and runs over them once.
    fn over(bootstrap: &str, name: &str, messages: &[Vec<u8>]) -> Self {
        let feed = format!("{name}-{}", std::process::id());
        let folder = tempfile::tempdir().unwrap();
        let write = |path: &str, text: &str| write_file(folder.path(), path, text);
        write(
            "pipeline/pipeline.toml",
            "name = \"kept\"\n[[window]]\nname = \"w\"\nsize = \"5m\"\n",
        );
        write(
            "pipeline/windows/w.sql",
            "SELECT site_id, sum(count) AS persons FROM observation GROUP BY site_id",
        );
        write(
            &format!("pipeline/feeds/{feed}.toml"),
            &format!(
                "format = \"json\"\ntopic = \"{feed}\"\nunknown_site = \"accept\"\n\
                 out_of_orderness = \"1m\"\ninterval_max = \"1m\"\ndedup_within = \"3h\"\n"
            ),
        );
        let mut sink = KafkaSink::connect(bootstrap, &Properties::new()).unwrap();
        let topic = (feed.as_str(), 1, Retention::Forever);
        sink.ensure_topics(&[topic]).unwrap();
        for bytes in messages {
            sink.send(&feed, Some(0), None, Some(bytes), None).unwrap();
        }
        sink.flush(LONG).unwrap();

        let inspector = Inspector::new(bootstrap);
        let ends = |topic| inspector.ends(topic, LONG).unwrap_or_default();
        let before = TOPICS.map(|topic| (topic, ends(topic)));
        let path = |name: &str| folder.path().join(name).to_str().unwrap().to_owned();
        let (pipeline, out) = (path("pipeline"), path("out"));
        stdout([
            "run",
            &pipeline,
            "--bootstrap",
            bootstrap,
            "--until-caught-up",
            "--out",
            &out,
            "--json",
        ]);
        let read = |(topic, before): (&'static str, Ends)| {
            let records = inspector.read_committed(topic, &before, LONG).unwrap();
            let values = records.iter().filter_map(|record| record.value.as_deref());
            let values = values.map(|value| serde_json::from_slice::<Value>(value).unwrap());
            // Other tests write there too.
            let own = values.filter(|value| value["feed"] == feed);
            let own = own.map(|mut value| {
                // Which the table need not say.
                let pipeline = value.as_object_mut().unwrap().remove("pipeline");
                assert_eq!(pipeline, Some("kept".into()));
                value
            });
            (topic, own.collect())
        };
        let topics = before.into_iter().map(read).collect();
        Self {
            feed,
            folder,
            topics,
        }
    }

    /// The rows of a table that it wrote.
    fn table(&self, name: &str) -> Vec<Value> {
        let out = self.folder.path().join("out");
        let query = format!("SELECT * FROM {name}");
        let text = stdout(["sql", "--data", out.to_str().unwrap(), "--json", &query]);
        text.lines()
            .map(|line| serde_json::from_str(line).unwrap())
            .collect()
    }

    /// The one row that topic and table agree about.
    fn only(&self, kind: &str) -> Value {
        let topic = format!("tidegate.{kind}");
        let [row] = &self.topics[topic.as_str()][..] else {
            panic!("{topic}: {:?}", self.topics[topic.as_str()]);
        };
        assert_eq!(self.table(kind), std::slice::from_ref(row), "{kind}");
        row.clone()
    }
}

fn count(id: &str, time: &str) -> Vec<u8> {
    format!(
        r#"{{"id":"{id}","site":"gate","start":"2024-03-02T{time}Z","measure":"in","count":7}}"#
    )
    .into_bytes()
}

/// `column=value` of a row, in the order asked for.
fn pick(row: &Value, columns: &[&str]) -> String {
    let pick = |column: &&str| format!("{column}={}", row[*column]);
    let picked: Vec<String> = columns.iter().map(pick).collect();
    picked.join(" ")
}

#[test]
fn late_duplicate_and_rejected_records_are_in_topics_and_tables() {
    let Some(bootstrap) = real_kafka() else {
        return;
    };
    let poison = b"\xff\0{".to_vec();
    let messages = [
        count("a", "09:00:00"),
        poison.clone(),
        count("b", "07:00:00"),
        count("a", "09:00:00"),
    ];
    let run = Run::over(&bootstrap, "kept", &messages);
    let bytes = |row: &Value| BASE64_STANDARD.decode(row["bytes"].as_str().unwrap());
    let place = ["source_partition", "source_offset", "source_row"];

    let late = run.only("late");
    assert_eq!(
        pick(&late, &place),
        "source_partition=0 source_offset=2 source_row=0"
    );
    // Two minutes of disorder and interval behind 09:00, and two hours less two minutes before that.
    assert_eq!(
        pick(&late, &["late_reason", "watermark", "late_by_us"]),
        "late_reason=\"beyond_allowed_lateness\" watermark=\"2024-03-02T08:58:00Z\" \
         late_by_us=7080000000"
    );
    assert_eq!(bytes(&late).unwrap(), messages[2]);

    let duplicate = run.only("duplicate");
    assert_eq!(
        pick(&duplicate, &place),
        "source_partition=0 source_offset=3 source_row=0"
    );
    assert_eq!(duplicate["duplicate_reason"], "id_seen");
    assert_eq!(bytes(&duplicate).unwrap(), messages[3]);

    let rejected = run.only("rejected");
    assert_eq!(
        pick(&rejected, &place),
        "source_partition=0 source_offset=1 source_row=0"
    );
    assert_eq!(rejected["reason"], "not_utf8");
    assert_eq!(bytes(&rejected).unwrap(), poison);
}

#[test]
fn a_feed_of_garbage_is_told_of() {
    let Some(bootstrap) = real_kafka() else {
        return;
    };
    let run = Run::over(&bootstrap, "garbage", &vec![b"{".to_vec(); 1_100]);
    let [told] = &run.topics["tidegate.feed-health"][..] else {
        panic!("{:?}", run.topics["tidegate.feed-health"]);
    };
    assert_eq!(
        pick(
            told,
            &["state", "received", "rejected", "top_reason", "seen"]
        ),
        "state=\"quarantined\" received=1000 rejected=1000 top_reason=\"malformed\" seen=1000"
    );
    for text in ["text_zh", "text_en"] {
        assert!(told[text].as_str().unwrap().contains(&run.feed), "{told}");
    }
    assert_eq!(run.table("rejected").len(), 1_100);
    assert_eq!(run.topics["tidegate.rejected"].len(), 1_100);
}
