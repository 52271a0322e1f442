//! Takes notices out of the outbox and delivers them until it is told to stop.

mod lane;
mod setup;
mod turn;
mod worker;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use tidegate_dispatch::{Notice, NoticeKind};

use crate::counts::{Counters, Totals};
use crate::deliver::{Deliver, Outcome, Tried};
use crate::handle::OutboxHandle;
use crate::outbox::OutboxError;
use crate::plan::{ChannelPlan, ChannelsPlan, KindPlan};

pub use setup::Surroundings;

/// How long a test is of use.
const TEST_FOR: Duration = Duration::from_mins(5);

/// The time of the clock and chance, so that tests can choose both.
#[derive(Clone)]
pub struct Environment {
    /// What the clock says.
    pub now: Arc<dyn Fn() -> Timestamp + Send + Sync>,
    /// Chance, all 64 bits of it.
    pub chance: Arc<dyn Fn() -> u64 + Send + Sync>,
}

impl Environment {
    /// The system's clock and generator.
    pub fn system() -> Self {
        Self {
            now: Arc::new(Timestamp::now),
            chance: Arc::new(rand::random),
        }
    }
}

impl std::fmt::Debug for Environment {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Environment(…)")
    }
}

/// Why the service does not begin.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum SetupError {
    /// A channel's connections cannot be set up.
    #[error("set up channel {channel}: {detail}")]
    Channel {
        /// The channel.
        channel: String,
        /// What is wrong.
        detail: String,
    },
    /// This program cannot deliver what a channel is.
    #[error("channel {channel} is of kind {kind}, which nothing here delivers")]
    NotPlugged {
        /// The channel.
        channel: String,
        /// Its kind.
        kind: &'static str,
    },
    /// No channel has this name.
    #[error("no channel {channel:?} is here, but {known}")]
    Unknown {
        /// What was asked for.
        channel: String,
        /// The channels that are.
        known: String,
    },
    /// The outbox.
    #[error(transparent)]
    Outbox(#[from] OutboxError),
}

/// The channels of a plan, each with what delivers.
#[derive(Debug)]
pub struct Channels(BTreeMap<String, (ChannelPlan, Option<Arc<dyn Deliver>>)>);

impl Channels {
    /// Sets up the channels that this crate delivers itself: all but `kafka`, which
    /// [`Channels::missing`] has.
    /// To be done before anything is accepted, so that the outbox knows whose alerts stand.
    ///
    /// # Errors
    /// [`SetupError::Channel`], [`SetupError::Outbox`].
    pub fn new(
        plan: ChannelsPlan,
        outbox: &OutboxHandle,
        surroundings: &Surroundings,
    ) -> Result<Self, SetupError> {
        let standing = |plan: &&ChannelPlan| matches!(plan.kind, KindPlan::Alertmanager { .. });
        let standing = plan.channels.iter().filter(standing);
        let standing: Vec<&str> = standing.map(|plan| plan.name.as_str()).collect();
        outbox.keep_standing(&standing)?;
        let mut channels = BTreeMap::new();
        for plan in plan.channels {
            let own =
                setup::own(&plan, outbox, surroundings).map_err(|detail| SetupError::Channel {
                    channel: plan.name.clone(),
                    detail,
                })?;
            channels.insert(plan.name.clone(), (plan, own));
        }
        Ok(Self(channels))
    }

    /// The channels that something has to be plugged in for.
    pub fn missing(&self) -> Vec<ChannelPlan> {
        let all = self.0.values();
        let missing = all.filter(|(_, deliver)| deliver.is_none());
        missing.map(|(plan, _)| plan.clone()).collect()
    }

    /// Gives a channel what delivers, instead of what it has.
    ///
    /// # Errors
    /// [`SetupError::Unknown`].
    pub fn plug(&mut self, channel: &str, deliver: Arc<dyn Deliver>) -> Result<(), SetupError> {
        match self.0.get_mut(channel) {
            Some((_, slot)) => {
                *slot = Some(deliver);
                Ok(())
            }
            None => Err(self.unknown(channel)),
        }
    }

    /// Tells a channel, past the outbox, that this is a test, and waits for what comes of it.
    ///
    /// # Errors
    /// [`SetupError::Unknown`], [`SetupError::NotPlugged`].
    pub async fn test(
        &self,
        channel: &str,
        environment: &Environment,
    ) -> Result<Tried, SetupError> {
        let (plan, deliver) = self.0.get(channel).ok_or_else(|| self.unknown(channel))?;
        let deliver = deliver.as_ref().ok_or_else(|| not_plugged(plan))?;
        let now = (environment.now)();
        let notice = test_notice(channel, now, (environment.chance)());
        let within = plan.network.timeout + lane::SLACK;
        let tried = tokio::time::timeout(within, deliver.deliver(&notice, now)).await;
        Ok(tried.unwrap_or_else(|_| Outcome::retry("nothing came of it in time").into()))
    }

