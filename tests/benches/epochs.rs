//! What exactly-once costs on a real Apache Kafka: throughput against at-least-once, the stall and
//! the size of a snapshot, recovery after `kill -9`, latency from the record that closes a window
//! to its final pane and to the notices of its alerts, memory over time.
//!
//! Needs a broker at `TIDEGATE_TEST_KAFKA`; `cargo xtask bench` starts one. Prints one JSON array;
//! what it does meanwhile goes to standard error. `TIDEGATE_BENCH_ONLY` names parts of it,
//! `TIDEGATE_BENCH_RECORDS`, `TIDEGATE_BENCH_GROUPS` and `TIDEGATE_BENCH_SOAK_S` change its size.

#![expect(
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "this is a command: what it prints is its result"
)]

#[path = "epochs/notices.rs"]
mod notices;

use std::collections::BTreeMap;
use std::fs::File;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::time::{Duration, Instant};

use serde_json::{Value, json};
use tidegate_connect::{
    Inspector, KafkaSink, KafkaSource, Properties, Retention, SourceConfig, SourceEvent, Stop,
};
use tidegate_model::{EventTime, FeedId, Span, parse_rfc3339};
use tidegate_sim::workload::{Place, Workload};
use wait4::Wait4;

const PARTITIONS: i32 = 4;
/// Records a second when latency is measured.
const RATE: usize = 20_000;
/// Longest wait for anything.
const LONG: Duration = Duration::from_mins(10);
/// Runs of each comparison; medians count.
const RUNS: usize = 3;

fn main() {
    let Ok(bootstrap) = std::env::var("TIDEGATE_TEST_KAFKA") else {
        eprintln!("skipped: TIDEGATE_TEST_KAFKA names no broker");
        return;
    };
    let only = std::env::var("TIDEGATE_BENCH_ONLY").unwrap_or_default();
    let wants = |name: &str| only.is_empty() || only.split(',').any(|part| part == name);
    let mut results = Vec::new();
    if wants("throughput") {
        results.extend(throughput(
            &bootstrap,
            number("TIDEGATE_BENCH_RECORDS", 20_000_000),
        ));
    }
    if wants("state") {
        for groups in [100_000, number("TIDEGATE_BENCH_GROUPS", 1_000_000)] {
            results.push(state(&bootstrap, groups));
        }
    }
    if wants("latency") {
        for (name, more) in [
            (
                "exactly once, 250 ms epochs",
                ["--epoch-every", "250ms"].as_slice(),
            ),
            ("exactly once, 50 ms epochs", &["--epoch-every", "50ms"]),
            ("at least once", &["--at-least-once"]),
        ] {
            results.push(latency(&bootstrap, name, more));
        }
    }
    if wants("notices") {
        for (name, more) in [
            ("50 ms epochs", &["--epoch-every", "50ms"][..]),
            ("1 s epochs, as by default", &[]),
        ] {
            results.push(notices::notices(&bootstrap, name, more));
        }
    }
    let soak_s = number("TIDEGATE_BENCH_SOAK_S", 0);
    if wants("soak") && soak_s > 0 {
        results.push(soak(&bootstrap, Duration::from_secs(soak_s as u64)));
    }
    println!("{:#}", Value::from(results));
}

fn number(variable: &str, default: usize) -> usize {
    let text = std::env::var(variable).ok();
    text.and_then(|text| text.parse().ok()).unwrap_or(default)
}

/// A pipeline with a topic of its own.
struct Job {
    name: String,
    topic: String,
    bootstrap: String,
    folder: tempfile::TempDir,
    runs: u32,
}

