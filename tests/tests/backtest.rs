//! Tries to have a backtest say something else than the run that wrote the lake, to have it read
//! rows that the live rules never saw, and to get anything but a message out of wrong input.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::path::Path;
use std::sync::Arc;

use arrow::array::{
    ArrayRef, BooleanArray, Float64Array, Int32Array, RecordBatch, StringArray,
    TimestampMicrosecondArray, new_null_array,
};
use serde_json::Value;
use tidegate_connect::{Lake, LakeTable};
use tidegate_model::{EventTime, Span, parse_rfc3339};
use tidegate_query::LAYER_SCHEMA;
use tidegate_sim::{City, Day};

use crate::support::{root, stdout, tidegate, write_file};

const STEP: Span = Span::minutes(10);

fn at(window: i64) -> EventTime {
    let start = parse_rfc3339("2026-06-04T08:00:00+09:00").unwrap();
    start.plus(Span::micros(STEP.as_micros() * window))
}

fn json(text: &str) -> Value {
    serde_json::from_str(text).unwrap_or_else(|error| panic!("{error}\n{text}"))
}

/// What an alert went through: `state at window end` by id, of live alerts or of a backtest.
type Histories = BTreeMap<String, Vec<String>>;

/// The alerts of a lake that were raised, as its own run told them.
fn told(lake: &str) -> Histories {
    let lines = stdout([
        "sql",
        "--json",
        "--data",
        lake,
        "SELECT id, rule, subject, state, window_end FROM alert ORDER BY window_end, id",
    ]);
    let mut histories = Histories::new();
    for line in lines.lines() {
        let row = json(line);
        let text = |key: &str| row[key].as_str().unwrap().trim_end_matches('Z').to_owned();
        let history = histories.entry(text("id")).or_default();
        if ["firing", "flapping", "resolved"].contains(&text("state").as_str()) {
            history.push(format!(
                "{} {} {} {}",
                text("rule"),
                text("subject"),
                text("state"),
                text("window_end")
            ));
        }
    }
    histories.retain(|_, history| history.iter().any(|line| line.contains(" firing ")));
    histories
}

/// The alerts of a backtest.
fn backtested(answer: &Value) -> Histories {
    let mut histories = Histories::new();
    for rule in answer["rules"].as_array().unwrap() {
        for one in rule["episodes"].as_array().unwrap() {
            let text = |key: &str| one[key].as_str().unwrap().trim_end_matches('Z').to_owned();
            let history = histories.entry(text("id")).or_default();
            let line = |state: &str, time: &str| {
                format!("{} {} {state} {time}", text("rule"), text("subject"))
            };
            history.push(line("firing", &text("raised")));
            if one["resolved"].is_string() {
                history.push(line("resolved", &text("resolved")));
            }
        }
    }
    histories
}

#[test]
fn a_backtest_over_a_runs_own_lake_repeats_its_alerts() {
    let folder = tempfile::tempdir().unwrap();
    let day = Day::new(&City::standard(), 5);
    let mut files: BTreeMap<String, String> = BTreeMap::new();
    for message in day.messages() {
        let text = String::from_utf8_lossy(&message.bytes).replace('\n', " ");
        writeln!(files.entry(message.feed.to_string()).or_default(), "{text}").unwrap();
    }
    let lake = folder.path().join("lake");
    let mut args = vec![
        "backfill".to_owned(),
        "pipelines/demo".to_owned(),
        "--out".to_owned(),
    ];
    args.push(lake.to_str().unwrap().to_owned());
    for (feed, text) in &files {
        let path = folder.path().join(format!("{feed}.jsonl"));
        std::fs::write(&path, text).unwrap();
        args.extend(["--input".to_owned(), format!("{feed}={}", path.display())]);
    }
    let output = std::process::Command::new(crate::support::binary())
        .args(&args)
        .current_dir(root())
        .output()
        .unwrap();
    assert!(
        output.status.success(),
        "{}",
        String::from_utf8_lossy(&output.stderr)
    );
    let lake = lake.to_str().unwrap();
    let answer = json(&stdout([
        "rules",
        "backtest",
        "pipelines/demo",
        "--data",
        lake,
        "--json",
    ]));
    let live = told(lake);
    assert!(live.len() >= 3, "the day has alerts: {live:?}");
    assert_eq!(backtested(&answer), live);
    assert_eq!(answer["rows"], "as_of_arrival");
    assert_eq!(answer["refused"], 0);
    // A set of rules differs in nothing from itself.
    let same = json(&stdout([
        "rules",
        "diff",
        "pipelines/demo",
        "--rules",
        "pipelines/demo/rules.toml",
        "--data",
        lake,
        "--json",
    ]));
    assert_eq!(same["differences"].as_array().unwrap().len(), 0, "{same}");
    assert_eq!(same["same"].as_u64(), Some(live.len() as u64));
    let suggested = json(&stdout([
        "rules",
        "suggest",
        "pipelines/demo",
        "venue-density",
        "--data",
        lake,
        "--per-week",
        "20",
        "--json",
    ]));
    assert!(
        suggested["suggested"]["per_week"].as_f64().unwrap() <= 20.0,
        "{suggested}"
    );
}

