//! Tries to make persons appear or vanish: clamps, resets, overflows, a stop at any step.

use super::*;
use proptest::prelude::*;

fn venue() -> Occupancy {
    Occupancy::empty(CaptureProbability::DEFAULT)
}

fn check(steps: &[(i64, i64)], expected: &[(i64, i64)]) {
    let mut venue = venue();
    let got: Vec<_> = steps
        .iter()
        .map(|&(arrivals, departures)| venue.step(arrivals, departures).unwrap())
        .map(|step| (step.persons, step.clamped))
        .collect();
    assert_eq!(got, expected, "{steps:?}");
}

#[test]
fn steps_conserve_and_clamp() {
    check(&[], &[]);
    check(&[(5, 0), (0, 2)], &[(5, 0), (3, 0)]);
    check(&[(5, 5)], &[(0, 0)]);
    check(&[(0, 4), (10, 0)], &[(0, 4), (10, 0)]);
    check(&[(3, 4), (0, 0), (0, 1)], &[(0, 1), (0, 0), (0, 1)]);
}

/// Domain notes 1.5(a): 10 000 in and out, 2 % missed in, 4 % missed out.
#[test]
fn unequal_misses_bias_by_their_difference() {
    check(&[(9_800, 9_600)], &[(200, 0)]);
}

/// Domain notes 1.5(a): 10 000 in and out, both captured with 0.98.
#[test]
fn drift_grows_with_the_flow() {
    let mut venue = venue();
    venue.step(10_000, 10_000).unwrap();
    assert!((venue.drift_sd() - 19.80).abs() < 5e-3);
    let (lo, hi) = venue.interval95();
    assert!(lo.abs() < f64::EPSILON, "never below zero: {lo}");
    assert!((hi - 38.806).abs() < 5e-3, "{hi}");
    venue.step(10_000, 0).unwrap();
    let (lo, hi) = venue.interval95();
    assert!((f64::midpoint(lo, hi) - 10_000.0).abs() < 1e-6);
}

#[test]
fn a_reset_reports_the_drift_and_narrows_the_interval() {
    let mut venue = venue();
    venue.step(50, 43).unwrap();
    assert_eq!(
        venue.reset_known_empty(),
        Correction {
            kind: CorrectionKind::KnownEmpty,
            before: 7,
            persons: -7
        }
    );
    assert_eq!(venue.interval95(), (0.0, 0.0));
    assert_eq!(venue.state(), OccupancyState::default());
}

#[test]
fn a_clamp_is_a_correction() {
    let mut venue = venue();
    assert_eq!(venue.step(3, 3).unwrap().correction(), None);
    assert_eq!(
        venue.step(0, 2).unwrap().correction(),
        Some(Correction {
            kind: CorrectionKind::ClampedAtZero,
            before: -2,
            persons: 2
        })
    );
}

#[test]
fn bad_input_leaves_the_state() {
    let mut venue = venue();
    venue.step(7, 0).unwrap();
    let before = venue;
    for (arrivals, departures) in [(-1, 0), (0, -1), (i64::MAX, 0), (i64::MIN, i64::MIN)] {
        assert!(venue.step(arrivals, departures).is_err());
        assert_eq!(venue, before);
    }
    for bad in [0.0, -0.1, 1.1, f64::NAN] {
        assert!(CaptureProbability::try_new(bad).is_err(), "{bad}");
    }
}

#[test]
fn no_steps_leave_such_a_state() {
    for (arrivals, departures, clamped) in [
        (0, 1, 0),
        (-1, 0, 1),
        (1, -1, 0),
        (1, 0, -1),
        (i64::MAX, 0, 1),
        (0, i64::MAX, i64::MAX - 1),
    ] {
        let state = OccupancyState {
            arrivals,
            departures,
            clamped,
        };
        let error = Occupancy::restore(CaptureProbability::DEFAULT, state).unwrap_err();
        assert!(matches!(error, OccupancyError::State { .. }), "{state:?}");
    }
}

/// The bytes are a stored format: a change of them is a new version of the snapshot.
#[test]
fn the_stored_form_stays() {
    let mut venue = venue();
    venue.step(3, 300).unwrap();
    let bytes = postcard::to_stdvec(&venue.state()).unwrap();
    assert_eq!(bytes, [6, 0xd8, 4, 0xd2, 4]);
}

proptest! {
    /// Counted and corrected persons account for the state exactly.
    #[test]
    fn persons_are_conserved(steps in prop::collection::vec((0..5_000_i64, 0..5_000_i64), 0..60)) {
        let mut venue = venue();
        let mut state = OccupancyState::default();
        for (arrivals, departures) in steps {
            let step = venue.step(arrivals, departures).unwrap();
            state.arrivals += arrivals;
            state.departures += departures;
            state.clamped += step.clamped;
            prop_assert!(step.persons >= 0 && step.clamped >= 0);
            prop_assert!(step.clamped == 0 || step.persons == 0);
        }
        prop_assert_eq!(venue.state(), state);
        prop_assert_eq!(venue.persons(), state.arrivals - state.departures + state.clamped);
        let (lo, hi) = venue.interval95();
        let persons = persons_f64(venue.persons());
        prop_assert!(0.0 <= lo && lo <= persons && persons <= hi && hi.is_finite());
    }

    /// A venue restored at any step goes on as the one that was never stopped, errors of
    /// overflow included; `None` is a reset.
    #[test]
    fn a_restored_venue_goes_on(
        steps in prop::collection::vec(prop::option::weighted(0.9, prop_oneof![
            9 => (0..5_000_i64, 0..5_000_i64),
            1 => (0..=i64::MAX, 0..=i64::MAX),
        ]), 0..60),
        cut in any::<prop::sample::Index>(),
    ) {
        let take = |venue: &mut Occupancy, step: Option<(i64, i64)>| match step {
            None => (Err(venue.reset_known_empty()), venue.interval95()),
            Some((arrivals, departures)) => {
                (Ok(venue.step(arrivals, departures)), venue.interval95())
            }
        };
        let cut = cut.index(steps.len() + 1);
        let mut whole = venue();
        let taken = steps[..cut].iter().map(|step| take(&mut whole, *step));
        prop_assert_eq!(taken.count(), cut);
        let bytes = postcard::to_stdvec(&whole.state()).unwrap();
        let state = postcard::from_bytes(&bytes).unwrap();
        let mut second = Occupancy::restore(CaptureProbability::DEFAULT, state).unwrap();
        prop_assert_eq!(second, whole);
        for step in &steps[cut..] {
            prop_assert_eq!(take(&mut second, *step), take(&mut whole, *step));
        }
        prop_assert_eq!(second, whole);
    }
}
