//! Tries to get an origin without a prevalence, with one that nobody reported, or with the wrong
//! day, by files that are wrong in one place each.

use std::collections::BTreeMap;

use tidegate_risk::importation::{BetaPosterior, Held, OriginKind, Reported, TierRule};

use super::{EvidenceBasis, Origin, OriginFiles, read_origins, read_tiers};
use crate::{InfectionConfig, Problem};

const HEADER: &str = "origin,kind,tier,cases_7d,population,ascertainment_low,ascertainment_mid,\
                      ascertainment_high,infectious_days,positive,tested,as_of\n";

const REPORTS: &str = "origin,date,cases\n\
                       R1,2026-02-27,10\nR1,2026-02-28,20\nR1,2026-03-01,30\nR1,2026-03-02,40\n";

fn infection(delay_days: u32) -> InfectionConfig {
    InfectionConfig {
        delay_days,
        infectious_curve: vec![0.0, 1.0],
    }
}

fn tiers() -> BTreeMap<String, TierRule> {
    let held = Held::try_new(0.5, 14).unwrap();
    let rule = TierRule::try_new(0.8, Some(held)).unwrap();
    BTreeMap::from([("high".to_owned(), rule)])
}

/// Reads one row, with reports when there is an infection.
fn read(row: &str, reports: &str, delay: Option<u32>) -> (Vec<Origin>, Vec<String>) {
    let text = format!("{HEADER}{row}\n");
    let infection = delay.map(infection);
    let mut problems = Vec::new();
    let files = OriginFiles {
        incidence: ("cases.csv", &text),
        reports: delay.map(|_| ("reports.csv", reports)),
        infection: infection.as_ref(),
        tiers: &tiers(),
    };
    let origins = read_origins(files, &mut problems);
    (origins, problems.iter().map(Problem::to_string).collect())
}

fn one(row: &str, delay: Option<u32>) -> Origin {
    let (mut origins, problems) = read(row, REPORTS, delay);
    assert_eq!(problems, [""; 0]);
    origins.pop().expect("one origin")
}

#[test]
fn a_sample_that_was_tested_comes_before_reports() {
    let weekly = one(
        "R1,foreign,high,140,500000,0.1,0.2,0.4,7,,,2026-03-01",
        None,
    );
    assert_eq!(weekly.basis, EvidenceBasis::ReportedWeekly);
    assert_eq!(weekly.kind, Some(OriginKind::Foreign));
    assert_eq!(weekly.tier.as_deref(), Some("high"));
    assert!((weekly.prevalence.mid().get() - 0.0014).abs() < 1e-15);
    assert_eq!(weekly.as_of.to_string(), "2026-03-01");

    let tested = one("R1,,,140,500000,0.1,0.2,0.4,7,3,2000,2026-03-04", Some(1));
    assert_eq!(tested.basis, EvidenceBasis::Tested);
    let posterior = BetaPosterior::try_jeffreys(3, 2000).unwrap();
    assert_eq!(tested.evidence, Reported::of_tests(posterior));
    // Golden value I9.
    assert!((tested.prevalence.mid().get() - 0.001_749_125_4).abs() < 1e-10);
    assert!((tested.prevalence.lo().get() - 0.000_422_64).abs() < 1e-8);
    assert_eq!(tested.as_of.to_string(), "2026-03-04");
}

#[test]
fn daily_reports_are_about_the_day_that_the_delay_leaves() {
    let row = "R1,domestic,,140,500000,0.5,0.5,0.5,7,,,2026-03-02";
    let check = |delay: u32, as_of: &str, cases: f64| {
        let origin = one(row, Some(delay));
        assert_eq!(origin.basis, EvidenceBasis::ReportedDaily);
        assert_eq!(origin.as_of.to_string(), as_of);
        // Whoever was infected the day before is infectious: `(c + ½) / (M + 1)`, all over ρ,
        // with the weight of a half case that of the cases.
        let expected = (cases + 0.5) / 500_001.0 / 0.5;
        let found = origin.prevalence.mid().get();
        assert!(
            (found - expected).abs() < 1e-9,
            "{delay}: {found} {expected}"
        );
    };
    // The day's own infections are not infectious yet, so those of the day before count.
    check(0, "2026-03-02", 30.0);
    check(2, "2026-02-28", 30.0);
    let (origins, problems) = read(row, REPORTS, Some(4));
    assert!(origins.is_empty());
    assert_eq!(
        problems,
        ["cases.csv: row 1.origin: 4 days of reports are not more than a delay of 4"]
    );
}

