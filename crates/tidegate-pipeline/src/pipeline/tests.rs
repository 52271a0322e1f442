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
