//! Tries to break the aggregates over origins through SQL: golden values, NULL in each argument,
//! bad input, what must be one value for a group, the order and the cutting of rows, and windows.

use std::sync::Arc;

use arrow::array::{Array, ArrayRef, AsArray, Float64Array, Int64Array, RecordBatch, StructArray};
use arrow::datatypes::{DataType, Field, Float64Type, Schema};
use arrow::util::display::array_value_to_string;
use datafusion::logical_expr::{Accumulator, EmitTo, GroupsAccumulator};
use proptest::prelude::*;
use tidegate_model::EventTime;
use tidegate_risk::importation::{
    Arrivals, Ascertainment, Evidence, OriginArrivals, Reported, UnknownArrivals,
    UnknownAssumption, Workspace,
};

use super::outcome::{Outcome, RISK_FIELDS};
use super::{EVIDENCE_FIELDS, importation_functions};
use crate::gather::{Groups, One};
use crate::h3_functions::kernel::struct_fields;
use crate::{LayerFrame, LayerQuery, Session, Slot, WindowQuery};

/// Evidence of 140 cases among 500,000, and of a city without cases.
const SOME: &str = "evidence(140, 500000, 7, 0.1, 0.2, 0.4)";
const CITY: &str = "evidence(0, 10000000, 7, 0.2, 0.4, 0.8)";

fn block_on<T>(future: impl Future<Output = T>) -> T {
    tokio::runtime::Builder::new_current_thread()
        .build()
        .unwrap()
        .block_on(future)
}

/// The first column of all rows of `SELECT what`, or the message of its error.
fn column(what: &str) -> Result<ArrayRef, String> {
    let answer = block_on(Session::new().query(&format!("SELECT {what}")));
    let (_, batches) = answer.map_err(|error| error.to_string())?;
    let columns: Vec<_> = batches
        .iter()
        .map(|batch| batch.column(0).as_ref())
        .collect();
    arrow::compute::concat(&columns).map_err(|error| error.to_string())
}

/// The one value that `SELECT what` gives, as text; `NULL` for a NULL.
fn value(what: &str) -> String {
    let column = column(what).unwrap_or_else(|error| panic!("{what}: {error}"));
    assert_eq!(column.len(), 1, "{what}");
    if column.is_null(0) {
        return "NULL".to_owned();
    }
    array_value_to_string(&column, 0).unwrap()
}

fn check(what: &str, expected: f64, decimals: i32) {
    let actual: f64 = value(what).parse().unwrap();
    let tolerance = 0.5 * 10_f64.powi(-decimals) * 1.000_1;
    assert!(
        (actual - expected).abs() <= tolerance,
        "{what}: {actual} is not {expected} to {decimals} decimals"
    );
}

fn check_error(what: &str, part: &str) {
    let Err(error) = column(what) else {
        panic!("{what} succeeds");
    };
    assert!(error.contains(part), "{what}: {error:?} lacks {part:?}");
}

/// Evidence of a beta distribution, as if every infection were reported.
fn beta(shape: f64, mean: f64) -> String {
    format!(
        "named_struct('shape', {shape:?}, 'unit_mean', {mean:?}, 'ascertainment_low', 1, \
         'ascertainment_mid', 1, 'ascertainment_high', 1)"
    )
}

