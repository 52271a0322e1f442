//! `EstimatedVehicleJourney`: where a vehicle has called, of all that is told of its journey.

use std::borrow::Cow;
use std::collections::BTreeMap;

use tidegate_model::{Measure, Reason};

use crate::check::{Fault, check_name};
use crate::passed::Passed;
use crate::xml::Name;

use super::fields::{Record, Texts};
use super::reading::{Failed, Key, Outcome, Reading, Seen};

/// The most calls of one journey: the longest bus lines have about 200 stops.
const CALLS_MAX: usize = 2_000;

const OWN: [&str; 8] = [
    "LineRef",
    "DirectionRef",
    "DatedVehicleJourneyRef",
    "EstimatedVehicleJourneyCode",
    "VehicleRef",
    "OriginAimedDepartureTime",
    "Cancellation",
    "Occupancy",
];
const LINE: usize = 0;
const DIRECTION: usize = 1;
const DATED: usize = 2;
const CODE: usize = 3;
const VEHICLE: usize = 4;
const ORIGIN_TIME: usize = 5;
const CANCELLATION: usize = 6;
const OCCUPANCY: usize = 7;

const FRAMED: [&str; 2] = ["DataFrameRef", "DatedVehicleJourneyRef"];

const CALL: [&str; 7] = [
    "StopPointRef",
    "Order",
    "VisitNumber",
    "ActualArrivalTime",
    "ActualDepartureTime",
    "Cancellation",
    "Occupancy",
];
const STOP: usize = 0;
const ORDER: usize = 1;
const VISIT: usize = 2;
const ARRIVAL: usize = 3;
const DEPARTURE: usize = 4;
const CALL_CANCELLATION: usize = 5;
const CALL_OCCUPANCY: usize = 6;

/// A call that has taken place.
#[derive(Debug)]
struct Call<'b> {
    /// Its place among all calls of the journey, from 1 on.
    number: usize,
    /// How many calls before it in the journey were at the same stop.
    before: u32,
    texts: Texts<'b, 7>,
}

impl Call<'_> {
    /// The time of the call and the element that told it.
    fn time(&self) -> (&'static str, &str) {
        let field = match self.texts.given(ARRIVAL) {
            Some(_) => ARRIVAL,
            None => DEPARTURE,
        };
        (CALL[field], self.texts.given(field).unwrap_or_default())
    }

    /// What tells the call from others at its stop in its journey.
    fn visit(&self) -> (&'static str, Cow<'_, str>) {
        if let Some(order) = self.texts.get(ORDER) {
            ("order", Cow::Borrowed(order))
        } else if let Some(visit) = self.texts.get(VISIT) {
            ("visit", Cow::Borrowed(visit))
        } else {
            ("before", Cow::Owned(self.before.to_string()))
        }
    }
}

#[derive(Debug, Clone, Copy)]
pub(super) enum Field {
    Own(usize),
    Framed(usize),
    Call(usize),
}

/// What is wanted of an `EstimatedVehicleJourney`.
#[derive(Debug)]
pub(super) struct Journey<'b> {
    own: Texts<'b, 8>,
    framed: Texts<'b, 2>,
    call: Texts<'b, 7>,
    calls: usize,
    cancelled: usize,
    /// How often each stop was called at, by calls that no number tells apart.
    visits: BTreeMap<Cow<'b, str>, u32>,
    seen: Vec<Call<'b>>,
}

