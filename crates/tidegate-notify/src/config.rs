//! `channels.toml` as it is written. The documentation of these fields is the manual.

mod read;

pub use crate::form::Language;
pub use crate::form::cap::{CapStatus, Category as CapCategory};
use crate::problem::ConfigProblem;
pub use crate::smtp::SmtpTls;

/// The content of `channels.toml` in a pipeline folder: the ways on which people are told.
///
/// Paths of files are relative to the pipeline folder. Durations are texts such as `15s` or `5m`.
/// Secrets stand in files of their own and never here.
#[derive(Debug, Clone, PartialEq, Eq, Default, schemars::JsonSchema)]
pub struct ChannelsConfig {
    /// The channels. At most 1,000.
    pub channel: Vec<ChannelConfig>,
}

impl ChannelsConfig {
    /// Reads the text of `channels.toml`.
    ///
    /// # Errors
    /// Every [`ConfigProblem`], with its line: text that is not TOML, unknown keys, values of the
    /// wrong type, secrets that stand in the file itself.
    pub fn from_toml(text: &str) -> Result<Self, Vec<ConfigProblem>> {
        read::read(text)
    }
}

/// `[[channel]]`: one way on which people are told.
#[derive(Debug, Clone, PartialEq, Eq, schemars::JsonSchema)]
pub struct ChannelConfig {
    /// The line of the file where it begins.
    #[schemars(skip)]
    pub line: usize,
    /// What every kind has.
    #[schemars(flatten)]
    pub common: CommonConfig,
    /// What its kind has.
    #[schemars(flatten)]
    pub kind: KindConfig,
}

/// The keys that every kind of channel has.
#[derive(Debug, Clone, PartialEq, Eq, serde::Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct CommonConfig {
    /// The name that routes use: lower-case letters, digits and `-`, at most 64. No two channels
    /// have the same.
    pub name: String,
    /// The most that one try may take, connection and answer included: `100ms` to `5m`.
    /// Default `15s`.
    #[serde(default = "timeout")]
    pub timeout: String,
    /// Tries at once, 1 to 256. Two notices about one alert are never tried at once. Default 8.
    #[serde(default = "concurrency")]
    pub concurrency: usize,
    /// How many notices may be sent over time. Default: no limit, but for robots what their service
    /// allows in every minute and second: 15 a minute and 5 at once for `dingtalk` and `wecom`, 97 a
    /// minute and 3 at once for `feishu`.
    #[serde(default)]
    pub rate: Option<RateConfig>,
    /// When a notice that could not be delivered is tried again.
    #[serde(default)]
    pub retry: RetryConfig,
    /// The languages of its text, in this order: `zh-CN`, `en` or both. Default both.
    #[serde(default = "languages")]
    pub languages: Vec<Language>,
    /// Hosts at internal addresses that this channel may reach: `alertmanager.internal:9093`, or a
    /// name without a port for all its ports. Also what may be reached without TLS.
    #[serde(default)]
    pub allow_internal: Vec<String>,
    /// File of certificates (PEM) of authorities that are trusted beside the system's.
    #[serde(default)]
    pub ca_file: Option<String>,
    /// `http://HOST:PORT` of a proxy. Without it there is none, whatever the environment says. The
    /// proxy looks names up, so it also has to refuse internal addresses.
    #[serde(default)]
    pub proxy: Option<String>,
}

/// `rate` of a channel.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct RateConfig {
    /// Notices in a minute over time, 1 to 100,000.
    pub per_minute: u32,
    /// Notices at once after a pause. Default: half of `per_minute`, at least 1.
    #[serde(default)]
    pub burst: Option<u32>,
}

/// `retry` of a channel. Whatever it says, no try comes after a notice has expired.
#[derive(Debug, Clone, PartialEq, Eq, serde::Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct RetryConfig {
    /// Tries in all, 1 to 100. Default 20.
    #[serde(default = "tries")]
    pub tries: u32,
    /// Upper bound of the first wait; it doubles with each try. Default `1s`.
    #[serde(default = "first")]
    pub first: String,
    /// Upper bound of every wait. Default `1m`.
    #[serde(default = "longest")]
    pub longest: String,
}

impl Default for RetryConfig {
    fn default() -> Self {
        Self {
            tries: tries(),
            first: first(),
            longest: longest(),
        }
    }
}

