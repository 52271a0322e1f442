//! `tidegate backfill`: a pipeline over files.

use std::num::NonZeroUsize;
use std::path::Path;

use anyhow::Result;
use tidegate_model::{EventTime, FeedId, Payload, Position};
use tidegate_pipeline::{Mode, Runtime, Summary};

use crate::cli::{Backfill, Input};
use crate::drive::wall_clock;
use crate::outputs::{Outputs, Show};
use crate::progress::Bar;
use crate::{folder, recorded};

/// Messages handed to the runtime at a time.
const CHUNK_MESSAGES: usize = 4_096;

/// Table rows in one message: one decode for many rows.
const ROWS_PER_MESSAGE: NonZeroUsize = NonZeroUsize::new(64).expect("64 is not zero");

/// Runs the command.
pub(crate) async fn backfill(args: &Backfill) -> Result<Summary> {
    let pipeline = folder::load(&args.pipeline).await?;
    recorded::check_feeds(&pipeline, &args.input)?;
    let mut runtime = Runtime::new(std::sync::Arc::clone(&pipeline), Mode::Batch).await?;
    let mut outputs = Outputs::new(&runtime, Some(Path::new(&args.out)), None, Show::Nothing)?;
    let bar = Bar::new("records");
    for feed in &pipeline.feeds {
        runtime.assign(&feed.id, 0)?;
    }
    for feed in &pipeline.feeds {
        let inputs: Vec<&Input> = args
            .input
            .iter()
            .filter(|input| input.feed == feed.id.as_str())
            .collect();
        let mut chunk = Chunk {
            feed: &feed.id,
            messages: Vec::new(),
            offset: 0,
        };
        if feed.decoder.is_cumulative() {
            // The difference of two readings needs them in the order in which they were taken.
            for message in recorded::in_order(&feed.decoder, &inputs)? {
                chunk
                    .push(message.bytes, &mut runtime, &mut outputs)
                    .await?;
                bar.inc(1);
            }
        } else {
            for input in inputs {
                let rows = if feed.decoder.takes_many_rows() {
                    ROWS_PER_MESSAGE
                } else {
                    NonZeroUsize::MIN
                };
                let mut file =
                    tidegate_connect::RecordedFile::open(&input.path)?.with_rows_per_message(rows);
                for message in file.messages() {
                    chunk.push(message?, &mut runtime, &mut outputs).await?;
                    bar.inc(1);
                }
            }
        }
        chunk.flush(&mut runtime, &mut outputs).await?;
    }
    runtime.end().await?;
    outputs.drain(&mut runtime, |_| {})?;
    let summary = runtime.summary();
    outputs.finish(&summary)?;
    bar.finish();
    Ok(summary)
}

/// Messages of one feed on their way to the runtime.
struct Chunk<'a> {
    feed: &'a FeedId,
    messages: Vec<Vec<u8>>,
    offset: i64,
}

impl Chunk<'_> {
    async fn push(
        &mut self,
        message: Vec<u8>,
        runtime: &mut Runtime,
        outputs: &mut Outputs,
    ) -> Result<()> {
        self.messages.push(message);
        if self.messages.len() < CHUNK_MESSAGES {
            return Ok(());
        }
        self.flush(runtime, outputs).await
    }

    async fn flush(&mut self, runtime: &mut Runtime, outputs: &mut Outputs) -> Result<()> {
        let latest: EventTime = wall_clock();
        let payloads: Vec<Payload<'_>> = self
            .messages
            .iter()
            .zip(self.offset..)
            .map(|(bytes, offset)| Payload {
                position: Position {
                    partition: 0,
                    offset,
                    row: 0,
                },
                bytes: Some(bytes),
                arrived: None,
            })
            .collect();
        runtime.ingest(self.feed, 0, &payloads, latest).await?;
        self.offset += i64::try_from(self.messages.len())?;
        self.messages.clear();
        outputs.drain(runtime, |_| {})
    }
}
