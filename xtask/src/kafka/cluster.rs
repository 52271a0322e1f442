//! Some brokers that belong together: their folders, ports, common start and end.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, ensure};

use super::broker::{Broker, DataFolder};
use super::files::{Node, Proxied};
use super::process::{self, Toolchain};

/// Most nodes of one cluster: beyond three there is nothing more to test.
pub(crate) const NODES_MAX: u16 = 5;

/// Whether nodes have a second listener, for a proxy.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum ProxyListener {
    /// The plain one only.
    None,
    /// One for every node, see [`Proxied`].
    EveryNode,
}

/// `count` nodes whose ports for clients are `port`, `port + 1` and so on, or free ones without a
/// `port`. All other ports are free ones.
pub(crate) fn layout(count: u16, port: Option<u16>, proxy: ProxyListener) -> Result<Vec<Node>> {
    ensure!(
        (1..=NODES_MAX).contains(&count),
        "{count} nodes are not within 1 to {NODES_MAX}"
    );
    let last = port.map_or(Some(0), |port| port.checked_add(count));
    ensure!(last.is_some(), "the ports would end above 65535");
    let mut free = process::free_ports(usize::from(count) * 4)?.into_iter();
    let mut next = || free.next().expect("four a node were taken");
    let nodes = (1..=count).map(|id| Node {
        id,
        port: port.map_or_else(&mut next, |port| port + id - 1),
        controller: next(),
        proxied: (proxy == ProxyListener::EveryNode).then(|| Proxied {
            listen: next(),
            advertised: next(),
        }),
    });
    Ok(nodes.collect())
}

/// Addresses of `nodes` for clients.
pub(crate) fn bootstrap(nodes: &[Node]) -> String {
    let addresses: Vec<_> = nodes
        .iter()
        .map(|node| format!("127.0.0.1:{}", node.port))
        .collect();
    addresses.join(",")
}

/// One node, or all of them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Which {
    /// The node with this id.
    Node(u16),
    /// Every node.
    All,
}

/// The folder of a cluster, running or not: `node-1`, `node-2` and so on.
#[derive(Debug, Clone)]
pub(crate) struct Cluster {
    folder: PathBuf,
}

impl Cluster {
    /// The cluster whose files are in `folder`, which need not exist.
    pub(crate) fn new(folder: PathBuf) -> Self {
        Self { folder }
    }

    /// The folder.
    pub(crate) fn folder(&self) -> &Path {
        &self.folder
    }

    /// Every node that was ever started here, by id.
    pub(crate) fn brokers(&self) -> Vec<(u16, Broker)> {
        (1..=NODES_MAX)
            .map(|id| (id, self.broker(id)))
            .filter(|(_, broker)| broker.folder().is_dir())
            .collect()
    }

    /// The nodes that run, with their processes.
    pub(crate) fn running(&self) -> Vec<(u16, i32)> {
        let brokers = self.brokers().into_iter();
        brokers
            .filter_map(|(id, broker)| Some((id, broker.pid()?)))
            .collect()
    }

    /// Starts a cluster of `nodes` and returns when every one answers.
    pub(crate) fn up(&self, toolchain: &Toolchain, nodes: &[Node], data: DataFolder) -> Result<()> {
        if data == DataFolder::Fresh {
            self.remove()?;
        }
        for (_, broker) in self.brokers() {
            let wanted = nodes
                .iter()
                .any(|node| self.folder_of(node.id) == broker.folder());
            ensure!(
                wanted,
                "{} was of a larger cluster, whose topics cannot be kept",
                broker.folder().display()
            );
        }
        for node in nodes {
            self.broker(node.id)
                .prepare(toolchain, (node, nodes), data)?;
        }
        self.start(toolchain, Which::All).map(drop)
    }

    /// Starts the nodes of `which` that do not run, together, and returns their ids when they
    /// answer.
    pub(crate) fn start(&self, toolchain: &Toolchain, which: Which) -> Result<Vec<u16>> {
        let brokers = self.pick(which)?;
        let mut ids = Vec::new();
        let mut starting = Vec::new();
        for (id, broker) in brokers.iter().filter(|(_, broker)| broker.pid().is_none()) {
            ids.push(*id);
            starting.push(broker.launch(toolchain)?);
        }
        for starting in starting {
            starting.wait()?;
        }
        Ok(ids)
    }

    /// Stops the nodes of `which` in order; gives id and process of those that ran.
    pub(crate) fn stop(&self, which: Which) -> Result<Vec<(u16, i32)>> {
        // Each waits for the others while it goes, so all of them are asked at the same time.
        self.end(which, Broker::stop)
    }

