//! Messages between the MQTT broker and Kafka, in the order in which they came.

use std::collections::VecDeque;
use std::pin::Pin;

use rumqttc::Publish;
use rumqttc::mqttbytes::QoS;
use tidegate_connect::ConnectError;
use tidegate_model::Position;
use tokio::time::Instant;

/// What becomes of a record; it can be polled after the message's connection is gone.
pub(super) type Storing = Pin<Box<dyn Future<Output = Result<Position, ConnectError>> + Send>>;

/// How far a message is.
pub(super) enum Stage {
    /// Kafka was given it.
    Storing(Storing),
    /// Kafka did not acknowledge it; from then on it is given it again.
    Again(Instant),
    /// Kafka has it, or will never have it; the broker can forget it.
    Settled,
}

/// What is known of the oldest message.
pub(super) enum Oldest {
    /// It was settled when it came.
    Settled,
    /// Kafka's answer; the stage must be changed before anything else is asked.
    Answered(Result<Position, ConnectError>),
    /// It is time to give it to Kafka again.
    Again,
}

/// A message that the broker was not told about yet.
pub(super) struct InFlight {
    pub(super) publish: Publish,
    pub(super) stage: Stage,
}

/// The messages of one connection, and those that were left over from the one before.
#[derive(Default)]
pub(super) struct Flights {
    /// In the order in which they came and will be acknowledged.
    current: VecDeque<InFlight>,
    bytes: usize,
    /// Acknowledged, but the acknowledgement is not written yet.
    untold: VecDeque<InFlight>,
    orphans: Vec<InFlight>,
}

impl Flights {
    pub(super) fn len(&self) -> usize {
        self.current.len()
    }

    /// Bytes of the messages that wait.
    pub(super) fn bytes(&self) -> usize {
        self.bytes
    }

    pub(super) fn push(&mut self, publish: Publish, stage: Stage) {
        self.bytes += publish.payload.len();
        self.current.push_back(InFlight { publish, stage });
    }

    pub(super) fn front(&mut self) -> Option<&mut InFlight> {
        self.current.front_mut()
    }

    /// The oldest message is settled; it is to be acknowledged now, if that is what it needs.
    pub(super) fn settle(&mut self) -> Option<&Publish> {
        let mut flight = self.current.pop_front()?;
        self.bytes -= flight.publish.payload.len();
        if flight.publish.qos == QoS::AtMostOnce {
            return None;
        }
        flight.stage = Stage::Settled;
        self.untold.push_back(flight);
        self.untold.back().map(|flight| &flight.publish)
    }

    /// The acknowledgement with this number was written; they are in the order of settling.
    pub(super) fn told(&mut self, pkid: u16) {
        if self
            .untold
            .front()
            .is_some_and(|flight| flight.publish.pkid == pkid)
        {
            self.untold.pop_front();
        }
    }

    /// The connection is gone. An acknowledgement by number would now mean another message, so
    /// none is sent; the broker will send these again.
    pub(super) fn disconnected(&mut self) {
        // What was left over before and did not come again is not expected any more.
        self.orphans.clear();
        self.orphans.extend(self.untold.drain(..));
        self.orphans.extend(self.current.drain(..));
        self.bytes = 0;
    }

    /// The broker forgot the session, and with it what its numbers meant.
    pub(super) fn forgotten(&mut self) {
        self.orphans.clear();
    }

    /// The earlier coming of a message that the broker sends again.
    pub(super) fn recognise(&mut self, publish: &Publish) -> Option<Stage> {
        if !publish.dup {
            return None;
        }
        let same = |orphan: &InFlight| {
            let known = &orphan.publish;
            known.pkid == publish.pkid
                && known.topic == publish.topic
                && known.payload == publish.payload
        };
        let at = self.orphans.iter().position(same)?;
        Some(self.orphans.swap_remove(at).stage)
    }

    /// Waits until something is known of the oldest message; for ever without one. Dropping the
    /// wait loses nothing.
    pub(super) async fn oldest(&mut self) -> Oldest {
        match self.current.front_mut().map(|flight| &mut flight.stage) {
            None => std::future::pending().await,
            Some(Stage::Settled) => Oldest::Settled,
            Some(Stage::Storing(storing)) => Oldest::Answered(storing.await),
            Some(Stage::Again(at)) => {
                tokio::time::sleep_until(*at).await;
                Oldest::Again
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn message(pkid: u16, text: &str, coming: &str) -> Publish {
        let mut publish = Publish::new("t", QoS::AtLeastOnce, text);
        publish.pkid = pkid;
        publish.dup = coming == "again";
        publish
    }

    #[test]
    fn only_what_comes_again_is_recognised_and_only_once() {
        let mut flights = Flights::default();
        flights.push(message(1, "one", "first"), Stage::Settled);
        flights.push(message(2, "two", "first"), Stage::Settled);
        assert_eq!((flights.len(), flights.bytes()), (2, 6));
        // The acknowledgement of the first stays unwritten.
        assert_eq!(flights.settle().map(|publish| publish.pkid), Some(1));
        assert_eq!((flights.len(), flights.bytes()), (1, 3));
        flights.disconnected();
        assert_eq!((flights.len(), flights.bytes()), (0, 0));
        for (name, publish, expected) in [
            (
                "a new one with an old number",
                message(1, "one", "first"),
                false,
            ),
            ("another text", message(1, "two", "again"), false),
            ("another number", message(2, "one", "again"), false),
            ("the first", message(1, "one", "again"), true),
            ("the first once more", message(1, "one", "again"), false),
            ("the second", message(2, "two", "again"), true),
        ] {
            assert_eq!(flights.recognise(&publish).is_some(), expected, "{name}");
        }
    }

    #[test]
    fn what_the_broker_was_told_is_not_expected_again() {
        let mut flights = Flights::default();
        let mut lightly = message(0, "zero", "first");
        lightly.qos = QoS::AtMostOnce;
        flights.push(lightly, Stage::Settled);
        flights.push(message(1, "one", "first"), Stage::Settled);
        assert!(flights.settle().is_none());
        assert!(flights.settle().is_some());
        flights.told(1);
        flights.disconnected();
        assert!(flights.recognise(&message(1, "one", "again")).is_none());
    }

    #[test]
    fn a_forgotten_session_means_nothing() {
        let mut flights = Flights::default();
        flights.push(message(1, "one", "first"), Stage::Settled);
        flights.disconnected();
        flights.forgotten();
        assert!(flights.recognise(&message(1, "one", "again")).is_none());
    }
}