#[test]
fn golden_values() {
    let of = |field: &str, n: u64, evidence: &str| {
        format!("import_risk({n}, {evidence}, NULL, NULL)['{field}']")
    };
    let eight = beta(2.0, 0.001);
    check(&of("lambda_mean", 1_000, &eight), 1.0, 12); // I8
    check(&of("at_least_one", 1_000, &eight), 0.555_777_876_6, 10);
    check(&of("plug_in", 1_000, &eight), 0.632_304_575_2, 10);
    let nine = "evidence_of_tests(3, 2000)";
    check(&of("lambda_mean", 400, nine), 0.699_650_174_9, 10); // I9
    check(&of("at_least_one", 400, nine), 0.471_910_956_6, 10);
    check(&of("known_arrivals_share", 400, nine), 1.0, 15);
    check(&of("unknown_share", 400, nine), 0.0, 15);
    // I7, with prevalences that are as good as certain.
    let rows = [(1_200, 5e-4), (300, 4e-3), (80, 0.02)]
        .map(|(n, p)| format!("({n}, {})", beta(1e15, p)))
        .join(", ");
    let from = format!("FROM (VALUES {rows}) AS t(n, e)");
    check(
        &format!("import_risk(n, e, 0, NULL)['lambda_mean'] {from}"),
        3.4,
        12,
    );
    check(
        &format!("import_risk(n, e, 0, NULL)['at_least_one'] {from}"),
        0.967_247_404_1,
        9,
    );
    check(
        &format!("import_risk(n, e, 0, NULL)['lambda'] {from}"),
        3.4,
        6,
    );
    for (n, share) in [(1_200, 0.176_47), (300, 0.352_94), (80, 0.470_59)] {
        let shares = format!(
            "share FROM (SELECT n, expected_infectious(n, e, 0, NULL) OVER (PARTITION BY n) \
             / nullif(expected_infectious(n, e, 0, NULL) OVER (), 0) AS share {from}) \
             WHERE n = {n}"
        );
        check(&shares, share, 5);
    }
    // O7's outbreak from I9's arrivals, of which each has λ 0.6997 from a gamma distribution of shape
    // 3.5: 1 - (1 + 0.6997 · 0.1393 / 3.5)^-3.5 is 0.0917.
    let outbreak = "import_outbreak(400, evidence_of_tests(3, 2000), 0, NULL, 0.1393146078)";
    check(outbreak, 0.091_7, 3);
    check(
        "import_outbreak(400, evidence_of_tests(3, 2000), 0, NULL, 1)",
        0.471_910_956_6,
        10,
    );
    check(
        "import_outbreak(400, evidence_of_tests(3, 2000), 0, NULL, 0)",
        0.0,
        17,
    );
}

#[test]
fn ascertainment_is_shared() {
    let risk = |field| format!("import_risk(n, {SOME}, 0, NULL)['{field}']");
    let twice = "FROM (VALUES (500), (500)) AS t(n)";
    let once = "FROM (VALUES (1000)) AS t(n)";
    let width = |from| -> f64 {
        let hi: f64 = value(&format!("{} {from}", risk("lambda_hi95")))
            .parse()
            .unwrap();
        let lo: f64 = value(&format!("{} {from}", risk("lambda_lo95")))
            .parse()
            .unwrap();
        hi / lo
    };
    // Two origins of equal evidence are two, but their ascertainment is one: 0.1 to 0.4 stays.
    assert!(width(twice) > 3.5 && width(twice) < width(once));
    let ends = [
        "lambda_lo95",
        "lambda_lo80",
        "lambda",
        "lambda_hi80",
        "lambda_hi95",
    ];
    let ends = ends.map(|end| {
        value(&format!("{} {once}", risk(end)))
            .parse::<f64>()
            .unwrap()
    });
    assert!(ends.is_sorted(), "{ends:?}");
    let ends = [
        "at_least_one_lo",
        "at_least_one",
        "at_least_one_hi",
        "plug_in",
    ];
    let ends = ends.map(|end| {
        value(&format!("{} {once}", risk(end)))
            .parse::<f64>()
            .unwrap()
    });
    assert!(ends[..3].is_sorted() && ends[1] < ends[3], "{ends:?}");
}

#[test]
fn an_unknown_origin_is_never_no_risk() {
    let rows = format!("FROM (VALUES (900, {SOME}), (100, NULL)) AS t(n, e)");
    let field = |field, unknown: &str| {
        value(&format!(
            "import_risk(n, e, 0, {unknown})['{field}'] {rows}"
        ))
    };
    assert_eq!(field("known_arrivals_share", CITY), "0.9");
    assert!(field("unknown_share", CITY).parse::<f64>().unwrap() > 0.0);
    // Without an assumption there is no value, and what is known of origins stays.
    for name in RISK_FIELDS {
        let expected = if name == "known_arrivals_share" {
            "0.9"
        } else {
            "NULL"
        };
        assert_eq!(field(name, "NULL"), expected, "{name}");
    }
    assert_eq!(
        value(&format!("expected_infectious(n, e, 0, NULL) {rows}")),
        "NULL"
    );
    assert_eq!(
        value(&format!("import_outbreak(n, e, 0, NULL, 0.5) {rows}")),
        "NULL"
    );
    // No entry rule is known to hold for them, and their range is widened.
    let only = |entry, field| {
        let call = format!("import_risk(100, NULL, {entry}, {CITY})['{field}']");
        value(&call).parse::<f64>().unwrap()
    };
    assert!(only("0.9", "lambda").to_bits() == only("0", "lambda").to_bits());
    let known = format!("import_risk(100, {CITY}, 0, NULL)['lambda_hi95']");
    assert!(only("0", "lambda_hi95") > 1.2 * value(&known).parse::<f64>().unwrap());
    let share = format!(
        "expected_infectious(n, e, 0, {CITY}) OVER (PARTITION BY e IS NULL) / \
         expected_infectious(n, e, 0, {CITY}) OVER () FROM (VALUES (9000000, {SOME}), (1, NULL)) \
         AS t(n, e) ORDER BY n"
    );
    let shares = column(&share).unwrap();
    let shares = shares.as_primitive::<Float64Type>();
    assert!(shares.value(0) > 0.0 && (shares.value(0) + shares.value(1) - 1.0).abs() < 1e-9);
}

