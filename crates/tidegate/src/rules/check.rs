//! `tidegate rules check`.

use std::process::ExitCode;

use anyhow::Result;
use serde_json::json;
use tidegate_alerts::lint;
use tidegate_pipeline::{Problem, RULES};

use super::Print;
use crate::cli::RulesCheck;
use crate::folder::{self, BadPipeline};
use crate::notify::check_folder;

/// Runs the command.
pub(super) async fn check(args: &RulesCheck, print: Print) -> Result<ExitCode> {
    let loaded = match folder::load(&args.pipeline).await {
        Ok(pipeline) if args.strict => {
            check_folder(&args.pipeline, &pipeline).map(|setup| (pipeline, setup))
        }
        Ok(pipeline) => Ok((pipeline, None)),
        Err(error) => Err(error),
    };
    let (pipeline, setup) = match loaded {
        Ok(loaded) => loaded,
        Err(error) => {
            let bad = error.downcast::<BadPipeline>()?;
            if !args.json {
                return Err(bad.into());
            }
            let problems: Vec<_> = bad.0.iter().map(as_json).collect();
            let answer = json!({ "ok": false, "problems": problems, "warnings": [] });
            print(&serde_json::to_string_pretty(&answer)?);
            return Ok(ExitCode::from(crate::EXIT_CONFIG));
        }
    };
    // Without routes nobody says who is on duty.
    let roles = setup.map(|setup| setup.plan.roles());
    let roles = roles.filter(|roles| !roles.is_empty());
    let warnings: Vec<Problem> = if args.strict {
        let found = lint(&pipeline.rules, roles.as_ref()).into_iter();
        found
            .map(|warning| {
                let line = pipeline.rule_line(&warning.rule, &warning.key);
                let line = line.or_else(|| pipeline.rule_line(&warning.rule, "name"));
                let message = format!("{} {}", warning.key, warning.message);
                Problem::new(RULES, &format!("rule {}", warning.rule), message).at(line)
            })
            .collect()
    } else {
        Vec::new()
    };
    if args.json {
        let found: Vec<_> = warnings.iter().map(as_json).collect();
        let answer = json!({
            "ok": warnings.is_empty(), "rules": pipeline.rules.len(), "problems": [], "warnings": found,
        });
        print(&serde_json::to_string_pretty(&answer)?);
    } else {
        for warning in &warnings {
            print(&warning.to_string());
        }
        print(&format!(
            "{}: {} rules, no problems{}",
            pipeline.name,
            pipeline.rules.len(),
            if args.strict {
                format!(", {} warnings", warnings.len())
            } else {
                String::new()
            }
        ));
    }
    Ok(if warnings.is_empty() {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    })
}

fn as_json(problem: &Problem) -> serde_json::Value {
    json!({
        "file": problem.file, "line": problem.line, "key": problem.key, "message": problem.message,
    })
}
