//! Golden rows O1 to O8 of the domain notes and 2.6, and the laws of 2.7. They try to break the
//! root near `R = 1`, at tiny and infinite dispersion, and at large `R`.

use super::*;
use proptest::prelude::*;

fn offspring(r: f64, k: f64) -> Offspring {
    Offspring::try_new(r, k).unwrap()
}

fn one(r: f64, k: f64) -> f64 {
    offspring(r, k).outbreak_probability(Control::NONE)
}

fn controlled(r: f64, k: f64, individual: f64, population: f64) -> f64 {
    offspring(r, k).outbreak_probability(Control::try_new(individual, population).unwrap())
}

fn check(actual: f64, expected: f64, decimals: i32) {
    let tolerance = 0.5 * 10_f64.powi(-decimals) * 1.000_1;
    assert!(
        (actual - expected).abs() <= tolerance,
        "{actual} is not {expected} to {decimals} decimals"
    );
}

#[test]
fn golden_o1_o2_o3() {
    check(
        offspring(1.5, 0.5).extinction(Control::NONE),
        0.767_591_879_2,
        10,
    ); // O1
    check(one(1.5, 0.5), 0.232_408_120_8, 10); // O1
    check(one(1.5, f64::INFINITY), 0.582_811_643_9, 10); // O2
    assert!((one(1.5, 1e10) - 0.582_807_4).abs() < 1e-5); // O2, the package
    check(one(1.63, 0.16), 0.119_870_505_8, 10); // O3
}

#[test]
fn golden_o4() {
    check(controlled(1.5, 0.5, 0.2, 0.0), 0.090_705_98, 8);
    check(controlled(1.5, 0.5, 0.0, 0.2), 0.113_382_5, 7);
    check(controlled(1.5, 0.5, 0.1, 0.1), 0.108_492_4, 7);
    // The package's 0.5792928 is its method "grid", q searched in steps of 0.001: the root here,
    // put on that grid, gives it to all digits. In closed form, s = 1 - c - 1/R after control.
    let s = controlled(1.5, 1.0, 0.1, 0.1);
    check(s, 0.9 - 1.0 / 1.35, 14);
    let on_grid = 1.0 - ((1.0 - s) * 1e3).round() / 1e3;
    check(outbreak_of(5, on_grid).unwrap(), 0.579_292_8, 7);
    check(outbreak_of(5, s).unwrap(), 0.579_940_834_6, 10);
}

#[test]
fn golden_o5() {
    for (r, q) in [(2.0, 0.5), (3.0, 1.0 / 3.0), (5.0, 0.2)] {
        check(offspring(r, 1.0).extinction(Control::NONE), q, 14);
    }
    check(one(0.5, 1.0), 0.0, 17);
}

#[test]
fn golden_o6() {
    check(one(2.35, 0.16), 0.194_0, 4);
    check(one(2.35, 0.26), 0.279_3, 4);
    assert_eq!(introductions_for(0.5, one(2.35, 0.16)), Ok(Some(4)));
}

#[test]
fn golden_o7() {
    let s = one(2.5, 0.1);
    check(
        offspring(2.5, 0.1).extinction(Control::NONE),
        0.860_685_392_2,
        10,
    );
    check(outbreak_of_poisson(0.5, s).unwrap(), 0.067_286_597_6, 10);
}

#[test]
fn golden_o8() {
    check(offspring(2.5, 0.1).infects_nobody(), 0.721_942_593_4, 10);
    check(offspring(1.5, 0.5).infects_nobody(), 0.5, 14);
}

#[test]
fn golden_detection() {
    let detection = Detection::try_new(0.5, 0.2).unwrap();
    check(detection.mean_days(), 10.0, 12);
    check(detection.within(7.0).unwrap(), 0.503_415, 6);
    check(detection.unseen_before(), 4.0, 12);
    assert_eq!(detection.within(-1.0), None);
    assert_eq!(detection.within(f64::NAN), None);
    check(detection.within(f64::INFINITY).unwrap(), 1.0, 15);
}

#[test]
fn at_most_one_never_takes_off() {
    for r in [0.0, 0.5, 1.0] {
        for k in [1e-6, 0.1, 1.0, f64::INFINITY] {
            check(one(r, k), 0.0, 17);
        }
    }
    check(controlled(3.0, 0.5, 0.7, 0.0), 0.0, 17);
    check(controlled(3.0, 0.5, 0.0, 1.0), 0.0, 17);
    let leaves = offspring(3.0, 0.5).for_stay(0.25).unwrap();
    check(leaves.outbreak_probability(Control::NONE), 0.0, 17);
}

/// For k = 1 the root is `1 - 1/R`, also where the line and the curve almost touch.
#[test]
fn the_root_near_one() {
    for excess in [1e-9, 1e-6, 1e-3, 0.1] {
        let (got, expected) = (one(1.0 + excess, 1.0), excess / (1.0 + excess));
        assert!((got / expected - 1.0).abs() < 1e-5, "{excess}: {got}");
    }
    assert!((0.0..=1e-3).contains(&one(1.0 + f64::EPSILON, 1.0)));
    check(one(1e3, f64::INFINITY), 1.0, 12);
}

