//! Hong Kong's border: are the reopenings of 2023 seen, and how much else is called unusual?
//!
//! Every rule is chosen on 2021 and 2022 in the same way: of those that raise few false alarms on
//! ordinary days, the one that would see most rises by half. The table is then made of 2023.

mod calendar;
mod rules;

use std::collections::BTreeMap;
use std::fmt::Write;

use anyhow::{Context, Result};
use serde::Deserialize;
use tidegate_risk::aberration::baseline::BaselineRule;
use tidegate_risk::method;

use super::product::Product;
use calendar::{Part, REOPENINGS};
use rules::{
    ALL, Border, CLOSED_AFTER, Comparison, FALSE_ALARMS_MAX, Rule, SHOWN, Series, THRESHOLDS,
    Tally, choose,
};

/// Lengths of baselines among which 2021 and 2022 choose.
const LENGTHS: [u8; 3] = [4, 5, 7];

/// Least standard deviations among which they choose, of doubled square roots of counts.
const FLOORS: [f64; 5] = [1.0, 2.0, 4.0, 8.0, 16.0];

/// The section of Hong Kong's border.
pub(crate) fn section(product: &Product) -> Result<String> {
    let border = border(product)?;
    let mut same_type = Vec::new();
    for length in LENGTHS {
        for floor in FLOORS {
            let rule = BaselineRule::try_new(length, floor)?;
            same_type.push(Comparison::SameDayType(rule));
        }
    }
    let ours = choose(&border, &same_type)?;
    let plain = choose(&border, &[Comparison::DaysBefore])?;
    let cdc = Rule {
        comparison: Comparison::DaysBefore,
        threshold: 3.0,
    };
    let rows = [
        (
            format!("{} on counts, threshold 3 (CDC)", method::EARS_C1),
            cdc,
        ),
        (
            format!(
                "{} on counts, threshold {}",
                method::EARS_C1,
                plain.threshold
            ),
            plain,
        ),
        (
            format!(
                "{} by day type, {}",
                method::BASELINE_SAME_SLOT,
                words(ours)
            ),
            ours,
        ),
    ];
    let mut text = introduction(&border);
    let mut tallies = Vec::new();
    for (name, rule) in &rows {
        let scores = border.scores(rule.comparison)?;
        let fit = border.tally(&scores, rule.threshold, Part::Fit);
        let later = border.tally(&scores, rule.threshold, Part::Test);
        write!(text, "| {name} |")?;
        for date in REOPENINGS {
            let day = border.day(date)?;
            write!(
                text,
                " {} |",
                border.reopening(&scores, rule.threshold, day)
            )?;
        }
        writeln!(
            text,
            " {:.2} | {:.0} % | {:.2} | {:.0} % | {} |",
            fit.false_alarms_a_week(),
            100.0 * fit.seen(),
            later.false_alarms_a_week(),
            100.0 * later.seen(),
            border.alarms_while_closed(&scores, rule.threshold),
        )?;
        tallies.push(later);
    }
    writeln!(text, "\n{}", verdict(tallies[1], tallies[2]))?;
    text.push_str(&by_threshold(&border, plain, ours)?);
    text.push_str(&round_reopenings(&border, ours)?);
    Ok(text)
}

fn introduction(border: &Border) -> String {
    let ordinary = |part| {
        let days = border
            .days
            .iter()
            .filter(|day| day.part == part && day.is_ordinary);
        days.count()
    };
    format!(
        "## Hong Kong's border: the reopenings of 8 January and 6 February 2023\n\n\
         Persons in by day at {} control points and over all of them, from the product's panes.\n\
         Every rule was chosen on 2021 and 2022 among thresholds {THRESHOLDS:?} and, by day \
         type, lengths {LENGTHS:?} and floors {FLOORS:?}: of those with at most \
         {FALSE_ALARMS_MAX} false alarms a week over all series together, the one that would see \
         most rises by half, put on each ordinary day of each series with anybody.\n\
         Day types are working days, Saturdays, and Sundays with general holidays; counts are \
         taken as doubled square roots (`{}` without its expectation), and every value trains.\n\
         Ordinary days are {} of 2021 and 2022, and {} of 6 March to 31 December 2023, four \
         weeks after the second reopening: all but general holidays and the two days on either \
         side of one.\n\
         An alarm on an ordinary day counts as false, although some may have had a cause.\n\n\
         | rule | 8 January: opened points raised; day on which all points together were | 6 February | false alarms a week, 2021-22 | \
         rises by half seen | false alarms a week, 2023 | rises by half seen | alarms of closed \
         points, all days |\n\
         |---|---|---|---|---|---|---|---|\n",
        border.series.len() - 1,
        method::RESIDUAL_SQUARE_ROOT,
        ordinary(Part::Fit),
        ordinary(Part::Test),
    )
}

fn words(rule: Rule) -> String {
    match rule.comparison {
        Comparison::DaysBefore => format!("threshold {}", rule.threshold),
        Comparison::SameDayType(baseline) => format!(
            "length {}, floor {}, threshold {}",
            baseline.length(),
            baseline.sigma_floor(),
            rule.threshold
        ),
    }
}

