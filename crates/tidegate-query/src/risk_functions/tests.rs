//! Tries to break the risk functions through SQL, as a layer would use them: the golden values of
//! their methods, NULL in every place, bad input, the ends of ranges, and rows that share results.

use std::fmt::Write;

use arrow::array::AsArray;
use arrow::datatypes::Float64Type;
use proptest::prelude::*;
use tidegate_risk::importation::{Prevalence, prob_at_least_one_exact};
use tidegate_risk::method;
use tidegate_risk::outbreak::{Control, Offspring};

use super::{DEFINITIONS, SEARCHES, risk_functions};
use crate::h3_functions::kernel::Definition;
use crate::h3_functions::tests::{
    check_error, check_examples, check_refused, column, session, value,
};

const METHODS: &str = include_str!("../../../../docs/METHODS.md");

const GUIDE: &str = include_str!("../../../../docs/guide/functions.md");

const GUIDE_START: &str = "\
# Risk functions in SQL

Layers and `tidegate sql` have these functions beside those of DataFusion and the H3 functions.
`SELECT * FROM information_schema.routines` or `SHOW FUNCTIONS LIKE '%risk%'` show them with their arguments, units and ranges.

- NULL in gives NULL out, and NULL comes out where there is no answer.
- Other bad input is an error that names the value. The scalar functions have a twin with `try_` in front that gives NULL instead.
- The last three are aggregates with one row an origin. They may not be used in windows: keep persons by origin there, and find the risk in a layer.
- The method's section in [METHODS.md](../METHODS.md) has the formula, its source, and what it does not cover. A layer names it as `method`.

A layer of the importation risk at venues; `import_risk` gives a struct, of which a layer takes fields:

```sql
SELECT 'venue' AS subject_kind, venue_id AS subject,
  r['lambda'] AS value, r['lambda_lo80'] AS lo, r['lambda_hi80'] AS hi,
  'infectious arrivals' AS unit, 'inflow/lambda-joint@1' AS method
FROM (
  SELECT venue_id, import_risk(persons, evidence, entry_effect, unknown_evidence) AS r
  FROM arrivals GROUP BY venue_id
)
```

| function | what it gives | method |
|---|---|---|
";

fn definitions() -> impl Iterator<Item = &'static Definition> {
    DEFINITIONS.into_iter().chain(SEARCHES).flatten()
}

/// Checks that `call` gives `expected` to so many decimals.
fn check(call: &str, expected: f64, decimals: i32) {
    let actual: f64 = value(call).parse().unwrap();
    let tolerance = 0.5 * 10_f64.powi(-decimals) * 1.000_1;
    assert!(
        (actual - expected).abs() <= tolerance,
        "{call}: {actual} is not {expected} to {decimals} decimals"
    );
}

#[test]
fn examples_hold() {
    for table in DEFINITIONS.into_iter().chain(SEARCHES) {
        check_examples(table);
    }
}

/// Golden rows I1 to I6: one origin of certain prevalence.
#[test]
fn golden_at_least_one() {
    for (n, p, expected) in [
        (1_000, "500 / 8e6", 0.060_588_772_1),
        (1_000, "20000 / 330e6", 0.058_807_788_5),
        (100_000, "20000 / 330e6", 0.997_667_441_9),
        (100_000, "2000 / 330e6", 0.454_505_438_0),
        (29, "0.01", 0.252_827_905_7),
        (5_000, "1e-4", 0.393_484_504_4),
    ] {
        check(&format!("prob_any(ln_none({n}, {p}))"), expected, 10);
    }
    check("prob_any(-1000 * 500 / 8e6)", 0.060_586_937_2, 10);
    check("prob_any(-0.5)", 0.393_469_340_3, 10);
}