#[test]
fn null_in_each_argument() {
    let risk = |arguments: &str| value(&format!("import_risk({arguments})['lambda_mean']"));
    let plain = risk(&format!("1000, {SOME}, 0, NULL"));
    assert_eq!(risk(&format!("1000, {SOME}, NULL, {CITY}")), plain);
    // A count that is not known is passed over, and a group without another has no value.
    let rows = format!("n, {SOME}, 0, NULL)['lambda_mean'] FROM (VALUES (1000), (NULL)) AS t(n)");
    assert_eq!(value(&format!("import_risk({rows}")), plain);
    for call in [
        "import_risk(n, e, 0, NULL)",
        "expected_infectious(n, e, 0, NULL)",
    ] {
        let from = format!("FROM (VALUES (NULL::bigint, {SOME})) AS t(n, e)");
        assert_eq!(value(&format!("{call} {from}")), "NULL");
        assert_eq!(value(&format!("{call} {from} WHERE n > 0")), "NULL");
        assert_eq!(
            value(&format!("{call} FILTER (WHERE n > 0) {from}")),
            "NULL"
        );
    }
    assert_eq!(
        value(&format!("import_outbreak(9, {SOME}, 0, NULL, NULL)")),
        "NULL"
    );
    assert_eq!(value("import_risk(NULL, NULL, NULL, NULL)"), "NULL");
    // Nobody came: no risk, and no shares of it.
    let nobody = |field| value(&format!("import_risk(0, {SOME}, 0, NULL)['{field}']"));
    assert_eq!(nobody("lambda"), "0.0");
    assert_eq!(nobody("at_least_one"), "0.0");
    assert_eq!(nobody("unknown_share"), "NULL");
    assert_eq!(nobody("known_arrivals_share"), "NULL");
}

/// Alone and by group.
fn check_refused(call: &str, named: &str) {
    check_error(call, named);
    let grouped = if call.contains(" FROM ") {
        format!("{call} GROUP BY i > 0")
    } else {
        format!("{call} FROM (VALUES (1), (2)) AS t(i) GROUP BY i")
    };
    check_error(&grouped, named);
}

#[test]
fn arguments_of_another_kind_are_named() {
    for (call, named) in [
        (
            format!("import_risk(7.5, {SOME}, 0, NULL)"),
            "argument persons must be an integer",
        ),
        (
            "import_risk(7, 0.1, 0, NULL)".to_owned(),
            "argument evidence must be what evidence",
        ),
        (
            format!("import_risk(7, {SOME}, 'x', NULL)"),
            "argument entry_effect must be a number",
        ),
        (
            format!("import_risk(7, {SOME})"),
            "takes 4 arguments, not 2",
        ),
        (
            format!("import_risk(DISTINCT 7, {SOME}, 0, NULL)"),
            "DISTINCT",
        ),
    ] {
        check_refused(&call, named);
    }
}

