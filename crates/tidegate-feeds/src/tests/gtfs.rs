//! GTFS-Realtime against what agencies publish and what no agency should: repeats, gaps, vehicles
//! without a place, wrong clocks, cut and hostile bytes. Messages are built field by field, since a
//! library would not build broken ones.

use std::sync::Arc;

use proptest::prelude::*;

use super::{Bench, event_ids, lines, problems};
use crate::state::DecoderState;
use crate::{Schedule, ScheduleFiles};

/// 2026-03-01T08:00:00Z.
const NOON: u64 = 1_772_352_000;

const FEED: &str = "format = 'gtfs_realtime'\ninterval_max = '10m'\n\
    [occupancy]\ncapacity = 200\nroute_type_capacity = { 3 = 100 }\nroute_capacity = { L2 = 1000 }\n\
    [gtfs]\nschedule = 'city'";

// --- Messages, field by field ----------------------------------------------------------------

fn varint(mut value: u64) -> Vec<u8> {
    let mut bytes = Vec::new();
    while value >= 0x80 {
        bytes.push(u8::try_from(value & 0x7f).unwrap() | 0x80);
        value >>= 7;
    }
    bytes.push(u8::try_from(value).unwrap());
    bytes
}

fn number(field: u64, value: u64) -> Vec<u8> {
    [varint(field << 3), varint(value)].concat()
}

fn block(field: u64, bytes: impl AsRef<[u8]>) -> Vec<u8> {
    let bytes = bytes.as_ref();
    [
        varint(field << 3 | 2),
        varint(bytes.len() as u64),
        bytes.to_vec(),
    ]
    .concat()
}

fn float(field: u64, value: f32) -> Vec<u8> {
    [varint(field << 3 | 5), value.to_le_bytes().to_vec()].concat()
}

fn position(lat: f32, lng: f32) -> Vec<u8> {
    block(2, [float(1, lat), float(2, lng)].concat())
}

fn trip(id: &str, route: &str) -> Vec<u8> {
    block(
        1,
        [block(1, id), block(3, "20260301"), block(5, route)].concat(),
    )
}

fn message(entities: &[Vec<u8>]) -> Vec<u8> {
    let header = block(1, [block(1, "2.0"), number(2, 0), number(3, NOON)].concat());
    let entities = entities.iter().map(|entity| block(2, entity));
    std::iter::once(header)
        .chain(entities)
        .collect::<Vec<_>>()
        .concat()
}

fn vehicle_entity(parts: &[Vec<u8>]) -> Vec<u8> {
    [block(1, "e1"), block(4, parts.concat())].concat()
}

fn trip_update(parts: &[Vec<u8>]) -> Vec<u8> {
    [block(1, "e1"), block(3, parts.concat())].concat()
}

fn stop_time(sequence: u64, stop: &str, arrival: u64) -> Vec<u8> {
    let times = block(2, number(2, arrival));
    block(2, [number(1, sequence), times, block(4, stop)].concat())
}

/// A vehicle of trip `t1` on `route` at `sequence`, at second `second` after noon.
fn moving(route: &str, sequence: u64, second: u64, rest: &[u8]) -> Vec<u8> {
    vehicle_entity(&[
        trip("t1", route),
        number(3, sequence),
        number(5, NOON + second),
        block(7, format!("S{sequence}")),
        block(8, block(1, "bus-9")),
        rest.to_vec(),
    ])
}

fn bench() -> Bench {
    let mut bench = Bench::of(FEED);
    let files = ScheduleFiles {
        stops: "stop_id,stop_lat,stop_lon\nS1,30.5,114.3\nS2,30.6,114.4\nS3,,\n",
        routes: "route_id,route_type\nL1,2\nL2,2\nL3,3\n",
        trips: Some("trip_id,route_id\nt1,L1\n"),
    };
    let schedule = Schedule::read(files, "trip_id").unwrap();
    bench.decoder = bench.decoder.with_schedule(Arc::new(schedule));
    bench
}

