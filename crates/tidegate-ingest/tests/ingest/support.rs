//! What the tests share: a broker, a pipeline folder, and an ingest that runs until it is stopped.

use std::collections::BTreeMap;
use std::fs;
use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use tempfile::TempDir;
use tidegate_connect::{AckedSink, EmbeddedBroker, Ends, Inspector, Properties};
use tidegate_ingest::{Ingest, IngestConfig, IngestError, IngestPlan, Summary};
use tokio::sync::oneshot;
use tokio::task::JoinHandle;

/// Longer than anything takes that works.
pub(crate) const LONG: Duration = Duration::from_secs(30);

/// A broker with the topics `topic-a` and `topic-b`, of one partition each, and a sink to it.
pub(crate) struct Kafka {
    pub(crate) broker: EmbeddedBroker,
    pub(crate) sink: Arc<AckedSink>,
}

impl Kafka {
    pub(crate) fn start() -> Self {
        Self::with(&[])
    }

    /// The sink has these properties.
    pub(crate) fn with(properties: &[(&str, &str)]) -> Self {
        let broker = EmbeddedBroker::start(&[("topic-a", 1), ("topic-b", 1)]).unwrap();
        let owned = |(name, value): &(&str, &str)| ((*name).to_owned(), (*value).to_owned());
        let properties: Properties = properties.iter().map(owned).collect();
        let sink = Arc::new(AckedSink::connect(broker.bootstrap(), &properties).unwrap());
        Self { broker, sink }
    }

    /// Keys and values of a topic, in order.
    pub(crate) fn records(&self, topic: &str) -> Vec<(String, String)> {
        let text = |bytes: Option<Vec<u8>>| String::from_utf8(bytes.unwrap()).unwrap();
        Inspector::new(self.broker.bootstrap())
            .read_committed(topic, &Ends::new(), LONG)
            .unwrap()
            .into_iter()
            .map(|record| (text(record.key), text(record.value)))
            .collect()
    }

    pub(crate) fn values(&self, topic: &str) -> Vec<String> {
        self.records(topic)
            .into_iter()
            .map(|(_, value)| value)
            .collect()
    }
}

/// A pipeline folder with these files.
pub(crate) fn folder(files: &[(&str, &str)]) -> TempDir {
    let folder = tempfile::tempdir().unwrap();
    for (name, text) in files {
        fs::write(folder.path().join(name), text).unwrap();
    }
    folder
}

/// The plan of `ingest.toml`, of a pipeline with the feeds `a` and `b`.
pub(crate) fn plan(text: &str, folder: &Path) -> IngestPlan {
    IngestConfig::from_toml(text)
        .unwrap()
        .check(folder, &topics())
        .unwrap_or_else(|problems| panic!("{problems:?}"))
}

pub(crate) fn topics() -> BTreeMap<String, String> {
    [("a", "topic-a"), ("b", "topic-b")]
        .map(|(feed, topic)| (feed.to_owned(), topic.to_owned()))
        .into()
}

/// What an ingest does.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Way {
    Poll,
    Mqtt,
}

/// An ingest at work.
pub(crate) struct Running {
    pub(crate) ingest: Arc<Ingest>,
    stop: oneshot::Sender<()>,
    task: JoinHandle<Result<Summary, IngestError>>,
}

impl Running {
    pub(crate) fn start(way: Way, plan: IngestPlan, sink: &Arc<AckedSink>) -> Self {
        let ingest = Arc::new(Ingest::new(plan, Arc::clone(sink)));
        let (stop, stopped) = oneshot::channel::<()>();
        let working = Arc::clone(&ingest);
        let task = tokio::spawn(async move {
            let shutdown = async { drop(stopped.await) };
            match way {
                Way::Poll => working.poll(shutdown).await,
                Way::Mqtt => working.mqtt(shutdown).await,
            }
        });
        Self { ingest, stop, task }
    }

    /// Opens a port and answers.
    pub(crate) async fn receive(plan: IngestPlan, sink: &Arc<AckedSink>) -> (Self, SocketAddr) {
        let ingest = Arc::new(Ingest::new(plan, Arc::clone(sink)));
        let receiver = ingest.bind().await.unwrap().unwrap();
        let address = receiver.address();
        let (stop, stopped) = oneshot::channel::<()>();
        let working = Arc::clone(&ingest);
        let task = tokio::spawn(async move {
            receiver.serve(async { drop(stopped.await) }).await;
            Ok(working.summary())
        });
        (Self { ingest, stop, task }, address)
    }

    /// Waits until the counts are as they should be.
    pub(crate) async fn until(&self, what: &str, seen: impl Fn(&Summary) -> bool) {
        wait_for(what, || seen(&self.ingest.summary())).await;
    }

    /// Asks it to stop and gives what it did.
    pub(crate) async fn stop(self) -> Result<Summary, IngestError> {
        drop(self.stop);
        ended(self.task).await
    }

    /// Waits until it ends by itself.
    pub(crate) async fn end(self) -> Result<Summary, IngestError> {
        let ended = ended(self.task).await;
        drop(self.stop);
        ended
    }
}

async fn ended<T>(task: JoinHandle<T>) -> T {
    let ended = tokio::time::timeout(LONG, task).await;
    ended.expect("it ends within a bounded time").unwrap()
}

/// Waits until `seen`, and says what was waited for when it never is.
pub(crate) async fn wait_for(what: &str, seen: impl Fn() -> bool) {
    let waiting = async {
        while !seen() {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    let waited = tokio::time::timeout(LONG, waiting).await;
    assert!(waited.is_ok(), "waited in vain: {what}");
}
