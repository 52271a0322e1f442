//! What is too large for a topic is not lost.

use std::path::Path;
use std::time::Duration;

use serde_json::Value;
use tidegate_connect::{Inspector, KafkaSink, Properties};

use super::kafka::Kafka;
use super::product::Product;
use super::scenario::LONG;
use crate::support::{binary, stdout, wait_until, write_file};

/// More than a record of `tidegate.rejected` can hold as base64, and less than a broker's request.
const BYTES: usize = 14 << 20;
const TOPIC: &str = "tidegate.rejected";

/// What `tidegate rejected show` says of the large one.
fn show(bootstrap: &str) -> String {
    let args = ["rejected", "show", "gate/0/0", "--bootstrap", bootstrap];
    stdout(args)
}

/// The epoch is committed with a record that says where the bytes are.
#[test]
fn real_a_rejection_larger_than_its_topic_takes_is_put_aside() {
    let Some(kafka) = Kafka::one() else { return };
    let inspector = Inspector::new(&kafka.bootstrap());
    let name = format!("large-{}", std::process::id());
    let feed = format!("faults.{name}");
    let limit = [("max.message.bytes", "33554432")];
    inspector.create_topic(&feed, 1, &limit, LONG).unwrap();
    let folder = tempfile::tempdir().unwrap();
    let pipeline = folder.path().join("pipeline");
    let window = "[[window]]\nname = \"minute\"\nsize = \"1m\"\n";
    write_file(
        &pipeline,
        "pipeline.toml",
        &format!("name = \"{name}\"\n{window}"),
    );
    let sql = "SELECT site_id, sum(count) AS persons FROM observation GROUP BY site_id\n";
    write_file(&pipeline, "windows/minute.sql", sql);
    let config = format!("format = \"json\"\ntopic = \"{feed}\"\nunknown_site = \"accept\"\n");
    write_file(&pipeline, "feeds/gate.toml", &config);

    let before = inspector
        .ends(TOPIC, Duration::from_secs(5))
        .unwrap_or_default();
    let mut sink = KafkaSink::connect(&kafka.bootstrap(), &Properties::new()).unwrap();
    let large = vec![b'x'; BYTES];
    sink.send(&feed, Some(0), None, Some(&large), None).unwrap();
    sink.send(&feed, Some(0), None, Some(b"small"), None)
        .unwrap();
    sink.flush(LONG).unwrap();

    let state = folder.path().join("state");
    let args = [
        "run",
        pipeline.to_str().unwrap(),
        "--bootstrap",
        &kafka.bootstrap(),
        "--state",
        state.to_str().unwrap(),
        "--epoch-every",
        "200ms",
        "--json",
    ];
    let args: Vec<String> = args.into_iter().map(str::to_owned).collect();
    let mut product = Product::start(binary(), &args, &[], (folder.path(), "run"));
    let rows = wait_until(LONG, || {
        let records = inspector.read_committed(TOPIC, &before, LONG).ok()?;
        let values = records.iter().filter_map(|record| record.value.as_deref());
        let rows: Vec<Value> = values.map(|v| serde_json::from_slice(v).unwrap()).collect();
        (rows.len() >= 2).then_some(rows)
    });
    product.terminate();
    assert!(product.must_end(LONG).success(), "{}", product.output());
    check_rows(&rows.unwrap(), &state, &kafka.bootstrap());
}

/// The first row says where its record lies, which has all of its bytes; the second has its own.
fn check_rows(rows: &[Value], state: &Path, bootstrap: &str) {
    assert_eq!(rows.len(), 2, "{rows:?}");
    // It still says which record it is and why, so that it is found.
    assert_eq!(
        (
            &rows[0]["feed"],
            &rows[0]["source_offset"],
            &rows[0]["reason"]
        ),
        (&"gate".into(), &0.into(), &"too_large".into())
    );
    let aside = &rows[0]["put_aside"];
    let shown = show(bootstrap);
    let name = aside["name"].as_str().unwrap();
    assert!(
        shown.contains("too_large") && shown.contains(name),
        "{shown}"
    );
    let stored = std::fs::read(state.join(name)).unwrap();
    assert_eq!(aside["bytes"], stored.len());
    let row: Value = serde_json::from_slice(&stored).unwrap();
    assert_eq!(row["source_offset"], 0);
    // Base64 takes four bytes for three.
    let text = row["bytes"].as_str().unwrap();
    assert_eq!(text.len(), BYTES.div_ceil(3) * 4);
    assert_eq!(rows[1]["bytes"], "c21hbGw=");
}
