//! Tries to break the H3 functions through SQL, as a layer would use them: against `h3o` itself on
//! many cells and all pentagons, on every type of cell, on NULL, on bad input and at the limits.

mod shapes;

use std::collections::BTreeSet;
use std::sync::Arc;

use arrow::array::{Array, ArrayRef, AsArray, ListArray, RecordBatch, StringArray, UInt64Array};
use arrow::datatypes::{Float64Type, Int64Type, UInt64Type};
use arrow::util::display::array_value_to_string;
use datafusion::prelude::{SessionConfig, SessionContext};
use geo::{Area, Contains, Coord, Geometry, LineString, Point, Polygon};
use h3o::{CellIndex, LatLng, Resolution};
use proptest::prelude::*;
use wkt::{ToWkt, TryFromWkt};

use super::kernel::{Definition, Domain};
use super::table::DEFINITIONS;
use super::{CELLS_PER_CALL_MAX, GRID_STEPS_MAX, h3_functions};

const LONDON: &str = "89195da49b7ffff";

/// A session with the functions of this crate.
pub(crate) fn session() -> SessionContext {
    let ctx = SessionContext::new_with_config(SessionConfig::new().with_information_schema(true));
    for function in h3_functions()
        .into_iter()
        .chain(crate::risk_functions::risk_functions())
    {
        ctx.register_udf(function);
    }
    ctx
}

/// The rows that `sql` gives, or the message of its error.
pub(crate) fn run(ctx: &SessionContext, sql: &str) -> Result<Vec<RecordBatch>, String> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .build()
        .unwrap();
    runtime.block_on(async {
        let frame = ctx.sql(sql).await.map_err(|error| error.to_string())?;
        frame.collect().await.map_err(|error| error.to_string())
    })
}

/// The first column of all rows of `sql`.
pub(crate) fn column(ctx: &SessionContext, sql: &str) -> ArrayRef {
    let batches = run(ctx, sql).unwrap_or_else(|error| panic!("{sql}: {error}"));
    let columns: Vec<_> = batches
        .iter()
        .map(|batch| batch.column(0).as_ref())
        .collect();
    arrow::compute::concat(&columns).unwrap()
}

/// The one value that `SELECT call` gives, as text; `NULL` for a NULL.
pub(crate) fn value(call: &str) -> String {
    let column = column(&session(), &format!("SELECT {call}"));
    assert_eq!(column.len(), 1, "{call}");
    if column.is_null(0) {
        "NULL".to_owned()
    } else {
        array_value_to_string(&column, 0).unwrap()
    }
}

/// Checks that `call` fails, with every one of `parts` in its message.
pub(crate) fn check_error(call: &str, parts: &[&str]) {
    let Err(error) = run(&session(), &format!("SELECT {call}")) else {
        panic!("{call} succeeds");
    };
    for part in parts {
        assert!(error.contains(part), "{call}: {error:?} lacks {part:?}");
    }
}

/// Checks that `call` of a strict function fails naming itself and `value`, and that its twin gives
/// NULL, for constants and for a column.
pub(crate) fn check_refused(call: &str, value_named: &str) {
    let name = call.split('(').next().unwrap();
    check_error(call, &[&format!("{name}: "), value_named]);
    check_error(&format!("{call} FROM (VALUES (1), (2))"), &[value_named]);
    assert_eq!(value(&format!("try_{call}")), "NULL", "try_{call}");
    let nulls = column(
        &session(),
        &format!("SELECT try_{call} FROM (VALUES (1), (2))"),
    );
    assert_eq!(nulls.logical_null_count(), 2, "try_{call}");
}

/// Checks the example of every function and of its twin.
pub(crate) fn check_examples(definitions: &[Definition]) {
    for definition in definitions {
        let (call, expected) = definition.example;
        assert!(call.contains(definition.name), "{call}");
        assert_eq!(value(call), expected, "{call}");
        if definition.domain == Domain::Partial {
            let twin = call.replacen(definition.name, &format!("try_{}", definition.name), 1);
            assert_eq!(value(&twin), expected, "{twin}");
        }
    }
}

#[test]
fn examples_hold() {
    check_examples(DEFINITIONS);
}

