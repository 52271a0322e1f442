//! `tidegate rules backtest` and `diff`.

use std::process::ExitCode;
use std::sync::Arc;

use anyhow::Result;
use serde_json::json;
use tidegate_alerts::Rule;
use tidegate_alerts::backtest::{Report, diff};
use tidegate_pipeline::Pipeline;

use super::data::{Data, other_rules};
use super::events::Events;
use super::{Print, json, show};
use crate::cli::{RulesBacktest, RulesDiff};
use crate::folder;

/// Runs `tidegate rules backtest`.
pub(super) async fn backtest(args: &RulesBacktest, print: Print) -> Result<ExitCode> {
    let pipeline = folder::load(&args.pipeline).await?;
    let events = args.events.as_deref().map(Events::read).transpose()?;
    let other = args.rules.as_deref();
    let other = other.map(|path| other_rules(&pipeline, path)).transpose()?;
    let data = Data::open(&args.pipeline, &pipeline, &args.data).await?;
    let tried: &[Rule] = other.as_deref().unwrap_or(&pipeline.rules);
    let mut sets: Vec<&[Rule]> = vec![tried];
    if other.is_some() {
        sets.push(&pipeline.rules);
    }
    let (outcomes, met) = data.play(&pipeline, &sets)?;
    let report = Report::new(tried, &outcomes[0], &pipeline.zone);
    let live = outcomes
        .get(1)
        .map(|outcomes| Report::new(&pipeline.rules, outcomes, &pipeline.zone));
    let found = live.as_ref().map(|live| diff(live, &report));
    let directory = pipeline.directory();
    let scores = events.as_ref().map(|events| {
        let is_about = |place: usize, subject: &str| {
            let kinds = ["venue", "site", "grid_unit", "cell", "city"];
            let mut kinds = kinds.iter();
            met.contains(subject)
                && kinds.any(|kind| tried[place].is_about(&directory.describe(kind, subject)))
        };
        events.scores(&report, args.tolerance, is_about)
    });
    let notes = events
        .as_ref()
        .map_or_else(Vec::new, |events| events.notes(&report, &met));
    if args.json {
        let mut answer = json::report(&report, scores.as_deref(), events.as_ref());
        answer["rows"] = json!(data.rows.as_str());
        answer["pipeline"] = json!(pipeline.name);
        answer["notes"] = json!(notes);
        if let Some(found) = &found {
            answer["diff"] = json::diff(found);
        }
        print(&serde_json::to_string_pretty(&answer)?);
        return Ok(ExitCode::SUCCESS);
    }
    show::report(&pipeline, &report, data.rows, print);
    if let (Some(events), Some(scores)) = (&events, &scores) {
        show::scores(&pipeline, &report, events, scores, print);
    }
    show::notes(&notes, print);
    show::episodes(&pipeline, &report, args.limit, print);
    if let Some(found) = &found {
        print("");
        show::diff(&pipeline, found, args.limit, print);
    }
    Ok(ExitCode::SUCCESS)
}

/// Runs `tidegate rules diff`.
pub(super) async fn difference(args: &RulesDiff, print: Print) -> Result<ExitCode> {
    let pipeline: Arc<Pipeline> = folder::load(&args.pipeline).await?;
    let other = other_rules(&pipeline, &args.rules)?;
    let has_data = args.data.data.is_some() || !args.data.input.is_empty();
    let (before, after) = if has_data {
        let data = Data::open(&args.pipeline, &pipeline, &args.data).await?;
        let (outcomes, _) = data.play(&pipeline, &[&pipeline.rules, &other])?;
        (
            Report::new(&pipeline.rules, &outcomes[0], &pipeline.zone),
            Report::new(&other, &outcomes[1], &pipeline.zone),
        )
    } else {
        (
            Report::new(&pipeline.rules, &[], &pipeline.zone),
            Report::new(&other, &[], &pipeline.zone),
        )
    };
    let found = diff(&before, &after);
    if args.json {
        let mut answer = json::diff(&found);
        answer["with_data"] = json!(has_data);
        print(&serde_json::to_string_pretty(&answer)?);
    } else {
        if !has_data {
            print("only the rules are compared; with --data or --input their alerts are too");
        }
        show::diff(&pipeline, &found, args.limit, print);
    }
    Ok(ExitCode::SUCCESS)
}
