//! Brokers are killed and started again, and topics change, under load.

use super::kafka::Kafka;
use super::scenario::{LONG, Scenario};
use crate::support::wait_until;

/// If nothing breaks, nothing may differ: else the other tests would say nothing.
#[test]
fn real_without_a_fault_the_output_is_that_of_batch_sql() {
    for find in [Kafka::one, Kafka::three] {
        let Some(kafka) = find() else { return };
        let mut scenario = Scenario::new(&kafka, "quiet", 240);
        scenario.send();
        let product = scenario.run(None);
        scenario.finish(product, ("none", "none"), 1);
    }
}

/// Every node of three goes away once while records come in and go out.
#[test]
fn real_each_of_three_brokers_is_killed_and_comes_back() {
    let Some(kafka) = Kafka::three() else { return };
    let mut scenario = Scenario::new(&kafka, "nodes", 2_400);
    let sending = scenario.send_slowly();
    let product = scenario.run(None);
    scenario.wait_begun();
    for node in kafka.nodes() {
        kafka.kill(node);
        let before = scenario.found().len();
        let goes_on = wait_until(LONG, || {
            let more = scenario.found().len() > before;
            (more || sending.is_finished()).then_some(())
        });
        assert!(goes_on.is_some(), "nothing comes without node {node}");
        kafka.start(node);
    }
    sending.join().unwrap();
    scenario.finish(product, ("any", "kill -9 of each of three brokers"), 3);
}

/// The only broker goes away: nothing can go on, and nothing may be lost.
#[test]
fn real_the_only_broker_is_killed_and_comes_back() {
    let Some(kafka) = Kafka::one() else { return };
    let mut scenario = Scenario::new(&kafka, "only", 240);
    let sending = scenario.send_slowly();
    let product = scenario.run(None);
    scenario.wait_begun();
    kafka.kill(1);
    kafka.start(1);
    sending.join().unwrap();
    scenario.finish(product, ("any", "kill -9 of the only broker"), 1);
}

/// The product has committed an offset of an upper partition before the lower ones go on, so that
/// no window closes without it.
#[test]
fn real_partitions_are_added_under_load() {
    let Some(kafka) = Kafka::one() else { return };
    let mut scenario = Scenario::growing(&kafka, "growing", 240);
    let workload = scenario.workload().clone();
    let product = scenario.run(None);
    let (early, rest): (Vec<_>, Vec<_>) = workload
        .records()
        .into_iter()
        .partition(|record| record.is_early(&workload));
    scenario.send_some(&early);
    scenario.wait_begun();
    let (topic, inspector) = (workload.topic(), scenario.inspector());
    inspector
        .add_partitions(&topic, workload.partitions(), LONG)
        .unwrap();
    let (upper, lower): (Vec<_>, Vec<_>) = rest
        .into_iter()
        .partition(|record| workload.is_upper(record.partition()));
    scenario.send_some(&upper);
    let seen = wait_until(LONG, || {
        let committed = inspector
            .committed(&scenario.group(), &topic, LONG)
            .unwrap();
        (committed.len() == 4).then_some(())
    });
    assert!(seen.is_some(), "the new partitions are not read");
    scenario.send_some(&lower);
    scenario.finish(product, ("any", "partitions added"), 1);
}

/// Retention was faster than the product: it says which offsets are gone, and skips nothing.
#[test]
fn real_a_truncated_log_stops_the_product_with_the_offsets() {
    let Some(kafka) = Kafka::one() else { return };
    let mut scenario = Scenario::new(&kafka, "truncated", 240);
    let workload = scenario.workload().clone();
    let (early, rest): (Vec<_>, Vec<_>) = workload
        .records()
        .into_iter()
        .partition(|record| record.is_early(&workload));
    scenario.send_some(&early);
    let mut product = scenario.run(None);
    scenario.wait_begun();
    product.terminate();
    assert!(product.must_end(LONG).success(), "{}", product.output());
    scenario.send_some(&rest);
    let (topic, inspector) = (workload.topic(), scenario.inspector());
    let next = inspector
        .committed(&scenario.group(), &topic, LONG)
        .unwrap()[&1];
    let gone = next + 10;
    inspector.truncate(&topic, 1, gone, LONG).unwrap();
    let before = scenario.found().len();
    let mut again = scenario.run(None);
    let status = again.must_end(LONG);
    let said = again.output();
    assert!(!status.success(), "{said}");
    for part in [
        topic,
        "partition 1".to_owned(),
        next.to_string(),
        gone.to_string(),
    ] {
        assert!(said.contains(&part), "{part} is not in {said}");
    }
    assert_eq!(scenario.found().len(), before, "nothing is given out");
}
