//! Golden rows I7 and I8 again, through the joint form, and the laws of section 2.7. They try to
//! break the integrals against brute force, and the laws at the ends of every range.

use super::super::{
    Ascertainment, BetaPosterior, CordonRisk, DailyReports, Evidence, ImportLevel, InfectiousCurve,
    OriginArrivals, Prevalence, Reported, Signal, UnknownArrivals, UnknownAssumption, import_share,
};
use super::*;
use crate::presence::Stay;
use crate::special::gamma_p;
use proptest::prelude::*;

fn check(actual: f64, expected: f64, decimals: i32) {
    let tolerance = 0.5 * 10_f64.powi(-decimals) * 1.000_1;
    assert!(
        (actual - expected).abs() <= tolerance,
        "{actual} is not {expected} to {decimals} decimals"
    );
}

fn rho(low: f64, mid: f64, high: f64) -> Ascertainment {
    Ascertainment::try_new([low, mid, high]).unwrap()
}

fn weekly(cases: u64, population: u64, range: Ascertainment) -> Reported {
    Reported::try_weekly(cases, population, 7.0, range).unwrap()
}

fn from(arrivals: u64, evidence: Evidence) -> OriginArrivals {
    OriginArrivals::try_new(arrivals, evidence, 0.0).unwrap()
}

fn exactly(p: f64) -> Evidence {
    Evidence::Exactly(Prevalence::try_new(p).unwrap())
}

fn known(origins: &[OriginArrivals]) -> Arrivals<'_> {
    Arrivals {
        origins,
        unknown: UnknownArrivals::NONE,
    }
}

fn risk(origins: &[OriginArrivals]) -> JointRisk {
    Workspace::default().risk(&known(origins)).unwrap()
}

fn cordon(origins: &[OriginArrivals]) -> CordonRisk {
    Workspace::default().cordon(&known(origins)).unwrap()
}

#[test]
fn golden_i7() {
    let origins = [
        from(1_200, exactly(5e-4)),
        from(300, exactly(4e-3)),
        from(80, exactly(0.02)),
    ];
    let got = risk(&origins);
    check(got.lambda_mean, 3.4, 12);
    check(got.at_least_one, 0.967_247_404_1, 10);
    check(got.at_least_one_plug_in, 0.967_247_404_1, 10);
    // Nothing is uncertain.
    check(got.lambda95.lo, 3.4, 5);
    check(got.lambda95.hi, 3.4, 5);
    let mut shares = [0.0; 4];
    let any = Workspace::default().origin_shares(&known(&origins), &mut shares);
    assert_eq!(any, Ok(true));
    for (share, expected) in shares.into_iter().zip([0.176_47, 0.352_94, 0.470_59, 0.0]) {
        check(share, expected, 5);
    }
}

#[test]
fn golden_i8_i9() {
    let tested = |alpha, beta| Evidence::Tested(BetaPosterior::try_new(alpha, beta).unwrap());
    let eight = risk(&[from(1_000, tested(2.0, 1_998.0))]);
    check(eight.lambda_mean, 1.0, 12);
    check(eight.at_least_one, 0.555_777_876_6, 10);
    check(eight.at_least_one_plug_in, 0.632_304_575_2, 10);
    let nine = risk(&[from(400, tested(3.5, 1_997.5))]);
    check(nine.lambda_mean, 0.699_650_174_9, 10);
    check(nine.at_least_one, 0.471_910_956_6, 10);
    // 400 times row I9's interval, which the gamma distribution meets to its stated 1 %.
    assert!((nine.lambda95.lo / (400.0 * 0.000_422_64) - 1.0).abs() < 0.01);
    assert!((nine.lambda95.hi / (400.0 * 0.003_997_68) - 1.0).abs() < 0.01);
}

