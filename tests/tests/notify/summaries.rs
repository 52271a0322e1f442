//! Summaries on schedule, by notifiers that are killed. Tries to have one told twice, and to have a
//! lake that is not there stop what else a notifier does.

use std::collections::BTreeSet;
use std::fs::File;
use std::path::{Path, PathBuf};
use std::process::{Child, Command};
use std::time::Duration;

use jiff::Timestamp;
use serde_json::Value;
use tidegate_connect::EmbeddedBroker;

use super::{check_words, city};
use crate::published::{publish, published_city};
use crate::support::{binary, real_kafka, root, wait_until, write_file};

/// A notifier at work on a folder, with what it tells on standard output in a file.
struct Notifier {
    child: Child,
    output: PathBuf,
}

impl Notifier {
    /// Makes summaries of `lake`, or of what was published.
    fn start(run: usize, folder: &Path, bootstrap: &str, lake: Option<&str>) -> Self {
        let output = folder.join(format!("output-{run}"));
        let path = |name: &str| folder.join(name).to_str().unwrap().to_owned();
        let child = Command::new(binary())
            .args(["notify", "run", &path("city"), "--bootstrap", bootstrap])
            .args(["--state", &path("state")])
            .args(lake.into_iter().flat_map(|lake| ["--data", lake]))
            .current_dir(root())
            .stdout(File::create(&output).unwrap())
            .spawn();
        Self {
            child: child.unwrap(),
            output,
        }
    }

    /// The summaries that it has told: title and id. A line that a kill cut short is none.
    fn summaries(&self) -> Vec<(String, String)> {
        let text = std::fs::read_to_string(&self.output).unwrap();
        let notices = text
            .lines()
            .filter_map(|line| serde_json::from_str(line).ok());
        let summaries = notices.filter(|notice: &Value| notice["kind"] == "summary");
        let text = |notice: &Value, key: &str| notice[key].as_str().unwrap().to_owned();
        summaries
            .map(|notice| (text(&notice, "title_en"), text(&notice, "id")))
            .collect()
    }

    #[track_caller]
    fn wait_for(&self, unit: &str) {
        let is_told = || {
            self.summaries()
                .iter()
                .any(|(title, _)| title.starts_with(unit))
        };
        let told = wait_until(Duration::from_mins(1), || is_told().then_some(()));
        told.unwrap_or_else(|| panic!("no summary of {unit}: {:?}", self.summaries()));
    }
}

impl Drop for Notifier {
    fn drop(&mut self) {
        drop(self.child.kill());
        drop(self.child.wait());
    }
}

/// One ends at every full hour, so that one is always due, whatever the clock says; should it pass
/// an hour meanwhile, that is another summary.
fn hourly(units: &[&str]) -> String {
    let hours: Vec<String> = (0..24).map(|hour| format!("\"{hour:02}:00\"")).collect();
    let hours = hours.join(", ");
    let summary = |unit: &&str| {
        format!(
            "[[summary]]\ngrid_unit = \"{unit}\"\nat = [{hours}]\nchannels = [\"log\"]\n\
             after = \"0s\"\nout = \"pages/{{grid_unit}}-{{date}}-{{time}}.html\"\n"
        )
    };
    let summaries: Vec<String> = units.iter().map(summary).collect();
    "[[route]]\nname = \"default\"\nchannels = [\"log\"]\n".to_owned() + &summaries.concat()
}

