//! The recorded series on which forecasts and aberrations are measured, as the product computes
//! them: a run of `backfill`, then its panes and layers by `sql`.
//!
//! What a set is, which days are holidays or events and where its earlier part ends stands in
//! `tests/scoreboard-series.toml`. Local times come from the product's SQL as well, so that a
//! clock change is what the product takes it for.

use std::collections::BTreeMap;

use anyhow::{Context, Result, ensure};
use serde::Deserialize;
use serde_json::Value;
use tidegate_risk::forecast::Point;

use super::product::Product;
use super::{events, forecast};

/// What is recorded, and what is publicly known of it.
const SETS: &str = include_str!("../../../tests/scoreboard-series.toml");

/// The content of [`SETS`].
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Sets {
    set: Vec<Set>,
}

/// Series of one kind at many places, and what is publicly known of their days.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Set {
    pub(crate) name: String,
    pub(crate) what: String,
    pub(crate) pipeline: String,
    /// `FEED=PATH` below the folder of the data.
    pub(crate) inputs: Vec<String>,
    /// A query for `site`, `window_start` and `value`; a value of null is not to be believed.
    values: String,
    /// Which values are believed.
    pub(crate) complete: String,
    zone: String,
    pub(crate) step_hours: u16,
    pub(crate) slots_per_day: u16,
    /// Steps ahead, ascending.
    pub(crate) horizons: Vec<u16>,
    /// The local day on which the later part begins.
    pub(crate) later: String,
    /// Types of Mondays to Sundays for the profiles; a holiday is of the Sundays'.
    pub(crate) day_types: [u8; 7],
    pub(crate) alike: Alike,
    /// Values of a baseline.
    pub(crate) baseline: u8,
    /// k of n windows.
    pub(crate) votes: [u8; 2],
    pub(crate) holidays_by: String,
    holidays: Vec<String>,
    /// What the data do not allow.
    pub(crate) note: String,
    #[serde(rename = "event")]
    pub(crate) events: Vec<Event>,
}

/// Which windows are compared with each other.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
pub(crate) enum Alike {
    /// Those of the same weekday and slot.
    #[serde(rename = "weekday")]
    Weekday,
    /// Those of the same slot on Mondays to Fridays, or at weekends.
    #[serde(rename = "working day")]
    WorkingDay,
}

/// What happened on some days, known to the public.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Event {
    pub(crate) what: String,
    /// Local days.
    pub(crate) days: Vec<String>,
    pub(crate) direction: Direction,
    /// Where it was; the whole city where there are none.
    #[serde(default)]
    pub(crate) sites: Vec<String>,
    pub(crate) by: String,
}

/// Whether more or fewer people than usual are expected.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Direction {
    More,
    Fewer,
}

impl Direction {
    pub(crate) const ALL: [Self; 2] = [Self::More, Self::Fewer];

    pub(crate) const fn as_str(self) -> &'static str {
        match self {
            Self::More => "more",
            Self::Fewer => "fewer",
        }
    }
}

/// A step of local time.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Step {
    /// Year, month and day.
    pub(crate) date: String,
    /// From 0, a Monday.
    pub(crate) weekday: u8,
    /// From 0.
    pub(crate) of_day: u16,
    pub(crate) is_holiday: bool,
}

/// What was counted at a place; as many points as there are steps.
#[derive(Debug)]
pub(crate) struct Series {
    pub(crate) site: String,
    pub(crate) points: Vec<Point>,
}

/// A set as the product gives it.
#[derive(Debug)]
pub(crate) struct Recorded {
    pub(crate) set: Set,
    /// Without a gap, from the first value to the last.
    pub(crate) steps: Vec<Step>,
    /// Those that are long enough, by site.
    pub(crate) series: Vec<Series>,
    /// Series that are not.
    pub(crate) left_out: usize,
    /// Steps of the earlier part.
    pub(crate) earlier: usize,
}

impl Set {
    pub(crate) fn holidays(&self) -> &[String] {
        &self.holidays
    }
}

/// The sections of forecasts and of known days.
pub(crate) fn section(product: &Product) -> Result<String> {
    let mut sets = Vec::new();
    for set in read(SETS)? {
        let name = set.name.clone();
        let recorded = product
            .backfill(&set.pipeline, &set.inputs)
            .and_then(|backfill| load(set, &|sql| backfill.rows(sql)));
        sets.push(recorded.with_context(|| format!("series of {name}"))?);
    }
    Ok(format!(
        "{}\n{}",
        forecast::text(&sets)?,
        events::text(&sets)?
    ))
}

