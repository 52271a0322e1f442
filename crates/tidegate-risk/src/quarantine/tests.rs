//! Persons are conserved against a simulation by hand, the distribution is compared with exact
//! convolutions, and bad input is tried at every argument.

use super::*;
use proptest::prelude::*;

fn held(share: f64, stay: u32) -> Held {
    Held::try_new(share, stay).unwrap()
}

fn forecast(lo: f64, mid: f64, hi: f64) -> DayForecast {
    DayForecast::try_new(lo, mid, hi).unwrap()
}

fn question(present: &[Present], places: u64, days: usize) -> Question<'_> {
    Question {
        present,
        errors: ForecastErrors::Independent,
        places,
        days,
    }
}

fn check(persons: &[u64], (stay, present): (u32, &[Present]), expected: &[f64]) {
    let days: Vec<_> = persons
        .iter()
        .map(|persons| DayForecast::try_exactly(*persons).unwrap())
        .collect();
    let arrivals = HeldArrivals {
        held: held(1.0, stay),
        forecast: &days,
    };
    let got: Vec<_> = load(&[arrivals], question(present, 100, persons.len()))
        .unwrap()
        .iter()
        .map(|day| {
            // Everybody is held and nothing is uncertain.
            assert_eq!(day.interval90.lo, day.interval90.hi);
            assert_eq!(day.bound90, day.interval90.hi);
            day.expected
        })
        .collect();
    assert_eq!(got, expected, "{persons:?}");
}

fn group(persons: u64, release_day: usize) -> Present {
    Present {
        persons,
        release_day,
    }
}

#[test]
fn stays_and_releases() {
    check(&[10, 0, 0], (1, &[]), &[10.0, 0.0, 0.0]);
    check(&[10, 20, 5, 0], (2, &[]), &[10.0, 30.0, 25.0, 5.0]);
    check(
        &[1, 1, 1],
        (14, &[group(7, 0), group(5, 1), group(3, 9)]),
        &[9.0, 5.0, 6.0],
    );
}

#[test]
fn places_against_persons() {
    let days = [DayForecast::try_exactly(100).unwrap()];
    let arrivals = HeldArrivals {
        held: held(0.5, 3),
        forecast: &days,
    };
    let at =
        |present: &[Present], places| load(&[arrivals], question(present, places, 1)).unwrap()[0];
    let got = at(&[], 50);
    // Binomial(100, 0.5): 42 to 58, and 56 at 90 % (scipy).
    assert_eq!((got.interval90.lo, got.interval90.hi), (42, 58));
    assert_eq!((got.bound90, got.places_left90), (56, -6));
    assert!((got.over_places - 0.460_205_381_306_412_7).abs() < 1e-12);
    let full = at(&[group(60, 2)], 50);
    assert!((full.over_places - 1.0).abs() < 1e-15);
    assert_eq!(full.places_left90, -66);
    assert!(at(&[], 100).over_places.abs() < 1e-15);
    let empty = load(&[], question(&[], u64::MAX, 1)).unwrap()[0];
    assert_eq!((empty.bound90, empty.places_left90), (0, i64::MAX));
}

#[test]
fn shared_errors_are_wider() {
    let days = [forecast(50.0, 100.0, 150.0); 10];
    let arrivals = [HeldArrivals {
        held: held(0.8, 10),
        forecast: &days,
    }];
    let at = |errors| {
        let question = Question {
            errors,
            ..question(&[], 900, 10)
        };
        load(&arrivals, question).unwrap()[9]
    };
    let (apart, together) = (at(ForecastErrors::Independent), at(ForecastErrors::Shared));
    assert!((apart.expected - 800.0).abs() < 1e-9 && (together.expected - 800.0).abs() < 1e-9);
    assert!(together.interval90.hi > apart.interval90.hi + 100);
    // 90 % of the mean's own error and almost nothing else: 800 ± 400 (skewed upwards).
    assert!(together.interval90.lo.abs_diff(400) < 60, "{together:?}");
    assert!(together.interval90.hi.abs_diff(1_200) < 60, "{together:?}");
}

/// Probabilities of 0, 1, … of a sum, by adding one distribution after the other.
fn convolve(parts: &[Vec<f64>]) -> Vec<f64> {
    parts.iter().fold(vec![1.0], |sum, part| {
        let mut next = vec![0.0; sum.len() + part.len() - 1];
        for (i, a) in sum.iter().enumerate() {
            for (j, b) in part.iter().enumerate() {
                next[i + j] += a * b;
            }
        }
        next
    })
}

fn masses(distribution: CountDistribution, most: u64) -> Vec<f64> {
    let at_most: Vec<_> = (0..=most).map(|n| distribution.at_most(n)).collect();
    let below = std::iter::once(0.0).chain(at_most.iter().copied());
    at_most
        .iter()
        .zip(below)
        .map(|(to, from)| to - from)
        .collect()
}

fn quantile(masses: &[f64], q: f64) -> u64 {
    let mut sum = 0.0;
    let reached = masses.iter().position(|mass| {
        sum += mass;
        sum >= q
    });
    reached.unwrap() as u64
}

