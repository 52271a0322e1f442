//! GTFS-Realtime: vehicle positions, trip updates and alerts, with a static GTFS feed beside them.
//!
//! Source: the GTFS-Realtime reference 2.0. A record is one entity of a message; records are
//! numbered by their place in it.
//!
//! - A vehicle's position is a vehicle *present* at its stop (its route when it names no stop, the
//!   feed's name when it names neither and has a place) at the vehicle's own time, or the message's where it has none. Its place is its own coordinate,
//!   else its stop's.
//! - How full it is gives the persons aboard, a *load* with a range ([`crate::OccupancyConfig`]).
//!   A percentage goes before what carriages say, and that before the vehicle's word. What says
//!   nothing of the load gives none, never zero.
//! - The loads on the way to a stop and on the way from it give the persons who alight there
//!   (`loads`), when the numbers of the two stops follow each other.
//! - A trip update tells arrivals. Those at or before the message's time have happened and are one
//!   vehicle *in* at the stop each (the departure where there is no arrival); the others are
//!   predictions and are passed over, as are alerts, deleted entities and cancelled trips.
//!
//! Messages repeat what did not change. The id of a count rests on what it tells (vehicle, trip,
//! day, stop, the vehicle's time), never on the message, so `dedup_within` drops the repeats. That
//! holds for `FULL_DATASET` and `DIFFERENTIAL` alike.
//!
//! A broken entity rejects itself alone. When the framing of the message itself is broken, the
//! entities before the fault are counted and the rest is one rejection.

mod entity;
mod wire;

mod binary;
mod json;

mod loads;
mod schedule;
mod stops;

use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use serde::{Deserialize, Serialize};
use tidegate_model::{
    CountRange, EventTime, Measure, Observation, ObservationBuilder, Quality, Reason, Subject,
};

use crate::check::{Fault, check_coordinate, check_name, is_nowhere, shown};
use crate::decoder::{Rejects, at_row, not_utf8};
use crate::mapped::Context;
use crate::occupancy::{Load, Occupancy};
use crate::passed::Passed;
use crate::state::LoadState;

use entity::{Aboard, Entity, Header, Status, Trip, TripUpdate, Vehicle};
use loads::{Loads, Riding, StopRules};

pub use schedule::{Schedule, ScheduleError, ScheduleFiles, TripMatch};
pub use stops::{GtfsStops, gtfs_stops};

/// What stands between the parts of an id: no agency writes it.
const JOINT: char = '\u{1f}';

/// Seconds since the Unix epoch above this are milliseconds: as seconds they are the year 5138.
const SECONDS_MAX: u64 = 100_000_000_000;

/// How a GTFS-Realtime feed is read with its static feed: `[gtfs]` of a feed's file.
#[derive(Debug, Clone, PartialEq, Eq, serde::Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct GtfsConfig {
    /// The static feed: `NAME` for the folder `gtfs/NAME` or the file `gtfs/NAME.zip` of the
    /// pipeline folder. Without one, vehicles without coordinates need registered stops.
    #[serde(default)]
    pub schedule: Option<String>,
    /// How trips are found in the static feed: `exact` or `suffix`.
    #[serde(default)]
    pub trip_match: TripMatch,
    /// The column of `trips.txt` with the ids by which the feed names trips.
    #[serde(default = "trip_id")]
    pub trip_column: String,
    /// By how much the stop sequence numbers of two stops differ that follow each other on a trip:
    /// 1, and 10 as well where an agency counts so. Alightings are told at such stops only.
    #[serde(default = "one_by_one")]
    pub sequence_steps: Vec<u32>,
}

impl Default for GtfsConfig {
    /// No static feed.
    fn default() -> Self {
        Self {
            schedule: None,
            trip_match: TripMatch::Exact,
            trip_column: trip_id(),
            sequence_steps: one_by_one(),
        }
    }
}

fn one_by_one() -> Vec<u32> {
    vec![1]
}

fn trip_id() -> String {
    "trip_id".to_owned()
}

