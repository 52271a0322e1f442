//! Origins of travellers: reported cases, tests and tiers, from CSV or JSON text.
//!
//! What is known of an origin's prevalence is, in this order: a sample that was tested, cases by
//! day of report, cases of seven days.

use std::collections::{BTreeMap, BTreeSet};

use jiff::civil::Date;
use serde::de::DeserializeOwned;
use tidegate_model::Incidence;
use tidegate_risk::importation::{
    Ascertainment, BetaPosterior, DailyReports, Held, ImportationError, InfectiousCurve,
    OriginError, OriginKind, PrevalenceRange, Reported, TierRule, prevalence_range,
};

use crate::{InfectionConfig, Problem};

/// Days of reports that are read of one origin.
const REPORT_DAYS_MAX: usize = 1_000;

/// What an origin's prevalence rests on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum EvidenceBasis {
    /// Cases reported in seven days.
    ReportedWeekly,
    /// Cases by day of report, shifted by the delay from infection to report.
    ReportedDaily,
    /// A sample that was tested.
    Tested,
}

impl EvidenceBasis {
    /// The word used in SQL.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::ReportedWeekly => "reported_weekly",
            Self::ReportedDaily => "reported_daily",
            Self::Tested => "tested",
        }
    }
}

/// Where travellers come from, and what is known of infection there.
#[derive(Debug, Clone)]
pub struct Origin {
    /// The row of the incidence file.
    pub incidence: Incidence,
    /// In the country or not, where the file says so.
    pub kind: Option<OriginKind>,
    /// The tier whose rule is applied on entry; nothing is done where there is none.
    pub tier: Option<String>,
    /// What is known of its prevalence.
    pub evidence: Reported,
    /// What that rests on.
    pub basis: EvidenceBasis,
    /// The prevalence at high, middle and low ascertainment; of a tested sample its mean and its
    /// 95 % interval.
    pub prevalence: PrevalenceRange,
    /// The day that the prevalence is about.
    pub as_of: Date,
}

/// The texts that origins are read from, each with the name of its file.
#[derive(Debug, Clone, Copy)]
pub(crate) struct OriginFiles<'a> {
    pub(crate) incidence: (&'a str, &'a str),
    pub(crate) reports: Option<(&'a str, &'a str)>,
    pub(crate) infection: Option<&'a InfectionConfig>,
    pub(crate) tiers: &'a BTreeMap<String, TierRule>,
}

/// A row of an incidence file.
#[derive(Debug, serde::Deserialize)]
#[serde(deny_unknown_fields)]
struct IncidenceRow {
    origin: String,
    #[serde(default)]
    kind: Option<String>,
    #[serde(default)]
    tier: Option<String>,
    cases_7d: u64,
    population: u64,
    ascertainment_low: f64,
    ascertainment_mid: f64,
    ascertainment_high: f64,
    infectious_days: f64,
    #[serde(default)]
    positive: Option<u64>,
    #[serde(default)]
    tested: Option<u64>,
    as_of: String,
}

/// A row of a file of reports: cases of one origin that were reported on one day.
#[derive(Debug, serde::Deserialize)]
#[serde(deny_unknown_fields)]
struct ReportRow {
    origin: String,
    date: Date,
    cases: u64,
}

/// A row of a file of tiers.
#[derive(Debug, serde::Deserialize)]
#[serde(deny_unknown_fields)]
struct TierRow {
    tier: String,
    entry_effect: f64,
    #[serde(default)]
    held_share: Option<f64>,
    #[serde(default)]
    stay_days: Option<u32>,
}

/// Cases by day of report, without gaps.
#[derive(Debug)]
struct Reports {
    first: Date,
    cases: Vec<u64>,
}

/// Notes what is wrong with one row of one file.
struct Row<'a> {
    file: &'a str,
    key: &'a str,
    problems: &'a mut Vec<Problem>,
}

impl Row<'_> {
    fn problem(&mut self, name: &str, message: impl Into<String>) {
        let key = format!("{}.{name}", self.key);
        self.problems.push(Problem::new(self.file, &key, message));
    }
}

