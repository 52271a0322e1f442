//! `tidegate rules test`.

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::{Context, Result};
use serde_json::json;
use tidegate_pipeline::{RULE_CASES, RuleCaseOutcome, run_rule_cases};

use super::Print;
use super::table::Table;
use crate::cli::Folder;
use crate::folder::{self, BadPipeline};

/// The folder of further files, below the pipeline's.
const CASES: &str = "tests/rules";

/// Runs the command.
pub(super) async fn test(args: &Folder, print: Print) -> Result<ExitCode> {
    let pipeline = folder::load(&args.pipeline).await?;
    let files = files(&args.pipeline)?;
    anyhow::ensure!(
        !files.is_empty(),
        "{} has no {RULE_CASES} and no {CASES}/*.toml: there is no case to run",
        args.pipeline.display()
    );
    let mut outcomes = Vec::new();
    let mut problems = Vec::new();
    for (name, path) in files {
        let text = std::fs::read_to_string(&path)
            .with_context(|| format!("cannot read {}", path.display()))?;
        match run_rule_cases(&pipeline, &name, &text) {
            Ok(found) => outcomes.extend(found),
            Err(found) => problems.extend(found),
        }
    }
    if !problems.is_empty() {
        return Err(BadPipeline(problems).into());
    }
    let failed = outcomes.iter().filter(|one| !one.unmet.is_empty()).count();
    if args.json {
        let cases: Vec<_> = outcomes.iter().map(as_json).collect();
        let answer = json!({ "passed": outcomes.len() - failed, "failed": failed, "cases": cases });
        print(&serde_json::to_string_pretty(&answer)?);
    } else {
        for outcome in &outcomes {
            show(outcome, print);
        }
        print(&format!(
            "{} passed, {failed} failed",
            outcomes.len() - failed
        ));
    }
    Ok(if failed == 0 {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    })
}

/// The files with cases: name relative to the folder, and path.
fn files(folder: &Path) -> Result<Vec<(String, PathBuf)>> {
    let mut files = Vec::new();
    let beside = folder.join(RULE_CASES);
    if beside.is_file() {
        files.push((RULE_CASES.to_owned(), beside));
    }
    let below = folder.join(CASES);
    if below.is_dir() {
        for entry in std::fs::read_dir(&below)? {
            let path = entry?.path();
            if path
                .extension()
                .is_some_and(|extension| extension == "toml")
            {
                let name = path.file_name().unwrap_or_default().to_string_lossy();
                files.push((format!("{CASES}/{name}"), path.clone()));
            }
        }
    }
    files.sort();
    Ok(files)
}

fn show(outcome: &RuleCaseOutcome, print: Print) {
    let mark = if outcome.unmet.is_empty() {
        "ok  "
    } else {
        "FAIL"
    };
    print(&format!("{mark} {} — {}", outcome.file, outcome.name));
    if outcome.unmet.is_empty() {
        return;
    }
    let mut table = Table::new(&["at", "rule", "subject", "expected", "got"]);
    for unmet in &outcome.unmet {
        table.row([
            &unmet.at,
            &unmet.rule,
            &unmet.subject,
            &unmet.expected,
            &unmet.got,
        ]);
    }
    print(&table.indented(5));
}

fn as_json(outcome: &RuleCaseOutcome) -> serde_json::Value {
    let unmet = outcome.unmet.iter().map(|one| {
        json!({
            "rule": one.rule, "subject": one.subject, "at": one.at,
            "expected": one.expected, "got": one.got,
        })
    });
    json!({ "file": outcome.file, "name": outcome.name, "unmet": unmet.collect::<Vec<_>>() })
}
