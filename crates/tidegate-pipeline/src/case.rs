//! Tests inside a pipeline folder: `given` records, `expect` layer rows, alerts and counts.

use std::collections::BTreeMap;
use std::sync::Arc;

use arrow::array::{Array, AsArray};
use arrow::datatypes::{Float64Type, TimestampMicrosecondType};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use tidegate_alerts::AlertTransition;
use tidegate_model::{EventTime, FeedId, Payload, Position, parse_rfc3339};

use crate::source::read_toml;
use crate::{Event, Mode, Pipeline, Problem, Runtime, RuntimeError, Summary};

/// Largest difference between an expected and a found value, relative to the expected one.
const TOLERANCE: f64 = 1e-9;

/// A file `tests/NAME.toml`.
#[derive(Debug, serde::Deserialize)]
#[serde(deny_unknown_fields)]
struct CaseFile {
    /// What the case shows.
    name: String,
    given: Vec<Given>,
    expect: Expect,
}

#[derive(Debug, serde::Deserialize)]
#[serde(deny_unknown_fields)]
struct Given {
    feed: String,
    /// Messages as their producer writes them.
    #[serde(default)]
    records: Vec<String>,
    /// Messages that are not text, in base64; after `records`.
    #[serde(default)]
    base64: Vec<Message>,
}

/// A message in base64.
#[derive(Debug, serde::Deserialize)]
#[serde(try_from = "String")]
struct Message(Vec<u8>);

impl TryFrom<String> for Message {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        match STANDARD.decode(&text) {
            Ok(bytes) => Ok(Self(bytes)),
            Err(error) => Err(format!("a message is not base64: {error}")),
        }
    }
}

#[derive(Debug, Default, serde::Deserialize)]
#[serde(deny_unknown_fields)]
struct Expect {
    #[serde(default)]
    layer: Vec<ExpectLayer>,
    #[serde(default)]
    alert: Vec<ExpectAlert>,
    /// `received`, `counted`, `late`, `duplicate`, `rejected`.
    #[serde(default)]
    summary: BTreeMap<String, u64>,
}

#[derive(Debug, serde::Deserialize)]
#[serde(deny_unknown_fields)]
struct ExpectLayer {
    layer: String,
    subject: String,
    window_end: String,
    value: f64,
    level: Option<String>,
}

#[derive(Debug, serde::Deserialize)]
#[serde(deny_unknown_fields)]
struct ExpectAlert {
    rule: String,
    subject: String,
    state: String,
    window_end: String,
}

/// What one case gave.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CaseOutcome {
    /// The file.
    pub file: String,
    /// What it shows.
    pub name: String,
    /// What was expected and not found; empty when the case passed.
    pub failures: Vec<String>,
}

/// Runs every case of the pipeline's `tests/` folder, each in a run of its own.
///
/// Records are read in the order given, as a stream, and all windows close at the end. All alert
/// transitions that occur must be expected; layer rows and counts only where they are named.
///
/// # Errors
/// [`Problem`]s of the case files; a case that does not hold is not an error.
pub async fn run_cases(pipeline: &Arc<Pipeline>) -> Result<Vec<CaseOutcome>, Vec<Problem>> {
    let mut outcomes = Vec::new();
    let mut problems = Vec::new();
    for (name, text) in &pipeline.cases {
        let file = format!("tests/{name}.toml");
        match read_toml::<CaseFile>(&file, text) {
            Ok(case) => match run_case(pipeline, &case).await {
                Ok(failures) => outcomes.push(CaseOutcome {
                    file,
                    name: case.name,
                    failures,
                }),
                Err(error) => problems.push(Problem::new(&file, "given", error.to_string())),
            },
            Err(found) => problems.extend(found),
        }
    }
    if problems.is_empty() {
        Ok(outcomes)
    } else {
        Err(problems)
    }
}

async fn run_case(pipeline: &Arc<Pipeline>, case: &CaseFile) -> Result<Vec<String>, RuntimeError> {
    let mut runtime = Runtime::new(Arc::clone(pipeline), Mode::Stream).await?;
    for feed in &pipeline.feeds {
        runtime.assign(&feed.id, 0)?;
    }
    let mut offset = 0;
    for given in &case.given {
        let text = given.records.iter().map(String::as_bytes);
        let binary = given.base64.iter().map(|message| message.0.as_slice());
        let payloads: Vec<Payload<'_>> = text
            .chain(binary)
            .map(|record| {
                offset += 1;
                let position = Position {
                    partition: 0,
                    offset,
                    row: 0,
                };
                Payload {
                    position,
                    bytes: Some(record),
                    arrived: None,
                }
            })
            .collect();
        let feed = FeedId::new(&given.feed);
        // A name that is not a feed's is a slip of the case's author.
        runtime.assign(&feed, 0)?;
        runtime.ingest(&feed, 0, &payloads, EventTime::MAX).await?;
    }
    runtime.end().await?;
    let mut found = Found::default();
    while let Some(event) = runtime.poll_event() {
        found.take(event);
    }
    Ok(found.failures(&case.expect, &runtime.summary()))
}