#[test]
fn bad_input_is_named() {
    let twins = "FROM (VALUES (1), (2)) AS t(i)";
    for (call, named) in [
        (format!("import_risk(-7, {SOME}, 0, NULL)"), "persons -7"),
        (
            format!("import_risk(7, {SOME}, 1.5, NULL)"),
            "entry_effect 1.5",
        ),
        (
            format!("import_risk(7, {SOME}, 'NaN'::double, NULL)"),
            "entry_effect NaN",
        ),
        (
            format!("import_outbreak(7, {SOME}, 0, NULL, -0.5)"),
            "one -0.5",
        ),
        (
            format!("import_risk(7, {}, 0, NULL)", beta(0.0, 0.1)),
            "evidence: shape 0",
        ),
        (
            format!("import_risk(7, {SOME}, 0, {})", beta(1.0, 0.0)),
            "unknown_evidence: mean",
        ),
        (
            format!("import_risk(7, NULL, 0, evidence(i, 100, 7, 1, 1, 1)) {twins}"),
            "in one group",
        ),
        (
            format!("import_outbreak(7, {SOME}, 0, NULL, i / 4.0) {twins}"),
            "one 0.25 and 0.5",
        ),
        (
            format!(
                "import_risk(9223372036854775807, NULL, 0, {CITY}) \
                     FROM (VALUES (1), (2), (3)) AS t(i)"
            ),
            "too many",
        ),
    ] {
        check_refused(&call, named);
    }
    let part = "named_struct('shape', 1.0, 'unit_mean', NULL::double, 'ascertainment_low', 1.0, \
                'ascertainment_mid', 1.0, 'ascertainment_high', 1.0)";
    check_error(
        &format!("import_risk(7, {part}, 0, NULL)"),
        "evidence has a NULL unit_mean",
    );
}

#[test]
fn a_layer_shows_a_risk_of_each_venue() {
    let session = Session::new();
    let fields = [
        Field::new("venue_id", DataType::Utf8, false),
        Field::new("persons", DataType::Int64, false),
        Field::new("cases", DataType::Int64, true),
    ];
    let schema = Arc::new(Schema::new(fields.to_vec()));
    let slot = Slot::new(Arc::clone(&schema));
    session.register_slot("arrivals", &slot).unwrap();
    let sql = format!(
        "SELECT 'venue' AS subject_kind, venue_id AS subject, r['lambda'] AS value, \
         r['lambda_lo80'] AS lo, r['lambda_hi80'] AS hi, \
         r['known_arrivals_share'] AS coverage, \
         'infectious arrivals' AS unit, 'inflow/lambda-joint@1' AS method FROM (SELECT venue_id, \
         import_risk(persons, evidence(cases, 500000, 7, 0.1, 0.2, 0.4), 0.0, {CITY}) AS r \
         FROM arrivals GROUP BY venue_id)"
    );
    let query = block_on(LayerQuery::plan(&session, &sql)).unwrap();
    let columns: Vec<ArrayRef> = vec![
        Arc::new(arrow::array::StringArray::from(vec!["b", "a", "b"])),
        Arc::new(Int64Array::from(vec![900, 500, 100])),
        Arc::new(Int64Array::from(vec![Some(140), Some(3), None])),
    ];
    slot.set(vec![RecordBatch::try_new(schema, columns).unwrap()]);
    let frame = LayerFrame {
        layer: "venue_inflow",
        start: EventTime::from_micros(0),
        end: EventTime::from_micros(900_000_000),
        revision: 0,
        is_final: true,
    };
    let rows = block_on(query.evaluate(frame)).unwrap();
    assert_eq!(rows.num_rows(), 2);
    let of = |name| {
        rows.column_by_name(name)
            .unwrap()
            .as_primitive::<Float64Type>()
            .clone()
    };
    let (value, lo, hi, coverage) = (of("value"), of("lo"), of("hi"), of("coverage"));
    for idx in 0..2 {
        assert!(0.0 < lo.value(idx) && lo.value(idx) < value.value(idx));
        assert!(value.value(idx) < hi.value(idx));
    }
    assert_eq!(coverage.values(), &[1.0, 0.9]);
}

#[test]
fn windows_refuse_them() {
    let schema = Arc::new(Schema::new(vec![
        Field::new("window_start", DataType::Int64, false),
        Field::new("window_end", DataType::Int64, false),
        Field::new("count", DataType::Int64, false),
    ]));
    for function in importation_functions() {
        let one = if function.name() == "import_outbreak" {
            ", 0.5"
        } else {
            ""
        };
        let sql = format!(
            "SELECT {}(count, {SOME}, 0.0, {CITY}{one}) AS r FROM observation",
            function.name()
        );
        let plan = block_on(WindowQuery::plan(
            &Session::new(),
            Arc::clone(&schema),
            &sql,
        ));
        let error = plan.unwrap_err().to_string();
        for part in [function.name(), "find the risk in a layer"] {
            assert!(error.contains(part), "{error}");
        }
    }
}

