//! The link between product and broker is cut, stalls and is slow; and while it was away the log
//! lost what comes next.

use std::time::Duration;

use super::kafka::Kafka;
use super::link::{FaultyLink, Mode};
use super::scenario::{LONG, Scenario};

/// How long a link stays broken: some requests time out, no session does.
const BROKEN_FOR: Duration = Duration::from_secs(2);

fn set_all(links: &[FaultyLink], mode: Mode) {
    for link in links {
        link.set(mode);
    }
}

/// Breaks the links three times under load.
fn broken(kafka: &Kafka, (mode, fault): (Mode, &str)) {
    let links = kafka.links();
    let mut scenario = Scenario::new(kafka, "link", 240).through_links(kafka);
    let sending = scenario.send_slowly();
    let mut product = scenario.run(None);
    scenario.wait_begun();
    for _ in 0..3 {
        for mode in [mode, Mode::Pass] {
            set_all(&links, mode);
            let ended = product.wait(BROKEN_FOR);
            assert!(
                ended.is_none(),
                "it ended as {ended:?}\n{}",
                product.output()
            );
        }
    }
    sending.join().unwrap();
    scenario.finish(product, ("any", fault), 3);
}

const SLOW: Mode = Mode::Slow {
    bytes_per_second: 50_000,
    latency: Duration::from_millis(50),
};

#[test]
fn real_links_of_one_broker_break() {
    let Some(kafka) = Kafka::one() else { return };
    broken(&kafka, (Mode::Cut, "links cut for 2 s"));
    broken(&kafka, (Mode::Stall, "links stalled for 2 s"));
    broken(&kafka, (SLOW, "links at 50 kB/s and 50 ms"));
}

#[test]
fn real_links_of_three_brokers_break() {
    let Some(kafka) = Kafka::three() else { return };
    broken(&kafka, (Mode::Cut, "links to three brokers cut for 2 s"));
}

/// What comes next is no longer in the log: stop and say so, and never go on behind the gap.
#[test]
fn real_a_log_truncated_ahead_of_the_reader_stops_it_with_a_clear_error() {
    let Some(kafka) = Kafka::one() else { return };
    let links = kafka.links();
    let mut scenario = Scenario::new(&kafka, "truncated", 240).through_links(&kafka);
    let workload = scenario.workload().clone();
    let (early, late): (Vec<_>, Vec<_>) = workload
        .records()
        .into_iter()
        .partition(|record| record.is_early(&workload));
    scenario.send_some(&early);
    let mut product = scenario.run(None);
    scenario.wait_begun();
    set_all(&links, Mode::Cut);
    scenario.send_some(&late);
    let (inspector, topic) = (scenario.inspector(), workload.topic());
    for (partition, end) in inspector.ends(&topic, LONG).unwrap() {
        inspector
            .truncate(&topic, partition, end - 1, LONG)
            .unwrap();
    }
    let before = scenario.found();
    set_all(&links, Mode::Pass);
    let status = product.must_end(LONG);
    let said = product.output();
    assert_eq!(status.code(), Some(1), "{said}");
    for wanted in [topic.as_str(), "from offset", "the broker now holds"] {
        assert!(said.contains(wanted), "{wanted:?} is not in {said}");
    }
    assert_eq!(scenario.found(), before, "output from behind the gap");
}