#[test]
fn names_are_unique_and_documented() {
    let functions = h3_functions();
    let names: BTreeSet<_> = functions.iter().map(|f| f.name().to_owned()).collect();
    assert_eq!(names.len(), functions.len());
    for function in functions {
        let documentation = function.documentation().expect("documented");
        assert!(documentation.sql_example.is_some(), "{}", function.name());
        assert!(
            !documentation.description.contains("  "),
            "{}",
            function.name()
        );
    }
}

#[test]
fn show_functions_lists_every_function() {
    let ctx = session();
    let listed = column(&ctx, "SHOW FUNCTIONS");
    let listed: BTreeSet<_> = (0..listed.len())
        .map(|idx| array_value_to_string(&listed, idx).unwrap())
        .collect();
    for function in h3_functions() {
        assert!(listed.contains(function.name()), "{}", function.name());
    }
}

/// Cells of every resolution: all pentagons and their neighbours, and places all over the world.
fn many_cells() -> Vec<CellIndex> {
    let mut cells = BTreeSet::new();
    for resolution in Resolution::range(Resolution::Zero, Resolution::Fifteen) {
        for pentagon in resolution.pentagons() {
            cells.extend(pentagon.grid_disk::<Vec<_>>(1));
        }
        for step in 0..60_u32 {
            // Golden-angle points: even over the sphere, none on a boundary.
            let lat = (1.0 - (f64::from(step) + 0.5) / 30.0).asin().to_degrees();
            let lng = (f64::from(step) * 137.507_764_05).rem_euclid(360.0) - 180.0;
            cells.insert(LatLng::new(lat, lng).unwrap().to_cell(resolution));
        }
    }
    cells.into_iter().collect()
}

/// A session with table `cells`: `cell`, `text`, and `other`, a cell two steps from it.
fn session_of(cells: &[CellIndex]) -> SessionContext {
    let other = cells.iter().map(|&cell| u64::from(other(cell)));
    let batch = RecordBatch::try_from_iter([
        ("cell", numbers(cells.iter().map(|&cell| cell.into()))),
        ("other", numbers(other)),
        (
            "text",
            Arc::new(StringArray::from_iter_values(
                cells.iter().map(ToString::to_string),
            )),
        ),
    ])
    .unwrap();
    let ctx = session();
    ctx.register_batch("cells", batch).unwrap();
    ctx
}

fn numbers(values: impl Iterator<Item = u64>) -> ArrayRef {
    Arc::new(UInt64Array::from_iter_values(values))
}

fn other(cell: CellIndex) -> CellIndex {
    let disk: Vec<_> = cell.grid_disk(2);
    *disk.last().unwrap()
}

fn check_cells(call: &str, expected: impl Fn(CellIndex) -> Option<CellIndex>) {
    let cells = many_cells();
    let result = column(&session_of(&cells), &format!("SELECT {call} FROM cells"));
    let result = result.as_primitive::<UInt64Type>();
    assert_eq!(result.len(), cells.len());
    for (&cell, actual) in cells.iter().zip(result) {
        assert_eq!(actual, expected(cell).map(u64::from), "{call} of {cell}");
    }
}

fn check_lists(call: &str, expected: impl Fn(CellIndex) -> Option<Vec<CellIndex>>) {
    let cells = many_cells();
    let result = column(&session_of(&cells), &format!("SELECT {call} FROM cells"));
    let result: &ListArray = result.as_list();
    for (&cell, actual) in cells.iter().zip(result.iter()) {
        let actual = actual.map(|list| list.as_primitive::<UInt64Type>().values().to_vec());
        let expected = expected(cell).map(|list| list.into_iter().map(u64::from).collect());
        assert_eq!(actual, expected, "{call} of {cell}");
    }
}

fn check_floats(call: &str, expected: impl Fn(CellIndex) -> f64) {
    let cells = many_cells();
    let result = column(&session_of(&cells), &format!("SELECT {call} FROM cells"));
    for (&cell, actual) in cells.iter().zip(result.as_primitive::<Float64Type>()) {
        let expected = expected(cell).to_bits();
        assert_eq!(actual.map(f64::to_bits), Some(expected), "{call} of {cell}");
    }
}

fn check_integers(call: &str, expected: impl Fn(CellIndex) -> Option<i64>) {
    let cells = many_cells();
    let result = column(&session_of(&cells), &format!("SELECT {call} FROM cells"));
    for (&cell, actual) in cells.iter().zip(result.as_primitive::<Int64Type>()) {
        assert_eq!(actual, expected(cell), "{call} of {cell}");
    }
}