/// A row: group, persons, evidence, entry effect.
type Row = (usize, Option<i64>, Option<Reported>, Option<f64>);

const GROUPS: usize = 3;

fn reported() -> impl Strategy<Value = Reported> {
    let range = prop::array::uniform3(1e-3..1.0_f64);
    (0..200_u64, 1..10_000_000_u64, range).prop_map(|(cases, population, mut range)| {
        range.sort_unstable_by(f64::total_cmp);
        let range = Ascertainment::try_new(range).unwrap();
        Reported::try_weekly(cases, population, 7.0, range).unwrap()
    })
}

fn rows() -> impl Strategy<Value = Vec<Row>> {
    let persons = prop_oneof![4 => (0..5_000_i64).prop_map(Some), 1 => Just(None)];
    let effect = prop::option::of(0.0..=1.0_f64);
    prop::collection::vec(
        (0..GROUPS, persons, prop::option::of(reported()), effect),
        0..20,
    )
}

fn evidence_array(rows: &[Option<Reported>]) -> ArrayRef {
    let columns = (0..EVIDENCE_FIELDS.len()).map(|part| {
        let values = rows.iter().map(|row| row.map(|row| row.parts()[part]));
        Arc::new(values.collect::<Float64Array>()) as ArrayRef
    });
    let valid: Vec<bool> = rows.iter().map(Option::is_some).collect();
    Arc::new(StructArray::new(
        struct_fields(&EVIDENCE_FIELDS),
        columns.collect(),
        Some(valid.into()),
    ))
}

fn arrays(rows: &[Row], city: Reported) -> Vec<ArrayRef> {
    let evidence: Vec<_> = rows.iter().map(|row| row.2).collect();
    vec![
        Arc::new(rows.iter().map(|row| row.1).collect::<Int64Array>()),
        evidence_array(&evidence),
        Arc::new(rows.iter().map(|row| row.3).collect::<Float64Array>()),
        evidence_array(&vec![Some(city); rows.len()]),
    ]
}

fn groups_of(rows: &[Row]) -> Vec<usize> {
    rows.iter().map(|row| row.0).collect()
}

fn evaluated(rows: &[Row], city: Reported) -> ArrayRef {
    let mut groups = Groups::new(Outcome::Risk);
    let values = arrays(rows, city);
    groups
        .update_batch(&values, &groups_of(rows), None, GROUPS)
        .unwrap();
    groups.evaluate(EmitTo::All).unwrap()
}

