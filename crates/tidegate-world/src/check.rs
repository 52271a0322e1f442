//! The checkers, each named by the invariant that it guards.
//!
//! | id | what is checked |
//! |---|---|
//! | T1, T7 | what became visible is, byte for byte and epoch by epoch, what one run without any crash gives on the recorded steps: T1 where nobody restarted, T7 otherwise |
//! | T2 | watermarks never go back and are those of the oracle |
//! | T3 | each window fires in the very step in which the merged watermark passes it, and a partition is idle only when it is |
//! | T4 | accounting adds up in each epoch and is the oracle's, record by record |
//! | T5 | panes and layers are the oracle's, revision by revision |
//! | T6 | where nothing was idle, they are also those of partitions read one after another |
//! | A1, A2 | alerts are the oracle's; no second raise without a value that clears; one transition a window |
//! | D1 | epochs, steps and positions follow one upon the other without gap, and name only snapshots that are stored |
//! | D2 | no id is used for two contents |
//!
//! Not checked here: G1 and P1, which nothing builds yet; L1, whose bounds lie far above what a
//! small world reaches (unit tests stand beside each constant).

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::sync::Arc;

use tidegate_model::{EventTime, FeedId};
use tidegate_pipeline::{Event, Mode, Pipeline, Progress, Runtime, Step, Totals};

use super::broker::Broker;
use super::oracle::Oracle;
use super::output::{self, Output};
use super::shape::Shape;
use super::step::{Action, action};
use super::traffic::Key;

/// A broken invariant.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Violation {
    /// Its id, as in `ARCHITECTURE.md`; `run` when the product failed altogether, `live` when it
    /// came to no end.
    pub invariant: &'static str,
    /// What was found, and what should have been.
    pub detail: String,
}

impl fmt::Display for Violation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.invariant, self.detail)
    }
}

impl std::error::Error for Violation {}

fn violation(invariant: &'static str, detail: impl Into<String>) -> Violation {
    Violation {
        invariant,
        detail: detail.into(),
    }
}

/// Checks everything that a world left behind.
pub(crate) async fn check(
    shape: &Shape,
    pipeline: &Arc<Pipeline>,
    broker: &Broker,
) -> Result<(), Violation> {
    let mut epochs = Vec::new();
    for commit in &broker.commits {
        let progress: Progress = serde_json::from_str(&commit.progress)
            .map_err(|error| violation("D1", error.to_string()))?;
        epochs.push(progress);
    }
    check_chain(&epochs, broker)?;
    check_ids(broker)?;
    let mut oracle = Oracle::new(shape, broker.logs());
    check_reference(pipeline, broker, &epochs, &mut oracle).await?;
    oracle.close();
    check_oracle(broker, &oracle.expected)?;
    check_order(shape, broker, &epochs, &oracle.expected)?;
    check_raises(shape, broker)
}

/// What became visible, without provisional outputs.
fn visible(broker: &Broker) -> impl Iterator<Item = &Output> {
    let outputs = broker.commits.iter().flat_map(|commit| &commit.outputs);
    outputs.filter(|output| output.is_final)
}

/// D1 and T2: epochs follow one upon the other, and their steps explain their positions.
fn check_chain(epochs: &[Progress], broker: &Broker) -> Result<(), Violation> {
    let mut positions: BTreeMap<Key, i64> = BTreeMap::new();
    let mut watermark = i64::MIN;
    for (number, progress) in (1..).zip(epochs) {
        let epoch = progress.of.epoch;
        if epoch != number {
            let detail = format!("epoch {epoch} became visible as number {number}");
            return Err(violation("D1", detail));
        }
        for step in &progress.steps {
            follow(&mut positions, step).map_err(|detail| {
                violation("D1", format!("epoch {epoch}, step {step:?}: {detail}"))
            })?;
        }
        let committed = progress.positions.iter();
        let committed: BTreeMap<Key, i64> = committed
            .map(|at| ((at.feed.clone(), at.partition), at.next))
            .collect();
        if committed != positions {
            let detail =
                format!("epoch {epoch} commits {committed:?}, its steps give {positions:?}");
            return Err(violation("D1", detail));
        }
        if progress.snapshot.as_ref().is_some_and(|s| s.epoch >= epoch) {
            let detail = format!("epoch {epoch} names the snapshot {:?}", progress.snapshot);
            return Err(violation("D1", detail));
        }
        if progress.watermark < watermark {
            let detail = format!("epoch {epoch}: {watermark} became {}", progress.watermark);
            return Err(violation("T2", detail));
        }
        watermark = progress.watermark;
    }
    if positions == broker.ends() {
        return Ok(());
    }
    let detail = format!("read to {positions:?}, the logs end at {:?}", broker.ends());
    Err(violation("D1", detail))
}