/// How often a feed named stops, trips and routes that its static feed has, and how often others;
/// all 0 without a static feed. Every mention counts, also in predictions and in repeats. Part of
/// [`crate::state::DecoderState`]: a stored format.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct References {
    /// Stops that are there.
    pub stops_known: u64,
    /// Stops that are not there.
    pub stops_unknown: u64,
    /// Trips that are there.
    pub trips_known: u64,
    /// Trips that are not there.
    pub trips_unknown: u64,
    /// Routes that are there.
    pub routes_known: u64,
    /// Routes that are not there.
    pub routes_unknown: u64,
}

impl References {
    /// Every number with its name.
    pub fn iter(self) -> impl Iterator<Item = (&'static str, u64)> {
        [
            ("stops_known", self.stops_known),
            ("stops_unknown", self.stops_unknown),
            ("trips_known", self.trips_known),
            ("trips_unknown", self.trips_unknown),
            ("routes_known", self.routes_known),
            ("routes_unknown", self.routes_unknown),
        ]
        .into_iter()
    }
}

/// How a message is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Rendering {
    Binary,
    Json,
}

#[derive(Debug, Clone)]
pub(crate) struct GtfsForm {
    rendering: Rendering,
    config: GtfsConfig,
    occupancy: Occupancy,
    schedule: Option<Arc<Schedule>>,
    pub(crate) references: References,
    loads: Loads,
    /// The counts of one entity: they are pushed when all of it is right.
    staged: Vec<Staged>,
    /// The id of the count that is staged.
    id: String,
}

/// The records of a message that are wanted, cut out.
struct Cut<'w> {
    wanted: &'w BTreeSet<usize>,
    found: BTreeMap<usize, Vec<u8>>,
    row: usize,
}

impl Cut<'_> {
    /// The next record of the message.
    fn add(&mut self, bytes: impl FnOnce() -> Vec<u8>) {
        if self.wanted.contains(&self.row) {
            self.found.insert(self.row, bytes());
        }
        self.row += 1;
    }
}

/// One count of an entity.
#[derive(Debug, Clone)]
struct Staged {
    id: u128,
    site: String,
    start: EventTime,
    end: EventTime,
    measure: Measure,
    subject: Subject,
    load: Load,
    coordinate: Option<(f64, f64)>,
    quality: Quality,
}

impl GtfsForm {
    pub(crate) fn new(rendering: Rendering, config: GtfsConfig, occupancy: Occupancy) -> Self {
        Self {
            rendering,
            config,
            occupancy,
            schedule: None,
            references: References::default(),
            loads: Loads::default(),
            staged: Vec::new(),
            id: String::new(),
        }
    }

    pub(crate) fn config(&self) -> &GtfsConfig {
        &self.config
    }

    pub(crate) fn set_schedule(&mut self, schedule: Arc<Schedule>) {
        self.schedule = Some(schedule);
    }

    pub(crate) fn loads_state(&self) -> Vec<LoadState> {
        self.loads.state()
    }

    /// `None` when `states` are not loads.
    pub(crate) fn restore_loads(&mut self, states: &[LoadState]) -> Option<()> {
        self.loads = Loads::restored(states)?;
        Some(())
    }

    pub(crate) fn decode(
        &mut self,
        bytes: &[u8],
        context: Context<'_>,
        out: &mut ObservationBuilder,
        rejects: &mut Rejects<'_>,
    ) {
        match self.rendering {
            Rendering::Binary => self.decode_binary(bytes, context, out, rejects),
            Rendering::Json => self.decode_json(bytes, context, out, rejects),
        }
    }

    fn decode_binary(
        &mut self,
        bytes: &[u8],
        context: Context<'_>,
        out: &mut ObservationBuilder,
        rejects: &mut Rejects<'_>,
    ) {
        let Some(header) = binary::read_header(bytes) else {
            return rejects.add(no_message(bytes), context.position, None, Some(bytes));
        };
        let mut row = 0;
        binary::for_each_entity(bytes, |found| {
            let context = Context {
                position: at_row(context.position, row),
                ..context
            };
            row += 1;
            let (entity, fault) = match found {
                Ok(entity) => match binary::read_entity(entity) {
                    Ok(read) => match self.observe(&read, (header, context), out, rejects) {
                        Ok(()) => return,
                        Err(fault) => (entity, fault),
                    },
                    Err(error) => (entity, malformed(&format!("entity {}", row - 1), error)),
                },
                Err((error, rest)) => {
                    let fault = malformed(&format!("what follows entity {}", row - 1), error);
                    return rejects.add(fault, context.position, None, Some(rest));
                }
            };
            let alone = binary::alone(header, entity);
            rejects.add(fault, context.position, None, Some(&alone));
        });
        if row == 0 {
            rejects.pass(Passed::Empty);
        }
    }

