//! What is refused, with the state as it was, and what the stored forms hold. They try NaN,
//! infinities, numbers just outside each range, and states that nothing leaves behind.

use super::super::arl::{cusum_limit, cusum_run_length};
use super::super::baseline::{BaselineRule, SlotBaselines};
use super::super::chart::{AfterAlarm, Cusum, CusumRule, Ewma, EwmaRule};
use super::super::ears::{Ears, EarsThresholds, c1, c2, c3, ears};
use super::super::multiplicity::{
    FalseDiscoveryRate, KOfN, KOfNRule, adjusted_p_values, benjamini_hochberg,
};
use super::super::normal::{quantile, student_upper_tail, upper_quantile, upper_tail};
use super::super::residual::Expectation;
use super::super::{AberrationError, Flag, Point};
use super::{SERIES, check};
use crate::state::{CusumState, EarsState, EwmaState, KOfNState, SlotBaselinesState, SlotState};

const BAD: [f64; 5] = [
    f64::NAN,
    f64::INFINITY,
    f64::NEG_INFINITY,
    1.000_001e12,
    -1.000_001e12,
];

const RULE: BaselineRule = BaselineRule::DEFAULT;

fn warm_ears() -> Ears {
    let mut stream = Ears::new(RULE);
    for value in SERIES {
        stream.take(Point::Trains(value)).unwrap();
    }
    stream
}

#[test]
fn bad_values_leave_the_state() {
    let cusum_rule = CusumRule::try_new(0.5, 4.0, AfterAlarm::Restart).unwrap();
    for bad in BAD {
        for point in [Point::Trains(bad), Point::JudgedOnly(bad)] {
            let mut stream = warm_ears();
            let error = stream.take(point).unwrap_err();
            assert!(matches!(error, AberrationError::Value(_)), "{bad}");
            assert_eq!(stream, warm_ears());
            let mut slots = SlotBaselines::new(RULE);
            assert!(slots.take(0, point).is_err());
            assert_eq!(slots, SlotBaselines::new(RULE));
        }
        for batch in [c1, c2, c3] {
            assert!(batch(RULE, &[1.0, bad]).is_err());
        }
        let mut cusum = Cusum::new(cusum_rule);
        assert!(cusum.take(bad).is_err());
        assert_eq!(cusum, Cusum::new(cusum_rule));
        let mut ewma = Ewma::new(EwmaRule::DEFAULT);
        assert!(ewma.take(bad).is_err());
        assert_eq!(ewma, Ewma::new(EwmaRule::DEFAULT));
        assert!(RULE.baseline(&[bad]).is_err());
        let baseline = RULE.baseline(&SERIES[..7]).unwrap().unwrap();
        assert!(baseline.score(bad).is_err() && baseline.upper_bound(bad).is_err());
    }
}

#[test]
fn bad_rules_are_refused() {
    for (length, floor) in [
        (1, 0.5),
        (0, 0.5),
        (61, 0.5),
        (7, 0.0),
        (7, 1e10),
        (7, f64::NAN),
    ] {
        assert!(BaselineRule::try_new(length, floor).is_err());
    }
    for (k, h) in [
        (-0.1, 4.0),
        (f64::NAN, 4.0),
        (0.5, 0.0),
        (0.5, f64::NAN),
        (0.5, f64::INFINITY),
    ] {
        assert!(CusumRule::try_new(k, h, AfterAlarm::Continue).is_err());
    }
    for (weight, width) in [
        (0.0, 3.0),
        (1.1, 3.0),
        (f64::NAN, 3.0),
        (0.2, 0.0),
        (0.2, f64::INFINITY),
    ] {
        assert!(EwmaRule::try_new(weight, width).is_err());
    }
    for (mean, dispersion) in [(-1.0, 1.0), (f64::NAN, 1.0), (1.0, 0.0), (1.0, f64::NAN)] {
        assert!(Expectation::try_new(mean, dispersion).is_err());
    }
    for (k, n) in [(0, 3), (4, 3), (1, 65), (0, 0)] {
        assert_eq!(
            KOfNRule::try_new(k, n),
            Err(AberrationError::Votes { k, n })
        );
    }
    for rate in [0.0, 1.0, -0.1, f64::NAN] {
        assert!(FalseDiscoveryRate::try_new(rate).is_err());
    }
    assert!(EarsThresholds::try_new([3.0, f64::NAN, 2.0]).is_err());
    assert!(EarsThresholds::try_new([3.0, 3.0, f64::INFINITY]).is_err());
}

