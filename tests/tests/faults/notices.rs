//! Notices of a running pipeline: tries to have an alert told to nobody, or one notice told as two,
//! by killing the notifier again and again while alerts come.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use serde_json::Value;

use super::kafka::Kafka;
use super::product::Product;
use super::scenario::{LONG, Scenario};
use crate::support::{binary, wait_until};

/// Kills of the notifier while alerts come.
const KILLS: usize = 6;

/// The alerts that this scenario's pipeline published: id and state, in order.
fn published(scenario: &Scenario) -> Vec<(String, String)> {
    let inspector = scenario.inspector();
    let before = scenario.before("tidegate.alert");
    let records = inspector
        .read_committed("tidegate.alert", before, LONG)
        .unwrap();
    let values = records.iter().filter_map(|record| record.value.as_deref());
    let values = values.map(|value| serde_json::from_slice::<Value>(value).unwrap());
    let text = |value: &Value| value.as_str().unwrap().to_owned();
    values
        .filter(|alert| alert["pipeline"] == scenario.workload().name())
        .map(|alert| (text(&alert["id"]), text(&alert["state"])))
        .collect()
}

/// The notices in the output of one notifier; a line that a kill cut short is none.
pub(super) fn notices(output: &str) -> Vec<Value> {
    let lines = output.lines().filter(|line| line.starts_with('{'));
    lines
        .filter_map(|line| serde_json::from_str(line).ok())
        .collect()
}

/// The changes that a notice tells: each alert's id and state.
pub(super) fn told(notice: &Value) -> impl Iterator<Item = (String, String)> {
    let alerts = notice["alerts"].as_array().cloned().unwrap_or_default();
    alerts.into_iter().map(|alert| {
        let text = |key: &str| alert["record"][key].as_str().unwrap().to_owned();
        (text("id"), text("state"))
    })
}

fn start(scenario: &Scenario, kafka: &Kafka, folder: &Path, run: usize) -> Product {
    let args = [
        "notify",
        "run",
        scenario.pipeline().to_str().unwrap(),
        "--bootstrap",
        &kafka.bootstrap(),
        "--state",
        folder.to_str().unwrap(),
    ];
    let args = args.map(str::to_owned);
    Product::start(binary(), &args, &[], (folder, &format!("notify-{run}")))
}

#[test]
fn real_notices_survive_kills_under_their_ids() {
    let Some(kafka) = Kafka::one() else { return };
    let mut scenario = Scenario::new(&kafka, "notices", 1_200);
    let write = |name: &str, text: &str| {
        std::fs::write(scenario.pipeline().join(name), text).unwrap();
    };
    write(
        "routes.toml",
        "[[route]]\nname = \"default\"\nchannels = [\"log\"]\ngroup_wait = \"0s\"\n\
         group_interval = \"1s\"\n[storm]\nnotices_per_minute = 10000\n",
    );
    write(
        "channels.toml",
        "[[channel]]\nname = \"log\"\nkind = \"stdout\"\n",
    );
    let folder = tempfile::tempdir().unwrap();
    let mut outputs = Vec::new();
    let sending = scenario.send_slowly();
    let product = scenario.run(None);
    for run in 0..KILLS {
        let mut notifier = start(&scenario, &kafka, folder.path(), run);
        // As long as it takes to have told something, and a little at random.
        wait_until(LONG, || {
            (!notices(&notifier.output()).is_empty()).then_some(())
        })
        .unwrap_or_else(|| panic!("nothing is told: {}", notifier.output()));
        std::thread::sleep(std::time::Duration::from_millis(37 * run as u64));
        notifier.kill();
        outputs.push(notifier.output());
    }
    sending.join().unwrap();
    scenario.wait_complete();
    product.terminate();
    let mut last = start(&scenario, &kafka, folder.path(), KILLS);
    let published = published(&scenario);
    let open: BTreeSet<&String> = published.iter().map(|(id, _)| id).collect();
    assert!(open.len() > 10, "{}", open.len());
    let finals: BTreeMap<&String, &String> =
        published.iter().map(|(id, state)| (id, state)).collect();
    let complete = || {
        let mut newest: BTreeMap<String, String> = BTreeMap::new();
        for output in outputs.iter().cloned().chain([last.output()]) {
            for notice in notices(&output) {
                newest.extend(told(&notice));
            }
        }
        // What was told once is told to its end; what still fires was told.
        let good = finals.iter().all(|(id, state)| {
            let is_over = *state == "resolved";
            newest.get(*id).map_or(is_over, |told| told == *state)
        });
        (good && !newest.is_empty()).then_some(newest)
    };
    let newest = wait_until(LONG, complete).unwrap_or_else(|| panic!("{}", last.output()));
    last.terminate();
    assert!(last.must_end(LONG).success(), "{}", last.output());
    outputs.push(last.output());
    // Each of those killed told one at least; an alert that is over before it is told is not told.
    assert!(newest.len() >= KILLS, "{}", newest.len());
    check_ids(&outputs, &published);
}

#[test]
fn real_alerts_do_not_wait_for_the_time_of_their_epoch() {
    let Some(kafka) = Kafka::one() else { return };
    let mut scenario = Scenario::new(&kafka, "urgent", 480);
    scenario.send_some(&scenario.workload().records());
    let mut product = scenario.run_with(&["--epoch-every", "1h"], None);
    wait_until(LONG, || (!published(&scenario).is_empty()).then_some(()))
        .unwrap_or_else(|| panic!("no alert: {}", product.output()));
    product.terminate();
    assert!(product.must_end(LONG).success(), "{}", product.output());
}

/// Nothing is made up, an id is one notice, and a change of an alert is in one.
fn check_ids(outputs: &[String], published: &[(String, String)]) {
    let known: BTreeSet<&(String, String)> = published.iter().collect();
    let mut by_id: BTreeMap<String, Value> = BTreeMap::new();
    for notice in outputs.iter().flat_map(|output| notices(output)) {
        for change in told(&notice) {
            assert!(known.contains(&change), "made up: {change:?}");
        }
        let id = notice["id"].as_str().unwrap().to_owned();
        let first = by_id.entry(id).or_insert_with(|| notice.clone());
        assert_eq!(*first, notice, "one id, two notices");
    }
    let mut changes: BTreeMap<(String, String, String), &String> = BTreeMap::new();
    for (id, notice) in &by_id {
        for alert in notice["alerts"].as_array().unwrap() {
            let text = |key: &str| alert["record"][key].as_str().unwrap().to_owned();
            let change = (text("id"), text("state"), text("window_end"));
            if let Some(other) = changes.insert(change.clone(), id) {
                panic!("{change:?} is in {id} and in {other}");
            }
        }
    }
}
