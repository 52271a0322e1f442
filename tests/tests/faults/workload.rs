//! A small pipeline, its input, and what has to come out of it.
//!
//! Everything follows from the numbers below and a name: no clock, no chance. Each site counts once
//! a second of event time; a site belongs to one partition, whose log is out of order by less than
//! the pipeline's bound, with some repeated records and some that are no records. Nothing is late
//! and no partition is ever idle, so that faults may take as long as they like.
//!
//! Behind the last second each partition has one record far in the future, which closes every
//! window before it. Only windows that end by [`Workload::horizon`] are compared.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

use serde_json::Value;
use tidegate_connect::{KafkaSink, Properties};
use tidegate_model::{EventTime, Span, parse_rfc3339};

use super::compare::{Records, canonical};
use crate::support::write_file;

/// The sites; each is on partition `site % partitions`.
const SITES: i64 = 8;
/// One good record in so many is sent twice.
const REPEATED_EVERY: i64 = 97;
/// After so many good records comes one that is none.
const POISON_EVERY: i64 = 211;
/// So many records of a partition are sent in reverse, 4 s of event time at most, below the bound.
const REVERSED: usize = 4;
/// Window queries with size and slide in seconds.
const WINDOWS: [(&str, i64, i64); 2] = [("tumbling", 10, 10), ("sliding", 30, 10)];

/// See the module's documentation.
#[derive(Debug, Clone)]
pub(crate) struct Workload {
    name: String,
    partitions: i32,
    seconds: i64,
    /// When the upper half of the partitions begins.
    upper_from: i64,
}

/// One record to send.
#[derive(Debug, Clone)]
pub(crate) struct Record {
    partition: i32,
    key: String,
    value: Vec<u8>,
    timestamp_ms: i64,
    kind: Kind,
}

impl Record {
    /// Its partition.
    pub(crate) fn partition(&self) -> i32 {
        self.partition
    }

    /// Whether it was sent before the second half of the workload's time.
    pub(crate) fn is_early(&self, workload: &Workload) -> bool {
        let half = Workload::start().plus(Span::seconds(workload.seconds / 2));
        self.timestamp_ms < half.micros() / 1_000
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Good,
    Repeated,
    Poison,
}

impl Workload {
    /// A workload of so many seconds of event time on so many partitions. The name is that of the
    /// pipeline and part of its topic: no two of one broker may share it.
    pub(crate) fn new(name: &str, partitions: i32, seconds: i64) -> Self {
        Self {
            name: name.to_owned(),
            partitions,
            seconds,
            upper_from: 0,
        }
    }

    /// The same, but the upper half of the partitions has no records in the first half of the time:
    /// they may be added then.
    pub(crate) fn growing(self) -> Self {
        Self {
            upper_from: self.seconds / 2,
            ..self
        }
    }

    /// Whether a partition is in the upper half.
    pub(crate) fn is_upper(&self, partition: i32) -> bool {
        partition >= self.partitions / 2
    }

    /// The pipeline's name.
    pub(crate) fn name(&self) -> &str {
        &self.name
    }

    /// The topic that the pipeline reads.
    pub(crate) fn topic(&self) -> String {
        format!("faults.{}", self.name)
    }

    /// Partitions of the topic.
    pub(crate) fn partitions(&self) -> i32 {
        self.partitions
    }

    fn start() -> EventTime {
        parse_rfc3339("2026-03-02T00:00:00Z").unwrap()
    }

    /// Windows that end by then are closed by the workload itself.
    pub(crate) fn horizon(&self) -> EventTime {
        Self::start().plus(Span::seconds(self.seconds))
    }

