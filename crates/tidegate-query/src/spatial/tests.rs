//! Tries to break the aggregates over cells through SQL: golden values, NULL in each argument, bad
//! input, what must be one value for a group, the order and the cutting of rows, pentagons, and
//! windows.

use std::collections::BTreeMap;
use std::sync::Arc;

use arrow::array::{Array, ArrayRef, AsArray, Float64Array, Int64Array, UInt64Array};
use arrow::datatypes::{DataType, Field, Schema};
use arrow::util::display::array_value_to_string;
use datafusion::logical_expr::{Accumulator, EmitTo, GroupsAccumulator};
use h3o::{CellIndex, LatLng, Resolution};
use proptest::prelude::*;

use super::function::Function;
use super::{is_spatial, spatial_functions};
use crate::gather::{Groups, One};
use crate::{Session, WindowQuery};

fn block_on<T>(future: impl Future<Output = T>) -> T {
    tokio::runtime::Builder::new_current_thread()
        .build()
        .unwrap()
        .block_on(future)
}

/// Fields of a row as text, joined by a space, of all rows of `SELECT sql`; or its error.
fn rows(sql: &str) -> Result<Vec<String>, String> {
    let answer = block_on(Session::new().query(&format!("SELECT {sql}")));
    let (_, batches) = answer.map_err(|error| error.to_string())?;
    let text = |column: &ArrayRef, row| {
        let value = column.is_valid(row);
        let value = value.then(|| array_value_to_string(column, row).unwrap());
        value.unwrap_or_else(|| "NULL".to_owned())
    };
    let rows = batches.iter().flat_map(|batch| {
        (0..batch.num_rows()).map(move |row| {
            let fields: Vec<_> = batch.columns().iter().map(|c| text(c, row)).collect();
            fields.join(" ")
        })
    });
    Ok(rows.collect())
}

fn check(sql: &str, expected: &[&str]) {
    let rows = rows(sql).unwrap_or_else(|error| panic!("{sql}: {error}"));
    assert_eq!(rows, expected, "{sql}");
}

fn check_error(sql: &str, part: &str) {
    let Err(error) = rows(sql) else {
        panic!("{sql} succeeds");
    };
    assert!(error.contains(part), "{sql}: {error:?} lacks {part:?}");
}

/// Neighbours of resolution 9 in Wuhan, ascending.
fn cells() -> Vec<CellIndex> {
    let at = LatLng::new(30.58, 114.3).unwrap().to_cell(Resolution::Nine);
    let mut cells: Vec<CellIndex> = at.grid_disk(1);
    cells.sort_unstable();
    cells
}

/// `FROM` the rows of `(n, cell, number)`, with `n` an index into [`cells`].
fn from(values: &[(usize, &str)]) -> String {
    let cells = cells();
    let row = |(n, number): &(usize, &str)| {
        format!(
            "(CAST({} AS BIGINT UNSIGNED), {number})",
            u64::from(cells[*n])
        )
    };
    let values: Vec<_> = values.iter().map(row).collect();
    format!("FROM (VALUES {}) AS t(c, x)", values.join(", "))
}

/// The persons of each cell, in the order of [`cells`].
fn check_allocation(persons: &str, shares: &[&str], expected: &[&str]) {
    let shares: Vec<_> = shares.iter().copied().enumerate().collect();
    let sql = format!(
        "at['persons'] FROM (SELECT unnest(allocate_cells({persons}, c, x)) AS at {}) ORDER BY \
         at['cell']",
        from(&shares)
    );
    check(&sql, expected);
}

#[test]
fn persons_go_by_largest_remainder() {
    check_allocation("7", &["0.5", "0.25", "0.25"], &["3", "2", "2"]);
    check_allocation("2", &["1", "1", "1"], &["1", "1", "0"]);
    check_allocation("10", &["1"], &["10"]);
    check_allocation("0", &["0.5", "0.5"], &["0", "0"]);
    check_allocation("5", &["0.0", "1.0"], &["0", "5"]);
    check_allocation(
        "9223372036854775807",
        &["1", "1"],
        &["4611686018427387904", "4611686018427387903"],
    );
    // The list ascends by cell, whatever the order of rows.
    let sql = |order: &str| {
        let from = from(&[(2, "0.25"), (0, "0.5"), (1, "0.25")]);
        format!("allocate_cells(7, c, x) FROM (SELECT * {from} ORDER BY x {order})")
    };
    let rows = rows(&sql("ASC")).unwrap();
    let item =
        |n: usize, persons: u64| format!("{{cell: {}, persons: {persons}}}", u64::from(cells()[n]));
    let expected = [item(0, 3), item(1, 2), item(2, 2)].join(", ");
    assert_eq!(rows, [format!("[{expected}]")]);
    check(&sql("DESC"), &[&rows[0]]);
}

