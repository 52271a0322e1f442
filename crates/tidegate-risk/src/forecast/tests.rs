//! They try to break the forecasters by what feeds do: gaps, faults, clock changes, holidays,
//! zeros, the largest values, and a restart between any two steps. Series are made from slots, so
//! that what is expected is known in closed form.

mod laws;

use super::*;

const QUARTERS: u16 = 96;

fn calendar(slots_per_day: u16) -> Calendar {
    Calendar::of_four(slots_per_day).unwrap()
}

fn forecaster(model: Model, slots_per_day: u16) -> Forecaster {
    let horizons = Horizons::try_new(&[1, 2, 4]).unwrap();
    Forecaster::new(model, calendar(slots_per_day), horizons)
}

/// The slot of step `step` of a series that began on a Monday at 00:00.
fn slot(calendar: &Calendar, step: usize) -> Slot {
    let slots = usize::from(calendar.slots_per_day());
    let weekday = u8::try_from(step / slots % 7).unwrap();
    let of_day = u16::try_from(step % slots).unwrap();
    calendar.slot(weekday, of_day, DayKind::Ordinary).unwrap()
}

/// Values as samples; what is not finite is faulty.
fn series(slots_per_day: u16, values: &[f64]) -> Vec<Sample> {
    let calendar = calendar(slots_per_day);
    let sample = |(step, value): (usize, &f64)| Sample {
        slot: slot(&calendar, step),
        point: Point::from_value(*value),
    };
    values.iter().enumerate().map(sample).collect()
}

fn learned(model: Model, slots_per_day: u16, values: &[f64]) -> Forecaster {
    let mut forecaster = forecaster(model, slots_per_day);
    for sample in series(slots_per_day, values) {
        forecaster.observe(sample.slot, sample.point);
    }
    forecaster
}

/// What `forecaster` expects `steps` after its first `seen` steps.
fn ahead(forecaster: &Forecaster, seen: usize, steps: u16) -> Result<Prediction, NoForecast> {
    let calendar = forecaster.calendar;
    forecaster.forecast(steps, slot(&calendar, seen + usize::from(steps) - 1))
}

fn check(model: Model, values: &[f64], steps: u16, expected: Result<f64, NoForecast>) {
    let forecaster = learned(model, 4, values);
    match (ahead(&forecaster, values.len(), steps), expected) {
        (Ok(prediction), Ok(expected)) => assert!(
            (prediction.value - expected).abs() < 1e-9,
            "{model:?}: {prediction:?} is not {expected}"
        ),
        (prediction, expected) => {
            assert_eq!(prediction.map(|got| got.value), expected, "{model:?}");
        }
    }
}

