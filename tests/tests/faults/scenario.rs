//! A workload, a cluster and the product on it; and the comparison at the end, which becomes a line
//! of the crash matrix.

use std::collections::BTreeMap;
use std::fs::OpenOptions;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU32, Ordering};
use std::thread::JoinHandle;
use std::time::Duration;

use serde_json::{Value, json};
use tidegate_connect::{Ends, Inspector};

use super::compare::{Difference, Records};
use super::kafka::Kafka;
use super::product::Product;
use super::workload::{Record, Workload, send};
use crate::support::{binary, wait_until};

/// Long enough for everything that happens at all, on a build server where four brokers and a
/// product share two cores.
pub(crate) const LONG: Duration = Duration::from_mins(2);

/// Records a second of a producer that is to last a while.
pub(crate) const RATE: u32 = 400;

/// Topics with output. Nothing may come to those of late records and of the health of feeds.
const TOPICS: [&str; 7] = [
    "tidegate.pane",
    "tidegate.layer",
    "tidegate.alert",
    "tidegate.late",
    "tidegate.duplicate",
    "tidegate.rejected",
    "tidegate.feed-health",
];

/// See the module's documentation.
#[derive(Debug)]
pub(crate) struct Scenario {
    workload: Workload,
    /// For this test.
    bootstrap: String,
    /// For the product.
    product_bootstrap: String,
    folder: tempfile::TempDir,
    pipeline: PathBuf,
    expected: Records,
    /// Where the topics with output ended before: brokers are shared by many scenarios.
    before: BTreeMap<&'static str, Ends>,
    runs: u32,
    /// Under which name its processes come back at once after a kill.
    instance: Option<&'static str>,
}

impl Scenario {
    /// A workload of so many seconds of event time on four partitions. Its topic is there and
    /// empty.
    pub(crate) fn new(kafka: &Kafka, name: &str, seconds: i64) -> Self {
        let workload = Workload::new(&unique(name), 4, seconds);
        let partitions = workload.partitions();
        Self::with(kafka, workload, partitions)
    }

    /// A workload whose topic has only half of its partitions to begin with.
    pub(crate) fn growing(kafka: &Kafka, name: &str, seconds: i64) -> Self {
        let workload = Workload::new(&unique(name), 4, seconds).growing();
        let partitions = workload.partitions() / 2;
        Self::with(kafka, workload, partitions)
    }

