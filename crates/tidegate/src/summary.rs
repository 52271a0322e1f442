//! `tidegate summary`: what a day or a shift was like in one grid unit, from the lake that a run or
//! backfill has written.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use anyhow::{Context, Result, bail, ensure};
use jiff::Timestamp;
use jiff::tz::TimeZone;
use serde::de::DeserializeOwned;
use serde_json::Value;
use tidegate_alerts::Rule;
use tidegate_model::Venue;
use tidegate_notify::form::summary::{
    self, Acknowledgement, AlertCounts, AlertLine, FeedHealth, Gap, Peak, Period, Summary,
};
use tidegate_notify::form::{Language, TEXT_CHARS_MAX};
use tidegate_notify::{Order, OutboxHandle};
use tidegate_pipeline::Pipeline;
use tidegate_query::Session;

use crate::cli::SummaryArgs;
use crate::notify::{open_of, order_on, orders, outbox_path};
use crate::rows::json_lines;
use crate::sql::register;

/// Alerts that a summary reads at most.
const ALERTS_MAX: usize = 100_000;
/// Characters of a text that is told: a little more than channels show, so that they say that it
/// goes on, and few enough for an order in two languages.
const TOLD_CHARS_MAX: usize = 4 * TEXT_CHARS_MAX + 1;

/// Of what a summary is, and what it is made of.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Asked<'a> {
    /// The folder that a run has written.
    pub(crate) data: &'a Path,
    /// With all below it.
    pub(crate) grid_unit: &'a str,
    pub(crate) period: Period,
    pub(crate) from: Timestamp,
    pub(crate) to: Timestamp,
}

/// Writes the file, and gives its plain text.
pub(crate) async fn summary(args: &SummaryArgs) -> Result<String> {
    let pipeline = crate::folder::load(&args.pipeline).await?;
    let asked = Asked {
        data: &args.data,
        grid_unit: &args.grid_unit,
        period: if args.shift {
            Period::Shift
        } else {
            Period::Day
        },
        from: args.from,
        to: args.to,
    };
    let open = || open_of(args.state.as_deref(), &pipeline.name);
    let is_there = outbox_path(args.state.as_deref(), &pipeline.name)?.exists();
    let trail = is_there.then(open).transpose()?;
    let of = read(asked, &pipeline, trail.as_ref()).await?;
    let languages = match args.language.as_deref() {
        Some("zh-CN") => &Language::BOTH[..1],
        Some("en") => &Language::BOTH[1..],
        _ => Language::BOTH,
    };
    let zone = &pipeline.zone;
    if let Some(out) = &args.out {
        let html = summary::file(&of, languages, zone);
        std::fs::write(out, html)
            .with_context(|| format!("{} cannot be written", out.display()))?;
    }
    if let (Some(channel), Some(by)) = (&args.tell, &args.by) {
        order_on(&open()?, by, &order_of(&of, channel, zone)?).await?;
    }
    if args.json {
        return Ok(serde_json::to_string_pretty(&of)?);
    }
    Ok(summary::mail(&of, languages, zone).text)
}

/// The body of an order to tell it on a channel.
///
/// # Errors
/// A number that JSON has no word for.
pub(crate) fn order_of(of: &Summary, channel: &str, zone: &TimeZone) -> Result<Value> {
    let [zh, en] = [Language::Chinese, Language::English].map(|language| {
        let rendered = summary::mail(of, &[language], zone);
        let text: String = rendered.text.chars().take(TOLD_CHARS_MAX).collect();
        (rendered.subject, text)
    });
    let all = serde_json::to_value(of)?;
    Ok(orders::summary(
        channel,
        [&zh.0, &en.0],
        [&zh.1, &en.1],
        all,
    ))
}

