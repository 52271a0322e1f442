//! Stored states: the tests try to have one of other venues or settings taken over, and to change
//! the bytes unnoticed.

use tidegate_risk::state::{BlendState, EntriesState, GainState, OccupancyState};

use super::*;
use crate::occupancy::spec::Observed;
use crate::occupancy::state::{EstimateState, InsideState, OpenDayState};

/// A state of venues `a`, `b`, `c` with one window.
fn state() -> OccupanciesState {
    let mut occupancies = occupancies("UTC", None).with_allowed_lateness(SIZE);
    let start = EventTime::from_micros(1);
    occupancies.step(
        start,
        EventTime::from_micros(2),
        said(&[("b", 3, 1), ("c", 0, 4)]),
    );
    occupancies.state()
}

#[track_caller]
fn check_refused(change: impl Fn(&mut OccupanciesState), expected: &str) {
    let mut state = state();
    change(&mut state);
    let error = occupancies("UTC", None).restore(state).unwrap_err();
    assert_eq!(error.to_string(), expected);
}

#[test]
fn a_state_of_other_venues_is_refused() {
    let other = |venue| {
        format!("venue {venue:?} is stored and has no gates, or has gates and is not stored")
    };
    check_refused(|s| s.venues[1].venue = "z".to_owned(), &other("z"));
    check_refused(|s| s.venues[1].venue = "a".to_owned(), &other("a"));
    check_refused(
        |s| {
            s.venues.truncate(2);
            s.closed.clear();
        },
        &other("c"),
    );
    let message =
        "the window to 1970-01-01T00:00:00.000002Z is stored twice or with unknown venues";
    check_refused(|s| s.closed.push(s.closed[0].clone()), message);
    check_refused(|s| s.closed[0].flows[0].0 = 3, message);
    check_refused(|s| s.closed[0].unheard = vec![3], message);
    let observed = Observed {
        persons: 1.0,
        interval: None,
    };
    let elsewhere =
        move |s: &mut OccupanciesState| s.closed[0].observed = vec![vec![(3, observed)]];
    check_refused(elsewhere, message);
}

#[test]
fn a_state_that_no_steps_leave_is_refused() {
    let counts = OccupancyState {
        departures: 1,
        ..OccupancyState::default()
    };
    let estimate = |estimate: EstimateState| {
        move |s: &mut OccupanciesState| s.venues[0].settled.estimate = estimate.clone()
    };
    check_refused(
        estimate(EstimateState::Counts(counts, 0)),
        "venue \"a\": 0 in, 1 out and 0 added give no persons inside",
    );
    let nobody = BlendState {
        persons: -1.0,
        variance: 0.0,
    };
    check_refused(
        estimate(EstimateState::Blend(nobody)),
        "venue \"a\": -1 persons with variance 0 are beyond 1e9 and 1e18",
    );
    let other = "venue \"a\": its entries are counted alone, or its gain is kept, other than the \
                 pipeline says";
    let entries = EntriesState::default();
    check_refused(estimate(EstimateState::Entries(entries, None)), other);
    check_refused(
        |s| s.venues[0].settled.history = Some(GainState::default()),
        other,
    );
    check_refused(
        |s| s.venues[0].settled.gain.0 = 2_000_000,
        "venue \"a\": gain 2000000 ppm is not between 900000 and 1100000",
    );
    let day = OpenDayState {
        start: 0,
        day_type: 3,
        arrivals: 0,
        departures: 0,
        heard: 0,
    };
    let unknown = move |s: &mut OccupanciesState| s.venues[0].settled.day = Some(day);
    check_refused(unknown, "venue \"a\": day type 3 is not known");
}

/// A state with one of everything.
fn full_state() -> OccupanciesState {
    let mut state = state();
    state.venues.truncate(1);
    state.venues[0] = VenueState {
        venue: "a".to_owned(),
        settled: InsideState {
            estimate: EstimateState::Counts(
                OccupancyState {
                    arrivals: 1,
                    departures: 2,
                    clamped: 3,
                },
                4,
            ),
            history: Some(GainState::default()),
            day: Some(OpenDayState {
                start: 5,
                day_type: 2,
                arrivals: 6,
                departures: 7,
                heard: 8,
            }),
            gain: (9, 10),
            clamps: 11,
        },
        arrivals: 4,
        departures: 5,
        clamped: 6,
        corrections: 7,
        heard: Some(8),
    };
    let observed = Observed {
        persons: 1.0,
        interval: Some((0.0, 1.0)),
    };
    state.closed[0].observed = vec![vec![(1, observed)]];
    state.closed[0].unheard = vec![2];
    state.pending.push(JournalRow {
        venue: "a".to_owned(),
        window_end: 2,
        at: 1,
        kind: "gain".into(),
        before: 0.0,
        after: 1.0,
        surprise: None,
        method: "m".into(),
    });
    state
}

/// The bytes are a stored format: a change of them is a new version of the snapshot.
#[test]
fn the_stored_form_stays() {
    let state = full_state();
    let bytes = postcard::to_stdvec(&state).unwrap();
    let (zero, one) = ([0; 8], [0, 0, 0, 0, 0, 0, 0xf0, 0x3f]);
    let estimate = [1, b'a', 0, 2, 4, 6, 4];
    let day = [1, 0, 1, 10, 2, 12, 14, 8];
    let venue = [9, 10, 11, 8, 10, 12, 14, 1, 16];
    let expected = [
        &[1, 2, 1],
        estimate.as_slice(),
        &day,
        &venue,
        // The window, its flows, what was observed, and who was not heard.
        &[1, 2, 4, 0, 2, 1, 6, 2, 2, 0, 8],
        &[1, 1, 1],
        &one,
        &[1],
        &zero,
        &one,
        &[1, 2],
        // A correction that waits.
        &[1, 1, b'a', 4, 2, 4, b'g', b'a', b'i', b'n'],
        &zero,
        &one,
        &[0, 1, b'm'],
    ]
    .concat();
    assert_eq!(bytes, expected);
    assert_eq!(
        postcard::from_bytes::<OccupanciesState>(&bytes).unwrap(),
        state
    );
}
