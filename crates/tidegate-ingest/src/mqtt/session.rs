//! One broker: connect, listen, store, acknowledge, and again.

use std::sync::Arc;
use std::time::Duration;

use rumqttc::mqttbytes::QoS;
use rumqttc::mqttbytes::v4::{ConnAck, ConnectReturnCode, Packet, SubAck, SubscribeReasonCode};
use rumqttc::{
    AsyncClient, ConnectionError, Event, EventLoop, MqttOptions, Outgoing, Publish, StateError,
    SubscribeFilter, Transport,
};
use tidegate_connect::{AckedRecord, AckedSink, Disposition};
use tokio::time::Instant;

use super::filter::matches;
use super::flight::{Flights, Oldest, Stage, Storing};
use crate::backoff::Backoff;
use crate::counts::{Refusal, Trouble};
use crate::deliver::{Outlet, now_ms};
use crate::error::IngestError;
use crate::plan::MqttPlan;
use crate::stop::Stop;

/// First and longest wait before the next connection, and before Kafka is tried again.
const AGAIN_FIRST: Duration = Duration::from_millis(500);
const AGAIN_MOST: Duration = Duration::from_mins(1);
/// Largest packet that MQTT has: one that is larger than `bytes_max` must be read to be passed over,
/// since a broker would send it again and again.
const PACKET_BYTES_MAX: usize = 268_435_461;
/// Bytes of messages that may wait for Kafka before no more are read.
const IN_FLIGHT_BYTES_MAX: usize = 64 * 1024 * 1024;
/// More than the unacknowledged messages that MQTT can number, so that an acknowledgement always
/// has room.
const REQUESTS_MAX: usize = 70_000;
/// How long the end waits for messages that are on their way, and then for the broker to be told.
const DRAIN_WITHIN: Duration = Duration::from_secs(35);
const GOODBYE_WITHIN: Duration = Duration::from_secs(5);

/// A connection attempt or the next event of a connection; the loop comes back with it, since a
/// dropped attempt could lose an acknowledgement that is half-written.
type Polling = std::pin::Pin<
    Box<dyn Future<Output = (Box<EventLoop>, Result<Event, ConnectionError>)> + Send>,
>;

fn next(mut events: Box<EventLoop>) -> Polling {
    Box::pin(async move {
        let event = events.poll().await;
        (events, event)
    })
}

/// One feed's session with its broker.
pub(super) struct Session {
    plan: MqttPlan,
    outlet: Outlet,
    client: AsyncClient,
    events: Option<Box<EventLoop>>,
    flights: Flights,
    backoff: Backoff,
    /// Between two attempts to store the oldest message.
    resend: Backoff,
    last: Last,
    /// Whether the session has our subscriptions.
    subscribed: bool,
    /// Whether the broker ever took login and subscriptions: then a refusal is no mistake in
    /// `ingest.toml`.
    proven: bool,
}

/// What Kafka did last.
enum Last {
    Stored,
    Failed,
}

/// What the broker did.
enum Happened {
    /// Nothing to wait for.
    Going,
    /// The connection is gone or was not made; wait so long.
    Lost(Duration),
}

impl Session {
    pub(super) fn new(plan: MqttPlan, outlet: Outlet) -> Result<Self, IngestError> {
        let mut options = MqttOptions::new(&plan.client_id, &plan.host, plan.port);
        options
            .set_clean_session(false)
            .set_manual_acks(true)
            .set_keep_alive(plan.keep_alive)
            .set_max_packet_size(PACKET_BYTES_MAX, PACKET_BYTES_MAX);
        if let Some(tls) = &plan.tls {
            let tls = rumqttc::TlsConfiguration::Rustls(Arc::clone(tls));
            options.set_transport(Transport::tls_with_config(tls));
        }
        if let Some((user, file)) = &plan.login {
            let secret = file
                .as_ref()
                .map(super::super::secret::SecretFile::read)
                .transpose();
            let secret = secret.map_err(|detail| IngestError::Setup {
                feed: plan.target.feed.to_string(),
                detail,
            })?;
            let password = secret.as_ref().map_or("", |secret| secret.expose());
            options.set_credentials(user, password);
        }
        let (client, mut events) = AsyncClient::new(options, REQUESTS_MAX);
        // Else one acknowledgement waits for the network's answer to the one before.
        let mut network = events.network_options();
        network.set_tcp_nodelay(true);
        events.set_network_options(network);
        Ok(Self {
            plan,
            outlet,
            client,
            events: Some(Box::new(events)),
            flights: Flights::default(),
            backoff: Backoff::new(AGAIN_FIRST, AGAIN_MOST),
            resend: Backoff::new(AGAIN_FIRST, AGAIN_MOST),
            last: Last::Stored,
            subscribed: false,
            proven: false,
        })
    }