#[test]
fn bad_input_is_a_typed_error() {
    for bad in [-0.1, f64::NAN, f64::INFINITY, 1.1e3] {
        assert!(Offspring::try_new(bad, 1.0).is_err(), "{bad}");
    }
    for bad in [0.0, -1.0, f64::NAN] {
        assert!(Offspring::try_new(2.0, bad).is_err(), "{bad}");
    }
    for bad in [-0.1, 1.1, f64::NAN] {
        assert!(Control::try_new(bad, 0.0).is_err());
        assert!(Control::try_new(0.0, bad).is_err());
        assert!(outbreak_of(1, bad).is_err());
        assert!(introductions_for(bad, 0.5).is_err());
        assert!(offspring(2.0, 1.0).for_stay(bad).is_err());
    }
    for bad in [0.0, -1.0, f64::NAN, f64::INFINITY] {
        assert!(Detection::try_new(bad, 0.5).is_err());
        assert!(Detection::try_new(0.5, bad).is_err());
    }
    assert!(outbreak_of_poisson(f64::NAN, 0.5).is_err());
    assert!(outbreak_of_poisson(-1.0, 0.5).is_err());
    assert_eq!(introductions_for(0.5, 0.0), Ok(None));
    assert_eq!(introductions_for(1.0, 0.5), Ok(None));
    assert_eq!(introductions_for(0.0, 0.5), Ok(Some(1)));
    assert_eq!(introductions_for(0.5, 1.0), Ok(Some(1)));
    assert_eq!(outbreak_of(0, 1.0), Ok(0.0));
    let row = [(offspring(2.0, 1.0), Control::NONE)];
    assert!(outbreak_probabilities(&row, &mut []).is_err());
}

fn dispersions() -> impl Strategy<Value = f64> {
    prop_oneof![
        Just(f64::INFINITY),
        Just(1e-9),
        1e-3..1.0_f64,
        1.0..1e6_f64,
        Just(1e16)
    ]
}

proptest! {
    #[test]
    fn a_probability_and_a_root(r in 0.0..20.0_f64, k in dispersions(), c in 0.0..1.0_f64) {
        let case = offspring(r, k);
        let q = case.extinction(Control::try_new(c, 0.0).unwrap());
        prop_assert!((0.0..=1.0).contains(&q));
        let s = case.outbreak_probability(Control::try_new(c, 0.0).unwrap());
        let residual = s - (1.0 - c) * (1.0 - libm::exp(case.log_none(s)));
        prop_assert!(residual.abs() < 1e-12, "{} {} {}: {}", r, k, s, residual);
        // The larger root, not the one at 0.
        prop_assert!(s > 0.0 || (1.0 - c) * r <= 1.0 + 1e-9);
    }

    #[test]
    fn extinction_falls_in_r_and_control(
        k in dispersions(), a in 0.0..10.0_f64, b in 0.0..10.0_f64, c in 0.0..1.0_f64,
    ) {
        prop_assert!(one(a.min(b), k) <= one(a.max(b), k) + 1e-12);
        prop_assert!(controlled(a, k, c, 0.0) <= one(a, k) + 1e-12);
        // Control of some is at least as good as a little control of all (Lloyd-Smith 2005).
        prop_assert!(controlled(a, k, c, 0.0) <= controlled(a, k, 0.0, c) + 1e-9);
    }

    #[test]
    fn outbreaks_are_rarer_as_k_falls(r in 1.0..10.0_f64, a in 1e-3..1e3_f64, b in 1e-3..1e3_f64) {
        prop_assert!(one(r, a.min(b)) <= one(r, a.max(b)) + 1e-12);
        prop_assert!(one(r, a) <= one(r, f64::INFINITY) + 1e-12);
    }

    #[test]
    fn many_introductions(s in 0.0..=1.0_f64, n in 0..10_000_u64, more in 0..10_000_u64) {
        let (few, many) = (outbreak_of(n, s).unwrap(), outbreak_of(n + more, s).unwrap());
        prop_assert!((0.0..=1.0).contains(&few) && few <= many);
        let lambda = crate::importation::count(n);
        prop_assert!(outbreak_of_poisson(lambda, s).unwrap() <= few + 1e-12);
        if let Some(least) = introductions_for(few, s).unwrap() {
            prop_assert!(outbreak_of(least, s).unwrap() > few);
        }
    }

    #[test]
    fn rows_are_the_scalar(r in prop::collection::vec(0.0..10.0_f64, 0..20), k in dispersions()) {
        let rows: Vec<_> = r.iter().map(|r| (offspring(*r, k), Control::NONE)).collect();
        let mut out = vec![0.0; rows.len()];
        outbreak_probabilities(&rows, &mut out).unwrap();
        for (got, r) in out.iter().zip(r) {
            prop_assert_eq!(got.to_bits(), one(r, k).to_bits());
        }
    }
}