impl Job {
    /// A pipeline with these windows: name, size, and SQL after `SELECT`.
    fn new(bootstrap: &str, name: &str, delay: &str, windows: &[(&str, &str, &str)]) -> Self {
        let name = format!("bench-{name}-{}", std::process::id());
        let job = Self {
            topic: format!("{name}.in"),
            name,
            bootstrap: bootstrap.to_owned(),
            folder: tempfile::tempdir().expect("a folder for the pipeline"),
            runs: 0,
        };
        let mut pipeline = format!("name = \"{}\"\nidle_after = \"1h\"\n", job.name);
        for (window, size, sql) in windows {
            pipeline.extend([
                "[[window]]\nname = \"",
                window,
                "\"\nsize = \"",
                size,
                "\"\n",
            ]);
            job.write(&format!("windows/{window}.sql"), &format!("SELECT {sql}\n"));
        }
        job.write("pipeline.toml", &pipeline);
        let feed = format!(
            "format = \"json\"\ntopic = \"{}\"\nunknown_site = \"accept\"\n{delay}",
            job.topic
        );
        job.write("feeds/venue.toml", &feed);
        let sink = job.sink();
        sink.ensure_topics(&[(&job.topic, PARTITIONS, Retention::Forever)])
            .expect("the topic is made");
        job
    }

    fn write(&self, path: &str, text: &str) {
        let path = self.folder.path().join("pipeline").join(path);
        std::fs::create_dir_all(path.parent().expect("a file has a folder")).expect("a folder");
        std::fs::write(path, text).expect("a file can be written");
    }

    fn sink(&self) -> KafkaSink {
        KafkaSink::connect(&self.bootstrap, &Properties::new()).expect("the broker answers")
    }

    /// Sends records to the partitions in turn.
    fn send(&self, records: impl Iterator<Item = Vec<u8>>) {
        self.send_by(&mut self.sink(), records);
    }

    /// The same over a connection that is there: a new one may take half a second.
    fn send_by(&self, sink: &mut KafkaSink, records: impl Iterator<Item = Vec<u8>>) {
        for (nth, record) in records.enumerate() {
            let partition = i32::try_from(nth % 4).expect("below 4");
            sink.send(&self.topic, Some(partition), None, Some(&record), None)
                .expect("the broker takes records");
        }
        sink.flush(LONG).expect("all are stored");
    }

    /// One record in each partition whose event time ends at `second`.
    fn close_at(&self, second: i64) {
        self.send(closers(second));
    }

    /// Starts the product on it.
    fn run(&mut self, state: &str, more: &[&str]) -> Product {
        self.runs += 1;
        let err = self.folder.path().join(format!("run-{}.err", self.runs));
        let mut command = Command::new(product());
        command
            .arg("run")
            .arg(self.folder.path().join("pipeline"))
            .args(["--bootstrap", &self.bootstrap, "--json"])
            .args(more)
            .env("RUST_LOG", "warn,tidegate=debug,rdkafka=off,librdkafka=off")
            .stdin(Stdio::null())
            .stdout(File::create(err.with_extension("out")).expect("a file for the output"))
            .stderr(File::create(&err).expect("a file for the log"));
        if !more.contains(&"--at-least-once") {
            command.arg("--state").arg(self.folder.path().join(state));
        }
        let started = Instant::now();
        let child = command.spawn().expect("the program is built");
        Product {
            child: Some(child),
            err,
            started,
        }
    }

    /// The final panes of `window` that become visible from now on.
    fn panes(&self, window: &'static str) -> Panes {
        let inspector = Inspector::new(&self.bootstrap);
        let feed = FeedId::new("out");
        let topic = "tidegate.pane".to_owned();
        self.sink()
            .ensure_topics(&[(topic.as_str(), 1, Retention::Broker)])
            .expect("the topic is made");
        let ends = inspector.ends(&topic, LONG).expect("the topic is there");
        let mut config =
            SourceConfig::new(&self.bootstrap, vec![(feed.clone(), topic)], Stop::Never);
        let starts = ends
            .iter()
            .map(|(partition, end)| ((feed.clone(), *partition), *end));
        config.start = starts.collect();
        Panes {
            source: KafkaSource::open(config).expect("the topic can be read"),
            window,
        }
    }
}