/// At an ascertainment of 1 and seven infectious days, cases are a sample of the population.
#[test]
fn reported_and_tested_meet() {
    let all = rho(1.0, 1.0, 1.0);
    let reported = risk(&[from(400, Evidence::Reported(weekly(3, 2_000, all)))]);
    let posterior = BetaPosterior::try_jeffreys(3, 2_000).unwrap();
    let tested = risk(&[from(400, Evidence::Tested(posterior))]);
    check(reported.at_least_one, tested.at_least_one, 12);
    check(reported.lambda95.hi, tested.lambda95.hi, 9);
}

#[test]
fn prevalence_scales_with_ascertainment() {
    let got = weekly(140_000, 500_000_000, rho(0.1, 0.2, 0.4)).prevalence();
    // Half a case of the prior in 140 000.
    check(got.lo().get(), 0.000_7, 7);
    check(got.mid().get(), 0.001_4, 7);
    check(got.hi().get(), 0.002_8, 7);
}

/// Constant incidence: the convolution is the product of 2.2 with the curve's days.
#[test]
fn golden_daily_is_weekly() {
    let curve = InfectiousCurve::try_new(&[1.0; 7]).unwrap();
    let cases = [2_000; 12];
    let reports = DailyReports {
        cases: &cases,
        delay_days: 3,
    };
    let range = rho(0.2, 0.2, 0.2);
    assert_eq!(reports.last_day(), Some(8));
    let daily = Reported::try_daily(reports, 8, &curve, 50_000_000, range).unwrap();
    check(daily.prevalence().mid().get(), 0.001_4, 7);
    assert_eq!(daily.age_days(), 3);
    // 140 cases a week in 500 000 people, without the half case.
    let weekly = weekly(14_000, 50_000_000, range);
    check(daily.unit_mean, weekly.unit_mean, 10);
    check(daily.shape, weekly.shape, 9);
}

/// The delay looks ahead: on day 0 the cases of day `delay` count.
#[test]
fn delay_shifts_the_series() {
    let curve = InfectiousCurve::try_new(&[1.0]).unwrap();
    let cases = [0, 0, 0, 1_000_000, 0];
    let at = |day, delay_days| {
        let reports = DailyReports {
            cases: &cases,
            delay_days,
        };
        Reported::try_daily(reports, day, &curve, 100_000_000, rho(1.0, 1.0, 1.0))
    };
    check(at(3, 0).unwrap().unit_mean, 0.01, 7);
    check(at(1, 2).unwrap().unit_mean, 0.01, 7);
    assert!(at(1, 0).unwrap().unit_mean < 1e-7);
    assert_eq!(at(1, 2).unwrap().age_days(), 3);
    for (day, delay) in [(5, 0), (3, 2), (usize::MAX, 1), (0, usize::MAX)] {
        assert!(matches!(
            at(day, delay),
            Err(ImportationError::NotYetReported { .. })
        ));
    }
}

fn mean_at(row: &Row, u: f64) -> f64 {
    let range = row.ascertainment();
    row.mean(ascertainment(range, range.map(libm::log), u))
}

/// The mixture of gammas in `u` by 2000 midpoints, against the quantiles.
fn brute_force(row: &Row, q: f64) -> f64 {
    let steps = 2_000_u32;
    let parts: Vec<(f64, f64)> = (0..steps)
        .map(|step| {
            let p = mean_at(row, (f64::from(step) + 0.5) / f64::from(steps));
            let mean = count(row.arrivals) * p;
            (mean, row.variance(p) / mean / mean)
        })
        .collect();
    let at_most = |x: f64| {
        let sum: f64 = parts
            .iter()
            .map(|(mean, spread)| gamma_p(1.0 / spread, x / mean / spread))
            .sum();
        sum / f64::from(steps)
    };
    let (mut lo, mut hi) = (-40.0, 20.0);
    for _ in 0..40 {
        let mid = f64::midpoint(lo, hi);
        if at_most(libm::exp(mid)) < q {
            lo = mid;
        } else {
            hi = mid;
        }
    }
    libm::exp(lo)
}

