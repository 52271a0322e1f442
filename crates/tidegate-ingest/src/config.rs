//! `ingest.toml` as it is written. The documentation of these fields is the manual.

use std::collections::BTreeMap;

use crate::problem::ConfigProblem;

/// The content of `ingest.toml` in a pipeline folder: where the bytes of its feeds come from.
///
/// Paths of files are relative to the pipeline folder. Durations are texts such as `30s` or `5m`.
#[derive(Debug, Clone, PartialEq, Default, serde::Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct IngestConfig {
    /// Feeds that others send to us by HTTP.
    #[serde(default)]
    pub receive: Option<ReceiveConfig>,
    /// Feeds that we fetch by HTTP, by the name of the feed.
    #[serde(default)]
    pub poll: BTreeMap<String, PollConfig>,
    /// Feeds that an MQTT broker has, by the name of the feed.
    #[serde(default)]
    pub mqtt: BTreeMap<String, MqttConfig>,
}

impl IngestConfig {
    /// Reads the text of `ingest.toml`.
    ///
    /// # Errors
    /// [`ConfigProblem`] with the line, for text that is not TOML, an unknown key or a value of the
    /// wrong type.
    pub fn from_toml(text: &str) -> Result<Self, ConfigProblem> {
        toml::from_str(text).map_err(|error| {
            let line = error
                .span()
                .and_then(|span| text.get(..span.start))
                .map(|before| before.matches('\n').count() + 1);
            let place = line.map_or(String::new(), |line| format!("line {line}: "));
            ConfigProblem::new("", format!("{place}{}", error.message()))
        })
    }
}

/// `[receive]`: the HTTP server.
#[derive(Debug, Clone, PartialEq, serde::Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ReceiveConfig {
    /// Address and port. Without TLS it belongs on loopback, behind a proxy that has TLS.
    #[serde(default = "listen")]
    pub listen: String,
    /// Connections at once; one more is answered 503. 1 to 100,000, default 256.
    #[serde(default = "connections_max")]
    pub connections_max: usize,
    /// Bytes of bodies in memory at once, over all requests; beyond it the answer is 503.
    /// Default 64 MiB.
    #[serde(default = "bodies_bytes_max")]
    pub bodies_bytes_max: usize,
    /// How long a client may take for the head of a request. Default `10s`.
    #[serde(default = "header_timeout")]
    pub header_timeout: String,
    /// How long a client may take for a body. Default `30s`.
    #[serde(default = "body_timeout")]
    pub body_timeout: String,
    /// How long the Kafka broker may take to acknowledge before the answer is 503. Default `10s`.
    #[serde(default = "acknowledge_within")]
    pub acknowledge_within: String,
    /// How many keys of `Idempotency-Key` are remembered for each feed; the oldest go first.
    /// Default 10,000.
    #[serde(default = "keys_max")]
    pub keys_max: usize,
    /// How long such a key is remembered. Default `1h`.
    #[serde(default = "keys_kept")]
    pub keys_kept: String,
    /// The feeds, by name: `POST /feeds/NAME`.
    #[serde(default)]
    pub feeds: BTreeMap<String, ReceiveFeedConfig>,
}

/// `[receive.feeds.NAME]`: who may send to a feed, and how much.
#[derive(Debug, Clone, PartialEq, serde::Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ReceiveFeedConfig {
    /// File of bearer tokens, one a line, each of 16 characters or more. Several are valid at once,
    /// so that they can be changed one after the other; the file is read again while running.
    pub token_file: String,
    /// Largest body. Default 1 MiB.
    #[serde(default = "one_mib")]
    pub bytes_max: usize,
    /// Requests per second over time; beyond it the answer is 429. Default 50.
    #[serde(default = "requests_per_second")]
    pub requests_per_second: f64,
    /// Requests at once after a pause. Default 100.
    #[serde(default = "burst")]
    pub burst: u32,
}

