//! Golden rows I1 to I9 of the domain notes, and the laws of section 2.7. They try to break the
//! formulas at small probabilities, large counts, and the ends of each range.

use super::*;
use proptest::prelude::*;

fn share(value: f64) -> Prevalence {
    Prevalence::try_new(value).unwrap()
}

fn check(actual: f64, expected: f64, decimals: i32) {
    let tolerance = 0.5 * 10_f64.powi(-decimals) * 1.000_1;
    assert!(
        (actual - expected).abs() <= tolerance,
        "{actual} is not {expected} to {decimals} decimals"
    );
}

fn check_at_least_one(n: u64, p: f64, expected: f64) {
    check(prob_at_least_one_exact(&[(n, share(p))]), expected, 10);
}

#[test]
fn golden_probability_of_at_least_one() {
    check_at_least_one(1_000, 500.0 / 8e6, 0.060_588_772_1); // I1
    check_at_least_one(1_000, 20_000.0 / 330e6, 0.058_807_788_5); // I2
    check_at_least_one(100_000, 20_000.0 / 330e6, 0.997_667_441_9); // I3
    check_at_least_one(100_000, 2_000.0 / 330e6, 0.454_505_438_0); // I4
    check_at_least_one(29, 0.01, 0.252_827_905_7); // I5
    check_at_least_one(5_000, 1e-4, 0.393_484_504_4); // I6
    let poisson = |lambda| prob_at_least_one_poisson(lambda).unwrap();
    check(poisson(1_000.0 * 500.0 / 8e6), 0.060_586_937_2, 10); // I1
    check(poisson(0.5), 0.393_469_340_3, 10); // I6
}

#[test]
fn golden_three_origins() {
    let window = [(1_200, share(5e-4)), (300, share(4e-3)), (80, share(0.02))];
    check(lambda(&window), 3.4, 12); // I7
    check(prob_at_least_one_exact(&window), 0.967_247_404_1, 10);
    check(
        prob_at_least_one_poisson(lambda(&window)).unwrap(),
        0.966_626_730_0,
        10,
    );
    let parts = shares(&window).unwrap();
    for (part, expected) in parts.into_iter().zip([0.176_47, 0.352_94, 0.470_59]) {
        check(part, expected, 5);
    }
}

#[test]
fn golden_beta_binomial() {
    let eight = BetaPosterior::try_new(2.0, 1_998.0)
        .unwrap()
        .arrivals(1_000);
    check(eight.mean, 1.0, 12); // I8
    check(eight.at_least_one, 0.555_777_876_6, 10);
    check_at_least_one(1_000, 1e-3, 0.632_304_575_2);
    let posterior = BetaPosterior::try_jeffreys(3, 2_000).unwrap();
    check(posterior.mean(), 0.001_749_125_4, 10); // I9
    let nine = posterior.arrivals(400);
    check(nine.mean, 0.699_650_174_9, 10);
    check(nine.variance, 0.837_623_268_7, 10);
    check(nine.at_least_one, 0.471_910_956_6, 10);
}

#[test]
fn golden_prevalence() {
    check(
        prevalence(140, 500_000, 0.2, 7.0).unwrap().get(),
        0.001_4,
        15,
    );
    let range = Ascertainment::try_new([0.1, 0.2, 0.4]).unwrap();
    let range = prevalence_range(140, 500_000, range, 7.0).unwrap();
    check(range.lo().get(), 0.000_7, 15);
    check(range.mid().get(), 0.001_4, 15);
    check(range.hi().get(), 0.002_8, 15);
}

#[test]
fn a_prevalence_is_held_at_one() {
    for (cases, population, ascertainment, days) in [
        (1_000_000, 1_000, 0.1, 10.0),
        (u64::MAX, 1, f64::MIN_POSITIVE, f64::MAX),
        (1, 1, 5e-324, f64::MAX),
    ] {
        let held = prevalence(cases, population, ascertainment, days).unwrap();
        assert_eq!(held, share(1.0), "{cases} of {population}");
    }
    assert_eq!(prevalence(0, 1, 5e-324, f64::MAX), Ok(Prevalence::ZERO));
}