#[test]
fn integrals_against_brute_force() {
    for (cases, low, high) in [
        (0, 0.1, 0.4),
        (3, 0.05, 0.9),
        (140, 0.1, 0.4),
        (140_000, 0.02, 1.0),
    ] {
        let reported = weekly(cases, 500_000_000, rho(low, 0.2, high));
        let row = Row::new(1_000_000, Evidence::Reported(reported), 1.0);
        let got = risk(&[from(1_000_000, Evidence::Reported(reported))]);
        for (quantile, q) in [
            (got.lambda95.lo, 0.025),
            (got.lambda80.lo, 0.1),
            (got.lambda_median, 0.5),
            (got.lambda80.hi, 0.9),
            (got.lambda95.hi, 0.975),
        ] {
            let expected = brute_force(&row, q);
            assert!(
                (quantile / expected - 1.0).abs() < 2e-3,
                "{cases} cases, {q}: {quantile} {expected}"
            );
        }
        let steps = 2_000_u32;
        let none: f64 = (0..steps)
            .map(|step| {
                let u = (f64::from(step) + 0.5) / f64::from(steps);
                libm::exp(row.log_none(mean_at(&row, u)))
            })
            .sum();
        let expected = 1.0 - none / f64::from(steps);
        check(got.at_least_one, expected, 6);
    }
}

/// The quantiles of `origins` are met by the mixture of gammas to `tolerance` in probability.
fn check_quantiles(origins: &[(u64, u64, u64, [f64; 3])], tolerance: f64) {
    let evidence = |cases, population, [low, mid, high]: [f64; 3]| {
        Evidence::Reported(weekly(cases, population, rho(low, mid, high)))
    };
    let rows: Vec<_> = origins
        .iter()
        .map(|&(n, cases, population, range)| Row::new(n, evidence(cases, population, range), 1.0))
        .collect();
    let origins: Vec<_> = origins
        .iter()
        .map(|&(n, cases, population, range)| from(n, evidence(cases, population, range)))
        .collect();
    let got = risk(&origins);
    let at_most = |x: f64| {
        let steps = 4_000_u32;
        let sum: f64 = (0..steps)
            .map(|step| {
                let u = (f64::from(step) + 0.5) / f64::from(steps);
                let means = || rows.iter().map(|row| mean_at(row, u));
                let mean: f64 = rows
                    .iter()
                    .zip(means())
                    .map(|(row, p)| count(row.arrivals) * p)
                    .sum();
                let variance: f64 = rows
                    .iter()
                    .zip(means())
                    .map(|(row, p)| row.variance(p))
                    .sum();
                let spread = variance / mean / mean;
                gamma_p(1.0 / spread, x / mean / spread)
            })
            .sum();
        sum / f64::from(steps)
    };
    for (quantile, q) in [
        (got.lambda95.lo, 0.025),
        (got.lambda80.lo, 0.1),
        (got.lambda_median, 0.5),
        (got.lambda80.hi, 0.9),
        (got.lambda95.hi, 0.975),
    ] {
        let off = at_most(quantile) - q;
        assert!(
            off.abs() < tolerance,
            "{origins:?}, {q}: {quantile} is {off} off"
        );
    }
}

const USUAL: [f64; 3] = [0.1, 0.2, 0.4];

#[test]
fn quantiles_of_one_range_are_exact() {
    for cases in [0, 1, 8, 40, 60, 100, 140, 300, 2_000] {
        check_quantiles(&[(400, cases, 1_000_000, USUAL)], 2e-5);
        let other = (250, cases / 2, 3_000_000, USUAL);
        check_quantiles(&[(400, cases, 1_000_000, USUAL), other], 2e-5);
    }
}

#[test]
fn quantiles_of_several_ranges() {
    let wide = [0.05, 0.2, 0.8];
    let (many, few) = ((324, 9, 1_898_020, USUAL), (145, 13, 14_854_384, USUAL));
    check_quantiles(&[many, (230, 56, 5_000_000, wide)], 2e-4);
    check_quantiles(&[few, (146, 9, 5_000_000, wide)], 2e-4);
}