/// Golden row I7: three origins, of which the smallest flow has the largest risk.
#[test]
fn golden_three_origins() {
    let from = "FROM (VALUES (1200, 5e-4), (300, 4e-3), (80, 0.02)) AS t(n, p)";
    check(&format!("sum(n * p) {from}"), 3.4, 12);
    check(
        &format!("prob_any(sum(ln_none(n, p))) {from}"),
        0.967_247_404_1,
        10,
    );
    check("prob_any(-3.4)", 0.966_626_730_0, 10);
    for (n, share) in [(1_200, 0.176_47), (300, 0.352_94), (80, 0.470_59)] {
        check(
            &format!("max(n * p) FILTER (WHERE n = {n}) / sum(n * p) {from}"),
            share,
            5,
        );
    }
}

/// Golden rows I8 and I9, and the prevalence of section 2.2.
#[test]
fn golden_evidence() {
    check("beta_binomial_any(1000, 2, 1998)", 0.555_777_876_6, 10);
    check("prob_any(ln_none(1000, 1e-3))", 0.632_304_575_2, 10);
    check(
        "evidence_of_tests(3, 2000)['unit_mean']",
        0.001_749_125_4,
        10,
    );
    check("beta_binomial_any(400, 3.5, 1997.5)", 0.471_910_956_6, 10);
    check("prevalence(140, 500000, 0.2, 7)", 0.001_4, 15);
    let of = |field| format!("evidence(140, 500000, 7, 0.1, 0.2, 0.4)['{field}']");
    check(&of("unit_mean"), 140.5 / 500_001.0, 15);
    check(&of("ascertainment_low"), 0.1, 15);
    check(&of("ascertainment_mid"), 0.2, 15);
    check(&of("ascertainment_high"), 0.4, 15);
    check("evidence(0, 500000, 7, 1, 1, 1)['shape']", 0.5, 15);
    check("import_share(10, 90)", 0.1, 15);
    check("import_share(0, 90)", 0.0, 17);
}

/// Golden rows O1 to O8. O4's last is the package's own on its grid; see the tests of the library.
#[test]
fn golden_outbreaks() {
    check("1 - outbreak_probability(1.5, 0.5)", 0.767_591_879_2, 10);
    check(
        "outbreak_probability(1.5, 'Infinity'::double)",
        0.582_811_643_9,
        10,
    );
    check("outbreak_probability(1.63, 0.16)", 0.119_870_505_8, 10);
    let controlled = |measures| format!("outbreak_probability_controlled(1.5, 0.5, {measures})");
    check(&controlled("0.2, 0"), 0.090_705_98, 8);
    check(&controlled("0, 0.2"), 0.113_382_5, 7);
    check(&controlled("0.1, 0.1"), 0.108_492_4, 7);
    check(
        "outbreak_from(5, outbreak_probability_controlled(1.5, 1, 0.1, 0.1))",
        0.579_940_834_6,
        10,
    );
    for (r, q) in [(2.0, 0.5), (3.0, 1.0 / 3.0), (5.0, 0.2)] {
        check(&format!("1 - outbreak_probability({r}, 1)"), q, 14);
    }
    check("outbreak_probability(0.5, 1)", 0.0, 17);
    check("outbreak_probability(2.35, 0.16)", 0.194_0, 4);
    check("outbreak_probability(2.35, 0.26)", 0.279_3, 4);
    for (n, more_likely) in [(3, "false"), (4, "true")] {
        let call = format!("outbreak_from({n}, outbreak_probability(2.35, 0.16)) > 0.5");
        assert_eq!(value(&call), more_likely, "{call}");
    }
    check("1 - outbreak_probability(2.5, 0.1)", 0.860_685_392_2, 10);
    check(
        "outbreak_any(0.5, outbreak_probability(2.5, 0.1))",
        0.067_286_597_6,
        10,
    );
    check("infects_nobody(2.5, 0.1)", 0.721_942_593_4, 10);
    check("infects_nobody(1.5, 0.5)", 0.5, 12);
}

