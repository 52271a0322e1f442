//! Persons aboard a vehicle from what feeds say of it: a word of a scale, or a percentage.
//!
//! Source: GTFS-Realtime `OccupancyStatus` and `occupancy_percentage`, SIRI `Occupancy`. The words
//! stand on no linear scale, so a word means an interval of shares of the capacity, which an agency
//! sets for itself; a percentage is of the designed capacity, seats and standing places, and may
//! exceed 100. What says nothing about the load gives no load, never zero.

use std::collections::BTreeMap;

use tidegate_model::CountRange;

use crate::config::ConfigProblem;

/// The largest capacity of one vehicle: the longest trains hold about 5,000.
const CAPACITY_MAX: u32 = 20_000;

/// The largest share of the capacity.
const SHARE_MAX: f64 = 5.0;

/// The highest percentage that a feed may tell: `occupancy_percentage` is a number of 32 bits.
const PERCENT_MAX: u32 = 500;

/// The shares of a capacity that the words of GTFS-Realtime and SIRI mean where an agency sets no
/// others. They are an assumption: no standard defines them.
const SHARES: [(&str, [f64; 2]); 9] = [
    ("EMPTY", [0.0, 0.05]),
    ("MANY_SEATS_AVAILABLE", [0.0, 0.25]),
    ("FEW_SEATS_AVAILABLE", [0.2, 0.4]),
    ("STANDING_ROOM_ONLY", [0.4, 0.8]),
    ("CRUSHED_STANDING_ROOM_ONLY", [0.8, 1.1]),
    ("FULL", [0.9, 1.3]),
    // SIRI 2.0 has coarser words.
    ("seatsAvailable", [0.0, 0.4]),
    ("standingAvailable", [0.4, 0.8]),
    ("standingRoomOnly", [0.4, 0.8]),
];

/// How many persons are aboard, by the vehicle's capacity: `[occupancy]` of a feed's file.
#[derive(Debug, Clone, PartialEq, Default, serde::Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct OccupancyConfig {
    /// How many persons a vehicle is made for, seated and standing, 1 to 20000; without it only the
    /// vehicles in `route_capacity` and those whose feed tells their capacity have a load.
    #[serde(default)]
    pub capacity: Option<u32>,
    /// The capacity of the vehicles of a route or line, by its id.
    #[serde(default)]
    pub route_capacity: BTreeMap<String, u32>,
    /// The capacity of the vehicles of a kind of route, by its `route_type` in a static GTFS feed:
    /// `2` is rail, `3` a bus. A route's own capacity goes before it.
    #[serde(default)]
    pub route_type_capacity: BTreeMap<String, u32>,
    /// The least and the greatest share of the capacity that a word means: `FULL = [0.9, 1.3]`.
    /// Letter case and `_` do not matter. Words that are not here mean the built-in shares of
    /// `docs/METHODS.md`, or nothing.
    #[serde(default)]
    pub shares: BTreeMap<String, [f64; 2]>,
    /// The share, 0 to 1, of those aboard who alight at a stop, by its id: from a count or a survey.
    /// Without it the alightings there lie between what the loads show at least and all aboard.
    #[serde(default)]
    pub alighting_share: BTreeMap<String, f64>,
}

/// Persons aboard, as well as they are known.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Load {
    /// The middle of the range, rounded down.
    pub(crate) count: i64,
    pub(crate) range: CountRange,
}