/// Also where narrow distributions are first cut into panels.
#[test]
fn a_person_more_raises_every_quantile() {
    let origin = |n, cases| {
        from(
            n,
            Evidence::Reported(weekly(cases, 1_000_000, rho(0.1, 0.2, 0.4))),
        )
    };
    for cases in [12, 60, 130] {
        let of = |n| {
            let got = risk(&[origin(n, cases), origin(300, 60), origin(100, 2)]);
            [
                got.lambda95.lo,
                got.lambda80.lo,
                got.lambda_median,
                got.lambda80.hi,
                got.lambda95.hi,
            ]
        };
        for n in 20..420 {
            for (few, many) in of(n).into_iter().zip(of(n + 1)) {
                assert!(few <= many, "{cases} {n}: {few} {many}");
            }
        }
    }
}

#[test]
fn unknown_origins_are_never_nothing() {
    let origins = [from(1_000_000, exactly(0.5))];
    let city = weekly(0, 10_000_000, rho(0.3, 0.5, 0.9));
    let assumption = Some(UnknownAssumption::try_new(city, 3.0).unwrap());
    let mut workspace = Workspace::default();
    let with = |arrivals, assumption| Arrivals {
        origins: &origins,
        unknown: UnknownArrivals {
            arrivals,
            assumption,
        },
    };
    let one = workspace.risk(&with(1, assumption)).unwrap();
    assert!(one.unknown_share.unwrap() > 0.0);
    check(
        one.known_arrivals_share.unwrap(),
        1_000_000.0 / 1_000_001.0,
        12,
    );
    let none = workspace.risk(&with(0, assumption)).unwrap();
    check(none.unknown_share.unwrap(), 0.0, 17);
    assert_eq!(
        workspace.risk(&with(7, None)),
        Err(ImportationError::UnknownOrigin(7))
    );
    // The range is wider than the city's own.
    let only = |widening| {
        let assumption = UnknownAssumption::try_new(city, widening).unwrap();
        let arrivals = Arrivals {
            origins: &[],
            unknown: UnknownArrivals {
                arrivals: 5_000,
                assumption: Some(assumption),
            },
        };
        Workspace::default().risk(&arrivals).unwrap()
    };
    let (narrow, wide) = (only(1.0), only(3.0));
    assert!(wide.lambda95.hi > narrow.lambda95.hi);
    check(wide.unknown_share.unwrap(), 1.0, 12);
    for bad in [0.9, f64::NAN, 1e4] {
        assert!(UnknownAssumption::try_new(city, bad).is_err());
    }
}

#[test]
fn age_is_passed_through_and_changes_no_number() {
    let fresh = weekly(14, 500_000, rho(0.1, 0.2, 0.4));
    let old = fresh.older_by(900).older_by(u32::MAX);
    let now = risk(&[from(1_000, Evidence::Reported(fresh))]);
    let then = risk(&[from(1_000, Evidence::Reported(old))]);
    assert_eq!(now.age_days_max, Some(0));
    assert_eq!(then.age_days_max, Some(u32::MAX));
    let aged = JointRisk {
        age_days_max: now.age_days_max,
        ..then
    };
    assert_eq!(aged, now);
    let nobody = risk(&[from(0, Evidence::Reported(old)), from(5, exactly(0.1))]);
    assert_eq!(nobody.age_days_max, None);
}

#[test]
fn nobody_and_nothing_are_no_risk() {
    for origins in [
        vec![],
        vec![from(0, exactly(1.0))],
        vec![from(9, exactly(0.0))],
    ] {
        let got = risk(&origins);
        check(got.lambda_mean, 0.0, 17);
        check(got.lambda95.hi, 0.0, 17);
        check(got.at_least_one, 0.0, 17);
        assert_eq!(got.unknown_share, None);
    }
    assert_eq!(risk(&[]).known_arrivals_share, None);
    check(risk(&[from(1, exactly(1.0))]).at_least_one, 1.0, 15);
    let kept_out = OriginArrivals::try_new(9, exactly(1.0), 1.0).unwrap();
    check(risk(&[kept_out]).at_least_one, 0.0, 17);
}

