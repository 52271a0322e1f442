//! The text of every file a broker needs, as functions of ports and folders.

use std::path::Path;

/// The tested broker. Brokers of one 4.x line speak the same protocol to clients.
pub(crate) const VERSION: &str = "4.4.0";
const SCALA: &str = "2.13";
const LOG4J: &str = "2.25.1";
const DEPENDENCY_PLUGIN: &str = "3.8.1";

/// Any 16 bytes in URL-safe base64 will do: two clusters never meet.
pub(crate) const CLUSTER_ID: &str = "dGlkZWdhdGUtdGVzdC0wMQ";

/// A project whose dependencies are the broker; its own jar brings no logging backend.
pub(crate) fn pom() -> String {
    let dependency = |group: &str, artifact: &str, version: &str| {
        format!(
            "    <dependency>\n      <groupId>{group}</groupId>\n      \
             <artifactId>{artifact}</artifactId>\n      <version>{version}</version>\n    \
             </dependency>\n"
        )
    };
    let kafka = dependency("org.apache.kafka", &format!("kafka_{SCALA}"), VERSION);
    let core = dependency("org.apache.logging.log4j", "log4j-core", LOG4J);
    let binding = dependency("org.apache.logging.log4j", "log4j-slf4j-impl", LOG4J);
    format!(
        "<project xmlns=\"http://maven.apache.org/POM/4.0.0\">\n  \
         <modelVersion>4.0.0</modelVersion>\n  <groupId>tidegate</groupId>\n  \
         <artifactId>test-broker</artifactId>\n  <version>1</version>\n  <dependencies>\n\
         {kafka}{core}{binding}  </dependencies>\n</project>\n"
    )
}

/// Arguments of `mvn` that copy the jars of [`pom`] into `lib`.
pub(crate) fn maven_arguments(pom: &Path, lib: &Path) -> Vec<String> {
    vec![
        "--batch-mode".into(),
        "--no-transfer-progress".into(),
        format!("--file={}", pom.display()),
        format!(
            "org.apache.maven.plugins:maven-dependency-plugin:{DEPENDENCY_PLUGIN}:copy-dependencies"
        ),
        "-DincludeScope=runtime".into(),
        format!("-DoutputDirectory={}", lib.display()),
    ]
}

/// Where one node listens; every port is on 127.0.0.1.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Node {
    /// Its `node.id`, from 1.
    pub(crate) id: u16,
    /// For clients and other brokers.
    pub(crate) port: u16,
    /// For the other controllers.
    pub(crate) controller: u16,
    /// A second way in for clients.
    pub(crate) proxied: Option<Proxied>,
}

/// A listener behind a proxy. A client that asked through the proxy is told the proxy's port for
/// every broker, so that all of its traffic goes that way.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Proxied {
    /// Where the broker listens: the proxy's target.
    pub(crate) listen: u16,
    /// Where the proxy has to listen, and what clients are told.
    pub(crate) advertised: u16,
}

/// `server.properties` of `node`, a broker and controller among `nodes`.
///
/// What a test waits for is quick: sessions may be short, retention, compaction and transactions
/// that timed out are looked at every second, a group begins at once. With three nodes everything
/// has three copies, of which two must be written.
pub(crate) fn properties(node: &Node, nodes: &[Node], data: &Path) -> String {
    let copies = nodes.len().min(3);
    let written = copies.div_ceil(2);
    let (id, data) = (node.id, data.display());
    let voters: Vec<_> = nodes
        .iter()
        .map(|node| format!("{}@127.0.0.1:{}", node.id, node.controller))
        .collect();
    let (port, controller) = (node.port, node.controller);
    let proxied = |port: fn(Proxied) -> u16| {
        node.proxied
            .map(|proxied| format!(",PROXIED://127.0.0.1:{}", port(proxied)))
            .unwrap_or_default()
    };
    let (listen, advertise) = (proxied(|p| p.listen), proxied(|p| p.advertised));
    format!(
        "process.roles=broker,controller\n\
         node.id={id}\n\
         controller.quorum.voters={voters}\n\
         listeners=PLAINTEXT://127.0.0.1:{port},CONTROLLER://127.0.0.1:{controller}{listen}\n\
         advertised.listeners=PLAINTEXT://127.0.0.1:{port}{advertise}\n\
         inter.broker.listener.name=PLAINTEXT\n\
         controller.listener.names=CONTROLLER\n\
         listener.security.protocol.map=\
         PLAINTEXT:PLAINTEXT,CONTROLLER:PLAINTEXT,PROXIED:PLAINTEXT\n\
         log.dirs={data}\n\
         default.replication.factor={copies}\n\
         min.insync.replicas={written}\n\
         offsets.topic.replication.factor={copies}\n\
         transaction.state.log.replication.factor={copies}\n\
         transaction.state.log.min.isr={written}\n\
         share.coordinator.state.topic.replication.factor={copies}\n\
         share.coordinator.state.topic.min.isr={written}\n\
         {SETTINGS}",
        voters = voters.join(",")
    )
}

