//! Tries to break the occupancy by entries: published digits, silence, closing, a stop at any step.

use super::*;
use crate::occupancy::Dwell;
use proptest::prelude::*;

fn model() -> EntriesModel {
    let dwell = Dwell::exponential(30.0).unwrap();
    let range = DwellRange::try_new(dwell, 25.0, 35.0).unwrap();
    EntriesModel::try_new(range, 15.0, 240.0).unwrap()
}

fn venue(arrivals: &[Option<i64>]) -> EntriesOccupancy {
    let mut venue = EntriesOccupancy::empty(model());
    for arrivals in arrivals {
        venue.step(*arrivals).unwrap();
    }
    venue
}

/// Golden value D3.
#[test]
fn entries_give_the_published_occupancy() {
    let expected = [
        31.477_547_2,
        66.308_418_3,
        134.650_730_4,
        144.624_890_8,
        111.327_590_8,
    ];
    let mut market = venue(&[]);
    for (arrivals, expected) in [40, 60, 120, 80, 30].into_iter().zip(expected) {
        market.step(Some(arrivals)).unwrap();
        let presence = market.presence().unwrap();
        assert!((presence.persons - expected).abs() < 5e-8, "{presence:?}");
        assert!(
            presence.lo < expected && expected < presence.hi,
            "{presence:?}"
        );
    }
    let variance = market.presence().unwrap().variance;
    assert!((variance - 62.163_276_3).abs() < 5e-8, "{variance}");
}

#[test]
fn silence_is_not_nobody() {
    assert_eq!(venue(&[]).presence().unwrap().persons.to_bits(), 0);
    assert_eq!(
        venue(&[None, None]).presence(),
        Err(EntriesError::Unheard { windows: 2 })
    );
    let presence = venue(&[Some(100), None]).presence().unwrap();
    // w_1 / (w_0 + w_1)
    assert!(
        (presence.coverage - 0.377_540_668).abs() < 1e-8,
        "{presence:?}"
    );
    assert!(
        (presence.persons - 47.730_243_71).abs() < 1e-7,
        "{presence:?}"
    );
    assert!((venue(&[Some(0)]).presence().unwrap().coverage - 1.0).abs() < 1e-15);
}

#[test]
fn closing_empties_and_says_so() {
    let mut market = venue(&[Some(40)]);
    let correction = market.close();
    assert_eq!(correction.kind, CorrectionKind::KnownEmpty);
    assert!((correction.before - 31.477_547_2).abs() < 5e-8);
    assert!(correction.after.abs() < f64::EPSILON);
    assert_eq!(market, venue(&[]));
}

/// The ring holds a stay and no more, however long the service day is.
#[test]
fn days_of_any_length_keep_one_stay() {
    for hours in [23, 24, 25] {
        let mut market = venue(&vec![Some(100); hours * 4]);
        assert_eq!(market.state().arrivals.len(), 16);
        let presence = market.presence().unwrap();
        // 100 · 30/15 · (1 - e^(-240/30))
        assert!(
            (presence.persons - 199.932_907).abs() < 1e-5,
            "{presence:?}"
        );
        market.close();
        assert_eq!(market.state().arrivals.len(), 0);
    }
}

#[test]
fn bad_input_leaves_the_state() {
    let mut market = venue(&[Some(5), None]);
    let before = market.clone();
    assert_eq!(market.step(Some(-1)), Err(EntriesError::Negative(-1)));
    assert!(market.revise(0, Some(-1)).is_err());
    assert_eq!(
        market.revise(2, Some(1)),
        Err(EntriesError::Lag { lag: 2, windows: 2 })
    );
    assert_eq!(market, before);
    let arrivals = vec![None; 17];
    assert_eq!(
        EntriesOccupancy::restore(model(), &EntriesState { arrivals }),
        Err(EntriesError::State {
            windows: 17,
            max: 16
        })
    );
}

fn windows() -> impl Strategy<Value = Vec<Option<i64>>> {
    prop::collection::vec(prop::option::weighted(0.9, 0..5_000_i64), 1..60)
}

proptest! {
    /// A late count gives what it would have given on time.
    #[test]
    fn late_equals_on_time(
        arrivals in windows(), late in 0..5_000_i64, at in any::<prop::sample::Index>(),
    ) {
        let mut market = venue(&arrivals);
        let lag = at.index(arrivals.len().min(16));
        let correction = market.revise(lag, Some(late)).unwrap();
        let mut on_time = arrivals;
        let place = on_time.len() - 1 - lag;
        on_time[place] = Some(late);
        prop_assert_eq!(&market, &venue(&on_time));
        prop_assert_eq!(correction.after.to_bits(), market.presence().unwrap().persons.to_bits());
    }

    /// A restored venue goes on as the one that never stopped.
    #[test]
    fn a_restored_venue_goes_on(arrivals in windows(), cut in any::<prop::sample::Index>()) {
        let cut = cut.index(arrivals.len() + 1);
        let bytes = postcard::to_stdvec(&venue(&arrivals[..cut]).state()).unwrap();
        let state = postcard::from_bytes(&bytes).unwrap();
        let mut second = EntriesOccupancy::restore(model(), &state).unwrap();
        for arrivals in &arrivals[cut..] {
            second.step(*arrivals).unwrap();
        }
        let whole = venue(&arrivals);
        prop_assert_eq!(second.presence(), whole.presence());
        prop_assert_eq!(second, whole);
    }

    /// More arrivals never give fewer persons, nor a lower high end; no end leaves what can be.
    #[test]
    fn monotone_in_arrivals(
        arrivals in windows(), more in 1..500_i64, at in any::<prop::sample::Index>(),
    ) {
        let mut raised = arrivals.clone();
        let at = at.index(raised.len());
        if let Some(value) = &mut raised[at] {
            *value += more;
        }
        let (Ok(fewer), Ok(more)) = (venue(&arrivals).presence(), venue(&raised).presence()) else {
            return Ok(());
        };
        prop_assert!(fewer.persons <= more.persons && fewer.hi <= more.hi);
        for presence in [fewer, more] {
            prop_assert!(0.0 <= presence.lo && presence.lo <= presence.persons);
            prop_assert!(presence.persons <= presence.hi && presence.hi.is_finite());
            prop_assert!(presence.variance <= presence.variance_with_dwell);
            prop_assert!((0.0..=1.0).contains(&presence.coverage));
        }
    }
}