fn is_call(path: &[Name<'_>]) -> bool {
    match path {
        [_, list, call] => matches!(
            (list.local(), call.local()),
            ("RecordedCalls", "RecordedCall") | ("EstimatedCalls", "EstimatedCall")
        ),
        _ => false,
    }
}

impl<'b> Record<'b> for Journey<'b> {
    type Field = Field;

    fn open(&mut self, path: &[Name<'b>]) -> Result<Option<Field>, Fault> {
        let [_, above @ .., last] = path else {
            return Ok(None);
        };
        let last = last.local();
        Ok(match above {
            [] => self.own.find(last).map(Field::Own),
            [one] if one.local() == "FramedVehicleJourneyRef" => {
                self.framed.find(last).map(Field::Framed)
            }
            [_] => {
                if is_call(path) {
                    self.begin_call()?;
                }
                None
            }
            [_, _] if is_call(&path[..3]) => self.call.find(last).map(Field::Call),
            _ => None,
        })
    }

    fn set(&mut self, field: Field, text: Cow<'b, str>) -> Result<(), Fault> {
        match field {
            Field::Own(field) => self.own.set(field, text),
            Field::Framed(field) => self.framed.set(field, text),
            Field::Call(field) => self.call.set(field, text),
        }
    }

    fn close(&mut self, path: &[Name<'b>]) -> Result<(), Fault> {
        if is_call(path) {
            self.end_call()
        } else {
            Ok(())
        }
    }
}

impl Journey<'_> {
    pub(super) fn new() -> Self {
        Self {
            own: Texts::new(&OWN),
            framed: Texts::new(&FRAMED),
            call: Texts::new(&CALL),
            calls: 0,
            cancelled: 0,
            visits: BTreeMap::new(),
            seen: Vec::new(),
        }
    }

    fn begin_call(&mut self) -> Result<(), Fault> {
        self.calls += 1;
        if self.calls > CALLS_MAX {
            let detail = format!("a journey of more than {CALLS_MAX} calls");
            return Err(Fault::new(Reason::WrongType, detail));
        }
        self.call = Texts::new(&CALL);
        Ok(())
    }

    fn end_call(&mut self) -> Result<(), Fault> {
        let numbered = self.call.get(ORDER).or(self.call.get(VISIT)).is_some();
        let mut before = 0;
        if !numbered && let Some(stop) = self.call.shared(STOP) {
            let visits = self.visits.entry(stop).or_default();
            before = *visits;
            *visits += 1;
        }
        if self.call.is_true(CALL_CANCELLATION)? {
            self.cancelled += 1;
            return Ok(());
        }
        let arrived = self.call.given(ARRIVAL).is_some();
        // A journey begins with a departure; elsewhere a departure alone is no arrival.
        let began = self.calls == 1 && self.call.given(DEPARTURE).is_some();
        if arrived || began {
            let texts = std::mem::replace(&mut self.call, Texts::new(&CALL));
            self.seen.push(Call {
                number: self.calls,
                before,
                texts,
            });
        }
        Ok(())
    }

    /// The observations of the journey, or why it has none.
    pub(super) fn outcome(&self, reading: &mut Reading<'_>) -> Result<Outcome<'_>, Failed> {
        if self.own.is_true(CANCELLATION)? {
            return Ok(Outcome::Passed(Passed::Cancelled));
        }
        if self.seen.is_empty() {
            let none_left = self.calls > 0 && self.cancelled == self.calls;
            return Ok(Outcome::Passed(if none_left {
                Passed::Cancelled
            } else {
                Passed::Prediction
            }));
        }
        let key = self.key()?;
        let line = self.own.get(LINE);
        let mut seen = Vec::with_capacity(self.seen.len());
        for call in &self.seen {
            let one = read_call(call, &key, reading).map_err(|fault| Failed {
                fault: in_call(call.number, fault),
                site: call.texts.get(STOP).map(str::to_owned),
            })?;
            let load = reading.load(line, call.texts.get(CALL_OCCUPANCY));
            seen.push(Seen { load, ..one });
        }
        // The journey's own word is of the vehicle as it is now: of the call made last.
        if let Some(last) = (0..seen.len()).max_by_key(|&index| seen[index].at)
            && self.seen[last].texts.get(CALL_OCCUPANCY).is_none()
        {
            seen[last].load = reading.load(line, self.own.get(OCCUPANCY));
        }
        Ok(Outcome::Seen(seen))
    }

    /// What tells the journey from others of the feed.
    fn key(&self) -> Result<Key, Fault> {
        let own = |field| self.own.get(field);
        if let (Some(frame), Some(journey)) = (self.framed.get(0), self.framed.get(1)) {
            return Ok(Key::of("framed", &[frame, journey]));
        }
        if let Some(dated) = own(DATED) {
            return Ok(Key::of("dated", &[dated]));
        }
        if let Some(code) = own(CODE) {
            return Ok(Key::of("code", &[code]));
        }
        let run = own(VEHICLE).or(own(ORIGIN_TIME));
        if let (Some(line), Some(direction), Some(_)) = (own(LINE), own(DIRECTION), run) {
            let vehicle = own(VEHICLE).unwrap_or_default();
            let begins = own(ORIGIN_TIME).unwrap_or_default();
            return Ok(Key::of("line", &[line, direction, vehicle, begins]));
        }
        Err(Fault::new(
            Reason::MissingField,
            "no DatedVehicleJourneyRef, no FramedVehicleJourneyRef, no EstimatedVehicleJourneyCode, \
             and not LineRef, DirectionRef and VehicleRef either",
        ))
    }
}

/// One vehicle at the stop of a call that has taken place, without its load.
fn read_call<'s>(
    call: &'s Call<'_>,
    key: &Key,
    reading: &mut Reading<'_>,
) -> Result<Seen<'s>, Fault> {
    let Some(stop) = call.texts.get(STOP) else {
        let detail = "StopPointRef is not there";
        return Err(Fault::new(Reason::MissingField, detail));
    };
    check_name("StopPointRef", stop)?;
    let (element, text) = call.time();
    let (at, quality) = reading.time(element, text)?;
    let (kind, number) = call.visit();
    Ok(Seen {
        site: stop,
        at,
        quality,
        measure: Measure::In,
        coordinate: None,
        id: reading.id(key, &[stop, kind, &number, "arrival"]),
        load_id: reading.id(key, &[stop, kind, &number, "load"]),
        load: None,
    })
}

fn in_call(number: usize, fault: Fault) -> Fault {
    Fault::new(fault.reason, format!("call {number}: {}", fault.detail))
}