#[test]
fn a_cordon_beside_the_city() {
    let imports = cordon(&[from(1_000, exactly(1e-3))]);
    let local = |lo, mid, hi| imports.import_share(Range { lo, mid, hi });
    let even = local(1.0, 1.0, 1.0).unwrap().unwrap();
    check(even.range().mid, 0.5, 6);
    assert_eq!(even.level(), ImportLevel::Major);
    let few = local(15.0, 19.0, 99.0).unwrap().unwrap();
    check(few.range().lo, 0.01, 6);
    assert_eq!(few.level(), ImportLevel::Noticeable);
    assert_eq!(
        local(500.0, 500.0, 500.0).unwrap().unwrap().level(),
        ImportLevel::Minor
    );
    check(local(0.0, 0.0, 0.0).unwrap().unwrap().range().lo, 1.0, 15);
    for (lo, hi) in [
        (-1.0, 1.0),
        (2.0, 1.0),
        (f64::NAN, 1.0),
        (0.0, f64::INFINITY),
    ] {
        assert!(local(lo, 1.0, hi).is_err());
    }
    let none = cordon(&[]).import_share(Range {
        lo: 0.0,
        mid: 0.0,
        hi: 0.0,
    });
    assert_eq!(none, Ok(None));
}

#[test]
fn a_venue_has_persons_present() {
    let mut workspace = Workspace::default();
    let visits = [from(1_000, exactly(1e-3))];
    let busy = workspace.venue(&known(&visits)).unwrap();
    let stay = Stay::exponential(90.0).unwrap();
    check(busy.present(0.5, stay).unwrap().mid, 3.0, 5);
    let any = busy.present_at_least_one(0.5, stay).unwrap();
    check(any.mid, -libm::expm1(-3.0), 5);
    assert!(busy.present(0.0, stay).is_err() && busy.present(f64::NAN, stay).is_err());
    let quiet = workspace.venue(&known(&[])).unwrap();
    assert_eq!(busy.rank(&quiet), Some(std::cmp::Ordering::Greater));
    assert_eq!(quiet.rank(&busy), Some(std::cmp::Ordering::Less));
    assert_eq!(busy.rank(&busy), None);
    let mut out = [None];
    workspace.venues(&[known(&visits)], &mut out).unwrap();
    assert_eq!(out, [Some(Ok(busy))]);
    assert!(workspace.venues(&[], &mut out).is_err());
}

#[test]
fn a_signal_needs_the_low_end() {
    let got = risk(&[from(
        1_000,
        Evidence::Reported(weekly(140, 500_000, rho(0.1, 0.2, 0.4))),
    )]);
    assert!(got.lambda80.lo < 1.0 && got.lambda_median > 1.0, "{got:?}");
    assert_eq!(got.signal(got.lambda80.lo), Ok(Signal::Action));
    assert_eq!(got.signal(1.0), Ok(Signal::Watch));
    assert_eq!(got.signal(9.0), Ok(Signal::Quiet));
    assert!(got.signal(0.0).is_err() && got.signal(f64::NAN).is_err());
}