/// A deterministic number from 0 to 1 for step `step`.
fn noise(step: usize) -> f64 {
    let mixed = (step as u64 + 1).wrapping_mul(0x9E37_79B9_7F4A_7C15);
    let mixed = (mixed ^ (mixed >> 29)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    f64::from(u32::try_from(mixed >> 32).unwrap()) / f64::from(u32::MAX)
}

/// Weeks of a day with one peak, lower on weekends, with noise of `share`.
fn city(slots_per_day: u16, weeks: usize, share: f64) -> Vec<f64> {
    let slots = usize::from(slots_per_day);
    let value = |step: usize| {
        let of_day = step % slots * 24 / slots;
        let day = if step / slots % 7 < 5 { 1.0 } else { 0.6 };
        let usual = [20.0, 10.0, 5.0, 80.0, 300.0, 500.0, 450.0, 150.0][of_day / 3];
        (usual * day * (1.0 + share * (noise(step) - 0.5))).round()
    };
    (0..weeks * 7 * slots).map(value).collect()
}

#[test]
fn what_there_is_no_forecast_for() {
    for model in Model::ALL {
        check(model, &[], 1, Err(NoForecast::NoHistory));
        check(model, &[f64::NAN, -1.0, 2e9], 1, Err(NoForecast::NoHistory));
    }
    check(
        Model::SeasonalNaive,
        &[1.0; 4],
        1,
        Err(NoForecast::NoSlotHistory),
    );
    check(Model::Profile, &[1.0; 3], 1, Err(NoForecast::NoSlotHistory));
    check(
        Model::DoubleSeasonal,
        &[1.0; 3],
        1,
        Err(NoForecast::NoSlotHistory),
    );
    check(
        Model::LocalLevel,
        &[1.0; 3],
        1,
        Err(NoForecast::NoSlotHistory),
    );
    check(Model::LastValue, &[7.0, f64::NAN, f64::NAN], 2, Ok(7.0));
    check(
        Model::LastValue,
        &[7.0, f64::NAN, f64::NAN],
        3,
        Err(NoForecast::Gap),
    );
}

#[test]
fn by_hand() {
    // Monday and Tuesday of four slots; Wednesday began 10 above the profile.
    let values = [10.0, 20.0, 40.0, 20.0, 14.0, 24.0, 40.0, 20.0, 22.0];
    check(Model::LastValue, &values, 3, Ok(22.0));
    // Profile 22 for the next slot. Deviations of roots are a, b, 0, 0, c: four pairs, which the
    // forgetting weighs by age.
    let root = |value: f64| value.sqrt();
    let (a, b) = (root(14.0) - root(10.0), root(24.0) - root(20.0));
    let c = root(22.0) - root(12.0);
    let keep: f64 = 1.0 - 1.0 / 960.0;
    let xx = a * a * keep.powi(3) + b * b * keep.powi(2);
    let weight = 1.0 + keep + keep.powi(2) + keep.powi(3);
    let decay = (weight * a * b * keep.powi(3) / xx + 12.0) / (weight + 24.0);
    let one = (root(22.0) + decay * c).powi(2);
    let two = (root(40.0) + decay * decay * c).powi(2);
    check(Model::Profile, &values, 1, Ok(one));
    check(Model::Profile, &values, 2, Ok(two));
    // A step without a value takes φ as well, and teaches nothing.
    let gap = [&values[..], &[f64::NAN]].concat();
    check(Model::Profile, &gap, 1, Ok(two));
    // 0 instead of 10 in the last slot: below nobody there is nothing.
    let empty = [100.0, 1.0, 100.0, 1.0, 100.0, 1.0, 100.0, 1.0, 0.0];
    check(Model::Profile, &empty, 1, Ok(0.0));
}

#[test]
fn exact_on_equal_values_and_zeros() {
    for value in [0.0, 1.0, 4096.0, VALUE_MAX] {
        for model in [Model::LastValue, Model::SeasonalNaive, Model::Profile] {
            let forecaster = learned(model, 4, &[value; 70]);
            let got = ahead(&forecaster, 70, 2).unwrap();
            // 10⁹ is not a whole number of 12 bits.
            assert!(
                (got.value - value).abs() <= value / 8192.0,
                "{model:?} {got:?}"
            );
        }
        for model in [Model::DoubleSeasonal, Model::LocalLevel] {
            let forecaster = learned(model, 4, &[value; 70]);
            let got = ahead(&forecaster, 70, 2).unwrap();
            assert!(
                (got.value - value).abs() <= value / 4096.0,
                "{model:?} {got:?}"
            );
        }
    }
}

#[test]
fn a_holiday_is_a_sunday() {
    let mut values = vec![100.0; 6 * 4];
    values.extend([7.0; 4]);
    let forecaster = learned(Model::Profile, 4, &values);
    let monday = |kind| forecaster.calendar.slot(0, 0, kind).unwrap();
    let expected = |kind| forecaster.forecast(96, monday(kind)).unwrap().value;
    assert!((expected(DayKind::Ordinary) - 100.0).abs() < 1e-9);
    assert!((expected(DayKind::Holiday) - 7.0).abs() < 1e-9);
}

#[test]
fn after_a_gap_the_forecast_is_the_profile() {
    let mut values = city(24, 5, 0.0);
    let usual = learned(Model::Profile, 24, &values);
    let raised: Vec<f64> = (0..12).map(|hour| values[hour] * 1.5 + 40.0).collect();
    values.extend(raised);
    for model in [Model::Profile, Model::LocalLevel] {
        let gap = |hours: usize| {
            let series = [&values[..], &vec![f64::NAN; hours]].concat();
            let at = series.len();
            let value = ahead(&learned(model, 24, &series), at, 1).unwrap().value;
            (value - ahead(&usual, at, 1).unwrap().value).abs()
        };
        assert!(gap(0) > 20.0, "{model:?} {}", gap(0));
        assert!(gap(14 * 24) < 1.0, "{model:?} {}", gap(14 * 24));
    }
}

/// A day of 23 slots, and one of 25 with the third slot twice: all goes on, and the days after
/// are forecast as before.
#[test]
fn clock_changes() {
    let values = city(24, 4, 0.0);
    for model in Model::ALL {
        let mut forecaster = learned(model, 24, &values);
        let calendar = forecaster.calendar;
        let hours = (0..24).filter(|hour| *hour != 2);
        let spring: Vec<usize> = hours.clone().collect();
        let autumn: Vec<usize> = hours.chain([2, 2]).collect::<Vec<_>>();
        for hour in spring.into_iter().chain(autumn) {
            let point = Point::from_value(values[hour]);
            forecaster.observe(slot(&calendar, hour), point);
        }
        let got = forecaster.forecast(1, slot(&calendar, 15)).unwrap();
        if model != Model::LastValue {
            assert!(
                (got.value - values[15]).abs() < 0.1 * values[15],
                "{model:?} {got:?}"
            );
        }
    }
}

/// A quarter more people for two days than in the weeks before, at quarters of an hour.
#[test]
fn the_profile_beats_the_week_before_when_a_deviation_persists() {
    let mut values = city(QUARTERS, 8, 0.2);
    let train = 5 * 672;
    for day in [36, 37, 43, 45, 50, 51] {
        for value in &mut values[day * 96..(day + 1) * 96] {
            *value = (*value * 1.4).round();
        }
    }
    let series = series(QUARTERS, &values);
    for steps in [1, 2, 4] {
        let score = |model| rolling_origin(&mut forecaster(model, QUARTERS), &series, train, steps);
        let (profile, naive) = (score(Model::Profile), score(Model::SeasonalNaive));
        assert_eq!(profile.none, 0);
        assert_eq!(
            profile.forecasts,
            u32::try_from(values.len() - train + 1).unwrap() - u32::from(steps)
        );
        assert!(profile.mae < naive.mae, "{steps}: {profile:?} {naive:?}");
        assert!(
            profile.mase.unwrap() < 0.8 * naive.mase.unwrap(),
            "{profile:?} {naive:?}"
        );
        assert!(profile.pinball < naive.pinball);
        for model in Model::ALL {
            let score = score(model);
            let near = |coverage: Option<f64>, level: f64| (coverage.unwrap() - level).abs() < 0.05;
            assert!(
                near(score.coverage80, 0.8) && near(score.coverage95, 0.95),
                "{model:?} {score:?}"
            );
            assert!(score.rmse >= score.mae, "{score:?}");
        }
    }
}

#[test]
fn evaluation_by_hand() {
    let values = [2.0, 4.0, 6.0, 8.0].repeat(7);
    let mut values = [values.clone(), values].concat();
    values[28] = 5.0; // The training part is off by 3 once, of 28 pairs.
    values.extend([3.0, 4.0, 6.0, f64::NAN]);
    let series = series(4, &values);
    let score = rolling_origin(&mut forecaster(Model::SeasonalNaive, 4), &series, 56, 1);
    assert_eq!((score.forecasts, score.none), (3, 0));
    let near = |got: Option<f64>, expected: f64| {
        assert!((got.unwrap() - expected).abs() < 1e-12, "{score:?}");
    };
    near(score.mae, 2.0 / 3.0);
    near(score.rmse, (4.0_f64 / 3.0).sqrt());
    near(score.mase, 2.0 / 3.0 / (3.0 / 28.0));
    // Nothing to train on or to score: no figure, no division by zero.
    let nothing = rolling_origin(&mut forecaster(Model::Profile, 4), &[], 5, 0);
    assert_eq!(nothing, Score::default());
    // A closed hour is a forecast and no interval: it cannot be missed.
    let closed: Vec<f64> = [0.0, 4.0, 6.0, 8.0].repeat(14);
    let closed = self::series(4, &closed);
    let score = rolling_origin(&mut forecaster(Model::SeasonalNaive, 4), &closed, 48, 1);
    assert_eq!((score.forecasts, score.intervals), (8, 6));
    assert_eq!(score.coverage80, Some(1.0));
    let equal = rolling_origin(&mut forecaster(Model::LastValue, 4), &series[..3], 0, 1);
    assert_eq!((equal.forecasts, equal.mase), (2, None));
}

#[test]
fn a_state_is_bounded() {
    for slots_per_day in [1, 24, 64, 96] {
        let weekdays = if slots_per_day == 96 {
            [0, 0, 0, 0, 1, 2, 3]
        } else {
            [0, 1, 2, 3, 4, 5, 6]
        };
        let calendar = Calendar::try_new(slots_per_day, weekdays, 3).unwrap();
        for model in Model::ALL {
            let horizons = Horizons::try_new(&[1, 2, 4, 12]).unwrap();
            let mut forecaster = Forecaster::new(model, calendar, horizons);
            for step in 0..5 * 7 * usize::from(slots_per_day) {
                let point = Point::from_value(noise(step) * 1e9);
                forecaster.observe(slot(&calendar, step), point);
            }
            let mut state = forecaster.state();
            for spread in &mut state.spreads {
                spread.errors = u32::MAX;
            }
            let bytes = postcard::to_stdvec(&state).unwrap().len();
            // The counters at their longest.
            assert!(
                bytes + 16 <= STATE_BYTES_MAX,
                "{model:?} {slots_per_day}: {bytes}"
            );
        }
    }
}

#[test]
fn no_steps_leave_such_a_state() {
    let values = city(4, 2, 0.3);
    let restore = |model, state| {
        Forecaster::restore(
            model,
            calendar(4),
            Horizons::try_new(&[1, 2, 4]).unwrap(),
            state,
        )
    };
    for model in Model::ALL {
        let state = learned(model, 4, &values).state();
        assert!(restore(model, state.clone()).is_ok());
        for other in Model::ALL.into_iter().filter(|other| *other != model) {
            assert_eq!(
                restore(other, state.clone()),
                Err(ForecastError::State("model"))
            );
        }
        let mut bad = state.clone();
        bad.spreads[1].q95 = f64::NAN;
        assert_eq!(restore(model, bad), Err(ForecastError::State("spreads")));
        let mut bad = state.clone();
        bad.spreads.pop();
        assert!(restore(model, bad).is_err());
        let mut bad = state.clone();
        bad.origins.push(None);
        assert_eq!(restore(model, bad), Err(ForecastError::State("origins")));
        let mut bad = state.clone();
        bad.origins[0] = Some([f64::INFINITY, 0.0]);
        assert!(restore(model, bad).is_err());
        let other = Forecaster::restore(
            model,
            calendar(5),
            Horizons::try_new(&[1, 2, 4]).unwrap(),
            state,
        );
        assert!(other.is_err(), "{model:?}");
    }
}

/// Snapshots of running pipelines hold these bytes.
#[test]
fn the_stored_form_stays() {
    let values = [3.0, 5.0, 4.0, 6.0];
    let form = |model| {
        let horizons = Horizons::try_new(&[1]).unwrap();
        let mut forecaster = Forecaster::new(model, calendar(1), horizons);
        for sample in series(1, &values) {
            forecaster.observe(sample.slot, sample.point);
        }
        let bytes = postcard::to_stdvec(&forecaster.state()).unwrap();
        let hex: Vec<String> = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
        hex.concat()
    };
    let expected = [
        concat!(
            "0001000000000000184000010101000000000000184000000000000000000103c3b5773daa60d93f",
            "11a76e4efd6be43fa7137f379101f33f",
        ),
        concat!(
            "011c000040400000a040000080400000c040ffffffffffffffffffffffff04010100000000000000",
            "0000000000000000000100000000000000000000000000000000000000000000000000",
        ),
        concat!(
            "02200003000500040006ffffffffffffffffffffffffffffffffffffffffffffffff700949a070c4",
            "dc3f0197319907bf3dd03f0000000000000000bcbbbbbbbbfbff3f040101700949a070c4dc3fa306",
            "072d268add3f01031de71cd3b8b7d93f96b351be0bb2e43f30d27e60c442f33f",
        ),
        concat!(
            "03045d8cb93e1cffffffffffffffffffffffffffffffffffffffffffffffffffffffffca94b35811",
            "06fc3facc9a1d31e39dd3f040101ca94b3581106fc3facc9a1d31e39dd3f01037b2fe021ef9fdb3f",
            "3bb32760eb3ae63fcf9c96c267b0f43f",
        ),
        concat!(
            "04200003000500040006ffffffffffffffffffffffffffffffffffffffffffffffff6fc098d3944a",
            "cc3f69222e208275b53f0401016fc098d3944acc3f000000000000000001030009cfb6ece7d83f4d",
            "7b2ad3d30ae43f08bef50c24a7f23f",
        ),
    ];
    assert_eq!(Model::ALL.map(form), expected);
}

/// The largest value is held to 12 bits, a little above itself, and the deviation from it is too.
#[test]
fn the_largest_deviation_can_be_restored() {
    let values = [&[VALUE_MAX; 4][..], &[0.0]].concat();
    let state = learned(Model::Profile, 4, &values).state();
    let horizons = Horizons::try_new(&[1, 2, 4]).unwrap();
    assert!(Forecaster::restore(Model::Profile, calendar(4), horizons, state).is_ok());
}

#[test]
fn bad_input_is_a_typed_error() {
    for slots in [0, 97, u16::MAX] {
        assert_eq!(
            Calendar::of_four(slots),
            Err(ForecastError::SlotsPerDay(slots))
        );
    }
    assert_eq!(
        Calendar::try_new(96, [0, 1, 2, 3, 4, 5, 6], 6),
        Err(ForecastError::ProfileSlots(672))
    );
    assert!(Calendar::try_new(96, [255; 7], 255).is_err());
    assert!(Calendar::try_new(1, [255; 7], 255).is_ok());
    for (weekday, of_day) in [(7, 0), (0, 24), (255, u16::MAX)] {
        assert!(
            calendar(24)
                .slot(weekday, of_day, DayKind::Ordinary)
                .is_err()
        );
    }
    for steps in [&[][..], &[0], &[2, 1], &[1, 1], &[13], &[1, 2, 3, 4, 5]] {
        assert_eq!(
            Horizons::try_new(steps),
            Err(ForecastError::Horizons),
            "{steps:?}"
        );
    }
    for value in [-1e-9, f64::NAN, f64::INFINITY, f64::NEG_INFINITY, 1.1e9] {
        assert_eq!(Point::from_value(value), Point::Faulty);
    }
    // A slot of a longer day is not in this one: it is nothing, not a panic.
    let foreign = calendar(96).slot(6, 95, DayKind::Ordinary).unwrap();
    for model in Model::ALL {
        let mut forecaster = learned(model, 4, &[1.0; 30]);
        forecaster.observe(foreign, Point::from_value(5.0));
        if model != Model::LastValue {
            assert_eq!(
                forecaster.forecast(1, foreign),
                Err(NoForecast::NoSlotHistory)
            );
        }
    }
}

#[test]
fn words_and_methods_are_distinct() {
    for model in Model::ALL {
        assert_eq!(Model::from_word(model.as_str()), Some(model));
        assert!(method::ALL.contains(&model.method()));
    }
    assert_eq!(Model::from_word("arima"), None);
}
