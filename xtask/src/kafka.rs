//! Real Apache Kafka on loopback: KRaft brokers from Maven Central artifacts, one or several.
//!
//! The cache folder `kafka/` holds one folder of jars per version, and under `run/` one folder per
//! cluster with one per node: its configuration, data, log and pid. A node is stopped by the pid in
//! its own folder, after a look that this pid still is that broker; nothing is ever stopped by
//! name.

mod broker;
mod cluster;
mod files;
mod process;

use std::env;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Duration;

use anyhow::{Result, ensure};

pub(crate) use broker::DataFolder;
pub(crate) use cluster::{Cluster, NODES_MAX, ProxyListener, Which};
pub(crate) use files::{Node, VERSION};
pub(crate) use process::{Toolchain, answers};

/// Where clients find the first node unless told otherwise.
pub(crate) const DEFAULT_PORT: u16 = 9092;

/// How long a broker may take to answer one request before it counts as not answering.
const ANSWER_WITHIN: Duration = Duration::from_secs(5);

/// What to start.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Up {
    /// Port of the first node; the others have the ports after it.
    pub(crate) port: u16,
    /// How many nodes.
    pub(crate) nodes: u16,
    /// Whether each has a listener for a proxy.
    pub(crate) proxy: ProxyListener,
    /// Whether topics of the last run on this port are kept.
    pub(crate) data: DataFolder,
}

/// Starts a cluster that outlives this program.
pub(crate) fn up(up: Up) -> Result<()> {
    let port = up.port;
    let cluster = at(port)?;
    let running = cluster.running();
    if running.is_empty() {
        let nodes = cluster::layout(up.nodes, Some(port), up.proxy)?;
        cluster.up(&Toolchain::find()?, &nodes, up.data)?;
        for node in &nodes {
            if let Some(proxied) = node.proxied {
                eprintln!(
                    "Node {}: a proxy on port {} has to pass to port {}.",
                    node.id, proxied.advertised, proxied.listen
                );
            }
        }
        eprintln!("Stop it with: cargo xtask kafka down --port {port}");
    } else {
        ensure!(
            running.len() == usize::from(up.nodes) && answers(port, ANSWER_WITHIN).is_ok(),
            "{} of {} nodes run in {}; stop them with `cargo xtask kafka down --port {port}`, the \
             logs are beside them",
            running.len(),
            up.nodes,
            cluster.folder().display()
        );
        eprintln!("A broker already runs on port {port}; it was left as it is.");
    }
    let addresses: Vec<_> = (port..port + up.nodes)
        .map(|port| format!("127.0.0.1:{port}"))
        .collect();
    println!("{}", addresses.join(","));
    Ok(())
}

/// Stops every node of `cluster`.
pub(crate) fn down(cluster: &Cluster) -> Result<()> {
    tell("Stopped", &cluster.stop(Which::All)?);
    Ok(())
}

/// Stops `which` in order, or kills it.
pub(crate) fn end(cluster: &Cluster, which: Which, how: End) -> Result<()> {
    match how {
        End::Stop => tell("Stopped", &cluster.stop(which)?),
        End::Kill => tell("Killed", &cluster.kill(which)?),
    }
    Ok(())
}

/// How a node ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum End {
    /// It hands over what it leads and closes its logs.
    Stop,
    /// It is gone at once.
    Kill,
}

fn tell(what: &str, ended: &[(u16, i32)]) {
    if ended.is_empty() {
        eprintln!("No such broker of this tool runs.");
    }
    for (id, pid) in ended {
        eprintln!("{what} node {id} (process {pid}).");
    }
}

/// Starts those of `which` that do not run, on what they held when they ended.
pub(crate) fn start(cluster: &Cluster, which: Which) -> Result<()> {
    let started = cluster.start(&Toolchain::find()?, which)?;
    if started.is_empty() {
        eprintln!("It runs already.");
    }
    for id in started {
        eprintln!("Started node {id}.");
    }
    Ok(())
}

