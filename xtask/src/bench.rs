//! Measurements as one JSON document: criterion's estimates, an end-to-end run, the machine.

use std::fs;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::SystemTime;

use anyhow::{Context, Result, ensure};
use cargo_metadata::TargetKind;
use serde_json::{Value, json};

use crate::kafka::{self, TestCluster, Toolchain};
use crate::measure::measure_run;
use crate::repo::Repo;

/// The benches that need a broker and print their own report.
const BROKER: [&str; 2] = ["broker", "epochs"];

/// The bench that needs no broker and prints its own report.
const BACKTEST: &str = "backtest";

/// Runs everything whose id contains `filter` and writes the report to `json` or the terminal.
pub(crate) fn run(repo: &Repo, json: Option<&Path>, filter: Option<&str>) -> Result<()> {
    let metadata = repo.metadata()?;
    let parts = criterion(repo, &metadata, filter)?;
    let whole = match filter {
        Some(_) => Vec::new(),
        None => end_to_end(repo, metadata.target_directory.as_std_path())?,
    };
    let report = json!({
        "machine": machine(),
        "commit": first_line(Command::new("git").current_dir(repo.root()).args(["rev-parse", "HEAD"])),
        "parts": parts,
        "end_to_end": whole,
    });
    let text = format!("{report:#}\n");
    if let Some(path) = json {
        fs::write(path, text).with_context(|| format!("failed to write {}", path.display()))
    } else {
        print!("{text}");
        Ok(())
    }
}

/// Runs the workspace's criterion benches and reads back what they wrote during this run.
fn criterion(
    repo: &Repo,
    metadata: &cargo_metadata::Metadata,
    filter: Option<&str>,
) -> Result<Vec<Value>> {
    let benches: Vec<_> = metadata
        .workspace_packages()
        .into_iter()
        .flat_map(|package| &package.targets)
        .filter(|target| {
            let name = target.name.as_str();
            let prints_itself = BROKER.contains(&name) || name == BACKTEST;
            target.kind.contains(&TargetKind::Bench) && !prints_itself
        })
        .map(|target| target.name.clone())
        .collect();
    if benches.is_empty() {
        return Ok(Vec::new());
    }
    let start = SystemTime::now();
    let mut cargo = repo.cargo();
    // The whole workspace decides the features, as it does for tests: nothing is built twice.
    cargo.args(["bench", "--workspace"]);
    for bench in &benches {
        cargo.args(["--bench", bench]);
    }
    if let Some(filter) = filter {
        cargo.args(["--", filter]);
    }
    // Criterion talks on standard output, which belongs to the report.
    let status = cargo.stdout(std::io::stderr()).status()?;
    ensure!(status.success(), "cargo bench ended with {status}");
    let folder = metadata.target_directory.join("criterion");
    let mut results = Vec::new();
    collect(folder.as_std_path(), start, &mut results)?;
    results.sort_by_key(|result| result["id"].as_str().unwrap_or_default().to_owned());
    Ok(results)
}

/// Adds the result in every folder `new` at or below `folder` that was written since `start`.
fn collect(folder: &Path, start: SystemTime, results: &mut Vec<Value>) -> Result<()> {
    for entry in fs::read_dir(folder).with_context(|| format!("no {}", folder.display()))? {
        let path = entry?.path();
        if !path.is_dir() {
            continue;
        }
        let estimates = path.join("estimates.json");
        if !path.ends_with("new") {
            collect(&path, start, results)?;
        } else if estimates.metadata()?.modified()? >= start {
            let read = |name: &str| -> Result<Value> {
                let path = path.join(name);
                let text = fs::read_to_string(&path)
                    .with_context(|| format!("failed to read {}", path.display()))?;
                Ok(serde_json::from_str(&text)?)
            };
            results.push(result(&read("benchmark.json")?, &read("estimates.json")?));
        }
    }
    Ok(())
}

/// One benchmark as reported: times in nanoseconds an iteration, and rows and bytes a second where
/// the benchmark says how many an iteration handles.
fn result(benchmark: &Value, estimates: &Value) -> Value {
    let mean = &estimates["mean"];
    let mut result = json!({
        "id": benchmark["full_id"],
        "mean_ns": mean["point_estimate"],
        "low_ns": mean["confidence_interval"]["lower_bound"],
        "high_ns": mean["confidence_interval"]["upper_bound"],
        "median_ns": estimates["median"]["point_estimate"],
    });
    let throughput = &benchmark["throughput"];
    let both = &throughput["ElementsAndBytes"];
    let rows = throughput["Elements"]
        .as_f64()
        .or(both["elements"].as_f64());
    let a_second = |amount: f64| {
        mean["point_estimate"]
            .as_f64()
            .map(|ns| (amount / ns * 1e9).round())
    };
    if let Some(rows) = rows {
        result["rows"] = json!(rows);
        result["rows_per_s"] = json!(a_second(rows));
    }
    if let Some(bytes) = both["bytes"].as_f64() {
        result["bytes_per_s"] = json!(a_second(bytes));
    }
    result
}