fn check_booleans(call: &str, expected: impl Fn(CellIndex) -> bool) {
    let cells = many_cells();
    let result = column(&session_of(&cells), &format!("SELECT {call} FROM cells"));
    for (&cell, actual) in cells.iter().zip(result.as_boolean()) {
        assert_eq!(actual, Some(expected(cell)), "{call} of {cell}");
    }
}

#[test]
fn single_cells_agree_with_h3o() {
    check_cells("try_h3_cell_to_parent(cell, 5)", |cell| {
        cell.parent(Resolution::Five)
    });
    check_cells("try_h3_cell_to_center_child(cell, 9)", |cell| {
        cell.center_child(Resolution::Nine)
    });
    check_cells("h3_string_to_h3(text)", Some);
    check_cells(
        "h3_latlng_to_cell(h3_cell_to_lat(cell), h3_cell_to_lng(cell), h3_get_resolution(cell))",
        |cell| Some(LatLng::from(cell).to_cell(cell.resolution())),
    );
    check_cells(
        "h3_get_directed_edge_origin(h3_cells_to_directed_edge(cell, h3_grid_disk(cell, 1)[2]))",
        Some,
    );
    check_cells(
        "h3_get_directed_edge_destination(h3_cells_to_directed_edge(cell, h3_grid_disk(cell, 1)[2]))",
        |cell| cell.grid_disk::<Vec<_>>(1).get(1).copied(),
    );
}

#[test]
fn lists_agree_with_h3o() {
    check_lists("h3_grid_disk(cell, 2)", |cell| Some(cell.grid_disk(2)));
    check_lists("h3_grid_ring(cell, 1)", |cell| Some(cell.grid_ring(1)));
    check_lists("try_h3_cell_to_children(cell, 6)", |cell| {
        let few = cell.resolution() <= Resolution::Six
            && cell.children_count(Resolution::Six) <= CELLS_PER_CALL_MAX;
        few.then(|| cell.children(Resolution::Six).collect())
    });
    check_lists("try_h3_grid_path_cells(cell, other)", |cell| {
        cell.grid_path_cells(other(cell))
            .ok()?
            .collect::<Result<_, _>>()
            .ok()
    });
    check_lists(
        "h3_compact_cells(h3_uncompact_cells([cell], least(h3_get_resolution(cell) + 2, 15)))",
        |cell| Some(vec![cell]),
    );
}

#[test]
fn numbers_agree_with_h3o() {
    check_floats("h3_cell_to_lat(cell)", |cell| LatLng::from(cell).lat());
    check_floats("h3_cell_to_lng(text)", |cell| LatLng::from(cell).lng());
    check_floats("h3_cell_to_latlng(cell)[1]", |cell| {
        LatLng::from(cell).lat()
    });
    check_floats("h3_cell_to_latlng(cell)[2]", |cell| {
        LatLng::from(cell).lng()
    });
    check_floats("h3_cell_area(cell, 'm^2')", CellIndex::area_m2);
    check_floats("h3_cell_area(cell, 'km^2')", CellIndex::area_km2);
    check_floats("h3_cell_area(cell, 'rads^2')", CellIndex::area_rads2);
    check_floats(
        "h3_get_hexagon_area_avg(h3_get_resolution(cell), 'm^2')",
        |cell| cell.resolution().area_m2(),
    );
    check_integers("h3_get_resolution(cell)", |cell| {
        Some(u8::from(cell.resolution()).into())
    });
    check_integers("try_h3_grid_distance(cell, other)", |cell| {
        cell.grid_distance(other(cell)).ok().map(i64::from)
    });
    check_booleans("h3_is_pentagon(cell)", CellIndex::is_pentagon);
    check_booleans("h3_is_valid_cell(cell)", |_| true);
    check_booleans("h3_are_neighbor_cells(cell, other)", |cell| {
        cell.is_neighbor_with(other(cell)).unwrap()
    });
    check_booleans("h3_h3_to_string(cell) = text", |_| true);
}