/// Golden rows W1 to W4.
#[test]
fn golden_exposures() {
    check("wells_riley(1, 10, 0.54, 1, 1000)", 0.005_385_446_2, 10);
    check("wells_riley(1, 25, 0.54, 2, 300)", 0.086_068_814_7, 10);
    check("wells_riley(1, 10, 0.54, 1, 5.4)", 0.632_120_558_8, 10);
    check(
        "wells_riley_from_clean(1, 10, 0.54, 0.5, 6000, 3.93)",
        6.439_719_724e-5,
        14,
    );
    check(
        "wells_riley(1, 10, 0.54, 0.5, 6000 * 3.93)",
        1.144_972_615e-4,
        13,
    );
    check(
        "wells_riley_co2(1, 10, 1, 1000, 400, 50)",
        0.003_152_913_8,
        10,
    );
    check("contact_exposure(1.7, 0.8, 10, 2)", 13.6, 12);
    check("contact_exposure(1, 6, 10, 2)", 20.0, 12);
}

/// Golden rows D1, D5 and D6, and the indicators of section 1.7.
#[test]
fn golden_crowds() {
    check("little(600, 45)", 450.0, 12);
    for (call, expected) in [
        ("count_lo(450, 'Infinity'::double)", "409"),
        ("count_hi(450, 'Infinity'::double)", "492"),
        ("count_lo(450, 20)", "271"),
        ("count_hi(450, 20)", "672"),
        ("capacity_of('square_2_m', 800)", "200"),
        ("capacity_of('square_1_5_m', 800)", "355"),
        ("capacity_of('beijing_2020', 800)", "400"),
        ("capacity_of('beijing_2020', 1300)", "650"),
        ("crowd_level(1200, 400)", "red"),
        ("crowd_level(279, 400)", "normal"),
        ("life_safety_level('moving', 1200 / 800.0)", "normal"),
        ("life_safety_level('moving', 4)", "red"),
    ] {
        assert_eq!(value(call), expected, "{call}");
    }
    check("flow_imbalance(480, 360)", 0.142_857, 6);
    check("flow_skellam_z(480, 360)", 4.140_393, 6);
    check("minutes_to_threshold(700, 1000, 480, 360, 15)", 37.5, 12);
    check("door_load(2460, 15, 2)", 1.0, 12);
}

#[test]
fn null_gives_null() {
    for definition in definitions() {
        let count = definition.parameters.len();
        // Of good input each argument in turn is NULL; `worse_level` alone takes it.
        let (call, _) = definition.example;
        let start = call.find(definition.name).unwrap() + definition.name.len() + 1;
        let mut depth = 1;
        let end = start
            + call[start..]
                .find(|letter| {
                    depth += i32::from(letter == '(') - i32::from(letter == ')');
                    depth == 0
                })
                .unwrap();
        // Arguments that are calls of two arguments themselves are not split.
        let arguments: Vec<&str> = call[start..end].splitn(count, ", ").collect();
        for nulled in 0..count {
            let mut arguments = arguments.clone();
            arguments[nulled] = "NULL";
            let call = format!("{}({})", definition.name, arguments.join(", "));
            if definition.name == "worse_level" {
                assert_ne!(value(&call), "NULL", "{call}");
            } else {
                assert_eq!(value(&call), "NULL", "{call}");
                assert_eq!(value(&format!("try_{call}")), "NULL", "{call}");
            }
        }
    }
    assert_eq!(value("los_level(NULL, -1)"), "NULL");
}

#[test]
fn a_level_that_is_not_known_hides_none_that_is() {
    for (a, b, expected) in [
        ("'watch'", "NULL", "watch"),
        ("NULL", "'red'", "red"),
        ("NULL", "NULL", "NULL"),
        ("'amber'", "'normal'", "amber"),
    ] {
        assert_eq!(value(&format!("worse_level({a}, {b})")), expected);
        let rows = format!("worse_level(a, b) FROM (VALUES ({a}::text, {b}::text)) AS t(a, b)");
        assert_eq!(value(&rows), expected, "{rows}");
    }
}

