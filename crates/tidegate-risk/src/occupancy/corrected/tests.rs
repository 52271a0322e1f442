//! Tries to lose persons between gain, clamp, reset and replay, and to find a correction unsaid.

use super::super::{Before, FlowWindow, replay, revise};
use super::*;
use proptest::prelude::*;

fn gain(side: GainSide, ppm: u32) -> Gain {
    Gain::try_new(side, ppm).unwrap()
}

fn venue(gain: Gain) -> CorrectedOccupancy {
    CorrectedOccupancy::empty(CaptureProbability::DEFAULT, gain)
}

/// Domain notes 1.5(a) and (b): 200 persons of drift, gone with the gain of that very day.
#[test]
fn the_gain_closes_the_day() {
    let mut raw = venue(Gain::ONE);
    assert_eq!(raw.step(9_800, 9_600).unwrap().persons, 200);
    let mut scaled = venue(gain(GainSide::Departures, 1_020_833));
    let step = scaled.step(9_800, 9_600).unwrap();
    assert_eq!(step.persons, 1);
    let correction = step.gain.unwrap();
    assert_eq!((correction.before, correction.after()), (200, 1));
    let mut scaled = venue(gain(GainSide::Arrivals, 979_592));
    assert_eq!(scaled.step(9_800, 9_600).unwrap().persons, 0);
}

#[test]
fn gain_and_clamp_follow_each_other() {
    let mut market = venue(gain(GainSide::Departures, 1_100_000));
    let step = market.step(10, 10).unwrap();
    let said: Vec<_> = step
        .corrections()
        .map(|c| (c.kind, c.before, c.after()))
        .collect();
    let expected = [
        (CorrectionKind::Gain, 0, -1),
        (CorrectionKind::ClampedAtZero, -1, 0),
    ];
    assert_eq!((step.persons, said), (0, expected.to_vec()));
    assert_eq!(market.clamps(), 1);
}

/// More leave than come for hours: nobody inside, and every hour says how many were missed.
#[test]
fn negative_net_flow_for_hours() {
    let mut market = venue(Gain::ONE);
    for hour in 1..=25 {
        let step = market.step(100, 130).unwrap();
        assert_eq!((step.persons, step.clamp.map(|c| c.persons)), (0, Some(30)));
        assert_eq!(market.clamps(), hour);
        let (lo, hi) = market.interval95();
        assert!(lo.abs() < f64::EPSILON && hi.is_finite());
    }
    let correction = market.reset_known_empty(Gain::ONE);
    assert_eq!((correction.before, market.clamps()), (0, 0));
}

#[test]
fn bad_input_leaves_the_state() {
    for side in [GainSide::Departures, GainSide::Arrivals] {
        let mut market = venue(gain(side, 1_050_000));
        market.step(7, 3).unwrap();
        let before = market;
        for (arrivals, departures) in [(-1, 0), (0, -1), (i64::MAX, i64::MAX), (i64::MIN, 1)] {
            assert!(market.step(arrivals, departures).is_err());
            assert_eq!(market, before);
        }
        let state = market.state();
        let bad = CorrectedOccupancyState {
            carry_ppm: 1_000_000,
            ..state
        };
        assert!(CorrectedOccupancy::restore(CaptureProbability::DEFAULT, side, bad).is_err());
        let bad = CorrectedOccupancyState {
            gain_ppm: 0,
            ..state
        };
        assert!(CorrectedOccupancy::restore(CaptureProbability::DEFAULT, side, bad).is_err());
    }
}

fn window(before: Before, arrivals: i64, departures: i64) -> FlowWindow {
    FlowWindow {
        before,
        arrivals,
        departures,
    }
}

#[test]
fn a_late_count_is_one_correction() {
    use Before::{KnownEmpty, Window};
    let start = venue(Gain::ONE);
    let on_time = [
        window(Window, 5, 0),
        window(KnownEmpty(Gain::ONE), 20, 0),
        window(Window, 0, 30),
        window(Window, 8, 0),
    ];
    let present = replay(start, &on_time).unwrap();
    assert_eq!(present.occupancy.persons(), 8);
    let check = |index: usize, arrivals: i64, expected: Option<(i64, i64)>| {
        let mut windows = on_time;
        windows[index].arrivals = arrivals;
        let (replay, correction) = revise(&present.occupancy, start, &windows).unwrap();
        assert_eq!(correction.map(|c| (c.before, c.after())), expected);
        assert_eq!(replay.steps.len(), 4);
    };
    // Before the reset, explaining the clamp, and beyond what the clamp had added.
    check(0, 50, None);
    check(1, 30, None);
    check(1, 32, Some((8, 10)));
    let kinds: Vec<_> = present
        .corrections
        .iter()
        .map(|(i, c)| (*i, c.kind))
        .collect();
    let expected = [
        (1, CorrectionKind::KnownEmpty),
        (2, CorrectionKind::ClampedAtZero),
    ];
    assert_eq!(kinds, expected);
    assert!(replay(start, &[window(Window, -1, 0)]).is_err());
}

