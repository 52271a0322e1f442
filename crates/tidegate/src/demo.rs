//! `tidegate demo`: a day of the synthetic city through an embedded Kafka broker.

mod deliveries;

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use tidegate_alerts::{AlertState, AlertTransition};
use tidegate_connect::{EmbeddedBroker, KafkaSink, KafkaSource, Properties, SourceConfig, Stop};
use tidegate_dispatch::Notice;
use tidegate_model::{EventTime, Reason, Span};
use tidegate_pipeline::{Event, Mode, Pipeline, Runtime, Source, Summary};
use tidegate_sim::{City, Day, Injected, InjectedKind};

use crate::cli::Demo;
use crate::demo::deliveries::{Deliveries, doubled};
use crate::drive::{Progress, Until, drive, from_millis};
use crate::folder::BadPipeline;
use crate::notify::{CHANNELS, ROUTES};
use crate::outputs::{Outputs, Show};
use crate::records::TOPICS;
use crate::replay::Pace;

/// Partitions of each feed's topic: the embedded broker keeps at most 5 MiB of each.
const PARTITIONS: i32 = 6;

/// A feed that was silent so long, in event time, is reported.
const SILENCE: Span = Span::minutes(30);

/// An alert belongs to an injected event until so long after it.
const AFTERMATH: Span = Span::minutes(30);

macro_rules! demo_files {
    ($($path:literal),+ $(,)?) => {
        [$(($path, include_str!(concat!("../../../pipelines/demo/", $path)))),+]
    };
}

/// The pipeline folder `pipelines/demo`, part of the binary: the demo needs no other file.
const FILES: &[(&str, &str)] = &demo_files![
    "pipeline.toml",
    "rules.toml",
    "routes.toml",
    "channels.toml",
    "venues.geojson",
    "sites.geojson",
    "grid_units.geojson",
    "incidence.csv",
    "feeds/checkpoint.toml",
    "feeds/rail.toml",
    "feeds/transit.toml",
    "feeds/venue.toml",
    "windows/flow_5m.sql",
    "windows/inflow_15m.sql",
    "windows/cell_15m.sql",
    "layers/venue_occupancy.sql",
    "layers/venue_density.sql",
    "layers/venue_fill.sql",
    "layers/station_inflow.sql",
    "layers/station_inflow_any.sql",
    "layers/city_inflow.sql",
    "layers/city_inflow_any.sql",
    "layers/cell_intensity.sql",
];

/// What became of one injected event.
#[derive(Debug, serde::Serialize)]
pub(crate) struct Outcome {
    /// Its name.
    pub name: String,
    /// What it is.
    pub kind: &'static str,
    /// Whether it was seen.
    pub detected: bool,
    /// Event time from its start until it was seen, seconds.
    pub after_s: Option<f64>,
    /// What people were told of it, in order. Nobody is told of faults of feeds here: they have no
    /// rule in the demo.
    pub deliveries: Vec<Delivery>,
}

/// One alert in one notice.
#[derive(Debug, serde::Serialize)]
pub(crate) struct Delivery {
    /// The notice's id.
    pub notice: String,
    /// The channel.
    pub channel: String,
    /// The alert's id.
    pub alert: String,
    /// `firing`, `resolved` or what else became of it.
    pub state: String,
    /// The rule.
    pub rule: String,
    /// The subject.
    pub subject: String,
    /// End of the window that made the change.
    pub window_end: String,
}

/// What people were told.
#[derive(Debug, serde::Serialize)]
pub(crate) struct Delivered {
    /// Notices that reached their channel.
    pub notices: usize,
    /// Notices that came a second time: none, unless something went wrong.
    pub doubled: usize,
}

/// Alerts of the day.
#[derive(Debug, serde::Serialize)]
pub(crate) struct Alerts {
    /// Raised.
    pub fired: u64,
    /// Over again.
    pub resolved: u64,
    /// Raised, but resting on nothing that was injected: rule, subject, time.
    pub not_injected: Vec<String>,
}

