//! Tries to make `tidegate feed stops` write a file of sites that lies or that a pipeline refuses:
//! stops without a place, at 0,0, twice or nameless, archives of other things, a file that is there
//! already. The recorded timetables give as many sites as they have stops with places.

use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::{Value, json};

use crate::support::{binary, shared_data, stdout, write_file};

/// A folder for one test.
struct Folder(tempfile::TempDir);

impl Folder {
    fn new(files: &[(&str, &str)]) -> Self {
        let folder = Self(tempfile::tempdir().unwrap());
        for (path, text) in files {
            folder.write(path, text);
        }
        folder
    }

    fn path(&self, path: &str) -> PathBuf {
        self.0.path().join(path)
    }

    fn write(&self, path: &str, text: &str) {
        write_file(self.0.path(), path, text);
    }

    /// Writes the stops of a source, relative to the folder, to `sites.geojson`.
    fn stops(&self, source: &Path, more: &[&str]) -> (Option<i32>, String) {
        let output = Command::new(binary())
            .args(["feed", "stops"])
            .arg(source)
            .args(["--out", "sites.geojson"])
            .args(more)
            .current_dir(self.0.path())
            .output()
            .unwrap();
        let text = [output.stdout, output.stderr].concat();
        (output.status.code(), String::from_utf8(text).unwrap())
    }

    fn sites(&self) -> String {
        std::fs::read_to_string(self.path("sites.geojson")).unwrap()
    }

    /// Makes a pipeline folder of it; gives what `tidegate check` says.
    fn check(&self) -> String {
        self.write(
            "pipeline.toml",
            "name = \"stops\"\n[reference]\nsites = \"sites.geojson\"\n\
             [[window]]\nname = \"w\"\nsize = \"1h\"\n",
        );
        self.write("feeds/rail.toml", "format = \"gtfs_realtime\"\n");
        let sql = "SELECT site_id, sum(count) AS vehicles FROM observation GROUP BY site_id";
        self.write("windows/w.sql", sql);
        stdout(["check", self.0.path().to_str().unwrap()])
    }
}

/// The ids of a file of sites, in its order.
fn ids(sites: &str) -> Vec<String> {
    let sites: Value = serde_json::from_str(sites).unwrap();
    let features = sites["features"].as_array().unwrap().iter();
    let id = |feature: &Value| feature["properties"]["id"].as_str().unwrap().to_owned();
    features.map(id).collect()
}

const STOPS: &str = "stop_id,stop_name,stop_lat,stop_lon,location_type\n\
    S2,South,30.5,114.25,0\nS1,\"North \"\"A\"\" 北站\",30.6,114.3,1\nN1,,30.7,114.4,\n\
    NOWHERE,No place,,,0\nZERO,Sea,0,0.0,0\nPOLE,Beyond,91,0,0\nDOOR,Door,30.6,114.3,2\n\
    S2,South again,30.51,114.25,0\n";

#[test]
fn what_is_no_site_is_left_out_and_told() {
    let folder = Folder::new(&[("stops.txt", STOPS)]);
    let (code, text) = folder.stops(Path::new("stops.txt"), &["--kind", "rail"]);
    let want = "sites.geojson: 3 sites of kind rail\n\
        \x20 left out: 1 without coordinates (NOWHERE)\n\
        \x20 left out: 1 at 0,0 (ZERO)\n\
        \x20 left out: 1 with an id that comes again, of which the last stands (S2)\n\
        \x20 left out: 1 entrances or nodes of ways, where no vehicle stops\n\
        \x20 left out: 1 without a usable id or with impossible coordinates\n";
    assert_eq!((code, text.as_str()), (Some(0), want));
    let feature = |id: &str, name: &str, place: &str| {
        format!(
            "{{\"type\":\"Feature\",\"properties\":{{\"id\":\"{id}\",\"kind\":\"rail\",\
             \"name\":\"{name}\",\"cordon\":false}},\"geometry\":{{\"type\":\"Point\",\
             \"coordinates\":[{place}]}}}}"
        )
    };
    let lines = [
        feature("N1", "N1", "114.4,30.7"),
        feature("S1", "North \\\"A\\\" 北站", "114.3,30.6"),
        feature("S2", "South again", "114.25,30.51"),
    ];
    let want = format!(
        "{{\"type\":\"FeatureCollection\",\"features\":[\n{}\n]}}\n",
        lines.join(",\n")
    );
    assert_eq!(folder.sites(), want);
    assert!(folder.check().contains("3 sites"));
}

