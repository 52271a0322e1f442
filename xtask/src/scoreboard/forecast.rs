//! How far off the forecasts of `tidegate-risk` are on the recorded series.
//!
//! Each method of the ladder goes through each series once: it learns from every believed point,
//! and from the end of the earlier part on each forecast that it makes is compared with what came.
//! Nothing is fitted here; the constants of the methods were set on the earlier parts alone.

use std::fmt::Write;

use anyhow::Result;
use tidegate_risk::forecast::{
    Calendar, DayKind, Forecaster, Horizons, Model, Sample, Score, rolling_origin,
};

use super::series::{Recorded, Series};

/// The errors of a method at a number of steps, over all series of a set.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
struct Line {
    forecasts: u32,
    none: u32,
    mae: Option<f64>,
    /// The mean of the series' own.
    mase: Option<f64>,
    coverage80: Option<f64>,
    coverage95: Option<f64>,
}

impl Line {
    fn of(scores: &[Score]) -> Self {
        let total = |count: fn(&Score) -> u32| scores.iter().map(count).sum();
        let weighted = |value: fn(&Score) -> Option<f64>, weight: fn(&Score) -> u32| {
            mean(scores, |score| {
                Some((value(score)?, f64::from(weight(score))))
            })
        };
        Self {
            forecasts: total(|score| score.forecasts),
            none: total(|score| score.none),
            mae: weighted(|score| score.mae, |score| score.forecasts),
            mase: mean(scores, |score| Some((score.mase?, 1.0))),
            coverage80: weighted(|score| score.coverage80, |score| score.intervals),
            coverage95: weighted(|score| score.coverage95, |score| score.intervals),
        }
    }
}

/// The mean of what has a value and a weight.
fn mean(scores: &[Score], term: impl Fn(&Score) -> Option<(f64, f64)>) -> Option<f64> {
    let (mut sum, mut weights) = (0.0, 0.0);
    for (value, weight) in scores.iter().filter_map(term) {
        sum += weight * value;
        weights += weight;
    }
    (weights > 0.0).then(|| sum / weights)
}

/// The section of the scoreboard.
pub(crate) fn text(sets: &[Recorded]) -> Result<String> {
    let mut text = String::from(HEAD);
    for recorded in sets {
        describe(&mut text, recorded);
    }
    text.push('\n');
    for Recorded { set, .. } in sets {
        let line = format!(
            "- {}: {} Holidays: {}.",
            set.name, set.note, set.holidays_by
        );
        writeln!(text, "{line}").expect("writing to a string cannot fail");
    }
    text.push_str(TABLE);
    let mut verdicts = String::new();
    for recorded in sets {
        for steps in &recorded.set.horizons {
            let lines = lines(recorded, *steps)?;
            rows(&mut text, &mut verdicts, recorded, *steps, &lines);
        }
    }
    Ok(format!("{text}\n{verdicts}"))
}

const HEAD: &str = "## Forecasts\n\n\
    Each method forecasts every step of the later part from what came before it, and nothing else (rolling origin).\n\
    Everything before the later part may be fitted and looked at; the methods' constants, the holidays and the rules below were fixed before the later part was.\n\
    Public holidays are known beforehand, events are not. A point that is missing or not believed teaches nothing and is not scored. A series is left out unless half of each part is there.\n\n\
    | set | series | left out | earlier part, steps | later part | believed | not believed | missing |\n\
    |---|---|---|---|---|---|---|---|\n";

const TABLE: &str = "\n\
    MAE is over all forecasts, in persons. MASE is each series' MAE over that of the week before in its earlier part, averaged over series.\n\
    Of seasonal naive is the MAE over that of the week before in the later part: below 1 is better. A method that cannot forecast a step is not scored on it, so the methods' steps differ by as many as are without one.\n\
    Coverage is the share of outcomes in the 80 % and 95 % intervals, without hours in which nobody was expected and nobody came.\n\n\
    | set | ahead | method | forecasts | without one | MAE | MASE | of seasonal naive | in 80 % | in 95 % |\n\
    |---|---|---|---|---|---|---|---|---|---|\n";