/// What the library says of the rows of one group.
fn expected(rows: &[Row], group: usize, city: Reported) -> Option<[Option<f64>; 12]> {
    let mine = || rows.iter().filter(|row| row.0 == group && row.1.is_some());
    let persons = |row: &Row| u64::try_from(row.1.unwrap()).unwrap();
    let origins: Vec<_> = mine()
        .filter_map(|row| {
            let evidence = Evidence::Reported(row.2?);
            OriginArrivals::try_new(persons(row), evidence, row.3.unwrap_or(0.0)).ok()
        })
        .collect();
    let arrivals = Arrivals {
        origins: &origins,
        unknown: UnknownArrivals {
            arrivals: mine().filter(|row| row.2.is_none()).map(persons).sum(),
            assumption: Some(UnknownAssumption::try_new(city, 2.0).unwrap()),
        },
    };
    mine().next()?;
    let risk = *Workspace::default().cordon(&arrivals).unwrap().risk();
    Some([
        Some(risk.lambda_median),
        Some(risk.lambda_mean),
        Some(risk.lambda80.lo),
        Some(risk.lambda80.hi),
        Some(risk.lambda95.lo),
        Some(risk.lambda95.hi),
        Some(risk.at_least_one),
        Some(risk.at_least_one_by_ascertainment.lo),
        Some(risk.at_least_one_by_ascertainment.hi),
        Some(risk.at_least_one_plug_in),
        risk.unknown_share,
        risk.known_arrivals_share,
    ])
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    /// Each field of each group is that of the library to the last bit, and P is at most λ.
    #[test]
    fn groups_are_the_library(rows in rows(), city in reported()) {
        let actual = evaluated(&rows, city);
        let actual = actual.as_struct();
        for group in 0..GROUPS {
            let expected = expected(&rows, group, city);
            prop_assert_eq!(actual.is_null(group), expected.is_none());
            for (idx, expected) in expected.into_iter().flatten().enumerate() {
                let column = actual.column(idx).as_primitive::<Float64Type>();
                let actual = column.is_valid(group).then(|| column.value(group).to_bits());
                prop_assert_eq!(actual, expected.map(f64::to_bits), "{}", RISK_FIELDS[idx]);
            }
            let of = |name| actual.column_by_name(name).unwrap()
                .as_primitive::<Float64Type>().value(group);
            if actual.is_valid(group) {
                prop_assert!(of("at_least_one") <= of("lambda_mean"));
                prop_assert!(of("at_least_one") <= of("plug_in") + 1e-9);
            }
        }
    }

    /// Neither the order of rows nor how they are cut into states changes a bit.
    #[test]
    fn cuts_and_orders_are_nothing(rows in rows(), city in reported(), cut in 0..20_usize) {
        let whole = evaluated(&rows, city);
        let mut turned = rows.clone();
        turned.reverse();
        let middle = cut.min(turned.len());
        turned.rotate_left(middle);
        prop_assert_eq!(&evaluated(&turned, city), &whole);
        let mut merged = Groups::new(Outcome::Risk);
        for part in [&turned[..middle], &turned[middle..]] {
            let values = arrays(part, city);
            let mut groups = Groups::new(Outcome::Risk);
            groups.update_batch(&values, &groups_of(part), None, GROUPS).unwrap();
            let states = groups.state(EmitTo::First(1)).unwrap();
            merged.merge_batch(&states, &[0], GROUPS).unwrap();
            let states = groups.state(EmitTo::All).unwrap();
            merged.merge_batch(&states, &[1, 2], GROUPS).unwrap();
        }
        prop_assert_eq!(&merged.evaluate(EmitTo::All).unwrap(), &whole);
        let mut merged = Groups::new(Outcome::Risk);
        let rows_alone = merged.convert_to_state(&arrays(&rows, city), None).unwrap();
        merged.merge_batch(&rows_alone, &groups_of(&rows), GROUPS).unwrap();
        prop_assert!(merged.size() >= merged.heap_bytes());
        prop_assert_eq!(&merged.evaluate(EmitTo::All).unwrap(), &whole);
        prop_assert_eq!(merged.heap_bytes(), 0);
    }

    /// One group alone is as one of many.
    #[test]
    fn one_is_as_many(rows in rows(), city in reported()) {
        let rows: Vec<Row> = rows.into_iter().map(|row| (0, row.1, row.2, row.3)).collect();
        let mut one = One::new(Outcome::Risk);
        one.update_batch(&arrays(&rows, city)).unwrap();
        let mut other = One::new(Outcome::Risk);
        let state = one.state().unwrap()[0].to_array().unwrap();
        other.merge_batch(&[state]).unwrap();
        let whole = evaluated(&rows, city).slice(0, 1);
        prop_assert_eq!(&one.evaluate().unwrap().to_array().unwrap(), &whole);
        prop_assert_eq!(&other.evaluate().unwrap().to_array().unwrap(), &whole);
    }

    /// More arrivals from one origin are no less risk.
    #[test]
    fn more_arrivals_are_more_risk(rows in rows(), city in reported(), more in 1..1_000_i64) {
        let mut fuller = rows.clone();
        for row in &mut fuller {
            row.1 = row.1.map(|persons| persons + more);
        }
        let (few, many) = (evaluated(&rows, city), evaluated(&fuller, city));
        for name in ["lambda_mean", "at_least_one", "at_least_one_hi"] {
            let of = |risks: &ArrayRef| risks.as_struct().column_by_name(name).unwrap()
                .as_primitive::<Float64Type>().clone();
            for (few, many) in of(&few).iter().zip(&of(&many)) {
                prop_assert!(few <= many.map(|many| many * (1.0 + 1e-12)), "{}", name);
            }
        }
    }
}