/// One record for each partition.
fn closers(second: i64) -> impl Iterator<Item = Vec<u8>> {
    (0..PARTITIONS).map(move |p| record(&format!("closer-{p}"), second, 1))
}

/// A reader of committed panes.
struct Panes {
    source: KafkaSource,
    window: &'static str,
}

impl Panes {
    /// Calls `seen` with each final pane of the window until it says that this is enough.
    fn until(&mut self, mut seen: impl FnMut(&Value) -> bool) {
        let since = Instant::now();
        loop {
            assert!(since.elapsed() < LONG, "the panes do not come");
            let Some(SourceEvent::Batch(batch)) = self
                .source
                .next(Duration::from_millis(50))
                .expect("the topic can be read")
            else {
                continue;
            };
            for payload in batch.iter() {
                let row: Value = serde_json::from_slice(payload.bytes.unwrap_or_default())
                    .expect("panes are JSON");
                // Each pane has a column of that name.
                let ours = row["query"] == self.window && row["is_final"] == true;
                if ours && seen(&row) {
                    return;
                }
            }
        }
    }
}

/// The product at work; killed when dropped.
struct Product {
    child: Option<Child>,
    err: PathBuf,
    started: Instant,
}

impl Product {
    fn kill(&mut self) {
        if let Some(mut child) = self.child.take() {
            drop(child.kill());
            drop(child.wait());
        }
    }

    /// Asks it to stop; its CPU seconds and most memory.
    fn stop(mut self) -> (f64, u64) {
        let child = self.child.take().expect("it runs");
        let id = child.id().to_string();
        let asked = Command::new("kill").args(["-TERM", &id]).status();
        assert!(asked.is_ok_and(|status| status.success()), "kill {id}");
        let end = child.wait4().expect("it ends");
        assert!(end.status.success(), "{}: {}", end.status, self.log());
        let cpu = end.rusage.utime.as_secs_f64() + end.rusage.stime.as_secs_f64();
        (cpu, end.rusage.maxrss)
    }

    fn log(&self) -> String {
        std::fs::read_to_string(&self.err).unwrap_or_default()
    }

    /// The largest number that the log has behind `key=` in lines with `text`.
    fn most(&self, text: &str, key: &str) -> Option<f64> {
        let log = self.log();
        let lines = log.lines().filter(|line| line.contains(text));
        let number = |line: &str| {
            let (_, rest) = line.split_once(&format!("{key}="))?;
            rest.split([' ', ',']).next()?.parse::<f64>().ok()
        };
        lines.filter_map(number).max_by(f64::total_cmp)
    }

    fn resident_bytes(&self) -> Option<u64> {
        let id = self.child.as_ref()?.id();
        let status = std::fs::read_to_string(format!("/proc/{id}/status")).ok()?;
        let line = status.lines().find(|line| line.starts_with("VmRSS:"))?;
        Some(line.split_whitespace().nth(1)?.parse::<u64>().ok()? * 1024)
    }
}

impl Drop for Product {
    fn drop(&mut self) {
        self.kill();
    }
}

/// The release binary beside this bench.
fn product() -> PathBuf {
    let bench = std::env::current_exe().expect("this program has a path");
    let release: &Path = bench.ancestors().nth(2).expect("target/release/deps/bench");
    release.join("tidegate")
}

/// What one run took: seconds until the last pane was visible, CPU seconds, most memory.
type Took = (f64, f64, u64);

