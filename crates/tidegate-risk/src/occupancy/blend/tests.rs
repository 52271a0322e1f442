//! Tries to break the filter: an independent run, sources that disagree, numbers that are none.

use super::*;
use proptest::prelude::*;

fn camera(persons: f64, variance: f64) -> Observation {
    Observation::try_new(ObservationSource::Camera, persons, variance).unwrap()
}

fn close(got: f64, expected: f64, tolerance: f64) {
    assert!(
        (got - expected).abs() <= tolerance,
        "{got} is not {expected}"
    );
}

/// The local level filter of `gold.py`: q = 4 a step, r = 9, from m = 10, P = 9.
#[test]
fn a_published_run() {
    let state = BlendState {
        persons: 10.0,
        variance: 9.0,
    };
    // c (1 - c) = 0.25, so 8 in and 8 out add 4.
    let capture = CaptureProbability::try_new(0.5).unwrap();
    let mut hall = Blend::restore(capture, state).unwrap();
    for (observed, mean, variance, weight) in [
        (10.0, 10.0, 5.318_181_818_2, 0.590_909_090_9),
        (12.0, 11.017_369_727_0, 4.578_163_771_7, 0.508_684_863_5),
        (11.0, 11.008_893_280_6, 4.392_010_163_7, 0.488_001_129_3),
        (15.0, 12.934_686_092_3, 4.342_689_014_2, 0.482_521_001_6),
    ] {
        assert_eq!(hall.step(8, 8, Gain::ONE), Ok(vec![]));
        let update = hall.observe(camera(observed, 9.0));
        close(hall.persons(), mean, 5e-11);
        close(hall.variance(), variance, 5e-11);
        close(update.weight, weight, 5e-11);
    }
}

/// Without observations it is conservation of counts, interval included.
#[test]
fn counts_alone_drift_as_they_do() {
    let mut hall = Blend::empty(CaptureProbability::DEFAULT);
    hall.step(10_000, 10_000, Gain::ONE).unwrap();
    close(hall.variance().sqrt(), 19.80, 5e-3);
    let (lo, hi) = hall.interval95();
    close(lo, 0.0, 0.0);
    close(hi, 38.806, 5e-3);
}

#[test]
fn every_change_is_said() {
    let mut hall = Blend::empty(CaptureProbability::DEFAULT);
    let gain = Gain::try_new(GainSide::Departures, 1_100_000).unwrap();
    let said = hall.step(100, 100, gain).unwrap();
    let kinds: Vec<_> = said.iter().map(|c| c.kind).collect();
    assert_eq!(kinds, [CorrectionKind::Gain, CorrectionKind::ClampedAtZero]);
    close(said[0].after, -10.0, 1e-12);
    close(said[1].after, 0.0, 0.0);
    let gain = Gain::try_new(GainSide::Arrivals, 900_000).unwrap();
    hall.step(100, 0, gain).unwrap();
    close(hall.persons(), 90.0, 1e-12);
    let update = hall.observe(Observation::nightly_zero());
    assert_eq!(update.correction.kind.as_str(), "observed_nightly_zero");
    close(update.correction.before, 90.0, 1e-12);
    assert!(hall.persons() < 90.0 && update.surprise < -3.0);
    let correction = hall.reset_known_empty();
    close(correction.after, 0.0, 0.0);
    assert_eq!(hall.interval95(), (0.0, 0.0));
}

#[test]
fn observations_from_intervals() {
    use ObservationSource::TransitLoad;
    let load = Observation::from_interval(TransitLoad, 60.0, 40.0, 80.0).unwrap();
    close(
        load.variance,
        (20.0_f64 / 1.959_963_984_540_054).powi(2),
        1e-9,
    );
    assert!(Observation::from_interval(TransitLoad, 60.0, 61.0, 80.0).is_err());
    assert!(Observation::from_interval(TransitLoad, 60.0, f64::NAN, 80.0).is_err());
    assert!(Observation::from_interval(TransitLoad, 60.0, 0.0, f64::INFINITY).is_err());
}

/// Twice the variance taken twice narrows as the variance taken once.
#[test]
fn a_repeated_observation_says_as_much_as_one() {
    let state = BlendState {
        persons: 100.0,
        variance: 400.0,
    };
    let restored = || Blend::restore(CaptureProbability::DEFAULT, state).unwrap();
    let (mut once, mut twice) = (restored(), restored());
    once.observe(camera(130.0, 200.0));
    let half = camera(130.0, 200.0).repeated_over(2.0).unwrap();
    twice.observe(half);
    twice.observe(half);
    close(twice.variance(), once.variance(), 1e-9);
    close(twice.persons(), once.persons(), 1e-9);
    assert_eq!(camera(1.0, 2.0).repeated_over(0.0), Ok(camera(1.0, 2.0)));
    for bad in [f64::NAN, f64::INFINITY] {
        assert!(camera(1.0, 2.0).repeated_over(bad).is_err(), "{bad}");
    }
}

