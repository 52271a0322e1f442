//! Delivery of [`tidegate_dispatch::Notice`]s: at least once, in order per alert, until they expire.
//!
//! It promises that a notice that [`Outbox::accept`] took is delivered under its own id, or becomes
//! a dead letter with a reason, whatever is killed in between; and that what is told of one alert on
//! one channel comes in the order in which it was accepted. It decides nothing about who is told:
//! `tidegate-dispatch` does.
//!
//! [`form`] makes of a notice what a channel wants to read and is pure; the rest does I/O. The file
//! `channels.toml` of a pipeline folder says which channels there are:
//!
//! ```
//! let text = r#"
//! [[channel]]
//! name = "duty-room"
//! kind = "webhook"
//! url = "https://hooks.example.org/tidegate"
//! secret_files = ["secrets/duty-room.whsec"]
//!
//! [[channel]]
//! name = "log"
//! kind = "stdout"
//! secret = "hunter2"
//! "#;
//! let problems = tidegate_notify::ChannelsConfig::from_toml(text).unwrap_err();
//! assert_eq!(problems[0].key, "channel.log.secret");
//! assert_eq!(problems[0].line, Some(11));
//! ```
//!
//! A [`ChannelsPlan`], an [`OutboxHandle`] and [`Surroundings`] make [`Channels`], into which the
//! program plugs what this crate does not deliver itself: Kafka ([`Channels::missing`], [`Deliver`],
//! [`form::cloudevents`]). These make a [`Service`], which works until it is told to stop.
//!
//! Limits: 1,000 channels; notices in the outbox ([`OutboxLimits`]); 256 notices of a channel in
//! memory; tries at once, tries of a notice and their waits as `channels.toml` says, within bounds;
//! 64 KiB of an answer.

mod config;
mod problem;
mod secret;

mod plan;

pub mod form;
pub mod smtp;

mod outbox;

mod deliver;
mod guard;
mod http;
mod retry;

mod channel;

mod bucket;
mod counts;
mod handle;
mod service;

pub use bucket::Rate;
pub use channel::{
    AlertmanagerChannel, AlertmanagerWebhookChannel, CapChannel, FEED_FILE, NtfyChannel, Platform,
    RobotChannel, SmtpChannel, StdoutChannel, WebhookChannel,
};
pub use config::{
    AlertmanagerConfig, CapCategory, CapConfig, CapScope, CapStatus, ChannelConfig, ChannelsConfig,
    CommonConfig, KafkaConfig, KindConfig, Language, NtfyConfig, RateConfig, RetryConfig,
    RobotConfig, SmtpConfig, SmtpTls, StdoutConfig, WebhookConfig,
};
pub use counts::{ChannelCounts, Counters, Totals};
pub use deliver::{Deliver, Delivering, Outcome, Tried};
pub use guard::{Allowed, internal};
pub use handle::OutboxHandle;
pub use http::{JudgeBody, NetworkPlan, Poster};
pub use outbox::{
    Attempt, Batch, Counts, Done, Due, End, Filter, Kept, KeptState, ORDER_BYTES_MAX, Order,
    OrdersHead, Outbox, OutboxError, OutboxLimits, ReadUpTo, Resume, Standing, Turn,
};
pub use plan::{CapPlan, ChannelPlan, ChannelsPlan, KindPlan, RobotPlan, SmtpPlan};
pub use problem::ConfigProblem;
pub use retry::{Next, RetryPolicy};
pub use secret::{Secret, SecretFile};
pub use service::{Channels, Environment, Service, SetupError, Surroundings};
