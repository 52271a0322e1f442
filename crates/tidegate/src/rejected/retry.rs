//! `tidegate rejected retry`: what today's pipeline folder makes of rejected records, and, only
//! where asked, sending those again that would now be counted.
//!
//! Nothing is sent before every record was tried: what is to be sent waits in memory, at most
//! [`SEND_BYTES_MAX`]. More than that is refused, so that a half is never sent unasked.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, Result, bail, ensure};
use tidegate_connect::{Inspector, KafkaSink, Properties};
use tidegate_model::{EventTime, FeedId, ObservationBatch, Payload, Position, Reason};
use tidegate_pipeline::{Pipeline, Trial, Tried};

use crate::cli::RejectedRetry;
use crate::drive::wall_clock;
use crate::folder;

use super::Print;
use super::select::Selection;
use super::show::escaped;
use super::source::{From, Next, Record, Sight};

/// Most bytes that are sent by one call.
const SEND_BYTES_MAX: usize = 256 << 20;

/// Counts of one record that are shown.
const COUNTS_SHOWN: usize = 24;

/// How long the brokers may take to say whether a topic is there.
const ASK_WITHIN: Duration = Duration::from_secs(10);

/// How long the brokers may take to store what was sent.
const STORE_WITHIN: Duration = Duration::from_mins(1);

/// What would become of a record today.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, serde::Serialize)]
#[serde(rename_all = "snake_case")]
enum Outcome {
    /// Some or all of it would be counted.
    WouldCount,
    /// None of it would.
    StillRejected,
    /// A reading of a cumulative counter: what it counts depends on the one before it.
    NeedsHistory,
    /// It may identify a person, and is never tried.
    PersonalData,
    /// There is nothing to try.
    NoBytes,
}

impl Outcome {
    fn words(self) -> &'static str {
        match self {
            Self::WouldCount => "would be counted",
            Self::StillRejected => "still rejected",
            Self::NeedsHistory => "a counter's reading, which needs those before it",
            Self::PersonalData => "personal data, never tried again",
            Self::NoBytes => "without bytes",
        }
    }
}

/// One count as it would be taken.
#[derive(Debug, serde::Serialize)]
struct Counted {
    site: String,
    measure: &'static str,
    count: i64,
    start: String,
    end: String,
}

/// A rejection as it would be made.
#[derive(Debug, serde::Serialize)]
struct Fault {
    reason: &'static str,
    detail: String,
}

/// What was found of one record.
#[derive(Debug, serde::Serialize)]
struct Finding {
    position: String,
    /// The reason for which it was rejected.
    was: String,
    outcome: Outcome,
    /// How many counts it gives.
    observations: usize,
    /// The first of them.
    counts: Vec<Counted>,
    rejected: Vec<Fault>,
    #[serde(skip_serializing_if = "Option::is_none")]
    why: Option<Cow<'static, str>>,
}

/// A payload that waits to be sent.
#[derive(Debug)]
struct Waiting {
    feed: String,
    key: String,
    bytes: Vec<u8>,
}

/// What becomes of records that would be counted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Then {
    /// They are shown.
    Show,
    /// They are shown, then sent.
    Send,
}

/// All that was tried.
#[derive(Debug)]
struct Tally {
    then: Then,
    outcomes: BTreeMap<Outcome, u64>,
    observations: u64,
    /// Records by feed that would be counted.
    would_count: BTreeMap<String, u64>,
    waiting: Vec<Waiting>,
    waiting_bytes: usize,
}

/// Runs the command.
pub(super) async fn retry(args: &RejectedRetry, print: Print) -> Result<()> {
    ensure!(
        args.send || args.data.is_none() || args.bootstrap.is_none(),
        "--data and --bootstrap cannot be given together without --send: with it, the records of \
         --data are sent to --bootstrap"
    );
    let from = From::new(args.data.as_deref(), args.bootstrap.as_deref())?;
    let pipeline = folder::load(&args.pipeline).await?;
    let wanted = match &args.position {
        Some(place) => Selection::at(place),
        None => Selection::of(&args.filter),
    };
    let wanted = wanted.by(Some(&pipeline.name));
    check_feed(&pipeline, &wanted)?;
    let mut trial = Trial::new(Arc::clone(&pipeline));
    let mut tally = Tally::new(if args.send { Then::Send } else { Then::Show });
    let mut tried = 0;
    let found = from.read(&wanted, |record, sight| {
        if sight == Sight::Again {
            return Ok(Next::Read);
        }
        if tried == args.limit {
            return Ok(Next::Stop);
        }
        tried += 1;
        let finding = examine(&mut trial, &pipeline, &record, &mut tally)?;
        if args.json {
            print(&serde_json::to_string(&finding)?);
        } else {
            print(&text(&finding));
        }
        Ok(Next::Read)
    })?;
    if tried == 0 && args.position.is_some() {
        bail!("{}", found.nothing(&wanted, from));
    }
    ensure!(
        !(args.send && found.is_forgetful),
        "{}; nothing was sent",
        found.notes().join("; ")
    );
    let sent = match &args.bootstrap {
        Some(bootstrap) if args.send => send(&pipeline, bootstrap, &tally.waiting)?,
        _ => BTreeMap::new(),
    };
    let mut notes = found.notes();
    notes.extend(tally.notes(&pipeline));
    if args.json {
        print(&serde_json::to_string(&tally.json(&sent, &notes))?);
        return Ok(());
    }
    if tried == 0 {
        print(&found.nothing(&wanted, from));
    }
    tally.print(&sent, print);
    for note in notes {
        print(&format!("note: {note}"));
    }
    Ok(())
}

