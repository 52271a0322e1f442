//! The entry: a plan and a sink, and the three ways of working.

use std::sync::Arc;

use tidegate_connect::AckedSink;

use crate::counts::{Counters, Summary};
use crate::deliver::Outlet;
use crate::error::IngestError;
use crate::plan::IngestPlan;
use crate::receive::Receiver;
use crate::stop::{Stop, stop};
use crate::{mqtt, poll};

/// A plan and the sink that its feeds go to.
///
/// Each function works until `shutdown` is over, then finishes what is on its way, which the sink
/// bounds to about a minute, and gives the counts of all functions so far.
#[derive(Debug)]
pub struct Ingest {
    plan: IngestPlan,
    outlet: Outlet,
}

impl Ingest {
    /// The feeds of `plan`, into `sink`. Their topics must exist; [`IngestPlan::feeds`] names them
    /// for [`AckedSink::ensure_topics`].
    pub fn new(plan: IngestPlan, sink: Arc<AckedSink>) -> Self {
        let counters = Counters::default();
        for feed in plan.feeds().keys() {
            // A feed that nothing happened to is in the summary with zeros.
            counters.feed(feed, |_| {});
        }
        Self {
            plan,
            outlet: Outlet { sink, counters },
        }
    }

    /// What happened so far.
    pub fn summary(&self) -> Summary {
        self.outlet.counters.summary()
    }

    /// Fetches each URL in its own rhythm. A URL that fails is tried again, less and less often,
    /// and holds up no other.
    ///
    /// # Errors
    /// [`IngestError::Setup`] when a client cannot be made. Nothing that happens later is an error
    /// here: it is counted and logged.
    pub async fn poll(&self, shutdown: impl Future<Output = ()>) -> Result<Summary, IngestError> {
        self.until(shutdown, |stop| {
            poll::poll(&self.plan.poll, &self.outlet, stop)
        })
        .await
    }

    /// Opens the port for [`Receiver::serve`]; `None` when `ingest.toml` has nothing to receive.
    ///
    /// # Errors
    /// [`IngestError::Listen`] when the port cannot be had.
    pub async fn bind(&self) -> Result<Option<Receiver>, IngestError> {
        match &self.plan.receive {
            Some(plan) => Receiver::bind(plan, &self.outlet).await.map(Some),
            None => Ok(None),
        }
    }

    /// Answers HTTP requests: [`Ingest::bind`], then [`Receiver::serve`].
    ///
    /// # Errors
    /// [`IngestError::Listen`] when the port cannot be had.
    pub async fn receive(
        &self,
        shutdown: impl Future<Output = ()>,
    ) -> Result<Summary, IngestError> {
        match self.bind().await? {
            Some(receiver) => receiver.serve(shutdown).await,
            None => shutdown.await,
        }
        Ok(self.summary())
    }

    /// Listens to each MQTT broker.
    ///
    /// # Errors
    /// [`IngestError::MqttLogin`] or [`IngestError::MqttSubscribe`] when a broker refuses at the
    /// first connection; then the work on the other brokers ends too. What happens later is
    /// counted and logged.
    pub async fn mqtt(&self, shutdown: impl Future<Output = ()>) -> Result<Summary, IngestError> {
        self.until(shutdown, |stop| {
            mqtt::mqtt(&self.plan.mqtt, &self.outlet, stop)
        })
        .await
    }

    async fn until<W>(
        &self,
        shutdown: impl Future<Output = ()>,
        work: impl FnOnce(Stop) -> W,
    ) -> Result<Summary, IngestError>
    where
        W: Future<Output = Result<(), IngestError>>,
    {
        let (stopper, stopping) = stop();
        let mut work = Box::pin(work(stopping));
        let finished = tokio::select! {
            finished = &mut work => Some(finished),
            () = shutdown => None,
        };
        if let Some(finished) = finished {
            finished?;
        } else {
            stopper.stop();
            work.await?;
        }
        Ok(self.summary())
    }
}
