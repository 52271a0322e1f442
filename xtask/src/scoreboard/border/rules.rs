//! Rules over the border's series: what each says of a day, and the choice among them.

use anyhow::{Context, Result};
use tidegate_risk::aberration::Point;
use tidegate_risk::aberration::baseline::{BaselineRule, Score, SlotBaselines};
use tidegate_risk::aberration::ears::Ears;

use super::super::stats::count;
use super::calendar::{Day, Part};

/// The series of all points together.
pub(super) const ALL: &str = "all points";

/// Days without anybody after which a point is closed.
pub(super) const CLOSED_AFTER: usize = 28;

/// Days before and after a reopening that are shown.
pub(super) const SHOWN: usize = 7;

/// False alarms a week, over all series together, that a rule may raise in 2021 and 2022.
pub(super) const FALSE_ALARMS_MAX: f64 = 0.5;

/// How much a count is raised to ask whether the rule would see it.
const RISE: f64 = 1.5;

/// Thresholds among which they choose, in standard deviations.
pub(super) const THRESHOLDS: [f64; 8] = [2.0, 2.5, 3.0, 3.5, 4.0, 5.0, 6.0, 8.0];

/// What a count is compared with.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) enum Comparison {
    /// The seven counts before it: EARS C1 without a calendar.
    DaysBefore,
    /// Square roots of counts of earlier days of the same type.
    SameDayType(BaselineRule),
}

/// A comparison and the score above which it alarms.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Rule {
    pub(super) comparison: Comparison,
    pub(super) threshold: f64,
}

/// A count against its baseline.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Scored {
    score: f64,
    /// What a count [`RISE`] times as high would have.
    of_rise: f64,
}

/// Persons in by day of one series; `None` where the product has no row.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Series {
    pub(super) name: String,
    pub(super) persons: Vec<Option<f64>>,
}

impl Series {
    /// Whether nobody came on the day and on the days before it.
    pub(super) fn is_closed(&self, day: usize) -> bool {
        let before = (day + 1).checked_sub(CLOSED_AFTER);
        before.is_some_and(|from| {
            let days = &self.persons[from..=day];
            days.iter().all(|persons| persons.unwrap_or(0.0) == 0.0)
        })
    }

    /// Whether people came on the day after it was closed.
    pub(super) fn reopens(&self, day: usize) -> bool {
        let came = self.persons[day].is_some_and(|persons| persons > 0.0);
        came && day
            .checked_sub(1)
            .is_some_and(|before| self.is_closed(before))
    }
}

/// What a rule said over a part of the days.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub(super) struct Tally {
    pub(super) ordinary_days: usize,
    pub(super) false_alarms: usize,
    pub(super) rises: usize,
    pub(super) rises_seen: usize,
}

impl Tally {
    pub(super) fn false_alarms_a_week(&self) -> f64 {
        7.0 * count(self.false_alarms) / count(self.ordinary_days.max(1))
    }

    pub(super) fn seen(&self) -> f64 {
        count(self.rises_seen) / count(self.rises.max(1))
    }
}

/// The border as the product has it.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Border {
    pub(super) days: Vec<Day>,
    pub(super) series: Vec<Series>,
}

impl Border {
    pub(super) fn day(&self, date: &str) -> Result<usize> {
        let found = self.days.iter().position(|day| day.date == date);
        found.with_context(|| format!("{date} is not in the recording"))
    }

    /// The scores of every series, in its order, by day.
    pub(super) fn scores(&self, comparison: Comparison) -> Result<Vec<Vec<Option<Scored>>>> {
        let each = self
            .series
            .iter()
            .map(|one| scores(&self.days, one, comparison));
        each.collect()
    }

    pub(super) fn tally(
        &self,
        scores: &[Vec<Option<Scored>>],
        threshold: f64,
        part: Part,
    ) -> Tally {
        let mut tally = Tally::default();
        for (idx, day) in self.days.iter().enumerate() {
            if day.part != part {
                continue;
            }
            tally.ordinary_days += usize::from(day.is_ordinary);
            for (series, of_days) in self.series.iter().zip(scores) {
                let Some(own) = of_days[idx] else {
                    continue;
                };
                if day.is_ordinary {
                    tally.false_alarms += usize::from(own.score > threshold);
                    if series.persons[idx].is_some_and(|persons| persons > 0.0) {
                        tally.rises += 1;
                        tally.rises_seen += usize::from(own.of_rise > threshold);
                    }
                }
            }
        }
        tally
    }

