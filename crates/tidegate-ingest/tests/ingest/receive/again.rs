//! Tries to have a message stored twice or not at all: repeated keys, at once and later, while Kafka
//! is away, after a record was given up, and when the server ends.

use std::time::Instant;

use serde_json::Value;
use tidegate_ingest::{Refusal, Trouble};

use super::{Site, TOKEN_B, check, json};
use crate::support::{Kafka, LONG};

#[tokio::test]
async fn a_repeated_key_is_answered_and_not_stored() {
    let site = Site::start(Kafka::start(), "", "").await;
    let first = site.keyed("k1", "one").send().await.unwrap();
    let second = site.keyed("k1", "one").send().await.unwrap();
    assert_eq!(
        (first.status(), second.status()),
        (202.try_into().unwrap(), 202.try_into().unwrap())
    );
    assert_eq!(json(first).await, json(second).await);
    let other = site.keyed("k2", "one").send().await.unwrap();
    assert_eq!(json(other).await["offset"], 1);
    let conflict = site.keyed("k1", "two").send().await.unwrap();
    check(conflict, 422, "idempotency-key-reused").await;
    // Keys belong to a feed.
    let elsewhere = site
        .post("/feeds/b", TOKEN_B)
        .header("idempotency-key", "k1");
    assert_eq!(elsewhere.body("two").send().await.unwrap().status(), 202);
    for key in ["", " ", &"k".repeat(129)] {
        check(
            site.keyed(key, "x").send().await.unwrap(),
            400,
            "bad-idempotency-key",
        )
        .await;
    }
    assert_eq!(
        site.keyed(&"k".repeat(128), "x")
            .send()
            .await
            .unwrap()
            .status(),
        202
    );
    let counts = site.running.stop().await.unwrap().feed("a");
    assert_eq!((counts.accepted, counts.repeated), (3, 1));
    assert_eq!(counts.refused, [(Refusal::BadKey, 4)].into());
    assert_eq!(site.kafka.values("topic-a"), ["one", "one", "x"]);
}

#[tokio::test]
async fn a_record_that_is_still_waiting_is_not_sent_twice() {
    // The record outlives the answer 503: the broker comes back before it is given up.
    let site = Site::start(Kafka::start(), "acknowledge_within = '200ms'", "").await;
    site.kafka.broker.go_away().unwrap();
    let away = site.keyed("k1", "one").send().await.unwrap();
    let away = check(away, 503, "not-acknowledged").await;
    assert!(away.headers().contains_key("retry-after"));
    // Both wait for the one that is on its way.
    let again = site.keyed("k1", "one").send().await.unwrap();
    check(again, 503, "not-acknowledged").await;
    site.kafka.broker.come_back().unwrap();
    let position = retry_until_stored(&site, "k1", "one").await;
    assert_eq!(position, serde_json::json!({ "partition": 0, "offset": 0 }));
    assert_eq!(site.kafka.values("topic-a"), ["one"]);
    assert_eq!(site.counts("a").accepted, 1);
}

#[tokio::test]
async fn a_record_that_was_given_up_is_sent_again_by_its_key() {
    let kafka = Kafka::with(&[("delivery.timeout.ms", "300")]);
    let site = Site::start(kafka, "acknowledge_within = '5s'", "").await;
    site.kafka.broker.go_away().unwrap();
    let away = site.keyed("k1", "one").send().await.unwrap();
    check(away, 503, "not-acknowledged").await;
    assert!(site.counts("a").errors[&Trouble::KafkaAway] >= 1);
    site.kafka.broker.come_back().unwrap();
    retry_until_stored(&site, "k1", "one").await;
    retry_until_stored(&site, "k1", "one").await;
    assert_eq!(site.kafka.values("topic-a"), ["one"]);
}

async fn retry_until_stored(site: &Site, key: &str, body: &str) -> Value {
    let started = Instant::now();
    while started.elapsed() < LONG {
        let response = site.keyed(key, body).send().await.unwrap();
        if response.status() == 202 {
            return json(response).await;
        }
        assert_eq!(response.status(), 503);
    }
    panic!("never stored");
}

#[tokio::test]
async fn repeats_at_the_same_time_are_one_record() {
    let site = Site::start(Kafka::start(), "", "").await;
    site.kafka.broker.go_away().unwrap();
    let both = async {
        tokio::join!(
            site.keyed("k1", "one").send(),
            site.keyed("k1", "one").send()
        )
    };
    let comes_back = async {
        site.running
            .until("the repeat", |s| s.feed("a").repeated == 1)
            .await;
        site.kafka.broker.come_back().unwrap();
    };
    let ((first, second), ()) = tokio::join!(both, comes_back);
    let (first, second) = (first.unwrap(), second.unwrap());
    assert_eq!(first.status(), 202);
    assert_eq!(json(first).await, json(second).await);
    assert_eq!(site.kafka.values("topic-a"), ["one"]);
}

#[tokio::test]
async fn the_end_waits_for_what_is_on_its_way() {
    let site = Site::start(Kafka::start(), "acknowledge_within = '50ms'", "").await;
    site.kafka.broker.go_away().unwrap();
    let away = site.keyed("k1", "one").send().await.unwrap();
    check(away, 503, "not-acknowledged").await;
    site.kafka.broker.come_back().unwrap();
    let summary = site.running.stop().await.unwrap();
    assert_eq!(summary.feed("a").accepted, 1);
    assert_eq!(site.kafka.values("topic-a"), ["one"]);
}