    /// Works until it is to stop, then finishes what is on its way.
    pub(super) async fn run(mut self, mut stop: Stop) -> Result<(), IngestError> {
        let Some(events) = self.events.take() else {
            return Ok(());
        };
        let mut polling = next(events);
        loop {
            let room = self.has_room();
            tokio::select! {
                biased;
                () = stop.asked() => break,
                oldest = self.flights.oldest() => self.settle(oldest).await,
                (events, event) = &mut polling, if room => {
                    let happened = self.happened(event).await?;
                    if let Happened::Lost(wait) = happened {
                        self.flights.disconnected();
                        if stop.or(tokio::time::sleep(wait)).await.is_none() {
                            return Ok(());
                        }
                    }
                    polling = next(events);
                }
            }
        }
        let drained = tokio::time::timeout(DRAIN_WITHIN, self.drain(&mut polling)).await;
        if drained.is_err() {
            let (feed, waiting) = (&self.plan.target.feed, self.flights.len());
            tracing::warn!(%feed, waiting, "Messages stay with the MQTT broker, to come again.");
        }
        if tokio::time::timeout(GOODBYE_WITHIN, self.goodbye(polling))
            .await
            .is_err()
        {
            let feed = &self.plan.target.feed;
            tracing::warn!(%feed, "The MQTT broker was not told everything; messages may come again.");
        }
        Ok(())
    }

    fn has_room(&self) -> bool {
        self.flights.len() < self.plan.in_flight_max && self.flights.bytes() < IN_FLIGHT_BYTES_MAX
    }

    fn broker(&self) -> String {
        format!("{}:{}", self.plan.host, self.plan.port)
    }

    /// Acts on one event of the connection.
    async fn happened(
        &mut self,
        event: Result<Event, ConnectionError>,
    ) -> Result<Happened, IngestError> {
        match event {
            Ok(Event::Incoming(Packet::ConnAck(ack))) => self.connected(ack),
            Ok(Event::Incoming(Packet::SubAck(ack))) => self.subscribed(&ack)?,
            Ok(Event::Incoming(Packet::Publish(publish))) => self.arrived(publish).await,
            Ok(Event::Outgoing(Outgoing::PubAck(pkid))) => self.flights.told(pkid),
            Ok(_) => {}
            Err(error) => return self.lost(error).map(Happened::Lost),
        }
        Ok(Happened::Going)
    }

    fn connected(&mut self, ack: ConnAck) {
        let (feed, broker) = (&self.plan.target.feed, self.broker());
        tracing::info!(%feed, %broker, session = ack.session_present, "Connected to MQTT.");
        self.backoff.reset();
        if !ack.session_present {
            self.flights.forgotten();
            self.subscribed = false;
        }
        // Not again in a session that has it: the broker would send its retained messages anew.
        if !self.subscribed {
            let filter = |topic: &String| SubscribeFilter::new(topic.clone(), QoS::AtLeastOnce);
            let filters = self.plan.topics.iter().map(filter);
            if let Err(error) = self.client.try_subscribe_many(filters) {
                // The next connection asks again.
                tracing::warn!(%feed, %error, "The subscription could not be sent.");
            }
        }
    }

    fn subscribed(&mut self, ack: &SubAck) -> Result<(), IngestError> {
        for (filter, code) in self.plan.topics.iter().zip(&ack.return_codes) {
            if *code == SubscribeReasonCode::Failure {
                let feed = &self.plan.target.feed;
                self.outlet.counters.error(feed, Trouble::MqttRefused);
                if self.proven {
                    tracing::error!(%feed, %filter, "The MQTT broker refuses the subscription now.");
                    continue;
                }
                return Err(IngestError::MqttSubscribe {
                    feed: feed.to_string(),
                    broker: self.broker(),
                    filter: filter.clone(),
                });
            }
        }
        self.subscribed = true;
        self.proven = true;
        Ok(())
    }

    /// Gives a message to Kafka, or settles it at once.
    async fn arrived(&mut self, publish: Publish) {
        let feed = Arc::clone(&self.plan.target.feed);
        let bytes = publish.payload.len();
        if let Some(stage) = self.flights.recognise(&publish) {
            self.outlet
                .counters
                .feed(&feed, |counts| counts.repeated += 1);
            self.flights.push(publish, stage);
            return;
        }
        let refusal = if bytes > self.plan.bytes_max {
            Some(Refusal::TooLarge)
        } else if bytes == 0 {
            Some(Refusal::Empty)
        } else if !self
            .plan
            .topics
            .iter()
            .any(|filter| matches(&publish.topic, filter))
        {
            Some(Refusal::OtherTopic)
        } else {
            None
        };
        let stage = if let Some(refusal) = refusal {
            let topic = &publish.topic;
            tracing::warn!(%feed, %topic, bytes, %refusal, "MQTT message dropped.");
            self.outlet.counters.refused(&feed, refusal);
            Stage::Settled
        } else {
            Stage::Storing(begin(&self.outlet.sink, &self.plan.target.topic, &publish).await)
        };
        self.flights.push(publish, stage);
    }

