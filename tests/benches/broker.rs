//! The main job from a real Apache Kafka: JSON records → H3 cells → five-minute sums → a topic.
//!
//! Needs a broker at `TIDEGATE_TEST_KAFKA`; `cargo xtask bench` starts one. Fills a topic of four
//! partitions, then measures whole processes by the kernel's account, several times each: reading
//! alone, and the product. Prints one JSON array; what it does meanwhile goes to standard error.
//!
//! `dense` counts every site each second, so a window holds 300 records a site and output hardly
//! matters; `sparse` counts each minute, so every fifth record gives a row of output.

#![expect(
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "this is a command: what it prints is its result"
)]

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use serde_json::{Value, json};
use tidegate_connect::{KafkaSink, Properties, Retention, drain_count};
use tidegate_sim::workload::{Place, Workload, bench_sites};
use wait4::Wait4;

const SITES: usize = 2_000;
const PARTITIONS: i32 = 4;
/// Runs of each measurement; the median counts.
const RUNS: usize = 3;

/// One topic to read.
struct Job {
    name: &'static str,
    place: Place,
    step_s: u64,
    records: usize,
}

fn main() {
    let args: Vec<String> = std::env::args().collect();
    let Ok(bootstrap) = std::env::var("TIDEGATE_TEST_KAFKA") else {
        eprintln!("skipped: TIDEGATE_TEST_KAFKA names no broker");
        return;
    };
    if let [_, flag, topic, ..] = args.as_slice()
        && flag == "--drain"
    {
        let drained = drain_count(&bootstrap, topic).expect("the topic can be read");
        println!("{}", json!({ "received": drained.records }));
        return;
    }
    let records = std::env::var("TIDEGATE_BENCH_RECORDS")
        .ok()
        .and_then(|text| text.parse().ok())
        .unwrap_or(5_000_000);
    let job = |name, place, step_s, records| Job {
        name,
        place,
        step_s,
        records,
    };
    let jobs = [
        job("dense, known sites", Place::Registered, 1, records),
        job("dense, raw coordinates", Place::Coordinates, 1, records),
        job("sparse, known sites", Place::Registered, 60, 2 * records),
    ];
    let results: Vec<Value> = jobs.iter().flat_map(|job| run(&bootstrap, job)).collect();
    println!("{:#}", Value::from(results));
}

/// Fills the job's topic and measures reading alone, then the product.
fn run(bootstrap: &str, job: &Job) -> Vec<Value> {
    let topic = format!(
        "bench.{}.{}",
        std::process::id(),
        job.name.replace([' ', ','], "-")
    );
    fill(bootstrap, &topic, job);
    let folder = tempfile::tempdir().expect("a folder for the pipeline");
    write_pipeline(folder.path(), &topic);
    let drain = || {
        let mut command = Command::new(std::env::current_exe().expect("this program has a path"));
        command.args(["--drain", &topic]);
        command
    };
    let product = || {
        let mut command = Command::new(product());
        command.arg("run").arg(folder.path()).args([
            "--bootstrap",
            bootstrap,
            "--until-caught-up",
            "--json",
        ]);
        command
    };
    vec![
        measure(&format!("read alone: {}", job.name), job.records, &drain),
        measure(&format!("run: {}", job.name), job.records, &product),
    ]
}

fn fill(bootstrap: &str, topic: &str, job: &Job) {
    let started = Instant::now();
    let mut sink = KafkaSink::connect(bootstrap, &Properties::new()).expect("the broker answers");
    sink.ensure_topics(&[(topic, PARTITIONS, Retention::Forever)])
        .expect("the topic is made");
    let workload = Workload {
        place: job.place,
        sites: SITES,
        step_s: job.step_s,
        seed: 1,
    };
    for (nth, bytes) in workload.records(job.records).enumerate() {
        let partition = i32::try_from(nth % 4).expect("below 4");
        sink.send(topic, Some(partition), None, Some(&bytes), None)
            .expect("the broker takes records");
    }
    sink.flush(Duration::from_mins(1)).expect("all are stored");
    eprintln!(
        "{}: {} records sent in {:.1} s",
        job.name,
        job.records,
        started.elapsed().as_secs_f64()
    );
}

