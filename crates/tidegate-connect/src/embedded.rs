//! A Kafka broker in this process, for the demo and for tests.
//!
//! It is librdkafka's mock cluster: real protocol over loopback, everything in memory.
//! It forgets: each partition keeps its newest 5 MiB (as sent, so compressed) or 100,000 batches.
//! It proves nothing about transactions, and it makes no topics on request, so they are named at
//! start.

use std::net::TcpListener;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::thread::JoinHandle;
use std::time::Duration;

use rdkafka::error::KafkaError;
use rdkafka::mocking::MockCluster;
use rdkafka::producer::DefaultProducerContext;

use crate::client::Deadline;
use crate::error::ConnectError;

/// How long it is waited for the broker's own port, and how long until it is tried again.
const PORT_WITHIN: Duration = Duration::from_secs(10);
const PORT_AGAIN: Duration = Duration::from_millis(10);

/// One broker on a free loopback port, until dropped.
#[derive(Debug)]
pub struct EmbeddedBroker {
    bootstrap: String,
    // In an `Option` so that `drop` can hang up before it waits for the thread.
    commands: Option<Sender<Command>>,
    thread: Option<JoinHandle<()>>,
}

#[derive(Debug)]
struct Command {
    act: Act,
    done: Sender<Result<(), String>>,
}

#[derive(Debug)]
enum Act {
    GoAway,
    ComeBack,
    #[cfg(test)]
    Forget(String),
    #[cfg(test)]
    Delay(Duration),
}

type Cluster = MockCluster<'static, DefaultProducerContext>;

impl EmbeddedBroker {
    /// Starts a broker that has these topics, each with its number of partitions.
    ///
    /// # Errors
    /// [`ConnectError::Client`] when it cannot listen on loopback or does not take a topic.
    pub fn start(topics: &[(&str, i32)]) -> Result<Self, ConnectError> {
        let topics: Vec<(String, i32)> = topics
            .iter()
            .map(|(name, partitions)| ((*name).to_owned(), *partitions))
            .collect();
        let (commands, orders) = channel();
        let (ready, started) = channel();
        // The cluster's handle must stay on the thread that made it.
        let thread = std::thread::Builder::new()
            .name("embedded-kafka".to_owned())
            .spawn(move || match start(&topics) {
                Ok(cluster) => {
                    if ready.send(Ok(cluster.bootstrap_servers())).is_ok() {
                        serve(&cluster, &orders);
                    }
                }
                Err(error) => drop(ready.send(Err(error.to_string()))),
            })
            .map_err(|error| broken(error.to_string()))?;
        let bootstrap = started
            .recv()
            .map_err(|_| broken("its thread ended".to_owned()))?
            .map_err(broken)?;
        Ok(Self {
            bootstrap,
            commands: Some(commands),
            thread: Some(thread),
        })
    }

    /// Where it listens, `127.0.0.1:PORT`.
    pub fn bootstrap(&self) -> &str {
        &self.bootstrap
    }

    /// Cuts every connection and takes no new one until [`EmbeddedBroker::come_back`]; what it
    /// holds stays.
    ///
    /// # Errors
    /// [`ConnectError::Client`] when the broker does not obey.
    pub fn go_away(&self) -> Result<(), ConnectError> {
        self.order(Act::GoAway)
    }

    /// Takes connections again.
    ///
    /// # Errors
    /// [`ConnectError::Client`] when its port is taken, or the broker does not obey.
    pub fn come_back(&self) -> Result<(), ConnectError> {
        // A client that tries a port where nobody listens may, rarely, be given that very port as
        // its own and be connected with itself. The library ends the process when it cannot listen.
        let deadline = Deadline::new(PORT_WITHIN);
        while let Err(error) = TcpListener::bind(&self.bootstrap) {
            if deadline.passed() {
                return Err(broken(format!("listen at {}: {error}", self.bootstrap)));
            }
            std::thread::sleep(PORT_AGAIN);
        }
        self.order(Act::ComeBack)
    }

    /// From now on it says that there is no such topic.
    #[cfg(test)]
    pub(crate) fn forget(&self, topic: &str) -> Result<(), ConnectError> {
        self.order(Act::Forget(topic.to_owned()))
    }

    /// From now on every answer takes this long.
    #[cfg(test)]
    pub(crate) fn delay(&self, delay: Duration) -> Result<(), ConnectError> {
        self.order(Act::Delay(delay))
    }

    fn order(&self, act: Act) -> Result<(), ConnectError> {
        let gone = || broken("its thread ended".to_owned());
        let (done, outcome) = channel();
        let commands = self.commands.as_ref().ok_or_else(gone)?;
        commands.send(Command { act, done }).map_err(|_| gone())?;
        outcome.recv().map_err(|_| gone())?.map_err(broken)
    }
}

impl Drop for EmbeddedBroker {
    fn drop(&mut self) {
        self.commands = None;
        if let Some(thread) = self.thread.take()
            && thread.join().is_err()
        {
            tracing::error!("The embedded broker's thread panicked.");
        }
    }
}

fn start(topics: &[(String, i32)]) -> Result<Cluster, KafkaError> {
    let cluster = MockCluster::new(1)?;
    for (name, partitions) in topics {
        cluster.create_topic(name, *partitions, 1)?;
    }
    Ok(cluster)
}

fn serve(cluster: &Cluster, orders: &Receiver<Command>) {
    for Command { act, done } in orders {
        let outcome = match act {
            Act::GoAway => cluster.broker_down(-1),
            Act::ComeBack => cluster.broker_up(-1),
            #[cfg(test)]
            Act::Forget(topic) => {
                let unknown =
                    rdkafka_sys::rd_kafka_resp_err_t::RD_KAFKA_RESP_ERR_UNKNOWN_TOPIC_OR_PART;
                cluster.topic_error(&topic, unknown)
            }
            #[cfg(test)]
            Act::Delay(delay) => cluster.broker_round_trip_time(1, delay),
        };
        // Whoever asked may have given up waiting.
        drop(done.send(outcome.map_err(|error| error.to_string())));
    }
}

fn broken(detail: String) -> ConnectError {
    ConnectError::Client {
        bootstrap: "127.0.0.1".to_owned(),
        doing: "run the embedded broker".to_owned(),
        detail,
    }
}
