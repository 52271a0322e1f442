//! The clusters that `cargo xtask test real` started, and breaking them.

use std::path::PathBuf;
use std::process::Command;
use std::sync::{Mutex, MutexGuard, PoisonError};

use serde_json::Value;

use super::link::FaultyLink;
use crate::support::root;

/// Which test has the single broker, and which the cluster of three.
static ONE: Mutex<()> = Mutex::new(());
static THREE: Mutex<()> = Mutex::new(());

/// One cluster. As long as this value lives no other test has the cluster.
#[derive(Debug)]
pub(crate) struct Kafka {
    _mine: MutexGuard<'static, ()>,
    xtask: PathBuf,
    folder: PathBuf,
    nodes: Vec<Node>,
}

#[derive(Debug)]
struct Node {
    port: u16,
    /// Where the listener for a proxy is.
    listen: u16,
    /// Where the proxy has to be.
    advertised: u16,
}

impl Kafka {
    /// A single broker, running; `None`, said aloud, without one.
    pub(crate) fn one() -> Option<Self> {
        Self::find("one", &ONE)
    }

    /// Three brokers with three copies of everything, all running; `None`, said aloud, without.
    pub(crate) fn three() -> Option<Self> {
        Self::find("three", &THREE)
    }

    fn find(name: &str, mine: &'static Mutex<()>) -> Option<Self> {
        let Some(path) = std::env::var_os("TIDEGATE_TEST_KAFKA_CONTROL") else {
            eprintln!("SKIPPED: no brokers to break; run `cargo xtask test real`");
            return None;
        };
        let control: Value = serde_json::from_slice(&std::fs::read(path).unwrap()).unwrap();
        let text = |value: &Value| PathBuf::from(value.as_str().unwrap());
        let port = |value: &Value| u16::try_from(value.as_u64().unwrap()).unwrap();
        let nodes = control[name]["nodes"].as_array().unwrap();
        let kafka = Self {
            // A test that failed leaves nothing behind that the next would mind.
            _mine: mine.lock().unwrap_or_else(PoisonError::into_inner),
            xtask: text(&control["xtask"]),
            folder: text(&control[name]["folder"]),
            nodes: nodes
                .iter()
                .map(|node| Node {
                    port: port(&node["port"]),
                    listen: port(&node["proxied"]["listen"]),
                    advertised: port(&node["proxied"]["advertised"]),
                })
                .collect(),
        };
        // What an earlier test killed and, failing, did not start.
        kafka.control(&["start"]);
        Some(kafka)
    }

    /// Addresses for clients.
    pub(crate) fn bootstrap(&self) -> String {
        addresses(self.nodes.iter().map(|node| node.port))
    }

    /// Addresses for a client whose traffic has to go through [`Kafka::links`].
    pub(crate) fn proxied_bootstrap(&self) -> String {
        addresses(self.nodes.iter().map(|node| node.advertised))
    }

    /// A link to each node, all passing; a client at [`Kafka::proxied_bootstrap`] has no other way.
    pub(crate) fn links(&self) -> Vec<FaultyLink> {
        let nodes = self.nodes.iter();
        nodes
            .map(|node| FaultyLink::start(node.advertised, node.listen))
            .collect()
    }

    /// Ids of the nodes.
    pub(crate) fn nodes(&self) -> impl Iterator<Item = usize> {
        1..=self.nodes.len()
    }

    /// Kills a node with SIGKILL.
    pub(crate) fn kill(&self, node: usize) {
        self.control(&["kill", "--node", &node.to_string()]);
    }

    /// Starts a node again and returns when it answers.
    pub(crate) fn start(&self, node: usize) {
        self.control(&["start", "--node", &node.to_string()]);
    }

    fn control(&self, args: &[&str]) {
        let output = Command::new(&self.xtask)
            .current_dir(root())
            .arg("kafka")
            .args(args)
            .arg("--folder")
            .arg(&self.folder)
            .output()
            .unwrap();
        let text = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "kafka {args:?}: {text}");
    }
}

fn addresses(ports: impl Iterator<Item = u16>) -> String {
    let addresses: Vec<_> = ports.map(|port| format!("127.0.0.1:{port}")).collect();
    addresses.join(",")
}
