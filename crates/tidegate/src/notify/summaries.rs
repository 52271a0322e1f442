//! Summaries on schedule: those that are due are made of what the run has published, or of a lake,
//! and the notifier is ordered to tell them.
//!
//! An order has the grid unit, the channel and the end of the period as its identity, and the outbox
//! takes each once, so that nothing is told twice, whatever is killed or runs beside this.
//!
//! It works on a thread and a connection to the outbox of its own: a lake that is large, damaged or
//! not there holds up no alert. What fails is counted, said, and tried again at the next look.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, Result};
use jiff::Timestamp;
use tempfile::TempDir;
use tidegate_alerts::Rule;
use tidegate_dispatch::{SummaryKind, SummaryPeriod, SummaryPlan};
use tidegate_notify::form::Language;
use tidegate_notify::form::summary::{self, Period};
use tidegate_notify::{OutboxHandle, Turn};
use tidegate_pipeline::Pipeline;
use tokio::sync::oneshot;

use crate::cli::NotifyPlace;
use crate::live::StopSignal;
use crate::summary::{Asked, order_of, peaks_rule, read};
use crate::{published, whole_file};

use super::open_of;
use super::setup::Setup;

/// How often it is looked whether one is due.
const LOOK: Duration = Duration::from_secs(30);
/// How soon it sees that it is to stop.
const STEP: Duration = Duration::from_millis(200);
/// How long its end is waited for; what was not ordered then is ordered after the next start.
const END_WITHIN: Duration = Duration::from_secs(5);
/// Who orders them, for the trail.
const BY: &str = "schedule";

/// What came of the summaries.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct Counts {
    /// Orders to tell one on a channel.
    pub(crate) ordered: u64,
    /// Looks in which one could not be made.
    pub(crate) failed: u64,
    /// Periods that nobody is told of on a channel, because nothing ran when they were due.
    pub(crate) skipped: u64,
}

/// The summaries of a folder.
#[derive(Debug)]
pub(crate) struct Summaries(Option<Schedule>);

/// What they are made of.
#[derive(Debug)]
pub(crate) enum Data {
    /// A folder that a backfill or run has written.
    Lake(PathBuf),
    /// What a run has published to these brokers.
    Topics(String),
}

impl Summaries {
    /// Those that the folder asks for.
    pub(crate) fn of(setup: &Setup, place: &NotifyPlace, data: Data) -> Result<Self> {
        let plans = setup.plan.summaries();
        if plans.is_empty() {
            return Ok(Self(None));
        }
        Ok(Self(Some(Schedule {
            summaries: plans.to_vec(),
            data,
            read_back: None,
            maker: Maker {
                pipeline: Arc::clone(&setup.pipeline),
                folder: place.pipeline.clone(),
                outbox: open_of(place.state.as_deref(), &setup.pipeline.name)?,
            },
            said: BTreeMap::new(),
            counts: Counts::default(),
        })))
    }

    /// Looks what is due until it is stopped, on a thread of its own.
    pub(crate) fn start(self, stop: StopSignal) -> Running {
        let Some(schedule) = self.0 else {
            return Running(None);
        };
        let (end, ended) = oneshot::channel();
        std::thread::spawn(move || match work(schedule, &stop) {
            // Nobody may wait any more.
            Ok(counts) => drop(end.send(counts)),
            Err(error) => tracing::error!(%error, "No summaries are made."),
        });
        Running(Some(ended))
    }
}

/// Summaries that are being made.
#[derive(Debug)]
pub(crate) struct Running(Option<oneshot::Receiver<Counts>>);

impl Running {
    /// What came of them, once it is stopped; `None` where there are none, or it does not end in
    /// time.
    pub(crate) async fn finish(self) -> Option<Counts> {
        tokio::time::timeout(END_WITHIN, self.0?).await.ok()?.ok()
    }
}

fn work(mut schedule: Schedule, stop: &StopSignal) -> Result<Counts> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?;
    runtime.block_on(async {
        while !stop.is_asked() {
            tokio::select! {
                () = schedule.look(Timestamp::now()) => {}
                () = asked(stop) => {}
            }
            let waited = tokio::time::timeout(LOOK, asked(stop)).await;
            // Over: the next look.
            waited.ok();
        }
    });
    Ok(schedule.counts)
}

/// Is over once it is to stop.
async fn asked(stop: &StopSignal) {
    while !stop.is_asked() {
        tokio::time::sleep(STEP).await;
    }
}

/// Which summaries are due, and what was said of those that are not told.
#[derive(Debug)]
struct Schedule {
    summaries: Vec<SummaryPlan>,
    data: Data,
    /// What was published in a period, kept for the other units that are due with it.
    read_back: Option<(SummaryPeriod, TempDir)>,
    maker: Maker,
    /// The end of the newest period of a series that was said to be skipped.
    said: BTreeMap<String, Timestamp>,
    counts: Counts,
}

/// Makes one.
#[derive(Debug, Clone)]
struct Maker {
    pipeline: Arc<Pipeline>,
    /// The pipeline's.
    folder: PathBuf,
    outbox: OutboxHandle,
}