/// The closing summary.
#[derive(Debug, serde::Serialize)]
pub(crate) struct DemoSummary {
    /// The seed of the day.
    pub seed: u64,
    /// Records found in the messages.
    pub received: u64,
    /// Records in windows.
    pub counted: u64,
    /// Records too late for any window.
    pub late: u64,
    /// Records whose id had been seen.
    pub duplicate: u64,
    /// Records that could not be counted.
    pub rejected: u64,
    /// The same, by reason.
    pub rejected_by_reason: BTreeMap<String, u64>,
    /// What was put into the day, and whether it was seen.
    pub injected: Vec<Outcome>,
    /// Alerts.
    pub alerts: Alerts,
    /// What people were told.
    pub delivered: Delivered,
    /// Seconds from start to the first alert, by the clock.
    pub first_alert_s: Option<f64>,
    /// Seconds for the whole day, by the clock.
    pub elapsed_s: f64,
}

/// Runs the command.
pub(crate) async fn demo(args: &Demo) -> Result<DemoSummary> {
    let started = Instant::now();
    let files = FILES
        .iter()
        .map(|(path, text)| ((*path).to_owned(), (*text).to_owned()));
    let pipeline = Arc::new(
        Pipeline::load(&Source::new(files))
            .await
            .map_err(BadPipeline)?,
    );
    let day = Day::new(&City::standard(), args.seed);
    let topics: Vec<String> = pipeline
        .feeds
        .iter()
        .map(|feed| feed.decoder.config().topic.clone())
        .collect();
    let mut partitions: Vec<(&str, i32)> = topics
        .iter()
        .map(|topic| (topic.as_str(), PARTITIONS))
        .collect();
    partitions.extend(TOPICS.map(|topic| (topic, 1)));
    let broker = EmbeddedBroker::start(&partitions)?;
    let feeds: Vec<_> = pipeline.feeds.iter().map(|feed| feed.id.clone()).collect();
    let config = SourceConfig::new(
        broker.bootstrap(),
        feeds.into_iter().zip(topics.iter().cloned()).collect(),
        Stop::Never,
    );
    let mut source = KafkaSource::open(config)?;
    let mut runtime = Runtime::new(Arc::clone(&pipeline), Mode::Stream).await?;
    let sink = KafkaSink::connect(broker.bootstrap(), &Properties::new())?;
    let show = if args.json {
        Show::Nothing
    } else {
        Show::Alerts
    };
    let mut outputs = Outputs::new(&runtime, None::<&Path>, Some(sink), show)?;
    let producer = KafkaSink::connect(broker.bootstrap(), &Properties::new())?;
    let until = Until::Read(day.truth().messages);
    let mut deliveries = Deliveries::start(Arc::clone(&pipeline), file(ROUTES), file(CHANNELS))?;
    let mut watch = Watch::new(started);
    let injected = day.injected();
    let speed = args.speed;
    let sent = std::thread::spawn(move || produce(&day, producer, speed));
    drive(
        &mut source,
        &mut runtime,
        &mut outputs,
        &until,
        |progress| {
            if let Progress::Event(Event::Alert(alert), _) = &progress {
                deliveries.take(alert);
            }
            watch.see(&progress);
        },
    )
    .await?;
    sent.join()
        .map_err(|_| anyhow::anyhow!("the producer stopped"))??;
    let summary = runtime.summary();
    outputs.finish(&summary)?;
    let told = deliveries.finish()?;
    Ok(watch.conclude(args.seed, &summary, &injected, &told))
}

/// The text of a file of the pipeline folder.
fn file(name: &str) -> &'static str {
    let file = FILES.iter().find(|(path, _)| *path == name);
    file.expect("it is in the list").1
}