    /// What was raised on the day of a reopening, and when all points together were.
    pub(super) fn reopening(
        &self,
        scores: &[Vec<Option<Scored>>],
        threshold: f64,
        day: usize,
    ) -> String {
        let raised = self.alarmed(scores, threshold, day);
        let opened = self.series.iter().filter(|series| series.reopens(day));
        let opened: Vec<&str> = opened.map(|series| series.name.as_str()).collect();
        let seen = opened.iter().filter(|name| raised.contains(name)).count();
        let until = (day + SHOWN).min(self.days.len() - 1);
        let together = (day..=until)
            .find(|day| self.alarmed(scores, threshold, *day).contains(&ALL))
            .map_or("MISSED within a week", |day| self.days[day].date.as_str());
        format!("{seen} of {} opened; {together}", opened.len())
    }

    /// Alarms of closed points, over all days.
    pub(super) fn alarms_while_closed(
        &self,
        scores: &[Vec<Option<Scored>>],
        threshold: f64,
    ) -> usize {
        let raised = |day: usize, scored: Option<Scored>| {
            scored
                .is_some_and(|scored| scored.score > threshold)
                .then_some(day)
        };
        let each = self.series.iter().zip(scores).map(|(series, scores)| {
            let alarms = scores.iter().enumerate();
            let alarms = alarms.filter_map(|(day, scored)| raised(day, *scored));
            alarms.filter(|day| series.is_closed(*day)).count()
        });
        each.sum()
    }

    /// The names of the series that alarm on a day.
    pub(super) fn alarmed(
        &self,
        scores: &[Vec<Option<Scored>>],
        threshold: f64,
        day: usize,
    ) -> Vec<&str> {
        let alarms = self.series.iter().zip(scores);
        let alarms =
            alarms.filter(|(_, scores)| scores[day].is_some_and(|scored| scored.score > threshold));
        alarms.map(|(series, _)| series.name.as_str()).collect()
    }
}

/// Of the rules with few enough false alarms in 2021 and 2022, the one that sees most.
pub(super) fn choose(border: &Border, comparisons: &[Comparison]) -> Result<Rule> {
    let mut best: Option<(f64, Rule)> = None;
    for comparison in comparisons {
        let scores = border.scores(*comparison)?;
        for threshold in THRESHOLDS {
            let tally = border.tally(&scores, threshold, Part::Fit);
            let rule = Rule {
                comparison: *comparison,
                threshold,
            };
            let allowed = tally.false_alarms_a_week() <= FALSE_ALARMS_MAX;
            if allowed && best.is_none_or(|(seen, _)| tally.seen() > seen) {
                best = Some((tally.seen(), rule));
            }
        }
    }
    Ok(best.context("every rule raises too many false alarms")?.1)
}

/// The score of each day of a series, `None` where there is no value or no baseline.
fn scores(days: &[Day], series: &Series, comparison: Comparison) -> Result<Vec<Option<Scored>>> {
    let mut before = Ears::new(BaselineRule::DEFAULT);
    let mut same_type = match comparison {
        Comparison::SameDayType(rule) => SlotBaselines::new(rule),
        Comparison::DaysBefore => SlotBaselines::new(BaselineRule::DEFAULT),
    };
    let mut found = Vec::with_capacity(days.len());
    for (day, persons) in days.iter().zip(&series.persons) {
        let Some(persons) = *persons else {
            found.push(None);
            continue;
        };
        let (score, of_rise) = match comparison {
            Comparison::DaysBefore => {
                let of_rise = before.judge(RISE * persons)?.c1;
                (before.take(Point::Trains(persons))?.c1, of_rise)
            }
            Comparison::SameDayType(_) => {
                let slot = day.kind.slot();
                let of_rise = same_type.judge(slot, root(RISE * persons))?;
                let score = same_type.take(slot, Point::Trains(root(persons)))?;
                (score, of_rise)
            }
        };
        let both = score.map(Score::value).zip(of_rise.map(Score::value));
        found.push(both.map(|(score, of_rise)| Scored { score, of_rise }));
    }
    Ok(found)
}

/// The doubled square root, whose standard deviation does not grow with the count.
fn root(persons: f64) -> f64 {
    2.0 * persons.sqrt()
}