/// The same records through both kinds of run. What a run takes besides - its start, and the wait
/// for the end of the last epoch - is the same for few records as for many, so the rate is that of
/// the records which the longer runs have more.
fn throughput(bootstrap: &str, records: usize) -> Vec<Value> {
    const WAYS: [(&str, &[&str]); 2] = [
        ("exactly once, 1 s epochs", &["--epoch-every", "1s"]),
        ("at least once", &["--at-least-once"]),
    ];
    let [few, many] = [records / 4, records]
        .map(|records| full_speed(bootstrap, records, &WAYS.map(|way| way.1)));
    let result = |(way, (few, many)): (usize, (Vec<Took>, Vec<Took>))| {
        let elapsed = |runs: &[Took]| runs.iter().map(|run| run.0).collect::<Vec<f64>>();
        let (short, long) = (median(&few), median(&many));
        #[expect(clippy::cast_precision_loss, reason = "some millions")]
        let more = (records - records / 4) as f64;
        json!({
            "name": format!("throughput: {}", WAYS[way].0), "records": [records / 4, records],
            "elapsed_s": [elapsed(&few), elapsed(&many)],
            "records_per_s": more / (long.0 - short.0),
            "records_per_cpu_s": more / (long.1 - short.1), "rss_bytes_max": long.2,
        })
    };
    few.into_iter().zip(many).enumerate().map(result).collect()
}

/// The run whose time is the median.
fn median(runs: &[Took]) -> Took {
    let mut runs = runs.to_vec();
    runs.sort_by(|a, b| a.0.total_cmp(&b.0));
    runs[runs.len() / 2]
}

/// So many records through each of these ways in turn, until the last closed window's panes are
/// visible.
fn full_speed(bootstrap: &str, records: usize, ways: &[&[&str]]) -> Vec<Vec<Took>> {
    const SITES: usize = 2_000;
    let sql =
        "'cell_5m' AS query, site_id, sum(count) AS persons FROM observation GROUP BY site_id";
    let delay = "out_of_orderness = \"1m\"\ninterval_max = \"1m\"\n";
    let name = format!("throughput-{records}");
    let mut job = Job::new(bootstrap, &name, delay, &[("cell_5m", "5m", sql)]);
    let workload = Workload {
        place: Place::Registered,
        sites: SITES,
        step_s: 1,
        seed: 1,
    };
    job.send(workload.records(records));
    let seconds = i64::try_from(records / SITES).expect("small");
    let last = START_S + seconds;
    job.close_at(last + 3_600);
    eprintln!("throughput: {records} records sent");
    let mut found = vec![Vec::new(); ways.len()];
    for run in 0..RUNS {
        for (more, found) in ways.iter().zip(&mut found) {
            let mut panes = job.panes("cell_5m");
            let mut args = more.to_vec();
            if !more.contains(&"--at-least-once") {
                args.push("--from-scratch");
            }
            let product = job.run(&format!("state-{run}"), &args);
            // The window of the closers stays open, so the last one is that of the last records.
            let end = (last - 1).div_euclid(300) * 300 + 300;
            let mut sites = 0;
            panes.until(|row| {
                sites += usize::from(is_at(&row["window_end"], end));
                sites == SITES
            });
            let elapsed = product.started.elapsed().as_secs_f64();
            let (cpu, rss) = product.stop();
            eprintln!("{more:?}: {elapsed:.2} s, {cpu:.2} CPU-s, {rss} bytes");
            found.push((elapsed, cpu, rss));
        }
    }
    found
}

/// Event time of the first records of a [`Workload`]: 2026-03-01T20:00:00Z.
const START_S: i64 = 1_772_395_200;

fn is_at(time: &Value, second: i64) -> bool {
    let time = time.as_str().map(parse_rfc3339);
    time.is_some_and(|time| time.is_ok_and(|time| time == at(second)))
}

fn at(second: i64) -> EventTime {
    EventTime::from_micros(second * 1_000_000)
}

/// A record of a site that ends at `second`.
fn record(site: &str, second: i64, count: u32) -> Vec<u8> {
    let start = at(second).minus(Span::seconds(1));
    format!(
        r#"{{"site":"{site}","start":"{start}","end":"{}","measure":"in","count":{count}}}"#,
        at(second)
    )
    .into_bytes()
}

