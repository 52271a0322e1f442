//! What holds for every series: nothing is a NaN, intervals are in order, a restart changes no bit,
//! what repeats is forecast exactly, and only observed points teach. They try to break it with the
//! values and the order of slots that no clock would give.

use proptest::prelude::*;

use super::*;
use crate::state::ModelState;

/// Values as feeds have them: mostly counts, some gaps and faults, the smallest and the largest.
fn any_value() -> impl Strategy<Value = f64> {
    prop_oneof![
        8 => (0..3000_u32).prop_map(f64::from),
        1 => Just(0.0),
        1 => 0.0..1e9_f64,
        1 => Just(VALUE_MAX),
        1 => Just(1e-300),
        1 => prop::num::f64::ANY,
    ]
}

fn any_model() -> impl Strategy<Value = Model> {
    (0..Model::ALL.len()).prop_map(|index| Model::ALL[index])
}

proptest! {
    /// Whatever comes, in whatever slot, what goes out is finite and in order.
    #[test]
    fn never_a_nan_and_always_in_order(
        model in any_model(), steps in 0..2000_u16,
        values in prop::collection::vec((any_value(), 0..28_usize), 0..200),
    ) {
        let mut forecaster = forecaster(model, 4);
        let calendar = forecaster.calendar;
        for (value, at) in values {
            forecaster.observe(slot(&calendar, at), Point::from_value(value));
            let Ok(got) = forecaster.forecast(steps, slot(&calendar, at + 1)) else { continue };
            prop_assert!((0.0..=VALUE_MAX).contains(&got.value));
            prop_assert_eq!(got.interval80.is_some(), got.interval95.is_some());
            if let (Some(inner), Some(outer)) = (got.interval80, got.interval95) {
                let ends = [0.0, outer.lo, inner.lo, got.value, inner.hi, outer.hi];
                prop_assert!(ends.is_sorted() && outer.hi.is_finite(), "{got:?}");
            }
        }
        // What was reached can be restored.
        let horizons = Horizons::try_new(&[1, 2, 4]).unwrap();
        prop_assert!(Forecaster::restore(model, calendar, horizons, forecaster.state()).is_ok());
    }

    /// A restart between any two steps changes no bit.
    #[test]
    fn restored_is_continued(
        model in any_model(), cut in 0..100_usize,
        values in prop::collection::vec(any_value(), 100..150),
    ) {
        let mut whole = learned(model, 4, &values[..cut]);
        let bytes = postcard::to_stdvec(&whole.state()).unwrap();
        let state = postcard::from_bytes(&bytes).unwrap();
        let horizons = Horizons::try_new(&[1, 2, 4]).unwrap();
        let mut restored = Forecaster::restore(model, calendar(4), horizons, state).unwrap();
        for sample in &series(4, &values)[cut..] {
            whole.observe(sample.slot, sample.point);
            restored.observe(sample.slot, sample.point);
            prop_assert_eq!(whole.forecast(2, sample.slot), restored.forecast(2, sample.slot));
        }
        let bytes = |forecaster: &Forecaster| postcard::to_stdvec(&forecaster.state()).unwrap();
        prop_assert_eq!(bytes(&whole), bytes(&restored));
    }

    /// Whole persons that repeat each week are forecast exactly by last week, and those that
    /// repeat on days of a type by the profile, with an interval of no width.
    #[test]
    fn exact_on_what_repeats(
        week in prop::collection::vec(0..4096_u16, 28),
        types in prop::collection::vec(0..4096_u16, 16),
        steps in 1..9_u16,
    ) {
        let of_week: Vec<f64> = (0..5 * 28).map(|step| f64::from(week[step % 28])).collect();
        let day_type = [0, 0, 0, 0, 1, 2, 3];
        let of_type = |step: usize| f64::from(types[day_type[step / 4 % 7] * 4 + step % 4]);
        let of_types: Vec<f64> = (0..5 * 28).map(of_type).collect();
        for (model, values) in [(Model::SeasonalNaive, of_week), (Model::Profile, of_types)] {
            let got = ahead(&learned(model, 4, &values), 5 * 28, steps).unwrap();
            let expected = values[usize::from(steps) - 1];
            let exactly = Interval { lo: expected, hi: expected };
            prop_assert!((got.value - expected).abs() < f64::EPSILON);
            let interval = got.interval95.unwrap();
            prop_assert!((interval.lo - exactly.lo).abs() < 1e-6);
            prop_assert!((interval.hi - exactly.hi).abs() < 1e-6);
        }
    }

    /// Twice, four or eight times the persons: so many times the forecast and its ends. The local
    /// level is not in it, which adds one person to each side of its ratio.
    #[test]
    fn scale_equivariant(
        index in 0..4_usize, power in 1..4_i32,
        values in prop::collection::vec(16..4000_u32, 60..100), steps in 1..5_u16,
    ) {
        let (model, factor) = (Model::ALL[index], 2_f64.powi(power));
        let values: Vec<f64> = values.into_iter().map(f64::from).collect();
        let scaled: Vec<f64> = values.iter().map(|value| value * factor).collect();
        let at = values.len();
        let (one, many) = (learned(model, 4, &values), learned(model, 4, &scaled));
        let (one, many) = (ahead(&one, at, steps).unwrap(), ahead(&many, at, steps).unwrap());
        let near = |a: f64, b: f64| (a * factor - b).abs() <= 1e-4 * b.max(1.0);
        prop_assert!(near(one.value, many.value), "{model:?} {one:?} {many:?}");
        let (one, many) = (one.interval95.unwrap(), many.interval95.unwrap());
        prop_assert!(near(one.lo, many.lo) && near(one.hi, many.hi), "{model:?} {one:?} {many:?}");
    }

    /// Faulty and suppressed points are as missing ones, and none of them changes a season or an
    /// error.
    #[test]
    fn only_observed_points_teach(
        model in any_model(), values in prop::collection::vec(0..500_u32, 60..90),
        gaps in prop::collection::vec(0..3_usize, 1..20),
    ) {
        let values: Vec<f64> = values.into_iter().map(f64::from).collect();
        let mut forecaster = learned(model, 4, &values);
        let mut missing = forecaster.clone();
        let before = forecaster.state();
        for (index, gap) in gaps.into_iter().enumerate() {
            let at = slot(&forecaster.calendar, values.len() + index);
            forecaster.observe(at, [Point::Missing, Point::Faulty, Point::Suppressed][gap]);
            missing.observe(at, Point::Missing);
        }
        prop_assert_eq!(&forecaster, &missing);
        let after = forecaster.state();
        prop_assert_eq!(&after.spreads, &before.spreads);
        let seasons = |state: &ForecastState| match &state.model {
            ModelState::LastValue { .. } => (Vec::new(), Vec::new()),
            ModelState::SeasonalNaive { week, .. } => (week.clone(), Vec::new()),
            ModelState::Profile { profile, .. }
            | ModelState::LocalLevel { profile, .. } => (profile.clone(), Vec::new()),
            ModelState::DoubleSeasonal { day, week, .. } => (day.clone(), week.clone()),
        };
        prop_assert_eq!(seasons(&after), seasons(&before));
    }
}
