//! SIRI deliveries as they come: what counts, what is passed over, and with what load.

mod broken;
mod document;
mod laws;
mod recorded;
mod rules;

use std::fmt::Write as _;

use tidegate_model::ObservationBatch;

use super::{Bench, event_ids, lines, problems};

const FEED: &str = "format = 'siri'\n[occupancy]\ncapacity = 200\nroute_capacity = { 'L2' = 100 }";

/// A delivery of `frames`, below a `ResponseTimestamp`.
fn delivery(frames: &str) -> String {
    format!(
        "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n\
         <Siri xmlns=\"http://www.siri.org.uk/siri\" version=\"2.0\"><ServiceDelivery>\
         <ResponseTimestamp>2018-08-28T09:08:35.867+02:00</ResponseTimestamp>\
         {frames}</ServiceDelivery></Siri>"
    )
}

fn timetable(journeys: &str) -> String {
    delivery(&format!(
        "<EstimatedTimetableDelivery version=\"2.0\"><EstimatedJourneyVersionFrame>{journeys}\
         </EstimatedJourneyVersionFrame></EstimatedTimetableDelivery>"
    ))
}

fn journey(body: &str) -> String {
    format!(
        "<EstimatedVehicleJourney><LineRef>L1</LineRef><DirectionRef>in</DirectionRef>{body}\
         </EstimatedVehicleJourney>\n"
    )
}

/// A journey `name` whose calls are at `stops`, a minute apart from 09:00 on.
fn calls_at(name: &str, stops: &[&str]) -> String {
    let mut calls = String::new();
    for (stop, minute) in stops.iter().zip(0..) {
        write!(
            calls,
            "<RecordedCall><StopPointRef>{stop}</StopPointRef><Order>{}</Order>\
             <ActualArrivalTime>2018-08-28T09:{minute:02}:00+02:00</ActualArrivalTime>\
             </RecordedCall>",
            minute + 1
        )
        .unwrap();
    }
    journey(&format!(
        "<DatedVehicleJourneyRef>{name}</DatedVehicleJourneyRef>\
         <RecordedCalls>{calls}</RecordedCalls>"
    ))
}

fn call(list: &str, body: &str) -> String {
    format!("<{list}s><{list}>{body}</{list}></{list}s>")
}

fn monitoring(activity: &str) -> String {
    delivery(&format!(
        "<VehicleMonitoringDelivery><VehicleActivity>{activity}</VehicleActivity>\
         </VehicleMonitoringDelivery>"
    ))
}

/// What comes of `payload`: its rows, its rejections, and what was passed over, one line each.
#[track_caller]
fn check(feed: &str, payload: impl AsRef<[u8]>, want: &[&str]) {
    let mut bench = Bench::of(feed);
    bench.feed(payload);
    assert_eq!(said(&mut bench), want);
}

fn said(bench: &mut Bench) -> Vec<String> {
    let batch = bench.out.finish();
    let mut said: Vec<String> = lines(&batch)
        .into_iter()
        .zip(0..)
        .map(|(line, row)| format!("{line}{}", range(&batch, row)))
        .collect();
    said.extend(bench.rejections());
    let passed = bench.decoder.passed_over();
    let passed = passed.iter().filter(|(_, count)| *count > 0);
    said.extend(passed.map(|(code, count)| format!("{count} {code}")));
    said
}

fn range(batch: &ObservationBatch, row: usize) -> String {
    let (low, high) = (batch.count_low().value(row), batch.count_high().value(row));
    if low == high {
        String::new()
    } else {
        format!(" {low}..{high}")
    }
}

/// `payload` must give one rejection and nothing else, and its line must begin with `want`.
#[track_caller]
fn rejects(payload: impl AsRef<[u8]>, want: &str) {
    let mut bench = Bench::of(FEED);
    bench.feed(payload);
    let said = said(&mut bench);
    assert_eq!(said.len(), 1, "{said:?}");
    let line = said[0].strip_prefix("0 ").unwrap_or(&said[0]);
    assert!(line.starts_with(want), "{line}, not {want}");
}