impl Load {
    /// The load between two shares of `capacity`, to whole persons outwards.
    #[expect(
        clippy::cast_possible_truncation,
        reason = "shares and capacities are bounded far below 2^53"
    )]
    fn between(low: f64, high: f64, capacity: u32) -> Self {
        // 1.1 · 200 is a hair above 220, and no person more.
        const HAIR: f64 = 1e-6;
        let low = (low * f64::from(capacity) + HAIR).floor().max(0.0) as i64;
        let high = (high * f64::from(capacity) - HAIR).ceil().max(0.0) as i64;
        let count = low.midpoint(high);
        let range = CountRange::around(count, low, high).expect("a middle lies between its ends");
        Self { count, range }
    }

    /// The load of two parts of one train.
    pub(crate) fn plus(self, other: Self) -> Self {
        let low = self.range.low() + other.range.low();
        let high = self.range.high() + other.range.high();
        let count = low.midpoint(high);
        let range = CountRange::around(count, low, high).expect("a middle lies between its ends");
        Self { count, range }
    }
}

/// A feed's `[occupancy]`, checked.
#[derive(Debug, Clone, Default)]
pub(crate) struct Occupancy {
    capacity: Option<u32>,
    route_capacity: BTreeMap<String, u32>,
    route_type_capacity: BTreeMap<u16, u32>,
    alighting_share: BTreeMap<String, f64>,
    /// By the word as [`plain`] gives it.
    shares: BTreeMap<String, [f64; 2]>,
}

impl Occupancy {
    pub(crate) fn new(config: &OccupancyConfig, problems: &mut Vec<ConfigProblem>) -> Self {
        let capacities = config.route_capacity.iter();
        let capacities =
            capacities.map(|(route, capacity)| (format!("route_capacity.{route}"), *capacity));
        let kinds = config.route_type_capacity.iter();
        let kinds =
            kinds.map(|(kind, capacity)| (format!("route_type_capacity.{kind}"), *capacity));
        let general = config
            .capacity
            .map(|capacity| ("capacity".to_owned(), capacity));
        for (key, capacity) in general.into_iter().chain(capacities).chain(kinds) {
            if !(1..=CAPACITY_MAX).contains(&capacity) {
                let message = format!("{capacity} is not within 1 to {CAPACITY_MAX} persons");
                problems.push(ConfigProblem::new(format!("occupancy.{key}"), message));
            }
        }
        let mut route_type_capacity = BTreeMap::new();
        for (kind, capacity) in &config.route_type_capacity {
            if let Ok(number) = kind.parse() {
                route_type_capacity.insert(number, *capacity);
            } else {
                let key = format!("occupancy.route_type_capacity.{kind}");
                let message = format!("{kind:?} is not a route_type, a number such as 3");
                problems.push(ConfigProblem::new(key, message));
            }
        }
        for (stop, share) in &config.alighting_share {
            if !(0.0..=1.0).contains(share) {
                let key = format!("occupancy.alighting_share.{stop}");
                let message = format!("{share} is not a share within 0 to 1");
                problems.push(ConfigProblem::new(key, message));
            }
        }
        let mut shares: BTreeMap<String, [f64; 2]> = SHARES
            .iter()
            .map(|(word, share)| (plain(word), *share))
            .collect();
        for (word, [low, high]) in &config.shares {
            // Written so that NaN is outside.
            if 0.0 <= *low && low <= high && *high <= SHARE_MAX {
                shares.insert(plain(word), [*low, *high]);
            } else {
                let message = format!(
                    "[{low}, {high}] is not two shares within 0 to {SHARE_MAX}, the lesser first"
                );
                problems.push(ConfigProblem::new(
                    format!("occupancy.shares.{word}"),
                    message,
                ));
            }
        }
        Self {
            capacity: config.capacity,
            route_capacity: config.route_capacity.clone(),
            route_type_capacity,
            alighting_share: config.alighting_share.clone(),
            shares,
        }
    }

    /// The capacity of a vehicle of `route`, which is of the kind `route_type`, where the feed's
    /// file tells it.
    pub(crate) fn capacity(&self, route: Option<&str>, route_type: Option<u16>) -> Option<u32> {
        let own = route.and_then(|route| self.route_capacity.get(route));
        let kind = || route_type.and_then(|kind| self.route_type_capacity.get(&kind));
        own.or_else(kind).copied().or(self.capacity)
    }

