//! Recorded real feeds reproduce known totals, from files and through a real Apache Kafka, with
//! byte-equal panes and layers.

use std::path::Path;
use std::process::Command;

use crate::support::{real_kafka, root, shared_data, stdout};

/// A pipeline with the recorded files of its feeds.
struct Recorded {
    pipeline: &'static str,
    inputs: &'static [&'static str],
}

const HONG_KONG: Recorded = Recorded {
    pipeline: "pipelines/hong-kong-border",
    inputs: &["checkpoint=hk_border/statistics_on_daily_passenger_traffic_2021_2024.csv"],
};
const BENGALURU: Recorded = Recorded {
    pipeline: "pipelines/bengaluru-metro",
    inputs: &[
        "entries=bengaluru_metro/station-hourly-entries-2025-08.parquet",
        "od=bengaluru_metro/stationpair-hourly-2025-08.parquet",
    ],
};
const NEW_YORK: Recorded = Recorded {
    pipeline: "pipelines/new-york-subway",
    inputs: &[
        "turnstile=mta_turnstile/240113.csv.gz",
        "turnstile=mta_turnstile/240120.csv.gz",
    ],
};

impl Recorded {
    fn run(&self, data: &Path, command: &str, rest: &[&str]) -> serde_json::Value {
        let mut args = vec![command.to_owned(), self.pipeline.to_owned()];
        for input in self.inputs {
            let (feed, path) = input.split_once('=').unwrap();
            args.push("--input".to_owned());
            args.push(format!("{feed}={}", data.join(path).display()));
        }
        args.extend(rest.iter().map(|arg| (*arg).to_owned()));
        args.push("--json".to_owned());
        run_json(&args)
    }

    fn backfill(&self, data: &Path, out: &Path) -> serde_json::Value {
        let summary = self.run(data, "backfill", &["--out", out.to_str().unwrap()]);
        let number = |name: &str| summary[name].as_u64().unwrap();
        assert_eq!(
            number("received"),
            number("counted") + number("late") + number("duplicate") + number("rejected")
        );
        summary
    }
}

fn run_json(args: &[String]) -> serde_json::Value {
    let target = std::env::var_os("CARGO_TARGET_DIR")
        .map_or_else(|| root().join("target"), std::path::PathBuf::from);
    stdout(["version"]); // builds the binary
    let output = Command::new(target.join("release/tidegate"))
        .args(args)
        .current_dir(root())
        .output()
        .unwrap();
    let err = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{args:?}\n{err}");
    serde_json::from_slice(&output.stdout).unwrap()
}

fn query(out: &Path, sql: &str) -> Vec<serde_json::Value> {
    stdout(["sql", "--json", "--data", out.to_str().unwrap(), sql])
        .lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect()
}

#[test]
fn hong_kong_border_totals() {
    let Some(data) = shared_data() else { return };
    let out = tempfile::tempdir().unwrap();
    let summary = HONG_KONG.backfill(&data, out.path());
    assert_eq!(summary["received"], 44_328);
    assert_eq!(summary["rejected"], 0);
    let days = query(
        out.path(),
        "SELECT CAST(value AS BIGINT) AS persons FROM layer_border_total
         WHERE window_end IN ('2023-01-07T16:00:00Z', '2023-01-08T16:00:00Z') ORDER BY window_end",
    );
    assert_eq!(days[0]["persons"], 61_367);
    assert_eq!(days[1]["persons"], 108_507);
    let lo_wu = query(
        out.path(),
        "SELECT persons FROM pane_border_1d WHERE site_id = 'Lo Wu'
         AND window_end IN ('2023-02-05T16:00:00Z', '2023-02-06T16:00:00Z') ORDER BY window_end",
    );
    assert_eq!(
        (lo_wu[0]["persons"].as_i64(), lo_wu[1]["persons"].as_i64()),
        (Some(0), Some(63_975))
    );
}

#[test]
fn bengaluru_matrix_sums_and_exits_equal_the_matrix_by_destination() {
    let Some(data) = shared_data() else { return };
    let out = tempfile::tempdir().unwrap();
    let summary = BENGALURU.backfill(&data, out.path());
    assert_eq!(summary["feeds"]["od"]["received"], 1_273_629);
    let total = query(out.path(), "SELECT sum(persons) AS persons FROM pane_od_1h");
    assert_eq!(total[0]["persons"], 12_059_475);
    let differences = query(
        out.path(),
        "SELECT count(*) AS n FROM layer_station_exits e
         FULL JOIN layer_od_exits o ON o.subject = e.subject AND o.window_end = e.window_end
         WHERE e.value IS DISTINCT FROM o.value",
    );
    assert_eq!(differences[0]["n"], 0);
    let exits = query(
        out.path(),
        "SELECT sum(persons) AS persons FROM pane_exits_1h",
    );
    assert_eq!(exits[0]["persons"], 12_059_475);
}

#[test]
fn new_york_counter_faults_are_counted_and_never_become_crowds() {
    let Some(data) = shared_data() else { return };
    let out = tempfile::tempdir().unwrap();
    let summary = NEW_YORK.backfill(&data, out.path());
    let faults = &summary["feeds"]["turnstile"]["counter_faults"];
    let down = faults["down"].as_u64().unwrap_or(0) + faults["reset"].as_u64().unwrap_or(0);
    assert!(
        down > 5_000,
        "two weeks have thousands of downward steps: {faults}"
    );
    assert!(faults["implausible"].as_u64().unwrap() > 0, "{faults}");
    // No counter may add more than the step limit in one reading, so no station more than that
    // for each of its readings; a wrapped or reset counter would add up to ten digits.
    let crowds = query(
        out.path(),
        "SELECT count(*) AS n FROM pane_station_4h WHERE persons > readings * 10000 OR persons < 0",
    );
    assert_eq!(crowds[0]["n"], 0);
    let week = query(
        out.path(),
        "SELECT sum(persons) AS persons, max(persons) AS largest FROM pane_station_4h",
    );
    let persons = week[0]["persons"].as_i64().unwrap();
    assert!((50_000_000..80_000_000).contains(&persons), "{persons}");
}

/// Panes and layers, byte for byte, of files and of a real broker.
#[test]
fn a_real_kafka_gives_the_same_bytes_as_files() {
    let (Some(data), Some(bootstrap)) = (shared_data(), real_kafka()) else {
        return;
    };
    for recorded in [&HONG_KONG, &NEW_YORK, &BENGALURU] {
        let (files, kafka) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        recorded.backfill(&data, files.path());
        recorded.run(&data, "replay", &["--bootstrap", &bootstrap]);
        let args = [
            "run",
            recorded.pipeline,
            "--bootstrap",
            &bootstrap,
            "--until-caught-up",
            "--out",
            kafka.path().to_str().unwrap(),
            "--json",
        ];
        let summary = run_json(&args.map(str::to_owned));
        assert_eq!(summary["late"], 0, "{}", recorded.pipeline);
        for folder in ["pane", "layer"] {
            let mut compared = 0;
            for entry in std::fs::read_dir(files.path().join(folder)).unwrap() {
                let path = entry.unwrap().path();
                let other = kafka.path().join(folder).join(path.file_name().unwrap());
                let equal = std::fs::read(&path).unwrap() == std::fs::read(&other).unwrap();
                assert!(equal, "{} differs between files and Kafka", path.display());
                compared += 1;
            }
            assert!(compared > 0);
        }
    }
}