#[test]
fn bad_input_is_a_typed_error() {
    for bad in [-0.1, 1.1, f64::NAN] {
        assert!(OriginArrivals::try_new(1, exactly(0.1), bad).is_err());
        assert!(InfectiousCurve::try_new(&[bad]).is_err());
        let outbreak = Workspace::default().cordon_outbreak(&known(&[]), bad);
        assert!(outbreak.is_err());
    }
    for empty in [&[][..], &[0.0, 0.0], &[1.0; 1_001]] {
        assert!(InfectiousCurve::try_new(empty).is_err());
    }
    let range = rho(0.1, 0.2, 0.4);
    assert!(Reported::try_weekly(1, 0, 7.0, range).is_err());
    assert!(Reported::try_weekly(1, 9, f64::NAN, range).is_err());
    let short = DailyReports {
        cases: &[1, 2],
        delay_days: 1,
    };
    let curve = InfectiousCurve::try_new(&[1.0; 3]).unwrap();
    assert!(Reported::try_daily(short, 0, &curve, 9, range).is_err());
    assert!(Reported::try_daily(short, 0, &curve, 0, range).is_err());
    for (parts, bad) in [
        ([0.0, 1e-3, 0.1, 0.2, 0.4], ImportationError::Shape(0.0)),
        ([1e21, 1e-3, 0.1, 0.2, 0.4], ImportationError::Shape(1e21)),
        ([0.5, 0.0, 0.1, 0.2, 0.4], ImportationError::UnitMean(0.0)),
        (
            [0.5, 1e-3, 0.0, 0.2, 0.4],
            ImportationError::Ascertainment(0.0),
        ),
    ] {
        assert_eq!(Reported::try_from_parts(parts), Err(bad));
    }
    for nan in 0..5 {
        let mut parts = [0.5, 1e-3, 0.1, 0.2, 0.4];
        parts[nan] = f64::NAN;
        assert!(Reported::try_from_parts(parts).is_err(), "{parts:?}");
    }
    for bad in [-1.0, f64::NAN, f64::INFINITY] {
        assert!(import_share(bad, 1.0).is_err() && import_share(1.0, bad).is_err());
    }
    let mut out = [0.0];
    let shares = Workspace::default().origin_shares(&known(&[from(1, exactly(0.1))]), &mut out);
    assert!(shares.is_err());
}

fn evidence() -> impl Strategy<Value = Evidence> {
    let reported = (
        prop_oneof![0..20_u64, 0..1_000_000_u64],
        prop_oneof![1..100_000_000_u64, Just(u64::MAX)],
        prop::array::uniform3(1e-3..1.0_f64),
    );
    prop_oneof![
        reported.prop_map(|(cases, population, mut range)| {
            range.sort_unstable_by(f64::total_cmp);
            let range = Ascertainment::try_new(range).unwrap();
            Evidence::Reported(weekly(cases, population, range))
        }),
        (1e-2..1e3_f64, 1e-2..1e7_f64)
            .prop_map(|(a, b)| Evidence::Tested(BetaPosterior::try_new(a, b).unwrap())),
        prop_oneof![Just(0.0), Just(1.0), 0.0..=1.0_f64].prop_map(exactly),
    ]
}