/// Saving and recovering the state of so many open groups.
fn state(bootstrap: &str, groups: usize) -> Value {
    let tick = "'tick' AS query, sum(count) AS persons FROM observation";
    let day = "'day' AS query, site_id, sum(count) AS persons, count(*) AS rows, max(count) AS largest \
               FROM observation GROUP BY site_id";
    let delay = "out_of_orderness = \"1s\"\ninterval_max = \"1s\"\n";
    let windows = [("tick", "5s", tick), ("day", "1d", day)];
    let mut job = Job::new(bootstrap, &format!("state-{groups}"), delay, &windows);
    let first = START_S - START_S.rem_euclid(86_400);
    job.send((0..groups).map(|site| record(&format!("site-{site:07}"), first + 10, 3)));
    job.close_at(first + 100);
    let args = ["--instance-id", "bench", "--snapshot-every", "2s"];
    let mut panes = job.panes("tick");
    let mut product = job.run("state", &args);
    // All groups are in once the window of their records has closed.
    panes.until(|_| true);
    // Until a snapshot of all groups is named by a committed epoch, some ticks later.
    for second in 0..16 {
        job.close_at(first + 110 + second * 10);
        std::thread::sleep(Duration::from_millis(500));
    }
    std::thread::sleep(Duration::from_secs(3));
    let copied = product.most("The state is copied", "milliseconds");
    let committed = product.most("An epoch is committed", "milliseconds");
    let bytes = product.most("A snapshot is stored", "bytes");
    let stored = product.most("A snapshot is stored", "milliseconds");
    let rss = product.resident_bytes();
    product.kill();
    // The first new pane after a kill: that of the last closers before it.
    let mut panes = job.panes("tick");
    job.close_at(first + 400);
    let again = job.run("state", &args);
    panes.until(|_| true);
    let recovery = again.started.elapsed().as_secs_f64();
    let ready = again.most("The task is ready", "seconds");
    again.stop();
    let result = json!({
        "name": format!("state: {groups} open groups"), "copy_ms_max": copied,
        "commit_ms_max": committed, "snapshot_bytes": bytes, "snapshot_store_ms": stored,
        "rss_bytes": rss, "kill_to_first_pane_s": recovery, "of_which_recovery_s": ready,
    });
    eprintln!("{result}");
    result
}

/// From the record that lets a window close to its final pane, at 20,000 records a second.
fn latency(bootstrap: &str, name: &str, more: &[&str]) -> Value {
    const WINDOWS: usize = 40;
    let sql = "'five' AS query, site_id, sum(count) AS persons FROM observation GROUP BY site_id";
    let delay = "out_of_orderness = \"0s\"\ninterval_max = \"1s\"\n";
    let mut job = Job::new(
        bootstrap,
        &format!("latency-{}", more.len() + name.len()),
        delay,
        &[("five", "5s", sql)],
    );
    let mut panes = job.panes("five");
    let product = job.run("state", more);
    let (closing, closings) = channel::<(i64, Instant)>();
    let (stop, stopped) = channel::<()>();
    let (sink, topic) = (job.sink(), job.topic.clone());
    let producer = std::thread::spawn(move || produce(sink, &topic, &closing, &stopped));
    let mut seen: BTreeMap<String, Instant> = BTreeMap::new();
    panes.until(|row| {
        let end = row["window_end"].as_str().unwrap_or_default().to_owned();
        seen.entry(end).or_insert_with(Instant::now);
        seen.len() > WINDOWS
    });
    stop.send(()).expect("the producer listens");
    producer.join().expect("the producer ends");
    product.stop();
    let seen: BTreeMap<EventTime, Instant> = seen
        .into_iter()
        .filter_map(|(end, instant)| Some((parse_rfc3339(&end).ok()?, instant)))
        .collect();
    let mut waits: Vec<f64> = closings
        .try_iter()
        .filter_map(|(end, closed)| {
            let seen = seen.get(&at(end))?;
            Some(seen.saturating_duration_since(closed).as_secs_f64() * 1e3)
        })
        // The first ones came while the product was starting.
        .skip(4)
        .collect();
    waits.sort_by(f64::total_cmp);
    let quantile = |share: f64| {
        #[expect(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            clippy::cast_precision_loss,
            reason = "a few dozen"
        )]
        let index = ((waits.len() as f64 * share).ceil() as usize).clamp(1, waits.len());
        waits[index - 1]
    };
    let result = json!({
        "name": format!("latency: {name}"), "records_per_s": RATE, "windows": waits.len(),
        "p50_ms": quantile(0.5), "p99_ms": quantile(0.99),
    });
    eprintln!("{result}");
    result
}