/// Everything that the summary says; acknowledgements are those of the trail.
pub(crate) async fn read(
    asked: Asked<'_>,
    pipeline: &Pipeline,
    trail: Option<&OutboxHandle>,
) -> Result<Summary> {
    let (from, to) = (asked.from, asked.to);
    ensure!(from < to, "--from {from} is not before --to {to}");
    let units = &pipeline.reference.grid_units;
    let unit = units.iter().find(|unit| unit.id == asked.grid_unit);
    let Some(unit) = unit else {
        let known: Vec<&str> = units.iter().map(|unit| unit.id.as_str()).collect();
        bail!(
            "grid unit {:?} is none of {}",
            asked.grid_unit,
            known.join(", ")
        );
    };
    let within = units_within(pipeline, &unit.id);
    let session = Session::new();
    register(&session, asked.data).await?;
    let acknowledged = match trail {
        Some(outbox) => acknowledged(outbox, (from, to)).await?,
        None => Vec::new(),
    };
    let lake = Lake { session, from, to };
    let (alerts, acknowledgements) = lake.alerts(&within, &acknowledged).await?;
    Ok(Summary {
        grid_unit: unit.id.clone(),
        name_zh: unit.name_zh.clone(),
        name_en: unit.name_en.clone(),
        period: asked.period,
        start: from,
        end: to,
        peaks: lake.peaks(pipeline, &within).await?,
        alerts,
        acknowledgements,
        feeds: lake.feeds().await?,
        missing_from: lake.missing_from().await?,
    })
}

/// What somebody said of an alert, as the trail of the notifier has it.
struct Said {
    alert: String,
    at: Timestamp,
    by: String,
    note: String,
    verdict: Option<String>,
}

/// What was said of alerts and taken in the period.
async fn acknowledged(
    outbox: &OutboxHandle,
    (from, to): (Timestamp, Timestamp),
) -> Result<Vec<Said>> {
    let orders = outbox.with(|outbox| outbox.orders(ALERTS_MAX)).await?;
    let said = |order: Order| {
        let is_taken = order
            .result
            .is_some_and(|result| result.ends_with("is acknowledged"));
        let body: Value = serde_json::from_str(&order.body).ok()?;
        let text = |key: &str| body["acknowledge"][key].as_str().map(str::to_owned);
        let within = from <= order.made_at && order.made_at < to;
        (is_taken && within).then_some(Said {
            alert: text("alert")?,
            at: order.made_at,
            by: order.by,
            note: text("note").unwrap_or_default(),
            verdict: text("verdict"),
        })
    };
    Ok(orders.into_iter().rev().filter_map(said).collect())
}

/// The first rule on venues: peaks are those of its layer.
pub(crate) fn peaks_rule(pipeline: &Pipeline) -> Option<&Rule> {
    let mut rules = pipeline.rules.iter();
    rules.find(|rule| rule.subject_kind() == Some("venue"))
}

/// The unit and all below it.
fn units_within(pipeline: &Pipeline, unit: &str) -> BTreeSet<String> {
    let mut within = BTreeSet::from([unit.to_owned()]);
    loop {
        let below = pipeline.reference.grid_units.iter().filter(|below| {
            let parent = below.parent.as_deref();
            !within.contains(&below.id) && parent.is_some_and(|parent| within.contains(parent))
        });
        let below: Vec<String> = below.map(|unit| unit.id.clone()).collect();
        if below.is_empty() {
            return within;
        }
        within.extend(below);
    }
}

/// What a run has written, and the period that is asked for.
struct Lake {
    session: Session,
    from: Timestamp,
    to: Timestamp,
}

#[derive(serde::Deserialize)]
struct PeakRow {
    subject: String,
    value: f64,
    lo: Option<f64>,
    hi: Option<f64>,
    unit: String,
    window_end: Timestamp,
}

#[derive(serde::Deserialize)]
struct AlertRow {
    id: String,
    rule: String,
    state: String,
    severity: String,
    grid_unit: Option<String>,
    window_end: Timestamp,
    title_zh: String,
    title_en: String,
}

#[derive(serde::Deserialize)]
struct FeedRow {
    feed: String,
    coverage: Option<f64>,
    window_start: Timestamp,
    window_end: Timestamp,
}