/// Builds the product and measures one day of the demo, then the main job from a real broker.
fn end_to_end(repo: &Repo, target: &Path) -> Result<Vec<Value>> {
    let status = repo
        .cargo()
        .args(["build", "--release", "--workspace", "--bin", "tidegate"])
        .status()?;
    ensure!(status.success(), "cargo build ended with {status}");
    let mut demo = Command::new(target.join("release/tidegate"));
    demo.current_dir(repo.root())
        .args(["demo", "--exit", "--json"]);
    let output = tempfile::NamedTempFile::new()?;
    let (status, cost) = measure_run(demo.stdout(Stdio::from(output.reopen()?)))?;
    ensure!(status.success(), "the demo ended with {status}");
    let summary = serde_json::from_str(&fs::read_to_string(output.path())?).unwrap_or(Value::Null);
    let mut reports = vec![run_report("demo", &summary, cost.to_json())];
    let backtest = own_report(&mut bench(repo, BACKTEST), BACKTEST)?;
    reports.extend(backtest);
    reports.extend(from_broker(repo)?);
    Ok(reports)
}

/// What the benches [`BROKER`] of the tests crate measure on a broker started for them.
fn from_broker(repo: &Repo) -> Result<Vec<Value>> {
    kafka::stop_on_interrupt()?;
    let broker = TestCluster::start(&Toolchain::find()?, 1)?;
    let mut results = Vec::new();
    for name in BROKER {
        let mut cargo = bench(repo, name);
        cargo.env("TIDEGATE_TEST_KAFKA", broker.bootstrap());
        results.extend(own_report(&mut cargo, name)?);
    }
    Ok(results)
}

/// The command that runs a bench of the tests crate.
fn bench(repo: &Repo, name: &str) -> Command {
    let mut cargo = repo.cargo();
    cargo.args(["bench", "--workspace", "--bench", name]);
    cargo
}

/// What a bench prints by itself.
fn own_report(cargo: &mut Command, name: &str) -> Result<Vec<Value>> {
    let output = cargo.stderr(Stdio::inherit()).output()?;
    ensure!(
        output.status.success(),
        "the bench {name} ended with {}",
        output.status
    );
    Ok(serde_json::from_slice(&output.stdout)?)
}

/// One run: what it cost, and records per CPU second where its summary says how many it received.
fn run_report(name: &str, summary: &Value, mut cost: Value) -> Value {
    if let (Some(received), Some(cpu)) = (summary["received"].as_f64(), cost["cpu_s"].as_f64()) {
        cost["records"] = json!(received);
        cost["records_per_cpu_s"] = json!((received / cpu).round());
    }
    json!({ "name": name, "cost": cost })
}

/// What the numbers were measured on.
fn machine() -> Value {
    let cpus = fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let memory = fs::read_to_string("/proc/meminfo").unwrap_or_default();
    let cores = std::thread::available_parallelism().map_or(0, usize::from);
    json!({
        "cpu": field(&cpus, "model name"),
        "cores": cores,
        "memory": field(&memory, "MemTotal"),
        "load": fs::read_to_string("/proc/loadavg").ok().map(|text| text.trim().to_owned()),
        "os": first_line(Command::new("uname").arg("-srm")),
        "rustc": first_line(Command::new("rustc").arg("--version")),
    })
}

/// The value of the first line `name : value`.
fn field(text: &str, name: &str) -> Option<String> {
    let line = text.lines().find(|line| line.starts_with(name))?;
    Some(line.split_once(':')?.1.trim().to_owned())
}

fn first_line(command: &mut Command) -> Option<String> {
    let output = command.output().ok()?;
    let text = String::from_utf8(output.stdout).ok()?;
    text.lines().next().map(str::to_owned)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    #[test]
    fn estimates_become_rates_and_old_ones_are_left_out() {
        let folder = tempfile::tempdir().unwrap();
        let new = folder.path().join("decode/json/new");
        fs::create_dir_all(&new).unwrap();
        let benchmark = r#"{"full_id": "decode/json", "throughput": {"Elements": 1000}}"#;
        let estimates = r#"{
            "mean": {"point_estimate": 500000.0,
                     "confidence_interval": {"lower_bound": 490000.0, "upper_bound": 510000.0}},
            "median": {"point_estimate": 499000.0}}"#;
        fs::write(new.join("benchmark.json"), benchmark).unwrap();
        fs::write(new.join("estimates.json"), estimates).unwrap();

        let minute = Duration::from_mins(1);
        let mut results = Vec::new();
        collect(folder.path(), SystemTime::now() + minute, &mut results).unwrap();
        assert!(results.is_empty(), "written before the run");
        collect(folder.path(), SystemTime::now() - minute, &mut results).unwrap();
        assert_eq!(results.len(), 1);
        assert_eq!(results[0]["id"], "decode/json");
        assert_eq!(results[0]["rows_per_s"], 2_000_000.0);
        let both = json!({"throughput": {"ElementsAndBytes": {"elements": 1000, "bytes": 50_000}}});
        let report = result(&both, &json!({"mean": {"point_estimate": 500_000.0}}));
        assert_eq!(report["rows_per_s"], 2_000_000.0);
        assert_eq!(report["bytes_per_s"], 100_000_000.0);
    }

    #[test]
    fn a_run_reports_records_per_cpu_second() {
        let report = run_report("demo", &json!({"received": 1000}), json!({"cpu_s": 0.5}));
        assert_eq!(report["cost"]["records_per_cpu_s"], 2000.0);
        let silent = run_report("demo", &Value::Null, json!({"cpu_s": 0.5}));
        assert!(silent["cost"].get("records").is_none());
    }

    #[test]
    fn fields_of_proc_files() {
        let text = "processor\t: 0\nmodel name\t: A CPU @ 2 GHz\n";
        assert_eq!(field(text, "model name").as_deref(), Some("A CPU @ 2 GHz"));
        assert_eq!(field(text, "MemTotal"), None);
    }
}