/// What the channel is, by its key `kind`.
#[derive(Debug, Clone, PartialEq, Eq, schemars::JsonSchema)]
#[schemars(tag = "kind", rename_all = "lowercase")]
pub enum KindConfig {
    /// Signed HTTP requests by the specification Standard Webhooks 1.0.0.
    Webhook(WebhookConfig),
    /// A Prometheus Alertmanager, by its API v2.
    Alertmanager(AlertmanagerConfig),
    /// Whatever takes what Alertmanager sends to its webhooks.
    #[schemars(rename = "alertmanager_webhook")]
    AlertmanagerWebhook(AlertmanagerWebhookConfig),
    /// A topic of an ntfy server.
    Ntfy(NtfyConfig),
    /// Mail.
    Smtp(SmtpConfig),
    /// Messages by the Common Alerting Protocol 1.2, as files with an Atom feed.
    Cap(CapConfig),
    /// A robot of a Feishu group.
    Feishu(RobotConfig),
    /// A robot of a `DingTalk` group.
    Dingtalk(RobotConfig),
    /// A robot of a `WeCom` group.
    Wecom(RobotConfig),
    /// A Kafka topic, as `CloudEvents`.
    Kafka(KafkaConfig),
    /// One JSON line a notice on standard output.
    Stdout(StdoutConfig),
}

impl KindConfig {
    /// The value of `kind`.
    pub const fn name(&self) -> &'static str {
        match self {
            Self::Webhook(_) => "webhook",
            Self::Alertmanager(_) => "alertmanager",
            Self::AlertmanagerWebhook(_) => "alertmanager_webhook",
            Self::Ntfy(_) => "ntfy",
            Self::Smtp(_) => "smtp",
            Self::Cap(_) => "cap",
            Self::Feishu(_) => "feishu",
            Self::Dingtalk(_) => "dingtalk",
            Self::Wecom(_) => "wecom",
            Self::Kafka(_) => "kafka",
            Self::Stdout(_) => "stdout",
        }
    }
}

/// `kind = "webhook"`.
#[derive(Debug, Clone, PartialEq, Eq, serde::Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct WebhookConfig {
    /// Where each notice is posted: `https://…`.
    pub url: String,
    /// Files with one secret each: `whsec_…` (HMAC-SHA256) or `whsk_…` (ed25519). Each of 1 to 8
    /// signs, so that a secret can be changed while the receiver knows one of them.
    pub secret_files: Vec<String>,
}

/// `kind = "alertmanager"`.
#[derive(Debug, Clone, PartialEq, Eq, serde::Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct AlertmanagerConfig {
    /// Its base: `/api/v2/alerts` is added.
    pub url: String,
    /// How often what fires is told again, so that it does not end by itself: `1s` to `1h`.
    /// Default `1m`.
    #[serde(default = "resend")]
    pub resend: String,
    /// File with a bearer token.
    #[serde(default)]
    pub token_file: Option<String>,
}

/// `kind = "alertmanager_webhook"`.
#[derive(Debug, Clone, PartialEq, Eq, serde::Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct AlertmanagerWebhookConfig {
    /// Where each notice is posted.
    pub url: String,
    /// Where people look at alerts: the links in the payload begin with it. Default: none.
    #[serde(default)]
    pub external_url: Option<String>,
    /// File with a bearer token.
    #[serde(default)]
    pub token_file: Option<String>,
}

/// `kind = "ntfy"`.
#[derive(Debug, Clone, PartialEq, Eq, serde::Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct NtfyConfig {
    /// The server's base, such as `https://ntfy.example.org`.
    pub url: String,
    /// The topic: letters, digits, `-` and `_`, at most 64.
    pub topic: String,
    /// File with an access token.
    #[serde(default)]
    pub token_file: Option<String>,
}

/// `kind = "smtp"`.
#[derive(Debug, Clone, PartialEq, Eq, serde::Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct SmtpConfig {
    /// Name of the mail server.
    pub host: String,
    /// Port. Default 587, or 465 with `tls = "wrapped"`.
    #[serde(default)]
    pub port: Option<u16>,
    /// `starttls` (default), `wrapped`, or `none` for a server of `allow_internal` without a login.
    #[serde(default)]
    pub tls: SmtpTls,
    /// The sender's address.
    pub from: String,
    /// Who gets what names nobody.
    #[serde(default)]
    pub to: Vec<String>,
    /// User name.
    #[serde(default)]
    pub username: Option<String>,
    /// File that holds the password.
    #[serde(default)]
    pub password_file: Option<String>,
}