    /// Acts on what is known of the oldest message.
    async fn settle(&mut self, oldest: Oldest) {
        let Some(flight) = self.flights.front() else {
            return;
        };
        match oldest {
            Oldest::Settled => {}
            Oldest::Again => {
                let topic = &self.plan.target.topic;
                let storing = begin(&self.outlet.sink, topic, &flight.publish).await;
                flight.stage = Stage::Storing(storing);
                return;
            }
            Oldest::Answered(Ok(position)) => {
                self.resend.reset();
                self.last = Last::Stored;
                let bytes = flight.publish.payload.len();
                self.outlet.stored(&self.plan.target, position, bytes);
            }
            Oldest::Answered(Err(error)) => {
                if self.outlet.failed(&self.plan.target, &error) == Disposition::Retry {
                    // Those that were given up together need not wait one after the other.
                    let wait = match self.last {
                        Last::Stored => Duration::ZERO,
                        Last::Failed => self.resend.after_failure(None),
                    };
                    self.last = Last::Failed;
                    flight.stage = Stage::Again(Instant::now() + wait);
                    return;
                }
            }
        }
        if let Some(publish) = self.flights.settle()
            && let Err(error) = self.client.try_ack(publish)
        {
            let feed = &self.plan.target.feed;
            tracing::warn!(%feed, %error, "An MQTT message was not acknowledged; it comes again.");
        }
    }

    /// The connection is gone, or was refused.
    fn lost(&mut self, error: ConnectionError) -> Result<Duration, IngestError> {
        let (feed, broker) = (&self.plan.target.feed, self.broker());
        let refused = match &error {
            ConnectionError::ConnectionRefused(ConnectReturnCode::ServiceUnavailable) => None,
            ConnectionError::ConnectionRefused(code) => Some(refusal_text(*code)),
            _ => None,
        };
        let trouble = if refused.is_some() {
            Trouble::MqttRefused
        } else {
            Trouble::MqttConnection
        };
        self.outlet.counters.error(feed, trouble);
        if let Some(detail) = refused
            && !self.proven
        {
            let user = self.plan.login.as_ref();
            return Err(IngestError::MqttLogin {
                feed: feed.to_string(),
                broker,
                user: user.map_or("nobody".to_owned(), |(user, _)| user.clone()),
                detail: detail.to_owned(),
            });
        }
        let detail = refused.map_or_else(|| lost_text(&error), str::to_owned);
        let wait = self.backoff.after_failure(None);
        tracing::warn!(%feed, %broker, %trouble, ?wait, "No connection to MQTT: {detail}.");
        Ok(wait)
    }

    /// Finishes the messages that Kafka was given; further ones stay with the broker, and so do
    /// these when Kafka is away.
    async fn drain(&mut self, polling: &mut Polling) {
        while let Some(flight) = self.flights.front() {
            if matches!(flight.stage, Stage::Again(_)) {
                return;
            }
            tokio::select! {
                biased;
                oldest = self.flights.oldest() => self.settle(oldest).await,
                (events, event) = &mut *polling => {
                    if event.is_err() {
                        // Nobody is there to be told, so they come again.
                        self.flights.disconnected();
                    }
                    *polling = next(events);
                }
            }
        }
    }

    /// Sends what the broker is still to be told, then the goodbye, and reads until the broker
    /// closes: closing a socket that has unread bytes would take back what was just sent.
    async fn goodbye(&mut self, mut polling: Polling) {
        if self.client.try_disconnect().is_err() {
            return;
        }
        loop {
            let (events, event) = polling.await;
            if event.is_err() {
                return;
            }
            polling = next(events);
        }
    }
}

/// Gives a message to Kafka; in the order of the calls.
async fn begin(sink: &Arc<AckedSink>, topic: &str, publish: &Publish) -> Storing {
    let record = AckedRecord {
        topic,
        key: Some(publish.topic.as_bytes()),
        value: &publish.payload,
        headers: &[("mqtt-topic", publish.topic.as_bytes())],
        timestamp_ms: Some(now_ms()),
    };
    let begun = sink.begin(record).await;
    let sink = Arc::clone(sink);
    Box::pin(async move { sink.acknowledged(begun?).await })
}

fn refusal_text(code: ConnectReturnCode) -> &'static str {
    match code {
        ConnectReturnCode::BadUserNamePassword => "user name or password is wrong",
        ConnectReturnCode::NotAuthorized => "not authorized: user name or password is wrong",
        ConnectReturnCode::BadClientId => "the client id is refused",
        ConnectReturnCode::RefusedProtocolVersion => "it does not speak MQTT 3.1.1",
        ConnectReturnCode::ServiceUnavailable | ConnectReturnCode::Success => "it is not available",
    }
}

/// Words for a lost connection. Packets are left out: they may hold what is in messages.
fn lost_text(error: &ConnectionError) -> String {
    match error {
        ConnectionError::NotConnAck(_) => "the first answer was no CONNACK".to_owned(),
        ConnectionError::MqttState(StateError::ConnectionAborted) => {
            "the broker closed the connection".to_owned()
        }
        other => other.to_string(),
    }
}