#[test]
fn values_spread_and_the_total_stays() {
    let at = cells()[0];
    let value = |rings: &str, d: u32| {
        format!(
            "DISTINCT round(at['value'], 9) FROM (SELECT unnest(smooth_cells(c, x{rings})) AS at {}) \
             WHERE h3_grid_distance(at['cell'], CAST({} AS BIGINT UNSIGNED)) = {d}",
            from(&[(0, "70.0")]),
            u64::from(at)
        )
    };
    // 1 + 6/2 + 12/4 are 7.
    check(&value("", 0), &["10.0"]);
    check(&value("", 1), &["5.0"]);
    check(&value("", 2), &["2.5"]);
    check(&value("", 3), &[]);
    check(&value(", NULL", 2), &["2.5"]);
    check(&value(", 2", 1), &["5.0"]);
    check(&value(", 1", 0), &["17.5"]);
    check(&value(", 1", 1), &["8.75"]);
    check(&value(", 0", 0), &["70.0"]);
    check(&value(", 0", 1), &[]);
    let total = |rings| {
        format!(
            "count(*), round(sum(at['value']), 9) FROM (SELECT unnest(smooth_cells(c, x, {rings})) \
             AS at {})",
            from(&[(0, "70"), (1, "0"), (6, "4.5")])
        )
    };
    check(&total(0), &["3 74.5"]);
    // Three discs of 817 cells each, one beside another: counted with the h3 library.
    check(&total(16), &["883 74.5"]);
    // Beside a pentagon, which has five neighbours.
    let pentagon = Resolution::Nine.pentagons().next().unwrap();
    let near = pentagon.grid_disk::<Vec<_>>(1)[1];
    for (cell, near) in [(pentagon, 1 + 5 + 10), (near, 1 + 6 + 11)] {
        let sql = format!(
            "count(*), round(sum(at['value']), 9) FROM (SELECT unnest(smooth_cells(\
             CAST({} AS BIGINT UNSIGNED), 8)) AS at)",
            u64::from(cell)
        );
        check(&sql, &[&format!("{near} 8.0")]);
    }
}

#[test]
fn null_in_each_argument() {
    let one = from(&[(0, "1.0")]);
    let none = format!("{one} WHERE x > 2");
    check(&format!("allocate_cells(NULL, c, x) {one}"), &["NULL"]);
    check(
        &format!("allocate_cells(NULL::bigint, c, x) {one}"),
        &["NULL"],
    );
    check(&format!("allocate_cells(3, c, x) {none}"), &["NULL"]);
    check(&format!("allocate_cells(3, NULL, NULL) {one}"), &["NULL"]);
    check(&format!("smooth_cells(c, x) {none}"), &["NULL"]);
    check(&format!("smooth_cells(c, NULL) {one}"), &["NULL"]);
    check(&format!("smooth_cells(NULL, NULL) {one}"), &["NULL"]);
    // A NULL list has no rows.
    check(&format!("unnest(smooth_cells(c, x)) {none}"), &[]);
    // A place without cells beside one with some, and a cell whose value is not known.
    check_allocation("3", &["1.0"], &["3"]);
    let outer = from(&[(0, "1.0")]).replace(") AS t", ", (NULL, NULL)) AS t");
    let persons = |from: &str| format!("allocate_cells(3, c, x)[1]['persons'] {from}");
    check(&persons(&outer), &["3"]);
    let unknown = from(&[(0, "70.0"), (1, "NULL")]);
    check(
        &format!(
            "round(sum(at['value']), 9) FROM (SELECT unnest(smooth_cells(c, x)) AS at {unknown})"
        ),
        &["70.0"],
    );
    check_error(
        &format!("allocate_cells(3, c, x) {unknown}"),
        &format!("share of cell {} is NULL", cells()[1]),
    );
    check_error(
        &format!("allocate_cells(3, NULL, x) {one}"),
        "share 1 is of no cell",
    );
    check_error(
        &format!("smooth_cells(NULL, x) {one}"),
        "value 1 is of no cell",
    );
}

fn check_calls(calls: &[(&str, &str)]) {
    let two = from(&[(0, "1.0"), (1, "2.0")]);
    for (call, named) in calls {
        let named = named.replace("CELL", &cells()[0].to_string());
        check_error(&format!("{call} {two}"), &named);
        check_error(&format!("{call} {two} GROUP BY x > 0"), &named);
    }
}