fn passed(bench: &Bench) -> Vec<(&'static str, u64)> {
    let passed = bench.decoder.passed_over().iter();
    passed.filter(|(_, count)| *count > 0).collect()
}

/// One message with these entities: rows, rejections and what was passed over.
fn check(entities: &[Vec<u8>], rows: &[&str], rejections: &[&str], over: &[(&str, u64)]) {
    let mut bench = bench();
    bench.feed(message(entities));
    assert_eq!(bench.rows(), rows);
    assert_eq!(bench.rejections(), rejections);
    assert_eq!(passed(&bench), over);
}

// --- What vehicles say -------------------------------------------------------------------------

#[test]
fn a_vehicle_has_its_own_place_or_that_of_its_stop() {
    let at = "2026-03-01T08:00:05Z 2026-03-01T08:00:05Z present vehicle 1";
    let one = |rest: &[u8], expected: &str| {
        check(&[moving("L1", 1, 5, rest)], &[expected], &[], &[]);
    };
    one(&position(30.25, 114.5), &format!("S1 {at} at 30.25,114.5"));
    one(b"", &format!("S1 {at} at 30.5,114.3"));
    // A stop without a place, and one that the static feed does not know.
    check(&[moving("L1", 3, 5, b"")], &[&format!("S3 {at}")], &[], &[]);
    check(&[moving("L1", 4, 5, b"")], &[&format!("S4 {at}")], &[], &[]);
    // No stop: the route stands for it; the route may be known by the trip alone.
    let only_trip = block(1, block(1, "t1"));
    let parts = [only_trip, number(5, NOON + 5)];
    check(&[vehicle_entity(&parts)], &[&format!("L1 {at}")], &[], &[]);
    let parts = [position(30.25, 114.5), number(5, NOON + 5)];
    let row = format!("test {at} at 30.25,114.5");
    check(&[vehicle_entity(&parts)], &[&row], &[], &[]);
}

#[test]
fn a_trip_that_the_static_feed_does_not_know_is_flagged() {
    let parts = [trip("t9", "L1"), number(5, NOON), block(7, "S1")];
    let row =
        "S1 2026-03-01T08:00:00Z 2026-03-01T08:00:00Z present vehicle 1 at 30.5,114.3 trip_unknown";
    check(&[vehicle_entity(&parts)], &[row], &[], &[]);
    let mut bench = bench();
    bench.feed(message(&[vehicle_entity(&parts), moving("L9", 4, 0, b"")]));
    let references = bench.decoder.references();
    let numbers: Vec<_> = references.iter().collect();
    assert_eq!(
        numbers,
        [
            ("stops_known", 1),
            ("stops_unknown", 1),
            ("trips_known", 1),
            ("trips_unknown", 1),
            ("routes_known", 1),
            ("routes_unknown", 1),
        ]
    );
}

#[test]
fn what_is_wrong_with_a_vehicle_is_named() {
    let one = |entity: Vec<u8>, expected: &str| check(&[entity], &[], &[expected], &[]);
    one(
        moving("L1", 1, 0, &position(0.0, 0.0)),
        "0 bad_coordinate -: the vehicle is at 0,0, which receivers write without a fix",
    );
    one(
        moving("L1", 1, 0, &position(91.0, 0.0)),
        "0 bad_coordinate -: lat 91 is not within -90 to 90",
    );
    one(
        moving("L1", 1, 0, &block(2, float(1, 30.0))),
        "0 bad_coordinate -: lng NaN is not within -180 to 180",
    );
    let timed = |time| vehicle_entity(&[trip("t1", "L1"), number(5, time), block(7, "S1")]);
    one(
        timed(0),
        "0 time_too_early -: time 1970-01-01T00:00:00Z is before 2000-01-01T00:00:00Z",
    );
    one(
        timed(NOON * 1_000),
        "0 bad_time -: vehicle.timestamp 1772352000000 is not in seconds; it looks like milliseconds",
    );
    one(
        timed(NOON * 2),
        "0 time_in_future -: time 2082-04-29T16:00:00Z is after 2027-01-01T00:00:00Z, the newest possible",
    );
    one(
        vehicle_entity(&[number(5, NOON)]),
        "0 missing_field -: the vehicle has no stop_id, no route and no position",
    );
    one(
        block(1, "e7"),
        "0 missing_field -: entity \"e7\" has no vehicle, no trip_update and no alert",
    );
    one(
        block(4, block(7, [0xff])),
        "0 malformed -: entity 0 cannot be read: field 7 is not UTF-8",
    );
    one(
        block(4, number(7, 1)),
        "0 malformed -: entity 0 cannot be read: field 7 has another wire type than it must",
    );
}