/// Sends the day's messages at their times.
fn produce(day: &Day, mut sink: KafkaSink, speed: f64) -> Result<()> {
    let mut pace = Pace::new(speed);
    for message in day.messages() {
        if pace.wait(message.sent_at) {
            // The messages before this one must not wait in the client while time passes.
            sink.flush(Duration::from_secs(30))
                .context("the embedded broker does not answer")?;
        }
        let topic = format!("tidegate.feed.{}", message.feed);
        let stamp = Some(message.sent_at.micros() / 1_000);
        let key = Some(message.key.as_bytes());
        sink.send(&topic, None, key, Some(&message.bytes), stamp)?;
    }
    Ok(sink.flush(Duration::from_mins(1))?)
}

/// Notes what happens, to compare it with what was injected.
#[derive(Debug)]
struct Watch {
    started: Instant,
    first_alert: Option<Duration>,
    alerts: Vec<AlertTransition>,
    /// When the first rejection for a reason arrived.
    rejected_at: BTreeMap<Reason, EventTime>,
    rejected: BTreeMap<String, u64>,
    late_at: Option<EventTime>,
    heard: BTreeMap<String, EventTime>,
    silent: BTreeMap<String, EventTime>,
}

impl Watch {
    fn new(started: Instant) -> Self {
        Self {
            started,
            first_alert: None,
            alerts: Vec::new(),
            rejected_at: BTreeMap::new(),
            rejected: BTreeMap::new(),
            late_at: None,
            heard: BTreeMap::new(),
            silent: BTreeMap::new(),
        }
    }

    fn see(&mut self, progress: &Progress<'_>) {
        match progress {
            Progress::Batch(batch) => {
                if let Some(stamp) = batch.latest_timestamp_ms().map(from_millis) {
                    self.hear(batch.feed().as_str(), stamp);
                }
            }
            Progress::Event(Event::Alert(alert), _) => {
                if alert.state == AlertState::Firing && self.first_alert.is_none() {
                    self.first_alert = Some(self.started.elapsed());
                }
                self.alerts.push(alert.as_ref().clone());
            }
            Progress::Event(Event::Rejected(rows), Some(now)) => {
                for row in rows {
                    self.rejected_at.entry(row.reason).or_insert(*now);
                    *self
                        .rejected
                        .entry(row.reason.code().to_owned())
                        .or_default() += 1;
                }
            }
            Progress::Event(Event::Late { .. }, Some(now)) => {
                self.late_at.get_or_insert(*now);
            }
            Progress::Event(..) | Progress::Stalled(_) => {}
        }
    }

    fn hear(&mut self, feed: &str, stamp: EventTime) {
        let newest = self
            .heard
            .get(feed)
            .copied()
            .map_or(stamp, |heard| heard.max(stamp));
        self.heard.insert(feed.to_owned(), newest);
        for (other, heard) in &self.heard {
            if stamp.since(*heard) > SILENCE {
                self.silent.entry(other.clone()).or_insert(stamp);
            }
        }
    }

    fn conclude(
        self,
        seed: u64,
        summary: &Summary,
        injected: &[Injected],
        told: &[Notice],
    ) -> DemoSummary {
        let mut explained: BTreeSet<usize> = BTreeSet::new();
        let outcomes = injected
            .iter()
            .map(|event| self.outcome(event, summary, &mut explained, told));
        let outcomes: Vec<Outcome> = outcomes.collect();
        let fired = |alert: &&AlertTransition| alert.state == AlertState::Firing;
        let not_injected = self.alerts.iter().enumerate().filter(|(index, alert)| {
            alert.state == AlertState::Firing && !explained.contains(index)
        });
        DemoSummary {
            seed,
            received: summary.received,
            counted: summary.counted,
            late: summary.late,
            duplicate: summary.duplicate,
            rejected: summary.rejected,
            injected: outcomes,
            alerts: Alerts {
                fired: self.alerts.iter().filter(fired).count() as u64,
                resolved: *summary.alerts.get("resolved").unwrap_or(&0),
                not_injected: not_injected
                    .map(|(_, a)| format!("{} {} {}", a.rule, a.subject, a.window_end))
                    .collect(),
            },
            delivered: Delivered {
                notices: told.len(),
                doubled: doubled(told),
            },
            rejected_by_reason: self.rejected,
            first_alert_s: self.first_alert.map(|after| after.as_secs_f64()),
            elapsed_s: self.started.elapsed().as_secs_f64(),
        }
    }

