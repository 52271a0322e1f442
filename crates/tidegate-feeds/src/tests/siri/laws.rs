//! What must hold of any SIRI delivery, cut or changed anywhere: a record never touches another, its
//! bytes say alone what they said in their document, and nothing panics.

use std::collections::BTreeSet;

use proptest::collection::vec;
use proptest::prelude::*;
use tidegate_model::{Position, Reason};

use super::document::{BETWEEN, FEED, HEAD, TAIL, document, read, records, rows_but};
use super::{Bench, event_ids};

/// A document that is cut anywhere gives its whole records and one rejection.
#[test]
fn cut_documents_give_their_whole_records() {
    let document = document(&records());
    let all = read(&document).rows;
    let ends: Vec<usize> = ["</s:EstimatedVehicleJourney >", "</s:VehicleActivity>"]
        .iter()
        .flat_map(|end| document.match_indices(end).map(|(at, _)| at + end.len()))
        .collect();
    for cut in 1..document.trim_end().len() {
        let said = read(&document.as_bytes()[..cut]);
        let whole = ends.iter().filter(|end| **end <= cut).count();
        let whole = i32::try_from(whole).unwrap();
        let kept: Vec<_> = all
            .iter()
            .filter(|(row, _, _)| *row < whole)
            .cloned()
            .collect();
        assert_eq!(said.rows, kept, "cut at {cut}");
        assert_eq!(said.rejected.len(), 1, "cut at {cut}: {:?}", said.rejected);
        assert!(
            said.rejected[0].starts_with(&format!("{whole} malformed -: ")),
            "{:?}",
            said.rejected
        );
    }
}

/// Every record's bytes, read alone, say what they said in their document.
#[track_caller]
fn check_alone(document: &[u8]) {
    let mut bench = Bench::of(FEED);
    bench.feed(document);
    let batch = bench.out.finish();
    let ids = event_ids(&batch);
    let rows: BTreeSet<i32> = (0..100).collect();
    let pieces = bench.decoder.record_bytes(document, &rows);
    for (row, bytes) in &pieces {
        let mut alone = Bench::of(FEED);
        alone.feed(bytes);
        let of_row = (0..batch.len()).filter(|at| batch.position(*at).row == *row);
        let want: Vec<_> = of_row.map(|at| ids[at].clone()).collect();
        assert_eq!(
            event_ids(&alone.out.finish()),
            want,
            "{}",
            String::from_utf8_lossy(bytes)
        );
        let reasons = |bench: &Bench, row: i32| -> Vec<_> {
            let of_row = bench.rejected.iter().filter(|one| one.position.row == row);
            of_row.map(|one| (one.reason, one.bytes.clone())).collect()
        };
        let (told, again) = (reasons(&bench, *row), reasons(&alone, 0));
        let codes = |told: &[(_, _)]| told.iter().map(|(reason, _)| *reason).collect::<Vec<_>>();
        // What is wrong around records may be told otherwise when what was before it is gone.
        let around = codes(&again) == [Reason::Malformed] && told.len() == 1;
        if !bytes.is_empty() && !around {
            assert_eq!(
                codes(&told),
                codes(&again),
                "{}",
                String::from_utf8_lossy(bytes)
            );
        }
        // What was kept of a rejected record is what can be asked for.
        for (_, kept) in told {
            assert!(kept.is_none_or(|kept| kept == *bytes));
        }
        assert_eq!(alone.rejected.len(), again.len());
    }
}

#[test]
fn records_can_be_read_alone() {
    let mut records = records();
    records[0] = records[0].replace("J1", "");
    records[2] = records[2].replace("]]>", "");
    records[3] = records[3].replace("<s:VehicleActivity>", "");
    let document = document(&records);
    check_alone(document.as_bytes());
    for cut in (1..document.len()).step_by(7) {
        check_alone(&document.as_bytes()[..cut]);
    }
    let mut bench = Bench::of(FEED);
    let pieces = bench
        .decoder
        .record_bytes(document.as_bytes(), &BTreeSet::from([1, 99]));
    let alone = String::from_utf8(pieces[&1].clone()).unwrap();
    assert_eq!(pieces.len(), 1);
    assert!(alone.starts_with(
        "<s:Siri xmlns:s=\"http://www.siri.org.uk/siri\" version='2.0'>\
        <s:ServiceDelivery><s:ResponseTimestamp>2018-08-28T09:08:35.867+02:00</s:ResponseTimestamp>\
        <s:EstimatedTimetableDelivery><s:EstimatedJourneyVersionFrame><s:EstimatedVehicleJourney"
    ));
    assert!(alone.ends_with(
        "</s:EstimatedVehicleJourney ></s:EstimatedJourneyVersionFrame>\
        </s:EstimatedTimetableDelivery></s:ServiceDelivery></s:Siri>"
    ));
}

#[test]
fn nothing_is_remembered() {
    let mut bench = Bench::of(FEED);
    bench.feed(document(&records()));
    bench.feed("<Siri/>");
    let state = bench.decoder.state();
    assert_eq!(state.counters, None);
    let restored = Bench::of(FEED).decoder.restore(&state).unwrap();
    assert_eq!(restored.passed_over(), bench.decoder.passed_over());
    assert!(!restored.takes_many_rows());
}

