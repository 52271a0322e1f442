//! The text of every file a broker needs, as functions of ports and folders.

use std::path::Path;

/// The tested broker. Brokers of one 4.x line speak the same protocol to clients.
pub(crate) const VERSION: &str = "4.4.0";
const SCALA: &str = "2.13";
const LOG4J: &str = "2.25.1";
const DEPENDENCY_PLUGIN: &str = "3.8.1";

/// Any 16 bytes in URL-safe base64 will do: two brokers never meet.
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

/// `server.properties` of a single broker that is its own controller.
pub(crate) fn properties(port: u16, controller: u16, data: &Path) -> String {
    let data = data.display();
    format!(
        "process.roles=broker,controller\n\
         node.id=1\n\
         controller.quorum.voters=1@127.0.0.1:{controller}\n\
         listeners=PLAINTEXT://127.0.0.1:{port},CONTROLLER://127.0.0.1:{controller}\n\
         advertised.listeners=PLAINTEXT://127.0.0.1:{port}\n\
         inter.broker.listener.name=PLAINTEXT\n\
         controller.listener.names=CONTROLLER\n\
         listener.security.protocol.map=PLAINTEXT:PLAINTEXT,CONTROLLER:PLAINTEXT\n\
         log.dirs={data}\n\
         log.retention.ms=-1\n\
         message.max.bytes=16777216\n\
         offsets.topic.replication.factor=1\n\
         offsets.topic.num.partitions=4\n\
         transaction.state.log.replication.factor=1\n\
         transaction.state.log.min.isr=1\n\
         transaction.state.log.num.partitions=4\n\
         share.coordinator.state.topic.replication.factor=1\n\
         share.coordinator.state.topic.min.isr=1\n\
         share.coordinator.state.topic.num.partitions=4\n\
         group.initial.rebalance.delay.ms=0\n\
         auto.create.topics.enable=false\n"
    )
}

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

    #[test]
    fn properties_listen_on_loopback_only() {
        let text = properties(19092, 19093, Path::new("/data"));
        for line in text.lines().filter(|line| line.contains("://")) {
            assert!(
                line.split(',').all(|part| part.contains("//127.0.0.1:")),
                "{line}"
            );
        }
        assert!(text.contains("controller.quorum.voters=1@127.0.0.1:19093\n"));
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
