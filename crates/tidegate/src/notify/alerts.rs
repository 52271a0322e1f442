//! What operators see and order: alerts, silences, routes.

use std::process::ExitCode;

use anyhow::{Context, Result, bail, ensure};
use jiff::Timestamp;
use serde_json::{Map, Value, json};
use tidegate_alerts::wire::AlertRecord;
use tidegate_dispatch::{Dispatcher, SilenceRequest};
use tidegate_notify::OutboxHandle;

use crate::cli::{Alerts, NotifyPlace, Routes, Silence, Silenced};

use super::setup::{self, Setup};
use super::{open_of, orders};

/// `tidegate alerts …`.
pub(crate) async fn alerts(command: &Alerts, print: fn(&str)) -> Result<ExitCode> {
    match command {
        Alerts::List { place } => {
            let seen = Seen::load(place).await?;
            let alerts: Vec<_> = seen.dispatcher.alerts().collect();
            if place.json {
                return json_out(&json!({ "alerts": alerts }), print);
            }
            for status in &alerts {
                let record = &status.record;
                let taken = status.acknowledged.as_ref();
                let taken = taken.map(|taken| format!(", taken by {}", taken.by));
                let muted = status
                    .muted_by
                    .as_ref()
                    .map(|by| format!(", quiet by {by:?}"));
                print(&format!(
                    "{} {} {} since {}: {}{}{}",
                    record.id,
                    record.severity,
                    record.state,
                    record.since,
                    record.title_en,
                    taken.unwrap_or_default(),
                    muted.unwrap_or_default()
                ));
            }
            print(&format!("{} alerts stand", alerts.len()));
            Ok(ExitCode::SUCCESS)
        }
        Alerts::Ack {
            place,
            alert,
            by,
            note,
            verdict,
        } => {
            let body = orders::acknowledge(alert, by, note, verdict.as_deref());
            order(place, by, &body, print).await
        }
        Alerts::Precision { place } => {
            let precision = Seen::load(place).await?.dispatcher.precision();
            if place.json {
                return json_out(&json!({ "rules": precision }), print);
            }
            for rule in &precision {
                let share = rule.precision.zip(rule.interval).map_or_else(
                    || "not judged".to_owned(),
                    |(share, (lo, hi))| format!("{share:.2} (95 %: {lo:.2} to {hi:.2})"),
                );
                print(&format!(
                    "{}: {share}, {} not judged",
                    rule.rule, rule.unjudged
                ));
            }
            Ok(ExitCode::SUCCESS)
        }
        Alerts::Trail { place, limit } => trail(place, *limit, print).await,
    }
}

/// `tidegate silence …`.
pub(crate) async fn silence(command: &Silence, print: fn(&str)) -> Result<ExitCode> {
    match command {
        Silence::Preview { place, of } => {
            let seen = Seen::load(place).await?;
            let request: SilenceRequest = serde_json::from_value(request(of)?)?;
            let muted = seen.dispatcher.preview(Timestamp::now(), &request)?;
            if place.json {
                return json_out(&json!({ "would_mute": muted }), print);
            }
            for status in &muted {
                let record = &status.record;
                print(&format!(
                    "{} {}: {}",
                    record.id, record.severity, record.title_en
                ));
            }
            print(&format!(
                "would mute {} of the alerts that stand",
                muted.len()
            ));
            Ok(ExitCode::SUCCESS)
        }
        Silence::Add { place, of } => {
            let seen = Seen::load(place).await?;
            let request = request(of)?;
            // What is wrong is said now, and not by the notifier later.
            let checked: SilenceRequest = serde_json::from_value(request.clone())?;
            seen.dispatcher.preview(Timestamp::now(), &checked)?;
            order(place, &of.by, &orders::silence(request), print).await
        }
        Silence::List { place } => {
            let silences = Seen::load(place).await?.dispatcher.silences();
            if place.json {
                return json_out(&json!({ "silences": silences }), print);
            }
            for status in &silences {
                let silence = &status.silence;
                let state = format!("{:?}", status.state).to_lowercase();
                print(&format!(
                    "{} {state} until {} by {}, {} alerts now: {}",
                    silence.id,
                    silence.ends_at,
                    silence.created_by,
                    status.alerts.len(),
                    silence.comment
                ));
            }
            print(&format!("{} silences", silences.len()));
            Ok(ExitCode::SUCCESS)
        }
        Silence::End { place, id, by } => order(place, by, &orders::end_silence(id), print).await,
    }
}

/// `tidegate routes …`.
pub(crate) async fn routes(command: &Routes, print: fn(&str)) -> Result<ExitCode> {
    let Routes::Test {
        place,
        rule,
        subject_kind,
        subject,
        record,
    } = command;
    let seen = Seen::load(place).await?;
    let record = match record {
        Some(path) => {
            let text = std::fs::read_to_string(path);
            let text = text.with_context(|| format!("{} cannot be read", path.display()))?;
            serde_json::from_str(&text)
                .with_context(|| format!("{} is no alert", path.display()))?
        }
        None => made_up(&seen.setup, rule, (subject_kind, subject))?,
    };
    let explained = seen.dispatcher.explain(Timestamp::now(), &record);
    if place.json {
        return json_out(&serde_json::to_value(&explained)?, print);
    }
    for step in &explained.routes {
        let taken = if step.taken { "taken" } else { "passed over" };
        print(&format!("route {}: {taken}, {}", step.route, step.why));
    }
    for delivery in &explained.deliveries {
        let to = match delivery.to.as_slice() {
            [] => String::new(),
            to => format!(" to {}", to.join(", ")),
        };
        print(&format!(
            "{}{to} by route {} at {}",
            delivery.channel, delivery.route, delivery.at
        ));
    }
    if explained.is_shadow {
        print("its rule is a shadow: nobody is told");
    }
    if let Some(muted) = &explained.muted_by {
        print(&format!("quiet now by {muted:?}"));
    }
    if let Some(up) = explained.goes_up_at {
        print(&format!("goes one up at {up} unless somebody takes it"));
    }
    Ok(ExitCode::SUCCESS)
}

