//! Wuhan's outflow: where its infectious travellers are to be expected, and what a ranking without
//! counts of movement would have missed.

use std::collections::BTreeMap;
use std::fmt::Write;

use anyhow::{Context, Result};
use serde::Deserialize;
use tidegate_risk::importation::{
    Arrivals, Ascertainment, Evidence, JointRisk, OriginArrivals, Reported, UnknownArrivals,
    Workspace,
};
use tidegate_risk::method;

use super::product::Product;
use super::stats::spearman;

/// The recorded file, below the folder of the data.
const FILE: &str = "wuhan_outflow/outflow_296_prefectures.csv";

/// Destinations whose expected imports are shown.
const SHOWN: usize = 10;

/// Cases that Wuhan had reported by the end of 24 January 2020.
const CASES: u64 = 572;

/// Days that the counts cover, over which [`CASES`] are spread evenly.
const DAYS: u64 = 24;

/// Inhabitants of Wuhan.
const POPULATION: u64 = 11_081_000;

/// The share of infections that was reported before 23 January: 14 %, 95 % interval 10 to 18 %.
const ASCERTAINMENT: [f64; 3] = [0.10, 0.14, 0.18];

/// Mean infectious period, days.
const INFECTIOUS_DAYS: f64 = 3.48;

/// A prefecture: what the product counted, and what the file says of the place.
#[derive(Debug, Clone, PartialEq)]
struct Destination {
    name: String,
    persons: u64,
    population: f64,
    kilometres: f64,
}

impl Destination {
    #[expect(clippy::cast_precision_loss, reason = "exact below 2^53 persons")]
    fn flow(&self) -> f64 {
        self.persons as f64
    }

    fn inhabitants(&self) -> f64 {
        self.population
    }

    /// Inhabitants over the square of the distance.
    fn gravity(&self) -> f64 {
        self.population / (self.kilometres * self.kilometres)
    }
}

/// The section of Wuhan's outflow.
pub(crate) fn section(product: &Product) -> Result<String> {
    let mut destinations = destinations(product)?;
    destinations.sort_by(|a, b| b.persons.cmp(&a.persons).then_with(|| a.name.cmp(&b.name)));
    let decile = destinations.len().div_ceil(10);
    let weekly = (CASES * 7 + DAYS / 2) / DAYS;
    let ascertainment = Ascertainment::try_new(ASCERTAINMENT)?;
    let reported = Reported::try_weekly(weekly, POPULATION, INFECTIOUS_DAYS, ascertainment)?;
    let mut workspace = Workspace::default();
    let mut risk = |persons: u64| -> Result<JointRisk> {
        let origins = [OriginArrivals::try_new(
            persons,
            Evidence::Reported(reported),
            0.0,
        )?];
        let unknown = UnknownArrivals::NONE;
        let arrivals = Arrivals {
            origins: &origins,
            unknown,
        };
        Ok(*workspace.cordon(&arrivals)?.risk())
    };
    let total = destinations.iter().map(|one| one.persons).sum();
    let all: f64 = destinations.iter().map(Destination::flow).sum();
    let mut text = introduction(&destinations, weekly, reported, &risk(total)?)?;
    for (idx, one) in destinations.iter().take(SHOWN).enumerate() {
        let JointRisk {
            lambda_mean,
            lambda95,
            ..
        } = risk(one.persons)?;
        writeln!(
            text,
            "| {} | {} | {} | {:.1} % | {lambda_mean:.2} ({:.2} to {:.2}) |",
            idx + 1,
            one.name,
            one.persons,
            100.0 * one.flow() / all,
            lambda95.lo,
            lambda95.hi,
        )?;
    }
    let mut likely = [0, 0];
    for one in &destinations {
        let at_least_one = risk(one.persons)?.at_least_one;
        for (n, bound) in likely.iter_mut().zip([0.95, 0.5]) {
            *n += usize::from(at_least_one >= bound);
        }
    }
    writeln!(
        text,
        "\nAt least one infectious arrival has a probability of 95 % or more in {} prefectures \
         and of 50 % or more in {}.\n",
        likely[0], likely[1]
    )?;
    text.push_str(&rankings(&destinations, decile)?);
    Ok(text)
}

fn introduction(
    destinations: &[Destination],
    weekly: u64,
    reported: Reported,
    all: &JointRisk,
) -> Result<String> {
    let mut text = String::from("## Wuhan's outflow: where imports are to be expected\n\n");
    let total: u64 = destinations.iter().map(|one| one.persons).sum();
    let range = reported.prevalence();
    writeln!(
        text,
        "{total} persons were counted leaving Wuhan for {} prefectures from 1 to 24 January \
         2020; the counts are the product's panes.\n\
         The prevalence is an assumption and not in the recording: {CASES} cases reported by \
         Wuhan to the end of 24 January, spread evenly over {DAYS} days ({weekly} a week), \
         {POPULATION} inhabitants, {:.0} % of infections reported ({:.0} to {:.0} %) and \
         {INFECTIOUS_DAYS} infectious days, after Li et al. 2020, Science 368:489; cases, \
         inhabitants and these figures are from memory and should be compared with the originals.\n\
         So {:.4} % of Wuhan's people were infectious and travelled ({:.4} to {:.4} %), and by \
         `{}` {:.0} infectious persons left for all prefectures together, with a 95 % interval \
         of {:.0} to {:.0} over prevalence and ascertainment.\n\
         Reports lag behind infections in a growing epidemic, which this even spread leaves out: \
         expect the true number to be higher.\n",
        destinations.len(),
        100.0 * ASCERTAINMENT[1],
        100.0 * ASCERTAINMENT[0],
        100.0 * ASCERTAINMENT[2],
        100.0 * range.mid().get(),
        100.0 * range.lo().get(),
        100.0 * range.hi().get(),
        method::INFLOW_LAMBDA_JOINT,
        all.lambda_mean,
        all.lambda95.lo,
        all.lambda95.hi,
    )?;
    text.push_str(
        "| rank | prefecture | persons | share | expected imports (95 % interval) \
         |\n|---|---|---|---|---|\n",
    );
    Ok(text)
}

