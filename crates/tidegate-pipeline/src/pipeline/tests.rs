//! Tries to have a folder read as something else than it says: layers that only look as if they
//! read occupancy, and problems that name no file of the folder.

use super::*;

const PLACE: &str =
    "SELECT 'venue' AS subject_kind, venue_id AS subject, 'x' AS unit, 'm@1' AS method";

/// Loads a folder of these files beside a feed and a window `w` of five minutes; `main` is added
/// to `pipeline.toml`.
pub(crate) fn load(main: &str, files: &[(String, String)]) -> Result<Pipeline, Vec<Problem>> {
    let fixed = [
        (
            "pipeline.toml",
            format!("name = \"test\"\n{main}\n[[window]]\nname = \"w\"\nsize = \"5m\"\n"),
        ),
        ("feeds/gate.toml", "format = \"json\"\n".to_owned()),
        (
            "windows/w.sql",
            "SELECT venue_id, sum(count) AS occupancy FROM observation GROUP BY venue_id"
                .to_owned(),
        ),
    ];
    let fixed = fixed.map(|(path, text)| (path.to_owned(), text));
    let source = Source::new(fixed.into_iter().chain(files.iter().cloned()));
    tokio::runtime::Builder::new_current_thread()
        .build()
        .unwrap()
        .block_on(Pipeline::load(&source))
}

/// Which of these layers, each with what follows [`PLACE`] in its SQL, read occupancy.
fn check_occupancy(layers: &[(&str, &str)], expected: &[&str]) {
    let tables = layers
        .iter()
        .map(|(name, _)| format!("[[layer]]\nname = \"{name}\"\non = \"w\"\n"));
    let main: String = tables.collect();
    let files = layers
        .iter()
        .map(|(name, sql)| (format!("layers/{name}.sql"), format!("{PLACE}, {sql}")));
    let files: Vec<_> = files.collect();
    let pipeline = load(&main, &files).unwrap_or_else(|problems| panic!("{problems:#?}"));
    let found = pipeline.layers.iter().filter(|layer| layer.reads_stepped);
    let found: Vec<&str> = found.map(|layer| layer.name.as_str()).collect();
    assert_eq!(found, expected, "{layers:#?}");
}

#[test]
fn only_layers_that_read_the_table_read_occupancy() {
    check_occupancy(
        &[("inside", "persons AS value FROM occupancy")],
        &["inside"],
    );
    check_occupancy(
        &[("inside", "persons AS value FROM \"occupancy\" AS o")],
        &["inside"],
    );
    for sql in [
        "1 AS value FROM w -- not occupancy",
        "1 AS value FROM w /* FROM occupancy */",
        "o.occupancy AS value FROM w AS o",
        "value FROM (SELECT venue_id, occupancy AS value FROM w) AS occupancy",
        "1 AS value FROM w WHERE venue_id <> 'occupancy'",
    ] {
        check_occupancy(&[("other", sql)], &[]);
    }
}

#[test]
fn layers_on_layers_that_read_occupancy_read_it_too() {
    let on =
        |layer: &str| format!("value FROM (SELECT subject AS venue_id, value FROM {layer}) AS l");
    let inside = "persons AS value FROM occupancy";
    let flow = "occupancy AS value FROM w";
    check_occupancy(
        &[
            ("inside", inside),
            ("flow", flow),
            ("crowd", &on("inside")),
            ("crowd_again", &on("crowd")),
            ("share", &on("flow")),
            // The name of a layer that reads it, and no more.
            ("remark", &format!("{flow} -- unlike inside")),
        ],
        &["inside", "crowd", "crowd_again"],
    );
}

/// What is wrong with a rule on layer `last`, after layers with what follows [`PLACE`] in their SQL.
fn check_rule(layers: &[(&str, &str)], expected: &[&str]) {
    let tables = layers
        .iter()
        .map(|(name, _)| format!("[[layer]]\nname = \"{name}\"\non = \"w\"\n"));
    let main: String = tables.collect();
    let rule = "[[rule]]\nname = \"r\"\nlayer = \"last\"\nsubject_kind = \"venue\"\n\
                fire_above = 1.0\nclear_below = 0.5\nseverity = \"watch\"\nowner = \"duty\"\n\
                title = { zh-CN = \"x\", en = \"x\" }\ndo = { zh-CN = \"x\", en = \"x\" }\n";
    let files = layers
        .iter()
        .map(|(name, sql)| (format!("layers/{name}.sql"), format!("{PLACE}, {sql}")))
        .chain([("rules.toml".to_owned(), rule.to_owned())]);
    let files: Vec<_> = files.collect();
    let problems = load(&main, &files).err().unwrap_or_default();
    let problems: Vec<String> = problems.iter().map(Problem::to_string).collect();
    assert_eq!(problems, expected, "{layers:#?}");
}