/// Reads tiers by name: what is done with travellers on entry.
pub(crate) fn read_tiers(
    file: &str,
    text: &str,
    problems: &mut Vec<Problem>,
) -> BTreeMap<String, TierRule> {
    let mut tiers = BTreeMap::new();
    for (key, row) in rows::<TierRow>(file, text, problems) {
        match tier(&row) {
            Ok(rule) => {
                if tiers.insert(row.tier.clone(), rule).is_some() {
                    let message = format!("tier {:?} is there twice", row.tier);
                    problems.push(Problem::new(file, "tier", message));
                }
            }
            Err(message) => problems.push(Problem::new(file, &key, message)),
        }
    }
    tiers
}

fn tier(row: &TierRow) -> Result<TierRule, String> {
    let said = |error: OriginError| error.to_string();
    let held = match (row.held_share, row.stay_days) {
        (None, None) => None,
        (Some(share), Some(days)) => Some(Held::try_new(share, days).map_err(said)?),
        _ => return Err("held_share and stay_days belong together: give both or none".to_owned()),
    };
    TierRule::try_new(row.entry_effect, held).map_err(said)
}

/// Reads origins, ordered by name.
pub(crate) fn read_origins(files: OriginFiles<'_>, problems: &mut Vec<Problem>) -> Vec<Origin> {
    let (file, text) = files.incidence;
    let reports = files
        .reports
        .map(|(file, text)| read_reports(file, text, problems))
        .unwrap_or_default();
    let curve = files.infection.and_then(|config| curve(config, problems));
    let mut origins: Vec<Origin> = Vec::new();
    let mut names = BTreeSet::new();
    for (key, row) in rows::<IncidenceRow>(file, text, problems) {
        let mut noted = Row {
            file,
            key: &key,
            problems,
        };
        let known = Known {
            reports: reports.get(&row.origin),
            curve: curve.as_ref(),
            delay_days: files.infection.map_or(0, |config| config.delay_days),
            tiers: files.tiers,
        };
        names.insert(row.origin.clone());
        origins.extend(origin(row, &known, &mut noted));
    }
    origins.sort_by(|a, b| a.incidence.origin.cmp(&b.incidence.origin));
    for pair in origins.windows(2) {
        let name = &pair[0].incidence.origin;
        if *name == pair[1].incidence.origin {
            let message = format!("origin {name:?} is there twice");
            problems.push(Problem::new(file, "origin", message));
        }
    }
    if let Some((reports_file, _)) = files.reports {
        for name in reports.keys().filter(|name| !names.contains(*name)) {
            let message = format!("origin {name:?} is not in {file}");
            problems.push(Problem::new(reports_file, "origin", message));
        }
    }
    origins
}

/// What is known beside an origin's own row.
struct Known<'a> {
    reports: Option<&'a Reports>,
    curve: Option<&'a InfectiousCurve>,
    delay_days: u32,
    tiers: &'a BTreeMap<String, TierRule>,
}

/// The origin of a row; `None` when something is wrong, which is noted.
fn origin(row: IncidenceRow, known: &Known<'_>, noted: &mut Row<'_>) -> Option<Origin> {
    let before = noted.problems.len();
    let ascertainment = check_numbers(&row, noted);
    let as_of = row.as_of.parse::<Date>().ok();
    if as_of.is_none() {
        noted.problem("as_of", format!("{:?} is not a date YYYY-MM-DD", row.as_of));
    }
    let kind = row.kind.as_deref().and_then(|word| {
        let kind = OriginKind::from_word(word);
        if kind.is_none() {
            noted.problem("kind", format!("{word:?} is not domestic or foreign"));
        }
        kind
    });
    let tier = row.tier.as_deref();
    if let Some(tier) = tier.filter(|tier| !known.tiers.contains_key(*tier)) {
        noted.problem("tier", format!("{tier:?} is not a tier of reference.tiers"));
    }
    if noted.problems.len() > before {
        return None;
    }
    let (ascertainment, as_of) = (ascertainment?, as_of?);
    let found = evidence(&row, known, ascertainment, as_of)
        .map_err(|(name, message)| noted.problem(name, message))
        .ok()?;
    let incidence = Incidence {
        origin: row.origin,
        cases_7d: row.cases_7d,
        population: row.population,
        ascertainment: ascertainment.get(),
        infectious_days: row.infectious_days,
        as_of: row.as_of,
    };
    Some(Origin {
        incidence,
        kind,
        tier: row.tier,
        evidence: found.evidence,
        basis: found.basis,
        prevalence: found.prevalence,
        as_of: found.as_of,
    })
}

