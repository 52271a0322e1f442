//! The command line: exit codes, messages, the demo's summary, every pipeline folder.

use crate::support::{root, stdout, tidegate, write_file};

#[test]
fn every_pipeline_is_good_and_passes_its_own_tests() {
    for entry in std::fs::read_dir(root().join("pipelines")).unwrap() {
        let folder = entry.unwrap().path();
        let folder = folder.to_str().unwrap();
        assert!(stdout(["check", folder]).contains("is good"), "{folder}");
        assert!(stdout(["test", folder]).contains("0 failed"), "{folder}");
    }
}

#[test]
fn the_demo_detects_what_was_injected_and_accounts_for_every_record() {
    // The day that the README shows.
    let text = stdout(["demo", "--exit", "--json"]);
    let summary: serde_json::Value = serde_json::from_str(&text).unwrap();
    let number = |name: &str| {
        summary[name]
            .as_u64()
            .unwrap_or_else(|| panic!("{name} in {text}"))
    };
    assert_eq!(
        number("received"),
        number("counted") + number("late") + number("duplicate") + number("rejected")
    );
    let injected = summary["injected"].as_array().unwrap();
    assert!(injected.len() >= 8, "{text}");
    for event in injected {
        assert_eq!(event["detected"], true, "{event}");
    }
    let day = tidegate_sim::Day::new(&tidegate_sim::City::standard(), 1);
    let truth = day.truth();
    assert_eq!(number("received"), truth.messages);
    assert_eq!(number("duplicate"), truth.duplicates);
    assert_eq!(number("late"), truth.late);
    assert_eq!(number("counted"), truth.counted());
    let by_reason = &summary["rejected_by_reason"];
    assert_eq!(by_reason["time_in_future"].as_u64(), Some(truth.future));
    for (reason, count) in &truth.broken {
        assert_eq!(by_reason[reason].as_u64(), Some(*count), "{reason}");
    }
}

#[test]
fn a_bad_pipeline_exits_78_and_lists_all_problems() {
    let folder = tempfile::tempdir().unwrap();
    let write = |path: &str, text: &str| write_file(folder.path(), path, text);
    write(
        "pipeline.toml",
        "name = \"bad\"\nzone = \"Mars/Olympus\"\n[[window]]\nname = \"w\"\nsize = \"10m\"\nslide = \"3m\"\n\
         [[layer]]\nname = \"l\"\non = \"nope\"\n",
    );
    write("feeds/gate.toml", "format = \"json\"\ncount_max = -5\n");
    write(
        "windows/w.sql",
        "SELECT sum(latitude) AS x FROM observation",
    );
    write("windows/unused.sql", "SELECT 1");
    write("layers/l.sql", "SELECT 1");
    write(
        "rules.toml",
        "[[rule]]\nname = \"r\"\nlayer = \"l\"\nfire_above = 0.8\nclear_below = 0.9\nseverity = \"watch\"\n\
         owner = \"duty\"\ntitle = { zh-CN = \"x\", en = \"x\" }\ndo = { zh-CN = \"x\", en = \"x\" }\n",
    );
    let output = tidegate(["check", folder.path().to_str().unwrap()]);
    let text = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_eq!(output.status.code(), Some(78), "{text}");
    for wanted in [
        "pipeline.toml:2: zone: \"Mars/Olympus\"",
        "slide 3m must divide window size 10m",
        "\"nope\" is not a window",
        "feeds/gate.toml:2: count_max",
        "windows/unused.sql: is not used",
        "rules.toml:5:",
        "0.9",
        "0.8",
    ] {
        assert!(text.contains(wanted), "{wanted:?} is not in\n{text}");
    }
}

