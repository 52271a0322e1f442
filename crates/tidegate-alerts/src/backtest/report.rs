//! What a backtest says: coverage, then rule by rule.

use std::collections::BTreeMap;

use jiff::Timestamp;
use jiff::civil::Date;
use jiff::tz::TimeZone;
use tidegate_model::{EventTime, Span};

use super::coverage::LayerCoverage;
use super::episode::Episode;
use super::layer::LayerOutcome;
use crate::rule::Rule;

/// A subject by what fired on it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Place {
    /// Its kind.
    pub subject_kind: String,
    /// Its id.
    pub subject: String,
    /// Its name in Chinese.
    pub name_zh: String,
    /// Its name in English.
    pub name_en: String,
    /// Alerts raised on it.
    pub fires: u64,
    /// How long alerts were raised on it.
    pub firing: Span,
}

/// What one rule would have done.
#[derive(Debug, Clone, PartialEq)]
pub struct RuleReport {
    /// The rule.
    pub rule: String,
    /// The hash of its content.
    pub rule_hash: String,
    /// Its layer.
    pub layer: String,
    /// It records and never notifies.
    pub is_shadow: bool,
    /// Days from the start of the first window to the end of the last.
    pub days: f64,
    /// Its alerts, by the time of their raise.
    pub episodes: Vec<Episode>,
    /// Alerts that are still open at the end.
    pub open: u64,
    /// Alerts raised over [`RuleReport::days`].
    pub fires_per_day: f64,
    /// The local day with the most raises, the first of equal ones, and how many.
    pub busiest_day: Option<(Date, u64)>,
    /// How long alerts were raised, added up over subjects.
    pub firing: Span,
    /// Changes that were told of the episodes.
    pub transitions: u64,
    /// How often alerts were flapping.
    pub flapping_periods: u64,
    /// How long they were; to the last window where they still are.
    pub flapping: Span,
    /// Subjects by fires, most first.
    pub places: Vec<Place>,
}

impl RuleReport {
    /// Changes told for each alert; 0 without alerts.
    pub fn flips_per_episode(&self) -> f64 {
        super::coverage::share(self.transitions, self.episodes.len() as u64)
    }

    /// Changes told a day; 0 without data.
    #[expect(clippy::cast_precision_loss, reason = "a count, far below 2⁵³")]
    pub fn flips_per_day(&self) -> f64 {
        if self.days <= 0.0 {
            return 0.0;
        }
        self.transitions as f64 / self.days
    }
}

/// What rules would have done on the data of a period.
#[derive(Debug, Clone, PartialEq)]
pub struct Report {
    /// Start of the first window of any layer.
    pub from: Option<EventTime>,
    /// End of the last window of any layer.
    pub to: Option<EventTime>,
    /// What there was of each layer.
    pub layers: Vec<LayerCoverage>,
    /// Rule by rule, in the order of the file.
    pub rules: Vec<RuleReport>,
    /// How often an alert did not begin because the machine was full: the numbers are too low.
    pub refused: u64,
}

impl Report {
    /// The report on `rules` from what became of their layers. Days are those of `zone`.
    pub fn new(rules: &[Rule], outcomes: &[LayerOutcome], zone: &TimeZone) -> Self {
        let layers: Vec<LayerCoverage> = outcomes.iter().map(|one| one.coverage.clone()).collect();
        let mut by_rule: BTreeMap<&str, Vec<Episode>> = BTreeMap::new();
        for episode in outcomes.iter().flat_map(|outcome| &outcome.episodes) {
            let of_rule = by_rule.entry(&episode.rule).or_default();
            of_rule.push(episode.clone());
        }
        let rules = rules.iter().map(|rule| {
            let layer = layers.iter().find(|layer| layer.layer == rule.layer());
            let episodes = by_rule.remove(rule.name()).unwrap_or_default();
            of_rule(rule, layer, episodes, zone)
        });
        Self {
            rules: rules.collect(),
            from: layers.iter().filter_map(|layer| layer.from).min(),
            to: layers.iter().filter_map(|layer| layer.to).max(),
            refused: outcomes.iter().map(|outcome| outcome.refused).sum(),
            layers,
        }
    }

    /// All episodes of all rules, in the order of rules and then of time.
    pub fn episodes(&self) -> impl Iterator<Item = &Episode> {
        self.rules.iter().flat_map(|rule| &rule.episodes)
    }
}

fn of_rule(
    rule: &Rule,
    layer: Option<&LayerCoverage>,
    episodes: Vec<Episode>,
    zone: &TimeZone,
) -> RuleReport {
    let days = layer.and_then(|layer| Some((layer.from?, layer.to?)));
    let days = days.map_or(0.0, |(from, to)| to.since(from).as_seconds_f64() / 86_400.0);
    let mut by_day: BTreeMap<Date, u64> = BTreeMap::new();
    for episode in &episodes {
        if let Ok(raised) = Timestamp::from_microsecond(episode.raised.micros()) {
            *by_day.entry(zone.to_datetime(raised).date()).or_default() += 1;
        }
    }
    let busiest = by_day.into_iter().rev().max_by_key(|(_, fires)| *fires);
    let flapping = episodes.iter().flat_map(|episode| {
        let end = episode.end();
        episode.flapping.iter().map(move |period| {
            let to = period.to.unwrap_or(end);
            to.since(period.from)
        })
    });
    let flapping: Vec<Span> = flapping.collect();
    #[expect(clippy::cast_precision_loss, reason = "a count, far below 2⁵³")]
    let fires_per_day = if days > 0.0 {
        episodes.len() as f64 / days
    } else {
        0.0
    };
    RuleReport {
        rule: rule.name().to_owned(),
        rule_hash: rule.hash().to_owned(),
        layer: rule.layer().to_owned(),
        is_shadow: rule.mode() == crate::words::Mode::Shadow,
        days,
        open: episodes.iter().filter(|one| one.resolved.is_none()).count() as u64,
        fires_per_day,
        busiest_day: busiest,
        firing: sum(episodes.iter().map(Episode::firing)),
        transitions: episodes.iter().map(|episode| episode.transitions).sum(),
        flapping_periods: flapping.len() as u64,
        flapping: sum(flapping.into_iter()),
        places: places(&episodes),
        episodes,
    }
}

fn sum(spans: impl Iterator<Item = Span>) -> Span {
    Span::micros(spans.map(Span::as_micros).fold(0, i64::saturating_add))
}

/// Subjects by fires, most first; then by how long, then by id.
fn places(episodes: &[Episode]) -> Vec<Place> {
    let mut places: BTreeMap<(&str, &str), Place> = BTreeMap::new();
    for episode in episodes {
        let key = (episode.subject_kind.as_str(), episode.subject.as_str());
        let place = places.entry(key).or_insert_with(|| Place {
            subject_kind: episode.subject_kind.clone(),
            subject: episode.subject.clone(),
            name_zh: episode.name_zh.clone(),
            name_en: episode.name_en.clone(),
            fires: 0,
            firing: Span::ZERO,
        });
        place.fires += 1;
        place.firing = sum([place.firing, episode.firing()].into_iter());
    }
    let mut places: Vec<Place> = places.into_values().collect();
    places.sort_by_key(|place| std::cmp::Reverse((place.fires, place.firing.as_micros())));
    places
}
