//! A year of layers through the rules: `tidegate rules backtest` and `suggest` on a lake of 1,000
//! venues with a window each 5 minutes, 105,120,000 rows, reading included.
//!
//! The lake is generated and not simulated: persons follow the hour and the weekday with noise of
//! their own, one row in a thousand has no value, one window in five thousand is missing. Prints one
//! JSON array. `TIDEGATE_BENCH_DAYS` and `TIDEGATE_BENCH_VENUES` change its size;
//! `TIDEGATE_BENCH_LAKE` names a folder in which the lake stays and is used again.

#![expect(
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "this is a command: what it prints is its result"
)]

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::time::Instant;

use arrow::array::{
    ArrayRef, BooleanArray, Float64Array, Int32Array, RecordBatch, StringArray,
    TimestampMicrosecondArray, new_null_array,
};
use serde_json::{Value, json};
use tidegate_connect::{Lake, LakeTable};
use tidegate_query::LAYER_SCHEMA;
use wait4::Wait4;

/// Length of a window in microseconds.
const STEP: i64 = 300_000_000;
/// 2025-01-01T00:00:00+08:00.
const START: i64 = 1_735_660_800_000_000;
const DAY: i64 = 288;

const PIPELINE: [(&str, &str); 4] = [
    (
        "pipeline.toml",
        "name = \"year\"\nzone = \"Asia/Shanghai\"\n\
         [[window]]\nname = \"flow_5m\"\nsize = \"5m\"\n\
         [[layer]]\nname = \"venue_density\"\non = \"flow_5m\"\n",
    ),
    ("feeds/gate.toml", "format = \"json\"\n"),
    (
        "windows/flow_5m.sql",
        "SELECT site_id, sum(count) AS persons FROM observation GROUP BY site_id\n",
    ),
    (
        "layers/venue_density.sql",
        "SELECT 'venue' AS subject_kind, site_id AS subject, persons / 1000.0 AS value, \
         'persons/m²' AS unit, 'density/usable-area@1' AS method FROM flow_5m\n",
    ),
];

/// One rule with a threshold that few evenings reach.
const RULES: &str = "
[[rule]]
name = \"venue-density\"
layer = \"venue_density\"
subject_kind = \"venue\"
fire_above = 1.9
clear_below = 1.5
for = \"5m\"
keep_firing_for = \"10m\"
severity = \"critical\"
owner = \"grid-duty\"
title = { zh-CN = \"{name}：{value}\", en = \"{name}: {value}\" }
do = { zh-CN = \"暂停入场。\", en = \"Stop entry.\" }
";

fn main() {
    let days = number("TIDEGATE_BENCH_DAYS", 365);
    let venues = number("TIDEGATE_BENCH_VENUES", 1_000);
    let kept = std::env::var_os("TIDEGATE_BENCH_LAKE").map(PathBuf::from);
    let scratch = tempfile::tempdir().expect("a folder for the lake");
    let root = kept.unwrap_or_else(|| scratch.path().to_owned());
    let lake = root.join("lake");
    let folder = pipeline(&root.join("pipeline"), RULES);
    let telling = format!("{RULES}on_no_data = \"alert\"\n");
    let telling = pipeline(&root.join("telling"), &telling);
    if !lake.join("summary.json").is_file() {
        eprintln!(
            "writing {days} days of {venues} venues to {}",
            lake.display()
        );
        generate(&lake, days, venues);
    }
    let binary = std::env::var_os("TIDEGATE_BINARY").map_or_else(product, PathBuf::from);
    let suggest = ["venue-density", "--per-week", "3"];
    let results: Vec<Value> = [
        ("backtest, as of arrival", "backtest", &folder, &[][..]),
        (
            "backtest, as known now",
            "backtest",
            &folder,
            &["--as-known-now"],
        ),
        ("backtest, on_no_data = alert", "backtest", &telling, &[]),
        ("suggest", "suggest", &folder, &suggest),
    ]
    .into_iter()
    .map(|(name, command, folder, more)| {
        let mut product = Command::new(&binary);
        product.args(["rules", command]).arg(folder).args(more);
        measure(name, product.arg("--data").arg(&lake).arg("--json"))
    })
    .collect();
    println!("{:#}", Value::Array(results));
}

/// The pipeline with these rules, in `folder`.
fn pipeline(folder: &Path, rules: &str) -> PathBuf {
    for (path, text) in PIPELINE.into_iter().chain([("rules.toml", rules)]) {
        let path = folder.join(path);
        fs::create_dir_all(path.parent().expect("a file is in a folder")).expect("a new folder");
        fs::write(path, text).expect("a new file");
    }
    folder.to_owned()
}

fn number(name: &str, default: i64) -> i64 {
    let text = std::env::var(name).ok();
    text.map_or(default, |text| text.parse().expect("a whole number"))
}

/// The release binary beside this bench. A cargo within cargo would see its variables, which build
/// scripts look at, and build DataFusion anew.
fn product() -> PathBuf {
    let bench = std::env::current_exe().expect("this program has a path");
    let release: &Path = bench.ancestors().nth(2).expect("target/release/deps/bench");
    let binary = release.join("tidegate");
    assert!(
        binary.exists(),
        "build it first: cargo build --release --workspace --bin tidegate"
    );
    binary
}

fn measure(name: &str, command: &mut Command) -> Value {
    let started = Instant::now();
    let mut child = command
        .stdout(Stdio::piped())
        .spawn()
        .expect("the binary starts");
    let out = std::io::read_to_string(child.stdout.take().expect("a pipe")).expect("text");
    let end = child.wait4().expect("the program ends");
    let seconds = started.elapsed().as_secs_f64();
    assert!(end.status.success(), "{out}");
    let answer: Value = serde_json::from_str(&out).expect("JSON");
    json!({
        "name": name,
        "rows": answer["coverage"][0]["rows"],
        "alerts": answer["rules"][0]["fires"],
        "suggested": answer["suggested"],
        "judged": answer["judged"],
        "wall_s": seconds,
        "cpu_s": (end.rusage.utime + end.rusage.stime).as_secs_f64(),
        "peak_mib": end.rusage.maxrss >> 20,
    })
}

/// `SplitMix64`: a number from a number.
fn mixed(seed: u64) -> u64 {
    let mut z = seed.wrapping_add(0x9e37_79b9_7f4a_7c15);
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}

#[expect(clippy::cast_precision_loss, reason = "53 bits")]
fn unit(seed: u64) -> f64 {
    (mixed(seed) >> 11) as f64 / (1_u64 << 53) as f64
}

/// Persons per square metre of a venue in a window; none now and then.
#[expect(
    clippy::cast_precision_loss,
    clippy::cast_sign_loss,
    reason = "small whole numbers"
)]
fn density(window: i64, venue: i64) -> Option<f64> {
    let seed = (window as u64) << 20 | venue as u64;
    if mixed(seed ^ 0xabcd).is_multiple_of(1_000) {
        return None;
    }
    let (hour, day) = ((window % DAY) as f64 / 12.0, window / DAY);
    let evening = (-((hour - 18.0) / 3.0).powi(2)).exp();
    let noon = 0.6 * (-((hour - 12.0) / 2.0).powi(2)).exp();
    let weekend = if matches!(day % 7, 3 | 4) { 1.35 } else { 1.0 };
    let usual = 0.4 + 0.6 * unit(venue as u64);
    let today = 0.6 + 0.8 * unit(((day as u64) << 32) ^ (venue as u64) ^ 0x5eed);
    let noise = 0.9 + 0.2 * unit(seed);
    let area = (200 + venue * 7 % 3_000) as f64;
    let persons = (area * (0.05 + (evening + noon) * weekend * usual * today) * noise).round();
    Some(persons / area)
}

