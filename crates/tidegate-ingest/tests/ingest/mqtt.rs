//! Tries to lose or double messages of a real mosquitto, by TLS and with a password, while our client
//! is away, is replaced in the middle, loses the broker, or has no Kafka.

mod mosquitto;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use tidegate_ingest::{FeedCounts, IngestError, Refusal, Trouble};

use crate::certificates::Authority;
use crate::support::{Kafka, Running, Way, plan};
use mosquitto::{Mosquitto, Publisher};

/// A feed of everything below `gates`.
fn start(mosquitto: &Mosquitto, kafka: &Kafka) -> Running {
    let text = mosquitto.config("topics = ['gates/+/count']\nbytes_max = 1000");
    Running::start(Way::Mqtt, plan(&text, mosquitto.folder()), &kafka.sink)
}

/// Connects once, so that the broker has a session for us, and leaves.
async fn make_session(mosquitto: &Mosquitto, kafka: &Kafka) {
    let running = start(mosquitto, kafka);
    let mut publisher = Publisher::connect(mosquitto).await;
    // Until the subscription is made, nothing comes.
    let heard = async {
        while running.ingest.summary().feed("a").accepted == 0 {
            publisher.publish("gates/0/count", "hello").await;
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    };
    tokio::time::timeout(crate::support::LONG, heard)
        .await
        .expect("a message comes through");
    publisher.disconnect().await;
    running.stop().await.unwrap();
}

/// The numbers of the messages that came, by topic, without the first hello.
fn numbers(kafka: &Kafka) -> BTreeMap<String, Vec<usize>> {
    let mut numbers: BTreeMap<String, Vec<usize>> = BTreeMap::new();
    for (topic, value) in kafka.records("topic-a") {
        if value != "hello" {
            numbers
                .entry(topic)
                .or_default()
                .push(value.parse().unwrap());
        }
    }
    numbers
}

/// Publishes numbers to two topics in turns.
async fn publish(publisher: &mut Publisher, numbers: std::ops::Range<usize>) {
    for number in numbers {
        let topic = format!("gates/{}/count", number % 2);
        publisher.publish(&topic, &number.to_string()).await;
    }
}

/// The numbers that came, each once and sorted: after Kafka or the broker was away, the order in
/// which they came is another one, and some may have come twice.
fn deduplicated(kafka: &Kafka) -> BTreeMap<String, Vec<usize>> {
    let mut numbers = numbers(kafka);
    for list in numbers.values_mut() {
        list.sort_unstable();
        list.dedup();
    }
    numbers
}

/// As [`deduplicated`], but with what came twice.
fn sorted(kafka: &Kafka) -> BTreeMap<String, Vec<usize>> {
    let mut numbers = numbers(kafka);
    for list in numbers.values_mut() {
        list.sort_unstable();
    }
    numbers
}

/// Every number below `count` once, in order within its topic.
fn every_number_once(count: usize) -> BTreeMap<String, Vec<usize>> {
    (0..2)
        .map(|gate| {
            let topic = format!("gates/{gate}/count");
            (topic, (gate..count).step_by(2).collect())
        })
        .collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn messages_of_our_absence_come_later() {
    let Some(mosquitto) = Mosquitto::start() else {
        return;
    };
    let kafka = Kafka::start();
    make_session(&mosquitto, &kafka).await;
    let mut publisher = Publisher::connect(&mosquitto).await;
    publish(&mut publisher, 0..200).await;
    assert_eq!(numbers(&kafka), BTreeMap::new());
    let running = start(&mosquitto, &kafka);
    running.until("all", |s| s.feed("a").accepted == 200).await;
    let counts = running.stop().await.unwrap().feed("a");
    let expected = FeedCounts {
        accepted: 200,
        bytes: 10 + 90 * 2 + 100 * 3,
        ..FeedCounts::default()
    };
    assert_eq!(counts, expected);
    assert_eq!(numbers(&kafka), every_number_once(200));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_client_that_is_replaced_loses_and_doubles_nothing() {
    let Some(mosquitto) = Mosquitto::start() else {
        return;
    };
    let kafka = Arc::new(Kafka::start());
    make_session(&mosquitto, &kafka).await;
    let mut publisher = Publisher::connect(&mosquitto).await;
    let publishing = tokio::spawn(async move {
        publish(&mut publisher, 0..2_000).await;
    });
    let mut accepted = 0;
    let mut restarts = 0;
    while accepted < 2_000 {
        let running = start(&mosquitto, &kafka);
        let enough = (accepted + 20).min(2_000) - accepted;
        running
            .until("some", |s| s.feed("a").accepted >= enough)
            .await;
        let counts = running.stop().await.unwrap().feed("a");
        assert_eq!(counts.errors, BTreeMap::new());
        accepted += counts.accepted;
        restarts += 1;
    }
    publishing.await.unwrap();
    // How often depends on how fast the rest is published.
    assert!(restarts >= 2, "{restarts}");
    assert_eq!(numbers(&kafka), every_number_once(2_000));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_broker_that_comes_back_is_found_again() {
    let Some(mut mosquitto) = Mosquitto::start() else {
        return;
    };
    let kafka = Kafka::start();
    make_session(&mosquitto, &kafka).await;
    let running = start(&mosquitto, &kafka);
    let mut publisher = Publisher::connect(&mosquitto).await;
    publish(&mut publisher, 0..10).await;
    running.until("ten", |s| s.feed("a").accepted == 10).await;
    publisher.disconnect().await;
    mosquitto.restart();
    let lost =
        |s: &tidegate_ingest::Summary| s.feed("a").errors.contains_key(&Trouble::MqttConnection);
    running.until("the loss", lost).await;
    let mut publisher = Publisher::connect(&mosquitto).await;
    publish(&mut publisher, 10..20).await;
    running
        .until("twenty", |_| deduplicated(&kafka) == every_number_once(20))
        .await;
    let counts = running.stop().await.unwrap().feed("a");
    // An acknowledgement that was written but not read by the broker when it ended makes a message
    // come twice, which is what quality 1 allows; of those that came after it, none.
    let stored = numbers(&kafka).values().map(Vec::len).sum::<usize>();
    assert_eq!(counts.accepted, stored as u64);
    assert!(stored <= 30, "{stored}");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_kafka_has_not_stays_with_the_broker() {
    let Some(mosquitto) = Mosquitto::start() else {
        return;
    };
    let kafka = Kafka::with(&[("delivery.timeout.ms", "500")]);
    make_session(&mosquitto, &kafka).await;
    kafka.broker.go_away().unwrap();
    let running = start(&mosquitto, &kafka);
    let mut publisher = Publisher::connect(&mosquitto).await;
    publish(&mut publisher, 0..50).await;
    let away =
        |s: &tidegate_ingest::Summary| s.feed("a").errors.get(&Trouble::KafkaAway) >= Some(&1);
    running.until("a failure", away).await;
    // Nothing was acknowledged, so the broker has it all for our next life.
    let counts = running.stop().await.unwrap().feed("a");
    assert_eq!(counts.accepted, 0);
    kafka.broker.come_back().unwrap();
    let running = start(&mosquitto, &kafka);
    running.until("all", |s| s.feed("a").accepted >= 50).await;
    running.stop().await.unwrap();
    assert_eq!(sorted(&kafka), every_number_once(50));
}

#[tokio::test(flavor = "multi_thread")]
async fn kafka_may_be_away_for_a_while() {
    let Some(mosquitto) = Mosquitto::start() else {
        return;
    };
    let kafka = Kafka::with(&[("delivery.timeout.ms", "500")]);
    make_session(&mosquitto, &kafka).await;
    let running = start(&mosquitto, &kafka);
    kafka.broker.go_away().unwrap();
    let mut publisher = Publisher::connect(&mosquitto).await;
    publish(&mut publisher, 0..50).await;
    let away =
        |s: &tidegate_ingest::Summary| s.feed("a").errors.get(&Trouble::KafkaAway) >= Some(&2);
    running.until("failures", away).await;
    kafka.broker.come_back().unwrap();
    running.until("all", |s| s.feed("a").accepted >= 50).await;
    running.stop().await.unwrap();
    assert_eq!(sorted(&kafka), every_number_once(50));
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_not_wanted_is_counted_and_does_not_come_again() {
    let Some(mosquitto) = Mosquitto::start() else {
        return;
    };
    let kafka = Kafka::start();
    make_session(&mosquitto, &kafka).await;
    let mut publisher = Publisher::connect(&mosquitto).await;
    publisher.publish("gates/0/count", &"x".repeat(1001)).await;
    publisher
        .publish("gates/0/count", &"x".repeat(500_000))
        .await;
    publisher.publish("gates/0/count", "").await;
    publisher.publish("gates/0/count", "0").await;
    // The same session, asked for other topics: those of before still come.
    let text = mosquitto.config("topics = ['other/#']\nbytes_max = 1000");
    let other = plan(&text, mosquitto.folder());
    let running = Running::start(Way::Mqtt, other, &kafka.sink);
    running
        .until("refusals", |s| {
            s.feed("a").refused.values().sum::<u64>() == 4
        })
        .await;
    let counts = running.stop().await.unwrap().feed("a");
    let expected = [
        (Refusal::Empty, 1),
        (Refusal::TooLarge, 2),
        (Refusal::OtherTopic, 1),
    ];
    assert_eq!(counts.refused, expected.into());
    publisher.publish("gates/1/count", "1").await;
    let running = start(&mosquitto, &kafka);
    running
        .until("the last", |s| s.feed("a").accepted == 1)
        .await;
    let counts = running.stop().await.unwrap().feed("a");
    assert_eq!(counts.refused, BTreeMap::new());
    assert_eq!(
        numbers(&kafka),
        [("gates/1/count".to_owned(), vec![1])].into()
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_wrong_password_is_told_at_once() {
    let Some(mosquitto) = Mosquitto::start() else {
        return;
    };
    let kafka = Kafka::start();
    let secret = "not-the-password";
    std::fs::write(mosquitto.folder().join("password"), secret).unwrap();
    let error = start(&mosquitto, &kafka).end().await.unwrap_err();
    let told = error.to_string();
    assert!(matches!(error, IngestError::MqttLogin { .. }), "{told}");
    for part in ["127.0.0.1", "feed a", "as tidegate", "password is wrong"] {
        assert!(told.contains(part), "{told}");
    }
    assert!(!told.contains(secret), "{told}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_broker_of_another_authority_is_not_spoken_to() {
    let Some(mosquitto) = Mosquitto::start() else {
        return;
    };
    let kafka = Kafka::start();
    std::fs::write(mosquitto.folder().join("ca.pem"), Authority::new().pem()).unwrap();
    let running = start(&mosquitto, &kafka);
    let lost =
        |s: &tidegate_ingest::Summary| s.feed("a").errors.contains_key(&Trouble::MqttConnection);
    running.until("the refusal", lost).await;
    assert_eq!(running.stop().await.unwrap().feed("a").accepted, 0);
}