#[test]
fn what_has_no_answer_is_null_and_never_a_default() {
    for call in [
        "flow_imbalance(0, 0)",
        "flow_skellam_z(0, 0)",
        "minutes_to_threshold(10, 100, 50, 50, 15)",
        "minutes_to_threshold_hi(10, 100, 50, 50, 15)",
        "minutes_to_threshold_lo(10, 100, 0, 50, 15)",
        "wells_riley(1, 10, 0.54, 1, NULL)",
        "wells_riley_from_clean(1, 10, 0.54, 1, 6000, NULL)",
        "wells_riley_co2(1, 10, 1, 1000, 400, 0)",
        "wells_riley_co2(1, 10, 1, 399, 400, 50)",
        "import_share(0, 0)",
    ] {
        assert_eq!(value(call), "NULL", "{call}");
    }
    for (call, expected) in [
        ("minutes_to_threshold(100, 100, 0, 50, 15)", "0.0"),
        ("minutes_to_threshold_lo(10, 100, 50, 50, 15) > 0", "true"),
    ] {
        assert_eq!(value(call), expected, "{call}");
    }
}

#[test]
fn bad_crowds_are_named_or_null() {
    for (call, named) in [
        ("los_level('fruin', 1)", "'fruin'"),
        ("los_level('fruin_queue', -0.5)", "-0.5"),
        ("los_level('fruin_queue', 'NaN'::double)", "NaN"),
        ("flow_imbalance(-1, 2)", "arrivals -1"),
        ("flow_skellam_z(1, -2)", "departures -2"),
        ("minutes_to_threshold(-7, 100, 1, 0, 15)", "-7 persons"),
        ("minutes_to_threshold(7, 'NaN'::double, 1, 0, 15)", "NaN"),
        ("minutes_to_threshold_lo(7, 100, 1, 0, 0)", "0 minutes"),
        ("minutes_to_threshold_hi(7, 100, 1, -3, 15)", "-3"),
        ("door_load(9, 15, 0)", "width 0"),
        (
            "door_load(18446744073709551615, 15, 1)",
            "18446744073709551615",
        ),
        ("capacity_of('beijing', 800)", "'beijing'"),
        ("capacity_of('beijing_2020', 0)", "area 0"),
        ("capacity_of('beijing_2020', 'NaN'::double)", "NaN"),
        ("capacity_of('ibc_mercantile', 800)", "ibc_mercantile"),
        ("capacity_of_gross('ibc_standing', 800)", "ibc_standing"),
        ("crowd_level(1, 0)", "capacity of 0"),
        ("crowd_level(1, -4)", "capacity -4"),
        ("crowd_level('NaN'::double, 4)", "NaN"),
        ("life_safety_level('walking', 1)", "'walking'"),
        ("life_safety_level('moving', -1)", "-1"),
        ("worse_level('green', NULL)", "'green'"),
        ("count_lo(-1, 20)", "-1"),
        ("count_lo(1e8, 20)", "100000000"),
        ("count_hi(450, 0)", "k 0"),
        ("count_hi(450, '-Infinity'::double)", "-inf"),
        ("little(-1, 45)", "-1"),
        ("little(600, 0)", "0 minutes"),
    ] {
        check_refused(call, named);
    }
}