#[derive(serde::Deserialize)]
struct ReachedRow {
    reached: Option<Timestamp>,
}

impl Lake {
    /// Rows of a query; none where the run has written no such table.
    async fn rows<T: DeserializeOwned>(&self, table: &str, sql: &str) -> Result<Vec<T>> {
        if !self.session.table_names().iter().any(|name| name == table) {
            return Ok(Vec::new());
        }
        let (_, batches) = self.session.query(sql).await?;
        let mut rows = Vec::new();
        for batch in &batches {
            let lines = json_lines(batch)?;
            for line in lines
                .split(|byte| *byte == b'\n')
                .filter(|line| !line.is_empty())
            {
                let row = serde_json::from_slice(line);
                rows.push(row.with_context(|| format!("table {table} has another form"))?);
            }
        }
        Ok(rows)
    }

    /// A condition on the window's end: those that lie in the period.
    fn in_period(&self) -> String {
        format!(
            "window_end > TIMESTAMP '{}' AND window_end <= TIMESTAMP '{}'",
            self.from, self.to
        )
    }

    /// The highest value of each venue in the layer of [`peaks_rule`].
    async fn peaks(&self, pipeline: &Pipeline, within: &BTreeSet<String>) -> Result<Vec<Peak>> {
        let Some(rule) = peaks_rule(pipeline) else {
            return Ok(Vec::new());
        };
        let table = format!("layer_{}", rule.layer());
        let sql = format!(
            "SELECT subject, value, lo, hi, unit, window_end FROM (
               SELECT *, row_number() OVER (PARTITION BY subject ORDER BY value DESC, window_end) AS n
               FROM {table} WHERE subject_kind = 'venue' AND value IS NOT NULL AND {}
             ) WHERE n = 1 ORDER BY value DESC",
            self.in_period()
        );
        let rows: Vec<PeakRow> = self.rows(&table, &sql).await?;
        let venues: BTreeMap<&str, &Venue> = pipeline
            .reference
            .venues
            .iter()
            .map(|venue| (venue.id.as_str(), venue))
            .collect();
        let peak = |row: PeakRow| {
            let venue = *venues.get(row.subject.as_str())?;
            let unit = venue.grid_unit.as_ref()?;
            within.contains(unit).then(|| Peak {
                venue: row.subject,
                name_zh: venue.name_zh.clone(),
                name_en: venue.name_en.clone(),
                value: row.value,
                lo: row.lo,
                hi: row.hi,
                unit: row.unit,
                at: row.window_end,
                limit: lowest_threshold(rule),
            })
        };
        Ok(rows.into_iter().filter_map(peak).collect())
    }

    /// The alerts of the period, and what was said of those of these units.
    async fn alerts(
        &self,
        within: &BTreeSet<String>,
        said: &[Said],
    ) -> Result<(AlertCounts, Vec<Acknowledgement>)> {
        let sql = format!(
            "SELECT id, rule, state, severity, grid_unit, window_end, title_zh, title_en FROM alert
             WHERE NOT is_shadow AND window_end <= TIMESTAMP '{}' ORDER BY window_end LIMIT {ALERTS_MAX}",
            self.to
        );
        let rows: Vec<AlertRow> = self.rows("alert", &sql).await?;
        let mut alerts: BTreeMap<String, Vec<AlertRow>> = BTreeMap::new();
        for row in rows {
            // What lies in no unit, such as the city as a whole, is everybody's.
            if row
                .grid_unit
                .as_ref()
                .is_none_or(|unit| within.contains(unit))
            {
                alerts.entry(row.id.clone()).or_default().push(row);
            }
        }
        let mut counts = AlertCounts::default();
        let mut lines = Vec::new();
        let mut acknowledgements = Vec::new();
        for (id, changes) in alerts {
            let Some(line) = self.line(&changes) else {
                continue;
            };
            let said: Vec<&Said> = said.iter().filter(|said| said.alert == id).collect();
            if said.is_empty() {
                counts.unacknowledged.push(line.clone());
            }
            acknowledgements.extend(said.into_iter().map(|said| Acknowledgement {
                at: said.at,
                who: said.by.clone(),
                title_zh: line.title_zh.clone(),
                title_en: line.title_en.clone(),
                verdict: said.verdict.clone(),
                note: said.note.clone(),
            }));
            *counts.by_severity.entry(line.severity.clone()).or_default() += 1;
            *counts.by_rule.entry(changes[0].rule.clone()).or_default() += 1;
            lines.push(line);
        }
        lines.sort_by_key(|line| std::cmp::Reverse(line.minutes));
        counts.longest = lines.first().cloned();
        acknowledgements.sort_by_key(|said| said.at);
        Ok((counts, acknowledgements))
    }

    /// An alert that was raised and stood in the period.
    fn line(&self, changes: &[AlertRow]) -> Option<AlertLine> {
        let raised = changes.iter().find(|change| change.state == "firing")?;
        let over = changes.iter().rfind(|change| change.state == "resolved");
        let end = over.map_or(self.to, |over| over.window_end).min(self.to);
        let start = raised.window_end.max(self.from);
        if end <= self.from {
            return None;
        }
        let minutes = end.duration_since(start).as_secs() / 60;
        let rank = |severity: &str| {
            ["info", "watch", "warning", "critical"]
                .iter()
                .position(|s| *s == severity)
        };
        let worst = changes.iter().max_by_key(|change| rank(&change.severity))?;
        Some(AlertLine {
            title_zh: raised.title_zh.clone(),
            title_en: raised.title_en.clone(),
            severity: worst.severity.clone(),
            since: raised.window_end,
            minutes: u32::try_from(minutes).unwrap_or(0),
        })
    }

    /// From when on the lake has nothing, if it does not reach the end of the period.
    async fn missing_from(&self) -> Result<Option<Timestamp>> {
        let sql = format!(
            "SELECT max(window_end) AS reached FROM feed_quality
             WHERE window_start < TIMESTAMP '{}'",
            self.to
        );
        let rows: Vec<ReachedRow> = self.rows("feed_quality", &sql).await?;
        let reached = rows.into_iter().find_map(|row| row.reached);
        let reached = reached.map_or(self.from, |reached| reached.max(self.from));
        Ok((reached < self.to).then_some(reached))
    }

    /// Each feed with its mean coverage and the stretches of windows without anything.
    async fn feeds(&self) -> Result<Vec<FeedHealth>> {
        let sql = format!(
            "SELECT feed, coverage, window_start, window_end FROM feed_quality WHERE {}
             ORDER BY feed, window_end",
            self.in_period()
        );
        let rows: Vec<FeedRow> = self.rows("feed_quality", &sql).await?;
        let mut feeds: BTreeMap<String, Vec<FeedRow>> = BTreeMap::new();
        for row in rows {
            feeds.entry(row.feed.clone()).or_default().push(row);
        }
        let health = |(feed, rows): (String, Vec<FeedRow>)| {
            let known: Vec<f64> = rows.iter().filter_map(|row| row.coverage).collect();
            #[expect(clippy::cast_precision_loss, reason = "windows of a day")]
            let mean = known.iter().sum::<f64>() / known.len() as f64;
            let mut gaps: Vec<Gap> = Vec::new();
            for row in rows.iter().filter(|row| row.coverage == Some(0.0)) {
                match gaps.last_mut() {
                    Some(gap) if gap.end == row.window_start => gap.end = row.window_end,
                    _ => gaps.push(Gap {
                        start: row.window_start,
                        end: row.window_end,
                    }),
                }
            }
            FeedHealth {
                feed,
                coverage: (!known.is_empty()).then_some(mean),
                gaps,
            }
        };
        Ok(feeds.into_iter().map(health).collect())
    }
}

/// Where the rule's first alert begins.
fn lowest_threshold(rule: &Rule) -> Option<f64> {
    rule.steps().first().map(|step| step.fire_above)
}