#[test]
fn a_message_without_times_uses_the_headers() {
    let parts = [trip("t1", "L1"), block(7, "S1")];
    let row = "S1 2026-03-01T08:00:00Z 2026-03-01T08:00:00Z present vehicle 1 at 30.5,114.3";
    check(&[vehicle_entity(&parts)], &[row], &[], &[]);
    let mut bench = bench();
    let bare = [block(1, block(1, "2.0")), block(2, vehicle_entity(&parts))].concat();
    bench.feed(bare);
    let expected = "0 missing_field -: neither the vehicle nor the header has a timestamp";
    assert_eq!(bench.rejections(), [expected]);
}

// --- Loads -------------------------------------------------------------------------------------

/// Loads and alightings with their ranges: `site measure low..count..high`.
fn loads(bench: &mut Bench) -> Vec<String> {
    let batch = bench.out.finish();
    let all = lines(&batch);
    let person = |row: &usize| all[*row].contains(" person ");
    (0..batch.len())
        .filter(person)
        .map(|row| {
            assert!(all[row].contains(" estimated"), "{}", all[row]);
            format!(
                "{} {} {}..{}..{}",
                batch.site_id().value(row),
                batch.measure(row).as_str(),
                batch.count_low().value(row),
                batch.count().value(row),
                batch.count_high().value(row),
            )
        })
        .collect()
}

#[test]
fn what_a_vehicle_says_of_its_load_is_an_interval() {
    let one = |route: &str, rest: &[u8], expected: &[&str]| {
        let mut bench = bench();
        bench.feed(message(&[moving(route, 1, 0, rest)]));
        assert_eq!(loads(&mut bench), expected);
        assert!(bench.rejections().is_empty());
    };
    let status = |word| number(9, word);
    one("L1", &status(2), &["S1 load 40..60..80"]);
    one("L3", &status(2), &["S1 load 20..30..40"]);
    one("L2", &status(2), &["S1 load 200..300..400"]);
    one("L1", &status(0), &["S1 load 0..5..10"]);
    one("L1", b"", &[]);
    // Not accepting, no data, not boardable, and a number that nobody knows.
    for word in [6, 7, 8, 9, 300] {
        one("L1", &status(word), &[]);
    }
    // A percentage goes before the word.
    one(
        "L1",
        &[status(0), number(10, 50)].concat(),
        &["S1 load 99..100..101"],
    );
    one("L1", &number(10, 4_000_000_000), &[]);
    let carriage = |parts: &[Vec<u8>]| block(11, parts.concat());
    let unknown = carriage(&[number(3, 7), number(4, u64::MAX)]);
    let half = carriage(&[number(4, 50)]);
    let few = carriage(&[number(3, 2)]);
    one(
        "L1",
        &[half.clone(), few.clone()].concat(),
        &["S1 load 69..80..91"],
    );
    // A carriage of which nothing is known widens the range.
    one(
        "L1",
        &[half, unknown.clone()].concat(),
        &["S1 load 49..115..181"],
    );
    // None is known: the vehicle's own word.
    one(
        "L1",
        &[unknown.clone(), unknown, status(2)].concat(),
        &["S1 load 40..60..80"],
    );
}