    fn unknown(&self, channel: &str) -> SetupError {
        let known: Vec<_> = self.0.keys().map(String::as_str).collect();
        SetupError::Unknown {
            channel: channel.to_owned(),
            known: known.join(", "),
        }
    }
}

fn not_plugged(plan: &ChannelPlan) -> SetupError {
    SetupError::NotPlugged {
        channel: plan.name.clone(),
        kind: plan.kind.name(),
    }
}

impl KindPlan {
    /// The value of `kind`.
    pub const fn name(&self) -> &'static str {
        match self {
            Self::Webhook { .. } => "webhook",
            Self::Alertmanager { .. } => "alertmanager",
            Self::AlertmanagerWebhook { .. } => "alertmanager_webhook",
            Self::Ntfy { .. } => "ntfy",
            Self::Smtp(_) => "smtp",
            Self::Cap(_) => "cap",
            Self::Feishu(_) => "feishu",
            Self::Dingtalk(_) => "dingtalk",
            Self::Wecom(_) => "wecom",
            Self::Kafka { .. } => "kafka",
            Self::Stdout => "stdout",
        }
    }
}

fn test_notice(channel: &str, now: Timestamp, chance: u64) -> Notice {
    Notice {
        id: format!("test-{}-{chance:016x}", now.as_millisecond()),
        channel: channel.to_owned(),
        kind: NoticeKind::Test,
        group: BTreeMap::new(),
        alerts: Vec::new(),
        held_back: 0,
        to: Vec::new(),
        created: now,
        expires: crate::retry::later(now, TEST_FOR),
        title_zh: Some(format!("Tidegate 通道测试：{channel}")),
        title_en: Some(format!("Tidegate: test of channel {channel}")),
        text_zh: Some("这是一条测试消息，无需处理。".to_owned()),
        text_en: Some("This is a test; there is nothing to do.".to_owned()),
        summary: None,
    }
}

/// Delivers notices until it is told to stop.
#[derive(Debug)]
pub struct Service {
    worker: worker::Worker,
    grace: Duration,
    /// A lock: nobody else delivers from this outbox.
    _alone: std::fs::File,
}

impl Service {
    /// Makes ready.
    ///
    /// # Errors
    /// [`SetupError::NotPlugged`], [`SetupError::Outbox`].
    pub async fn new(
        channels: Channels,
        outbox: OutboxHandle,
        environment: Environment,
    ) -> Result<Self, SetupError> {
        let mut plugged = Vec::new();
        for (plan, deliver) in channels.0.into_values() {
            let deliver = deliver.ok_or_else(|| not_plugged(&plan))?;
            plugged.push((plan, deliver));
        }
        let all = plugged
            .iter()
            .map(|(plan, _)| (plan.name.clone(), plan.settings.clone()));
        let settings: BTreeMap<String, String> = all.collect();
        let kept = plugged
            .iter()
            .filter(|(_, deliver)| deliver.remind_every().is_some());
        let kept: Vec<String> = kept.map(|(plan, _)| plan.name.clone()).collect();
        let begun = outbox.with(move |outbox| {
            let alone = outbox.deliver_alone()?;
            let names: Vec<&str> = kept.iter().map(String::as_str).collect();
            outbox.keep_standing(&names)?;
            Ok::<_, OutboxError>((alone, outbox.gone(&settings)?))
        });
        let (alone, gone) = begun.await?;
        let worker = worker::Worker::new(plugged, outbox, environment, gone);
        Ok(Self {
            worker,
            grace: Duration::from_secs(20),
            _alone: alone,
        })
    }

    /// How long tries that are on their way may take once it is told to stop. Default 20 s.
    #[must_use]
    pub fn grace(mut self, grace: Duration) -> Self {
        self.grace = grace;
        self
    }

    /// What happens, while it happens.
    pub fn counters(&self) -> Counters {
        self.worker.counters()
    }

    /// Delivers until `stop` is over, then finishes what is on its way. What is not finished then
    /// is tried again by the next one.
    pub async fn run(self, stop: impl Future<Output = ()> + Send) -> Totals {
        self.worker.run(stop, self.grace).await
    }
}