    fn with(kafka: &Kafka, workload: Workload, partitions: i32) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let pipeline = workload.write_pipeline(folder.path());
        let expected = workload.expected(binary(), &pipeline, folder.path());
        let inspector = Inspector::new(&kafka.bootstrap());
        let topic = workload.topic();
        inspector
            .create_topic(&topic, partitions, &[], LONG)
            .unwrap();
        let before = TOPICS.map(|topic| (topic, inspector.ends(topic, LONG).unwrap()));
        Self {
            workload,
            bootstrap: kafka.bootstrap(),
            product_bootstrap: kafka.bootstrap(),
            folder,
            pipeline,
            expected,
            before: before.into(),
            runs: 0,
            instance: None,
        }
    }

    /// The product reaches the brokers through the links only.
    pub(crate) fn through_links(self, kafka: &Kafka) -> Self {
        Self {
            product_bootstrap: kafka.proxied_bootstrap(),
            ..self
        }
    }

    /// Its processes come back under one name, without waiting for the session of the one before.
    pub(crate) fn comes_back(self) -> Self {
        Self {
            instance: Some("here"),
            ..self
        }
    }

    /// The workload.
    pub(crate) fn workload(&self) -> &Workload {
        &self.workload
    }

    /// Its pipeline folder.
    pub(crate) fn pipeline(&self) -> &Path {
        &self.pipeline
    }

    /// Where the product keeps snapshots.
    pub(crate) fn state(&self) -> PathBuf {
        self.folder.path().join("state")
    }

    /// The snapshots there, oldest first.
    pub(crate) fn snapshots(&self) -> Vec<PathBuf> {
        let mut found = Vec::new();
        let mut folders = vec![self.state()];
        while let Some(folder) = folders.pop() {
            for entry in std::fs::read_dir(folder).into_iter().flatten() {
                let path = entry.unwrap().path();
                if path.is_dir() {
                    folders.push(path);
                } else {
                    found.push(path);
                }
            }
        }
        found.sort();
        found
    }

    /// Where a topic with output ended before.
    pub(crate) fn before(&self, topic: &str) -> &Ends {
        &self.before[topic]
    }

    /// Looks at the topics, past any link.
    pub(crate) fn inspector(&self) -> Inspector {
        Inspector::new(&self.bootstrap)
    }

    /// The consumer group of the product.
    pub(crate) fn group(&self) -> String {
        format!("tidegate.{}", self.workload.name())
    }

    /// Sends the whole workload now.
    pub(crate) fn send(&self) {
        self.send_some(&self.workload.records());
    }

    /// Sends these records now.
    pub(crate) fn send_some(&self, records: &[Record]) {
        send(&self.bootstrap, &self.workload.topic(), records, None);
    }

    /// Sends the whole workload in the background, [`RATE`] records a second.
    pub(crate) fn send_slowly(&self) -> JoinHandle<()> {
        let (bootstrap, topic) = (self.bootstrap.clone(), self.workload.topic());
        let records = self.workload.records();
        std::thread::spawn(move || send(&bootstrap, &topic, &records, Some(RATE)))
    }

    /// Starts the product, to run until it is stopped, with a plan for its fail points.
    pub(crate) fn run(&mut self, failpoint: Option<&str>) -> Product {
        self.run_with(&[], failpoint)
    }

    /// The same, but it cannot write files above a few kilobytes until
    /// [`Product::allow_large_files`].
    pub(crate) fn run_with_small_files(&mut self) -> Product {
        // An ignored signal stays ignored, so that the write fails instead of the process.
        let script = "trap '' XFSZ; ulimit -S -f 16; exec \"$0\" \"$@\"";
        let program = binary().to_str().unwrap().to_owned();
        let mut args = vec!["-c".to_owned(), script.to_owned(), program];
        args.extend(self.arguments(&[]));
        self.start(Path::new("sh"), &args, None)
    }

    /// The same with further arguments.
    pub(crate) fn run_with(&mut self, more: &[&str], failpoint: Option<&str>) -> Product {
        let args = self.arguments(more);
        self.start(binary(), &args, failpoint)
    }

    fn arguments(&self, more: &[&str]) -> Vec<String> {
        let state = self.state();
        let mut args = vec![
            "run",
            self.pipeline.to_str().unwrap(),
            "--bootstrap",
            &self.product_bootstrap,
            "--json",
            "--state",
            state.to_str().unwrap(),
            "--snapshot-every",
            "400ms",
        ];
        args.extend(more);
        if !more.contains(&"--epoch-every") {
            // Often, so that every step comes several times.
            args.extend(["--epoch-every", "200ms"]);
        }
        if let Some(instance) = self.instance {
            args.extend(["--instance-id", instance]);
        }
        args.into_iter().map(str::to_owned).collect()
    }

    fn start(&mut self, program: &Path, args: &[String], failpoint: Option<&str>) -> Product {
        self.runs += 1;
        let plan = failpoint.map(|plan| ("TIDEGATE_FAILPOINT", plan));
        Product::start(
            program,
            args,
            plan.as_slice(),
            (self.folder.path(), &format!("run-{}", self.runs)),
        )
    }

    /// What a reader of committed records has seen since the scenario began.
    pub(crate) fn found(&self) -> Records {
        let inspector = self.inspector();
        let mut found = Records::default();
        for (topic, before) in &self.before {
            for record in inspector.read_committed(topic, before, LONG).unwrap() {
                let key = String::from_utf8(record.key.unwrap_or_default()).unwrap();
                let mut value: Value = serde_json::from_slice(&record.value.unwrap()).unwrap();
                // The table need not say whose it is.
                let pipeline = value.as_object_mut().unwrap().remove("pipeline");
                assert_eq!(pipeline, Some(self.workload.name().into()), "{topic}");
                self.workload.add_output(&mut found, topic, (&key, value));
            }
        }
        found
    }

    /// What must come out, once everything is sent.
    fn expected(&self) -> Records {
        let topic = self.workload.topic();
        let log = self.inspector().read_committed(&topic, &Ends::new(), LONG);
        let mut log = log.unwrap();
        log.sort_by_key(|record| (record.partition, record.offset));
        let mut expected = self.expected.clone();
        let records = log.iter().filter_map(|record| {
            let value = record.value.as_deref()?;
            Some((record.partition, record.offset, value))
        });
        self.workload.add_positions(&mut expected, records);
        expected
    }

    /// Waits until some output is there.
    pub(crate) fn wait_begun(&self) {
        let begun = wait_until(LONG, || (self.found().len() > 0).then_some(()));
        assert!(begun.is_some(), "no output within {LONG:?}");
    }

    /// Waits until all output is there; the comparison says what is missing.
    pub(crate) fn wait_complete(&self) {
        let expected = self.expected();
        let complete = wait_until(LONG, || self.found().covers(&expected).then_some(()));
        if complete.is_none() {
            eprintln!("not all output came within {LONG:?}");
        }
    }

    /// Waits for all output, stops `product` in order, and compares.
    pub(crate) fn finish(&self, mut product: Product, (step, fault): (&str, &str), tries: u32) {
        self.wait_complete();
        product.terminate();
        let ended = product.wait(LONG);
        let said = product.output();
        // Shown only if something is wrong.
        eprintln!("{step}, {fault}: it ended as {ended:?} and said\n{said}");
        self.check((step, fault), tries);
        assert!(ended.is_some_and(|status| status.success()));
    }

    /// Compares all output, adds a line to the crash matrix, and fails on any difference.
    pub(crate) fn check(&self, (step, fault): (&str, &str), tries: u32) {
        let difference = Difference::new(&self.expected(), &self.found());
        report(step, fault, tries, &difference);
        assert!(difference.is_none(), "{step}, {fault}: {difference}");
    }
}

/// A name that no other scenario of this run has.
fn unique(name: &str) -> String {
    static COUNT: AtomicU32 = AtomicU32::new(0);
    let number = COUNT.fetch_add(1, Ordering::Relaxed);
    format!("{name}-{}-{number}", std::process::id())
}

fn report(step: &str, fault: &str, tries: u32, difference: &Difference) {
    let Some(path) = std::env::var_os("TIDEGATE_TEST_REPORT") else {
        return;
    };
    let line = json!({
        "step": step,
        "fault": fault,
        "tries": tries,
        "lost": difference.lost,
        "doubled": difference.doubled,
        "wrong": difference.wrong,
    });
    let mut options = OpenOptions::new();
    let mut file = options.create(true).append(true).open(path).unwrap();
    writeln!(file, "{line}").unwrap();
}
