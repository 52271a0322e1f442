//! Records without a city, by the million, for benchmarks and memory tests.
//!
//! Every site counts once a step in its turn; when all have, the step moves on. So `n` records over
//! `sites` sites cover `n / sites` steps, and windows close as they would live. Records of one step
//! lie in a scrambled but fixed order of sites, which defeats caches that live on neighbours.

use std::io::Write as _;

use crate::random::Random;

/// Event time of the first record's interval, seconds since the epoch: 2026-03-01T20:00:00Z.
const START_S: u64 = 1_772_395_200;
/// The sites of a [`Workload`]: id, degrees north, degrees east. Ids are distinct; places are
/// spread over 60 km by 60 km, about as many H3 cells of resolution 9 as there are sites, up to
/// some 10,000.
pub fn bench_sites(sites: usize) -> Vec<(String, f64, f64)> {
    (0..sites)
        .map(|site| {
            let (lat, lng) = place(site);
            (format!("site-{site:06}"), lat, lng)
        })
        .collect()
}

/// Where site number `site` is. Multiples of two irrational shares fill a square evenly (the R2
/// sequence of M. Roberts, 2018, in whole 2^-32).
fn place(site: usize) -> (f64, f64) {
    let share = |step: u32| {
        let n = u32::try_from(site % (1 << 30)).expect("below 2^30");
        f64::from(n.wrapping_add(1).wrapping_mul(step)) / 4_294_967_296.0
    };
    let round = |value: f64| (value * 1e6).round() / 1e6;
    (
        round(30.3 + 0.54 * share(3_242_174_889)),
        round(114.0 + 0.63 * share(2_447_445_414)),
    )
}

/// Which form the place of a record takes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Place {
    /// The id of a registered site, see [`bench_sites`].
    Registered,
    /// Coordinates within 100 m of the site's, under an id that no registry holds.
    Coordinates,
}

/// Good records without a city.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Workload {
    /// Which form the place of a record takes.
    pub place: Place,
    /// How many sites take turns, 1 or more.
    pub sites: usize,
    /// Seconds of one counted interval, which is also how often each site counts; 1 or more.
    pub step_s: u64,
    /// What the counts and places are drawn from.
    pub seed: u64,
}

impl Workload {
    /// `n` records in the product's JSON, 190 bytes each give or take five, the same bytes for the
    /// same workload.
    ///
    /// # Panics
    /// When `sites` is 0.
    pub fn records(self, n: usize) -> impl Iterator<Item = Vec<u8>> {
        assert!(self.sites > 0, "a workload has at least one site");
        let mut random = Random::new(self.seed, 4);
        let stride = stride(self.sites);
        (0..n).map(move |nth| {
            let site = (nth % self.sites) * stride % self.sites;
            let start = START_S + self.step_s * (nth / self.sites) as u64;
            let interval = (Local(start), Local(start + self.step_s));
            match self.place {
                Place::Registered => registered(nth, site, interval, &mut random),
                Place::Coordinates => beside(nth, site, interval, &mut random),
            }
        })
    }
}

/// A record of a registered site.
fn registered(
    nth: usize,
    site: usize,
    (start, end): (Local, Local),
    random: &mut Random,
) -> Vec<u8> {
    let count = random.middling(0, 60);
    let mut bytes = Vec::with_capacity(200);
    write!(
        bytes,
        "{{\"id\":\"site-{site:06}/{nth:016}\",\"site\":\"site-{site:06}\",\
         \"start\":\"{start}\",\"end\":\"{end}\",\"measure\":\"in\",\"subject\":\"person\",\
         \"count\":{count},\"origin\":\"R{:02}\"}}",
        1 + random.below(12),
    )
    .expect("writing to a vector cannot fail");
    bytes
}

/// A record of a van that stands within 100 m of a site.
fn beside(nth: usize, site: usize, (start, end): (Local, Local), random: &mut Random) -> Vec<u8> {
    let count = random.middling(0, 60);
    let (lat, lng) = place(site);
    let mut beside = || (random.unit() - 0.5) * 0.0018;
    let (lat, lng) = (lat + beside(), lng + beside());
    let mut bytes = Vec::with_capacity(200);
    write!(
        bytes,
        "{{\"id\":\"van-{site:06}/{nth:018}\",\"site\":\"van-{site:06}\",\
         \"start\":\"{start}\",\"end\":\"{end}\",\"measure\":\"in\",\"count\":{count},\
         \"lat\":{lat:.6},\"lng\":{lng:.6}}}",
    )
    .expect("writing to a vector cannot fail");
    bytes
}