#[test]
fn latitude_comes_first() {
    assert_eq!(
        value("h3_latlng_to_cell_string(51.5072, -0.1276, 9)"),
        LONDON
    );
    assert_eq!(
        value("h3_h3_to_string(h3_latlng_to_cell(51.5072, -0.1276, 9))"),
        LONDON
    );
    // Beijing with its coordinates swapped is outside the world, not in the sea.
    check_refused("h3_latlng_to_cell(116.4, 39.9, 9)", "116.4");
}

#[test]
fn a_function_gives_back_the_cell_type_it_got() {
    for data_type in ["UInt64", "Int64", "Utf8", "LargeUtf8", "Utf8View"] {
        let cell = match data_type {
            "UInt64" | "Int64" => "617439388698673151".to_owned(),
            _ => format!("'{LONDON}'"),
        };
        let cell = format!("arrow_cast({cell}, '{data_type}')");
        for call in [
            format!("h3_cell_to_parent({cell}, 5)"),
            format!("h3_cell_to_center_child({cell}, 12)"),
            format!("h3_cells_to_directed_edge({cell}, '89195da49b3ffff')"),
            format!(
                "h3_get_directed_edge_origin(h3_cells_to_directed_edge({cell}, '89195da49b3ffff'))"
            ),
            format!("h3_grid_disk({cell}, 1)[1]"),
            format!("h3_grid_ring({cell}, 1)[1]"),
            format!("h3_cell_to_children({cell}, 10)[1]"),
            format!("h3_grid_path_cells({cell}, '89195da4983ffff')[1]"),
            format!("h3_compact_cells([{cell}])[1]"),
            format!("h3_uncompact_cells([{cell}], 10)[1]"),
        ] {
            assert_eq!(value(&format!("arrow_typeof({call})")), data_type, "{call}");
        }
        // The values are the same cells, too.
        assert_eq!(
            value(&format!("h3_h3_to_string(h3_cell_to_parent({cell}, 7))")),
            "87195da49ffffff"
        );
    }
    for other in ["Dictionary(Int32, Utf8)", "Utf8"] {
        let cell = format!("arrow_cast('{LONDON}', '{other}')");
        assert_eq!(
            value(&format!("h3_cell_to_parent({cell}, 7)")),
            "87195da49ffffff"
        );
    }
    for list in [
        "FixedSizeList(1, Utf8)",
        "LargeList(Utf8View)",
        "List(LargeUtf8)",
    ] {
        let cells = format!("arrow_cast(['{LONDON}'], '{list}')");
        assert_eq!(
            value(&format!("h3_compact_cells({cells})")),
            format!("[{LONDON}]")
        );
    }
}

#[test]
fn text_is_canonical() {
    assert_eq!(value("h3_cell_to_parent('089195DA49B7FFFF', 9)"), LONDON);
    for text in [
        "",
        " 89195da49b7ffff",
        "+89195da49b7ffff",
        "0x89195da49b7ffff",
        "617439388698673151",
    ] {
        check_refused(
            &format!("h3_cell_to_parent('{text}', 5)"),
            &format!("'{text}'"),
        );
        assert_eq!(value(&format!("h3_is_valid_cell('{text}')")), "false");
    }
}

#[test]
fn null_gives_null() {
    for definition in DEFINITIONS {
        let count = definition.parameters.len();
        let nulls = vec!["NULL"; count].join(", ");
        assert_eq!(value(&format!("{}({nulls})", definition.name)), "NULL");
    }
    for call in [
        format!("h3_cell_to_parent('{LONDON}', NULL)"),
        "h3_cell_to_parent(NULL, 99)".to_owned(),
        format!("h3_grid_disk('{LONDON}', NULL)"),
        format!("h3_grid_distance(NULL, '{LONDON}')"),
        "h3_latlng_to_cell(51.5, NULL, 9)".to_owned(),
        "h3_cell_area(NULL, 'acre')".to_owned(),
        "h3_is_valid_cell(NULL)".to_owned(),
        "h3_compact_cells(arrow_cast(NULL, 'List(Int64)'))".to_owned(),
    ] {
        assert_eq!(value(&call), "NULL", "{call}");
    }
    let column = column(
        &session(),
        "SELECT h3_cell_to_parent(c, 7) FROM (VALUES ('89195da49b7ffff'), (NULL)) t(c)",
    );
    assert_eq!((column.len(), column.null_count()), (2, 1));
}

