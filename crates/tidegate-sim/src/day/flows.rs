//! Persons who come and go, summed up by counting point and minute.
//!
//! Everyone who enters a venue leaves it again before it closes (those admitted to quarantine
//! excepted), so occupancy by conservation returns to zero and never drifts.

use tidegate_model::{Measure, SiteKind, Subject, VenueKind};

use super::plan::{Crush, Plan};
use super::profile::{self, Profile};
use super::{DAY_MINUTES, clock};
use crate::random::Random;
use crate::{City, CityVenue, Line, LineMode};

/// What a counting point tells apart. Inward counts at cordons carry an origin.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Channel {
    /// Persons inward, where origins are not known at all.
    In,
    /// Persons inward from the origin of this index.
    InFrom(usize),
    /// Persons outward.
    Out,
    /// Vehicles inward.
    VehiclesIn,
    /// Vehicles outward.
    VehiclesOut,
}

impl Channel {
    const fn slot(self) -> usize {
        match self {
            Self::Out => 0,
            Self::VehiclesIn => 1,
            Self::VehiclesOut => 2,
            Self::In => 3,
            Self::InFrom(origin) => 3 + origin,
        }
    }

    /// The channels of a counting point in the order in which it reports them.
    pub(super) fn of(kind: SiteKind, origins: usize) -> Vec<Self> {
        let inward = (0..origins).map(Self::InFrom);
        match kind {
            SiteKind::Gate | SiteKind::Transit => vec![Self::In, Self::Out],
            SiteKind::Rail => inward.chain([Self::Out]).collect(),
            SiteKind::Checkpoint => inward
                .chain([Self::Out, Self::VehiclesIn, Self::VehiclesOut])
                .collect(),
            SiteKind::Road => Vec::new(),
        }
    }

    /// Who and what is counted.
    pub(super) const fn meaning(self) -> (Measure, Subject) {
        match self {
            Self::In | Self::InFrom(_) => (Measure::In, Subject::Person),
            Self::Out => (Measure::Out, Subject::Person),
            Self::VehiclesIn => (Measure::In, Subject::Vehicle),
            Self::VehiclesOut => (Measure::Out, Subject::Vehicle),
        }
    }
}

/// Counts by site, channel and minute.
#[derive(Debug)]
pub(super) struct Flows {
    /// One table a site: minutes of slot 0, then of slot 1, …
    tables: Vec<Vec<u32>>,
    /// Channels of each site.
    channels: Vec<Vec<Channel>>,
}

impl Flows {
    pub(super) fn new(city: &City) -> Self {
        let channels: Vec<Vec<Channel>> = city
            .sites()
            .iter()
            .map(|site| Channel::of(site.kind, city.origins().len()))
            .collect();
        let tables = channels
            .iter()
            .map(|channels| {
                let slots = channels.iter().map(|channel| channel.slot() + 1).max();
                vec![0; slots.unwrap_or(0) * DAY_MINUTES as usize]
            })
            .collect();
        Self { tables, channels }
    }

    pub(super) fn channels(&self, site: usize) -> &[Channel] {
        &self.channels[site]
    }

    pub(super) fn count(&self, site: usize, channel: Channel, minute: u32) -> u32 {
        self.tables[site][channel.slot() * DAY_MINUTES as usize + minute as usize]
    }

    /// Counts one more. What happens after the day's end is counted in its last minute, so that
    /// nobody is left inside.
    pub(super) fn add(&mut self, site: usize, channel: Channel, minute: u32) {
        let minute = minute.min(DAY_MINUTES - 1) as usize;
        self.tables[site][channel.slot() * DAY_MINUTES as usize + minute] += 1;
    }
}

/// One venue while its day is played on it.
struct Stage<'a> {
    venue: &'a CityVenue,
    /// Site indices of its gates.
    gates: Vec<usize>,
    /// Site index of its rail cordon.
    rail: Option<usize>,
    random: Random,
    flows: &'a mut Flows,
}

/// Plays every venue, with the crushes of the plan.
pub(super) fn venues(city: &City, plan: &Plan, seed: u64, flows: &mut Flows) {
    for (index, venue) in city.venues().iter().enumerate() {
        let of_kind = |kind: SiteKind| {
            let sites = city.sites().iter().enumerate();
            sites
                .filter(|(_, site)| site.kind == kind)
                .filter(|(_, site)| site.venue_id.as_deref() == Some(&venue.id))
                .map(|(site, _)| site)
                .collect::<Vec<usize>>()
        };
        let mut stage = Stage {
            venue,
            gates: of_kind(SiteKind::Gate),
            rail: of_kind(SiteKind::Rail).first().copied(),
            random: Random::new(seed, 1_000 + index as u64),
            flows: &mut *flows,
        };
        stage.normal_day();
        for crush in plan.crushes.iter().filter(|crush| crush.venue == index) {
            stage.crush(crush);
        }
    }
}