/// What a notifier last stored, to look at.
struct Seen {
    setup: Setup,
    dispatcher: Dispatcher,
}

impl Seen {
    async fn load(place: &NotifyPlace) -> Result<Self> {
        let setup = setup::load(&place.pipeline).await?;
        let outbox = open_of(place.state.as_deref(), &setup.pipeline.name)?;
        let resume = outbox.with(|outbox| outbox.resume()).await?;
        let dispatcher = Dispatcher::restore_parts(setup.plan.clone(), resume.dispatch_parts)?;
        Ok(Self { setup, dispatcher })
    }
}

/// Writes an order down for the notifier.
async fn order(place: &NotifyPlace, by: &str, body: &Value, print: fn(&str)) -> Result<ExitCode> {
    let pipeline = crate::folder::load(&place.pipeline).await?;
    let outbox = open_of(place.state.as_deref(), &pipeline.name)?;
    let number = order_on(&outbox, by, body).await?;
    if place.json {
        return json_out(&json!({ "order": number }), print);
    }
    print(&format!(
        "order {number} is written down; the notifier applies it within a second while it runs, \
         and `tidegate alerts trail` says what came of it"
    ));
    Ok(ExitCode::SUCCESS)
}

/// Writes an order down, and gives its number.
pub(crate) async fn order_on(outbox: &OutboxHandle, by: &str, body: &Value) -> Result<i64> {
    let (by, body) = (by.to_owned(), body.to_string());
    let number = outbox.with(move |outbox| outbox.order(&by, &body, Timestamp::now()));
    Ok(number.await?)
}

async fn trail(place: &NotifyPlace, limit: usize, print: fn(&str)) -> Result<ExitCode> {
    let pipeline = crate::folder::load(&place.pipeline).await?;
    let outbox = open_of(place.state.as_deref(), &pipeline.name)?;
    let (orders, head) = outbox
        .with(move |outbox| (outbox.orders(limit), outbox.verify_orders()))
        .await;
    let orders = orders?;
    if place.json {
        let broken = head.as_ref().err().map(ToString::to_string);
        let head = head.as_ref().ok();
        json_out(
            &json!({ "orders": orders, "head": head, "broken": broken }),
            print,
        )?;
    } else {
        for order in orders.iter().rev() {
            let result = order.result.as_deref().unwrap_or("not applied yet");
            print(&format!(
                "{} {} {}: {} -> {result}",
                order.number, order.made_at, order.by, order.body
            ));
        }
    }
    match head {
        Ok(head) if !place.json => print(&format!("{} orders, the trail is whole", head.number)),
        Ok(_) => {}
        Err(error) if place.json => {
            tracing::error!(%error, "The trail was changed.");
            return Ok(ExitCode::FAILURE);
        }
        Err(error) => bail!(error),
    }
    Ok(ExitCode::SUCCESS)
}

/// A silence as it is asked for.
fn request(of: &Silenced) -> Result<Value> {
    let mut matchers = Map::new();
    for pair in &of.matchers {
        let Some((key, value)) = pair.split_once('=') else {
            bail!("--match {pair:?} is not KEY=VALUE");
        };
        let value = Value::from(value);
        if let Some((table @ ("tags" | "labels"), name)) = key.split_once('.') {
            let table = matchers.entry(table).or_insert_with(|| json!({}));
            table[name] = value;
        } else {
            let before = matchers.insert(key.to_owned(), value);
            ensure!(before.is_none(), "--match {key} is there twice");
        }
    }
    let now = Timestamp::now();
    let span = of
        .span
        .map(|span| now + jiff::SignedDuration::from_micros(span.as_micros()));
    Ok(json!({
        "match": matchers, "starts_at": now, "ends_at": of.until.or(span),
        "created_by": of.by, "comment": of.comment,
    }))
}

/// An alert of a rule on a subject, as it would be raised now.
fn made_up(setup: &Setup, rule: &str, (kind, subject): (&str, &str)) -> Result<AlertRecord> {
    let rules = &setup.pipeline.rules;
    let Some(rule) = rules.iter().find(|known| known.name() == rule) else {
        let known: Vec<&str> = rules.iter().map(tidegate_alerts::Rule::name).collect();
        bail!("rule {rule:?} is none of {}", known.join(", "));
    };
    let tags = setup.pipeline.tags_of(kind, subject);
    let now = Timestamp::now();
    let shadow = rule.mode() == tidegate_alerts::Mode::Shadow;
    let record = json!({
        "id": "made-up", "rule": rule.name(), "rule_hash": rule.hash(), "layer": rule.layer(),
        "subject_kind": kind, "subject": subject, "name_zh": subject, "name_en": subject,
        "state": "firing", "severity": rule.severity().as_str(), "window_start": now,
        "window_end": now, "value": null, "lo": null, "hi": null, "unit": "", "level": null,
        "coverage": null, "data_age_s": null, "method": "", "title_zh": "", "title_en": "",
        "text_zh": "", "text_en": "", "owner": rule.owner(), "since": now, "is_final": true,
        "tags": tags, "labels": rule.labels(), "grid_unit": tags.get("grid_unit"), "shadow": shadow,
    });
    Ok(serde_json::from_value(record)?)
}

fn json_out(value: &Value, print: fn(&str)) -> Result<ExitCode> {
    print(&serde_json::to_string_pretty(value)?);
    Ok(ExitCode::SUCCESS)
}