fn gains() -> impl Strategy<Value = Gain> {
    (any::<bool>(), 900_000..=1_100_000_u32).prop_map(|(departures, ppm)| {
        let side = if departures {
            GainSide::Departures
        } else {
            GainSide::Arrivals
        };
        gain(side, ppm)
    })
}

proptest! {
    /// Counts and journaled corrections account for the persons exactly.
    #[test]
    fn persons_are_conserved(
        gain in gains(), steps in prop::collection::vec((0..5_000_i64, 0..5_000_i64), 0..60),
    ) {
        let mut market = venue(gain);
        let mut account = 0;
        for (arrivals, departures) in steps {
            let step = market.step(arrivals, departures).unwrap();
            account += arrivals - departures;
            account += step.corrections().map(|c| c.persons).sum::<i64>();
            prop_assert_eq!(step.persons, account);
            prop_assert!(account >= 0);
        }
    }

    /// More arrivals at any time never leave fewer persons, whatever gain and clamps do; but for
    /// one person of rounding where arrivals are scaled.
    #[test]
    fn monotone_in_arrivals(
        gain in gains(), steps in prop::collection::vec((0..500_i64, 0..500_i64), 1..40),
        more in 1..500_i64, at in any::<prop::sample::Index>(),
    ) {
        let (mut fewer_venue, mut more_venue) = (venue(gain), venue(gain));
        let at = at.index(steps.len());
        for (index, (arrivals, departures)) in steps.into_iter().enumerate() {
            let added = if index == at { more } else { 0 };
            let fewer = fewer_venue.step(arrivals, departures).unwrap().persons;
            let more = more_venue.step(arrivals + added, departures).unwrap().persons;
            let rounding = i64::from(gain.side() == GainSide::Arrivals);
            prop_assert!(fewer <= more + rounding);
        }
    }

    /// Scaling does not depend on how the counts are split into windows.
    #[test]
    fn splits_do_not_matter(
        ppm in 900_000..=1_100_000_u32, departures in prop::collection::vec(0..500_i64, 1..40),
    ) {
        let total: i64 = departures.iter().sum();
        let gain = gain(GainSide::Departures, ppm);
        let (mut split, mut whole) = (venue(gain), venue(gain));
        split.step(1_000_000, 0).unwrap();
        for departures in departures {
            split.step(0, departures).unwrap();
        }
        whole.step(1_000_000, total).unwrap();
        prop_assert_eq!(split.persons(), whole.persons());
    }

    /// A restored venue goes on as the one that was never stopped, and a replay as the steps.
    #[test]
    fn a_restored_venue_goes_on(
        first in gains(), ppm in 900_000..=1_100_000_u32,
        steps in prop::collection::vec((any::<bool>(), 0..5_000_i64, 0..5_000_i64), 0..40),
        cut in any::<prop::sample::Index>(),
    ) {
        let next = gain(first.side(), ppm);
        let windows: Vec<FlowWindow> = steps.iter().map(|&(reset, arrivals, departures)| {
            let before = if reset { Before::KnownEmpty(next) } else { Before::Window };
            window(before, arrivals, departures)
        }).collect();
        let whole = replay(venue(first), &windows).unwrap();
        let cut = cut.index(windows.len() + 1);
        let stopped = replay(venue(first), &windows[..cut]).unwrap();
        let bytes = postcard::to_stdvec(&stopped.occupancy.state()).unwrap();
        let state = postcard::from_bytes(&bytes).unwrap();
        let second =
            CorrectedOccupancy::restore(CaptureProbability::DEFAULT, first.side(), state);
        let second = replay(second.unwrap(), &windows[cut..]).unwrap();
        prop_assert_eq!(second.occupancy, whole.occupancy);
        prop_assert_eq!(&second.steps[..], &whole.steps[cut..]);
    }
}