impl Stage<'_> {
    fn normal_day(&mut self) {
        match self.venue.kind {
            VenueKind::Market => self.visits(profile::MARKET, (14, 44), 0.36),
            VenueKind::Supermarket => self.visits(profile::SUPERMARKET, (18, 52), 0.36),
            VenueKind::Station if self.rail.is_some() => {
                self.visits(profile::TRAVEL, (18, 46), 0.22);
            }
            VenueKind::Station => self.visits(profile::COMMUTE, (3, 9), 0.36),
            VenueKind::Office => {
                self.workers();
                self.visits(profile::OFFICE_VISITORS, (20, 80), 0.03);
            }
            VenueKind::Quarantine => self.quarantine(),
            VenueKind::Checkpoint => {}
        }
    }

    /// Persons who come by the profile, stay for `dwell` minutes (shortest, longest) and leave
    /// before the doors close, half an hour after the profile's end. The expected peak is `share`
    /// of the capacity, or up to 8 hundredths more on a busy day.
    fn visits(&mut self, profile: Profile, dwell: (u32, u32), share: f64) {
        let busy = share * (1.0 + f64::from(self.random.below(23)) / 100.0);
        let weights = profile.weights();
        let scale = busy * f64::from(self.venue.capacity) / peak(&weights, dwell);
        let close = profile.end() + 30;
        for (minute, weight) in (0..).zip(&weights) {
            for _ in 0..self.random.poisson(scale * weight) {
                let stay = self.random.middling(dwell.0, dwell.1);
                let last = close - 1 - self.random.below(12);
                self.enter(minute);
                self.leave((minute + stay).min(last).max(minute));
            }
        }
    }

    /// Office workers: in the morning in, for lunch out and back, in the evening out.
    fn workers(&mut self) {
        let share = 35 + self.random.below(8);
        for _ in 0..self.venue.capacity * share / 100 {
            let start = self.random.middling(clock(7, 30), clock(9, 40));
            self.enter(start);
            if self.random.below(10) < 6 {
                let lunch = self.random.middling(clock(11, 40), clock(12, 40));
                let length = self.random.middling(20, 60);
                self.leave(lunch);
                self.enter(lunch + length);
            }
            let end = self.random.middling(clock(17, 0), clock(20, 45));
            self.leave(end);
        }
    }

    /// Two shifts of staff, and a few admissions who stay beyond the day.
    fn quarantine(&mut self) {
        let shifts = [
            (32, (7, 0), (8, 0), (17, 30), (18, 30)),
            (16, (17, 0), (18, 0), (26, 0), (27, 40)),
        ];
        for (staff, from, to, leave_from, leave_to) in shifts {
            for _ in 0..staff {
                let start = self
                    .random
                    .middling(clock(from.0, from.1), clock(to.0, to.1));
                let end = self.random.middling(
                    clock(leave_from.0, leave_from.1),
                    clock(leave_to.0, leave_to.1),
                );
                self.enter(start);
                self.leave(end);
            }
        }
        for _ in 0..3 + self.random.below(5) {
            let at = self.random.middling(clock(9, 0), clock(17, 0));
            self.enter(at);
        }
    }

    /// A crowd that comes within the ramp, is held, and drains over a ramp before the end.
    fn crush(&mut self, crush: &Crush) {
        for _ in 0..crush.persons {
            let come = crush.when.from + self.random.below(crush.ramp);
            let go = crush.when.to - 1 - self.random.below(crush.ramp);
            let (entrance, exit) = (self.gate(), self.gate());
            self.flows.add(entrance, Channel::In, come);
            self.flows.add(exit, Channel::Out, go);
        }
    }

    fn enter(&mut self, minute: u32) {
        let gate = self.gate();
        self.flows.add(gate, Channel::In, minute);
    }

    /// Travellers of a railway station leave it by train, all others by a gate.
    fn leave(&mut self, minute: u32) {
        let exit = self.rail.unwrap_or_else(|| self.gate());
        self.flows.add(exit, Channel::Out, minute);
    }

    fn gate(&mut self) -> usize {
        any(&mut self.random, &self.gates)
    }
}

/// One of a few sites, each as likely.
pub(super) fn any(random: &mut Random, sites: &[usize]) -> usize {
    let len = u32::try_from(sites.len()).expect("a city has fewer than 2^32 sites");
    sites[random.below(len) as usize]
}

/// The largest expected number present, for arrivals of the given weights a minute whose stay is
/// the mean of two dice over `dwell`, rounded down.
fn peak(weights: &[f64], dwell: (u32, u32)) -> f64 {
    let span = dwell.1 - dwell.0;
    let mut ways = vec![0_u32; dwell.1 as usize + 1];
    for one in 0..=span {
        for other in 0..=span {
            ways[(dwell.0 + u32::midpoint(one, other)) as usize] += 1;
        }
    }
    let all = f64::from((span + 1) * (span + 1));
    let mut staying = all;
    // Share still there so many minutes after the minute of arrival.
    let survival: Vec<f64> = ways
        .iter()
        .map(|&leaving| {
            staying -= f64::from(leaving);
            staying / all
        })
        .collect();
    (0..weights.len())
        .map(|minute| {
            let ages = survival.iter().enumerate().take(minute + 1);
            ages.map(|(age, share)| weights[minute - age] * share).sum()
        })
        .fold(0.0, f64::max)
}

/// Trips on every metro line and bus route: in where one boards, out where one alights.
pub(super) fn transit(city: &City, seed: u64, flows: &mut Flows) {
    for (index, line) in city.lines().iter().enumerate() {
        let mut random = Random::new(seed, 2_000 + index as u64);
        let stops = stops(city, line);
        let (busiest, minutes_a_stop) = match line.mode {
            LineMode::Metro => (70.0, 2),
            LineMode::Bus => (11.0, 3),
        };
        for (minute, weight) in (0..).zip(profile::COMMUTE.weights()) {
            for _ in 0..random.poisson(busiest * weight) {
                let from = any(&mut random, &stops);
                let to = any(&mut random, &stops);
                if from == to {
                    continue;
                }
                let place = |site: usize| stops.iter().position(|&stop| stop == site);
                let passed = place(from).unwrap_or(0).abs_diff(place(to).unwrap_or(0));
                let passed = u32::try_from(passed).expect("a line has few stops");
                flows.add(from, Channel::In, minute);
                flows.add(to, Channel::Out, minute + 2 + passed * minutes_a_stop);
            }
        }
    }
}

fn stops(city: &City, line: &Line) -> Vec<usize> {
    line.stops
        .iter()
        .filter_map(|id| city.sites().iter().position(|site| site.id == *id))
        .collect()
}