#[test]
fn bad_inflow_is_named_or_null() {
    for (call, named) in [
        ("prevalence(-1, 1000, 0.2, 7)", "cases_7d -1"),
        ("prevalence(1, -1000, 0.2, 7)", "population -1000"),
        ("prevalence(1, 0, 0.2, 7)", "population of 0"),
        ("prevalence(1, 1000, 0, 7)", "ascertainment 0"),
        ("prevalence(1, 1000, 1.1, 7)", "ascertainment 1.1"),
        ("prevalence(1, 1000, 0.2, -7)", "-7 infectious days"),
        ("prevalence(1, 1000, 'NaN'::double, 7)", "NaN"),
        ("ln_none(-1, 0.5)", "n -1"),
        ("ln_none(1, 1.5)", "1.5"),
        ("ln_none(1, -0.5)", "-0.5"),
        ("ln_none(1, 'NaN'::double)", "NaN"),
        ("prob_any(0.1)", "0.1"),
        ("prob_any('NaN'::double)", "NaN"),
        ("evidence(-1, 1000, 7, 0.1, 0.2, 0.4)", "cases_7d -1"),
        ("evidence(1, 0, 7, 0.1, 0.2, 0.4)", "population of 0"),
        ("evidence(1, 1000, 0, 0.1, 0.2, 0.4)", "0 infectious days"),
        ("evidence(1, 1000, 7, 0, 0.2, 0.4)", "ascertainment 0"),
        ("evidence(1, 1000, 7, 0.3, 0.2, 0.4)", "0.3"),
        ("evidence_of_tests(3, 2)", "3 positives of 2"),
        ("evidence_of_tests(0, 0)", "0 tests"),
        ("beta_binomial_any(-1, 1, 1)", "n -1"),
        ("beta_binomial_any(1, 0, 1)", "beta parameter 0"),
        ("beta_binomial_any(1, 1, 2e9)", "2000000000"),
        ("import_share(-1, 1)", "-1 persons"),
        ("import_share(1, 'Infinity'::double)", "inf persons"),
        ("contact_exposure(-1, 1, 10, 2)", "lambda -1"),
        ("contact_exposure(1, -1, 10, 2)", "-1"),
        ("contact_exposure(1, 1, 'NaN'::double, 2)", "NaN"),
        ("wells_riley(1, 10, 0.54, 1, 0)", "clean_air_m3h 0"),
        ("wells_riley(-1, 10, 0.54, 1, 100)", "infectious -1"),
        ("wells_riley(1, 10, 0.54, 'NaN'::double, 100)", "hours NaN"),
        ("wells_riley_from_clean(1, 10, 0.54, 1, 0, 3)", "volume 0"),
        (
            "wells_riley_from_clean(1, 10, 0.54, 1, 600, 0)",
            "air changes 0",
        ),
        (
            "wells_riley_co2(1, 10, 1, -1, 400, 50)",
            "carbon dioxide inside -1",
        ),
        ("wells_riley_co2(1, 10, 1, 1000, 400, -50)", "persons -50"),
        ("outbreak_probability(-1, 1)", "reproduction number -1"),
        ("outbreak_probability(2, 0)", "dispersion 0"),
        ("outbreak_probability_controlled(2, 1, 1.5, 0)", "share 1.5"),
        ("outbreak_any(-1, 0.5)", "-1 introductions"),
        ("outbreak_any(1, 1.5)", "share 1.5"),
        ("outbreak_from(-1, 0.5)", "introductions -1"),
        ("infects_nobody(2, 'NaN'::double)", "dispersion NaN"),
    ] {
        check_refused(call, named);
    }
    check_error("ln_none(1.5, 0.5)", &["argument n must be an integer"]);
}

#[test]
fn certain_and_impossible_arrivals() {
    for (call, expected) in [
        ("ln_none(0, 1.0)", "0.0"),
        ("ln_none(3, 1.0)", "-inf"),
        ("ln_none(3, 0.0)", "-0.0"),
        ("prob_any(ln_none(3, 1.0))", "1.0"),
        ("prob_any(ln_none(3, 0.0))", "0.0"),
        ("prob_any(ln_none(0, 1.0))", "0.0"),
        // Where 1 - exp(x) would have lost every digit.
        ("prob_any(ln_none(1, 1e-18))", "1e-18"),
        ("prevalence(9223372036854775807, 1, 0.2, 7)", "1.0"),
        ("los_level('hcm_queue', 100)", "F"),
    ] {
        assert_eq!(value(call), expected, "{call}");
    }
}

/// Each function names a method, and the method's section of the manual names the function.
#[test]
fn the_manual_names_every_function() {
    for function in risk_functions() {
        let name = function.name();
        let Some(name) = (!name.starts_with("try_")).then_some(name) else {
            continue;
        };
        let about = &function.documentation().unwrap().description;
        check_manual(name, about);
    }
    let aggregates = crate::importation_functions().into_iter();
    for function in aggregates.chain(crate::spatial_functions()) {
        check_manual(
            function.name(),
            &function.documentation().unwrap().description,
        );
    }
}