#[test]
fn bad_input_leaves_the_state() {
    let mut hall = Blend::empty(CaptureProbability::DEFAULT);
    hall.step(50, 0, Gain::ONE).unwrap();
    let before = hall;
    for (arrivals, departures) in [(-1, 0), (0, -1), (i64::MAX, 0)] {
        assert!(hall.step(arrivals, departures, Gain::ONE).is_err());
        assert_eq!(hall, before);
    }
    for bad in [-1.0, f64::NAN, f64::INFINITY] {
        assert!(Observation::try_new(ObservationSource::Camera, bad, 1.0).is_err());
        assert!(Observation::try_new(ObservationSource::Camera, 1.0, bad).is_err());
        for (persons, variance) in [(bad, 1.0), (1.0, bad)] {
            let state = BlendState { persons, variance };
            assert!(Blend::restore(CaptureProbability::DEFAULT, state).is_err());
        }
    }
    // A variance of 0 is not taken at its word, and nothing divides by it.
    let mut empty = Blend::empty(CaptureProbability::DEFAULT);
    let update = empty.observe(camera(0.0, 0.0));
    assert!(update.surprise.is_finite() && update.weight.abs() < f64::EPSILON);
}

/// What begins with counts goes on as if it had stepped with them.
#[test]
fn counts_become_a_blend() {
    let mut counts = CorrectedOccupancy::empty(CaptureProbability::DEFAULT, Gain::ONE);
    let mut stepped = Blend::empty(CaptureProbability::DEFAULT);
    for (arrivals, departures) in [(900, 100), (0, 850), (40, 7)] {
        counts.step(arrivals, departures).unwrap();
        stepped.step(arrivals, departures, Gain::ONE).unwrap();
    }
    let hall = Blend::from_counts(CaptureProbability::DEFAULT, &counts).unwrap();
    close(hall.persons(), stepped.persons(), 1e-9);
    close(hall.variance(), stepped.variance(), 1e-9);
    counts.step(2_000_000_000, 0).unwrap();
    let beyond = Blend::from_counts(CaptureProbability::DEFAULT, &counts);
    assert!(matches!(beyond, Err(BlendError::Range { .. })));
}

#[test]
fn entries_and_a_lone_observation_become_a_blend() {
    let presence = Presence {
        persons: 80.0,
        variance: 30.0,
        lo: 60.0,
        hi: 100.0,
        variance_with_dwell: 100.0,
        coverage: 1.0,
    };
    let mut hall = Blend::from_presence(CaptureProbability::DEFAULT, &presence).unwrap();
    let update = hall.observe(camera(100.0, 100.0));
    close(update.weight, 0.5, 1e-12);
    close(hall.persons(), 90.0, 1e-12);
    let alone = Blend::observed(CaptureProbability::DEFAULT, camera(100.0, 49.0));
    close(alone.interval95().0, 100.0 - 1.96 * 7.0, 1e-2);
}

/// Arrivals, departures, and persons observed with their variance.
type Input = (i64, i64, Option<(f64, f64)>);

fn inputs() -> impl Strategy<Value = Vec<Input>> {
    let observation = prop::option::of((0.0..5_000.0_f64, 0.0..1e6_f64));
    prop::collection::vec((0..2_000_i64, 0..2_000_i64, observation), 0..50)
}

fn take(hall: &mut Blend, inputs: &[Input]) {
    for &(arrivals, departures, observed) in inputs {
        hall.step(arrivals, departures, Gain::ONE).unwrap();
        if let Some((persons, variance)) = observed {
            hall.observe(camera(persons, variance));
        }
    }
}

proptest! {
    /// An observation moves towards itself and never widens the interval.
    #[test]
    fn an_observation_helps(inputs in inputs(), persons in 0.0..9_000.0_f64, r in 0.0..1e6_f64) {
        let mut hall = Blend::empty(CaptureProbability::DEFAULT);
        take(&mut hall, &inputs);
        let before = hall;
        let update = hall.observe(camera(persons, r));
        prop_assert!(hall.variance() <= before.variance());
        prop_assert!((0.0..=1.0).contains(&update.weight) && update.surprise.is_finite());
        let (low, high) = (before.persons().min(persons), before.persons().max(persons));
        prop_assert!(low - 1e-9 <= hall.persons() && hall.persons() <= high + 1e-9);
        let (lo, hi) = hall.interval95();
        prop_assert!(0.0 <= lo && lo <= hall.persons() && hall.persons() <= hi && hi.is_finite());
    }

    /// A restored venue goes on as the one that never stopped, to the bit.
    #[test]
    fn a_restored_venue_goes_on(inputs in inputs(), cut in any::<prop::sample::Index>()) {
        let cut = cut.index(inputs.len() + 1);
        let mut whole = Blend::empty(CaptureProbability::DEFAULT);
        take(&mut whole, &inputs[..cut]);
        let bytes = postcard::to_stdvec(&whole.state()).unwrap();
        let state = postcard::from_bytes(&bytes).unwrap();
        let mut second = Blend::restore(CaptureProbability::DEFAULT, state).unwrap();
        take(&mut whole, &inputs[cut..]);
        take(&mut second, &inputs[cut..]);
        prop_assert_eq!(second, whole);
    }
}