/// The range of ascertainment, when the numbers of the row are possible.
fn check_numbers(row: &IncidenceRow, noted: &mut Row<'_>) -> Option<Ascertainment> {
    if row.population == 0 {
        noted.problem("population", "0 is not a population above 0");
    }
    if row.cases_7d > row.population {
        let (cases, population) = (row.cases_7d, row.population);
        let message = format!("{cases} is more than population {population}");
        noted.problem("cases_7d", message);
    }
    if !(row.infectious_days > 0.0 && row.infectious_days <= 365.0) {
        let days = row.infectious_days;
        noted.problem("infectious_days", format!("{days} is not in (0, 365]"));
    }
    let range = [
        row.ascertainment_low,
        row.ascertainment_mid,
        row.ascertainment_high,
    ];
    let ascertainment = Ascertainment::try_new(range).ok();
    if ascertainment.is_none() {
        let message = format!("{range:?} must ascend within (0, 1]");
        noted.problem("ascertainment_low", message);
    }
    ascertainment
}

/// What is known of a prevalence, and of which day.
struct Found {
    evidence: Reported,
    basis: EvidenceBasis,
    prevalence: PrevalenceRange,
    as_of: Date,
}

/// A column that is wrong, and how.
type Wrong = (&'static str, String);

fn evidence(
    row: &IncidenceRow,
    known: &Known<'_>,
    ascertainment: Ascertainment,
    as_of: Date,
) -> Result<Found, Wrong> {
    let because = |name: &'static str| move |error: ImportationError| (name, error.to_string());
    match (row.positive, row.tested) {
        (Some(positive), Some(tested)) => {
            let posterior =
                BetaPosterior::try_jeffreys(positive, tested).map_err(because("positive"))?;
            return Ok(Found {
                evidence: Reported::of_tests(posterior),
                basis: EvidenceBasis::Tested,
                prevalence: PrevalenceRange::of_posterior(posterior),
                as_of,
            });
        }
        (None, None) => {}
        _ => {
            let message = "positive and tested belong together: give both or none";
            return Err(("positive", message.to_owned()));
        }
    }
    if let (Some(reports), Some(curve)) = (known.reports, known.curve) {
        return daily(row, reports, (curve, known.delay_days), ascertainment);
    }
    let (cases, population, days) = (row.cases_7d, row.population, row.infectious_days);
    let reported = Reported::try_weekly(cases, population, days, ascertainment)
        .map_err(because("cases_7d"))?;
    let prevalence = prevalence_range(cases, population, ascertainment, days);
    Ok(Found {
        evidence: reported,
        basis: EvidenceBasis::ReportedWeekly,
        prevalence: prevalence.map_err(because("cases_7d"))?,
        as_of,
    })
}

/// From cases by day of report, of the last day whose infections have been reported.
fn daily(
    row: &IncidenceRow,
    reports: &Reports,
    (curve, delay): (&InfectiousCurve, u32),
    ascertainment: Ascertainment,
) -> Result<Found, Wrong> {
    let days = reports.cases.len();
    let known = DailyReports {
        cases: &reports.cases,
        delay_days: usize::try_from(delay).unwrap_or(usize::MAX),
    };
    let day = known.last_day().ok_or_else(|| {
        let message = format!("{days} days of reports are not more than a delay of {delay}");
        ("origin", message)
    })?;
    let reported = Reported::try_daily(known, day, curve, row.population, ascertainment)
        .map_err(|error| ("origin", error.to_string()))?;
    let mut dates = std::iter::successors(Some(reports.first), |date| date.tomorrow().ok());
    let as_of = dates.nth(day);
    Ok(Found {
        evidence: reported,
        basis: EvidenceBasis::ReportedDaily,
        prevalence: reported.prevalence(),
        as_of: as_of.expect("each day of the reports has a date"),
    })
}

fn curve(config: &InfectionConfig, problems: &mut Vec<Problem>) -> Option<InfectiousCurve> {
    InfectiousCurve::try_new(&config.infectious_curve)
        .map_err(|error| {
            let key = "infection.infectious_curve";
            problems.push(Problem::new("pipeline.toml", key, error.to_string()));
        })
        .ok()
}

/// Reports by origin, each without gaps; what is wrong is noted, and its origin left out.
fn read_reports(file: &str, text: &str, problems: &mut Vec<Problem>) -> BTreeMap<String, Reports> {
    let mut by_origin: BTreeMap<String, BTreeMap<Date, u64>> = BTreeMap::new();
    for (key, row) in rows::<ReportRow>(file, text, problems) {
        let (origin, date) = (row.origin.clone(), row.date);
        let days = by_origin.entry(row.origin).or_default();
        if days.insert(date, row.cases).is_some() {
            let message = format!("{date} of origin {origin:?} is there twice");
            problems.push(Problem::new(file, &key, message));
        }
    }
    let mut reports = BTreeMap::new();
    for (origin, days) in by_origin {
        match without_gaps(days) {
            Ok(found) => {
                reports.insert(origin, found);
            }
            Err(message) => {
                problems.push(Problem::new(file, &format!("origin {origin}"), message));
            }
        }
    }
    reports
}

fn without_gaps(days: BTreeMap<Date, u64>) -> Result<Reports, String> {
    if days.len() > REPORT_DAYS_MAX {
        return Err(format!(
            "{} days are more than {REPORT_DAYS_MAX}",
            days.len()
        ));
    }
    let mut pairs = days.keys().zip(days.keys().skip(1));
    if let Some((before, after)) = pairs.find(|(a, b)| a.tomorrow().ok() != Some(**b)) {
        return Err(format!(
            "has no row between {before} and {after}: a day without cases has a row with 0"
        ));
    }
    let first = days.keys().next().copied();
    Ok(Reports {
        first: first.expect("an origin has a first row"),
        cases: days.into_values().collect(),
    })
}

/// The rows of a CSV file, or of a JSON array when its name ends so, each with its place; those
/// that cannot be read are noted.
fn rows<T: DeserializeOwned>(
    file: &str,
    text: &str,
    problems: &mut Vec<Problem>,
) -> Vec<(String, T)> {
    let text = text.trim_start_matches('\u{feff}');
    let is_json = std::path::Path::new(file)
        .extension()
        .is_some_and(|name| name == "json");
    let read: Vec<(String, Result<T, String>)> = if is_json {
        match serde_json::from_str::<Vec<serde_json::Value>>(text) {
            Ok(rows) => rows
                .into_iter()
                .enumerate()
                .map(|(idx, row)| {
                    let row = serde_json::from_value(row).map_err(|error| error.to_string());
                    (format!("[{idx}]"), row)
                })
                .collect(),
            Err(error) => {
                let message = format!("is not a JSON array: {error}");
                problems.push(Problem::new(file, "", message));
                return Vec::new();
            }
        }
    } else {
        csv_rows(text)
    };
    let mut rows = Vec::new();
    for (key, row) in read {
        match row {
            Ok(row) => rows.push((key, row)),
            Err(message) => problems.push(Problem::new(file, &key, message)),
        }
    }
    rows
}

/// The rows below the first line of a CSV file, each with its place.
fn csv_rows<T: DeserializeOwned>(text: &str) -> Vec<(String, Result<T, String>)> {
    let mut reader = csv::ReaderBuilder::new()
        .trim(csv::Trim::All)
        .from_reader(text.as_bytes());
    let headers = match reader.headers() {
        Ok(headers) => headers.clone(),
        Err(error) => return vec![("row 0".to_owned(), Err(error.to_string()))],
    };
    let read = |row: Result<csv::StringRecord, csv::Error>| {
        let row = row.map_err(|error| error.to_string())?;
        row.deserialize(Some(&headers))
            .map_err(|error| field_error(&error, &headers, &row))
    };
    let rows = reader.records().enumerate();
    rows.map(|(idx, row)| (format!("row {}", idx + 1), read(row)))
        .collect()
}

/// Which field of `row` cannot be read, and what stands there.
fn field_error(error: &csv::Error, headers: &csv::StringRecord, row: &csv::StringRecord) -> String {
    if let csv::ErrorKind::Deserialize { err, .. } = error.kind() {
        let field = err.field().and_then(|field| usize::try_from(field).ok());
        if let Some((name, value)) = field.and_then(|at| headers.get(at).zip(row.get(at))) {
            return format!("{name} {value:?} cannot be read: {}", err.kind());
        }
    }
    error.to_string()
}

#[cfg(test)]
mod tests;
