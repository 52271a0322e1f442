//! Why an entry function ended before it was told to.

use std::net::SocketAddr;

/// What ends the work on feeds before it was told to end.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum IngestError {
    /// The server cannot listen.
    #[error("listen on {address} for feeds: {error}; choose another receive.listen")]
    Listen {
        /// What `receive.listen` says.
        address: SocketAddr,
        /// What the system said.
        error: std::io::Error,
    },
    /// A port on loopback cannot be opened.
    #[error("listen on {address}: {detail}")]
    Loopback {
        /// The address.
        address: SocketAddr,
        /// What is wrong, or what the system said.
        detail: String,
    },
    /// A client for a feed cannot be made.
    #[error("set up feed {feed}: {detail}")]
    Setup {
        /// The feed.
        feed: String,
        /// What is wrong.
        detail: String,
    },
    /// The MQTT broker refused the very first login.
    #[error(
        "log in to MQTT broker {broker} for feed {feed} as {user}: {detail}; correct \
         mqtt.{feed}.username, password_file or client_id"
    )]
    MqttLogin {
        /// The feed.
        feed: String,
        /// `HOST:PORT`.
        broker: String,
        /// The user's name, or `nobody`.
        user: String,
        /// What the broker said.
        detail: String,
    },
    /// The MQTT broker refused a subscription.
    #[error(
        "subscribe to {filter} of MQTT broker {broker} for feed {feed}: the broker refused; grant \
         the right or correct mqtt.{feed}.topics"
    )]
    MqttSubscribe {
        /// The feed.
        feed: String,
        /// `HOST:PORT`.
        broker: String,
        /// The topic filter.
        filter: String,
    },
}
