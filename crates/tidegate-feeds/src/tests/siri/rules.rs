//! SIRI records that break a rule, and the rules: places, times, ids, the feed's file, `NeTEx`.

use std::collections::BTreeSet;

use super::{
    Bench, FEED, calls_at, check, delivery, event_ids, journey, monitoring, problems, rejects,
    said, timetable,
};
use crate::netex_stops;

/// A vehicle monitoring delivery of one journey, recorded at `time`.
fn activity(time: &str, journey: &str) -> String {
    monitoring(&format!(
        "<RecordedAtTime>{time}</RecordedAtTime><MonitoredVehicleJourney>{journey}\
         </MonitoredVehicleJourney>"
    ))
}

const AT: &str = "2018-08-28T09:00:00+02:00";
const VEHICLE: &str = "<LineRef>L2</LineRef><VehicleRef>V</VehicleRef>";
const STOP: &str = "<MonitoredCall><StopPointRef>S:1</StopPointRef></MonitoredCall>";

#[test]
fn vehicles_are_present_where_they_say() {
    let here =
        |site: &str| format!("{site} 2018-08-28T07:00:00Z 2018-08-28T07:00:00Z present vehicle 1");
    let place =
        "<VehicleLocation><Longitude>10.75</Longitude><Latitude>59.91</Latitude></VehicleLocation>";
    check(FEED, activity(AT, VEHICLE), &[&here("L2")]);
    check(
        FEED,
        activity(
            AT,
            &format!("{VEHICLE}{place}{STOP}<Occupancy>full</Occupancy>"),
        ),
        &[
            &format!("{} at 59.91,10.75", here("S:1")),
            "S:1 2018-08-28T07:00:00Z 2018-08-28T07:00:00Z load person 110 at 59.91,10.75 \
             estimated 90..130",
        ],
    );
}

#[test]
fn vehicles_without_place_or_name_say_why() {
    let cases = [
        (
            "",
            VEHICLE,
            "bad_time L2: RecordedAtTime: \"\" is not an RFC 3339 time",
        ),
        (
            AT,
            STOP,
            "missing_field S:1: no VehicleRef, no VehicleMonitoringRef",
        ),
        (
            AT,
            "<VehicleRef>V</VehicleRef>",
            "missing_field -: no MonitoredCall/StopPointRef",
        ),
        (
            "1999-12-31T23:59:59Z",
            VEHICLE,
            "time_too_early L2: RecordedAtTime",
        ),
        (
            "2027-01-01T00:00:01Z",
            VEHICLE,
            "time_in_future L2: RecordedAtTime",
        ),
        (
            "2018-08-28T24:01:00Z",
            VEHICLE,
            "bad_time L2: RecordedAtTime",
        ),
    ];
    for (time, body, want) in cases {
        rejects(activity(time, body), want);
    }
    for (lng, lat, want) in [
        ("0", "0.0", "VehicleLocation is 0, 0"),
        ("0", "91", "lat 91 is not within"),
        ("-180.5", "1", "lng -180.5 is not within"),
        ("east", "1", "Longitude \"east\" is not a number"),
        ("NaN", "1", "lng NaN is not within"),
        ("", "1", "Longitude \"\" is not a number"),
    ] {
        let place = format!(
            "{VEHICLE}<VehicleLocation><Longitude>{lng}</Longitude><Latitude>{lat}</Latitude></VehicleLocation>"
        );
        rejects(activity(AT, &place), &format!("bad_coordinate L2: {want}"));
    }
    let half = format!("{VEHICLE}<VehicleLocation><Latitude>1</Latitude></VehicleLocation>");
    rejects(
        activity(AT, &half),
        "bad_coordinate L2: lat 1 comes without lng",
    );
    let twice = format!("{VEHICLE}</MonitoredVehicleJourney><MonitoredVehicleJourney>");
    rejects(
        activity(AT, &twice),
        "malformed -: element MonitoredVehicleJourney is there twice",
    );
    rejects(
        monitoring(""),
        "missing_field -: RecordedAtTime is not there",
    );
}