#[test]
fn calls_count_when_they_have_taken_place() {
    let dated = "<DatedVehicleJourneyRef>J1</DatedVehicleJourneyRef>";
    let body = |calls: &str| timetable(&journey(&format!("{dated}{calls}")));
    let in_at = |stop: &str, time: &str| format!("{stop} {time} {time} in vehicle 1");
    // Two calls, and one to come.
    let calls = calls_at("J1", &["S:1", "S:2"]).replace(
        "</RecordedCalls>",
        "</RecordedCalls><EstimatedCalls><EstimatedCall><StopPointRef>S:3</StopPointRef>\
         <ExpectedArrivalTime>2018-08-28T09:30:00+02:00</ExpectedArrivalTime></EstimatedCall>\
         </EstimatedCalls>",
    );
    check(
        FEED,
        timetable(&calls),
        &[
            &in_at("S:1", "2018-08-28T07:00:00Z"),
            &in_at("S:2", "2018-08-28T07:01:00Z"),
        ],
    );
    // After the ResponseTimestamp is still actual; in an EstimatedCall too.
    let late = "<StopPointRef>S:1</StopPointRef>\
        <ActualArrivalTime>2018-08-28T09:47:30.5+02:00</ActualArrivalTime>";
    check(
        FEED,
        body(&call("EstimatedCall", late)),
        &[&in_at("S:1", "2018-08-28T07:47:30.5Z")],
    );
    // A journey begins with a departure; later ones are no arrivals.
    let left = "<StopPointRef>S:1</StopPointRef>\
        <ActualDepartureTime>2018-08-28T07:00:00Z</ActualDepartureTime>";
    check(
        FEED,
        body(&format!(
            "<RecordedCalls><RecordedCall>{left}</RecordedCall><RecordedCall>{left}</RecordedCall>\
             </RecordedCalls>"
        )),
        &[&in_at("S:1", "2018-08-28T07:00:00Z")],
    );
    // Arrivals after their departure are recorded reality.
    let reversed = "<StopPointRef>S:1</StopPointRef>\
        <ActualArrivalTime>2018-08-28T07:00:12Z</ActualArrivalTime>\
        <ActualDepartureTime>2018-08-28T07:00:00Z</ActualDepartureTime>";
    check(
        FEED,
        body(&call("RecordedCall", reversed)),
        &[&in_at("S:1", "2018-08-28T07:00:12Z")],
    );
    // An element of the same name elsewhere is another thing.
    let inner = "<StopPointRef>S:1</StopPointRef><Extensions><StopPointRef>S:9</StopPointRef>\
        <RecordedCalls><RecordedCall/></RecordedCalls></Extensions>\
        <ActualArrivalTime> 2018-08-28T07:00:00Z\n</ActualArrivalTime>";
    check(
        FEED,
        body(&call("RecordedCall", inner)),
        &[&in_at("S:1", "2018-08-28T07:00:00Z")],
    );
}

