//! Seoul's hotspots: does a score tell the moments that the city itself calls crowded?
//!
//! Whatever is chosen is chosen on the days of the fit part, by leaving out one day after the
//! other; the days of the test part are looked at once, for the table.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write;

use anyhow::{Context, Result, bail};
use serde::Deserialize;
use tidegate_risk::crowding::{BusyRule, Cut, CutRule, Judged, Judgement, RelativeCrowd};
use tidegate_risk::method;

use super::product::Product;
use super::stats::{auc, f1, median};

/// The recorded file, below the folder of the data.
const FILE: &str = "seoul_hotspots/seoul_population_2026-06-04_14.csv";

/// The last day of the fit part; the test part is the days after it.
const FIT_LAST: &str = "2026-06-10";

/// Quantiles among which the fit part chooses.
const QUANTILES: [f64; 6] = [0.6, 0.7, 0.75, 0.8, 0.85, 0.9];

/// Priors of the busy level among which the fit part chooses, in past values.
const LEVEL_PRIORS: [f64; 5] = [0.0, 2.0, 5.0, 10.0, 20.0];

/// Priors of a venue's own cut among which the fit part chooses, in mistakes.
const CUT_PRIORS: [f64; 6] = [0.0, 0.25, 0.5, 1.0, 2.0, 4.0];

/// One place at one time, as the product has it, and what the city said of it.
#[derive(Debug, Clone, PartialEq)]
struct Moment {
    /// Index of the place.
    venue: usize,
    /// Local, as `2026-06-04`.
    day: String,
    persons: f64,
    judgement: Judgement,
}

/// A way to score a moment.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Scoring {
    /// The persons themselves.
    Persons,
    /// Over the place's median.
    OverMedian,
    /// The product's: over the busy level.
    Relative(BusyRule),
}

/// What a score is worth.
#[derive(Debug, Clone, Copy, PartialEq)]
struct Worth {
    auc: f64,
    /// Of the score over the venue's own cut.
    auc_by_cut: f64,
    f1_common: f64,
    f1_venues: f64,
}

/// The section of Seoul's hotspots.
pub(crate) fn section(product: &Product) -> Result<String> {
    let moments = moments(product)?;
    let (fit, later): (Vec<_>, Vec<_>) = moments
        .iter()
        .cloned()
        .partition(|moment| moment.day.as_str() <= FIT_LAST);
    let rule = choose_level(&fit)?;
    let rows = [
        ("persons", Scoring::Persons),
        ("persons / place's median (to beat)", Scoring::OverMedian),
        (method::CROWDING_RELATIVE, Scoring::Relative(rule)),
    ];
    let mut table = String::new();
    let mut worths = Vec::new();
    let mut priors = Vec::new();
    for (name, scoring) in rows {
        let (cut, left_out) = choose_cut(&fit, scoring)?;
        let worth = worth(&fit, &later, scoring, cut)?;
        let Worth {
            auc,
            auc_by_cut,
            f1_common,
            f1_venues,
        } = worth;
        writeln!(
            table,
            "| {name} | {:.3} | {auc:.3} | {f1_common:.3} | {f1_venues:.3} | {auc_by_cut:.3} |",
            left_out.auc
        )?;
        worths.push(worth);
        priors.push(cut.prior());
    }
    let mut text = introduction(&moments, &later, rule, &priors)?;
    text.push_str(&table);
    writeln!(text, "\n{}", verdict(worths[1], worths[2]))?;
    text.push_str(&by_day(&fit, &later, &rows)?);
    Ok(text)
}