#[test]
fn a_file_is_replaced_only_when_asked() {
    let folder = Folder::new(&[("gtfs/stops.txt", STOPS), ("sites.geojson", "mine")]);
    let (code, text) = folder.stops(Path::new("gtfs"), &[]);
    assert_eq!(code, Some(1), "{text}");
    let want = "sites.geojson is there already and is left as it is: --force replaces it";
    assert!(text.contains(want), "{text}");
    assert_eq!(folder.sites(), "mine");
    let (code, text) = folder.stops(Path::new("gtfs"), &["--force", "--prefix", "S", "--json"]);
    assert_eq!(code, Some(0), "{text}");
    assert_eq!(ids(&folder.sites()), ["S1", "S2"]);
    let told: Value = serde_json::from_str(&text).unwrap();
    assert_eq!(told["written"], 2);
    let left = &told["left_out"];
    let other = json!({ "count": 3, "for_instance": ["N1", "NOWHERE", "ZERO"] });
    assert_eq!(left["other_prefix"], other);
    assert_eq!(left["repeated_id"]["count"], 1);
    assert_eq!(left["unusable_row"]["count"], 1);
}

#[test]
fn netex_gives_the_ids_that_siri_names() {
    let stop = |id: &str, place: &str| {
        format!("<StopPlace id=\"{id}\"><Name>Asker</Name><Centroid>{place}</Centroid></StopPlace>")
    };
    let at = |lat: &str, lng: &str| {
        let (lat, lng) = (
            format!("<Latitude>{lat}</Latitude>"),
            format!("<Longitude>{lng}</Longitude>"),
        );
        format!("<Location>{lng}{lat}</Location>")
    };
    let document = format!(
        "<SiteFrame>{}{}{}{}</SiteFrame>",
        stop("NSR:StopPlace:2", &at("59.83", "10.43")),
        stop("NSR:StopPlace:1", &at("59.84", "10.44")),
        stop("NSR:StopPlace:4", ""),
        stop("NSR:StopPlace:3", &at("0", "0"))
    );
    let folder = Folder::new(&[("stops.xml", &document)]);
    let (code, text) = folder.stops(Path::new("stops.xml"), &[]);
    let want = "sites.geojson: 2 sites of kind transit\n\
        \x20 left out: 1 without coordinates (NSR:StopPlace:4)\n\
        \x20 left out: 1 at 0,0 (NSR:StopPlace:3)\n";
    assert_eq!((code, text.as_str()), (Some(0), want));
    assert_eq!(ids(&folder.sites()), ["NSR:StopPlace:1", "NSR:StopPlace:2"]);
    assert!(folder.check().contains("2 sites"));
}

#[test]
fn what_gives_no_site_writes_nothing() {
    let folder = Folder::new(&[
        ("empty.txt", "stop_id,stop_lat,stop_lon\nA,,\nB,0,0\n"),
        ("other.txt", "route_id,route_type\nA,1\n"),
        ("page.xml", "<html><body>Sign in</body></html>"),
        ("not.zip", "PK"),
        ("folder/routes.txt", ""),
    ]);
    let fails = |source: &str, more: &[&str], wanted: &str| {
        let (code, text) = folder.stops(Path::new(source), more);
        assert_eq!(code, Some(1), "{text}");
        assert!(text.contains(wanted), "{wanted:?} is not in {text}");
        assert!(!folder.path("sites.geojson").exists(), "{source}");
    };
    let none =
        "gives no site, and sites.geojson is not written: 1 without coordinates (A); 1 at 0,0";
    fails("empty.txt", &[], none);
    let none = "2 with an id that begins otherwise (A, B)";
    fails("empty.txt", &["--prefix", "NSR:"], none);
    fails("other.txt", &[], "stops.txt: there is no column stop_id");
    let none = "page.xml is XML without any StopPlace, Quay or ScheduledStopPoint of NeTEx";
    fails("page.xml", &[], none);
    fails("not.zip", &[], "not.zip is not a zip archive");
    fails("folder", &[], "cannot open folder/stops.txt: No such file");
    fails("nowhere", &[], "cannot open nowhere: No such file");
}