fn generate(dir: &Path, days: i64, venues: i64) {
    let mut lake = Lake::create(dir).expect("a new lake");
    let names: Vec<String> = (0..venues)
        .map(|venue| format!("venue-{venue:06}"))
        .collect();
    let subjects: ArrayRef = Arc::new(StringArray::from(names));
    let count = usize::try_from(venues).expect("a number of venues");
    let text = |text: &str| -> ArrayRef { Arc::new(StringArray::from(vec![text; count])) };
    let (layer, kind) = (text("venue_density"), text("venue"));
    let (unit_name, method) = (text("persons/m²"), text("density/usable-area@1"));
    let times = |micros: i64| -> ArrayRef {
        Arc::new(TimestampMicrosecondArray::from(vec![micros; count]).with_timezone("UTC"))
    };
    let coverage: ArrayRef = Arc::new(Float64Array::from(vec![1.0; count]));
    let zeros: ArrayRef = Arc::new(Int32Array::from(vec![0; count]));
    let finals: ArrayRef = Arc::new(BooleanArray::from(vec![true; count]));
    for window in 0..days * DAY {
        if mixed(window.unsigned_abs() ^ 0x6a9).is_multiple_of(5_000) {
            continue;
        }
        let values: Float64Array = (0..venues).map(|venue| density(window, venue)).collect();
        let values: ArrayRef = Arc::new(values);
        let start = START + window * STEP;
        let columns = LAYER_SCHEMA
            .fields()
            .iter()
            .map(|field| match field.name().as_str() {
                "layer" => Arc::clone(&layer),
                "window_start" => times(start),
                "window_end" => times(start + STEP),
                "subject_kind" => Arc::clone(&kind),
                "subject" => Arc::clone(&subjects),
                "value" => Arc::clone(&values),
                "unit" => Arc::clone(&unit_name),
                "coverage" => Arc::clone(&coverage),
                "revision" => Arc::clone(&zeros),
                "is_final" => Arc::clone(&finals),
                "method" => Arc::clone(&method),
                _ => new_null_array(field.data_type(), count),
            });
        let rows = RecordBatch::try_new(Arc::clone(&LAYER_SCHEMA), columns.collect());
        let rows = rows.expect("the columns of a layer");
        lake.write(LakeTable::Layer, "venue_density", &rows)
            .expect("room on the disk");
    }
    lake.finish(&json!({ "made_by": "tests/benches/backtest.rs" }))
        .expect("room on the disk");
}