fn follow(positions: &mut BTreeMap<Key, i64>, step: &Step) -> Result<(), String> {
    let (key, action) = action(step);
    let before = positions.get(&key).copied();
    match (action, before) {
        (Action::Assigned(offset), None) => {
            positions.insert(key, offset);
            Ok(())
        }
        (Action::Read(from, to), Some(next)) if from == next && from <= to => {
            positions.insert(key, to);
            Ok(())
        }
        (Action::Idle, Some(_)) => Ok(()),
        _ => Err(format!("it stood at {before:?}")),
    }
}

/// D2, and that nothing is visible twice (T7, A2).
fn check_ids(broker: &Broker) -> Result<(), Violation> {
    let mut seen: BTreeMap<&str, &Output> = BTreeMap::new();
    let mut episodes: BTreeMap<&str, BTreeSet<String>> = BTreeMap::new();
    for output in visible(broker) {
        if let Some(before) = seen.insert(&output.id, output) {
            let invariant = match (output.id.starts_with("alert/"), before == output) {
                (true, _) => "A2",
                (false, true) => "T7",
                (false, false) => "D2",
            };
            let detail = format!(
                "{} is visible twice: {} and {}",
                output.id, before.full, output.full
            );
            return Err(violation(invariant, detail));
        }
        if let Some((subject, _)) = output.id.rsplit_once('/')
            && output.id.starts_with("alert/")
            && let Some(id) = output.full.split('"').nth(1)
        {
            let since = output.content.split("since=").nth(1).unwrap_or_default();
            episodes
                .entry(id)
                .or_default()
                .insert(format!("{subject}/{since}"));
        }
    }
    for (id, of) in &episodes {
        let same = episodes.values().filter(|other| *other == of).count();
        if of.len() != 1 || same != 1 {
            let detail = format!("alert {id} is of {of:?}, which has {same} ids");
            return Err(violation("D2", detail));
        }
    }
    Ok(())
}

/// T1, T7, T3, T4, T2: against one run without any crash, and the oracle beside it.
async fn check_reference(
    pipeline: &Arc<Pipeline>,
    broker: &Broker,
    epochs: &[Progress],
    oracle: &mut Oracle<'_>,
) -> Result<(), Violation> {
    let failed = |error: tidegate_pipeline::RuntimeError| violation("run", error.to_string());
    let runtime = Runtime::new(Arc::clone(pipeline), Mode::Stream).await;
    let mut runtime = runtime.map_err(failed)?;
    let workers: BTreeSet<u64> = broker.commits.iter().map(|commit| commit.by).collect();
    let same = if workers.len() == 1 { "T1" } else { "T7" };
    for (progress, commit) in epochs.iter().zip(&broker.commits) {
        let epoch = progress.of.epoch;
        let mut given = Vec::new();
        for step in &progress.steps {
            let before = oracle.merged;
            oracle.take(step);
            take(&mut runtime, broker, step).await.map_err(failed)?;
            while let Some(event) = runtime.poll_event() {
                check_firing(pipeline, &event, before, oracle.merged)?;
                given.extend(output::outputs(&event));
            }
        }
        let told = commit.outputs.iter().filter(|output| output.is_final);
        compare(told, &given)
            .map_err(|detail| violation(same, format!("epoch {epoch}: {detail}")))?;
        let [received, counted, late, duplicate, rejected] = oracle.sums;
        let sums = Totals {
            received,
            counted,
            late,
            duplicate,
            rejected,
        };
        if progress.totals != sums || received != counted + late + duplicate + rejected {
            let detail = format!("epoch {epoch}: {}, the oracle has {sums}", progress.totals);
            return Err(violation("T4", detail));
        }
        if progress.watermark != oracle.merged {
            let (found, should) = (progress.watermark, oracle.merged);
            let detail = format!("epoch {epoch}: watermark {found}, the oracle has {should}");
            return Err(violation("T2", detail));
        }
    }
    Ok(())
}

/// Takes a step without writing anything down.
async fn take(
    runtime: &mut Runtime,
    broker: &Broker,
    step: &Step,
) -> Result<(), tidegate_pipeline::RuntimeError> {
    let (key, action) = action(step);
    let feed = FeedId::new(&key.0);
    match action {
        Action::Assigned(_) => runtime.assign(&feed, key.1),
        Action::Idle => runtime.idle(&feed, key.1).await,
        Action::Read(from, to) => {
            let payloads = broker.fetch(&key, from, to);
            let read = runtime.ingest(&feed, key.1, &payloads, EventTime::MAX);
            read.await
        }
    }
}

/// T3: a window fires in the step in which the merged watermark passes it.
fn check_firing(
    pipeline: &Pipeline,
    event: &Event,
    before: i64,
    after: i64,
) -> Result<(), Violation> {
    let Event::Pane {
        window,
        end,
        revision,
        is_final: true,
        ..
    } = event
    else {
        return Ok(());
    };
    let due = match revision {
        0 => *end,
        _ => end.plus(pipeline.allowed_lateness),
    };
    if before < due.micros() && due.micros() <= after {
        return Ok(());
    }
    let detail = format!(
        "revision {revision} of {window} to {end} is due at {}, and fired when the merged \
         watermark went from {before} to {after}",
        due.micros()
    );
    Err(violation("T3", detail))
}