fn write_pipeline(folder: &Path, topic: &str) {
    let features: Vec<String> = bench_sites(SITES)
        .iter()
        .map(|(id, lat, lng)| {
            format!(
                r#"{{"type":"Feature","properties":{{"id":"{id}","kind":"gate","name":"{id}"}},"geometry":{{"type":"Point","coordinates":[{lng},{lat}]}}}}"#
            )
        })
        .collect();
    let sites = format!(
        r#"{{"type":"FeatureCollection","features":[{}]}}"#,
        features.join(",")
    );
    let feed = format!(
        "format = \"json\"\ntopic = \"{topic}\"\nout_of_orderness = \"1m\"\ninterval_max = \"1m\"\n"
    );
    let files = [
        (
            "pipeline.toml",
            "name = \"bench\"\n[reference]\nsites = \"sites.geojson\"\n\
             [[window]]\nname = \"cell_5m\"\nsize = \"5m\"\n",
        ),
        ("feeds/venue.toml", &feed),
        (
            "windows/cell_5m.sql",
            "SELECT cell, sum(count) AS persons FROM observation GROUP BY cell",
        ),
        ("sites.geojson", &sites),
    ];
    for (path, text) in files {
        let path = folder.join(path);
        std::fs::create_dir_all(path.parent().expect("a file has a folder")).expect("a folder");
        std::fs::write(path, text).expect("a file can be written");
    }
}

/// The release binary beside this bench.
fn product() -> PathBuf {
    let bench = std::env::current_exe().expect("this program has a path");
    let release = bench.ancestors().nth(2).expect("target/release/deps/bench");
    release.join("tidegate")
}

/// Runs a command [`RUNS`] times; the run with the median of CPU time is reported, with all times.
fn measure(name: &str, records: usize, command: &dyn Fn() -> Command) -> Value {
    let mut runs: Vec<(f64, Value)> = (0..RUNS).map(|_| once(records, &mut command())).collect();
    let all: Vec<f64> = runs.iter().map(|(cpu, _)| *cpu).collect();
    runs.sort_by(|a, b| a.0.total_cmp(&b.0));
    let (_, mut median) = runs.swap_remove(RUNS / 2);
    median["name"] = json!(name);
    median["cpu_s_of_each_run"] = json!(all);
    eprintln!("{median}");
    median
}

fn once(records: usize, command: &mut Command) -> (f64, Value) {
    let output = tempfile::NamedTempFile::new().expect("a file for the output");
    let started = Instant::now();
    let child = command
        .stdout(Stdio::from(output.reopen().expect("the file is there")))
        .spawn()
        .expect("the program is built: run `cargo build --release` first");
    let end = child.wait4().expect("the program ends");
    assert!(
        end.status.success(),
        "{command:?} ended with {}",
        end.status
    );
    let text = std::fs::read_to_string(output.path()).expect("it wrote text");
    let summary: Value = serde_json::from_str(&text).expect("it wrote JSON");
    assert_eq!(summary["received"], json!(records), "every record was read");
    let (user, system) = (
        end.rusage.utime.as_secs_f64(),
        end.rusage.stime.as_secs_f64(),
    );
    let cpu = user + system;
    #[expect(clippy::cast_precision_loss, reason = "far below 2^53")]
    let rate = (records as f64 / cpu).round();
    let report = json!({
        "records": records,
        "user_s": user,
        "system_s": system,
        "cpu_s": cpu,
        "elapsed_s": started.elapsed().as_secs_f64(),
        "rss_bytes_max": end.rusage.maxrss,
        "records_per_cpu_s": rate,
    });
    (cpu, report)
}