fn check_feed(pipeline: &Pipeline, wanted: &Selection) -> Result<()> {
    if let Some(feed) = wanted.feed()
        && pipeline.feed(feed).is_none()
    {
        let known: Vec<&str> = pipeline.feeds.iter().map(|feed| feed.id.as_str()).collect();
        bail!(
            "feed {feed:?} is not one of pipeline {}: it has {}",
            pipeline.name,
            known.join(", ")
        );
    }
    Ok(())
}

/// Tries one record, and keeps its bytes where they are to be sent.
fn examine(
    trial: &mut Trial,
    pipeline: &Pipeline,
    record: &Record,
    tally: &mut Tally,
) -> Result<Finding> {
    let mut finding = Finding {
        position: record.place().to_string(),
        was: record.reason.clone(),
        outcome: Outcome::NoBytes,
        observations: 0,
        counts: Vec::new(),
        rejected: Vec::new(),
        why: record.why_no_bytes(),
    };
    if record.reason == Reason::PersonalData.code() {
        finding.outcome = Outcome::PersonalData;
    } else if let Some(bytes) = &record.bytes {
        let feed = FeedId::new(&record.feed);
        // As it would be read if it arrived now.
        let now = wall_clock();
        let payload = Payload {
            position: Position {
                partition: record.partition,
                offset: record.offset,
                row: 0,
            },
            bytes: Some(bytes),
            arrived: Some(now),
        };
        let tried = trial.decode(&feed, payload, now);
        let known = pipeline.feed(&record.feed);
        let is_cumulative = known.is_some_and(|feed| feed.decoder.is_cumulative());
        finding.outcome = outcome(&tried, is_cumulative);
        if finding.outcome == Outcome::WouldCount {
            finding.observations = tried.observations.len();
            finding.counts = counts(&tried.observations);
            if tally.then == Then::Send {
                let key = tried.observations.site_id().value(0);
                tally.keep(&record.feed, key, bytes)?;
            }
        }
        let faults = tried.rejected.into_iter().map(|row| Fault {
            reason: row.reason.code(),
            detail: row.detail,
        });
        finding.rejected = faults.take(COUNTS_SHOWN).collect();
    }
    *tally.outcomes.entry(finding.outcome).or_default() += 1;
    tally.observations += finding.observations as u64;
    if finding.outcome == Outcome::WouldCount {
        *tally.would_count.entry(record.feed.clone()).or_default() += 1;
    }
    Ok(finding)
}

fn outcome(tried: &Tried, is_cumulative: bool) -> Outcome {
    let personal = |row: &tidegate_model::Rejected| row.reason == Reason::PersonalData;
    if tried.rejected.iter().any(personal) {
        Outcome::PersonalData
    } else if tried.observations.is_empty() {
        Outcome::StillRejected
    } else if is_cumulative {
        Outcome::NeedsHistory
    } else {
        Outcome::WouldCount
    }
}

fn counts(rows: &ObservationBatch) -> Vec<Counted> {
    let time = |micros| EventTime::from_micros(micros).to_string();
    (0..rows.len().min(COUNTS_SHOWN))
        .map(|row| Counted {
            site: rows.site_id().value(row).to_owned(),
            measure: rows.measure(row).as_str(),
            count: rows.count().value(row),
            start: time(rows.interval_start().value(row)),
            end: time(rows.interval_end().value(row)),
        })
        .collect()
}

fn text(finding: &Finding) -> String {
    let Finding { position, was, .. } = finding;
    let mut lines = vec![format!("{position}  {was} → {}", finding.outcome.words())];
    for count in &finding.counts {
        lines.push(format!(
            "    {} {} {}  {} to {}",
            escaped(&count.site),
            count.measure,
            count.count,
            count.start,
            count.end
        ));
    }
    if finding.observations > finding.counts.len() {
        let more = finding.observations - finding.counts.len();
        lines.push(format!("    … and {more} counts more"));
    }
    for fault in &finding.rejected {
        lines.push(format!("    {}: {}", fault.reason, escaped(&fault.detail)));
    }
    lines.extend(finding.why.as_ref().map(|why| format!("    bytes {why}")));
    lines.join("\n")
}