/// The sets of `text`.
fn read(text: &str) -> Result<Vec<Set>> {
    Ok(toml::from_str::<Sets>(text)?.set)
}

/// Asks the product, which answers a query with its rows.
fn load(set: Set, rows: &dyn Fn(&str) -> Result<Vec<Value>>) -> Result<Recorded> {
    let values = &set.values;
    let bounds = rows(&format!(
        "SELECT min(window_start) AS first, max(window_start) AS last FROM ({values})"
    ))?;
    let bound = |name: &str| -> Option<&str> { bounds.first()?[name].as_str()?.strip_suffix('Z') };
    let (first, last) = bound("first")
        .zip(bound("last"))
        .context("there are no values")?;
    let (zone, hours) = (&set.zone, set.step_hours);
    let grid = rows(&format!(
        "SELECT to_char((value AT TIME ZONE 'UTC') AT TIME ZONE '{zone}', '%Y-%m-%d %u %H') AS local \
         FROM generate_series(TIMESTAMP '{first}', TIMESTAMP '{last}', INTERVAL '{hours} hours') \
         ORDER BY value"
    ))?;
    let steps = grid
        .iter()
        .map(|row| step(&set, row["local"].as_str().unwrap_or_default()))
        .collect::<Result<Vec<Step>>>()?;
    let found = rows(&format!(
        "SELECT site, CAST(date_part('epoch', window_start) \
         - date_part('epoch', TIMESTAMP '{first}') AS BIGINT) / {seconds} AS step, \
         CAST(value AS DOUBLE) AS value FROM ({values}) ORDER BY 1, 2",
        seconds = 3600 * i64::from(hours)
    ))?;
    let earlier = steps.partition_point(|step| step.date < set.later);
    let (series, left_out) = long_enough(by_site(&found, steps.len())?, earlier);
    Ok(Recorded {
        set,
        steps,
        series,
        left_out,
        earlier,
    })
}

/// The step that began at `local`, such as `2013-02-23 6 19`.
fn step(set: &Set, local: &str) -> Result<Step> {
    let parts: Vec<&str> = local.split(' ').collect();
    let &[date, weekday, hour] = parts.as_slice() else {
        anyhow::bail!("{local:?} is not a local time");
    };
    let weekday: u8 = weekday.parse()?;
    let hour: u16 = hour.parse()?;
    ensure!((1..=7).contains(&weekday), "{weekday} is not a weekday");
    Ok(Step {
        is_holiday: set.holidays.iter().any(|holiday| holiday == date),
        date: date.to_owned(),
        weekday: weekday - 1,
        of_day: hour * set.slots_per_day / 24,
    })
}

/// The series of rows of `site`, `step` and `value`. A step without a row is missing, one without
/// a value faulty.
fn by_site(rows: &[Value], n_steps: usize) -> Result<Vec<Series>> {
    let mut sites: BTreeMap<&str, Vec<Point>> = BTreeMap::new();
    for row in rows {
        let site = row["site"].as_str().context("a row without a site")?;
        let step = row["step"].as_u64().context("a row without a step")?;
        let points = sites
            .entry(site)
            .or_insert_with(|| vec![Point::Missing; n_steps]);
        let point = points
            .get_mut(usize::try_from(step)?)
            .with_context(|| format!("step {step} is not one of {n_steps}"))?;
        *point = row["value"]
            .as_f64()
            .map_or(Point::Faulty, Point::from_value);
    }
    let series = |(site, points): (&str, Vec<Point>)| Series {
        site: site.to_owned(),
        points,
    };
    Ok(sites.into_iter().map(series).collect())
}