/// What stands in a good journey, what stands there instead, and what that gives; nothing where it
/// is as good.
const RULES: &[(&str, &str, &str)] = &[
    (
        "<StopPointRef>S:2</StopPointRef>",
        "",
        "missing_field -: call 2: StopPointRef is not there",
    ),
    (
        "S:2",
        "",
        "missing_field -: call 2: StopPointRef is not there",
    ),
    (
        "2018-08-28T09:01:00+02:00",
        "soon",
        "bad_time S:2: call 2: ActualArrivalTime: \"soon\"",
    ),
    (
        "09:01:00+02:00",
        "09:01:00",
        "bad_time S:2: call 2: ActualArrivalTime: \"2018-08-28T09:01:00\" is not",
    ),
    (
        "2018-08-28T09:01",
        "2028-08-28T09:01",
        "time_in_future S:2: call 2: ActualArrivalTime",
    ),
    (
        "2018-08-28T09:01",
        "1998-08-28T09:01",
        "time_too_early S:2: call 2: ActualArrivalTime",
    ),
    (
        "<DatedVehicleJourneyRef>J1</DatedVehicleJourneyRef>",
        "",
        "missing_field -: no DatedVehicleJourneyRef",
    ),
    (">J1<", "><", "missing_field -: no DatedVehicleJourneyRef"),
    (
        ">J1<",
        "><b>J1</b><",
        "wrong_type -: DatedVehicleJourneyRef holds the element \"b\"",
    ),
    (
        "<LineRef>L1</LineRef>",
        "<LineRef>L1</LineRef><LineRef>L1</LineRef>",
        "malformed -: element LineRef is there twice",
    ),
    (
        "<Order>2</Order>",
        "<Order>2</Order><Order>2</Order>",
        "malformed -: element Order is there twice",
    ),
    (
        "<Order>2</Order>",
        "<Cancellation>yes</Cancellation>",
        "wrong_type -: Cancellation \"yes\" is neither",
    ),
    (">J1<", ">J&amp;1&#x41;<", ""),
    (">J1<", ">J<![CDATA[<&>]]>1<", ""),
    (">J1<", ">J<!-- a note --><?note?>1<", ""),
];

#[test]
fn journeys_that_cannot_be_counted_say_why() {
    let good = calls_at("J1", &["S:1", "S:2"]);
    for (from, to, want) in RULES {
        assert!(good.contains(from), "{from}");
        let payload = timetable(&good.replacen(from, to, 1));
        if want.is_empty() {
            let mut bench = Bench::of(FEED);
            bench.feed(payload);
            assert_eq!(said(&mut bench).len(), 2, "{to}");
        } else {
            rejects(payload, want);
        }
    }
    let long = "S".repeat(257);
    rejects(timetable(&calls_at("J1", &[&long])), "wrong_type SSS");
    let text = "S".repeat(1_025);
    rejects(
        timetable(&calls_at(&text, &["S:1"])),
        "wrong_type -: DatedVehicleJourneyRef has a text",
    );
    let many = "<RecordedCall></RecordedCall>".repeat(2_001);
    rejects(
        timetable(&journey(&format!("<RecordedCalls>{many}</RecordedCalls>"))),
        "wrong_type -: a journey of more than 2000 calls",
    );
    rejects(
        delivery("<StopMonitoringDelivery><x/></StopMonitoringDelivery>"),
        "wrong_type -: StopMonitoringDelivery is not read",
    );
}

#[test]
fn local_times_need_a_zone() {
    let local = |time: &str| {
        timetable(&calls_at("J1", &["S:1"]).replace("2018-08-28T09:00:00+02:00", time))
    };
    let oslo = "format = 'siri'\nsiri = { zone = 'Europe/Oslo' }";
    let at = |time: &str| format!("S:1 {time} {time} in vehicle 1");
    check(
        oslo,
        local("2018-08-28T09:00:00"),
        &[&at("2018-08-28T07:00:00Z")],
    );
    check(
        oslo,
        local("2018-12-28T09:00:00.250"),
        &[&at("2018-12-28T08:00:00.25Z")],
    );
    check(
        oslo,
        local("2018-08-28T09:00:00Z"),
        &[&at("2018-08-28T09:00:00Z")],
    );
    // Clocks were set back on 28 October and forward on 25 March.
    check(
        oslo,
        local("2018-10-28T02:30:00"),
        &[&format!("{} time_ambiguous", at("2018-10-28T00:30:00Z"))],
    );
    check(
        oslo,
        local("2018-03-25T02:30:00"),
        &[
            "0 bad_time S:1: call 1: ActualArrivalTime: time 2018-03-25T02:30:00 does not exist in Europe/Oslo",
        ],
    );
    check(
        oslo,
        local("today"),
        &["0 bad_time S:1: call 1: ActualArrivalTime: time \"today\" is not %Y-%m-%dT%H:%M:%S%.f"],
    );
}

#[test]
fn repeated_calls_have_one_id_and_others_another() {
    let ids = |journey: &str| {
        let mut bench = Bench::of(FEED);
        bench.feed(timetable(journey));
        assert!(bench.rejected.is_empty(), "{:?}", bench.rejected);
        event_ids(&bench.out.finish())
    };
    let base =
        calls_at("J1", &["S:1", "S:2"]).replace("<Order>", "<Occupancy>full</Occupancy><Order>");
    let all = ids(&base);
    assert_eq!(all.len(), 4);
    let distinct: BTreeSet<_> = all.iter().collect();
    assert_eq!(distinct.len(), 4);
    // Corrected times, other words and other data of the same calls: the same counts.
    let again = base
        .replace("09:01", "09:02")
        .replace("full", "empty")
        .replace("<LineRef>L1", "<LineRef>L7");
    assert_eq!(ids(&again), all);
    for (from, to) in [(">J1<", ">J2<"), ("S:1", "S:3"), ("<Order>1", "<Order>3")] {
        assert_ne!(ids(&base.replace(from, to))[0], all[0], "{to}");
    }
    // Without numbers the visits of a stop are counted, so that a loop is no repeat.
    let loops = calls_at("J1", &["S:1", "S:2", "S:1"])
        .replace("<Order>1</Order>", "")
        .replace("<Order>3</Order>", "");
    let ids_of_loop = ids(&loops);
    assert_ne!(ids_of_loop[0], ids_of_loop[2]);
    // Every way to name a journey.
    let dated = "<DatedVehicleJourneyRef>J1</DatedVehicleJourneyRef>";
    let framed = |day: &str| {
        base.replace(dated, &format!("<FramedVehicleJourneyRef><DataFrameRef>{day}</DataFrameRef>{dated}</FramedVehicleJourneyRef>"))
    };
    assert_ne!(ids(&framed("2018-08-28")), ids(&framed("2018-08-29")));
    let named =
        |element: &str, name: &str| base.replace(dated, &format!("<{element}>{name}</{element}>"));
    for element in [
        "EstimatedVehicleJourneyCode",
        "VehicleRef",
        "OriginAimedDepartureTime",
    ] {
        assert_ne!(
            ids(&named(element, "a")),
            ids(&named(element, "b")),
            "{element}"
        );
        assert_eq!(
            ids(&named(element, "a")),
            ids(&named(element, "a")),
            "{element}"
        );
    }
}