/// A step that visits every site once before it repeats: near the golden share of `sites`, and
/// without a common divisor.
fn stride(sites: usize) -> usize {
    let mut stride = (sites / 13 * 8).max(1);
    while gcd(stride, sites) != 1 {
        stride += 1;
    }
    stride
}

const fn gcd(mut a: usize, mut b: usize) -> usize {
    while b != 0 {
        (a, b) = (b, a % b);
    }
    a
}

/// Seconds since the epoch as RFC 3339 with the offset `+08:00`.
struct Local(u64);

impl std::fmt::Display for Local {
    /// Howard Hinnant, "chrono-Compatible Low-Level Date Algorithms", `civil_from_days`, for days
    /// after 1970.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let local = self.0 + 8 * 3_600;
        let (days, second) = (local / 86_400 + 719_468, local % 86_400);
        let (era, day_of_era) = (days / 146_097, days % 146_097);
        let year_of_era =
            (day_of_era - day_of_era / 1_460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
        let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
        let shifted = (5 * day_of_year + 2) / 153;
        let month = if shifted < 10 {
            shifted + 3
        } else {
            shifted - 9
        };
        let year = year_of_era + era * 400 + u64::from(month <= 2);
        write!(
            f,
            "{year:04}-{month:02}-{:02}T{:02}:{:02}:{:02}+08:00",
            day_of_year - (153 * shifted + 2) / 5 + 1,
            second / 3_600,
            second / 60 % 60,
            second % 60
        )
    }
}

#[cfg(test)]
mod tests {
    use std::collections::{BTreeMap, BTreeSet};

    use tidegate_model::{Cell, EventTime, ObservationRecord, Resolution, parse_rfc3339};

    use super::*;

    fn records(place: Place, sites: usize, n: usize) -> Vec<Vec<u8>> {
        let workload = Workload {
            place,
            sites,
            step_s: 60,
            seed: 3,
        };
        workload.records(n).collect()
    }

    fn decode(bytes: &[u8]) -> ObservationRecord {
        serde_json::from_slice(bytes).unwrap()
    }

    #[test]
    fn times_read_back() {
        for second in (START_S..START_S + 400 * 86_400).step_by(86_399) {
            let time = parse_rfc3339(&Local(second).to_string()).unwrap();
            let micros = i64::try_from(second).unwrap() * 1_000_000;
            assert_eq!(time, EventTime::from_micros(micros));
        }
    }

    #[test]
    fn records_are_of_the_size_promised_and_repeat() {
        let check = |form: Place, sizes: std::ops::RangeInclusive<usize>| {
            let all = records(form, 2_000, 5_000);
            assert_eq!(all, records(form, 2_000, 5_000));
            for bytes in &all {
                assert!(sizes.contains(&bytes.len()), "{}", bytes.len());
            }
            let ids: BTreeSet<_> = all.iter().map(|bytes| decode(bytes).id).collect();
            assert_eq!(ids.len(), all.len());
        };
        check(Place::Registered, 185..=195);
        check(Place::Coordinates, 185..=195);
    }

    #[test]
    fn every_site_counts_once_a_minute() {
        for sites in [1, 2, 7, 13, 500, 2_000] {
            let known: BTreeSet<String> =
                bench_sites(sites).into_iter().map(|(id, ..)| id).collect();
            assert_eq!(known.len(), sites);
            let mut seen: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
            for bytes in records(Place::Registered, sites, sites * 6) {
                let record = decode(&bytes);
                assert!(known.contains(&record.site));
                assert!(seen.entry(record.start).or_default().insert(record.site));
            }
            assert_eq!(seen.len(), 6);
            assert!(seen.values().all(|of_minute| of_minute.len() == sites));
        }
    }

    #[test]
    fn sites_fall_into_many_cells() {
        let cells: BTreeSet<Cell> = bench_sites(2_000)
            .into_iter()
            .map(|(_, lat, lng)| Cell::at(lat, lng, Resolution::Nine).unwrap())
            .collect();
        assert!(cells.len() > 1_900, "{}", cells.len());
    }

    #[test]
    fn coordinates_lie_beside_their_site() {
        let sites = bench_sites(100);
        for bytes in records(Place::Coordinates, 100, 1_000) {
            let record = decode(&bytes);
            let number: usize = record.site[4..].parse().unwrap();
            let (lat, lng) = (record.lat.unwrap(), record.lng.unwrap());
            assert!((lat - sites[number].1).abs() < 0.001);
            assert!((lng - sites[number].2).abs() < 0.001);
        }
    }
}
