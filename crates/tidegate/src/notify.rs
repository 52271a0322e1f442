//! `tidegate notify`: tells people of the alerts that a run publishes, and of days and shifts.

mod alerts;
mod kafka;
pub(crate) mod orders;
mod receive;
mod relay;
mod setup;
mod summaries;
mod topic;

use std::collections::BTreeMap;
use std::path::Path;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, Result};
use serde_json::json;
use tidegate_model::Cell;
use tidegate_notify::form::cap::Place;
use tidegate_notify::{
    Channels, Environment, Filter, Kept, KindPlan, Outbox, OutboxHandle, OutboxLimits, Outcome,
    Service, Surroundings,
};
use tidegate_pipeline::Pipeline;
use tokio::sync::{mpsc, oneshot};

use crate::cli::{Notify, NotifyPlace, NotifyRun};
use crate::live::StopSignal;

pub(crate) use alerts::order_on;
pub(crate) use alerts::{alerts, routes, silence};
pub(crate) use relay::{Incoming, Relay};
pub(crate) use setup::{CHANNELS, ROUTES, Scratch, Setup, check, check_folder, outbox_path};

use kafka::KafkaChannel;
use summaries::Summaries;

/// Batches of alerts between the reading thread and the dispatcher.
const QUEUE: usize = 8;
/// How long stopping may take.
const STOP_WITHIN: Duration = Duration::from_secs(30);

/// Runs the command.
pub(crate) async fn notify(command: &Notify, print: fn(&str)) -> Result<ExitCode> {
    match command {
        Notify::Run(args) => run(args).await,
        Notify::Test { place, channel } => test(place, channel, print).await,
        Notify::List {
            place,
            state,
            channel,
            limit,
        } => {
            let filter = Filter {
                state: state.map(Into::into),
                channel: channel.clone(),
                limit: *limit,
            };
            list(place, &filter, print).await
        }
        Notify::Show { place, id } => show(place, id, print).await,
        Notify::Resend { place, id } => {
            let outbox = open(place).await?;
            outbox.resend(id, jiff::Timestamp::now()).await?;
            print(&format!(
                "{id} is sent again by the notifier that runs, or the next one"
            ));
            Ok(ExitCode::SUCCESS)
        }
    }
}

/// Tells people until it is stopped.
async fn run(args: &NotifyRun) -> Result<ExitCode> {
    let place = &args.place;
    let setup = setup::load(&place.pipeline).await?;
    for warning in &setup.channels.warnings {
        tracing::warn!(key = warning.key, "{}", warning.message);
    }
    let bootstrap = place.bootstrap.clone();
    let bootstrap = bootstrap.context("whose alerts? Give --bootstrap HOST:PORT")?;
    let data = match &args.data {
        Some(lake) => summaries::Data::Lake(lake.clone()),
        None => summaries::Data::Topics(bootstrap.clone()),
    };
    let summaries = Summaries::of(&setup, place, data)?;
    let stop = StopSignal::listen(STOP_WITHIN)?;
    let outbox = open_of(place.state.as_deref(), &setup.pipeline.name)?;
    let channels = channels(&setup, &outbox, Some(&bootstrap))?;
    let service = Service::new(channels, outbox.clone(), Environment::system()).await?;
    let pipeline = setup.pipeline.name.clone();
    let names = setup.channel_names();
    let (mut relay, positions) = Relay::resume(setup.plan, names, outbox).await?;
    let (send, incoming) = mpsc::channel(QUEUE);
    if let Some(address) = args.receive {
        receive::serve(address, &pipeline, &send)?;
    }
    let summaries = summaries.start(stop.clone());
    let reading = topic::read((bootstrap, pipeline), positions, stop, send);
    let (end, ended) = oneshot::channel::<()>();
    let serving = tokio::spawn(service.run(async {
        // Dropped or sent: it is over.
        ended.await.ok();
    }));
    // Ends when the reading thread does.
    let relayed = relay.run(incoming).await;
    drop(end);
    let notices = serving.await.context("the deliveries")?;
    let summaries = summaries.finish().await;
    let read = tokio::task::spawn_blocking(move || reading.join());
    let read = read
        .await?
        .map_err(|_| anyhow::anyhow!("the reader of alerts panicked"))?;
    tracing::info!(?notices, ?summaries, "No more notices are sent.");
    relayed?;
    read?;
    Ok(ExitCode::SUCCESS)
}

