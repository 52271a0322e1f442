//! Decoders cut in two by a snapshot: the tests try to make the second half count otherwise than a
//! decoder that was never stopped, and to restore what must not be restored.

use proptest::collection::vec;
use proptest::prelude::*;
use tidegate_model::FeedId;

use super::{Bench, event_ids};
use crate::state::{CounterFaultsState, CounterState, CountersState, DecoderState};
use crate::{Decoder, FeedConfig, RestoreError};

const TURNSTILE: &str = include_str!("turnstile.toml");
const ENTRIES: &str = include_str!("entries.toml");

/// The turnstiles with few counters remembered, so that some are forgotten all the time.
fn crowded(counters_max: usize) -> String {
    format!("{TURNSTILE}wrap_at = 20_000\nreset_below = 500\ncounters_max = {counters_max}\n")
}

/// A payload of one to four readings around the hour that comes twice; some cannot be read.
fn payload() -> impl Strategy<Value = String> {
    let time = prop::sample::select(vec![
        "11/02/2024,20:00:00",
        "11/03/2024,00:30:00",
        "11/03/2024,01:00:00",
        "11/03/2024,01:30:00",
        "11/03/2024,02:30:00",
        "11/03/2024,09:00:00",
        "13/03/2024,09:00:00",
    ]);
    let value =
        || prop_oneof![9 => 0..20_000_i64, 3 => 0..400_i64, 1 => Just(-1), 1 => Just(i64::MAX)];
    let row = (0..4_u8, time, value(), value()).prop_map(|(gate, time, entries, exits)| {
        format!("A{gate},R,0,S,L,B,{time},REGULAR,{entries},{exits}\n")
    });
    let header = prop::sample::select(vec!["CA", "C/A"]);
    (header, vec(row, 1..5)).prop_map(|(ca, rows)| {
        let rows = rows.concat();
        format!("{ca},UNIT,SCP,STATION,LINENAME,DIVISION,DATE,TIME,DESC,ENTRIES,EXITS\n{rows}")
    })
}

fn stored(decoder: &Decoder) -> DecoderState {
    postcard::from_bytes(&postcard::to_stdvec(&decoder.state()).unwrap()).unwrap()
}

/// A bench that goes on where `bench` is, with what a snapshot holds of its decoder.
fn restored(config: &FeedConfig, bench: &Bench) -> Bench {
    let mut second = Bench::new(config);
    second.offset = bench.offset;
    second.decoder = second.decoder.restore(&stored(&bench.decoder)).unwrap();
    second
}

fn check(config: &FeedConfig, payloads: &[String], cut: usize) -> Result<(), TestCaseError> {
    let mut whole = Bench::new(config);
    for payload in &payloads[..cut] {
        whole.feed(payload);
    }
    let mut second = restored(config, &whole);
    whole.rows();
    whole.rejections();
    for payload in &payloads[cut..] {
        for bench in [&mut whole, &mut second] {
            bench.feed(payload);
        }
        let (one, other) = (whole.out.finish(), second.out.finish());
        prop_assert_eq!(event_ids(&one), event_ids(&other));
        prop_assert_eq!(super::lines(&one), super::lines(&other));
        prop_assert_eq!(&whole.rejected, &second.rejected);
        prop_assert_eq!(
            whole.decoder.counter_faults(),
            second.decoder.counter_faults()
        );
    }
    prop_assert_eq!(whole.decoder.state(), second.decoder.state());
    Ok(())
}