fn origins() -> impl Strategy<Value = Vec<OriginArrivals>> {
    let persons = prop_oneof![Just(0), Just(u64::MAX), 0..100_000_u64];
    let entry = prop_oneof![Just(0.0), Just(1.0), 0.0..=1.0_f64];
    let origin = (persons, evidence(), entry)
        .prop_map(|(n, evidence, entry)| OriginArrivals::try_new(n, evidence, entry).unwrap());
    prop::collection::vec(origin, 0..5)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(100))]

    /// Parts, and tests as reported cases, give the numbers of the evidence they came from.
    #[test]
    fn parts_are_the_whole(origins in origins()) {
        let through = |evidence| match evidence {
            Evidence::Reported(it) => Evidence::Reported(Reported::try_from_parts(it.parts()).unwrap()),
            Evidence::Tested(it) => Evidence::Reported(Reported::of_tests(it)),
            Evidence::Exactly(_) => evidence,
        };
        let other: Vec<_> = origins.iter().map(|origin| OriginArrivals::try_new(
            origin.arrivals(), through(origin.evidence()), origin.entry_effect()).unwrap()).collect();
        let without_age = |origins| JointRisk { age_days_max: None, ..risk(origins) };
        prop_assert_eq!(without_age(&other), without_age(&origins));
    }

    #[test]
    fn expected_is_the_mean(origins in origins(), n in 0..1_000_u64) {
        let city = weekly(0, 1_000, rho(0.1, 0.2, 0.4));
        let arrivals = Arrivals {
            origins: &origins,
            unknown: UnknownArrivals {
                arrivals: n,
                assumption: Some(UnknownAssumption::try_new(city, UnknownAssumption::WIDENING).unwrap()),
            },
        };
        let mut workspace = Workspace::default();
        let mean = workspace.risk(&arrivals).unwrap().lambda_mean;
        prop_assert_eq!(workspace.expected(&arrivals).unwrap().to_bits(), mean.to_bits());
    }

    #[test]
    fn numbers_are_finite_and_ordered(origins in origins()) {
        let got = risk(&origins);
        let (mean, p) = (got.lambda_mean, got.at_least_one);
        prop_assert!(mean.is_finite() && mean >= 0.0);
        // The union bound, and Jensen's inequality.
        prop_assert!((0.0..=1.0).contains(&p) && p <= mean);
        prop_assert!(p <= got.at_least_one_plug_in + 1e-9, "{:?}", got);
        let ladder = [
            0.0, got.lambda95.lo, got.lambda80.lo, got.lambda_median, got.lambda80.hi,
            got.lambda95.hi,
        ];
        prop_assert!(ladder.windows(2).all(|pair| pair[0] <= pair[1]), "{:?}", got);
        prop_assert!(got.lambda95.hi.is_finite());
        for range in [got.lambda_by_ascertainment, got.at_least_one_by_ascertainment] {
            prop_assert!(0.0 <= range.lo && range.lo <= range.mid && range.mid <= range.hi);
        }
    }

    #[test]
    fn order_does_not_change_a_bit(origins in origins(), turn in 0..5_usize) {
        let mut other = origins.clone();
        other.reverse();
        let len = other.len().max(1);
        other.rotate_left(turn % len);
        prop_assert_eq!(risk(&origins), risk(&other));
    }

    #[test]
    fn lambda_is_additive(a in origins(), b in origins()) {
        let both: Vec<_> = a.iter().chain(&b).copied().collect();
        let (sum, whole) = (risk(&a).lambda_mean + risk(&b).lambda_mean, risk(&both).lambda_mean);
        prop_assert!((sum - whole).abs() <= 1e-12 * whole.max(1.0));
    }

    #[test]
    fn shares_add_up(origins in origins()) {
        let mut shares = vec![0.0; origins.len() + 1];
        let any = Workspace::default().origin_shares(&known(&origins), &mut shares).unwrap();
        prop_assert_eq!(any, risk(&origins).lambda_mean > 0.0);
        let sum: f64 = shares.iter().sum();
        prop_assert!((sum - f64::from(u8::from(any))).abs() < 1e-9);
    }

    /// Shared ascertainment gives a lower probability than one that each origin had for itself.
    #[test]
    fn shared_is_not_independent(origins in origins()) {
        let none: f64 = origins.iter().map(|one| 1.0 - risk(&[*one]).at_least_one).product();
        prop_assert!(risk(&origins).at_least_one <= 1.0 - none + 1e-9);
    }

    #[test]
    fn monotone(origins in origins(), evidence in evidence(), n in 0..1_000_u64, more in 0..1_000_u64, entry in 0.0..=1.0_f64) {
        let with = |n, entry| {
            let mut all = origins.clone();
            all.push(OriginArrivals::try_new(n, evidence, entry).unwrap());
            risk(&all)
        };
        let (few, many) = (with(n, 0.0), with(n + more, 0.0));
        prop_assert!(few.at_least_one <= many.at_least_one + 1e-12);
        prop_assert!(few.lambda_mean <= many.lambda_mean * (1.0 + 1e-12));
        prop_assert!(with(n, entry).at_least_one <= few.at_least_one + 1e-12);
    }

    #[test]
    fn an_outbreak_is_rarer_than_an_import(origins in origins(), one in 0.0..=1.0_f64) {
        let mut workspace = Workspace::default();
        let got = workspace.cordon_outbreak(&known(&origins), one).unwrap();
        prop_assert!((0.0..=1.0).contains(&got));
        prop_assert!(got <= risk(&origins).at_least_one + 1e-12);
    }
}