#[test]
fn no_alert_rests_on_what_is_for_display() {
    let plain = "1 AS value FROM w";
    let smooth = "at['value'] AS value FROM (SELECT '' AS venue_id, unnest(smooth_cells(\
                  617439388698673151, occupancy)) AS at FROM w)";
    let on = "value FROM (SELECT subject AS venue_id, value FROM first) AS l";
    let refused = "rules.toml:3: layer: rule \"r\" rests on layer \"last\", which is for display \
                   only, since it rests on smooth_cells: it would fire in the wrong cell";
    check_rule(&[("last", smooth)], &[refused]);
    check_rule(&[("first", smooth), ("last", on)], &[refused]);
    check_rule(&[("first", plain), ("last", on)], &[]);
    check_rule(&[("first", smooth), ("last", plain)], &[]);
    check_rule(
        &[("last", "1 AS value FROM w -- not smooth_cells(cell, value)")],
        &[],
    );
    check_rule(
        &[("first", plain)],
        &["rules.toml:3: layer: rule \"r\" rests on layer \"last\", which is not one of first"],
    );
}

/// GeoJSON of one feature without a place.
fn feature(properties: &str) -> String {
    format!(
        r#"{{"type":"FeatureCollection","features":[{{"type":"Feature","geometry":null,"properties":{{{properties}}}}}]}}"#
    )
}

/// The one problem of a folder with this reference file under `key`.
fn check_reference(key: &str, path: &str, text: String, expected: &str) {
    let main = format!("[reference]\n{key} = \"{path}\"\n");
    let problems = load(&main, &[(path.to_owned(), text)]).unwrap_err();
    let problems: Vec<String> = problems.iter().map(Problem::to_string).collect();
    assert_eq!(problems, [expected]);
}

