//! Golden rows W1 to W4 and the neighbours of 2.5. They try to break the forms at no air, no
//! time, and where the transient loses its digits.

use super::*;
use proptest::prelude::*;

fn check(actual: f64, expected: f64, decimals: i32) {
    let tolerance = 0.5 * 10_f64.powi(-decimals) * 1.000_1;
    assert!(
        (actual - expected).abs() <= tolerance,
        "{actual} is not {expected} to {decimals} decimals"
    );
}

fn density(value: f64) -> PersonsPerSquareMetre {
    PersonsPerSquareMetre::try_new(value).unwrap()
}

fn light(quanta: f64) -> Breathing {
    Breathing::try_new(quanta, 0.54).unwrap()
}

fn shared(hours: f64) -> SharedTime {
    SharedTime::try_new(1.0, hours).unwrap()
}

#[expect(clippy::unnecessary_wraps, reason = "what the forms take")]
fn air(volume: f64, changes: f64) -> Option<CleanAir> {
    Some(CleanAir::try_new(volume, [changes, 0.0, 0.0, 0.0]).unwrap())
}

fn steady(quanta: f64, hours: f64, q: f64) -> f64 {
    infection_steady(light(quanta), shared(hours), air(q, 1.0)).unwrap()
}

#[test]
fn golden_w1_w2() {
    check(steady(10.0, 1.0, 1_000.0), 0.005_385_446_2, 10); // W1
    check(steady(25.0, 2.0, 300.0), 0.086_068_814_7, 10); // W2
    check(steady(10.0, 1.0, 5.4), 0.632_120_558_8, 10); // W2, a dose of 1
}

#[test]
fn golden_w3() {
    let hall = Some(CleanAir::try_new(6_000.0, [3.0, 0.3, 0.63, 0.0]).unwrap());
    let transient = infection_from_clean(light(10.0), shared(0.5), hall).unwrap();
    check(transient, 6.439_719_724e-5, 14);
    let steady = infection_steady(light(10.0), shared(0.5), hall).unwrap();
    check(steady, 1.144_972_615e-4, 13);
}

#[test]
fn golden_w4() {
    let co2 = Co2 {
        inside_ppm: 1_000.0,
        outside_ppm: 400.0,
    };
    let got = infection_co2(light(10.0), shared(1.0), co2, 50).unwrap();
    check(got.unwrap(), 0.003_152_913_8, 10);
    assert_eq!(infection_co2(light(10.0), shared(1.0), co2, 0), Ok(None));
    let sensor = Co2 {
        inside_ppm: 399.0,
        ..co2
    };
    assert_eq!(
        infection_co2(light(10.0), shared(1.0), sensor, 50),
        Ok(None)
    );
}

#[test]
fn golden_contacts() {
    check(neighbours(1.5, density(0.8)).unwrap(), 5.654_867, 6);
    let contacts = Contacts::try_new(10.0, density(Contacts::SATURATION)).unwrap();
    check(contacts.per_person_hour(density(0.8)), 8.0, 12);
    check(contacts.per_person_hour(density(6.0)), 20.0, 12);
    check(
        contacts.of_infectious(3.4, 0.5, density(0.8)).unwrap(),
        13.6,
        12,
    );
    // Domain notes: 200 susceptible, V 6000, 3 changes.
    let one = infection_steady(light(10.0), shared(0.5), air(6_000.0, 3.0)).unwrap();
    check(expected_infections(200, one).unwrap(), 0.029_997_750_1, 10);
}

#[test]
fn unknown_air_has_no_value() {
    assert_eq!(infection_steady(light(10.0), shared(1.0), None), None);
    assert_eq!(infection_from_clean(light(10.0), shared(1.0), None), None);
}

#[test]
fn bad_input_is_a_typed_error() {
    for bad in [-1.0, f64::NAN, f64::INFINITY] {
        assert!(Breathing::try_new(bad, 1.0).is_err());
        assert!(Breathing::try_new(1.0, bad).is_err());
        assert!(SharedTime::try_new(bad, 1.0).is_err());
        assert!(CleanAir::try_new(bad, [1.0; 4]).is_err());
        assert!(CleanAir::try_new(1.0, [bad, 1.0, 1.0, 1.0]).is_err());
        assert!(neighbours(bad, density(1.0)).is_err());
        assert!(light(1.0).masked(bad, 0.5).is_err());
        assert!(expected_infections(1, bad).is_err());
        let co2 = Co2 {
            inside_ppm: bad,
            outside_ppm: 400.0,
        };
        assert!(infection_co2(light(1.0), shared(1.0), co2, 1).is_err());
    }
    assert!(CleanAir::try_new(0.0, [1.0; 4]).is_err());
    assert!(CleanAir::try_new(1.0, [0.0; 4]).is_err());
}

proptest! {
    #[test]
    fn bounded_and_clean_air_helps(
        quanta in 0.0..1e4_f64, hours in 0.0..24.0_f64, volume in 1.0..1e5_f64,
        changes in 1e-9..20.0_f64, more in 0.0..20.0_f64, mask in 0.0..=1.0_f64,
    ) {
        let (little, much) = (air(volume, changes), air(volume, changes + more));
        for form in [infection_steady, infection_from_clean] {
            let at = |breathing, air| form(breathing, shared(hours), air).unwrap();
            let worst = at(light(quanta), little);
            prop_assert!((0.0..=1.0).contains(&worst));
            prop_assert!(at(light(quanta), much) <= worst + 1e-12);
            prop_assert!(at(light(quanta).masked(mask, mask).unwrap(), little) <= worst + 1e-12);
        }
        let transient = infection_from_clean(light(quanta), shared(hours), little).unwrap();
        prop_assert!(transient <= infection_steady(light(quanta), shared(hours), little).unwrap());
    }
}