    fn outcome(
        &self,
        event: &Injected,
        summary: &Summary,
        explained: &mut BTreeSet<usize>,
        told: &[Notice],
    ) -> Outcome {
        let mut ids: BTreeSet<&str> = BTreeSet::new();
        let seen = if event.kind.is_alert() {
            let matching: Vec<(usize, EventTime)> = self
                .alerts
                .iter()
                .enumerate()
                .filter(|(_, alert)| alert.state == AlertState::Firing && tells_of(alert, event))
                .map(|(index, alert)| (index, alert.window_end))
                .collect();
            explained.extend(matching.iter().map(|(index, _)| *index));
            ids.extend(matching.iter().map(|(index, _)| &*self.alerts[*index].id));
            matching.iter().map(|(_, end)| *end).min()
        } else {
            self.fault_seen(event, summary)
        };
        Outcome {
            name: event.name.clone(),
            kind: event.kind.as_str(),
            detected: seen.is_some(),
            after_s: seen.map(|seen| seen.since(event.start).as_seconds_f64().max(0.0)),
            deliveries: deliveries_of(told, &ids),
        }
    }

    fn fault_seen(&self, event: &Injected, summary: &Summary) -> Option<EventTime> {
        match event.kind {
            InjectedKind::DeadFeed => {
                let feed = event.subject.as_deref()?;
                self.silent
                    .get(feed)
                    .copied()
                    .filter(|at| *at >= event.start)
            }
            InjectedKind::ClockAhead => self.rejected_at.get(&Reason::TimeInFuture).copied(),
            InjectedKind::LateBatch => self.late_at,
            InjectedKind::Duplicates => (summary.duplicate > 0).then_some(event.end),
            InjectedKind::BrokenRecords => {
                let others = self
                    .rejected_at
                    .iter()
                    .filter(|(r, _)| **r != Reason::TimeInFuture);
                others.map(|(_, at)| *at).min()
            }
            InjectedKind::Crush | InjectedKind::InflowSurge | InjectedKind::ReturnWave => None,
        }
    }
}

/// What was told of the alerts with these ids.
fn deliveries_of(told: &[Notice], ids: &BTreeSet<&str>) -> Vec<Delivery> {
    let alerts = told.iter().flat_map(|notice| {
        let alerts = notice.alerts.iter().map(|alert| &alert.record);
        let wanted = alerts.filter(|record| ids.contains(record.id.as_str()));
        wanted.map(|record| Delivery {
            notice: notice.id.clone(),
            channel: notice.channel.clone(),
            alert: record.id.clone(),
            state: record.state.clone(),
            rule: record.rule.clone(),
            subject: record.subject.clone(),
            window_end: record.window_end.clone(),
        })
    });
    alerts.collect()
}

/// Whether the alert was raised because of the event: its kind of rule, its place, its time.
fn tells_of(alert: &AlertTransition, event: &Injected) -> bool {
    let in_time = alert.window_end > event.start && alert.window_start <= event.end.plus(AFTERMATH);
    let here = event
        .subject
        .as_deref()
        .is_none_or(|subject| subject == alert.subject);
    let about = match event.kind {
        InjectedKind::Crush => ["venue_density", "venue_fill"].contains(&alert.layer.as_str()),
        InjectedKind::InflowSurge => {
            // A train-load from a risky place is the city's risk too.
            return in_time
                && (here && alert.layer == "station_inflow"
                    || alert.layer.starts_with("city_inflow"));
        }
        InjectedKind::ReturnWave => {
            ["station_inflow", "city_inflow", "city_inflow_any"].contains(&alert.layer.as_str())
        }
        _ => false,
    };
    in_time && here && about
}
