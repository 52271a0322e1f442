//! Service days: the tests try to have a day counted that is not whole, one of changed clocks left
//! out, and corrections lost or made twice.

use tidegate_risk::method::{OCCUPANCY_CONSERVATION, OCCUPANCY_GAIN};
use tidegate_risk::occupancy::{DayType, GainSide, GainSpec};

use super::*;

const QUARTER: Span = Span::minutes(15);

/// Counts with a gain by the last two days of a type, and a prior of 100 persons.
fn gain_spec(zone: &str, empty_at: &str) -> OccupancySpec {
    OccupancySpec {
        gain: Some(GainSpec::try_new(GainSide::Departures, 100, 2).unwrap()),
        ..spec(zone, Some(empty_at))
    }
}

/// Steps windows of 15 minutes from the one to the other time with 10 in and 9 out of `a` in each;
/// `change` may change what a window says, by its start.
fn days(spec: &OccupancySpec, spell: [&str; 2], change: impl Fn(&str, &mut Inputs)) -> Occupancies {
    let mut occupancies = kept(spec);
    let mut start = time(spell[0]);
    while start < time(spell[1]) {
        let end = start.plus(QUARTER);
        let mut inputs = said(&[("a", 10, 9)]);
        change(&start.to_string(), &mut inputs);
        occupancies.step(start, end, inputs);
        start = end;
    }
    occupancies
}

/// The days of each type behind the gain of `a`, and its gain in millionths.
#[track_caller]
fn check_fit(occupancies: &Occupancies, day_type: DayType, expected: (usize, u32)) {
    let history = occupancies.venues["a"].present.history.as_ref().unwrap();
    let fit = history.fit(day_type);
    assert_eq!((fit.days, fit.gain.ppm()), expected, "{day_type:?}");
}

/// The gain of `windows` windows with 10 in and 9 out, at most 1.1.
fn ppm(windows: u32) -> u32 {
    let (arrivals, departures) = (10 * windows + 100, 9 * windows + 100);
    let gain = (f64::from(arrivals) / f64::from(departures) * 1e6).min(1.1e6);
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "about 1e6"
    )]
    let ppm = gain.round() as u32;
    ppm
}

/// From Friday 2026-03-06 at 03:00 in New York: the service day that begins on Saturday at 04:00
/// has 23 hours.
#[test]
fn a_day_of_23_hours_is_whole() {
    let spell = ["2026-03-06T08:00:00Z", "2026-03-09T08:15:00Z"];
    let spec = gain_spec("America/New_York", "04:00");
    let occupancies = days(&spec, spell, |_, _| {});
    check_fit(&occupancies, DayType::Working, (1, ppm(96)));
    check_fit(&occupancies, DayType::Saturday, (1, ppm(92)));
    check_fit(&occupancies, DayType::Sunday, (1, ppm(96)));
}

/// The one that begins on Saturday 2026-10-31 has 25.
#[test]
fn a_day_of_25_hours_is_whole() {
    let spell = ["2026-10-31T07:45:00Z", "2026-11-01T09:15:00Z"];
    let spec = gain_spec("America/New_York", "04:00");
    let occupancies = days(&spec, spell, |_, _| {});
    check_fit(&occupancies, DayType::Saturday, (1, ppm(100)));
    // At 01:30, which comes twice, it begins a day of 24 and ends one of 25.
    let spell = ["2026-10-31T05:15:00Z", "2026-11-02T06:45:00Z"];
    let spec = gain_spec("America/New_York", "01:30");
    let occupancies = days(&spec, spell, |_, _| {});
    check_fit(&occupancies, DayType::Saturday, (1, ppm(96)));
    check_fit(&occupancies, DayType::Sunday, (1, ppm(100)));
}

/// Where clocks skip 02:30, the day begins when they go on.
#[test]
fn clocks_that_change_at_the_reset_lose_no_day() {
    let spell = ["2026-03-07T07:15:00Z", "2026-03-09T06:45:00Z"];
    let spec = gain_spec("America/New_York", "02:30");
    let occupancies = days(&spec, spell, |_, _| {});
    check_fit(&occupancies, DayType::Saturday, (1, ppm(94)));
    check_fit(&occupancies, DayType::Sunday, (1, ppm(94)));
}