/// What a destination is ranked by.
type Ranking = fn(&Destination) -> f64;

/// The rankings that need no counts of movement, against the flow.
fn rankings(destinations: &[Destination], decile: usize) -> Result<String> {
    let flows: Vec<f64> = destinations.iter().map(Destination::flow).collect();
    let (all, own) = (flows.iter().sum::<f64>(), top(&flows, decile));
    let share = |places: &[usize]| 100.0 * places.iter().map(|idx| flows[*idx]).sum::<f64>() / all;
    let mut text = format!(
        "The first decile is {decile} of {} prefectures.\n\n\
         | ranked by | Spearman's correlation with the flow | of the flow's first decile found | \
         share of all persons in the first decile |\n\
         |---|---|---|---|\n\
         | expected imports (the product) | 1, by construction | {decile} of {decile} | {:.1} % \
         |\n",
        destinations.len(),
        share(&own),
    );
    let baselines: [(&str, Ranking); 2] = [
        ("population", Destination::inhabitants),
        ("gravity: population / distance²", Destination::gravity),
    ];
    for (name, of) in baselines {
        let values: Vec<f64> = destinations.iter().map(of).collect();
        let places = top(&values, decile);
        let found = places.iter().filter(|idx| own.contains(idx)).count();
        let correlation = spearman(&values, &flows).context("a ranking does not vary")?;
        writeln!(
            text,
            "| {name} | {correlation:.3} | {found} of {decile} | {:.1} % |",
            share(&places)
        )?;
    }
    text.push_str(
        "\nLimits: the recording holds no cases, so this says what counting movements adds to a \
         map and not that cases followed; Jia et al. 2020, Nature 582:389, is where they were \
         compared with these counts.\n\
         With one origin the ranks by expected imports are those by flow, whatever the \
         prevalence: only the level rests on the assumption.\n\
         The counts are of phones of one carrier, for 24 days together, so nothing is said of \
         when people came; coordinates of the file mix degrees with minutes and decimals, so no \
         map is drawn and the distances of the file, which may rest on them, are taken as they \
         are.\n\
         Population and distance describe places and are no counts: the pipeline does not carry \
         them, and they are read from the recorded file itself.\n",
    );
    Ok(text)
}

/// The indices of the `n` largest values, the largest first, of equal ones the first.
fn top(values: &[f64], n: usize) -> Vec<usize> {
    let mut order: Vec<usize> = (0..values.len()).collect();
    order.sort_by(|a, b| values[*b].total_cmp(&values[*a]));
    order.truncate(n);
    order
}

/// A pane as the product gives it.
#[derive(Deserialize)]
struct Pane {
    site_id: String,
    persons: u64,
}

/// What the file says of a place.
#[derive(Deserialize)]
struct Place {
    city_code: String,
    city_en: String,
    #[serde(rename = "distance_to_wuhan(km)")]
    kilometres: f64,
    population: f64,
}

fn destinations(product: &Product) -> Result<Vec<Destination>> {
    let backfill = product.backfill("wuhan-outflow", &[format!("outflow={FILE}")])?;
    let panes: Vec<Pane> =
        backfill.rows("SELECT site_id, persons FROM pane_outflow_24d ORDER BY site_id")?;
    let file = product.data.join(FILE);
    let mut reader = csv::Reader::from_path(&file)
        .with_context(|| format!("failed to read {}", file.display()))?;
    let mut places = BTreeMap::new();
    for place in reader.deserialize() {
        let place: Place = place?;
        places.insert(place.city_code.clone(), place);
    }
    let join = |Pane { site_id, persons }: Pane| {
        let place = places.get(&site_id);
        let place = place.with_context(|| format!("the file has no place {site_id}"))?;
        Ok(Destination {
            name: place.city_en.clone(),
            persons,
            population: place.population,
            kilometres: place.kilometres,
        })
    };
    panes.into_iter().map(join).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn destination(name: &str, persons: u64, population: f64, kilometres: f64) -> Destination {
        Destination {
            name: name.to_owned(),
            persons,
            population,
            kilometres,
        }
    }

    #[test]
    fn rankings_are_set_against_the_flow() {
        let destinations = [
            destination("near", 90, 1.0, 1.0),
            destination("large", 9, 100.0, 100.0),
            destination("neither", 1, 2.0, 50.0),
        ];
        let table = rankings(&destinations, 1).unwrap();
        let check = |row: &str| assert!(table.contains(row), "{row} in {table}");
        check("| expected imports (the product) | 1, by construction | 1 of 1 | 90.0 % |");
        check("| population | -0.500 | 0 of 1 | 9.0 % |");
        check("| gravity: population / distance² | 1.000 | 1 of 1 | 90.0 % |");
    }

    #[test]
    fn the_largest_come_first() {
        assert_eq!(top(&[1.0, 3.0, 2.0, 3.0], 3), [1, 3, 2]);
        assert_eq!(top(&[1.0], 3), [0]);
    }
}
