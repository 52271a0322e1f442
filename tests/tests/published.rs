//! What a run has told, read back from a real Kafka: tries to have a row lost, doubled or changed on
//! the way through JSON, and rows of another pipeline or time taken.

use std::collections::BTreeMap;
use std::path::Path;

use tidegate_connect::{KafkaSink, Properties, Retention};

use crate::support::{city, real_kafka, root, stdout, tidegate, write_file};

/// A city that reads and publishes beside others on one cluster; gives its folder.
pub(crate) fn published_city(
    folder: &Path,
    bootstrap: &str,
    name: &str,
    changed: &[(&str, &str)],
) -> String {
    let name = format!("{name}-{}", std::process::id());
    let to = city(folder, changed);
    let change = |file: &str, edit: &dyn Fn(String) -> String| {
        let text = std::fs::read_to_string(Path::new(&to).join(file)).unwrap();
        write_file(Path::new(&to), file, &edit(text));
    };
    change("pipeline.toml", &|text| {
        text.replace("\"city\"", &format!("\"{name}\""))
    });
    let sink = KafkaSink::connect(bootstrap, &Properties::new()).unwrap();
    for feed in std::fs::read_dir(Path::new(&to).join("feeds")).unwrap() {
        let file = feed.unwrap().file_name().into_string().unwrap();
        let topic = format!("{name}.{file}");
        change(&format!("feeds/{file}"), &|text| {
            format!("topic = \"{topic}\"\n{text}")
        });
        sink.ensure_topics(&[(&topic, 1, Retention::Forever)])
            .unwrap();
    }
    to
}

/// Sends the records of a file to the feed `venue`, and has a run publish what comes of them; `out`
/// is its lake.
pub(crate) fn publish(city: &str, bootstrap: &str, file: &str, out: &str) {
    let input = format!("venue={file}");
    stdout(["replay", city, "--input", &input, "--bootstrap", bootstrap]);
    let run = ["run", city, "--bootstrap", bootstrap, "--until-caught-up"];
    let run = [&run[..], &["--out", out, "--json"]].concat();
    let run: [&str; 8] = run.try_into().unwrap();
    stdout(run);
}

/// The bytes of every table, by `TABLE/NAME.parquet`.
fn tables(lake: &Path) -> BTreeMap<String, Vec<u8>> {
    let mut tables = BTreeMap::new();
    for table in std::fs::read_dir(lake).unwrap().map(Result::unwrap) {
        if !table.path().is_dir() {
            continue;
        }
        for file in std::fs::read_dir(table.path()).unwrap().map(Result::unwrap) {
            let name =
                [table.file_name(), file.file_name()].map(|name| name.into_string().unwrap());
            tables.insert(name.join("/"), std::fs::read(file.path()).unwrap());
        }
    }
    tables
}

#[test]
fn what_was_published_is_the_lake_of_a_run() {
    let Some(bootstrap) = real_kafka() else {
        return;
    };
    let folder = tempfile::tempdir().unwrap();
    let city = published_city(folder.path(), &bootstrap, "published", &[]);
    let path = |name: &str| folder.path().join(name).to_str().unwrap().to_owned();
    let (own, back) = (path("own"), path("back"));
    let examples = root().join("pipelines/city/examples/venue.jsonl");
    publish(&city, &bootstrap, examples.to_str().unwrap(), &own);

    let lake = |city: &str, from: &str, out: &str| {
        let to = "2026-03-03T00:00:00+08:00";
        tidegate([
            "lake",
            city,
            "--bootstrap",
            &bootstrap,
            "--from",
            from,
            "--to",
            to,
            "--out",
            out,
        ])
    };
    let done = lake(&city, "2026-03-01T00:00:00+08:00", &back);
    assert!(done.status.success(), "{done:?}");
    let own = tables(Path::new(&own));
    let back = tables(Path::new(&back));
    assert!(
        back.contains_key("layer/venue_density.parquet"),
        "{:?}",
        back.keys()
    );
    for (name, bytes) in &back {
        assert!(own[name] == *bytes, "{name} has other rows");
    }
    let left_out: Vec<&str> = own
        .keys()
        .map(String::as_str)
        .filter(|name| !back.contains_key(*name))
        .collect();
    assert_eq!(
        left_out,
        [
            "duplicate/duplicate.parquet",
            "late/late.parquet",
            "pane/cell_15m.parquet",
            "pane/flow_5m.parquet",
            "pane/inflow_15m.parquet",
            "rejected/rejected.parquet",
        ]
    );

    // Nothing of another pipeline is taken, and where nothing is left the folder stays as it was.
    let other = folder.path().join("other");
    std::fs::create_dir(&other).unwrap();
    let other = published_city(&other, &bootstrap, "unpublished", &[]);
    let out = path("none");
    let refused = lake(&other, "2026-03-01T00:00:00+08:00", &out);
    let said = String::from_utf8_lossy(&refused.stderr);
    assert!(
        !refused.status.success() && said.contains("did it run on this cluster"),
        "{said}"
    );
    assert!(!Path::new(&out).exists());
    // The period is over before it begins.
    let refused = lake(&city, "2026-03-04T00:00:00+08:00", &out);
    let said = String::from_utf8_lossy(&refused.stderr);
    assert!(said.contains("is not before --to"), "{said}");
}
