//! `tidegate rules promote` and `rollback`: another `rules.toml`, which a run takes up as it does
//! whatever is written there.

use std::fs;
use std::path::Path;
use std::process::ExitCode;

use anyhow::{Context, Result, bail};
use tidegate_pipeline::{AuditEntry, Pipeline, Problem, RULES, rule_changes};

use super::{Print, audit, edit};
use crate::cli::{RulesChanged, RulesPromote, RulesRollback};
use crate::{folder, whole_file};

/// Makes a shadow rule live.
pub(super) async fn promote(args: &RulesPromote, print: Print) -> Result<ExitCode> {
    let pipeline = folder::load(&args.pipeline).await?;
    let text = edit::promoted(
        &pipeline.rules_text,
        &args.rule,
        args.in_place_of.as_deref(),
    )?;
    write(&pipeline, &args.pipeline, &text, &args.changed, print)
}

/// Goes back to rules that were in force.
pub(super) async fn rollback(args: &RulesRollback, print: Print) -> Result<ExitCode> {
    // The rules that are there may be the reason: only their place and name are asked for.
    let pipeline = folder::load_without_rules(&args.pipeline).await?;
    let entries = audit::entries(&args.bootstrap, &pipeline.name)?;
    let there = fs::read_to_string(args.pipeline.join(RULES)).unwrap_or_default();
    let text = match args.to {
        Some(version) => audit::text_of(&entries, version)?,
        None => before(&entries, &there)?,
    };
    write(&pipeline, &args.pipeline, text, &args.changed, print)
}

/// The newest rules that are others than those in the file.
fn before<'a>(entries: &'a [AuditEntry], there: &str) -> Result<&'a str> {
    let other = |entry: &&AuditEntry| !edit::same_rules(&entry.text, there);
    let found = entries.iter().rev().find(other);
    let found = found.context("no other rules were in force: there is nothing to go back to")?;
    Ok(&found.text)
}

/// Writes the rules, if they are good, as a whole or not at all, and says what became different.
fn write(
    pipeline: &Pipeline,
    folder: &Path,
    text: &str,
    changed: &RulesChanged,
    print: Print,
) -> Result<ExitCode> {
    let text = edit::signed(text, &changed.who, &changed.reason)?;
    if let Err(problems) = pipeline.rules_of(&text) {
        let problems: Vec<String> = problems.iter().map(Problem::to_string).collect();
        bail!(
            "the rules would be wrong, and nothing is written: {}",
            problems.join("; ")
        );
    }
    let path = folder.join(RULES);
    let there = fs::read_to_string(&path).unwrap_or_default();
    for change in rule_changes(&there, &text) {
        let side = |value: &Option<String>| value.clone().unwrap_or_else(|| "nothing".to_owned());
        if change.key.is_empty() {
            let what = if change.after.is_some() {
                "comes"
            } else {
                "goes"
            };
            print(&format!("{} {what}", change.rule));
        } else {
            let (before, after) = (side(&change.before), side(&change.after));
            print(&format!(
                "{}: {} {before} -> {after}",
                change.rule, change.key
            ));
        }
    }
    let place = path.display();
    if changed.dry_run {
        print(&format!("{place} is as it was: this was a dry run"));
        return Ok(ExitCode::SUCCESS);
    }
    whole_file::write(&path, text.as_bytes())
        .with_context(|| format!("{place} cannot be written"))?;
    print(&format!(
        "{place} is written; a run takes it up within seconds"
    ));
    Ok(ExitCode::SUCCESS)
}