const SPELL: [&str; 2] = ["2026-03-01T19:45:00Z", "2026-03-03T20:15:00Z"];

#[test]
fn a_gain_needs_whole_days() {
    let spec = gain_spec("Asia/Shanghai", "04:00");
    check_fit(
        &days(&spec, SPELL, |_, _| {}),
        DayType::Working,
        (2, ppm(192)),
    );
    let silent = |start: &str, inputs: &mut Inputs| {
        if start == "2026-03-02T12:00:00Z" {
            inputs.unheard.insert("a".to_owned());
        }
    };
    check_fit(&days(&spec, SPELL, silent), DayType::Working, (1, ppm(96)));
    let nobody = |_: &str, inputs: &mut Inputs| inputs.flows.clear();
    check_fit(
        &days(&spec, SPELL, nobody),
        DayType::Working,
        (0, 1_000_000),
    );
    // The day that was running when the counts began is none.
    let cut = ["2026-03-01T21:00:00Z", "2026-03-02T20:15:00Z"];
    check_fit(
        &days(&spec, cut, |_, _| {}),
        DayType::Working,
        (0, 1_000_000),
    );
    // Windows that nobody stepped are missing.
    let mut occupancies = days(&spec, [SPELL[0], "2026-03-02T10:00:00Z"], |_, _| {});
    let mut start = time("2026-03-02T10:15:00Z");
    while start < time("2026-03-02T20:15:00Z") {
        occupancies.step(start, start.plus(QUARTER), said(&[("a", 10, 9)]));
        start = start.plus(QUARTER);
    }
    check_fit(&occupancies, DayType::Working, (0, 1_000_000));
}

#[test]
fn holidays_are_as_sundays() {
    let mut spec = gain_spec("Asia/Shanghai", "23:57");
    spec.calendar.holidays.insert("2026-03-02".parse().unwrap());
    spec.calendar.workdays.insert("2026-03-01".parse().unwrap());
    // Sunday the 1st and Monday the 2nd, each from 23:57 of the day before.
    let spell = ["2026-02-28T15:45:00Z", "2026-03-02T16:15:00Z"];
    let occupancies = days(&spec, spell, |_, _| {});
    check_fit(&occupancies, DayType::Working, (1, ppm(96)));
    check_fit(&occupancies, DayType::Sunday, (1, ppm(96)));
}

fn rows(made: &[JournalRow]) -> Vec<(&str, &str, f64, f64, &str)> {
    let row = |row: &'_ JournalRow| (row.before, row.after);
    made.iter()
        .map(|made| {
            let (before, after) = row(made);
            (&*made.venue, &*made.kind, before, after, &*made.method)
        })
        .collect()
}

/// Two whole days with 960 in and 864 out make a gain of 1060 / 964; with it, what was missed no
/// longer piles up, and every change is in the journal.
#[test]
fn the_gain_is_applied_from_the_reset_on() {
    let spec = gain_spec("Asia/Shanghai", "04:00");
    let mut occupancies = days(&spec, [SPELL[0], "2026-03-02T20:00:00Z"], |_, _| {});
    let venue = &occupancies.venues["a"];
    assert_eq!(
        (venue.present.method(), venue.present.gain()),
        (OCCUPANCY_CONSERVATION, None)
    );
    let mut step = |start: &str, arrivals: i64, departures: i64| {
        let start = time(start);
        let inputs = said(&[("a", arrivals, departures)]);
        occupancies.step(start, start.plus(QUARTER), inputs)
    };
    let made = step("2026-03-02T20:00:00Z", 100, 50);
    // 50 out are 54.979 by the gain: 54 whole persons.
    let expected = [
        ("a", "known_empty", 96.0, 0.0, OCCUPANCY_GAIN),
        ("a", "gain", 50.0, 46.0, OCCUPANCY_GAIN),
        ("b", "known_empty", 0.0, 0.0, OCCUPANCY_CONSERVATION),
        ("c", "known_empty", 0.0, 0.0, OCCUPANCY_CONSERVATION),
    ];
    assert_eq!(rows(&made), expected);
    assert_eq!(made[0].at, time("2026-03-02T20:00:00Z").micros());
    assert_eq!(made[1].at, time("2026-03-02T20:15:00Z").micros());
    assert_eq!(counted(&made), 2);
    let made = step("2026-03-02T20:15:00Z", 0, 100);
    let expected = [
        ("a", "gain", -54.0, -64.0, OCCUPANCY_GAIN),
        ("a", "clamped_at_zero", -64.0, 0.0, OCCUPANCY_GAIN),
    ];
    assert_eq!(rows(&made), expected);
    let venue = &occupancies.venues["a"];
    assert_eq!((venue.clamped, venue.present.clamps), (64, 1));
    assert!((venue.present.gain().unwrap() - 1_060.0 / 964.0).abs() < 1e-6);
}

