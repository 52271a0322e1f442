//! Tries to break the weights: published digits, Little's law, the tail, and lengths that are none.

use super::*;
use proptest::prelude::*;

fn close(got: f64, expected: f64, tolerance: f64) {
    assert!(
        (got - expected).abs() <= tolerance,
        "{got} is not {expected}"
    );
}

/// Golden value D2.
#[test]
fn exponential_weights() {
    let dwell = Dwell::exponential(30.0).unwrap();
    let weights = DwellWeights::try_new(dwell, 15.0, 20_000.0).unwrap();
    let expected = [
        0.786_938_680_6,
        0.477_302_437_1,
        0.289_498_562_0,
        0.175_589_753_8,
        0.106_500_569_2,
    ];
    for (weight, expected) in weights.as_slice().iter().zip(expected) {
        close(*weight, expected, 5e-11);
    }
    close(weights.as_slice().iter().sum(), 2.0, 1e-12);
    close(weights.cut_share(), 0.0, 1e-15);
}

/// Golden value D4. The notes print `μ` as 3.4140645766, which is a slip of a digit: `ln 35 - σ²/2`
/// is 3.41406457559691, and the four printed shares follow from that, not from the printed `μ`.
#[test]
fn lognormal_survival() {
    let dwell = Dwell::lognormal(35.0, 20.0).unwrap();
    let Shape::Lognormal { mu, sigma } = dwell.shape else {
        panic!("{dwell:?}")
    };
    close(sigma * sigma, 0.282_566_971_8, 5e-11);
    close(mu, 3.414_064_575_6, 5e-11);
    for (minutes, expected) in [
        (15.0, 0.907_938_608_7),
        (30.0, 0.509_655_856_5),
        (60.0, 0.100_315_574_0),
        (90.0, 0.020_549_788_5),
    ] {
        close(dwell.survival(minutes), expected, 5e-11);
    }
}

/// The closed form of the integral against Simpson's rule.
#[test]
fn integrals_agree_with_quadrature() {
    for dwell in [
        Dwell::exponential(8.0).unwrap(),
        Dwell::lognormal(35.0, 20.0).unwrap(),
        Dwell::lognormal(8.0, 6.0).unwrap(),
    ] {
        let weights = DwellWeights::try_new(dwell, 15.0, 240.0).unwrap();
        for (lag, weight) in (0_u32..).zip(weights.as_slice()) {
            let from = f64::from(lag) * 15.0;
            let at = |i: u32| dwell.survival(from + 15.0 * f64::from(i) / 600.0);
            let inner = (1..600).map(|i| at(i) * if i % 2 == 1 { 4.0 } else { 2.0 });
            let simpson = (at(0) + inner.sum::<f64>() + at(600)) / 1_800.0;
            close(*weight, simpson, 1e-8);
        }
    }
}

/// Golden value D1: 600 an hour who stay 45 minutes are 450 inside.
#[test]
fn littles_law() {
    let dwell = Dwell::lognormal(45.0, 30.0).unwrap();
    let weights = DwellWeights::try_new(dwell, 15.0, 20_000.0).unwrap();
    close(
        weights.as_slice().iter().map(|w| w * 150.0).sum(),
        450.0,
        1e-9,
    );
}

#[test]
fn a_cut_tail_is_reported() {
    // e^(-240/120) of the people, and as much of their time.
    let dwell = Dwell::exponential(120.0).unwrap();
    let weights = DwellWeights::try_new(dwell, 15.0, DWELL_MAX_MINUTES).unwrap();
    close(weights.cut_share(), libm::exp(-2.0), 1e-15);
    close(weights.longer_share(), libm::exp(-2.0), 1e-15);
    assert_eq!(weights.as_slice().len(), 16);
    // The last window is cut within: 20 minutes of 15-minute windows.
    let weights = DwellWeights::try_new(dwell, 15.0, 20.0).unwrap();
    assert_eq!(weights.as_slice().len(), 2);
    assert!(weights.as_slice()[1] <= 5.0 / 15.0);
}

#[test]
fn bad_input_is_a_typed_error() {
    for bad in [0.0, -1.0, f64::NAN, f64::INFINITY, 1e-300, 1e300] {
        assert!(
            matches!(Dwell::exponential(bad), Err(DwellError::Minutes(_))),
            "{bad}"
        );
        assert!(Dwell::lognormal(bad, 1.0).is_err(), "{bad}");
        assert!(
            matches!(
                Dwell::lognormal(35.0, bad),
                Err(DwellError::StandardDeviation { .. })
            ),
            "{bad}"
        );
        let dwell = Dwell::exponential(30.0).unwrap();
        assert!(dwell.with_mean(bad).is_err(), "{bad}");
        assert!(DwellWeights::try_new(dwell, bad, 240.0).is_err(), "{bad}");
        assert!(DwellWeights::try_new(dwell, 15.0, bad).is_err(), "{bad}");
        assert!((0.0..=1.0).contains(&dwell.survival(bad)), "{bad}");
    }
    let dwell = Dwell::exponential(30.0).unwrap();
    assert!(matches!(
        DwellWeights::try_new(dwell, 0.1, 240.0),
        Err(DwellError::Windows { .. })
    ));
    assert!(matches!(
        DwellRange::try_new(dwell, 31.0, 40.0),
        Err(DwellError::Order { .. })
    ));
    for assumed in DWELL_ASSUMPTIONS {
        assert!(Dwell::lognormal(assumed.mean, assumed.sd).is_ok());
    }
}

proptest! {
    /// Little's law up to the tail that was cut; shares that never rise with time.
    #[test]
    fn weights_sum_to_the_mean(
        mean in 0.5..300.0_f64, variation in 0.01..4.0_f64, lognormal in any::<bool>(),
        window in 1.0..60.0_f64, windows in 1.0..400.0_f64,
    ) {
        let dwell = if lognormal {
            Dwell::lognormal(mean, mean * variation).unwrap()
        } else {
            Dwell::exponential(mean).unwrap()
        };
        let weights = DwellWeights::try_new(dwell, window, window * windows).unwrap();
        let sum: f64 = weights.as_slice().iter().sum();
        let little = mean / window;
        prop_assert!(sum <= little * (1.0 + 1e-12));
        prop_assert!((sum - little * (1.0 - weights.cut_share())).abs() <= little * 1e-9 + 1e-12);
        for pair in weights.as_slice().windows(2) {
            prop_assert!(pair[1] <= pair[0] + 1e-12);
        }
        prop_assert!(weights.as_slice().iter().all(|w| (0.0..=1.0).contains(w)));
    }

    /// A longer mean leaves more of every window's arrivals inside.
    #[test]
    fn weights_rise_with_the_mean(mean in 1.0..200.0_f64, more in 0.0..100.0_f64) {
        let mid = Dwell::lognormal(mean, mean * 0.6).unwrap();
        let range = DwellRange::try_new(mid, mean, mean + more).unwrap();
        let [low, _, high] = range.all().map(|d| DwellWeights::try_new(d, 15.0, 240.0).unwrap());
        for (low, high) in low.as_slice().iter().zip(high.as_slice()) {
            prop_assert!(*low <= high + 1e-12);
        }
    }
}
