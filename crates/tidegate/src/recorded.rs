//! Recorded files of a feed, as one sequence of messages.

use std::collections::BTreeSet;
use std::num::NonZeroUsize;

use anyhow::{Context, Result, bail};
use tidegate_connect::RecordedFile;
use tidegate_feeds::{Decoder, TimeLimit};
use tidegate_model::{EventTime, ObservationBuilder, Payload, Position};
use tidegate_pipeline::Pipeline;

use crate::cli::Input;

/// Messages decoded at a time to find out when they were sent.
const DECODE_MESSAGES: usize = 8_192;

/// A message with the time at which its producer would have sent it.
#[derive(Debug)]
pub(crate) struct Timed {
    /// End of its latest count.
    pub sent_at: EventTime,
    /// The site of its first count; empty where nothing could be read.
    pub key: String,
    /// The message.
    pub bytes: Vec<u8>,
}

/// Checks that every input names a feed of the pipeline.
pub(crate) fn check_feeds(pipeline: &Pipeline, inputs: &[Input]) -> Result<()> {
    let known: Vec<&str> = pipeline.feeds.iter().map(|feed| feed.id.as_str()).collect();
    let unknown: BTreeSet<&str> = inputs
        .iter()
        .map(|input| input.feed.as_str())
        .filter(|feed| !known.contains(feed))
        .collect();
    if let Some(feed) = unknown.first() {
        bail!(
            "feed {feed:?} is not one of pipeline {}: it has {}",
            pipeline.name,
            known.join(", ")
        );
    }
    Ok(())
}

/// The messages of a file as they stand in it, up to `rows` table rows a message.
pub(crate) fn for_each_message(
    input: &Input,
    rows: NonZeroUsize,
    mut take: impl FnMut(Vec<u8>) -> Result<()>,
) -> Result<()> {
    let mut file = RecordedFile::open(&input.path)?.with_rows_per_message(rows);
    for message in file.messages() {
        take(message?)?;
    }
    Ok(())
}

/// The messages of a feed's files in the order in which their producer would have sent them: by
/// the end of what they count, equal ones as they stand in the files.
///
/// A message that cannot be read keeps its place behind the one before it.
pub(crate) fn in_order(decoder: &Decoder, inputs: &[&Input]) -> Result<Vec<Timed>> {
    let mut messages: Vec<Timed> = Vec::new();
    for input in inputs {
        let from = messages.len();
        for_each_message(input, NonZeroUsize::MIN, |bytes| {
            messages.push(Timed {
                sent_at: EventTime::MIN,
                key: String::new(),
                bytes,
            });
            Ok(())
        })?;
        // Each file is read by a decoder of its own: a counter's state does not matter here.
        let mut decoder = decoder.clone();
        for chunk in messages[from..].chunks_mut(DECODE_MESSAGES) {
            stamp(&mut decoder, chunk).with_context(|| format!("in {}", input.path.display()))?;
        }
        let mut last = EventTime::EARLIEST;
        for message in &mut messages[from..] {
            if message.sent_at == EventTime::MIN {
                message.sent_at = last;
            }
            last = message.sent_at;
        }
    }
    messages.sort_by_key(|message| message.sent_at);
    Ok(messages)
}

/// Finds out when the messages of `chunk` were sent, and by which site.
fn stamp(decoder: &mut Decoder, chunk: &mut [Timed]) -> Result<()> {
    let mut rows = ObservationBuilder::new(decoder.feed().clone(), chunk.len());
    let mut rejected = Vec::new();
    for (index, message) in chunk.iter().enumerate() {
        let position = Position {
            partition: 0,
            offset: i64::try_from(index)?,
            row: 0,
        };
        let payload = Payload {
            position,
            bytes: Some(&message.bytes),
            arrived: None,
        };
        let limit = TimeLimit {
            latest: EventTime::MAX,
        };
        decoder.decode(payload, limit, &mut rows, &mut rejected);
        rejected.clear();
    }
    let rows = rows.finish();
    for row in 0..rows.len() {
        let message = &mut chunk[usize::try_from(rows.source_offset().value(row))?];
        let end = EventTime::from_micros(rows.interval_end().value(row));
        message.sent_at = message.sent_at.max(end);
        if message.key.is_empty() {
            rows.site_id().value(row).clone_into(&mut message.key);
        }
    }
    Ok(())
}