    fn decode_json(
        &mut self,
        bytes: &[u8],
        context: Context<'_>,
        out: &mut ObservationBuilder,
        rejects: &mut Rejects<'_>,
    ) {
        let Ok(text) = std::str::from_utf8(bytes) else {
            return rejects.add(not_utf8(), context.position, None, Some(bytes));
        };
        let Some(header) = json::read_header(text) else {
            return rejects.add(no_message(bytes), context.position, None, Some(bytes));
        };
        let mut row = 0;
        let read = json::for_each_entity(text, |entity| {
            let context = Context {
                position: at_row(context.position, row),
                ..context
            };
            row += 1;
            let fault = if let Some(name) = json::find_personal(&entity, rejects.personal) {
                let detail = format!("field {} could identify a person", shown(name));
                Fault::new(Reason::PersonalData, detail)
            } else {
                let read = json::read_entity(&entity)
                    .ok_or_else(|| Fault::new(Reason::Malformed, "an entity is not an object"));
                match read.and_then(|read| self.observe(&read, (header, context), out, rejects)) {
                    Ok(()) => return,
                    Err(fault) => fault,
                }
            };
            let alone = json::alone(header, &entity);
            rejects.add(fault, context.position, None, Some(&alone));
        });
        let position = at_row(context.position, row);
        match read {
            Err(error) => rejects.add(
                Fault::new(Reason::Malformed, format!("not JSON: {error}")),
                position,
                None,
                Some(bytes),
            ),
            Ok(()) if row == 0 => rejects.pass(Passed::Empty),
            Ok(()) => {}
        }
    }

    /// The entities `wanted` of a message, each as a message of its own.
    pub(crate) fn rows(
        &self,
        payload: &[u8],
        wanted: &BTreeSet<usize>,
    ) -> BTreeMap<usize, Vec<u8>> {
        let mut cut = Cut {
            wanted,
            found: BTreeMap::new(),
            row: 0,
        };
        match self.rendering {
            Rendering::Binary => match binary::read_header(payload) {
                None => cut.add(|| payload.to_vec()),
                Some(header) => binary::for_each_entity(payload, |entity| {
                    cut.add(|| match entity {
                        Ok(entity) => binary::alone(header, entity),
                        Err((_, rest)) => rest.to_vec(),
                    });
                }),
            },
            Rendering::Json => {
                let text = std::str::from_utf8(payload).unwrap_or_default();
                match json::read_header(text) {
                    None => cut.add(|| payload.to_vec()),
                    Some(header) => {
                        let read = json::for_each_entity(text, |entity| {
                            cut.add(|| json::alone(header, &entity));
                        });
                        if read.is_err() {
                            cut.add(|| payload.to_vec());
                        }
                    }
                }
            }
        }
        cut.found
    }