    /// The share of those aboard who alight at `stop`.
    pub(crate) fn alighting_share(&self, stop: &str) -> Option<f64> {
        self.alighting_share.get(stop).copied()
    }

    /// The load that `word` means; `None` for a word that says nothing of it.
    pub(crate) fn load_by_word(&self, word: &str, capacity: u32) -> Option<Load> {
        let [low, high] = *self.shares.get(&plain(word))?;
        Some(Load::between(low, high, capacity))
    }

    /// The load at `percent` of the capacity, which was rounded to a whole number; `None` where it
    /// cannot be.
    pub(crate) fn load_by_percent(percent: u32, capacity: u32) -> Option<Load> {
        if percent > PERCENT_MAX {
            return None;
        }
        let share = f64::from(percent) / 100.0;
        Some(Load::between(share - 0.005, share + 0.005, capacity))
    }

    /// Everything between an empty and an overfull vehicle: a carriage of which nothing is known.
    pub(crate) fn load_unknown(capacity: u32) -> Load {
        Load::between(0.0, 1.3, capacity)
    }
}

/// `word` in lower case without `_`: `MANY_SEATS_AVAILABLE` is `manySeatsAvailable`.
fn plain(word: &str) -> String {
    word.chars()
        .filter(|char| *char != '_')
        .flat_map(char::to_lowercase)
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn occupancy(config: &OccupancyConfig) -> Result<Occupancy, Vec<String>> {
        let mut problems = Vec::new();
        let occupancy = Occupancy::new(config, &mut problems);
        if problems.is_empty() {
            Ok(occupancy)
        } else {
            Err(problems.iter().map(ToString::to_string).collect())
        }
    }

    #[test]
    fn words_are_intervals_and_what_says_nothing_is_unknown() {
        let mut config = OccupancyConfig::default();
        config.shares.insert("full".to_owned(), [0.95, 1.2]);
        let occupancy = occupancy(&config).unwrap();
        let check = |word: &str, expected: Option<(i64, i64, i64)>| {
            let load = occupancy.load_by_word(word, 200);
            let found = load.map(|load| (load.range.low(), load.count, load.range.high()));
            assert_eq!(found, expected, "{word}");
        };
        check("EMPTY", Some((0, 5, 10)));
        check("FEW_SEATS_AVAILABLE", Some((40, 60, 80)));
        check("fewSeatsAvailable", Some((40, 60, 80)));
        check("seatsAvailable", Some((0, 40, 80)));
        check("FULL", Some((190, 215, 240)));
        check("CRUSHED_STANDING_ROOM_ONLY", Some((160, 190, 220)));
        check("NO_DATA_AVAILABLE", None);
        check("NOT_ACCEPTING_PASSENGERS", None);
        check("NOT_BOARDABLE", None);
        check("unheard of", None);
    }

    #[test]
    fn percentages_keep_what_rounding_lost() {
        let check = |percent, expected: Option<(i64, i64, i64)>| {
            let load = Occupancy::load_by_percent(percent, 1_000);
            let found = load.map(|load| (load.range.low(), load.count, load.range.high()));
            assert_eq!(found, expected, "{percent}");
        };
        check(0, Some((0, 2, 5)));
        check(50, Some((495, 500, 505)));
        check(130, Some((1_295, 1_300, 1_305)));
        check(501, None);
    }

    #[test]
    fn every_problem_is_named() {
        let text = "capacity = 0\nroute_capacity = { A = 30000 }\nshares = { FULL = [1.2, 0.9] }";
        let config = toml::from_str(text).unwrap();
        let problems = occupancy(&config).unwrap_err();
        assert_eq!(
            problems,
            [
                "occupancy.capacity: 0 is not within 1 to 20000 persons",
                "occupancy.route_capacity.A: 30000 is not within 1 to 20000 persons",
                "occupancy.shares.FULL: [1.2, 0.9] is not two shares within 0 to 5, the lesser first",
            ]
        );
    }
}
