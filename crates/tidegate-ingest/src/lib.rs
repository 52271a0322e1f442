//! Feeds' raw bytes into Kafka: fetched by HTTP, received by HTTP, or from an MQTT broker.
//!
//! It promises that whoever is told that bytes are accepted can forget them: the answer 202, the
//! memory of an `ETag` and the `PUBACK` of an MQTT message come after Kafka's acknowledgement of
//! that very record. It decodes nothing, and it keeps nothing on disk: what was not acknowledged is
//! fetched, sent or delivered again by the other side. So bytes come at least once; a feed's
//! `dedup_within` takes out what came twice.
//!
//! What comes from where stands in the file `ingest.toml` of a pipeline folder:
//!
//! ```
//! let text = r#"
//! [receive]
//! listen = "127.0.0.1:8088"
//!
//! [receive.feeds.gates]
//! token_file = "secrets/gates.tokens"
//! requests_per_second = 20
//!
//! [poll.rail]
//! url = "https://data.example.org/rail/counts.json"
//! every = "30s"
//! secret_headers = { Authorization = "secrets/rail.header" }
//!
//! [mqtt.market]
//! host = "mqtt.example.org"
//! tls = {}
//! username = "tidegate"
//! password_file = "secrets/market.password"
//! topics = ["market/+/count"]
//! "#;
//! let config = tidegate_ingest::IngestConfig::from_toml(text).unwrap();
//! assert_eq!(config.poll["rail"].every, "30s");
//!
//! // Nothing is taken on trust: the feeds are not in the pipeline, the files are not there.
//! let problems = config.check("no-such-folder".as_ref(), &[].into()).unwrap_err();
//! assert_eq!(problems[0].key, "mqtt.market");
//! assert_eq!(problems.len(), 6);
//! ```
//!
//! An [`IngestPlan`] and an [`tidegate_connect::AckedSink`] make an [`Ingest`], whose functions
//! [`Ingest::poll`], [`Ingest::receive`] and [`Ingest::mqtt`] each work until they are told to
//! stop. They may run side by side.
//!
//! Beside that, a [`SchemaRegistry`] is asked which schemas feeds' messages have: by a person who
//! writes a feed's file, never on the way of bytes into Kafka.
//!
//! Other commands open ports on loopback by [`LocalServer`]: all HTTP that is served is served here.
//!
//! Limits: at most 1,000 feeds of a kind; bodies and payloads of at most 16 MiB; every queue, wait
//! and memory is bounded by a key of `ingest.toml` or a constant beside its use.

mod config;
mod problem;
mod secret;

mod plan;

mod counts;
mod error;

mod web;

mod backoff;
mod deliver;
mod ingest;
mod stop;

mod mqtt;
mod poll;
mod receive;

mod registry;

mod loopback;

pub use config::{
    IngestConfig, MqttConfig, MqttTlsConfig, PollConfig, ReceiveConfig, ReceiveFeedConfig,
};
pub use counts::{FeedCounts, Refusal, Summary, Trouble};
pub use error::IngestError;
pub use ingest::Ingest;
pub use loopback::{Answering, LocalAnswer, LocalServer};
pub use plan::IngestPlan;
pub use problem::ConfigProblem;
pub use receive::Receiver;
pub use registry::{
    RegisteredSchema, RegistryConfig, RegistryError, RegistryLogin, SchemaRegistry,
};
