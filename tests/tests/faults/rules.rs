//! Rules that change under a running pipeline: tries to have a wrong file taken up, a change lost
//! or written down twice by a kill, and an alert told under rules that were not in force.

use serde_json::Value;
use tidegate_connect::Ends;
use tidegate_pipeline::{AuditEntry, verify_audit};

use super::kafka::Kafka;
use super::scenario::{LONG, Scenario};
use crate::support::wait_until;

const AUDIT: &str = "tidegate.audit";

/// The entries that this scenario's pipeline has in the topic.
fn audit(scenario: &Scenario) -> Vec<AuditEntry> {
    let inspector = scenario.inspector();
    let records = inspector
        .read_committed(AUDIT, &Ends::new(), LONG)
        .unwrap_or_default();
    let entries = records.iter().filter_map(|record| record.value.as_deref());
    let entries = entries.map(|value| serde_json::from_slice::<AuditEntry>(value).unwrap());
    let name = scenario.workload().name().to_owned();
    entries.filter(|entry| entry.pipeline == name).collect()
}

fn wait_entries(scenario: &Scenario, count: usize) -> Vec<AuditEntry> {
    let enough = || Some(audit(scenario)).filter(|entries| entries.len() >= count);
    wait_until(LONG, enough).unwrap_or_else(|| panic!("{:#?}", audit(scenario)))
}

/// Hashes of the rules in the alerts of the topic, in order, each once in a row.
fn hashes(scenario: &Scenario) -> Vec<String> {
    let inspector = scenario.inspector();
    let records = inspector
        .read_committed("tidegate.alert", scenario.before("tidegate.alert"), LONG)
        .unwrap();
    let values = records.iter().filter_map(|record| record.value.as_deref());
    let mut hashes: Vec<String> = values
        .map(|value| serde_json::from_slice::<Value>(value).unwrap())
        .map(|alert| alert["rule_hash"].as_str().unwrap().to_owned())
        .collect();
    hashes.dedup();
    hashes
}

#[test]
fn real_rules_change_exactly_once_while_a_pipeline_runs() {
    let Some(kafka) = Kafka::one() else { return };
    let mut scenario = Scenario::new(&kafka, "rules", 480).comes_back();
    let path = scenario.pipeline().join("rules.toml");
    let rules = std::fs::read_to_string(&path).unwrap();
    let records = scenario.workload().records();
    let (early, late) = records.split_at(records.len() / 2);
    scenario.send_some(early);
    let mut product = scenario.run(None);
    let first = wait_entries(&scenario, 1);
    assert_eq!(first[0].changes[0].rule, "crowd");
    wait_until(LONG, || (!hashes(&scenario).is_empty()).then_some(())).expect("alerts");

    // Thresholds the wrong way round: told with the line, and nothing changes.
    let wrong = rules.replace("clear_below = 300.0", "clear_below = 900.0");
    std::fs::write(&path, wrong).unwrap();
    product.wait_for("those before stay in force", LONG);
    let said = product.output();
    assert!(said.contains("rules.toml:5: rule[0].clear_below"), "{said}");
    // Half a file, as an editor may leave it for a moment, and no file.
    std::fs::write(&path, &rules[..rules.len() / 2]).unwrap();
    std::fs::remove_file(&path).unwrap();
    product.wait_for("cannot be looked at", LONG);

    let higher = format!(
        "[change]\nwho = \"duty\"\nreason = \"too many alerts\"\n{}",
        rules.replace("800.0", "790.0")
    );
    std::fs::write(&path, &higher).unwrap();
    let entries = wait_entries(&scenario, 2);
    // Killed at once, in whatever step; the change is there and stays one.
    product.kill();
    let mut product = scenario.run(None);
    scenario.send_some(late);
    scenario.wait_complete();
    assert_eq!(audit(&scenario), entries);
    let [change] = &entries[1].changes[..] else {
        panic!("{entries:#?}");
    };
    assert_eq!((&*change.rule, &*change.key), ("crowd", "fire_above"));
    assert_eq!(
        (&*entries[1].who, &*entries[1].reason),
        ("duty", "too many alerts")
    );
    product.terminate();
    assert!(product.must_end(LONG).success(), "{}", product.output());

    // A change while nothing runs is taken up at the start.
    std::fs::write(&path, &rules).unwrap();
    let product = scenario.run(None);
    let entries = wait_entries(&scenario, 3);
    assert_eq!(verify_audit(&entries), Ok(()));
    assert_eq!(entries.len(), 3);
    product.terminate();
    // First alerts under the first rules, then under the second, and never back in between.
    let hashes = hashes(&scenario);
    assert_eq!(hashes.len(), 2, "{hashes:?}");
}