fn introduction(
    moments: &[Moment],
    later: &[Moment],
    rule: BusyRule,
    priors: &[f64],
) -> Result<String> {
    let crowded = |moments: &[Moment]| moments.iter().filter(|one| is_crowded(one)).count();
    let venues: BTreeSet<usize> = moments.iter().map(|moment| moment.venue).collect();
    let mut text = format!(
        "## Seoul's hotspots: which moments the city calls crowded\n\n\
         {} estimates of {} places, {} of them called 약간 붐빔 (slightly crowded) or 붐빔 (crowded) \
         by the city; \
         the test part, 11 to 14 June 2026, has {} and {}.\n\
         Persons are the product's panes; the label is not a count, so the pipeline does not \
         carry it, and it is read from the recorded file itself.\n\
         All that is learnt is learnt on 4 to 10 June: levels and medians of a place from its \
         persons, cuts from its labels.\n\
         The form of both methods was settled on those days as well.\n",
        moments.len(),
        venues.len(),
        crowded(moments),
        later.len(),
        crowded(later),
    );
    writeln!(
        text,
        "Parameters were chosen there too, by leaving out one day after the other, among \
         quantiles {QUANTILES:?}, priors {LEVEL_PRIORS:?} (best AUC) and priors of cuts \
         {CUT_PRIORS:?} (best F1): \
         `{}` has quantile {} and prior {}, `{}` has prior {} for the three scores in turn.\n",
        method::CROWDING_RELATIVE,
        rule.quantile(),
        rule.prior(),
        method::CROWDING_VENUE_CUT,
        priors
            .iter()
            .map(f64::to_string)
            .collect::<Vec<_>>()
            .join(", "),
    )?;
    text.push_str(
        "| score | AUC, fit days left out | AUC, test | F1, one cut | F1, a cut for each place | \
         AUC of score over the place's cut |\n\
         |---|---|---|---|---|---|\n",
    );
    Ok(text)
}

fn verdict(baseline: Worth, ours: Worth) -> String {
    let than = |what: &str, ours: f64, baseline: f64| {
        let word = if ours > baseline {
            "beats"
        } else {
            "DOES NOT BEAT"
        };
        format!("{word} the place's median by {what} ({ours:.3} against {baseline:.3})")
    };
    format!(
        "The product's score {}, {} and {}.\n\
         The label is the city's own and comes from the same estimate of persons, so this says \
         how well a score repeats the city's judgement and not how safe a crowd is; eleven days \
         of one June say nothing of other seasons.\n",
        than("AUC", ours.auc, baseline.auc),
        than("F1 with one cut", ours.f1_common, baseline.f1_common),
        than(
            "F1 with a cut for each place",
            ours.f1_venues,
            baseline.f1_venues
        ),
    )
}

/// The AUC of each day of the test part, so that one day's luck can be seen.
fn by_day(fit: &[Moment], later: &[Moment], rows: &[(&str, Scoring)]) -> Result<String> {
    let days: BTreeSet<&str> = later.iter().map(|moment| moment.day.as_str()).collect();
    let mut text = format!(
        "| AUC of a day | {} |\n|---|",
        days.iter().copied().collect::<Vec<_>>().join(" | ")
    );
    text.push_str(&"---|".repeat(days.len()));
    text.push('\n');
    for (name, scoring) in rows {
        write!(text, "| {name} |")?;
        for day in &days {
            let of_day: Vec<Moment> = later
                .iter()
                .filter(|one| one.day == *day)
                .cloned()
                .collect();
            let scored = score(fit, &of_day, *scoring)?;
            write!(text, " {:.3} |", area(&scored)?)?;
        }
        text.push('\n');
    }
    Ok(text)
}

/// The rule of the busy level with the best AUC on days that were left out.
fn choose_level(fit: &[Moment]) -> Result<BusyRule> {
    let mut best: Option<(f64, BusyRule)> = None;
    for quantile in QUANTILES {
        for prior in LEVEL_PRIORS {
            let rule = BusyRule::try_new(quantile, prior)?;
            let mut scored = Vec::new();
            for (rest, day) in days_left_out(fit) {
                scored.extend(score(&rest, &day, Scoring::Relative(rule))?);
            }
            let area = area(&scored)?;
            if best.is_none_or(|(best, _)| area > best) {
                best = Some((area, rule));
            }
        }
    }
    Ok(best.context("there are no rules to choose from")?.1)
}

/// The rule of cuts with the best F1 on days that were left out, and what it was worth there.
fn choose_cut(fit: &[Moment], scoring: Scoring) -> Result<(CutRule, Worth)> {
    let mut best: Option<(CutRule, Worth)> = None;
    for prior in CUT_PRIORS {
        let rule = CutRule::try_new(prior)?;
        let mut answers = Answers::default();
        for (rest, day) in days_left_out(fit) {
            answers.add(&rest, &day, scoring, rule)?;
        }
        let worth = answers.worth()?;
        if best.is_none_or(|(_, best)| worth.f1_venues > best.f1_venues) {
            best = Some((rule, worth));
        }
    }
    best.context("there are no rules to choose from")
}

fn worth(fit: &[Moment], later: &[Moment], scoring: Scoring, cut: CutRule) -> Result<Worth> {
    let mut answers = Answers::default();
    answers.add(fit, later, scoring, cut)?;
    answers.worth()
}

