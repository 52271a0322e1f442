//! Who comes to the city over its cordons: by train and by road, each with an origin.

use tidegate_model::SiteKind;

use super::flows::{Channel, Flows, any};
use super::plan::Plan;
use super::{clock, profile};
use crate::City;
use crate::random::Random;

/// Weights of the origins, in the order of [`City::origins`].
type Mix = [u32; 13];

/// A normal day: `R12` sends four travellers in ten thousand.
const NORMAL: Mix = [
    1_100, 800, 1_600, 400, 1_900, 900, 250, 1_300, 1_200, 60, 100, 4, 386,
];

/// The return wave: people who spent the holiday in the regions with outbreaks.
const WAVE: Mix = [
    660, 480, 960, 240, 1_140, 540, 150, 780, 720, 1_500, 2_000, 120, 400,
];

/// The train-load: nearly all from `R12`.
const SURGE: Mix = [0, 0, 0, 0, 0, 0, 0, 0, 12, 0, 0, 85, 3];

/// Origins from which a train or a road mainly comes on a normal day: the quiet ones.
const QUIET: u32 = 9;

/// `mix` with one of the quiet origins `factor` times as frequent.
fn mainly(mut mix: Mix, origin: u32, factor: u32) -> Mix {
    mix[origin as usize] *= factor;
    mix
}

/// Trains at every railway station, one each 5 to 8 minutes.
pub(super) fn rail(city: &City, plan: &Plan, seed: u64, flows: &mut Flows) {
    for (index, site) in city.sites().iter().enumerate() {
        if site.kind != SiteKind::Rail {
            continue;
        }
        let gates: Vec<usize> = (0..city.sites().len())
            .filter(|&gate| {
                let gate = &city.sites()[gate];
                gate.kind == SiteKind::Gate && gate.venue_id == site.venue_id
            })
            .collect();
        let mut station = Station {
            site: index,
            gates,
            random: Random::new(seed, 3_000 + index as u64),
            flows: &mut *flows,
        };
        station.trains(plan);
        if plan.surge.site == index {
            station.alight(plan.surge.when.from, plan.surge.persons, &SURGE);
        }
    }
}

/// The arrival side of a railway station while its day is played.
struct Station<'a> {
    site: usize,
    gates: Vec<usize>,
    random: Random,
    flows: &'a mut Flows,
}

impl Station<'_> {
    fn trains(&mut self, plan: &Plan) {
        let mut minute = clock(5, 40) + self.random.below(6);
        while minute < clock(23, 20) {
            // Whoever alights belongs to the wave as a whole, or the wave would outlast its end.
            let wave = plan.wave.contains(minute) && plan.wave.contains(minute + 3);
            let seats = f64::from(self.random.middling(110, 290));
            let full = 0.35 + 0.65 * profile::TRAVEL.at(minute);
            let usual = self.random.poisson(seats * full);
            let origin = self.random.below(QUIET);
            let (mix, times) = if wave { (WAVE, 3) } else { (NORMAL, 1) };
            self.alight(minute, usual * times, &mainly(mix, origin, 5));
            minute += 5 + self.random.below(4);
        }
    }

    /// Travellers leave a train over four minutes and the station 3 to 11 minutes later.
    fn alight(&mut self, minute: u32, persons: u32, mix: &Mix) {
        for _ in 0..persons {
            let origin = self.random.weighted(mix);
            let arrival = minute + self.random.below(4);
            let exit = any(&mut self.random, &self.gates);
            let walk = self.random.middling(3, 11);
            self.flows.add(self.site, Channel::InFrom(origin), arrival);
            self.flows.add(exit, Channel::Out, arrival + walk);
        }
    }
}

/// Persons in one vehicle: shares of a hundred with 1, 2, … 5 aboard, and of coaches.
const ABOARD: [u32; 6] = [45, 25, 14, 8, 5, 3];

/// Road traffic at every checkpoint, both ways.
pub(super) fn checkpoints(city: &City, plan: &Plan, seed: u64, flows: &mut Flows) {
    let weights = profile::ROAD.weights();
    for (site, _) in city
        .sites()
        .iter()
        .enumerate()
        .filter(|(_, site)| site.kind == SiteKind::Checkpoint)
    {
        let mut random = Random::new(seed, 3_000 + site as u64);
        let busiest = 1.0 + 0.15 * f64::from(random.below(20));
        let home = random.below(QUIET);
        for (minute, weight) in (0..).zip(&weights) {
            let (mix, times) = if plan.wave.contains(minute) {
                (WAVE, 3.0)
            } else {
                (NORMAL, 1.0)
            };
            let mix = mainly(mix, home, 6);
            for _ in 0..random.poisson(busiest * weight * times) {
                let origin = random.weighted(&mix);
                flows.add(site, Channel::VehiclesIn, minute);
                for _ in 0..aboard(&mut random) {
                    flows.add(site, Channel::InFrom(origin), minute);
                }
            }
            for _ in 0..random.poisson(busiest * weight) {
                flows.add(site, Channel::VehiclesOut, minute);
                for _ in 0..aboard(&mut random) {
                    flows.add(site, Channel::Out, minute);
                }
            }
        }
    }
}

fn aboard(random: &mut Random) -> u32 {
    match random.weighted(&ABOARD) {
        coach if coach == ABOARD.len() - 1 => random.middling(18, 46),
        fewer => 1 + u32::try_from(fewer).expect("one of six"),
    }
}