#[test]
fn broken_links_name_the_file() {
    check_reference(
        "sites",
        "gates.geojson",
        feature(r#""id":"g1","kind":"gate","name":"G","venue_id":"hall""#),
        "gates.geojson: site g1: venue_id \"hall\" is not a venue",
    );
    let area = feature(
        r#""id":"market","kind":"market","name_zh":"M","name_en":"M","usable_area_m2":1.0,"capacity":1,"capacity_basis":"licensed","grid_unit":"g9""#,
    );
    let square = r#"{"type":"Polygon","coordinates":[[[114.0,30.0],[114.001,30.0],[114.001,30.001],[114.0,30.0]]]}"#;
    check_reference(
        "venues",
        "places.geojson",
        area.replace("null", square),
        "places.geojson: venue market: grid_unit \"g9\" is not a grid unit",
    );
    let unit = |parent: &str| {
        feature(&format!(
            r#""id":"u1","level":"grid","name_zh":"U","name_en":"U","parent":"{parent}""#
        ))
    };
    check_reference(
        "grid_units",
        "tree.geojson",
        unit("u0"),
        "tree.geojson: grid unit u1: parent \"u0\" is not a grid unit",
    );
    check_reference(
        "grid_units",
        "tree.geojson",
        unit("u1"),
        "tree.geojson: grid unit u1: is above itself: its parents form a circle",
    );
    check_reference(
        "incidence",
        "cases.csv",
        "origin,cases_7d,population,ascertainment_low,ascertainment_mid,ascertainment_high,infectious_days,as_of\n\
         R01,1,100,0.1,0.2,0.3,7,2026-03-01\n"
            .to_owned(),
        "cases.csv: origin: there is no row for `unknown`: travellers of unknown origin would count as no risk",
    );
}

/// A venue with these properties beside the needed ones.
fn market(properties: &str) -> String {
    let square = r#"{"type":"Polygon","coordinates":[[[114.0,30.0],[114.001,30.0],[114.001,30.001],[114.0,30.0]]]}"#;
    let needed = r#""id":"m","kind":"market","name_zh":"M","name_en":"M","usable_area_m2":1.0,"capacity":1,"capacity_basis":"licensed""#;
    feature(&format!("{needed},{properties}")).replace("null", square)
}

const OCCUPANCY: &str = "[occupancy]\nwindow = \"w\"\narrivals = \"occupancy\"\n\
                         departures = \"occupancy\"\n";

/// The problems of a folder with this after the first keys of `[occupancy]`, a venue with these
/// properties, and windows `half`, that closes twice as often as `w`, and `twice`.
fn check_settings(more: &str, properties: &str, expected: &[&str]) {
    let window =
        |name: &str, size: &str| format!("[[window]]\nname = \"{name}\"\nsize = \"{size}\"\n");
    let main = format!(
        "[reference]\nvenues = \"venues.geojson\"\n{OCCUPANCY}{more}\n{}{}",
        window("half", "150s"),
        window("twice", "10m"),
    );
    let sql = "SELECT venue_id, sum(count) AS persons, max(count) AS lo, max(origin) AS hi \
               FROM observation GROUP BY venue_id";
    let files = [
        ("venues.geojson", market(properties)),
        ("windows/half.sql", sql.to_owned()),
        ("windows/twice.sql", sql.to_owned()),
    ];
    let files = files.map(|(path, text)| (path.to_owned(), text));
    let problems = load(&main, &files).err().unwrap_or_default();
    let problems: Vec<String> = problems.iter().map(Problem::to_string).collect();
    assert_eq!(problems, expected, "{main} {properties}");
}

#[test]
fn settings_of_occupancy_are_checked() {
    let plain = r#""note":"none""#;
    check_settings("", plain, &[]);
    check_settings("empty_at = \"04:00\"\n[occupancy.gain]\n", plain, &[]);
    check_settings(
        "[occupancy.gain]\n",
        plain,
        &[
            "pipeline.toml: occupancy.empty_at: is missing: [occupancy.gain] counts from one such time to the next",
        ],
    );
    check_settings(
        "empty_at = \"04:00\"\n[occupancy.gain]\nprior = 0\nholidays = [\"soon\"]\n",
        plain,
        &[
            "pipeline.toml:10: occupancy.gain.prior: prior of 0 persons is not above 0",
            "pipeline.toml:11: occupancy.gain.holidays: \"soon\" is not a date YYYY-MM-DD",
        ],
    );
    check_settings(
        "empty_at = \"4\"",
        plain,
        &["pipeline.toml:8: occupancy.empty_at: \"4\" is not a time HH:MM"],
    );
    check_settings(
        "[occupancy.snapshots]\nwindow = \"half\"\nhi = \"lo\"\n",
        plain,
        &[
            "pipeline.toml:9: occupancy.snapshots.window: \"half\" does not close where \"w\" closes: its slide must be a multiple of that window, on the same grid",
        ],
    );
    check_settings(
        "[occupancy.load]\nwindow = \"twice\"\nhi = \"lo\"\n",
        plain,
        &[],
    );
    check_settings(
        "[occupancy.load]\nwindow = \"twice\"\npersons = \"nobody\"\n",
        plain,
        &[
            "windows/twice.sql: column hi, which [occupancy] reads, is no number",
            "windows/twice.sql: has no column nobody, which [occupancy] reads",
        ],
    );
}

#[test]
fn stays_are_checked() {
    let dwell = |more: &str| format!(r#""dwell":{{"model":"lognormal","mean_min":35{more}}}"#);
    check_settings("", &dwell(r#","sd_min":20"#), &[]);
    check_settings("", r#""closes_at":"22:00""#, &[]);
    check_settings(
        "",
        r#""closes_at":"10 pm""#,
        &["venues.geojson: features[0].properties.closes_at: \"10 pm\" is not a time HH:MM"],
    );
    check_settings(
        "",
        &dwell(""),
        &["venues.geojson: venue m.dwell: sd_min is missing: a lognormal dwell has one"],
    );
    check_settings(
        "",
        &dwell(r#","sd_min":20,"mean_low_min":40"#),
        &["venues.geojson: venue m.dwell: mean dwell low 40, middle 35, high 35 must ascend"],
    );
    check_settings(
        "",
        &dwell(r#","sd_min":20,"max_min":4"#),
        &[
            "venues.geojson: venue m.dwell: a stay of 4 minutes is not 1 to 1440 windows of 5 minutes",
        ],
    );
    check_settings(
        "[occupancy.entries]\nbazaar = { model = \"exponential\", mean_min = 0.0 }\n",
        r#""note":"none""#,
        &[
            "pipeline.toml:9: occupancy.entries.bazaar: \"bazaar\" is not one of market, supermarket, station, office, checkpoint, quarantine",
            "pipeline.toml:9: occupancy.entries.bazaar: 0 minutes are not a finite time above 0, of a year at most",
        ],
    );
}