    /// Counts one entity, or passes it over.
    fn observe(
        &mut self,
        entity: &Entity<'_>,
        (header, context): (Header, Context<'_>),
        out: &mut ObservationBuilder,
        rejects: &mut Rejects<'_>,
    ) -> Result<(), Fault> {
        self.staged.clear();
        if entity.is_deleted {
            rejects.pass(Passed::Deleted);
            return Ok(());
        }
        let mut passed = None;
        if let Some(vehicle) = &entity.vehicle {
            if vehicle.trip.is_cancelled {
                passed = Some(Passed::Cancelled);
            } else {
                self.stage_vehicle(vehicle, entity, header, context)?;
            }
        }
        if let Some(update) = &entity.trip_update {
            passed = self
                .stage_arrivals(update, entity, header, context)?
                .or(passed);
        }
        if self.staged.is_empty() {
            let notice = entity.is_notice.then_some(Passed::Notice);
            let why = passed.or(notice).ok_or_else(|| {
                let id = shown(&entity.id);
                let detail = format!("entity {id} has no vehicle, no trip_update and no alert");
                Fault::new(Reason::MissingField, detail)
            })?;
            rejects.pass(why);
        }
        for staged in self.staged.drain(..) {
            out.push(&Observation {
                event_id: staged.id,
                site_id: &staged.site,
                interval_start: staged.start,
                interval_end: staged.end,
                measure: staged.measure,
                subject: staged.subject,
                count: staged.load.count,
                range: staged.load.range,
                origin: None,
                coordinate: staged.coordinate,
                quality: staged.quality,
                position: context.position,
            });
        }
        Ok(())
    }

    fn stage_vehicle(
        &mut self,
        vehicle: &Vehicle<'_>,
        entity: &Entity<'_>,
        header: Header,
        context: Context<'_>,
    ) -> Result<(), Fault> {
        let (route, quality) = self.refer(&vehicle.trip);
        let stop_place = vehicle.stop.as_deref().and_then(|stop| self.place(stop));
        let Some(seconds) = vehicle.timestamp.or(header.timestamp) else {
            let detail = "neither the vehicle nor the header has a timestamp";
            return Err(Fault::new(Reason::MissingField, detail));
        };
        let time = event_time("vehicle.timestamp", seconds)?;
        context.limits.check_interval(time, time)?;
        let coordinate = match vehicle.position {
            Some(place) => Some(check_place(place)?),
            None => stop_place,
        };
        // A vehicle that is somewhere is counted there, though no stop and no route is told.
        let anywhere = vehicle.position.is_some().then(|| context.ids.feed());
        let site = vehicle.stop.as_deref().or(route.as_deref()).or(anywhere);
        let Some(site) = site else {
            let detail = "the vehicle has no stop_id, no route and no position";
            return Err(Fault::new(Reason::MissingField, detail));
        };
        check_name("stop_id", site)?;
        self.name_vehicle(vehicle, entity, seconds);
        let count = Staged {
            id: context.ids.produced(self.id.as_bytes()),
            site: site.to_owned(),
            start: time,
            end: time,
            measure: Measure::Present,
            subject: Subject::Vehicle,
            load: one(),
            coordinate,
            quality,
        };
        let load = self.load(vehicle, route.as_deref());
        if let Some(load) = load {
            context.limits.check_count("load", load.count)?;
            self.id.push_str("\u{1f}load");
            let aboard = Staged {
                id: context.ids.produced(self.id.as_bytes()),
                measure: Measure::Load,
                subject: Subject::Person,
                load,
                quality: quality.with(Quality::ESTIMATED),
                ..count.clone()
            };
            self.staged.push(aboard.clone());
            self.stage_alighting(vehicle, entity, context, &aboard);
        }
        self.staged.push(count);
        Ok(())
    }

    /// Puts into `id` what tells this position of a vehicle from every other.
    fn name_vehicle(&mut self, vehicle: &Vehicle<'_>, entity: &Entity<'_>, seconds: u64) {
        use std::fmt::Write;
        self.id.clear();
        let status = vehicle.status as u8;
        let sequence = vehicle.stop_sequence.unwrap_or_default();
        let parts = [
            Some(vehicle_name(vehicle.id.as_deref(), &vehicle.trip, entity)),
            vehicle.trip.id.as_deref(),
            vehicle.trip.start_date.as_deref(),
            vehicle.trip.start_time.as_deref(),
            vehicle.stop.as_deref(),
        ];
        for part in parts {
            self.id.push_str(part.unwrap_or_default());
            self.id.push(JOINT);
        }
        write!(self.id, "{sequence}{JOINT}{status}{JOINT}{seconds}")
            .expect("writing to a string cannot fail");
    }

    /// Counts who alighted at the stop before, where that can be told.
    fn stage_alighting(
        &mut self,
        vehicle: &Vehicle<'_>,
        entity: &Entity<'_>,
        context: Context<'_>,
        aboard: &Staged,
    ) {
        let (load, time) = (aboard.load, aboard.end);
        let (Some(stop), Some(sequence)) = (&vehicle.stop, vehicle.stop_sequence) else {
            return;
        };
        // At a stop the load changes: it belongs neither to the way there nor to the way on.
        if vehicle.status == Status::Stopped {
            return;
        }
        let trip = &vehicle.trip;
        let name = vehicle_name(vehicle.id.as_deref(), trip, entity);
        let run = [trip.id.as_deref(), trip.start_date.as_deref()];
        let run = run.map(Option::unwrap_or_default).join("\u{1f}");
        let now = Riding {
            trip: context.ids.produced(run.as_bytes()),
            stop: stop.to_string(),
            sequence,
            load,
            time,
        };
        let key = context.ids.produced(name.as_bytes());
        let occupancy = &self.occupancy;
        let rules = StopRules {
            steps: &self.config.sequence_steps,
            share: &|stop| occupancy.alighting_share(stop),
        };
        let Some(passed) = self.loads.ride(key, now, rules) else {
            return;
        };
        let start = passed.before.time;
        if context.limits.check_interval(start, time).is_err() {
            return;
        }
        let stop = passed.before.stop;
        let id = format!(
            "{name}{JOINT}{run}{JOINT}{}{JOINT}alighted",
            passed.before.sequence
        );
        self.staged.push(Staged {
            id: context.ids.produced(id.as_bytes()),
            coordinate: self
                .schedule
                .as_ref()
                .and_then(|schedule| schedule.stop(&stop)?),
            site: stop,
            start,
            end: time,
            measure: Measure::Out,
            subject: Subject::Person,
            load: passed.alighted,
            quality: Quality::ESTIMATED,
        });
    }

    /// The arrivals that have happened; why there are none otherwise.
    fn stage_arrivals(
        &mut self,
        update: &TripUpdate<'_>,
        entity: &Entity<'_>,
        header: Header,
        context: Context<'_>,
    ) -> Result<Option<Passed>, Fault> {
        let (_, quality) = self.refer(&update.trip);
        if update.trip.is_cancelled {
            return Ok(Some(Passed::Cancelled));
        }
        let now = header.timestamp.or(update.timestamp);
        let now = now.and_then(|now| i64::try_from(now).ok()).unwrap_or(0);
        let before = self.staged.len();
        for stop in &update.stops {
            let Some(stop_id) = stop.stop.as_deref() else {
                continue;
            };
            let coordinate = self.place(stop_id);
            let Some(seconds) = stop.arrival.or(stop.departure) else {
                continue;
            };
            if stop.is_without_time || seconds > now {
                continue;
            }
            let seconds = u64::try_from(seconds).unwrap_or(0);
            let time = event_time("arrival.time", seconds)?;
            context.limits.check_interval(time, time)?;
            check_name("stop_id", stop_id)?;
            let trip = &update.trip;
            let sequence = stop.sequence.map(|number| number.to_string());
            let parts = [
                trip.id.as_deref().unwrap_or(&entity.id),
                trip.start_date.as_deref().unwrap_or_default(),
                trip.start_time.as_deref().unwrap_or_default(),
                stop_id,
                sequence.as_deref().unwrap_or_default(),
                "arrived",
            ];
            self.staged.push(Staged {
                id: context.ids.produced(parts.join("\u{1f}").as_bytes()),
                site: stop_id.to_owned(),
                start: time,
                end: time,
                measure: Measure::In,
                subject: Subject::Vehicle,
                load: one(),
                coordinate,
                quality,
            });
        }
        let is_prediction = self.staged.len() == before;
        Ok(is_prediction.then_some(Passed::Prediction))
    }

    /// The trip's route, as it says or as the static feed has it; and whether that knows the trip.
    fn refer<'t>(&mut self, trip: &'t Trip<'_>) -> (Option<Cow<'t, str>>, Quality) {
        let told = trip.route.as_deref().map(Cow::Borrowed);
        let Some(schedule) = &self.schedule else {
            return (told, Quality::GOOD);
        };
        if let Some(route) = &trip.route {
            match schedule.route_type(route) {
                Some(_) => self.references.routes_known += 1,
                None => self.references.routes_unknown += 1,
            }
        }
        let Some(id) = &trip.id else {
            return (told, Quality::GOOD);
        };
        match schedule.trip(id, self.config.trip_match) {
            Some(route) => {
                self.references.trips_known += 1;
                let route = route.map(|route| Cow::Owned(route.to_owned()));
                (told.or(route), Quality::GOOD)
            }
            None if schedule.has_trips() => {
                self.references.trips_unknown += 1;
                (told, Quality::TRIP_UNKNOWN)
            }
            None => (told, Quality::GOOD),
        }
    }

