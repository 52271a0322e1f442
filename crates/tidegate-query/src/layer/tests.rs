//! Tries to break what a layer query says about itself, with SQL that names tables where it does
//! not read them and reads them where it does not name them; and tries to get a row without a value
//! that does not say why.

use std::sync::Arc;

use arrow::array::AsArray;
use arrow::datatypes::{DataType, Field, Float64Type, Schema};
use tidegate_model::EventTime;

use super::{LayerError, LayerFrame, LayerQuery};
use crate::{Session, Slot};

fn plan(sql: &str) -> Result<LayerQuery, LayerError> {
    let session = Session::new();
    for name in ["occupancy", "flow_5m", "venue"] {
        let fields = ["venue_id", "persons"].map(|name| Field::new(name, DataType::Utf8, true));
        let slot = Slot::new(Arc::new(Schema::new(fields.to_vec())));
        session.register_slot(name, &slot).unwrap();
    }
    let runtime = tokio::runtime::Builder::new_current_thread()
        .build()
        .unwrap();
    runtime.block_on(LayerQuery::plan(&session, sql))
}

#[test]
fn tables_are_those_that_are_read() {
    let check = |from: &str, expected: &[&str]| {
        let (with, from) = from.split_once('|').unwrap_or(("", from));
        let sql = format!(
            "{with} SELECT 'venue' AS subject_kind, x.venue_id AS subject, 1e0 AS value, \
             'person' AS unit, 'occupancy' AS method FROM {from}"
        );
        let query = plan(&sql).unwrap_or_else(|error| panic!("{sql}: {error}"));
        let tables: Vec<&str> = query.tables().iter().map(String::as_str).collect();
        assert_eq!(tables, expected, "{sql}");
    };
    check("flow_5m AS x", &["flow_5m"]);
    check("flow_5m AS x -- occupancy", &["flow_5m"]);
    check(
        "occupancy AS x JOIN venue AS v ON x.venue_id = v.venue_id",
        &["occupancy", "venue"],
    );
    check("venue AS x WHERE persons <> 'occupancy'", &["venue"]);
    check(
        "(SELECT venue_id, persons AS occupancy FROM venue) AS x",
        &["venue"],
    );
    // A common table expression hides the table of its name, and one that nothing uses is not read.
    check(
        "WITH occupancy AS (SELECT * FROM flow_5m)|occupancy AS x",
        &["flow_5m"],
    );
    check("WITH y AS (SELECT * FROM occupancy)|venue AS x", &["venue"]);
    check("WITH x AS (SELECT * FROM occupancy)|x", &["occupancy"]);
    check(
        "venue AS x WHERE x.venue_id IN (SELECT venue_id FROM occupancy)",
        &["occupancy", "venue"],
    );
    check(
        "venue AS x WHERE x.persons > (SELECT max(o.persons) FROM occupancy AS o)",
        &["occupancy", "venue"],
    );
    check("datafusion.public.occupancy AS x", &["occupancy"]);
    check("public.occupancy AS x", &["occupancy"]);
    check("(VALUES ('occupancy')) AS x(venue_id)", &[]);
    check(
        "(SELECT table_name AS venue_id FROM information_schema.tables) AS x",
        &["information_schema.tables"],
    );
}

#[test]
fn functions_are_those_that_are_called() {
    let check = |value: &str, from: &str, expected: &[&str]| {
        let sql = format!(
            "SELECT 'venue' AS subject_kind, 'smooth_cells' AS subject, {value} AS value, \
             'person' AS unit, '' AS method FROM {from} -- smooth_cells(1, 2)"
        );
        let query = plan(&sql).unwrap_or_else(|error| panic!("{sql}: {error}"));
        let functions: Vec<&str> = query.functions().iter().map(String::as_str).collect();
        assert_eq!(functions, expected, "{sql}");
    };
    check("1e0", "venue", &[]);
    check("smooth_cells", "(SELECT 1e0 AS smooth_cells)", &[]);
    check("round(1e0)", "venue", &["round"]);
    check("max(abs(1))", "venue", &["abs", "max"]);
    check("max(1) OVER ()", "venue", &["max"]);
    let smoothed = "(SELECT unnest(smooth_cells(617439388698673151, 1)) AS at)";
    check("at['value']", smoothed, &["get_field", "smooth_cells"]);
    check(
        "1",
        &format!("venue WHERE 1 IN (SELECT at['value'] FROM {smoothed})"),
        &["get_field", "smooth_cells"],
    );
    check("(SELECT count(*) FROM venue)", "flow_5m", &["count"]);
}

#[test]
fn a_layer_gives_the_same_in_a_replay() {
    for call in ["now()", "random()", "uuid()", "current_date"] {
        let sql = format!(
            "SELECT 'venue' AS subject_kind, venue_id || {call} AS subject, 1e0 AS value, \
             'person' AS unit, '' AS method FROM venue"
        );
        let error = plan(&sql).unwrap_err().to_string();
        assert!(error.contains("another value in a replay"), "{error}");
    }
}

#[test]
fn a_row_without_a_value_says_why() {
    let check = |columns: &str, value: Option<f64>, reason: Option<&str>| {
        let sql = format!(
            "SELECT 'venue' AS subject_kind, 'a' AS subject, {columns}, 'person' AS unit, \
             '' AS method"
        );
        let query = plan(&sql).unwrap();
        let frame = LayerFrame {
            layer: "inside",
            start: EventTime::from_micros(0),
            end: EventTime::from_micros(1),
            revision: 0,
            is_final: true,
        };
        let runtime = tokio::runtime::Builder::new_current_thread()
            .build()
            .unwrap();
        let rows = runtime.block_on(query.evaluate(frame)).unwrap();
        let column = |name: &str| rows.column_by_name(name).unwrap();
        let values = column("value").as_primitive::<Float64Type>();
        let reasons = column("reason").as_string::<i32>();
        assert_eq!(values.iter().next(), Some(value), "{columns}");
        assert_eq!(reasons.iter().next(), Some(reason), "{columns}");
    };
    check("3e0 AS value", Some(3.0), None);
    check("3 AS value, 'few' AS reason", Some(3.0), Some("few"));
    check("NULL AS value", None, Some("missing_input"));
    check(
        "CAST(NULL AS BIGINT) AS value, 'no_area' AS reason",
        None,
        Some("no_area"),
    );
    check("0e0 / 0e0 AS value", None, Some("not_finite"));
    check(
        "1e0 / 0e0 AS value, NULL AS reason",
        None,
        Some("not_finite"),
    );
}
