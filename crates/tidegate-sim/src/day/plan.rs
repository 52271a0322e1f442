//! What is injected into a day: whom, when and how strongly.

use tidegate_model::{EventTime, SiteKind, Span, VenueKind};

use super::broken::Broken;
use super::{Injected, InjectedKind, clock, time};
use crate::City;
use crate::random::Random;

/// Minutes from one of the day to another, the second excluded.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Minutes {
    pub(super) from: u32,
    pub(super) to: u32,
}

impl Minutes {
    pub(super) const fn new(from: u32, length: u32) -> Self {
        Self {
            from,
            to: from + length,
        }
    }

    pub(super) const fn contains(self, minute: u32) -> bool {
        self.from <= minute && minute < self.to
    }

    /// Whether an arrival time falls into them.
    pub(super) fn holds(self, at: EventTime) -> bool {
        time(self.from) <= at && at < time(self.to)
    }
}

/// A venue that overfills.
#[derive(Debug, Clone, Copy)]
pub(super) struct Crush {
    /// Index of the venue in the city.
    pub(super) venue: usize,
    pub(super) when: Minutes,
    /// Minutes over which the crowd comes in, and over which it leaves at the end.
    pub(super) ramp: u32,
    /// Persons above those of a normal day.
    pub(super) persons: u32,
}

/// A train-load from a high-incidence origin.
#[derive(Debug, Clone, Copy)]
pub(super) struct Surge {
    /// Index of the rail site in the city.
    pub(super) site: usize,
    pub(super) when: Minutes,
    pub(super) persons: u32,
}

/// A fault of one site.
#[derive(Debug, Clone, Copy)]
pub(super) struct Fault {
    /// Index of the site in the city.
    pub(super) site: usize,
    /// Start minutes of the counted intervals that are hit.
    pub(super) when: Minutes,
}

/// Everything that is injected into one day. Scenarios of one kind of place never share it.
#[derive(Debug, Clone)]
pub(super) struct Plan {
    pub(super) crushes: Vec<Crush>,
    pub(super) surge: Surge,
    pub(super) wave: Minutes,
    /// When the feed `transit` is silent, in arrival time.
    pub(super) dead_transit: Minutes,
    pub(super) clock_ahead: Fault,
    pub(super) late: Fault,
    pub(super) duplicates: Fault,
}

impl Plan {
    pub(super) fn new(city: &City, seed: u64) -> Self {
        let random = &mut Random::new(seed, 0);
        let markets = venues(city, VenueKind::Market);
        let first = random.below(small(markets.len()));
        let step = 1 + random.below(small(markets.len() - 1));
        let second = (first + step) % small(markets.len());
        let metro: Vec<usize> = venues(city, VenueKind::Station)
            .into_iter()
            .filter(|&venue| !has_rail(city, venue))
            .collect();
        let rail: Vec<usize> = (0..city.sites().len())
            .filter(|&site| city.sites()[site].kind == SiteKind::Rail)
            .collect();
        let shops = gates(city, VenueKind::Supermarket);
        let twice = pick(random, &shops);
        let others: Vec<usize> = shops
            .iter()
            .copied()
            .filter(|&site| city.sites()[site].venue_id != city.sites()[twice].venue_id)
            .collect();
        let station = pick(random, &metro);
        Self {
            crushes: vec![
                crush(city, random, markets[first as usize], early_market),
                crush(city, random, markets[second as usize], morning_market),
                crush(city, random, station, evening_station),
            ],
            surge: Surge {
                site: pick(random, &rail),
                when: Minutes::new(clock(10, 30) + random.below(50), 4),
                persons: 640 + random.below(160),
            },
            wave: Minutes::new(clock(14, 45) + random.below(30), 180),
            dead_transit: Minutes::new(clock(12, 5) + random.below(30), 90),
            clock_ahead: Fault {
                site: pick(random, &gates(city, VenueKind::Office)),
                when: Minutes::new(clock(14, 30) + random.below(40), 30),
            },
            late: Fault {
                site: pick(random, &others),
                when: Minutes::new(clock(13, 30) + random.below(40), 20),
            },
            duplicates: Fault {
                site: twice,
                when: Minutes::new(clock(11, 0) + random.below(40), 30),
            },
        }
    }

