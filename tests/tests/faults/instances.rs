//! Several instances of one pipeline, and what an instance finds when it begins.

use std::path::PathBuf;
use std::process::Command;

use super::kafka::Kafka;
use super::scenario::{LONG, Scenario};
use crate::support::{binary, wait_until};

/// A pipeline with one task says so to a second instance; one that stands by takes over.
#[test]
fn real_a_second_instance_is_refused_and_a_standby_takes_over() {
    let Some(kafka) = Kafka::one() else { return };
    for protocol in ["classic", "consumer"] {
        let mut scenario = Scenario::new(&kafka, "second", 240);
        let sending = scenario.send_slowly();
        let by_protocol = ["--group-protocol", protocol];
        let mut first = scenario.run_with(&by_protocol, None);
        scenario.wait_begun();
        let mut second = scenario.run_with(&by_protocol, None);
        let standby = scenario.run_with(&[&by_protocol[..], &["--standby"]].concat(), None);
        let status = second.must_end(LONG);
        let said = second.output();
        assert!(!status.success() && said.contains("--standby"), "{said}");
        first.kill();
        sending.join().unwrap();
        let fault = format!("kill -9, a standby takes over ({protocol})");
        scenario.finish(standby, ("any", &fault), 1);
    }
}

/// Two instances share the tasks of a pipeline that is keyed for it; the tasks of one that dies
/// move to the other, and those of one that comes move to it.
#[test]
fn real_instances_share_keyed_tasks() {
    let Some(kafka) = Kafka::three() else { return };
    let mut scenario = Scenario::new(&kafka, "shared", 2_400);
    let path = scenario.pipeline().join("pipeline.toml");
    let pipeline = std::fs::read_to_string(&path).unwrap();
    let scale = "[scale]\ntasks = 4\nkeyed_by = \"site_id\"\n";
    std::fs::write(&path, format!("{pipeline}{scale}")).unwrap();
    let sending = scenario.send_slowly();
    let mut first = scenario.run(None);
    scenario.wait_begun();
    let second = scenario.run(None);
    // It has tasks as soon as it saved the state of one.
    std::thread::sleep(std::time::Duration::from_secs(4));
    first.kill();
    let third = scenario.run(None);
    sending.join().unwrap();
    scenario.wait_complete();
    third.terminate();
    scenario.finish(second, ("any", "kill -9 of one of two instances"), 1);
}

/// Whether `tidegate checkpoint COMMAND` says that all is well, and what it says.
fn checkpoint(scenario: &Scenario, command: &str) -> (bool, String) {
    let output = Command::new(binary())
        .args(["checkpoint", command])
        .arg(scenario.pipeline())
        .arg("--state")
        .arg(scenario.state())
        .output()
        .unwrap();
    let said = [output.stdout, output.stderr].concat();
    (output.status.success(), String::from_utf8(said).unwrap())
}

/// The hash tells that a snapshot is damaged; the one before it does, and more of the log.
#[test]
fn real_a_damaged_snapshot_is_passed_over() {
    let Some(kafka) = Kafka::one() else { return };
    let mut scenario = Scenario::new(&kafka, "damaged", 480);
    let sending = scenario.send_slowly();
    let mut product = scenario.run(None);
    wait_until(LONG, || (scenario.snapshots().len() > 1).then_some(())).unwrap();
    product.terminate();
    assert!(product.must_end(LONG).success(), "{}", product.output());
    let newest = scenario.snapshots().pop().unwrap();
    let mut bytes = std::fs::read(&newest).unwrap();
    let middle = bytes.len() / 2;
    bytes[middle] ^= 1;
    assert!(checkpoint(&scenario, "verify").0, "all are whole");
    std::fs::write(&newest, bytes).unwrap();
    let (is_good, said) = checkpoint(&scenario, "verify");
    assert!(!is_good && said.matches("DAMAGED").count() == 1, "{said}");
    let (is_good, said) = checkpoint(&scenario, "list");
    assert!(is_good && said.lines().count() > 1, "{said}");
    let (is_good, said) = checkpoint(&scenario, "inspect");
    assert!(!is_good && said.contains("SHA-256"), "{said}");
    let mut again = scenario.run(None);
    again.wait_for("A snapshot cannot be used", LONG);
    sending.join().unwrap();
    scenario.finish(again, ("newest snapshot", "one bit flipped"), 1);
}

/// Work goes on without snapshots while the disk is full, and they come again when it is not. A limit
/// on the size of files does what a full disk does to the product.
#[test]
fn real_a_full_disk_holds_up_snapshots_and_nothing_else() {
    let Some(kafka) = Kafka::one() else { return };
    let mut scenario = Scenario::new(&kafka, "full", 960);
    let sending = scenario.send_slowly();
    let mut product = scenario.run_with_small_files();
    product.wait_for("The state could not be saved", LONG);
    scenario.wait_begun();
    assert_eq!(scenario.snapshots(), Vec::<PathBuf>::new(), "half-written");
    product.allow_large_files();
    let saved = wait_until(LONG, || (!scenario.snapshots().is_empty()).then_some(()));
    assert!(saved.is_some(), "{}", product.output());
    assert!(checkpoint(&scenario, "verify").0);
    product.kill();
    let again = scenario.run(None);
    sending.join().unwrap();
    scenario.finish(
        again,
        ("snapshot", "disk full, then freed, then kill -9"),
        1,
    );
}

/// Without any snapshot the whole log is repeated as long as the progress reaches back; and a state
/// that is in no snapshot and no progress is not made up.
#[test]
fn real_a_changed_pipeline_and_missing_snapshots_are_refused_with_the_ways_out() {
    let Some(kafka) = Kafka::one() else { return };
    let mut scenario = Scenario::new(&kafka, "changed", 240);
    scenario.send();
    let mut product = scenario.run(None);
    scenario.wait_complete();
    product.terminate();
    assert!(product.must_end(LONG).success(), "{}", product.output());

    std::fs::rename(scenario.state(), scenario.state().with_extension("away")).unwrap();
    let mut without = scenario.run(None);
    let status = without.must_end(LONG);
    let said = without.output();
    assert!(!status.success(), "{said}");
    assert!(said.contains("bring the snapshots in"), "{said}");
    std::fs::remove_dir_all(scenario.state()).unwrap();
    std::fs::rename(scenario.state().with_extension("away"), scenario.state()).unwrap();

    let path = scenario.pipeline().join("layers/crowd.sql");
    let layer = std::fs::read_to_string(&path).unwrap();
    std::fs::write(&path, layer.replace("test/sum@1", "test/sum@2")).unwrap();
    let mut changed = scenario.run(None);
    let status = changed.must_end(LONG);
    let said = changed.output();
    assert!(!status.success(), "{said}");
    assert!(
        said.contains("has changed") && said.contains("--from-scratch"),
        "{said}"
    );
    std::fs::write(&path, layer).unwrap();
    let again = scenario.run(None);
    scenario.finish(again, ("none", "changed and changed back"), 1);
}