/// What is told of feeds can be asked for as everything else that a run writes.
#[test]
fn the_quality_of_feeds_can_be_queried() {
    let folder = tempfile::tempdir().unwrap();
    let out = folder.path().join("out");
    let out = out.to_str().unwrap();
    let input = "venue=pipelines/city/examples/venue.jsonl";
    let summary = stdout([
        "backfill",
        "pipelines/city",
        "--input",
        input,
        "--out",
        out,
        "--json",
    ]);
    let summary: serde_json::Value = serde_json::from_str(&summary).unwrap();
    let query = "SELECT sum(records) AS records FROM feed_quality WHERE feed = 'venue'";
    let told = stdout(["sql", "--data", out, "--json", query]);
    let told: serde_json::Value = serde_json::from_str(&told).unwrap();
    assert!(summary["counted"].as_u64().unwrap() > 0, "{summary}");
    // Its counts are of a minute, each within one window.
    assert_eq!(told["records"], summary["counted"]);
    let none = stdout([
        "sql",
        "--data",
        out,
        "--json",
        "SELECT * FROM feed_rejected",
    ]);
    assert_eq!(none.trim(), "");
    for table in ["forecast", "aberration"] {
        let query = format!("SELECT DISTINCT layer FROM {table}");
        let layers = stdout(["sql", "--data", out, "--json", &query]);
        assert_eq!(layers.trim(), r#"{"layer":"venue_occupancy"}"#, "{table}");
    }
}

/// Five leave whom nobody saw come: the correction that this takes is a row like any other.
#[test]
fn corrections_of_occupancy_can_be_queried() {
    let folder = tempfile::tempdir().unwrap();
    let record = "{\"site\":\"east-market-gate-1\",\"start\":\"2026-03-02T08:00:00+08:00\",\
                  \"end\":\"2026-03-02T08:05:00+08:00\",\"measure\":\"out\",\"count\":5}\n";
    write_file(folder.path(), "gates.jsonl", record);
    let path = |name: &str| folder.path().join(name).to_str().unwrap().to_owned();
    let (input, out) = (format!("venue={}", path("gates.jsonl")), path("out"));
    let summary = stdout([
        "backfill",
        "pipelines/city",
        "--input",
        &input,
        "--out",
        &out,
        "--json",
    ]);
    let summary: serde_json::Value = serde_json::from_str(&summary).unwrap();
    assert_eq!(summary["occupancy_corrections"], 1);
    let query = "SELECT venue_id, kind, persons_before, persons_after, method \
                 FROM occupancy_correction";
    let told = stdout(["sql", "--data", &out, "--json", query]);
    let told: serde_json::Value = serde_json::from_str(&told).unwrap();
    let expected = serde_json::json!({
        "venue_id": "east-market",
        "kind": "clamped_at_zero",
        "persons_before": -5.0,
        "persons_after": 0.0,
        "method": "occupancy/conservation@1",
    });
    assert_eq!(told, expected);
}

/// What says how feeds come into Kafka is part of the folder.
#[test]
fn check_reads_ingest_toml() {
    let folder = tempfile::tempdir().unwrap();
    let write = |path: &str, text: &str| write_file(folder.path(), path, text);
    write(
        "pipeline.toml",
        "name = \"p\"\n[[window]]\nname = \"w\"\nsize = \"5m\"\n",
    );
    write("feeds/gate.toml", "format = \"json\"\n");
    write(
        "windows/w.sql",
        "SELECT sum(count) AS persons FROM observation",
    );
    let check = || tidegate(["check", folder.path().to_str().unwrap()]);
    assert_eq!(check().status.code(), Some(0), "the file may be left out");
    write(
        "ingest.toml",
        "[poll.gates]\nurl = \"https://data.example.org/x\"\nevery = \"30s\"\n",
    );
    let output = check();
    let text = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_eq!(output.status.code(), Some(78), "{text}");
    assert!(text.contains("ingest.toml: poll.gates"), "{text}");
}

#[test]
fn wrong_command_lines_exit_2_and_name_the_word() {
    for (args, wanted) in [
        (["backfill", "x", "--input", "rail"], "FEED=PATH"),
        (["demo", "--speed", "0", "--exit"], "above 0"),
        (["frobnicate", "", "", ""], "frobnicate"),
    ] {
        let output = tidegate(args);
        let text = String::from_utf8_lossy(&output.stderr).into_owned();
        assert_eq!(output.status.code(), Some(2), "{text}");
        assert!(text.contains(wanted), "{text}");
    }
}

#[test]
fn what_is_missing_is_named() {
    let out = tempfile::tempdir().unwrap();
    let out = out.path().join("out");
    let out = out.to_str().unwrap();
    let hk = "pipelines/hong-kong-border";
    let fails = |args: [&str; 6], wanted: &str| {
        let output = tidegate(args);
        let text = String::from_utf8_lossy(&output.stderr).into_owned();
        assert_eq!(output.status.code(), Some(1), "{args:?}: {text}");
        assert!(
            text.contains(wanted),
            "{args:?}: {wanted:?} is not in {text}"
        );
    };
    let missing = "checkpoint=no-such.csv";
    fails(
        ["backfill", hk, "--input", missing, "--out", out],
        "open no-such.csv: No such file or directory (os error 2)\n",
    );
    fails(
        ["backfill", hk, "--input", "rail=README.md", "--out", out],
        "it has checkpoint",
    );
    fails(
        [
            "backfill",
            hk,
            "--input",
            "checkpoint=README.md",
            "--out",
            out,
        ],
        "README.md",
    );
    fails(
        [
            "run",
            hk,
            "--bootstrap",
            "127.0.0.1:9",
            "--until-caught-up",
            "--json",
        ],
        "127.0.0.1:9",
    );
    assert!(!std::path::Path::new(out).join("summary.json").exists());
}