#[test]
fn a_feeds_file_is_checked() {
    let check = |file: &str, want: &[&str]| {
        let found: Vec<String> = problems(file).iter().map(ToString::to_string).collect();
        assert_eq!(found, want, "{file}");
    };
    check(
        "format = 'siri'\nsiri = { zone = 'Mars/Olympus' }\noccupancy = { capacity = 0 }",
        &[
            "occupancy.capacity: 0 is not within 1 to 20000 persons",
            "siri.zone: \"Mars/Olympus\" is not an IANA time zone such as Asia/Shanghai",
        ],
    );
    check(
        "format = 'json'\nsiri = {}",
        &["siri: is for the format siri"],
    );
    check(
        "format = 'json'\noccupancy = {}",
        &["occupancy: is for the formats gtfs_realtime and siri"],
    );
    check(
        "format = 'siri'\n[mapping]\nsite = ['a']\ntime = { columns = ['t'], format = 'rfc3339' }",
        &["mapping: is for the formats mapped_json and csv; the format is siri"],
    );
}

#[test]
fn netex_gives_places() {
    let document = "<?xml version='1.0'?><n:PublicationDelivery xmlns:n='x'><n:Name>no stop</n:Name>\
        <n:StopPlace id='S:1'><n:Name lang='nor'>&#xC5;sker &amp; co</n:Name>\
        <n:Centroid><n:Location><n:Longitude>10.43</n:Longitude><n:Latitude>59.83</n:Latitude></n:Location></n:Centroid>\
        <n:Other><n:Name>x</n:Name><n:Location><n:Latitude>1</n:Latitude></n:Location></n:Other>\
        <n:quays><n:Quay id='Q:1'><n:Centroid><n:Location><n:Latitude> -1.5 </n:Latitude><n:Longitude>2</n:Longitude>\
        </n:Location></n:Centroid></n:Quay><n:Quay id='Q:2'/></n:quays></n:StopPlace>\
        <n:ScheduledStopPoint id='P:1'><n:Location><n:Longitude>3</n:Longitude><n:Latitude>4</n:Latitude></n:Location>\
        </n:ScheduledStopPoint><n:StopPlaceRef ref='S:1'/></n:PublicationDelivery>";
    let stops = netex_stops(document.as_bytes()).unwrap();
    let found: Vec<String> = stops
        .iter()
        .map(|stop| format!("{} {:?} {:?}", stop.id, stop.name, stop.place))
        .collect();
    assert_eq!(
        found,
        [
            "Q:1 \"Åsker & co\" Some((-1.5, 2.0))",
            "Q:2 \"Åsker & co\" None",
            "S:1 \"Åsker & co\" Some((59.83, 10.43))",
            "P:1 \"\" Some((4.0, 3.0))"
        ]
    );
    for (from, to, want) in [
        (
            "-1.5",
            "south",
            "stop \"Q:1\": Latitude \"south\" is not a number",
        ),
        (
            "-1.5",
            "-91",
            "stop \"Q:1\": lat -91 is not within -90 to 90",
        ),
        (
            "<n:Longitude>2</n:Longitude>",
            "",
            "stop \"Q:1\": lat -1.5 comes without lng",
        ),
        ("id='Q:1'", "", "a Quay without an id"),
        ("id='Q:1'", "id=''", "id is empty"),
        (
            "<n:quays>",
            "<n:quays><!DOCTYPE x>",
            "a DOCTYPE: it could define entities",
        ),
        ("&amp;", "&co;", "entity \"&co;\" is neither"),
        (
            "</n:PublicationDelivery>",
            "",
            "cut short within element \"n:PublicationDelivery\"",
        ),
        (
            "version='1.0'",
            "version='1.0' encoding='GBK'",
            "encoding \"GBK\"; only UTF-8",
        ),
    ] {
        assert!(document.contains(from), "{from}");
        let error = netex_stops(document.replace(from, to).as_bytes()).unwrap_err();
        assert!(error.to_string().contains(want), "{error}, not {want}");
    }
}