/// `kind = "cap"`.
#[derive(Debug, Clone, PartialEq, Eq, serde::Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct CapConfig {
    /// Folder for the messages and `feed.atom`.
    pub folder: String,
    /// Who warns, as CAP's `sender`: an address such as `duty@city.example`.
    pub sender: String,
    /// The sender's name for people, in Chinese: CAP's `senderName`. At most 160 characters.
    #[serde(default)]
    pub sender_name_zh: Option<String>,
    /// The same in English; where only one is given, both languages have it.
    #[serde(default)]
    pub sender_name_en: Option<String>,
    /// Whom messages are for: `Public`, `Restricted` or `Private`. Default `Restricted`.
    #[serde(default)]
    pub scope: Option<CapScope>,
    /// Whom `Restricted` messages are for, in words of at most 2,000 characters; has to be there
    /// where `scope = "Restricted"` is. Without both: duty officers and responsible units.
    #[serde(default)]
    pub restriction: Option<String>,
    /// Whom `Private` messages are for: 1 to 100 addresses, where the scope is so.
    #[serde(default)]
    pub addresses: Vec<String>,
    /// What kinds of event this is about, as CAP's `category`: `Health`, `Safety`, `Transport`,
    /// `Security`, `Rescue`, `Fire`, `Infra`, `Env`, `Met`, `Geo`, `CBRNE`, `Other`. Default
    /// `Health` and `Safety`.
    #[serde(default)]
    pub categories: Option<Vec<CapCategory>>,
    /// Whom to ask, as CAP's `contact`. At most 160 characters.
    #[serde(default)]
    pub contact: Option<String>,
    /// A page with more, as CAP's `web`, where the rule has no runbook: `https://…`.
    #[serde(default)]
    pub web: Option<String>,
    /// Codes by which receivers know how to handle a message, such as that of a national profile:
    /// CAP's `code`. At most 10.
    #[serde(default)]
    pub codes: Vec<String>,
    /// Which exercise it is, as CAP's `note`, where the status is `Exercise`. At most 2,000
    /// characters.
    #[serde(default)]
    pub note: Option<String>,
    /// Beginnings of the methods that forecast; alerts by them are expected and likely. Default
    /// `forecast/`, `inflow/` and `indicator/time-to-threshold`.
    #[serde(default)]
    pub forecast_methods: Option<Vec<String>>,
    /// Where the folder can be read by others, for the links of the feed.
    #[serde(default)]
    pub public_url: Option<String>,
    /// `Actual`, `Exercise` or `Test`; a shadow rule is never `Actual`. Default `Test`.
    #[serde(default)]
    pub status: CapStatus,
    /// Messages that the feed lists, 1 to 1,000. Default 200.
    #[serde(default = "feed_max")]
    pub feed_max: usize,
}

/// `scope` of a CAP channel, CAP's own words.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Deserialize, schemars::JsonSchema)]
pub enum CapScope {
    /// For anybody.
    Public,
    /// For those whom `restriction` describes.
    Restricted,
    /// For `addresses`.
    Private,
}

/// `kind = "feishu"`, `"dingtalk"` or `"wecom"`.
#[derive(Debug, Clone, PartialEq, Eq, serde::Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct RobotConfig {
    /// File with the robot's URL, which holds its key and so is a secret.
    pub url_file: String,
    /// File with the secret that signs (`feishu`, `dingtalk`); the first one is used.
    #[serde(default)]
    pub secret_files: Vec<String>,
}

/// `kind = "kafka"`.
#[derive(Debug, Clone, PartialEq, Eq, serde::Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct KafkaConfig {
    /// The topic. Default `tidegate.notice`.
    #[serde(default = "topic")]
    pub topic: String,
}

/// `kind = "stdout"`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct StdoutConfig {}

fn timeout() -> String {
    "15s".to_owned()
}
fn concurrency() -> usize {
    8
}
fn languages() -> Vec<Language> {
    vec![Language::Chinese, Language::English]
}
fn tries() -> u32 {
    20
}
fn first() -> String {
    "1s".to_owned()
}
fn longest() -> String {
    "1m".to_owned()
}
fn resend() -> String {
    "1m".to_owned()
}
fn feed_max() -> usize {
    200
}
fn topic() -> String {
    "tidegate.notice".to_owned()
}