/// More leave than came, for hours: persons stay at none, and each window says so.
#[test]
fn a_negative_net_flow_clamps_in_every_window() {
    let mut occupancies = occupancies("UTC", None);
    let mut start = time("2026-03-01T00:00:00Z");
    for hours in 1..=50_u32 {
        let made = occupancies.step(start, start.plus(SIZE), said(&[("a", 2, 5)]));
        assert_eq!(
            rows(&made),
            [("a", "clamped_at_zero", -3.0, 0.0, OCCUPANCY_CONSERVATION)]
        );
        let venue = &occupancies.venues["a"];
        assert_eq!((venue.clamped, venue.present.clamps), (3, hours));
        assert_eq!(venue.present.persons(), Some(0.0));
        start = start.plus(SIZE);
    }
    assert_eq!(occupancies.venues["a"].corrections, 50);
}

#[test]
fn counts_that_are_none_are_refused() {
    let mut occupancies = occupancies("UTC", None);
    let (start, end) = (time("2026-03-01T00:00:00Z"), time("2026-03-01T00:05:00Z"));
    occupancies.step(start, end, said(&[("a", 7, 0)]));
    let made = occupancies.step(
        end,
        end.plus(SIZE),
        said(&[("a", -1, 0), ("b", i64::MAX, 0)]),
    );
    assert_eq!(
        rows(&made),
        [("a", "refused", 7.0, 7.0, OCCUPANCY_CONSERVATION)]
    );
    let made = occupancies.step(end, end.plus(SIZE), said(&[("b", i64::MAX, 0)]));
    assert_eq!(made.len(), 1);
    assert!(made[0].kind == "refused" && made[0].is_counted());
}

/// Late counts of a day that is over are in its sums, and so in the gain of the next one.
#[test]
fn late_counts_reach_the_gain() {
    let spec = gain_spec("Asia/Shanghai", "04:00");
    let mut late_comers = kept(&spec).with_allowed_lateness(Span::hours(1));
    let mut in_time = kept(&spec);
    let mut start = time(SPELL[0]);
    let last = time("2026-03-02T19:45:00Z");
    while start < time("2026-03-02T20:30:00Z") {
        let end = start.plus(QUARTER);
        late_comers.step(start, end, said(&[("a", 10, 9)]));
        let flow = if start == last {
            ("a", 40, 9)
        } else {
            ("a", 10, 9)
        };
        in_time.step(start, end, said(&[flow]));
        start = end;
    }
    assert_ne!(late_comers.venues["a"].present, in_time.venues["a"].present);
    let made = late_comers.revise((last, last.plus(QUARTER)), late(&flows(&[("a", 40, 9)])));
    assert_eq!(late_comers.venues["a"].present, in_time.venues["a"].present);
    assert_eq!(made.len(), 1);
    assert_eq!(
        (&*made[0].kind, made[0].at),
        ("late_revision", last.plus(QUARTER).micros())
    );
    assert_eq!(made[0].window_end, time("2026-03-02T20:30:00Z").micros());
    assert_eq!(late_comers.take_pending(), made);
    assert_eq!(late_comers.take_pending(), []);
}

/// A window with nothing on time was not stepped: late counts put it in its place.
#[test]
fn a_window_of_late_counts_alone_is_stepped_in_its_place() {
    let spec = gain_spec("UTC", "04:00");
    let mut occupancies = kept(&spec).with_allowed_lateness(Span::hours(1));
    let times = [0, 5, 10].map(|m| time("2026-03-01T00:00:00Z").plus(Span::minutes(m)));
    occupancies.step(times[2], times[2].plus(SIZE), said(&[("a", 0, 5)]));
    occupancies.revise((times[0], times[1]), late(&flows(&[("a", 7, 0)])));
    assert_eq!(persons(&occupancies, "a"), 2);
}
