//! `VehicleActivity`: where a vehicle is now.

use std::borrow::Cow;

use tidegate_model::{Measure, Reason};

use crate::check::{Fault, check_coordinate, check_name, is_nowhere, shown};
use crate::xml::Name;

use super::fields::{Record, Texts};
use super::reading::{Failed, Key, Outcome, Reading, Seen};

const OWN: [&str; 3] = [
    "RecordedAtTime",
    "VehicleMonitoringRef",
    "MonitoredVehicleJourney",
];
const RECORDED: usize = 0;
const MONITORED: usize = 1;
const JOURNEY: usize = 2;

const INNER: [&str; 3] = ["LineRef", "VehicleRef", "Occupancy"];
const LINE: usize = 0;
const VEHICLE: usize = 1;
const OCCUPANCY: usize = 2;

const FRAMED: [&str; 2] = ["DataFrameRef", "DatedVehicleJourneyRef"];

const LOCATION: [&str; 2] = ["Longitude", "Latitude"];

const CALL: [&str; 2] = ["StopPointRef", "Occupancy"];

#[derive(Debug, Clone, Copy)]
pub(super) enum Field {
    Own(usize),
    Inner(usize),
    Framed(usize),
    Location(usize),
    Call(usize),
}

/// What is wanted of a `VehicleActivity`.
#[derive(Debug)]
pub(super) struct Activity<'b> {
    own: Texts<'b, 3>,
    inner: Texts<'b, 3>,
    framed: Texts<'b, 2>,
    location: Texts<'b, 2>,
    call: Texts<'b, 2>,
}

impl<'b> Record<'b> for Activity<'b> {
    type Field = Field;

    fn open(&mut self, path: &[Name<'b>]) -> Result<Option<Field>, Fault> {
        let [_, above @ .., last] = path else {
            return Ok(None);
        };
        let last = last.local();
        let in_journey = above
            .first()
            .is_some_and(|name| name.local() == OWN[JOURNEY]);
        Ok(match above {
            [] if last == OWN[JOURNEY] => {
                // A second one would be mixed with the first.
                self.own.set(JOURNEY, Cow::Borrowed(""))?;
                None
            }
            [] => self.own.find(last).map(Field::Own),
            [_] if in_journey => self.inner.find(last).map(Field::Inner),
            [_, group] if in_journey => match group.local() {
                "FramedVehicleJourneyRef" => self.framed.find(last).map(Field::Framed),
                "VehicleLocation" => self.location.find(last).map(Field::Location),
                "MonitoredCall" => self.call.find(last).map(Field::Call),
                _ => None,
            },
            _ => None,
        })
    }

    fn set(&mut self, field: Field, text: Cow<'b, str>) -> Result<(), Fault> {
        match field {
            Field::Own(field) => self.own.set(field, text),
            Field::Inner(field) => self.inner.set(field, text),
            Field::Framed(field) => self.framed.set(field, text),
            Field::Location(field) => self.location.set(field, text),
            Field::Call(field) => self.call.set(field, text),
        }
    }

    fn close(&mut self, _: &[Name<'b>]) -> Result<(), Fault> {
        Ok(())
    }
}

impl Activity<'_> {
    pub(super) fn new() -> Self {
        Self {
            own: Texts::new(&OWN),
            inner: Texts::new(&INNER),
            framed: Texts::new(&FRAMED),
            location: Texts::new(&LOCATION),
            call: Texts::new(&CALL),
        }
    }

    /// The observation of the activity.
    pub(super) fn outcome(&self, reading: &mut Reading<'_>) -> Result<Outcome<'_>, Failed> {
        let site = self.call.get(0).or(self.inner.get(LINE));
        match self.read(site, reading) {
            Ok(seen) => Ok(Outcome::Seen(vec![seen])),
            Err(fault) => Err(Failed {
                fault,
                site: site.map(str::to_owned),
            }),
        }
    }

    fn read<'s>(
        &'s self,
        site: Option<&'s str>,
        reading: &mut Reading<'_>,
    ) -> Result<Seen<'s>, Fault> {
        let missing = |detail: &str| Fault::new(Reason::MissingField, detail);
        let Some(text) = self.own.given(RECORDED) else {
            return Err(missing("RecordedAtTime is not there"));
        };
        let site = site.ok_or_else(|| missing("no MonitoredCall/StopPointRef and no LineRef"))?;
        check_name("StopPointRef or LineRef", site)?;
        let key = self.key()?;
        let (at, quality) = reading.time(OWN[RECORDED], text)?;
        let coordinate = self.coordinate()?;
        let time = at.micros().to_string();
        let stop = self.call.get(0).unwrap_or_default();
        let word = self.inner.get(OCCUPANCY).or(self.call.get(1));
        Ok(Seen {
            site,
            at,
            quality,
            measure: Measure::Present,
            coordinate,
            id: reading.id(&key, &[&time, stop, "present"]),
            load_id: reading.id(&key, &[&time, stop, "load"]),
            load: reading.load(self.inner.get(LINE), word),
        })
    }

    /// What tells the vehicle from others of the feed.
    fn key(&self) -> Result<Key, Fault> {
        let vehicle = self.inner.get(VEHICLE).or(self.own.get(MONITORED));
        if let Some(vehicle) = vehicle {
            return Ok(Key::of("vehicle", &[vehicle]));
        }
        if let (Some(frame), Some(journey)) = (self.framed.get(0), self.framed.get(1)) {
            return Ok(Key::of("vehicle of journey", &[frame, journey]));
        }
        Err(Fault::new(
            Reason::MissingField,
            "no VehicleRef, no VehicleMonitoringRef and no FramedVehicleJourneyRef",
        ))
    }

    fn coordinate(&self) -> Result<Option<(f64, f64)>, Fault> {
        let degrees = |field: usize| -> Result<Option<f64>, Fault> {
            let Some(text) = self.location.given(field) else {
                return Ok(None);
            };
            text.parse().map(Some).map_err(|_| {
                let detail = format!("{} {} is not a number", LOCATION[field], shown(text));
                Fault::new(Reason::BadCoordinate, detail)
            })
        };
        let coordinate = check_coordinate(degrees(1)?, degrees(0)?)?;
        if coordinate.is_some_and(is_nowhere) {
            let detail = "VehicleLocation is 0, 0: the vehicle does not know where it is";
            return Err(Fault::new(Reason::BadCoordinate, detail));
        }
        Ok(coordinate)
    }
}