/// `[poll.NAME]`: a URL that is fetched again and again.
#[derive(Debug, Clone, PartialEq, serde::Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct PollConfig {
    /// `http://…` or `https://…`.
    pub url: String,
    /// From the beginning of one fetch to the next: `100ms` or more, default `30s`.
    #[serde(default = "every")]
    pub every: String,
    /// The most that one fetch may take, redirects and body included. Default `20s`.
    #[serde(default = "fetch_timeout")]
    pub timeout: String,
    /// Largest body, as sent and after decompression. Default 16 MiB.
    #[serde(default = "sixteen_mib")]
    pub bytes_max: usize,
    /// Headers of the request.
    #[serde(default)]
    pub headers: BTreeMap<String, String>,
    /// Headers whose values are secret: name and the file that holds the value. They go to the host
    /// of `url` only, whatever it redirects to, and only by HTTPS or to loopback.
    #[serde(default)]
    pub secret_headers: BTreeMap<String, String>,
    /// Parameters of the URL whose values are secret: name and the file that holds the value.
    #[serde(default)]
    pub secret_query: BTreeMap<String, String>,
    /// `http://HOST:PORT` of a proxy, or `env` for what the environment names. Without it the
    /// environment is ignored.
    #[serde(default)]
    pub proxy: Option<String>,
    /// File of certificates (PEM) of authorities that are trusted beside the system's.
    #[serde(default)]
    pub ca_file: Option<String>,
    /// Redirects that are followed, 0 to 20. Default 5.
    #[serde(default = "redirects_max")]
    pub redirects_max: usize,
    /// Media types that are taken, such as `application/json`; without any, all but HTML.
    #[serde(default)]
    pub content_types: Vec<String>,
    /// Whether a body that equals the one before is sent again. Default false.
    #[serde(default)]
    pub send_unchanged: bool,
}

/// `[mqtt.NAME]`: topics of an MQTT 3.1.1 broker.
#[derive(Debug, Clone, PartialEq, serde::Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct MqttConfig {
    /// Name or IPv4 address of the broker.
    pub host: String,
    /// Port. Default 8883 with `tls`, else 1883.
    #[serde(default)]
    pub port: Option<u16>,
    /// TLS; without it, none.
    #[serde(default)]
    pub tls: Option<MqttTlsConfig>,
    /// User name.
    #[serde(default)]
    pub username: Option<String>,
    /// File that holds the password. It is sent by TLS or to loopback only.
    #[serde(default)]
    pub password_file: Option<String>,
    /// The broker keeps messages for this client by this name, so it must stay the same and no
    /// other client may have it. Default `tidegate-NAME`.
    #[serde(default)]
    pub client_id: Option<String>,
    /// Topic filters, such as `gates/+/count`.
    pub topics: Vec<String>,
    /// Largest payload; larger ones are counted and dropped. Default 1 MiB.
    #[serde(default = "one_mib")]
    pub bytes_max: usize,
    /// How often an idle connection is tried: `5s` to `18h`, default `30s`.
    #[serde(default = "every")]
    pub keep_alive: String,
    /// Messages that wait for Kafka's acknowledgement at once, 1 to 10,000. Default 1,000.
    #[serde(default = "in_flight_max")]
    pub in_flight_max: usize,
}

/// `tls` of an MQTT feed.
#[derive(Debug, Clone, PartialEq, Eq, Default, serde::Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct MqttTlsConfig {
    /// File of certificates (PEM) of authorities; without it, the system's.
    #[serde(default)]
    pub ca_file: Option<String>,
    /// File of our own certificate chain (PEM), together with `key_file`.
    #[serde(default)]
    pub cert_file: Option<String>,
    /// File of our own private key (PEM).
    #[serde(default)]
    pub key_file: Option<String>,
}

const MIB: usize = 1 << 20;

fn listen() -> String {
    "127.0.0.1:8088".to_owned()
}
fn connections_max() -> usize {
    256
}
fn bodies_bytes_max() -> usize {
    64 * MIB
}
fn header_timeout() -> String {
    "10s".to_owned()
}
fn body_timeout() -> String {
    "30s".to_owned()
}
fn acknowledge_within() -> String {
    "10s".to_owned()
}
fn keys_max() -> usize {
    10_000
}
fn keys_kept() -> String {
    "1h".to_owned()
}
fn one_mib() -> usize {
    MIB
}
fn sixteen_mib() -> usize {
    16 * MIB
}
fn requests_per_second() -> f64 {
    50.0
}
fn burst() -> u32 {
    100
}
fn every() -> String {
    "30s".to_owned()
}
fn fetch_timeout() -> String {
    "20s".to_owned()
}
fn redirects_max() -> usize {
    5
}
fn in_flight_max() -> usize {
    1_000
}