#[test]
fn bad_input_is_a_typed_error() {
    use ImportationError as E;
    assert_eq!(prevalence(1, 0, 0.2, 7.0), Err(E::Population));
    assert_eq!(prevalence(1, 9, 0.0, 7.0), Err(E::Ascertainment(0.0)));
    assert_eq!(prevalence(1, 9, 1.5, 7.0), Err(E::Ascertainment(1.5)));
    assert!(prevalence(1, 9, f64::NAN, 7.0).is_err());
    for days in [0.0, -1.0, f64::INFINITY, f64::NAN] {
        assert!(prevalence(1, 9, 0.2, days).is_err(), "{days}");
    }
    for value in [-1e-9, 1.000_1, f64::NAN, f64::INFINITY] {
        assert!(Prevalence::try_new(value).is_err(), "{value}");
    }
    assert_eq!(
        Ascertainment::try_new([0.3, 0.2, 0.4]),
        Err(E::AscertainmentOrder {
            low: 0.3,
            mid: 0.2,
            high: 0.4
        })
    );
    assert!(Ascertainment::try_new([0.0, 0.2, 0.4]).is_err());
    for (alpha, beta) in [
        (0.0, 1.0),
        (1.0, f64::INFINITY),
        (f64::NAN, 1.0),
        (1.0, 2e9),
    ] {
        assert!(BetaPosterior::try_new(alpha, beta).is_err());
    }
    assert!(BetaPosterior::try_jeffreys(3, 2).is_err());
    assert_eq!(prob_at_least_one_poisson(-1.0), None);
    assert_eq!(prob_at_least_one_poisson(f64::NAN), None);
}

#[test]
fn nobody_and_nothing_are_no_risk() {
    for window in [
        vec![],
        vec![(0, share(1.0))],
        vec![(0, share(0.5)), (1_000, Prevalence::ZERO)],
    ] {
        assert_eq!(lambda(&window).to_bits(), 0.0_f64.to_bits());
        assert_eq!(
            prob_at_least_one_exact(&window).to_bits(),
            0.0_f64.to_bits()
        );
        assert_eq!(shares(&window), None);
    }
    check(prob_at_least_one_exact(&[(1, share(1.0))]), 1.0, 15);
    let none = BetaPosterior::try_new(1.0, 1.0).unwrap().arrivals(0);
    check(none.at_least_one, 0.0, 15);
}

/// Without the bound, these come out one bit above λ.
#[test]
fn rounding_does_not_break_the_union_bound() {
    for p in [3.112_240_501_274_589e-2, 4.512_032_423_956_081e-2] {
        let window = [(1, share(p))];
        assert!(prob_at_least_one_exact(&window) <= lambda(&window), "{p}");
    }
}

#[test]
fn low_ascertainment_is_high_risk() {
    let range = Ascertainment::try_new([0.1, 0.2, 0.4]).unwrap();
    let origin = prevalence_range(140, 500_000, range, 7.0).unwrap();
    let risk = inflow_risk(&[(1_000, origin)]);
    check(risk.lambda.lo, 0.7, 12);
    check(risk.lambda.mid, 1.4, 12);
    check(risk.lambda.hi, 2.8, 12);
    check(
        risk.at_least_one.mid,
        1.0 - (1.0 - 0.001_4_f64).powi(1_000),
        12,
    );
}

/// The cancelled series against the four log-gammas it stands for, where those keep their digits.
#[test]
fn series_equals_log_gamma() {
    for (alpha, beta, n) in [
        (2.0, 1_998.0, 1_000),
        (0.5, 0.5, 33),
        (0.5, 300.5, 5_000),
        (40.0, 3.0, 64),
        (1.0, 1.0, 1_000_000),
    ] {
        let lg = libm::lgamma;
        let m = count(n);
        let log_none = lg(beta + m) + lg(alpha + beta) - lg(alpha + beta + m) - lg(beta);
        let got = BetaPosterior::try_new(alpha, beta).unwrap().arrivals(n);
        check(got.at_least_one, -libm::expm1(log_none), 8);
    }
    // Beta(1, b): P(0) = b / (b + n), in closed form, where log-gammas would fail.
    let far = BetaPosterior::try_new(1.0, 1e9).unwrap().arrivals(1_000);
    let expected = 1_000.0 / (1e9 + 1_000.0);
    assert!((far.at_least_one / expected - 1.0).abs() < 1e-6);
}