/// A folder with one layer and one rule.
fn pipeline(folder: &Path) -> String {
    let write = |path: &str, text: &str| write_file(&folder.join("p"), path, text);
    write(
        "pipeline.toml",
        "name = \"p\"\nzone = \"Asia/Seoul\"\n[[window]]\nname = \"w\"\nsize = \"10m\"\n\
         [[layer]]\nname = \"present\"\non = \"w\"\n",
    );
    write("feeds/gate.toml", "format = \"json\"\n");
    write(
        "windows/w.sql",
        "SELECT site_id, sum(count) AS persons FROM observation GROUP BY site_id",
    );
    write(
        "layers/present.sql",
        "SELECT 'site' AS subject_kind, site_id AS subject, persons AS value, 'persons' AS unit, \
         'x@1' AS method FROM w",
    );
    write("rules.toml", RULES);
    folder.join("p").to_str().unwrap().to_owned()
}

const RULES: &str = "[[rule]]
name = \"busy\"
layer = \"present\"
fire_above = 5.0
clear_below = 3.0
severity = \"watch\"
owner = \"duty\"
title = { zh-CN = \"{name}：{value}\", en = \"{name}: {value}\" }
do = { zh-CN = \"看。\", en = \"Look.\" }
";

/// Writes windows of subject `a`: window, revision, value.
fn write_lake(dir: &Path, rows: &[(i64, i32, f64)]) -> String {
    let mut lake = Lake::create(dir).unwrap();
    for (window, revision, value) in rows {
        let text = |text: &str| -> ArrayRef { Arc::new(StringArray::from(vec![text])) };
        let time = |time: EventTime| -> ArrayRef {
            Arc::new(TimestampMicrosecondArray::from(vec![time.micros()]).with_timezone("UTC"))
        };
        let columns = LAYER_SCHEMA
            .fields()
            .iter()
            .map(|field| match field.name().as_str() {
                "layer" => text("present"),
                "window_start" => time(at(*window - 1)),
                "window_end" => time(at(*window)),
                "subject_kind" => text("site"),
                "subject" => text("a"),
                "unit" => text("persons"),
                "method" => text("x@1"),
                "value" => Arc::new(Float64Array::from(vec![*value])) as ArrayRef,
                "revision" => Arc::new(Int32Array::from(vec![*revision])),
                "is_final" => Arc::new(BooleanArray::from(vec![true])),
                _ => new_null_array(field.data_type(), 1),
            });
        let rows = RecordBatch::try_new(Arc::clone(&LAYER_SCHEMA), columns.collect()).unwrap();
        lake.write(LakeTable::Layer, "present", &rows).unwrap();
    }
    lake.finish(&serde_json::json!({})).unwrap();
    dir.to_str().unwrap().to_owned()
}

#[test]
fn late_rows_count_only_where_they_are_asked_for() {
    let folder = tempfile::tempdir().unwrap();
    let pipeline = pipeline(folder.path());
    // Window 2 looked quiet when it closed; what came late says that it was not.
    let rows = [
        (1, 0, 1.0),
        (2, 0, 2.0),
        (3, 0, 1.0),
        (2, 1, 8.0),
        (4, 0, 1.0),
        (5, 1, 9.0),
        (6, 0, 1.0),
    ];
    let lake = write_lake(&folder.path().join("lake"), &rows);
    let fires = |more: &str| {
        let answer = json(&stdout([
            "rules", "backtest", &pipeline, "--data", &lake, "--json", more,
        ]));
        let raised = answer["rules"][0]["episodes"].as_array().unwrap().iter();
        let raised = raised.map(|one| one["raised"].as_str().unwrap().to_owned());
        (
            answer["rows"].as_str().unwrap().to_owned(),
            raised.collect::<Vec<_>>(),
        )
    };
    assert_eq!(
        fires("--as-of-arrival"),
        ("as_of_arrival".to_owned(), vec![])
    );
    let known = vec![at(2).to_string(), at(5).to_string()];
    assert_eq!(fires("--as-known-now"), ("as_known_now".to_owned(), known));
}

#[test]
fn events_differences_and_periods_are_told() {
    let folder = tempfile::tempdir().unwrap();
    let pipeline = pipeline(folder.path());
    let rows = [1.0, 6.0, 8.0, 1.0, 1.0, 5.0, 1.0, 9.0, 1.0];
    let rows: Vec<_> = (1..)
        .zip(rows)
        .map(|(window, value)| (window, 0, value))
        .collect();
    let lake = write_lake(&folder.path().join("lake"), &rows);
    write_file(
        folder.path(),
        "events.csv",
        "subject,starts_at,ends_at,label\na,2026-06-04T08:30:00+09:00,2026-06-04T08:40:00+09:00,show\n\
         *,2026-06-04T09:05:00+09:00,2026-06-04T09:10:00+09:00,rain\n\
         b,2026-06-04T08:30:00+09:00,2026-06-04T08:40:00+09:00,unknown\n\
         a,2027-06-04T08:30:00+09:00,2027-06-04T08:40:00+09:00,outside\n",
    );
    write_file(folder.path(), "new.toml", &RULES.replace("5.0", "7.0"));
    let path = |name: &str| folder.path().join(name).to_str().unwrap().to_owned();
    let answer = json(&stdout([
        "rules",
        "backtest",
        &pipeline,
        "--data",
        &lake,
        "--json",
        "--tolerance",
        "10m",
        "--events",
        &path("events.csv"),
        "--rules",
        &path("new.toml"),
    ]));
    let events = &answer["rules"][0]["events"];
    assert_eq!(events["recall"]["of"], 2, "{answer}");
    assert_eq!(events["recall"]["hits"], 1);
    assert_eq!(events["events"][0]["lead_s"], 0.0);
    assert_eq!(answer["notes"].as_array().unwrap().len(), 2);
    assert_eq!(answer["diff"]["vanish"], 1);
    assert_eq!(answer["diff"]["change"], 1);
    assert_eq!(answer["diff"]["same"], 1);
    let text = stdout([
        "rules",
        "backtest",
        &pipeline,
        "--data",
        &lake,
        "--from",
        "2026-06-04T08:30:00+09:00",
        "--to",
        "2026-06-04T09:00:00+09:00",
        "--limit",
        "1",
    ]);
    assert!(text.contains("3 of 3 expected"), "{text}");
    let coverage = text.find("Coverage").unwrap();
    assert!(
        coverage < text.find("Rules").unwrap() && text.contains("Alerts, 1 of 1"),
        "{text}"
    );
}

#[test]
fn wrong_input_is_named() {
    let folder = tempfile::tempdir().unwrap();
    let pipeline = pipeline(folder.path());
    let lake = write_lake(&folder.path().join("lake"), &[(1, 0, 1.0)]);
    let check = |args: &[&str], code: i32, words: &str| {
        let output = std::process::Command::new(crate::support::binary())
            .arg("rules")
            .args(args)
            .output()
            .unwrap();
        let err = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(code), "{args:?}\n{err}");
        assert!(err.contains(words), "{args:?} should say {words:?}\n{err}");
    };
    let backtest = |more: &[&str], words: &str| {
        check(
            &[&["backtest", &pipeline, "--data", &lake], more].concat(),
            1,
            words,
        );
    };
    backtest(&["--from", "2026-06-05", "--to", "2026-06-05"], "is empty");
    backtest(
        &["--from", "2027-01-01"],
        "no window of the rules' layers lies in the period",
    );
    backtest(&["--from", "yesterday"], "is neither a time");
    check(&["backtest", &pipeline], 1, "--data LAKE");
    check(
        &[
            "backtest",
            &pipeline,
            "--data",
            folder.path().to_str().unwrap(),
        ],
        1,
        "is not a folder that a run has written",
    );
    check(&["bactest", &pipeline], 2, "backtest");
    check(
        &[
            "suggest",
            &pipeline,
            "bussy",
            "--data",
            &lake,
            "--per-week",
            "1",
        ],
        1,
        "there are busy",
    );
    write_file(
        folder.path(),
        "events.csv",
        "subject,starts_at,ends_at\na,noon,noon\n",
    );
    let events = folder.path().join("events.csv");
    let events = events.to_str().unwrap();
    backtest(&["--events", events], "events.csv:2: starts_at");
    write_file(folder.path(), "bad.toml", &RULES.replace("3.0", "9.0"));
    let bad = folder.path().join("bad.toml");
    check(
        &["diff", &pipeline, "--rules", bad.to_str().unwrap()],
        78,
        "bad.toml:5: rule[0].clear_below",
    );
    std::fs::remove_file(folder.path().join("lake/layer/present.parquet")).unwrap();
    backtest(&[], "layer \"present\", on which busy rests, is not in");
}

/// Whoever starts from them starts from rules without a warning.
#[test]
fn the_citys_rules_pass_strict_checks() {
    let said = stdout(["rules", "check", "pipelines/city", "--strict"]);
    assert!(said.contains("no problems, 0 warnings"), "{said}");
}

#[test]
fn rules_are_checked_and_tested_beside_their_file() {
    let folder = tempfile::tempdir().unwrap();
    let pipeline = pipeline(folder.path());
    assert!(stdout(["rules", "check", &pipeline]).contains("no problems"));
    let output = tidegate(["rules", "check", &pipeline, "--strict"]);
    let text = String::from_utf8_lossy(&output.stdout);
    assert_eq!(output.status.code(), Some(1), "{text}");
    assert!(
        text.contains("rules.toml:2: rule busy: runbook is missing"),
        "{text}"
    );
    write_file(
        Path::new(&pipeline),
        "channels.toml",
        "[[channel]]\nname = \"log\"\nkind = \"stdout\"\n",
    );
    let routes = "[[duty]]\nrole = \"night-duty\"\nkind = \"market\"\nchannels = [\"log\"]\n\
                  [[route]]\nname = \"default\"\nchannels = [\"log\"]\n";
    write_file(Path::new(&pipeline), "routes.toml", routes);
    let output = tidegate(["rules", "check", &pipeline, "--strict"]);
    let text = String::from_utf8_lossy(&output.stdout);
    assert!(
        text.contains("owner") && text.contains("night-duty"),
        "{text}"
    );
    let case = "[[case]]\nname = \"c\"\nlayer = \"present\"\nfrom = \"2026-06-04T08:00:00Z\"\nevery = \"10m\"\n\
         [[case.given]]\nsubject = \"a\"\nsubject_kind = \"site\"\nvalues = [1, 6, \"-\", 2]\n\
         [[case.expect]]\nrule = \"busy\"\nsubject = \"a\"\nat = \"2026-06-04T08:20:00Z\"\nstate = \"STATE\"\n";
    write_file(
        Path::new(&pipeline),
        "rules.test.toml",
        &case.replace("STATE", "firing"),
    );
    assert!(stdout(["rules", "test", &pipeline]).contains("1 passed, 0 failed"));
    write_file(
        Path::new(&pipeline),
        "tests/rules/more.toml",
        &case.replace("STATE", "normal"),
    );
    let output = tidegate(["rules", "test", &pipeline]);
    let text = String::from_utf8_lossy(&output.stdout);
    assert_eq!(output.status.code(), Some(1), "{text}");
    assert!(
        text.contains("1 passed, 1 failed") && text.contains("expected"),
        "{text}"
    );
    write_file(
        Path::new(&pipeline),
        "rules.test.toml",
        &case.replace("\"busy\"", "\"bussy\""),
    );
    let output = tidegate(["rules", "test", &pipeline]);
    assert_eq!(output.status.code(), Some(78));
    let text = String::from_utf8_lossy(&output.stderr);
    assert!(text.contains("rules.test.toml:11: case[0].rule"), "{text}");
}
