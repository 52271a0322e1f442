//! SIRI 2.0 (CEN/TS 15531): where trains and buses of a city have called, and how full they were.
//!
//! A payload is one XML document with a `ServiceDelivery` of `EstimatedTimetable` or
//! `VehicleMonitoring`, or both. Its records, numbered in the order of the document, are:
//!
//! - `EstimatedVehicleJourney`. Every call with an `ActualArrivalTime` is one vehicle `in` at its
//!   `StopPointRef` at that time; so is the first call of the journey with an `ActualDepartureTime`
//!   only, since a journey begins with a departure. A call that is cancelled is not counted. An
//!   arrival after its own departure is a matter of seconds in recorded deliveries (7 of 893 calls),
//!   and is taken as it is.
//! - `VehicleActivity`. One vehicle `present` at `RecordedAtTime`, at the `StopPointRef` of its
//!   `MonitoredCall`, else at its `LineRef`, with the coordinates of its `VehicleLocation`.
//!   `Coordinates` in another reference system are not read. 0, 0 is no place.
//!
//! A journey that is cancelled, or all of whose calls are, is passed over as cancelled; one that has
//! no actual time is passed over as a prediction; a `VehicleActivityCancellation` as deleted; a
//! `SituationExchangeDelivery` or `GeneralMessageDelivery` as a notice; a document without any
//! record as empty. A delivery of another service is rejected as `wrong_type`.
//!
//! Actual times may lie after the `ResponseTimestamp` (10 of 893 in a recorded delivery: clocks of
//! trackside equipment): they are counted, unless they lie beyond the pipeline's `max_future`.
//!
//! **Load.** With an `Occupancy` and a capacity (`[occupancy]` of the feed's file, by `LineRef`) there
//! is a second observation: persons, `load`, at the same stop and time, with the range that the word
//! means, flagged `estimated`. The word of a call is of that call; the word of a journey is of the
//! vehicle as it is now, so of the latest call that has no word of its own. A word that says nothing
//! gives no load, never zero.
//!
//! **Ids.** A call's id is made of the feed, the journey (`FramedVehicleJourneyRef`, else
//! `DatedVehicleJourneyRef`, else `EstimatedVehicleJourneyCode`, else `LineRef`, `DirectionRef`,
//! `VehicleRef` and `OriginAimedDepartureTime`), the stop and the call's `Order`, else `VisitNumber`,
//! else how often the journey called there before. Deliveries repeat past calls: with `dedup_within`
//! each counts once. Where references come again every day, it must be shorter than a day.
//! A vehicle's id is made of `VehicleRef`, `RecordedAtTime` and stop.
//!
//! **Times** carry an offset; those without are rejected unless `[siri]` gives their `zone`.
//!
//! **Broken input.** A record that is broken is rejected alone, with its own bytes in a delivery of
//! its own; what is wrong around the records is one rejection (see [`pieces`]). A document that is
//! cut gives its whole records and one rejection.
//!
//! **Memory.** Texts are borrowed from the payload. Beside it, the observations and the bytes of what
//! is rejected, decoding holds one journey: at most 2,000 calls, in less than four times the bytes
//! of the journey (measured: 0.8 MB for the largest, 2 kB for a document of 63 MB with 24,000 small
//! ones).

mod activity;
mod fields;
mod journey;
mod netex;
mod pieces;
mod reading;

use std::collections::{BTreeMap, BTreeSet};

use tidegate_model::{
    CountRange, Measure, Observation, ObservationBuilder, Quality, Reason, Subject,
};

use crate::check::Fault;
use crate::config::{Ambiguous, Anchor, ConfigProblem, Gap, SiriConfig, TimeConfig};
use crate::decoder::{Rejects, at_row};
use crate::mapped::Context;
use crate::occupancy::Occupancy;
use crate::passed::Passed;
use crate::personal::PersonalFields;
use crate::time::{Length, TimeReader};

pub use netex::{NetexError, netex_stops};

use activity::Activity;
use journey::Journey;
use pieces::{Kind, Piece, Pieces};
use reading::{Failed, Outcome, Reading, Seen};

/// Decodes SIRI; remembers nothing from payload to payload.
#[derive(Debug, Clone)]
pub(crate) struct SiriForm {
    /// Reads times without an offset; its memory of recent texts changes no result.
    local: Option<TimeReader>,
    occupancy: Occupancy,
}

impl SiriForm {
    pub(crate) fn new(
        config: Option<&SiriConfig>,
        occupancy: Occupancy,
        problems: &mut Vec<ConfigProblem>,
    ) -> Self {
        let zone = config.and_then(|config| config.zone.clone());
        let local = zone.and_then(|zone| match local_times(zone) {
            Ok(reader) => Some(reader),
            Err(found) => {
                let found = found.into_iter().map(|problem| problem.message);
                problems.extend(found.map(|message| ConfigProblem::new("siri.zone", message)));
                None
            }
        });
        Self { local, occupancy }
    }