    /// The place of a stop by the static feed.
    fn place(&mut self, stop: &str) -> Option<(f64, f64)> {
        let found = self.schedule.as_ref()?.stop(stop);
        match found {
            Some(_) => self.references.stops_known += 1,
            None => self.references.stops_unknown += 1,
        }
        found?
    }

    fn load(&self, vehicle: &Vehicle<'_>, route: Option<&str>) -> Option<Load> {
        let kind = route.and_then(|route| self.schedule.as_ref()?.route_type(route));
        let capacity = self.occupancy.capacity(route, kind)?;
        let of = |aboard: &Aboard<'_>, capacity| {
            let by_percent = |percent| Occupancy::load_by_percent(percent, capacity);
            let by_word = |word: &Cow<'_, str>| self.occupancy.load_by_word(word, capacity);
            aboard
                .percent
                .and_then(by_percent)
                .or_else(|| aboard.word.as_ref().and_then(by_word))
        };
        if let Some(percent) = vehicle.occupancy.percent {
            return Occupancy::load_by_percent(percent, capacity);
        }
        let carriages = u32::try_from(vehicle.carriages.len()).ok()?;
        let known: Vec<Option<Load>> = match capacity.checked_div(carriages) {
            None => Vec::new(),
            Some(each) => vehicle.carriages.iter().map(|one| of(one, each)).collect(),
        };
        if known.iter().all(Option::is_none) {
            return of(&vehicle.occupancy, capacity);
        }
        let each = capacity / carriages;
        known
            .into_iter()
            .map(|load| load.unwrap_or_else(|| Occupancy::load_unknown(each)))
            .reduce(Load::plus)
    }
}