#[test]
fn alightings_follow_from_the_loads_at_two_stops() {
    let mut bench = bench();
    let percent = |percent| number(10, percent);
    let stopped = |percent| [number(4, 1), number(10, percent)].concat();
    let messages = [
        moving("L2", 1, 0, &percent(80)),
        moving("L2", 1, 60, &percent(80)),
        moving("L2", 1, 90, &stopped(60)),
        moving("L2", 2, 120, &percent(50)),
        // The same again: a repeat.
        moving("L2", 2, 120, &percent(50)),
        moving("L2", 3, 180, &percent(70)),
    ];
    for entity in messages {
        bench.feed(message(&[entity]));
    }
    assert_eq!(
        loads(&mut bench),
        [
            "S1 load 795..800..805",
            "S1 load 795..800..805",
            "S1 load 595..600..605",
            "S2 load 495..500..505",
            "S1 out 290..300..805",
            "S2 load 495..500..505",
            "S3 load 695..700..705",
            "S2 out 0..0..505",
        ]
    );
}

#[test]
fn the_loads_on_the_way_are_restored() {
    let before = message(&[moving("L2", 1, 0, &number(10, 80))]);
    let after = message(&[moving("L2", 2, 60, &number(10, 20))]);
    let mut whole = bench();
    whole.feed(&before);
    whole.rows();
    let stored = postcard::to_stdvec(&whole.decoder.state()).unwrap();
    let state: DecoderState = postcard::from_bytes(&stored).unwrap();
    let mut second = bench();
    second.decoder = second.decoder.restore(&state).unwrap();
    assert_eq!(second.decoder.references(), whole.decoder.references());
    second.offset = whole.offset;
    for bench in [&mut whole, &mut second] {
        bench.feed(&after);
    }
    let (whole, second) = (whole.out.finish(), second.out.finish());
    assert_eq!(lines(&whole), lines(&second));
    assert_eq!(whole.len(), 3);
    let mut wrong = state;
    wrong.loads[0].high = 0;
    let error = bench().decoder.restore(&wrong).unwrap_err();
    assert_eq!(
        error.to_string(),
        "the load of a vehicle is stored outside its own range"
    );
}

// --- Arrivals, notices, repeats ---------------------------------------------------------------

#[test]
fn only_arrivals_that_have_happened_count() {
    let update =
        |stops: &[Vec<u8>]| trip_update(&[vec![trip("t1", "L1")], stops.to_vec()].concat());
    let arrived = |stop, second| {
        format!("{stop} 2026-03-01T07:59:{second}Z 2026-03-01T07:59:{second}Z in vehicle 1")
    };
    let stops = [
        stop_time(1, "S1", NOON - 50),
        stop_time(2, "S2", NOON - 10),
        stop_time(3, "S3", NOON + 1),
    ];
    let rows = [
        format!("{} at 30.5,114.3", arrived("S1", "10")),
        format!("{} at 30.6,114.4", arrived("S2", "50")),
    ];
    check(&[update(&stops)], &[&rows[0], &rows[1]], &[], &[]);
    check(&[update(&stops[2..])], &[], &[], &[("prediction", 1)]);
    check(&[update(&[])], &[], &[], &[("prediction", 1)]);
    // Departed from the first stop; skipped at the second.
    let departed = block(2, [block(3, number(2, NOON - 50)), block(4, "S1")].concat());
    let skipped = block(
        2,
        [block(2, number(2, NOON - 40)), block(4, "S2"), number(5, 1)].concat(),
    );
    check(&[update(&[departed, skipped])], &[&rows[0]], &[], &[]);
    let cancelled = block(1, [block(1, "t1"), number(4, 3)].concat());
    let entity = trip_update(&[cancelled, stops[0].clone()]);
    check(&[entity], &[], &[], &[("cancelled", 1)]);
    let milliseconds = update(&[stop_time(1, "S1", 1)]);
    let early = "0 time_too_early -: time 1970-01-01T00:00:01Z is before 2000-01-01T00:00:00Z";
    check(&[milliseconds], &[], &[early], &[]);
}