#[test]
fn bad_questions_are_refused() {
    for bad in [f64::NAN, -0.1, 1.1, f64::INFINITY] {
        let error = adjusted_p_values(&[0.5, bad]).unwrap_err();
        assert!(matches!(error, AberrationError::PValue(_)));
        assert!(benjamini_hochberg(&[bad], FalseDiscoveryRate::DEFAULT).is_err());
        assert_eq!((quantile(bad), upper_quantile(bad)), (None, None));
    }
    assert_eq!((quantile(0.0), quantile(1.0)), (None, None));
    assert_eq!(upper_tail(f64::NAN), None);
    assert_eq!(student_upper_tail(f64::NAN, 6), None);
    assert_eq!(student_upper_tail(1.0, 0), None);
    assert_eq!(student_upper_tail(f64::INFINITY, 6), Some(0.0));
    assert_eq!(student_upper_tail(f64::NEG_INFINITY, 6), Some(1.0));
    let poisson = Expectation::try_poisson(3.0).unwrap();
    for bad in [f64::NAN, f64::INFINITY, -1.0] {
        assert!(poisson.anscombe(bad).is_err() && poisson.square_root(bad).is_err());
    }
    for (k, h, shift) in [
        (-0.1, 4.0, 0.0),
        (0.5, 0.0, 0.0),
        (0.5, 20.1, 0.0),
        (0.5, 4.0, 5.1),
        (f64::NAN, 4.0, 0.0),
        (0.5, f64::NAN, 0.0),
        (0.5, 4.0, f64::NAN),
    ] {
        assert!(cusum_run_length(k, h, shift).is_err());
    }
    for windows in [f64::NAN, f64::INFINITY, 0.0, 1.0, 3.0] {
        assert!(matches!(
            cusum_limit(0.5, windows),
            Err(AberrationError::NoLimit { .. })
        ));
    }
    let mut slots = SlotBaselines::new(RULE);
    assert_eq!(
        slots.take(2016, Point::Absent),
        Err(AberrationError::Slot(2016))
    );
    assert_eq!(slots.judge(2016, 1.0), Err(AberrationError::Slot(2016)));
}

#[test]
fn nothing_and_all_equal_have_defined_results() {
    for batch in [c1, c2, c3] {
        assert_eq!(batch(RULE, &[]), Ok(vec![]));
        let results = batch(RULE, &[4.0; 13]).unwrap();
        assert_eq!(results[12], Some(0.0));
    }
    assert_eq!(ears(RULE, &[]), Ok(vec![]));
    assert_eq!(RULE.baseline(&[]), Ok(None));
    let none = RULE.baseline(&[0.0; 7]).unwrap().unwrap();
    assert_eq!((none.mean(), none.sigma()), (0.0, 0.5));
    // Two persons where there was never one: 4 floors above.
    check(none.score(2.0).unwrap().value(), 4.0, 12);
    assert_eq!(Flag::of(None, 3.0), Flag::Unknown);
    assert_eq!(Flag::of(Some(3.0), 3.0), Flag::Clear);
    assert_eq!(Flag::of(Some(4.0), f64::NAN), Flag::Unknown);
    assert_eq!(Flag::of(Some(f64::NAN), 3.0), Flag::Unknown);
    let step = Ears::new(RULE).judge(1.0).unwrap();
    assert_eq!(EarsThresholds::CDC.flags(step), [Flag::Unknown; 3]);
}