    /// Writes the pipeline into `folder` and gives its path.
    pub(crate) fn write_pipeline(&self, folder: &Path) -> PathBuf {
        let folder = folder.join("pipeline");
        let sql = "SELECT site_id, sum(count) AS persons, count(*) AS rows, max(count) AS largest \
                   FROM observation WHERE measure = 'in' GROUP BY site_id\n";
        let mut pipeline = format!(
            "name = \"{}\"\nzone = \"UTC\"\nallowed_lateness = \"1m\"\nidle_after = \"1h\"\n",
            self.name
        );
        for (name, size, slide) in WINDOWS {
            writeln!(
                pipeline,
                "[[window]]\nname = \"{name}\"\nsize = \"{size}s\"\nslide = \"{slide}s\""
            )
            .unwrap();
            write_file(&folder, &format!("windows/{name}.sql"), sql);
        }
        pipeline += "[[layer]]\nname = \"crowd\"\non = \"sliding\"\n";
        write_file(&folder, "pipeline.toml", &pipeline);
        let feed = format!(
            "format = \"json\"\ntopic = \"{}\"\nunknown_site = \"accept\"\n\
             out_of_orderness = \"5s\"\ninterval_max = \"1s\"\ndedup_within = \"10m\"\n",
            self.topic()
        );
        write_file(&folder, "feeds/gate.toml", &feed);
        write_file(
            &folder,
            "layers/crowd.sql",
            "SELECT 'site' AS subject_kind, site_id AS subject, CAST(persons AS DOUBLE) AS value, \
             'persons' AS unit, 'test/sum@1' AS method FROM sliding\n",
        );
        write_file(
            &folder,
            "rules.toml",
            "[[rule]]\nname = \"crowd\"\nlayer = \"crowd\"\nfire_above = 800.0\n\
             clear_below = 300.0\nfor = \"10s\"\nkeep_firing_for = \"10s\"\nseverity = \"warning\"\n\
             flap_max = 0\nowner = \"duty\"\ntitle = { zh-CN = \"{name} {value}\", en = \"{name} {value}\" }\n\
             do = { zh-CN = \"看\", en = \"look\" }\n",
        );
        folder
    }

    /// How many persons a site counts in a second: few, and many in one minute of four.
    fn count(site: i64, second: i64) -> i64 {
        let crowd = if (second / 60 + site) % 4 == 0 { 40 } else { 0 };
        crowd + (second * 31 + site * 17 + second * site) % 10
    }

    fn record(&self, site: i64, second: i64) -> Record {
        let at = Self::start().plus(Span::seconds(second));
        let count = Self::count(site, second);
        Record {
            partition: i32::try_from(site).unwrap() % self.partitions,
            key: format!("s{site}"),
            value: format!(
                r#"{{"id":"s{site}-{second}","site":"s{site}","start":"{at}","measure":"in","count":{count}}}"#
            )
            .into_bytes(),
            timestamp_ms: at.micros() / 1_000,
            kind: Kind::Good,
        }
    }

    /// The log of a partition.
    fn log(&self, partition: i32) -> Vec<Record> {
        let sites =
            || (0..SITES).filter(|s| i32::try_from(*s).unwrap() % self.partitions == partition);
        let mut log = Vec::new();
        let first = if self.is_upper(partition) {
            self.upper_from
        } else {
            0
        };
        for second in first..self.seconds {
            for site in sites() {
                let number = second * SITES + site;
                let record = self.record(site, second);
                let other = |kind, value| Record {
                    value,
                    kind,
                    ..record.clone()
                };
                if number % POISON_EVERY == 0 {
                    log.push(other(Kind::Poison, b"{\"site\": \"s0\", \"sta".to_vec()));
                }
                if number % REPEATED_EVERY == 0 {
                    log.push(other(Kind::Repeated, record.value.clone()));
                }
                log.push(record);
            }
        }
        log.chunks_mut(REVERSED).for_each(<[Record]>::reverse);
        let closing = self.seconds + 600;
        let mut last = self.record(i64::from(partition), closing);
        "last".clone_into(&mut last.key);
        log.push(last);
        log
    }

    /// Every record, in the order in which a city would send them.
    pub(crate) fn records(&self) -> Vec<Record> {
        let mut logs: Vec<_> = (0..self.partitions)
            .map(|partition| self.log(partition).into_iter())
            .collect();
        let mut records = Vec::new();
        loop {
            let before = records.len();
            records.extend(logs.iter_mut().filter_map(Iterator::next));
            if records.len() == before {
                return records;
            }
        }
    }

