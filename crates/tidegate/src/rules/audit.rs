//! `tidegate rules history`: the changes of a pipeline's rules, from the topic that holds them.

use std::process::ExitCode;
use std::time::Duration;

use anyhow::{Context, Result};
use tidegate_connect::{Ends, Inspector};
use tidegate_pipeline::{AuditEntry, verify_audit};

use super::Print;
use super::table::Table;
use crate::cli::RulesHistory;
use crate::folder;
use crate::records::AUDIT;

/// How long the brokers may take.
const WITHIN: Duration = Duration::from_secs(30);
/// What is said where there is no version.
const NONE: &str = "no change of the rules is written down: has the pipeline run?";
/// Each task has a chain of its own, with the same texts: all follow one file.
const TASK: i32 = 0;

/// Lists the changes, or prints one of the texts.
pub(super) async fn history(args: &RulesHistory, print: Print) -> Result<ExitCode> {
    let pipeline = folder::load(&args.pipeline).await?;
    let entries = entries(&args.bootstrap, &pipeline.name)?;
    if let Some(version) = args.show {
        print(text_of(&entries, version)?.trim_end());
        return Ok(ExitCode::SUCCESS);
    }
    if args.json {
        for entry in &entries {
            print(&serde_json::to_string(entry)?);
        }
        return Ok(ExitCode::SUCCESS);
    }
    if entries.is_empty() {
        print(NONE);
        return Ok(ExitCode::SUCCESS);
    }
    let mut table = Table::new(&["version", "at", "who", "why", "changed"]);
    for entry in &entries {
        let changed = match &entry.changes[..] {
            [] => "nothing but who and why".to_owned(),
            [one] => named(&one.rule, &one.key),
            [one, more @ ..] => format!("{} and {} more", named(&one.rule, &one.key), more.len()),
        };
        let version = entry.number.to_string();
        table.row([&version, &entry.at, &entry.who, &entry.reason, &changed]);
    }
    print(&table.indented(0));
    print("each version follows the one before, and none was altered");
    Ok(ExitCode::SUCCESS)
}

fn named(rule: &str, key: &str) -> String {
    if key.is_empty() {
        rule.to_owned()
    } else {
        format!("{rule}: {key}")
    }
}

/// The changes of a pipeline's rules, the oldest first, which follow one another.
///
/// # Errors
/// When the brokers do not give them, or when one was altered or left out.
pub(super) fn entries(bootstrap: &str, pipeline: &str) -> Result<Vec<AuditEntry>> {
    let records = Inspector::new(bootstrap).read_committed(AUDIT, &Ends::new(), WITHIN)?;
    let mut entries = Vec::new();
    for record in &records {
        let entry: AuditEntry = serde_json::from_slice(record.value.as_deref().unwrap_or_default())
            .with_context(|| format!("{AUDIT} holds no change at offset {}", record.offset))?;
        if entry.pipeline == pipeline && entry.task == TASK {
            entries.push(entry);
        }
    }
    verify_audit(&entries)
        .with_context(|| format!("the audit of pipeline {pipeline:?} cannot be trusted"))?;
    Ok(entries)
}

/// The rules of a version.
///
/// # Errors
/// When there is none of that number.
pub(super) fn text_of(entries: &[AuditEntry], version: u64) -> Result<&str> {
    let found = entries.iter().find(|entry| entry.number == version);
    let found = found.with_context(|| match entries.last() {
        Some(last) => format!("there is no version {version}, only 1 to {}", last.number),
        None => NONE.to_owned(),
    })?;
    Ok(&found.text)
}
