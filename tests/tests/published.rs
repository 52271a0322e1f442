//! What a run has told, read back from a real Kafka: tries to have a row lost, doubled or changed on
//! the way through JSON, and rows of another pipeline or time taken.

use std::collections::BTreeMap;
use std::path::Path;
use std::process::Output;

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

/// What `tidegate lake` says to a period that begins there.
fn lake(city: &str, bootstrap: &str, from: &str, out: &str) -> Output {
    let to = "2026-03-03T00:00:00+08:00";
    let place = ["lake", city, "--bootstrap", bootstrap, "--out", out];
    tidegate([&place[..], &["--from", from, "--to", to]].concat())
}

const BEFORE: &str = "2026-03-01T00:00:00+08:00";

/// A city whose examples were published, with the lake `own` of the run.
struct Told {
    folder: tempfile::TempDir,
    city: String,
    examples: String,
}

impl Told {
    fn new(bootstrap: &str, name: &str) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let examples = root().join("pipelines/city/examples/venue.jsonl");
        let told = Self {
            city: published_city(folder.path(), bootstrap, name, &[]),
            folder,
            examples: examples.to_str().unwrap().to_owned(),
        };
        publish(&told.city, bootstrap, &told.examples, &told.path("own"));
        told
    }

    fn path(&self, name: &str) -> String {
        self.folder.path().join(name).to_str().unwrap().to_owned()
    }
}

#[test]
fn what_was_published_is_the_lake_of_a_run() {
    let Some(bootstrap) = real_kafka() else {
        return;
    };
    let told = Told::new(&bootstrap, "published");
    let done = lake(&told.city, &bootstrap, BEFORE, &told.path("back"));
    assert!(done.status.success(), "{done:?}");
    let own = tables(Path::new(&told.path("own")));
    let back = tables(Path::new(&told.path("back")));
    for (name, bytes) in &back {
        assert!(own[name] == *bytes, "{name} has other rows");
    }
    let names = own.keys().map(String::as_str);
    let left_out: Vec<&str> = names.filter(|name| !back.contains_key(*name)).collect();
    assert_eq!(
        left_out,
        [
            "duplicate/duplicate.parquet",
            "late/late.parquet",
            "rejected/rejected.parquet",
        ]
    );

    // Nothing of another pipeline is taken, and where nothing is left no folder is made.
    let other = told.folder.path().join("other");
    std::fs::create_dir(&other).unwrap();
    let other = published_city(&other, &bootstrap, "unpublished", &[]);
    for (city, from, why) in [
        (&other, BEFORE, "did it run on this cluster"),
        (
            &told.city,
            "2026-03-04T00:00:00+08:00",
            "is not before --to",
        ),
    ] {
        let refused = lake(city, &bootstrap, from, &told.path("none"));
        let said = String::from_utf8_lossy(&refused.stderr);
        assert!(!refused.status.success() && said.contains(why), "{said}");
        assert!(!Path::new(&told.path("none")).exists());
    }
}

#[test]
fn what_was_told_live_is_backtested() {
    let Some(bootstrap) = real_kafka() else {
        return;
    };
    let told = Told::new(&bootstrap, "backtested");
    let read_back = |name: &str| lake(&told.city, &bootstrap, BEFORE, &told.path(name));
    let backtest = |name: &str| {
        let data = told.path(name);
        tidegate(["rules", "backtest", &told.city, "--data", &data, "--json"])
    };
    assert!(read_back("back").status.success());
    let (live, ran) = (backtest("back"), backtest("own"));
    assert!(live.status.success(), "{live:?}");
    let [live, ran] = [live, ran].map(|output| String::from_utf8(output.stdout).unwrap());
    assert!(live.contains("venue-over-capacity"), "{live}");
    assert_eq!(live, ran);
    // What was given out twice is not in the order of windows.
    publish(&told.city, &bootstrap, &told.examples, &told.path("again"));
    assert!(read_back("twice").status.success());
    let twice = backtest("twice");
    let said = String::from_utf8_lossy(&twice.stderr);
    assert!(said.contains("it was given out again"), "{said}");
}