impl Schedule {
    /// Has everything told that is due at `now`.
    async fn look(&mut self, now: Timestamp) {
        for plan in self.summaries.clone() {
            if let Err(error) = self.look_at(&plan, now).await {
                self.counts.failed += 1;
                let error = format!("{error:#}");
                let (grid_unit, kind) = (plan.grid_unit(), plan.kind().as_str());
                tracing::error!(
                    grid_unit,
                    kind,
                    error,
                    "A summary is due and cannot be made yet."
                );
            }
        }
        self.read_back = None;
    }

    async fn look_at(&mut self, plan: &SummaryPlan, now: Timestamp) -> Result<()> {
        let mut due: BTreeMap<SummaryPeriod, Vec<String>> = BTreeMap::new();
        for channel in plan.channels() {
            let series = plan.series(channel);
            let of = series.clone();
            let last = self.maker.outbox.with(move |outbox| outbox.last_turn(&of));
            let found = plan.due(&self.maker.pipeline.zone, now, last.await?);
            self.say_skipped(&series, &found.skipped);
            if let Some(period) = found.period {
                due.entry(period).or_default().push(channel.to_owned());
            }
        }
        for (period, channels) in due {
            let data = self.data_of(period).await?;
            let (maker, plan) = (self.maker.clone(), plan.clone());
            // A task of its own, so that a panic over a damaged file ends there.
            let made = tokio::spawn(async move {
                let due = (&plan, period, &channels[..]);
                maker.tell(due, &data, now).await
            });
            self.counts.ordered += made.await.context("it panicked")??;
        }
        Ok(())
    }

    /// The lake of a period.
    async fn data_of(&mut self, period: SummaryPeriod) -> Result<PathBuf> {
        let bootstrap = match &self.data {
            Data::Lake(lake) => return Ok(lake.clone()),
            Data::Topics(bootstrap) => bootstrap.clone(),
        };
        if let Some((of, lake)) = &self.read_back
            && *of == period
        {
            return Ok(lake.path().to_owned());
        }
        let lake = tempfile::Builder::new()
            .prefix("tidegate-summary-")
            .tempdir()?;
        let (pipeline, out) = (Arc::clone(&self.maker.pipeline), lake.path().to_owned());
        let read = move || {
            let layer = peaks_rule(&pipeline).map(Rule::layer);
            let asked = published::Asked {
                from: period.start,
                to: period.end,
                layers: layer.as_slice(),
                panes: &[],
            };
            published::read_back(&bootstrap, &pipeline, asked, &out)?.finish()
        };
        let counts = tokio::task::spawn_blocking(read)
            .await
            .context("it panicked")??;
        tracing::info!(?counts, "What was published is read back for a summary.");
        let path = lake.path().to_owned();
        self.read_back = Some((period, lake));
        Ok(path)
    }

    /// Says once of each period that nobody is told of it.
    fn say_skipped(&mut self, series: &str, skipped: &[SummaryPeriod]) {
        let said = self.said.get(series).copied().unwrap_or(Timestamp::MIN);
        let new = skipped.iter().filter(|period| period.end > said);
        let new: Vec<&SummaryPeriod> = new.collect();
        let (Some(first), Some(last)) = (new.first(), new.last()) else {
            return;
        };
        let (periods, from, to) = (new.len(), first.start, last.end);
        tracing::warn!(
            series, periods, %from, %to,
            "Summaries are skipped: nothing ran when they were due. `tidegate summary` makes them."
        );
        self.counts.skipped += periods as u64;
        self.said.insert(series.to_owned(), last.end);
    }
}

impl Maker {
    /// Makes it, writes its file, and orders it on these channels; gives how many had no order yet.
    async fn tell(
        &self,
        (plan, period, channels): (&SummaryPlan, SummaryPeriod, &[String]),
        data: &Path,
        now: Timestamp,
    ) -> Result<u64> {
        let zone = &self.pipeline.zone;
        let asked = Asked {
            data,
            grid_unit: plan.grid_unit(),
            period: match plan.kind() {
                SummaryKind::Day => Period::Day,
                SummaryKind::Shift => Period::Shift,
            },
            from: period.start,
            to: period.end,
        };
        let of = read(asked, &self.pipeline, Some(&self.outbox)).await?;
        if let Some(from) = of.missing_from {
            let (grid_unit, to) = (plan.grid_unit(), period.end);
            tracing::warn!(grid_unit, %from, %to, "The data of a summary end early; it says so.");
        }
        if let Some(file) = plan.file(period, zone) {
            let html = summary::file(&of, Language::BOTH, zone);
            let path = self.folder.join(file);
            whole_file::write(&path, html.as_bytes())
                .with_context(|| format!("{} cannot be written", path.display()))?;
        }
        let mut ordered = 0;
        for channel in channels {
            let turn = Turn {
                series: plan.series(channel),
                at: period.end,
            };
            let body = order_of(&of, channel, zone)?.to_string();
            let order = self
                .outbox
                .with(move |outbox| outbox.order_once(&turn, BY, &body, now));
            if let Some(number) = order.await? {
                ordered += 1;
                let (grid_unit, end) = (plan.grid_unit(), period.end);
                tracing::info!(number, grid_unit, channel, %end, "A summary is ordered.");
            }
        }
        Ok(ordered)
    }
}

#[cfg(test)]
mod tests;