#[test]
fn what_has_nothing_to_count_is_passed_over() {
    check(&[], &[], &[], &[("empty", 1)]);
    let deleted = [block(1, "e1"), number(2, 1), block(4, b"")].concat();
    let alert = [block(1, "e2"), block(5, b"")].concat();
    check(
        &[deleted, alert],
        &[],
        &[],
        &[("notice", 1), ("deleted", 1)],
    );
}

#[test]
fn a_repeat_has_the_same_id_and_news_has_another() {
    let mut bench = bench();
    let repeated = [
        moving("L1", 1, 0, &number(9, 2)),
        trip_update(&[trip("t1", "L1"), stop_time(1, "S1", NOON - 50)]),
    ];
    let header = block(1, [block(1, "2.0"), number(3, NOON + 60)].concat());
    let later: Vec<Vec<u8>> = repeated.iter().map(|entity| block(2, entity)).collect();
    bench.feed(message(&repeated));
    let first = event_ids(&bench.out.finish());
    bench.feed([header, later.concat()].concat());
    let second = event_ids(&bench.out.finish());
    assert_eq!(first, second);
    let distinct: std::collections::BTreeSet<_> = first.iter().collect();
    assert_eq!(distinct.len(), 3);
    bench.feed(message(&[moving("L1", 1, 1, b"")]));
    bench.feed(message(&[moving("L1", 2, 0, b"")]));
    for id in event_ids(&bench.out.finish()) {
        assert!(!first.contains(&id));
    }
}

// --- Broken messages ---------------------------------------------------------------------------

#[test]
fn what_is_no_message_is_one_rejection() {
    let one = |bytes: &[u8], expected: &str| {
        let mut bench = bench();
        bench.feed(bytes);
        assert_eq!(bench.rows(), [""; 0]);
        assert_eq!(bench.rejections(), [expected]);
    };
    one(
        b"<!doctype html><html></html>",
        "0 malformed -: no GTFS-Realtime message: there is no header; it begins with \"<!doctype html><html></h\"",
    );
    one(
        &block(2, moving("L1", 1, 0, b"")),
        "0 malformed -: no GTFS-Realtime message: there is no header; it begins with \"\\u{12}/\\n\\u{2}e1\\\")\\n\\u{12}\\n\\u{2}t1\\u{1a}\\u{8}20260301\"",
    );
}

#[test]
fn a_cut_message_keeps_its_whole_entities() {
    let mut bench = bench();
    let whole = message(&[moving("L1", 1, 0, b""), moving("L1", 2, 0, b"")]);
    bench.feed(&whole[..whole.len() - 3]);
    assert_eq!(bench.rows().len(), 1);
    assert_eq!(
        bench.rejections(),
        ["1 malformed -: what follows entity 1 cannot be read: the bytes end inside a field"]
    );
}

#[test]
fn extensions_and_unknown_enumerations_change_nothing() {
    let extension = block(1001, block(1, "nyct"));
    let odd = [number(4, 77), number(6, 99), extension.clone()].concat();
    let row = "S1 2026-03-01T08:00:00Z 2026-03-01T08:00:00Z present vehicle 1 at 30.5,114.3";
    let entity = [moving("L1", 1, 0, &odd), extension].concat();
    check(&[entity], &[row], &[], &[]);
}

/// A message in a message in a message costs no stack: what is not known is not descended into.
#[test]
fn nested_messages_are_not_descended_into() {
    let mut bomb = Vec::new();
    for _ in 0..10_000 {
        bomb = block(9, &bomb);
        bomb.truncate(1 << 16);
    }
    let row = "S1 2026-03-01T08:00:00Z 2026-03-01T08:00:00Z present vehicle 1 at 30.5,114.3";
    check(&[moving("L1", 1, 0, &block(99, bomb))], &[row], &[], &[]);
    check(
        &[block(4, [0x0b; 100])],
        &[],
        &[
            "0 malformed -: entity 0 cannot be read: a group that is not opened, not closed or nested too deeply, or a wire type 6 or 7",
        ],
        &[],
    );
}