#[test]
fn a_summary_on_schedule_is_told_once() {
    let folder = tempfile::tempdir().unwrap();
    let city = city(folder.path(), &[("routes.toml", &hourly(&["old-town"]))]);
    let path = |name: &str| folder.path().join(name).to_str().unwrap().to_owned();
    let (state, lake) = (path("state"), path("lake"));
    let broker = EmbeddedBroker::start(&[("tidegate.alert", 1)]).unwrap();
    let start = |run| Notifier::start(run, folder.path(), broker.bootstrap(), Some(&lake));
    let trail = || -> Vec<Value> {
        let said = check_words(
            &format!("alerts trail {city} --state {state} --json"),
            0,
            &[],
        );
        let mut said: Value = serde_json::from_str(&said).unwrap();
        serde_json::from_value(said["orders"].take()).unwrap()
    };

    // Without its lake it tells nothing of the day, and does what else there is to do.
    let notifier = start(0);
    let silence = "--match rule=feed-gap --for 2h --by grid-duty --comment drill";
    check_words(
        &format!("silence add {city} --state {state} {silence}"),
        0,
        &[],
    );
    let applied = || trail()[0]["result"].as_str().map(str::to_owned);
    let applied = wait_until(Duration::from_mins(1), applied);
    assert!(applied.unwrap().starts_with("silence "));
    assert!(notifier.summaries().is_empty());
    drop(notifier);

    let input = "venue=pipelines/city/examples/venue.jsonl";
    check_words(
        &format!("backfill pipelines/city --input {input} --out {lake}"),
        0,
        &[],
    );
    let first = start(1);
    first.wait_for("Old Town");
    let mut told = first.summaries();
    drop(first);
    // The next one comes to the other unit only after it has looked at the first.
    write_file(
        Path::new(&city),
        "routes.toml",
        &hourly(&["old-town", "city"]),
    );
    let mut last = start(2);
    let pid = nix::unistd::Pid::from_raw(i32::try_from(last.child.id()).unwrap());
    last.wait_for("City");
    nix::sys::signal::kill(pid, nix::sys::signal::Signal::SIGTERM).unwrap();
    assert!(last.child.wait().unwrap().success());
    told.extend(last.summaries());

    check_told(&trail(), &told);
    let pages = std::fs::read_dir(Path::new(&city).join("pages")).unwrap();
    let titles: BTreeSet<&String> = told.iter().map(|(title, _)| title).collect();
    assert_eq!(pages.count(), titles.len());
    check_words(
        &format!("alerts trail {city} --state {state}"),
        0,
        &["the trail is whole"],
    );
}

/// Nobody has to make a lake: a run publishes, and the notifier reads back what it needs.
#[test]
fn a_summary_is_made_of_what_was_published() {
    let Some(bootstrap) = real_kafka() else {
        return;
    };
    let folder = tempfile::tempdir().unwrap();
    let routes = hourly(&["old-town"]);
    let changed = [("routes.toml", &*routes)];
    let city = published_city(folder.path(), &bootstrap, "told", &changed);
    // From two hours before the last full hour until a little after now, so that there is one with
    // data whenever the notifier looks: eight persons a minute come and none goes.
    let now = Timestamp::now().as_second();
    let begin = now - now % 3600 - 7200;
    let records = (begin..now + 300).step_by(60).map(|second| {
        let start = Timestamp::from_second(second).unwrap();
        let end = Timestamp::from_second(second + 60).unwrap();
        format!(
            "{{\"id\":\"{second}\",\"site\":\"east-market-gate-1\",\"start\":\"{start}\",\
             \"end\":\"{end}\",\"measure\":\"in\",\"count\":8}}\n"
        )
    });
    write_file(folder.path(), "venue.jsonl", &records.collect::<String>());
    let path = |name: &str| folder.path().join(name).to_str().unwrap().to_owned();
    publish(&city, &bootstrap, &path("venue.jsonl"), &path("own"));

    let notifier = Notifier::start(0, folder.path(), &bootstrap, None);
    notifier.wait_for("Old Town");
    let text = std::fs::read_to_string(&notifier.output).unwrap();
    let mut notices = text
        .lines()
        .filter_map(|line| serde_json::from_str(line).ok());
    let summary = notices.find(|notice: &Value| notice["kind"] == "summary");
    let summary = summary.unwrap().to_string();
    assert!(summary.contains("East Market"), "{summary}");
    assert!(!summary.contains("Incomplete"), "{summary}");
    assert!(summary.contains("persons/m2"), "{summary}");
}

/// Each order by the schedule is of another summary, and was told under one id.
#[track_caller]
fn check_told(trail: &[Value], told: &[(String, String)]) {
    let scheduled = trail.iter().filter(|order| order["by"] == "schedule");
    let ordered: Vec<&str> = scheduled
        .map(|order| order["body"].as_str().unwrap())
        .collect();
    let distinct: BTreeSet<&str> = ordered.iter().copied().collect();
    assert_eq!(ordered.len(), distinct.len(), "{ordered:#?}");
    // What a kill has told again has its old id.
    let ids: BTreeSet<&String> = told.iter().map(|(_, id)| id).collect();
    let titles: BTreeSet<&String> = told.iter().map(|(title, _)| title).collect();
    let lengths = (ids.len(), titles.len());
    assert_eq!(lengths, (ordered.len(), ordered.len()), "{told:?}");
}