fn describe(text: &mut String, recorded: &Recorded) {
    let [believed, faulty, missing] = recorded.points();
    let set = &recorded.set;
    let line = format!(
        "| {}: {} | {} | {} | {} | from {} | {believed}, {} | {faulty} | {missing} |",
        set.name,
        set.what,
        recorded.series.len(),
        recorded.left_out,
        recorded.earlier,
        set.later,
        set.complete,
    );
    writeln!(text, "{line}").expect("writing to a string cannot fail");
}

/// Each method's errors `steps` ahead, in the order of the ladder.
fn lines(recorded: &Recorded, steps: u16) -> Result<Vec<(Model, Line)>> {
    let [.., sunday] = recorded.set.day_types;
    let calendar = Calendar::try_new(recorded.set.slots_per_day, recorded.set.day_types, sunday)?;
    let horizons = Horizons::try_new(&recorded.set.horizons)?;
    let mut lines = Vec::new();
    for model in Model::ALL {
        let score = |series: &Series| {
            let samples = samples(recorded, series, &calendar)?;
            let mut forecaster = Forecaster::new(model, calendar, horizons.clone());
            anyhow::Ok(rolling_origin(
                &mut forecaster,
                &samples,
                recorded.earlier,
                steps,
            ))
        };
        let scores: Vec<Score> = recorded.series.iter().map(score).collect::<Result<_>>()?;
        lines.push((model, Line::of(&scores)));
    }
    Ok(lines)
}

fn samples(recorded: &Recorded, series: &Series, calendar: &Calendar) -> Result<Vec<Sample>> {
    recorded
        .steps
        .iter()
        .zip(&series.points)
        .map(|(step, point)| {
            let kind = if step.is_holiday {
                DayKind::Holiday
            } else {
                DayKind::Ordinary
            };
            let slot = calendar.slot(step.weekday, step.of_day, kind)?;
            Ok(Sample {
                slot,
                point: *point,
            })
        })
        .collect()
}

fn rows(
    text: &mut String,
    verdicts: &mut String,
    recorded: &Recorded,
    steps: u16,
    lines: &[(Model, Line)],
) {
    let line_of = |wanted: Model| {
        let found = lines.iter().find(|(model, _)| *model == wanted);
        found.map_or(Line::default(), |(_, line)| *line)
    };
    let naive = line_of(Model::SeasonalNaive).mae;
    let ahead = ahead(recorded.set.step_hours, steps);
    let name = &recorded.set.name;
    for (model, line) in lines {
        let row = format!(
            "| {name} | {ahead} | {} | {} | {} | {} | {} | {} | {} | {} |",
            model.as_str(),
            line.forecasts,
            line.none,
            number(line.mae, 1),
            number(line.mase, 3),
            number(ratio(line.mae, naive), 3),
            percent(line.coverage80),
            percent(line.coverage95),
        );
        writeln!(text, "{row}").expect("writing to a string cannot fail");
    }
    let verdict = match ratio(line_of(Model::Profile).mae, naive) {
        Some(ratio) if ratio < 1.0 => "beats",
        Some(_) => "DOES NOT BEAT",
        None => "CANNOT BE COMPARED WITH",
    };
    writeln!(
        verdicts,
        "- {name}, {ahead} ahead: profile with residual {verdict} the week before."
    )
    .expect("writing to a string cannot fail");
}

fn ahead(step_hours: u16, steps: u16) -> String {
    let hours = step_hours * steps;
    if hours.is_multiple_of(24) {
        format!("{} d", hours / 24)
    } else {
        format!("{hours} h")
    }
}

fn ratio(value: Option<f64>, of: Option<f64>) -> Option<f64> {
    value
        .zip(of)
        .filter(|(_, of)| *of > 0.0)
        .map(|(value, of)| value / of)
}

fn number(value: Option<f64>, decimals: usize) -> String {
    value.map_or("-".to_owned(), |value| format!("{value:.decimals$}"))
}