/// Scores and what cuts say of them, each beside the label.
#[derive(Debug, Default)]
struct Answers {
    scores: Vec<(f64, bool)>,
    by_cut: Vec<(f64, bool)>,
    common: Vec<(bool, bool)>,
    venues: Vec<(bool, bool)>,
}

impl Answers {
    /// Learns on `fit` and answers for `later`.
    fn add(
        &mut self,
        fit: &[Moment],
        later: &[Moment],
        scoring: Scoring,
        rule: CutRule,
    ) -> Result<()> {
        let mut judged = vec![Vec::new(); n_venues(fit)];
        for (moment, one) in fit.iter().zip(score(fit, fit, scoring)?) {
            judged[moment.venue].push(one);
        }
        let cuts = rule
            .learn(&judged)
            .context("no moment of the fit part is crowded")?;
        let says = |cut: Cut, one: Judged| cut.judge(one.score) == Judgement::Crowded;
        for (moment, one) in later.iter().zip(score(fit, later, scoring)?) {
            let label = is_crowded(moment);
            let own = cuts
                .venues
                .get(moment.venue)
                .copied()
                .unwrap_or(cuts.global);
            self.scores.push((one.score.get(), label));
            self.by_cut.push((one.score.get() / own.get(), label));
            self.common.push((says(cuts.global, one), label));
            self.venues.push((says(own, one), label));
        }
        Ok(())
    }

    fn worth(&self) -> Result<Worth> {
        let known = |value: Option<f64>| value.context("a part has one kind of label only");
        Ok(Worth {
            auc: known(auc(&self.scores))?,
            auc_by_cut: known(auc(&self.by_cut))?,
            f1_common: known(f1(&self.common))?,
            f1_venues: known(f1(&self.venues))?,
        })
    }
}

/// The scores of moments by what `past` says of their places.
fn score(past: &[Moment], of: &[Moment], scoring: Scoring) -> Result<Vec<Judged>> {
    let mut persons = vec![Vec::new(); n_venues(past)];
    for moment in past {
        persons[moment.venue].push(moment.persons);
    }
    let levels = match scoring {
        Scoring::Relative(rule) => rule.levels(&persons)?,
        Scoring::Persons | Scoring::OverMedian => Vec::new(),
    };
    let medians: Vec<Option<f64>> = persons.iter().map(|persons| median(persons)).collect();
    let of = of.iter().map(|moment| {
        let score = match scoring {
            Scoring::Persons => RelativeCrowd::try_new(moment.persons)?,
            Scoring::OverMedian => {
                let median = medians.get(moment.venue).copied().flatten();
                RelativeCrowd::try_new(moment.persons / median.context("a place has no past")?)?
            }
            Scoring::Relative(_) => {
                let level = levels.get(moment.venue).copied().flatten();
                level
                    .context("a place has no past")?
                    .relative(moment.persons)?
            }
        };
        let judgement = moment.judgement;
        Ok(Judged { score, judgement })
    });
    of.collect()
}

/// Each day beside all others.
fn days_left_out(moments: &[Moment]) -> Vec<(Vec<Moment>, Vec<Moment>)> {
    let days: BTreeSet<&str> = moments.iter().map(|moment| moment.day.as_str()).collect();
    let split = |day: &str| {
        let moments = moments.iter().cloned();
        moments.partition(|moment| moment.day != day)
    };
    days.into_iter().map(split).collect()
}

fn n_venues(moments: &[Moment]) -> usize {
    let last = moments.iter().map(|moment| moment.venue).max();
    last.map_or(0, |last| last + 1)
}

fn is_crowded(moment: &Moment) -> bool {
    moment.judgement == Judgement::Crowded
}

fn area(judged: &[Judged]) -> Result<f64> {
    let scored = judged.iter().map(|one| {
        let label = one.judgement == Judgement::Crowded;
        (one.score.get(), label)
    });
    auc(&scored.collect::<Vec<_>>()).context("a part has one kind of label only")
}

/// A pane as the product gives it.
#[derive(Deserialize)]
struct Pane {
    site_id: String,
    persons: u32,
    /// Local time, as in the file.
    at: String,
}