/// Lists the running brokers, and says by exit code whether the one on `port` answers.
pub(crate) fn status(port: u16) -> Result<ExitCode> {
    let mut folders: Vec<_> = fs::read_dir(run_dir()?)
        .map(|entries| entries.flatten().map(|entry| entry.path()).collect())
        .unwrap_or_default();
    folders.sort();
    for cluster in folders.into_iter().map(Cluster::new) {
        for (id, pid) in cluster.running() {
            let folder = cluster.folder().display();
            println!("running {folder} node {id} (process {pid})");
        }
    }
    Ok(match answers(port, ANSWER_WITHIN) {
        Ok(()) => {
            println!("127.0.0.1:{port} answers");
            ExitCode::SUCCESS
        }
        Err(error) => {
            println!("127.0.0.1:{port} does not answer: {error:#}");
            ExitCode::FAILURE
        }
    })
}

/// A cluster on free ports for the time of one test run, with a listener for a proxy on every node.
/// When dropped it is killed and its files are removed.
#[derive(Debug)]
pub(crate) struct TestCluster {
    cluster: Cluster,
    nodes: Vec<Node>,
}

impl TestCluster {
    /// Starts an empty cluster of `count` nodes. Clusters that a killed run left behind are removed
    /// first.
    pub(crate) fn start(toolchain: &Toolchain, count: u16) -> Result<Self> {
        sweep(|owner| !process::is_alive(owner))?;
        let owner = std::process::id();
        let test = Self {
            cluster: Cluster::new(run_dir()?.join(format!("ci-{owner}-{count}"))),
            nodes: cluster::layout(count, None, ProxyListener::EveryNode)?,
        };
        test.cluster.up(toolchain, &test.nodes, DataFolder::Fresh)?;
        Ok(test)
    }

    /// Addresses for clients.
    pub(crate) fn bootstrap(&self) -> String {
        cluster::bootstrap(&self.nodes)
    }

    /// Where its files are.
    pub(crate) fn folder(&self) -> &Path {
        self.cluster.folder()
    }

    /// Its nodes.
    pub(crate) fn nodes(&self) -> &[Node] {
        &self.nodes
    }
}

impl Drop for TestCluster {
    fn drop(&mut self) {
        report(self.cluster.remove());
    }
}

/// On an interrupt, a hang-up or a request to end: remove the test clusters of this program, then
/// end with code 130.
#[expect(
    clippy::exit,
    reason = "the main thread waits for a child meanwhile and cannot be told"
)]
pub(crate) fn stop_on_interrupt() -> Result<()> {
    ctrlc::set_handler(|| {
        let this = i32::try_from(std::process::id()).ok();
        report(sweep(|owner| Some(owner) == this));
        std::process::exit(130);
    })?;
    Ok(())
}

fn report(outcome: Result<()>) {
    if let Err(error) = outcome {
        eprintln!("failed to stop the test brokers: {error:#}");
    }
}

/// Removes the test clusters whose owner, which is in the folder's name, is one to `remove`.
fn sweep(remove: impl Fn(i32) -> bool) -> Result<()> {
    let Ok(entries) = fs::read_dir(run_dir()?) else {
        return Ok(());
    };
    for entry in entries.flatten() {
        let owner = entry.file_name().to_str().and_then(owner);
        if owner.is_some_and(&remove) {
            Cluster::new(entry.path()).remove()?;
        }
    }
    Ok(())
}

/// The process that the test cluster in a folder of this name belongs to.
fn owner(folder: &str) -> Option<i32> {
    let (owner, _nodes) = folder.strip_prefix("ci-")?.split_once('-')?;
    owner.parse().ok()
}

/// The cluster whose first node is on `port`.
pub(crate) fn at(port: u16) -> Result<Cluster> {
    Ok(Cluster::new(run_dir()?.join(format!("port-{port}"))))
}

fn run_dir() -> Result<PathBuf> {
    Ok(kafka_dir()?.join("run"))
}

fn kafka_dir() -> Result<PathBuf> {
    Ok(crate::repo::cache_dir()?.join("kafka"))
}

/// Whether this is a build server, where missing tools are a failure and not a reason to skip.
pub(crate) fn is_ci() -> bool {
    env::var_os("CI").is_some_and(|value| !value.is_empty() && value != "false" && value != "0")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_folders_of_test_runs_have_an_owner() {
        for (folder, expected) in [
            ("ci-123-3", Some(123)),
            ("ci-123", None),
            ("ci-x-1", None),
            ("port-9092", None),
        ] {
            assert_eq!(owner(folder), expected, "{folder}");
        }
    }
}
