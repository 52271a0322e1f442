//! Alerts as CloudEvents in a topic.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use jiff::Timestamp;
use tidegate_connect::{ConnectError, KafkaSink, Properties};
use tidegate_dispatch::Notice;
use tidegate_notify::form::cloudevents;
use tidegate_notify::{Deliver, Delivering, Outcome};

/// How long brokers may take to have it.
const WITHIN: Duration = Duration::from_secs(10);

/// A channel that writes to a topic, on threads for what waits.
pub(crate) struct KafkaChannel {
    sink: Arc<Mutex<Option<KafkaSink>>>,
    bootstrap: String,
    topic: String,
    /// The CloudEvents attribute `source`.
    source: String,
}

impl KafkaChannel {
    pub(crate) fn new(bootstrap: &str, topic: &str, pipeline: &str) -> Self {
        Self {
            sink: Arc::new(Mutex::new(None)),
            bootstrap: bootstrap.to_owned(),
            topic: topic.to_owned(),
            source: format!("/tidegate/pipelines/{pipeline}"),
        }
    }
}

impl std::fmt::Debug for KafkaChannel {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("KafkaChannel")
            .field("topic", &self.topic)
            .finish_non_exhaustive()
    }
}

impl Deliver for KafkaChannel {
    fn deliver<'a>(&'a self, notice: &'a Notice, _: Timestamp) -> Delivering<'a> {
        let events = cloudevents::events(notice, &self.source);
        let (sink, bootstrap) = (Arc::clone(&self.sink), self.bootstrap.clone());
        let topic = self.topic.clone();
        Box::pin(async move {
            let sent = tokio::task::spawn_blocking(move || {
                let mut slot = sink.lock().unwrap_or_else(PoisonError::into_inner);
                let mut sink = match slot.take() {
                    Some(sink) => sink,
                    None => KafkaSink::connect(&bootstrap, &Properties::new())?,
                };
                for event in &events {
                    sink.send(
                        &topic,
                        None,
                        Some(event.key.as_bytes()),
                        Some(&event.value),
                        None,
                    )?;
                }
                sink.flush(WITHIN)?;
                // One that failed is left behind with what it could not send.
                *slot = Some(sink);
                Ok::<(), ConnectError>(())
            });
            match sent.await {
                Ok(Ok(())) => Outcome::Delivered.into(),
                Ok(Err(error)) => Outcome::retry(error.to_string()).into(),
                Err(error) => Outcome::retry(error.to_string()).into(),
            }
        })
    }
}