#[test]
fn wrong_rows_name_file_row_column_and_value() {
    let check = |row: &str, expected: &str| {
        let (origins, problems) = read(row, REPORTS, None);
        assert_eq!((origins.len(), problems), (0, vec![expected.to_owned()]));
    };
    check(
        "R1,abroad,,1,100,0.1,0.2,0.4,7,,,2026-03-01",
        "cases.csv: row 1.kind: \"abroad\" is not domestic or foreign",
    );
    check(
        "R1,,low,1,100,0.1,0.2,0.4,7,,,2026-03-01",
        "cases.csv: row 1.tier: \"low\" is not a tier of reference.tiers",
    );
    check(
        "R1,,,101,100,0.1,0.2,0.4,7,,,2026-03-01",
        "cases.csv: row 1.cases_7d: 101 is more than population 100",
    );
    check(
        "R1,,,0,0,0.1,0.2,0.4,7,,,2026-03-01",
        "cases.csv: row 1.population: 0 is not a population above 0",
    );
    check(
        "R1,,,1,100,0.3,0.2,0.4,7,,,2026-03-01",
        "cases.csv: row 1.ascertainment_low: [0.3, 0.2, 0.4] must ascend within (0, 1]",
    );
    check(
        "R1,,,1,100,0.1,0.2,0.4,NaN,,,2026-03-01",
        "cases.csv: row 1.infectious_days: NaN is not in (0, 365]",
    );
    check(
        "R1,,,1,100,0.1,0.2,0.4,7,,,2026-02-30",
        "cases.csv: row 1.as_of: \"2026-02-30\" is not a date YYYY-MM-DD",
    );
    check(
        "R1,,,1,100,0.1,0.2,0.4,7,3,,2026-03-01",
        "cases.csv: row 1.positive: positive and tested belong together: give both or none",
    );
    check(
        "R1,,,1,100,0.1,0.2,0.4,7,5,3,2026-03-01",
        "cases.csv: row 1.positive: 5 positives of 3 tested",
    );
}

#[test]
fn reports_have_no_gap_and_no_strangers() {
    let row = "R1,,,1,100,0.1,0.2,0.4,7,,,2026-03-01";
    let check = |reports: &str, expected: &str| {
        let (_, problems) = read(row, &format!("origin,date,cases\n{reports}"), Some(0));
        assert_eq!(problems, [expected]);
    };
    check(
        "R1,2026-03-01,1\nR1,2026-03-02,1\nR1,2026-03-04,1\n",
        "reports.csv: origin R1: has no row between 2026-03-02 and 2026-03-04: a day without \
         cases has a row with 0",
    );
    check(
        "R1,2026-03-01,1\nR1,2026-03-02,1\nR1,2026-03-02,2\n",
        "reports.csv: row 3: 2026-03-02 of origin \"R1\" is there twice",
    );
    check(
        "R9,2026-03-01,1\nR9,2026-03-02,1\n",
        "reports.csv: origin: origin \"R9\" is not in cases.csv",
    );
}

#[test]
fn tiers_are_read_whole_or_not_at_all() {
    let check = |rows: &str, expected: &[&str]| {
        let mut problems = Vec::new();
        let text = format!("tier,entry_effect,held_share,stay_days\n{rows}");
        let tiers = read_tiers("tiers.csv", &text, &mut problems);
        let problems: Vec<String> = problems.iter().map(Problem::to_string).collect();
        assert_eq!(problems, expected);
        tiers
    };
    let tiers = check("low,0,,\nhigh,0.5,0.9,14\n", &[]);
    assert_eq!(tiers["low"].held(), None);
    assert_eq!(tiers["high"].held(), Some(Held::try_new(0.9, 14).unwrap()));
    check(
        "high,0.5,0.9,\n",
        &["tiers.csv: row 1: held_share and stay_days belong together: give both or none"],
    );
    check(
        "high,1.5,,\n",
        &["tiers.csv: row 1: share 1.5 is not between 0 and 1"],
    );
    check(
        "a,0,,\na,1,,\n",
        &["tiers.csv: tier: tier \"a\" is there twice"],
    );
}
