//! How good is each model on my series? Reads samples from standard input, prints a table.
//!
//! The first line is the slots of a day, the samples to train on, and the steps ahead to score.
//! Each further line is one sample, in order of time: series, weekday (0 is Monday), slot of the
//! day, `holiday` or `ordinary`, and the value (anything that is no count is a fault).
//! It knows no format of any feed: what writes these lines does.

use std::collections::BTreeMap;
use std::error::Error;
use std::io::{BufRead, Write};

use tidegate_risk::forecast::{
    Calendar, DayKind, Forecaster, Horizons, Model, Point, Sample, Score, rolling_origin,
};

fn main() -> Result<(), Box<dyn Error>> {
    let mut lines = std::io::stdin().lock().lines();
    let header = lines.next().ok_or("no first line")??;
    let mut numbers = header.split_whitespace();
    let calendar = Calendar::of_four(numbers.next().ok_or("no slots a day")?.parse()?)?;
    let train: usize = numbers.next().ok_or("no samples to train on")?.parse()?;
    let steps = numbers.map(str::parse).collect::<Result<Vec<u16>, _>>()?;
    let horizons = Horizons::try_new(&steps)?;
    let mut all: BTreeMap<String, Vec<Sample>> = BTreeMap::new();
    for line in lines {
        let line = line?;
        let fields: Vec<&str> = line.split(',').collect();
        let [name, weekday, of_day, kind, value] = fields[..] else {
            return Err(format!("{line} is not five fields").into());
        };
        let kind = if kind == "holiday" {
            DayKind::Holiday
        } else {
            DayKind::Ordinary
        };
        let slot = calendar.slot(weekday.parse()?, of_day.parse()?, kind)?;
        let point = value.parse().map_or(Point::Missing, Point::from_value);
        let series = all.entry(name.to_owned()).or_default();
        series.push(Sample { slot, point });
    }
    let mut out = std::io::stdout().lock();
    writeln!(
        out,
        "model,steps,series,forecasts,none,mase_median,mae_mean,rmse_mean,pinball_mean,\
         coverage80,coverage95"
    )?;
    for model in Model::ALL {
        for steps in &steps {
            let score = |series: &Vec<Sample>| {
                let mut forecaster = Forecaster::new(model, calendar, horizons.clone());
                rolling_origin(&mut forecaster, series, train, *steps)
            };
            let scores: Vec<Score> = all.values().map(score).collect();
            writeln!(out, "{},{steps},{}", model.as_str(), summary(&scores))?;
        }
    }
    Ok(())
}

/// Means over series, and the median of the ratio.
fn summary(scores: &[Score]) -> String {
    let total = |field: fn(&Score) -> u32| scores.iter().map(|score| u64::from(field(score))).sum();
    let (forecasts, none): (u64, u64) = (total(|score| score.forecasts), total(|score| score.none));
    let mean = |field: fn(&Score) -> Option<f64>| {
        let (sum, n) = scores
            .iter()
            .filter_map(field)
            .fold((0.0, 0.0), |(sum, n), value| (sum + value, n + 1.0));
        sum / f64::max(n, 1.0)
    };
    let mut ratios: Vec<f64> = scores.iter().filter_map(|score| score.mase).collect();
    ratios.sort_unstable_by(f64::total_cmp);
    let median = ratios.get(ratios.len() / 2).copied().unwrap_or_default();
    format!(
        "{},{forecasts},{none},{median:.3},{:.1},{:.1},{:.2},{:.3},{:.3}",
        scores.len(),
        mean(|score| score.mae),
        mean(|score| score.rmse),
        mean(|score| score.pinball),
        mean(|score| score.coverage80),
        mean(|score| score.coverage95),
    )
}
