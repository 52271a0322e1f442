//! What the demo's alerts tell people: the same dispatcher, outbox and service as `tidegate notify`,
//! with a channel that notes what comes.

use std::collections::BTreeSet;
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use jiff::Timestamp;
use tidegate_alerts::AlertTransition;
use tidegate_alerts::wire::AlertRecord;
use tidegate_dispatch::Notice;
use tidegate_notify::{
    Channels, Deliver, Delivering, Environment, KeptState, Outbox, OutboxHandle, OutboxLimits,
    Outcome, Service,
};
use tidegate_pipeline::Pipeline;
use tokio::sync::{mpsc, oneshot};

use crate::folder::BadPipeline;
use crate::notify::{Incoming, Relay, Scratch, Setup, check, surroundings};

/// Alerts between the run and the dispatcher: more than a day has.
const QUEUE: usize = 10_000;
/// How long what was decided may take to be delivered at the end.
const LAST_WITHIN: Duration = Duration::from_secs(10);

/// Alerts on their way to people.
#[derive(Debug)]
pub(crate) struct Deliveries {
    send: mpsc::Sender<Incoming>,
    lost: u64,
    thread: JoinHandle<Result<Vec<Notice>>>,
}

/// Notes what comes.
#[derive(Debug, Default)]
struct Notebook(Mutex<Vec<Notice>>);

impl Deliver for Notebook {
    fn deliver<'a>(&'a self, notice: &'a Notice, _: Timestamp) -> Delivering<'a> {
        let mut noted = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        noted.push(notice.clone());
        Box::pin(async { Outcome::Delivered.into() })
    }
}

impl Deliveries {
    /// Begins to tell people of the alerts of `pipeline`, whose folder has these two files.
    pub(crate) fn start(pipeline: Arc<Pipeline>, routes: &str, channels: &str) -> Result<Self> {
        let setup = check(pipeline, routes, channels, Path::new(".")).map_err(BadPipeline)?;
        let (send, incoming) = mpsc::channel(QUEUE);
        let thread = std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread()
                .enable_all()
                .build()?;
            runtime.block_on(tell(setup, incoming))
        });
        Ok(Self {
            send,
            lost: 0,
            thread,
        })
    }

    /// Takes a change of an alert.
    pub(crate) fn take(&mut self, alert: &AlertTransition) {
        let incoming = Incoming {
            records: vec![AlertRecord::from(alert)],
            read_up_to: None,
            kept: None,
        };
        self.lost += u64::from(self.send.try_send(incoming).is_err());
    }

    /// Everything that was delivered, in order.
    pub(crate) fn finish(self) -> Result<Vec<Notice>> {
        drop(self.send);
        let told = self.thread.join();
        let told = told.map_err(|_| anyhow::anyhow!("the notifier panicked"))??;
        ensure!(
            self.lost == 0,
            "{} alerts did not reach the notifier",
            self.lost
        );
        Ok(told)
    }
}

/// How many of `notices` came again under an id that had come before.
pub(crate) fn doubled(notices: &[Notice]) -> usize {
    let ids: BTreeSet<&str> = notices.iter().map(|notice| notice.id.as_str()).collect();
    notices.len() - ids.len()
}

async fn tell(setup: Setup, incoming: mpsc::Receiver<Incoming>) -> Result<Vec<Notice>> {
    let scratch = Scratch::new()?;
    let outbox = Outbox::open(&scratch.path().join("demo.db"), OutboxLimits::default())?;
    let outbox = OutboxHandle::new(outbox);
    let names = setup.channel_names();
    let mut channels = Channels::new(setup.channels, &outbox, &surroundings(&setup.pipeline))?;
    let notebook = Arc::new(Notebook::default());
    for name in &names {
        channels.plug(name, Arc::<Notebook>::clone(&notebook))?;
    }
    let service = Service::new(channels, outbox.clone(), Environment::system()).await?;
    let (end, ended) = oneshot::channel::<()>();
    let serving = tokio::spawn(service.run(async {
        ended.await.ok();
    }));
    let (mut relay, _) = Relay::resume(setup.plan, names, outbox.clone()).await?;
    relay.run(incoming).await?;
    let until = Instant::now() + LAST_WITHIN;
    loop {
        let counts = outbox.with(|outbox| outbox.counts()).await?;
        if counts.of(KeptState::Pending) == 0 || Instant::now() > until {
            break;
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    drop(end);
    serving.await.context("the deliveries")?;
    let noted = notebook.0.lock().unwrap_or_else(PoisonError::into_inner);
    Ok(noted.clone())
}