fn origins() -> impl Strategy<Value = Vec<(u64, Prevalence)>> {
    let prevalence = prop_oneof![
        Just(0.0),
        Just(1.0),
        Just(f64::MIN_POSITIVE),
        0.0..=1.0_f64,
        0.0..=1e-3_f64,
    ];
    let persons = prop_oneof![Just(0), Just(u64::MAX), 0..100_000_u64];
    prop::collection::vec((persons, prevalence.prop_map(share)), 0..8)
}

proptest! {
    #[test]
    fn bounded_and_never_above_lambda(window in origins()) {
        let (rate, p) = (lambda(&window), prob_at_least_one_exact(&window));
        prop_assert!(rate.is_finite() && rate >= 0.0);
        prop_assert!((0.0..=1.0).contains(&p) && p <= rate);
        let poisson = prob_at_least_one_poisson(rate).unwrap();
        prop_assert!(poisson <= p + 1e-12, "Poisson {} exact {}", poisson, p);
        if let Some(parts) = shares(&window) {
            prop_assert!((parts.iter().sum::<f64>() - 1.0).abs() < 1e-9);
        }
    }

    #[test]
    fn order_does_not_change_a_bit(window in origins(), turn in 0..8_usize) {
        let mut other = window.clone();
        let len = other.len().max(1);
        other.rotate_left(turn % len);
        other.reverse();
        prop_assert_eq!(lambda(&window).to_bits(), lambda(&other).to_bits());
        prop_assert_eq!(
            prob_at_least_one_exact(&window).to_bits(),
            prob_at_least_one_exact(&other).to_bits()
        );
    }

    #[test]
    fn lambda_is_additive(a in origins(), b in origins()) {
        let both: Vec<_> = a.iter().chain(&b).copied().collect();
        let (sum, whole) = (lambda(&a) + lambda(&b), lambda(&both));
        prop_assert!((sum - whole).abs() <= 1e-12 * whole.max(1.0));
    }

    #[test]
    fn monotone_in_persons_and_prevalence(
        window in origins(), n in 0..1_000_u64, more in 0..1_000_u64, p in 0.0..1.0_f64, q in 0.0..1.0_f64,
    ) {
        let with = |n, p| {
            let mut all = window.clone();
            all.push((n, share(p)));
            prob_at_least_one_exact(&all)
        };
        prop_assert!(with(n, p) <= with(n + more, p) + 1e-15);
        prop_assert!(with(n, p.min(q)) <= with(n, p.max(q)) + 1e-15);
    }

    #[test]
    fn uncertain_prevalence_lowers_the_probability(
        alpha in 1e-3..1e4_f64, beta in 1e-3..1e6_f64, n in 0..10_000_000_u64,
    ) {
        let posterior = BetaPosterior::try_new(alpha, beta).unwrap();
        let got = posterior.arrivals(n);
        let plug_in = prob_at_least_one_exact(&[(n, share(posterior.mean()))]);
        prop_assert!(got.mean.is_finite() && got.variance.is_finite() && got.variance >= 0.0);
        prop_assert!((0.0..=1.0).contains(&got.at_least_one));
        prop_assert!(got.at_least_one <= plug_in + 1e-9, "{:?} {}", got, plug_in);
    }

    #[test]
    fn ranges_ascend(
        cases in 0..1_000_000_u64, population in 1..10_000_000_u64, days in 0.1..30.0_f64,
        mut rho in prop::array::uniform3(1e-3..1.0_f64), n in 0..100_000_u64,
    ) {
        rho.sort_unstable_by(f64::total_cmp);
        let rho = Ascertainment::try_new(rho).unwrap();
        let risk = inflow_risk(&[(n, prevalence_range(cases, population, rho, days).unwrap())]);
        for range in [risk.lambda, risk.at_least_one] {
            prop_assert!(0.0 <= range.lo && range.lo <= range.mid && range.mid <= range.hi);
        }
    }
}