impl Tally {
    fn new(then: Then) -> Self {
        Self {
            then,
            outcomes: BTreeMap::new(),
            observations: 0,
            would_count: BTreeMap::new(),
            waiting: Vec::new(),
            waiting_bytes: 0,
        }
    }

    fn keep(&mut self, feed: &str, key: &str, bytes: &[u8]) -> Result<()> {
        self.waiting_bytes += bytes.len();
        ensure!(
            self.waiting_bytes <= SEND_BYTES_MAX,
            "more than {SEND_BYTES_MAX} bytes are to be sent at once, and nothing was sent; narrow \
             it by --feed, --reason or --limit"
        );
        self.waiting.push(Waiting {
            feed: feed.to_owned(),
            key: key.to_owned(),
            bytes: bytes.to_vec(),
        });
        Ok(())
    }

    fn json(&self, sent: &BTreeMap<String, u64>, notes: &[String]) -> serde_json::Value {
        serde_json::json!({
            "records": self.outcomes.values().sum::<u64>(), "outcomes": self.outcomes,
            "observations": self.observations, "sent": sent, "notes": notes,
        })
    }

    fn print(&self, sent: &BTreeMap<String, u64>, print: Print) {
        let records: u64 = self.outcomes.values().sum();
        print(&format!("{records} records"));
        for (outcome, count) in &self.outcomes {
            let counts = match outcome {
                Outcome::WouldCount => format!(", {} counts", self.observations),
                _ => String::new(),
            };
            print(&format!("  {count} {}{counts}", outcome.words()));
        }
        for (feed, count) in sent {
            print(&format!("{feed}: {count} records sent"));
        }
        if self.then == Then::Show && !self.would_count.is_empty() {
            print("nothing was sent; --send --bootstrap HOST:PORT sends what would be counted");
        }
    }

    /// What a reader has to know of what would be counted, or was sent.
    fn notes(&self, pipeline: &Pipeline) -> Vec<String> {
        let mut notes = Vec::new();
        if self.outcomes.contains_key(&Outcome::NeedsHistory) {
            notes.push(
                "readings of cumulative counters are not sent: out of their order they count \
                 nobody; run the feed again from its first reading instead, for instance with \
                 `tidegate backfill`"
                    .to_owned(),
            );
        }
        if self.would_count.is_empty() {
            return notes;
        }
        notes.push(format!(
            "a record that is sent again is judged as it arrives: with an event time further \
             behind than its feed's out_of_orderness it is late, within allowed_lateness ({}) it \
             still enters revision 1 of its windows, later than that tidegate.late",
            pipeline.allowed_lateness
        ));
        for feed in self.would_count.keys() {
            let within = pipeline
                .feed(feed)
                .and_then(|feed| feed.decoder.config().dedup_within);
            notes.push(match within {
                Some(within) => format!(
                    "feed {feed}: a record that is sent twice is a duplicate only if it carries \
                     an id and the two are within dedup_within ({within}); else it counts twice"
                ),
                None => format!(
                    "feed {feed} has no dedup_within: a record that is sent twice counts twice"
                ),
            });
        }
        if self.then == Then::Send {
            notes.push(
                "the records still stand among the rejected ones: sending again sends them again, \
                 and a run that begins at the topic's start reads the old and the new ones"
                    .to_owned(),
            );
        }
        notes
    }
}

/// Sends all that waits, and gives how many by feed; topics that are not there are not made.
fn send(
    pipeline: &Pipeline,
    bootstrap: &str,
    waiting: &[Waiting],
) -> Result<BTreeMap<String, u64>> {
    let mut sent = BTreeMap::new();
    if waiting.is_empty() {
        return Ok(sent);
    }
    let topic = |feed: &str| {
        let feed = pipeline
            .feed(feed)
            .expect("a record of no feed does not decode");
        feed.decoder.config().topic.as_str()
    };
    let mut sink = KafkaSink::connect(bootstrap, &Properties::new())?;
    let inspector = Inspector::new(bootstrap);
    let mut topics: Vec<&str> = waiting.iter().map(|one| topic(&one.feed)).collect();
    topics.sort_unstable();
    topics.dedup();
    for topic in topics {
        ensure!(
            !inspector.ends(topic, ASK_WITHIN)?.is_empty(),
            "topic {topic} is not at {bootstrap}, and nothing was sent: is it the cluster of \
             this pipeline's feeds?"
        );
    }
    let all = waiting.len();
    for (done, one) in waiting.iter().enumerate() {
        let (key, value) = (Some(one.key.as_bytes()), Some(one.bytes.as_slice()));
        sink.send(topic(&one.feed), None, key, value, None)
            .with_context(|| format!("stopped after {done} of {all} records"))?;
        *sent.entry(one.feed.clone()).or_default() += 1;
    }
    sink.flush(STORE_WITHIN)
        .with_context(|| format!("some of {all} records may not be stored"))?;
    Ok(sent)
}