    /// What plain batch SQL makes of it.
    /// `program` is the product, `folder` a place for files.
    pub(crate) fn expected(&self, program: &Path, pipeline: &Path, folder: &Path) -> Records {
        let input = folder.join("input.jsonl");
        let good = self
            .records()
            .into_iter()
            .filter(|r| r.kind != Kind::Poison);
        let lines: Vec<Vec<u8>> = good.map(|record| record.value).collect();
        std::fs::write(&input, lines.join(&b'\n')).unwrap();
        let out = folder.join("batch");
        let run = |args: &[&str]| {
            let output = Command::new(program).args(args).output().unwrap();
            let error = String::from_utf8_lossy(&output.stderr);
            assert!(output.status.success(), "{args:?}: {error}");
            String::from_utf8(output.stdout).unwrap()
        };
        let (input, out) = (format!("gate={}", input.display()), out.to_str().unwrap());
        let pipeline = pipeline.to_str().unwrap();
        run(&[
            "backfill", pipeline, "--input", &input, "--out", out, "--json",
        ]);
        let rows = |table: &str| {
            let text = run(&[
                "sql",
                "--json",
                "--data",
                out,
                &format!("SELECT * FROM {table}"),
            ]);
            let lines = text.lines();
            lines
                .map(|line| serde_json::from_str(line).unwrap())
                .collect::<Vec<Value>>()
        };
        let mut expected = Records::default();
        for (window, ..) in WINDOWS {
            for row in rows(&format!("pane_{window}")) {
                self.add_pane(&mut expected, window, row);
            }
        }
        for row in rows("layer_crowd") {
            self.add_layer(&mut expected, row);
        }
        for row in rows("alert") {
            self.add_alert(&mut expected, &row);
        }
        expected
    }

    /// Adds what must be said of the records of the topic's log that are none, and of those that
    /// stood in it before: partition, offset and value of every record, in the order of each log. It
    /// is the log that counts, since a producer whose broker dies may send a record again.
    pub(crate) fn add_positions<'a>(
        &self,
        expected: &mut Records,
        log: impl Iterator<Item = (i32, i64, &'a [u8])>,
    ) {
        let records = self.records().into_iter();
        let poison = records.filter(|record| record.kind == Kind::Poison);
        let poison: BTreeSet<Vec<u8>> = poison.map(|record| record.value).collect();
        let mut seen = BTreeSet::new();
        for (partition, offset, value) in log {
            let kind = if poison.contains(value) {
                "rejected"
            } else if !seen.insert((partition, value)) {
                "duplicate"
            } else {
                continue;
            };
            expected.add(format!("{kind}/{partition}/{offset}"), String::new());
        }
        let lost = self.records().into_iter().filter(|record| {
            record.kind == Kind::Good && !seen.contains(&(record.partition, &record.value))
        });
        assert_eq!(lost.count(), 0, "the brokers lost input before it was read");
    }

    /// Takes one record of the output topics into `found`; `key` and `value` are as in the topic.
    pub(crate) fn add_output(&self, found: &mut Records, topic: &str, (key, value): (&str, Value)) {
        match topic {
            "tidegate.pane" => {
                let window = key.split('/').next().unwrap_or_default();
                self.add_pane(found, window, value);
            }
            "tidegate.layer" => self.add_layer(found, value),
            "tidegate.alert" => self.add_alert(found, &value),
            "tidegate.rejected" => {
                let (partition, offset) = (&value["source_partition"], &value["source_offset"]);
                found.add(format!("rejected/{partition}/{offset}"), String::new());
            }
            "tidegate.duplicate" => {
                let (partition, offset) = (&value["source_partition"], &value["source_offset"]);
                found.add(format!("duplicate/{partition}/{offset}"), String::new());
            }
            // Nothing is late, so whatever is there is wrong.
            other => found.add(other.to_owned(), value.to_string()),
        }
    }

    fn add_pane(&self, records: &mut Records, window: &str, row: Value) {
        let key = format!("pane/{window}/{}/{}", row["window_end"], row["site_id"]);
        self.add(records, key, row);
    }

    fn add_layer(&self, records: &mut Records, row: Value) {
        let key = format!("{}/{}/{}", row["layer"], row["window_end"], row["subject"]);
        self.add(records, format!("layer/{key}"), row);
    }

    /// The table and the topic have some columns of their own each; these are in both.
    fn add_alert(&self, records: &mut Records, row: &Value) {
        const FIELDS: [&str; 9] = [
            "id",
            "rule",
            "layer",
            "subject",
            "state",
            "severity",
            "window_end",
            "value",
            "title_en",
        ];
        let key = format!("alert/{}/{}/{}", row["id"], row["state"], row["window_end"]);
        let mut common = serde_json::Map::new();
        for field in FIELDS {
            common.insert(field.to_owned(), row[field].clone());
        }
        common.extend(
            row.get("is_final")
                .map(|f| ("is_final".to_owned(), f.clone())),
        );
        self.add(records, key, Value::Object(common));
    }