#[test]
fn what_has_nothing_to_count_is_passed_over() {
    let expected = "<StopPointRef>S:1</StopPointRef>\
        <ExpectedArrivalTime>2018-08-28T09:30:00+02:00</ExpectedArrivalTime>";
    let actual = "<StopPointRef>S:1</StopPointRef>\
        <ActualArrivalTime>2018-08-28T07:00:00Z</ActualArrivalTime>";
    let off = "<Cancellation>true</Cancellation>";
    let on = "<Cancellation> false </Cancellation>";
    let estimated = |body: &str| journey(&call("EstimatedCall", body));
    let cases = [
        (estimated(expected), "1 prediction"),
        (estimated(&format!("{on}{expected}")), "1 prediction"),
        (journey(""), "1 prediction"),
        (journey("<RecordedCalls/>"), "1 prediction"),
        (journey(off), "1 cancelled"),
        (estimated(&format!("{off}{expected}")), "1 cancelled"),
        (estimated(&format!("{actual}{off}")), "1 cancelled"),
        (
            journey(&format!("{off}{}", call("RecordedCall", actual))),
            "1 cancelled",
        ),
    ];
    for (body, want) in &cases {
        check(FEED, timetable(body), &[want]);
    }
    check(FEED, timetable(""), &["1 empty"]);
    check(FEED, delivery(""), &["1 empty"]);
    check(FEED, "<Siri/>", &["1 empty"]);
    check(
        FEED,
        "\u{feff}<s:Siri><s:HeartbeatNotification/></s:Siri> ",
        &["1 empty"],
    );
    let withdrawn = "<VehicleMonitoringDelivery><MoreData/><VehicleActivityCancellation>\
        <VehicleMonitoringRef>7</VehicleMonitoringRef></VehicleActivityCancellation>\
        </VehicleMonitoringDelivery>";
    check(FEED, delivery(withdrawn), &["1 deleted"]);
    let notice = "<SituationExchangeDelivery><Situations/></SituationExchangeDelivery>";
    check(FEED, delivery(notice), &["1 notice"]);
}

#[test]
fn load_is_what_the_word_means_at_the_right_call() {
    let load = |feed: &str, body: &str, want: &[&str]| {
        check(
            feed,
            timetable(&calls_at("J1", &["S:1", "S:2"]).replace("<RecordedCalls>", body)),
            want,
        );
    };
    let one = "S:1 2018-08-28T07:00:00Z 2018-08-28T07:00:00Z in vehicle 1";
    let two = "S:2 2018-08-28T07:01:00Z 2018-08-28T07:01:00Z in vehicle 1";
    let aboard =
        |what: &str| format!("S:2 2018-08-28T07:01:00Z 2018-08-28T07:01:00Z load person {what}");
    let own = |word: &str| format!("<Occupancy>{word}</Occupancy><RecordedCalls>");
    for (word, what) in [
        ("full", "220 estimated 180..260"),
        ("seatsAvailable", "40 estimated 0..80"),
        ("standingAvailable", "120 estimated 80..160"),
        ("manySeatsAvailable", "25 estimated 0..50"),
        ("fewSeatsAvailable", "60 estimated 40..80"),
        ("standingRoomOnly", "120 estimated 80..160"),
        ("empty", "5 estimated 0..10"),
    ] {
        load(FEED, &own(word), &[one, two, &aboard(what)]);
    }
    for word in ["unknown", "undefined", "notAcceptingPassengers", "", "voll"] {
        load(FEED, &own(word), &[one, two]);
    }
    load("format = 'siri'", &own("full"), &[one, two]);
    // The capacity of the line goes before that of the feed.
    let second_line = |body: &str| body.replace("<LineRef>L1", "<LineRef>L2");
    check(
        FEED,
        second_line(&timetable(
            &calls_at("J1", &["S:2"])
                .replace("<RecordedCalls>", &own("full"))
                .replace("09:00", "09:01"),
        )),
        &[two, &aboard("110 estimated 90..130")],
    );
    // A call's own word is of that call; the journey's is not put over it.
    let of_calls = calls_at("J1", &["S:1", "S:2"])
        .replace(
            "<Order>2</Order>",
            "<Order>2</Order><Occupancy>empty</Occupancy>",
        )
        .replace("<RecordedCalls>", &own("full"));
    check(
        FEED,
        timetable(&of_calls),
        &[one, two, &aboard("5 estimated 0..10")],
    );
    // A load above the feed's largest count rejects the journey, its arrivals too.
    check(
        "format = 'siri'\ncount_max = 100\n[occupancy]\ncapacity = 200",
        timetable(&calls_at("J1", &["S:1", "S:2"]).replace("<RecordedCalls>", &own("full"))),
        &["0 absurd_count S:2: load 220 is above 100"],
    );
}