/// Sends [`RATE`] records a second whose event time is the time, and tells when windows may close.
fn produce(
    mut sink: KafkaSink,
    topic: &str,
    closing: &Sender<(i64, Instant)>,
    stopped: &Receiver<()>,
) {
    let begun = Instant::now();
    let mut told = START_S;
    // Each slice of 5 ms has its share of the records.
    for slice in 0_usize.. {
        let due = begun + Duration::from_millis(5) * u32::try_from(slice).expect("not for long");
        std::thread::sleep(due.saturating_duration_since(Instant::now()));
        if stopped.try_recv().is_ok() {
            return;
        }
        let second = START_S + i64::try_from(slice / 200).expect("small");
        // A window closes when the time is a second past its end in every partition.
        let end = (second - 1).div_euclid(5) * 5;
        for nth in 0..RATE / 200 {
            let site = format!("site-{:04}", (slice * 100 + nth) % 2_000);
            let partition = i32::try_from(nth % 4).expect("below 4");
            let value = record(&site, second, 1);
            sink.send(topic, Some(partition), None, Some(&value), None)
                .expect("the broker takes records");
            if nth >= 3 && end > told {
                told = end;
                closing
                    .send((end, Instant::now()))
                    .expect("it is listened to");
            }
        }
        sink.check().expect("the broker takes records");
    }
}

/// Memory while records keep coming, 5,000 a second.
fn soak(bootstrap: &str, time: Duration) -> Value {
    let sql = "'minute' AS query, site_id, sum(count) AS persons FROM observation GROUP BY site_id";
    let delay = "out_of_orderness = \"5s\"\ninterval_max = \"1s\"\ndedup_within = \"1m\"\n";
    let mut job = Job::new(bootstrap, "soak", delay, &[("minute", "1m", sql)]);
    let product = job.run("state", &["--snapshot-every", "10s"]);
    let mut sink = job.sink();
    let begun = Instant::now();
    let mut samples: Vec<u64> = Vec::new();
    for slice in 0_u32.. {
        let due = begun + Duration::from_millis(100) * slice;
        std::thread::sleep(due.saturating_duration_since(Instant::now()));
        if begun.elapsed() > time {
            break;
        }
        let second = START_S + i64::from(slice) / 10;
        for nth in 0..500 {
            let site = format!("site-{:04}", (slice as usize * 500 + nth) % 2_000);
            let partition = i32::try_from(nth % 4).expect("below 4");
            let value = record(&site, second, 1);
            sink.send(&job.topic, Some(partition), None, Some(&value), None)
                .expect("sent");
        }
        sink.check().expect("the broker takes records");
        if slice % 100 == 99 {
            samples.extend(product.resident_bytes());
        }
    }
    let tenth = (samples.len() / 10).max(1);
    let mean = |part: &[u64]| part.iter().sum::<u64>() / part.len().max(1) as u64;
    // The first tenth fills caches and the duplicate memory.
    let early = mean(&samples[tenth.min(samples.len() - 1)..(2 * tenth).min(samples.len())]);
    let late = mean(&samples[samples.len() - tenth..]);
    product.stop();
    let result = json!({
        "name": "soak", "seconds": time.as_secs(), "records_per_s": 5_000,
        "rss_bytes_early": early, "rss_bytes_late": late, "rss_bytes_max": samples.iter().max(),
    });
    eprintln!("{result}");
    result
}