fn check_manual(name: &str, about: &str) {
    let mut ids = method::ALL
        .iter()
        .filter(|id| about.contains(*id))
        .peekable();
    assert!(ids.peek().is_some(), "{name} names no method");
    for id in ids {
        let (_, rest) = METHODS.split_once(&format!("### `{id}`")).unwrap();
        let section = rest.split("\n##").next().unwrap();
        assert!(section.contains(&format!("`{name}`")), "{id} lacks {name}");
    }
}

/// The page is this text; a difference shows the page as it should be.
#[test]
fn the_guide_is_the_table() {
    let scalars = definitions().map(|definition| definition.name);
    let functions = risk_functions();
    let documented = |name: &str| {
        let mut functions = functions.iter();
        let function = functions.find(|function| function.name() == name).unwrap();
        function.documentation().unwrap().clone()
    };
    let aggregates = crate::importation_functions();
    let aggregates = aggregates
        .iter()
        .map(|it| it.documentation().unwrap().clone());
    let mut page = GUIDE_START.to_owned();
    for documentation in scalars.map(documented).chain(aggregates) {
        let about = &documentation.description;
        let what = about.split(" Method").next().unwrap();
        let what = what.strip_suffix(" The interval of method").unwrap_or(what);
        let ids = method::ALL.iter().filter(|id| about.contains(*id));
        let ids: Vec<_> = ids.map(|id| format!("`{id}`")).collect();
        let syntax = &documentation.syntax_example;
        writeln!(page, "| `{syntax}` | {what} | {} |", ids.join(", ")).unwrap();
    }
    assert!(page == GUIDE, "docs/guide/functions.md must be:\n{page}");
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    /// The SQL form of P(≥1) is the exact form of `tidegate-risk`, up to the order of adding.
    #[test]
    fn any_is_the_exact_probability(
        arrivals in prop::collection::vec((0..100_000_u64, 0.0..=1.0_f64, 0..12_i32), 1..8),
    ) {
        let arrivals: Vec<_> = arrivals
            .into_iter()
            .map(|(n, p, decade)| (n, p * 10.0_f64.powi(-decade)))
            .collect();
        let rows: Vec<_> = arrivals
            .iter()
            .map(|(n, p)| format!("({n}, arrow_cast('{p}', 'Float64'))"))
            .collect();
        let call = format!(
            "prob_any(sum(ln_none(n, p))) FROM (VALUES {}) AS t(n, p)",
            rows.join(", ")
        );
        let actual: f64 = value(&call).parse().unwrap();
        let pairs: Vec<_> = arrivals
            .iter()
            .map(|&(n, p)| (n, Prevalence::try_new(p).unwrap()))
            .collect();
        let expected = prob_at_least_one_exact(&pairs);
        prop_assert!((actual - expected).abs() <= 1e-12 * expected, "{actual} {expected}");
    }

    /// Rows that share a result have the one of the library, also beyond the rows that are kept.
    #[test]
    fn shared_rows_are_the_library(
        distinct in prop::collection::vec((0.0..3.0_f64, 0.05..5.0_f64), 1..4), step in 0..2_u32,
    ) {
        let rows = 3_000;
        let call = format!(
            "outbreak_probability(r + {step} * i / 1000.0, k) FROM (VALUES {}) AS t(r, k) \
             CROSS JOIN (SELECT unnest(range(0, {rows})) AS i)",
            distinct.iter().map(|(r, k)| format!("({r:?}, {k:?})")).collect::<Vec<_>>().join(", ")
        );
        let all = column(
            &session(),
            &format!("SELECT {call} ORDER BY r, k, i"),
        );
        let mut sorted = distinct;
        sorted.sort_by(|a, b| a.partial_cmp(b).unwrap());
        let expected = sorted.iter().flat_map(|(r, k)| (0..rows).map(move |i| {
            let r = r + f64::from(step * i) / 1_000.0;
            Offspring::try_new(r, *k).unwrap().outbreak_probability(Control::NONE)
        }));
        let actual = all.as_primitive::<Float64Type>();
        prop_assert!(actual.values().iter().copied().map(f64::to_bits)
            .eq(expected.map(f64::to_bits)));
    }
}
