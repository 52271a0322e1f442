//! Tests against real brokers that break: `cargo xtask test real`.
//!
//! Starts one broker and a cluster of three and runs the integration tests called `real_…`. They
//! find everything by environment variables and write one JSON line for each thing that they tried;
//! the sums become the crash matrix of docs/RELIABILITY.md.

mod matrix;

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, ensure};
use serde_json::{Value, json};

use crate::kafka::{Node, TestCluster, Toolchain, VERSION};
use crate::repo::Repo;
use matrix::Matrix;

/// Addresses of a single broker.
const KAFKA: &str = "TIDEGATE_TEST_KAFKA";
/// Addresses of a cluster of three.
const CLUSTER: &str = "TIDEGATE_TEST_KAFKA_CLUSTER";
/// A JSON file that says how to kill and start nodes of both, and where proxies belong.
const CONTROL: &str = "TIDEGATE_TEST_KAFKA_CONTROL";
/// Where tests add their lines.
const REPORT: &str = "TIDEGATE_TEST_REPORT";
/// How often the product is killed at a random instant.
const RANDOM_KILLS: &str = "TIDEGATE_TEST_RANDOM_KILLS";

/// Kills at random instants on a build server, where all of this may take about ten minutes.
pub(crate) const RANDOM_KILLS_CI: u32 = 10;
/// Kills at random instants in a run that makes a report.
pub(crate) const RANDOM_KILLS_REPORT: u32 = 200;
/// Most of them: a run of an hour or two.
pub(crate) const RANDOM_KILLS_MAX: u32 = 10_000;

/// The tests: those whose name begins with `real_`, in whatever module.
const TESTS: &str = "::real_";

/// What to run.
#[derive(Debug)]
pub(crate) struct Options {
    /// Only tests whose name holds this text.
    pub(crate) filter: Option<String>,
    /// How often to kill at a random instant.
    pub(crate) random_kills: u32,
    /// The Markdown file whose table to renew.
    pub(crate) report: Option<PathBuf>,
}

/// Everything that the tests need, until dropped.
#[derive(Debug)]
pub(crate) struct Bench {
    one: TestCluster,
    three: TestCluster,
    files: tempfile::TempDir,
}

impl Bench {
    /// Starts the brokers.
    pub(crate) fn start(toolchain: &Toolchain) -> Result<Self> {
        let bench = Self {
            one: TestCluster::start(toolchain, 1)?,
            three: TestCluster::start(toolchain, 3)?,
            files: tempfile::tempdir()?,
        };
        let xtask = std::env::current_exe().context("this program has no path")?;
        let control = json!({
            "xtask": xtask,
            "one": described(&bench.one),
            "three": described(&bench.three),
        });
        fs::write(bench.control_file(), format!("{control:#}\n"))?;
        Ok(bench)
    }

    fn control_file(&self) -> PathBuf {
        self.files.path().join("control.json")
    }

    fn report_file(&self) -> PathBuf {
        self.files.path().join("report.jsonl")
    }

    /// The test run. Each test has a cluster for itself, so that two run at a time while the third
    /// waits for a cluster; most of them wait for what times out.
    pub(crate) fn tests(&self, repo: &Repo, options: &Options) -> Command {
        let mut cargo = repo.cargo();
        // The whole workspace decides the features, as it does for all tests: nothing is built
        // twice.
        cargo
            .args(["test", "--release", "--workspace", "--test", "main", "--"])
            .arg(options.filter.as_deref().unwrap_or(TESTS))
            .args(["--test-threads=3"])
            .env(KAFKA, self.one.bootstrap())
            .env(CLUSTER, self.three.bootstrap())
            .env(CONTROL, self.control_file())
            .env(REPORT, self.report_file())
            .env(RANDOM_KILLS, options.random_kills.to_string());
        cargo
    }

    /// What the tests reported so far.
    pub(crate) fn matrix(&self) -> Result<Matrix> {
        let path = self.report_file();
        if !path.exists() {
            return Ok(Matrix::default());
        }
        let text = fs::read_to_string(&path)?;
        Matrix::parse(&text).with_context(|| format!("failed to read {}", path.display()))
    }
}

/// A cluster as the tests see it.
fn described(cluster: &TestCluster) -> Value {
    let node = |node: &Node| {
        let proxied = node
            .proxied
            .map(|p| json!({ "listen": p.listen, "advertised": p.advertised }));
        json!({ "id": node.id, "port": node.port, "proxied": proxied })
    };
    json!({
        "folder": cluster.folder(),
        "nodes": cluster.nodes().iter().map(node).collect::<Vec<_>>(),
    })
}

/// The command `test real`.
pub(crate) fn run(repo: &Repo, options: &Options) -> Result<()> {
    let toolchain = Toolchain::find()?;
    crate::kafka::stop_on_interrupt()?;
    let bench = Bench::start(&toolchain)?;
    let status = bench.tests(repo, options).status()?;
    let matrix = bench.matrix()?;
    print!("{matrix}");
    if let Some(report) = &options.report {
        write_report(report, &matrix)?;
    }
    ensure!(status.success(), "the tests ended with {status}");
    matrix.check()
}

/// Renews the table in `path`, which has to hold its two markers.
fn write_report(path: &Path, matrix: &Matrix) -> Result<()> {
    let text =
        fs::read_to_string(path).with_context(|| format!("failed to read {}", path.display()))?;
    let renewed = matrix::renew(&text, &format!("Apache Kafka {VERSION}"), matrix);
    let renewed = renewed.with_context(|| {
        let (path, begin, end) = (path.display(), matrix::BEGIN, matrix::END);
        format!("{path} does not hold the lines {begin} and {end}")
    })?;
    fs::write(path, renewed).with_context(|| format!("failed to write {}", path.display()))
}