    pub(crate) fn decode(
        &mut self,
        bytes: &[u8],
        context: Context<'_>,
        out: &mut ObservationBuilder,
        rejects: &mut Rejects<'_>,
    ) {
        let personal = rejects.personal;
        let mut pieces = Pieces::new(bytes, personal);
        let mut row = 0;
        while let Some(piece) = pieces.next() {
            let context = Context {
                position: at_row(context.position, row),
                ..context
            };
            row += 1;
            match self.decode_piece(&piece, context, out, personal) {
                Ok(None) => {}
                Ok(Some(passed)) => rejects.pass(passed),
                Err(failed) => {
                    let fault = hide_personal(failed.fault, piece.bytes, personal);
                    let kept = match fault.reason {
                        Reason::PersonalData => Vec::new(),
                        _ => pieces.alone(&piece),
                    };
                    rejects.add(fault, context.position, failed.site, Some(&kept));
                }
            }
        }
        if row == 0 {
            rejects.pass(Passed::Empty);
        }
    }

    /// The records that `wanted` numbers, each in a delivery of its own.
    pub(crate) fn rows(
        bytes: &[u8],
        wanted: &BTreeSet<usize>,
        personal: &PersonalFields,
    ) -> BTreeMap<usize, Vec<u8>> {
        let mut pieces = Pieces::new(bytes, personal);
        let mut found = BTreeMap::new();
        let mut row = 0;
        while let Some(piece) = pieces.next() {
            if wanted.contains(&row) {
                found.insert(row, pieces.alone(&piece));
            }
            row += 1;
        }
        found
    }

    /// Reads one record; `Some` when it is well-formed and has nothing to count.
    fn decode_piece(
        &mut self,
        piece: &Piece<'_>,
        context: Context<'_>,
        out: &mut ObservationBuilder,
        personal: &PersonalFields,
    ) -> Result<Option<Passed>, Failed> {
        let (kind, name) = match &piece.what {
            Ok(record) => *record,
            Err(fault) => return Err(fault.clone().into()),
        };
        let mut reading = Reading {
            local: self.local.as_mut(),
            occupancy: &self.occupancy,
            context,
        };
        match kind {
            Kind::Journey => {
                let mut journey = Journey::new();
                fields::read(piece.bytes, personal, &mut journey)?;
                count(journey.outcome(&mut reading)?, context, out)
            }
            Kind::Activity => {
                let mut activity = Activity::new();
                fields::read(piece.bytes, personal, &mut activity)?;
                count(activity.outcome(&mut reading)?, context, out)
            }
            Kind::Withdrawn | Kind::Notices | Kind::Foreign => {
                fields::read(piece.bytes, personal, &mut fields::Unread)?;
                match kind {
                    Kind::Withdrawn => Ok(Some(Passed::Deleted)),
                    Kind::Notices => Ok(Some(Passed::Notice)),
                    _ => Err(foreign(name.local()).into()),
                }
            }
        }
    }
}

fn foreign(delivery: &str) -> Fault {
    let detail = format!(
        "{delivery} is not read, only EstimatedTimetableDelivery and VehicleMonitoringDelivery"
    );
    Fault::new(Reason::WrongType, detail)
}

/// A record that is XML but breaks a rule was not read to its end: its bytes must not be kept when
/// a tag in the rest is personal. (What is no XML is searched by [`Rejects::add`].)
fn hide_personal(fault: Fault, bytes: &[u8], personal: &PersonalFields) -> Fault {
    let searched = matches!(
        fault.reason,
        Reason::PersonalData | Reason::Malformed | Reason::NotUtf8
    );
    if !searched && personal.find_in_tags(bytes) {
        let detail = "an element or attribute could identify a person, in a broken record";
        return Fault::new(Reason::PersonalData, detail);
    }
    fault
}

/// Appends what a record says, all or nothing.
fn count(
    outcome: Outcome<'_>,
    context: Context<'_>,
    out: &mut ObservationBuilder,
) -> Result<Option<Passed>, Failed> {
    let seen = match outcome {
        Outcome::Passed(why) => return Ok(Some(why)),
        Outcome::Seen(seen) => seen,
    };
    for one in &seen {
        if let Some(load) = one.load {
            let checked = context.limits.check_count("load", load.count);
            checked.map_err(|fault| Failed {
                fault,
                site: Some(one.site.to_owned()),
            })?;
        }
    }
    for one in &seen {
        push(one, context, out);
    }
    Ok(None)
}

fn push(seen: &Seen<'_>, context: Context<'_>, out: &mut ObservationBuilder) {
    let vehicle = Observation {
        event_id: seen.id,
        site_id: seen.site,
        interval_start: seen.at,
        interval_end: seen.at,
        measure: seen.measure,
        subject: Subject::Vehicle,
        count: 1,
        range: CountRange::exact(1),
        origin: None,
        coordinate: seen.coordinate,
        quality: seen.quality,
        position: context.position,
    };
    out.push(&vehicle);
    if let Some(load) = seen.load {
        out.push(&Observation {
            event_id: seen.load_id,
            measure: Measure::Load,
            subject: Subject::Person,
            count: load.count,
            range: load.range,
            quality: seen.quality.with(Quality::ESTIMATED),
            ..vehicle
        });
    }
}

/// Reads `xsd:dateTime` without an offset, as local times of `zone`.
fn local_times(zone: String) -> Result<TimeReader, Vec<ConfigProblem>> {
    let config = TimeConfig {
        constant: None,
        columns: vec!["time".to_owned().try_into().expect("a name")],
        hour: None,
        format: "%Y-%m-%dT%H:%M:%S%.f".to_owned(),
        zone: Some(zone),
        ambiguous: Ambiguous::Earlier,
        gap: Gap::Reject,
        anchor: Anchor::Start,
        interval: None,
    };
    TimeReader::try_new(&config, Length::Point)
}