/// Writes the stops of a recorded source twice; the folder is a good pipeline then.
fn recorded(source: &Path, more: &[&str]) -> (Folder, Value) {
    let folder = Folder::new(&[]);
    let more = [more, &["--json"]].concat();
    let (code, text) = folder.stops(source, &more);
    assert_eq!(code, Some(0), "{text}");
    let sites = folder.sites();
    let told: Value = serde_json::from_str(&text).unwrap();
    let ids = ids(&sites);
    assert!(ids.is_sorted(), "{}", source.display());
    assert_eq!(told["written"], ids.len());
    let (code, again) = folder.stops(source, &[more.as_slice(), &["--force"]].concat());
    assert_eq!((code, again, folder.sites()), (Some(0), text, sites));
    let counted = format!(" {} sites,", ids.len());
    assert!(folder.check().contains(&counted), "{}", source.display());
    (folder, told)
}

/// How many rows of each file there are was counted without this product.
#[test]
fn recorded_timetables_become_sites() {
    let Some(data) = shared_data() else { return };
    let check = |source: &str, more: &[&str], written: u64, left: Value| {
        let (_, told) = recorded(&data.join(source), more);
        assert_eq!(told["written"], written, "{source}: {told}");
        let counts = told["left_out"].as_object().unwrap().iter();
        let counts: Value = counts
            .map(|(why, out)| (why.clone(), out["count"].clone()))
            .collect();
        assert_eq!(counts, left, "{source}");
    };
    let none = || json!({});
    check("gtfsrt_small/ct.zip", &[], 109, none());
    check("gtfsrt_small/bart-rt.zip", &[], 48, none());
    let lower_silesia = "gtfsrt_small/kd_rail_kolejedolnoslaskie.zip";
    check(lower_silesia, &["--kind", "rail"], 282, none());
    check("siri_et/rb_nsb-aggregated-gtfs.zip", &[], 1_579, none());
    let new_york = "gtfsrt_nyct/static/nyct_multi_trips_gtfs_cut.zip";
    check(new_york, &[], 1_735, json!({ "entrance_or_node": 2_064 }));
    check("siri_et/RailStations.zip", &[], 1_545, none());
    let quays = ["--prefix", "NSR:Quay:"];
    let left = json!({ "other_prefix": 659 });
    check("siri_et/RailStations.zip", &quays, 886, left);
}

/// The delivery names 407 stops, of which the stations of a year later still have 399.
#[test]
fn a_feed_s_site_ids_are_those_of_the_file() {
    let Some(data) = shared_data() else { return };
    let (folder, _) = recorded(&data.join("siri_et/RailStations.zip"), &[]);
    folder.write(
        "feeds/rail.toml",
        "format = \"siri\"\nout_of_orderness = \"2h\"\n\
         payload_bytes_max = 67108864\n[siri]\nzone = \"Europe/Oslo\"\n",
    );
    let delivery = data.join("siri_et/siri-et-from-bnr.xml");
    let out = folder.path("out");
    let text = stdout([
        "backfill",
        folder.0.path().to_str().unwrap(),
        "--input",
        &format!("rail={}", delivery.display()),
        "--out",
        out.to_str().unwrap(),
        "--json",
    ]);
    let summary: Value = serde_json::from_str(&text).unwrap();
    let unknown = summary["unknown_sites"].as_object().unwrap();
    assert_eq!(unknown.len(), 407 - 399, "{text}");
}