/// The channels, each with what delivers; a topic needs brokers.
pub(crate) fn channels(
    setup: &Setup,
    outbox: &OutboxHandle,
    bootstrap: Option<&str>,
) -> Result<Channels> {
    let mut channels = Channels::new(
        setup.channels.clone(),
        outbox,
        &surroundings(&setup.pipeline),
    )?;
    for missing in channels.missing() {
        if let (KindPlan::Kafka { topic }, Some(bootstrap)) = (&missing.kind, bootstrap) {
            let channel = KafkaChannel::new(bootstrap, topic, &setup.pipeline.name);
            channels.plug(&missing.name, Arc::new(channel))?;
        }
    }
    Ok(channels)
}

/// The time of the pipeline's place, and where its venues are.
pub(crate) fn surroundings(pipeline: &Pipeline) -> Surroundings {
    let venues = pipeline.reference.venues.iter().map(|venue| {
        let cells = venue.footprint.iter().map(|part| part.cell).collect();
        (venue.id.clone(), cells)
    });
    let venues: BTreeMap<String, Vec<Cell>> = venues.collect();
    let places = move |kind: &str, subject: &str| -> Option<Place> {
        let cells = venues.get(subject).filter(|_| kind == "venue")?;
        Some(Place {
            polygons: Vec::new(),
            cells: cells.clone(),
        })
    };
    Surroundings {
        zone: pipeline.zone.clone(),
        places: Arc::new(places),
    }
}

async fn open(place: &NotifyPlace) -> Result<OutboxHandle> {
    let pipeline = crate::folder::load(&place.pipeline).await?;
    open_of(place.state.as_deref(), &pipeline.name)
}

/// The outbox of a pipeline.
pub(crate) fn open_of(state: Option<&Path>, pipeline: &str) -> Result<OutboxHandle> {
    let path = outbox_path(state, pipeline)?;
    Ok(OutboxHandle::new(Outbox::open(
        &path,
        OutboxLimits::default(),
    )?))
}

async fn test(place: &NotifyPlace, channel: &str, print: fn(&str)) -> Result<ExitCode> {
    let setup = setup::load(&place.pipeline).await?;
    // Past the outbox of a notifier that runs.
    let scratch = Scratch::new()?;
    let outbox = Outbox::open(&scratch.path().join("test.db"), OutboxLimits::default())?;
    let outbox = OutboxHandle::new(outbox);
    let tried = channels(&setup, &outbox, place.bootstrap.as_deref())?
        .test(channel, &Environment::system())
        .await?;
    let (is_good, why) = (tried.outcome == Outcome::Delivered, tried.outcome.why());
    if place.json {
        let value = json!({
            "channel": channel, "outcome": tried.outcome.name(), "status": tried.status, "why": why,
        });
        print(&serde_json::to_string_pretty(&value)?);
    } else if is_good {
        print(&format!("{channel}: delivered"));
    } else {
        let status = tried.status.map(|status| format!(" (status {status})"));
        let status = status.unwrap_or_default();
        print(&format!("{channel}: not delivered{status}: {why}"));
    }
    Ok(if is_good {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    })
}

async fn list(place: &NotifyPlace, filter: &Filter, print: fn(&str)) -> Result<ExitCode> {
    let outbox = open(place).await?;
    let filter = filter.clone();
    let (kept, counts) = outbox
        .with(move |outbox| {
            Ok::<_, tidegate_notify::OutboxError>((outbox.list(&filter)?, outbox.counts()?))
        })
        .await?;
    if place.json {
        print(&serde_json::to_string_pretty(
            &json!({ "counts": counts, "notices": kept }),
        )?);
        return Ok(ExitCode::SUCCESS);
    }
    for (channel, states) in &counts.channels {
        let states: Vec<String> = states
            .iter()
            .map(|(state, n)| format!("{n} {state:?}").to_lowercase())
            .collect();
        print(&format!("{channel}: {}", states.join(", ")));
    }
    for notice in &kept {
        print(&line(notice));
    }
    Ok(ExitCode::SUCCESS)
}

fn line(notice: &Kept) -> String {
    let state = format!("{:?}", notice.state).to_lowercase();
    let why = notice
        .why
        .as_deref()
        .map(|why| format!(": {why}"))
        .unwrap_or_default();
    format!(
        "{} {} {state} on {}, {} tries{why}",
        notice.accepted, notice.id, notice.channel, notice.tries
    )
}

async fn show(place: &NotifyPlace, id: &str, print: fn(&str)) -> Result<ExitCode> {
    let outbox = open(place).await?;
    let id = id.to_owned();
    let (kept, notice, attempts) = outbox.with(move |outbox| outbox.show(&id)).await?;
    let value = json!({ "kept": kept, "notice": notice, "attempts": attempts });
    print(&serde_json::to_string_pretty(&value)?);
    Ok(ExitCode::SUCCESS)
}