fn verdict(plain: Tally, ours: Tally) -> String {
    let seen = if ours.seen() > plain.seen() {
        "more"
    } else {
        "NOT MORE"
    };
    let fewer = ours.false_alarms_a_week() < plain.false_alarms_a_week();
    let alarms = if fewer { "fewer" } else { "NOT FEWER" };
    format!(
        "On ordinary days of 2023 the rule by day type sees {seen} rises by half than C1 chosen \
         the same way ({:.0} % against {:.0} %), with {alarms} false alarms ({:.2} a week \
         against {:.2}).\n\
         A point is closed on a day when nobody came on it and the {} days before.\n",
        100.0 * ours.seen(),
        100.0 * plain.seen(),
        ours.false_alarms_a_week(),
        plain.false_alarms_a_week(),
        CLOSED_AFTER - 1,
    )
}

/// Both comparisons at every threshold on the ordinary days of 2023: what a choice made on years
/// of closed borders cannot show.
fn by_threshold(border: &Border, plain: Rule, ours: Rule) -> Result<String> {
    let mut text = String::from(
        "Both at every threshold, on ordinary days of 2023 (no rule was chosen by this table):\n\n\
         | threshold | C1: false alarms a week | rises by half seen | by day type: false alarms a \
         week | rises by half seen |\n|---|---|---|---|---|\n",
    );
    let tallies = |rule: Rule| -> Result<Vec<Tally>> {
        let scores = border.scores(rule.comparison)?;
        let at = |threshold: &f64| border.tally(&scores, *threshold, Part::Test);
        Ok(THRESHOLDS.iter().map(at).collect())
    };
    let (plain, ours) = (tallies(plain)?, tallies(ours)?);
    for ((threshold, plain), ours) in THRESHOLDS.iter().zip(&plain).zip(&ours) {
        writeln!(
            text,
            "| {threshold} | {:.2} | {:.0} % | {:.2} | {:.0} % |",
            plain.false_alarms_a_week(),
            100.0 * plain.seen(),
            ours.false_alarms_a_week(),
            100.0 * ours.seen(),
        )?;
    }
    let beaten = plain.iter().filter(|plain| {
        let better =
            |ours: &Tally| ours.false_alarms <= plain.false_alarms && ours.seen() > plain.seen();
        ours.iter().any(better)
    });
    writeln!(
        text,
        "\nFor {} of {} thresholds of C1 there is one by day type with no more false alarms that \
         sees more.\n",
        beaten.count(),
        THRESHOLDS.len(),
    )?;
    Ok(text)
}

/// Day by day round each reopening, what the rule raised and what opened.
fn round_reopenings(border: &Border, rule: Rule) -> Result<String> {
    let scores = border.scores(rule.comparison)?;
    let mut text = format!(
        "What the rule by day type raised within {SHOWN} days of each reopening:\n\n\
         | day | opens after {CLOSED_AFTER} days or more without anybody | raised \
         |\n|---|---|---|\n"
    );
    for date in REOPENINGS {
        let middle = border.day(date)?;
        for idx in middle.saturating_sub(SHOWN)..=middle + SHOWN {
            let day = border
                .days
                .get(idx)
                .context("the recording ends too early")?;
            let opens = border.series.iter().filter(|series| series.reopens(idx));
            let opens: Vec<&str> = opens.map(|series| series.name.as_str()).collect();
            let raised = border.alarmed(&scores, rule.threshold, idx);
            if !(opens.is_empty() && raised.is_empty()) || idx == middle {
                let list = |names: Vec<&str>| match names.len() {
                    0 => "-".to_owned(),
                    _ => names.join(", "),
                };
                writeln!(
                    text,
                    "| {} | {} | {} |",
                    day.date,
                    list(opens),
                    list(raised)
                )?;
            }
        }
    }
    Ok(text)
}

/// A pane as the product gives it.
#[derive(Deserialize)]
struct Pane {
    site_id: String,
    persons_in: u32,
    /// Local, as `2023-01-08`.
    date: String,
    /// From 0, Sunday.
    weekday: u8,
}

fn border(product: &Product) -> Result<Border> {
    let file = "checkpoint=hk_border/statistics_on_daily_passenger_traffic_2021_2024.csv";
    let backfill = product.backfill("hong-kong-border", &[file])?;
    let panes: Vec<Pane> = backfill.rows(
        "SELECT site_id, persons_in, \
         to_char(window_start + INTERVAL '8 hours', '%Y-%m-%d') AS date, \
         CAST(date_part('dow', window_start + INTERVAL '8 hours') AS INT) AS weekday \
         FROM pane_border_1d ORDER BY date, site_id",
    )?;
    Ok(arrange(&panes))
}

/// Panes by series and day; all points together have a value where any has.
fn arrange(panes: &[Pane]) -> Border {
    let dates: BTreeMap<&str, u8> = panes
        .iter()
        .map(|pane| (pane.date.as_str(), pane.weekday))
        .collect();
    let days = calendar::days(&dates);
    let index: BTreeMap<&str, usize> = dates
        .keys()
        .enumerate()
        .map(|(idx, date)| (*date, idx))
        .collect();
    let mut series = BTreeMap::new();
    for pane in panes {
        for name in [pane.site_id.as_str(), ALL] {
            let persons = series.entry(name).or_insert_with(|| vec![None; days.len()]);
            let value: &mut Option<f64> = &mut persons[index[pane.date.as_str()]];
            *value = Some(value.unwrap_or(0.0) + f64::from(pane.persons_in));
        }
    }
    let series = series.into_iter().map(|(name, persons)| Series {
        name: name.to_owned(),
        persons,
    });
    Border {
        days,
        series: series.collect(),
    }
}

#[cfg(test)]
mod tests;