/// Pieces that break XML, and some that do not.
fn splinter() -> impl Strategy<Value = Vec<u8>> {
    let words = vec![
        "<",
        ">",
        "&",
        "\"",
        "'",
        "</",
        "/>",
        "<!--",
        "-->",
        "<![CDATA[",
        "]]>",
        "<?",
        "?>",
        "<!",
        "<!DOCTYPE a [<!ENTITY b 'c'>]>",
        "&bomb;",
        "&#1;",
        "<a>",
        "</a>",
        "=",
        ":",
        "\0",
        "\u{1}",
        "<s:RecordedCall>",
        "</s:RecordedCalls>",
        "<?xml version='1.0' encoding='GBK'?>",
        "é",
        "-",
    ];
    prop_oneof![
        4 => prop::sample::select(words).prop_map(|word| word.as_bytes().to_vec()),
        1 => vec(any::<u8>(), 0..4),
    ]
}

/// A document with one byte of a record another one: the other records count as before, at their
/// rows, and the record counts, is passed over or is rejected, in one row.
#[track_caller]
fn check_flipped(record: usize, at: usize, byte: u8) -> Vec<u8> {
    let mut records: Vec<Vec<u8>> = records().into_iter().map(String::into_bytes).collect();
    records[record][at] = byte;
    let document = joined(&records);
    let said = read(&document);
    let row = i32::try_from(record).unwrap();
    let others = said.rows.iter().filter(|(found, _, _)| *found != row);
    let others: Vec<_> = others.cloned().collect();
    assert_eq!(
        others,
        rows_but(&[row]),
        "record {record}, byte {at} is {byte}"
    );
    let counted = u64::from(said.rows.len() > others.len());
    let outcomes = counted + said.passed + said.rejected.len() as u64;
    assert_eq!(
        outcomes, 1,
        "record {record}, byte {at} is {byte}: {said:?}"
    );
    document
}

fn joined(records: &[Vec<u8>]) -> Vec<u8> {
    let (journeys, activities) = records.split_at(3);
    let parts = [&journeys.concat(), BETWEEN.as_bytes(), &activities.concat()];
    [HEAD.as_bytes(), &parts.concat(), TAIL.as_bytes()].concat()
}

/// Every byte of a journey and of an activity, and every mark of XML in its place.
#[test]
fn every_byte_can_be_every_mark() {
    for record in [2, 3] {
        for at in 0..records()[record].len() - 1 {
            for byte in *b"<>&/!?'= A" {
                check_flipped(record, at, byte);
            }
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(1_000))]

    /// One byte of a record is any other one.
    #[test]
    fn a_flipped_byte_stays_in_its_record(
        record in 0..5_usize, at in any::<prop::sample::Index>(), byte in any::<u8>(),
    ) {
        // The line break behind a record is not of it.
        let at = at.index(records()[record].len() - 1);
        check_alone(&check_flipped(record, at, byte));
    }

    /// Anything at all within a record: the others count as before.
    #[test]
    fn splinters_stay_in_their_record(
        record in 0..5_usize, cuts in vec((any::<prop::sample::Index>(), 0..20_usize, splinter()), 1..6),
    ) {
        let mut records: Vec<Vec<u8>> = records().into_iter().map(String::into_bytes).collect();
        let bytes = &mut records[record];
        let name = bytes.iter().position(|byte| matches!(byte, b' ' | b'>')).unwrap() + 1;
        for (at, len, splinter) in cuts {
            // Behind the end tag is not within.
            let from = name + at.index(bytes.len() - 1 - name);
            let to = (from + len).min(bytes.len() - 1);
            bytes.splice(from..to, splinter);
        }
        let said = read(joined(&records));
        let row = i32::try_from(record).unwrap();
        let want = rows_but(&[row]);
        let others = said.rows.iter().filter(|(_, id, _)| want.iter().any(|(_, other, _)| other == id));
        let others: Vec<_> = others.map(|(_, id, line)| (id, line)).collect();
        let want: Vec<_> = want.iter().map(|(_, id, line)| (id, line)).collect();
        prop_assert_eq!(others, want);
    }

    /// Any bytes: at least one outcome, no panic, and rows that can be read alone without panic.
    #[test]
    fn no_bytes_panic(cuts in vec((any::<prop::sample::Index>(), 0..300_usize, splinter()), 0..12), soup in vec(splinter(), 0..30)) {
        let mut bytes = document(&records()).into_bytes();
        for (at, len, splinter) in cuts {
            let from = at.index(bytes.len() + 1);
            let to = (from + len).min(bytes.len());
            bytes.splice(from..to, splinter);
        }
        for payload in [bytes, soup.concat()] {
            if payload.is_empty() {
                continue;
            }
            let said = read(&payload);
            prop_assert!(said.rows.len() + said.rejected.len() + usize::try_from(said.passed).unwrap() > 0);
            let mut bench = Bench::of(FEED);
            let rows = (0..50).collect();
            for bytes in bench.decoder.record_bytes(&payload, &rows).into_values() {
                bench.feed(bytes);
            }
            crate::reject_unknown_feed(bench.decoder.feed(), tidegate_model::Payload {
                position: Position::default(),
                bytes: Some(&payload),
                arrived: None,
            });
            drop(crate::netex_stops(&payload));
        }
    }
}
