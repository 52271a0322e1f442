//! The file of labelled events, and what becomes of each.

use std::collections::BTreeSet;
use std::path::Path;

use anyhow::{Context, Result, bail};
use tidegate_alerts::backtest::{LabelledEvent, Report, Score, score};
use tidegate_model::{Span, parse_rfc3339};

/// Problems of a file that are listed.
const PROBLEMS_MAX: usize = 20;

/// Events as they were read, and what of them counts.
#[derive(Debug)]
pub(super) struct Events {
    pub(super) list: Vec<LabelledEvent>,
    /// The line of each, from 1.
    lines: Vec<u64>,
    file: String,
}

/// The columns of a row.
#[derive(Debug, serde::Deserialize)]
struct Row {
    subject: String,
    starts_at: String,
    ends_at: String,
    #[serde(default)]
    label: String,
}

impl Events {
    /// Reads the file, or names every wrong line.
    pub(super) fn read(path: &Path) -> Result<Self> {
        let mut events = Vec::new();
        let mut lines = Vec::new();
        let mut problems = Vec::new();
        let file = path.display().to_string();
        let mut reader =
            csv::Reader::from_path(path).with_context(|| format!("cannot read {file}"))?;
        let header = reader.headers()?.clone();
        for name in ["subject", "starts_at", "ends_at"] {
            if !header.iter().any(|column| column == name) {
                bail!(
                    "{file}:1: has no column {name}; columns are subject, starts_at, ends_at, label"
                );
            }
        }
        let mut record = csv::StringRecord::new();
        while reader.read_record(&mut record)? {
            let line = record.position().map_or(0, csv::Position::line);
            match record
                .deserialize(Some(&header))
                .map_err(|e| e.to_string())
                .and_then(event)
            {
                Ok(event) => {
                    events.push(event);
                    lines.push(line);
                }
                Err(problem) => problems.push(format!("{file}:{line}: {problem}")),
            }
        }
        if !problems.is_empty() {
            let count = problems.len();
            problems.truncate(PROBLEMS_MAX);
            bail!(
                "{count} problems in the events:\n  {}",
                problems.join("\n  ")
            );
        }
        Ok(Self {
            list: events,
            lines,
            file,
        })
    }

    /// What of the file does not count for any rule: subjects that are in no layer, and events
    /// outside of the data.
    pub(super) fn notes(&self, report: &Report, met: &BTreeSet<String>) -> Vec<String> {
        let mut notes = Vec::new();
        for (event, line) in self.list.iter().zip(&self.lines) {
            let place = format!("{}:{line}", self.file);
            if let Some(subject) = &event.subject
                && !met.contains(subject)
            {
                notes.push(format!(
                    "{place}: {subject:?} is a subject of no layer, so it does not count"
                ));
            } else if !is_within(event, report) {
                notes.push(format!(
                    "{place}: lies outside of the data, so it does not count"
                ));
            }
        }
        notes
    }

    /// How well each rule tells the events on its subjects. `is_about` says whether a rule, by its
    /// place, is about a subject.
    pub(super) fn scores(
        &self,
        report: &Report,
        tolerance: Span,
        is_about: impl Fn(usize, &str) -> bool,
    ) -> Vec<Score> {
        let rules = report.rules.iter().enumerate();
        let scores = rules.map(|(place, rule)| {
            score(&rule.episodes, &self.list, tolerance, |event| {
                let subject = event.subject.as_deref();
                is_within(event, report) && subject.is_none_or(|subject| is_about(place, subject))
            })
        });
        scores.collect()
    }
}

fn is_within(event: &LabelledEvent, report: &Report) -> bool {
    let (Some(from), Some(to)) = (report.from, report.to) else {
        return false;
    };
    event.starts_at >= from && event.starts_at < to
}

fn event(row: Row) -> Result<LabelledEvent, String> {
    let time = |name: &str, text: &str| {
        parse_rfc3339(text.trim())
            .map_err(|_| format!("{name} {text:?} is not a time such as 2026-06-04T08:00:00+08:00"))
    };
    let (starts_at, ends_at) = (
        time("starts_at", &row.starts_at)?,
        time("ends_at", &row.ends_at)?,
    );
    if ends_at < starts_at {
        return Err(format!(
            "ends_at {} is before starts_at {}",
            row.ends_at, row.starts_at
        ));
    }
    let subject = row.subject.trim();
    if subject.is_empty() {
        return Err("subject is empty; * is any".to_owned());
    }
    Ok(LabelledEvent {
        subject: (subject != "*").then(|| subject.to_owned()),
        starts_at,
        ends_at,
        label: row.label,
    })
}