/// A name of the vehicle that stays from message to message.
fn vehicle_name<'a>(id: Option<&'a str>, trip: &'a Trip<'_>, entity: &'a Entity<'_>) -> &'a str {
    id.or(trip.id.as_deref()).unwrap_or(&entity.id)
}

fn one() -> Load {
    Load {
        count: 1,
        range: CountRange::exact(1),
    }
}

fn event_time(field: &str, seconds: u64) -> Result<EventTime, Fault> {
    let micros = i64::try_from(seconds)
        .ok()
        .and_then(|seconds| seconds.checked_mul(1_000_000));
    match micros {
        Some(micros) if seconds < SECONDS_MAX => Ok(EventTime::from_micros(micros)),
        _ => Err(Fault::new(
            Reason::BadTime,
            format!("{field} {seconds} is not in seconds; it looks like milliseconds"),
        )),
    }
}

/// A vehicle's own place.
fn check_place((lat, lng): (f64, f64)) -> Result<(f64, f64), Fault> {
    if is_nowhere((lat, lng)) {
        let detail = "the vehicle is at 0,0, which receivers write without a fix";
        return Err(Fault::new(Reason::BadCoordinate, detail));
    }
    check_coordinate(Some(lat), Some(lng))?;
    Ok((lat, lng))
}

fn no_message(bytes: &[u8]) -> Fault {
    let start = String::from_utf8_lossy(&bytes[..bytes.len().min(24)]);
    let detail = format!("no GTFS-Realtime message: there is no header; it begins with {start:?}");
    Fault::new(Reason::Malformed, detail)
}

fn malformed(what: &str, error: wire::WireError) -> Fault {
    Fault::new(Reason::Malformed, format!("{what} cannot be read: {error}"))
}