#[test]
fn rejected_entities_can_be_sent_again_alone() {
    let mut bench = bench();
    let bad = moving("L1", 1, 0, &position(0.0, 0.0));
    bench.feed(message(&[moving("L1", 2, 0, b""), bad]));
    let kept = bench.rejected[0].bytes.clone().unwrap();
    assert_eq!(bench.rejected[0].position.row, 1);
    bench.rejected.clear();
    bench.feed(&kept);
    assert_eq!(bench.rejected[0].bytes.as_ref(), Some(&kept));
    let rows = std::collections::BTreeSet::from([0, 5]);
    let records = bench.decoder.record_bytes(&kept, &rows);
    assert_eq!(records.get(&0), Some(&kept));
    assert_eq!(records.len(), 1);
}

proptest! {
    #[test]
    fn any_change_of_any_byte_is_survived(at in 0_usize..400, byte in any::<u8>(), cut in 0_usize..400) {
        let mut bytes = message(&[
            moving("L1", 1, 0, &[number(9, 2), position(30.25, 114.5)].concat()),
            trip_update(&[trip("t1", "L1"), stop_time(1, "S1", NOON - 50)]),
            moving("L2", 2, 9, &number(10, 70)),
        ]);
        let len = bytes.len();
        bytes[at % len] = byte;
        bytes.truncate(len - cut % len);
        let mut bench = bench();
        bench.feed(&bytes);
        let rows = bench.out.finish();
        let told = rows.len() + bench.rejected.len() + passed(&bench).len();
        prop_assert!(bytes.is_empty() || told > 0);
        for row in 0..rows.len() {
            prop_assert!(rows.count_low().value(row) <= rows.count().value(row));
            prop_assert!(rows.count().value(row) <= rows.count_high().value(row));
        }
    }
}

// --- JSON --------------------------------------------------------------------------------------

#[test]
fn both_renderings_say_the_same() {
    let snake = r#"{"entity":[{"id":"e1","vehicle":{"current_status":"IN_TRANSIT_TO",
        "current_stop_sequence":1,"occupancy_status":"FEW_SEATS_AVAILABLE",
        "position":{"latitude":30.25,"longitude":114.5,"bearing":3},"stop_id":"S1","timestamp":1772352000,
        "trip":{"trip_id":"t1","route_id":"L1","start_date":"20260301","schedule_relationship":"SCHEDULED"},
        "vehicle":{"id":"bus-9","label":"9","consist":[{"label":"1"}]}}},
        {"id":"e2","trip_update":{"trip":{"trip_id":"t1","route_id":"L1","start_date":"20260301"},
        "stop_time_update":[{"stop_id":"S1","stop_sequence":1,"arrival":{"time":1772351950}},{"stop_id":"S2"}]}}],
        "header":{"gtfs_realtime_version":"2.0","incrementality":"FULL_DATASET","timestamp":1772352000}}"#;
    let camel = r#"{"header":{"gtfsRealtimeVersion":"2.0","timestamp":"1772352000"},"entity":[
        {"id":"e1","vehicle":{"currentStatus":2,"currentStopSequence":1,"occupancyStatus":2,
        "position":{"latitude":30.25,"longitude":114.5},"stopId":"S1","timestamp":"1772352000",
        "trip":{"tripId":"t1","routeId":"L1","startDate":"20260301"},
        "vehicle":{"id":"bus-9","licensePlate":""}}},
        {"id":"e2","tripUpdate":{"trip":{"tripId":"t1","routeId":"L1","startDate":"20260301"},
        "stopTimeUpdate":[{"stopId":"S1","stopSequence":1,"arrival":{"time":"1772351950"}}]}}]}"#;
    let binary = message(&[
        moving("L1", 1, 0, &[number(9, 2), position(30.25, 114.5)].concat()),
        trip_update(&[trip("t1", "L1"), stop_time(1, "S1", NOON - 50)]),
    ]);
    let read = |format: &str, bytes: &[u8]| {
        let mut bench = Bench::of(&FEED.replace("'gtfs_realtime'", format));
        bench.feed(bytes);
        assert_eq!(bench.rejections(), [""; 0]);
        let batch = bench.out.finish();
        (lines(&batch), event_ids(&batch))
    };
    let expected = read("'gtfs_realtime'", &binary);
    assert_eq!(expected.0.len(), 3);
    assert_eq!(read("'gtfs_realtime_json'", snake.as_bytes()), expected);
    assert_eq!(read("'gtfs_realtime_json'", camel.as_bytes()), expected);
}