    /// Ends the nodes of `which` as a power cut would end their processes.
    pub(crate) fn kill(&self, which: Which) -> Result<Vec<(u16, i32)>> {
        self.end(which, Broker::kill)
    }

    fn end(
        &self,
        which: Which,
        how: fn(&Broker) -> Result<Option<i32>>,
    ) -> Result<Vec<(u16, i32)>> {
        let brokers = self.pick(which)?;
        std::thread::scope(|scope| {
            let ends: Vec<_> = brokers
                .iter()
                .map(|(id, broker)| (*id, scope.spawn(move || how(broker))))
                .collect();
            let mut ended = Vec::new();
            for (id, end) in ends {
                let pid = end.join().expect("ending a broker does not panic")?;
                ended.extend(pid.map(|pid| (id, pid)));
            }
            Ok(ended)
        })
    }

    /// Kills every node and removes the folder.
    pub(crate) fn remove(&self) -> Result<()> {
        self.kill(Which::All)?;
        if self.folder.exists() {
            fs::remove_dir_all(&self.folder)
                .with_context(|| format!("failed to remove {}", self.folder.display()))?;
        }
        Ok(())
    }

    fn pick(&self, which: Which) -> Result<Vec<(u16, Broker)>> {
        let mut brokers = self.brokers();
        if let Which::Node(wanted) = which {
            let ids: Vec<_> = brokers.iter().map(|(id, _)| id.to_string()).collect();
            brokers.retain(|(id, _)| *id == wanted);
            ensure!(
                !brokers.is_empty(),
                "there is no node {wanted} in {}, which has nodes {:?}",
                self.folder.display(),
                ids.join(", ")
            );
        }
        Ok(brokers)
    }

    fn broker(&self, id: u16) -> Broker {
        Broker::new(self.folder_of(id))
    }

    fn folder_of(&self, id: u16) -> PathBuf {
        self.folder.join(format!("node-{id}"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    /// A proxy listens on its port only later, so that nothing but memory keeps it free.
    #[test]
    fn two_layouts_share_no_port() {
        let ports = |count| {
            let nodes = layout(count, None, ProxyListener::EveryNode).unwrap();
            let proxied = nodes.iter().filter_map(|node| node.proxied);
            let proxied: BTreeSet<_> = proxied.flat_map(|p| [p.listen, p.advertised]).collect();
            let own = nodes.iter().flat_map(|node| [node.port, node.controller]);
            own.chain(proxied).collect::<BTreeSet<_>>()
        };
        let (one, three) = (ports(1), ports(3));
        assert_eq!((one.len(), three.len()), (4, 12));
        assert!(one.is_disjoint(&three), "{one:?} and {three:?}");
    }

    #[test]
    fn a_layout_has_no_port_twice() {
        for (port, proxy) in [
            (None, ProxyListener::None),
            (Some(9292), ProxyListener::EveryNode),
        ] {
            let nodes = layout(3, port, proxy).unwrap();
            let mut ports = Vec::new();
            for node in &nodes {
                ports.extend([node.port, node.controller]);
                ports.extend(node.proxied.iter().flat_map(|p| [p.listen, p.advertised]));
            }
            let count = ports.len();
            assert_eq!(ports.into_iter().collect::<BTreeSet<_>>().len(), count);
            assert_eq!(count, if port.is_some() { 12 } else { 6 });
            assert_eq!(nodes.iter().map(|node| node.id).max(), Some(3));
        }
        let nodes = layout(2, Some(9292), ProxyListener::None).unwrap();
        assert_eq!(bootstrap(&nodes), "127.0.0.1:9292,127.0.0.1:9293");
        assert!(layout(0, None, ProxyListener::None).is_err());
        assert!(layout(6, None, ProxyListener::None).is_err());
        assert!(layout(3, Some(65534), ProxyListener::None).is_err());
    }

    #[test]
    fn a_cluster_is_what_its_folder_holds() {
        let folder = tempfile::tempdir().unwrap();
        let cluster = Cluster::new(folder.path().join("c"));
        assert_eq!(cluster.stop(Which::All).unwrap(), []);
        let error = cluster.kill(Which::Node(2)).unwrap_err().to_string();
        assert!(error.contains("no node 2"), "{error}");
        for id in [1, 3] {
            fs::create_dir_all(cluster.folder_of(id)).unwrap();
        }
        let ids: Vec<_> = cluster.brokers().iter().map(|(id, _)| *id).collect();
        assert_eq!(ids, [1, 3]);
        assert_eq!(cluster.running(), []);
        assert_eq!(cluster.kill(Which::Node(3)).unwrap(), []);
        cluster.remove().unwrap();
        assert!(!cluster.folder().exists());
    }
}
