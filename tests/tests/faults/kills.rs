//! The product is killed, paused and asked to stop.

use std::time::Duration;

use super::kafka::Kafka;
use super::link::Mode;
use super::product::{Product, Step};
use super::scenario::{LONG, RATE, Scenario};

/// At which time of reaching it a step kills: past the first, so that something is committed.
fn hit(step: &Step) -> u32 {
    match step.name.as_str() {
        _ if step.in_recovery => 1,
        // Reached once a record, not once an epoch.
        "mid_records" => 50,
        _ => 3,
    }
}

fn killed_at(kafka: &Kafka, step: &Step) {
    let mut scenario = Scenario::new(kafka, "step", 240).comes_back();
    let sending = scenario.send_slowly();
    if step.in_recovery {
        let mut first = scenario.run(None);
        scenario.wait_begun();
        first.kill();
    }
    let mut product = scenario.run(Some(&format!("{}:{}:kill", step.name, hit(step))));
    let status = product.must_end(LONG);
    assert!(
        Product::was_killed(status),
        "{}: {status}\n{}",
        step.name,
        product.output()
    );
    let again = scenario.run(None);
    sending.join().unwrap();
    scenario.finish(again, (&step.name, "kill -9"), 1);
}

/// All of them, or the one in `TIDEGATE_TEST_STEP`: to repeat a failure.
#[test]
fn real_killed_at_every_step_of_an_epoch() {
    let Some(kafka) = Kafka::one() else { return };
    let only = std::env::var("TIDEGATE_TEST_STEP").ok();
    let wanted = |step: &Step| only.as_ref().is_none_or(|only| *only == step.name);
    let mut tried = 0;
    for step in Product::steps().into_iter().filter(wanted) {
        killed_at(&kafka, &step);
        tried += 1;
    }
    assert!(tried > 0, "{only:?} is not a step");
}

/// How often `cargo xtask test real` wants it.
fn random_kills() -> u32 {
    let wanted = std::env::var("TIDEGATE_TEST_RANDOM_KILLS");
    wanted.map_or(20, |wanted| wanted.parse().unwrap())
}

/// Which instants: another choice in every run, `TIDEGATE_TEST_SEED` to repeat one. How far the
/// product is by then no seed decides.
fn seed() -> u64 {
    let wanted = std::env::var("TIDEGATE_TEST_SEED");
    let seed = wanted.map_or_else(|_| u64::from(std::process::id()), |w| w.parse().unwrap());
    eprintln!("TIDEGATE_TEST_SEED={seed}");
    seed
}

/// Bits that look random, from a number (`SplitMix64` of Steele, Lea and Flood 2014).
fn scramble(number: u64) -> u64 {
    let mut bits = number.wrapping_mul(0x9E37_79B9_7F4A_7C15);
    bits = (bits ^ (bits >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    bits = (bits ^ (bits >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
    bits ^ (bits >> 31)
}

/// The load lasts as long as the kills do: a second of life each on average.
#[test]
fn real_killed_at_random_instants() {
    let Some(kafka) = Kafka::three() else { return };
    let kills = random_kills();
    let seconds = i64::from(kills) * i64::from(RATE) / 8;
    let mut scenario = Scenario::new(&kafka, "random", seconds.max(60)).comes_back();
    let sending = scenario.send_slowly();
    let seed = seed();
    for number in 0..kills {
        let life = Duration::from_millis(100 + scramble(seed << 32 | u64::from(number)) % 1_900);
        let mut product = scenario.run(None);
        let ended = product.wait(life);
        assert!(
            ended.is_none(),
            "it ended as {ended:?}\n{}",
            product.output()
        );
        product.kill();
    }
    let product = scenario.run(None);
    sending.join().unwrap();
    scenario.finish(product, ("any", "kill -9 at a random instant"), kills);
}

/// A paused process does not know that another one has taken over. When it wakes it must neither
/// write nor stay.
#[test]
fn real_a_process_that_slept_past_its_session_writes_nothing() {
    let Some(kafka) = Kafka::three() else { return };
    for step in ["after_begin", "mid_records", "before_commit"] {
        let mut scenario = Scenario::new(&kafka, "asleep", 240);
        let sending = scenario.send_slowly();
        let mut sleeper = scenario.run(Some(&format!("{step}:3:stop")));
        sleeper.wait_for("failpoint", LONG);
        let other = scenario.run(None);
        sending.join().unwrap();
        scenario.wait_complete();
        sleeper.resume();
        let status = sleeper.must_end(LONG);
        let said = sleeper.output();
        assert!(!status.success(), "it did not notice\n{said}");
        scenario.finish(other, (step, "SIGSTOP past the session, then SIGCONT"), 1);
    }
}

#[test]
fn real_sigterm_stops_in_order_and_nothing_is_lost() {
    let Some(kafka) = Kafka::one() else { return };
    for (signals, fault) in [(1, "SIGTERM"), (2, "SIGTERM twice")] {
        let mut scenario = Scenario::new(&kafka, "stop", 240);
        let sending = scenario.send_slowly();
        let mut product = scenario.run(None);
        scenario.wait_begun();
        for _ in 0..signals {
            product.terminate();
        }
        let status = product.must_end(LONG);
        let said = product.output();
        assert!(signals > 1 || status.success(), "{status}\n{said}");
        let again = scenario.run(None);
        sending.join().unwrap();
        scenario.finish(again, ("any", fault), 1);
        // Two are kept; the next may be there, and what a process that ends had not removed yet.
        let kept = scenario.snapshots().len();
        assert!((1..=4).contains(&kept), "{kept} snapshots");
    }
}

/// The brokers are away, so it cannot commit: it ends when its time is up all the same, and says so.
#[test]
fn real_a_stop_that_cannot_commit_ends_in_its_time() {
    let Some(kafka) = Kafka::one() else { return };
    let links = kafka.links();
    let mut scenario = Scenario::new(&kafka, "stuck", 240).through_links(&kafka);
    let sending = scenario.send_slowly();
    let mut product = scenario.run_with(&["--shutdown-timeout", "2s"], None);
    scenario.wait_begun();
    for link in &links {
        link.set(Mode::Cut);
    }
    product.terminate();
    let status = product.must_end(LONG);
    let said = product.output();
    assert_eq!(status.code(), Some(1), "{said}");
    assert!(said.contains("Not stopped within 2 s"), "{said}");
    for link in &links {
        link.set(Mode::Pass);
    }
    let again = scenario.run(None);
    sending.join().unwrap();
    scenario.finish(again, ("any", "SIGTERM while links are cut"), 1);
}