/// The series with a value in half of the steps of the earlier and of the later part, and how
/// many there are beside them. Steps without a value anywhere are not of either part.
fn long_enough(all: Vec<Series>, earlier: usize) -> (Vec<Series>, usize) {
    let n_all = all.len();
    let n_steps = all.first().map_or(0, |series| series.points.len());
    let is_recorded = |step: &usize| {
        let mut points = all.iter().map(|series| series.points[*step]);
        points.any(|point| point.observed().is_some())
    };
    let recorded: Vec<usize> = (0..n_steps).filter(is_recorded).collect();
    let (before, after) = recorded.split_at(recorded.partition_point(|step| *step < earlier));
    let half = |series: &Series, steps: &[usize]| {
        let observed = |step: &&usize| series.points[**step].observed().is_some();
        2 * steps.iter().filter(observed).count() >= steps.len()
    };
    let series: Vec<Series> = all
        .into_iter()
        .filter(|series| half(series, before) && half(series, after))
        .collect();
    let left_out = n_all - series.len();
    (series, left_out)
}

fn observed(points: &[Point]) -> usize {
    points
        .iter()
        .filter(|point| point.observed().is_some())
        .count()
}

impl Recorded {
    /// Points of all series that are believed, that came and are not, and that did not come.
    pub(crate) fn points(&self) -> [usize; 3] {
        let points = || self.series.iter().flat_map(|series| &series.points);
        let faulty = points().filter(|point| **point == Point::Faulty).count();
        let n_observed = self.series.iter().map(|one| observed(&one.points)).sum();
        [n_observed, faulty, points().count() - n_observed - faulty]
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;
    use serde_json::json;

    /// A set of one place with an hour of each day from Monday, 1 January 2024 on.
    pub(crate) fn set(more: &str) -> Set {
        let text = format!(
            "[[set]]\nname = 'S'\nwhat = 'w'\npipeline = 'p'\ninputs = []\nvalues = 'v'\n\
             complete = 'c'\nzone = 'UTC'\nstep_hours = 12\nslots_per_day = 2\nhorizons = [1]\n\
             later = '2024-01-03'\nday_types = [0, 0, 0, 0, 1, 2, 3]\nalike = 'weekday'\nbaseline = 4\nvotes = [1, 1]\n\
             holidays_by = 'h'\nholidays = ['2024-01-02']\nnote = 'n'\n{more}"
        );
        let text = if more.contains("event") {
            text
        } else {
            format!("{text}event = []\n")
        };
        read(&text).unwrap().remove(0)
    }

    fn answer(sql: &str) -> Vec<Value> {
        if sql.contains("min(window_start)") {
            return vec![
                json!({ "first": "2024-01-01T00:00:00Z", "last": "2024-01-04T00:00:00Z" }),
            ];
        }
        if sql.contains("generate_series") {
            let local = [
                "2024-01-01 1 00",
                "2024-01-01 1 12",
                "2024-01-02 2 00",
                "2024-01-02 2 12",
                "2024-01-03 3 00",
                "2024-01-03 3 12",
                "2024-01-04 4 00",
            ];
            return local
                .iter()
                .map(|local| json!({ "local": local }))
                .collect();
        }
        [("a", 0), ("a", 2), ("a", 4), ("a", 5), ("b", 1), ("b", 6)]
            .iter()
            .map(|(site, step)| json!({ "site": site, "step": step, "value": 7.0 }))
            .chain([json!({ "site": "a", "step": 1, "value": null })])
            .collect()
    }

    #[test]
    fn what_did_not_come_is_missing_and_what_is_null_is_faulty() {
        let recorded = load(set(""), &|sql| Ok(answer(sql))).unwrap();
        assert_eq!((recorded.earlier, recorded.left_out), (4, 1));
        let seen = Point::from_value(7.0);
        let (faulty, missing) = (Point::Faulty, Point::Missing);
        assert_eq!(recorded.series[0].site, "a");
        assert_eq!(
            recorded.series[0].points,
            [seen, faulty, seen, missing, seen, seen, missing]
        );
        assert_eq!(recorded.points(), [4, 1, 2]);
        assert_eq!(
            recorded.steps[3],
            Step {
                date: "2024-01-02".to_owned(),
                weekday: 1,
                of_day: 1,
                is_holiday: true
            }
        );
    }

    #[test]
    fn a_row_outside_the_steps_is_an_error() {
        let row = |step: i64| [json!({ "site": "a", "step": step, "value": 1.0 })];
        assert!(by_site(&row(6), 7).is_ok());
        assert!(by_site(&row(7), 7).is_err());
        assert!(by_site(&row(-1), 7).is_err());
        assert!(step(&set(""), "2024-01-01 8 00").is_err());
        assert!(step(&set(""), "").is_err());
    }
}