/// The first difference of two sequences.
fn compare<'a>(told: impl Iterator<Item = &'a Output>, given: &'a [Output]) -> Result<(), String> {
    let mut given = given.iter();
    for output in told {
        match given.next() {
            Some(same) if same == output => {}
            Some(other) => {
                let (found, should) = (&output.full, &other.full);
                let (id, other) = (&output.id, &other.id);
                return Err(format!(
                    "{id} {found} is visible, without a crash it is {other} {should}"
                ));
            }
            None => {
                let (id, full) = (&output.id, &output.full);
                return Err(format!("{id} {full} is visible, without a crash it is not"));
            }
        }
    }
    match given.next() {
        None => Ok(()),
        Some(lost) => Err(format!("{} {} is lost", lost.id, lost.full)),
    }
}

/// The kinds of outputs, causes before what follows from them, with what their content keeps.
const KINDS: [(&str, &str); 6] = [
    ("rejected", "T4"),
    ("duplicate", "T4"),
    ("late", "T4"),
    ("pane", "T5"),
    ("layer", "T5"),
    ("alert", "A1"),
];

/// T4, T5, A1: against the oracle, output by output.
fn check_oracle(broker: &Broker, expected: &BTreeMap<String, String>) -> Result<(), Violation> {
    let told: BTreeMap<&str, &str> = visible(broker)
        .map(|output| (output.id.as_str(), output.content.as_str()))
        .collect();
    let should: BTreeMap<&str, &str> = expected
        .iter()
        .map(|(id, content)| (id.as_str(), content.as_str()))
        .collect();
    for (kind, invariant) in KINDS {
        let of_kind = |id: &&&str| id.split('/').next() == Some(kind);
        let ids: BTreeSet<&&str> = told.keys().chain(should.keys()).filter(of_kind).collect();
        for id in ids {
            if told.get(id) != should.get(id) {
                let show =
                    |there: Option<&&str>| there.map_or("nothing".to_owned(), |c| format!("{c:?}"));
                let (told, should) = (show(told.get(id)), show(should.get(id)));
                let detail = format!("{id}: {told} is visible, the oracle has {should}");
                return Err(violation(invariant, detail));
            }
        }
    }
    Ok(())
}

/// T6: without idleness and late-comers, the order in which partitions were read, and in which
/// portions, changes nothing.
fn check_order(
    shape: &Shape,
    broker: &Broker,
    epochs: &[Progress],
    expected: &BTreeMap<String, String>,
) -> Result<(), Violation> {
    let steps = || epochs.iter().flat_map(|progress| &progress.steps);
    let is_assignment = |step: &&Step| matches!(step, Step::Assigned { .. });
    let assigned = steps().take_while(is_assignment).count();
    let is_idle = steps().any(|step| matches!(step, Step::Idle { .. }));
    if is_idle || assigned < broker.logs().len() {
        return Ok(());
    }
    let mut oracle = Oracle::new(shape, broker.logs());
    for step in steps().take(assigned) {
        oracle.take(step);
    }
    for ((feed, partition), to) in broker.ends() {
        oracle.take(&Step::Read {
            feed,
            partition,
            from: 0,
            to,
        });
    }
    oracle.close();
    check_oracle(broker, &oracle.expected).map_err(|found| violation("T6", found.detail))?;
    if oracle.expected == *expected {
        return Ok(());
    }
    Err(violation("T6", "the oracle itself depends on the order"))
}

/// A1: between two raises there is a value that clears.
fn check_raises(shape: &Shape, broker: &Broker) -> Result<(), Violation> {
    let mut values: BTreeMap<(&str, &str), Vec<(i64, i64)>> = BTreeMap::new();
    let mut raised: BTreeMap<(&str, &str), i64> = BTreeMap::new();
    for output in visible(broker) {
        let parts: Vec<&str> = output.id.split('/').collect();
        match parts[..] {
            ["layer", layer, end, "r0", subject] => {
                let value = output.content.trim_start_matches("value=");
                let value = value.trim_end_matches(".0").parse::<i64>();
                if let (Ok(end), Ok(value)) = (end.parse(), value) {
                    values
                        .entry((layer, subject))
                        .or_default()
                        .push((end, value));
                }
            }
            ["alert", rule, subject, end] if output.content.starts_with("firing") => {
                let end: i64 = end.parse().unwrap_or(0);
                let rule = shape.rules.iter().find(|known| known.name == rule);
                let rule = rule.expect("the pipeline has no other rules");
                let Some(last) = raised.insert((rule.name, subject), end) else {
                    continue;
                };
                let seen = values.get(&(rule.layer, subject)).into_iter().flatten();
                let mut between = seen.filter(|(at, _)| last < *at && *at < end);
                if !between.any(|(_, value)| *value <= rule.clear_below) {
                    let name = rule.name;
                    let detail = format!("{name} {subject} is raised at {last} and at {end}");
                    return Err(violation("A1", detail));
                }
            }
            _ => {}
        }
    }
    Ok(())
}