fn moments(product: &Product) -> Result<Vec<Moment>> {
    let backfill = product.backfill("seoul-hotspots", &[format!("hotspot={FILE}")])?;
    let panes: Vec<Pane> = backfill.rows(
        "SELECT site_id, persons, \
         to_char(window_start + INTERVAL '9 hours', '%Y-%m-%d %H:%M:%S') AS at \
         FROM pane_hotspot_10m ORDER BY at, site_id",
    )?;
    let labels = labels(product)?;
    let mut venues = BTreeMap::new();
    let mut moments = Vec::new();
    for pane in panes {
        let Pane {
            site_id,
            persons,
            at,
        } = pane;
        let n_known = venues.len();
        let venue = *venues.entry(site_id.clone()).or_insert(n_known);
        let day = at.get(..10).context("a time without a day")?.to_owned();
        let judgement = *labels
            .get(&(at.clone(), site_id))
            .with_context(|| format!("the file has no label for {at}"))?;
        let persons = f64::from(persons);
        moments.push(Moment {
            venue,
            day,
            persons,
            judgement,
        });
    }
    Ok(moments)
}

/// The city's labels by time of collection and place.
fn labels(product: &Product) -> Result<BTreeMap<(String, String), Judgement>> {
    let file = product.data.join(FILE);
    let mut reader = csv::Reader::from_path(&file)
        .with_context(|| format!("failed to read {}", file.display()))?;
    let mut labels = BTreeMap::new();
    for record in reader.records() {
        let record = record?;
        let field = |idx: usize| record.get(idx).context("a row is too short");
        // A place without an estimate has no label; the product passes over its row.
        if !field(3)?.is_empty() {
            let key = (field(0)?.to_owned(), field(1)?.to_owned());
            labels.insert(key, judgement(field(3)?)?);
        }
    }
    Ok(labels)
}

fn judgement(label: &str) -> Result<Judgement> {
    match label {
        "여유" | "보통" => Ok(Judgement::NotCrowded),
        "약간 붐빔" | "붐빔" => Ok(Judgement::Crowded),
        other => bail!("the label {other:?} is not one of the city's four"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn moment(venue: usize, day: &str, persons: f64, label: &str) -> Moment {
        Moment {
            venue,
            day: day.to_owned(),
            persons,
            judgement: judgement(label).unwrap(),
        }
    }

    /// Two places of different size that are crowded at the same share of their own.
    fn days() -> Vec<Moment> {
        let mut moments = Vec::new();
        for day in ["1", "2", "3"] {
            for (venue, size) in [(0, 100.0), (1, 10_000.0)] {
                for (share, label) in [
                    (1.0, "여유"),
                    (1.0, "보통"),
                    (2.0, "약간 붐빔"),
                    (3.0, "붐빔"),
                ] {
                    moments.push(moment(venue, day, size * share, label));
                }
            }
        }
        moments
    }

    #[test]
    fn a_relative_score_beats_persons_where_places_differ_in_size() {
        let (fit, later): (Vec<_>, Vec<_>) = days().into_iter().partition(|one| one.day != "3");
        let check = |scoring, auc: f64, f1: f64| {
            let rule = CutRule::try_new(1.0).unwrap();
            let found = worth(&fit, &later, scoring, rule).unwrap();
            assert!((found.auc - auc).abs() < 1e-12, "{found:?}");
            assert!((found.f1_common - f1).abs() < 1e-12, "{found:?}");
        };
        // 4 of 16 pairs are the other way round, and the large place is called crowded always.
        check(Scoring::Persons, 0.75, 8.0 / 10.0);
        check(Scoring::OverMedian, 1.0, 1.0);
        check(
            Scoring::Relative(BusyRule::try_new(0.75, 1.0).unwrap()),
            1.0,
            1.0,
        );
    }

    #[test]
    fn a_day_that_is_left_out_teaches_nothing() {
        let parts = days_left_out(&days());
        assert_eq!(parts.len(), 3);
        for (rest, day) in parts {
            assert_eq!((rest.len(), day.len()), (16, 8));
            assert!(rest.iter().all(|one| one.day != day[0].day));
        }
    }

    #[test]
    fn what_does_not_beat_the_baseline_is_shown_as_such() {
        let worth = |auc| Worth {
            auc,
            auc_by_cut: 0.5,
            f1_common: 0.5,
            f1_venues: 0.5,
        };
        assert!(
            verdict(worth(0.9), worth(0.9)).contains("DOES NOT BEAT the place's median by AUC")
        );
        assert!(verdict(worth(0.9), worth(0.91)).contains("beats the place's median by AUC"));
    }

    #[test]
    fn labels_are_the_citys_four() {
        assert!(judgement("붐빔?").is_err());
    }
}
