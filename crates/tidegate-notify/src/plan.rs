//! `channels.toml` after it was checked: what these types hold can be worked with as it is.

mod check;

pub(crate) use check::http_url;

use std::path::PathBuf;
use std::time::Duration;

use reqwest::Url;

use crate::bucket::Rate;
use crate::config::{Language, SmtpTls};
use crate::form::cap::CapConfig;
use crate::http::NetworkPlan;
use crate::problem::ConfigProblem;
use crate::retry::RetryPolicy;
use crate::secret::SecretFile;

/// Every channel, checked.
#[derive(Debug, Clone)]
pub struct ChannelsPlan {
    /// In the order of the file.
    pub channels: Vec<ChannelPlan>,
    /// What works and should be different, such as a secret that others can read.
    pub warnings: Vec<ConfigProblem>,
}

/// One channel.
#[derive(Debug, Clone)]
pub struct ChannelPlan {
    /// Its name.
    pub name: String,
    /// What it is.
    pub kind: KindPlan,
    /// Tries at once.
    pub concurrency: usize,
    /// Notices over time; `None` for no limit.
    pub rate: Option<Rate>,
    /// When it is tried again.
    pub retry: RetryPolicy,
    /// The languages of its text, at least one.
    pub languages: Vec<Language>,
    /// How it is reached.
    pub network: NetworkPlan,
    /// A hash of its settings: a channel that is gone stays so until this changes.
    pub settings: String,
}

/// What a channel is.
#[derive(Debug, Clone)]
pub enum KindPlan {
    /// Standard Webhooks.
    Webhook {
        /// Where notices are posted.
        url: Url,
        /// What signs.
        secrets: Vec<SecretFile>,
    },
    /// An Alertmanager.
    Alertmanager {
        /// `…/api/v2/alerts`.
        url: Url,
        /// How often what fires is told again.
        resend: Duration,
        /// A bearer token.
        token: Option<SecretFile>,
    },
    /// Whatever takes what Alertmanager sends to its webhooks.
    AlertmanagerWebhook {
        /// Where notices are posted.
        url: Url,
        /// Links begin with it; may be empty.
        external_url: String,
        /// A bearer token.
        token: Option<SecretFile>,
    },
    /// A topic of an ntfy server.
    Ntfy {
        /// The server.
        url: Url,
        /// The topic.
        topic: String,
        /// An access token.
        token: Option<SecretFile>,
    },
    /// Mail.
    Smtp(SmtpPlan),
    /// CAP messages in a folder.
    Cap(Box<CapPlan>),
    /// A Feishu robot.
    Feishu(RobotPlan),
    /// A `DingTalk` robot.
    Dingtalk(RobotPlan),
    /// A `WeCom` robot.
    Wecom(RobotPlan),
    /// A Kafka topic.
    Kafka {
        /// The topic.
        topic: String,
    },
    /// Standard output.
    Stdout,
}

/// A mail server, and between whom mail goes.
#[derive(Debug, Clone)]
pub struct SmtpPlan {
    /// The server.
    pub host: String,
    /// Its port.
    pub port: u16,
    /// How mail is kept from being read on its way.
    pub tls: SmtpTls,
    /// The sender.
    pub from: String,
    /// Who gets what names nobody.
    pub to: Vec<String>,
    /// User name and password.
    pub login: Option<(String, SecretFile)>,
}

/// A folder of CAP messages.
#[derive(Debug, Clone)]
pub struct CapPlan {
    /// The folder.
    pub folder: PathBuf,
    /// What is the same in all messages, but for the zone of their times, which is that of the
    /// pipeline.
    pub messages: CapConfig,
    /// Where the folder can be read by others.
    pub public_url: Option<Url>,
    /// Messages that the feed lists.
    pub feed_max: usize,
}

/// A robot of a group.
#[derive(Debug, Clone)]
pub struct RobotPlan {
    /// Holds its URL, which is to be read, and judged, in every try.
    pub url: SecretFile,
    /// What signs.
    pub secret: Option<SecretFile>,
}