/// The error that the module states: tiers with different shares, small and large, certain and
/// uncertain forecasts, added exactly.
#[test]
fn two_moments_against_exact_convolution() {
    for (tiers, spread) in [
        (vec![(0.1, 30.0), (0.9, 30.0)], 0.0),
        (vec![(0.05, 200.0), (1.0, 3.0)], 0.0),
        (vec![(0.5, 2.0), (0.9, 1.0), (0.2, 4.0)], 0.0),
        (vec![(0.1, 50.0), (0.9, 50.0)], 0.5),
        (vec![(0.3, 10.0), (1.0, 200.0)], 0.3),
        (vec![(0.8, 100.0), (0.8, 20.0), (0.1, 5.0)], 1.0),
    ] {
        let days: Vec<[DayForecast; 1]> = tiers
            .iter()
            .map(|(_, mean)| {
                [forecast(
                    mean * (1.0 - spread),
                    *mean,
                    mean * (1.0 + spread),
                )]
            })
            .collect();
        let arrivals: Vec<_> = tiers
            .iter()
            .zip(&days)
            .map(|((share, _), forecast)| HeldArrivals {
                held: held(*share, 1),
                forecast,
            })
            .collect();
        let got = load(&arrivals, question(&[], 0, 1)).unwrap()[0];
        let parts: Vec<_> = arrivals
            .iter()
            .map(|arrivals| {
                let one = moments(&[*arrivals], ForecastErrors::Independent, 0);
                let one = CountDistribution::try_from_moments(one.mean, one.variance).unwrap();
                masses(one, 700)
            })
            .collect();
        let exact = convolve(&parts);
        for (got, q) in [
            (got.interval90.lo, 0.05),
            (got.bound90, 0.9),
            (got.interval90.hi, 0.95),
        ] {
            let expected = quantile(&exact, q);
            // In 100: 2 for intervals up to ± 50 %, 7 for ± 100 %.
            let percent = if spread > 0.5 { 7 } else { 2 };
            let allowed = (expected * percent / 100).max(1);
            assert!(
                got.abs_diff(expected) <= allowed,
                "{tiers:?} {spread} {q}: {got} {expected}"
            );
        }
    }
}

#[test]
fn bad_input_is_a_typed_error() {
    use QuarantineError as E;
    for (lo, mid, hi) in [
        (-1.0, 0.0, 1.0),
        (2.0, 1.0, 3.0),
        (0.0, 2.0, 1.0),
        (f64::NAN, 1.0, 2.0),
        (0.0, f64::NAN, 2.0),
        (0.0, 1.0, f64::INFINITY),
    ] {
        assert!(
            DayForecast::try_new(lo, mid, hi).is_err(),
            "{lo} {mid} {hi}"
        );
    }
    assert!(DayForecast::try_exactly(u64::MAX).is_err());
    assert_eq!(load(&[], question(&[], 1, 0)), Err(E::Days(0)));
    assert_eq!(load(&[], question(&[], 1, 367)), Err(E::Days(367)));
    let short = HeldArrivals {
        held: held(0.5, 1),
        forecast: &[],
    };
    let expected = E::ForecastDays {
        forecast: 0,
        days: 1,
    };
    assert_eq!(load(&[short], question(&[], 1, 1)), Err(expected));
    let many = [group(u64::MAX, 5), group(1, 5)];
    assert_eq!(load(&[], question(&many, 1, 1)), Err(E::Present));
    let days = [forecast(1e9, 1e9, 1e9); 3];
    let crowd = HeldArrivals {
        held: held(1.0, 3),
        forecast: &days,
    };
    assert!(matches!(
        load(&[crowd], question(&[], 1, 3)),
        Err(E::Count(_))
    ));
}

proptest! {
    /// With everybody held and nothing uncertain, the persons of all days are stays times
    /// arrivals, less what lies beyond the last day.
    #[test]
    fn persons_are_conserved(
        persons in prop::collection::vec(0..1_000_u64, 1..20), stay in 1..30_u32,
    ) {
        let days: Vec<_> =
            persons.iter().map(|n| DayForecast::try_exactly(*n).unwrap()).collect();
        let arrivals = HeldArrivals { held: held(1.0, stay), forecast: &days };
        let got = load(&[arrivals], question(&[], 0, days.len())).unwrap();
        let person_days: f64 = got.iter().map(|day| day.expected).sum();
        let expected: u64 = persons.iter().rev().zip(1_u64..)
            .map(|(n, left)| n * left.min(u64::from(stay))).sum();
        prop_assert!((person_days - count(expected)).abs() < 1e-6);
    }

    #[test]
    fn ordered_and_monotone(
        mid in prop::collection::vec(0.0..2_000.0_f64, 1..15), width in 0.0..1.0_f64,
        share in 0.0..=1.0_f64, stay in 1..20_u32, present in 0..500_u64, places in 0..30_000_u64,
    ) {
        let days: Vec<_> = mid.iter()
            .map(|mid| forecast(mid * (1.0 - width), *mid, mid * (1.0 + width))).collect();
        let at = |share, places| {
            let arrivals = HeldArrivals { held: held(share, stay), forecast: &days };
            load(&[arrivals], question(&[group(present, 3)], places, days.len())).unwrap()
        };
        for (all, some) in at(1.0, places).iter().zip(at(share, places)) {
            prop_assert!(some.expected <= all.expected + 1e-9);
            prop_assert!(some.interval90.lo <= some.bound90 && some.bound90 <= some.interval90.hi);
            prop_assert!((0.0..=1.0).contains(&some.over_places));
            prop_assert!(some.interval90.lo >= some.staying);
        }
        for (few, many) in at(share, places).iter().zip(at(share, places + 100)) {
            prop_assert!(many.over_places <= few.over_places + 1e-12);
        }
    }
}