    /// The plan as the truth that users see, ascending by start.
    pub(super) fn injected(&self, city: &City, broken: &[Broken]) -> Vec<Injected> {
        let site = |fault: Fault| Some(city.sites()[fault.site].id.clone());
        let event = |kind, subject: Option<String>, about: &str, when: Minutes| Injected {
            name: format!("{kind} {about}"),
            kind,
            subject,
            start: time(when.from),
            end: time(when.to),
        };
        let fault =
            |kind, fault: Fault| event(kind, site(fault), &city.sites()[fault.site].id, fault.when);
        let mut all: Vec<Injected> = self
            .crushes
            .iter()
            .map(|crush| {
                let venue = &city.venues()[crush.venue];
                let id = Some(venue.id.clone());
                event(InjectedKind::Crush, id, &venue.name_en, crush.when)
            })
            .collect();
        let station = city.sites()[self.surge.site].venue_id.clone();
        let about = station.clone().unwrap_or_default();
        all.extend([
            event(InjectedKind::InflowSurge, station, &about, self.surge.when),
            event(InjectedKind::ReturnWave, None, "all cordons", self.wave),
            event(
                InjectedKind::DeadFeed,
                Some("transit".to_owned()),
                "transit",
                self.dead_transit,
            ),
            fault(InjectedKind::ClockAhead, self.clock_ahead),
            fault(InjectedKind::LateBatch, self.late),
            fault(InjectedKind::Duplicates, self.duplicates),
        ]);
        let arrivals = || broken.iter().map(|record| record.sent_at);
        if let (Some(start), Some(last)) = (arrivals().min(), arrivals().max()) {
            all.push(Injected {
                name: format!("{} {} payloads", InjectedKind::BrokenRecords, broken.len()),
                kind: InjectedKind::BrokenRecords,
                subject: None,
                start,
                end: last.plus(Span::micros(1)),
            });
        }
        all.sort_by_key(|injected| injected.start);
        all
    }
}

/// Length and ramp in minutes, and the bounds of the start.
type Shape = (u32, u32, Minutes);

/// Soon after the day starts, so that whoever watches sees an alert soon.
fn early_market() -> Shape {
    (40, 12, Minutes::new(clock(4, 38), 5))
}

fn morning_market() -> Shape {
    (42, 12, Minutes::new(clock(9, 20), 30))
}

/// After the evening peak, as when an event ends and the trains do not run.
fn evening_station() -> Shape {
    (54, 18, Minutes::new(clock(19, 40), 25))
}

/// Enough persons for 2.7 to 3.0 a square metre of usable area, on top of whoever is there.
fn crush(city: &City, random: &mut Random, venue: usize, shape: fn() -> Shape) -> Crush {
    let (length, ramp, start) = shape();
    let per_hundred_m2 = 270 + random.below(31);
    Crush {
        venue,
        when: Minutes::new(start.from + random.below(start.to - start.from), length),
        ramp,
        persons: city.venues()[venue].usable_area_m2 * per_hundred_m2 / 100,
    }
}

fn venues(city: &City, kind: VenueKind) -> Vec<usize> {
    (0..city.venues().len())
        .filter(|&venue| city.venues()[venue].kind == kind)
        .collect()
}

fn has_rail(city: &City, venue: usize) -> bool {
    let id = Some(city.venues()[venue].id.as_str());
    city.sites()
        .iter()
        .any(|site| site.kind == SiteKind::Rail && site.venue_id.as_deref() == id)
}

/// Gates of all venues of a kind.
fn gates(city: &City, kind: VenueKind) -> Vec<usize> {
    let ids: Vec<&str> = venues(city, kind)
        .into_iter()
        .map(|venue| city.venues()[venue].id.as_str())
        .collect();
    (0..city.sites().len())
        .filter(|&site| {
            let venue = city.sites()[site].venue_id.as_deref();
            venue.is_some_and(|venue| ids.contains(&venue))
        })
        .collect()
}

fn pick(random: &mut Random, of: &[usize]) -> usize {
    of[random.below(small(of.len())) as usize]
}

fn small(len: usize) -> u32 {
    u32::try_from(len).expect("a city has fewer than 2^32 places")
}