#[test]
#[expect(clippy::too_many_lines, reason = "it is a table")]
fn bad_input_is_named_or_null() {
    for (call, named) in [
        ("h3_latlng_to_cell(51.5, -0.1, 16)", "resolution 16"),
        ("h3_latlng_to_cell(51.5, -0.1, -1)", "resolution -1"),
        ("h3_latlng_to_cell(90.1, 0, 9)", "90.1"),
        ("h3_latlng_to_cell(0, 180.5, 9)", "180.5"),
        ("h3_latlng_to_cell('NaN'::double, 0, 9)", "NaN"),
        ("h3_latlng_to_cell_string(0, 'inf'::double, 9)", "inf"),
        ("h3_cell_to_lat('nonsense')", "'nonsense'"),
        ("h3_cell_to_lat(0)", "0 is not an H3 cell"),
        ("h3_cell_to_lng(-5)", "-5 is not"),
        (
            "h3_cell_to_latlng(18446744073709551615)",
            "18446744073709551615",
        ),
        ("h3_cell_to_boundary_wkt('')", "''"),
        ("h3_cell_to_boundary_wkb(1)", "1 is not"),
        ("h3_cell_to_boundary_geojson(1)", "1 is not"),
        (
            "h3_cell_to_parent('89195da49b7ffff', 10)",
            "parent resolution 10",
        ),
        (
            "h3_cell_to_center_child('89195da49b7ffff', 8)",
            "child resolution 8",
        ),
        (
            "h3_cell_to_children('89195da49b7ffff', 8)",
            "child resolution 8",
        ),
        (
            "h3_cell_to_children('8001fffffffffff', 15)",
            "4747561509943 children",
        ),
        (
            "h3_uncompact_cells(['89195da49b7ffff'], 8)",
            "child resolution 8",
        ),
        ("h3_uncompact_cells(['89195da49b7ffff', NULL], 9)", "item 2"),
        ("h3_compact_cells(['89195da49b7ffff', 'x'])", "'x'"),
        (
            "h3_compact_cells(['89195da49b7ffff', '89195da49b7ffff'])",
            "89195da49b7ffff is twice",
        ),
        (
            "h3_compact_cells(['89195da49b7ffff', '87195da49ffffff'])",
            "87195da49ffffff (resolution 7)",
        ),
        (
            "h3_cells_to_multi_polygon_wkt(['89195da49b7ffff', '87195da49ffffff'])",
            "87195da49ffffff",
        ),
        ("h3_grid_disk('89195da49b7ffff', -1)", "k -1"),
        ("h3_grid_disk('89195da49b7ffff', 577)", "k 577"),
        (
            "h3_grid_ring('89195da49b7ffff', 18446744073709551615)",
            "k 18446744073709551615",
        ),
        (
            "h3_grid_distance('89195da49b7ffff', '87195da49ffffff')",
            "87195da49ffffff",
        ),
        (
            "h3_grid_distance('89195da49b7ffff', '8931aa5006fffff')",
            "8931aa5006fffff",
        ),
        (
            "h3_grid_path_cells('89195da49b7ffff', '87195da49ffffff')",
            "87195da49ffffff",
        ),
        (
            "h3_are_neighbor_cells('89195da49b7ffff', '87195da49ffffff')",
            "87195da49ffffff",
        ),
        (
            "h3_cells_to_directed_edge('89195da49b7ffff', '89195da4983ffff')",
            "89195da4983ffff",
        ),
        (
            "h3_cells_to_directed_edge('89195da49b7ffff', '89195da49b7ffff')",
            "not neighbours",
        ),
        (
            "h3_get_directed_edge_origin('89195da49b7ffff')",
            "'89195da49b7ffff'",
        ),
        ("h3_get_directed_edge_destination(7)", "7 is not"),
        ("h3_get_resolution('89195da49b7fff')", "'89195da49b7fff'"),
        ("h3_is_pentagon(8)", "8 is not"),
        ("h3_string_to_h3('market')", "'market'"),
        ("h3_h3_to_string(0)", "0 is not an H3 index"),
        ("h3_cell_area('89195da49b7ffff', 'acre')", "'acre'"),
        ("h3_get_hexagon_area_avg(9, 'm2')", "'m2'"),
        ("h3_get_hexagon_area_avg(99, 'm^2')", "resolution 99"),
        ("h3_polygon_wkt_to_cells('POINT (0 0)', 9)", "'POINT (0 0)'"),
        (
            "h3_polygon_wkt_to_cells('POLYGON ((0 0, 1', 9)",
            "'POLYGON ((0 0, 1'",
        ),
        (
            "h3_polygon_wkt_to_cells('POLYGON ((0 0, 1 1, 0 0))', 9)",
            "ring",
        ),
        (
            "h3_polygon_wkt_to_cells('POLYGON ((0 0, 1 0, 1 91, 0 0))', 9)",
            "lat 91",
        ),
        (
            "h3_polygon_wkt_to_cells('POLYGON ((0 0, 181 0, 1 1, 0 0))', 9)",
            "lng 181",
        ),
        (
            "h3_polygon_wkt_to_cells('POLYGON ((0 0, NaN 0, 1 1, 0 0))', 9)",
            "NaN",
        ),
        (
            "h3_polygon_wkt_to_cells('POLYGON ((0 0, 9 0, 9 9, 0 9, 0 0))', 9)",
            "more than 1000000",
        ),
        (
            "h3_polygon_wkt_to_cells('POLYGON ((0 0, 9 0, 9 9, 0 9, 0 0))', 15)",
            "more than 1000000",
        ),
        ("h3_polygon_wkb_to_cells(X'00', 9)", "1 bytes"),
        ("h3_polygon_wkb_to_cells(X'0101000000', 9)", "type 1"),
    ] {
        check_refused(call, named);
    }
}