    fn add(&self, records: &mut Records, key: String, row: Value) {
        let end = parse_rfc3339(row["window_end"].as_str().unwrap()).unwrap();
        if end <= self.horizon()
            && let Some(text) = canonical(row)
        {
            records.add(key, text);
        }
    }

    /// The panes as plain additions give them: window, end in seconds, site → persons and rows.
    fn truth(&self) -> BTreeMap<(String, i64, String), (i64, i64)> {
        let mut truth = BTreeMap::new();
        for (window, size, slide) in WINDOWS {
            for end in (slide..=self.seconds).step_by(usize::try_from(slide).unwrap()) {
                for site in 0..SITES {
                    let seconds = (end - size).max(0)..end;
                    let rows = seconds.end - seconds.start;
                    let persons = seconds.map(|second| Self::count(site, second)).sum();
                    truth.insert(
                        (window.to_owned(), end, format!("s{site}")),
                        (persons, rows),
                    );
                }
            }
        }
        truth
    }
}

/// Sends records to a topic, `rate` a second, or as fast as it can without one; returns when all
/// are stored.
pub(crate) fn send(bootstrap: &str, topic: &str, records: &[Record], rate: Option<u32>) {
    let within = Duration::from_mins(2);
    // Brokers may be away for as long as a test likes.
    let properties = [("linger.ms", "5"), ("delivery.timeout.ms", "120000")];
    let properties = properties.map(|(name, value)| (name.to_owned(), value.to_owned()));
    let mut sink =
        KafkaSink::connect_within(bootstrap, &Properties::from(properties), within).unwrap();
    let started = Instant::now();
    for (number, record) in (0..).zip(records) {
        if let Some(rate) = rate {
            let due = Duration::from_secs(1) * number / rate;
            std::thread::sleep(due.saturating_sub(started.elapsed()));
        }
        sink.send(
            topic,
            Some(record.partition),
            Some(record.key.as_bytes()),
            Some(&record.value),
            Some(record.timestamp_ms),
        )
        .unwrap();
    }
    sink.flush(within).unwrap();
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::support::binary;

    /// Batch SQL is what streams are compared with, so it is itself compared with additions.
    #[test]
    fn batch_sql_gives_the_known_truth() {
        let folder = tempfile::tempdir().unwrap();
        let workload = Workload::new("truth", 4, 300);
        let pipeline = workload.write_pipeline(folder.path());
        let expected = workload.expected(binary(), &pipeline, folder.path());
        let truth = workload.truth();
        let panes = truth.len();
        for ((window, end, site), (persons, rows)) in truth {
            let end = Workload::start().plus(Span::seconds(end));
            let key = format!(r#"pane/{window}/"{end}"/"{site}""#);
            let texts = expected.texts(&key);
            let sums = format!(r#""persons":{persons},"rows":{rows}"#);
            assert!(
                texts.len() == 1 && texts[0].contains(&sums),
                "{key}: {sums} is not in {texts:?}"
            );
        }
        let layers = usize::try_from(SITES * 30).unwrap();
        let rest = expected.len() - panes - layers;
        assert!(rest >= 8, "{rest} alerts");
    }

    #[test]
    fn every_partition_has_disorder_repeats_and_poison() {
        let workload = Workload::new("shape", 4, 600);
        for partition in 0..4 {
            let log = workload.log(partition);
            let count = |kind| log.iter().filter(|record| record.kind == kind).count();
            assert!(count(Kind::Repeated) >= 5 && count(Kind::Poison) >= 2);
            let newest = log.iter().scan(i64::MIN, |newest, record| {
                *newest = record.timestamp_ms.max(*newest);
                Some(*newest - record.timestamp_ms)
            });
            let behind = newest.max().unwrap();
            assert!((1..5_000).contains(&behind), "{behind} ms out of order");
        }
        assert_eq!(
            workload.records().len(),
            (0..4).map(|p| workload.log(p).len()).sum::<usize>()
        );
    }
}