#[test]
fn broken_json_is_told_and_what_came_before_it_counts() {
    let entity =
        r#"{"id":"e","vehicle":{"stop_id":"S1","trip":{"trip_id":"t1"},"timestamp":1772352000}}"#;
    let header = r#""header":{"timestamp":1772352000}"#;
    let one = |text: String, rows: usize, rejections: &[&str], over: &[(&str, u64)]| {
        let mut bench = Bench::of(&FEED.replace("gtfs_realtime'", "gtfs_realtime_json'"));
        bench.feed(&text);
        let start: String = text.chars().take(200).collect();
        assert_eq!(bench.rows().len(), rows, "{start}");
        assert_eq!(bench.rejections(), rejections, "{start}");
        assert_eq!(passed(&bench), over, "{start}");
    };
    one(format!(r#"{{{header},"entity":[{entity}]}}"#), 1, &[], &[]);
    one(
        format!(r#"{{{header},"entity":[]}}"#),
        0,
        &[],
        &[("empty", 1)],
    );
    one(
        format!(r#"{{{header},"entity":[{entity},{{"id":3"#),
        1,
        &["1 malformed -: not JSON: EOF while parsing an object at line 1 column 137"],
        &[],
    );
    one(
        format!(r#"{{{header},"entity":[5,{entity}]}}"#),
        1,
        &["0 malformed -: an entity is not an object"],
        &[],
    );
    one(
        "<html>".to_owned(),
        0,
        &["0 malformed -: no GTFS-Realtime message: there is no header; it begins with \"<html>\""],
        &[],
    );
    let deep = format!(r#"{{{header},"entity":[{}"#, "[".repeat(10_000));
    one(
        deep,
        0,
        &["0 malformed -: not JSON: recursion limit exceeded at line 1 column 171"],
        &[],
    );
    let named = entity.replace("\"id\"", "\"driver_name\":\"x\",\"id\"");
    let mut bench = Bench::of(&FEED.replace(
        "gtfs_realtime'",
        "gtfs_realtime_json'\npersonal_fields = ['driver_name']",
    ));
    bench.feed(format!(r#"{{{header},"entity":[{named}]}}"#));
    assert_eq!(bench.rejected[0].bytes, None);
    assert_eq!(
        bench.rejections(),
        ["0 personal_data -: field \"driver_name\" could identify a person"]
    );
}

#[test]
fn the_file_is_checked() {
    let problem = |toml: &str| problems(toml)[0].to_string();
    assert_eq!(
        problem(
            "format = 'gtfs_realtime'\n[occupancy]\ncapacity = 1\nalighting_share = { S = 2.0 }"
        ),
        "occupancy.alighting_share.S: 2 is not a share within 0 to 1"
    );
    assert_eq!(
        problem("format = 'json'\n[gtfs]\nschedule = 'x'"),
        "gtfs: is for the format gtfs_realtime"
    );
    assert_eq!(
        problem("format = 'json'\n[occupancy]\ncapacity = 9"),
        "occupancy: is for the formats gtfs_realtime and siri"
    );
}