/// An absent window leaves C3 unknown for three windows, and C2's guard is by windows.
#[test]
fn a_gap_is_not_calm() {
    let mut stream = warm_ears();
    assert_eq!(stream.take(Point::Absent).unwrap().c1, None);
    let c3: Vec<bool> = (0..3)
        .map(|_| stream.take(Point::Trains(5.0)).unwrap().c3.is_some())
        .collect();
    assert_eq!(c3, [false, false, true]);
    // The guard holds the absent window and the one before it: the baseline ends before both.
    let mut stream = warm_ears();
    stream.take(Point::Absent).unwrap();
    let baseline = stream.judge(5.0).unwrap().c2.unwrap().baseline();
    check(baseline.mean(), SERIES[8..15].iter().sum::<f64>() / 7.0, 12);
}

#[test]
fn no_windows_leave_such_a_state() {
    let sound = warm_ears().state();
    let spoilt: [fn(&mut EarsState); 5] = [
        |state| state.trained.push(1.0),
        |state| state.trained[0] = f64::NAN,
        |state| state.trained.truncate(1),
        |state| state.excess[0] = Some(-0.1),
        |state| state.excess[1] = Some(f64::INFINITY),
    ];
    assert!(Ears::restore(RULE, sound.clone()).is_ok());
    for spoil in spoilt {
        let mut state = sound.clone();
        spoil(&mut state);
        assert!(Ears::restore(RULE, state).is_err());
    }
    let cusum_rule = CusumRule::try_new(0.5, 4.0, AfterAlarm::Continue).unwrap();
    for sum in [-0.1, f64::NAN, f64::INFINITY] {
        assert!(Cusum::restore(cusum_rule, CusumState { sum }).is_err());
    }
    for (average, windows) in [(f64::NAN, 1), (0.1, 0), (2e12, 1)] {
        let state = EwmaState { average, windows };
        assert!(Ewma::restore(EwmaRule::DEFAULT, state).is_err());
    }
    assert!(KOfN::restore(KOfNRule::DEFAULT, KOfNState { raised: 8 }).is_err());
    for slots in [
        vec![(2016, vec![1.0])],
        vec![(1, vec![1.0]), (1, vec![1.0])],
        vec![(2, vec![1.0]), (1, vec![1.0])],
        vec![(1, vec![])],
        vec![(1, vec![1.0; 8])],
        vec![(1, vec![f64::NAN])],
    ] {
        let slots = slots.into_iter();
        let slots = slots.map(|(slot, values)| SlotState { slot, values });
        let state = SlotBaselinesState {
            slots: slots.collect(),
        };
        assert!(SlotBaselines::restore(RULE, state).is_err());
    }
}

/// The bytes are a stored format: a change of them is a new version of the snapshot.
#[test]
fn the_stored_forms_stay() {
    let one = [0, 0, 0, 0, 0, 0, 0xf0, 0x3f];
    let ears = EarsState {
        trained: vec![1.0],
        recent: [false, true],
        excess: [None, Some(1.0)],
    };
    let slots = SlotBaselinesState {
        slots: vec![SlotState {
            slot: 671,
            values: vec![1.0],
        }],
    };
    let ewma = EwmaState {
        average: 1.0,
        windows: 300,
    };
    let check = |bytes: postcard::Result<Vec<u8>>, before: &[u8], after: &[u8]| {
        assert_eq!(bytes.unwrap(), [before, &one, after].concat());
    };
    let ears = postcard::to_stdvec(&ears);
    let tail = [&[0, 1, 0, 1][..], &one].concat();
    check(ears, &[1], &tail);
    check(postcard::to_stdvec(&slots), &[1, 0x9f, 5, 1], &[]);
    check(postcard::to_stdvec(&CusumState { sum: 1.0 }), &[], &[]);
    check(postcard::to_stdvec(&ewma), &[], &[0xac, 2]);
    let filter = postcard::to_stdvec(&KOfNState { raised: 300 });
    assert_eq!(filter.unwrap(), [0xac, 2]);
}
