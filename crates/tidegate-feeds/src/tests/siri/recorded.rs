//! A recorded delivery (Bane NOR, 2018-08-28) against counts made of it by another program.

use std::collections::BTreeSet;
use std::io::Read;
use std::path::PathBuf;

use super::{Bench, event_ids};
use crate::netex_stops;

const FEED: &str = "format = 'siri'\npayload_bytes_max = 4194304\nunknown_site = 'accept'";

/// A recorded file; `None`, said aloud, where there is none.
#[expect(
    clippy::disallowed_methods,
    reason = "recorded data lies beside the project; nothing but this test reads it"
)]
fn recorded(name: &str) -> Option<Vec<u8>> {
    let root = concat!(env!("CARGO_MANIFEST_DIR"), "/../../../shared");
    let shared = std::env::var_os("TIDEGATE_SHARED").map_or_else(|| root.into(), PathBuf::from);
    let bytes = std::fs::read(shared.join("data/siri_et").join(name)).ok();
    if bytes.is_none() {
        eprintln!("SKIPPED: data/siri_et/{name} is neither in ../shared nor in $TIDEGATE_SHARED");
    }
    bytes
}

/// The first file of a zip.
fn unzipped(zip: &[u8]) -> Vec<u8> {
    let number = |at: usize| usize::from(u16::from_le_bytes([zip[at], zip[at + 1]]));
    let data = &zip[30 + number(26) + number(28)..];
    let mut file = Vec::new();
    flate2::read::DeflateDecoder::new(data)
        .read_to_end(&mut file)
        .unwrap();
    file
}

#[test]
fn a_recorded_delivery_gives_what_was_counted_in_it() {
    let Some(delivery) = recorded("siri-et-from-bnr.xml") else {
        return;
    };
    let mut bench = Bench::of(FEED);
    bench.feed(&delivery);
    assert_eq!(bench.rejections(), [""; 0]);
    let passed: Vec<_> = bench.decoder.passed_over().iter().collect();
    assert_eq!(
        passed,
        [
            ("prediction", 20),
            ("notice", 0),
            ("deleted", 0),
            ("cancelled", 13),
            ("empty", 0),
            ("no_count", 0)
        ]
    );
    let batch = bench.out.finish();
    let rows: BTreeSet<i32> = (0..batch.len())
        .map(|row| batch.position(row).row)
        .collect();
    let sites: BTreeSet<&str> = batch.site_id().iter().flatten().collect();
    assert_eq!((batch.len(), rows.len(), sites.len()), (893, 111, 407));
    let response = tidegate_model::parse_rfc3339("2018-08-28T09:08:35.867+02:00").unwrap();
    let times = (0..batch.len()).map(|row| batch.interval_start().value(row));
    assert_eq!(times.filter(|time| *time > response.micros()).count(), 10);
    let ids = event_ids(&batch);
    assert_eq!(ids.iter().collect::<BTreeSet<_>>().len(), 893);
    // The same delivery again: the same ids, whether whole or journey by journey.
    let every = (0..144).collect();
    let pieces = bench.decoder.record_bytes(&delivery, &every);
    assert_eq!(pieces.len(), 144);
    let mut alone = Bench::of(FEED);
    for piece in pieces.values() {
        alone.feed(piece);
    }
    assert_eq!(event_ids(&alone.out.finish()), ids);
    assert_eq!(alone.rejected, []);

    let Some(stations) = recorded("RailStations.zip") else {
        return;
    };
    let stops = netex_stops(&unzipped(&stations)).unwrap();
    let known: BTreeSet<&str> = stops.iter().map(|stop| stop.id.as_str()).collect();
    assert_eq!((stops.len(), known.len()), (1_545, 1_545));
    assert_eq!(sites.intersection(&known).count(), 399);
    assert!(stops.iter().all(|stop| !stop.name.is_empty()));
    let eikenes = stops
        .iter()
        .find(|stop| stop.id == "NSR:StopPlace:92")
        .unwrap();
    assert_eq!(
        (eikenes.name.as_str(), eikenes.place),
        ("Eikenes stasjon", Some((59.146_811, 9.895_932)))
    );
}