fn percent(share: Option<f64>) -> String {
    share.map_or("-".to_owned(), |share| format!("{:.1} %", 100.0 * share))
}

#[cfg(test)]
pub(crate) mod tests {
    use super::super::series::Step;
    use super::super::series::tests::set;
    use super::*;
    use tidegate_risk::forecast::Point;

    /// Six weeks of two steps a day, `value` of each by its weekday and slot; the last two are
    /// the later part.
    pub(crate) fn recorded(more: &str, value: impl Fn(usize, &Step) -> f64) -> Recorded {
        let mut set = set(more);
        set.later = "day 28".to_owned();
        let steps: Vec<Step> = (0..84_u8)
            .map(|step| Step {
                date: format!("day {:02}", step / 2),
                weekday: step / 2 % 7,
                of_day: u16::from(step % 2),
                is_holiday: false,
            })
            .collect();
        let points = steps.iter().enumerate();
        let points = points.map(|(idx, step)| Point::from_value(value(idx, step)));
        let series = Series {
            site: "a".to_owned(),
            points: points.collect(),
        };
        Recorded {
            set,
            steps,
            series: vec![series],
            left_out: 0,
            earlier: 56,
        }
    }

    /// 100, 200 on working days, half of it at weekends, and 10 % more every other week.
    fn rhythm(idx: usize, step: &Step) -> f64 {
        let usual = f64::from(100 * (step.of_day + 1)) * if step.weekday > 4 { 0.5 } else { 1.0 };
        usual
            * if (idx / 14).is_multiple_of(2) {
                1.0
            } else {
                1.1
            }
    }

    #[test]
    fn by_hand() {
        let lines = lines(&recorded("", rhythm), 1).unwrap();
        let line_of = |wanted: Model| lines.iter().find(|(model, _)| *model == wanted).unwrap().1;
        let naive = line_of(Model::SeasonalNaive);
        // Five days of 300 and two of 150 in 14 steps, off by a tenth each week.
        let expected = 0.1 * (5.0 * 300.0 + 2.0 * 150.0) / 14.0;
        assert_eq!((naive.forecasts, naive.none), (28, 0));
        assert!((naive.mae.unwrap() - expected).abs() < 1e-9, "{naive:?}");
        assert!((naive.mase.unwrap() - 1.0).abs() < 1e-9, "{naive:?}");
        let profile = line_of(Model::Profile);
        assert!(profile.mae.unwrap() < naive.mae.unwrap(), "{profile:?}");
    }

    #[test]
    fn series_weigh_by_their_forecasts_and_once_in_the_mase() {
        let score = |forecasts, error, mase| Score {
            forecasts,
            mae: Some(error),
            mase,
            ..Score::default()
        };
        let line = Line::of(&[
            score(1, 4.0, Some(2.0)),
            score(3, 8.0, Some(1.0)),
            score(0, 0.0, None),
        ]);
        assert_eq!((line.forecasts, line.mae), (4, Some(7.0)));
        assert_eq!((line.mase, line.coverage80), (Some(1.5), None));
    }

    #[test]
    fn a_method_that_does_not_beat_the_week_before_is_said_to() {
        let check = |profile: Option<f64>, expected: &str| {
            let line = |mae| Line {
                mae,
                ..Line::default()
            };
            let lines = [
                (Model::SeasonalNaive, line(Some(10.0))),
                (Model::Profile, line(profile)),
            ];
            let (mut text, mut verdicts) = (String::new(), String::new());
            rows(&mut text, &mut verdicts, &recorded("", rhythm), 2, &lines);
            assert_eq!(
                verdicts,
                format!("- S, 1 d ahead: profile with residual {expected} the week before.\n")
            );
        };
        check(Some(9.0), "beats");
        check(Some(10.0), "DOES NOT BEAT");
        check(None, "CANNOT BE COMPARED WITH");
    }

    #[test]
    fn each_method_has_a_row() {
        let text = text(&[recorded("", rhythm)]).unwrap();
        assert!(text.contains("| S | 12 h | profile | 28 | 0 |"), "{text}");
    }
}
