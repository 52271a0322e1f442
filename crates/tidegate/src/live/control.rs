//! The control port of a run: metrics to scrape, and a request to take up `rules.toml` now.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Result;
use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::encoding::text::encode;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::registry::{Registry, Unit};
use serde_json::{Value, json};
use tidegate_ingest::{LocalAnswer, LocalServer};

use super::reloads::Reloads;

/// How long the tasks may take to take up the rules: one may be in the middle of a commit.
const ANSWER_WITHIN: Duration = Duration::from_secs(10);
/// What requests need.
#[derive(Debug, Clone)]
struct Served {
    pipeline: Arc<str>,
    reloads: Arc<Reloads>,
}

/// Listens at `address` from now on.
pub(super) fn serve(address: SocketAddr, pipeline: &str, reloads: Arc<Reloads>) -> Result<()> {
    let served = Served {
        pipeline: pipeline.into(),
        reloads,
    };
    let asked = served.clone();
    LocalServer::new("control")
        .get("/metrics", move || {
            let answer = metrics(&served);
            Box::pin(async { answer })
        })
        .post("/rules/reload", move |_| Box::pin(reload(asked.clone())))
        .serve(address)?;
    Ok(())
}

/// Has all tasks of this process look at the file now, and waits for what they make of it.
async fn reload(served: Served) -> LocalAnswer {
    let mut tasks = served.reloads.tasks();
    if tasks.borrow().is_empty() {
        let error = "this instance has no task now; ask the one that has";
        return LocalAnswer::json(503, &json!({ "error": error }));
    }
    let number = served.reloads.ask();
    let answered = tasks.wait_for(|tasks| tasks.values().all(|task| task.answered >= number));
    let Ok(Ok(answered)) = tokio::time::timeout(ANSWER_WITHIN, answered).await else {
        let error = format!(
            "not every task looked at the rules within {} s; they will: ask again",
            ANSWER_WITHIN.as_secs()
        );
        return LocalAnswer::json(504, &json!({ "error": error }));
    };
    let is_ok = answered.values().all(|task| task.problems.is_empty());
    let tasks: Vec<Value> = answered
        .iter()
        .map(|(task, rules)| {
            json!({ "task": task, "version": rules.version, "problems": rules.problems })
        })
        .collect();
    let status = if is_ok { 200 } else { 422 };
    let body = json!({ "ok": is_ok, "pipeline": *served.pipeline, "tasks": tasks });
    LocalAnswer::json(status, &body)
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct TaskLabels {
    pipeline: String,
    task: i32,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct OutcomeLabels {
    pipeline: String,
    task: i32,
    outcome: &'static str,
}

fn metrics(served: &Served) -> LocalAnswer {
    let mut body = String::new();
    if let Err(error) = encode(&mut body, &registry(served)) {
        return LocalAnswer::json(500, &json!({ "error": error.to_string() }));
    }
    LocalAnswer {
        status: 200,
        kind: "application/openmetrics-text; version=1.0.0; charset=utf-8",
        body,
    }
}

/// What is known now, as metrics: tasks come and go, so they are made anew for each scrape.
fn registry(served: &Served) -> Registry {
    let good = Family::<TaskLabels, Gauge>::default();
    let good_at = Family::<TaskLabels, Gauge>::default();
    let version = Family::<TaskLabels, Gauge>::default();
    let reloads = Family::<OutcomeLabels, Counter>::default();
    for (&task, rules) in served.reloads.tasks().borrow().iter() {
        let pipeline = served.pipeline.to_string();
        let labels = TaskLabels { pipeline, task };
        good.get_or_create(&labels)
            .set(rules.problems.is_empty().into());
        good_at
            .get_or_create(&labels)
            .set(rules.good_at.as_second());
        version
            .get_or_create(&labels)
            .set(i64::try_from(rules.version).unwrap_or(i64::MAX));
        for (outcome, count) in [("changed", rules.changes), ("refused", rules.refusals)] {
            let pipeline = served.pipeline.to_string();
            let labels = OutcomeLabels {
                pipeline,
                task,
                outcome,
            };
            reloads.get_or_create(&labels).inc_by(count);
        }
    }
    let mut registry = Registry::with_prefix("tidegate");
    registry.register(
        "rules_last_reload_successful",
        "Whether rules.toml says what is in force (1), or is wrong or away (0)",
        good,
    );
    registry.register_with_unit(
        "rules_last_reload_success_timestamp",
        "When rules.toml was last found to say what is in force",
        Unit::Seconds,
        good_at,
    );
    registry.register(
        "rules_version",
        "Number of the audit entry of the rules in force",
        version,
    );
    registry.register(
        "rules_reloads",
        "Other rules that were taken up or refused since the task is here",
        reloads,
    );
    registry
}