#[test]
fn bad_input_is_named() {
    check_calls(&[
        ("allocate_cells(-7, c, x)", "-7 persons"),
        ("allocate_cells(7, c, -x)", "share -1 of cell CELL"),
        (
            "allocate_cells(7, c, x * 'NaN'::double)",
            "share NaN of cell",
        ),
        (
            "allocate_cells(7, c, x * 'Infinity'::double)",
            "share inf of cell",
        ),
        ("allocate_cells(7, c, 0.0)", "no cell has a weight"),
        (
            "allocate_cells(CAST(x AS BIGINT), c, x)",
            "persons 1 and 2 in one group",
        ),
        ("allocate_cells(7, 5, x)", "5 is not an H3 cell"),
        ("smooth_cells(c, -x)", "value -1 of cell CELL"),
        ("smooth_cells(c, 2e15)", "value 2000000000000000"),
        ("smooth_cells(c, x, -1)", "rings -1 is not 0 to 16"),
        ("smooth_cells(c, x, 17)", "rings 17 is not 0 to 16"),
        ("smooth_cells(c, x, 300)", "rings 300 is not 0 to 16"),
        (
            "smooth_cells(c, x, CAST(x AS BIGINT))",
            "rings 1 and 2 in one group",
        ),
    ]);
}

#[test]
fn arguments_of_other_kinds_are_refused() {
    check_calls(&[
        (
            "allocate_cells(7.5, c, x)",
            "argument persons must be an integer",
        ),
        ("allocate_cells(7, '89', x)", "h3_string_to_h3"),
        (
            "allocate_cells(7, c, 'x')",
            "argument share must be a number",
        ),
        (
            "allocate_cells(7, c)",
            "allocate_cells(persons, cell, share)",
        ),
        ("allocate_cells(DISTINCT 7, c, x)", "DISTINCT"),
        ("smooth_cells(c)", "smooth_cells(cell, value [, rings])"),
        (
            "smooth_cells(c, x, 1, 1)",
            "smooth_cells(cell, value [, rings])",
        ),
        (
            "smooth_cells(x, x)",
            "argument cell must be BIGINT UNSIGNED",
        ),
    ]);
}

#[test]
fn a_cell_is_once_and_of_one_resolution() {
    let cell = cells()[0];
    let parent = u64::from(cell.parent(Resolution::Eight).unwrap());
    let twice = from(&[(0, "1.0"), (0, "1.0")]);
    let mixed = format!(
        "FROM (SELECT c, x {} UNION ALL SELECT CAST({parent} AS BIGINT UNSIGNED), 1.0)",
        from(&[(0, "1.0"), (1, "2.0")])
    );
    for call in ["allocate_cells(7, c, x)", "smooth_cells(c, x)"] {
        check_error(
            &format!("{call} {twice}"),
            &format!("cell {cell} comes twice"),
        );
        check_error(&format!("{call} {mixed}"), "(resolution 8)");
    }
}

#[test]
fn windows_refuse_them() {
    let schema = Arc::new(Schema::new(vec![
        Field::new("window_start", DataType::Int64, false),
        Field::new("window_end", DataType::Int64, false),
        Field::new("cell", DataType::UInt64, false),
        Field::new("count", DataType::Int64, false),
    ]));
    for call in [
        "allocate_cells(count, cell, 1.0)",
        "smooth_cells(cell, count)",
    ] {
        let sql = format!("SELECT {call} AS r FROM observation");
        let session = Session::new();
        let plan = block_on(WindowQuery::plan(&session, Arc::clone(&schema), &sql));
        let error = plan.unwrap_err().to_string();
        assert!(error.contains("find the cells in a layer"), "{error}");
    }
    assert!(spatial_functions().iter().all(|f| is_spatial(f.name())));
}

/// A row: group, cell as an index into [`cells`], number. Each cell is once in a group.
type Row = (usize, usize, Option<f64>);

const GROUPS: usize = 3;

fn some_rows() -> impl Strategy<Value = Vec<Row>> {
    let number = prop_oneof![4 => (1e-3..1e6_f64).prop_map(Some), 1 => Just(None)];
    let rows = prop::collection::btree_map((0..GROUPS, 0..7_usize), number, 0..20);
    rows.prop_map(|rows| rows.into_iter().map(|((g, c), n)| (g, c, n)).collect())
}

/// The arguments of `function`: rows without a number have no cell either.
fn arrays(function: Function, rows: &[Row], one: i64) -> Vec<ArrayRef> {
    let all = cells();
    let cell = |row: &Row| row.2.map(|_| u64::from(all[row.1]));
    let cells: ArrayRef = Arc::new(rows.iter().map(cell).collect::<UInt64Array>());
    let numbers: ArrayRef = Arc::new(rows.iter().map(|row| row.2).collect::<Float64Array>());
    let one: ArrayRef = Arc::new(Int64Array::from(vec![one; rows.len()]));
    match function {
        Function::Allocate => vec![one, cells, numbers],
        Function::Smooth => vec![cells, numbers, one],
    }
}