/// What does not depend on ports and nodes. The largest record is the broker's default of 1 MiB;
/// a topic may raise it.
const SETTINGS: &str = "\
auto.create.topics.enable=false
offsets.topic.num.partitions=4
transaction.state.log.num.partitions=4
share.coordinator.state.topic.num.partitions=4
broker.session.timeout.ms=6000
broker.heartbeat.interval.ms=1000
group.initial.rebalance.delay.ms=0
group.min.session.timeout.ms=500
group.consumer.min.session.timeout.ms=1000
group.consumer.session.timeout.ms=6000
group.consumer.min.heartbeat.interval.ms=500
group.consumer.heartbeat.interval.ms=1000
log.retention.ms=-1
log.retention.check.interval.ms=1000
log.initial.task.delay.ms=500
log.segment.delete.delay.ms=1000
log.cleaner.backoff.ms=1000
transaction.max.timeout.ms=900000
transaction.abort.timed.out.transaction.cleanup.interval.ms=1000
";

/// The port for clients in a text of [`properties`].
pub(crate) fn port_of(properties: &str) -> Option<u16> {
    let prefix = "advertised.listeners=PLAINTEXT://127.0.0.1:";
    let line = properties
        .lines()
        .find_map(|line| line.strip_prefix(prefix))?;
    line.split(',').next()?.parse().ok()
}

/// Options of Java: a small heap, and no threads for collecting garbage beside each other, since
/// four brokers share a build server with what they test.
pub(crate) const JAVA_OPTIONS: [&str; 3] = ["-Xms128m", "-Xmx384m", "-XX:+UseSerialGC"];

/// Logging to standard output: without `info` the line that says "started" is not printed.
pub(crate) const LOG4J_PROPERTIES: &str = "\
status=error
appender.stdout.type=Console
appender.stdout.name=stdout
appender.stdout.layout.type=PatternLayout
appender.stdout.layout.pattern=[%d] %p %m (%c)%n
rootLogger.level=warn
rootLogger.appenderRef.stdout.ref=stdout
logger.server.name=kafka.server
logger.server.level=info
logger.app.name=org.apache.kafka.server
logger.app.level=info
";

/// What the log says when the broker serves.
pub(crate) const STARTED: &str = "Kafka Server started";

#[cfg(test)]
mod tests {
    use super::*;

    const ONE: Node = Node {
        id: 1,
        port: 19092,
        controller: 19093,
        proxied: None,
    };

    #[test]
    fn properties_listen_on_loopback_only() {
        let two = Node {
            id: 2,
            port: 19192,
            controller: 19193,
            proxied: Some(Proxied {
                listen: 19194,
                advertised: 19195,
            }),
        };
        let text = properties(&two, &[ONE, two], Path::new("/data"));
        for line in text.lines().filter(|line| line.contains("://")) {
            assert!(
                line.split(',').all(|part| part.contains("//127.0.0.1:")),
                "{line}"
            );
        }
        assert!(text.contains("quorum.voters=1@127.0.0.1:19093,2@127.0.0.1:19193\n"));
        assert!(text.contains(",PROXIED://127.0.0.1:19194\n"), "{text}");
        assert!(text.contains(",PROXIED://127.0.0.1:19195\n"), "{text}");
        assert_eq!(port_of(&text), Some(19192));
        assert_eq!(port_of("nothing"), None);
    }

    #[test]
    fn of_three_copies_two_must_be_written() {
        for (count, copies, written) in [(1, 1, 1), (2, 2, 1), (3, 3, 2), (5, 3, 2)] {
            let nodes = vec![ONE; count];
            let text = properties(&ONE, &nodes, Path::new("/data"));
            assert!(text.contains(&format!("\ndefault.replication.factor={copies}\n")));
            assert!(text.contains(&format!("\ntransaction.state.log.min.isr={written}\n")));
        }
    }

    #[test]
    fn the_project_names_the_broker_and_its_logging() {
        let pom = pom();
        for artifact in ["kafka_2.13", "log4j-core", "log4j-slf4j-impl"] {
            assert!(
                pom.contains(&format!("<artifactId>{artifact}</artifactId>")),
                "{pom}"
            );
        }
    }
}
