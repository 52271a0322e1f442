//! `tidegate rules suggest`.

use std::process::ExitCode;

use anyhow::{Result, bail};
use serde_json::json;
use tidegate_alerts::backtest::{Candidate, Kept, Quota, Suggestion, suggest};
use tidegate_alerts::{ClearDistance, Rule};
use tidegate_pipeline::RULES;

use super::Print;
use super::data::{Data, compares_lo};
use super::table::Table;
use crate::cli::RulesSuggest;
use crate::folder;

/// Runs the command.
pub(super) async fn suggested(args: &RulesSuggest, print: Print) -> Result<ExitCode> {
    let pipeline = folder::load(&args.pipeline).await?;
    let Some(rule) = pipeline.rules.iter().find(|rule| rule.name() == args.rule) else {
        let names: Vec<&str> = pipeline.rules.iter().map(Rule::name).collect();
        bail!(
            "{:?} is not a rule in {RULES}: there are {}",
            args.rule,
            names.join(", ")
        );
    };
    let data = Data::open(&args.pipeline, &pipeline, &args.data).await?;
    let settings = data.settings(&pipeline, rule.layer())?;
    let mut kept = Kept::default();
    let subjects = data.read(
        &pipeline,
        rule.layer(),
        compares_lo(rule),
        &mut |_, rows| {
            kept.take(rows);
        },
    )?;
    let quota = if args.per_subject {
        Quota::EachSubject(args.per_week)
    } else {
        Quota::Together(args.per_week)
    };
    let machine = |rule: Rule| pipeline.alert_machine(vec![rule]);
    let Some(found) = suggest(rule, quota, &settings, (&subjects, &kept), machine) else {
        bail!(
            "layer {:?} has no value of a subject of rule {:?} in the period",
            rule.layer(),
            args.rule
        );
    };
    if args.json {
        print(&serde_json::to_string_pretty(&as_json(
            rule,
            args,
            &found,
            data.rows.as_str(),
        ))?);
    } else {
        show(rule, args, &found, data.rows.as_str(), print);
    }
    Ok(if found.found.is_some() {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    })
}

fn show(rule: &Rule, args: &RulesSuggest, found: &Suggestion, rows: &str, print: Print) {
    let scope = if args.per_subject {
        "on each subject"
    } else {
        "on all subjects together"
    };
    print(&format!(
        "rule {}: at most {} a week {scope}, over {:.2} weeks of layer {} ({rows})",
        rule.name(),
        args.per_week,
        found.weeks,
        rule.layer()
    ));
    let mut table = Table::new(&[
        "",
        "fire_above",
        "clear_below",
        "fires",
        "most on one",
        "a week",
    ]);
    let mut row = |name: &str, candidate: &Candidate| {
        table.row([
            name.to_owned(),
            candidate.fire_above.to_string(),
            candidate.clear_below.to_string(),
            candidate.fires.to_string(),
            candidate.most_on_one.to_string(),
            format!("{:.2}", candidate.per_week),
        ]);
    };
    row("now", &found.now);
    for (name, candidate) in [
        ("next lower", &found.below),
        ("suggested", &found.found),
        ("next higher", &found.above),
    ] {
        if let Some(candidate) = candidate {
            row(name, candidate);
        }
    }
    print(&table.indented(2));
    if found.found.is_none() {
        print("  not even the highest observed value keeps to it");
    }
    print(&format!(
        "  {} of {} observed values were tried, from the highest down; `for`, `keep_firing_for` and hours are the rule's, and {}",
        found.judged,
        found.observed,
        match found.distance {
            ClearDistance::Ratio(ratio) => format!("clear_below stays {ratio:.4} times fire_above"),
            ClearDistance::Difference(difference) =>
                format!("clear_below stays {difference} below fire_above"),
        }
    ));
}

fn as_json(rule: &Rule, args: &RulesSuggest, found: &Suggestion, rows: &str) -> serde_json::Value {
    let candidate = |one: &Candidate| {
        json!({
            "fire_above": one.fire_above, "clear_below": one.clear_below, "fires": one.fires,
            "most_on_one": one.most_on_one, "per_week": one.per_week,
        })
    };
    let (kind, distance) = match found.distance {
        ClearDistance::Ratio(ratio) => ("ratio", ratio),
        ClearDistance::Difference(difference) => ("difference", difference),
    };
    json!({
        "rule": rule.name(), "layer": rule.layer(), "rows": rows, "per_week": args.per_week,
        "per_subject": args.per_subject, "weeks": found.weeks, "observed": found.observed,
        "judged": found.judged, "clear": { "keeps": kind, "is": distance },
        "now": candidate(&found.now),
        "suggested": found.found.as_ref().map(candidate),
        "next_lower": found.below.as_ref().map(candidate),
        "next_higher": found.above.as_ref().map(candidate),
    })
}
