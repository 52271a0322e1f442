//! `tidegate feed schemas`: which schemas of a registry the feeds of a pipeline can read.
//!
//! It is asked for by a person who writes a feed's file. A pipeline that runs asks no registry: what
//! a record gives then depends on the record and the folder alone.

mod report;

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::{Result, bail};
use tidegate_feeds::AcceptedSchemas;
use tidegate_ingest::{RegisteredSchema, RegistryConfig, RegistryLogin, SchemaRegistry};
use tidegate_pipeline::{Feed, Pipeline};

use super::Print;
use crate::cli::FeedSchemas;
use crate::folder;
use report::{FeedReport, ListedId, Reading, SubjectVersion};

/// The most versions of a subject that are looked at: the newest.
const VERSIONS_MAX: usize = 1_000;

/// Runs the command; fails when a feed's file accepts what cannot be read.
pub(super) async fn schemas(args: &FeedSchemas, print: Print) -> Result<ExitCode> {
    let pipeline = folder::load(&args.pipeline).await?;
    let feeds = chosen(&pipeline, &args.feed)?;
    if args.subject.is_some() && feeds.len() > 1 {
        let names: Vec<&str> = feeds.iter().map(|(feed, _)| feed.id.as_str()).collect();
        bail!(
            "--subject is for one feed, and {} are asked for: say which with --feed",
            names.join(", ")
        );
    }
    let registry = SchemaRegistry::new(&settings(args))
        .map_err(|problem| anyhow::anyhow!("cannot use the registry's settings: {problem}"))?;
    let mut reports = Vec::new();
    for (feed, accepted) in feeds {
        let topic = &feed.decoder.config().topic;
        let subject = args.subject.clone();
        let subject = subject.unwrap_or_else(|| format!("{topic}-value"));
        reports.push(ask(&registry, feed, accepted, subject).await?);
    }
    if args.json {
        print(&serde_json::to_string_pretty(&reports)?);
    } else {
        for line in reports.iter().flat_map(FeedReport::lines) {
            print(&line);
        }
    }
    let good = reports.iter().all(FeedReport::is_good);
    Ok(if good {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    })
}

fn settings(args: &FeedSchemas) -> RegistryConfig {
    let file = |path: &Option<PathBuf>| path.clone();
    RegistryConfig {
        login: match (file(&args.authorization), file(&args.basic_auth)) {
            (Some(path), _) => RegistryLogin::Authorization(path),
            (None, Some(path)) => RegistryLogin::Basic(path),
            (None, None) => RegistryLogin::Nobody,
        },
        ca_file: file(&args.ca_file),
        proxy: args.proxy.clone(),
        ..RegistryConfig::new(&args.registry)
    }
}

/// The feeds that are asked for and what each accepts: all with `wire = "confluent"`, or those named.
fn chosen<'p>(
    pipeline: &'p Pipeline,
    asked: &[String],
) -> Result<Vec<(&'p Feed, AcceptedSchemas)>> {
    let asked: BTreeSet<&str> = asked.iter().map(String::as_str).collect();
    let mut chosen = Vec::new();
    let mut known = BTreeSet::new();
    for feed in &pipeline.feeds {
        if let Some(accepted) = feed.decoder.accepted_schemas() {
            known.insert(feed.id.as_str());
            if asked.is_empty() || asked.contains(feed.id.as_str()) {
                chosen.push((feed, accepted));
            }
        }
    }
    if known.is_empty() {
        bail!(
            "no feed of pipeline {} has wire = \"confluent\", so no message of it names a schema",
            pipeline.name
        );
    }
    if let Some(stranger) = asked.difference(&known).next() {
        let known: Vec<&str> = known.iter().copied().collect();
        bail!(
            "feed {stranger:?} is not one of pipeline {} with wire = \"confluent\": it has {}",
            pipeline.name,
            known.join(", ")
        );
    }
    Ok(chosen)
}

async fn ask(
    registry: &SchemaRegistry,
    feed: &Feed,
    accepted: AcceptedSchemas,
    subject: String,
) -> Result<FeedReport> {
    let known = registry.versions(&subject).await?;
    let is_known = known.is_some();
    let mut numbers = known.unwrap_or_default();
    numbers.sort_unstable();
    let older = numbers.len().saturating_sub(VERSIONS_MAX);
    let mut versions = Vec::new();
    let mut readings = BTreeMap::new();
    for number in numbers.split_off(older) {
        // Deleted between the two questions, it is no version any more.
        let Some(schema) = registry.version(&subject, number).await? else {
            continue;
        };
        let reading = read(feed, &schema);
        readings.insert(schema.id, reading.clone());
        versions.push(SubjectVersion {
            version: number,
            id: schema.id,
            kind: schema.kind,
            reading,
        });
    }
    let schema_ids = listed(registry, feed, accepted, &readings).await?;
    let report = FeedReport {
        feed: feed.id.to_string(),
        subject,
        is_known,
        older,
        versions,
        schema_ids,
        proposed: BTreeSet::new(),
    };
    Ok(report.propose())
}

/// What the ids in the feed's file stand for; `readings` are those of the subject's versions.
async fn listed(
    registry: &SchemaRegistry,
    feed: &Feed,
    accepted: AcceptedSchemas,
    readings: &BTreeMap<u32, Reading>,
) -> Result<Option<Vec<ListedId>>> {
    let AcceptedSchemas::Listed(accepted) = accepted else {
        return Ok(None);
    };
    let mut ids = Vec::new();
    for id in accepted {
        let known = readings.get(&id);
        let reading = match known {
            Some(reading) => reading.clone(),
            None => match registry.schema(id).await? {
                Some(schema) => read(feed, &schema),
                None => Reading::Unknown,
            },
        };
        ids.push(ListedId {
            id,
            is_of_subject: known.is_some(),
            reading,
        });
    }
    Ok(Some(ids))
}

fn read(feed: &Feed, schema: &RegisteredSchema) -> Reading {
    match feed.decoder.check_schema(&schema.kind, &schema.text) {
        Ok(()) => Reading::Good,
        Err(problems) => Reading::Bad(problems.iter().map(ToString::to_string).collect()),
    }
}