proptest! {
    /// A decoder restored at any payload goes on as the one that was never stopped, down to which
    /// counter it forgets next.
    #[test]
    fn a_restored_decoder_goes_on(
        payloads in vec(payload(), 1..25), cut in any::<prop::sample::Index>(),
        counters_max in prop::sample::select(vec![1_usize, 3, 5, 40]),
    ) {
        let config = super::config(&crowded(counters_max));
        check(&config, &payloads, cut.index(payloads.len() + 1))?;
    }

    /// The same for a feed that remembers nothing.
    #[test]
    fn a_feed_without_counters_remembers_nothing(hours in vec(0..30, 1..20), cut in any::<prop::sample::Index>()) {
        let payload = |hour| format!(r#"{{"Date":"2025-08-01","Hour":{hour},"Station":"S","Ridership":1}}"#);
        let payloads: Vec<String> = hours.into_iter().map(payload).collect();
        let config = super::config(ENTRIES);
        check(&config, &payloads, cut.index(payloads.len() + 1))?;
        prop_assert_eq!(Bench::new(&config).decoder.state(), DecoderState::default());
    }
}

/// A state with the counters `keys`, each last read at 5.
fn state(keys: &[u8]) -> DecoderState {
    let counter = |key: &u8| CounterState {
        key: [*key; 16],
        value: 5,
        time_after: 1,
        dropped_from: None,
    };
    DecoderState {
        counters: Some(CountersState {
            faults: CounterFaultsState::default(),
            counters: keys.iter().map(counter).collect(),
        }),
        ..DecoderState::default()
    }
}

#[test]
fn a_state_of_another_feed_is_refused() {
    let refused = |toml: &str, state: &DecoderState| {
        let decoder = Decoder::try_new(FeedId::new("test"), &super::config(toml)).unwrap();
        decoder.restore(state).unwrap_err()
    };
    let few = crowded(2);
    assert_eq!(
        refused("format = \"json\"", &state(&[])),
        RestoreError::Form
    );
    assert_eq!(refused(ENTRIES, &state(&[])), RestoreError::Form);
    assert_eq!(
        refused(TURNSTILE, &DecoderState::default()),
        RestoreError::Form
    );
    let (counters, counters_max) = (3, 2);
    let many = RestoreError::TooMany {
        counters,
        counters_max,
    };
    assert_eq!(refused(&few, &state(&[1, 2, 3])), many);
    assert_eq!(refused(&few, &state(&[0, 0])), RestoreError::Repeated(0));
    let mut high = state(&[0]);
    high.counters.as_mut().unwrap().counters[0].value = u64::MAX;
    let (key, value) = (0, u64::MAX);
    assert_eq!(refused(&few, &high), RestoreError::Reading { key, value });
}

/// The bytes are a stored format: a change of them is a new version of the snapshot.
#[test]
fn the_stored_form_stays() {
    assert_eq!(
        postcard::to_stdvec(&DecoderState::default()).unwrap(),
        [0; 14]
    );
    let mut state = state(&[7, 9]);
    let counters = state.counters.as_mut().unwrap();
    counters.faults = CounterFaultsState {
        baseline: 1,
        wrap: 2,
        reset: 3,
        down: 4,
        implausible: 5,
        gap: 6,
        repeated: 7,
        forgotten: 8,
    };
    counters.counters[1].time_after = -300;
    counters.counters[1].dropped_from = Some(6);
    let mut expected = vec![1, 1, 2, 3, 4, 5, 6, 7, 8, 2];
    expected.extend(
        [
            [7; 16].as_slice(),
            &[5, 2, 0],
            &[9; 16],
            &[5, 0xd7, 4, 1, 6],
        ]
        .concat(),
    );
    expected.extend([0; 13]);
    assert_eq!(postcard::to_stdvec(&state).unwrap(), expected);
}

/// 100,000 counters, read at random within an hour, take at most 28 bytes each.
#[test]
fn many_counters_are_compact() {
    let mut bench = Bench::of(TURNSTILE);
    let header = "CA,UNIT,SCP,STATION,LINENAME,DIVISION,DATE,TIME,DESC,ENTRIES,EXITS\n";
    let rows = (0..50_000).map(|gate| {
        let (minute, second) = (gate * 7 % 60, gate * 11 % 60);
        format!("A{gate},R,0,S,L,B,11/02/2024,20:{minute:02}:{second:02},REGULAR,{gate}000,9\n")
    });
    for rows in rows.collect::<Vec<_>>().chunks(1_000) {
        bench.feed(format!("{header}{}", rows.concat()));
    }
    let state = bench.decoder.state();
    assert_eq!(state.counters.as_ref().unwrap().counters.len(), 100_000);
    let bytes = postcard::to_stdvec(&state).unwrap();
    assert!(bytes.len() < 2_800_000, "{}", bytes.len());
}