fn groups_of(rows: &[Row]) -> Vec<usize> {
    rows.iter().map(|row| row.0).collect()
}

fn evaluated(function: Function, rows: &[Row], one: i64) -> ArrayRef {
    let mut groups = Groups::new(function);
    let values = arrays(function, rows, one);
    let of_rows = groups_of(rows);
    groups
        .update_batch(&values, &of_rows, None, GROUPS)
        .unwrap();
    groups.evaluate(EmitTo::All).unwrap()
}

/// The second field of a list's structs, added up.
fn sum(list: &ArrayRef) -> f64 {
    let structs = list.as_struct();
    let numbers = arrow::compute::cast(structs.column(1), &DataType::Float64).unwrap();
    let numbers: &Float64Array = numbers.as_primitive();
    numbers.iter().flatten().sum()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    /// Neither the order of rows nor how they are cut into states changes a bit.
    #[test]
    fn cuts_and_orders_are_nothing(rows in some_rows(), cut in 0..20_usize, one in 0..5_i64) {
        for function in Function::ALL {
            let whole = evaluated(function, &rows, one);
            let mut turned = rows.clone();
            turned.reverse();
            let middle = cut.min(turned.len());
            turned.rotate_left(middle);
            prop_assert_eq!(&evaluated(function, &turned, one), &whole);
            let mut merged = Groups::new(function);
            for part in [&turned[..middle], &turned[middle..]] {
                let values = arrays(function, part, one);
                let mut groups = Groups::new(function);
                groups.update_batch(&values, &groups_of(part), None, GROUPS).unwrap();
                let states = groups.state(EmitTo::First(1)).unwrap();
                merged.merge_batch(&states, &[0], GROUPS).unwrap();
                let states = groups.state(EmitTo::All).unwrap();
                merged.merge_batch(&states, &[1, 2], GROUPS).unwrap();
            }
            prop_assert!(merged.size() >= merged.heap_bytes());
            prop_assert_eq!(&merged.evaluate(EmitTo::All).unwrap(), &whole);
            prop_assert_eq!(merged.heap_bytes(), 0);
            let rows_alone = merged.convert_to_state(&arrays(function, &rows, one), None).unwrap();
            merged.merge_batch(&rows_alone, &groups_of(&rows), GROUPS).unwrap();
            prop_assert_eq!(&merged.evaluate(EmitTo::All).unwrap(), &whole);
        }
    }

    /// One group alone is as one of many.
    #[test]
    fn one_is_as_many(rows in some_rows(), number in 0..5_i64) {
        let rows: Vec<Row> = rows.into_iter().filter(|row| row.0 == 0).collect();
        for function in Function::ALL {
            let mut one = One::new(function);
            one.update_batch(&arrays(function, &rows, number)).unwrap();
            let mut other = One::new(function);
            let state = one.state().unwrap()[0].to_array().unwrap();
            other.merge_batch(&[state]).unwrap();
            let whole = evaluated(function, &rows, number).slice(0, 1);
            prop_assert_eq!(&one.evaluate().unwrap().to_array().unwrap(), &whole);
            prop_assert_eq!(&other.evaluate().unwrap().to_array().unwrap(), &whole);
        }
    }

    /// Nobody is made or lost.
    #[test]
    fn totals_stay(rows in some_rows(), persons in 0..1_000_000_i64, rings in 0..5_i64) {
        let mut given: BTreeMap<usize, f64> = BTreeMap::new();
        for (group, _, number) in &rows {
            if let Some(number) = number {
                *given.entry(*group).or_default() += number;
            }
        }
        let allocated = evaluated(Function::Allocate, &rows, persons);
        let smoothed = evaluated(Function::Smooth, &rows, rings);
        let (allocated, smoothed) = (allocated.as_list::<i32>(), smoothed.as_list::<i32>());
        for group in 0..GROUPS {
            let total = given.get(&group);
            prop_assert_eq!(allocated.is_valid(group), total.is_some());
            prop_assert_eq!(smoothed.is_valid(group), total.is_some());
            let Some(total) = total else { continue };
            #[expect(clippy::cast_precision_loss, reason = "below 2^53")]
            let persons = persons as f64;
            prop_assert!((sum(&allocated.value(group)) - persons).abs() < 0.5);
            let sum = sum(&smoothed.value(group));
            prop_assert!((sum - total).abs() <= total * 1e-12, "{} {}", sum, total);
        }
    }
}