#[test]
fn wrong_types_and_counts_are_named_when_planned() {
    for (call, parts) in [
        (
            "h3_cell_to_parent(true, 5)",
            ["h3_cell_to_parent: argument cell", "Boolean"],
        ),
        ("h3_cell_to_parent(1.5, 5)", ["argument cell", "Float64"]),
        (
            "h3_cell_to_parent('89195da49b7ffff', '5')",
            ["argument resolution", "Utf8"],
        ),
        (
            "h3_cell_to_parent('89195da49b7ffff')",
            ["h3_cell_to_parent(cell, resolution)", "2 arguments, not 1"],
        ),
        (
            "h3_compact_cells('89195da49b7ffff')",
            ["argument cells must be a list", "Utf8"],
        ),
        ("h3_compact_cells([true])", ["argument cells", "Boolean"]),
        (
            "h3_cell_area('89195da49b7ffff', 1)",
            ["argument unit", "Int64"],
        ),
    ] {
        check_error(call, &parts);
    }
}

#[test]
fn limits_are_the_largest_allowed() {
    let disk = |k: u64| 3 * k * (k + 1) + 1;
    assert!(disk(GRID_STEPS_MAX.into()) <= CELLS_PER_CALL_MAX);
    assert!(disk(u64::from(GRID_STEPS_MAX) + 1) > CELLS_PER_CALL_MAX);
    assert_eq!(
        value("cardinality(h3_grid_disk('89195da49b7ffff', 576))"),
        disk(576).to_string()
    );
    assert_eq!(
        value("cardinality(h3_cell_to_children('89195da49b7ffff', 15))"),
        "117649"
    );
    // Beyond the limit of one batch the twin fails too: it is no matter of input.
    for name in ["h3_grid_disk", "try_h3_grid_disk"] {
        let sql = format!("SELECT {name}(cell, 576) FROM cells");
        let cell = CellIndex::try_from(0x0891_95da_49b7_ffff_u64).unwrap();
        let error = run(&session_of(&[cell; 40]), &sql).unwrap_err();
        assert!(error.contains("batch_size"), "{error}");
    }
}

#[test]
fn unnest_makes_rows() {
    let rows = column(
        &session(),
        "SELECT DISTINCT h3_cell_to_parent(c, 8) FROM \
         (SELECT UNNEST(h3_grid_disk('89195da49b7ffff', 1)) AS c) ORDER BY 1",
    );
    let expected: BTreeSet<_> = LONDON
        .parse::<CellIndex>()
        .unwrap()
        .grid_disk::<Vec<_>>(1)
        .into_iter()
        .map(|cell| cell.parent(Resolution::Eight).unwrap().to_string())
        .collect();
    let rows: BTreeSet<_> = (0..rows.len())
        .map(|idx| array_value_to_string(&rows, idx).unwrap())
        .collect();
    assert_eq!(rows, expected);
}