/// Value and level of a layer row.
type FoundRow = (Option<f64>, Option<String>);

/// What a case's run gave out.
#[derive(Debug, Default)]
struct Found {
    /// By layer, subject and window end.
    layers: BTreeMap<(String, String, i64), FoundRow>,
    alerts: Vec<AlertTransition>,
}

impl Found {
    fn take(&mut self, event: Event) {
        match event {
            Event::Layer { layer, rows, .. } => {
                let text = |idx: usize| rows.column(idx).as_string::<i32>();
                let ends = rows.column(2).as_primitive::<TimestampMicrosecondType>();
                let values = rows.column(5).as_primitive::<Float64Type>();
                for row in 0..rows.num_rows() {
                    let key = (
                        layer.clone(),
                        text(4).value(row).to_owned(),
                        ends.value(row),
                    );
                    let value = values.is_valid(row).then(|| values.value(row));
                    let level = text(9).is_valid(row).then(|| text(9).value(row).to_owned());
                    self.layers.insert(key, (value, level));
                }
            }
            Event::Alert(alert) => self.alerts.push(*alert),
            Event::Pane { .. }
            | Event::Late { .. }
            | Event::Duplicate { .. }
            | Event::Rejected(_)
            | Event::FeedHealth(_)
            | Event::OccupancyCorrection(_)
            | Event::FeedQuality { .. }
            | Event::Forecast { .. }
            | Event::Aberration { .. }
            | Event::LayerFailed { .. }
            | Event::Audit(_) => {}
        }
    }

    fn failures(&self, expect: &Expect, summary: &Summary) -> Vec<String> {
        let mut failures = Vec::new();
        for row in &expect.layer {
            failures.extend(self.layer_failure(row));
        }
        let mut unmatched: Vec<&AlertTransition> = self.alerts.iter().collect();
        for alert in &expect.alert {
            let matches = |found: &&AlertTransition| {
                found.rule == alert.rule
                    && found.subject == alert.subject
                    && found.state.as_str() == alert.state
                    && parse_rfc3339(&alert.window_end) == Ok(found.window_end)
            };
            match unmatched.iter().position(matches) {
                Some(index) => drop(unmatched.remove(index)),
                None => failures.push(format!(
                    "expected alert {} of {} to be {} at {}, which did not happen",
                    alert.rule, alert.subject, alert.state, alert.window_end
                )),
            }
        }
        failures.extend(unmatched.iter().map(|found| {
            format!(
                "alert {} of {} was {} at {}, which was not expected",
                found.rule,
                found.subject,
                found.state.as_str(),
                found.window_end
            )
        }));
        for (name, expected) in &expect.summary {
            let found = match name.as_str() {
                "received" => summary.received,
                "counted" => summary.counted,
                "late" => summary.late,
                "duplicate" => summary.duplicate,
                "rejected" => summary.rejected,
                other => {
                    failures.push(format!("summary has no count {other:?}"));
                    continue;
                }
            };
            if found != *expected {
                failures.push(format!("expected {expected} {name}, found {found}"));
            }
        }
        failures
    }

    fn layer_failure(&self, expect: &ExpectLayer) -> Option<String> {
        let what = format!(
            "{} of {} at {}",
            expect.layer, expect.subject, expect.window_end
        );
        let end = match parse_rfc3339(&expect.window_end) {
            Ok(end) => end.micros(),
            Err(error) => return Some(error.to_string()),
        };
        let key = (expect.layer.clone(), expect.subject.clone(), end);
        let Some((value, level)) = self.layers.get(&key) else {
            return Some(format!(
                "expected {what} to be {}, found no row",
                expect.value
            ));
        };
        let Some(value) = value else {
            return Some(format!(
                "expected {what} to be {}, found null",
                expect.value
            ));
        };
        if (value - expect.value).abs() > TOLERANCE * expect.value.abs().max(1.0) {
            return Some(format!(
                "expected {what} to be {}, found {value}",
                expect.value
            ));
        }
        if expect.level.is_some() && expect.level != *level {
            return Some(format!(
                "expected level of {what} {:?}, found {level:?}",
                expect.level
            ));
        }
        None
    }
}
