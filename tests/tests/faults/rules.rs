//! Rules that change under a running pipeline: tries to have a wrong file taken up, a change lost
//! or written down twice by a kill, and an alert told under rules that were not in force.

use std::path::Path;

use serde_json::Value;
use tidegate_connect::Ends;
use tidegate_pipeline::{AuditEntry, verify_audit};

use super::kafka::Kafka;
use super::scenario::{LONG, Scenario};
use crate::support::{free_port, http, tidegate, wait_until};

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

/// Has the run take up the file now.
fn reload(port: u16) -> (u16, Value) {
    let (status, body) = http(port, "POST /rules/reload", "").unwrap();
    (status, serde_json::from_str(&body).unwrap())
}

/// A `tidegate rules` command that ends well; what it says.
fn rules<const N: usize>(command: &str, folder: &Path, more: [&str; N]) -> String {
    let mut args = vec!["rules", command, folder.to_str().unwrap()];
    args.extend(more);
    let output = tidegate(args.iter().copied());
    let said = String::from_utf8_lossy(&output.stdout).into_owned();
    let err = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{args:?}\n{said}\n{err}");
    said
}

/// The metric of the one task.
fn metric(port: u16, name: &str) -> String {
    let (status, text) = http(port, "GET /metrics", "").unwrap();
    assert_eq!(status, 200);
    let mut lines = text.lines();
    let line = lines.find(|line| line.starts_with(&format!("{name}{{")));
    let line = line.unwrap_or_else(|| panic!("no {name} in\n{text}"));
    line.rsplit(' ').next().unwrap().to_owned()
}

#[test]
fn real_rules_are_promoted_and_rolled_back_and_a_run_is_asked_to_follow() {
    let Some(kafka) = Kafka::one() else { return };
    let mut scenario = Scenario::new(&kafka, "control", 120);
    let folder = scenario.pipeline().to_owned();
    let path = folder.join("rules.toml");
    let live = std::fs::read_to_string(&path).unwrap();
    let shadow = live
        .replace("\"crowd\"\nlayer", "\"crowd-2\"\nmode = \"shadow\"\nlayer")
        .replace("800.0", "700.0");
    let both = format!("# Both.\n{live}\n{shadow}");
    std::fs::write(&path, &both).unwrap();
    let port = free_port();
    let product = scenario.run_with(&["--control", &format!("127.0.0.1:{port}")], None);
    wait_entries(&scenario, 1);

    // A wrong file, at once and with its line; it is told again to who asks again.
    let wrong = both.replacen("clear_below = 300.0", "clear_below = 900.0", 1);
    std::fs::write(&path, wrong).unwrap();
    for _ in 0..2 {
        let (status, answer) = reload(port);
        assert_eq!(status, 422, "{answer}");
        let problem = answer["tasks"][0]["problems"][0].as_str().unwrap();
        assert!(
            problem.starts_with("rules.toml:6: rule[0].clear_below"),
            "{problem}"
        );
        assert_eq!(answer["tasks"][0]["version"], 1);
    }
    assert_eq!(metric(port, "tidegate_rules_last_reload_successful"), "0");
    std::fs::write(&path, &both).unwrap();
    assert_eq!(reload(port).0, 200);
    assert_eq!(metric(port, "tidegate_rules_last_reload_successful"), "1");
    assert_eq!(metric(port, "tidegate_rules_version"), "1");

    let bootstrap = kafka.bootstrap();
    let [who, duty, reason, text] = ["--who", "duty", "--reason", "it was right all week"];
    let promoted = [
        "crowd-2",
        "--in-place-of",
        "crowd",
        who,
        duty,
        reason,
        text,
        "--dry-run",
    ];
    let said = rules("promote", &folder, promoted);
    assert!(said.contains("crowd: fire_above 800.0 -> 700.0"), "{said}");
    assert_eq!(std::fs::read_to_string(&path).unwrap(), both);
    let promoted = ["crowd-2", "--in-place-of", "crowd", who, duty, reason, text];
    rules("promote", &folder, promoted);
    assert_eq!(reload(port).1["tasks"][0]["version"], 2);
    let entries = wait_entries(&scenario, 2);
    assert_eq!((&*entries[1].who, &*entries[1].reason), (duty, text));
    let rules_of = |text: &str| text.parse::<toml::Table>().unwrap()["rule"].clone();

    let back = ["--bootstrap", &bootstrap, who, duty, reason, "too loud"];
    rules("rollback", &folder, back);
    assert_eq!(reload(port).1["tasks"][0]["version"], 3);
    let entries = wait_entries(&scenario, 3);
    assert_eq!(rules_of(&entries[2].text), rules_of(&both));
    let said = rules("history", &folder, ["--bootstrap", &bootstrap]);
    assert!(
        said.contains("each version follows the one before"),
        "{said}"
    );
    assert!(said.contains("too loud"), "{said}");
    let said = rules(
        "history",
        &folder,
        ["--bootstrap", &bootstrap, "--show", "1"],
    );
    assert_eq!(said.trim_end(), both.trim_end());
    assert_eq!(metric(port, "tidegate_rules_version"), "3");
    product.terminate();
}
